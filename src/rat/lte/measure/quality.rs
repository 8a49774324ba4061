//! Error vector magnitude of the broadcast channel.

use crate::rat::lte::channel::Channel;
use crate::rat::lte::grid::Grid;
use crate::rat::lte::pbch;
use crate::rat::lte::reference::Reference;
use num_complex::Complex32;
use std::f32::consts::FRAC_1_SQRT_2;

/// Frames that the mean is taken over.
const FRAMES: f64 = 128.0;

/// Root mean square distance of received PBCH symbols from the nearest QPSK symbol, relative to one symbol; TS 36.104 annex E names the
/// measure, with the difference that decisions stand here for what was sent. Where noise makes them wrong, below some 8 dB a symbol, it
/// is told too small.
#[derive(Clone, Debug, Default)]
pub struct Evm {
    elements: Vec<(usize, usize)>,
    /// Mean square error of a symbol.
    square: f64,
    frames: f64,
}

impl Evm {
    /// Takes subframe 0 of a frame.
    pub fn take(&mut self, grid: &Grid, channel: &Channel, reference: &Reference) {
        if self.elements.is_empty() {
            self.elements = pbch::elements(reference.pci(), reference.cp(), grid.subcarriers());
        }
        // Each symbol counts by the strength of its channel, and the common amplitude is fitted: operators send reference signals
        // stronger than the rest.
        let (mut received, mut cross, mut known) = (0.0f64, 0.0f64, 0.0f64);
        let mut take = |symbol: Complex32, power: f32| {
            let sign = |part: f32| FRAC_1_SQRT_2.copysign(part);
            received += f64::from(symbol.norm_sqr());
            cross += f64::from((symbol.re * sign(symbol.re) + symbol.im * sign(symbol.im)) * power.sqrt());
            known += f64::from(power);
        };
        let at = |(symbol, k): (usize, usize)| grid.symbol(symbol)[k];
        let gain = |port: usize, (symbol, k): (usize, usize)| channel.gain(port, symbol)[k];
        if channel.ports() == 1 {
            for &place in &self.elements {
                let (value, power) = (at(place) * gain(0, place).conj(), gain(0, place).norm_sqr());
                take(value / power.sqrt(), power);
            }
        } else {
            for (i, pair) in self.elements.chunks_exact(2).enumerate() {
                let (one, other) = match (channel.ports(), i % 2) {
                    (2, _) => (0, 1),
                    (_, 0) => (0, 2),
                    _ => (1, 3),
                };
                // Transmit diversity undone; TS 36.211 clause 6.3.4.3. Its amplitude is that of a port over the root of two.
                let (y0, y1) = (at(pair[0]), at(pair[1]));
                let first = gain(one, pair[0]).conj() * y0 + gain(other, pair[1]) * y1.conj();
                let second = gain(one, pair[1]).conj() * y1 - gain(other, pair[0]) * y0.conj();
                let power = gain(one, pair[0]).norm_sqr() + gain(other, pair[1]).norm_sqr();
                let scale = std::f32::consts::SQRT_2 / power.sqrt();
                take(first * scale, power);
                take(second * scale, power);
            }
        }
        // What a common amplitude of cross / known leaves, relative to what it explains.
        let square = (received * known / (cross * cross) - 1.0).max(0.0);
        if square.is_finite() {
            self.frames = (self.frames + 1.0).min(FRAMES);
            self.square += (square - self.square) / self.frames;
        }
    }

    /// The measure in percent; `None` before the first frame.
    pub fn percent(&self) -> Option<f64> {
        (self.frames > 0.0).then(|| 100.0 * self.square.sqrt())
    }
}
