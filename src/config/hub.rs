//! The configuration of a hub.

use super::link::{Link, LinkFile};
use super::{ConfigError, folder, keys, read_toml, value_error};
use crate::observation::NodeId;
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
    /// The pages.
    #[serde(default)]
    pub web: WebFile,
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
}

/// `[web]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebFile {
    /// Address and port of the pages.
    pub listen: SocketAddr,
}

impl Default for WebFile {
    fn default() -> WebFile {
        WebFile { listen: SocketAddr::from(([127, 0, 0, 1], 8080)) }
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
    /// Address of the pages.
    pub web: SocketAddr,
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
        let mut nodes = BTreeMap::new();
        for file in &self.nodes {
            let node = name("nodes.name", &file.name)?;
            if node == hub {
                return Err(value_error("nodes.name", format!("\"{node}\""), "another name than the hub's (hub)"));
            }
            let key = keys::verifying_key(&folder.join(&file.public_key))?;
            if nodes.insert(node, key).is_some() {
                return Err(value_error("nodes.name", format!("\"{}\"", file.name), "given once"));
            }
        }
        let BrokerFile { url, ca, certificate, key, embedded } = self.broker;
        let link = LinkFile { url, ca: ca.clone(), certificate, key }.check(folder)?;
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
            web: self.web.listen,
        })
    }
}
