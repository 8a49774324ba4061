//! What a message on the PDCCH says of a system information block: formats 1A and 1C with SI-RNTI.
//!
//! TS 36.212 clauses 5.3.3.1.3 and 5.3.3.1.4; TS 36.213 clauses 7.1.6.3 and 7.1.7; TS 36.211 clause 6.2.3 for the virtual blocks.

use super::numerology::Duplex;

/// Transport block sizes by I_TBS for two and for three resource blocks; TS 36.213 table 7.1.7.2.1-1.
pub const SIZES_1A: [[u16; 27]; 2] = [
    [
        32, 56, 72, 104, 120, 144, 176, 224, 256, 296, 328, 376, 440, 488, 552, 600, 632, 696, 776, 840, 904, 1000,
        1064, 1128, 1192, 1256, 1480,
    ],
    [
        56, 88, 144, 176, 208, 224, 256, 328, 392, 456, 504, 584, 680, 744, 840, 904, 968, 1064, 1160, 1288, 1384,
        1480, 1608, 1736, 1800, 1864, 2216,
    ],
];
/// Transport block sizes of format 1C; TS 36.213 table 7.1.7.2.3-1.
pub const SIZES_1C: [u16; 32] = [
    40, 56, 72, 120, 136, 144, 176, 208, 224, 256, 280, 296, 328, 336, 392, 488, 552, 600, 632, 696, 776, 840, 904,
    1000, 1064, 1128, 1224, 1288, 1384, 1480, 1608, 1736,
];
/// Lengths that no message of format 1A may have; TS 36.212 table 5.3.3.1.2-1.
const AMBIGUOUS: [usize; 10] = [12, 14, 16, 20, 24, 26, 32, 40, 44, 56];

/// A block of system information on the PDSCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Resource blocks in even and in odd slots, ascending.
    pub blocks: [Vec<usize>; 2],
    /// Size of the transport block, bits.
    pub bits: usize,
    /// Redundancy version where the message tells it (format 1A).
    pub version: Option<u8>,
}

impl Assignment {
    /// The same without the redundancy version, which then follows from the time; TS 36.321 clause 5.3.1.
    pub fn at_any_time(&self) -> Assignment {
        Assignment { version: None, ..self.clone() }
    }
}

/// `N_gap,1` and `N_gap,2`; TS 36.211 table 6.2.3.2-1.
fn gaps(blocks: usize) -> (usize, Option<usize>) {
    match blocks {
        0..=10 => (blocks.div_ceil(2), None),
        11 => (4, None),
        12..=19 => (8, None),
        20..=26 => (12, None),
        27..=44 => (18, None),
        45..=49 => (27, None),
        50..=63 => (27, Some(9)),
        64..=79 => (32, Some(16)),
        _ => (48, Some(16)),
    }
}

/// Virtual blocks that can be spread out, with the first or the second gap; TS 36.211 clause 6.2.3.2.
pub fn virtual_blocks(blocks: usize, second: bool) -> usize {
    match gaps(blocks) {
        (_, Some(gap)) if second => blocks / (2 * gap) * 2 * gap,
        (gap, _) => 2 * gap.min(blocks - gap),
    }
}

/// Bits of a resource indication value over `blocks` blocks: the logarithm of the number of runs.
pub fn indication_bits(blocks: usize) -> usize {
    let runs = blocks * (blocks + 1) / 2;
    runs.max(1).next_power_of_two().trailing_zeros() as usize
}

/// Length of format 1A; TS 36.212 clause 5.3.3.1.3, the uplink taken to be as wide as the downlink.
pub fn length_1a(duplex: Duplex, blocks: usize) -> usize {
    let length = indication_bits(blocks) + if duplex == Duplex::Fdd { 15 } else { 18 };
    if AMBIGUOUS.contains(&length) { length + 1 } else { length }
}

/// Steps in which format 1C gives out virtual blocks; TS 36.213 table 7.1.6.3-1.
pub fn step(blocks: usize) -> usize {
    if blocks < 50 { 2 } else { 4 }
}

/// Length of format 1C; TS 36.212 clause 5.3.3.1.4.
pub fn length_1c(blocks: usize) -> usize {
    usize::from(blocks >= 50) + indication_bits(virtual_blocks(blocks, false) / step(blocks)) + 5
}

/// First block and number of blocks of an indication value; TS 36.213 clause 7.1.6.3. `None` for a value that names none.
fn run(value: usize, blocks: usize) -> Option<(usize, usize)> {
    let (quotient, rest) = (value / blocks.max(1), value % blocks.max(1));
    let (start, length) = if rest + quotient < blocks {
        (rest, quotient + 1)
    } else {
        (blocks - 1 - rest, (blocks + 1).checked_sub(quotient)?)
    };
    (length > 0 && start + length <= blocks).then_some((start, length))
}

/// Reads the bits of a message whose length has decided its format.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let (field, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(field.iter().fold(0, |value, &bit| value << 1 | usize::from(bit)))
    }
}

/// Format 1A with SI-RNTI; `None` where it is format 0 or names no blocks.
pub fn format_1a(message: &[u8], blocks: usize) -> Option<Assignment> {
    let mut fields = Fields(message);
    if fields.take(1)? == 0 {
        return None;
    }
    let distributed = fields.take(1)? == 1;
    let (start, length) = run(fields.take(indication_bits(blocks))?, blocks)?;
    let scheme = fields.take(5)?;
    // The HARQ process number is reserved; its four bits of TDD and the DAI stand before and after what is read here.
    let rest = fields.0;
    let time_division = message.len() >= indication_bits(blocks) + 18;
    let mut fields = Fields(rest.get(if time_division { 4 } else { 3 }..)?);
    let second = fields.take(1)? == 1;
    let version = fields.take(2)? as u8;
    let three = fields.take(2)? & 1;
    let bits = usize::from(*SIZES_1A[three].get(scheme)?);
    let second = second && blocks >= 50;
    let blocks = if distributed {
        spread(start, length, blocks, second)?
    } else {
        [0, 1].map(|_| (start..start + length).collect())
    };
    Some(Assignment { blocks, bits, version: Some(version) })
}

/// Format 1C; `None` where it names no blocks.
pub fn format_1c(message: &[u8], blocks: usize) -> Option<Assignment> {
    let mut fields = Fields(message);
    let second = blocks >= 50 && fields.take(1)? == 1;
    let steps = virtual_blocks(blocks, second) / step(blocks);
    let bits = indication_bits(virtual_blocks(blocks, false) / step(blocks));
    let (start, length) = run(fields.take(bits)?, steps)?;
    let size = SIZES_1C[fields.take(5)?];
    let blocks = spread(start * step(blocks), length * step(blocks), blocks, second)?;
    Some(Assignment { blocks, bits: usize::from(size), version: None })
}

/// Physical blocks of distributed virtual ones, in even and odd slots; TS 36.211 clause 6.2.3.2.
fn spread(start: usize, length: usize, blocks: usize, second: bool) -> Option<[Vec<usize>; 2]> {
    if start + length > virtual_blocks(blocks, second) {
        return None;
    }
    let mut sets = [Vec::with_capacity(length), Vec::with_capacity(length)];
    for number in start..start + length {
        let pair = spread_one(number, blocks, second);
        sets.iter_mut().zip(pair).for_each(|(set, block)| set.push(block));
    }
    sets.iter_mut().for_each(|set| set.sort_unstable());
    Some(sets)
}

fn spread_one(number: usize, blocks: usize, second: bool) -> [usize; 2] {
    let (gap, unit) = match gaps(blocks) {
        (_, Some(gap)) if second => (gap, 2 * gap),
        (gap, _) => (gap, virtual_blocks(blocks, false)),
    };
    // P, the size of a resource block group; TS 36.213 table 7.1.6.1-1.
    let group = match blocks {
        0..=10 => 1,
        11..=26 => 2,
        27..=63 => 3,
        _ => 4,
    };
    let rows = unit.div_ceil(4 * group) * group;
    let nulls = 4 * rows - unit;
    let (within, base) = (number % unit, number / unit * unit);
    let quarter = rows * (within % 4) + within / 4;
    let half = 2 * rows * (within % 2) + within / 2;
    let tail = nulls > 0 && within + nulls >= unit;
    let even = match (tail, within % 2, within % 4) {
        (true, 1, _) => half - rows,
        (true, _, _) => half + nulls / 2 - rows,
        (false, _, 2 | 3) if nulls > 0 => quarter - nulls / 2,
        _ => quarter,
    };
    let odd = (even + unit / 2) % unit;
    [even, odd].map(|place| base + if place < unit / 2 { place } else { place + gap - unit / 2 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const WIDTHS: [usize; 6] = [6, 15, 25, 50, 75, 100];

    #[test]
    fn messages_have_the_lengths_of_the_standard() {
        // TS 36.212 clauses 5.3.3.1.3 and 5.3.3.1.4 worked out for the six bandwidths.
        assert_eq!(WIDTHS.map(|blocks| length_1a(Duplex::Fdd, blocks)), [21, 22, 25, 27, 27, 28]);
        assert_eq!(WIDTHS.map(|blocks| length_1a(Duplex::Tdd, blocks)), [23, 25, 27, 29, 30, 31]);
        assert_eq!(WIDTHS.map(length_1c), [8, 10, 12, 13, 14, 15]);
    }

    #[test]
    fn every_virtual_block_has_a_place_of_its_own_in_each_slot() {
        for blocks in 6..=110 {
            for second in [false, blocks >= 50] {
                let count = virtual_blocks(blocks, second);
                let [even, odd] = spread(0, count, blocks, second).unwrap();
                for set in [even, odd] {
                    let distinct: BTreeSet<usize> = set.iter().copied().collect();
                    assert_eq!(distinct.len(), count, "{blocks} blocks");
                    assert!(set.iter().all(|&block| block < blocks), "{blocks} blocks");
                }
            }
        }
    }

    #[test]
    fn an_indication_value_names_each_run_once() {
        for blocks in WIDTHS {
            let runs: BTreeSet<_> = (0..1 << indication_bits(blocks)).filter_map(|value| run(value, blocks)).collect();
            assert_eq!(runs.len(), blocks * (blocks + 1) / 2);
        }
    }

    #[test]
    fn sizes_rise_and_take_whole_octets() {
        let rising =
            |sizes: &[u16]| sizes.windows(2).all(|pair| pair[0] < pair[1]) && sizes.iter().all(|size| size % 8 == 0);
        assert!(rising(&SIZES_1A[0]) && rising(&SIZES_1A[1]) && rising(&SIZES_1C));
    }
}
