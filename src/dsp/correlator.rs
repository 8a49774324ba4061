//! Matched filters of several templates at several carrier offsets at once: one forward FFT a block for all of them.
//!
//! Overlap-save; an offset is a shift of the spectrum by whole bins. What comes out is the share of the signal's energy
//! that lies in the template, 0.0..=1.0: a burst ten times as strong counts no more than any other.

use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::fmt;
use std::sync::Arc;

/// A bank of matched filters of equal length.
pub struct Correlator {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    length: usize,
    hop: usize,
    /// Conjugate spectra of the templates, scaled so that a full match of unit energy gives 1.0.
    templates: Vec<Vec<Complex32>>,
    spectrum: Vec<Complex32>,
    product: Vec<Complex32>,
    scratch: Vec<Complex32>,
    /// Reciprocal of the energy under the template, by position.
    energy: Vec<f32>,
}

impl fmt::Debug for Correlator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Correlator").field("length", &self.length).field("hop", &self.hop).finish_non_exhaustive()
    }
}

impl Correlator {
    /// A bank for `templates` with blocks of `fft` samples, of which `hop` positions are searched.
    ///
    /// # Panics
    /// Where the templates differ in length or a block does not hold a hop and a template.
    pub fn new(templates: &[Vec<Complex32>], fft: usize, hop: usize) -> Correlator {
        let length = templates.first().map_or(0, Vec::len);
        assert!(length > 0 && templates.iter().all(|template| template.len() == length), "templates of one length");
        assert!(hop + length <= fft + 1, "a block holds a hop and a template");
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(fft), planner.plan_fft_inverse(fft));
        let spectra = templates
            .iter()
            .map(|template| {
                let energy: f32 = template.iter().map(Complex32::norm_sqr).sum();
                let mut spectrum = template.clone();
                spectrum.resize(fft, Complex32::default());
                forward.process(&mut spectrum);
                let scale = 1.0 / (fft as f32 * energy.sqrt());
                spectrum.iter().map(|value| value.conj() * scale).collect()
            })
            .collect();
        let scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        Correlator {
            forward,
            inverse,
            length,
            hop,
            templates: spectra,
            spectrum: vec![Complex32::default(); fft],
            product: vec![Complex32::default(); fft],
            scratch: vec![Complex32::default(); scratch],
            energy: vec![0.0; hop],
        }
    }

    /// Samples that a block must have.
    pub fn block_len(&self) -> usize {
        self.spectrum.len()
    }

    /// Positions searched a block.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Takes a block of samples; the filters then look at its first [`Correlator::hop`] positions.
    ///
    /// # Panics
    /// Where `block` is not [`Correlator::block_len`] long.
    pub fn load(&mut self, block: &[Complex32]) {
        self.spectrum.copy_from_slice(block);
        let energy = |part: &[Complex32]| part.iter().map(|sample| f64::from(sample.norm_sqr())).sum::<f64>();
        let mut sum = energy(&block[..self.length]);
        for (at, slot) in self.energy.iter_mut().enumerate() {
            *slot = if sum > 1e-12 { (1.0 / sum) as f32 } else { 0.0 };
            sum -= f64::from(block[at].norm_sqr());
            sum += block.get(at + self.length).map_or(0.0, |sample| f64::from(sample.norm_sqr()));
        }
        self.forward.process_with_scratch(&mut self.spectrum, &mut self.scratch);
    }

    /// Adds to `sums`, from `shift` on and round it, the match of template `template` at a carrier `bins` bins above zero.
    ///
    /// # Panics
    /// Where there is no such template or `sums` is shorter than a hop.
    pub fn accumulate(&mut self, template: usize, bins: i32, shift: usize, sums: &mut [f32]) {
        assert!(sums.len() >= self.hop, "the sums hold a hop");
        let n = self.spectrum.len();
        let turn = bins.rem_euclid(n as i32) as usize;
        let (head, tail) = self.templates[template].split_at(n - turn);
        let (low, high) = self.spectrum.split_at(turn);
        let pairs = high.iter().zip(head).chain(low.iter().zip(tail));
        for (out, (value, filter)) in self.product.iter_mut().zip(pairs) {
            *out = value * filter;
        }
        self.inverse.process_with_scratch(&mut self.product, &mut self.scratch);
        let first = shift % sums.len();
        let straight = self.hop.min(sums.len() - first);
        let matched =
            self.product[..self.hop].iter().zip(&self.energy).map(|(value, energy)| value.norm_sqr() * energy);
        let mut matched = matched.fuse();
        for (sum, value) in sums[first..first + straight].iter_mut().zip(matched.by_ref()) {
            *sum += value;
        }
        for (sum, value) in sums.iter_mut().zip(matched) {
            *sum += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_template_is_found_at_its_place_and_offset_whatever_its_strength() {
        let template: Vec<Complex32> = (0..32).map(|n| Complex32::from_polar(1.0, (n * n) as f32 * 0.11)).collect();
        let other: Vec<Complex32> = template.iter().map(Complex32::conj).collect();
        let mut block = vec![Complex32::default(); 256];
        for (n, sample) in template.iter().enumerate() {
            let turn = Complex32::from_polar(0.01, std::f32::consts::TAU * 3.0 / 256.0 * (n + 100) as f32);
            block[n + 100] = sample * turn;
        }
        let mut correlator = Correlator::new(&[template, other], 256, 225);
        correlator.load(&block);
        let mut sums = vec![0.0; 225];
        correlator.accumulate(0, 3, 200, &mut sums);
        assert!((sums[(100 + 200) % 225] - 1.0).abs() < 1e-3, "{}", sums[75]);
        let mut wrong = vec![0.0; 225];
        correlator.accumulate(1, 3, 0, &mut wrong);
        assert!(wrong.iter().all(|&value| value < 0.6));
    }
}
