//! What the engine remembers of each cell: bounded in cells and for each cell, least recently seen out first.

use crate::cell::{CellIdentity, CellKey, Plmn};
use crate::observation::{BroadcastBlock, Evidence, Observation, Octets, Tier};
use crate::units::{Nanos, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Area codes remembered for one cell: a blaster that cycles more is told apart by the first few.
const MAX_AREAS: usize = 8;
/// Changes of the area code remembered for one cell.
const MAX_CHANGES: usize = 16;
/// Messages whose copies are counted for one cell; the wire contract allows 32 distinct contents.
const MAX_MESSAGES: usize = 32;

/// A cell as rules keep it apart: what was heard and, once known, whose cell it says it is. The area code is left out, so that a
/// transmitter that changes it stays one cell.
pub(super) type TrackKey = (CellKey, Option<(Plmn, u64)>);

/// The key of an observation.
pub(super) fn track_key(observation: &Observation) -> TrackKey {
    let named = |identity: &CellIdentity| Some((*identity.plmns.first()?, identity.cell_id?));
    (observation.cell, observation.identity.as_ref().and_then(named))
}

/// An area code of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaSeen {
    /// LAC or TAC.
    pub area: u32,
    /// When it was last the cell's current one.
    pub last: Timestamp,
    /// The message that carried it was received often enough.
    pub confirmed: bool,
}

/// Copies of one message.
#[derive(Clone, Debug, PartialEq)]
struct Copies {
    octets: Octets,
    /// In streams before the current one.
    before: u32,
    /// In the current stream; reports are cumulative within one.
    current: u32,
}

/// What was last reported of one rule on one cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fired {
    pub(super) tier: Tier,
    pub(super) evidence: Vec<Evidence>,
    pub(super) emitted: Timestamp,
    /// The rule fired when it was last judged; kept when it no longer does, to limit how often it is reported.
    pub(super) lasts: bool,
}

/// The past of one cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellMemory {
    /// When it was first heard.
    pub first: Timestamp,
    /// When it was last heard.
    pub last: Timestamp,
    /// Its area codes.
    pub areas: Vec<AreaSeen>,
    /// When its area code changed, ascending.
    pub area_changes: VecDeque<Timestamp>,
    observations: u32,
    current_area: Option<u32>,
    stream: String,
    messages: BTreeMap<String, Copies>,
    identity_copies: Option<Copies>,
    pub(super) fired: BTreeMap<&'static str, Fired>,
    tick: u64,
}

impl CellMemory {
    /// How often a message was received in its present content, over all streams.
    pub fn copies(&self, name: &str) -> u32 {
        self.messages.get(name).map_or(0, |c| c.before.saturating_add(c.current))
    }

    /// How often the present identity was received, over all streams.
    pub fn identity_copies(&self) -> u32 {
        self.identity_copies.as_ref().map_or(0, |c| c.before.saturating_add(c.current))
    }

    /// Observations at different times.
    pub fn observations(&self) -> u32 {
        self.observations
    }

    /// Confirmed area codes that were current in the `window` before `now`, ascending.
    pub fn confirmed_areas(&self, now: Timestamp, window: Nanos) -> Vec<u32> {
        let recent = |seen: &&AreaSeen| seen.confirmed && now - seen.last <= window;
        let mut areas: Vec<u32> = self.areas.iter().filter(recent).map(|seen| seen.area).collect();
        areas.sort_unstable();
        areas
    }

    /// Changes of the area code in the `window` before `now`.
    pub fn changes_within(&self, now: Timestamp, window: Nanos) -> usize {
        self.area_changes.iter().filter(|&&at| now - at <= window).count()
    }

    /// Takes note of an observation.
    fn note(&mut self, observation: &Observation, copies: u32) {
        if self.observations == 0 {
            self.first = observation.at_ns;
        }
        if self.observations == 0 || observation.at_ns > self.last {
            self.observations = self.observations.saturating_add(1);
        }
        self.last = self.last.max(observation.at_ns);
        if self.stream != observation.receiver.stream {
            self.stream.clone_from(&observation.receiver.stream);
            for entry in self.messages.values_mut().chain(self.identity_copies.as_mut()) {
                entry.before = entry.before.saturating_add(std::mem::take(&mut entry.current));
            }
        }
        let mut best: BTreeMap<&str, &BroadcastBlock> = BTreeMap::new();
        for block in &observation.broadcast {
            let kept = best.entry(&block.name).or_insert(block);
            if block.count > kept.count {
                *kept = block;
            }
        }
        for (name, block) in best {
            if let Some(entry) = self.messages.get_mut(name) {
                update(entry, block);
            } else if self.messages.len() < MAX_MESSAGES {
                self.messages.insert(name.to_owned(), started(block));
            }
        }
        if let Some(identity) = &observation.identity {
            let bearer = observation
                .broadcast
                .iter()
                .filter(|block| carries(block, identity, true))
                .max_by_key(|block| block.count);
            match (bearer, &mut self.identity_copies) {
                (Some(block), Some(entry)) => update(entry, block),
                (Some(block), empty) => *empty = Some(started(block)),
                (None, _) => self.identity_copies = None,
            }
            self.note_areas(observation, identity, copies);
        }
    }

    fn note_areas(&mut self, observation: &Observation, identity: &CellIdentity, copies: u32) {
        let Some(area) = identity.area else { return };
        if self.current_area.replace(area).is_some_and(|before| before != area) {
            if self.area_changes.len() == MAX_CHANGES {
                self.area_changes.pop_front();
            }
            self.area_changes.push_back(observation.at_ns);
        }
        let confirmed = self.identity_copies() >= copies;
        self.touch_area(area, observation.at_ns, confirmed, true);
        // Earlier area codes of this stream may have been confirmed since they were last current.
        for block in observation.broadcast.iter().filter(|b| b.count >= copies && carries(b, identity, false)) {
            if let Some(octets) = block.octets.0.get(8..10) {
                let other = u32::from(u16::from_be_bytes([octets[0], octets[1]]));
                self.touch_area(other, observation.at_ns, true, false);
            }
        }
    }

    fn touch_area(&mut self, area: u32, at: Timestamp, confirmed: bool, current: bool) {
        if let Some(seen) = self.areas.iter_mut().find(|seen| seen.area == area) {
            seen.confirmed |= confirmed;
            if current {
                seen.last = seen.last.max(at);
            }
            return;
        }
        if self.areas.len() == MAX_AREAS {
            let oldest = (0..self.areas.len()).min_by_key(|&i| self.areas[i].last).expect("the list is full");
            self.areas.remove(oldest);
        }
        self.areas.push(AreaSeen { area, last: at, confirmed });
    }
}

fn started(block: &BroadcastBlock) -> Copies {
    Copies { octets: block.octets.clone(), before: 0, current: block.count }
}

fn update(entry: &mut Copies, block: &BroadcastBlock) {
    if entry.octets == block.octets {
        entry.current = entry.current.max(block.count);
    } else {
        *entry = started(block);
    }
}

/// The block carries this identity; without `area` whatever its area code.
///
/// GSM: SYSTEM INFORMATION TYPE 3 has the cell identity in octets 4 and 5 and the location area identification in octets 6 to 10,
/// counted from the L2 pseudo length; TS 44.018 table 9.1.35.1. Other standards: the message that has the identity, whole.
fn carries(block: &BroadcastBlock, identity: &CellIdentity, area: bool) -> bool {
    if block.name != "SI3" {
        return area && block.name == "SIB1";
    }
    let (Some(plmn), Some(cell_id)) = (identity.plmns.first(), identity.cell_id) else { return false };
    let Some(octets) = block.octets.0.get(3..10) else { return false };
    let lac = u32::from(u16::from_be_bytes([octets[5], octets[6]]));
    u64::from(u16::from_be_bytes([octets[0], octets[1]])) == cell_id
        && octets[2..5] == plmn.to_bcd()
        && (!area || identity.area == Some(lac))
}

/// All cells, at most `max`.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    cells: BTreeMap<TrackKey, CellMemory>,
    by_tick: BTreeMap<u64, TrackKey>,
    max: usize,
    tick: u64,
    evicted: u64,
}

impl Memory {
    pub(super) fn new(max: usize) -> Memory {
        Memory { cells: BTreeMap::new(), by_tick: BTreeMap::new(), max, tick: 0, evicted: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Some cell on this key has said who it is.
    pub(super) fn is_identified(&self, cell: CellKey) -> bool {
        let after_unnamed = (std::ops::Bound::Excluded((cell, None)), std::ops::Bound::Unbounded);
        self.cells.range(after_unnamed).next().is_some_and(|((found, _), _)| *found == cell)
    }

    /// Takes note of an observation and returns its cell. A cell that was heard before it said who it is keeps its past.
    pub(super) fn note(&mut self, observation: &Observation, copies: u32) -> &mut CellMemory {
        let key = track_key(observation);
        let unnamed = (observation.cell, None);
        if key.1.is_some()
            && !self.cells.contains_key(&key)
            && let Some(past) = self.cells.remove(&unnamed)
        {
            self.by_tick.insert(past.tick, key);
            self.cells.insert(key, past);
        }
        if !self.cells.contains_key(&key)
            && self.cells.len() >= self.max
            && let Some((_, oldest)) = self.by_tick.pop_first()
        {
            self.cells.remove(&oldest);
            self.evicted += 1;
        }
        self.tick += 1;
        let memory = self.cells.entry(key).or_default();
        self.by_tick.remove(&memory.tick);
        memory.tick = self.tick;
        self.by_tick.insert(self.tick, key);
        memory.note(observation, copies);
        memory
    }
}
