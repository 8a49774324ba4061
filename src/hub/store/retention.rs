//! What the store gives up: the oldest envelopes, by age and by octets, and never what somebody still rests on.
//!
//! An envelope goes with its items when it is older than the limit says, or while the store is larger than it may be. It stays while
//! the analysis has not read it (its cursor is before it), while the hub's acknowledgement does not stand for it by its number alone,
//! and while an alert rests on it. What the analysis knew of it is kept beside its cursor, so reading on gives what it would have given.
//! The file does not become smaller: its free pages are used again.

use super::{Store, StoreError, lock};
use crate::observation::{NodeId, Octets};
use crate::units::{Nanos, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::BTreeSet;

/// Envelopes looked at in one transaction. Chosen: ingest waits for a few milliseconds at most.
const BATCH: i64 = 256;

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Age, by when the envelope arrived; `None`: for good.
    pub age: Option<Nanos>,
    /// Octets of the store in use; `None`: as much as there is.
    pub octets: Option<u64>,
}

/// A node's envelope: its name, boot and sequence number.
pub type EnvelopeName = (NodeId, Octets, u64);

/// What was given up, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// Envelopes given up.
    pub envelopes: u64,
    /// Items in them.
    pub items: u64,
    /// Envelopes that were due and stay because an alert rests on them.
    pub held: u64,
    /// Octets of the store in use afterwards.
    pub octets: u64,
}

/// Octets of the pages that hold something.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok((pages * pragma("page_size")?).max(0).unsigned_abs())
}

impl Store {
    /// Gives up what `retention` does not keep at `now`, oldest first, but nothing that is `held` and nothing behind `cursor`, the last
    /// row that the analysis has read.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`]: what was given up before stays so.
    pub fn retire(
        &self,
        retention: &Retention,
        held: &BTreeSet<EnvelopeName>,
        cursor: i64,
        now: Timestamp,
    ) -> Result<Retired, StoreError> {
        let mut retired = Retired::default();
        let mut after = 0;
        loop {
            let mut writer = lock(&self.inner.writer);
            let batch = batch(&mut writer.connection, retention, held, (cursor, now), (&mut after, &mut retired));
            drop(writer);
            if !batch.map_err(|error| self.sqlite(error))? {
                return Ok(retired);
            }
        }
    }
}

/// One transaction; whether there may be more.
fn batch(
    connection: &mut Connection,
    retention: &Retention,
    held: &BTreeSet<EnvelopeName>,
    (cursor, now): (i64, Timestamp),
    (after, retired): (&mut i64, &mut Retired),
) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    retired.octets = used(&transaction)?;
    let full = retention.octets.is_some_and(|most| retired.octets > most);
    let oldest = retention.age.map_or(i64::MIN, |age| (now - age).0);
    let candidates: Vec<(i64, String, Vec<u8>, i64)> = transaction
        .prepare_cached(
            "SELECT e.id, b.node, b.boot, e.seq FROM envelopes AS e JOIN boots AS b ON b.id = e.boot
             WHERE e.id > ?1 AND e.seq <= b.upto AND (?2 OR e.received_ns < ?3)
               AND NOT EXISTS (SELECT 1 FROM items WHERE envelope = e.id AND row > ?4)
             ORDER BY e.id LIMIT ?5",
        )?
        .query_map(params![*after, full, oldest, cursor, BATCH], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let more = candidates.len() as i64 == BATCH;
    for (id, node, boot, seq) in candidates {
        *after = id;
        let name = (super::node_id(node)?, Octets(boot), seq.cast_unsigned());
        if held.contains(&name) {
            retired.held += 1;
            continue;
        }
        retired.items += transaction.prepare_cached("DELETE FROM items WHERE envelope = ?1")?.execute([id])? as u64;
        transaction.prepare_cached("DELETE FROM envelopes WHERE id = ?1")?.execute([id])?;
        retired.envelopes += 1;
    }
    retired.octets = used(&transaction)?;
    transaction.commit()?;
    Ok(more)
}

#[cfg(test)]
mod tests;
