//! The LTE test transmitter: what the receiver makes of it, and how it compares with real cells.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::observation::Fields;
use daen::radio::source::StreamInfo;
use daen::rat::CellReport;
use daen::rat::lte::numerology::CyclicPrefix;
use daen::rat::lte::{Options, Receiver};
use daen::synth::channel::Noise;
use daen::synth::gsm::Picos;
use daen::synth::lte::downlink::{Downlink, DownlinkConfig};
use daen::synth::lte::{Cell, Frames};
use daen::units::{Db, Dbfs, Hz, Ppb, SampleIndex, Timestamp};
use num_complex::Complex32;
use serde_json::Value;

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
                    let heard = samples(&info, &[config(cell.clone())], Some(noise), 330);
                    is_heard(&cell, &info, &receive(&info, &heard, 6e3));
                }
            }
        }
    }
}
