//! From observations to problems: which frames of which nodes belong together, and what their clocks are worth.
//!
//! The newest observation of each cell in each stream counts; of a node that moves, one at each place. Frames are numbered, so the nominal time between any two is exact; a
//! number that has gone round is resolved by the nodes' clocks, which must agree to half a round: 1.7 hours for GSM, 5 seconds for
//! LTE and NR. Free clocks are linked through licensed cells that two of them hear; the widest round first.

use super::METRES_PER_NS;
use super::frames::{between, nominal_ns, phase_ns, round_ns, wrapped};
use super::geodesy::{Enu, Plane};
use super::moving::{ClockName, chosen};
use super::phase::Learned;
use super::phases::{Phases, Scale};
use super::problem::{
    Arrival, Bearing, Cell, Clock, Emitter, Late, LevelReading, MAX_CLOCKS, MAX_INPUTS, Problem, Rate, Reference,
};
use super::trust;
use crate::cell::{CellKey, Rat};
use crate::observation::{ClockSource, FrameTiming, NodeId, Observation, Position};
use crate::units::{Db, Nanos, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// An observation with the node that made it.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Who.
    pub node: &'a NodeId,
    /// What.
    pub observation: &'a Observation,
}

/// What is assumed where nothing is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Paths without line of sight; `None`: there are none.
    pub late: Option<Late>,
    /// Shadowing of levels, one standard deviation.
    pub shadowing: Db,
    /// Height of the suspect's antenna over the ellipsoid, metres, with one standard deviation; `None`: that of the nodes' mean.
    pub height_m: Option<(f64, f64)>,
}

impl Default for Options {
    /// A third of the paths late by 500 ns in the mean, 8 dB of shadowing, the nodes' height.
    fn default() -> Options {
        Options { late: Some(Late { share: 0.3, mean_ns: 500.0 }), shadowing: Db(8.0), height_m: None }
    }
}

/// One transmitter to place.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// What was heard.
    pub cell: CellKey,
    /// What is known.
    pub problem: Problem,
    /// The node of each of the problem's arrivals.
    pub arrivals: Vec<NodeId>,
    /// The node of each of the problem's levels.
    pub levels: Vec<NodeId>,
    /// The node of each of the problem's bearings.
    pub bearings: Vec<NodeId>,
    /// When it was last heard.
    pub at: Timestamp,
    /// Observations that say nothing about its place, and why.
    pub unused: Vec<Unused>,
}

/// An observation that was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unused {
    /// Whose.
    pub node: NodeId,
    /// Why.
    pub reason: Reason,
}

/// Why an observation was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// Its node's place is not known.
    #[error("its place is not known")]
    NoPosition,
    /// No frame was timed, and no direction found.
    #[error("no frame was timed")]
    NoTiming,
    /// Its clock runs free and shares no licensed cell with another.
    #[error("its clock runs free and shares no licensed cell with the others")]
    Unlinked,
    /// There were more clocks than can be solved together.
    #[error("more clocks than can be solved together")]
    TooMany,
}

/// One standard deviation of a disciplined clock that does not say its own; UHD manual, GPSDO: below 50 ns, and as much for cables.
pub(super) const DISCIPLINED: Nanos = Nanos(100);
/// One standard deviation of a disciplined clock's rate over the seconds between two cells, ppb.
const DISCIPLINED_PPB: f64 = 1.0;
/// One standard deviation of a free clock's rate: a dongle's crystal, ppb.
const FREE_PPB: f64 = 20_000.0;
/// One standard deviation of a licensed cell's rate: half of the 50 ppb that TS 45.010 clause 5.1 and TS 36.104 clause 6.5.1 allow.
pub(super) const LICENSED_PPB: f64 = 25.0;
/// A learned phase with fewer readings behind it is taken for a link between clocks only: it may have been learned from the very
/// readings at hand, which would then count twice. Chosen: of this many, five at hand are a quarter.
const MATURE: u64 = 20;
/// The least noise that a timing is trusted to have, nanoseconds: calibration of cables and filters.
const LEAST_SIGMA_NS: f64 = 5.0;
/// The same of a direction, degrees: how well an antenna is set up towards north.
const LEAST_SIGMA_DEG: f64 = 0.5;

/// What is known of a timed cell on a clock.
#[derive(Clone, Copy)]
struct Timed<'a> {
    clock: ClockName<'a>,
    observation: &'a Observation,
    position: Position,
    timing: FrameTiming,
}

/// One problem for every cell that has no licensed site, in the order of their keys.
///
/// `site_of` gives the antenna's place of a cell that is licensed; its height is above the ellipsoid like all others.
pub fn suspects(
    heard: &[Heard<'_>],
    site_of: impl Fn(&Observation) -> Option<Position>,
    options: &Options,
) -> Vec<Suspect> {
    suspects_by(heard, site_of, None, options)
}

/// As [`suspects`], with what has been learned of the licensed cells' phases: a free clock that hears one of them is then linked to
/// all others, though they share no cell.
pub fn suspects_by(
    heard: &[Heard<'_>],
    site_of: impl Fn(&Observation) -> Option<Position>,
    phases: Option<&Phases>,
    options: &Options,
) -> Vec<Suspect> {
    let mut sites: BTreeMap<CellKey, Position> = BTreeMap::new();
    for heard in heard {
        if let Some(site) = site_of(heard.observation) {
            sites.insert(heard.observation.cell, site);
        }
    }
    let mut by_cell: BTreeMap<CellKey, Vec<(ClockName<'_>, &Observation)>> = BTreeMap::new();
    for (&(cell, clock), observations) in &chosen(heard) {
        by_cell.entry(cell).or_default().extend(observations.iter().map(|observation| (clock, *observation)));
    }
    let licensed: Vec<Timed<'_>> =
        sites.keys().flat_map(|cell| &by_cell[cell]).filter_map(|&(clock, o)| timed(clock, o)).collect();
    let licensed = Licensed { timed: licensed, sites, phases };
    let suspects = by_cell.iter().filter(|(cell, _)| !licensed.sites.contains_key(cell));
    suspects.map(|(&cell, own)| suspect(cell, own, &licensed, options)).collect()
}

/// What is known of licensed cells.
struct Licensed<'a> {
    timed: Vec<Timed<'a>>,
    sites: BTreeMap<CellKey, Position>,
    phases: Option<&'a Phases>,
}

impl Licensed<'_> {
    /// Whether the phases are on the time scale of the clocks: UTC, or one of their own where no clock knows the time.
    fn sets_clocks(&self, own: &[Timed<'_>]) -> bool {
        let absolute = || own.iter().chain(&self.timed).any(|t| disciplined(t.observation));
        self.phases.is_some_and(|phases| phases.scale() == Scale::Absolute || !absolute())
    }

    /// How far a clock's reading of a licensed cell is ahead of the phases' time scale, the round nearest to `about`,
    /// and the phase; where that has been learned.
    fn ahead(&self, timed: &Timed<'_>, about: f64) -> Option<(f64, Learned)> {
        let site = &self.sites[&timed.observation.cell];
        let plane = Plane::at(site.lat_deg, site.lon_deg);
        let flight = plane.enu(&timed.position).distance_m(plane.enu(site)) / METRES_PER_NS;
        let read = phase_ns(&timed.timing) - flight;
        self.phases?.ahead(timed.observation.cell, timed.timing.at_ns, read, about)
    }
}

fn timed<'a>(clock: ClockName<'a>, observation: &'a Observation) -> Option<Timed<'a>> {
    Some(Timed { clock, observation, position: observation.position?, timing: observation.timing? })
}

pub(super) fn disciplined(observation: &Observation) -> bool {
    let clock = &observation.clock;
    clock.locked && matches!(clock.source, ClockSource::GnssPps | ClockSource::Gpsdo)
}

/// How far each clock's reading is ahead of the common time, coarsely; clocks that nothing links are not in it.
fn linked<'a>(own: &[Timed<'a>], known: &Licensed<'a>) -> BTreeMap<ClockName<'a>, f64> {
    let mut ahead: BTreeMap<ClockName<'a>, f64> = BTreeMap::new();
    let licensed = &known.timed;
    let all = || own.iter().chain(licensed);
    ahead.extend(all().filter(|t| disciplined(t.observation)).map(|t| (t.clock, 0.0)));
    if known.sets_clocks(own) {
        // Wide rounds last: they overwrite what narrow ones left in doubt.
        for narrow in [true, false] {
            let of_width = licensed.iter().filter(|t| (t.observation.cell.rat != Rat::Gsm) == narrow);
            let set = of_width
                .filter(|t| !disciplined(t.observation))
                .filter_map(|t| Some((t.clock, known.ahead(t, 0.0)?.0)));
            ahead.extend(set);
        }
    }
    if ahead.is_empty() {
        // No clock knows the time: that of the suspect's hearer with the most licensed cells is as good as any.
        let cells = |t: &&Timed<'a>| licensed.iter().filter(|l| l.clock == t.clock).count();
        let first = own.iter().rev().max_by_key(cells);
        ahead.extend(first.map(|t| (t.clock, 0.0)));
    }
    // Wide rounds first: they leave no doubt that narrow ones could settle wrongly.
    for narrow in [false, true] {
        loop {
            let mut more = Vec::new();
            for new in licensed.iter().filter(|t| !ahead.contains_key(&t.clock)) {
                if (new.observation.cell.rat != Rat::Gsm) != narrow {
                    continue;
                }
                let same = |t: &&Timed<'a>| t.observation.cell == new.observation.cell && ahead.contains_key(&t.clock);
                let Some(known) = licensed.iter().find(same) else { continue };
                let nominal = nominal_ns(new.timing.frame) - nominal_ns(known.timing.frame);
                let off = between(&new.timing, &known.timing) + ahead[&known.clock] - nominal;
                more.push((new.clock, wrapped(off, round_ns(new.timing.frame))));
            }
            if more.is_empty() {
                break;
            }
            // The first link of a clock stands; later ones say the same.
            more.into_iter().for_each(|(clock, off)| {
                ahead.entry(clock).or_insert(off);
            });
        }
    }
    ahead
}

fn suspect(
    cell: CellKey,
    own: &[(ClockName<'_>, &Observation)],
    licensed: &Licensed<'_>,
    options: &Options,
) -> Suspect {
    let mut unused = BTreeSet::new();
    let mut leave = |clock: ClockName<'_>, reason| {
        unused.insert(Unused { node: clock.0.clone(), reason });
    };
    let mut placed = Vec::new();
    for &(clock, observation) in own {
        match observation.position {
            Some(position) => placed.push((clock, observation, position)),
            None => leave(clock, Reason::NoPosition),
        }
    }
    let count = placed.len().max(1) as f64;
    let mean = |f: fn(&Position) -> f64| placed.iter().map(|(_, _, p)| f(p)).sum::<f64>() / count;
    let plane = Plane::at(mean(|p| p.lat_deg), mean(|p| p.lon_deg));
    let height = mean(|p| p.height_m.unwrap_or(0.0));
    let (height_m, height_sigma_m) = options.height_m.unwrap_or((height, 0.0));
    let emitter = Emitter { height_m, height_sigma_m, ..Emitter::default() };
    let mut out = Suspect {
        cell,
        problem: Problem { plane: Some(plane), emitter, late: options.late, ..Problem::default() },
        arrivals: Vec::new(),
        levels: Vec::new(),
        bearings: Vec::new(),
        at: own.iter().map(|(_, o)| o.at_ns).max().unwrap_or_default(),
        unused: Vec::new(),
    };
    for &(clock, observation, position) in placed.iter().take(MAX_INPUTS) {
        if let Some(level) = observation.level.dbm {
            let sigma = Db(options.shadowing.0.hypot(observation.level.sigma_db.0));
            out.problem.levels.push(LevelReading { node: plane.enu(&position), level, sigma });
            out.levels.push(clock.0.clone());
        }
        if let Some(bearing) = bearing(observation, plane.enu(&position)) {
            out.problem.bearings.push(bearing);
            out.bearings.push(clock.0.clone());
        }
    }
    let timed_own: Vec<Timed<'_>> = placed.iter().filter_map(|&(clock, o, _)| timed(clock, o)).collect();
    let untold = |(_, o, _): &&(ClockName<'_>, &Observation, Position)| o.timing.is_none() && o.bearing.is_none();
    placed.iter().filter(untold).for_each(|&(clock, ..)| leave(clock, Reason::NoTiming));
    let ahead = linked(&timed_own, licensed);
    let mut frames = Frames { plane, ahead: &ahead, clocks: BTreeMap::new(), origin: None };
    for timed in &timed_own {
        match frames.clock(timed, &mut out.problem) {
            Ok(clock) => {
                let arrival = frames.arrival(timed, clock, timed_own.iter());
                out.problem.arrivals.push(arrival);
                out.problem.rates.push(rate(timed, clock));
                out.arrivals.push(timed.clock.0.clone());
            }
            Err(reason) => leave(timed.clock, reason),
        }
    }
    frames.references(licensed, licensed.sets_clocks(&timed_own), &mut out.problem);
    out.unused = unused.into_iter().collect();
    out
}

/// Common time and the clocks in use.
struct Frames<'a, 'b> {
    plane: Plane,
    ahead: &'b BTreeMap<ClockName<'a>, f64>,
    clocks: BTreeMap<ClockName<'a>, usize>,
    /// The reading that all times count from, and how far its clock is ahead.
    origin: Option<(FrameTiming, f64)>,
}

impl<'a> Frames<'a, '_> {
    /// The clock's index in the problem; made where it is new.
    fn clock(&mut self, timed: &Timed<'a>, problem: &mut Problem) -> Result<usize, Reason> {
        let ahead = *self.ahead.get(&timed.clock).ok_or(Reason::Unlinked)?;
        if let Some(&index) = self.clocks.get(&timed.clock) {
            return Ok(index);
        }
        if problem.clocks.len() >= MAX_CLOCKS {
            return Err(Reason::TooMany);
        }
        self.origin.get_or_insert((timed.timing, ahead));
        let sigma = timed.observation.clock.sigma_ns.unwrap_or(DISCIPLINED);
        problem.clocks.push(if disciplined(timed.observation) {
            Clock { offset_sigma_ns: Some((sigma.0 as f64).max(1.0)), rate_sigma_ppb: DISCIPLINED_PPB }
        } else {
            Clock { offset_sigma_ns: None, rate_sigma_ppb: FREE_PPB }
        });
        self.clocks.insert(timed.clock, problem.clocks.len() - 1);
        Ok(problem.clocks.len() - 1)
    }

    /// Common time since the origin.
    fn since_origin(&self, timed: &Timed<'a>) -> f64 {
        let (origin, ahead) = self.origin.expect("set with the first clock");
        between(&timed.timing, &origin) - self.ahead[&timed.clock] + ahead
    }

    /// The arrival of a cell's frame; the first of `cell` on a clock in use is the cell's reference frame.
    fn arrival<'c>(&self, timed: &Timed<'a>, clock: usize, mut cell: impl Iterator<Item = &'c Timed<'a>>) -> Arrival
    where
        'a: 'c,
    {
        let at = self.since_origin(timed);
        let anchor = cell.find(|t| self.ahead.contains_key(&t.clock)).unwrap_or(timed);
        let anchor_at = self.since_origin(anchor);
        let frames = nominal_ns(timed.timing.frame) - nominal_ns(anchor.timing.frame);
        // Whole rounds, by the clocks.
        let round = round_ns(timed.timing.frame);
        let nominal = frames + round * ((at - anchor_at - frames) / round).round();
        let elapsed = nominal + anchor_at;
        let place = timed.position.sigma_m.unwrap_or(0.0) / METRES_PER_NS;
        Arrival {
            node: self.plane.enu(&timed.position),
            clock,
            at_ns: at - elapsed,
            elapsed_s: elapsed * 1e-9,
            sigma_ns: timed.timing.sigma_ns.hypot(place).max(LEAST_SIGMA_NS),
        }
    }

    /// Licensed cells, on clocks that heard the suspect and on disciplined ones, which learn the cells' epochs; and what has been
    /// learned of them, as if each were read on one perfect clock at its own site.
    fn references(&mut self, licensed: &Licensed<'a>, learned: bool, problem: &mut Problem) {
        let mut cells: BTreeMap<CellKey, usize> = BTreeMap::new();
        if self.origin.is_none() {
            return;
        }
        let mut perfect = None;
        for timed in &licensed.timed {
            let Ok(clock) = self.clock(timed, problem) else { continue };
            let key = timed.observation.cell;
            let arrival = self.arrival(timed, clock, licensed.timed.iter().filter(|t| t.observation.cell == key));
            let new = !cells.contains_key(&key);
            if new && problem.cells.len() >= MAX_CLOCKS {
                continue;
            }
            let cell = *cells.entry(key).or_insert(problem.cells.len());
            if new {
                let site = self.plane.enu(&licensed.sites[&key]);
                problem.cells.push(Cell { site, epoch_ns: None, rate_sigma_ppb: LICENSED_PPB });
                if learned
                    && let Some((ahead, phase)) = licensed.ahead(timed, self.ahead[&timed.clock])
                    && (phase.readings >= MATURE || phase.sigma_ns == 0.0)
                {
                    let clock = *perfect.get_or_insert_with(|| {
                        problem.clocks.push(Clock { offset_sigma_ns: Some(1.0), rate_sigma_ppb: 0.0 });
                        problem.clocks.len() - 1
                    });
                    let flight = arrival.node.distance_m(site) / METRES_PER_NS;
                    // The frame left its site when the reading, on the scale's time, says less what the reading is off by.
                    let at_ns = arrival.at_ns - flight - (ahead - self.ahead[&timed.clock]);
                    let own =
                        Arrival { node: site, clock, at_ns, sigma_ns: phase.sigma_ns.max(LEAST_SIGMA_NS), ..arrival };
                    problem.references.push(Reference { cell, arrival: own });
                    let rate = Rate { clock, ppb: phase.rate_ppb, sigma_ppb: phase.rate_sigma_ppb.max(0.1) };
                    problem.reference_rates.push((cell, rate));
                }
            }
            problem.references.push(Reference { cell, arrival });
            problem.reference_rates.push((cell, rate(timed, clock)));
        }
    }
}

/// What a direction finder said, if it makes sense.
fn bearing(observation: &Observation, node: Enu) -> Option<Bearing> {
    let told = observation.bearing?;
    let sane = told.deg.is_finite() && told.sigma_deg > 0.0 && told.sigma_deg <= 180.0;
    let (azimuth_deg, sigma_deg) = (told.deg.rem_euclid(360.0), told.sigma_deg.max(LEAST_SIGMA_DEG));
    sane.then_some(Bearing { node, azimuth_deg, sigma_deg })
}

fn rate(timed: &Timed<'_>, clock: usize) -> Rate {
    let (ppb, sigma_ppb) = trust::rate_ppb(timed.observation, &timed.timing);
    Rate { clock, ppb, sigma_ppb }
}
