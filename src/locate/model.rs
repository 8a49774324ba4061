//! A [`Problem`] made ready for the solver: its rows, and the joint prior of all linear unknowns (`prior.rs`).
//!
//! Linear unknowns `z`: the suspect's epoch and rate, offset and rate of each node's clock, level at 1 m, path-loss exponent.

use super::METRES_PER_NS;
use super::geodesy::Enu;
use super::likelihood::{Loss, gaussian, mixture};
use super::prior::prior;
use super::problem::Problem;
use super::reduce::{Linears, reduce};
use std::f64::consts::{LN_10, PI};

/// Where the emitter is: east, north, height above the ellipsoid; metres.
pub(super) type Place = [f64; 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Metres.
    Arrival,
    /// Decibels.
    Level,
    /// Radians.
    Bearing,
}

/// One measurement of the suspect.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub kind: Kind,
    pub node: Enu,
    pub observed: f64,
    /// One over the variance.
    pub info: f64,
    /// The linear unknowns in it and their coefficients; the exponent's is set when the place is known.
    terms: [(usize, f64); 4],
    used: usize,
}

impl Row {
    fn new(kind: Kind, node: Enu, observed: f64, sigma: f64) -> Row {
        Row { kind, node, observed, info: 1.0 / (sigma * sigma), terms: [(0, 0.0); 4], used: 0 }
    }

    /// What the linear unknowns add to the model, where they do so with the same share everywhere.
    pub fn offset(&self, z: &[f64]) -> f64 {
        self.terms[..self.used].iter().map(|&(at, c)| c * z[at]).sum()
    }

    /// The linear unknowns in it, with their coefficients.
    pub fn terms(&self) -> &[(usize, f64)] {
        &self.terms[..self.used]
    }

    /// Other unknowns, at most four.
    pub fn set_terms(&mut self, terms: &[(usize, f64)]) {
        self.terms[..terms.len()].copy_from_slice(terms);
        self.used = terms.len();
    }

    fn term(&mut self, at: Option<usize>, coefficient: f64) {
        if let Some(at) = at {
            self.terms[self.used] = (at, coefficient);
            self.used += 1;
        }
    }
}

/// Places of the linear unknowns in `z`.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    pub epoch: Option<usize>,
    pub rate: Option<usize>,
    pub offsets: Vec<Option<usize>>,
    pub rates: Vec<Option<usize>>,
    pub power: Option<usize>,
    pub exponent: Option<usize>,
    pub count: usize,
}

impl Layout {
    fn next(&mut self, wanted: bool) -> Option<usize> {
        self.count += usize::from(wanted);
        wanted.then(|| self.count - 1)
    }
}

/// The solver's view of a problem.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub rows: Vec<Row>,
    /// How many linear unknowns.
    pub p: usize,
    /// Information of their prior, `p` by `p`.
    prior: Vec<f64>,
    /// Its mean.
    pub mean: Vec<f64>,
    /// Those that the emission epoch is added to.
    epoch: Vec<usize>,
    /// Share and mean excess of late paths, metres.
    late: Option<(f64, f64)>,
    radius_m: f64,
    height: (f64, f64),
}

/// The normal equations at a place.
#[derive(Clone, Debug)]
pub(super) struct Normal {
    pub cost: f64,
    pub xx: [[f64; 3]; 3],
    pub gx: [f64; 3],
    pub zz: Vec<f64>,
    /// `p` rows of 3.
    pub zx: Vec<[f64; 3]>,
    pub gz: Vec<f64>,
}

impl Normal {
    pub fn new(p: usize) -> Normal {
        Normal {
            cost: 0.0,
            xx: [[0.0; 3]; 3],
            gx: [0.0; 3],
            zz: vec![0.0; p * p],
            zx: vec![[0.0; 3]; p],
            gz: vec![0.0; p],
        }
    }
}

/// A row at a place: residual, derivative of its model by the place, and its terms.
pub(super) struct Linear {
    pub residual: f64,
    pub by_place: [f64; 3],
    pub terms: [(usize, f64); 4],
    pub used: usize,
}

/// A place, and how it moves with the place's coordinates.
struct Spot {
    at: Enu,
    down: [f64; 2],
    free: f64,
}

impl Spot {
    /// From a node: east, north and up, the distance, and the derivative of that by the place.
    #[inline]
    fn from(&self, node: &Enu) -> ([f64; 3], f64, [f64; 3]) {
        let (e, n) = (self.at.east_m - node.east_m, self.at.north_m - node.north_m);
        let u = self.at.up_m - node.up_m;
        // No antenna stands within a metre of another, and a direction from a place to itself does not exist.
        let distance = (e * e + n * n + u * u).sqrt().max(1.0);
        let inverse = 1.0 / distance;
        let outward = [(e + u * self.down[0]) * inverse, (n + u * self.down[1]) * inverse, self.free * u * inverse];
        ([e, n, u], distance, outward)
    }

    #[inline]
    fn linear(&self, row: &Row, z: &[f64]) -> Linear {
        let ([e, n, _], distance, outward) = self.from(&row.node);
        let mut terms = row.terms;
        let (model, by_place) = match row.kind {
            Kind::Arrival => (distance, outward),
            Kind::Level => {
                terms[1].1 = -10.0 * distance.log10();
                let slope = -10.0 * z[terms[1].0] / (LN_10 * distance);
                (0.0, outward.map(|o| o * slope))
            }
            Kind::Bearing => {
                let r2 = (e * e + n * n).max(1.0);
                (e.atan2(n), [n / r2, -e / r2, 0.0])
            }
        };
        let linear: f64 = terms[..row.used].iter().map(|&(at, c)| c * z[at]).sum();
        let mut residual = row.observed - model - linear;
        if row.kind == Kind::Bearing {
            residual -= 2.0 * PI * (residual / (2.0 * PI)).round();
        }
        Linear { residual, by_place, terms, used: row.used }
    }
}

impl Model {
    /// The problem must have been checked.
    pub fn new(problem: &Problem) -> Model {
        let layout = layout(problem);
        let mut rows = rows(problem, &layout);
        let (prior, mean) = prior(problem, &layout);
        let offsets: Vec<Option<usize>> = problem.arrivals.iter().map(|a| layout.offsets[a.clock]).collect();
        let others: Vec<usize> = layout.power.into_iter().chain(layout.exponent).collect();
        let linears = Linears { prior, mean, epoch: layout.epoch.into_iter().collect() };
        let Linears { prior, mean, epoch } = reduce(&mut rows, &offsets, &others, linears);
        Model {
            rows,
            p: mean.len(),
            prior,
            mean,
            epoch,
            late: problem.late.map(|late| (late.share, late.mean_ns * METRES_PER_NS)),
            radius_m: problem.plane.map_or(f64::INFINITY, |plane| plane.radius_m()),
            height: (problem.emitter.height_m, problem.emitter.height_sigma_m),
        }
    }

    /// A point of the plane's axes at this place.
    pub fn enu(&self, x: Place) -> Enu {
        Enu { east_m: x[0], north_m: x[1], up_m: x[2] - (x[0] * x[0] + x[1] * x[1]) / (2.0 * self.radius_m) }
    }

    fn spot(&self, x: Place) -> Spot {
        // Height above the ellipsoid is held while moving sideways, so `up` falls with the ground.
        let down = [-x[0] / self.radius_m, -x[1] / self.radius_m];
        Spot { at: self.enu(x), down, free: if self.height.1 > 0.0 { 1.0 } else { 0.0 } }
    }

    /// The height that the prior expects.
    pub fn height_m(&self) -> f64 {
        self.height.0
    }

    /// The linear unknowns as expected, but for the emission epoch.
    pub fn with_epoch(&self, epoch: f64) -> Vec<f64> {
        let mut z = self.mean.clone();
        self.epoch.iter().for_each(|&at| z[at] += epoch);
        z
    }

    /// Whether paths may be late.
    pub fn has_late(&self) -> bool {
        self.late.is_some()
    }

    /// One row at a place with these linear unknowns.
    pub fn linear(&self, row: &Row, x: Place, z: &[f64]) -> Linear {
        self.spot(x).linear(row, z)
    }

    /// What a row's residual costs; `plain` takes every path to be in line of sight.
    #[inline]
    pub fn loss(&self, row: &Row, residual: f64, plain: bool) -> Loss {
        match (row.kind, self.late) {
            (Kind::Arrival, Some((share, mean))) if !plain => mixture(residual, row.info, share, mean),
            _ => gaussian(residual, row.info),
        }
    }

    /// The plain cost at the prior's mean of the linear unknowns, and half its downward slope along each of them.
    pub fn slopes(&self, x: Place, mean: &[f64], out: &mut [f64]) -> f64 {
        out.fill(0.0);
        let mut cost = 0.0;
        let spot = self.spot(x);
        for row in &self.rows {
            let linear = spot.linear(row, mean);
            let slope = linear.residual * row.info;
            cost += linear.residual * slope;
            linear.terms[..linear.used].iter().for_each(|&(at, c)| out[at] += slope * c);
        }
        cost
    }

    /// The normal equations at a place.
    pub fn assemble(&self, x: Place, z: &[f64], plain: bool, out: &mut Normal) {
        let p = self.p;
        out.cost = 0.0;
        out.xx = [[0.0; 3]; 3];
        out.gx = [0.0; 3];
        out.zx.fill([0.0; 3]);
        out.zz.copy_from_slice(&self.prior);
        for i in 0..p {
            let pull: f64 = (0..p).map(|j| self.prior[i * p + j] * (self.mean[j] - z[j])).sum();
            out.gz[i] = pull;
            out.cost += pull * (self.mean[i] - z[i]);
        }
        let spot = self.spot(x);
        let add = |out: &mut Normal, loss: &Loss, j: [f64; 3]| {
            out.cost += loss.cost;
            for a in 0..3 {
                out.gx[a] += loss.slope * j[a];
                let bend = loss.bend * j[a];
                (a..3).for_each(|b| out.xx[a][b] += bend * j[b]);
            }
        };
        for row in &self.rows {
            // Most rows are frames with one unknown.
            if let (Kind::Arrival, 1, (at, c)) = (row.kind, row.used, row.terms[0]) {
                let (_, distance, j) = spot.from(&row.node);
                let loss = self.loss(row, row.observed - distance - c * z[at], plain);
                add(out, &loss, j);
                out.gz[at] += loss.slope * c;
                out.zx[at].iter_mut().zip(j).for_each(|(zx, j)| *zx += loss.bend * c * j);
                out.zz[at * p + at] += loss.bend * c * c;
                continue;
            }
            let linear = spot.linear(row, z);
            let loss = self.loss(row, linear.residual, plain);
            let j = linear.by_place;
            add(out, &loss, j);
            for &(at, c) in &linear.terms[..linear.used] {
                out.gz[at] += loss.slope * c;
                out.zx[at].iter_mut().zip(j).for_each(|(zx, j)| *zx += loss.bend * c * j);
                for &(to, d) in &linear.terms[..linear.used] {
                    out.zz[at * p + to] += loss.bend * c * d;
                }
            }
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            out.xx[b][a] = out.xx[a][b];
        }
        let (height, sigma) = self.height;
        if sigma > 0.0 {
            let off = (height - x[2]) / sigma;
            out.cost += off * off;
            out.gx[2] += off / sigma;
            out.xx[2][2] += 1.0 / (sigma * sigma);
        } else {
            out.xx[2][2] = 1.0;
        }
    }
}

fn layout(problem: &Problem) -> Layout {
    let arrivals = || problem.arrivals.iter().chain(problem.references.iter().map(|r| &r.arrival));
    // Nothing can drift where all frames are those of the reference instant.
    let drifting = arrivals().any(|a| a.elapsed_s != 0.0);
    let mut layout = Layout::default();
    layout.epoch = layout.next(!problem.arrivals.is_empty());
    layout.rate = layout.next(drifting && problem.emitter.rate_sigma_ppb > 0.0);
    for (i, clock) in problem.clocks.iter().enumerate() {
        let readings = problem.arrivals.iter().filter(|a| a.clock == i).count();
        let shared = problem.references.iter().any(|r| r.arrival.clock == i);
        // An error that one reading alone has is part of that reading's noise.
        let alone = readings <= 1 && !shared && clock.offset_sigma_ns.is_some();
        let offset = layout.next(!alone && (readings > 0 || shared));
        let rate = layout.next(drifting && clock.rate_sigma_ppb > 0.0);
        layout.offsets.push(offset);
        layout.rates.push(rate);
    }
    layout.power = layout.next(!problem.levels.is_empty());
    layout.exponent = layout.next(!problem.levels.is_empty());
    layout
}

fn rows(problem: &Problem, layout: &Layout) -> Vec<Row> {
    let mut rows = Vec::with_capacity(problem.arrivals.len() + problem.levels.len() + problem.bearings.len());
    for arrival in &problem.arrivals {
        let offset = layout.offsets[arrival.clock];
        let own = problem.clocks[arrival.clock].offset_sigma_ns.filter(|_| offset.is_none()).unwrap_or(0.0);
        let sigma = arrival.sigma_ns.hypot(own) * METRES_PER_NS;
        let mut row = Row::new(Kind::Arrival, arrival.node, arrival.at_ns * METRES_PER_NS, sigma);
        row.term(layout.epoch, 1.0);
        row.term(layout.rate, -arrival.elapsed_s);
        row.term(offset, 1.0);
        row.term(layout.rates[arrival.clock], arrival.elapsed_s);
        rows.push(row);
    }
    for level in &problem.levels {
        let mut row = Row::new(Kind::Level, level.node, level.level.0, level.sigma.0);
        row.term(layout.power, 1.0);
        row.term(layout.exponent, 0.0);
        rows.push(row);
    }
    for bearing in &problem.bearings {
        let (azimuth, sigma) = (bearing.azimuth_deg.to_radians(), bearing.sigma_deg.to_radians());
        rows.push(Row::new(Kind::Bearing, bearing.node, azimuth, sigma));
    }
    rows
}
