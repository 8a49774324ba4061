//! Configuration files of node and hub: as written, checked, and then as used.
//!
//! Each is TOML. What is written ([`sensor::ConfigFile`], [`hub::ConfigFile`]) admits no unknown key; what is used
//! ([`sensor::Config`], [`hub::Config`]) has every range checked and every key file read before anything starts. Secrets stand in
//! files of their own, never in the TOML; relative paths count from the folder of the file that names them.

pub mod device;
pub mod hub;
pub mod keys;
pub mod link;
pub mod named;
pub mod sensor;

use crate::units::Timestamp;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not TOML, or a key that does not exist, or a value of the wrong type; the reason shows the line.
    #[error("{path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// A value out of its range.
    #[error("{key} = {value}: must be {allowed}")]
    Value {
        /// The key, with its tables.
        key: String,
        /// As written.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A key or certificate file that holds something else.
    #[error("{path}: {problem}; it must hold {expected}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What it should hold, and how to make one.
        expected: &'static str,
    },
}

fn value_error(key: impl Into<String>, value: impl Display, allowed: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: key.into(), value: value.to_string(), allowed: allowed.into() }
}

/// `value` where it lies in `allowed`; otherwise an error that names key, value and range.
fn in_range<T: PartialOrd + Display + Copy>(
    key: &str,
    value: T,
    allowed: std::ops::RangeInclusive<T>,
    unit: &str,
) -> Result<T, ConfigError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let range = format!("{} to {}{unit}", allowed.start(), allowed.end());
    Err(value_error(key, value, range))
}

fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    parse_toml(path, &read_text(path)?)
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    text(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

/// The text of a file that a person writes.
///
/// # Errors
/// The system's, and [`std::io::ErrorKind::InvalidData`] where the file is no text.
pub fn text(path: &Path) -> std::io::Result<String> {
    let no_text = |_| std::io::Error::new(std::io::ErrorKind::InvalidData, "this is no text; write it in UTF-8");
    String::from_utf8(std::fs::read(path)?).map_err(no_text)
}

fn parse_toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })
}

/// The folder that relative paths of a configuration count from.
fn folder(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// The system's clock, UTC. Only the shells of node and hub read it; everything behind them is told the time.
pub fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 is a clock that was never set.
    Timestamp(since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
}

/// Ready when `stop` is true, or nobody is left who could make it so.
pub async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
