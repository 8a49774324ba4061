//! The common shape of every source of samples.

use crate::units::{Hz, SampleIndex, Timestamp};
use num_complex::Complex32;

/// What stays the same while a stream lasts: tuning, rate and sample clock.
#[derive(Debug, PartialEq)]
pub struct StreamInfo {
    /// Unique within one run of the program: file or device, and the number of the segment or retune.
    pub stream: String,
    /// Frequency that appears at 0 Hz in the samples.
    pub center: Hz,
    /// Complex samples a second, nominal.
    pub sample_rate: Hz,
    /// Time of sample 0 of the stream, at the antenna port.
    pub start: Timestamp,
}

/// Written out, so that one that is there is overwritten without an allocation: a receiver that scans begins several streams a second.
impl Clone for StreamInfo {
    fn clone(&self) -> StreamInfo {
        StreamInfo { stream: self.stream.clone(), ..*self }
    }

    fn clone_from(&mut self, other: &StreamInfo) {
        let StreamInfo { stream, center, sample_rate, start } = other;
        self.stream.clone_from(stream);
        (self.center, self.sample_rate, self.start) = (*center, *sample_rate, *start);
    }
}

/// A stretch of one stream. The buffer is recycled: sources clear and fill it, they do not replace it.
#[derive(Clone, Debug, Default)]
pub struct IqBlock {
    /// Position of `samples[0]` in its stream.
    pub first: SampleIndex,
    /// Full scale is 1.0 in each of I and Q.
    pub samples: Vec<Complex32>,
    /// How many of `samples` touched full scale in I or Q.
    pub clipped: u32,
}

/// What [`IqSource::read`] found.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A new stream begins (the first one, or after a gap or a retune); the block is empty.
    Stream(StreamInfo),
    /// The block continues the stream.
    Samples,
    /// Nothing more will come.
    End,
}

/// Anything that delivers samples: a recording, a scene being synthesised, a device.
///
/// Implementations never skip samples silently: a gap ends the stream and begins another.
pub trait IqSource: Send {
    /// Reads at most `max` samples into `block`, or says what changed.
    ///
    /// # Errors
    /// [`SourceError`], naming what is wrong and what to do about it. A source that failed is not read again.
    fn read(&mut self, max: usize, block: &mut IqBlock) -> Result<Event, SourceError>;

    /// Samples that all streams of this source hold together, where that is known beforehand.
    fn total_samples(&self) -> Option<u64>;
}

/// Why a source cannot deliver.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// File or device.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A field of the description is missing or unusable.
    #[error("{path}: {field}: {problem}; {remedy}")]
    Field {
        /// File.
        path: String,
        /// Field of the metadata, or option of the command line.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A sample cannot be what a receiver put out.
    #[error("{path}: sample {}: {problem}; {remedy}", .index.0)]
    Sample {
        /// File.
        path: String,
        /// Which sample of the file, counted from its first one.
        index: SampleIndex,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
}
