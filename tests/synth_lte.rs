//! The LTE test transmitter: what the receiver makes of it, and how it compares with real cells.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::observation::{Fields, FrameName};
use daen::radio::source::StreamInfo;
use daen::rat::CellReport;
use daen::rat::lte::numerology::CyclicPrefix;
use daen::rat::lte::{Options, Receiver};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::synth::lte::{Cell, Format, Frames, Grant, Repeats};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write;

fn messages() -> Value {
    serde_json::from_str(include_str!("data/lte-synth/messages.json")).unwrap()
}

fn octets(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// A cell that sends SIB1 and both its messages.
fn talking(cell: Cell) -> Cell {
    let messages = messages();
    let sib1 = match cell.frames {
        Frames::Type1 => octets(&messages["fdd"]),
        Frames::Type2 { assignment, special } => {
            octets(&messages["tdd"][usize::from(assignment)][usize::from(special)])
        }
    };
    Cell { sib1, messages: vec![octets(&messages["si"][0]), octets(&messages["si"][1])], ..cell }
}

fn stream(rate: f64) -> StreamInfo {
    StreamInfo { stream: "test".into(), center: Hz(1842.5e6), sample_rate: Hz(rate), start: Timestamp(0) }
}

fn config(cell: Cell) -> DownlinkConfig {
    DownlinkConfig {
        frame_number: 1020,
        start: Picos(-3_456_789_123),
        ..DownlinkConfig::new(cell, Hz(1842.5e6), Dbfs(-20.0))
    }
}

/// `millis` of what a receiver hears of `configs`, with noise of the given level.
fn samples(info: &StreamInfo, configs: &[DownlinkConfig], noise: Option<Dbfs>, millis: usize) -> Vec<Complex32> {
    let mut out = vec![Complex32::default(); (info.sample_rate.0 * 1e-3) as usize * millis];
    for config in configs {
        Downlink::new(info, Ppb(0.0), config.clone()).unwrap().add_to(SampleIndex(0), &mut out);
    }
    if let Some(level) = noise {
        Noise::new(1, level, info.sample_rate).add_to(SampleIndex(0), &mut out);
    }
    out
}

fn receive(info: &StreamInfo, samples: &[Complex32], reach: f64) -> Vec<CellReport> {
    let options = Options { max_offset: Hz(reach), ..Options::default() };
    let mut receiver = Receiver::new(info, options);
    let (mut live, mut last) = (Vec::new(), Vec::new());
    samples.chunks(1 << 16).for_each(|part| receiver.process(part, &mut live));
    receiver.finish(&mut last);
    last
}

fn broadcast(report: &CellReport, name: &str) -> Vec<String> {
    let mut all: Vec<String> =
        report.broadcast.iter().filter(|block| block.name == name).map(|block| block.octets.to_string()).collect();
    all.sort();
    all
}

/// The lowest rate of the receiver's grid that holds so many blocks.
fn rate(blocks: usize) -> f64 {
    let scale = match blocks {
        6 => 1,
        15 => 2,
        25 => 4,
        50 => 8,
        75 => 12,
        _ => 16,
    };
    1.92e6 * f64::from(scale)
}

/// All that a cell sends is received, and nothing else. The messages are padded to the size of their transport block.
fn is_heard(cell: &Cell, info: &StreamInfo, reports: &[CellReport]) {
    let what = format!("{cell:?} at {}", info.sample_rate.0);
    assert_eq!(reports.len(), 1, "{what}");
    let report = &reports[0];
    let fields = report.fields.as_ref().and_then(Fields::lte).unwrap();
    let radio = fields.radio.unwrap();
    assert_eq!((report.key.id, usize::from(radio.ports)), (cell.pci, cell.ports), "{what}");
    assert_eq!(radio.extended_cp, cell.cp == CyclicPrefix::Extended, "{what}");
    assert_eq!(radio.tdd, cell.frames != Frames::Type1, "{what}");
    let mib = fields.mib.unwrap();
    assert_eq!((usize::from(mib.prb), mib.phich_extended), (cell.blocks, cell.phich_extended), "{what}");
    assert_eq!(usize::from(mib.phich_ng_sixths), cell.phich_sixths, "{what}");
    for (name, sent) in [("SIB1", std::slice::from_ref(&cell.sib1)), ("SI", &cell.messages[..])] {
        let mut sent: Vec<String> = sent.iter().map(hex::encode).collect();
        sent.sort();
        let heard = broadcast(report, name);
        assert_eq!(heard.len(), sent.len(), "{name}: {:?} of {what}", report.counts);
        for (heard, sent) in heard.iter().zip(&sent) {
            let padding = heard.strip_prefix(sent.as_str());
            assert!(padding.is_some_and(|rest| rest.bytes().all(|b| b == b'0')), "{heard} is not {sent}: {what}");
        }
    }
}

#[test]
fn every_width_port_number_prefix_and_duplex_is_received() {
    for blocks in [6, 15, 25, 50, 75, 100] {
        for (i, ports) in [1, 2, 4].into_iter().enumerate() {
            for cp in [CyclicPrefix::Normal, CyclicPrefix::Extended] {
                for frames in [Frames::Type1, Frames::Type2 { assignment: 1, special: 7 - 3 * (i as u8) }] {
                    let pci = (blocks * 5 + 7 * ports) as u16 % 504;
                    let plain = Cell { ports, cp, frames, load: 0.5, ..Cell::new(pci, blocks) };
                    let cell = talking(plain);
                    let info = stream(rate(blocks));
                    let noise = cell.noise(Dbfs(-20.0), Db(15.0));
                    let heard = samples(&info, &[config(cell.clone())], Some(noise), 100);
                    is_heard(&cell, &info, &receive(&info, &heard, 6e3));
                }
            }
        }
    }
}

/// Hears `cell` alone at its own rate, 15 dB above the noise.
fn hear(cell: &Cell, millis: usize) {
    let info = stream(rate(cell.blocks));
    let noise = cell.noise(Dbfs(-20.0), Db(15.0));
    let heard = samples(&info, &[config(cell.clone())], Some(noise), millis);
    is_heard(cell, &info, &receive(&info, &heard, 6e3));
}

#[test]
fn every_format_of_grants_is_received() {
    let formats = [
        (25, Format::Localized),
        (25, Format::Compact { second_gap: false }),
        (50, Format::Distributed { second_gap: true }),
        (50, Format::Compact { second_gap: false }),
        (50, Format::Compact { second_gap: true }),
        (75, Format::Compact { second_gap: true }),
    ];
    for (blocks, format) in formats {
        for ports in [1, 4] {
            let grant = Grant { format, aggregation: 4, blocks: 8 };
            hear(&talking(Cell { ports, grant, load: 0.3, ..Cell::new(211, blocks) }), 100);
        }
    }
}

#[test]
fn messages_in_special_subframes_are_received() {
    for special in [1, 2, 3, 4, 6, 7, 8] {
        for phich_extended in [false, true] {
            // The second subframe of a window is a special one: the only copy stands there.
            let repeats = Repeats { skip: 1, count: 1, every: 1 };
            let frames = Frames::Type2 { assignment: 0, special };
            hear(&talking(Cell { frames, repeats, phich_extended, phich_sixths: 6, ..Cell::new(150, 15) }), 100);
        }
    }
}

#[test]
fn sib1_is_received_whatever_share_the_phich_has() {
    // In subframe 5 m_i is 2 for configuration 0, 1 for configuration 6 and 0 for the others.
    for assignment in 0..7 {
        let frames = Frames::Type2 { assignment, special: 7 };
        hear(&talking(Cell { frames, phich_sixths: 12, ..Cell::new(33, 25) }), 100);
    }
}

#[test]
fn rates_that_fit_the_grid_and_rates_that_do_not_are_received() {
    let rates =
        [(5.76e6, 25), (11.52e6, 50), (19.2e6, 100), (23.04e6, 100), (2e6, 6), (2.4e6, 6), (10e6, 50), (20e6, 100)];
    for (rate, blocks) in rates {
        let cell = talking(Cell { ports: 2, load: 0.5, ..Cell::new(400, blocks) });
        let info = stream(rate);
        let noise = cell.noise(Dbfs(-20.0), Db(15.0));
        let config = DownlinkConfig { clock_error: Ppb(1200.0), ..config(cell.clone()) };
        let heard = samples(&info, &[config], Some(noise), 100);
        is_heard(&cell, &info, &receive(&info, &heard, 6e3));
    }
}

#[test]
fn a_recording_with_two_redundancy_versions_of_sib1_is_enough() {
    for first in [0, 2, 4, 6] {
        let plain = Cell { messages: Vec::new(), ..talking(Cell::new(8, 15)) };
        let cell = Cell { grant: Grant { blocks: 3, ..plain.grant }, ..plain };
        let info = stream(3.84e6);
        let config = DownlinkConfig { frame_number: first, start: Picos(0), ..config(cell.clone()) };
        let noise = cell.noise(Dbfs(-20.0), Db(8.0));
        let heard = samples(&info, &[config], Some(noise), 40);
        is_heard(&cell, &info, &receive(&info, &heard, 6e3));
    }
}

#[test]
fn frames_begin_when_the_transmitter_began_them() {
    for (rate, clock) in [(1.92e6, 0.0), (2e6, 0.0), (3.84e6, 4000.0), (1.92e6, -4000.0)] {
        let cell = Cell::new(77, 6);
        let info = stream(rate);
        let noise = cell.noise(Dbfs(-20.0), Db(20.0));
        let config = DownlinkConfig { clock_error: Ppb(clock), ..config(cell) };
        let heard = samples(&info, std::slice::from_ref(&config), Some(noise), 320);
        let reports = receive(&info, &heard, 10e3);
        let timing = reports[0].timing.unwrap();
        let FrameName::Radio { sfn, half: 0 } = timing.frame else { panic!("{:?}", timing.frame) };
        let frames = f64::from((sfn + 1024 - config.frame_number) % 1024);
        let sent = config.start.as_secs_f64() * 1e9 + frames * 1e7 / (1.0 + clock * 1e-9);
        let late = timing.at_ns.0 as f64 + timing.at_frac_ns - sent;
        assert!(late.abs() < 10.0 && late.abs() < 5.0 * timing.sigma_ns, "{late} ns, sigma {}", timing.sigma_ns);
        assert!((timing.rate_ppb.0 - clock).abs() < 5.0 * timing.rate_sigma_ppb.0, "{timing:?}");
        let carrier = clock * 1.8425;
        assert!((reports[0].carrier.hz.0 - carrier).abs() < 20.0, "{:?}", reports[0].carrier);
    }
}

#[test]
fn a_second_path_and_a_second_cell_leave_the_first_one_readable() {
    let cell = talking(Cell { ports: 2, load: 0.5, ..Cell::new(9, 25) });
    let strong = config(cell.clone());
    let echo = strong.second_path(Picos(1_700_000), Db(3.0), [0.2, 0.9, 0.0, 0.0]);
    let other = DownlinkConfig {
        level: strong.level - Db(9.0),
        start: Picos(5_000_000_000),
        ..config(Cell { ports: 2, ..Cell::new(10, 25) })
    };
    let info = stream(rate(25));
    let heard = samples(&info, &[strong, echo, other], Some(cell.noise(Dbfs(-20.0), Db(20.0))), 100);
    let mut reports = receive(&info, &heard, 6e3);
    assert_eq!(reports.iter().map(|report| report.key.id).collect::<Vec<_>>(), [9, 10]);
    reports.truncate(1);
    is_heard(&cell, &info, &reports);
}

/// Of `trials` recordings of 80 ms, four redundancy versions, those from which SIB1 is read: 50 resource blocks, three of them for SIB1
/// as srsRAN gives it, control region of three symbols, eight control channel elements, one port.
fn sib1_at(snr: Db, trials: u16) -> usize {
    let info = stream(15.36e6);
    let grant = Grant { format: Format::Localized, aggregation: 8, blocks: 3 };
    let heard = |trial: &u16| {
        let plain = Cell { messages: Vec::new(), ..talking(Cell { grant, ..Cell::new(trial * 7, 50) }) };
        let config = DownlinkConfig {
            frame_number: trial * 2,
            carrier_offset: Hz(f64::from(trial % 11) * 300.0 - 1500.0),
            ..config(plain.clone())
        };
        let mut out = samples(&info, &[config], None, 80);
        Noise::new(u64::from(*trial), plain.noise(Dbfs(-20.0), snr), info.sample_rate).add_to(SampleIndex(0), &mut out);
        receive(&info, &out, 6e3).iter().any(|report| broadcast(report, "SIB1").len() == 1)
    };
    (0..trials).filter(heard).count()
}

#[test]
fn sib1_is_read_far_below_the_noise_from_four_redundancy_versions() {
    let mut table = String::from("SNR of a resource element, SIB1 of 50 resource blocks read in 80 ms, of 20\n");
    for snr in [-4.0, -6.0, -8.0, -10.0] {
        let read = sib1_at(Db(snr), 20);
        writeln!(table, "{snr:5.1} dB {read:3}").unwrap();
        assert!(snr < -6.0 || read >= 18, "{read} of 20 at {snr} dB");
    }
    insta::assert_snapshot!("sib1", table);
}

#[test]
fn messages_spread_over_their_windows_add_up_from_window_to_window() {
    // Two copies a window, five subframes apart, too weak to be read from one window.
    let plain = talking(Cell::new(500, 25));
    let repeats = Repeats { skip: 3, count: 2, every: 5 };
    let grant = Grant { format: Format::Localized, aggregation: 8, blocks: 2 };
    let cell = Cell { repeats, grant, ..plain };
    let info = stream(rate(25));
    let count = |millis: usize, snr: f64| {
        let heard = samples(&info, &[config(cell.clone())], Some(cell.noise(Dbfs(-20.0), Db(snr))), millis);
        let reports = receive(&info, &heard, 6e3);
        reports.iter().map(|report| broadcast(report, "SI").len()).sum::<usize>()
    };
    assert_eq!(count(100, -6.0), 0, "one window each");
    assert_eq!(count(900, -6.0), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_a_cell_says_does_no_harm(
        sib1 in prop::collection::vec(any::<u8>(), 1..60),
        scheduled in any::<bool>(),
        message in prop::collection::vec(any::<u8>(), 1..60),
        pci in 0u16..504,
    ) {
        let known = talking(Cell { load: 0.2, ..Cell::new(pci, 15) });
        let cell = match scheduled {
            true => Cell { messages: vec![message], ..known },
            false => Cell { sib1: sib1.clone(), messages: Vec::new(), ..known },
        };
        let info = stream(3.84e6);
        let heard = samples(&info, &[config(cell.clone())], Some(cell.noise(Dbfs(-20.0), Db(15.0))), 70);
        let reports = receive(&info, &heard, 6e3);
        prop_assert_eq!(reports.len(), 1);
        let said: usize = ["SIB1", "SI"].iter().map(|name| broadcast(&reports[0], name).len()).sum();
        // A block of zeros is no block, and is not taken for one.
        let blank = !scheduled && sib1.iter().all(|&octet| octet == 0);
        prop_assert!(said >= 1 || blank);
    }
}
