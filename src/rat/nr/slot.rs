//! One slot of CORESET 0's resource blocks, cut out of the stream and demodulated.
//!
//! Each symbol of NR starts with its own phase: an element at the frequency f has phase zero where the useful part of its symbol begins
//! (TS 38.211 clause 5.4). Seen from a receiver that stands at f all the time, symbols are turned against each other by f times their
//! distance; that is undone.

use super::coreset::{BLOCK, Coreset};
use super::numerology::{PREFIX, SYMBOL, Spacing};
use super::search::mix;
use crate::dsp::ofdm::Ofdm;
use crate::dsp::resample::Resampler;
use crate::units::Hz;
use num_complex::Complex32;
use std::f64::consts::TAU;

/// Symbols of a slot, normal cyclic prefix; TS 38.211 table 4.3.2-1.
pub const SYMBOLS: usize = 14;
/// By so much the first prefix of each half millisecond is longer, seconds; TS 38.211 clause 5.3.1 (16 kappa T_c).
const LONGER: f64 = 16.0 / 30.72e6;
/// Share of a prefix before the useful part at which a symbol is cut: what comes early does not spill in.
const EARLY: f64 = 0.25;

/// Where a slot is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Its first prefix begins so many samples of the stream after the first one given.
    pub at: f64,
    /// Frequency that the stream is tuned to.
    pub center: Hz,
    /// Nominal frequency of the grid's middle subcarrier.
    pub middle: Hz,
    /// Carrier minus nominal.
    pub error: Hz,
}

/// Elements of a slot, symbol by symbol.
#[derive(Clone, Debug)]
pub struct Grid {
    width: usize,
    elements: Vec<Complex32>,
}

impl Grid {
    /// Of `width` subcarriers.
    pub fn new(width: usize) -> Grid {
        Grid { width, elements: vec![Complex32::default(); width * SYMBOLS] }
    }

    /// The subcarriers of symbol `l`.
    ///
    /// # Panics
    /// Where the slot has no such symbol.
    pub fn symbol(&self, l: usize) -> &[Complex32] {
        &self.elements[l * self.width..(l + 1) * self.width]
    }

    pub(super) fn symbol_mut(&mut self, l: usize) -> &mut [Complex32] {
        &mut self.elements[l * self.width..(l + 1) * self.width]
    }
}

/// From the beginning of a slot to the useful part of symbol `l`, seconds; TS 38.211 clause 5.3.1.
fn useful(spacing: Spacing, l: usize) -> f64 {
    // A slot begins with a longer prefix, and at 15 kHz its symbol 7 does, too.
    let longer = 1 + usize::from(spacing == Spacing::Khz15 && l >= 7);
    (l as f64 * SYMBOL + PREFIX) / spacing.hz().0 + longer as f64 * LONGER
}

/// Cuts slots of one CORESET 0 out of streams of one rate.
#[derive(Debug)]
pub struct Cutter {
    rate: Hz,
    spacing: Spacing,
    length: usize,
    resampler: Resampler,
    ofdm: Ofdm,
    mixed: Vec<Complex32>,
    narrow: Vec<Complex32>,
    /// What was cut last.
    pub grid: Grid,
}

impl Cutter {
    /// For streams of `rate`; `None` where those are narrower than the CORESET.
    pub fn new(rate: Hz, spacing: Spacing, coreset: &Coreset) -> Option<Cutter> {
        // 0.42 of a rate to either side are kept by the resampler.
        let length = (coreset.width() as f64 / 0.84).ceil() as usize;
        let length = length.next_power_of_two();
        if (coreset.blocks * BLOCK) as f64 * spacing.hz().0 > rate.0 {
            return None;
        }
        Some(Cutter {
            rate,
            spacing,
            length,
            resampler: Resampler::new(rate, Hz(spacing.hz().0 * length as f64)),
            ofdm: Ofdm::new(length),
            mixed: Vec::new(),
            narrow: Vec::new(),
            grid: Grid::new(coreset.width()),
        })
    }

    /// Fills the grid; symbols of which the samples are not there are zero. How many are there, from the first one on; `None` where the
    /// stream does not hold the CORESET's subcarriers, or not the slot's beginning.
    pub fn cut(&mut self, samples: &[Complex32], place: &Place) -> Option<usize> {
        let half = self.grid.width as f64 / 2.0 * self.spacing.hz().0;
        if (place.middle.0 - place.center.0).abs() + half > self.rate.0 / 2.0 {
            return None;
        }
        let ratio = self.resampler.ratio();
        let margin = self.resampler.reach() as f64 + 2.0 * ratio;
        let begin = (place.at - margin).floor().max(0.0) as usize;
        // A slot of 15 kHz lasts a millisecond.
        let lasting = 1e-3 * 15e3 / self.spacing.hz().0 * self.rate.0;
        let end = (place.at + lasting + margin).ceil().max(0.0) as usize;
        let part = samples.get(begin..samples.len().min(end))?;
        mix(part, (place.center.0 - place.middle.0 - place.error.0) / self.rate.0, &mut self.mixed);
        let count = (part.len() as f64 / ratio) as usize;
        self.narrow.clear();
        self.narrow.extend((0..count).map(|n| self.resampler.at(&self.mixed, n as f64 * ratio)));
        let own = self.spacing.hz().0 * self.length as f64;
        let early = EARLY * PREFIX * self.length as f64;
        for l in 0..SYMBOLS {
            let into = useful(self.spacing, l);
            let at = (place.at - begin as f64) / ratio + into * own;
            let first = (at - early).floor();
            let window =
                (first >= 0.0).then(|| self.narrow.get(first as usize..first as usize + self.length)).flatten();
            let Some(window) = window else {
                self.grid.elements[l * self.grid.width..].fill(Complex32::default());
                return (l > 0).then_some(l);
            };
            let lowest = -((self.grid.width / 2) as i64);
            self.ofdm.demodulate_from(window, at - first, (0.0, 0.0), lowest, self.grid.symbol_mut(l));
            let turn = Complex32::from_polar(1.0, ((place.middle.0 * into).fract() * TAU) as f32);
            self.grid.symbol_mut(l).iter_mut().for_each(|value| *value *= turn);
        }
        Some(SYMBOLS)
    }
}
