//! The configuration of a node.

use super::device::{Device, DeviceFile};
use super::link::{Link, LinkFile};
use super::{ConfigError, folder, in_range, keys, read_toml, value_error};
use crate::observation::envelope::{MAX_ITEMS, MAX_OCTETS};
use crate::observation::{NodeId, Position};
use crate::units::Nanos;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A node's configuration as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// The node's name; also the common name of its certificate.
    pub node: String,
    /// Folder for the spool; made where it is missing.
    pub state_dir: PathBuf,
    /// Signatures.
    pub keys: KeysFile,
    /// The broker.
    pub broker: LinkFile,
    /// Where the antenna stands.
    pub position: Option<Position>,
    /// Where samples come from.
    pub source: SourceFile,
    /// Further receivers, beside one of `[source]`.
    #[serde(default)]
    pub device: Vec<DeviceFile>,
    /// What is judged.
    #[serde(default)]
    pub rules: RulesFile,
    /// How often what is told.
    #[serde(default)]
    pub report: ReportFile,
    /// What waits for the hub.
    #[serde(default)]
    pub spool: SpoolFile,
}

/// `[keys]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysFile {
    /// The node's Ed25519 private key, PKCS#8 PEM.
    pub signing_key: PathBuf,
    /// The hub's name.
    pub hub: String,
    /// The hub's Ed25519 public key, PEM.
    pub hub_public_key: PathBuf,
}

/// `[source]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SourceFile {
    /// SigMF recordings, one after the other.
    Recording {
        /// The recordings.
        files: Vec<PathBuf>,
        /// Deliver samples at the rate at which they were taken; otherwise as fast as they can be received.
        #[serde(default)]
        realtime: bool,
        /// Begin again after the last one, for ever.
        #[serde(default)]
        repeat: bool,
    },
    /// A synthetic border scene, computed as it is received.
    Scene {
        /// Its name, such as `aranyaprathet`.
        name: String,
        /// Which of its nodes this is, from 0.
        node: usize,
        /// Seed of everything random in it.
        #[serde(default)]
        seed: u64,
        /// How long it lasts, seconds; for ever where absent.
        seconds: Option<f64>,
        /// Deliver samples at the rate at which a receiver would.
        #[serde(default = "yes")]
        realtime: bool,
    },
    /// A receiver, by SoapySDR (the feature `soapy`).
    Soapy(DeviceFile),
    /// A test source: no samples, but this many numbered observations at once, to load the spool and everything after it.
    Load {
        /// How many.
        items: u64,
    },
}

fn yes() -> bool {
    true
}

/// `[rules]` as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesFile {
    /// Settings of the rules; the built-in ones where absent.
    pub file: Option<PathBuf>,
    /// Licence register, CSV.
    pub register: Option<PathBuf>,
}

/// `[report]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportFile {
    /// An unchanged cell is told of this often, seconds.
    pub interval_s: f64,
    /// A health report is sent this often, seconds.
    pub health_s: f64,
    /// A coarse picture of each window of a receiver that scans is sent this often, seconds; 0: never.
    pub spectrum_s: f64,
    /// Observations wait this long for company in one envelope, milliseconds; findings do not wait.
    pub batch_ms: u64,
    /// Most items in one envelope.
    pub batch_items: usize,
}

impl Default for ReportFile {
    fn default() -> ReportFile {
        ReportFile { interval_s: 60.0, health_s: 60.0, spectrum_s: 86_400.0, batch_ms: 2000, batch_items: 100 }
    }
}

/// `[spool]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolFile {
    /// Octets of envelopes kept for the hub; beyond it the least valuable are evicted.
    pub limit_octets: u64,
    /// Envelopes under way to the hub at a time.
    pub window: u16,
    /// An envelope that the hub has not acknowledged is sent again after this long, seconds.
    pub resend_s: f64,
}

impl Default for SpoolFile {
    fn default() -> SpoolFile {
        SpoolFile { limit_octets: 1 << 30, window: 256, resend_s: 20.0 }
    }
}

/// A node's configuration as used.
#[derive(Clone, Debug)]
pub struct Config {
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
    /// Where samples come from.
    pub source: Source,
    /// Further receivers.
    pub devices: Vec<Device>,
    /// Settings of the rules.
    pub rules: Option<PathBuf>,
    /// Licence register.
    pub register: Option<PathBuf>,
    /// How often what is told.
    pub report: Report,
    /// What waits for the hub.
    pub spool: Spool,
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
        read_toml::<ConfigFile>(path)?.check(&folder(path))
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
            signing_key: keys::signing_key(&folder.join(&self.keys.signing_key))?,
            hub_key: keys::verifying_key(&folder.join(&self.keys.hub_public_key))?,
            link: self.broker.check(folder)?,
            node,
            hub,
            state_dir: folder.join(&self.state_dir),
            position: self.position,
            devices: check_devices(&self.source, self.device, folder)?,
            source: check_source(self.source, folder)?,
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
mod tests {
    use super::*;

    fn check(edit: impl Fn(&str) -> String) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = keys::generate();
        std::fs::write(folder.path().join("node.key"), private).unwrap();
        std::fs::write(folder.path().join("hub.pub"), public).unwrap();
        let path = folder.path().join("sensor.toml");
        let text = r#"
            node = "pole-1"
            state_dir = "state"
            [keys]
            signing_key = "node.key"
            hub = "hub"
            hub_public_key = "hub.pub"
            [broker]
            url = "mqtt://127.0.0.1:1884"
            [position]
            lat_deg = 13.69
            lon_deg = 102.50
            [source]
            kind = "load"
            items = 5
            [spool]
            window = 64
        "#;
        std::fs::write(&path, edit(text)).unwrap();
        Config::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_complete_file_is_taken_with_paths_from_its_folder() {
        let config = check(str::to_owned).unwrap();
        assert!(config.state_dir.is_absolute() && config.state_dir.ends_with("state"));
        assert_eq!(config.spool.window, 64);
        assert_eq!(config.report.interval, Nanos::from_secs(60));
    }

    #[test]
    fn a_receiver_is_checked_as_far_as_the_file_can_tell() {
        let soapy = |line: &str| {
            let table = format!(
                "kind = \"soapy\"\ndevice = \"driver=rtlsdr\"\nprofile = \"rtl-sdr-v3\"\ncenter_hz = 947.4e6\n{line}\n"
            );
            check(|text| text.replace("kind = \"load\"\n            items = 5", &table))
        };
        let Source::Soapy(device) = soapy("rate_hz = 2.4e6\ngains = { TUNER = 30.0 }").unwrap().source else {
            panic!("a receiver was written")
        };
        assert_eq!(
            (device.center.0, device.rate.map(|rate| rate.0), device.gains["TUNER"].0),
            (947.4e6, Some(2.4e6), 30.0)
        );
        for (line, expected) in [
            ("rate_hz = 0.0", ["source.rate_hz", "0", "1 to 1000000000000 Hz"]),
            ("gains = { TUNER = 300.0 }", ["source.gains.TUNER", "300", "-200 to 200 dB"]),
            ("channel = 99", ["source.channel", "99", "0 to 15"]),
            ("gian = 3", ["sensor.toml", "gian", "gains"]),
        ] {
            let error = soapy(line).unwrap_err();
            assert!(expected.iter().all(|part| error.contains(part)), "{line}: {error}");
        }
    }

    #[test]
    fn an_error_names_key_value_and_what_is_allowed() {
        for (from, to, expected) in [
            ("window = 64", "window = 0", ["spool.window", "0", "1 to 1000"]),
            ("lat_deg = 13.69", "lat_deg = 113.69", ["position.lat_deg", "113.69", "-90 to 90 degrees"]),
            ("\"pole-1\"", "\"Pole 1\"", ["node", "Pole 1", "a-z, 0-9"]),
            ("\"pole-1\"", "\"hub\"", ["node", "hub", "another name"]),
            ("window = 64", "windw = 64", ["sensor.toml", "windw", "window"]),
            ("kind = \"load\"", "kind = \"radio\"", ["sensor.toml", "radio", "recording"]),
            ("items = 5", "items = -5", ["sensor.toml", "-5", "u64"]),
            ("\"node.key\"", "\"hub.pub\"", ["hub.pub", "must hold", "private key"]),
            ("\"node.key\"", "\"absent.key\"", ["absent.key", "No such file", ""]),
            ("mqtt://127.0.0.1", "mqtt://198.51.100.7", ["broker.url", "198.51.100.7", "loopback"]),
        ] {
            let error = check(|text| text.replace(from, to)).unwrap_err();
            assert!(expected.iter().all(|part| error.contains(part)), "{to}: {error}");
        }
    }
}
