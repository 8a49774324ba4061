//! Geometries and measurements with truth, from a seed; flat earth, the emitter at the origin.

use daen::locate::METRES_PER_NS;
use daen::locate::bounds::crlb;
use daen::locate::problem::{Arrival, Bearing, Cell, Clock, Emitter, Late, LevelReading, Problem, Reference};
use daen::locate::{Enu, Fix, Solution, locate};
use daen::units::{Db, Dbm};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};
use std::f64::consts::TAU;

pub fn seeded(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn normal(random: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(random)
}

/// How nodes stand round the emitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// All round, evenly but for a third of the step each way.
    Ring,
    /// On one side: evenly over 120 degrees, each off by 8 degrees (one standard deviation).
    Border,
    /// On a line 4 km south of the emitter, 12 km long, with this depth of scatter.
    Line(f64),
}

pub fn place(east_m: f64, north_m: f64) -> Enu {
    Enu { east_m, north_m, up_m: 0.0 }
}

/// Nodes between `near` and `far` kilometres.
pub fn nodes(random: &mut ChaCha8Rng, layout: Layout, n: usize, near: f64, far: f64) -> Vec<Enu> {
    let turn = random.random::<f64>() * TAU;
    (0..n)
        .map(|i| {
            let of = |share: f64| share / n as f64;
            let azimuth = match layout {
                Layout::Ring => turn + TAU * of(i as f64 + random.random_range(-0.33..0.33)),
                Layout::Border => (120.0 * i as f64 / (n - 1) as f64 - 60.0 + 8.0 * normal(random)).to_radians(),
                Layout::Line(depth) => {
                    let east = 12e3 * ((i as f64 + 0.5) / n as f64 - 0.5) + random.random_range(-1e3..1e3);
                    return place(east, -4e3 + random.random_range(-0.5..0.5) * depth);
                }
            };
            let range = 1e3 * random.random_range(near..far);
            place(range * azimuth.sin(), range * azimuth.cos())
        })
        .collect()
}

/// Exact frame times on clocks that know the time to `sigma_ns`; add noise with [`noisy`].
pub fn absolute(nodes: &[Enu], sigma_ns: f64) -> Problem {
    let mut problem = Problem::default();
    for (clock, &node) in nodes.iter().enumerate() {
        problem.clocks.push(Clock { offset_sigma_ns: Some(1e-3), rate_sigma_ppb: 0.0 });
        let at_ns = node.distance_m(Enu::default()) / METRES_PER_NS;
        problem.arrivals.push(Arrival { node, clock, at_ns, elapsed_s: 0.0, sigma_ns });
    }
    problem
}

/// Exact frame times on free clocks with licensed cells at `sites`, all heard by all nodes.
pub fn relative(nodes: &[Enu], sites: &[Enu], sigma_ns: f64, rate_sigma_ppb: f64, gap_s: f64) -> Problem {
    let mut problem = Problem { emitter: Emitter { rate_sigma_ppb: 0.0, ..Emitter::default() }, ..Problem::default() };
    problem.cells = sites.iter().map(|&site| Cell { site, epoch_ns: None, rate_sigma_ppb: 0.0 }).collect();
    for (clock, &node) in nodes.iter().enumerate() {
        problem.clocks.push(Clock { offset_sigma_ns: None, rate_sigma_ppb });
        let from = |site: Enu, elapsed_s: f64| {
            let at_ns = node.distance_m(site) / METRES_PER_NS;
            Arrival { node, clock, at_ns, elapsed_s, sigma_ns }
        };
        problem.arrivals.push(from(Enu::default(), gap_s));
        for (cell, &site) in sites.iter().enumerate() {
            problem.references.push(Reference { cell, arrival: from(site, 0.0) });
        }
    }
    problem
}

pub fn levels(problem: &mut Problem, nodes: &[Enu], sigma_db: f64) {
    for &node in nodes {
        let loss = 35.0 * node.distance_m(Enu::default()).log10();
        problem.levels.push(LevelReading { node, level: Dbm(60.0 - loss), sigma: Db(sigma_db) });
    }
}

pub fn bearings(problem: &mut Problem, nodes: &[Enu], sigma_deg: f64) {
    for &node in nodes {
        let azimuth_deg = (-node.east_m).atan2(-node.north_m).to_degrees();
        problem.bearings.push(Bearing { node, azimuth_deg, sigma_deg });
    }
}

/// The problem with noise, with clock offsets and cell epochs where they are unknown, and with late paths.
pub fn noisy(exact: &Problem, random: &mut ChaCha8Rng, late: Option<Late>) -> Problem {
    let mut problem = exact.clone();
    let epoch = 1e6 * normal(random);
    let clocks: Vec<(f64, f64)> = problem
        .clocks
        .iter()
        .map(|c| (c.offset_sigma_ns.unwrap_or(1e6) * normal(random), c.rate_sigma_ppb * normal(random)))
        .collect();
    let cells: Vec<f64> = problem.cells.iter().map(|_| 1e6 * normal(random)).collect();
    let read = |arrival: &mut Arrival, own: f64, random: &mut ChaCha8Rng| {
        let (offset, rate) = clocks[arrival.clock];
        arrival.at_ns += own + offset + rate * arrival.elapsed_s + arrival.sigma_ns * normal(random);
    };
    for arrival in &mut problem.arrivals {
        read(arrival, epoch, random);
        if let Some(late) = late
            && random.random::<f64>() < late.share
        {
            let excess: f64 = Exp1.sample(random);
            arrival.at_ns += late.mean_ns * excess;
        }
    }
    for reference in &mut problem.references {
        read(&mut reference.arrival, cells[reference.cell], random);
    }
    for level in &mut problem.levels {
        level.level = Dbm(level.level.0 + level.sigma.0 * normal(random));
    }
    for bearing in &mut problem.bearings {
        bearing.azimuth_deg += bearing.sigma_deg * normal(random);
    }
    problem
}

/// The value that a share of the sorted values does not exceed.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * share) as usize).min(values.len() - 1)]
}

/// Outcome of many trials.
#[derive(Default)]
pub struct Trials {
    /// Distance of the nearest admissible solution from the truth, one a trial.
    pub nearest_m: Vec<f64>,
    /// Distance of the best solution.
    pub best_m: Vec<f64>,
    /// The bound's circle at the truth of each trial.
    pub bound_m: Vec<f64>,
    /// Error over that trial's bound.
    pub scaled: Vec<f64>,
    /// Trials whose 95 % regions contain the truth.
    pub held: usize,
    /// Trials with more than one admissible solution.
    pub several: usize,
    /// Trials with a solution within 3.5 standard deviations of the truth among the answers.
    pub among: usize,
    /// Trials with one solution only, beyond 1 km from the truth and beyond its own 99.9 % ellipse.
    pub wrong: usize,
    /// Trials without a fix.
    pub none: usize,
}

impl Trials {
    pub fn add(&mut self, problem: &Problem, exact: &Problem) {
        let truth = Enu::default();
        let bound = crlb(exact, truth).map_or(f64::NAN, |c| c.cep50_m());
        self.bound_m.push(bound);
        let Ok(fix) = locate(problem) else {
            self.none += 1;
            self.nearest_m.push(1e6);
            self.best_m.push(1e6);
            self.scaled.push(1e6);
            return;
        };
        let off = |s: &Solution| s.place.east_m.hypot(s.place.north_m);
        let nearest = fix.solutions.iter().map(off).fold(f64::INFINITY, f64::min);
        self.nearest_m.push(nearest);
        self.best_m.push(off(fix.best()));
        self.scaled.push(nearest / bound);
        self.held += usize::from(holds(&fix, 0.95));
        self.several += usize::from(fix.solutions.len() > 1);
        self.among += usize::from(fix.solutions.iter().any(|s| off(s) < 1000.0 || s.holds(truth, 0.999)));
        self.wrong += usize::from(fix.solutions.len() == 1 && off(fix.best()) > 1000.0 && !holds(&fix, 0.999));
    }

    pub fn count(&self) -> usize {
        self.nearest_m.len()
    }

    /// Median of the nearest solution's error over the median bound.
    pub fn ratio(&mut self) -> f64 {
        quantile(&mut self.nearest_m, 0.5) / quantile(&mut self.bound_m, 0.5)
    }

    pub fn percent(&self, part: usize) -> f64 {
        100.0 * part as f64 / self.count() as f64
    }
}

fn holds(fix: &Fix, probability: f64) -> bool {
    fix.solutions.iter().any(|s| s.holds(Enu::default(), probability))
}
