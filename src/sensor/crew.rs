//! Receivers of one node that scan together: while one of them is out of order the others take its part of the spectrum, and give it
//! back when it delivers again.
//!
//! Each keeps its own part whatever happens; what is lent comes on top, divided as the whole was divided at the start. Whoever watches
//! the receivers says how they are ([`Crew::tell`]), each tour asks between two steps what is lent to it ([`Crew::lent`]). A change
//! counts once it has lasted for [`SETTLED`]: a receiver that is opened again after a stumble does not upset the others.

use super::bands::Band;
use super::scan::{Options, Reach, share};
use crate::units::{Hz, Nanos};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a receiver is out of order, or in order again, before its part changes hands. Chosen: opening a device again takes seconds.
pub const SETTLED: Nanos = Nanos::from_secs(10);

/// A receiver of the crew.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    bands: Vec<Band>,
    reach: Reach,
    /// Counted as delivering.
    well: bool,
    /// Since when it is otherwise.
    otherwise: Option<Nanos>,
    lent: Vec<Band>,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    /// Raised with every change of what is lent.
    version: u64,
}

/// The crew.
#[derive(Debug, Default)]
pub struct Crew {
    options: Options,
    state: Mutex<State>,
}

impl Crew {
    /// Receivers by name, each with its part of the bands and what it reaches; all of them count as delivering.
    pub fn new(members: Vec<(String, Vec<Band>, Reach)>, options: Options) -> Crew {
        let member = |(name, bands, reach)| Member { name, bands, reach, well: true, otherwise: None, lent: vec![] };
        let members = members.into_iter().map(member).collect();
        Crew { options, state: Mutex::new(State { members, version: 0 }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Receiver `number` delivers at `now`, or it does not; `now` is a time that is never set.
    pub fn tell(&self, number: usize, delivers: bool, now: Nanos) {
        let mut state = self.lock();
        let Some(member) = state.members.get_mut(number) else { return };
        if member.well == delivers {
            member.otherwise = None;
            return;
        }
        let since = *member.otherwise.get_or_insert(now);
        if now - since < SETTLED {
            return;
        }
        (member.well, member.otherwise) = (delivers, None);
        tracing::info!(receiver = member.name, delivers, "the receivers divide the spectrum anew");
        self.divide(&mut state);
    }

    /// Lends the parts of those that do not deliver to those that do.
    fn divide(&self, state: &mut State) {
        let well: Vec<usize> = (0..state.members.len()).filter(|n| state.members[*n].well).collect();
        let reaches: Vec<Reach> = well.iter().map(|n| state.members[*n].reach.clone()).collect();
        let orphaned = state.members.iter().filter(|member| !member.well).flat_map(|member| member.bands.clone());
        let shares = share(&orphaned.collect::<Vec<_>>(), &reaches, &self.options);
        state.members.iter_mut().for_each(|member| member.lent.clear());
        for (number, share) in well.into_iter().zip(shares) {
            state.members[number].lent = share;
        }
        state.version += 1;
    }

    /// What is lent to receiver `number`, where that has changed since version `seen`, which is brought up to date.
    pub fn lent(&self, number: usize, seen: &mut u64) -> Option<Vec<Band>> {
        let state = self.lock();
        if *seen == state.version {
            return None;
        }
        *seen = state.version;
        state.members.get(number).map(|member| member.lent.clone())
    }

    /// Whether receiver `number` is the first of those that deliver and reach `center`, and so the one that a task there is for; where
    /// none of them delivers, each is.
    pub fn is_first_to_reach(&self, number: usize, center: Hz) -> bool {
        let state = self.lock();
        let reaches =
            |member: &&Member| member.reach.tuning.iter().any(|[least, most]| (least.0..=most.0).contains(&center.0));
        let first = state.members.iter().position(|member| member.well && reaches(&member));
        first.is_none_or(|first| first == number)
    }

    /// For the health report: whose part others have.
    pub fn notes(&self) -> Vec<String> {
        let state = self.lock();
        let others = state.members.iter().any(|member| member.well);
        let out = state.members.iter().filter(|member| !member.well && others);
        out.map(|member| format!("{} is out of order; the other receivers scan its part of the spectrum", member.name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::bands::Table;

    fn band(name: &str, low: f64, high: f64) -> Band {
        let edges = format!("downlink_mhz = [{low}, {high}]\ngsm = true\nuse = \"-\"\nsource = \"-\"\n");
        let table = format!("version = 1\ncountry = \"XX\"\nname = \"X\"\n[[band]]\nname = \"{name}\"\n{edges}");
        Table::parse("test", &table).unwrap().bands[0].clone()
    }

    fn reach(low: f64, high: f64) -> Reach {
        Reach { usable: Hz(8e6), tuning: vec![[Hz(low), Hz(high)]], retune: Nanos::from_millis(20) }
    }

    fn width(bands: &[Band]) -> f64 {
        bands.iter().map(|band| band.high.0 - band.low.0).sum()
    }

    #[test]
    fn the_part_of_a_receiver_that_fails_goes_to_the_others_and_comes_back() {
        let wide = || reach(500e6, 3e9);
        let crew = Crew::new(
            vec![
                ("a".to_owned(), vec![band("8", 925.0, 960.0)], wide()),
                ("b".to_owned(), vec![band("3", 1805.0, 1880.0)], wide()),
                ("c".to_owned(), vec![band("5", 869.0, 894.0)], reach(500e6, 1e9)),
            ],
            Options::default(),
        );
        let second = Nanos::from_secs;
        let mut seen = [0; 3];
        let lent = |number: usize, seen: &mut [u64; 3]| crew.lent(number, &mut seen[number]);
        crew.tell(1, false, second(100));
        crew.tell(1, false, second(105));
        assert_eq!(lent(0, &mut seen), None, "five seconds are a stumble");
        crew.tell(1, true, second(106));
        crew.tell(1, false, second(107));
        crew.tell(1, false, second(116));
        assert_eq!(lent(0, &mut seen), None, "it delivered in between");
        crew.tell(1, false, second(117));
        let to_a = lent(0, &mut seen).unwrap();
        assert!((width(&to_a) - 75e6).abs() < 1.0, "c does not reach it: {to_a:?}");
        assert_eq!(lent(0, &mut seen), None, "told once");
        assert!(lent(2, &mut seen).unwrap().iter().all(|band| band.name != "3"));
        assert_eq!(crew.notes().len(), 1);
        assert!(crew.notes()[0].starts_with("b is out of order"));
        // A second one fails: the last one has all it reaches.
        crew.tell(0, false, second(200));
        crew.tell(0, false, second(210));
        assert!(lent(2, &mut seen).unwrap().iter().any(|band| band.name == "8"));
        // Both come back, and nothing is lent any more.
        for number in [0, 1] {
            crew.tell(number, true, second(300));
            crew.tell(number, true, second(310));
        }
        assert!((0..3).all(|number| lent(number, &mut seen).unwrap().is_empty()));
        assert_eq!(crew.notes(), [""; 0]);
    }

    #[test]
    fn where_all_have_failed_nothing_is_lent_and_nobody_is_blamed_for_the_others() {
        let crew =
            Crew::new(vec![("a".to_owned(), vec![band("8", 925.0, 960.0)], reach(5e8, 3e9))], Options::default());
        crew.tell(0, false, Nanos(0));
        crew.tell(0, false, SETTLED);
        assert_eq!(crew.lent(0, &mut 0), Some(vec![]));
        assert_eq!(crew.notes(), [""; 0]);
        crew.tell(7, false, SETTLED);
    }
}
