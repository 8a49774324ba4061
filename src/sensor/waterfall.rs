//! The spectrum of a receiver whose tuning stays: looked at without a gap, for the hub's waterfall.
//!
//! A receiver that scans makes its tiles of its sweeps ([`super::tour`]); one that stays sees every sample, so that its tiles hold what
//! was on the air for a few milliseconds only.

use super::sweep::STEP;
use super::tile::Gathered;
use crate::dsp::slots::Slots;
use crate::dsp::spectrum::{Spectrum, Welch};
use crate::observation::SpectrumTile;
use crate::radio::source::StreamInfo;
use crate::units::{Hz, Nanos};
use num_complex::Complex32;

/// Width of the spectrum's bins, at least this fine.
const BIN: Hz = Hz(10e3);
/// One look: as long as a sweep of the scan plan, so that the tiles of both kinds of receiver can be compared.
const LOOK: Nanos = Nanos::from_millis(20);

/// Size of the transform at a rate: bins of at most 10 kHz.
pub fn size(rate: Hz) -> usize {
    ((rate.0 / BIN.0) as usize).next_power_of_two().clamp(256, 8192)
}

/// Gathers looks into tiles.
#[derive(Debug)]
pub struct Waterfall {
    interval: Nanos,
    usable: Hz,
    welch: Welch,
    spectrum: Spectrum,
    slots: Slots,
    gathered: Gathered,
    stream: Option<StreamInfo>,
    /// Samples of the stream so far, and those that the present look still wants.
    at: u64,
    left: u64,
}

impl Waterfall {
    /// A tile every `interval` of the part of the stream that is `usable` around its centre.
    pub fn new(usable: Hz, interval: Nanos) -> Waterfall {
        Waterfall {
            interval,
            usable,
            welch: Welch::new(size(usable)),
            spectrum: Spectrum::default(),
            slots: Slots::default(),
            gathered: Gathered::default(),
            stream: None,
            at: 0,
            left: 0,
        }
    }

    /// A stream begins.
    pub fn begin(&mut self, info: &StreamInfo) {
        let size = size(info.sample_rate);
        if self.welch.size() == size {
            self.welch.restart();
        } else {
            self.welch = Welch::new(size);
        }
        (self.stream, self.at, self.left) = (Some(info.clone()), 0, 0);
    }

    /// Takes the next samples; the tile that has become due, if one has.
    pub fn take(&mut self, mut samples: &[Complex32]) -> Option<SpectrumTile> {
        let info = self.stream.as_ref()?;
        let (rate, center) = (info.sample_rate, info.center);
        let mut due = None;
        while !samples.is_empty() {
            if self.left == 0 {
                self.left = ((LOOK.as_secs_f64() * rate.0) as u64).max(1);
            }
            let count = samples.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let (now, later) = samples.split_at(count);
            self.welch.process(now);
            (samples, self.left, self.at) = (later, self.left - count as u64, self.at + count as u64);
            if self.left > 0 || !self.welch.take_into(&mut self.spectrum) {
                continue;
            }
            let slots = self.slots.cut(&self.spectrum, center, rate, self.usable, STEP);
            let now = info.start + Nanos((self.at as f64 / rate.0 * 1e9).round() as i64);
            if self.gathered.take(slots, now, self.interval) {
                due = Some(self.gathered.tile((&self.spectrum, center, rate, self.usable), now));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    const RATE: Hz = Hz(2e6);

    /// Tiles of ten seconds and a bit with a tone of 10 ms in them, in blocks of `block`.
    fn tiles(block: usize) -> Vec<SpectrumTile> {
        let interval = Nanos::from_secs(10);
        let mut waterfall = Waterfall::new(Hz(1.6e6), interval);
        let start = Timestamp(1_000_000_000);
        waterfall.begin(&StreamInfo { stream: "a".to_owned(), center: Hz(947e6), sample_rate: RATE, start });
        let samples: Vec<Complex32> = (0..20_100_000u32)
            .map(|n| {
                let weak = Complex32::new(if n % 7 < 3 { 1e-4 } else { -1e-4 }, 0.0);
                let on = (9_000_000..9_020_000).contains(&n);
                // 400 kHz above the centre, not a bin's own frequency.
                weak + if on { Complex32::from_polar(0.1, (n % 100_000) as f32 * 1.2567) } else { Complex32::default() }
            })
            .collect();
        samples.chunks(block).filter_map(|block| waterfall.take(block)).collect()
    }

    #[test]
    fn a_burst_of_ten_milliseconds_stands_in_the_tile_of_a_receiver_that_stays() {
        let tiles = tiles(65_536);
        assert_eq!(tiles.len(), 1);
        let tile = &tiles[0];
        assert_eq!((tile.first_ns, tile.sweeps), (Timestamp(1_020_000_000), 501));
        let at = |hz: u64| ((hz - tile.first_hz) / u64::from(tile.step_hz)) as usize;
        let (burst, quiet) = (at(947_400_000), at(946_600_000));
        // Octets are half decibels. A look that is half filled with power 0.01 has -23 dB, its mean over 501 looks 27 dB less.
        let (most, mean) = (i32::from(tile.most.0[burst]), i32::from(tile.mean.0[burst]));
        assert!((255 - 2 * 23 - most).abs() <= 2, "{tile:?}");
        assert!((most - mean - 2 * 27).abs() <= 2, "{tile:?}");
        assert!(most - i32::from(tile.most.0[quiet]) > 2 * 30, "{tile:?}");
    }

    #[test]
    fn tiles_do_not_depend_on_the_size_of_the_blocks() {
        assert_eq!(tiles(65_536), tiles(9_999));
    }

    #[test]
    fn before_a_stream_there_is_nothing_to_look_at() {
        assert_eq!(Waterfall::new(Hz(1.6e6), Nanos::from_secs(10)).take(&[Complex32::default(); 4096]), None);
    }
}
