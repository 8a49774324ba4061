//! GSM channel coding against an independent encoder, its limit in noise, and what may leave it.

#![cfg(feature = "sensor")]
// A test that panics has failed, which is what its helpers ask for.
#![allow(clippy::unwrap_used)]

use daen::rat::gsm::coding::{
    Block, CcchClass, Place, SCH_BITS, SchDecoder, SchInfo, XcchDecoder, encode_sch, encode_xcch,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::fmt::Write;

type Bursts = [[f32; 114]; 4];

fn bits<const N: usize>(text: &str) -> [u8; N] {
    let bits: Vec<u8> = text.bytes().map(|b| b - b'0').collect();
    bits.try_into().unwrap()
}

fn block(text: &str) -> [u8; 23] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn vectors(kind: &str) -> Vec<Vec<&'static str>> {
    let lines = include_str!("data/gsm-coding/vectors.txt").lines();
    let found: Vec<Vec<&str>> =
        lines.map(|line| line.split(' ').collect::<Vec<&str>>()).filter(|words| words[0] == kind).collect();
    assert!(found.len() > 20, "vectors of {kind}");
    found
}

/// Log-likelihood ratios of antipodal symbols of unit energy at `es_n0_db` (two-sided noise density N0 / 2).
struct Channel {
    random: ChaCha8Rng,
    variance: f32,
}

impl Channel {
    fn new(es_n0_db: f32) -> Channel {
        let variance = 0.5 * 10f32.powf(-es_n0_db / 10.0);
        Channel { random: ChaCha8Rng::seed_from_u64(45_003), variance }
    }

    fn soft(&mut self, bit: u8) -> f32 {
        let noise: f32 = StandardNormal.sample(&mut self.random);
        2.0 * (1.0 - 2.0 * f32::from(bit) + self.variance.sqrt() * noise) / self.variance
    }

    fn bursts(&mut self, coded: &[[u8; 114]; 4]) -> Bursts {
        coded.map(|burst| burst.map(|bit| self.soft(bit)))
    }
}

fn clean(coded: &[[u8; 114]; 4]) -> Bursts {
    coded.map(|burst| burst.map(|bit| 1.0 - 2.0 * f32::from(bit)))
}

/// SI3 of the recording gsm/bcch-953M6-500k.
const SI3: &str = "49061b3b2d72f2203aa8d0033c546506b900008020420b";

#[test]
fn blocks_are_encoded_as_the_independent_encoder_does() {
    for words in vectors("xcch") {
        let bursts = encode_xcch(&block(words[1]));
        for (burst, text) in bursts.iter().zip(&words[2..]) {
            assert_eq!(burst, &bits(text), "{}", words[1]);
        }
    }
}

#[test]
fn synchronisation_bursts_are_encoded_and_decoded_as_the_independent_encoder_does() {
    let mut decoder = SchDecoder::new();
    for words in vectors("sch") {
        let (bsic, frame_number): (u8, u32) = (words[1].parse().unwrap(), words[2].parse().unwrap());
        let coded: [u8; SCH_BITS] = bits(words[3]);
        assert_eq!(encode_sch(bsic, frame_number), coded);
        let soft = coded.map(|bit| 1.0 - 2.0 * f32::from(bit));
        assert_eq!(decoder.decode(&soft), Some(SchInfo { bsic, frame_number }));
    }
}

#[test]
fn blocks_of_the_independent_encoder_pass_the_fire_code_and_a_mixture_of_two_fails_it() {
    let mut decoder = XcchDecoder::new(false);
    for words in vectors("xcch") {
        let coded: [[u8; 114]; 4] = std::array::from_fn(|i| bits(words[2 + i]));
        assert_eq!(decoder.decode(&mut clean(&coded), Place::BcchNorm), Block::Other(None), "{}", words[1]);
    }
    let mut other = block(SI3);
    other[20] ^= 0x10;
    let (right, wrong) = (encode_xcch(&block(SI3)), encode_xcch(&other));
    let mut mixed = clean(&right);
    // Two bursts of the one and two inverted ones of the other decode to neither.
    mixed[1] = clean(&wrong)[1].map(|s| -s);
    mixed[3] = clean(&wrong)[3].map(|s| -s);
    assert_eq!(decoder.decode(&mut mixed, Place::BcchNorm), Block::Failed);
    assert_eq!(decoder.decode(&mut clean(&right), Place::BcchNorm), Block::SystemInformation(block(SI3)));
}

#[test]
fn system_information_leaves_only_from_the_bcch() {
    let coded = encode_xcch(&block(SI3));
    for count in [false, true] {
        let mut decoder = XcchDecoder::new(count);
        let mut at = |place| decoder.decode(&mut clean(&coded), place);
        assert_eq!(at(Place::BcchNorm), Block::SystemInformation(block(SI3)));
        assert_eq!(at(Place::BcchExt), Block::SystemInformation(block(SI3)));
        assert_eq!(at(Place::Ccch), Block::Other(count.then_some(CcchClass::Other)));
    }
}

/// Blocks that are not SYSTEM INFORMATION: header and class; the rest is filled with an octet that would be easy to find.
const OTHERS: [(&str, CcchClass); 13] = [
    ("150621", CcchClass::Paging),
    ("550622", CcchClass::Paging),
    ("4d0624", CcchClass::Paging),
    ("2d063f", CcchClass::AccessGrant),
    ("450639", CcchClass::AccessGrant),
    ("4d063a", CcchClass::AccessGrant),
    ("012b2b", CcchClass::Dummy),
    ("030301", CcchClass::Dummy),
    ("49061d", CcchClass::Other), // SI5, which is not for the BCCH
    ("490620", CcchClass::Other), // NOTIFICATION/NCH
    ("48061b", CcchClass::Other), // SI3 but for the pseudo length
    ("49161b", CcchClass::Other), // SI3 but for the skip indicator
    ("49051b", CcchClass::Other), // mobility management
];

#[test]
fn of_any_other_block_no_octet_survives_anywhere() {
    for (header, class) in OTHERS {
        let mut octets = [0xa5; 23];
        octets[..3].copy_from_slice(&hex::decode(header).unwrap());
        for place in [Place::BcchNorm, Place::BcchExt, Place::Ccch] {
            for count in [false, true] {
                let mut decoder = XcchDecoder::new(count);
                let mut bursts = clean(&encode_xcch(&octets));
                let outcome = decoder.decode(&mut bursts, place);
                assert_eq!(outcome, Block::Other(count.then_some(class)), "{header}");
                assert!(decoder.is_wiped(), "{header}");
                assert!(bursts.iter().flatten().all(|&soft| soft == 0.0), "{header}");
            }
        }
    }
}

#[test]
fn of_a_failed_block_nothing_survives_either() {
    let mut decoder = XcchDecoder::new(true);
    let mut bursts = Channel::new(-10.0).bursts(&encode_xcch(&block(SI3)));
    assert_eq!(decoder.decode(&mut bursts, Place::BcchNorm), Block::Failed);
    assert!(decoder.is_wiped());
    assert!(bursts.iter().flatten().all(|&soft| soft == 0.0));
}

#[test]
fn noise_alone_never_passes_the_fire_code() {
    let mut decoder = XcchDecoder::new(false);
    let mut channel = Channel::new(0.0);
    for _ in 0..2000 {
        let mut noise: Bursts = std::array::from_fn(|_| std::array::from_fn(|_| channel.soft(0) - channel.soft(0)));
        assert_eq!(decoder.decode(&mut noise, Place::BcchNorm), Block::Failed);
    }
}

/// libosmocoding 1.7.0, fed with the same kind of symbols as 8-bit soft bits, decodes 354, 754, 951, 990, 1000 and 1000 xCCH blocks.
#[test]
fn the_share_of_blocks_decoded_in_noise_is_as_recorded() {
    const BLOCKS: u32 = 1000;
    let mut table = String::from("Es/N0 dB   xcch   sch   of 1000; ideal antipodal symbols, AWGN\n");
    for es_n0_db in [-1.7, -0.7, 0.3, 1.3, 2.3, 3.3] {
        let mut channel = Channel::new(es_n0_db);
        let mut xcch = XcchDecoder::new(false);
        let coded = encode_xcch(&block(SI3));
        let right = Block::SystemInformation(block(SI3));
        let blocks = (0..BLOCKS).filter(|_| xcch.decode(&mut channel.bursts(&coded), Place::BcchNorm) == right).count();
        let mut sch = SchDecoder::new();
        let coded = encode_sch(48, 860_901);
        let right = Some(SchInfo { bsic: 48, frame_number: 860_901 });
        let bursts = (0..BLOCKS).filter(|_| sch.decode(&coded.map(|bit| channel.soft(bit))) == right).count();
        writeln!(table, "{es_n0_db:8.1} {blocks:6} {bursts:5}").unwrap();
    }
    insta::assert_snapshot!(table);
}
