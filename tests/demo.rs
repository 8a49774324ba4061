//! `daen demo` as a visitor starts it: within a minute of its scene the blaster's alert is there, and the LTE cells of both countries
//! with the lure among them.

#![cfg(all(feature = "sensor", feature = "hub"))]
#![allow(clippy::unwrap_used)]

// Each test crate uses a part of it.
#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use serde_json::Value;
use site::{Running, free_port, has_mosquitto, wait_until};
use std::process::Command;
use std::time::{Duration, Instant};

fn get(url: &str) -> Option<Value> {
    let text = ureq::get(url).call().ok()?.body_mut().read_to_string().ok()?;
    serde_json::from_str(&text).ok()
}

/// Looks every second until `done`; the test runner's own limit for this test lies above.
fn wait_long(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LONG, "waited {} s for: {what}", LONG.as_secs());
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Longest wait for what the scene brings.
const LONG: Duration = Duration::from_secs(500);

#[test]
fn the_demo_raises_the_blaster_s_alert_and_shows_the_lure_and_ends_when_told() {
    if !has_mosquitto() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let web = format!("127.0.0.1:{}", free_port());
    let mut demo = Command::new(env!("CARGO_BIN_EXE_daen"));
    demo.args(["demo", "--web", &web, "--dir", folder.path().join("site").to_str().unwrap()]);
    let demo = Running::start(&mut demo, folder.path().join("demo.log"));
    wait_until("the pages", || get(&format!("http://{web}/api/alerts")).is_some());
    let cells = || get(&format!("http://{web}/api/cells")).and_then(|json| json["cells"].as_array().cloned());
    let heard = |rat: &str, id: u64| {
        cells().into_iter().flatten().find(|cell| {
            let key = &cell["cell"];
            key["rat"] == rat && key["id"] == id
        })
    };
    wait_until("the LTE cells of both countries", || heard("lte", 171).is_some() && heard("lte", 280).is_some());
    // Twenty seconds of the scene, which an unoptimised build on a busy machine plays slower than they pass.
    wait_long("the blaster's alert", || {
        let alerts = get(&format!("http://{web}/api/alerts")).unwrap_or_default();
        alerts["alerts"].as_array().is_some_and(|all| all.iter().any(|alert| alert["class"] == "SMS_BLASTER"))
    });
    wait_long("the lure", || heard("lte", 500).is_some());
    let lure = heard("lte", 500).unwrap();
    assert_eq!(lure["identity"]["plmns"][0], "520-03");
    assert_eq!(lure["identity"]["area"], 61_000);
    // No licensed cell jumps in this scene, whatever its receivers are off by while they start.
    let listed = get(&format!("http://{web}/api/alerts")).unwrap();
    for alert in listed["alerts"].as_array().unwrap() {
        let whole = get(&format!("http://{web}/api/alerts/{}", alert["id"])).unwrap();
        assert_eq!(whole["alert"]["id"], alert["id"]);
        let told = whole["audit"].as_array().unwrap().iter().filter_map(|event| event["detail"].as_str());
        let jumps: Vec<&str> = told.filter(|detail| detail.contains("the frames of")).collect();
        assert!(jumps.is_empty() && whole["alert"]["fix"]["jumps"].is_null(), "{jumps:?} {}", whole["alert"]["fix"]);
    }
    assert_eq!(demo.stop(), 0, "it ends its hub and nodes, and then itself");
    assert!(get(&format!("http://{web}/api/alerts")).is_none(), "the hub has gone with it");
}
