//! A cell's frame timing from the reference signals of whole frames.
//!
//! The symbols of a frame, turned by the carrier, add up to a channel that says where the frame begins, far better than the few symbols of
//! subframe 0 do: a line through these starts gives the rate of the frames. But what disturbs all frames alike shifts all of them alike.
//! So the frames are laid upon each other along that line, and the channel that all their symbols agree on says how much later than the
//! line the first path comes. What the symbols do not agree on is noise, whether it changes from frame to frame or not: the sequences
//! of another cell differ from symbol to symbol.

use super::{Frame, Sounding, wide};
use crate::rat::lte::measure::arrival::{self, Path};
use crate::rat::lte::measure::{COMB, Line, student};
use crate::rat::lte::numerology::SUBCARRIER;
use crate::units::Hz;
use num_complex::Complex64;
use std::f64::consts::TAU;

/// Hertz from one element of the channel to the next, and how much more there are in the middle, where the carrier is left out.
const SPACING: (f64, f64) = (COMB as f64 * SUBCARRIER.0, SUBCARRIER.0);
/// How far from where it was expected a frame may begin, seconds: a microsecond ...
const REACH: f64 = 1e-6;
/// ... or so many times the reciprocal of the bandwidth, if that is more.
const CELLS: f64 = 2.0;
/// Frames that make a line.
const LEAST_FRAMES: usize = 3;
/// A frame; TS 36.211 clause 4.
const FRAME_SECONDS: f64 = 0.01;

/// What laying frames upon each other gives.
struct Laid {
    /// The channel.
    channel: Vec<Complex64>,
    /// Noise of one of its elements, by what the symbols do not agree on.
    noise: f64,
    /// Symbols that an element was seen in.
    symbols: f64,
}

impl Sounding {
    /// The starts of the frames, by the path that arrives first, as a line up to frame `last`; `None` where the frames so far do not say.
    ///
    /// `carrier`: the cell's, from the stream's centre; `rate`: that of the samples.
    pub fn line(&self, carrier: Hz, rate: Hz, last: i64) -> Option<Line> {
        let offset = carrier - self.base?;
        let count = self.frames.len() as f64;
        if self.frames.len() < LEAST_FRAMES {
            return None;
        }
        let turns: Vec<Complex64> =
            self.places.iter().map(|place| Complex64::from_polar(1.0, -TAU * offset.0 * place.at)).collect();
        // What a channel of all symbols says holds for their middle, in frames after the start.
        let within = self.places.iter().map(|place| place.at / FRAME_SECONDS).sum::<f64>() / self.places.len() as f64;
        let middle = |frame: &Frame| ((frame.number - last) as f64 + within, frame.start + within * frame.period);
        // Relative to the last frame: numbers stay small.
        let newest = self.frames.back()?.start;
        let starts: Vec<(f64, f64)> = self
            .frames
            .iter()
            .map(|frame| {
                let channel = self.channel(frame, &turns);
                let cell = 1.0 / (SPACING.0 * channel.len() as f64);
                let late = arrival::strongest(channel, SPACING, REACH.max(CELLS * cell));
                let (number, at) = middle(frame);
                (number, at - newest + late * rate.0)
            })
            .collect();
        let (x, y) = starts.iter().fold((0.0, 0.0), |(x, y), start| (x + start.0 / count, y + start.1 / count));
        let (xx, xy) = starts
            .iter()
            .fold((0.0, 0.0), |(xx, xy), start| (xx + (start.0 - x).powi(2), xy + (start.0 - x) * (start.1 - y)));
        let period = xy / xx;
        let residual: f64 = starts.iter().map(|start| (start.1 - y - period * (start.0 - x)).powi(2)).sum();
        let expected = |number: f64| newest + y + period * (number - x);
        let early: Vec<f64> =
            self.frames.iter().map(middle).map(|(number, at)| (expected(number) - at) / rate.0).collect();
        let Laid { channel, noise, symbols } = self.laid_along(&turns, &early)?;
        // What one symbol of each half tells in one frame: no path beside the strongest one is looked for below that.
        let floor = noise * symbols * count;
        let first: Path = *arrival::paths(channel, (noise, floor), SPACING).first()?;
        // Few frames may scatter less than they are wrong, but none is better than its share of what all of them tell.
        let bound = first.sigma * rate.0 * (count / xx).sqrt();
        let scatter = (residual / (count - 2.0) / xx).sqrt();
        let period_sigma = student(count - 2.0).map(|wider| bound.max(scatter * wider));
        // The line is known best in the middle of its frames.
        let sigma = (first.sigma * rate.0).hypot(x * period_sigma.unwrap_or(bound));
        let told = sigma.is_finite() && period > 0.0;
        told.then_some(Line { last: (last, expected(0.0) + first.delay * rate.0), sigma, period, period_sigma })
    }

    /// The channel of one frame, its symbols turned by `turns`.
    fn channel(&self, frame: &Frame, turns: &[Complex64]) -> Vec<Complex64> {
        let elements = 2 * self.blocks;
        let mut channel = vec![Complex64::default(); 2 * elements];
        for ((place, turn), values) in self.places.iter().zip(turns).zip(frame.elements.chunks_exact(elements)) {
            let own = channel.iter_mut().skip(place.half ^ self.lower).step_by(2);
            own.zip(values).for_each(|(sum, value)| *sum += wide(*value) * turn);
        }
        channel
    }

    /// The mean of all frames, their symbols turned by `turns` and each moved `early`, seconds, and turned so that they agree.
    fn laid_along(&self, turns: &[Complex64], early: &[f64]) -> Option<Laid> {
        let elements = 2 * self.blocks;
        let mut mean = vec![Complex64::default(); self.places.len() * elements];
        let mut known = vec![Complex64::default(); 2 * elements];
        let (weights, frames) = (self.weights(), self.frames.len() as f64);
        for (frame, early) in self.frames.iter().zip(early) {
            let moved = self.moved(*early);
            let mut seen = self.channel(frame, turns);
            seen.iter_mut().zip(&moved).for_each(|(value, back)| *value *= back);
            let agreed: Complex64 = known.iter().zip(&seen).map(|(known, seen)| known * seen.conj()).sum();
            let turn = if agreed.norm() > 0.0 { agreed / agreed.norm() } else { Complex64::new(1.0, 0.0) };
            known.iter_mut().zip(&seen).for_each(|(known, seen)| *known += seen * turn);
            let values = mean.chunks_exact_mut(elements).zip(frame.elements.chunks_exact(elements)).zip(&weights);
            for ((place, place_turn), ((mean, values), weight)) in self.places.iter().zip(turns).zip(values) {
                let turn = turn * place_turn / (weight * frames).max(1.0);
                let back = moved.iter().skip(place.half ^ self.lower).step_by(2);
                mean.iter_mut()
                    .zip(values)
                    .zip(back)
                    .for_each(|((mean, value), back)| *mean += wide(*value) * back * turn);
            }
        }
        let mut channel = vec![Complex64::default(); 2 * elements];
        let (mut scatter, mut spare, mut symbols) = (0.0, 0.0, 0.0);
        for half in 0..2 {
            let values = || self.places.iter().zip(mean.chunks_exact(elements)).zip(&weights);
            let here = || values().filter(|((place, _), weight)| place.half == half && **weight > 0.0);
            let count: f64 = here().map(|(_, weight)| weight).sum();
            for (element, own) in channel.iter_mut().skip(half ^ self.lower).step_by(2).enumerate() {
                let sum: Complex64 = here().map(|((_, values), weight)| values[element] * weight).sum();
                *own = sum / count;
                let apart = here().map(|((_, values), weight)| weight * (values[element] - *own).norm_sqr());
                scatter += apart.sum::<f64>() / count;
            }
            spare += elements as f64 * (here().count() as f64 - 1.0);
            symbols += count / 2.0;
        }
        // One symbol's noise, over the symbols that share an element.
        let noise = scatter / spare;
        (noise.is_finite() && noise > 0.0).then_some(Laid { channel, noise, symbols })
    }

    /// What moves the elements of a channel that much earlier, seconds.
    fn moved(&self, early: f64) -> Vec<Complex64> {
        let count = 4 * self.blocks;
        let hertz = |at: usize| SPACING.0 * at as f64 + if at < count / 2 { 0.0 } else { SPACING.1 };
        (0..count).map(|at| Complex64::from_polar(1.0, TAU * early * hertz(at))).collect()
    }
}
