//! NR broadcast receiver: every cell whose synchronisation blocks lie in the stream, on the raster of frequency range 1.
//!
//! The stream is looked at in windows of 20.5 ms, the longest that an idle terminal has to wait for a block and the block itself
//! (TS 38.213 clause 4.1), at its start and then every [`Options::search_interval`]. In a window [`search`] matches the PSS around the raster
//! entries ([`numerology`]) over carrier errors of +-[`Options::max_error`]; [`mod@block`] reads what it found up to the message of PBCH
//! ([`pbch`]). Nothing is reported that no CRC has confirmed; one block is enough. [`cell`] puts blocks together. The first window is
//! searched around every entry, the later ones around the carriers of known cells and a few others in turn.
//!
//! Of the cells heard in a window SIB1 is received ([`sib1`]) where the stream holds CORESET 0 ([`coreset`]): its [`slot`]s are
//! demodulated, what announces it is read under SI-RNTI ([`pdcch`], [`dci`]), and its block ([`transport_block`]) put together from the
//! PDSCH's soft bits ([`pdsch`], [`pilots`]) in this and later windows.
//!
//! Limits, measured on recordings with noise added (`tests/nr_receiver.rs`): of 50 blocks all are read at -4 dB an element, four in five
//! at -6 dB, one in twenty at -8 dB. At 0 dB the carrier is told to 70 Hz and the timing to 4 ns at 15 kHz, at 10 dB to 20 Hz and
//! 1.3 ns. Transmitters' phase noise of some 10 mrad from symbol to symbol, which recordings show, is 10 to 20 Hz more.
//! `tests/nr_sib1.rs`: SIB1 comes from one slot from -2 dB (code rate 0.12) to 2 dB (0.37) on; a third recording needs some 5 dB more.
//!
//! What is not covered: frequency range 2; blocks off the raster that [`Options::centers`] does not name; system information beyond
//! SIB1; half of the windows of cells whose blocks come less often than every 20 ms. Timing is that of the strongest path, not of the first. Between
//! windows known cells are not followed, so the frame rate is told only of streams that last for several windows.
//!
//! All decisions are taken at windows of fixed places: reports do not depend on how the stream is cut into blocks. One window is
//! buffered.
//!
//! ## References
//! - 3GPP TS 38.211, 38.212, 38.213, 38.215 and 38.331, Release 17
//! - 3GPP TS 38.104 Release 17: synchronisation raster (clause 5.4.3)

pub mod block;
pub mod cell;
pub mod coreset;
pub mod dci;
pub mod numerology;
pub mod pbch;
pub mod pdcch;
pub mod pdsch;
pub mod pilots;
pub mod search;
pub mod sib1;
pub mod slot;
pub mod sync;
pub mod transport_block;

use crate::radio::source::StreamInfo;
use crate::rat::CellReport;
use crate::units::{Hz, Nanos, Ppb};
use block::Reader;
use cell::Cell;
use num_complex::Complex32;
use numerology::{CENTRE, Spacing, Tuning, raster};
use search::Searcher;

/// Length of a window: a half frame's blocks come at least every 20 ms, and none lasts longer than half a millisecond.
const WINDOW: Nanos = Nanos(20_500_000);
/// Shortest stretch at a stream's end that is looked at: a block of 15 kHz.
const LEAST: Nanos = Nanos(286_000);
/// Bundles besides those of known cells that a later window is searched around. Chosen: four windows a minute reach all of 20 MHz
/// several times.
const IN_TURN: usize = 4;
/// Cells kept; the least recently heard goes.
const MAX_CELLS: usize = 64;
/// Entries that [`Options::centers`] may name; more are passed over.
const MAX_CENTERS: usize = 16;

/// What a receiver is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Carrier errors searched, to either side.
    pub max_error: Ppb,
    /// From one window to the next.
    pub search_interval: Nanos,
    /// Centres of blocks off the raster; TS 38.104 clause 5.4.3 lets only cells that are not searched for stand there.
    pub centers: Vec<Hz>,
}

impl Default for Options {
    fn default() -> Options {
        Options { max_error: Ppb(12_000.0), search_interval: Nanos::from_secs(2), centers: Vec::new() }
    }
}

/// Receives the NR cells of one stream.
#[derive(Debug)]
pub struct Receiver {
    options: Options,
    center: Hz,
    rate: Hz,
    tunings: Vec<Tuning>,
    /// Made when a stream first holds enough to be searched.
    tools: Vec<(Searcher, Reader)>,
    window: Vec<Complex32>,
    /// Samples of the stream so far, and where the window begins.
    at: u64,
    first: u64,
    windows: u64,
    /// The next of the bundles that take turns.
    turn: usize,
    cells: Vec<Cell>,
    evicted: u64,
}

impl Receiver {
    /// A receiver for one stream; a gap or a retune makes a new stream and a new receiver.
    pub fn new(stream: &StreamInfo, options: Options) -> Receiver {
        let (center, rate) = (stream.center, stream.sample_rate);
        let mut tunings = Vec::new();
        if center.0.is_finite() && rate.0.is_finite() {
            let half = rate.0 / 2.0;
            let fits = |tuning: &Tuning, entry: Hz| {
                let reach = (CENTRE as f64) * tuning.kind.spacing.hz().0;
                (tuning.center.0 + entry.0 - center.0).abs() + reach <= half
            };
            tunings = raster(Hz(center.0 - half), Hz(center.0 + half));
            for &own in options.centers.iter().take(MAX_CENTERS) {
                let entries = vec![Hz(0.0)];
                tunings.extend(numerology::kinds(own).map(|kind| Tuning {
                    center: own,
                    entries: entries.clone(),
                    kind,
                }));
            }
            for tuning in &mut tunings {
                let kept = tuning.entries.iter().copied().filter(|&entry| fits(tuning, entry)).collect();
                tuning.entries = kept;
            }
            tunings.retain(|tuning| !tuning.entries.is_empty());
        }
        Receiver {
            options,
            center,
            rate,
            tunings,
            tools: Vec::new(),
            window: Vec::new(),
            at: 0,
            first: 0,
            windows: 0,
            turn: 0,
            cells: Vec::new(),
            evicted: 0,
        }
    }

    /// Takes the next samples of the stream. Appends a report of every cell heard in a window when the window is over.
    pub fn process(&mut self, mut samples: &[Complex32], reports: &mut Vec<CellReport>) {
        if self.tunings.is_empty() {
            return;
        }
        let full = self.samples(WINDOW);
        while !samples.is_empty() {
            let wanted = match self.first.checked_sub(self.at) {
                Some(skipped @ 1..) => skipped,
                _ => self.first + full - self.at,
            };
            let (now, later) = samples.split_at(wanted.min(samples.len() as u64) as usize);
            if self.at >= self.first {
                self.window.reserve_exact((full as usize).saturating_sub(self.window.len()));
                self.window.extend_from_slice(now);
            }
            self.at += now.len() as u64;
            samples = later;
            if self.at == self.first + full {
                self.look();
                self.report(reports);
                self.first += self.samples(self.options.search_interval).max(full);
                self.windows += 1;
                self.window.clear();
            }
        }
    }

    /// The stream has ended: appends the final report of every cell, by ascending [`crate::cell::CellKey`].
    pub fn finish(&mut self, reports: &mut Vec<CellReport>) {
        if self.window.len() as u64 >= self.samples(LEAST) {
            self.look();
        }
        self.window.clear();
        self.cells.sort_by_key(|cell| cell.key());
        reports.extend(self.cells.iter().map(|cell| cell.report(self.rate)));
        self.cells.clear();
    }

    /// Cells that were forgotten because too many had been heard.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn samples(&self, span: Nanos) -> u64 {
        (span.as_secs_f64() * self.rate.0).round() as u64
    }

    /// Bundles that the present window is searched around.
    fn chosen(&mut self) -> Vec<usize> {
        if self.windows == 0 {
            return (0..self.tunings.len()).collect();
        }
        let known = |tuning: &Tuning| {
            let entry = |cell: &Cell| tuning.entries.iter().any(|&entry| tuning.center + entry == cell.carrier());
            self.cells.iter().any(|cell| cell.kind() == tuning.kind && entry(cell))
        };
        let mut chosen: Vec<usize> = (0..self.tunings.len()).filter(|&at| known(&self.tunings[at])).collect();
        for _ in 0..IN_TURN.min(self.tunings.len()) {
            if !chosen.contains(&self.turn) {
                chosen.push(self.turn);
            }
            self.turn = (self.turn + 1) % self.tunings.len();
        }
        chosen
    }

    /// Searches the window.
    fn look(&mut self) {
        for at in self.chosen() {
            let place = self.tool(self.tunings[at].kind.spacing);
            let (tuning, (searcher, reader)) = (&self.tunings[at], &mut self.tools[place]);
            let max_error = Hz(tuning.center.0 * self.options.max_error.0 * 1e-9);
            for peak in searcher.search(&self.window, self.center, tuning, max_error) {
                let nominal = tuning.center + peak.entry;
                let block = reader.read(&self.window, self.center, nominal, tuning.kind, &peak);
                let Some(block) = block else { continue };
                let known = self.cells.iter_mut().find(|cell| cell.is(nominal, tuning.kind, block.pci));
                match known {
                    Some(cell) => cell.take(&block, self.first, self.rate),
                    None => {
                        if self.cells.len() == MAX_CELLS {
                            let oldest = (0..MAX_CELLS).min_by_key(|&i| self.cells[i].last());
                            self.cells.remove(oldest.unwrap_or(0));
                            self.evicted += 1;
                        }
                        self.cells.push(Cell::new(&block, nominal, tuning.kind, self.first, self.rate));
                    }
                }
            }
        }
        for cell in &mut self.cells {
            cell.listen(&self.window, self.center, self.first, self.rate);
            cell.close();
        }
    }

    /// What searches and reads blocks of a spacing.
    fn tool(&mut self, spacing: Spacing) -> usize {
        self.tools.iter().position(|(searcher, _)| searcher.spacing() == spacing).unwrap_or_else(|| {
            self.tools.push((Searcher::new(self.rate, spacing), Reader::new(self.rate, spacing)));
            self.tools.len() - 1
        })
    }

    /// Reports of the cells that the window has brought news of, by key.
    fn report(&mut self, reports: &mut Vec<CellReport>) {
        let mut heard: Vec<&mut Cell> = self.cells.iter_mut().filter(|cell| cell.is_news()).collect();
        heard.sort_by_key(|cell| cell.key());
        for cell in heard {
            cell.told();
            reports.push(cell.report(self.rate));
        }
    }
}
