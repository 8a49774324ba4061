//! The main pulse of GMSK as the receiver's filter leaves it: where in a channel estimate does the first path begin?
//!
//! ## References
//! - 3GPP TS 45.004 Release 17, clause 2 (BT = 0.3, modulation index 1/2)
//! - P. A. Laurent, "Exact and approximate construction of digital phase modulations by superposition of amplitude modulated
//!   pulses", IEEE Transactions on Communications 34 (1986): the pulse `C0`

use super::burst::PEAK;
use super::equalizer::{Channel, TAPS};
use num_complex::Complex32;
use std::f64::consts::{FRAC_PI_2, LN_2, PI};
use std::sync::LazyLock;

/// Table steps a symbol.
const FINE: i32 = 64;
/// Symbols to either side of the peak that the table spans.
const SPAN: i32 = 6;
/// Delays searched, symbols: those with the pulse's peak inside the taps. Where only its flank would be, noise fits it too.
const DELAYS: std::ops::RangeInclusive<i32> = -(PEAK as i32)..=(TAPS - 1 - PEAK) as i32;

/// The pulse at 64 steps a symbol, centred.
#[derive(Clone, Debug)]
pub struct Pulse {
    table: Vec<f32>,
}

impl Pulse {
    /// The pulse behind a low-pass whose taps are `(offset in symbols, weight)`.
    pub fn new(filter: &[(f64, f64)]) -> Pulse {
        let table = (-SPAN * FINE..=SPAN * FINE)
            .map(|i| {
                let t = f64::from(i) / f64::from(FINE);
                filter.iter().map(|(offset, weight)| weight * tabulated_pulse(t - offset)).sum::<f64>() as f32
            })
            .collect();
        Pulse { table }
    }

    /// By how many symbols a channel's single-path fit lies after its place (tap [`PEAK`]).
    pub fn delay(&self, channel: &Channel) -> f64 {
        let fit = |i: i32| self.fit(channel, i);
        let grid = DELAYS.start() * FINE..=DELAYS.end() * FINE;
        let coarse = grid.step_by(8).max_by(|a, b| fit(*a).total_cmp(&fit(*b))).unwrap_or(0);
        let best = (coarse - 8..=coarse + 8).max_by(|a, b| fit(*a).total_cmp(&fit(*b))).unwrap_or(0);
        let (left, centre, right) = (fit(best - 1), fit(best), fit(best + 1));
        let curve = left - 2.0 * centre + right;
        let shift = if curve < 0.0 { 0.5 * (left - right) / curve } else { 0.0 };
        (f64::from(best) + f64::from(shift.clamp(-1.0, 1.0))) / f64::from(FINE)
    }

    /// Power of the channel along the pulse delayed by `delay` table steps, over the pulse's own energy in the taps.
    fn fit(&self, channel: &Channel, delay: i32) -> f32 {
        let (mut sum, mut energy) = (Complex32::default(), 0f32);
        for (k, tap) in channel.iter().enumerate().take(TAPS) {
            let at = (k as i32 - PEAK as i32) * FINE - delay + SPAN * FINE;
            let pulse = usize::try_from(at).ok().and_then(|at| self.table.get(at)).copied().unwrap_or(0.0);
            sum += *tap * pulse;
            energy += pulse * pulse;
        }
        sum.norm_sqr() / energy.max(1e-3)
    }
}

/// Steps a symbol of [`MAIN_PULSE`].
const STEPS: f64 = 256.0;
/// What the table holds to either side of the peak, symbols: the whole pulse and the reach of the interpolation.
const REACH: f64 = 2.5 + 4.0 / STEPS;

/// [`main_pulse`], made once: receivers are made for every dwell and after every hole, and 20,000 values of it cost a tenth of a second.
static MAIN_PULSE: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..=(2.0 * REACH * STEPS) as usize).map(|i| main_pulse(i as f64 / STEPS - REACH)).collect());

/// [`main_pulse`] to 1e-8 by four points of the table.
fn tabulated_pulse(t: f64) -> f64 {
    let at = (t + REACH) * STEPS;
    let whole = at.floor();
    let x = at - whole;
    let Some([a, b, c, d]) = (whole >= 1.0).then(|| MAIN_PULSE.get(whole as usize - 1..)?.first_chunk()).flatten()
    else {
        return 0.0;
    };
    let (e, f, g) = (x + 1.0, x - 1.0, x - 2.0);
    -a * x * f * g / 6.0 + b * e * f * g / 2.0 - c * e * x * g / 2.0 + d * e * x * f / 6.0
}

/// `C0` centred on 0, `t` in symbols; pulse length 4 symbols.
fn main_pulse(t: f64) -> f64 {
    const LENGTH: f64 = 4.0;
    let t = t + (LENGTH + 1.0) / 2.0;
    if !(0.0..LENGTH + 1.0).contains(&t) {
        return 0.0;
    }
    let angle = |t: f64| if t < LENGTH { PI * phase(t, LENGTH) } else { FRAC_PI_2 - PI * phase(t - LENGTH, LENGTH) };
    (0..4).map(|i| angle(t + f64::from(i)).sin()).product()
}

/// The phase pulse: 0 before 0, 1/2 after `length`; integral of a Gaussian-filtered symbol (TS 45.004 clause 2.4).
fn phase(t: f64, length: f64) -> f64 {
    // Integral of Phi over the symbol, in closed form: G(x) = x Phi(x) + phi(x).
    let sigma = LN_2.sqrt() / (2.0 * PI * 0.3);
    let g = |x: f64| {
        let z = x / sigma;
        x * normal(z) + sigma * (-z * z / 2.0).exp() / (2.0 * PI).sqrt()
    };
    let x = t - length / 2.0;
    0.5 * (g(x + 0.5) - g(x - 0.5))
}

/// Distribution function of the standard normal law, by the series of the error function.
fn normal(z: f64) -> f64 {
    if z.abs() > 7.0 {
        return f64::from(u8::from(z > 0.0));
    }
    let (mut term, mut sum) = (z, z);
    for k in 1..200 {
        term *= z * z / f64::from(2 * k + 1);
        sum += term;
        if term.abs() < 1e-17 {
            break;
        }
    }
    0.5 + sum * (-z * z / 2.0).exp() / (2.0 * PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pulse_is_symmetric_and_three_symbols_hold_nearly_all_of_it() {
        for t in [0.3, 1.0, 1.7, 2.4] {
            assert!((main_pulse(t) - main_pulse(-t)).abs() < 1e-6, "{t}");
        }
        let tails: f64 = [-2.0, 2.0].iter().map(|&t| main_pulse(t).powi(2)).sum();
        assert!(tails < 0.002 * main_pulse(0.0).powi(2));
        assert!((main_pulse(1.0) / main_pulse(0.0) - 0.29).abs() < 0.02, "{}", main_pulse(1.0) / main_pulse(0.0));
    }

    #[test]
    fn the_table_is_the_pulse() {
        for i in -3100..3100 {
            let t = f64::from(i) / 1033.0;
            let apart = (tabulated_pulse(t) - main_pulse(t)).abs();
            // Where the pulse begins and ends it has a corner.
            assert!(apart < if t.abs() > 2.48 { 1e-4 } else { 1e-8 }, "{t}: {apart}");
        }
    }

    #[test]
    fn a_delay_comes_back() {
        let pulse = Pulse::new(&[(0.0, 1.0)]);
        for delay in [-0.9, -0.31, 0.0, 0.2, 0.77, 1.4] {
            let channel: Channel =
                std::array::from_fn(|k| Complex32::from_polar(main_pulse(k as f64 - PEAK as f64 - delay) as f32, 1.1));
            assert!((pulse.delay(&channel) - delay).abs() < 2e-3, "{delay}: {}", pulse.delay(&channel));
        }
    }
}
