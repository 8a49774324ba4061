//! One recording through ring, receiver, observation and rules.

use super::plot::Waterfall;
use daen::cell::{CellKey, Rat};
use daen::dsp::occupancy::{Carrier, Occupancy, Signal, Survey};
use daen::observation::{Clock, ClockSource, Finding, Observation};
use daen::radio::recording::{Recording, Segment};
use daen::radio::ring::{WhenFull, ring};
use daen::radio::source::{Event, SourceError, StreamInfo};
use daen::rat::lte::nb_iot::Recogniser;
use daen::rat::{self, MAX_BROADCAST};
use daen::rules::Engine;
use daen::sensor::receive::{Hearing, Judged, Surroundings};
use daen::units::{Hz, Nanos};
use std::collections::{BTreeMap, BTreeSet};

/// Blocks in the ring: enough that neither side waits for the other's hiccups.
const BLOCKS: usize = 8;

/// What is asked of one run.
pub struct Options {
    /// The recording as the user named it.
    pub file: String,
    /// Samples read at once.
    pub block: usize,
    /// What the receivers are asked to do.
    pub receivers: rat::Options,
    /// Keep spectra for a plot.
    pub plot: bool,
}

/// A cell as last reported.
pub struct Cell {
    /// What is known of it.
    pub observation: Observation,
    /// The receiver's counters.
    pub counts: BTreeMap<&'static str, u64>,
    /// First and last signal, counted from the start of the file.
    pub heard: (Nanos, Nanos),
    /// The segment in which it was last heard.
    segment: usize,
}

/// A carrier seen in the spectrum.
pub struct Seen {
    /// The carrier, relative to `center`.
    pub carrier: Carrier,
    /// Middle of the band.
    pub center: Hz,
}

/// What a recording gave.
pub struct Outcome {
    /// The recording as the user named it.
    pub file: String,
    /// The streams, in order.
    pub segments: Vec<Segment>,
    /// Samples read.
    pub samples: u64,
    /// Their duration.
    pub seconds: f64,
    /// Cells, by stream and key.
    pub cells: Vec<Cell>,
    /// What the rules say, in the order in which they said it.
    pub findings: Vec<Finding>,
    /// Standards recognised and not decoded.
    pub not_supported: BTreeSet<Signal>,
    /// Carriers seen, by stream.
    pub seen: Vec<Seen>,
    /// Samples at full scale.
    pub clipped: u64,
    /// Spectra, where asked for.
    pub waterfalls: Vec<Waterfall>,
    /// What ended the reading early.
    pub failure: Option<SourceError>,
}

impl Outcome {
    /// Breaks between streams.
    pub fn gaps(&self) -> usize {
        self.segments.len().saturating_sub(1)
    }
}

/// What works on the present stream.
struct Stream {
    hearing: Hearing,
    segment: usize,
    survey: Survey,
    machines: Recogniser,
}

/// Receives all of `recording`; `progress` is told the samples read so far.
pub fn receive(mut recording: Recording, options: &Options, engine: Engine, progress: impl Fn(u64)) -> Outcome {
    let segments = recording.segments().to_vec();
    let waterfalls = if options.plot { Waterfall::plan(&segments) } else { Vec::new() };
    let outcome = Outcome {
        file: options.file.clone(),
        segments,
        samples: 0,
        seconds: 0.0,
        cells: Vec::new(),
        findings: Vec::new(),
        not_supported: BTreeSet::new(),
        seen: Vec::new(),
        clipped: 0,
        waterfalls,
        failure: None,
    };
    let mut run = Run { options, engine, outcome, stream: None };
    let (feeder, mut reader) = ring(BLOCKS, options.block, WhenFull::Wait);
    std::thread::scope(|scope| {
        scope.spawn(|| feeder.run(&mut recording));
        loop {
            match reader.read() {
                Ok((Event::Stream(info), _)) => run.begin(info),
                Ok((Event::Samples, block)) => {
                    run.samples(&block.samples, block.clipped);
                    progress(run.outcome.samples);
                }
                Ok((Event::End, _)) => break,
                Err(error) => {
                    run.outcome.failure = Some(error);
                    break;
                }
            }
        }
    });
    run.end();
    run.outcome
}

struct Run<'a> {
    options: &'a Options,
    engine: Engine,
    outcome: Outcome,
    stream: Option<Stream>,
}

impl Run<'_> {
    fn begin(&mut self, info: StreamInfo) {
        let segment = self.stream.as_ref().map_or(0, |stream| stream.segment + 1);
        self.end();
        let (survey, machines) = (Survey::new(info.sample_rate), Recogniser::new(info.sample_rate));
        let hearing = Hearing::new(info, self.options.receivers.clone());
        self.stream = Some(Stream { hearing, segment, survey, machines });
    }

    fn samples(&mut self, samples: &[num_complex::Complex32], clipped: u32) {
        let Some(stream) = &mut self.stream else { return };
        self.outcome.samples += samples.len() as u64;
        self.outcome.seconds += samples.len() as f64 / stream.hearing.info().sample_rate.0;
        self.outcome.clipped += u64::from(clipped);
        stream.survey.process(samples);
        stream.machines.process(samples);
        for waterfall in &mut self.outcome.waterfalls {
            waterfall.process(stream.segment, samples);
        }
        stream.hearing.process(samples, clipped);
        let judged = stream.hearing.judged(around(), &mut self.engine);
        self.outcome.findings.extend(judged.into_iter().flat_map(|judged| judged.findings));
    }

    fn end(&mut self) {
        let Some(Stream { hearing, segment, survey, machines }) = self.stream.take() else { return };
        let before: u64 = self.outcome.segments[..segment].iter().map(|segment| segment.samples).sum();
        let offset = Nanos((before as f64 / hearing.info().sample_rate.0 * 1e9).round() as i64);
        let center = hearing.info().center;
        for Judged { report, observation, findings, last } in hearing.finish(around(), &mut self.engine) {
            self.outcome.findings.extend(findings);
            if last {
                let heard = (offset + report.first, offset + report.last);
                add(&mut self.outcome.cells, Cell { observation, counts: report.counts, heard, segment });
            }
        }
        let Occupancy { signals, carriers, .. } = survey.finish();
        self.outcome.not_supported.extend(signals);
        if self.outcome.not_supported.contains(&Signal::Lte) {
            self.outcome.not_supported.remove(&Signal::LteOrNr);
        }
        if self.outcome.cells.iter().any(|cell| cell.observation.cell.rat == Rat::Lte) {
            self.outcome.not_supported.remove(&Signal::Lte);
            self.outcome.not_supported.remove(&Signal::LteOrNr);
        }
        if self.outcome.cells.iter().any(|cell| cell.observation.cell.rat == Rat::Nr) {
            self.outcome.not_supported.remove(&Signal::Nr);
            self.outcome.not_supported.remove(&Signal::LteOrNr);
        }
        if self.outcome.cells.iter().any(|cell| cell.counts.contains_key("emtc")) {
            self.outcome.not_supported.insert(Signal::Emtc);
        }
        if !machines.finish().is_empty() {
            self.outcome.not_supported.insert(Signal::NbIot);
        }
        self.outcome.seen.extend(carriers.into_iter().map(|carrier| Seen { carrier, center }));
    }
}

/// Of a recording nothing more is known.
fn around() -> Surroundings {
    let clock = Clock { source: ClockSource::Recording, sigma_ns: None, locked: false, since_ns: None };
    Surroundings { clock, position: None, lost_samples: 0 }
}

/// Adds a cell, or joins it with the same one of an earlier stream: the later measurement stays, counts add up.
fn add(cells: &mut Vec<Cell>, mut cell: Cell) {
    let same = |known: &&mut Cell| {
        let key = |cell: &Cell| -> CellKey { cell.observation.cell };
        let (a, b) = (&known.observation.identity, &cell.observation.identity);
        known.segment < cell.segment && key(known) == key(&cell) && (a == b || a.is_none() || b.is_none())
    };
    let Some(known) = cells.iter_mut().find(same) else { return cells.push(cell) };
    for (&name, count) in &known.counts {
        *cell.counts.entry(name).or_default() += count;
    }
    cell.heard.0 = known.heard.0;
    cell.observation.first_ns = known.observation.first_ns;
    if cell.observation.identity.is_none() {
        cell.observation.identity = known.observation.identity.take();
    }
    if cell.observation.fields.is_none() {
        cell.observation.fields = known.observation.fields.take();
    }
    for block in std::mem::take(&mut known.observation.broadcast) {
        let now = &mut cell.observation.broadcast;
        let full = now.len() >= MAX_BROADCAST;
        match now.iter_mut().find(|other| other.name == block.name && other.octets == block.octets) {
            Some(other) => other.count = other.count.saturating_add(block.count),
            None if full => {}
            None => now.push(block),
        }
    }
    *known = cell;
}
