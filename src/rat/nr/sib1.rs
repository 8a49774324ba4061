//! SIB1 of one cell: its slots, the message that announces it, and the block put together from its redundancy versions.
//!
//! Other system information is announced under SI-RNTI too, and passed over. A slot that is not there whole is, too.

use super::coreset::{Coreset, NO_SIB1, Occasion, slots_of_frame};
use super::dci::{Dci, Time};
use super::numerology::Spacing;
use super::pdcch::Control;
use super::pdsch::{Precoding, Shared};
use super::slot::{Cutter, Place};
use super::transport_block::{MODULATION, rate, transport_bits};
use crate::coding::dl_sch_nr::TransportBlock;
use crate::l3::nr::{Message, parse_bcch_dl_sch};
use crate::observation::nr::Mib;
use crate::units::Hz;
use num_complex::Complex32;

/// Receptions added up before a beginning is made. SIB1 is repeated within 160 ms (TS 38.331 clause 5.2.1) and seldom changes after them.
const MAX_RECEIVED: usize = 16;

/// What is known of a cell before its SIB1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// Physical cell identity.
    pub pci: u16,
    /// Spacing of the synchronisation block.
    pub spacing: Spacing,
    /// Nominal frequency of its middle.
    pub nominal: Hz,
    /// The MIB.
    pub mib: Mib,
    /// k_SSB, all five bits.
    pub k_ssb: u8,
    /// Number of the synchronisation block.
    pub index: u8,
}

/// A block of SIB1 that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message.
    pub octets: Vec<u8>,
    /// What announced its last transmission.
    pub dci: Dci,
    /// Aggregation level and first element of that.
    pub level: usize,
    /// The first control channel element.
    pub element: usize,
}

/// Receives SIB1 of one cell.
#[derive(Debug)]
pub struct Reader {
    known: Known,
    coreset: Coreset,
    common: Spacing,
    occasion: Occasion,
    middle: Hz,
    cutter: Cutter,
    control: Control,
    shared: Shared,
    /// What was added up, and how often.
    pending: Option<(TransportBlock, usize)>,
}

impl Reader {
    /// For a cell in streams of `rate`; `None` where it sends no SIB1, its CORESET 0 is none, or wider than the stream.
    pub fn new(rate: Hz, known: Known) -> Option<Reader> {
        if known.k_ssb >= NO_SIB1 {
            return None;
        }
        let common = if known.mib.scs_common_larger { Spacing::Khz30 } else { Spacing::Khz15 };
        let coreset = Coreset::zero(known.spacing, common, known.nominal, known.mib.control_resource_set_zero)?;
        Some(Reader {
            common,
            occasion: Occasion::new(common, &coreset, known.mib.search_space_zero, known.index),
            middle: coreset.middle(known.nominal, known.spacing, common, known.k_ssb),
            cutter: Cutter::new(rate, common, &coreset)?,
            control: Control::new(known.pci, coreset),
            shared: Shared::new(known.pci, coreset.blocks),
            known,
            coreset,
            pending: None,
        })
    }

    /// CORESET 0.
    pub fn coreset(&self) -> Coreset {
        self.coreset
    }

    /// When SIB1 may be announced.
    pub fn occasion(&self) -> Occasion {
        self.occasion
    }

    /// The slots of frame `number` in which SIB1 may be announced, and when each begins in the frame, seconds.
    pub fn slots(&self, number: u16) -> impl Iterator<Item = (usize, f64)> + use<> {
        let (first, of_frame) = (self.occasion.slot, slots_of_frame(self.common));
        let here = (number % 2 == 1) == self.occasion.odd_frame;
        // The second one may be the next frame's first.
        let slots = first..first + 2;
        slots.filter(move |_| here).map(move |slot| (slot % of_frame, slot as f64 * 10e-3 / of_frame as f64))
    }

    /// Takes slot `slot` of a frame, which begins `at` samples after the first one of a stream tuned to `center`; SIB1 where it came.
    pub fn take(&mut self, samples: &[Complex32], center: Hz, error: Hz, at: f64, slot: usize) -> Option<Received> {
        let symbols = self.cutter.cut(samples, &Place { at, center, middle: self.middle, error })?;
        let first = self.occasion.symbol;
        if symbols < first + self.coreset.symbols {
            return None;
        }
        let (dci, level, element) = self.control.read(&self.cutter.grid, slot, first)?;
        let position = self.known.mib.dmrs_type_a_position;
        let time = Time::default_a(dci.time, position);
        if dci.other_message || symbols < time.symbols().end {
            return None;
        }
        let rate = rate(dci.mcs)?;
        let bits = transport_bits(dci.length, Shared::elements(time, position), rate)?;
        // All rates of QPSK go with base graph 2 here, so blocks of one size are of one code.
        let same =
            |(block, received): &(TransportBlock, usize)| block.transport_bits() == bits && *received < MAX_RECEIVED;
        let (mut block, received) = match self.pending.take().filter(same) {
            Some(pending) => pending,
            None => (TransportBlock::new(bits, rate)?, 0),
        };
        let before = block.clone();
        for precoding in [Precoding::Wide, Precoding::Bundled] {
            self.shared.demodulate(&self.cutter.grid, slot, &dci, position, precoding);
            block.clone_from(&before);
            block.combine(&self.shared.soft, dci.version, MODULATION);
            let found = block.decode().filter(|octets| matches!(parse_bcch_dl_sch(octets), Ok(Message::Sib1(_))));
            if let Some(octets) = found {
                return Some(Received { octets: octets.to_vec(), dci, level, element });
            }
        }
        // What is kept is as if the precoder was one: most cells' is.
        block = before;
        self.shared.demodulate(&self.cutter.grid, slot, &dci, position, Precoding::Wide);
        block.combine(&self.shared.soft, dci.version, MODULATION);
        self.pending = Some((block, received + 1));
        None
    }
}
