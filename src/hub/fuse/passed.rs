//! Places that a node in a vehicle came by, with what it heard there: for a transmitter that stands, one such node is worth several.

use super::emitter::Sighting;
use super::relate::distance_m;
use crate::observation::{Bearing, CarrierError, Clock, FrameTiming, Level, Observation, Position};
use crate::units::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// Places nearer to each other than this are one, metres: well beyond a position's noise, short against the distance of a cell.
pub const APART_M: f64 = 150.0;
/// Places kept of a node: as many as leave room for other nodes in a fix.
const MAX_PASSED: usize = 16;
/// What was heard longer ago than this goes: a transmitter's own clock is foretold for minutes, not for an hour.
pub const KEPT: Nanos = Nanos::from_secs(600);

/// What a node heard where it was before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub position: Position,
    /// Its clock.
    pub clock: Clock,
    /// Its stream.
    pub stream: String,
    /// How long its receiver had followed the cell by then.
    pub followed: Nanos,
    /// The level.
    pub level: Level,
    /// The carrier error.
    pub carrier: CarrierError,
    /// The frame timing.
    pub timing: Option<FrameTiming>,
    /// The direction.
    pub bearing: Option<Bearing>,
}

impl Sighting {
    /// Before a newer observation is written over this one: keeps what was heard here, if the node has driven on.
    pub(super) fn pass(&mut self, newer: &Observation) {
        let (Some(here), Some(there)) = (self.position, newer.position) else { return };
        let anchor = *self.anchor.get_or_insert(here);
        if distance_m(anchor, there) < APART_M {
            return;
        }
        self.anchor = Some(there);
        let oldest = self.last - KEPT;
        self.passed.retain(|old| old.at >= oldest && distance_m(old.position, here) >= 0.5 * APART_M);
        if self.passed.len() >= MAX_PASSED {
            // The one that leaves the least gap behind: what is kept shall reach back as far as it may.
            let gap = |i: usize| {
                let after = self.passed.get(i + 1).map_or(here, |next| next.position);
                let before = if i > 0 { self.passed[i - 1].position } else { self.passed[i].position };
                distance_m(before, after)
            };
            let least = (1..self.passed.len()).min_by(|&a, &b| gap(a).total_cmp(&gap(b)));
            self.passed.remove(least.unwrap_or(0));
        }
        self.passed.push(Passed {
            at: self.last,
            position: here,
            clock: self.clock,
            stream: self.stream.clone(),
            followed: self.followed,
            level: self.level,
            carrier: self.carrier,
            timing: self.timing,
            bearing: self.bearing,
        });
    }

    /// The places that it came by before, away from where it is now, the newest first.
    pub fn before(&self) -> impl Iterator<Item = &Passed> {
        let away = |old: &&Passed| self.position.is_some_and(|here| distance_m(old.position, here) >= 0.5 * APART_M);
        let oldest = self.last - KEPT;
        self.passed.iter().rev().filter(move |old| old.at >= oldest).filter(away)
    }
}
