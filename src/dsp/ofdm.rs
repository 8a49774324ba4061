//! One OFDM symbol to its subcarriers, freed of a carrier offset and of a delay that need not be a whole number of samples.

use multiversion::multiversion;
use num_complex::{Complex32, Complex64};
use rustfft::{Fft, FftPlanner};
use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

/// Samples turned before the rotation is set afresh: its rounding errors stay below 1e-5.
const FRESH: usize = 512;
/// Samples turned at once.
const LANES: usize = 8;

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
        assert!(out.len() < self.time.len(), "fewer subcarriers out");
        let below = out.len() / 2;
        let (low, high) = out.split_at_mut(below);
        self.transform(window, turns, step);
        self.bins(delay, -(below as i64), low);
        self.bins(delay, 1, high);
    }

    /// The same with DC: `out` takes the subcarriers from number `lowest` on, which is negative below DC.
    ///
    /// # Panics
    /// Where `window` is not a symbol long or `out` does not end above DC, or reaches further than the transform.
    pub fn demodulate_from(
        &mut self,
        window: &[Complex32],
        delay: f64,
        (turns, step): (f64, f64),
        lowest: i64,
        out: &mut [Complex32],
    ) {
        self.transform(window, turns, step);
        let (low, high) = out.split_at_mut(lowest.unsigned_abs() as usize);
        self.bins(delay, lowest, low);
        self.bins(delay, 0, high);
    }

    fn transform(&mut self, window: &[Complex32], turns: f64, step: f64) {
        assert!(window.len() == self.time.len(), "a symbol in");
        rotate(window, &mut self.time, -turns, -step);
        self.fft.process_with_scratch(&mut self.time, &mut self.scratch);
    }

    /// Subcarriers from `first` on, all on one side of DC.
    fn bins(&self, delay: f64, first: i64, out: &mut [Complex32]) {
        let length = self.time.len();
        // The bins below DC stand at the end.
        let place = first.rem_euclid(length as i64) as usize;
        let advance = delay / length as f64;
        rotate(&self.time[place..], out, advance * first as f64, advance);
        let scale = 1.0 / (length as f32).sqrt();
        out.iter_mut().for_each(|value| *value *= scale);
    }
}

/// Turns `input` into `out`, as much of it as that holds, by `first` turns and `step` more from each value to the next.
fn rotate(input: &[Complex32], out: &mut [Complex32], first: f64, step: f64) {
    let single = polar(step);
    let mut lanes = [Complex64::new(1.0, 0.0); LANES];
    for lane in 1..LANES {
        lanes[lane] = lanes[lane - 1] * single;
    }
    let turn = narrow(lanes[LANES - 1] * single);
    for (part, (out, input)) in out.chunks_mut(FRESH).zip(input.chunks(FRESH)).enumerate() {
        let start = polar(first + step * (part * FRESH) as f64);
        turn_lanes(input, out, lanes.map(|lane| narrow(lane * start)), turn);
    }
}

/// Turns value `n` of `input` by `lanes[n % LANES]`, every lane being advanced by `turn` each time.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn turn_lanes(input: &[Complex32], out: &mut [Complex32], lanes: [Complex32; LANES], turn: Complex32) {
    let (mut re, mut im) = (lanes.map(|lane| lane.re), lanes.map(|lane| lane.im));
    for (out, input) in out.chunks_mut(LANES).zip(input.chunks(LANES)) {
        for (lane, (out, value)) in out.iter_mut().zip(input).enumerate() {
            *out = Complex32::new(value.re * re[lane] - value.im * im[lane], value.re * im[lane] + value.im * re[lane]);
        }
        for lane in 0..LANES {
            (re[lane], im[lane]) = (re[lane] * turn.re - im[lane] * turn.im, re[lane] * turn.im + im[lane] * turn.re);
        }
    }
}

fn polar(turns: f64) -> Complex64 {
    let (im, re) = (TAU * turns.fract()).sin_cos();
    Complex64::new(re, im)
}

fn narrow(value: Complex64) -> Complex32 {
    Complex32::new(value.re as f32, value.im as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcarriers_come_back_from_under_an_offset_and_a_fractional_delay() {
        let (length, used, delay, offset) = (128usize, 72usize, 2.37, 0.31 / 128.0);
        let sent: Vec<Complex32> = (0..used).map(|k| narrow(polar((k * k) as f64 * 0.13))).collect();
        let frequency = |k: usize| if k < used / 2 { k as f64 - (used / 2) as f64 } else { (k - used / 2 + 1) as f64 };
        let window: Vec<Complex32> = (0..length)
            .map(|n| {
                let t = (n as f64 - delay) / length as f64;
                let sum: Complex32 = (0..used).map(|k| sent[k] * narrow(polar(frequency(k) * t))).sum();
                sum * narrow(polar(0.2 + offset * n as f64)) / (length as f32).sqrt()
            })
            .collect();
        let mut out = vec![Complex32::default(); used];
        Ofdm::new(length).demodulate(&window, delay, 0.2, offset, &mut out);
        for (got, sent) in out.iter().zip(&sent) {
            assert!((got - sent).norm() < 1e-3, "{got} {sent}");
        }
    }
}
