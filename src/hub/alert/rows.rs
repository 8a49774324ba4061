//! The rows behind the book: tables, and how alerts, events, emitters and nodes are written in them. Emitters and nodes are CBOR, which
//! keeps every bit of a figure; alerts and events are JSON, which people can read.

use super::{Alert, AlertError, AlertId, Event, EventKind, Summary};
use crate::hub::fuse::{Emitter, EmitterId, NodeView};
use crate::hub::place::{Kept, KeptTime, Timekeeping, TrackFix};
use crate::units::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS analysis(
    one INTEGER PRIMARY KEY CHECK(one = 1),
    version INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    next_emitter INTEGER NOT NULL,
    evicted INTEGER NOT NULL,
    -- Raised by every action of a person: what the analysis keeps in memory is then read anew.
    acts INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS emitters(id INTEGER PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS places(emitter INTEGER PRIMARY KEY, state BLOB NOT NULL);
-- Where the hub's time line stands, and up to where the budget of fixes is spent.
CREATE TABLE IF NOT EXISTS time_line(one INTEGER PRIMARY KEY CHECK(one = 1), now_ns INTEGER, spent_ns INTEGER);
-- Licensed cells' frame phases, and what is kept beside them.
CREATE TABLE IF NOT EXISTS phases(emitter INTEGER PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS timekeeping(one INTEGER PRIMARY KEY CHECK(one = 1), state BLOB NOT NULL);
-- The fixes of emitters that are followed, by number.
CREATE TABLE IF NOT EXISTS journeys(emitter INTEGER, number INTEGER, state BLOB NOT NULL, PRIMARY KEY(emitter, number));
CREATE TABLE IF NOT EXISTS node_views(name TEXT PRIMARY KEY, state BLOB NOT NULL);
-- The newest pictures that nodes made of windows of the spectrum.
CREATE TABLE IF NOT EXISTS tiles(
    node TEXT NOT NULL,
    first_hz INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY(node, first_hz, at_ns)
) WITHOUT ROWID;
-- AUTOINCREMENT: a number is never used again.
CREATE TABLE IF NOT EXISTS alerts(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    emitter INTEGER NOT NULL,
    active INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS alerts_of_emitter ON alerts(emitter, id);
CREATE INDEX IF NOT EXISTS alerts_active ON alerts(active, id);
CREATE TABLE IF NOT EXISTS alert_events(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    alert INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    detail TEXT NOT NULL,
    summary TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of_alert ON alert_events(alert, id);
INSERT OR IGNORE INTO analysis VALUES(1, 1, 0, 1, 0, 0);
INSERT OR IGNORE INTO time_line VALUES(1, NULL, NULL);
";

pub(super) fn to_cbor(value: &impl Serialize) -> Vec<u8> {
    let mut octets = Vec::new();
    ciborium::into_writer(value, &mut octets)
        .expect("writing to memory does not fail and the types have no unserialisable part");
    octets
}

pub(super) fn from_cbor<T: DeserializeOwned>(
    octets: &[u8],
    table: &'static str,
    row: &dyn ToString,
) -> Result<T, AlertError> {
    ciborium::from_reader(octets).map_err(|error: ciborium::de::Error<std::io::Error>| AlertError::Damaged {
        table,
        row: row.to_string(),
        problem: error.to_string(),
    })
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the types have text keys and no unserialisable part")
}

fn from_json<T: DeserializeOwned>(text: &str, table: &'static str, row: i64) -> Result<T, AlertError> {
    serde_json::from_str(text).map_err(|error| AlertError::Damaged {
        table,
        row: row.to_string(),
        problem: error.to_string(),
    })
}

pub(super) fn emitters(connection: &Connection) -> Result<Vec<Emitter>, AlertError> {
    let mut statement = connection.prepare_cached("SELECT id, state FROM emitters ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    rows.map(|row| row.map_err(AlertError::from).and_then(|(id, state)| from_cbor(&state, "emitters", &id))).collect()
}

pub(super) fn node_views(connection: &Connection) -> Result<Vec<NodeView>, AlertError> {
    let mut statement = connection.prepare_cached("SELECT name, state FROM node_views ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    rows.map(|row| row.map_err(AlertError::from).and_then(|(name, state)| from_cbor(&state, "node_views", &name)))
        .collect()
}

pub(super) fn places(connection: &Connection) -> Result<Vec<(EmitterId, Kept)>, AlertError> {
    let mut statement = connection.prepare_cached("SELECT emitter, state FROM places ORDER BY emitter")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    rows.map(|row| {
        let (id, state) = row?;
        Ok((EmitterId(id.cast_unsigned()), from_cbor(&state, "places", &id)?))
    })
    .collect()
}

pub(super) fn timekeeping(connection: &Connection) -> Result<Timekeeping, AlertError> {
    let mut statement = connection.prepare_cached("SELECT emitter, state FROM phases ORDER BY emitter")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let cells = rows.map(|row| {
        let (id, state) = row?;
        from_cbor(&state, "phases", &id)
    });
    let cells = cells.collect::<Result<Vec<_>, AlertError>>()?;
    let mut statement = connection.prepare_cached("SELECT state FROM timekeeping")?;
    let mut rows = statement.query([])?;
    let kept = match rows.next()? {
        Some(row) => from_cbor(&row.get::<_, Vec<u8>>(0)?, "timekeeping", &1)?,
        None => KeptTime::default(),
    };
    Ok(Timekeeping::restore(kept, cells))
}

/// The fixes of each emitter that is followed, by number.
type Journeys = BTreeMap<EmitterId, Vec<(u64, TrackFix)>>;

pub(super) fn journeys(connection: &Connection) -> Result<Journeys, AlertError> {
    let mut statement =
        connection.prepare_cached("SELECT emitter, number, state FROM journeys ORDER BY emitter, number")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get(2)?)))?;
    let mut journeys = Journeys::new();
    for row in rows {
        let (id, number, state): (i64, i64, Vec<u8>) = row?;
        let fix = from_cbor(&state, "journeys", &id)?;
        journeys.entry(EmitterId(id.cast_unsigned())).or_default().push((number.cast_unsigned(), fix));
    }
    Ok(journeys)
}

/// `which` is made from numbers and constants of this module only.
pub(super) fn read_alerts(connection: &Connection, which: &str) -> Result<Vec<Alert>, AlertError> {
    let mut statement = connection.prepare_cached(&format!("SELECT id, body FROM alerts {which}"))?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| row.map_err(AlertError::from).and_then(|(id, body)| from_json(&body, "alerts", id))).collect()
}

pub(super) fn write_alert(connection: &Connection, alert: &Alert) -> Result<(), AlertError> {
    connection
        .prepare_cached("UPDATE alerts SET emitter = ?2, active = ?3, body = ?4 WHERE id = ?1")?
        .execute(params![alert.id.0, alert.emitter.0 as i64, alert.is_active(), to_json(alert)])?;
    Ok(())
}

pub(super) fn write_event(
    connection: &Connection,
    alert: &Alert,
    at_ns: Timestamp,
    kind: EventKind,
    who: &str,
    detail: String,
) -> Result<Event, AlertError> {
    let summary = Summary::from(alert);
    connection
        .prepare_cached(
            "INSERT INTO alert_events(alert, at_ns, kind, who, detail, summary) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![alert.id.0, at_ns.0, kind.as_str(), who, detail, to_json(&summary)])?;
    Ok(Event { id: connection.last_insert_rowid(), alert: alert.id, at_ns, kind, who: who.to_owned(), detail, summary })
}

pub(super) fn read_events(
    connection: &Connection,
    which: &str,
    bound: i64,
    limit: u32,
) -> Result<Vec<Event>, AlertError> {
    let sql = format!("SELECT id, alert, at_ns, kind, who, detail, summary FROM alert_events {which}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![bound, limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let kind: String = row.get(3)?;
        let summary: String = row.get(6)?;
        let kind = EventKind::from_text(&kind).ok_or_else(|| AlertError::Damaged {
            table: "alert_events",
            row: id.to_string(),
            problem: format!("kind \"{kind}\" is not known"),
        })?;
        events.push(Event {
            id,
            alert: AlertId(row.get(1)?),
            at_ns: Timestamp(row.get(2)?),
            kind,
            who: row.get(4)?,
            detail: row.get(5)?,
            summary: from_json(&summary, "alert_events", id)?,
        });
    }
    Ok(events)
}
