//! A spectrum cut into slots of a raster: which hold more than the noise around them, and which only a tone.
//!
//! The noise of a slot is a low quantile of the slots around it (an ordered-statistic CFAR), so that a tilted noise floor does not
//! matter; where carriers fill the surroundings the quietest spectrum that the receiver has shown so far says how much of that is
//! noise. The receiver's own DC and tones that stand still (spurs, harmonics of clocks) are known by their width.
//!
//! ## References
//! - H. Rohling, "Radar CFAR thresholding in clutter and multiple target situations", IEEE Trans. AES-19 (1983)

use crate::dsp::spectrum::Spectrum;
use crate::units::Hz;

/// Slots to either side that the noise of a slot is taken from.
const AROUND: usize = 25;
/// The quantile of them.
const QUANTILE: f64 = 0.25;
/// No more noise than this many times that of the quietest spectrum: external noise differs from band to band.
const ABOVE_QUIETEST: f32 = 4.0;
/// Part of a slot that its carrier fills: 160 kHz of 200.
const FILLED: f64 = 0.8;
/// Part of the power above the noise that a tone has in three bins of a Hann window.
const TONE_SHARE: f32 = 0.8;
/// A tone is looked for where a slot stands this much above the noise.
const TONE_OVER_NOISE: f32 = 10.0;
/// Three bins around the centre may be the receiver's own.
const DC_BINS: usize = 1;

/// One slot of the raster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Its number: centre frequency over the raster's step.
    pub number: i64,
    /// Power in it.
    pub power: f32,
    /// What of that is noise.
    pub noise: f32,
    /// Its power is that of a tone.
    pub tone: bool,
}

impl Slot {
    /// Whether the slot holds `over` times the noise, and no mere tone.
    pub fn is_filled(&self, over: f32) -> bool {
        !self.tone && self.power > over * self.noise
    }
}

/// Cuts spectra into slots; nothing is allocated once the largest spectrum has been seen.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    list: Vec<Slot>,
    powers: Vec<f32>,
    near: Vec<f32>,
    /// Least noise density so far, power in a bin of one hertz.
    quietest: Option<f64>,
}

impl Slots {
    /// The slots of a raster of `step` that lie whole within `usable` around `center`.
    pub fn cut(&mut self, spectrum: &Spectrum, center: Hz, rate: Hz, usable: Hz, step: Hz) -> &[Slot] {
        let bins = spectrum.mean.len();
        let bin = rate.0 / bins as f64;
        let half = (usable.0.min(rate.0) - step.0) / 2.0;
        let first = ((center.0 - half) / step.0).ceil() as i64;
        let last = ((center.0 + half) / step.0).floor() as i64;
        self.list.clear();
        self.powers.clear();
        let middle = bins / 2;
        let dc = middle.saturating_sub(DC_BINS)..=middle + DC_BINS;
        let mut width = 0;
        for number in first..=last {
            let offset = number as f64 * step.0 - center.0;
            let place = |hz: f64| ((hz / bin).round() + middle as f64).clamp(0.0, bins as f64 - 1.0) as usize;
            let (from, to) = (place(offset - FILLED / 2.0 * step.0), place(offset + FILLED / 2.0 * step.0));
            width = to - from + 1;
            let outside = |i: &usize| !dc.contains(i);
            let count = (from..=to).filter(outside).count();
            // The centre's own bins take the mean of the others.
            let sum: f32 = (from..=to).filter(outside).map(|i| spectrum.mean[i]).sum();
            let power = if count > 0 { sum / count as f32 * width as f32 } else { 0.0 };
            let top = (from..=to).filter(outside).max_by(|a, b| spectrum.mean[*a].total_cmp(&spectrum.mean[*b]));
            let tone = top.map_or(0.0, |top| {
                let three = top.saturating_sub(1).max(from)..=(top + 1).min(to);
                three.filter(outside).map(|i| spectrum.mean[i]).sum()
            });
            self.powers.push(power);
            self.list.push(Slot { number, power, noise: tone, tone: false });
        }
        let width_hz = (width.max(1) as f64) * bin;
        let least = self.powers.iter().copied().fold(f32::INFINITY, f32::min);
        if least > 0.0 && least.is_finite() {
            let density = f64::from(self.quantile(0, self.powers.len())) / width_hz;
            self.quietest = Some(self.quietest.map_or(density, |known| known.min(density)));
        }
        let most = self.quietest.map_or(f32::INFINITY, |density| (density * width_hz) as f32 * ABOVE_QUIETEST);
        for at in 0..self.list.len() {
            let noise = self.quantile(at.saturating_sub(AROUND), (at + AROUND + 1).min(self.list.len())).min(most);
            let slot = &mut self.list[at];
            // Until here the three strongest bins stood in its place.
            let three = slot.noise;
            slot.noise = noise;
            slot.tone = slot.power > TONE_OVER_NOISE * noise && three > TONE_SHARE * (slot.power - noise);
        }
        &self.list
    }

    /// The slots that were cut last.
    pub fn list(&self) -> &[Slot] {
        &self.list
    }

    fn quantile(&mut self, from: usize, to: usize) -> f32 {
        self.near.clear();
        self.near.extend_from_slice(&self.powers[from..to]);
        if self.near.is_empty() {
            return 0.0;
        }
        let place = ((self.near.len() - 1) as f64 * QUANTILE).round() as usize;
        *self.near.select_nth_unstable_by(place, f32::total_cmp).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Hz = Hz(20e6);
    const STEP: Hz = Hz(200e3);
    const CENTER: Hz = Hz(943e6);

    /// Noise with a tilt of 6 dB from one end to the other, and what is added to it: offset, width, power.
    fn spectrum(more: &[(f64, f64, f32)]) -> Spectrum {
        let bins = 2048;
        let offset = |i: usize| (i as f64 - 1024.0) * RATE.0 / bins as f64;
        let noise = |i: usize| 1e-9 * 10f32.powf(0.6 * i as f32 / bins as f32);
        let mut mean: Vec<f32> = (0..bins).map(noise).collect();
        for (middle, width, power) in more {
            let inside: Vec<usize> = (0..bins).filter(|i| (offset(*i) - middle).abs() <= width / 2.0).collect();
            inside.iter().for_each(|i| mean[*i] += power / inside.len() as f32);
        }
        Spectrum { peak: mean.clone(), mean, segments: 40 }
    }

    fn filled(slots: &[Slot]) -> Vec<i64> {
        slots.iter().filter(|slot| slot.is_filled(2.0)).map(|slot| slot.number).collect()
    }

    #[test]
    fn carriers_stand_out_of_a_tilted_floor_and_the_receivers_own_tones_do_not() {
        let mut slots = Slots::default();
        assert!(filled(slots.cut(&spectrum(&[]), CENTER, RATE, Hz(15e6), STEP)).is_empty());
        let more = [
            (-6e6, 170e3, 2e-7f32),
            (2.2e6, 170e3, 2e-7),
            (0.0, 10e3, 1e-4),
            (4.01e6, 10e3, 1e-4),
            (-3e6, 170e3, 1e-8),
        ];
        let found = slots.cut(&spectrum(&more), CENTER, RATE, Hz(15e6), STEP);
        // -6 MHz and +2.2 MHz; DC and the tone at 4 MHz are the receiver's, and 1e-8 is below the noise.
        assert_eq!(filled(found), [4685, 4726]);
        assert_eq!(found.len(), 75);
        assert!(found.iter().any(|slot| slot.tone && slot.number == 4735));
    }

    #[test]
    fn a_carrier_as_wide_as_the_band_is_known_by_the_quietest_spectrum() {
        let mut slots = Slots::default();
        slots.cut(&spectrum(&[]), CENTER, RATE, Hz(15e6), STEP);
        let found = slots.cut(&spectrum(&[(0.0, 18e6, 1e-4)]), CENTER, RATE, Hz(15e6), STEP);
        assert_eq!(filled(found).len(), 75);
    }
}
