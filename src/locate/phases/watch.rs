//! Whether the cell whose frames are the time scale has stepped: all others then seem to, on every clock and by the same amount.

use super::{Lesson, Phases, Reading, Scale, Streams, TOGETHER};
use crate::cell::CellKey;
use crate::locate::phase::Outcome;
use crate::locate::phases::Event;
use crate::observation::NodeId;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Readings that must say that the cell that makes the time has stepped, where one node alone hears it.
const CONFIRM: u32 = 3;
/// Nodes remembered that say so.
const MAX_WITNESSES: usize = 16;

/// The cell that makes the time seems to have stepped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stepping {
    pub first: Timestamp,
    nodes: BTreeSet<NodeId>,
    count: u32,
}

impl Phases {
    /// Whether the cell that makes the time has stepped: then all others of a clock are off by the same amount. Two nodes must
    /// say so, or one three times that nobody contradicts; streams that say so teach nothing until that is decided.
    pub(super) fn watch_scale(&mut self, streams: &mut Streams<'_>, lesson: &mut Lesson) {
        let Scale::Cell(cell) = self.scale else { return };
        let mut doubtful = Vec::new();
        for (&name, stream) in streams.iter() {
            let Some((step, reading)) = self.step_of(stream, cell) else { continue };
            let Some(by_ns) = step else {
                // A clock on which the cell stands where it should, later than the first doubt: it was not the cell.
                if self.stepping.as_ref().is_some_and(|stepping| reading.at() > stepping.first) {
                    self.stepping = None;
                }
                continue;
            };
            doubtful.push(name);
            let (at, node) = (reading.at(), reading.node.clone());
            let first = Stepping { first: at, nodes: BTreeSet::new(), count: 0 };
            let stepping = self.stepping.get_or_insert(first);
            stepping.count += 1;
            if stepping.nodes.len() < MAX_WITNESSES {
                stepping.nodes.insert(node.clone());
            }
            if stepping.nodes.len() < 2 && stepping.count < CONFIRM {
                continue;
            }
            let since = stepping.first;
            self.stepping = None;
            if let Some(state) = self.cells.get_mut(&cell) {
                state.phase.step(by_ns, since);
            }
            lesson.touched.insert(cell);
            lesson.events.push(Event { cell, node, at, outcome: Outcome::Jumped { by_ns } });
            // What was in doubt fits now.
            doubtful.clear();
        }
        for name in doubtful {
            streams.remove(&name);
        }
    }

    /// A clock's newest reading of the cell that makes the time, and by how much it is off the others, if they agree that it is. `None`:
    /// the clock cannot tell, for want of a new reading or of two other cells.
    fn step_of<'a>(&self, stream: &[(Reading<'a>, bool)], cell: CellKey) -> Option<(Option<f64>, Reading<'a>)> {
        let own = stream.iter().rev().find(|(r, new)| *new && r.cell() == cell).map(|(reading, _)| *reading)?;
        let (ahead, _) = self.ahead(cell, own.at(), own.phase_ns, 0.0)?;
        let mut newest: BTreeMap<CellKey, &Reading<'_>> = BTreeMap::new();
        let near = |r: &Reading<'_>| r.cell() != cell && (r.at() - own.at()).0.abs() <= TOGETHER.0;
        newest.extend(stream.iter().filter(|(r, _)| near(r)).map(|(r, _)| (r.cell(), r)));
        let off = |other: &&Reading<'_>| {
            if self.cells.get(&other.cell()).is_none_or(|state| state.phase.unsettled()) {
                return None;
            }
            let (by_other, learned) = self.ahead(other.cell(), other.at(), other.phase_ns, ahead)?;
            let rate = learned.rate_ppb - other.rate_ppb.0;
            let rate_sigma = learned.rate_sigma_ppb.hypot(other.rate_ppb.1);
            let dt = (own.at() - other.at()).as_secs_f64();
            let path = self.settings.path_sigma_ns.hypot(other.sigma_ns).hypot(learned.sigma_ns);
            Some((ahead - by_other - rate * dt, path.hypot(own.sigma_ns).hypot(rate_sigma * dt)))
        };
        let mut offs: Vec<(f64, f64)> = newest.values().filter_map(off).collect();
        offs.sort_by(|a, b| a.0.total_cmp(&b.0));
        if offs.len() < 2 {
            return None;
        }
        let (low, middle) = (offs[(offs.len() - 1) / 2].0, offs[offs.len() / 2].0);
        let middle = 0.5 * (low + middle);
        let gate = self.settings.gate;
        let agree = offs.iter().filter(|(off, sigma)| (off - middle).abs() <= gate * sigma).count();
        let stepped = 2 * agree > offs.len() && offs.iter().all(|(_, sigma)| middle.abs() > gate * sigma);
        Some((stepped.then_some(middle), own))
    }

    /// Jumps of all other cells as one of the cell that makes the time.
    pub(super) fn blame_scale(&self, said: Vec<Event>) -> Option<Event> {
        let Scale::Cell(cell) = self.scale else { return None };
        let mut jumps: Vec<(f64, Event)> = said
            .into_iter()
            .filter_map(|event| match event.outcome {
                Outcome::Jumped { by_ns } => Some((by_ns, event)),
                _ => None,
            })
            .collect();
        jumps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let middle = jumps.len() / 2;
        let (by_ns, event) = jumps.into_iter().nth(middle)?;
        Some(Event { cell, outcome: Outcome::Jumped { by_ns: -by_ns }, ..event })
    }
}
