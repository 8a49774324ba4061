//! Where the node stands and what time it is worth: the surveyed position, navigation fixes, the pulse and chrony, put together.
//!
//! A pure function of what it was told and when, but for the lock around it. Fixes are held against the position that was surveyed and
//! against each other: a receiver that is deceived shows a place where the antenna is not, a jump that nothing could have driven, or a
//! time that the system's clock contradicts. Each is told in the health report, and takes the clock's lock away.

use crate::observation::{Clock, ClockSource, Position};
use crate::units::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Without a fix for so long, there is none. Chosen: receivers report every second, and lose sight under a passing lorry.
const LOST: Nanos = Nanos::from_secs(60);
/// A moving node's position is good for so long.
const FRESH: Nanos = Nanos::from_secs(10);
/// Fixes kept for the drift against the surveyed position: their median is judged.
const WINDOW: usize = 31;
/// Faster than this between two fixes, beyond what both may be wrong by, is a jump. Chosen: no vehicle on a road.
const FASTEST_M_S: f64 = 70.0;
/// What a fix may be wrong by where it does not say.
const USUAL_SIGMA_M: f64 = 10.0;
/// A jump is told for so long.
const TOLD: Nanos = Nanos::from_secs(600);
/// Navigation time and system time may differ by this: fixes are reported within a second of their epoch, and buffered on the way.
const SAME_TIME: Nanos = Nanos::from_secs(3);
/// Pulses kept.
const PULSES: usize = 16;
/// Errors of fixes are alike for about this long: averaging faster gains nothing. Chosen: the code noise of consumer receivers is
/// smoothed over a minute.
const DECORRELATED_S: f64 = 60.0;
/// A survey cannot be better than what the ionosphere does to a single frequency over an hour. Chosen.
const LEAST_SIGMA_M: f64 = 1.5;
/// What a time stamp that the host makes may be late by where the delay is not calibrated: buffers of USB and driver, one standard
/// deviation. Chosen.
pub const STAMP: Nanos = Nanos::from_millis(5);
/// Metres of a degree of latitude.
const DEGREE_M: f64 = 111_195.0;

/// A navigation fix.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fix {
    /// 0 and 1: none; 2: without height; 3.
    pub mode: u8,
    /// Its epoch.
    pub time: Option<Timestamp>,
    /// Where.
    pub position: Option<Position>,
    /// How fast.
    pub speed_m_s: Option<f64>,
}

/// Satellites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sky {
    /// In the fix.
    pub used: usize,
    /// In view.
    pub seen: usize,
}

/// The pulse per second as the kernel saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// System clock minus navigation time.
    pub ahead: Nanos,
}

/// How a node knows where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stand {
    /// It was told.
    Surveyed(Position),
    /// It stands still and averages fixes for this long.
    Survey(Nanos),
    /// It moves.
    Moving,
}

/// A survey in progress, and what a node keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// The first fix, which all others are counted from.
    origin: Position,
    /// Metres east, north and up of it: sums.
    sum: [f64; 3],
    /// And sums of squares of the first two together.
    squares: f64,
    fixes: u64,
    /// How long it has taken; fixes that do not come do not count.
    seconds: f64,
}

impl Survey {
    fn new(origin: Position) -> Survey {
        Survey { origin, sum: [0.0; 3], squares: 0.0, fixes: 0, seconds: 0.0 }
    }

    fn add(&mut self, position: Position, seconds: f64) {
        // The first fixes of a receiver may lack their height.
        self.origin.height_m = self.origin.height_m.or(position.height_m);
        let [east, north] = offset_m(self.origin, position);
        let up = position.height_m.zip(self.origin.height_m).map_or(0.0, |(now, then)| now - then);
        for (sum, value) in self.sum.iter_mut().zip([east, north, up]) {
            *sum += value;
        }
        self.squares += east * east + north * north;
        self.fixes += 1;
        self.seconds += seconds.clamp(0.0, 10.0);
    }

    /// The mean, with its standard deviation.
    pub fn position(&self) -> Position {
        let n = self.fixes.max(1) as f64;
        let [east, north, up] = self.sum.map(|sum| sum / n);
        let spread = (self.squares / n - east * east - north * north).max(0.0).sqrt();
        let independent = (self.seconds / DECORRELATED_S).max(1.0);
        let lat_deg = self.origin.lat_deg + north / DEGREE_M;
        Position {
            lat_deg,
            lon_deg: self.origin.lon_deg + east / (DEGREE_M * lat_deg.to_radians().cos().max(1e-6)),
            height_m: self.origin.height_m.map(|height| height + up),
            sigma_m: Some((spread / independent.sqrt()).max(LEAST_SIGMA_M)),
        }
    }

    /// How long it has taken so far, seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// Metres east and north of `from`.
fn offset_m(from: Position, to: Position) -> [f64; 2] {
    // The short way round the antimeridian.
    let lon = (to.lon_deg - from.lon_deg + 540.0).rem_euclid(360.0) - 180.0;
    [lon * DEGREE_M * from.lat_deg.to_radians().cos(), (to.lat_deg - from.lat_deg) * DEGREE_M]
}

fn sigma_m(position: &Position) -> f64 {
    position.sigma_m.unwrap_or(USUAL_SIGMA_M)
}

/// What is told of place and time at some moment.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The clock that stamps samples.
    pub clock: Clock,
    /// Where the antenna stands.
    pub position: Option<Position>,
    /// The navigation receiver in words; `None` where none is configured.
    pub navigation: Option<String>,
    /// What wants attention, in words that do not change all the time.
    pub warnings: Vec<String>,
}

#[derive(Debug)]
struct Inner {
    stand: Stand,
    /// Fixes farther from the surveyed position than this are told.
    away_m: f64,
    /// gpsd is asked at all.
    asked: bool,
    begun: Timestamp,
    connected: bool,
    fix: Option<(Timestamp, Fix)>,
    sky: Sky,
    pulses: VecDeque<Nanos>,
    pulse_at: Option<Timestamp>,
    survey: Option<Survey>,
    /// Metres from the surveyed position, newest last.
    away: VecDeque<f64>,
    jumped: Option<Timestamp>,
    /// Navigation time minus system time, at the newest fix.
    time_apart: Option<Nanos>,
    /// What the samples' clock is without any of this.
    base: Clock,
    /// Whether the host stamps samples, so that its clock counts.
    by_host: bool,
    stamp: Nanos,
    chrony: Option<Clock>,
    /// Since when source and lock of the clock are as they are.
    since: Option<(ClockSource, bool, Timestamp)>,
}

/// Place and time of a node, shared between those who tell and those who ask.
#[derive(Debug)]
pub struct Whereabouts {
    inner: Mutex<Inner>,
}

/// What a [`Whereabouts`] begins with.
#[derive(Clone, Copy, Debug)]
pub struct Begin {
    /// How the node knows where it stands; `None`: it does not.
    pub stand: Option<Stand>,
    /// Fixes farther from the surveyed position are told, metres.
    pub away_m: f64,
    /// Whether a navigation receiver is configured.
    pub navigation: bool,
    /// The samples' clock as the source knows it.
    pub clock: Clock,
    /// Whether the system's clock stamps samples (a receiver), so that navigation and chrony count.
    pub by_host: bool,
    /// What a stamp may be wrong by beside the clock, one standard deviation; see [`STAMP`].
    pub stamp: Nanos,
    /// When.
    pub now: Timestamp,
}

impl Whereabouts {
    /// As configured.
    pub fn new(begin: Begin) -> Whereabouts {
        let stand = begin.stand.unwrap_or(Stand::Moving);
        Whereabouts {
            inner: Mutex::new(Inner {
                stand,
                away_m: begin.away_m,
                asked: begin.navigation,
                begun: begin.now,
                connected: false,
                fix: None,
                sky: Sky::default(),
                pulses: VecDeque::with_capacity(PULSES),
                pulse_at: None,
                survey: None,
                away: VecDeque::with_capacity(WINDOW),
                jumped: None,
                time_apart: None,
                base: begin.clock,
                by_host: begin.by_host,
                stamp: begin.stamp,
                chrony: None,
                since: None,
            }),
        }
    }

    /// A source that knows its time, at a place that does not change.
    pub fn fixed(clock: Clock, position: Option<Position>) -> Whereabouts {
        Whereabouts::new(Begin {
            stand: position.map(Stand::Surveyed),
            away_m: f64::INFINITY,
            navigation: false,
            clock,
            by_host: false,
            stamp: Nanos(0),
            now: Timestamp(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change leaves it whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with a survey of an earlier run.
    pub fn resume(&self, survey: Survey) {
        self.lock().survey = Some(survey);
    }

    /// The survey so far, to be kept.
    pub fn survey(&self) -> Option<Survey> {
        self.lock().survey
    }

    /// A fix came.
    pub fn fix(&self, fix: &Fix, now: Timestamp) {
        self.lock().fix(fix, now);
    }

    /// Satellites were counted.
    pub fn sky(&self, sky: Sky) {
        self.lock().sky = sky;
    }

    /// A pulse was timed.
    pub fn pulse(&self, pulse: Pulse, now: Timestamp) {
        let mut inner = self.lock();
        if inner.pulses.len() == PULSES {
            inner.pulses.pop_front();
        }
        inner.pulses.push_back(pulse.ahead);
        inner.pulse_at = Some(now);
    }

    /// gpsd has gone.
    pub fn disconnected(&self) {
        let mut inner = self.lock();
        inner.connected = false;
        inner.sky = Sky::default();
    }

    /// chrony was asked; `None`: it did not answer.
    pub fn chrony(&self, clock: Option<Clock>) {
        self.lock().chrony = clock;
    }

    /// Clock and place at `now`, for what is observed then.
    pub fn around(&self, now: Timestamp) -> (Clock, Option<Position>) {
        self.lock().around(now)
    }

    /// Place and time at `now`, in words too.
    pub fn at(&self, now: Timestamp) -> State {
        self.lock().at(now)
    }
}

/// Whether `then` lies at most `most` before `now`; not when a clock was set back in between.
fn within(then: Timestamp, now: Timestamp, most: Nanos) -> bool {
    (0..=i128::from(most.0)).contains(&(i128::from(now.0) - i128::from(then.0)))
}

impl Inner {
    fn fix(&mut self, fix: &Fix, now: Timestamp) {
        self.connected = true;
        self.time_apart = fix.time.map(|time| Nanos(time.0.saturating_sub(now.0)));
        let Some(position) = fix.position else {
            // Kept only where none came lately: a lost second is no lost fix.
            if !self.fix.is_some_and(|(at, _)| within(at, now, LOST)) {
                self.fix = None;
            }
            return;
        };
        let before = self.fix.replace((now, *fix)).and_then(|(at, fix)| Some((at, fix.position?)));
        let mut seconds = 0.0;
        if let Some((at, earlier)) = before.filter(|(at, _)| within(*at, now, LOST)) {
            seconds = (now - at).as_secs_f64();
            let [east, north] = offset_m(earlier, position);
            let possible = FASTEST_M_S * seconds.max(1.0) + 5.0 * sigma_m(&earlier).hypot(sigma_m(&position));
            if east.hypot(north) > possible {
                self.jumped = Some(now);
            }
        }
        match self.stand {
            Stand::Surveyed(surveyed) => {
                let [east, north] = offset_m(surveyed, position);
                if self.away.len() == WINDOW {
                    self.away.pop_front();
                }
                self.away.push_back(east.hypot(north));
            }
            Stand::Survey(_) if fix.mode >= 3 => {
                let survey = self.survey.get_or_insert_with(|| Survey::new(position));
                let [east, north] = offset_m(survey.position(), position);
                // What jumps is not averaged.
                if east.hypot(north) <= 50.0 + 5.0 * sigma_m(&position) {
                    survey.add(position, seconds);
                }
            }
            Stand::Survey(_) | Stand::Moving => {}
        }
    }

    /// The median distance from the surveyed position, once the window is full.
    fn drift_m(&self) -> Option<f64> {
        let mut away: Vec<f64> = self.away.iter().copied().collect();
        away.sort_by(f64::total_cmp);
        (away.len() == WINDOW).then(|| away[WINDOW / 2])
    }

    /// Whether the place is another one, whether it jumped, and whether time is another one.
    fn suspicions(&self, now: Timestamp) -> [bool; 3] {
        let sigma = self.fix.and_then(|(_, fix)| fix.position).map_or(USUAL_SIGMA_M, |position| sigma_m(&position));
        let fresh = self.fix.is_some_and(|(at, _)| within(at, now, LOST));
        let apart = |apart: Nanos| apart.0.unsigned_abs() > SAME_TIME.0.unsigned_abs();
        [
            fresh && self.drift_m().is_some_and(|away| away > self.away_m.max(5.0 * sigma)),
            self.jumped.is_some_and(|at| within(at, now, TOLD)),
            fresh && self.time_apart.is_some_and(apart),
        ]
    }

    fn around(&mut self, now: Timestamp) -> (Clock, Option<Position>) {
        let position = match self.stand {
            Stand::Surveyed(position) => Some(position),
            Stand::Survey(_) => self.survey.map(|survey| survey.position()),
            Stand::Moving => self.fix.filter(|(at, _)| within(*at, now, FRESH)).and_then(|(_, fix)| fix.position),
        };
        (self.clock(now), position)
    }

    fn at(&mut self, now: Timestamp) -> State {
        let (clock, position) = self.around(now);
        let [away, jumped, other_time] = self.suspicions(now);
        let mut warnings = Vec::new();
        if away {
            warnings.push(format!(
                "the navigation receiver shows a place more than {:.0} m from the surveyed one: the node was moved, or somebody deceives it",
                self.away_m
            ));
        }
        if jumped {
            warnings.push("the navigation receiver's position jumped".to_owned());
        }
        if other_time {
            warnings.push("navigation time and the system's clock contradict each other".to_owned());
        }
        if self.asked && !within(self.begun, now, LOST) {
            if !self.connected {
                warnings.push("gpsd does not answer".to_owned());
            } else if !self.fix.is_some_and(|(at, _)| within(at, now, LOST)) {
                warnings.push("no navigation fix".to_owned());
            }
        }
        State { clock, position, navigation: self.asked.then(|| self.words(now)), warnings }
    }

    fn words(&self, now: Timestamp) -> String {
        let fix = match self.fix.filter(|(at, _)| within(*at, now, LOST)) {
            Some((_, fix)) if fix.mode >= 3 => "fix with height",
            Some(_) => "fix without height",
            None if self.connected => "no fix",
            None => "gpsd does not answer",
        };
        let pulse = self
            .pulse(now)
            .map_or(String::new(), |(middle, spread)| format!(", pulse {:+} ± {} ns", middle.0, spread.0));
        let survey = match (self.stand, self.survey) {
            (Stand::Survey(whole), Some(survey)) if survey.seconds < whole.as_secs_f64() => {
                format!(", surveying: {:.0} of {:.0} s", survey.seconds, whole.as_secs_f64())
            }
            (Stand::Survey(_), Some(_)) => ", surveyed".to_owned(),
            _ => String::new(),
        };
        let satellites = match self.sky {
            Sky { seen: 0, .. } => String::new(),
            Sky { used, seen } => format!(", {used} of {seen} satellites"),
        };
        format!("{fix}{satellites}{pulse}{survey}")
    }

    /// Median and spread of the newest pulses: by how much the system's clock is ahead.
    fn pulse(&self, now: Timestamp) -> Option<(Nanos, Nanos)> {
        if self.pulses.len() < PULSES || !self.pulse_at.is_some_and(|at| within(at, now, FRESH)) {
            return None;
        }
        let median = |mut values: Vec<i64>| {
            values.sort_unstable();
            values[values.len() / 2]
        };
        let middle = median(self.pulses.iter().map(|pulse| pulse.0).collect());
        let spread = median(self.pulses.iter().map(|pulse| pulse.0.saturating_sub(middle).saturating_abs()).collect());
        Some((Nanos(middle), Nanos((spread as f64 * 1.4826) as i64)))
    }

    fn clock(&mut self, now: Timestamp) -> Clock {
        if !self.by_host {
            return self.base;
        }
        let trusted = self.suspicions(now) == [false; 3];
        let mut clock = match (self.pulse(now), self.chrony) {
            // chrony knows more than the pulse alone: what it has not corrected yet.
            (_, Some(chrony)) if chrony.locked => chrony,
            (Some((ahead, spread)), _) => {
                let sigma = (ahead.0 as f64).hypot(spread.0 as f64);
                Clock {
                    source: ClockSource::GnssPps,
                    sigma_ns: Some(Nanos(sigma as i64)),
                    locked: true,
                    since_ns: None,
                }
            }
            (None, Some(chrony)) => chrony,
            (None, None) => self.base,
        };
        clock.sigma_ns = clock.sigma_ns.map(|sigma| Nanos((sigma.0 as f64).hypot(self.stamp.0 as f64) as i64));
        clock.locked &= trusted || clock.source == ClockSource::Ntp;
        let same = self.since.is_some_and(|(source, locked, _)| (source, locked) == (clock.source, clock.locked));
        if !same {
            self.since = Some((clock.source, clock.locked, now));
        }
        clock.since_ns = self.since.map(|(_, _, since)| since);
        clock
    }
}

#[cfg(test)]
mod tests;
