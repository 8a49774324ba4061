//! What the hub asks of a receiver on its tour.

use super::{TASK, Tour};
use crate::radio::source::StreamInfo;
use crate::rat::Options;
use crate::sensor::scan::Kind;
use crate::units::{Hz, Timestamp};

impl Tour {
    /// What the hub asks for now and this receiver reaches.
    pub(super) fn ask_for_tasks(&mut self, now: Timestamp) {
        if self.plan.tasks() > 0 {
            return;
        }
        for dwell in self.dwells.at(now) {
            let center = Hz(dwell.center_hz as f64);
            if self.is_ours(center) {
                self.plan.task(center, TASK, dwell.until_ns);
            }
        }
    }

    /// A task there is this receiver's: it reaches it, and is the first of its crew that does.
    fn is_ours(&self, center: Hz) -> bool {
        self.tuning.iter().any(|[least, most]| (least.0..=most.0).contains(&center.0))
            && self.crew.as_ref().is_none_or(|(crew, number, _)| crew.is_first_to_reach(*number, center))
    }

    /// Whether the hub asks for something while the dwell is a long one of the plan's own.
    pub(super) fn is_wanted_elsewhere(&self) -> bool {
        let (Some(now), Some(dwell)) = (self.now(), &self.dwell) else { return false };
        matches!(dwell.step.kind, Kind::Search | Kind::Decode)
            && self.dwells.any(now)
            && self.dwells.at(now).iter().any(|task| self.is_ours(Hz(task.center_hz as f64)))
    }

    /// Leaves the dwell for what the hub asks for; the plan comes back to it.
    pub(super) fn give_way(&mut self) -> Option<(StreamInfo, Options)> {
        if let Some(kept) = self.dwell.take().and_then(|dwell| dwell.kept) {
            self.lab.give_up(kept);
        }
        self.last = None;
        self.choose()
    }
}
