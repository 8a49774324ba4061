//! Weaker cells whose frames begin with those of a cell that is known, as sectors of one site do.
//!
//! There the synchronisation signals of the stronger cell hide those of the weaker: a PSS that is the same stands at the same
//! place, and a different one lies 8 dB down in its side lobes. Reference signals tell them apart. At the known timing those of
//! every identity are matched, symbol by symbol and over the delays of a cyclic prefix, and their powers are summed; what
//! stands out of its kind (identities with the same places, which see the same interference) is a candidate.

use super::grid::{Cutter, Grid, Pace, Stretch};
use super::numerology::{CENTRE, CyclicPrefix, MAX_SYMBOLS};
use super::reference::{Reference, SPACING, symbols};
use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::fmt;
use std::sync::Arc;

/// Physical cell identities; TS 36.211 clause 6.11.
const IDENTITIES: usize = 504;
/// Reference elements of a port in a symbol of the middle six blocks.
const PILOTS: usize = CENTRE / SPACING;
/// Delays told apart: 0.69 us each.
const DELAYS: usize = 16;
/// Delays to either side that are looked at: 4.2 us, less than a cyclic prefix.
const REACH: usize = 6;
/// Symbols with reference signals of port 0 in a subframe.
const ROWS: usize = 4;
/// Subframes of a frame that are looked at: those that are downlink in every configuration; TS 36.211 table 4.2-2.
const LOOKED_AT: [usize; 2] = [0, 5];
/// Frames looked at in one scan.
const MAX_FRAMES: usize = 16;
/// Least sum, in standard deviations over the mean of its kind. The sums of 128 symbols are near to normal, and of 500 identities at 13
/// delays none should reach it by chance.
const LEAST_SIGMAS: f32 = 6.0;
/// Candidates of one scan.
const MAX_FOUND: usize = 4;

/// An identity that stands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Physical cell identity.
    pub pci: u16,
    /// How much later than the known cell, symbols without prefix.
    pub late: f64,
    /// Standard deviations over the mean of its kind.
    pub sigmas: f32,
}

/// Looks for cells beside a known one.
pub struct Neighbours {
    fft: Arc<dyn Fft<f32>>,
    cp: Option<CyclicPrefix>,
    /// By subframe of [`LOOKED_AT`], symbol, identity: first subcarrier, and the values.
    known: Vec<(usize, [Complex32; PILOTS])>,
    products: Vec<Complex32>,
    sums: Vec<f32>,
    grid: Grid,
}

impl fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neighbours").finish_non_exhaustive()
    }
}

impl Default for Neighbours {
    fn default() -> Neighbours {
        Neighbours::new()
    }
}

impl Neighbours {
    /// With its scratch; the signals are made when they are first needed.
    pub fn new() -> Neighbours {
        Neighbours {
            fft: FftPlanner::new().plan_fft_forward(DELAYS),
            cp: None,
            known: Vec::new(),
            products: vec![Complex32::default(); IDENTITIES * DELAYS],
            sums: vec![0.0; IDENTITIES * DELAYS],
            grid: Grid::new(CENTRE, MAX_SYMBOLS),
        }
    }

    /// Identities that stand out at the frames of `pace`, the strongest first; `but`: those that are known.
    pub fn scan(
        &mut self,
        cutter: &mut Cutter,
        stretch: &Stretch<'_>,
        (pace, cp): (&Pace, CyclicPrefix),
        but: &[u16],
    ) -> Vec<Neighbour> {
        self.prepare(cp);
        self.sums.fill(0.0);
        for (which, subframe) in LOOKED_AT.into_iter().enumerate() {
            for frame in cutter.frames(stretch, pace, subframe).take(MAX_FRAMES) {
                for (row, symbol) in rows(cp).into_iter().enumerate() {
                    let place = (frame, subframe);
                    if cutter.cut(stretch, pace, place, cp, symbol..symbol + 1, &mut self.grid) {
                        self.add((which * ROWS + row) * IDENTITIES, symbol);
                    }
                }
            }
        }
        self.outstanding(but)
    }

    fn prepare(&mut self, cp: CyclicPrefix) {
        if self.cp == Some(cp) {
            return;
        }
        self.cp = Some(cp);
        self.known.clear();
        self.known.resize(LOOKED_AT.len() * ROWS * IDENTITIES, (0, [Complex32::default(); PILOTS]));
        for pci in 0..IDENTITIES {
            let reference = Reference::new(pci as u16, cp, CENTRE / 12);
            for (which, subframe) in LOOKED_AT.into_iter().enumerate() {
                for (row, symbol) in rows(cp).into_iter().enumerate() {
                    let Some((first, values)) = reference.of(0, subframe, symbol) else { continue };
                    let slot = &mut self.known[(which * ROWS + row) * IDENTITIES + pci];
                    slot.0 = first;
                    slot.1.copy_from_slice(values);
                }
            }
        }
    }

    /// Adds a symbol of the grid, matched with the signals from `from` on.
    fn add(&mut self, from: usize, symbol: usize) {
        let received = self.grid.symbol(symbol);
        let energy: f32 = received.iter().map(Complex32::norm_sqr).sum();
        // Neither silence nor what is no number tells anything.
        if !(1e-20..1e20).contains(&energy) {
            return;
        }
        let scale = 1.0 / energy;
        for (products, (first, values)) in
            self.products.chunks_exact_mut(DELAYS).zip(&self.known[from..from + IDENTITIES])
        {
            products[PILOTS..].fill(Complex32::default());
            for ((product, value), known) in
                products.iter_mut().zip(received[*first..].iter().step_by(SPACING)).zip(values)
            {
                *product = value * known.conj();
            }
        }
        self.fft.process(&mut self.products);
        for (sum, product) in self.sums.iter_mut().zip(&self.products) {
            *sum += product.norm_sqr() * scale;
        }
    }

    fn outstanding(&self, but: &[u16]) -> Vec<Neighbour> {
        let delays = || (0..=REACH).chain(DELAYS - REACH..DELAYS);
        let mut found = Vec::new();
        for kind in 0..SPACING {
            let others = || (kind..IDENTITIES).step_by(SPACING).filter(|pci| !but.contains(&(*pci as u16)));
            let values = || others().flat_map(|pci| delays().map(move |delay| self.sums[pci * DELAYS + delay]));
            let count = values().count().max(1) as f32;
            let mean = values().sum::<f32>() / count;
            let sigma = (values().map(|value| (value - mean).powi(2)).sum::<f32>() / count).sqrt();
            found.extend(others().filter_map(|pci| {
                let sums = &self.sums[pci * DELAYS..(pci + 1) * DELAYS];
                let delay = delays().max_by(|&a, &b| sums[a].total_cmp(&sums[b]))?;
                let sigmas = (sums[delay] - mean) / sigma;
                // A delay turns the elements backwards.
                let turns = if delay <= REACH { -(delay as f64) } else { (DELAYS - delay) as f64 } / DELAYS as f64;
                let late = turns / SPACING as f64;
                (sigmas > LEAST_SIGMAS).then_some(Neighbour { pci: pci as u16, late, sigmas })
            }));
        }
        found.sort_by(|a, b| b.sigmas.total_cmp(&a.sigmas));
        found.truncate(MAX_FOUND);
        found
    }
}

/// Symbols of a subframe that hold reference signals of port 0.
fn rows(cp: CyclicPrefix) -> [usize; ROWS] {
    let ([first, _, last], slot) = (symbols(cp), cp.slot_symbols());
    [first, last, slot, slot + last]
}
