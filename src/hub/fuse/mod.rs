//! From what many nodes heard to what stands out there: associates observations and findings into [`Emitter`]s.
//!
//! An observation names a [`CellKey`]; several transmitters may share one key (a clone), and one transmitter may change everything it
//! says under one key (a blaster that cycles its LAC). Within a key, four features decide, strongest first:
//!
//! 1. **Frame phase in one stream.** Two frame timings of one stream share one sample clock. If the frame number counted on from the
//!    earlier one predicts the later one within [`relate::SIGMAS`], both come from one transmitter, whatever it says it is. A phase that
//!    does *not* continue may be a restart of the same transmitter, so it is taken as a successor at first; only when the earlier phase
//!    is heard again (the two interleave) are two transmitters proven, and the emitter is split.
//! 2. **Carrier error** relative to the median of the node's other cells of the same stream, so that the node's own clock error cancels
//!    ([`carrier`]). A difference beyond [`relate::SIGMAS`] and beyond what two licensed stations may show between them separates, also
//!    between nodes: this is what tells a clone from the cell whose identity it took.
//! 3. **Absolute frame timing** of nodes with a locked clock: one transmitter's frames reach two nodes within their distance over c.
//!    It separates as long as both are fresh, and lets a pair that was separated by it join again after a restart was seen by both.
//! 4. **Identity**: PLMN and cell identity. The area code does not separate: changing it is what blasters do. An identity that was once
//!    linked to an emitter by phase (1) stays one of its identities, so a transmitter that imitates several operators in turn stays one.
//!
//! A rogue that changes the key itself, its BSIC or PCI, is held together by [`succession`](self).
//!
//! Where nothing decides, the emitter that this node heard before is preferred, then the one heard last, then the lower number.
//! Limits: two transmitters that share key, identity and content, agree within the carrier's uncertainty and are never heard by one
//! stream with two phases stay one emitter; a node that hears fewer than two other cells contributes no carrier
//! comparison with other nodes.
//!
//! No clock is read, no order is left to chance: the same items in the same order give the same emitters. All state is bounded; the
//! least recently heard emitter without findings goes first, and evictions are counted.

mod associate;
pub mod carrier;
mod emitter;
mod node;
pub mod passed;
pub mod relate;
mod restart;
mod succession;
#[cfg(test)]
mod tests;

pub use emitter::{
    Emitter, EmitterId, FindingRecord, Licence, Line, RelativeCarrier, SeenBlock, SeenIdentity, Separation, Sighting,
};
pub use node::NodeView;

use crate::cell::CellKey;
use crate::observation::{Finding, NodeId, Observation, Origin};
use crate::units::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How much the fusion may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuseConfig {
    /// Emitters in all.
    pub max_emitters: usize,
    /// Emitters that share one key.
    pub max_per_key: usize,
    /// Nodes.
    pub max_nodes: usize,
}

impl Default for FuseConfig {
    /// 8192 emitters, of a few kilobytes each where one node hears them and some tens where many do; sixteen of one key, which is far beyond what one carrier can hold; 1024 nodes.
    fn default() -> FuseConfig {
        FuseConfig { max_emitters: 8192, max_per_key: 16, max_nodes: 1024 }
    }
}

/// One observation, with what the hub knows about it.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Who heard it.
    pub node: &'a NodeId,
    /// When, on the hub's time line: the observation's time, or the time of arrival where a recording's time means nothing.
    pub at: Timestamp,
    /// What was heard.
    pub observation: &'a Observation,
    /// The finding that carried the observation, if one did, and where in the journal's envelopes it stands.
    pub finding: Option<(&'a Finding, &'a Origin)>,
    /// What the hub's register says about the identity.
    pub licence: &'a Licence,
}

/// What changed among the emitters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The emitter was heard.
    Heard(EmitterId),
    /// One emitter proved to be two; what belongs to the second has moved to `new`.
    Split {
        /// The emitter that keeps its number.
        from: EmitterId,
        /// The one that was told apart.
        new: EmitterId,
    },
    /// Two emitters proved to be one.
    Merged {
        /// The number that is gone.
        from: EmitterId,
        /// The number that stays.
        into: EmitterId,
    },
    /// The emitter was forgotten to make room.
    Evicted(EmitterId),
}

/// The emitters and the nodes that hear them.
#[derive(Debug)]
pub struct Fuse {
    config: FuseConfig,
    emitters: BTreeMap<EmitterId, Emitter>,
    by_key: BTreeMap<CellKey, Vec<EmitterId>>,
    /// Emitters in the order in which they would be given up: without findings first, then least recently heard.
    by_worth: BTreeSet<(bool, Timestamp, EmitterId)>,
    nodes: BTreeMap<NodeId, NodeView>,
    next: u64,
    evicted: u64,
}

impl Fuse {
    /// Starts with nothing known.
    pub fn new(config: FuseConfig) -> Fuse {
        Fuse {
            config,
            emitters: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_worth: BTreeSet::new(),
            nodes: BTreeMap::new(),
            next: 1,
            evicted: 0,
        }
    }

    /// Continues from what was kept; `next` is the number for the next new emitter, `evicted` the count so far.
    pub fn restore(config: FuseConfig, emitters: Vec<Emitter>, nodes: Vec<NodeView>, next: u64, evicted: u64) -> Fuse {
        let mut fuse = Fuse { next, evicted, ..Fuse::new(config) };
        for emitter in emitters {
            fuse.next = fuse.next.max(emitter.id.0 + 1);
            fuse.insert(emitter);
        }
        // A separation from an emitter that was forgotten meanwhile says nothing any more.
        let known: BTreeSet<EmitterId> = fuse.emitters.keys().copied().collect();
        for emitter in fuse.emitters.values_mut() {
            emitter.distinct.retain(|other, _| known.contains(other));
        }
        fuse.nodes = nodes.into_iter().map(|node| (node.node.clone(), node)).collect();
        fuse
    }

    /// The emitter with this number.
    pub fn emitter(&self, id: EmitterId) -> Option<&Emitter> {
        self.emitters.get(&id)
    }

    /// The numbers of the emitters of a key.
    pub fn of_key(&self, key: CellKey) -> impl Iterator<Item = EmitterId> {
        self.by_key.get(&key).into_iter().flatten().copied()
    }

    /// All emitters by number.
    pub fn emitters(&self) -> impl Iterator<Item = &Emitter> {
        self.emitters.values()
    }

    /// The node of this name.
    pub fn node(&self, node: &NodeId) -> Option<&NodeView> {
        self.nodes.get(node)
    }

    /// All nodes by name.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeView> {
        self.nodes.values()
    }

    /// The number that the next new emitter gets.
    pub fn next_id(&self) -> u64 {
        self.next
    }

    /// How many emitters were forgotten to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Emitters that are proven to be other transmitters than `id` and yet claim one of its identities.
    pub fn twins(&self, id: EmitterId) -> Vec<&Emitter> {
        let Some(emitter) = self.emitters.get(&id) else { return Vec::new() };
        emitter
            .distinct
            .keys()
            .filter_map(|other| self.emitters.get(other))
            .filter(|other| emitter.shares_identity(other))
            .collect()
    }

    /// The view of `node`, made if it is new and there is room; the one unheard for longest makes room.
    pub fn node_mut(&mut self, node: &NodeId) -> &mut NodeView {
        if !self.nodes.contains_key(node) && self.nodes.len() >= self.config.max_nodes {
            let oldest =
                self.nodes.values().min_by_key(|view| (view.heard_until, view.node.clone())).map(|v| v.node.clone());
            if let Some(oldest) = oldest {
                self.nodes.remove(&oldest);
            }
        }
        self.nodes.entry(node.clone()).or_insert_with(|| NodeView::new(node.clone()))
    }

    /// Notes when nodes were asked to dwell on an emitter.
    pub fn set_asked(&mut self, id: EmitterId, at: Timestamp) {
        if let Some(emitter) = self.emitters.get_mut(&id) {
            emitter.asked = Some(at);
        }
    }

    /// Notes when an emitter is to be placed next.
    pub fn set_due(&mut self, id: EmitterId, due: Option<Timestamp>) {
        if let Some(emitter) = self.emitters.get_mut(&id) {
            emitter.due = due;
        }
    }

    fn insert(&mut self, emitter: Emitter) {
        for key in emitter.keys() {
            self.by_key.entry(key).or_default().push(emitter.id);
        }
        self.by_worth.insert(emitter.worth());
        self.emitters.insert(emitter.id, emitter);
    }

    fn remove(&mut self, id: EmitterId) -> Option<Emitter> {
        let emitter = self.emitters.remove(&id)?;
        self.by_worth.remove(&emitter.worth());
        for key in emitter.keys() {
            if let Some(of_key) = self.by_key.get_mut(&key) {
                of_key.retain(|other| *other != id);
                if of_key.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
        for other in emitter.distinct.keys() {
            if let Some(other) = self.emitters.get_mut(other) {
                other.distinct.remove(&id);
            }
        }
        Some(emitter)
    }

    /// Changes an emitter and keeps the order of worth right.
    fn alter<T>(&mut self, id: EmitterId, change: impl FnOnce(&mut Emitter) -> T) -> Option<T> {
        let emitter = self.emitters.get_mut(&id)?;
        self.by_worth.remove(&emitter.worth());
        let result = change(emitter);
        self.by_worth.insert(emitter.worth());
        Some(result)
    }

    /// A new, empty emitter of `key`; makes room first where a bound is reached.
    fn create(&mut self, key: CellKey, at: Timestamp, changes: &mut Vec<Change>) -> EmitterId {
        let of_key = self.by_key.get(&key).map_or(0, Vec::len);
        let victim = if of_key >= self.config.max_per_key {
            let members = self.by_key.get(&key).into_iter().flatten();
            members.filter_map(|id| self.emitters.get(id)).map(Emitter::worth).min()
        } else if self.emitters.len() >= self.config.max_emitters {
            self.by_worth.first().copied()
        } else {
            None
        };
        if let Some((_, _, victim)) = victim {
            self.remove(victim);
            self.evicted += 1;
            changes.push(Change::Evicted(victim));
        }
        let id = EmitterId(self.next);
        self.next += 1;
        self.insert(Emitter::new(id, key, at));
        id
    }
}
