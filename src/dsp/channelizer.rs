//! Splits a wideband stream into narrow ones: one forward FFT a hop for all, one small inverse FFT for each channel wanted.
//!
//! Overlap-save with a zero-phase filter. A hop of the wide stream gives [`Channelizer::hop_len`] samples of every narrow
//! stream; narrow sample `j` stands at wide sample `j * decimation` exactly, so that instants carry over without bookkeeping.
//! The centre of a narrow stream lies on the grid of FFT bins; what is left of a carrier's offset is known, and the caller's.

use crate::units::Hz;
use multiversion::multiversion;
use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

/// Length of the inverse FFT, narrow samples.
const NARROW_FFT: usize = 512;
/// Narrow samples that two neighbouring blocks share, and the filter's length.
const OVERLAP: usize = 64;
/// Kaiser window shape for 60 dB of stop band.
const KAISER_BETA: f64 = 5.65;

/// A bank of equal filters over one stream.
pub struct Channelizer {
    decimation: usize,
    sample_rate: f64,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    /// Filter response at the bins `-NARROW_FFT/2 ..` around a channel's centre, the scale of both transforms included.
    response: Vec<f32>,
    input: Vec<Complex32>,
    filled: usize,
    spectrum: Vec<Complex32>,
    narrow: Vec<Complex32>,
    scratch: Vec<Complex32>,
    hop: u64,
}

impl fmt::Debug for Channelizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channelizer")
            .field("decimation", &self.decimation)
            .field("sample_rate", &self.sample_rate)
            .field("hop", &self.hop)
            .finish_non_exhaustive()
    }
}

impl Channelizer {
    /// A bank that decimates by `decimation` and passes `pass` to either side of a channel's centre, down 60 dB at `stop`.
    ///
    /// The transition may not be narrower than the filter's length allows: `stop - pass >= 3.7 * narrow rate / 64`; it is
    /// centred between the two.
    ///
    /// # Panics
    /// If `decimation` is 0.
    pub fn new(sample_rate: Hz, decimation: usize, pass: Hz, stop: Hz) -> Channelizer {
        assert!(decimation > 0, "a decimation of 0 has no meaning");
        let wide = NARROW_FFT * decimation;
        let mut planner = FftPlanner::new();
        let forward = planner.plan_fft_forward(wide);
        let inverse = planner.plan_fft_inverse(NARROW_FFT);
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        let lead = OVERLAP * decimation / 2;
        Channelizer {
            decimation,
            sample_rate: sample_rate.0,
            response: response(sample_rate.0, decimation, (pass.0 + stop.0) / 2.0),
            forward,
            inverse,
            input: vec![Complex32::default(); wide],
            filled: lead,
            spectrum: vec![Complex32::default(); wide],
            narrow: vec![Complex32::default(); NARROW_FFT],
            scratch: vec![Complex32::default(); scratch],
            hop: 0,
        }
    }

    /// Narrow samples a hop.
    pub fn hop_len(&self) -> usize {
        NARROW_FFT - OVERLAP
    }

    /// Rate of every narrow stream.
    pub fn narrow_rate(&self) -> Hz {
        Hz(self.sample_rate / self.decimation as f64)
    }

    /// The bin nearest to `offset` from the centre of the wide stream.
    pub fn bin(&self, offset: Hz) -> i32 {
        (offset.0 / self.bin_width().0).round() as i32
    }

    /// Spacing of the bins on which channel centres lie.
    pub fn bin_width(&self) -> Hz {
        Hz(self.sample_rate / (NARROW_FFT * self.decimation) as f64)
    }

    /// Takes samples from the front of `samples`; returns how many, and whether a hop is complete. A complete hop is read
    /// with [`Channelizer::extract`] before the next call.
    pub fn push(&mut self, samples: &[Complex32]) -> (usize, bool) {
        let wide = self.input.len();
        if self.filled == wide {
            let keep = OVERLAP * self.decimation;
            self.input.copy_within(wide - keep.., 0);
            self.filled = keep;
            self.hop += 1;
        }
        let taken = samples.len().min(wide - self.filled);
        self.input[self.filled..self.filled + taken].copy_from_slice(&samples[..taken]);
        self.filled += taken;
        let complete = self.filled == wide;
        if complete {
            self.spectrum.copy_from_slice(&self.input);
            self.forward.process_with_scratch(&mut self.spectrum, &mut self.scratch);
        }
        (taken, complete)
    }

    /// Writes this hop of the channel centred on `bin` to `out`, which is [`Channelizer::hop_len`] long.
    pub fn extract(&mut self, bin: i32, out: &mut [Complex32]) {
        let wide = self.input.len() as i64;
        const HALF: usize = NARROW_FFT / 2;
        let (low, high) = self.response.split_at(HALF);
        let (positive, negative) = self.narrow.split_at_mut(HALF);
        weigh(&self.spectrum, i64::from(bin).rem_euclid(wide) as usize, high, positive);
        weigh(&self.spectrum, (i64::from(bin) - HALF as i64).rem_euclid(wide) as usize, low, negative);
        self.inverse.process_with_scratch(&mut self.narrow, &mut self.scratch);
        // The block starts at wide sample `hop * advance - lead`: bring the mixer's phase to sample 0 of the stream.
        let advance = ((NARROW_FFT - OVERLAP) * self.decimation) as i64;
        let lead = (OVERLAP * self.decimation / 2) as i64;
        let start = ((self.hop as i128 * i128::from(advance) - i128::from(lead)).rem_euclid(i128::from(wide))) as i64;
        let turns = (i64::from(bin).rem_euclid(wide) * start).rem_euclid(wide) as f64 / wide as f64;
        let (sin, cos) = (-2.0 * PI * turns).sin_cos();
        let phase = Complex32::new(cos as f32, sin as f32);
        turn(out, &self.narrow[OVERLAP / 2..], phase);
    }

    /// Mean power of this hop inside `half` of the channel centred on `bin`; a full-scale sine there gives 1.0.
    pub fn power(&self, bin: i32, half: Hz) -> f32 {
        let wide = self.input.len();
        let reach = (half.0 / self.bin_width().0) as i64;
        let first = (i64::from(bin) - reach).rem_euclid(wide as i64) as usize;
        let count = (2 * reach + 1) as usize;
        let until_wrap = count.min(wide - first);
        let sum = energy(&self.spectrum[first..first + until_wrap]) + energy(&self.spectrum[..count - until_wrap]);
        sum / (wide as f32 * wide as f32)
    }
}

/// `out[i] = spectrum[first + i] * weights[i]`, around the end of the spectrum.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn weigh(spectrum: &[Complex32], first: usize, weights: &[f32], out: &mut [Complex32]) {
    let until_wrap = out.len().min(spectrum.len() - first);
    let (head, tail) = out.split_at_mut(until_wrap);
    for ((out, bin), weight) in head.iter_mut().zip(&spectrum[first..]).zip(weights) {
        *out = bin * weight;
    }
    for ((out, bin), weight) in tail.iter_mut().zip(spectrum).zip(&weights[until_wrap..]) {
        *out = bin * weight;
    }
}

/// `out[i] = samples[i] * phase`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn turn(out: &mut [Complex32], samples: &[Complex32], phase: Complex32) {
    for (out, sample) in out.iter_mut().zip(samples) {
        *out = sample * phase;
    }
}

/// Sum of squared magnitudes in eight lanes.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn energy(bins: &[Complex32]) -> f32 {
    let mut lanes = [0f32; 8];
    let chunks = bins.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().map(|bin| bin.norm_sqr()).sum();
    for chunk in chunks {
        for (lane, bin) in lanes.iter_mut().zip(chunk) {
            *lane += bin.norm_sqr();
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Zero-phase response of a Kaiser-windowed low-pass over `OVERLAP * decimation` wide samples.
fn response(sample_rate: f64, decimation: usize, cutoff: f64) -> Vec<f32> {
    let wide = (NARROW_FFT * decimation) as f64;
    let half = (OVERLAP * decimation / 2) as i64;
    let turn = 2.0 * cutoff / sample_rate;
    let taps: Vec<f64> = (0..half)
        .map(|k| {
            let x = k as f64;
            let sinc = if k == 0 { turn } else { (PI * turn * x).sin() / (PI * x) };
            sinc * bessel_i0(KAISER_BETA * (1.0 - (x / half as f64).powi(2)).sqrt()) / bessel_i0(KAISER_BETA)
        })
        .collect();
    (0..NARROW_FFT)
        .map(|i| {
            let q = i as f64 - (NARROW_FFT / 2) as f64;
            let step = 2.0 * PI * q / wide;
            // cos(k x) from the two before it: a receiver is made for every dwell, and there are a million of them at 20 Msps.
            let twice = 2.0 * step.cos();
            let (mut before, mut now, mut sum) = (1.0, step.cos(), 0.0);
            for tap in &taps[1..] {
                sum += tap * now;
                (before, now) = (now, twice * now - before);
            }
            ((taps[0] + 2.0 * sum) / wide) as f32
        })
        .collect()
}

/// Modified Bessel function of the first kind, order 0, by its power series.
pub(crate) fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bank: &mut Channelizer, samples: &[Complex32], bin: i32) -> Vec<Complex32> {
        let (mut at, mut out) = (0, Vec::new());
        let mut hop = vec![Complex32::default(); bank.hop_len()];
        while at < samples.len() {
            let (taken, complete) = bank.push(&samples[at..]);
            at += taken;
            if complete {
                bank.extract(bin, &mut hop);
                out.extend_from_slice(&hop);
            }
        }
        out
    }

    fn tone(rate: f64, hz: f64, len: usize) -> Vec<Complex32> {
        (0..len)
            .map(|n| {
                let (sin, cos) = (2.0 * PI * ((hz * n as f64 / rate) % 1.0)).sin_cos();
                Complex32::new(cos as f32, sin as f32)
            })
            .collect()
    }

    #[test]
    fn a_tone_keeps_its_phase_and_level_from_the_first_sample_to_the_last() {
        for (rate, decimation) in [(4e6, 10), (1e6, 2), (2.4e6, 6), (5e5, 1)] {
            let mut bank = Channelizer::new(Hz(rate), decimation, Hz(140e3), Hz(190e3));
            let bin = bank.bin(Hz(-0.1 * rate));
            let centre = f64::from(bin) * bank.bin_width().0;
            let out = run(&mut bank, &tone(rate, centre + 61e3, 20_000 * decimation), bin);
            let want = tone(bank.narrow_rate().0, 61e3, out.len());
            let edge = OVERLAP;
            let worst = (edge..out.len()).map(|i| (out[i] - want[i]).norm()).fold(0.0, f32::max);
            assert!(worst < 2e-3, "rate {rate}: {worst}");
        }
    }

    #[test]
    fn a_tone_in_the_stop_band_is_60_db_down() {
        for offset in [195e3, -210e3, 400e3, 1.1e6] {
            let mut bank = Channelizer::new(Hz(4e6), 10, Hz(140e3), Hz(190e3));
            let bin = bank.bin(Hz(600e3));
            let centre = f64::from(bin) * bank.bin_width().0;
            let out = run(&mut bank, &tone(4e6, centre + offset, 200_000), bin);
            let power: f32 = out[OVERLAP..].iter().map(|s| s.norm_sqr()).sum::<f32>() / (out.len() - OVERLAP) as f32;
            assert!(power < 1.2e-6, "{offset}: {power}");
        }
    }

    #[test]
    fn the_cut_into_blocks_does_not_matter() {
        let samples = tone(1e6, 123_456.0, 50_000);
        let mut whole = Channelizer::new(Hz(1e6), 2, Hz(140e3), Hz(190e3));
        let bin = whole.bin(Hz(100e3));
        let want = run(&mut whole, &samples, bin);
        let mut parts = Channelizer::new(Hz(1e6), 2, Hz(140e3), Hz(190e3));
        let got: Vec<_> = samples.chunks(777).flat_map(|part| run(&mut parts, part, bin)).collect();
        assert_eq!(want, got);
    }
}
