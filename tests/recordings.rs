//! Real recordings through the whole command, against what independent decoders found in them.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use captures::captures;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn truth(captures: &Path, name: &str) -> Value {
    captures::truth(captures, name)[name].clone()
}

/// The JSON lines of one recording.
fn replay(captures: &Path, name: &str, options: &[&str]) -> Vec<Value> {
    let path = captures.join(format!("{name}.sigmf-meta"));
    let output =
        Command::new(env!("CARGO_BIN_EXE_daen")).args(["replay", "--json"]).args(options).arg(&path).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type<'a>(lines: &'a [Value], which: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == which).collect()
}

#[test]
fn signals_of_other_standards_are_named_and_silence_is_not() {
    let Some(captures) = captures() else { return };
    let expected = include_str!("data/recordings/expected.csv");
    for line in expected.lines().skip(1) {
        let (name, signals) = line.split_once(',').unwrap();
        let lines = replay(&captures, name, &[]);
        let summary = lines.last().unwrap();
        let names: Vec<&str> = signals.split(';').filter(|s| !s.is_empty()).collect();
        assert_eq!(summary["not_supported"], json!(names), "{name}");
        if name.starts_with("nr/") {
            // A cell, or the name of what was not decoded.
            assert_eq!(summary["cells"], json!(usize::from(names.is_empty())), "{name}");
        }
    }
}

#[test]
fn the_beacon_at_953_mhz_is_who_the_independent_decoders_say() {
    let Some(captures) = captures() else { return };
    let name = "gsm/bcch-953M6-500k";
    let (truth, lines) = (truth(&captures, name), replay(&captures, name, &[]));
    let cells = of_type(&lines, "cell");
    assert_eq!(cells.len(), 1);
    let (cell, known) = (cells[0], &truth["cells"][0]);
    assert_eq!((&cell["bsic"], &cell["area"], &cell["cell_id"]), (&known["bsic"], &known["lac"], &known["ci"]));
    assert_eq!(cell["plmns"], json!(["272-02"]));
    assert_eq!((&cell["center_hz"], &cell["channel"]), (&json!(953_600_000), &json!(93)));
    let error = cell["cfo_hz"].as_f64().unwrap() - known["cfo_hz"].as_f64().unwrap();
    assert!(error.abs() < 60.0, "{error} Hz from the other decoders' carrier");
    assert_eq!(cell["broadcast"], json!([{"name": "SI3", "hex": truth["si3"], "count": 1}]));
    let frame = &cell["timing"]["frame"]["fn"];
    assert!(truth["sch"].as_array().unwrap().iter().any(|sch| sch[0] == *frame), "frame {frame}");
    // 0.16 s hold one copy: not enough for a verdict.
    assert!(of_type(&lines, "finding").is_empty());
}

#[test]
fn a_beacon_without_a_bcch_block_has_no_identity() {
    let Some(captures) = captures() else { return };
    let lines = replay(&captures, "gsm/beacon-941M0-500k", &[]);
    let cell = &lines[0];
    assert_eq!((&cell["type"], &cell["bsic"], &cell["channel"]), (&json!("cell"), &json!(32), &json!(30)));
    for field in ["plmns", "area", "cell_id", "level_dbm", "fields"] {
        assert_eq!(cell[field], Value::Null, "{field}");
    }
    assert_eq!(cell["broadcast"], json!([]), "paging and access grant blocks leave nothing behind");
}

#[test]
fn three_beacons_are_found_in_twenty_milliseconds_and_none_where_there_is_none() {
    let Some(captures) = captures() else { return };
    let name = "gsm/wideband-941M-4M";
    let lines = replay(&captures, name, &[]);
    let found: Vec<(&Value, &Value)> =
        of_type(&lines, "cell").iter().map(|cell| (&cell["channel"], &cell["bsic"])).collect();
    let truth = truth(&captures, name);
    let known: Vec<(&Value, &Value)> =
        truth["cells"].as_array().unwrap().iter().map(|cell| (&cell["arfcn"], &cell["bsic"])).collect();
    assert_eq!(found, known);

    let lines = replay(&captures, "gsm/no-cell-937M-4M", &[]);
    assert_eq!(lines.len(), 1, "a summary and nothing else: {lines:#?}");
}

#[test]
fn the_licensed_vodafone_cell_raises_nothing_worth_an_alert() {
    let Some(captures) = captures() else { return };
    let name = "gsm/vodafone-arfcn725-1M";
    let register = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/register/vodafone-recording.csv");
    let lines = replay(&captures, name, &["--register", register]);
    let (truth, cells) = (truth(&captures, name), of_type(&lines, "cell"));
    assert_eq!(cells.len(), 1);
    let (cell, known) = (cells[0], &truth["cells"][0]);
    assert_eq!((&cell["bsic"], &cell["area"], &cell["cell_id"]), (&known["bsic"], &known["lac"], &known["ci"]));
    assert_eq!((&cell["channel"], &cell["plmns"]), (&json!(725), &json!(["262-02"])));
    let fields = &cell["fields"];
    assert_eq!(fields["neighbours_si2"], known["neighbours_si2"]);
    assert_eq!(fields["cell_allocation"], known["cell_allocation"]);
    assert_eq!(fields["si_types"], known["si_types"]);
    assert_eq!(fields["control_channel"]["t3212"], known["t3212"]);
    let reselection = &fields["si3_rest"]["selection"];
    assert_eq!(reselection["cell_reselect_offset"].as_u64().map(|code| json!(2 * code)), Some(known["cro_db"].clone()));
    assert_eq!(reselection["penalty_time"], known["penalty_time"]);
    let grave: Vec<&Value> = of_type(&lines, "finding").into_iter().filter(|finding| finding["tier"] != "C").collect();
    assert!(grave.is_empty(), "{grave:#?}");
}

#[test]
fn an_nr_cell_is_shown_with_its_block() {
    let Some(captures) = captures() else { return };
    let name = "nr/n78-barred-46M08";
    let (truth, lines) = (truth(&captures, name), replay(&captures, name, &[]));
    let cells = of_type(&lines, "cell");
    assert_eq!(cells.len(), 1);
    let (cell, ssb) = (cells[0], &truth["ssb"]);
    assert_eq!((&cell["rat"], &cell["pci"], &cell["ssb_hz"]), (&json!("nr"), &ssb["pci"], &json!(3_512_640_000u64)));
    assert_eq!(
        (&cell["scs_khz"], &cell["k_ssb"], &cell["ssb_index"]),
        (&truth["scs_khz"], &ssb["k_ssb"], &ssb["ssb_idx"])
    );
    assert_eq!(
        (&cell["barred"], &cell["timing"]["frame"]),
        (&ssb["cell_barred"], &json!({"sfn": ssb["sfn"], "half": 0}))
    );
    // The frame number takes bits 1 to 6 of the MIB.
    assert_eq!(cell["broadcast"], json!([{"name": "MIB", "hex": "00f000", "count": 1}]));
    assert!(of_type(&lines, "finding").iter().all(|finding| finding["tier"] == "C"), "{lines:#?}");
}

#[test]
fn a_real_recording_gives_the_same_octets_for_any_block_size() {
    let Some(captures) = captures() else { return };
    for name in ["gsm/wideband-941M-4M", "lte/b3-1852M5-19M2", "gsm/vodafone-arfcn725-1M"] {
        let first = replay(&captures, name, &[]);
        for block in ["1009", "3000000"] {
            assert_eq!(replay(&captures, name, &["--block", block]), first, "{name} in blocks of {block}");
        }
    }
}
