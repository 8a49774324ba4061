//! Finds signals that repeat part of themselves after a fixed time: pilots of a frame structure.
//!
//! The stretch is correlated with itself one repetition time later. The peak is sought within the sample clock's error of the
//! nominal time and held against all other lags; a second look asks in how many parts of the frame it is present, which tells
//! pilots that are sent all the time from a burst once a frame.

use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::fmt;
use std::sync::Arc;

/// Standard deviations by which a part has to stand out: one of the [`PARTS`] parts of noise in thirty stretches does so.
const PART_SIGMAS: f32 = 3.0;

/// Parts of the frame that are looked at one by one.
pub const PARTS: usize = 20;

/// Correlates stretches with themselves `frame` samples later.
pub struct Repetition {
    frame: usize,
    /// Samples correlated; a little less than a frame, of a length that transforms quickly.
    span: usize,
    /// Largest clock error, samples.
    reach: usize,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    sum: Vec<Complex32>,
    /// For each lag within reach, for each part: the sum of products.
    parts: Vec<[Complex32; PARTS]>,
    energy: [f32; PARTS],
    stretches: usize,
    near: Vec<Complex32>,
    far: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl fmt::Debug for Repetition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repetition").field("frame", &self.frame).field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Repeated {
    /// Power of the peak over the mean at all other lags (by their median), or over that at lags whole parts of a frame away,
    /// whichever is larger.
    pub contrast: f64,
    /// In how many of the [`PARTS`] of a frame the repetition stands out of the noise by itself.
    pub parts: usize,
}

impl Repetition {
    /// For frames of `frame` samples and clock errors up to `reach` samples a frame; `None` where a frame is too short for it.
    pub fn new(frame: usize, reach: usize) -> Option<Repetition> {
        let unit = 1usize << (frame.max(1).ilog2().saturating_sub(6));
        let span = frame / unit * unit;
        if span / PARTS < (4 * reach).max(16) {
            return None;
        }
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(span), planner.plan_fft_inverse(span));
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        let zero = Complex32::default();
        Some(Repetition {
            frame,
            span,
            reach,
            forward,
            inverse,
            sum: vec![zero; span],
            parts: vec![[zero; PARTS]; 2 * reach + 1],
            energy: [0.0; PARTS],
            stretches: 0,
            near: vec![zero; span],
            far: vec![zero; span],
            scratch: vec![zero; scratch],
        })
    }

    /// Adds a stretch of at least two frames; shorter ones are left out.
    pub fn add(&mut self, samples: &[Complex32]) {
        let Some(far) = samples.get(self.frame..self.frame + self.span) else { return };
        let near = &samples[..self.span];
        self.stretches += 1;
        let len = self.part_len();
        for part in 0..PARTS {
            let from = part * (self.span / PARTS) + self.reach;
            let near = &near[from..from + len];
            self.energy[part] += near.iter().map(|s| s.norm_sqr()).sum::<f32>();
            for (lag, sums) in self.parts.iter_mut().enumerate() {
                let far = &far[from + lag - self.reach..];
                sums[part] += near.iter().zip(far).map(|(a, b)| b * a.conj()).sum::<Complex32>();
            }
        }
        self.near.copy_from_slice(near);
        self.far.copy_from_slice(far);
        self.forward.process_with_scratch(&mut self.near, &mut self.scratch);
        self.forward.process_with_scratch(&mut self.far, &mut self.scratch);
        for (far, near) in self.far.iter_mut().zip(&self.near) {
            *far *= near.conj();
        }
        self.inverse.process_with_scratch(&mut self.far, &mut self.scratch);
        for (sum, product) in self.sum.iter_mut().zip(&self.far) {
            *sum += product;
        }
    }

    /// What all stretches since the last [`Repetition::clear`] say together.
    pub fn result(&self) -> Repeated {
        let powers: Vec<f64> = self.sum.iter().map(|s| f64::from(s.norm_sqr())).collect();
        let wrapped = |lag: usize| (lag + self.span - self.reach) % self.span;
        let Some(best) = (0..=2 * self.reach).max_by(|&a, &b| powers[wrapped(a)].total_cmp(&powers[wrapped(b)])) else {
            return Repeated::default();
        };
        // The median of an exponential distribution is ln 2 of its mean.
        let floor = *powers.clone().select_nth_unstable_by(self.span / 2, f64::total_cmp).1 / std::f64::consts::LN_2;
        let floor = floor.max(self.rivals(&powers));
        if floor <= 0.0 {
            return Repeated::default();
        }
        let phase = self.sum[wrapped(best)].conj().unscale(powers[wrapped(best)].sqrt() as f32);
        // In white noise the share's real part has this standard deviation; the stretches come whitened.
        let sigma = 1.0 / (2.0 * (self.part_len() * self.stretches) as f32).sqrt();
        let stands_out = |(sum, energy): &(&Complex32, &f32)| (**sum * phase).re > PART_SIGMAS * sigma * **energy;
        let parts = self.parts[best].iter().zip(&self.energy).filter(stands_out).count();
        Repeated { contrast: powers[wrapped(best)] / floor, parts }
    }

    /// Mean power at lags that are whole parts of a frame away, from their largest.
    ///
    /// There, symbol edges meet symbol edges as they do at the peak. Of a carrier that is much stronger than the noise, what
    /// whitening lifts beside it is nothing but its edges: impulses that give more at these lags than at all others.
    fn rivals(&self, powers: &[f64]) -> f64 {
        let near = (PARTS / 2 - 1) as i64;
        let lags = (-near..=near).filter(|&part| part != 0).flat_map(|part| {
            let away = part * self.frame as i64 / PARTS as i64;
            let reach = self.reach as i64;
            (-reach..=reach).map(move |lag| away + lag)
        });
        let (mut largest, mut count) = (0.0f64, 0u32);
        for lag in lags {
            largest = largest.max(powers[lag.rem_euclid(self.span as i64) as usize]);
            count += 1;
        }
        // The largest of `n` exponentially distributed values is about `ln n` means.
        largest / f64::from(count.max(3)).ln()
    }

    /// Samples of one part that stay inside it at all lags within reach.
    fn part_len(&self) -> usize {
        self.span / PARTS - 2 * self.reach
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.stretches = 0;
        self.sum.fill(Complex32::default());
        self.parts.fill([Complex32::default(); PARTS]);
        self.energy.fill(0.0);
    }
}
