//! The configuration of a node as written.

use crate::config::device::DeviceFile;
use crate::config::link::LinkFile;
use crate::observation::Position;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Where place and time come from beside it.
    #[serde(default)]
    pub navigation: NavigationFile,
    /// Where samples come from.
    pub source: SourceFile,
    /// Further receivers, beside one of `[source]`.
    #[serde(default)]
    pub device: Vec<DeviceFile>,
    /// What is known of the receiver behind them.
    pub calibration: Option<CalibrationFile>,
    /// What is judged.
    #[serde(default)]
    pub rules: RulesFile,
    /// How often what is told.
    #[serde(default)]
    pub report: ReportFile,
    /// What waits for the hub.
    #[serde(default)]
    pub spool: SpoolFile,
    /// Samples kept on the node; none where absent.
    pub evidence: Option<EvidenceFile>,
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

/// `[evidence]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceFile {
    /// Octets of samples kept, over all receivers; four a sample.
    pub quota_octets: u64,
    /// Where; beside the spool where absent.
    pub folder: Option<PathBuf>,
    /// The hub gets what may leave the node where it asks for it.
    #[serde(default)]
    pub send: bool,
}

/// `[navigation]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NavigationFile {
    /// Address of gpsd, on loopback: what it says is not signed.
    pub gpsd: Option<SocketAddr>,
    /// The node moves: its position is that of the newest fix.
    pub moving: bool,
    /// A node that stands and whose position is not told averages fixes for so long, seconds.
    pub survey_s: f64,
    /// Fixes farther than this from the surveyed position are reported, metres.
    pub away_m: f64,
    /// Ask chrony how good the system's clock is.
    pub chrony: bool,
}

impl Default for NavigationFile {
    fn default() -> NavigationFile {
        NavigationFile { gpsd: None, moving: false, survey_s: 14_400.0, away_m: 100.0, chrony: true }
    }
}

/// `[calibration]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationFile {
    /// Folder of the files that `daen calibrate` writes, one a serial number.
    pub folder: PathBuf,
    /// Serial number of the receiver; that of `source.device` where absent.
    pub serial: Option<String>,
    /// How the receiver was set, dB by element, where samples come from a recording.
    #[serde(default)]
    pub gains: BTreeMap<String, f64>,
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
    /// A health report is sent at least this often, seconds, and soon after a change.
    pub health_s: f64,
    /// A coarse picture of the spectrum, of each window for a receiver that scans, is sent this often, seconds; 0: never.
    pub spectrum_s: f64,
    /// Observations wait this long for company in one envelope, milliseconds; findings do not wait.
    pub batch_ms: u64,
    /// Most items in one envelope.
    pub batch_items: usize,
    /// What the hub knows already waits this long for company, seconds.
    pub routine_s: f64,
    /// Octets a month that a quiet node sends and receives, with TLS and TCP; 0: as many as it takes.
    pub month_octets: u64,
}

impl Default for ReportFile {
    fn default() -> ReportFile {
        ReportFile {
            interval_s: 60.0,
            health_s: 900.0,
            spectrum_s: 86_400.0,
            batch_ms: 2000,
            batch_items: 100,
            routine_s: 900.0,
            month_octets: 20_000_000,
        }
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
