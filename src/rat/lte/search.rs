//! Cell search: primary and secondary synchronisation signals over a grid of carrier offsets.
//!
//! All three PSS are matched at every offset of the grid ([`Correlator`]) and summed over half-frames without their phases. An
//! offset stretches the frame as well, because carrier and sample clock of a receiver come from one crystal: each offset is
//! summed along its own frame length. Peaks are refined, and the SSS decides cell identity, half, duplex mode and prefix. What
//! comes out is a candidate, not a cell: only a CRC confirms it ([`super::pbch`]).

use super::numerology::{BASE_FFT, BASE_FRAME, BASE_RATE, CyclicPrefix, Duplex, pss_place, sss_place};
use super::sync::{LENGTH, pss, sss};
use crate::dsp::correlator::Correlator;
use crate::units::Hz;
use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

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
/// Peaks of the PSS that are looked at in a search.
const MAX_PEAKS: usize = 40;
/// Least peak over the mean of its row, in standard deviations of noise.
const PEAK_SIGMAS: f32 = 4.8;
/// Least match of the SSS, standard deviations of noise. The best of 1344 hypotheses reaches it beside one in 25 peaks of noise,
/// which then cost an attempt at a MIB; a cell 9 dB below one of the same site and timing reached 4.3.
const SSS_SIGMAS: f32 = 4.0;
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

/// A peak of the matched filters.
#[derive(Clone, Copy, Debug)]
struct Peak {
    n_id_2: usize,
    offset: f64,
    at: f64,
    value: f32,
    sigmas: f32,
}

/// Searches stretches of a stream at [`BASE_RATE`].
pub struct Searcher {
    correlator: Correlator,
    forward: Arc<dyn Fft<f32>>,
    /// PSS in time, one symbol without prefix, unit energy.
    time: [Vec<Complex32>; 3],
    frequency: [[Complex32; LENGTH]; 3],
    sums: Vec<f32>,
    block: Vec<Complex32>,
    symbol: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl fmt::Debug for Searcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Searcher").finish_non_exhaustive()
    }
}

impl Default for Searcher {
    fn default() -> Searcher {
        Searcher::new()
    }
}

/// FFT bin at [`BASE_FFT`] of value `n` of a synchronisation signal; TS 36.211 clauses 6.11.1.2 and 6.11.2.2.
const fn bin(n: usize) -> usize {
    if n < LENGTH / 2 { BASE_FFT - LENGTH / 2 + n } else { n - LENGTH / 2 + 1 }
}

impl Searcher {
    /// A searcher with its templates and scratch.
    pub fn new() -> Searcher {
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(BASE_FFT), planner.plan_fft_inverse(BASE_FFT));
        let frequency = [0, 1, 2].map(pss);
        let time = frequency.map(|signal| {
            let mut symbol = vec![Complex32::default(); BASE_FFT];
            for (n, value) in signal.iter().enumerate() {
                symbol[bin(n)] = value / ((LENGTH * BASE_FFT) as f32).sqrt();
            }
            inverse.process(&mut symbol);
            symbol
        });
        let correlator = Correlator::new(&time, BLOCK_FFT, HOP);
        Searcher {
            scratch: vec![Complex32::default(); forward.get_inplace_scratch_len()],
            correlator,
            forward,
            time,
            frequency,
            sums: Vec::new(),
            block: vec![Complex32::default(); BLOCK_FFT],
            symbol: vec![Complex32::default(); BASE_FFT],
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
        self.correlate(samples, half_frames, offsets, carrier);
        let mut candidates: Vec<Candidate> = Vec::new();
        for peak in self.peaks(half_frames, offsets) {
            let peak = self.refine(samples, half_frames, peak, carrier);
            for candidate in self.identify(samples, half_frames, &peak, carrier) {
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

    /// Fills `sums`: one row of half a frame for each root and offset.
    fn correlate(&mut self, samples: &[Complex32], half_frames: usize, offsets: (i32, i32), carrier: Hz) {
        let columns = (offsets.1 - offsets.0 + 1) as usize;
        self.sums.clear();
        self.sums.resize(3 * columns * HALF_FRAME, 0.0);
        for block in 0..half_frames * HALF_FRAME / HOP {
            let first = block * HOP;
            let part = &samples[first..samples.len().min(first + BLOCK_FFT)];
            self.block[..part.len()].copy_from_slice(part);
            self.block[part.len()..].fill(Complex32::default());
            self.correlator.load(&self.block);
            let (half, within) = (first / HALF_FRAME, first % HALF_FRAME);
            for (row, sums) in self.sums.chunks_exact_mut(HALF_FRAME).enumerate() {
                let step = offsets.0 + (row / 3) as i32;
                // Samples by which this half-frame has come early, summed back.
                let early = (half * HALF_FRAME) as f64 * f64::from(step) * GRID.0 / carrier.0;
                let shift = (within as i64 + early.round() as i64).rem_euclid(HALF_FRAME as i64) as usize;
                self.correlator.accumulate(row % 3, step * GRID_BINS, shift, sums);
            }
        }
    }

    /// The peaks that stand out of their rows, best first.
    fn peaks(&self, half_frames: usize, offsets: (i32, i32)) -> Vec<Peak> {
        let mut peaks: Vec<Peak> = Vec::new();
        for (row, sums) in self.sums.chunks_exact(HALF_FRAME).enumerate() {
            let mean = sums.iter().sum::<f32>() / HALF_FRAME as f32;
            // The sum of M exponentially distributed matches has a deviation of its mean over the root of M.
            let sigma = mean / (half_frames as f32).sqrt();
            for (at, &value) in sums.iter().enumerate() {
                let sigmas = (value - mean) / sigma;
                if sigmas > PEAK_SIGMAS {
                    let offset = f64::from(offsets.0 + (row / 3) as i32) * GRID.0;
                    let value = value / half_frames as f32;
                    peaks.push(Peak { n_id_2: row % 3, offset, at: at as f64, value, sigmas });
                }
            }
        }
        peaks.sort_by(|a, b| b.sigmas.total_cmp(&a.sigmas));
        let mut kept: Vec<Peak> = Vec::new();
        for peak in peaks {
            let beside = |other: &&Peak| {
                let apart = (other.at - peak.at).rem_euclid(HALF_FRAME as f64);
                other.n_id_2 == peak.n_id_2 && apart.min(HALF_FRAME as f64 - apart) <= 3.0
            };
            if kept.iter().filter(beside).count() == 0 {
                kept.push(peak);
            }
            if kept.len() == MAX_PEAKS {
                break;
            }
        }
        kept
    }

    /// Refines offset and place of a peak from the two halves of its symbols.
    fn refine(&self, samples: &[Complex32], half_frames: usize, mut peak: Peak, carrier: Hz) -> Peak {
        let template = &self.time[peak.n_id_2];
        for _ in 0..2 {
            let mut best = (0.0f64, 0.0, Complex32::default());
            for delta in -3..=3 {
                let (mut power, mut turn) = (0.0f64, Complex32::default());
                for half in 0..half_frames {
                    let at = place(&peak, half, carrier) + delta;
                    let Some(part) = window(samples, at) else { continue };
                    let step = -TAU * peak.offset / BASE_RATE.0;
                    let halves = [0, 1].map(|h| {
                        let range = h * BASE_FFT / 2..(h + 1) * BASE_FFT / 2;
                        range.fold(Complex32::default(), |sum, n| {
                            let rotation = Complex32::from_polar(1.0, (step * n as f64) as f32);
                            sum + part[n] * template[n].conj() * rotation
                        })
                    });
                    let energy = part.iter().map(Complex32::norm_sqr).sum::<f32>().max(1e-20);
                    power += f64::from((halves[0] + halves[1]).norm_sqr() / energy);
                    turn += halves[1] * halves[0].conj() / energy;
                }
                if power > best.0 {
                    best = (power, f64::from(delta as i32), turn);
                }
            }
            peak.at += best.1;
            // The centres of the halves are half a symbol apart.
            peak.offset += f64::from(best.2.arg()) / TAU * BASE_RATE.0 / (BASE_FFT / 2) as f64;
        }
        peak
    }

    /// Reads the SSS beside a PSS under every hypothesis; at most two candidates, best first.
    fn identify(&mut self, samples: &[Complex32], half_frames: usize, peak: &Peak, carrier: Hz) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for duplex in [Duplex::Fdd, Duplex::Tdd] {
            for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
                let sums = self.gather(samples, half_frames, peak, carrier, duplex, cp);
                let noise: f32 = sums.iter().flatten().map(Complex32::norm_sqr).sum::<f32>() / 2.0;
                if noise <= 0.0 {
                    continue;
                }
                for n_id_1 in 0..168 {
                    let signals = sss(n_id_1, peak.n_id_2);
                    for second in [0, 1] {
                        let matched: f32 = (0..2)
                            .map(|parity| {
                                let signal = &signals[parity ^ second];
                                sums[parity].iter().zip(signal).map(|(value, sign)| value.re * sign).sum::<f32>()
                            })
                            .sum();
                        let sigmas = matched / noise.sqrt();
                        if sigmas < SSS_SIGMAS {
                            continue;
                        }
                        let (subframe, symbol) = pss_place(duplex, cp);
                        let into =
                            subframe * super::numerology::BASE_SUBFRAME + cp.useful(symbol) + second * HALF_FRAME;
                        found.push(Candidate {
                            pci: (3 * n_id_1 + peak.n_id_2) as u16,
                            duplex,
                            cp,
                            frame_at: peak.at - into as f64,
                            offset: Hz(peak.offset),
                            pss: peak.value,
                            sss: sigmas,
                        });
                    }
                }
            }
        }
        found.sort_by(|a, b| b.sss.total_cmp(&a.sss));
        let best = found.first().map_or(0.0, |candidate| candidate.sss);
        found.retain(|candidate| candidate.sss > 0.6 * best);
        found.truncate(2);
        found
    }

    /// SSS values freed of the channel that the PSS beside them saw, summed over even and over odd half-frames.
    fn gather(
        &mut self,
        samples: &[Complex32],
        half_frames: usize,
        peak: &Peak,
        carrier: Hz,
        duplex: Duplex,
        cp: CyclicPrefix,
    ) -> [[Complex32; LENGTH]; 2] {
        let from_start = |(subframe, symbol): (usize, usize)| {
            (subframe * super::numerology::BASE_SUBFRAME + cp.useful(symbol)) as i64
        };
        let back = from_start(pss_place(duplex, cp)) - from_start(sss_place(duplex, cp));
        let mut sums = [[Complex32::default(); LENGTH]; 2];
        for half in 0..half_frames {
            let at = place(peak, half, carrier);
            let (Some(first), Some(second)) = (window(samples, at), window(samples, at - back)) else { continue };
            let primary = self.transform(first, at, peak.offset);
            let secondary = self.transform(second, at - back, peak.offset);
            let known = &self.frequency[peak.n_id_2];
            let channel: [Complex32; LENGTH] = std::array::from_fn(|n| primary[n] * known[n].conj());
            let energy = |values: &[Complex32; LENGTH]| values.iter().map(Complex32::norm_sqr).sum::<f32>();
            let scale = 1.0 / (energy(&primary) * energy(&secondary)).max(1e-30).sqrt();
            for n in 0..LENGTH {
                let near = &channel[n.saturating_sub(3)..(n + 4).min(LENGTH)];
                let smooth = near.iter().sum::<Complex32>() / near.len() as f32;
                sums[half % 2][n] += secondary[n] * smooth.conj() * scale;
            }
        }
        sums
    }

    /// One symbol of a synchronisation signal at `at`, freed of `offset`, in the frequency domain.
    fn transform(&mut self, part: &[Complex32], at: i64, offset: f64) -> [Complex32; LENGTH] {
        let step = -offset / BASE_RATE.0;
        for (n, (slot, sample)) in self.symbol.iter_mut().zip(part).enumerate() {
            let turns = (step * (at + n as i64) as f64).fract();
            *slot = sample * Complex32::from_polar(1.0, (TAU * turns) as f32);
        }
        self.forward.process_with_scratch(&mut self.symbol, &mut self.scratch);
        std::array::from_fn(|n| self.symbol[bin(n)])
    }
}

/// Sample at which the PSS of half-frame `half` of a search begins.
fn place(peak: &Peak, half: usize, carrier: Hz) -> i64 {
    let period = HALF_FRAME as f64 * (1.0 - peak.offset / carrier.0);
    (peak.at + half as f64 * period).round() as i64
}

fn window(samples: &[Complex32], at: i64) -> Option<&[Complex32]> {
    let first = usize::try_from(at).ok()?;
    samples.get(first..first + BASE_FFT)
}
