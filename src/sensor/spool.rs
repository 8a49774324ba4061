//! What waits for the hub: signed envelopes in a SQLite file, kept until the hub acknowledges them.
//!
//! [`Spool::append`] seals items, commits them with `synchronous=FULL` and only then returns: what it returned for survives a power
//! cut. Nothing but the hub's signed acknowledgement frees an envelope. Each start of the node has a new boot; what an earlier boot
//! left behind goes out all the same.
//!
//! The file has a limit in octets. Beyond it the least valuable envelope is evicted, oldest first within a class ([`Class`]), and a
//! tombstone is signed in its place, with its sequence number and hash: the hub sees what is missing, and that nothing else is.
//! When only tombstones are left, appending fails and says so.
//!
//! **A full disk** is met in the same way. A reserve file beside the spool holds the space that SQLite needs to change anything at all;
//! it is given up, the limit sinks below what the file holds, and eviction makes room inside the file, which then no longer grows.
//! [`Spool::recover`] takes both back once there is space again.

mod file;

use file::{VERSION, open_file, sqlite_error};

use crate::observation::envelope::{self, Ack, BOOT_OCTETS, Envelope, EnvelopeError, chain_start};
use crate::observation::{Item, NodeId, Octets, SCHEMA, Tombstone};
use crate::units::Timestamp;
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Octets counted for each envelope beside its own: row, index and page overhead, rounded up.
const ROW_OVERHEAD: u64 = 128;

/// How often one append shrinks the spool, each time by an eighth. Chosen: to a tenth of what it held.
const MOST_SHRINKS: usize = 17;

/// How valuable an envelope is; the least valuable is evicted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What the hub knows already: another observation of an unchanged cell, another report of the same health.
    Routine = 0,
    /// Observations that are news.
    Observation = 1,
    /// Health reports that tell of a change.
    Health = 2,
    /// Findings; these are also sent before anything else.
    Finding = 3,
}

/// The class of an envelope that stands for an evicted one; never evicted itself.
const TOMBSTONE: i64 = 4;

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

impl SpoolError {
    /// The disk has no space left, or so SQLite says.
    fn is_disk_full(&self) -> bool {
        matches!(self, SpoolError::Sqlite { source, .. } if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
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

/// Octets of the reserve. Chosen: SQLite's log grows to 4 MB before it is carried over into the file, and once to a transaction more.
const RESERVE: usize = 8 << 20;
/// Octets of the reserve inside the file, without which not even an eviction may find the page that it needs.
const INNER_RESERVE: i64 = 256 << 10;
/// A spool that a full disk has shrunk keeps this much; a disk that has not even that for us takes nothing.
const LEAST: u64 = 128 << 10;

struct State {
    connection: Connection,
    /// Octets kept now: less than the configured limit while the disk is full.
    limit: u64,
    next_seq: u64,
    prev: Octets,
    stats: Stats,
}

/// The spool. Methods block for the time of a disk access.
pub struct Spool {
    path: PathBuf,
    options: Options,
    state: Mutex<State>,
    /// Room for SQLite's log while the disk is full.
    reserve: PathBuf,
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
        // Opening needs some space too, for the log and its index.
        let reserve = state_dir.join("spool.reserve");
        let _ = std::fs::remove_file(&reserve);
        let (connection, stats) = open_file(&path)?;
        let state = State { connection, limit: options.limit_octets, next_seq: 1, prev: chain_start(), stats };
        let spool = Spool { path, options, state: Mutex::new(state), reserve, _lock: lock };
        // A disk that is full already has neither; then the first eviction is a matter of luck.
        let _ = spool.reserve_pages(&spool.lock().connection);
        spool.fill_reserve(1);
        Ok(spool)
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

    /// Seals each batch of items in an envelope of its own and commits them together; evicts what the limit, or a full disk, demands.
    ///
    /// # Errors
    /// [`SpoolError`]: none of the batches is in the spool. After [`SpoolError::Sqlite`] the same call may be repeated.
    pub fn append(&self, batches: &[(Class, Vec<Item>)], now: Timestamp) -> Result<(), SpoolError> {
        let mut guard = self.lock();
        for _ in 0..MOST_SHRINKS {
            match self.try_append(&mut guard, batches, now) {
                Err(error) if error.is_disk_full() => {
                    if !self.shrink(&mut guard, now)? {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
        self.try_append(&mut guard, batches, now)
    }

    /// Gives up the reserve and evicts an eighth of what the file holds, so that its pages can be used again. `false`: nothing is left
    /// to be given up.
    fn shrink(&self, state: &mut State, now: Timestamp) -> Result<bool, SpoolError> {
        let had_reserve = std::fs::remove_file(&self.reserve).is_ok();
        let wanted = (state.stats.octets.min(state.limit) / 8 * 7).max(LEAST);
        let before = state.stats;
        if wanted >= state.stats.octets {
            return Ok(had_reserve);
        }
        state.limit = wanted;
        let transaction =
            state.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| self.sqlite(e))?;
        // A file of an earlier version has none.
        let _ = transaction.execute("DELETE FROM reserve", []);
        let mut stats = state.stats;
        while stats.octets > wanted {
            match self.evict(&transaction, &mut stats, now) {
                Err(SpoolError::Full { .. }) => break,
                other => other?,
            }
        }
        transaction.commit().map_err(|error| self.sqlite(error))?;
        state.stats = stats;
        // For the next time, of what has just become free; where that is too little, the next one has to do without.
        let _ = self.reserve_pages(&state.connection);
        Ok(had_reserve || stats.evicted > before.evicted)
    }

    fn reserve_pages(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch("CREATE TABLE IF NOT EXISTS reserve(octets BLOB NOT NULL)")?;
        let sql = "INSERT INTO reserve SELECT zeroblob(?1) WHERE NOT EXISTS (SELECT 1 FROM reserve)";
        connection.execute(sql, [INNER_RESERVE]).map(|_| ())
    }

    /// Takes the reserve back and the whole limit with it, where the disk has space again; to be called now and then. `false`: it has
    /// not.
    pub fn recover(&self) -> bool {
        // Twice the reserve has to fit, or the next transaction would meet the same disk.
        if !self.reserve.is_file() && !self.fill_reserve(2) {
            return false;
        }
        let mut state = self.lock();
        let _ = self.reserve_pages(&state.connection);
        state.limit = self.options.limit_octets;
        true
    }

    /// Makes the reserve where `times` as much as it needs has space.
    fn fill_reserve(&self, times: usize) -> bool {
        let filled = File::create(&self.reserve).and_then(|mut file| {
            let block = [0x5a; 1 << 16];
            (0..times * RESERVE / block.len()).try_for_each(|_| file.write_all(&block))?;
            file.set_len(RESERVE as u64)
        });
        if filled.is_err() {
            let _ = std::fs::remove_file(&self.reserve);
        }
        filled.is_ok()
    }

    fn try_append(&self, state: &mut State, batches: &[(Class, Vec<Item>)], now: Timestamp) -> Result<(), SpoolError> {
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
        while stats.octets > state.limit {
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
        let (boot, seq) = (envelope.boot.clone(), envelope.seq);
        let envelope = Envelope { sent_ns: now, items: vec![tombstone], ..envelope };
        let octets = envelope::seal(&envelope, &self.options.key)?;
        // Not an UPDATE: that leaves a short row on a page of its own, and frees nothing (measured).
        transaction
            .prepare_cached("DELETE FROM spool WHERE id = ?1")
            .and_then(|mut statement| statement.execute([id]))
            .and_then(|_| {
                transaction
                    .prepare_cached(
                        "INSERT INTO spool(id, boot, seq, class, items, octets) VALUES(?1, ?2, ?3, ?4, 1, ?5)",
                    )?
                    .execute(params![id, boot.0, seq.cast_signed(), TOMBSTONE, octets])
            })
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
        let (envelopes, octets) = delete().map_err(|error| sqlite_error(&self.path, error)).or_else(|error| {
            // Even freeing writes to the log first.
            if error.is_disk_full() && std::fs::remove_file(&self.reserve).is_ok() {
                return delete().map_err(|error| sqlite_error(&self.path, error));
            }
            Err(error)
        })?;
        state.stats.envelopes = state.stats.envelopes.saturating_sub(envelopes);
        state.stats.octets = state.stats.octets.saturating_sub(octets);
        Ok(envelopes)
    }

    /// What the spool holds now.
    pub fn stats(&self) -> Stats {
        self.lock().stats
    }
}

#[cfg(test)]
mod tests;
