//! Which observations of a node go into a fix: the newest of each cell on each clock, and of a node that moves (a vehicle, a drone) one at
//! each place that it came by.

use super::gather::Heard;
use super::geodesy::Plane;
use crate::cell::CellKey;
use crate::observation::{NodeId, Observation};
use std::collections::BTreeMap;

/// A clock: an unbroken stream of a node.
pub(super) type ClockName<'a> = (&'a NodeId, &'a str);

/// Places nearer to each other than this are one, metres: beyond a position's own noise, and short against the distance of a cell.
const APART_M: f64 = 50.0;
/// Observations of one cell on one clock at most: as many as leave room for other nodes.
const MAX_PLACES: usize = 64;

/// The observations that count, by cell and clock, the newest first.
pub(super) fn chosen<'a>(heard: &[Heard<'a>]) -> BTreeMap<(CellKey, ClockName<'a>), Vec<&'a Observation>> {
    let mut all: BTreeMap<(CellKey, ClockName<'a>), Vec<&'a Observation>> = BTreeMap::new();
    for &Heard { node, observation } in heard {
        all.entry((observation.cell, (node, observation.receiver.stream.as_str()))).or_default().push(observation);
    }
    for observations in all.values_mut() {
        // Of several at one instant the one given last counts.
        observations.reverse();
        observations.sort_by_key(|observation| std::cmp::Reverse(observation.at_ns));
        let Some(at) = observations[0].position else {
            observations.truncate(1);
            continue;
        };
        let plane = Plane::at(at.lat_deg, at.lon_deg);
        let mut places = Vec::new();
        observations.retain(|observation| {
            let Some(place) = observation.position.map(|at| plane.enu(&at)) else { return false };
            let new = places.len() < MAX_PLACES && places.iter().all(|other| place.distance_m(*other) >= APART_M);
            if new {
                places.push(place);
            }
            new
        });
    }
    all
}
