//! Matched filters of several templates at several carrier offsets at once: one forward FFT a block for all of them.
//!
//! Overlap-save; an offset is a shift of the spectrum by whole bins. What comes out is the share of the signal's energy
//! that lies in the template, 0.0..=1.0: a burst ten times as strong counts no more than any other.

use multiversion::multiversion;
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
        let (out_head, out_tail) = self.product.split_at_mut(n - turn);
        multiply(out_head, high, head);
        multiply(out_tail, low, tail);
        self.inverse.process_with_scratch(&mut self.product, &mut self.scratch);
        let first = shift % sums.len();
        let straight = self.hop.min(sums.len() - first);
        let (values, wrapped) = self.product[..self.hop].split_at(straight);
        let (energy, wrapped_energy) = self.energy.split_at(straight);
        add_power(&mut sums[first..first + straight], values, energy);
        add_power(&mut sums[..wrapped.len()], wrapped, wrapped_energy);
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn multiply(out: &mut [Complex32], values: &[Complex32], filter: &[Complex32]) {
    for ((out, value), filter) in out.iter_mut().zip(values).zip(filter) {
        *out = value * filter;
    }
}

/// Adds the powers of `values`, each weighed.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_power(sums: &mut [f32], values: &[Complex32], weights: &[f32]) {
    for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
        *sum += (value.re * value.re + value.im * value.im) * weight;
    }
}

/// Samples with their real and imaginary parts apart, for filters read at single places.
#[derive(Clone, Debug, Default)]
pub struct Planar {
    re: Vec<f32>,
    im: Vec<f32>,
}

impl Planar {
    /// Takes the place of what was held.
    pub fn load(&mut self, samples: impl IntoIterator<Item = Complex32>) {
        self.re.clear();
        self.im.clear();
        for sample in samples {
            self.re.push(sample.re);
            self.im.push(sample.im);
        }
    }

    /// Samples held.
    pub fn len(&self) -> usize {
        self.re.len()
    }

    /// Nothing is held.
    pub fn is_empty(&self) -> bool {
        self.re.is_empty()
    }

    /// The inner product of `template` (not conjugated: it is to hold conjugate values) with what is held from `at` on, and the
    /// energy of that stretch; `None` where it does not lie inside.
    pub fn matched(&self, at: i64, template: &Planar) -> Option<(Complex32, f32)> {
        let first = usize::try_from(at).ok()?;
        let end = first.checked_add(template.len())?;
        let (re, im) = (self.re.get(first..end)?, self.im.get(first..end)?);
        let [re, im, energy] = inner(re, im, &template.re, &template.im);
        Some((Complex32::new(re, im), energy))
    }
}

/// Real and imaginary part of the sum of the products, and the energy of the first factor.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn inner(re: &[f32], im: &[f32], by_re: &[f32], by_im: &[f32]) -> [f32; 3] {
    const LANES: usize = 8;
    let (mut real, mut imaginary, mut energy) = ([0f32; LANES], [0f32; LANES], [0f32; LANES]);
    let chunks = re.chunks_exact(LANES).zip(im.chunks_exact(LANES));
    let by = by_re.chunks_exact(LANES).zip(by_im.chunks_exact(LANES));
    for ((re, im), (by_re, by_im)) in chunks.zip(by) {
        for lane in 0..LANES {
            real[lane] += re[lane] * by_re[lane] - im[lane] * by_im[lane];
            imaginary[lane] += re[lane] * by_im[lane] + im[lane] * by_re[lane];
            energy[lane] += re[lane] * re[lane] + im[lane] * im[lane];
        }
    }
    let whole = re.len() / LANES * LANES;
    let mut sums = [real, imaginary, energy].map(|lanes| lanes.iter().sum::<f32>());
    for n in whole..re.len().min(by_re.len()) {
        sums[0] += re[n] * by_re[n] - im[n] * by_im[n];
        sums[1] += re[n] * by_im[n] + im[n] * by_re[n];
        sums[2] += re[n] * re[n] + im[n] * im[n];
    }
    sums
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
