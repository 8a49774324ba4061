//! A receiver is measured by what it hears: `daen calibrate`, on scenes of which the truth is known and on a real recording.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::observation::{Clock, ClockSource};
use daen::radio::calibration::Calibration;
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource};
use daen::rat;
use daen::rules::{Config, Engine};
use daen::sensor::clock_error::Reference;
use daen::sensor::receive::{Hearing, Surroundings};
use daen::synth::scene::Scene;
use daen::synth::write::{Format as Samples, Recorder};
use std::path::{Path, PathBuf};
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

fn captures() -> PathBuf {
    std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from)
}

/// Its three beacons are in truth.json as "about +8.4 kHz oscillator offset", by gr-gsm: 8.4 kHz of 940 MHz, to 0.2 kHz.
#[test]
fn three_beacons_of_a_real_recording_tell_the_clock_as_another_program_did() {
    let path = captures().join("gsm/wideband-941M-4M.sigmf-meta");
    if !path.is_file() {
        println!("skipped: the recording gsm/wideband-941M-4M is not there (DAEN_CAPTURES)");
        return;
    }
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
