//! A licensed cell whose fix excludes its registered site; reference of rule RF-11.

use super::atlas::Site;
use super::record::Placed;
use serde::{Deserialize, Serialize};

/// A fix as uncertain as this says nothing about a licensed cell's site.
const USEFUL_M: f64 = 2_000.0;
/// A licensed emitter is away from its site beyond this, and beyond so many CEP50; reference of rule RF-11.
const OFF_SITE_M: f64 = 500.0;
const OFF_SITE_CEP: f64 = 3.0;

/// A licensed emitter away from its registered site.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OffSite {
    /// From the nearest admissible place, metres.
    pub distance_m: f64,
    /// How far it may be: the larger of 500 m and three times CEP50.
    pub limit_m: f64,
    /// Fixes in a row that say so.
    pub in_a_row: u32,
}

/// Whether every admissible place is too far from the registered site.
pub(super) fn off_site(placed: &Placed, site: &Site, before: Option<OffSite>) -> Option<OffSite> {
    let timed = placed.is_timed();
    if !timed || placed.solutions.iter().any(|solution| solution.reach_m() > USEFUL_M) {
        return None;
    }
    let off = placed.solutions.iter().map(|solution| {
        let limit_m = OFF_SITE_M.max(OFF_SITE_CEP * solution.cep50_m);
        (solution.metres_to(site.lat_deg, site.lon_deg), limit_m)
    });
    let (distance_m, limit_m) = off.min_by(|a, b| (a.0 - a.1).total_cmp(&(b.0 - b.1)))?;
    let in_a_row = before.map_or(0, |before| before.in_a_row).saturating_add(1);
    (distance_m > limit_m).then_some(OffSite { distance_m: distance_m.round(), limit_m: limit_m.round(), in_a_row })
}
