//! Samples that nodes sent because they were asked: what was asked, what has arrived of it, and the whole once its hash fits.
//!
//! Asking writes a row; [`Store::asks_due`] says again and again what is still to be asked until it is there, was withheld, or a day has
//! passed. Chunks are kept as they come, the whole is checked against its signed manifest, and what does not fit is thrown away and asked
//! for again. All of them together stay within a quota.

use super::{Store, StoreError, lock, node_id};
use crate::cell::CellKey;
use crate::observation::envelope::iq::{Ask, CHUNK, Manifest, Part, Piece, unpack};
use crate::observation::{NodeId, Octets, SCHEMA};
use crate::units::{Nanos, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

/// Octets of samples kept of all snippets together; one that does not fit is not taken. Chosen: some 10,000 of the usual size.
pub const QUOTA: u64 = 1 << 30;
/// From one ask to the next, as long as chunks are missing and none has come.
const AGAIN: Nanos = Nanos::from_secs(60);
/// An ask is good for so long.
const GOOD_FOR: Nanos = Nanos::from_secs(110);
/// A node that has not sent all of it by then has it no more.
const PATIENCE: Nanos = Nanos::from_secs(86_400);
/// Asks made at a time.
const MOST_ASKS: i64 = 16;

/// The tables.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS snippets(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event BLOB NOT NULL UNIQUE,
    alert INTEGER NOT NULL,
    node TEXT NOT NULL,
    cell TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    made_ns INTEGER NOT NULL,
    -- When something was last done about it: asked, or a piece came.
    touched_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    octets INTEGER NOT NULL DEFAULT 0,
    manifest TEXT,
    signed BLOB
);
CREATE INDEX IF NOT EXISTS snippets_of_alert ON snippets(alert, id);
CREATE TABLE IF NOT EXISTS snippet_chunks(
    snippet INTEGER NOT NULL REFERENCES snippets(id),
    idx INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY(snippet, idx)
);
";

/// How far a snippet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnippetState {
    /// It was asked for, and nothing is there yet.
    Asked,
    /// Chunks are coming.
    Arriving,
    /// It is there, and its hash fits.
    Whole,
    /// The node sends nothing, or the hub takes nothing.
    Withheld,
    /// Nothing came within a day.
    Silent,
}

impl SnippetState {
    const ALL: [(SnippetState, &'static str); 5] = [
        (SnippetState::Asked, "asked"),
        (SnippetState::Arriving, "arriving"),
        (SnippetState::Whole, "whole"),
        (SnippetState::Withheld, "withheld"),
        (SnippetState::Silent, "silent"),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        SnippetState::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }
}

/// A snippet as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Snippet {
    /// What names it.
    pub event: Octets,
    /// The node.
    pub node: NodeId,
    /// The cell.
    pub cell: CellKey,
    /// The moment.
    pub at_ns: Timestamp,
    /// How far it is.
    pub state: SnippetState,
    /// Why, in words, where nothing comes.
    pub detail: String,
    /// Octets that are there.
    pub octets: u64,
    /// What the node said that is coming.
    pub manifest: Option<Manifest>,
}

/// Why a piece is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwanted {
    /// Short, as counted.
    pub reason: &'static str,
}

/// The name of what `node` is asked for about `cell` at `at`.
fn event(node: &NodeId, cell: CellKey, at: Timestamp) -> Octets {
    let mut hash = Sha256::new();
    hash.update(node.as_str());
    hash.update(cell.rat.to_string());
    hash.update(cell.center_hz.to_be_bytes());
    hash.update(cell.id.to_be_bytes());
    hash.update(at.0.to_be_bytes());
    Octets(hash.finalize()[..16].to_vec())
}

fn json<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    let wrong = |error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error));
    serde_json::from_str(text).map_err(wrong)
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("the wire types have text keys and no unserialisable part")
}

/// The columns of [`read`].
const COLUMNS: &str = "event, node, cell, at_ns, state, detail, octets, manifest";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Snippet> {
    let state: String = row.get(4)?;
    let known = SnippetState::ALL.iter().find(|(_, name)| *name == state);
    Ok(Snippet {
        event: Octets(row.get(0)?),
        node: node_id(row.get(1)?)?,
        cell: json(2, &row.get::<_, String>(2)?)?,
        at_ns: Timestamp(row.get(3)?),
        state: known.map_or(SnippetState::Silent, |(state, _)| *state),
        detail: row.get(5)?,
        octets: row.get::<_, i64>(6)?.cast_unsigned(),
        manifest: row.get::<_, Option<String>>(7)?.map(|text| json(7, &text)).transpose()?,
    })
}

impl Store {
    /// Asks for the samples in which `node` heard `cell` at `at`, for an alert; asking again for what was withheld or has not come begins
    /// anew, and otherwise changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn ask(
        &self,
        alert: i64,
        node: &NodeId,
        (cell, at): (CellKey, Timestamp),
        now: Timestamp,
    ) -> Result<Octets, StoreError> {
        let name = event(node, cell, at);
        let writer = lock(&self.inner.writer);
        let sql = "INSERT INTO snippets(event, alert, node, cell, at_ns, made_ns, touched_ns, state)
                   VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 'asked')
                   ON CONFLICT(event) DO UPDATE SET state = 'asked', detail = '', made_ns = excluded.made_ns,
                     touched_ns = excluded.touched_ns WHERE state IN ('withheld', 'silent')";
        // Due at once.
        let touched = now - AGAIN;
        let values = params![name.0, alert, node.as_str(), text(&cell), at.0, now.0, touched.0];
        let done = writer.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
        done.map(|_| name).map_err(|error| self.sqlite(error))
    }

    /// What is to be asked of nodes at `now`; each counts as asked.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn asks_due(&self, now: Timestamp) -> Result<Vec<Ask>, StoreError> {
        let mut writer = lock(&self.inner.writer);
        asks_due(&mut writer.connection, now).map_err(|error| self.sqlite(error))
    }

    /// Takes a piece whose signature held, signed as `octets`.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`]. A piece that nobody asked for or that does not fit is not an error: [`Unwanted`].
    pub fn take_piece(&self, piece: &Piece, octets: &[u8], now: Timestamp) -> Result<Result<(), Unwanted>, StoreError> {
        let mut writer = lock(&self.inner.writer);
        take(&mut writer.connection, piece, octets, now, QUOTA).map_err(|error| self.sqlite(error))
    }

    /// The snippets of an alert, in the order in which they were asked for.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn snippets(&self, alert: i64) -> Result<Vec<Snippet>, StoreError> {
        let reader = lock(&self.inner.reader);
        let list = || {
            let sql = format!("SELECT {COLUMNS} FROM snippets WHERE alert = ?1 ORDER BY id");
            let mut statement = reader.prepare_cached(&sql)?;
            let rows = statement.query_map([alert], read)?;
            rows.collect::<rusqlite::Result<_>>()
        };
        list().map_err(|error| self.sqlite(error))
    }

    /// A snippet that is whole, with its samples as octets of SigMF's `ci8`; `None` where it is not.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`].
    pub fn snippet(&self, event: &Octets) -> Result<Option<(Snippet, Vec<u8>)>, StoreError> {
        let reader = lock(&self.inner.reader);
        let find = || {
            let sql = format!("SELECT {COLUMNS}, id FROM snippets WHERE event = ?1 AND state = 'whole'");
            let found = reader.query_row(&sql, [&event.0], |row| Ok((read(row)?, row.get::<_, i64>(8)?))).optional()?;
            let Some((snippet, id)) = found else { return Ok(None) };
            Ok(Some((snippet, whole(&reader, id)?)))
        };
        let found: Option<(Snippet, Vec<u8>)> = find().map_err(|error| self.sqlite(error))?;
        Ok(found.and_then(|(snippet, octets)| {
            let samples = snippet.manifest.as_ref()?.samples;
            Some((snippet, unpack(&octets, samples)?))
        }))
    }
}

/// The chunks of a snippet, joined.
fn whole(connection: &Connection, id: i64) -> rusqlite::Result<Vec<u8>> {
    let mut statement =
        connection.prepare_cached("SELECT octets FROM snippet_chunks WHERE snippet = ?1 ORDER BY idx")?;
    let chunks = statement.query_map([id], |row| row.get::<_, Vec<u8>>(0))?;
    Ok(chunks.collect::<rusqlite::Result<Vec<_>>>()?.concat())
}

/// Chunks that are there without a hole, from the first on.
fn have(connection: &Connection, id: i64) -> rusqlite::Result<u32> {
    let mut statement = connection.prepare_cached("SELECT idx FROM snippet_chunks WHERE snippet = ?1 ORDER BY idx")?;
    let there = statement.query_map([id], |row| row.get::<_, u32>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(there.iter().zip(0..).take_while(|(index, expected)| *index == expected).count() as u32)
}

fn asks_due(connection: &mut Connection, now: Timestamp) -> rusqlite::Result<Vec<Ask>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "UPDATE snippets SET state = 'silent', detail = 'nothing came within a day'
         WHERE state IN ('asked', 'arriving') AND made_ns <= ?1",
        [(now - PATIENCE).0],
    )?;
    let due: Vec<(i64, Snippet)> = transaction
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, id FROM snippets WHERE state IN ('asked', 'arriving') AND touched_ns <= ?1 ORDER BY id LIMIT ?2"
        ))?
        .query_map(params![(now - AGAIN).0, MOST_ASKS], |row| Ok((row.get(8)?, read(row)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut asks = Vec::with_capacity(due.len());
    for (id, snippet) in due {
        transaction.execute("UPDATE snippets SET touched_ns = ?2 WHERE id = ?1", params![id, now.0])?;
        asks.push(Ask {
            schema: SCHEMA,
            ask: snippet.event,
            node: snippet.node,
            cell: snippet.cell,
            at_ns: snippet.at_ns,
            have: have(&transaction, id)?,
            issued_ns: now,
            expires_ns: now + GOOD_FOR,
        });
    }
    transaction.commit()?;
    Ok(asks)
}

fn take(
    connection: &mut Connection,
    piece: &Piece,
    octets: &[u8],
    now: Timestamp,
    quota: u64,
) -> rusqlite::Result<Result<(), Unwanted>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let known = transaction
        .query_row(&format!("SELECT {COLUMNS}, id FROM snippets WHERE event = ?1"), [&piece.event.0], |row| {
            Ok((row.get::<_, i64>(8)?, read(row)?))
        })
        .optional()?;
    let refuse = |reason| Ok(Err(Unwanted { reason }));
    let Some((id, snippet)) = known.filter(|(_, snippet)| snippet.node == piece.node) else {
        return refuse("iq-not-asked");
    };
    if !matches!(snippet.state, SnippetState::Asked | SnippetState::Arriving) {
        // What comes twice, or after the end, does no harm.
        return Ok(Ok(()));
    }
    let settle = |state: SnippetState, detail: &str| {
        transaction.execute(
            "UPDATE snippets SET state = ?2, detail = ?3, touched_ns = ?4 WHERE id = ?1",
            params![id, state.as_str(), detail, now.0],
        )
    };
    match &piece.part {
        Part::Withheld(why) => {
            forget(&transaction, id)?;
            settle(SnippetState::Withheld, why)?;
        }
        Part::Manifest(manifest) if manifest.cell != snippet.cell => return refuse("iq-other-cell"),
        Part::Manifest(manifest) => {
            let sql = "SELECT coalesce(sum(octets), 0) FROM snippets WHERE id <> ?1";
            let others: i64 = transaction.query_row(sql, [id], |row| row.get(0))?;
            if others.cast_unsigned() + manifest.octets > quota {
                forget(&transaction, id)?;
                let detail = format!("{} octets of samples are kept of {quota}: there is no room for it", others);
                settle(SnippetState::Withheld, &detail)?;
            } else {
                // Another whole than was announced before: what is there of that one is of no use.
                if snippet.manifest.is_some_and(|before| before.sha256 != manifest.sha256) {
                    forget(&transaction, id)?;
                }
                transaction.execute(
                    "UPDATE snippets SET manifest = ?2, signed = ?3 WHERE id = ?1",
                    params![id, text(manifest), octets],
                )?;
                settle(SnippetState::Arriving, "")?;
            }
        }
        Part::Chunk { index, octets } => {
            let Some(manifest) = snippet.manifest else { return refuse("iq-no-manifest") };
            let last = *index + 1 == manifest.chunks();
            let length = if last { (manifest.octets - 1) % CHUNK as u64 + 1 } else { CHUNK as u64 };
            if *index >= manifest.chunks() || octets.0.len() as u64 != length {
                return refuse("iq-chunk");
            }
            transaction.execute(
                "INSERT OR REPLACE INTO snippet_chunks(snippet, idx, octets) VALUES(?1, ?2, ?3)",
                params![id, index, octets.0],
            )?;
            let sql = "UPDATE snippets SET octets = (SELECT coalesce(sum(length(octets)), 0) FROM snippet_chunks WHERE snippet = ?1)
                       WHERE id = ?1";
            transaction.execute(sql, [id])?;
            settle(SnippetState::Arriving, "")?;
            if have(&transaction, id)? == manifest.chunks() {
                let whole = whole(&transaction, id)?;
                let fits = Sha256::digest(&whole).as_slice() == manifest.sha256.0
                    && unpack(&whole, manifest.samples).is_some();
                if fits {
                    settle(SnippetState::Whole, "")?;
                } else {
                    forget(&transaction, id)?;
                    transaction.commit()?;
                    return refuse("iq-hash");
                }
            }
        }
    }
    transaction.commit()?;
    Ok(Ok(()))
}

/// Throws away what is there of a snippet.
fn forget(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM snippet_chunks WHERE snippet = ?1", [id])?;
    transaction.execute("UPDATE snippets SET octets = 0, manifest = NULL, signed = NULL WHERE id = ?1", [id])?;
    Ok(())
}

#[cfg(test)]
mod tests;
