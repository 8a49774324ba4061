//! The alerts on disk: in the hub's own SQLite file, written in one transaction with the cursor of the analysis.
//!
//! A batch of the journal is analysed and its alerts, events, emitters and the new cursor are committed together; whatever happens in
//! between, the next start finds either all of it or nothing and reads the batch again. A person's action is a transaction of its own,
//! and the analysis, which keeps alerts in memory between batches, notices it by a counter that the action raises.

use super::rows::{
    TABLES, emitters, journeys, node_views, places, read_alerts, read_events, timekeeping, write_alert, write_event,
};
use super::{Alert, AlertId, Closing, Event, EventKind, State, Step, Summary};
use crate::hub::fuse::{Emitter, EmitterId, Fuse, FuseConfig, NodeView};
use crate::hub::place::{Kept, KeptPlaces};
use crate::hub::store::{Store, StoreError};
use crate::observation::NodeId;
use crate::units::Timestamp;
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Version of the tables and of what is kept in them.
const VERSION: i64 = 1;

/// Events that say only "still heard" are kept for this many events, for the resume of live feeds; all others are kept for good.
const HEARD_EVENTS: i64 = 20_000;

/// How far back pruning looks each time: more events than one batch writes.
const PRUNE_WINDOW: i64 = 10_000;

/// Why the alerts cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// The store under it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// SQLite refused.
    #[error("alerts: {0}; check that the disk has space and that the store's file may be written")]
    Sqlite(#[from] rusqlite::Error),
    /// What is kept there does not read as what this version writes.
    #[error("alerts: {table} {row} cannot be read ({problem}); restore the store's file from a backup")]
    Damaged {
        /// The table.
        table: &'static str,
        /// Its row.
        row: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another version wrote the tables.
    #[error("alerts: tables have version {have}, this program reads {VERSION}; use the program that wrote them")]
    Version {
        /// As found.
        have: i64,
    },
    /// There is no such alert.
    #[error("alert {0} does not exist")]
    NoSuchAlert(AlertId),
    /// The action does not fit the alert's state.
    #[error("alert {id} is {have}: {problem}")]
    NotNow {
        /// The alert.
        id: AlertId,
        /// Its state.
        have: &'static str,
        /// What cannot be done, and what can.
        problem: &'static str,
    },
}

/// Which alerts to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Those that are not closed.
    Active,
    /// All.
    All,
}

/// What a person does to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Takes it on.
    Acknowledge,
    /// Closes it.
    Close(Closing),
    /// Asks so many nodes for samples.
    AskForSamples(usize),
}

/// What a live feed continues with.
#[derive(Clone, Debug, PartialEq)]
pub enum Resume {
    /// The events after the one that was seen last.
    Events(Vec<Event>),
    /// Too many were missed, or the number is not of this journal: all active alerts, and the number to go on from.
    Snapshot(i64, Vec<Summary>),
}

/// The alerts on disk; clones share it. Methods block for the time of a disk access.
#[derive(Clone)]
pub struct Book {
    inner: Arc<Inner>,
}

struct Inner {
    /// Of the analysis alone.
    writer: Mutex<Connection>,
    /// Of pages, feeds and people's actions.
    desk: Mutex<Connection>,
    newest: watch::Sender<i64>,
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Book").field("newest", &*self.inner.newest.borrow()).finish_non_exhaustive()
    }
}

/// A lock whose holder panicked is still good: every change is a transaction that was rolled back.
fn lock(mutex: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    /// Opens the alerts in the file of `store`, and makes their tables where there are none.
    ///
    /// # Errors
    /// [`AlertError`]: the file cannot be used, or another version wrote the tables.
    pub fn open(store: &Store) -> Result<Book, AlertError> {
        let writer = store.connect()?;
        writer.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} COMMIT;"))?;
        let have: i64 = writer.query_row("SELECT version FROM analysis", [], |row| row.get(0))?;
        if have != VERSION {
            return Err(AlertError::Version { have });
        }
        let newest = writer.query_row("SELECT coalesce(max(id), 0) FROM alert_events", [], |row| row.get(0))?;
        let inner =
            Inner { writer: Mutex::new(writer), desk: Mutex::new(store.connect()?), newest: watch::channel(newest).0 };
        Ok(Book { inner: Arc::new(inner) })
    }

    /// The number of the newest event, now and whenever it rises.
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.inner.newest.subscribe()
    }

    fn announce(&self, event: i64) {
        self.inner.newest.send_if_modified(|have| {
            let rises = event > *have;
            *have = event.max(*have);
            rises
        });
    }

    /// Where the analysis stands in the store's journal, and what it knew there.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn load(&self, config: FuseConfig) -> Result<(i64, Fuse), AlertError> {
        let connection = lock(&self.inner.writer);
        let (cursor, next, evicted): (i64, i64, i64) =
            connection.query_row("SELECT cursor, next_emitter, evicted FROM analysis", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let fuse = Fuse::restore(config, emitters(&connection)?, node_views(&connection)?, next as u64, evicted as u64);
        Ok((cursor, fuse))
    }

    /// Runs `work` on a batch and commits what it did together with the new cursor; an error leaves everything as it was.
    ///
    /// # Errors
    /// What `work` returns, and [`AlertError`]'s own.
    pub fn batch<T>(
        &self,
        cache: &mut Cache,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, AlertError>,
    ) -> Result<(T, Vec<Event>), AlertError> {
        let mut connection = lock(&self.inner.writer);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let acts: i64 = transaction.query_row("SELECT acts FROM analysis", [], |row| row.get(0))?;
        if cache.acts != Some(acts) || cache.alerts.len() > MAX_CACHED {
            *cache = Cache { acts: Some(acts), ..Cache::default() };
            for alert in read_alerts(&transaction, "WHERE active = 1 ORDER BY id")? {
                cache.insert(alert);
            }
        }
        let mut batch = Batch { connection: &transaction, cache, dirty: BTreeSet::new(), events: Vec::new() };
        let result = work(&mut batch)?;
        batch.write_alerts()?;
        let events = batch.events;
        if let Some(last) = events.last() {
            let upto = last.id - HEARD_EVENTS;
            transaction
                .prepare_cached("DELETE FROM alert_events WHERE kind = 'heard' AND id <= ?1 AND id > ?2")?
                .execute(params![upto, upto - PRUNE_WINDOW])?;
        }
        transaction.commit()?;
        if let Some(last) = events.last() {
            self.announce(last.id);
        }
        Ok((result, events))
    }

    /// A person's action on an alert, with the name and the words they gave.
    ///
    /// # Errors
    /// [`AlertError::NoSuchAlert`]; [`AlertError::NotNow`]: acknowledging what is not open, closing what is closed; the disk's errors.
    pub fn act(&self, id: AlertId, act: Act, who: &str, note: &str, now: Timestamp) -> Result<Event, AlertError> {
        let mut connection = lock(&self.inner.desk);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut alert =
            read_alerts(&transaction, &format!("WHERE id = {}", id.0))?.pop().ok_or(AlertError::NoSuchAlert(id))?;
        let have = super::words::state(alert.state);
        let (kind, words) = match (act, alert.state) {
            (Act::Acknowledge, State::Open) => {
                alert.state = State::Acknowledged;
                (EventKind::Acknowledged, String::new())
            }
            (Act::Acknowledge, _) => {
                return Err(AlertError::NotNow { id, have, problem: "only an open alert can be acknowledged" });
            }
            (Act::Close(_), State::Closed) => {
                return Err(AlertError::NotNow { id, have, problem: "it cannot be closed again" });
            }
            (Act::Close(closing), _) => {
                alert.state = State::Closed;
                alert.closing = Some(closing);
                alert.closed_ns = Some(now);
                alert.heard_since_closed = 0;
                (EventKind::Closed, super::words::closing(closing).to_owned())
            }
            (Act::AskForSamples(nodes), _) => {
                let words =
                    if nodes == 1 { "samples of one node".to_owned() } else { format!("samples of {nodes} nodes") };
                (EventKind::Asked, words)
            }
        };
        alert.event_ns = now;
        if kind != EventKind::Asked {
            alert.changed_ns = now;
            alert.handled_by = Some(who.to_owned());
        }
        write_alert(&transaction, &alert)?;
        transaction.execute("UPDATE analysis SET acts = acts + 1", [])?;
        let detail = [words.as_str(), note].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        let event = write_event(&transaction, &alert, now, kind, who, detail)?;
        transaction.commit()?;
        self.announce(event.id);
        Ok(event)
    }

    /// Alerts, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn alerts(&self, filter: Filter, limit: u32) -> Result<Vec<Alert>, AlertError> {
        let which = if filter == Filter::Active { "WHERE active = 1" } else { "" };
        read_alerts(&lock(&self.inner.desk), &format!("{which} ORDER BY id DESC LIMIT {limit}"))
    }

    /// One alert.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn alert(&self, id: AlertId) -> Result<Option<Alert>, AlertError> {
        Ok(read_alerts(&lock(&self.inner.desk), &format!("WHERE id = {}", id.0))?.pop())
    }

    /// What happened to an alert, oldest first, without "still heard".
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn audit(&self, id: AlertId) -> Result<Vec<Event>, AlertError> {
        read_events(&lock(&self.inner.desk), "WHERE alert = ?1 AND kind <> 'heard' ORDER BY id LIMIT ?2", id.0, 10_000)
    }

    /// What a live feed that has seen the event `after` goes on with; `limit` bounds the replay. `None` starts with a snapshot.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn resume(&self, after: Option<i64>, limit: u32) -> Result<Resume, AlertError> {
        let connection = lock(&self.inner.desk);
        let newest: i64 =
            connection.query_row("SELECT coalesce(max(id), 0) FROM alert_events", [], |row| row.get(0))?;
        let known = after.filter(|after| *after <= newest && newest - after <= i64::from(limit) && *after >= 0);
        match known {
            Some(after) => {
                Ok(Resume::Events(read_events(&connection, "WHERE id > ?1 ORDER BY id LIMIT ?2", after, limit)?))
            }
            None => {
                let active = read_alerts(&connection, "WHERE active = 1 ORDER BY id DESC LIMIT 1000")?;
                Ok(Resume::Snapshot(newest, active.iter().map(Summary::from).collect()))
            }
        }
    }

    /// Events after the one numbered `id`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn events_after(&self, id: i64, limit: u32) -> Result<Vec<Event>, AlertError> {
        read_events(&lock(&self.inner.desk), "WHERE id > ?1 ORDER BY id LIMIT ?2", id, limit)
    }

    /// The active alert of each emitter that has one.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn active_by_emitter(&self) -> Result<BTreeMap<EmitterId, AlertId>, AlertError> {
        let connection = lock(&self.inner.desk);
        let mut statement = connection.prepare_cached("SELECT emitter, id FROM alerts WHERE active = 1 ORDER BY id")?;
        let rows =
            statement.query_map([], |row| Ok((EmitterId(row.get::<_, i64>(0)? as u64), AlertId(row.get(1)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Every emitter, as the analysis left it.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn emitters(&self) -> Result<Vec<Emitter>, AlertError> {
        emitters(&lock(&self.inner.desk))
    }

    /// Where each emitter is, as the analysis left it.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn places(&self) -> Result<Vec<(EmitterId, Kept)>, AlertError> {
        places(&lock(&self.inner.desk))
    }

    /// Everything that is kept of places.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn kept_places(&self) -> Result<KeptPlaces, AlertError> {
        let spent_to = self.time_line()?[1];
        let connection = lock(&self.inner.desk);
        let (time, journeys) = (timekeeping(&connection)?, journeys(&connection)?);
        Ok(KeptPlaces { places: places(&connection)?, spent_to, time, journeys })
    }

    /// Where the hub's time line stands, and up to where the budget of fixes is spent; `None`: at no envelope yet.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn time_line(&self) -> Result<[Option<Timestamp>; 2], AlertError> {
        let read = |row: &rusqlite::Row<'_>| Ok([row.get::<_, Option<i64>>(0)?, row.get(1)?]);
        let line = lock(&self.inner.desk).query_row("SELECT now_ns, spent_ns FROM time_line", [], read)?;
        Ok(line.map(|at| at.map(Timestamp)))
    }

    /// The last row of the store's journal that the analysis has read.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn cursor(&self) -> Result<i64, AlertError> {
        Ok(lock(&self.inner.desk).query_row("SELECT cursor FROM analysis", [], |row| row.get(0))?)
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Connection> {
        lock(&self.inner.desk)
    }

    /// Every node, as the analysis left it.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn nodes(&self) -> Result<Vec<NodeView>, AlertError> {
        node_views(&lock(&self.inner.desk))
    }
}

/// Alerts kept in memory beyond the active ones before the cache starts anew.
const MAX_CACHED: usize = 4096;

/// Alerts as the analysis last saw or wrote them, between batches.
#[derive(Debug, Default)]
pub struct Cache {
    acts: Option<i64>,
    alerts: BTreeMap<AlertId, Alert>,
    /// The newest alert of an emitter; `None`: it is known to have none.
    of_emitter: BTreeMap<EmitterId, Option<AlertId>>,
}

impl Cache {
    fn insert(&mut self, alert: Alert) {
        self.of_emitter.insert(alert.emitter, Some(alert.id));
        self.alerts.insert(alert.id, alert);
    }
}

/// One transaction of the analysis.
pub struct Batch<'a> {
    pub(super) connection: &'a Connection,
    cache: &'a mut Cache,
    dirty: BTreeSet<AlertId>,
    events: Vec<Event>,
}

impl Batch<'_> {
    /// The newest alert of an emitter.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn alert_of(&mut self, emitter: EmitterId) -> Result<Option<Alert>, AlertError> {
        if !self.cache.of_emitter.contains_key(&emitter) {
            let found =
                read_alerts(self.connection, &format!("WHERE emitter = {} ORDER BY id DESC LIMIT 1", emitter.0))?.pop();
            match found {
                Some(alert) => self.cache.insert(alert),
                None => {
                    self.cache.of_emitter.insert(emitter, None);
                }
            }
        }
        let id = self.cache.of_emitter.get(&emitter).copied().flatten();
        Ok(id.and_then(|id| self.cache.alerts.get(&id)).cloned())
    }

    /// Active alerts whose emitter was not heard since `before`, by number.
    pub fn silent_since(&self, before: Timestamp, node: &NodeId) -> Vec<Alert> {
        let hears = |alert: &&Alert| alert.heard_by.iter().any(|heard| heard.node == *node);
        let silent = self.cache.alerts.values().filter(|alert| alert.is_active() && alert.last_heard_ns <= before);
        silent.filter(hears).cloned().collect()
    }

    /// Writes a step down: the alert as it stands now, and its event.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn apply(&mut self, step: Step, now: Timestamp) -> Result<AlertId, AlertError> {
        let Step { mut alert, kind, detail } = step;
        if alert.id == AlertId(0) {
            self.connection
                .prepare_cached("INSERT INTO alerts(emitter, active, body) VALUES(?1, 1, '')")?
                .execute([alert.emitter.0 as i64])?;
            alert.id = AlertId(self.connection.last_insert_rowid());
        }
        if let Some(kind) = kind {
            self.events.push(write_event(self.connection, &alert, now, kind, "daen", detail)?);
        }
        let id = alert.id;
        self.dirty.insert(id);
        self.cache.insert(alert);
        Ok(id)
    }

    /// The alert of `from` now speaks of `to`; `from` has none any more.
    pub fn reattach(&mut self, alert: &Alert, to: EmitterId) {
        self.cache.of_emitter.insert(alert.emitter, None);
        self.dirty.insert(alert.id);
        self.cache.insert(Alert { emitter: to, ..alert.clone() });
    }

    fn write_alerts(&mut self) -> Result<(), AlertError> {
        for id in std::mem::take(&mut self.dirty) {
            if let Some(alert) = self.cache.alerts.get(&id) {
                write_alert(self.connection, alert)?;
            }
        }
        Ok(())
    }
}
