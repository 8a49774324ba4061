//! Channel estimate from a training sequence, and soft decisions by a max-log-MAP equaliser over 16 states.
//!
//! A GMSK burst sampled once a symbol, its quarter turn a symbol taken out, is a sum of antipodal bits over a short channel:
//! `r[n] = sum_k h[k] b[n-k] + noise`, `b = +1` for bit 0 (first pulse of Laurent's decomposition; what it leaves out is 23 dB down).

use super::burst::BURST_BITS;
use multiversion::multiversion;
use num_complex::Complex32;

/// Taps of the channel: 18.5 us, of which the modulation itself takes about 11.
pub const TAPS: usize = 5;
const STATES: usize = 1 << (TAPS - 1);
/// Longest stretch of unknown bits with the known ones behind it.
const MAX_STEPS: usize = 72;
/// Log-likelihood of what cannot be.
const NEVER: f32 = -1e9;

/// A channel, tap `k` weighing the bit `k` symbols ago.
pub type Channel = [Complex32; TAPS];

/// Known bits of a burst, ready for least-squares estimates.
#[derive(Clone, Debug)]
pub struct Training {
    start: usize,
    length: usize,
    /// +1 for bit 0, -1 for bit 1; `length` of them.
    signs: [f32; BURST_BITS],
    /// Inverse of the normal matrix.
    inverse: [[f32; TAPS]; TAPS],
}

/// A channel with the noise that it leaves.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// The taps.
    pub channel: Channel,
    /// Mean squared residual a sample, corrected for the degrees of freedom used.
    pub noise: f32,
    /// Share of the received power that the channel explains, 0..=1.
    pub explained: f32,
}

impl Training {
    /// `bits` as ASCII digits, the first at position `start` of the burst.
    ///
    /// # Panics
    /// If the sequence is too short or too regular to tell `TAPS` taps apart.
    pub fn new(start: usize, bits: &[u8]) -> Training {
        let mut signs = [0.0; BURST_BITS];
        for (sign, &bit) in signs.iter_mut().zip(bits) {
            *sign = if bit == b'0' { 1.0 } else { -1.0 };
        }
        Training::from_signs(start, &signs[..bits.len()])
    }

    /// From signs, +1 for bit 0.
    ///
    /// # Panics
    /// As [`Training::new`], and if there are more signs than a burst has bits.
    pub fn from_signs(start: usize, signs: &[f32]) -> Training {
        let mut kept = [0.0; BURST_BITS];
        kept[..signs.len()].copy_from_slice(signs);
        let mut normal = [[0f64; TAPS]; TAPS];
        for n in TAPS - 1..signs.len() {
            for (i, row) in normal.iter_mut().enumerate() {
                for (j, cell) in row.iter_mut().enumerate() {
                    *cell += f64::from(signs[n - i] * signs[n - j]);
                }
            }
        }
        let inverse = invert(normal).expect("a training sequence has an invertible normal matrix");
        Training { start, length: signs.len(), signs: kept, inverse: inverse.map(|row| row.map(|x| x as f32)) }
    }

    /// First position of the training in the burst.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The signs, +1 for bit 0.
    pub fn signs(&self) -> &[f32] {
        &self.signs[..self.length]
    }

    /// Least-squares channel of a cut burst whose training stands `shift` samples later than its place. `None` where that leaves the cut.
    pub fn estimate(&self, cut: &[Complex32], shift: isize) -> Option<Estimate> {
        let first = (self.start as isize + shift).try_into().ok()?;
        let window: &[Complex32] = cut.get(first..first + self.length)?;
        let signs = self.signs();
        let mut right = [Complex32::default(); TAPS];
        for n in TAPS - 1..self.length {
            for (k, right) in right.iter_mut().enumerate() {
                *right += window[n] * signs[n - k];
            }
        }
        let channel: Channel = std::array::from_fn(|i| (0..TAPS).map(|j| right[j] * self.inverse[i][j]).sum());
        let residual = self.residual(window, &channel);
        let power: f32 = window[TAPS - 1..].iter().map(|r| r.norm_sqr()).sum();
        let equations = (self.length + 1 - TAPS) as f32;
        Some(Estimate {
            channel,
            noise: residual / (equations - TAPS as f32),
            explained: 1.0 - residual / power.max(f32::MIN_POSITIVE),
        })
    }

    /// The one complex factor that fits `shape` to the cut burst best, with its residual.
    pub fn fit(&self, cut: &[Complex32], shape: &Channel) -> Option<Estimate> {
        let window = cut.get(self.start..self.start + self.length)?;
        let signs = self.signs();
        let (mut cross, mut energy, mut power) = (Complex32::default(), 0f32, 0f32);
        for n in TAPS - 1..self.length {
            let model: Complex32 = (0..TAPS).map(|k| shape[k] * signs[n - k]).sum();
            cross += window[n] * model.conj();
            energy += model.norm_sqr();
            power += window[n].norm_sqr();
        }
        let factor = cross / energy.max(f32::MIN_POSITIVE);
        let residual = (power - cross.norm_sqr() / energy.max(f32::MIN_POSITIVE)).max(0.0);
        let equations = (self.length + 1 - TAPS) as f32;
        Some(Estimate {
            channel: shape.map(|tap| tap * factor),
            noise: residual / (equations - 1.0),
            explained: 1.0 - residual / power.max(f32::MIN_POSITIVE),
        })
    }

    fn residual(&self, window: &[Complex32], channel: &Channel) -> f32 {
        let signs = self.signs();
        (TAPS - 1..self.length)
            .map(|n| {
                let model: Complex32 = (0..TAPS).map(|k| channel[k] * signs[n - k]).sum();
                (window[n] - model).norm_sqr()
            })
            .sum()
    }
}

/// Inverse of a symmetric positive matrix by Gauss-Jordan elimination; `None` where it is singular.
fn invert(mut a: [[f64; TAPS]; TAPS]) -> Option<[[f64; TAPS]; TAPS]> {
    let mut inverse: [[f64; TAPS]; TAPS] =
        std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for pivot in 0..TAPS {
        let scale = a[pivot][pivot];
        if scale.abs() < 1e-9 {
            return None;
        }
        for j in 0..TAPS {
            a[pivot][j] /= scale;
            inverse[pivot][j] /= scale;
        }
        let (row, inverse_row) = (a[pivot], inverse[pivot]);
        for i in (0..TAPS).filter(|&i| i != pivot) {
            let factor = a[i][pivot];
            for j in 0..TAPS {
                a[i][j] -= factor * row[j];
                inverse[i][j] -= factor * inverse_row[j];
            }
        }
    }
    Some(inverse)
}

/// Working memory of the equaliser.
#[derive(Debug)]
pub struct Equalizer {
    alpha: Vec<[f32; STATES]>,
    gamma: Vec<[f32; 2 * STATES]>,
}

impl Default for Equalizer {
    fn default() -> Equalizer {
        Equalizer { alpha: vec![[0.0; STATES]; MAX_STEPS + 1], gamma: vec![[0.0; 2 * STATES]; MAX_STEPS] }
    }
}

impl Equalizer {
    /// Soft decisions on the bits `first..=last` of a burst: `llr[i]` is `ln P(0)/P(1)` of bit `first + i`.
    ///
    /// `cut` are the samples, `known` the bits by position: +1 (bit 0), -1 (bit 1) or 0 (unknown); every bit in `first..=last` is unknown. `noise` is
    /// the variance of a complex sample.
    pub fn decide(
        &mut self,
        cut: &[Complex32],
        known: &[f32],
        (first, last): (usize, usize),
        estimate: &Estimate,
        llr: &mut [f32],
    ) {
        let end = (last + TAPS).min(cut.len()).min(known.len());
        let steps = (end - first).min(MAX_STEPS);
        let outputs = outputs(&estimate.channel);
        let scale = 1.0 / estimate.noise.max(f32::MIN_POSITIVE);
        for (gamma, n) in self.gamma.iter_mut().zip(first..first + steps) {
            branch(gamma, &outputs, cut[n], scale, known[n]);
        }
        // Bit j of a state is the bit j + 1 symbols ago.
        for (state, alpha) in self.alpha[0].iter_mut().enumerate() {
            let fits = (0..TAPS - 1).all(|j| {
                let sign = if state >> j & 1 == 0 { 1.0 } else { -1.0 };
                first < j + 1 || known[first - j - 1] * sign >= 0.0
            });
            *alpha = if fits { 0.0 } else { NEVER };
        }
        forward(&mut self.alpha[..=steps], &self.gamma[..steps]);
        backward(&self.alpha[..=steps], &self.gamma[..steps], llr);
    }

    /// Wipes what the last burst left.
    pub fn wipe(&mut self) {
        use zeroize::Zeroize;
        self.alpha.iter_mut().for_each(|row| row.zeroize());
        self.gamma.iter_mut().for_each(|row| row.zeroize());
    }
}

/// The noiseless sample for each of the 32 combinations of the last five bits; bit `k` of the index is the bit `k` symbols ago.
fn outputs(channel: &Channel) -> [[f32; 2 * STATES]; 3] {
    let sample = |index: usize| -> Complex32 {
        channel.iter().enumerate().map(|(k, tap)| if index >> k & 1 == 0 { *tap } else { -*tap }).sum()
    };
    [
        std::array::from_fn(|index| sample(index).re),
        std::array::from_fn(|index| sample(index).im),
        std::array::from_fn(|index| sample(index).norm_sqr()),
    ]
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn branch(gamma: &mut [f32; 2 * STATES], outputs: &[[f32; 2 * STATES]; 3], r: Complex32, scale: f32, known: f32) {
    let (re, im) = (2.0 * r.re, 2.0 * r.im);
    for i in 0..2 * STATES {
        gamma[i] = (re * outputs[0][i] + im * outputs[1][i] - outputs[2][i]) * scale;
    }
    if known != 0.0 {
        let wrong = usize::from(known > 0.0);
        for gamma in gamma.iter_mut().skip(wrong).step_by(2) {
            *gamma += NEVER;
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn forward(alpha: &mut [[f32; STATES]], gamma: &[[f32; 2 * STATES]]) {
    for (step, gamma) in gamma.iter().enumerate() {
        let old = alpha[step];
        let new = &mut alpha[step + 1];
        for state in 0..STATES {
            let a = old[state >> 1] + gamma[state];
            let b = old[(state >> 1) | (STATES / 2)] + gamma[STATES + state];
            new[state] = if a > b { a } else { b };
        }
        // Only differences count: keep the numbers small.
        let base = new.iter().fold(f32::MIN, |max, &value| if value > max { value } else { max });
        for value in new.iter_mut() {
            *value -= base;
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn backward(alpha: &[[f32; STATES]], gamma: &[[f32; 2 * STATES]], llr: &mut [f32]) {
    let mut beta = [0f32; STATES];
    for step in (0..gamma.len()).rev() {
        // Index = state << 1 | bit leads to the state (index & 15).
        let mut through = [0f32; 2 * STATES];
        for index in 0..2 * STATES {
            through[index] = gamma[step][index] + beta[index % STATES];
        }
        let (mut zero, mut one) = (f32::MIN, f32::MIN);
        for state in 0..STATES {
            let (a, b) = (through[2 * state], through[2 * state + 1]);
            zero = zero.max(alpha[step][state] + a);
            one = one.max(alpha[step][state] + b);
            beta[state] = if a > b { a } else { b };
        }
        if let Some(llr) = llr.get_mut(step) {
            *llr = zero - one;
        }
        let base = beta.iter().fold(f32::MIN, |max, &value| if value > max { value } else { max });
        for value in beta.iter_mut() {
            *value -= base;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    fn burst(seed: u64, channel: &Channel, known: &mut [f32]) -> (Vec<f32>, Vec<Complex32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut bits: Vec<f32> = (0..148).map(|_| if rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 }).collect();
        for (bit, known) in bits.iter_mut().zip(known.iter()) {
            if *known != 0.0 {
                *bit = *known;
            }
        }
        let cut = (0..152)
            .map(|n| {
                (0..TAPS)
                    .map(|k| if n >= k && n - k < 148 { channel[k] * bits[n - k] } else { Complex32::default() })
                    .sum()
            })
            .collect();
        (bits, cut)
    }

    #[test]
    fn bits_through_a_known_channel_come_back() {
        let channel = [(0.3, 0.1), (0.9, -0.2), (0.4, 0.5), (0.0, 0.3), (0.1, 0.0)].map(|(a, b)| Complex32::new(a, b));
        let training = Training::new(super::super::burst::TSC_START, super::super::burst::TSC[5]);
        let mut known = vec![0f32; 148];
        known[..3].fill(1.0);
        known[145..].fill(1.0);
        known[61..87].copy_from_slice(training.signs());
        for seed in 0..20 {
            let (bits, cut) = burst(seed, &channel, &mut known);
            let estimate = training.estimate(&cut, 0).unwrap();
            for (got, want) in estimate.channel.iter().zip(channel) {
                assert!((got - want).norm() < 1e-4, "{estimate:?}");
            }
            let estimate = Estimate { noise: 0.1, ..estimate };
            let mut llr = [0f32; 58];
            for (first, last) in [(3, 60), (87, 144)] {
                Equalizer::default().decide(&cut, &known, (first, last), &estimate, &mut llr);
                assert!(
                    llr.iter().zip(&bits[first..=last]).all(|(llr, bit)| llr * bit > 0.0),
                    "seed {seed}, from {first}"
                );
            }
        }
    }

    #[test]
    fn a_training_sequence_elsewhere_leaves_a_large_residual() {
        let channel = [0.0, 1.0, 0.3, 0.0, 0.0].map(|a| Complex32::new(a, 0.0));
        let training = Training::new(super::super::burst::TSC_START, super::super::burst::TSC[2]);
        let mut known = vec![0f32; 148];
        known[61..87].copy_from_slice(training.signs());
        let (_, cut) = burst(1, &channel, &mut known);
        assert!(training.estimate(&cut, 0).unwrap().explained > 0.999);
        assert!(training.estimate(&cut, 7).unwrap().explained < 0.7);
        assert!(training.estimate(&cut, 100).is_none());
    }
}
