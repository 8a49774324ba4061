//! From the emitters to a solver's problem: the newest observation of every node that hears the suspect, and of the licensed cells that
//! serve as the clock where a node has no time of its own.

use super::timekeeping::{Timekeeping, name};
use super::way::Way;
use super::{Atlas, PlaceConfig};
use crate::cell::CellKey;
use crate::hub::fuse::{Emitter, EmitterId, Fuse, Licence, Sighting};
use crate::locate::gather::{Heard, Options, Suspect, suspects_by};
use crate::observation::{Clock, ClockSource, NodeId, Observation, Position, ReceiverState};
use crate::units::{Nanos, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Licensed cells that one problem uses at most. Chosen: the noise of a difference against K cells falls as `1 + 1/K`, so eight leave 12 %
/// over none, and elimination costs the third power.
const MAX_REFERENCES: usize = 8;
/// Licensed cells that each node should have before more are taken.
const ENOUGH: usize = 3;
/// Nodes that do not hear the suspect and only link clocks of those that do.
const MAX_BRIDGES: usize = 8;

/// A problem with what it was made of.
#[derive(Debug)]
pub(super) struct Inputs {
    pub suspect: Suspect,
    /// The register's numbers of the licensed cells in it.
    pub clocks: Vec<String>,
}

/// Licensed cells at known sites that nothing speaks against.
#[derive(Debug)]
pub(super) struct References<'a> {
    by_node: BTreeMap<&'a NodeId, Vec<&'a Emitter>>,
}

impl<'a> References<'a> {
    /// Those of `fuse`. A cell that has a twin, or that was found off its site, is no clock.
    pub fn new(fuse: &'a Fuse, atlas: &Atlas, off_site: &BTreeSet<EmitterId>) -> References<'a> {
        let mut by_node: BTreeMap<&NodeId, Vec<&Emitter>> = BTreeMap::new();
        for emitter in fuse.emitters() {
            let Licence::Listed { register_id, .. } = &emitter.licence else { continue };
            let trusted = atlas.site(register_id).is_some()
                && !off_site.contains(&emitter.id)
                && fuse.twins(emitter.id).is_empty();
            if trusted {
                for node in emitter.sightings.keys() {
                    by_node.entry(node).or_default().push(emitter);
                }
            }
        }
        References { by_node }
    }

    /// Those that a node hears.
    pub fn of(&self, node: &NodeId) -> &[&'a Emitter] {
        self.by_node.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    /// The cells that `least` of `nodes` hear and that give the most of them a clock: always the one that helps most of those that have least.
    fn choose(
        &self,
        nodes: &BTreeSet<&NodeId>,
        not: CellKey,
        least: usize,
        serves: impl Fn(&Emitter, &Sighting) -> bool,
    ) -> Vec<&'a Emitter> {
        let mut hearers: BTreeMap<EmitterId, (&'a Emitter, Vec<&NodeId>)> = BTreeMap::new();
        for node in nodes {
            for &emitter in self.of(node) {
                let serves = |s: &Sighting| s.timing.is_some() && serves(emitter, s);
                if emitter.key != not && emitter.sightings.get(*node).is_some_and(serves) {
                    hearers.entry(emitter.id).or_insert((emitter, Vec::new())).1.push(node);
                }
            }
        }
        let mut have: BTreeMap<&NodeId, usize> = BTreeMap::new();
        let (mut chosen, mut taken) = (Vec::new(), BTreeSet::new());
        while chosen.len() < MAX_REFERENCES {
            let gain = |nodes: &[&NodeId]| -> usize {
                nodes.iter().map(|node| ENOUGH.saturating_sub(have.get(node).copied().unwrap_or(0))).sum()
            };
            let next = hearers
                .iter()
                .filter(|(id, (_, heard_by))| !taken.contains(*id) && heard_by.len() >= least)
                .max_by_key(|(id, (_, heard_by))| (gain(heard_by), heard_by.len(), std::cmp::Reverse(**id)));
            let Some((emitter, heard_by)) = next.map(|(_, entry)| entry).filter(|(_, nodes)| gain(nodes) > 0) else {
                break;
            };
            taken.insert(emitter.id);
            heard_by.iter().for_each(|node| *have.entry(node).or_insert(0) += 1);
            chosen.push(*emitter);
        }
        chosen
    }
}

/// The problem of one emitter; `None` where nothing of it is fresh. Of one that is `standing`, nodes in vehicles say what they heard on
/// their way.
pub(super) fn inputs(
    emitter: &Emitter,
    references: &References<'_>,
    time: &Timekeeping,
    atlas: &Atlas,
    config: &PlaceConfig,
    standing: bool,
) -> Option<Inputs> {
    let since = emitter.last - config.window;
    let fresh = move |sighting: &Sighting| sighting.last >= since;
    let serves = |emitter: &Emitter, s: &Sighting| fresh(s) && time.trusts(emitter, s.last);
    // A licensed cell that jumped is placed by what was read since.
    let since_jump = |s: &Sighting| !time.phases().began_after(name(emitter), s.last);
    let own: Vec<&Sighting> = emitter.sightings.values().filter(|s| fresh(s) && since_jump(s)).collect();
    let present = |s: &Sighting| Observation { timing: emitter.present_timing(s), ..observation(emitter.key, s) };
    let mut lines: Vec<(&NodeId, Observation)> = own.iter().map(|s| (&s.node, present(s))).collect();
    let way = Way::of(emitter, &own, standing);
    lines.extend(way.observations(emitter));
    let mut sites: BTreeMap<CellKey, Position> = BTreeMap::new();
    let mut clocks = Vec::new();

    let ground_m = config.ground_m.unwrap_or_else(|| mean_height(&own));
    let timed = own.iter().filter(|s| s.position.is_some() && emitter.present_timing(s).is_some());
    if timed.clone().any(|s| !disciplined(&s.clock)) {
        let nodes: BTreeSet<&NodeId> = timed.map(|s| &s.node).collect();
        // A cell that one node hears at one place gives it no clock in common with anything.
        let least = if way.is_empty() { 2 } else { 1 };
        let chosen = references.choose(&nodes, emitter.key, least, serves);
        let linked = one_group(&nodes, &own, &chosen);
        for licensed in chosen {
            let Licence::Listed { register_id, .. } = &licensed.licence else { continue };
            let Some(site) = atlas.site(register_id) else { continue };
            sites.insert(name(licensed), site.position(ground_m));
            clocks.push(register_id.clone());
            let mut bridges = 0;
            for sighting in licensed.sightings.values().filter(|s| serves(licensed, s)) {
                let helps = nodes.contains(&sighting.node) || (!linked && bridges < MAX_BRIDGES);
                bridges += usize::from(helps && !nodes.contains(&sighting.node));
                if helps {
                    lines.push((&sighting.node, observation(name(licensed), sighting)));
                }
            }
            lines.extend(way.references(licensed, name(licensed), |read| time.trusts(licensed, read)));
        }
    }
    let heard: Vec<Heard<'_>> = lines.iter().map(|(node, observation)| Heard { node, observation }).collect();
    let options = Options { height_m: config.ground_m.map(|ground| (ground, 0.0)), ..config.options };
    let site_of = |observation: &Observation| sites.get(&observation.cell).copied();
    let found = suspects_by(&heard, site_of, Some(time.phases()), &options);
    let suspect = found.into_iter().find(|suspect| suspect.cell == emitter.key)?;
    Some(Inputs { suspect, clocks })
}

fn disciplined(clock: &Clock) -> bool {
    clock.locked && matches!(clock.source, ClockSource::GnssPps | ClockSource::Gpsdo)
}

/// Whether all clocks of `nodes` hang together, by the time or by common licensed cells.
fn one_group(nodes: &BTreeSet<&NodeId>, own: &[&Sighting], chosen: &[&Emitter]) -> bool {
    let Some(first) = nodes.first() else { return true };
    let mut group: BTreeSet<&NodeId> = BTreeSet::from([*first]);
    let time = |node: &NodeId| own.iter().any(|s| s.node == *node && disciplined(&s.clock));
    loop {
        let before = group.len();
        if group.iter().any(|node| time(node)) {
            group.extend(nodes.iter().filter(|node| time(node)));
        }
        for cell in chosen {
            if cell.sightings.keys().any(|node| group.contains(node)) {
                group.extend(nodes.iter().filter(|node| cell.sightings.contains_key(**node)));
            }
        }
        if group.len() == before {
            return group.len() == nodes.len();
        }
    }
}

fn mean_height(own: &[&Sighting]) -> f64 {
    let heights: Vec<f64> = own.iter().filter_map(|s| s.position?.height_m).collect();
    if heights.is_empty() { 0.0 } else { heights.iter().sum::<f64>() / heights.len() as f64 }
}

/// What of a sighting says where the transmitter is.
pub(super) fn observation(cell: CellKey, sighting: &Sighting) -> Observation {
    Observation {
        at_ns: sighting.last,
        first_ns: sighting.last - sighting.followed,
        clock: sighting.clock,
        position: sighting.position,
        cell,
        identity: None,
        level: sighting.level,
        snr_db: sighting.snr_db,
        carrier: sighting.carrier,
        timing: sighting.timing,
        bearing: sighting.bearing,
        broadcast: Vec::new(),
        fields: None,
        content_sha256: None,
        receiver: ReceiverState { stream: sighting.stream.clone(), ..ReceiverState::default() },
    }
}

/// The newest of an emitter's observations, and how many places it is heard at.
pub(super) fn newest(emitter: &Emitter, window: Nanos) -> (Timestamp, usize) {
    let fresh = emitter.sightings.values().filter(|s| s.last >= emitter.last - window);
    (emitter.last, fresh.map(|s| 1 + s.before().count()).sum())
}

/// The oldest of the observations that go into a fix; places on a vehicle's way count if they were used.
pub(super) fn oldest(emitter: &Emitter, window: Nanos) -> Timestamp {
    let own: Vec<&Sighting> = emitter.sightings.values().filter(|s| s.last >= emitter.last - window).collect();
    let way = Way::of(emitter, &own, true);
    own.iter().map(|s| s.last).chain(way.oldest()).min().unwrap_or(emitter.last)
}
