//! Where system information stood: the resource elements of the blocks that can be read, of a cell that is known already.
//!
//! Samples are gone through subframe by subframe, and messages to SI-RNTI are looked for in the control region: nothing else, neither pages
//! nor grants to anybody. A transmission counts once a block with its parity has been read, from it alone or put together with others, and
//! if its own soft bits agree with that block sent again. This is for samples that were kept; while a stream is followed it costs nothing.
//!
//! ## References
//! - 3GPP TS 36.211 Release 17: clauses 6.4 (PDSCH), 6.7 (PCFICH), 6.8 (PDCCH), 6.10.1 (reference signals)
//! - 3GPP TS 36.321 Release 17: clause 7.1 (SI-RNTI)

use super::channel::Channel;
use super::control::{Control, Layout, PHICH_FACTORS, Place, SI_RNTI, agreement};
use super::dci::{self, Assignment};
use super::grid::{Cutter, Grid, Pace, Stretch};
use super::numerology::{BLOCK, Duplex, MAX_SYMBOLS};
use super::reference::{Reference, SPACING};
use super::shared;
use super::system_information::{SystemInformation, is_sib1};
use crate::coding::dl_sch::TransportBlock;
use crate::observation::lte::LteFields;

/// Values of the system frame number; TS 36.331 clause 6.2.2.
const FRAME_NUMBERS: i64 = 1024;
/// Redundancy versions; TS 36.212 clause 5.1.4.1.2.
const VERSIONS: u8 = 4;
/// A transmission is one of a block where its soft bits agree with it so well. Chosen: those of another one agree to 0.07 (one deviation
/// of 300 bits, few for a block), those of one received at -10 dB to 0.38.
const AGREES: f32 = 0.25;
/// Transmissions that wait until a block can be put together of them; the oldest goes.
const MAX_WAITING: usize = 32;
/// Transmissions told of: those of ten seconds.
const MAX_SENT: usize = 1024;

/// What is known of a cell.
#[derive(Clone, Debug)]
pub struct Told {
    /// Of its MIB.
    pub layout: Layout,
    /// Frame structure.
    pub duplex: Duplex,
    /// System frame number of the frame that its pace counts as 0.
    pub number: u16,
    /// What it has said: SIB1's schedule and TDD configuration count from the beginning.
    pub fields: LteFields,
}

/// A transmission of system information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its frame, as the pace counts.
    pub frame: i64,
    /// Its subframe.
    pub subframe: usize,
    /// What reading it takes, by symbol and subcarrier: PCFICH, the elements of the PDCCH that announce it, those of the PDSCH that it
    /// stands in, and the cell's reference signals.
    pub elements: Vec<(usize, usize)>,
}

/// One whose block has not been read yet.
#[derive(Debug)]
struct Waiting {
    sib1: bool,
    bits: usize,
    soft: Vec<f32>,
    sent: Sent,
}

/// Goes through the samples of one cell.
#[derive(Debug)]
pub struct Listener {
    layout: Layout,
    duplex: Duplex,
    number: u16,
    information: SystemInformation,
    cutter: Cutter,
    grid: Grid,
    reference: Reference,
    channel: Channel,
    control: Control,
    /// Lengths of formats 1A and 1C.
    lengths: [usize; 2],
    /// The PHICH's m_i that messages were found with last.
    factor: usize,
    soft: Vec<f32>,
    waiting: Vec<Waiting>,
    sent: Vec<Sent>,
}

impl Listener {
    /// For samples of `scale` times the base rate, which hold the cell's whole bandwidth.
    ///
    /// # Panics
    /// Where the cell has more than 110 resource blocks.
    pub fn new(told: Told, scale: usize) -> Listener {
        let Told { layout, duplex, number, fields } = told;
        let subcarriers = layout.blocks * BLOCK;
        let mut information = SystemInformation::default();
        information.fields = fields;
        Listener {
            duplex,
            number,
            information,
            cutter: Cutter::new(scale),
            grid: Grid::new(subcarriers, MAX_SYMBOLS),
            reference: Reference::new(layout.pci, layout.cp, layout.blocks),
            channel: Channel::new(layout.ports, subcarriers, MAX_SYMBOLS),
            control: Control::new(layout),
            lengths: [dci::length_1a(duplex, layout.blocks), dci::length_1c(layout.blocks)],
            factor: PHICH_FACTORS[0],
            soft: Vec::new(),
            waiting: Vec::new(),
            sent: Vec::new(),
            layout,
        }
    }

    /// Whether subframe `subframe` may hold any, as far as is known.
    pub fn wants(&self, subframe: usize) -> bool {
        self.information.carries((self.duplex, self.layout.cp), subframe)
    }

    /// Looks at one subframe, in ascending order; nothing happens where `stretch` does not hold it.
    pub fn listen(&mut self, stretch: &Stretch<'_>, pace: &Pace, (frame, subframe): (i64, usize)) {
        let Layout { cp, ports, blocks, .. } = self.layout;
        let whole = self.information.downlink_symbols((self.duplex, cp), subframe);
        let wanted = self.wants(subframe) && self.sent.len() < MAX_SENT;
        if !wanted || !self.cutter.cut(stretch, pace, (frame, subframe), cp, 0..whole, &mut self.grid) {
            return;
        }
        self.channel.estimate(&self.grid, &self.reference, subframe, whole, ports, None);
        let view = (&self.grid, &self.channel);
        let place = Place { subframe, special: whole < cp.symbols() };
        let formats = self.control.formats(view, subframe);
        let factors = self.information.phich_factors(self.duplex, subframe, self.factor);
        let found = self.control.search(view, place, (&formats, &factors), SI_RNTI, &self.lengths);
        let Some(found) = found else { return };
        self.factor = found.factor;
        for message in &found.bits {
            let assignment = match message.len() == self.lengths[0] {
                true => dci::format_1a(message, blocks),
                false => dci::format_1c(message, blocks),
            };
            let announced = self.control.carrying(message, SI_RNTI, (found.format, found.factor), place);
            if let Some(assignment) = assignment.filter(|_| !announced.is_empty()) {
                let data = self.layout.symbols(found.format, place.special)..whole;
                let mut elements = shared::elements(&self.layout, (self.duplex, subframe), data.clone(), &assignment);
                elements.extend(announced);
                elements.extend(self.everybodys(subframe, whole));
                let sent = Sent { frame, subframe, elements };
                let (at, view) = ((self.duplex, subframe), (&self.grid, &self.channel));
                shared::receive(&self.layout, at, data, &assignment, view, &mut self.soft);
                self.take(&assignment, sent);
            }
        }
    }

    /// Elements of the PCFICH and of the reference signals in the first `symbols` symbols of a subframe.
    fn everybodys(&self, subframe: usize, symbols: usize) -> Vec<(usize, usize)> {
        let indicator = self.layout.indicator().into_iter().flat_map(|first| self.layout.elements(0, first));
        let rows = (0..symbols).flat_map(|symbol| (0..self.layout.ports).map(move |port| (symbol, port)));
        let reference = rows
            .filter_map(|(symbol, port)| Some((symbol, self.reference.of(port, subframe, symbol)?)))
            .flat_map(|(symbol, (first, values))| (0..values.len()).map(move |n| (symbol, first + SPACING * n)));
        indicator.chain(reference).collect()
    }

    /// Puts a transmission together with those before it; its soft bits are in `soft`.
    fn take(&mut self, assignment: &Assignment, sent: Sent) {
        let group = if self.layout.ports == 1 { 2 } else { 4 };
        let number = (i64::from(self.number) + sent.frame).rem_euclid(FRAME_NUMBERS) as u16;
        let at = (number, sent.subframe);
        let (sib1, bits) = (is_sib1(at.0, at.1), assignment.bits);
        if self.waiting.len() == MAX_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(Waiting { sib1, bits, soft: self.soft.clone(), sent });
        let Some(octets) = self.information.take(assignment, &self.soft, group, at, sib1) else { return };
        let Some(coder) = TransportBlock::new(bits) else { return };
        let is_of_it = |waiting: &mut Waiting| {
            let mut again = vec![0; waiting.soft.len()];
            let mut agrees = |version: u8| {
                coder.encode(&octets, version, group, &mut again);
                agreement(&waiting.soft, &again) > AGREES
            };
            (waiting.sib1, waiting.bits) == (sib1, bits) && (0..VERSIONS).any(&mut agrees)
        };
        let read = self.waiting.extract_if(.., is_of_it).map(|waiting| waiting.sent);
        self.sent.extend(read);
        self.information.read(&octets);
    }

    /// Transmissions whose blocks were read.
    pub fn sent(self) -> Vec<Sent> {
        self.sent
    }
}
