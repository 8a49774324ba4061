//! One transport block of NR's downlink shared channel: cutting it up, its parity, LDPC code and rate matching, undone.
//!
//! Redundancy versions of one block are added up in the soft buffer before each attempt. The buffer holds all of the code: its limit
//! (I_LBRM) lies above 27,000 bits even for the narrowest bandwidth part and one layer, and a block of system information, of 2976 bits
//! at most (TS 38.214 clause 5.1.3), makes fewer.
//!
//! ## References
//! - 3GPP TS 38.212 Release 17: clauses 5.2.2 (segmentation), 5.4.2 (rate matching), 5.5 and 7.2 (the channel)

use super::crc::{CRC16, CRC24A, CRC24B, CyclicCode};
use super::ldpc::{BaseGraph, Ldpc, PUNCTURED_COLUMNS, lifting_size};

/// The largest transport block that is taken: of four code blocks. Chosen: far above what system information may have.
pub const MAX_TRANSPORT_BITS: usize = 32_000;

/// Above this the transport block's parity has 24 bits; TS 38.212 clause 7.2.1.
const SHORT_PARITY_BITS: usize = 3824;

/// Iterations of the decoder at most. Chosen: more gain less than 0.1 dB; `tests/nr_ldpc.rs`.
const MAX_ITERATIONS: usize = 20;

/// A filler bit is known to be zero: so much surer than the surest soft bit of the block.
const FILLER_FACTOR: f32 = 100.0;

/// Code rates in 1024ths, as tables of modulation and coding give them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate1024(pub u16);

/// Which base graph a block of `bits` (A) is coded by; TS 38.212 clause 7.2.2.
pub fn base_graph(bits: usize, rate: Rate1024) -> BaseGraph {
    // 0.67 and 0.25.
    let (high, low) = (100 * u32::from(rate.0) > 67 * 1024, 4 * rate.0 <= 1024);
    let two = bits <= 292 || (bits <= SHORT_PARITY_BITS && !high) || low;
    if two { BaseGraph::Two } else { BaseGraph::One }
}

/// How a transport block with its parity is cut into code blocks; TS 38.212 clause 5.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// Which code.
    pub graph: BaseGraph,
    /// C, code blocks.
    pub blocks: usize,
    /// K', bits of a code block with its parity.
    pub filled: usize,
    /// Z_c.
    pub lifting: usize,
}

impl Segmentation {
    /// For `bits` (B), parity included; `None` where there are none, or code blocks could not be of equal size.
    pub fn new(graph: BaseGraph, bits: usize) -> Option<Segmentation> {
        let largest = if graph == BaseGraph::One { 8448 } else { 3840 };
        let blocks = if bits <= largest { 1 } else { bits.div_ceil(largest - CRC24B.degree()) };
        let total = if blocks == 1 { bits } else { bits + blocks * CRC24B.degree() };
        if total == 0 || !total.is_multiple_of(blocks) {
            return None;
        }
        // K_b.
        let columns = match (graph, bits) {
            (BaseGraph::One, _) => 22,
            (BaseGraph::Two, 641..) => 10,
            (BaseGraph::Two, 561..) => 9,
            (BaseGraph::Two, 193..) => 8,
            (BaseGraph::Two, _) => 6,
        };
        let filled = total / blocks;
        Some(Segmentation { graph, blocks, filled, lifting: lifting_size(filled, columns)? })
    }

    /// E of each block in turn: how the sent bits are shared out; clause 5.4.2.1.
    fn shares(&self, sent: usize, modulation: usize) -> impl Iterator<Item = usize> + use<> {
        let symbols = sent / modulation.max(1);
        let (blocks, rest) = (self.blocks, symbols % self.blocks);
        (0..blocks).map(move |block| modulation * (symbols / blocks + usize::from(block + rest >= blocks)))
    }
}

/// k_0 by redundancy version, in lifting sizes; TS 38.212 table 5.4.2.1-2.
const STARTS_ONE: [usize; 4] = [0, 17, 33, 56];
/// The same of base graph 2.
const STARTS_TWO: [usize; 4] = [0, 13, 25, 43];

/// A transport block of one size, received in one or more redundancy versions.
#[derive(Clone, Debug)]
pub struct TransportBlock {
    bits: usize,
    segmentation: Segmentation,
    code: Ldpc,
    /// Parity of the transport block.
    parity: CyclicCode,
    /// Soft bits of every code block, those of the filler bits among them.
    soft: Vec<f32>,
    /// A code block's soft bits with its filler bits sure.
    filled: Vec<f32>,
    block: Vec<u8>,
    /// The block with its parity, one bit an element.
    word: Vec<u8>,
    octets: Vec<u8>,
}

impl TransportBlock {
    /// For transport blocks of `bits` (A) at code rate `rate`.
    ///
    /// `None` unless `bits` is a positive multiple of eight up to [`MAX_TRANSPORT_BITS`] that falls into equal code blocks; every size of
    /// TS 38.214 does.
    pub fn new(bits: usize, rate: Rate1024) -> Option<TransportBlock> {
        if bits == 0 || !bits.is_multiple_of(8) || bits > MAX_TRANSPORT_BITS {
            return None;
        }
        let parity = if bits > SHORT_PARITY_BITS { CRC24A } else { CRC16 };
        let total = bits + parity.degree();
        let segmentation = Segmentation::new(base_graph(bits, rate), total)?;
        let code = Ldpc::new(segmentation.graph, segmentation.lifting)?;
        Some(TransportBlock {
            bits,
            segmentation,
            parity,
            soft: vec![0.0; segmentation.blocks * code.coded_bits()],
            filled: vec![0.0; code.coded_bits()],
            block: vec![0; code.information_bits()],
            word: vec![0; total],
            octets: vec![0; bits / 8],
            code,
        })
    }

    /// A, bits of the transport block.
    pub fn transport_bits(&self) -> usize {
        self.bits
    }

    /// How it is cut.
    pub fn segmentation(&self) -> Segmentation {
        self.segmentation
    }

    /// Forgets what was received.
    pub fn clear(&mut self) {
        self.soft.fill(0.0);
    }

    /// Places of the filler bits among a code block's coded bits.
    fn filler(&self) -> std::ops::Range<usize> {
        let punctured = PUNCTURED_COLUMNS * self.segmentation.lifting;
        self.segmentation.filled.saturating_sub(punctured)..self.code.information_bits() - punctured
    }

    /// Adds one reception of redundancy version `version` (0 to 3): the descrambled soft bits (positive: zero) in order.
    ///
    /// `modulation` is Q_m, bits of a symbol; one layer.
    pub fn combine(&mut self, received: &[f32], version: u8, modulation: usize) {
        let (length, filler) = (self.code.coded_bits(), self.filler());
        let starts = if self.segmentation.graph == BaseGraph::One { STARTS_ONE } else { STARTS_TWO };
        let start = starts[usize::from(version & 3)] * self.segmentation.lifting;
        let mut rest = received;
        let shares = self.segmentation.shares(received.len(), modulation);
        for (soft, share) in self.soft.chunks_exact_mut(length).zip(shares) {
            let (part, after) = rest.split_at(share);
            rest = after;
            let places = (0..length).cycle().skip(start).filter(|place| !filler.contains(place));
            // Bit i of each symbol comes from the i-th of Q_m equal parts; clause 5.4.2.2.
            let columns = share / modulation.max(1);
            for (n, place) in places.take(share).enumerate() {
                soft[place] += part[n % columns * modulation + n / columns];
            }
        }
    }

    /// Tries to decode what was added up; the octets where each parity is right.
    ///
    /// A block of nothing but zeros is refused: it is a word of every such code, and so what an empty reception decodes to.
    pub fn decode(&mut self) -> Option<&[u8]> {
        let (length, filler, segmentation) = (self.code.coded_bits(), self.filler(), self.segmentation);
        let single = segmentation.blocks == 1;
        let mut written = 0;
        for soft in self.soft.chunks_exact(length) {
            self.filled.copy_from_slice(soft);
            let sure = FILLER_FACTOR * soft.iter().fold(0.0f32, |top, soft| top.max(soft.abs()));
            self.filled[filler.clone()].fill(sure);
            let parity = if single { self.parity } else { CRC24B };
            let right = |bits: &[u8]| {
                let (bits, filler) = bits.split_at(segmentation.filled);
                parity.check(bits) && !filler.contains(&1) && (!single || bits.contains(&1))
            };
            if !self.code.decode(&self.filled, &mut self.block, MAX_ITERATIONS, right) {
                return None;
            }
            let information = &self.block[..segmentation.filled - if single { 0 } else { CRC24B.degree() }];
            self.word[written..written + information.len()].copy_from_slice(information);
            written += information.len();
        }
        if !self.parity.check(&self.word) || !self.word.contains(&1) {
            return None;
        }
        for (octet, bits) in self.octets.iter_mut().zip(self.word.chunks_exact(8)) {
            *octet = bits.iter().fold(0, |octet, &bit| octet << 1 | bit);
        }
        Some(&self.octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_as_the_clause_says() {
        let of = |graph, bits| Segmentation::new(graph, bits).unwrap();
        let (one, two) = (BaseGraph::One, BaseGraph::Two);
        assert_eq!(of(two, 640), Segmentation { graph: two, blocks: 1, filled: 640, lifting: 72 });
        assert_eq!(of(two, 824), Segmentation { graph: two, blocks: 1, filled: 824, lifting: 88 });
        assert_eq!(of(two, 40), Segmentation { graph: two, blocks: 1, filled: 40, lifting: 7 });
        assert_eq!(of(one, 8448), Segmentation { graph: one, blocks: 1, filled: 8448, lifting: 384 });
        // 8450 bits in two blocks: 4225 and 24 each.
        assert_eq!(of(one, 8450), Segmentation { graph: one, blocks: 2, filled: 4249, lifting: 208 });
        assert_eq!((Segmentation::new(two, 0), Segmentation::new(one, 8449)), (None, None));
    }

    #[test]
    fn the_base_graph_follows_size_and_rate() {
        let (one, two) = (BaseGraph::One, BaseGraph::Two);
        for (bits, rate, graph) in [
            (292, 900, two),
            (296, 900, one),
            (296, 686, two),
            (296, 687, one),
            (3824, 300, two),
            (3848, 300, one),
            (3848, 256, two),
        ] {
            assert_eq!(base_graph(bits, Rate1024(rate)), graph, "{bits} {rate}");
        }
    }

    #[test]
    fn sizes_that_do_not_exist_are_refused_and_nothing_received_is_no_block() {
        for bits in [0, 7, 12, MAX_TRANSPORT_BITS + 8] {
            assert!(TransportBlock::new(bits, Rate1024(120)).is_none(), "{bits}");
        }
        for bits in [24, 672, 2976, 7000] {
            let mut block = TransportBlock::new(bits, Rate1024(308)).unwrap();
            assert_eq!(block.decode(), None);
            // All zeros as surely as can be.
            block.combine(&vec![9.0; 4 * bits], 0, 2);
            assert_eq!(block.decode(), None, "{bits}");
        }
    }
}
