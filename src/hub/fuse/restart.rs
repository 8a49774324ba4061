//! A transmitter that begins to count its frames anew: what nodes read of it before goes into no fix with what they read since.
//!
//! A node notices that frames do not go on from those that it heard before. Nodes report one after the other, so others may have noticed
//! already: what this node last heard before that moment belongs to the same restart. A node whose own clock has jumped looks the same;
//! the others' readings then wait for their next report, which costs a second of precision and nothing else.

use super::Heard;
use super::emitter::{Emitter, Licence, Sighting};
use super::relate::{Relation, phase};
use crate::observation::FrameTiming;
use crate::units::Timestamp;

impl Emitter {
    /// Notes a restart, where a frame continues none of the phases that the node knows. To be called before it is written down.
    pub(super) fn note_restart(&mut self, heard: &Heard<'_>) {
        let (Some(now), Some(sighting)) = (&heard.observation.timing, self.sightings.get(heard.node)) else { return };
        let stream = &heard.observation.receiver.stream;
        let known = sighting.lines.iter().filter(|line| line.stream == *stream).max_by_key(|line| line.last);
        let anew = known.is_some_and(|line| {
            line.timing.at_ns < now.at_ns && matches!(phase(&line.timing, now), Relation::Different { .. })
        });
        let noticed = self.restarted.is_some_and(|restarted| sighting.last < restarted && restarted <= heard.at);
        if anew && !noticed {
            self.restarted = self.restarted.max(Some(heard.at));
        }
    }

    /// A node's frame timing as far as it may be used beside the others' of now.
    pub fn present_timing(&self, sighting: &Sighting) -> Option<FrameTiming> {
        let read = sighting.lines.iter().map(|line| line.last).max().unwrap_or(sighting.last);
        sighting.timing.filter(|_| self.is_present(read))
    }

    /// What was read at this instant is of the frames as they are counted now. Of a licensed cell its learned phase says so.
    pub fn is_present(&self, read: Timestamp) -> bool {
        matches!(self.licence, Licence::Listed { .. }) || self.restarted.is_none_or(|restarted| read >= restarted)
    }
}
