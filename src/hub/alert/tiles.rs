//! Tiles of the spectrum that nodes sent: the newest of each window, for the waterfall on the nodes' pages.

use super::book::{AlertError, Batch, Book};
use super::rows::{from_cbor, to_cbor};
use crate::observation::{NodeId, SpectrumTile};
use rusqlite::{OptionalExtension as _, params};

/// Tiles of one window that are kept: two months where one comes a day.
const KEEP: i64 = 60;
/// Windows of one node that are kept; both countries' bands have some hundred at 20 Msps, a thousand at 2 Msps.
const WINDOWS: i64 = 2048;

impl Batch<'_> {
    /// Keeps a tile in place of the oldest of its window. The same one twice is one.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn keep_tile(&mut self, node: &NodeId, tile: &SpectrumTile) -> Result<(), AlertError> {
        let (node, first_hz) = (node.as_str(), tile.first_hz as i64);
        let known = self
            .connection
            .prepare_cached("SELECT 1 FROM tiles WHERE node = ?1 AND first_hz = ?2 LIMIT 1")?
            .query_row(params![node, first_hz], |_| Ok(()))
            .optional()?;
        if known.is_none() {
            let count = "SELECT COUNT(DISTINCT first_hz) FROM tiles WHERE node = ?1";
            let windows: i64 = self.connection.prepare_cached(count)?.query_row([node], |row| row.get(0))?;
            if windows >= WINDOWS {
                // The window that was seen longest ago, such as one of a plan that is no longer followed.
                self.connection
                    .prepare_cached(
                        "DELETE FROM tiles WHERE node = ?1 AND first_hz =
                         (SELECT first_hz FROM tiles WHERE node = ?1 GROUP BY first_hz ORDER BY MAX(at_ns), first_hz LIMIT 1)",
                    )?
                    .execute([node])?;
            }
        }
        self.connection.prepare_cached("INSERT OR REPLACE INTO tiles VALUES(?1, ?2, ?3, ?4)")?.execute(params![
            node,
            first_hz,
            tile.at_ns.0,
            to_cbor(tile)
        ])?;
        self.connection
            .prepare_cached(
                "DELETE FROM tiles WHERE node = ?1 AND first_hz = ?2 AND at_ns <=
                 (SELECT at_ns FROM tiles WHERE node = ?1 AND first_hz = ?2 ORDER BY at_ns DESC LIMIT 1 OFFSET ?3)",
            )?
            .execute(params![node, first_hz, KEEP])?;
        Ok(())
    }
}

impl Book {
    /// The newest tile of every window of a node, by frequency.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn newest_tiles(&self, node: &NodeId) -> Result<Vec<SpectrumTile>, AlertError> {
        let sql = "SELECT body, first_hz, MAX(at_ns) FROM tiles WHERE node = ?1 GROUP BY first_hz ORDER BY first_hz";
        self.read_tiles(sql, &[&node.as_str()])
    }

    /// All tiles of one window of a node that are kept, the newest first.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn tiles(&self, node: &NodeId, first_hz: u64) -> Result<Vec<SpectrumTile>, AlertError> {
        let sql = "SELECT body, first_hz FROM tiles WHERE node = ?1 AND first_hz = ?2 ORDER BY at_ns DESC";
        self.read_tiles(sql, &[&node.as_str(), &(first_hz as i64)])
    }

    fn read_tiles(&self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<SpectrumTile>, AlertError> {
        let connection = self.desk();
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params, |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))?;
        rows.map(|row| {
            let (octets, window) = row?;
            from_cbor(&octets, "tiles", &window)
        })
        .collect()
    }
}
