//! One batch of the analysis at work: items into emitters, emitters into places, both into alerts.

use super::AnalysisConfig;
use crate::hub::alert::{self, AlertError, Batch, EventKind};
use crate::hub::fuse::{Change, Emitter, EmitterId, Fuse, Heard, Licence};
use crate::hub::place::{Ground, Kept, Places};
use crate::hub::store::StoredItem;
use crate::hub::task;
use crate::observation::envelope::Task;
use crate::observation::{ClockSource, Finding, Item, NodeId, Observation, Origin};
use crate::units::{Nanos, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A node's time may be ahead of the hub's by this much; beyond it the time of arrival is taken.
const AHEAD: Nanos = Nanos::from_secs(60);

/// And behind by this much: the longest that a node may have been without a link before its envelopes arrive.
const BEHIND: Nanos = Nanos::from_secs(400 * 86_400);
/// What a node does not decode is told for so long after it was recognised.
const DAY: Nanos = Nanos::from_secs(86_400);

/// One batch at work.
pub(super) struct Work<'a, 'b> {
    pub(super) config: &'a AnalysisConfig,
    pub(super) fuse: &'a mut Fuse,
    pub(super) places: &'a mut Places,
    pub(super) batch: &'a mut Batch<'b>,
    pub(super) changed: BTreeSet<EmitterId>,
    pub(super) nodes: BTreeSet<NodeId>,
    /// Emitters that the envelope at hand speaks of, with when each was heard last.
    pub(super) heard: BTreeMap<EmitterId, Timestamp>,
    /// Until when its node listened.
    pub(super) listened: Option<Timestamp>,
    /// Where the hub's time line stands.
    pub(super) now: Timestamp,
    /// What nodes are to be asked after the commit.
    pub(super) tasks: Vec<Task>,
}

impl Work<'_, '_> {
    pub(super) fn take(&mut self, stored: &StoredItem) -> Result<(), AlertError> {
        let StoredItem { origin, received_ns, item, .. } = stored;
        let received = *received_ns;
        let listened = match item {
            Item::Observation(observation) => Some(self.hear(origin, received, observation, None)?),
            Item::Finding(finding) => Some(self.hear(origin, received, &finding.observation, Some(finding))?),
            Item::Health(health) => {
                let at = if plausible(health.at_ns, received) { health.at_ns } else { received };
                let node = self.fuse.node_mut(&origin.node);
                if health.position.is_some() {
                    node.position = health.position;
                }
                let mut health = (**health).clone();
                if health.not_decoded.is_empty() {
                    // Told once an hour only; what is a day old is gone.
                    let before = node.health.take().map(|before| before.not_decoded).unwrap_or_default();
                    health.not_decoded.extend(before.into_iter().filter(|one| health.at_ns - one.seen_ns <= DAY));
                }
                node.health = Some(health);
                Some(at)
            }
            Item::Tombstone(tombstone) => {
                self.fuse.node_mut(&origin.node).lost_items += u64::from(tombstone.items);
                None
            }
            Item::Spectrum(tile) => {
                self.batch.keep_tile(&origin.node, tile)?;
                None
            }
        };
        self.listened = self.listened.max(listened);
        let node = self.fuse.node_mut(&origin.node);
        node.received = received;
        node.boot.clone_from(&origin.boot);
        match item {
            Item::Observation(_) => node.observations += 1,
            Item::Finding(_) => node.findings += 1,
            Item::Health(_) | Item::Tombstone(_) | Item::Spectrum(_) => {}
        }
        self.nodes.insert(origin.node.clone());
        Ok(())
    }

    /// Places the emitters that were due before `now`, and lets the life cycle look at them with what that says.
    pub(super) fn place_due(&mut self, now: Timestamp) -> Result<(), AlertError> {
        self.now = now;
        let ground = Ground { atlas: &self.config.atlas, config: &self.config.place };
        let in_full = |emitter: &Emitter, before: Option<&Kept>| {
            let compared = before.is_some_and(Kept::is_compared);
            compared || !emitter.findings.is_empty() || !emitter.distinct.is_empty()
        };
        for (at, id) in self.places.run_due(self.fuse, &ground, now, in_full) {
            self.changed.insert(id);
            self.judge(id, at, false)?;
        }
        Ok(())
    }

    /// The envelope of `node` is read: judges what it spoke of, then what it no longer speaks of.
    pub(super) fn conclude(&mut self, node: &NodeId, arrived: Timestamp) -> Result<(), AlertError> {
        for (id, at) in std::mem::take(&mut self.heard) {
            self.places.heard(self.fuse, id, node, arrived, &self.config.place);
            self.judge(id, at, true)?;
            let twins: Vec<EmitterId> = self.fuse.twins(id).iter().map(|twin| twin.id).collect();
            for twin in twins {
                self.judge(twin, at, false)?;
            }
        }
        let view = self.fuse.node_mut(node);
        let Some(at) = self.listened.take().filter(|at| *at > view.heard_until) else { return Ok(()) };
        view.heard_until = at;
        self.close_quiet(node, at)
    }

    fn hear(
        &mut self,
        origin: &Origin,
        received: Timestamp,
        observation: &Observation,
        finding: Option<&Finding>,
    ) -> Result<Timestamp, AlertError> {
        let at = heard_at(observation, received);
        let licence = self.config.licence.as_ref().map_or(Licence::Unknown, |lookup| lookup(observation));
        let heard = Heard {
            node: &origin.node,
            at,
            observation,
            finding: finding.map(|finding| (finding, origin)),
            licence: &licence,
        };
        for change in self.fuse.observe(&heard) {
            match change {
                Change::Evicted(id) => {
                    self.places.forget(id);
                    self.changed.insert(id);
                    if let Some(step) = self.batch.alert_of(id)?.and_then(|alert| alert::forgotten(&alert, at)) {
                        self.batch.apply(step, at)?;
                    }
                }
                Change::Merged { from, into } => self.merge(from, into, at)?,
                Change::Split { from, new } => self.split(from, new)?,
                Change::Heard(id) => {
                    let latest = self.heard.entry(id).or_insert(at);
                    *latest = at.max(*latest);
                }
            }
        }
        self.changed.extend(self.fuse.of_key(observation.cell));
        Ok(at)
    }

    /// Lets the life cycle look at an emitter. One that was not itself heard just now cannot reopen anything.
    fn judge(&mut self, id: EmitterId, at: Timestamp, heard: bool) -> Result<(), AlertError> {
        let Some(emitter) = self.fuse.emitter(id) else { return Ok(()) };
        let twins = self.fuse.twins(id);
        let alert = self.batch.alert_of(id)?;
        let compared = self.places.of(id).is_some_and(Kept::is_compared);
        if alert.is_none() && emitter.findings.is_empty() && twins.is_empty() && !compared {
            return Ok(());
        }
        if !heard && alert.as_ref().is_some_and(|alert| !alert.is_active()) {
            return Ok(());
        }
        let assessment = alert::assess(emitter, &twins, self.places);
        let seen = alert::Seen {
            emitter,
            assessment: assessment.as_ref(),
            placed: self.places.of(id).map(|kept| &kept.placed),
        };
        if let Some(step) = alert::step(alert.as_ref(), &seen, at, &self.config.alert) {
            self.batch.apply(step, at)?;
        }
        self.ask(id)
    }

    /// Asks nodes in range to dwell on an emitter that has an alert and no good place.
    fn ask(&mut self, id: EmitterId) -> Result<(), AlertError> {
        if self.config.signer.is_none() {
            return Ok(());
        }
        let (Some(emitter), Some(alert)) = (self.fuse.emitter(id), self.batch.alert_of(id)?) else { return Ok(()) };
        let placed = self.places.of(id).map(|kept| &kept.placed);
        let Some(request) = task::request(self.fuse, emitter, &alert, placed, self.now) else { return Ok(()) };
        let detail = request.describe();
        self.tasks.extend(request.tasks);
        self.fuse.set_asked(id, self.now);
        self.changed.insert(id);
        let mut alert = alert;
        alert.event_ns = self.now;
        self.batch.apply(alert::Step { alert, kind: Some(EventKind::Updated), detail }, self.now)?;
        Ok(())
    }

    /// An alert goes with its evidence when one emitter proves to be two.
    fn split(&mut self, from: EmitterId, new: EmitterId) -> Result<(), AlertError> {
        let Some(alert) = self.batch.alert_of(from)? else { return Ok(()) };
        let has_findings = |id| self.fuse.emitter(id).is_some_and(|emitter| !emitter.findings.is_empty());
        if has_findings(new) && !has_findings(from) {
            self.batch.reattach(&alert, new);
        }
        Ok(())
    }

    /// Two alerts become one when their emitters do: the earlier one stays.
    fn merge(&mut self, from: EmitterId, into: EmitterId, at: Timestamp) -> Result<(), AlertError> {
        self.changed.insert(from);
        self.places.forget(from);
        let Some(gone) = self.batch.alert_of(from)? else { return Ok(()) };
        match self.batch.alert_of(into)? {
            Some(kept) if kept.is_active() || !gone.is_active() => {
                if gone.is_active() {
                    self.batch.apply(alert::merged(&gone, kept.id, at), at)?;
                }
            }
            _ => self.batch.reattach(&gone, into),
        }
        Ok(())
    }

    /// What `node` used to hear and no longer hears, although it listens.
    fn close_quiet(&mut self, node: &NodeId, listened: Timestamp) -> Result<(), AlertError> {
        for alert in self.batch.silent_since(listened - self.config.alert.quiet, node) {
            if let Some(step) = alert::quiet(&alert, listened, &self.config.alert) {
                self.batch.apply(step, listened)?;
            }
        }
        Ok(())
    }
}

/// When an observation was made, on the hub's time line. The times of a recording, and of a clock that is plainly wrong, mean nothing
/// there: such observations count as made when they arrived.
fn heard_at(observation: &Observation, received: Timestamp) -> Timestamp {
    let dated = observation.clock.source != ClockSource::Recording && plausible(observation.at_ns, received);
    if dated { observation.at_ns } else { received }
}

fn plausible(at: Timestamp, received: Timestamp) -> bool {
    at <= received + AHEAD && at >= received - BEHIND
}
