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
//! The window of an emitter is the newest observation of each node, not older than [`PlaceConfig::window`] before the emitter's newest;
//! frames are numbered and rates are measured, so observations need not be of one second. Licensed cells are clocks as long as they
//! have no twin and are not themselves found off their site.
//!
//! Limits: one observation a node and emitter goes into a fix (older ones of the same stream would add precision); sites of the register
//! have the height of the nodes' mean unless the configuration gives the ground.

pub mod atlas;
mod inputs;
mod record;

pub use atlas::{Atlas, Site};
pub use record::{Basis, Country, Input, Line, NearSite, Placed, Region, Solution, Unused};

use crate::hub::fuse::{Emitter, EmitterId, Fuse, Licence};
use crate::locate::gather::Options;
use crate::locate::locate;
use crate::locate::report::FixReport;
use crate::units::{Nanos, Timestamp};
use inputs::References;
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
/// A fix as uncertain as this says nothing about a licensed cell's site.
const USEFUL_M: f64 = 2_000.0;
/// A site outside the ellipse of this probability is not where the transmitter is.
const OFF_SITE: f64 = 0.999;

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
    /// The emitter is licensed, and this fix excludes its registered site.
    #[serde(default)]
    pub off_site: bool,
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
    counters: Counters,
}

impl Places {
    /// Continues from what was kept; what is due stands with the emitters. `spent_to` is [`Places::spent_to`] of then.
    pub fn restore(kept: Vec<(EmitterId, Kept)>, fuse: &Fuse, spent_to: Option<Timestamp>) -> Places {
        let due = fuse.emitters().filter_map(|emitter| Some((emitter.id, emitter.due?))).collect();
        let kept: BTreeMap<EmitterId, Kept> = kept.into_iter().filter(|(id, _)| fuse.emitter(*id).is_some()).collect();
        let off_site = kept.iter().filter(|(_, kept)| kept.off_site).map(|(id, _)| *id).collect();
        Places { kept, due, off_site, spent_to, ..Places::default() }
    }

    /// What is kept of an emitter.
    pub fn of(&self, id: EmitterId) -> Option<&Kept> {
        self.kept.get(&id)
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

    /// An emitter was heard in an envelope that arrived at `now`.
    pub fn heard(&mut self, fuse: &mut Fuse, id: EmitterId, now: Timestamp, config: &PlaceConfig) {
        if self.due.contains_key(&id) {
            return;
        }
        let Some(emitter) = fuse.emitter(id) else { return };
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
        in_full: impl Fn(&Emitter) -> bool,
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
        for &(at, id) in &due {
            let Some(emitter) = fuse.emitter(id) else { continue };
            let before = self.kept.get(&id).filter(|_| in_full(emitter));
            let kept = place(emitter, &references, ground, at, in_full(emitter).then_some(before));
            self.counters.solved += 1;
            self.counters.fixes += u64::from(kept.placed.best().is_some());
            let known = if kept.off_site { !self.off_site.insert(id) } else { !self.off_site.remove(&id) };
            if !known {
                references = References::new(fuse, ground.atlas, &self.off_site);
            }
            self.kept.insert(id, kept);
            self.changed.insert(id);
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

/// Places one emitter. `in_full`: countries and sites are wanted, and what is kept of them so far.
fn place(
    emitter: &Emitter,
    references: &References<'_>,
    ground: &Ground<'_>,
    at: Timestamp,
    in_full: Option<Option<&Kept>>,
) -> Kept {
    let Ground { atlas, config } = *ground;
    let kept = |placed, detail_ns, off_site| Kept { solved_ns: at, detail_ns, placed, off_site };
    let (at_ns, nodes) = inputs::newest(emitter, config.window);
    if nodes < 2 {
        let reason = "only one node hears it; frame times need three, bearings two";
        return kept(Placed::none(at_ns, reason), None, false);
    }
    let Some(inputs) = inputs::inputs(emitter, references, atlas, config) else {
        return kept(Placed::none(at_ns, "nothing of it is fresh"), None, false);
    };
    let fix = locate(&inputs.suspect.problem);
    let mut placed = Placed::from(FixReport::new(&inputs.suspect, fix.as_ref(), None));
    placed.at_ns = at_ns;
    placed.clocks = inputs.clocks;
    let Ok(fix) = &fix else { return kept(placed, None, false) };
    let mut detail_ns = None;
    if let Some(before) = in_full {
        let fresh = |kept: &&Kept| kept.detail_ns.is_some_and(|then| at - then < DETAIL_AGE);
        match before.filter(fresh).filter(|kept| !placed.differs(&kept.placed)) {
            Some(kept) => {
                detail_ns = kept.detail_ns;
                placed.countries.clone_from(&kept.placed.countries);
                placed.border.clone_from(&kept.placed.border);
                placed.sites.clone_from(&kept.placed.sites);
            }
            None => {
                detail_ns = Some(at);
                placed.sites = atlas.near(fix);
                placed.add_countries(fix, atlas.border());
            }
        }
    }
    let site = match &emitter.licence {
        Licence::Listed { register_id, .. } => atlas.site(register_id).zip(fix.plane()),
        _ => None,
    };
    let useful = fix.solutions.iter().all(|solution| solution.covariance.axes().0 < USEFUL_M);
    let off_site = site.filter(|_| useful).is_some_and(|(site, plane)| {
        fix.surprise(plane.enu(&site.position(config.ground_m.unwrap_or(0.0)))) > OFF_SITE
    });
    kept(placed, detail_ns, off_site)
}
