//! What the engine remembers of each cell: bounded in cells and for each cell, least recently heard out first, and none for longer than
//! a week that it is not heard.

use super::lte_past::LtePast;
use super::octets::{first_type, nr_identity, sib1_identity};
use crate::cell::{CellIdentity, CellKey, Plmn, Rat};
use crate::observation::{BroadcastBlock, Evidence, Fields, Observation, Octets, Tier};
use crate::units::{Db, Elapsed, Nanos, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Area codes remembered for one cell: a blaster that cycles more is told apart by the first few.
const MAX_AREAS: usize = 8;
/// Changes of the area code remembered for one cell.
const MAX_CHANGES: usize = 16;
/// Messages whose copies are counted for one cell; the wire contract allows 32 distinct contents.
const MAX_MESSAGES: usize = 32;
/// A cell that was not heard for so long is new when it comes back, unless the configuration looks back further. Chosen: several times
/// what rules look back by default, and short enough that a year of transmitters that come and go is no year of memory (a cell takes
/// some 2 kB).
const FORGET: Nanos = Nanos::from_secs(7 * 86_400);

/// The name that all SystemInformation messages of an LTE cell share.
const SI: &str = "SI";

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
struct Message {
    name: String,
    /// Type of its first block, where the name does not tell messages apart.
    first: u8,
    copies: Copies,
}

/// How often one content was received.
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
    /// The highest signal to noise ratio it was heard with.
    strongest: Option<Db>,
    observations: u32,
    current_area: Option<u32>,
    stream: String,
    messages: Vec<Message>,
    /// What an LTE cell said before.
    pub(super) lte: LtePast,
    identity_copies: Option<Copies>,
    pub(super) fired: BTreeMap<&'static str, Fired>,
    tick: u64,
    /// When it was last heard, on the memory's own clock.
    heard: Nanos,
}

impl CellMemory {
    /// How often a message was received in its present content, over all streams.
    pub fn copies(&self, name: &str) -> u32 {
        self.copies_of(name, 0)
    }

    /// The same for the SystemInformation message of an LTE cell that begins with a block of type `first`.
    pub fn si_copies(&self, first: u8) -> u32 {
        self.copies_of(SI, first)
    }

    fn copies_of(&self, name: &str, first: u8) -> u32 {
        let found = self.messages.iter().find(|message| message.first == first && message.name == name);
        found.map_or(0, |message| message.copies.total())
    }

    /// How often the present identity was received, over all streams.
    pub fn identity_copies(&self) -> u32 {
        self.identity_copies.as_ref().map_or(0, Copies::total)
    }

    /// It has been heard at `least` or stronger; once true, it stays so, and a verdict does not flutter with the level.
    pub fn was_heard_at(&self, least: Db) -> bool {
        self.strongest.is_some_and(|strongest| strongest >= least)
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
        if !self.was_heard_at(observation.snr_db) {
            self.strongest = Some(observation.snr_db);
        }
        let new_stream = self.stream != observation.receiver.stream;
        if new_stream {
            self.stream.clone_from(&observation.receiver.stream);
            let messages = self.messages.iter_mut().map(|message| &mut message.copies);
            for entry in messages.chain(self.identity_copies.as_mut()) {
                entry.before = entry.before.saturating_add(std::mem::take(&mut entry.current));
            }
        }
        if let Some(fields) = observation.fields.as_ref().and_then(Fields::lte) {
            self.lte.note(observation.at_ns, new_stream, fields);
        }
        let rat = observation.cell.rat;
        let mut best: BTreeMap<(&str, u8), &BroadcastBlock> = BTreeMap::new();
        for block in &observation.broadcast {
            let first = if rat == Rat::Lte && block.name == SI { first_type(&block.octets.0).unwrap_or(0) } else { 0 };
            let kept = best.entry((&block.name, first)).or_insert(block);
            if block.count > kept.count {
                *kept = block;
            }
        }
        for ((name, first), block) in best {
            if let Some(known) = self.messages.iter_mut().find(|m| m.first == first && m.name == name) {
                update(&mut known.copies, block);
            } else if self.messages.len() < MAX_MESSAGES {
                self.messages.push(Message { name: name.to_owned(), first, copies: started(block) });
            }
        }
        if let Some(identity) = &observation.identity {
            let bearer = observation
                .broadcast
                .iter()
                .filter(|block| area_in(block, rat, identity).is_some_and(|area| identity.area == area))
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
        for block in observation.broadcast.iter().filter(|block| block.count >= copies) {
            if let Some(Some(other)) = area_in(block, observation.cell.rat, identity) {
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

impl Copies {
    fn total(&self) -> u32 {
        self.before.saturating_add(self.current)
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

/// The area code that a block gives for this cell; `None` where the block is not the message that carries its identity.
///
/// GSM: SYSTEM INFORMATION TYPE 3 has the cell identity in octets 4 and 5 and the location area identification in octets 6 to 10,
/// counted from the L2 pseudo length; TS 44.018 table 9.1.35.1. LTE, NR: SIB1. UMTS: the message that has the identity, whole.
fn area_in(block: &BroadcastBlock, rat: Rat, identity: &CellIdentity) -> Option<Option<u32>> {
    let octets = &block.octets.0;
    let (plmn, cell_id, area) = match rat {
        Rat::Gsm => {
            let octets = octets.get(3..10).filter(|_| block.name == "SI3")?;
            let plmn = Plmn::from_bcd([octets[2], octets[3], octets[4]]);
            let number = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
            (plmn, u64::from(number(0)), u32::from(number(5)))
        }
        Rat::Lte => {
            let sib1 = sib1_identity(octets).filter(|_| block.name == "SIB1")?;
            (sib1.plmn, sib1.eci, sib1.tac)
        }
        Rat::Nr => {
            let sib1 = nr_identity(octets).filter(|_| block.name == "SIB1")?;
            (sib1.plmn, sib1.nci, sib1.tac?)
        }
        Rat::Umts => return (block.name == "SIB1").then_some(identity.area),
    };
    (plmn.is_some() && plmn == identity.plmns.first().copied() && identity.cell_id == Some(cell_id))
        .then_some(Some(area))
}

/// All cells, at most `max`, none longer than `keep` without being heard.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    cells: BTreeMap<TrackKey, CellMemory>,
    by_tick: BTreeMap<u64, TrackKey>,
    max: usize,
    keep: Nanos,
    tick: u64,
    evicted: u64,
    elapsed: Elapsed,
}

impl Memory {
    /// For at most `max` cells; no rule looks back further than `longest`.
    pub(super) fn new(max: usize, longest: Nanos) -> Memory {
        let (keep, elapsed) = (FORGET.max(longest), Elapsed::default());
        Memory { cells: BTreeMap::new(), by_tick: BTreeMap::new(), max, keep, tick: 0, evicted: 0, elapsed }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Some cell on this key has said who it is; if so, it is heard again.
    pub(super) fn hears_identified(&mut self, cell: CellKey, now: Timestamp) -> bool {
        let now = self.elapsed.to(now);
        let after_unnamed = (std::ops::Bound::Excluded((cell, None)), std::ops::Bound::Unbounded);
        let mut known = false;
        for (key, memory) in self.cells.range_mut(after_unnamed).take_while(|((found, _), _)| *found == cell) {
            self.tick += 1;
            self.by_tick.remove(&memory.tick);
            self.by_tick.insert(self.tick, *key);
            (memory.tick, memory.heard, known) = (self.tick, now, true);
        }
        known
    }

    /// Forgets what was not heard for long.
    fn forget(&mut self, now: Nanos) {
        while let Some(oldest) = self.by_tick.first_entry() {
            let key = *oldest.get();
            if self.cells.get(&key).is_some_and(|memory| now - memory.heard <= self.keep) {
                return;
            }
            oldest.remove();
            self.cells.remove(&key);
        }
    }

    /// Takes note of an observation and returns its cell. A cell that was heard before it said who it is keeps its past.
    pub(super) fn note(&mut self, observation: &Observation, copies: u32) -> &mut CellMemory {
        let now = self.elapsed.to(observation.at_ns);
        self.forget(now);
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
        (memory.tick, memory.heard) = (self.tick, now);
        self.by_tick.insert(self.tick, key);
        memory.note(observation, copies);
        memory
    }
}
