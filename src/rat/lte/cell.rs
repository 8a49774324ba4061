//! One cell whose MIB is known: its frames followed, its system information received, its signal measured.

use super::acquire::Acquired;
use super::cancel::Known;
use super::channel::Channel;
use super::control::{Control, Layout, PHICH_FACTORS, Place, SI_RNTI};
use super::dci::{self, Assignment};
use super::grid::{Cutter, Grid, Pace, Stretch};
use super::listening::Listening;
use super::measure::{Line, Measurements};
use super::middle::{self, Middle};
use super::numerology::{BASE_FRAME, BLOCK, CENTRE, CyclicPrefix, Duplex, MAX_SYMBOLS, SUBFRAMES};
use super::pbch::{MOTHER_BITS, Mother, PERIOD, first_frame, stable};
use super::reference::Reference;
use super::shared;
use super::sounding::Sounding;
use super::system_information::{SystemInformation, is_sib1};
use crate::l3::lte::parse_mib;
use crate::observation::lte::Signal;
use crate::observation::{BroadcastBlock, Octets};
use crate::rat::MAX_BROADCAST;
use crate::units::Hz;
use std::collections::BTreeMap;
use std::ops::Range;

/// Values of the system frame number; TS 36.331 clause 6.2.2.
const FRAME_NUMBERS: i64 = 1024;
/// Symbols that hold the longest control region and the reference signals of all ports in it.
const CONTROL_SYMBOLS: usize = 4;
/// Below this the whole subframe is used to estimate the channel of the control region.
const STRONG: f32 = 6.3;
/// Share of a measured error by which the pace follows it.
const TIMING_GAIN: f64 = 0.2;
/// The same for the length of a frame.
const PERIOD_GAIN: f64 = 0.02;
/// The same for the carrier.
const OFFSET_GAIN: f64 = 0.1;
/// Copies of SIB1 one after the other, all alike, after which one of each period of 80 ms is enough.
const SETTLED: u32 = 8;
/// Frames of a period of SIB1; TS 36.331 clause 5.2.1.2.
const SIB1_FRAMES: u16 = 8;
/// Samples at the base rate that a subframe may be from where it was expected.
const MARGIN: f64 = 4.0;
/// Frames without a MIB after which a cell is given up: one second.
const LOST_FRAMES: i64 = 100;

/// What is needed to receive a cell's system information; present where the stream holds its whole bandwidth.
#[derive(Debug)]
struct Wide {
    layout: Layout,
    control: Control,
    /// Lengths of formats 1A and 1C.
    lengths: [usize; 2],
    /// The PHICH's m_i that messages were found with last.
    factor: usize,
    /// Where SIB1 stood last, and whether it was read there.
    usual: Option<(Assignment, bool)>,
    soft: Vec<f32>,
}

/// One cell.
#[derive(Debug)]
pub struct Cell {
    /// Physical cell identity.
    pub pci: u16,
    /// Frame structure.
    pub duplex: Duplex,
    /// Cyclic prefix.
    pub cp: CyclicPrefix,
    /// Antenna ports.
    pub ports: usize,
    /// Resource blocks of its downlink.
    pub blocks: usize,
    /// Where its frames are.
    pub pace: Pace,
    /// Level, noise, timing and carrier.
    pub measurements: Measurements,
    /// Counters.
    pub counts: BTreeMap<&'static str, u64>,
    /// Distinct messages.
    pub broadcast: Vec<BroadcastBlock>,
    /// What its system information says of itself.
    pub information: SystemInformation,
    /// Places of the first and the last sample that belong to it.
    pub heard: (f64, f64),
    /// Something new was received since this was last cleared.
    pub changed: bool,
    number: u16,
    /// The last MIB, its frame number zeroed.
    mib: [u8; 3],
    /// The MIB that it was acquired by has not come again: it lies in the stretch that is followed and counts once.
    repeated: bool,
    next: (i64, usize),
    last_mib: i64,
    middle: Middle,
    /// Cells at the same place, to be taken out.
    known: Vec<Known>,
    period: Mother,
    collected: usize,
    /// The last SIB1, how often it came without another between, and the frame in which it came last.
    sib1: (Vec<u8>, u32),
    sib1_last: i64,
    listening: Listening,
    reference: Reference,
    grid: Grid,
    channel: Channel,
    wide: Option<Wide>,
    sounding: Sounding,
}

impl Cell {
    /// A cell that was acquired; it is followed from the first subframe of `stretch` on, and the cells `known`, which are at
    /// the same place, are taken out. `None` where its MIB is senseless.
    pub fn new(
        acquired: &Acquired,
        (pci, duplex, cp): (u16, Duplex, CyclicPrefix),
        cutter: &Cutter,
        stretch: &Stretch<'_>,
        known: Vec<Known>,
    ) -> Option<Cell> {
        let mib = parse_mib(acquired.mib.octets).ok()?.0;
        let blocks = usize::from(mib.prb);
        let ports = acquired.mib.ports;
        let whole = blocks * BLOCK <= cutter.max_subcarriers();
        let subcarriers = if whole { blocks * BLOCK } else { CENTRE };
        let layout = Layout {
            pci,
            cp,
            blocks,
            ports,
            phich_extended: mib.phich_extended,
            phich_sixths: usize::from(mib.phich_ng_sixths),
        };
        let wide = whole.then(|| Wide {
            layout,
            control: Control::new(layout),
            lengths: [dci::length_1a(duplex, blocks), dci::length_1c(blocks)],
            factor: PHICH_FACTORS[0],
            usual: None,
            soft: Vec::new(),
        });
        let first =
            ((stretch.first as f64 - acquired.pace.start) / acquired.pace.period * SUBFRAMES as f64).ceil() as i64;
        let next = (first.div_euclid(SUBFRAMES as i64), first.rem_euclid(SUBFRAMES as i64) as usize);
        let start = acquired.pace.subframe(next.0, next.1);
        let octets = stable(acquired.mib.octets);
        let mut counts = BTreeMap::from([("mib", 1)]);
        if serves_machines(octets) {
            counts.insert("emtc", 1);
        }
        Some(Cell {
            pci,
            duplex,
            cp,
            ports,
            blocks,
            pace: acquired.pace,
            measurements: Measurements::default(),
            counts,
            broadcast: vec![BroadcastBlock { name: "MIB".to_owned(), octets: Octets(octets.to_vec()), count: 1 }],
            repeated: true,
            information: SystemInformation::new(mib),
            heard: (start, start),
            changed: true,
            number: acquired.sfn,
            mib: octets,
            next,
            last_mib: 0,
            middle: Middle::new(pci, cp, ports, known.iter().any(|known| known.ports() == 4)),
            known,
            period: [0.0; MOTHER_BITS],
            collected: 0,
            sib1: (Vec::new(), 0),
            sib1_last: i64::MIN,
            listening: Listening::new(next.0),
            reference: Reference::new(pci, cp, subcarriers / BLOCK),
            grid: Grid::new(subcarriers, MAX_SYMBOLS),
            channel: Channel::new(ports, subcarriers, MAX_SYMBOLS),
            wide,
            sounding: Sounding::new((pci, duplex, cp), subcarriers / BLOCK, cutter, next.0),
        })
    }

    /// The system frame number of frame `frame` of the pace.
    pub fn frame_number(&self, frame: i64) -> u16 {
        (i64::from(self.number) + frame).rem_euclid(FRAME_NUMBERS) as u16
    }

    /// What it sends in the frames of another cell, which has the timing `pace` and is received on `blocks` resource blocks.
    pub fn known(&self, pace: &Pace, blocks: usize) -> Known {
        let frame = ((pace.start - self.pace.start) / self.pace.period).round() as i64;
        Known::new((self.pci, self.cp), self.ports, self.mib, self.frame_number(frame), blocks.min(self.blocks))
    }

    /// Resource blocks that its reference signals are received on.
    pub fn reference_blocks(&self) -> usize {
        self.reference.subcarriers() / BLOCK
    }

    /// Carrier minus the stream's centre, with one standard deviation where it can be told, and the starts of its frames in a stream of
    /// `rate`; `None` before the first measurement.
    pub fn carrier_and_line(&self, rate: Hz) -> Option<((Hz, Option<Hz>), Line)> {
        let line = self.measurements.line(self.pace.period)?;
        let Some((offset, sigma)) = self.sounding.carrier() else { return Some((self.measurements.offset(), line)) };
        Some(((offset, Some(sigma)), self.sounding.line(offset, rate, line.last.0).unwrap_or(line)))
    }

    /// Quality of its signal, delays, and the spectrum that it fills.
    pub fn signal(&self) -> Signal {
        let occupied = if self.wide.is_some() { self.sounding.occupied() } else { None };
        Signal { occupied, ..self.measurements.signal(self.reference_blocks()) }
    }

    /// Its MIB has not been received for a second.
    pub fn is_lost(&self) -> bool {
        self.next.0 - self.last_mib > LOST_FRAMES
    }

    /// The samples of the subframe that it wants next.
    pub fn needs(&self) -> Range<u64> {
        let (mut frame, mut subframe) = self.next;
        // Subframe 0 is always wanted.
        while subframe != 0 && !self.wants(frame, subframe) && !self.sounding.wants(frame, subframe) {
            (frame, subframe) = after(frame, subframe);
        }
        let margin = MARGIN * self.pace.period / BASE_FRAME as f64;
        let begin = self.pace.subframe(frame, subframe) - margin;
        let end = begin + self.pace.period / SUBFRAMES as f64 + 2.0 * margin;
        begin.max(0.0) as u64..end.max(0.0) as u64
    }

    /// Takes what is new in `stretch`.
    pub fn follow(&mut self, cutter: &mut Cutter, stretch: &Stretch<'_>) {
        let length = self.pace.period / SUBFRAMES as f64;
        while self.pace.subframe(self.next.0, self.next.1) + length <= stretch.end() {
            let (frame, subframe) = self.next;
            if subframe == 0 {
                self.broadcast_channel(cutter, stretch, frame);
            }
            if self.sounding.wants(frame, subframe) {
                self.sounding.take(cutter, stretch, &self.pace, (frame, subframe));
            }
            if self.wants(frame, subframe) {
                self.system_information(cutter, stretch, frame, subframe);
            }
            self.next = after(frame, subframe);
        }
    }

    /// Measures subframe 0 and receives its share of the MIB.
    fn broadcast_channel(&mut self, cutter: &mut Cutter, stretch: &Stretch<'_>, frame: i64) {
        for &symbol in self.middle.symbols() {
            if !cutter.cut(stretch, &self.pace, (frame, 0), self.cp, symbol..symbol + 1, &mut self.grid) {
                return;
            }
        }
        for known in &mut self.known {
            known.remove(&mut self.grid, frame);
        }
        (self.channel.power, self.channel.noise) = middle::level(&self.grid, &self.reference, self.ports);
        let errors =
            self.measurements.take(&self.grid, &self.channel, &self.reference, &self.pace, frame, cutter.symbol_len());
        self.pace.start += TIMING_GAIN * errors.share * errors.late;
        self.pace.offset = self.pace.offset + Hz(OFFSET_GAIN * errors.share * errors.offset.0);
        // Only the frames to come are longer: this one stays where it is.
        let longer = PERIOD_GAIN * errors.share * errors.share * errors.late;
        self.pace.start -= frame as f64 * longer;
        self.pace.period += longer;

        let quarter = usize::from(self.frame_number(frame)) % PERIOD;
        if quarter == 0 {
            self.period = [0.0; MOTHER_BITS];
            self.collected = 0;
        }
        let soft = self.middle.receive(&self.grid, quarter);
        self.period.iter_mut().zip(soft).for_each(|(sum, soft)| *sum += soft);
        self.collected += 1;
        if quarter + 1 == PERIOD {
            self.decide(frame);
        }
    }

    /// Decodes the period that ends with `frame`.
    fn decide(&mut self, frame: i64) {
        let Some((word, _)) = self.middle.receiver.decode(&self.period, self.ports) else {
            // A period of which frames are missing proves nothing.
            if self.collected == PERIOD {
                self.count("mib_failed");
            }
            return;
        };
        let [_, a, b, c] = word.to_be_bytes();
        let octets = [a, b, c];
        if parse_mib(octets).is_err() {
            return self.count("mib_failed");
        }
        self.last_mib = frame;
        self.mib = stable(octets);
        self.heard.1 = self.pace.subframe(frame, 1);
        let told = first_frame(octets) + (PERIOD - 1) as u16;
        if told != self.frame_number(frame) {
            // It has been restarted: numbers are taken from it again.
            self.number = (i64::from(told) - frame).rem_euclid(FRAME_NUMBERS) as u16;
            self.count("sfn_jump");
        }
        if !std::mem::take(&mut self.repeated) {
            self.count("mib");
            if serves_machines(octets) {
                self.count("emtc");
            }
            self.add("MIB", &stable(octets));
        }
    }

    /// Whether system information may stand in a subframe.
    fn wants(&self, frame: i64, subframe: usize) -> bool {
        let downlink = match self.duplex {
            Duplex::Fdd => true,
            // Always downlink; the others only if SIB1 says so; TS 36.211 table 4.2-2.
            Duplex::Tdd => subframe == 0 || subframe == 5 || self.information.carries((self.duplex, self.cp), subframe),
        };
        let number = self.frame_number(frame);
        if self.wide.is_none() || !downlink {
            return false;
        }
        if is_sib1(number, subframe) {
            return !self.has_sib1(number, frame);
        }
        let schedule = self.information.fields.sib1.as_ref().map_or(&[][..], |sib1| &sib1.scheduling);
        let window = self.information.due(number, subframe);
        window.is_some_and(|window| self.listening.wants(schedule, (frame, subframe), window))
    }

    /// SIB1 is well known, and this period's copy has come: the other three are the same; TS 36.331 clause 5.2.1.2.
    fn has_sib1(&self, number: u16, frame: i64) -> bool {
        self.sib1.1 >= SETTLED && frame - self.sib1_last <= i64::from(number % SIB1_FRAMES)
    }

    fn system_information(&mut self, cutter: &mut Cutter, stretch: &Stretch<'_>, frame: i64, subframe: usize) {
        let Some(mut wide) = self.wide.take() else { return };
        let number = self.frame_number(frame);
        let whole = self.information.downlink_symbols((self.duplex, self.cp), subframe);
        let strong = self.measurements.snr() > f64::from(STRONG);
        let mut symbols = if strong { CONTROL_SYMBOLS.min(whole) } else { whole };
        let mut ready = self.look(cutter, stretch, (frame, subframe), symbols);
        let factors = self.information.phich_factors(self.duplex, subframe, wide.factor);
        let (mut found, mut came) = (false, false);
        let window = self.information.due(number, subframe).filter(|_| ready && !is_sib1(number, subframe));
        if ready {
            let place = Place { subframe, special: whole < self.cp.symbols() };
            let view = (&self.grid, &self.channel);
            let sib1 = is_sib1(number, subframe);
            // The indicator of a weak cell may be wrong: then the others are tried where a message is due.
            let due = sib1 || self.information.fields.sib1.is_some();
            let formats = wide.control.formats(view, subframe);
            let formats = if due && !strong { &formats[..] } else { &formats[..1] };
            let message = wide.control.search(view, place, (formats, &factors), SI_RNTI, &wide.lengths);
            let blocks = wide.layout.blocks;
            let mut granted = Vec::new();
            let mut format = formats[0];
            if let Some(message) = message {
                (format, wide.factor) = (message.format, message.factor);
                let read = |bits: &Vec<u8>| match bits.len() == wide.lengths[0] {
                    true => dci::format_1a(bits, blocks),
                    false => dci::format_1c(bits, blocks),
                };
                granted = message.bits.iter().filter_map(read).collect();
            }
            found = !granted.is_empty();
            // SIB1 stands where it stood before, whether its announcement was understood or not.
            let proved = wide.usual.as_ref().is_some_and(|(_, read)| *read);
            match (sib1, granted.first()) {
                (true, Some(grant)) if !proved => wide.usual = Some((grant.at_any_time(), false)),
                (true, None) => granted.extend(wide.usual.iter().map(|(grant, _)| grant.clone())),
                _ => {}
            }
            if !granted.is_empty() && symbols < whole {
                symbols = whole;
                ready = self.look(cutter, stretch, (frame, subframe), symbols);
            }
            if ready {
                for assignment in granted {
                    let data = wide.layout.symbols(format, place.special)..whole;
                    let view = (&self.grid, &self.channel);
                    let at = (self.duplex, subframe);
                    shared::receive(&wide.layout, at, data, &assignment, view, &mut wide.soft);
                    let group = if self.ports == 1 { 2 } else { 4 };
                    let end = self.pace.subframe(frame, subframe + 1);
                    match self.information.take(&assignment, &wide.soft, group, (number, subframe), sib1) {
                        Some(octets) => {
                            came = true;
                            if sib1 {
                                wide.usual = Some((assignment.at_any_time(), true));
                            }
                            self.heard.1 = self.heard.1.max(end);
                            self.count(if sib1 { "sib1" } else { "si" });
                            if sib1 {
                                self.settle(&octets, frame);
                            }
                            self.add(if sib1 { "SIB1" } else { "SI" }, &octets);
                            if !self.information.read(&octets) {
                                self.count("malformed");
                            }
                        }
                        None => self.count(if sib1 { "sib1_failed" } else { "si_failed" }),
                    }
                }
            }
        }
        if is_sib1(number, subframe) && !found {
            self.count("sib1_missed");
        }
        if let Some(window) = window {
            self.listening.searched((frame, subframe), window, came);
        }
        self.wide = Some(wide);
    }

    /// Notes that SIB1 has come.
    fn settle(&mut self, octets: &[u8], frame: i64) {
        if self.sib1.0 == octets {
            self.sib1.1 = self.sib1.1.saturating_add(1);
        } else {
            self.sib1 = (octets.to_vec(), 1);
            self.listening.restart(frame);
        }
        self.sib1_last = frame;
    }

    /// Cuts and estimates the first `symbols` symbols of a subframe.
    fn look(&mut self, cutter: &mut Cutter, stretch: &Stretch<'_>, place: (i64, usize), symbols: usize) -> bool {
        let whole = cutter.cut(stretch, &self.pace, place, self.cp, 0..symbols, &mut self.grid);
        if whole {
            self.channel.estimate(&self.grid, &self.reference, place.1, symbols, self.ports, None);
        }
        whole
    }

    fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// Keeps a message.
    fn add(&mut self, name: &str, octets: &[u8]) {
        let known = self.broadcast.iter_mut().find(|block| block.name == name && block.octets.0 == octets);
        if let Some(block) = known {
            block.count = block.count.saturating_add(1);
        } else if self.broadcast.len() < MAX_BROADCAST {
            self.broadcast.push(BroadcastBlock { name: name.to_owned(), octets: Octets(octets.to_vec()), count: 1 });
            self.changed = true;
        }
    }
}

/// Whether a MIB says that SIB1-BR is sent, as a cell does that serves eMTC; TS 36.331 clause 6.2.2 (schedulingInfoSIB1-BR), TS 36.213
/// table 7.1.6-1, where values above 18 are reserved.
fn serves_machines(octets: [u8; 3]) -> bool {
    let scheduling = u16::from_be_bytes([octets[1], octets[2]]) >> 5 & 0x1f;
    (1..=18).contains(&scheduling)
}

/// The subframe after subframe `subframe` of frame `frame`.
fn after(frame: i64, subframe: usize) -> (i64, usize) {
    if subframe + 1 == SUBFRAMES { (frame + 1, 0) } else { (frame, subframe + 1) }
}
