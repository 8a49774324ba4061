//! How far from the carrier a cell's reference signals reach.
//!
//! Every resource block of a cell holds them, used or not, and the standard defines their sequence outwards from the carrier: where a
//! cell sends none the same sequence is simply not there. Products of equal elements half a millisecond apart have the channel's power
//! as their mean where it is sent and zero where it is not; what turns out of phase is noise, and tells how much the rest can be relied on.

use crate::observation::lte::Occupied;
use crate::rat::lte::grid::Grid;
use crate::rat::lte::reference::{Reference, SPACING};
use crate::units::Db;
use num_complex::Complex32;

/// Frames of two subframes each that the mean is taken over, older ones fading.
const SUBFRAMES: f32 = 64.0;
/// Elements looked at together: two resource blocks.
const WINDOW: usize = 8;
/// Elements to either side that the noise of one is taken from.
const AROUND: usize = 16;
/// Least mean of a window in its standard deviations. Of the 200 windows of the widest stream none reaches it by chance in ten thousand
/// cells.
const LEAST_SIGMAS: f32 = 6.0;
/// Elements of the middle six blocks.
const MIDDLE: usize = 24;
/// Weakest reference signals, relative to those inside, that must have been visible where the MIB says they are and none were seen.
/// Chosen: fades of a whole block of 180 kHz are seldom deeper than 10 dB, of many blocks never.
const WEAKEST: f32 = 0.1;
/// Kilohertz from one element to the next: three subcarriers.
const ELEMENT_KHZ: usize = 45;

/// Products of reference elements, by subcarrier, as wide as the stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Average {
    products: Vec<Complex32>,
    count: f32,
}

impl Average {
    /// Takes subframe `subframe`; its four symbols with reference signals of port 0 are in `grid`.
    pub(super) fn take(&mut self, grid: &Grid, reference: &Reference, subframe: usize) {
        let slot = reference.cp().slot_symbols();
        let halves = [0, slot - 3].map(|symbol| (symbol, reference.of(0, subframe, symbol)));
        let [(_, Some((one, _))), (_, Some((other, _)))] = halves else { return };
        let length = 4 * reference.subcarriers() / 12;
        if self.products.len() != length {
            *self = Average { products: vec![Complex32::default(); length], count: 0.0 };
        }
        let mut products = vec![Complex32::default(); length];
        for (symbol, at) in halves {
            let (Some((first, early)), Some((_, late))) = (at, reference.of(0, subframe, symbol + slot)) else {
                return;
            };
            // The half that begins lower takes the even places.
            let place = usize::from(first > one.min(other));
            let received = |symbol: usize| grid.symbol(symbol)[first..].iter().step_by(SPACING);
            let pairs = received(symbol).zip(early).zip(received(symbol + slot).zip(late));
            for (product, ((a, x), (b, y))) in products[place..].iter_mut().step_by(2).zip(pairs) {
                *product = (a * x.conj()).conj() * (b * y.conj());
            }
        }
        if !products.iter().all(|product| product.is_finite()) {
            return;
        }
        let fade = if self.count + 1.0 > SUBFRAMES { 1.0 - 1.0 / SUBFRAMES } else { 1.0 };
        self.count = self.count * fade + 1.0;
        self.products.iter_mut().zip(products).for_each(|(sum, product)| *sum = *sum * fade + product);
    }

    /// The spectrum that holds reference signals, of a cell that says it has `blocks` resource blocks; `None` where that cannot be told.
    pub(super) fn occupied(&self, blocks: usize) -> Option<Occupied> {
        let half = self.products.len() / 2;
        let middle: Complex32 = self.products.get(half.checked_sub(MIDDLE / 2)?..half + MIDDLE / 2)?.iter().sum();
        if middle.norm() <= 0.0 {
            return None;
        }
        let back = middle.conj() / middle.norm();
        let turned: Vec<Complex32> = self.products.iter().map(|product| product * back).collect();
        let variance: Vec<f32> = (0..turned.len())
            .map(|at| {
                let near = &turned[at.saturating_sub(AROUND)..(at + AROUND).min(turned.len())];
                near.iter().map(|value| value.im * value.im).sum::<f32>() / near.len() as f32
            })
            .collect();
        let sides = [
            Side::new((0..half).rev(), &turned, &variance, 2 * blocks)?,
            Side::new(half..turned.len(), &turned, &variance, 2 * blocks)?,
        ];
        let (count, sum) = sides.iter().fold((0, 0.0), |(count, sum), side| (count + side.edge, sum + side.sum()));
        let inside = sum / count as f32;
        let floors: Vec<f32> = sides.iter().filter_map(Side::floor).map(|floor| floor / inside).collect();
        let floor = floors.iter().copied().reduce(f32::max);
        let narrower = sides.iter().any(|side| side.edge < side.told);
        if narrower && floor.is_none_or(|floor| floor > WEAKEST) {
            return None;
        }
        let khz = |elements: usize| (elements * ELEMENT_KHZ) as u16;
        Some(Occupied {
            below_khz: khz(sides[0].edge),
            above_khz: khz(sides[1].edge),
            looked_khz: khz(half),
            floor_db: floor.map(|floor| Db((100.0 * f64::from(floor).log10()).round() / 10.0)),
        })
    }
}

/// The elements of one side of the carrier, outwards.
struct Side {
    /// Power and variance.
    elements: Vec<(f32, f32)>,
    /// Elements that the cell says it has.
    told: usize,
    /// Elements that it has.
    edge: usize,
}

impl Side {
    /// `None` where no window stands out.
    fn new(order: impl Iterator<Item = usize>, turned: &[Complex32], variance: &[f32], told: usize) -> Option<Side> {
        let elements: Vec<(f32, f32)> = order.map(|at| (turned[at].re, variance[at])).collect();
        let mean = |part: &[(f32, f32)]| part.iter().map(|element| element.0).sum::<f32>() / part.len().max(1) as f32;
        let last = elements.windows(WINDOW).rposition(|part| mean(part) > LEAST_SIGMAS * deviation(part))?;
        // The edge lies in this window or just behind it: where a signal as strong as before ends most likely.
        let usual = mean(&elements[last.saturating_sub(WINDOW)..last + WINDOW / 2]);
        let (mut edge, mut best, mut sum) = (last, 0.0f32, 0.0f32);
        for (at, pair) in elements.iter().enumerate().skip(last).take(WINDOW + 2) {
            sum += 2.0 * pair.0 * usual - usual * usual;
            // Half a block holds two elements.
            if at % 2 == 1 && sum > best {
                (edge, best) = (at + 1, sum);
            }
        }
        (edge > 0).then_some(Side { elements, told, edge })
    }

    fn sum(&self) -> f32 {
        self.elements[..self.edge].iter().map(|element| element.0).sum()
    }

    /// The mean power that would have been seen beyond the edge, wherever it was looked; `None` where it was not.
    fn floor(&self) -> Option<f32> {
        let end = self.told.max(self.edge + WINDOW).min(self.elements.len());
        let beyond = &self.elements[self.edge..end];
        let parts = beyond.chunks(WINDOW).map(|part| LEAST_SIGMAS * deviation(part));
        parts.reduce(f32::max)
    }
}

/// One standard deviation of the mean of some elements.
fn deviation(part: &[(f32, f32)]) -> f32 {
    (part.iter().map(|element| element.1).sum::<f32>()).sqrt() / part.len().max(1) as f32
}
