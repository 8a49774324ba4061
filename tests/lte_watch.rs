//! LTE cells of a wide stream that were found in a stretch of it, followed on the stream itself.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::cell::Rat;
use daen::observation::FrameName;
use daen::radio::source::StreamInfo;
use daen::rat::lte::Options;
use daen::rat::lte::carriers::Carriers;
use daen::rat::{self, CellReport, Receivers};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::Cell;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::units::{Dbfs, Hz, Nanos, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use serde_json::Value;

const CENTER: Hz = Hz(947.0e6);
const RATE: Hz = Hz(9.6e6);
const LEVEL: Dbfs = Dbfs(-30.0);

fn stream() -> StreamInfo {
    StreamInfo { stream: "test".into(), center: CENTER, sample_rate: RATE, start: Timestamp(0) }
}

/// A cell of `blocks` that says who it is, its carrier `away` from the centre.
fn cell(pci: u16, blocks: usize, away: f64, start: Picos) -> DownlinkConfig {
    let messages: Value = serde_json::from_str(include_str!("data/lte-synth/messages.json")).unwrap();
    let octets = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let cell = Cell {
        ports: 2,
        sib1: octets(&messages["fdd"]),
        messages: vec![octets(&messages["si"][0]), octets(&messages["si"][1])],
        ..Cell::new(pci, blocks)
    };
    let carrier = Hz(CENTER.0 + away);
    DownlinkConfig { frame_number: 40, start, clock_error: Ppb(900.0), ..DownlinkConfig::new(cell, carrier, LEVEL) }
}

fn cells() -> [DownlinkConfig; 2] {
    [cell(301, 15, -2.4e6, Picos(-1_234_567_891)), cell(114, 25, 1.7e6, Picos(2_345_678_912))]
}

/// `millis` of `cells` in noise from `first` milliseconds on.
fn samples(cells: &[DownlinkConfig], first: u64, millis: usize) -> Vec<Complex32> {
    let from = SampleIndex(first * (RATE.0 * 1e-3) as u64);
    let mut samples = vec![Complex32::default(); (RATE.0 * 1e-3) as usize * millis];
    for cell in cells {
        Downlink::new(&stream(), Ppb(0.0), cell.clone()).unwrap().add_to(from, &mut samples);
    }
    Noise::new(5, Dbfs(-62.0), RATE).add_to(from, &mut samples);
    samples
}

/// What a search of a stretch finds.
fn searched(stretch: &[Complex32]) -> Vec<CellReport> {
    let mut carriers = Carriers::new(&stream(), Options::default());
    let mut reports = Vec::new();
    carriers.process(stretch, &mut Vec::new());
    carriers.finish(&mut reports);
    reports
}

fn watching() -> Receivers {
    let options = rat::Options { only: Some(Rat::Gsm), watch_lte: true, ..rat::Options::default() };
    Receivers::new(&stream(), options)
}

/// Nanoseconds from the true start of a frame to the one reported, after checking that it is that frame.
fn late_ns(report: &CellReport, sent: &DownlinkConfig) -> f64 {
    let timing = report.timing.unwrap();
    let rate = 1.0 + sent.clock_error.0 * 1e-9;
    let from_start = timing.at_ns.0 as f64 + timing.at_frac_ns - sent.start.0 as f64 * 1e-3;
    let frames = (from_start * rate / 1e7).round();
    let expected = (i64::from(sent.frame_number) + frames as i64).rem_euclid(1024) as u16;
    assert!(matches!(timing.frame, FrameName::Radio { sfn, .. } if sfn == expected), "{:?}", timing.frame);
    from_start - frames * 1e7 / rate
}

#[test]
fn cells_found_in_a_stretch_are_followed_on_the_stream_and_keep_what_they_said() {
    let cells = cells();
    let heard = samples(&cells, 0, 1_700);
    // 340 ms are searched, which is over when a second has passed.
    let stretch = heard.len() / 5;
    let found = searched(&heard[..stretch]);
    assert_eq!(found.len(), 2);
    let mut receivers = watching();
    let (before, after) = heard.split_at(heard.len() * 10 / 17);
    let mut reports = Vec::new();
    receivers.process(before, &mut reports);
    assert!(reports.is_empty());
    for report in &found {
        assert!(!receivers.learn(report, Nanos(0)), "nothing has been heard of it later");
    }
    after.chunks(50_000).for_each(|part| receivers.process(part, &mut reports));
    for sent in &cells {
        let of_cell = |report: &&CellReport| report.key.id == sent.cell.pci;
        let told = found.iter().find(of_cell).unwrap();
        let live: Vec<&CellReport> = reports.iter().filter(of_cell).collect();
        assert!(!live.is_empty());
        for report in live {
            assert_eq!((report.key, &report.identity), (told.key, &told.identity));
            assert!(report.identity.is_some());
            let names = |report: &CellReport| report.broadcast.iter().map(|b| b.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(report), names(told));
            assert!(report.first >= Nanos::from_millis(990), "{:?}", report.first);
            let late = late_ns(report, sent);
            println!("{}: {late:.1} ns, sigma {:.1}", report.key, report.timing.unwrap().sigma_ns);
            assert!(late.abs() < 5.0 * report.timing.unwrap().sigma_ns.max(1.0), "{late}");
            let error = report.carrier.ppb.0 - sent.clock_error.0;
            assert!(error.abs() < 5.0 * report.carrier.sigma_ppb.0.max(0.5), "{error}");
            assert!((report.level.0 - told.level.0).abs() < 0.5, "{:?} {:?}", report.level, told.level);
        }
    }
    // The same stretch again is old news; one of a cell that is not followed is not.
    assert!(found.iter().all(|report| receivers.learn(report, Nanos(0))));
    let later = Nanos::from_secs(100);
    assert!(found.iter().all(|report| !receivers.learn(report, later)));
    let mut last = Vec::new();
    assert_eq!(receivers.finish(&mut last), 2);
    assert!(last.iter().all(|report| report.counts["mib"] > 5 && report.identity.is_some()));
}

#[test]
fn what_is_followed_does_not_depend_on_the_blocks() {
    let heard = samples(&cells(), 0, 800);
    let found = searched(&heard[..heard.len() / 2]);
    let follow = |block: usize| {
        let (mut receivers, mut reports) = (watching(), Vec::new());
        found.iter().for_each(|report| assert!(!receivers.learn(report, Nanos(0))));
        heard.chunks(block).for_each(|part| receivers.process(part, &mut reports));
        receivers.finish(&mut reports);
        reports
    };
    let whole = follow(heard.len());
    assert!(whole.len() >= 4);
    assert_eq!(follow(12_345), whole);
}

#[test]
fn another_mib_is_not_taken_for_the_cell_that_was_read() {
    let [one, _] = cells();
    let found = searched(&samples(std::slice::from_ref(&one), 0, 340));
    let told = one.cell.sib1.len();
    assert!(told > 0 && found.len() == 1);
    // The same identity on the same carrier, as wide as another cell.
    let other = DownlinkConfig { cell: Cell { sib1: Vec::new(), ..Cell::new(301, 6) }, ..one };
    let (mut receivers, mut reports) = (watching(), Vec::new());
    receivers.learn(&found[0], Nanos(0));
    receivers.process(&samples(&[other], 0, 400), &mut reports);
    receivers.finish(&mut reports);
    assert!(!reports.is_empty());
    assert!(reports.iter().all(|report| report.identity.is_none() && report.broadcast.len() == 1));
}

#[test]
fn a_carrier_that_falls_silent_is_given_up_with_its_last_word() {
    let cells = cells();
    let first = samples(&cells, 0, 400);
    let found = searched(&first);
    let (mut receivers, mut reports) = (watching(), Vec::new());
    found.iter().for_each(|report| assert!(!receivers.learn(report, Nanos(0))));
    receivers.process(&first, &mut reports);
    assert!(!reports.is_empty());
    reports.clear();
    let silence = vec![Complex32::default(); RATE.0 as usize / 4];
    (0..4 * 31).for_each(|_| receivers.process(&silence, &mut reports));
    let mut last = Vec::new();
    assert_eq!(receivers.finish(&mut last), 2, "said once, when the stream ends");
    // A cell is listened for a second longer.
    assert!(last.iter().all(|report| report.last < Nanos::from_millis(1_500)), "{:?}", last[0].last);
    // Nothing follows them any more: what a stretch brings is told.
    assert!(found.iter().all(|report| !receivers.learn(report, Nanos::from_secs(40))));
}
