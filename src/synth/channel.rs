//! What happens between transmitter and samples: noise, a second path, quantisation.
//!
//! Carrier offset, delay, level and clock errors are part of [`crate::synth::gsm::beacon::BeaconConfig`], so that they act on the continuous signal.
//!
//! Limits: noise is white and Gaussian; paths do not move; quantisation has no dither, no DC offset, no IQ imbalance.

use super::gsm::Picos;
use super::gsm::beacon::BeaconConfig;
use crate::units::{Db, Dbfs, Hz, SampleIndex};
use num_complex::Complex32;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// Bandwidth that levels of noise and SNR of GSM refer to: one channel; wire contract, `snr_db`.
pub const REFERENCE_BANDWIDTH: Hz = Hz(200e3);

/// Noise is made in stretches of so many samples, each from a random stream of its own.
const STRETCH: usize = 1024;

/// Samples of a [`NoiseTable`]: 8 MB, half a second at 2 megasamples a second.
const TABLE: usize = 1 << 20;

/// Standard deviation of I and of Q that gives `level` in [`REFERENCE_BANDWIDTH`] at this sample rate.
fn deviation(level: Dbfs, rate: Hz) -> f32 {
    (10f64.powf(level.0 / 10.0) * rate.0 / REFERENCE_BANDWIDTH.0 / 2.0).sqrt() as f32
}

fn normal(random: &mut impl Rng) -> Complex32 {
    let mut one = || -> f32 { StandardNormal.sample(random) };
    Complex32::new(one(), one())
}

/// A stretch's own random number; SplitMix64 (Steele, Lea, Flood 2014).
fn scramble(seed: u64, stretch: u64) -> u64 {
    let mut z = seed ^ stretch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A stretch of Gaussian noise of unit deviation in I and Q, to draw on where fresh noise would take too long.
#[derive(Debug)]
pub struct NoiseTable(Vec<Complex32>);

impl NoiseTable {
    /// Fills the table from a seed, and scales it to exactly unit deviation.
    pub fn new(seed: u64) -> NoiseTable {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut samples: Vec<_> = (0..TABLE).map(|_| normal(&mut random)).collect();
        let power: f64 = samples.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / TABLE as f64;
        let scale = (2.0 / power).sqrt() as f32;
        samples.iter_mut().for_each(|s| *s *= scale);
        NoiseTable(samples)
    }
}

/// Adds white Gaussian noise; a pure function of the sample number, as the beacons are.
#[derive(Clone, Debug)]
pub struct Noise {
    seed: u64,
    deviation: f32,
    source: NoiseSource,
}

#[derive(Clone, Debug)]
enum NoiseSource {
    /// Drawn for each stretch; every sample is independent of every other.
    Fresh(Vec<Complex32>),
    /// Stretches of a table from random places; repeats itself, in irregular order.
    Table(Arc<NoiseTable>),
}

impl Noise {
    /// Fresh noise whose power in [`REFERENCE_BANDWIDTH`] is `level`, in a stream of this sample rate.
    pub fn new(seed: u64, level: Dbfs, rate: Hz) -> Noise {
        Noise {
            seed,
            deviation: deviation(level, rate),
            source: NoiseSource::Fresh(vec![Complex32::default(); STRETCH]),
        }
    }

    /// Noise from a table: some 20 times faster, and good enough for ears that average less than the table is long.
    pub fn from_table(seed: u64, level: Dbfs, rate: Hz, table: Arc<NoiseTable>) -> Noise {
        Noise { seed, deviation: deviation(level, rate), source: NoiseSource::Table(table) }
    }

    /// Adds noise to `out`, whose first sample is number `first` of the stream.
    pub fn add_to(&mut self, first: SampleIndex, out: &mut [Complex32]) {
        let mut first = first.0;
        let mut rest = out;
        while !rest.is_empty() {
            let (stretch, offset) = (first / STRETCH as u64, (first % STRETCH as u64) as usize);
            let count = rest.len().min(STRETCH - offset);
            let (now, later) = rest.split_at_mut(count);
            let noise = match &mut self.source {
                NoiseSource::Table(table) => {
                    let at = scramble(self.seed, stretch) as usize % (TABLE - STRETCH);
                    &table.0[at..at + STRETCH]
                }
                NoiseSource::Fresh(scratch) => {
                    let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                    random.set_stream(stretch);
                    scratch.fill_with(|| normal(&mut random));
                    scratch
                }
            };
            for (sample, noise) in now.iter_mut().zip(&noise[offset..]) {
                *sample += noise * self.deviation;
            }
            rest = later;
            first += count as u64;
        }
    }
}

/// A second path of a beacon: later, weaker, at another phase.
pub fn second_path(direct: &BeaconConfig, excess: Picos, loss: Db, phase_turns: f64) -> BeaconConfig {
    BeaconConfig {
        start: Picos(direct.start.0.saturating_add(excess.0)),
        level: direct.level - loss,
        phase_turns: direct.phase_turns + phase_turns,
        ..direct.clone()
    }
}

/// Limits I and Q to full scale, as a converter does. Returns how many samples touched it.
pub fn clip(samples: &mut [Complex32]) -> u32 {
    let mut clipped = 0;
    for sample in samples {
        clipped += u32::from(sample.re.abs().max(sample.im.abs()) >= 1.0);
        *sample = Complex32::new(sample.re.clamp(-1.0, 1.0), sample.im.clamp(-1.0, 1.0));
    }
    clipped
}

/// Rounds I and Q to a converter's steps of `2^(1 - bits)` between -1 and the last step below 1. Returns how many samples
/// touched an end.
pub fn quantise(samples: &mut [Complex32], bits: u8) -> u32 {
    let scale = f32::from(bits.clamp(1, 24) - 1).exp2();
    let mut clipped = 0;
    for sample in samples {
        let mut touched = false;
        let mut step = |value: f32| {
            let code = (value * scale).round();
            touched |= code >= scale - 1.0 || code <= -scale;
            code.clamp(-scale, scale - 1.0) / scale
        };
        *sample = Complex32::new(step(sample.re), step(sample.im));
        clipped += u32::from(touched);
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power_dbfs(samples: &[Complex32]) -> f64 {
        10.0 * (samples.iter().map(|s| f64::from(s.norm_sqr())).sum::<f64>() / samples.len() as f64).log10()
    }

    #[test]
    fn noise_has_the_power_that_was_asked_for_in_200_khz() {
        let rate = Hz(2e6);
        let table = Arc::new(NoiseTable::new(1));
        for mut noise in [Noise::new(7, Dbfs(-60.0), rate), Noise::from_table(7, Dbfs(-60.0), rate, table)] {
            let mut samples = vec![Complex32::default(); 1 << 20];
            noise.add_to(SampleIndex(123), &mut samples);
            // Ten times the bandwidth; one standard deviation of the estimate is 0.004 dB.
            assert!((power_dbfs(&samples) + 50.0).abs() < 0.02, "{}", power_dbfs(&samples));
        }
    }

    #[test]
    fn noise_does_not_depend_on_the_blocks_and_differs_between_seeds() {
        let table = Arc::new(NoiseTable::new(1));
        let of = |seed| {
            [Noise::new(seed, Dbfs(-60.0), Hz(1e6)), Noise::from_table(seed, Dbfs(-60.0), Hz(1e6), table.clone())]
        };
        for (mut noise, mut other) in of(3).into_iter().zip(of(4)) {
            let mut whole = vec![Complex32::default(); 5000];
            noise.add_to(SampleIndex(777), &mut whole);
            let mut cut = vec![Complex32::default(); 5000];
            for (i, block) in cut.chunks_mut(13).enumerate() {
                noise.add_to(SampleIndex(777 + 13 * i as u64), block);
            }
            assert!(whole == cut);
            let mut different = vec![Complex32::default(); 5000];
            other.add_to(SampleIndex(777), &mut different);
            assert!(whole != different);
        }
    }

    #[test]
    fn eight_bits_have_128_steps_to_each_side_and_clip_at_the_ends() {
        let mut samples = [Complex32::new(0.003, -2.0), Complex32::new(1.5, 0.0), Complex32::new(-0.5, 0.25)];
        assert_eq!(quantise(&mut samples, 8), 2);
        assert_eq!(samples[0], Complex32::new(0.0, -1.0));
        assert_eq!(samples[1], Complex32::new(127.0 / 128.0, 0.0));
        assert_eq!(samples[2], Complex32::new(-0.5, 0.25));
        let mut samples = [Complex32::new(1.25, 0.5)];
        assert_eq!((clip(&mut samples), samples[0]), (1, Complex32::new(1.0, 0.5)));
    }
}
