//! What is known of the receiver behind the streams: its calibration, how it is set, and what licensed cells tell of its clock.
//!
//! Times and samples are corrected where they come in ([`Instrument::correct`]), levels and the clock's error where a cell is
//! observed ([`Instrument::apply`]). Without a calibration all of it stays as measured, and observations say so.

use super::clock_error::Reference;
use super::source;
use crate::config::device::Device;
use crate::config::sensor::{CalibrationChoice, Config, Source};
use crate::observation::{ClockError, Observation};
use crate::radio::calibration::apply::{Correction, Setting};
use crate::radio::calibration::{Calibration, CalibrationError};
use crate::radio::live::{Actual, Live};
use crate::radio::source::{Event, IqBlock, IqSource, SourceError, StreamInfo};
use crate::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Carriers and calibration may differ by so many standard deviations before it is told, and by at least so much.
const DISAGREE: (f64, f64) = (5.0, 300.0);

/// The error of a sample clock that is locked to an outside reference, one standard deviation. Chosen: disciplined oscillators hold a tenth
/// of it over a day; the rest is for one that has just lost its satellites.
const OUTSIDE: ClockError = ClockError { ppb: Ppb(0.0), sigma_ppb: Ppb(5.0) };

/// Why an instrument cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum InstrumentError {
    /// The file.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// Settings that the model does not offer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nothing names the receiver.
    #[error(
        "calibration: the receiver has no name: write serial=... into source.device, or calibration.serial where that cannot be"
    )]
    NoSerial,
    /// Two names.
    #[error("calibration.serial = \"{configured}\": source.device names {device}; leave one of them away")]
    TwoSerials {
        /// In the table.
        configured: String,
        /// In the device's arguments.
        device: String,
    },
}

/// A receiver as far as it is known.
#[derive(Debug, Default)]
pub struct Instrument {
    calibration: Option<Calibration>,
    /// Why there is none although one is configured.
    refused: Option<String>,
    /// What is wished for.
    gains: BTreeMap<String, Db>,
    antenna: Option<String>,
    /// The sample clock runs on an outside reference that a sensor of the device watches: without it no samples flow.
    outside: bool,
    /// Says what was really set, and which device it is.
    live: Option<Arc<Live>>,
    /// Each stream may be another receiver's: a recording.
    strangers: bool,
    reference: Mutex<Reference>,
}

/// The value of a key in SoapySDR's arguments.
fn argument<'a>(args: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = args.split(',').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

/// The calibration of a receiver beside the first: that of its serial number, where the folder has a file of it.
pub fn of_another(choice: &CalibrationChoice, device: &Device) -> Option<CalibrationChoice> {
    let serial = argument(&device.args, "serial")?;
    Calibration::is_there(&choice.folder, serial).then(|| CalibrationChoice {
        folder: choice.folder.clone(),
        serial: None,
        gains: BTreeMap::new(),
    })
}

impl Instrument {
    /// As the configuration says, at `now`. A calibration that is past its date is refused, and the node goes on without.
    ///
    /// # Errors
    /// [`InstrumentError`]: malformed, of another receiver, or not there although it is configured.
    pub fn new(config: &Config, now: Timestamp) -> Result<Instrument, InstrumentError> {
        let mut instrument =
            Instrument { strangers: matches!(config.source, Source::Recording { .. }), ..Instrument::default() };
        let mut named = None;
        let mut model = None;
        if let Source::Soapy(device) = &config.source {
            let settings = source::settings(device)?;
            instrument.gains = settings.gains.iter().map(|gain| (gain.name.clone(), gain.gain)).collect();
            instrument.antenna = settings.antenna;
            let outside = settings.clock_source.is_some_and(|source| source != "internal");
            instrument.outside = outside && settings.lock_sensor.is_some();
            named = argument(&device.args, "serial");
            model =
                (!device.profile.is_empty() && !device.profile.ends_with(".toml")).then_some(device.profile.as_str());
        }
        let Some(CalibrationChoice { folder, serial, gains }) = &config.calibration else { return Ok(instrument) };
        if !gains.is_empty() {
            instrument.gains.clone_from(gains);
        }
        let serial = match (serial.as_deref(), named) {
            (Some(configured), Some(device)) if configured != device => {
                return Err(InstrumentError::TwoSerials {
                    configured: configured.to_owned(),
                    device: device.to_owned(),
                });
            }
            (Some(serial), _) | (None, Some(serial)) => serial,
            (None, None) => return Err(InstrumentError::NoSerial),
        };
        let calibration = Calibration::load(folder, serial, model)?;
        match calibration.check_age(folder, now) {
            Ok(()) => instrument.calibration = Some(calibration),
            Err(error) => instrument.refused = Some(error.to_string()),
        }
        Ok(instrument)
    }

    /// The same, of the receiver that says through `live` what was really set.
    pub fn at(self, live: Option<Arc<Live>>) -> Instrument {
        Instrument { live, ..self }
    }

    /// What the device says of itself, once it has been opened.
    fn actual(&self) -> Option<Arc<Actual>> {
        self.live.as_ref()?.actual()
    }

    /// The calibration, unless the device says that it is another one than was measured.
    fn own(&self) -> Option<&Calibration> {
        let calibration = self.calibration.as_ref()?;
        (!self.actual().is_some_and(|actual| actual.is_another(&calibration.serial))).then_some(calibration)
    }

    fn reference(&self) -> MutexGuard<'_, Reference> {
        // Every change leaves it whole.
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calibration while it is good.
    fn good(&self, now: Timestamp) -> Option<&Calibration> {
        self.own().filter(|calibration| !calibration.is_stale(now))
    }

    /// Another stream begins.
    pub fn begin(&self) {
        if self.strangers {
            self.reference().clear();
        }
    }

    /// Makes the level absolute where that is calibrated, and says what was done to times and what is known of the clock.
    pub fn apply(&self, observation: &mut Observation, stream: &StreamInfo) {
        let now = observation.at_ns;
        observation.receiver.clock_error = self.clock_error(now);
        let actual = self.actual();
        // Drivers round: the level at full scale is that of the gains that were set, not of those that were wished for.
        let (gains, antenna) = match &actual {
            Some(actual) => (&actual.gains, actual.antenna.as_deref()),
            None => (&self.gains, self.antenna.as_deref()),
        };
        if !gains.is_empty() {
            observation.receiver.gain_db = Some(Db(gains.values().map(|gain| gain.0).sum()));
        }
        // The start of the stream was moved whatever the date: within a stream the time line stays whole.
        observation.receiver.delay = self.own().and_then(|known| known.delay(stream.sample_rate));
        let Some(calibration) = self.good(now) else { return };
        let setting = Setting { gains, antenna, celsius: None };
        let carrier = Hz(observation.cell.center_hz as f64);
        if let Some(full_scale) = calibration.full_scale(setting, carrier) {
            let level = &mut observation.level;
            level.dbm = Some(full_scale.dbm + (level.dbfs - Dbfs(0.0)));
            level.sigma_db = Db(level.sigma_db.0.hypot(full_scale.sigma.0));
        }
    }

    /// Learns the clock's error from a cell that the register licenses.
    pub fn learn(&self, licensed: &Observation) {
        self.reference().add(licensed);
    }

    /// The sample clock's error at `now`: none to speak of where it is locked to an outside reference; by licensed cells where there are
    /// enough, by the calibration otherwise.
    pub fn clock_error(&self, now: Timestamp) -> Option<ClockError> {
        if self.outside {
            return Some(OUTSIDE);
        }
        let heard = self.reference().error(now);
        heard.or_else(|| self.good(now)?.clock_error(now, None))
    }

    /// What wants attention, in words that do not change all the time.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut list: Vec<String> = self.refused.iter().cloned().collect();
        if self.outside
            && let Some(heard) = self.reference().error(now)
            && heard.ppb.0.abs() > DISAGREE.1.max(DISAGREE.0 * heard.sigma_ppb.0)
        {
            list.push("licensed cells' carriers contradict the outside reference of the sample clock".to_owned());
        }
        let known = self.own();
        if let (Some(calibration), None, Some(actual)) = (&self.calibration, known, self.actual()) {
            list.push(format!(
                "the receiver says that it is {}, and the calibration is of {}: it is not used, levels are not absolute",
                actual.serial.as_deref().unwrap_or("another"),
                calibration.serial
            ));
        }
        if let Some(calibration) = known {
            if calibration.is_stale(now) {
                list.push(format!(
                    "the calibration was good until {}: levels are no longer absolute",
                    calibration.valid_until
                ));
            }
            if let (Some(heard), Some(known)) = (self.reference().error(now), calibration.clock_error(now, None)) {
                let apart = (heard.ppb.0 - known.ppb.0).abs();
                if apart > DISAGREE.1 && apart > DISAGREE.0 * heard.sigma_ppb.0.hypot(known.sigma_ppb.0) {
                    list.push("licensed cells' carriers contradict the calibration of the sample clock".to_owned());
                }
            }
        }
        list
    }

    /// Whether times have their delay subtracted at some rate.
    pub fn has_delay(&self) -> bool {
        self.calibration.as_ref().is_some_and(|calibration| !calibration.delay.is_empty())
    }

    /// The source with times at the antenna port and without imbalance, where these were measured.
    pub fn correct(self: &Arc<Self>, source: Box<dyn IqSource>) -> Box<dyn IqSource> {
        match &self.calibration {
            None => source,
            Some(calibration) => {
                let correction = calibration.iq.map(Correction::from);
                Box::new(Corrected { source, instrument: self.clone(), correction, own: true })
            }
        }
    }
}

/// A source at the antenna port.
struct Corrected {
    source: Box<dyn IqSource>,
    instrument: Arc<Instrument>,
    correction: Option<Correction>,
    /// The present stream is of the device that was measured.
    own: bool,
}

impl IqSource for Corrected {
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        let mut event = self.source.read(max, block)?;
        match (&mut event, &self.correction) {
            (Event::Stream(info), _) => {
                let calibration = self.instrument.own();
                self.own = calibration.is_some();
                if let Some(delay) = calibration.and_then(|known| known.delay(info.sample_rate)) {
                    info.start = info.start + Nanos(-(delay.ns.round() as i64));
                }
            }
            (Event::Samples, Some(correction)) if self.own => correction.apply(&mut block.samples),
            _ => {}
        }
        Ok(event)
    }

    fn total_samples(&self) -> Option<u64> {
        self.source.total_samples()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::{CellKey, Rat};
    use crate::observation::{CarrierError, Clock, ClockSource, Level, ReceiverState};
    use crate::units::SampleIndex;
    use num_complex::Complex32;

    const EXAMPLE: &str = include_str!("../../calibration/example-00000001.toml");

    fn instrument() -> Instrument {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("example-00000001.toml"), EXAMPLE).unwrap();
        let calibration = Calibration::load(folder.path(), "example-00000001", None).unwrap();
        let gains = BTreeMap::from([("TUNER".to_owned(), Db(28.0))]);
        Instrument { calibration: Some(calibration), gains, ..Instrument::default() }
    }

    fn stream(rate: f64) -> StreamInfo {
        let at = crate::radio::datetime::parse("2026-11-01T00:00:00Z").unwrap();
        StreamInfo { stream: "x".to_owned(), center: Hz(942e6), sample_rate: Hz(rate), start: at }
    }

    fn heard(at: Timestamp, center_hz: u64) -> Observation {
        Observation {
            at_ns: at,
            first_ns: at,
            clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
            position: None,
            cell: CellKey { rat: Rat::Gsm, center_hz, id: 1 },
            identity: None,
            level: Level { dbfs: Dbfs(-40.0), dbm: None, sigma_db: Db(0.4) },
            snr_db: Db(20.0),
            carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(-2000.0), sigma_ppb: Ppb(5.0) },
            timing: None,
            bearing: None,
            broadcast: vec![],
            fields: None,
            content_sha256: None,
            receiver: ReceiverState::default(),
        }
    }

    #[test]
    fn a_calibrated_level_is_absolute_with_its_whole_uncertainty_and_an_uncalibrated_one_stays_relative() {
        let instrument = instrument();
        let mut inside = heard(stream(2.4e6).start, 925_000_000);
        instrument.apply(&mut inside, &stream(2.4e6));
        // -40 dBFS, 0 dBFS being -50 dBm at the receiver, behind 1.2 dB of cable.
        let dbm = inside.level.dbm.unwrap();
        assert!((dbm.0 - -88.8).abs() < 1e-9, "{dbm:?}");
        let sigma = (0.4f64 * 0.4 + 0.5 * 0.5 + 0.1 * 0.1 + 0.3 * 0.3).sqrt();
        assert!((inside.level.sigma_db.0 - sigma).abs() < 1e-9, "{:?}", inside.level);
        assert_eq!(
            (inside.receiver.gain_db, inside.receiver.delay.map(|delay| delay.ns)),
            (Some(Db(28.0)), Some(14_352.0))
        );
        assert!(inside.receiver.clock_error.is_some(), "by the calibration");
        let mut outside = heard(stream(2.4e6).start, 1_842_600_000);
        instrument.apply(&mut outside, &stream(1.92e6));
        assert_eq!((outside.level.dbm, outside.level.sigma_db, outside.receiver.delay), (None, Db(0.4), None));
        let mut late = heard(stream(2.4e6).start + Nanos::from_secs(86_400 * 400), 925_000_000);
        instrument.apply(&mut late, &stream(2.4e6));
        assert_eq!((late.level.dbm, late.receiver.clock_error), (None, None), "past its date");
        assert!(instrument.warnings(late.at_ns)[0].contains("2027-10-01"), "{:?}", instrument.warnings(late.at_ns));
        assert_eq!(instrument.warnings(inside.at_ns), [""; 0]);
    }

    #[test]
    fn licensed_cells_tell_the_clock_better_than_the_calibration_and_a_contradiction_is_told() {
        let instrument = instrument();
        let at = stream(2.4e6).start;
        for number in 0..5 {
            instrument.learn(&heard(at, 935_000_000 + 200_000 * number));
        }
        let error = instrument.clock_error(at).unwrap();
        assert!((error.ppb.0 - 2000.0).abs() < 1.0 && error.sigma_ppb.0 < 30.0, "{error:?}");
        assert!(instrument.warnings(at)[0].contains("contradict"), "{:?}", instrument.warnings(at));
        // A carrier is not corrected by it: the error stands beside.
        let mut observation = heard(at, 935_000_000);
        instrument.apply(&mut observation, &stream(2.4e6));
        assert_eq!(observation.carrier.ppb, Ppb(-2000.0));
        assert_eq!(observation.receiver.clock_error, Some(error));
    }

    #[test]
    fn a_clock_on_an_outside_reference_has_no_error_to_speak_of_and_cells_that_say_otherwise_are_told_of() {
        let (mut instrument, at) = (instrument(), stream(2.4e6).start);
        instrument.outside = true;
        assert_eq!(instrument.clock_error(at), Some(ClockError { ppb: Ppb(0.0), sigma_ppb: Ppb(5.0) }));
        assert_eq!(instrument.warnings(at), [""; 0]);
        for number in 0..5 {
            instrument.learn(&heard(at, 935_000_000 + 200_000 * number));
        }
        assert_eq!(instrument.clock_error(at), Some(OUTSIDE), "two parts in a million off, all of them");
        assert!(
            instrument.warnings(at)[0].contains("contradict the outside reference"),
            "{:?}",
            instrument.warnings(at)
        );
    }

    /// A device that says of itself what a driver made of the wishes.
    fn says(serial: Option<&str>, gain: f64) -> Option<Arc<Live>> {
        let live = Arc::new(Live::default());
        let gains = BTreeMap::from([("TUNER".to_owned(), Db(gain))]);
        live.set_actual(Actual { serial: serial.map(str::to_owned), gains, ..Actual::default() });
        Some(live)
    }

    #[test]
    fn the_level_is_that_of_the_gain_that_was_set_and_not_of_the_one_that_was_wished_for() {
        let level = |live| {
            let instrument = instrument().at(live);
            let mut observation = heard(stream(2.4e6).start, 925_000_000);
            instrument.apply(&mut observation, &stream(2.4e6));
            (observation.level.dbm, observation.receiver.gain_db)
        };
        let (Some(wished), Some(Db(28.0))) = level(None) else { panic!("calibrated at 28 dB") };
        // The file's points at 925 MHz: -50 dBm at 28.0 dB, -60 dBm at 38.6 dB.
        let (Some(set), gain) = level(says(None, 38.6)) else { panic!("calibrated at 38.6 dB") };
        assert_eq!(gain, Some(Db(38.6)));
        assert!(((set - wished).0 - -10.0).abs() < 1e-9, "{set:?} {wished:?}");
        // A gain that was not measured has no level, however near the wish was.
        assert_eq!(level(says(None, 49.6)), (None, Some(Db(49.6))));
    }

    #[test]
    fn a_device_that_says_it_is_another_one_is_not_calibrated_and_that_is_told() {
        let at = stream(2.4e6).start;
        for (serial, own) in [(None, true), (Some("EXAMPLE-00000001"), true), (Some("00000002"), false)] {
            let instrument = Arc::new(instrument().at(says(serial, 28.0)));
            let mut observation = heard(at, 925_000_000);
            instrument.apply(&mut observation, &stream(2.4e6));
            assert_eq!(observation.level.dbm.is_some(), own, "{serial:?}");
            assert_eq!(observation.receiver.delay.is_some(), own, "{serial:?}");
            assert_eq!(instrument.clock_error(at).is_some(), own, "{serial:?}");
            let told = instrument.warnings(at).concat();
            assert_eq!(told.contains("it is 00000002, and the calibration is of example-00000001"), !own, "{told}");
            let mut source = instrument.correct(Box::new(Two(0)));
            let mut block = IqBlock::default();
            let Event::Stream(info) = source.read(10, &mut block).unwrap() else { panic!("a stream") };
            assert_eq!(info.start != at, own, "{serial:?}");
            source.read(10, &mut block).unwrap();
            assert_eq!(block.samples[0] != Complex32::new(0.502, -0.001), own, "{serial:?}");
        }
    }

    struct Two(u8);

    impl IqSource for Two {
        fn read(&mut self, _: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
            self.0 += 1;
            block.samples.clear();
            if self.0 == 1 {
                return Ok(Event::Stream(stream(2.4e6)));
            }
            block.first = SampleIndex(0);
            block.samples.push(Complex32::new(0.502, -0.001));
            Ok(Event::Samples)
        }
        fn total_samples(&self) -> Option<u64> {
            None
        }
    }

    #[test]
    fn the_delay_is_subtracted_from_the_start_of_a_stream_and_samples_lose_their_direct_current() {
        let mut source = Arc::new(instrument()).correct(Box::new(Two(0)));
        let mut block = IqBlock::default();
        let Event::Stream(info) = source.read(10, &mut block).unwrap() else { panic!("a stream") };
        assert_eq!(info.start, stream(2.4e6).start + Nanos(-14_352));
        source.read(10, &mut block).unwrap();
        let sample = block.samples[0];
        let phase = 0.8f32.to_radians();
        assert!((sample - Complex32::new(0.5, -0.5 * phase.tan())).norm() < 1e-6, "{sample}");
    }

    #[test]
    fn the_serial_number_is_the_devices_own() {
        assert_eq!(argument("driver=rtlsdr, serial=00000001", "serial"), Some("00000001"));
        assert_eq!(argument("driver=rtlsdr", "serial"), None);
    }
}
