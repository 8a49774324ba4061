//! The waterfall for the hub: each window's sweeps gathered into a coarse tile now and then.
//!
//! A tile of a 15 MHz window is some 200 octets: two for each slot of 200 kHz. At one a day for each of the hundred windows of both
//! countries' bands that is less than a megabyte a month.

use super::sweep::STEP;
use crate::dsp::occupancy::{self, Shape};
use crate::dsp::slots::Slot;
use crate::dsp::spectrum::Spectrum;
use crate::observation::{MAX_SHAPES, Octets, SpectrumTile, TileCarrier};
use crate::units::{Hz, Nanos, Timestamp};

/// The first tile comes so soon after the start, or after the interval if that is shorter.
const FIRST: Nanos = Nanos::from_secs(600);

/// The sweeps of one window since its last tile.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    first: Option<Timestamp>,
    first_number: i64,
    sum: Vec<f32>,
    most: Vec<f32>,
    sweeps: u32,
    told: bool,
}

impl Gathered {
    /// Takes the slots of a sweep at `now`; whether the tile is due that is sent every `interval`.
    pub fn take(&mut self, slots: &[Slot], now: Timestamp, interval: Nanos) -> bool {
        if self.sum.len() != slots.len() || slots.first().is_none_or(|slot| slot.number != self.first_number) {
            let told = self.told;
            *self = Gathered { sum: vec![0.0; slots.len()], most: vec![0.0; slots.len()], told, ..Gathered::default() };
            self.first_number = slots.first().map_or(0, |slot| slot.number);
        }
        for ((sum, most), slot) in self.sum.iter_mut().zip(&mut self.most).zip(slots) {
            *sum += slot.power;
            *most = most.max(slot.power);
        }
        self.sweeps = self.sweeps.saturating_add(1);
        let since = now - *self.first.get_or_insert(now);
        since >= if self.told { interval } else { Nanos(interval.0.min(FIRST.0)) }
    }

    /// The tile, with the shapes in the last sweep's spectrum; the next one begins.
    pub fn tile(&mut self, (spectrum, center, rate, usable): (&Spectrum, Hz, Hz, Hz), now: Timestamp) -> SpectrumTile {
        let mean: Vec<f32> = self.sum.iter().map(|sum| sum / self.sweeps.max(1) as f32).collect();
        let mut sorted = mean.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let inside = |carrier: &occupancy::Carrier| carrier.offset.0.abs() < usable.0 / 2.0;
        let mut carriers: Vec<TileCarrier> = occupancy::carriers(spectrum, rate)
            .iter()
            .filter(|carrier| inside(carrier))
            .map(|carrier| TileCarrier {
                center_hz: u64::try_from((center + carrier.offset).round()).unwrap_or(0),
                width_hz: carrier.width.round().clamp(0, i64::from(u32::MAX)) as u32,
                shape: name(carrier.shape).to_owned(),
            })
            .collect();
        carriers.truncate(MAX_SHAPES);
        let octets = |powers: &[f32]| Octets(powers.iter().map(|power| SpectrumTile::octet(*power)).collect());
        let tile = SpectrumTile {
            at_ns: now,
            first_ns: self.first.unwrap_or(now),
            sweeps: self.sweeps,
            first_hz: u64::try_from(self.first_number).unwrap_or(0) * STEP.0 as u64,
            step_hz: STEP.0 as u32,
            mean: octets(&mean),
            most: octets(&self.most),
            noise: SpectrumTile::octet(sorted.get(sorted.len() / 4).copied().unwrap_or(0.0)),
            carriers,
        };
        *self = Gathered { told: true, ..Gathered::default() };
        tile
    }
}

fn name(shape: Shape) -> &'static str {
    match shape {
        Shape::Narrow200k => "gsm",
        Shape::Wide3840k => "umts",
        Shape::Multicarrier => "lte/nr",
        Shape::MulticarrierNr => "nr",
        Shape::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(power: f32) -> Vec<Slot> {
        (4700..4710).map(|number| Slot { number, power, noise: power, tone: false }).collect()
    }

    #[test]
    fn a_tile_holds_mean_and_maximum_of_the_sweeps_since_the_last_one() {
        let at = |seconds: i64| Timestamp(0) + Nanos::from_secs(seconds);
        let day = Nanos::from_secs(86_400);
        let mut gathered = Gathered::default();
        assert!(!gathered.take(&slots(0.001), at(0), day));
        assert!(!gathered.take(&slots(0.003), at(300), day));
        assert!(gathered.take(&slots(0.002), at(600), day), "the first one comes soon");
        let spectrum = Spectrum { mean: vec![1e-9; 256], peak: vec![1e-9; 256], segments: 1 };
        let picture = (&spectrum, Hz(941e6), Hz(4e6), Hz(3.2e6));
        let tile = gathered.tile(picture, at(600));
        assert_eq!((tile.first_hz, tile.step_hz, tile.sweeps), (940_000_000, 200_000, 3));
        assert_eq!((tile.mean.0.len(), tile.mean.0[0], tile.most.0[0]), (10, 201, 205));
        assert_eq!((tile.first_ns, tile.at_ns, tile.carriers.len()), (at(0), at(600), 0));
        assert!(!gathered.take(&slots(0.001), at(700), day));
        assert!(!gathered.take(&slots(0.001), at(80_000), day));
        assert!(gathered.take(&slots(0.001), at(87_100), day));
        assert_eq!(gathered.tile(picture, at(87_100)).sweeps, 3);
    }
}
