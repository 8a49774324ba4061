//! What nodes in vehicles heard on their way: each place that one came by is worth a node of its own, if the transmitter stands.
//!
//! A free-running clock wanders on the way, so each place has a clock of its own, which is set by the licensed cells that the node heard
//! there and then. The transmitter's own clock wanders as well: the older a reading, the less it is worth.

use crate::cell::CellKey;
use crate::hub::fuse::passed::Passed;
use crate::hub::fuse::{Emitter, Sighting};
use crate::observation::{ClockSource, NodeId, Observation, ReceiverState};
use crate::units::{Db, Nanos, Timestamp};

/// With so many nodes that hear it now, what was heard before on the way is not needed.
const ENOUGH_NODES: usize = 4;
/// A licensed cell heard within this time of a place sets the clock there.
const TOGETHER: Nanos = Nanos::from_secs(30);
/// Wander of a transmitter's rate that its measured carrier does not foretell: one standard deviation after a second, ppb. Chosen: three
/// times an oven-controlled oscillator's ([`crate::locate::phase::Settings`]).
const WANDER_PPB: f64 = 0.1;

/// The places on the way of the nodes that hear an emitter.
pub(super) struct Way<'a> {
    places: Vec<(&'a Sighting, &'a Passed)>,
}

impl<'a> Way<'a> {
    /// Of an emitter and the nodes that hear it now; of one that moves, or that enough nodes hear, there is none.
    pub fn of(emitter: &Emitter, own: &[&'a Sighting], standing: bool) -> Way<'a> {
        let used = standing && own.len() < ENOUGH_NODES;
        let all = own.iter().filter(|_| used).flat_map(|s| s.before().map(|passed| (*s, passed)));
        Way { places: all.filter(|(_, passed)| emitter.is_present(passed.at)).collect() }
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// When the first of them was left.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.places.iter().map(|(_, passed)| passed.at).min()
    }

    /// What was heard of the emitter there.
    pub fn observations(&self, emitter: &Emitter) -> Vec<(&'a NodeId, Observation)> {
        let one = |&(sighting, passed): &(&'a Sighting, &'a Passed)| {
            let mut told = observation(emitter.key, passed, stream(passed));
            if let Some(timing) = &mut told.timing {
                let age = (emitter.last - passed.at).as_secs_f64().abs();
                timing.sigma_ns = timing.sigma_ns.hypot(WANDER_PPB * (age.powi(3) / 3.0).sqrt());
            }
            (&sighting.node, told)
        };
        self.places.iter().map(one).collect()
    }

    /// What was heard there of a licensed cell, on the clocks of the places; `trusted`: what was read at an instant may be used.
    pub fn references(
        &self,
        licensed: &'a Emitter,
        name: CellKey,
        trusted: impl Fn(Timestamp) -> bool,
    ) -> Vec<(&'a NodeId, Observation)> {
        let one = |&(sighting, passed): &(&'a Sighting, &'a Passed)| {
            let theirs = licensed.sightings.get(&sighting.node).filter(|_| free(passed))?;
            let near = |at: Timestamp| (at - passed.at).0.abs();
            let usable = |at: Timestamp, of: &str| of == passed.stream && near(at) <= TOGETHER.0 && trusted(at);
            let now = (near(theirs.last), super::inputs::observation(name, theirs));
            let now = Some(now).filter(|_| usable(theirs.last, &theirs.stream));
            let then = theirs.passed.iter().filter(|old| usable(old.at, &old.stream));
            let then = then.map(|old| (near(old.at), observation(name, old, String::new())));
            let (_, mut told) = now.into_iter().chain(then).min_by_key(|(apart, _)| *apart)?;
            told.receiver.stream = stream(passed);
            Some((&sighting.node, told))
        };
        self.places.iter().filter_map(one).collect()
    }
}

fn free(passed: &Passed) -> bool {
    !(passed.clock.locked && matches!(passed.clock.source, ClockSource::GnssPps | ClockSource::Gpsdo))
}

/// The clock of a place: one of its own where it runs free.
fn stream(passed: &Passed) -> String {
    if free(passed) { format!("{} at {}", passed.stream, passed.at.0) } else { passed.stream.clone() }
}

fn observation(cell: CellKey, passed: &Passed, stream: String) -> Observation {
    Observation {
        at_ns: passed.at,
        first_ns: passed.at - passed.followed,
        clock: passed.clock,
        position: Some(passed.position),
        cell,
        identity: None,
        level: passed.level,
        snr_db: Db(0.0),
        carrier: passed.carrier,
        timing: passed.timing,
        bearing: passed.bearing,
        broadcast: Vec::new(),
        fields: None,
        content_sha256: None,
        receiver: ReceiverState { stream, ..ReceiverState::default() },
    }
}
