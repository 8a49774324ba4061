//! The LTE test transmitter held against real cells: what it would have sent is what was received.
//!
//! For each strong cell of the recordings its subframes are made again from its MIB and, where the recording holds it, its SIB1. The
//! channel is not known: synchronisation and reference signals are compared by what neighbouring elements have in common, the
//! broadcast and shared channels through the channel that the reference signals tell.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "support/captures.rs"]
mod captures;

use captures::{captures, load, truth};
use daen::observation::{Fields, FrameName};
use daen::radio::source::StreamInfo;
use daen::rat::CellReport;
use daen::rat::lte::channel::Channel;
use daen::rat::lte::control::{Control, Layout, PHICH_FACTORS, Place, SI_RNTI};
use daen::rat::lte::dci;
use daen::rat::lte::grid::{Cutter, Grid, Pace, Stretch};
use daen::rat::lte::numerology::{CENTRE, CyclicPrefix, Duplex, pss_place, sss_place};
use daen::rat::lte::reference::Reference;
use daen::rat::lte::{Options, Receiver, pbch, shared};
use daen::synth::lte::resources::Resources;
use daen::synth::lte::{Cell, Format, Frames, Grant};
use daen::units::{Db, Hz};
use num_complex::Complex32;
use serde_json::Value;
use std::path::Path;

/// Names of the LTE recordings that hold cells.
fn names(root: &Path) -> Vec<String> {
    let held = |value: &Value| value["cells"].as_array().is_some_and(|cells| !cells.is_empty());
    truth(root, "lte/").into_iter().filter(|(_, value)| held(value)).map(|(name, _)| name).collect()
}

/// A real cell: its subframes as received, and the cell that would have sent them.
struct Real<'a> {
    cutter: Cutter,
    stretch: Stretch<'a>,
    pace: Pace,
    /// System frame number of frame 0 of the pace.
    number: i64,
    cell: Cell,
    layout: Layout,
    /// Resource blocks that the stream holds.
    reference: Reference,
}

impl<'a> Real<'a> {
    fn new(info: &StreamInfo, samples: &'a [Complex32], report: &CellReport) -> Real<'a> {
        let scale = (info.sample_rate.0 / 1.92e6) as usize;
        let cutter = Cutter::new(scale);
        let timing = report.timing.unwrap();
        let at = (timing.at_ns.0 as f64 + timing.at_frac_ns) * 1e-9 * info.sample_rate.0;
        let FrameName::Radio { sfn, .. } = timing.frame else { panic!("another standard") };
        let pace = Pace {
            start: at,
            period: cutter.frame() / (1.0 + timing.rate_ppb.0 * 1e-9),
            offset: report.carrier.hz + Hz(report.key.center_hz as f64 - info.center.0),
        };
        let fields = report.fields.as_ref().and_then(Fields::lte).unwrap();
        let (radio, mib) = (fields.radio.unwrap(), fields.mib.unwrap());
        let block = report.broadcast.iter().find(|block| block.name == "MIB").unwrap();
        let cp = if radio.extended_cp { CyclicPrefix::Extended } else { CyclicPrefix::Normal };
        let blocks = usize::from(mib.prb);
        let cell = Cell {
            ports: radio.ports.into(),
            cp,
            frames: if radio.tdd { Frames::Type2 { assignment: 2, special: 7 } } else { Frames::Type1 },
            phich_extended: mib.phich_extended,
            phich_sixths: mib.phich_ng_sixths.into(),
            mib_spare: u16::from(block.octets.0[1] & 3) << 8 | u16::from(block.octets.0[2]),
            ..Cell::new(report.key.id, blocks)
        };
        let layout = Layout {
            pci: cell.pci,
            cp,
            blocks,
            ports: cell.ports,
            phich_extended: cell.phich_extended,
            phich_sixths: cell.phich_sixths,
        };
        let seen = if 12 * blocks <= cutter.max_subcarriers() { blocks } else { CENTRE / 12 };
        let reference = Reference::new(cell.pci, cp, seen);
        let stretch = Stretch { samples, first: 0 };
        Real { cutter, stretch, pace, number: sfn.into(), cell, layout, reference }
    }

    fn frame_number(&self, frame: i64) -> u16 {
        (self.number + frame).rem_euclid(1024) as u16
    }

    fn receive(&mut self, frame: i64, subframe: usize) -> (Grid, Channel) {
        let cp = self.cell.cp;
        let mut grid = Grid::new(self.reference.subcarriers(), cp.symbols());
        let place = (frame, subframe);
        assert!(self.cutter.cut(&self.stretch, &self.pace, place, cp, 0..cp.symbols(), &mut grid));
        let mut channel = Channel::new(self.cell.ports, self.reference.subcarriers(), cp.symbols());
        channel.estimate(&grid, &self.reference, subframe, cp.symbols(), self.cell.ports, None);
        (grid, channel)
    }

    /// The same subframe as the test transmitter sends it, by port, cut to the subcarriers received.
    fn make(&self, cell: &Cell, frame: i64, subframe: usize) -> Vec<Grid> {
        let whole = 12 * cell.blocks;
        let mut sent = vec![Grid::new(whole, cell.cp.symbols()); cell.ports];
        let number = self.frame_number(frame);
        Resources::new(cell.clone()).unwrap().subframe(0, number, subframe, &mut sent);
        let skipped = (whole - self.reference.subcarriers()) / 2;
        sent.iter()
            .map(|sent| {
                let mut cut = Grid::new(self.reference.subcarriers(), cell.cp.symbols());
                for symbol in 0..cell.cp.symbols() {
                    let part = &sent.symbol(symbol)[skipped..skipped + self.reference.subcarriers()];
                    cut.symbol_mut(symbol).copy_from_slice(part);
                }
                cut
            })
            .collect()
    }
}

/// Sums of a correlation coefficient.
#[derive(Clone, Copy, Default)]
struct Likeness {
    product: Complex32,
    one: f32,
    other: f32,
}

impl Likeness {
    fn add(&mut self, one: Complex32, other: Complex32) {
        self.product += one * other.conj();
        self.one += one.norm_sqr();
        self.other += other.norm_sqr();
    }

    fn coefficient(&self) -> f32 {
        self.product.norm() / (self.one * self.other).sqrt()
    }

    /// What received elements over sent ones have in common with the next ones, `spacing` subcarriers above.
    fn neighbours(&mut self, received: &[Complex32], sent: &[Complex32], spacing: usize) {
        let over: Vec<Complex32> = received.iter().zip(sent).map(|(r, s)| r * s.conj()).collect();
        for (k, value) in over.iter().enumerate().skip(spacing) {
            if sent[k].norm_sqr() > 0.0 && sent[k - spacing].norm_sqr() > 0.0 {
                self.add(*value, over[k - spacing]);
            }
        }
    }

    /// Elements as received and as sent through the channel.
    fn through(&mut self, (grid, channel): (&Grid, &Channel), sent: &[Grid], elements: &[(usize, usize)]) {
        for &(symbol, k) in elements {
            let expected = |(port, sent): (usize, &Grid)| sent.symbol(symbol)[k] * channel.gain(port, symbol)[k];
            self.add(grid.symbol(symbol)[k], sent.iter().enumerate().map(expected).sum());
        }
    }
}

fn strong_cells(root: &Path, name: &str) -> (StreamInfo, Vec<Complex32>, Vec<CellReport>) {
    let (info, samples) = load(root, name);
    let mut receiver = Receiver::new(&info, Options::default());
    let (mut live, mut last) = (Vec::new(), Vec::new());
    receiver.process(&samples, &mut live);
    receiver.finish(&mut last);
    last.retain(|report| report.snr > Db(10.0));
    (info, samples, last)
}

#[test]
fn synchronisation_references_and_broadcast_channel_are_those_of_real_cells() {
    let Some(root) = captures() else { return };
    let (mut cells, mut ports) = (0, [0; 5]);
    for name in names(&root) {
        let (info, samples, reports) = strong_cells(&root, &name);
        for report in reports {
            let mut real = Real::new(&info, &samples, &report);
            let duplex = real.cell.frames.duplex();
            let [mut primary, mut secondary, mut reference, mut broadcast, mut chance] = [Likeness::default(); 5];
            // Its reference signals stand in the same places.
            let other = Cell { pci: (real.cell.pci + 6) % 504, ..real.cell.clone() };
            let cp = real.cell.cp;
            let elements = pbch::elements(real.cell.pci, cp, real.reference.subcarriers());
            let subframes: &[usize] = if duplex == Duplex::Tdd { &[0, 1, 5, 6] } else { &[0, 5] };
            for &subframe in subframes {
                for frame in real.cutter.frames(&real.stretch, &real.pace, subframe) {
                    let (grid, channel) = real.receive(frame, subframe);
                    let sent = real.make(&real.cell, frame, subframe);
                    let middle = real.reference.subcarriers() / 2;
                    let centre = middle - 31..middle + 31;
                    for (place, sum) in [(pss_place(duplex, cp), &mut primary), (sss_place(duplex, cp), &mut secondary)]
                    {
                        if subframe % 5 == place.0 {
                            let of = |grid: &Grid| grid.symbol(place.1)[centre.clone()].to_vec();
                            sum.neighbours(&of(&grid), &of(&sent[0]), 1);
                        }
                    }
                    let (first, _) = real.reference.of(0, subframe, 0).unwrap();
                    let only = |grid: &Grid| -> Vec<Complex32> {
                        grid.symbol(0)[first..].iter().step_by(6).copied().collect()
                    };
                    reference.neighbours(&only(&grid), &only(&sent[0]), 1);
                    chance.neighbours(&only(&grid), &only(&real.make(&other, frame, subframe)[0]), 1);
                    if subframe == 0 {
                        broadcast.through((&grid, &channel), &sent, &elements);
                    }
                }
            }
            let all = [primary, secondary, reference, broadcast].map(|sum| sum.coefficient());
            let what = format!("{name} pci {} of {} ports, {:.1} dB", real.cell.pci, real.cell.ports, report.snr.0);
            // Another eNodeB's samples without noise, and what ten decibels leave of a real cell with its echoes.
            let least = if report.snr > Db(40.0) { 0.999 } else { 0.6 };
            assert!(all.iter().all(|&coefficient| coefficient > least), "{what}: PSS, SSS, CRS, PBCH {all:?}");
            assert!(chance.coefficient() < 0.2, "{what}: reference signals of another cell {}", chance.coefficient());
            cells += 1;
            ports[real.cell.ports] += 1;
        }
    }
    assert!(cells >= 9 && ports[1] >= 3 && ports[2] >= 6, "{cells} cells, by ports {ports:?}");
}

#[test]
fn system_information_stands_on_the_elements_where_real_cells_send_it() {
    let Some(root) = captures() else { return };
    let mut blocks = 0;
    for name in names(&root) {
        let (info, samples, reports) = strong_cells(&root, &name);
        for report in reports {
            let Some(sib1) = report.broadcast.iter().find(|block| block.name == "SIB1") else { continue };
            let mut real = Real::new(&info, &samples, &report);
            let mut control = Control::new(real.layout);
            let duplex = real.cell.frames.duplex();
            let lengths = [dci::length_1a(duplex, real.cell.blocks)];
            let (mut shared_channel, mut indicator) = (Likeness::default(), Likeness::default());
            for frame in real.cutter.frames(&real.stretch, &real.pace, 5) {
                if !real.frame_number(frame).is_multiple_of(2) {
                    continue;
                }
                let (grid, channel) = real.receive(frame, 5);
                let format = control.formats((&grid, &channel), 5)[0];
                let view = (&grid, &channel);
                let place = Place { subframe: 5, special: false };
                let found = control.search(view, place, (&[format], &PHICH_FACTORS), SI_RNTI, &lengths);
                let Some(message) = found.and_then(|mut found| found.bits.pop()) else { continue };
                let assignment = dci::format_1a(&message, real.cell.blocks).unwrap();
                if assignment.bits < 8 * sib1.octets.0.len() {
                    continue;
                }
                let second_gap = message[2 + dci::indication_bits(real.cell.blocks) + 5 + 3] == 1;
                let format_of = if message[1] == 1 { Format::Distributed { second_gap } } else { Format::Localized };
                let cell = Cell {
                    format_indicator: format,
                    sib1: sib1.octets.0.clone(),
                    grant: Grant { format: format_of, aggregation: 4, blocks: assignment.blocks[0].len() },
                    ..real.cell.clone()
                };
                let sent = real.make(&cell, frame, 5);
                let symbols = real.layout.symbols(format, false)..cell.cp.symbols();
                let elements = shared::elements(&real.layout, (duplex, 5), symbols, &assignment);
                shared_channel.through(view, &sent, &elements);
                let groups = real.layout.indicator().into_iter().flat_map(|first| real.layout.elements(0, first));
                indicator.through(view, &sent, &groups.collect::<Vec<_>>());
                blocks += 1;
            }
            let all = [shared_channel, indicator].map(|sum| sum.coefficient());
            let least = if report.snr > Db(40.0) { 0.999 } else { 0.8 };
            assert!(all.iter().all(|&c| c > least), "{name} pci {}: PDSCH, PCFICH {all:?}", real.cell.pci);
        }
    }
    assert!(blocks >= 90, "{blocks} blocks of SIB1");
}
