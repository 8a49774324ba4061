//! The receiving half of a node, on a source that ends: what it would spool, in order.

use daen::observation::{Clock, ClockSource, Item, Position};
use daen::radio::ring::{WhenFull, ring};
use daen::radio::source::IqSource;
use daen::rules::{Config, Engine, Register};
use daen::sensor::cadence::Cadence;
use daen::sensor::receive::{Beside, Counters, Judge, Station};
use daen::sensor::whereabouts::Whereabouts;
use daen::units::Nanos;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

/// Blocks of the node's ring, and their samples.
const BLOCKS: (usize, usize) = (16, 1 << 16);
/// More items than any of these tests makes: the node waits where its spool is full.
const ITEMS: usize = 1 << 16;

/// Runs a node's receiver thread over `source`.
pub fn items(
    source: &mut (dyn IqSource + Send),
    register: Option<Register>,
    clock: ClockSource,
    position: Option<Position>,
) -> (Vec<Item>, Counters) {
    let (sender, receiver) = sync_channel(ITEMS);
    let counters = Counters::default();
    let (feeder, reader) = ring(BLOCKS.0, BLOCKS.1, WhenFull::Wait);
    let judge = Mutex::new(Judge {
        engine: Engine::new(Config::default(), register),
        cadence: Cadence::new(Nanos::from_secs(1)),
        keep: Box::new(|_| ()),
    });
    let station = Station {
        judge: &judge,
        whereabouts: Arc::new(Whereabouts::fixed(
            Clock { source: clock, sigma_ns: None, locked: false, since_ns: None },
            position,
        )),
        instrument: Default::default(),
        evidence: None,
        items: sender,
        counters: &counters,
    };
    std::thread::scope(|scope| {
        scope.spawn(move || feeder.run(source));
        station.run(reader, Beside::default(), &AtomicBool::new(false)).unwrap();
    });
    drop(station);
    (receiver.into_iter().map(|(_, item)| item).collect(), counters)
}
