//! What of a fast stream goes to the lab: a stretch now and then.

use crate::radio::source::{IqBlock, StreamInfo};
use crate::sensor::lab::{Kept, Lab};
use crate::units::Nanos;

/// From one stretch that is kept of such a stream to the next.
const ASIDE_EVERY: Nanos = Nanos::from_secs(2);

/// Stretches of a fast stream on their way to the lab.
#[derive(Default)]
pub(super) struct Aside {
    pub(super) kept: Option<Kept>,
    /// Samples of the stream so far, and where the next stretch begins.
    at: u64,
    next: u64,
}

impl Aside {
    /// Takes the next samples of the stream; whether a stretch has gone to the lab.
    pub(super) fn take(&mut self, info: &StreamInfo, block: &IqBlock, lab: &mut Lab) -> bool {
        if self.kept.is_none() && self.at >= self.next {
            let since = Nanos((self.at as f64 / info.sample_rate.0 * 1e9).round() as i64);
            self.kept = lab.keep(None, StreamInfo { start: info.start + since, ..info.clone() });
        }
        self.at += block.samples.len() as u64;
        if let Some(mut kept) = self.kept.take() {
            if kept.take(&block.samples, block.clipped) {
                lab.search(kept);
                self.next = self.at + (ASIDE_EVERY.as_secs_f64() * info.sample_rate.0) as u64;
                return true;
            }
            self.kept = Some(kept);
        }
        false
    }
}
