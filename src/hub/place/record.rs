//! What is kept and told of a transmitter's place: the solver's answer in numbers that can be written down and read back.

use super::timekeeping::Jump;
use crate::locate::country::{Border, CountryShare};
use crate::locate::report::{FixReport, InputReport, SolutionReport, UnusedReport};
use crate::locate::{Ellipse, Enu, Fix, Method, Plane};
use crate::observation::{NodeId, Position};
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// A measurement further off than this many standard deviations does not fit.
const FITS_SIGMAS: f64 = 4.0;
/// Measurements that a place must leave over for its fit to mean anything.
const SPARE: f64 = 0.5;

/// What a place rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Frame times on clocks that know the time.
    AbsoluteTiming,
    /// Frame times differenced against licensed cells.
    RelativeTiming,
    /// Bearings.
    Bearings,
    /// Received levels alone: kilometres.
    Levels,
}

impl Basis {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Basis::AbsoluteTiming => "frame timing on disciplined clocks",
            Basis::RelativeTiming => "frame timing against licensed cells",
            Basis::Bearings => "bearings",
            Basis::Levels => "received levels alone",
        }
    }
}

impl From<Method> for Basis {
    fn from(method: Method) -> Basis {
        match method {
            Method::AbsoluteTiming => Basis::AbsoluteTiming,
            Method::RelativeTiming => Basis::RelativeTiming,
            Method::Bearings => Basis::Bearings,
            Method::Levels => Basis::Levels,
        }
    }
}

/// Where a transmitter is, or why that cannot be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// The newest observation that went into it.
    pub at_ns: Timestamp,
    /// What it rests on; `None`: there is no fix.
    pub method: Option<Basis>,
    /// Why there is no fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every admissible position, the likeliest first.
    pub solutions: Vec<Solution>,
    /// Measurements beyond those that the fit used up; near 0, nothing checks the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spare: Option<f64>,
    /// The probability for each country, by the border file; a hint, never a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries: Option<Vec<Country>>,
    /// The line behind `countries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub border: Option<Line>,
    /// Registered sites that the fix does not exclude, and the nearest one; the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<NearSite>,
    /// Licensed cells that served as the clock, by their numbers in the register.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<String>,
    /// Observations that say nothing about the place, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unused: Vec<Unused>,
    /// Licensed cells of these nodes that jumped lately; what was read of them before is not in the fix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jumps: Vec<Jump>,
    /// The way it went, where it moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Track>,
}

/// The way of an emitter that moves, or has moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// The fix that it ends with.
    pub at_ns: Timestamp,
    /// The probability that it moves then.
    pub moving: f64,
    /// How fast, metres a second.
    pub speed_m_s: f64,
    /// One standard deviation of that.
    pub speed_sigma_m_s: f64,
    /// Where to, degrees clockwise from north.
    pub course_deg: f64,
    /// Its surest fast moment: speed and one standard deviation, metres a second.
    pub top_m_s: [f64; 2],
    /// Its share among the ways that the fixes admit.
    pub weight: f64,
    /// Fixes that it rests on.
    pub fixes: u32,
    /// Smoothed by all fixes together, the oldest first; the last one is the present place.
    pub points: Vec<TrackPoint>,
}

/// A place on the way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackPoint {
    /// When.
    pub at_ns: Timestamp,
    /// Degrees, WGS-84.
    pub lat_deg: f64,
    /// Degrees, WGS-84.
    pub lon_deg: f64,
    /// One standard deviation along the ellipse's long axis, metres.
    pub sigma_m: f64,
    /// The probability that it moved then.
    pub moving: f64,
}

impl Track {
    /// In words.
    pub fn describe(&self) -> String {
        if self.moving < 0.5 {
            return "it has moved and stands now".to_owned();
        }
        let (speed, sigma) = (3.6 * self.speed_m_s, 3.6 * self.speed_sigma_m_s);
        format!("it moves at {speed:.0} ± {sigma:.0} km/h towards {:.0}°", self.course_deg)
    }
}

/// One admissible position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Solution {
    /// Degrees, WGS-84.
    pub lat_deg: f64,
    /// Degrees, WGS-84.
    pub lon_deg: f64,
    /// Its share of the probability of all admissible positions.
    pub weight: f64,
    /// Radius that holds half of its probability, metres.
    pub cep50_m: f64,
    /// The least that this geometry allows (Cramér-Rao), metres.
    pub bound_cep50_m: Option<f64>,
    /// Horizontal covariance: east, east-north, north; square metres.
    pub covariance_m2: [f64; 3],
    /// The ellipses that hold 50, 90 and 95 % of its probability.
    pub ellipses: Vec<Region>,
    /// Sum of squared normalised residuals.
    pub chi2: f64,
    /// What each measurement said.
    pub inputs: Vec<Input>,
}

/// An ellipse round an admissible position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// The share of the solution's probability in it.
    pub probability: f64,
    /// Half the long axis, metres.
    pub semi_major_m: f64,
    /// Half the short axis, metres.
    pub semi_minor_m: f64,
    /// Direction of the long axis, clockwise from north, degrees.
    pub azimuth_deg: f64,
}

/// What one measurement said about a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Whose it is.
    pub node: Option<NodeId>,
    /// `timing`, `level` or `bearing`.
    pub kind: String,
    /// Measured less expected.
    pub residual: f64,
    /// `ns`, `dB` or `deg`.
    pub unit: String,
    /// The residual over its standard deviation.
    pub normalised: f64,
    /// How much of it the fit used up, 0 to 1: near 1, nothing checks it.
    pub leverage: f64,
    /// Probability that its path has no line of sight.
    pub late: f64,
}

impl Input {
    /// It fits the place, and by a direct path.
    fn fits(&self) -> bool {
        self.normalised.abs() < FITS_SIGMAS && self.late < 0.5
    }
}

/// The share of the probability that lies in a country.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Country {
    /// The country's code as in the border file; `None`: in none that it knows.
    pub code: Option<String>,
    /// 0 to 1.
    pub probability: f64,
}

/// Which line the countries are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Who drew it.
    pub source: String,
    /// Of when it is.
    pub date: String,
    /// What a reader must know.
    pub note: String,
}

/// How a registered site stands to a fix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearSite {
    /// The register's number of a cell there.
    pub register_id: String,
    /// Who holds the licence.
    pub licensee: String,
    /// Degrees, WGS-84.
    pub lat_deg: f64,
    /// Degrees, WGS-84.
    pub lon_deg: f64,
    /// From the nearest admissible position, metres.
    pub distance_m: f64,
    /// The share of the fix's probability that lies further out than the site: below 0.05 the transmitter is not there.
    pub fits: f64,
    /// The probability that the transmitter is at this site, under the prior of [`super::atlas`].
    pub probability: f64,
}

/// An observation that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unused {
    /// Whose.
    pub node: NodeId,
    /// Why.
    pub reason: String,
}

impl Placed {
    /// No fix, and why.
    pub(super) fn none(at_ns: Timestamp, reason: &str) -> Placed {
        Placed {
            at_ns,
            method: None,
            reason: Some(reason.to_owned()),
            solutions: Vec::new(),
            spare: None,
            countries: None,
            border: None,
            sites: Vec::new(),
            clocks: Vec::new(),
            unused: Vec::new(),
            jumps: Vec::new(),
            track: None,
        }
    }

    /// It rests on frame timing.
    pub fn is_timed(&self) -> bool {
        matches!(self.method, Some(Basis::AbsoluteTiming | Basis::RelativeTiming))
    }

    /// It moves, more likely than not.
    pub fn moves(&self) -> bool {
        self.track.as_ref().is_some_and(|track| track.moving >= 0.5)
    }

    /// Adds the probability for each country.
    pub(super) fn add_countries(&mut self, fix: &Fix, border: Option<&Border>) {
        let country = |share: CountryShare| Country { code: share.code, probability: share.probability };
        self.countries =
            border.and_then(|border| border.shares(fix)).map(|shares| shares.into_iter().map(country).collect());
        let line = |b: &Border| Line { source: b.source.clone(), date: b.date.clone(), note: b.note.clone() };
        self.border = border.filter(|_| self.countries.is_some()).map(line);
    }

    /// The likeliest place fits every frame time as a direct path, with measurements to spare that could have contradicted it.
    pub fn explains_all(&self) -> bool {
        let fits = |input: &Input| input.kind != "timing" || input.fits();
        let checked = self.spare.is_some_and(|spare| spare >= SPARE);
        checked && self.best().is_some_and(|best| best.inputs.iter().all(fits))
    }

    /// Whether measurements were left over that could have shown the place to be wrong, and whether they did, in words.
    pub fn checked(&self) -> Option<String> {
        let (spare, best) = (self.spare?, self.best()?);
        if spare < SPARE {
            return Some(
                "not checked: there are just enough measurements for a place, and none left over that could show one of them to be wrong"
                    .to_owned(),
            );
        }
        let more = match spare.round().max(1.0) {
            1.0 => "one measurement more than a place needs".to_owned(),
            n => format!("{n:.0} measurements more than a place needs"),
        };
        let odd = best.inputs.iter().filter(|input| !input.fits()).count();
        let verdict = match odd {
            0 => "all of them agree".to_owned(),
            1 => "one of all does not agree and counts little".to_owned(),
            n => format!("{n} of all do not agree and count little"),
        };
        Some(format!("there is about {more}: {verdict}"))
    }

    /// The likeliest position.
    pub fn best(&self) -> Option<&Solution> {
        self.solutions.first()
    }

    /// One line for a list: where, how sure, by what; or why there is no fix.
    pub fn describe(&self) -> String {
        let Some(best) = self.best() else {
            return format!("no fix: {}", self.reason.as_deref().unwrap_or("nothing was measured"));
        };
        let others = match self.solutions.len() {
            1 => String::new(),
            2 => format!(", one of two possible places (weight {:.0} %)", 100.0 * best.weight),
            n => format!(", one of {n} possible places (weight {:.0} %)", 100.0 * best.weight),
        };
        let by = self.method.map_or("", Basis::words);
        let moves = self.track.as_ref().map_or(String::new(), |track| format!("; {}", track.describe()));
        format!("{:.5}, {:.5} ± {:.0} m (95 %) by {by}{others}{moves}", best.lat_deg, best.lon_deg, best.reach_m())
    }

    /// Whether this says something else than `before`: another method, another number of places, a region of half or twice the size, or a
    /// best place outside the region that was given before.
    pub fn differs(&self, before: &Placed) -> bool {
        let (Some(new), Some(old)) = (self.best(), before.best()) else {
            return self.best().is_some() != before.best().is_some();
        };
        if self.moves() != before.moves() {
            return true;
        }
        let ratio = new.reach_m() / old.reach_m().max(1.0);
        self.method != before.method
            || self.solutions.len() != before.solutions.len()
            || !(0.5..=2.0).contains(&ratio)
            || metres_between(new.lat_deg, new.lon_deg, old.lat_deg, old.lon_deg) > old.reach_m()
    }
}

/// Metres between two places a few hundred kilometres apart at most; a plane is good to a percent there.
pub(super) fn metres_between(lat_a: f64, lon_a: f64, lat_b: f64, lon_b: f64) -> f64 {
    let at = |lat_deg, lon_deg| Position { lat_deg, lon_deg, height_m: None, sigma_m: None };
    crate::hub::fuse::relate::distance_m(at(lat_a, lon_a), at(lat_b, lon_b))
}

impl Region {
    /// The corners round `middle`, counter-clockwise and closed, longitude first, to a decimetre.
    pub fn outline(&self, middle: &Solution, corners: usize) -> Vec<[f64; 2]> {
        let plane = Plane::at(middle.lat_deg, middle.lon_deg);
        let (sin, cos) = self.azimuth_deg.to_radians().sin_cos();
        let corner = |i: usize| {
            let (b, a) = (-TAU * (i % corners.max(1)) as f64 / corners.max(1) as f64).sin_cos();
            let (along, across) = (self.semi_major_m * a, self.semi_minor_m * b);
            let (east_m, north_m) = (along * sin + across * cos, along * cos - across * sin);
            let at = plane.position(Enu { east_m, north_m, up_m: 0.0 });
            [at.lon_deg, at.lat_deg].map(|deg| (deg * 1e6).round() / 1e6)
        };
        (0..=corners).map(corner).collect()
    }
}

impl Solution {
    /// Metres from its middle to a place.
    pub fn metres_to(&self, lat_deg: f64, lon_deg: f64) -> f64 {
        metres_between(self.lat_deg, self.lon_deg, lat_deg, lon_deg)
    }

    /// Half the long axis of the 95 % ellipse, metres.
    pub fn reach_m(&self) -> f64 {
        self.ellipses.last().map_or(f64::INFINITY, |region| region.semi_major_m)
    }
}

impl From<FixReport> for Placed {
    fn from(report: FixReport) -> Placed {
        let unused = |u: UnusedReport| Unused { node: u.node, reason: u.reason };
        Placed {
            at_ns: report.at_ns,
            method: report.method.map(Basis::from),
            reason: report.reason,
            solutions: report.solutions.into_iter().map(Solution::from).collect(),
            spare: report.spare,
            countries: None,
            border: None,
            sites: Vec::new(),
            clocks: Vec::new(),
            unused: report.unused.into_iter().map(unused).collect(),
            jumps: Vec::new(),
            track: None,
        }
    }
}

impl From<SolutionReport> for Solution {
    fn from(report: SolutionReport) -> Solution {
        let region = |e: Ellipse| Region {
            probability: e.probability,
            semi_major_m: e.semi_major_m,
            semi_minor_m: e.semi_minor_m,
            azimuth_deg: e.azimuth_deg,
        };
        let input = |i: InputReport| Input {
            node: i.node,
            kind: i.kind.to_owned(),
            residual: i.residual,
            unit: i.unit.to_owned(),
            normalised: i.normalised,
            leverage: i.leverage,
            late: i.late,
        };
        Solution {
            lat_deg: report.lat_deg,
            lon_deg: report.lon_deg,
            weight: report.weight,
            cep50_m: report.cep50_m,
            bound_cep50_m: report.bound_cep50_m,
            covariance_m2: report.covariance_m2,
            ellipses: report.ellipses.into_iter().map(region).collect(),
            chi2: report.chi2,
            inputs: report.inputs.into_iter().map(input).collect(),
        }
    }
}
