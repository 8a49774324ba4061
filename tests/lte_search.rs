//! The LTE search: how weak a cell may be, what noise and ghosts make of it, and cells beside each other.
//!
//! The signals come from the test transmitter. `DAEN_ACCEPTANCE=1` runs 10,000 windows of noise and the whole detection table.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::coding::tail_biting::{TailBiting, encode};
use daen::radio::source::StreamInfo;
use daen::rat::CellReport;
use daen::rat::lte::pbch::LEAST_MATCH;
use daen::rat::lte::{Options, Receiver};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::Cell;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

const CARRIER: Hz = Hz(1842.5e6);
const RATE: Hz = Hz(1.92e6);
const LEVEL: Dbfs = Dbfs(-20.0);

fn acceptance() -> bool {
    std::env::var_os("DAEN_ACCEPTANCE").is_some()
}

fn stream(rate: Hz) -> StreamInfo {
    StreamInfo { stream: "test".into(), center: CARRIER, sample_rate: rate, start: Timestamp(0) }
}

fn receive(samples: &[Complex32]) -> Vec<CellReport> {
    let mut receiver = Receiver::new(&stream(RATE), Options::default());
    let (mut live, mut last) = (Vec::new(), Vec::new());
    receiver.process(samples, &mut live);
    receiver.finish(&mut last);
    last
}

/// `millis` of `cells` and noise.
fn samples(cells: &[DownlinkConfig], noise: Option<(u64, Dbfs)>, millis: usize) -> Vec<Complex32> {
    let mut out = vec![Complex32::default(); 1920 * millis];
    for cell in cells {
        Downlink::new(&stream(RATE), Ppb(0.0), cell.clone()).unwrap().add_to(SampleIndex(0), &mut out);
    }
    if let Some((seed, level)) = noise {
        Noise::new(seed, level, RATE).add_to(SampleIndex(0), &mut out);
    }
    out
}

/// A cell at some instant of its frame, seen through a crystal that shifts its carrier by `offset`.
fn config(cell: Cell, offset: f64, level: Dbfs, rng: &mut ChaCha8Rng) -> DownlinkConfig {
    DownlinkConfig {
        frame_number: rng.random_range(0..1024),
        start: Picos(-rng.random_range(0..10_000_000_000)),
        clock_error: Ppb(offset / CARRIER.0 * 1e9),
        ..DownlinkConfig::new(cell, CARRIER, level)
    }
}

fn ids(cells: &[CellReport]) -> Vec<u16> {
    cells.iter().map(|cell| cell.key.id).collect()
}

/// The results of trials 0 to `count`, in their order, worked out on four threads.
fn trials<T: Send>(count: u64, trial: impl Fn(u64) -> T + Sync) -> Vec<T> {
    const THREADS: u64 = 4;
    let mut results: Vec<(u64, T)> = std::thread::scope(|scope| {
        let part = |first: u64| {
            let trial = &trial;
            scope.spawn(move || (first..count).step_by(THREADS as usize).map(|n| (n, trial(n))).collect::<Vec<_>>())
        };
        let parts: Vec<_> = (0..THREADS).map(part).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    results.sort_by_key(|result| result.0);
    results.into_iter().map(|result| result.1).collect()
}

/// Whether a cell of `blocks` resource blocks is found in 80 ms, and how many others.
fn detection(snr: f64, reach: f64, blocks: usize, trial: u64) -> (bool, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(trial * 1000 + (20.0 - snr) as u64 * 7 + blocks as u64);
    let pci = rng.random_range(0..504);
    let cell = Cell { load: 1.0, ..Cell::new(pci, blocks) };
    let noise = cell.noise(LEVEL, Db(snr));
    let offset = if reach > 0.0 { rng.random_range(-reach..reach) } else { 0.0 };
    let heard = config(cell, offset, LEVEL, &mut rng);
    let cells = receive(&samples(&[heard], Some((trial + 1, noise)), 80));
    let right = |cell: &CellReport| cell.key.id == pci && (cell.carrier.hz.0 - offset).abs() < 500.0;
    for cell in cells.iter().filter(|cell| !right(cell)) {
        println!(
            "{snr} dB, {blocks} blocks, trial {trial}: PCI {pci} at {offset:.0} Hz reported as {}, {:?}",
            cell.key, cell.carrier
        );
    }
    (cells.iter().any(right), cells.iter().filter(|cell| !right(cell)).count())
}

/// How many of `count` cells are found, and how many others.
fn detected(snr: f64, reach: f64, blocks: usize, count: u64) -> (usize, usize) {
    let results = trials(count, |trial| detection(snr, reach, blocks, trial));
    results.iter().fold((0, 0), |sum, result| (sum.0 + usize::from(result.0), sum.1 + result.1))
}

#[test]
fn a_carrier_that_was_acquired_five_hundred_hertz_off_is_not_taken_for_one_two_kilohertz_away() {
    // Reference signals half a millisecond apart turn alike at both; this cell's acquisition is 502 Hz off.
    assert_eq!(detection(-9.0, 0.0, 6, 79), (true, 0));
}

#[test]
fn cells_are_detected_down_to_the_ratios_of_the_table() {
    let (ratios, reaches, widths, trials): (&[f64], &[f64], &[usize], u64) = if acceptance() {
        (&[-5.0, -6.0, -7.0, -8.0, -9.0, -10.0, -11.0, -12.0], &[0.0, 10e3, 140e3], &[6, 25, 100], 100)
    } else {
        (&[-6.0, -8.0, -10.0], &[7e3, 140e3], &[6, 100], 10)
    };
    let mut table = format!("{trials} cells of one port a line in windows of 80 ms; ratio of a resource element\n");
    table += "ratio dB  carrier within kHz  blocks  found  wrong\n";
    for &snr in ratios {
        for &reach in reaches {
            for &blocks in widths {
                let (found, wrong) = detected(snr, reach, blocks, trials);
                table += &format!("{snr:8.1}  {:18.0}  {blocks:6}  {found:5}  {wrong:5}\n", reach / 1e3);
                assert_eq!(wrong, 0, "{snr} dB, {reach} Hz, {blocks} blocks");
                if snr >= -8.0 {
                    assert!(found as u64 * 10 >= trials * 9, "{found} at {snr} dB, {reach} Hz, {blocks} blocks");
                }
            }
        }
    }
    println!("{table}");
    if !acceptance() {
        insta::assert_snapshot!("lte_detection", table);
    }
}

#[test]
fn windows_of_noise_hold_no_mib() {
    let windows: u64 = if acceptance() { 10_000 } else { 20 };
    // 160 ms and what the first window holds beyond them.
    let found = trials(windows, |window| ids(&receive(&samples(&[], Some((window, Dbfs(-30.0))), 164)))).concat();
    println!("{windows} windows of 160 ms of noise: {} cells", found.len());
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_word_decoded_from_noise_seldom_matches_as_a_mib_must() {
    let words = if acceptance() { 200_000 } else { 4_000 };
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    let mut decoder = TailBiting::new(40);
    let (mut above, mut sum) = (0u32, 0.0);
    for _ in 0..words {
        let soft: [f32; 120] = std::array::from_fn(|_| rng.sample(StandardNormal));
        let (mut bits, mut coded) = ([0u8; 40], [0u8; 120]);
        decoder.decode(&soft, &mut bits);
        encode(&bits, &mut coded);
        let agreed: f32 = soft.iter().zip(&coded).map(|(soft, &bit)| if bit == 0 { *soft } else { -soft }).sum();
        let matched = agreed / soft.iter().map(|soft| soft * soft).sum::<f32>().sqrt();
        above += u32::from(matched >= LEAST_MATCH);
        sum += f64::from(matched);
    }
    println!("{words} words: match {:.2} on average, {above} at {LEAST_MATCH} and above", sum / f64::from(words));
    assert!(f64::from(above) < 0.06 * f64::from(words), "{above} of {words}");
}

#[test]
fn two_cells_ten_decibels_apart_are_both_found() {
    // (strong, weak): the same PSS (identities alike modulo 3) and different ones.
    for (strong, weak) in [(77, 302), (77, 205), (300, 114), (28, 414)] {
        for aligned in [true, false] {
            let mut rng = ChaCha8Rng::seed_from_u64(u64::from(strong) * 504 + u64::from(weak));
            let cell = |pci, seed| Cell { ports: 2, load: 1.0, seed, ..Cell::new(pci, 50) };
            let near = config(cell(strong, 1), 31e3, LEVEL, &mut rng);
            let later = if aligned { 700_000 } else { 3_210_000_000 };
            let far = DownlinkConfig {
                cell: cell(weak, 2),
                start: Picos(near.start.0 - later),
                level: LEVEL - Db(10.0),
                ports: [0.1, 0.7, 0.2, 0.4].map(|turns: f32| Complex32::from_polar(1.0, turns * std::f32::consts::TAU)),
                ..near.clone()
            };
            let noise = near.cell.noise(LEVEL, Db(20.0));
            let cells = receive(&samples(&[near, far], Some((9, noise)), 330));
            let mut expected = vec![strong, weak];
            expected.sort_unstable();
            assert_eq!(ids(&cells), expected, "{strong} {weak}, aligned: {aligned}");
        }
    }
}

#[test]
fn a_strong_cell_casts_no_ghost() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for step in -4..=4 {
        let offset = f64::from(step) * 35e3;
        let cell = Cell { ports: 1 + usize::from(step % 2 == 0), load: 0.3, ..Cell::new(170 + (step + 4) as u16, 6) };
        let noise = cell.noise(LEVEL, Db(40.0));
        let clean = samples(&[config(cell.clone(), offset, LEVEL, &mut rng)], Some((3, noise)), 170);
        // A mirror image 25 dB down and a leaking local oscillator; then a converter that clips.
        let image: Vec<Complex32> =
            clean.iter().map(|sample| sample + sample.conj() * 0.056 + Complex32::new(0.02, 0.01)).collect();
        let edge = 0.1f32;
        let clipped: Vec<Complex32> =
            clean.iter().map(|s| Complex32::new(s.re.clamp(-edge, edge), s.im.clamp(-edge, edge))).collect();
        for (what, heard) in [("image", image), ("clipped", clipped)] {
            assert_eq!(ids(&receive(&heard)), [cell.pci], "{what} at {offset} Hz");
        }
    }
}

#[test]
fn a_cell_that_serves_machines_is_recognised() {
    for (spare, expected) in [(0, false), (4 << 5, true), (18 << 5, true), (19 << 5, false), (0x1f, false)] {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let cell = Cell { mib_spare: spare, ..Cell::new(9, 25) };
        let cells = receive(&samples(&[config(cell, 0.0, LEVEL, &mut rng)], None, 100));
        assert_eq!(cells.len(), 1);
        assert_eq!(cells[0].counts.contains_key("emtc"), expected, "{spare:#x}: {:?}", cells[0].counts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn hostile_samples_are_survived(
        seed in any::<u64>(),
        kind in 0..6u8,
        rate in prop::sample::select(vec![1.92e6, 2.0e6, 3.84e6]),
        block in prop::sample::select(vec![1usize, 7, 1000, 65_536, 200_000]),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut heard = samples(&[config(Cell::new(33, 6), 0.0, LEVEL, &mut rng)], None, 60);
        for (n, sample) in heard.iter_mut().enumerate() {
            match kind {
                0 if n % 997 == 0 => *sample = Complex32::new(f32::NAN, f32::INFINITY),
                1 if n > 40_000 => *sample = Complex32::new(f32::INFINITY, f32::NEG_INFINITY),
                2 => *sample = Complex32::new(f32::MAX, -f32::MAX),
                3 if n > 30_000 => *sample = Complex32::default(),
                4 => *sample *= 1e-30,
                5 => *sample = Complex32::new(rng.random_range(-1.0..1.0f32).signum(), 1.0),
                _ => {}
            }
        }
        let mut receiver = Receiver::new(&stream(Hz(rate)), Options::default());
        let (mut live, mut last) = (Vec::new(), Vec::new());
        heard.chunks(block).for_each(|part| receiver.process(part, &mut live));
        receiver.finish(&mut last);
        prop_assert!(last.iter().all(|cell| cell.key.id == 33), "{:?}", ids(&last));
    }
}
