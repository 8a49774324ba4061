//! What a station has heard lately.

use crate::cell::CellKey;
use crate::units::{Nanos, Timestamp};
use std::collections::BTreeMap;

/// Cells that a station has heard lately.
pub(super) struct Heard {
    /// When each was reported last, and how many messages it had then.
    pub(super) cells: BTreeMap<CellKey, (Timestamp, u64)>,
    /// One that was not reported for so long does not count any more.
    pub(super) lately: Nanos,
}

impl Heard {
    pub(super) fn new(lately: Nanos) -> Heard {
        Heard { cells: BTreeMap::new(), lately }
    }

    /// Another stream begins: its messages are counted from none.
    pub(super) fn restart(&mut self) {
        self.cells.values_mut().for_each(|(_, messages)| *messages = 0);
    }
}
