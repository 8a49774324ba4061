//! What the hub remembers of one node: how it is, and the carriers it hears, for comparison.

use crate::cell::CellKey;
use crate::observation::{Health, NodeId, Observation, Octets, Position};
use crate::units::{Ppb, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Cells a node's carrier reference rests on at most.
const MAX_REFERENCE: usize = 64;

/// One cell of a node's carrier reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReferenceCell {
    pub(super) ppb: Ppb,
    pub(super) at: Timestamp,
    pub(super) licensed: bool,
}

/// What the hub knows of a node from its items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub node: NodeId,
    /// The latest time that any of its items carries: until then it is known to have listened.
    pub heard_until: Timestamp,
    /// When its latest item arrived.
    pub received: Timestamp,
    /// Its boot.
    pub boot: Octets,
    /// Where it stands, if it ever said so.
    pub position: Option<Position>,
    /// Its latest health report.
    pub health: Option<Health>,
    /// Items that its spool had to evict before the hub had them.
    pub lost_items: u64,
    /// Observations received.
    pub observations: u64,
    /// Findings received.
    pub findings: u64,
    stream: String,
    #[serde(with = "reference_map")]
    reference: BTreeMap<CellKey, ReferenceCell>,
}

/// A map with structured keys as a list of pairs.
mod reference_map {
    use super::{BTreeMap, CellKey, ReferenceCell};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<CellKey, ReferenceCell>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(map.iter())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<CellKey, ReferenceCell>, D::Error> {
        Ok(Vec::<(CellKey, ReferenceCell)>::deserialize(from)?.into_iter().collect())
    }
}

impl NodeView {
    pub(super) fn new(node: NodeId) -> NodeView {
        NodeView {
            node,
            heard_until: Timestamp(i64::MIN),
            received: Timestamp(i64::MIN),
            boot: Octets::default(),
            position: None,
            health: None,
            lost_items: 0,
            observations: 0,
            findings: 0,
            stream: String::new(),
            reference: BTreeMap::new(),
        }
    }

    /// Remembers the carrier of an observation for the reference; a new stream forgets the old one, whose clock was another.
    pub(super) fn note_carrier(&mut self, observation: &Observation, at: Timestamp, licensed: bool) {
        if self.stream != observation.receiver.stream {
            self.stream.clone_from(&observation.receiver.stream);
            self.reference.clear();
        }
        if !observation.carrier.ppb.0.is_finite() {
            return;
        }
        self.reference.insert(observation.cell, ReferenceCell { ppb: observation.carrier.ppb, at, licensed });
        while self.reference.len() > MAX_REFERENCE {
            let oldest = self.reference.iter().min_by_key(|(key, cell)| (cell.at, **key)).map(|(key, _)| *key);
            self.reference.remove(&oldest.expect("longer than the maximum, so not empty"));
        }
    }

    pub(super) fn reference_without<'a>(
        &'a self,
        stream: &str,
        key: CellKey,
    ) -> impl Iterator<Item = &'a ReferenceCell> + Clone {
        let same_clock = self.stream == stream;
        self.reference.iter().filter(move |(other, _)| same_clock && **other != key).map(|(_, cell)| cell)
    }
}
