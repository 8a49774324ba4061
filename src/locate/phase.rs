//! When a licensed cell's frames leave its antenna, learned from many readings, and when that jumps.
//!
//! A cell's *phase* is the instant at which a numbered frame leaves the antenna less the frame's nominal time within the round of
//! numbers; it moves against the rate, `dφ/dt = -ρ`. A Kalman filter holds phase, rate and one bias for each node: what is wrong with
//! that node's clock and path for minutes on end, so that a thousand readings of one node are not worth more than its clock. A
//! reading far off changes nothing; several that agree with each other, from all nodes that hear the cell, are a restart of the
//! cell and begin a new epoch. Small steps show in a cumulative sum of the innovations.
//!
//! ## References
//! - E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954): the cumulative sum
//! - D. Siegmund, Sequential Analysis (1985), section 2.6: its mean time between false alarms
//! - 3GPP TS 45.010 Release 17, clause 5.1; 3GPP TS 36.104 Release 17, clause 6.5.1 (frequency error of a base station)

use super::gather::LICENSED_PPB;
use crate::observation::NodeId;
use crate::units::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// What is taken for granted of cells and nodes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Wander of a cell's phase: one standard deviation after a second, nanoseconds.
    pub phase_walk_ns: f64,
    /// Wander of a cell's rate: one standard deviation after a second, ppb.
    pub rate_walk_ppb: f64,
    /// How long a node's bias lasts, seconds.
    pub bias_s: f64,
    /// One standard deviation of the bias of a path, beside that of its clock, nanoseconds.
    pub path_sigma_ns: f64,
    /// Readings off by more standard deviations are not used.
    pub gate: f64,
    /// The cumulative sum of innovations (less half a standard deviation each) that is a step of the phase.
    pub step: f64,
}

impl Default for Settings {
    /// An oven-controlled oscillator (0.1 ns and 0.03 ppb in a second: 1e-10 and 1 ppb in 1,000 s), biases of an hour, paths to 30 ns. The
    /// sum of 16 has one false alarm in 3e7 readings by Siegmund's formula; 6 sigma one in 5e8.
    fn default() -> Settings {
        Settings { phase_walk_ns: 0.1, rate_walk_ppb: 0.03, bias_s: 3600.0, path_sigma_ns: 30.0, gate: 6.0, step: 16.0 }
    }
}

/// One node's reading of a cell's phase.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseReading {
    /// Whose.
    pub node: NodeId,
    /// When.
    pub at: Timestamp,
    /// The phase: arrival less flight less nominal time, nanoseconds; whole rounds do not matter.
    pub phase_ns: f64,
    /// One standard deviation of the noise, nanoseconds.
    pub sigma_ns: f64,
    /// One standard deviation of what stays the same in this node's readings: its clock, nanoseconds.
    pub bias_sigma_ns: f64,
    /// Rate of the cell's frames with one standard deviation, ppb; positive: too fast.
    pub rate_ppb: Option<(f64, f64)>,
}

/// What a reading did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It was used.
    Used,
    /// It is older than all that could be corrected by it, or than the last jump, or it was given before.
    Stale,
    /// It does not fit and was not used.
    Outlier {
        /// How far it is off, nanoseconds.
        by_ns: f64,
    },
    /// The cell's phase has jumped: a new epoch has begun.
    Jumped {
        /// By how much, nanoseconds.
        by_ns: f64,
    },
}

/// What is known of a cell's phase at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Counts the cell's restarts, from 0.
    pub epoch: u32,
    /// When this epoch was first seen.
    pub since: Timestamp,
    /// The last reading.
    pub heard: Timestamp,
    /// Readings of this epoch.
    pub readings: u64,
    /// The phase, nanoseconds, within half a round of zero.
    pub phase_ns: f64,
    /// One standard deviation.
    pub sigma_ns: f64,
    /// The rate of its frames, ppb; positive: too fast.
    pub rate_ppb: f64,
    /// One standard deviation.
    pub rate_sigma_ppb: f64,
}

/// Readings that agree with each other and not with the phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rival {
    first: Timestamp,
    at: Timestamp,
    phase_ns: f64,
    sigma_ns: f64,
    nodes: Vec<NodeId>,
    count: u32,
}

/// The filter of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellPhase {
    round_ns: i64,
    settings: Settings,
    epoch: u32,
    since: Timestamp,
    at: Timestamp,
    readings: u64,
    /// Phase, rate, and the biases of `nodes`.
    x: Vec<f64>,
    /// Its covariance, row-major.
    p: Vec<f64>,
    nodes: Vec<Biased>,
    sums: [f64; 2],
    rival: Option<Rival>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Biased {
    node: NodeId,
    heard: Timestamp,
    sigma_ns: f64,
}

/// Nodes whose bias is held at once; the one not heard for longest goes.
const MAX_NODES: usize = 16;
/// A reading may be this much older than the newest.
const LATE: Nanos = Nanos::from_secs(600);
/// A node heard within this time would have seen a jump too.
const RECENT: Nanos = Nanos::from_secs(600);
/// Readings that must agree before a jump is believed.
const CONFIRM: u32 = 3;
/// What the cumulative sum forgives each reading, standard deviations: half the least step sought (Page).
const FORGIVEN: f64 = 0.5;

impl CellPhase {
    /// The filter after its first reading; `round_ns` is the length of a round of frame numbers.
    pub fn new(round_ns: i64, settings: Settings, first: &PhaseReading) -> CellPhase {
        let mut cell = CellPhase {
            round_ns,
            settings,
            epoch: 0,
            since: first.at,
            at: first.at,
            readings: 0,
            x: vec![0.0; 2],
            p: vec![0.0, 0.0, 0.0, LICENSED_PPB * LICENSED_PPB],
            nodes: Vec::new(),
            sums: [0.0; 2],
            rival: None,
        };
        let bias = cell.bias(first);
        cell.begin(first, bias);
        cell.readings = 1;
        cell.rate(first);
        cell
    }

    /// A phase that is what it is by definition and does not wander.
    pub(super) fn exact(round_ns: i64, at: Timestamp, phase_ns: f64) -> CellPhase {
        let settings = Settings { phase_walk_ns: 0.0, rate_walk_ppb: 0.0, ..Settings::default() };
        CellPhase {
            round_ns,
            settings,
            epoch: 0,
            since: at,
            at,
            readings: 0,
            x: vec![phase_ns, 0.0],
            p: vec![0.0; 4],
            nodes: Vec::new(),
            sums: [0.0; 2],
            rival: None,
        }
    }

    /// When it was last heard.
    pub fn heard(&self) -> Timestamp {
        self.at
    }

    /// Length of a round of frame numbers, nanoseconds.
    pub fn round_ns(&self) -> i64 {
        self.round_ns
    }

    /// The last readings do not fit: it may have jumped.
    pub fn unsettled(&self) -> bool {
        self.rival.is_some()
    }

    /// The epoch began with a jump, after this instant: what was read before is of the former one.
    pub fn began_after(&self, at: Timestamp) -> bool {
        self.epoch > 0 && at < self.since
    }

    /// The phase has stepped by so much; for a phase that is what it is by definition.
    pub(super) fn step(&mut self, by_ns: f64, since: Timestamp) {
        self.epoch += 1;
        (self.since, self.at) = (since, self.at.max(since));
        self.x[0] = self.wrap(self.x[0] + by_ns);
    }

    /// What is known at an instant; the uncertainty grows with the time since the last reading.
    pub fn at(&self, at: Timestamp) -> Learned {
        let dt = (at - self.at).as_secs_f64();
        let (variance, rate_variance) = (self.spread(dt), self.p[self.x.len() + 1] + self.rate_walk(dt));
        Learned {
            epoch: self.epoch,
            since: self.since,
            heard: self.at,
            readings: self.readings,
            phase_ns: self.wrap(self.x[0] - self.x[1] * dt),
            sigma_ns: variance.sqrt(),
            rate_ppb: self.x[1],
            rate_sigma_ppb: rate_variance.sqrt(),
        }
    }

    /// Takes a reading.
    pub fn update(&mut self, reading: &PhaseReading) -> Outcome {
        // A frame that is reported again, in another finding say, is no second reading.
        let again = self.nodes.iter().any(|n| n.node == reading.node && n.heard == reading.at);
        if again || self.at - reading.at > LATE || self.began_after(reading.at) {
            return Outcome::Stale;
        }
        let behind = (reading.at - self.at).as_secs_f64();
        if behind > 0.0 {
            self.predict(behind);
            self.at = reading.at;
        }
        let bias = self.bias(reading);
        // A late reading is of the phase as it was.
        let back = -behind.min(0.0);
        let h = [(0, 1.0), (1, back), (bias, 1.0)];
        let noise = reading.sigma_ns.powi(2) + self.walk(back);
        let off = self.wrap(reading.phase_ns - self.x[0] - back * self.x[1] - self.x[bias]);
        let z = off / self.innovation(&h, noise).sqrt();
        self.nodes[bias - 2].heard = self.nodes[bias - 2].heard.max(reading.at);
        if z.abs() > self.settings.gate {
            return self.outlier(reading, bias, off);
        }
        if self.rival.as_ref().is_some_and(|rival| reading.at > rival.first) {
            self.rival = None;
        }
        let [up, down] = self.sums;
        self.sums = [(up + z - FORGIVEN).max(0.0), (down - z - FORGIVEN).max(0.0)];
        self.readings += 1;
        if self.sums.iter().any(|&sum| sum > self.settings.step) {
            return self.jump(reading, bias, off, reading.at);
        }
        self.correct(&h, off, noise);
        self.rate(reading);
        Outcome::Used
    }

    /// A reading that does not fit: alone it is noise; several that agree are a jump.
    fn outlier(&mut self, reading: &PhaseReading, bias: usize, off: f64) -> Outcome {
        let outlier = Outcome::Outlier { by_ns: off };
        let own = self.settings.path_sigma_ns.hypot(reading.bias_sigma_ns).hypot(reading.sigma_ns);
        let rate = (self.x[1], LICENSED_PPB.hypot(self.p[self.x.len() + 1].sqrt()));
        let agrees = self.rival.as_ref().is_some_and(|rival| {
            let dt = (reading.at - rival.at).as_secs_f64();
            let apart = self.wrap(reading.phase_ns - rival.phase_ns + rate.0 * dt);
            apart.abs() < self.settings.gate * own.hypot(rival.sigma_ns).hypot(rate.1 * dt)
        });
        let mut rival = match self.rival.take() {
            Some(rival) if agrees => rival,
            _ => Rival {
                first: reading.at,
                at: reading.at,
                phase_ns: reading.phase_ns,
                sigma_ns: own,
                nodes: Vec::new(),
                count: 0,
            },
        };
        rival.count += 1;
        (rival.at, rival.phase_ns, rival.sigma_ns) = (reading.at, reading.phase_ns, own);
        if !rival.nodes.contains(&reading.node) && rival.nodes.len() < MAX_NODES {
            rival.nodes.push(reading.node.clone());
        }
        // One node of several may have lost its time; a cell that has jumped has done so for all.
        let others = |n: &&Biased| rival.first - n.heard < RECENT && !rival.nodes.contains(&n.node);
        let several = self.nodes.iter().filter(others).count() > 0;
        if rival.count < CONFIRM || (several && rival.nodes.len() < 2) {
            self.rival = Some(rival);
            return outlier;
        }
        let first = rival.first;
        self.jump(reading, bias, off, first)
    }

    fn jump(&mut self, reading: &PhaseReading, bias: usize, off: f64, since: Timestamp) -> Outcome {
        self.epoch += 1;
        self.since = since;
        self.readings = 1;
        self.begin(reading, bias);
        self.rate(reading);
        Outcome::Jumped { by_ns: off }
    }

    /// Starts the phase afresh from one reading; biases are the nodes' and stay.
    fn begin(&mut self, reading: &PhaseReading, bias: usize) {
        let n = self.x.len();
        self.at = self.at.max(reading.at);
        self.x[0] = self.wrap(reading.phase_ns - self.x[bias]);
        for j in 0..n {
            let with = -self.p[bias * n + j];
            (self.p[j], self.p[j * n]) = (with, with);
            if j != 1 {
                (self.p[n + j], self.p[j * n + 1]) = (0.0, 0.0);
            }
        }
        self.p[0] = reading.sigma_ns.powi(2) + self.p[bias * n + bias];
        self.p[1] = 0.0;
        self.p[n] = 0.0;
        // A restart may have come from another oscillator.
        self.p[n + 1] = LICENSED_PPB * LICENSED_PPB;
        self.sums = [0.0; 2];
        self.rival = None;
    }

    fn rate(&mut self, reading: &PhaseReading) {
        if let Some((ppb, sigma)) = reading.rate_ppb {
            let off = ppb - self.x[1];
            let variance = self.innovation(&[(1, 1.0)], sigma * sigma);
            if off.abs() <= self.settings.gate * variance.sqrt() {
                self.correct(&[(1, 1.0)], off, sigma * sigma);
            }
        }
    }

    /// The place of a node's bias in the state; made where it is new.
    fn bias(&mut self, reading: &PhaseReading) -> usize {
        if let Some(i) = self.nodes.iter().position(|n| n.node == reading.node) {
            return i + 2;
        }
        if self.nodes.len() >= MAX_NODES {
            let oldest = (0..self.nodes.len()).min_by_key(|&i| self.nodes[i].heard).expect("there are nodes");
            self.nodes.remove(oldest);
            self.without(oldest + 2);
        }
        let sigma_ns = self.settings.path_sigma_ns.hypot(reading.bias_sigma_ns);
        self.nodes.push(Biased { node: reading.node.clone(), heard: reading.at, sigma_ns });
        let n = self.x.len();
        self.x.push(0.0);
        let wide = n + 1;
        let mut p = vec![0.0; wide * wide];
        (0..n * n).for_each(|i| p[i / n * wide + i % n] = self.p[i]);
        p[wide * wide - 1] = sigma_ns * sigma_ns;
        self.p = p;
        n
    }

    /// Takes one unknown out.
    fn without(&mut self, gone: usize) {
        let n = self.x.len();
        let kept = |i: &usize| *i != gone;
        self.p = (0..n * n).filter(|i| kept(&(i / n)) && kept(&(i % n))).map(|i| self.p[i]).collect();
        self.x.remove(gone);
    }

    /// Variance that wandering adds to the phase in a time of either sign.
    fn walk(&self, dt: f64) -> f64 {
        let (dt, s) = (dt.abs(), &self.settings);
        s.phase_walk_ns.powi(2) * dt + s.rate_walk_ppb.powi(2) * dt.powi(3) / 3.0
    }

    fn rate_walk(&self, dt: f64) -> f64 {
        self.settings.rate_walk_ppb.powi(2) * dt.abs()
    }

    /// Variance of the phase at another time.
    fn spread(&self, dt: f64) -> f64 {
        let n = self.x.len();
        self.p[0] - 2.0 * dt * self.p[1] + dt * dt * self.p[n + 1] + self.walk(dt)
    }

    fn predict(&mut self, dt: f64) {
        let n = self.x.len();
        let kept = (-dt / self.settings.bias_s).exp();
        self.x[0] = self.wrap(self.x[0] - self.x[1] * dt);
        self.x[2..].iter_mut().for_each(|bias| *bias *= kept);
        let scale = |i: usize| if i < 2 { 1.0 } else { kept };
        // Phase and rate first, in rows and then in columns.
        for j in 0..n {
            self.p[j] -= dt * self.p[n + j];
        }
        for i in 0..n {
            self.p[i * n] -= dt * self.p[i * n + 1];
        }
        for i in 0..n {
            (0..n).for_each(|j| self.p[i * n + j] *= scale(i) * scale(j));
        }
        let q = self.rate_walk(1.0);
        self.p[0] += self.walk(dt);
        self.p[1] -= q * dt * dt / 2.0;
        self.p[n] -= q * dt * dt / 2.0;
        self.p[n + 1] += q * dt;
        for (i, node) in self.nodes.iter().enumerate() {
            self.p[(i + 2) * (n + 1)] += (1.0 - kept * kept) * node.sigma_ns.powi(2);
        }
    }

    /// Variance of a measurement of these unknowns with these coefficients.
    fn innovation(&self, h: &[(usize, f64)], noise: f64) -> f64 {
        let n = self.x.len();
        h.iter()
            .flat_map(|a| h.iter().map(move |b| (a, b)))
            .map(|(a, b)| a.1 * b.1 * self.p[a.0 * n + b.0])
            .sum::<f64>()
            + noise
    }

    fn correct(&mut self, h: &[(usize, f64)], off: f64, noise: f64) {
        let n = self.x.len();
        let variance = self.innovation(h, noise);
        let along: Vec<f64> = (0..n).map(|i| h.iter().map(|&(at, c)| c * self.p[i * n + at]).sum()).collect();
        for i in 0..n {
            self.x[i] += along[i] * off / variance;
            (0..n).for_each(|j| self.p[i * n + j] -= along[i] * along[j] / variance);
        }
        self.x[0] = self.wrap(self.x[0]);
    }

    fn wrap(&self, value: f64) -> f64 {
        let round = self.round_ns as f64;
        value - round * (value / round).round()
    }
}
