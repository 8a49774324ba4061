//! Transport blocks of system information put together from their redundancy versions, and when to expect them.
//!
//! TS 36.331 clauses 5.2.1.2 and 5.2.3, TS 36.321 clause 5.3.1.

use super::control::{PHICH_FACTORS, phich_factor};
use super::dci::Assignment;
use super::listening::Window;
use super::numerology::{CyclicPrefix, Duplex};
use crate::cell::CellIdentity;
use crate::coding::dl_sch::TransportBlock;
use crate::l3::lte::{fold, parse_bcch_dl_sch};
use crate::observation::lte::{LteFields, Mib};

/// Redundancy versions in the order of transmission; TS 36.321 clause 5.3.1: ceil(3/2 k) modulo 4.
const VERSIONS: [u8; 4] = [0, 2, 3, 1];
/// Transport blocks put together at once: SIB1 and the messages by their place in the schedule and size.
const MAX_PENDING: usize = 8;
/// Receptions added up over windows before a beginning is made: sixteen are 12 dB.
const MAX_CARRIED: usize = 16;
/// Least symbols of a special subframe's downlink that the PDSCH is sent in; TS 36.211 clause 4.2: configurations 0 and 5 have three.
pub const LEAST_SYMBOLS: usize = 4;
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

/// What a block is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Sib1,
    /// By its place in SIB1's schedule.
    Scheduled(usize),
    /// Before SIB1 is known.
    Unknown,
}

/// A block being put together.
#[derive(Clone, Debug)]
struct Pending {
    message: Message,
    /// Which window or period it belongs to: its first millisecond.
    since: u32,
    /// What came in this window.
    block: TransportBlock,
    /// What came in it and in those before, as long as nothing could be read: content seldom changes from one to the next.
    carried: Option<TransportBlock>,
    /// Receptions in `carried`.
    received: usize,
    /// It has been read.
    done: bool,
}

impl Pending {
    /// Another window begins at `since`.
    fn open(&mut self, since: u32) {
        self.since = since;
        if std::mem::take(&mut self.done) || self.message == Message::Unknown || self.received >= MAX_CARRIED {
            self.carried = None;
            self.received = 0;
        } else if self.carried.is_none() {
            self.carried = Some(self.block.clone());
        }
        self.block.clear();
    }

    fn take(&mut self, soft: &[f32], version: u8, group: usize) -> Option<Vec<u8>> {
        self.received += 1;
        self.block.combine(soft, version, group);
        if let Some(carried) = &mut self.carried {
            carried.combine(soft, version, group);
        }
        let octets = self.block.decode().or_else(|| self.carried.as_mut()?.decode());
        self.done |= octets.is_some();
        octets.map(<[u8]>::to_vec)
    }
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

    /// Symbols of the downlink in `subframe`: of type 2 frames what SIB1 tells, before it those of a downlink subframe.
    pub fn downlink_symbols(&self, (duplex, cp): (Duplex, CyclicPrefix), subframe: usize) -> usize {
        let told = self.fields.sib1.as_ref().and_then(|sib1| sib1.tdd);
        match (duplex, told, subframe) {
            (Duplex::Fdd, ..) | (_, None, _) | (_, _, 0 | 5) => cp.symbols(),
            (Duplex::Tdd, Some(tdd), _) => {
                downlink_symbols(cp, (tdd.subframe_assignment, tdd.special_subframe_patterns), subframe)
            }
        }
    }

    /// Subframe `subframe` may carry system information as far as is known: of type 2 frames 0 and 5 before SIB1 has come.
    pub fn carries(&self, structure: (Duplex, CyclicPrefix), subframe: usize) -> bool {
        let told = self.fields.sib1.as_ref().and_then(|sib1| sib1.tdd).is_some();
        let known = structure.0 == Duplex::Fdd || told || matches!(subframe, 0 | 5);
        known && self.downlink_symbols(structure, subframe) >= LEAST_SYMBOLS
    }

    /// Values of the PHICH's m_i to be tried in `subframe`; `last`: what messages were found with before.
    pub fn phich_factors(&self, duplex: Duplex, subframe: usize, last: usize) -> Vec<usize> {
        let told = self.fields.sib1.as_ref().and_then(|sib1| sib1.tdd);
        match (duplex, told.and_then(|tdd| phich_factor(tdd.subframe_assignment, subframe))) {
            (Duplex::Fdd, _) => vec![1],
            (Duplex::Tdd, Some(factor)) => vec![factor],
            (Duplex::Tdd, None) => {
                std::iter::once(last).chain(PHICH_FACTORS.into_iter().filter(|&factor| factor != last)).collect()
            }
        }
    }

    /// The window of a message other than SIB1 that subframe `subframe` of frame `number` lies in.
    pub fn due(&self, number: u16, subframe: usize) -> Option<Window> {
        let (since, message) = self.window(number, subframe)?;
        let message = if let Message::Scheduled(place) = message { Some(place) } else { None };
        Some(Window { message, into_ms: u32::from(number) * 10 + subframe as u32 - since })
    }

    /// First millisecond of the SI window that a subframe lies in, and whose it is; TS 36.331 clause 5.2.3.
    fn window(&self, number: u16, subframe: usize) -> Option<(u32, Message)> {
        let now = u32::from(number) * 10 + subframe as u32;
        let Some(sib1) = &self.fields.sib1 else {
            return Some((now / UNKNOWN_WINDOW * UNKNOWN_WINDOW, Message::Unknown));
        };
        let length = u32::from(sib1.si_window_ms);
        let starts = sib1.scheduling.iter().zip(0u32..).filter_map(|(message, n)| {
            let period = 10 * u32::from(message.period_frames);
            let into = (i64::from(now) - i64::from(n * length)).checked_rem_euclid(i64::from(period))? as u32;
            (into < length).then_some((now.saturating_sub(into), Message::Scheduled(n as usize)))
        });
        starts.max_by_key(|(start, _)| *start)
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
        let (since, message) = match sib1 {
            true => (now / SIB1_PERIOD * SIB1_PERIOD, Message::Sib1),
            false => self.window(number, subframe)?,
        };
        // TS 36.321 clause 5.3.1: by frame for SIB1, by subframe of the window for the others.
        let turn = if sib1 { number / 2 } else { (now - since.min(now)) as u16 };
        let version = assignment.version.unwrap_or(VERSIONS[usize::from(turn) % VERSIONS.len()]);
        let same = |pending: &Pending| pending.message == message && pending.block.transport_bits() == assignment.bits;
        let mut pending = match self.pending.iter().position(same) {
            Some(at) => self.pending.remove(at),
            None => {
                let block = TransportBlock::new(assignment.bits)?;
                Pending { message, since, block, carried: None, received: 0, done: false }
            }
        };
        if pending.since != since {
            pending.open(since);
        }
        let octets = pending.take(soft, version, group);
        // The least recently received one goes.
        if self.pending.len() == MAX_PENDING {
            self.pending.remove(0);
        }
        self.pending.push(pending);
        octets
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
        assert!(
            information.window(3, 7) == Some((20, Message::Unknown)) && information.due(5, 5).is_some(),
            "everything is open before SIB1"
        );
        assert!(information.read(&octets));
        let periods: Vec<u16> =
            information.fields.sib1.as_ref().unwrap().scheduling.iter().map(|s| s.period_frames).collect();
        assert_eq!(periods, [8, 32, 64]);
        let window = |number, subframe| information.window(number, subframe).map(|(start, _)| start);
        assert_eq!((window(16, 0), window(17, 9), window(18, 0)), (Some(160), Some(160), None));
        assert_eq!((window(34, 3), window(35, 9), window(36, 0)), (Some(340), Some(340), None));
        assert_eq!((window(68, 0), window(70, 0), window(1023, 9)), (Some(680), None, None));
        assert_eq!(information.identity.unwrap().cell_id, Some(0x2bf_fd02));
    }

    #[test]
    fn each_uplink_subframe_of_a_frame_is_acknowledged_once() {
        for assignment in 0..7 {
            let symbols = |subframe: usize| downlink_symbols(CyclicPrefix::Normal, (assignment, 0), subframe);
            let uplink = (0..10).filter(|&subframe| symbols(subframe) == 0).count();
            let factors: usize = (0..10).map(|subframe| phich_factor(assignment, subframe).unwrap()).sum();
            assert_eq!(factors, uplink, "configuration {assignment}");
            let silent = (0..10).filter(|&subframe| symbols(subframe) == 0);
            assert!(silent.clone().all(|subframe| phich_factor(assignment, subframe) == Some(0)));
        }
        assert_eq!((phich_factor(7, 0), downlink_symbols(CyclicPrefix::Normal, (7, 0), 0)), (None, 0));
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
            assert!((0..1024).all(|number| {
                information.window(number, 3).is_none_or(|(start, _)| start <= 10 * u32::from(number) + 3)
            }));
        }
    }
}
