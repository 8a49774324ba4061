//! The receiver thread: blocks of the ring become observations and findings, in the order of the stream.

mod aside;
mod heard;
mod hearing;
mod split;

use super::cadence::Cadence;
use super::evidence::Tap;
use super::health::{Band, band};
use super::instrument::Instrument;
use super::lab::{Kept, Lab};
use super::observe::observe;
use super::recognised::Recognised;
use super::spool::Class;
use super::tour::{Next, Tour};
use super::waterfall::Waterfall;
use super::whereabouts::Whereabouts;
use crate::observation::{Fields, Item, Observation};
use crate::radio::ring::Reader;
use crate::radio::source::{Event, SourceError, StreamInfo};
use crate::rat;
use crate::rules::Engine;
use crate::units::{Hz, Nanos, Timestamp};
use heard::Heard;
pub use hearing::{Hearing, Judged, Surroundings};
pub use split::{Effort, Split};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A cell that was not reported for so long is not followed any more.
const FOLLOWED: Nanos = Nanos::from_secs(10);
/// The same where a receiver scans, and comes back to its cells every ten minutes.
const VISITED: Nanos = Nanos::from_secs(900);
/// Cells that count at most; more than any site can hear.
const MOST_HEARD: usize = 4096;

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
    /// Signal that waits in the ring, milliseconds; the longest since it was set to 0.
    pub latency_ms: AtomicU32,
    /// The stream is too fast for anything but its spectrum.
    pub spectrum_only: AtomicBool,
    /// Standards that are recognised and not decoded.
    pub recognised: Mutex<Recognised>,
}

/// What judges the streams of a node, of which there is one for all of its receivers.
pub struct Judge {
    /// The rules.
    pub engine: Engine,
    /// Which observations are told.
    pub cadence: Cadence,
    /// Given the engine now and then, to keep what it has learned.
    pub keep: Box<dyn FnMut(&Engine) + Send>,
}

/// What receives a stream, and where its items go.
pub struct Station<'a> {
    /// Shared with the other receivers.
    pub judge: &'a Mutex<Judge>,
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
}

/// What works beside the receivers on the stream of a device whose tuning stays.
#[derive(Debug, Default)]
pub struct Beside {
    /// Searches LTE of fast streams; recordings and scenes, which wait, have none and are received whole.
    pub lab: Option<Lab>,
    /// Makes the tiles of the spectrum.
    pub waterfall: Option<Waterfall>,
}

impl Station<'_> {
    /// Receives until the source ends or `stop` is set, and then says the last of every cell.
    ///
    /// With a lab, a stream above 6 Msps has its LTE searched there, a stretch now and then, and what is found is followed here; of one
    /// above 32 Msps only the spectrum is looked at.
    ///
    /// # Errors
    /// What made the source fail; what was received before it is told all the same.
    pub fn run(&self, mut reader: Reader, beside: Beside, stop: &AtomicBool) -> Result<(), SourceError> {
        let Beside { lab, mut waterfall } = beside;
        let mut split = Split::new(lab);
        let mut rate = Hz(0.0);
        let mut stream: Option<Hearing> = None;
        let mut heard = Heard::new(FOLLOWED);
        let ended = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            split.found(|kept| {
                if let Some(stream) = &mut stream {
                    stream.learn(kept);
                }
                self.tell_kept(&mut heard, kept);
            });
            match reader.read() {
                Ok((Event::Samples, block)) => {
                    let block_len = block.samples.len();
                    self.counters.samples.fetch_add(block_len as u64, Ordering::Relaxed);
                    if let Some(tap) = &self.evidence {
                        tap.samples(block);
                    }
                    if let Some(tile) = waterfall.as_mut().and_then(|waterfall| waterfall.take(&block.samples)) {
                        self.send(Class::Routine, Item::Spectrum(Box::new(tile)));
                    }
                    if let Some(stream) = &mut stream {
                        stream.process(&block.samples, block.clipped);
                    }
                    split.take(block);
                    let lost = reader.lost_samples();
                    self.counters.lost_samples.store(lost, Ordering::Relaxed);
                    self.note_latency(reader.waiting(), block_len, rate);
                    if let Some(stream) = &mut stream {
                        self.judge(stream, &mut heard, lost);
                    }
                }
                Ok((Event::Stream(info), _)) => {
                    if let Some(tap) = &self.evidence {
                        tap.stream(&info);
                    }
                    self.finish(stream.take(), &mut heard, (reader.lost_samples(), true));
                    if let Some(waterfall) = &mut waterfall {
                        waterfall.begin(&info);
                    }
                    rate = info.sample_rate;
                    let (effort, options) = split.begin(&info);
                    self.counters.spectrum_only.store(effort == Effort::Spectrum, Ordering::Relaxed);
                    stream = options.map(|options| self.hearing((info, options)));
                }
                Ok((Event::End, _)) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let lost = reader.lost_samples();
        self.finish(stream, &mut heard, (lost, true));
        self.counters.cells.store(0, Ordering::Relaxed);
        self.keep();
        ended
    }

    /// The same for a receiver that is led along a plan.
    ///
    /// # Errors
    /// What made the source fail; what was received before it is told all the same.
    pub fn follow(&self, mut reader: Reader, tour: &mut Tour, stop: &AtomicBool) -> Result<(), SourceError> {
        let mut stream: Option<Hearing> = None;
        let mut heard = Heard::new(VISITED);
        let ended = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(());
            }
            if let Some(mut kept) = tour.result() {
                let cells = self.tell_kept(&mut heard, &mut kept);
                tour.learn(kept, &cells);
            }
            let lost = reader.lost_samples();
            self.counters.lost_samples.store(lost, Ordering::Relaxed);
            match reader.read() {
                Ok((Event::Samples, block)) => {
                    self.counters.samples.fetch_add(block.samples.len() as u64, Ordering::Relaxed);
                    if let Some(tap) = &self.evidence {
                        tap.samples(block);
                    }
                    let (block, clipped) = (&block.samples, block.clipped);
                    if let Some(stream) = &mut stream {
                        stream.process(block, clipped);
                        self.judge(stream, &mut heard, lost).iter().for_each(|observation| tour.heard(observation));
                    }
                    let next = tour.take(block, clipped);
                    if let Some(tile) = tour.tile() {
                        self.send(Class::Routine, Item::Spectrum(Box::new(tile)));
                    }
                    let count = block.len();
                    if let Some(rate) = tour.rate() {
                        self.note_latency(reader.waiting(), count, rate);
                    }
                    match next {
                        Next::Stay | Next::Continue => {}
                        Next::Begin(begun) => {
                            self.finish(stream.take(), &mut heard, (lost, false));
                            stream = begun.map(|wanted| self.hearing(wanted));
                        }
                        Next::Move => self.finish(stream.take(), &mut heard, (lost, false)),
                    }
                }
                Ok((Event::Stream(info), _)) => {
                    if let Some(tap) = &self.evidence {
                        tap.stream(&info);
                    }
                    self.finish(stream.take(), &mut heard, (lost, false));
                    stream = tour.arrive(&info).map(|wanted| self.hearing(wanted));
                }
                Ok((Event::End, _)) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.finish(stream, &mut heard, (reader.lost_samples(), true));
        self.counters.cells.store(0, Ordering::Relaxed);
        self.keep();
        ended
    }

    /// Judges and tells what was found in a stretch that was kept; gives carrier and width of each cell.
    fn tell_kept(&self, heard: &mut Heard, kept: &mut Kept) -> Vec<(Hz, Hz)> {
        let around = self.around(kept.info.start, self.counters.lost_samples.load(Ordering::Relaxed));
        let context = around.context(&kept.info, kept.samples.len() as u64, kept.clipped);
        let mut cells = Vec::new();
        let mut judged = Vec::new();
        let mut judge = self.lock();
        for report in kept.reports.drain(..) {
            let mut observation = observe(&report, &context);
            self.instrument.apply(&mut observation, &kept.info);
            if judge.engine.is_licensed(&observation) {
                self.instrument.learn(&observation);
            }
            let lte = report.fields.as_ref().and_then(Fields::lte).and_then(|fields| fields.mib);
            let nr = report.fields.as_ref().and_then(Fields::nr).and_then(|fields| fields.radio);
            let width = match (lte, nr) {
                (Some(mib), _) => f64::from(mib.prb) * 180e3,
                // Of an NR carrier the block's place is known, not its own.
                (None, Some(radio)) => f64::from(radio.scs_khz) * 240e3,
                (None, None) => 6.0 * 180e3,
            };
            cells.push((observation.cell.carrier(), Hz(width)));
            let mut findings = Vec::new();
            judge.engine.judge(&observation, &mut findings);
            // The same stretch of spectrum is searched again and again: told is what the cadence says.
            judged.push(Judged { report, observation, findings, last: false });
        }
        heard.restart();
        self.tell(&mut judge, heard, judged);
        if let Some(occupancy) = kept.occupancy.take() {
            let mut recognised = self.counters.recognised.lock().unwrap_or_else(PoisonError::into_inner);
            recognised.take(&occupancy, &kept.info, &cells);
        }
        cells
    }

    /// The judge; what it holds is whole whoever panicked.
    fn lock(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self) {
        let Judge { engine, keep, .. } = &mut *self.lock();
        keep(engine);
    }

    /// Judges and tells what a stream has brought, and gives it back.
    fn judge(&self, stream: &mut Hearing, heard: &mut Heard, lost: u64) -> Vec<Observation> {
        if !stream.has_news() {
            return Vec::new();
        }
        let mut judge = self.lock();
        let judged = stream.judged(self.around(stream.now(), lost), &mut judge.engine);
        let seen = judged.iter().map(|judged| judged.observation.clone()).collect();
        self.tell(&mut judge, heard, judged);
        seen
    }

    /// Notes how far this thread is behind.
    fn note_latency(&self, waiting: usize, block: usize, rate: Hz) {
        let millis = (waiting * block) as f64 / rate.0 * 1e3;
        self.counters.latency_ms.fetch_max(millis as u32, Ordering::Relaxed);
    }

    fn around(&self, now: Timestamp, lost_samples: u64) -> Surroundings {
        let (clock, position) = self.whereabouts.around(now);
        Surroundings { clock, position, lost_samples }
    }

    /// A stream of this station's receiver.
    fn hearing(&self, (info, options): (StreamInfo, rat::Options)) -> Hearing {
        Hearing::new(info, options).of(self.instrument.clone())
    }

    /// The stream has ended; its last words are told as such only where it does not come again in a moment.
    fn finish(&self, stream: Option<Hearing>, heard: &mut Heard, (lost, for_good): (u64, bool)) {
        let Some(hearing) = stream else { return };
        let around = self.around(hearing.now(), lost);
        let mut judge = self.lock();
        let mut judged = hearing.finish(around, &mut judge.engine);
        judged.iter_mut().for_each(|judged| judged.last &= for_good);
        self.tell(&mut judge, heard, judged);
        heard.restart();
    }

    fn tell(&self, judge: &mut Judge, heard: &mut Heard, judged: Vec<Judged>) {
        if judged.is_empty() {
            return;
        }
        for Judged { mut observation, findings, last, .. } in judged {
            self.note(heard, &observation);
            // The last word on a cell is told, unless it is what was told a moment ago.
            let class = judge.cadence.admits(&observation);
            if !findings.is_empty() {
                judge.cadence.found(&observation);
            }
            if let Some(class) =
                class.or_else(|| (last && judge.cadence.is_news(&observation)).then_some(Class::Routine))
            {
                judge.cadence.trim(class, &mut observation);
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
        let Judge { engine, keep, .. } = judge;
        keep(engine);
    }

    fn note(&self, heard: &mut Heard, observation: &Observation) {
        let Heard { cells: heard, lately } = heard;
        let at = observation.at_ns;
        let messages = observation.broadcast.iter().map(|block| u64::from(block.count)).sum();
        if heard.len() >= MOST_HEARD && !heard.contains_key(&observation.cell) {
            return;
        }
        let before = heard.insert(observation.cell, (at, messages));
        if messages > before.map_or(0, |(_, messages)| messages) {
            // Not the greatest: a clock may be set back, and then goes on from there.
            self.counters.last_decode_ns.store(at.0, Ordering::Relaxed);
            let mut by_band = self.counters.by_band.lock().unwrap_or_else(PoisonError::into_inner);
            by_band.insert(band(observation.cell), at);
        }
        heard.retain(|_, (last, _)| at - *last <= *lately);
        self.counters.cells.store(u32::try_from(heard.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.counters.clipped_ppm.store(observation.receiver.clipped_ppm, Ordering::Relaxed);
    }

    fn send(&self, class: Class, item: Item) {
        // Fails only when the spooler has ended, which it does after this thread.
        let _ = self.items.send((class, item));
    }
}
