//! Two interacting models of motion, standing and moving, in the plane; and their smoother.
//!
//! State: metres east and north, metres a second east and north. The forward pass is the interacting multiple model filter (Blom and
//! Bar-Shalom); a fix with several admissible places is taken as a mixture and its moments are matched (probabilistic data
//! association). The backward pass smooths each pair of models as one and mixes them, after Kim; the share of a pair follows
//! from the later state too, after Barber.

use crate::locate::dense::{factor, substitute};

pub(super) type Vector = [f64; 4];
pub(super) type Matrix = [[f64; 4]; 4];

/// What a fix says: place, covariance (east, east-north, north) and weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub at: [f64; 2],
    pub covariance: [f64; 3],
    pub weight: f64,
}

/// A Gaussian with its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mode {
    pub x: Vector,
    pub p: Matrix,
    pub share: f64,
}

/// Standing, then moving.
pub(super) const STANDING: usize = 0;
pub(super) const MOVING: usize = 1;

/// How the models move and change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Motion {
    /// Spectral density of the acceleration of a moving emitter, m²/s³.
    pub acceleration: f64,
    /// Speed along each axis of one that sets off, one standard deviation, m/s.
    pub speed: f64,
    /// Seconds until a standing one sets off, and until a moving one stops, in the mean.
    pub stays: [f64; 2],
    /// Share of fixes that have nothing to do with the emitter, and the area that they lie in, square metres.
    pub stray: (f64, f64),
}

impl Motion {
    /// The chance of each model after `dt` seconds, by the model before.
    fn change(&self, dt: f64) -> [[f64; 2]; 2] {
        let [off, stop] = self.stays.map(f64::recip);
        let moved = (1.0 - (-(off + stop) * dt).exp()) / (off + stop);
        [[1.0 - off * moved, off * moved], [stop * moved, 1.0 - stop * moved]]
    }

    /// The state `dt` seconds on by one model, from another.
    fn predict(&self, mode: &Mode, from: usize, to: usize, dt: f64) -> Mode {
        let (mut x, mut p) = (mode.x, mode.p);
        if to == STANDING {
            // Where it is, it stays; its speed is nothing.
            (x[2], x[3]) = (0.0, 0.0);
            for i in 0..4 {
                for j in 2..4 {
                    (p[i][j], p[j][i]) = (0.0, 0.0);
                }
            }
            return Mode { x, p, share: mode.share };
        }
        if from == STANDING {
            (2..4).for_each(|i| p[i][i] += self.speed * self.speed);
        }
        (0..2).for_each(|i| x[i] += dt * x[i + 2]);
        for i in 0..2 {
            (0..4).for_each(|j| p[i][j] += dt * p[i + 2][j]);
        }
        for i in 0..2 {
            (0..4).for_each(|j| p[j][i] += dt * p[j][i + 2]);
        }
        let q = self.acceleration;
        for i in 0..2 {
            p[i][i] += q * dt.powi(3) / 3.0;
            p[i][i + 2] += q * dt * dt / 2.0;
            p[i + 2][i] += q * dt * dt / 2.0;
            p[i + 2][i + 2] += q * dt;
        }
        Mode { x, p, share: mode.share }
    }

    /// Both models `dt` seconds on.
    pub fn forward(&self, modes: &[Mode; 2], dt: f64) -> [Mode; 2] {
        let change = self.change(dt);
        [STANDING, MOVING].map(|to| {
            let parts = [STANDING, MOVING].map(|from| {
                let share = modes[from].share * change[from][to];
                Mode { share, ..self.predict(&modes[from], from, to, dt) }
            });
            mix(&parts)
        })
    }

    /// Takes a fix; returns its likelihood.
    pub fn correct(&self, modes: &mut [Mode; 2], places: &[Place]) -> f64 {
        for mode in modes.iter_mut() {
            let mut parts = vec![Mode { share: mode.share * self.stray.0 / self.stray.1, ..*mode }];
            parts.extend(places.iter().filter_map(|place| {
                let mut part = *mode;
                let density = update(&mut part, place)?;
                part.share = mode.share * (1.0 - self.stray.0) * place.weight * density;
                Some(part)
            }));
            *mode = mix(&parts);
        }
        let total = modes[0].share + modes[1].share;
        modes.iter_mut().for_each(|mode| mode.share /= total);
        total
    }

    /// The smoothed modes at an instant, from those filtered then and those smoothed `dt` seconds later.
    pub fn backward(&self, filtered: &[Mode; 2], later: &[Mode; 2], dt: f64) -> [Mode; 2] {
        let change = self.change(dt);
        let mut parts: [Vec<Mode>; 2] = Default::default();
        for to in [STANDING, MOVING] {
            let predicted = [STANDING, MOVING].map(|from| self.predict(&filtered[from], from, to, dt));
            // What the later state says of the model before, taken at its mean (Barber).
            let logs = predicted.each_ref().map(|p| density_log(p, &later[to].x, to));
            let top = logs[0].max(logs[1]);
            let shares = [STANDING, MOVING].map(|from| {
                let known = if top.is_finite() { (logs[from] - top).exp() } else { 1.0 };
                filtered[from].share * change[from][to] * known
            });
            let total = (shares[0] + shares[1]).max(f64::MIN_POSITIVE);
            for from in [STANDING, MOVING] {
                let share = later[to].share * shares[from] / total;
                parts[from].push(Mode { share, ..smooth(&filtered[from], &predicted[from], &later[to], to, dt) });
            }
        }
        parts.map(|parts| mix(&parts))
    }
}

/// Logarithm of a predicted mode's density at a state, up to a constant of the model; of the place alone where there is no speed.
fn density_log(mode: &Mode, x: &Vector, model: usize) -> f64 {
    let n = if model == STANDING { 2 } else { 4 };
    let mut l: Vec<f64> = (0..n * n).map(|i| mode.p[i / n][i % n]).collect();
    if factor(&mut l, n) > 0 {
        return f64::NEG_INFINITY;
    }
    let off: Vec<f64> = (0..n).map(|i| x[i] - mode.x[i]).collect();
    let mut solved = off.clone();
    substitute(&l, n, &mut solved);
    let distance: f64 = off.iter().zip(&solved).map(|(a, b)| a * b).sum();
    -0.5 * distance - (0..n).map(|i| l[i * n + i].ln()).sum::<f64>()
}

/// One Gaussian with the moments of several; their shares need not add up to 1.
pub(super) fn mix(parts: &[Mode]) -> Mode {
    let share: f64 = parts.iter().map(|m| m.share).sum();
    let weight = |m: &Mode| if share > 0.0 { m.share / share } else { 1.0 / parts.len() as f64 };
    let mut out = Mode { x: [0.0; 4], p: [[0.0; 4]; 4], share };
    for m in parts {
        (0..4).for_each(|i| out.x[i] += weight(m) * m.x[i]);
    }
    for m in parts {
        for i in 0..4 {
            for j in 0..4 {
                out.p[i][j] += weight(m) * (m.p[i][j] + (m.x[i] - out.x[i]) * (m.x[j] - out.x[j]));
            }
        }
    }
    out
}

/// Takes one place; returns its density, or `None` where the covariance is singular.
fn update(mode: &mut Mode, place: &Place) -> Option<f64> {
    let p = mode.p;
    let [ee, en, nn] = place.covariance;
    let s = [p[0][0] + ee, p[0][1] + en, p[1][1] + nn];
    let determinant = s[0] * s[2] - s[1] * s[1];
    if determinant.is_nan() || determinant <= 0.0 {
        return None;
    }
    let off = [place.at[0] - mode.x[0], place.at[1] - mode.x[1]];
    let inverse = [s[2] / determinant, -s[1] / determinant, s[0] / determinant];
    let gain = p.map(|row| [row[0] * inverse[0] + row[1] * inverse[1], row[0] * inverse[1] + row[1] * inverse[2]]);
    for i in 0..4 {
        mode.x[i] += gain[i][0] * off[0] + gain[i][1] * off[1];
        (0..4).for_each(|j| mode.p[i][j] -= gain[i][0] * p[0][j] + gain[i][1] * p[1][j]);
    }
    let distance = off[0] * off[0] * inverse[0] + 2.0 * off[0] * off[1] * inverse[1] + off[1] * off[1] * inverse[2];
    Some((-0.5 * distance).exp() / (std::f64::consts::TAU * determinant.sqrt()))
}

/// Rauch, Tung and Striebel's step from `predicted` (of `filtered`) back, given what is known later.
fn smooth(filtered: &Mode, predicted: &Mode, later: &Mode, to: usize, dt: f64) -> Mode {
    // Cross-covariance of the state now and then: P F^T.
    let mut cross = filtered.p;
    for row in &mut cross {
        if to == STANDING {
            (row[2], row[3]) = (0.0, 0.0);
        } else {
            (row[0], row[1]) = (row[0] + dt * row[2], row[1] + dt * row[3]);
        }
    }
    let mut l = predicted.p.concat();
    factor(&mut l, 4);
    let gain = cross.map(|mut row| {
        substitute(&l, 4, &mut row);
        row
    });
    let mut out = *filtered;
    for i in 0..4 {
        out.x[i] += (0..4).map(|k| gain[i][k] * (later.x[k] - predicted.x[k])).sum::<f64>();
        for j in 0..4 {
            for k in 0..4 {
                for m in 0..4 {
                    out.p[i][j] += gain[i][k] * (later.p[k][m] - predicted.p[k][m]) * gain[j][m];
                }
            }
        }
    }
    out
}
