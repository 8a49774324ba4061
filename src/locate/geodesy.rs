//! The local tangent plane: WGS-84 degrees to metres east, north and up of an origin, and back.
//!
//! East, north and up are Cartesian, so that distances are straight lines through space, which radio follows; the ground falls
//! away below the plane (8 m at 10 km).

use crate::observation::Position;

/// Semi-major axis of WGS-84, metres; NIMA TR8350.2 table 3.1.
const A: f64 = 6_378_137.0;
/// Flattening of WGS-84; NIMA TR8350.2 table 3.1.
const F: f64 = 1.0 / 298.257_223_563;
/// First eccentricity squared.
const E2: f64 = F * (2.0 - F);

/// A place in a tangent plane's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Enu {
    /// Metres east of the origin.
    pub east_m: f64,
    /// Metres north of the origin.
    pub north_m: f64,
    /// Metres above the plane.
    pub up_m: f64,
}

impl Enu {
    /// The straight line to `other`, metres.
    pub fn distance_m(self, other: Enu) -> f64 {
        let (e, n, u) = (self.east_m - other.east_m, self.north_m - other.north_m, self.up_m - other.up_m);
        (e * e + n * n + u * u).sqrt()
    }
}

/// A tangent plane with its origin on the ellipsoid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    origin: [f64; 3],
    sin_lat: f64,
    cos_lat: f64,
    sin_lon: f64,
    cos_lon: f64,
    /// Mean radius of curvature at the origin.
    radius_m: f64,
}

impl Plane {
    /// The plane that touches the ellipsoid at this latitude and longitude (degrees).
    pub fn at(lat_deg: f64, lon_deg: f64) -> Plane {
        let (sin_lat, cos_lat) = lat_deg.to_radians().sin_cos();
        let (sin_lon, cos_lon) = lon_deg.to_radians().sin_cos();
        let w2 = 1.0 - E2 * sin_lat * sin_lat;
        // Gaussian mean of the radii in the meridian and across it.
        let radius_m = A * (1.0 - E2).sqrt() / w2;
        Plane { origin: ecef(lat_deg, lon_deg, 0.0), sin_lat, cos_lat, sin_lon, cos_lon, radius_m }
    }

    /// Mean radius of curvature of the ellipsoid at the origin, metres.
    pub fn radius_m(&self) -> f64 {
        self.radius_m
    }

    /// A position in this plane's axes; a height that is not given counts as 0.
    pub fn enu(&self, position: &Position) -> Enu {
        let p = ecef(position.lat_deg, position.lon_deg, position.height_m.unwrap_or(0.0));
        let [x, y, z] = [p[0] - self.origin[0], p[1] - self.origin[1], p[2] - self.origin[2]];
        let outward = self.cos_lon * x + self.sin_lon * y;
        Enu {
            east_m: self.cos_lon * y - self.sin_lon * x,
            north_m: self.cos_lat * z - self.sin_lat * outward,
            up_m: self.cos_lat * outward + self.sin_lat * z,
        }
    }

    /// The inverse of [`Plane::enu`]; the height is always given.
    pub fn position(&self, place: Enu) -> Position {
        let outward = self.cos_lat * place.up_m - self.sin_lat * place.north_m;
        let x = self.origin[0] + self.cos_lon * outward - self.sin_lon * place.east_m;
        let y = self.origin[1] + self.sin_lon * outward + self.cos_lon * place.east_m;
        let z = self.origin[2] + self.cos_lat * place.north_m + self.sin_lat * place.up_m;
        let p = x.hypot(y);
        // Fixed-point iteration on the latitude; each round gains a factor 1/E2 = 149, six reach rounding from any height of use.
        let mut lat = z.atan2(p * (1.0 - E2));
        let mut height_m = 0.0;
        for _ in 0..6 {
            let sin = lat.sin();
            let normal = A / (1.0 - E2 * sin * sin).sqrt();
            height_m = p * lat.cos() + z * sin - A * (1.0 - E2 * sin * sin).sqrt();
            lat = z.atan2(p * (1.0 - E2 * normal / (normal + height_m)));
        }
        let lon_deg = y.atan2(x).to_degrees();
        Position { lat_deg: lat.to_degrees(), lon_deg, height_m: Some(height_m), sigma_m: None }
    }
}

/// Earth-centred, earth-fixed metres of a geodetic position.
fn ecef(lat_deg: f64, lon_deg: f64, height_m: f64) -> [f64; 3] {
    let (sin_lat, cos_lat) = lat_deg.to_radians().sin_cos();
    let (sin_lon, cos_lon) = lon_deg.to_radians().sin_cos();
    let normal = A / (1.0 - E2 * sin_lat * sin_lat).sqrt();
    let outward = (normal + height_m) * cos_lat;
    [outward * cos_lon, outward * sin_lon, (normal * (1.0 - E2) + height_m) * sin_lat]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with pymap3d; see tests/data/locate/README.md.
    const VECTORS: &str = include_str!("../../tests/data/locate/geodesy.txt");

    fn place(v: &[f64]) -> Position {
        Position { lat_deg: v[0], lon_deg: v[1], height_m: Some(v[2]), sigma_m: None }
    }

    #[test]
    fn positions_agree_with_an_independent_library() {
        let lines = VECTORS.lines().filter(|l| !l.starts_with('#'));
        let mut count = 0;
        for line in lines {
            let v: Vec<f64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
            let xyz = ecef(v[3], v[4], v[5]);
            (0..3).for_each(|i| assert!((xyz[i] - v[9 + i]).abs() < 1e-6, "{line}"));
            // The vectors' origin stands 35 m above the ellipsoid, a plane's origin on it.
            let plane = Plane::at(v[0], v[1]);
            let enu = plane.enu(&place(&v[3..6]));
            let want = Enu { east_m: v[6], north_m: v[7], up_m: v[8] + v[2] };
            assert!(enu.distance_m(want) < 1e-6, "{enu:?} {want:?}");
            let back = plane.position(enu);
            assert!((back.lat_deg - v[3]).abs() < 1e-11 && (back.lon_deg - v[4]).abs() < 1e-11, "{back:?}");
            assert!((back.height_m.unwrap() - v[5]).abs() < 1e-5, "{back:?}");
            count += 1;
        }
        assert_eq!(count, 7);
    }
}
