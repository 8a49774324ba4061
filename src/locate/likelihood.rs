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
const FRAC_1_SQRT_PI: f64 = 0.564_189_583_547_756_28;
const ERF_TOP: [f64; 5] = [
    1.857_777_061_846_031_53e-1,
    3.161_123_743_870_565_60e0,
    1.138_641_541_510_501_56e2,
    3.774_852_376_853_020_21e2,
    3.209_377_589_138_469_47e3,
];
const ERF_BOTTOM: [f64; 4] =
    [2.360_129_095_234_412_09e1, 2.440_246_379_344_441_73e2, 1.282_616_526_077_372_28e3, 2.844_236_833_439_170_62e3];
const MIDDLE_TOP: [f64; 9] = [
    2.153_115_354_744_038_46e-8,
    5.641_884_969_886_700_89e-1,
    8.883_149_794_388_375_94e0,
    6.611_919_063_714_162_95e1,
    2.986_351_381_974_001_31e2,
    8.819_522_212_417_690_90e2,
    1.712_047_612_634_070_58e3,
    2.051_078_377_826_071_47e3,
    1.230_339_354_797_997_25e3,
];
const MIDDLE_BOTTOM: [f64; 8] = [
    1.574_492_611_070_983_47e1,
    1.176_939_508_913_124_99e2,
    5.371_811_018_620_098_58e2,
    1.621_389_574_566_690_19e3,
    3.290_799_235_733_459_63e3,
    4.362_619_090_143_247_16e3,
    3.439_367_674_143_721_64e3,
    1.230_339_354_803_749_42e3,
];
const FAR_TOP: [f64; 6] = [
    1.631_538_713_730_209_78e-2,
    3.053_266_349_612_323_44e-1,
    3.603_448_999_498_044_39e-1,
    1.257_817_261_112_292_46e-1,
    1.608_378_514_874_227_66e-2,
    6.587_491_615_298_378_03e-4,
];
const FAR_BOTTOM: [f64; 5] = [
    2.568_520_192_289_822_42e0,
    1.872_952_849_923_467_25e0,
    5.279_051_029_514_284_12e-1,
    6.051_834_131_244_131_91e-2,
    2.335_204_976_268_691_85e-3,
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
