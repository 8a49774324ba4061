//! What is known of one receiver and of nothing else: `calibration/<serial>.toml`, written by `daen calibrate`.
//!
//! A file is refused where it is malformed, belongs to another receiver or model, or is past its date: a level that rests on it would
//! be no evidence. `calibration/README.md` explains every key.

pub mod apply;

use crate::radio::datetime;
use crate::units::{Db, Dbm, Hz, Ppb, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rows that any table of a file may have. Chosen: a point each megahertz of all bands, at ten gains, is less.
const MOST_ROWS: usize = 20_000;

/// A calibration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The receiver's serial number; also the name of the file.
    pub serial: String,
    /// Name of its model's profile in `firmware-config`.
    pub model: String,
    /// The day of the newest measurement, such as `2026-10-01`.
    pub date: String,
    /// The first day on which the file is no longer taken.
    pub valid_until: String,
    /// Who measured.
    pub by: String,
    /// How, and against what.
    pub method: String,
    /// From the antenna port to the receiver's own connector.
    #[serde(default)]
    pub path: SignalPath,
    /// The sample clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// Earlier measurements of the sample clock, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frequency_history: Vec<Frequency>,
    /// Levels, a table a band.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub level: Vec<LevelTable>,
    /// Delays, one a sample rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delay: Vec<RateDelay>,
    /// Imbalance of the two halves of the receiver, and its direct current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iq: Option<Imbalance>,
}

/// What lies between antenna and receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalPath {
    /// Delay of cable and filters, nanoseconds.
    pub delay_ns: f64,
    /// One standard deviation.
    pub delay_sigma_ns: f64,
    /// Loss of cable and filters by frequency, ascending.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loss: Vec<Factor>,
    /// Antenna factor by frequency, dB(1/m), ascending; where field strength is wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub antenna_factor: Vec<Factor>,
}

/// A value by frequency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// Frequency.
    pub hz: Hz,
    /// The value.
    pub db: Db,
    /// One standard deviation.
    pub sigma_db: Db,
}

/// How far the sample clock is from its nominal rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frequency {
    /// Positive: it runs fast.
    pub ppb: Ppb,
    /// One standard deviation at the time of the measurement.
    pub sigma_ppb: Ppb,
    /// Day of the measurement.
    pub date: String,
    /// How, and against what.
    pub method: String,
    /// Temperature of the device, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celsius: Option<f64>,
    /// Change with temperature; without it a kelvin is taken for 50 ppb of uncertainty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppb_per_celsius: Option<f64>,
    /// Ageing, one standard deviation a year.
    pub ageing_ppb_per_year: Ppb,
}

/// Levels in one band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelTable {
    /// The table is good from this frequency on,
    pub low_hz: Hz,
    /// and up to this one.
    pub high_hz: Hz,
    /// The port; any where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub antenna: Option<String>,
    /// Temperature of the device while it was measured, degrees Celsius.
    pub celsius: f64,
    /// Change of `dbm_at_full_scale` with temperature, dB a kelvin.
    pub db_per_celsius: f64,
    /// What interpolation between two points may be wrong by in their middle, one standard deviation.
    pub interpolation_sigma_db: Db,
    /// What was measured.
    pub points: Vec<LevelPoint>,
}

/// A level that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelPoint {
    /// Frequency.
    pub hz: Hz,
    /// Gain elements by name; empty for a receiver without any.
    pub gains: BTreeMap<String, Db>,
    /// Level at the receiver's connector that shows as 0 dBFS.
    pub dbm_at_full_scale: Dbm,
    /// One standard deviation.
    pub sigma_db: Db,
}

/// From the receiver's connector to the time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateDelay {
    /// Sample rate.
    pub rate_hz: Hz,
    /// Delay, nanoseconds.
    pub ns: f64,
    /// One standard deviation, nanoseconds.
    pub sigma_ns: f64,
}

/// What a quadrature receiver does to a perfect signal, as parts of full scale, dB and degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imbalance {
    /// Direct current in I.
    pub dc_i: f64,
    /// Direct current in Q.
    pub dc_q: f64,
    /// Gain of Q over I.
    pub gain_db: Db,
    /// How much less than 90 degrees Q stands from I.
    pub phase_deg: f64,
}

/// Why a calibration is refused.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The file cannot be read or written.
    #[error("calibration {path}: {source}; `daen calibrate` makes one")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not TOML, or a key that does not exist, or a value of the wrong type.
    #[error("calibration {path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// A value out of its range.
    #[error("calibration {path}: {key} = {value}: must be {allowed}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A serial number that cannot name a file.
    #[error(
        "\"{serial}\" cannot name a calibration: use 1 to 64 letters, digits, '-', '_' and '.', not beginning with '.'"
    )]
    Serial {
        /// As given.
        serial: String,
    },
    /// It belongs to another receiver.
    #[error(
        "calibration {path} is of {have}, this receiver is {want}: measure this one with `daen calibrate`, do not rename the file"
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What the file says.
        have: String,
        /// What is there.
        want: String,
    },
    /// Past its date.
    #[error("calibration {path} was good until {until}: measure the receiver again with `daen calibrate`")]
    Stale {
        /// The file.
        path: PathBuf,
        /// Its date.
        until: String,
    },
}

/// The file of a receiver in a folder.
///
/// # Errors
/// [`CalibrationError::Serial`].
pub fn path_of(folder: &Path, serial: &str) -> Result<PathBuf, CalibrationError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&serial.len()) && serial.chars().all(allowed) && !serial.starts_with('.') {
        Ok(folder.join(format!("{serial}.toml")))
    } else {
        Err(CalibrationError::Serial { serial: serial.to_owned() })
    }
}

/// The first instant of a day such as `2026-10-01`.
fn day(text: &str) -> Option<Timestamp> {
    datetime::parse(&format!("{text}T00:00:00Z"))
}

impl Calibration {
    /// Reads and checks the file of the receiver `serial`, of `model` where that is known, in `folder`; its age is not looked at.
    ///
    /// # Errors
    /// Every [`CalibrationError`] but [`CalibrationError::Stale`]; see [`Calibration::check_age`].
    pub fn load(folder: &Path, serial: &str, model: Option<&str>) -> Result<Calibration, CalibrationError> {
        let path = path_of(folder, serial)?;
        let text = crate::config::text(&path).map_err(|source| CalibrationError::Io { path: path.clone(), source })?;
        let calibration: Calibration = toml::from_str(&text)
            .map_err(|source| CalibrationError::Syntax { path: path.clone(), source: Box::new(source) })?;
        calibration.check(&path)?;
        let other = |have: &str, want: &str| CalibrationError::Other {
            path: path.clone(),
            have: have.to_owned(),
            want: want.to_owned(),
        };
        if calibration.serial != serial {
            return Err(other(&format!("serial {}", calibration.serial), &format!("serial {serial}")));
        }
        match model {
            Some(model) if calibration.model != model => {
                Err(other(&format!("model {}", calibration.model), &format!("model {model}")))
            }
            _ => Ok(calibration),
        }
    }

    /// Whether `folder` has a file of this serial number.
    pub fn is_there(folder: &Path, serial: &str) -> bool {
        path_of(folder, serial).is_ok_and(|path| path.is_file())
    }

    /// Refuses what is past its date at `now`.
    ///
    /// # Errors
    /// [`CalibrationError::Stale`].
    pub fn check_age(&self, folder: &Path, now: Timestamp) -> Result<(), CalibrationError> {
        if self.is_stale(now) {
            let path = path_of(folder, &self.serial)?;
            return Err(CalibrationError::Stale { path, until: self.valid_until.clone() });
        }
        Ok(())
    }

    /// Whether it is past its date at `now`.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        // Checked when it was read; a date that no timestamp can hold is centuries away.
        day(&self.valid_until).is_some_and(|until| now >= until)
    }

    /// Writes the file into `folder`, beside the old one first, so that a power cut leaves the old one or the new one.
    ///
    /// # Errors
    /// [`CalibrationError`]: what [`Calibration::load`] would refuse is not written.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, CalibrationError> {
        let path = path_of(folder, &self.serial)?;
        self.check(&path)?;
        let io = |source| CalibrationError::Io { path: path.clone(), source };
        let text = toml::to_string(self).map_err(|error| io(std::io::Error::other(error)))?;
        let head = "# Written by `daen calibrate`; calibration/README.md explains every key.\n";
        let beside = path.with_extension("toml.new");
        std::fs::create_dir_all(folder).map_err(io)?;
        std::fs::write(&beside, format!("{head}{text}")).map_err(io)?;
        std::fs::rename(&beside, &path).map_err(io)?;
        Ok(path)
    }

    fn check(&self, path: &Path) -> Result<(), CalibrationError> {
        let wrong = |key: &str, value: String, allowed: &'static str| {
            Err(CalibrationError::Value { path: path.to_owned(), key: key.to_owned(), value, allowed })
        };
        for (key, text) in [("date", &self.date), ("valid_until", &self.valid_until)] {
            if day(text).is_none() {
                return wrong(key, format!("{text:?}"), "a day such as 2026-10-01");
            }
        }
        for (key, text) in [("by", &self.by), ("method", &self.method), ("model", &self.model)] {
            if text.trim().is_empty() {
                return wrong(key, format!("{text:?}"), "told: without it a level is no evidence");
            }
        }
        let sigma = |key: &str, value: f64| match value {
            0.0..=1e9 => Ok(()),
            _ => wrong(key, value.to_string(), "a standard deviation, 0 or more"),
        };
        sigma("path.delay_sigma_ns", self.path.delay_sigma_ns)?;
        if !(-1e6..=1e6).contains(&self.path.delay_ns) {
            return wrong("path.delay_ns", self.path.delay_ns.to_string(), "-1e6 to 1e6 ns");
        }
        for (key, factors) in [("path.loss", &self.path.loss), ("path.antenna_factor", &self.path.antenna_factor)] {
            for factor in factors {
                sigma(&format!("{key}.sigma_db"), factor.sigma_db.0)?;
                if !(-200.0..=200.0).contains(&factor.db.0) {
                    return wrong(&format!("{key}.db"), factor.db.0.to_string(), "-200 to 200 dB");
                }
            }
            if factors.len() > MOST_ROWS || !factors.windows(2).all(|pair| pair[0].hz.0 < pair[1].hz.0) {
                return wrong(key, format!("{} rows", factors.len()), "at most 20000 rows with ascending hz");
            }
        }
        for frequency in self.frequency.iter().chain(&self.frequency_history) {
            sigma("frequency.sigma_ppb", frequency.sigma_ppb.0)?;
            sigma("frequency.ageing_ppb_per_year", frequency.ageing_ppb_per_year.0)?;
            if !(-1e6..=1e6).contains(&frequency.ppb.0) {
                return wrong("frequency.ppb", frequency.ppb.0.to_string(), "-1e6 to 1e6 ppb");
            }
            if frequency.celsius.is_some_and(|celsius| !celsius.is_finite()) {
                return wrong("frequency.celsius", format!("{:?}", frequency.celsius), "a temperature");
            }
            if frequency.ppb_per_celsius.is_some_and(|slope| !(-1e5..=1e5).contains(&slope)) {
                return wrong(
                    "frequency.ppb_per_celsius",
                    format!("{:?}", frequency.ppb_per_celsius),
                    "-1e5 to 1e5 ppb/K",
                );
            }
            if day(&frequency.date).is_none() {
                return wrong("frequency.date", format!("{:?}", frequency.date), "a day such as 2026-10-01");
            }
        }
        for table in &self.level {
            sigma("level.interpolation_sigma_db", table.interpolation_sigma_db.0)?;
            if (table.low_hz.0..=table.high_hz.0).is_empty() {
                return wrong("level.high_hz", table.high_hz.0.to_string(), "low_hz or more");
            }
            if !table.celsius.is_finite() || !(-10.0..=10.0).contains(&table.db_per_celsius) {
                return wrong("level.db_per_celsius", table.db_per_celsius.to_string(), "-10 to 10 dB/K");
            }
            if table.points.is_empty() || table.points.len() > MOST_ROWS {
                return wrong("level.points", format!("{} rows", table.points.len()), "1 to 20000 rows");
            }
            for point in &table.points {
                sigma("level.points.sigma_db", point.sigma_db.0)?;
                if !(-250.0..=100.0).contains(&point.dbm_at_full_scale.0) {
                    let value = point.dbm_at_full_scale.0.to_string();
                    return wrong("level.points.dbm_at_full_scale", value, "-250 to 100 dBm");
                }
                if !(table.low_hz.0..=table.high_hz.0).contains(&point.hz.0) {
                    return wrong("level.points.hz", point.hz.0.to_string(), "between low_hz and high_hz");
                }
            }
        }
        for delay in &self.delay {
            sigma("delay.sigma_ns", delay.sigma_ns)?;
            if !(-1e9..=1e9).contains(&delay.ns) {
                return wrong("delay.ns", delay.ns.to_string(), "-1e9 to 1e9 ns");
            }
        }
        if let Some(iq) = &self.iq {
            let good =
                iq.dc_i.abs() < 0.5 && iq.dc_q.abs() < 0.5 && iq.gain_db.0.abs() < 6.0 && iq.phase_deg.abs() < 30.0;
            if !good {
                return wrong("iq", format!("{iq:?}"), "dc below 0.5, gain below 6 dB, phase below 30 degrees");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
