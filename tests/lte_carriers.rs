//! LTE carriers away from the centre of a stream: real recordings moved there, against the same ones received where they were.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::dsp::resample::Resampler;
use daen::observation::FrameName;
use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource, StreamInfo};
use daen::rat::lte::carriers::Carriers;
use daen::rat::lte::{Options, Receiver};
use daen::rat::{self, CellReport, Receivers};
use daen::units::Hz;
use num_complex::Complex32;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

/// How far away from the centre the recordings are moved, and the rate of the stream that then holds them.
const AWAY: f64 = 1.3e6;
const WIDE: f64 = 5.76e6;

fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    if root.join("truth.json").is_file() {
        return Some(root);
    }
    println!("skipped: no recordings in {}", root.display());
    None
}

fn load(root: &Path, name: &str) -> (StreamInfo, Vec<Complex32>) {
    let path = root.join(format!("{name}.sigmf-meta"));
    let mut source = sigmf::describe(&path, sigmf::Overrides::default()).unwrap().open().unwrap();
    let (mut iq, mut samples, mut stream) = (IqBlock::default(), Vec::new(), None);
    loop {
        match source.read(1 << 16, &mut iq).unwrap() {
            Event::Stream(info) => stream = Some(info),
            Event::Samples => samples.extend_from_slice(&iq.samples),
            Event::End => return (stream.unwrap(), samples),
        }
    }
}

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
            for (there, here) in centre.iter().zip(&found) {
                let (nanos, sigma) = apart(there, here);
                println!("{name} {away:+} {}: {nanos:+.1} ns, sigma {sigma:.1}", here.key);
                assert!(nanos.abs() < 3.0 * sigma, "{name} {away} {}: {nanos} ns, sigma {sigma}", here.key);
                assert!((here.carrier.hz.0 - there.carrier.hz.0).abs() < 30.0, "{name} {away} {}", here.key);
                assert_eq!(here.broadcast.first().map(|b| &b.octets), there.broadcast.first().map(|b| &b.octets));
            }
        }
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
    assert!(reports.len() > 2 * last, "cells are told of while the stream lasts");
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
