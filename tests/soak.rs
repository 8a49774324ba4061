//! A month on a pole in a few seconds: everything of a node that keeps state from one observation to the next, fed with simulated
//! time, does not grow. With DAEN_ACCEPTANCE it is a whole month, otherwise six days.
//!
//! 120 cells are heard every ten minutes, one goes and another comes each hour, a clone appears for an hour each day, the hub's link is
//! away for a day in ten and acknowledges everything when it is back, the clock is set back by a year once and forward again.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::cell::{CellIdentity, CellKey, Rat};
use daen::observation::envelope::{Ack, Task};
use daen::observation::{
    BroadcastBlock, CarrierError, Clock, ClockSource, Item, Level, Observation, Octets, Position, ReceiverState, SCHEMA,
};
use daen::radio::source::StreamInfo;
use daen::rules::{Config, Engine};
use daen::sensor::cadence::Cadence;
use daen::sensor::instrument::Instrument;
use daen::sensor::spool::{self, Class, Spool};
use daen::sensor::task::{Desk, Dwells};
use daen::sensor::whereabouts::{Begin, Fix, Pulse, Sky, Stand, Whereabouts};
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use std::sync::Arc;

const CELLS: u64 = 120;
const START: i64 = 1_795_000_000;
const HERE: Position = Position { lat_deg: 13.69, lon_deg: 102.5, height_m: Some(42.0), sigma_m: Some(5.0) };

fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn heard(number: u64, at_ns: Timestamp, level: f64) -> Observation {
    // SI3 that carries the identity, as evidence has to.
    let cell_id = (number % 60_000) as u16;
    let mut si3 = vec![0x49, 0x06, 0x1b];
    si3.extend_from_slice(&cell_id.to_be_bytes());
    si3.extend_from_slice(&[0x25, 0xf0, 0x30, 0x03, 0xeb]);
    si3.resize(23, 0x2b);
    let block =
        |name: &str, octets: Vec<u8>| BroadcastBlock { name: name.to_owned(), octets: Octets(octets), count: 40 };
    Observation {
        at_ns,
        first_ns: at_ns - Nanos::from_secs(3),
        clock: Clock { source: ClockSource::Ntp, sigma_ns: Some(Nanos(1_000_000)), locked: true, since_ns: None },
        position: Some(HERE),
        cell: CellKey {
            rat: Rat::Gsm,
            center_hz: 935_200_000 + 200_000 * (number % 120),
            id: (number / 120 % 64) as u16,
        },
        identity: Some(CellIdentity {
            plmns: vec!["520-03".parse().unwrap()],
            area: Some(1003),
            cell_id: Some(u64::from(cell_id)),
        }),
        level: Level { dbfs: Dbfs(level), dbm: None, sigma_db: Db(1.0) },
        snr_db: Db(20.0),
        carrier: CarrierError { hz: Hz(100.0), ppb: Ppb(106.0), sigma_ppb: Ppb(5.0) },
        timing: None,
        bearing: None,
        broadcast: vec![block("SI3", si3), block("SI1", vec![0x2b; 23]), block("SI4", vec![0x2b; 23])],
        fields: None,
        content_sha256: Some(Octets(vec![(number % 251) as u8; 32])),
        receiver: ReceiverState { stream: "s".to_owned(), ..ReceiverState::default() },
    }
}

/// What a node keeps.
struct Node {
    engine: Engine,
    cadence: Cadence,
    instrument: Instrument,
    whereabouts: Whereabouts,
    spool: Spool,
    desk: Desk,
    batches: BTreeMap<Class, Vec<Item>>,
    findings: u64,
    told: u64,
    envelopes: u64,
}

impl Node {
    fn hear(&mut self, mut observation: Observation, stream: &StreamInfo) {
        self.instrument.apply(&mut observation, stream);
        self.instrument.learn(&observation);
        let mut findings = Vec::new();
        self.engine.judge(&observation, &mut findings);
        let class = self.cadence.admits(&observation);
        if !findings.is_empty() {
            self.cadence.found(&observation);
        }
        if let Some(class) = class {
            self.told += 1;
            self.cadence.trim(class, &mut observation);
            self.batches.entry(class).or_default().push(Item::Observation(Box::new(observation)));
        }
        self.findings += findings.len() as u64;
        let findings = findings.into_iter().map(|finding| Item::Finding(Box::new(finding)));
        self.batches.entry(Class::Finding).or_default().extend(findings);
    }

    /// What one look at all cells has brought, as the spooler would: a class an envelope.
    fn spool(&mut self, now: Timestamp) {
        let batches: Vec<_> =
            std::mem::take(&mut self.batches).into_iter().filter(|(_, items)| !items.is_empty()).collect();
        self.envelopes += batches.len() as u64;
        self.spool.append(&batches, now).unwrap();
    }

    fn acknowledge(&self) {
        let ack = Ack {
            schema: SCHEMA,
            node: "pole-1".parse().unwrap(),
            boot: self.spool.boot().clone(),
            upto: self.envelopes,
            beyond: vec![],
        };
        self.spool.release(&ack).unwrap();
    }
}

#[test]
fn nothing_of_a_node_grows_in_a_month() {
    let days: i64 = if std::env::var_os("DAEN_ACCEPTANCE").is_some() { 30 } else { 6 };
    let folder = tempfile::tempdir().unwrap();
    let options = spool::Options {
        node: "pole-1".parse().unwrap(),
        key: SigningKey::from_bytes(&[1; 32]),
        limit_octets: 8 << 20,
        boot: Octets(vec![7; 16]),
    };
    let dwells = Arc::new(Dwells::default());
    let clock = Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None };
    let start = Timestamp(START * 1_000_000_000);
    let mut node = Node {
        engine: Engine::new(Config::default(), None),
        cadence: Cadence::new(Nanos::from_secs(60)).dwelling(dwells.clone()).within(20_000_000),
        instrument: Instrument::default(),
        whereabouts: Whereabouts::new(Begin {
            stand: Some(Stand::Surveyed(HERE)),
            away_m: 100.0,
            navigation: true,
            clock,
            by_host: true,
            stamp: Nanos(0),
            now: start,
        }),
        spool: Spool::open(folder.path(), options).unwrap(),
        desk: Desk::new("pole-1".parse().unwrap(), dwells),
        batches: BTreeMap::new(),
        findings: 0,
        told: 0,
        envelopes: 0,
    };
    let mut after = BTreeMap::new();
    for step in 0..days * 144 {
        let (day, hour) = (step / 144, step / 6);
        // On the fifth day the clock is a year behind, and on the next right again.
        let set_back = if day == 4 { 365 * 86_400 } else { 0 };
        let now = start + Nanos::from_secs(step * 600 - set_back);
        let stream = StreamInfo { stream: "s".to_owned(), center: Hz(947e6), sample_rate: Hz(2.4e6), start: now };
        let fix = Fix { mode: 3, time: Some(now), position: Some(HERE), speed_m_s: Some(0.0) };
        node.whereabouts.fix(&fix, now);
        node.whereabouts.sky(Sky { used: 9, seen: 12 });
        node.whereabouts.pulse(Pulse { ahead: Nanos(100) }, now);
        for cell in 0..CELLS {
            // Each hour one cell goes and another comes.
            let number = cell
                + if (cell as i64) < hour % 120 { 120 * (1 + hour as u64 / 120) } else { 120 * (hour as u64 / 120) };
            node.hear(heard(number, now, -50.0 - (cell % 30) as f64), &stream);
        }
        if hour % 24 == 12 {
            // A copy of a cell in its own colour, louder, on another carrier.
            let mut copy = heard(5, now, -10.0);
            copy.cell.center_hz = 959_800_000;
            node.hear(copy, &stream);
        }
        node.spool(now);
        if step % 144 == 70 {
            let task = Task {
                schema: SCHEMA,
                task: Octets((step as u128).to_be_bytes().to_vec()),
                node: "pole-1".parse().unwrap(),
                rat: Rat::Gsm,
                center_hz: 947_000_000,
                from_ns: now,
                until_ns: now + Nanos::from_secs(20),
                issued_ns: now,
                expires_ns: now + Nanos::from_secs(60),
            };
            node.desk.take(task, now).unwrap();
        }
        if day % 10 != 9 {
            node.acknowledge();
        }
        if step % 144 == 143 {
            let state = node.whereabouts.at(now);
            assert!(state.position == Some(HERE) && !state.warnings.iter().any(|w| w.contains("moved")), "{state:?}");
            after.insert(day, (memory_kib(), node.engine.export_state().len()));
        }
    }
    let counters = node.engine.counters();
    println!(
        "{days} days: {} observations judged, {} told, {} findings, {} envelopes; memory and learned state by day: {after:?}",
        counters.observations, node.told, node.findings, node.envelopes
    );
    // Everything has been met once after two days.
    let (settled, last) = (after[&1].0, after.values().map(|(memory, _)| *memory).max().unwrap());
    assert!(last <= settled + settled / 10 + 2048, "{settled} KiB after two days, {last} at most");
    assert!(node.told > 200 && counters.observations as i64 >= days * 144 * 120);
    node.acknowledge();
    assert_eq!(node.spool.stats().envelopes, 0);
    let file = std::fs::metadata(folder.path().join("spool.sqlite")).unwrap().len();
    assert!(file <= 16 << 20, "the spool's file has {file} octets");
}
