//! Transport blocks of system information put together from their redundancy versions, and when to expect them.
//!
//! TS 36.331 clauses 5.2.1.2 and 5.2.3, TS 36.321 clause 5.3.1.

use super::dci::Assignment;
use super::numerology::CyclicPrefix;
use crate::cell::CellIdentity;
use crate::coding::dl_sch::TransportBlock;
use crate::l3::lte::{fold, parse_bcch_dl_sch};
use crate::observation::lte::{LteFields, Mib};

/// Redundancy versions in the order of transmission; TS 36.321 clause 5.3.1: ceil(3/2 k) modulo 4.
const VERSIONS: [u8; 4] = [0, 2, 3, 1];
/// Transport blocks put together at once: SIB1, and messages of the present window by size.
const MAX_PENDING: usize = 4;
/// Milliseconds in which an SI window is taken to lie while SIB1 is unknown.
const UNKNOWN_WINDOW: u32 = 20;
/// Milliseconds in which SIB1 stays the same; TS 36.331 clause 5.2.1.2.
const SIB1_PERIOD: u32 = 80;
/// What a subframe of a type 2 frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Down,
    Special,
    Up,
}

/// Subframes by subframeAssignment; TS 36.211 table 4.2-2.
const USES: [[Use; 10]; 7] = {
    const D: Use = Use::Down;
    const S: Use = Use::Special;
    const U: Use = Use::Up;
    [
        [D, S, U, U, U, D, S, U, U, U],
        [D, S, U, U, D, D, S, U, U, D],
        [D, S, U, D, D, D, S, U, D, D],
        [D, S, U, U, U, D, D, D, D, D],
        [D, S, U, U, D, D, D, D, D, D],
        [D, S, U, D, D, D, D, D, D, D],
        [D, S, U, U, U, D, S, U, U, D],
    ]
};
/// Symbols of the downlink part of a special subframe (DwPTS) by its configuration; TS 36.211 table 4.2-1.
const SPECIAL_NORMAL: [u8; 11] = [3, 9, 10, 11, 12, 3, 9, 10, 11, 6, 6];
/// The same with an extended prefix.
const SPECIAL_EXTENDED: [u8; 8] = [3, 8, 9, 10, 3, 8, 9, 5];

/// Symbols of the downlink in `subframe` of a type 2 frame: zero in the uplink and for configurations that do not exist.
///
/// `assignment`, `special`: subframeAssignment and specialSubframePatterns of SIB1.
pub fn downlink_symbols(cp: CyclicPrefix, (assignment, special): (u8, u8), subframe: usize) -> usize {
    let uses = USES.get(usize::from(assignment));
    let lengths: &[u8] = if cp == CyclicPrefix::Normal { &SPECIAL_NORMAL } else { &SPECIAL_EXTENDED };
    match uses.and_then(|uses| uses.get(subframe)) {
        Some(Use::Down) => cp.symbols(),
        Some(Use::Special) => lengths.get(usize::from(special)).copied().unwrap_or(0).into(),
        Some(Use::Up) | None => 0,
    }
}

/// SIB1 stands in subframe 5 of even frames; TS 36.331 clause 5.2.1.2.
pub fn is_sib1(number: u16, subframe: usize) -> bool {
    subframe == 5 && number.is_multiple_of(2)
}

/// A block being put together.
#[derive(Clone, Debug)]
struct Pending {
    sib1: bool,
    /// Which window or period it belongs to: its first millisecond.
    since: u32,
    block: TransportBlock,
}

/// What a cell has said, when it says more, and the blocks being put together.
#[derive(Clone, Debug, Default)]
pub struct SystemInformation {
    /// Everything it has said.
    pub fields: LteFields,
    /// What it says it is.
    pub identity: Option<CellIdentity>,
    pending: Vec<Pending>,
}

impl SystemInformation {
    /// Of a cell that sends `mib`.
    pub fn new(mib: Mib) -> SystemInformation {
        SystemInformation {
            fields: LteFields { mib: Some(mib), ..LteFields::default() },
            identity: None,
            pending: Vec::new(),
        }
    }

    /// Subframe `subframe` of a type 2 frame is a downlink subframe as far as is known; 0 and 5 always are.
    pub fn is_downlink(&self, subframe: usize) -> bool {
        let told = self.fields.sib1.as_ref().and_then(|sib1| sib1.tdd);
        let row = told.and_then(|tdd| USES.get(usize::from(tdd.subframe_assignment)));
        row.unwrap_or(&USES[0]).get(subframe) == Some(&Use::Down)
    }

    /// System information other than SIB1 may stand in subframe `subframe` of frame `number`.
    pub fn expects(&self, number: u16, subframe: usize) -> bool {
        self.window(number, subframe).is_some()
    }

    /// First millisecond of the SI window that a subframe lies in; TS 36.331 clause 5.2.3.
    fn window(&self, number: u16, subframe: usize) -> Option<u32> {
        let now = u32::from(number) * 10 + subframe as u32;
        let Some(sib1) = &self.fields.sib1 else { return Some(now / UNKNOWN_WINDOW * UNKNOWN_WINDOW) };
        let length = u32::from(sib1.si_window_ms);
        let starts = sib1.scheduling.iter().zip(0u32..).filter_map(|(message, n)| {
            let period = 10 * u32::from(message.period_frames);
            let into = (i64::from(now) - i64::from(n * length)).checked_rem_euclid(i64::from(period))? as u32;
            (into < length).then_some(now.saturating_sub(into))
        });
        starts.max()
    }

    /// Takes the soft bits of a block; its octets where the parity is right.
    ///
    /// `group`: bits of a symbol over all layers; `number`, `subframe`: when it was sent.
    pub fn take(
        &mut self,
        assignment: &Assignment,
        soft: &[f32],
        group: usize,
        (number, subframe): (u16, usize),
        sib1: bool,
    ) -> Option<Vec<u8>> {
        let now = u32::from(number) * 10 + subframe as u32;
        let since = if sib1 { now / SIB1_PERIOD * SIB1_PERIOD } else { self.window(number, subframe)? };
        // TS 36.321 clause 5.3.1: by frame for SIB1, by subframe of the window for the others.
        let turn = if sib1 { number / 2 } else { (now - since.min(now)) as u16 };
        let version = assignment.version.unwrap_or(VERSIONS[usize::from(turn) % VERSIONS.len()]);
        self.pending.retain(|pending| pending.sib1 != sib1 || pending.since == since);
        let same = |pending: &Pending| pending.sib1 == sib1 && pending.block.transport_bits() == assignment.bits;
        let at = match self.pending.iter().position(same) {
            Some(at) => at,
            None => {
                if self.pending.len() == MAX_PENDING {
                    self.pending.remove(0);
                }
                let block = TransportBlock::new(assignment.bits)?;
                self.pending.push(Pending { sib1, since, block });
                self.pending.len() - 1
            }
        };
        let block = &mut self.pending[at].block;
        block.combine(soft, version, group);
        block.decode().map(<[u8]>::to_vec)
    }

    /// Reads a message; what it says counts from now on. `false` where it cannot be read.
    pub fn read(&mut self, octets: &[u8]) -> bool {
        let message = parse_bcch_dl_sch(octets);
        if let Ok(message) = &message {
            fold(&mut self.fields, &mut self.identity, message);
        }
        message.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::lte::Scheduling;

    #[test]
    fn windows_follow_from_the_schedule_and_do_not_overlap() {
        // SIB1 of the recording lte/b3-1815M3-19M2: windows of 20 ms, three messages every 8, 32 and 64 frames.
        let mut information = SystemInformation::default();
        let octets = hex::decode("48481803247c2bffd02810210081044c43250b900000").unwrap();
        assert!(information.window(3, 7) == Some(20) && information.expects(5, 5), "everything is open before SIB1");
        assert!(information.read(&octets));
        let periods: Vec<u16> =
            information.fields.sib1.as_ref().unwrap().scheduling.iter().map(|s| s.period_frames).collect();
        assert_eq!(periods, [8, 32, 64]);
        let window = |number, subframe| information.window(number, subframe);
        assert_eq!((window(16, 0), window(17, 9), window(18, 0)), (Some(160), Some(160), None));
        assert_eq!((window(34, 3), window(35, 9), window(36, 0)), (Some(340), Some(340), None));
        assert_eq!((window(68, 0), window(70, 0), window(1023, 9)), (Some(680), None, None));
        assert_eq!(information.identity.unwrap().cell_id, Some(0x2bf_fd02));
    }

    #[test]
    fn a_schedule_of_any_content_is_survived() {
        for period_frames in [0, 8, u16::MAX] {
            let octets = hex::decode("48481803247c2bffd02810210081044c43250b900000").unwrap();
            let mut information = SystemInformation::default();
            assert!(information.read(&octets));
            let sib1 = information.fields.sib1.as_mut().unwrap();
            sib1.scheduling = vec![Scheduling { period_frames, sib_types: Vec::new() }; 32];
            sib1.si_window_ms = 40;
            // A window starts at or before the frame asked for.
            assert!(
                (0..1024).all(|number| information
                    .window(number, 3)
                    .is_none_or(|start| start <= 10 * u32::from(number) + 3))
            );
        }
    }
}
