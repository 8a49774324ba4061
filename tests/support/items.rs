//! Nodes of a test: they sign items into a real store, as ingest would.
#![allow(dead_code)]

use daen::cell::{CellIdentity, CellKey, Rat};
use daen::hub::store::{Received, Store};
use daen::observation::envelope::{Envelope, chain_start, hash, open, seal};
use daen::observation::*;
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;

/// The four poles of the tests, near Aranyaprathet and Poipet, with their clock errors in ppb.
pub const POLES: [(&str, f64, f64, f64); 4] = [
    ("aran-east", 13.6905, 102.5342, -2500.0),
    ("aran-north", 13.7120, 102.5170, 300.0),
    ("poipet-market", 13.6570, 102.5640, 900.0),
    ("poipet-south", 13.6402, 102.5570, 0.0),
];

/// A transmitter of a test.
#[derive(Clone, Debug)]
pub struct Cell {
    pub key: CellKey,
    pub identity: CellIdentity,
    /// Carrier error against true frequency.
    pub ppb: f64,
    /// Frame number that starts at time 0.
    pub frame: u32,
    pub dbfs: f64,
}

pub fn cell(channel_hz: u64, bsic: u16, plmn: &str, area: u32, cell_id: u64) -> Cell {
    Cell {
        key: CellKey { rat: Rat::Gsm, center_hz: channel_hz, id: bsic },
        identity: CellIdentity { plmns: vec![plmn.parse().unwrap()], area: Some(area), cell_id: Some(cell_id) },
        ppb: 10.0,
        frame: 1000,
        dbfs: -55.0,
    }
}

/// A blaster: its identity, its area code at the moment, and an oscillator that no operator would use.
pub fn blaster(area: u32) -> Cell {
    Cell { ppb: 1400.0, frame: 77, dbfs: -31.0, ..cell(947_400_000, 33, "520-03", area, 6969) }
}

/// A licensed cell of Thailand and one of Cambodia.
pub fn licensed() -> [Cell; 3] {
    [
        cell(951_200_000, 12, "520-04", 318, 11225),
        cell(942_600_000, 41, "520-03", 701, 20311),
        Cell { frame: 5, ..cell(936_000_000, 20, "456-06", 51, 3301) },
    ]
}

/// The frame of `cell` that starts at or after a second, and the instant of its start: frames of 60/13 ms.
fn frame_after(cell: &Cell, ns: i64) -> (u32, i64) {
    let frames = (i128::from(ns) * 13).div_euclid(60_000_000) + 1;
    let instant = (frames * 60_000_000 / 13) as f64 * (1.0 - cell.ppb * 1e-9);
    ((i128::from(cell.frame) + frames).rem_euclid(2_715_648) as u32, instant as i64)
}

/// Nodes that sign, and the store that they sign into.
pub struct Journal {
    pub store: Store,
    base: Timestamp,
    poles: BTreeMap<String, (u64, Octets)>,
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

impl Journal {
    /// Second 0 of the test is `base`.
    pub fn new(store: Store, base: Timestamp) -> Journal {
        Journal { store, base, poles: BTreeMap::new() }
    }

    pub fn at(&self, second: i64) -> Timestamp {
        self.base + Nanos::from_secs(second)
    }

    /// Signs items and stores them; they arrive a second after `second`.
    pub fn send(&mut self, pole: &str, second: i64, items: Vec<Item>) {
        let received_ns = self.at(second + 1);
        let (seq, prev) = self.poles.entry(pole.to_owned()).or_insert_with(|| (0, chain_start()));
        *seq += 1;
        let envelope = Envelope {
            schema: SCHEMA,
            node: pole.parse().unwrap(),
            boot: Octets(vec![1; 16]),
            seq: *seq,
            prev: prev.clone(),
            sent_ns: received_ns,
            items,
        };
        let octets = seal(&envelope, &key()).unwrap();
        *prev = hash(&octets);
        let opened = open(&octets, |_| Some(key().verifying_key())).unwrap();
        self.store.insert(&[Received { opened, octets, received_ns }]).unwrap();
    }

    /// What a pole observes of a cell at a second.
    pub fn observation(&self, pole: &str, cell: &Cell, second: i64) -> Observation {
        let &(_, lat_deg, lon_deg, clock_ppb) = POLES.iter().find(|(name, ..)| *name == pole).expect("one of POLES");
        let true_ns = second * 1_000_000_000;
        let (frame_number, instant) = frame_after(cell, true_ns);
        let seen = cell.ppb - clock_ppb;
        let si3 = |identity: &CellIdentity| {
            let mut octets = vec![0x49, 0x06, 0x1b];
            octets.extend((identity.cell_id.unwrap() as u16).to_be_bytes());
            octets.extend(identity.plmns[0].to_bcd());
            octets.extend((identity.area.unwrap() as u16).to_be_bytes());
            octets.resize(23, 0x2b);
            Octets(octets)
        };
        Observation {
            at_ns: self.at(second),
            first_ns: self.at(0),
            clock: Clock {
                source: ClockSource::Ntp,
                sigma_ns: Some(Nanos::from_millis(5)),
                locked: true,
                since_ns: None,
            },
            position: Some(Position { lat_deg, lon_deg, height_m: Some(42.0), sigma_m: Some(5.0) }),
            cell: cell.key,
            identity: Some(cell.identity.clone()),
            level: Level { dbfs: Dbfs(cell.dbfs - lat_deg.fract() * 8.0), dbm: None, sigma_db: Db(1.0) },
            snr_db: Db(cell.dbfs + 62.0 - lon_deg.fract() * 12.0),
            carrier: CarrierError {
                hz: Hz(seen * cell.key.center_hz as f64 * 1e-9),
                ppb: Ppb(seen),
                sigma_ppb: Ppb(8.0),
            },
            timing: Some(FrameTiming {
                at_ns: self.at(0) + Nanos(instant + (instant as f64 * clock_ppb * 1e-9) as i64),
                at_frac_ns: 0.0,
                sigma_ns: 150.0,
                frame: FrameName::Gsm { frame_number },
                rate_ppb: Ppb(seen),
                rate_sigma_ppb: Ppb(30.0),
            }),
            bearing: None,
            broadcast: vec![
                BroadcastBlock { name: "SI3".into(), octets: si3(&cell.identity), count: 4 },
                BroadcastBlock {
                    name: "SI2".into(),
                    octets: Octets([vec![0x59, 0x06, 0x1a], vec![0; 16], vec![0xff, 0x55, 0x04, 0x00]].concat()),
                    count: 3,
                },
            ],
            fields: None,
            content_sha256: None,
            receiver: ReceiverState { stream: "s1".into(), ..ReceiverState::default() },
        }
    }

    /// A pole hears a cell.
    pub fn hear(&mut self, pole: &str, cell: &Cell, second: i64) {
        let observation = self.observation(pole, cell, second);
        self.send(pole, second, vec![Item::Observation(Box::new(observation))]);
    }

    /// A pole hears the licensed cells, so that carriers can be compared.
    pub fn settle(&mut self, pole: &str, second: i64) {
        let items =
            licensed().iter().map(|cell| Item::Observation(Box::new(self.observation(pole, cell, second)))).collect();
        self.send(pole, second, items);
    }

    /// Rules fire on what a pole hears.
    pub fn find(&mut self, pole: &str, cell: &Cell, second: i64, rules: &[(&str, Tier)]) {
        let observation = self.observation(pole, cell, second);
        let items = rules.iter().map(|(rule, tier)| Item::Finding(Box::new(finding(rule, *tier, observation.clone()))));
        self.send(pole, second, items.collect());
    }

    /// A pole's picture of 925 to 945 MHz, or of 20 MHz from elsewhere on, with a carrier at slot 40 that is `most` octets strong.
    pub fn picture(&mut self, pole: &str, second: i64, first_hz: u64, most: u8) {
        let levels = |carrier: u8| Octets((0..100).map(|n| if n == 40 { carrier } else { 60 + n % 3 }).collect());
        let tile = SpectrumTile {
            at_ns: self.at(second),
            first_ns: self.at(second - 60),
            sweeps: 300,
            first_hz,
            step_hz: 200_000,
            mean: levels(most / 2 + 30),
            most: levels(most),
            noise: 60,
            carriers: vec![TileCarrier { center_hz: first_hz + 8_000_000, width_hz: 200_000, shape: "gsm".into() }],
        };
        self.send(pole, second, vec![Item::Spectrum(Box::new(tile))]);
    }

    /// A pole says that it is well.
    pub fn health(&mut self, pole: &str, second: i64) {
        let at_ns = self.at(second);
        let &(_, lat_deg, lon_deg, _) = POLES.iter().find(|(name, ..)| *name == pole).expect("one of POLES");
        let health = Health {
            at_ns,
            version: "0.1.0".into(),
            started_ns: self.at(-86_000),
            position: Some(Position { lat_deg, lon_deg, height_m: Some(42.0), sigma_m: Some(5.0) }),
            clock: Some(Clock {
                source: ClockSource::Ntp,
                sigma_ns: Some(Nanos::from_millis(5)),
                locked: true,
                since_ns: None,
            }),
            cpu_percent: 17.0,
            memory_octets: 48_000_000,
            disk_free_octets: 21_000_000_000,
            spool_envelopes: 3,
            spool_octets: 81_000,
            samples: 86_000_000_000,
            cells: 4,
            last_decode_ns: Some(at_ns),
            latency_ms: Some(7),
            receiver: Some("delivers; opened 1, failures 0, gaps 0, overflows 0".into()),
            receiver_celsius: Some(41.5),
            not_decoded: vec![NotDecoded {
                standard: "umts".into(),
                center_hz: 2_112_400_000,
                width_hz: Some(3_840_000),
                seen_ns: at_ns,
            }],
            schedules: vec![Schedule {
                receiver: "driver=hackrf".into(),
                doing: "sweep".into(),
                center_hz: 934_600_000,
                windows: 31,
                candidates: 2,
                steps: 40_000,
                oldest_gsm_s: Some(1.4),
                oldest_other_s: None,
                chance_60s: 0.98,
                unreachable: vec!["n257".into()],
            }],
            ..Health::default()
        };
        self.send(pole, second, vec![Item::Health(Box::new(health))]);
    }
}

pub fn finding(rule: &str, tier: Tier, observation: Observation) -> Finding {
    let (what, value, expected, innocent) = match rule {
        "ID-05" => {
            ("CGI", "520-03-1003-6969", "an entry of the licence register", "a new or portable cell not yet registered")
        }
        "ID-11" => {
            ("LAC of one CGI and carrier", "1001, 1002, 1003 in 40 s", "one", "a planned change of many cells at once")
        }
        "SI-01" => ("neighbour ARFCNs of SI2", "62 (its own)", "ARFCNs of neighbours", "a single site on an island"),
        "RS-04" => ("T3212 in units of 6 min", "0 (never)", "10 to 240", "an operator with long intervals"),
        "SI-13" => ("values of OpenBTS as shipped", "6 of 6", "fewer than 4", "a laboratory with a test licence"),
        _ => ("quantity", "value", "other value", "something harmless"),
    };
    Finding {
        rule: rule.into(),
        version: 1,
        tier,
        evidence: vec![Evidence { what: what.into(), value: value.into(), expected: expected.into() }],
        innocent: vec![innocent.into()],
        observation,
    }
}

/// What rules say about a blaster.
pub const BLASTER: [(&str, Tier); 4] = [("ID-05", Tier::B), ("ID-11", Tier::A), ("SI-01", Tier::A), ("RS-04", Tier::B)];
