//! One transmitter under several keys: a rogue that changes its BSIC or PCI while it stays on its carrier.
//!
//! What is first heard under a new key continues an emitter of another key of the same carrier if that one fell silent before, at every
//! node that hears both, and either its frames count on through the change on one sample clock, or both have one carrier error that no
//! licensed station would have and name the same networks. Sectors of one station share oscillator and frames, too, but are on the air
//! together: they stay apart, and so do licensed cells, whatever they share. One of the two must have findings; nobody else's changes
//! matter.
//!
//! Limits: a key must stay silent for some seconds ([`silence`]) after it was left; one that comes back sooner keeps an emitter of its own.

use super::carrier::LICENSED_SIGMA_PPB;
use super::emitter::{Emitter, EmitterId, Licence, Line, RelativeCarrier, Sighting};
use super::relate::{Carrier, Relation, SIGMAS, carrier, phase};
use super::{Change, Fuse, Heard};
use crate::cell::CellKey;
use crate::observation::NodeId;
use crate::units::Nanos;
use std::collections::BTreeSet;

/// Keys kept of one emitter beside the present one.
const MAX_FORMER: usize = 32;
/// Silence after which a key was left: so many of the intervals at which it was reported, at least and at most so long.
const INTERVALS: f64 = 2.5;
const LEAST: Nanos = Nanos::from_secs(3);
const MOST: Nanos = Nanos::from_secs(180);
/// And for one that was reported once.
const ONCE: Nanos = Nanos::from_secs(30);
/// Later than this after the other was last heard nothing is continued.
const FORGOTTEN: Nanos = Nanos::from_secs(900);
/// Carriers of one oscillator before and after a change of key agree to this, beside what is measured, ppb: minutes of warming up.
const SAME_PPB: f64 = 30.0;
/// Beyond twice what TS 45.010 clause 5.1 allows a carrier is its owner's own.
const ODD_PPB: f64 = 2.0 * LICENSED_SIGMA_PPB;

/// How long a key must not have been heard before it was left.
fn silence(sighting: &Sighting) -> Nanos {
    if sighting.count < 2 {
        return ONCE;
    }
    let spacing = (sighting.last - sighting.first).0 as f64 / (sighting.count - 1) as f64;
    Nanos((INTERVALS * spacing) as i64).clamp(LEAST, MOST)
}

impl Fuse {
    /// Joins an emitter that was just heard with the one that it was before it changed its key.
    pub(super) fn succeed(&mut self, id: EmitterId, heard: &Heard<'_>, changes: &mut Vec<Change>) -> EmitterId {
        let key = heard.observation.cell;
        let Some(emitter) = self.emitters.get(&id) else { return id };
        let carrier = CellKey { id: 0, ..key }..=CellKey { id: u16::MAX, ..key };
        let of_carrier: BTreeSet<EmitterId> =
            self.by_key.range(carrier).flat_map(|(_, ids)| ids).copied().filter(|other| *other != id).collect();
        let former = of_carrier.into_iter().filter_map(|other| self.emitters.get(&other)).find(|former| {
            let licensed = |e: &Emitter| matches!(e.licence, Licence::Listed { .. });
            let suspicious = !emitter.findings.is_empty() || !former.findings.is_empty();
            suspicious && !licensed(emitter) && !licensed(former) && follows(emitter, former, heard)
        });
        let Some(former) = former.map(|former| former.id) else { return id };
        let since = emitter.first;
        let lines: Vec<(NodeId, Line)> = emitter
            .sightings
            .values()
            .flat_map(|sighting| sighting.lines.iter().map(|line| (sighting.node.clone(), line.clone())))
            .collect();
        self.alter(former, |former| {
            former.restarted = former.restarted.max(Some(since));
            for sighting in former.sightings.values_mut() {
                // Frames may be counted anew since: those of before go into no fix with those of now.
                if sighting.last < since {
                    sighting.timing = None;
                }
                // A phase that goes on is one and not two that take turns.
                let goes_on = |old: &Line| {
                    let same =
                        |new: &Line| new.stream == old.stream && phase(&old.timing, &new.timing) == Relation::Same;
                    lines.iter().any(|(node, new)| *node == sighting.node && same(new))
                };
                sighting.lines.retain(|old| !goes_on(old));
            }
        });
        self.unite(id, former, changes)
    }

    /// Makes one of two emitters; the lower number stays.
    pub(super) fn unite(&mut self, id: EmitterId, twin: EmitterId, changes: &mut Vec<Change>) -> EmitterId {
        let (into, from) = (id.min(twin), id.max(twin));
        let separated: Vec<EmitterId> =
            self.emitters.get(&from).into_iter().flat_map(|e| e.distinct.keys().copied()).collect();
        if let Some(gone) = self.remove(from) {
            let keys: Vec<CellKey> = gone.keys().collect();
            self.alter(into, |emitter| emitter.absorb(gone));
            self.take_keys(into, keys, from == id);
            for other in separated {
                let reason = self.emitters.get(&into).and_then(|emitter| emitter.distinct.get(&other)).cloned();
                if let Some(reason) = reason {
                    self.alter(other, |emitter| {
                        emitter.distinct.entry(into).or_insert(reason);
                    });
                }
            }
            changes.push(Change::Merged { from, into });
        }
        into
    }

    /// An emitter is heard under these keys as well, the first of them now if `turns`; the oldest are given up where there are too many.
    fn take_keys(&mut self, id: EmitterId, keys: Vec<CellKey>, turns: bool) {
        let Some(emitter) = self.emitters.get_mut(&id) else { return };
        let now = keys.first().copied().filter(|_| turns);
        for key in keys {
            if !emitter.keys().any(|known| known == key) {
                emitter.former.push(key);
                self.by_key.entry(key).or_default().push(id);
            }
        }
        now.into_iter().for_each(|key| emitter.turn_to(key));
        let excess = emitter.former.len().saturating_sub(MAX_FORMER);
        for key in emitter.former.drain(..excess) {
            if let Some(of_key) = self.by_key.get_mut(&key) {
                of_key.retain(|other| *other != id);
            }
        }
        self.by_key.retain(|_, ids| !ids.is_empty());
    }
}

impl Emitter {
    /// Every key that it was heard under.
    pub fn keys(&self) -> impl Iterator<Item = CellKey> {
        std::iter::once(self.key).chain(self.former.iter().copied())
    }

    /// It was heard under this one of its keys.
    pub(super) fn turn_to(&mut self, key: CellKey) {
        if let Some(place) = self.former.iter().position(|former| *former == key) {
            self.former[place] = std::mem::replace(&mut self.key, key);
        }
    }
}

/// Whether `emitter` is what `former` was before it changed its key.
fn follows(emitter: &Emitter, former: &Emitter, heard: &Heard<'_>) -> bool {
    if emitter.distinct.contains_key(&former.id) || emitter.keys().any(|key| former.keys().any(|other| other == key)) {
        return false;
    }
    let mut evidence = false;
    for (node, now) in &emitter.sightings {
        let Some(then) = former.sightings.get(node) else { continue };
        let at_node = if node == heard.node { heard.at } else { now.last };
        let left = then.last < now.first && at_node - then.last >= silence(then) && now.first - then.last <= FORGOTTEN;
        if !left || now.stream != then.stream {
            return false;
        }
        let counts_on = match (&then.timing, &now.timing) {
            (Some(then), Some(now)) => phase(then, now) == Relation::Same,
            _ => false,
        };
        match carrier(&Carrier::of(then), &Carrier::of(now)) {
            Relation::Different { .. } => return false,
            Relation::Same | Relation::Unknown => {}
        }
        evidence |= counts_on || (same_odd_carrier(then, now) && same_networks(emitter, former));
    }
    evidence
}

/// Both have one carrier error, and no licensed station would have it.
fn same_odd_carrier(then: &Sighting, now: &Sighting) -> bool {
    let odd = |relative: Option<RelativeCarrier>| {
        relative.is_some_and(|relative| relative.ppb.0.abs() - ODD_PPB > 2.0 * relative.sigma_ppb.0)
    };
    let sigma = then.carrier.sigma_ppb.0.hypot(now.carrier.sigma_ppb.0);
    let apart = (then.carrier.ppb.0 - now.carrier.ppb.0).abs();
    odd(then.relative) && odd(now.relative) && apart <= SAME_PPB + SIGMAS * sigma
}

/// What they said last names the same networks.
fn same_networks(a: &Emitter, b: &Emitter) -> bool {
    a.identity().zip(b.identity()).is_some_and(|(a, b)| !a.plmns.is_empty() && a.plmns == b.plmns)
}
