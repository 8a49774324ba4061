//! What of a recording may leave the node: what one cell says to everybody, everything else zero.
//!
//! Of GSM these are the bursts of FCCH, SCH and BCCH Norm in timeslot 0 of the carrier: 14 of the 51 frames, an eighth of each. The
//! input is made zero outside of them before anything is filtered, so that nothing else can seep in; then the carrier alone is kept
//! (113 kHz to either side), and the output is made zero again outside of the bursts. Of LTE see [`super::resources`].
//!
//! ## References
//! - 3GPP TS 45.002 Release 17: clause 4.3.1 (timeslots of 156.25 symbols), clause 7 table 3 (mapping of FCCH, SCH and BCCH Norm)

use super::resources;
use crate::cell::Rat;
use crate::dsp::resample::Resampler;
use crate::observation::{FrameName, Observation};
use crate::radio::source::StreamInfo;
use crate::units::Hz;
use num_complex::Complex32;
use std::ops::Range;

/// Rate of what leaves the node: enough for a receiver of one GSM carrier.
const OUTPUT: Hz = Hz(500e3);
/// The filter passes 0.42 of this to either side: one carrier without its neighbours.
const FILTER: Hz = Hz(270e3);
/// Symbols a second; TS 45.004 clause 2.1.
const SYMBOL_HZ: f64 = 1_625_000.0 / 6.0;
/// A TDMA frame: 1250 symbols, 60/13 ms.
const FRAME_S: f64 = 0.06 / 13.0;
/// Symbols of a normal burst, with its tails; and what is kept to either side within the guard period of 8.25.
const BURST: f64 = 148.0;
const MARGIN: f64 = 3.0;

/// Why nothing may leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// Only GSM and LTE can be cut out.
    #[error("withheld: what a cell of {0} says to everybody cannot be cut out of its signal yet")]
    Standard(Rat),
    /// Nobody knows how its frames are built.
    #[error("withheld: the observation does not say how the cell's frames are built")]
    NoFrames,
    /// Nobody knows where its bursts are.
    #[error("withheld: the observation has no frame timing, so nobody knows which bursts are the broadcast's")]
    NoTiming,
    /// It would be known only roughly where its symbols are.
    #[error("withheld: the frame timing is too uncertain where there are samples")]
    Uncertain,
    /// The carrier is not in the recording.
    #[error("withheld: the carrier is not within the recording")]
    OutOfBand,
    /// The samples cannot be read.
    #[error("withheld: the samples cannot be read: {0}")]
    Unreadable(String),
}

impl From<std::io::Error> for Withheld {
    fn from(error: std::io::Error) -> Withheld {
        Withheld::Unreadable(error.to_string())
    }
}

/// Samples that are read where they are wanted: puts samples of this range in place of what the vector held, fewer at their end.
pub type Read<'a> = dyn FnMut(Range<u64>, &mut Vec<Complex32>) -> std::io::Result<()> + 'a;

/// What may leave.
#[derive(Clone, Debug)]
pub struct Snippet {
    /// Its rate, centre (the carrier) and start.
    pub info: StreamInfo,
    /// The samples.
    pub samples: Vec<Complex32>,
    /// Ranges of samples that are not zero, ascending.
    pub kept: Vec<Range<usize>>,
}

/// Whether a frame's timeslot 0 is spoken to everybody: FCCH, SCH, BCCH Norm.
fn is_broadcast(frame_number: i64) -> bool {
    let place = frame_number.rem_euclid(51);
    (2..=5).contains(&place) || (place < 50 && matches!(place % 10, 0 | 1))
}

/// Cuts samples down to what the cell observed in them says to everybody. They begin at the start of the stream `info`, there are
/// `length` of them, and `read` gives them.
///
/// # Errors
/// [`Withheld`].
pub fn broadcast_only(
    info: &StreamInfo,
    length: u64,
    read: &mut Read<'_>,
    observation: &Observation,
) -> Result<Snippet, Withheld> {
    match observation.cell.rat {
        Rat::Gsm => bursts(info, length, read, observation),
        Rat::Lte => resources::cut(info, length, read, observation),
        other => Err(Withheld::Standard(other)),
    }
}

/// The stream that a snippet is: the cell's carrier at its centre.
pub(super) fn stream(info: &StreamInfo, observation: &Observation, sample_rate: Hz) -> StreamInfo {
    StreamInfo {
        stream: format!("{}!broadcast", info.stream),
        center: Hz(observation.cell.center_hz as f64),
        sample_rate,
        start: info.start,
    }
}

/// Samples of `range` with `offset` brought to the centre, the turning counted from the stream's first sample.
pub(super) fn centred(
    read: &mut Read<'_>,
    range: &Range<u64>,
    turn: f64,
    out: &mut Vec<Complex32>,
) -> Result<(), Withheld> {
    read(range.clone(), out)?;
    for (sample, index) in out.iter_mut().zip(range.start..) {
        let (sin, cos) = (turn * index as f64).rem_euclid(std::f64::consts::TAU).sin_cos();
        *sample *= Complex32::new(cos as f32, sin as f32);
    }
    Ok(())
}

fn bursts(info: &StreamInfo, length: u64, read: &mut Read<'_>, observation: &Observation) -> Result<Snippet, Withheld> {
    let Some(timing) = observation.timing else { return Err(Withheld::NoTiming) };
    let FrameName::Gsm { frame_number } = timing.frame else { return Err(Withheld::NoTiming) };
    let rate = info.sample_rate.0;
    let offset = observation.cell.center_hz as f64 - info.center.0;
    if offset.abs() + 100e3 > rate / 2.0 || rate < FILTER.0 {
        return Err(Withheld::OutOfBand);
    }
    let period = FRAME_S / (1.0 + timing.rate_ppb.0 * 1e-9);
    let first = (timing.at_ns - info.start).as_secs_f64() + timing.at_frac_ns * 1e-9;
    let seconds = length as f64 / rate;
    let frames = (-first / period).floor() as i64 - 1..=((seconds - first) / period).ceil() as i64;
    let bound = |seconds: f64, rate: f64, length: u64| ((seconds * rate).ceil().max(0.0) as u64).min(length);

    let turn = -std::f64::consts::TAU * offset / rate;
    // Made for a lower rate than it is read at: the filter is the carrier's.
    let resampler = Resampler::new(info.sample_rate, Hz(FILTER.0.min(rate)));
    let step = rate / OUTPUT.0;
    let made = (length as f64 / step).floor() as u64;
    let mut output = vec![Complex32::ZERO; made as usize];
    let (mut kept, mut burst) = (Vec::new(), Vec::new());
    for frame in frames.filter(|frame| is_broadcast(i64::from(frame_number) + frame)) {
        let start = first + frame as f64 * period;
        let (from, to) = (start - MARGIN / SYMBOL_HZ, start + (BURST + MARGIN) / SYMBOL_HZ);
        let window = bound(from, rate, length)..bound(to, rate, length);
        let range = bound(from, OUTPUT.0, made) as usize..bound(to, OUTPUT.0, made) as usize;
        if window.is_empty() || range.is_empty() {
            continue;
        }
        // The burst alone: to the filter there is silence on either side of it.
        centred(read, &window, turn, &mut burst)?;
        for index in range.clone() {
            output[index] = resampler.at(&burst, index as f64 * step - window.start as f64);
        }
        kept.push(range);
    }
    Ok(Snippet { info: stream(info, observation, OUTPUT), samples: output, kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourteen_of_51_frames_are_spoken_to_everybody() {
        // TS 45.002 clause 7, table 3 of 5: FCCH 0 10 20 30 40, SCH 1 11 21 31 41, BCCH Norm 2 to 5.
        let frames: Vec<i64> = (0..51).filter(|frame| is_broadcast(*frame)).collect();
        assert_eq!(frames, [0, 1, 2, 3, 4, 5, 10, 11, 20, 21, 30, 31, 40, 41]);
        assert!(is_broadcast(-51) && !is_broadcast(-1) && !is_broadcast(51 * 7 + 6));
    }
}
