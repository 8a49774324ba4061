//! What is under way on one connection.

use crate::observation::Octets;
use crate::observation::envelope::Ack;
use crate::sensor::spool::Pending;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// In place of an envelope's number: the retained state.
pub(super) const STATE: i64 = 0;
/// In place of an envelope's number: a piece of evidence.
pub(super) const PIECE: i64 = -1;

/// Envelopes under way on one connection.
#[derive(Default)]
pub(super) struct Flight {
    /// By place in the spool.
    pub(super) sent: BTreeMap<i64, Sent>,
    /// What the broker has not yet confirmed, in the order of sending; [`STATE`] and [`PIECE`] are not envelopes.
    pub(super) unconfirmed: VecDeque<i64>,
}

pub(super) struct Sent {
    boot: Octets,
    seq: u64,
    /// When the broker confirmed it: before that it may still wait in line on a thin link.
    delivered: Option<Instant>,
}

impl Flight {
    pub(super) fn add(&mut self, envelope: Pending) {
        self.unconfirmed.push_back(envelope.id);
        self.sent.insert(envelope.id, Sent { boot: envelope.boot, seq: envelope.seq, delivered: None });
    }
    /// The broker has confirmed the next publication; gives its place in the spool.
    pub(super) fn delivered(&mut self, now: Instant) -> Option<i64> {
        let id = self.unconfirmed.pop_front()?;
        if let Some(sent) = self.sent.get_mut(&id) {
            sent.delivered = Some(now);
        }
        Some(id)
    }
    /// Whether the acknowledgement was news.
    pub(super) fn land(&mut self, ack: &Ack) -> bool {
        let before = self.sent.len();
        self.sent.retain(|_, sent| sent.boot != ack.boot || !ack.covers(sent.seq));
        self.sent.len() < before
    }
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.sent.values().filter_map(|sent| sent.delivered).min()
    }
    /// Forgets what was delivered `age` ago or earlier, so that it is sent again; how many envelopes that are.
    pub(super) fn expire(&mut self, now: Instant, age: Duration) -> usize {
        let before = self.sent.len();
        self.sent.retain(|_, sent| sent.delivered.is_none_or(|at| now.duration_since(at) < age));
        before - self.sent.len()
    }
}
