//! What a reading is worth beyond what it says of itself.
//!
//! A receiver states the noise of its figures. What it does not see is common to all nodes and lasts for seconds: a neighbouring channel
//! of the same mast pulls the timing of a GSM burst by a part of a symbol, and the first bursts of a cell give a carrier that is some
//! ppb off. Measured on the receiver's own reports of the demo's scene, where three GSM cells share one mast
//! (tests/data/locate/README.md): frames off by 100 ns in the first two seconds and by 30 ns after them, beside 8 to 30 ns stated; carriers by
//! 10 ppb after the first burst, 3 after a second and below 0.5 from seven seconds on, beside 0.3 to 2 stated. LTE's hold what they say.

use crate::cell::Rat;
use crate::observation::{FrameTiming, Observation};

/// What a GSM frame's timing is off by beside its noise: a hundredth of a symbol of 48/13 µs.
const GSM_NS: f64 = 37.0;
/// It is more by as much as the cell has been followed for less than this, seconds.
const GSM_SETTLED_S: f64 = 4.0;
/// What a GSM carrier is off by beside its noise after a second; it falls with the time.
const GSM_PPB_S: f64 = 5.0;
/// No cell has been followed for less: the multiframe that shows it takes this long, seconds.
const LEAST_FOLLOWED_S: f64 = 0.5;
/// The least noise that a rate is trusted to have, ppb.
const LEAST_PPB: f64 = 0.1;
/// Rates of frames and carrier that differ by more standard deviations contradict each other.
const AGREE: f64 = 4.0;

fn followed_s(observation: &Observation) -> f64 {
    (observation.at_ns - observation.first_ns).as_secs_f64().max(LEAST_FOLLOWED_S)
}

/// One standard deviation of a frame's timing, nanoseconds, for whatever compares it over time.
pub(super) fn timing_ns(observation: &Observation, timing: &FrameTiming) -> f64 {
    match observation.cell.rat {
        Rat::Gsm => timing.sigma_ns.hypot(GSM_NS * (GSM_SETTLED_S / followed_s(observation)).max(1.0)),
        Rat::Lte | Rat::Nr | Rat::Umts => timing.sigma_ns,
    }
}

/// How fast a cell's frames come, ppb with one standard deviation: by its carrier where that agrees with its frames, because one
/// oscillator makes both (TS 45.010 clause 5.1, TS 36.104 clause 6.5.1) and a carrier is measured better. Where the two contradict each
/// other, one of them is wrong and nobody knows which: the middle, to half of the difference.
pub(super) fn rate_ppb(observation: &Observation, timing: &FrameTiming) -> (f64, f64) {
    let frames = (timing.rate_ppb.0, timing.rate_sigma_ppb.0);
    let carrier = (observation.carrier.ppb.0, observation.carrier.sigma_ppb.0);
    let apart = (frames.0 - carrier.0).abs();
    let (ppb, sigma) = if apart > AGREE * frames.1.hypot(carrier.1) {
        (0.5 * (frames.0 + carrier.0), (0.5 * apart).max(frames.1))
    } else if carrier.1 < frames.1 {
        carrier
    } else {
        frames
    };
    let unseen = match observation.cell.rat {
        Rat::Gsm => GSM_PPB_S / followed_s(observation),
        Rat::Lte | Rat::Nr | Rat::Umts => 0.0,
    };
    (ppb, sigma.hypot(unseen).max(LEAST_PPB))
}
