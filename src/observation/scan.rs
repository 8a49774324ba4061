//! What a node tells of the spectrum as a whole: what its receivers are at, and coarse pictures of what they see.

use super::Octets;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};

/// What a receiver that scans is at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its device.
    pub receiver: String,
    /// `sweep`, `search`, `decode` or `task`.
    pub doing: String,
    /// Centre of the window, or the task's carrier.
    pub center_hz: u64,
    /// Windows of its plan.
    pub windows: u32,
    /// Windows that wait for a search or a decode dwell.
    pub candidates: u32,
    /// Steps since the start.
    pub steps: u64,
    /// Longest time since a window of GSM was swept, seconds; absent until all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_gsm_s: Option<f64>,
    /// The same of other windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_other_s: Option<f64>,
    /// Probability that a GSM transmitter that is on air for a minute is decoded meanwhile.
    pub chance_60s: f64,
    /// Bands out of reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreachable: Vec<String>,
}

/// A window of the spectrum in coarse slots: the mean over the sweeps of a while, and the most that a sweep has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpectrumTile {
    /// End of the last sweep.
    pub at_ns: Timestamp,
    /// Begin of the first one.
    pub first_ns: Timestamp,
    /// Sweeps in it.
    pub sweeps: u32,
    /// Middle of the first slot.
    pub first_hz: u64,
    /// From slot to slot.
    pub step_hz: u32,
    /// Mean level of each slot: one octet, half decibels above -127.5 dB of full scale.
    pub mean: Octets,
    /// Highest level of each slot in one sweep, the same way.
    pub most: Octets,
    /// Noise in a slot, the same way: a low quantile over the window.
    pub noise: u8,
    /// Carriers in the last sweep by their shape; at most [`MAX_SHAPES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carriers: Vec<TileCarrier>,
}

/// Carriers in a tile at most.
pub const MAX_SHAPES: usize = 64;

/// A carrier by its shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TileCarrier {
    /// Its middle.
    pub center_hz: u64,
    /// Distance of its edges.
    pub width_hz: u32,
    /// What the width goes with: `gsm`, `umts`, `lte/nr`, `nr` or `unknown`.
    pub shape: String,
}

impl SpectrumTile {
    /// The octet of a power; full scale is 1.
    pub fn octet(power: f32) -> u8 {
        (255.0 + 20.0 * f64::from(power.max(1e-20)).log10()).round().clamp(0.0, 255.0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_octets_of_half_decibels() {
        assert_eq!([1.0, 0.1, 1e-4, 0.0, 4.0].map(SpectrumTile::octet), [255, 235, 175, 0, 255]);
    }
}
