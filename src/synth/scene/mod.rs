//! A stretch of border: nodes that listen, transmitters that they hear, and the truth about both.
//!
//! Everything follows from the scene's seed: shadowing, clocks, noise, frame offsets. Times are relative to [`Scene::start`].
//!
//! Limits: transmitters and nodes stand still; antennas are omnidirectional; one path with a fixed loss for each pair; a
//! transmitter is switched on and off within one sample; a node's clock error is constant. All nodes listen to one tuning.

mod border;
pub mod lte;
pub mod propagation;
mod truth;

pub use lte::LteCell;
pub use truth::{LinkTruth, NodeTruth, TransmitterTruth, Truth};

use super::channel::{Noise, NoiseTable};
use super::gsm::beacon::{Beacon, BeaconConfig, BeaconError, Program};
use super::gsm::broadcast::Broadcast;
use super::gsm::{HYPERFRAME, Picos};
use super::lte::CellError;
use super::lte::downlink::{Downlink, DownlinkConfig};
use super::si::{CellParameters, SiError};
use super::source::{OnAir, SynthSource, Transmission, Waveform};
use crate::cell::{CellIdentity, Rat, gsm_downlink};
use crate::observation::{NodeId, Position};
use crate::radio::source::StreamInfo;
use crate::units::{Db, Dbfs, Dbm, Hz, Nanos, Ppb, SampleIndex, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// A place where a node listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// Where its antenna is.
    pub position: Position,
    /// Height of the antenna above ground, metres.
    pub antenna_height_m: f64,
    /// Antenna gain less feeder loss.
    pub antenna_gain: Db,
    /// Noise at the antenna port in 200 kHz, with the receiver's own.
    pub noise: Dbm,
    /// Power at the antenna port that is full scale (0 dBFS).
    pub full_scale: Dbm,
    /// How fast its one oscillator runs, for sampling and tuning.
    pub clock_error: Ppb,
    /// True time at its sample 0, after [`Scene::start`], which it believes that moment to be.
    pub start_offset: Nanos,
}

/// What a transmitter is in truth.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// A licensed cell, with its entry in the register.
    Licensed(Licence),
    /// An SMS blaster.
    SmsBlaster,
    /// A false LTE cell that sends telephones down to a blaster.
    Lure,
}

/// An entry of the licence register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// The regulator's number of the entry.
    pub register_id: String,
    /// `NBTC` or `TRC`.
    pub regulator: &'static str,
    /// Who holds it.
    pub licensee: &'static str,
    /// The mast.
    pub site_id: String,
}

/// A cell on air.
#[derive(Clone, Debug, PartialEq)]
pub struct Transmitter {
    /// For the eyes of people.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Where its antenna is. Transmitters at one position share the shadowing towards each node.
    pub position: Position,
    /// Height of the antenna above ground, metres.
    pub antenna_height_m: f64,
    /// Radiated power.
    pub eirp: Dbm,
    /// What it sends.
    pub air: Air,
    /// From when until when it is on air, after the scene's start; `None`: to the end.
    pub on: Vec<(Nanos, Option<Nanos>)>,
    /// How fast its oscillator runs, for carrier and symbols.
    pub clock_error: Ppb,
    /// When the frame whose number `air` gives begins at its antenna, after the scene's start.
    pub frame_start: Picos,
}

/// What a transmitter sends.
#[derive(Clone, Debug, PartialEq)]
pub enum Air {
    /// A GSM beacon.
    Gsm(GsmCell),
    /// An LTE cell.
    Lte(LteCell),
}

/// A GSM cell on air.
#[derive(Clone, Debug, PartialEq)]
pub struct GsmCell {
    /// C0.
    pub arfcn: u16,
    /// Base station identity code.
    pub bsic: u8,
    /// What it broadcasts.
    pub cell: CellParameters,
    /// LACs that it takes on in turn instead of that of `cell`, from the time it is first on.
    pub lac_cycle: Option<LacCycle>,
    /// Frame number at the transmitter's `frame_start`.
    pub frame_number: u32,
}

/// A location area code that changes again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LacCycle {
    /// Codes, in order; begins again after the last.
    pub lacs: Vec<u16>,
    /// How many TDMA frames each stays; 650 frames are three seconds.
    pub frames: u32,
}

/// Nodes and transmitters, one tuning, one seed.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Its name, as on the command line.
    pub name: String,
    /// What all randomness follows from.
    pub seed: u64,
    /// The time that nodes believe their sample 0 to have.
    pub start: Timestamp,
    /// Tuning of all nodes.
    pub center: Hz,
    /// Sample rate of all nodes.
    pub sample_rate: Hz,
    /// Who listens.
    pub nodes: Vec<Node>,
    /// Who is heard.
    pub transmitters: Vec<Transmitter>,
    noise: Arc<NoiseTable>,
}

/// Why a scene cannot be played.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SceneError {
    /// No scene has this name.
    #[error("there is no scene \"{name}\"; scenes: {known}")]
    NoScene {
        /// As given.
        name: String,
        /// All that there are.
        known: &'static str,
    },
    /// The scene has fewer nodes.
    #[error("the scene \"{scene}\" has no node {index}; its nodes are 0 to {last}")]
    NoNode {
        /// The scene.
        scene: String,
        /// As asked for.
        index: usize,
        /// The last that there is.
        last: usize,
    },
    /// The transmitter's channel number has no carrier.
    #[error("{transmitter}: channel {number} of {rat} names no carrier")]
    Channel {
        /// Which transmitter.
        transmitter: String,
        /// Its standard.
        rat: Rat,
        /// Its ARFCN or EARFCN.
        number: u32,
    },
    /// Its SIB1 is none.
    #[error("{transmitter}: its SIB1 names no cell; give the octets of a BCCH-DL-SCH-Message with SIB1")]
    Identity {
        /// Which transmitter.
        transmitter: String,
    },
    /// Its LTE signal cannot be made.
    #[error("{transmitter}: {source}")]
    Downlink {
        /// Which transmitter.
        transmitter: String,
        /// Why.
        source: CellError,
    },
    /// Its parameters cannot be coded.
    #[error("{transmitter}: {source}")]
    Parameters {
        /// Which transmitter.
        transmitter: String,
        /// Why.
        source: SiError,
    },
    /// Its signal cannot be made.
    #[error("{transmitter}: {source}")]
    Signal {
        /// Which transmitter.
        transmitter: String,
        /// Why.
        source: BeaconError,
    },
}

/// The names of all scenes.
const NAMES: &str = "aranyaprathet, poipet-lte";

/// Standard deviation of the shadowing of a path; Hata's data scatter by 6 to 8 dB in open country.
const SHADOWING: Db = Db(6.0);

/// A random stream for each purpose, so that a new transmitter does not change what others got.
fn random(seed: u64, purpose: &str) -> ChaCha8Rng {
    // FNV-1a, which is enough to keep the purposes apart.
    let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(hash);
    random
}

impl Scene {
    /// The scene of this name, from a seed.
    ///
    /// # Errors
    /// [`SceneError::NoScene`] with the names that there are.
    pub fn named(name: &str, seed: u64) -> Result<Scene, SceneError> {
        match name {
            "aranyaprathet" => Ok(Scene::aranyaprathet_poipet(seed)),
            "poipet-lte" => Ok(Scene::poipet_lte(seed)),
            _ => Err(SceneError::NoScene { name: name.to_owned(), known: NAMES }),
        }
    }

    /// What the transmitter's power suffers on the way to the node's antenna, shadowing included.
    fn loss(&self, node: &Node, transmitter: &Transmitter, carrier: Hz) -> Db {
        let distance = propagation::distance_m(&node.position, &transmitter.position);
        let median = propagation::path_loss(carrier, distance, transmitter.antenna_height_m, node.antenna_height_m);
        let Position { lat_deg, lon_deg, .. } = transmitter.position;
        let mut random = random(self.seed, &format!("shadow {} {lat_deg:.6} {lon_deg:.6}", node.id));
        let shadow: f64 = StandardNormal.sample(&mut random);
        median + Db(shadow * SHADOWING.0)
    }

    /// The signal of node `index`, without an end.
    ///
    /// # Errors
    /// [`SceneError`] naming what the scene lacks or which transmitter cannot be played.
    pub fn source(&self, index: usize) -> Result<SynthSource, SceneError> {
        let node = self.nodes.get(index).ok_or_else(|| SceneError::NoNode {
            scene: self.name.clone(),
            index,
            last: self.nodes.len().saturating_sub(1),
        })?;
        let info = StreamInfo {
            stream: format!("{}/{}", self.name, node.id),
            center: self.center,
            sample_rate: self.sample_rate,
            start: self.start,
        };
        let transmissions = self
            .transmitters
            .iter()
            .map(|transmitter| self.transmission(node, transmitter, &info))
            .collect::<Result<_, _>>()?;
        let seed = random(self.seed, &format!("noise {}", node.id)).random();
        let floor = Dbfs((node.noise - node.full_scale).0);
        let noise = Noise::from_table(seed, floor, self.sample_rate, self.noise.clone());
        Ok(SynthSource::new(info, transmissions, Some(noise)))
    }

    fn transmission(
        &self,
        node: &Node,
        transmitter: &Transmitter,
        info: &StreamInfo,
    ) -> Result<Transmission, SceneError> {
        let name = || transmitter.name.clone();
        let carrier = transmitter.carrier()?;
        let delay = propagation::delay(propagation::distance_m(&node.position, &transmitter.position));
        let level = transmitter.eirp + node.antenna_gain - self.loss(node, transmitter, carrier);
        let start = Picos(transmitter.frame_start.0 + delay.0 - Picos::from(node.start_offset).0);
        let level = Dbfs((level - node.full_scale).0);
        let phase_turns = random(self.seed, &format!("phase {} {}", node.id, transmitter.name)).random();
        let waveform = match &transmitter.air {
            Air::Gsm(cell) => {
                let config = BeaconConfig {
                    program: cell.program(&transmitter.name)?,
                    frame_number: cell.frame_number,
                    start,
                    carrier,
                    carrier_offset: Hz(0.0),
                    clock_error: transmitter.clock_error,
                    level,
                    phase_turns,
                };
                let beacon = Beacon::new(info, node.clock_error, config)
                    .map_err(|source| SceneError::Signal { transmitter: name(), source })?;
                Waveform::Gsm(Box::new(beacon))
            }
            Air::Lte(plan) => {
                let config = DownlinkConfig {
                    frame_number: plan.frame_number,
                    start,
                    clock_error: transmitter.clock_error,
                    phase_turns,
                    ..DownlinkConfig::new(plan.cell(), carrier, level)
                };
                let downlink = Downlink::new(info, node.clock_error, config)
                    .map_err(|source| SceneError::Downlink { transmitter: name(), source })?;
                Waveform::Lte(Box::new(downlink))
            }
        };
        // True time after the scene's start to samples of this node's clock.
        let sample = |at: Nanos| {
            let since = at.as_secs_f64() + delay.as_secs_f64() - node.start_offset.as_secs_f64();
            SampleIndex((since * self.sample_rate.0 * (1.0 + node.clock_error.0 * 1e-9)).ceil().max(0.0) as u64)
        };
        let on = transmitter.on.iter().map(|&(from, to)| OnAir { from: sample(from), to: to.map(sample) }).collect();
        Ok(Transmission { waveform, on })
    }
}

impl Transmitter {
    /// Nominal carrier.
    fn carrier(&self) -> Result<Hz, SceneError> {
        let (carrier, rat, number) = match &self.air {
            Air::Gsm(cell) => (gsm_downlink(cell.arfcn, false), Rat::Gsm, u32::from(cell.arfcn)),
            Air::Lte(cell) => (cell.carrier(), Rat::Lte, cell.earfcn),
        };
        carrier.ok_or_else(|| SceneError::Channel { transmitter: self.name.clone(), rat, number })
    }

    /// The GSM cell that it is.
    pub fn gsm(&self) -> Option<&GsmCell> {
        match &self.air {
            Air::Gsm(cell) => Some(cell),
            Air::Lte(_) => None,
        }
    }

    /// The LTE cell that it is.
    pub fn lte(&self) -> Option<&LteCell> {
        match &self.air {
            Air::Gsm(_) => None,
            Air::Lte(cell) => Some(cell),
        }
    }

    /// What it claims to be, at first.
    ///
    /// # Errors
    /// [`SceneError::Identity`] where an LTE cell's SIB1 is none.
    fn identity(&self) -> Result<CellIdentity, SceneError> {
        let identity = match &self.air {
            Air::Gsm(GsmCell { cell, .. }) => Some(CellIdentity {
                plmns: vec![cell.plmn],
                area: Some(cell.lac.into()),
                cell_id: Some(cell.ci.into()),
            }),
            Air::Lte(cell) => cell.identity().filter(|identity| !identity.plmns.is_empty()),
        };
        identity.ok_or_else(|| SceneError::Identity { transmitter: self.name.clone() })
    }
}

impl GsmCell {
    /// What it sends when, `frame_start` being frame 0.
    fn program(&self, transmitter: &str) -> Result<Program, SceneError> {
        let broadcast = |cell: &CellParameters| {
            let schedule = cell.schedule();
            let schedule =
                schedule.map_err(|source| SceneError::Parameters { transmitter: transmitter.to_owned(), source })?;
            Ok(Arc::new(Broadcast::new(self.bsic, &schedule)))
        };
        let Some(cycle) = self.lac_cycle.as_ref().filter(|cycle| !cycle.lacs.is_empty()) else {
            return Ok(Program { entries: vec![(0, broadcast(&self.cell)?)], period: None });
        };
        let entry = |(i, &lac): (usize, &u16)| {
            Ok((i as i64 * i64::from(cycle.frames), broadcast(&CellParameters { lac, ..self.cell.clone() })?))
        };
        let entries = cycle.lacs.iter().enumerate().map(entry).collect::<Result<Vec<_>, SceneError>>()?;
        let period = Some(entries.len() as i64 * i64::from(cycle.frames));
        Ok(Program { entries, period })
    }
}

/// A frame number and the start of that frame within the first frame after `from`, by chance.
fn random_frames(random: &mut ChaCha8Rng, from: Nanos) -> (u32, Picos) {
    // A TDMA frame lasts 60/13 ms; TS 45.002 clause 4.3.1.
    const FRAME_PS: i64 = 60_000_000_000 / 13;
    (random.random_range(0..HYPERFRAME), Picos(Picos::from(from).0 + random.random_range(0..FRAME_PS)))
}

/// The same for LTE: frames of 10 ms, numbers modulo 1024; TS 36.211 clause 4, TS 36.331 clause 6.2.2.
fn random_radio_frames(random: &mut ChaCha8Rng, from: Nanos) -> (u16, Picos) {
    const FRAME_PS: i64 = 10_000_000_000;
    (random.random_range(0..1024), Picos(Picos::from(from).0 + random.random_range(0..FRAME_PS)))
}
