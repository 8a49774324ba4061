//! The NR receiver against real recordings (truth from other decoders), against noise and against other standards.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use captures::{captures, load, truth};
use daen::cell::Rat;
use daen::observation::{Fields, FrameName};
use daen::radio::source::StreamInfo;
use daen::rat::CellReport;
use daen::rat::nr::{Options, Receiver};
use daen::sensor::lab::Lab;
use daen::units::{Hz, Timestamp};
use num_complex::Complex32;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;
use std::f64::consts::TAU;
use std::fmt::Write;

/// Recordings that hold no block: their truth has PCI and MIB from a sibling.
const WITHOUT_BLOCK: [&str; 3] = ["nr/effnet-n78-sib1-23M04", "nr/lab-n3-sib1-23M04", "nr/singtel-n1-sib1-23M04"];

/// Live and final reports.
fn receive(info: &StreamInfo, samples: &[Complex32], block: usize) -> (Vec<CellReport>, Vec<CellReport>) {
    let mut receiver = Receiver::new(info, Options::default());
    let (mut live, mut last) = (Vec::new(), Vec::new());
    samples.chunks(block).for_each(|part| receiver.process(part, &mut live));
    receiver.finish(&mut last);
    (live, last)
}

fn stream(center: f64, rate: f64) -> StreamInfo {
    StreamInfo { stream: "test".into(), center: Hz(center), sample_rate: Hz(rate), start: Timestamp(0) }
}

/// Circular noise of unit power.
struct Noise(ChaCha8Rng);

impl Noise {
    fn next(&mut self) -> Complex32 {
        let mut part = || -> f32 { StandardNormal.sample(&mut self.0) };
        Complex32::new(part(), part()) * std::f32::consts::FRAC_1_SQRT_2
    }
}

/// The first octet of a MIB holds the high six bits of the frame number, which reports leave out; TS 38.331 clause 6.2.2.
fn stable_mib(hex: &str) -> String {
    let word = u32::from_str_radix(hex, 16).unwrap() & !0x007e_0000;
    format!("{word:06x}")
}

#[test]
fn every_block_of_every_recording_is_read_as_other_decoders_read_it_and_nothing_else_is() {
    let Some(root) = captures() else { return };
    let mut read = 0;
    for (name, expected) in &truth(&root, "nr/") {
        let (info, samples) = load(&root, name);
        let (_, cells) = receive(&info, &samples, 1 << 14);
        if WITHOUT_BLOCK.contains(&name.as_str()) {
            assert!(cells.is_empty(), "{name}: {cells:?}");
            continue;
        }
        let (ssb, [cell]) = (&expected["ssb"], &cells[..]) else { panic!("{name}: {} cells", cells.len()) };
        read += 1;
        let number = |key: &str| ssb[key].as_f64().unwrap();
        let radio = cell.fields.as_ref().and_then(Fields::nr).unwrap().radio.unwrap();
        let timing = cell.timing.unwrap();
        assert_eq!(f64::from(cell.key.id), number("pci"), "{name}");
        assert_eq!(cell.key.center_hz as f64, expected["fssb_hz"].as_f64().unwrap(), "{name}");
        assert_eq!(Value::from(radio.scs_khz), expected["scs_khz"], "{name}");
        assert_eq!(timing.frame, FrameName::Radio { sfn: number("sfn") as u16, half: 0 }, "{name}");
        assert_eq!(f64::from(radio.k_ssb), number("k_ssb"), "{name}");
        assert_eq!(f64::from(radio.ssb_index), number("ssb_idx"), "{name}");
        assert_eq!(Value::from(radio.barred), ssb["cell_barred"], "{name}");
        let mib = &cell.broadcast[0];
        // SIB1, where it is there, is held against the truth by tests/nr_sib1.rs.
        let mibs = cell.broadcast.iter().filter(|block| block.name == "MIB").count();
        assert_eq!((mib.name.as_str(), mibs), ("MIB", 1), "{name}");
        assert_eq!(mib.octets.to_string(), stable_mib(ssb["mib_hex"].as_str().unwrap()), "{name}");
        // A base station's carrier may be off by 0.05 ppm over 1 ms, and more over two symbols; TS 38.104 clause 6.5.1.2.
        let apart = cell.carrier.hz.0 - number("cfo_psssss_hz");
        assert!(apart.abs() < 0.05e-6 * cell.key.center_hz as f64, "{name}: {apart:.1} Hz apart");
        // Truth has the first sample of the block's first prefix, in whole samples of 3.84 MHz. The first block of a half frame begins
        // with its third symbol; TS 38.213 clause 4.1. All blocks here are of the first half.
        assert_eq!((number("hrf"), radio.ssb_index), (0.0, 0), "{name}");
        let symbols = if radio.scs_khz == 15 { 4400.0 / 30.72e6 } else { 2208.0 / 30.72e6 };
        let begin = (timing.at_ns.0 as f64 + timing.at_frac_ns) * 1e-9 + symbols;
        let late = begin - number("t_samp_in") / info.sample_rate.0;
        assert!(late.abs() < 1.0 / 3.84e6, "{name}: {:.0} ns late", late * 1e9);
        println!(
            "{name}: {apart:+.1} Hz (sigma {:.1}), {:+.0} ns (sigma {:.2}), SNR {:.1} dB ({:.1} by truth)",
            cell.carrier.sigma_ppb.0 * cell.key.center_hz as f64 * 1e-9,
            late * 1e9,
            timing.sigma_ns,
            cell.snr.0,
            number("snr_db")
        );
    }
    assert_eq!(read, 7);
}

/// A recording with a carrier error of `ppm` more (carrier and sample clock alike) and noise of `snr_db` below an element of the block.
fn worse(info: &StreamInfo, samples: &[Complex32], rsrp_dbfs: f64, ppm: f64, snr_db: f64, seed: u64) -> Vec<Complex32> {
    let khz = if info.center.0 > 3e9 { 30e3 } else { 15e3 };
    // An element's power is told against a full-scale sine; noise spreads over all elements of the stream's rate.
    let power = 10f64.powf((rsrp_dbfs - snr_db) / 10.0) * info.sample_rate.0 / khz;
    let mut noise = Noise(ChaCha8Rng::seed_from_u64(seed));
    let step = ppm * 1e-6 * info.center.0 / info.sample_rate.0;
    let turned = samples.iter().enumerate().map(|(n, sample)| {
        let turn = Complex32::from_polar(1.0, (TAU * (step * n as f64).fract()) as f32);
        sample * turn + noise.next() * power.sqrt() as f32
    });
    turned.collect()
}

#[test]
fn a_carrier_error_of_seven_ppm_in_noise_of_the_blocks_own_strength_changes_nothing_but_the_carrier() {
    let Some(root) = captures() else { return };
    for name in
        ["nr/lab-n78-ssb-sib1-23M04", "nr/lab-n3-ssb-23M04", "nr/n3-pci500-sib1-15M36", "nr/effnet-n78-ssb-23M04"]
    {
        let (info, samples) = load(&root, name);
        let clean = receive(&info, &samples, 1 << 14).1;
        let [before] = &clean[..] else { panic!("{name}") };
        for ppm in [-7.0, 0.0, 7.0] {
            for snr_db in [10.0, 0.0] {
                let noisy = worse(&info, &samples, before.level.0, ppm, snr_db, 7);
                let cells = receive(&info, &noisy, 1 << 14).1;
                let what = format!("{name} {ppm:+} ppm {snr_db} dB");
                let [cell] = &cells[..] else { panic!("{what}: {} cells", cells.len()) };
                // A block of SIB1 that comes once needs more than 0 dB where its code rate is high.
                let kept = if snr_db > 0.0 { before.broadcast.len() } else { 1 };
                assert_eq!((cell.key, &cell.broadcast[..kept]), (before.key, &before.broadcast[..kept]), "{what}");
                assert_eq!(cell.timing.unwrap().frame, before.timing.unwrap().frame, "{what}");
                let moved = cell.carrier.hz.0 - before.carrier.hz.0 - ppm * 1e-6 * info.center.0;
                let sigma =
                    cell.carrier.sigma_ppb.0.hypot(before.carrier.sigma_ppb.0) * cell.key.center_hz as f64 * 1e-9;
                assert!(moved.abs() < 5.0 * sigma, "{what}: {moved:.1} Hz, sigma {sigma:.1}");
                // The frame's start is told from the block with the error that the carrier shows: 2 ms of 7 ppm at most are 1 ns to 2.
                let at = |report: &CellReport| report.timing.map(|t| t.at_ns.0 as f64 + t.at_frac_ns).unwrap();
                let (late, sigma) = (at(cell) - at(before), cell.timing.unwrap().sigma_ns);
                assert!(late.abs() < 5.0 * sigma + 2.0, "{what}: {late:.1} ns late, sigma {sigma:.1}");
                assert!((cell.snr.0 - snr_db).abs() < 2.0, "{what}: {:.1} dB", cell.snr.0);
                println!("{what}: {moved:+.1} Hz, {late:+.1} ns (sigma {sigma:.1}), {:.1} dB", cell.snr.0);
            }
        }
    }
}

#[test]
fn a_node_finds_the_cell_in_a_stretch_that_it_has_kept() {
    let Some(root) = captures() else { return };
    let (info, samples) = load(&root, "nr/n78-barred-46M08");
    let mut lab = Lab::start().unwrap();
    let mut kept = lab.keep(None, info, true).unwrap();
    // The recording is shorter than a stretch: it is gone through again and again.
    while !kept.take(&samples, 0) {}
    lab.search(kept);
    let kept = loop {
        match lab.result() {
            Some(kept) => break kept,
            None => std::thread::yield_now(),
        }
    };
    let [cell] = &kept.reports[..] else { panic!("{:?}", kept.reports) };
    assert_eq!((cell.key.rat, cell.key.center_hz, cell.key.id), (Rat::Nr, 3_512_640_000, 500));
}

#[test]
fn any_block_size_gives_the_same_reports() {
    let Some(root) = captures() else { return };
    let (info, samples) = load(&root, "nr/n78-barred-46M08");
    // Long enough for a window and what follows it.
    let samples: Vec<Complex32> = samples.iter().copied().cycle().take(3 * samples.len()).collect();
    let whole = receive(&info, &samples, samples.len());
    assert!(!whole.0.is_empty() && !whole.1.is_empty());
    for block in [1 << 12, 65_537] {
        assert_eq!(receive(&info, &samples, block), whole, "{block}");
    }
}

#[test]
fn lte_recordings_hold_no_nr_cell() {
    let Some(root) = captures() else { return };
    let mut tried = 0;
    for (name, expected) in truth(&root, "lte/").iter().filter(|(name, _)| name.contains("-19M2")) {
        let (info, samples) = load(&root, name);
        let (live, last) = receive(&info, &samples[..samples.len().min(1_000_000)], 1 << 16);
        assert!(live.is_empty() && last.is_empty(), "{name}: {last:?} {expected:?}");
        tried += 1;
    }
    assert!(tried >= 3, "{tried}");
}

#[test]
fn noise_is_no_cell() {
    let windows = match std::env::var_os("DAEN_ACCEPTANCE") {
        Some(_) => 10_000,
        None => 200,
    };
    // One window around one entry of n78 and, at another rate, around one of n1.
    let mut noise = Noise(ChaCha8Rng::seed_from_u64(38_213));
    for (center, rate, share) in [(3_512.64e6, 7.68e6, 2), (2_134.85e6, 3.84e6, 2)] {
        let info = stream(center, rate);
        let mut samples = vec![Complex32::default(); (20.5e-3 * rate) as usize];
        for window in 0..windows / share {
            samples.iter_mut().for_each(|sample| *sample = noise.next() * 0.1);
            let (live, last) = receive(&info, &samples, 1 << 16);
            assert!(live.is_empty() && last.is_empty(), "window {window} of {center}: {last:?}");
        }
    }
}

#[test]
fn the_share_of_blocks_read_in_noise_is_as_recorded() {
    let Some(root) = captures() else { return };
    let mut table = String::from("of 50 windows of 1 ms with one block; SNR of an element; carrier 3 ppm high\n");
    for name in ["nr/lab-n78-ssb-sib1-23M04", "nr/lab-n3-ssb-23M04"] {
        let (info, samples) = load(&root, name);
        let level = receive(&info, &samples, 1 << 14).1[0].level.0;
        for snr_db in [0.0, -2.0, -4.0, -6.0, -8.0] {
            let mut read = 0;
            for seed in 0..50 {
                let cells = receive(&info, &worse(&info, &samples, level, 3.0, snr_db, seed), 1 << 14).1;
                read += usize::from(cells.len() == 1);
                assert!(cells.len() <= 1, "{name} {snr_db}");
            }
            writeln!(table, "{name:28} {snr_db:5.1} dB  {read:3}").unwrap();
        }
    }
    insta::assert_snapshot!("nr_sensitivity", table);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn rubbish_of_any_rate_does_no_harm(
        parts in prop::collection::vec(any::<f32>(), 0..4000),
        rate in prop::sample::select(vec![1e3, 1.92e6, 3.84e6, 7.68e6, 10e6]),
        center in prop::sample::select(vec![0.0, 1e6, 900e6, 3_000e6, 3_500e6, 7_200e6, f64::NAN]),
    ) {
        let samples: Vec<Complex32> = parts.chunks_exact(2).map(|pair| Complex32::new(pair[0], pair[1])).collect();
        let _ = receive(&stream(center, rate), &samples, 1 << 10);
    }
}
