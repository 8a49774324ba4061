//! Downlink grants of system information and transmit diversity against vectors that do not come from this program.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::observation::lte::{Mib, Scheduling};
use daen::rat::lte::channel::{Channel, soft_bits};
use daen::rat::lte::control::{Control, Layout, PHICH_FACTORS, Place, SI_RNTI};
use daen::rat::lte::dci::{self, Assignment, format_1a, format_1c};
use daen::rat::lte::grid::Grid;
use daen::rat::lte::listening::Listening;
use daen::rat::lte::numerology::{CyclicPrefix, Duplex};
use daen::rat::lte::reference::Reference;
use daen::rat::lte::system_information::SystemInformation;
use num_complex::Complex32;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn bits(text: &str) -> Vec<u8> {
    text.bytes().map(|b| b - b'0').collect()
}

/// Lines of `grants.txt` that begin with `kind`, without it.
fn vectors(kind: &str, least: usize) -> Vec<Vec<&'static str>> {
    let lines = include_str!("data/lte-coding/grants.txt").lines();
    let words = lines.map(|line| line.split(' ').collect::<Vec<&str>>());
    let found: Vec<Vec<&str>> = words.filter(|words| words[0] == kind).map(|words| words[1..].to_vec()).collect();
    assert!(found.len() >= least, "vectors of {kind}");
    found
}

fn numbers(text: &str) -> Vec<usize> {
    text.split(',').map(|number| number.parse().unwrap()).collect()
}

#[test]
fn messages_have_the_lengths_that_their_fields_add_up_to() {
    for words in vectors("length", 6) {
        let [blocks, fdd, tdd, compact] = [0, 1, 2, 3].map(|i| words[i].parse::<usize>().unwrap());
        assert_eq!(dci::length_1a(Duplex::Fdd, blocks), fdd);
        assert_eq!(dci::length_1a(Duplex::Tdd, blocks), tdd);
        assert_eq!(dci::length_1c(blocks), compact);
    }
}

#[test]
fn compact_grants_name_the_blocks_and_the_size() {
    for words in vectors("compact", 54) {
        let expected = Assignment {
            blocks: [numbers(words[3]), numbers(words[4])],
            bits: words[2].parse().unwrap(),
            version: None,
        };
        assert_eq!(format_1c(&bits(words[1]), words[0].parse().unwrap()), Some(expected), "{words:?}");
    }
}

#[test]
fn virtual_blocks_are_spread_as_the_matrix_of_the_standard_does_it() {
    for words in vectors("spread", 160) {
        let blocks: usize = words[0].parse().unwrap();
        let (even, odd) = (numbers(words[2]), numbers(words[3]));
        assert_eq!(dci::virtual_blocks(blocks, words[1] == "1"), even.len(), "{blocks} blocks");
        let width = dci::indication_bits(blocks);
        for (number, (even, odd)) in even.into_iter().zip(odd).enumerate() {
            // One virtual block: its number is the indication value. Version 2, three resource blocks' sizes.
            let text = format!("11{number:0width$b}00000000{}1001", words[1]);
            let expected = Assignment { blocks: [vec![even], vec![odd]], bits: 56, version: Some(2) };
            assert_eq!(format_1a(&bits(&text), blocks), Some(expected), "block {number} of {blocks}");
        }
    }
}

#[test]
fn diversity_over_four_ports_is_undone() {
    for words in vectors("diversity", 4) {
        let sent = bits(words[0]);
        let values: Vec<f32> = words[1].split(',').map(|value| value.parse().unwrap()).collect();
        let values: Vec<Complex32> = values.chunks(2).map(|pair| Complex32::new(pair[0], pair[1])).collect();
        let (gains, received) = values.split_at(4);
        let reference = Reference::new(17, CyclicPrefix::Normal, 6);
        let mut grid = Grid::new(72, 14);
        for symbol in 0..14 {
            for (port, gain) in gains.iter().enumerate() {
                let Some((first, known)) = reference.of(port, 0, symbol) else { continue };
                let places = grid.symbol_mut(symbol)[first..].iter_mut().step_by(6);
                places.zip(known).for_each(|(place, known)| *place = known * gain);
            }
        }
        for (k, value) in received.iter().enumerate() {
            grid.symbol_mut(2)[k] = *value;
        }
        let mut channel = Channel::new(4, 72, 14);
        channel.estimate(&grid, &reference, 0, 14, 4, Some(1.0));
        let mut soft = Vec::new();
        soft_bits(&grid, &channel, 4, &[(2, 0), (2, 1), (2, 2), (2, 3)], &mut soft);
        let energy = |ports: [usize; 2]| ports.map(|port| gains[port].norm_sqr()).iter().sum::<f32>();
        // Each bit comes from two ports; its log-likelihood ratio is 4 a / N times the amplitude a of a component, which is 1/2.
        for (i, (soft, &bit)) in soft.iter().zip(&sent).enumerate() {
            let expected = 2.0 * energy(if i < 4 { [0, 2] } else { [1, 3] }) / 2.0 * (1.0 - 2.0 * f32::from(bit));
            assert!((soft - expected).abs() < 1e-3 * expected.abs(), "bit {i}: {soft}, not {expected}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_message_names_existing_blocks_or_nothing(
        message in prop::collection::vec(0u8..2, 0..45),
        blocks in 6usize..=110,
    ) {
        for read in [format_1a, format_1c] {
            let Some(assignment) = read(&message, blocks) else { continue };
            for set in &assignment.blocks {
                prop_assert!(!set.is_empty() && set.iter().all(|&block| block < blocks));
                prop_assert!(set.windows(2).all(|pair| pair[0] < pair[1]));
            }
            prop_assert!(assignment.bits >= 32 && assignment.bits <= 2216);
        }
    }

    #[test]
    fn no_soft_bits_of_any_grant_do_harm(
        receptions in prop::collection::vec(
            (0u16..1024, 0usize..10, 0usize..3000, prop::option::of(any::<u8>()), any::<bool>(), any::<u32>()),
            1..40,
        ),
    ) {
        let mib = Mib { prb: 50, phich_extended: false, phich_ng_sixths: 1, scheduling_sib1_br: 0, spare: 0 };
        let mut information = SystemInformation::new(mib);
        for (number, subframe, bits, version, sib1, pattern) in receptions {
            let grant = Assignment { blocks: [Vec::new(), Vec::new()], bits, version };
            let soft: Vec<f32> = (0..bits).map(|i| f32::from_bits(pattern.rotate_left(i as u32))).collect();
            if let Some(octets) = information.take(&grant, &soft, 4, (number, subframe), sib1) {
                information.read(&octets);
            }
        }
    }

    #[test]
    fn no_elements_of_a_control_region_do_harm(
        pci in 0u16..504,
        width in 0usize..6,
        (ports, sixths) in (0usize..3, 0usize..4),
        (extended, special, cp) in (any::<bool>(), any::<bool>(), any::<bool>()),
        pattern in any::<u32>(),
        subframe in 0usize..10,
    ) {
        let blocks = [6, 15, 25, 50, 75, 100][width];
        let (ports, cp) = ([1, 2, 4][ports], if cp { CyclicPrefix::Normal } else { CyclicPrefix::Extended });
        let layout =
            Layout { pci, cp, blocks, ports, phich_extended: extended, phich_sixths: [1, 3, 6, 12][sixths] };
        let mut grid = Grid::new(12 * blocks, cp.symbols());
        for symbol in 0..cp.symbols() {
            for (k, value) in grid.symbol_mut(symbol).iter_mut().enumerate() {
                let part = |turn: usize| f32::from_bits(pattern.wrapping_mul((turn + symbol) as u32 + 1));
                *value = Complex32::new(part(2 * k), part(2 * k + 1));
            }
        }
        let reference = Reference::new(pci, cp, blocks);
        let mut channel = Channel::new(ports, 12 * blocks, cp.symbols());
        channel.estimate(&grid, &reference, subframe, 4, ports, None);
        let mut control = Control::new(layout);
        let view = (&grid, &channel);
        let formats = control.formats(view, subframe);
        prop_assert_eq!(formats.iter().sum::<usize>(), 6);
        let lengths = [dci::length_1a(Duplex::Tdd, blocks), dci::length_1c(blocks)];
        let place = Place { subframe, special };
        if let Some(found) = control.search(view, place, (&formats, &PHICH_FACTORS), SI_RNTI, &lengths) {
            prop_assert!(found.bits.iter().all(|message| lengths.contains(&message.len())));
        }
    }
}

/// The windows of each message, by their first millisecond, that are searched in `seconds`. `sends`: whether a message comes in a window;
/// `changes`: SIB1 is another one every so many frames.
fn searched(
    schedule: &[Scheduling],
    seconds: i64,
    sends: impl Fn(usize, i64) -> bool,
    changes: Option<i64>,
) -> Vec<BTreeSet<i64>> {
    let mut information = SystemInformation::default();
    // SIB1 of the recording lte/b3-1815M3-19M2, whose windows last 20 ms.
    assert!(information.read(&hex::decode("48481803247c2bffd02810210081044c43250b900000").unwrap()));
    information.fields.sib1.as_mut().unwrap().scheduling = schedule.to_vec();
    // Anywhere in the count of frames, and far enough to come to its end.
    let (first, mut listening) = (900, Listening::new(0));
    let mut windows = vec![BTreeSet::new(); schedule.len()];
    for frame in 0..seconds * 100 {
        if changes.is_some_and(|every| frame % every == 0) {
            listening.restart(frame);
        }
        for subframe in 0..10 {
            let Some(window) = information.due(((first + frame) % 1024) as u16, subframe) else { continue };
            let (at, message) = ((frame, subframe), window.message.unwrap());
            if listening.wants(schedule, at, window) {
                let begun = 10 * frame + subframe as i64 - i64::from(window.into_ms);
                windows[message].insert(begun);
                // It is sent in the fourth subframe of its window.
                listening.searched(at, window, window.into_ms == 3 && sends(message, begun));
            }
        }
    }
    windows
}

fn between(windows: &BTreeSet<i64>, seconds: std::ops::Range<i64>) -> usize {
    windows.range(1000 * seconds.start..1000 * seconds.end).count()
}

#[test]
fn a_message_that_never_comes_is_looked_for_in_one_window_of_eight_and_read_soon_once_it_comes() {
    let message = |period_frames: u16, kind: u8| Scheduling { period_frames, sib_types: vec![kind] };
    // Every 80, 160 and 640 ms; the second one names a warning.
    let schedule = [message(8, 3), message(16, 11), message(64, 5)];
    let never = searched(&schedule, 160, |_, _| false, None);
    for (windows, period) in never.iter().zip([0.08, 0.16, 0.64]) {
        let patient = windows.range(..(32.0 * period * 1e3) as i64 - 1).count();
        assert!((31..=32).contains(&patient), "each of the first 32: {patient}");
        let all = (80.0 / period) as usize;
        assert!(between(windows, 80..160).abs_diff(all / 8) <= 1, "{period} s: {windows:?}");
    }
    // Whoever changes SIB1 time and again gets no more of it.
    let restless = searched(&schedule, 160, |_, _| false, Some(8));
    assert_eq!(restless, never);
    // A warning begins: it is found in the eighth window at the latest, and then each window is searched for its segments.
    let late = searched(&schedule, 160, |message, begun| message == 1 && begun >= 100_000, None);
    let first = *late[1].range(100_000..).next().unwrap();
    assert!(first < 100_000 + 8 * 160, "{first}");
    assert!(between(&late[1], 102..160).abs_diff(58_000 / 160) <= 1);
    assert_eq!(late[0], never[0]);
}

#[test]
fn a_message_that_has_come_is_listened_to_in_two_of_sixteen_periods() {
    let schedule = [8, 64].map(|period_frames| Scheduling { period_frames, sib_types: vec![3] });
    let windows = searched(&schedule, 103, |_, _| true, None);
    for (windows, period) in windows.iter().zip([0.08, 0.64]) {
        let all = 102.4 / period;
        assert!((windows.len() as f64 / all - 0.125).abs() < 0.03, "{} of {all}", windows.len());
    }
    // One that came once and never again is not waited for.
    let once = searched(&schedule, 103, |_, begun| begun < 2_000, None);
    assert_eq!(once, windows);
}
