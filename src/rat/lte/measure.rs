//! What the reference signals of a cell say of level, noise, timing and carrier, frame by frame.

pub(super) mod arrival;
mod quality;

use super::channel::Channel;
use super::grid::{Grid, Pace};
use super::numerology::{BASE_RATE, BLOCK, SUBCARRIER};
use super::reference::{Reference, SPACING};
use crate::observation::lte::{SecondArrival, Signal};
use crate::units::{Db, Dbfs, Hz};
use arrival::{Average, Profile};
use num_complex::{Complex32, Complex64};
use std::collections::VecDeque;
use std::f64::consts::TAU;

/// Frames that timing and carrier are fitted over.
const MEMORY: usize = 128;
/// Subcarriers from one element of the channel to the next: reference elements of a subframe taken together.
pub(super) const COMB: usize = SPACING / 2;
/// Half a subframe.
const SLOT_SECONDS: f64 = 0.5e-3;

/// Least share of a weak cell's products that one frame contributes: 20 frames count together.
const LEAST_SHARE: f64 = 0.05;
/// Frames whose noise tells what is usual.
const RECENT: usize = 31;
/// How much more noise than usual chance may make of it: that of a frame of six blocks, from forty differences, is off by a quarter.
const CHANCE: f64 = 2.0;
/// A frame that counts for less is no measurement: at least half of what is in it is not there usually.
const LEAST_WEIGHT: f64 = 0.25;

/// How far a frame was from where it was expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// How much the frame is worth, up to 1.0: the weaker the cell, the longer its errors are averaged, and a frame that something else
    /// disturbs does not count.
    pub share: f64,
    /// Samples by which it came late.
    pub late: f64,
    /// Carrier minus what it was taken to be.
    pub offset: Hz,
}

/// A straight line through instants: the starts of frames by the path that arrives first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The last frame and its start, samples.
    pub last: (i64, f64),
    /// One standard deviation of that start, samples.
    pub sigma: f64,
    /// Samples a frame.
    pub period: f64,
    /// One standard deviation of the period.
    pub period_sigma: Option<f64>,
}

/// What one frame says.
#[derive(Clone, Copy, Debug)]
struct Frame {
    number: i64,
    /// Its start, samples.
    start: f64,
    /// Product of reference elements half a subframe apart, over the energy squared, turned by the carrier that it was taken to have.
    turn: Complex64,
}

/// Measurements of one cell.
///
/// What disturbs a cell changes: a neighbour many times as strong sends something in one frame of thirty. Sums over frames go by what the
/// frames are worth, or the one would outweigh the others.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    frames: VecDeque<Frame>,
    /// Noise of the last frames.
    noises: VecDeque<f32>,
    /// Carrier that the turns of the frames are relative to.
    base: Hz,
    /// Products of reference elements over the squares of their energies, older ones faded.
    turn: Complex32,
    slopes: [Complex32; 3],
    power: f64,
    squares: f64,
    noise: f64,
    total: f64,
    count: f64,
    /// Noise by what changes between equal reference elements of one subframe.
    change: f64,
    average: Average,
    evm: quality::Evm,
    /// Samples of an FFT.
    symbol: f64,
    /// Resource blocks received.
    blocks: f64,
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
        let elements = rows.iter().map(Vec::len).sum::<usize>().max(1) as f32;
        let energy = rows.iter().flatten().map(Complex32::norm_sqr).sum::<f32>() / elements;
        // Products of noise have its power squared as their variance.
        let worth = energy.max(1e-15).powi(-2);
        let turn: Complex32 =
            [(0, 2), (1, 3)].into_iter().map(|(early, late)| product(&rows[early], &rows[late])).sum::<Complex32>()
                * worth;
        // One frame of a weak cell says next to nothing, the first one no more than the others.
        let snr = if self.is_empty() { f64::from(channel.snr()) } else { self.snr() };
        let weight = self.weight(channel);
        let share = snr.clamp(LEAST_SHARE, 1.0) * weight;
        let fade = if self.is_empty() { 0.0 } else { (1.0 - share) as f32 };
        self.turn = self.turn * fade + turn;
        let offset = Hz(f64::from(self.turn.arg()) / (TAU * SLOT_SECONDS));
        let lags = lags(rows[0].len());
        for (slope, lag) in self.slopes.iter_mut().zip(lags) {
            *slope = *slope * fade + rows.iter().map(|row| product(row, &row[lag..])).sum::<Complex32>() * worth;
        }
        let late_symbols = delay(&self.slopes, lags);
        let late = late_symbols * symbol as f64;
        if !late.is_finite() || !offset.0.is_finite() || !channel.power.is_finite() || !channel.noise.is_finite() {
            let (frames, base) = (std::mem::take(&mut self.frames), self.base);
            *self = Measurements { frames, base, ..Measurements::default() };
            return Errors::default();
        }
        if self.frames.is_empty() {
            self.base = pace.offset;
        }
        let (comb, change) = comb(&rows, reference, offset, late_symbols);
        let scale = 1.0 / symbol as f64;
        self.symbol = symbol as f64;
        self.blocks = (grid.subcarriers() / BLOCK) as f64;
        if weight >= LEAST_WEIGHT {
            if self.frames.len() == MEMORY {
                self.frames.pop_front();
            }
            let from_base = Complex64::from_polar(1.0, TAU * (pace.offset - self.base).0 * SLOT_SECONDS);
            let turn = Complex64::new(f64::from(turn.re), f64::from(turn.im)) * from_base;
            self.frames.push_back(Frame { number: frame, start: pace.subframe(frame, 0) + late, turn });
            self.average.take(&comb, change / 2.0);
            self.evm.take(grid, channel, reference);
        }

        // Means over the life of the cell that forget after MEMORY frames.
        self.count = (self.count + 1.0).min(MEMORY as f64);
        let mean_share = 1.0 / self.count;
        let power = f64::from(channel.power) * scale;
        let own_share = mean_share * weight;
        let total = grid.symbol(0).iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>() * scale;
        for (mean, value, share) in [
            (&mut self.power, power, own_share),
            (&mut self.squares, power * power, own_share),
            (&mut self.noise, f64::from(channel.noise) * scale, own_share),
            // These are by definition what is received at all times.
            (&mut self.total, total / (grid.subcarriers() / BLOCK) as f64, mean_share),
            (&mut self.change, change * scale, mean_share),
        ] {
            *mean += (value - *mean) * share;
        }
        Errors { share, late, offset }
    }

    /// How much a frame is worth beside the others, 0 to 1: less, by the square, the more its noise exceeds what chance may make of the
    /// usual, and the cell itself.
    fn weight(&mut self, channel: &Channel) -> f64 {
        if self.noises.len() == RECENT {
            self.noises.pop_front();
        }
        self.noises.push_back(channel.noise);
        let mut sorted: Vec<f32> = self.noises.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        let usual = CHANCE * f64::from(sorted[sorted.len() / 2]) + self.power * self.symbol;
        (usual / f64::from(channel.noise).max(1e-20)).min(1.0).powi(2)
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

    /// What the signal shows of its quality and of the way it came, over `blocks` resource blocks.
    ///
    /// RS-SINR (TS 36.214 clause 5.1.13): power of a reference element over noise and interference, which are what changes between equal
    /// elements of one subframe. RSSI (TS 36.214 clause 5.1.3): all power of the symbols that hold reference signals, over all blocks.
    pub fn signal(&self, blocks: usize) -> Signal {
        let tenth = |level: f64| (level * 10.0).round() / 10.0;
        let nanos = |seconds: f64| (seconds * 1e9).round().clamp(0.0, 1e6) as u32;
        let profile = self.profile();
        let first = profile.as_ref().map(Profile::first);
        let second = profile.as_ref().zip(first).and_then(|(profile, first)| {
            let second = profile.paths.get(1)?;
            let level = Db::from_ratio(second.gain.norm_sqr() / first.gain.norm_sqr());
            Some(SecondArrival { delay_ns: nanos(second.delay - first.delay), level_db: Db(tenth(level.0)) })
        });
        Signal {
            rs_sinr_db: Db(tenth(Db::from_ratio(self.power() / self.change.max(1e-20)).0)),
            rssi_dbfs: Dbfs(tenth(Db::from_ratio(self.total.max(1e-20) * blocks as f64).0)),
            pbch_evm_percent: self.evm.percent().map(|percent| tenth(percent) as f32),
            strongest_excess_ns: profile
                .as_ref()
                .zip(first)
                .map(|(profile, first)| nanos(profile.strongest().delay - first.delay)),
            rms_delay_spread_ns: profile.as_ref().map(|profile| nanos(profile.rms_spread())),
            second_arrival: second,
            occupied: None,
        }
    }

    /// The paths of the channel; delays count from the middle that the frames are followed by.
    fn profile(&self) -> Option<Profile> {
        let spacing = (COMB as f64 * SUBCARRIER.0, SUBCARRIER.0);
        self.average.profile(spacing, |channel| {
            // The same three slopes as of a single frame, over the elements of either half of the comb.
            let rows: [Vec<Complex32>; 2] =
                std::array::from_fn(|at| channel[at..].iter().step_by(2).copied().collect());
            let lags = lags(rows[1].len());
            let slopes = lags.map(|lag| rows.iter().map(|row| product(row, &row[lag..])).sum());
            delay(&slopes, lags) / SUBCARRIER.0
        })
    }

    /// By how many samples the first path comes before the middle, and one standard deviation; nothing where there is one path only.
    fn advance(&self) -> (f64, f64) {
        let samples = SUBCARRIER.0 * self.symbol;
        match self.profile() {
            Some(profile) if profile.paths.len() > 1 => {
                let first = profile.first();
                ((profile.middle - first.delay) * samples, first.sigma * samples)
            }
            _ => (0.0, 0.0),
        }
    }

    /// Carrier offset from the stream's centre, with one standard deviation: at least that of a single frame, because what disturbs one may
    /// disturb all alike.
    ///
    /// The angle of the sum of all frames' products, which is known to a multiple of 2 kHz; its deviation is what the frames scatter
    /// across that direction.
    pub fn offset(&self) -> (Hz, Option<Hz>) {
        let n = self.frames.len() as f64;
        let sum: Complex64 = self.frames.iter().map(|frame| frame.turn).sum();
        let hertz = |angle: f64| angle / (TAU * SLOT_SECONDS);
        let change = self.change.max(1e-20);
        // The phase of a sum of products, two for each resource block and row, of which there are two pairs.
        let (sinr, products) = (self.power() / change, 4.0 * self.blocks);
        let single = hertz(((1.0 + 0.5 / sinr) / (sinr * products.max(1.0))).sqrt());
        let back = sum.conj() / sum.norm().max(1e-300);
        let across: f64 = self.frames.iter().map(|frame| (frame.turn * back).im.powi(2)).sum();
        let told =
            student(n - 1.0).map(|wider| hertz((across * n / (n - 1.0)).sqrt() / sum.norm().max(1e-300)) * wider);
        (Hz(self.base.0 + hertz(sum.arg())), told.map(|sigma| Hz(sigma.max(single))))
    }

    /// How many successive values say the same, because they rest on averages over frames.
    fn alike(&self) -> f64 {
        let share = self.snr().clamp(LEAST_SHARE, 1.0);
        (2.0 - share) / share
    }

    /// The bound for the start of a single frame, samples: eight elements a block, with a flat spectrum.
    fn single(&self) -> f64 {
        let bandwidth = self.blocks * BLOCK as f64 * SUBCARRIER.0 / 12f64.sqrt();
        let energy = 8.0 * self.blocks * self.power() / self.change.max(1e-20);
        SUBCARRIER.0 * self.symbol / (TAU * bandwidth * (2.0 * energy).max(1e-3).sqrt())
    }

    /// The starts of the frames, by the path that arrives first, as a line; `None` before the first measurement. `period`: taken where
    /// the frames tell none.
    ///
    /// Its standard deviation is at least that of a single frame, because what disturbs one may disturb all alike.
    pub fn line(&self, period: f64) -> Option<Line> {
        let &Frame { number: last, start: at, .. } = self.frames.back()?;
        let n = self.frames.len() as f64;
        // Relative to the last frame: numbers stay small.
        let points = || self.frames.iter().map(|frame| ((frame.number - last) as f64, frame.start - at));
        let (x, y) = points().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
        let (xx, xy) = points()
            .fold((0.0, 0.0), |(xx, xy), point| (xx + (point.0 - x).powi(2), xy + (point.0 - x) * (point.1 - y)));
        let (advance, advance_sigma) = self.advance();
        // Values that rest on the same frames scatter less than they are wrong.
        let Some(wider) = student((n - 2.0) / self.alike()).filter(|_| xx > 0.0) else {
            return Some(Line { last: (last, at - advance), sigma: self.single(), period, period_sigma: None });
        };
        let slope = xy / xx;
        let start = y - slope * x;
        let residual = points().map(|point| (point.1 - start - slope * point.0).powi(2)).sum::<f64>() / (n - 2.0);
        let residual = residual * self.alike() * wider * wider;
        Some(Line {
            last: (last, at + start - advance),
            sigma: (residual * (1.0 / n + x * x / xx) + advance_sigma * advance_sigma).sqrt().max(self.single()),
            period: slope,
            period_sigma: Some((residual / xx).sqrt()),
        })
    }
}

/// The channel of port 0 at every third subcarrier, from the four symbols of a subframe that hold it: turned to the first symbol by the
/// carrier that is left, and back by `late` symbols; and the noise of an element, by what changed within half the subframe.
fn comb(rows: &[Vec<Complex32>], reference: &Reference, offset: Hz, late: f64) -> (Vec<Complex32>, f64) {
    let cp = reference.cp();
    let slot = cp.slot_symbols();
    let seconds = |symbol: usize| (cp.useful(symbol) - cp.useful(0)) as f64 / BASE_RATE.0;
    let turns = [0, slot - 3, slot, 2 * slot - 3]
        .map(|symbol| Complex32::from_polar(1.0, (-TAU * offset.0 * seconds(symbol)) as f32));
    // The other half of the comb lies three subcarriers above or below.
    let (one, other) = (reference.of(0, 0, 0).map_or(0, |at| at.0), reference.of(0, 0, slot - 3).map_or(0, |at| at.0));
    let order = if one < other { [0, 1] } else { [1, 0] };
    let first = one.min(other);
    let count = rows.iter().map(Vec::len).min().unwrap_or(0);
    let mut channel = Vec::with_capacity(2 * count);
    let mut change = 0.0f64;
    let step = Complex32::from_polar(1.0, (TAU * late * COMB as f64) as f32);
    let mut back = Complex32::from_polar(1.0, (TAU * late * first as f64) as f32);
    for element in 0..2 * count {
        if element == count {
            // The carrier between the halves of the band is no subcarrier.
            back *= Complex32::from_polar(1.0, (TAU * late) as f32);
        }
        let (i, half) = (element / 2, order[element % 2]);
        let early = rows[half][i] * turns[half];
        let later = rows[half + 2][i] * turns[half + 2];
        change += f64::from((early - later).norm_sqr());
        channel.push((early + later) * 0.5 * back);
        back *= step;
    }
    (channel, change / (4 * count).max(1) as f64)
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

/// By how much the deviation of a value exceeds the one estimated from `freedom` degrees of freedom, in the mean of squares: the variance
/// of Student's distribution; `None` where there is none.
pub(super) fn student(freedom: f64) -> Option<f64> {
    (freedom > 2.0).then(|| (freedom / (freedom - 2.0)).sqrt())
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
