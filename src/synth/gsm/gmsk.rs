//! GMSK with BT = 0.3 from a table; TS 45.004 clause 2.
//!
//! The phase is `phi(t') = sum_i alpha_i * pi/2 * q(t' - i)` with `alpha_i = 1 - 2 (d_i xor d_(i-1))`, `t'` in symbols from
//! the start of BN0 of the slot and `q` the integral of the Gaussian frequency pulse, centred on 0: the step from bit
//! i-1 to bit i is half done at the boundary between their bit periods. Bits outside the 148 of the burst are 1, as in
//! clause 2.2; in the guard period `alpha` is therefore +1 and the phase a straight line. Written as that line plus
//! departures from it,
//!
//! `phi(t) = pi/2 * t - pi * sum_i (d_i xor d_(i-1)) * q(t - i)`,
//!
//! the line goes on undisturbed through slots of 156.25 symbols and belongs to the carrier (a quarter of the symbol rate
//! above it), and each burst adds a whole number of turns, because `d` begins and ends at 1. So every slot stands alone:
//! no state is carried from one to the next and the phase is continuous nevertheless.
//!
//! Measured: the table's interpolation is within 6e-5 of the formula at unit amplitude (tests below).

use super::burst::{BURST_BITS, Burst};
use num_complex::Complex32;
use std::f64::consts::PI;
use std::sync::LazyLock;

/// Symbols a second as a fraction, 1625/6 thousand; TS 45.004 clause 2.1.
pub const SYMBOL_RATE: (u32, u32) = (1_625_000, 6);

/// Binary places of a position in symbols.
pub(in crate::synth) const FRACTION: u32 = 48;

/// Length of a slot, 156.25 symbols (TS 45.010 clause 5.2), with [`FRACTION`] binary places.
pub(super) const SLOT: u64 = 625 << (FRACTION - 2);

/// A slot's samples are taken from this many symbols before its start, when the first pulse begins to be felt.
pub(super) const LEAD: u64 = 3;

/// The pulse is cut off this many symbols from its centre, where 4e-6 of its area is left outside.
const REACH: f64 = 2.5;

/// Pulses felt at one time.
const MEMORY: usize = 5;

/// Points a symbol in the table.
const POINTS: usize = 128;

/// Symbols of one slot's stretch, from `LEAD` before its start, counted by nearest boundary.
const STRETCH: usize = 158;

/// What the modulator needs of one burst: for each symbol boundary the five pulses around it and the sign so far.
#[derive(Clone, Debug)]
pub(super) struct Trajectory([u8; STRETCH]);

impl Trajectory {
    pub(super) fn of(burst: &Burst) -> Trajectory {
        // Steps d_i xor d_(i-1) for i in 0..=148; the bits around the burst are 1.
        let mut steps = [0u8; BURST_BITS + 1];
        let mut before = 1;
        for (step, &bit) in steps.iter_mut().zip(burst.iter().chain(&[1])) {
            *step = bit ^ before;
            before = bit;
        }
        let step = |i: i64| usize::try_from(i).ok().and_then(|i| steps.get(i).copied()).unwrap_or(0);
        let mut codes = [0; STRETCH];
        let mut done = 0;
        for (m, code) in codes.iter_mut().enumerate() {
            let nearest = m as i64 - LEAD as i64;
            done ^= step(nearest - 3);
            let around = (0..MEMORY as i64).fold(0, |bits, j| bits | step(nearest - 2 + j) << j);
            *code = around | done << MEMORY;
        }
        Trajectory(codes)
    }
}

/// Integral of the frequency pulse from minus infinity to `x` symbols from its centre, 0 to 1; TS 45.004 clause 2.3.
fn pulse_integral(x: f64) -> f64 {
    // The pulse is a Gaussian of standard deviation `sigma` symbols convolved with a rectangle of one symbol.
    let sigma = std::f64::consts::LN_2.sqrt() / (2.0 * PI * 0.3);
    let integral = |y: f64| {
        let z = y / sigma;
        let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
        y * normal_cdf(z) + sigma * density
    };
    let q = |x: f64| integral(x + 0.5) - integral(x - 0.5);
    let (low, high) = (q(-REACH), q(REACH));
    ((q(x) - low) / (high - low)).clamp(0.0, 1.0)
}

/// The standard normal distribution, by a series of positive terms that is accurate for the |z| < 8 used here.
fn normal_cdf(z: f64) -> f64 {
    let mut term = z;
    let mut sum = z;
    let mut n = 1.0;
    while term.abs() > 1e-17 * sum.abs() {
        n += 2.0;
        term *= z * z / n;
        sum += term;
    }
    0.5 + sum * (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// `exp(-j pi sum ...)` for each set of five steps, over one symbol around the middle one, with the end point.
static TABLE: LazyLock<Vec<[Complex32; POINTS + 1]>> = LazyLock::new(|| {
    let value = |steps: usize, point: usize| {
        let x = point as f64 / POINTS as f64 - 0.5;
        let turns: f64 =
            (0..MEMORY).filter(|j| steps >> j & 1 == 1).map(|j| pulse_integral(x - (j as f64 - 2.0))).sum();
        let (sin, cos) = (-PI * turns).sin_cos();
        Complex32::new(cos as f32, sin as f32)
    };
    (0..1 << MEMORY).map(|steps| std::array::from_fn(|point| value(steps, point))).collect()
});

/// Fills `out` from one burst: sample i is `position + i * step` (symbols with [`FRACTION`] binary places) after the
/// beginning of the slot's stretch, which lies [`LEAD`] symbols before the slot. Without the straight line of the carrier.
///
/// Every position lies within a slot of [`SLOT`].
pub(super) fn modulate(burst: &Trajectory, mut position: u64, step: u64, out: &mut [Complex32]) {
    let table = &TABLE[..];
    // Half a symbol more: the whole part then counts boundaries by the nearest.
    position += 1 << (FRACTION - 1);
    for sample in out {
        let code = burst.0[(position >> FRACTION) as usize % STRETCH];
        let row = &table[usize::from(code) % (1 << MEMORY)];
        let point = (position >> (FRACTION - 7)) as usize % POINTS;
        let weight = ((position >> (FRACTION - 7 - 24)) as u32 & 0xff_ffff) as f32 * (1.0 / 16_777_216.0);
        let (left, right) = (row[point], row[point + 1]);
        let sign = 1.0 - 2.0 * f32::from(code >> MEMORY);
        *sample = (left + (right - left) * weight) * sign;
        position += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of tests/data/synth/gmsk.py, which evaluates the standard's formula.
    const PHASES: &str = include_str!("../../../tests/data/synth/gmsk-phase.txt");

    #[test]
    fn the_phase_is_that_of_the_formula_in_the_standard() {
        let (header, lines) = PHASES.split_once('\n').unwrap();
        let bits = header.strip_prefix("# bits ").unwrap().bytes().map(|b| b - b'0');
        let burst: Burst = bits.collect::<Vec<_>>().try_into().unwrap();
        let points: Vec<(f64, f64)> = lines
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(t, phase)| (t.parse().unwrap(), phase.parse().unwrap()))
            .collect();
        let mut ours = vec![Complex32::default(); points.len()];
        // The table begins 2 symbols before the slot and goes by 5/32 of a symbol.
        modulate(&Trajectory::of(&burst), (LEAD - 2) << FRACTION, 5 << (FRACTION - 5), &mut ours);
        let turned = |i: usize| {
            let (t, phase) = points[i];
            ours[i] * Complex32::from_polar(1.0, (PI / 2.0 * t - phase) as f32)
        };
        let reference = turned(0);
        let worst = (0..points.len()).map(|i| (turned(i) - reference).norm()).fold(0.0, f32::max);
        assert!(points.len() == 986 && worst < 6e-5, "worst error {worst}");
    }

    #[test]
    fn every_burst_turns_by_whole_turns_so_that_slots_join() {
        for seed in 0..50u32 {
            let burst: Burst =
                std::array::from_fn(|i| (seed.wrapping_mul(2_654_435_761).rotate_left(i as u32) & 1) as u8);
            let mut last = [Complex32::default()];
            modulate(&Trajectory::of(&burst), SLOT - 1, 1, &mut last);
            assert!((last[0] - Complex32::new(1.0, 0.0)).norm() < 1e-6, "{last:?}");
        }
    }
}
