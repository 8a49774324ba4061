//! Segments of samples on disk: numbered files, the oldest of them given up first, pinned ones last.
//!
//! `NNNNNNNNNN.iq` holds pairs of 16-bit integers (little-endian, full scale 32768), `NNNNNNNNNN.json` says of which stream they are and
//! when they begin; `NNNNNNNNNN.pin` marks a segment that surrounds a finding, and `NNNNNNNNNN.event.json` is a finding.

use crate::observation::Finding;
use crate::radio::source::StreamInfo;
use crate::units::{Hz, Nanos, SampleIndex, Timestamp};
use num_complex::Complex32;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Length of a segment. Chosen: what is pinned around a finding is four or five of them.
const SEGMENT: Nanos = Nanos::from_secs(4);
/// What is pinned before and after a finding.
const AROUND: Nanos = Nanos::from_secs(8);
/// Findings kept; the oldest goes.
const MAX_EVENTS: usize = 256;

/// What a segment is.
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
}

#[derive(Clone, Debug)]
struct Segment {
    about: About,
    octets: u64,
    pinned: bool,
}

impl Segment {
    fn end(&self) -> Timestamp {
        let seconds = self.octets as f64 / 4.0 / self.about.rate_hz;
        self.about.start_ns + Nanos((seconds * 1e9) as i64)
    }
}

/// The ring.
#[derive(Debug)]
pub struct Ring {
    folder: PathBuf,
    quota: u64,
    segments: BTreeMap<u64, Segment>,
    events: BTreeMap<u64, Timestamp>,
    next: u64,
    open: Option<(u64, BufWriter<File>)>,
    stream: Option<StreamInfo>,
    /// Samples of the stream so far.
    position: u64,
    /// Everything is pinned until then.
    pin_until: Option<Timestamp>,
}

/// A finding and the samples around it.
#[derive(Debug)]
pub struct Event {
    /// Its number.
    pub number: u64,
    /// The finding.
    pub finding: Finding,
    /// Of the finding's stream: what the samples are, and the samples, unbroken, the longest stretch there is.
    pub samples: Option<(StreamInfo, Vec<Complex32>)>,
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
            events: BTreeMap::new(),
            next: 1,
            open: None,
            stream: None,
            position: 0,
            pin_until: None,
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
                    if let Ok(about) = serde_json::from_str(&text()) {
                        let pinned = path(folder, number, "pin").is_file();
                        ring.segments.insert(number, Segment { about, octets, pinned });
                    }
                }
                "event.json" => {
                    if let Ok(finding) = serde_json::from_str::<Finding>(&text()) {
                        ring.events.insert(number, finding.observation.at_ns);
                    }
                }
                _ => {}
            }
        }
        Ok(ring)
    }

    /// Another stream begins.
    ///
    /// # Errors
    /// The system's; what was begun is closed all the same.
    pub fn begin(&mut self, info: &StreamInfo) -> std::io::Result<()> {
        (self.stream, self.position) = (Some(info.clone()), 0);
        self.close()
    }

    fn close(&mut self) -> std::io::Result<()> {
        self.open.take().map_or(Ok(()), |(_, mut file)| file.flush())
    }

    /// Samples of the stream, I and Q in turn, the first of them its sample `first`.
    ///
    /// # Errors
    /// The system's: what did not fit is lost, and a new segment begins with what comes next.
    pub fn write(&mut self, first: SampleIndex, samples: &[i16]) -> std::io::Result<()> {
        let Some(info) = self.stream.clone() else { return Ok(()) };
        if first.0 != self.position {
            // Something is missing in between.
            self.position = first.0;
            self.close()?;
        }
        let seconds = self.position as f64 / info.sample_rate.0;
        let now = info.start + Nanos((seconds * 1e9).round() as i64);
        self.position += samples.len() as u64 / 2;
        let number = match &self.open {
            Some((number, _)) => *number,
            None => self.new_segment(&info, now)?,
        };
        let octets: Vec<u8> = samples.iter().flat_map(|value| value.to_le_bytes()).collect();
        let written = self.open.as_mut().map_or(Ok(()), |(_, file)| file.write_all(&octets));
        let Some(segment) = self.segments.get_mut(&number) else { return written };
        segment.octets += octets.len() as u64;
        let whole = segment.end() - segment.about.start_ns >= SEGMENT;
        if written.is_err() || whole {
            let closed = self.close();
            if written.is_err() {
                self.remove(number);
            }
            self.trim();
            return written.and(closed);
        }
        self.trim();
        Ok(())
    }

    fn new_segment(&mut self, info: &StreamInfo, start_ns: Timestamp) -> std::io::Result<u64> {
        let number = self.next;
        self.next += 1;
        let about =
            About { stream: info.stream.clone(), center_hz: info.center.0, rate_hz: info.sample_rate.0, start_ns };
        std::fs::write(path(&self.folder, number, "json"), serde_json::to_string(&about)?)?;
        self.open = Some((number, BufWriter::new(File::create(path(&self.folder, number, "iq"))?)));
        self.segments.insert(number, Segment { about, octets: 0, pinned: false });
        if self.pin_until.is_some_and(|until| start_ns < until && until - start_ns <= AROUND) {
            self.mark(number)?;
        }
        Ok(number)
    }

    fn mark(&mut self, number: u64) -> std::io::Result<()> {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.pinned = true;
            File::create(path(&self.folder, number, "pin"))?;
        }
        Ok(())
    }

    /// Pins what surrounds a finding.
    ///
    /// # Errors
    /// The system's.
    pub fn pin(&mut self, finding: &Finding) -> std::io::Result<()> {
        let at = finding.observation.at_ns;
        // Once around one moment: the other findings of the same moment are in the same segments.
        if self.events.values().any(|known| (known.0 - at.0).abs() < AROUND.0) {
            return Ok(());
        }
        let number = self.next;
        self.next += 1;
        std::fs::write(path(&self.folder, number, "event.json"), serde_json::to_string(finding)?)?;
        self.events.insert(number, at);
        while self.events.len() > MAX_EVENTS {
            if let Some((oldest, _)) = self.events.pop_first() {
                let _ = std::fs::remove_file(path(&self.folder, oldest, "event.json"));
            }
        }
        self.pin_until = Some(at + AROUND);
        let touched = |segment: &Segment| segment.end() >= at - AROUND && segment.about.start_ns <= at + AROUND;
        let numbers: Vec<u64> =
            self.segments.iter().filter(|(_, segment)| touched(segment)).map(|(number, _)| *number).collect();
        numbers.into_iter().try_for_each(|number| self.mark(number))
    }

    fn remove(&mut self, number: u64) {
        for kind in ["iq", "json", "pin"] {
            let _ = std::fs::remove_file(path(&self.folder, number, kind));
        }
        self.segments.remove(&number);
    }

    /// Octets kept.
    pub fn octets(&self) -> u64 {
        self.segments.values().map(|segment| segment.octets).sum()
    }

    fn trim(&mut self) {
        while self.octets() > self.quota {
            let open = self.open.as_ref().map(|(number, _)| *number);
            let closed = || self.segments.iter().filter(|(number, _)| Some(**number) != open);
            let oldest = closed().find(|(_, segment)| !segment.pinned).or_else(|| closed().next());
            let Some(number) = oldest.map(|(number, _)| *number) else { return };
            self.remove(number);
        }
    }

    /// Every finding that something is left of, oldest first.
    ///
    /// # Errors
    /// The system's, or a file that does not hold what was written.
    pub fn events(&self) -> std::io::Result<Vec<Event>> {
        let mut list = Vec::new();
        for number in self.events.keys() {
            let text = std::fs::read_to_string(path(&self.folder, *number, "event.json"))?;
            let finding: Finding = serde_json::from_str(&text)?;
            let samples = self.around(&finding)?;
            list.push(Event { number: *number, finding, samples });
        }
        Ok(list)
    }

    fn around(&self, finding: &Finding) -> std::io::Result<Option<(StreamInfo, Vec<Complex32>)>> {
        let observation = &finding.observation;
        let at = observation.at_ns;
        let mut found: Option<(StreamInfo, Vec<Complex32>)> = None;
        let mut end: Option<Timestamp> = None;
        for (number, segment) in &self.segments {
            let about = &segment.about;
            let near = segment.end() >= at - AROUND && about.start_ns <= at + AROUND;
            if !near || about.stream != observation.receiver.stream {
                continue;
            }
            // A segment that does not continue the one before begins anew, unless the finding's own moment is behind.
            let joins = end.is_some_and(|end| (about.start_ns.0 - end.0).abs() < 2_000);
            if !joins && found.is_some() && about.start_ns > at {
                break;
            }
            if !joins {
                let (center, sample_rate) = (Hz(about.center_hz), Hz(about.rate_hz));
                let info = StreamInfo { stream: about.stream.clone(), center, sample_rate, start: about.start_ns };
                found = Some((info, Vec::new()));
            }
            let octets = std::fs::read(path(&self.folder, *number, "iq"))?;
            let value = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0;
            if let Some((_, samples)) = &mut found {
                samples.extend(octets.chunks_exact(4).map(|four| Complex32::new(value(&four[..2]), value(&four[2..]))));
            }
            end = Some(segment.end());
        }
        Ok(found)
    }
}
