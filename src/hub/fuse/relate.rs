//! Do two measurements come from one transmitter? Each function answers for one feature, and says so when it cannot.
//!
//! ## References
//! - 3GPP TS 45.002 Release 17, clause 4.3: frame period 60/13 ms, hyperframe of 2 715 648 frames
//! - 3GPP TS 45.010 Release 17, clause 5.1: accuracy of carriers

use super::carrier::LICENSED_SIGMA_PPB;
use super::emitter::Sighting;
use crate::observation::{FrameName, FrameTiming, Observation, Position};
use crate::units::{Nanos, Timestamp};

/// Differences beyond this many standard deviations separate: one comparison in two million errs, were the errors normal.
pub const SIGMAS: f64 = 5.0;

/// Least difference of two carriers that separates: twice what TS 45.010 clause 5.1 allows one licensed station (0.05 ppm).
pub const CARRIER_FLOOR_PPB: f64 = 2.0 * LICENSED_SIGMA_PPB;

/// How fast a carrier may drift before it counts as another: sixty times the 10 ppb in ten minutes that already mark an oscillator
/// as unfit for a base station. Widens the threshold by the time between the two measurements.
const CARRIER_DRIFT_PPB_PER_S: f64 = 1.0;

/// Carriers measured further apart in time than this are not compared.
const CARRIER_AGE: Nanos = Nanos::from_secs(600);

/// Absolute frame timings of two nodes further apart in time than this are not compared: a restart in between would separate.
const ABSOLUTE_AGE: Nanos = Nanos::from_secs(120);

/// First paths come and go: half a GSM symbol (1.85 us) beside the measured sigma; TS 45.010 clause 5.6 has 48/13 us a symbol.
const PATH_SIGMA_NS: f64 = 1850.0;

/// Wander of node and cell oscillators that a measured rate does not foretell, relative.
const WANDER_PPB: f64 = 50.0;

/// A prediction with a larger uncertainty (an eighth of the 51-multiframe of 3060/13 ms, for [`SIGMAS`]) tells nothing apart.
const PHASE_LIMIT_NS: f64 = 3_060e6 / 13.0 / 8.0;

/// Two nodes whose positions are not known are taken to be at most this far apart when they hear one cell: twice the 35 km that the
/// timing advance of GSM reaches, and a margin.
const UNKNOWN_BASELINE_M: f64 = 100_000.0;

/// Speed of light, metres a nanosecond.
const LIGHT_M_PER_NS: f64 = 0.299_792_458;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Relation {
    /// One transmitter, as far as this feature goes.
    Same,
    /// Two transmitters; the difference and the threshold it exceeded, in the unit of the feature.
    Different {
        /// The difference found.
        difference: f64,
        /// What one transmitter could show.
        threshold: f64,
    },
    /// This feature cannot tell.
    Unknown,
}

/// By how much `now` misses the instant that frame counting from `then` foretells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseResidual {
    /// Late is positive, nanoseconds; folded into half the period of the frame counter on either side.
    pub ns: f64,
    /// One standard deviation.
    pub sigma_ns: f64,
}

/// Numerator and denominator of a frame's duration in nanoseconds, and frames until the counter repeats.
fn frame_clock(name: FrameName) -> (i128, i128, i128) {
    match name {
        FrameName::Gsm { .. } => (60_000_000, 13, 2_715_648),
        // Half frames of 5 ms; the system frame number repeats after 1024 frames.
        FrameName::Radio { .. } => (5_000_000, 1, 2048),
    }
}

fn frame_count(name: FrameName) -> i128 {
    match name {
        FrameName::Gsm { frame_number } => i128::from(frame_number),
        FrameName::Radio { sfn, half } => 2 * i128::from(sfn) + i128::from(half),
    }
}

/// Counts frames from `then` to `now` and compares with the clock that stamped both. `None` for frames of different kinds and for
/// figures that are not finite.
pub fn phase_residual(then: &FrameTiming, now: &FrameTiming) -> Option<PhaseResidual> {
    let (numerator, denominator, wrap) = frame_clock(then.frame);
    if frame_clock(now.frame) != (numerator, denominator, wrap) {
        return None;
    }
    let elapsed = i128::from(now.at_ns.0) - i128::from(then.at_ns.0);
    let frames = frame_count(now.frame) - frame_count(then.frame);
    let period = wrap * numerator;
    let scaled = (elapsed * denominator - frames * numerator).rem_euclid(period);
    let folded = if 2 * scaled > period { scaled - period } else { scaled };
    let seconds = elapsed as f64 * 1e-9;
    // Frames that come too fast (positive rate) arrive early: add back what the rate foretells.
    let ns = folded as f64 / denominator as f64 + now.at_frac_ns - then.at_frac_ns + seconds * then.rate_ppb.0;
    let drift = seconds * then.rate_sigma_ppb.0.abs().hypot(WANDER_PPB);
    let sigma_ns =
        [now.sigma_ns, PATH_SIGMA_NS, drift].iter().fold(then.sigma_ns.abs(), |sum, sigma| sum.hypot(*sigma));
    (ns.is_finite() && sigma_ns.is_finite()).then_some(PhaseResidual { ns, sigma_ns })
}

/// Two frame timings on one sample clock.
pub fn phase(then: &FrameTiming, now: &FrameTiming) -> Relation {
    let Some(residual) = phase_residual(then, now) else { return Relation::Unknown };
    decide(residual.ns.abs(), SIGMAS * residual.sigma_ns, PHASE_LIMIT_NS)
}

fn decide(difference: f64, threshold: f64, limit: f64) -> Relation {
    if threshold > limit {
        Relation::Unknown
    } else if difference <= threshold {
        Relation::Same
    } else {
        Relation::Different { difference, threshold }
    }
}

/// A carrier as measured, with what frees it of the node's clock error.
#[derive(Clone, Copy, Debug)]
pub struct Carrier<'a> {
    /// The node, so that only measurements on one clock are compared directly.
    pub node: &'a str,
    /// The stream it was measured on.
    pub stream: &'a str,
    /// When.
    pub at: Timestamp,
    /// As measured: ppb and one standard deviation.
    pub measured: (f64, f64),
    /// Relative to the node's other cells: ppb and one standard deviation.
    pub relative: Option<(f64, f64)>,
}

impl<'a> Carrier<'a> {
    /// Of a sighting.
    pub fn of(sighting: &'a Sighting) -> Carrier<'a> {
        Carrier {
            node: sighting.node.as_str(),
            stream: &sighting.stream,
            at: sighting.last,
            measured: (sighting.carrier.ppb.0, sighting.carrier.sigma_ppb.0.abs()),
            relative: sighting.relative.map(|relative| (relative.ppb.0, relative.sigma_ppb.0)),
        }
    }
}

/// Two carriers of one key: compared directly on one clock, relative to other cells otherwise.
pub fn carrier(a: &Carrier<'_>, b: &Carrier<'_>) -> Relation {
    let seconds = (a.at - b.at).as_secs_f64().abs();
    if seconds > CARRIER_AGE.as_secs_f64() {
        return Relation::Unknown;
    }
    let one_clock = a.node == b.node && a.stream == b.stream;
    let (x, y) = match (a.relative, b.relative) {
        _ if one_clock => (a.measured, b.measured),
        (Some(x), Some(y)) => (x, y),
        _ => return Relation::Unknown,
    };
    let difference = (x.0 - y.0).abs();
    let threshold = (SIGMAS * x.1.hypot(y.1)).max(CARRIER_FLOOR_PPB) + CARRIER_DRIFT_PPB_PER_S * seconds;
    if !difference.is_finite() || !threshold.is_finite() {
        return Relation::Unknown;
    }
    decide(difference, threshold, f64::INFINITY)
}

/// An absolute frame timing: on a clock that is locked to something the other node's clock is locked to as well.
#[derive(Clone, Copy, Debug)]
pub struct Absolute<'a> {
    /// The frame start.
    pub timing: &'a FrameTiming,
    /// One standard deviation of the clock.
    pub clock_sigma_ns: f64,
    /// When.
    pub at: Timestamp,
    /// Where the node stood.
    pub position: Option<Position>,
}

impl<'a> Absolute<'a> {
    /// Of a sighting; `None` without timing, lock, or a stated uncertainty.
    pub fn of(sighting: &'a Sighting) -> Option<Absolute<'a>> {
        let clock_sigma_ns = sighting.clock.sigma_ns.filter(|_| sighting.clock.locked)?.0 as f64;
        let timing = sighting.timing.as_ref()?;
        Some(Absolute { timing, clock_sigma_ns, at: sighting.last, position: sighting.position })
    }

    /// Of an observation heard at `at`; `None` as above.
    pub fn of_observation(observation: &'a Observation, at: Timestamp) -> Option<Absolute<'a>> {
        let clock_sigma_ns = observation.clock.sigma_ns.filter(|_| observation.clock.locked)?.0 as f64;
        let timing = observation.timing.as_ref()?;
        Some(Absolute { timing, clock_sigma_ns, at, position: observation.position })
    }
}

/// Two frame timings of two nodes: one transmitter's frames reach them within their distance over the speed of light.
pub fn absolute(a: &Absolute<'_>, b: &Absolute<'_>) -> Relation {
    let apart = (a.at - b.at).0.saturating_abs();
    if apart > ABSOLUTE_AGE.0 {
        return Relation::Unknown;
    }
    let (then, now) = if a.timing.at_ns <= b.timing.at_ns { (a, b) } else { (b, a) };
    let Some(residual) = phase_residual(then.timing, now.timing) else { return Relation::Unknown };
    let sigma_ns = residual.sigma_ns.hypot(a.clock_sigma_ns.hypot(b.clock_sigma_ns));
    let baseline_m = match (a.position, b.position) {
        (Some(a), Some(b)) => distance_m(a, b),
        _ => UNKNOWN_BASELINE_M,
    };
    decide(residual.ns.abs(), baseline_m / LIGHT_M_PER_NS + SIGMAS * sigma_ns, PHASE_LIMIT_NS)
}

/// Great-circle distance on a sphere of 6371 km: within 0.6 % of the ellipsoid, which a threshold does not notice.
pub fn distance_m(a: Position, b: Position) -> f64 {
    let (lat_a, lat_b) = (a.lat_deg.to_radians(), b.lat_deg.to_radians());
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let half_lon = ((b.lon_deg - a.lon_deg).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lon * half_lon;
    let metres = 2.0 * 6_371_000.0 * h.sqrt().min(1.0).asin();
    if metres.is_finite() { metres } else { UNKNOWN_BASELINE_M }
}
