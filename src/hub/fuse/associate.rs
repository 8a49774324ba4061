//! Which emitter an observation belongs to; the module above says by which rules.

use super::carrier::relative;
use super::emitter::{
    Emitter, EmitterId, FindingRecord, Licence, Line, MAX_LINES, RelativeCarrier, SeenBlock, Separation, Sighting,
    drop_oldest,
};
use super::relate::{self, Absolute, Carrier, Relation, absolute, phase, phase_residual};
use super::{Change, Fuse, Heard};
use crate::observation::{FrameTiming, NodeId};
use crate::units::Timestamp;
use std::collections::BTreeMap;

/// Where an observation was found to belong.
struct Place {
    emitter: EmitterId,
    /// The frame phase it continues.
    line: Option<u32>,
}

/// Why an observation is not of an emitter.
struct Difference {
    emitter: EmitterId,
    what: &'static str,
    value: String,
    expected: String,
    /// Direct physical evidence, which no later agreement of names can overrule.
    lasting: bool,
}

impl Difference {
    fn into_separation(self, at: Timestamp) -> Separation {
        Separation { what: self.what.to_owned(), value: self.value, expected: self.expected, at }
    }
}

impl Fuse {
    /// Takes in one observation; says what changed, the emitter that was heard last in the list.
    pub fn observe(&mut self, heard: &Heard<'_>) -> Vec<Change> {
        let licensed = matches!(heard.licence, Licence::Listed { .. });
        let node = self.node_mut(heard.node);
        let relative = relative(node, heard.observation, heard.at);
        node.note_carrier(heard.observation, heard.at, licensed);
        if heard.observation.position.is_some() {
            node.position = heard.observation.position;
        }

        let mut changes = Vec::new();
        let place = match self.continue_phase(heard) {
            Some(place) => {
                self.split_interleaved(&place, heard, &mut changes);
                self.split_by_carrier(place, heard, relative, &mut changes)
            }
            None => self.choose(heard, relative, &mut changes),
        };
        let id = place.emitter;
        self.alter(id, |emitter| record(emitter, heard, relative, place.line));
        let id = self.join(id, heard.at, &mut changes);
        let id = self.succeed(id, heard, &mut changes);
        changes.push(Change::Heard(id));
        changes
    }

    /// The frame phase of the same node and stream that this observation continues best.
    fn continue_phase(&self, heard: &Heard<'_>) -> Option<Place> {
        let now = heard.observation.timing.as_ref()?;
        let mut best: Option<(f64, Place)> = None;
        for id in self.by_key.get(&heard.observation.cell)? {
            let Some(sighting) = self.emitters.get(id).and_then(|emitter| emitter.sightings.get(heard.node)) else {
                continue;
            };
            for line in sighting.lines.iter().filter(|line| line.stream == heard.observation.receiver.stream) {
                let (then, now) = in_order(&line.timing, now);
                if phase(then, now) != Relation::Same {
                    continue;
                }
                let Some(residual) = phase_residual(then, now) else { continue };
                let misfit = (residual.ns / residual.sigma_ns).abs();
                if best.as_ref().is_none_or(|(least, _)| misfit < *least) {
                    best = Some((misfit, Place { emitter: *id, line: Some(line.number) }));
                }
            }
        }
        best.map(|(_, place)| place)
    }

    /// An earlier phase is heard again after a later one began: the later one is another transmitter, not a restart.
    fn split_interleaved(&mut self, place: &Place, heard: &Heard<'_>, changes: &mut Vec<Change>) {
        let Some(emitter) = self.emitters.get(&place.emitter) else { return };
        let Some(sighting) = emitter.sightings.get(heard.node) else { return };
        let Some(resumed) = sighting.lines.iter().find(|line| Some(line.number) == place.line) else { return };
        let stream = &heard.observation.receiver.stream;
        let later = |line: &&Line| {
            line.number != resumed.number && line.stream == *stream && line.first > resumed.last && line.last < heard.at
        };
        let Some(other) = sighting.lines.iter().rfind(later).cloned() else { return };
        let (then, now) = in_order(&resumed.timing, &other.timing);
        let value = phase_residual(then, now).map_or_else(String::new, |residual| describe_phase(residual.ns));
        let separation = Separation {
            what: "frame timing, against counting frames on from the other transmitter's, one stream".to_owned(),
            value,
            expected: "0: one transmitter keeps one frame phase; here two take turns".to_owned(),
            at: heard.at,
        };
        self.split_off(place.emitter, heard, &other, separation, changes);
    }

    /// A node that joined before it had a carrier reference now has one, and it says another transmitter: its phase moves out.
    fn split_by_carrier(
        &mut self,
        place: Place,
        heard: &Heard<'_>,
        relative: Option<RelativeCarrier>,
        changes: &mut Vec<Change>,
    ) -> Place {
        let Some(emitter) = self.emitters.get(&place.emitter) else { return place };
        let others = emitter.sightings.values().filter(|sighting| sighting.node != *heard.node);
        let Some(difference) = differ_by_carrier(emitter.id, others.collect(), heard, relative) else { return place };
        let lines = emitter.sightings.get(heard.node).map_or(&[][..], |sighting| &sighting.lines);
        let Some(line) = lines.iter().find(|line| Some(line.number) == place.line).cloned() else { return place };
        let separation = difference.into_separation(heard.at);
        let emitter = self.split_off(place.emitter, heard, &line, separation, changes);
        Place { emitter, line: Some(0) }
    }

    /// Moves one phase of one node, with what came on it, to a new emitter; `separation` is worded from the new one's side.
    fn split_off(
        &mut self,
        from: EmitterId,
        heard: &Heard<'_>,
        line: &Line,
        separation: Separation,
        changes: &mut Vec<Change>,
    ) -> EmitterId {
        let new = self.create(heard.observation.cell, line.first, changes);
        let moved = self.alter(from, |emitter| take_line(emitter, heard.node, line)).flatten();
        self.alter(new, |emitter| {
            emitter.last = line.last;
            emitter.lines = 1;
            emitter.licence = heard.licence.clone();
            if let Some(moved) = moved {
                emitter.observations = moved.sighting.count;
                emitter.blocks = moved.blocks;
                emitter.findings = moved.findings;
                emitter.sightings.insert(heard.node.clone(), moved.sighting);
            }
            if let Some(identity) = &line.identity {
                emitter.note_identity(identity, line.last);
            }
        });
        self.part(new, from, separation);
        changes.push(Change::Split { from, new });
        new
    }

    /// No phase continues: carrier, absolute timing and identity decide, or a new emitter is made.
    fn choose(&mut self, heard: &Heard<'_>, relative: Option<RelativeCarrier>, changes: &mut Vec<Change>) -> Place {
        let key = heard.observation.cell;
        let mut differences = Vec::new();
        let mut best: Option<((bool, bool, Timestamp), EmitterId)> = None;
        for id in self.by_key.get(&key).into_iter().flatten() {
            let Some(emitter) = self.emitters.get(id) else { continue };
            if let Some(difference) = differ(emitter, heard, relative) {
                differences.push(difference);
                continue;
            }
            let identified = heard.observation.identity.as_ref().is_some_and(|identity| emitter.claims(identity));
            let rank = (identified, emitter.sightings.contains_key(heard.node), emitter.last);
            if best.as_ref().is_none_or(|(least, _)| rank > *least) {
                best = Some((rank, *id));
            }
        }
        if let Some((_, id)) = best {
            return Place { emitter: id, line: None };
        }
        let id = self.create(key, heard.at, changes);
        for difference in differences.into_iter().filter(|difference| difference.lasting) {
            let other = difference.emitter;
            self.part(id, other, difference.into_separation(heard.at));
        }
        Place { emitter: id, line: None }
    }

    /// Remembers that two emitters are two; `separation` is worded from the side of `a`.
    fn part(&mut self, a: EmitterId, b: EmitterId, separation: Separation) {
        if !self.emitters.contains_key(&b) {
            return;
        }
        let mirrored =
            Separation { value: separation.expected.clone(), expected: separation.value.clone(), ..separation.clone() };
        let one_sided = separation.what.starts_with("frame timing");
        self.alter(b, |emitter| emitter.distinct.insert(a, if one_sided { separation.clone() } else { mirrored }));
        self.alter(a, |emitter| emitter.distinct.insert(b, separation));
    }

    /// Joins emitters that share an identity with `id` and that carrier or timing now show to be the same.
    fn join(&mut self, id: EmitterId, at: Timestamp, changes: &mut Vec<Change>) -> EmitterId {
        let Some(emitter) = self.emitters.get(&id) else { return id };
        let others = self.by_key.get(&emitter.key).into_iter().flatten().filter(|other| **other != id);
        let twin = others
            .filter_map(|other| self.emitters.get(other))
            .find(|other| {
                !emitter.distinct.contains_key(&other.id) && emitter.shares_identity(other) && agree(emitter, other, at)
            })
            .map(|other| other.id);
        let Some(twin) = twin else { return id };
        self.unite(id, twin, changes)
    }
}

fn in_order<'a>(a: &'a FrameTiming, b: &'a FrameTiming) -> (&'a FrameTiming, &'a FrameTiming) {
    if a.at_ns <= b.at_ns { (a, b) } else { (b, a) }
}

/// A phase in the words of the standard: whole TDMA frames and the rest modulo the 51-multiframe of 3060/13 ms.
fn describe_phase(ns: f64) -> String {
    let multiframe = 3_060e6 / 13.0;
    format!("{:.3} ms off ({:.3} ms modulo the 51-multiframe)", ns * 1e-6, ns.rem_euclid(multiframe) * 1e-6)
}

/// The first feature that shows the observation to be of another transmitter than `emitter`.
fn differ(emitter: &Emitter, heard: &Heard<'_>, relative: Option<RelativeCarrier>) -> Option<Difference> {
    let observation = heard.observation;
    let (own, mut others): (Vec<&Sighting>, Vec<&Sighting>) =
        emitter.sightings.values().partition(|sighting| sighting.node == *heard.node);
    others.sort_by_key(|sighting| std::cmp::Reverse(sighting.last));
    let by_carrier = differ_by_carrier(emitter.id, own, heard, relative)
        .or_else(|| differ_by_carrier(emitter.id, others.clone(), heard, relative));
    if by_carrier.is_some() {
        return by_carrier;
    }
    if let Some(mine) = Absolute::of_observation(observation, heard.at) {
        let others = others.iter().filter_map(|sighting| Absolute::of(sighting));
        let decided = others.map(|theirs| absolute(&theirs, &mine)).find(|relation| *relation != Relation::Unknown);
        if let Some(Relation::Different { difference, threshold }) = decided {
            return Some(Difference {
                emitter: emitter.id,
                what: "absolute frame timing",
                value: describe_phase(difference),
                expected: format!("at most {:.3} ms", threshold * 1e-6),
                lasting: false,
            });
        }
    }
    let identity = observation.identity.as_ref().filter(|identity| identity.cell_id.is_some())?;
    let known = emitter.identities.iter().any(|seen| seen.identity.cell_id.is_some());
    (known && !emitter.claims(identity)).then(|| Difference {
        emitter: emitter.id,
        what: "identity",
        value: String::new(),
        expected: String::new(),
        lasting: false,
    })
}

/// Compares the carrier with the freshest of `others` that allows a comparison.
fn differ_by_carrier(
    emitter: EmitterId,
    mut others: Vec<&Sighting>,
    heard: &Heard<'_>,
    relative: Option<RelativeCarrier>,
) -> Option<Difference> {
    let observation = heard.observation;
    let mine = Carrier {
        node: heard.node.as_str(),
        stream: &observation.receiver.stream,
        at: heard.at,
        measured: (observation.carrier.ppb.0, observation.carrier.sigma_ppb.0.abs()),
        relative: relative.map(|relative| (relative.ppb.0, relative.sigma_ppb.0)),
    };
    others.sort_by_key(|sighting| std::cmp::Reverse(sighting.last));
    let mut compared = others.into_iter().map(Carrier::of).map(|theirs| (theirs, relate::carrier(&theirs, &mine)));
    let (theirs, relation) = compared.find(|(_, relation)| *relation != Relation::Unknown)?;
    let Relation::Different { difference, threshold } = relation else { return None };
    let one_clock = theirs.node == mine.node && theirs.stream == mine.stream;
    let show = |carrier: &Carrier<'_>| {
        let (ppb, sigma) = carrier.relative.filter(|_| !one_clock).unwrap_or(carrier.measured);
        format!("{ppb:+.0} ± {sigma:.0} ppb at {}", carrier.node)
    };
    Some(Difference {
        emitter,
        what: if one_clock { "carrier error, one clock" } else { "carrier error relative to the node's other cells" },
        value: show(&mine),
        expected: format!("{} (differs by {difference:.0}, one transmitter by at most {threshold:.0})", show(&theirs)),
        lasting: true,
    })
}

/// Two emitters that share an identity: some feature says they are one, and none says they are two.
fn agree(a: &Emitter, b: &Emitter, at: Timestamp) -> bool {
    // Only what is fresh is compared; relate's own limits on age apply within each pair.
    let fresh = |emitter: &Emitter| -> Vec<Sighting> {
        emitter.sightings.values().filter(|sighting| (at - sighting.last).as_secs_f64() <= 600.0).cloned().collect()
    };
    let (of_a, of_b) = (fresh(a), fresh(b));
    let mut same = false;
    for x in &of_a {
        for y in &of_b {
            let one_stream = x.node == y.node && x.stream == y.stream;
            let timing = match (Absolute::of(x), Absolute::of(y)) {
                _ if one_stream => Relation::Unknown,
                (Some(x), Some(y)) => absolute(&x, &y),
                _ => Relation::Unknown,
            };
            for relation in [relate::carrier(&Carrier::of(x), &Carrier::of(y)), timing] {
                match relation {
                    Relation::Same => same = true,
                    Relation::Different { .. } => return false,
                    Relation::Unknown => {}
                }
            }
        }
    }
    same
}

/// Writes an observation into its emitter.
fn record(emitter: &mut Emitter, heard: &Heard<'_>, relative: Option<RelativeCarrier>, line: Option<u32>) {
    let observation = heard.observation;
    let newest = heard.at >= emitter.last;
    emitter.first = emitter.first.min(heard.at);
    emitter.last = emitter.last.max(heard.at);
    emitter.observations += 1;
    emitter.channel = observation.channel().or(emitter.channel);
    emitter.turn_to(observation.cell);
    if newest && observation.identity.is_some() {
        emitter.licence = heard.licence.clone();
    }
    if let Some(identity) = &observation.identity {
        emitter.note_identity(identity, heard.at);
    }
    emitter.note_blocks(observation, heard.node, heard.at);
    if line.is_none() {
        emitter.note_restart(heard);
    }
    emitter.make_room_for(heard.node);
    let next_line = emitter.lines;
    let sighting = emitter.sightings.entry(heard.node.clone()).or_insert_with(|| Sighting {
        node: heard.node.clone(),
        position: observation.position,
        clock: observation.clock,
        stream: observation.receiver.stream.clone(),
        first: heard.at,
        last: heard.at,
        followed: observation.at_ns - observation.first_ns,
        count: 0,
        level: observation.level,
        snr_db: observation.snr_db,
        carrier: observation.carrier,
        relative,
        timing: observation.timing,
        bearing: observation.bearing,
        passed: Vec::new(),
        anchor: None,
        content: observation.content_sha256.clone(),
        lines: Vec::new(),
    });
    sighting.count += 1;
    sighting.first = sighting.first.min(heard.at);
    if heard.at >= sighting.last {
        sighting.pass(observation);
        sighting.last = heard.at;
        sighting.followed = observation.at_ns - observation.first_ns;
        sighting.position = observation.position.or(sighting.position);
        sighting.clock = observation.clock;
        if sighting.stream != observation.receiver.stream {
            // A frame timed on another sample clock says nothing on this one.
            sighting.timing = None;
            sighting.stream.clone_from(&observation.receiver.stream);
        }
        sighting.level = observation.level;
        sighting.snr_db = observation.snr_db;
        sighting.carrier = observation.carrier;
        sighting.relative = relative;
        sighting.timing = observation.timing.or(sighting.timing);
        sighting.bearing = observation.bearing;
        if observation.content_sha256.is_some() {
            sighting.content.clone_from(&observation.content_sha256);
        }
    }
    let mut of_finding = line;
    if let Some(timing) = observation.timing {
        match sighting.lines.iter_mut().find(|known| Some(known.number) == line) {
            Some(known) => {
                if timing.at_ns >= known.timing.at_ns {
                    known.timing = timing;
                }
                known.first = known.first.min(heard.at);
                known.last = known.last.max(heard.at);
                known.identity = observation.identity.clone().or(known.identity.take());
            }
            None => {
                sighting.lines.push(Line {
                    number: next_line,
                    stream: observation.receiver.stream.clone(),
                    timing,
                    first: heard.at,
                    last: heard.at,
                    identity: observation.identity.clone(),
                });
                drop_oldest(&mut sighting.lines, MAX_LINES, |line| line.last);
                of_finding = Some(next_line);
                emitter.lines += 1;
            }
        }
    }
    if let Some((finding, origin)) = heard.finding {
        emitter.note_finding(finding, origin, heard.at, of_finding);
    }
}

/// What moves to a new emitter when one proves to be two.
struct Moved {
    sighting: Sighting,
    findings: BTreeMap<String, FindingRecord>,
    blocks: Vec<SeenBlock>,
}

/// Takes the phase `line` of one node out of `emitter`, with the findings and broadcast contents that came on it.
fn take_line(emitter: &mut Emitter, node: &NodeId, line: &Line) -> Option<Moved> {
    let sighting = emitter.sightings.get_mut(node)?;
    let mut moved = sighting.clone();
    sighting.lines.retain(|known| known.number != line.number);
    moved.lines = vec![Line { number: 0, ..line.clone() }];
    moved.first = line.first;
    moved.last = line.last;
    moved.timing = Some(line.timing);
    if sighting.lines.is_empty() {
        emitter.sightings.remove(node);
    } else {
        moved.count = 1;
    }

    let (findings, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
        std::mem::take(&mut emitter.findings).into_iter().partition(|(_, record)| record.line == Some(line.number));
    emitter.findings = kept;
    let findings =
        findings.into_iter().map(|(rule, record)| (rule, FindingRecord { line: Some(0), ..record })).collect();

    // Contents and identities first heard while this phase lasted came with it, unless another phase carries them as well.
    let (blocks, kept) = std::mem::take(&mut emitter.blocks)
        .into_iter()
        .partition(|block| block.node == *node && block.first >= line.first && block.first <= line.last);
    emitter.blocks = kept;
    let mut remaining = emitter.sightings.values().flat_map(|sighting| &sighting.lines);
    if let Some(identity) = line.identity.as_ref().filter(|_| !remaining.any(|known| known.identity == line.identity)) {
        emitter.identities.retain(|seen| seen.identity != *identity || seen.first < line.first);
    }
    Some(Moved { sighting: moved, findings, blocks })
}
