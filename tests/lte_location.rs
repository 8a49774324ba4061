//! From samples to a place: five nodes with free-running clocks hear two licensed LTE cells and a false one, and `daen locate` says
//! where the false one stands.
//!
//! The samples are those of the scene `poipet-lte`; they go through the node's own receiver thread. `DAEN_ACCEPTANCE=1` tries eight
//! seeds instead of one.

#![cfg(all(feature = "sensor", feature = "hub"))]
#![allow(clippy::unwrap_used)]

#[path = "support/node.rs"]
mod node;

use daen::cell::Rat;
use daen::observation::{ClockSource, Item, Observation};
use daen::rules::{Format, Register};
use daen::synth::scene::propagation::distance_m;
use daen::synth::scene::{Role, Scene};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// How long every node listens.
const SECONDS: f64 = 4.0;

/// What a node of the scene tells, from its samples.
fn heard(scene: &Scene, index: usize) -> Vec<Observation> {
    let mut source = scene.source(index).unwrap();
    source.length = Some((SECONDS * scene.sample_rate.0) as u64);
    // Sampled with ten bits.
    source.bits = Some(10);
    let register = Register::load(scene.register_csv().as_bytes(), Format::Detect).unwrap().0;
    let position = scene.nodes[index].position;
    let (items, _) = node::items(&mut source, Some(register), ClockSource::Free, Some(position));
    let observations = items.into_iter().filter_map(|item| match item {
        Item::Observation(observation) => Some(*observation),
        _ => None,
    });
    observations.collect()
}

/// Runs `daen locate` on what all nodes told; its one answer.
fn located(folder: &Path, scene: &Scene, told: &[(String, Observation)]) -> Value {
    let lines: Vec<String> = told
        .iter()
        .map(|(node, observation)| {
            let mut line = serde_json::to_value(observation).unwrap();
            line["node"] = node.as_str().into();
            line.to_string()
        })
        .collect();
    let path = |name: &str| folder.join(name);
    std::fs::write(path("heard.jsonl"), lines.join("\n")).unwrap();
    std::fs::write(path("register.csv"), scene.register_csv()).unwrap();
    let mut locate = Command::new(env!("CARGO_BIN_EXE_daen"));
    locate.arg("locate").arg(path("heard.jsonl")).arg("--register").arg(path("register.csv"));
    let out = locate.args(["--ground", "14", "--line-of-sight", "--json"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lure: Vec<Value> = answers.into_iter().filter(|answer| answer["cell"]["id"] == 500).collect();
    assert_eq!(lure.len(), 1, "one answer for the false cell: {text}");
    lure.into_iter().next().unwrap()
}

#[test]
fn a_false_lte_cell_is_placed_by_licensed_ones_on_clocks_that_nobody_has_set() {
    let seeds = if std::env::var_os("DAEN_ACCEPTANCE").is_some() { 1..=8 } else { 1..=1 };
    let mut errors = Vec::new();
    for seed in seeds {
        let scene = Scene::poipet_lte(seed);
        let truth = scene.truth().unwrap();
        let (mut told, mut missed) = (Vec::new(), Vec::new());
        for (index, node) in scene.nodes.iter().enumerate() {
            let observations = heard(&scene, index);
            // The last word on each cell, against the truth: who it is, and when its frames begin here.
            let last: BTreeMap<_, _> = observations.iter().map(|one| (one.cell, one)).collect();
            for transmitter in &truth.transmitters {
                let what = format!("seed {seed}: {} at {}", transmitter.name, node.id);
                let Some(one) = last.values().find(|one| one.cell.id == transmitter.physical_id) else {
                    // Beside a carrier far stronger a weak one can be lost: the others must do.
                    missed.push(what);
                    continue;
                };
                assert_eq!((one.cell.rat, one.cell.center_hz), (Rat::Lte, transmitter.center_hz), "{what}");
                let identity = one.identity.as_ref().unwrap_or_else(|| panic!("{what}: no SIB1"));
                assert_eq!(identity.cell_id, Some(transmitter.cell_id), "{what}");
            }
            told.extend(observations.into_iter().map(|one| (node.id.to_string(), one)));
        }
        let folder = tempfile::tempdir().unwrap();
        let answer = located(folder.path(), &scene, &told);
        assert_eq!(answer["method"], "relative_timing", "{answer}");
        let best = &answer["solutions"][0];
        let lure = scene.transmitters.iter().find(|one| one.role == Role::Lure).unwrap().position;
        let number = |key: &str| best[key].as_f64().unwrap_or_else(|| panic!("{key} in {answer}"));
        let place = daen::observation::Position { lat_deg: number("lat_deg"), lon_deg: number("lon_deg"), ..lure };
        let error = distance_m(&lure, &place);
        let (cep, solutions) = (number("cep50_m"), answer["solutions"].as_array().unwrap().len());
        println!("seed {seed}: {error:.1} m off, CEP50 {cep:.1} m, {solutions} solutions; not heard: {missed:?}");
        assert!(missed.len() <= 2, "of fifteen pairs: {missed:?}");
        errors.push(error);
    }
    assert!(errors.iter().all(|error| *error < 60.0), "{errors:?}");
}
