//! How levels fall with distance round a node, learned from licensed cells at known sites.
//!
//! A level less the power radiated is `-(A + 10 n log10 d)` and shadowing. `A`, `n` and the shadowing's deviation are estimated by
//! weighted least squares with priors; readings far off are weighted down (Student's t with four degrees of freedom), because a licensed
//! antenna may look away or be off. What is learned goes into a suspect's priors: levels alone say kilometres, and only with the
//! right exponent and deviation do their regions hold what they say.
//!
//! ## References
//! - K. L. Lange, R. J. A. Little, J. M. G. Taylor, "Robust statistical modeling using the t distribution", Journal of the American
//!   Statistical Association 84 (1989)

use super::gather::Suspect;
use crate::observation::NodeId;
use crate::units::Db;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A licensed cell as a node hears it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelSample {
    /// From its antenna, metres.
    pub distance_m: f64,
    /// Level received less power radiated.
    pub gain: Db,
}

/// What has been learned of the levels at one node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathLoss {
    /// Path-loss exponent `n`.
    pub exponent: f64,
    /// Loss at 1 m, `A`, dB.
    pub intercept_db: f64,
    /// Covariance of exponent and intercept: exponent, both, intercept.
    pub covariance: [f64; 3],
    /// Shadowing, one standard deviation.
    pub shadowing: Db,
    /// Samples behind it.
    pub samples: usize,
}

/// Exponent of suburban and rural macro cells with one standard deviation, before anything is measured.
const EXPONENT: (f64, f64) = (3.5, 0.5);
/// Loss at 1 m before anything is measured: free space at 1 GHz, with a standard deviation that leaves it open.
const INTERCEPT_DB: (f64, f64) = (32.0, 40.0);
/// Shadowing before anything is measured, and the samples that this belief is worth.
const SHADOWING: (f64, f64) = (8.0, 4.0);
/// Degrees of freedom of Student's t.
const FREEDOM: f64 = 4.0;
/// The variance of that distribution over its squared scale would be 2; of Gaussian samples the weighted scale comes out at this share of
/// the variance (checked by the tests).
const GAUSSIAN_SHARE: f64 = 0.75;
/// What weighting costs of Gaussian samples' information (checked by the tests).
const EFFICIENCY: f64 = 0.95;
const ROUNDS: usize = 20;
/// Samples nearer than this are under the antenna, where its pattern rules.
const NEAREST_M: f64 = 50.0;

impl PathLoss {
    /// Learns from samples; with none, this is the belief before anything is measured.
    pub fn learn(samples: &[LevelSample]) -> PathLoss {
        let rows: Vec<(f64, f64)> = samples
            .iter()
            .filter(|s| s.distance_m >= NEAREST_M && s.distance_m.is_finite() && s.gain.0.is_finite())
            .map(|s| (10.0 * s.distance_m.log10(), -s.gain.0))
            .collect();
        let mut scale2 = SHADOWING.0 * SHADOWING.0;
        let mut weights = vec![1.0; rows.len()];
        let mut solution = [EXPONENT.0, INTERCEPT_DB.0];
        for _ in 0..ROUNDS {
            // Unknowns: exponent and loss at 1 m; priors first.
            let mut info = [EXPONENT.1.powi(-2), 0.0, INTERCEPT_DB.1.powi(-2)];
            let mut right = [EXPONENT.0 * info[0], INTERCEPT_DB.0 * info[2]];
            for ((x, loss), weight) in rows.iter().zip(&weights) {
                let w = weight / scale2;
                info = [info[0] + w * x * x, info[1] + w * x, info[2] + w];
                right = [right[0] + w * x * loss, right[1] + w * loss];
            }
            let determinant = info[0] * info[2] - info[1] * info[1];
            let covariance = [info[2] / determinant, -info[1] / determinant, info[0] / determinant];
            solution = [
                covariance[0] * right[0] + covariance[1] * right[1],
                covariance[1] * right[0] + covariance[2] * right[1],
            ];
            let residual = |(x, loss): &(f64, f64)| loss - solution[0] * x - solution[1];
            let sum: f64 = rows.iter().zip(&weights).map(|(r, w)| w * residual(r).powi(2)).sum();
            let belief = SHADOWING.1 * SHADOWING.0 * SHADOWING.0 * GAUSSIAN_SHARE;
            scale2 = (belief + sum) / (SHADOWING.1 + rows.len() as f64);
            for (row, weight) in rows.iter().zip(&mut weights) {
                *weight = (FREEDOM + 1.0) / (FREEDOM + residual(row).powi(2) / scale2);
            }
        }
        let shadowing = Db((scale2 / GAUSSIAN_SHARE).sqrt());
        // The weighted scale is less than the samples' deviation: the covariance is by the latter.
        let mut info = [EXPONENT.1.powi(-2), 0.0, INTERCEPT_DB.1.powi(-2)];
        for ((x, _), weight) in rows.iter().zip(&weights) {
            let w = EFFICIENCY * weight / shadowing.0.powi(2);
            info = [info[0] + w * x * x, info[1] + w * x, info[2] + w];
        }
        let determinant = info[0] * info[2] - info[1] * info[1];
        let covariance = [info[2] / determinant, -info[1] / determinant, info[0] / determinant];
        let [exponent, intercept_db] = solution;
        PathLoss { exponent, intercept_db, covariance, shadowing, samples: rows.len() }
    }

    /// The loss expected at a distance, and one standard deviation of it without shadowing.
    pub fn at(&self, distance_m: f64) -> (Db, Db) {
        let x = 10.0 * distance_m.max(1.0).log10();
        let [nn, na, aa] = self.covariance;
        (Db(self.intercept_db + self.exponent * x), Db((x * x * nn + 2.0 * x * na + aa).max(0.0).sqrt()))
    }
}

/// Puts what nodes have learned into a suspect's problem: each level gets its node's shadowing, the exponent their weighted mean.
///
/// The exponent is the path's, not the node's alone: the mean keeps at least the scatter between nodes.
pub fn apply(suspect: &mut Suspect, learned: &BTreeMap<NodeId, PathLoss>, calibration: Db) {
    let (mut sum, mut weight, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0);
    for (level, node) in suspect.problem.levels.iter_mut().zip(&suspect.levels) {
        let Some(loss) = learned.get(node).filter(|loss| loss.samples > 0) else { continue };
        level.sigma = Db(loss.shadowing.0.hypot(calibration.0));
        let w = 1.0 / (loss.covariance[0] + 0.01);
        (sum, weight, squares, count) =
            (sum + w * loss.exponent, weight + w, squares + w * loss.exponent.powi(2), count + 1.0);
    }
    if weight > 0.0 {
        let mean = sum / weight;
        let scatter = (squares / weight - mean * mean).max(0.0);
        suspect.problem.emitter.exponent = (mean, (1.0 / weight + scatter / count).sqrt().max(0.05));
    }
}

#[cfg(all(test, feature = "sensor"))]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    /// Cells at 0.3 to 20 km, some of them antennas that look away by 25 dB.
    fn samples(seed: u64, count: usize, exponent: f64, sigma: f64, away: f64) -> Vec<LevelSample> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let one = |_| {
            let distance_m = 10f64.powf(random.random_range(2.5..4.3));
            let shadow: f64 = StandardNormal.sample(&mut random);
            let off = if random.random::<f64>() < away { 25.0 } else { 0.0 };
            LevelSample { distance_m, gain: Db(-30.0 - 10.0 * exponent * distance_m.log10() - sigma * shadow - off) }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn exponent_and_shadowing_are_learned_with_the_errors_that_the_covariance_says() {
        for (exponent, sigma) in [(3.0, 6.0), (4.0, 10.0)] {
            let (mut squares, mut shadowing) = (0.0, 0.0);
            for seed in 0..400 {
                let learned = PathLoss::learn(&samples(seed, 60, exponent, sigma, 0.0));
                squares += (learned.exponent - exponent).powi(2) / learned.covariance[0];
                shadowing += learned.shadowing.0 / 400.0;
            }
            // The bound of 60 Gaussian samples is 1; weighting costs a tenth of it.
            let mean = squares / 400.0;
            println!(
                "exponent {exponent}, {sigma} dB: squared error over variance {mean:.2}, shadowing {shadowing:.2} dB"
            );
            assert!((0.75..1.3).contains(&mean), "{mean}");
            assert!((shadowing / sigma - 1.0).abs() < 0.08, "{shadowing}");
        }
    }

    #[test]
    fn antennas_that_look_away_move_little() {
        let (mut off, mut shadowing) = (0.0, 0.0);
        for seed in 0..100 {
            let learned = PathLoss::learn(&samples(seed, 60, 3.5, 6.0, 0.1));
            let (loss, _) = learned.at(3000.0);
            off += (loss.0 - 30.0 - 35.0 * 3000f64.log10()) / 100.0;
            shadowing += learned.shadowing.0 / 100.0;
        }
        println!(
            "a tenth looks away by 25 dB: {off:.2} dB off at 3 km, shadowing {shadowing:.1} dB; least squares would be 2.5 dB off"
        );
        assert!(off.abs() < 1.6 && shadowing < 9.0, "{off} {shadowing}");
    }

    #[test]
    fn nothing_heard_is_the_belief_and_nonsense_is_left_out() {
        let belief = PathLoss::learn(&[]);
        assert!((belief.exponent - 3.5).abs() < 1e-9 && (belief.covariance[0].sqrt() - 0.5).abs() < 1e-9);
        let bad = [(f64::NAN, -90.0), (10.0, -50.0), (1000.0, f64::INFINITY)];
        let bad = bad.map(|(distance_m, gain)| LevelSample { distance_m, gain: Db(gain) });
        assert_eq!(PathLoss::learn(&bad), belief);
    }

    #[test]
    fn what_nodes_learned_becomes_a_suspects_priors() {
        use crate::cell::{CellKey, Rat};
        use crate::locate::Enu;
        use crate::locate::bounds::crlb;
        use crate::locate::problem::{LevelReading, Problem};
        use crate::units::{Dbm, Timestamp};
        let names: Vec<NodeId> = (0..4).map(|i| format!("node-{i}").parse().unwrap()).collect();
        let mut problem = Problem::default();
        for i in 0..4 {
            let (sin, cos) = (f64::from(i) * 1.6).sin_cos();
            let node = Enu { east_m: 4000.0 * sin, north_m: 4000.0 * cos, up_m: 0.0 };
            problem.levels.push(LevelReading { node, level: Dbm(-80.0), sigma: Db(8.0) });
        }
        let cell = CellKey { rat: Rat::Gsm, center_hz: 949_200_000, id: 42 };
        let (arrivals, unused, at) = (Vec::new(), Vec::new(), Timestamp(0));
        let levels = names.clone();
        let mut suspect = Suspect { cell, problem, arrivals, levels, bearings: Vec::new(), at, unused };
        let before = crlb(&suspect.problem, Enu::default()).unwrap().cep50_m();
        let learned = |i: usize| PathLoss::learn(&samples(i as u64, 80, 3.8, 5.0, 0.0));
        // The last node has heard no licensed cell yet.
        let learned: BTreeMap<NodeId, PathLoss> = (0..3).map(|i| (names[i].clone(), learned(i))).collect();
        apply(&mut suspect, &learned, Db(1.0));
        let sigmas: Vec<f64> = suspect.problem.levels.iter().map(|l| l.sigma.0).collect();
        assert!(sigmas[..3].iter().all(|s| (4.0..6.5).contains(s)) && sigmas[3] == 8.0, "{sigmas:?}");
        let (exponent, sigma) = suspect.problem.emitter.exponent;
        assert!((exponent - 3.8).abs() < 3.0 * sigma && sigma < 0.2, "{exponent} {sigma}");
        let after = crlb(&suspect.problem, Enu::default()).unwrap().cep50_m();
        assert!(after < 0.8 * before, "what may be reached: {before:.0} m before, {after:.0} m after");
    }
}
