//! SigMF recordings: a description in JSON (`.sigmf-meta`) and the samples beside it (`.sigmf-data`).
//!
//! Each entry of `captures` is a stream of its own, because frequency or time may change there. Annotations are not looked at.
//!
//! ## References
//! - SigMF specification 1.2.5: "Global Object", "Captures Array", "SigMF Dataset Format" (non-conforming datasets)

use crate::radio::convert::{DATATYPE_NAMES, Datatype};
use crate::radio::datetime;
use crate::radio::raw::cut_warning;
use crate::radio::recording::{Recording, Segment, check_tuning, data_length};
use crate::radio::source::{SourceError, StreamInfo};
use crate::units::{Hz, Timestamp};
use serde_json::{Map, Value};
use sha2::{Digest, Sha512};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A description larger than this is not one: 65,536 captures segments take a tenth of it.
const MAX_META_OCTETS: u64 = 64 << 20;

/// More streams than any recording has; a bound for what a hostile file makes daen keep.
const MAX_SEGMENTS: usize = 65_536;

/// What the user says where the description does not, or is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Samples a second.
    pub rate: Option<Hz>,
    /// Frequency that appears at 0 Hz, for every segment.
    pub center: Option<Hz>,
}

/// A description that has been read and checked against its data file.
#[derive(Debug)]
pub struct Described {
    data: PathBuf,
    meta: PathBuf,
    datatype: Datatype,
    segments: Vec<Segment>,
    sha512: Option<String>,
    octets: u64,
    warnings: Vec<String>,
}

/// Whether `path` names a SigMF recording: one file of the pair, both without their ending, or another form of SigMF.
pub fn is_sigmf(path: &Path) -> bool {
    let name = path.as_os_str().to_string_lossy();
    [".sigmf-meta", ".sigmf-data", ".sigmf", ".sigmf-collection"].iter().any(|end| name.ends_with(end))
        || with_ending(path, ".sigmf-meta").is_file()
}

/// Reads the description that belongs to `path`: the `.sigmf-meta`, the `.sigmf-data`, or the name without an ending.
///
/// Samples are not read yet; see [`Described::verify`] and [`Described::open`].
///
/// # Errors
/// [`SourceError`], naming file, field and remedy.
pub fn describe(path: &Path, overrides: Overrides) -> Result<Described, SourceError> {
    let base = base_of(path)?;
    let meta = with_ending(&base, ".sigmf-meta");
    let at = At { path: &meta };
    let text = read_meta(&meta)?;
    let root: Value = serde_json::from_str(&text).map_err(|error| {
        at.field("JSON", error.to_string(), "repair the description, or read the data with --format, --rate and --freq")
    })?;
    let global = root.get("global").and_then(Value::as_object).ok_or_else(|| {
        at.field("global", "is missing or not an object".to_owned(), "this is not a SigMF description; check the name")
    })?;

    let mut warnings = Vec::new();
    let data = data_file(&at, global, &base)?;
    let datatype = datatype(&at, global)?;
    for (field, only) in [("core:num_channels", 1), ("core:metadata_only", 0)] {
        let found = match global.get(field) {
            None => only,
            Some(Value::Bool(flag)) => u64::from(*flag),
            Some(_) => at.count(global, "", field)?.unwrap_or(only),
        };
        if found != only {
            let (problem, remedy) = match field {
                "core:num_channels" => (format!("{found} channels are interleaved"), "split them into files of one"),
                _ => ("the description comes without samples".to_owned(), "get the data file too"),
            };
            return Err(at.field(field, problem, remedy));
        }
    }
    for extension in global.get("core:extensions").and_then(Value::as_array).into_iter().flatten() {
        if extension.get("optional") == Some(&Value::Bool(false)) {
            let name = extension.get("name").and_then(Value::as_str).unwrap_or("?");
            warnings.push(format!("{}: needs the extension \"{name}\", which daen ignores", meta.display()));
        }
    }

    let told = at.number(global, "", "core:sample_rate")?;
    let rate = match (told, overrides.rate) {
        (_, Some(rate)) => {
            if let Some(other) = told.filter(|&other| other != rate.0) {
                warnings.push(format!("{}: --rate {} overrides core:sample_rate {other}", meta.display(), rate.0));
            }
            rate
        }
        (Some(told), None) => Hz(told),
        (None, None) => {
            return Err(at.field(
                "core:sample_rate",
                "is missing".to_owned(),
                "give the rate with --rate, such as --rate 1M",
            ));
        }
    };

    let octets = data_length(&data, "copy the data file to this place, or correct core:dataset in the description")?;
    let segments = Layout { at: &at, base: &base, datatype, rate, overrides, octets }.segments(&root, global)?;
    let last = segments.last().expect("segments() gives at least one");
    let trailing = at.count(global, "", "core:trailing_bytes")?.unwrap_or(0);
    let excess = (octets - trailing - last.offset) % datatype.octets() as u64;
    warnings.extend(cut_warning(&data, excess, datatype));
    let header = root["captures"][0]["core:header_bytes"].as_u64().unwrap_or(0);
    let skipped = segments[0].offset.saturating_sub(header);
    if skipped > 0 {
        warnings.push(format!(
            "{}: the first {skipped} octets belong to no captures segment and are not read",
            data.display()
        ));
    }
    let sha512 = sha512_of(&at, global)?;
    Ok(Described { data, meta: meta.clone(), datatype, segments, sha512, octets, warnings })
}

impl Described {
    /// What is odd but not wrong, in words.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Octets of the data file.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Reads the whole data file once and compares its SHA-512 with `core:sha512`, where there is one. `progress` is told the
    /// octets read so far.
    ///
    /// # Errors
    /// Where they differ or the system refuses.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<(), SourceError> {
        let Some(expected) = &self.sha512 else { return Ok(()) };
        let failed = |source| SourceError::Io { path: self.data.display().to_string(), source };
        let mut file = File::open(&self.data).map_err(failed)?;
        let mut hash = Sha512::new();
        let mut buffer = vec![0; 1 << 20];
        let mut done = 0;
        loop {
            let read = file.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            done += read as u64;
            progress(done);
        }
        let found = hex::encode(hash.finalize());
        if found != *expected {
            return Err(SourceError::Field {
                path: self.data.display().to_string(),
                field: "core:sha512".to_owned(),
                problem: format!(
                    "the data give {}..., {} says {}...",
                    &found[..16],
                    self.meta.display(),
                    &expected[..16]
                ),
                remedy: "the data were changed or cut: copy them again, or read them as they are with --no-verify"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// Opens the data file for reading.
    ///
    /// # Errors
    /// [`SourceError::Io`] where the system refuses.
    pub fn open(self) -> Result<Recording, SourceError> {
        Recording::open(&self.data, self.datatype, self.segments)
    }
}

/// The file that errors are about.
struct At<'a> {
    path: &'a Path,
}

impl At<'_> {
    fn field(&self, field: &str, problem: String, remedy: &str) -> SourceError {
        SourceError::Field {
            path: self.path.display().to_string(),
            field: field.to_owned(),
            problem,
            remedy: remedy.to_owned(),
        }
    }

    fn wrong(&self, prefix: &str, field: &str, value: &Value, expected: &str) -> SourceError {
        let mut shown: String = value.to_string().chars().take(40).collect();
        if shown.len() < value.to_string().len() {
            shown.push_str("...");
        }
        self.field(&format!("{prefix}{field}"), format!("{shown} is not {expected}"), "correct it in the description")
    }

    fn number(&self, object: &Map<String, Value>, prefix: &str, field: &str) -> Result<Option<f64>, SourceError> {
        let Some(value) = object.get(field) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.wrong(prefix, field, value, "a number"))
    }

    fn count(&self, object: &Map<String, Value>, prefix: &str, field: &str) -> Result<Option<u64>, SourceError> {
        let Some(value) = object.get(field) else { return Ok(None) };
        // Some writers make a float of everything; below 2^53 it is still a count.
        let float = value.as_f64().filter(|x| x.fract() == 0.0 && (0.0..9e15).contains(x)).map(|x| x as u64);
        value.as_u64().or(float).map(Some).ok_or_else(|| self.wrong(prefix, field, value, "a count"))
    }

    fn text<'v>(&self, object: &'v Map<String, Value>, field: &str) -> Result<Option<&'v str>, SourceError> {
        let Some(value) = object.get(field) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong("", field, value, "a text"))
    }
}

fn with_ending(base: &Path, ending: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The common part of the pair's names.
fn base_of(path: &Path) -> Result<PathBuf, SourceError> {
    let at = At { path };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if name.ends_with(".sigmf") {
        return Err(at.field("archive", "a SigMF archive is not read as it is".to_owned(), "unpack it with tar -xf"));
    }
    if name.ends_with(".sigmf-collection") {
        let remedy = "name the .sigmf-meta files that it lists";
        return Err(at.field("collection", "a collection holds no samples itself".to_owned(), remedy));
    }
    let stem = name.strip_suffix(".sigmf-meta").or_else(|| name.strip_suffix(".sigmf-data"));
    Ok(stem.map_or_else(|| path.to_owned(), |stem| path.with_file_name(stem)))
}

fn read_meta(meta: &Path) -> Result<String, SourceError> {
    let at = At { path: meta };
    let failed = |source| SourceError::Io { path: meta.display().to_string(), source };
    let found = match std::fs::metadata(meta) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let remedy = "put the description there, or say what the samples are with --format, --rate and --freq";
            return Err(at.field("description", "no such file".to_owned(), remedy));
        }
        Err(error) => return Err(failed(error)),
    };
    if !found.is_file() || found.len() > MAX_META_OCTETS {
        let remedy = "check whether the two files of the pair were mistaken for each other";
        return Err(at.field("description", "is not a file of at most 64 MiB".to_owned(), remedy));
    }
    let octets = std::fs::read(meta).map_err(failed)?;
    String::from_utf8(octets).map_err(|error| {
        let problem = format!("octet {} is not UTF-8 text", error.utf8_error().valid_up_to());
        at.field("JSON", problem, "check whether the two files of the pair were mistaken for each other")
    })
}

/// The data file; a non-conforming dataset has a name of its own.
fn data_file(at: &At<'_>, global: &Map<String, Value>, base: &Path) -> Result<PathBuf, SourceError> {
    let Some(name) = at.text(global, "core:dataset")? else {
        return Ok(with_ending(base, ".sigmf-data"));
    };
    // Only a name: a description must not make daen open files elsewhere.
    if name.is_empty() || name.contains(['/', '\\', '\0']) || name == "." || name == ".." {
        let problem = format!("{name:?} is not the name of a file in the description's own folder");
        return Err(at.field("core:dataset", problem, "put the data beside the description and give its bare name"));
    }
    Ok(base.with_file_name(name))
}

fn datatype(at: &At<'_>, global: &Map<String, Value>) -> Result<Datatype, SourceError> {
    let text = at.text(global, "core:datatype")?.ok_or_else(|| {
        let remedy = "add it to the description, or read the data with --format, --rate and --freq";
        at.field("core:datatype", "is missing".to_owned(), remedy)
    })?;
    text.parse().map_err(|_| {
        let problem = match text.strip_prefix('r') {
            Some(_) => format!("\"{text}\" means real samples"),
            None => format!("\"{text}\" is not a format that daen reads"),
        };
        at.field("core:datatype", problem, &format!("convert the data to {DATATYPE_NAMES}"))
    })
}

fn sha512_of(at: &At<'_>, global: &Map<String, Value>) -> Result<Option<String>, SourceError> {
    let Some(text) = at.text(global, "core:sha512")? else { return Ok(None) };
    if text.len() != 128 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        let problem = format!("{} characters are not a SHA-512 in hexadecimal", text.len());
        return Err(at.field("core:sha512", problem, "correct or remove it in the description"));
    }
    Ok(Some(text.to_ascii_lowercase()))
}

/// Everything that decides where the segments lie in the data.
struct Layout<'a> {
    at: &'a At<'a>,
    base: &'a Path,
    datatype: Datatype,
    rate: Hz,
    overrides: Overrides,
    octets: u64,
}

impl Layout<'_> {
    fn segments(&self, root: &Value, global: &Map<String, Value>) -> Result<Vec<Segment>, SourceError> {
        let at = self.at;
        let captures = match root.get("captures") {
            None => &[][..],
            Some(Value::Array(list)) if list.len() <= MAX_SEGMENTS => list,
            Some(Value::Array(list)) => {
                let problem = format!("{} segments are more than {MAX_SEGMENTS}", list.len());
                return Err(at.field("captures", problem, "split the recording"));
            }
            Some(other) => return Err(at.wrong("", "captures", other, "a list")),
        };
        let implied = [Value::Object(Map::new())];
        let captures = if captures.is_empty() { &implied } else { captures };

        let size = self.datatype.octets() as u64;
        let origin = at.count(global, "", "core:offset")?.unwrap_or(0);
        let trailing = at.count(global, "", "core:trailing_bytes")?.unwrap_or(0);
        let end = self.octets.checked_sub(trailing).ok_or_else(|| {
            let problem = format!("{trailing} octets are more than the data file has");
            at.field("core:trailing_bytes", problem, "correct it in the description")
        })?;

        let mut segments: Vec<Segment> = Vec::with_capacity(captures.len());
        let (mut headers, mut previous) = (0u64, None);
        for (i, capture) in captures.iter().enumerate() {
            let prefix = format!("captures[{i}].");
            let object =
                capture.as_object().ok_or_else(|| at.wrong("captures", &format!("[{i}]"), capture, "an object"))?;
            let named = |field: &str| format!("{prefix}{field}");
            let sample_start = at.count(object, &prefix, "core:sample_start")?.unwrap_or(origin);
            if previous.is_some_and(|before| sample_start <= before) {
                let problem = format!("{sample_start} does not come after the segment before");
                return Err(at.field(&named("core:sample_start"), problem, "sort the segments by core:sample_start"));
            }
            let beyond = || {
                let held = end / size;
                let problem = format!("{sample_start} lies outside of the data, which hold {held} samples");
                at.field(&named("core:sample_start"), problem, "the data are cut or the description is of another file")
            };
            let header = at.count(object, &prefix, "core:header_bytes")?.unwrap_or(0);
            headers = headers.checked_add(header).ok_or_else(beyond)?;
            let place = sample_start.checked_sub(origin).and_then(|n| n.checked_mul(size));
            let offset = place.and_then(|n| n.checked_add(headers)).ok_or_else(beyond)?;
            if end.saturating_sub(offset) < size || offset > end {
                return Err(beyond());
            }
            let center = match (self.overrides.center, at.number(object, &prefix, "core:frequency")?) {
                (Some(center), _) => center,
                (None, Some(told)) => Hz(told),
                (None, None) => {
                    let remedy = "give the frequency with --freq, such as --freq 941.0M";
                    return Err(at.field(&named("core:frequency"), "is missing".to_owned(), remedy));
                }
            };
            check_tuning(at.path, ["core:sample_rate", &named("core:frequency")], self.rate, center)?;
            let start = match object.get("core:datetime") {
                Some(value) => value.as_str().and_then(datetime::parse).ok_or_else(|| {
                    at.wrong(&prefix, "core:datetime", value, "a time such as 2024-02-29T23:59:59.25Z")
                })?,
                None => match segments.last() {
                    Some(last) => self.later(last.info.start, sample_start - previous.unwrap_or(sample_start)),
                    None => Timestamp(0),
                },
            };
            if let (Some(last), Some(before)) = (segments.last_mut(), previous) {
                last.samples = sample_start - before;
            }
            previous = Some(sample_start);
            let stream = format!("{}#{i}", self.base.display());
            let info = StreamInfo { stream, center, sample_rate: self.rate, start };
            segments.push(Segment { info, offset, samples: (end - offset) / size });
        }
        Ok(segments)
    }

    /// `samples` after `start`; exact for whole rates.
    fn later(&self, start: Timestamp, samples: u64) -> Timestamp {
        let rate = self.rate.0;
        let nanos = if rate.fract() == 0.0 {
            let rate = rate as i128;
            (i128::from(samples) * 1_000_000_000 + rate / 2) / rate
        } else {
            (samples as f64 / rate * 1e9).round() as i128
        };
        start + crate::units::Nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}
