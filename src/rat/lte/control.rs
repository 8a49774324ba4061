//! The control region: its length (PCFICH) and the messages to everybody in it (PDCCH, common search space).
//!
//! Clauses 6.7 to 6.9 of TS 36.211 and 9.1.1 of TS 36.213. Of the PHICH only the place matters: its resource element groups are
//! taken out. In TDD their number follows from the uplink-downlink configuration, which only SIB1 tells: see [`PHICH_FACTORS`].

use super::channel::{Channel, soft_bits};
use super::grid::Grid;
use super::numerology::{BLOCK, CyclicPrefix};
use super::reference::is_reference;
use crate::coding::crc::CRC16;
use crate::coding::gold::Gold;
use crate::coding::rate_match::RateMatch;
use crate::coding::tail_biting::{self, TailBiting};
use std::collections::{BTreeMap, BTreeSet};

/// Resource elements of a group.
pub const GROUP: usize = 4;
/// Soft bits of a group: QPSK.
const GROUP_BITS: usize = 2 * GROUP;
/// Groups of a control channel element; TS 36.211 clause 6.8.1.
pub const CCE_GROUPS: usize = 9;
/// Control channel elements of the common search space; TS 36.213 table 9.1.1-1.
pub const COMMON_CCES: usize = 16;
/// Aggregation levels of the common search space; TS 36.213 table 9.1.1-1.
const LEVELS: [usize; 2] = [8, 4];
/// Values that m_i takes; TS 36.211 table 6.9-1. Type 1 frames have 1.
pub const PHICH_FACTORS: [usize; 3] = [1, 0, 2];
/// m_i by subframeAssignment and subframe, 0 also where nothing is sent to the terminals; TS 36.211 table 6.9-1.
const PHICH_SHARES: [[u8; 10]; 7] = [
    [2, 1, 0, 0, 0, 2, 1, 0, 0, 0],
    [0, 1, 0, 0, 1, 0, 1, 0, 0, 1],
    [0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
    [1, 0, 0, 0, 0, 0, 0, 0, 1, 1],
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1],
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    [1, 1, 0, 0, 0, 1, 1, 0, 0, 1],
];
/// SI-RNTI; TS 36.321 table 7.1-1.
pub const SI_RNTI: u16 = 0xffff;
/// A run of elements carries a message where its soft bits agree with it so well. Chosen: those of somebody else's message, 288 of them,
/// agree to 0.07 (one deviation), and those of a message at -8 dB to 0.47.
const AGREES: f32 = 0.4;
/// The longest message looked for, bits.
pub const MAX_PAYLOAD: usize = 44;

/// What the MIB says of the control region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Physical cell identity.
    pub pci: u16,
    /// Cyclic prefix.
    pub cp: CyclicPrefix,
    /// Resource blocks of the downlink.
    pub blocks: usize,
    /// Antenna ports.
    pub ports: usize,
    /// The PHICH lasts three symbols.
    pub phich_extended: bool,
    /// N_g in sixths: 1, 3, 6 or 12.
    pub phich_sixths: usize,
}

/// m_i of a type 2 frame's subframe; `None` for a configuration that does not exist.
pub fn phich_factor(assignment: u8, subframe: usize) -> Option<usize> {
    PHICH_SHARES.get(usize::from(assignment))?.get(subframe).copied().map(usize::from)
}

impl Layout {
    /// Groups of symbol `symbol`: the first subcarrier of each; TS 36.211 clause 6.2.4.
    fn groups(&self, symbol: usize) -> impl Iterator<Item = usize> + use<> {
        let shared = match symbol {
            0 => true,
            1 => self.ports == 4,
            3 => self.cp == CyclicPrefix::Extended,
            _ => false,
        };
        let width = if shared { 6 } else { 4 };
        (0..self.blocks * BLOCK / width).map(move |i| i * width)
    }

    /// Elements of the group that begins at `first`; reference elements are left out, for two ports where the cell has one.
    pub fn elements(&self, symbol: usize, first: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let layout = *self;
        (first..first + 6)
            .filter(move |&k| !is_reference(layout.pci, layout.cp, layout.ports.max(2), symbol, k))
            .take(GROUP)
            .map(move |k| (symbol, k))
    }

    /// First subcarriers of the four groups of the PCFICH; TS 36.211 clause 6.7.4.
    pub fn indicator(&self) -> [usize; 4] {
        let half = BLOCK / 2;
        let first = half * (usize::from(self.pci) % (2 * self.blocks));
        std::array::from_fn(|i| (first + i * self.blocks / 2 * half) % (self.blocks * BLOCK))
    }

    /// Symbols of the control region for an indicated `format`; TS 36.211 table 6.7-1. At most two in special subframes.
    pub fn symbols(&self, format: usize, special: bool) -> usize {
        let symbols = if self.blocks <= 10 { format + 1 } else { format };
        if special { symbols.min(2) } else { symbols }
    }

    /// Groups that the PHICH takes: (symbol, first subcarrier); TS 36.211 clause 6.9.3.
    fn phich(&self, factor: usize, special: bool) -> Vec<(usize, usize)> {
        let count = (self.phich_sixths * self.blocks).div_ceil(48) * factor;
        let taken = self.indicator();
        let free: Vec<Vec<usize>> = (0..3)
            .map(|symbol| self.groups(symbol).filter(|first| symbol > 0 || !taken.contains(first)).collect())
            .collect();
        let pci = usize::from(self.pci);
        (0..count)
            .flat_map(|unit| (0..3).map(move |part| (unit, part)))
            .map(|(unit, part)| {
                let symbol = match (self.phich_extended, special) {
                    (false, _) => 0,
                    (true, false) => part,
                    // Two symbols in the special subframes of type 2 frames; table 6.9.3-1.
                    (true, true) => (unit / 2 + part + 1) % 2,
                };
                let (here, first) = (free[symbol].len(), free[usize::from(special)].len());
                let start = if self.phich_extended { pci * here / first } else { pci };
                (symbol, free[symbol][(start + unit + part * here / 3) % here])
            })
            .collect()
    }

    /// Groups of the PDCCH in the order of mapping; TS 36.211 clause 6.8.5.
    fn pdcch(&self, symbols: usize, factor: usize, special: bool) -> Vec<(usize, usize)> {
        let (indicator, phich) = (self.indicator(), self.phich(factor, special));
        let mut groups: Vec<(usize, usize)> = (0..symbols)
            .flat_map(|symbol| self.groups(symbol).map(move |first| (first, symbol)))
            .filter(|&(first, symbol)| !(phich.contains(&(symbol, first)) || symbol == 0 && indicator.contains(&first)))
            .collect();
        groups.sort_unstable();
        groups.into_iter().map(|(first, symbol)| (symbol, first)).collect()
    }
}

/// Where the PDCCH of one length and PHICH share stands, and how its groups are shuffled; TS 36.211 clause 6.8.5.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its elements in the order of mapping, four a group.
    pub elements: Vec<(usize, usize)>,
    /// For each group in the order of mapping, its place before interleaving.
    pub order: Vec<usize>,
}

/// A subframe as the control region sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number in the frame.
    pub subframe: usize,
    /// It is a special subframe of a type 2 frame.
    pub special: bool,
}

/// Messages that were found in one subframe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// The control format indicator that they were found with.
    pub format: usize,
    /// The PHICH's m_i.
    pub factor: usize,
    /// Their bits, at least one message.
    pub bits: Vec<Vec<u8>>,
}

/// Reads the control region of one cell.
#[derive(Debug)]
pub struct Control {
    layout: Layout,
    indicator: Vec<(usize, usize)>,
    /// By format (1 to 3), PHICH factor (0 to 2) and kind of subframe, as they are met.
    regions: BTreeMap<(usize, usize, bool), Region>,
    decoder: TailBiting,
    soft: Vec<f32>,
    ordered: Vec<f32>,
}

impl Control {
    /// For one cell.
    pub fn new(layout: Layout) -> Control {
        let indicator = layout.indicator().into_iter().flat_map(|first| layout.elements(0, first)).collect();
        Control {
            layout,
            indicator,
            regions: BTreeMap::new(),
            decoder: TailBiting::new(MAX_PAYLOAD + 16),
            soft: Vec::new(),
            ordered: Vec::new(),
        }
    }

    /// The control format indicator, 1 to 3, most likely first; TS 36.211 clause 6.7, TS 36.212 table 5.3.4-1.
    pub fn formats(&mut self, (grid, channel): (&Grid, &Channel), subframe: usize) -> [usize; 3] {
        self.soft.clear();
        soft_bits(grid, channel, self.layout.ports, &self.indicator, &mut self.soft);
        let pci = u32::from(self.layout.pci);
        Gold::new((((subframe as u32 + 1) * (2 * pci + 1)) << 9) + pci).scramble_soft(&mut self.soft);
        let matched = |format: usize| -> f32 {
            let zero = |i: usize| i % 3 == (format + 2) % 3;
            self.soft.iter().enumerate().map(|(i, soft)| if zero(i) { *soft } else { -soft }).sum()
        };
        let mut formats = [1, 2, 3];
        formats.sort_by(|&a, &b| matched(b).total_cmp(&matched(a)));
        formats
    }

    /// Looks for messages with each of `formats` and `factors` (the PHICH's m_i) in turn until there is one.
    pub fn search(
        &mut self,
        view: (&Grid, &Channel),
        place: Place,
        (formats, factors): (&[usize], &[usize]),
        rnti: u16,
        lengths: &[usize],
    ) -> Option<Messages> {
        formats.iter().flat_map(|&format| factors.iter().map(move |&factor| (format, factor))).find_map(
            |(format, factor)| {
                let bits = self.messages(view, place, (format, factor), rnti, lengths);
                (!bits.is_empty()).then_some(Messages { format, factor, bits })
            },
        )
    }

    /// Messages for `rnti` in the common search space, one of `lengths` bits each.
    ///
    /// `format`: the control format indicator; `factor`: the PHICH's m_i.
    pub fn messages(
        &mut self,
        (grid, channel): (&Grid, &Channel),
        place: Place,
        (format, factor): (usize, usize),
        rnti: u16,
        lengths: &[usize],
    ) -> Vec<Vec<u8>> {
        let layout = &self.layout;
        let region = self
            .regions
            .entry((format, factor, place.special))
            .or_insert_with(|| Region::new(layout, format, factor, place.special));
        self.soft.clear();
        soft_bits(grid, channel, self.layout.ports, &region.elements, &mut self.soft);
        self.ordered.clear();
        self.ordered.resize(self.soft.len(), 0.0);
        for (group, to) in self.soft.chunks_exact(GROUP_BITS).zip(&region.order) {
            self.ordered[to * GROUP_BITS..(to + 1) * GROUP_BITS].copy_from_slice(group);
        }
        Gold::new((place.subframe as u32) << 9 | u32::from(self.layout.pci)).scramble_soft(&mut self.ordered);
        let element = CCE_GROUPS * GROUP_BITS;
        let elements = (self.ordered.len() / element).min(COMMON_CCES);
        let mut found: Vec<Vec<u8>> = Vec::new();
        for level in LEVELS {
            for candidate in 0..elements / level {
                let range = candidate * level * element..(candidate + 1) * level * element;
                for &length in lengths {
                    let Some(message) = decode(&mut self.decoder, &self.ordered[range.clone()], length, rnti) else {
                        continue;
                    };
                    if !found.contains(&message) {
                        found.push(message);
                    }
                }
            }
        }
        found
    }

    /// Resource elements of the control channel elements that carry `message` for `rnti` in what was looked at last: `format`, `factor`
    /// and `place` as for [`Control::messages`], which found it there.
    ///
    /// A message in four elements may be understood from eight of which four are somebody else's: of those from which it is understood only
    /// runs of four that agree with what is sent in them count.
    pub fn carrying(
        &mut self,
        message: &[u8],
        rnti: u16,
        (format, factor): (usize, usize),
        place: Place,
    ) -> Vec<(usize, usize)> {
        let runs = self.runs(message, rnti);
        let Some(region) = self.regions.get(&(format, factor, place.special)) else { return Vec::new() };
        let run = LEVELS[1] * CCE_GROUPS;
        let groups = region.elements.chunks_exact(GROUP).zip(&region.order);
        groups.filter(|(_, place)| runs.contains(&(*place / run))).flat_map(|(group, _)| group).copied().collect()
    }

    /// Runs of four control channel elements that carry `message`, by their place.
    fn runs(&mut self, message: &[u8], rnti: u16) -> BTreeSet<usize> {
        let run = LEVELS[1] * CCE_GROUPS * GROUP_BITS;
        let count = (self.ordered.len() / run).min(COMMON_CCES / LEVELS[1]);
        let mut runs = BTreeSet::new();
        for parts in LEVELS.map(|level| level / LEVELS[1]) {
            let mut sent = vec![0; parts * run];
            encode(message, rnti, &mut sent);
            for first in (0..count / parts).map(|candidate| candidate * parts) {
                let soft = &self.ordered[first * run..(first + parts) * run];
                if decode(&mut self.decoder, soft, message.len(), rnti).as_deref() == Some(message) {
                    let each = soft.chunks_exact(run).zip(sent.chunks_exact(run)).zip(first..);
                    runs.extend(each.filter(|((soft, sent), _)| agreement(soft, sent) > AGREES).map(|(_, at)| at));
                }
            }
        }
        runs
    }
}

impl Region {
    /// For a control format indicator of `format`; `factor`: the PHICH's m_i; `special`: in the special subframes of type 2 frames.
    pub fn new(layout: &Layout, format: usize, factor: usize, special: bool) -> Region {
        let groups = layout.pdcch(layout.symbols(format, special), factor, special);
        let count = groups.len();
        let elements = groups.iter().flat_map(|&(symbol, first)| layout.elements(symbol, first)).collect();
        // The interleaver reads groups out by columns; then they are shifted round by the cell's identity.
        let interleaved = interleaver(count);
        let order = (0..count).map(|i| interleaved[(i + usize::from(layout.pci)) % count]).collect();
        Region { elements, order }
    }
}

/// The sub-block interleaver on `count` groups; TS 36.211 clause 6.8.5 by TS 36.212 clause 5.1.4.2.1: output to input.
fn interleaver(count: usize) -> Vec<usize> {
    // The first stream of the rate matching is what the interleaver puts out: each value tells its own place.
    let places: Vec<f32> = (0..count).map(|i| i as f32).collect();
    let mut coded = vec![0.0; 3 * count];
    RateMatch::new(count).combine(&places, &mut coded);
    let mut order = vec![0; count];
    for (input, output) in coded[..count].iter().enumerate() {
        order[*output as usize] = input;
    }
    order
}

/// How well soft bits, positive where a zero is likely, agree with bits: 1 where they say the same, 0 where they have nothing in common.
pub fn agreement(soft: &[f32], bits: &[u8]) -> f32 {
    let signed = soft.iter().zip(bits).map(|(soft, bit)| if *bit == 0 { *soft } else { -soft });
    let all: f32 = soft.iter().map(|soft| soft.abs()).sum();
    signed.sum::<f32>() / all.max(f32::MIN_POSITIVE)
}

/// Encodes `message` for `rnti` into all of `sent`, before scrambling; TS 36.212 clauses 5.3.3.2 to 5.3.3.4.
pub fn encode(message: &[u8], rnti: u16, sent: &mut [u8]) {
    let mut word = message.to_vec();
    let parity = CRC16.parity(message) ^ u64::from(rnti);
    word.extend((0..16).rev().map(|i| (parity >> i & 1) as u8));
    let mut coded = vec![0; 3 * word.len()];
    tail_biting::encode(&word, &mut coded);
    RateMatch::new(word.len()).select(&coded, sent);
}

/// Decodes one candidate; `None` where the parity says that it is no message of `length` bits for `rnti`.
fn decode(decoder: &mut TailBiting, soft: &[f32], length: usize, rnti: u16) -> Option<Vec<u8>> {
    let coded = length + 16;
    let mut mother = vec![0.0; 3 * coded];
    RateMatch::new(coded).combine(soft, &mut mother);
    let mut bits = vec![0u8; coded];
    decoder.decode(&mother, &mut bits);
    let sent = bits[length..].iter().fold(0u64, |word, &bit| word << 1 | u64::from(bit));
    if CRC16.parity(&bits[..length]) != sent ^ u64::from(rnti) || !bits[..length].contains(&1) {
        return None;
    }
    bits.truncate(length);
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_eight_elements_only_those_count_that_carry_the_message() {
        let pci = 7;
        let layout =
            Layout { pci, cp: CyclicPrefix::Normal, blocks: 50, ports: 1, phich_extended: false, phich_sixths: 1 };
        let run = LEVELS[1] * CCE_GROUPS * GROUP_BITS;
        let (message, other): (Vec<u8>, Vec<u8>) = ((0..27).map(|i| u8::from(i % 3 == 0)).collect(), vec![1; 27]);
        for (level, runs) in [(LEVELS[1], vec![2]), (LEVELS[0], vec![2, 3])] {
            let mut control = Control::new(layout);
            let mut bits = vec![0; 4 * run];
            for part in bits.chunks_exact_mut(run) {
                encode(&other, 0x1234, part);
            }
            // A page that says the same is as like the message as can be.
            encode(&message, SI_RNTI - 1, &mut bits[..run]);
            encode(&message, SI_RNTI, &mut bits[2 * run..2 * run + level * CCE_GROUPS * GROUP_BITS]);
            control.ordered = bits.iter().map(|bit| 1.0 - 2.0 * f32::from(*bit)).collect();
            // The message in four elements is understood from those and the next four too.
            let eight = &control.ordered[2 * run..];
            assert_eq!(decode(&mut TailBiting::new(MAX_PAYLOAD + 16), eight, 27, SI_RNTI).as_ref(), Some(&message));
            assert_eq!(control.runs(&message, SI_RNTI), runs.into_iter().collect::<BTreeSet<usize>>());
            assert_eq!(control.runs(&message, SI_RNTI - 1), BTreeSet::from([0]));
        }
    }
}
