//! `daen locate` as a user runs it.

use crate::border::{distance_m, scene};
use daen::observation::Position;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn daen(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_daen")).arg("locate").args(args).output().unwrap()
}

fn write(folder: &Path) -> Position {
    let scene = scene(3, false, 50.0);
    let lines: Vec<String> = scene
        .lines
        .iter()
        .map(|(node, observation)| {
            let mut line = serde_json::to_value(observation).unwrap();
            line["node"] = node.as_str().into();
            line["position"] = Value::Null;
            line.to_string()
        })
        .collect();
    std::fs::write(folder.join("heard.jsonl"), lines.join("\n")).unwrap();
    let mut nodes = String::from("node,lat,lon,height_m\n");
    for (node, observation) in scene.lines.iter().step_by(scene.cells.len()) {
        let p = observation.position.unwrap();
        nodes += &format!("{node},{},{},{}\n", p.lat_deg, p.lon_deg, p.height_m.unwrap());
    }
    std::fs::write(folder.join("nodes.csv"), nodes).unwrap();
    let mut register = String::from("register_id,rat,plmn,cell_id,area,center_mhz,bsic,lat,lon,antenna_height_m\n");
    for cell in scene.cells.iter().filter(|c| c.licensed) {
        let (site, mhz) = (cell.site, cell.key.center_hz as f64 * 1e-6);
        let ci = cell.identity.cell_id.unwrap();
        register +=
            &format!("TH-{ci},gsm,520-03,{ci},5001,{mhz},{},{},{},0\n", cell.key.id, site.lat_deg, site.lon_deg);
    }
    std::fs::write(folder.join("register.csv"), register).unwrap();
    scene.suspect().site
}

#[test]
fn a_file_of_observations_gives_a_fix_a_region_and_countries() {
    let folder = tempfile::tempdir().unwrap();
    let truth = write(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let border = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/locate/border-sample.geojson");
    let (heard, register, nodes) = (path("heard.jsonl"), path("register.csv"), path("nodes.csv"));
    let args = [&heard, "--register", &register, "--nodes", &nodes, "--border", border, "--ground", "45"];
    let json = daen(&[&args[..], &["--json"]].concat());
    assert!(json.status.success(), "{}", String::from_utf8_lossy(&json.stderr));
    let text = String::from_utf8(json.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "one cell is not licensed: {text}");
    let fix: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((fix["type"].as_str(), fix["method"].as_str()), (Some("fix"), Some("relative_timing")));
    let best = &fix["solutions"][0];
    let number = |v: &Value| v.as_f64().unwrap();
    let place = Position { lat_deg: number(&best["lat_deg"]), lon_deg: number(&best["lon_deg"]), ..truth };
    assert!(distance_m(&truth, &place) < 60.0, "{} m off", distance_m(&truth, &place));
    assert_eq!(best["ellipses"][2]["probability"], 0.95);
    assert_eq!(best["inputs"].as_array().unwrap().len(), 5);
    let sum: f64 = fix["countries"].as_array().unwrap().iter().map(|c| number(&c["probability"])).sum();
    assert!((sum - 1.0).abs() < 0.01, "{sum}");
    assert!(fix["border"]["note"].as_str().unwrap().contains("disputed"));

    let geojson: Value = serde_json::from_slice(&daen(&[&args[..], &["--geojson"]].concat()).stdout).unwrap();
    assert_eq!(geojson["type"], "FeatureCollection");
    assert_eq!(geojson["features"][0]["geometry"]["type"], "Point");
    let ring = geojson["features"][1]["geometry"]["coordinates"][0].as_array().unwrap().clone();
    assert_eq!((ring.len(), ring.first()), (65, ring.last()));
    let table = String::from_utf8(daen(&args).stdout).unwrap();
    assert!(table.contains("frame timing against licensed cells") && table.contains("which is no finding"), "{table}");
}

#[test]
fn directions_of_two_nodes_in_the_file_cross_where_the_cell_is() {
    let folder = tempfile::tempdir().unwrap();
    let scene = scene(3, false, 50.0);
    let truth = scene.suspect().site;
    let plane = daen::locate::Plane::at(truth.lat_deg, truth.lon_deg);
    let own = scene.lines.iter().filter(|(_, o)| o.cell == scene.suspect().key).take(2);
    let lines: Vec<String> = own
        .map(|(node, observation)| {
            let mut line = serde_json::to_value(observation).unwrap();
            let from = plane.enu(&observation.position.unwrap());
            let deg = (-from.east_m).atan2(-from.north_m).to_degrees().rem_euclid(360.0);
            line["node"] = node.as_str().into();
            line["bearing"] = serde_json::json!({"deg": deg, "sigma_deg": 3.0});
            line["timing"] = Value::Null;
            line.to_string()
        })
        .collect();
    let path = folder.path().join("heard.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let out = daen(&[path.to_str().unwrap(), "--json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let fix: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(fix["method"], "bearings", "{fix}");
    let best = &fix["solutions"][0];
    let number = |v: &Value| v.as_f64().unwrap();
    let place = Position { lat_deg: number(&best["lat_deg"]), lon_deg: number(&best["lon_deg"]), ..truth };
    // 0.01 degrees of difference between the two nodes' norths are 0.7 m.
    assert!(distance_m(&truth, &place) < 10.0, "{} m off", distance_m(&truth, &place));
    assert_eq!(best["inputs"][0]["kind"], "bearing");
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let said = |args: &[&str]| {
        let out = daen(args);
        assert!(!out.status.success());
        String::from_utf8(out.stderr).unwrap()
    };
    assert!(said(&[&path("absent.jsonl")]).contains("absent.jsonl"));
    std::fs::write(folder.path().join("bad.jsonl"), "{\"node\":\"n\"}\n").unwrap();
    assert!(said(&[&path("bad.jsonl")]).contains("line 1"));
    assert!(said(&[&path("heard.jsonl"), "--cell", "gsm:1:2"]).contains("gsm:949200000:42"));
    assert!(said(&[&path("heard.jsonl"), "--late-share", "1.5"]).contains("--line-of-sight"));
    let out = daen(&[&path("heard.jsonl"), "--json"]);
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("\"reason\"") && text.contains("its place is not known"), "{text}");
}
