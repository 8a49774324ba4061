//! A node's receiver that stays on a stream too fast to be searched for LTE as it comes: a stretch is searched aside, and what it shows is
//! followed on the stream.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::cell::CellKey;
use daen::observation::{Clock, ClockSource, Item, Observation};
use daen::radio::ring::{WhenFull, ring};
use daen::radio::source::{Event, IqBlock, IqSource, SourceError, StreamInfo};
use daen::rules::{Config, Engine};
use daen::sensor::cadence::Cadence;
use daen::sensor::instrument::Instrument;
use daen::sensor::lab::{KEPT, Lab};
use daen::sensor::receive::{Beside, Counters, Judge, Station};
use daen::sensor::whereabouts::Whereabouts;
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::Cell;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::units::{Dbfs, Hz, Nanos, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CENTER: Hz = Hz(947.0e6);
const RATE: Hz = Hz(7.68e6);
const LEVEL: Dbfs = Dbfs(-30.0);
const START: Timestamp = Timestamp(1_795_000_000_000_000_000);
/// Samples of a block: 2 ms.
const BLOCK: usize = 15_360;
/// Signal after the stretch has been searched.
const AFTER: Nanos = Nanos::from_millis(700);

fn stream() -> StreamInfo {
    StreamInfo { stream: "parked".into(), center: CENTER, sample_rate: RATE, start: START }
}

/// A cell of 15 blocks that says who it is, its carrier `away` from the centre.
fn cell(pci: u16, away: f64, start: Picos) -> DownlinkConfig {
    let messages: Value = serde_json::from_str(include_str!("data/lte-synth/messages.json")).unwrap();
    let octets = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let cell = Cell { sib1: octets(&messages["fdd"]), ..Cell::new(pci, 15) };
    DownlinkConfig { start, clock_error: Ppb(-700.0), ..DownlinkConfig::new(cell, Hz(CENTER.0 + away), LEVEL) }
}

/// Two cells. After the stretch that is kept it waits for whatever comes out of that, going on a little now and then so that somebody
/// looks, and then goes on for a while.
struct Air {
    cells: Vec<Downlink>,
    noise: Noise,
    begun: bool,
    at: u64,
    /// Says that the cells of the stretch were told of.
    found: Receiver<()>,
    until: Option<u64>,
}

impl IqSource for Air {
    fn read(&mut self, _max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        let samples = |time: Nanos| (time.as_secs_f64() * RATE.0) as u64;
        block.samples.clear();
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Event::Stream(stream()));
        }
        if self.at > samples(KEPT) && self.until.is_none() && self.found.recv_timeout(Duration::from_millis(50)).is_ok()
        {
            self.until = Some(self.at + samples(AFTER));
        }
        // The next stretch would be kept two seconds after the first.
        if self.at >= self.until.unwrap_or(samples(Nanos::from_secs(2))) {
            return Ok(Event::End);
        }
        block.first = SampleIndex(self.at);
        block.samples.resize(BLOCK, Complex32::default());
        self.cells.iter_mut().for_each(|cell| cell.add_to(block.first, &mut block.samples));
        self.noise.add_to(block.first, &mut block.samples);
        self.at += BLOCK as u64;
        Ok(Event::Samples)
    }

    fn total_samples(&self) -> Option<u64> {
        None
    }
}

#[test]
fn a_receiver_that_stays_follows_the_cells_that_its_lab_found() {
    let sent = [cell(77, -1.7e6, Picos(-1_234_567_891)), cell(302, 1.6e6, Picos(-5_345_678_912))];
    let (finds, found) = sync_channel(1);
    let mut air = Air {
        cells: sent.iter().map(|cell| Downlink::new(&stream(), Ppb(0.0), cell.clone()).unwrap()).collect(),
        noise: Noise::new(3, Dbfs(-62.0), RATE),
        begun: false,
        at: 0,
        found,
        until: None,
    };
    let clock = Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None };
    let judge = Mutex::new(Judge {
        engine: Engine::new(Config::default(), None),
        cadence: Cadence::new(Nanos::from_millis(100)),
        keep: Box::new(|_| ()),
    });
    let (items, told) = sync_channel(64);
    let counters = Counters::default();
    let station = Station {
        judge: &judge,
        whereabouts: Arc::new(Whereabouts::fixed(clock, None)),
        instrument: Arc::new(Instrument::default()),
        evidence: None,
        items,
        counters: &counters,
    };
    let (feeder, reader) = ring(8, BLOCK, WhenFull::Wait);
    let beside = Beside { lab: Some(Lab::start().unwrap()), waterfall: None };
    let stop = AtomicBool::new(false);
    // What was told of each cell, in its order.
    let mut heard: BTreeMap<CellKey, Vec<Observation>> = BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| feeder.run(&mut air));
        // The station goes with its thread, and with it the sender of its items.
        let running = scope.spawn(|| {
            let station = station;
            station.run(reader, beside, &stop)
        });
        for (_, item) in told {
            let Item::Observation(observation) = item else { continue };
            heard.entry(observation.cell).or_default().push(*observation);
            if heard.len() == sent.len() {
                // It may have been said before, or the air may have ended.
                let _ = finds.try_send(());
            }
        }
        assert!(running.join().unwrap().is_ok());
    });
    assert!(!counters.spectrum_only.load(Ordering::Relaxed));
    let keys: Vec<(u64, u16)> = heard.keys().map(|key| (key.center_hz, key.id)).collect();
    assert_eq!(keys, [(945_300_000, 77), (948_600_000, 302)]);
    let stretch = START + KEPT;
    for (observations, sent) in heard.values().zip(&sent) {
        let (searched, followed): (Vec<&Observation>, Vec<&Observation>) =
            observations.iter().partition(|observation| observation.at_ns <= stretch);
        // The one search of the first 340 ms, and what came later, which nothing but following it can have brought.
        assert_eq!(searched.len(), 1);
        assert!(!followed.is_empty(), "{} was not followed", searched[0].cell);
        for observation in followed {
            assert!(searched[0].identity.is_some());
            assert_eq!(observation.identity, searched[0].identity, "what the search has read is kept");
            let timing = observation.timing.unwrap();
            let from_start = (timing.at_ns - START).0 as f64 + timing.at_frac_ns - sent.start.0 as f64 * 1e-3;
            let frame = 1e7 / (1.0 + sent.clock_error.0 * 1e-9);
            let late = from_start - (from_start / frame).round() * frame;
            println!("{}: {late:.1} ns late, sigma {:.1}", observation.cell, timing.sigma_ns);
            assert!(late.abs() < 5.0 * timing.sigma_ns.max(1.0), "{late} ns, {timing:?}");
            let error = observation.carrier.ppb.0 - sent.clock_error.0;
            assert!(error.abs() < 5.0 * observation.carrier.sigma_ppb.0.max(0.5), "{error} ppb");
        }
    }
}
