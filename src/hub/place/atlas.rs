//! The ground that transmitters are placed on: registered sites and the border line, both files of the operator's.
//!
//! The probability that a transmitter is at a registered site has a prior, because without one the question has no answer: it stands at
//! one of the registered sites within [`REACH_M`] of the fix with probability one half, each of them as likely as the other, and
//! anywhere else on that disc with the other half.

use super::record::{NearSite, metres_between};
use crate::locate::country::Border;
use crate::locate::{Fix, Plane};
use crate::observation::Position;
use crate::rules::Register;
use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

/// How far a GSM cell reaches: timing advance of 63 symbols; TS 45.010 clause 5.6.
pub const REACH_M: f64 = 35_000.0;
/// Prior probability that a transmitter is at a registered site.
const AT_A_SITE: f64 = 0.5;
/// Sites named with a fix at most.
const MAX_NEAR: usize = 8;
/// A site that fits worse is named only if it is the nearest.
const LEAST_FIT: f64 = 0.001;
/// Side of a square of the index, degrees: 11 km.
const SQUARE_DEG: f64 = 0.1;

/// A registered antenna.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The register's number.
    pub register_id: String,
    /// Who holds the licence.
    pub licensee: String,
    /// Degrees, WGS-84.
    pub lat_deg: f64,
    /// Degrees, WGS-84.
    pub lon_deg: f64,
    /// Above ground, metres.
    pub antenna_height_m: Option<f64>,
    /// Where the antenna looks, degrees clockwise from north.
    pub azimuth_deg: Option<u16>,
    /// Radiated power in the middle of its beam.
    pub eirp_dbm: Option<f64>,
}

impl Site {
    /// On the ellipsoid, the ground being `ground_m` above it.
    pub fn position(&self, ground_m: f64) -> Position {
        let height_m = Some(ground_m + self.antenna_height_m.unwrap_or(0.0));
        Position { lat_deg: self.lat_deg, lon_deg: self.lon_deg, height_m, sigma_m: None }
    }
}

/// Sites by number and by place, and the border.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Atlas {
    sites: BTreeMap<String, Site>,
    squares: BTreeMap<(i32, i32), Vec<String>>,
    border: Option<Border>,
}

fn square(lat_deg: f64, lon_deg: f64) -> (i32, i32) {
    ((lat_deg / SQUARE_DEG).floor() as i32, (lon_deg / SQUARE_DEG).floor() as i32)
}

impl Atlas {
    /// The sites of a register's licences; a number that stands at several places is left out, because it names none of them.
    pub fn new(register: Option<&Register>, border: Option<Border>) -> Atlas {
        let mut sites: BTreeMap<String, Option<Site>> = BTreeMap::new();
        let entries = register.into_iter().flat_map(Register::entries).filter(|entry| entry.official);
        for entry in entries {
            let Some((lat_deg, lon_deg)) = entry.position_deg else { continue };
            let site = Site {
                register_id: entry.register_id.to_owned(),
                licensee: entry.licensee.to_owned(),
                lat_deg,
                lon_deg,
                antenna_height_m: entry.antenna_height_m,
                azimuth_deg: entry.azimuth_deg,
                eirp_dbm: entry.eirp_dbm,
            };
            let known = sites.entry(site.register_id.clone()).or_insert_with(|| Some(site.clone()));
            if known.as_ref().is_some_and(|k| (k.lat_deg, k.lon_deg) != (site.lat_deg, site.lon_deg)) {
                *known = None;
            }
        }
        let sites: BTreeMap<String, Site> = sites.into_iter().filter_map(|(id, site)| Some((id, site?))).collect();
        let mut squares: BTreeMap<(i32, i32), Vec<String>> = BTreeMap::new();
        for (id, site) in &sites {
            squares.entry(square(site.lat_deg, site.lon_deg)).or_default().push(id.clone());
        }
        Atlas { sites, squares, border }
    }

    /// The site of a licensed cell.
    pub fn site(&self, register_id: &str) -> Option<&Site> {
        self.sites.get(register_id)
    }

    /// The border line, where there is one.
    pub fn border(&self) -> Option<&Border> {
        self.border.as_ref()
    }

    /// Sites within a distance of a place (at most some hundred kilometres), by number.
    pub fn within(&self, lat_deg: f64, lon_deg: f64, metres: f64) -> Vec<&Site> {
        let lat_span = metres / 111_000.0;
        let lon_span = lat_span / lat_deg.to_radians().cos().max(0.01);
        let (low, high) =
            (square(lat_deg - lat_span, lon_deg - lon_span), square(lat_deg + lat_span, lon_deg + lon_span));
        let rows = (low.0..=high.0).flat_map(|row| self.squares.range((row, low.1)..=(row, high.1)));
        let mut near: Vec<&Site> = rows
            .flat_map(|(_, ids)| ids)
            .filter_map(|id| self.sites.get(id))
            .filter(|site| metres_between(lat_deg, lon_deg, site.lat_deg, site.lon_deg) <= metres)
            .collect();
        near.sort_by(|a, b| a.register_id.cmp(&b.register_id));
        near
    }

    /// How the registered sites stand to a fix: those that it does not exclude, and the nearest; the likeliest first.
    pub(super) fn near(&self, fix: &Fix) -> Vec<NearSite> {
        let (Some(plane), Some(middle)) = (fix.plane(), fix.best().position) else { return Vec::new() };
        let sites = self.within(middle.lat_deg, middle.lon_deg, REACH_M);
        let densities: Vec<f64> = sites.iter().map(|site| density(fix, plane, site)).collect();
        let each = AT_A_SITE / sites.len().max(1) as f64;
        let elsewhere = (1.0 - AT_A_SITE) / (PI * REACH_M * REACH_M);
        let total = elsewhere + densities.iter().map(|density| each * density).sum::<f64>();
        let thousandth = |share: f64| (share * 1000.0).round() / 1000.0;
        let mut near: Vec<NearSite> = sites
            .iter()
            .zip(&densities)
            .map(|(site, density)| {
                let place = plane.enu(&site.position(0.0));
                let off = |s: &crate::locate::Solution| {
                    (s.place.east_m - place.east_m).hypot(s.place.north_m - place.north_m)
                };
                NearSite {
                    register_id: site.register_id.clone(),
                    licensee: site.licensee.clone(),
                    lat_deg: site.lat_deg,
                    lon_deg: site.lon_deg,
                    distance_m: fix.solutions.iter().map(off).fold(f64::INFINITY, f64::min).round(),
                    fits: thousandth(1.0 - fix.surprise(place)),
                    probability: thousandth(each * density / total),
                }
            })
            .collect();
        near.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.distance_m.total_cmp(&b.distance_m)));
        let nearest = near.iter().map(|site| site.distance_m).fold(f64::INFINITY, f64::min);
        near.retain(|site| site.fits >= LEAST_FIT || site.distance_m <= nearest);
        near.truncate(MAX_NEAR);
        near
    }
}

/// The fix's probability a square metre at a site.
fn density(fix: &Fix, plane: Plane, site: &Site) -> f64 {
    let place = plane.enu(&site.position(0.0));
    let of = |s: &crate::locate::Solution| {
        let c = s.covariance;
        let root = (c.ee_m2 * c.nn_m2 - c.en_m2 * c.en_m2).max(f64::MIN_POSITIVE).sqrt();
        let off2 = c.mahalanobis2(place.east_m - s.place.east_m, place.north_m - s.place.north_m);
        s.weight * (-0.5 * off2).exp() / (TAU * root)
    };
    fix.solutions.iter().map(of).sum()
}
