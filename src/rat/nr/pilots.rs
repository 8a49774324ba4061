//! The channel between reference elements of one symbol.

use num_complex::Complex32;

/// Deviation of the weights by which the channel is smoothed over subcarriers. Chosen: echoes 1.5 us late keep three quarters of their
/// amplitude at 15 kHz.
const SMOOTH: f32 = 5.0;
/// The weights end here.
const REACH: usize = 15;

/// Noise as it comes out of what smoothing leaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    left: f32,
    degrees: f32,
}

impl Noise {
    /// Power in an element; never zero.
    pub fn power(&self) -> f32 {
        (self.left / self.degrees.max(1.0)).max(1e-20)
    }
}

/// Weights by distance in subcarriers.
#[derive(Clone, Debug)]
pub struct Smoother {
    weights: [f32; REACH + 1],
}

impl Smoother {
    /// The weights.
    pub fn new() -> Smoother {
        Smoother { weights: std::array::from_fn(|n| (-0.5 * (n as f32 / SMOOTH).powi(2)).exp()) }
    }

    /// The channel at each subcarrier of a run into `gains`; adds what is left to `noise`.
    ///
    /// `seen`: the channel as reference elements show it, the first one at subcarrier `first` of the run, each `step` on from the last.
    ///
    /// # Panics
    /// Where `step` is zero.
    pub fn run(&self, seen: &[Complex32], (first, step): (usize, usize), gains: &mut [Complex32], noise: &mut Noise) {
        for (k, gain) in gains.iter_mut().enumerate() {
            // Reference elements within reach.
            let from = (k.saturating_sub(REACH + first)).div_ceil(step);
            let to = ((k + REACH).saturating_sub(first) / step + 1).min(seen.len());
            let (mut sum, mut weight, mut squares) = (Complex32::default(), 0.0, 0.0);
            for (n, &value) in seen.iter().enumerate().take(to).skip(from) {
                let w = self.weights[(first + n * step).abs_diff(k).min(REACH)];
                sum += value * w;
                weight += w;
                squares += w * w;
            }
            *gain = sum / weight.max(1e-9);
            if k >= first && (k - first).is_multiple_of(step) && (k - first) / step < seen.len() && to - from > 1 {
                noise.left += (seen[(k - first) / step] - *gain).norm_sqr();
                noise.degrees += 1.0 + squares / (weight * weight) - 2.0 / weight;
            }
        }
    }
}

impl Default for Smoother {
    fn default() -> Smoother {
        Smoother::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn a_flat_channel_and_its_noise_come_out() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (gain, sigma) = (Complex32::new(0.6, -0.8), 0.1f32);
        for (step, first) in [(2, 0), (4, 1)] {
            let mut noise = Noise::default();
            let mut gains = [Complex32::default(); 288];
            // The deviation of the estimate is then a hundredth of it.
            for _ in 0..400 {
                let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
                let seen: Vec<Complex32> =
                    (0..288 / step).map(|_| gain + Complex32::new(normal(), normal()) * sigma).collect();
                Smoother::new().run(&seen, (first, step), &mut gains, &mut noise);
                assert!(gains.iter().all(|value| (value - gain).norm() < 4.0 * sigma));
            }
            let power = noise.power();
            assert!((power / (2.0 * sigma * sigma) - 1.0).abs() < 0.05, "{power} at step {step}");
        }
    }

    #[test]
    fn nothing_seen_is_no_channel() {
        let (mut noise, mut gains) = (Noise::default(), [Complex32::new(9.0, 9.0); 12]);
        Smoother::new().run(&[], (0, 2), &mut gains, &mut noise);
        assert!(gains.iter().all(|gain| gain.norm() == 0.0) && noise.power() > 0.0);
    }
}
