//! The hub's durable store: signed envelopes as received, and a journal of the items in them.
//!
//! One SQLite file in WAL mode. [`Store::insert`] commits with `synchronous=FULL` before it returns: what it reports as stored may
//! be acknowledged. An envelope is inserted once for each (node, boot, sequence), so an item is stored once for each (node, boot,
//! sequence, index) however often it arrives. The octets are kept as signed: they are the evidence, and the items are read from them.
//!
//! The journal's order is the `row` of [`StoredItem`], ascending without reuse; it is the cursor of everything that reads on.

pub mod backup;
mod journal;
mod ranges;
pub mod retention;
pub mod snippets;

use crate::observation::envelope::{self, Ack, EnvelopeError, Opened};
use crate::observation::{Health, Item, NodeId, Octets, Origin, SCHEMA};
use crate::units::Timestamp;
use ranges::Ranges;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Version of the tables, in SQLite's `user_version`.
const VERSION: i64 = 1;

/// Refused messages kept for inspection, newest last; older ones are only counted.
pub const MAX_QUARANTINE: i64 = 1000;

/// Octets of a refused message that are kept.
const QUARANTINE_OCTETS: usize = 4096;

/// Boots whose state is kept in memory; beyond it the cache starts anew from the file.
const MAX_CACHED_BOOTS: usize = 4096;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS nodes(
    name TEXT PRIMARY KEY,
    last_received_ns INTEGER,
    online INTEGER,
    state_ns INTEGER,
    health TEXT,
    envelopes INTEGER NOT NULL DEFAULT 0,
    evicted INTEGER NOT NULL DEFAULT 0,
    unlinked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS boots(
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    boot BLOB NOT NULL,
    upto INTEGER NOT NULL,
    last_received_ns INTEGER NOT NULL,
    UNIQUE(node, boot)
);
-- One row for each sequence number that is accounted for. `sha256` is the hash that the successor names; `evicted`: a tombstone
-- stands here; `octets` is NULL where another envelope carries this one's tombstone; `linked`: both neighbours fit, as far as known.
CREATE TABLE IF NOT EXISTS envelopes(
    id INTEGER PRIMARY KEY,
    boot INTEGER NOT NULL REFERENCES boots(id),
    seq INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    prev BLOB,
    received_ns INTEGER NOT NULL,
    sent_ns INTEGER NOT NULL,
    evicted INTEGER NOT NULL,
    linked INTEGER NOT NULL,
    octets BLOB,
    UNIQUE(boot, seq)
);
-- AUTOINCREMENT: a row number is never used again, whatever is deleted.
CREATE TABLE IF NOT EXISTS items(
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    envelope INTEGER NOT NULL REFERENCES envelopes(id),
    idx INTEGER NOT NULL,
    kind TEXT NOT NULL,
    UNIQUE(envelope, idx)
);
CREATE TABLE IF NOT EXISTS refusals(
    node TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    PRIMARY KEY(node, reason)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ns INTEGER NOT NULL,
    node TEXT NOT NULL,
    reason TEXT NOT NULL,
    problem TEXT NOT NULL,
    octets BLOB NOT NULL
);
";

/// Why the store cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("store {path}: {source}; check that the disk has space and that the file may be written")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: rusqlite::Error,
    },
    /// The file was written by another version.
    #[error(
        "store {path}: has version {have}, this program reads {VERSION}; use the program that wrote it, or another file"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// As found.
        have: i64,
    },
    /// Stored octets no longer read as they did when they were verified.
    #[error("store {path}: envelope {envelope} is damaged ({source}); restore the file from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its row in `envelopes`.
        envelope: i64,
        /// What is wrong with it.
        source: EnvelopeError,
    },
}

/// A verified envelope as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// What was signed, checked by [`envelope::open`].
    pub opened: Opened,
    /// The octets as signed.
    pub octets: Vec<u8>,
    /// When the hub had it.
    pub received_ns: Timestamp,
}

/// What became of one received envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored now.
    Stored,
    /// Stored now; its neighbours in the chain name another hash. It is marked in the store and counts as a refusal by reason.
    StoredUnlinked,
    /// Already there with the same content (or its tombstone came first and the envelope has now been put in its place).
    Known,
    /// Another content is stored under this sequence number: not stored, not acknowledged by this copy.
    Conflict,
}

/// A message that is not what it should be.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The node under whose name it came; callers keep the number of names bounded.
    pub node: String,
    /// Its kind, such as `bad-signature`.
    pub reason: &'static str,
    /// What is wrong with it, in words.
    pub problem: String,
    /// The message, of which the first 4096 octets are kept.
    pub octets: Vec<u8>,
    /// When it came.
    pub at_ns: Timestamp,
}

/// One item of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredItem {
    /// Place in the journal, ascending.
    pub row: i64,
    /// Where it came from.
    pub origin: Origin,
    /// When the hub had it.
    pub received_ns: Timestamp,
    /// The item.
    pub item: Item,
}

/// What the store knows of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeStatus {
    /// Its name.
    pub name: NodeId,
    /// When its last envelope arrived.
    pub last_received_ns: Option<Timestamp>,
    /// As its retained state or its last will says; `None` before either was heard.
    pub online: Option<bool>,
    /// When that was heard.
    pub state_ns: Option<Timestamp>,
    /// Its newest health report.
    pub health: Option<Health>,
    /// Envelopes stored, over all boots.
    pub envelopes: u64,
    /// Sequence numbers whose content the node had to evict.
    pub evicted: u64,
    /// Envelopes that do not fit their neighbours in the chain.
    pub unlinked: u64,
    /// Messages refused in its name.
    pub refused: u64,
}

struct Boot {
    id: i64,
    stored: Ranges,
}

struct Writer {
    connection: Connection,
    boots: BTreeMap<(NodeId, Octets), Boot>,
}

struct Inner {
    path: PathBuf,
    writer: Mutex<Writer>,
    reader: Mutex<Connection>,
    newest: watch::Sender<i64>,
}

/// The store; clones share it. Methods block for the time of a disk access: call them from `spawn_blocking` or a plain thread.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

/// A lock whose holder panicked is still good: every change is a transaction that was rolled back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let sqlite = |source| StoreError::Sqlite { path: path.to_owned(), source };
    let connection = Connection::open(path).map_err(sqlite)?;
    let pragmas =
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=10000; PRAGMA temp_store=MEMORY;";
    connection.execute_batch(pragmas).map_err(sqlite)?;
    Ok(connection)
}

impl Store {
    /// Opens the store, and makes it where there is none.
    ///
    /// # Errors
    /// [`StoreError`]: the file cannot be used, or another version wrote it.
    pub fn open(path: impl AsRef<Path>) -> Result<Store, StoreError> {
        let path = path.as_ref().to_owned();
        let sqlite = |source| StoreError::Sqlite { path: path.clone(), source };
        let connection = connect(&path)?;
        let have: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite)?;
        if have != 0 && have != VERSION {
            return Err(StoreError::Version { path, have });
        }
        let make = format!("BEGIN IMMEDIATE; {TABLES} {} PRAGMA user_version={VERSION}; COMMIT;", snippets::TABLES);
        connection.execute_batch(&make).map_err(sqlite)?;
        let newest: i64 =
            connection.query_row("SELECT coalesce(max(row), 0) FROM items", [], |row| row.get(0)).map_err(sqlite)?;
        let reader = connect(&path)?;
        let inner = Inner {
            writer: Mutex::new(Writer { connection, boots: BTreeMap::new() }),
            reader: Mutex::new(reader),
            newest: watch::channel(newest).0,
            path,
        };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Another connection to the same file with the same guarantees, for tables of one's own (alerts and their cursor). Its writes
    /// wait up to ten seconds for the journal's.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn connect(&self) -> Result<Connection, StoreError> {
        connect(&self.inner.path)
    }

    /// The newest row of the journal, now and whenever it rises; 0 for an empty store.
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.inner.newest.subscribe()
    }

    fn sqlite(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { path: self.inner.path.clone(), source }
    }

    /// Stores verified envelopes in one transaction, which is on disk when this returns, and then announces the newest row.
    ///
    /// The outcomes stand in the order of the batch.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`]: nothing of the batch is stored.
    pub fn insert(&self, batch: &[Received]) -> Result<Vec<Outcome>, StoreError> {
        let mut writer = lock(&self.inner.writer);
        let Writer { connection, boots } = &mut *writer;
        if boots.len() > MAX_CACHED_BOOTS {
            boots.clear();
        }
        let inserted = journal::insert(connection, boots, batch);
        match inserted {
            Ok((outcomes, newest)) => {
                drop(writer);
                if let Some(row) = newest {
                    self.inner.newest.send_if_modified(|have| {
                        let rises = row > *have;
                        *have = row.max(*have);
                        rises
                    });
                }
                Ok(outcomes)
            }
            Err(error) => {
                // The transaction was rolled back: what the cache says of its boots may not be so.
                boots.clear();
                Err(self.sqlite(error))
            }
        }
    }

    /// The acknowledgement that the store can stand by for one boot of a node.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn ack(&self, node: &NodeId, boot: &Octets) -> Result<Ack, StoreError> {
        let mut writer = lock(&self.inner.writer);
        let Writer { connection, boots } = &mut *writer;
        let known = journal::boot(connection, boots, node, boot).map_err(|error| self.sqlite(error))?;
        let (upto, beyond) = known.stored.summary(envelope::MAX_RANGES);
        Ok(Ack { schema: SCHEMA, node: node.clone(), boot: boot.clone(), upto, beyond })
    }

    /// The newest boot of every node and what is stored of it: what a hub tells its nodes when it comes back.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn latest_acks(&self) -> Result<Vec<Ack>, StoreError> {
        let boots: Vec<(NodeId, Octets)> = {
            let reader = lock(&self.inner.reader);
            let list = || {
                let mut statement = reader.prepare_cached(
                    "SELECT node, boot FROM boots AS b WHERE id = (SELECT max(id) FROM boots WHERE node = b.node) ORDER BY node",
                )?;
                let rows = statement.query_map([], |row| Ok((node_id(row.get(0)?)?, Octets(row.get(1)?))))?;
                rows.collect::<rusqlite::Result<_>>()
            };
            list().map_err(|error| self.sqlite(error))?
        };
        boots.iter().map(|(node, boot)| self.ack(node, boot)).collect()
    }

    /// At most `limit` items after the row `cursor`, in the journal's order; 0 begins at the beginning.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items_after(&self, cursor: i64, limit: usize) -> Result<Vec<StoredItem>, StoreError> {
        let reader = lock(&self.inner.reader);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let list = || {
            let mut statement =
                reader.prepare_cached("SELECT row, envelope, idx FROM items WHERE row > ?1 ORDER BY row LIMIT ?2")?;
            let rows =
                statement.query_map(params![cursor, limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect::<rusqlite::Result<Vec<(i64, i64, u32)>>>()
        };
        let places = list().map_err(|error| self.sqlite(error))?;
        let mut items = Vec::with_capacity(places.len());
        // The items of one envelope stand together, so each envelope is read once.
        let mut at: Option<(i64, Timestamp, envelope::Envelope)> = None;
        for (row, id, index) in places {
            if at.as_ref().is_none_or(|(have, ..)| *have != id) {
                at = Some(self.envelope(&reader, id)?);
            }
            let Some((_, received_ns, envelope)) = &at else { continue };
            let item = envelope.items.get(index as usize).ok_or_else(|| StoreError::Damaged {
                path: self.inner.path.clone(),
                envelope: id,
                source: EnvelopeError::Field { field: "items", problem: format!("has no item {index}") },
            })?;
            let origin = Origin { node: envelope.node.clone(), boot: envelope.boot.clone(), seq: envelope.seq, index };
            items.push(StoredItem { row, origin, received_ns: *received_ns, item: item.clone() });
        }
        Ok(items)
    }

    fn envelope(&self, reader: &Connection, id: i64) -> Result<(i64, Timestamp, envelope::Envelope), StoreError> {
        let read = || {
            let mut statement = reader.prepare_cached("SELECT received_ns, octets FROM envelopes WHERE id = ?1")?;
            statement.query_row([id], |row| Ok((Timestamp(row.get(0)?), row.get::<_, Vec<u8>>(1)?)))
        };
        let (received_ns, octets) = read().map_err(|error| self.sqlite(error))?;
        let envelope = envelope::reopen(&octets).map_err(|source| StoreError::Damaged {
            path: self.inner.path.clone(),
            envelope: id,
            source,
        })?;
        Ok((id, received_ns, envelope))
    }

    /// The envelope that carries an item, as signed by its node; `None` where there is none or only its tombstone.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn signed(&self, origin: &Origin) -> Result<Option<Vec<u8>>, StoreError> {
        let reader = lock(&self.inner.reader);
        let Ok(seq) = i64::try_from(origin.seq) else { return Ok(None) };
        let read = || {
            let mut statement = reader.prepare_cached(
                "SELECT octets FROM envelopes JOIN boots ON boots.id = envelopes.boot WHERE node = ?1 AND boots.boot = ?2 AND seq = ?3",
            )?;
            statement.query_row(params![origin.node.as_str(), origin.boot.0, seq], |row| row.get(0)).optional()
        };
        Ok(read().map_err(|error| self.sqlite(error))?.flatten())
    }

    /// Records what a node's retained state, or its last will, says.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn set_online(&self, node: &NodeId, online: bool, now: Timestamp) -> Result<(), StoreError> {
        let writer = lock(&self.inner.writer);
        let sql = "INSERT INTO nodes(name, online, state_ns) VALUES(?1, ?2, ?3)
                   ON CONFLICT(name) DO UPDATE SET online = excluded.online, state_ns = excluded.state_ns";
        let done =
            writer.connection.prepare_cached(sql).and_then(|mut s| s.execute(params![node.as_str(), online, now.0]));
        done.map(drop).map_err(|error| self.sqlite(error))
    }

    /// Counts messages that were refused, by the name they came under and the reason, and keeps the newest
    /// [`MAX_QUARANTINE`] for inspection.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn refuse(&self, refusals: &[Refusal]) -> Result<(), StoreError> {
        let mut writer = lock(&self.inner.writer);
        journal::refuse(&mut writer.connection, refusals).map_err(|error| self.sqlite(error))
    }

    /// Every node that was ever heard of, by name.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn nodes(&self) -> Result<Vec<NodeStatus>, StoreError> {
        let reader = lock(&self.inner.reader);
        journal::nodes(&reader).map_err(|error| self.sqlite(error))
    }
}

/// A node's name as stored; only names that were checked are.
fn node_id(text: String) -> rusqlite::Result<NodeId> {
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            0,
            rusqlite::types::Type::Text,
            Box::<crate::observation::NodeIdError>::new(error),
        )
    })
}

#[cfg(test)]
mod tests;
