//! Reads the store's journal from its cursor, fuses what it finds there and keeps the alerts: the hub's thinking, apart from its
//! receiving. It sees what is stored and nothing else, so reading a journal again gives the same alerts.

mod work;

use super::alert::{AlertConfig, AlertError, Book, Cache, Event};
use super::fuse::{Fuse, FuseConfig, Licence};
use super::place::{Atlas, PlaceConfig, Places};
use super::store::{Store, StoredItem};
use crate::config::link::topic;
use crate::observation::envelope::{MAX_ITEMS, Task, seal_task};
use crate::observation::{NodeId, Observation, Origin};
use crate::rules::Register;
use crate::rules::register::Standing;
use crate::units::{Nanos, Timestamp};
use ed25519_dalek::SigningKey;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use work::Work;

/// Items analysed in one transaction. Chosen: one commit a batch keeps a backlog fast, and a batch is done in well under a second; more
/// than one envelope holds.
pub const BATCH: usize = 2 * MAX_ITEMS;

/// Pause after a failure of the disk, before the batch is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Between an envelope's arrival and its row in the journal, at most, before a pause counts as one: a transaction of ingest.
const LATECOMERS: Nanos = Nanos::from_millis(200);

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
    /// When and with what emitters are placed.
    pub place: PlaceConfig,
    /// Sites and border.
    pub atlas: Arc<Atlas>,
    /// Who asks nodes to dwell; `None`: nobody does.
    pub signer: Option<Arc<Signer>>,
}

/// The hub's name and key, for what it asks of nodes.
#[derive(Clone)]
pub struct Signer {
    /// The hub.
    pub hub: NodeId,
    /// Its key.
    pub key: SigningKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("hub", &self.hub).finish_non_exhaustive()
    }
}

/// The messages that carry tasks to their nodes.
pub fn task_messages(tasks: &[Task], signer: &Signer) -> Vec<FeedMessage> {
    let sealed = |task: &Task| {
        let payload = seal_task(task, &signer.hub, &signer.key).ok()?;
        Some(FeedMessage { topic: topic::down(&task.node), payload })
    };
    tasks.iter().filter_map(sealed).collect()
}

/// Tasks that wait to be sent at most; what is beyond is asked again later.
const MAX_TASKS: usize = 1024;

impl std::fmt::Debug for AnalysisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let register = self.licence.is_some();
        f.debug_struct("AnalysisConfig")
            .field("fuse", &self.fuse)
            .field("alert", &self.alert)
            .field("register", &register)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// A message for a regulator's alert feed or, with a task, for a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedMessage {
    /// `daen/1/feed/<tenant>/alerts`, or a node's `down`.
    pub topic: String,
    /// JSON: `{"schema":1,"event":{…}}`; or a signed [`Task`].
    pub payload: Vec<u8>,
}

/// The analysis between two batches.
#[derive(Debug)]
pub struct Analysis {
    config: AnalysisConfig,
    book: Book,
    cursor: i64,
    fuse: Fuse,
    places: Places,
    /// When the latest envelope arrived: where the hub's time line stands.
    now: Option<Timestamp>,
    /// What nodes are to be asked.
    tasks: Vec<Task>,
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
        let now = book.time_line()?[0];
        let places = Places::restore(book.kept_places()?, &fuse);
        Ok(Analysis {
            config,
            book,
            cursor,
            fuse,
            places,
            now,
            tasks: Vec::new(),
            cache: Cache::default(),
            stale: false,
        })
    }

    /// The last row of the store's journal that was taken in.
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// The emitters and nodes as they are known now.
    pub fn fuse(&self) -> &Fuse {
        &self.fuse
    }

    /// What nodes are to be asked, since the last call.
    pub fn take_tasks(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.tasks)
    }

    /// Where the emitters are.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// How long after the latest envelope the next emitter is due to be placed; `None`: none is.
    pub fn next_due(&self) -> Option<Nanos> {
        Some(self.places.next_due()? - self.now?)
    }

    /// Nothing has arrived for `pause` after the latest envelope: places what is due by then, in one transaction; gives the events.
    ///
    /// # Errors
    /// [`AlertError`]: nothing was changed.
    pub fn settle(&mut self, pause: Nanos) -> Result<Vec<Event>, AlertError> {
        self.refresh()?;
        let upto = self.now.map(|now| now + pause);
        self.transact(&[], upto)
    }

    /// After a failure, memory may be ahead of the disk.
    fn refresh(&mut self) -> Result<(), AlertError> {
        if self.stale {
            let (cursor, fuse) = self.book.load(self.config.fuse)?;
            let now = self.book.time_line()?[0];
            self.places = Places::restore(self.book.kept_places()?, &fuse);
            self.now = now;
            (self.cursor, self.fuse, self.cache) = (cursor, fuse, Cache::default());
            self.stale = false;
        }
        Ok(())
    }

    /// Takes in the items after the cursor, in order, in one transaction; gives the events it wrote.
    ///
    /// What one envelope says is judged together, so `items` must not end within an envelope: see [`whole_envelopes`].
    ///
    /// # Errors
    /// [`AlertError`]: nothing was taken in, and the next call begins at the old cursor.
    pub fn process(&mut self, items: &[StoredItem]) -> Result<Vec<Event>, AlertError> {
        self.refresh()?;
        self.transact(items, None)
    }

    fn transact(&mut self, items: &[StoredItem], settle: Option<Timestamp>) -> Result<Vec<Event>, AlertError> {
        let Analysis { config, book, fuse, places, cache, cursor, now, .. } = self;
        let (start, begun) = (*cursor, *now);
        let done = book.batch(cache, |batch| {
            let mut work = Work {
                config,
                fuse,
                places,
                batch,
                changed: BTreeSet::new(),
                nodes: BTreeSet::new(),
                heard: BTreeMap::new(),
                listened: None,
                now: begun.unwrap_or_default(),
                tasks: Vec::new(),
            };
            let (mut last, mut now) = (start, begun);
            let fresh = items.partition_point(|stored| stored.row <= start);
            for envelope in items[fresh..].chunk_by(|a, b| same_envelope(&a.origin, &b.origin)) {
                let arrived = now.unwrap_or(envelope[0].received_ns).max(envelope[0].received_ns);
                now = Some(arrived);
                work.place_due(arrived)?;
                for stored in envelope {
                    work.take(stored)?;
                    last = stored.row;
                }
                work.conclude(&envelope[0].origin.node, arrived)?;
            }
            if let Some(upto) = settle {
                work.place_due(upto)?;
            }
            let Work { changed, nodes, tasks, .. } = work;
            batch.keep(fuse, &changed, &nodes, last)?;
            batch.keep_places(places, fuse, now)?;
            Ok((last, now, tasks))
        });
        match done {
            Ok(((last, now, tasks), events)) => {
                (self.cursor, self.now) = (last, now);
                self.tasks.extend(tasks);
                self.tasks.truncate(MAX_TASKS);
                Ok(events)
            }
            Err(error) => {
                self.stale = true;
                Err(error)
            }
        }
    }

    /// Reads on in `store` until nothing is left, and places what is due soon after.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn catch_up(&mut self, store: &Store) -> Result<Vec<Event>, AlertError> {
        let mut events = Vec::new();
        loop {
            let items = whole_envelopes(store, self.cursor, BATCH)?;
            if items.is_empty() {
                while let Some(due) = self.next_due() {
                    events.extend(self.settle(due + Nanos(1))?);
                }
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
    let signer = config.signer.clone();
    let mut analysis = {
        let book = book.clone();
        blocking(move || Analysis::open(book, config)).await?
    };
    let mut shutdown = std::pin::pin!(shutdown);
    // How long nothing has arrived, once something is due to be placed.
    let mut pause = None;
    loop {
        newest.mark_unchanged();
        let store = store.clone();
        let mut pause = pause.take();
        let (returned, done) = blocking(move || {
            let items = whole_envelopes(&store, analysis.cursor(), BATCH);
            let done = items.and_then(|items| match (items.is_empty(), pause.take()) {
                (true, Some(pause)) => Ok((0, analysis.settle(pause)?)),
                _ => Ok((items.len(), analysis.process(&items)?)),
            });
            (analysis, done)
        })
        .await;
        analysis = returned;
        let wait = match done {
            Ok((count, events)) => {
                let mut messages: Vec<FeedMessage> = events.iter().flat_map(feed_messages).collect();
                if let Some(signer) = &signer {
                    messages.extend(task_messages(&analysis.take_tasks(), signer));
                }
                offer(feed.as_ref(), messages);
                match analysis.next_due() {
                    _ if count > 0 => Wait::No,
                    Some(due) => Wait::Due(due),
                    None => Wait::Growth,
                }
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
                    Wait::Due(due) => {
                        let due = due + LATECOMERS;
                        let sleep = tokio::time::sleep(Duration::from_nanos(due.0.max(0).unsigned_abs()));
                        tokio::select! {
                            () = sleep => pause = Some(due),
                            grown = newest.changed() => if grown.is_err() { std::future::pending::<()>().await },
                        }
                    }
                    Wait::Retry => tokio::time::sleep(RETRY).await,
                }
            } => {}
        }
    }
}

enum Wait {
    No,
    Growth,
    /// Something is to be placed this long after the latest envelope.
    Due(Nanos),
    Retry,
}

fn offer(feed: Option<&mpsc::Sender<FeedMessage>>, messages: Vec<FeedMessage>) {
    let Some(feed) = feed else { return };
    let dropped = messages.into_iter().filter_map(|message| feed.try_send(message).err()).count();
    if dropped > 0 {
        tracing::warn!(dropped, "alert feed and tasks: the publisher does not keep up");
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the analysis does not panic and is not aborted")
}
