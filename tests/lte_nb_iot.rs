//! NB-IoT: its synchronisation signals against another implementation's, and what is recognised in signals, noise and recordings.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::radio::sigmf;
use daen::radio::source::{Event, IqBlock, IqSource};
use daen::rat::lte::nb_iot::{LEAST_SHARE, Recognised, Recogniser, SECONDARY, SUBCARRIERS, SYMBOLS, npss, nsss};
use daen::rat::lte::numerology::CyclicPrefix;
use daen::units::Hz;
use num_complex::Complex32;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::f64::consts::TAU;
use std::path::PathBuf;

const RATE: Hz = Hz(1.92e6);
const COVER: [f32; 11] = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0];

fn unit(turns: f64) -> Complex32 {
    Complex32::from_polar(1.0, (TAU * turns.fract()) as f32)
}

/// The values of `pci` in `number` from `first` on are `expected`, 16 bit.
fn is_as_tabulated(pci: u16, number: u16, first: usize, expected: &[(i32, i32)]) {
    let values = nsss(pci, number);
    for (n, &(re, im)) in (first..).zip(expected) {
        let expected = Complex32::new(re as f32, im as f32) / 32767.0;
        assert!(
            (values[n] - expected).norm() < 1e-4,
            "cell {pci}, frame {number}, value {n}: {} {expected}",
            values[n]
        );
    }
}

#[test]
fn the_secondary_signal_is_that_of_another_implementation() {
    let first = [
        (32767, 0),
        (32428, -4699),
        (29761, -13710),
        (21295, -24904),
        (4309, -32483),
        (-18164, -27273),
        (-32532, -3920),
        (-20693, 25406),
        (14770, 29248),
        (32165, -6248),
        (-1964, -32709),
        (-32683, 2355),
    ];
    is_as_tabulated(0, 0, 0, &first);
    let second = [
        (32767, 0),
        (4698, 32428),
        (29761, -13710),
        (24903, 21295),
        (-4310, 32482),
        (-27273, 18163),
        (32531, 3919),
        (25406, 20692),
        (-14771, -29249),
        (-6248, -32166),
        (1963, 32708),
        (2355, 32682),
    ];
    is_as_tabulated(126, 2, 0, &second);
    is_as_tabulated(126, 10, 0, &second);
    let last = [
        (29761, -13710),
        (-10425, -31065),
        (-29424, 14419),
        (-24122, -22178),
        (-4310, 32482),
        (24646, -21593),
        (-31830, 7782),
        (-32767, -1),
        (32767, 0),
    ];
    is_as_tabulated(380, 0, 123, &last);
}

#[test]
fn all_frames_of_all_cells_differ() {
    let cells: Vec<[Complex32; SECONDARY]> = [0, 1, 125, 126, 300, 503].iter().map(|&pci| nsss(pci, 4)).collect();
    for (i, one) in cells.iter().enumerate() {
        for other in &cells[..i] {
            let product: Complex32 = one.iter().zip(other).map(|(a, b)| a * b.conj()).sum();
            assert!(product.norm() < 0.35 * SECONDARY as f32);
        }
    }
    let magnitude = |value: &Complex32| (value.norm() - 1.0).abs() < 1e-5;
    assert!(npss().iter().all(magnitude) && cells.iter().flatten().all(magnitude));
}

/// Frames of one carrier at `offset`, whose first frame, number `number`, begins at sample `start`; unit power an element, and QPSK in
/// all other subframes.
fn carrier(pci: u16, number: u16, start: usize, offset: f64, rng: &mut ChaCha8Rng) -> Vec<Complex32> {
    let mut out = vec![Complex32::default(); 10 * 19_200];
    for frame in 0..9u16 {
        for subframe in 0..10 {
            for symbol in 0..14 {
                let mut values: [Complex32; SUBCARRIERS] =
                    std::array::from_fn(|_| unit(0.25 * f64::from(rng.random_range(0..4u8)) + 0.125));
                if symbol >= 3 && subframe == 5 {
                    values = [Complex32::default(); SUBCARRIERS];
                    values[..11].iter_mut().zip(npss()).for_each(|(slot, value)| *slot = value * COVER[symbol - 3]);
                }
                if symbol >= 3 && subframe == 9 && (number + frame).is_multiple_of(2) {
                    let all = nsss(pci, number + frame);
                    values.copy_from_slice(&all[(symbol - 3) * SUBCARRIERS..(symbol - 2) * SUBCARRIERS]);
                }
                let useful =
                    start + usize::from(frame) * 19_200 + subframe * 1920 + CyclicPrefix::Normal.useful(symbol);
                let prefix = 9 + usize::from(symbol % 7 == 0);
                for n in 0..128 + prefix {
                    let at = useful + n - prefix;
                    let Some(slot) = out.get_mut(at) else { continue };
                    let time = n as f64 - prefix as f64;
                    let sum: Complex32 = (values.iter().enumerate())
                        .map(|(k, value)| value * unit((k as f64 - 5.5) * time / 128.0))
                        .sum();
                    *slot += sum / 128f32.sqrt() * unit(offset / RATE.0 * at as f64);
                }
            }
        }
    }
    assert_eq!(SYMBOLS, 11);
    out
}

fn noisy(samples: &mut [Complex32], power: f64, rng: &mut ChaCha8Rng) {
    let deviation = (power / 2.0).sqrt() as f32;
    for sample in samples {
        *sample += Complex32::new(rng.sample(StandardNormal), rng.sample(StandardNormal)) * deviation;
    }
}

fn recognise(rate: Hz, samples: &[Complex32]) -> Vec<Recognised> {
    let mut recogniser = Recogniser::new(rate);
    samples.chunks(10_007).for_each(|part| recogniser.process(part));
    recogniser.finish()
}

#[test]
fn a_carrier_is_recognised_wherever_it_lies_and_however_weak_it_may_be() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let mut table = String::from("ratio of a resource element, carriers recognised of 4\n");
    for snr in [10.0, 0.0, -3.0, -6.0, -9.0] {
        let mut found = 0;
        for (pci, number, start, offset) in
            [(0, 0, 100, 0.0), (257, 7, 12_345, 453e3), (126, 3, 5000, -612_500.0), (503, 1000, 19_000, 98_250.0)]
        {
            let mut samples = carrier(pci, number, start, offset, &mut rng);
            noisy(&mut samples, 10f64.powf(-snr / 10.0), &mut rng);
            let cells = recognise(RATE, &samples);
            let right = |cell: &Recognised| cell.pci == pci && (cell.offset.0 - offset).abs() < 400.0;
            assert!(cells.iter().all(right), "{cells:?}, not {pci} at {offset}, {snr} dB");
            found += cells.len();
        }
        table += &format!("{snr:6.1} dB {found}\n");
        if snr >= 0.0 {
            assert_eq!(found, 4, "{snr} dB");
        }
    }
    insta::assert_snapshot!("nb_iot", table);
}

#[test]
fn noise_is_no_nb_iot() {
    let stretches = if std::env::var_os("DAEN_ACCEPTANCE").is_some() { 600 } else { 6 };
    let threads = 4;
    let cells = std::thread::scope(|scope| {
        let part = |first: u64| {
            scope.spawn(move || {
                let heard = |stretch: u64| {
                    let mut rng = ChaCha8Rng::seed_from_u64(22_000 + stretch);
                    let mut samples = vec![Complex32::default(); 165_000];
                    noisy(&mut samples, 0.1, &mut rng);
                    recognise(RATE, &samples)
                };
                (first..stretches).step_by(threads).flat_map(heard).collect::<Vec<_>>()
            })
        };
        let parts: Vec<_> = (0..threads as u64).map(part).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(cells.is_empty(), "{cells:?}");
    println!("{stretches} stretches of 84 ms of noise: none at {LEAST_SHARE} and above");
}

#[test]
fn rates_too_low_and_streams_too_short_hold_nothing() {
    for (rate, length) in [(1e6, 200_000), (1.92e6, 0), (1.92e6, 30_000), (f64::NAN, 1000), (30.72e6, 100)] {
        assert!(recognise(Hz(rate), &vec![Complex32::new(f32::NAN, 1.0); length]).is_empty());
    }
}

/// What recordings hold. The identities are those of three operators' LTE cells, which were recorded at the same place on 796, 806 and
/// 816 MHz, and the carriers lie in guard bands.
const RECORDED: [(&str, &[(u16, f64)]); 1] =
    [("lte/b20-806M-19M2-clipped", &[(300, -4_801_300.0), (57, -4_491_300.0), (360, 4_308_600.0)])];

#[test]
fn recordings_hold_nb_iot_beside_the_lte_cells_of_the_same_identity_and_nowhere_else() {
    let root = std::env::var_os("DAEN_CAPTURES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"), PathBuf::from);
    if !root.join("truth.json").is_file() {
        println!("skipped: no recordings in {}", root.display());
        return;
    }
    let mut wrong = Vec::new();
    // Wide recordings take their time: every run looks at the one that holds something.
    let narrow = [
        "lte/b20-796M-1M92",
        "lte/b20-816M-1M92",
        "lte/b3-1860M-1M92",
        "lte/b41-2565M-1M92",
        "lte/b41-2645M-1M92",
        "lte/noise-1M92",
        "lte/nothing-826M-1M92",
        "gsm/wideband-941M-4M",
        "lte/b20-806M-19M2-clipped",
    ];
    let wide = [
        "lte/enb-leg50",
        "lte/enb-warn25",
        "lte/enb-leg100x2",
        "lte/b3-1815M3-19M2",
        "lte/b3-1852M5-19M2",
        "lte/b40-tdd-2360M-19M2",
    ];
    let more = if std::env::var_os("DAEN_ACCEPTANCE").is_some() { &wide[..] } else { &[] };
    for name in narrow.iter().chain(more) {
        let path = root.join(format!("{name}.sigmf-meta"));
        let mut source = sigmf::describe(&path, sigmf::Overrides::default()).unwrap().open().unwrap();
        let (mut iq, mut recogniser) = (IqBlock::default(), None);
        loop {
            match source.read(1 << 16, &mut iq).unwrap() {
                Event::Stream(info) => recogniser = Some(Recogniser::new(info.sample_rate)),
                Event::Samples => recogniser.as_mut().unwrap().process(&iq.samples),
                Event::End => break,
            }
        }
        let cells = recogniser.unwrap().finish();
        let expected = RECORDED.iter().find(|(at, _)| at == name).map_or(&[][..], |(_, cells)| cells);
        let right =
            |cell: &Recognised, (pci, offset): &(u16, f64)| cell.pci == *pci && (cell.offset.0 - offset).abs() < 300.0;
        if cells.len() != expected.len() || !cells.iter().zip(expected).all(|(cell, expected)| right(cell, expected)) {
            wrong.push((*name, cells));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
