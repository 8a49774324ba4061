//! A thousand emitters, each heard by six nodes and placed every second. `DAEN_ACCEPTANCE=1` takes all of them and says what it cost.

use crate::locate_hub::*;
use crate::world::*;
use daen::hub::analysis::AnalysisConfig;
use daen::hub::analysis::{BATCH, whole_envelopes};
use daen::hub::place::PlaceConfig;

/// Processor time of this process so far, seconds; proc(5), a hundred ticks a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .map(|t| t.parse().unwrap())
        .collect();
    (fields[0] + fields[1]) / 100.0
}

#[test]
fn every_emitter_that_is_heard_every_second_is_placed_every_second() {
    let (emitters, seconds) = if std::env::var_os("DAEN_ACCEPTANCE").is_some() { (1000, 10) } else { (50, 4) };
    let mut poles = ring(true);
    poles.push(pole(6, at(13.72, 102.56), true));
    let fakes: Vec<Tower> = (0..emitters)
        .map(|n: u64| {
            let site = at(13.64 + 0.04 * ((n % 37) as f64 / 37.0), 102.52 + 0.05 * ((n % 23) as f64 / 23.0));
            tower(935_000_000 + 200_000 * (n % 124), (n / 124) as u16, n + 1, site)
        })
        .collect();
    let place = PlaceConfig::default();
    let mut hub = Hub::new(AnalysisConfig { place, ..config(&licensed()) });
    let mut world = World::new(T0, 50.0, 11);
    for second in 1..=seconds {
        for pole in &poles {
            // As nodes send it: a hundred observations an envelope.
            for part in fakes.chunks(100) {
                let heard = part.iter().map(|fake| world.hear(pole, fake, second as f64 + 0.2)).collect();
                hub.hear(pole, second, heard);
            }
        }
    }
    let store = hub.journal.store.clone();
    let begun = cpu_seconds();
    loop {
        let items = whole_envelopes(&store, hub.analysis.cursor(), BATCH).unwrap();
        if items.is_empty() {
            break;
        }
        hub.analysis.process(&items).unwrap();
    }
    let spent = cpu_seconds() - begun;
    let counters = hub.analysis.places().counters();
    // The last second's are due when something arrives after it.
    assert_eq!((counters.solved, counters.postponed), (emitters * (seconds as u64 - 1), 0), "{counters:?}");
    assert_eq!(counters.fixes, counters.solved);
    println!(
        "{emitters} emitters, 6 nodes, {seconds} s: {:.2} core, reading and storing included",
        spent / (seconds as f64 - 1.0)
    );
}
