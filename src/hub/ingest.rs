//! From the broker into the store: verify, insert, and only then acknowledge.
//!
//! Three stages, each on its own thread so that the disk, the processor and the link work at the same time: the connection (async),
//! verification, and the store. The channels between them hold little more than the messages that the broker may have under way to
//! us (`WINDOW`), so nothing piles up here. The store's stage takes whatever has come while it was busy as one transaction; under
//! load the batches grow by themselves.
//!
//! A message that is not what it should be is counted, kept in quarantine and done with: it never stops the others. When the disk is
//! full nothing is acknowledged and nodes keep what they have; the same batch is tried again until it goes in.

use super::analysis::FeedMessage;
use super::store::{Outcome, Received, Refusal, Store, StoreError};
use crate::config::link::{Connection, Link, LinkEvent, Session, back_off, topic};
use crate::config::stopped;
use crate::observation::envelope::iq::{Piece, open_piece};
use crate::observation::envelope::{EnvelopeError, open, seal_ack};
use crate::observation::{NodeId, Octets};
use crate::units::Timestamp;
use ed25519_dalek::{SigningKey, VerifyingKey};
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// Messages that the broker may have under way to us. Chosen: at 100 observations each, two seconds of the rate the hub is made for.
const WINDOW: u16 = 1000;
/// Messages in one transaction at most.
const BATCH: usize = 512;
/// Octets in one transaction at most, so that a batch of the longest envelopes stays small in memory.
const BATCH_OCTETS: usize = 16 << 20;
/// How long the broker keeps what nodes send while the hub is away.
const SESSION_EXPIRY: Duration = Duration::from_secs(86_400);
/// The name under which messages of nobody we know are counted, so that strangers cannot fill the store with names.
const STRANGER: &str = "(unknown)";

/// What ingest needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The hub's name.
    pub hub: NodeId,
    /// Signs acknowledgements.
    pub key: SigningKey,
    /// Who may speak.
    pub nodes: Arc<BTreeMap<NodeId, VerifyingKey>>,
    /// The broker.
    pub link: Link,
}

/// What ingest has done since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Connected to the broker now.
    pub connected: bool,
    /// Envelopes stored.
    pub envelopes: u64,
    /// Items in them.
    pub items: u64,
    /// Envelopes that were stored already.
    pub known: u64,
    /// Messages refused.
    pub refused: u64,
    /// Transactions.
    pub batches: u64,
    /// Why the store or the broker cannot be used, while that lasts.
    pub problem: Option<String>,
}

/// Why ingest ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A thread cannot be started.
    #[error("ingest cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A stage ended.
    #[error("a stage of ingest ended unexpectedly; restart the hub")]
    Stage,
}

/// A message with the connection that it came by.
struct Job {
    client: AsyncClient,
    message: Publish,
    at_ns: Timestamp,
}

/// What verification made of a message.
enum Verdict {
    Envelope(Box<Received>),
    State { node: NodeId, online: bool, at_ns: Timestamp },
    Piece(Box<Piece>, Vec<u8>, Timestamp),
    Refused(Refusal),
}

/// Takes in what nodes send until `stop` becomes true; what was received by then is stored first (and acknowledged at the next start).
/// What `feed` brings is published on the same connection.
///
/// # Errors
/// [`IngestError`]. Everything about connection, messages and disk is retried or counted.
pub async fn run(
    store: Store,
    options: Options,
    mut feed: mpsc::Receiver<FeedMessage>,
    status: watch::Sender<Status>,
    mut stop: watch::Receiver<bool>,
    now: fn() -> Timestamp,
) -> Result<(), IngestError> {
    let (jobs, received) = mpsc::channel(2 * usize::from(WINDOW));
    let (verified, to_store) = mpsc::channel(BATCH);
    let nodes = options.nodes.clone();
    let verifier =
        std::thread::Builder::new().name("verify".to_owned()).spawn(move || verify_all(received, &verified, &nodes))?;
    let stage = Storing { store: store.clone(), options: options.clone(), status: status.clone(), stop: stop.clone() };
    let storer = std::thread::Builder::new().name("store".to_owned()).spawn(move || stage.run(to_store))?;

    let mut attempt = 0;
    let ended = loop {
        let begun = Instant::now();
        let problem = tokio::select! {
            problem = listen(&store, &options, &mut feed, &status, &jobs, now) => match problem {
                Some(problem) => problem,
                None => break Err(IngestError::Stage),
            },
            () = stopped(&mut stop) => break Ok(()),
        };
        if begun.elapsed() > Duration::from_secs(10) {
            attempt = 0;
        }
        if attempt == 0 {
            warn!(%problem, "no connection to the broker; retrying with back-off");
        }
        status.send_modify(|status| {
            status.connected = false;
            status.problem = Some(problem);
        });
        let wait = back_off(attempt, Duration::from_millis(100), Duration::from_secs(10), rand::random());
        attempt += 1;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stopped(&mut stop) => break Ok(()),
        }
    };
    drop(jobs);
    let finish = tokio::task::spawn_blocking(move || verifier.join().is_ok() & storer.join().is_ok());
    if finish.await.unwrap_or(false) { ended } else { Err(IngestError::Stage) }
}

/// One connection, until it breaks (why) or the next stage has gone (`None`).
async fn listen(
    store: &Store,
    options: &Options,
    feed: &mut mpsc::Receiver<FeedMessage>,
    status: &watch::Sender<Status>,
    jobs: &mpsc::Sender<Job>,
    now: fn() -> Timestamp,
) -> Option<String> {
    let session =
        Session { client_id: options.hub.to_string(), last_will: None, expiry: SESSION_EXPIRY, window: WINDOW };
    let mut connection = options.link.connect(&session);
    let (mut up, mut feeding) = (false, true);
    loop {
        let event = tokio::select! {
            event = connection.next() => event,
            message = feed.recv(), if up && feeding => {
                feeding = message.is_some();
                if let Some(FeedMessage { topic, payload }) = message {
                    // The journal has it whatever becomes of it here, and the next one's number shows the hole.
                    let _ = connection.client.try_publish(topic, QoS::AtLeastOnce, false, payload);
                }
                continue;
            }
        };
        match event {
            LinkEvent::Up(_) => {
                up = true;
                info!(broker = %options.link, "connected to the broker");
                // A fresh connection's queue of requests is empty.
                for leaf in ["up", "state", "iq/+"] {
                    let _ = connection.client.try_subscribe(format!("{}/+/{leaf}", topic::PREFIX), QoS::AtLeastOnce);
                }
                status.send_modify(|status| {
                    status.connected = true;
                    status.problem = None;
                });
                announce(store, options, &connection).await;
            }
            LinkEvent::Message(message) => {
                let job = Job { client: connection.client.clone(), message, at_ns: now() };
                if jobs.send(job).await.is_err() {
                    return None;
                }
            }
            LinkEvent::Delivered => {}
            LinkEvent::Refused(problem) => {
                error!(%problem, "the broker refuses; check its access list and the hub's certificate");
                status.send_modify(|status| status.problem = Some(problem));
            }
            LinkEvent::Down(problem) => return Some(problem),
        }
    }
}

/// Tells every node what of it is stored, so that one that waits for an answer need not wait on.
async fn announce(store: &Store, options: &Options, connection: &Connection) {
    let store = store.clone();
    let acks = match tokio::task::spawn_blocking(move || store.latest_acks()).await {
        Ok(Ok(acks)) => acks,
        // Only a courtesy: nodes ask again by themselves, and the next batch meets the same trouble.
        Ok(Err(_)) | Err(_) => return,
    };
    for ack in acks.iter().filter(|ack| options.nodes.contains_key(&ack.node)) {
        if let Ok(octets) = seal_ack(ack, &options.hub, &options.key) {
            let _ = connection.client.try_publish(topic::down(&ack.node), QoS::AtMostOnce, false, octets);
        }
    }
}

fn verify_all(
    mut jobs: mpsc::Receiver<Job>,
    verified: &mpsc::Sender<(Job, Verdict)>,
    nodes: &BTreeMap<NodeId, VerifyingKey>,
) {
    while let Some(job) = jobs.blocking_recv() {
        let verdict = judge(&job.message.topic, &job.message.payload, job.at_ns, nodes);
        if verified.blocking_send((job, verdict)).is_err() {
            return;
        }
    }
}

/// Short names of refusals, as counted.
fn reason(error: &EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::TooLong { .. } => "too-long",
        EnvelopeError::NotCose { .. } => "not-signed",
        EnvelopeError::Algorithm { .. } => "algorithm",
        EnvelopeError::UnknownSigner { .. } => "unknown-signer",
        EnvelopeError::BadSignature { .. } => "bad-signature",
        EnvelopeError::Payload { .. } => "payload",
        EnvelopeError::SchemaTooNew { .. } => "schema-too-new",
        EnvelopeError::SchemaTooOld { .. } => "schema-too-old",
        EnvelopeError::SignerDiffers { .. } => "signer-differs",
        EnvelopeError::Field { .. } => "field",
        EnvelopeError::ChainBroken { .. } => "chain-broken",
    }
}

fn judge(topic: &[u8], payload: &[u8], at_ns: Timestamp, nodes: &BTreeMap<NodeId, VerifyingKey>) -> Verdict {
    let place = std::str::from_utf8(topic).ok().and_then(topic::split);
    let name = place.as_ref().map(|(node, _)| node).filter(|node| nodes.contains_key(*node));
    let refuse = |reason, problem: String| {
        let node = name.map_or_else(|| STRANGER.to_owned(), NodeId::to_string);
        Verdict::Refused(Refusal { node, reason, problem, octets: payload.to_vec(), at_ns })
    };
    match &place {
        Some((node, "up")) => match open(payload, |signer| nodes.get(signer).copied()) {
            Ok(opened) if opened.envelope.node == *node => {
                Verdict::Envelope(Box::new(Received { opened, octets: payload.to_vec(), received_ns: at_ns }))
            }
            Ok(opened) => {
                refuse("topic-differs", format!("an envelope of {} on the topic of {node}", opened.envelope.node))
            }
            Err(error) => refuse(reason(&error), error.to_string()),
        },
        Some((node, "state")) => {
            #[derive(Deserialize)]
            struct State {
                online: bool,
            }
            if name.is_none() {
                return refuse("unknown-signer", format!("a state of \"{node}\", which is not configured"));
            }
            match serde_json::from_slice::<State>(payload) {
                Ok(state) => Verdict::State { node: node.clone(), online: state.online, at_ns },
                Err(error) => refuse("state", format!("not a state: {error}")),
            }
        }
        Some((node, leaf)) if leaf.starts_with("iq/") => match open_piece(payload, |signer| nodes.get(signer).copied())
        {
            Ok(piece) if piece.node == *node && leaf[3..] == piece.event.to_string() => {
                Verdict::Piece(Box::new(piece), payload.to_vec(), at_ns)
            }
            Ok(piece) => refuse("topic-differs", format!("a piece of {} on the topic of {node}", piece.node)),
            Err(error) => refuse(reason(&error), error.to_string()),
        },
        _ => refuse("topic", "a topic that is not part of the contract".to_owned()),
    }
}

/// The stage that owns the disk.
struct Storing {
    store: Store,
    options: Options,
    status: watch::Sender<Status>,
    stop: watch::Receiver<bool>,
}

/// What goes into one transaction, and what to say afterwards.
#[derive(Default)]
struct Batch {
    received: Vec<Received>,
    states: BTreeMap<NodeId, (bool, Timestamp)>,
    pieces: Vec<(Box<Piece>, Vec<u8>, Timestamp)>,
    refusals: Vec<Refusal>,
    jobs: Vec<Job>,
    octets: usize,
    /// What became of `received`, once that is stored.
    outcomes: Option<Vec<Outcome>>,
}

impl Batch {
    fn add(&mut self, job: Job, verdict: Verdict) {
        self.octets += job.message.payload.len();
        match verdict {
            Verdict::Envelope(received) => self.received.push(*received),
            Verdict::State { node, online, at_ns } => {
                self.states.insert(node, (online, at_ns));
            }
            Verdict::Piece(piece, octets, at_ns) => self.pieces.push((piece, octets, at_ns)),
            Verdict::Refused(refusal) => self.refusals.push(refusal),
        }
        self.jobs.push(job);
    }
    fn is_full(&self) -> bool {
        self.jobs.len() >= BATCH || self.octets >= BATCH_OCTETS
    }
}

impl Storing {
    fn run(&self, mut verified: mpsc::Receiver<(Job, Verdict)>) {
        while let Some((job, verdict)) = verified.blocking_recv() {
            let mut batch = Batch::default();
            batch.add(job, verdict);
            while !batch.is_full()
                && let Ok((job, verdict)) = verified.try_recv()
            {
                batch.add(job, verdict);
            }
            if !self.settle(&mut batch) {
                return;
            }
        }
    }

    /// Stores a batch, however long that takes, and then says so; `false`: stopped before it could be stored.
    fn settle(&self, batch: &mut Batch) -> bool {
        let mut attempt = 0;
        loop {
            match self.commit(batch) {
                Ok(()) => break,
                Err(error) => {
                    if attempt == 0 {
                        error!(%error, "nothing is acknowledged until the store takes it");
                    }
                    self.status.send_modify(|status| status.problem = Some(error.to_string()));
                    if *self.stop.borrow() {
                        return false;
                    }
                    std::thread::sleep(back_off(attempt, Duration::from_millis(200), Duration::from_secs(10), 0.0));
                    attempt += 1;
                }
            }
        }
        if attempt > 0 {
            info!("the store takes envelopes again");
            self.status.send_modify(|status| status.problem = None);
        }
        self.acknowledge(batch);
        let stored = |outcome: &Outcome| matches!(outcome, Outcome::Stored | Outcome::StoredUnlinked);
        self.status.send_modify(|status| {
            status.batches += 1;
            status.refused += batch.refusals.len() as u64;
            for (received, outcome) in batch.received.iter().zip(batch.outcomes.iter().flatten()) {
                if stored(outcome) {
                    status.envelopes += 1;
                    status.items += received.opened.envelope.items.len() as u64;
                } else {
                    status.known += 1;
                }
            }
        });
        true
    }

    /// One attempt; what of it is done is not done again by the next.
    fn commit(&self, batch: &mut Batch) -> Result<(), StoreError> {
        if batch.outcomes.is_none() {
            let outcomes = if batch.received.is_empty() { vec![] } else { self.store.insert(&batch.received)? };
            for (received, outcome) in batch.received.iter().zip(&outcomes) {
                let (reason, problem) = match outcome {
                    Outcome::Stored | Outcome::Known => continue,
                    Outcome::StoredUnlinked => {
                        ("chain-broken", "stored, but it does not fit its neighbour in the chain")
                    }
                    Outcome::Conflict => ("conflict", "another content is stored under this sequence number"),
                };
                let envelope = &received.opened.envelope;
                batch.refusals.push(Refusal {
                    node: envelope.node.to_string(),
                    reason,
                    problem: format!("sequence {}: {problem}", envelope.seq),
                    octets: received.octets.clone(),
                    at_ns: received.received_ns,
                });
            }
            batch.outcomes = Some(outcomes);
        }
        // Taken once: a batch that has to be tried again for something else does not take them again.
        while let Some((piece, octets, at_ns)) = batch.pieces.first() {
            if let Err(unwanted) = self.store.take_piece(piece, octets, *at_ns)? {
                let problem = "a piece of samples that nobody asked for or that does not fit".to_owned();
                let (node, octets) = (piece.node.to_string(), octets.clone());
                batch.refusals.push(Refusal { node, reason: unwanted.reason, problem, octets, at_ns: *at_ns });
            }
            batch.pieces.remove(0);
        }
        for (node, (online, at_ns)) in &batch.states {
            self.store.set_online(node, *online, *at_ns)?;
        }
        if !batch.refusals.is_empty() {
            self.store.refuse(&batch.refusals)?;
            for refusal in &batch.refusals {
                debug!(node = refusal.node, reason = refusal.reason, problem = refusal.problem, "refused a message");
            }
        }
        Ok(())
    }

    /// Signs one acknowledgement a boot, and only then lets the broker forget the messages.
    fn acknowledge(&self, batch: &Batch) {
        let Some(newest) = batch.jobs.last() else { return };
        let boots: BTreeSet<(&NodeId, &Octets)> = batch
            .received
            .iter()
            .map(|received| (&received.opened.envelope.node, &received.opened.envelope.boot))
            .collect();
        for (node, boot) in boots {
            let sealed = self.store.ack(node, boot).map_err(|error| error.to_string()).and_then(|ack| {
                seal_ack(&ack, &self.options.hub, &self.options.key).map_err(|error| error.to_string())
            });
            match sealed {
                // Cumulative and made again with the next batch: one that is lost does no harm.
                Ok(octets) => {
                    let _ = newest.client.try_publish(topic::down(node), QoS::AtMostOnce, false, octets);
                }
                Err(error) => error!(%node, %error, "cannot acknowledge"),
            }
        }
        for job in &batch.jobs {
            // Fails only on a connection that is gone, whose messages come again.
            let _ = job.client.try_ack(&job.message);
        }
    }
}
