//! What the hub asks of nodes: when an anomaly is promising and its place is not known well, every node in range is asked to dwell on
//! the carrier in the same seconds.
//!
//! Nothing here reads a clock or sends anything: the analysis makes [`Request`]s on its time line, in the transaction that keeps the
//! alert, and they are signed and sent after the commit. One that is lost on the way is made again [`AGAIN`] later, if it is still
//! wanted then.

use super::alert::Alert;
use super::fuse::relate::distance_m;
use super::fuse::{Emitter, Fuse};
use super::place::{Placed, atlas::REACH_M};
use crate::observation::envelope::Task;
use crate::observation::{NodeId, Octets, Position, SCHEMA};
use crate::units::{Nanos, Timestamp};
use sha2::{Digest, Sha256};

/// After the request until the dwell begins: time for it to reach nodes on thin links.
const LEAD: Nanos = Nanos::from_secs(2);
/// How long nodes dwell. Chosen: twenty reports a node bring the error of a fix down fourfold, and cost a thin link 20 kB.
const DWELL: Nanos = Nanos::from_secs(20);
/// A request that has not arrived by then is of no use.
const GOOD_FOR: Nanos = Nanos::from_secs(22);
/// Between two requests for one emitter.
pub const AGAIN: Nanos = Nanos::from_secs(300);
/// Nodes asked at most; the nearest.
const MAX_NODES: usize = 32;
/// A node that was not heard of for so long is not asked.
const SILENT: Nanos = Nanos::from_secs(600);
/// An emitter that was not heard for so long is not there to be dwelt on.
const FRESH: Nanos = Nanos::from_secs(60);
/// A place known to this (95 %) needs no dwell: a team on the spot sees the house.
const GOOD_M: f64 = 100.0;
/// And this sure of it.
const GOOD_SHARE: f64 = 0.95;

/// A dwell that is asked of several nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// One task a node.
    pub tasks: Vec<Task>,
}

impl Request {
    /// In words, for the audit trail.
    pub fn describe(&self) -> String {
        let Some(first) = self.tasks.first() else { return String::new() };
        let nodes: Vec<&str> = self.tasks.iter().map(|task| task.node.as_str()).collect();
        let seconds = (first.until_ns - first.from_ns).0 / 1_000_000_000;
        let mhz = first.center_hz as f64 * 1e-6;
        format!("asked {} to dwell on {mhz:.4} MHz for {seconds} s", nodes.join(", "))
    }
}

/// What is to be asked about an emitter at `now`; `None`: nothing.
pub fn request(
    fuse: &Fuse,
    emitter: &Emitter,
    alert: &Alert,
    placed: Option<&Placed>,
    now: Timestamp,
) -> Option<Request> {
    let asked_lately = emitter.asked.is_some_and(|at| now - at < AGAIN);
    let known = placed.and_then(Placed::best).is_some_and(|best| best.reach_m() <= GOOD_M && best.weight >= GOOD_SHARE);
    if !alert.is_active() || asked_lately || known || now - emitter.last > FRESH {
        return None;
    }
    let tasks: Vec<Task> = in_range(fuse, emitter, now)
        .into_iter()
        .map(|node| Task {
            schema: SCHEMA,
            task: name(emitter, &node, now),
            node,
            rat: emitter.key.rat,
            center_hz: emitter.key.center_hz,
            from_ns: now + LEAD,
            until_ns: now + LEAD + DWELL,
            issued_ns: now,
            expires_ns: now + GOOD_FOR,
        })
        .collect();
    (!tasks.is_empty()).then_some(Request { tasks })
}

/// Nodes that report and stand within reach of the transmitter, by what is known of where it can be: those that hear it, and others
/// within a cell's reach of one that does; the nearest of them, by name.
fn in_range(fuse: &Fuse, emitter: &Emitter, now: Timestamp) -> Vec<NodeId> {
    let hearers: Vec<Position> = emitter.sightings.values().filter_map(|sighting| sighting.position).collect();
    let mut found: Vec<(f64, NodeId)> = fuse
        .nodes()
        .filter(|view| now - view.received <= SILENT)
        .filter_map(|view| {
            let hears = emitter.sightings.contains_key(&view.node);
            let near =
                |at: Position| hearers.iter().map(|hearer| distance_m(at, *hearer)).fold(f64::INFINITY, f64::min);
            let metres = if hears { 0.0 } else { view.position.map_or(f64::INFINITY, near) };
            (metres <= REACH_M).then(|| (metres, view.node.clone()))
        })
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    found.truncate(MAX_NODES);
    let mut nodes: Vec<NodeId> = found.into_iter().map(|(_, node)| node).collect();
    nodes.sort();
    nodes
}

/// An identifier that no other task has: an emitter is asked about once at a time, and each node once.
fn name(emitter: &Emitter, node: &NodeId, now: Timestamp) -> Octets {
    let mut hash = Sha256::new();
    hash.update(emitter.id.0.to_be_bytes());
    hash.update(now.0.to_be_bytes());
    hash.update(node.as_str().as_bytes());
    Octets(hash.finalize()[..16].to_vec())
}
