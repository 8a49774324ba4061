//! Where each emitter is: which of them are placed and when, with bounded work, and what is kept of it.
//!
//! ```text
//! Fuse -> schedule (rate, budget, newest first) -> inputs (licensed cells as the clock) -> locate -> Placed -> store, alert, map
//! ```
//!
//! An emitter is due [`PlaceConfig::collect`] after it was heard, so that all nodes' reports of one second are in, and at most once in
//! [`PlaceConfig::interval`]. "When" is the hub's time line, the times at which envelopes arrived: the journal read again places the same
//! emitters at the same points. Where more is due than the budget allows, the emitters heard last go first and the rest waits.
//!
//! Licensed cells' frame phases are learned as they are heard ([`timekeeping`](self::Timekeeping)): they link clocks that share no cell,
//! and tell when a cell has jumped. What findings speak of is followed from fix to fix; where it moves, its place carries the [`Track`].
//!
//! The window of an emitter is the newest observation of each node, not older than [`PlaceConfig::window`] before the emitter's newest;
//! frames are numbered and rates are measured, so observations need not be of one second. Licensed cells are clocks as long as they
//! have no twin and are not themselves found off their site.
//!
//! A node in a vehicle also says what it heard on its way ([`way`](self)), as long as few nodes hear a transmitter that stands.
//!
//! Limits: one observation a node, place and emitter goes into a fix (older ones of the same stream would add precision); sites of the register
//! have the height of the nodes' mean unless the configuration gives the ground.

pub mod antenna;
pub mod atlas;
mod delays;
mod inputs;
mod journey;
mod off_site;
mod record;
mod timekeeping;
mod way;

pub use atlas::{Atlas, Site};
pub use delays::{Late, Paths, REPEATER_NS};
pub use journey::{Pages, TrackFix};
pub use off_site::OffSite;
pub use record::{Basis, Country, Input, Line, NearSite, Placed, Region, Solution, Track, TrackPoint, Unused};
pub use timekeeping::{Jump, KeptTime, Timekeeping};

use crate::cell::CellKey;
use crate::hub::fuse::{Emitter, EmitterId, Fuse, Licence};
use crate::locate::gather::Options;
use crate::locate::report::FixReport;
use crate::locate::{Fix, locate, pathloss, sector};
use crate::observation::NodeId;
use crate::units::{Db, Nanos, Timestamp};
use antenna::{Levels, Losses};
use inputs::References;
use journey::Journey;
use off_site::off_site;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// When and with what emitters are placed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaceConfig {
    /// After an emitter was heard, until it is placed.
    pub collect: Nanos,
    /// Between two fixes of one emitter.
    pub interval: Nanos,
    /// The same for a licensed one, whose place is known and only watched.
    pub licensed_interval: Nanos,
    /// Observations older than this before the emitter's newest do not count.
    pub window: Nanos,
    /// Fixes in a second of the hub's time.
    pub budget_per_s: u32,
    /// Height of the ground above the ellipsoid, metres; `None`: the nodes' mean.
    pub ground_m: Option<f64>,
    /// The solver's assumptions.
    pub options: Options,
}

impl Default for PlaceConfig {
    /// A third of a second to collect, a fix a second, a licensed cell twice a minute; a window of two of a node's usual report
    /// intervals and a margin; 2000 fixes a second, which is as much as a core can do.
    fn default() -> PlaceConfig {
        PlaceConfig {
            collect: Nanos::from_millis(300),
            interval: Nanos::from_secs(1),
            licensed_interval: Nanos::from_secs(30),
            window: Nanos::from_secs(150),
            budget_per_s: 2000,
            ground_m: None,
            options: Options::default(),
        }
    }
}

/// Fixes allowed at once however little time has passed.
const LEAST_BUDGET: usize = 16;
/// Seconds of budget that may add up.
const MAX_SAVED_S: f64 = 2.0;
/// What a node's levels may be off, one standard deviation: receiver and antenna.
const LEVEL_CALIBRATION: Db = Db(2.0);
/// Emitters followed at most; the one placed least recently goes.
const MAX_JOURNEYS: usize = 512;
/// What is kept of an emitter's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// When it was made, on the hub's time line.
    pub solved_ns: Timestamp,
    /// When countries and sites were worked out; `None`: they were not wanted.
    #[serde(default)]
    pub detail_ns: Option<Timestamp>,
    /// The answer.
    pub placed: Placed,
    /// What it was, and what the register said of it, when it was placed.
    #[serde(default)]
    pub cell: Option<CellKey>,
    /// The same of the licence.
    #[serde(default)]
    pub licence: Licence,
    /// The emitter is licensed, and this fix excludes its registered site.
    #[serde(default)]
    pub off: Option<OffSite>,
    /// The emitter is licensed, and some nodes hear it late.
    #[serde(default)]
    pub paths: Option<Paths>,
    /// The emitter is licensed, and its levels say something of its antenna.
    #[serde(default)]
    pub levels: Option<Levels>,
    /// Site and paths were not looked at, because its frames did not fit what was known of them.
    #[serde(default)]
    pub put_off: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Problems solved, with or without a fix.
    pub solved: u64,
    /// Fixes among them.
    pub fixes: u64,
    /// Emitters that had to wait because the budget was used up.
    pub postponed: u64,
}

/// The places of all emitters, and which are due.
#[derive(Debug, Default)]
pub struct Places {
    kept: BTreeMap<EmitterId, Kept>,
    due: BTreeMap<EmitterId, Timestamp>,
    off_site: BTreeSet<EmitterId>,
    changed: BTreeSet<EmitterId>,
    spent_to: Option<Timestamp>,
    time: Timekeeping,
    journeys: BTreeMap<EmitterId, Journey>,
    /// Emitters whose journey has new pages, or is gone.
    travelled: BTreeSet<EmitterId>,
    counters: Counters,
}

/// What was kept of all places.
#[derive(Debug, Default)]
pub struct KeptPlaces {
    /// The places.
    pub places: Vec<(EmitterId, Kept)>,
    /// [`Places::spent_to`] of then.
    pub spent_to: Option<Timestamp>,
    /// Licensed cells' phases.
    pub time: Timekeeping,
    /// The fixes of each emitter that is followed, with their numbers, in order.
    pub journeys: BTreeMap<EmitterId, Vec<(u64, TrackFix)>>,
}

impl Places {
    /// Continues from what was kept; what is due stands with the emitters.
    pub fn restore(kept: KeptPlaces, fuse: &Fuse) -> Places {
        let KeptPlaces { places, spent_to, time, journeys } = kept;
        let due = fuse.emitters().filter_map(|emitter| Some((emitter.id, emitter.due?))).collect();
        let kept: BTreeMap<EmitterId, Kept> =
            places.into_iter().filter(|(id, _)| fuse.emitter(*id).is_some()).collect();
        let off_site = kept.iter().filter(|(_, kept)| kept.is_doubtful()).map(|(id, _)| *id).collect();
        let journeys = journeys.into_iter().filter_map(|(id, fixes)| Some((id, Journey::restore(fixes)?))).collect();
        Places { kept, due, off_site, spent_to, time, journeys, ..Places::default() }
    }

    /// Licensed cells' phases.
    pub fn time(&mut self) -> &mut Timekeeping {
        &mut self.time
    }

    /// What is to be written of journeys since the last call; `None`: the emitter is followed no longer.
    pub fn take_travelled(&mut self) -> Vec<(EmitterId, Option<Pages<'_>>)> {
        let travelled = std::mem::take(&mut self.travelled);
        let gone: Vec<EmitterId> = travelled.iter().filter(|id| !self.journeys.contains_key(id)).copied().collect();
        let with_pages = self.journeys.iter_mut().filter(|(id, _)| travelled.contains(id));
        let mut all: Vec<_> = with_pages.map(|(id, journey)| (*id, Some(journey.pages()))).collect();
        all.extend(gone.into_iter().map(|id| (id, None)));
        all
    }

    /// What is kept of an emitter.
    pub fn of(&self, id: EmitterId) -> Option<&Kept> {
        self.kept.get(&id)
    }

    /// Licensed emitters that some nodes hear by way of a repeater.
    pub fn repeated(&self) -> impl Iterator<Item = (EmitterId, &Kept)> {
        let repeated = |kept: &Kept| kept.paths.as_ref().is_some_and(Paths::repeated);
        self.kept.iter().filter(move |(_, kept)| repeated(kept)).map(|(id, kept)| (*id, kept))
    }

    /// What was done since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Up to where on the hub's time line the budget of fixes is spent.
    pub fn spent_to(&self) -> Option<Timestamp> {
        self.spent_to
    }

    /// When the next emitter is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.values().min().copied()
    }

    /// An emitter was heard in an envelope of `node` that arrived at `now`.
    pub fn heard(&mut self, fuse: &mut Fuse, id: EmitterId, node: &NodeId, now: Timestamp, config: &PlaceConfig) {
        let Some(emitter) = fuse.emitter(id) else { return };
        self.time.heard(emitter, node);
        if self.due.contains_key(&id) {
            return;
        }
        let licensed = matches!(emitter.licence, Licence::Listed { .. }) && emitter.distinct.is_empty();
        let interval = if licensed { config.licensed_interval } else { config.interval };
        let soon = now + config.collect;
        let due = self.kept.get(&id).map_or(soon, |kept| soon.max(kept.solved_ns + interval));
        fuse.set_due(id, Some(due));
        self.due.insert(id, due);
    }

    /// The emitter is gone.
    pub fn forget(&mut self, id: EmitterId) {
        self.due.remove(&id);
        self.off_site.remove(&id);
        self.time.forget(id);
        if self.journeys.remove(&id).is_some() {
            self.travelled.insert(id);
        }
        if self.kept.remove(&id).is_some() {
            self.changed.insert(id);
        }
    }

    /// Emitters whose kept place is to be written down; the next call gives only newer ones.
    pub fn take_changed(&mut self) -> BTreeSet<EmitterId> {
        std::mem::take(&mut self.changed)
    }

    /// Places what is due before `now`, within the budget; gives the emitters that were looked at in the order in which they were due,
    /// each with that time. `in_full` says for which of them countries and sites are wanted as well.
    pub fn run_due(
        &mut self,
        fuse: &mut Fuse,
        ground: &Ground<'_>,
        now: Timestamp,
        in_full: impl Fn(&Emitter, Option<&Kept>) -> bool,
    ) -> Vec<(Timestamp, EmitterId)> {
        let before_now = self.due.iter().filter(|(_, at)| **at < now);
        let mut due: Vec<(Timestamp, EmitterId)> = before_now.map(|(id, at)| (*at, *id)).collect();
        if due.is_empty() {
            return due;
        }
        let allowed = self.allow(now, ground.config);
        if due.len() > allowed {
            let last = |id| fuse.emitter(id).map_or(Timestamp(i64::MIN), |emitter| emitter.last);
            due.sort_by_cached_key(|&(_, id)| std::cmp::Reverse((last(id), id)));
            self.counters.postponed += (due.len() - allowed) as u64;
            due.truncate(allowed);
        }
        due.sort_unstable();
        let mut references = References::new(fuse, ground.atlas, &self.off_site);
        self.time.learn(&references, ground.atlas, ground.config.ground_m);
        let mut losses = Losses::new(ground.atlas);
        for &(at, id) in &due {
            let Some(emitter) = fuse.emitter(id) else { continue };
            let before = self.kept.get(&id);
            let full = in_full(emitter, before);
            let basics = Basics { references: &references, time: &self.time, ground, before, in_full: full };
            let mut kept = place(emitter, &basics, &mut losses, at);
            let since = emitter.last - ground.config.window;
            let fresh = |node: &NodeId| emitter.sightings.get(node).is_some_and(|s| s.last >= since);
            kept.placed.jumps = self.time.jumps_since(since, fuse, fresh).cloned().collect();
            if full && !matches!(emitter.licence, Licence::Listed { .. }) {
                let told = before.and_then(|before| before.placed.track.as_ref());
                let begun = self.journeys.remove(&id);
                if let Some(journey) = Journey::take(begun, &kept.placed, inputs::oldest(emitter, ground.config.window))
                {
                    kept.placed.track = journey.track(told);
                    self.journeys.insert(id, journey);
                    self.travelled.insert(id);
                }
            }
            self.counters.solved += 1;
            self.counters.fixes += u64::from(kept.placed.best().is_some());
            let known = if kept.is_doubtful() { !self.off_site.insert(id) } else { !self.off_site.remove(&id) };
            if !known {
                references = References::new(fuse, ground.atlas, &self.off_site);
            }
            self.kept.insert(id, kept);
            self.changed.insert(id);
        }
        while self.journeys.len() > MAX_JOURNEYS {
            let oldest = self.journeys.iter().min_by_key(|(id, journey)| (journey.last(), **id)).map(|(id, _)| *id);
            let oldest = oldest.expect("there are more than none");
            self.journeys.remove(&oldest);
            self.travelled.insert(oldest);
        }
        for (_, id) in &due {
            self.due.remove(id);
            fuse.set_due(*id, None);
        }
        due
    }

    /// How many fixes the time since the last call pays for.
    fn allow(&mut self, now: Timestamp, config: &PlaceConfig) -> usize {
        let since = self.spent_to.map_or(MAX_SAVED_S, |then| (now - then).as_secs_f64().clamp(0.0, MAX_SAVED_S));
        self.spent_to = Some(self.spent_to.map_or(now, |then| then.max(now)));
        ((since * f64::from(config.budget_per_s)) as usize).max(LEAST_BUDGET)
    }
}

/// What transmitters are placed on, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Sites and border.
    pub atlas: &'a Atlas,
    /// Times, bounds and assumptions.
    pub config: &'a PlaceConfig,
}

/// Countries and sites of a fix are worked out again after this long, or when the fix says something else.
const DETAIL_AGE: Nanos = Nanos::from_secs(10);

impl Kept {
    fn new(emitter: &Emitter, solved_ns: Timestamp, placed: Placed) -> Kept {
        let licence = emitter.licence.clone();
        Kept {
            solved_ns,
            detail_ns: None,
            placed,
            cell: Some(emitter.key),
            licence,
            off: None,
            paths: None,
            levels: None,
            put_off: false,
        }
    }

    /// Several nodes, or the register, have something to tell of it.
    pub fn is_compared(&self) -> bool {
        self.is_doubtful() || self.levels.as_ref().is_some_and(Levels::stands)
    }

    /// A licensed cell that must not serve as a clock.
    fn is_doubtful(&self) -> bool {
        self.off.is_some() || self.paths.is_some()
    }
}

/// What placing one emitter rests on beside the emitter itself.
struct Basics<'a, 'b> {
    references: &'b References<'a>,
    time: &'b Timekeeping,
    ground: &'b Ground<'b>,
    /// What is kept of it so far.
    before: Option<&'b Kept>,
    /// Countries and sites are wanted as well.
    in_full: bool,
}

/// Places one emitter.
fn place(emitter: &Emitter, basics: &Basics<'_, '_>, losses: &mut Losses<'_>, at: Timestamp) -> Kept {
    let site = match &emitter.licence {
        Licence::Listed { register_id, .. } => basics.ground.atlas.site(register_id),
        _ => None,
    };
    let mut kept = place_by_time(emitter, basics, site, losses, at);
    if let Some(site) = site {
        let told = basics.before.and_then(|before| before.levels.as_ref());
        kept.levels = antenna::study(emitter, site, losses, basics.references, told, at);
    }
    kept
}

fn place_by_time(
    emitter: &Emitter,
    basics: &Basics<'_, '_>,
    site: Option<&Site>,
    losses: &mut Losses<'_>,
    at: Timestamp,
) -> Kept {
    let Basics { references, time, ground, before, in_full } = *basics;
    let Ground { atlas, config } = *ground;
    let (at_ns, nodes) = inputs::newest(emitter, config.window);
    if nodes < 2 {
        let reason = "only one node hears it, at one place; frame times need three places, bearings two";
        return Kept::new(emitter, at, Placed::none(at_ns, reason));
    }
    let standing = site.is_none() && !before.is_some_and(|before| before.placed.moves());
    let Some(mut inputs) = inputs::inputs(emitter, references, time, atlas, config, standing) else {
        return Kept::new(emitter, at, Placed::none(at_ns, "nothing of it is fresh"));
    };
    if !inputs.suspect.levels.is_empty() {
        let learned = losses.of_all(&inputs.suspect.levels, references);
        pathloss::apply(&mut inputs.suspect, &learned, LEVEL_CALIBRATION);
    }
    sector::apply(&mut inputs.suspect, atlas.sectors());
    let fix = locate(&inputs.suspect.problem);
    let mut placed = Placed::from(FixReport::new(&inputs.suspect, fix.as_ref(), None));
    placed.at_ns = at_ns;
    placed.clocks = inputs.clocks;
    let mut kept = Kept::new(emitter, at, placed);
    if before.is_some_and(|before| !before.is_doubtful() && !before.put_off) && time.unsettled(emitter) {
        // Some nodes may have read it before a jump and some after: that is neither a delay nor a distance. Next time it is settled
        // which it was.
        kept.put_off = true;
        return kept;
    }
    if let Some((site, plane)) = site.zip(inputs.suspect.problem.plane) {
        let ground_m = config.ground_m.unwrap_or(inputs.suspect.problem.emitter.height_m);
        kept.paths = delays::paths(emitter, &inputs.suspect, plane, &site.position(ground_m));
        if let (Some(paths), Some(then)) = (&mut kept.paths, before.and_then(|before| before.paths.as_ref())) {
            paths.in_a_row = then.in_a_row.saturating_add(1);
        }
    }
    let Ok(fix) = &fix else { return kept };
    if in_full {
        detail(&mut kept, fix, atlas, at, before);
    }
    if let Some(site) = site.filter(|_| kept.placed.explains_all()) {
        // One place explains what every node heard: then it is one transmitter, wherever it is, and nothing repeats it.
        kept.paths = None;
        kept.off = off_site(&kept.placed, site, before.and_then(|before| before.off));
    }
    kept
}

/// Adds countries and sites, those of before while they stand.
fn detail(kept: &mut Kept, fix: &Fix, atlas: &Atlas, at: Timestamp, before: Option<&Kept>) {
    let fresh = |before: &&Kept| before.detail_ns.is_some_and(|then| at - then < DETAIL_AGE);
    match before.filter(fresh).filter(|before| !kept.placed.differs(&before.placed)) {
        Some(before) => {
            kept.detail_ns = before.detail_ns;
            kept.placed.countries.clone_from(&before.placed.countries);
            kept.placed.border.clone_from(&before.placed.border);
            kept.placed.sites.clone_from(&before.placed.sites);
        }
        None => {
            kept.detail_ns = Some(at);
            kept.placed.sites = atlas.near(fix);
            kept.placed.add_countries(fix, atlas.border());
        }
    }
}
