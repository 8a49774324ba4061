//! Carrier errors freed of the node's own clock error.
//!
//! A node's clock shifts every carrier it measures by the same relative amount. The median over the *other* cells of the same stream is
//! that shift, up to how well those cells keep to their own carriers; subtracting it leaves what the transmitter itself contributes.
//!
//! ## References
//! - 3GPP TS 45.010 Release 17, clause 5.1: a base station keeps its carrier within 0.05 ppm, a pico station within 0.1 ppm

use super::emitter::{NodeView, RelativeCarrier};
use crate::observation::Observation;
use crate::units::{Nanos, Ppb, Timestamp};

/// What a licensed station may be off; TS 45.010 clause 5.1 (0.05 ppm). Taken as one standard deviation, which is cautious.
pub const LICENSED_SIGMA_PPB: f64 = 50.0;

/// Reference cells older than this no longer say where the node's clock is: a warming dongle drifts 1 ppb a second, and five minutes
/// of that are below the threshold that two licensed stations already need ([`super::relate::CARRIER_FLOOR_PPB`] and 5 sigma).
pub const REFERENCE_AGE: Nanos = Nanos::from_secs(300);

/// Standard deviation of a median against that of a mean, for normally distributed values: the square root of pi over two.
const MEDIAN_LOSS: f64 = 1.2533;

/// The carrier error of `observation` minus the median of the node's other cells of the same stream heard in the last
/// [`REFERENCE_AGE`]; licensed cells alone where the register knows any of them.
///
/// `None` where the node hears no other cell or the figures are not finite.
pub fn relative(node: &NodeView, observation: &Observation, at: Timestamp) -> Option<RelativeCarrier> {
    let fresh = node
        .reference_without(&observation.receiver.stream, observation.cell)
        .filter(|cell| at - cell.at <= REFERENCE_AGE && cell.at - at <= REFERENCE_AGE);
    let licensed = fresh.clone().any(|cell| cell.licensed);
    let mut others: Vec<f64> = fresh.filter(|cell| cell.licensed || !licensed).map(|cell| cell.ppb.0).collect();
    if others.is_empty() || !observation.carrier.ppb.0.is_finite() {
        return None;
    }
    others.sort_unstable_by(f64::total_cmp);
    let middle = others.len() / 2;
    let median = if others.len() % 2 == 1 { others[middle] } else { (others[middle - 1] + others[middle]) / 2.0 };
    let reference_sigma =
        LICENSED_SIGMA_PPB * if others.len() > 2 { MEDIAN_LOSS } else { 1.0 } / (others.len() as f64).sqrt();
    let own_sigma = observation.carrier.sigma_ppb.0;
    let own_sigma = if own_sigma.is_finite() { own_sigma.abs() } else { return None };
    Some(RelativeCarrier {
        ppb: Ppb(observation.carrier.ppb.0 - median),
        sigma_ppb: Ppb(reference_sigma.hypot(own_sigma)),
        cells: others.len() as u32,
    })
}
