//! What the hub remembers of one transmitter; all of it bounded, all of it kept across restarts.

use super::passed::Passed;
use crate::cell::{CellIdentity, CellKey};
use crate::observation::{
    Bearing, CarrierError, Clock, Evidence, Finding, FrameTiming, Level, NodeId, Observation, Octets, Origin, Position,
    Tier,
};
use crate::units::{Db, Nanos, Ppb, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Distinct identities kept of one emitter; a blaster that cycles through more loses the oldest.
const MAX_IDENTITIES: usize = 32;
/// Nodes kept of one emitter: a transmitter is not heard by more.
const MAX_SIGHTINGS: usize = 64;
/// Distinct broadcast contents kept of one emitter; the same bound as one observation has on the wire.
const MAX_BLOCKS: usize = 32;
/// Rules kept of one emitter: as many as the catalogue can hold twice over.
const MAX_FINDINGS: usize = 192;
/// Frame phases kept of one node: restarts beyond this lose the oldest.
pub(super) const MAX_LINES: usize = 4;

/// The number of an emitter; counts up in the order of the journal and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmitterId(pub u64);

impl fmt::Display for EmitterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E{}", self.0)
    }
}

/// What the register says about the identity that an emitter broadcasts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Licence {
    /// No register was loaded, or no identity was heard yet.
    #[default]
    Unknown,
    /// Identity and carrier are those of a licensed cell.
    Listed {
        /// The register's own number for the cell.
        register_id: String,
        /// Who holds the licence.
        licensee: String,
    },
    /// The identity is in no register that was loaded.
    NotListed,
}

/// One identity that an emitter broadcast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenIdentity {
    /// As broadcast.
    pub identity: CellIdentity,
    /// First heard.
    pub first: Timestamp,
    /// Last heard.
    pub last: Timestamp,
    /// How many observations carried it.
    pub count: u64,
}

/// One broadcast content of an emitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenBlock {
    /// Its name, such as `SI3`.
    pub name: String,
    /// As received.
    pub octets: Octets,
    /// The largest number of error-free copies that one node reported.
    pub count: u32,
    /// Who reported it last.
    pub node: NodeId,
    /// First heard.
    pub first: Timestamp,
    /// Last heard.
    pub last: Timestamp,
}

/// A carrier error freed of the node's own clock error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelativeCarrier {
    /// Carrier error minus the median of the node's other cells.
    pub ppb: Ppb,
    /// One standard deviation: measurement and reference together.
    pub sigma_ppb: Ppb,
    /// How many other cells the reference rests on.
    pub cells: u32,
}

/// One unbroken frame phase in one stream of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Counts up within the emitter in order of appearance.
    pub number: u32,
    /// The stream whose clock it is on.
    pub stream: String,
    /// The latest frame start.
    pub timing: FrameTiming,
    /// First heard.
    pub first: Timestamp,
    /// Last heard.
    pub last: Timestamp,
    /// The identity last broadcast on it.
    pub identity: Option<CellIdentity>,
}

/// How one node hears an emitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The node.
    pub node: NodeId,
    /// Where it stood.
    pub position: Option<Position>,
    /// Its clock.
    pub clock: Clock,
    /// The stream of the latest observation.
    pub stream: String,
    /// First heard.
    pub first: Timestamp,
    /// Last heard.
    pub last: Timestamp,
    /// How long its receiver had followed it by then.
    #[serde(default)]
    pub followed: Nanos,
    /// Observations.
    pub count: u64,
    /// Latest level.
    pub level: Level,
    /// Latest signal to noise.
    pub snr_db: Db,
    /// Latest carrier error as measured.
    pub carrier: CarrierError,
    /// The same relative to the node's other cells, where it hears any.
    pub relative: Option<RelativeCarrier>,
    /// Latest frame timing.
    pub timing: Option<FrameTiming>,
    /// Latest direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearing: Option<Bearing>,
    /// Places that the node came by before, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<Passed>,
    /// Where it was when the last of them was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Position>,
    /// Hash of the stable octets that the node received last.
    #[serde(default)]
    pub content: Option<Octets>,
    /// Frame phases, oldest first, at most four.
    pub lines: Vec<Line>,
}

/// One rule's standing finding on an emitter. The observation behind it is not kept twice: the signed report has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRecord {
    /// The rule.
    pub rule: String,
    /// Its version.
    pub version: u16,
    /// What it is worth alone, as last reported.
    pub tier: Tier,
    /// The values that fired, as last reported.
    pub evidence: Vec<Evidence>,
    /// Innocent explanations that the rule names.
    pub innocent: Vec<String>,
    /// The largest number of error-free copies among the messages of the observation behind it.
    pub copies: u32,
    /// Where the last report of it stands, signed, with that observation.
    pub origin: Origin,
    /// Who reported it, with how often.
    pub nodes: BTreeMap<NodeId, u64>,
    /// First reported.
    pub first: Timestamp,
    /// Last reported.
    pub last: Timestamp,
    /// The number of the frame phase it was reported on; `None` where there was no timing.
    pub line: Option<u32>,
}

impl FindingRecord {
    /// How often it was reported, by all nodes.
    pub fn count(&self) -> u64 {
        self.nodes.values().sum()
    }

    /// The message behind it was received without error at least twice, or it was reported at least twice.
    pub fn confirmed(&self) -> bool {
        self.count() >= 2 || self.copies >= 2
    }
}

/// Why two emitters of one key are two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Separation {
    /// The quantity that told them apart.
    pub what: String,
    /// As measured on this emitter.
    pub value: String,
    /// As it would be if it were the other one.
    pub expected: String,
    /// When it was found.
    pub at: Timestamp,
}

/// What the hub believes is one transmitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Emitter {
    /// Its number.
    pub id: EmitterId,
    /// What is heard before anything is decoded; what it was last, if it changed that.
    pub key: CellKey,
    /// Number of its carrier, where the standard and, for LTE, what it broadcasts tell it.
    #[serde(default)]
    pub channel: Option<u32>,
    /// What it was before, on the same carrier.
    #[serde(default)]
    pub former: Vec<CellKey>,
    /// First heard.
    pub first: Timestamp,
    /// Last heard.
    pub last: Timestamp,
    /// Observations in all.
    pub observations: u64,
    /// Everything it said it was.
    pub identities: Vec<SeenIdentity>,
    /// Who hears it.
    pub sightings: BTreeMap<NodeId, Sighting>,
    /// What it broadcasts.
    pub blocks: Vec<SeenBlock>,
    /// Rules that fired on it.
    pub findings: BTreeMap<String, FindingRecord>,
    /// Emitters of the same key that are proven to be others.
    pub distinct: BTreeMap<EmitterId, Separation>,
    /// What the register says about the identity heard last.
    pub licence: Licence,
    /// Frame phases seen so far, all nodes.
    pub lines: u32,
    /// When nodes were last asked to dwell on it.
    #[serde(default)]
    pub asked: Option<Timestamp>,
    /// When it last began to count its frames anew, as far as a node has noticed: frames read before go into no fix with those read since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted: Option<Timestamp>,
    /// When it is to be placed next; `None`: nothing new was heard since it was placed.
    #[serde(default)]
    pub due: Option<Timestamp>,
}

impl Emitter {
    pub(super) fn new(id: EmitterId, key: CellKey, at: Timestamp) -> Emitter {
        Emitter {
            id,
            key,
            channel: None,
            former: Vec::new(),
            first: at,
            last: at,
            observations: 0,
            identities: Vec::new(),
            sightings: BTreeMap::new(),
            blocks: Vec::new(),
            findings: BTreeMap::new(),
            distinct: BTreeMap::new(),
            licence: Licence::Unknown,
            lines: 0,
            asked: None,
            restarted: None,
            due: None,
        }
    }

    pub(super) fn worth(&self) -> (bool, Timestamp, EmitterId) {
        (!self.findings.is_empty(), self.last, self.id)
    }

    /// The identity heard last.
    pub fn identity(&self) -> Option<&CellIdentity> {
        self.identities.iter().max_by_key(|seen| (seen.last, seen.first)).map(|seen| &seen.identity)
    }

    /// It once broadcast the PLMNs and cell identity of `identity`; the area code is not compared.
    pub fn claims(&self, identity: &CellIdentity) -> bool {
        identity.cell_id.is_some() && self.identities.iter().any(|seen| same_cell(&seen.identity, identity))
    }

    /// Both once broadcast one identity.
    pub fn shares_identity(&self, other: &Emitter) -> bool {
        self.identities.iter().any(|seen| other.claims(&seen.identity))
    }

    /// The distinct area codes broadcast with one and the same PLMN and cell identity, ascending; the largest such set.
    pub fn areas(&self) -> Vec<u32> {
        let areas_of = |seen: &SeenIdentity| {
            let same = self.identities.iter().filter(|other| same_cell(&other.identity, &seen.identity));
            let mut areas: Vec<u32> = same.filter_map(|other| other.identity.area).collect();
            areas.sort_unstable();
            areas.dedup();
            areas
        };
        self.identities.iter().map(areas_of).max_by_key(Vec::len).unwrap_or_default()
    }

    /// The carrier error relative to other cells with the least uncertainty, among the sightings not older than `since`.
    pub fn best_relative(&self, since: Timestamp) -> Option<(&NodeId, RelativeCarrier)> {
        let fresh = self.sightings.values().filter(|sighting| sighting.last >= since);
        fresh
            .filter_map(|sighting| sighting.relative.map(|relative| (&sighting.node, relative)))
            .min_by(|a, b| a.1.sigma_ppb.0.total_cmp(&b.1.sigma_ppb.0))
    }

    pub(super) fn note_identity(&mut self, identity: &CellIdentity, at: Timestamp) {
        match self.identities.iter_mut().find(|seen| seen.identity == *identity) {
            Some(seen) => {
                seen.last = seen.last.max(at);
                seen.first = seen.first.min(at);
                seen.count += 1;
            }
            None => {
                self.identities.push(SeenIdentity { identity: identity.clone(), first: at, last: at, count: 1 });
                drop_oldest(&mut self.identities, MAX_IDENTITIES, |seen| seen.last);
            }
        }
    }

    pub(super) fn note_blocks(&mut self, observation: &Observation, node: &NodeId, at: Timestamp) {
        for block in &observation.broadcast {
            match self.blocks.iter_mut().find(|seen| seen.name == block.name && seen.octets == block.octets) {
                Some(seen) => {
                    seen.last = seen.last.max(at);
                    seen.count = seen.count.max(block.count);
                    seen.node = node.clone();
                }
                None => {
                    self.blocks.push(SeenBlock {
                        name: block.name.clone(),
                        octets: block.octets.clone(),
                        count: block.count,
                        node: node.clone(),
                        first: at,
                        last: at,
                    });
                    drop_oldest(&mut self.blocks, MAX_BLOCKS, |seen| seen.last);
                }
            }
        }
    }

    pub(super) fn note_finding(&mut self, finding: &Finding, origin: &Origin, at: Timestamp, line: Option<u32>) {
        let node = &origin.node;
        let room = self.findings.len() < MAX_FINDINGS;
        let copies = finding.observation.broadcast.iter().map(|block| block.count).max().unwrap_or(0);
        match self.findings.get_mut(&finding.rule) {
            Some(record) => {
                *record.nodes.entry(node.clone()).or_insert(0) += 1;
                record.first = record.first.min(at);
                record.copies = record.copies.max(copies);
                if at >= record.last {
                    record.last = at;
                    record.version = finding.version;
                    record.tier = finding.tier;
                    record.evidence.clone_from(&finding.evidence);
                    record.innocent.clone_from(&finding.innocent);
                    record.origin = origin.clone();
                    record.line = line;
                }
            }
            None if room => {
                let record = FindingRecord {
                    rule: finding.rule.clone(),
                    version: finding.version,
                    tier: finding.tier,
                    evidence: finding.evidence.clone(),
                    innocent: finding.innocent.clone(),
                    copies,
                    origin: origin.clone(),
                    nodes: BTreeMap::from([(node.clone(), 1)]),
                    first: at,
                    last: at,
                    line,
                };
                self.findings.insert(finding.rule.clone(), record);
            }
            None => {}
        }
    }

    pub(super) fn make_room_for(&mut self, node: &NodeId) {
        if !self.sightings.contains_key(node) && self.sightings.len() >= MAX_SIGHTINGS {
            let oldest = self.sightings.values().min_by_key(|s| (s.last, s.node.clone())).map(|s| s.node.clone());
            if let Some(oldest) = oldest {
                self.sightings.remove(&oldest);
            }
        }
    }

    /// Takes everything of `other` into itself.
    pub(super) fn absorb(&mut self, other: Emitter) {
        let offset = self.lines;
        self.lines += other.lines;
        self.first = self.first.min(other.first);
        self.channel = self.channel.or(other.channel);
        if other.last > self.last {
            self.last = other.last;
            self.licence = other.licence;
        }
        self.observations += other.observations;
        self.restarted = self.restarted.max(other.restarted);
        for seen in other.identities {
            match self.identities.iter_mut().find(|mine| mine.identity == seen.identity) {
                Some(mine) => {
                    mine.first = mine.first.min(seen.first);
                    mine.last = mine.last.max(seen.last);
                    mine.count += seen.count;
                }
                None => self.identities.push(seen),
            }
        }
        drop_oldest(&mut self.identities, MAX_IDENTITIES, |seen| seen.last);
        for (node, mut sighting) in other.sightings {
            for line in &mut sighting.lines {
                line.number += offset;
            }
            self.make_room_for(&node);
            match self.sightings.get_mut(&node) {
                Some(mine) => {
                    let newer =
                        if sighting.last > mine.last { std::mem::replace(mine, sighting.clone()) } else { sighting };
                    mine.first = mine.first.min(newer.first);
                    mine.count += newer.count;
                    mine.lines.extend(newer.lines);
                    mine.lines.sort_by_key(|line| (line.first, line.number));
                    drop_oldest(&mut mine.lines, MAX_LINES, |line| line.last);
                }
                None => {
                    self.sightings.insert(node, sighting);
                }
            }
        }
        for seen in other.blocks {
            if !self.blocks.iter().any(|mine| mine.name == seen.name && mine.octets == seen.octets) {
                self.blocks.push(seen);
            }
        }
        drop_oldest(&mut self.blocks, MAX_BLOCKS, |seen| seen.last);
        for (rule, mut record) in other.findings {
            record.line = record.line.map(|line| line + offset);
            match self.findings.get_mut(&rule) {
                Some(mine) => {
                    let older = if record.last > mine.last { std::mem::replace(mine, record) } else { record };
                    mine.first = mine.first.min(older.first);
                    for (node, count) in older.nodes {
                        *mine.nodes.entry(node).or_insert(0) += count;
                    }
                }
                None => {
                    self.findings.insert(rule, record);
                }
            }
        }
        self.distinct.extend(other.distinct);
        self.distinct.remove(&self.id);
    }
}

/// The PLMNs and the cell identity agree; the area is not compared.
pub(super) fn same_cell(a: &CellIdentity, b: &CellIdentity) -> bool {
    a.cell_id == b.cell_id && a.plmns == b.plmns
}

/// Drops the entry with the least `age_key` until `max` remain; the order of the rest stays.
pub(super) fn drop_oldest<T>(entries: &mut Vec<T>, max: usize, age_key: impl Fn(&T) -> Timestamp) {
    while entries.len() > max {
        let oldest = entries.iter().enumerate().min_by_key(|(_, entry)| age_key(entry)).map(|(place, _)| place);
        entries.remove(oldest.expect("longer than max, so not empty"));
    }
}
