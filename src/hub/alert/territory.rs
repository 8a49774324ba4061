//! Whose matter an alert is: by where the nodes stand that hear it, and by whose network it claims to be.
//!
//! A GSM cell reaches a phone at most 35 km away (timing advance of 63 symbols; TS 45.010 clause 5.6), so a node that stands within
//! 35 km of the border may be hearing a transmitter on either side: it makes the alert a matter of both regulators. Only beyond that does
//! one of them have it alone. The line below is a sketch of the land border by its crossings, good to some ten kilometres, which is
//! enough for that question and for no other; it is not a statement on where the border runs.

use crate::hub::fuse::Emitter;
use crate::hub::fuse::relate::distance_m;
use crate::observation::Position;
use serde::{Deserialize, Serialize};

/// A regulator that alerts go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regulator {
    /// National Broadcasting and Telecommunications Commission, Thailand.
    Nbtc,
    /// Telecommunication Regulator of Cambodia.
    Trc,
}

impl Regulator {
    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Regulator::Nbtc => "NBTC",
            Regulator::Trc => "TRC",
        }
    }

    /// The name of its feed, the `<tenant>` of the alert topic.
    pub fn tenant(self) -> &'static str {
        match self {
            Regulator::Nbtc => "nbtc",
            Regulator::Trc => "trc",
        }
    }

    /// The regulator that licenses networks of a mobile country code; ITU-T E.212: 520 Thailand, 456 Cambodia.
    fn of_country(mcc: u16) -> Option<Regulator> {
        match mcc {
            520 => Some(Regulator::Nbtc),
            456 => Some(Regulator::Trc),
            _ => None,
        }
    }
}

/// How far a GSM cell reaches; see above.
const REACH_M: f64 = 35_000.0;

/// Latitude and longitude of crossings from the coast to the Lao tripoint. Thailand is to the left of the way.
const BORDER: [(f64, f64); 9] = [
    (11.65, 102.91), // Hat Lek, Cham Yeam
    (12.28, 102.73),
    (12.93, 102.50), // Ban Phakkat, Phsa Prum
    (13.66, 102.55), // Ban Khlong Luek, Poipet
    (14.20, 102.95),
    (14.43, 103.70), // Chong Chom, O Smach
    (14.35, 104.06), // Chong Sa-Ngam, Choam
    (14.39, 104.68), // Preah Vihear
    (14.35, 105.20), // the tripoint
];

/// The regulators for an emitter, in order; both where neither place nor network says.
pub fn regulators(emitter: &Emitter) -> Vec<Regulator> {
    let by_place = emitter.sightings.values().filter_map(|sighting| sighting.position).flat_map(of_position);
    let plmns = emitter.identities.iter().flat_map(|seen| &seen.identity.plmns);
    let by_network = plmns.filter_map(|plmn| Regulator::of_country(plmn.mcc()));
    let mut found: Vec<Regulator> = by_place.chain(by_network).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() { vec![Regulator::Nbtc, Regulator::Trc] } else { found }
}

/// The regulators of whatever a node at `position` may be hearing.
fn of_position(position: Position) -> Vec<Regulator> {
    let flat = |(lat, lon): (f64, f64)| {
        // Metres east and north of the node on a plane: good to a percent over some hundred kilometres.
        let north = (lat - position.lat_deg) * 111_195.0;
        let east = (lon - position.lon_deg) * 111_195.0 * position.lat_deg.to_radians().cos();
        (east, north)
    };
    let nearest = BORDER
        .windows(2)
        .map(|ends| {
            let ((ax, ay), (bx, by)) = (flat(ends[0]), flat(ends[1]));
            let (dx, dy) = (bx - ax, by - ay);
            let along = (-(ax * dx + ay * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            let (x, y) = (ax + along * dx, ay + along * dy);
            // Positive: the node is to the left of the way from the coast.
            (x.hypot(y), dx * -ay - dy * -ax)
        })
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((distance, side)) = nearest else { return Vec::new() };
    let far = BORDER.iter().all(|&(lat_deg, lon_deg)| {
        distance_m(position, Position { lat_deg, lon_deg, height_m: None, sigma_m: None }) > 700_000.0
    });
    if !distance.is_finite() || far {
        Vec::new()
    } else if distance <= REACH_M {
        vec![Regulator::Nbtc, Regulator::Trc]
    } else if side > 0.0 {
        vec![Regulator::Nbtc]
    } else {
        vec![Regulator::Trc]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat_deg: f64, lon_deg: f64) -> Vec<Regulator> {
        of_position(Position { lat_deg, lon_deg, height_m: None, sigma_m: None })
    }

    #[test]
    fn a_node_at_the_border_concerns_both_regulators_and_one_far_inside_a_country_only_one() {
        assert_eq!(at(13.69, 102.50), [Regulator::Nbtc, Regulator::Trc], "Aranyaprathet");
        assert_eq!(at(13.65, 102.57), [Regulator::Nbtc, Regulator::Trc], "Poipet");
        assert_eq!(at(13.75, 100.50), [Regulator::Nbtc], "Bangkok");
        assert_eq!(at(14.99, 103.10), [Regulator::Nbtc], "Buri Ram");
        assert_eq!(at(11.56, 104.92), [Regulator::Trc], "Phnom Penh");
        assert_eq!(at(13.36, 103.86), [Regulator::Trc], "Siem Reap");
        assert_eq!(at(52.52, 13.40), [], "Berlin");
        assert_eq!(at(f64::NAN, 1.0), []);
    }
}
