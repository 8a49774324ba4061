//! A cell's carrier, its timing, and the spectrum that it fills, from the reference signals of whole frames.
//!
//! A cell is followed by its subframe 0, where another cell of the same carrier that sends nothing but what every frame repeats disturbs
//! the same elements in the same way frame after frame: what is averaged over frames is then wrong by as much as a single one. So now and
//! then all reference signals of a frame are looked at. Summed over a piece of the band each tells the channel's phase at its time, and
//! the carrier is the straight line through these phases over nine milliseconds, with an amplitude of its own for each piece. The other
//! cell's signals are another sequence in each symbol and leave noise about that line; what is left of it after frames were laid upon each
//! other, whether it changes from frame to frame or not, gives the standard deviation. Symbols in which a much stronger cell sends data
//! say nothing, but would outweigh all the others: they are left out.
//! The timing comes out of the same frames ([`timing`]). `tests/lte_beside.rs` measures errors and standard deviations beside stronger cells.
//!
//! ## References
//! - 3GPP TS 36.211 Release 17, clauses 6.7 (what an MBSFN subframe keeps) and 6.10.1 (cell-specific reference signals)
//! - 3GPP TS 36.331 Release 17, clause 6.3.7 (MBSFN-SubframeConfig: subframes that are never MBSFN)

mod occupied;
pub mod timing;

use super::grid::{Cutter, Grid, Pace, Stretch};
use super::numerology::{BASE_RATE, BLOCK, CyclicPrefix, Duplex, MAX_SYMBOLS};
use super::reference::{Reference, SPACING};
use crate::observation::lte::Occupied;
use crate::units::Hz;
use num_complex::{Complex32, Complex64};
use std::collections::VecDeque;
use std::f64::consts::TAU;

/// The widest downlink; TS 36.211 clause 6.2.3.
const MAX_BLOCKS: usize = 110;
/// Frames looked at one after the other at first.
const FIRST: i64 = 16;
/// Later one of so many: 80 ms.
const EVERY: i64 = 8;
/// Frames that the carrier is taken from: the last 1.3 s.
const MAX_FRAMES: usize = 16;
/// Reference elements of one symbol that are summed: 540 kHz, over which an echo of a microsecond turns the channel by half a turn.
const PIECE: usize = 6;
/// How far from the carrier as followed it is looked for ...
const REACH: f64 = 1_500.0;
/// ... and in what steps: a tenth of the reciprocal of a frame.
const STEP: f64 = 10.0;
/// Places of one half of the comb lie whole slots of 0.5 ms apart, in which carriers so far from each other turn alike.
const ALIAS: f64 = 2_000.0;
/// A place this many times as loud as the one in the middle of its frame holds three parts of another's signal to one of what the others
/// hold. Of twelve elements of noise the sum never is.
const LOUD: f32 = 4.0;
/// Least energy that the carrier found must explain beyond what its amplitudes explain of noise, in units of the noise: this much because the
/// best of 300 offsets is taken, ...
const LEAST_ENERGY: f64 = 24.0;
/// ... and this much for each amplitude and frame, because frames are turned until they agree, which noise does by a quarter. Seen in a
/// recording with a cell that is not heard well enough: 30 and 47 from 16 frames and four amplitudes, 900 ppb off; and 127 where it is right.
const LEAST_OF_FRAMES: f64 = 0.75;
/// Subframes that hold all reference signals, whatever is multicast; TS 36.331 clause 6.3.7.
const WHOLE_FDD: [usize; 4] = [0, 4, 5, 9];
const WHOLE_TDD: [usize; 2] = [0, 5];
/// Subframes of type 2 frames whose first symbol is downlink in every configuration; TS 36.211 table 4.2-2.
const BEGUN_TDD: [usize; 4] = [0, 1, 5, 6];

/// A symbol with reference signals of port 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    subframe: usize,
    symbol: usize,
    /// Its elements lie at the same subcarriers as those of other symbols of its half.
    half: usize,
    /// Seconds after the frame's start.
    at: f64,
}

/// The reference signals of one frame.
#[derive(Debug)]
struct Frame {
    number: i64,
    /// Where it was taken to begin, samples, and how long it was taken to be.
    start: f64,
    period: f64,
    /// The channel by place and element, turned by the carrier.
    elements: Vec<Complex32>,
    /// Its sums by place and piece of the band.
    sums: Vec<Complex32>,
    /// By place: it counts. Of those that do not, the values are zero.
    counts: Vec<bool>,
}

impl Frame {
    /// Leaves out the places in which something else is much louder than what the others hold.
    fn leave_out_loud(&mut self) {
        let places = self.counts.len();
        let (elements, pieces) = (self.elements.len() / places, self.sums.len() / places);
        let energy = |values: &[Complex32]| values.iter().map(Complex32::norm_sqr).sum::<f32>();
        let energies: Vec<f32> = self.elements.chunks_exact(elements).map(energy).collect();
        let mut sorted = energies.clone();
        sorted.sort_by(f32::total_cmp);
        let most = LOUD * sorted[places / 2];
        for (place, _) in energies.iter().enumerate().filter(|(_, energy)| **energy > most) {
            self.counts[place] = false;
            self.elements[place * elements..(place + 1) * elements].fill(Complex32::default());
            self.sums[place * pieces..(place + 1) * pieces].fill(Complex32::default());
        }
    }
}

/// Looks at whole frames of one cell now and then.
#[derive(Debug)]
pub struct Sounding {
    /// As wide as the stream.
    reference: Reference,
    /// Resource blocks that the cell is received on.
    blocks: usize,
    grid: Grid,
    since: i64,
    places: Vec<Place>,
    /// The half of the comb that lies below the other: 0 or 1.
    lower: usize,
    /// Carrier that the phases are relative to.
    base: Option<Hz>,
    /// The frame that is being taken.
    open: Option<Frame>,
    /// The last frames.
    frames: VecDeque<Frame>,
    average: occupied::Average,
}

impl Sounding {
    /// Of cell `pci`, received on `blocks` resource blocks of a stream that `cutter` cuts, from frame `since` on.
    pub fn new((pci, duplex, cp): (u16, Duplex, CyclicPrefix), blocks: usize, cutter: &Cutter, since: i64) -> Sounding {
        let wide = (cutter.max_subcarriers() / BLOCK).clamp(blocks, MAX_BLOCKS);
        let reference = Reference::new(pci, cp, wide);
        let last = cp.slot_symbols() - 3;
        let rows = [0, last, cp.slot_symbols(), cp.slot_symbols() + last];
        let (whole, begun): (&[usize], Vec<usize>) = match duplex {
            Duplex::Fdd => (&WHOLE_FDD, (0..10).collect()),
            Duplex::Tdd => (&WHOLE_TDD, BEGUN_TDD.to_vec()),
        };
        let places = begun.into_iter().flat_map(|subframe| {
            let count = if whole.contains(&subframe) { rows.len() } else { 1 };
            rows.into_iter().take(count).enumerate().map(move |(row, symbol)| Place {
                subframe,
                symbol,
                half: row % 2,
                at: subframe as f64 * 1e-3 + cp.useful(symbol) as f64 / BASE_RATE.0,
            })
        });
        let first = |symbol: usize| reference.of(0, 0, symbol).map(|at| at.0);
        Sounding {
            lower: usize::from(first(0) > first(last)),
            grid: Grid::new(reference.subcarriers(), MAX_SYMBOLS),
            places: places.collect(),
            reference,
            blocks,
            since,
            base: None,
            open: None,
            frames: VecDeque::new(),
            average: occupied::Average::default(),
        }
    }

    /// Whether subframe `subframe` of frame `frame` is to be taken.
    pub fn wants(&self, frame: i64, subframe: usize) -> bool {
        let into = frame - self.since;
        let due = into < FIRST || into % EVERY == 0;
        due && self.places.iter().any(|place| place.subframe == subframe)
    }

    /// Takes a subframe that is wanted.
    pub fn take(&mut self, cutter: &mut Cutter, stretch: &Stretch<'_>, pace: &Pace, (frame, subframe): (i64, usize)) {
        let base = *self.base.get_or_insert(pace.offset);
        let begun = self.open.take().filter(|open| open.number == frame);
        let begin = || Frame {
            number: frame,
            start: pace.subframe(frame, 0),
            period: pace.period,
            elements: Vec::new(),
            sums: Vec::new(),
            counts: vec![true; self.places.len()],
        };
        let Some(mut open) = begun.or((subframe == 0).then(begin)) else { return };
        let cp = self.reference.cp();
        // Each subframe is cut as if the carrier's phase began with it.
        let start = (pace.subframe(frame, subframe) - pace.subframe(frame, 0)) / cutter.rate().0;
        let skipped = self.reference.subcarriers() / BLOCK - self.blocks;
        for place in self.places.iter().filter(|place| place.subframe == subframe) {
            let symbol = place.symbol;
            if !cutter.cut(stretch, pace, (frame, subframe), cp, symbol..symbol + 1, &mut self.grid) {
                return;
            }
            let Some((first, known)) = self.reference.of(0, subframe, symbol) else { return };
            let within = cp.useful(symbol) as f64 / BASE_RATE.0;
            let turns = pace.offset.0 * within - base.0 * (start + within);
            let turn = Complex32::from_polar(1.0, (TAU * turns.fract()) as f32);
            let received = self.grid.symbol(symbol)[first..].iter().step_by(SPACING).zip(known).skip(skipped);
            let from = open.elements.len();
            open.elements.extend(received.take(2 * self.blocks).map(|(value, known)| value * known.conj() * turn));
            open.sums.extend(open.elements[from..].chunks(PIECE).map(|piece| piece.iter().sum::<Complex32>()));
        }
        if WHOLE_TDD.contains(&subframe) {
            self.average.take(&self.grid, &self.reference, subframe);
        }
        if open.sums.len() < self.places.len() * self.pieces() {
            self.open = Some(open);
        } else if open.sums.iter().all(|sum| sum.is_finite()) {
            if self.frames.len() == MAX_FRAMES {
                self.frames.pop_front();
            }
            open.leave_out_loud();
            self.frames.push_back(open);
        }
    }

    /// Pieces of the band.
    fn pieces(&self) -> usize {
        (2 * self.blocks).div_ceil(PIECE)
    }

    /// The spectrum that holds the cell's reference signals; `None` where the frames so far do not say.
    pub fn occupied(&self) -> Option<Occupied> {
        self.average.occupied(self.blocks)
    }

    /// Carrier minus the stream's centre, and one standard deviation; `None` where the frames so far do not say.
    pub fn carrier(&self) -> Option<(Hz, Hz)> {
        let base = self.base?;
        let near = self.search()?;
        let mean = self.laid_upon_each_other(near);
        let weights = self.weights();
        let fit = |offset: f64| Fit::new(self, (&mean, &weights), offset);
        let mut best = near;
        let mut reach = STEP;
        for _ in 0..8 {
            let [low, top, high] = [best - reach, best, best + reach].map(|offset| fit(offset).explained);
            let bend = low - 2.0 * top + high;
            let shift = if bend < 0.0 { 0.5 * (low - high) / bend } else { (high - low).signum() };
            best += reach * shift.clamp(-1.0, 1.0);
            reach /= 2.0;
        }
        if (best - near).abs() > 5.0 * STEP {
            return None;
        }
        let fit = fit(best);
        let noise = fit.left / (fit.values - fit.amplitudes - 0.5);
        let least = LEAST_ENERGY + LEAST_OF_FRAMES * fit.amplitudes * self.frames.len() as f64;
        let beyond = fit.explained - fit.amplitudes * noise;
        // What is no number stands out of nothing.
        if beyond.is_nan() || beyond <= least * noise {
            return None;
        }
        let sigma = (noise / (2.0 * fit.leverage)).sqrt() / TAU;
        Some((Hz(base.0 + best), Hz(sigma)))
    }

    /// Pairs of symbols of one half of the comb.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let places = &self.places;
        (0..places.len())
            .flat_map(move |i| (0..i).map(move |j| (i, j)))
            .filter(move |&(i, j)| places[i].half == places[j].half)
    }

    /// How many frames each place counts in, in the measure of all.
    fn weights(&self) -> Vec<f64> {
        let scale = 1.0 / self.frames.len().max(1) as f64;
        let counts = |place: usize| self.frames.iter().filter(|frame| frame.counts[place]).count();
        (0..self.places.len()).map(|place| counts(place) as f64 * scale).collect()
    }

    /// The offset from `base` that explains most, each frame by itself.
    fn search(&self) -> Option<f64> {
        // A turn of the comb's halves: both ends are the same.
        let (pieces, count) = (self.pieces(), (ALIAS / STEP) as usize);
        let mut power = vec![0.0f64; count];
        for (i, j) in self.pairs() {
            let product: Complex32 = self
                .frames
                .iter()
                .flat_map(|frame| {
                    let of = |place: usize| &frame.sums[place * pieces..(place + 1) * pieces];
                    of(i).iter().zip(of(j)).map(|(later, early)| later * early.conj())
                })
                .sum();
            let apart = self.places[i].at - self.places[j].at;
            let of_half = self.places.iter().filter(|place| place.half == self.places[i].half).count();
            let mut value = wide(product) * Complex64::from_polar(1.0 / of_half as f64, TAU * 0.5 * ALIAS * apart);
            let step = Complex64::from_polar(1.0, -TAU * STEP * apart);
            for power in &mut power {
                *power += value.re;
                value *= step;
            }
        }
        let best = (0..count).max_by(|&a, &b| power[a].total_cmp(&power[b]))?;
        let offset = best as f64 * STEP - 0.5 * ALIAS;
        let aliases = [offset - ALIAS, offset, offset + ALIAS].into_iter().filter(|offset| offset.abs() <= REACH);
        let likeliest = aliases.map(|offset| (self.halves_agree(offset), offset)).max_by(|a, b| a.0.total_cmp(&b.0))?;
        (!self.frames.is_empty()).then_some(likeliest.1)
    }

    /// How well the two halves of the comb agree at an offset. They lie 45 kHz apart, so that this holds as far as the delay is known to a
    /// few microseconds: between offsets, but not for one.
    fn halves_agree(&self, offset: f64) -> f64 {
        let pieces = self.pieces();
        let turned = |frame: &Frame, half: usize| {
            let mut sums = vec![Complex64::default(); pieces];
            let here = self.places.iter().zip(frame.sums.chunks_exact(pieces)).filter(|(place, _)| place.half == half);
            for (place, values) in here {
                let turn = Complex64::from_polar(1.0, -TAU * offset * place.at);
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += wide(*value) * turn);
            }
            sums
        };
        let both = self.frames.iter().map(|frame| (turned(frame, 0), turned(frame, 1)));
        both.map(|(one, other)| one.iter().zip(&other).map(|(one, other)| (one * other.conj()).re).sum::<f64>()).sum()
    }

    /// The mean of all frames, each turned so that what lies at `offset` agrees.
    fn laid_upon_each_other(&self, offset: f64) -> Vec<Complex64> {
        let pieces = self.pieces();
        let turns: Vec<Complex64> =
            self.places.iter().map(|place| Complex64::from_polar(1.0, -TAU * offset * place.at)).collect();
        let mut mean = vec![Complex64::default(); self.places.len() * pieces];
        let mut known = vec![Complex64::default(); 2 * pieces];
        for Frame { sums, .. } in &self.frames {
            let mut seen = vec![Complex64::default(); 2 * pieces];
            for ((place, turn), values) in self.places.iter().zip(&turns).zip(sums.chunks_exact(pieces)) {
                let slots = &mut seen[place.half * pieces..(place.half + 1) * pieces];
                slots.iter_mut().zip(values).for_each(|(slot, value)| *slot += wide(*value) * turn);
            }
            let agreed: Complex64 = known.iter().zip(&seen).map(|(known, seen)| known * seen.conj()).sum();
            let back = if agreed.norm() > 0.0 { agreed / agreed.norm() } else { Complex64::new(1.0, 0.0) };
            known.iter_mut().zip(&seen).for_each(|(known, seen)| *known += seen * back);
            mean.iter_mut().zip(sums).for_each(|(mean, value)| *mean += wide(*value) * back);
        }
        let frames = self.frames.len() as f64;
        for (values, weight) in mean.chunks_exact_mut(pieces).zip(self.weights()) {
            values.iter_mut().for_each(|value| *value /= (weight * frames).max(1.0));
        }
        mean
    }
}

/// What a carrier explains of the sums of a frame, each place with its weight.
struct Fit {
    /// Energy explained, and energy left.
    explained: f64,
    left: f64,
    /// Complex values, and amplitudes that were fitted to them.
    values: f64,
    amplitudes: f64,
    /// Power times squared distance of its times from their mean.
    leverage: f64,
}

impl Fit {
    fn new(sounding: &Sounding, (mean, weights): (&[Complex64], &[f64]), offset: f64) -> Fit {
        let (pieces, places) = (sounding.pieces(), &sounding.places);
        let energy = |values: &[Complex64]| values.iter().map(Complex64::norm_sqr).sum::<f64>();
        let total: f64 = mean.chunks_exact(pieces).zip(weights).map(|(values, weight)| weight * energy(values)).sum();
        let used = weights.iter().filter(|weight| **weight > 0.0).count();
        let mut fit = Fit {
            explained: 0.0,
            left: total,
            values: (used * pieces) as f64,
            amplitudes: 2.0 * pieces as f64,
            leverage: 0.0,
        };
        for half in 0..2 {
            let here = || places.iter().zip(weights).enumerate().filter(|(_, (place, _))| place.half == half);
            let count: f64 = here().map(|(_, (_, weight))| weight).sum();
            let middle = here().map(|(_, (place, weight))| weight * place.at).sum::<f64>() / count.max(1e-9);
            let spread: f64 = here().map(|(_, (place, weight))| weight * (place.at - middle).powi(2)).sum();
            for piece in 0..pieces {
                let value = |(i, (place, weight)): (usize, (&Place, &f64))| {
                    mean[i * pieces + piece] * Complex64::from_polar(*weight, -TAU * offset * place.at)
                };
                let power = here().map(value).sum::<Complex64>().norm_sqr() / (count * count).max(1e-9);
                fit.explained += power * count;
                fit.leverage += power * spread;
            }
        }
        fit.left = (total - fit.explained).max(0.0);
        fit
    }
}

fn wide(value: Complex32) -> Complex64 {
    Complex64::new(f64::from(value.re), f64::from(value.im))
}
