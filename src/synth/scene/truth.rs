//! What a scene holds, for judging what nodes and hub made of it.

use super::{Role, Scene, SceneError, propagation};
use crate::cell::Plmn;
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
    /// `licensed` or `sms_blaster`.
    pub role: &'static str,
    /// Its entry in the register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register_id: Option<String>,
    /// Where it stands.
    pub position: Position,
    /// Radiated power.
    pub eirp_dbm: f64,
    /// C0.
    pub arfcn: u16,
    /// Its nominal carrier.
    pub center_hz: u64,
    /// Base station identity code.
    pub bsic: u8,
    /// Network.
    pub plmn: Plmn,
    /// Location area codes, in the order in which they are taken on; one where it does not change.
    pub lacs: Vec<u16>,
    /// How long each of several lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lac_period_ns: Option<i64>,
    /// Cell identity.
    pub ci: u16,
    /// From when until when it is on, after the scene's start; `null`: to the end.
    pub on_ns: Vec<(i64, Option<i64>)>,
    /// How fast its clock runs.
    pub clock_error_ppb: f64,
    /// Frame number at `frame_start_ps`.
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
    /// [`SceneError::Channel`] where a transmitter's ARFCN names no channel.
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
            };
            let cycle = transmitter.lac_cycle.as_ref();
            transmitters.push(TransmitterTruth {
                name: transmitter.name.clone(),
                role,
                register_id,
                position: transmitter.position,
                eirp_dbm: transmitter.eirp.0,
                arfcn: transmitter.arfcn,
                center_hz: carrier.round() as u64,
                bsic: transmitter.bsic,
                plmn: transmitter.cell.plmn,
                lacs: cycle.map_or(vec![transmitter.cell.lac], |cycle| cycle.lacs.clone()),
                // 60/13 ms a frame.
                lac_period_ns: cycle.map(|cycle| i64::from(cycle.frames) * 60_000_000 / 13),
                ci: transmitter.cell.ci,
                on_ns: transmitter.on.iter().map(|(from, to)| (from.0, to.map(|to| to.0))).collect(),
                clock_error_ppb: transmitter.clock_error.0,
                frame_number: transmitter.frame_number,
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
            "register_id,regulator,licensee,plmn,rat,site_id,lat,lon,antenna_height_m,eirp_dbm,arfcn,area,cell_id,physical_id,status\n",
        );
        for transmitter in &self.transmitters {
            let Role::Licensed(licence) = &transmitter.role else { continue };
            let cell = &transmitter.cell;
            writeln!(
                csv,
                "{},{},{},{},gsm,{},{:.5},{:.5},{},{},{},{},{},{},licensed",
                licence.register_id,
                licence.regulator,
                licence.licensee,
                cell.plmn,
                licence.site_id,
                transmitter.position.lat_deg,
                transmitter.position.lon_deg,
                transmitter.antenna_height_m,
                transmitter.eirp.0,
                transmitter.arfcn,
                cell.lac,
                cell.ci,
                transmitter.bsic,
            )
            .expect("writing to a string cannot fail");
        }
        csv
    }
}
