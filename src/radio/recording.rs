//! Reads the samples of a recording: one file, one or more segments, a bounded buffer.
//!
//! [`crate::radio::sigmf`] and [`crate::radio::raw`] say what is in the file; this delivers it. A recording of any length takes
//! the same memory: octets are read into one buffer of at most [`BUFFER_OCTETS`] and converted from there.

use crate::radio::convert::{Datatype, first_absurd};
use crate::radio::source::{Event, IqBlock, IqSource, SourceError, StreamInfo};
use crate::units::{Hz, SampleIndex};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Octets that one read takes from the file; large enough that the calls cost nothing beside the conversion.
pub const BUFFER_OCTETS: usize = 1 << 18;

/// Sample rates that a recording may have, hertz: SigMF allows up to 1e12, no receiver in the field passes a tenth of this limit.
pub const MAX_SAMPLE_RATE: f64 = 1e9;

/// A stretch of the file that is one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The stream it becomes.
    pub info: StreamInfo,
    /// Where its first sample is in the file, octets.
    pub offset: u64,
    /// How many samples it has.
    pub samples: u64,
}

/// An open recording.
#[derive(Debug)]
pub struct Recording {
    path: String,
    file: File,
    datatype: Datatype,
    segments: Vec<Segment>,
    /// The segment being read; past the last one at the end.
    segment: usize,
    /// Samples delivered of that segment; `None` before it was announced.
    delivered: Option<u64>,
    /// Samples delivered of the segments before it.
    before: u64,
    octets: Vec<u8>,
    /// What to say at the next read: the samples before it were delivered.
    failure: Option<SourceError>,
}

impl Recording {
    /// Opens the file whose `segments` are already known to lie within it.
    ///
    /// # Errors
    /// [`SourceError::Io`] where the system refuses.
    pub fn open(path: &Path, datatype: Datatype, segments: Vec<Segment>) -> Result<Recording, SourceError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| SourceError::Io { path: name.clone(), source })?;
        let octets = Vec::with_capacity(BUFFER_OCTETS);
        Ok(Recording {
            path: name,
            file,
            datatype,
            segments,
            segment: 0,
            delivered: None,
            before: 0,
            octets,
            failure: None,
        })
    }

    /// The streams that will come, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn fail(&self, source: std::io::Error) -> SourceError {
        SourceError::Io { path: self.path.clone(), source }
    }
}

impl IqSource for Recording {
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError> {
        block.samples.clear();
        block.clipped = 0;
        block.first = SampleIndex(0);
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let (delivered, total) = loop {
            let Some(segment) = self.segments.get(self.segment) else { return Ok(Event::End) };
            match self.delivered {
                None => {
                    let (info, offset) = (segment.info.clone(), segment.offset);
                    self.file.seek(SeekFrom::Start(offset)).map_err(|e| self.fail(e))?;
                    self.delivered = Some(0);
                    return Ok(Event::Stream(info));
                }
                Some(delivered) if delivered < segment.samples => break (delivered, segment.samples),
                Some(delivered) => {
                    self.before += delivered;
                    self.segment += 1;
                    self.delivered = None;
                }
            }
        };
        block.first = SampleIndex(delivered);
        let size = self.datatype.octets();
        let mut left = usize::try_from(total - delivered).unwrap_or(usize::MAX).min(max.max(1));
        while left > 0 {
            let now = left.min(BUFFER_OCTETS / size);
            self.octets.resize(now * size, 0);
            if let Err(error) = self.file.read_exact(&mut self.octets) {
                return Err(self.fail(error));
            }
            let from = block.samples.len();
            block.clipped += self.datatype.convert(&self.octets, &mut block.samples);
            if let Some(at) = first_absurd(&block.samples[from..]) {
                let value = block.samples[from + at];
                let failure = SourceError::Sample {
                    path: self.path.clone(),
                    index: SampleIndex(self.before + delivered + (from + at) as u64),
                    problem: format!("{:e} {:+e}i cannot have come from a receiver", value.re, value.im),
                    remedy: format!(
                        "if the format is not {}, say which it is; else cut the recording before this sample",
                        self.datatype
                    ),
                };
                // The same samples come before a bad one, however large the blocks are.
                block.samples.truncate(from + at);
                if block.samples.is_empty() {
                    return Err(failure);
                }
                self.failure = Some(failure);
                break;
            }
            left -= now;
        }
        self.delivered = Some(delivered + block.samples.len() as u64);
        Ok(Event::Samples)
    }

    fn total_samples(&self) -> Option<u64> {
        Some(self.segments.iter().map(|segment| segment.samples).sum())
    }
}

/// The size of a data file that can be read as a recording.
///
/// # Errors
/// Where the file is absent, empty, or not a regular file (a directory, a device and a pipe have no length to rely on).
pub(super) fn data_length(path: &Path, absent: &str) -> Result<u64, SourceError> {
    let field = |problem: &str, remedy: &str| SourceError::Field {
        path: path.display().to_string(),
        field: "data".to_owned(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(field("no such file", absent)),
        Err(source) => return Err(SourceError::Io { path: path.display().to_string(), source }),
    };
    if metadata.is_dir() {
        return Err(field("is a directory", "name a recording inside it"));
    }
    if !metadata.is_file() {
        return Err(field("is not a regular file", "save the samples to a file first"));
    }
    if metadata.len() == 0 {
        return Err(field("holds no samples: the file is empty", "copy or record it again"));
    }
    Ok(metadata.len())
}

/// Refuses rates that are not a positive number up to [`MAX_SAMPLE_RATE`], and frequencies that no cell can be near.
pub(super) fn check_tuning(path: &Path, names: [&str; 2], rate: Hz, center: Hz) -> Result<(), SourceError> {
    let field = |name: &str, problem: String, remedy: &str| {
        Err(SourceError::Field {
            path: path.display().to_string(),
            field: name.to_owned(),
            problem,
            remedy: remedy.to_owned(),
        })
    };
    if !(rate.0 >= 1.0 && rate.0 <= MAX_SAMPLE_RATE) {
        return field(names[0], format!("{} Hz is out of range", rate.0), "give 1 Hz to 1 GHz with --rate");
    }
    if !(center.0 >= 0.0 && center.0 <= 1e12) {
        return field(names[1], format!("{} Hz is out of range", center.0), "give 0 to 1 THz with --freq");
    }
    Ok(())
}
