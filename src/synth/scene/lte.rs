//! LTE cells of a scene: the octets that they broadcast, and what those say.

use crate::cell::{CellIdentity, Plmn, lte_downlink};
use crate::l3::lte::{Message, parse_bcch_dl_sch};
use crate::synth::lte::Cell;
use crate::units::Hz;

/// An LTE cell on air: six resource blocks, FDD, normal prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LteCell {
    /// Channel number, from which the carrier follows.
    pub earfcn: u32,
    /// Physical cell identity.
    pub pci: u16,
    /// Antenna ports: 1, 2 or 4.
    pub ports: usize,
    /// BCCH-DL-SCH-Message with SystemInformationBlockType1.
    pub sib1: Vec<u8>,
    /// BCCH-DL-SCH-Messages with SystemInformation, in the order of SIB1's schedule.
    pub messages: Vec<Vec<u8>>,
    /// System frame number of the frame that begins at the transmitter's `frame_start`.
    pub frame_number: u16,
}

impl LteCell {
    /// Nominal carrier; `None` where the channel number has none.
    pub fn carrier(&self) -> Option<Hz> {
        lte_downlink(self.earfcn)
    }

    /// What SIB1 says that the cell is: networks, tracking area code and cell identity; `None` where it is not SIB1.
    pub fn identity(&self) -> Option<CellIdentity> {
        let Ok(Message::Sib1(sib1)) = parse_bcch_dl_sch(&self.sib1) else { return None };
        let plmns: Vec<Plmn> = sib1.plmns.iter().filter_map(|entry| entry.plmn).collect();
        Some(CellIdentity { plmns, area: Some(sib1.tac.into()), cell_id: Some(sib1.eci.into()) })
    }

    /// What the test transmitter needs.
    pub fn cell(&self) -> Cell {
        Cell {
            ports: self.ports,
            sib1: self.sib1.clone(),
            messages: self.messages.clone(),
            seed: u64::from(self.pci),
            ..Cell::new(self.pci, 6)
        }
    }
}
