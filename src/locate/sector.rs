//! Antennas of nodes that look one way: a sector antenna towards one side of the border, or a direction finder's reading.

use super::gather::Suspect;
use super::problem::{Bearing, MAX_INPUTS};
use crate::observation::NodeId;
use std::collections::BTreeMap;

/// Where a node's antenna looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sector {
    /// Clockwise from north, degrees.
    pub azimuth_deg: f64,
    /// Between the directions of half power, degrees; above zero.
    pub beamwidth_deg: f64,
}

/// Adds what the nodes' antennas say to a suspect: one that hears it most likely looks its way, the axis with half the beamwidth as one
/// standard deviation.
///
/// A direction so wide moves no fix by frame timing; it decides which of two mirror images is the likelier one, the one before the antenna
/// or the one behind it.
pub fn apply(suspect: &mut Suspect, sectors: &BTreeMap<NodeId, Sector>) {
    let mut nodes: BTreeMap<&NodeId, super::Enu> = BTreeMap::new();
    let levels = suspect.levels.iter().zip(&suspect.problem.levels).map(|(node, level)| (node, level.node));
    let arrivals = suspect.arrivals.iter().zip(&suspect.problem.arrivals).map(|(node, arrival)| (node, arrival.node));
    nodes.extend(levels.chain(arrivals));
    for (node, at) in nodes {
        let Some(sector) = sectors.get(node) else { continue };
        if suspect.problem.bearings.len() < MAX_INPUTS {
            let (azimuth_deg, sigma_deg) = (sector.azimuth_deg, 0.5 * sector.beamwidth_deg);
            suspect.problem.bearings.push(Bearing { node: at, azimuth_deg, sigma_deg });
            suspect.bearings.push(node.clone());
        }
    }
}
