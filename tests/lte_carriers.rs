//! LTE carriers away from the centre of a stream: real recordings moved there, against the same ones received where they were.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use captures::{captures, load};
use daen::dsp::resample::Resampler;
use daen::observation::FrameName;
use daen::radio::source::StreamInfo;
use daen::rat::lte::carriers::Carriers;
use daen::rat::lte::{Options, Receiver};
use daen::rat::{self, CellReport, Receivers};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::Cell;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use serde_json::Value;
use std::f64::consts::TAU;

/// How far away from the centre the recordings are moved, and the rate of the stream that then holds them.
const AWAY: f64 = 1.3e6;
const WIDE: f64 = 5.76e6;

/// Adds a recording of 1.92 Msps to a stream of [`WIDE`], `away` from its centre.
fn add(wide: &mut Vec<Complex32>, narrow: &[Complex32], away: f64) {
    let up = Resampler::new(Hz(1.92e6), Hz(WIDE));
    let count = narrow.len() * 3;
    wide.resize(wide.len().max(count), Complex32::default());
    for (n, out) in wide[..count].iter_mut().enumerate() {
        let turns = (away / WIDE * n as f64).fract();
        *out += up.at(narrow, n as f64 / 3.0) * Complex32::from_polar(1.0, (TAU * turns) as f32);
    }
}

fn off_center(info: &StreamInfo, samples: &[Complex32], block: usize) -> Vec<CellReport> {
    let mut carriers = Carriers::new(info, Options::default());
    let (mut live, mut last) = (Vec::new(), Vec::new());
    samples.chunks(block).for_each(|part| carriers.process(part, &mut live));
    carriers.finish(&mut last);
    last
}

fn at_center(info: &StreamInfo, samples: &[Complex32]) -> Vec<CellReport> {
    let mut receiver = Receiver::new(info, Options::default());
    let (mut live, mut last) = (Vec::new(), Vec::new());
    receiver.process(samples, &mut live);
    receiver.finish(&mut last);
    last
}

/// Nanoseconds from the same frame of the one report to that of the other, and the deviation to be expected of it.
fn apart(a: &CellReport, b: &CellReport) -> (f64, f64) {
    let (a, b) = (a.timing.unwrap(), b.timing.unwrap());
    assert_eq!(a.frame, b.frame, "the last frame of both");
    let nanos = (b.at_ns - a.at_ns).0 as f64 + (b.at_frac_ns - a.at_frac_ns);
    (nanos, a.sigma_ns.hypot(b.sigma_ns))
}

#[test]
fn a_cell_away_from_the_centre_has_the_frame_timing_and_the_carrier_that_it_has_there() {
    let Some(root) = captures() else { return };
    for name in ["lte/b3-1860M-1M92", "lte/b41-2645M-1M92"] {
        let (info, samples) = load(&root, name);
        let centre = at_center(&info, &samples);
        for away in [-AWAY, AWAY] {
            let mut wide = Vec::new();
            add(&mut wide, &samples, away);
            let moved = StreamInfo { center: Hz(info.center.0 - away), sample_rate: Hz(WIDE), ..info.clone() };
            let found = off_center(&moved, &wide, 1 << 16);
            let keys = |reports: &[CellReport]| reports.iter().map(|report| report.key).collect::<Vec<_>>();
            assert_eq!(keys(&found)[..], keys(&centre)[..], "{name} {away}");
            // The cell that the truth names; those 10 dB below it have timings as bad as their levels.
            let strong = |report: &&CellReport| [86, 22].contains(&report.key.id);
            for (there, here) in centre.iter().filter(strong).zip(found.iter().filter(strong)) {
                let (nanos, sigma) = apart(there, here);
                println!("{name} {away:+} {}: {nanos:+.1} ns, sigma {sigma:.1}", here.key);
                assert!(nanos.abs() < 3.0 * sigma, "{name} {away} {}: {nanos} ns, sigma {sigma}", here.key);
                assert!((here.carrier.hz.0 - there.carrier.hz.0).abs() < 30.0, "{name} {away} {}", here.key);
                assert_eq!(here.broadcast.first().map(|b| &b.octets), there.broadcast.first().map(|b| &b.octets));
            }
        }
    }
}

/// A cell of `blocks` resource blocks that says who it is, `away` from the centre of a stream of this rate.
fn synthetic(rate: f64, away: f64, blocks: usize, seconds: f64) -> (StreamInfo, DownlinkConfig, Vec<Complex32>) {
    let carrier = Hz(948.2e6);
    let center = Hz(carrier.0 - away);
    let info = StreamInfo { stream: "test".into(), center, sample_rate: Hz(rate), start: Timestamp(0) };
    let octets = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let messages: Value = serde_json::from_str(include_str!("data/lte-synth/messages.json")).unwrap();
    let cell = Cell {
        ports: 2,
        sib1: octets(&messages["fdd"]),
        messages: vec![octets(&messages["si"][0]), octets(&messages["si"][1])],
        ..Cell::new(301, blocks)
    };
    let config = DownlinkConfig {
        frame_number: 77,
        start: Picos(3_456_789_123),
        clock_error: Ppb(1300.0),
        ..DownlinkConfig::new(cell, carrier, Dbfs(-20.0))
    };
    let mut samples = vec![Complex32::default(); (rate * seconds) as usize];
    Downlink::new(&info, NODE_ERROR, config.clone()).unwrap().add_to(SampleIndex(0), &mut samples);
    let noise = config.cell.noise(config.level, Db(12.0));
    Noise::new(1, noise, info.sample_rate).add_to(SampleIndex(0), &mut samples);
    (info, config, samples)
}

/// Error of the receiver's clock in the synthetic streams.
const NODE_ERROR: Ppb = Ppb(-700.0);

/// How late the report's frame comes by the truth, nanoseconds, and the report's own deviation.
fn late(report: &CellReport, config: &DownlinkConfig) -> (f64, f64) {
    let timing = report.timing.unwrap();
    let FrameName::Radio { sfn, .. } = timing.frame else { panic!("a radio frame") };
    let frames = (f64::from(sfn) - f64::from(config.frame_number)).rem_euclid(1024.0);
    let emitted = config.start.0 as f64 * 1e-3 + frames * 1e7 / (1.0 + config.clock_error.0 * 1e-9);
    let seen = emitted * (1.0 + NODE_ERROR.0 * 1e-9);
    ((timing.at_ns.0 as f64 - seen) + timing.at_frac_ns, timing.sigma_ns)
}

#[test]
fn the_filters_of_a_narrow_stream_delay_nothing() {
    // Six resource blocks in a stream of 3.84 Msps; 25 in one of 11.52.
    for (rate, away, blocks, seconds) in [(3.84e6, 1.3e6, 6, 1.5), (11.52e6, -2.7e6, 25, 0.7)] {
        let (info, config, samples) = synthetic(rate, 0.0, blocks, seconds);
        let there = at_center(&info, &samples);
        let (info, config_away, samples) = synthetic(rate, away, blocks, seconds);
        let here = off_center(&info, &samples, 1 << 15);
        assert_eq!((there.len(), here.len()), (1, 1), "{rate}");
        assert_eq!(here[0].key, there[0].key);
        let ((a, sigma), (b, other)) = (late(&there[0], &config), late(&here[0], &config_away));
        println!("{blocks} blocks: {a:+.1} ns at the centre, {b:+.1} ns away; sigma {sigma:.1} and {other:.1}");
        assert!((a - b).abs() < 3.0 * sigma.hypot(other), "{blocks} blocks: {a} ns at the centre, {b} ns away");
        assert!(b.abs() < 4.0 * other, "{blocks} blocks: {b} ns by the truth, sigma {other}");
        // Everything that it says, in full width.
        let names = |report: &CellReport| {
            report.broadcast.iter().map(|b| (b.name.clone(), b.octets.clone())).collect::<Vec<_>>()
        };
        assert_eq!(names(&here[0]), names(&there[0]));
        assert_eq!(here[0].broadcast.len(), 4, "MIB, SIB1 and two messages");
        let ppb = config.clock_error.0 - NODE_ERROR.0;
        assert!((here[0].carrier.ppb.0 - ppb).abs() < 10.0, "{} ppb, not {ppb}", here[0].carrier.ppb.0);
    }
}

#[test]
fn carriers_to_both_sides_are_found_on_one_clock_whatever_the_blocks() {
    let Some(root) = captures() else { return };
    let (info, samples) = load(&root, "lte/b3-1860M-1M92");
    // The same signal, 50 ms later on the other carrier.
    let late = 96_000;
    let mut wide = Vec::new();
    add(&mut wide, &samples[late..], -AWAY);
    add(&mut wide, &samples[..samples.len() - late], AWAY);
    let moved = StreamInfo { sample_rate: Hz(WIDE), ..info.clone() };
    let run = |block: usize| {
        let mut receivers = Receivers::new(&moved, rat::Options::default());
        let mut reports = Vec::new();
        wide.chunks(block).for_each(|part| receivers.process(part, &mut reports));
        let last = receivers.finish(&mut reports);
        (reports, last)
    };
    let (reports, last) = run(1 << 16);
    let finals = &reports[reports.len() - last..];
    let strong = finals.iter().filter(|report| report.key.id == 86).collect::<Vec<_>>();
    let carriers: Vec<u64> = strong.iter().map(|report| report.key.center_hz).collect();
    assert_eq!(carriers, [1_858_700_000, 1_861_300_000]);
    assert!(finals.iter().all(|report| [86, 142].contains(&report.key.id)), "no cell that is not in the recording");
    // 50 ms of the later one's own frames, by which it is behind.
    let at = |n: usize| {
        let timing = strong[n].timing.unwrap();
        let FrameName::Radio { sfn, .. } = timing.frame else { panic!("a radio frame") };
        (timing.at_ns.0 as f64 + timing.at_frac_ns, i32::from(sfn), timing.sigma_ns)
    };
    let ((early, first, sigma), (behind, second, other)) = (at(0), at(1));
    let period = 1e7 / (1.0 + strong[0].timing.unwrap().rate_ppb.0 * 1e-9);
    let apart = behind - early - f64::from(second - first) * period;
    println!("{apart:.1} ns apart, sigma {:.1}", sigma.hypot(other));
    assert!((apart - 50e6).abs() < 4.0 * sigma.hypot(other), "{apart} ns");
    assert!(reports.len() > last, "cells are told of while the stream lasts");
    // The order of the reports, too.
    assert!(run(9_999) == (reports, last));
}

#[test]
fn a_stream_too_narrow_for_another_carrier_has_none_and_none_is_made_up_of_noise() {
    let Some(root) = captures() else { return };
    let (info, noise) = load(&root, "lte/noise-1M92");
    let mut wide = Vec::new();
    add(&mut wide, &noise[..noise.len() / 4], AWAY);
    add(&mut wide, &noise[noise.len() / 2..3 * noise.len() / 4], -AWAY);
    for rate in [1e5, 1.92e6, 2e6, 2.4e6, WIDE] {
        let stream = StreamInfo { sample_rate: Hz(rate), ..info.clone() };
        assert!(off_center(&stream, &wide, 50_000).is_empty(), "{rate}");
    }
}

#[test]
fn rubbish_is_survived_and_gives_no_cell() {
    let stream =
        StreamInfo { stream: "test".into(), center: Hz(948.2e6), sample_rate: Hz(3.84e6), start: Timestamp(0) };
    let kinds: [fn(usize) -> f32; 4] = [
        |_| f32::NAN,
        |n| if n % 5000 == 0 { f32::INFINITY } else { 0.0 },
        |n| if n / 977 % 2 == 0 { 1.0 } else { -1.0 },
        |_| 0.0,
    ];
    for (number, kind) in kinds.iter().enumerate() {
        let samples: Vec<Complex32> = (0..700_000).map(|n| Complex32::new(kind(n), kind(n / 2))).collect();
        assert!(off_center(&stream, &samples, 33_333).is_empty(), "{number}");
    }
    for center in [0.0, -1e9, f64::NAN, 1e300] {
        let odd = StreamInfo { center: Hz(center), ..stream.clone() };
        assert!(off_center(&odd, &[Complex32::default(); 5000], 999).is_empty(), "{center}");
    }
    for rate in [0.5, 1e3, 3.84e6, 1e9] {
        let odd = StreamInfo { sample_rate: Hz(rate), ..stream.clone() };
        assert!(off_center(&odd, &[Complex32::default(); 5000], 999).is_empty(), "{rate}");
    }
}
