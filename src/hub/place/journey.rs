//! Where an emitter went: its fixes one after the other through [`crate::locate::track`], and what is told of that.
//!
//! A fix is taken when every measurement in it is newer than the fix taken before, so that the errors of successive ones are
//! independent: an emitter that stands does not seem to move because its fixes share what one node said long ago. What is kept are the
//! fixes; the tracker is made from them anew after a restart and comes to the same state.

use super::record::{Placed, Track, TrackPoint};
use crate::locate::Plane;
use crate::locate::bounds::Covariance;
use crate::locate::track::{Settings, State, TimedFix, Tracker};
use crate::observation::Position;
use crate::units::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// Fixes a track begins anew with when it has twice as many.
const KEEP: usize = 128;
/// Points of a track that are told; the eye needs no more.
const POINTS: usize = 48;
/// The smoothed track is worked out again after this long.
const AGAIN: Nanos = Nanos::from_secs(3);
/// It has moved when it was this sure at some time,
const SURE: f64 = 0.95;
/// is away from where it was by so many standard deviations of both places,
const AWAY_SIGMAS: f64 = 4.0;
/// and by so much, metres: reflections that come and go shift a fix by less.
const AWAY_M: f64 = 150.0;
/// A fix with a larger region says nothing about motion, metres.
const USEFUL_M: f64 = 2_000.0;

/// A fix as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackFix {
    /// When.
    at: Timestamp,
    /// Latitude, longitude, covariance (east, east-north, north) and weight of each admissible place.
    places: Vec<[f64; 6]>,
}

/// The fixes of one emitter.
#[derive(Debug)]
pub(super) struct Journey {
    /// The number of the first of `fixes`; they count up and are never used again.
    first: u64,
    fixes: Vec<TrackFix>,
    plane: Plane,
    tracker: Tracker,
    /// Numbers below are on the disk.
    written: u64,
}

/// What is to be done on the disk: drop the fixes before the number, add these.
pub struct Pages<'a> {
    /// The first number that stays.
    pub first: u64,
    /// New fixes with their numbers.
    pub new: Vec<(u64, &'a TrackFix)>,
}

impl TrackFix {
    /// Of a fix by frame timing that is good enough.
    fn of(placed: &Placed) -> Option<TrackFix> {
        let useful = placed.is_timed() && placed.best().is_some_and(|best| best.reach_m() <= USEFUL_M);
        let place = |s: &super::record::Solution| {
            let [ee, en, nn] = s.covariance_m2;
            [s.lat_deg, s.lon_deg, ee, en, nn, s.weight]
        };
        useful.then(|| TrackFix { at: placed.at_ns, places: placed.solutions.iter().map(place).collect() })
    }

    fn timed(&self, plane: Plane) -> TimedFix {
        let place = |&[lat_deg, lon_deg, ee_m2, en_m2, nn_m2, weight]: &[f64; 6]| {
            let at = plane.enu(&Position { lat_deg, lon_deg, height_m: None, sigma_m: None });
            (at, Covariance { ee_m2, en_m2, nn_m2 }, weight)
        };
        TimedFix { at: self.at, places: self.places.iter().map(place).collect() }
    }
}

impl Journey {
    /// Continues with what was kept, by number; `None` of nothing.
    pub fn restore(kept: Vec<(u64, TrackFix)>) -> Option<Journey> {
        let first = kept.first()?.0;
        let written = kept.last()?.0 + 1;
        let mut journey = Journey::begin(kept.into_iter().map(|(_, fix)| fix).collect(), first)?;
        journey.written = written;
        Some(journey)
    }

    fn begin(fixes: Vec<TrackFix>, first: u64) -> Option<Journey> {
        let [lat_deg, lon_deg, ..] = *fixes.first()?.places.first()?;
        let plane = Plane::at(lat_deg, lon_deg);
        let mut tracker = Tracker::new(Settings::default());
        for fix in &fixes {
            tracker.update(&fix.timed(plane));
        }
        Some(Journey { first, fixes, plane, tracker, written: first })
    }

    /// Takes a fix, the first one of an emitter or another.
    pub fn take(journey: Option<Journey>, placed: &Placed, oldest: Timestamp) -> Option<Journey> {
        let Some(fix) = TrackFix::of(placed) else { return journey };
        let Some(mut journey) = journey else { return Journey::begin(vec![fix], 0) };
        if journey.fixes.last().is_some_and(|last| oldest <= last.at)
            || !journey.tracker.update(&fix.timed(journey.plane))
        {
            return Some(journey);
        }
        journey.fixes.push(fix);
        if journey.fixes.len() >= 2 * KEEP {
            let kept = journey.fixes.split_off(journey.fixes.len() - KEEP);
            let first = journey.first + journey.fixes.len() as u64;
            let written = journey.written;
            journey = Journey::begin(kept, first)?;
            journey.written = written;
        }
        Some(journey)
    }

    /// When it was placed last.
    pub fn last(&self) -> Option<Timestamp> {
        Some(self.fixes.last()?.at)
    }

    /// What is to be written down.
    pub fn pages(&mut self) -> Pages<'_> {
        let end = self.first + self.fixes.len() as u64;
        let from = self.written.max(self.first);
        self.written = end;
        let new = (from..end).zip(&self.fixes[(from - self.first) as usize..]).collect();
        Pages { first: self.first, new }
    }

    /// The way it went, if it moved. `before` is what was told last, and stands for [`AGAIN`].
    pub fn track(&self, before: Option<&Track>) -> Option<Track> {
        let last = self.fixes.last()?.at;
        if let Some(before) = before.filter(|before| last - before.at_ns < AGAIN) {
            return Some(before.clone());
        }
        let now = *self.tracker.states(last).first()?;
        if before.is_none() && now.moving < SURE {
            return None;
        }
        let states = self.tracker.smoothed();
        if !has_moved(&states) {
            return None;
        }
        let speed = |state: &State| {
            let [e, n] = state.velocity_m_s;
            let [ee, en, nn] = state.velocity_covariance;
            let speed = e.hypot(n);
            let variance =
                if speed > 0.0 { (e * e * ee + 2.0 * e * n * en + n * n * nn) / (speed * speed) } else { ee.max(nn) };
            (speed, variance.max(0.0).sqrt())
        };
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        let (speed_m_s, sigma) = speed(&now);
        let sure = |state: &&State| state.moving >= SURE;
        let fastest =
            states.iter().filter(sure).map(speed).max_by(|a, b| (a.0 - 3.0 * a.1).total_cmp(&(b.0 - 3.0 * b.1)));
        let step = states.len().div_ceil(POINTS).max(1);
        // The last one always, and evenly before it.
        let chosen = (0..states.len()).filter(|i| (states.len() - 1 - i) % step == 0);
        let point = |i: usize| {
            let state = &states[i];
            let at = state.position(self.plane);
            let [lat_deg, lon_deg] = [at.lat_deg, at.lon_deg].map(|deg| (deg * 1e7).round() / 1e7);
            let sigma_m = tenth(state.covariance().axes().0);
            TrackPoint { at_ns: state.at, lat_deg, lon_deg, sigma_m, moving: (state.moving * 100.0).round() / 100.0 }
        };
        Some(Track {
            at_ns: last,
            moving: (now.moving * 100.0).round() / 100.0,
            speed_m_s: tenth(speed_m_s),
            speed_sigma_m_s: tenth(sigma),
            course_deg: now.velocity_m_s[0].atan2(now.velocity_m_s[1]).to_degrees().rem_euclid(360.0).round(),
            top_m_s: fastest.map_or([0.0; 2], |(speed, sigma)| [tenth(speed), tenth(sigma)]),
            weight: (now.weight * 1000.0).round() / 1000.0,
            fixes: states.len() as u32,
            points: chosen.map(point).collect(),
        })
    }
}

/// Whether two of the places are certainly not one.
fn has_moved(states: &[State]) -> bool {
    let moving = states.iter().any(|state| state.moving >= SURE);
    let Some(first) = states.first().filter(|_| moving) else { return false };
    let away = |state: &State| {
        let (e, n) = (state.east_m - first.east_m, state.north_m - first.north_m);
        let (a, b) = (state.covariance(), first.covariance());
        let both = Covariance { ee_m2: a.ee_m2 + b.ee_m2, en_m2: a.en_m2 + b.en_m2, nn_m2: a.nn_m2 + b.nn_m2 };
        e.hypot(n) >= AWAY_M && both.mahalanobis2(e, n) >= AWAY_SIGMAS * AWAY_SIGMAS
    };
    states.iter().any(away)
}
