//! Numbered frames and the instants at which they come.
//!
//! ## References
//! - 3GPP TS 45.002 Release 17, clause 4.3 (TDMA frame, hyperframe); 3GPP TS 36.211 Release 17, clause 4 (radio frame)

use crate::observation::{FrameName, FrameTiming};

/// Nominal length of a frame number's round, nanoseconds: 2,715,648 frames of 60/13 ms, 1,024 frames of 10 ms.
pub(super) fn round_ns(frame: FrameName) -> f64 {
    match frame {
        FrameName::Gsm { .. } => 12_533_760e6,
        FrameName::Radio { .. } => 10_240e6,
    }
}

/// Nominal time of a frame within its round, nanoseconds; exact to 2^-9 ns.
pub(super) fn nominal_ns(frame: FrameName) -> f64 {
    match frame {
        FrameName::Gsm { frame_number } => f64::from(frame_number) * 60e6 / 13.0,
        FrameName::Radio { sfn, half } => f64::from(sfn) * 10e6 + f64::from(half) * 5e6,
    }
}

/// `value` less the whole rounds that bring it nearest to zero.
pub(super) fn wrapped(value: f64, round: f64) -> f64 {
    value - round * (value / round).round()
}

/// Nanoseconds between two readings.
pub(super) fn between(later: &FrameTiming, earlier: &FrameTiming) -> f64 {
    (later.at_ns - earlier.at_ns).0 as f64 + (later.at_frac_ns - earlier.at_frac_ns)
}

/// A reading less the frame's nominal time, within a round.
pub(super) fn phase_ns(timing: &FrameTiming) -> f64 {
    // Whole nanoseconds are reduced as integers: a date has 61 bits of them.
    let whole = timing.at_ns.0.rem_euclid(round_ns(timing.frame) as i64);
    whole as f64 - nominal_ns(timing.frame) + timing.at_frac_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_of_frame_numbers_has_its_length() {
        let last = nominal_ns(FrameName::Gsm { frame_number: 2_715_647 }) + 60e6 / 13.0;
        assert!((last - round_ns(FrameName::Gsm { frame_number: 0 })).abs() < 1e-2);
        let last = nominal_ns(FrameName::Radio { sfn: 1023, half: 1 }) + 5e6;
        assert_eq!(last, round_ns(FrameName::Radio { sfn: 0, half: 0 }));
        assert_eq!(wrapped(10_240e6 + 3.0, 10_240e6), 3.0);
        assert_eq!(wrapped(-5_121e6, 10_240e6), 5_119e6);
    }
}
