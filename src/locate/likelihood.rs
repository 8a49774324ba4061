//! The likelihood of a timing residual: Gaussian, or a mixture with a one-sided tail for paths without line of sight.
//!
//! A reflected path is late, never early. With share `ε` a reading is late by an exponentially distributed excess of mean `β` on top
//! of its Gaussian noise, which is the exponentially modified Gaussian density.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// How often and by how much readings are late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Late {
    /// Share of the nodes without line of sight, 0 to 1.
    pub share: f64,
    /// Mean excess of those, nanoseconds.
    pub mean_ns: f64,
}

/// What a residual costs and how the cost bends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    /// Minus twice the logarithm of the density over the Gaussian's peak; the square of the residual over sigma where Gaussian.
    pub cost: f64,
    /// Half the cost's derivative.
    pub slope: f64,
    /// Half the cost's second derivative, floored so that a step is always downhill.
    pub bend: f64,
    /// Probability that the reading is late.
    pub late: f64,
}

/// The Gaussian loss of a residual with information `1/sigma^2`.
#[inline]
pub(super) fn gaussian(residual: f64, info: f64) -> Loss {
    Loss { cost: residual * residual * info, slope: residual * info, bend: info, late: 0.0 }
}

/// The smallest bend, as a share of the Gaussian's; the tail of the mixture is straight and bends nowhere.
const FLOOR: f64 = 0.02;

/// The mixture's loss; `mean` is the mean excess in the residual's unit.
pub(super) fn mixture(residual: f64, info: f64, share: f64, mean: f64) -> Loss {
    let sigma = info.sqrt().recip();
    let z = residual / sigma;
    let ratio = sigma / mean;
    // Both densities over the Gaussian's at this residual, without its common factor; late ones dominate by far on the right.
    let t = (ratio - z) * FRAC_1_SQRT_2;
    let gauss = -0.5 * z * z;
    // log of the late density times sigma sqrt(2 pi).
    let late_log = (PI / 2.0).sqrt().ln()
        + ratio.ln()
        + if t >= 0.0 { gauss + erfcx(t).ln() } else { 0.5 * ratio * ratio - ratio * z + erfc_negative(t).ln() };
    let (a, b) = ((1.0 - share).ln() + gauss, share.ln() + late_log);
    let top = a.max(b);
    let log = top + ((a - top).exp() + (b - top).exp()).ln();
    let late = (b - log).exp();
    // In units of sigma: g' = -z g, f' = (g - f) ratio, with g and f the two densities.
    let g = (gauss - log).exp();
    let f = (late_log - log).exp();
    let first = -(1.0 - share) * z * g + share * ratio * (g - f);
    let second = (1.0 - share) * (z * z - 1.0) * g + share * ratio * (-z * g - ratio * (g - f));
    let bend = (first * first - second).max(FLOOR);
    Loss { cost: -2.0 * log, slope: -first / sigma, bend: bend * info, late }
}

/// `erfc(t)` for `t < 0`.
fn erfc_negative(t: f64) -> f64 {
    let x = -t;
    if x > 6.0 { 2.0 } else { 2.0 - erfcx(x) * (-x * x).exp() }
}

/// `exp(x^2) erfc(x)` for `x >= 0`; relative error below 1e-11.
fn erfcx(x: f64) -> f64 {
    if x < 2.5 {
        // erf(x) exp(x^2) = 2/sqrt(pi) sum 2^n x^(2n+1) / (2n+1)!!, all terms positive.
        let (mut term, mut sum, mut n) = (x, x, 1.0);
        while term > sum * 1e-17 {
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
            n += 1.0;
        }
        return (x * x).exp() - 2.0 / PI.sqrt() * sum;
    }
    // Laplace's continued fraction, from the inside out.
    let mut tail = x;
    for n in (1..=40).rev() {
        tail = x + 0.5 * f64::from(n) / tail;
    }
    1.0 / (PI.sqrt() * tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scaled_error_function_has_its_tabulated_values() {
        // erfc(x) of Abramowitz and Stegun table 7.1, times exp(x^2); and the leading asymptotic terms at 100.
        for (x, erfc) in [(0.0, 1.0), (0.5, 0.479_500_122_2), (1.0, 0.157_299_207_1), (2.0, 0.004_677_734_98)] {
            let want: f64 = erfc * f64::exp(x * x);
            assert!((erfcx(x) / want - 1.0).abs() < 2e-9, "{x}");
        }
        assert!((erfcx(2.5 - 1e-9) / erfcx(2.5) - 1.0).abs() < 1e-8, "both branches meet");
        let far = 1.0 / (PI.sqrt() * 100.0) * (1.0 - 0.5e-4 + 0.75e-8);
        assert!((erfcx(100.0) / far - 1.0).abs() < 1e-10);
    }

    #[test]
    fn the_mixture_is_a_density_and_its_slope_is_the_derivative() {
        let (share, mean, info) = (0.3, 150.0, 1.0 / 900.0);
        let density = |e: f64| (-0.5 * mixture(e, info, share, mean).cost).exp() / (2.0 * PI / info).sqrt();
        let sum: f64 = (-4000..40_000).map(|i| density(f64::from(i) * 0.1) * 0.1).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        for e in [-400.0, -50.0, -3.0, 0.0, 20.0, 90.0, 700.0, 5e4] {
            let at = |x: f64| mixture(x, info, share, mean);
            let numeric = (at(e + 1e-3).cost - at(e - 1e-3).cost) / 4e-3;
            assert!((numeric - at(e).slope).abs() < 1e-6, "{e}: {numeric} {}", at(e).slope);
            assert!(at(e).bend > 0.0 && at(e).cost.is_finite());
        }
        assert!(mixture(-60.0, info, share, mean).late < 0.05 && mixture(300.0, info, share, mean).late > 0.99);
    }
}
