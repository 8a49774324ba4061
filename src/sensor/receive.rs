//! The receiver thread: blocks of the ring become observations and findings, in the order of the stream.

use super::cadence::Cadence;
use super::evidence::Tap;
use super::health::{Band, band};
use super::instrument::Instrument;
use super::observe::{Context, observe};
use super::spool::Class;
use super::whereabouts::Whereabouts;
use crate::cell::CellKey;
use crate::observation::{Clock, Finding, Item, Observation, Position};
use crate::radio::ring::Reader;
use crate::radio::source::{Event, SourceError, StreamInfo};
use crate::rat::{self, CellReport, Receivers};
use crate::rules::Engine;
use crate::units::{Nanos, Timestamp};
use num_complex::Complex32;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// The same by standard and band.
    pub by_band: Mutex<BTreeMap<Band, Timestamp>>,
    /// Samples of the current stream at full scale, parts per million.
    pub clipped_ppm: AtomicU32,
}

/// What judges a stream, and where its items go.
pub struct Station<'a> {
    /// The rules.
    pub engine: Engine,
    /// Which observations are told.
    pub cadence: Cadence,
    /// The clock behind the source's times, and where the antenna stands.
    pub whereabouts: Arc<Whereabouts>,
    /// The receiver behind the streams.
    pub instrument: Arc<Instrument>,
    /// Keeps samples as evidence.
    pub evidence: Option<Tap>,
    /// Takes items; waits when it is full.
    pub items: SyncSender<(Class, Item)>,
    /// For the health report.
    pub counters: &'a Counters,
    /// Given the engine now and then, to keep what it has learned.
    pub keep: &'a mut dyn FnMut(&Engine),
}

/// What surrounds a stream while it is received.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// The clock that stamped the stream.
    pub clock: Clock,
    /// Where the antenna stands.
    pub position: Option<Position>,
    /// Samples known to be lost.
    pub lost_samples: u64,
}

/// A report, what it amounts to, and what the rules say of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// As the receiver gave it.
    pub report: CellReport,
    /// What the hub may be told.
    pub observation: Observation,
    /// What the rules found in it.
    pub findings: Vec<Finding>,
    /// It is the stream's last word on the cell.
    pub last: bool,
}

/// One stream through all receivers, observation and rules: what node and `daen replay` have in common.
#[derive(Debug)]
pub struct Hearing {
    info: StreamInfo,
    receivers: Receivers,
    instrument: Option<Arc<Instrument>>,
    samples: u64,
    clipped: u64,
    reports: Vec<CellReport>,
}

impl Hearing {
    /// For one stream; a gap or a retune makes a new one.
    pub fn new(info: StreamInfo, options: rat::Options) -> Hearing {
        let receivers = Receivers::new(&info, options);
        Hearing { info, receivers, instrument: None, samples: 0, clipped: 0, reports: Vec::new() }
    }

    /// And what is known of the receiver that the stream comes from.
    pub fn of(self, instrument: Arc<Instrument>) -> Hearing {
        instrument.begin();
        Hearing { instrument: Some(instrument), ..self }
    }

    /// What is received.
    pub fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// The time of the newest sample.
    pub fn now(&self) -> Timestamp {
        self.info.start + Nanos((self.samples as f64 / self.info.sample_rate.0 * 1e9) as i64)
    }

    /// Samples taken.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// How many of them touched full scale.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Takes the next block, of which `clipped` samples touched full scale.
    pub fn process(&mut self, samples: &[Complex32], clipped: u32) {
        self.samples += samples.len() as u64;
        self.clipped += u64::from(clipped);
        self.receivers.process(samples, &mut self.reports);
    }

    /// What the blocks have brought since the last call, told and judged.
    ///
    /// It does not depend on the sizes of the blocks, but for the share of clipped samples so far.
    pub fn judged(&mut self, around: Surroundings, engine: &mut Engine) -> Vec<Judged> {
        self.judge(0, around, engine)
    }

    /// The stream has ended: the last word on every cell.
    pub fn finish(mut self, around: Surroundings, engine: &mut Engine) -> Vec<Judged> {
        let last = self.receivers.finish(&mut self.reports);
        self.judge(last, around, engine)
    }

    /// Turns the reports that wait into observations and judges them; the last `last` of them are final.
    fn judge(&mut self, last: usize, around: Surroundings, engine: &mut Engine) -> Vec<Judged> {
        let live = self.reports.len().saturating_sub(last);
        let context = Context {
            stream: &self.info,
            clock: around.clock,
            position: around.position,
            samples: self.samples,
            clipped: self.clipped,
            lost_samples: around.lost_samples,
        };
        let judged = self.reports.drain(..).enumerate().map(|(n, report)| {
            let mut observation = observe(&report, &context);
            if let Some(instrument) = &self.instrument {
                instrument.apply(&mut observation, &self.info);
                if engine.is_licensed(&observation) {
                    instrument.learn(&observation);
                }
            }
            let mut findings = Vec::new();
            engine.judge(&observation, &mut findings);
            Judged { report, observation, findings, last: n >= live }
        });
        judged.collect()
    }
}

/// One stream of a station.
struct Stream {
    hearing: Hearing,
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
        let ended = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            match reader.read() {
                Ok((Event::Samples, block)) => {
                    let Some(stream) = &mut stream else { continue };
                    self.counters.samples.fetch_add(block.samples.len() as u64, Ordering::Relaxed);
                    if let Some(tap) = &self.evidence {
                        tap.samples(block);
                    }
                    stream.hearing.process(&block.samples, block.clipped);
                    let lost = reader.lost_samples();
                    self.counters.lost_samples.store(lost, Ordering::Relaxed);
                    let around = self.around(stream.hearing.now(), lost);
                    let judged = stream.hearing.judged(around, &mut self.engine);
                    self.tell(&mut stream.heard, judged);
                }
                Ok((Event::Stream(info), _)) => {
                    self.finish(stream.take(), reader.lost_samples());
                    if let Some(tap) = &self.evidence {
                        tap.stream(&info);
                    }
                    let hearing = Hearing::new(info, rat::Options::default()).of(self.instrument.clone());
                    stream = Some(Stream { hearing, heard: BTreeMap::new() });
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

    fn around(&self, now: Timestamp, lost_samples: u64) -> Surroundings {
        let (clock, position) = self.whereabouts.around(now);
        Surroundings { clock, position, lost_samples }
    }

    fn finish(&mut self, stream: Option<Stream>, lost: u64) {
        let Some(Stream { hearing, mut heard }) = stream else { return };
        let around = self.around(hearing.now(), lost);
        let judged = hearing.finish(around, &mut self.engine);
        self.tell(&mut heard, judged);
    }

    fn tell(&mut self, heard: &mut BTreeMap<CellKey, (Timestamp, u64)>, judged: Vec<Judged>) {
        if judged.is_empty() {
            return;
        }
        for Judged { mut observation, findings, last, .. } in judged {
            self.note(heard, &observation);
            // The last word on a cell is told, unless it is what was told a moment ago.
            let class = self.cadence.admits(&observation);
            if !findings.is_empty() {
                self.cadence.found(&observation);
            }
            if let Some(class) =
                class.or_else(|| (last && self.cadence.is_news(&observation)).then_some(Class::Routine))
            {
                self.cadence.trim(class, &mut observation);
                self.send(class, Item::Observation(Box::new(observation)));
            }
            for finding in findings {
                tracing::info!(rule = finding.rule, cell = %finding.observation.cell, tier = ?finding.tier, "finding");
                if let Some(tap) = &self.evidence {
                    tap.found(&finding);
                }
                self.send(Class::Finding, Item::Finding(Box::new(finding)));
            }
        }
        (self.keep)(&self.engine);
    }

    fn note(&self, heard: &mut BTreeMap<CellKey, (Timestamp, u64)>, observation: &Observation) {
        let at = observation.at_ns;
        let messages = observation.broadcast.iter().map(|block| u64::from(block.count)).sum();
        let before = heard.insert(observation.cell, (at, messages));
        if messages > before.map_or(0, |(_, messages)| messages) {
            // Not the greatest: a clock may be set back, and then goes on from there.
            self.counters.last_decode_ns.store(at.0, Ordering::Relaxed);
            let mut by_band = self.counters.by_band.lock().unwrap_or_else(PoisonError::into_inner);
            by_band.insert(band(observation.cell), at);
        }
        heard.retain(|_, (last, _)| at - *last <= FOLLOWED);
        self.counters.cells.store(u32::try_from(heard.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.counters.clipped_ppm.store(observation.receiver.clipped_ppm, Ordering::Relaxed);
    }

    fn send(&self, class: Class, item: Item) {
        // Fails only when the spooler has ended, which it does after this thread.
        let _ = self.items.send((class, item));
    }
}
