//! The physical broadcast channel: four frames of it hold one MIB; TS 36.211 clause 6.6, TS 36.212 clause 5.3.1.
//!
//! A frame's share decodes alone where the cell is strong, four of them together at -6 dB, and more by `Broadcast::across`:
//! the MIBs of successive periods differ in the frame number alone, the code is linear, so their soft bits add up once the signs
//! of that difference are turned. Which frame of the four it is, and how many antenna ports send, is found by trying.

use super::channel::{Channel, soft_bits};
use super::grid::Grid;
use super::numerology::{CENTRE, CyclicPrefix};
use super::reference::is_reference;
use crate::coding::crc::CRC16;
use crate::coding::gold::Gold;
use crate::coding::rate_match::RateMatch;
use crate::coding::tail_biting::{self, TailBiting};

/// Bits of a MIB; TS 36.331 clause 6.2.2, MasterInformationBlock.
pub const MIB_BITS: usize = 24;
/// With its parity.
const CODED_BITS: usize = MIB_BITS + 16;
/// Soft bits of the mother code.
pub const MOTHER_BITS: usize = 3 * CODED_BITS;
/// Frames that carry one MIB; TS 36.212 clause 5.3.1.4, TS 36.211 clause 6.6.4.
pub const PERIOD: usize = 4;
/// Ports and the mask on the parity bits that tells them; TS 36.212 table 5.3.1.1-1.
pub const PORTS: [(usize, u16); 3] = [(1, 0x0000), (2, 0xffff), (4, 0x5555)];
/// Match of the decoded word with what was received, in standard deviations, below which it may be chance.
///
/// Noise lies within 42 degrees of one of 2^40 words in 120 dimensions with a chance of 2^-13, which the parity lowers by 2^-16;
/// the false MIBs of `tests/lte_receiver.rs` hold it to that. At the ratio where the decoder begins to work a word reaches 8.
pub const LEAST_MATCH: f32 = 7.4;
/// Where the eight bits of the frame number stand; TS 36.331 clause 6.2.2.
const SFN_FIRST: usize = 6;

/// Soft bits of the mother code.
pub type Mother = [f32; MOTHER_BITS];

/// A MIB that was received without error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoded {
    /// The bits as sent, three octets.
    pub octets: [u8; 3],
    /// Antenna ports of the cell.
    pub ports: usize,
    /// Which of the four frames the first one given was.
    pub quarter: usize,
    /// Match with what was received, standard deviations.
    pub matched: f32,
}

impl Decoded {
    /// The system frame number of the first of the four frames.
    pub fn first_frame(&self) -> u16 {
        first_frame(self.octets)
    }
}

/// The frame number that a MIB tells: that of the first of its four frames.
pub fn first_frame(octets: [u8; 3]) -> u16 {
    let bits = u32::from_be_bytes([0, octets[0], octets[1], octets[2]]);
    ((bits >> (MIB_BITS - SFN_FIRST - 8)) & 0xff) as u16 * PERIOD as u16
}

/// A MIB with the frame number zeroed: what stays the same.
pub fn stable(octets: [u8; 3]) -> [u8; 3] {
    [octets[0] & 0xfc, octets[1] & 0x03, octets[2]]
}

/// Elements of the PBCH in subframe 0 of a cell with `subcarriers` subcarriers, in order; TS 36.211 clause 6.6.4.
pub fn elements(pci: u16, cp: CyclicPrefix, subcarriers: usize) -> Vec<(usize, usize)> {
    let first = (subcarriers - CENTRE) / 2;
    let slot = cp.slot_symbols();
    // Room for four ports is left whatever the cell has.
    (0..4)
        .flat_map(|l| (first..first + CENTRE).map(move |k| (l, k)))
        .filter(|&(l, k)| !is_reference(pci, cp, 4, l, k))
        .map(|(l, k)| (slot + l, k))
        .collect()
}

/// Decodes the broadcast channel of one cell.
#[derive(Debug)]
pub struct Broadcast {
    elements: Vec<(usize, usize)>,
    /// Scrambling of a whole period as +1 and -1.
    signs: Vec<f32>,
    matcher: RateMatch,
    decoder: TailBiting,
    soft: Vec<f32>,
    whole: Vec<f32>,
}

impl Broadcast {
    /// For cell `pci` received on `subcarriers` subcarriers.
    pub fn new(pci: u16, cp: CyclicPrefix, subcarriers: usize) -> Broadcast {
        let elements = elements(pci, cp, subcarriers);
        let mut signs = vec![1.0; PERIOD * 2 * elements.len()];
        Gold::new(u32::from(pci)).scramble_soft(&mut signs);
        Broadcast {
            whole: vec![0.0; signs.len()],
            elements,
            signs,
            matcher: RateMatch::new(CODED_BITS),
            decoder: TailBiting::new(CODED_BITS),
            soft: Vec::new(),
        }
    }

    /// The soft bits of one frame, as if it was each of the four.
    pub fn receive(&mut self, grid: &Grid, channel: &Channel, ports: usize) -> [Mother; PERIOD] {
        self.soft.clear();
        soft_bits(grid, channel, ports, &self.elements, &mut self.soft);
        std::array::from_fn(|quarter| self.combine(quarter))
    }

    /// The soft bits of a frame that is known to be quarter `quarter` of its period.
    pub fn receive_quarter(&mut self, grid: &Grid, channel: &Channel, ports: usize, quarter: usize) -> Mother {
        self.soft.clear();
        soft_bits(grid, channel, ports, &self.elements, &mut self.soft);
        self.combine(quarter)
    }

    fn combine(&mut self, quarter: usize) -> Mother {
        let length = self.soft.len();
        self.whole.fill(0.0);
        let range = quarter * length..(quarter + 1) * length;
        for ((out, soft), sign) in self.whole[range.clone()].iter_mut().zip(&self.soft).zip(&self.signs[range]) {
            *out = soft * sign;
        }
        let mut mother = [0.0; MOTHER_BITS];
        self.matcher.combine(&self.whole, &mut mother);
        mother
    }

    /// Decodes soft bits that belong to one MIB, sent from `ports` ports; `None` where the parity or the match says no.
    pub fn decode(&mut self, mother: &Mother, ports: usize) -> Option<(u32, f32)> {
        let mask = PORTS.iter().find(|(count, _)| *count == ports)?.1;
        let mut bits = [0u8; CODED_BITS];
        self.decoder.decode(mother, &mut bits);
        let word = bits.iter().fold(0u64, |word, &bit| word << 1 | u64::from(bit));
        if CRC16.parity(&bits[..MIB_BITS]) != (word & 0xffff) ^ u64::from(mask) {
            return None;
        }
        let mut coded = [0u8; MOTHER_BITS];
        tail_biting::encode(&bits, &mut coded);
        let (agreed, energy) = mother.iter().zip(&coded).fold((0.0, 0.0), |(agreed, energy), (soft, &bit)| {
            (agreed + if bit == 0 { *soft } else { -soft }, energy + soft * soft)
        });
        let matched = agreed / energy.max(1e-20f32).sqrt();
        (matched >= LEAST_MATCH).then_some(((word >> 16) as u32, matched))
    }

    /// Finds the MIB in successive frames, `frames[i]` being what [`Broadcast::receive`] made of frame `i` for `ports` ports.
    pub fn find(&mut self, frames: &[Option<[Mother; PERIOD]>], ports: usize) -> Option<Decoded> {
        for quarter in 0..PERIOD {
            let periods = gather(frames, quarter);
            for (place, (mother, _)) in periods.iter().enumerate() {
                if let Some((word, matched)) = self.decode(mother, ports) {
                    return decoded(word, place, ports, quarter, matched);
                }
            }
        }
        (0..PERIOD).find_map(|quarter| {
            let periods = gather(frames, quarter);
            self.across(&periods, ports).and_then(|(word, matched)| decoded(word, 0, ports, quarter, matched))
        })
    }

    /// Decodes periods together: `periods[i]` holds the MIB of the first one with the frame number advanced by `i`.
    ///
    /// The low four bits of the number are tried; a carry out of them is followed once.
    fn across(&mut self, periods: &[(Mother, usize)], ports: usize) -> Option<(u32, f32)> {
        if periods.len() < 2 {
            return None;
        }
        (0..16u32).find_map(|low| {
            let mut sum = [0.0; MOTHER_BITS];
            for (later, (mother, _)) in periods.iter().enumerate() {
                let changed = (low + later as u32) ^ low;
                let signs = difference(changed << (MIB_BITS - SFN_FIRST - 8));
                for ((sum, soft), sign) in sum.iter_mut().zip(mother).zip(signs) {
                    *sum += soft * sign;
                }
            }
            let number = |word: u32| (word >> (MIB_BITS - SFN_FIRST - 8)) & 0xf;
            self.decode(&sum, ports).filter(|(word, _)| number(*word) == low)
        })
    }
}

/// Adds up the frames of each period, the first frame being quarter `quarter`; beside each sum the number of its frames.
fn gather(frames: &[Option<[Mother; PERIOD]>], quarter: usize) -> Vec<(Mother, usize)> {
    let mut periods = vec![([0.0; MOTHER_BITS], 0); (frames.len() + quarter).div_ceil(PERIOD)];
    for (i, frame) in frames.iter().enumerate() {
        let Some(frame) = frame else { continue };
        let (sum, count) = &mut periods[(i + quarter) / PERIOD];
        sum.iter_mut().zip(&frame[(i + quarter) % PERIOD]).for_each(|(sum, soft)| *sum += soft);
        *count += 1;
    }
    periods
}

/// Coded bits, as signs, by which the words of two MIBs differ that differ in `changed`: the code and its parity are linear.
fn difference(changed: u32) -> [f32; MOTHER_BITS] {
    let mut bits = [0u8; CODED_BITS];
    for (i, bit) in bits[..MIB_BITS].iter_mut().enumerate() {
        *bit = (changed >> (MIB_BITS - 1 - i) & 1) as u8;
    }
    let parity = CRC16.parity(&bits[..MIB_BITS]);
    for (i, bit) in bits[MIB_BITS..].iter_mut().enumerate() {
        *bit = (parity >> (15 - i) & 1) as u8;
    }
    let mut coded = [0u8; MOTHER_BITS];
    tail_biting::encode(&bits, &mut coded);
    coded.map(|bit| 1.0 - 2.0 * f32::from(bit))
}

/// A MIB found in period `place`, its frame number carried back to the first one; `None` where the bandwidth is reserved.
fn decoded(word: u32, place: usize, ports: usize, quarter: usize, matched: f32) -> Option<Decoded> {
    let shift = MIB_BITS - SFN_FIRST - 8;
    let number = (word >> shift & 0xff).wrapping_sub(place as u32) & 0xff;
    let word = word & !(0xff << shift) | number << shift;
    let [_, a, b, c] = word.to_be_bytes();
    // dl-Bandwidth has six values; TS 36.331 clause 6.2.2.
    (a >> 5 < 6).then_some(Decoded { octets: [a, b, c], ports, quarter, matched })
}
