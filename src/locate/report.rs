//! Fixes as JSON and as GeoJSON (RFC 7946), numbers rounded to what they are worth.

use super::country::{Border, CountryShare};
use super::fix::{Ellipse, Fix, Influence, Input, Method, NoFix, Solution};
use super::gather::Suspect;
use super::geodesy::Enu;
use crate::cell::CellKey;
use crate::observation::{NodeId, Position};
use crate::units::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// What is said about one transmitter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FixReport {
    /// `fix`.
    pub r#type: &'static str,
    /// What was heard.
    pub cell: CellKey,
    /// When it was last heard.
    pub at_ns: Timestamp,
    /// What the fix rests on; `None`: there is none.
    pub method: Option<Method>,
    /// Why there is no fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every admissible position, the likeliest first.
    pub solutions: Vec<SolutionReport>,
    /// Measurements beyond those that the fit used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spare: Option<f64>,
    /// The probability for each country, by the border file; a hint, never a finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub countries: Option<Vec<CountryShare>>,
    /// The line behind `countries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub border: Option<BorderReport>,
    /// What was left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unused: Vec<UnusedReport>,
}

/// Which line the countries are told apart by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BorderReport {
    /// Who drew it.
    pub source: String,
    /// Of when it is.
    pub date: String,
    /// What a reader must know.
    pub note: String,
}

/// An observation that was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnusedReport {
    /// Whose.
    pub node: NodeId,
    /// Why.
    pub reason: String,
}

/// One admissible position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SolutionReport {
    /// Degrees.
    pub lat_deg: f64,
    /// Degrees.
    pub lon_deg: f64,
    /// Its share of the probability.
    pub weight: f64,
    /// Radius that holds half of its probability, metres.
    pub cep50_m: f64,
    /// The least that this geometry allows (Cramér-Rao), metres.
    pub bound_cep50_m: Option<f64>,
    /// Horizontal covariance: east, east-north, north; square metres.
    pub covariance_m2: [f64; 3],
    /// 50, 90 and 95 %.
    pub ellipses: Vec<Ellipse>,
    /// Sum of squared normalised residuals.
    pub chi2: f64,
    /// What each measurement said.
    pub inputs: Vec<InputReport>,
}

/// What one measurement said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InputReport {
    /// Whose it is; `None` for one that was not gathered from observations.
    pub node: Option<NodeId>,
    /// `timing`, `level` or `bearing`.
    pub kind: &'static str,
    /// Measured less expected.
    pub residual: f64,
    /// `ns`, `dB` or `deg`.
    pub unit: &'static str,
    /// Over its standard deviation.
    pub normalised: f64,
    /// How much of it the fit used up.
    pub leverage: f64,
    /// Probability that its path has no line of sight.
    pub late: f64,
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

impl FixReport {
    /// The report of a suspect's fix, or of why it has none.
    pub fn new(suspect: &Suspect, fix: Result<&Fix, &NoFix>, border: Option<&Border>) -> FixReport {
        let found = fix.ok();
        let countries = found.zip(border).and_then(|(fix, border)| border.shares(fix));
        let solution = |s| SolutionReport::new(s, suspect);
        FixReport {
            r#type: "fix",
            cell: suspect.cell,
            at_ns: suspect.at,
            method: found.map(|fix| fix.method),
            reason: fix.err().map(NoFix::to_string),
            solutions: found.map(|fix| fix.solutions.iter().filter_map(solution).collect()).unwrap_or_default(),
            spare: found.map(|fix| rounded(fix.spare, 2)),
            border: border.filter(|_| countries.is_some()).map(|b| BorderReport {
                source: b.source.clone(),
                date: b.date.clone(),
                note: b.note.clone(),
            }),
            countries,
            unused: suspect
                .unused
                .iter()
                .map(|u| UnusedReport { node: u.node.clone(), reason: u.reason.to_string() })
                .collect(),
        }
    }

    /// The 95 % regions of all solutions, and their middles, as GeoJSON features.
    pub fn features(&self, fix: &Fix) -> Vec<Value> {
        let mut features = Vec::new();
        for (report, solution) in self.solutions.iter().zip(&fix.solutions) {
            let properties = |what: &str| {
                json!({
                    "what": what, "cell": self.cell, "at_ns": self.at_ns, "weight": report.weight,
                    "cep50_m": report.cep50_m, "method": self.method,
                })
            };
            features.push(json!({
                "type": "Feature", "properties": properties("position"),
                "geometry": {"type": "Point", "coordinates": [report.lon_deg, report.lat_deg]},
            }));
            if let Some(outline) = outline(fix, solution) {
                features.push(json!({
                    "type": "Feature", "properties": properties("region of 95 %"),
                    "geometry": {"type": "Polygon", "coordinates": [outline]},
                }));
            }
        }
        features
    }
}

/// The corners of the 95 % ellipse, counter-clockwise and closed, longitude first.
fn outline(fix: &Fix, solution: &Solution) -> Option<Vec<[f64; 2]>> {
    const CORNERS: usize = 64;
    let plane = fix.plane()?;
    let ellipse = solution.ellipse(0.95);
    let (sin, cos) = ellipse.azimuth_deg.to_radians().sin_cos();
    let corner = |i: usize| {
        let (b, a) = (-std::f64::consts::TAU * (i % CORNERS) as f64 / CORNERS as f64).sin_cos();
        let (along, across) = (ellipse.semi_major_m * a, ellipse.semi_minor_m * b);
        let place = Enu {
            east_m: solution.place.east_m + along * sin + across * cos,
            north_m: solution.place.north_m + along * cos - across * sin,
            up_m: solution.place.up_m,
        };
        let position = plane.position(place);
        [rounded(position.lon_deg, 6), rounded(position.lat_deg, 6)]
    };
    Some((0..=CORNERS).map(corner).collect())
}

impl SolutionReport {
    fn new(solution: &Solution, suspect: &Suspect) -> Option<SolutionReport> {
        let Position { lat_deg, lon_deg, .. } = solution.position?;
        let covariance = solution.covariance;
        let ellipse = |e: Ellipse| Ellipse {
            semi_major_m: rounded(e.semi_major_m, 1),
            semi_minor_m: rounded(e.semi_minor_m, 1),
            azimuth_deg: rounded(e.azimuth_deg, 1),
            ..e
        };
        Some(SolutionReport {
            lat_deg: rounded(lat_deg, 7),
            lon_deg: rounded(lon_deg, 7),
            weight: rounded(solution.weight, 4),
            cep50_m: rounded(solution.cep50_m(), 1),
            bound_cep50_m: solution.bound.map(|b| rounded(b.cep50_m(), 1)),
            covariance_m2: [covariance.ee_m2, covariance.en_m2, covariance.nn_m2].map(|v| rounded(v, 1)),
            ellipses: solution.ellipses().map(ellipse).to_vec(),
            chi2: rounded(solution.chi2, 2),
            inputs: solution.influences.iter().map(|i| InputReport::new(i, suspect)).collect(),
        })
    }
}

impl InputReport {
    fn new(influence: &Influence, suspect: &Suspect) -> InputReport {
        let (kind, unit, node) = match influence.input {
            Input::Arrival(i) => ("timing", "ns", suspect.arrivals.get(i)),
            Input::Level(i) => ("level", "dB", suspect.levels.get(i)),
            Input::Bearing(i) => ("bearing", "deg", suspect.bearings.get(i)),
        };
        InputReport {
            node: node.cloned(),
            kind,
            residual: rounded(influence.residual, 1),
            unit,
            normalised: rounded(influence.normalised, 2),
            leverage: rounded(influence.leverage, 3),
            late: rounded(influence.late, 3),
        }
    }
}
