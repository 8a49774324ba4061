//! Symbols of OFDM made again from some of their subcarriers, at a time and with a carrier that need not be whole.

use super::{narrow, polar};
use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::fmt;
use std::sync::Arc;

/// Distance from the carrier of subcarrier `place` of `count`, the carrier's own left out, in subcarriers.
fn subcarrier(place: usize, count: usize) -> i64 {
    let below = place as i64 - count as i64 / 2;
    if below < 0 { below } else { below + 1 }
}

/// Makes symbols of one length: the reverse of [`Ofdm::demodulate`](super::Ofdm::demodulate).
pub struct Modulator {
    fft: Arc<dyn Fft<f32>>,
    /// The useful part, from its first whole sample on.
    time: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl fmt::Debug for Modulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modulator").field("length", &self.time.len()).finish_non_exhaustive()
    }
}

impl Modulator {
    /// For symbols of `length` samples without their prefix.
    pub fn new(length: usize) -> Modulator {
        let fft = FftPlanner::new().plan_fft_inverse(length);
        let scratch = vec![Complex32::default(); fft.get_inplace_scratch_len()];
        Modulator { fft, time: vec![Complex32::default(); length], scratch }
    }

    /// Adds a symbol to `out`, whose first sample is number `first`: of `values`, one for each subcarrier, those at `places` alone.
    ///
    /// The useful part begins at `useful`, between samples; what comes before it is the prefix. `carrier`: its advance a sample, in
    /// turns; at sample 0 it is at 0.
    pub fn add(
        &mut self,
        values: &[Complex32],
        places: &[usize],
        (useful, carrier): (f64, f64),
        (first, out): (usize, &mut [Complex32]),
    ) {
        let length = self.time.len() as i64;
        let scale = 1.0 / (length as f32).sqrt();
        self.time.fill(Complex32::ZERO);
        for place in places {
            let cycles = subcarrier(*place, values.len());
            let late = polar(-(cycles as f64) * useful.fract() / length as f64);
            self.time[cycles.rem_euclid(length) as usize] = values[*place] * narrow(late) * scale;
        }
        self.fft.process_with_scratch(&mut self.time, &mut self.scratch);
        let after = first as i64 - useful.floor() as i64;
        let turns = (0..).map(|n: u32| narrow(polar(carrier * (first as f64 + f64::from(n)))));
        for ((sample, turn), n) in out.iter_mut().zip(turns).zip(after..) {
            *sample += self.time[n.rem_euclid(length) as usize] * turn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::ofdm::Ofdm;

    #[test]
    fn a_symbol_is_made_again_from_its_elements() {
        const LENGTH: usize = 128;
        let values: [Complex32; 72] = std::array::from_fn(|k| narrow(polar((k * k) as f64 * 0.13)));
        // The useful part begins at 9.63; the symbol is made from sample 1 on and demodulated from sample 7 on.
        let (useful, carrier) = (9.63, 0.017);
        for places in [(0..72).collect::<Vec<usize>>(), vec![3, 40]] {
            let mut out = vec![Complex32::ZERO; 136];
            Modulator::new(LENGTH).add(&values, &places, (useful, carrier), (1, &mut out));
            let mut got = [Complex32::ZERO; 72];
            Ofdm::new(LENGTH).demodulate(&out[6..6 + LENGTH], useful - 7.0, carrier * 7.0, carrier, &mut got);
            for (place, (got, sent)) in got.iter().zip(&values).enumerate() {
                let sent = if places.contains(&place) { *sent } else { Complex32::ZERO };
                assert!((got - sent).norm() < 1e-4, "{got} {sent}");
            }
        }
    }
}
