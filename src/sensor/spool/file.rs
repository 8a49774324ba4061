//! The spool's file: its tables, and whether it is sound.

use super::{ROW_OVERHEAD, SpoolError, Stats};
use rusqlite::Connection;
use std::path::Path;

/// Version of the tables, in SQLite's `user_version`.
pub(super) const VERSION: i64 = 1;

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

/// SQLite's refusal, as the spool tells it.
pub(super) fn sqlite_error(path: &Path, source: rusqlite::Error) -> SpoolError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match source.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => {
            SpoolError::Damaged { path: path.to_owned(), problem: source.to_string() }
        }
        _ => SpoolError::Sqlite { path: path.to_owned(), source },
    }
}

/// Opens and checks the file, or makes it.
pub(super) fn open_file(path: &Path) -> Result<(Connection, Stats), SpoolError> {
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
    if have != VERSION {
        let make = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={VERSION}; COMMIT;");
        connection.execute_batch(&make).map_err(sqlite)?;
    }
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
