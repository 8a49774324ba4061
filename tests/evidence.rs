//! The evidence ring, and what of it may leave a node.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::cell::Rat;
use daen::observation::{Clock, ClockSource, Evidence, Finding, Observation, Tier};
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::rat::CellReport;
use daen::rat::gsm::{self, Options};
use daen::sensor::evidence::broadcast::{Withheld, broadcast_only};
use daen::sensor::evidence::ring::Ring;
use daen::sensor::observe::{Context, observe};
use daen::synth::scene::Scene;
use daen::units::{Hz, Nanos, SampleIndex, Timestamp};
use num_complex::Complex32;
use std::path::{Path, PathBuf};

/// The first seconds of a source.
fn samples(source: &mut dyn IqSource, seconds: f64) -> (StreamInfo, Vec<Complex32>) {
    let mut block = IqBlock::default();
    let mut list = Vec::new();
    let mut stream: Option<StreamInfo> = None;
    loop {
        match source.read(1 << 16, &mut block).unwrap() {
            Event::Stream(info) => stream = Some(info),
            Event::Samples => list.extend_from_slice(&block.samples),
            Event::End => break,
        }
        if stream.as_ref().is_some_and(|info| list.len() as f64 >= seconds * info.sample_rate.0) {
            break;
        }
    }
    (stream.unwrap(), list)
}

/// What a receiver that counts CCCH blocks, and nothing else of them, makes of samples: its last word on each cell.
fn receive(info: &StreamInfo, samples: &[Complex32]) -> Vec<CellReport> {
    let mut receiver = gsm::Receiver::new(info, Options { count_ccch: true, ..Options::default() });
    let mut reports = Vec::new();
    samples.chunks(1 << 14).for_each(|chunk| receiver.process(chunk, &mut reports));
    reports.clear();
    receiver.finish(&mut reports);
    reports
}

fn observed(report: &CellReport, info: &StreamInfo) -> Observation {
    let clock = Clock { source: ClockSource::Recording, sigma_ns: None, locked: false, since_ns: None };
    observe(report, &Context { stream: info, clock, position: None, samples: 1, clipped: 0, lost_samples: 0 })
}

fn ccch(report: &CellReport) -> u64 {
    report.counts.iter().filter(|(name, _)| name.starts_with("ccch")).map(|(_, count)| count).sum()
}

/// Nothing but broadcast bursts is left, and they still say who the cell is.
fn check(info: &StreamInfo, samples: &[Complex32]) {
    let reports = receive(info, samples);
    let strongest = reports.iter().filter(|report| report.identity.is_some());
    let before = strongest.max_by(|a, b| a.snr.0.total_cmp(&b.snr.0)).unwrap();
    assert!(ccch(before) > 0, "the cell pages and grants: {:?}", before.counts);
    let snippet = broadcast_only(samples, info, &observed(before, info)).unwrap();
    let mut kept = vec![false; snippet.samples.len()];
    snippet.kept.iter().cloned().flatten().for_each(|index| kept[index] = true);
    let outside = snippet.samples.iter().zip(&kept).filter(|(_, kept)| !**kept).map(|(sample, _)| sample.norm_sqr());
    assert_eq!(outside.sum::<f32>(), 0.0, "energy outside of the broadcast's bursts");
    let share = kept.iter().filter(|kept| **kept).count() as f64 / kept.len() as f64;
    // 14 of 51 frames, 154 of 1250 symbols of each.
    assert!((share - 14.0 / 51.0 * 154.0 / 1250.0).abs() < 0.002, "{share}");

    let after = receive(&snippet.info, &snippet.samples);
    println!(
        "{} before {:?}\nafter {:?}",
        before.key,
        before.counts,
        after.iter().map(|r| (r.key, &r.counts)).collect::<Vec<_>>()
    );
    assert_eq!(after.len(), 1, "one cell and no other");
    let after = &after[0];
    assert_eq!((after.key, &after.identity), (before.key, &before.identity), "the same cell");
    assert_eq!(ccch(after), 0, "paging and access grants are gone");
    for block in &after.broadcast {
        assert!(before.broadcast.iter().any(|known| (&known.name, &known.octets) == (&block.name, &block.octets)));
    }
}

fn captures() -> PathBuf {
    std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from)
}

#[test]
fn of_a_real_recording_only_what_the_cell_says_to_everybody_may_leave() {
    let path = captures().join("gsm/vodafone-arfcn725-1M.sigmf-meta");
    if !path.is_file() {
        println!("skipped: the recording gsm/vodafone-arfcn725-1M is not there (DAEN_CAPTURES)");
        return;
    }
    let mut recording = sigmf::describe(&path, sigmf::Overrides::default()).unwrap().open().unwrap();
    let (info, samples) = samples(&mut recording, 5.0);
    check(&info, &samples);
}

#[test]
fn of_a_scene_with_many_cells_only_the_finding_s_cell_is_left() {
    let scene = Scene::aranyaprathet_poipet(1);
    let (info, samples) = samples(&mut scene.source(1).unwrap(), 3.0);
    check(&info, &samples);
}

fn finding(at: Timestamp, stream: &str) -> Finding {
    let info = StreamInfo { stream: stream.to_owned(), center: Hz(947e6), sample_rate: Hz(1000.0), start: at };
    let report = CellReport {
        key: daen::cell::CellKey { rat: Rat::Gsm, center_hz: 947_000_000, id: 1 },
        identity: None,
        first: Nanos(0),
        last: Nanos(0),
        level: daen::units::Dbfs(-20.0),
        level_sigma: daen::units::Db(1.0),
        snr: daen::units::Db(20.0),
        carrier: daen::observation::CarrierError {
            hz: Hz(0.0),
            ppb: daen::units::Ppb(0.0),
            sigma_ppb: daen::units::Ppb(1.0),
        },
        timing: None,
        counts: Default::default(),
        broadcast: vec![],
        fields: None,
    };
    let evidence = Evidence { what: "x".to_owned(), value: "y".to_owned(), expected: "z".to_owned() };
    let observation = observed(&report, &info);
    Finding {
        rule: "ID-05".to_owned(),
        version: 1,
        tier: Tier::A,
        evidence: vec![evidence],
        innocent: vec![],
        observation,
    }
}

#[test]
fn the_ring_keeps_its_quota_and_what_is_pinned_the_longest_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = Timestamp(1_795_000_000_000_000_000);
    let at = |second: i64| start + Nanos::from_secs(second);
    // 1,000 samples a second: a segment of four seconds has 16,000 octets.
    let quota = 160_000;
    let mut ring = Ring::open(folder.path(), quota).unwrap();
    let info = StreamInfo { stream: "s".to_owned(), center: Hz(947e6), sample_rate: Hz(1000.0), start };
    ring.begin(&info).unwrap();
    let second = |n: i64| -> Vec<i16> { (0..2000).map(|i| (n * 10 + i % 7) as i16).collect() };
    for n in 0..300 {
        ring.write(SampleIndex(n as u64 * 1000), &second(n)).unwrap();
        if n == 100 {
            ring.pin(&finding(at(100), "s")).unwrap();
        }
        assert!(ring.octets() <= quota, "{} octets after {n} s", ring.octets());
    }
    drop(ring);
    let on_disk: u64 = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "iq"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(on_disk <= quota && on_disk > quota / 2, "{on_disk}");
    let ring = Ring::open(folder.path(), quota).unwrap();
    let events = ring.events().unwrap();
    assert_eq!(events.len(), 1);
    let (kept, samples) = events[0].samples.as_ref().unwrap();
    let length = samples.len() as f64 / 1000.0;
    assert!(kept.start <= at(93) && length >= 16.0, "{:?} and {length} s", kept.start);
    let n = (kept.start - start).as_secs_f64().round() as i64;
    assert_eq!(
        samples[0],
        Complex32::new(f32::from((n * 10) as i16) / 32768.0, f32::from((n * 10 + 1) as i16) / 32768.0)
    );
    // A second finding of the same moment has the same samples; one of another standard has none that may leave.
    let mut lte = finding(at(100), "s").observation;
    lte.cell.rat = Rat::Lte;
    assert_eq!(broadcast_only(samples, kept, &lte).unwrap_err(), Withheld::Standard(Rat::Lte));
    let untimed = finding(at(100), "s").observation;
    assert_eq!(broadcast_only(samples, kept, &untimed).unwrap_err(), Withheld::NoTiming);
}

#[test]
fn pinned_segments_are_given_up_too_where_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let start = Timestamp(1_795_000_000_000_000_000);
    let mut ring = Ring::open(folder.path(), 50_000).unwrap();
    let info = StreamInfo { stream: "s".to_owned(), center: Hz(947e6), sample_rate: Hz(1000.0), start };
    ring.begin(&info).unwrap();
    for n in 0..200 {
        ring.write(SampleIndex(n as u64 * 1000), &[7; 2000]).unwrap();
        ring.pin(&finding(start + Nanos::from_secs(n), "s")).unwrap();
        assert!(ring.octets() <= 50_000 + 16_000, "{}", ring.octets());
    }
    let events = ring.events().unwrap();
    assert!(events.len() > 5 && events[0].samples.is_none() && events.last().unwrap().samples.is_some());
}

#[test]
fn what_the_disk_was_too_slow_for_is_a_gap_and_not_a_shift() {
    let folder = tempfile::tempdir().unwrap();
    let start = Timestamp(1_795_000_000_000_000_000);
    let mut ring = Ring::open(folder.path(), 1 << 20).unwrap();
    let info = StreamInfo { stream: "s".to_owned(), center: Hz(947e6), sample_rate: Hz(1000.0), start };
    ring.begin(&info).unwrap();
    for n in (0..3).chain(5..9) {
        ring.write(SampleIndex(n * 1000), &[n as i16; 2000]).unwrap();
    }
    ring.pin(&finding(start + Nanos::from_secs(6), "s")).unwrap();
    // A ring flushes what it has begun when the stream ends.
    ring.begin(&info).unwrap();
    let events = ring.events().unwrap();
    let (kept, samples) = events[0].samples.as_ref().unwrap();
    assert_eq!((kept.start, samples.len()), (start + Nanos::from_secs(5), 4000));
    assert_eq!(samples[0].re, 5.0 / 32768.0);
}
