//! A new site from one command: an authority of its own, certificates, signing keys and ready configurations for a hub and its nodes.
//!
//! `daen hub --init DIR` writes one folder for the authority, one for the hub and one for each node; a node's folder is copied to that
//! node and nowhere else, the authority's is kept off line. Nothing is overwritten.

use crate::config::keys;
use crate::observation::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The hub's name.
    pub hub: NodeId,
    /// The host name or address that nodes reach the hub under; `localhost` and 127.0.0.1 are added.
    pub host: String,
    /// Where the hub's broker listens.
    pub listen: SocketAddr,
    /// Where the hub's pages are.
    pub web: SocketAddr,
    /// The hub's licence register; a relative path counts from the hub's own folder.
    pub register: Option<PathBuf>,
    /// The nodes.
    pub nodes: Vec<NodePlan>,
}

/// One node of a [`Plan`].
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its name.
    pub name: NodeId,
    /// Its tables other than `[keys]` and `[broker]`, as TOML; `[source]` must be among them.
    pub tables: String,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The hub's configuration.
    pub hub: PathBuf,
    /// The nodes' configurations, in the plan's order.
    pub nodes: Vec<PathBuf>,
}

/// Why a site cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A file cannot be written; one that exists is not overwritten.
    #[error("{path}: {source}; name a folder that does not exist yet")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A certificate cannot be made.
    #[error("certificate of {name}: {source}")]
    Certificate {
        /// Whose.
        name: String,
        /// The reason.
        source: rcgen::Error,
    },
    /// A name stands for two.
    #[error("the name \"{name}\" is given twice; hub and nodes need names of their own")]
    Twice {
        /// The name.
        name: NodeId,
    },
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Certificates are valid from 2020 (a node without a clock believes in the past) to the end of 2049 (the last year that X.509
/// writes with two digits, RFC 5280 clause 4.1.2.5). Nobody renews a certificate on a pole; who is struck off the hub's list is
/// locked out at once.
fn parameters(name: &str, hosts: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(hosts)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2049, 12, 31);
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

fn authority() -> Result<Authority, rcgen::Error> {
    let mut parameters = parameters("daen authority", vec![])?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.use_authority_key_identifier_extension = false;
    let key = KeyPair::generate()?;
    let pem = parameters.self_signed(&key)?.pem();
    Ok(Authority { pem, issuer: Issuer::new(parameters, key) })
}

/// Certificate and private key, PEM.
fn certificate(
    authority: &Authority,
    name: &str,
    hosts: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
) -> Result<(String, String), ProvisionError> {
    let make = || {
        let mut parameters = parameters(name, hosts)?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        Ok((parameters.signed_by(&key, &authority.issuer)?.pem(), key.serialize_pem()))
    };
    make().map_err(|source| ProvisionError::Certificate { name: name.to_owned(), source })
}

fn folder(path: &Path) -> Result<(), ProvisionError> {
    std::fs::create_dir_all(path).map_err(|source| ProvisionError::Io { path: path.to_owned(), source })
}

/// Writes a file that does not exist yet; only its owner may read it.
fn write(path: &Path, text: &str) -> Result<(), ProvisionError> {
    let error = |source| ProvisionError::Io { path: path.to_owned(), source };
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(error)?;
    file.write_all(text.as_bytes()).map_err(error)
}

/// Makes a site in `folder`.
///
/// # Errors
/// [`ProvisionError`]; what was written before the error stays.
pub fn make(path: &Path, plan: &Plan) -> Result<Made, ProvisionError> {
    let mut names = vec![&plan.hub];
    for node in &plan.nodes {
        if names.contains(&&node.name) {
            return Err(ProvisionError::Twice { name: node.name.clone() });
        }
        names.push(&node.name);
    }
    let of_authority = |source| ProvisionError::Certificate { name: "the authority".to_owned(), source };
    let authority = authority().map_err(of_authority)?;
    let site = path.join("authority");
    folder(&site)?;
    write(&site.join("ca.pem"), &authority.pem)?;
    write(&site.join("ca.key"), &authority.issuer.key().serialize_pem())?;

    let home = path.join(plan.hub.as_str());
    folder(&home.join("nodes"))?;
    let (hub_private, hub_public) = keys::generate();
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    if !hosts.contains(&plan.host) {
        hosts.push(plan.host.clone());
    }
    let (broker, broker_key) = certificate(&authority, "broker", hosts, ExtendedKeyUsagePurpose::ServerAuth)?;
    let (own, own_key) = certificate(&authority, plan.hub.as_str(), vec![], ExtendedKeyUsagePurpose::ClientAuth)?;
    for (name, text) in [
        ("ca.pem", &authority.pem),
        ("broker.pem", &broker),
        ("broker.key", &broker_key),
        ("tls.pem", &own),
        ("tls.key", &own_key),
        ("sign.key", &hub_private),
        ("sign.pub", &hub_public),
    ] {
        write(&home.join(name), text)?;
    }

    let mut hub_text = hub_config(plan);
    let mut made = Made { hub: home.join("hub.toml"), nodes: vec![] };
    for node in &plan.nodes {
        let place = path.join(node.name.as_str());
        folder(&place)?;
        let (private, public) = keys::generate();
        let (own, own_key) = certificate(&authority, node.name.as_str(), vec![], ExtendedKeyUsagePurpose::ClientAuth)?;
        for (name, text) in [
            ("ca.pem", &authority.pem),
            ("tls.pem", &own),
            ("tls.key", &own_key),
            ("sign.key", &private),
            ("hub.pub", &hub_public),
            ("sensor.toml", &sensor_config(plan, node)),
        ] {
            write(&place.join(name), text)?;
        }
        write(&home.join("nodes").join(format!("{}.pub", node.name)), &public)?;
        let _ = write!(hub_text, "\n[[nodes]]\nname = \"{0}\"\npublic_key = \"nodes/{0}.pub\"\n", node.name);
        made.nodes.push(place.join("sensor.toml"));
    }
    write(&made.hub, &hub_text)?;
    Ok(made)
}

fn hub_config(plan: &Plan) -> String {
    let register = plan.register.as_ref().map(|path| format!("\n[rules]\nregister = \"{}\"\n", path.display()));
    format!(
        "# Configuration of a daen hub; every key is explained in hub.example.toml.\n\
         hub = \"{hub}\"\nstate_dir = \"state\"\n\n\
         [keys]\nsigning_key = \"sign.key\"\n\n\
         [broker]\nurl = \"mqtts://localhost:{port}\"\nca = \"ca.pem\"\ncertificate = \"tls.pem\"\nkey = \"tls.key\"\n\n\
         [broker.embedded]\nlisten = \"{listen}\"\ncertificate = \"broker.pem\"\nkey = \"broker.key\"\n\n\
         [web]\nlisten = \"{web}\"\n{register}",
        hub = plan.hub,
        port = plan.listen.port(),
        listen = plan.listen,
        web = plan.web,
        register = register.unwrap_or_default(),
    )
}

fn sensor_config(plan: &Plan, node: &NodePlan) -> String {
    format!(
        "# Configuration of a daen node; every key is explained in sensor.example.toml.\n\
         node = \"{node}\"\nstate_dir = \"state\"\n\n\
         [keys]\nsigning_key = \"sign.key\"\nhub = \"{hub}\"\nhub_public_key = \"hub.pub\"\n\n\
         [broker]\nurl = \"mqtts://{host}:{port}\"\nca = \"ca.pem\"\ncertificate = \"tls.pem\"\nkey = \"tls.key\"\n\n{tables}",
        node = node.name,
        hub = plan.hub,
        host = plan.host,
        port = plan.listen.port(),
        tables = node.tables,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn plan(names: &[&str]) -> Plan {
        Plan {
            hub: "hub".parse().unwrap(),
            host: "hub.example".to_owned(),
            listen: "127.0.0.1:18883".parse().unwrap(),
            web: "127.0.0.1:18080".parse().unwrap(),
            register: None,
            nodes: names
                .iter()
                .map(|name| NodePlan {
                    name: name.parse().unwrap(),
                    tables: "[source]\nkind = \"load\"\nitems = 1\n".to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn what_is_made_is_taken_by_hub_and_nodes_and_their_keys_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        let made = make(folder.path(), &plan(&["pole-1", "pole-2"])).unwrap();
        let hub = config::hub::Config::load(&made.hub).unwrap();
        assert_eq!(hub.nodes.len(), 2);
        for path in &made.nodes {
            let node = config::sensor::Config::load(path).unwrap();
            assert_eq!(hub.nodes[&node.node], node.signing_key.verifying_key());
            assert_eq!(node.hub_key, hub.signing_key.verifying_key());
        }
    }

    #[test]
    fn keys_are_for_their_owner_and_nothing_is_overwritten() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), &plan(&["pole-1"])).unwrap();
        let mode = std::fs::metadata(folder.path().join("pole-1/sign.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = make(folder.path(), &plan(&["pole-1"])).unwrap_err().to_string();
        assert!(error.contains("does not exist yet"), "{error}");
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for names in [["pole-1", "pole-1"], ["pole-1", "hub"]] {
            assert!(matches!(make(folder.path(), &plan(&names)), Err(ProvisionError::Twice { .. })));
        }
    }
}
