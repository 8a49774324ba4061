//! Random numbers by key, and fields that hang together over space.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};
use std::f64::consts::TAU;

/// Random numbers that follow from a seed and a key: what one part of a scenario draws moves no other part.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64, key: u64) -> Random {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(key);
        Random(random)
    }

    /// 0 to 1, evenly.
    pub fn share(&mut self) -> f64 {
        self.0.random()
    }

    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    pub fn exponential(&mut self) -> f64 {
        Exp1.sample(&mut self.0)
    }
}

/// Waves that make up a field.
const WAVES: usize = 48;

/// A field over the plane with zero mean, unit variance and correlation `exp(-r / d)`.
pub(super) struct Field {
    /// Wave number east and north, 1/m, and phase.
    waves: Vec<[f64; 3]>,
}

impl Field {
    pub fn new(seed: u64, key: u64, correlated_m: f64) -> Field {
        let mut random = Random::new(seed, (3 << 61) ^ key);
        let wave = |_| {
            // The spectrum of exp(-r/d) in the plane is (1 + k²d²)^(-3/2); this inverts its integral over circles.
            let u = random.share().max(1e-3);
            let k = (u.powi(-2) - 1.0).sqrt() / correlated_m;
            let (sin, cos) = (TAU * random.share()).sin_cos();
            [k * cos, k * sin, TAU * random.share()]
        };
        Field { waves: (0..WAVES).map(wave).collect() }
    }

    pub fn at(&self, [east_m, north_m]: [f64; 2]) -> f64 {
        let sum: f64 = self.waves.iter().map(|[ke, kn, phase]| (ke * east_m + kn * north_m + phase).cos()).sum();
        sum * (2.0 / WAVES as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_unit_variance_and_the_correlation_asked_for() {
        let pairs = |r: f64| {
            let products = (0..4000).map(|key| {
                let field = Field::new(7, key, 500.0);
                field.at([1000.0, 2000.0]) * field.at([1000.0 + 0.6 * r, 2000.0 + 0.8 * r])
            });
            products.sum::<f64>() / 4000.0
        };
        for r in [0.0, 250.0, 500.0, 1500.0] {
            let (got, want) = (pairs(r), (-r / 500.0f64).exp());
            assert!((got - want).abs() < 0.06, "at {r} m: {got:.3}, wanted {want:.3}");
        }
    }

    #[test]
    fn keys_draw_numbers_of_their_own() {
        let first = |seed, key| Random::new(seed, key).share();
        assert_eq!(first(1, 5), first(1, 5));
        assert!(first(1, 5) != first(1, 6) && first(1, 5) != first(2, 5));
    }
}
