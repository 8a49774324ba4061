//! What is measured of an LTE cell, from samples: timing of the first path against its truth and its bound, delays, quality.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::observation::Fields;
use daen::observation::lte::Signal;
use daen::radio::source::StreamInfo;
use daen::rat::lte::{Options, Receiver};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::Cell;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use std::f64::consts::TAU;

const CARRIER: Hz = Hz(1_842.5e6);
const LEVEL: Dbfs = Dbfs(-20.0);
/// Frames sent.
const FRAMES: usize = 24;

/// A way to the receiver: so much later, so much weaker, turned so far.
type Way = (f64, f64, f64);

struct Heard {
    /// Nanoseconds from the true start of the frame, by the first path, to the one reported.
    error_ns: f64,
    sigma_ns: f64,
    signal: Signal,
}

/// What the receiver says of a cell with `blocks` that comes `ways`, the first of them at an odd time made from `seed`.
fn hear(blocks: usize, scale: f64, snr: Db, ways: &[Way], seed: u64) -> Heard {
    let rate = 1.92e6 * scale;
    let info = StreamInfo { stream: "test".into(), center: CARRIER, sample_rate: Hz(rate), start: Timestamp(0) };
    let cell = Cell { load: 0.5, ..Cell::new(137, blocks) };
    let start = Picos(-3_000_000_000 + 7_654_321 * seed as i64);
    let config = DownlinkConfig { frame_number: 100, start, ..DownlinkConfig::new(cell, CARRIER, LEVEL) };
    let mut samples = vec![Complex32::default(); (rate * 1e-2) as usize * FRAMES];
    for &(later_ns, weaker_db, turns) in ways {
        let way = config.second_path(Picos((later_ns * 1e3) as i64), Db(weaker_db), [turns; 4]);
        Downlink::new(&info, Ppb(0.0), way).unwrap().add_to(SampleIndex(0), &mut samples);
    }
    Noise::new(seed, config.cell.noise(LEVEL, snr), info.sample_rate).add_to(SampleIndex(0), &mut samples);
    let mut receiver = Receiver::new(&info, Options { max_offset: Hz(3e3), ..Options::default() });
    let mut reports = Vec::new();
    receiver.process(&samples, &mut Vec::new());
    receiver.finish(&mut reports);
    assert_eq!(reports.len(), 1, "{blocks} blocks, {ways:?}");
    let timing = reports[0].timing.as_ref().unwrap();
    let from_start = timing.at_ns.0 as f64 + timing.at_frac_ns - start.0 as f64 * 1e-3;
    let fields = reports[0].fields.as_ref().and_then(Fields::lte).unwrap();
    Heard {
        error_ns: from_start - (from_start / 1e7).round() * 1e7,
        sigma_ns: timing.sigma_ns,
        signal: fields.signal.unwrap(),
    }
}

fn rms(values: impl IntoIterator<Item = f64>) -> f64 {
    let squares: Vec<f64> = values.into_iter().map(|value| value * value).collect();
    (squares.iter().sum::<f64>() / squares.len() as f64).sqrt()
}

/// The bound for the start of the last frame: reference elements of port 0 in one subframe of each frame, two rows of each half of the
/// comb, and the frame rate unknown as well. 1 / (8 pi^2 SNR df^2 sum (k - k')^2 M), then the end of a line through as many points.
fn bound_ns(blocks: usize, snr: Db, frames: usize) -> f64 {
    let count = 2.0 * blocks as f64;
    let spread = count * (count * count - 1.0) / 12.0;
    let one = 1e9 / (TAU * 90e3 * (2.0 * snr.ratio() * spread * 4.0).sqrt());
    let n = frames as f64;
    one * ((4.0 * n - 2.0) / (n * (n + 1.0))).sqrt()
}

#[test]
fn a_single_path_is_timed_close_to_the_bound() {
    for (blocks, scale, snr) in [(6, 1.0, Db(10.0)), (25, 4.0, Db(10.0)), (25, 4.0, Db(0.0))] {
        let heard: Vec<Heard> = (0..6).map(|seed| hear(blocks, scale, snr, &[(0.0, 0.0, 0.0)], seed)).collect();
        let error = rms(heard.iter().map(|heard| heard.error_ns));
        let scaled = rms(heard.iter().map(|heard| heard.error_ns / heard.sigma_ns));
        let bound = bound_ns(blocks, snr, FRAMES - 1);
        println!(
            "{blocks} blocks, {} dB: {error:.2} ns, {:.2} of the bound, {scaled:.2} of sigma",
            snr.0,
            error / bound
        );
        assert!(error < 2.0 * bound, "{blocks} blocks: {error} ns, bound {bound}");
        assert!((0.3..2.0).contains(&scaled), "{blocks} blocks: {scaled}");
        assert!(heard.iter().all(|heard| heard.signal.second_arrival.is_none()));
        assert!(heard.iter().all(|heard| heard.signal.strongest_excess_ns == Some(0)));
    }
}

#[test]
fn the_first_path_is_timed_where_a_stronger_one_follows() {
    let (snr, first_db) = (Db(20.0), 6.0);
    for (blocks, scale, later_ns) in [(25, 4.0, 600.0), (50, 8.0, 300.0)] {
        let heard: Vec<Heard> = (0..5)
            .map(|seed| {
                let ways = [(0.0, first_db, 0.0), (later_ns, 0.0, 0.17 * seed as f64)];
                hear(blocks, scale, snr, &ways, seed)
            })
            .collect();
        let error = rms(heard.iter().map(|heard| heard.error_ns));
        let bound = bound_ns(blocks, Db(snr.0 - first_db), FRAMES - 1);
        let scaled = rms(heard.iter().map(|heard| heard.error_ns / heard.sigma_ns));
        println!(
            "{blocks} blocks, {later_ns} ns: {error:.2} ns, {:.2} of the bound for the first path alone, {scaled:.2} of sigma",
            error / bound
        );
        // The middle of the paths would be off by four fifths of the distance.
        assert!(error < 3.0 * bound, "{blocks} blocks: {error} ns, bound {bound}");
        assert!(scaled < 3.0, "{blocks} blocks: {scaled}");
        for heard in &heard {
            let second = heard.signal.second_arrival.unwrap();
            let off = f64::from(second.delay_ns) - later_ns;
            assert!(off.abs() < 0.03 * later_ns, "{second:?}");
            assert!((second.level_db.0 - first_db).abs() < 0.7, "{second:?}");
            assert_eq!(heard.signal.strongest_excess_ns, Some(second.delay_ns));
            // Shares 0.2 and 0.8 of the power: 0.4 of the distance.
            let spread = f64::from(heard.signal.rms_delay_spread_ns.unwrap());
            assert!((spread / later_ns - 0.4).abs() < 0.03, "{spread}");
        }
    }
}

#[test]
fn quality_is_measured_as_it_was_sent() {
    for (ports, snr) in [(1, Db(20.0)), (2, Db(20.0)), (4, Db(26.0))] {
        let info = StreamInfo { stream: "test".into(), center: CARRIER, sample_rate: Hz(1.92e6), start: Timestamp(0) };
        let cell = Cell { ports, load: 1.0, ..Cell::new(200, 6) };
        let config = DownlinkConfig::new(cell, CARRIER, LEVEL);
        let mut samples = vec![Complex32::default(); 19_200 * FRAMES];
        Downlink::new(&info, Ppb(0.0), config.clone()).unwrap().add_to(SampleIndex(0), &mut samples);
        Noise::new(3, config.cell.noise(LEVEL, snr), info.sample_rate).add_to(SampleIndex(0), &mut samples);
        let mut receiver = Receiver::new(&info, Options { max_offset: Hz(3e3), ..Options::default() });
        let mut reports = Vec::new();
        receiver.process(&samples, &mut Vec::new());
        receiver.finish(&mut reports);
        let fields = reports[0].fields.as_ref().and_then(Fields::lte).unwrap();
        let (radio, signal) = (fields.radio.unwrap(), fields.signal.unwrap());
        println!("{ports} ports: {radio:?} {signal:?}");
        assert_eq!(usize::from(radio.ports), ports);
        assert!((signal.rs_sinr_db.0 - snr.0).abs() < 1.0, "{signal:?}");
        // TS 36.214 clause 5.1.3: RSRQ is N times RSRP over RSSI.
        let rssi = radio.rsrp_dbfs.0 - radio.rsrq_db.0 + 10.0 * 6f64.log10();
        assert!((signal.rssi_dbfs.0 - rssi).abs() < 0.2, "{signal:?} {radio:?}");
        // Noise alone would give 1 / sqrt(SNR); the estimate of the channel adds some.
        let noise_percent = 100.0 / snr.ratio().sqrt();
        let ratio = f64::from(signal.pbch_evm_percent.unwrap()) / noise_percent;
        assert!((0.6..1.6).contains(&ratio), "{ports} ports: {ratio} {signal:?}");
    }
}
