//! The LTE receiver against real recordings (truth from other decoders), against noise and against rubbish.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use captures::{captures, load, truth};
use daen::dsp::resample::Resampler;
use daen::observation::{Fields, FrameName};
use daen::radio::source::StreamInfo;
use daen::rat::CellReport;
use daen::rat::lte::{Options, Receiver};
use daen::units::{Hz, Timestamp};
use num_complex::Complex32;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::f64::consts::TAU;

/// Cells that the decoders behind `truth.json` did not find; `tests/data/lte/README.md` says why each is real.
const BEYOND: [(&str, &[u16]); 5] = [
    ("lte/b20-796M-1M92", &[362]),
    ("lte/b20-816M-1M92", &[433]),
    ("lte/b3-1860M-1M92", &[142]),
    ("lte/b41-2565M-1M92", &[27, 28]),
    ("lte/b41-2645M-1M92", &[21, 23]),
];

/// Live and final reports.
fn receive(info: &StreamInfo, samples: &[Complex32], block: usize) -> (Vec<CellReport>, Vec<CellReport>) {
    let mut receiver = Receiver::new(info, Options::default());
    let (mut live, mut last) = (Vec::new(), Vec::new());
    samples.chunks(block).for_each(|part| receiver.process(part, &mut live));
    receiver.finish(&mut last);
    (live, last)
}

fn stream(rate: f64) -> StreamInfo {
    StreamInfo { stream: "test".into(), center: Hz(1842.5e6), sample_rate: Hz(rate), start: Timestamp(0) }
}

/// The bits of a MIB in text, their frame number zeroed, as octets in hexadecimal.
fn stable_mib(bits: &str) -> String {
    let word = u32::from_str_radix(bits, 2).unwrap() & !(0xff << 10);
    format!("{word:06x}")
}

#[test]
fn every_cell_of_every_recording_is_found_with_all_it_says_and_no_other() {
    let Some(root) = captures() else { return };
    for (name, expected) in truth(&root, "lte/") {
        let (info, samples) = load(&root, &name);
        let (_, cells) = receive(&info, &samples, 1 << 17);
        let truth = expected["cells"].as_array().unwrap();
        let mut ids: BTreeSet<u16> = truth.iter().map(|cell| cell["pci"].as_u64().unwrap() as u16).collect();
        ids.extend(BEYOND.iter().filter(|(at, _)| *at == name).flat_map(|(_, ids)| *ids));
        let found: Vec<u16> = cells.iter().map(|cell| cell.key.id).collect();
        assert_eq!(found, ids.into_iter().collect::<Vec<_>>(), "{name}");
        for (i, cell) in truth.iter().enumerate() {
            let report = cells.iter().find(|report| u64::from(report.key.id) == cell["pci"].as_u64().unwrap()).unwrap();
            let what = format!("{name} pci {}", report.key.id);
            assert_eq!(report.key.center_hz, info.center.round() as u64, "{what}");
            let offset = cell["cfo_hz"].as_f64().unwrap_or(0.0);
            assert!((report.carrier.hz.0 - offset).abs() < 120.0, "{what}: {} Hz, not {offset}", report.carrier.hz.0);
            let fields = report.fields.as_ref().and_then(Fields::lte).unwrap();
            let (radio, mib) = (fields.radio.unwrap(), fields.mib.unwrap());
            assert_eq!(Value::from(radio.ports), cell["ports"], "{what}");
            assert_eq!(Value::from(mib.prb), cell["prb"], "{what}");
            assert_eq!(radio.tdd, cell["duplex"] == "TDD", "{what}");
            let occupied = fields.signal.unwrap().occupied;
            println!("{what}: {} blocks, {occupied:?}, {:?}", mib.prb, report.carrier);
            // A recording that holds the whole cell shows it as wide as it says; a narrower one says nothing.
            let whole = info.sample_rate.0 > 0.18e6 * f64::from(mib.prb);
            let width = occupied.map(|seen| seen.blocks() / f64::from(mib.prb));
            assert!(width.is_none_or(|width| whole && (0.95..1.05).contains(&width)), "{what}: {occupied:?}");
            assert!(!radio.extended_cp && cell["cp"] != "extended", "{what}");
            if let Some(duration) = cell["phich_dur"].as_str() {
                assert_eq!(
                    (mib.phich_extended, mib.phich_ng()),
                    (duration == "extended", cell["phich_ng"].as_str().unwrap()),
                    "{what}"
                );
            }
            if let Some(eci) = cell["eci"].as_u64() {
                let identity = report.identity.as_ref().unwrap();
                assert_eq!(
                    (identity.cell_id, identity.area.map(u64::from)),
                    (Some(eci), cell["tac"].as_u64()),
                    "{what}"
                );
                assert_eq!(Value::from(identity.plmns[0].to_string()), cell["plmn"], "{what}");
            }
            let octets = |kind: &str| -> BTreeSet<String> {
                let of_kind = report.broadcast.iter().filter(|block| block.name == kind);
                of_kind.map(|block| block.octets.to_string()).collect()
            };
            if let Some(bits) = cell["mib_bits"].as_str() {
                assert_eq!(octets("MIB"), BTreeSet::from([stable_mib(bits)]), "{what}");
            }
            // Truth has the messages of the first cell, beside it or inside it.
            let messages = [&cell["si"], if i == 0 { &expected["si"] } else { &Value::Null }];
            for message in messages.into_iter().filter_map(Value::as_array).flatten() {
                let (kind, hex) = (message["kind"].as_str().unwrap(), message["hex"].as_str().unwrap());
                assert!(octets(kind).contains(hex), "{what}: no {kind} {hex} among {:?}", octets(kind));
            }
        }
    }
}

#[test]
fn warnings_come_out_as_text() {
    let Some(root) = captures() else { return };
    let (info, samples) = load(&root, "lte/enb-warn25");
    let (_, cells) = receive(&info, &samples, 1 << 17);
    let fields = cells[0].fields.as_ref().and_then(Fields::lte).unwrap();
    assert!(fields.etws_primary.is_some());
    let texts: Vec<&str> = fields.warnings.iter().filter_map(|warning| warning.text.as_deref()).collect();
    println!("{texts:?}");
    assert_eq!(texts.len(), 2, "{:?}", fields.warnings);
    assert!(texts.iter().all(|text| text.is_ascii() && text.len() > 20), "{texts:?}");
}

#[test]
fn a_cell_ten_decibels_below_its_neighbour_is_read_to_its_sib1() {
    let Some(root) = captures() else { return };
    let (info, samples) = load(&root, "lte/b3-1852M5-19M2");
    let (_, cells) = receive(&info, &samples, 1 << 17);
    let sib1 = |pci: u16| {
        let cell = cells.iter().find(|cell| cell.key.id == pci).unwrap();
        let sib1 = cell.broadcast.iter().find(|block| block.name == "SIB1").unwrap();
        (cell.level, sib1.octets.to_string())
    };
    let (strong, weak) = (sib1(271), sib1(272));
    assert!((strong.0 - weak.0).0 > 7.0, "{:?} {:?}", strong.0, weak.0);
    // The same network, tracking area and station; only the last octet of the cell's identity differs.
    assert_eq!((&strong.1[..20], &weak.1[..20]), ("40518003102404878798", "40518003102404878838"));
}

/// Cells that one site sends from one clock, by the README of `data/lte`: the weaker ones are received beside the stronger ones.
const SECTORS: [(&str, &[u16]); 5] = [
    ("lte/b3-1852M5-19M2", &[271, 272]),
    ("lte/b20-806M-19M2-clipped", &[300, 115]),
    ("lte/b3-1860M-1M92", &[86, 142]),
    ("lte/b41-2565M-1M92", &[29, 27, 28]),
    ("lte/b41-2645M-1M92", &[22, 21, 23]),
];

#[test]
fn sectors_of_one_site_have_one_carrier_within_the_deviations_that_are_claimed() {
    let Some(root) = captures() else { return };
    let mut apart = Vec::new();
    for (name, ids) in SECTORS {
        let (info, samples) = load(&root, name);
        // The receivers' crystals drift by tens of ppb in a second: the cells are heard over the same third of one.
        let (_, cells) = receive(&info, &samples[..samples.len().min((0.35 * info.sample_rate.0) as usize)], 1 << 17);
        let carrier = |id: u16| cells.iter().find(|cell| cell.key.id == id).map(|cell| cell.carrier);
        let first = carrier(ids[0]).unwrap();
        for &id in &ids[1..] {
            let Some(other) = carrier(id) else { continue };
            let (difference, sigma) = (other.ppb.0 - first.ppb.0, other.sigma_ppb.0.hypot(first.sigma_ppb.0));
            println!("{name}: {id} and {} are {difference:.2} ppb apart, one sigma is {sigma:.2}", ids[0]);
            apart.push(difference / sigma);
        }
    }
    assert!(apart.len() >= 4, "{} pairs", apart.len());
    let spread = (apart.iter().map(|value| value * value).sum::<f64>() / apart.len() as f64).sqrt();
    assert!(spread < 2.0, "{spread:.2} sigmas: {apart:.2?}");
}

#[test]
fn reports_do_not_depend_on_the_blocks() {
    let Some(root) = captures() else { return };
    let (info, samples) = load(&root, "lte/b3-1860M-1M92");
    let samples = &samples[..700_000];
    let whole = receive(&info, samples, samples.len());
    assert!(!whole.0.is_empty() && !whole.1.is_empty());
    assert_eq!(receive(&info, samples, 9_973), whole);
    // Through the resampler too.
    let info = StreamInfo { sample_rate: Hz(2e6), ..info };
    let resampler = Resampler::new(Hz(1.92e6), Hz(2e6));
    let other: Vec<Complex32> = (0..600_000).map(|n| resampler.at(samples, n as f64 * resampler.ratio())).collect();
    let whole = receive(&info, &other, other.len());
    assert_eq!(whole.1.iter().map(|cell| cell.key.id).collect::<Vec<_>>(), [86, 142]);
    assert_eq!(receive(&info, &other, 12_345), whole);
}

#[test]
fn frame_timing_and_rate_are_those_of_a_clean_transmitter() {
    let Some(root) = captures() else { return };
    let (info, samples) = load(&root, "lte/enb-leg50");
    let cut = 12_345;
    let (_, before) = receive(&info, &samples, 1 << 17);
    let (_, after) = receive(&info, &samples[cut..], 1 << 17);
    let timing = |cells: &[CellReport]| cells[0].timing.unwrap();
    let (a, b) = (timing(&before), timing(&after));
    let (FrameName::Radio { sfn: from, .. }, FrameName::Radio { sfn: to, .. }) = (a.frame, b.frame) else {
        panic!("LTE frames are named by SFN");
    };
    let expected = 1e7 * f64::from(i32::from(to) - i32::from(from)) - cut as f64 / info.sample_rate.0 * 1e9;
    let apart = (b.at_ns - a.at_ns).0 as f64 + b.at_frac_ns - a.at_frac_ns;
    assert!((apart - expected).abs() < 0.1, "{apart} ns, not {expected}");
    assert!(a.rate_ppb.0.abs() < 0.1, "{:?}", a.rate_ppb);
    assert!(before[0].carrier.hz.0.abs() < 1.0, "{:?}", before[0].carrier);
}

/// A window of a clean recording behind a receiver whose crystal is off, in white noise.
fn weak(
    clean: &[Complex32],
    rate: f64,
    noise: f64,
    offset: f64,
    rng: &mut ChaCha8Rng,
    length: usize,
) -> Vec<Complex32> {
    let resampler = Resampler::new(Hz(rate), Hz(rate * (1.0 + 1e-9)));
    let stretch = 1.0 + offset / stream(rate).center.0;
    let first = rng.random_range(0.0..(clean.len() - length) as f64 * 0.99 - 100.0);
    (0..length)
        .map(|n| {
            let turn = (TAU * (offset / rate * n as f64).fract()) as f32;
            let sample = resampler.at(clean, first + n as f64 * stretch) * Complex32::from_polar(1.0, turn);
            let noise = [(); 2].map(|()| rng.sample::<f32, _>(StandardNormal) * (noise / 2.0).sqrt() as f32);
            sample + Complex32::new(noise[0], noise[1])
        })
        .collect()
}

#[test]
fn nine_cells_of_ten_are_found_at_minus_eight_decibels_in_eighty_milliseconds() {
    let Some(root) = captures() else { return };
    let (info, wide) = load(&root, "lte/enb-warn25");
    let level = receive(&info, &wide[..1_000_000], 1 << 17).1[0].level.0;
    // Six blocks of the 25 are enough for the MIB: at 1.92 Msps the rest is filtered away.
    let decimator = Resampler::new(info.sample_rate, Hz(1.92e6));
    let clean: Vec<Complex32> = (0..wide.len() / 3).map(|n| decimator.at(&wide, (3 * n) as f64)).collect();
    let element = 10f64.powf(level / 10.0) / 300.0;
    let mut rng = ChaCha8Rng::seed_from_u64(36);
    let mut table = String::from("SNR per resource element, found of 20 windows of 80 ms, wrong\n");
    for snr in [-6.0, -8.0, -10.0, -12.0] {
        // A resource element collects 128 samples' worth of a subcarrier.
        let noise = element * 128.0 / 10f64.powf(snr / 10.0);
        let (mut found, mut wrong) = (0, 0);
        for _ in 0..20 {
            let offset = rng.random_range(-140e3..140e3);
            let samples = weak(&clean, 1.92e6, noise, offset, &mut rng, 153_600);
            let (_, cells) = receive(&stream(1.92e6), &samples, samples.len());
            let right = |cell: &CellReport| {
                cell.key.id == 77 && cell.broadcast.iter().any(|block| block.octets.to_string() == "400000")
            };
            found += usize::from(cells.iter().any(right));
            wrong += cells.iter().filter(|cell| !right(cell)).count();
        }
        if snr >= -8.0 {
            assert!(found >= 18, "{found} of 20 at {snr} dB");
        }
        assert_eq!(wrong, 0, "{snr} dB");
        table += &format!("{snr:6.1} dB {found:3} {wrong:2}\n");
    }
    insta::assert_snapshot!("lte_sensitivity", table);
}

#[test]
fn noise_holds_no_cell() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for _ in 0..10 {
        let samples: Vec<Complex32> = (0..307_200)
            .map(|_| Complex32::new(rng.sample(StandardNormal), rng.sample(StandardNormal)) * 0.1)
            .collect();
        assert!(receive(&stream(1.92e6), &samples, samples.len()).1.is_empty());
    }
}

#[test]
fn streams_too_slow_or_too_fast_for_lte_do_no_harm() {
    let silence = vec![Complex32::default(); 400_000];
    for rate in [1.0, 1e6, 1.919e6, 1.92e6, 2.4e6, 61.44e6] {
        let (live, last) = receive(&stream(rate), &silence, 50_000);
        assert!(live.is_empty() && last.is_empty());
    }
    let odd = StreamInfo { center: Hz(0.0), ..stream(1.92e6) };
    assert!(receive(&odd, &silence, 50_000).1.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn no_samples_make_the_receiver_panic(seed in any::<u64>(), kind in 0..4u8, block in 1usize..100_000) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let samples: Vec<Complex32> = (0..120_000)
            .map(|n| match kind {
                0 => Complex32::new(rng.random_range(-1.0..1.0), 0.0),
                1 => Complex32::new(f32::MAX, f32::MIN),
                2 if n % 1000 == 0 => Complex32::new(f32::NAN, f32::INFINITY),
                2 => Complex32::new(rng.sample(StandardNormal), 0.0),
                _ => Complex32::from_polar(1.0, n as f32 * 0.1),
            })
            .collect();
        receive(&stream(1.92e6), &samples, block);
    }
}
