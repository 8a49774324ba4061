//! Where levels alone put a transmitter.
//!
//! Far from all nodes levels tell hardly anything apart, so their likelihood does not fall to nothing there, and the bend at its best place
//! says little of how far the truth may be. Places are weighed beforehand by the root of the determinant of the information that the
//! nodes would have of them (the rule of H. Jeffreys, which makes regions hold what they say as well as a prior can), power and
//! exponent are integrated out, which is exact because they are linear, and place and region are mode and moments of what results.
//!
//! ## References
//! - H. Jeffreys, "An invariant form for the prior probability in estimation problems", Proceedings of the Royal Society A 186 (1946)

use super::model::Place;
use super::solve::{Minimum, Solver};
use super::spread::{Spread, moments};
use std::f64::consts::TAU;

/// Places are sought within so many extents of the nodes; what is heard at all of them is not farther.
const REACH: f64 = 6.0;
/// The coarse grid: directions, and distances from the nearest to [`REACH`], rising geometrically, in extents.
const GRID: (usize, usize) = (16, 10);
const NEAREST: f64 = 0.1;
/// Grid places that are refined.
const STARTS: usize = 4;
/// Steps of the search, in shares of the distance from the nodes' middle; it ends below the last.
const STEPS: (f64, f64) = (0.2, 0.002);
/// Rings round the mode: points on each, the least radius in standard deviations, and how fast radii grow.
const POINTS: usize = 24;
const LEAST: f64 = 0.2;
const GROWTH: f64 = 1.35;
const MAX_RINGS: usize = 40;

impl Solver<'_> {
    /// The place with its region; `None` where levels do not determine one.
    pub fn by_levels(&mut self, minima: &[Minimum]) -> Option<(Minimum, Spread)> {
        let mut starts: Vec<(f64, Place)> = minima.iter().map(|m| (self.weighed(m.x), m.x)).collect();
        let (middle, extent) = (self.middle(), self.extent_m());
        for i in 0..GRID.0 {
            let (sin, cos) = ((i as f64 + 0.5) / GRID.0 as f64 * TAU).sin_cos();
            for j in 0..GRID.1 {
                let far = extent * NEAREST * (REACH / NEAREST).powf((j as f64 + 0.5) / GRID.1 as f64);
                let x = [middle[0] + far * sin, middle[1] + far * cos, middle[2]];
                starts.push((self.weighed(x), x));
            }
        }
        starts.retain(|(cost, x)| cost.is_finite() && self.within(*x));
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        starts.truncate(STARTS);
        let refined = starts.into_iter().map(|start| self.refined(start));
        let (least, x) = refined.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let z = self.relaxed(x);
        let (c, _) = self.information(x, &z)?;
        let root = c[0][0].sqrt();
        let (skew, rest) = (c[0][1] / root, (c[1][1] - c[0][1] * c[0][1] / c[0][0]).max(0.0).sqrt());
        let cell = root * rest * std::f64::consts::PI;
        let mut points = vec![[cell * LEAST * LEAST / GROWTH, 0.0, 0.0]];
        for ring in 0..MAX_RINGS {
            let radius = LEAST * GROWTH.powi(ring as i32);
            let area = cell * radius * radius * (GROWTH - 1.0 / GROWTH) / POINTS as f64;
            let before = points.len();
            for point in 0..POINTS {
                let turn = (point as f64 + 0.5 * (ring % 2) as f64) / POINTS as f64;
                let (b, a) = (TAU * turn).sin_cos();
                let (east, north) = (radius * a * root, radius * (a * skew + b * rest));
                let at = [x[0] + east, x[1] + north, x[2]];
                if self.within(at) {
                    let density = (-0.5 * (self.weighed(at) - least)).exp();
                    points.push([density * area, east, north]);
                }
            }
            if points.len() == before {
                break;
            }
        }
        let spread = moments(&points)?;
        let cost = self.chi2(x, &z);
        let [ee, en, nn] = spread.covariance;
        let covariance = [[ee, en, 0.0], [en, nn, 0.0], [0.0, 0.0, c[2][2]]];
        Some((Minimum { x, z, cost, covariance }, spread))
    }

    fn within(&self, x: Place) -> bool {
        let middle = self.middle();
        (x[0] - middle[0]).hypot(x[1] - middle[1]) <= REACH * self.extent_m()
    }

    /// Minus twice the logarithm of a place's posterior; infinite where nothing is known of it.
    fn weighed(&mut self, x: Place) -> f64 {
        let mut z = self.relaxed(x);
        let cost = self.marginal(x, &mut z);
        self.chi2(x, &z);
        match self.covariance() {
            Some(c) => cost + (c[0][0] * c[1][1] - c[0][1] * c[0][1]).ln(),
            None => f64::INFINITY,
        }
    }

    /// Goes to the better of eight neighbours until none is, with ever shorter steps.
    fn refined(&mut self, (mut cost, mut x): (f64, Place)) -> (f64, Place) {
        let middle = self.middle();
        let mut step = STEPS.0;
        while step > STEPS.1 {
            let length = step * (x[0] - middle[0]).hypot(x[1] - middle[1]).max(NEAREST * self.extent_m());
            let neighbours = (0..8).map(|i| {
                let (sin, cos) = (f64::from(i) / 8.0 * TAU).sin_cos();
                [x[0] + length * sin, x[1] + length * cos, x[2]]
            });
            let all: Vec<Place> = neighbours.filter(|at| self.within(*at)).collect();
            let best = all.into_iter().map(|at| (self.weighed(at), at)).min_by(|a, b| a.0.total_cmp(&b.0));
            match best {
                Some((better, at)) if better < cost => (cost, x) = (better, at),
                _ => step *= 0.5,
            }
        }
        (cost, x)
    }
}
