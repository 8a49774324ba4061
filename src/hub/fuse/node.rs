//! What the hub remembers of one node: how it is, and the carriers it hears, for comparison.

use crate::cell::CellKey;
use crate::observation::{Health, NodeId, Observation, Octets, Position};
use crate::units::{Ppb, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Cells of all streams that a node's carrier reference is drawn from at most.
const MAX_REFERENCE: usize = 256;

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
    #[serde(with = "reference_map")]
    reference: BTreeMap<(String, CellKey), ReferenceCell>,
}

/// A map with structured keys as a list of pairs.
mod reference_map {
    use super::{BTreeMap, CellKey, ReferenceCell};
    use serde::{Deserialize, Deserializer, Serializer};

    type Map = BTreeMap<(String, CellKey), ReferenceCell>;

    pub(super) fn serialize<S: Serializer>(map: &Map, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(map.iter())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Map, D::Error> {
        Ok(Vec::<((String, CellKey), ReferenceCell)>::deserialize(from)?.into_iter().collect())
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
            reference: BTreeMap::new(),
        }
    }

    /// Remembers the carrier of an observation for the reference of its stream.
    pub(super) fn note_carrier(&mut self, observation: &Observation, at: Timestamp, licensed: bool) {
        if !observation.carrier.ppb.0.is_finite() {
            return;
        }
        let place = (observation.receiver.stream.clone(), observation.cell);
        self.reference.insert(place, ReferenceCell { ppb: observation.carrier.ppb, at, licensed });
        while self.reference.len() > MAX_REFERENCE {
            let oldest = self.reference.iter().min_by_key(|(_, cell)| cell.at).map(|(place, _)| place.clone());
            self.reference.remove(&oldest.expect("longer than the maximum, so not empty"));
        }
    }

    /// The cells heard in `stream` other than `key`; those of other streams are on other clocks.
    pub(super) fn reference_without<'a>(
        &'a self,
        stream: &'a str,
        key: CellKey,
    ) -> impl Iterator<Item = &'a ReferenceCell> + Clone {
        self.reference.iter().filter(move |((of, other), _)| of == stream && *other != key).map(|(_, cell)| cell)
    }
}
