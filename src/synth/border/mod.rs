//! A border as observations: thousands of cells, nodes with clocks, shadowing that hangs together, paths without line of sight, retunes,
//! missing and late reports. No samples are made: what the receivers would report is drawn, with the truth. One seed, one result.
//!
//! Shadowing is a Gaussian field with exponential correlation (Gudmundson), half of it common to all transmitters at a node, as terrain
//! and clutter are. Its sum of waves follows the field's spectrum. Levels follow Hata ([`super::scene`]'s propagation).
//!
//! ## References
//! - M. Gudmundson, "Correlation model for shadow fading in mobile radio systems", Electronics Letters 27 (1991)
//! - 3GPP TS 45.002 Release 17, clause 4.3 (TDMA frame, hyperframe); 3GPP TS 36.211 Release 17, clause 4 (radio frame)

mod draw;

use super::scene::propagation::{distance_m, path_loss};
use crate::cell::{CellIdentity, CellKey, Plmn, Rat};
use crate::observation::{
    CarrierError, Clock, ClockSource, FrameName, FrameTiming, Level, NodeId, Observation, Octets, Position,
    ReceiverState,
};
use crate::units::{Db, Dbfs, Dbm, Hz, Nanos, Ppb, Timestamp};
use draw::{Field, Random};
use serde::Serialize;
use std::fmt::Write;

/// What a scenario holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BorderConfig {
    /// What all that is random follows from.
    pub seed: u64,
    /// Licensed sites, two GSM cells and one LTE cell each; at most 2,000.
    pub sites: usize,
    /// Nodes along the border.
    pub nodes: usize,
    /// Share of the nodes whose clocks know the time (to 50 ns); the others are set by the network, to some milliseconds.
    pub disciplined: f64,
    /// Transmitters without a licence that stand.
    pub standing: usize,
    /// Transmitters without a licence that drive at 30 km/h.
    pub driving: usize,
    /// Seconds from the first report to the last.
    pub seconds: f64,
    /// Seconds between a node's reports of one cell.
    pub every_s: f64,
    /// Share of paths without line of sight, and their mean excess, nanoseconds.
    pub late: (f64, f64),
    /// Shadowing, one standard deviation.
    pub shadowing: Db,
    /// Distance over which shadowing loses all but 1/e of its correlation, metres.
    pub correlated_m: f64,
    /// Share of reports that are never made.
    pub missing: f64,
    /// Share of reports that arrive late, by two minutes in the mean.
    pub delayed: f64,
    /// Seconds between retunes of a node, each of which begins a new stream; 0: none.
    pub retune_s: f64,
    /// Time of the first report.
    pub start: Timestamp,
}

impl Default for BorderConfig {
    /// 300 cells, 12 nodes half of which know the time, two transmitters without a licence, ten minutes.
    fn default() -> BorderConfig {
        BorderConfig {
            seed: 1,
            sites: 100,
            nodes: 12,
            disciplined: 0.5,
            standing: 1,
            driving: 1,
            seconds: 600.0,
            every_s: 30.0,
            late: (0.3, 500.0),
            shadowing: Db(8.0),
            correlated_m: 500.0,
            missing: 0.05,
            delayed: 0.03,
            retune_s: 240.0,
            start: Timestamp(1_795_000_000_000_000_000),
        }
    }
}

/// A scenario that cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} is {value}; it must be {allowed}")]
pub struct BorderError {
    /// Which value.
    pub what: &'static str,
    /// As given.
    pub value: f64,
    /// What is allowed.
    pub allowed: &'static str,
}

/// A transmitter and all that is true of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellTruth {
    /// What is heard.
    pub cell: CellKey,
    /// What it says it is.
    pub identity: CellIdentity,
    /// Whether it stands in the register.
    pub licensed: bool,
    /// Its antenna at the start.
    pub position: Position,
    /// Velocity east and north, metres a second.
    pub velocity_m_s: [f64; 2],
    /// Radiated power.
    pub eirp_dbm: Dbm,
    /// How fast its frames come.
    pub rate_ppb: Ppb,
    /// When its frame 0 left the antenna, nanoseconds after the start of the scenario.
    pub epoch_ns: f64,
}

/// A node and all that is true of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeTruth {
    /// Its name.
    pub node: NodeId,
    /// Where it stands.
    pub position: Position,
    /// Whether its clock knows the time.
    pub disciplined: bool,
    /// How far its clock is ahead at the start, nanoseconds; retunes of a free clock move it.
    pub ahead_ns: f64,
    /// How fast its clock runs.
    pub rate_ppb: Ppb,
}

/// A scenario, ready to be heard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Border {
    /// What was asked for.
    pub config: BorderConfig,
    /// Who listens.
    pub nodes: Vec<NodeTruth>,
    /// Who transmits: the licensed cells first.
    pub cells: Vec<CellTruth>,
}

/// A report as the hub gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whose.
    pub node: NodeId,
    /// When it arrives.
    pub received: Timestamp,
    /// What it says.
    pub observation: Observation,
}

/// Ground above the ellipsoid, metres; antennas stand on it.
const GROUND_M: f64 = 45.0;
/// The middle of the stretch: between Aranyaprathet and Poipet.
const MIDDLE: (f64, f64) = (13.66, 102.55);
/// Half the sides of the area that sites lie in, metres east and north.
const AREA_M: (f64, f64) = (25_000.0, 12_000.0);
/// Metres of a degree of latitude, and of one of longitude at the middle; to lay out, not to measure.
const DEGREE_M: (f64, f64) = (110_650.0, 108_200.0);
/// Noise of a receiver with a noise figure of 7 dB: in 200 kHz, and in the 15 kHz of a resource element.
const NOISE_DBM: [f64; 2] = [-114.0, -125.2];
/// What a receiver's full scale is.
const FULL_SCALE_DBM: f64 = -20.0;
/// Least SNR that a cell is reported with.
const LEAST_SNR_DB: f64 = 3.0;

impl Border {
    /// Draws a scenario.
    ///
    /// # Errors
    /// [`BorderError`] naming a value out of its range.
    pub fn new(config: BorderConfig) -> Result<Border, BorderError> {
        config.check()?;
        let mut random = Random::new(config.seed, 0);
        let nodes = (0..config.nodes).map(|i| node(&config, i, &mut random)).collect();
        let mut cells = Vec::with_capacity(3 * config.sites + config.standing + config.driving);
        for site in 0..config.sites {
            let position = somewhere(&mut random, AREA_M, 35.0);
            (0..3).for_each(|sector| cells.push(licensed(site, sector, position, &mut random)));
        }
        for i in 0..config.standing + config.driving {
            cells.push(unlicensed(i, i >= config.standing, &mut random));
        }
        Ok(Border { config, nodes, cells })
    }

    /// The antenna of a licensed cell; its site as the register has it.
    pub fn site_of(&self, cell: CellKey) -> Option<Position> {
        self.cells.iter().find(|c| c.licensed && c.cell == cell).map(|c| c.position)
    }

    /// Where a transmitter is at an instant.
    pub fn place(&self, cell: &CellTruth, at: Timestamp) -> Position {
        let seconds = (at - self.config.start).as_secs_f64();
        moved(cell.position, cell.velocity_m_s.map(|v| v * seconds))
    }

    /// By how much the path from a transmitter to a node is late, nanoseconds: always for one that stands, for 200 m of the way of one that
    /// drives.
    pub fn late_ns(&self, node: usize, cell: usize, at: Timestamp) -> f64 {
        let speed = self.cells[cell].velocity_m_s[0].hypot(self.cells[cell].velocity_m_s[1]);
        let stretch = ((at - self.config.start).as_secs_f64() * speed / 200.0).max(0.0) as u64;
        let mut random = Random::new(self.config.seed, 1 + (node as u64 + (cell as u64) * 4096) * 65_536 + stretch);
        let (share, mean) = self.config.late;
        if random.share() < share { mean * random.exponential() } else { 0.0 }
    }

    /// Every report, by the time of its arrival.
    pub fn reports(&self) -> Vec<Report> {
        let terrain = Field::new(self.config.seed, u64::MAX, self.config.correlated_m);
        let mut reports = Vec::new();
        for (c, cell) in self.cells.iter().enumerate() {
            let own = Field::new(self.config.seed, c as u64, self.config.correlated_m);
            for n in 0..self.nodes.len() {
                self.hear((n, c), cell, (&terrain, &own), &mut reports);
            }
        }
        reports.sort_by(|a, b| {
            let key = |r: &Report| (r.received, r.observation.cell);
            key(a).cmp(&key(b)).then_with(|| a.node.cmp(&b.node))
        });
        reports
    }

    fn hear(&self, (n, c): (usize, usize), cell: &CellTruth, fields: (&Field, &Field), reports: &mut Vec<Report>) {
        let (node, config) = (&self.nodes[n], &self.config);
        let mut random = Random::new(config.seed, (1 << 60) + (n * 65_536 + c) as u64);
        let phase = config.every_s * random.share();
        let rounds = ((config.seconds - phase) / config.every_s).max(0.0) as usize + 1;
        for round in 0..rounds {
            let since_s = phase + round as f64 * config.every_s;
            let (missed, delayed) = (random.share() < config.missing, random.share() < config.delayed);
            let delay_s = 0.2 + if delayed { 120.0 * random.exponential() } else { 0.0 };
            if missed || since_s > config.seconds {
                continue;
            }
            let Some(observation) = self.observation((n, c), cell, fields, since_s, &mut random) else { continue };
            let received = config.start + Nanos(((since_s + delay_s) * 1e9) as i64);
            reports.push(Report { node: node.node.clone(), received, observation });
        }
    }

    /// What a node reports of a cell; `None` where it does not hear it.
    fn observation(
        &self,
        (n, c): (usize, usize),
        cell: &CellTruth,
        (terrain, own): (&Field, &Field),
        since_s: f64,
        random: &mut Random,
    ) -> Option<Observation> {
        let (node, config) = (&self.nodes[n], &self.config);
        let at = config.start + Nanos((since_s * 1e9) as i64);
        let place = self.place(cell, at);
        let distance = distance_m(&place, &node.position);
        let height = |p: &Position| p.height_m.unwrap_or(GROUND_M) - GROUND_M;
        let loss = path_loss(cell.cell.carrier(), distance, height(&place), height(&node.position));
        // The path's field moves with either end.
        let way = cell.velocity_m_s.map(|v| v * since_s);
        let at_node = flat(&node.position);
        let shadow = terrain.at(at_node) + own.at([at_node[0] + way[0], at_node[1] + way[1]]);
        let dbm = cell.eirp_dbm - loss - Db(config.shadowing.0 * std::f64::consts::FRAC_1_SQRT_2 * shadow);
        let gsm = cell.cell.rat == Rat::Gsm;
        let spread_db = if gsm { 0.0 } else { 10.0 * 300f64.log10() };
        let level = dbm - Db(spread_db);
        let snr = level - Dbm(NOISE_DBM[usize::from(!gsm)]);
        if snr.0 < LEAST_SNR_DB {
            return None;
        }
        let sigma_ns = (if gsm { 60.0 } else { 12.0 }) * 10f64.powf((10.0 - snr.0.min(30.0)) / 20.0).max(0.3);
        let sigma_ppb = if gsm { 15.0 } else { 5.0 };
        let (beta, ahead) = self.clock(n, since_s);
        let period = if gsm { 60e6 / 13.0 } else { 10e6 } / (1.0 + cell.rate_ppb.0 * 1e-9);
        let count = ((since_s * 1e9 - cell.epoch_ns) / period).floor();
        let flight = distance / 0.299_792_458 + self.late_ns(n, c, at);
        let arrives = cell.epoch_ns + count * period + flight;
        let reading = arrives + ahead + beta * arrives * 1e-9 + sigma_ns * random.normal();
        let whole = reading.floor();
        let ppb = Ppb(cell.rate_ppb.0 - beta + sigma_ppb * random.normal());
        let frame = if gsm {
            FrameName::Gsm { frame_number: (count as u64 % 2_715_648) as u32 }
        } else {
            FrameName::Radio { sfn: (count as u64 % 1024) as u16, half: 0 }
        };
        let timing = FrameTiming {
            at_ns: config.start + Nanos(whole as i64),
            at_frac_ns: reading - whole,
            sigma_ns,
            frame,
            rate_ppb: Ppb(ppb.0 + 100.0 * random.normal()),
            rate_sigma_ppb: Ppb(100.0),
        };
        let stream = self.stream(since_s);
        let measured = level + Db(random.normal());
        Some(Observation {
            at_ns: timing.at_ns,
            first_ns: config.start + Nanos((1e9 * config.retune_s * stream as f64) as i64),
            clock: Clock {
                source: if node.disciplined { ClockSource::GnssPps } else { ClockSource::Ntp },
                sigma_ns: Some(if node.disciplined { Nanos(50) } else { Nanos::from_millis(5) }),
                locked: true,
                since_ns: Some(config.start),
            },
            position: Some(node.position),
            cell: cell.cell,
            identity: Some(cell.identity.clone()),
            level: Level { dbfs: Dbfs(measured.0 - FULL_SCALE_DBM), dbm: Some(measured), sigma_db: Db(1.0) },
            snr_db: snr,
            carrier: CarrierError { hz: Hz(ppb.0 * 1e-9 * cell.cell.center_hz as f64), ppb, sigma_ppb: Ppb(sigma_ppb) },
            timing: Some(timing),
            bearing: None,
            broadcast: Vec::new(),
            fields: None,
            content_sha256: Some(content(config.seed, c)),
            receiver: ReceiverState { stream: format!("s{stream}"), ..ReceiverState::default() },
        })
    }

    fn stream(&self, since_s: f64) -> u64 {
        if self.config.retune_s > 0.0 { (since_s / self.config.retune_s) as u64 } else { 0 }
    }

    /// A clock's rate, ppb, and how far it is ahead, nanoseconds: a free one is stamped anew after each retune.
    fn clock(&self, node: usize, since_s: f64) -> (f64, f64) {
        let truth = &self.nodes[node];
        if truth.disciplined {
            return (0.0, truth.ahead_ns);
        }
        let key = (1 << 61) + ((node as u64) << 32) + self.stream(since_s);
        (truth.rate_ppb.0, truth.ahead_ns + 1e5 * Random::new(self.config.seed, key).normal())
    }

    /// The licensed cells as a register.
    pub fn register_csv(&self) -> String {
        let mut csv = String::from(
            "register_id,plmn,rat,site_id,lat,lon,antenna_height_m,eirp_dbm,center_mhz,area,cell_id,physical_id,status\n",
        );
        for (i, cell) in self.cells.iter().enumerate().filter(|(_, c)| c.licensed) {
            let (plmn, place) = (cell.identity.plmns[0], cell.position);
            writeln!(
                csv,
                "R-{i},{plmn},{},S-{},{:.7},{:.7},{},{},{},{},{},{},licensed",
                cell.cell.rat,
                i / 3,
                place.lat_deg,
                place.lon_deg,
                place.height_m.unwrap_or(GROUND_M) - GROUND_M,
                cell.eirp_dbm.0,
                cell.cell.center_hz as f64 / 1e6,
                cell.identity.area.unwrap_or(0),
                cell.identity.cell_id.unwrap_or(0),
                cell.cell.id,
            )
            .expect("writing to a string cannot fail");
        }
        csv
    }
}

impl BorderConfig {
    fn check(&self) -> Result<(), BorderError> {
        let within = |what, value: f64, low: f64, high: f64, allowed| {
            if (low..=high).contains(&value) { Ok(()) } else { Err(BorderError { what, value, allowed }) }
        };
        within("sites", self.sites as f64, 0.0, 2000.0, "0 to 2000")?;
        within("nodes", self.nodes as f64, 1.0, 1000.0, "1 to 1000")?;
        let suspects = (self.standing + self.driving) as f64;
        within("standing and driving transmitters", suspects, 0.0, 2000.0, "0 to 2000 together")?;
        within("seconds", self.seconds, 1.0, 604_800.0, "1 to 604800")?;
        within("every_s", self.every_s, 0.5, 86_400.0, "0.5 to 86400")?;
        within("retune_s", self.retune_s, 0.0, 1e6, "0 to 1000000")?;
        within("correlated_m", self.correlated_m, 1.0, 1e5, "1 to 100000 metres")?;
        within("shadowing", self.shadowing.0, 0.0, 30.0, "0 to 30 dB")?;
        within("mean excess of late paths", self.late.1, 0.0, 1e5, "0 to 100000 ns")?;
        for (what, share) in [
            ("disciplined", self.disciplined),
            ("late", self.late.0),
            ("missing", self.missing),
            ("delayed", self.delayed),
        ] {
            within(what, share, 0.0, 1.0, "0 to 1")?;
        }
        Ok(())
    }
}

fn moved(from: Position, by_m: [f64; 2]) -> Position {
    let (lat_deg, lon_deg) = (from.lat_deg + by_m[1] / DEGREE_M.0, from.lon_deg + by_m[0] / DEGREE_M.1);
    Position { lat_deg, lon_deg, ..from }
}

/// Metres east and north of the middle.
fn flat(position: &Position) -> [f64; 2] {
    [(position.lon_deg - MIDDLE.1) * DEGREE_M.1, (position.lat_deg - MIDDLE.0) * DEGREE_M.0]
}

fn somewhere(random: &mut Random, area_m: (f64, f64), height_m: f64) -> Position {
    let middle = Position {
        lat_deg: MIDDLE.0,
        lon_deg: MIDDLE.1,
        height_m: Some(GROUND_M + height_m * (0.7 + 0.6 * random.share())),
        sigma_m: None,
    };
    moved(middle, [area_m.0, area_m.1].map(|half| half * (2.0 * random.share() - 1.0)))
}

/// Nodes stand on the Thai side, staggered along the line.
fn node(config: &BorderConfig, i: usize, random: &mut Random) -> NodeTruth {
    let middle = somewhere(random, (0.0, 0.0), 25.0);
    let along = (i as f64 + 0.5) / config.nodes as f64 * 2.0 - 1.0;
    let position = moved(middle, [0.7 * AREA_M.0 * along + 800.0 * random.normal(), -4000.0 + 9000.0 * random.share()]);
    let disciplined = ((i + 1) as f64 * config.disciplined).floor() > (i as f64 * config.disciplined).floor();
    NodeTruth {
        node: format!("node-{i}").parse().expect("letters, digits and a hyphen"),
        position,
        disciplined,
        ahead_ns: if disciplined { 50.0 } else { 5e6 } * random.normal(),
        rate_ppb: Ppb(if disciplined { 0.0 } else { 1000.0 * random.normal() }),
    }
}

fn plmn(which: usize) -> Plmn {
    let (mcc, mnc) = [(520, 1), (520, 3), (456, 1), (456, 6)][which % 4];
    Plmn::new(mcc, mnc, 2).expect("two digits hold these")
}

fn licensed(site: usize, sector: usize, position: Position, random: &mut Random) -> CellTruth {
    let cell = if sector == 2 {
        // Four carriers of 504 identities each.
        let center_hz = [1_815_000_000, 1_845_000_000, 2_120_000_000, 2_150_000_000][site % 4];
        CellKey { rat: Rat::Lte, center_hz, id: (site / 4 % 504) as u16 }
    } else {
        let index = 2 * site + sector;
        CellKey { rat: Rat::Gsm, center_hz: 935_200_000 + 200_000 * (index % 64) as u64, id: (index / 64 % 64) as u16 }
    };
    let cell_id = if sector == 2 { (70_000 + site) as u64 * 256 + 1 } else { (10 * site + sector + 1) as u64 };
    CellTruth {
        cell,
        identity: CellIdentity {
            plmns: vec![plmn(site)],
            area: Some(5000 + (site / 50) as u32),
            cell_id: Some(cell_id),
        },
        licensed: true,
        position,
        velocity_m_s: [0.0; 2],
        eirp_dbm: Dbm(if sector == 2 { 60.0 } else { 57.0 }),
        rate_ppb: Ppb(15.0 * random.normal()),
        epoch_ns: -12.5e12 * random.share(),
    }
}

fn unlicensed(i: usize, drives: bool, random: &mut Random) -> CellTruth {
    let gsm = i.is_multiple_of(2);
    let cell = if gsm {
        CellKey { rat: Rat::Gsm, center_hz: 949_200_000 + 200_000 * (i / 2 % 48) as u64, id: (i / 96 % 64) as u16 }
    } else {
        CellKey { rat: Rat::Lte, center_hz: 1_865_000_000, id: (i / 2 % 504) as u16 }
    };
    let mut position = somewhere(random, (0.6 * AREA_M.0, 4000.0), 3.0);
    position.lat_deg += 2000.0 / DEGREE_M.0;
    let (sin, cos) = (std::f64::consts::TAU * random.share()).sin_cos();
    CellTruth {
        cell,
        identity: CellIdentity { plmns: vec![plmn(1)], area: Some(65_000), cell_id: Some(40_000 + i as u64) },
        licensed: false,
        position,
        velocity_m_s: if drives { [sin, cos].map(|v| v * 30.0 / 3.6) } else { [0.0; 2] },
        eirp_dbm: Dbm(43.0),
        rate_ppb: Ppb(1000.0 * random.normal()),
        epoch_ns: -12.5e12 * random.share(),
    }
}

/// What stands for the hash of a cell's broadcast content.
fn content(seed: u64, cell: usize) -> Octets {
    let mut random = Random::new(seed, (1 << 62) + cell as u64);
    Octets((0..32).map(|_| (random.share() * 256.0) as u8).collect())
}
