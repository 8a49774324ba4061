//! What a beacon sends in which slot: the 51-multiframe of timeslot 0 and the schedule of its messages.

use super::burst;
use super::gmsk::Trajectory;
use crate::rat::gsm::coding::encode_xcch;

/// The octets of one block of BCCH or CCCH, layer 2 header included.
pub type Block = [u8; 23];

/// Paging request type 1 without an identity, which a cell sends where nobody is paged; TS 44.018 clauses 3.3.2.1, 9.1.22.
pub const EMPTY_PAGING: Block = padded(&[0x15, 0x06, 0x21, 0x00, 0x01, 0xf0]);

/// A fill frame of layer 2, sent where there is nothing to grant; TS 44.006 clause 5.4.2.3.
pub const FILL: Block = padded(&[0x03, 0x03, 0x01]);

/// `octets` followed by padding 0x2B; TS 44.006 clause 5.2.
const fn padded(octets: &[u8]) -> Block {
    let mut block = [0x2b; 23];
    let mut i = 0;
    while i < octets.len() {
        block[i] = octets[i];
        i += 1;
    }
    block
}

/// The messages of a beacon by their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// BCCH Norm by TC = (FN div 51) mod 8; TS 45.002 clause 6.3.1.3. Several messages of one TC take turns; a TC without a
    /// message carries layer 2 fill.
    pub norm: [Vec<Block>; 8],
    /// BCCH Ext by TC, in the first CCCH block; a TC without a message leaves the block to the CCCH.
    pub ext: [Vec<Block>; 8],
    /// CCCH_CONF 1: the CCCH shares the physical channel with SDCCH/4, which is idle here.
    pub combined: bool,
    /// BS_AG_BLKS_RES: the first CCCH blocks of a multiframe carry fill frames, the others empty paging.
    pub bs_ag_blks_res: u8,
}

/// What timeslot 0 carries in one frame of the 51-multiframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Frequency correction.
    Fcch,
    /// Synchronization.
    Sch,
    /// Burst `burst` (0..4) of BCCH Norm.
    Bcch {
        /// Which of the four.
        burst: u8,
    },
    /// Burst `burst` of CCCH block `block`.
    Ccch {
        /// Which block, from 0.
        block: u8,
        /// Which of the four.
        burst: u8,
    },
    /// Nothing of the above: a dummy burst.
    Idle,
}

/// The place of a frame in timeslot 0; TS 45.002 clause 7, table 3 of 5 (BCCH + CCCH, mapping of 6.4 iv and v).
pub fn place(frame_number: u32, combined: bool) -> Place {
    let t3 = (frame_number % 51) as u8;
    match (t3, t3 % 10) {
        (50, _) => Place::Idle,
        (_, 0) => Place::Fcch,
        (_, 1) => Place::Sch,
        (2..=5, _) => Place::Bcch { burst: t3 - 2 },
        (_, within) => {
            let (block, burst) = if within < 6 { (t3 / 10 * 2 - 1, within - 2) } else { (t3 / 10 * 2, within - 6) };
            if combined && block > 2 { Place::Idle } else { Place::Ccch { block, burst } }
        }
    }
}

/// The four bursts of a coded block, ready to modulate.
type Coded = [Trajectory; 4];

/// A schedule as bursts, made once and shared by every receiver of the beacon.
#[derive(Clone, Debug)]
pub struct Broadcast {
    bsic: u8,
    combined: bool,
    bs_ag_blks_res: u8,
    norm: [Vec<Coded>; 8],
    ext: [Vec<Coded>; 8],
    paging: Coded,
    fill: Coded,
    fcch: Trajectory,
    dummy: Trajectory,
}

/// The burst of one slot.
pub(super) enum Slot<'a> {
    Fixed(&'a Trajectory),
    /// To be made for its frame number.
    Sch,
}

impl Broadcast {
    /// Codes and interleaves all messages for a beacon of this BSIC (its lowest six bits count), whose BCC is the
    /// training sequence code of BCCH and CCCH; TS 45.002 clause 5.2.3.
    pub fn new(bsic: u8, schedule: &Schedule) -> Broadcast {
        let coded = |block: &Block| encode_xcch(block).map(|bits| Trajectory::of(&burst::normal(&bits, bsic & 7)));
        let all = |by_tc: &[Vec<Block>; 8]| std::array::from_fn(|tc| by_tc[tc].iter().map(coded).collect());
        Broadcast {
            bsic: bsic & 63,
            combined: schedule.combined,
            bs_ag_blks_res: schedule.bs_ag_blks_res,
            norm: all(&schedule.norm),
            ext: all(&schedule.ext),
            paging: coded(&EMPTY_PAGING),
            fill: coded(&FILL),
            fcch: Trajectory::of(&burst::frequency_correction()),
            dummy: Trajectory::of(&burst::dummy()),
        }
    }

    /// The base station identity code, 6 bits.
    pub fn bsic(&self) -> u8 {
        self.bsic
    }

    pub(super) fn slot(&self, frame_number: u32, timeslot: u8) -> Slot<'_> {
        if timeslot != 0 {
            return Slot::Fixed(&self.dummy);
        }
        let multiframe = frame_number / 51;
        let tc = (multiframe % 8) as usize;
        let turn = |messages: &'_ [Coded]| match messages.len() {
            0 => None,
            n => Some((multiframe / 8) as usize % n),
        };
        Slot::Fixed(match place(frame_number, self.combined) {
            Place::Fcch => &self.fcch,
            Place::Sch => return Slot::Sch,
            Place::Idle => &self.dummy,
            Place::Bcch { burst } => {
                let messages = &self.norm[tc];
                &turn(messages).map_or(&self.fill, |i| &messages[i])[usize::from(burst)]
            }
            Place::Ccch { block, burst } => {
                let messages = if block == 0 { &self.ext[tc][..] } else { &[] };
                let empty = if block < self.bs_ag_blks_res { &self.fill } else { &self.paging };
                &turn(messages).map_or(empty, |i| &messages[i])[usize::from(burst)]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_51_multiframe_is_that_of_the_standard() {
        // TS 45.002 clause 7, table 3: B is BCCH, digits are CCCH blocks, . is idle (or SDCCH, SACCH where combined).
        let text = |combined| -> String {
            (0..51)
                .map(|t3| match place(51 * 3 + t3, combined) {
                    Place::Fcch => 'F',
                    Place::Sch => 'S',
                    Place::Bcch { .. } => 'B',
                    Place::Ccch { block, .. } => char::from(b'0' + block),
                    Place::Idle => '.',
                })
                .collect()
        };
        assert_eq!(text(false), "FSBBBB0000FS11112222FS33334444FS55556666FS77778888.");
        assert_eq!(text(true), "FSBBBB0000FS11112222FS........FS........FS.........");
        assert_eq!(place(17, false), Place::Ccch { block: 2, burst: 1 });
    }
}
