//! The receiver thread: blocks of the ring become observations and findings, in the order of the stream.

use super::cadence::Cadence;
use super::observe::{Context, observe};
use super::spool::Class;
use crate::cell::CellKey;
use crate::observation::{Clock, Item, Observation, Position};
use crate::radio::ring::Reader;
use crate::radio::source::{Event, SourceError, StreamInfo};
use crate::rat::{CellReport, gsm};
use crate::rules::Engine;
use crate::units::{Nanos, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

/// A cell that was not reported for so long is not followed any more.
const FOLLOWED: Nanos = Nanos::from_secs(10);

/// What the receiver counts, for the health report.
#[derive(Debug, Default)]
pub struct Counters {
    /// Samples received.
    pub samples: AtomicU64,
    /// Samples lost between source and receiver.
    pub lost_samples: AtomicU64,
    /// Cells followed now.
    pub cells: AtomicU32,
    /// When a broadcast message was last received without error; 0: never.
    pub last_decode_ns: AtomicI64,
    /// Samples of the current stream at full scale, parts per million.
    pub clipped_ppm: AtomicU32,
}

/// What judges a stream, and where its items go.
pub struct Station<'a> {
    /// The rules.
    pub engine: Engine,
    /// Which observations are told.
    pub cadence: Cadence,
    /// The clock behind the source's times.
    pub clock: Clock,
    /// Where the antenna stands.
    pub position: Option<Position>,
    /// Takes items; waits when it is full.
    pub items: SyncSender<(Class, Item)>,
    /// For the health report.
    pub counters: &'a Counters,
    /// Given the engine now and then, to keep what it has learned.
    pub keep: &'a mut dyn FnMut(&Engine),
}

/// One stream being received.
struct Stream {
    info: StreamInfo,
    receiver: gsm::Receiver,
    samples: u64,
    clipped: u64,
    /// By cell: when it was reported last, and how many messages it had then.
    heard: BTreeMap<CellKey, (Timestamp, u64)>,
}

impl Station<'_> {
    /// Receives until the source ends or `stop` is set, and then says the last of every cell.
    ///
    /// # Errors
    /// What made the source fail; what was received before it is told all the same.
    pub fn run(&mut self, mut reader: Reader, stop: &AtomicBool) -> Result<(), SourceError> {
        let mut stream: Option<Stream> = None;
        let mut reports = Vec::new();
        let ended = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            match reader.read() {
                Ok((Event::Samples, block)) => {
                    let Some(stream) = &mut stream else { continue };
                    stream.samples += block.samples.len() as u64;
                    stream.clipped += u64::from(block.clipped);
                    stream.receiver.process(&block.samples, &mut reports);
                    self.counters.samples.fetch_add(block.samples.len() as u64, Ordering::Relaxed);
                    let lost = reader.lost_samples();
                    self.counters.lost_samples.store(lost, Ordering::Relaxed);
                    self.tell(stream, &mut reports, lost, false);
                }
                Ok((Event::Stream(info), _)) => {
                    let lost = reader.lost_samples();
                    self.finish(stream.take(), lost);
                    let receiver = gsm::Receiver::new(&info, gsm::Options::default());
                    stream = Some(Stream { info, receiver, samples: 0, clipped: 0, heard: BTreeMap::new() });
                }
                Ok((Event::End, _)) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let lost = reader.lost_samples();
        self.finish(stream, lost);
        self.counters.cells.store(0, Ordering::Relaxed);
        (self.keep)(&self.engine);
        ended
    }

    fn finish(&mut self, stream: Option<Stream>, lost: u64) {
        let Some(mut stream) = stream else { return };
        let mut reports = Vec::new();
        stream.receiver.finish(&mut reports);
        self.tell(&mut stream, &mut reports, lost, true);
    }

    fn tell(&mut self, stream: &mut Stream, reports: &mut Vec<CellReport>, lost: u64, last: bool) {
        if reports.is_empty() {
            return;
        }
        let mut findings = Vec::new();
        for report in reports.drain(..) {
            let context = Context {
                stream: &stream.info,
                clock: self.clock,
                position: self.position,
                samples: stream.samples,
                clipped: stream.clipped,
                lost_samples: lost,
            };
            let observation = observe(&report, &context);
            self.note(stream, &observation);
            self.engine.judge(&observation, &mut findings);
            // The last word on a cell is told, unless it is what was told a moment ago.
            if self.cadence.admits(&observation) || (last && self.cadence.is_news(&observation)) {
                let licensed = self.engine.is_licensed(&observation);
                let class = if licensed { Class::Licensed } else { Class::Observation };
                self.send(class, Item::Observation(Box::new(observation)));
            }
            for finding in findings.drain(..) {
                tracing::info!(rule = finding.rule, cell = %finding.observation.cell, tier = ?finding.tier, "finding");
                self.send(Class::Finding, Item::Finding(Box::new(finding)));
            }
        }
        (self.keep)(&self.engine);
    }

    fn note(&self, stream: &mut Stream, observation: &Observation) {
        let at = observation.at_ns;
        let messages = observation.broadcast.iter().map(|block| u64::from(block.count)).sum();
        let before = stream.heard.insert(observation.cell, (at, messages));
        if messages > before.map_or(0, |(_, messages)| messages) {
            self.counters.last_decode_ns.fetch_max(at.0, Ordering::Relaxed);
        }
        stream.heard.retain(|_, (heard, _)| at - *heard <= FOLLOWED);
        self.counters.cells.store(u32::try_from(stream.heard.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.counters.clipped_ppm.store(observation.receiver.clipped_ppm, Ordering::Relaxed);
    }

    fn send(&self, class: Class, item: Item) {
        // Fails only when the spooler has ended, which it does after this thread.
        let _ = self.items.send((class, item));
    }
}
