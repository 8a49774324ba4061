//! What the analysis knows beside the alerts, written down in the transaction of each batch: emitters, nodes, places, phases, journeys.

use super::rows::to_cbor;
use super::{AlertError, Batch};
use crate::hub::fuse::{EmitterId, Fuse};
use crate::hub::place::Places;
use crate::observation::NodeId;
use crate::units::Timestamp;
use rusqlite::params;
use std::collections::BTreeSet;

impl Batch<'_> {
    /// Keeps the emitters and nodes that changed, forgets those that are gone, and moves the cursor.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn keep(
        &mut self,
        fuse: &Fuse,
        changed: &BTreeSet<EmitterId>,
        nodes: &BTreeSet<NodeId>,
        cursor: i64,
    ) -> Result<(), AlertError> {
        let mut write = self.connection.prepare_cached("INSERT OR REPLACE INTO emitters VALUES(?1, ?2)")?;
        let mut forget = self.connection.prepare_cached("DELETE FROM emitters WHERE id = ?1")?;
        for id in changed {
            match fuse.emitter(*id) {
                Some(emitter) => write.execute(params![id.0 as i64, to_cbor(emitter)])?,
                None => forget.execute([id.0 as i64])?,
            };
        }
        let mut write = self.connection.prepare_cached("INSERT OR REPLACE INTO node_views VALUES(?1, ?2)")?;
        let mut forget = self.connection.prepare_cached("DELETE FROM node_views WHERE name = ?1")?;
        for name in nodes {
            match fuse.node(name) {
                Some(node) => write.execute(params![name.as_str(), to_cbor(node)])?,
                None => forget.execute([name.as_str()])?,
            };
        }
        self.connection
            .prepare_cached("UPDATE analysis SET cursor = ?1, next_emitter = ?2, evicted = ?3")?
            .execute(params![cursor, fuse.next_id() as i64, fuse.evicted() as i64])?;
        Ok(())
    }

    /// Keeps the places, phases and journeys that changed, and where the time line stands.
    ///
    /// # Errors
    /// [`AlertError`].
    pub fn keep_places(&mut self, places: &mut Places, fuse: &Fuse, now: Option<Timestamp>) -> Result<(), AlertError> {
        self.connection
            .prepare_cached("UPDATE time_line SET now_ns = ?1, spent_ns = ?2")?
            .execute(params![now.map(|at| at.0), places.spent_to().map(|at| at.0)])?;
        let mut write = self.connection.prepare_cached("INSERT OR REPLACE INTO places VALUES(?1, ?2)")?;
        let mut forget = self.connection.prepare_cached("DELETE FROM places WHERE emitter = ?1")?;
        for id in places.take_changed() {
            match places.of(id) {
                Some(kept) => write.execute(params![id.0.cast_signed(), to_cbor(kept)])?,
                None => forget.execute([id.0.cast_signed()])?,
            };
        }
        self.keep_time(places, fuse)?;
        self.keep_journeys(places)
    }

    fn keep_time(&mut self, places: &mut Places, fuse: &Fuse) -> Result<(), AlertError> {
        let mut write = self.connection.prepare_cached("INSERT OR REPLACE INTO phases VALUES(?1, ?2)")?;
        let mut forget = self.connection.prepare_cached("DELETE FROM phases WHERE emitter = ?1")?;
        for (id, state) in places.time().take_touched(fuse) {
            match state {
                Some(state) => write.execute(params![id.0.cast_signed(), to_cbor(&state)])?,
                None => forget.execute([id.0.cast_signed()])?,
            };
        }
        let kept = places.time().kept();
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO timekeeping VALUES(1, ?1)")?
            .execute(params![to_cbor(&kept)])?;
        Ok(())
    }

    fn keep_journeys(&mut self, places: &mut Places) -> Result<(), AlertError> {
        let mut write = self.connection.prepare_cached("INSERT OR REPLACE INTO journeys VALUES(?1, ?2, ?3)")?;
        let mut drop_before =
            self.connection.prepare_cached("DELETE FROM journeys WHERE emitter = ?1 AND number < ?2")?;
        for (id, pages) in places.take_travelled() {
            let id = id.0.cast_signed();
            let Some(pages) = pages else {
                drop_before.execute(params![id, i64::MAX])?;
                continue;
            };
            for (number, fix) in pages.new {
                write.execute(params![id, number.cast_signed(), to_cbor(fix)])?;
            }
            drop_before.execute(params![id, pages.first.cast_signed()])?;
        }
        Ok(())
    }
}
