//! The control channel of CORESET 0: DCI under SI-RNTI, and no other.
//!
//! Every run of control elements in which one may stand is demodulated by its own reference elements, bundle by bundle, because each
//! bundle may have a precoder of its own, and decoded under SI-RNTI.
//!
//! ## References
//! - 3GPP TS 38.211 Release 17: clauses 7.3.2.2 (elements), 7.3.2.3 (scrambling), 7.3.2.5 (mapping), 7.4.1.3 (DMRS)
//! - 3GPP TS 38.213 Release 17: clause 10.1, table 10.1-1 (levels)

use super::coreset::{BLOCK, Coreset};
use super::dci::{Dci, SI_RNTI, length};
use super::pilots::{Noise, Smoother};
use super::slot::Grid;
use crate::coding::gold::Gold;
use crate::coding::polar::{Parity, Polar};
use num_complex::Complex32;
use std::f32::consts::SQRT_2;

/// Aggregation levels of the search space; TS 38.213 table 10.1-1.
const LEVELS: [usize; 3] = [4, 8, 16];
/// Resource element groups of a bundle, and of a control channel element; TS 38.211 clauses 7.3.2.2.
const BUNDLE: usize = 6;
/// R, rows of the interleaver; TS 38.211 clause 7.3.2.2.
const ROWS: usize = 2;
/// Elements of a block in a symbol that carry bits; those at 1, 5 and 9 are DMRS.
const DATA: usize = 9;
/// The first DMRS of a block, and the step to the next; TS 38.211 clause 7.4.1.3.2.
const DMRS: (usize, usize) = (1, 4);
/// Bits of a control channel element.
const ELEMENT_BITS: usize = 2 * DATA * BUNDLE;

/// `c_init` of the DMRS of symbol `l` in slot `slot`; TS 38.211 clause 7.4.1.3.1, and with `position` of PDSCH clause 7.4.1.1.1, which is
/// the same for n_SCID of 0.
pub(super) fn dmrs_init(pci: u16, slot: usize, l: usize) -> u32 {
    let (pci, symbol) = (u64::from(pci), (14 * slot + l + 1) as u64);
    (((symbol * (2 * pci + 1)) << 17) + 2 * pci) as u32 & 0x7fff_ffff
}

/// Reads DCI of one cell's CORESET 0.
#[derive(Debug)]
pub struct Control {
    pci: u16,
    coreset: Coreset,
    /// One for each of [`LEVELS`] that fits.
    codes: Vec<(usize, Polar)>,
    smoother: Smoother,
    /// Of symbols of the CORESET: the sequence of the DMRS.
    sequence: Vec<u8>,
    soft: Vec<f32>,
}

impl Control {
    /// Of cell `pci`.
    pub fn new(pci: u16, coreset: Coreset) -> Control {
        let fits = LEVELS.into_iter().filter(|&level| level <= coreset.elements());
        let code = |level| Some((level, Polar::new(length(coreset.blocks), level * ELEMENT_BITS)?));
        Control {
            pci,
            coreset,
            codes: fits.filter_map(code).collect(),
            smoother: Smoother::new(),
            sequence: vec![0; 6 * coreset.blocks * coreset.symbols],
            soft: Vec::with_capacity(LEVELS[2] * ELEMENT_BITS),
        }
    }

    /// f(x): the bundle of control channel element `x`; TS 38.211 clause 7.3.2.2.
    fn bundle(&self, x: usize) -> usize {
        let bundles = self.coreset.elements();
        (x % ROWS * (bundles / ROWS) + x / ROWS + usize::from(self.pci)) % bundles
    }

    /// The DCI in a search space that begins with symbol `first` of slot `slot`, the one of the lowest level where there are several, and
    /// its level and first element.
    pub fn read(&mut self, grid: &Grid, slot: usize, first: usize) -> Option<(Dci, usize, usize)> {
        let per_symbol = 6 * self.coreset.blocks;
        for (l, sequence) in self.sequence.chunks_exact_mut(per_symbol).enumerate() {
            Gold::new(dmrs_init(self.pci, slot, first + l)).fill(sequence);
        }
        for at in 0..self.codes.len() {
            let level = self.codes[at].0;
            for start in (0..=self.coreset.elements() - level).step_by(level) {
                self.demodulate(grid, first, start, level);
                Gold::new(u32::from(self.pci)).scramble_soft(&mut self.soft);
                let found = self.codes[at].1.decode(&self.soft, Parity::Masked(SI_RNTI));
                // What is no allocation, or all zeros, was no message.
                let dci = found
                    .filter(|found| found.bits.contains(&1))
                    .and_then(|found| Dci::parse(found.bits, self.coreset.blocks));
                if let Some(dci) = dci {
                    return Some((dci, level, start));
                }
            }
        }
        None
    }

    /// Soft bits of `level` elements from element `start` on, still scrambled.
    fn demodulate(&mut self, grid: &Grid, first: usize, start: usize, level: usize) {
        let blocks = BUNDLE / self.coreset.symbols;
        let mut bundles: Vec<usize> = (start..start + level).map(|x| self.bundle(x)).collect();
        bundles.sort_unstable();
        let mut noise = Noise::default();
        self.soft.clear();
        let mut gains = [Complex32::default(); BUNDLE * BLOCK];
        let mut seen = [Complex32::default(); BUNDLE * 3];
        let per_symbol = 6 * self.coreset.blocks;
        for l in 0..self.coreset.symbols {
            let (symbol, sequence) = (grid.symbol(first + l), &self.sequence[l * per_symbol..]);
            for &bundle in &bundles {
                let run = bundle * blocks * BLOCK..(bundle + 1) * blocks * BLOCK;
                let elements = &symbol[run.clone()];
                for (n, seen) in seen[..3 * blocks].iter_mut().enumerate() {
                    // Three elements of each block, two bits of the sequence each.
                    let m = 2 * (3 * bundle * blocks + n);
                    let sent =
                        Complex32::new(1.0 - 2.0 * f32::from(sequence[m]), 1.0 - 2.0 * f32::from(sequence[m + 1]));
                    *seen = elements[DMRS.0 + DMRS.1 * n] * sent.conj() / SQRT_2;
                }
                let gains = &mut gains[..elements.len()];
                self.smoother.run(&seen[..3 * blocks], DMRS, gains, &mut noise);
                for (k, (value, gain)) in elements.iter().zip(gains).enumerate() {
                    if k % DMRS.1 != DMRS.0 {
                        let matched = value * gain.conj();
                        self.soft.extend([matched.re, matched.im]);
                    }
                }
            }
        }
        let scale = 2.0 * SQRT_2 / noise.power();
        self.soft.iter_mut().for_each(|soft| *soft *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rat::nr::slot::SYMBOLS;

    /// A grid in which `payload` is sent under `rnti` in `level` elements from `start` on.
    fn sent(control: &mut Control, payload: &[u8], rnti: u16, (level, start): (usize, usize), slot: usize) -> Grid {
        let coreset = control.coreset;
        let mut bits = vec![0; level * ELEMENT_BITS];
        Polar::new(payload.len(), bits.len()).unwrap().encode(payload, Parity::Masked(rnti), &mut bits);
        Gold::new(u32::from(control.pci)).scramble(&mut bits);
        let mut values = bits
            .chunks_exact(2)
            .map(|pair| Complex32::new(1.0 - 2.0 * f32::from(pair[0]), 1.0 - 2.0 * f32::from(pair[1])) / SQRT_2);
        let mut bundles: Vec<usize> = (start..start + level).map(|x| control.bundle(x)).collect();
        bundles.sort_unstable();
        let mut grid = Grid::new(coreset.width());
        for l in 0..coreset.symbols {
            let mut sequence = vec![0; 6 * coreset.blocks];
            Gold::new(dmrs_init(control.pci, slot, l)).fill(&mut sequence);
            for &bundle in &bundles {
                let blocks = BUNDLE / coreset.symbols;
                for k in bundle * blocks * BLOCK..(bundle + 1) * blocks * BLOCK {
                    let m = 2 * (k / 4);
                    let pilot =
                        Complex32::new(1.0 - 2.0 * f32::from(sequence[m]), 1.0 - 2.0 * f32::from(sequence[m + 1]))
                            / SQRT_2;
                    grid.symbol_mut(l)[k] = if k % 4 == 1 { pilot } else { values.next().unwrap() };
                }
            }
        }
        assert!(values.next().is_none() && SYMBOLS > coreset.symbols);
        grid
    }

    /// Ours alone, so it shows consistency; that it is right is shown by recordings, in `tests/nr_sib1.rs`.
    #[test]
    fn what_is_sent_under_si_rnti_is_read_in_every_place_and_under_no_other() {
        for (coreset, pci) in [((24, 2), 5), ((24, 3), 1007), ((48, 1), 3), ((96, 3), 77)] {
            let coreset = Coreset { blocks: coreset.0, symbols: coreset.1, offset: 0 };
            let mut control = Control::new(pci, coreset);
            let payload: Vec<u8> = (0..length(coreset.blocks)).map(|i| u8::from(i % 5 == 2)).collect();
            let expected = Dci::parse(&payload, coreset.blocks).unwrap();
            for level in LEVELS.into_iter().filter(|&level| level <= coreset.elements()) {
                for start in (0..=coreset.elements() - level).step_by(level) {
                    let grid = sent(&mut control, &payload, SI_RNTI, (level, start), 3);
                    // The first half of eight elements may hold the whole message too.
                    let (dci, _, element) = control.read(&grid, 3, 0).unwrap();
                    assert_eq!((dci, element), (expected, start), "{coreset:?} {level}");
                    // P-RNTI, a random access, a terminal.
                    for rnti in [0xfffe, 0x0001, 0x4601] {
                        let grid = sent(&mut control, &payload, rnti, (level, start), 3);
                        assert_eq!(control.read(&grid, 3, 0), None, "{rnti:#x}");
                    }
                }
            }
        }
    }
}
