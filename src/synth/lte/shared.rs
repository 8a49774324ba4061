//! Which block of system information a subframe carries, and its bits on the PDSCH.

use super::control::Announcement;
use super::{Cell, CellError, Frames, Repeats};
use crate::coding::dl_sch::TransportBlock;
use crate::coding::gold::Gold;
use crate::l3::lte::parse_bcch_dl_sch;
use crate::observation::lte::LteFields;
use crate::rat::lte::control::SI_RNTI;
use crate::rat::lte::dci::Assignment;
use crate::rat::lte::numerology::SUBFRAMES;
use crate::rat::lte::system_information::{LEAST_SYMBOLS, downlink_symbols, is_sib1};

/// Redundancy versions in the order of transmission; TS 36.321 clause 5.3.1: ceil(3/2 k) modulo 4.
const VERSIONS: [u8; 4] = [0, 2, 3, 1];

/// A block of system information to be sent.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) announcement: Announcement,
    pub(super) assignment: Assignment,
    octets: Vec<u8>,
    coder: TransportBlock,
}

impl Block {
    fn new(cell: &Cell, octets: &[u8]) -> Result<Block, CellError> {
        let announcement = Announcement::new(cell, octets.len())?;
        let mut octets = octets.to_vec();
        // Padding of the message itself; TS 36.331 clause 8.5.
        octets.resize(announcement.size / 8, 0);
        let coder = TransportBlock::new(announcement.size).expect("sizes of the tables are whole octets");
        Ok(Block { assignment: announcement.assignment(), announcement, octets, coder })
    }

    /// Scrambled bits of redundancy version `version` into all of `bits`; TS 36.211 clause 6.3.1.
    pub(super) fn send(&self, cell: &Cell, subframe: usize, version: u8, bits: &mut [u8]) {
        let group = if cell.ports == 1 { 2 } else { 4 };
        self.coder.encode(&self.octets, version, group, bits);
        Gold::new(u32::from(SI_RNTI) << 14 | (subframe as u32) << 9 | u32::from(cell.pci)).scramble(bits);
    }
}

/// When a message is sent; TS 36.331 clause 5.2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// Subframes from the start of a frame whose number is a multiple of the period.
    start: usize,
    /// Frames.
    period: usize,
    /// Subframes.
    length: usize,
}

/// All system information of a cell.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    sib1: Option<Block>,
    messages: Vec<(Window, Block)>,
    frames: Frames,
    /// Symbols of the downlink by subframe.
    symbols: [usize; SUBFRAMES],
    repeats: Repeats,
}

impl Plan {
    /// # Errors
    /// [`CellError`] where a message is too long or SIB1 does not say when it is sent.
    pub(super) fn new(cell: &Cell) -> Result<Plan, CellError> {
        let symbols = std::array::from_fn(|subframe| match cell.frames {
            Frames::Type1 => cell.cp.symbols(),
            Frames::Type2 { assignment, special } => downlink_symbols(cell.cp, (assignment, special), subframe),
        });
        let sib1 = (!cell.sib1.is_empty()).then(|| Block::new(cell, &cell.sib1)).transpose()?;
        let windows = if cell.messages.is_empty() { Vec::new() } else { windows(cell)? };
        let messages = cell
            .messages
            .iter()
            .zip(windows)
            .map(|(octets, window)| Ok((window, Block::new(cell, octets)?)))
            .collect::<Result<_, CellError>>()?;
        Ok(Plan { sib1, messages, frames: cell.frames, symbols, repeats: cell.repeats })
    }

    /// Symbols of the downlink in `subframe`.
    pub(super) fn symbols(&self, subframe: usize) -> usize {
        self.symbols[subframe]
    }

    /// A special subframe: its control region is shorter.
    pub(super) fn is_special(&self, subframe: usize) -> bool {
        matches!(self.frames, Frames::Type2 { .. }) && matches!(subframe, 1 | 6) && {
            let whole = self.symbols[0];
            (1..whole).contains(&self.symbols[subframe])
        }
    }

    /// The block that subframe `subframe` of frame `number` carries, and its redundancy version.
    pub(super) fn due(&self, number: u16, subframe: usize) -> Option<(&Block, u8)> {
        if is_sib1(number, subframe) {
            let turn = usize::from(number / 2) % VERSIONS.len();
            return Some((self.sib1.as_ref()?, VERSIONS[turn]));
        }
        let now = usize::from(number) * SUBFRAMES + subframe;
        self.messages.iter().find_map(|(window, block)| {
            let into = (now % (window.period * SUBFRAMES)).checked_sub(window.start)?;
            if into >= window.length || !self.carries(now) {
                return None;
            }
            // The how-manieth subframe of the window that could carry it.
            let turn = (now - into..now).filter(|&at| self.carries(at)).count();
            let after = turn.checked_sub(self.repeats.skip)?;
            let sent = after.is_multiple_of(self.repeats.every) && after / self.repeats.every < self.repeats.count;
            sent.then_some((block, VERSIONS[into % VERSIONS.len()]))
        })
    }

    /// Subframe `now` of all may carry a message.
    fn carries(&self, now: usize) -> bool {
        let (number, subframe) = ((now / SUBFRAMES) as u16, now % SUBFRAMES);
        self.symbols[subframe] >= LEAST_SYMBOLS && !is_sib1(number, subframe)
    }
}

/// The windows of a cell's messages, by SIB1.
fn windows(cell: &Cell) -> Result<Vec<Window>, CellError> {
    let unreadable = |reason: String| CellError::Schedule { messages: cell.messages.len(), reason };
    let message = parse_bcch_dl_sch(&cell.sib1).map_err(|error| unreadable(error.to_string()))?;
    let (mut fields, mut identity) = (LteFields::default(), None);
    crate::l3::lte::fold(&mut fields, &mut identity, &message);
    let sib1 = fields.sib1.ok_or_else(|| unreadable("it is another message".to_owned()))?;
    if sib1.scheduling.len() < cell.messages.len() {
        return Err(unreadable(format!("it schedules {}", sib1.scheduling.len())));
    }
    let length = usize::from(sib1.si_window_ms);
    let of = |(n, period): (usize, usize)| Window { start: n * length, period, length };
    Ok(sib1.scheduling.iter().map(|message| usize::from(message.period_frames).max(1)).enumerate().map(of).collect())
}
