//! Where a receiver listens next: a pure function of what was heard so far and of the time.
//!
//! The spectrum is cut into *windows* as wide as the receiver's usable band. Each is **swept** again and again, for its spectrum
//! alone: cheap, and enough to see that known cells are still there; windows of GSM, where blasters sit, more often than others.
//! A window in which a sweep saw a carrier that was not there before is a **candidate** and is **searched** at once: listened to
//! for just as long as it takes to find a cell's synchronisation, since most of what looks new is traffic. What is found is
//! **decoded**: listened to until the cell says who it is. Windows with known cells are decoded again now and then. Decoding
//! never takes more than its share, so a noisy band cannot stop the sweep. A task of the hub comes before everything.
//!
//! The plan does not tune and does not listen: whoever does ([`super::tour`]) asks [`Plan::next`] and reports to [`Plan::done`].
//! `tests/scan_plan.rs` shows by simulation how soon a new transmitter is decoded.
//!
//! Several receivers of a node share the spectrum: [`share`] gives each window's worth of every band to the receiver that then has
//! the least to do, and each has a plan of its own part.
//!
//! ## References
//! - 3GPP TS 45.002 Release 17, clause 6.3.1.3: SYSTEM INFORMATION 3 comes twice in eight 51-multiframes of 235.4 ms

mod share;

pub use share::share;

use super::bands::Band;
use crate::units::{Hz, Nanos, Timestamp};

/// Neighbouring windows share this much, so that every GSM carrier is whole in one of them.
const OVERLAP: Hz = Hz(200e3);

/// What a receiver can reach.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// Usable width of its band.
    pub usable: Hz,
    /// Centre frequencies, lowest and highest of each range.
    pub tuning: Vec<[Hz; 2]>,
    /// From one tuning to the next, settling included.
    pub retune: Nanos,
}

/// How time is spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Length of a sweep's look at a window.
    pub sweep: Nanos,
    /// Length of a search for GSM's synchronisation. Chosen: its frequency burst comes every 46 to 51 ms, and two are wanted.
    pub search: Nanos,
    /// Length of a search elsewhere, which keeps its samples, so that cells are decoded from them. Chosen: two windows of LTE's
    /// search, in which SIB1 comes sixteen times.
    pub search_other: Nanos,
    /// Length of a decode dwell where there is GSM. Chosen: SYSTEM INFORMATION 3 comes within 1.4 s, twice in 1.9 s.
    pub decode_gsm: Nanos,
    /// Length of one elsewhere. Chosen: five repetitions of LTE's SIB1.
    pub decode_other: Nanos,
    /// How often windows of GSM are swept for each time that others are; `None`: as often as it takes to sweep each within
    /// [`WANTED`], within [`WEIGHTS`].
    pub gsm_weight: Option<u32>,
    /// Dwells that a candidate gets before it is left to others.
    pub tries: u8,
    /// A window with known cells is decoded again after this long.
    pub revisit: Nanos,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sweep: Nanos::from_millis(20),
            search: Nanos::from_millis(160),
            search_other: Nanos::from_millis(340),
            decode_gsm: Nanos::from_millis(2200),
            decode_other: Nanos::from_millis(400),
            gsm_weight: None,
            tries: 3,
            revisit: Nanos::from_secs(600),
        }
    }
}

/// Why a window is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For its spectrum.
    Sweep,
    /// For cells' synchronisation.
    Search,
    /// For what its cells say.
    Decode,
    /// Because the hub asked.
    Task,
}

impl Kind {
    /// Its name, as in the health report.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Sweep => "sweep",
            Kind::Search => "search",
            Kind::Decode => "decode",
            Kind::Task => "task",
        }
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which window; `None` for a task.
    pub window: Option<usize>,
    /// Where to tune.
    pub center: Hz,
    /// What for.
    pub kind: Kind,
    /// How long to listen, once tuned.
    pub length: Nanos,
}

/// What a step gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing new.
    Nothing,
    /// By a sweep: a carrier that was not there before and has not been explained yet, or one that has become much stronger. By
    /// a search: the synchronisation of such a cell.
    Changed,
    /// Cells that said who they are.
    Cells,
    /// The samples were kept and are searched elsewhere, which takes its time: [`Plan::told`] comes later.
    Kept,
}

/// A stretch of spectrum that is received at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Where to tune.
    pub center: Hz,
    /// Whether GSM is used in it.
    pub gsm: bool,
    /// Since when it waits for its sweeps; `None` before the first step of a plan that has it.
    pub joined: Option<Timestamp>,
    /// When it was swept last.
    pub swept: Option<Timestamp>,
    /// When it was decoded last.
    pub decoded: Option<Timestamp>,
    /// Since when it is a candidate.
    pub candidate: Option<Timestamp>,
    /// Whether a search has found something to decode since then.
    pub confirmed: bool,
    /// Dwells that found nothing since then.
    pub tries: u8,
    /// Whether cells are known in it.
    pub cells: bool,
    /// Whether the receiver would not tune to it.
    pub refused: bool,
}

impl Window {
    fn new(center: Hz, gsm: bool) -> Window {
        let (joined, swept, decoded, candidate) = (None, None, None, None);
        let (confirmed, tries, cells, refused) = (false, 0, false, false);
        Window { center, gsm, joined, swept, decoded, candidate, confirmed, tries, cells, refused }
    }
}

#[derive(Clone, Copy, Debug)]
struct Task {
    center: Hz,
    length: Nanos,
    until: Timestamp,
}

/// Searching GSM goes on up to so many halves of a decode dwell that sweeping is owed. Chosen: with a retune of 20 ms no window of GSM then waits
/// for more than two rounds and two dwells, whatever the noise (`tests/scan_plan.rs`).
const MOST_DEBT: i64 = 3;
/// What a plan may spend on GSM when it begins, before it owes sweeps for it, at most: everything is new then. Chosen: as long as a wide
/// receiver takes to decode half of its windows of GSM; in it a blaster waits for those, and no longer.
const LEARNING: Nanos = Nanos::from_secs(20);
/// A sweep sees a new carrier and the search after it finds its cell, once in so many. Assumed, as in the simulation: a blaster is strong,
/// and what is missed is missed to fading.
const CAUGHT: f64 = 0.9 * 0.95;
/// A window of GSM is to be swept at least so often, even while decoding takes all of its share. Chosen: a blaster that stays for a minute
/// then gets three sweeps, of which one catches it in 99.7 % of all cases, and leaves time to decode it.
pub const WANTED: Nanos = Nanos::from_secs(19);
/// Weights of GSM's windows: the least suffices for receivers that are wide or quick to tune, and beyond the greatest the others would wait
/// for minutes and gain GSM little.
pub const WEIGHTS: std::ops::RangeInclusive<u32> = 4..=16;
/// Tasks that wait at most; the oldest gives way.
const MOST_TASKS: usize = 16;

/// The plan of one receiver.
#[derive(Clone, Debug)]
pub struct Plan {
    windows: Vec<Window>,
    /// How many of the windows are its own; those behind them are lent.
    own: usize,
    unreachable: Vec<String>,
    retune: Nanos,
    options: Options,
    tasks: Vec<Task>,
    /// Sweeping that decoding owes.
    debt: Nanos,
    /// What is left of [`LEARNING`].
    credit: Nanos,
    /// Sweeps of a window of GSM for each of another, and what a whole round of them takes.
    weight: i64,
    round: Nanos,
}

impl Plan {
    /// A plan for these bands; overlapping ones are swept once.
    pub fn new(bands: &[Band], reach: &Reach, options: Options) -> Plan {
        let mut sorted: Vec<&Band> = bands.iter().filter(|band| band.high.0 > band.low.0).collect();
        sorted.sort_by(|a, b| (!a.gsm, a.low.0).partial_cmp(&(!b.gsm, b.low.0)).unwrap_or(std::cmp::Ordering::Equal));
        let mut stretches: Vec<(f64, f64, bool)> = Vec::new();
        for band in &sorted {
            match stretches.last_mut() {
                Some((_, high, gsm)) if *gsm == band.gsm && band.low.0 <= *high => *high = high.max(band.high.0),
                _ => stretches.push((band.low.0, band.high.0, band.gsm)),
            }
        }
        let mut windows = Vec::new();
        for (low, high, gsm) in stretches {
            let width = high - low;
            let step = (reach.usable.0 - OVERLAP.0).max(OVERLAP.0);
            let count = ((width - OVERLAP.0) / step).ceil().max(1.0);
            for n in 0..count as usize {
                // The first begins at the lower edge, the last ends at the upper one.
                let place = if count > 1.0 { n as f64 / (count - 1.0) } else { 0.5 };
                let span = (width - reach.usable.0).max(0.0);
                let from = if count > 1.0 { low + place * span } else { low + (width - reach.usable.0) / 2.0 };
                let center = Hz((from + reach.usable.0 / 2.0).round());
                if reach.tuning.iter().any(|[least, most]| (least.0..=most.0).contains(&center.0)) {
                    windows.push(Window::new(center, gsm));
                }
            }
        }
        let near = |band: &Band, window: &Window| {
            let half = reach.usable.0 / 2.0;
            window.center.0 + half > band.low.0 && window.center.0 - half < band.high.0
        };
        let out_of_reach = |band: &&Band| !windows.iter().any(|window| near(band, window));
        let unreachable = bands.iter().filter(out_of_reach).map(|band| band.name.clone()).collect();
        let own = windows.len();
        let (retune, tasks) = (reach.retune, Vec::new());
        let mut plan = Plan {
            windows,
            own,
            unreachable,
            retune,
            options,
            tasks,
            debt: Nanos(0),
            credit: LEARNING,
            weight: 1,
            round: Nanos(0),
        };
        plan.weigh();
        plan
    }

    /// Chooses the weight of GSM's windows for the windows that there are.
    fn weigh(&mut self) {
        let enough = |weight: &u32| self.period_at(true, i64::from(*weight)).0 <= WANTED.0;
        let weight = self.options.gsm_weight.or_else(|| WEIGHTS.into_iter().find(enough));
        self.weight = i64::from(weight.unwrap_or(*WEIGHTS.end()));
        self.round = self.period_at(false, self.weight);
    }

    /// Takes the windows of these bands beside its own, in place of what was lent to it before. What is known of those that stay stays.
    pub fn lend(&mut self, bands: &[Band], reach: &Reach) {
        let before = self.windows.split_off(self.own);
        let lent = Plan::new(bands, reach, self.options).windows;
        let known = |new: &Window| before.iter().find(|old| (old.center, old.gsm) == (new.center, new.gsm)).copied();
        self.windows.extend(lent.into_iter().map(|window| known(&window).unwrap_or(window)));
        self.weigh();
    }

    /// How many of the windows are its own; those behind them are lent.
    pub fn own(&self) -> usize {
        self.own
    }

    /// How time is spent.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// From one tuning to the next.
    pub fn retune(&self) -> Nanos {
        self.retune
    }

    /// The windows and how they are.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Bands of which the receiver can reach nothing.
    pub fn unreachable(&self) -> &[String] {
        &self.unreachable
    }

    /// Listens at `center` for `length` before anything else, unless it is `until` by then.
    pub fn task(&mut self, center: Hz, length: Nanos, until: Timestamp) {
        if self.tasks.len() == MOST_TASKS {
            self.tasks.remove(0);
        }
        self.tasks.push(Task { center, length, until });
    }

    /// What to do at `now`; `None` where the receiver reaches nothing at all.
    pub fn next(&self, now: Timestamp) -> Option<Step> {
        if let Some(task) = self.tasks.iter().find(|task| now < task.until) {
            return Some(Step { window: None, center: task.center, kind: Kind::Task, length: task.length });
        }
        let decode = |window: usize| {
            let Window { center, gsm, .. } = self.windows[window];
            let length = if gsm { self.options.decode_gsm } else { self.options.decode_other };
            Step { window: Some(window), center, kind: Kind::Decode, length }
        };
        let all = || self.windows.iter().enumerate();
        // All of GSM comes before all of the others, and only GSM may run into debt. Could the others as well, a blaster would wait while
        // hundreds of windows are learned: their searches would keep the debt above what its dwell is allowed, and its second dwell would
        // wait for the first ones of all.
        let dwell = self.options.decode_gsm.0;
        for gsm in [true, false] {
            let (searching, deciding) = if gsm { (MOST_DEBT * dwell / 2, dwell) } else { (0, 0) };
            let waiting =
                || all().filter(|(_, w)| w.gsm == gsm).filter_map(|(n, w)| w.candidate.map(|since| (n, w, since)));
            // A search is short, and decides whether there is anything to decode.
            let doubtful = waiting().filter(|(_, w, _)| !w.confirmed).min_by_key(|(n, _, since)| (*since, *n));
            if let Some((window, ..)) = doubtful.filter(|_| self.debt.0 <= searching) {
                let length = if gsm { self.options.search } else { self.options.search_other };
                return Some(Step { kind: Kind::Search, length, ..decode(window) });
            }
            let sure = waiting().filter(|(_, w, _)| w.confirmed).min_by_key(|(n, w, since)| (w.tries, *since, *n));
            if let Some((window, ..)) = sure.filter(|(_, w, _)| self.debt.0 <= if w.tries == 0 { deciding } else { 0 })
            {
                return Some(decode(window));
            }
        }
        if self.debt.0 <= 0 {
            let due = |at: Timestamp| now - at >= self.options.revisit;
            let known =
                all().filter(|(_, w)| w.cells).filter_map(|(n, w)| w.decoded.filter(|at| due(*at)).map(|at| (at, n)));
            if let Some((_, window)) = known.min() {
                return Some(decode(window));
            }
        }
        let age = |w: &Window| {
            let weight = if w.gsm { self.weight } else { 1 };
            let waited = |since: Timestamp| (now - since).0.saturating_mul(weight);
            // One that was never swept counts as one whose turn it was when it joined, and no more: a first round in which everything is
            // new takes minutes, and GSM must not wait for the end of it.
            w.swept.map_or(w.joined.map_or(i64::MAX, |at| waited(at).saturating_add(self.round.0)), waited)
        };
        let (window, found) = all().filter(|(_, w)| !w.refused).max_by_key(|(n, w)| (age(w), std::cmp::Reverse(*n)))?;
        Some(Step { window: Some(window), center: found.center, kind: Kind::Sweep, length: self.options.sweep })
    }

    /// Reports what `step`, over at `now`, has given.
    pub fn done(&mut self, step: &Step, found: Found, now: Timestamp) {
        match step.kind {
            Kind::Task => {
                let served = |task: &Task| task.center == step.center && task.length == step.length;
                if let Some(place) = self.tasks.iter().position(served) {
                    self.tasks.remove(place);
                }
            }
            Kind::Sweep => self.debt = Nanos((self.debt - step.length - self.retune).0.max(0)),
            Kind::Search | Kind::Decode => {
                let spent = step.length + self.retune;
                let gsm = step.window.and_then(|window| self.windows.get(window)).is_some_and(|window| window.gsm);
                let free = if gsm { Nanos(spent.0.min(self.credit.0)) } else { Nanos(0) };
                (self.credit, self.debt) = (self.credit - free, self.debt + (spent - free));
            }
        }
        self.tasks.retain(|task| now < task.until);
        for window in &mut self.windows {
            window.joined.get_or_insert(now);
        }
        let Some(window) = step.window.and_then(|window| self.windows.get_mut(window)) else { return };
        match (step.kind, found) {
            (Kind::Sweep, found) => {
                window.swept = Some(now);
                if found != Found::Nothing {
                    window.candidate.get_or_insert(now);
                }
            }
            (Kind::Search, Found::Nothing) => window.candidate = None,
            (Kind::Search | Kind::Decode, Found::Kept) => {
                // Not to be asked for again meanwhile.
                (window.candidate, window.confirmed, window.tries) = (None, false, 0);
                window.decoded = Some(now);
            }
            (Kind::Search, _) => window.confirmed = true,
            (Kind::Decode, Found::Cells) => {
                window.decoded = Some(now);
                window.cells = true;
                (window.candidate, window.confirmed, window.tries) = (None, false, 0);
            }
            (Kind::Decode, _) => {
                window.decoded = Some(now);
                window.tries += 1;
                if window.tries >= self.options.tries {
                    (window.candidate, window.confirmed, window.tries) = (None, false, 0);
                }
            }
            (Kind::Task, _) => {}
        }
    }

    /// What came of the samples of `window` that were kept, at `now`.
    pub fn told(&mut self, window: usize, cells: bool, now: Timestamp) {
        if let Some(window) = self.windows.get_mut(window).filter(|_| cells) {
            window.cells = true;
            window.decoded = Some(now);
        }
    }

    /// A window that the receiver refused to tune to is not asked for again.
    pub fn refuse(&mut self, window: usize) {
        if let Some(window) = self.windows.get_mut(window) {
            window.refused = true;
            (window.candidate, window.confirmed, window.cells) = (None, false, false);
        }
    }

    /// Tasks that wait.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// The time between two sweeps of a window, of GSM or not, while decoding takes all of its share.
    pub fn period(&self, gsm: bool) -> Nanos {
        self.period_at(gsm, self.weight)
    }

    fn period_at(&self, gsm: bool, weight: i64) -> Nanos {
        let looks: i64 = self.windows.iter().map(|w| if w.gsm { weight } else { 1 }).sum();
        let round = looks * (self.options.sweep + self.retune).0 * 2;
        Nanos(if gsm { round / weight } else { round })
    }

    /// The probability, for the health report, that a GSM carrier that is on air for `airtime` is decoded within `within` of its
    /// beginning: one that begins at any time is swept within a period and once in each that follows, until one of the sweeps and searches
    /// catches it, and is decoded then.
    pub fn chance(&self, airtime: Nanos, within: Nanos) -> f64 {
        let Options { sweep, search, decode_gsm, .. } = self.options;
        let decode = sweep + search + decode_gsm + self.retune + self.retune + self.retune;
        let time = (airtime.0.min(within.0) - decode.0) as f64;
        let period = self.period(true).0 as f64;
        if period <= 0.0 || time <= 0.0 {
            return 0.0;
        }
        // Whole periods catch it once each, the rest of one with as much of that probability.
        let (whole, rest) = ((time / period).floor().min(1e6), (time / period).fract());
        1.0 - (1.0 - CAUGHT).powf(whole) * (1.0 - CAUGHT * rest)
    }
}
