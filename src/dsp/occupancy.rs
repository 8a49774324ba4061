//! What else is on the air: carriers by their shape, and signals of standards that no receiver here decodes.
//!
//! The survey looks at one second in ten of a stream. A standard is named by structure alone, never by width or band:
//!
//! * a cyclic prefix at 1/15 ms (LTE, or NR with 15 kHz) or 1/30 ms (NR with 30 kHz), folded over half a millisecond, see
//!   [`crate::dsp::cyclic`];
//! * a repetition after 10 ms present all over the frame beside a 15 kHz prefix: LTE, whose cell-specific reference signals
//!   repeat with the frame; an NR carrier repeats only its synchronisation blocks. Needs [`STRETCH_MS`] of signal: in a shorter
//!   recording, or one too weak, the two cannot be told apart and the name is `lte/nr`;
//! * a repetition after 10 ms without a prefix, on a carrier at least 3 MHz wide (or wider than the band sampled): UMTS, whose
//!   common pilot repeats with the frame.
//!
//! Shapes in the mean spectrum say where the carriers are. Width alone cannot tell an LTE carrier of 5 MHz from one of NR, and
//! where a carrier fills the whole sampled band there is no shape to be seen.
//!
//! Limits, measured (`tests/occupancy.rs`, `tests/recordings.rs`): no false name in 10,000 stretches of noise, see
//! [`MIN_CONTRAST`]; LTE that fills the band at -6 dB is named from one second; so is the weakest of the LTE recordings at hand,
//! of whose power 4 % repeats with the prefix.
//!
//! ## References
//! - 3GPP TS 36.211 Release 17: clause 6.12 (prefix lengths), 6.10.1 (cell-specific reference signals)
//! - 3GPP TS 38.211 Release 17: clause 5.3.1 (prefix lengths)
//! - 3GPP TS 25.211 Release 17: clause 5.3.3.1 (CPICH); TS 25.104 Release 17: clause 6.8.1 (root raised cosine, 3.84 Mcps)
//! - 3GPP TS 36.104 Release 17: table 5.6-1 (transmission bandwidths); TS 45.005 Release 17: clause 2 (200 kHz raster)

use crate::dsp::comb;
use crate::dsp::cyclic::{Fold, Pattern, Peak};
use crate::dsp::repetition::Repetition;
use crate::dsp::spectrum::{Spectrum, Welch};
use crate::dsp::whiten::Whitener;
use crate::units::{Db, Dbfs, Hz};
use num_complex::Complex32;
use std::collections::BTreeSet;
use std::fmt;

/// Length of one stretch that is analysed: two frames of 10 ms.
pub const STRETCH_MS: u64 = 20;
/// Stretches in a row, then a pause: one second. Above [`FAST`] samples a second a fifth of it holds as much.
const STRETCHES: [u64; 2] = [50, 10];
/// See [`STRETCHES`].
const FAST: f64 = 5e6;
/// From the start of one row to the next, in stretches.
const CYCLE: u64 = 500;
/// Stretches that are folded together: over 40 ms a clock error of 60 ppm moves the symbols by half a prefix of LTE.
const GROUP: u64 = 2;
/// Largest error of the sample clock; the worst of the recordings at hand is 62 ppm off.
const MAX_CLOCK_ERROR: f64 = CLOCK_STEPS as f64 * CLOCK_STEP;
/// Steps to either side.
const CLOCK_STEPS: i32 = 20;
/// Step in which errors are tried: over the second of a row it moves the symbols by a prefix of LTE.
const CLOCK_STEP: f64 = 5e-6;
/// Stretches of a row in which a repetition after a frame is sought: a transform of each costs as much as all else.
const REPETITION_STRETCHES: u64 = 10;
/// Samples of one stretch at most; above 200 Msps stretches get shorter.
const MAX_STRETCH: u64 = 4_000_000;

/// Least contrast for a finding. Noise gives `exp(-contrast)` per place and hypothesis; measured over 10,000 stretches of noise
/// (`tests/occupancy.rs` with `DAEN_ACCEPTANCE=1`), the largest was 15.7. The weakest carrier of the recordings has 42.
pub const MIN_CONTRAST: f64 = 30.0;
/// Of two prefixes, the weaker must have this part of the stronger one's share: half-symbol echoes of strong carriers have less.
const MIN_RELATIVE_SHARE: f64 = 0.6;
/// Least contrast of a repetition after a frame; the largest in the same noise was 10.0, the weakest of the recordings has 262.
const MIN_REPETITION: f64 = 25.0;
/// Parts of twenty of the frame that repeat in LTE: a TDD carrier with the fewest downlink subframes (configuration 0,
/// TS 36.211 table 4.2-2) has 2 of 5 subframes with downlink; a burst of NR synchronisation blocks below 3 GHz fills 4 parts.
const MIN_PARTS_LTE: usize = 5;
/// The same for a common pilot that never pauses.
const MIN_PARTS_UMTS: usize = 12;
/// Bandwidth of an impulse response short enough not to blur the lags.
const WHITEN_HZ: f64 = 30e3;

/// A standard that is recognised by its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// LTE.
    Lte,
    /// LTE, or NR with 15 kHz between subcarriers.
    LteOrNr,
    /// NR with 30 kHz between subcarriers.
    Nr,
    /// UMTS FDD.
    Umts,
    /// LTE for machines within a wide LTE carrier.
    Emtc,
    /// LTE for machines in a carrier of its own, 180 kHz wide.
    NbIot,
}

impl Signal {
    /// The name as in the wire contract's `not_supported`.
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Lte => "lte",
            Signal::LteOrNr => "lte/nr",
            Signal::Nr => "nr",
            Signal::Umts => "umts",
            Signal::Emtc => "emtc",
            Signal::NbIot => "nb-iot",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the width of a carrier goes with. More than a hint it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// About 200 kHz: GSM.
    Narrow200k,
    /// About 3.84 MHz between the half-power points: UMTS.
    Wide3840k,
    /// One of the transmission bandwidths of LTE and NR, 1.08 to 18 MHz.
    Multicarrier,
    /// One that only NR has, 19 to 98 MHz.
    MulticarrierNr,
    /// Anything else, or cut by the edge of the band.
    Unknown,
}

/// A stretch of spectrum well above the noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carrier {
    /// Middle, relative to the centre of the band.
    pub offset: Hz,
    /// Distance between the edges.
    pub width: Hz,
    /// Power between the edges.
    pub level: Dbfs,
    /// What the width goes with.
    pub shape: Shape,
}

/// What a survey found in one stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Occupancy {
    /// Standards recognised by their structure.
    pub signals: BTreeSet<Signal>,
    /// Carriers in the mean spectrum, by frequency; at most [`MAX_CARRIERS`].
    pub carriers: Vec<Carrier>,
    /// Noise density, power in one hertz; `None` where the stream was too short for a spectrum.
    pub noise_per_hz: Option<Dbfs>,
}

/// Carriers that are kept of one stream.
pub const MAX_CARRIERS: usize = 128;

/// Takes a stream and says what is in it.
#[derive(Debug)]
pub struct Survey {
    rate: Hz,
    stretch: usize,
    at: u64,
    buffer: Vec<Complex32>,
    whitener: Whitener,
    white: Vec<Complex32>,
    prefixes: [Prefix; 2],
    repetition: Option<Repetition>,
    welch: Welch,
    signals: BTreeSet<Signal>,
    /// Something repeats with the frame, and has no prefix.
    pilot_without_prefix: bool,
    row: u64,
    row_len: u64,
}

/// The search for one subcarrier spacing.
#[derive(Debug)]
struct Prefix {
    patterns: Vec<Pattern>,
    plain: Fold,
    white: Fold,
}

impl Prefix {
    fn new(rate: Hz, spacing: f64, extended: bool) -> Prefix {
        // In units of a 2048th of the useful length; the first symbol of each half millisecond has 16 more at 15 kHz and the same
        // time more at 30 kHz; those do not repeat with the pattern and are left out.
        let useful = rate.0 / spacing;
        let per_half_ms = (spacing / 15e3).round() as usize;
        let long = 16.0 / 2048.0 * rate.0 / 15e3;
        let normal = |i: usize| long + i as f64 * useful * (2048.0 + 144.0) / 2048.0;
        let mut patterns = vec![Pattern {
            lag: useful,
            prefix: useful * 144.0 / 2048.0,
            starts: (0..7 * per_half_ms).map(normal).collect(),
        }];
        if extended {
            let starts = (0..6).map(|i| f64::from(i) * useful * 1.25).collect();
            patterns.push(Pattern { lag: useful, prefix: useful / 4.0, starts });
        }
        let fold = Fold::new(useful, rate.0 / 2000.0);
        Prefix { patterns, plain: fold.clone(), white: fold }
    }

    /// The largest share of a prefix that stands out of the noise.
    fn decide(&self) -> (Option<f64>, f64) {
        let drifts: Vec<f64> = (-CLOCK_STEPS..=CLOCK_STEPS).map(|step| f64::from(step) * CLOCK_STEP).collect();
        let folds = [&self.plain, &self.white];
        let peaks: Vec<Peak> =
            folds.iter().flat_map(|fold| self.patterns.iter().map(|p| fold.search(p, &drifts))).collect();
        let clear = |peak: &&Peak| peak.contrast >= MIN_CONTRAST && peak.weight >= MIN_CONTRAST;
        let share = peaks.iter().filter(clear).map(|peak| peak.share).max_by(f64::total_cmp);
        let contrast = peaks.iter().map(|peak| peak.contrast.min(peak.weight)).fold(0.0, f64::max);
        (share, contrast)
    }
}

impl Survey {
    /// A survey of a stream of this rate.
    pub fn new(rate: Hz) -> Survey {
        let wanted = (rate.0 * STRETCH_MS as f64 / 1e3).round() as u64;
        let stretch = wanted.clamp(1, MAX_STRETCH) as usize;
        let size = |hz: f64, least: usize, most: usize| {
            ((rate.0 / hz).round() as usize).next_power_of_two().clamp(least, most)
        };
        let frame = (rate.0 / 100.0).round() as usize;
        // A sample more for rounding.
        let reach = (frame as f64 * MAX_CLOCK_ERROR).ceil() as usize + 1;
        Survey {
            rate,
            stretch,
            at: 0,
            buffer: Vec::with_capacity(stretch),
            whitener: Whitener::new(size(WHITEN_HZ, 8, 8192)),
            white: Vec::with_capacity(stretch),
            prefixes: [Prefix::new(rate, 15e3, true), Prefix::new(rate, 30e3, false)],
            repetition: if wanted <= MAX_STRETCH { Repetition::new(frame, reach) } else { None },
            welch: Welch::new(size(10e3, 64, 8192)),
            signals: BTreeSet::new(),
            pilot_without_prefix: false,
            row: 0,
            row_len: STRETCHES[usize::from(rate.0 > FAST)],
        }
    }

    /// Takes the next samples of the stream; the result does not depend on how they are cut into blocks.
    pub fn process(&mut self, mut samples: &[Complex32]) {
        while !samples.is_empty() {
            let stretch = self.stretch as u64;
            let in_cycle = self.at % (stretch * CYCLE);
            if in_cycle >= stretch * self.row_len {
                let skipped = (stretch * CYCLE - in_cycle).min(samples.len() as u64);
                self.at += skipped;
                samples = &samples[skipped as usize..];
                continue;
            }
            let taken = samples.len().min(self.stretch - self.buffer.len());
            self.buffer.extend_from_slice(&samples[..taken]);
            self.at += taken as u64;
            samples = &samples[taken..];
            if self.buffer.len() == self.stretch {
                self.analyse();
                if self.row == self.row_len {
                    self.decide();
                }
            }
        }
    }

    /// The stream has ended.
    pub fn finish(mut self) -> Occupancy {
        if !self.buffer.is_empty() {
            self.analyse();
        }
        if self.row > 0 {
            self.decide();
        }
        let mut occupancy = Occupancy { signals: self.signals, ..Occupancy::default() };
        if let Some(spectrum) = self.welch.take() {
            let bin = self.rate.0 / spectrum.mean.len() as f64;
            let floor = spectrum.percentile(FLOOR_FRACTION);
            occupancy.noise_per_hz = Some(Dbfs(Db::from_ratio(f64::from(floor) / bin).0));
            occupancy.carriers = carriers(&spectrum, self.rate);
        }
        if self.pilot_without_prefix {
            // Without an edge in sight the carrier is wider than the band.
            let band = occupancy.carriers.iter().map(|carrier| carrier.width.0).fold(0.0, f64::max);
            if occupancy.carriers.is_empty() || band >= UMTS_LEAST_WIDTH.min(0.8 * self.rate.0) {
                occupancy.signals.insert(Signal::Umts);
            }
        }
        if occupancy.signals.contains(&Signal::Lte) {
            occupancy.signals.remove(&Signal::LteOrNr);
        }
        occupancy
    }

    fn analyse(&mut self) {
        self.welch.process(&self.buffer);
        let first = self.row * self.stretch as u64;
        let new_group = self.row.is_multiple_of(GROUP);
        self.whitener.whiten(&self.buffer, &mut self.white);
        // The receiver's own DC would be a tone; tones make the mean large and the rest of the figures coarse.
        let mean = self.buffer.iter().sum::<Complex32>() / self.buffer.len() as f32;
        self.buffer.iter_mut().for_each(|sample| *sample -= mean);
        for prefix in &mut self.prefixes {
            prefix.plain.add(first, &self.buffer, new_group);
            prefix.white.add(first, &self.white, new_group);
        }
        if let Some(repetition) = self.repetition.as_mut().filter(|_| self.row < REPETITION_STRETCHES) {
            repetition.add(&self.white);
        }
        self.buffer.clear();
        self.row += 1;
    }

    fn decide(&mut self) {
        let [(at_15, contrast), (at_30, _)] = [self.prefixes[0].decide(), self.prefixes[1].decide()];
        let repeated = self.repetition.as_ref().map(Repetition::result).unwrap_or_default();
        let repeats = |parts: usize| repeated.contrast >= MIN_REPETITION && repeated.parts >= parts;
        let strongest = at_15.unwrap_or(0.0).max(at_30.unwrap_or(0.0));
        let clear = |share: Option<f64>| share.is_some_and(|share| share >= MIN_RELATIVE_SHARE * strongest);
        // A pilot that repeats is many times stronger evidence than the prefixes; beside it a weak prefix tells LTE from UMTS.
        if repeats(MIN_PARTS_LTE) && (clear(at_15) || (strongest == 0.0 && contrast >= NO_PREFIX)) {
            self.signals.insert(Signal::Lte);
        } else if clear(at_15) {
            self.signals.insert(Signal::LteOrNr);
        }
        if clear(at_30) {
            self.signals.insert(Signal::Nr);
        }
        self.pilot_without_prefix |= contrast < NO_PREFIX && strongest == 0.0 && repeats(MIN_PARTS_UMTS);
        self.row = 0;
        for prefix in &mut self.prefixes {
            prefix.plain.clear();
            prefix.white.clear();
        }
        if let Some(repetition) = &mut self.repetition {
            repetition.clear();
        }
    }
}

/// Part of the band that is taken to be free of carriers, at least.
const FLOOR_FRACTION: f64 = 0.2;
/// A carrier stands this much above the noise floor, as a power ratio: 6 dB.
const CARRIER_OVER_FLOOR: f32 = 4.0;
/// Bins are averaged over this width before they are compared.
const SMOOTH_HZ: f64 = 50e3;
/// Raster of GSM's carriers; TS 45.005 clause 2.
const RASTER_HZ: f64 = 200e3;
/// What one carrier of a comb is taken to be wide, between its half-power points.
const TOOTH_HZ: f64 = 160e3;
/// Narrower peaks are tones and images, not carriers.
const LEAST_WIDTH: f64 = 80e3;
/// A UMTS carrier is 3.84 MHz wide between the half-power points; fading takes some of it.
const UMTS_LEAST_WIDTH: f64 = 3e6;
/// Contrast of a prefix below which there is none; above what noise gives, see [`MIN_CONTRAST`].
const NO_PREFIX: f64 = 20.0;
/// Transmission bandwidths of LTE, hertz; TS 36.104 table 5.6-1 in resource blocks of 180 kHz.
const MULTICARRIER_WIDTHS: [f64; 6] = [1.08e6, 2.7e6, 4.5e6, 9e6, 13.5e6, 18e6];

/// Transmission bandwidths of NR that LTE has nothing like, hertz; TS 38.101-1 table 5.3.2-1: resource blocks of 180 kHz (106, 133,
/// 160, 188, 216, 242, 270) and of 360 kHz (65, 78, 92, 106, 119, 133, 162, 189, 217, 245, 273).
const NR_WIDTHS: [f64; 18] = [
    19.08e6, 23.94e6, 28.8e6, 33.84e6, 38.88e6, 43.56e6, 48.6e6, 23.4e6, 28.08e6, 33.12e6, 38.16e6, 42.84e6, 47.88e6,
    58.32e6, 68.04e6, 78.12e6, 88.2e6, 98.28e6,
];

/// The carriers in a mean spectrum, by ascending frequency.
pub fn carriers(spectrum: &Spectrum, rate: Hz) -> Vec<Carrier> {
    let bins = spectrum.mean.len();
    let bin = rate.0 / bins as f64;
    let reach = ((SMOOTH_HZ / bin / 2.0).round() as usize).min(bins / 8);
    let around = |i: usize| &spectrum.mean[i.saturating_sub(reach)..(i + reach + 1).min(bins)];
    let smooth: Vec<f32> = (0..bins).map(|i| around(i).iter().sum::<f32>() / around(i).len() as f32).collect();
    let floor = spectrum.percentile(FLOOR_FRACTION) * CARRIER_OVER_FLOOR;
    let mut found = Vec::new();
    let mut at = 0;
    while at < bins && found.len() < MAX_CARRIERS {
        let len = smooth[at..].iter().take_while(|&&power| power > floor).count();
        if len as f64 * bin >= LEAST_WIDTH {
            let (one, plateau) = carrier(spectrum, &smooth, at..at + len, rate);
            let teeth = comb::teeth(&smooth, plateau.clone(), RASTER_HZ / bin);
            if teeth.is_empty() {
                found.extend(Some(one).filter(|carrier| carrier.width.0 >= LEAST_WIDTH));
            }
            let tooth = |place: f64| tooth(spectrum, plateau.start as f64 + place, floor, rate);
            found.extend(teeth.into_iter().filter_map(tooth));
            found.truncate(MAX_CARRIERS);
        }
        at += len.max(1);
    }
    found
}

/// One carrier of a comb around bin `place`, if it stands above `floor` in each bin.
fn tooth(spectrum: &Spectrum, place: f64, floor: f32, rate: Hz) -> Option<Carrier> {
    let bins = spectrum.mean.len();
    let (bin, half) = (rate.0 / bins as f64, TOOTH_HZ / 2.0 * bins as f64 / rate.0);
    let from = (place - half).round().max(0.0) as usize;
    let to = ((place + half).round().max(0.0) as usize).min(bins - 1);
    let power: f32 = spectrum.mean.get(from..=to)?.iter().sum();
    (power > floor * (to - from + 1) as f32).then(|| Carrier {
        offset: Hz((place - (bins / 2) as f64) * bin),
        width: Hz((to - from + 1) as f64 * bin),
        level: Dbfs(Db::from_ratio(f64::from(power)).0),
        shape: Shape::Narrow200k,
    })
}

/// The carrier in a stretch of bins, and the bins between its edges.
fn carrier(
    spectrum: &Spectrum,
    smooth: &[f32],
    run: std::ops::Range<usize>,
    rate: Hz,
) -> (Carrier, std::ops::Range<usize>) {
    let bin = rate.0 / smooth.len() as f64;
    // Half of the mean power as the power itself weighs it: of a flat carrier the plateau, of a rounded one nearly the peak,
    // however far its skirts reach.
    let squares: f64 = smooth[run.clone()].iter().map(|&p| f64::from(p) * f64::from(p)).sum();
    let sum: f64 = smooth[run.clone()].iter().map(|&p| f64::from(p)).sum();
    let reference = (squares / sum / 2.0) as f32;
    let above = |i: &usize| smooth[*i] >= reference;
    let first = run.clone().find(above).unwrap_or(run.start);
    let last = run.clone().rev().find(above).unwrap_or(run.start);
    let width = (last - first + 1) as f64 * bin;
    let cut = run.start == 0 || run.end == smooth.len();
    let shape = match width {
        _ if cut => Shape::Unknown,
        w if (80e3..280e3).contains(&w) => Shape::Narrow200k,
        w if (3.6e6..4.1e6).contains(&w) => Shape::Wide3840k,
        w if MULTICARRIER_WIDTHS.iter().any(|known| (w / known - 1.0).abs() < 0.05) => Shape::Multicarrier,
        w if NR_WIDTHS.iter().any(|known| (w / known - 1.0).abs() < 0.02) => Shape::MulticarrierNr,
        _ => Shape::Unknown,
    };
    let power: f64 = spectrum.mean[run].iter().map(|&p| f64::from(p)).sum();
    let middle = Hz((spectrum.offset(first, rate).0 + spectrum.offset(last, rate).0) / 2.0);
    (Carrier { offset: middle, width: Hz(width), level: Dbfs(Db::from_ratio(power).0), shape }, first..last + 1)
}
