//! A recording gets from `daen replay` the verdict that a node gave.

#![cfg(all(feature = "sensor", feature = "hub"))]
#![allow(clippy::unwrap_used)]

#[path = "support/node.rs"]
mod node;

use daen::cell::Rat;
use daen::observation::{ClockSource, Finding, Item, Observation};
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource};
use daen::rules::{Format, Register};
use daen::synth::scene::{Role, Scene};
use daen::synth::write::{Format as Samples, Recorder};
use daen::units::Nanos;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

/// The node beside the market, where everything is heard, and how long it listens.
const NODE: usize = 1;
const SECONDS: u64 = 6;

/// A recording of the border scene in which blaster and lure are on from the first second on.
fn record(folder: &Path) -> Scene {
    let mut scene = Scene::aranyaprathet_poipet(1);
    for transmitter in scene.transmitters.iter_mut().filter(|one| !matches!(one.role, Role::Licensed(_))) {
        transmitter.on = vec![(Nanos::from_secs(1), None)];
    }
    let mut source = scene.source(NODE).unwrap();
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

/// What of a finding both tell.
fn told(rule: &str, cell: &Value, at: &Value, evidence: &Value) -> String {
    format!("{rule} {cell} {at} {evidence}")
}

#[test]
fn node_and_replay_say_the_same_of_a_stream_of_gsm_and_lte() {
    let folder = tempfile::tempdir().unwrap();
    let scene = record(folder.path());
    let path = |name: &str| folder.path().join(name);

    let register = Register::load(scene.register_csv().as_bytes(), Format::Detect).unwrap().0;
    let mut recording = sigmf::describe(&path("x.sigmf-meta"), sigmf::Overrides::default()).unwrap().open().unwrap();
    let (items, counters) = node::items(&mut recording, Some(register), ClockSource::Recording, None);
    assert_eq!(counters.samples.load(Ordering::Relaxed), SECONDS * scene.sample_rate.0 as u64);
    assert!(counters.last_decode_ns.load(Ordering::Relaxed) > 0);
    let mut last: BTreeMap<_, Observation> = BTreeMap::new();
    let mut findings: Vec<Finding> = Vec::new();
    for item in items {
        match item {
            Item::Observation(observation) => drop(last.insert(observation.cell, *observation)),
            Item::Finding(finding) => findings.push(*finding),
            _ => {}
        }
    }

    let mut replay = Command::new(env!("CARGO_BIN_EXE_daen"));
    replay.arg("replay").arg(path("x.sigmf-meta")).arg("--register").arg(path("register.csv"));
    let out = replay.args(["--json", "--block", "12345"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines: Vec<Value> =
        String::from_utf8(out.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();

    let cells = of("cell");
    assert_eq!(cells.len(), last.len(), "{:?}", last.keys());
    for (cell, (key, observation)) in cells.iter().zip(&last) {
        let id = if key.rat == Rat::Gsm { &cell["bsic"] } else { &cell["pci"] };
        assert_eq!((cell["rat"].as_str().unwrap(), &cell["center_hz"]), (&*key.rat.to_string(), &key.center_hz.into()));
        assert_eq!(*id, Value::from(key.id));
        let identity = observation.identity.as_ref();
        assert_eq!(cell["cell_id"], serde_json::to_value(identity.and_then(|one| one.cell_id)).unwrap(), "{key}");
        let timing = observation.timing.unwrap();
        assert_eq!(cell["timing"]["at_ns"], serde_json::to_value(timing.at_ns).unwrap(), "{key}");
        let octets: Vec<String> = observation.broadcast.iter().map(|block| block.octets.to_string()).collect();
        let hex: Vec<&str> = cell["broadcast"].as_array().unwrap().iter().map(|b| b["hex"].as_str().unwrap()).collect();
        assert_eq!(hex, octets, "{key}");
    }
    // It shares its channel with the licensed cell that it imitates.
    let lure = cells.iter().find(|cell| cell["pci"] == 500).expect("the lure is heard");
    assert_eq!((&lure["channel"], &lure["area"]), (&3674.into(), &61_000.into()));
    let blocks = lure["broadcast"].as_array().unwrap();
    let sibs: Vec<&Value> = blocks.iter().filter(|block| block["name"] == "SI").map(|block| &block["sibs"]).collect();
    assert!(
        sibs.contains(&&serde_json::json!(["SIB2", "SIB3"])) && sibs.contains(&&serde_json::json!(["SIB7"])),
        "{sibs:?}"
    );

    let by_node: Vec<String> = findings
        .iter()
        .map(|finding| {
            let json = serde_json::to_value(finding).unwrap();
            let at = serde_json::to_value(finding.observation.at_ns).unwrap();
            told(&finding.rule, &serde_json::to_value(finding.observation.cell).unwrap(), &at, &json["evidence"])
        })
        .collect();
    let by_replay: Vec<String> = of("finding")
        .iter()
        .map(|line| told(line["rule"].as_str().unwrap(), &line["cell"], &line["at_ns"], &line["evidence"]))
        .collect();
    assert!(!by_node.is_empty(), "the blaster gives itself away");
    assert_eq!(by_node, by_replay);
}
