//! One transport block of the downlink shared channel: cutting it up, its parity, turbo code and rate matching, and back.
//!
//! Redundancy versions of one block are added up in the soft buffer before each attempt.
//!
//! ## References
//! - 3GPP TS 36.212 Release 17: clauses 5.1.2 (segmentation), 5.1.4.1.2 (lengths), 5.3.2 (the channel)

use super::crc::{CRC24A, CRC24B, CyclicCode};
use super::rate_match_turbo::TurboRateMatch;
use super::turbo::{Interleaver, TAIL_BITS, Turbo, block_sizes, encode};

/// Z, the largest code block; TS 36.212 clause 5.1.2.
const LARGEST: usize = 6144;

/// The largest transport block of one layer with up to 64QAM; TS 36.213 table 7.1.7.2.1-1.
pub const MAX_TRANSPORT_BITS: usize = 75_376;

/// Iterations of the turbo decoder at most. Chosen: the usual number.
const MAX_ITERATIONS: usize = 8;

/// A filler bit is known to be zero: so much surer than the surest soft bit of the block.
const FILLER_FACTOR: f32 = 100.0;

/// How a transport block with its parity is cut into code blocks; TS 36.212 clause 5.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// C, code blocks.
    pub blocks: usize,
    /// C_-, those of them, the first ones, that have K_- bits.
    pub smaller_blocks: usize,
    /// K_-; zero where there are none.
    pub smaller: usize,
    /// K_+.
    pub larger: usize,
    /// F, zeros before the first block's bits that are not sent.
    pub filler: usize,
}

impl Segmentation {
    /// For `bits` (B), parity included; `None` where there are none.
    pub fn new(bits: usize) -> Option<Segmentation> {
        if bits == 0 {
            return None;
        }
        let blocks = if bits <= LARGEST { 1 } else { bits.div_ceil(LARGEST - CRC24B.degree()) };
        let total = if blocks == 1 { bits } else { bits + blocks * CRC24B.degree() };
        let larger = block_sizes().find(|size| blocks * size >= total)?;
        let (smaller, smaller_blocks) = if blocks == 1 {
            (0, 0)
        } else {
            let smaller = block_sizes().rev().find(|&size| size < larger)?;
            (smaller, (blocks * larger - total) / (larger - smaller))
        };
        let filler = (blocks - smaller_blocks) * larger + smaller_blocks * smaller - total;
        Some(Segmentation { blocks, smaller_blocks, smaller, larger, filler })
    }

    fn size(&self, block: usize) -> usize {
        if block < self.smaller_blocks { self.smaller } else { self.larger }
    }

    fn filler_of(&self, block: usize) -> usize {
        if block == 0 { self.filler } else { 0 }
    }

    /// E of each block in turn: how the sent bits are shared out; clause 5.1.4.1.2.
    ///
    /// `sent` is G; `group` is N_L * Q_m, bits of one symbol over all layers (transmit diversity: two layers).
    fn shares(&self, sent: usize, group: usize) -> impl Iterator<Item = usize> + use<> {
        let symbols = sent / group.max(1);
        let (blocks, rest) = (self.blocks, symbols % self.blocks);
        (0..blocks).map(move |block| group * (symbols / blocks + usize::from(block + rest >= blocks)))
    }
}

/// A code block's part of the work.
#[derive(Clone, Debug)]
struct CodeBlock {
    interleaver: Interleaver,
    matcher: TurboRateMatch,
    filler: usize,
    /// d^(0), d^(1), d^(2), all that was received so far.
    soft: Vec<f32>,
    bits: Vec<u8>,
}

/// A transport block of one size: sent, or received in one or more redundancy versions.
#[derive(Clone, Debug)]
pub struct TransportBlock {
    bits: usize,
    segmentation: Segmentation,
    blocks: Vec<CodeBlock>,
    turbo: Turbo,
    /// The block with its parity, one bit an element.
    word: Vec<u8>,
    octets: Vec<u8>,
}

impl TransportBlock {
    /// For transport blocks of `bits` (A).
    ///
    /// `None` unless `bits` is a positive multiple of eight up to [`MAX_TRANSPORT_BITS`]; every size of TS 36.213 is one.
    pub fn new(bits: usize) -> Option<TransportBlock> {
        if bits == 0 || !bits.is_multiple_of(8) || bits > MAX_TRANSPORT_BITS {
            return None;
        }
        let segmentation = Segmentation::new(bits + CRC24A.degree())?;
        let blocks = (0..segmentation.blocks)
            .map(|block| {
                let (size, filler) = (segmentation.size(block), segmentation.filler_of(block));
                Some(CodeBlock {
                    interleaver: Interleaver::new(size)?,
                    matcher: TurboRateMatch::new(size, filler),
                    filler,
                    soft: vec![0.0; 3 * (size + TAIL_BITS)],
                    bits: vec![0; size],
                })
            })
            .collect::<Option<Vec<CodeBlock>>>()?;
        Some(TransportBlock {
            bits,
            segmentation,
            blocks,
            turbo: Turbo::new(segmentation.larger),
            word: vec![0; bits + CRC24A.degree()],
            octets: vec![0; bits / 8],
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
        self.blocks.iter_mut().for_each(|block| block.soft.fill(0.0));
    }

    /// Adds one reception of redundancy version `version` (0 to 3): the descrambled soft bits (positive: zero) in order.
    ///
    /// `group` is N_L * Q_m: 2 for QPSK from one port, 4 for QPSK with transmit diversity.
    pub fn combine(&mut self, received: &[f32], version: u8, group: usize) {
        let mut rest = received;
        for (block, share) in self.blocks.iter_mut().zip(self.segmentation.shares(received.len(), group)) {
            let (part, after) = rest.split_at(share.min(rest.len()));
            block.matcher.combine(part, version, &mut block.soft);
            rest = after;
        }
    }

    /// Tries to decode what was added up; the octets where each parity is right.
    ///
    /// A block of nothing but zeros is refused: it is a word of every such code, and so what an empty reception decodes to.
    pub fn decode(&mut self) -> Option<&[u8]> {
        let single = self.blocks.len() == 1;
        let mut written = 0;
        for block in &mut self.blocks {
            fill_in(&mut block.soft, block.bits.len(), block.filler);
            let parity = if single { CRC24A } else { CRC24B };
            let filler = block.filler;
            let right = |bits: &[u8]| parity.check(&bits[filler..]) && (!single || bits.contains(&1));
            if !self.turbo.decode(&block.interleaver, &block.soft, &mut block.bits, MAX_ITERATIONS, right) {
                return None;
            }
            let end = block.bits.len() - if single { 0 } else { CRC24B.degree() };
            let information = &block.bits[filler..end];
            self.word[written..written + information.len()].copy_from_slice(information);
            written += information.len();
        }
        if !CRC24A.check(&self.word) || !self.word.contains(&1) {
            return None;
        }
        for (octet, bits) in self.octets.iter_mut().zip(self.word.chunks_exact(8)) {
            *octet = bits.iter().fold(0, |octet, &bit| octet << 1 | bit);
        }
        Some(&self.octets)
    }

    /// Encodes `octets` as redundancy version `version` into the bits of `sent`; `group` as for [`TransportBlock::combine`].
    ///
    /// # Panics
    /// Where `octets` is not as long as the transport block.
    pub fn encode(&self, octets: &[u8], version: u8, group: usize, sent: &mut [u8]) {
        assert_eq!(8 * octets.len(), self.bits, "as many octets as the transport block takes");
        let mut word: Vec<u8> = octets.iter().flat_map(|octet| (0..8).rev().map(move |i| octet >> i & 1)).collect();
        word.resize(self.bits + CRC24A.degree(), 0);
        CRC24A.append(&mut word);
        let (mut word, mut rest) = (&word[..], &mut sent[..]);
        let shares = self.segmentation.shares(rest.len(), group);
        for (block, share) in self.blocks.iter().zip(shares) {
            let mut bits = vec![0; block.bits.len()];
            let parity: Option<CyclicCode> = (self.blocks.len() > 1).then_some(CRC24B);
            let end = bits.len() - parity.map_or(0, |parity| parity.degree());
            let (information, after) = word.split_at(end - block.filler);
            bits[block.filler..end].copy_from_slice(information);
            word = after;
            if let Some(parity) = parity {
                parity.append(&mut bits);
            }
            let mut coded = vec![0; block.soft.len()];
            encode(&block.interleaver, &bits, &mut coded);
            let (part, after) = rest.split_at_mut(share);
            block.matcher.select(&coded, version, part);
            rest = after;
        }
    }
}

/// Makes the filler bits, systematic and parity, surely zero.
fn fill_in(soft: &mut [f32], size: usize, filler: usize) {
    if filler == 0 {
        return;
    }
    let stream = size + TAIL_BITS;
    for first in [0, stream] {
        soft[first..first + filler].fill(0.0);
    }
    let sure = FILLER_FACTOR * soft.iter().fold(0.0f32, |top, soft| top.max(soft.abs()));
    for first in [0, stream] {
        soft[first..first + filler].fill(sure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_takes_up_to_6144_bits_and_more_are_shared() {
        let of = |bits| Segmentation::new(bits).unwrap();
        assert_eq!(of(232), Segmentation { blocks: 1, smaller_blocks: 0, smaller: 0, larger: 232, filler: 0 });
        assert_eq!(of(24), Segmentation { blocks: 1, smaller_blocks: 0, smaller: 0, larger: 40, filler: 16 });
        assert_eq!(of(6144).blocks, 1);
        // 6145 bits: two blocks of together 6145 + 48 bits; 3136 + 3072 = 6208 leave 15.
        assert_eq!(of(6145), Segmentation { blocks: 2, smaller_blocks: 1, smaller: 3072, larger: 3136, filler: 15 });
        assert_eq!(Segmentation::new(0), None);
    }

    #[test]
    fn transport_blocks_of_no_standard_size_are_refused() {
        for bits in [0, 7, 12, MAX_TRANSPORT_BITS + 8] {
            assert!(TransportBlock::new(bits).is_none(), "{bits}");
        }
    }

    #[test]
    fn a_block_comes_back_whole_from_a_clean_reception() {
        for (bits, sent) in [(16, 240), (208, 1200), (1000, 2400), (2216, 5000), (12_960, 30_000)] {
            let mut block = TransportBlock::new(bits).unwrap();
            let octets: Vec<u8> = (0..bits / 8).map(|i| (i * 37 + 11) as u8).collect();
            let mut coded = vec![0; sent];
            block.encode(&octets, 0, 4, &mut coded);
            let soft: Vec<f32> = coded.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect();
            block.combine(&soft, 0, 4);
            assert_eq!(block.decode(), Some(&octets[..]), "{bits}");
            block.clear();
            assert_eq!(block.decode(), None, "nothing received, {bits}");
        }
    }

    /// Systematic bits are few in versions 2, 3 and 1: each alone may fail, and their sum may not.
    #[test]
    fn redundancy_versions_add_up() {
        let mut block = TransportBlock::new(256).unwrap();
        let octets: Vec<u8> = (0..32).map(|i| i * 5 + 3).collect();
        for version in [2, 3, 1, 0] {
            let mut coded = vec![0; 300];
            block.encode(&octets, version, 2, &mut coded);
            let soft: Vec<f32> = coded.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect();
            block.combine(&soft, version, 2);
        }
        assert_eq!(block.decode(), Some(&octets[..]));
    }
}
