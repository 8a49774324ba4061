//! The configuration of a hub.

use super::link::{Link, LinkFile};
use super::{ConfigError, folder, in_range, keys, read_toml, value_error};
use crate::observation::NodeId;
use crate::units::Nanos;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A hub's configuration as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// The hub's name; also the common name of its certificate.
    pub hub: String,
    /// Folder for the store and the broker's files; made where it is missing.
    pub state_dir: PathBuf,
    /// Signatures.
    pub keys: KeysFile,
    /// The hub's own way to the broker.
    pub broker: BrokerFile,
    /// Who may speak.
    #[serde(default)]
    pub nodes: Vec<NodeFile>,
    /// What is judged.
    #[serde(default)]
    pub rules: RulesFile,
    /// Where transmitters are.
    #[serde(default)]
    pub locate: LocateFile,
    /// The pages.
    #[serde(default)]
    pub web: WebFile,
    /// What is kept.
    #[serde(default)]
    pub store: StoreFile,
}

/// `[store]` as written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreFile {
    /// Envelopes are kept for so many days; 0: for good.
    pub days: u32,
    /// The store has so many octets at most; 0: as many as it takes.
    pub octets: u64,
}

/// The store's least limit: a day of a small site.
const LEAST_STORE: u64 = 10_000_000;

/// `[locate]` as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocateFile {
    /// Border polygons, GeoJSON with source, date and accuracy_m.
    pub border: Option<PathBuf>,
    /// Height of the ground above the ellipsoid, metres.
    pub ground_m: Option<f64>,
}

/// `[rules]` as written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesFile {
    /// Licence register, CSV.
    pub register: Option<PathBuf>,
}

/// `[keys]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysFile {
    /// The hub's Ed25519 private key, PKCS#8 PEM.
    pub signing_key: PathBuf,
}

/// `[broker]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerFile {
    /// See [`LinkFile::url`].
    pub url: String,
    /// See [`LinkFile::ca`].
    pub ca: Option<PathBuf>,
    /// See [`LinkFile::certificate`].
    pub certificate: Option<PathBuf>,
    /// See [`LinkFile::key`].
    pub key: Option<PathBuf>,
    /// Present: the hub configures, starts and stops a broker of its own here. Absent: the broker at `url` is somebody else's.
    pub embedded: Option<EmbeddedFile>,
}

/// `[broker.embedded]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedFile {
    /// Address and port for nodes and hub, such as `0.0.0.0:8883`.
    pub listen: SocketAddr,
    /// The broker's certificate, PEM; names the host that nodes connect to.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The broker's program.
    pub mosquitto: Option<PathBuf>,
}

/// One of `[[nodes]]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// Its name.
    pub name: String,
    /// Its Ed25519 public key, PEM.
    pub public_key: PathBuf,
    /// Where its antenna looks, degrees clockwise from north; left away: all round.
    pub azimuth_deg: Option<f64>,
    /// Between the antenna's directions of half power, degrees.
    pub beamwidth_deg: Option<f64>,
}

/// `[web]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebFile {
    /// Address and port of the pages.
    pub listen: SocketAddr,
    /// Names under which the pages may be asked for, beside `localhost` and plain addresses.
    pub hosts: Vec<String>,
}

impl Default for WebFile {
    fn default() -> WebFile {
        WebFile { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), hosts: vec![] }
    }
}

/// A hub's configuration as used.
#[derive(Clone, Debug)]
pub struct Config {
    /// The hub's name.
    pub hub: NodeId,
    /// Folder for the store and the broker's files.
    pub state_dir: PathBuf,
    /// Signs acknowledgements.
    pub signing_key: SigningKey,
    /// The hub's own way to the broker.
    pub link: Link,
    /// The broker to start, where it is the hub's own.
    pub embedded: Option<Embedded>,
    /// The public keys of those who may speak.
    pub nodes: BTreeMap<NodeId, VerifyingKey>,
    /// Licence register that alerts are held against.
    pub register: Option<PathBuf>,
    /// Border polygons for the probability of each country and for maps.
    pub border: Option<PathBuf>,
    /// Height of the ground above the ellipsoid, metres; `None`: that of the nodes.
    pub ground_m: Option<f64>,
    /// Azimuth and beamwidth of nodes whose antennas look one way, degrees.
    pub sectors: BTreeMap<NodeId, (f64, f64)>,
    /// The pages.
    pub web: WebFile,
    /// Age of envelopes and octets of the store that are kept; `None`: all.
    pub retention: (Option<Nanos>, Option<u64>),
}

/// A broker that the hub starts.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The authority that signed nodes' certificates, PEM.
    pub ca: PathBuf,
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Its program; searched for where `None`.
    pub mosquitto: Option<PathBuf>,
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
        let hub = name("hub", &self.hub)?;
        let (mut nodes, mut sectors) = (BTreeMap::new(), BTreeMap::new());
        for file in &self.nodes {
            let node = name("nodes.name", &file.name)?;
            if node == hub {
                return Err(value_error("nodes.name", format!("\"{node}\""), "another name than the hub's (hub)"));
            }
            match (file.azimuth_deg, file.beamwidth_deg) {
                (None, None) => {}
                (Some(azimuth), Some(width)) if (0.0..=360.0).contains(&azimuth) && width > 0.0 && width <= 360.0 => {
                    sectors.insert(node.clone(), (azimuth, width));
                }
                (azimuth, width) => {
                    let value = format!("{azimuth:?} with beamwidth_deg = {width:?}");
                    return Err(value_error("nodes.azimuth_deg", value, "0 to 360, and beamwidth_deg above 0 to 360"));
                }
            }
            let key = keys::verifying_key(&folder.join(&file.public_key))?;
            if nodes.insert(node, key).is_some() {
                return Err(value_error("nodes.name", format!("\"{}\"", file.name), "given once"));
            }
        }
        let BrokerFile { url, ca, certificate, key, embedded } = self.broker;
        let link = LinkFile { url, ca: ca.clone(), certificate, key, keep_alive_s: None }.check(folder)?;
        let embedded = match embedded {
            None => None,
            Some(file) => {
                let missing = || value_error("broker.ca", "(absent)", "a PEM file, with [broker.embedded]");
                Some(Embedded {
                    listen: file.listen,
                    ca: folder.join(ca.ok_or_else(missing)?),
                    certificate: folder.join(file.certificate),
                    key: folder.join(file.key),
                    mosquitto: file.mosquitto,
                })
            }
        };
        Ok(Config {
            hub,
            state_dir: folder.join(&self.state_dir),
            signing_key: keys::signing_key(&folder.join(&self.keys.signing_key))?,
            link,
            embedded,
            nodes,
            register: self.rules.register.map(|path| folder.join(path)),
            border: self.locate.border.map(|path| folder.join(path)),
            ground_m: match self.locate.ground_m {
                // The lowest and the highest ground there is, with a margin.
                Some(metres) if !(-600.0..=9000.0).contains(&metres) => {
                    return Err(value_error("locate.ground_m", metres.to_string(), "-600 to 9000"));
                }
                ground_m => ground_m,
            },
            sectors,
            web: self.web,
            retention: (
                match self.store.days {
                    0 => None,
                    days => {
                        let days = in_range("store.days", days, 1..=36_500, " (0: for good)")?;
                        Some(Nanos::from_secs(i64::from(days) * 86_400))
                    }
                },
                match self.store.octets {
                    0 => None,
                    octets => Some(in_range("store.octets", octets, LEAST_STORE..=1 << 50, " (0: no limit)")?),
                },
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_complete_and_hold_no_unknown_key() {
        let hub: ConfigFile = toml::from_str(include_str!("../../systemd/hub.example.toml")).unwrap();
        assert!(hub.broker.embedded.is_some() && hub.nodes.len() == 2 && hub.rules.register.is_some());
        let sensor: crate::config::sensor::ConfigFile =
            toml::from_str(include_str!("../../systemd/sensor.example.toml")).unwrap();
        assert!(sensor.position.is_some() && sensor.rules.register.is_some());
    }

    #[test]
    fn names_that_stand_twice_or_for_the_hub_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = keys::generate();
        std::fs::write(folder.path().join("sign.key"), private).unwrap();
        std::fs::write(folder.path().join("a.pub"), public).unwrap();
        let check = |names: &[&str]| {
            let nodes: String =
                names.iter().map(|name| format!("[[nodes]]\nname = \"{name}\"\npublic_key = \"a.pub\"\n")).collect();
            let text = format!(
                "hub = \"hub\"\nstate_dir = \"s\"\n[keys]\nsigning_key = \"sign.key\"\n[broker]\nurl = \"mqtt://localhost\"\n{nodes}"
            );
            toml::from_str::<ConfigFile>(&text).unwrap().check(folder.path()).map_err(|error| error.to_string())
        };
        assert_eq!(check(&["a", "b"]).unwrap().nodes.len(), 2);
        assert!(check(&["a", "a"]).unwrap_err().contains("given once"));
        assert!(check(&["a", "hub"]).unwrap_err().contains("another name"));
        assert!(check(&["A"]).unwrap_err().contains("nodes.name"));
    }
}
