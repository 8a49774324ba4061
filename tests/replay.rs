//! Recordings in, verdicts out: what `daen replay` accepts, what it refuses and with which words, and what it prints.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "replay/files.rs"]
mod files;

use files::{counting, description, pair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn daen(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_daen")).args(args).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// A beacon of our own transmitter; enough to exercise the command, no proof of the receiver.
fn beacon(folder: &Path, preset: &str, seconds: &str) -> String {
    let path = folder.join("beacon.sigmf-meta").to_str().unwrap().to_owned();
    let args =
        ["synth", "gsm", "--out", &path, "--preset", preset, "--seconds", seconds, "--snr", "20", "--rate", "500000"];
    let made = daen(&args);
    assert!(made.status.success(), "{}", text(&made.stderr));
    path
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn json_lines_are_cells_then_findings_then_a_summary() {
    let folder = TempDir::new().unwrap();
    let path = beacon(folder.path(), "blaster", "2.5");
    let output = daen(&["replay", "--json", &path]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = lines(&output);
    let types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types.first(), Some(&"cell"));
    assert_eq!(types.last(), Some(&"summary"));
    assert!(types[1..types.len() - 1].iter().all(|t| *t == "finding"), "{types:?}");
    assert!(types.len() > 2, "a blaster that raises nothing: {lines:#?}");

    // Order of keys as it stands in the text: serde_json's map sorts them.
    let stdout = text(&output.stdout);
    let order = |line: &str, keys: &[&str]| {
        let places: Vec<usize> =
            keys.iter().map(|k| line.find(&format!("\"{k}\":")).unwrap_or_else(|| panic!("{k}"))).collect();
        assert!(places.is_sorted(), "{keys:?} in {line}");
    };
    let cell = [
        "type",
        "file",
        "rat",
        "center_hz",
        "channel",
        "plmns",
        "area",
        "cell_id",
        "bsic",
        "level_dbfs",
        "level_dbm",
        "snr_db",
        "cfo_hz",
        "cfo_ppb",
        "first_s",
        "last_s",
        "timing",
        "counts",
        "broadcast",
        "fields",
    ];
    order(stdout.lines().next().unwrap(), &cell);
    assert_eq!(keys(&lines[0]).len(), cell.len());
    order(
        stdout.lines().next().unwrap(),
        &["at_ns", "at_frac_ns", "sigma_ns", "frame", "fn", "stream", "rate_ppb", "rate_sigma_ppb"],
    );
    let finding = ["type", "rule", "version", "tier", "cell", "at_ns", "evidence", "innocent"];
    order(stdout.lines().nth(1).unwrap(), &finding);
    assert_eq!(keys(&lines[1]).len(), finding.len());
    let summary = ["type", "file", "samples", "seconds", "cells", "gaps", "not_supported"];
    order(stdout.lines().last().unwrap(), &summary);
    let last = lines.last().unwrap();
    assert_eq!(keys(last).len(), summary.len());
    assert_eq!((&last["samples"], &last["seconds"], &last["cells"]), (&json!(1_250_000), &json!(2.5), &json!(1)));
    assert_eq!((&last["gaps"], &last["not_supported"]), (&json!(0), &json!([])));
    assert_eq!(lines[0]["level_dbm"], Value::Null, "not calibrated");
    assert!(
        lines[0]["level_dbfs"].as_f64().is_some_and(|level| (-21.0..-19.0).contains(&level)),
        "{}",
        lines[0]["level_dbfs"]
    );
    assert!(lines[0]["broadcast"].as_array().is_some_and(|blocks| !blocks.is_empty()));
}

#[test]
fn output_is_the_same_for_any_block_size_and_from_run_to_run() {
    let folder = TempDir::new().unwrap();
    let path = beacon(folder.path(), "licensed", "2.5");
    let run = |block: &str| {
        let output = daen(&["replay", "--json", "--count-ccch", "--block", block, &path]);
        assert!(output.status.success());
        output.stdout
    };
    let first = run("65536");
    assert!(text(&first).contains("\"type\":\"cell\""));
    for block in ["65536", "997", "1300000"] {
        assert_eq!(text(&run(block)), text(&first), "block of {block}");
    }
}

#[test]
fn a_cell_heard_on_both_sides_of_a_gap_is_one_cell() {
    let folder = TempDir::new().unwrap();
    let path = beacon(folder.path(), "licensed", "3");
    let mut meta: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let whole = lines(&daen(&["replay", "--json", &path]));
    let frequency = meta["captures"][0]["core:frequency"].clone();
    meta["captures"] = json!([
        {"core:sample_start": 0, "core:frequency": frequency},
        {"core:sample_start": 750_000, "core:frequency": frequency}
    ]);
    std::fs::write(&path, meta.to_string()).unwrap();
    let cut = lines(&daen(&["replay", "--json", &path]));
    let (one, two) = (&whole[0], &cut[0]);
    for field in ["center_hz", "bsic", "plmns", "area", "cell_id"] {
        assert_eq!(one[field], two[field], "{field}");
    }
    assert!(!one["plmns"].is_null());
    assert!(two["first_s"].as_f64().unwrap() < 0.5 && two["last_s"].as_f64().unwrap() > 2.5, "{two}");
    let sch = |cell: &Value| cell["counts"]["sch"].as_i64().unwrap();
    assert!((sch(one) - sch(two)).abs() <= 3, "{} and {} in two parts", sch(one), sch(two));
    let names = |cell: &Value| {
        let blocks = cell["broadcast"].as_array().unwrap().iter();
        blocks.map(|block| block["name"].as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(one), names(two));
    let summary = cut.last().unwrap();
    assert_eq!((&summary["cells"], &summary["gaps"]), (&json!(1), &json!(1)));
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let folder = TempDir::new().unwrap();
    let good = pair(folder.path(), &description(), &counting());
    let good = good.to_str().unwrap();
    let output = daen(&["replay", "--json", "/nonexistent/a.sigmf-meta", good, folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["type"], &lines[0]["samples"]), (&json!("summary"), &json!(100)));
    let errors = text(&output.stderr);
    for words in ["/nonexistent/a.sigmf-meta: description: no such file", "is a directory", "2 of 3 recordings"] {
        assert!(errors.contains(words), "{errors} lacks {words}");
    }
}

#[test]
fn raw_samples_need_format_rate_and_frequency() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.bin");
    std::fs::write(&path, counting()).unwrap();
    let path = path.to_str().unwrap();
    let refused = |args: &[&str], word: &str| {
        let output = daen(args);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(word), "{} lacks {word}", text(&output.stderr));
    };
    refused(&["replay", path], "--format cu8");
    refused(&["replay", "--format", "cu8", path], "--rate");
    refused(&["replay", "--format", "cu9", "--rate", "1M", "--freq", "941M", path], "cu9");
    refused(&["replay", "--format", "cu8", "--rate", "1MHz", "--freq", "941M", path], "941.0M");
    refused(&["replay", "--format", "cu8", "--rate", "0", "--freq", "941M", path], "--rate");
    refused(&["replay", "--format", "cu8", "--rate", "900G", "--freq", "941M", path], "--rate");
    refused(&["replay", "--format", "cu8", "--rate", "1M", "--freq", "941M", "/dev/zero"], "not a regular file");
    let output = daen(&["replay", "--json", "--format", "ci8", "--rate", "1M", "--freq", "941.0M", path]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(lines(&output)[0]["samples"], 100);
}

#[test]
fn silence_is_said_in_words() {
    let folder = TempDir::new().unwrap();
    let mut meta = description();
    meta["captures"][0]["core:frequency"] = json!(800e6);
    let path = pair(folder.path(), &meta, &counting());
    let output = daen(&["replay", path.to_str().unwrap()]);
    let table = text(&output.stdout);
    assert!(output.status.success());
    assert!(
        table.contains("No cell decoded. No GSM downlink channel lies inside this band; looked for nothing else"),
        "{table}"
    );
    assert!(table.contains("Findings: none."), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100 || line.contains(path.to_str().unwrap())));
}

#[test]
fn a_spectrogram_is_drawn_with_the_cells_in_it() {
    let folder = TempDir::new().unwrap();
    let path = beacon(folder.path(), "licensed", "1");
    let target = folder.path().join("plot.png");
    let output = daen(&["replay", "--plot", target.to_str().unwrap(), &path]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&target).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (1280, 720));
    let marker = pixels.chunks(3).filter(|pixel| **pixel == [255, 80, 60]).count();
    assert!(marker > 500, "{marker} pixels of the cell's frame");
    let dark = pixels.chunks(3).filter(|p| p.iter().all(|c| *c < 60)).count();
    let bright = pixels.chunks(3).filter(|p| p[0] > 120 && p[1] > 180 && p[2] < 110).count();
    assert!(dark > 1000 && bright > 1000, "{dark} dark and {bright} bright pixels");

    let output = daen(&["replay", "--plot", "/nonexistent/plot.png", &path]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("the folder /nonexistent does not exist"));
}

#[test]
fn rules_register_and_state_are_checked_before_anything_is_read() {
    let folder = TempDir::new().unwrap();
    let path = pair(folder.path(), &description(), &counting());
    let path = path.to_str().unwrap();
    let file = folder.path().join("given");
    std::fs::write(&file, "no_such_key = 1\n").unwrap();
    let file = file.to_str().unwrap();
    for option in ["--rules", "--register", "--state"] {
        for given in [file, "/nonexistent/file"] {
            let output = daen(&["replay", option, given, path]);
            assert!(!output.status.success(), "{option} {given}");
            assert!(text(&output.stderr).contains(given), "{option}: {}", text(&output.stderr));
            assert!(output.stdout.is_empty());
        }
    }
}
