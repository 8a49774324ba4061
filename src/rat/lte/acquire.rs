//! From a candidate of the search to a cell: place and carrier by reference signals, then the MIB.

use super::channel::Channel;
use super::grid::{Cutter, Grid, Pace, Stretch};
use super::numerology::{BASE_RATE, CENTRE, CyclicPrefix, MAX_SYMBOLS};
use super::pbch::{Broadcast, Decoded, MOTHER_BITS, PERIOD, PORTS};
use super::reference::{Reference, SPACING};
use crate::units::Hz;
use num_complex::Complex32;
use std::f64::consts::TAU;

/// Resource blocks that every cell has.
const LEAST_BLOCKS: usize = CENTRE / 12;
/// Frames that a MIB is looked for in: two periods and what they may be cut by.
const MAX_FRAMES: usize = 17;

/// Difference between the length of a frame as seen and as the carrier says, beyond which the carrier is not believed.
const FOREIGN: f64 = 20e-6;

/// Least coherence of the reference signals of what is looked at further. Noise has it in one of 160 (three exponentially
/// distributed shares beyond 9); a cell at -9 dB an element reaches 25 in 80 ms.
const LEAST_COHERENCE: f32 = 9.0;

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
    /// Subframes that were seen.
    subframes: usize,
    /// From the first to the last pilot symbol of a slot.
    slot: Complex32,
    /// From one slot to the next.
    half: Complex32,
    /// From one reference element to the next one above, in the earlier and in the later frames.
    slope: [Complex32; 2],
}

impl Turns {
    /// Powers of the sums over what noise alone would give each on average.
    fn coherence(&self, pilots: usize) -> f32 {
        // Products of two subframe's rows each, beside the elements whose energy the sums are relative to.
        let (row, all) = (pilots as f32, (4 * pilots) as f32);
        let noise = |products: f32| self.subframes.max(1) as f32 * products / (all * all);
        let slope = self.slope[0] + self.slope[1];
        slope.norm_sqr() / noise(4.0 * (row - 1.0))
            + self.half.norm_sqr() / noise(2.0 * row)
            + self.slot.norm_sqr() / noise(2.0 * (2.0 * row - 1.0))
    }
}

/// Moves `pace` to where the reference signals of port 0 say that the frames of `stretch` are, and its offset along.
///
/// `carrier`: nominal carrier, to which the frame's length is related. `false` where it leads nowhere, or where
/// there is no such reference signal.
pub fn refine(cutter: &mut Cutter, stretch: &Stretch<'_>, reference: &Reference, carrier: Hz, pace: &mut Pace) -> bool {
    let cp = reference.cp();
    let mut grid = Grid::new(reference.subcarriers(), MAX_SYMBOLS);
    let last = cp.slot_symbols() - 3;
    let apart = (cp.useful(last) - cp.useful(0)) as f64 / BASE_RATE.0;
    let slot = (cp.useful(cp.slot_symbols()) - cp.useful(0)) as f64 / BASE_RATE.0;
    for pass in 0..5 {
        let turns = observe(cutter, stretch, reference, pace, &mut grid);
        if pass == 0 && turns.coherence(reference.subcarriers() / SPACING) < LEAST_COHERENCE {
            return false;
        }
        // The first pass is unambiguous over 3.5 kHz, the others are finer.
        let error = match pass {
            0 => f64::from(turns.slot.arg()) / (TAU * apart),
            _ => f64::from(turns.half.arg()) / (TAU * slot),
        };
        pace.offset = pace.offset + Hz(error);
        let delay = |turn: Complex32| -f64::from(turn.arg()) / (TAU * SPACING as f64) * cutter.symbol_len() as f64;
        let frames = cutter.frames(stretch, pace, 0);
        let half = (frames.end - frames.start).clamp(2, MAX_FRAMES as i64) as f64 / 2.0;
        let longer = (delay(turns.slope[1]) - delay(turns.slope[0])) / half;
        let period = cutter.frame() * (1.0 - pace.offset.0 / carrier.0);
        // Behind a converter with an oscillator of its own the frame's length does not follow from the carrier.
        let foreign = (pace.period + longer - period).abs() > FOREIGN * period && pass > 0;
        let period = if foreign { pace.period + longer } else { period };
        // The correction of the length turns round the middle of what was seen.
        let middle = frames.start as f64 + half;
        pace.start += delay(turns.slope[0] + turns.slope[1]) + middle * (pace.period - period);
        pace.period = period;
        if !pace.is_sane(cutter.frame()) {
            return false;
        }
    }
    true
}

fn observe(cutter: &mut Cutter, stretch: &Stretch<'_>, reference: &Reference, pace: &Pace, grid: &mut Grid) -> Turns {
    let cp = reference.cp();
    let (slot, last) = (cp.slot_symbols(), cp.slot_symbols() - 3);
    let mut turns = Turns::default();
    for subframe in [0, 5] {
        let frames = cutter.frames(stretch, pace, subframe);
        let later = frames.start + (frames.end - frames.start).min(MAX_FRAMES as i64) / 2;
        for frame in frames.take(MAX_FRAMES) {
            let mut pilots: [(usize, Vec<Complex32>); 4] = Default::default();
            let mut whole = true;
            for (symbol, pilots) in [0, last, slot, slot + last].into_iter().zip(&mut pilots) {
                whole &= cutter.cut(stretch, pace, (frame, subframe), cp, symbol..symbol + 1, grid);
                let Some((first, known)) = reference.of(0, subframe, symbol) else { continue };
                let received = grid.symbol(symbol)[first..].iter().step_by(SPACING);
                *pilots = (first, received.zip(known).map(|(value, known)| value * known.conj()).collect());
            }
            if !whole {
                continue;
            }
            let energy: f32 = pilots.iter().flat_map(|(_, values)| values).map(Complex32::norm_sqr).sum();
            let weight = 1.0 / energy.max(1e-20);
            turns.subframes += 1;
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
            for (_, values) in &pilots {
                turns.slope[usize::from(frame >= later)] += product(values, &values[1..]) * weight;
            }
        }
    }
    turns
}

fn product(early: &[Complex32], late: &[Complex32]) -> Complex32 {
    early.iter().zip(late).map(|(early, late)| late * early.conj()).sum()
}

/// Looks for the MIB of a candidate; `pace` is where the search saw it.
pub fn acquire(
    cutter: &mut Cutter,
    stretch: &Stretch<'_>,
    (pci, cp): (u16, CyclicPrefix),
    carrier: Hz,
    mut pace: Pace,
) -> Option<Acquired> {
    let reference = Reference::new(pci, cp, LEAST_BLOCKS);
    if !refine(cutter, stretch, &reference, carrier, &mut pace) {
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
