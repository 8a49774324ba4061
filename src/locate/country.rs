//! In which country: probabilities from a file of border polygons.
//!
//! The file is GeoJSON (RFC 7946): a FeatureCollection of polygons with `properties.code`, and beside them `source`, `date`,
//! `accuracy_m` and `note`. It is replaceable and an operator's own responsibility: states dispute several stretches of this border, so
//! a probability for a country is a hint for whom to call, never a finding. The line's own accuracy is added to the fix's.

mod bands;

use super::fix::Fix;
use super::geodesy::Enu;
use crate::observation::Position;
use bands::Bands;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::f64::consts::TAU;

/// Corners that a file may have; the land borders of both countries at full resolution have some 100,000.
pub const MAX_CORNERS: usize = 2_000_000;

/// Metres in a degree of latitude, on average.
const DEGREE_M: f64 = 111_195.0;
/// A distance is looked for within this first, degrees of latitude.
const NEAR_DEG: f64 = 0.1;
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
    bands: Bands,
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
        let mut file: File = serde_json::from_str(text)?;
        if !(0.0..=100_000.0).contains(&file.accuracy_m) {
            let allowed = "0 to 100000 metres";
            return Err(BorderError::Value { what: "accuracy_m", value: file.accuracy_m, allowed });
        }
        let mut corners = 0;
        let mut countries = Vec::with_capacity(file.features.len());
        for feature in std::mem::take(&mut file.features) {
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
        let (bands, File { source, date, accuracy_m, note, .. }) = (Bands::new(&countries), file);
        Ok(Border { source, date, accuracy_m, note, countries, bands })
    }

    /// Each country's code and polygons: rings of longitude and latitude, the outline first and then its holes. For drawing.
    pub fn outlines(&self) -> impl Iterator<Item = (&str, &[Vec<Vec<[f64; 2]>>])> {
        self.countries.iter().map(|country| (country.code.as_str(), country.polygons.as_slice()))
    }

    /// The country that a place lies in by this file's line.
    pub fn country(&self, place: &Position) -> Option<&str> {
        self.bands.country([place.lon_deg, place.lat_deg]).map(|number| self.countries[number].code.as_str())
    }

    /// How far a place is from the nearest line of the file, metres; infinite beyond some hundred kilometres. On a plane at the place,
    /// good to a percent.
    pub fn distance_m(&self, place: &Position) -> f64 {
        let north = DEGREE_M;
        let east = DEGREE_M * place.lat_deg.to_radians().cos();
        let at = [place.lon_deg, place.lat_deg];
        // Near first: most lookups end there.
        let near = self.bands.distance2(at, [east, north], NEAR_DEG).filter(|d2| *d2 <= (NEAR_DEG * north).powi(2));
        near.or_else(|| self.bands.distance2(at, [east, north], 10.0 * NEAR_DEG)).map_or(f64::INFINITY, f64::sqrt)
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
            let middle = plane.position(solution.place);
            let outermost = (-2.0 * (0.5 / RADII as f64).ln()).sqrt() * long;
            let east_deg = outermost / (DEGREE_M * (middle.lat_deg.abs() + 1.0).to_radians().cos().max(1e-3)) * 1.02;
            let (span, at) = ([east_deg, outermost / DEGREE_M * 1.02], [middle.lon_deg, middle.lat_deg]);
            if !self.bands.may_cross([0, 1].map(|i| at[i] - span[i]), [0, 1].map(|i| at[i] + span[i])) {
                // All of it lies on one side of every line.
                *shares.entry(self.country(&middle)).or_default() += solution.weight;
                continue;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locate::Plane;

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

    /// Whether a ring goes round a point, by all of its edges: what the bands must agree with.
    fn goes_round(ring: &[[f64; 2]], at: [f64; 2]) -> bool {
        let crosses = |edge: &[[f64; 2]]| {
            let (a, b) = (edge[0], edge[1]);
            (a[1] > at[1]) != (b[1] > at[1]) && at[0] < a[0] + (b[0] - a[0]) * (at[1] - a[1]) / (b[1] - a[1])
        };
        ring.windows(2).filter(|edge| crosses(edge)).count() % 2 == 1
    }

    #[test]
    fn a_place_looked_up_by_its_latitude_is_where_all_edges_say() {
        let border = Border::parse(SAMPLE).unwrap();
        let mut found = [0; 2];
        for i in 0..120 {
            for j in 0..120 {
                let at = place(10.5 + 0.0457 * f64::from(i), 100.7 + 0.0461 * f64::from(j));
                let point = [at.lon_deg, at.lat_deg];
                let inside = |p: &Polygon| p.iter().filter(|ring| goes_round(ring, point)).count() % 2 == 1;
                let want = border.countries.iter().find(|c| c.polygons.iter().any(inside)).map(|c| c.code.as_str());
                assert_eq!(border.country(&at), want, "{at:?}");
                found[usize::from(want.is_some())] += 1;
            }
        }
        assert!(found[0] > 500 && found[1] > 5000, "{found:?}");
    }

    #[test]
    fn the_distance_of_the_line_is_that_of_its_nearest_edge() {
        let border = Border::parse(SAMPLE).unwrap();
        // Every corner is on the line; half a degree of walking away from a corner is at most that far.
        let corner = border.countries[0].polygons[0][0][3];
        let at = place(corner[1], corner[0]);
        assert!(border.distance_m(&at) < 1.0);
        for place in [place(13.80, 102.05), place(13.36, 103.86), place(13.66, 102.55)] {
            let flat = Plane::at(place.lat_deg, place.lon_deg);
            let all = border.countries.iter().flat_map(|c| &c.polygons).flatten().flat_map(|ring| ring.windows(2));
            let steps = all.flat_map(|edge| {
                let (a, b) = (edge[0], edge[1]);
                (0..=50).map(move |k| [0, 1].map(|i| a[i] + (b[i] - a[i]) * f64::from(k) / 50.0))
            });
            let off = |[lon_deg, lat_deg]: [f64; 2]| {
                let at = flat.enu(&Position { lat_deg, lon_deg, ..place });
                at.east_m.hypot(at.north_m)
            };
            let slowly = steps.map(off).fold(f64::INFINITY, f64::min);
            let quickly = border.distance_m(&place);
            assert!((quickly / slowly - 1.0).abs() < 0.02 || (quickly - slowly).abs() < 60.0, "{quickly} {slowly}");
        }
    }
}
