//! What no unbiased estimator can do better than: the Cramér-Rao bound of a [`Problem`], and the circle that holds half.

use super::dense::eigen2;
use super::geodesy::Enu;
use super::model::Model;
use super::problem::Problem;
use super::solve::Solver;
use std::f64::consts::PI;
use std::sync::LazyLock;

/// A horizontal covariance, square metres: east, east-north, north.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Covariance {
    /// Variance east.
    pub ee_m2: f64,
    /// Covariance.
    pub en_m2: f64,
    /// Variance north.
    pub nn_m2: f64,
}

impl Covariance {
    pub(super) fn of(c: [[f64; 3]; 3]) -> Covariance {
        Covariance { ee_m2: c[0][0], en_m2: c[0][1], nn_m2: c[1][1] }
    }

    /// Standard deviations along the ellipse's long and short axis, metres, and the long axis clockwise from north, degrees
    /// (0 to 180).
    pub fn axes(&self) -> (f64, f64, f64) {
        let ([large, small], angle) = eigen2(self.ee_m2, self.en_m2, self.nn_m2);
        (large.sqrt(), small.sqrt(), (90.0 - angle.to_degrees()).rem_euclid(180.0))
    }

    /// The squared distance of an offset, in standard deviations.
    pub fn mahalanobis2(&self, east_m: f64, north_m: f64) -> f64 {
        let determinant = self.ee_m2 * self.nn_m2 - self.en_m2 * self.en_m2;
        (east_m * east_m * self.nn_m2 - 2.0 * east_m * north_m * self.en_m2 + north_m * north_m * self.ee_m2)
            / determinant
    }

    /// Radius of the circle round the mean that holds half of the probability, metres.
    ///
    /// By numerical integration over the whitened angle, which is smooth for any ratio of the axes; not `0.59 (σ1 + σ2)`.
    pub fn cep50_m(&self) -> f64 {
        let (long, short, _) = self.axes();
        if long <= 0.0 {
            return 0.0;
        }
        // In the whitened plane the radius is Rayleigh; the circle's edge lies at radius r / sqrt(...) of each direction.
        let ratio2 = (short / long).powi(2);
        let outside = |r: f64| {
            COS_SQUARED.iter().fold((0.0, 0.0), |(outside, slope), cos2| {
                let variance = cos2 + ratio2 * (1.0 - cos2);
                let here = (-0.5 * r * r / variance).exp();
                (outside + here, slope - here * r / variance)
            })
        };
        // Within 9 % everywhere; Newton doubles the digits with each step, and needs four.
        let mut r = 0.66 + 0.51 * short / long;
        for _ in 0..8 {
            let (outside, slope) = outside(r);
            let step = (outside - 0.5 * POINTS as f64) / slope;
            // Between the line's half (0.674 sigma) and the circle's (1.177 sigma).
            r = (r - step).clamp(0.6, 1.2);
            if step.abs() < 1e-12 {
                break;
            }
        }
        r * long
    }
}

/// Directions of [`Covariance::cep50_m`]: a quarter turn says all, and midpoints keep clear of the axes.
const POINTS: usize = 256;
/// Squared cosines of these directions: a place is told for every fix of every emitter.
static COS_SQUARED: LazyLock<[f64; POINTS]> =
    LazyLock::new(|| std::array::from_fn(|i| ((i as f64 + 0.5) / POINTS as f64 * PI / 2.0).cos().powi(2)));

/// The bound on the horizontal covariance of any unbiased estimate of a transmitter at `truth`; paths in line of sight.
///
/// `None` where the problem does not determine a place there.
pub fn crlb(problem: &Problem, truth: Enu) -> Option<Covariance> {
    let model = Model::new(problem);
    let radius = problem.plane.map_or(f64::INFINITY, |plane| plane.radius_m());
    let fall = (truth.east_m.powi(2) + truth.north_m.powi(2)) / (2.0 * radius);
    let x = [truth.east_m, truth.north_m, truth.up_m + fall];
    let (covariance, _) = Solver::new(&model).information(x, &model.mean)?;
    Some(Covariance::of(covariance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locate::problem::{Arrival, Clock};

    #[test]
    fn the_circle_that_holds_half_has_its_known_limits() {
        let cep = |ee, nn| Covariance { ee_m2: ee, en_m2: 0.0, nn_m2: nn }.cep50_m();
        // Rayleigh's median sqrt(2 ln 2), and the normal's quartile.
        assert!((cep(1.0, 1.0) - 1.177_410_022_5).abs() < 1e-9);
        assert!((cep(1.0, 1e-8) - 0.674_489_750).abs() < 1e-3, "{}", cep(1.0, 1e-8));
        // Half of a 2 to 1 ellipse: 0.8707 of the larger sigma (integrated by hand in polar coordinates, 10^6 points).
        let polar: f64 = {
            let r: f64 = cep(1.0, 0.25);
            let n = 100_000;
            let term = |i: i32| {
                let (sin, cos) = (f64::from(i) / f64::from(n) * 2.0 * PI).sin_cos();
                let q = cos * cos + 4.0 * sin * sin;
                (1.0 - (-0.5 * r * r * q).exp()) / q
            };
            (0..n).map(term).sum::<f64>() / f64::from(n) * 2.0
        };
        assert!((polar - 0.5).abs() < 1e-6, "{polar}");
    }

    #[test]
    fn a_regular_ring_has_its_closed_form_bound() {
        // Differences of N arrivals all round: variance 2/N (c sigma)^2 on each axis.
        let n = 5;
        let mut problem = Problem::default();
        for i in 0..n {
            let (sin, cos) = (f64::from(i) / f64::from(n) * 2.0 * PI).sin_cos();
            let node = Enu { east_m: 5000.0 * sin, north_m: 5000.0 * cos, up_m: 0.0 };
            problem.clocks.push(Clock { offset_sigma_ns: Some(80.0), rate_sigma_ppb: 0.0 });
            problem.arrivals.push(Arrival { node, clock: i as usize, at_ns: 0.0, elapsed_s: 0.0, sigma_ns: 60.0 });
        }
        let bound = crlb(&problem, Enu::default()).unwrap();
        let want = 2.0 / 5.0 * (100.0 * crate::locate::METRES_PER_NS).powi(2);
        assert!((bound.ee_m2 / want - 1.0).abs() < 1e-9 && (bound.nn_m2 / want - 1.0).abs() < 1e-9, "{bound:?}");
        assert!((bound.cep50_m() - 1.177_410_022_5 * want.sqrt()).abs() < 1e-6);
        problem.arrivals.truncate(2);
        assert_eq!(crlb(&problem, Enu::default()), None, "two nodes give a hyperbola");
    }
}
