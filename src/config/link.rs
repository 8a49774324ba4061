//! The connection to a broker, the same for nodes and hub: what the configuration says of it, and the topics on it.
//!
//! MQTT 5 over TLS with client certificates. Plain TCP is taken for loopback addresses only: a broker beside the program.
//!
//! Every connection has a client of its own: `rumqttc` carries requests of a lost session over to the next one and then drops
//! them, or waits for ever for an identifier that the broker has forgotten. Both sides here know by themselves what is to be
//! sent again, so nothing of a lost connection is kept.

use super::{ConfigError, in_range, value_error};
use crate::observation::NodeId;
use crate::observation::envelope::MAX_OCTETS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, LastWill, Packet, PubAckReason, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Largest packet: an envelope with its topic and properties.
const MAX_PACKET: u32 = MAX_OCTETS as u32 + 1024;

/// Requests that the client holds before it refuses one; more than any window of envelopes or acknowledgements.
const REQUESTS: usize = 8192;

/// How often a connection that is silent is probed, seconds. Chosen: a probe costs some 230 octets with its answer and their headers, so
/// this is 2.5 MB a month; it is shorter than what address translators forget, and a dead link is found within six minutes. What breaks
/// on this machine or at the broker is seen at once.
const KEEP_ALIVE_S: u16 = 240;

/// `[broker]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkFile {
    /// `mqtts://HOST[:PORT]`, or `mqtt://` to a loopback address.
    pub url: String,
    /// The authority that signed the broker's certificate, PEM.
    pub ca: Option<PathBuf>,
    /// This program's certificate, PEM; its common name is the node's or hub's name.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// How often a connection that is silent is probed, seconds.
    pub keep_alive_s: Option<u16>,
}

/// Where the broker is and how to be let in.
#[derive(Clone, Debug)]
pub struct Link {
    host: String,
    port: u16,
    tls: Option<Arc<rustls::ClientConfig>>,
    keep_alive: Duration,
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl LinkFile {
    /// Reads the certificates and checks the address.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key or the file.
    pub fn check(self, folder: &Path) -> Result<Link, ConfigError> {
        let allowed = "mqtts://HOST or mqtts://HOST:PORT (mqtt:// only to localhost or a loopback address)";
        let wrong = || value_error("broker.url", format!("\"{}\"", self.url), allowed);
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let secure = match scheme {
            "mqtts" => true,
            "mqtt" => false,
            _ => return Err(wrong()),
        };
        let (host, port) = match rest.trim_end_matches('/').rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => (host, port.parse().map_err(|_| wrong())?),
            _ => (rest.trim_end_matches('/'), if secure { 8883 } else { 1883 }),
        };
        if host.is_empty() || host.contains(['/', '@', ' ']) || port == 0 {
            return Err(wrong());
        }
        let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if !secure && !loopback {
            return Err(wrong());
        }
        let tls = if secure {
            let need = |key: &str, path: &Option<PathBuf>| {
                let missing = || value_error(format!("broker.{key}"), "(absent)", "a PEM file, with mqtts://");
                path.as_ref().map(|path| folder.join(path)).ok_or_else(missing)
            };
            let ca = need("ca", &self.ca)?;
            let certificate = need("certificate", &self.certificate)?;
            let key = need("key", &self.key)?;
            Some(client_config(&ca, &certificate, &key)?)
        } else {
            None
        };
        let keep_alive = in_range("broker.keep_alive_s", self.keep_alive_s.unwrap_or(KEEP_ALIVE_S), 5..=3600, " s")?;
        Ok(Link { host: host.to_owned(), port, tls, keep_alive: Duration::from_secs(u64::from(keep_alive)) })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let wrong = |problem: String| ConfigError::Key {
        path: path.to_owned(),
        problem,
        expected: "one or more X.509 certificates as PEM",
    };
    let list = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(error.to_string()))?;
    if list.is_empty() { Err(wrong("no certificate".to_owned())) } else { Ok(list) }
}

fn client_config(ca: &Path, certificate: &Path, key: &Path) -> Result<Arc<rustls::ClientConfig>, ConfigError> {
    let wrong = |path: &Path, problem: String, expected| ConfigError::Key { path: path.to_owned(), problem, expected };
    let mut roots = rustls::RootCertStore::empty();
    for authority in certificates(ca)? {
        let expected = "the certificate of an authority as PEM";
        roots.add(authority).map_err(|error| wrong(ca, error.to_string(), expected))?;
    }
    let chain = certificates(certificate)?;
    let expected = "the private key of the certificate as PEM";
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string(), expected))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(certificate, error.to_string(), expected))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key_der)
        .map_err(|error| wrong(key, error.to_string(), expected))?;
    Ok(Arc::new(config))
}

/// How a client presents itself.
#[derive(Clone, Debug)]
pub struct Session {
    /// Client identifier.
    pub client_id: String,
    /// What the broker says in our name when the connection breaks.
    pub last_will: Option<LastWill>,
    /// How long the broker keeps messages for us while we are away; zero begins anew each time.
    pub expiry: Duration,
    /// Messages that may be under way to us without our acknowledgement, and from us without the broker's.
    pub window: u16,
}

/// What happened on a connection.
#[derive(Debug)]
pub enum LinkEvent {
    /// The broker let us in.
    Up(ConnAck),
    /// A message came; acknowledge it with [`Connection::client`]'s `try_ack` once it is safe.
    Message(Publish),
    /// The broker has the next publication; it confirms them in the order in which they were made (MQTT 5.0 clause 4.6).
    Delivered,
    /// The broker refused a publication (which is also confirmed, first) or a subscription, for this reason; the connection stands.
    Refused(String),
    /// The connection is gone, for this reason; nothing more will come.
    Down(String),
}

/// One connection, from the first attempt until it breaks.
#[derive(Debug)]
pub struct Connection {
    /// Takes requests; use the `try_` forms, which never wait.
    pub client: AsyncClient,
    events: mpsc::Receiver<LinkEvent>,
    task: JoinHandle<()>,
}

impl Link {
    /// Begins to connect; [`Connection::next`] tells how it went.
    pub fn connect(&self, session: &Session) -> Connection {
        let mut options = MqttOptions::new(&session.client_id, &self.host, self.port);
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls.clone())));
        }
        options
            .set_keep_alive(self.keep_alive)
            .set_clean_start(session.expiry.is_zero())
            .set_connection_timeout(10)
            .set_manual_acks(true)
            .set_max_packet_size(Some(MAX_PACKET))
            .set_receive_maximum(Some(session.window))
            .set_session_expiry_interval(Some(session.expiry.as_secs().min(u64::from(u32::MAX)) as u32))
            .set_outgoing_inflight_upper_limit(session.window);
        if let Some(last_will) = &session.last_will {
            options.set_last_will(last_will.clone());
        }
        // Off by default; on, delivery was measured twenty times as fast.
        let mut network = options.network_options();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, event_loop) = AsyncClient::new(options, REQUESTS);
        let (sender, events) = mpsc::channel(usize::from(session.window) + 16);
        let task = tokio::spawn(poll(event_loop, sender));
        Connection { client, events, task }
    }
}

/// Drives one connection to its end. It alone polls, so that no request is cut off half written.
async fn poll(mut event_loop: EventLoop, sender: mpsc::Sender<LinkEvent>) {
    loop {
        let event = match event_loop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => LinkEvent::Up(ack),
            Ok(Event::Incoming(Packet::Publish(publish))) => LinkEvent::Message(publish),
            Ok(Event::Incoming(Packet::PubAck(ack))) => {
                if sender.send(LinkEvent::Delivered).await.is_err() {
                    return;
                }
                match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => continue,
                    reason => LinkEvent::Refused(format!("publication refused: {reason:?}")),
                }
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                let refused = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                match refused {
                    None => continue,
                    Some(reason) => LinkEvent::Refused(format!("subscription refused: {reason:?}")),
                }
            }
            Ok(_) => continue,
            Err(error) => LinkEvent::Down(error.to_string()),
        };
        let down = matches!(event, LinkEvent::Down(_));
        // The broker sends no more than the window without acknowledgement, so this waits only for a receiver that has gone.
        if sender.send(event).await.is_err() || down {
            return;
        }
    }
}

impl Connection {
    /// The next event; [`LinkEvent::Down`] is the last. May be dropped and called again without loss.
    pub async fn next(&mut self) -> LinkEvent {
        self.events.recv().await.unwrap_or_else(|| LinkEvent::Down("the connection was closed".to_owned()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The waiting time before attempt `attempt` (from 0): doubling from `first` up to `longest`, less up to half of it by `jitter`
/// (0.0..1.0), so that nodes that lost the same broker do not all come back in the same instant.
pub fn back_off(attempt: u32, first: Duration, longest: Duration, jitter: f64) -> Duration {
    let whole = first.saturating_mul(2u32.saturating_pow(attempt)).min(longest);
    whole.mul_f64(1.0 - 0.5 * jitter.clamp(0.0, 1.0))
}

/// The topics of the wire contract.
pub mod topic {
    use super::NodeId;

    /// What every topic begins with.
    pub const PREFIX: &str = "daen/1";

    /// Envelopes of a node.
    pub fn up(node: &NodeId) -> String {
        format!("{PREFIX}/{node}/up")
    }
    /// Whether a node is there; retained.
    pub fn state(node: &NodeId) -> String {
        format!("{PREFIX}/{node}/state")
    }
    /// Acknowledgements for a node.
    pub fn down(node: &NodeId) -> String {
        format!("{PREFIX}/{node}/down")
    }
    /// Samples of a node that answer one ask; the ask's identifier in hexadecimal.
    pub fn iq(node: &NodeId, event: &str) -> String {
        format!("{PREFIX}/{node}/iq/{event}")
    }
    /// The alerts that one reader of the feed may see.
    pub fn alerts(tenant: &NodeId) -> String {
        format!("{PREFIX}/feed/{tenant}/alerts")
    }
    /// The node and the last level of a topic below a node.
    pub fn split(topic: &str) -> Option<(NodeId, &str)> {
        let (node, leaf) = topic.strip_prefix(PREFIX)?.strip_prefix('/')?.split_once('/')?;
        Some((node.parse().ok()?, leaf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<Link, ConfigError> {
        LinkFile { url: url.to_owned(), ca: None, certificate: None, key: None, keep_alive_s: None }
            .check(Path::new("."))
    }

    #[test]
    fn plain_tcp_is_for_loopback_only() {
        for url in ["mqtt://localhost:1884", "mqtt://127.0.0.1", "mqtt://127.3.2.1:9"] {
            assert!(check(url).is_ok(), "{url}");
        }
        for url in [
            "mqtt://192.0.2.1",
            "mqtt://hub.example",
            "http://localhost",
            "localhost:1883",
            "mqtt://localhost:0",
            "mqtt://",
        ] {
            let error = check(url).unwrap_err().to_string();
            assert!(error.contains("broker.url") && error.contains(url), "{error}");
        }
    }

    #[test]
    fn tls_without_certificates_says_which_is_missing() {
        let error = check("mqtts://hub.example").unwrap_err().to_string();
        assert!(error.contains("broker.ca") && error.contains("PEM"), "{error}");
    }

    #[test]
    fn the_back_off_doubles_to_its_limit_and_never_falls_below_half() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(60));
        assert_eq!(back_off(0, first, longest, 0.0), first);
        assert_eq!(back_off(3, first, longest, 0.0), Duration::from_secs(4));
        assert_eq!(back_off(40, first, longest, 0.0), longest);
        assert_eq!(back_off(40, first, longest, 1.0), longest / 2);
    }

    #[test]
    fn a_topic_names_its_node() {
        let node: NodeId = "pole-1".parse().unwrap();
        assert_eq!(topic::split(&topic::up(&node)), Some((node.clone(), "up")));
        assert_eq!(topic::split(&topic::state(&node)), Some((node.clone(), "state")));
        for stray in ["daen/1/up", "daen/2/pole-1/up", "daen/1/Pole/up", "x"] {
            assert_eq!(topic::split(stray), None, "{stray}");
        }
    }
}
