//! The configuration of a node.

use super::device::{Device, DeviceFile};
use super::link::Link;
use super::{ConfigError, folder, in_range, keys, parse_toml, read_text, value_error};
use crate::observation::envelope::{MAX_ITEMS, MAX_OCTETS};
use crate::observation::{NodeId, Position};
use crate::units::{Db, Nanos};
use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

mod written;

pub use written::{
    CalibrationFile, ConfigFile, EvidenceFile, KeysFile, NavigationFile, ReportFile, RulesFile, SourceFile, SpoolFile,
};

/// What health reports and the connection alone take in a month, and a little more, octets.
const LEAST_MONTH: u64 = 10_000_000;

/// A node's configuration as used.
#[derive(Clone, Debug)]
pub struct Config {
    /// The first octets of the SHA-256 of the file, hexadecimal: which configuration is in force.
    pub digest: Option<String>,
    /// The node's name.
    pub node: NodeId,
    /// Folder for the spool.
    pub state_dir: PathBuf,
    /// Signs envelopes.
    pub signing_key: SigningKey,
    /// The hub's name.
    pub hub: NodeId,
    /// Checks the hub's signatures.
    pub hub_key: VerifyingKey,
    /// The broker.
    pub link: Link,
    /// Where the antenna stands.
    pub position: Option<Position>,
    /// Where place and time come from beside it.
    pub navigation: Navigation,
    /// Where samples come from.
    pub source: Source,
    /// Further receivers.
    pub devices: Vec<Device>,
    /// What is known of the receiver behind them.
    pub calibration: Option<CalibrationChoice>,
    /// Settings of the rules.
    pub rules: Option<PathBuf>,
    /// Licence register.
    pub register: Option<PathBuf>,
    /// How often what is told.
    pub report: Report,
    /// What waits for the hub.
    pub spool: Spool,
    /// The evidence ring.
    pub evidence: Option<Evidence>,
    /// What is to be said of it in the health report.
    pub remark: Remark,
}

/// The evidence ring.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Where it is.
    pub folder: PathBuf,
    /// Octets of samples kept.
    pub quota: u64,
    /// What may leave is sent where the hub asks for it.
    pub send: bool,
}

/// What a node has to say of its own configuration while it runs, such as that another one was refused.
#[derive(Clone, Debug, Default)]
pub struct Remark(Arc<Mutex<Option<String>>>);

impl Remark {
    /// What it is at present.
    pub fn text(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says something else, or nothing.
    pub fn set(&self, text: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// Where place and time come from.
#[derive(Clone, Copy, Debug)]
pub struct Navigation {
    /// Address of gpsd.
    pub gpsd: Option<SocketAddr>,
    /// The position is that of the newest fix.
    pub moving: bool,
    /// How long a survey takes.
    pub survey: Nanos,
    /// Fixes farther from the surveyed position are reported, metres.
    pub away_m: f64,
    /// chrony is asked.
    pub chrony: bool,
}

/// Which calibration is used.
#[derive(Clone, Debug)]
pub struct CalibrationChoice {
    /// Folder of the files.
    pub folder: PathBuf,
    /// Serial number, where the source does not name it.
    pub serial: Option<String>,
    /// How the receiver was set, where the source does not say.
    pub gains: BTreeMap<String, Db>,
}

/// Where samples come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// See [`SourceFile::Recording`].
    Recording {
        /// The recordings.
        files: Vec<PathBuf>,
        /// At their own rate.
        realtime: bool,
        /// For ever.
        repeat: bool,
    },
    /// See [`SourceFile::Scene`].
    Scene {
        /// Its name.
        name: String,
        /// Which node, from 0.
        node: usize,
        /// Seed.
        seed: u64,
        /// How long.
        length: Option<Nanos>,
        /// At a receiver's rate.
        realtime: bool,
    },
    /// See [`SourceFile::Soapy`].
    Soapy(Device),
    /// See [`SourceFile::Load`].
    Load {
        /// How many.
        items: u64,
    },
}

/// How often what is told.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Of an unchanged cell.
    pub interval: Nanos,
    /// Of the node's health.
    pub health: Duration,
    /// Of the spectrum; `None`: never.
    pub spectrum: Option<Nanos>,
    /// Longest wait for company in one envelope.
    pub batch_wait: Duration,
    /// Most items in one envelope.
    pub batch_items: usize,
    /// Longest wait of what the hub knows already.
    pub routine_wait: Duration,
    /// Octets a month of a quiet node.
    pub month_octets: Option<u64>,
}

/// What waits for the hub.
#[derive(Clone, Copy, Debug)]
pub struct Spool {
    /// Octets kept.
    pub limit_octets: u64,
    /// Envelopes under way.
    pub window: u16,
    /// Until an envelope is sent again.
    pub resend: Duration,
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], naming key, value and allowed range, or the file that is wrong.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        Config::parse(path, &read_text(path)?)
    }

    /// Checks what a configuration file said; relative paths count from the file's folder.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        let config = parse_toml::<ConfigFile>(path, text)?.check(&folder(path))?;
        Ok(Config { digest: Some(hex::encode(&Sha256::digest(text)[..6])), ..config })
    }
}

impl ConfigFile {
    /// Checks what is written; relative paths count from `folder`.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(self, folder: &Path) -> Result<Config, ConfigError> {
        let name = |key: &str, text: &str| -> Result<NodeId, ConfigError> {
            text.parse().map_err(|_| value_error(key, format!("\"{text}\""), "1 to 32 of a-z, 0-9 and '-'"))
        };
        let node = name("node", &self.node)?;
        let hub = name("keys.hub", &self.keys.hub)?;
        if node == hub {
            return Err(value_error("node", format!("\"{node}\""), "another name than the hub's (keys.hub)"));
        }
        if let Some(position) = &self.position {
            in_range("position.lat_deg", position.lat_deg, -90.0..=90.0, " degrees")?;
            in_range("position.lon_deg", position.lon_deg, -180.0..=180.0, " degrees")?;
            in_range("position.height_m", position.height_m.unwrap_or(0.0), -500.0..=9000.0, " m")?;
            in_range("position.sigma_m", position.sigma_m.unwrap_or(0.0), 0.0..=1e6, " m")?;
        }
        let seconds = |key: &str, value: f64, range: std::ops::RangeInclusive<f64>| -> Result<Duration, ConfigError> {
            Ok(Duration::from_secs_f64(in_range(key, value, range, " s")?))
        };
        let interval = seconds("report.interval_s", self.report.interval_s, 1.0..=86_400.0)?;
        // A spool must hold some envelopes of the longest kind, with room for their tombstones.
        let least = 16 * MAX_OCTETS as u64;
        Ok(Config {
            digest: None,
            remark: Remark::default(),
            signing_key: keys::signing_key(&folder.join(&self.keys.signing_key))?,
            hub_key: keys::verifying_key(&folder.join(&self.keys.hub_public_key))?,
            link: self.broker.check(folder)?,
            node,
            hub,
            evidence: match self.evidence {
                None => None,
                Some(EvidenceFile { quota_octets, folder: at, send }) => {
                    let at = at.unwrap_or_else(|| self.state_dir.join("evidence"));
                    let quota = in_range("evidence.quota_octets", quota_octets, 100_000_000..=1 << 44, "")?;
                    Some(Evidence { folder: folder.join(at), quota, send })
                }
            },
            state_dir: folder.join(&self.state_dir),
            navigation: self.navigation.check(self.position.is_some())?,
            position: self.position,
            devices: check_devices(&self.source, self.device, folder)?,
            source: check_source(self.source, folder)?,
            calibration: self.calibration.map(|file| file.check(folder)).transpose()?,
            rules: self.rules.file.map(|path| folder.join(path)),
            register: self.rules.register.map(|path| folder.join(path)),
            report: Report {
                interval: Nanos(i64::try_from(interval.as_nanos()).expect("a day fits 64 bits of nanoseconds")),
                health: seconds("report.health_s", self.report.health_s, 1.0..=3600.0)?,
                spectrum: match self.report.spectrum_s {
                    0.0 => None,
                    often => {
                        Some(Nanos((in_range("report.spectrum_s", often, 10.0..=2.6e6, " s, or 0")? * 1e9) as i64))
                    }
                },
                batch_wait: Duration::from_millis(in_range(
                    "report.batch_ms",
                    self.report.batch_ms,
                    10..=600_000,
                    " ms",
                )?),
                batch_items: in_range("report.batch_items", self.report.batch_items, 1..=MAX_ITEMS, "")?,
                routine_wait: seconds("report.routine_s", self.report.routine_s, 0.01..=86_400.0)?,
                month_octets: match self.report.month_octets {
                    0 => None,
                    octets => Some(in_range("report.month_octets", octets, LEAST_MONTH..=1 << 50, " (0: unlimited)")?),
                },
            },
            spool: Spool {
                limit_octets: in_range("spool.limit_octets", self.spool.limit_octets, least..=1 << 40, "")?,
                window: in_range("spool.window", self.spool.window, 1..=1000, "")?,
                resend: seconds("spool.resend_s", self.spool.resend_s, 1.0..=3600.0)?,
            },
        })
    }
}

/// Receivers of one node at most; each has threads and buffers of its own.
const MOST_RECEIVERS: usize = 8;

fn check_devices(source: &SourceFile, files: Vec<DeviceFile>, folder: &Path) -> Result<Vec<Device>, ConfigError> {
    let of_a_receiver = matches!(source, SourceFile::Soapy(_));
    if !files.is_empty() && (!of_a_receiver || files.len() >= MOST_RECEIVERS) {
        let allowed = "at most 7 further receivers, beside a [source] of kind = \"soapy\"";
        return Err(value_error("device", format!("{} of them", files.len()), allowed));
    }
    files.into_iter().map(|file| file.check(folder)).collect()
}

impl NavigationFile {
    fn check(self, positioned: bool) -> Result<Navigation, ConfigError> {
        if let Some(address) = self.gpsd.filter(|address| !address.ip().is_loopback()) {
            return Err(value_error("navigation.gpsd", address, "an address on loopback, such as 127.0.0.1:2947"));
        }
        if self.moving && positioned {
            return Err(value_error("navigation.moving", true, "false where [position] says where the node stands"));
        }
        if self.moving && self.gpsd.is_none() {
            return Err(value_error("navigation.moving", true, "false without navigation.gpsd"));
        }
        let survey = in_range("navigation.survey_s", self.survey_s, 60.0..=604_800.0, " s")?;
        Ok(Navigation {
            gpsd: self.gpsd,
            moving: self.moving,
            survey: Nanos((survey * 1e9) as i64),
            away_m: in_range("navigation.away_m", self.away_m, 10.0..=100_000.0, " m")?,
            chrony: self.chrony,
        })
    }
}

impl CalibrationFile {
    fn check(self, folder: &Path) -> Result<CalibrationChoice, ConfigError> {
        let gain = |(name, value): (String, f64)| {
            let value = in_range(&format!("calibration.gains.{name}"), value, -200.0..=200.0, " dB")?;
            Ok((name, Db(value)))
        };
        let gains = self.gains.into_iter().map(gain).collect::<Result<_, ConfigError>>()?;
        Ok(CalibrationChoice { folder: folder.join(self.folder), serial: self.serial, gains })
    }
}

fn check_source(source: SourceFile, folder: &Path) -> Result<Source, ConfigError> {
    Ok(match source {
        SourceFile::Recording { files, realtime, repeat } => {
            if files.is_empty() {
                return Err(value_error("source.files", "[]", "one recording or more"));
            }
            Source::Recording { files: files.into_iter().map(|path| folder.join(path)).collect(), realtime, repeat }
        }
        SourceFile::Scene { name, node, seed, seconds, realtime } => {
            let length = match seconds {
                // A year; beyond it nobody waits for a test scene.
                Some(value) => {
                    Some(Nanos((in_range("source.seconds", value, 0.001..=31_536_000.0, " s")? * 1e9) as i64))
                }
                None => None,
            };
            Source::Scene { name, node, seed, length, realtime }
        }
        SourceFile::Soapy(file) => Source::Soapy(file.check(folder)?),
        SourceFile::Load { items } => Source::Load { items: in_range("source.items", items, 0..=100_000_000, "")? },
    })
}

#[cfg(test)]
mod tests;
