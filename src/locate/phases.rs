//! The phases of all licensed cells on one time scale, learned from observations, and handed to fixes.
//!
//! Nodes with disciplined clocks read phases directly. A free clock that hears cells whose phases are known is set by them and then
//! reads the phases of the others; a cell is set only by cells nearer to the source of time than itself, so that nothing confirms
//! itself. Where no clock knows the time, one cell's frames *are* the time scale: differences are all that a fix needs.

mod watch;

use super::METRES_PER_NS;
use super::frames::{phase_ns, round_ns};
use super::gather::{DISCIPLINED, Heard, disciplined};
use super::geodesy::Plane;
use super::phase::{CellPhase, Learned, Outcome, PhaseReading, Settings};
use super::trust;
use crate::cell::CellKey;
use crate::observation::{NodeId, Observation, Position};
use crate::units::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use watch::Stepping;

/// What the phases count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// UTC, from disciplined clocks.
    #[default]
    Absolute,
    /// The frames of this cell, which come at their nominal rate by definition; no clock knew the time.
    Cell(CellKey),
}

/// A jump that was seen, or a reading that does not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Whose phase.
    pub cell: CellKey,
    /// By whose reading.
    pub node: NodeId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub outcome: Outcome,
}

/// The phases of many cells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct Phases {
    scale: Scale,
    settings: Settings,
    /// When the source of time was last heard, on the clock that heard it.
    heard: Timestamp,
    stepping: Option<Stepping>,
    cells: BTreeMap<CellKey, CellState>,
}

/// A cell's phase and how far it is from the source of time: 0, heard by a clock that knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellState {
    depth: u32,
    phase: CellPhase,
}

/// What is kept of all phases beside the cells'.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    scale: Scale,
    settings: Settings,
    heard: Timestamp,
    #[serde(default)]
    stepping: Option<Stepping>,
}

/// What a batch of observations taught.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lesson {
    /// Jumps and outliers.
    pub events: Vec<Event>,
    /// Cells whose phase changed, or that are no longer held.
    pub touched: BTreeSet<CellKey>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    head: Head,
    cells: Vec<(CellKey, CellState)>,
}

impl From<Kept> for Phases {
    fn from(kept: Kept) -> Phases {
        Phases::restore(kept.head, kept.cells)
    }
}

impl From<Phases> for Kept {
    fn from(phases: Phases) -> Kept {
        Kept { head: phases.head(), cells: phases.cells.into_iter().collect() }
    }
}

/// Cells held at once; the one not heard for longest goes.
const MAX_CELLS: usize = 32_768;
/// Readings of one free clock further apart do not set each other: 20 ppm are then corrected from the cells to 25 ppb, 250 ns.
const TOGETHER: Nanos = Nanos::from_secs(10);
/// A cell that has not been heard by a nearer clock for so long may be learned from a farther one.
const FORGET: Nanos = Nanos::from_secs(600);
/// A phase that is less certain sets no clock: a microsecond is 300 m.
pub(super) const USEFUL_NS: f64 = 1000.0;
/// Chains of cells that set each other; every link adds its noise.
const MAX_DEPTH: u32 = 8;

/// A licensed cell's frame on a node's clock.
#[derive(Clone, Copy)]
struct Reading<'a> {
    node: &'a NodeId,
    observation: &'a Observation,
    /// When the frame came: a free clock is some ppm off, so that the moment of the report, milliseconds later, will not do.
    at: Timestamp,
    /// Arrival less flight less nominal time, within a round of zero.
    phase_ns: f64,
    sigma_ns: f64,
    rate_ppb: (f64, f64),
    round_ns: i64,
}

impl<'a> Reading<'a> {
    fn new(heard: &Heard<'a>, site: &Position) -> Option<Reading<'a>> {
        let Heard { node, observation } = *heard;
        let (timing, position) = (observation.timing?, observation.position?);
        let plane = Plane::at(site.lat_deg, site.lon_deg);
        let flight = plane.enu(&position).distance_m(plane.enu(site)) / METRES_PER_NS;
        Some(Reading {
            node,
            observation,
            phase_ns: phase_ns(&timing) - flight,
            sigma_ns: trust::timing_ns(observation, &timing)
                .hypot(position.sigma_m.unwrap_or(0.0) / METRES_PER_NS)
                .max(1.0),
            rate_ppb: trust::rate_ppb(observation, &timing),
            at: timing.at_ns,
            round_ns: round_ns(timing.frame) as i64,
        })
    }

    fn at(&self) -> Timestamp {
        self.at
    }

    fn cell(&self) -> CellKey {
        self.observation.cell
    }

    fn phase(&self, bias_sigma_ns: f64) -> PhaseReading {
        let (node, at, rate_ppb) = (self.node.clone(), self.at(), Some(self.rate_ppb));
        PhaseReading { node, at, phase_ns: self.phase_ns, sigma_ns: self.sigma_ns, bias_sigma_ns, rate_ppb }
    }
}

/// What free clocks hear, by node and stream: each reading, and whether it is new.
type Streams<'a> = BTreeMap<(&'a NodeId, &'a str), Vec<(Reading<'a>, bool)>>;

/// A free clock as the cells that it hears set it: reading less time on the scale, at an instant of its own.
struct Set {
    ahead_ns: f64,
    sigma_ns: f64,
    rate_ppb: f64,
    rate_sigma_ppb: f64,
}

impl Phases {
    /// None yet.
    pub fn new(settings: Settings) -> Phases {
        Phases { settings, ..Phases::default() }
    }

    /// Continues from what was kept: [`Phases::head`], and [`Phases::cell`] of every cell.
    pub fn restore(head: Head, cells: impl IntoIterator<Item = (CellKey, CellState)>) -> Phases {
        let Head { scale, settings, heard, stepping } = head;
        Phases { scale, settings, heard, stepping, cells: cells.into_iter().collect() }
    }

    /// What is to be kept beside the cells.
    pub fn head(&self) -> Head {
        Head { scale: self.scale, settings: self.settings, heard: self.heard, stepping: self.stepping.clone() }
    }

    /// What is to be kept of a cell.
    pub fn cell(&self, cell: CellKey) -> Option<&CellState> {
        self.cells.get(&cell)
    }

    /// The last readings of a cell do not fit what is known of its phase: it may have jumped, and must not set a clock.
    pub fn unsettled(&self, cell: CellKey) -> bool {
        let makes_time = self.scale == Scale::Cell(cell) && self.stepping.is_some();
        makes_time || self.cells.get(&cell).is_some_and(|state| state.phase.unsettled())
    }

    /// A cell's phase has jumped after this instant: what was read before must not be used with what was read since.
    pub fn began_after(&self, cell: CellKey, at: Timestamp) -> bool {
        self.cells.get(&cell).is_some_and(|state| state.phase.began_after(at))
    }

    /// Drops a cell; with it the whole scale, if it was the one that makes the time.
    pub fn forget(&mut self, cell: CellKey) -> BTreeSet<CellKey> {
        let mut lesson = Lesson::default();
        if self.scale == Scale::Cell(cell) {
            self.clear(&mut lesson);
            self.scale = Scale::Absolute;
        } else if self.cells.remove(&cell).is_some() {
            lesson.touched.insert(cell);
        }
        lesson.touched
    }

    /// What the phases count from.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// The cells that are known.
    pub fn keys(&self) -> impl Iterator<Item = CellKey> {
        self.cells.keys().copied()
    }

    /// How many cells are known.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// What is known of a cell's phase at an instant of the scale.
    pub fn of(&self, cell: CellKey, at: Timestamp) -> Option<Learned> {
        self.cells.get(&cell).map(|entry| entry.phase.at(at))
    }

    /// How far a clock's reading of a cell's phase is ahead of the scale, the round nearest to `about`, and the phase then; where
    /// the phase is known well enough to set a clock.
    pub(super) fn ahead(&self, cell: CellKey, at: Timestamp, phase_ns: f64, about: f64) -> Option<(f64, Learned)> {
        let phase = &self.cells.get(&cell)?.phase;
        let round = phase.round_ns() as f64;
        let by = |about: f64| {
            let learned = phase.at(at - Nanos(about as i64));
            let raw = phase_ns - learned.phase_ns;
            (raw - round * ((raw - about) / round).round(), learned)
        };
        // The phase moves while the clock is ahead: once more at the right time.
        let (ahead, learned) = by(by(about).0);
        (learned.sigma_ns <= USEFUL_NS).then_some((ahead, learned))
    }

    /// Takes a batch of observations, of a few seconds or of a minute, in any order; returns jumps and outliers.
    ///
    /// `site_of` gives the antenna's place of a licensed cell. Observations that were learned from before must not be given again.
    pub fn learn(&mut self, heard: &[Heard<'_>], site_of: impl Fn(&Observation) -> Option<Position>) -> Vec<Event> {
        self.learn_beside(heard, &[], site_of).events
    }

    /// As [`Phases::learn`]; what was learned from before and still says how the free clocks stand is given in `known`.
    pub fn learn_beside(
        &mut self,
        heard: &[Heard<'_>],
        known: &[Heard<'_>],
        site_of: impl Fn(&Observation) -> Option<Position>,
    ) -> Lesson {
        let all = heard.iter().map(|h| (h, true)).chain(known.iter().map(|h| (h, false)));
        let read = |(h, new)| Some((Reading::new(h, &site_of(h.observation)?)?, new));
        let mut readings: Vec<(Reading<'_>, bool)> = all.filter_map(read).collect();
        readings.sort_by(|(a, _), (b, _)| (a.at(), a.node, a.cell()).cmp(&(b.at(), b.node, b.cell())));
        let (direct, free): (Vec<_>, Vec<_>) = readings.into_iter().partition(|(r, _)| disciplined(r.observation));
        let direct: Vec<_> = direct.into_iter().filter(|(_, new)| *new).map(|(reading, _)| reading).collect();
        let mut lesson = Lesson::default();
        if !direct.is_empty() && self.scale != Scale::Absolute {
            self.clear(&mut lesson);
            self.scale = Scale::Absolute;
        }
        for reading in &direct {
            let bias = reading.observation.clock.sigma_ns.map_or(DISCIPLINED.0, |s| s.0) as f64;
            self.take(reading.cell(), reading.round_ns, reading.phase(bias), 0, &mut lesson);
            self.heard = self.heard.max(reading.at());
        }
        let mut streams: Streams<'_> = BTreeMap::new();
        for (reading, new) in free {
            let stream = (reading.node, reading.observation.receiver.stream.as_str());
            streams.entry(stream).or_default().push((reading, new));
        }
        self.find_scale(&streams, direct.is_empty(), &mut lesson);
        self.watch_scale(&mut streams, &mut lesson);
        let (before, mut taken) = (lesson.events.len(), 0);
        for depth in 1..=MAX_DEPTH {
            for stream in streams.values() {
                taken += self.learn_free(stream, depth, &mut lesson);
            }
        }
        let jumped = |e: &&Event| matches!(e.outcome, Outcome::Jumped { .. });
        let jumps = lesson.events[before..].iter().filter(jumped).count();
        if matches!(self.scale, Scale::Cell(_)) && taken >= 3 && 2 * jumps > taken {
            // Everything jumped against the cell that makes the time: it is that cell that did. A new scale begins.
            let said = lesson.events.split_off(before);
            lesson.events.extend(self.blame_scale(said));
            self.begin_scale(&streams, &mut lesson);
        }
        while self.cells.len() > MAX_CELLS {
            let spare = self.cells.iter().filter(|(key, _)| self.scale != Scale::Cell(**key));
            let oldest = spare.min_by_key(|(key, state)| (state.phase.heard(), **key));
            let oldest = *oldest.expect("there are more cells than one").0;
            self.cells.remove(&oldest);
            lesson.touched.insert(oldest);
        }
        lesson
    }

    fn clear(&mut self, lesson: &mut Lesson) {
        lesson.touched.extend(std::mem::take(&mut self.cells).into_keys());
        self.stepping = None;
    }

    /// Begins a scale where there is none, or where its source has not been heard for long.
    fn find_scale(&mut self, streams: &Streams<'_>, no_time: bool, lesson: &mut Lesson) {
        let fresh = || streams.values().flatten().filter(|(_, new)| *new).map(|(reading, _)| reading);
        let Some(newest) = fresh().map(Reading::at).max() else { return };
        let sets = |r: &Reading<'_>| {
            self.cells.get(&r.cell()).is_some_and(|e| e.depth == 0 && e.phase.at(r.at()).sigma_ns <= USEFUL_NS)
        };
        if fresh().any(sets) {
            self.heard = self.heard.max(newest);
        } else if no_time && (self.cells.is_empty() || newest - self.heard > FORGET) {
            self.begin_scale(streams, lesson);
            self.heard = newest;
        }
    }

    /// Begins a scale of its own: the cell that the most clocks hear, as the first of them reads it.
    fn begin_scale(&mut self, streams: &Streams<'_>, lesson: &mut Lesson) {
        self.clear(lesson);
        let mut hearers: BTreeMap<CellKey, Vec<&Reading<'_>>> = BTreeMap::new();
        for stream in streams.values() {
            let newest: BTreeMap<CellKey, &Reading<'_>> = stream.iter().map(|(r, _)| (r.cell(), r)).collect();
            newest.into_iter().for_each(|(cell, reading)| hearers.entry(cell).or_default().push(reading));
        }
        let Some((&cell, by)) = hearers.iter().rev().max_by_key(|(_, by)| by.len()) else { return };
        self.scale = Scale::Cell(cell);
        let phase = CellPhase::exact(by[0].round_ns, by[0].at(), by[0].phase_ns);
        self.cells.insert(cell, CellState { depth: 0, phase });
        lesson.touched.insert(cell);
    }

    /// Learns what a free clock hears at one depth; returns how many readings were used for it.
    fn learn_free(&mut self, stream: &[(Reading<'_>, bool)], depth: u32, lesson: &mut Lesson) -> usize {
        let mut taken = 0;
        for (reading, _) in stream.iter().filter(|(_, new)| *new) {
            let cell = reading.cell();
            let wanted = match self.cells.get(&cell) {
                Some(entry) if entry.depth == depth => true,
                Some(entry) => entry.depth > depth || (entry.depth > 0 && reading.at() - entry.phase.heard() > FORGET),
                None => true,
            };
            if !wanted || self.scale == Scale::Cell(cell) {
                continue;
            }
            let Some(set) = self.set(stream, reading.at(), depth) else { continue };
            let mut phase = reading.phase(1.0);
            phase.at = phase.at - Nanos(set.ahead_ns as i64);
            phase.phase_ns -= set.ahead_ns;
            phase.sigma_ns = phase.sigma_ns.hypot(set.sigma_ns);
            phase.rate_ppb = phase.rate_ppb.map(|(ppb, sigma)| (ppb + set.rate_ppb, sigma.hypot(set.rate_sigma_ppb)));
            self.take(cell, reading.round_ns, phase, depth, lesson);
            taken += 1;
        }
        taken
    }

    /// The free clock by the cells that are nearer to the source of time than `depth`.
    fn set(&self, stream: &[(Reading<'_>, bool)], at: Timestamp, depth: u32) -> Option<Set> {
        let mut found: Option<(f64, Vec<[f64; 4]>)> = None;
        for (reading, _) in stream.iter().filter(|(r, _)| (r.at() - at).0.abs() <= TOGETHER.0) {
            let nearer = |e: &CellState| e.depth < depth && !e.phase.unsettled() && !e.phase.began_after(reading.at());
            if !self.cells.get(&reading.cell()).is_some_and(nearer) {
                continue;
            }
            let about = found.as_ref().map_or(0.0, |(first, _)| *first);
            let known = self.ahead(reading.cell(), reading.at(), reading.phase_ns, about);
            let Some((ahead, learned)) = known else { continue };
            let (_, all) = found.get_or_insert_with(|| (ahead, Vec::new()));
            let rate = learned.rate_ppb - reading.rate_ppb.0;
            let rate_sigma = learned.rate_sigma_ppb.hypot(reading.rate_ppb.1);
            // Moved to the common instant by the clock's own rate.
            let dt = (at - reading.at()).as_secs_f64();
            let sigma = learned.sigma_ns.hypot(reading.sigma_ns).hypot(rate_sigma * dt);
            all.push([ahead + rate * dt, sigma, rate, rate_sigma]);
        }
        let (_, all) = found?;
        let mean = |value: usize, sigma: usize| {
            let weight: f64 = all.iter().map(|r| r[sigma].powi(-2)).sum();
            (all.iter().map(|r| r[value] * r[sigma].powi(-2)).sum::<f64>() / weight, weight.sqrt().recip())
        };
        let ((ahead_ns, sigma_ns), (rate_ppb, rate_sigma_ppb)) = (mean(0, 1), mean(2, 3));
        Some(Set { ahead_ns, sigma_ns, rate_ppb, rate_sigma_ppb })
    }

    fn take(&mut self, cell: CellKey, round_ns: i64, reading: PhaseReading, depth: u32, lesson: &mut Lesson) {
        lesson.touched.insert(cell);
        match self.cells.get_mut(&cell) {
            Some(state) if state.depth <= depth || reading.at - state.phase.heard() <= FORGET => {
                state.depth = state.depth.min(depth);
                let outcome = state.phase.update(&reading);
                if matches!(outcome, Outcome::Jumped { .. } | Outcome::Outlier { .. }) {
                    lesson.events.push(Event { cell, node: reading.node, at: reading.at, outcome });
                }
            }
            _ => {
                let phase = CellPhase::new(round_ns, self.settings, &reading);
                self.cells.insert(cell, CellState { depth, phase });
            }
        }
    }
}
