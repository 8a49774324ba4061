//! What of a stream that stays goes to the lab: a stretch now and then.

use crate::radio::source::{IqBlock, StreamInfo};
use crate::sensor::lab::{Kept, Lab};
use crate::units::Nanos;

/// From one question to the next where the lab takes nothing.
const AGAIN: Nanos = Nanos::from_millis(20);
/// From one stretch that is kept of such a stream to the next.
const ASIDE_EVERY: Nanos = Nanos::from_secs(2);

/// Stretches of a stream on their way to the lab.
pub(super) struct Aside {
    /// They are to be searched for cells as well, because the stream is too fast for its own receivers to do that.
    search: bool,
    info: StreamInfo,
    pub(super) kept: Option<Kept>,
    /// Samples of the stream so far, and where the next stretch begins.
    at: u64,
    next: u64,
}

impl Aside {
    pub(super) fn new(info: StreamInfo, search: bool) -> Aside {
        Aside { search, info, kept: None, at: 0, next: 0 }
    }

    /// Takes the next samples of the stream; whether a stretch that is searched for cells has gone to the lab.
    pub(super) fn take(&mut self, block: &IqBlock, lab: &mut Lab) -> bool {
        let info = &self.info;
        if self.kept.is_none() && self.at >= self.next {
            let since = Nanos((self.at as f64 / info.sample_rate.0 * 1e9).round() as i64);
            self.kept = lab.keep(None, StreamInfo { start: info.start + since, ..info.clone() }, self.search);
            if self.kept.is_none() {
                // The lab is busy, or nothing is wanted of it: not asked again with every block. A survey has time.
                let again = if self.search { AGAIN } else { ASIDE_EVERY };
                self.next = self.at + (again.as_secs_f64() * info.sample_rate.0) as u64;
            }
        }
        self.at += block.samples.len() as u64;
        if let Some(mut kept) = self.kept.take() {
            if kept.take(&block.samples, block.clipped) {
                lab.search(kept);
                self.next = self.at + (ASIDE_EVERY.as_secs_f64() * info.sample_rate.0) as u64;
                return self.search;
            }
            self.kept = Some(kept);
        }
        false
    }
}
