//! LTE broadcast receiver: every cell on the carrier at a stream's centre.
//!
//! The stream is worked through in windows of 160 ms. In those where a search is due, [`search`] looks for synchronisation
//! signals over +-140 kHz and [`mod@acquire`] confirms each candidate by its MIB ([`pbch`]); nothing is reported that no CRC has
//! confirmed. A confirmed [`cell`] is followed subframe by subframe: MIB, then PDCCH ([`control`], [`dci`]) and PDSCH
//! ([`shared`], [`system_information`]) where the stream holds the cell's whole bandwidth; [`measure`] takes level, timing and
//! carrier from its reference signals.
//!
//! What is not covered: carriers away from the stream's centre; streams slower than 1.92 Msps; in TDD, system information in
//! special subframes; NB-IoT and eMTC. Cells whose frames begin within 5 us of each other must differ in PCI.
//!
//! All decisions are taken at windows of a fixed length: reports do not depend on how the stream is cut into blocks. A window and
//! a frame are buffered, 45 MB at the highest rate.
//!
//! ## References
//! - 3GPP TS 36.211, 36.212, 36.213, 36.214, 36.321 and 36.331, Release 17
//! - 3GPP TS 36.104 Release 17: channel raster (clause 5.7.2)

pub mod acquire;
pub mod cell;
pub mod channel;
pub mod control;
pub mod dci;
pub mod grid;
pub mod measure;
pub mod numerology;
pub mod pbch;
pub mod reference;
pub mod search;
pub mod shared;
pub mod sync;
pub mod system_information;

use crate::cell::{CellKey, Rat};
use crate::dsp::resample::Resampler;
use crate::observation::lte::Radio;
use crate::observation::{CarrierError, Fields, FrameName, FrameTiming};
use crate::radio::source::StreamInfo;
use crate::rat::CellReport;
use crate::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use acquire::acquire;
use cell::Cell;
use grid::{Cutter, Pace, Stretch};
use num_complex::Complex32;
use numerology::{BASE_FFT, BASE_FRAME, BASE_RATE, BASE_SUBFRAME, CyclicPrefix, Duplex};
use search::{Candidate, GRID, MAX_HALF_FRAMES, Searcher};

/// Raster of carriers; TS 36.104 clause 5.7.2.
const RASTER: f64 = 100_000.0;
/// Samples of a window at the base rate: 160 ms.
const WINDOW: usize = 160 * BASE_SUBFRAME;
/// Samples kept from one window to the next at the base rate: a subframe that was not whole, and the drift of a frame.
const KEPT: usize = 2 * BASE_SUBFRAME;
/// Samples searched at the base rate: a block of the correlator more than the half-frames that are summed.
const SEARCHED: usize = MAX_HALF_FRAMES * BASE_FRAME / 2 + BASE_FRAME / 10;
/// The highest rate worked at, in units of the base rate: 30.72 Msps holds the widest carrier.
const MAX_SCALE: usize = 16;
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
    work: Option<Work>,
    cells: Vec<Cell>,
    past: Vec<Cell>,
    evicted: u64,
    windows: u64,
    searches: u64,
    next_search: u64,
    next_report: u64,
}

/// The stream at the rate worked at, and what works on it.
#[derive(Debug)]
struct Work {
    scale: usize,
    /// Present where the stream's own rate does not fit.
    resampler: Option<Resampler>,
    raw: Vec<Complex32>,
    /// Place of `raw[0]` in the stream.
    raw_first: u64,
    /// Samples made by the resampler.
    made: u64,
    samples: Vec<Complex32>,
    /// Place of `samples[0]`.
    first: u64,
    decimator: Option<Resampler>,
    narrow: Vec<Complex32>,
    cutter: Cutter,
    searcher: Searcher,
}

impl Work {
    fn new(rate: Hz) -> Option<Work> {
        let fits = (rate.0 / BASE_RATE.0 + 1e-9).floor();
        if fits < 1.0 {
            return None;
        }
        let scale = (fits as usize).min(MAX_SCALE);
        let own = Hz(BASE_RATE.0 * scale as f64);
        Some(Work {
            scale,
            resampler: ((rate.0 - own.0).abs() > 1e-6).then(|| Resampler::new(rate, own)),
            raw: Vec::new(),
            raw_first: 0,
            made: 0,
            samples: Vec::new(),
            first: 0,
            decimator: (scale > 1).then(|| Resampler::new(own, BASE_RATE)),
            narrow: Vec::new(),
            cutter: Cutter::new(scale),
            searcher: Searcher::new(),
        })
    }

    /// Takes samples until a window is full; how many it took, and whether it is.
    fn fill(&mut self, samples: &[Complex32]) -> (usize, bool) {
        let full = (WINDOW + KEPT) * self.scale;
        let Some(resampler) = &self.resampler else {
            let taken = samples.len().min(full - self.samples.len());
            self.samples.extend_from_slice(&samples[..taken]);
            return (taken, self.samples.len() == full);
        };
        // A bounded piece at a time: what the window has no room for waits in `raw`.
        let taken = samples.len().min(1 << 16);
        self.raw.extend_from_slice(&samples[..taken]);
        let reach = resampler.reach() as f64 + 1.0;
        while self.samples.len() < full {
            let position = self.made as f64 * resampler.ratio() - self.raw_first as f64;
            if position + reach > self.raw.len() as f64 {
                break;
            }
            self.samples.push(resampler.at(&self.raw, position));
            self.made += 1;
        }
        let position = self.made as f64 * resampler.ratio() - self.raw_first as f64;
        let past = ((position - reach).floor().max(0.0) as usize).min(self.raw.len());
        self.raw.drain(..past);
        self.raw_first += past as u64;
        (taken, self.samples.len() == full)
    }

    /// Candidates in the first 80 ms of the window.
    fn search(&mut self, offsets: (i32, i32), carrier: Hz) -> Vec<Candidate> {
        let count = SEARCHED.min(self.samples.len() / self.scale);
        let Some(decimator) = &self.decimator else {
            return self.searcher.search(&self.samples[..count], offsets, carrier);
        };
        self.narrow.clear();
        self.narrow.extend((0..count).map(|n| decimator.at(&self.samples, (n * self.scale) as f64)));
        self.searcher.search(&self.narrow, offsets, carrier)
    }

    fn stretch(&self) -> Stretch<'_> {
        Stretch { samples: &self.samples, first: self.first }
    }
}

impl Receiver {
    /// A receiver for one stream; a gap or a retune makes a new stream and a new receiver.
    pub fn new(stream: &StreamInfo, options: Options) -> Receiver {
        Receiver {
            options,
            center: stream.center,
            carrier: Hz((stream.center.0 / RASTER).round().max(1.0) * RASTER),
            work: Work::new(stream.sample_rate),
            cells: Vec::new(),
            past: Vec::new(),
            evicted: 0,
            windows: 0,
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
                self.window(reports);
            }
        }
    }

    /// The stream has ended: appends the final report of every cell, by ascending [`CellKey`] and time.
    pub fn finish(&mut self, reports: &mut Vec<CellReport>) {
        // What the resampler still holds may fill more than one window.
        while let Some(work) = &mut self.work
            && work.fill(&[]).1
        {
            self.window(&mut Vec::new());
        }
        if self.work.as_ref().is_some_and(|work| !work.samples.is_empty()) {
            self.window(&mut Vec::new());
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

    /// Works through the samples that are there and lets go of them.
    fn window(&mut self, reports: &mut Vec<CellReport>) {
        let length = WINDOW as u64;
        let due = |interval: Nanos| (interval.as_secs_f64() * BASE_RATE.0) as u64;
        let now = self.windows * length;
        self.windows += 1;
        if self.windows <= FIRST_SEARCHES || now >= self.next_search {
            self.next_search = now + due(self.options.search_interval);
            self.search();
        }
        let Some(work) = &mut self.work else { return };
        let (cutter, stretch) = (&mut work.cutter, Stretch { samples: &work.samples, first: work.first });
        self.cells.iter_mut().for_each(|cell| cell.follow(cutter, &stretch));
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
        if let Some(work) = &mut self.work {
            let done = (WINDOW * work.scale).min(work.samples.len());
            work.samples.drain(..done);
            work.first += done as u64;
        }
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
        for candidate in candidates.iter().take(MAX_CANDIDATES) {
            let pace = Pace {
                start: work.first as f64 + candidate.frame_at * work.scale as f64,
                period: work.cutter.frame() * (1.0 - candidate.offset.0 / self.carrier.0),
                offset: candidate.offset,
            };
            let near = SAME * work.scale as f64;
            if self.cells.len() == MAX_CELLS || known_already(&self.cells, candidate.pci, &pace, near) {
                continue;
            }
            let stretch = Stretch { samples: &work.samples, first: work.first };
            let identity = (candidate.pci, candidate.cp);
            let Some(acquired) = acquire(&mut work.cutter, &stretch, identity, self.carrier, pace) else { continue };
            if known_already(&self.cells, candidate.pci, &acquired.pace, near) {
                continue;
            }
            let identity = (candidate.pci, candidate.duplex, candidate.cp);
            self.cells.extend(Cell::new(&acquired, identity, &work.cutter, &work.stretch()));
        }
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
        let line = measured.line(cell.pace.period)?;
        let nominal = work.cutter.frame();
        let frame_rate = nominal / line.period - 1.0;
        let rate_sigma = line.period_sigma.map(|sigma| sigma / nominal);
        let (offset, offset_sigma) = measured.offset();
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
        // One subframe of reference signals: the bound for a flat spectrum of their bandwidth.
        let elements = 8.0 * cell.reference_blocks() as f64;
        let bandwidth = (cell.reference_blocks() * numerology::BLOCK) as f64 * numerology::SUBCARRIER.0 / 12f64.sqrt();
        let bound = 1e9 / (std::f64::consts::TAU * bandwidth * (2.0 * elements * snr).max(1e-3).sqrt());
        let mut fields = cell.information.fields.clone();
        fields.radio = Some(Radio {
            tdd: cell.duplex == Duplex::Tdd,
            extended_cp: cell.cp == CyclicPrefix::Extended,
            ports: cell.ports as u8,
            rsrp_dbfs: Dbfs(tenth(Db::from_ratio(measured.power())).0),
            rsrq_db: tenth(measured.quality()),
        });
        fields.signal = Some(measured.signal(cell.reference_blocks()));
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
                sigma_ns: line.sigma.map_or(bound, |sigma| sigma / rate * 1e9),
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
    cells.iter().any(|cell| {
        let frames = (pace.start - cell.pace.start) / cell.pace.period;
        cell.pci == pci && (frames - frames.round()).abs() * cell.pace.period < near
    })
}

const _: () = assert!(SEARCHED <= WINDOW && BASE_FRAME / 10 >= BASE_FFT + 128);
