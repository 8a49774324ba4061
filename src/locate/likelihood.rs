//! The likelihood of a timing residual: Gaussian, or a mixture with a one-sided tail for paths without line of sight.
//!
//! A reflected path is late, never early. With share `ε` a reading is late by an exponentially distributed excess of mean `β` on top
//! of its Gaussian noise, which is the exponentially modified Gaussian density.

use std::f64::consts::FRAC_1_SQRT_2;

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

/// `sqrt(pi / 2)`: the area of half a Gaussian of unit peak.
const HALF_AREA: f64 = 1.253_314_137_315_500_3;

/// The mixture's loss; `mean` is the mean excess in the residual's unit.
#[inline]
pub(super) fn mixture(residual: f64, info: f64, share: f64, mean: f64) -> Loss {
    let root = info.sqrt();
    let z = residual * root;
    let ratio = 1.0 / (root * mean);
    // Both densities over the Gaussian's peak, times `exp(-log)`; late ones dominate by far on the right.
    let t = (ratio - z) * FRAC_1_SQRT_2;
    let half = -0.5 * z * z;
    let log = if t >= 0.0 { half } else { half.max(0.5 * ratio * ratio - ratio * z) };
    let g = (half - log).exp();
    let f = HALF_AREA
        * ratio
        * if t >= 0.0 { erfcx(t) } else { 2.0 * (0.5 * ratio * ratio - ratio * z - log).exp() - g * erfcx(-t) };
    let sum = (1.0 - share) * g + share * f;
    let (g, f) = (g / sum, f / sum);
    // In units of sigma: g' = -z g, f' = (g - f) ratio, with g and f the two densities.
    let first = -(1.0 - share) * z * g + share * ratio * (g - f);
    let second = (1.0 - share) * (z * z - 1.0) * g + share * ratio * (-z * g - ratio * (g - f));
    let bend = (first * first - second).max(FLOOR);
    Loss { cost: -2.0 * (log + sum.ln()), slope: -first * root, bend: bend * info, late: share * f }
}

/// `exp(x^2) erfc(x)` for `x >= 0`: W. J. Cody, "Rational Chebyshev approximation for the error function", Mathematics of Computation 23
/// (1969), in the ranges to 0.46875, to 4 and beyond; relative error below 1e-15.
fn erfcx(x: f64) -> f64 {
    // Numerator and denominator share the form: highest power first, the denominator's being 1.
    let ratio = |top: &[f64], bottom: &[f64], x: f64| {
        let numerator = top.iter().fold(0.0, |sum, c| sum * x + c);
        numerator / bottom.iter().fold(1.0, |sum, c| sum * x + c)
    };
    if x <= 0.468_75 {
        let erf = x * ratio(&ERF_TOP, &ERF_BOTTOM, x * x);
        (x * x).exp() * (1.0 - erf)
    } else if x <= 4.0 {
        ratio(&MIDDLE_TOP, &MIDDLE_BOTTOM, x)
    } else {
        let inverse = 1.0 / (x * x);
        (FRAC_1_SQRT_PI - inverse * ratio(&FAR_TOP, &FAR_BOTTOM, inverse)) / x
    }
}

/// `1 / sqrt(pi)`.
const FRAC_1_SQRT_PI: f64 = 0.564_189_583_547_756_3;
const ERF_TOP: [f64; 5] = [
    0.185_777_706_184_603_15,
    3.161_123_743_870_565_5,
    113.864_154_151_050_16,
    377.485_237_685_302,
    3_209.377_589_138_469_4,
];
const ERF_BOTTOM: [f64; 4] =
    [23.601_290_952_344_122, 244.024_637_934_444_17, 1_282.616_526_077_372_3, 2_844.236_833_439_171];
const MIDDLE_TOP: [f64; 9] = [
    2.153_115_354_744_038_3e-8,
    0.564_188_496_988_670_1,
    8.883_149_794_388_377,
    66.119_190_637_141_63,
    298.635_138_197_400_1,
    881.952_221_241_769,
    1_712.047_612_634_070_7,
    2_051.078_377_826_071_6,
    1_230.339_354_797_997_2,
];
const MIDDLE_BOTTOM: [f64; 8] = [
    15.744_926_110_709_835,
    117.693_950_891_312_5,
    537.181_101_862_009_9,
    1_621.389_574_566_690_3,
    3_290.799_235_733_459_7,
    4_362.619_090_143_247,
    3_439.367_674_143_721_6,
    1_230.339_354_803_749_5,
];
const FAR_TOP: [f64; 6] = [
    0.016_315_387_137_302_097,
    0.305_326_634_961_232_36,
    0.360_344_899_949_804_45,
    0.125_781_726_111_229_26,
    0.016_083_785_148_742_275,
    0.000_658_749_161_529_837_8,
];
const FAR_BOTTOM: [f64; 5] = [
    2.568_520_192_289_822,
    1.872_952_849_923_467_3,
    0.527_905_102_951_428_5,
    0.060_518_341_312_441_32,
    0.002_335_204_976_268_691_8,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// By its series and by Laplace's continued fraction: slow, and nothing in common with the rational functions.
    fn erfcx_slowly(x: f64) -> f64 {
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

    #[test]
    fn the_scaled_error_function_has_its_tabulated_values() {
        // erfc(x) of Abramowitz and Stegun table 7.1, times exp(x^2); and the leading asymptotic terms at 100.
        for (x, erfc) in [(0.0, 1.0), (0.5, 0.479_500_122_2), (1.0, 0.157_299_207_1), (2.0, 0.004_677_734_98)] {
            let want: f64 = erfc * f64::exp(x * x);
            assert!((erfcx(x) / want - 1.0).abs() < 2e-9, "{x}");
        }
        for i in 0..20_000 {
            let x = f64::from(i) * 1e-3;
            assert!((erfcx(x) / erfcx_slowly(x) - 1.0).abs() < 1e-11, "{x}: {} {}", erfcx(x), erfcx_slowly(x));
        }
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
