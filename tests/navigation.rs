//! The node's place and time, by the real gpsd fed by its own gpsfake.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/gps.rs"]
mod gps;

use daen::config::wall_clock;
use daen::observation::{Clock, ClockSource};
use daen::sensor::gpsd;
use daen::sensor::whereabouts::{Begin, Stand, State, Whereabouts};
use daen::units::Nanos;
use gps::{HERE, PULL_DEG};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Metres in which the receiver is pulled away.
const PULL_M: f64 = PULL_DEG * 111_195.0 * 0.97159;

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn whereabouts(stand: Option<Stand>) -> Arc<Whereabouts> {
    let clock = Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None };
    let begin =
        Begin { stand, away_m: 100.0, navigation: true, clock, by_host: true, stamp: Nanos(0), now: wall_clock() };
    Arc::new(Whereabouts::new(begin))
}

#[test]
fn the_real_gpsd_tells_place_and_satellites_and_that_somebody_pulls_the_receiver_away() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut fake, address)) = gps::start(folder.path()) else { return };
    let (fixed, moving) = (whereabouts(Some(Stand::Surveyed(HERE))), whereabouts(None));
    let survey = whereabouts(Some(Stand::Survey(Nanos::from_secs(3600))));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = [&fixed, &moving, &survey]
        .map(|one| {
            let (one, stop) = (one.clone(), stop.clone());
            std::thread::spawn(move || gpsd::run(address, &one, &stop, wall_clock))
        })
        .into();
    let state = |one: &Whereabouts| -> State { one.at(wall_clock()) };
    let metres = |state: &State| state.position.map(|p| (p.lon_deg - HERE.lon_deg) * PULL_M / PULL_DEG);
    wait("a fix", || state(&moving).position.is_some() && state(&survey).position.is_some());
    let first = state(&moving);
    assert!(metres(&first).unwrap().abs() < PULL_M + 1.0, "{first:?}");
    wait("the pull to be noticed", || {
        state(&fixed).warnings.iter().any(|warning| warning.contains("100 m from the surveyed"))
    });
    let pulled = state(&fixed);
    assert_eq!(pulled.position, Some(HERE), "a surveyed position stays");
    assert!(!pulled.clock.locked, "and the time of a receiver that is deceived is not believed");
    wait("satellites", || state(&fixed).navigation.unwrap().contains("fix with height, 8 of 9 satellites"));
    wait("the moving node to be there", || metres(&state(&moving)).is_some_and(|m| (m - PULL_M).abs() < 1.0));
    let height = state(&moving).position.unwrap().height_m.unwrap();
    assert!((height - 12.0).abs() < 0.2, "above the ellipsoid: 42 m above the sea, which lies 30 m below it; {height}");
    // The log is of another hour than this machine's clock.
    assert!(pulled.warnings.iter().any(|warning| warning.contains("contradict")), "{pulled:?}");
    fake.end();
    wait("gpsd to be missed", || {
        let later = wall_clock() + Nanos::from_secs(120);
        let state = fixed.at(later);
        state.warnings.iter().any(|warning| warning == "gpsd does not answer")
            && state.navigation.unwrap().contains("gpsd does not answer")
    });
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
}
