//! How far the truth may be from a minimum where paths may be late: moments of the posterior, by quadrature.
//!
//! The mixture's likelihood has straight flanks and shoulders, so its bend at the minimum says too little. Round each admissible
//! minimum the place runs over rings whose radii rise geometrically; at every point the linear unknowns are integrated out by Laplace's
//! approximation (their best values and the determinant of the bend there). A point counts for the minimum nearest to it.

use super::dense::{factor, log_determinant, substitute};
use super::model::Place;
use super::solve::{Minimum, Solver};

/// Rings, their least and their largest radius in standard deviations of paths in line of sight, and points on each.
const RINGS: usize = 10;
const LEAST: f64 = 0.3;
const MOST: f64 = 12.0;
const POINTS: usize = 12;

/// What the integral over a minimum's surroundings gives.
pub(super) struct Spread {
    /// The posterior's mass, over its density at the best minimum; square metres.
    pub mass: f64,
    /// Its second moment about the minimum: east, east-north, north; square metres.
    pub covariance: [f64; 3],
    /// Squared distances, in standard deviations by that moment, that hold 50, 90 and 95 % of the mass.
    pub tail: [f64; 3],
}

impl Solver<'_> {
    /// The moments of the posterior round one of several minima; `None` where the geometry does not determine a place in line of sight.
    /// `reference`: [`Solver::marginal`] at the best of them.
    pub fn spread(&mut self, of: usize, minima: &[Minimum], reference: f64) -> Option<Spread> {
        let minimum = &minima[of];
        let (c, _) = self.information(minimum.x, &minimum.z)?;
        let root = c[0][0].sqrt();
        let (skew, rest) = (c[0][1] / root, (c[1][1] - c[0][1] * c[0][1] / c[0][0]).max(0.0).sqrt());
        let growth = (MOST / LEAST).powf(1.0 / (RINGS - 1) as f64);
        let mut points: Vec<[f64; 3]> = Vec::with_capacity(1 + RINGS * POINTS);
        // Inside the first ring the density is that of its middle.
        let inner = LEAST / growth.sqrt();
        let cell = root * rest * std::f64::consts::PI;
        let mut z = minimum.z.clone();
        let density = (-0.5 * (self.marginal(minimum.x, &mut z) - reference)).exp();
        points.push([density * cell * inner * inner, 0.0, 0.0]);
        let follow = self.follow();
        for j in 0..POINTS {
            z.copy_from_slice(&minimum.z);
            let mut before = [0.0; 2];
            for i in 0..RINGS {
                // Every other ring stands half a step on.
                let turn = (j as f64 + 0.5 * (i % 2) as f64) / POINTS as f64;
                let (b, a) = (std::f64::consts::TAU * turn).sin_cos();
                let radius = LEAST * growth.powi(i as i32);
                let (east, north) = (radius * a * root, radius * (a * skew + b * rest));
                let x = [minimum.x[0] + east, minimum.x[1] + north, minimum.x[2]];
                // The linear unknowns follow the place, in good part as they do at the minimum.
                let step = [east - before[0], north - before[1]];
                z.iter_mut().zip(&follow).for_each(|(z, f)| *z += f[0] * step[0] + f[1] * step[1]);
                before = [east, north];
                let cost = self.marginal(x, &mut z);
                let away = |m: &Minimum| (m.x[0] - x[0]).powi(2) + (m.x[1] - x[1]).powi(2);
                if minima.iter().any(|m| away(m) < away(minimum)) {
                    break;
                }
                if cost > reference + NOTHING {
                    break;
                }
                let area = cell * radius * radius * (growth - 1.0 / growth) / POINTS as f64;
                points.push([(-0.5 * (cost - reference)).exp() * area, east, north]);
            }
        }
        moments(&points)
    }

    /// How the best linear unknowns change with the place, east and north, at the equations at hand.
    fn follow(&mut self) -> Vec<[f64; 2]> {
        let p = self.model.p;
        let mut all = vec![[0.0; 2]; p];
        for axis in 0..2 {
            self.shift.iter_mut().zip(&self.now.zx).for_each(|(s, zx)| *s = -zx[axis]);
            substitute(&self.factor, p, &mut self.shift);
            all.iter_mut().zip(&self.shift).for_each(|(f, s)| f[axis] = *s);
        }
        all
    }

    /// Squared distance of a place from a minimum, in standard deviations of paths in line of sight.
    pub fn apart2(&mut self, minimum: &Minimum, x: Place) -> f64 {
        let Some((c, _)) = self.information(minimum.x, &minimum.z) else { return f64::INFINITY };
        let (e, n) = (x[0] - minimum.x[0], x[1] - minimum.x[1]);
        (e * e * c[1][1] - 2.0 * e * n * c[0][1] + n * n * c[0][0]) / (c[0][0] * c[1][1] - c[0][1] * c[0][1])
    }

    /// Minus twice the logarithm of a place's posterior, the linear unknowns integrated out; `z` is left at their best values.
    pub fn marginal(&mut self, x: Place, z: &mut [f64]) -> f64 {
        let p = self.model.p;
        let mut best = f64::INFINITY;
        for _ in 0..NEWTON {
            self.model.assemble(x, z, false, &mut self.now);
            self.factor.copy_from_slice(&self.now.zz);
            factor(&mut self.factor, p);
            self.shift.copy_from_slice(&self.now.gz);
            substitute(&self.factor, p, &mut self.shift);
            // What the step will gain, to second order.
            let gain: f64 = self.shift.iter().zip(&self.now.gz).map(|(a, b)| a * b).sum();
            let cost = self.now.cost + log_determinant(&self.factor, p);
            if cost > best + SETTLED {
                break;
            }
            best = cost - if gain < SETTLED { gain } else { 0.0 };
            z.iter_mut().zip(&self.shift).for_each(|(z, d)| *z += d);
            if gain < SETTLED {
                break;
            }
        }
        best
    }
}

/// Mass, second moment and tail of weighted points: weight, east and north of the middle.
pub(super) fn moments(points: &[[f64; 3]]) -> Option<Spread> {
    let mass: f64 = points.iter().map(|p| p[0]).sum();
    let moment = |term: fn(f64, f64) -> f64| points.iter().map(|p| p[0] * term(p[1], p[2])).sum::<f64>() / mass;
    let [ee, en, nn] = [moment(|e, _| e * e), moment(|e, n| e * n), moment(|_, n| n * n)];
    let determinant = ee * nn - en * en;
    if !(mass > 0.0 && determinant > 0.0 && determinant.is_finite()) {
        return None;
    }
    let distance2 = |e: f64, n: f64| (e * e * nn - 2.0 * e * n * en + n * n * ee) / determinant;
    let mut far: Vec<(f64, f64)> = points.iter().map(|p| (distance2(p[1], p[2]), p[0])).collect();
    far.sort_by(|a, b| a.0.total_cmp(&b.0));
    let tail = [0.5, 0.9, 0.95].map(|share| {
        // Half of a point's mass lies within its distance.
        let (mut within, mut before) = (0.0, (0.0, 0.0));
        for &(distance, weight) in &far {
            let here = within + 0.5 * weight / mass;
            if here >= share {
                let part = (share - before.1) / (here - before.1);
                return before.0 + part * (distance - before.0);
            }
            before = (distance, here);
            within += weight / mass;
        }
        before.0
    });
    Some(Spread { mass, covariance: [ee, en, nn], tail })
}

/// Newton's steps on the linear unknowns at each point; they begin where the ring before left them.
const NEWTON: usize = 4;
/// A gain of the cost that is worth no further step, because what the equations promise of it is true to a part of itself: a tenth of what
/// one standard deviation costs.
const SETTLED: f64 = 0.1;
/// Where the density has fallen to this of its peak (minus twice the logarithm), nothing further out counts.
const NOTHING: f64 = 24.0;
