//! Carrier errors freed of the node's own clock error.
//!
//! A node's clock shifts every carrier it measures by the same relative amount. The median over the *other* cells of the same stream is
//! that shift, up to how well those cells keep to their own carriers; subtracting it leaves what the transmitter itself contributes.
//!
//! ## References
//! - 3GPP TS 45.010 Release 17, clause 5.1: a base station keeps its carrier within 0.05 ppm, a pico station within 0.1 ppm

use super::emitter::RelativeCarrier;
use super::node::NodeView;
use crate::observation::Observation;
use crate::units::{Nanos, Ppb, Timestamp};

/// What a licensed station may be off; TS 45.010 clause 5.1 (0.05 ppm). Taken as one standard deviation, which is cautious.
pub const LICENSED_SIGMA_PPB: f64 = 50.0;

/// Reference cells older than this no longer say where the node's clock is: a warming dongle drifts 1 ppb a second, and five minutes
/// of that are below the threshold that two licensed stations already need ([`super::relate::CARRIER_FLOOR_PPB`] and 5 sigma).
pub const REFERENCE_AGE: Nanos = Nanos::from_secs(300);

/// Standard deviation of a median against that of a mean, for normally distributed values: the square root of pi over two.
const MEDIAN_LOSS: f64 = 1.2533;

/// Standard deviation from the median of absolute deviations, for normally distributed values: 1 over the third quartile.
const FROM_MEDIAN_DEVIATION: f64 = 1.4826;

/// The carrier error of `observation` minus the median of the node's other cells of the same stream heard in the last
/// [`REFERENCE_AGE`]; licensed cells alone where the register knows at least two of them.
///
/// `None` where the node hears fewer than two other cells or the figures are not finite: a single other cell may be the odd one itself.
/// Where the others do not agree among themselves, their spread is part of the uncertainty: two cells of which one is a rogue tell
/// nothing, three of which one is a rogue tell as much as two.
pub fn relative(node: &NodeView, observation: &Observation, at: Timestamp) -> Option<RelativeCarrier> {
    let fresh = node
        .reference_without(&observation.receiver.stream, observation.cell)
        .filter(|cell| at - cell.at <= REFERENCE_AGE && cell.at - at <= REFERENCE_AGE);
    let licensed = fresh.clone().filter(|cell| cell.licensed).count() >= 2;
    let mut others: Vec<f64> = fresh.filter(|cell| cell.licensed || !licensed).map(|cell| cell.ppb.0).collect();
    let own = observation.carrier;
    if others.len() < 2 || !own.ppb.0.is_finite() || !own.sigma_ppb.0.is_finite() {
        return None;
    }
    let reference = median(&mut others);
    let mut deviations: Vec<f64> = others.iter().map(|ppb| (ppb - reference).abs()).collect();
    let spread = FROM_MEDIAN_DEVIATION * median(&mut deviations);
    let sigma_one = LICENSED_SIGMA_PPB.max(spread);
    // The spread of two is not averaged down: which of them is right is not known.
    let averaged = if others.len() > 2 { MEDIAN_LOSS / (others.len() as f64).sqrt() } else { 1.0 };
    Some(RelativeCarrier {
        ppb: Ppb(own.ppb.0 - reference),
        sigma_ppb: Ppb((sigma_one * averaged).hypot(own.sigma_ppb.0)),
        cells: others.len() as u32,
    })
}

/// The middle of at least one value; puts them in another order.
fn median(values: &mut [f64]) -> f64 {
    let odd = values.len() % 2 == 1;
    // A node may hear a thousand cells, and this is asked for each observation of each: no sorting.
    let (below, &mut middle, _) = values.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(before) if !odd => (before + middle) / 2.0,
        _ => middle,
    }
}
