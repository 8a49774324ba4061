//! From the spool to the hub: sends what waits, and frees it on the hub's signed acknowledgement alone.
//!
//! A window of envelopes is under way at a time, findings first. The broker's own acknowledgement counts for nothing; an envelope
//! that the hub has not acknowledged within [`Options::resend`] is sent again, and so is everything after a reconnection. The
//! hub inserts each envelope once, so sending too often does no harm.
//!
//! `daen/1/<node>/state` is retained and says whether the node is there: `{"online":true,"boot":…,"version":…,"at_ns":…}`; the broker
//! says `{"online":false}` in the node's name when the connection breaks, and so does the node itself when it is stopped.

mod flight;

use super::evidence::send::{Outbox, prepare};
use super::spool::{Spool, SpoolError};
use super::task::{Desk, Dwells};
use crate::config::link::{Connection, Link, LinkEvent, Session, back_off, topic};
use crate::config::stopped;
use crate::observation::NodeId;
use crate::observation::envelope::iq::Ask;
use crate::observation::envelope::{Down, EnvelopeError, Task, open_down};
use crate::units::{Nanos, Timestamp};
use ed25519_dalek::VerifyingKey;
use flight::{Flight, PIECE, STATE};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::LastWill;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// First wait after a connection was lost.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest wait between two attempts. Chosen: a broker that comes back after hours is noticed within half a minute, and a fleet of
/// a thousand nodes makes fewer than fifty attempts a second.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A connection that held this long was a good one: the next back-off starts from the beginning.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);
/// How long a stopping node waits for the acknowledgements of what it has just sent.
const LAST_CALL: Duration = Duration::from_secs(3);

/// What the publisher needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// The hub that acknowledges.
    pub hub: NodeId,
    /// Its key.
    pub hub_key: VerifyingKey,
    /// The broker.
    pub link: Link,
    /// Envelopes under way at a time.
    pub window: u16,
    /// Until an envelope is sent again.
    pub resend: Duration,
    /// Takes what the hub asks.
    pub dwells: Arc<Dwells>,
    /// Where the evidence ring is, and what of it waits to be sent; `None`: nothing of it leaves the node.
    pub evidence: Option<(PathBuf, Arc<Mutex<Outbox>>)>,
}

/// How far ahead of the node's clock the hub's may be.
const SKEW: Nanos = Nanos::from_secs(10);

/// What the publisher has done, for the health report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Connected now.
    pub connected: bool,
    /// Envelopes sent, repetitions among them.
    pub sent: u64,
    /// Envelopes freed.
    pub freed: u64,
    /// Messages from the hub's topic that were refused.
    pub refused: u64,
    /// Tasks of the hub taken.
    pub tasks_taken: u64,
    /// The same by reason.
    pub refused_by_reason: BTreeMap<String, u64>,
    /// Why the last connection broke, or what the broker refused last.
    pub problem: Option<String>,
}

/// Longest wait until an unacknowledged envelope is sent again, while the broker is there but the hub is not. Chosen: the hub
/// announces itself when it comes back, so this covers only what nobody announces.
const LONGEST_RESEND: Duration = Duration::from_secs(600);
/// An envelope that the broker has had for this long and that a hub which speaks to us does not know of is sent again at once.
const SURELY_LOST: Duration = Duration::from_secs(2);

enum Ended {
    Broken(String),
    Stopped,
}

/// Publishes until `stop` becomes true, then makes a last call and says that the node is going.
///
/// `appended` changes whenever the spool has something new. `now` gives the time for the retained state.
///
/// # Errors
/// [`SpoolError`]: the spool cannot be read or written. Everything about the connection is retried.
pub async fn run(
    spool: Arc<Spool>,
    options: Options,
    mut appended: watch::Receiver<u64>,
    status: watch::Sender<Status>,
    mut stop: watch::Receiver<bool>,
    now: fn() -> Timestamp,
) -> Result<(), SpoolError> {
    let mut attempt = 0;
    let mut desk = Desk::new(options.node.clone(), options.dwells.clone());
    let started = Instant::now();
    loop {
        let begun = Instant::now();
        let mut turn = Turn {
            desk: &mut desk,
            connection: options.link.connect(&session(&options)),
            resend: options.resend,
            spool: &spool,
            options: &options,
            status: &status,
            flight: Flight::default(),
            hungry: true,
            started,
            now,
        };
        if let Some(mut outbox) = turn.outbox() {
            outbox.broken();
        }
        let problem = match turn.run(&mut appended, &mut stop).await {
            Ok(Ended::Stopped) => return Ok(()),
            Ok(Ended::Broken(problem)) => problem,
            // A disk that refuses now may serve later; what is listened to meanwhile must not end for it.
            Err(error @ SpoolError::Sqlite { .. }) => error.to_string(),
            Err(error) => return Err(error),
        };
        if begun.elapsed() > GOOD_CONNECTION {
            attempt = 0;
        }
        let wait = back_off(attempt, FIRST_WAIT, LONGEST_WAIT, rand::random());
        // Once an outage at this level; the health report has the rest.
        if attempt == 0 {
            warn!(%problem, "no connection to the broker; retrying with back-off");
        } else {
            debug!(%problem, attempt, "still no connection to the broker");
        }
        attempt += 1;
        status.send_modify(|status| {
            status.connected = false;
            status.problem = Some(problem);
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stopped(&mut stop) => return Ok(()),
        }
    }
}

fn session(options: &Options) -> Session {
    let topic = topic::state(&options.node);
    Session {
        client_id: options.node.to_string(),
        last_will: Some(LastWill::new(topic, r#"{"online":false}"#, QoS::AtLeastOnce, true, None)),
        // What the broker would keep for us is only acknowledgements, which are cumulative and made again.
        expiry: Duration::ZERO,
        window: options.window,
    }
}

/// One connection's work.
struct Turn<'a> {
    connection: Connection,
    desk: &'a mut Desk,
    resend: Duration,
    spool: &'a Arc<Spool>,
    options: &'a Options,
    status: &'a watch::Sender<Status>,
    flight: Flight,
    /// The spool may hold something that is not under way.
    hungry: bool,
    /// What the outbox's time counts from.
    started: Instant,
    now: fn() -> Timestamp,
}

/// The spool waits for the disk: not on the threads that drive connections.
async fn blocking<T: Send + 'static>(
    spool: &Arc<Spool>,
    work: impl FnOnce(&Spool) -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    let spool = spool.clone();
    tokio::task::spawn_blocking(move || work(&spool)).await.expect("the spool's methods do not panic")
}

impl Turn<'_> {
    async fn run(
        &mut self,
        appended: &mut watch::Receiver<u64>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, SpoolError> {
        let mut up = false;
        let mut stopping: Option<Instant> = None;
        loop {
            if up && self.hungry {
                self.fill().await?;
            }
            if let Some(since) = stopping
                && (!up || self.flight.sent.is_empty() || since.elapsed() >= LAST_CALL)
            {
                self.leave(up).await;
                return Ok(Ended::Stopped);
            }
            let now = Instant::now();
            let overdue = self.flight.oldest().map(|at| at + self.resend);
            let piece = if up && stopping.is_none() { self.send_piece() } else { None };
            let wake = [overdue, piece, stopping.map(|since| since + LAST_CALL)].into_iter().flatten().min();
            tokio::select! {
                event = self.connection.next() => match event {
                    LinkEvent::Up(_) => {
                        up = true;
                        self.arrive();
                    }
                    LinkEvent::Message(message) => {
                        self.hear(&message.payload).await?;
                        // The queue of requests is far longer than the window; were it full, the broker would only repeat.
                        let _ = self.connection.client.try_ack(&message);
                    }
                    LinkEvent::Delivered => {
                        if self.flight.delivered(now) == Some(PIECE)
                            && let Some(mut outbox) = self.outbox()
                        {
                            outbox.confirmed();
                        }
                    }
                    LinkEvent::Refused(problem) => {
                        warn!(%problem, "the broker refuses; check its access list and this node's certificate");
                        self.status.send_modify(|status| status.problem = Some(problem));
                    }
                    LinkEvent::Down(_) if stopping.is_some() => return Ok(Ended::Stopped),
                    LinkEvent::Down(problem) => return Ok(Ended::Broken(problem)),
                },
                // A spool whose writer has gone gets nothing new; the stop follows.
                changed = appended.changed(), if up && stopping.is_none() => {
                    self.hungry = true;
                    if changed.is_err() {
                        stopping = Some(now);
                    }
                }
                () = stopped(stop), if stopping.is_none() => stopping = Some(now),
                () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {
                    let again = self.flight.expire(Instant::now(), self.resend);
                    if again > 0 {
                        self.hungry = true;
                        debug!(again, "the hub does not acknowledge; sending again");
                        self.resend = (self.resend * 2).min(LONGEST_RESEND);
                    }
                }
            }
        }
    }

    /// Says that the node is there and listens for the hub.
    fn arrive(&mut self) {
        let state = serde_json::json!({
            "online": true,
            "boot": self.spool.boot().to_string(),
            "version": env!("CARGO_PKG_VERSION"),
            "at_ns": (self.now)().0,
        });
        info!(broker = %self.options.link, "connected to the broker");
        let client = &self.connection.client;
        // A fresh connection's queue of requests is empty.
        let _ = client.try_subscribe(topic::down(&self.options.node), QoS::AtLeastOnce);
        let sent = client.try_publish(topic::state(&self.options.node), QoS::AtLeastOnce, true, state.to_string());
        if sent.is_ok() {
            self.flight.unconfirmed.push_back(STATE);
        }
        self.status.send_modify(|status| {
            status.connected = true;
            status.problem = None;
        });
    }

    /// Sends until the window is full or the spool is empty.
    async fn fill(&mut self) -> Result<(), SpoolError> {
        let room = usize::from(self.options.window).saturating_sub(self.flight.sent.len());
        // Small gaps are left to widen: one look into the spool for each envelope would cost more than it brings.
        if room == 0 || (room < usize::from(self.options.window) / 8 && !self.flight.sent.is_empty()) {
            return Ok(());
        }
        let taken: BTreeSet<i64> = self.flight.sent.keys().copied().collect();
        let pending = blocking(self.spool, move |spool| spool.pending(&taken, room)).await?;
        let topic = topic::up(&self.options.node);
        let mut sent = 0;
        self.hungry = pending.len() == room;
        for mut envelope in pending {
            let octets = std::mem::take(&mut envelope.octets);
            if self.connection.client.try_publish(topic.clone(), QoS::AtLeastOnce, false, octets).is_err() {
                self.hungry = true;
                break;
            }
            self.flight.add(envelope);
            sent += 1;
        }
        if sent > 0 {
            self.status.send_modify(|status| status.sent += sent);
        }
        Ok(())
    }

    fn outbox(&self) -> Option<MutexGuard<'_, Outbox>> {
        // Every change leaves it whole.
        self.options.evidence.as_ref().map(|(_, outbox)| outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a piece of evidence where nothing else is to be sent and it may be; otherwise gives when it may be.
    fn send_piece(&mut self) -> Option<Instant> {
        if self.hungry || !self.flight.sent.is_empty() {
            return None;
        }
        let since = Nanos(i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX));
        let mut outbox = self.outbox()?;
        if let Some((event, octets)) = outbox.next(since) {
            let topic = topic::iq(&self.options.node, &event);
            if self.connection.client.try_publish(topic, QoS::AtLeastOnce, false, octets).is_ok() {
                drop(outbox);
                self.flight.unconfirmed.push_back(PIECE);
                return None;
            }
            outbox.broken();
        }
        let wait = outbox.due(since)?;
        Some(Instant::now() + Duration::from_nanos(wait.0.max(1_000_000).unsigned_abs()))
    }

    /// Cuts out the samples that the hub asks for, or says why not.
    async fn take_ask(&mut self, ask: Ask) {
        let now = (self.now)();
        let reason = if ask.node != self.options.node {
            "for another node"
        } else if now >= ask.expires_ns {
            "stale"
        } else if ask.issued_ns > now + SKEW {
            "of a time to come"
        } else if self.options.evidence.is_none() {
            "no evidence is sent"
        } else if self.outbox().is_some_and(|outbox| outbox.is_full() && !outbox.has(&ask.ask)) {
            "too many"
        } else {
            ""
        };
        if !reason.is_empty() {
            warn!(cell = %ask.cell, reason, "refused to send samples");
            self.refuse(reason);
            return;
        }
        let Some((folder, _)) = self.options.evidence.clone() else { return };
        if self.outbox().is_some_and(|outbox| outbox.has(&ask.ask)) {
            return;
        }
        info!(cell = %ask.cell, "cutting out the samples that the hub asks for");
        let asked = ask.clone();
        let whole = tokio::task::spawn_blocking(move || prepare(&folder, &asked)).await;
        let whole = whole.unwrap_or_else(|_| Err("the samples cannot be cut out".to_owned()));
        if let Some(mut outbox) = self.outbox() {
            outbox.add(&ask, whole);
        }
    }

    /// Takes a task of the hub, or says why not.
    fn take_task(&mut self, task: Task) {
        let (id, rat, mhz) = (task.task.clone(), task.rat, task.center_hz as f64 * 1e-6);
        match self.desk.take(task, (self.now)()) {
            Ok(()) => {
                info!(task = %id, %rat, mhz, "dwelling on a carrier as the hub asked");
                self.status.send_modify(|status| status.tasks_taken += 1);
            }
            Err(reason) => {
                warn!(task = %id, %reason, "refused a task");
                self.refuse(&reason.to_string());
            }
        }
    }

    /// Counts by reason; reasons are a handful of fixed words.
    fn refuse(&self, reason: &str) {
        self.status.send_modify(|status| {
            status.refused += 1;
            *status.refused_by_reason.entry(reason.to_owned()).or_insert(0) += 1;
        });
    }

    /// Takes an acknowledgement or a task of the hub.
    async fn hear(&mut self, octets: &[u8]) -> Result<(), SpoolError> {
        let ack = match open_down(octets, &self.options.hub, &self.options.hub_key) {
            Ok(Down::Task(task)) => {
                self.take_task(task);
                return Ok(());
            }
            Ok(Down::Ask(ask)) => {
                self.take_ask(ask).await;
                return Ok(());
            }
            Ok(Down::Ack(ack)) if ack.node == self.options.node => ack,
            Ok(Down::Ack(ack)) => {
                warn!(node = %ack.node, "refused an acknowledgement for another node");
                self.refuse("for another node");
                return Ok(());
            }
            Err(error) => {
                warn!(%error, "refused a message on the hub's topic");
                self.refuse(match error {
                    EnvelopeError::BadSignature { .. } => "forged",
                    EnvelopeError::UnknownSigner { .. } => "not of this node's hub",
                    _ => "malformed",
                });
                return Ok(());
            }
        };
        self.hungry = true;
        if self.flight.land(&ack) {
            self.resend = self.options.resend;
        } else {
            // The hub speaks and does not have what the broker was given: it has come back.
            self.flight.expire(Instant::now(), SURELY_LOST.min(self.options.resend));
        }
        let freed = blocking(self.spool, move |spool| spool.release(&ack)).await?;
        self.status.send_modify(|status| status.freed += freed);
        Ok(())
    }

    /// Says that the node is going, and waits until that is out.
    async fn leave(&mut self, up: bool) {
        if !up {
            return;
        }
        let client = &self.connection.client;
        let topic = topic::state(&self.options.node);
        let _ = client.try_publish(topic, QoS::AtLeastOnce, true, r#"{"online":false}"#);
        let _ = client.try_disconnect();
        let gone = async { while !matches!(self.connection.next().await, LinkEvent::Down(_)) {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), gone).await;
    }
}
