//! From a PSS to a candidate: the SSS beside it under every hypothesis.

use super::numerology::{BASE_FFT, BASE_FRAME, BASE_RATE, BASE_SUBFRAME, CyclicPrefix, Duplex, pss_place, sss_place};
use super::search::{Candidate, Peak};
use super::sync::{LENGTH, pss, sss};
use crate::units::Hz;
use multiversion::multiversion;
use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

/// Least match of the SSS, standard deviations of noise. The best of 1344 hypotheses reaches it beside one in 25 peaks of noise,
/// which then cost an attempt at a MIB; a cell 9 dB below one of the same site and timing reached 4.3.
const SSS_SIGMAS: f32 = 4.0;
/// Share of the best match that a second candidate of one peak must have.
const SECOND_SHARE: f32 = 0.6;
/// Candidates of one peak.
const MAX_CANDIDATES: usize = 2;
/// [`LENGTH`] with room to a whole number of vectors.
const PADDED: usize = 64;

/// An SSS, or what may be one, with zeros behind.
type Row = [f32; PADDED];

/// FFT bin at [`BASE_FFT`] of value `n` of a synchronisation signal; TS 36.211 clauses 6.11.1.2 and 6.11.2.2.
pub const fn bin(n: usize) -> usize {
    if n < LENGTH / 2 { BASE_FFT - LENGTH / 2 + n } else { n - LENGTH / 2 + 1 }
}

/// The channel that a PSS saw, conjugate and smooth over subcarriers, and the energy received.
struct Primary {
    at: i64,
    channel: [Complex32; LENGTH],
    energy: f32,
}

/// Reads the SSS.
pub struct Identifier {
    forward: Arc<dyn Fft<f32>>,
    primary: [[Complex32; LENGTH]; 3],
    /// By N_ID^(2), then N_ID^(1), then half of the frame.
    secondary: Vec<[Row; 2]>,
    symbol: Vec<Complex32>,
    scratch: Vec<Complex32>,
    /// What undoes the carrier offset of a symbol.
    turn: Vec<Complex32>,
    seen: Vec<Option<Primary>>,
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identifier").finish_non_exhaustive()
    }
}

impl Default for Identifier {
    fn default() -> Identifier {
        Identifier::new()
    }
}

impl Identifier {
    /// With its tables and scratch.
    pub fn new() -> Identifier {
        let forward = FftPlanner::new().plan_fft_forward(BASE_FFT);
        let secondary = (0..3 * 168).map(|i| {
            sss(i % 168, i / 168).map(|signal| {
                let mut row = [0.0; PADDED];
                row[..LENGTH].copy_from_slice(&signal);
                row
            })
        });
        Identifier {
            scratch: vec![Complex32::default(); forward.get_inplace_scratch_len()],
            forward,
            primary: [0, 1, 2].map(pss),
            secondary: secondary.collect(),
            symbol: vec![Complex32::default(); BASE_FFT],
            turn: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Reads the SSS beside a PSS under every hypothesis; at most two candidates, best first.
    ///
    /// `samples`: at [`BASE_RATE`], `half_frames` of them; `carrier`: nominal carrier.
    pub fn identify(&mut self, samples: &[Complex32], half_frames: usize, peak: &Peak, carrier: Hz) -> Vec<Candidate> {
        self.look(samples, half_frames, peak, carrier);
        let mut found: Vec<Candidate> = Vec::new();
        for duplex in [Duplex::Fdd, Duplex::Tdd] {
            for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
                let (sums, power) = self.gather(samples, peak, duplex, cp);
                let noise = (power / 2.0).sqrt();
                if noise <= 0.0 {
                    continue;
                }
                let signals = &self.secondary[peak.n_id_2 * 168..(peak.n_id_2 + 1) * 168];
                for (n_id_1, signal) in signals.iter().enumerate() {
                    for (second, matched) in both_halves(&sums, signal).into_iter().enumerate() {
                        let sigmas = matched / noise;
                        if sigmas < SSS_SIGMAS {
                            continue;
                        }
                        let (subframe, symbol) = pss_place(duplex, cp);
                        let into = subframe * BASE_SUBFRAME + cp.useful(symbol) + second * BASE_FRAME / 2;
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
        found.retain(|candidate| candidate.sss > SECOND_SHARE * best);
        found.truncate(MAX_CANDIDATES);
        found
    }

    /// Reads the PSS of every half-frame.
    fn look(&mut self, samples: &[Complex32], half_frames: usize, peak: &Peak, carrier: Hz) {
        let step = -TAU * peak.offset / BASE_RATE.0;
        self.turn.clear();
        self.turn.extend((0..BASE_FFT).map(|n| Complex32::from_polar(1.0, (step * n as f64) as f32)));
        self.seen.clear();
        for half in 0..half_frames {
            let at = peak.place(half, carrier);
            let seen = window(samples, at).map(|part| {
                let received = self.transform(part);
                let known = &self.primary[peak.n_id_2];
                let raw: [Complex32; LENGTH] = std::array::from_fn(|n| received[n] * known[n].conj());
                let channel = std::array::from_fn(|n| {
                    let near = &raw[n.saturating_sub(3)..(n + 4).min(LENGTH)];
                    (near.iter().sum::<Complex32>() / near.len() as f32).conj()
                });
                Primary { at, channel, energy: energy(&received) }
            });
            self.seen.push(seen);
        }
    }

    /// SSS values freed of the channel that the PSS beside them saw, summed over even and over odd half-frames, and their power with
    /// that of their imaginary parts, which hold noise alone.
    fn gather(&mut self, samples: &[Complex32], peak: &Peak, duplex: Duplex, cp: CyclicPrefix) -> ([Row; 2], f32) {
        let from_start = |(subframe, symbol): (usize, usize)| (subframe * BASE_SUBFRAME + cp.useful(symbol)) as i64;
        let back = from_start(pss_place(duplex, cp)) - from_start(sss_place(duplex, cp));
        // The offset has turned the carrier from the one signal to the other.
        let turns = (peak.offset / BASE_RATE.0 * back as f64).fract();
        let turn = Complex32::from_polar(1.0, (TAU * turns) as f32);
        let mut sums = [[Complex32::default(); LENGTH]; 2];
        let seen = std::mem::take(&mut self.seen);
        for (half, primary) in seen.iter().enumerate() {
            let Some(primary) = primary else { continue };
            let Some(part) = window(samples, primary.at - back) else { continue };
            let secondary = self.transform(part);
            let scale = turn / (primary.energy * energy(&secondary)).max(1e-30).sqrt();
            for (sum, (value, channel)) in sums[half % 2].iter_mut().zip(secondary.iter().zip(&primary.channel)) {
                *sum += value * channel * scale;
            }
        }
        self.seen = seen;
        let power = sums.iter().map(energy).sum();
        let rows = sums.map(|sums| {
            let mut row = [0.0; PADDED];
            row.iter_mut().zip(&sums).for_each(|(slot, value)| *slot = value.re);
            row
        });
        (rows, power)
    }

    /// One symbol of a synchronisation signal in the frequency domain, freed of the offset.
    fn transform(&mut self, part: &[Complex32]) -> [Complex32; LENGTH] {
        for (slot, (sample, turn)) in self.symbol.iter_mut().zip(part.iter().zip(&self.turn)) {
            *slot = sample * turn;
        }
        self.forward.process_with_scratch(&mut self.symbol, &mut self.scratch);
        std::array::from_fn(|n| self.symbol[bin(n)])
    }
}

fn energy(values: &[Complex32; LENGTH]) -> f32 {
    values.iter().map(Complex32::norm_sqr).sum()
}

/// Match of the sums over even and odd half-frames with an SSS, where the first half-frame is the first and where it is the second half
/// of a frame.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn both_halves(sums: &[Row; 2], signal: &[Row; 2]) -> [f32; 2] {
    const LANES: usize = 8;
    let (mut straight, mut crossed) = ([0f32; LANES], [0f32; LANES]);
    for at in (0..PADDED).step_by(LANES) {
        for lane in 0..LANES {
            let n = at + lane;
            straight[lane] += sums[0][n] * signal[0][n] + sums[1][n] * signal[1][n];
            crossed[lane] += sums[0][n] * signal[1][n] + sums[1][n] * signal[0][n];
        }
    }
    [straight.iter().sum(), crossed.iter().sum()]
}

fn window(samples: &[Complex32], at: i64) -> Option<&[Complex32]> {
    let first = usize::try_from(at).ok()?;
    samples.get(first..first.checked_add(BASE_FFT)?)
}
