//! NR's polar code and sequences against independent encoders, and the code's limit in noise.

#![cfg(feature = "sensor")]
// A test that panics has failed, which is what its helpers ask for.
#![allow(clippy::unwrap_used)]

use daen::coding::crc::CRC24C;
use daen::coding::gold::Gold;
use daen::coding::polar::{MAX_PAYLOAD, Parity, Polar};
use daen::rat::nr::pbch::{Message, Pbch, SENT};
use daen::rat::nr::sync::{pss, reference, sss};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::fmt::Write;

fn bits(text: &str) -> Vec<u8> {
    text.bytes().map(|b| b - b'0').collect()
}

/// Lines of `vectors.txt` that begin with `kind`, without it.
fn vectors(kind: &str, least: usize) -> Vec<Vec<&'static str>> {
    let lines = include_str!("data/nr-coding/vectors.txt").lines();
    let words = lines.map(|line| line.split(' ').collect::<Vec<&str>>());
    let found: Vec<Vec<&str>> = words.filter(|words| words[0] == kind).map(|words| words[1..].to_vec()).collect();
    assert!(found.len() >= least, "vectors of {kind}");
    found
}

fn clean(coded: &[u8]) -> Vec<f32> {
    coded.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect()
}

fn parity(word: &str) -> Parity {
    if word == "-" { Parity::Plain } else { Parity::Masked(u16::from_str_radix(word, 16).unwrap()) }
}

#[test]
fn the_parity_is_that_of_the_independent_library() {
    for words in vectors("parity", 3) {
        let octets = hex::decode(words[0]).unwrap();
        let word: Vec<u8> = octets.iter().flat_map(|octet| (0..8).rev().map(move |i| octet >> i & 1)).collect();
        assert_eq!(format!("{:024b}", CRC24C.parity(&word)), words[1]);
    }
}

#[test]
fn polar_blocks_are_encoded_and_decoded_as_the_independent_encoders_do() {
    for words in vectors("polar", 28) {
        let (parity, payload, sent) = (parity(words[1]), bits(words[2]), bits(words[3]));
        let name = format!("{} bits in {}", payload.len(), sent.len());
        let mut coder = Polar::new(payload.len(), sent.len()).unwrap();
        let mut own = vec![0; sent.len()];
        coder.encode(&payload, parity, &mut own);
        assert_eq!(own, sent, "{name}");
        let decoded = coder.decode(&clean(&sent), parity).unwrap();
        assert_eq!(decoded.bits, payload, "{name}");
        // All soft bits agree: the sum of ones over the root of their number, where none is repeated.
        if [108, 216, 432].contains(&sent.len()) {
            assert!((decoded.matched - (sent.len() as f32).sqrt()).abs() < 0.01, "{name}: {}", decoded.matched);
        }
    }
}

/// The octets of a MIB in bits.
fn octets(text: &str) -> [u8; 3] {
    let [_, a, b, c] = u32::from_str_radix(text, 2).unwrap().to_be_bytes();
    [a, b, c]
}

#[test]
fn broadcast_blocks_are_coded_and_read_as_the_independent_coder_does() {
    let mut pbch = Pbch::new();
    for words in vectors("bch", 6) {
        let [sfn, half, most, pci] = [1, 2, 3, 4].map(|i| words[i].parse::<u16>().unwrap());
        // Its coder leaves the highest bit of k_SSB zero.
        let low = u8::from_str_radix(&words[0][8..12], 2).unwrap();
        let index = if most == 4 { 2 } else { 5 };
        let message = Message { octets: octets(words[0]), sfn, half: half as u8, index, k_ssb: low };
        let sent = bits(words[5]);
        assert_eq!(pbch.coded(pci, &message), sent, "cell {pci}");
        // What is not of clause 7.1 is held against `pbch_scrambling` below.
        let mut scrambled = sent;
        let mut gold = Gold::new(u32::from(pci));
        gold.skip(usize::from(index) * SENT);
        gold.scramble(&mut scrambled);
        let i_bar = if most == 4 { index + 4 * half as u8 } else { index };
        let (read, _) = pbch.decode(&clean(&scrambled), pci, i_bar, most as u8).unwrap();
        assert_eq!(read, message);
    }
}

#[test]
fn the_scrambling_of_a_block_is_that_of_the_independent_library() {
    for words in vectors("pbch_scrambling", 4) {
        let (pci, index): (u32, usize) = (words[0].parse().unwrap(), words[1].parse().unwrap());
        let mut gold = Gold::new(pci);
        gold.skip(index * SENT);
        let mut sequence = vec![0; SENT];
        gold.fill(&mut sequence);
        assert_eq!(sequence, bits(words[2]), "cell {pci}, block {index}");
    }
}

#[test]
fn synchronisation_and_reference_signals_are_those_of_the_independent_library() {
    let signs = |values: &[f32]| values.iter().map(|value| u8::from(*value < 0.0)).collect::<Vec<u8>>();
    for words in vectors("pss", 3) {
        assert_eq!(signs(&pss(words[0].parse().unwrap())), bits(words[1]), "PSS {}", words[0]);
    }
    for words in vectors("sss", 10) {
        assert_eq!(signs(&sss(words[0].parse().unwrap())), bits(words[1]), "SSS {}", words[0]);
    }
    for words in vectors("dmrs", 5) {
        let own = reference(words[0].parse().unwrap(), words[1].parse().unwrap());
        let parts: Vec<f32> = own.iter().flat_map(|value| [value.re, value.im]).collect();
        assert_eq!(signs(&parts), bits(words[2]), "cell {}, i {}", words[0], words[1]);
    }
}

#[test]
fn a_block_for_another_network_identity_is_refused() {
    let words = &vectors("polar", 1)[5];
    assert_eq!(words[1], "ffff");
    let mut coder = Polar::new(words[2].len(), words[3].len()).unwrap();
    for other in [Parity::Plain, Parity::Masked(0xfffe), Parity::Masked(0x0001)] {
        assert_eq!(coder.decode(&clean(&bits(words[3])), other), None, "{other:?}");
    }
}

/// Of `blocks` payloads of `payload` bits in `sent` soft bits, how many come back, and how many come wrong. SNR of a QPSK symbol.
fn come_back(snr_db: f32, payload: usize, sent: usize, blocks: u32) -> (u32, u32, f32) {
    let mut random = ChaCha8Rng::seed_from_u64(38_212);
    let variance = 10f32.powf(-snr_db / 10.0);
    let mut coder = Polar::new(payload, sent).unwrap();
    let (mut right, mut wrong, mut least) = (0, 0, f32::INFINITY);
    for block in 0..blocks {
        let payload: Vec<u8> =
            (0..payload as u32).map(|i| (block.wrapping_mul(0x9e37_79b1) >> (i % 32) & 1) as u8).collect();
        let mut coded = vec![0; sent];
        coder.encode(&payload, Parity::Masked(0xffff), &mut coded);
        let mut noise = || -> f32 { StandardNormal.sample(&mut random) };
        let soft: Vec<f32> = clean(&coded).iter().map(|x| 2.0 * (x + variance.sqrt() * noise()) / variance).collect();
        match coder.decode(&soft, Parity::Masked(0xffff)) {
            Some(decoded) if decoded.bits == payload => {
                right += 1;
                least = least.min(decoded.matched);
            }
            Some(_) => wrong += 1,
            None => {}
        }
    }
    (right, wrong, least)
}

#[test]
fn the_share_of_blocks_decoded_in_noise_is_as_recorded() {
    let mut table = String::from(
        "of 500 blocks; SNR of a QPSK symbol, AWGN, channel known; right, wrong, least match of a right one\n",
    );
    let mut line = |name: &str, payload, sent, levels: &[f32]| {
        for &snr_db in levels {
            let (right, wrong, least) = come_back(snr_db, payload, sent, 500);
            writeln!(table, "{name} {snr_db:6.1} dB  {right:4} {wrong:4} {least:5.1}").unwrap();
        }
    };
    line("PBCH, 32 bits in 864   ", 32, 864, &[-11.0, -10.0, -9.0, -8.0, -7.0, -6.0]);
    line("PDCCH, 39 bits in 108  ", 39, 108, &[-1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
    line("PDCCH, 39 bits in 432  ", 39, 432, &[-7.0, -6.0, -5.0, -4.0, -3.0, -2.0]);
    line("PDCCH, 39 bits in 1728 ", 39, 1728, &[-13.0, -12.0, -11.0, -10.0, -9.0, -8.0]);
    insta::assert_snapshot!(table);
}

#[test]
fn noise_alone_is_no_block() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut coder = Polar::new(32, 864).unwrap();
    for _ in 0..1000 {
        let noise: Vec<f32> = (0..864).map(|_| StandardNormal.sample(&mut random)).collect();
        assert_eq!(coder.decode(&noise, Parity::Plain), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_soft_bits_in_any_number_do_no_harm(
        soft in prop::collection::vec(any::<f32>(), 0..600),
        payload in 1usize..MAX_PAYLOAD + 1,
    ) {
        if let Some(mut coder) = Polar::new(payload, soft.len()) {
            let _ = coder.decode(&soft, Parity::Masked(0xffff));
        }
    }

    #[test]
    fn whatever_is_encoded_comes_back(payload in prop::collection::vec(0u8..2, 1..MAX_PAYLOAD + 1), sent in 25usize..2000) {
        if let Some(mut coder) = Polar::new(payload.len(), sent) {
            let mut coded = vec![0; sent];
            coder.encode(&payload, Parity::Masked(0xffff), &mut coded);
            prop_assert_eq!(coder.decode(&clean(&coded), Parity::Masked(0xffff)).unwrap().bits, &payload[..]);
        }
    }
}
