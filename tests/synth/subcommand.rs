//! `daen synth` as a user runs it.

use std::process::{Command, Output};

fn daen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_daen")).args(arguments).output().unwrap()
}

#[test]
fn a_scene_is_written_as_recordings_with_truth_and_register() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("scene");
    let run = daen(&["synth", "scene", "--seconds", "0.05", "--format", "ci8", "--out", out.to_str().unwrap()]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    for node in ["aran-market", "rong-kluea", "khlong-luek", "aran-north"] {
        let data = std::fs::read(out.join(format!("aranyaprathet-{node}.sigmf-data"))).unwrap();
        assert_eq!(data.len(), 2 * 216_000);
        let meta = std::fs::read_to_string(out.join(format!("aranyaprathet-{node}.sigmf-meta"))).unwrap();
        let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
        assert_eq!(meta["captures"][0]["core:frequency"], 948.9e6);
    }
    let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("truth.json")).unwrap()).unwrap();
    assert_eq!(truth["transmitters"].as_array().unwrap().len(), 9);
    assert!(std::fs::read_to_string(out.join("register.csv")).unwrap().starts_with("register_id,"));
}

#[test]
fn a_wrong_option_is_named_with_what_would_do() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("x.sigmf-meta");
    let out = out.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["synth", "scene", "--node", "9", "--out", out], "has no node 9; its nodes are 0 to 3"),
        (vec!["synth", "scene", "--name", "moon", "--out", out], "scenes: aranyaprathet"),
        (vec!["synth", "gsm", "--seconds=-1", "--out", out], "--seconds"),
        (vec!["synth", "gsm", "--rate", "5", "--out", out], "--rate is 5"),
        (vec!["synth", "gsm", "--carrier", "949250000", "--out", out], "200 kHz raster"),
        (vec!["synth", "gsm", "--center", "1e9", "--out", out], "within half the sample rate"),
        (vec!["synth", "gsm", "--out", "/nowhere/x.sigmf-meta"], "/nowhere/x.sigmf-data"),
        (vec!["synth", "gsm", "--out", "x.wav"], ".sigmf-meta"),
        (vec!["synth", "gsm", "--format", "cu8", "--out", out], "use cf32_le, ci16_le or ci8"),
    ] {
        let run = daen(&arguments);
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "nothing is written in vain");
}
