//! Where SIB1 is announced: CORESET 0 and the occasions of its search space, from what the MIB says.
//!
//! Frequency range 1 alone, where the block and CORESET 0 are multiplexed by pattern 1: one after the other.
//!
//! ## References
//! - 3GPP TS 38.213 Release 17: clause 13, tables 13-1 to 13-6 and 13-11
//! - 3GPP TS 38.101-1 Release 17: table 5.3.5-1 (least bandwidths of channels)

use super::numerology::{SUBCARRIERS, Spacing};
use crate::units::Hz;

/// k_SSB from which on there is no SIB1 here; TS 38.213 clause 13.
pub const NO_SIB1: u8 = 24;
/// Subcarriers of a resource block; TS 38.211 clause 4.4.4.1.
pub const BLOCK: usize = 12;
/// Spacing of common resource blocks that k_SSB counts in, frequency range 1; TS 38.211 clause 7.4.3.1.
const K_SSB_HZ: f64 = 15e3;
/// Where bands have channels of 40 MHz at least, n79; TS 38.101-1 table 5.3.5-1.
const WIDE_BAND: std::ops::Range<f64> = 4_400e6..5_000e6;

/// CORESET 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coreset {
    /// N_RB^CORESET.
    pub blocks: usize,
    /// N_symb^CORESET.
    pub symbols: usize,
    /// Offset: from its lowest resource block to the common one that overlaps with the synchronisation block's lowest.
    pub offset: usize,
}

/// A table in runs: blocks, symbols, offset.
type Table = &'static [(u8, u8, u8)];

/// TS 38.213 table 13-1, {15, 15} kHz.
const TABLE_1: Table = &[
    (24, 2, 0),
    (24, 2, 2),
    (24, 2, 4),
    (24, 3, 0),
    (24, 3, 2),
    (24, 3, 4),
    (48, 1, 12),
    (48, 1, 16),
    (48, 2, 12),
    (48, 2, 16),
    (48, 3, 12),
    (48, 3, 16),
    (96, 1, 38),
    (96, 2, 38),
    (96, 3, 38),
];
/// TS 38.213 table 13-2, {15, 30} kHz.
const TABLE_2: Table = &[
    (24, 2, 5),
    (24, 2, 6),
    (24, 2, 7),
    (24, 2, 8),
    (24, 3, 5),
    (24, 3, 6),
    (24, 3, 7),
    (24, 3, 8),
    (48, 1, 18),
    (48, 1, 20),
    (48, 2, 18),
    (48, 2, 20),
    (48, 3, 18),
    (48, 3, 20),
];
/// TS 38.213 table 13-3, {30, 15} kHz.
const TABLE_3: Table =
    &[(48, 1, 2), (48, 1, 6), (48, 2, 2), (48, 2, 6), (48, 3, 2), (48, 3, 6), (96, 1, 28), (96, 2, 28), (96, 3, 28)];
/// TS 38.213 table 13-4, {30, 30} kHz.
const TABLE_4: Table = &[
    (24, 2, 0),
    (24, 2, 1),
    (24, 2, 2),
    (24, 2, 3),
    (24, 2, 4),
    (24, 3, 0),
    (24, 3, 1),
    (24, 3, 2),
    (24, 3, 3),
    (24, 3, 4),
    (48, 1, 12),
    (48, 1, 14),
    (48, 1, 16),
    (48, 2, 12),
    (48, 2, 14),
    (48, 2, 16),
];
/// TS 38.213 table 13-5, {30, 15} kHz, channels of 40 MHz at least.
const TABLE_5: Table =
    &[(48, 1, 4), (48, 2, 4), (48, 3, 4), (96, 1, 0), (96, 1, 56), (96, 2, 0), (96, 2, 56), (96, 3, 0), (96, 3, 56)];
/// TS 38.213 table 13-6, {30, 30} kHz, channels of 40 MHz at least.
const TABLE_6: Table = &[
    (24, 2, 0),
    (24, 2, 4),
    (24, 3, 0),
    (24, 3, 4),
    (48, 1, 0),
    (48, 1, 28),
    (48, 2, 0),
    (48, 2, 28),
    (48, 3, 0),
    (48, 3, 28),
];

impl Coreset {
    /// By controlResourceSetZero; `None` where that is reserved. TS 38.213 tables 13-1 to 13-6.
    ///
    /// `block`: spacing of the synchronisation block, which stands at `nominal`; `common`: subCarrierSpacingCommon.
    pub fn zero(block: Spacing, common: Spacing, nominal: Hz, index: u8) -> Option<Coreset> {
        let table = match (block, common, WIDE_BAND.contains(&nominal.0)) {
            (Spacing::Khz15, Spacing::Khz15, _) => TABLE_1,
            (Spacing::Khz15, Spacing::Khz30, _) => TABLE_2,
            (Spacing::Khz30, Spacing::Khz15, false) => TABLE_3,
            (Spacing::Khz30, Spacing::Khz30, false) => TABLE_4,
            (Spacing::Khz30, Spacing::Khz15, true) => TABLE_5,
            (Spacing::Khz30, Spacing::Khz30, true) => TABLE_6,
        };
        let &(blocks, symbols, offset) = table.get(usize::from(index))?;
        Some(Coreset { blocks: blocks.into(), symbols: symbols.into(), offset: offset.into() })
    }

    /// Subcarriers.
    pub fn width(&self) -> usize {
        self.blocks * BLOCK
    }

    /// Control channel elements: six groups of elements, each a block in a symbol; TS 38.211 clause 7.3.2.2.
    pub fn elements(&self) -> usize {
        self.blocks * self.symbols / 6
    }

    /// Frequency of the subcarrier in its middle, number `width() / 2`, where the synchronisation block's middle stands at `nominal`.
    pub fn middle(&self, nominal: Hz, block: Spacing, common: Spacing, k_ssb: u8) -> Hz {
        let lowest_of_block = nominal.0 - (SUBCARRIERS / 2) as f64 * block.hz().0;
        let common_block = lowest_of_block - f64::from(k_ssb) * K_SSB_HZ;
        let lowest = common_block - (self.offset * BLOCK) as f64 * common.hz().0;
        Hz(lowest + (self.width() / 2) as f64 * common.hz().0)
    }
}

/// When the search space of CORESET 0 is sent: two slots in a row, every other frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// In frames of an odd number.
    pub odd_frame: bool,
    /// n_0: the first of the two slots.
    pub slot: usize,
    /// The first symbol.
    pub symbol: usize,
}

/// Row of table 13-11: O, search spaces a slot, M times two, first symbol.
const OCCASIONS: [(u8, u8, u8, u8); 16] = [
    (0, 1, 2, 0),
    (0, 2, 1, 0),
    (2, 1, 2, 0),
    (2, 2, 1, 0),
    (5, 1, 2, 0),
    (5, 2, 1, 0),
    (7, 1, 2, 0),
    (7, 2, 1, 0),
    (0, 1, 4, 0),
    (5, 1, 4, 0),
    (0, 1, 2, 1),
    (0, 1, 2, 2),
    (2, 1, 2, 1),
    (2, 1, 2, 2),
    (5, 1, 2, 1),
    (5, 1, 2, 2),
];

impl Occasion {
    /// By searchSpaceZero (0 to 15) for the synchronisation block number `block`; TS 38.213 clause 13 and table 13-11.
    pub fn new(common: Spacing, coreset: &Coreset, search_space: u8, block: u8) -> Occasion {
        let (offset, spaces, twice_m, symbol) = OCCASIONS[usize::from(search_space % 16)];
        let slots = slots_of_frame(common);
        let at = usize::from(offset) * slots / 10 + usize::from(block) * usize::from(twice_m) / 2;
        // Of two search spaces a slot those of odd blocks stand behind the others.
        let second = spaces == 2 && block % 2 == 1;
        Occasion {
            odd_frame: at / slots % 2 == 1,
            slot: at % slots,
            symbol: if second { coreset.symbols } else { symbol.into() },
        }
    }
}

/// Slots of a frame; TS 38.211 table 4.3.2-1.
pub fn slots_of_frame(spacing: Spacing) -> usize {
    match spacing {
        Spacing::Khz15 => 10,
        Spacing::Khz30 => 20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Spacing::{Khz15, Khz30};

    /// The columns as OpenAirInterface carries them (table_38213_13_1 to 13_6), blocks, symbols and offset each by itself.
    #[test]
    fn columns_of_the_tables_are_those_of_another_receiver() {
        let tables = [
            (
                TABLE_1,
                "24 24 24 24 24 24 48 48 48 48 48 48 96 96 96",
                "2 2 2 3 3 3 1 1 2 2 3 3 1 2 3",
                "0 2 4 0 2 4 12 16 12 16 12 16 38 38 38",
            ),
            (
                TABLE_2,
                "24 24 24 24 24 24 24 24 48 48 48 48 48 48",
                "2 2 2 2 3 3 3 3 1 1 2 2 3 3",
                "5 6 7 8 5 6 7 8 18 20 18 20 18 20",
            ),
            (TABLE_3, "48 48 48 48 48 48 96 96 96", "1 1 2 2 3 3 1 2 3", "2 6 2 6 2 6 28 28 28"),
            (
                TABLE_4,
                "24 24 24 24 24 24 24 24 24 24 48 48 48 48 48 48",
                "2 2 2 2 2 3 3 3 3 3 1 1 1 2 2 2",
                "0 1 2 3 4 0 1 2 3 4 12 14 16 12 14 16",
            ),
            (TABLE_5, "48 48 48 96 96 96 96 96 96", "1 2 3 1 1 2 2 3 3", "4 4 4 0 56 0 56 0 56"),
            (TABLE_6, "24 24 24 24 48 48 48 48 48 48", "2 2 3 3 1 1 2 2 3 3", "0 4 0 4 0 28 0 28 0 28"),
        ];
        for (number, (table, blocks, symbols, offsets)) in tables.into_iter().enumerate() {
            let column =
                |of: fn(&(u8, u8, u8)) -> u8| table.iter().map(|row| of(row).to_string()).collect::<Vec<_>>().join(" ");
            assert_eq!(
                [column(|r| r.0), column(|r| r.1), column(|r| r.2)],
                [blocks, symbols, offsets],
                "13-{}",
                number + 1
            );
        }
    }

    /// Cells of the recordings; `truth.json` beside them.
    #[test]
    fn recorded_cells_announce_sib1_where_they_were_found_to() {
        let zero = |spacing, mhz: f64, index| Coreset::zero(spacing, spacing, Hz(mhz * 1e6), index).unwrap();
        for (spacing, mhz, index, expected) in [
            (Khz15, 1842.05, 6, (48, 1, 12)),
            (Khz15, 2134.85, 7, (48, 1, 16)),
            (Khz15, 1862.65, 1, (24, 2, 2)),
            (Khz30, 3619.2, 3, (24, 2, 3)),
            (Khz30, 3421.92, 0, (24, 2, 0)),
            (Khz30, 3434.88, 12, (48, 1, 16)),
        ] {
            let coreset = zero(spacing, mhz, index);
            assert_eq!((coreset.blocks, coreset.symbols, coreset.offset), expected, "{mhz}");
        }
        let slot = |spacing, search_space| Occasion::new(spacing, &zero(spacing, 3600.0, 1), search_space, 0).slot;
        assert_eq!((slot(Khz15, 0), slot(Khz15, 2), slot(Khz30, 2), slot(Khz30, 1)), (0, 2, 4, 0));
        assert_eq!(Coreset::zero(Khz15, Khz15, Hz(1e9), 15), None);
    }

    #[test]
    fn occasions_of_later_blocks_follow_the_formula() {
        let coreset = Coreset { blocks: 24, symbols: 2, offset: 0 };
        let of = |search_space, block| {
            let at = Occasion::new(Khz30, &coreset, search_space, block);
            (at.odd_frame, at.slot, at.symbol)
        };
        // O of 5 ms, two search spaces a slot: blocks 0 and 1 share slot 10, the second behind the first.
        assert_eq!((of(5, 0), of(5, 1), of(5, 2)), ((false, 10, 0), (false, 10, 2), (false, 11, 0)));
        // O of 7 ms: block 6 is in slot 20, which is the next frame's first.
        assert_eq!((of(6, 5), of(6, 6)), ((false, 19, 0), (true, 0, 0)));
        // M of 2.
        assert_eq!((of(9, 3), of(13, 1)), ((false, 16, 0), (false, 5, 2)));
    }

    /// The recording nr/lab-n78: k_SSB 0 and no offset, so both begin at one subcarrier; half of 240 against half of 288.
    #[test]
    fn the_middle_follows_from_the_lowest_subcarriers() {
        let coreset = Coreset { blocks: 24, symbols: 2, offset: 0 };
        assert_eq!(coreset.middle(Hz(3421.92e6), Khz30, Khz30, 0), Hz(3421.92e6 + 24.0 * 30e3));
        let coreset = Coreset { blocks: 48, symbols: 1, offset: 16 };
        // nr/oai-n78: k_SSB of 12 counts 15 kHz.
        let lowest = 3434.88e6 - 120.0 * 30e3 - 12.0 * 15e3 - 16.0 * 360e3;
        assert_eq!(coreset.middle(Hz(3434.88e6), Khz30, Khz30, 12), Hz(lowest + 288.0 * 30e3));
    }
}
