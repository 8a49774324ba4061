//! Reads the store's journal from its cursor, fuses what it finds there and keeps the alerts: the hub's thinking, apart from its
//! receiving. It sees what is stored and nothing else, so reading a journal again gives the same alerts.

use super::alert::{self, AlertConfig, AlertError, Batch, Book, Cache, Event};
use super::fuse::{Change, EmitterId, Fuse, FuseConfig, Heard, Licence};
use super::store::{Store, StoredItem};
use crate::observation::envelope::MAX_ITEMS;
use crate::observation::{ClockSource, Finding, Item, NodeId, Observation, Origin};
use crate::rules::Register;
use crate::rules::register::Standing;
use crate::units::{Nanos, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Items analysed in one transaction. Chosen: one commit a batch keeps a backlog fast, and a batch is done in well under a second; more
/// than one envelope holds.
pub const BATCH: usize = 2 * MAX_ITEMS;

/// A node's time may be ahead of the hub's by this much; beyond it the time of arrival is taken.
const AHEAD: Nanos = Nanos::from_secs(60);

/// And behind by this much: the longest that a node may have been without a link before its envelopes arrive.
const BEHIND: Nanos = Nanos::from_secs(400 * 86_400);

/// Pause after a failure of the disk, before the batch is tried again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// Looks an observed cell up in the hub's licence register; see [`licences`].
pub type LicenceLookup = Arc<dyn Fn(&Observation) -> Licence + Send + Sync>;

/// The lookup in a register: only a row whose licence is in force and whose carrier and physical identity agree licenses a cell.
pub fn licences(register: Arc<Register>) -> LicenceLookup {
    Arc::new(move |observation| match register.standing(observation) {
        Standing::Licensed(entry) => {
            Licence::Listed { register_id: entry.register_id.to_owned(), licensee: entry.licensee.to_owned() }
        }
        Standing::Differs(..) => Licence::NotListed,
        Standing::Absent { .. } if covers(&register, observation) => Licence::NotListed,
        // A register of the other country alone says nothing about this cell.
        Standing::Absent { .. } | Standing::Unknown => Licence::Unknown,
    })
}

fn covers(register: &Register, observation: &Observation) -> bool {
    let plmns = observation.identity.iter().flat_map(|identity| &identity.plmns);
    plmns.into_iter().any(|plmn| register.covers(plmn.mcc()))
}

/// What the analysis works with.
#[derive(Clone, Default)]
pub struct AnalysisConfig {
    /// Bounds of the fusion.
    pub fuse: FuseConfig,
    /// Times of the alerts' life cycle.
    pub alert: AlertConfig,
    /// The licence register; `None`: there is none.
    pub licence: Option<LicenceLookup>,
}

impl std::fmt::Debug for AnalysisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let register = self.licence.is_some();
        f.debug_struct("AnalysisConfig")
            .field("fuse", &self.fuse)
            .field("alert", &self.alert)
            .field("register", &register)
            .finish()
    }
}

/// A message for a regulator's alert feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedMessage {
    /// `daen/1/feed/<tenant>/alerts`.
    pub topic: String,
    /// JSON: `{"schema":1,"event":{…}}`.
    pub payload: Vec<u8>,
}

/// The analysis between two batches.
#[derive(Debug)]
pub struct Analysis {
    config: AnalysisConfig,
    book: Book,
    cursor: i64,
    fuse: Fuse,
    cache: Cache,
    /// A batch failed: what is in memory may be ahead of the disk.
    stale: bool,
}

impl Analysis {
    /// Continues where the book says that the analysis stopped.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn open(book: Book, config: AnalysisConfig) -> Result<Analysis, AlertError> {
        let (cursor, fuse) = book.load(config.fuse)?;
        Ok(Analysis { config, book, cursor, fuse, cache: Cache::default(), stale: false })
    }

    /// The last row of the store's journal that was taken in.
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// The emitters and nodes as they are known now.
    pub fn fuse(&self) -> &Fuse {
        &self.fuse
    }

    /// Takes in the items after the cursor, in order, in one transaction; gives the events it wrote.
    ///
    /// What one envelope says is judged together, so `items` must not end within an envelope: see [`whole_envelopes`].
    ///
    /// # Errors
    /// [`AlertError`]: nothing was taken in, and the next call begins at the old cursor.
    pub fn process(&mut self, items: &[StoredItem]) -> Result<Vec<Event>, AlertError> {
        if self.stale {
            let (cursor, fuse) = self.book.load(self.config.fuse)?;
            (self.cursor, self.fuse, self.cache) = (cursor, fuse, Cache::default());
            self.stale = false;
        }
        let Analysis { config, book, fuse, cache, cursor, .. } = self;
        let start = *cursor;
        let done = book.batch(cache, |batch| {
            let mut work = Work {
                config,
                fuse,
                batch,
                changed: BTreeSet::new(),
                nodes: BTreeSet::new(),
                heard: BTreeMap::new(),
                listened: None,
            };
            let mut last = start;
            let fresh = items.partition_point(|stored| stored.row <= start);
            for envelope in items[fresh..].chunk_by(|a, b| same_envelope(&a.origin, &b.origin)) {
                for stored in envelope {
                    work.take(stored)?;
                    last = stored.row;
                }
                work.conclude(&envelope[0].origin.node)?;
            }
            let Work { changed, nodes, .. } = work;
            batch.keep(fuse, &changed, &nodes, last)?;
            Ok(last)
        });
        match done {
            Ok((last, events)) => {
                self.cursor = last;
                Ok(events)
            }
            Err(error) => {
                self.stale = true;
                Err(error)
            }
        }
    }

    /// Reads on in `store` until nothing is left.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn catch_up(&mut self, store: &Store) -> Result<Vec<Event>, AlertError> {
        let mut events = Vec::new();
        loop {
            let items = whole_envelopes(store, self.cursor, BATCH)?;
            if items.is_empty() {
                return Ok(events);
            }
            events.extend(self.process(&items)?);
        }
    }
}

/// At most `limit` items after the row `cursor` without a part of an envelope at the end; at least one envelope if there is one.
///
/// # Errors
/// [`AlertError::Store`].
pub fn whole_envelopes(store: &Store, cursor: i64, limit: usize) -> Result<Vec<StoredItem>, AlertError> {
    // One item more than an envelope can hold: then the first envelope is whole and its end is seen.
    let limit = limit.max(1);
    let mut items = store.items_after(cursor, limit)?;
    let cut = items.len() == limit;
    if cut && items.iter().all(|stored| same_envelope(&stored.origin, &items[0].origin)) {
        items = store.items_after(cursor, limit + MAX_ITEMS)?;
        let first = items.iter().take_while(|stored| same_envelope(&stored.origin, &items[0].origin)).count();
        items.truncate(first);
    } else if cut {
        let last = items.last().map(|stored| stored.origin.clone());
        while last.as_ref().is_some_and(|last| items.last().is_some_and(|stored| same_envelope(&stored.origin, last))) {
            items.pop();
        }
    }
    Ok(items)
}

fn same_envelope(a: &Origin, b: &Origin) -> bool {
    (a.seq, &a.node, &a.boot) == (b.seq, &b.node, &b.boot)
}

/// One batch at work.
struct Work<'a, 'b> {
    config: &'a AnalysisConfig,
    fuse: &'a mut Fuse,
    batch: &'a mut Batch<'b>,
    changed: BTreeSet<EmitterId>,
    nodes: BTreeSet<NodeId>,
    /// Emitters that the envelope at hand speaks of, with when each was heard last.
    heard: BTreeMap<EmitterId, Timestamp>,
    /// Until when its node listened.
    listened: Option<Timestamp>,
}

impl Work<'_, '_> {
    fn take(&mut self, stored: &StoredItem) -> Result<(), AlertError> {
        let StoredItem { origin, received_ns, item, .. } = stored;
        let received = *received_ns;
        let listened = match item {
            Item::Observation(observation) => Some(self.hear(origin, received, observation, None)?),
            Item::Finding(finding) => Some(self.hear(origin, received, &finding.observation, Some(finding))?),
            Item::Health(health) => {
                let at = if plausible(health.at_ns, received) { health.at_ns } else { received };
                let node = self.fuse.node_mut(&origin.node);
                if health.position.is_some() {
                    node.position = health.position;
                }
                node.health = Some(health.clone());
                Some(at)
            }
            Item::Tombstone(tombstone) => {
                self.fuse.node_mut(&origin.node).lost_items += u64::from(tombstone.items);
                None
            }
        };
        self.listened = self.listened.max(listened);
        let node = self.fuse.node_mut(&origin.node);
        node.received = received;
        node.boot.clone_from(&origin.boot);
        match item {
            Item::Observation(_) => node.observations += 1,
            Item::Finding(_) => node.findings += 1,
            Item::Health(_) | Item::Tombstone(_) => {}
        }
        self.nodes.insert(origin.node.clone());
        Ok(())
    }

    /// The envelope of `node` is read: judges what it spoke of, then what it no longer speaks of.
    fn conclude(&mut self, node: &NodeId) -> Result<(), AlertError> {
        for (id, at) in std::mem::take(&mut self.heard) {
            self.judge(id, at, true)?;
            let twins: Vec<EmitterId> = self.fuse.twins(id).iter().map(|twin| twin.id).collect();
            for twin in twins {
                self.judge(twin, at, false)?;
            }
        }
        let view = self.fuse.node_mut(node);
        let Some(at) = self.listened.take().filter(|at| *at > view.heard_until) else { return Ok(()) };
        view.heard_until = at;
        self.close_quiet(node, at)
    }

    fn hear(
        &mut self,
        origin: &Origin,
        received: Timestamp,
        observation: &Observation,
        finding: Option<&Finding>,
    ) -> Result<Timestamp, AlertError> {
        let at = heard_at(observation, received);
        let licence = self.config.licence.as_ref().map_or(Licence::Unknown, |lookup| lookup(observation));
        let heard = Heard {
            node: &origin.node,
            at,
            observation,
            finding: finding.map(|finding| (finding, origin)),
            licence: &licence,
        };
        for change in self.fuse.observe(&heard) {
            match change {
                Change::Evicted(id) => {
                    self.changed.insert(id);
                    if let Some(step) = self.batch.alert_of(id)?.and_then(|alert| alert::forgotten(&alert, at)) {
                        self.batch.apply(step, at)?;
                    }
                }
                Change::Merged { from, into } => self.merge(from, into, at)?,
                Change::Split { from, new } => self.split(from, new)?,
                Change::Heard(id) => {
                    let latest = self.heard.entry(id).or_insert(at);
                    *latest = at.max(*latest);
                }
            }
        }
        self.changed.extend(self.fuse.of_key(observation.cell));
        Ok(at)
    }

    /// Lets the life cycle look at an emitter. One that was not itself heard just now cannot reopen anything.
    fn judge(&mut self, id: EmitterId, at: Timestamp, heard: bool) -> Result<(), AlertError> {
        let Some(emitter) = self.fuse.emitter(id) else { return Ok(()) };
        let twins = self.fuse.twins(id);
        let alert = self.batch.alert_of(id)?;
        if alert.is_none() && emitter.findings.is_empty() && twins.is_empty() {
            return Ok(());
        }
        if !heard && alert.as_ref().is_some_and(|alert| !alert.is_active()) {
            return Ok(());
        }
        let assessment = alert::assess(emitter, &twins);
        if let Some(step) = alert::step(alert.as_ref(), emitter, assessment.as_ref(), at, &self.config.alert) {
            self.batch.apply(step, at)?;
        }
        Ok(())
    }

    /// An alert goes with its evidence when one emitter proves to be two.
    fn split(&mut self, from: EmitterId, new: EmitterId) -> Result<(), AlertError> {
        let Some(alert) = self.batch.alert_of(from)? else { return Ok(()) };
        let has_findings = |id| self.fuse.emitter(id).is_some_and(|emitter| !emitter.findings.is_empty());
        if has_findings(new) && !has_findings(from) {
            self.batch.reattach(&alert, new);
        }
        Ok(())
    }

    /// Two alerts become one when their emitters do: the earlier one stays.
    fn merge(&mut self, from: EmitterId, into: EmitterId, at: Timestamp) -> Result<(), AlertError> {
        self.changed.insert(from);
        let Some(gone) = self.batch.alert_of(from)? else { return Ok(()) };
        match self.batch.alert_of(into)? {
            Some(kept) if kept.is_active() || !gone.is_active() => {
                if gone.is_active() {
                    self.batch.apply(alert::merged(&gone, kept.id, at), at)?;
                }
            }
            _ => self.batch.reattach(&gone, into),
        }
        Ok(())
    }

    /// What `node` used to hear and no longer hears, although it listens.
    fn close_quiet(&mut self, node: &NodeId, listened: Timestamp) -> Result<(), AlertError> {
        for alert in self.batch.silent_since(listened - self.config.alert.quiet, node) {
            if let Some(step) = alert::quiet(&alert, listened, &self.config.alert) {
                self.batch.apply(step, listened)?;
            }
        }
        Ok(())
    }
}

/// When an observation was made, on the hub's time line. The times of a recording, and of a clock that is plainly wrong, mean nothing
/// there: such observations count as made when they arrived.
fn heard_at(observation: &Observation, received: Timestamp) -> Timestamp {
    let dated = observation.clock.source != ClockSource::Recording && plausible(observation.at_ns, received);
    if dated { observation.at_ns } else { received }
}

fn plausible(at: Timestamp, received: Timestamp) -> bool {
    at <= received + AHEAD && at >= received - BEHIND
}

/// The feed messages of an event: one for each regulator that it concerns.
pub fn feed_messages(event: &Event) -> Vec<FeedMessage> {
    let payload = serde_json::json!({ "schema": 1, "event": event }).to_string().into_bytes();
    let topic = |tenant: &str| format!("daen/1/feed/{tenant}/alerts");
    let message = |tenant| FeedMessage { topic: topic(tenant), payload: payload.clone() };
    event.summary.regulators.iter().map(|regulator| message(regulator.tenant())).collect()
}

/// Reads the store as it grows and keeps the alerts, until `shutdown` is ready.
///
/// Events are offered to `feed` after they are committed; where the publisher does not keep up, the message is dropped and said so: the
/// journal has it, and the next message's event number shows the hole. A failing disk is retried; damage ends the run.
///
/// # Errors
/// [`AlertError`]: what is stored cannot be read, now or ever.
pub async fn run(
    store: Store,
    book: Book,
    config: AnalysisConfig,
    feed: Option<mpsc::Sender<FeedMessage>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AlertError> {
    let mut newest = store.newest();
    let mut analysis = {
        let book = book.clone();
        blocking(move || Analysis::open(book, config)).await?
    };
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        newest.mark_unchanged();
        let store = store.clone();
        let (returned, done) = blocking(move || {
            let items = whole_envelopes(&store, analysis.cursor(), BATCH);
            let done = items.and_then(|items| Ok((items.len(), analysis.process(&items)?)));
            (analysis, done)
        })
        .await;
        analysis = returned;
        let wait = match done {
            Ok((count, events)) => {
                offer(feed.as_ref(), &events);
                if count > 0 { Wait::No } else { Wait::Growth }
            }
            Err(error @ (AlertError::Damaged { .. } | AlertError::Version { .. })) => return Err(error),
            Err(AlertError::Store(error @ crate::hub::store::StoreError::Damaged { .. })) => return Err(error.into()),
            Err(error) => {
                tracing::error!(%error, "analysis: the batch is tried again");
                Wait::Retry
            }
        };
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = async {
                match wait {
                    Wait::No => {}
                    // An error means that the store is gone, and then the shutdown is near.
                    Wait::Growth => if newest.changed().await.is_err() { std::future::pending::<()>().await },
                    Wait::Retry => tokio::time::sleep(RETRY).await,
                }
            } => {}
        }
    }
}

enum Wait {
    No,
    Growth,
    Retry,
}

fn offer(feed: Option<&mpsc::Sender<FeedMessage>>, events: &[Event]) {
    let Some(feed) = feed else { return };
    let dropped =
        events.iter().flat_map(feed_messages).filter(|message| feed.try_send(message.clone()).is_err()).count();
    if dropped > 0 {
        tracing::warn!(dropped, "alert feed: the publisher does not keep up");
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the analysis does not panic and is not aborted")
}
