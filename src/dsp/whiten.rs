//! Makes all parts of a band equally strong, so that a tone or one strong carrier does not hide the structure of a weak one.

use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::fmt;
use std::sync::Arc;

/// Short-time transform with half overlap: divides each bin by its root mean square over the stretch.
pub struct Whitener {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    /// Square root of a Hann window, for analysis and synthesis: the squares of overlapping windows add up to one.
    window: Vec<f32>,
    work: Vec<Complex32>,
    scratch: Vec<Complex32>,
    gain: Vec<f32>,
}

impl fmt::Debug for Whitener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whitener").field("size", &self.window.len()).finish_non_exhaustive()
    }
}

impl Whitener {
    /// Whitens in `size` bins (at least 4, even). The filter's echoes reach `size` samples, so lags that matter must be longer.
    pub fn new(size: usize) -> Whitener {
        let size = (size.max(4) + 1) & !1;
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        Whitener {
            window: (0..size).map(|n| (std::f64::consts::PI * n as f64 / size as f64).sin() as f32).collect(),
            work: vec![Complex32::default(); size],
            scratch: vec![Complex32::default(); scratch],
            gain: vec![0.0; size],
            forward,
            inverse,
        }
    }

    /// Fills `out` with the whitened stretch; the same length as `samples`. Half a window at either end fades in and out. White
    /// noise comes out with power one; bins that one tone has filled with its leakage lose some of theirs when windows overlap again.
    pub fn whiten(&mut self, samples: &[Complex32], out: &mut Vec<Complex32>) {
        let size = self.window.len();
        out.clear();
        out.resize(samples.len(), Complex32::default());
        let starts = || (0..(samples.len() + 1).saturating_sub(size)).step_by(size / 2);
        self.gain.fill(0.0);
        for start in starts() {
            self.analyse(&samples[start..start + size]);
            for (gain, bin) in self.gain.iter_mut().zip(&self.work) {
                *gain += bin.norm_sqr();
            }
        }
        let segments = starts().count() as f32;
        for gain in &mut self.gain {
            // Mean power `P` of a bin: the two transforms scale by `size`, a white bin of power one has `P = size / 2`.
            let power = *gain / segments;
            *gain = if power > f32::MIN_POSITIVE { 1.0 / (power * 2.0 * size as f32).sqrt() } else { 0.0 };
        }
        for start in starts() {
            self.analyse(&samples[start..start + size]);
            for (bin, gain) in self.work.iter_mut().zip(&self.gain) {
                *bin *= gain;
            }
            self.inverse.process_with_scratch(&mut self.work, &mut self.scratch);
            for ((out, sample), weight) in out[start..].iter_mut().zip(&self.work).zip(&self.window) {
                *out += sample * weight;
            }
        }
    }

    fn analyse(&mut self, samples: &[Complex32]) {
        for ((work, sample), weight) in self.work.iter_mut().zip(samples).zip(&self.window) {
            *work = sample * weight;
        }
        self.forward.process_with_scratch(&mut self.work, &mut self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    fn noise(count: usize) -> impl Iterator<Item = Complex32> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        (0..count).map(move |_| Complex32::new(StandardNormal.sample(&mut rng), StandardNormal.sample(&mut rng)))
    }

    fn mean_power(samples: &[Complex32]) -> f32 {
        samples.iter().map(|s| s.norm_sqr()).sum::<f32>() / samples.len() as f32
    }

    #[test]
    fn white_noise_comes_out_with_power_one() {
        let samples: Vec<Complex32> = noise(20_000).collect();
        let mut out = Vec::new();
        Whitener::new(64).whiten(&samples, &mut out);
        let mean = mean_power(&out[64..out.len() - 128]);
        assert!((0.98..1.02).contains(&mean), "{mean}");
    }

    #[test]
    fn a_tone_a_thousand_times_stronger_than_the_noise_becomes_one_bin_among_many() {
        let samples: Vec<Complex32> = noise(20_000)
            .enumerate()
            .map(|(n, noise)| noise + Complex32::from_polar(50.0, std::f32::consts::TAU * 0.123 * n as f32))
            .collect();
        let mut out = Vec::new();
        Whitener::new(64).whiten(&samples, &mut out);
        assert_eq!(out.len(), samples.len());
        let inner = &out[64..out.len() - 128];
        let mean = mean_power(inner);
        assert!((0.5..1.02).contains(&mean), "{mean}");
        let tone: Complex32 = inner
            .iter()
            .enumerate()
            .map(|(n, s)| s * Complex32::from_polar(1.0, -std::f32::consts::TAU * 0.123 * (n + 64) as f32))
            .sum();
        let share = tone.norm_sqr() / (inner.len() as f32).powi(2) / mean;
        assert!(share < 4.0 / 64.0, "{share}");
    }

    #[test]
    fn a_stretch_shorter_than_the_window_and_silence_give_silence() {
        let mut out = vec![Complex32::new(1.0, 1.0)];
        Whitener::new(64).whiten(&[Complex32::new(1.0, 0.0); 10], &mut out);
        assert_eq!(out, [Complex32::default(); 10]);
        Whitener::new(8).whiten(&[Complex32::default(); 100], &mut out);
        assert!(out.iter().all(|s| *s == Complex32::default()));
    }
}
