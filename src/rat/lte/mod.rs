//! LTE broadcast receiver: every cell on the carrier at a stream's centre.
//!
//! The stream is worked through in windows of 160 ms. In those where a search is due, [`search`] looks for synchronisation
//! signals over +-140 kHz, [`identify`] reads what cell they say, and [`mod@acquire`] confirms each candidate by its MIB ([`pbch`]);
//! nothing is reported that no CRC has confirmed. Weaker cells with the timing of a known one are found by [`neighbours`], and the
//! known one is taken out of what they are read from ([`cancel`]). In the other windows [`intake`] keeps only what the known cells
//! need. A confirmed [`cell`] is followed subframe by subframe: MIB, then PDCCH ([`control`], [`dci`]) and PDSCH ([`shared`],
//! [`system_information`]) in the windows that [`listening`] chooses, where the stream holds the cell's whole bandwidth; [`measure`]
//! takes level and quality from its reference signals, [`sounding`] the carrier, the frame timing and the spectrum that it fills.
//! Of samples that were kept [`sent`] tells where a known cell's system information stands.
//!
//! What is not covered: carriers away from the stream's centre, which [`carriers`] cuts out for receivers of their own, and [`watch`]
//! where the stream is too wide to be searched as it comes; streams slower than 1.92 Msps. Cells whose frames begin within 5 us of each
//! other must differ in PCI. eMTC is noted (counter `emtc`: MIBs that announce SIB1-BR) and NB-IoT recognised by [`nb_iot`]; neither is
//! decoded.
//!
//! Cost, CPU s per s on one core of an AMD EPYC, in brackets what was asked for (`lte_search`, `lte_follow` and `lte_watch` of
//! `tests/bench/stages.rs`, median of 30): search of every window of 1.92 Msps over +-140 kHz 0.11 (0.5), over +-7 kHz 0.017 (0.09), of
//! which the transforms that the former cannot do without are 0.031; a known cell at 1.92 Msps: its MIB 0.0023 (0.0057), of six resource
//! blocks MIB, SIB1 and two messages 0.0024; of 100 with two ports at 23.04 Msps MIB, SIB1 and two messages 0.0162 (0.0186), of which the
//! transforms are 0.0010; cells of 50 blocks followed on a stream of 20 Msps: one carrier 0.075, three 0.147. As long as a schedule names
//! messages that do not come, the blind search of their windows costs 0.009 and 0.09 of six and of 100 blocks; [`listening`] bounds that to
//! the first 32 windows of each; afterwards it was 0.03 in all of 100 blocks.
//!
//! All decisions are taken at windows of a fixed length: reports do not depend on how the stream is cut into blocks. A window and
//! a frame are buffered, 45 MB at the highest rate.
//!
//! ## References
//! - 3GPP TS 36.211, 36.212, 36.213, 36.214, 36.321 and 36.331, Release 17
//! - 3GPP TS 36.104 Release 17: channel raster (clause 5.7.2)

pub mod acquire;
pub mod cancel;
pub mod carriers;
pub mod cell;
pub mod channel;
pub mod control;
pub mod dci;
pub mod grid;
pub mod identify;
pub mod intake;
pub mod listening;
pub mod measure;
pub mod middle;
pub mod nb_iot;
pub mod neighbours;
pub mod numerology;
pub mod pbch;
pub mod reference;
pub mod search;
pub mod sent;
pub mod shared;
pub mod sounding;
pub mod sync;
pub mod system_information;
pub mod watch;

use crate::cell::{CellKey, Rat};
use crate::l3::lte::parse_mib;
use crate::observation::lte::Radio;
use crate::observation::{CarrierError, Fields, FrameName, FrameTiming};
use crate::radio::source::StreamInfo;
use crate::rat::CellReport;
use crate::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use acquire::{LEAST_BLOCKS, acquire};
use cancel::Known;
use cell::Cell;
use grid::Pace;
use intake::Intake;
use neighbours::Neighbours;
use num_complex::Complex32;
use numerology::{BASE_RATE, BASE_SUBFRAME, BLOCK, CyclicPrefix, Duplex};
use search::GRID;

/// Raster of carriers; TS 36.104 clause 5.7.2.
const RASTER: f64 = 100_000.0;
/// Samples of a window at the base rate: 160 ms.
const WINDOW: usize = 160 * BASE_SUBFRAME;
/// Samples at the base rate by which the windows are late: the first holds that much more.
const LATE: usize = 2 * BASE_SUBFRAME;
/// Subframes taken from the stream in one piece while cells are followed; where more are wanted, pieces join.
const MAX_PIECE: u64 = 12;
/// Windows that are all searched at the start of a stream.
const FIRST_SEARCHES: u64 = 2;
/// Steps of the offset grid searched around a cell that is known.
const NEAR: i32 = 1;
/// Every so many searches the whole range is searched although a cell is known.
const FULL_SEARCH: u64 = 4;
/// Candidates of one search whose MIB is tried.
const MAX_CANDIDATES: usize = 24;
/// Cells followed on one carrier.
const MAX_CELLS: usize = 16;
/// Cells remembered that are no longer heard; the least recently heard goes.
const MAX_PAST: usize = 64;
/// Two cells of one identity within this are one, samples at the base rate: 5 us.
const SAME: f64 = 10.0;
/// Cells whose frames begin within this of each other have one timing as far as synchronisation signals tell: 4.7 us.
const BESIDE: f64 = 9.0;
/// Cells that are taken out of what a weaker one at their place is read from.
const MAX_KNOWN: usize = 3;
/// Standard deviation given for what could not be measured: no oscillator is worse than 100 ppm.
const UNKNOWN_PPB: f64 = 100_000.0;
/// A frame rate known this well decides between carriers of the raster.
const RATE_DECIDES: f64 = 4e-6;
/// The same where what is left lies within this share of a step.
const STEP_DECIDES: f64 = 0.15;

/// What a receiver is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Carrier offsets searched, to either side.
    pub max_offset: Hz,
    /// From one search to the next once the stream has gone on for a while.
    pub search_interval: Nanos,
    /// How often an unchanged cell is reported.
    pub report_interval: Nanos,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_offset: Hz(140_000.0),
            search_interval: Nanos::from_millis(2_000),
            report_interval: Nanos::from_secs(1),
        }
    }
}

/// Receives every LTE cell on the carrier at the centre of one stream.
#[derive(Debug)]
pub struct Receiver {
    options: Options,
    center: Hz,
    /// Nominal carrier on the raster.
    carrier: Hz,
    /// `None` where the stream is too slow to hold six resource blocks.
    work: Option<Intake>,
    neighbours: Neighbours,
    cells: Vec<Cell>,
    past: Vec<Cell>,
    evicted: u64,
    windows: u64,
    /// The present window is kept whole, to be searched.
    searching: bool,
    searches: u64,
    next_search: u64,
    next_report: u64,
}

impl Receiver {
    /// A receiver for one stream; a gap or a retune makes a new stream and a new receiver.
    pub fn new(stream: &StreamInfo, options: Options) -> Receiver {
        Receiver {
            options,
            center: stream.center,
            carrier: Hz((stream.center.0 / RASTER).round().max(1.0) * RASTER),
            work: Intake::new(stream.sample_rate, (WINDOW + LATE) as u64),
            neighbours: Neighbours::new(),
            cells: Vec::new(),
            past: Vec::new(),
            evicted: 0,
            windows: 0,
            searching: true,
            searches: 0,
            next_search: 0,
            next_report: 0,
        }
    }

    /// Takes the next samples of the stream. Appends a report when a cell is confirmed, when what it broadcasts changes, and every
    /// `report_interval` of the stream. The reports do not depend on how the stream is cut into blocks.
    pub fn process(&mut self, mut samples: &[Complex32], reports: &mut Vec<CellReport>) {
        while !samples.is_empty() {
            let Some(work) = &mut self.work else { return };
            let (taken, full) = work.fill(samples);
            samples = &samples[taken..];
            if full {
                self.advance(reports);
            }
        }
    }

    /// The stream has ended: appends the final report of every cell, by ascending [`CellKey`] and time.
    pub fn finish(&mut self, reports: &mut Vec<CellReport>) {
        // What the resampler still holds may fill more than one window.
        while self.work.as_mut().is_some_and(|work| work.fill(&[]).1) {
            self.advance(&mut Vec::new());
        }
        if self.work.as_ref().is_some_and(|work| !work.stretch().samples.is_empty()) {
            self.take();
        }
        let mut last: Vec<CellReport> = std::mem::take(&mut self.past)
            .iter()
            .chain(&std::mem::take(&mut self.cells))
            .filter_map(|cell| self.report(cell))
            .collect();
        last.sort_by_key(|report| (report.key, report.first));
        reports.append(&mut last);
    }

    /// Cells that were forgotten because too many had been heard.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Works through the samples that are there, ends the window where it is full, and says what is to be kept next.
    fn advance(&mut self, reports: &mut Vec<CellReport>) {
        self.take();
        let end =
            |receiver: &Receiver, work: &Intake| ((receiver.windows + 1) * WINDOW as u64 + LATE as u64) * work.scale();
        if self.work.as_ref().is_some_and(|work| work.made() >= end(self, work)) {
            self.end_window(reports);
        }
        let Some(work) = &self.work else { return };
        let (begin, end) = (self.wanted(work), end(self, work));
        let goal = match begin {
            _ if self.searching => work.made()..end,
            Some(ref piece) if piece.start < end => piece.clone(),
            _ => end..end,
        };
        let kept = begin.map_or(work.made(), |piece| piece.start);
        if let Some(work) = &mut self.work {
            work.keep(kept, goal);
        }
    }

    /// The next stretch of samples that a cell wants, with what others want of it and after it without a gap.
    fn wanted(&self, work: &Intake) -> Option<std::ops::Range<u64>> {
        let needs = || self.cells.iter().map(Cell::needs);
        let mut piece = needs().min_by_key(|need| need.start)?;
        let most = piece.start + MAX_PIECE * work.cutter.subframe() as u64;
        // Each pass takes in what begins before the end: as many as there are cells are enough.
        for need in self.cells.iter().flat_map(|_| needs()) {
            if need.start < piece.end && piece.end < most {
                piece.end = piece.end.max(need.end);
            }
        }
        Some(piece)
    }

    /// Searches the samples that are there, where they are to be searched, and follows the cells through them.
    fn take(&mut self) {
        if self.searching {
            self.search();
        }
        let Some(work) = &mut self.work else { return };
        let (cutter, stretch) = work.view();
        self.cells.iter_mut().for_each(|cell| cell.follow(cutter, &stretch));
    }

    /// Reports what is due, lets go of lost cells, and decides whether the next window is searched.
    fn end_window(&mut self, reports: &mut Vec<CellReport>) {
        let due = |interval: Nanos| (interval.as_secs_f64() * BASE_RATE.0) as u64;
        let now = self.windows * WINDOW as u64;
        self.windows += 1;
        let report_due = now >= self.next_report;
        if report_due {
            self.next_report = now + due(self.options.report_interval);
        }
        for at in 0..self.cells.len() {
            if std::mem::take(&mut self.cells[at].changed) || report_due {
                reports.extend(self.report(&self.cells[at]));
            }
        }
        let (lost, kept): (Vec<Cell>, Vec<Cell>) = std::mem::take(&mut self.cells).into_iter().partition(Cell::is_lost);
        self.cells = kept;
        lost.into_iter().for_each(|cell| self.remember(cell));
        if self.searching {
            self.next_search = now + due(self.options.search_interval);
        }
        self.searching = self.windows < FIRST_SEARCHES || now + WINDOW as u64 >= self.next_search;
    }

    /// Looks for cells in the window that are not known yet.
    fn search(&mut self) {
        let Some(work) = &mut self.work else { return };
        let span = (self.options.max_offset.0 / GRID.0).ceil() as i32;
        let mut offsets = (-span, span);
        let known = self.cells.iter().map(|cell| (cell.pace.offset.0 / GRID.0).round() as i32);
        if let (Some(low), Some(high)) = (known.clone().min(), known.max())
            && self.searches >= FIRST_SEARCHES
            && !self.searches.is_multiple_of(FULL_SEARCH)
        {
            // All cells are seen through the same crystal.
            offsets = ((low - NEAR).max(-span), (high + NEAR).min(span));
        }
        self.searches += 1;
        let candidates = work.search(offsets, self.carrier);
        let (scale, frame, first) = (work.scale() as f64, work.cutter.frame(), work.stretch().first as f64);
        for candidate in candidates.iter().take(MAX_CANDIDATES) {
            let pace = Pace {
                start: first + candidate.frame_at * scale,
                period: frame * (1.0 - candidate.offset.0 / self.carrier.0),
                offset: candidate.offset,
            };
            self.confirm((candidate.pci, candidate.duplex, candidate.cp), pace);
        }
        if offsets == (-span, span) {
            self.search_beside();
        }
    }

    /// Looks for cells at the timing of those that are known.
    fn search_beside(&mut self) {
        for at in 0..self.cells.len() {
            let Some(work) = &mut self.work else { return };
            let (cell, near) = (&self.cells[at], BESIDE * work.scale() as f64);
            let beside = |other: &Cell| other.cp == cell.cp && apart(&cell.pace, &other.pace) < near;
            if self.cells[..at].iter().any(beside) {
                continue;
            }
            let known: Vec<u16> = self.cells.iter().filter(|other| beside(other)).map(|other| other.pci).collect();
            let others = self.cells.iter().filter(|other| beside(other)).take(MAX_KNOWN);
            let mut others: Vec<Known> = others.map(|other| other.known(&cell.pace, LEAST_BLOCKS)).collect();
            let (duplex, cp, pace) = (cell.duplex, cell.cp, cell.pace);
            let (cutter, stretch) = work.view();
            let symbol = cutter.symbol_len() as f64;
            for found in self.neighbours.scan(cutter, &stretch, (&pace, cp), &known, &mut others) {
                self.confirm((found.pci, duplex, cp), Pace { start: pace.start + found.late * symbol, ..pace });
            }
        }
    }

    /// Looks for the MIB of what may be a cell that is not known yet.
    fn confirm(&mut self, (pci, duplex, cp): (u16, Duplex, CyclicPrefix), pace: Pace) {
        let Some(work) = &mut self.work else { return };
        let near = SAME * work.scale() as f64;
        let (cutter, stretch) = work.view();
        if self.cells.len() == MAX_CELLS || known_already(&self.cells, pci, &pace, near) {
            return;
        }
        let beside = BESIDE / SAME * near;
        let known = |pace: &Pace, blocks: usize| -> Vec<Known> {
            let cells = self.cells.iter().filter(|cell| cell.cp == cp && apart(&cell.pace, pace) < beside);
            cells.take(MAX_KNOWN).map(|cell| cell.known(pace, blocks)).collect()
        };
        let acquired = acquire(cutter, &stretch, (pci, cp), self.carrier, pace, &mut known(&pace, LEAST_BLOCKS));
        let Some(acquired) = acquired.filter(|acquired| !known_already(&self.cells, pci, &acquired.pace, near)) else {
            return;
        };
        // As many as the cell is received on.
        let told = parse_mib(acquired.mib.octets).map_or(LEAST_BLOCKS, |(mib, _)| usize::from(mib.prb));
        let blocks = if told * BLOCK <= cutter.max_subcarriers() { told } else { LEAST_BLOCKS };
        let known = known(&acquired.pace, blocks);
        self.cells.extend(Cell::new(&acquired, (pci, duplex, cp), cutter, &stretch, known));
    }

    fn remember(&mut self, cell: Cell) {
        if self.past.len() == MAX_PAST {
            let oldest = (0..self.past.len()).min_by(|&a, &b| self.past[a].heard.1.total_cmp(&self.past[b].heard.1));
            self.past.remove(oldest.unwrap_or(0));
            self.evicted += 1;
        }
        self.past.push(cell);
    }

    /// What is known of a cell; `None` before its first measurement.
    fn report(&self, cell: &Cell) -> Option<CellReport> {
        let work = self.work.as_ref()?;
        let rate = work.cutter.rate().0;
        let measured = &cell.measurements;
        let ((offset, offset_sigma), line) = cell.carrier_and_line(work.cutter.rate())?;
        let nominal = work.cutter.frame();
        let frame_rate = nominal / line.period - 1.0;
        let rate_sigma = line.period_sigma.map(|sigma| sigma / nominal);
        // Frame rate and carrier err alike: where they do not, the carrier is another one of the raster.
        let apart = (offset.0 - frame_rate * self.carrier.0) / RASTER;
        let steps = apart.round().clamp(-2.0, 2.0);
        // Behind a converter with an oscillator of its own they differ by anything: then the carrier is the one tuned to.
        let sure = measured.snr() > 1.0
            && rate_sigma.is_some_and(|sigma| sigma < RATE_DECIDES)
            && (apart - steps).abs() < STEP_DECIDES;
        let steps = if sure { steps } else { 0.0 };
        let carrier = self.carrier.0 + steps * RASTER;
        let error = Hz(self.center.0 + offset.0 - carrier);
        let ppb = |hz: f64| Ppb(hz / carrier * 1e9);
        let nanos = |samples: f64| Nanos((samples / rate * 1e9).round() as i64);
        let level = Db::from_ratio(measured.power() * (cell.blocks * numerology::BLOCK) as f64);
        let at = line.last.1 / rate * 1e9;
        let snr = measured.snr();
        let mut fields = cell.information.fields.clone();
        fields.radio = Some(Radio {
            tdd: cell.duplex == Duplex::Tdd,
            extended_cp: cell.cp == CyclicPrefix::Extended,
            ports: cell.ports as u8,
            rsrp_dbfs: Dbfs(tenth(Db::from_ratio(measured.power())).0),
            rsrq_db: tenth(measured.quality()),
        });
        fields.signal = Some(cell.signal());
        Some(CellReport {
            key: CellKey { rat: Rat::Lte, center_hz: carrier as u64, id: cell.pci },
            identity: cell.information.identity.clone(),
            first: nanos(cell.heard.0),
            last: nanos(cell.heard.1.max(line.last.1)),
            level: Dbfs(level.0),
            level_sigma: measured.power_sigma(),
            snr: Db::from_ratio(snr),
            carrier: CarrierError {
                hz: error,
                ppb: ppb(error.0),
                sigma_ppb: offset_sigma.map_or(Ppb(UNKNOWN_PPB), |sigma| ppb(sigma.0)),
            },
            timing: Some(FrameTiming {
                at_ns: Timestamp(at.floor() as i64),
                at_frac_ns: at - at.floor(),
                sigma_ns: line.sigma / rate * 1e9,
                frame: FrameName::Radio { sfn: cell.frame_number(line.last.0), half: 0 },
                rate_ppb: Ppb(frame_rate * 1e9),
                rate_sigma_ppb: Ppb(rate_sigma.map_or(UNKNOWN_PPB, |sigma| sigma * 1e9)),
            }),
            counts: cell.counts.clone(),
            broadcast: cell.broadcast.clone(),
            fields: Some(Fields::Lte(Box::new(fields))),
        })
    }
}

/// Rounded as the wire contract asks.
fn tenth(level: Db) -> Db {
    Db((level.0 * 10.0).round() / 10.0)
}

/// Whether one of `cells` has identity `pci` and the frames of `pace`, give or take `near` samples.
fn known_already(cells: &[Cell], pci: u16, pace: &Pace, near: f64) -> bool {
    cells.iter().any(|cell| cell.pci == pci && apart(&cell.pace, pace) < near)
}

/// Samples between the beginnings of the frames of two cells.
fn apart(one: &Pace, other: &Pace) -> f64 {
    let frames = (other.start - one.start) / one.period;
    (frames - frames.round()).abs() * one.period
}
