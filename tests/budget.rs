//! What a quiet node costs its link in a month: octets at a proxy between node and broker, with TLS, MQTT and what TCP adds.
//!
//! Two days of a border with 120 cells go through the real cadence, spool, publisher, TLS, broker and hub, one envelope after the
//! other as they would fall due; the time between them is left out, and what keeps a silent connection alive is measured by itself and
//! added. TCP's share is computed: 52 octets of headers (IPv4, TCP with time stamps) a segment of 1,448, and as much for an
//! acknowledgement of each read.

#![cfg(all(feature = "sensor", feature = "hub"))]
#![allow(clippy::unwrap_used)]

// Each test crate uses a part of it.
#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use daen::cell::CellKey;
use daen::config::device::Device;
use daen::config::sensor::Config;
use daen::config::wall_clock;
use daen::observation::{
    BroadcastBlock, Clock, ClockError, ClockSource, Fields, Health, Item, NotDecoded, Observation, Octets, Position,
    Schedule, SpectrumTile, TileCarrier,
};
use daen::radio::profile::Profile;
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource};
use daen::rat::gsm;
use daen::sensor::bands::{Table, union};
use daen::sensor::cadence::Cadence;
use daen::sensor::publish;
use daen::sensor::scan::{Options, Plan};
use daen::sensor::source;
use daen::sensor::spool::{self, Class, Spool, new_boot};
use daen::synth::border::{Border, BorderConfig};
use daen::units::{Hz, Nanos, Ppb, Timestamp};
use site::{Site, edit, has_mosquitto, load, wait_until};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CELLS: usize = 120;
const DAYS: i64 = 2;
const MONTH_OCTETS: u64 = 20_000_000;
const SEGMENT: u64 = 1448;
const HEADERS: u64 = 52;

/// What went through the proxy, both ways.
#[derive(Default)]
struct Meter {
    octets: AtomicU64,
    headers: AtomicU64,
    from_node: AtomicU64,
}

impl Meter {
    fn take(&self, octets: u64) {
        self.octets.fetch_add(octets, Ordering::Relaxed);
        self.headers.fetch_add((octets.div_ceil(SEGMENT) + 1) * HEADERS, Ordering::Relaxed);
    }
    fn all(&self) -> u64 {
        self.octets.load(Ordering::Relaxed) + self.headers.load(Ordering::Relaxed)
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, meter: &Meter, node: bool) {
    let mut octets = [0; 65_536];
    while let Ok(read) = from.read(&mut octets) {
        if read == 0 || to.write_all(&octets[..read]).is_err() {
            break;
        }
        meter.take(read as u64);
        if node {
            meter.from_node.fetch_add(1, Ordering::Relaxed);
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// A proxy to `port`; its own port.
fn proxy(port: u16, meter: Arc<Meter>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for node in listener.incoming().flatten() {
            let Ok(broker) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            for stream in [&node, &broker] {
                stream.set_nodelay(true).unwrap();
            }
            // Opening and closing: seven segments without data.
            meter.headers.fetch_add(7 * HEADERS, Ordering::Relaxed);
            let (node_too, broker_too) = (node.try_clone().unwrap(), broker.try_clone().unwrap());
            let (up, down) = (meter.clone(), meter.clone());
            std::thread::spawn(move || pump(node, broker, &up, true));
            std::thread::spawn(move || pump(broker_too, node_too, &down, false));
        }
    });
    own
}

/// Messages and fields of a real cell, as the receiver decodes them from a recording; all cells are taken to say as much.
fn contents() -> Option<(Vec<BroadcastBlock>, Fields)> {
    let captures = std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    let path = captures.join("gsm/vodafone-arfcn725-1M.sigmf-meta");
    if !path.is_file() {
        println!("skipped: the recording gsm/vodafone-arfcn725-1M is not there (DAEN_CAPTURES)");
        return None;
    }
    let mut recording = sigmf::describe(&path, sigmf::Overrides::default()).unwrap().open().unwrap();
    let (mut block, mut reports, mut receiver, mut read) = (IqBlock::default(), Vec::new(), None, 0);
    while read < 4_000_000 {
        match recording.read(1 << 16, &mut block).unwrap() {
            Event::Stream(info) => receiver = Some(gsm::Receiver::new(&info, gsm::Options::default())),
            Event::Samples => receiver.as_mut().unwrap().process(&block.samples, &mut reports),
            Event::End => break,
        }
        read += block.samples.len();
    }
    let decoded = reports.into_iter().filter(|report| report.fields.is_some());
    let longest = decoded.max_by_key(|report| report.broadcast.len()).unwrap();
    assert!(longest.broadcast.len() >= 6, "{:?}", longest.broadcast);
    Some((longest.broadcast, longest.fields.unwrap()))
}

/// What one node hears of 120 cells in two days, every five minutes each; a cell changes what it says once a week.
fn heard((broadcast, fields): &(Vec<BroadcastBlock>, Fields)) -> Vec<Observation> {
    let config = BorderConfig {
        sites: 100,
        nodes: 1,
        standing: 0,
        driving: 0,
        seconds: (DAYS * 86_400) as f64,
        every_s: 300.0,
        delayed: 0.0,
        retune_s: 0.0,
        ..BorderConfig::default()
    };
    let mut cells: BTreeSet<CellKey> = BTreeSet::new();
    let mut list = Vec::new();
    for report in Border::new(config.clone()).unwrap().reports() {
        let mut observation = report.observation;
        if !cells.contains(&observation.cell) && cells.len() >= CELLS {
            continue;
        }
        cells.insert(observation.cell);
        observation.broadcast.clone_from(broadcast);
        observation.fields = Some(fields.clone());
        let number = cells.iter().position(|cell| *cell == observation.cell).unwrap() as i64;
        let hours = (observation.at_ns - config.start).as_secs_f64() / 3600.0;
        let week = ((hours + number as f64 * 168.0 / CELLS as f64) / 168.0) as u8;
        if let Some(Octets(hash)) = &mut observation.content_sha256 {
            hash[0] ^= week;
        }
        list.push(observation);
    }
    assert_eq!(cells.len(), CELLS);
    list
}

/// What the node scans: all bands of both countries, at 20 Msps.
fn plan() -> Plan {
    let profile = Profile::named("hackrf-one", Path::new("")).unwrap();
    let reach = source::reach(&profile, &Device { rate: Some(Hz(20e6)), ..Device::default() });
    let bands = union(&["TH", "KH"].map(|country| Table::named(country, Path::new("")).unwrap()));
    Plan::new(&bands, &reach, Options::default())
}

/// A tile of every window, each with ten carriers in it.
fn tiles(at: Timestamp) -> Vec<Item> {
    let plan = plan();
    let tile = |center: Hz| {
        let first_hz = (center.0 - 7.5e6) as u64 / 200_000 * 200_000;
        let levels = |seed: u64| {
            Octets((0..75u64).map(|n| (60 + (n * n + seed + first_hz / 200_000) * 37 % 61) as u8).collect())
        };
        let carrier = |n: u64| TileCarrier {
            center_hz: first_hz + n * 1_400_000,
            width_hz: 199_219,
            shape: if n.is_multiple_of(3) { "lte/nr" } else { "gsm" }.to_owned(),
        };
        SpectrumTile {
            at_ns: at,
            first_ns: at - Nanos::from_secs(86_400),
            sweeps: 61_000,
            first_hz,
            step_hz: 200_000,
            mean: levels(1),
            most: levels(7),
            noise: 71,
            carriers: (0..10).map(carrier).collect(),
        }
    };
    plan.windows().iter().map(|window| Item::Spectrum(Box::new(tile(window.center)))).collect()
}

/// Eight carriers that are recognised and not decoded.
fn carriers(at: Timestamp) -> Vec<NotDecoded> {
    let carrier = |n: u64| NotDecoded {
        standard: "umts".to_owned(),
        center_hz: 2_112_400_000 + n * 5_000_000,
        width_hz: Some(3_843_750),
        seen_ns: at,
    };
    (0..8).map(carrier).collect()
}

fn health(at: Timestamp, warnings: &[&str]) -> Item {
    Item::Health(Box::new(Health {
        at_ns: at,
        version: "0.1.0".to_owned(),
        started_ns: at,
        position: Some(Position { lat_deg: 13.69, lon_deg: 102.5, height_m: Some(42.0), sigma_m: Some(5.0) }),
        memory_octets: 50_000_000,
        memory_available_octets: Some(500_000_000),
        disk_free_octets: 10_000_000_000,
        samples: 200_000_000_000,
        cells: CELLS as u32,
        last_decode_ns: Some(at),
        last_decode_by_band: [("gsm 900", at), ("gsm 1800", at), ("lte 900", at), ("lte 1800", at), ("lte 2100", at)]
            .map(|(band, at)| (band.to_owned(), at))
            .into(),
        receiver: Some("delivers; opened 1, failures 0, gaps 0, overflows 0".to_owned()),
        navigation: Some("fix with height, 9 of 12 satellites, pulse -120 ± 40 ns".to_owned()),
        config: Some("0123456789ab".to_owned()),
        interval_s: Some(900),
        clock: Some(Clock {
            source: ClockSource::GnssPps,
            sigma_ns: Some(Nanos(120)),
            locked: true,
            since_ns: Some(at),
        }),
        clock_error: Some(ClockError { ppb: Ppb(-1234.5), sigma_ppb: Ppb(2.34) }),
        celsius: Some(48.5),
        receiver_celsius: Some(41.5),
        latency_ms: Some(12),
        schedules: vec![Schedule {
            receiver: "driver=hackrf,serial=0000000000000000457863c82b3e451f".to_owned(),
            doing: "sweep".to_owned(),
            center_hz: 934_600_000,
            windows: plan().windows().len() as u32,
            candidates: 1,
            steps: 12_345_678,
            oldest_gsm_s: Some(1.4),
            oldest_other_s: Some(6.3),
            chance_60s: 0.987,
            unreachable: vec![],
        }],
        // Once an hour.
        not_decoded: if (at.0 / 900_000_000_000) % 4 == 0 { carriers(at) } else { vec![] },
        warnings: warnings.iter().map(|text| (*text).to_owned()).collect(),
        ..Health::default()
    }))
}

/// The envelopes of two days in the order in which they fall due: routine every quarter of an hour with the health report, news at once.
fn envelopes(contents: &(Vec<BroadcastBlock>, Fields)) -> Vec<(Timestamp, Class, Vec<Item>)> {
    let mut cadence = Cadence::new(Nanos::from_secs(60)).within(MONTH_OCTETS);
    let quarter = Nanos::from_secs(900);
    let mut list = Vec::new();
    let mut routine = Vec::new();
    let mut news: Vec<Item> = Vec::new();
    let observations = heard(contents);
    let mut due = observations[0].at_ns + quarter;
    let (mut flushed, mut quarters) = (observations[0].at_ns, 0u32);
    let mut told = [0u32; 2];
    for mut observation in observations {
        let now = observation.at_ns;
        if now - flushed > Nanos::from_secs(2) && !news.is_empty() {
            list.push((now, Class::Observation, std::mem::take(&mut news)));
        }
        if now >= due {
            // The first picture of each window comes soon, and then one a day.
            if quarters % 96 == 0 {
                routine.extend(tiles(now));
            }
            routine.push(health(now, &[]));
            list.push((now, Class::Routine, std::mem::take(&mut routine)));
            due = now + quarter;
            quarters += 1;
            // Four changes of health a day: a cloud over the antenna, a link that was away.
            if quarters % 24 == 0 {
                list.push((now, Class::Health, vec![health(now, &["no navigation fix"])]));
            }
        }
        match cadence.admits(&observation) {
            None => {}
            Some(class @ Class::Routine) => {
                cadence.trim(class, &mut observation);
                routine.push(Item::Observation(Box::new(observation)));
                told[0] += 1;
            }
            Some(_) => {
                news.push(Item::Observation(Box::new(observation)));
                flushed = now;
                told[1] += 1;
            }
        }
    }
    println!("in {DAYS} days: {} routine observations, {} that are news, {} envelopes", told[0], told[1], list.len());
    assert!(told[0] as usize > CELLS, "each cell is told of once a day at least");
    list
}

#[test]
fn a_quiet_node_among_120_cells_stays_within_its_month() {
    if !has_mosquitto() {
        return;
    }
    let Some(contents) = contents() else { return };
    let envelopes = envelopes(&contents);
    let site = Site::new(&[load(0)]);
    let _hub = site.hub();
    wait_until("the broker", || TcpStream::connect(("127.0.0.1", site.port)).is_ok());
    let meter = Arc::new(Meter::default());
    let port = proxy(site.port, meter.clone());
    edit(&site.made.nodes[0], |text| {
        let text = text.replace(&format!("localhost:{}", site.port), &format!("localhost:{port}"));
        text.replace("[broker]\n", "[broker]\nkeep_alive_s = 5\n")
    });
    let config = Config::load(&site.made.nodes[0]).unwrap();
    let options = spool::Options {
        node: config.node.clone(),
        key: config.signing_key.clone(),
        limit_octets: 1 << 30,
        boot: new_boot(),
    };
    let spool = Arc::new(Spool::open(&config.state_dir, options).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (appended, news) = tokio::sync::watch::channel(0);
    let (status, watching) = tokio::sync::watch::channel(publish::Status::default());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let options = publish::Options {
        node: config.node.clone(),
        hub: config.hub.clone(),
        hub_key: config.hub_key,
        link: config.link.clone(),
        window: 256,
        resend: Duration::from_secs(600),
        dwells: Arc::default(),
        evidence: None,
    };
    let running = runtime.spawn(publish::run(spool.clone(), options, news, status, stopped, wall_clock));
    wait_until("the connection", || watching.borrow().connected);
    spool.append(&[(Class::Health, vec![health(Timestamp(0), &[])])], Timestamp(0)).unwrap();
    appended.send_modify(|count| *count += 1);
    wait_until("the first acknowledgement", || spool.stats().envelopes == 0);
    let connecting = meter.all();

    let mut days = [0u64; DAYS as usize];
    let start = envelopes[0].0;
    for (at, class, items) in envelopes {
        let before = meter.all();
        spool.append(&[(class, items)], at).unwrap();
        appended.send_modify(|count| *count += 1);
        wait_until("the hub's acknowledgement", || spool.stats().envelopes == 0);
        let day = ((at - start).as_secs_f64() / 86_400.0) as usize;
        days[day.min(days.len() - 1)] += meter.all() - before;
    }

    // A silent connection: what a probe every five seconds costs.
    let (before, probes, begun) = (meter.all(), meter.from_node.load(Ordering::Relaxed), Instant::now());
    wait_until("three probes", || {
        meter.from_node.load(Ordering::Relaxed) >= probes + 3 || begun.elapsed().as_secs() > 60
    });
    std::thread::sleep(Duration::from_millis(500));
    let probes = meter.from_node.load(Ordering::Relaxed) - probes;
    let probe = (meter.all() - before) / probes.max(1);
    stop.send(true).unwrap();
    runtime.block_on(running).unwrap().unwrap();

    let keep_alive = probe * 30 * 86_400 / 240;
    let month = days[0] + 29 * days[1] + 30 * connecting + keep_alive;
    println!(
        "first day {} octets, a later day {}, connecting {connecting} a day, probe {probe} ({keep_alive} a month): {:.1} MB a month",
        days[0],
        days[1],
        month as f64 * 1e-6
    );
    assert!(probes >= 3, "the connection was probed");
    assert!(month <= MONTH_OCTETS, "{month} octets");
    assert!(month >= MONTH_OCTETS / 5, "the budget is there to be used: {month} octets");
}
