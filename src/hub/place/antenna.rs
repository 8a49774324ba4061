//! What levels say of a licensed cell: whether it is stronger beyond the border than its registered antenna explains, and whether that
//! antenna looks where the register says. Both are administrative matters, never a false base station.
//!
//! What a level should be is the registered power, the pattern of a sector antenna in the registered direction, and the path loss that the
//! node has learned from the other licensed cells that it hears ([`crate::locate::pathloss`]). A node without levels in dBm, or with fewer
//! than [`LEAST_SAMPLES`] such cells, says nothing. Weather carries signals far for hours (ducting): only what stands for a tenth of a
//! day counts.
//!
//! ## References
//! - 3GPP TR 36.942 Release 17, clause 4.2.1: pattern of a sector antenna, 65 degrees, 20 dB

use super::atlas::{Atlas, Site};
use super::inputs::References;
use super::record::metres_between;
use crate::hub::fuse::{Emitter, Licence, Sighting};
use crate::locate::country::Border;
use crate::locate::pathloss::{LevelSample, PathLoss};
use crate::observation::{NodeId, Position};
use crate::units::{Db, Nanos, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Half-power width of the antenna, degrees, and how much less it radiates backwards, dB.
const PATTERN: (f64, f64) = (65.0, 20.0);
/// Licensed cells that a node must hear beside the one that is asked about for its path loss to be known.
pub const LEAST_SAMPLES: usize = 6;
/// A level above what is explained by so many standard deviations, and by so many dB, is not explained.
const EXCESS: (f64, f64) = (3.0, 10.0);
/// Slots of a day, and how long one is: a tenth of the day is the share that reference rules RF-12 and XB-01 ask for.
const SLOT: Nanos = Nanos::from_secs(600);
const SLOTS: i64 = 144;
const SHARE: usize = 15;
/// A node so far beyond the line hears what is no edge of coverage: 2 km in the country; precedent of reference rule XB-01.
const DEEP_M: f64 = 2_000.0;
/// And a telephone there would take the cell for its best.
const STRONG_DBM: f64 = -75.0;
/// Nodes that must agree that an antenna looks elsewhere.
const LEAST_NODES: usize = 4;
/// The fit of another direction must be better by this (chi-square), and the direction away by this.
const TURNED: (f64, f64) = (25.0, 60.0);
/// What the registered power may be off, one standard deviation, dB.
const POWER_SIGMA_DB: f64 = 6.0;
/// A level older than this before the emitter's newest does not count.
const FRESH: Nanos = Nanos::from_secs(150);

/// How a node beyond the border hears the cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Across {
    /// The node.
    pub node: NodeId,
    /// The country it stands in, by the border file.
    pub country: String,
    /// How far beyond the line, metres.
    pub depth_m: f64,
    /// The level there, dBm.
    pub level_dbm: f64,
    /// What the registered antenna explains, with one standard deviation; `None`: that is not known.
    pub explained_dbm: Option<[f64; 2]>,
}

/// An antenna that looks elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turned {
    /// Where it should look, degrees clockwise from north.
    pub registered_deg: f64,
    /// Where it looks by the levels.
    pub found_deg: f64,
    /// How much better that fits (chi-square).
    pub better: f64,
    /// By how many nodes.
    pub nodes: u32,
    /// Studies in a row that say so.
    pub in_a_row: u32,
}

/// What levels say of a licensed cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// Slots of the last day in which it was stronger beyond the border than explained, ascending.
    over: Vec<i64>,
    /// Slots in which it was strong deep beyond the border.
    deep: Vec<i64>,
    /// The node that hears it strongest, of those behind `over`; and of those behind `deep`.
    pub worst: [Option<Across>; 2],
    /// Its antenna looks elsewhere.
    pub turned: Option<Turned>,
}

impl Levels {
    /// It was stronger than explained for a tenth of the day.
    pub fn spills(&self) -> Option<&Across> {
        self.worst[0].as_ref().filter(|_| self.over.len() >= SHARE)
    }

    /// It was strong deep beyond the border for a tenth of the day.
    pub fn reaches_deep(&self) -> Option<&Across> {
        self.worst[1].as_ref().filter(|_| self.deep.len() >= SHARE)
    }

    /// Levels say for the third time that the antenna looks elsewhere.
    pub fn turned(&self) -> Option<&Turned> {
        self.turned.as_ref().filter(|turned| turned.in_a_row >= 3)
    }

    /// There is something to tell.
    pub fn stands(&self) -> bool {
        self.spills().is_some() || self.reaches_deep().is_some() || self.turned().is_some()
    }
}

/// What each node has learned of path loss, worked out when it is first asked for.
#[derive(Debug)]
pub(super) struct Losses<'a> {
    atlas: &'a Atlas,
    known: BTreeMap<NodeId, PathLoss>,
}

impl<'a> Losses<'a> {
    pub fn new(atlas: &'a Atlas) -> Losses<'a> {
        Losses { atlas, known: BTreeMap::new() }
    }

    /// Of a node; `None` where it hears too few licensed cells in dBm.
    pub fn of(&mut self, node: &NodeId, references: &References<'_>) -> Option<&PathLoss> {
        if !self.known.contains_key(node) {
            let sample = |emitter: &&Emitter| {
                let Licence::Listed { register_id, .. } = &emitter.licence else { return None };
                let (site, sighting) = (self.atlas.site(register_id)?, emitter.sightings.get(node)?);
                let (distance_m, bearing_deg) = path(site, &sighting.position?);
                let power = site.eirp_dbm? - pattern_db(site.azimuth_deg.map(f64::from), bearing_deg);
                Some(LevelSample { distance_m, gain: Db(sighting.level.dbm?.0 - power) })
            };
            let samples: Vec<LevelSample> = references.of(node).iter().filter_map(sample).collect();
            self.known.insert(node.clone(), PathLoss::learn(&samples));
        }
        self.known.get(node).filter(|loss| loss.samples > LEAST_SAMPLES)
    }

    /// Of these nodes.
    pub fn of_all(&mut self, nodes: &[NodeId], references: &References<'_>) -> BTreeMap<NodeId, PathLoss> {
        nodes.iter().filter_map(|node| Some((node.clone(), *self.of(node, references)?))).collect()
    }
}

/// Metres from a site to a node, and the direction, degrees clockwise from north.
fn path(site: &Site, node: &Position) -> (f64, f64) {
    let north = node.lat_deg - site.lat_deg;
    let east = (node.lon_deg - site.lon_deg) * site.lat_deg.to_radians().cos();
    (metres_between(site.lat_deg, site.lon_deg, node.lat_deg, node.lon_deg), east.atan2(north).to_degrees())
}

/// How much less a sector antenna radiates in a direction than in its own; 0 for one that has none.
fn pattern_db(azimuth_deg: Option<f64>, bearing_deg: f64) -> f64 {
    let Some(azimuth) = azimuth_deg else { return 0.0 };
    let off = (bearing_deg - azimuth + 180.0).rem_euclid(360.0) - 180.0;
    (12.0 * (off / PATTERN.0).powi(2)).min(PATTERN.1)
}

/// A level of the cell with what the register says that it should be without the antenna's pattern.
struct Heard<'a> {
    sighting: &'a Sighting,
    dbm: f64,
    bearing_deg: f64,
    /// The level in the middle of the beam, and one standard deviation of it and of the level.
    beam: Option<(f64, f64)>,
}

/// Studies the levels of a licensed emitter at its site.
pub(super) fn study(
    emitter: &Emitter,
    site: &Site,
    losses: &mut Losses<'_>,
    references: &References<'_>,
    before: Option<&Levels>,
    at: Timestamp,
) -> Option<Levels> {
    let mut levels = before.cloned().unwrap_or_default();
    let slot = at.0.div_euclid(SLOT.0);
    for slots in [&mut levels.over, &mut levels.deep] {
        slots.retain(|old| *old > slot - SLOTS && *old <= slot);
    }
    let fresh = emitter.sightings.values().filter(|s| s.last >= emitter.last - FRESH);
    let heard: Vec<Heard<'_>> = fresh
        .filter_map(|sighting| {
            let (dbm, position) = (sighting.level.dbm?.0, sighting.position?);
            let (distance_m, bearing_deg) = path(site, &position);
            let beam = site.eirp_dbm.zip(losses.of(&sighting.node, references)).map(|(eirp, loss)| {
                let (loss_db, sigma) = loss.at(distance_m);
                let all = sigma.0.hypot(loss.shadowing.0).hypot(sighting.level.sigma_db.0);
                (eirp - loss_db.0, all)
            });
            Some(Heard { sighting, dbm, bearing_deg, beam })
        })
        .collect();
    if let Some(border) = losses.atlas.border() {
        across(&mut levels, site, &heard, border, slot);
    }
    levels.turned = turned(site, &heard, levels.turned.as_ref());
    (levels != Levels::default()).then_some(levels)
}

fn across(levels: &mut Levels, site: &Site, heard: &[Heard<'_>], border: &Border, slot: i64) {
    let Some(own) = border.country(&site.position(0.0)) else { return };
    for one in heard {
        let Some(position) = one.sighting.position else { continue };
        let Some(country) = border.country(&position).filter(|country| *country != own) else { continue };
        let depth_m = border.distance_m(&position);
        // The line itself is not surer than this.
        if depth_m <= 2.0 * border.accuracy_m {
            continue;
        }
        let pattern = pattern_db(site.azimuth_deg.map(f64::from), one.bearing_deg);
        let explained = one.beam.map(|(beam, sigma)| [beam - pattern, sigma]);
        let over = explained.is_some_and(|[dbm, sigma]| one.dbm - dbm > EXCESS.1.max(EXCESS.0 * sigma));
        let deep = depth_m >= DEEP_M && one.dbm >= STRONG_DBM;
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        let found = Across {
            node: one.sighting.node.clone(),
            country: country.to_owned(),
            depth_m: depth_m.round(),
            level_dbm: tenth(one.dbm),
            explained_dbm: explained.map(|both| both.map(tenth)),
        };
        for (kind, holds) in [over, deep].into_iter().enumerate() {
            if !holds {
                continue;
            }
            let slots = if kind == 0 { &mut levels.over } else { &mut levels.deep };
            if slots.last() != Some(&slot) {
                slots.push(slot);
            }
            let worst = &mut levels.worst[kind];
            if worst.as_ref().is_none_or(|known| known.node == found.node || found.level_dbm > known.level_dbm) {
                *worst = Some(found.clone());
            }
        }
    }
}

/// The direction that explains the levels best, where the registered one does not.
fn turned(site: &Site, heard: &[Heard<'_>], before: Option<&Turned>) -> Option<Turned> {
    let registered = f64::from(site.azimuth_deg?);
    let rows: Vec<(f64, f64, f64)> =
        heard.iter().filter_map(|one| one.beam.map(|(beam, sigma)| (one.bearing_deg, one.dbm - beam, sigma))).collect();
    let directions: BTreeSet<i64> = rows.iter().map(|row| (row.0 / 30.0).round() as i64).collect();
    if rows.len() < LEAST_NODES || directions.len() < 3 {
        return None;
    }
    // The power's error is common to all and is fitted with its prior.
    let cost = |azimuth: f64| {
        let off = |row: &(f64, f64, f64)| row.1 + pattern_db(Some(azimuth), row.0);
        let info: f64 = rows.iter().map(|row| row.2.powi(-2)).sum::<f64>() + POWER_SIGMA_DB.powi(-2);
        let power = rows.iter().map(|row| off(row) * row.2.powi(-2)).sum::<f64>() / info;
        rows.iter().map(|row| ((off(row) - power) / row.2).powi(2)).sum::<f64>() + (power / POWER_SIGMA_DB).powi(2)
    };
    let all = (0..72).map(|i| 5.0 * f64::from(i)).map(|azimuth| (cost(azimuth), azimuth));
    let (least, found_deg) = all.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let better = cost(registered) - least;
    let away = ((found_deg - registered + 180.0).rem_euclid(360.0) - 180.0).abs();
    (better >= TURNED.0 && away >= TURNED.1).then(|| Turned {
        registered_deg: registered,
        found_deg,
        better: better.round(),
        nodes: rows.len() as u32,
        in_a_row: before.map_or(0, |before| before.in_a_row).saturating_add(1),
    })
}
