//! Cell search: primary and secondary synchronisation signals over a grid of carrier offsets.
//!
//! All three PSS are matched at every offset of the grid ([`Correlator`]) in a few half-frames and summed without their phases. An
//! offset stretches the frame as well, because carrier and sample clock of a receiver come from one crystal: each offset is
//! summed along its own frame length. Only what stands out of that is matched in the other half-frames, place by place. Peaks
//! are refined, and the SSS decides cell identity, half, duplex mode and prefix ([`super::identify`]). What comes out is a
//! candidate, not a cell: only a CRC confirms it ([`super::pbch`]).

use super::identify::{Identifier, bin};
use super::numerology::{BASE_FFT, BASE_FRAME, BASE_RATE, CyclicPrefix, Duplex};
use super::sync::{LENGTH, pss};
use crate::dsp::correlator::{Correlator, Planar};
use crate::units::Hz;
use num_complex::Complex32;
use rustfft::FftPlanner;
use std::f64::consts::TAU;

/// Length of a correlation block: its bins are 937.5 Hz wide.
const BLOCK_FFT: usize = 2048;
/// Positions a block; five blocks make a half-frame.
const HOP: usize = 1920;
/// Bins from one offset of the grid to the next, half a subcarrier: at most 0.9 dB is lost between two.
const GRID_BINS: i32 = 8;
/// Distance of two offsets of the grid.
pub const GRID: Hz = Hz(7_500.0);
/// A half-frame, samples at [`BASE_RATE`].
const HALF_FRAME: usize = BASE_FRAME / 2;
/// Half-frames summed at most: beyond 80 ms the grid's own error of frame length blurs the peak.
pub const MAX_HALF_FRAMES: usize = 16;
/// Half-frames in which every place and offset is matched; the others only where those promise something.
const FIRST_HALF_FRAMES: usize = 4;
/// Least sum over the first half-frames, means of its row, that makes a place worth the others. Noise reaches it at 2.3 places of a
/// thousand (a sum of four exponentially distributed matches beyond 12); a cell at -9 dB an element misses it once in fifty
/// where it lies worst between places and offsets.
const PROMISING: f32 = 3.0;
/// The same after as many half-frames again, for going on with the rest.
const STILL_PROMISING: f32 = 2.5;
/// Places that are matched in further half-frames, the best first.
const MAX_PROMISING: usize = 8192;
/// Peaks of the PSS that are looked at in a search.
const MAX_PEAKS: usize = 40;
/// Least peak over the mean of its row, in standard deviations of noise.
const PEAK_SIGMAS: f32 = 4.8;
/// Two candidates of one identity within this are one, samples: 5 us.
const SAME: f64 = 10.0;

/// What may be a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Physical cell identity, 0..=503.
    pub pci: u16,
    /// Frame structure.
    pub duplex: Duplex,
    /// Cyclic prefix.
    pub cp: CyclicPrefix,
    /// Start of a radio frame, samples at [`BASE_RATE`] after the first one searched; may be negative.
    pub frame_at: f64,
    /// Carrier minus centre of the stream.
    pub offset: Hz,
    /// Share of the energy that the PSS explains, mean of the half-frames.
    pub pss: f32,
    /// Match of the SSS in standard deviations of noise.
    pub sss: f32,
}

/// A PSS that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Which one of the three.
    pub n_id_2: usize,
    /// Carrier minus centre of the stream, Hz.
    pub offset: f64,
    /// Where its useful part begins in the first half-frame, samples at [`BASE_RATE`].
    pub at: f64,
    /// Share of the energy that it explains, mean of the half-frames.
    pub value: f32,
    sigmas: f32,
}

impl Peak {
    /// Sample at which the PSS of half-frame `half` of a search begins; `carrier`: nominal carrier.
    pub fn place(&self, half: usize, carrier: Hz) -> i64 {
        let period = HALF_FRAME as f64 * (1.0 - self.offset / carrier.0);
        (self.at + half as f64 * period).round() as i64
    }
}

/// Searches stretches of a stream at [`BASE_RATE`].
#[derive(Debug)]
pub struct Searcher {
    correlator: Correlator,
    identifier: Identifier,
    /// PSS in time, one symbol without prefix, unit energy.
    time: [Vec<Complex32>; 3],
    /// A row of half a frame for each root and offset.
    sums: Vec<f32>,
    block: Vec<Complex32>,
    planar: Planar,
    filter: Planar,
}

impl Default for Searcher {
    fn default() -> Searcher {
        Searcher::new()
    }
}

/// The half-frames of a search and the offsets of its grid.
#[derive(Clone, Copy)]
struct Plan {
    half_frames: usize,
    offsets: (i32, i32),
    carrier: Hz,
}

impl Plan {
    /// Half-frames in which every place is matched, evenly spread.
    fn first(&self) -> impl Iterator<Item = usize> + use<> {
        let (all, some) = (self.half_frames, self.half_frames.min(FIRST_HALF_FRAMES));
        (0..some).map(move |i| i * all / some)
    }

    /// Root and step of the offset grid of a row.
    fn row(&self, row: usize) -> (usize, i32) {
        (row % 3, self.offsets.0 + (row / 3) as i32)
    }

    /// Samples by which half-frame `half` has come early.
    fn early(&self, half: usize, step: i32) -> i64 {
        ((half * HALF_FRAME) as f64 * f64::from(step) * GRID.0 / self.carrier.0).round() as i64
    }
}

impl Searcher {
    /// A searcher with its templates and scratch.
    pub fn new() -> Searcher {
        let inverse = FftPlanner::new().plan_fft_inverse(BASE_FFT);
        let time = [0, 1, 2].map(|n_id_2| {
            let mut symbol = vec![Complex32::default(); BASE_FFT];
            for (n, value) in pss(n_id_2).iter().enumerate() {
                symbol[bin(n)] = value / ((LENGTH * BASE_FFT) as f32).sqrt();
            }
            inverse.process(&mut symbol);
            symbol
        });
        Searcher {
            correlator: Correlator::new(&time, BLOCK_FFT, HOP),
            identifier: Identifier::new(),
            time,
            sums: Vec::new(),
            block: vec![Complex32::default(); BLOCK_FFT],
            planar: Planar::default(),
            filter: Planar::default(),
        }
    }

    /// Candidates in `samples` (at [`BASE_RATE`]), the best first.
    ///
    /// `offsets`: carrier offsets searched, in whole steps of [`GRID`] from the stream's centre, both ends included;
    /// `carrier`: nominal carrier, by which an offset is related to the frame's length.
    pub fn search(&mut self, samples: &[Complex32], offsets: (i32, i32), carrier: Hz) -> Vec<Candidate> {
        let half_frames = (samples.len() / HALF_FRAME).min(MAX_HALF_FRAMES);
        if half_frames == 0 || offsets.1 < offsets.0 {
            return Vec::new();
        }
        let plan = Plan { half_frames, offsets, carrier };
        self.planar.load(samples.iter().copied());
        self.correlate(samples, &plan);
        let mut candidates: Vec<Candidate> = Vec::new();
        for peak in self.peaks(&plan) {
            let peak = self.refine(&plan, peak);
            for candidate in self.identifier.identify(samples, half_frames, &peak, carrier) {
                let same = |other: &Candidate| {
                    let apart = (other.frame_at - candidate.frame_at).rem_euclid(BASE_FRAME as f64);
                    other.pci == candidate.pci && apart.min(BASE_FRAME as f64 - apart) < SAME
                };
                match candidates.iter_mut().find(|other| same(other)) {
                    Some(other) if other.sss < candidate.sss => *other = candidate,
                    Some(_) => {}
                    None => candidates.push(candidate),
                }
            }
        }
        candidates.sort_by(|a, b| b.sss.total_cmp(&a.sss));
        candidates
    }

    /// Fills `sums` from the first half-frames.
    fn correlate(&mut self, samples: &[Complex32], plan: &Plan) {
        let columns = (plan.offsets.1 - plan.offsets.0 + 1) as usize;
        self.sums.clear();
        self.sums.resize(3 * columns * HALF_FRAME, 0.0);
        for half in plan.first() {
            for within in (0..HALF_FRAME).step_by(HOP) {
                let first = half * HALF_FRAME + within;
                let part = &samples[first..samples.len().min(first + BLOCK_FFT)];
                self.block[..part.len()].copy_from_slice(part);
                self.block[part.len()..].fill(Complex32::default());
                self.correlator.load(&self.block);
                for (row, sums) in self.sums.chunks_exact_mut(HALF_FRAME).enumerate() {
                    let (root, step) = plan.row(row);
                    // Each half-frame is summed back to where the first one stands.
                    let shift = (within as i64 + plan.early(half, step)).rem_euclid(HALF_FRAME as i64) as usize;
                    self.correlator.accumulate(root, step * GRID_BINS, shift, sums);
                }
            }
        }
    }

    /// Places that the first half-frames make look promising, by row: row, place, sum and mean of the row.
    fn promising(&self) -> Vec<(usize, usize, f32, f32)> {
        let mut places = Vec::new();
        for (row, sums) in self.sums.chunks_exact(HALF_FRAME).enumerate() {
            let mean = sums.iter().sum::<f32>() / HALF_FRAME as f32;
            let least = PROMISING * mean;
            places.extend(
                sums.iter().enumerate().filter(|(_, value)| **value > least).map(|(at, &value)| (row, at, value, mean)),
            );
        }
        places.sort_by(|a, b| (b.2 / b.3).total_cmp(&(a.2 / a.3)));
        places.truncate(MAX_PROMISING);
        places.sort_by_key(|place| (place.0, place.1));
        places
    }

    /// The peaks that stand out of their rows over all half-frames, best first.
    fn peaks(&mut self, plan: &Plan) -> Vec<Peak> {
        let mut peaks: Vec<Peak> = Vec::new();
        let mut loaded = None;
        let tried = plan.first().count();
        let share = plan.half_frames as f32 / tried as f32;
        let rest: Vec<usize> = (0..plan.half_frames).filter(|half| plan.first().all(|first| first != *half)).collect();
        for (row, at, value, mean) in self.promising() {
            let (n_id_2, step) = plan.row(row);
            let offset = f64::from(step) * GRID.0;
            if loaded != Some(row) {
                self.filter.load(conjugate(&self.time[n_id_2], offset, 0));
                loaded = Some(row);
            }
            let Some(value) = self.complete(plan, &rest, (at, step), (value, mean / tried as f32)) else { continue };
            // The sum of M exponentially distributed matches has a deviation of its mean over the root of M.
            let mean = mean * share;
            let sigmas = (value / mean - 1.0) * (plan.half_frames as f32).sqrt();
            if sigmas > PEAK_SIGMAS {
                peaks.push(Peak { n_id_2, offset, at: at as f64, value: value / plan.half_frames as f32, sigmas });
            }
        }
        peaks.sort_by(|a, b| b.sigmas.total_cmp(&a.sigmas));
        let mut kept: Vec<Peak> = Vec::new();
        for peak in peaks {
            let beside = |other: &Peak| {
                let apart = (other.at - peak.at).rem_euclid(HALF_FRAME as f64);
                other.n_id_2 == peak.n_id_2 && apart.min(HALF_FRAME as f64 - apart) <= 3.0
            };
            if !kept.iter().any(beside) {
                kept.push(peak);
            }
            if kept.len() == MAX_PEAKS {
                break;
            }
        }
        kept
    }

    /// Adds to the sum of a place (`at`, `step` of the offset grid) what the half-frames `rest` give; `None` once that no longer looks
    /// promising. `value`: the sum so far, and the mean of one half-frame.
    fn complete(
        &self,
        plan: &Plan,
        rest: &[usize],
        (at, step): (usize, i32),
        (mut value, mean): (f32, f32),
    ) -> Option<f32> {
        for (more, &half) in (1..).zip(rest) {
            let place = (half * HALF_FRAME + at) as i64 - plan.early(half, step);
            value += self.planar.matched(place, &self.filter).map_or(0.0, |(sum, energy)| share_of(sum, energy));
            if more == FIRST_HALF_FRAMES && value < STILL_PROMISING * mean * (2 * FIRST_HALF_FRAMES) as f32 {
                return None;
            }
        }
        Some(value)
    }

    /// Refines offset and place of a peak from the two halves of its symbols.
    fn refine(&self, plan: &Plan, mut peak: Peak) -> Peak {
        let (early, late) = self.time[peak.n_id_2].split_at(BASE_FFT / 2);
        let mut filters = [Planar::default(), Planar::default()];
        for reach in [3, 1] {
            filters[0].load(conjugate(early, peak.offset, 0));
            filters[1].load(conjugate(late, peak.offset, BASE_FFT / 2));
            let mut best = (0.0f32, 0.0, Complex32::default());
            for delta in -reach..=reach {
                let (mut power, mut turn) = (0.0f32, Complex32::default());
                for half in 0..plan.half_frames {
                    let at = peak.place(half, plan.carrier) + delta;
                    let halves = [0, 1].map(|i| self.planar.matched(at + (i * BASE_FFT / 2) as i64, &filters[i]));
                    let [Some((first, energy)), Some((second, more))] = halves else { continue };
                    power += share_of(first + second, energy + more);
                    turn += second * first.conj() / (energy + more).max(1e-20);
                }
                if power > best.0 {
                    best = (power, delta as f64, turn);
                }
            }
            peak.at += best.1;
            // The centres of the halves are half a symbol apart.
            peak.offset += f64::from(best.2.arg()) / TAU * BASE_RATE.0 / (BASE_FFT / 2) as f64;
        }
        peak
    }
}

/// Share of `energy` that a template of unit energy explains which gave `sum`.
fn share_of(sum: Complex32, energy: f32) -> f32 {
    if energy > 1e-12 { sum.norm_sqr() / energy } else { 0.0 }
}

/// Conjugate values of `template` at a carrier `offset` Hz above the stream's centre, its first value being sample `first`.
fn conjugate(template: &[Complex32], offset: f64, first: usize) -> impl Iterator<Item = Complex32> {
    let step = -TAU * offset / BASE_RATE.0;
    template
        .iter()
        .zip(first..)
        .map(move |(value, n)| value.conj() * Complex32::from_polar(1.0, (step * n as f64) as f32))
}
