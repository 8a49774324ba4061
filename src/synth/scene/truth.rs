//! What a scene holds, for judging what nodes and hub made of it.

use super::{Air, Role, Scene, SceneError, propagation};
use crate::cell::{Plmn, Rat};
use crate::observation::Position;
use crate::units::Timestamp;
use serde::Serialize;
use std::fmt::Write;

/// Everything that is true of a scene.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// The scene's name.
    pub scene: String,
    /// Its seed.
    pub seed: u64,
    /// The time that nodes believe their sample 0 to have.
    pub start_ns: Timestamp,
    /// Tuning.
    pub center_hz: f64,
    /// Sample rate.
    pub sample_rate_hz: f64,
    /// Who listens.
    pub nodes: Vec<NodeTruth>,
    /// Who is heard.
    pub transmitters: Vec<TransmitterTruth>,
    /// Every pair.
    pub links: Vec<LinkTruth>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeTruth {
    /// Its name.
    pub node: String,
    /// Where it stands.
    pub position: Position,
    /// How fast its clock runs.
    pub clock_error_ppb: f64,
    /// True time at its sample 0, after the scene's start.
    pub start_offset_ns: i64,
    /// Noise in 200 kHz.
    pub noise_dbm: f64,
    /// What 0 dBFS is.
    pub full_scale_dbm: f64,
}

/// A transmitter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransmitterTruth {
    /// Its name.
    pub name: String,
    /// `licensed`, `sms_blaster` or `lure`.
    pub role: &'static str,
    /// Its entry in the register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register_id: Option<String>,
    /// Where it stands.
    pub position: Position,
    /// Radiated power.
    pub eirp_dbm: f64,
    /// Its standard.
    pub rat: Rat,
    /// ARFCN (of C0) or EARFCN.
    pub channel: u32,
    /// Its nominal carrier.
    pub center_hz: u64,
    /// Base station identity code or physical cell identity.
    pub physical_id: u16,
    /// Network.
    pub plmn: Plmn,
    /// Location or tracking area codes, in the order in which they are taken on; one where it does not change.
    pub areas: Vec<u32>,
    /// How long each of several lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area_period_ns: Option<i64>,
    /// Cell identity: CI or ECI.
    pub cell_id: u64,
    /// From when until when it is on, after the scene's start; `null`: to the end.
    pub on_ns: Vec<(i64, Option<i64>)>,
    /// How fast its clock runs.
    pub clock_error_ppb: f64,
    /// Frame number (GSM) or system frame number (LTE) at `frame_start_ps`.
    pub frame_number: u32,
    /// When that frame leaves its antenna, after the scene's start.
    pub frame_start_ps: i64,
}

/// How a node hears a transmitter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkTruth {
    /// The node.
    pub node: String,
    /// The transmitter.
    pub transmitter: String,
    /// Straight line.
    pub distance_m: f64,
    /// Delay.
    pub delay_ps: i64,
    /// Level at the antenna port.
    pub level_dbm: f64,
    /// Level in the samples.
    pub level_dbfs: f64,
    /// Signal to noise in 200 kHz, other cells aside.
    pub snr_db: f64,
}

impl Scene {
    /// The truth about the scene, with levels and delays of every pair.
    ///
    /// # Errors
    /// [`SceneError::Channel`] where a transmitter's channel number names none, [`SceneError::Identity`] where it names no cell.
    pub fn truth(&self) -> Result<Truth, SceneError> {
        let nodes = self.nodes.iter().map(|node| NodeTruth {
            node: node.id.to_string(),
            position: node.position,
            clock_error_ppb: node.clock_error.0,
            start_offset_ns: node.start_offset.0,
            noise_dbm: node.noise.0,
            full_scale_dbm: node.full_scale.0,
        });
        let mut transmitters = Vec::new();
        let mut links = Vec::new();
        for transmitter in &self.transmitters {
            let carrier = transmitter.carrier()?;
            for node in &self.nodes {
                let distance_m = propagation::distance_m(&node.position, &transmitter.position);
                let level = transmitter.eirp + node.antenna_gain - self.loss(node, transmitter, carrier);
                links.push(LinkTruth {
                    node: node.id.to_string(),
                    transmitter: transmitter.name.clone(),
                    distance_m,
                    delay_ps: propagation::delay(distance_m).0,
                    level_dbm: level.0,
                    level_dbfs: (level - node.full_scale).0,
                    snr_db: (level - node.noise).0,
                });
            }
            let (role, register_id) = match &transmitter.role {
                Role::Licensed(licence) => ("licensed", Some(licence.register_id.clone())),
                Role::SmsBlaster => ("sms_blaster", None),
                Role::Lure => ("lure", None),
            };
            let identity = transmitter.identity()?;
            let (rat, channel, physical_id, frame_number) = match &transmitter.air {
                Air::Gsm(gsm) => (Rat::Gsm, u32::from(gsm.arfcn), u16::from(gsm.bsic), gsm.frame_number),
                Air::Lte(lte) => (Rat::Lte, lte.earfcn, lte.pci, u32::from(lte.frame_number)),
            };
            let cycle = transmitter.gsm().and_then(|gsm| gsm.lac_cycle.as_ref());
            transmitters.push(TransmitterTruth {
                name: transmitter.name.clone(),
                role,
                register_id,
                position: transmitter.position,
                eirp_dbm: transmitter.eirp.0,
                rat,
                channel,
                center_hz: carrier.round() as u64,
                physical_id,
                plmn: identity.plmns[0],
                areas: cycle
                    .map_or(identity.area.into_iter().collect(), |c| c.lacs.iter().map(|&lac| lac.into()).collect()),
                // 60/13 ms a frame.
                area_period_ns: cycle.map(|cycle| i64::from(cycle.frames) * 60_000_000 / 13),
                cell_id: identity.cell_id.unwrap_or_default(),
                on_ns: transmitter.on.iter().map(|(from, to)| (from.0, to.map(|to| to.0))).collect(),
                clock_error_ppb: transmitter.clock_error.0,
                frame_number,
                frame_start_ps: transmitter.frame_start.0,
            });
        }
        Ok(Truth {
            scene: self.name.clone(),
            seed: self.seed,
            start_ns: self.start,
            center_hz: self.center.0,
            sample_rate_hz: self.sample_rate.0,
            nodes: nodes.collect(),
            transmitters,
            links,
        })
    }

    /// The licence register of the scene's licensed cells, in daen's own CSV format.
    pub fn register_csv(&self) -> String {
        let mut csv = String::from(
            "register_id,regulator,licensee,plmn,rat,site_id,lat,lon,antenna_height_m,eirp_dbm,arfcn,center_mhz,area,cell_id,physical_id,status\n",
        );
        for transmitter in &self.transmitters {
            let Role::Licensed(licence) = &transmitter.role else { continue };
            // A cell that names nothing is nothing that anybody licenses.
            let Ok(identity) = transmitter.identity() else { continue };
            let (area, cell_id) = (identity.area.unwrap_or_default(), identity.cell_id.unwrap_or_default());
            let (rat, arfcn, center_mhz, id) = match &transmitter.air {
                Air::Gsm(gsm) => ("gsm", gsm.arfcn.to_string(), String::new(), u16::from(gsm.bsic)),
                Air::Lte(lte) => {
                    let mhz = lte.carrier().map_or(String::new(), |carrier| format!("{:.1}", carrier.0 / 1e6));
                    ("lte", String::new(), mhz, lte.pci)
                }
            };
            writeln!(
                csv,
                "{},{},{},{},{rat},{},{:.5},{:.5},{},{},{arfcn},{center_mhz},{area},{cell_id},{id},licensed",
                licence.register_id,
                licence.regulator,
                licence.licensee,
                identity.plmns[0],
                licence.site_id,
                transmitter.position.lat_deg,
                transmitter.position.lon_deg,
                transmitter.antenna_height_m,
                transmitter.eirp.0,
            )
            .expect("writing to a string cannot fail");
        }
        csv
    }
}
