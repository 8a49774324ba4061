//! A stretch of samples in half the memory: 16 bits each of I and Q, with a scale for every block.
//!
//! Rounding is 98 dB below a block's greatest sample, whatever the level of the stream; no receiver resolves as much.

use num_complex::{Complex, Complex32};

/// Samples of a block: 0.2 ms at 20 Msps, shorter than the bursts of what is received.
const BLOCK: usize = 4096;

/// Samples kept in their order.
#[derive(Clone, Debug, Default)]
pub struct Compact {
    samples: Vec<Complex<i16>>,
    /// What 1 stands for, for every block of `samples`.
    scales: Vec<f32>,
    /// The last block until it is full.
    rest: Vec<Complex32>,
}

impl Compact {
    /// Makes room for `count` samples in all, and no more.
    pub fn reserve(&mut self, count: usize) {
        self.samples.reserve_exact(count.saturating_sub(self.samples.len()));
        self.scales.reserve_exact((count / BLOCK).saturating_sub(self.scales.len()));
        self.rest.reserve_exact(BLOCK - self.rest.len());
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.samples.len() + self.rest.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all; the room stays.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.scales.clear();
        self.rest.clear();
    }

    /// Appends samples.
    pub fn extend(&mut self, mut samples: &[Complex32]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(BLOCK - self.rest.len()));
            self.rest.extend_from_slice(now);
            samples = later;
            if self.rest.len() == BLOCK {
                self.close();
            }
        }
    }

    /// The samples in order, a block at a time.
    pub fn for_each(&self, mut take: impl FnMut(&[Complex32])) {
        let mut block = [Complex32::default(); BLOCK];
        for (short, &scale) in self.samples.chunks(BLOCK).zip(&self.scales) {
            for (sample, short) in block.iter_mut().zip(short) {
                *sample = Complex32::new(f32::from(short.re), f32::from(short.im)) * scale;
            }
            take(&block[..short.len()]);
        }
        if !self.rest.is_empty() {
            take(&self.rest);
        }
    }

    fn close(&mut self) {
        let peak = self.rest.iter().fold(0f32, |peak, sample| peak.max(sample.re.abs()).max(sample.im.abs()));
        // Half of the greatest number, for what is infinite: -32,768 times the scale is a number too.
        let scale = peak.min(f32::MAX / 2.0) / f32::from(i16::MAX);
        // Where there is nothing, or less than can be divided by, there are zeros. A cast of this kind ends at the greatest value.
        let inverse = if scale > 1e-37 { 1.0 / scale } else { 0.0 };
        let short = |x: f32| (x * inverse).round() as i16;
        self.samples.extend(self.rest.iter().map(|sample| Complex::new(short(sample.re), short(sample.im))));
        self.scales.push(scale);
        self.rest.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kept: &Compact) -> Vec<Complex32> {
        let mut out = Vec::new();
        kept.for_each(|block| out.extend_from_slice(block));
        out
    }

    #[test]
    fn samples_come_back_in_order_however_they_were_cut_and_whatever_their_level() {
        let count = 3 * BLOCK + 77;
        for level in [1e-9f32, 1e-3, 1.0, 3e4] {
            let samples: Vec<Complex32> =
                (0..count).map(|n| Complex32::from_polar(level * (n % 97) as f32 / 97.0, n as f32)).collect();
            let (mut one, mut many) = (Compact::default(), Compact::default());
            one.reserve(count);
            one.extend(&samples);
            samples.chunks(611).for_each(|part| many.extend(part));
            assert_eq!((one.len(), one.is_empty()), (count, false));
            assert_eq!(all(&one), all(&many));
            // Half a step of 2^-15 in each of I and Q.
            let worst = all(&one).iter().zip(&samples).map(|(a, b)| (a - b).norm()).fold(0.0, f32::max);
            assert!(worst <= level / 32_767.0 * 0.75, "{level}: {worst}");
        }
    }

    #[test]
    fn a_quiet_block_is_not_rounded_away_by_a_loud_one_before_it() {
        let mut samples = vec![Complex32::new(1.0, 0.0); BLOCK];
        samples.extend(vec![Complex32::new(1e-7, -1e-7); BLOCK]);
        let mut kept = Compact::default();
        kept.extend(&samples);
        assert!((all(&kept)[BLOCK] - samples[BLOCK]).norm() < 1e-11);
    }

    #[test]
    fn silence_and_what_is_no_number_come_back_as_numbers() {
        let mut samples = vec![Complex32::default(); BLOCK];
        samples.extend(vec![Complex32::new(1e-40, -1e-40); BLOCK]);
        samples.extend((0..BLOCK).map(|n| Complex32::new([f32::NAN, f32::INFINITY, -1.0][n % 3], f32::NEG_INFINITY)));
        let mut kept = Compact::default();
        kept.extend(&samples);
        let out = all(&kept);
        assert!(out[..BLOCK].iter().all(|sample| *sample == Complex32::default()));
        assert!(out.iter().all(|sample| sample.re.is_finite() && sample.im.is_finite()));
        kept.clear();
        assert!(kept.is_empty() && all(&kept).is_empty());
    }
}
