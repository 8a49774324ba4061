//! LTE on every carrier of a stream: the one at its centre, and others wherever a scan finds them.
//!
//! The [`Receiver`] knows one carrier, near the centre of its stream. A scan goes over the other carriers of the raster: of 160 ms
//! of the stream the [`Channelizer`] cuts out what lies around one, and a receiver of its own says whether a cell is there (by
//! the CRC of its MIB, as always). A carrier found so is followed by a receiver on a narrow stream of its own, wide enough for its
//! resource blocks where the stream holds them all, and begins with the very samples it was found in.
//!
//! In the first window those carriers are tried over the whole range of offsets where the spectrum shows the shape of one, or six
//! resource blocks evenly filled. Then a first pass goes over all carriers with the offsets of a fair oscillator; later passes,
//! with few carriers a window, do so again and now and then try the whole range of one. Cells within 140 kHz of the
//! centre are the central receiver's.
//!
//! Timing: the channeliser's filter has no phase and its narrow sample `j` is the wide sample `j * decimation`, so a report of a
//! narrow stream counts from the instant at which that stream begins and nothing else is to be added. Mixing by a frequency
//! that is known exactly leaves carrier and sample clock related as the receiver expects. The stream's id stays: timings of cells
//! on different carriers may be differenced. Measured (`tests/lte_carriers.rs`): the same cell at the centre and 1.3 MHz off.
//!
//! All decisions are taken at fixed places of the stream; no report depends on how it is cut into blocks. Bounds:
//! [`MAX_CARRIERS`] receivers beside the central one, [`MAX_FINAL`] final reports of carriers given up; 160 ms of the stream are
//! kept while a scan is due.
//!
//! ## References
//! - 3GPP TS 36.104 Release 17: channel raster (clause 5.7.2), transmission bandwidths (table 5.6-1)

use super::{Options, Receiver};
use crate::dsp::channelizer::Channelizer;
use crate::dsp::compact::Compact;
use crate::dsp::occupancy;
use crate::dsp::spectrum::{Spectrum, Welch};
use crate::observation::Fields;
use crate::radio::source::StreamInfo;
use crate::rat::CellReport;
use crate::units::{Hz, Nanos, Timestamp};
use num_complex::Complex32;

/// Carriers followed away from the centre. Chosen: more than any stream of 30.72 Msps was ever seen to hold.
pub const MAX_CARRIERS: usize = 8;
/// Final reports kept of carriers that are not followed any more; the oldest go.
pub const MAX_FINAL: usize = 64;
/// Raster of carriers; TS 36.104 clause 5.7.2.
const RASTER: f64 = 100e3;
/// Half of six resource blocks: what must lie inside the stream.
pub(super) const LEAST_HALF: Hz = Hz(540e3);
/// Part of a stream to either side of its centre that a receiver's filters leave.
pub(super) const USABLE: f64 = 0.485;
/// Samples looked at by one probe.
const WINDOW: Nanos = Nanos::from_millis(160);
/// Less than three frames hold no MIB worth the search.
const LEAST_WINDOW: Nanos = Nanos::from_millis(30);
/// Carriers tried over the whole range of offsets in the first window, which may be all there is.
const FIRST_CARRIERS: usize = 6;
/// Carriers tried a window with the offsets of [`FAIR`] once the first pass is over; in the first pass it is one a window, but
/// the windows follow one another.
const LATER_CARRIERS: usize = 2;
/// After the first pass, one in so many windows tries a carrier over the whole range.
const WHOLE_EVERY: u64 = 4;
/// Offsets of a fair oscillator: 5 ppm at 3 GHz.
const FAIR: Hz = Hz(15e3);
/// What a carrier's error is searched beyond what it was found to be.
pub(super) const SPARE: Hz = Hz(15e3);
/// A carrier without a cell for so long is given up.
const SILENT: Nanos = Nanos::from_secs(30);
/// The lowest rate of a receiver; TS 36.211 table 6.12-1 with an FFT of 128.
pub(super) const LEAST_RATE: f64 = 1.92e6;
/// No receiver takes more of the spectrum at once; the scan's memory grows with it.
const MAX_REACH: f64 = 100e6;
/// Passed to either side of a narrow stream's centre, part of its rate.
pub(super) const PASS: f64 = 0.36;
/// Cut off from here on.
pub(super) const STOP: f64 = 0.48;
/// Width of the spectrum's bins: fine enough to see the gap between two carriers.
const BIN: f64 = 10e3;

/// Receives every LTE cell inside one stream.
#[derive(Debug)]
pub struct Carriers {
    center: Receiver,
    scan: Option<Scan>,
    /// By place in the spectrum.
    followed: Vec<Followed>,
    past: Vec<CellReport>,
}

/// A stream of one carrier, cut out of the wide one.
#[derive(Debug)]
struct Narrow {
    bank: Channelizer,
    bin: i32,
    hop: Vec<Complex32>,
    info: StreamInfo,
}

impl Narrow {
    /// The stream around `offset` from the centre of `wide`, at the lowest rate of at least `least`.
    fn new(wide: &StreamInfo, offset: Hz, least: f64) -> Narrow {
        let decimation = ((wide.sample_rate.0 / least.max(LEAST_RATE) + 1e-9) as usize).max(1);
        let rate = Hz(wide.sample_rate.0 / decimation as f64);
        let bank = Channelizer::new(wide.sample_rate, decimation, Hz(PASS * rate.0), Hz(STOP * rate.0));
        let bin = bank.bin(offset);
        let center = Hz(wide.center.0 + f64::from(bin) * bank.bin_width().0);
        let hop = vec![Complex32::default(); bank.hop_len()];
        Narrow { bank, bin, hop, info: StreamInfo { center, sample_rate: rate, ..wide.clone() } }
    }

    fn process(&mut self, mut samples: &[Complex32], mut take: impl FnMut(&[Complex32])) {
        while !samples.is_empty() {
            let (taken, complete) = self.bank.push(samples);
            samples = &samples[taken..];
            if complete {
                self.bank.extract(self.bin, &mut self.hop);
                take(&self.hop);
            }
        }
    }

    /// The last hop, with zeros behind the last sample.
    fn finish(&mut self, take: impl FnOnce(&[Complex32])) {
        while !self.bank.push(&[Complex32::default(); 64]).1 {}
        self.bank.extract(self.bin, &mut self.hop);
        take(&self.hop);
    }
}

/// A carrier away from the centre.
#[derive(Debug)]
struct Followed {
    narrow: Narrow,
    receiver: Receiver,
    /// Where the carrier was found, relative to the centre.
    offset: Hz,
    /// What times of the narrow stream count from, nanoseconds of the wide one.
    start_ns: f64,
    /// Wide sample at which a cell was last reported with news of itself.
    heard: u64,
    last: Nanos,
}

impl Followed {
    fn process(&mut self, at: u64, samples: &[Complex32], reports: &mut Vec<CellReport>) {
        let from = reports.len();
        let receiver = &mut self.receiver;
        self.narrow.process(samples, |hop| receiver.process(hop, reports));
        for report in &mut reports[from..] {
            if report.last > self.last {
                self.last = report.last;
                self.heard = at;
            }
            shift(report, self.start_ns);
        }
    }

    fn finish(mut self, reports: &mut Vec<CellReport>) {
        let receiver = &mut self.receiver;
        // Live reports of the last hop are what the final ones say again.
        self.narrow.finish(|hop| receiver.process(hop, &mut Vec::new()));
        let from = reports.len();
        self.receiver.finish(reports);
        reports[from..].iter_mut().for_each(|report| shift(report, self.start_ns));
    }
}

/// Moves a report from a stream that begins at `start_ns` to the one that it was cut out of.
pub(super) fn shift(report: &mut CellReport, start_ns: f64) {
    let whole = Nanos(start_ns.round() as i64);
    report.first = report.first + whole;
    report.last = report.last + whole;
    if let Some(timing) = &mut report.timing {
        let sum = timing.at_frac_ns + start_ns;
        timing.at_ns = Timestamp(timing.at_ns.0 + sum.floor() as i64);
        timing.at_frac_ns = sum - sum.floor();
    }
}

/// The search for carriers.
#[derive(Debug)]
struct Scan {
    info: StreamInfo,
    options: Options,
    /// Carriers of the raster, offsets from the centre, ascending.
    raster: Vec<Hz>,
    /// The next one to be tried with fair offsets, and over the whole range.
    next: [usize; 2],
    /// The first pass is over.
    slow: bool,
    windows: u64,
    /// Samples taken so far.
    at: u64,
    /// Where the window begins, and its samples.
    first: u64,
    window: Compact,
}

/// A cell that the scan has come upon.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// Nominal carrier and its error, from the centre of the stream and from there.
    nominal: Hz,
    error: Hz,
    /// How far carrier and frame rate disagree, ppb: little where the carrier is the right one of the raster.
    mismatch: f64,
    blocks: u8,
}

impl Found {
    fn offset(&self) -> Hz {
        self.nominal + self.error
    }
}

impl Scan {
    /// `None` where no carrier beside the centre holds six resource blocks.
    fn new(info: &StreamInfo, options: &Options) -> Option<Scan> {
        let reach = USABLE * info.sample_rate.0 - LEAST_HALF.0;
        if !(options.max_offset.0..MAX_REACH).contains(&reach) || !info.center.0.is_finite() {
            return None;
        }
        let first = ((info.center.0 - reach) / RASTER).ceil().max(1.0) as i64;
        let last = ((info.center.0 + reach) / RASTER).floor() as i64;
        let raster = (first..=last).map(|step| Hz(step as f64 * RASTER - info.center.0));
        let raster: Vec<Hz> = raster.filter(|offset| offset.0.abs() > options.max_offset.0).collect();
        (!raster.is_empty()).then(|| Scan {
            info: info.clone(),
            options: options.clone(),
            raster,
            next: [0, 0],
            slow: false,
            windows: 0,
            at: 0,
            first: 0,
            window: Compact::default(),
        })
    }

    fn samples(&self, span: Nanos) -> u64 {
        (span.as_secs_f64() * self.info.sample_rate.0).round() as u64
    }

    fn nanos(&self, sample: u64) -> f64 {
        sample as f64 / self.info.sample_rate.0 * 1e9
    }

    /// Takes samples until the window is full; how many it took, and whether it is.
    fn fill(&mut self, samples: &[Complex32]) -> (usize, bool) {
        if self.at < self.first {
            let skipped = (self.first - self.at).min(samples.len() as u64);
            self.at += skipped;
            return (skipped as usize, false);
        }
        let full = self.samples(WINDOW) as usize;
        let taken = samples.len().min(full.saturating_sub(self.window.len()));
        self.window.reserve(full);
        self.window.extend(&samples[..taken]);
        self.at += taken as u64;
        (taken, self.window.len() >= full)
    }

    /// Carriers of the raster where the spectrum of the window shows the shape of one, nearest first, then those whose
    /// surroundings are filled, the strongest first.
    fn rank(&self) -> Vec<Hz> {
        let rate = self.info.sample_rate;
        let mut welch = Welch::new(((rate.0 / BIN).round() as usize).next_power_of_two().clamp(64, 8192));
        self.window.for_each(|samples| welch.process(samples));
        let Some(spectrum) = welch.take() else { return Vec::new() };
        let shapes = occupancy::carriers(&spectrum, rate);
        let from_shape = |offset: &Hz| {
            let wide = shapes.iter().filter(|carrier| carrier.width.0 >= LEAST_HALF.0);
            wide.map(|carrier| (carrier.offset.0 - offset.0).abs()).fold(self.options.max_offset.0, f64::min)
        };
        let worth = |offset: &Hz| (*offset, from_shape(offset), filled(&spectrum, rate, *offset));
        let mut worth: Vec<(Hz, f64, f32)> = self.raster.iter().map(worth).collect();
        worth.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.2.total_cmp(&a.2)).then(a.0.0.total_cmp(&b.0.0)));
        worth.into_iter().map(|(offset, ..)| offset).collect()
    }

    /// Looks at the carriers whose turn it is; what is found, with at most one for each carrier on the air.
    fn probe(&mut self) -> Vec<Found> {
        let whole = self.options.max_offset;
        let mut turn: Vec<(Hz, Hz)> = Vec::new();
        if self.first == 0 {
            turn.extend(self.rank().into_iter().take(FIRST_CARRIERS).map(|offset| (offset, whole)));
        } else {
            let count = if self.slow { LATER_CARRIERS.min(self.raster.len()) } else { 1 };
            for _ in 0..count {
                turn.push((self.raster[self.next[0]], FAIR));
                self.next[0] += 1;
                if self.next[0] == self.raster.len() {
                    (self.next[0], self.slow) = (0, true);
                }
            }
            if self.slow && self.windows.is_multiple_of(WHOLE_EVERY) {
                turn.push((self.raster[self.next[1]], whole));
                self.next[1] = (self.next[1] + 1) % self.raster.len();
            }
        }
        let mut all: Vec<Found> =
            turn.into_iter().filter_map(|(offset, max_offset)| self.look(offset, max_offset)).collect();
        all.sort_by(|a, b| a.mismatch.total_cmp(&b.mismatch));
        let mut found: Vec<Found> = Vec::new();
        for one in all {
            if found.iter().all(|other| (other.offset().0 - one.offset().0).abs() > whole.0) {
                found.push(one);
            }
        }
        found
    }

    /// The strongest cell around one carrier in the window.
    fn look(&self, offset: Hz, max_offset: Hz) -> Option<Found> {
        let mut narrow = Narrow::new(&self.info, offset, LEAST_RATE);
        let mut receiver = Receiver::new(&narrow.info, Options { max_offset, ..self.options.clone() });
        let mut reports = Vec::new();
        let mut take = |hop: &[Complex32]| receiver.process(hop, &mut Vec::new());
        self.window.for_each(|samples| narrow.process(samples, &mut take));
        narrow.finish(|hop| receiver.process(hop, &mut Vec::new()));
        receiver.finish(&mut reports);
        let best = reports.iter().max_by(|a, b| a.snr.0.total_cmp(&b.snr.0))?;
        Some(Found {
            nominal: best.key.carrier() - self.info.center,
            error: best.carrier.hz,
            mismatch: best.timing.map_or(f64::MAX, |timing| (timing.rate_ppb.0 - best.carrier.ppb.0).abs()),
            blocks: best.fields.as_ref().and_then(Fields::lte).and_then(|fields| fields.mib)?.prb,
        })
    }

    /// The next window begins when it is due.
    fn rest(&mut self) {
        self.window.clear();
        self.windows += 1;
        self.first = self.at;
        if self.slow {
            self.first += self.samples(self.options.search_interval).saturating_sub(self.samples(WINDOW));
        }
    }
}

/// How well six resource blocks around a carrier are filled: the weakest of six parts.
fn filled(spectrum: &Spectrum, rate: Hz, offset: Hz) -> f32 {
    let (bins, width) = (spectrum.mean.len(), LEAST_HALF.0 / 3.0);
    let bin = |hz: f64| ((hz / rate.0 + 0.5) * bins as f64).round().clamp(0.0, bins as f64) as usize;
    let part = |n: i32| {
        let from = offset.0 + f64::from(n) * width;
        let bins = &spectrum.mean[bin(from)..bin(from + width)];
        bins.iter().sum::<f32>() / bins.len().max(1) as f32
    };
    (-3..3).map(part).fold(f32::INFINITY, f32::min)
}

/// The least rate of a narrow stream that holds so many resource blocks at any of these offsets.
fn least_rate(blocks: u8, max_offset: Hz) -> f64 {
    (f64::from(blocks) * 90e3 + max_offset.0) / PASS
}

impl Carriers {
    /// Receivers for one stream; a gap or a retune makes a new stream and new receivers.
    pub fn new(stream: &StreamInfo, options: Options) -> Carriers {
        Carriers {
            scan: Scan::new(stream, &options),
            center: Receiver::new(stream, options),
            followed: Vec::new(),
            past: Vec::new(),
        }
    }

    /// Takes the next samples of the stream; reports as [`Receiver::process`] does, those of one call in no particular order.
    pub fn process(&mut self, samples: &[Complex32], reports: &mut Vec<CellReport>) {
        self.center.process(samples, reports);
        let Some(mut scan) = self.scan.take() else { return };
        let mut rest = samples;
        while !rest.is_empty() {
            let (taken, full) = scan.fill(rest);
            let (now, later) = rest.split_at(taken);
            self.follow(scan.at, now, reports);
            rest = later;
            if full {
                self.begin(&mut scan, reports);
                scan.rest();
            }
        }
        self.scan = Some(scan);
    }

    /// The stream has ended: appends the final report of every cell, by ascending [`crate::cell::CellKey`] and time.
    pub fn finish(&mut self, reports: &mut Vec<CellReport>) {
        if let Some(mut scan) = self.scan.take()
            && scan.window.len() as u64 >= scan.samples(LEAST_WINDOW)
        {
            self.begin(&mut scan, &mut Vec::new());
        }
        let mut last = std::mem::take(&mut self.past);
        self.center.finish(&mut last);
        for followed in std::mem::take(&mut self.followed) {
            followed.finish(&mut last);
        }
        last.sort_by_key(|report| (report.key, report.first));
        reports.append(&mut last);
    }

    /// Carriers followed away from the centre, hertz from it.
    pub fn followed(&self) -> impl Iterator<Item = Hz> {
        self.followed.iter().map(|followed| followed.offset)
    }

    /// Lets every carrier take samples, and gives up those that have fallen silent.
    fn follow(&mut self, at: u64, samples: &[Complex32], reports: &mut Vec<CellReport>) {
        for followed in &mut self.followed {
            followed.process(at, samples, reports);
        }
    }

    /// Probes the window, and follows what was found from the window's start on.
    fn begin(&mut self, scan: &mut Scan, reports: &mut Vec<CellReport>) {
        let limit = scan.samples(SILENT);
        let (kept, silent) = std::mem::take(&mut self.followed).into_iter().partition(|f| scan.at - f.heard <= limit);
        self.followed = kept;
        for followed in silent {
            followed.finish(&mut self.past);
        }
        self.past.drain(..self.past.len().saturating_sub(MAX_FINAL));
        for found in scan.probe() {
            let (offset, blocks) = (found.offset(), found.blocks);
            let near = |other: Hz| (other.0 - offset.0).abs() <= scan.options.max_offset.0;
            if near(Hz(0.0)) || self.followed().any(near) || self.followed.len() == MAX_CARRIERS {
                continue;
            }
            let max_offset = Hz(found.error.0.abs() + SPARE.0);
            let room = scan.info.sample_rate.0 / 2.0 - offset.0.abs();
            // A carrier that is cut off by the stream's edge is received in its middle.
            let least = if room >= f64::from(blocks) * 90e3 { least_rate(blocks, max_offset) } else { LEAST_RATE };
            let narrow = Narrow::new(&scan.info, found.nominal, least);
            let receiver = Receiver::new(&narrow.info, Options { max_offset, ..scan.options.clone() });
            let start_ns = scan.nanos(scan.first);
            let mut followed = Followed { narrow, receiver, offset, start_ns, heard: scan.at, last: Nanos(i64::MIN) };
            scan.window.for_each(|samples| followed.process(scan.at, samples, reports));
            let place = self.followed.partition_point(|other| other.offset.0 < offset.0);
            self.followed.insert(place, followed);
        }
    }
}
