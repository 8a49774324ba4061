//! From a candidate of the search to a cell: place and carrier by reference signals, then the MIB.

use super::cancel::Known;
use super::channel::Channel;
use super::grid::{Cutter, Grid, Pace, Stretch};
use super::numerology::{BASE_RATE, CENTRE, CyclicPrefix, MAX_SYMBOLS};
use super::pbch::{Broadcast, Decoded, MOTHER_BITS, PERIOD, PORTS};
use super::reference::{Reference, SPACING};
use crate::units::Hz;
use num_complex::Complex32;
use std::f64::consts::TAU;

/// Resource blocks that every cell has.
pub const LEAST_BLOCKS: usize = CENTRE / 12;
/// Frames that a MIB is looked for in: two periods and what they may be cut by.
const MAX_FRAMES: usize = 17;

/// Difference between the length of a frame as seen and as the carrier says, beyond which the carrier is not believed ...
const FOREIGN: f64 = 20e-6;
/// ... if it is as many standard deviations of what was seen: at -8 dB an element one is 2 ppm over 80 ms, and 9 ppm over 30 ms.
const FOREIGN_SIGMAS: f64 = 5.0;
/// Rows of reference elements of a subframe, and distances between the elements of one of six resource blocks.
const ROWS: usize = 4;
const LAGS: usize = 2 * LEAST_BLOCKS - 1;
/// Steps in which delays are tried, parts of the reciprocal of the elements' spacing, which is 11 us; the narrowest peak takes a twelfth.
const STEPS: f64 = 64.0;
/// Steps to either side of what neighbouring elements tell: 1.2 us, which is five of its deviations at -8 dB an element.
const REACH: i32 = 7;

/// A cell whose MIB was received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acquired {
    /// Its frames and carrier; frame 0 has number `sfn`.
    pub pace: Pace,
    /// Number of the frame that the pace counts as 0.
    pub sfn: u16,
    /// The MIB, its frame number that of frame 0.
    pub mib: Decoded,
}

/// Sums of products of reference elements: their angles tell the errors of a pace.
#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    /// From the first to the last pilot symbol of a slot.
    slot: Complex32,
    /// From one slot to the next.
    half: Complex32,
    /// From one reference element to the next one above, the second one and so on, in the earlier and in the later frames.
    lags: [[Complex32; LAGS]; 2],
    /// Subframes that those are sums over; each has weight one.
    subframes: [f32; 2],
}

impl Turns {
    /// One standard deviation of [`late_by`] of the earlier or the later frames: the bound for rows of which each has a phase of its own.
    fn deviation(&self, at: usize) -> f64 {
        let count = (LAGS + 1) as f64;
        let turn = Complex32::from_polar(1.0, (TAU * SPACING as f64 * late_by(&self.lags[at])) as f32);
        let coherence = f64::from((self.lags[at][0] * turn).re / self.subframes[at].max(1.0)) * count / (count - 1.0);
        let snr = (coherence / (1.0 - coherence).max(1e-6)).max(1e-3);
        let energy =
            2.0 * snr * ROWS as f64 * f64::from(self.subframes[at].max(1.0)) * count * (count * count - 1.0) / 12.0;
        ((1.0 + 1.0 / (count * snr)) / energy).sqrt() / (TAU * SPACING as f64)
    }
}

/// Delay, in symbols, of a channel whose elements' products sum up to `lags`: where they agree best, each with its distance.
fn late_by(lags: &[Complex32; LAGS]) -> f64 {
    let agreement = |turns: f64| -> f64 {
        let each =
            (1..).zip(lags).map(|(lag, sum)| sum * Complex32::from_polar(1.0, (TAU * turns * f64::from(lag)) as f32));
        each.map(|sum| f64::from(sum.re)).sum()
    };
    // Neighbours tell roughly where: further away another cell's signals may agree better.
    let middle = -f64::from(lags[0].arg()) / TAU;
    let coarse = (-REACH..=REACH).map(|step| middle + f64::from(step) / STEPS).map(|turns| (agreement(turns), turns));
    let (_, mut best) = coarse.fold((f64::MIN, middle), |best, next| if next.0 > best.0 { next } else { best });
    let mut reach = 0.5 / STEPS;
    for _ in 0..6 {
        let [low, top, high] = [best - reach, best, best + reach].map(agreement);
        let bend = low - 2.0 * top + high;
        let shift = if bend < 0.0 { 0.5 * (low - high) / bend } else { (high - low).signum() };
        best += reach * shift.clamp(-1.0, 1.0);
        reach /= 3.0;
    }
    best / SPACING as f64
}

/// Moves `pace` to where the reference signals of port 0 say that the frames of `stretch` are, and its offset along.
///
/// `carrier`: nominal carrier, to which the frame's length is related. `false` where it leads nowhere.
pub fn refine(
    cutter: &mut Cutter,
    stretch: &Stretch<'_>,
    reference: &Reference,
    carrier: Hz,
    pace: &mut Pace,
    known: &mut [Known],
) -> bool {
    let cp = reference.cp();
    let mut grid = Grid::new(reference.subcarriers(), MAX_SYMBOLS);
    let last = cp.slot_symbols() - 3;
    let apart = (cp.useful(last) - cp.useful(0)) as f64 / BASE_RATE.0;
    let slot = (cp.useful(cp.slot_symbols()) - cp.useful(0)) as f64 / BASE_RATE.0;
    for pass in 0..5 {
        let turns = observe(cutter, stretch, reference, pace, &mut grid, known);
        // The first pass is unambiguous over 3.5 kHz, the others are finer.
        let error = match pass {
            0 => f64::from(turns.slot.arg()) / (TAU * apart),
            _ => f64::from(turns.half.arg()) / (TAU * slot),
        };
        pace.offset = pace.offset + Hz(error);
        let [early, late] = turns.lags.each_ref().map(|lags| late_by(lags) * cutter.symbol_len() as f64);
        let all = std::array::from_fn(|lag| turns.lags[0][lag] + turns.lags[1][lag]);
        let both = late_by(&all) * cutter.symbol_len() as f64;
        let frames = cutter.frames(stretch, pace, 0);
        let half = (frames.end - frames.start).clamp(2, MAX_FRAMES as i64) as f64 / 2.0;
        let longer = (late - early) / half;
        let period = cutter.frame() * (1.0 - pace.offset.0 / carrier.0);
        // Behind a converter with an oscillator of its own the frame's length does not follow from the carrier.
        let sigma = turns.deviation(0).hypot(turns.deviation(1)) * cutter.symbol_len() as f64 / half;
        let apart = (pace.period + longer - period).abs();
        let foreign = apart > (FOREIGN * period).max(FOREIGN_SIGMAS * sigma) && pass > 0;
        let period = if foreign { pace.period + longer } else { period };
        // The correction of the length turns round the middle of what was seen.
        let middle = frames.start as f64 + half;
        pace.start += both + middle * (pace.period - period);
        pace.period = period;
        if !pace.is_sane(cutter.frame()) {
            return false;
        }
    }
    true
}

fn observe(
    cutter: &mut Cutter,
    stretch: &Stretch<'_>,
    reference: &Reference,
    pace: &Pace,
    grid: &mut Grid,
    known: &mut [Known],
) -> Turns {
    let cp = reference.cp();
    let (slot, last) = (cp.slot_symbols(), cp.slot_symbols() - 3);
    let mut turns = Turns::default();
    for subframe in [0, 5] {
        let frames = cutter.frames(stretch, pace, subframe);
        let later = frames.start + (frames.end - frames.start).min(MAX_FRAMES as i64) / 2;
        for frame in frames.take(MAX_FRAMES) {
            let mut pilots: [(usize, Vec<Complex32>); 4] = Default::default();
            let mut whole = true;
            let rows = [0, last, slot, slot + last];
            let more = if known.iter().any(|known| known.ports() == 4) { &[1, slot + 1][..] } else { &[] };
            for &symbol in rows.iter().chain(more) {
                whole &= cutter.cut(stretch, pace, (frame, subframe), cp, symbol..symbol + 1, grid);
            }
            known.iter_mut().for_each(|known| known.remove_reference(grid, subframe));
            for (symbol, pilots) in rows.into_iter().zip(&mut pilots) {
                let Some((first, known)) = reference.of(0, subframe, symbol) else { continue };
                let received = grid.symbol(symbol)[first..].iter().step_by(SPACING);
                *pilots = (first, received.zip(known).map(|(value, known)| value * known.conj()).collect());
            }
            if !whole {
                continue;
            }
            let energy: f32 = pilots.iter().flat_map(|(_, values)| values).map(Complex32::norm_sqr).sum();
            let weight = 1.0 / energy.max(1e-20);
            for (early, late) in [(0, 2), (1, 3)] {
                turns.half += product(&pilots[early].1, &pilots[late].1) * weight;
            }
            for (early, late) in [(0, 1), (2, 3)] {
                let ((from, early), (to, late)) = (&pilots[early], &pilots[late]);
                // Each pilot of the later symbol lies midway between two of the earlier one.
                let (lower, upper) = if from < to { (0, 0) } else { (0, 1) };
                turns.slot += product(&early[lower..], &late[upper..]) * weight;
                turns.slot += product(&early[1 - upper..], &late[lower..]) * weight;
            }
            let at = usize::from(frame >= later);
            turns.subframes[at] += 1.0;
            for (_, values) in &pilots {
                for (lag, sum) in (1..).zip(&mut turns.lags[at]) {
                    *sum += product(values, &values[lag.min(values.len())..]) * weight;
                }
            }
        }
    }
    turns
}

fn product(early: &[Complex32], late: &[Complex32]) -> Complex32 {
    early.iter().zip(late).map(|(early, late)| late * early.conj()).sum()
}

/// Looks for the MIB of a candidate; `pace` is where the search saw it. Cells known to be at the same place, if any, are taken out.
pub fn acquire(
    cutter: &mut Cutter,
    stretch: &Stretch<'_>,
    (pci, cp): (u16, CyclicPrefix),
    carrier: Hz,
    mut pace: Pace,
    known: &mut [Known],
) -> Option<Acquired> {
    let reference = Reference::new(pci, cp, LEAST_BLOCKS);
    if !refine(cutter, stretch, &reference, carrier, &mut pace, known) {
        return None;
    }
    let mut broadcast = Broadcast::new(pci, cp, CENTRE);
    let mut grid = Grid::new(CENTRE, MAX_SYMBOLS);
    let mut channel = Channel::new(4, CENTRE, MAX_SYMBOLS);
    let range = cutter.frames(stretch, &pace, 0);
    let first = range.start;
    let mut received: [Vec<Option<[[f32; MOTHER_BITS]; PERIOD]>>; 3] = Default::default();
    for frame in range.take(MAX_FRAMES) {
        let whole = cutter.cut(stretch, &pace, (frame, 0), cp, 0..cp.symbols(), &mut grid);
        known.iter_mut().for_each(|known| known.remove(&mut grid, frame));
        for (frames, (ports, _)) in received.iter_mut().zip(PORTS) {
            frames.push(whole.then(|| {
                channel.estimate(&grid, &reference, 0, cp.symbols(), ports, None);
                broadcast.receive(&grid, &channel, ports)
            }));
        }
    }
    let mib = received.iter().zip(PORTS).find_map(|(frames, (ports, _))| broadcast.find(frames, ports))?;
    pace.start += first as f64 * pace.period;
    let sfn = mib.first_frame() + mib.quarter as u16;
    Some(Acquired { pace, sfn, mib })
}
