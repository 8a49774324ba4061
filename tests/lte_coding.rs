//! LTE's channel coding against independent encoders, and its limit in noise.

#![cfg(feature = "sensor")]
// A test that panics has failed, which is what its helpers ask for.
#![allow(clippy::unwrap_used)]

use daen::coding::crc::{CRC16, CRC24A};
use daen::coding::dl_sch::TransportBlock;
use daen::coding::gold::Gold;
use daen::coding::rate_match::RateMatch;
use daen::coding::tail_biting::{self, TailBiting};
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
    let lines = include_str!("data/lte-coding/vectors.txt").lines();
    let words = lines.map(|line| line.split(' ').collect::<Vec<&str>>());
    let found: Vec<Vec<&str>> = words.filter(|words| words[0] == kind).map(|words| words[1..].to_vec()).collect();
    assert!(found.len() >= least, "vectors of {kind}");
    found
}

fn clean(coded: &[u8]) -> Vec<f32> {
    coded.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect()
}

#[test]
fn the_gold_sequence_is_that_of_the_formula() {
    for words in vectors("gold", 8) {
        let expected = bits(words[1]);
        let mut sequence = vec![0; expected.len()];
        Gold::new(words[0].parse().unwrap()).fill(&mut sequence);
        assert_eq!(sequence, expected, "{}", words[0]);
    }
}

#[test]
fn parities_are_those_of_the_independent_library() {
    for words in vectors("parity", 4) {
        let octets = hex::decode(words[0]).unwrap();
        let word: Vec<u8> = octets.iter().flat_map(|octet| (0..8).rev().map(move |i| octet >> i & 1)).collect();
        assert_eq!(format!("{:06x}", CRC24A.parity(&word)), words[1]);
        assert_eq!(format!("{:04x}", CRC16.parity(&word)), words[2]);
    }
}

#[test]
fn tail_biting_blocks_are_encoded_and_decoded_as_the_independent_encoder_does() {
    let mut decoder = TailBiting::new(64);
    for words in vectors("tail_biting", 18) {
        let [message, coded, sent] = [0, 1, 2].map(|i| bits(words[i]));
        let mut own = vec![0; coded.len()];
        tail_biting::encode(&message, &mut own);
        assert_eq!(own, coded);
        let matcher = RateMatch::new(message.len());
        let mut own = vec![0; sent.len()];
        matcher.select(&coded, &mut own);
        assert_eq!(own, sent);
        let mut soft = vec![0.0; coded.len()];
        matcher.combine(&clean(&sent), &mut soft);
        let mut decoded = vec![0; message.len()];
        assert!(decoder.decode(&soft, &mut decoded));
        assert_eq!(decoded, message);
    }
}

#[test]
fn transport_blocks_are_encoded_and_decoded_as_the_independent_encoder_does() {
    for words in vectors("transport", 28) {
        let octets = hex::decode(words[0]).unwrap();
        let version = words[1].parse().unwrap();
        let sent = bits(words[2]);
        let mut block = TransportBlock::new(8 * octets.len()).unwrap();
        let mut own = vec![0; sent.len()];
        block.encode(&octets, version, 4, &mut own);
        assert_eq!(own, sent, "version {version} of {} octets", octets.len());
        block.combine(&clean(&sent), version, 4);
        // Version 0 always holds the systematic bits; the others are added to it.
        if version != 0 {
            let mut first = vec![0; sent.len()];
            block.encode(&octets, 0, 4, &mut first);
            block.combine(&clean(&first), 0, 4);
        }
        assert_eq!(block.decode(), Some(&octets[..]), "version {version} of {} octets", octets.len());
    }
}

/// Log-likelihood ratios of one real component of a QPSK symbol with the signal-to-noise ratio `snr_db` of the symbol.
struct Channel {
    random: ChaCha8Rng,
    variance: f32,
}

impl Channel {
    fn new(snr_db: f32) -> Channel {
        // A component of unit amplitude has half the symbol's power and half its noise.
        Channel { random: ChaCha8Rng::seed_from_u64(36_212), variance: 10f32.powf(-snr_db / 10.0) }
    }

    fn soft(&mut self, coded: &[u8]) -> Vec<f32> {
        let deviation = self.variance.sqrt();
        let mut noise = || -> f32 { StandardNormal.sample(&mut self.random) };
        coded.iter().map(|&bit| 2.0 * (1.0 - 2.0 * f32::from(bit) + deviation * noise()) / self.variance).collect()
    }
}

/// Of `blocks` MIBs (40 bits with parity) in `sent` soft bits, those that come back; PBCH sends 480 in each frame.
fn mibs(snr_db: f32, sent: usize, blocks: u32) -> u32 {
    let mut channel = Channel::new(snr_db);
    let matcher = RateMatch::new(40);
    let mut decoder = TailBiting::new(40);
    let mut word = bits("101010000000110000000000").to_vec();
    word.resize(40, 0);
    CRC16.append(&mut word);
    let mut coded = vec![0; 120];
    tail_biting::encode(&word, &mut coded);
    let mut block = vec![0; sent];
    matcher.select(&coded, &mut block);
    let comes_back = |_: &u32| {
        let mut soft = vec![0.0; 120];
        matcher.combine(&channel.soft(&block), &mut soft);
        let mut decoded = vec![0; 40];
        decoder.decode(&soft, &mut decoded);
        decoded == word
    };
    (0..blocks).filter(comes_back).count() as u32
}

/// Of `blocks` transport blocks sent in `versions` of `sent` bits each, those that come back.
fn transport_blocks(snr_db: f32, sent: usize, versions: &[u8], blocks: u32) -> u32 {
    let octets: Vec<u8> = (0..18u8).map(|i| i.wrapping_mul(73) ^ 0x5a).collect();
    let mut channel = Channel::new(snr_db);
    let mut block = TransportBlock::new(144).unwrap();
    let coded: Vec<Vec<u8>> = versions
        .iter()
        .map(|&version| {
            let mut coded = vec![0; sent];
            block.encode(&octets, version, 4, &mut coded);
            coded
        })
        .collect();
    let mut comes_back = |_: &u32| {
        block.clear();
        for (version, coded) in versions.iter().zip(&coded) {
            block.combine(&channel.soft(coded), *version, 4);
        }
        block.decode() == Some(&octets[..])
    };
    (0..blocks).filter(|i| comes_back(i)).count() as u32
}

#[test]
fn the_share_of_blocks_decoded_in_noise_is_as_recorded() {
    let mut table = String::from("of 500 blocks; SNR of a QPSK symbol, AWGN, channel known\n");
    for snr_db in [-12.0, -11.0, -10.0, -9.0, -8.0, -7.0] {
        writeln!(table, "MIB in one frame (480 bits) {snr_db:6.1} dB  {:4}", mibs(snr_db, 480, 500)).unwrap();
    }
    for snr_db in [-18.0, -17.0, -16.0, -15.0, -14.0] {
        writeln!(table, "MIB in four frames          {snr_db:6.1} dB  {:4}", mibs(snr_db, 1920, 500)).unwrap();
    }
    for snr_db in [-7.0, -6.0, -5.0, -4.0] {
        let count = transport_blocks(snr_db, 960, &[0], 500);
        writeln!(table, "144 bits in 960, version 0  {snr_db:6.1} dB  {count:4}").unwrap();
    }
    for snr_db in [-13.0, -12.0, -11.0, -10.0] {
        let count = transport_blocks(snr_db, 960, &[0, 2, 3, 1], 500);
        writeln!(table, "the same, four versions     {snr_db:6.1} dB  {count:4}").unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn noise_alone_is_no_transport_block() {
    let mut channel = Channel::new(0.0);
    let mut block = TransportBlock::new(208).unwrap();
    for _ in 0..200 {
        let noise: Vec<f32> = channel.soft(&[0; 600]).iter().map(|soft| soft - 2.0).collect();
        block.clear();
        block.combine(&noise, 0, 4);
        assert_eq!(block.decode(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_soft_bits_in_any_number_do_no_harm(
        soft in prop::collection::vec(any::<f32>(), 0..400),
        octets in 1usize..300,
        version in any::<u8>(),
        group in 0usize..9,
    ) {
        let mut block = TransportBlock::new(8 * octets).unwrap();
        block.combine(&soft, version, group);
        let _ = block.decode();
        let mut coded = vec![0.0; 120];
        RateMatch::new(40).combine(&soft, &mut coded);
        TailBiting::new(40).decode(&coded, &mut [0; 40]);
    }
}
