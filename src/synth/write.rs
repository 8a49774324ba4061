//! Recordings on disk: SigMF pairs.
//!
//! ## References
//! - SigMF specification 1.2.5

use crate::radio::source::StreamInfo;
use crate::units::Timestamp;
use num_complex::Complex32;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A format of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 32-bit floats, full scale 1.0.
    Cf32Le,
    /// 16-bit integers, full scale 32768.
    Ci16Le,
    /// 8-bit integers, full scale 128.
    Ci8,
}

impl Format {
    /// The name as in SigMF.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Cf32Le => "cf32_le",
            Format::Ci16Le => "ci16_le",
            Format::Ci8 => "ci8",
        }
    }

    /// Appends one value of full scale 1.0.
    fn push(self, value: f32, octets: &mut Vec<u8>) {
        match self {
            Format::Cf32Le => octets.extend(value.to_le_bytes()),
            // A cast saturates, which is what a converter does.
            Format::Ci16Le => octets.extend(((value * 32768.0).round() as i16).to_le_bytes()),
            Format::Ci8 => octets.extend(((value * 128.0).round() as i8).to_le_bytes()),
        }
    }
}

/// A text that names no [`Format`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a format that daen writes: use cf32_le, ci16_le or ci8")]
pub struct FormatError {
    /// The text as given.
    pub text: String,
}

impl FromStr for Format {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Format, FormatError> {
        let all = [Format::Cf32Le, Format::Ci16Le, Format::Ci8];
        all.into_iter().find(|format| format.as_str() == text).ok_or_else(|| FormatError { text: text.to_owned() })
    }
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Its reason.
        source: io::Error,
    },
    /// The name is not that of a SigMF description.
    #[error("{path}: give a name that ends in .sigmf-meta; the samples go beside it into .sigmf-data")]
    Name {
        /// As given.
        path: String,
    },
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> WriteError + '_ {
    move |source| WriteError::Io { path: path.display().to_string(), source }
}

/// Writes one recording: the samples as they come, the description at the end.
pub struct Recorder {
    meta: PathBuf,
    data: PathBuf,
    file: BufWriter<File>,
    hash: Sha512,
    format: Format,
    octets: Vec<u8>,
    description: Value,
}

impl Recorder {
    /// Begins the recording `meta`, a name that ends in `.sigmf-meta`. A file of that name is overwritten.
    ///
    /// # Errors
    /// [`WriteError`] naming the file.
    pub fn create(meta: &Path, format: Format, info: &StreamInfo, description: &str) -> Result<Recorder, WriteError> {
        if meta.extension().is_none_or(|extension| extension != "sigmf-meta") {
            return Err(WriteError::Name { path: meta.display().to_string() });
        }
        let data = meta.with_extension("sigmf-data");
        let file = BufWriter::new(File::create(&data).map_err(io_error(&data))?);
        let mut capture = json!({ "core:sample_start": 0, "core:frequency": info.center.0 });
        if info.start != Timestamp(0) {
            capture["core:datetime"] = json!(datetime(info.start));
        }
        let description = json!({
            "global": {
                "core:version": "1.2.5",
                "core:datatype": format.as_str(),
                "core:sample_rate": info.sample_rate.0,
                "core:description": description,
                "core:recorder": concat!("daen synth ", env!("CARGO_PKG_VERSION")),
            },
            "captures": [capture],
            "annotations": [],
        });
        Ok(Recorder { meta: meta.to_owned(), data, file, hash: Sha512::new(), format, octets: Vec::new(), description })
    }

    /// Appends samples.
    ///
    /// # Errors
    /// [`WriteError::Io`] naming the file.
    pub fn write(&mut self, samples: &[Complex32]) -> Result<(), WriteError> {
        self.octets.clear();
        for sample in samples {
            self.format.push(sample.re, &mut self.octets);
            self.format.push(sample.im, &mut self.octets);
        }
        self.hash.update(&self.octets);
        self.file.write_all(&self.octets).map_err(io_error(&self.data))
    }

    /// Ends the recording and writes its description, with the hash of the samples.
    ///
    /// # Errors
    /// [`WriteError::Io`] naming the file.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.file.flush().map_err(io_error(&self.data))?;
        self.description["global"]["core:sha512"] = json!(hex::encode(self.hash.finalize()));
        write_text(&self.meta, &format!("{:#}\n", self.description))
    }
}

/// Writes a whole file.
///
/// # Errors
/// [`WriteError::Io`] naming the file.
pub fn write_text(path: &Path, text: &str) -> Result<(), WriteError> {
    std::fs::write(path, text).map_err(io_error(path))
}

/// An instant as `core:datetime` wants it, such as `2026-01-02T03:04:05.000000006Z`; RFC 3339 clause 5.6.
fn datetime(at: Timestamp) -> String {
    let (seconds, nanos) = (at.0.div_euclid(1_000_000_000), at.0.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Proleptic Gregorian calendar in years that begin in March, in cycles of 400 years of 146097 days; 1970-01-01 is day
    // 719468 from 0000-03-01.
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + cycle * 400 + carry;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Hz;

    #[test]
    fn instants_are_written_as_rfc_3339() {
        // GNU date: `date -u -d @SECONDS +%FT%TZ`.
        for (seconds, text) in [
            (1_709_251_199, "2024-02-29T23:59:59.000000007Z"),
            (1_767_225_600, "2026-01-01T00:00:00.000000007Z"),
            (951_868_800, "2000-03-01T00:00:00.000000007Z"),
            (-1, "1969-12-31T23:59:59.000000007Z"),
        ] {
            assert_eq!(datetime(Timestamp(seconds * 1_000_000_000 + 7)), text);
        }
    }

    #[test]
    fn a_recording_holds_its_samples_its_tuning_and_their_hash() {
        let directory = tempfile::tempdir().unwrap();
        let meta = directory.path().join("x.sigmf-meta");
        let start = Timestamp(1_767_225_600_000_000_000);
        let info = StreamInfo { stream: "x".into(), center: Hz(949.95e6), sample_rate: Hz(2e6), start };
        let mut recorder = Recorder::create(&meta, Format::Ci8, &info, "test").unwrap();
        recorder.write(&[Complex32::new(0.5, -1.0), Complex32::new(1.0, 0.002)]).unwrap();
        recorder.finish().unwrap();
        let data = std::fs::read(meta.with_extension("sigmf-data")).unwrap();
        assert_eq!(data, [64, 0x80, 127, 0]);
        let description: Value = serde_json::from_str(&std::fs::read_to_string(&meta).unwrap()).unwrap();
        assert_eq!(description["global"]["core:datatype"], "ci8");
        assert_eq!(description["global"]["core:sample_rate"], 2e6);
        assert_eq!(description["captures"][0]["core:frequency"], 949.95e6);
        assert_eq!(description["captures"][0]["core:datetime"], "2026-01-01T00:00:00.000000000Z");
        assert_eq!(description["global"]["core:sha512"], hex::encode(Sha512::digest(&data)));
    }

    #[test]
    fn a_name_that_is_not_sigmf_is_refused_with_the_remedy() {
        let info = StreamInfo { stream: "x".into(), center: Hz(0.0), sample_rate: Hz(1e6), start: Timestamp(0) };
        let error = Recorder::create(Path::new("x.wav"), Format::Ci8, &info, "").err().unwrap();
        assert!(error.to_string().contains(".sigmf-meta"), "{error}");
    }
}
