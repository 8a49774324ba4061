//! Channel coding of the GSM broadcast channels, both ways: xCCH blocks (BCCH, CCCH) and SCH bursts.
//!
//! Receiving, a block passes de-interleaving, an exact soft Viterbi decoder and the Fire code, which is used to detect errors only:
//! its burst correction would accept a share of the wrong blocks for a gain that soft decisions already have. Measured limit over
//! AWGN with ideal antipodal symbols: the snapshot in `tests/gsm_coding.rs`, level with libosmocoding's soft decoder.
//!
//! **What leaves this module.** [`XcchDecoder::decode`] is the only way from soft decisions to octets, and it gives octets away for
//! SYSTEM INFORMATION received where the BCCH is, nothing else. Of any other block the header's message type is looked at where
//! counting was asked for, the class is all that remains, and soft decisions, decoder state and decoded bits are overwritten before
//! the function returns. `tests/gsm_coding.rs` holds it to that.
//!
//! ## References
//! - 3GPP TS 45.003 Release 17: channel coding, clauses 4.1 (SACCH; also BCCH, PCH, AGCH by 4.4) and 4.7 (SCH)
//! - 3GPP TS 45.002 Release 17: multiplexing, clause 3.3.2.2.1 (reduced frame number), 4.3.3 (frame number)
//! - 3GPP TS 44.018 Release 17: RR protocol, clauses 9.1.30a (SCH information), 10.4 (message types), 10.5.2.19 (L2 pseudo length)
//! - 3GPP TS 44.006 Release 17: data link layer, clause 2.3 (frame format Bbis), 5.2 (fill frames)

use crate::coding::crc::CyclicCode;
use crate::coding::viterbi::{Generators, TAIL_BITS, Viterbi};
use crate::l3::gsm::{MESSAGE_OCTETS, si_type};
use zeroize::Zeroize;

/// Octets of an xCCH block; TS 45.003 clause 4.1.1 (184 information bits).
pub const BLOCK_OCTETS: usize = MESSAGE_OCTETS;

/// Encrypted bits of one normal burst without the two stealing flags; TS 45.003 clause 4.1.5.
pub const BURST_BITS: usize = 114;

/// Encoded bits of one synchronisation burst; TS 45.003 clause 4.7.
pub const SCH_BITS: usize = 78;

/// Frames in a hyperframe, the range of the frame number; TS 45.002 clause 4.3.3.
pub const HYPERFRAME: u32 = 26 * 51 * 2048;

/// `G0 = 1 + D^3 + D^4`, `G1 = 1 + D + D^3 + D^4`; TS 45.003 clauses 4.1.3 and 4.7.
const GENERATORS: Generators = Generators([0b11001, 0b11011]);

/// The Fire code `(D^23 + 1)(D^17 + D^3 + 1)`; TS 45.003 clause 4.1.2.
const FIRE: CyclicCode = CyclicCode::new(40, &[26, 23, 17, 3, 0], true);

/// `D^10 + D^8 + D^6 + D^5 + D^4 + D^2 + 1`; TS 45.003 clause 4.7.
const SCH_PARITY: CyclicCode = CyclicCode::new(10, &[8, 6, 5, 4, 2, 0], true);

const BLOCK_BITS: usize = 8 * BLOCK_OCTETS;
const XCCH_BITS: usize = BLOCK_BITS + FIRE.degree() + TAIL_BITS;
const SCH_INFO_BITS: usize = 25;
const SCH_WORD_BITS: usize = SCH_INFO_BITS + SCH_PARITY.degree() + TAIL_BITS;

/// Burst and position in it of coded bit `k`; TS 45.003 clause 4.1.4, with 4.1.5's stealing flags left out.
const fn interleave(k: usize) -> (usize, usize) {
    (k % 4, 2 * ((49 * k) % 57) + (k % 8) / 4)
}

/// Bits of octets in order of transmission, bit 1 (least significant) of the first octet first; TS 44.006 clause 2.6.
fn to_bits(octets: &[u8], bits: &mut [u8]) {
    for (i, bit) in bits.iter_mut().enumerate() {
        *bit = octets[i / 8] >> (i % 8) & 1;
    }
}

/// The inverse of [`to_bits`].
fn to_octets<const N: usize>(bits: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bits[8 * i..].iter().take(8).enumerate().fold(0, |octet, (n, &bit)| octet | bit << n))
}

/// Where in the 51-multiframe of timeslot 0 a block was received; TS 45.002 table 3 of clause 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// BCCH Norm: frames 2 to 5.
    BcchNorm,
    /// BCCH Ext: frames 6 to 9, where the cell may send SYSTEM INFORMATION in place of a CCCH block.
    BcchExt,
    /// Any other block: paging and access grant.
    Ccch,
}

/// The class of a block that is not SYSTEM INFORMATION. Counted where the operator asked for it, and only that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CcchClass {
    /// PAGING REQUEST of types 1 to 3; TS 44.018 clauses 9.1.22 to 9.1.24. An idle channel sends type 1 without identities.
    Paging,
    /// IMMEDIATE ASSIGNMENT, EXTENDED or REJECT; TS 44.018 clauses 9.1.18 to 9.1.20.
    AccessGrant,
    /// A fill frame of the data link layer; TS 44.006 clause 5.2.
    Dummy,
    /// Anything else.
    Other,
}

/// What became of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// SYSTEM INFORMATION on the BCCH: the 23 octets.
    SystemInformation([u8; BLOCK_OCTETS]),
    /// Decoded without error, not SYSTEM INFORMATION on the BCCH, and wiped. The class only where counting was asked for.
    Other(Option<CcchClass>),
    /// The Fire code found errors; wiped.
    Failed,
}

/// The class that a header names; TS 44.018 table 10.4.1.
fn class(header: [u8; 3]) -> CcchClass {
    match (header[1], header[2]) {
        (0x06, 0x21 | 0x22 | 0x24) => CcchClass::Paging,
        (0x06, 0x39 | 0x3a | 0x3f) => CcchClass::AccessGrant,
        // After a pseudo length of 0, padding (0x2b); or an unnumbered frame (0x03) without information (0x01).
        (0x2b, 0x2b) | (0x03, 0x01) => CcchClass::Dummy,
        _ => CcchClass::Other,
    }
}

/// Decodes blocks of four normal bursts.
#[derive(Clone, Debug)]
pub struct XcchDecoder {
    count_ccch: bool,
    viterbi: Viterbi,
    soft: [f32; 2 * XCCH_BITS],
    bits: [u8; XCCH_BITS],
}

impl XcchDecoder {
    /// A decoder; `count_ccch`: say of blocks that are not SYSTEM INFORMATION what class they were.
    pub fn new(count_ccch: bool) -> XcchDecoder {
        XcchDecoder {
            count_ccch,
            viterbi: Viterbi::new(GENERATORS, XCCH_BITS),
            soft: [0.0; 2 * XCCH_BITS],
            bits: [0; XCCH_BITS],
        }
    }

    /// Decodes one block; TS 45.003 clauses 4.1.5 back to 4.1.1.
    ///
    /// `bursts`: log-likelihood ratios (positive: bit 0) of `e(0..57)` and `e(59..116)` of the four bursts in order of time. Unless
    /// the answer is [`Block::SystemInformation`], they are overwritten with zeros together with everything that was made of them.
    pub fn decode(&mut self, bursts: &mut [[f32; BURST_BITS]; 4], place: Place) -> Block {
        for (k, soft) in self.soft.iter_mut().enumerate() {
            let (burst, j) = interleave(k);
            *soft = bursts[burst][j];
        }
        self.viterbi.decode(&self.soft, &mut self.bits);
        let block = self.judge(place);
        if !matches!(block, Block::SystemInformation(_)) {
            bursts.iter_mut().for_each(|burst| burst.zeroize());
        }
        self.wipe();
        block
    }

    /// Decides from the Fire code, the place and the three octets of the header what may leave.
    fn judge(&self, place: Place) -> Block {
        let word = &self.bits[..XCCH_BITS - TAIL_BITS];
        if !FIRE.check(word) {
            return Block::Failed;
        }
        let header = to_octets(&word[..24]);
        let on_bcch = matches!(place, Place::BcchNorm | Place::BcchExt);
        if on_bcch && si_type(header).is_some() {
            return Block::SystemInformation(to_octets(&word[..BLOCK_BITS]));
        }
        Block::Other(self.count_ccch.then(|| class(header)))
    }

    fn wipe(&mut self) {
        self.viterbi.wipe();
        self.soft.zeroize();
        self.bits.zeroize();
    }

    /// Nothing of any block is left in the decoder.
    pub fn is_wiped(&self) -> bool {
        self.viterbi.is_wiped() && self.soft.iter().all(|&s| s == 0.0) && self.bits.iter().all(|&b| b == 0)
    }
}

/// Encodes one block: `e(0..57)` and `e(59..116)` of four bursts, bits of 0 or 1; TS 45.003 clauses 4.1.1 to 4.1.5.
pub fn encode_xcch(octets: &[u8; BLOCK_OCTETS]) -> [[u8; BURST_BITS]; 4] {
    let mut word = [0; XCCH_BITS];
    to_bits(octets, &mut word[..BLOCK_BITS]);
    FIRE.append(&mut word[..XCCH_BITS - TAIL_BITS]);
    let mut coded = [0; 2 * XCCH_BITS];
    GENERATORS.encode(&word, &mut coded);
    let mut bursts = [[0; BURST_BITS]; 4];
    for (k, &bit) in coded.iter().enumerate() {
        let (burst, j) = interleave(k);
        bursts[burst][j] = bit;
    }
    bursts
}

/// What a synchronisation burst says; TS 44.018 clause 9.1.30a.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchInfo {
    /// Base station identity code, 6 bits: NCC then BCC.
    pub bsic: u8,
    /// Frame number of the burst, 0..[`HYPERFRAME`].
    pub frame_number: u32,
}

impl SchInfo {
    /// From `T1`, `T2` and `T3'`; TS 45.002 clauses 3.3.2.2.1 and 4.3.3. `None` where they name no frame that has an SCH.
    fn from_reduced(bsic: u8, t1: u32, t2: u32, t3_prime: u32) -> Option<SchInfo> {
        if t1 >= 2048 || t2 >= 26 || t3_prime > 4 {
            return None;
        }
        let t3 = 10 * t3_prime + 1;
        let frame_number = 51 * ((t3 + 26 - t2) % 26) + t3 + 51 * 26 * t1;
        Some(SchInfo { bsic, frame_number })
    }
}

/// Decodes synchronisation bursts.
#[derive(Clone, Debug)]
pub struct SchDecoder {
    viterbi: Viterbi,
}

impl Default for SchDecoder {
    fn default() -> SchDecoder {
        SchDecoder::new()
    }
}

impl SchDecoder {
    /// A decoder.
    pub fn new() -> SchDecoder {
        SchDecoder { viterbi: Viterbi::new(GENERATORS, SCH_WORD_BITS) }
    }

    /// Decodes one burst; TS 45.003 clause 4.7.
    ///
    /// `soft`: log-likelihood ratios (positive: bit 0) of the 39 + 39 encrypted bits. `None` where the parity fails (one noise burst
    /// in 1024 passes it) or the frame number is none that can carry an SCH (of the rest, one in two passes: 26 * 5 of 32 * 8).
    pub fn decode(&mut self, soft: &[f32; SCH_BITS]) -> Option<SchInfo> {
        let mut word = [0; SCH_WORD_BITS];
        self.viterbi.decode(soft, &mut word);
        if !SCH_PARITY.check(&word[..SCH_WORD_BITS - TAIL_BITS]) {
            return None;
        }
        // Octets as in figure 9.1.30a.1, the fourth holding one bit: BSIC(6) T1(11) T2(5) T3'(3), split over octet boundaries.
        let [o1, o2, o3]: [u8; 3] = to_octets(&word[..24]);
        let [o1, o2, o3, o4] = [o1, o2, o3, word[24]].map(u32::from);
        let t1 = (o1 & 3) << 9 | o2 << 1 | o3 >> 7;
        let t2 = o3 >> 2 & 31;
        let t3_prime = (o3 & 3) << 1 | o4;
        SchInfo::from_reduced((o1 >> 2) as u8, t1, t2, t3_prime)
    }
}

/// Encodes one synchronisation burst: 39 + 39 encrypted bits of 0 or 1; TS 45.003 clause 4.7.
///
/// `bsic`: 6 bits. `frame_number`: that of a frame which carries an SCH
/// (1, 11, 21, 31 or 41 modulo 51; TS 45.002 clause 7 table 3), else the burst names another frame.
pub fn encode_sch(bsic: u8, frame_number: u32) -> [u8; SCH_BITS] {
    let frame_number = frame_number % HYPERFRAME;
    let (t1, t2, t3) = (frame_number / (26 * 51), frame_number % 26, frame_number % 51);
    let t3_prime = t3.saturating_sub(1) / 10;
    let octets = [u32::from(bsic) << 2 | t1 >> 9, t1 >> 1, t1 << 7 | t2 << 2 | t3_prime >> 1, t3_prime & 1]
        .map(|octet| octet as u8);
    let mut word = [0; SCH_WORD_BITS];
    to_bits(&octets, &mut word[..SCH_INFO_BITS]);
    SCH_PARITY.append(&mut word[..SCH_WORD_BITS - TAIL_BITS]);
    let mut coded = [0; SCH_BITS];
    GENERATORS.encode(&word, &mut coded);
    coded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn interleaving_uses_every_place_of_the_four_bursts_once() {
        let places: BTreeSet<(usize, usize)> = (0..456).map(interleave).collect();
        assert_eq!(places.len(), 456);
        assert!(places.iter().all(|&(burst, j)| burst < 4 && j < BURST_BITS));
    }

    #[test]
    fn frame_numbers_with_an_sch_come_back_and_no_others_exist() {
        let mut decoder = SchDecoder::new();
        let frames = (0..HYPERFRAME).filter(|frame| frame % 51 % 10 == 1 && frame % 51 < 42);
        for frame_number in frames.step_by(997).chain([1, HYPERFRAME - 10]) {
            let soft = encode_sch(48, frame_number).map(|bit| 1.0 - 2.0 * f32::from(bit));
            assert_eq!(decoder.decode(&soft), Some(SchInfo { bsic: 48, frame_number }));
        }
        assert_eq!(SchInfo::from_reduced(0, 0, 26, 0), None);
        assert_eq!(SchInfo::from_reduced(0, 0, 0, 5), None);
    }
}
