//! Where a receiver listens next: a pure function of what was heard so far and of the time.
//!
//! The spectrum is cut into *windows* as wide as the receiver's usable band. Each is **swept** again and again, for its spectrum
//! alone: cheap, and enough to see that known cells are still there; windows of GSM, where blasters sit, more often than others.
//! A window in which a sweep saw a carrier that was not there before is a **candidate** and is **searched** at once: listened to
//! for just as long as it takes to find a cell's synchronisation, since most of what looks new is traffic. What is found is
//! **decoded**: listened to until the cell says who it is. Windows with known cells are decoded again now and then. Decoding
//! never takes more than its share, so a noisy band cannot stop the sweep. A task of the hub comes before everything.
//!
//! The plan does not tune and does not listen: whoever does asks [`Plan::next`] and reports to [`Plan::done`]. No receiver is
//! retuned by it yet. `tests/scan_plan.rs` shows by simulation how soon a new transmitter is decoded.
//!
//! ## References
//! - 3GPP TS 36.101 Release 17, table 5.5-1, and TS 38.101-1 Release 17, table 5.2-1: downlink of the bands
//! - 3GPP TS 45.005 Release 17, clause 2: bands of GSM
//! - 3GPP TS 45.002 Release 17, clause 6.3.1.3: SYSTEM INFORMATION 3 comes twice in eight 51-multiframes of 235.4 ms

use crate::units::{Hz, Nanos, Timestamp};

/// Downlink of a band. All of it, assigned or not: test kits sit where nobody is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Its number.
    pub name: &'static str,
    /// Lower edge.
    pub low: Hz,
    /// Upper edge.
    pub high: Hz,
    /// Whether GSM is used in it.
    pub gsm: bool,
}

const fn band(name: &'static str, low_mhz: f64, high_mhz: f64, gsm: bool) -> Band {
    Band { name, low: Hz(low_mhz * 1e6), high: Hz(high_mhz * 1e6), gsm }
}

/// The bands of Thailand and Cambodia, and those that kits from elsewhere bring along.
pub const BANDS: &[Band] = &[
    band("5", 869.0, 894.0, true),
    band("8", 925.0, 960.0, true),
    band("3", 1805.0, 1880.0, true),
    band("71", 617.0, 652.0, false),
    band("28", 758.0, 803.0, false),
    band("20", 791.0, 821.0, false),
    band("1", 2110.0, 2170.0, false),
    band("40", 2300.0, 2400.0, false),
    band("41", 2496.0, 2690.0, false),
    band("38", 2570.0, 2620.0, false),
    band("7", 2620.0, 2690.0, false),
    band("n78", 3300.0, 3800.0, false),
];

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
    /// Length of a search for synchronisation. Chosen: GSM's frequency burst comes every 46 to 51 ms, LTE's PSS every 5 ms.
    pub search: Nanos,
    /// Length of a decode dwell where there is GSM. Chosen: SYSTEM INFORMATION 3 comes within 1.4 s, twice in 1.9 s.
    pub decode_gsm: Nanos,
    /// Length of one elsewhere. Chosen: five repetitions of LTE's SIB1.
    pub decode_other: Nanos,
    /// How often windows of GSM are swept for each time that others are.
    pub gsm_weight: u32,
    /// Dwells that a candidate gets before it is left to others.
    pub tries: u8,
    /// A window with known cells is decoded again after this long.
    pub revisit: Nanos,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            sweep: Nanos::from_millis(20),
            search: Nanos::from_millis(120),
            decode_gsm: Nanos::from_millis(2200),
            decode_other: Nanos::from_millis(400),
            gsm_weight: 4,
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
}

/// A stretch of spectrum that is received at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Where to tune.
    pub center: Hz,
    /// Whether GSM is used in it.
    pub gsm: bool,
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
}

#[derive(Clone, Copy, Debug)]
struct Task {
    center: Hz,
    length: Nanos,
    until: Timestamp,
}

/// Tasks that wait at most; the oldest gives way.
const MOST_TASKS: usize = 16;

/// The plan of one receiver.
#[derive(Clone, Debug)]
pub struct Plan {
    windows: Vec<Window>,
    unreachable: Vec<&'static str>,
    retune: Nanos,
    options: Options,
    tasks: Vec<Task>,
    /// Sweeping that decoding owes.
    debt: Nanos,
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
                    let (swept, decoded, candidate) = (None, None, None);
                    let (confirmed, tries, cells) = (false, 0, false);
                    windows.push(Window { center, gsm, swept, decoded, candidate, confirmed, tries, cells });
                }
            }
        }
        let near = |band: &Band, window: &Window| {
            let half = reach.usable.0 / 2.0;
            window.center.0 + half > band.low.0 && window.center.0 - half < band.high.0
        };
        let out_of_reach = |band: &&Band| !windows.iter().any(|window| near(band, window));
        let unreachable = bands.iter().filter(out_of_reach).map(|band| band.name).collect();
        Plan { windows, unreachable, retune: reach.retune, options, tasks: Vec::new(), debt: Nanos(0) }
    }

    /// The windows and how they are.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Bands of which the receiver can reach nothing.
    pub fn unreachable(&self) -> &[&'static str] {
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
        // A search is short, and decides whether there is anything to decode.
        let doubtful =
            all().filter(|(_, w)| !w.confirmed).filter_map(|(n, w)| w.candidate.map(|since| ((!w.gsm, since), n)));
        if let Some((_, window)) = doubtful.min()
            && self.debt.0 <= 2 * self.options.decode_gsm.0
        {
            return Some(Step { kind: Kind::Search, length: self.options.search, ..decode(window) });
        }
        // Untried ones first, GSM before others, then the oldest. An untried one of GSM may run into some debt.
        let sure = all().filter(|(_, w)| w.confirmed);
        let sure = sure.filter_map(|(n, w)| w.candidate.map(|since| ((w.tries, !w.gsm, since), n)));
        if let Some(((tries, other, _), window)) = sure.min() {
            let credit = if tries == 0 && !other { self.options.decode_gsm.0 } else { 0 };
            if self.debt.0 <= credit {
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
            let weight = if w.gsm { i64::from(self.options.gsm_weight) } else { 1 };
            w.swept.map_or(i64::MAX, |at| (now - at).0.saturating_mul(weight))
        };
        let (window, found) = all().max_by_key(|(n, w)| (age(w), std::cmp::Reverse(*n)))?;
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
            Kind::Search | Kind::Decode => self.debt = self.debt + step.length + self.retune,
        }
        self.tasks.retain(|task| now < task.until);
        let Some(window) = step.window.and_then(|window| self.windows.get_mut(window)) else { return };
        match (step.kind, found) {
            (Kind::Sweep, found) => {
                window.swept = Some(now);
                if found != Found::Nothing {
                    window.candidate.get_or_insert(now);
                }
            }
            (Kind::Search, Found::Nothing) => window.candidate = None,
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

    /// The time between two sweeps of a window, of GSM or not, while decoding takes all of its share.
    pub fn period(&self, gsm: bool) -> Nanos {
        let weight = i64::from(self.options.gsm_weight);
        let looks: i64 = self.windows.iter().map(|w| if w.gsm { weight } else { 1 }).sum();
        let round = looks * (self.options.sweep + self.retune).0 * 2;
        Nanos(if gsm { round / weight } else { round })
    }

    /// The probability, for the health report, that a GSM carrier that is on air for `airtime` is decoded within `within` of its
    /// beginning: one that begins at any time is swept within a period, and decoded in the dwells that follow.
    pub fn chance(&self, airtime: Nanos, within: Nanos) -> f64 {
        let Options { sweep, search, decode_gsm, .. } = self.options;
        let decode = sweep + search + decode_gsm + self.retune + self.retune + self.retune;
        let time = (airtime.0.min(within.0) - decode.0) as f64;
        let period = self.period(true).0 as f64;
        if period > 0.0 { (time / period).clamp(0.0, 1.0) } else { 0.0 }
    }
}
