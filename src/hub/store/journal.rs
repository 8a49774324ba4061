//! The statements behind the store: one transaction a batch.

use super::{Boot, MAX_QUARANTINE, NodeStatus, Outcome, QUARANTINE_OCTETS, Ranges, Received, Refusal, node_id};
use crate::observation::{Health, Item, NodeId, Octets};
use crate::units::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;

type Boots = BTreeMap<(NodeId, Octets), Boot>;

/// The state of a boot, from the cache or from the file; a boot that was never heard of is made.
pub(super) fn boot<'a>(
    connection: &Connection,
    boots: &'a mut Boots,
    node: &NodeId,
    boot: &Octets,
) -> rusqlite::Result<&'a mut Boot> {
    use std::collections::btree_map::Entry;
    match boots.entry((node.clone(), boot.clone())) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(place) => Ok(place.insert(load_boot(connection, node, boot)?)),
    }
}

fn load_boot(connection: &Connection, node: &NodeId, boot: &Octets) -> rusqlite::Result<Boot> {
    let known: Option<(i64, i64)> = connection
        .prepare_cached("SELECT id, upto FROM boots WHERE node = ?1 AND boot = ?2")?
        .query_row(params![node.as_str(), boot.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, upto)) = known else {
        connection
            .prepare_cached("INSERT INTO boots(node, boot, upto, last_received_ns) VALUES(?1, ?2, 0, 0)")?
            .execute(params![node.as_str(), boot.0])?;
        return Ok(Boot { id: connection.last_insert_rowid(), stored: Ranges::default() });
    };
    let mut stored = Ranges::upto(upto.cast_unsigned());
    let mut statement =
        connection.prepare_cached("SELECT seq FROM envelopes WHERE boot = ?1 AND seq > ?2 ORDER BY seq")?;
    let mut rows = statement.query(params![id, upto])?;
    while let Some(row) = rows.next()? {
        stored.insert(row.get::<_, i64>(0)?.cast_unsigned());
    }
    Ok(Boot { id, stored })
}

/// What a batch adds to a node's counters.
#[derive(Default)]
struct Tally {
    received_ns: Timestamp,
    envelopes: i64,
    evicted: i64,
    unlinked: i64,
}

/// Inserts a batch; the outcomes, and the newest row where one was added.
pub(super) fn insert(
    connection: &mut Connection,
    boots: &mut Boots,
    batch: &[Received],
) -> rusqlite::Result<(Vec<Outcome>, Option<i64>)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut newest = None;
    let mut touched = BTreeMap::new();
    let mut tallies: BTreeMap<NodeId, Tally> = BTreeMap::new();
    let mut healthy: BTreeMap<NodeId, &Health> = BTreeMap::new();
    for received in batch {
        let envelope = &received.opened.envelope;
        let state = boot(&transaction, boots, &envelope.node, &envelope.boot)?;
        let tally = tallies.entry(envelope.node.clone()).or_default();
        tally.received_ns = tally.received_ns.max(received.received_ns);
        let outcome = insert_one(&transaction, state, received, &mut newest, tally)?;
        outcomes.push(outcome);
        if outcome == Outcome::Conflict {
            continue;
        }
        touched.insert(state.id, (state.stored.summary(0).0, received.received_ns));
        for item in &envelope.items {
            if let Item::Health(health) = item {
                let newest = healthy.entry(envelope.node.clone()).or_insert(health);
                *newest = if health.at_ns > newest.at_ns { health } else { *newest };
            }
        }
    }
    for (id, (upto, received_ns)) in touched {
        transaction
            .prepare_cached("UPDATE boots SET upto = ?2, last_received_ns = ?3 WHERE id = ?1")?
            .execute(params![id, upto.cast_signed(), received_ns.0])?;
    }
    for (node, tally) in tallies {
        transaction
            .prepare_cached(
                "INSERT INTO nodes(name, last_received_ns, envelopes, evicted, unlinked) VALUES(?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT(name) DO UPDATE SET
                   last_received_ns = max(coalesce(last_received_ns, 0), excluded.last_received_ns),
                   envelopes = envelopes + excluded.envelopes,
                   evicted = evicted + excluded.evicted,
                   unlinked = unlinked + excluded.unlinked",
            )?
            .execute(params![node.as_str(), tally.received_ns.0, tally.envelopes, tally.evicted, tally.unlinked])?;
    }
    for (node, health) in healthy {
        // Old boots' reports may arrive late: the newest by the node's clock stays.
        let json = serde_json::to_string(health).expect("a health report is plain JSON");
        transaction
            .prepare_cached(
                "UPDATE nodes SET health = ?2 WHERE name = ?1 AND coalesce(health ->> '$.at_ns', ?3) <= ?3",
            )?
            .execute(params![node.as_str(), json, health.at_ns.0])?;
    }
    transaction.commit()?;
    Ok((outcomes, newest))
}

fn insert_one(
    transaction: &Transaction<'_>,
    boot: &mut Boot,
    received: &Received,
    newest: &mut Option<i64>,
    tally: &mut Tally,
) -> rusqlite::Result<Outcome> {
    let envelope = &received.opened.envelope;
    let seq = envelope.seq.cast_signed();
    let tombstones: Vec<_> = envelope
        .items
        .iter()
        .filter_map(|item| if let Item::Tombstone(tombstone) = item { Some(tombstone) } else { None })
        .collect();
    // An envelope whose own number is among its tombstones stands for the one that was evicted.
    let own = tombstones.iter().find(|tombstone| tombstone.seq == envelope.seq);
    let chain_hash = own.map_or(&received.opened.sha256, |tombstone| &tombstone.sha256);

    let known: Option<(i64, Vec<u8>, bool)> = transaction
        .prepare_cached("SELECT id, sha256, evicted FROM envelopes WHERE boot = ?1 AND seq = ?2")?
        .query_row(params![boot.id, seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((id, sha256, evicted)) = known {
        if sha256 != chain_hash.0 {
            return Ok(Outcome::Conflict);
        }
        if evicted && own.is_none() {
            // The tombstone overtook its envelope, which was not lost after all.
            transaction.prepare_cached("DELETE FROM items WHERE envelope = ?1")?.execute([id])?;
            transaction
                .prepare_cached(
                    "UPDATE envelopes SET evicted = 0, octets = ?2, prev = ?3, received_ns = ?4 WHERE id = ?1",
                )?
                .execute(params![id, received.octets, envelope.prev.0, received.received_ns.0])?;
            insert_items(transaction, id, &envelope.items, newest)?;
            tally.envelopes += 1;
            tally.evicted -= 1;
        }
        return Ok(Outcome::Known);
    }

    if envelope.seq <= boot.stored.summary(0).0 {
        // It was stored, acknowledged and given up since.
        return Ok(Outcome::Known);
    }
    let linked = is_linked(transaction, boot.id, seq, &envelope.prev, chain_hash)?;
    transaction
        .prepare_cached(
            "INSERT INTO envelopes(boot, seq, sha256, prev, received_ns, sent_ns, evicted, linked, octets)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            boot.id,
            seq,
            chain_hash.0,
            envelope.prev.0,
            received.received_ns.0,
            envelope.sent_ns.0,
            own.is_some(),
            linked,
            received.octets
        ])?;
    let id = transaction.last_insert_rowid();
    insert_items(transaction, id, &envelope.items, newest)?;
    boot.stored.insert(envelope.seq);
    if own.is_some() {
        tally.evicted += 1;
    } else {
        tally.envelopes += 1;
    }
    tally.unlinked += i64::from(!linked);
    for tombstone in tombstones.iter().filter(|tombstone| tombstone.seq != envelope.seq) {
        let added = transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO envelopes(boot, seq, sha256, received_ns, sent_ns, evicted, linked)
                 VALUES(?1, ?2, ?3, ?4, ?5, 1, 1)",
            )?
            .execute(params![
                boot.id,
                tombstone.seq.cast_signed(),
                tombstone.sha256.0,
                received.received_ns.0,
                envelope.sent_ns.0
            ])?;
        if added > 0 {
            boot.stored.insert(tombstone.seq);
            tally.evicted += 1;
        }
    }
    Ok(if linked { Outcome::Stored } else { Outcome::StoredUnlinked })
}

/// Compares with the neighbours that are stored; a neighbour that is missing contradicts nothing.
fn is_linked(
    transaction: &Transaction<'_>,
    boot: i64,
    seq: i64,
    prev: &Octets,
    chain_hash: &Octets,
) -> rusqlite::Result<bool> {
    if seq == 1 && prev.0.iter().any(|&octet| octet != 0) {
        return Ok(false);
    }
    let mut statement =
        transaction.prepare_cached("SELECT sha256, prev FROM envelopes WHERE boot = ?1 AND seq = ?2")?;
    let mut neighbour = |seq: i64| {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?));
        statement.query_row(params![boot, seq], read).optional()
    };
    let before = neighbour(seq - 1)?.is_none_or(|(sha256, _)| sha256 == prev.0);
    let after = match seq.checked_add(1) {
        Some(next) => neighbour(next)?.and_then(|(_, prev)| prev).is_none_or(|prev| prev == chain_hash.0),
        None => true,
    };
    Ok(before && after)
}

fn insert_items(
    transaction: &Transaction<'_>,
    envelope: i64,
    items: &[Item],
    newest: &mut Option<i64>,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("INSERT INTO items(envelope, idx, kind) VALUES(?1, ?2, ?3)")?;
    for (index, item) in items.iter().enumerate() {
        let kind = match item {
            Item::Observation(_) => "observation",
            Item::Finding(_) => "finding",
            Item::Health(_) => "health",
            Item::Tombstone(_) => "tombstone",
            Item::Spectrum(_) => "spectrum",
        };
        statement.execute(params![envelope, index as i64, kind])?;
        *newest = Some(transaction.last_insert_rowid());
    }
    Ok(())
}

/// Counts and keeps refused messages.
pub(super) fn refuse(connection: &mut Connection, refusals: &[Refusal]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for Refusal { node, reason, problem, octets, at_ns } in refusals {
        transaction
            .prepare_cached(
                "INSERT INTO refusals(node, reason, count, last_ns) VALUES(?1, ?2, 1, ?3)
                 ON CONFLICT(node, reason) DO UPDATE SET count = count + 1, last_ns = excluded.last_ns",
            )?
            .execute(params![node, reason, at_ns.0])?;
        let kept = &octets[..octets.len().min(QUARANTINE_OCTETS)];
        transaction
            .prepare_cached("INSERT INTO quarantine(at_ns, node, reason, problem, octets) VALUES(?1, ?2, ?3, ?4, ?5)")?
            .execute(params![at_ns.0, node, reason, problem, kept])?;
    }
    let newest = transaction.last_insert_rowid();
    transaction.prepare_cached("DELETE FROM quarantine WHERE id <= ?1")?.execute([newest - MAX_QUARANTINE])?;
    transaction.commit()
}

/// What is known of every node.
pub(super) fn nodes(connection: &Connection) -> rusqlite::Result<Vec<NodeStatus>> {
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    let mut statement = connection.prepare_cached("SELECT node, sum(count) FROM refusals GROUP BY node")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        refused.insert(row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
    }
    let mut statement = connection
        .prepare_cached("SELECT name, last_received_ns, online, state_ns, health, envelopes, evicted, unlinked FROM nodes ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        let name: String = row.get(0)?;
        let refused = refused.get(&name).copied().unwrap_or(0);
        let health: Option<String> = row.get(4)?;
        Ok(NodeStatus {
            name: node_id(name)?,
            last_received_ns: row.get::<_, Option<i64>>(1)?.map(Timestamp),
            online: row.get(2)?,
            state_ns: row.get::<_, Option<i64>>(3)?.map(Timestamp),
            // A report of another version that does not read any more is left out, not invented.
            health: health.and_then(|json| serde_json::from_str(&json).ok()),
            envelopes: row.get::<_, i64>(5)?.cast_unsigned(),
            evicted: row.get::<_, i64>(6)?.cast_unsigned(),
            unlinked: row.get::<_, i64>(7)?.cast_unsigned(),
            refused,
        })
    })?;
    rows.collect()
}
