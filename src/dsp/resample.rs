//! Band-limited interpolation: a stream read at any position, at its own rate or a lower one.
//!
//! A Kaiser-windowed sinc, tabulated finely enough that the error of picking the nearest phase lies below the stop band.

use crate::units::Hz;
use multiversion::multiversion;
use num_complex::Complex32;
use std::f64::consts::PI;

/// Zero crossings of the sinc to either side.
const HALF_LOBES: usize = 12;
/// Fractions of a sample that are tabulated.
const PHASES: usize = 256;
/// Kaiser window shape for 60 dB of stop band.
const KAISER_BETA: f64 = 5.65;

/// Reads a stream of one rate at instants of another.
#[derive(Clone, Debug)]
pub struct Resampler {
    ratio: f64,
    taps: usize,
    /// `PHASES` filters of `taps` each.
    table: Vec<f32>,
}

impl Resampler {
    /// From `input` to `output` samples a second, keeping what lies within 0.42 of the lower rate to either side.
    ///
    /// # Panics
    /// Where a rate is not positive.
    pub fn new(input: Hz, output: Hz) -> Resampler {
        assert!(input.0 > 0.0 && output.0 > 0.0, "rates are positive");
        let ratio = input.0 / output.0;
        let stretch = ratio.max(1.0);
        let half = (HALF_LOBES as f64 * stretch).ceil();
        let taps = 2 * half as usize;
        // A ratio that is a whole number only ever reads at whole positions.
        let phases = if ratio.fract() == 0.0 { 1 } else { PHASES };
        let mut table = Vec::with_capacity(phases * taps);
        for phase in 0..phases {
            let fraction = phase as f64 / phases as f64;
            let row: Vec<f64> = (0..taps)
                .map(|tap| {
                    let t = tap as f64 - (half - 1.0) - fraction;
                    sinc(0.94 * t / stretch) * kaiser(t / half)
                })
                .collect();
            let sum: f64 = row.iter().sum();
            table.extend(row.iter().map(|value| (value / sum) as f32));
        }
        Resampler { ratio, taps, table }
    }

    /// Input samples an output sample.
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Samples that the filter reaches to either side of a position.
    pub fn reach(&self) -> usize {
        self.taps / 2
    }

    /// The value of `input` at `position`, which counts from its first sample; beyond its ends the input is zero.
    pub fn at(&self, input: &[Complex32], position: f64) -> Complex32 {
        let phases = self.table.len() / self.taps;
        let steps = (position * phases as f64).round() as i64;
        let (whole, phase) = (steps.div_euclid(phases as i64), steps.rem_euclid(phases as i64) as usize);
        let row = &self.table[phase * self.taps..(phase + 1) * self.taps];
        let first = whole - (self.taps as i64 / 2 - 1);
        let (skip, begin) = ((-first).clamp(0, self.taps as i64) as usize, first.max(0) as usize);
        let part = input.get(begin..).unwrap_or(&[]);
        let taps = &row[skip..];
        let count = taps.len().min(part.len());
        weigh(&taps[..count], &part[..count])
    }
}

/// The sum of `samples`, each times its tap.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn weigh(taps: &[f32], samples: &[Complex32]) -> Complex32 {
    const LANES: usize = 8;
    let (mut re, mut im) = ([0f32; LANES], [0f32; LANES]);
    for (taps, samples) in taps.chunks_exact(LANES).zip(samples.chunks_exact(LANES)) {
        for lane in 0..LANES {
            re[lane] += samples[lane].re * taps[lane];
            im[lane] += samples[lane].im * taps[lane];
        }
    }
    let whole = taps.len() / LANES * LANES;
    let rest: Complex32 = samples[whole..].iter().zip(&taps[whole..]).map(|(sample, tap)| sample * tap).sum();
    rest + Complex32::new(re.iter().sum(), im.iter().sum())
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The Kaiser window over `-1..=1`.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { bessel(KAISER_BETA * (1.0 - x * x).sqrt()) / bessel(KAISER_BETA) }
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..32 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: f64, frequency: f64, length: usize) -> Vec<Complex32> {
        (0..length).map(|n| Complex32::from_polar(1.0, (2.0 * PI * frequency * n as f64 / rate) as f32)).collect()
    }

    #[test]
    fn a_tone_in_the_band_keeps_its_phase_and_one_outside_vanishes() {
        for (input, output) in [(2.0e6, 1.92e6), (19.2e6, 1.92e6), (20e6, 19.2e6)] {
            let resampler = Resampler::new(Hz(input), Hz(output));
            let inside = tone(input, 0.36 * output, 4000);
            for n in [60, 100, 117] {
                let position = n as f64 * resampler.ratio();
                let expected = Complex32::from_polar(1.0, (2.0 * PI * 0.36 * n as f64) as f32);
                assert!((resampler.at(&inside, position) - expected).norm() < 5e-3, "{input} to {output}");
            }
        }
        let decimator = Resampler::new(Hz(19.2e6), Hz(1.92e6));
        assert!(decimator.at(&tone(19.2e6, 1.3e6, 4000), 2000.0).norm() < 2e-3);
    }

    #[test]
    fn positions_outside_the_input_are_silent() {
        let resampler = Resampler::new(Hz(2e6), Hz(1.92e6));
        let input = tone(2e6, 1e5, 10);
        for position in [-1e6, -100.0, 200.0, 1e9] {
            assert_eq!(resampler.at(&input, position), Complex32::default());
        }
        assert_eq!(resampler.at(&[], 0.0), Complex32::default());
    }
}
