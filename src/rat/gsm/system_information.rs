//! The SYSTEM INFORMATION of one cell as it comes in: octets kept, fields folded, schedule noted.

use crate::cell::CellIdentity;
use crate::observation::gsm::GsmFields;
use crate::observation::{BroadcastBlock, Fields, Octets};
use crate::rat::MAX_BROADCAST;

/// What a cell has broadcast so far.
#[derive(Clone, Debug, Default)]
pub struct SystemInformation {
    /// Distinct messages.
    pub broadcast: Vec<BroadcastBlock>,
    /// What they say.
    pub fields: GsmFields,
    /// Who the cell says it is.
    pub identity: Option<CellIdentity>,
}

impl SystemInformation {
    /// Takes a message that was received without error, with its TC where it came on BCCH Norm. Says whether it told anything new.
    pub fn take(&mut self, octets: &[u8; 23], _tc: Option<usize>) -> bool {
        if let Some(known) = self.broadcast.iter_mut().find(|block| block.octets.0 == octets) {
            known.count = known.count.saturating_add(1);
            return false;
        }
        if self.broadcast.len() < MAX_BROADCAST {
            self.broadcast.push(BroadcastBlock { name: "SI".into(), octets: Octets(octets.to_vec()), count: 1 });
        }
        true
    }

    /// The fields, once there are any.
    pub fn fields(&self) -> Option<Fields> {
        (!self.broadcast.is_empty()).then(|| Fields::Gsm(self.fields.clone()))
    }

    /// The CCCH shares its timeslot with dedicated channels (CCCH_CONF 1); `None` while unknown.
    pub fn combined(&self) -> Option<bool> {
        self.fields.control_channel.map(|control| control.ccch_conf == 1)
    }
}
