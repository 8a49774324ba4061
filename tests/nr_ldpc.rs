//! NR's LDPC code and the coding of its downlink shared channel against independent encoders, and its limit in noise.

#![cfg(feature = "sensor")]
// A test that panics has failed, which is what its helpers ask for.
#![allow(clippy::unwrap_used)]

use daen::coding::dl_sch_nr::{Rate1024, TransportBlock};
use daen::coding::ldpc::{BaseGraph, Ldpc, PUNCTURED_COLUMNS};
use daen::rat::nr::transport_block::transport_bits;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::fmt::Write;

/// Lines of `vectors.txt` that begin with `kind`, without it.
fn vectors(kind: &str, least: usize) -> Vec<Vec<&'static str>> {
    let lines = include_str!("data/nr-ldpc/vectors.txt").lines();
    let words = lines.map(|line| line.split(' ').collect::<Vec<&str>>());
    let found: Vec<Vec<&str>> = words.filter(|words| words[0] == kind).map(|words| words[1..].to_vec()).collect();
    assert!(found.len() >= least, "vectors of {kind}");
    found
}

/// The first `count` bits of hexadecimal text.
fn bits(text: &str, count: usize) -> Vec<u8> {
    let digits = text.chars().map(|digit| digit.to_digit(16).unwrap());
    let bits: Vec<u8> = digits.flat_map(|digit| (0..4).rev().map(move |i| (digit >> i & 1) as u8)).collect();
    assert!(bits.len() >= count && bits[count..].iter().all(|&bit| bit == 0), "{count} bits");
    bits[..count].to_vec()
}

fn clean(coded: &[u8]) -> Vec<f32> {
    coded.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect()
}

/// In the largest size of each set every shift of the tables counts.
#[test]
fn words_of_the_independent_encoder_are_words_of_the_code() {
    let vectors = vectors("code", 30);
    for words in &vectors {
        let graph = if words[0] == "1" { BaseGraph::One } else { BaseGraph::Two };
        let lifting: usize = words[1].parse().unwrap();
        let mut code = Ldpc::new(graph, lifting).unwrap();
        let information = bits(words[2], code.information_bits());
        let coded = bits(words[3], code.coded_bits());
        let punctured = PUNCTURED_COLUMNS * lifting;
        assert_eq!(coded[..information.len() - punctured], information[punctured..], "systematic");
        let mut found = vec![0; information.len()];
        assert!(code.decode(&clean(&coded), &mut found, 20, |_| true), "{graph:?} {lifting}");
        assert_eq!(found, information, "{graph:?} {lifting}");
        // With one sent bit wrong for sure, no word is near enough to be taken for one at once.
        let mut wrong = clean(&coded);
        wrong[punctured] *= -1e6;
        assert!(!code.decode(&wrong, &mut found, 1, |_| true), "{graph:?} {lifting}");
    }
    for set in [256, 384, 320, 224, 288, 352, 208, 240] {
        let of = |graph| vectors.iter().any(|words| words[0] == graph && words[1] == set.to_string());
        assert!(of("1") && of("2"), "every set is there: {set}");
    }
}

/// One transport block of the vectors.
struct Sent {
    block: TransportBlock,
    octets: Vec<u8>,
    modulation: usize,
    version: u8,
    bits: Vec<u8>,
}

fn sent() -> Vec<Sent> {
    let read = |words: Vec<&str>| {
        let number = |at: usize| words[at].parse::<usize>().unwrap();
        Sent {
            block: TransportBlock::new(number(0), Rate1024(number(1) as u16)).unwrap(),
            modulation: number(2),
            version: number(3) as u8,
            octets: hex::decode(words[4]).unwrap(),
            bits: bits(words[6], number(5)),
        }
    };
    vectors("transport", 38).into_iter().map(read).collect()
}

#[test]
fn transport_blocks_of_the_independent_encoder_come_back_whole() {
    let mut alone = 0;
    for mut sent in sent() {
        let what = format!("{} bits, version {}", sent.block.transport_bits(), sent.version);
        sent.block.combine(&clean(&sent.bits), sent.version, sent.modulation);
        let found = sent.block.decode().map(<[u8]>::to_vec);
        // Versions 1 and 2 leave out what cannot be guessed where the rate is high.
        if sent.version == 0 || found.is_some() {
            assert_eq!(found.as_deref(), Some(&sent.octets[..]), "{what}");
            alone += 1;
        }
        sent.block.clear();
        assert_eq!(sent.block.decode(), None, "nothing received, {what}");
        // A version read as another one is no block.
        sent.block.combine(&clean(&sent.bits), sent.version ^ 1, sent.modulation);
        assert_eq!(sent.block.decode(), None, "{what}");
    }
    assert!(alone >= 25, "{alone}");
}

/// Each line of the vectors has a block of its own: their versions are those of different blocks, so what adds up is the same version.
#[test]
fn what_is_received_twice_is_worth_twice_as_much() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let sent = sent().into_iter().find(|sent| sent.block.transport_bits() == 808 && sent.modulation == 2).unwrap();
    let mut decoded = [0; 2];
    for _ in 0..40 {
        let mut block = sent.block.clone();
        for count in &mut decoded {
            let soft: Vec<f32> = noisy(&sent.bits, -7.5, &mut rng);
            block.combine(&soft, sent.version, sent.modulation);
            *count += usize::from(block.decode() == Some(&sent.octets[..]));
        }
    }
    assert!(decoded[0] <= 20 && decoded[1] >= 39, "{decoded:?}");
}

/// Soft bits of QPSK at `snr_db`, signal to noise of an element.
fn noisy(bits: &[u8], snr_db: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    // Each of the two components holds half of the power, of signal and of noise.
    let sigma = 10f64.powf(-snr_db / 20.0) as f32;
    let sample = |bit: &u8| {
        let noise: f32 = StandardNormal.sample(rng);
        (1.0 - 2.0 * f32::from(*bit) + sigma * noise) / (sigma * sigma)
    };
    bits.iter().map(sample).collect()
}

/// How many of a hundred blocks are lost over the signal to noise ratio of a resource element.
#[test]
fn the_limit_in_noise_is_the_one_recorded() {
    let mut table = String::from("dB      ");
    let steps: Vec<f64> = (-22..=6).step_by(2).map(|half| f64::from(half) / 2.0).collect();
    steps.iter().for_each(|snr| write!(table, "{snr:>5}").unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(38212);
    let first = |sent: &Sent| {
        sent.version == 0 && sent.modulation == 2 && [672, 808, 848, 2976].contains(&sent.block.transport_bits())
    };
    for mut sent in sent().into_iter().filter(first) {
        let rate = sent.block.transport_bits() as f64 / sent.bits.len() as f64;
        write!(table, "\n{:>4} {rate:.2}", sent.block.transport_bits()).unwrap();
        for &snr in &steps {
            let lost = (0..100).filter(|_| {
                sent.block.clear();
                let soft = noisy(&sent.bits, snr, &mut rng);
                sent.block.combine(&soft, 0, 2);
                let found = sent.block.decode();
                assert!(found.is_none_or(|octets| octets == sent.octets), "a wrong block at {snr} dB");
                found.is_none()
            });
            write!(table, "{:>5}", lost.count()).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn sizes_of_transport_blocks_are_those_of_the_independent_package() {
    let mut told = 0;
    for words in vectors("size", 150) {
        let number = |at: usize| words[at].parse::<usize>().unwrap();
        let found = transport_bits(number(0), number(1), Rate1024(number(2) as u16));
        // No block of system information is larger.
        assert_eq!(found, Some(number(3)).filter(|&bits| bits <= 2976), "{words:?}");
        told += usize::from(found.is_some());
    }
    assert!(told > 30, "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_soft_bits_give_a_block_or_none(
        octets in 1usize..373,
        rate in 1u16..1024,
        soft in prop::collection::vec(any::<f32>(), 0..4000),
        version in any::<u8>(),
        modulation in prop::sample::select(vec![1usize, 2, 4, 6, 8]),
    ) {
        if let Some(mut block) = TransportBlock::new(8 * octets, Rate1024(rate)) {
            block.combine(&soft, version, modulation);
            if let Some(found) = block.decode() {
                prop_assert_eq!(found.len(), octets);
            }
        }
    }
}
