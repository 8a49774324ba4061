//! The arrivals of a cell's signal: paths told apart in its channel, the first of them the one that location wants.
//!
//! The reference elements of one port, frame upon frame in phase, give the channel at every third subcarrier. Paths are taken out of it
//! one by one, each at the delay where what is left agrees best with a single path, and after each new one all of them are placed again
//! with the others taken off, until what is left may be noise. One path alone then reaches the bound for its delay; two are told apart
//! down to about the reciprocal of the bandwidth. The test in this file measures both.
//!
//! ## References
//! - J. Li, P. Stoica: Efficient mixed-spectrum estimation with applications to target feature extraction (RELAX), 1996
//! - S. Kay: Fundamentals of Statistical Signal Processing, Estimation Theory, clause 3.11 (bound for a delay)

use num_complex::{Complex32, Complex64};
use std::f64::consts::TAU;

/// Paths told apart at most.
const MAX_PATHS: usize = 4;
/// Frames that the channel is averaged over: most of a second, in which a fixed sensor's channel hardly changes.
const FRAMES: f64 = 64.0;
/// Least agreement with a path in what is left, in units of the noise. Chosen: e^-14 times some 200 delays is one in 5,000.
const LEAST_AGREEMENT: f64 = 14.0;
/// Weakest path beside the strongest one, power. Chosen: filters before this stage ripple by a tenth of a dB, which looks like a path
/// 40 dB down; 26 dB leave room.
const WEAKEST: f64 = 2.5e-3;
/// Delays looked at, seconds: beyond them the cyclic prefix of 4.7 us is left behind.
const RANGE: (f64, f64) = (-4e-6, 5e-6);
/// Delays looked at in one resolution cell.
const FINENESS: f64 = 3.0;
/// Times that each path is placed again.
const ROUNDS: usize = 12;

/// One path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    /// Seconds behind where the frame was taken to begin.
    pub delay: f64,
    /// One standard deviation of the delay: the bound beside the other paths.
    pub sigma: f64,
    /// Its share of a reference element's amplitude.
    pub gain: Complex64,
}

/// What the paths of a channel come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// By delay; one at least.
    pub paths: Vec<Path>,
    /// Delay by the slopes of the phase, which is about the middle of all paths, seconds.
    pub middle: f64,
}

impl Profile {
    /// The path that arrives first.
    pub fn first(&self) -> Path {
        self.paths[0]
    }

    /// The strongest path.
    pub fn strongest(&self) -> Path {
        self.paths
            .iter()
            .copied()
            .fold(self.paths[0], |best, path| if path.gain.norm_sqr() > best.gain.norm_sqr() { path } else { best })
    }

    /// Root mean square of the delays about their mean, weighted by power, seconds.
    pub fn rms_spread(&self) -> f64 {
        let total: f64 = self.paths.iter().map(|path| path.gain.norm_sqr()).sum();
        let mean = |of: &dyn Fn(f64) -> f64| {
            self.paths.iter().map(|path| path.gain.norm_sqr() * of(path.delay)).sum::<f64>() / total
        };
        let middle = mean(&|delay| delay);
        mean(&|delay| (delay - middle).powi(2)).sqrt()
    }
}

/// The channel of one port averaged over frames.
#[derive(Clone, Debug, Default)]
pub struct Average {
    /// Sum over frames, one element every three subcarriers.
    sum: Vec<Complex32>,
    /// Sum of the frames' weights, and of their squares.
    weights: (f64, f64),
    noise: f64,
}

impl Average {
    /// Takes the channel of a frame, one element every three subcarriers from the lowest, and the noise power of each.
    pub fn take(&mut self, channel: &[Complex32], noise: f64) {
        if self.sum.len() != channel.len() {
            *self = Average { sum: vec![Complex32::default(); channel.len()], ..Average::default() };
        }
        let fade = if self.weights.0 + 1.0 > FRAMES { 1.0 - 1.0 / FRAMES } else { 1.0 };
        // The carrier's phase is anything from frame to frame.
        let agreed: Complex32 = self.sum.iter().zip(channel).map(|(sum, value)| sum * value.conj()).sum();
        let turn = if agreed.norm() > 0.0 { agreed / agreed.norm() } else { Complex32::new(1.0, 0.0) };
        for (sum, value) in self.sum.iter_mut().zip(channel) {
            *sum = *sum * fade as f32 + value * turn;
        }
        self.weights = (self.weights.0 * fade + 1.0, self.weights.1 * fade * fade + 1.0);
        self.noise += (noise - self.noise) / self.weights.0;
    }

    /// The paths; `spacing`: hertz from one element to the next and how much more there are in the middle, where the carrier is left out,
    /// `middle`: the delay by the slopes of the phase, seconds. `None` before the first frame, and where no path stands out of the noise.
    pub fn profile(&self, spacing: (f64, f64), middle: impl FnOnce(&[Complex32]) -> f64) -> Option<Profile> {
        let scale = 1.0 / self.weights.0;
        let channel: Vec<Complex64> =
            self.sum.iter().map(|value| Complex64::new(f64::from(value.re), f64::from(value.im)) * scale).collect();
        let noise = self.noise * self.weights.1 * scale * scale;
        if channel.is_empty() || noise.is_nan() || noise <= 0.0 {
            return None;
        }
        let paths = paths(channel, (noise, self.noise), spacing);
        (!paths.is_empty()).then(|| Profile { paths, middle: middle(&self.sum) })
    }
}

/// The paths of a channel, by delay; none where no one stands out of the noise.
///
/// `noise`: power of noise in an element, and what a path beside the strongest one has to stand out of; `spacing`: as of
/// [`Average::profile`].
pub fn paths(channel: Vec<Complex64>, (noise, floor): (f64, f64), (spacing, gap): (f64, f64)) -> Vec<Path> {
    Solver { spacing, gap, noise, floor, channel }.paths()
}

/// Where within `reach` seconds of none a channel agrees best with one path; `spacing`: as of [`Average::profile`].
pub fn strongest(channel: Vec<Complex64>, (spacing, gap): (f64, f64), reach: f64) -> f64 {
    let cell = 1.0 / (spacing * channel.len().max(1) as f64);
    let solver = Solver { spacing, gap, noise: 0.0, floor: 0.0, channel };
    solver.best(&solver.channel, (-reach, reach), cell / FINENESS)
}

/// Tells paths apart in one channel.
struct Solver {
    spacing: f64,
    gap: f64,
    noise: f64,
    /// Noise of one frame. The reference signals of other cells are the same ones in every frame: averaging does not lower them, and
    /// nothing below what one frame tells is a path beside the strongest. Seen in recordings of six blocks at 2 to 12 dB: without
    /// this, paths 15 to 25 dB down and 3 to 4 us early in five of eight cells.
    floor: f64,
    channel: Vec<Complex64>,
}

impl Solver {
    /// Frequency of an element, hertz from the carrier.
    fn frequency(&self, element: usize) -> f64 {
        let count = self.channel.len();
        let side = if element < count / 2 { -0.5 } else { 0.5 };
        self.spacing * (element as f64 - (count as f64 - 1.0) / 2.0) + self.gap * side
    }

    /// The elements of a path of amplitude one.
    fn steering(&self, delay: f64) -> impl Iterator<Item = Complex64> + use<> {
        let turn = |hertz: f64| Complex64::from_polar(1.0, -TAU * hertz * delay);
        let (mut value, step, jump) = (turn(self.frequency(0)), turn(self.spacing), turn(self.gap));
        let count = self.channel.len();
        (0..count).map(move |element| {
            if element == count / 2 {
                value *= jump;
            }
            let now = value;
            value *= step;
            now
        })
    }

    /// The amplitude of a path at `delay` that leaves least of `rest`.
    fn gain(&self, rest: &[Complex64], delay: f64) -> Complex64 {
        let sum: Complex64 = rest.iter().zip(self.steering(delay)).map(|(value, path)| value * path.conj()).sum();
        sum / rest.len() as f64
    }

    fn subtract(&self, rest: &mut [Complex64], delay: f64, gain: Complex64) {
        rest.iter_mut().zip(self.steering(delay)).for_each(|(value, path)| *value -= path * gain);
    }

    /// Delay within `range` where a single path agrees best with `rest`.
    fn best(&self, rest: &[Complex64], range: (f64, f64), step: f64) -> f64 {
        let count = ((range.1 - range.0) / step).ceil() as usize;
        let power = |delay: f64| self.gain(rest, delay).norm_sqr();
        let coarse = (0..=count).map(|i| range.0 + i as f64 * step).map(|delay| (power(delay), delay));
        let (_, mut delay) = coarse.fold((-1.0, 0.0), |best, next| if next.0 > best.0 { next } else { best });
        // The top of a parabola through three powers, closer and closer.
        let mut reach = step / 2.0;
        for _ in 0..6 {
            let (low, top, high) = (power(delay - reach), power(delay), power(delay + reach));
            let bend = low - 2.0 * top + high;
            let shift = if bend < 0.0 { 0.5 * (low - high) / bend } else { (high - low).signum() };
            delay += reach * shift.clamp(-1.0, 1.0);
            reach /= 3.0;
        }
        delay
    }

    fn paths(&self) -> Vec<Path> {
        let cell = 1.0 / (self.spacing * self.channel.len() as f64);
        let mut found: Vec<(f64, Complex64)> = Vec::new();
        let mut rest = self.channel.clone();
        while found.len() < MAX_PATHS {
            let delay = self.best(&rest, RANGE, cell / FINENESS);
            let gain = self.gain(&rest, delay);
            let strongest = found.iter().map(|path| path.1.norm_sqr()).fold(0.0, f64::max);
            let noise = if found.is_empty() { self.noise } else { self.floor.max(self.noise) };
            let agreement = gain.norm_sqr() * rest.len() as f64 / noise;
            if agreement < LEAST_AGREEMENT || gain.norm_sqr() < WEAKEST * strongest {
                break;
            }
            let mut more = found.clone();
            more.push((delay, gain));
            self.place(&mut more, cell);
            // Paths that have run together explain nothing.
            more.sort_by(|a, b| a.0.total_cmp(&b.0));
            if more.windows(2).any(|pair| pair[1].0 - pair[0].0 < cell / 2.0) {
                break;
            }
            found = more;
            rest.copy_from_slice(&self.channel);
            found.iter().for_each(|&(delay, gain)| self.subtract(&mut rest, delay, gain));
        }
        let sigmas: Vec<f64> = (0..found.len()).map(|at| self.sigma(&found, at)).collect();
        let path = |((delay, gain), sigma)| Path { delay, sigma, gain };
        found.into_iter().zip(sigmas).map(path).collect()
    }

    /// Places each path again with the others taken off.
    fn place(&self, paths: &mut [(f64, Complex64)], cell: f64) {
        if paths.len() == 1 {
            return;
        }
        let mut rest = self.channel.clone();
        for _ in 0..ROUNDS {
            for at in 0..paths.len() {
                rest.copy_from_slice(&self.channel);
                let others = paths.iter().enumerate().filter(|(other, _)| *other != at);
                others.for_each(|(_, &(delay, gain))| self.subtract(&mut rest, delay, gain));
                let near = (paths[at].0 - cell / 2.0, paths[at].0 + cell / 2.0);
                let delay = self.best(&rest, near, cell / 4.0);
                paths[at] = (delay, self.gain(&rest, delay));
            }
        }
    }

    /// The bound for the delay of path `at` beside the others: what of its derivative none of them explains.
    fn sigma(&self, paths: &[(f64, Complex64)], at: usize) -> f64 {
        let slope = |delay: f64| -> Vec<Complex64> {
            let turned = self.steering(delay).enumerate();
            turned.map(|(element, value)| value * (TAU * self.frequency(element))).collect()
        };
        let mut known: Vec<Vec<Complex64>> = paths.iter().map(|path| self.steering(path.0).collect()).collect();
        known.extend(paths.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, path)| slope(path.0)));
        known.push(slope(paths[at].0));
        // Gram and Schmidt: the last one is what is left of the derivative.
        for i in 0..known.len() {
            let (before, from) = known.split_at_mut(i);
            for other in before.iter() {
                let along: Complex64 = from[0].iter().zip(other).map(|(value, other)| value * other.conj()).sum();
                from[0].iter_mut().zip(other).for_each(|(value, other)| *value -= other * along);
            }
            if i + 1 < known.len() {
                let norm = known[i].iter().map(Complex64::norm_sqr).sum::<f64>().sqrt().max(1e-30);
                known[i].iter_mut().for_each(|value| *value /= norm);
            }
        }
        let left: f64 = known[known.len() - 1].iter().map(Complex64::norm_sqr).sum();
        (self.noise / (2.0 * paths[at].1.norm_sqr() * left).max(1e-300)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    /// Every third of 15 kHz, and the carrier left out.
    const SPACING_HZ: f64 = 45_000.0;
    const SPACING: (f64, f64) = (SPACING_HZ, 15_000.0);

    /// Averages of `frames` frames of a channel with `paths` (seconds, amplitude, turns), noise of power `noise` an element.
    fn average(
        rng: &mut ChaCha8Rng,
        (blocks, frames): (usize, usize),
        paths: &[(f64, f64, f64)],
        noise: f64,
    ) -> Average {
        let count = 4 * blocks;
        let mut average = Average::default();
        for _ in 0..frames {
            let carrier = rng.random::<f64>();
            let channel: Vec<Complex32> = (0..count)
                .map(|k| {
                    let mut sum = Complex64::default();
                    for &(delay, amplitude, turns) in paths {
                        let gap = if k < count / 2 { 0.0 } else { SPACING.1 };
                        let at = carrier + turns - (SPACING_HZ * k as f64 + gap) * delay;
                        sum += Complex64::from_polar(amplitude, TAU * at);
                    }
                    let mut part = || rng.sample::<f64, _>(StandardNormal) * (noise / 2.0).sqrt();
                    Complex32::new((sum.re + part()) as f32, (sum.im + part()) as f32)
                })
                .collect();
            average.take(&channel, noise);
        }
        average
    }

    fn rms(values: &[f64]) -> f64 {
        (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
    }

    /// One path, 6 to 100 blocks: the delay is as good as the bound allows, and no second path is made up.
    #[test]
    fn a_single_path_reaches_the_bound() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for (blocks, snr_db, frames) in [(6, 0.0, 20), (25, -5.0, 40), (100, 10.0, 4)] {
            let noise = 10f64.powf(-snr_db / 10.0);
            let (mut errors, mut sigma, mut made_up) = (Vec::new(), 0.0, 0);
            for _ in 0..60 {
                let delay = (rng.random::<f64>() - 0.5) * 1e-6;
                let average = average(&mut rng, (blocks, frames), &[(delay, 1.0, 0.0)], noise);
                let profile = average.profile(SPACING, |_| 0.0).unwrap();
                made_up += profile.paths.len() - 1;
                errors.push(profile.strongest().delay - delay);
                sigma = profile.strongest().sigma;
            }
            // The bound for `frames` times 4 elements a block: 1 / (8 pi^2 SNR df^2 sum (k - k')^2 M).
            let count = 4.0 * blocks as f64;
            let spread = count * (count * count - 1.0) / 12.0;
            let snr = frames as f64 / noise;
            let bound = 1.0 / (TAU * SPACING_HZ * (2.0 * snr * spread).sqrt());
            let ratio = rms(&errors) / bound;
            println!(
                "{blocks} blocks, {snr_db} dB, {frames} frames: {:.2} ns, {ratio:.2} of the bound",
                rms(&errors) * 1e9
            );
            assert!((0.7..1.3).contains(&ratio), "{blocks} blocks: {ratio}");
            assert!((sigma / bound - 1.0).abs() < 0.2, "{blocks} blocks: {}", sigma / bound);
            assert!(made_up <= 1, "{blocks} blocks: {made_up}");
        }
    }

    /// Two paths at known delays, the first one weaker: the first is found, and its error agrees with the sigma given.
    #[test]
    fn the_first_of_two_paths_is_timed_though_it_is_the_weaker_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for (blocks, apart, weaker_db) in
            [(100, 100e-9, 6.0), (100, 700e-9, 10.0), (50, 300e-9, 3.0), (25, 900e-9, 6.0)]
        {
            let (noise, frames) = (0.1, 40);
            let first = 10f64.powf(-weaker_db / 20.0);
            let (mut errors, mut scaled, mut middles) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..40 {
                let delay = (rng.random::<f64>() - 0.5) * 1e-6;
                let paths = [(delay, first, 0.0), (delay + apart, 1.0, rng.random::<f64>())];
                let average = average(&mut rng, (blocks, frames), &paths, noise);
                let profile = average.profile(SPACING, |_| 0.0).unwrap();
                assert_eq!(profile.paths.len(), 2, "{blocks} blocks, {apart} s: {profile:?}");
                let error = profile.first().delay - delay;
                errors.push(error);
                scaled.push(error / profile.first().sigma);
                let excess = profile.strongest().delay - profile.first().delay;
                assert!((excess - apart).abs() < 0.2 * apart, "{excess}");
                let shares = (first * first, 1.0);
                let spread = apart * (shares.0 * shares.1).sqrt() / (shares.0 + shares.1);
                middles.push(profile.rms_spread() / spread - 1.0);
            }
            println!(
                "{blocks} blocks, {:.0} ns apart, {weaker_db} dB weaker: {:.2} ns, {:.2} of the bound",
                apart * 1e9,
                rms(&errors) * 1e9,
                rms(&scaled)
            );
            assert!((0.6..1.5).contains(&rms(&scaled)), "{blocks} blocks: {}", rms(&scaled));
            assert!(rms(&middles) < 0.1, "{}", rms(&middles));
        }
    }

    #[test]
    fn rubbish_is_survived() {
        let mut average = Average::default();
        assert_eq!(average.profile(SPACING, |_| 0.0), None);
        for value in [f32::NAN, f32::INFINITY, 0.0, f32::MAX, f32::MIN_POSITIVE] {
            average.take(&[Complex32::new(value, value); 24], f64::from(value));
            let _ = average.profile(SPACING, |_| 0.0);
        }
        average.take(&[], 1.0);
        assert_eq!(average.profile(SPACING, |_| 0.0), None);
    }
}
