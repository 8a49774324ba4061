//! The evidence ring, and what of it may leave a node.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

#[path = "evidence/lte.rs"]
mod lte;
#[path = "evidence/system_information.rs"]
mod system_information;

use captures::capture;
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
use std::ops::Range;

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

/// Samples in memory, to be read piece by piece.
fn reader(samples: &[Complex32]) -> impl FnMut(Range<u64>, &mut Vec<Complex32>) -> std::io::Result<()> + '_ {
    |range, out| {
        out.clear();
        let end = samples.len().min(range.end as usize);
        out.extend_from_slice(&samples[range.start as usize..end]);
        Ok(())
    }
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
    let snippet = broadcast_only(info, samples.len() as u64, &mut reader(samples), &observed(before, info)).unwrap();
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

#[test]
fn of_a_real_recording_only_what_the_cell_says_to_everybody_may_leave() {
    let Some(path) = capture("gsm/vodafone-arfcn725-1M") else { return };
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
    ring.begin(0, &info).unwrap();
    let second = |n: i64| -> Vec<i16> { (0..2000).map(|i| (n * 10 + i % 7) as i16).collect() };
    for n in 0..300 {
        ring.write(0, SampleIndex(n as u64 * 1000), &second(n)).unwrap();
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
    let mut ring = Ring::open(folder.path(), quota).unwrap();
    let events = ring.events().unwrap();
    assert_eq!(events.len(), 1);
    let take = events[0].samples.as_ref().unwrap();
    let length = take.length as f64 / 1000.0;
    assert!(take.info.start <= at(93) && length >= 16.0, "{:?} and {length} s", take.info.start);
    let mut samples = Vec::new();
    ring.read(take, 0..take.length + 5, &mut samples).unwrap();
    assert_eq!(samples.len() as u64, take.length);
    let n = (take.info.start - start).as_secs_f64().round() as i64;
    assert_eq!(
        samples[0],
        Complex32::new(f32::from((n * 10) as i16) / 32768.0, f32::from((n * 10 + 1) as i16) / 32768.0)
    );
    // One whose standard cannot be cut, or whose timing nobody knows, has none that may leave.
    let withheld = |observation: &Observation| {
        let mut read = |range, samples: &mut _| ring.read(take, range, samples);
        broadcast_only(&take.info, take.length, &mut read, observation).unwrap_err()
    };
    let mut nr = finding(at(100), "s").observation;
    nr.cell.rat = Rat::Nr;
    assert_eq!(withheld(&nr), Withheld::Standard(Rat::Nr));
    assert_eq!(withheld(&finding(at(100), "s").observation), Withheld::NoTiming);
    assert_eq!(
        withheld(&Observation { cell: daen::cell::CellKey { rat: Rat::Lte, ..nr.cell }, ..nr }),
        Withheld::NoTiming
    );
}

#[test]
fn two_receivers_that_scan_share_the_quota_and_each_finding_has_its_own_stream() {
    let folder = tempfile::tempdir().unwrap();
    let start = Timestamp(1_795_000_000_000_000_000);
    let quota = 400_000;
    let mut ring = Ring::open(folder.path(), quota).unwrap();
    // Each receiver dwells for a tenth of a second, at 2,000 samples a second, on one of 20 carriers after the other.
    let name = |receiver: usize, dwell: i64| format!("r{receiver}#{dwell}");
    for dwell in 0..600 {
        for receiver in 0..2 {
            let info = StreamInfo {
                stream: name(receiver, dwell),
                center: Hz(935e6 + (dwell % 20) as f64 * 200e3),
                sample_rate: Hz(2000.0),
                start: start + Nanos::from_millis(100 * dwell),
            };
            ring.begin(receiver, &info).unwrap();
            let samples: Vec<i16> =
                (0..400).map(|i| (dwell % 100) as i16 * 100 + (i / 2 % 50) + receiver as i16).collect();
            ring.write(receiver, SampleIndex(0), &samples[..200]).unwrap();
            ring.write(receiver, SampleIndex(100), &samples[200..]).unwrap();
            if dwell == 450 {
                let mut of = finding(info.start, &info.stream);
                of.observation.cell.id = receiver as u16;
                ring.pin(&of).unwrap();
            }
        }
        assert!(ring.octets() <= quota, "{} octets at dwell {dwell}", ring.octets());
    }
    drop(ring);
    let files = std::fs::read_dir(folder.path()).unwrap().flatten().count();
    assert!(files < 120, "{files} files for 1,200 streams");
    let mut ring = Ring::open(folder.path(), quota).unwrap();
    let events = ring.events().unwrap();
    assert_eq!(events.len(), 2, "one a cell, of the same moment");
    for (receiver, event) in events.iter().enumerate() {
        let take = event.samples.as_ref().unwrap();
        assert_eq!((take.info.stream.as_str(), take.length), (name(receiver, 450).as_str(), 200));
        assert_eq!((take.info.center, take.info.start), (Hz(937e6), start + Nanos::from_secs(45)));
        let mut samples = Vec::new();
        ring.read(take, 90..120, &mut samples).unwrap();
        assert_eq!(samples.len(), 30);
        for (n, sample) in samples.iter().enumerate() {
            let value = 50 * 100 + ((90 + n as i16) % 50) + receiver as i16;
            assert_eq!(sample.re, f32::from(value) / 32768.0, "sample {n}");
        }
    }
}

#[test]
fn pinned_segments_are_given_up_too_where_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let start = Timestamp(1_795_000_000_000_000_000);
    let mut ring = Ring::open(folder.path(), 50_000).unwrap();
    let info = StreamInfo { stream: "s".to_owned(), center: Hz(947e6), sample_rate: Hz(1000.0), start };
    ring.begin(0, &info).unwrap();
    for n in 0..200 {
        ring.write(0, SampleIndex(n as u64 * 1000), &[7; 2000]).unwrap();
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
    ring.begin(0, &info).unwrap();
    for n in (0..3).chain(5..9) {
        ring.write(0, SampleIndex(n * 1000), &[n as i16; 2000]).unwrap();
    }
    ring.pin(&finding(start + Nanos::from_secs(6), "s")).unwrap();
    let events = ring.events().unwrap();
    let take = events[0].samples.as_ref().unwrap();
    assert_eq!((take.info.start, take.length), (start + Nanos::from_secs(5), 4000));
    let mut samples = Vec::new();
    ring.read(take, 0..1, &mut samples).unwrap();
    assert_eq!(samples[0].re, 5.0 / 32768.0);
}
