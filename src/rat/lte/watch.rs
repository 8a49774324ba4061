//! LTE cells of a wide stream that are known from elsewhere, followed without a search of the stream.
//!
//! Over a stream of tens of Msps the search costs more than a node has, so stretches of it are searched aside
//! ([`super::carriers`] on what was kept). What was found there is followed here, on the stream itself and on its one sample clock:
//! one transform of the wide stream serves all carriers, each of which is cut out as narrow as its middle six resource blocks are and goes
//! through a [`Receiver`] of its own, which gives MIB, level, carrier and frame timing of every cell on it. What a cell says beyond its MIB
//! is taken over from the stretch that it was last read in, as long as the MIB stays the same.
//!
//! Times: as in [`super::carriers`]. Bounds: [`MAX_CARRIERS`] carriers, [`MAX_TOLD`] cells remembered of each, [`MAX_FINAL`] last words.

use super::carriers::{LEAST_HALF, LEAST_RATE, MAX_CARRIERS, MAX_FINAL, PASS, SPARE, STOP, USABLE, shift};
use super::{Options, Receiver};
use crate::cell::{CellKey, Rat};
use crate::dsp::channelizer::Channelizer;
use crate::observation::Fields;
use crate::observation::lte::Signal;
use crate::radio::source::StreamInfo;
use crate::rat::CellReport;
use crate::units::{Hz, Nanos};
use num_complex::Complex32;
use std::collections::BTreeMap;

/// Cells of a carrier whose words are remembered; more than a receiver follows.
pub const MAX_TOLD: usize = 32;
/// A carrier without a cell for so long is given up. Chosen: several times the interval at which stretches are searched, which bring it
/// back.
const SILENT: Nanos = Nanos::from_secs(30);

/// Follows known cells.
#[derive(Debug)]
pub struct Watch {
    info: StreamInfo,
    options: Options,
    decimation: usize,
    bank: Option<Bank>,
    carriers: Vec<Carrier>,
    past: Vec<CellReport>,
    /// Samples of the stream so far.
    at: u64,
}

/// Cuts narrow streams out of the wide one.
#[derive(Debug)]
struct Bank {
    channelizer: Channelizer,
    /// Wide sample at which narrow sample 0 stands, and narrow samples so far.
    origin: u64,
    made: u64,
    hop: Vec<Complex32>,
}

/// One carrier.
#[derive(Debug)]
struct Carrier {
    bin: i32,
    receiver: Receiver,
    /// Where it was found, from the stream's centre.
    offset: Hz,
    /// What times of the narrow stream count from, nanoseconds of the wide one.
    start_ns: f64,
    /// Wide sample at which a cell was last heard.
    heard: u64,
    last: Nanos,
    told: BTreeMap<CellKey, Told>,
}

/// What a cell said when it was read whole.
#[derive(Debug)]
struct Told {
    report: CellReport,
    /// When it was last heard by what follows it.
    live: Option<Nanos>,
}

impl Watch {
    /// Of one stream; a gap or a retune makes a new one.
    pub fn new(stream: &StreamInfo, options: Options) -> Watch {
        let decimation = ((stream.sample_rate.0 / LEAST_RATE + 1e-9) as usize).max(1);
        Watch { info: stream.clone(), options, decimation, bank: None, carriers: Vec::new(), past: Vec::new(), at: 0 }
    }

    /// Takes over what was heard in a stretch of the stream that began `since` after it: its LTE cells are followed from now on.
    ///
    /// Whether it is old news: the cell was heard later by what follows it, and the next report tells what the stretch has brought.
    pub fn learn(&mut self, report: &CellReport, since: Nanos) -> bool {
        let nominal = report.key.carrier() - self.info.center;
        let offset = nominal + report.carrier.hz;
        let outside = offset.0.abs() + LEAST_HALF.0 > USABLE * self.info.sample_rate.0;
        if report.key.rat != Rat::Lte || outside {
            return false;
        }
        let near = |carrier: &Carrier| (carrier.offset.0 - offset.0).abs() <= self.options.max_offset.0;
        let place = match self.carriers.iter().position(near) {
            Some(place) => place,
            None if self.carriers.len() == MAX_CARRIERS => return false,
            None => {
                let carrier = self.begin(nominal, report.carrier.hz);
                self.carriers.push(carrier);
                self.carriers.len() - 1
            }
        };
        let told = &mut self.carriers[place].told;
        let live = told.get(&report.key).and_then(|told| told.live);
        if told.len() < MAX_TOLD || told.contains_key(&report.key) {
            told.insert(report.key, Told { report: report.clone(), live });
        }
        live.is_some_and(|live| live > report.last + since)
    }

    /// A carrier from the next narrow sample on.
    fn begin(&mut self, nominal: Hz, error: Hz) -> Carrier {
        let (rate, decimation) = (self.info.sample_rate, self.decimation);
        let bank = self.bank.get_or_insert_with(|| {
            let narrow = rate.0 / decimation as f64;
            let channelizer = Channelizer::new(rate, decimation, Hz(PASS * narrow), Hz(STOP * narrow));
            let hop = vec![Complex32::default(); channelizer.hop_len()];
            Bank { channelizer, origin: self.at, made: 0, hop }
        });
        let bin = bank.channelizer.bin(nominal);
        let center = Hz(self.info.center.0 + f64::from(bin) * bank.channelizer.bin_width().0);
        let info = StreamInfo { center, sample_rate: bank.channelizer.narrow_rate(), ..self.info.clone() };
        let max_offset = Hz(error.0.abs() + SPARE.0);
        let first = bank.origin + bank.made * decimation as u64;
        Carrier {
            bin,
            receiver: Receiver::new(&info, Options { max_offset, ..self.options.clone() }),
            offset: nominal + error,
            start_ns: first as f64 / rate.0 * 1e9,
            heard: self.at,
            last: Nanos(i64::MIN),
            told: BTreeMap::new(),
        }
    }

    /// Carriers that are followed, hertz from the stream's centre.
    pub fn followed(&self) -> impl Iterator<Item = Hz> {
        self.carriers.iter().map(|carrier| carrier.offset)
    }

    /// Takes the next samples of the stream; reports as [`Receiver::process`] does, those of one call in no particular order.
    pub fn process(&mut self, mut samples: &[Complex32], reports: &mut Vec<CellReport>) {
        while let Some(bank) = self.bank.as_mut().filter(|_| !samples.is_empty()) {
            let (taken, complete) = bank.channelizer.push(samples);
            samples = &samples[taken..];
            self.at += taken as u64;
            if complete {
                for carrier in &mut self.carriers {
                    bank.channelizer.extract(carrier.bin, &mut bank.hop);
                    carrier.process(self.at, &bank.hop, reports);
                }
                bank.made += bank.hop.len() as u64;
                self.give_up();
            }
        }
        self.at += samples.len() as u64;
    }

    /// Lets go of carriers that have fallen silent.
    fn give_up(&mut self) {
        let limit = (SILENT.as_secs_f64() * self.info.sample_rate.0) as u64;
        if self.carriers.iter().all(|carrier| self.at - carrier.heard <= limit) {
            return;
        }
        let (kept, silent) =
            std::mem::take(&mut self.carriers).into_iter().partition(|carrier| self.at - carrier.heard <= limit);
        self.carriers = kept;
        for carrier in silent {
            carrier.finish(&mut self.past);
        }
        self.past.drain(..self.past.len().saturating_sub(MAX_FINAL));
        if self.carriers.is_empty() {
            self.bank = None;
        }
    }

    /// The stream has ended: appends the final report of every cell, by ascending [`CellKey`] and time.
    pub fn finish(&mut self, reports: &mut Vec<CellReport>) {
        let mut last = std::mem::take(&mut self.past);
        for carrier in std::mem::take(&mut self.carriers) {
            carrier.finish(&mut last);
        }
        last.sort_by_key(|report| (report.key, report.first));
        reports.append(&mut last);
    }
}

impl Carrier {
    fn process(&mut self, at: u64, hop: &[Complex32], reports: &mut Vec<CellReport>) {
        let from = reports.len();
        self.receiver.process(hop, reports);
        for report in &mut reports[from..] {
            if report.last > self.last {
                (self.last, self.heard) = (report.last, at);
            }
            shift(report, self.start_ns);
            if let Some(told) = self.told.get_mut(&report.key) {
                told.live = Some(report.last);
                add(report, &told.report);
            }
        }
    }

    fn finish(mut self, reports: &mut Vec<CellReport>) {
        let from = reports.len();
        self.receiver.finish(reports);
        for report in &mut reports[from..] {
            shift(report, self.start_ns);
            if let Some(told) = self.told.get(&report.key) {
                add(report, &told.report);
            }
        }
    }
}

/// Adds what the cell said when it was read whole, where it still sends the same MIB.
fn add(report: &mut CellReport, told: &CellReport) {
    let mib = |report: &CellReport| {
        report.broadcast.iter().find(|block| block.name == "MIB").map(|block| block.octets.clone())
    };
    if mib(told).is_none() || mib(told) != mib(report) {
        return;
    }
    let (Some(Fields::Lte(now)), Some(Fields::Lte(then))) = (&mut report.fields, &told.fields) else { return };
    let radio = now.radio;
    let signal = now.signal.or(then.signal).map(|signal| {
        let occupied = then.signal.and_then(|signal| signal.occupied);
        Signal { occupied, ..signal }
    });
    *now = then.clone();
    (now.radio, now.signal) = (radio.or(then.radio), signal);
    report.identity.clone_from(&told.identity);
    report.broadcast.extend(told.broadcast.iter().filter(|block| block.name != "MIB").cloned());
}
