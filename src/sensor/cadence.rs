//! Which observations a node tells the hub: links at the border are thin.
//!
//! A receiver reports every cell about once a second and the rules see all of it. Told is the first observation with an identity,
//! every change of what a cell says, and one each report interval; findings carry their own observation and are always told.

use super::task::Dwells;
use crate::cell::{CellIdentity, CellKey};
use crate::observation::{Observation, Octets};
use crate::units::{Nanos, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Cells remembered; the one that was told of longest ago is forgotten first, and would at worst be told of once more. Chosen: more
/// than any site can hear (a few hundred), and less than 1 MB.
const MAX_CELLS: usize = 4096;

/// Decides what is told.
#[derive(Debug)]
pub struct Cadence {
    interval: Nanos,
    dwells: Arc<Dwells>,
    cells: BTreeMap<CellKey, Told>,
}

#[derive(Debug)]
struct Told {
    at: Timestamp,
    identity: Option<CellIdentity>,
    content: Option<Octets>,
}

impl Cadence {
    /// An unchanged cell is told of once an `interval`.
    pub fn new(interval: Nanos) -> Cadence {
        Cadence { interval, dwells: Arc::default(), cells: BTreeMap::new() }
    }

    /// And those that the hub asked for every second.
    pub fn dwelling(self, dwells: Arc<Dwells>) -> Cadence {
        Cadence { dwells, ..self }
    }

    /// Whether this observation is to be told.
    pub fn admits(&mut self, observation: &Observation) -> bool {
        let now = Told {
            at: observation.at_ns,
            identity: observation.identity.clone(),
            content: observation.content_sha256.clone(),
        };
        let Some(told) = self.cells.get_mut(&observation.cell) else {
            if self.cells.len() >= MAX_CELLS {
                let oldest = self.cells.iter().min_by_key(|(key, told)| (told.at, **key)).map(|(key, _)| *key);
                oldest.map(|key| self.cells.remove(&key));
            }
            // A carrier that has not said who it is waits for its first interval: it mostly says so within two seconds.
            let said = now.identity.is_some();
            let asked = self.dwells.wants(observation.cell, now.at, None);
            self.cells.insert(observation.cell, now);
            return said || asked;
        };
        let said = now.identity.is_some() && now.identity != told.identity;
        let changed = now.content.is_some() && now.content != told.content;
        // Time may go back where another recording begins.
        let due = now.at - told.at >= self.interval || now.at < told.at;
        let asked = self.dwells.wants(observation.cell, now.at, Some(told.at));
        if !(said || changed || due || asked) {
            return false;
        }
        // A stream that has not decoded the cell again yet does not make the next decoding news.
        told.at = now.at;
        told.identity = now.identity.or(told.identity.take());
        told.content = now.content.or(told.content.take());
        true
    }

    /// Whether this observation is later than the one of its cell that was told last; for the end of a stream.
    pub fn is_news(&mut self, observation: &Observation) -> bool {
        let Some(told) = self.cells.get_mut(&observation.cell) else { return true };
        let news = observation.at_ns > told.at;
        told.at = told.at.max(observation.at_ns);
        news
    }

    /// Cells remembered.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Rat;
    use crate::observation::{CarrierError, Clock, ClockSource, Level, ReceiverState};
    use crate::units::{Db, Dbfs, Hz, Ppb};

    fn heard(seconds: i64, id: u16, lac: Option<u32>, content: u8) -> Observation {
        Observation {
            at_ns: Timestamp(0) + Nanos::from_secs(seconds),
            first_ns: Timestamp(0),
            clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
            position: None,
            cell: CellKey { rat: Rat::Gsm, center_hz: 947_000_000, id },
            identity: lac.map(|lac| CellIdentity { plmns: vec![], area: Some(lac), cell_id: Some(1) }),
            level: Level { dbfs: Dbfs(-40.0), dbm: None, sigma_db: Db(1.0) },
            snr_db: Db(20.0),
            carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(0.0), sigma_ppb: Ppb(1.0) },
            timing: None,
            broadcast: vec![],
            fields: None,
            content_sha256: (content > 0).then(|| Octets(vec![content; 32])),
            receiver: ReceiverState::default(),
        }
    }

    #[test]
    fn a_cell_is_told_of_at_its_first_identity_at_changes_and_at_intervals() {
        let mut cadence = Cadence::new(Nanos::from_secs(60));
        let told: Vec<bool> = [
            heard(0, 1, None, 0),
            heard(1, 1, None, 0),
            heard(2, 1, Some(7), 1),
            heard(3, 1, Some(7), 1),
            heard(4, 1, Some(7), 2),
            heard(5, 1, Some(8), 2),
            heard(6, 1, Some(8), 2),
            heard(64, 1, Some(8), 2),
            heard(65, 1, Some(8), 2),
            heard(66, 1, None, 0),
            heard(67, 1, Some(8), 2),
        ]
        .iter()
        .map(|observation| cadence.admits(observation))
        .collect();
        assert_eq!(told, [false, false, true, false, true, true, false, false, true, false, false]);
    }

    #[test]
    fn cells_do_not_share_their_intervals_and_an_unidentified_one_is_told_of_in_time() {
        let mut cadence = Cadence::new(Nanos::from_secs(10));
        assert!(!cadence.admits(&heard(0, 1, None, 0)));
        assert!(cadence.admits(&heard(5, 2, Some(1), 1)));
        assert!(cadence.admits(&heard(10, 1, None, 0)));
        assert!(!cadence.admits(&heard(11, 2, Some(1), 1)));
    }

    #[test]
    fn the_number_of_cells_is_bounded() {
        let mut cadence = Cadence::new(Nanos::from_secs(10));
        for n in 0..MAX_CELLS as i64 + 500 {
            let mut observation = heard(n, 1, None, 0);
            observation.cell.center_hz = 900_000_000 + n as u64;
            cadence.admits(&observation);
        }
        assert_eq!(cadence.cells(), MAX_CELLS);
    }
}
