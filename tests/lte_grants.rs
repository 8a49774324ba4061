//! Downlink grants of system information and transmit diversity against vectors that do not come from this program.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::rat::lte::channel::{Channel, soft_bits};
use daen::rat::lte::dci::{self, Assignment, format_1a, format_1c};
use daen::rat::lte::grid::Grid;
use daen::rat::lte::numerology::{CyclicPrefix, Duplex};
use daen::rat::lte::reference::Reference;
use num_complex::Complex32;
use proptest::prelude::*;

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
}
