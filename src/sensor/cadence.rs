//! Which observations a node tells the hub: links at the border are thin.
//!
//! A receiver reports every cell about once a second and the rules see all of it. Told at once is the first observation with an
//! identity and every change of what a cell says; findings carry their own observation and are always told. An unchanged cell is
//! told of as routine, as often as the interval says **and the budget allows**: the more cells there are, the less often each, and what
//! news cost is saved on routine. For a moment after a cell's first finding, and while the hub asks for a carrier, all cells are told of more often:
//! licensed ones are the clock by which the other is placed.

use super::spool::Class;
use super::task::Dwells;
use crate::cell::{CellIdentity, CellKey};
use crate::observation::{Observation, Octets};
use crate::units::{Elapsed, Nanos, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Cells remembered; the one that was told of longest ago is forgotten first, and would at worst be told of once more. Chosen: more
/// than any site can hear (a few hundred), and less than 1 MB.
const MAX_CELLS: usize = 4096;
/// A cell that was not heard for so long is news when it comes back, as it is to the rules.
const FORGET: Nanos = Nanos::from_secs(7 * 86_400);
/// A cell counts among those that share the budget for so long after it was heard.
const PRESENT: Nanos = Nanos::from_secs(3600);
/// How often the present cells are counted.
const COUNT: Nanos = Nanos::from_secs(60);
/// Months of thirty days.
const MONTH_S: f64 = 30.0 * 86_400.0;
/// Part of the month's octets that goes to routine observations. Measured by tests/budget.rs: health reports, tiles of the spectrum, keeping
/// the connection alive and acknowledgements take two fifths; the rest is left to news. (With 0.45 it was 20.3 MB a month.)
const ROUTINE_PART: f64 = 0.40;
/// Debt is forgotten beyond that of so many seconds, so that one bad day does not silence a week.
const MOST_DEBT_S: f64 = 86_400.0;
/// What is saved up at most.
const MOST_SAVED_S: f64 = 3600.0;
/// After a cell's first finding in an hour all others are told of for so long, this often.
const AROUND: Nanos = Nanos::from_secs(30);
const AROUND_EVERY: Nanos = Nanos::from_secs(10);
const AROUND_AGAIN: Nanos = Nanos::from_secs(3600);

/// Decides what is told.
#[derive(Debug)]
pub struct Cadence {
    interval: Nanos,
    dwells: Arc<Dwells>,
    cells: BTreeMap<CellKey, Told>,
    elapsed: Elapsed,
    budget: Option<Budget>,
    /// All cells are of interest until then, since then.
    around: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug)]
struct Told {
    at: Timestamp,
    heard: Timestamp,
    /// The same on the clock that nobody sets.
    kept: Nanos,
    identity: Option<CellIdentity>,
    content: Option<Octets>,
    /// When its findings last drew attention to what is around it.
    drew: Option<Timestamp>,
}

/// Octets for routine.
#[derive(Debug)]
struct Budget {
    /// Octets a second.
    rate: f64,
    /// Saved up; negative: owed.
    saved: f64,
    at: Option<Timestamp>,
    /// Mean size of an observation.
    cost: f64,
    /// Cells that share it, and when they were counted.
    present: usize,
    counted: Option<Timestamp>,
}

impl Budget {
    fn pass(&mut self, now: Timestamp) {
        let seconds = self.at.map_or(0.0, |at| now.0.saturating_sub(at.0) as f64 * 1e-9);
        // A clock that was set brings no wealth.
        let seconds = if (0.0..=MOST_SAVED_S).contains(&seconds) { seconds } else { 0.0 };
        self.saved = (self.saved + seconds * self.rate).min(MOST_SAVED_S * self.rate);
        self.at = Some(now);
    }

    fn spend(&mut self, octets: f64) {
        self.saved = (self.saved - octets).max(-MOST_DEBT_S * self.rate);
        self.cost += (octets - self.cost) / 16.0;
    }

    /// How often each of the present cells can be told of.
    fn interval(&self) -> Nanos {
        Nanos((self.present as f64 * self.cost / self.rate * 1e9).min(1e18) as i64)
    }
}

/// What an observation takes in an envelope, octets.
fn size(observation: &Observation) -> f64 {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0 += octets.len();
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be written costs nothing, and is lost where it is sealed.
    let _ = ciborium::into_writer(observation, &mut count);
    count.0 as f64
}

impl Cadence {
    /// An unchanged cell is told of once an `interval`.
    pub fn new(interval: Nanos) -> Cadence {
        let (dwells, elapsed) = (Arc::default(), Elapsed::default());
        Cadence { interval, dwells, cells: BTreeMap::new(), elapsed, budget: None, around: None }
    }

    /// And those that the hub asked for every second.
    pub fn dwelling(self, dwells: Arc<Dwells>) -> Cadence {
        Cadence { dwells, ..self }
    }

    /// And all of it within so many octets a month.
    pub fn within(self, month_octets: u64) -> Cadence {
        let rate = month_octets as f64 * ROUTINE_PART / MONTH_S;
        let budget = Budget { rate, saved: MOST_SAVED_S * rate, at: None, cost: 700.0, present: 0, counted: None };
        Cadence { budget: Some(budget), ..self }
    }

    /// How valuable this observation is to the hub, where it is to be told.
    pub fn admits(&mut self, observation: &Observation) -> Option<Class> {
        let (now, cell) = (observation.at_ns, observation.cell);
        if let Some(budget) = &mut self.budget {
            budget.pass(now);
            if budget.counted.is_none_or(|at| now - at >= COUNT || now < at) {
                let present = |told: &&Told| now - told.heard <= PRESENT && now >= told.heard;
                budget.present = self.cells.values().filter(present).count();
                budget.counted = Some(now);
            }
        }
        let class = self.judge(observation, now, cell)?;
        let octets = if class == Class::Routine && self.budget.is_some() {
            let mut sent = observation.clone();
            self.trim(class, &mut sent);
            size(&sent)
        } else {
            size(observation)
        };
        if let Some(budget) = &mut self.budget {
            budget.spend(octets);
        }
        Some(class)
    }

    fn judge(&mut self, observation: &Observation, now: Timestamp, cell: CellKey) -> Option<Class> {
        let around = self.around.is_some_and(|(from, until)| (from..until).contains(&now)) || self.dwells.any(now);
        let routine = match &self.budget {
            _ if around => AROUND_EVERY.min(self.interval),
            Some(budget) if budget.saved < 0.0 => Nanos(i64::MAX),
            Some(budget) => self.interval.max(budget.interval()),
            None => self.interval,
        };
        let kept = self.elapsed.to(now);
        let Some(told) = self.cells.get_mut(&cell) else {
            self.cells.retain(|_, told| kept - told.kept <= FORGET);
            if self.cells.len() >= MAX_CELLS {
                let oldest = self.cells.iter().min_by_key(|(key, told)| (told.at, **key)).map(|(key, _)| *key);
                oldest.map(|key| self.cells.remove(&key));
            }
            // A carrier that has not said who it is waits for its first interval: it mostly says so within two seconds.
            let identity = observation.identity.clone();
            let said = identity.is_some();
            let asked = self.dwells.wants(cell, now, None);
            let content = observation.content_sha256.clone();
            self.cells.insert(cell, Told { at: now, heard: now, kept, identity, content, drew: None });
            return (said || asked).then_some(Class::Observation);
        };
        (told.heard, told.kept) = (now, kept);
        let said = observation.identity.is_some() && observation.identity != told.identity;
        let changed = observation.content_sha256.is_some() && observation.content_sha256 != told.content;
        let first = told.identity.is_none() && told.content.is_none();
        // Time may go back where another recording begins. What has never said who it is does not wait for the budget.
        let interval = if first { self.interval } else { routine };
        let due = now - told.at >= interval || now < told.at;
        let asked = self.dwells.wants(cell, now, Some(told.at));
        if !(said || changed || due || asked) {
            return None;
        }
        // A stream that has not decoded the cell again yet does not make the next decoding news.
        told.at = now;
        told.identity = observation.identity.clone().or(told.identity.take());
        told.content = observation.content_sha256.clone().or(told.content.take());
        Some(if said || changed || asked || around { Class::Observation } else { Class::Routine })
    }

    /// Takes away what the hub knows already, where octets are counted: messages and fields of an unchanged cell, of which the hash
    /// of their content tells that they are the same.
    pub fn trim(&self, class: Class, observation: &mut Observation) {
        if class == Class::Routine && self.budget.is_some() && observation.content_sha256.is_some() {
            observation.broadcast.clear();
            observation.fields = None;
        }
    }

    /// A rule found something in this observation: for a while all cells around it are told of.
    pub fn found(&mut self, observation: &Observation) {
        let now = observation.at_ns;
        if let Some(budget) = &mut self.budget {
            budget.spend(size(observation));
        }
        let Some(told) = self.cells.get_mut(&observation.cell) else { return };
        if told.drew.is_none_or(|at| now - at >= AROUND_AGAIN || now < at) {
            told.drew = Some(now);
            self.around = Some((now, now + AROUND));
        }
    }

    /// Whether this observation is later than the one of its cell that was told last; for the end of a stream. Where octets are counted
    /// the end of a stream is no news of a cell that is known: a node that scans ends streams all the time.
    pub fn is_news(&mut self, observation: &Observation) -> bool {
        let counted = self.budget.is_some();
        let Some(told) = self.cells.get_mut(&observation.cell) else { return true };
        if counted && told.identity.is_some() {
            return false;
        }
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
            bearing: None,
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
        .map(|observation| cadence.admits(observation).is_some())
        .collect();
        assert_eq!(told, [false, false, true, false, true, true, false, false, true, false, false]);
    }

    #[test]
    fn cells_do_not_share_their_intervals_and_an_unidentified_one_is_told_of_in_time() {
        let mut cadence = Cadence::new(Nanos::from_secs(10));
        assert_eq!(cadence.admits(&heard(0, 1, None, 0)), None);
        assert_eq!(cadence.admits(&heard(5, 2, Some(1), 1)), Some(Class::Observation));
        assert_eq!(cadence.admits(&heard(10, 1, None, 0)), Some(Class::Routine));
        assert_eq!(cadence.admits(&heard(11, 2, Some(1), 1)), None);
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

    #[test]
    fn a_cell_that_was_away_for_more_than_a_week_is_forgotten_and_news_again() {
        let mut cadence = Cadence::new(Nanos::from_secs(3600));
        let hear = |cadence: &mut Cadence, hour: i64, id| cadence.admits(&heard(hour * 3600, id, Some(1), 1));
        for hour in 0..8 * 24 {
            let class = hear(&mut cadence, hour, 1);
            assert_eq!(class, Some(if hour == 0 { Class::Observation } else { Class::Routine }));
            if hour == 0 {
                assert_eq!(hear(&mut cadence, hour, 2), Some(Class::Observation));
                assert_eq!(hear(&mut cadence, hour, 3), Some(Class::Observation));
            } else if hour == 6 * 24 {
                assert_eq!(hear(&mut cadence, hour, 2), Some(Class::Routine), "six days");
            }
        }
        // With one that comes goes what is forgotten.
        assert_eq!(hear(&mut cadence, 8 * 24, 4), Some(Class::Observation));
        let kept: Vec<u16> = cadence.cells.keys().map(|key| key.id).collect();
        assert_eq!(kept, [1, 2, 4]);
        assert_eq!(hear(&mut cadence, 8 * 24, 3), Some(Class::Observation));
    }

    /// `cells` licensed cells heard every 10 s for `seconds`; how often a class was told, and octets.
    fn day(cadence: &mut Cadence, cells: u16, from: i64, seconds: i64) -> (usize, usize, f64) {
        let (mut routine, mut news, mut octets) = (0, 0, 0.0);
        for second in (from..from + seconds).step_by(10) {
            for id in 0..cells {
                let observation = heard(second, id, Some(1), 1);
                match cadence.admits(&observation) {
                    Some(Class::Routine) => routine += 1,
                    Some(_) => news += 1,
                    None => continue,
                }
                octets += size(&observation);
            }
        }
        (routine, news, octets)
    }

    #[test]
    fn routine_keeps_to_its_part_of_the_budget_however_many_cells_there_are() {
        for cells in [3, 40, 400] {
            let mut cadence = Cadence::new(Nanos::from_secs(60)).within(20_000_000);
            let (_, news, _) = day(&mut cadence, cells, 0, 86_400);
            assert_eq!(news, usize::from(cells), "each is news once");
            let (routine, news, octets) = day(&mut cadence, cells, 86_400, 86_400);
            let part = octets * 30.0 / 20e6;
            println!("{cells} cells: {routine} routine observations a day, {:.0} % of the budget", 100.0 * part);
            assert_eq!(news, 0);
            assert!(part <= ROUTINE_PART * 1.05 && routine > 0, "{part}");
            // No cell is favoured: those told of least and most often differ by little.
            assert!(cadence.cells.values().all(|told| told.at > Timestamp(0)));
        }
    }

    #[test]
    fn a_finding_draws_attention_to_all_cells_for_half_a_minute_and_once_an_hour() {
        let mut cadence = Cadence::new(Nanos::from_secs(60)).within(20_000_000);
        day(&mut cadence, 100, 0, 3600);
        cadence.found(&heard(3600, 1, Some(1), 1));
        let (routine, news, _) = day(&mut cadence, 100, 3600, 60);
        assert_eq!(routine, 0, "it costs more than is saved up");
        assert!((200..=300).contains(&news), "{news}");
        cadence.found(&heard(3700, 1, Some(1), 1));
        assert_eq!(
            day(&mut cadence, 100, 3700, 60).1,
            0,
            "a cell that is found every second does not do so every second"
        );
    }

    #[test]
    fn a_clock_set_back_or_forward_by_years_neither_silences_nor_floods() {
        let year = 365 * 86_400;
        for step in [-20 * year, 20 * year] {
            let mut cadence = Cadence::new(Nanos::from_secs(60)).within(20_000_000);
            day(&mut cadence, 50, 30 * year, 7200);
            let (routine, news, _) = day(&mut cadence, 50, 30 * year + step, 7200);
            assert_eq!(news, 0);
            assert!((1..=100).contains(&routine), "{step}: {routine}");
        }
    }
}
