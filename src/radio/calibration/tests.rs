use super::apply::{Correction, Setting};
use super::*;
use crate::units::Nanos;
use num_complex::Complex32;

const EXAMPLE: &str = include_str!("../../../calibration/example-00000001.toml");

fn example() -> Calibration {
    toml::from_str(EXAMPLE).unwrap()
}

fn gains(db: f64) -> BTreeMap<String, Db> {
    BTreeMap::from([("TUNER".to_owned(), Db(db))])
}

fn at(text: &str) -> Timestamp {
    day(text).unwrap()
}

fn folder_with(text: &str, name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

#[test]
fn the_documented_example_is_taken_and_written_again_the_same() {
    let folder = folder_with(EXAMPLE, "example-00000001.toml");
    let read = Calibration::load(folder.path(), "example-00000001", Some("rtl-sdr-v3")).unwrap();
    let other = tempfile::tempdir().unwrap();
    read.save(other.path()).unwrap();
    assert_eq!(Calibration::load(other.path(), "example-00000001", None).unwrap(), read);
}

#[test]
fn a_calibration_of_another_receiver_or_past_its_date_is_refused_in_words() {
    let folder = folder_with(EXAMPLE, "77.toml");
    let error = Calibration::load(folder.path(), "77", None).unwrap_err().to_string();
    assert!(
        error.contains("example-00000001") && error.contains("serial 77") && error.contains("daen calibrate"),
        "{error}"
    );
    let folder = folder_with(EXAMPLE, "example-00000001.toml");
    let error = Calibration::load(folder.path(), "example-00000001", Some("hackrf-one")).unwrap_err().to_string();
    assert!(error.contains("rtl-sdr-v3") && error.contains("hackrf-one"), "{error}");
    let calibration = example();
    assert!(calibration.check_age(folder.path(), at("2027-09-30") + Nanos::from_secs(86_399)).is_ok());
    let error = calibration.check_age(folder.path(), at("2027-10-01")).unwrap_err().to_string();
    assert!(error.contains("2027-10-01") && error.contains("measure"), "{error}");
    for serial in ["", "../etc/passwd", ".hidden", "a/b", &"x".repeat(65)] {
        assert!(matches!(Calibration::load(folder.path(), serial, None), Err(CalibrationError::Serial { .. })));
    }
}

#[test]
fn a_value_out_of_its_range_is_named_with_file_and_range() {
    for (from, to, expected) in [
        ("date = \"2026-10-01\"", "date = \"2026-13-01\"", ["date", "2026-13-01", "a day"]),
        ("ppb = -820.0", "ppb = nan", ["frequency.ppb", "NaN", "-1e6 to 1e6"]),
        ("celsius = 30.0", "celsius = nan", ["frequency.celsius", "NaN", "a temperature"]),
        ("ppb_per_celsius = -12.0", "ppb_per_celsius = inf", ["frequency.ppb_per_celsius", "inf", "ppb/K"]),
        ("by = \"", "by = \"\" # \"", ["by", "\"\"", "no evidence"]),
        ("low_hz = 925e6", "low_hz = 985e6", ["level.high_hz", "960000000", "low_hz or more"]),
        ("phase_deg = 0.8", "phase_deg = 80.0", ["iq", "80", "30 degrees"]),
        ("model =", "modell =", ["modell", "unknown field", "model"]),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let folder = folder_with(&EXAMPLE.replacen(from, to, 1), "example-00000001.toml");
        let error = Calibration::load(folder.path(), "example-00000001", None).unwrap_err().to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{to}: {error}");
    }
}

#[test]
fn levels_are_interpolated_over_frequency_and_gain_and_never_extrapolated_over_gain() {
    let calibration = example();
    let full = |gain: f64, hz: f64, celsius: Option<f64>| {
        let gains = gains(gain);
        calibration
            .full_scale(Setting { gains: &gains, antenna: Some("RX"), celsius }, Hz(hz))
            .map(|f| (f.dbm.0, f.sigma.0))
    };
    let near = |got: Option<(f64, f64)>, dbm: f64, sigma: f64| {
        let (have, have_sigma) = got.unwrap();
        assert!((have - dbm).abs() < 1e-9 && (have_sigma - sigma).abs() < 1e-9, "{have} ± {have_sigma}");
    };
    // The table: 925 MHz -50.0, 960 MHz -49.0 at 28.0 dB; ten less at 38.6 dB; cable 1.2 ± 0.1 dB at 900 and 1.2 at 1000 MHz.
    near(full(28.0, 925e6, Some(25.0)), -48.8, hyp(&[0.5, 0.1]));
    // Half way in frequency: the interpolation counts in full.
    near(full(28.0, 942.5e6, Some(25.0)), -48.3, hyp(&[0.5, 0.3, 0.1]));
    // Half way in gain, at a measured frequency.
    near(full(33.3, 960e6, Some(25.0)), -52.8, hyp(&[0.5, 0.3, 0.1]));
    // 20 K warmer than measured, -0.02 dB/K; not known: 15 K of uncertainty.
    near(full(28.0, 925e6, Some(45.0)), -49.2, hyp(&[0.5, 0.1]));
    near(full(28.0, 925e6, None), -48.8, hyp(&[0.5, 0.1, 0.3]));
    for (gain, hz) in [(20.0, 940e6), (45.0, 940e6), (28.0, 961e6), (28.0, 1.8e9)] {
        assert_eq!(full(gain, hz, None), None, "{gain} dB at {hz} Hz");
    }
    let other_port = Setting { gains: &gains(28.0), antenna: Some("HF"), celsius: None };
    assert_eq!(calibration.full_scale(other_port, Hz(940e6)), None);
}

fn hyp(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[test]
fn delays_are_those_of_the_rate_with_the_cable_and_clocks_grow_uncertain_with_age_and_heat() {
    let calibration = example();
    let delay = calibration.delay(Hz(2.4e6)).unwrap();
    assert!(
        (delay.ns - (14_300.0 + 52.0)).abs() < 1e-9 && (delay.sigma_ns - hyp(&[200.0, 2.0])).abs() < 1e-9,
        "{delay:?}"
    );
    assert_eq!(calibration.delay(Hz(1.92e6)), None);
    let error = calibration.clock_error(at("2026-10-01"), Some(30.0)).unwrap();
    assert_eq!((error.ppb.0, error.sigma_ppb.0), (-820.0, 30.0));
    let later = at("2026-10-01") + Nanos((365.25 * 86_400e9) as i64);
    let aged = calibration.clock_error(later, Some(30.0)).unwrap().sigma_ppb.0;
    assert!((aged - hyp(&[30.0, 500.0])).abs() < 1e-6, "{aged}");
    let warm = calibration.clock_error(at("2026-10-01"), Some(40.0)).unwrap();
    assert_eq!(warm.ppb.0, -820.0 - 10.0 * 12.0);
    // A clock that was set back by decades makes it uncertain, no more.
    assert!(calibration.clock_error(Timestamp(0), None).unwrap().sigma_ppb.0 > 20_000.0);
}

#[test]
fn field_strength_follows_the_definition_of_the_antenna_factor() {
    // E = U + AF; 0 dBm in 50 ohms are 106.99 dB over a microvolt.
    let (field, sigma) = example().field_strength(Dbm(-60.0), Db(0.6), Hz(942e6)).unwrap();
    assert!((field - (106.99 - 60.0 + 27.2)).abs() < 1e-9 && (sigma.0 - 1.0).abs() < 1e-9, "{field} {sigma:?}");
}

#[test]
fn what_an_imbalanced_receiver_did_to_a_tone_is_undone() {
    let iq = Imbalance { dc_i: 0.02, dc_q: -0.01, gain_db: Db(0.5), phase_deg: 3.0 };
    let (sin, cos) = 3f64.to_radians().sin_cos();
    let gain = 10f64.powf(0.5 / 20.0);
    let tone = |n: usize| (n as f64 * 0.3).sin_cos();
    let mut samples: Vec<Complex32> = (0..1000)
        .map(|n| {
            let (q, i) = tone(n);
            let (q, i) = (0.5 * q, 0.5 * i);
            Complex32::new((i + 0.02) as f32, (gain * (q * cos + i * sin) - 0.01) as f32)
        })
        .collect();
    Correction::from(iq).apply(&mut samples);
    for (n, sample) in samples.iter().enumerate() {
        let (q, i) = tone(n);
        let wrong = (f64::from(sample.re) - 0.5 * i).hypot(f64::from(sample.im) - 0.5 * q);
        assert!(wrong < 1e-6, "sample {n}: {wrong}");
    }
}
