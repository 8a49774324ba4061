//! The SYSTEM INFORMATION of one cell as it comes in: octets kept, fields folded, schedule noted.

use crate::cell::CellIdentity;
use crate::l3::gsm;
use crate::observation::gsm::GsmFields;
use crate::observation::{BroadcastBlock, Fields, Octets};
use crate::rat::MAX_BROADCAST;

/// What a cell has broadcast so far.
#[derive(Clone, Debug, Default)]
pub struct SystemInformation {
    /// Distinct messages by first reception, with the turn in which each was last received.
    messages: Vec<(BroadcastBlock, u64)>,
    turn: u64,
    fields: GsmFields,
    identity: Option<CellIdentity>,
    malformed: u64,
}

impl SystemInformation {
    /// Takes a message that was received without error, with its TC where it came on BCCH Norm. Says whether the cell now
    /// broadcasts something else than before.
    ///
    /// A message that comes back after another content of its type was sent in between is folded again: fields and identity
    /// are those of the latest message of each type.
    pub fn take(&mut self, octets: &[u8; gsm::MESSAGE_OCTETS], tc: Option<usize>) -> bool {
        let Some(name) = gsm::name(octets) else { return false };
        let mut changed = false;
        if let (Some(tc), Some(si_type)) = (tc, gsm::si_type([octets[0], octets[1], octets[2]])) {
            let slot = &mut self.fields.schedule[tc];
            changed = *slot != Some(si_type);
            *slot = Some(si_type);
        }
        self.turn += 1;
        let newest = self.messages.iter().filter(|(block, _)| block.name == name).max_by_key(|(_, turn)| *turn);
        let same = newest.is_some_and(|(block, _)| block.octets.0 == octets);
        match self.messages.iter_mut().find(|(block, _)| block.octets.0 == octets) {
            Some((block, turn)) => {
                block.count = block.count.saturating_add(1);
                *turn = self.turn;
            }
            None => self.keep(name, octets),
        }
        if same {
            return changed;
        }
        match gsm::parse(octets) {
            Ok(message) => gsm::fold(&mut self.fields, &mut self.identity, &message),
            // The octets are kept as evidence; what they meant is not known.
            Err(_) => self.malformed += 1,
        }
        true
    }

    /// Keeps a message not seen before; the one not received for longest goes where there are too many.
    fn keep(&mut self, name: &str, octets: &[u8]) {
        if self.messages.len() == MAX_BROADCAST
            && let Some(oldest) = (0..MAX_BROADCAST).min_by_key(|&i| self.messages[i].1)
        {
            self.messages.remove(oldest);
        }
        let block = BroadcastBlock { name: name.to_owned(), octets: Octets(octets.to_vec()), count: 1 };
        self.messages.push((block, self.turn));
    }

    /// Distinct messages by first reception, at most [`MAX_BROADCAST`].
    pub fn broadcast(&self) -> Vec<BroadcastBlock> {
        self.messages.iter().map(|(block, _)| block.clone()).collect()
    }

    /// Who the cell says it is.
    pub fn identity(&self) -> Option<CellIdentity> {
        self.identity.clone()
    }

    /// The fields, once there are any.
    pub fn fields(&self) -> Option<Fields> {
        (!self.messages.is_empty()).then(|| Fields::Gsm(self.fields.clone()))
    }

    /// Messages that passed the Fire code but not their own grammar.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The CCCH shares its timeslot with dedicated channels (CCCH_CONF 1); `None` while unknown.
    pub fn combined(&self) -> Option<bool> {
        self.fields.control_channel.map(|control| control.ccch_conf == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SI3 of the recording gsm/bcch-953M6-500k, with another LAC where asked.
    fn si3(lac: u16) -> [u8; 23] {
        let mut octets = [0; 23];
        hex::decode_to_slice("49061b3b2d72f2203aa8d0033c546506b900008020420b", &mut octets).unwrap();
        octets[8..10].copy_from_slice(&lac.to_be_bytes());
        octets
    }

    fn area(information: &SystemInformation) -> Option<u32> {
        information.identity().and_then(|identity| identity.area)
    }

    #[test]
    fn a_location_area_that_alternates_is_followed_each_time() {
        let mut information = SystemInformation::default();
        for (lac, news) in [(15016, true), (15016, false), (700, true), (15016, true), (15016, false), (700, true)] {
            assert_eq!(information.take(&si3(lac), None), news, "{lac}");
            assert_eq!(area(&information), Some(u32::from(lac)));
        }
        let counts: Vec<u32> = information.broadcast().iter().map(|block| block.count).collect();
        assert_eq!(counts, [4, 2]);
    }

    #[test]
    fn distinct_messages_are_bounded_and_the_stalest_goes() {
        let mut information = SystemInformation::default();
        for lac in 0..100 {
            information.take(&si3(lac), None);
            information.take(&si3(0), None);
        }
        let kept = information.broadcast();
        assert_eq!(kept.len(), MAX_BROADCAST);
        assert!(kept.iter().any(|block| block.octets.0 == si3(0)), "still being received");
        assert!(!kept.iter().any(|block| block.octets.0 == si3(1)), "received first and never again");
    }
}
