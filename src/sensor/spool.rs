//! What waits for the hub: signed envelopes in a SQLite file, kept until the hub acknowledges them.
//!
//! [`Spool::append`] seals items, commits them with `synchronous=FULL` and only then returns: what it returned for survives a power
//! cut. Nothing but the hub's signed acknowledgement frees an envelope. Each start of the node has a new boot; what an earlier boot
//! left behind goes out all the same.
//!
//! The file has a limit in octets. Beyond it the least valuable envelope is evicted, oldest first within a class ([`Class`]), and a
//! tombstone is signed in its place, with its sequence number and hash: the hub sees what is missing, and that nothing else is.
//! When only tombstones are left, appending fails and says so.

use crate::observation::envelope::{self, Ack, BOOT_OCTETS, Envelope, EnvelopeError, chain_start};
use crate::observation::{Item, NodeId, Octets, SCHEMA, Tombstone};
use crate::units::Timestamp;
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Version of the tables, in SQLite's `user_version`.
const VERSION: i64 = 1;

/// Octets counted for each envelope beside its own: row, index and page overhead, rounded up.
const ROW_OVERHEAD: u64 = 128;

/// How valuable an envelope is; the least valuable is evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Observations of licensed cells.
    Licensed = 0,
    /// Other observations.
    Observation = 1,
    /// Health reports.
    Health = 2,
    /// Findings; these are also sent before anything else.
    Finding = 3,
}

/// The class of an envelope that stands for an evicted one; never evicted itself.
const TOMBSTONE: i64 = 4;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS spool(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot BLOB NOT NULL,
    seq INTEGER NOT NULL,
    class INTEGER NOT NULL,
    items INTEGER NOT NULL,
    octets BLOB NOT NULL,
    UNIQUE(boot, seq)
);
CREATE INDEX IF NOT EXISTS spool_class ON spool(class, id);
CREATE TABLE IF NOT EXISTS evicted(one INTEGER PRIMARY KEY CHECK (one = 1), envelopes INTEGER NOT NULL, items INTEGER NOT NULL);
INSERT OR IGNORE INTO evicted VALUES(1, 0, 0);
";

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// SQLite refused; nothing was changed.
    #[error("spool {path}: {source}; check that the disk has space and that the file may be written")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: rusqlite::Error,
    },
    /// The file does not hold what was written to it.
    #[error(
        "spool {path} is damaged ({problem}); move it aside to start anew, what it holds can be read with `sqlite3 FILE .recover`"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// The file was written by another version.
    #[error(
        "spool {path}: has version {have}, this program reads {VERSION}; use the program that wrote it, or move it aside"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// As found.
        have: i64,
    },
    /// Another process has it.
    #[error("spool {path} is used by another process; stop that, or give this node a state_dir of its own")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The folder or the lock file cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// Folder or file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Nothing is left that may be evicted.
    #[error(
        "spool {path} is full: its {limit} octets hold nothing but tombstones; restore the link to the hub, or raise spool.limit_octets"
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The items cannot be sealed; they are lost.
    #[error("items cannot be sent: {0}")]
    Envelope(#[from] EnvelopeError),
}

/// What a spool is made for.
#[derive(Debug)]
pub struct Options {
    /// The node that signs.
    pub node: NodeId,
    /// Its key.
    pub key: SigningKey,
    /// Octets of envelopes kept.
    pub limit_octets: u64,
    /// This start's identifier: 16 random octets ([`new_boot`]).
    pub boot: Octets,
}

/// A fresh boot identifier.
pub fn new_boot() -> Octets {
    Octets(rand::random::<[u8; BOOT_OCTETS]>().to_vec())
}

/// An envelope on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its place in the spool.
    pub id: i64,
    /// The boot that it belongs to.
    pub boot: Octets,
    /// Its number in that boot.
    pub seq: u64,
    /// As signed.
    pub octets: Vec<u8>,
}

/// What the spool holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Envelopes not yet acknowledged, tombstones among them.
    pub envelopes: u64,
    /// Octets counted against the limit.
    pub octets: u64,
    /// Envelopes evicted since the file was made.
    pub evicted: u64,
    /// Items in them.
    pub evicted_items: u64,
}

struct State {
    connection: Connection,
    next_seq: u64,
    prev: Octets,
    stats: Stats,
}

/// The spool. Methods block for the time of a disk access.
pub struct Spool {
    path: PathBuf,
    options: Options,
    state: Mutex<State>,
    /// Held for as long as the spool is used.
    _lock: File,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Spool {
    /// Opens the spool of a state folder, and makes both where they are missing.
    ///
    /// # Errors
    /// [`SpoolError`]; a damaged file is left as it is.
    pub fn open(state_dir: &Path, options: Options) -> Result<Spool, SpoolError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| SpoolError::Io { path, source }
        };
        std::fs::create_dir_all(state_dir).map_err(io(state_dir))?;
        let path = state_dir.join("spool.sqlite");
        let lock_path = state_dir.join("spool.lock");
        let lock = File::create(&lock_path).map_err(io(&lock_path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => SpoolError::InUse { path: path.clone() },
            TryLockError::Error(source) => SpoolError::Io { path: lock_path, source },
        })?;
        let (connection, stats) = open_file(&path)?;
        let state = State { connection, next_seq: 1, prev: chain_start(), stats };
        Ok(Spool { path, options, state: Mutex::new(state), _lock: lock })
    }

    /// This start's identifier.
    pub fn boot(&self) -> &Octets {
        &self.options.boot
    }

    /// A lock whose holder panicked is still good: every change is a transaction that was rolled back.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sqlite(&self, source: rusqlite::Error) -> SpoolError {
        sqlite_error(&self.path, source)
    }

    /// Seals each batch of items in an envelope of its own and commits them together; evicts what the limit demands.
    ///
    /// # Errors
    /// [`SpoolError`]: none of the batches is in the spool. After [`SpoolError::Sqlite`] the same call may be repeated.
    pub fn append(&self, batches: &[(Class, Vec<Item>)], now: Timestamp) -> Result<(), SpoolError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let transaction =
            state.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| self.sqlite(e))?;
        let mut stats = state.stats;
        let mut seq = state.next_seq;
        let mut prev = state.prev.clone();
        for (class, items) in batches {
            let envelope = Envelope {
                schema: SCHEMA,
                node: self.options.node.clone(),
                boot: self.options.boot.clone(),
                seq,
                prev,
                sent_ns: now,
                items: items.clone(),
            };
            let octets = envelope::seal(&envelope, &self.options.key)?;
            transaction
                .prepare_cached("INSERT INTO spool(boot, seq, class, items, octets) VALUES(?1, ?2, ?3, ?4, ?5)")
                .and_then(|mut statement| {
                    let class = *class as i64;
                    statement.execute(params![envelope.boot.0, seq.cast_signed(), class, items.len() as i64, octets])
                })
                .map_err(|error| self.sqlite(error))?;
            stats.envelopes += 1;
            stats.octets += octets.len() as u64 + ROW_OVERHEAD;
            prev = envelope::hash(&octets);
            seq += 1;
        }
        while stats.octets > self.options.limit_octets {
            self.evict(&transaction, &mut stats, now)?;
        }
        transaction.commit().map_err(|error| self.sqlite(error))?;
        state.stats = stats;
        state.next_seq = seq;
        state.prev = prev;
        Ok(())
    }

    /// Puts a tombstone in the place of the least valuable envelope.
    fn evict(&self, transaction: &Transaction<'_>, stats: &mut Stats, now: Timestamp) -> Result<(), SpoolError> {
        let victim: Option<(i64, u32, Vec<u8>)> = transaction
            .prepare_cached("SELECT id, items, octets FROM spool WHERE class < ?1 ORDER BY class, id LIMIT 1")
            .and_then(|mut statement| {
                statement.query_row([TOMBSTONE], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
            })
            .map_err(|error| self.sqlite(error))?;
        let Some((id, items, lost)) = victim else {
            return Err(SpoolError::Full { path: self.path.clone(), limit: self.options.limit_octets });
        };
        let envelope = envelope::reopen(&lost)
            .map_err(|error| SpoolError::Damaged { path: self.path.clone(), problem: error.to_string() })?;
        let tombstone = Item::Tombstone(Tombstone { seq: envelope.seq, sha256: envelope::hash(&lost), items });
        let envelope = Envelope { sent_ns: now, items: vec![tombstone], ..envelope };
        let octets = envelope::seal(&envelope, &self.options.key)?;
        transaction
            .prepare_cached("UPDATE spool SET class = ?2, items = 1, octets = ?3 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![id, TOMBSTONE, octets]))
            .and_then(|_| {
                transaction
                    .prepare_cached("UPDATE evicted SET envelopes = envelopes + 1, items = items + ?1")?
                    .execute([items])
            })
            .map_err(|error| self.sqlite(error))?;
        stats.octets = (stats.octets + octets.len() as u64).saturating_sub(lost.len() as u64);
        stats.evicted += 1;
        stats.evicted_items += u64::from(items);
        Ok(())
    }

    /// At most `limit` envelopes that are not in `taken`: findings first, then in the order in which they were appended.
    ///
    /// # Errors
    /// [`SpoolError::Sqlite`].
    pub fn pending(&self, taken: &BTreeSet<i64>, limit: usize) -> Result<Vec<Pending>, SpoolError> {
        let state = self.lock();
        let read = || -> rusqlite::Result<Vec<Pending>> {
            // Those that are taken stand among the first, so this many hold enough that are not.
            let most = (limit + taken.len()) as i64;
            let mut ids: Vec<i64> = Vec::with_capacity(limit);
            for sql in [
                "SELECT id FROM spool WHERE class = 3 ORDER BY id LIMIT ?1",
                "SELECT id FROM spool ORDER BY id LIMIT ?1",
            ] {
                let mut statement = state.connection.prepare_cached(sql)?;
                let mut rows = statement.query([most])?;
                while let Some(row) = rows.next()? {
                    let id = row.get(0)?;
                    if ids.len() < limit && !taken.contains(&id) && !ids.contains(&id) {
                        ids.push(id);
                    }
                }
            }
            let mut statement = state.connection.prepare_cached("SELECT boot, seq, octets FROM spool WHERE id = ?1")?;
            ids.into_iter()
                .map(|id| {
                    statement.query_row([id], |row| {
                        let seq = row.get::<_, i64>(1)?.cast_unsigned();
                        Ok(Pending { id, boot: Octets(row.get(0)?), seq, octets: row.get(2)? })
                    })
                })
                .collect()
        };
        read().map_err(|error| self.sqlite(error))
    }

    /// Frees what the hub says it has stored; how many envelopes that were. The caller has checked the signature and the node.
    ///
    /// # Errors
    /// [`SpoolError::Sqlite`]: nothing was freed.
    pub fn release(&self, ack: &Ack) -> Result<u64, SpoolError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut delete = || {
            let transaction = state.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut freed = (0u64, 0u64);
            for (first, last) in std::iter::once((1, ack.upto)).chain(ack.beyond.iter().copied()) {
                let bound = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
                let sql = "DELETE FROM spool WHERE boot = ?1 AND seq BETWEEN ?2 AND ?3 RETURNING length(octets)";
                let mut statement = transaction.prepare_cached(sql)?;
                let mut rows = statement.query(params![ack.boot.0, bound(first), bound(last)])?;
                while let Some(row) = rows.next()? {
                    freed.0 += 1;
                    freed.1 += row.get::<_, i64>(0)?.cast_unsigned() + ROW_OVERHEAD;
                }
            }
            // An acknowledgement that frees nothing needs no write.
            if freed.0 == 0 {
                transaction.rollback()?
            } else {
                transaction.commit()?
            }
            Ok(freed)
        };
        let (envelopes, octets) = delete().map_err(|error| sqlite_error(&self.path, error))?;
        state.stats.envelopes = state.stats.envelopes.saturating_sub(envelopes);
        state.stats.octets = state.stats.octets.saturating_sub(octets);
        Ok(envelopes)
    }

    /// What the spool holds now.
    pub fn stats(&self) -> Stats {
        self.lock().stats
    }
}

fn sqlite_error(path: &Path, source: rusqlite::Error) -> SpoolError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match source.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => {
            SpoolError::Damaged { path: path.to_owned(), problem: source.to_string() }
        }
        _ => SpoolError::Sqlite { path: path.to_owned(), source },
    }
}

fn open_file(path: &Path) -> Result<(Connection, Stats), SpoolError> {
    let sqlite = |source| sqlite_error(path, source);
    let connection = Connection::open(path).map_err(sqlite)?;
    // A limit on the log keeps one burst from holding disk space for ever.
    let pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=10000; PRAGMA journal_size_limit=16777216;";
    connection.execute_batch(pragmas).map_err(sqlite)?;
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sqlite)?;
    if sound != "ok" {
        return Err(SpoolError::Damaged { path: path.to_owned(), problem: sound });
    }
    let have: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite)?;
    if have != 0 && have != VERSION {
        return Err(SpoolError::Version { path: path.to_owned(), have });
    }
    let make = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={VERSION}; COMMIT;");
    connection.execute_batch(&make).map_err(sqlite)?;
    let stats = connection
        .query_row(
            "SELECT (SELECT count(*) FROM spool), (SELECT coalesce(sum(length(octets) + ?1), 0) FROM spool),
                    envelopes, items FROM evicted",
            [ROW_OVERHEAD as i64],
            |row| {
                let figure = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
                Ok(Stats { envelopes: figure(0)?, octets: figure(1)?, evicted: figure(2)?, evicted_items: figure(3)? })
            },
        )
        .map_err(sqlite)?;
    Ok((connection, stats))
}

#[cfg(test)]
mod tests;
