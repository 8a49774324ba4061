//! One beacon carrier as a node's receiver delivers it: tuned, delayed, at some level, by two imperfect clocks.

use super::broadcast::{Broadcast, Slot};
use super::gmsk::{FRACTION, LEAD, SLOT, SYMBOL_RATE, Trajectory, modulate};
use super::{HYPERFRAME, Picos, burst};
use crate::radio::source::StreamInfo;
use crate::rat::gsm::coding::encode_sch;
use crate::units::{Dbfs, Hz, Ppb, SampleIndex};
use num_complex::Complex32;
use std::sync::Arc;

/// What a beacon sends when: messages that change at given frames, perhaps in a cycle.
#[derive(Clone, Debug)]
pub struct Program {
    /// Frames from the beacon's `start` on, without wrapping, ascending, with what is sent from then on. Each block belongs to
    /// the entry in force when its first burst begins; the first entry also to all time before.
    pub entries: Vec<(i64, Arc<Broadcast>)>,
    /// The entries begin again after so many frames.
    pub period: Option<i64>,
}

impl Program {
    /// The same messages at all times.
    pub fn constant(broadcast: Broadcast) -> Program {
        Program { entries: vec![(0, Arc::new(broadcast))], period: None }
    }

    fn at(&self, frame: i64) -> Option<&Broadcast> {
        let frame = match self.period {
            Some(period) if frame > 0 => frame % period.max(1),
            _ => frame,
        };
        let in_force = self.entries.iter().rev().find(|(from, _)| *from <= frame);
        in_force.or(self.entries.first()).map(|(_, broadcast)| &**broadcast)
    }
}

/// A beacon as one receiver hears it.
#[derive(Clone, Debug)]
pub struct BeaconConfig {
    /// What it sends.
    pub program: Program,
    /// Frame number of the frame that begins at `start`.
    pub frame_number: u32,
    /// When timeslot 0 of that frame begins at the antenna port (start of BN0, TS 45.004 clause 2.5), in true time from the
    /// stream's sample 0; may be negative. The beacon is on air at all times before and after.
    pub start: Picos,
    /// Nominal carrier.
    pub carrier: Hz,
    /// How far the carrier alone is off, as no real station is, but as an oscillator after the sampling clock would show.
    pub carrier_offset: Hz,
    /// Error of the clock that carrier and symbols derive from; positive: fast.
    pub clock_error: Ppb,
    /// Power; the envelope is constant.
    pub level: Dbfs,
    /// Phase of the carrier at sample 0, in turns; matters only between paths of one beacon.
    pub phase_turns: f64,
}

/// Why a beacon cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BeaconError {
    /// A value is out of its range.
    #[error("{what} is {value}; it must be {allowed}")]
    Range {
        /// The quantity.
        what: &'static str,
        /// As given.
        value: String,
        /// What would do.
        allowed: String,
    },
}

/// Samples between exact computations of position and phase. In between both advance by a constant step, which errs
/// by less than 2e-12 symbols at the end of the stretch.
pub(in crate::synth) const STRETCH: u64 = 1024;

/// Parts in a clock error of one: clock errors are whole parts in 10^12 from here on.
pub(in crate::synth) const PARTS: i128 = 1_000_000_000_000;

/// Greatest clock error that makes sense for anything that is meant to be received.
pub(in crate::synth) const MAX_CLOCK_ERROR: Ppb = Ppb(1e6);

/// Adds one beacon to blocks of samples.
#[derive(Clone, Debug)]
pub struct Beacon {
    program: Program,
    frame_number: u32,
    /// Symbols a sample, as a fraction.
    numerator: i128,
    denominator: i128,
    /// Position of sample 0 in symbols, with FRACTION binary places.
    origin: i128,
    step: u64,
    /// Carrier (with the straight line of the modulation) over sample rate, both in microhertz.
    carrier_uhz: i128,
    rate_uhz: i128,
    amplitude: f32,
    phase_turns: f64,
    /// The carrier over one stretch.
    rotation: Vec<Complex32>,
    envelope: Vec<Complex32>,
    sch: Option<(i64, Trajectory)>,
}

pub(in crate::synth) fn parts(error: Ppb) -> i128 {
    (error.0 * 1e3).round() as i128
}

pub(in crate::synth) fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// `numerator / denominator` with FRACTION binary places, rounded down; `denominator` below 2^86.
pub(in crate::synth) fn fixed(numerator: i128, denominator: i128) -> i128 {
    let (whole, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    let upper = rest << 40;
    let (upper, rest) = (upper / denominator, upper % denominator);
    (whole << FRACTION) + (upper << (FRACTION - 40)) + (rest << (FRACTION - 40)) / denominator
}

impl Beacon {
    /// A beacon in the stream `info`, whose sampling and tuning share a clock that is `sample_clock_error` fast.
    ///
    /// # Errors
    /// [`BeaconError::Range`] where a value makes no sense, or the carrier lies outside the stream's bandwidth.
    pub fn new(info: &StreamInfo, sample_clock_error: Ppb, config: BeaconConfig) -> Result<Beacon, BeaconError> {
        let rate = info.sample_rate.0;
        check(rate.is_finite() && (1e3..=1e9).contains(&rate), "the sample rate", rate, "1 kHz to 1 GHz")?;
        for (what, error) in
            [("the beacon's clock error", config.clock_error), ("the sample clock's error", sample_clock_error)]
        {
            check(error.0.abs() <= MAX_CLOCK_ERROR.0, what, error.0, "within 1000000 ppb")?;
        }
        check(config.frame_number < HYPERFRAME, "the frame number", config.frame_number, "below 2715648")?;
        check(!config.program.entries.is_empty(), "the number of a program's entries", 0, "at least 1")?;
        check(config.level.0 <= 60.0, "the level", config.level.0, "at most 60 dBFS")?;

        // True time runs as sample number / (rate * (1 + receiver's error)); symbols as time * SYMBOL_RATE * (1 + beacon's).
        let (transmitter, receiver) = (PARTS + parts(config.clock_error), PARTS + parts(sample_clock_error));
        let rate_mhz = (rate * 1e3).round() as i128;
        let numerator = i128::from(SYMBOL_RATE.0) * 1000 * transmitter;
        let denominator = i128::from(SYMBOL_RATE.1) * rate_mhz * receiver;
        let common = gcd(numerator, denominator);
        let (numerator, denominator) = (numerator / common, denominator / common);
        let before = i128::from(config.start.0) * i128::from(SYMBOL_RATE.0) * transmitter;

        // What the receiver's clock calls a hertz, at baseband; differences first, for the sake of precision.
        let (up, ours) = (config.clock_error.0 * 1e-9, sample_clock_error.0 * 1e-9);
        let shift =
            config.carrier.0 - info.center.0 + config.carrier_offset.0 + config.carrier.0 * (up - ours) / (1.0 + ours);
        let line = f64::from(SYMBOL_RATE.0) / f64::from(SYMBOL_RATE.1) / 4.0 * (1.0 + up) / (1.0 + ours);
        check(
            shift.abs() < rate / 2.0,
            "the carrier's place in the stream",
            format!("{shift:.0} Hz"),
            &format!("within half the sample rate of the tuning, {:.0} Hz", rate / 2.0),
        )?;

        let carrier_uhz = ((shift + line) * 1e6).round() as i128;
        let rate_uhz = rate_mhz * 1000;
        let turns = |n: i128| (n * carrier_uhz).rem_euclid(rate_uhz) as f64 / rate_uhz as f64;
        Ok(Beacon {
            program: config.program,
            frame_number: config.frame_number,
            numerator,
            denominator,
            origin: -fixed(before, i128::from(SYMBOL_RATE.1) * PARTS * PARTS),
            step: fixed(numerator, denominator) as u64,
            carrier_uhz,
            rate_uhz,
            amplitude: 10f64.powf(config.level.0 / 20.0) as f32,
            phase_turns: config.phase_turns,
            rotation: (0..i128::from(STRETCH)).map(|n| unit(turns(n))).collect(),
            envelope: vec![Complex32::default(); STRETCH as usize],
            sch: None,
        })
    }

    /// Adds the beacon's signal to `out`, whose first sample is number `first` of the stream.
    pub fn add_to(&mut self, first: SampleIndex, out: &mut [Complex32]) {
        let mut first = first.0;
        let mut rest = out;
        while !rest.is_empty() {
            let offset = first % STRETCH;
            let count = rest.len().min((STRETCH - offset) as usize);
            let (now, later) = rest.split_at_mut(count);
            self.add_stretch(first - offset, offset as usize, now);
            rest = later;
            first += count as u64;
        }
    }

    /// Adds to `out`, which begins `offset` samples after the exactly computed sample `anchor` and ends in its stretch.
    fn add_stretch(&mut self, anchor: u64, offset: usize, out: &mut [Complex32]) {
        let mut envelope = std::mem::take(&mut self.envelope);
        let stretch = &mut envelope[..out.len()];
        let lead = i128::from(LEAD) << FRACTION;
        let position = self.origin + fixed(i128::from(anchor) * self.numerator, self.denominator) + lead;
        let mut slot = position.div_euclid(i128::from(SLOT)) as i64;
        let mut within = position.rem_euclid(i128::from(SLOT)) as u64 + self.step * offset as u64;
        let (step, mut filled) = (self.step, 0);
        while filled < stretch.len() {
            slot += (within / SLOT) as i64;
            within %= SLOT;
            let run = (SLOT - within).div_ceil(step).min((stretch.len() - filled) as u64);
            modulate(self.trajectory(slot), within, step, &mut stretch[filled..filled + run as usize]);
            within += run * step;
            filled += run as usize;
        }
        let turns = (i128::from(anchor) * self.carrier_uhz).rem_euclid(self.rate_uhz) as f64 / self.rate_uhz as f64;
        let phasor = unit(turns + self.phase_turns) * self.amplitude;
        for ((sample, &envelope), &rotation) in out.iter_mut().zip(&*stretch).zip(&self.rotation[offset..]) {
            *sample += envelope * rotation * phasor;
        }
        self.envelope = envelope;
    }

    /// The burst of a slot, `slot` counted from `start`.
    fn trajectory(&mut self, slot: i64) -> &Trajectory {
        let frame = slot.div_euclid(8);
        let frame_number = (i64::from(self.frame_number) + frame).rem_euclid(i64::from(HYPERFRAME)) as u32;
        // All blocks of four lie at the same places of each group of ten frames; a block's bursts share their content.
        let within_ten = i64::from(frame_number % 51 % 10);
        let block_begin = match within_ten {
            0 | 1 => frame,
            2..=5 => frame - (within_ten - 2),
            _ => frame - (within_ten - 6),
        };
        let broadcast = self.program.at(block_begin).expect("a program is never empty, as `new` checks");
        match broadcast.slot(frame_number, slot.rem_euclid(8) as u8) {
            Slot::Fixed(trajectory) => trajectory,
            Slot::Sch => {
                if self.sch.as_ref().is_none_or(|(of, _)| *of != frame) {
                    let coded = encode_sch(broadcast.bsic(), frame_number);
                    self.sch = Some((frame, Trajectory::of(&burst::synchronization(&coded))));
                }
                let (_, trajectory) = self.sch.as_ref().expect("set just above where it was not");
                trajectory
            }
        }
    }
}

/// The point of the unit circle after so many turns.
pub(in crate::synth) fn unit(turns: f64) -> Complex32 {
    let (sin, cos) = (turns * std::f64::consts::TAU).sin_cos();
    Complex32::new(cos as f32, sin as f32)
}

fn check(good: bool, what: &'static str, value: impl ToString, allowed: &str) -> Result<(), BeaconError> {
    if good { Ok(()) } else { Err(BeaconError::Range { what, value: value.to_string(), allowed: allowed.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::gsm::broadcast::Schedule;
    use crate::units::Timestamp;

    fn stream(rate: f64) -> StreamInfo {
        StreamInfo { stream: "test".into(), center: Hz(945e6), sample_rate: Hz(rate), start: Timestamp(0) }
    }

    fn config() -> BeaconConfig {
        let mut schedule = Schedule::default();
        schedule.norm[2].push([0x5a; 23]);
        BeaconConfig {
            program: Program::constant(Broadcast::new(10, &schedule)),
            frame_number: 1234,
            start: Picos(-123_456_789),
            carrier: Hz(945.2e6),
            carrier_offset: Hz(0.0),
            clock_error: Ppb(35.0),
            level: Dbfs(-20.0),
            phase_turns: 0.0,
        }
    }

    #[test]
    fn any_block_size_gives_the_same_samples() {
        let mut beacon = Beacon::new(&stream(2e6), Ppb(1700.0), config()).unwrap();
        let first = 3_000_000_123;
        let mut whole = vec![Complex32::default(); 30_000];
        beacon.add_to(SampleIndex(first), &mut whole);
        for size in [1, 7, 1023, 4096] {
            let mut cut = vec![Complex32::default(); whole.len()];
            let mut at = first;
            for block in cut.chunks_mut(size) {
                beacon.add_to(SampleIndex(at), block);
                at += block.len() as u64;
            }
            assert!(cut == whole, "blocks of {size}");
        }
    }

    #[test]
    fn the_level_is_that_of_a_full_scale_sine_and_constant() {
        let mut beacon = Beacon::new(&stream(1e6), Ppb(0.0), config()).unwrap();
        let mut out = vec![Complex32::default(); 200_000];
        beacon.add_to(SampleIndex(0), &mut out);
        for sample in &out {
            assert!((10.0 * sample.norm_sqr().log10() + 20.0).abs() < 0.002, "{sample}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_name() {
        let far = BeaconConfig { carrier: Hz(947e6), ..config() };
        let error = Beacon::new(&stream(2e6), Ppb(0.0), far).unwrap_err().to_string();
        assert!(error.contains("2000033 Hz") && error.contains("1000000 Hz"), "{error}");
        let empty = BeaconConfig { program: Program { entries: Vec::new(), period: None }, ..config() };
        assert!(Beacon::new(&stream(2e6), Ppb(0.0), empty).is_err());
        assert!(Beacon::new(&stream(f64::NAN), Ppb(0.0), config()).is_err());
        assert!(Beacon::new(&stream(2e6), Ppb(f64::NAN), config()).is_err());
        assert!(Beacon::new(&stream(2e6), Ppb(0.0), BeaconConfig { frame_number: HYPERFRAME, ..config() }).is_err());
    }
}
