//! A GSM beacon carrier (C0) as samples: bursts, multiframe, modulation.
//!
//! The signal is a pure function of the sample number: whatever the block size and wherever reading begins, the same
//! samples come out. Positions are rational numbers in integers, so neither frame number nor phase drifts in a long stream.
//!
//! Limits: one carrier with constant envelope (no power ramping between slots, as C0 is sent at full power in all slots;
//! TS 45.008 clause 7.1), dummy bursts in every slot that carries no channel, no traffic, no Doppler. The samples are taken
//! without an anti-alias filter: below 400 kilosamples a second the skirts of the spectrum fold back.
//!
//! ## References
//! - 3GPP TS 45.002 Release 17: multiplexing and multiple access on the radio path
//! - 3GPP TS 45.003 Release 17: channel coding
//! - 3GPP TS 45.004 Release 17: modulation

pub mod beacon;
pub mod broadcast;
pub mod burst;
pub mod gmsk;

/// Frame numbers count modulo this: 26 * 51 * 2048; TS 45.002 clause 4.3.3.
pub const HYPERFRAME: u32 = 2_715_648;

/// A time in whole picoseconds, for delays and frame starts that nanoseconds are too coarse for (1 ps is 0.3 mm of path).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Picos(pub i64);

impl Picos {
    /// Rounded to nearest from seconds.
    pub fn from_secs_f64(seconds: f64) -> Picos {
        Picos((seconds * 1e12).round() as i64)
    }

    /// Seconds, for display and ratios only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 * 1e-12
    }
}

impl From<crate::units::Nanos> for Picos {
    fn from(nanos: crate::units::Nanos) -> Picos {
        Picos(nanos.0.saturating_mul(1000))
    }
}
