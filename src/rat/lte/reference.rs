//! Cell-specific reference signals; TS 36.211 clause 6.10.1.

use super::numerology::{BLOCK, CyclicPrefix, SUBFRAMES};
use crate::coding::gold::Gold;
use num_complex::Complex32;
use std::f32::consts::FRAC_1_SQRT_2;

/// The widest downlink that the sequence is defined for, resource blocks; TS 36.211 clause 6.2.3.
const MAX_BLOCKS: usize = 110;
/// Distance of two reference elements of one port in a symbol, subcarriers.
pub const SPACING: usize = 6;

/// Symbols of a slot that hold reference signals: ports 0 and 1 in the first and the last, ports 2 and 3 in the middle one.
pub const fn symbols(cp: CyclicPrefix) -> [usize; 3] {
    [0, 1, cp.slot_symbols() - 3]
}

/// The reference signals of one cell.
#[derive(Clone, Debug)]
pub struct Reference {
    pci: u16,
    cp: CyclicPrefix,
    /// Values by slot (20), symbol of [`symbols`] (3) and place (two a block).
    values: Vec<Complex32>,
    blocks: usize,
}

impl Reference {
    /// For a cell of `blocks` resource blocks.
    ///
    /// # Panics
    /// Where `blocks` exceeds the 110 of the standard.
    pub fn new(pci: u16, cp: CyclicPrefix, blocks: usize) -> Reference {
        assert!(blocks <= MAX_BLOCKS, "at most 110 resource blocks");
        let mut values = Vec::with_capacity(2 * SUBFRAMES * 3 * 2 * blocks);
        let mut bits = [0u8; 4 * MAX_BLOCKS];
        for slot in 0..2 * SUBFRAMES {
            for l in symbols(cp) {
                let pci = u32::from(pci);
                let product = (7 * (slot as u32 + 1) + l as u32 + 1) * (2 * pci + 1);
                let normal = u32::from(cp == CyclicPrefix::Normal);
                Gold::new((product << 10) + 2 * pci + normal).fill(&mut bits);
                // The sequence is centred: a narrower cell uses its middle.
                let first = MAX_BLOCKS - blocks;
                let sign = |bit: u8| if bit == 0 { FRAC_1_SQRT_2 } else { -FRAC_1_SQRT_2 };
                values.extend(
                    (first..first + 2 * blocks).map(|m| Complex32::new(sign(bits[2 * m]), sign(bits[2 * m + 1]))),
                );
            }
        }
        Reference { pci, cp, values, blocks }
    }

    /// Physical cell identity.
    pub fn pci(&self) -> u16 {
        self.pci
    }

    /// Cyclic prefix.
    pub fn cp(&self) -> CyclicPrefix {
        self.cp
    }

    /// Subcarriers that the cell occupies.
    pub fn subcarriers(&self) -> usize {
        self.blocks * BLOCK
    }

    /// First subcarrier and values of the reference elements of `port` in symbol `symbol` of subframe `subframe`; they lie
    /// [`SPACING`] apart. `None` where the port has none there.
    pub fn of(&self, port: usize, subframe: usize, symbol: usize) -> Option<(usize, &[Complex32])> {
        let slot = 2 * subframe + symbol / self.cp.slot_symbols();
        let l = symbol % self.cp.slot_symbols();
        let index = symbols(self.cp).iter().position(|&at| at == l)?;
        let v = match (port, index) {
            (0, 0) | (1, 2) => 0,
            (0, 2) | (1, 0) => 3,
            (2, 1) => 3 * (slot % 2),
            (3, 1) => 3 + 3 * (slot % 2),
            _ => return None,
        };
        let count = 2 * self.blocks;
        let begin = (slot * 3 + index) * count;
        Some(((v + usize::from(self.pci)) % SPACING, &self.values[begin..begin + count]))
    }
}

/// Whether subcarrier `k` of symbol `symbol` of a slot holds a reference element of one of `ports` ports of cell `pci`.
pub fn is_reference(pci: u16, cp: CyclicPrefix, ports: usize, symbol: usize, k: usize) -> bool {
    let index = symbols(cp).iter().position(|&at| at == symbol);
    let shifted = (k + SPACING - usize::from(pci) % SPACING) % SPACING;
    match (index, ports) {
        // Ports 0 and 1 fill both places of three; a single port leaves the other one to data.
        (Some(0), 1) => shifted == 0,
        (Some(2), 1) => shifted == 3,
        (Some(0 | 2), _) | (Some(1), 4) => shifted.is_multiple_of(3),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_do_not_share_elements_and_fill_what_is_kept_free_of_data() {
        let cell = Reference::new(301, CyclicPrefix::Normal, 6);
        for symbol in 0..14 {
            let mut places: Vec<usize> = (0..4)
                .filter_map(|port| cell.of(port, 0, symbol))
                .flat_map(|(first, values)| (0..values.len()).map(move |i| first + SPACING * i))
                .collect();
            places.sort_unstable();
            let kept: Vec<usize> =
                (0..72).filter(|&k| is_reference(301, CyclicPrefix::Normal, 4, symbol % 7, k)).collect();
            assert_eq!(places, kept, "symbol {symbol}");
        }
    }
}
