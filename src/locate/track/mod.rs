//! Where an emitter went: fixes in, its present state and a smoothed track out.
//!
//! Two models interact (`imm.rs`): it stands, or it moves with a wandering velocity. A fix with several admissible places starts as
//! many tracks, each with its weight; those that later fixes contradict die out, and none is dropped before. Errors of successive fixes
//! are taken as independent; what they share (paths without line of sight that stay, cables) is added to what is reported.
//!
//! Measured by `tests/locate/track.rs`, recorded in tests/data/locate/README.md.
//!
//! ## References
//! - H. A. P. Blom, Y. Bar-Shalom, "The interacting multiple model algorithm for systems with Markovian switching coefficients",
//!   IEEE Transactions on Automatic Control 33 (1988)
//! - C.-J. Kim, "Dynamic linear models with Markov-switching", Journal of Econometrics 60 (1994): the backward pass
//! - D. Barber, "Expectation correction for smoothed inference in switching linear dynamical systems", Journal of Machine Learning
//!   Research 7 (2006)
//! - Y. Bar-Shalom, X. R. Li, T. Kirubarajan, Estimation with Applications to Tracking and Navigation (2001): NEES, section 5.4.2

mod imm;

use super::bounds::Covariance;
use super::fix::Fix;
use super::geodesy::{Enu, Plane};
use crate::observation::Position;
use crate::units::{Nanos, Timestamp};
use imm::{MOVING, Mode, Motion, Place, mix};
use serde::Serialize;

/// What is taken for granted of an emitter's motion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Spectral density of a moving emitter's acceleration, m²/s³: its square root times that of the seconds is the change of speed.
    pub acceleration_m2_s3: f64,
    /// Speed along each axis of one that sets off, one standard deviation, m/s.
    pub speed_m_s: f64,
    /// How long one stands before it sets off, and moves before it stops, in the mean, seconds.
    pub stays_s: [f64; 2],
    /// Share of fixes that are of something else.
    pub stray: f64,
    /// What successive fixes have in common and no number of them removes, one standard deviation, metres.
    pub shared_m: f64,
}

impl Default for Settings {
    /// A vehicle in a town (1 m²/s³: 3 m/s in 10 s; 8 m/s) that stands for 200 s and drives for 120, one stray fix in a hundred, 15 m (50 ns).
    fn default() -> Settings {
        Settings { acceleration_m2_s3: 1.0, speed_m_s: 8.0, stays_s: [200.0, 120.0], stray: 0.01, shared_m: 15.0 }
    }
}

/// A fix at its time, in the tracker's axes.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedFix {
    /// When.
    pub at: Timestamp,
    /// Each admissible place with its covariance and its weight.
    pub places: Vec<(Enu, Covariance, f64)>,
}

impl TimedFix {
    /// A fix in the axes of `plane`; `None` for a fix on a flat earth. Planes some tens of kilometres apart are turned against each other by
    /// a tenth of a degree, which the covariances ignore.
    pub fn new(at: Timestamp, fix: &Fix, plane: Plane) -> Option<TimedFix> {
        let place = |s: &super::Solution| Some((plane.enu(&s.position?), s.covariance, s.weight));
        Some(TimedFix { at, places: fix.solutions.iter().map(place).collect::<Option<_>>()? })
    }
}

/// Where an emitter is, or was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct State {
    /// When.
    pub at: Timestamp,
    /// East of the axes' origin, metres.
    pub east_m: f64,
    /// North of it, metres.
    pub north_m: f64,
    /// Covariance of the place: east, east-north, north; square metres.
    pub covariance_m2: [f64; 3],
    /// Velocity east and north, metres a second.
    pub velocity_m_s: [f64; 2],
    /// Covariance of the velocity: east, east-north, north.
    pub velocity_covariance: [f64; 3],
    /// Probability that it moves.
    pub moving: f64,
    /// Share of this track among those that the fixes admit.
    pub weight: f64,
}

impl State {
    /// The covariance of the place.
    pub fn covariance(&self) -> Covariance {
        let [ee_m2, en_m2, nn_m2] = self.covariance_m2;
        Covariance { ee_m2, en_m2, nn_m2 }
    }

    /// The place on the ellipsoid, by the axes that the tracker was made with.
    pub fn position(&self, plane: Plane) -> Position {
        let (east_m, north_m) = (self.east_m, self.north_m);
        let fall = (east_m * east_m + north_m * north_m) / (2.0 * plane.radius_m());
        plane.position(Enu { east_m, north_m, up_m: -fall })
    }
}

/// One of the tracks that the fixes admit.
#[derive(Clone, Debug, PartialEq)]
struct Track {
    weight: f64,
    /// Filtered modes after each fix.
    steps: Vec<(Timestamp, [Mode; 2])>,
}

/// Follows one emitter.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracker {
    settings: Settings,
    motion: Motion,
    tracks: Vec<Track>,
    /// Fixes in a row that no track explains.
    strays: u32,
}

/// Fixes kept for smoothing; older ones have done their work.
const MAX_STEPS: usize = 2048;
/// Tracks held at once; solutions beyond are the least likely.
const MAX_TRACKS: usize = 8;
/// Tracks with a smaller share have died out.
const LEAST_SHARE: f64 = 1e-4;
/// After so many fixes in a row that fit no track, the emitter is elsewhere and tracking starts afresh.
const LOST: u32 = 3;
/// Stray fixes lie anywhere in a region of this many square metres: 30 km by 30 km.
const STRAY_AREA_M2: f64 = 9e8;

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(settings: Settings) -> Tracker {
        let motion = Motion {
            acceleration: settings.acceleration_m2_s3,
            speed: settings.speed_m_s,
            stays: settings.stays_s,
            stray: (settings.stray, STRAY_AREA_M2),
        };
        Tracker { settings, motion, tracks: Vec::new(), strays: 0 }
    }

    /// Takes a fix; one older than the last is refused (`false`), as is one without a place.
    pub fn update(&mut self, fix: &TimedFix) -> bool {
        let places: Vec<Place> = fix
            .places
            .iter()
            .map(|(at, c, weight)| Place {
                at: [at.east_m, at.north_m],
                covariance: [c.ee_m2, c.en_m2, c.nn_m2],
                weight: *weight,
            })
            .collect();
        if places.is_empty() || self.tracks.iter().any(|t| t.last().0 > fix.at) {
            return false;
        }
        if self.tracks.is_empty() {
            self.start(fix.at, &places);
            return true;
        }
        let nothing = self.settings.stray / STRAY_AREA_M2;
        let mut explained = false;
        for track in &mut self.tracks {
            let (at, modes) = track.last();
            let mut modes = self.motion.forward(modes, (fix.at - *at).as_secs_f64());
            let likelihood = self.motion.correct(&mut modes, &places);
            explained |= likelihood > 2.0 * nothing;
            track.weight *= likelihood;
            if track.steps.len() >= MAX_STEPS {
                track.steps.remove(0);
            }
            track.steps.push((fix.at, modes));
        }
        self.strays = if explained { 0 } else { self.strays + 1 };
        if self.strays >= LOST {
            self.strays = 0;
            self.start(fix.at, &places);
        } else {
            self.prune();
        }
        true
    }

    fn start(&mut self, at: Timestamp, places: &[Place]) {
        let [off, stop] = self.settings.stays_s;
        let standing = off / (off + stop);
        let v = self.settings.speed_m_s.powi(2);
        let track = |place: &Place| {
            let [ee, en, nn] = place.covariance;
            let mode = |v: f64, share: f64| {
                let p = [[ee, en, 0.0, 0.0], [en, nn, 0.0, 0.0], [0.0, 0.0, v, 0.0], [0.0, 0.0, 0.0, v]];
                Mode { x: [place.at[0], place.at[1], 0.0, 0.0], p, share }
            };
            Track { weight: place.weight, steps: vec![(at, [mode(0.0, standing), mode(v, 1.0 - standing)])] }
        };
        self.tracks = places.iter().map(track).collect();
        self.prune();
    }

    /// Drops what has died out, and of two tracks that have become one the lighter.
    fn prune(&mut self) {
        self.tracks.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let total: f64 = self.tracks.iter().map(|t| t.weight).sum();
        let mut kept: Vec<Track> = Vec::new();
        for mut track in std::mem::take(&mut self.tracks) {
            track.weight /= total;
            let state = |t: &Track| mix(&t.last().1);
            let here = state(&track);
            let same = kept.iter().position(|other| {
                let there = state(other);
                let covariance = Covariance { ee_m2: there.p[0][0], en_m2: there.p[0][1], nn_m2: there.p[1][1] };
                covariance.mahalanobis2(here.x[0] - there.x[0], here.x[1] - there.x[1]) < 1.0
            });
            match same {
                Some(other) => kept[other].weight += track.weight,
                None if track.weight >= LEAST_SHARE && kept.len() < MAX_TRACKS => kept.push(track),
                None => {}
            }
        }
        let total: f64 = kept.iter().map(|t| t.weight).sum();
        kept.iter_mut().for_each(|t| t.weight /= total);
        self.tracks = kept;
    }

    /// Where the emitter is at an instant not before the last fix, by every track, the likeliest first.
    pub fn states(&self, at: Timestamp) -> Vec<State> {
        let state = |track: &Track| {
            let (last, modes) = track.last();
            let dt = (at - *last).max(Nanos(0)).as_secs_f64();
            self.state(*last + (at - *last).max(Nanos(0)), &self.motion.forward(modes, dt), track.weight)
        };
        self.tracks.iter().map(state).collect()
    }

    /// The likeliest track as all fixes together say it went, one state a fix, the oldest first.
    pub fn smoothed(&self) -> Vec<State> {
        let Some(track) = self.tracks.first() else { return Vec::new() };
        let (last, modes) = track.last();
        let mut out = vec![self.state(*last, modes, track.weight)];
        let mut later = (*last, *modes);
        for (at, filtered) in track.steps.iter().rev().skip(1) {
            later = (*at, self.motion.backward(filtered, &later.1, (later.0 - *at).as_secs_f64()));
            out.push(self.state(*at, &later.1, track.weight));
        }
        out.reverse();
        out
    }

    fn state(&self, at: Timestamp, modes: &[Mode; 2], weight: f64) -> State {
        let Mode { x, p, share } = mix(modes);
        let shared = self.settings.shared_m.powi(2);
        State {
            at,
            east_m: x[0],
            north_m: x[1],
            covariance_m2: [p[0][0] + shared, p[0][1], p[1][1] + shared],
            velocity_m_s: [x[2], x[3]],
            velocity_covariance: [p[2][2], p[2][3], p[3][3]],
            moving: modes[MOVING].share / share,
            weight,
        }
    }
}

impl Track {
    fn last(&self) -> &(Timestamp, [Mode; 2]) {
        self.steps.last().expect("a track begins with a fix")
    }
}
