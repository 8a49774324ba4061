//! What a DCI of format 1_0 under SI-RNTI says, and where the PDSCH is that it announces.
//!
//! ## References
//! - 3GPP TS 38.212 Release 17: clause 7.3.1.2.1
//! - 3GPP TS 38.214 Release 17: clauses 5.1.2.1.1 (default A), 5.1.2.2.2 (resource allocation type 1)
//! - 3GPP TS 38.211 Release 17: clauses 7.3.1.6 (interleaving), 7.4.1.1.2 (DMRS)

/// SI-RNTI; TS 38.321 table 7.1-1.
pub const SI_RNTI: u16 = 0xffff;
/// Bits behind the frequency assignment: time 4, interleaving 1, MCS 5, version 2, system information 1, reserved 15.
const OTHER_BITS: usize = 28;
/// Blocks of a bundle that interleaving moves together; TS 38.211 clause 7.3.1.6 with CORESET 0.
const BUNDLE: usize = 2;

/// Bits of the frequency assignment over `blocks` resource blocks.
fn frequency_bits(blocks: usize) -> usize {
    (blocks * (blocks + 1) / 2).next_power_of_two().ilog2() as usize
}

/// Bits of the format over a CORESET 0 of `blocks`.
pub const fn length(blocks: usize) -> usize {
    (blocks * (blocks + 1) / 2).next_power_of_two().ilog2() as usize + OTHER_BITS
}

/// How symbols of a slot carry the PDSCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// PDSCH mapping type B.
    pub type_b: bool,
    /// S, the first symbol.
    pub start: u8,
    /// L, how many there are.
    pub length: u8,
}

/// A row of default A: mapping type B, S and L by dmrs-TypeA-Position.
type Row = (bool, [(u8, u8); 2]);

/// Default PDSCH time domain resource allocation A for normal CP, K_0 of 0; TS 38.214 table 5.1.2.1.1-2.
const DEFAULT_A: [Row; 16] = [
    (false, [(2, 12), (3, 11)]),
    (false, [(2, 10), (3, 9)]),
    (false, [(2, 9), (3, 8)]),
    (false, [(2, 7), (3, 6)]),
    (false, [(2, 5), (3, 4)]),
    (true, [(9, 4), (10, 4)]),
    (true, [(4, 4), (6, 4)]),
    (true, [(5, 7), (5, 7)]),
    (true, [(5, 2), (5, 2)]),
    (true, [(9, 2), (9, 2)]),
    (true, [(12, 2), (12, 2)]),
    (false, [(1, 13), (1, 13)]),
    (false, [(1, 6), (1, 6)]),
    (false, [(2, 4), (2, 4)]),
    (true, [(4, 7), (4, 7)]),
    (true, [(8, 4), (8, 4)]),
];

impl Time {
    /// Of row `row` (0 to 15) with dmrs-TypeA-Position `position` (2 or 3).
    pub fn default_a(row: u8, position: u8) -> Time {
        let (type_b, places) = DEFAULT_A[usize::from(row % 16)];
        let (start, length) = places[usize::from(position == 3)];
        Time { type_b, start, length }
    }

    /// Symbols of the slot that carry DMRS, and how many; one symbol each, two more at most (dmrs-AdditionalPosition pos2 of type A, pos1
    /// of type B); TS 38.211 tables 7.4.1.1.2-3, TS 38.214 clause 5.1.6.2.
    pub fn dmrs(&self, position: u8) -> ([u8; 3], usize) {
        if self.type_b {
            return match self.length {
                7 => ([self.start, self.start + 4, 0], 2),
                _ => ([self.start, 0, 0], 1),
            };
        }
        match self.start + self.length {
            8 | 9 => ([position, 7, 0], 2),
            10..=12 => ([position, 6, 9], 3),
            13 | 14 => ([position, 7, 11], 3),
            _ => ([position, 0, 0], 1),
        }
    }

    /// Symbols with DMRS carry the PDSCH too, beside it; TS 38.214 clause 5.1.6.2.
    pub fn shares_dmrs(&self) -> bool {
        self.type_b && self.length == 2
    }

    /// Symbols of the PDSCH.
    pub fn symbols(&self) -> std::ops::Range<usize> {
        usize::from(self.start)..usize::from(self.start + self.length)
    }
}

/// DCI format 1_0 under SI-RNTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dci {
    /// Blocks that its numbers count in, those of CORESET 0.
    pub blocks: usize,
    /// RB_start.
    pub start: usize,
    /// L_RBs.
    pub length: usize,
    /// Row of the time domain allocation, from 0.
    pub time: u8,
    /// VRB-to-PRB mapping is interleaved.
    pub interleaved: bool,
    /// Modulation and coding scheme.
    pub mcs: u8,
    /// Redundancy version.
    pub version: u8,
    /// System information indicator: not SIB1 but another message.
    pub other_message: bool,
}

impl Dci {
    /// From the bits of a block that was received; `None` where the frequency assignment is none, or the length is another.
    pub fn parse(bits: &[u8], blocks: usize) -> Option<Dci> {
        if bits.len() != length(blocks) {
            return None;
        }
        let number = |bits: &[u8]| bits.iter().fold(0usize, |number, &bit| number << 1 | usize::from(bit));
        let (frequency, rest) = bits.split_at(frequency_bits(blocks));
        let (start, length) = blocks_of(number(frequency), blocks)?;
        Some(Dci {
            blocks,
            start,
            length,
            time: number(&rest[..4]) as u8,
            interleaved: rest[4] == 1,
            mcs: number(&rest[5..10]) as u8,
            version: number(&rest[10..12]) as u8,
            other_message: rest[12] == 1,
        })
    }

    /// Physical resource blocks, ascending, as one flag each; TS 38.211 clause 7.3.1.6.
    pub fn physical(&self, mut take: impl FnMut(usize)) {
        let bundles = self.blocks.div_ceil(BUNDLE);
        for block in self.start..self.start + self.length {
            let bundle = block / BUNDLE;
            // Two rows, filled column by column; what does not fill a column stays where it is.
            let columns = bundles / 2;
            let moved =
                if !self.interleaved || bundle == bundles - 1 { bundle } else { bundle % 2 * columns + bundle / 2 };
            take(moved * BUNDLE + block % BUNDLE);
        }
    }
}

/// RB_start and L_RBs of a resource indication value; TS 38.214 clause 5.1.2.2.2.
fn blocks_of(value: usize, blocks: usize) -> Option<(usize, usize)> {
    let (length, start) = (value / blocks + 1, value % blocks);
    let (start, length) =
        if length + start <= blocks { (start, length) } else { (blocks - 1 - start, blocks.checked_sub(length)? + 2) };
    // Either half of the values is told by its length.
    let told = if length - 1 <= blocks / 2 {
        blocks * (length - 1) + start
    } else {
        blocks * (blocks - length + 1) + blocks - 1 - start
    };
    (told == value && start + length <= blocks).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DCI of the recordings: bits, blocks, then RB_start, L_RBs, S, L, MCS and version as srsRAN read them; `truth.json` beside them.
    const RECORDED: [(&str, usize, [usize; 6]); 6] = [
        ("001001000000000000110000000000000000000", 48, [0, 7, 2, 12, 6, 0]),
        ("100000110011011000000000000000000000000", 48, [6, 28, 1, 13, 0, 0]),
        ("0101010000000000101000000000000000000", 24, [0, 8, 2, 12, 5, 0]),
        ("0011101110000000010000000000000000000", 24, [0, 21, 2, 12, 2, 0]),
        ("0110110000000000101000000000000000000", 24, [0, 10, 2, 12, 5, 0]),
        ("010110100000001000100000000000000000000", 48, [0, 16, 2, 10, 4, 0]),
    ];

    #[test]
    fn recorded_messages_are_read_as_another_receiver_does() {
        for (text, blocks, [start, length, first, symbols, mcs, version]) in RECORDED {
            let bits: Vec<u8> = text.bytes().map(|byte| byte - b'0').collect();
            let dci = Dci::parse(&bits, blocks).unwrap();
            let time = Time::default_a(dci.time, 2);
            assert_eq!((dci.start, dci.length), (start, length), "{text}");
            assert_eq!((usize::from(time.start), usize::from(time.length)), (first, symbols), "{text}");
            assert_eq!((usize::from(dci.mcs), usize::from(dci.version), dci.other_message), (mcs, version, false));
            assert_eq!(Dci::parse(&bits, 96), None);
        }
        assert_eq!([24, 48, 96].map(length), [37, 39, 41]);
    }

    #[test]
    fn every_allocation_has_one_value_and_every_other_value_is_refused() {
        for blocks in [24, 48, 96] {
            let mut seen = std::collections::BTreeSet::new();
            for value in 0..1 << frequency_bits(blocks) {
                if let Some((start, length)) = blocks_of(value, blocks) {
                    assert!(length > 0 && start + length <= blocks);
                    assert!(seen.insert((start, length)), "{value}");
                }
            }
            assert_eq!(seen.len(), blocks * (blocks + 1) / 2);
        }
    }

    #[test]
    fn interleaving_moves_bundles_and_loses_none() {
        for blocks in [24, 48, 96] {
            let dci = Dci {
                blocks,
                start: 0,
                length: blocks,
                time: 0,
                interleaved: true,
                mcs: 0,
                version: 0,
                other_message: false,
            };
            let mut places = Vec::new();
            dci.physical(|place| places.push(place));
            // Bundles 0, 1, 2, 3 go to 0, C, 1, C + 1; the last one stays.
            assert_eq!(places[..6], [0, 1, blocks / 2, blocks / 2 + 1, 2, 3]);
            assert_eq!(places[blocks - 2..], [blocks - 2, blocks - 1]);
            places.sort_unstable();
            assert_eq!(places, (0..blocks).collect::<Vec<_>>());
        }
    }
}
