//! What the reference signals of a cell say of level, noise, timing and carrier, frame by frame.

use super::channel::Channel;
use super::grid::{Grid, Pace};
use super::reference::{Reference, SPACING};
use crate::units::{Db, Hz};
use num_complex::Complex32;
use std::collections::VecDeque;
use std::f64::consts::TAU;

/// Frames that timing and carrier are fitted over.
const MEMORY: usize = 128;
/// Half a subframe.
const SLOT_SECONDS: f64 = 0.5e-3;

/// Least share of a weak cell's products that one frame contributes: 20 frames count together.
const LEAST_SHARE: f64 = 0.05;

/// How far a frame was from where it was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// How much one frame is worth, 0.05 to 1.0: the weaker the cell, the longer its errors are averaged.
    pub share: f64,
    /// Samples by which it came late.
    pub late: f64,
    /// Carrier minus what it was taken to be.
    pub offset: Hz,
}

/// A straight line through instants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The last frame and its start, samples.
    pub last: (i64, f64),
    /// One standard deviation of that start, samples.
    pub sigma: Option<f64>,
    /// Samples a frame.
    pub period: f64,
    /// One standard deviation of the period.
    pub period_sigma: Option<f64>,
}

/// Measurements of one cell.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    frames: VecDeque<(i64, f64, f64)>,
    /// Products of reference elements, older ones faded.
    turn: Complex32,
    slopes: [Complex32; 3],
    power: f64,
    squares: f64,
    noise: f64,
    total: f64,
    count: f64,
}

impl Measurements {
    /// Takes subframe 0 of frame `frame`; `symbol`: samples of an FFT.
    pub fn take(
        &mut self,
        grid: &Grid,
        channel: &Channel,
        reference: &Reference,
        pace: &Pace,
        frame: i64,
        symbol: usize,
    ) -> Errors {
        let cp = reference.cp();
        let slot = cp.slot_symbols();
        let rows: Vec<Vec<Complex32>> = [0, slot - 3, slot, 2 * slot - 3]
            .into_iter()
            .filter_map(|at| {
                let (first, known) = reference.of(0, 0, at)?;
                let received = grid.symbol(at)[first..].iter().step_by(SPACING);
                Some(received.zip(known).map(|(value, known)| value * known.conj()).collect())
            })
            .collect();
        let turn: Complex32 =
            [(0, 2), (1, 3)].into_iter().map(|(early, late)| product(&rows[early], &rows[late])).sum();
        let share = if self.is_empty() { 1.0 } else { self.snr().clamp(LEAST_SHARE, 1.0) };
        let fade = (1.0 - share) as f32;
        self.turn = self.turn * fade + turn;
        let offset = Hz(f64::from(self.turn.arg()) / (TAU * SLOT_SECONDS));
        let lags = lags(rows[0].len());
        for (slope, lag) in self.slopes.iter_mut().zip(lags) {
            *slope = *slope * fade + rows.iter().map(|row| product(row, &row[lag..])).sum::<Complex32>();
        }
        let late = delay(&self.slopes, lags) * symbol as f64;
        if !late.is_finite() || !offset.0.is_finite() || !channel.power.is_finite() || !channel.noise.is_finite() {
            *self = Measurements { frames: std::mem::take(&mut self.frames), ..Measurements::default() };
            return Errors::default();
        }
        if self.frames.len() == MEMORY {
            self.frames.pop_front();
        }
        self.frames.push_back((frame, pace.subframe(frame, 0) + late, pace.offset.0 + offset.0));

        // Means over the life of the cell that forget after MEMORY frames.
        self.count = (self.count + 1.0).min(MEMORY as f64);
        let mean_share = 1.0 / self.count;
        let scale = 1.0 / symbol as f64;
        let power = f64::from(channel.power) * scale;
        let total = grid.symbol(0).iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>() * scale;
        for (mean, value) in [
            (&mut self.power, power),
            (&mut self.squares, power * power),
            (&mut self.noise, f64::from(channel.noise) * scale),
            (&mut self.total, total / (grid.subcarriers() / 12) as f64),
        ] {
            *mean += (value - *mean) * mean_share;
        }
        Errors { share, late, offset }
    }

    /// Nothing was measured yet.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Mean power of a reference element, relative to a full-scale sine.
    pub fn power(&self) -> f64 {
        self.power.max(1e-20)
    }

    /// One standard deviation of the level from frame to frame.
    pub fn power_sigma(&self) -> Db {
        let deviation = (self.squares - self.power * self.power).max(0.0).sqrt();
        Db(10.0 / std::f64::consts::LN_10 * deviation / self.power())
    }

    /// Signal to noise a reference element.
    pub fn snr(&self) -> f64 {
        self.power / self.noise.max(1e-20)
    }

    /// RSRQ: power of a reference element over that of all elements of a resource block; TS 36.214 clause 5.1.3.
    pub fn quality(&self) -> Db {
        Db::from_ratio(self.power() / self.total.max(1e-20))
    }

    /// Mean carrier offset from the stream's centre, with one standard deviation.
    pub fn offset(&self) -> (Hz, Option<Hz>) {
        let n = self.frames.len() as f64;
        let mean = self.frames.iter().map(|frame| frame.2).sum::<f64>() / n.max(1.0);
        let scatter = self.frames.iter().map(|frame| (frame.2 - mean).powi(2)).sum::<f64>();
        let sigma = (self.frames.len() > 2).then(|| Hz((scatter * self.alike() / (n * (n - 1.0))).sqrt()));
        (Hz(mean), sigma)
    }

    /// How many successive values say the same, because they rest on averages over frames.
    fn alike(&self) -> f64 {
        let share = self.snr().clamp(LEAST_SHARE, 1.0);
        (2.0 - share) / share
    }

    /// The starts of the frames as a line; `None` before the first measurement. `period`: taken where one frame tells none.
    pub fn line(&self, period: f64) -> Option<Line> {
        let &(last, at, _) = self.frames.back()?;
        let n = self.frames.len() as f64;
        // Relative to the last frame: numbers stay small.
        let points = || self.frames.iter().map(|&(frame, start, _)| ((frame - last) as f64, start - at));
        let (x, y) = points().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
        let (xx, xy) = points()
            .fold((0.0, 0.0), |(xx, xy), point| (xx + (point.0 - x).powi(2), xy + (point.0 - x) * (point.1 - y)));
        if self.frames.len() < 3 || xx <= 0.0 {
            return Some(Line { last: (last, at), sigma: None, period, period_sigma: None });
        }
        let slope = xy / xx;
        let start = y - slope * x;
        let residual =
            points().map(|point| (point.1 - start - slope * point.0).powi(2)).sum::<f64>() / (n - 2.0) * self.alike();
        Some(Line {
            last: (last, at + start),
            sigma: Some((residual * (1.0 / n + x * x / xx)).sqrt()),
            period: slope,
            period_sigma: Some((residual / xx).sqrt()),
        })
    }
}

/// Distances of the elements whose products tell a delay, of `count`: neighbours first, then further apart and finer.
fn lags(count: usize) -> [usize; 3] {
    [1, count / 8, count * 2 / 3].map(|lag| lag.min(count))
}

/// Delay of the channel that turned elements `lags` apart by `slopes`, in symbols.
fn delay(slopes: &[Complex32; 3], lags: [usize; 3]) -> f64 {
    let mut slope = 0.0;
    for (turn, lag) in slopes.iter().zip(lags) {
        if lag == 0 {
            continue;
        }
        // What is left of the phase after the slope known so far.
        let expected = slope * lag as f64;
        let rest = f64::from(turn.arg()) / TAU - expected;
        slope = (expected + rest - rest.round()) / lag as f64;
    }
    -slope / SPACING as f64
}

fn product(early: &[Complex32], late: &[Complex32]) -> Complex32 {
    early.iter().zip(late).map(|(early, late)| late * early.conj()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_measured_over_the_whole_band() {
        for (count, samples) in [(12, 0.7), (100, -3.2), (200, 0.013)] {
            let late = samples / 1536.0;
            let row: Vec<Complex32> = (0..count)
                .map(|i| Complex32::from_polar(1.0, (-TAU * late * (SPACING * i) as f64 + 1.0) as f32))
                .collect();
            let lags = lags(count);
            let slopes = lags.map(|lag| product(&row, &row[lag..]));
            assert!((delay(&slopes, lags) - late).abs() * 1536.0 < 2e-3);
        }
    }
}
