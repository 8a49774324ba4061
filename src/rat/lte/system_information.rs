//! Transport blocks of system information put together from their redundancy versions, and when to expect them.
//!
//! TS 36.331 clauses 5.2.1.2 and 5.2.3, TS 36.321 clause 5.3.1.

use super::dci::Assignment;
use crate::coding::dl_sch::TransportBlock;

/// Redundancy versions in the order of transmission; TS 36.321 clause 5.3.1: ceil(3/2 k) modulo 4.
const VERSIONS: [u8; 4] = [0, 2, 3, 1];
/// Transport blocks put together at once: SIB1, and messages of the present window by size.
const MAX_PENDING: usize = 4;
/// Frames in which an SI window is taken to lie while SIB1 is unknown.
const UNKNOWN_WINDOW: u16 = 2;

/// A block being put together.
#[derive(Clone, Debug)]
struct Pending {
    sib1: bool,
    period: u16,
    block: TransportBlock,
}

/// What a cell's system information says of its own schedule, and the blocks being put together.
#[derive(Clone, Debug, Default)]
pub struct SystemInformation {
    pending: Vec<Pending>,
}

impl SystemInformation {
    /// A subframe of a type 2 frame, other than 0 and 5, that SIB1 declares as downlink.
    pub fn is_downlink(&self, _subframe: usize) -> bool {
        false
    }

    /// System information other than SIB1 may stand in this subframe.
    pub fn expects(&self, _number: u16, _subframe: usize) -> bool {
        true
    }

    /// Takes the soft bits of a block; its octets where the parity is right.
    ///
    /// `group`: bits of a symbol over all layers; `number`, `subframe`: when it was sent.
    pub fn take(
        &mut self,
        assignment: &Assignment,
        soft: &[f32],
        group: usize,
        (number, _subframe): (u16, usize),
        sib1: bool,
    ) -> Option<Vec<u8>> {
        let version = assignment.version.unwrap_or(if sib1 { VERSIONS[usize::from(number / 2) % 4] } else { 0 });
        // SIB1 stays the same for 80 ms, a message for its window.
        let period = if sib1 { number / 8 } else { number / UNKNOWN_WINDOW };
        self.pending.retain(|pending| pending.sib1 != sib1 || pending.period == period);
        let same = |pending: &Pending| pending.sib1 == sib1 && pending.block.transport_bits() == assignment.bits;
        let at = match self.pending.iter().position(same) {
            Some(at) => at,
            None => {
                if self.pending.len() == MAX_PENDING {
                    self.pending.remove(0);
                }
                let block = TransportBlock::new(assignment.bits)?;
                self.pending.push(Pending { sib1, period, block });
                self.pending.len() - 1
            }
        };
        let block = &mut self.pending[at].block;
        block.combine(soft, version, group);
        block.decode().map(<[u8]>::to_vec)
    }
}
