//! Recordings without a description: the caller says what the samples are.

use crate::radio::convert::Datatype;
use crate::radio::recording::{Recording, Segment, check_tuning, data_length};
use crate::radio::source::{SourceError, StreamInfo};
use crate::units::{Hz, Timestamp};
use std::path::Path;

/// What is in a raw file, from its first octet on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawFormat {
    /// Format of the samples.
    pub datatype: Datatype,
    /// Samples a second.
    pub rate: Hz,
    /// Frequency that appears at 0 Hz.
    pub center: Hz,
}

/// Opens a raw recording, and gives warnings in words: a last sample that is cut off is not read.
///
/// # Errors
/// [`SourceError`] where the file is absent, empty or too short for one sample, or rate or frequency are out of range.
pub fn open(path: &Path, format: RawFormat) -> Result<(Recording, Vec<String>), SourceError> {
    check_tuning(path, ["--rate", "--freq"], format.rate, format.center)?;
    let octets = data_length(path, "check the name")?;
    let size = format.datatype.octets() as u64;
    let samples = octets / size;
    if samples == 0 {
        return Err(SourceError::Field {
            path: path.display().to_string(),
            field: "data".to_owned(),
            problem: format!("{octets} octets hold no whole sample of {}", format.datatype),
            remedy: "check --format, or record it again".to_owned(),
        });
    }
    let warnings = cut_warning(path, octets % size, format.datatype).into_iter().collect();
    let info = StreamInfo {
        stream: format!("{}#0", path.display()),
        center: format.center,
        sample_rate: format.rate,
        start: Timestamp(0),
    };
    let recording = Recording::open(path, format.datatype, vec![Segment { info, offset: 0, samples }])?;
    Ok((recording, warnings))
}

/// What to say of a file whose last sample is not whole.
pub(super) fn cut_warning(path: &Path, excess: u64, datatype: Datatype) -> Option<String> {
    (excess > 0).then(|| {
        format!(
            "{}: cut in mid-sample: the last {excess} of {} octets of a {datatype} sample are not read",
            path.display(),
            datatype.octets()
        )
    })
}

/// Refuses what cannot be a recording at all: absent, empty, a directory, a device.
///
/// # Errors
/// [`SourceError`], naming the remedy.
pub fn check(path: &Path) -> Result<(), SourceError> {
    data_length(path, "check the name").map(|_| ())
}
