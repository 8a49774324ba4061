//! The physical broadcast channel: 864 soft bits to a MIB and the bits around it; TS 38.212 clause 7.1, TS 38.211 clause 7.3.3.

use super::numerology::{CENTRE, Kind, Pattern, SUBCARRIERS};
use super::sync::{FIRST, LENGTH, REFERENCES, qpsk};
use crate::coding::gold::Gold;
use crate::coding::polar::{Parity, Polar};
use crate::units::Hz;
use num_complex::Complex32;

/// Bits of a block's message with the MIB in it, A; TS 38.212 clause 7.1.1.
const PAYLOAD: usize = 32;
/// Bits of the MIB, the choice of message included; TS 38.331 clause 6.2.1.
const MIB_BITS: usize = 24;
/// Bits that are sent, E; TS 38.211 clause 7.3.3.1.
pub const SENT: usize = 864;
/// Data elements of a block.
pub const ELEMENTS: usize = SENT / 2;
/// G(j); TS 38.212 table 7.1.1-1.
const PLACES: [u8; PAYLOAD] = [
    16, 23, 18, 17, 8, 30, 10, 6, 24, 7, 0, 5, 3, 2, 1, 4, 9, 11, 12, 13, 14, 15, 19, 20, 21, 22, 25, 26, 27, 28, 29,
    31,
];
/// Of [`PLACES`]: the third lowest bit of the frame number.
const SFN_2: usize = 7;
/// The second lowest.
const SFN_1: usize = 8;
/// j_HRF, the half frame.
const HALF: usize = 10;
/// j_SSB: with up to eight blocks the highest bit of k_SSB, then two that mean nothing.
const K_SSB_HIGH: usize = 11;
/// j_Other, of the MIB's bits that are not of the frame number.
const OTHERS: usize = 14;
/// Bits of the frame number in the MIB.
const SFN_IN_MIB: usize = 6;
/// Match of the decoded word with what was received below which it may be chance. Of 4,000 words that the decoder made of noise, parity
/// aside, half had 8.0, one in a thousand 8.8 and the best 8.9; right words have more than 9.3 from -7 dB an element on
/// (`tests/nr_coding.rs`). The parity lets one of two million pass; a node decodes some million words of noise a day.
const LEAST_MATCH: f32 = 9.0;

/// What one block says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The MIB as sent, three octets.
    pub octets: [u8; 3],
    /// The system frame number, 0..1024.
    pub sfn: u16,
    /// Which half of the frame the block stands in.
    pub half: u8,
    /// Which block of the half frame it is.
    pub index: u8,
    /// k_SSB, 0..32: subcarriers between the block and the grid of resource blocks; TS 38.211 clause 7.4.3.1.
    pub k_ssb: u8,
}

impl Message {
    /// cellBarred; TS 38.331 clause 6.2.2 (MIB): the third bit from the end, zero meaning barred.
    pub fn barred(&self) -> bool {
        self.octets[2] & 0x04 == 0
    }

    /// The MIB with the frame number zeroed: what stays the same.
    pub fn stable(&self) -> [u8; 3] {
        [self.octets[0] & 0x81, self.octets[1], self.octets[2]]
    }
}

/// L_max, how many blocks a half frame may hold around `center`; TS 38.213 clause 4.1. Where it depends on the duplex mode, both.
pub fn most_blocks(kind: Kind, center: Hz) -> &'static [u8] {
    match kind.pattern {
        _ if center.0 > 3e9 => &[8],
        // Unpaired spectrum has eight from 1.88 GHz on.
        Pattern::C if center.0 > 1.88e9 => &[8, 4],
        _ => &[4],
    }
}

/// Symbol and subcarrier of the reference elements of cell `pci`, in order; TS 38.211 table 7.4.3.1-1.
pub fn references(pci: u16) -> impl Iterator<Item = (usize, usize)> {
    let shift = usize::from(pci % 4);
    broadcast_elements().filter(move |(_, k)| k % 4 == shift)
}

/// The same of its data elements.
pub fn elements(pci: u16) -> impl Iterator<Item = (usize, usize)> {
    let shift = usize::from(pci % 4);
    broadcast_elements().filter(move |(_, k)| k % 4 != shift)
}

fn broadcast_elements() -> impl Iterator<Item = (usize, usize)> {
    // The secondary signal and its guard take the middle of symbol 2.
    let beside = |k: &usize| !(48..192).contains(k);
    let whole = |l: usize| (0..SUBCARRIERS).map(move |k| (l, k));
    whole(1).chain(whole(2).filter(move |(_, k)| beside(k))).chain(whole(3))
}

const _: () = assert!(ELEMENTS + REFERENCES == 2 * SUBCARRIERS + 96 && FIRST + LENGTH / 2 + 1 == CENTRE);

/// Decodes blocks.
#[derive(Debug)]
pub struct Pbch {
    coder: Polar,
    soft: Vec<f32>,
    bits: Vec<u8>,
}

impl Default for Pbch {
    fn default() -> Pbch {
        Pbch::new()
    }
}

impl Pbch {
    /// With its code and scratch.
    pub fn new() -> Pbch {
        // A + 24 parity bits fit 864 sent ones.
        let coder = Polar::new(PAYLOAD, SENT).expect("the lengths of PBCH have a code");
        Pbch { coder, soft: vec![0.0; SENT], bits: vec![0; SENT] }
    }

    /// The message in `soft` ([`SENT`] soft bits as received) of cell `pci`, if there are at most `most` blocks a half frame and the
    /// reference signal is that of `i_bar`; with the match of its word. `None` where parity, match or half frame say no.
    pub fn decode(&mut self, soft: &[f32], pci: u16, i_bar: u8, most: u8) -> Option<(Message, f32)> {
        let index = i_bar % most;
        self.soft.copy_from_slice(soft);
        scrambling(pci, index).scramble_soft(&mut self.soft);
        let decoded = self.coder.decode(&self.soft, Parity::Plain).filter(|decoded| decoded.matched >= LEAST_MATCH)?;
        let matched = decoded.matched;
        let mut payload = [0u8; PAYLOAD];
        payload.copy_from_slice(decoded.bits);
        descramble(&mut payload, pci);
        let message = read(&payload, index);
        // With four blocks the reference signal tells the half frame too.
        (most != 4 || message.half == i_bar / 4).then_some((message, matched))
    }

    /// The elements of PBCH that cell `pci` sends with this message, in order.
    pub fn encode(&mut self, pci: u16, message: &Message) -> impl Iterator<Item = Complex32> {
        let mut payload = write(message);
        descramble(&mut payload, pci);
        self.coder.encode(&payload, Parity::Plain, &mut self.bits);
        scrambling(pci, message.index).scramble(&mut self.bits);
        self.bits.chunks_exact(2).map(|pair| qpsk(pair[0], pair[1]))
    }

    /// The coded bits of a message before the scrambling of TS 38.211.
    pub fn coded(&mut self, pci: u16, message: &Message) -> &[u8] {
        let mut payload = write(message);
        descramble(&mut payload, pci);
        self.coder.encode(&payload, Parity::Plain, &mut self.bits);
        &self.bits
    }
}

/// The second scrambling, of block number `index`; TS 38.211 clause 7.3.3.1.
fn scrambling(pci: u16, index: u8) -> Gold {
    let mut gold = Gold::new(u32::from(pci));
    gold.skip(usize::from(index % 8) * SENT);
    gold
}

/// The first scrambling, which is its own inverse, for at most eight blocks a half frame; TS 38.212 clause 7.1.2.
fn descramble(payload: &mut [u8; PAYLOAD], pci: u16) {
    let bit = |place: usize| usize::from(payload[usize::from(PLACES[place])]);
    let v = 2 * bit(SFN_2) + bit(SFN_1);
    let mut gold = Gold::new(u32::from(pci));
    gold.skip(v * (PAYLOAD - 3));
    let open = [SFN_2, SFN_1, HALF].map(|place| usize::from(PLACES[place]));
    let mut sequence = [0; PAYLOAD];
    gold.fill(&mut sequence);
    let closed = payload.iter_mut().enumerate().filter(|(i, _)| !open.contains(i));
    closed.zip(sequence).for_each(|((_, bit), next)| *bit ^= next);
}

/// Takes the bits apart that clause 7.1.1 of TS 38.212 has put together.
fn read(payload: &[u8; PAYLOAD], index: u8) -> Message {
    let bit = |place: usize| payload[usize::from(PLACES[place])];
    let sfn = (0..10).fold(0u16, |sfn, place| sfn << 1 | u16::from(bit(place)));
    let mut others = (OTHERS..).map(bit);
    let mut word = 0u32;
    for i in 0..MIB_BITS {
        let in_sfn = (1..=SFN_IN_MIB).contains(&i);
        word = word << 1 | u32::from(if in_sfn { bit(i - 1) } else { others.next().unwrap_or(0) });
    }
    let [_, a, b, c] = word.to_be_bytes();
    let low = (word >> (MIB_BITS - 12) & 0xf) as u8;
    Message { octets: [a, b, c], sfn, half: bit(HALF), index, k_ssb: bit(K_SSB_HIGH) << 4 | low }
}

/// The inverse of [`read`].
fn write(message: &Message) -> [u8; PAYLOAD] {
    let mut payload = [0u8; PAYLOAD];
    let mut set = |place: usize, bit: u32| payload[usize::from(PLACES[place])] = (bit & 1) as u8;
    (0..10).for_each(|place| set(place, u32::from(message.sfn) >> (9 - place)));
    set(HALF, u32::from(message.half));
    set(K_SSB_HIGH, u32::from(message.k_ssb) >> 4);
    let [a, b, c] = message.octets;
    let word = u32::from_be_bytes([0, a, b, c]);
    // The first bit, and what follows the frame number's. (One filtered loop over all of them keeps LLVM 22 busy for ever.)
    set(OTHERS, word >> (MIB_BITS - 1));
    for i in SFN_IN_MIB + 1..MIB_BITS {
        set(OTHERS + i - SFN_IN_MIB, word >> (MIB_BITS - 1 - i));
    }
    payload
}
