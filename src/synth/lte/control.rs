//! The control region of a subframe as bits: PCFICH and PDCCH, common search space.

use super::{Cell, CellError, Format, check};
use crate::coding::gold::Gold;
use crate::rat::lte::control::{CCE_GROUPS, COMMON_CCES, GROUP, encode};
use crate::rat::lte::dci::{self, Assignment, SIZES_1A, SIZES_1C};
use crate::rat::lte::numerology::Duplex;

/// Bits of a group of resource elements: QPSK.
const GROUP_BITS: usize = 2 * GROUP;

/// The lower aggregation level of the common search space; TS 36.213 table 9.1.1-1.
pub(super) const LEAST_AGGREGATION: usize = 4;

/// Scrambled bits of the PCFICH in `subframe`; TS 36.212 table 5.3.4-1, TS 36.211 clause 6.7.1.
pub(super) fn indicator(pci: u16, subframe: usize, format: usize) -> [u8; 4 * GROUP_BITS] {
    // Format 1 is 011011..., format 2 is 101101..., format 3 is 110110...
    let mut bits = std::array::from_fn(|i| u8::from(i % 3 != format - 1));
    let pci = u32::from(pci);
    Gold::new((((subframe as u32 + 1) * (2 * pci + 1)) << 9) + pci).scramble(&mut bits);
    bits
}

/// What is announced of one block of system information, all but its redundancy version.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    /// Size of the transport block, bits.
    pub(super) size: usize,
    duplex: Duplex,
    blocks: usize,
    format: Format,
    value: usize,
    scheme: usize,
    three: bool,
}

/// Value of a run of `length` blocks from `start` on among `blocks`; TS 36.213 clause 7.1.6.3.
fn indication(start: usize, length: usize, blocks: usize) -> usize {
    if length - 1 <= blocks / 2 {
        blocks * (length - 1) + start
    } else {
        blocks * (blocks - length + 1) + (blocks - 1 - start)
    }
}

fn put(bits: &mut Vec<u8>, value: usize, count: usize) {
    bits.extend((0..count).rev().map(|i| (value >> i & 1) as u8));
}

impl Announcement {
    /// Of a message of `octets` octets, by the cell's grant.
    ///
    /// # Errors
    /// [`CellError::Range`] where the message fits no transport block or the grant does not fit the cell.
    pub(super) fn new(cell: &Cell, octets: usize) -> Result<Announcement, CellError> {
        let grant = cell.grant;
        let (second, wide) = match grant.format {
            Format::Localized => (false, cell.blocks),
            Format::Distributed { second_gap } | Format::Compact { second_gap } => {
                (second_gap, dci::virtual_blocks(cell.blocks, second_gap))
            }
        };
        check(!second || cell.blocks >= 50, "the second gap", "asked for", "used from 50 resource blocks on")?;
        let allowed = format!("1 to {wide}");
        check((1..=wide).contains(&grant.blocks), "the number of granted blocks", grant.blocks, &allowed)?;
        check([4, 8].contains(&grant.aggregation), "the aggregation level", grant.aggregation, "4 or 8")?;
        let fits = |size: u16| usize::from(size) >= 8 * octets;
        let (scheme, three, value) = if let Format::Compact { .. } = grant.format {
            let step = dci::step(cell.blocks);
            let allowed = format!("a multiple of {step} in format 1C");
            check(grant.blocks.is_multiple_of(step), "the number of granted blocks", grant.blocks, &allowed)?;
            let value = indication(0, grant.blocks / step, wide / step);
            (SIZES_1C.iter().position(|&size| fits(size)), false, value)
        } else {
            let [two, three] = [0, 1].map(|row| SIZES_1A[row].iter().position(|&size| fits(size)));
            let size = |row: usize, at: Option<usize>| at.map_or(u16::MAX, |at| SIZES_1A[row][at]);
            let value = indication(0, grant.blocks, cell.blocks);
            if size(1, three) < size(0, two) { (three, true, value) } else { (two, false, value) }
        };
        let Some(scheme) = scheme else {
            return Err(CellError::Range {
                what: "the length of a message",
                value: format!("{octets} octets"),
                allowed: "at most 277 octets in format 1A, 217 in format 1C".to_owned(),
            });
        };
        let size = match grant.format {
            Format::Compact { .. } => SIZES_1C[scheme],
            _ => SIZES_1A[usize::from(three)][scheme],
        };
        let (duplex, format) = (cell.frames.duplex(), grant.format);
        Ok(Announcement { size: size.into(), duplex, blocks: cell.blocks, format, value, scheme, three })
    }

    /// The message of redundancy version `version`; TS 36.212 clauses 5.3.3.1.3 and 5.3.3.1.4.
    pub(super) fn bits(&self, version: u8) -> Vec<u8> {
        let mut bits = Vec::new();
        let (distributed, second) = match self.format {
            Format::Localized => (false, false),
            Format::Distributed { second_gap } => (true, second_gap),
            Format::Compact { second_gap } => {
                if self.blocks >= 50 {
                    bits.push(u8::from(second_gap));
                }
                let steps = dci::virtual_blocks(self.blocks, false) / dci::step(self.blocks);
                put(&mut bits, self.value, dci::indication_bits(steps));
                put(&mut bits, self.scheme, 5);
                return bits;
            }
        };
        bits.extend([1, u8::from(distributed)]);
        put(&mut bits, self.value, dci::indication_bits(self.blocks));
        put(&mut bits, self.scheme, 5);
        put(&mut bits, 0, if self.duplex == Duplex::Tdd { 4 } else { 3 });
        bits.push(u8::from(second));
        put(&mut bits, version.into(), 2);
        put(&mut bits, self.three.into(), 2);
        // TDD's downlink assignment index, and what fills the message up.
        bits.resize(dci::length_1a(self.duplex, self.blocks), 0);
        bits
    }

    /// Where the block of system information stands.
    ///
    /// # Panics
    /// Never: `new` has checked the grant.
    pub(super) fn assignment(&self) -> Assignment {
        let bits = self.bits(0);
        let read = match self.format {
            Format::Compact { .. } => dci::format_1c(&bits, self.blocks),
            _ => dci::format_1a(&bits, self.blocks),
        };
        read.expect("a grant that was checked names blocks")
    }
}

/// The PDCCH of one subframe: bits by group before interleaving, and which groups carry any.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    pub(super) bits: Vec<u8>,
    /// By control channel element.
    pub(super) used: Vec<bool>,
}

/// Control channel elements of `groups` groups.
pub(super) fn elements(groups: usize) -> usize {
    groups / CCE_GROUPS
}

impl Messages {
    /// An empty PDCCH of `groups` groups.
    pub(super) fn clear(&mut self, groups: usize) {
        self.bits.clear();
        self.bits.resize(groups * GROUP_BITS, 0);
        self.used.clear();
        self.used.resize(elements(groups), false);
    }

    /// Adds `message` for `rnti` at candidate `turn` of the common search space, counted round; TS 36.213 clause 9.1.1.
    ///
    /// In four elements where the region is too small for `aggregation`; `false` where it is too small for those, or another message is
    /// there.
    pub(super) fn announce(&mut self, message: &[u8], rnti: u16, aggregation: usize, turn: usize) -> bool {
        let aggregation = if self.used.len() < aggregation { LEAST_AGGREGATION } else { aggregation };
        let candidates = self.used.len().min(COMMON_CCES) / aggregation;
        if candidates == 0 {
            return false;
        }
        let first = turn % candidates * aggregation;
        let used = &mut self.used[first..first + aggregation];
        if used.contains(&true) {
            return false;
        }
        used.fill(true);
        let element = CCE_GROUPS * GROUP_BITS;
        encode(message, rnti, &mut self.bits[first * element..(first + aggregation) * element]);
        true
    }

    /// Fills element `at` with the bits of somebody else's message.
    pub(super) fn occupy(&mut self, at: usize, mut bit: impl FnMut() -> u8) {
        let element = CCE_GROUPS * GROUP_BITS;
        self.bits[at * element..(at + 1) * element].fill_with(&mut bit);
        self.used[at] = true;
    }

    /// TS 36.211 clause 6.8.2.
    pub(super) fn scramble(&mut self, pci: u16, subframe: usize) {
        Gold::new((subframe as u32) << 9 | u32::from(pci)).scramble(&mut self.bits);
    }

    /// Whether the group before interleaving, and its bits.
    pub(super) fn group(&self, place: usize) -> Option<&[u8]> {
        let used = self.used.get(place / CCE_GROUPS).copied().unwrap_or(false);
        used.then(|| &self.bits[place * GROUP_BITS..(place + 1) * GROUP_BITS])
    }
}
