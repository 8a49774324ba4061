//! A demodulator for signals whose carrier and timing are known, as plain as can be.

use daen::radio::source::StreamInfo;
use num_complex::Complex32;
use std::f64::consts::{PI, TAU};

/// Where a slot's bits lie in a stream.
pub struct Slot {
    /// Sample, with fraction, at which BN0 begins.
    pub start: f64,
    /// Samples a symbol.
    pub symbol: f64,
    /// Carrier in the samples, hertz by the stream's clock.
    pub carrier: f64,
}

impl Slot {
    /// Samples of the stream that `bits` needs: from the first of the slot, this many.
    pub fn samples(&self) -> (u64, usize) {
        (self.start.floor() as u64, (self.symbol * 150.0) as usize)
    }

    /// Soft values of the 148 bits, positive for 0, from the samples that [`Slot::samples`] named.
    ///
    /// In the middle of bit k the phase is that of the straight line, turned by half a turn where the bit is 0: each bit
    /// is one sample, the nearest. Carrier phase from the square of them all, its sign from the tail bits, which are 0.
    pub fn bits(&self, info: &StreamInfo, samples: &[Complex32]) -> [f32; 148] {
        let (first, _) = self.samples();
        let values: Vec<Complex32> = (0..148)
            .map(|k| {
                let at = self.start + (f64::from(k) + 0.5) * self.symbol;
                let nearest = at.round();
                let since = nearest - self.start;
                let phase = TAU * self.carrier * since / info.sample_rate.0 + PI / 2.0 * since / self.symbol;
                samples[(nearest - first as f64) as usize] * Complex32::from_polar(1.0, -phase as f32)
            })
            .collect();
        let square: Complex32 = values.iter().map(|v| v * v).sum();
        let turn = Complex32::from_polar(1.0, -square.arg() / 2.0);
        let mut bits: [f32; 148] = std::array::from_fn(|k| -(values[k] * turn).re);
        let tails: f32 = bits[..3].iter().chain(&bits[145..]).sum();
        if tails < 0.0 {
            bits.iter_mut().for_each(|b| *b = -*b);
        }
        bits
    }
}
