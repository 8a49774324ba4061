use super::*;
use crate::cell::{CellKey, Rat};
use crate::observation::{CarrierError, Clock, ClockSource, Level, ReceiverState};
use crate::units::SampleIndex;
use num_complex::Complex32;

const EXAMPLE: &str = include_str!("../../../calibration/example-00000001.toml");

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
    assert!(instrument.warnings(at)[0].contains("contradict the outside reference"), "{:?}", instrument.warnings(at));
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
fn a_device_that_tells_its_temperature_has_the_level_and_the_clock_of_that_temperature() {
    let at = stream(2.4e6).start;
    let measured = |celsius: Option<f64>| {
        let mut instrument = instrument().at(says(None, 28.0));
        instrument.live.as_ref().unwrap().set_celsius(celsius);
        let calibration = instrument.calibration.as_mut().unwrap();
        for table in &mut calibration.level {
            (table.celsius, table.db_per_celsius) = (25.0, -0.05);
        }
        let clock = calibration.frequency.as_mut().unwrap();
        (clock.celsius, clock.ppb_per_celsius) = (Some(25.0), Some(-20.0));
        let mut observation = heard(at, 925_000_000);
        instrument.apply(&mut observation, &stream(2.4e6));
        (observation.level.dbm.unwrap().0, observation.level.sigma_db.0, observation.receiver.clock_error.unwrap())
    };
    let (dbm, sigma, clock) = measured(Some(25.0));
    let (warm_dbm, warm_sigma, warm_clock) = measured(Some(55.0));
    // 30 K at -0.05 dB and -20 ppb a kelvin.
    assert!((warm_dbm - dbm - -1.5).abs() < 1e-9, "{warm_dbm} {dbm}");
    assert!((warm_clock.ppb.0 - clock.ppb.0 - -600.0).abs() < 1e-9, "{warm_clock:?} {clock:?}");
    assert_eq!((warm_sigma, warm_clock.sigma_ppb), (sigma, clock.sigma_ppb), "a known temperature costs nothing");
    let (unknown_dbm, unknown_sigma, unknown_clock) = measured(None);
    assert_eq!((unknown_dbm, unknown_clock.ppb), (dbm, clock.ppb));
    // 15 K that nobody knows of.
    assert!((unknown_sigma - sigma.hypot(0.75)).abs() < 1e-9, "{unknown_sigma} {sigma}");
    assert!((unknown_clock.sigma_ppb.0 - clock.sigma_ppb.0.hypot(300.0)).abs() < 1e-6, "{unknown_clock:?}");
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
