//! Signals of known make, and noise: what the survey names and what it does not.
//!
//! The signals are made here from the standards' numbers, not by the code under test. They show that the survey answers to what
//! it claims to answer to; that real carriers look like this is shown by the recordings (`tests/recordings.rs`).

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::dsp::occupancy::{Occupancy, Shape, Signal, Survey, carriers};
use daen::dsp::spectrum::Spectrum;
use daen::units::Hz;
use num_complex::Complex32;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rustfft::FftPlanner;

fn survey(rate: f64, samples: &[Complex32]) -> Occupancy {
    let mut survey = Survey::new(Hz(rate));
    survey.process(samples);
    survey.finish()
}

fn names(occupancy: &Occupancy) -> Vec<&'static str> {
    occupancy.signals.iter().map(|signal| signal.as_str()).collect()
}

fn noise(seed: u64, len: usize, power: f32) -> Vec<Complex32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
    let scale = (power / 2.0).sqrt();
    (0..len).map(|_| Complex32::new(normal(), normal()) * scale).collect()
}

fn add(samples: &mut [Complex32], noise: &[Complex32]) {
    samples.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += noise);
}

/// How an OFDM carrier is made.
struct Ofdm {
    /// Transform length; the sample rate is this times the spacing.
    size: usize,
    /// Subcarriers in use, on either side of DC.
    used: usize,
    /// Symbols of half a millisecond: 7 at 15 kHz, 14 at 30 kHz.
    symbols: usize,
    /// As with two antenna ports: every third subcarrier of two symbols in half a millisecond carries the same in each frame.
    pilots: bool,
    /// Prefix of a quarter of the symbol, 6 symbols in half a millisecond.
    extended: bool,
}

/// `frames` frames of 10 ms with random QPSK and power 1.
fn ofdm(make: &Ofdm, frames: usize, seed: u64) -> Vec<Complex32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let inverse = FftPlanner::new().plan_fft_inverse(make.size);
    let scale = 1.0 / (2.0 * make.used as f32).sqrt();
    let qpsk = |rng: &mut ChaCha8Rng| {
        let mut sign = || if rng.random::<bool>() { scale } else { -scale };
        Complex32::new(sign(), sign()) * std::f32::consts::FRAC_1_SQRT_2
    };
    let per_frame = 20 * make.symbols;
    let pilots: Vec<Complex32> = (0..per_frame * make.used * 2).map(|_| qpsk(&mut rng)).collect();
    let mut out = Vec::new();
    for n in 0..frames * per_frame {
        let mut bins = vec![Complex32::default(); make.size];
        for k in 0..2 * make.used {
            let bin = if k < make.used { k + 1 } else { make.size - 1 - (k - make.used) };
            let repeats = make.pilots && [0, 4].contains(&(n % make.symbols)) && k % 3 == 0;
            bins[bin] = if repeats { pilots[n % per_frame * 2 * make.used + k] } else { qpsk(&mut rng) };
        }
        inverse.process(&mut bins);
        // 144 of 2048 for all, and for the first of half a millisecond what is left over (16 of 2048 at 15 kHz).
        let prefix = match (make.extended, n % make.symbols) {
            (true, _) => make.size / 4,
            (false, 0) => make.size * (144 + 16 * make.symbols / 7) / 2048,
            (false, _) => make.size * 144 / 2048,
        };
        out.extend_from_slice(&bins[make.size - prefix..]);
        out.extend_from_slice(&bins);
    }
    out
}

/// Moves a signal by `hz`, as a crystal that is off does.
fn shift(samples: &mut [Complex32], hz: f64, rate: f64) {
    for (n, sample) in samples.iter_mut().enumerate() {
        let turns = (hz / rate * n as f64).fract() as f32;
        *sample *= Complex32::from_polar(1.0, std::f32::consts::TAU * turns);
    }
}

const LTE_5: Ofdm = Ofdm { size: 512, used: 150, symbols: 7, pilots: true, extended: false };

/// The carrier in a band of `rate` whose power over frequency is `power`, 40 dB over the noise.
fn seen(rate: f64, power: impl Fn(f64) -> f64) -> (Shape, f64) {
    let bins = 8192;
    let at = |k: usize| (k as f64 - f64::from(bins) / 2.0) * rate / f64::from(bins);
    let mean: Vec<f32> = (0..bins as usize).map(|k| (1e-10 + 1e-6 * power(at(k))) as f32).collect();
    let found = carriers(&Spectrum { peak: mean.clone(), mean, segments: 1 }, Hz(rate));
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].shape, found[0].width.0)
}

#[test]
fn the_width_of_a_carrier_goes_with_what_its_standard_says() {
    let flat = |width: f64| move |hz: f64| if hz.abs() < width / 2.0 { 1.0 } else { 0.0 };
    // TS 36.104 Release 17 table 5.6-1: resource blocks of 180 kHz in 1.4, 3, 5, 10, 15 and 20 MHz.
    for blocks in [6, 15, 25, 50, 75, 100] {
        let width = f64::from(blocks) * 180e3;
        assert_eq!(seen(30.72e6, flat(width)).0, Shape::Multicarrier, "{blocks} resource blocks");
    }
    // TS 38.104 Release 17 table 5.3.2-1, FR1: of 25 to 50 MHz at 15 kHz and of 25 to 100 MHz at 30 kHz.
    let narrow = [133, 160, 188, 216, 242, 270].map(|blocks| f64::from(blocks) * 180e3);
    let wide = [65, 78, 92, 106, 119, 133, 162, 189, 217, 245, 273].map(|blocks| f64::from(blocks) * 360e3);
    for width in narrow.into_iter().chain(wide) {
        let (shape, measured) = seen(122.88e6, flat(width));
        assert_eq!(shape, Shape::MulticarrierNr, "{width} Hz, measured {measured}");
    }
    // TS 25.104 Release 17 clause 6.8.1: a root raised cosine of roll-off 0.22 at 3.84 Mcps; its power is the raised cosine.
    let umts = |hz: f64| {
        let (inner, outer) = (3.84e6 * 0.39, 3.84e6 * 0.61);
        let place = ((hz.abs() - inner) / (outer - inner)).clamp(0.0, 1.0);
        0.5 + 0.5 * (std::f64::consts::PI * place).cos()
    };
    assert_eq!(seen(15.36e6, umts).0, Shape::Wide3840k);
    // Of no standard, and cut by the edge of the band.
    assert_eq!(seen(30.72e6, flat(7e6)).0, Shape::Unknown);
    assert_eq!(seen(30.72e6, |hz| if hz > 10.86e6 { 1.0 } else { 0.0 }).0, Shape::Unknown);
}

#[test]
fn lte_is_known_by_its_prefix_and_its_pilots() {
    let rate = 7.68e6;
    let mut samples = ofdm(&LTE_5, 10, 1);
    assert_eq!(samples.len(), 768_000, "ten frames of 10 ms");
    shift(&mut samples, 33_333.0, rate);
    let power = 0.1;
    let noise = noise(2, samples.len(), power);
    add(&mut samples, &noise);
    let found = survey(rate, &samples);
    assert_eq!(names(&found), ["lte"]);
    assert_eq!(found.carriers.len(), 1, "{found:?}");
    let carrier = found.carriers[0];
    assert!((carrier.width.0 - 4.5e6).abs() < 0.1e6 && (carrier.offset.0 - 33e3).abs() < 50e3, "{carrier:?}");
    assert!(carrier.shape == Shape::Multicarrier && carrier.level.0.abs() < 0.3, "{carrier:?}");
    let density = 10.0 * f64::from(power).log10() - 10.0 * rate.log10();
    assert!((found.noise_per_hz.unwrap().0 - density).abs() < 0.3, "{found:?}");
}

#[test]
fn lte_with_an_extended_prefix_is_known_too() {
    let samples = ofdm(&Ofdm { symbols: 6, extended: true, size: 128, used: 36, pilots: true }, 6, 3);
    assert_eq!(samples.len(), 6 * 19_200);
    assert_eq!(names(&survey(1.92e6, &samples)), ["lte"]);
}

#[test]
fn a_prefix_without_pilots_may_be_lte_or_nr() {
    let make = Ofdm { pilots: false, ..LTE_5 };
    let mut without = ofdm(&make, 4, 4);
    let noise = noise(5, without.len(), 1e-3);
    add(&mut without, &noise);
    assert_eq!(names(&survey(7.68e6, &without)), ["lte/nr"], "no pilots");
    let short = &ofdm(&LTE_5, 1, 5)[..7680];
    assert_eq!(names(&survey(7.68e6, short)), ["lte/nr"], "one millisecond");
}

#[test]
fn thirty_kilohertz_between_subcarriers_are_nr() {
    let make = Ofdm { size: 512, used: 120, symbols: 14, pilots: false, extended: false };
    let mut samples = ofdm(&make, 2, 6);
    shift(&mut samples, -20_000.0, 15.36e6);
    let noise = noise(7, samples.len(), 1.0);
    add(&mut samples, &noise);
    assert_eq!(names(&survey(15.36e6, &samples)), ["nr"]);
}

#[test]
fn a_carrier_that_fills_the_band_below_the_noise_is_found_in_a_second() {
    let rate = 1.92e6;
    let make = Ofdm { size: 128, used: 60, symbols: 7, pilots: true, extended: false };
    let mut samples = ofdm(&make, 100, 8);
    let noise = noise(9, samples.len(), 4.0);
    add(&mut samples, &noise);
    assert_eq!(names(&survey(rate, &samples)), ["lte"], "at -6 dB");
}

/// Chips of QPSK at 3.84 Mcps, one sample a chip: a tenth of the power repeats every 38400 chips, as the common pilot does.
fn wcdma(frames: usize, seed: u64) -> Vec<Complex32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut qpsk = || {
        let mut sign =
            || if rng.random::<bool>() { std::f32::consts::FRAC_1_SQRT_2 } else { -std::f32::consts::FRAC_1_SQRT_2 };
        Complex32::new(sign(), sign())
    };
    let pilot: Vec<Complex32> = (0..38_400).map(|_| qpsk() * 0.1f32.sqrt()).collect();
    (0..frames * 38_400).map(|n| pilot[n % 38_400] + qpsk() * 0.9f32.sqrt()).collect()
}

#[test]
fn umts_is_known_by_a_pilot_without_a_prefix() {
    let mut samples = wcdma(10, 10);
    shift(&mut samples, 2_000.0, 3.84e6);
    let noise = noise(11, samples.len(), 0.3);
    add(&mut samples, &noise);
    assert_eq!(names(&survey(3.84e6, &samples)), ["umts"]);
}

#[test]
fn tones_and_narrow_carriers_are_not_taken_for_another_standard() {
    let rate = 4e6;
    let len = 400_000;
    let mut tones = noise(12, len, 1.0);
    for (n, sample) in tones.iter_mut().enumerate() {
        for (turns, amplitude) in [(0.0, 30.0), (0.1, 10.0), (-0.3, 3.0)] {
            *sample += Complex32::from_polar(amplitude, std::f32::consts::TAU * (turns * n as f32).fract());
        }
    }
    assert_eq!(names(&survey(rate, &tones)), [""; 0], "tones and DC");

    // A phase that walks by a quarter turn every 15 samples: about as wide as GSM.
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let (mut phase, mut step) = (0.0f32, 0.0f32);
    let mut narrow = noise(14, len, 0.01);
    for (n, sample) in narrow.iter_mut().enumerate() {
        if n % 15 == 0 {
            step = if rng.random::<bool>() { 0.25 / 15.0 } else { -0.25 / 15.0 };
        }
        phase = (phase + step).fract();
        *sample += Complex32::from_polar(1.0, std::f32::consts::TAU * phase);
    }
    shift(&mut narrow, 600_000.0, rate);
    let found = survey(rate, &narrow);
    assert_eq!(names(&found), [""; 0], "one narrow carrier");
    assert_eq!(found.carriers.len(), 1, "{found:?}");
    assert!(found.carriers[0].shape == Shape::Narrow200k, "{found:?}");
    assert!((found.carriers[0].offset.0 - 600e3).abs() < 30e3, "{found:?}");
}

#[test]
fn the_answer_does_not_depend_on_how_the_stream_is_cut() {
    let make = Ofdm { size: 128, used: 36, symbols: 7, pilots: true, extended: false };
    let samples = ofdm(&make, 7, 15);
    let whole = survey(1.92e6, &samples);
    assert!(whole.signals.contains(&Signal::Lte));
    for block in [1, 1000, 38_401] {
        let mut cut = Survey::new(Hz(1.92e6));
        samples.chunks(block).for_each(|chunk| cut.process(chunk));
        assert_eq!(cut.finish(), whole, "{block}");
    }
}

#[test]
fn short_and_strange_streams_are_survived() {
    for rate in [1.0, 1e3, 2e5, 1e9] {
        for len in [0, 1, 100, 5000] {
            assert!(survey(rate, &noise(16, len, 1.0)).signals.is_empty(), "{rate} {len}");
        }
    }
    assert!(survey(1e6, &vec![Complex32::default(); 100_000]).signals.is_empty(), "silence");
    assert!(survey(1e6, &vec![Complex32::new(1.0, 1.0); 100_000]).signals.is_empty(), "a stuck converter");
}

/// False names in noise: `DAEN_ACCEPTANCE=1` for the 10,000 stretches that the module's documentation speaks of.
#[test]
fn noise_is_given_no_name() {
    let rounds = if std::env::var_os("DAEN_ACCEPTANCE").is_some() { 2500 } else { 30 };
    for seed in 0..rounds {
        for (rate, milliseconds) in [(500e3, 20.0), (1.92e6, 20.0), (1e6, 40.0), (7.68e6, 2.0)] {
            let samples = noise(1000 + seed, (rate * milliseconds / 1e3) as usize, 0.1);
            assert_eq!(names(&survey(rate, &samples)), [""; 0], "{rate} Hz, seed {}", 1000 + seed);
        }
    }
}
