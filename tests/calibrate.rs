//! A receiver is measured by what it hears: `daen calibrate`, on scenes of which the truth is known and on a real recording.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use captures::capture;
use daen::observation::{Clock, ClockSource};
use daen::radio::calibration::apply::Correction;
use daen::radio::calibration::{Calibration, Imbalance};
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::rat;
use daen::rules::{Config, Engine};
use daen::sensor::clock_error::Reference;
use daen::sensor::receive::{Hearing, Surroundings};
use daen::synth::scene::Scene;
use daen::synth::write::{Format as Samples, Recorder};
use daen::units::{Db, Hz, Timestamp};
use num_complex::Complex32;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;
use std::process::{Command, Output};

const SECONDS: u64 = 3;

/// What a node of the border scene hears, as a recording with the register beside it.
fn record(folder: &Path, node: usize) -> Scene {
    let scene = Scene::aranyaprathet_poipet(3);
    let mut source = scene.source(node).unwrap();
    source.length = Some(SECONDS * scene.sample_rate.0 as u64);
    let mut recorder = Recorder::create(&folder.join("x.sigmf-meta"), Samples::Ci8, &source.info, "test").unwrap();
    let mut block = IqBlock::default();
    loop {
        match source.read(1 << 16, &mut block).unwrap() {
            Event::Stream(_) => {}
            Event::Samples => recorder.write(&block.samples).unwrap(),
            Event::End => break,
        }
    }
    recorder.finish().unwrap();
    std::fs::write(folder.join("register.csv"), scene.register_csv()).unwrap();
    scene
}

fn calibrate(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daen"));
    command
        .arg("calibrate")
        .args(["--serial", "42", "--folder"])
        .arg(folder.join("cal"))
        .args(args)
        .current_dir(folder);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const NEW: [&str; 8] =
    ["--model", "rtl-sdr-v3", "--by", "a test", "--date", "2026-11-01", "--valid-until", "2027-11-01"];

#[test]
fn the_clock_of_a_receiver_is_measured_by_licensed_cells_and_kept_with_its_history() {
    let node = 1;
    let folder = tempfile::tempdir().unwrap();
    let scene = record(folder.path(), node);
    let truth = scene.nodes[node].clock_error.0;
    let mut args = NEW.to_vec();
    args.extend(["frequency", "x.sigmf-meta", "--register", "register.csv"]);
    let output = calibrate(folder.path(), &args);
    assert!(output.status.success(), "{}", said(&output));
    let file = Calibration::load(&folder.path().join("cal"), "42", Some("rtl-sdr-v3")).unwrap();
    let measured = file.frequency.unwrap();
    let (error, sigma) = (measured.ppb.0 - truth, measured.sigma_ppb.0);
    println!("node {node}: clock {truth:+.0} ppb, measured {:+.1} ± {sigma:.1}", measured.ppb.0);
    assert!(error.abs() < 3.0 * sigma && sigma < 60.0, "{error} ± {sigma} ppb");
    // Measured again, the first one is history.
    let again =
        calibrate(folder.path(), &["--date", "2027-01-01", "frequency", "x.sigmf-meta", "--register", "register.csv"]);
    assert!(again.status.success(), "{}", said(&again));
    let file = Calibration::load(&folder.path().join("cal"), "42", None).unwrap();
    assert_eq!((file.frequency_history.len(), file.date.as_str()), (1, "2027-01-01"));
}

/// Round noise as a receiver of that imbalance shows it, 16 bits.
fn impaired(folder: &Path, iq: &Imbalance, count: usize) {
    let start = Timestamp(1_795_000_000_000_000_000);
    let info = StreamInfo { stream: "x".into(), center: Hz(947e6), sample_rate: Hz(1e6), start };
    let mut recorder = Recorder::create(&folder.join("iq.sigmf-meta"), Samples::Ci16Le, &info, "test").unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
    let (gain, phase) = (10f64.powf(iq.gain_db.0 / 20.0), iq.phase_deg.to_radians());
    let samples: Vec<Complex32> = (0..count)
        .map(|_| {
            let (i, q) = (0.1 * normal(), 0.1 * normal());
            let shown = gain * (q * phase.cos() + i * phase.sin());
            Complex32::new((i + iq.dc_i) as f32, (shown + iq.dc_q) as f32)
        })
        .collect();
    recorder.write(&samples).unwrap();
    recorder.finish().unwrap();
}

#[test]
fn the_imbalance_of_a_receiver_is_measured_and_undone_and_the_path_before_it_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let truth = Imbalance { dc_i: 0.013, dc_q: -0.007, gain_db: Db(0.42), phase_deg: -1.9 };
    impaired(folder.path(), &truth, 1_500_000);
    let output = calibrate(folder.path(), &[NEW.as_slice(), &["iq", "iq.sigmf-meta"]].concat());
    assert!(output.status.success(), "{}", said(&output));
    println!("{}", said(&output));
    for args in [
        ["path", "loss", "--at", "960M", "--db", "1.4", "--sigma", "0.1"],
        ["path", "loss", "--at", "925M", "--db", "1.2", "--sigma", "0.1"],
        ["path", "loss", "--at", "960M", "--db", "1.3", "--sigma", "0.2"],
        ["path", "antenna-factor", "--at", "942M", "--db", "27.2", "--sigma", "0.8"],
    ] {
        let output = calibrate(folder.path(), &[["--date", "2026-11-02"].as_slice(), &args].concat());
        assert!(output.status.success(), "{}", said(&output));
    }
    let file = Calibration::load(&folder.path().join("cal"), "42", None).unwrap();
    let (iq, path) = (file.iq.unwrap(), &file.path);
    // A million and a half samples: 0.007 dB and 0.05 degrees, one standard deviation.
    assert!((iq.gain_db.0 - 0.42).abs() < 0.03 && (iq.phase_deg + 1.9).abs() < 0.2, "{iq:?}");
    assert!((iq.dc_i - 0.013).abs() < 4e-4 && (iq.dc_q + 0.007).abs() < 4e-4, "{iq:?}");
    let loss: Vec<(f64, f64)> = path.loss.iter().map(|factor| (factor.hz.0, factor.db.0)).collect();
    assert_eq!(loss, [(925e6, 1.2), (960e6, 1.3)], "ascending, the later word counts");
    assert_eq!(path.antenna_factor[0].db, Db(27.2));
    // Undone with these figures, the samples are round.
    let mut recording =
        sigmf::describe(&folder.path().join("iq.sigmf-meta"), sigmf::Overrides::default()).unwrap().open().unwrap();
    let (mut block, mut sum, mut power) = (IqBlock::default(), Complex32::default(), 0.0);
    let correction = Correction::from(iq);
    while recording.read(1 << 16, &mut block).unwrap() != Event::End {
        correction.apply(&mut block.samples);
        sum += block.samples.iter().map(|sample| sample * sample).sum::<Complex32>();
        power += block.samples.iter().map(|sample| sample.norm_sqr()).sum::<f32>();
        block.samples.clear();
    }
    let image = f64::from(sum.norm() / power);
    assert!(image < 3e-3, "the image is {:.0} dB down, it was 25", -20.0 * image.log10());

    // A moment is not enough.
    impaired(folder.path(), &truth, 200_000);
    let output = calibrate(folder.path(), &["--date", "2026-11-03", "iq", "iq.sigmf-meta"]);
    assert!(!output.status.success() && said(&output).contains("too short"), "{}", said(&output));
    assert_eq!(Calibration::load(&folder.path().join("cal"), "42", None).unwrap(), file, "nothing was written");
}

#[test]
fn what_is_missing_for_a_new_file_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let delay = ["delay", "--rate", "2.4M", "--ns", "14300", "--sigma", "200"];
    let mut left = NEW.to_vec();
    for missing in ["--model", "--by", "--date", "--valid-until"] {
        let at = left.iter().position(|text| *text == missing).unwrap();
        let mut args = left.clone();
        args.drain(at..at + 2);
        args.extend(delay);
        let output = calibrate(folder.path(), &args);
        assert!(!output.status.success() && said(&output).contains(missing), "{missing}: {}", said(&output));
    }
    assert!(!folder.path().join("cal/42.toml").exists());
    left.extend(delay);
    assert!(calibrate(folder.path(), &left).status.success());
    let shown = calibrate(folder.path(), &["show", "--at", "947.4M", "--gain", "TUNER=38.6"]);
    assert!(said(&shown).contains("14300 ± 200 ns"), "{}", said(&shown));
}

/// Its three beacons are in truth.json as "about +8.4 kHz oscillator offset", by gr-gsm: 8.4 kHz of 940 MHz, to 0.2 kHz.
#[test]
fn three_beacons_of_a_real_recording_tell_the_clock_as_another_program_did() {
    let Some(path) = capture("gsm/wideband-941M-4M") else { return };
    let mut recording = sigmf::describe(&path, sigmf::Overrides::default()).unwrap().open().unwrap();
    let clock = Clock { source: ClockSource::Recording, sigma_ns: None, locked: false, since_ns: None };
    let around = Surroundings { clock, position: None, lost_samples: 0 };
    let mut engine = Engine::new(Config::default(), None);
    let (mut hearing, mut reference, mut newest) = (None, Reference::default(), None);
    let mut block = IqBlock::default();
    loop {
        match recording.read(1 << 16, &mut block).unwrap() {
            Event::Stream(info) => hearing = Some(Hearing::new(info, rat::Options::default())),
            Event::Samples => hearing.as_mut().unwrap().process(&block.samples, block.clipped),
            Event::End => break,
        }
    }
    for judged in hearing.unwrap().finish(around, &mut engine) {
        newest = newest.max(Some(judged.observation.at_ns));
        reference.add(&judged.observation);
    }
    let error = reference.error(newest.unwrap()).unwrap();
    println!("{error:?} from {} beacons", reference.cells(newest.unwrap()));
    assert!((error.ppb.0 - -8.4e3 / 0.940).abs() < 0.2e3 / 0.940, "{error:?}");
    assert!(error.sigma_ppb.0 < 300.0, "{error:?}");
}
