//! A copy of the store while the hub runs, and the way back.
//!
//! The copy is one moment of the store: envelopes, alerts and the cursor between them belong together. It holds no keys, no certificates
//! and no configuration: those lie beside the hub's configuration and change only when a person changes them.

use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Why a copy was not made, or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing there to copy.
    #[error("{path}: {source}; name the configuration of a hub that has run, or the file of a backup")]
    Source {
        /// The store, or the copy.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Something is there already.
    #[error("{path}: exists already and is left as it is; {remedy}")]
    Exists {
        /// Where the copy should be.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// The copy cannot be written.
    #[error("{path}: {source}; check that the folder is there, may be written and has space")]
    Write {
        /// The copy.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("{path}: {source}; check that the disk has space and that the file is a hub's store")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: rusqlite::Error,
    },
    /// The copy is not whole.
    #[error("{path}: damaged ({problem}); use another backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite's check says first.
        problem: String,
    },
    /// The file was written by another version.
    #[error("{path}: has version {have}, this program reads {}; use the program that wrote it", super::VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// As found.
        have: i64,
    },
}

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// Envelopes of all nodes.
    pub envelopes: u64,
    /// Alerts, open and closed; 0 for a store whose hub has not judged anything yet.
    pub alerts: u64,
    /// Size of the file, octets.
    pub octets: u64,
}

/// Copies the store at `store` to `target`, which must not exist: checked, and on disk when this returns. A hub that runs goes on meanwhile.
///
/// # Errors
/// [`BackupError`]: there is nothing at `target` then.
pub fn copy(store: &Path, target: &Path) -> Result<Content, BackupError> {
    std::fs::metadata(store).map_err(|source| BackupError::Source { path: store.to_owned(), source })?;
    let content = place(target, "name another file", |part| {
        let sqlite = |source| BackupError::Sqlite { path: store.to_owned(), source };
        // Not read only: the reader of a store whose hub was killed has to replay what stands in its journal.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(store, flags).map_err(sqlite)?;
        connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(sqlite)?;
        // One read transaction: a snapshot, whatever is committed meanwhile.
        let name = part.to_str().ok_or_else(|| BackupError::Write {
            path: part.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidFilename, "the name is not UTF-8"),
        })?;
        connection.execute("VACUUM INTO ?1", [name]).map_err(sqlite)?;
        Ok(())
    })?;
    Ok(content)
}

/// Puts the copy at `backup` where a hub expects its store, and only where there is none.
///
/// # Errors
/// [`BackupError`]: nothing was changed then.
pub fn restore(backup: &Path, store: &Path) -> Result<Content, BackupError> {
    check(backup)?;
    let folder = store.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|source| BackupError::Write { path: folder.to_owned(), source })?;
    // What a journal holds belongs to the store that was there, never to the copy.
    for suffix in ["-wal", "-shm"] {
        let mut left = store.as_os_str().to_owned();
        left.push(suffix);
        refuse_existing(Path::new(&left), STOP_FIRST)?;
    }
    place(store, STOP_FIRST, |part| {
        let copy = || io::copy(&mut File::open(backup)?, &mut File::options().write(true).open(part)?);
        copy().map(drop).map_err(|source| BackupError::Write { path: part.to_owned(), source })
    })
}

const STOP_FIRST: &str = "stop the hub and move its hub.sqlite, hub.sqlite-wal and hub.sqlite-shm away together";

fn refuse_existing(path: &Path, remedy: &'static str) -> Result<(), BackupError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(BackupError::Exists { path: path.to_owned(), remedy }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BackupError::Write { path: path.to_owned(), source }),
    }
}

/// Makes a file under another name, checks it, and gives it its own once it is on disk.
fn place(
    target: &Path,
    remedy: &'static str,
    make: impl FnOnce(&Path) -> Result<(), BackupError>,
) -> Result<Content, BackupError> {
    refuse_existing(target, remedy)?;
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    refuse_existing(&part, "remove it: an earlier copy was cut short")?;
    let write = |source| BackupError::Write { path: target.to_owned(), source };
    // For its owner alone, from the first octet on.
    File::options().write(true).create_new(true).mode(0o600).open(&part).map_err(write)?;
    let made = make(&part).and_then(|()| check(&part)).and_then(|content| {
        File::open(&part).and_then(|file| file.sync_all()).map_err(write)?;
        std::fs::rename(&part, target).map_err(write)?;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(write)?;
        Ok(content)
    });
    if made.is_err() {
        // What failed says why; a part that cannot be removed is named by the next attempt.
        let _ = std::fs::remove_file(&part);
    }
    made
}

/// The file is a whole store of this version.
fn check(path: &Path) -> Result<Content, BackupError> {
    let octets = std::fs::metadata(path).map_err(|source| BackupError::Source { path: path.to_owned(), source })?.len();
    let sqlite = |source| BackupError::Sqlite { path: path.to_owned(), source };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?;
    let problem: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(sqlite)?;
    if problem != "ok" {
        return Err(BackupError::Damaged { path: path.to_owned(), problem });
    }
    let have: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite)?;
    if have != super::VERSION {
        return Err(BackupError::Version { path: path.to_owned(), have });
    }
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(sqlite);
    let judged = count("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'alerts'")? > 0;
    let alerts = if judged { count("SELECT count(*) FROM alerts")? } else { 0 };
    let envelopes = count("SELECT count(*) FROM envelopes WHERE octets IS NOT NULL")?;
    Ok(Content { envelopes: envelopes.unsigned_abs(), alerts: alerts.unsigned_abs(), octets })
}
