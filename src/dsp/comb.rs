//! Carriers side by side on a raster: whether a stretch of spectrum is a comb, and where its teeth are.
//!
//! One carrier of OFDM or of a spread spectrum is flat between its edges; carriers on a raster leave valleys between them, so the level
//! in decibels has a strong component whose period is the raster.

use std::f64::consts::TAU;
use std::ops::Range;

/// Least amplitude of that component, dB. Carriers of GSM side by side have 3 and more; an echo would have to be as strong as -11 dB and
/// late by just the raster's period to give as much to a flat carrier.
const LEAST_AMPLITUDE: f64 = 2.0;
/// Least number of teeth.
const LEAST_TEETH: usize = 2;

/// The teeth in bins `run` of a smoothed spectrum, as fractions of a bin from its first bin: where each has its middle, `step` bins
/// apart. Empty where there is no comb.
pub fn teeth(smooth: &[f32], run: Range<usize>, step: f64) -> Vec<f64> {
    let width = run.len() as f64;
    let count = (width / step).round() as usize;
    let levels = || smooth[run.clone()].iter().map(|&power| 10.0 * f64::from(power.max(1e-30)).log10());
    if count < LEAST_TEETH || step < 4.0 {
        return Vec::new();
    }
    let mean = levels().sum::<f64>() / width;
    let (mut re, mut im) = (0.0, 0.0);
    for (n, level) in levels().enumerate() {
        let (sin, cos) = (TAU * n as f64 / step).sin_cos();
        re += (level - mean) * cos;
        im += (level - mean) * sin;
    }
    if re.hypot(im) * 2.0 / width < LEAST_AMPLITUDE {
        return Vec::new();
    }
    // The component is largest where its phase is a whole turn.
    let first = (im.atan2(re) / TAU).rem_euclid(1.0) * step;
    // A tooth may reach beyond the half-power points by half its width.
    let places = (-1..=count as i64 + 1).map(|n| first + n as f64 * step);
    places.filter(|place| (-0.25 * step..width + 0.25 * step).contains(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A carrier of GSM as its spectrum falls off: 3 dB at 80 kHz, 10 dB at 115 kHz; bins of 10 kHz.
    fn gsm(middles: &[f64]) -> Vec<f32> {
        let tooth = |n: usize, middle: f64| 10f64.powf(-((n as f64 - middle) / 11.5).powi(2));
        (0..200).map(|n| middles.iter().map(|middle| tooth(n, *middle)).sum::<f64>() as f32 + 1e-4).collect()
    }

    #[test]
    fn carriers_side_by_side_are_told_apart_and_a_flat_one_is_one() {
        let comb = gsm(&[53.0, 73.0, 93.0, 113.0]);
        let found = teeth(&comb, 45..122, 20.0);
        assert_eq!(found.len(), 4, "{found:?}");
        for (found, middle) in found.iter().zip([53.0, 73.0, 93.0, 113.0]) {
            assert!((found + 45.0 - middle).abs() < 1.0, "{found}");
        }
        let flat: Vec<f32> = (0..200).map(|n| 1.0 + 0.2 * (n as f32 / 7.0).sin()).collect();
        assert!(teeth(&flat, 20..180, 20.0).is_empty());
        assert!(teeth(&gsm(&[60.0]), 52..69, 20.0).is_empty(), "one is no comb");
    }
}
