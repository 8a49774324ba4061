//! The polar code of NR's downlink: PBCH and PDCCH.
//!
//! [`Polar::new`] takes the lengths of one payload and of what is sent of it; [`Polar::encode`] and [`Polar::decode`] then do clauses
//! 7.1.3 to 7.1.5 (PBCH) or 7.3.2 to 7.3.4 (DCI) of TS 38.212: parity, interleaver of information bits, code, sub-block interleaver,
//! and repetition, puncturing or shortening. The two channels differ in the parity alone ([`Parity`]). Scrambling is not part of it.
//!
//! ```
//! use daen::coding::polar::{Parity, Polar};
//! let mut pbch = Polar::new(32, 864).unwrap();
//! let payload = [1; 32];
//! let mut sent = vec![0; 864];
//! pbch.encode(&payload, Parity::Plain, &mut sent);
//! let soft: Vec<f32> = sent.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect();
//! assert_eq!(pbch.decode(&soft, Parity::Plain).unwrap().bits, payload);
//! ```
//!
//! The decoder is a successive-cancellation list of `list::PATHS` with the parity as judge of what is left at the end (`list`).
//! Its limit over AWGN is the snapshot in `tests/nr_coding.rs`. All scratch is in the struct: no allocation per block.
//!
//! ## References
//! - 3GPP TS 38.212 Release 17: clauses 5.1 (parity), 5.3.1 (code), 5.4.1 (rate matching), 7.1 (PBCH), 7.3 (DCI)

mod list;
mod tables;

use super::crc::CRC24C;
use list::List;
use tables::{INTERLEAVED, INTERLEAVER, LONGEST, PARTS, SEQUENCE};

/// Bits of the parity, L.
const PARITY: usize = CRC24C.degree();
/// Longest payload whose bits are interleaved with their parity, as all of the downlink's are: K_IL^max less the parity.
pub const MAX_PAYLOAD: usize = INTERLEAVED - PARITY;
/// n_min; TS 38.212 clause 5.3.1.
const LEAST_POWER: u32 = 5;

/// How the parity is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// Of the payload; TS 38.212 clause 7.1.3 (PBCH).
    Plain,
    /// Of 24 ones and the payload, the last 16 of its bits being masked by this RNTI; TS 38.212 clause 7.3.2 (DCI).
    Masked(u16),
}

/// A block that was received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoded<'a> {
    /// The payload, parity taken off.
    pub bits: &'a [u8],
    /// Match of its code word with what was received, in standard deviations of what chance gives to one word: the sum of the soft bits
    /// of the mother code, signs turned to the word's, over the root of the sum of their squares.
    pub matched: f32,
}

/// Coder and decoder for payloads of one length in one number of sent bits.
#[derive(Clone, Debug)]
pub struct Polar {
    payload: usize,
    sent: usize,
    /// N, bits of the mother code.
    mother: usize,
    /// Places of the K bits in the input of the code, ascending.
    information: Vec<u16>,
    /// Pi(k) of clause 5.3.1.1: which bit of payload and parity stands at each of them.
    interleaver: Vec<u16>,
    /// J(n) of clause 5.4.1.1.
    sub_blocks: Vec<u16>,
    /// First place of the interleaved word that is sent.
    first: usize,
    /// Places of the mother code that are not sent because they are known to be zero.
    shortened: bool,
    list: List,
    /// Payload with parity, before it the 24 ones of [`Parity::Masked`].
    word: Vec<u8>,
    coded: Vec<u8>,
    soft: Vec<f32>,
}

/// n, the power of two that the mother code is long, for `k` bits (K) of which `e` (E) are sent; TS 38.212 clause 5.3.1 with n_max = 9.
fn power(k: usize, e: usize) -> u32 {
    let ceil_log = |x: usize| x.next_power_of_two().trailing_zeros();
    let full = ceil_log(e);
    // E <= 9/8 2^(ceil(log2 E) - 1) and K/E < 9/16.
    let fits = 16 * e <= 9 << full && 16 * k < 9 * e;
    let first = if fits { full - 1 } else { full };
    // R_min = 1/8.
    first.min(ceil_log(8 * k)).min(LONGEST.trailing_zeros()).max(LEAST_POWER)
}

/// Pi(k); TS 38.212 clause 5.3.1.1.
fn interleaver(k: usize) -> Vec<u16> {
    let left_out = (INTERLEAVED - k) as u16;
    INTERLEAVER.iter().filter_map(|&place| u16::from(place).checked_sub(left_out)).collect()
}

/// J(n); TS 38.212 clause 5.4.1.1.
fn sub_blocks(mother: usize) -> Vec<u16> {
    let part = mother / PARTS.len();
    (0..mother).map(|n| u16::from(PARTS[n / part]) * part as u16 + (n % part) as u16).collect()
}

impl Polar {
    /// For payloads of `payload` bits (A), of which with their parity `sent` bits (E) are sent; `None` where there are none, more than
    /// [`MAX_PAYLOAD`], or too few are sent to hold them.
    pub fn new(payload: usize, sent: usize) -> Option<Polar> {
        let k = payload + PARITY;
        if !(1..=MAX_PAYLOAD).contains(&payload) || sent < k || sent > 1 << 16 {
            return None;
        }
        let mother = 1usize << power(k, sent);
        let sub_blocks = sub_blocks(mother);
        // Clause 5.4.1.2: K/E <= 7/16 is punctured.
        let punctured = sent < mother && 16 * k <= 7 * sent;
        let shortened = sent < mother && !punctured;
        let mut frozen = vec![false; mother];
        // Clause 5.4.1.1, Q_F,tmp.
        if punctured {
            sub_blocks[..mother - sent].iter().for_each(|&place| frozen[usize::from(place)] = true);
            let more = if 4 * sent >= 3 * mother {
                (3 * mother).div_ceil(4) as i64 - (sent / 2) as i64
            } else {
                (9 * mother).div_ceil(16) as i64 - (sent / 4) as i64
            };
            frozen.iter_mut().take(more.max(0) as usize).for_each(|frozen| *frozen = true);
        } else if shortened {
            sub_blocks[sent..].iter().for_each(|&place| frozen[usize::from(place)] = true);
        }
        let usable = SEQUENCE.iter().rev().filter(|&&place| usize::from(place) < mother && !frozen[usize::from(place)]);
        let mut information: Vec<u16> = usable.take(k).copied().collect();
        if information.len() < k {
            return None;
        }
        information.sort_unstable();
        Some(Polar {
            payload,
            sent,
            mother,
            interleaver: interleaver(k),
            sub_blocks,
            first: if punctured { mother - sent } else { 0 },
            shortened,
            list: List::new(mother, &information),
            information,
            word: vec![1; PARITY + k],
            coded: vec![0; mother],
            soft: vec![0.0; mother],
        })
    }

    /// Bits that are sent.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Writes what is sent of `payload`.
    ///
    /// # Panics
    /// Where a length is not the one that it was made for.
    pub fn encode(&mut self, payload: &[u8], parity: Parity, sent: &mut [u8]) {
        assert!(payload.len() == self.payload && sent.len() == self.sent, "lengths of this coder");
        let word = &mut self.word[PARITY..];
        word[..self.payload].copy_from_slice(payload);
        let value = remainder(&self.word[..PARITY + self.payload], parity);
        let word = &mut self.word[PARITY..];
        for (i, bit) in word[self.payload..].iter_mut().rev().enumerate() {
            *bit = (value >> i & 1) as u8;
        }
        self.transform();
        let (mother, first) = (self.mother, self.first);
        for (k, bit) in sent.iter_mut().enumerate() {
            *bit = self.coded[usize::from(self.sub_blocks[(first + k) % mother])];
        }
    }

    /// Makes `coded` of the word: clauses 5.3.1.1 and 5.3.1.2.
    fn transform(&mut self) {
        self.coded.fill(0);
        for (&place, &from) in self.information.iter().zip(&self.interleaver) {
            self.coded[usize::from(place)] = self.word[PARITY + usize::from(from)];
        }
        let mut half = 1;
        while half < self.mother {
            for pair in self.coded.chunks_exact_mut(2 * half) {
                let (low, high) = pair.split_at_mut(half);
                low.iter_mut().zip(high).for_each(|(low, high)| *low ^= *high);
            }
            half *= 2;
        }
    }

    /// Decodes the soft bits of what was sent (positive: zero), as many as it was made for; `None` where no path of the list has a
    /// parity that holds, or the number is another.
    pub fn decode(&mut self, received: &[f32], parity: Parity) -> Option<Decoded<'_>> {
        if received.len() != self.sent {
            return None;
        }
        self.soft.fill(0.0);
        for (k, soft) in received.iter().enumerate() {
            self.soft[usize::from(self.sub_blocks[(self.first + k) % self.mother])] += soft;
        }
        let agreed = |soft: &[f32], coded: &[u8]| {
            let sums = soft.iter().zip(coded).fold((0.0f32, 0.0f32), |(sum, energy), (soft, &bit)| {
                (sum + if bit == 0 { *soft } else { -soft }, energy + soft * soft)
            });
            sums.0 / sums.1.max(1e-30).sqrt()
        };
        if self.shortened {
            // These bits are zero by construction: surer than any that was received.
            let sure = 100.0 * self.soft.iter().fold(0.0f32, |most, soft| most.max(soft.abs()));
            self.sub_blocks[self.sent..].iter().for_each(|&place| self.soft[usize::from(place)] = sure);
        }
        self.list.run(&self.soft);
        for path in 0..self.list.paths() {
            for (&bit, &from) in self.list.bits(path).iter().zip(&self.interleaver) {
                self.word[PARITY + usize::from(from)] = bit;
            }
            let (before, sent) = self.word.split_at(PARITY + self.payload);
            let read = sent.iter().fold(0u64, |value, &bit| value << 1 | u64::from(bit));
            if remainder(before, parity) == read {
                self.transform();
                if self.shortened {
                    self.sub_blocks[self.sent..].iter().for_each(|&place| self.soft[usize::from(place)] = 0.0);
                }
                let matched = agreed(&self.soft, &self.coded);
                return Some(Decoded { bits: &self.word[PARITY..PARITY + self.payload], matched });
            }
        }
        None
    }
}

/// The parity of a payload that stands behind [`PARITY`] ones.
fn remainder(word: &[u8], parity: Parity) -> u64 {
    match parity {
        Parity::Plain => CRC24C.parity(&word[PARITY..]),
        Parity::Masked(rnti) => CRC24C.parity(word) ^ u64::from(rnti),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_permutations_and_the_best_channels_come_last() {
        let mut sequence = SEQUENCE;
        sequence.sort_unstable();
        assert!(sequence.iter().enumerate().all(|(i, &place)| i == usize::from(place)));
        let mut places = INTERLEAVER;
        places.sort_unstable();
        assert!(places.iter().enumerate().all(|(i, &place)| i == usize::from(place)));
        let mut parts = PARTS;
        parts.sort_unstable();
        assert!(parts.iter().enumerate().all(|(i, &part)| i == usize::from(part)));
        // A channel is never less reliable than one whose ones are a part of its own: the partial order of every polar code.
        let mut rank = [0; LONGEST];
        SEQUENCE.iter().enumerate().for_each(|(rank_of, &place)| rank[usize::from(place)] = rank_of);
        for place in 0..LONGEST {
            for bit in (0..9).map(|bit| 1 << bit).filter(|bit| place & bit == 0) {
                assert!(rank[place | bit] > rank[place], "{place} and {bit}");
            }
        }
    }

    #[test]
    fn lengths_of_the_mother_code_are_those_of_the_clause() {
        // PBCH; DCI 1_0 of 48 resource blocks in aggregation levels 1 to 16.
        assert_eq!(power(56, 864), 9);
        assert_eq!([108, 216, 432, 864, 1728].map(|sent| power(63, sent)), [7, 8, 9, 9, 9]);
        // 9/8 of 128 is 144: shorter and repeated, or longer and cut.
        assert_eq!([power(36, 144), power(36, 145)], [7, 8]);
    }

    #[test]
    fn lengths_without_a_code_are_refused() {
        for (payload, sent) in [(0, 864), (141, 864), (39, 62), (32, 1 << 17)] {
            assert!(Polar::new(payload, sent).is_none(), "{payload} in {sent}");
        }
        let mut coder = Polar::new(39, 108).unwrap();
        assert_eq!(coder.decode(&[1.0; 107], Parity::Plain), None);
    }

    #[test]
    fn unusable_soft_bits_give_some_block_and_no_panic() {
        let mut coder = Polar::new(39, 108).unwrap();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::MAX] {
            coder.decode(&[value; 108], Parity::Masked(0xffff));
        }
    }
}
