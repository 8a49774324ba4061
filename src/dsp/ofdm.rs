//! One OFDM symbol to its subcarriers, freed of a carrier offset and of a delay that need not be a whole number of samples.

use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

/// Samples turned with one rounding error before the rotation is set afresh.
const FRESH: usize = 64;

/// A demodulator for symbols of one length.
pub struct Ofdm {
    fft: Arc<dyn Fft<f32>>,
    time: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl fmt::Debug for Ofdm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ofdm").field("length", &self.time.len()).finish_non_exhaustive()
    }
}

impl Ofdm {
    /// For symbols of `length` samples without their prefix.
    pub fn new(length: usize) -> Ofdm {
        let fft = FftPlanner::new().plan_fft_forward(length);
        let scratch = vec![Complex32::default(); fft.get_inplace_scratch_len()];
        Ofdm { fft, time: vec![Complex32::default(); length], scratch }
    }

    /// Samples of a symbol without its prefix.
    pub fn symbol_len(&self) -> usize {
        self.time.len()
    }

    /// The subcarriers around DC, DC left out: `out` takes its lower half below and its upper half above.
    ///
    /// `window`: a symbol's length of samples, taken `delay` samples (a fraction too) before the useful part begins, inside the
    /// prefix. `turns`: phase of the carrier offset at the first sample; `step`: its advance a sample, both in turns.
    ///
    /// # Panics
    /// Where `window` is not a symbol long or `out` holds as many values as it or more.
    pub fn demodulate(&mut self, window: &[Complex32], delay: f64, turns: f64, step: f64, out: &mut [Complex32]) {
        let length = self.time.len();
        assert!(window.len() == length && out.len() < length, "a symbol in, fewer subcarriers out");
        let turn = polar(-step);
        for (part, (slot, samples)) in self.time.chunks_mut(FRESH).zip(window.chunks(FRESH)).enumerate() {
            let mut rotation = polar(-turns - step * (part * FRESH) as f64);
            for (slot, sample) in slot.iter_mut().zip(samples) {
                *slot = sample * rotation;
                rotation *= turn;
            }
        }
        self.fft.process_with_scratch(&mut self.time, &mut self.scratch);
        let below = out.len() / 2;
        let (low, high) = out.split_at_mut(below);
        let advance = delay / length as f64;
        let scale = 1.0 / (length as f32).sqrt();
        let shift = |values: &mut [Complex32], first: i64| {
            let bins = &self.time[first.rem_euclid(length as i64) as usize..];
            let turn = polar(advance);
            for (part, (values, bins)) in values.chunks_mut(FRESH).zip(bins.chunks(FRESH)).enumerate() {
                let mut rotation = polar(advance * (first + (part * FRESH) as i64) as f64) * scale;
                for (value, bin) in values.iter_mut().zip(bins) {
                    *value = bin * rotation;
                    rotation *= turn;
                }
            }
        };
        shift(low, -(below as i64));
        shift(high, 1);
    }
}

fn polar(turns: f64) -> Complex32 {
    let (im, re) = (TAU * turns.fract()).sin_cos();
    Complex32::new(re as f32, im as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcarriers_come_back_from_under_an_offset_and_a_fractional_delay() {
        let (length, used, delay, offset) = (128usize, 72usize, 2.37, 0.31 / 128.0);
        let sent: Vec<Complex32> = (0..used).map(|k| polar((k * k) as f64 * 0.13)).collect();
        let frequency = |k: usize| if k < used / 2 { k as f64 - (used / 2) as f64 } else { (k - used / 2 + 1) as f64 };
        let window: Vec<Complex32> = (0..length)
            .map(|n| {
                let t = (n as f64 - delay) / length as f64;
                let sum: Complex32 = (0..used).map(|k| sent[k] * polar(frequency(k) * t)).sum();
                sum * polar(0.2 + offset * n as f64) / (length as f32).sqrt()
            })
            .collect();
        let mut out = vec![Complex32::default(); used];
        Ofdm::new(length).demodulate(&window, delay, 0.2, offset, &mut out);
        for (got, sent) in out.iter().zip(&sent) {
            assert!((got - sent).norm() < 1e-3, "{got} {sent}");
        }
    }
}
