//! In which country: probabilities from a file of border polygons.
//!
//! The file is GeoJSON (RFC 7946): a FeatureCollection of polygons with `properties.code`, and beside them `source`, `date`,
//! `accuracy_m` and `note`. It is replaceable and an operator's own responsibility: states dispute several stretches of this border, so
//! a probability for a country is a hint for whom to call, never a finding. The line's own accuracy is added to the fix's.

use super::fix::Fix;
use super::geodesy::Enu;
use crate::observation::Position;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::f64::consts::TAU;

/// Corners that a file may have; the land borders of both countries at full resolution have some 100,000.
pub const MAX_CORNERS: usize = 2_000_000;

/// Equally probable radii and directions that a solution is sampled at.
const RADII: usize = 32;
const DIRECTIONS: usize = 64;

/// Countries' outlines with where they come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Border {
    /// Who drew the line.
    pub source: String,
    /// Of when it is.
    pub date: String,
    /// One standard deviation of the line, metres.
    pub accuracy_m: f64,
    /// What a reader must know about it.
    pub note: String,
    countries: Vec<Country>,
}

#[derive(Clone, Debug, PartialEq)]
struct Country {
    code: String,
    polygons: Vec<Polygon>,
}

/// Rings of longitude and latitude; the first is the outline, the others are holes.
type Polygon = Vec<Vec<[f64; 2]>>;

/// The share of a fix's probability that lies in a country. Never a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CountryShare {
    /// The country's code as in the file; `None`: in none that the file knows.
    pub code: Option<String>,
    /// 0 to 1, to a thousandth.
    pub probability: f64,
}

/// Why a border file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BorderError {
    /// Not JSON, or without a member that it must have.
    #[error(
        "the border file cannot be read: {0}; it must be a GeoJSON FeatureCollection with source, date and accuracy_m"
    )]
    Syntax(#[from] serde_json::Error),
    /// A number out of its range.
    #[error("the border file's {what} is {value}; it must be {allowed}")]
    Value {
        /// What.
        what: &'static str,
        /// As written.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A ring without an area.
    #[error(
        "the border file's {code} has a ring of {corners} corners; a ring has at least 4, the last being the first"
    )]
    Ring {
        /// Which country.
        code: String,
        /// How many corners.
        corners: usize,
    },
    /// No country at all, or too many corners.
    #[error("the border file has {corners} corners; it must have 4 to {MAX_CORNERS}")]
    Size {
        /// How many.
        corners: usize,
    },
}

#[derive(Deserialize)]
struct File {
    source: String,
    date: String,
    accuracy_m: f64,
    #[serde(default)]
    note: String,
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    properties: Properties,
    geometry: Geometry,
}

#[derive(Deserialize)]
struct Properties {
    code: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    Polygon(Vec<Vec<Vec<f64>>>),
    MultiPolygon(Vec<Vec<Vec<Vec<f64>>>>),
}

impl Border {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`BorderError`] naming what is wrong.
    pub fn parse(text: &str) -> Result<Border, BorderError> {
        let file: File = serde_json::from_str(text)?;
        if !(0.0..=100_000.0).contains(&file.accuracy_m) {
            let allowed = "0 to 100000 metres";
            return Err(BorderError::Value { what: "accuracy_m", value: file.accuracy_m, allowed });
        }
        let mut corners = 0;
        let mut countries = Vec::with_capacity(file.features.len());
        for feature in file.features {
            let code = feature.properties.code;
            let polygons = match feature.geometry {
                Geometry::Polygon(polygon) => vec![polygon],
                Geometry::MultiPolygon(polygons) => polygons,
            };
            let polygons = polygons
                .into_iter()
                .map(|rings| rings.into_iter().map(|ring| corners_of(ring, &code, &mut corners)).collect())
                .collect::<Result<Vec<Polygon>, _>>()?;
            countries.push(Country { code, polygons });
        }
        if !(4..=MAX_CORNERS).contains(&corners) {
            return Err(BorderError::Size { corners });
        }
        Ok(Border { source: file.source, date: file.date, accuracy_m: file.accuracy_m, note: file.note, countries })
    }

    /// Each country's code and polygons: rings of longitude and latitude, the outline first and then its holes. For drawing.
    pub fn outlines(&self) -> impl Iterator<Item = (&str, &[Vec<Vec<[f64; 2]>>])> {
        self.countries.iter().map(|country| (country.code.as_str(), country.polygons.as_slice()))
    }

    /// The country that a place lies in by this file's line.
    pub fn country(&self, place: &Position) -> Option<&str> {
        let at = [place.lon_deg, place.lat_deg];
        // A point is inside where an odd number of rings goes round it: a hole takes out what the outline took in.
        let inside = |polygon: &Polygon| polygon.iter().filter(|ring| goes_round(ring, at)).count() % 2 == 1;
        self.countries.iter().find(|c| c.polygons.iter().any(inside)).map(|c| c.code.as_str())
    }

    /// The probability for each country, the likeliest first; shares below a thousandth are left out.
    ///
    /// Every admissible solution counts with its weight. `None` for a fix without a plane.
    pub fn shares(&self, fix: &Fix) -> Option<Vec<CountryShare>> {
        let plane = fix.plane()?;
        let mut shares: BTreeMap<Option<&str>, f64> = BTreeMap::new();
        let each = 1.0 / (RADII * DIRECTIONS) as f64;
        let line = self.accuracy_m * self.accuracy_m;
        for solution in &fix.solutions {
            let mut wide = solution.covariance;
            wide.ee_m2 += line;
            wide.nn_m2 += line;
            let (long, short, azimuth_deg) = wide.axes();
            let (sin, cos) = azimuth_deg.to_radians().sin_cos();
            for i in 0..RADII {
                let radius = (-2.0 * (1.0 - (i as f64 + 0.5) / RADII as f64).ln()).sqrt();
                for j in 0..DIRECTIONS {
                    let (b, a) = (TAU * (j as f64 + 0.5) / DIRECTIONS as f64).sin_cos();
                    let (along, across) = (radius * long * a, radius * short * b);
                    let place = Enu {
                        east_m: solution.place.east_m + along * sin + across * cos,
                        north_m: solution.place.north_m + along * cos - across * sin,
                        up_m: solution.place.up_m,
                    };
                    *shares.entry(self.country(&plane.position(place))).or_default() += solution.weight * each;
                }
            }
        }
        let mut shares: Vec<CountryShare> = shares
            .into_iter()
            .map(|(code, p)| CountryShare { code: code.map(str::to_owned), probability: (p * 1000.0).round() / 1000.0 })
            .filter(|share| share.probability > 0.0)
            .collect();
        shares.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Some(shares)
    }
}

fn corners_of(ring: Vec<Vec<f64>>, code: &str, corners: &mut usize) -> Result<Vec<[f64; 2]>, BorderError> {
    if ring.len() < 4 {
        return Err(BorderError::Ring { code: code.to_owned(), corners: ring.len() });
    }
    *corners += ring.len();
    ring.into_iter()
        .map(|corner| match corner[..] {
            [lon, lat, ..] if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) => Ok([lon, lat]),
            _ => {
                let value = corner.first().copied().unwrap_or(f64::NAN);
                let allowed = "longitude and latitude in degrees";
                Err(BorderError::Value { what: "corner", value, allowed })
            }
        })
        .collect()
}

/// Whether a ring goes round a point, by the parity of its edges that a ray east crosses.
fn goes_round(ring: &[[f64; 2]], at: [f64; 2]) -> bool {
    let crosses = |edge: &[[f64; 2]]| {
        let (a, b) = (edge[0], edge[1]);
        (a[1] > at[1]) != (b[1] > at[1]) && at[0] < a[0] + (b[0] - a[0]) * (at[1] - a[1]) / (b[1] - a[1])
    };
    ring.windows(2).filter(|edge| crosses(edge)).count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Natural Earth by way of world-atlas; see tests/data/locate/README.md.
    const SAMPLE: &str = include_str!("../../tests/data/locate/border-sample.geojson");

    fn place(lat_deg: f64, lon_deg: f64) -> Position {
        Position { lat_deg, lon_deg, height_m: None, sigma_m: None }
    }

    #[test]
    fn towns_lie_in_their_countries() {
        let border = Border::parse(SAMPLE).unwrap();
        assert!(border.source.contains("Natural Earth") && border.note.contains("disputed"));
        // Coordinates of the towns from general gazetteers, to 0.05 degrees.
        let towns = [
            ("TH", 13.80, 102.05), // Sa Kaeo
            ("TH", 14.88, 103.49), // Surin
            ("KH", 13.10, 103.20), // Battambang
            ("KH", 13.36, 103.86), // Siem Reap
            ("KH", 11.57, 104.92), // Phnom Penh
            ("LA", 15.12, 105.80), // Pakse
        ];
        for (code, lat, lon) in towns {
            assert_eq!(border.country(&place(lat, lon)), Some(code), "{lat} {lon}");
        }
        assert_eq!(border.country(&place(11.2, 102.0)), None, "the Gulf of Thailand");
    }

    #[test]
    fn a_hole_is_outside_and_a_broken_file_says_why() {
        let file = |rings: &str, accuracy: f64| {
            format!(
                r#"{{"source":"x","date":"2026","accuracy_m":{accuracy},"features":[{{"properties":{{"code":"A"}},
                "geometry":{{"type":"Polygon","coordinates":[{rings}]}}}}]}}"#
            )
        };
        let (outer, hole) = ("[[0,0],[9,0],[9,9],[0,9],[0,0]]", "[[3,3],[6,3],[6,6],[3,6],[3,3]]");
        let border = Border::parse(&file(&format!("{outer},{hole}"), 0.0)).unwrap();
        assert_eq!(border.country(&place(1.0, 1.0)), Some("A"));
        assert_eq!(border.country(&place(4.0, 4.0)), None);
        let error = |text: String| Border::parse(&text).unwrap_err().to_string();
        assert!(error(file(outer, -1.0)).contains("accuracy_m is -1"));
        assert!(error(file("[[0,0],[1,1],[0,0]]", 0.0)).contains("3 corners"));
        assert!(error(file("[[0,0],[200,0],[9,9],[0,0]]", 0.0)).contains("corner is 200"));
        assert!(error("{}".into()).contains("source"));
    }
}
