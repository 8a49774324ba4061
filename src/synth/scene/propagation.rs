//! From a transmitter to a node: distance, delay, loss.
//!
//! ## References
//! - Hata, "Empirical formula for propagation loss in land mobile radio services", IEEE Trans. Veh. Technol. 29 (1980)
//! - ITU-R P.525-4: free-space attenuation
//! - NIMA TR8350.2: World Geodetic System 1984

use crate::observation::Position;
use crate::synth::gsm::Picos;
use crate::units::{Db, Hz};

/// Semi-major axis of the WGS-84 ellipsoid, metres.
const SEMI_MAJOR: f64 = 6_378_137.0;

/// Flattening of the WGS-84 ellipsoid.
const FLATTENING: f64 = 1.0 / 298.257_223_563;

/// Speed of light in vacuum, metres a second; the excess of air is 0.3 ns a kilometre.
const LIGHT: f64 = 299_792_458.0;

/// Earth-centred coordinates, metres.
fn cartesian(position: &Position) -> [f64; 3] {
    let (lat, lon) = (position.lat_deg.to_radians(), position.lon_deg.to_radians());
    let height = position.height_m.unwrap_or(0.0);
    let e2 = FLATTENING * (2.0 - FLATTENING);
    let normal = SEMI_MAJOR / (1.0 - e2 * lat.sin().powi(2)).sqrt();
    [
        (normal + height) * lat.cos() * lon.cos(),
        (normal + height) * lat.cos() * lon.sin(),
        (normal * (1.0 - e2) + height) * lat.sin(),
    ]
}

/// The straight line between two antennas, metres. At 30 km it is 3 cm shorter than the geodesic.
pub fn distance_m(a: &Position, b: &Position) -> f64 {
    let (a, b) = (cartesian(a), cartesian(b));
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// How long a wave takes for so many metres.
pub fn delay(distance_m: f64) -> Picos {
    Picos::from_secs_f64(distance_m / LIGHT)
}

/// Median loss between isotropic antennas, without shadowing: Hata's open area, and never less than free space.
///
/// `transmitter_m`, `receiver_m`: heights of the antennas above ground. Hata's formula holds for 1 to 20 km, 30 to 200 m and 1 to 10 m; the
/// transmitter is taken as at least 10 m high, below which the formula loses its meaning.
pub fn path_loss(carrier: Hz, distance_m: f64, transmitter_m: f64, receiver_m: f64) -> Db {
    let mhz = (carrier.0 / 1e6).log10();
    let km = (distance_m.max(10.0) / 1e3).log10();
    let base = transmitter_m.max(10.0).log10();
    let mobile = (1.1 * mhz - 0.7) * receiver_m.clamp(1.0, 10.0) - (1.56 * mhz - 0.8);
    let urban = 69.55 + 26.16 * mhz - 13.82 * base - mobile + (44.9 - 6.55 * base) * km;
    let open = urban - 4.78 * mhz * mhz + 18.33 * mhz - 40.94;
    let free = 32.45 + 20.0 * mhz + 20.0 * km;
    Db(open.max(free))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_agree_with_an_independent_geodesic() {
        // GeographicLib (Karney 2013) by its PyPI package, WGS-84 inverse problem: tests/data/synth/README.md.
        let at = |lat_deg, lon_deg| Position { lat_deg, lon_deg, height_m: Some(0.0), sigma_m: None };
        let market = at(13.69, 102.5);
        for (lat, lon, geodesic) in [(13.662, 102.548, 6046.635), (13.5, 102.7, 30_171.833)] {
            let distance = distance_m(&market, &at(lat, lon));
            assert!((distance - geodesic).abs() < 0.05, "{distance} {geodesic}");
        }
    }

    #[test]
    fn free_space_loss_at_one_kilometre_and_900_mhz_is_91_5_db() {
        // ITU-R P.525-4: 32.4 + 20 log f + 20 log d.
        assert!((path_loss(Hz(900e6), 1000.0, 35.0, 10.0).0 - 91.5).abs() < 0.1);
        assert!(path_loss(Hz(900e6), 10_000.0, 35.0, 1.5).0 > 115.0);
    }
}
