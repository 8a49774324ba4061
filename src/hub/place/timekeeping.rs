//! The phases of licensed cells' frames, learned from what the hub hears: they link free-running clocks that share no cell, make a fix
//! better than its own readings, and tell when a cell has jumped.
//!
//! What was heard since the last lesson is learned from just before transmitters are placed, so that no fix uses a frame that has not
//! been held against what is known of its cell. A cell whose last frames do not fit serves no fix; after a jump only what was read
//! since does.
//!
//! Limits: a jump below some 400 ns (six standard deviations of a reading) is followed in a few readings and not told.

use super::atlas::Atlas;
use super::inputs::{self, References};
use crate::cell::CellKey;
use crate::hub::fuse::{Emitter, EmitterId, Fuse, Licence};
use crate::locate::gather::Heard;
use crate::locate::phase::Outcome;
use crate::locate::phases::{CellState, Head, Phases};
use crate::observation::{NodeId, Observation, Position};
use crate::units::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Jumps remembered at most; the oldest go.
const MAX_JUMPS: usize = 64;
/// Cells of one clock heard within this time of a new reading say how the clock stands.
const TOGETHER: Nanos = Nanos::from_secs(10);

/// A licensed cell's frames have jumped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jump {
    /// The emitter.
    pub emitter: EmitterId,
    /// The register's number of the cell.
    pub register_id: String,
    /// What is heard of it before anything is decoded.
    pub cell: CellKey,
    /// The first reading that showed it.
    pub at_ns: Timestamp,
    /// Its frames come so much later than before, nanoseconds.
    pub by_ns: f64,
}

impl Jump {
    /// In words.
    pub fn describe(&self) -> String {
        let size = self.by_ns.abs();
        let (value, unit) = if size < 1e6 { (size * 1e-3, "µs") } else { (size * 1e-6, "ms") };
        let way = if self.by_ns < 0.0 { "earlier" } else { "later" };
        format!("the frames of {} come {value:.1} {unit} {way} than before", self.register_id)
    }
}

/// What is kept beside the phases themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptTime {
    head: Head,
    pending: Vec<(EmitterId, NodeId)>,
    jumps: Vec<Jump>,
}

/// The phases of all licensed emitters.
#[derive(Debug, Default)]
pub struct Timekeeping {
    phases: Phases,
    /// Heard since the last lesson.
    pending: BTreeSet<(EmitterId, NodeId)>,
    jumps: Vec<Jump>,
    /// Whose phase is to be written down.
    touched: BTreeSet<EmitterId>,
}

/// Phases are kept by cells' keys, which other cells use again some tens of kilometres on; the hub has a number for each.
pub(super) fn name(emitter: &Emitter) -> CellKey {
    CellKey { center_hz: NAMES | emitter.id.0, ..emitter.key }
}

/// No frequency is as high as the names' numbers.
const NAMES: u64 = 1 << 62;

fn id_of(name: CellKey) -> EmitterId {
    EmitterId(name.center_hz & !NAMES)
}

impl Timekeeping {
    /// Continues from what was kept.
    pub fn restore(kept: KeptTime, cells: Vec<(CellKey, CellState)>) -> Timekeeping {
        let KeptTime { head, pending, jumps } = kept;
        let phases = Phases::restore(head, cells);
        Timekeeping { phases, pending: pending.into_iter().collect(), jumps, touched: BTreeSet::new() }
    }

    /// What is to be kept beside the phases.
    pub fn kept(&self) -> KeptTime {
        KeptTime {
            head: self.phases.head(),
            pending: self.pending.iter().cloned().collect(),
            jumps: self.jumps.clone(),
        }
    }

    /// Emitters whose phase changed or is gone since the last call, with what is to be kept of it.
    pub fn take_touched(&mut self, fuse: &Fuse) -> Vec<(EmitterId, Option<(CellKey, CellState)>)> {
        let state = |id: EmitterId| {
            let name = name(fuse.emitter(id)?);
            Some((name, self.phases.cell(name)?.clone()))
        };
        std::mem::take(&mut self.touched).into_iter().map(|id| (id, state(id))).collect()
    }

    /// The phases.
    pub(super) fn phases(&self) -> &Phases {
        &self.phases
    }

    /// A node heard an emitter.
    pub(super) fn heard(&mut self, emitter: &Emitter, node: &NodeId) {
        if matches!(emitter.licence, Licence::Listed { .. }) {
            self.pending.insert((emitter.id, node.clone()));
        }
    }

    /// The emitter is gone.
    pub(super) fn forget(&mut self, emitter: EmitterId) {
        let names: Vec<CellKey> = self.phases.keys().filter(|name| id_of(*name) == emitter).collect();
        for name in names {
            self.touched.extend(self.phases.forget(name).into_iter().map(id_of));
        }
        self.pending.retain(|(id, _)| *id != emitter);
        self.jumps.retain(|jump| jump.emitter != emitter);
    }

    /// Whether a licensed emitter's frames, read at this instant, may be used beside those that are read now.
    pub(super) fn trusts(&self, emitter: &Emitter, read: Timestamp) -> bool {
        let name = name(emitter);
        !self.phases.unsettled(name) && !self.phases.began_after(name, read)
    }

    /// Whether an emitter's last frames do not fit what is known of its phase.
    pub(super) fn unsettled(&self, emitter: &Emitter) -> bool {
        self.phases.unsettled(name(emitter))
    }

    /// Jumps since an instant of cells that one of these nodes hears.
    pub(super) fn jumps_since<'a>(
        &'a self,
        since: Timestamp,
        fuse: &'a Fuse,
        nodes: impl Fn(&NodeId) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Jump> {
        let heard =
            move |jump: &&Jump| fuse.emitter(jump.emitter).is_some_and(|emitter| emitter.sightings.keys().any(&nodes));
        self.jumps.iter().filter(move |jump| jump.at_ns >= since).filter(heard)
    }

    /// Learns from what was heard since the last lesson.
    pub(super) fn learn(&mut self, references: &References<'_>, atlas: &Atlas, ground_m: Option<f64>) {
        let mut by_node: BTreeMap<NodeId, BTreeSet<EmitterId>> = BTreeMap::new();
        for (id, node) in std::mem::take(&mut self.pending) {
            by_node.entry(node).or_default().insert(id);
        }
        let (mut fresh, mut known) = (Vec::new(), Vec::new());
        let mut sites: BTreeMap<CellKey, (Position, String, CellKey)> = BTreeMap::new();
        for (node, new) in &by_node {
            let newest = |(_, o): &(&NodeId, Observation)| o.at_ns;
            let begun = fresh.len();
            let mut others = Vec::new();
            for &emitter in references.of(node) {
                let Licence::Listed { register_id, .. } = &emitter.licence else { continue };
                let (Some(site), Some(sighting)) = (atlas.site(register_id), emitter.sightings.get(node)) else {
                    continue;
                };
                let ground_m = ground_m.or(sighting.position.and_then(|at| at.height_m)).unwrap_or(0.0);
                let name = name(emitter);
                sites.entry(name).or_insert_with(|| (site.position(ground_m), register_id.clone(), emitter.key));
                let line = (node, inputs::observation(name, sighting));
                if new.contains(&emitter.id) { fresh.push(line) } else { others.push(line) }
            }
            let (Some(first), Some(last)) =
                (fresh[begun..].iter().map(newest).min(), fresh[begun..].iter().map(newest).max())
            else {
                continue;
            };
            known.extend(others.into_iter().filter(|line| {
                let at = newest(line);
                at >= first - TOGETHER && at <= last + TOGETHER
            }));
        }
        if fresh.is_empty() {
            return;
        }
        let site_of = |o: &Observation| sites.get(&o.cell).map(|(position, ..)| *position);
        let lesson = self.phases.learn_beside(&as_heard(&fresh), &as_heard(&known), site_of);
        self.touched.extend(lesson.touched.into_iter().map(id_of));
        for event in lesson.events {
            let (Outcome::Jumped { by_ns }, Some((_, register_id, cell))) = (event.outcome, sites.get(&event.cell))
            else {
                continue;
            };
            let at_ns = self.phases.of(event.cell, event.at).map_or(event.at, |learned| learned.since);
            let (emitter, register_id) = (id_of(event.cell), register_id.clone());
            self.jumps.push(Jump { emitter, register_id, cell: *cell, at_ns, by_ns: by_ns.round() });
        }
        let excess = self.jumps.len().saturating_sub(MAX_JUMPS);
        self.jumps.drain(..excess);
    }
}

fn as_heard<'a>(lines: &'a [(&'a NodeId, Observation)]) -> Vec<Heard<'a>> {
    lines.iter().map(|(node, observation)| Heard { node, observation }).collect()
}
