//! What the hub asks of this node: which tasks are obeyed, and which carriers are dwelt on.
//!
//! Only the node's own hub is obeyed (its signature is checked before anything arrives here), only for this node, only in time, each
//! task once, and not too many of them: whoever held the hub's key could otherwise fill a thin link or keep a node busy. What is
//! refused is counted by reason. To dwell is to tell of every report that the receiver makes of the carrier's cells, one a second;
//! nothing is received that would not be received anyway.

use crate::cell::CellKey;
use crate::observation::envelope::Task;
use crate::observation::{Dwell, NodeId, Octets};
use crate::units::{Nanos, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tasks taken in a minute. Chosen: the hub asks for one carrier every few minutes; six alarms at once still pass.
const MOST_A_MINUTE: usize = 12;
/// Carriers dwelt on at a time.
const MOST_AT_ONCE: usize = 8;
/// A task may begin so long after it arrives.
const AHEAD: Nanos = Nanos::from_secs(60);
/// The hub's clock and the node's may differ by this much.
const SKEW: Nanos = Nanos::from_secs(10);
/// Identifiers remembered: more than can be taken while one is still good.
const MAX_SEEN: usize = 256;
/// Between two observations of one cell that are told because of a dwell: a little less than a second, because reports are not on the dot.
const CADENCE: Nanos = Nanos::from_millis(900);

/// Why a task is not obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refused {
    /// It names another node.
    #[error("for another node")]
    NotForUs,
    /// It has expired, or its time is over.
    #[error("stale")]
    Stale,
    /// It comes from the future, or begins too far in it.
    #[error("of a time to come")]
    Early,
    /// Its identifier was seen before.
    #[error("repeated")]
    Repeated,
    /// Too many of them.
    #[error("too many")]
    TooMany,
}

/// Carriers that are dwelt on, between the link and the receiver.
#[derive(Debug, Default)]
pub struct Dwells {
    tasks: Mutex<Vec<Task>>,
}

impl Dwells {
    fn lock(&self) -> MutexGuard<'_, Vec<Task>> {
        // Every change leaves the list whole.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an observation of `cell` at `at` is wanted that was told last at `told`.
    pub fn wants(&self, cell: CellKey, at: Timestamp, told: Option<Timestamp>) -> bool {
        let due = told.is_none_or(|told| at - told >= CADENCE || at < told);
        due && self.lock().iter().any(|task| task.covers(cell, at))
    }

    /// Whether anything is dwelt on at `now`.
    pub fn any(&self, now: Timestamp) -> bool {
        self.lock().iter().any(|task| now >= task.from_ns && now < task.until_ns)
    }

    /// What is dwelt on at `now`, for the health report.
    pub fn at(&self, now: Timestamp) -> Vec<Dwell> {
        let tasks = self.lock();
        let current = tasks.iter().filter(|task| now >= task.from_ns && now < task.until_ns);
        current.map(|task| Dwell { rat: task.rat, center_hz: task.center_hz, until_ns: task.until_ns }).collect()
    }
}

/// Decides about tasks.
#[derive(Debug)]
pub struct Desk {
    node: NodeId,
    dwells: Arc<Dwells>,
    /// Until when each identifier is good.
    seen: BTreeMap<Octets, Timestamp>,
    taken: VecDeque<Timestamp>,
}

impl Desk {
    /// For this node; what it takes goes to `dwells`.
    pub fn new(node: NodeId, dwells: Arc<Dwells>) -> Desk {
        Desk { node, dwells, seen: BTreeMap::new(), taken: VecDeque::new() }
    }

    /// Takes a task whose signature is the hub's, at `now` on the node's clock.
    ///
    /// # Errors
    /// [`Refused`]: it is not obeyed, and why.
    pub fn take(&mut self, task: Task, now: Timestamp) -> Result<(), Refused> {
        if task.node != self.node {
            return Err(Refused::NotForUs);
        }
        if now >= task.expires_ns || now >= task.until_ns {
            return Err(Refused::Stale);
        }
        if task.issued_ns > now + SKEW || task.from_ns > now + AHEAD {
            return Err(Refused::Early);
        }
        self.seen.retain(|_, good_until| *good_until > now);
        if self.seen.contains_key(&task.task) {
            return Err(Refused::Repeated);
        }
        while self.taken.front().is_some_and(|at| now - *at >= Nanos::from_secs(60) || *at > now) {
            self.taken.pop_front();
        }
        let mut tasks = self.dwells.lock();
        tasks.retain(|known| known.until_ns > now);
        let carrier = |known: &Task| (known.rat, known.center_hz);
        let known = tasks.iter().position(|known| carrier(known) == carrier(&task));
        let room = known.is_some() || tasks.len() < MOST_AT_ONCE;
        if self.taken.len() >= MOST_A_MINUTE || self.seen.len() >= MAX_SEEN || !room {
            return Err(Refused::TooMany);
        }
        self.seen.insert(task.task.clone(), task.expires_ns);
        self.taken.push_back(now);
        match known {
            // A carrier is dwelt on once; a later task moves the end, and never beyond what one task may ask.
            Some(place) => tasks[place] = Task { from_ns: tasks[place].from_ns.min(task.from_ns), ..task },
            None => tasks.push(task),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Rat;
    use crate::observation::SCHEMA;

    fn at(second: i64) -> Timestamp {
        Timestamp(1_795_000_000_000_000_000) + Nanos::from_secs(second)
    }

    fn task(number: u8, center_hz: u64) -> Task {
        Task {
            schema: SCHEMA,
            task: Octets(vec![number; 16]),
            node: "pole-1".parse().unwrap(),
            rat: Rat::Gsm,
            center_hz,
            from_ns: at(2),
            until_ns: at(22),
            issued_ns: at(0),
            expires_ns: at(60),
        }
    }

    fn desk() -> (Desk, Arc<Dwells>) {
        let dwells = Arc::new(Dwells::default());
        (Desk::new("pole-1".parse().unwrap(), dwells.clone()), dwells)
    }

    const CELL: CellKey = CellKey { rat: Rat::Gsm, center_hz: 947_400_000, id: 33 };

    #[test]
    fn while_it_dwells_a_node_tells_of_the_carriers_cells_every_second_and_of_no_others() {
        let (mut desk, dwells) = desk();
        assert_eq!(desk.take(task(1, 947_400_000), at(0)), Ok(()));
        let wants = |second, told: Option<i64>| dwells.wants(CELL, at(second), told.map(at));
        assert_eq!((wants(1, None), wants(2, None), wants(21, Some(20)), wants(22, None)), (false, true, true, false));
        assert!(!wants(5, Some(5)), "told this second");
        assert!(!dwells.wants(CellKey { center_hz: 947_600_000, ..CELL }, at(5), None));
        assert!(dwells.wants(CellKey { id: 7, ..CELL }, at(5), None), "whatever colour code it has by now");
        assert_eq!(dwells.at(at(5)), [Dwell { rat: Rat::Gsm, center_hz: 947_400_000, until_ns: at(22) }]);
        assert_eq!(dwells.at(at(30)), []);
    }

    #[test]
    fn stale_repeated_early_and_foreign_tasks_are_refused() {
        let (mut desk, dwells) = desk();
        let foreign = Task { node: "pole-2".parse().unwrap(), ..task(9, 947_400_000) };
        assert_eq!(desk.take(foreign, at(0)), Err(Refused::NotForUs));
        assert_eq!(desk.take(task(1, 947_400_000), at(60)), Err(Refused::Stale));
        assert_eq!(desk.take(task(1, 947_400_000), at(22)), Err(Refused::Stale), "its time is over");
        assert_eq!(desk.take(task(1, 947_400_000), at(-11)), Err(Refused::Early));
        assert!(dwells.at(at(3)).is_empty());
        assert_eq!(desk.take(task(1, 947_400_000), at(1)), Ok(()));
        assert_eq!(desk.take(task(1, 947_400_000), at(2)), Err(Refused::Repeated));
        let altered = Task { until_ns: at(100), ..task(1, 947_400_000) };
        assert_eq!(desk.take(altered, at(2)), Err(Refused::Repeated), "an identifier is used once");
    }

    #[test]
    fn a_flood_of_tasks_is_cut_off_and_does_not_grow_anything() {
        let (mut desk, dwells) = desk();
        let mut taken = 0;
        for number in 0..=255u8 {
            taken += usize::from(desk.take(task(number, 935_000_000 + 200_000 * u64::from(number)), at(1)).is_ok());
        }
        assert_eq!((taken, dwells.at(at(3)).len()), (MOST_AT_ONCE, MOST_AT_ONCE));
        // On one carrier the minute's number is the limit.
        let (mut desk, dwells) = self::desk();
        let of_one = (0..=255u8).filter(|n| desk.take(task(*n, 947_400_000), at(1)).is_ok()).count();
        assert_eq!((of_one, dwells.at(at(3)).len(), desk.seen.len()), (MOST_A_MINUTE, 1, MOST_A_MINUTE));
        // After a minute there is room again.
        let later =
            Task { from_ns: at(70), until_ns: at(90), issued_ns: at(70), expires_ns: at(130), ..task(77, 947_400_000) };
        assert_eq!(desk.take(later, at(70)), Ok(()));
    }
}
