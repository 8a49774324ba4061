//! Segments of samples on disk: numbered files, the oldest of them given up first, pinned ones last.
//!
//! `NNNNNNNNNN.iq` holds pairs of 16-bit integers (little-endian, full scale 32768) of one receiver: a stretch of one stream, or of the
//! several that a receiver that scans makes in a second. `NNNNNNNNNN.json` has a line for each of them, which says of which stream it
//! is, when it begins and where in the file; `NNNNNNNNNN.pin` marks a segment that surrounds a finding, and `NNNNNNNNNN.event.json` is a
//! finding. The quota is over all receivers.

use crate::cell::CellKey;
use crate::observation::Finding;
use crate::radio::source::StreamInfo;
use crate::units::{Hz, Nanos, SampleIndex, Timestamp};
use num_complex::Complex32;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Length of a segment. Chosen: what is pinned around a finding is four or five of them.
const SEGMENT: Nanos = Nanos::from_secs(4);
/// What is pinned before and after a finding.
const AROUND: Nanos = Nanos::from_secs(8);
/// Findings kept; the oldest goes.
const MAX_EVENTS: usize = 256;
/// Stretches in one segment: beyond it another one begins. Chosen: a receiver that scans makes some twenty a second.
const MAX_STRETCHES: usize = 256;
/// Two stretches of one stream that begin and end within this are one.
const SAME: Nanos = Nanos(2_000);
/// Octets of a sample.
const SAMPLE: u64 = 4;

/// What a stretch of a segment is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The stream.
    pub stream: String,
    /// Its centre, hertz.
    pub center_hz: f64,
    /// Samples a second.
    pub rate_hz: f64,
    /// Time of the first sample.
    pub start_ns: Timestamp,
    /// Where it begins in the file, octets.
    #[serde(default)]
    pub offset: u64,
}

impl About {
    fn end(&self, octets: u64) -> Timestamp {
        let seconds = octets as f64 / SAMPLE as f64 / self.rate_hz;
        self.start_ns + Nanos((seconds * 1e9) as i64)
    }
}

#[derive(Clone, Debug, Default)]
struct Segment {
    stretches: Vec<About>,
    octets: u64,
    pinned: bool,
}

impl Segment {
    /// Each stretch and its octets.
    fn parts(&self) -> impl Iterator<Item = (&About, u64)> {
        let ends = self.stretches.iter().skip(1).map(|next| next.offset).chain([self.octets]);
        self.stretches.iter().zip(ends).map(|(about, end)| (about, end.saturating_sub(about.offset)))
    }

    fn touches(&self, at: Timestamp) -> bool {
        self.parts().any(|(about, octets)| near(about, octets, at))
    }
}

/// Whether a stretch lies within what is kept around `at`.
fn near(about: &About, octets: u64, at: Timestamp) -> bool {
    about.end(octets) >= at - AROUND && about.start_ns <= at + AROUND
}

/// Where one receiver writes.
#[derive(Debug, Default)]
struct Lane {
    open: Option<(u64, BufWriter<File>)>,
    stream: Option<StreamInfo>,
    /// Samples of the stream so far.
    position: u64,
    /// A stretch begins with the next sample.
    fresh: bool,
}

/// The ring.
#[derive(Debug)]
pub struct Ring {
    folder: PathBuf,
    quota: u64,
    segments: BTreeMap<u64, Segment>,
    octets: u64,
    events: BTreeMap<u64, (Timestamp, CellKey)>,
    next: u64,
    lanes: BTreeMap<usize, Lane>,
    /// Everything is pinned until then.
    pin_until: Option<Timestamp>,
    buffer: Vec<u8>,
}

/// A finding and the samples around it.
#[derive(Debug)]
pub struct Event {
    /// Its number.
    pub number: u64,
    /// The finding.
    pub finding: Finding,
    /// Of the finding's stream: the unbroken stretch that holds its moment, or the nearest one.
    pub samples: Option<Take>,
}

/// An unbroken stretch of a stream, to be read by [`Ring::read`].
#[derive(Clone, Debug, PartialEq)]
pub struct Take {
    /// What the samples are; the start is that of the first one.
    pub info: StreamInfo,
    /// How many there are.
    pub length: u64,
    /// File, place in it (octets) and samples.
    parts: Vec<(u64, u64, u64)>,
}

impl Take {
    /// The part of it that lies within `half` of `at`.
    pub fn around(&self, at: Timestamp, half: Nanos) -> Take {
        let rate = self.info.sample_rate.0;
        let place = |at: Timestamp| (((at - self.info.start).as_secs_f64() * rate).max(0.0) as u64).min(self.length);
        let (from, to) = (place(at - half), place(at + half));
        let (mut first, mut parts) = (0, Vec::new());
        for (number, offset, count) in &self.parts {
            let (begin, end) = (from.max(first), to.min(first + count));
            if begin < end {
                parts.push((*number, offset + (begin - first) * SAMPLE, end - begin));
            }
            first += count;
        }
        let start = self.info.start + Nanos((from as f64 / rate * 1e9).round() as i64);
        Take { info: StreamInfo { start, ..self.info.clone() }, length: to - from, parts }
    }
}

fn path(folder: &Path, number: u64, kind: &str) -> PathBuf {
    folder.join(format!("{number:010}.{kind}"))
}

impl Ring {
    /// Opens the ring of a folder, and makes the folder where it is missing.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: &Path, quota: u64) -> std::io::Result<Ring> {
        std::fs::create_dir_all(folder)?;
        let mut ring = Ring {
            folder: folder.to_owned(),
            quota,
            segments: BTreeMap::new(),
            octets: 0,
            events: BTreeMap::new(),
            next: 1,
            lanes: BTreeMap::new(),
            pin_until: None,
            buffer: Vec::new(),
        };
        for entry in std::fs::read_dir(folder)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((number, kind)) = name.split_once('.') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            ring.next = ring.next.max(number.saturating_add(1));
            let text = || std::fs::read_to_string(entry.path()).unwrap_or_default();
            match kind {
                "json" => {
                    let octets = std::fs::metadata(path(folder, number, "iq")).map_or(0, |data| data.len());
                    // After a power cut a stretch may be told of that has not reached the disk.
                    let lines = text();
                    let told = lines.lines().filter_map(|line| serde_json::from_str::<About>(line).ok());
                    let stretches: Vec<About> =
                        told.filter(|about| about.offset <= octets && about.rate_hz > 0.0).collect();
                    if !stretches.is_empty() {
                        let pinned = path(folder, number, "pin").is_file();
                        ring.octets += octets;
                        ring.segments.insert(number, Segment { stretches, octets, pinned });
                    }
                }
                "event.json" => {
                    if let Ok(finding) = serde_json::from_str::<Finding>(&text()) {
                        ring.events.insert(number, (finding.observation.at_ns, finding.observation.cell));
                    }
                }
                _ => {}
            }
        }
        Ok(ring)
    }

    /// Another stream begins at receiver `lane`.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(&mut self, lane: usize, info: &StreamInfo) -> std::io::Result<()> {
        let lane = self.lanes.entry(lane).or_default();
        (lane.stream, lane.position, lane.fresh) = (Some(info.clone()), 0, true);
        lane.open.as_mut().map_or(Ok(()), |(_, file)| file.flush())
    }

    /// Writes out what has been taken so far, so that it can be read.
    ///
    /// # Errors
    /// The system's.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.lanes.values_mut().filter_map(|lane| lane.open.as_mut()).try_for_each(|(_, file)| file.flush())
    }

    /// Samples of the stream of receiver `lane`, I and Q in turn, the first of them its sample `first`.
    ///
    /// # Errors
    /// The system's: what did not fit is lost, and a new segment begins with what comes next.
    pub fn write(&mut self, lane: usize, first: SampleIndex, samples: &[i16]) -> std::io::Result<()> {
        let Some(state) = self.lanes.get_mut(&lane) else { return Ok(()) };
        let Some(info) = &state.stream else { return Ok(()) };
        if first.0 != state.position {
            // Something is missing in between.
            (state.position, state.fresh) = (first.0, true);
        }
        let rate = info.sample_rate.0;
        let at = |position: u64| info.start + Nanos((position as f64 / rate * 1e9).round() as i64);
        let start_ns = at(state.position);
        let about = About { stream: String::new(), center_hz: info.center.0, rate_hz: rate, start_ns, offset: 0 };
        state.position += samples.len() as u64 / 2;
        let (end, fresh) = (at(state.position), state.fresh);
        let open = state.open.as_ref().map(|(number, _)| *number);
        let number = match open {
            Some(number) if !fresh => number,
            _ => self.begin_stretch(lane, open, about)?,
        };
        let Some(state) = self.lanes.get_mut(&lane) else { return Ok(()) };
        self.buffer.clear();
        self.buffer.extend(samples.iter().flat_map(|value| value.to_le_bytes()));
        let written = state.open.as_mut().map_or(Ok(()), |(_, file)| file.write_all(&self.buffer));
        let Some(segment) = self.segments.get_mut(&number) else { return written };
        segment.octets += self.buffer.len() as u64;
        self.octets += self.buffer.len() as u64;
        let length = segment.stretches.first().map_or(Nanos(0), |first| end - first.start_ns);
        // A clock that was set back ends a segment too.
        let whole = length >= SEGMENT || length.0 < 0;
        if written.is_err() || whole {
            state.fresh = true;
            let closed = state.open.take().map_or(Ok(()), |(_, mut file)| file.flush());
            if written.is_err() {
                self.remove(number);
            }
            self.trim();
            return written.and(closed);
        }
        self.trim();
        Ok(())
    }

    /// Begins a stretch of what receiver `lane` receives, in segment `open` or in another one.
    fn begin_stretch(&mut self, lane: usize, open: Option<u64>, about: About) -> std::io::Result<u64> {
        let room = |number: &u64| self.segments.get(number).is_some_and(|has| has.stretches.len() < MAX_STRETCHES);
        let number = match open.filter(room) {
            Some(number) => number,
            None => {
                let (number, start_ns) = (self.next, about.start_ns);
                self.next += 1;
                let file = BufWriter::new(File::create(path(&self.folder, number, "iq"))?);
                self.segments.insert(number, Segment::default());
                if let Some(state) = self.lanes.get_mut(&lane)
                    && let Some((_, mut before)) = state.open.replace((number, file))
                {
                    before.flush()?;
                }
                if self.pin_until.is_some_and(|until| start_ns < until && until - start_ns <= AROUND) {
                    self.mark(number)?;
                }
                number
            }
        };
        let (Some(state), Some(segment)) = (self.lanes.get_mut(&lane), self.segments.get_mut(&number)) else {
            return Ok(number);
        };
        let stream = state.stream.as_ref().map(|info| info.stream.clone()).unwrap_or_default();
        let about = About { stream, offset: segment.octets, ..about };
        let mut list = File::options().create(true).append(true).open(path(&self.folder, number, "json"))?;
        list.write_all(format!("{}\n", serde_json::to_string(&about)?).as_bytes())?;
        segment.stretches.push(about);
        state.fresh = false;
        Ok(number)
    }

    fn mark(&mut self, number: u64) -> std::io::Result<()> {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.pinned = true;
            File::create(path(&self.folder, number, "pin"))?;
        }
        Ok(())
    }

    /// Pins what surrounds a finding, of all receivers.
    ///
    /// # Errors
    /// The system's.
    pub fn pin(&mut self, finding: &Finding) -> std::io::Result<()> {
        let (at, cell) = (finding.observation.at_ns, finding.observation.cell);
        // Once around one moment: the other findings about the cell are in the same segments.
        if self.events.values().any(|(known, of)| *of == cell && (known.0 - at.0).abs() < AROUND.0) {
            return Ok(());
        }
        let number = self.next;
        self.next += 1;
        std::fs::write(path(&self.folder, number, "event.json"), serde_json::to_string(finding)?)?;
        self.events.insert(number, (at, cell));
        while self.events.len() > MAX_EVENTS {
            if let Some((oldest, _)) = self.events.pop_first() {
                let _ = std::fs::remove_file(path(&self.folder, oldest, "event.json"));
            }
        }
        self.pin_until = Some(at + AROUND);
        let touched = self.segments.iter().filter(|(_, segment)| !segment.pinned && segment.touches(at));
        let numbers: Vec<u64> = touched.map(|(number, _)| *number).collect();
        numbers.into_iter().try_for_each(|number| self.mark(number))
    }

    fn remove(&mut self, number: u64) {
        for kind in ["iq", "json", "pin"] {
            let _ = std::fs::remove_file(path(&self.folder, number, kind));
        }
        if let Some(segment) = self.segments.remove(&number) {
            self.octets -= segment.octets;
        }
    }

    /// Octets kept.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    fn trim(&mut self) {
        while self.octets > self.quota {
            let open =
                |number: &u64| self.lanes.values().any(|lane| lane.open.as_ref().is_some_and(|at| at.0 == *number));
            let closed = || self.segments.iter().filter(|(number, _)| !open(number));
            let oldest = closed().find(|(_, segment)| !segment.pinned).or_else(|| closed().next());
            let Some(number) = oldest.map(|(number, _)| *number) else { return };
            self.remove(number);
        }
    }

    /// Every finding that something is left of, oldest first.
    ///
    /// # Errors
    /// The system's, or a file that does not hold what was written.
    pub fn events(&mut self) -> std::io::Result<Vec<Event>> {
        self.flush()?;
        let mut list = Vec::new();
        for number in self.events.keys() {
            let text = std::fs::read_to_string(path(&self.folder, *number, "event.json"))?;
            let finding: Finding = serde_json::from_str(&text)?;
            let samples = self.around(&finding);
            list.push(Event { number: *number, finding, samples });
        }
        Ok(list)
    }

    fn around(&self, finding: &Finding) -> Option<Take> {
        let observation = &finding.observation;
        let at = observation.at_ns;
        let mut found: Option<(Take, Timestamp)> = None;
        for (number, segment) in &self.segments {
            for (about, octets) in segment.parts() {
                if about.stream != observation.receiver.stream || !near(about, octets, at) || octets < SAMPLE {
                    continue;
                }
                let part = (*number, about.offset, octets / SAMPLE);
                match &mut found {
                    Some((take, end)) if (about.start_ns.0 - end.0).abs() < SAME.0 => {
                        take.length += part.2;
                        take.parts.push(part);
                        *end = about.end(octets);
                    }
                    // What comes after a break is of use only while the finding's own moment has not come.
                    Some(_) if about.start_ns > at => break,
                    _ => {
                        let (center, sample_rate) = (Hz(about.center_hz), Hz(about.rate_hz));
                        let info =
                            StreamInfo { stream: about.stream.clone(), center, sample_rate, start: about.start_ns };
                        found = Some((Take { info, length: part.2, parts: vec![part] }, about.end(octets)));
                    }
                }
            }
        }
        found.map(|(take, _)| take)
    }

    /// Reads samples `range` of a stretch into `samples`, in place of what they held; what lies beyond its end is left out.
    ///
    /// # Errors
    /// The system's: such as that a file has been given up meanwhile.
    pub fn read(&self, take: &Take, range: Range<u64>, samples: &mut Vec<Complex32>) -> std::io::Result<()> {
        samples.clear();
        let mut first = 0;
        for (number, offset, count) in &take.parts {
            let (from, to) = (range.start.max(first), range.end.min(first + count));
            if from < to {
                let mut file = File::open(path(&self.folder, *number, "iq"))?;
                file.seek(SeekFrom::Start(offset + (from - first) * SAMPLE))?;
                let mut octets = vec![0; ((to - from) * SAMPLE) as usize];
                file.read_exact(&mut octets)?;
                let value = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0;
                samples.extend(octets.chunks_exact(4).map(|four| Complex32::new(value(&four[..2]), value(&four[2..]))));
            }
            first += count;
        }
        Ok(())
    }
}
