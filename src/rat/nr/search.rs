//! Looks for primary synchronisation signals around raster entries.
//!
//! A stretch of the stream is turned to the middle of a bundle of entries and brought to a quarter of the samples of
//! a block's bandwidth; the three PSS are matched ([`Correlator`]) at every entry over the carrier errors that are searched. Each match is
//! a share of the energy received, so that no level enters. One block is enough: nothing is summed over time. What comes out is a place to
//! look at, not a cell.

use super::numerology::{Spacing, Tuning};
use super::sync::{FIRST, LENGTH, pss};
use crate::dsp::correlator::Correlator;
use crate::dsp::resample::Resampler;
use crate::units::Hz;
use num_complex::{Complex32, Complex64};
use rustfft::FftPlanner;
use std::f64::consts::TAU;

/// Samples of a symbol without its prefix at the rate that is searched.
pub const FFT: usize = 256;
/// Length of a correlation block: its bins are a quarter of a subcarrier wide.
const BLOCK: usize = 1024;
/// Positions a block.
const HOP: usize = BLOCK - FFT;
/// Bins from one offset of the grid to the next, half a subcarrier: at most 0.9 dB is lost between two.
const GRID_BINS: i32 = 2;
/// Least share of the energy. In noise a match is exponentially distributed with a mean of 1/215 (the passband of 256 bins): of the three
/// million of 20 ms and a bundle about ten exceed it. A block of -9 dB an element has as much.
const LEAST_SHARE: f32 = 0.06;
/// Matches of one bundle that are looked at, the best first. Chosen: eight blocks each of three cells.
const MAX_PEAKS: usize = 24;
/// Places this near each other, samples, are one.
const SAME: usize = 8;

/// A PSS that may be there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Which one of the three.
    pub n_id_2: u16,
    /// The raster entry, from the middle of the bundle.
    pub entry: Hz,
    /// Carrier minus the entry, to a quarter of a subcarrier.
    pub error: Hz,
    /// Where its useful part begins, samples of the stream after the first one searched.
    pub at: f64,
    /// Share of the energy that it explains.
    pub share: f32,
}

/// Turns samples by `step` turns each, the first one by none, into `out`.
pub fn mix(samples: &[Complex32], step: f64, out: &mut Vec<Complex32>) {
    // Turned in double precision: a stretch has a million samples.
    const FRESH: usize = 1024;
    out.clear();
    out.reserve(samples.len());
    let single = Complex64::from_polar(1.0, TAU * step);
    for (part, samples) in samples.chunks(FRESH).enumerate() {
        let mut turn = Complex64::from_polar(1.0, TAU * (step * (part * FRESH) as f64).fract());
        for sample in samples {
            out.push(sample * Complex32::new(turn.re as f32, turn.im as f32));
            turn *= single;
        }
    }
}

/// PSS of `n_id_2` in time, `length` samples without prefix, unit energy.
pub fn template(n_id_2: u16, length: usize) -> Vec<Complex32> {
    let mut symbol = vec![Complex32::default(); length];
    for (n, value) in pss(n_id_2).iter().enumerate() {
        let subcarrier = (FIRST + n) as i64 - super::numerology::CENTRE as i64;
        symbol[subcarrier.rem_euclid(length as i64) as usize] =
            Complex32::new(value / ((LENGTH * length) as f32).sqrt(), 0.0);
    }
    FftPlanner::new().plan_fft_inverse(length).process(&mut symbol);
    symbol
}

/// Searches stretches of a stream of one rate for blocks of one spacing.
#[derive(Debug)]
pub struct Searcher {
    rate: Hz,
    spacing: Spacing,
    resampler: Resampler,
    correlator: Correlator,
    mixed: Vec<Complex32>,
    narrow: Vec<Complex32>,
    block: Vec<Complex32>,
    row: Vec<f32>,
}

impl Searcher {
    /// For streams of `rate`.
    pub fn new(rate: Hz, spacing: Spacing) -> Searcher {
        let own = Hz(spacing.hz().0 * FFT as f64);
        let templates: Vec<Vec<Complex32>> = (0..3).map(|n_id_2| template(n_id_2, FFT)).collect();
        Searcher {
            rate,
            spacing,
            resampler: Resampler::new(rate, own),
            correlator: Correlator::new(&templates, BLOCK, HOP),
            mixed: Vec::new(),
            narrow: Vec::new(),
            block: vec![Complex32::default(); BLOCK],
            row: vec![0.0; HOP],
        }
    }

    /// Spacing of the blocks looked for.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// The best matches in `samples`, of a stream tuned to `center`, best first. `max_error`: carrier errors searched to either side.
    pub fn search(&mut self, samples: &[Complex32], center: Hz, tuning: &Tuning, max_error: Hz) -> Vec<Peak> {
        mix(samples, (center.0 - tuning.center.0) / self.rate.0, &mut self.mixed);
        let ratio = self.resampler.ratio();
        let count = (samples.len() as f64 / ratio) as usize;
        self.narrow.clear();
        self.narrow.extend((0..count).map(|n| self.resampler.at(&self.mixed, n as f64 * ratio)));
        let bin = self.spacing.hz().0 * FFT as f64 / BLOCK as f64;
        let reach = (max_error.0 / bin / f64::from(GRID_BINS)).ceil() as i32;
        let mut peaks: Vec<Peak> = Vec::new();
        for first in (0..count).step_by(HOP) {
            let part = &self.narrow[first..count.min(first + BLOCK)];
            self.block[..part.len()].copy_from_slice(part);
            self.block[part.len()..].fill(Complex32::default());
            self.correlator.load(&self.block);
            for &entry in &tuning.entries {
                let middle = (entry.0 / bin).round() as i32;
                for bins in (-reach..=reach).map(|step| middle + step * GRID_BINS) {
                    for n_id_2 in 0..3u16 {
                        self.row.fill(0.0);
                        self.correlator.accumulate(usize::from(n_id_2), bins, 0, &mut self.row);
                        let error = Hz(f64::from(bins) * bin - entry.0);
                        // The very end is searched too: there the template is cut off, and its share small.
                        for (at, &share) in self.row.iter().enumerate().filter(|(_, share)| **share > LEAST_SHARE) {
                            let peak = Peak { n_id_2, entry, error, at: (first + at) as f64, share };
                            keep(&mut peaks, peak);
                        }
                    }
                }
            }
        }
        peaks.sort_by(|a, b| b.share.total_cmp(&a.share));
        peaks.truncate(MAX_PEAKS);
        peaks.iter_mut().for_each(|peak| peak.at *= ratio);
        peaks
    }
}

/// Adds a peak, or lets it take the place of a weaker one beside it.
fn keep(peaks: &mut Vec<Peak>, peak: Peak) {
    // Its neighbours in time were among the last ones, or are of this block.
    let beside = |other: &&mut Peak| (other.at - peak.at).abs() <= SAME as f64 && other.n_id_2 == peak.n_id_2;
    match peaks.iter_mut().rev().take(8 * MAX_PEAKS).find(beside) {
        Some(other) if other.share < peak.share => *other = peak,
        Some(_) => {}
        None => peaks.push(peak),
    }
    if peaks.len() > 16 * MAX_PEAKS {
        peaks.sort_by(|a, b| b.share.total_cmp(&a.share));
        peaks.truncate(4 * MAX_PEAKS);
        peaks.sort_by(|a, b| a.at.total_cmp(&b.at));
    }
}
