//! The answer: every admissible position with its covariance, what each input did to it, and the bound; or why there is none.

use super::METRES_PER_NS;
use super::bounds::Covariance;
use super::geodesy::{Enu, Plane};
use super::model::{Kind, Model};
use super::problem::{Problem, ProblemError};
use super::solve::{ADMISSIBLE, Minimum, Solver};
use crate::observation::Position;
use serde::Serialize;
use std::fmt;

/// What a fix rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Frame times on clocks that know the time.
    AbsoluteTiming,
    /// Frame times differenced against licensed cells.
    RelativeTiming,
    /// Bearings.
    Bearings,
    /// Received levels alone: kilometres.
    Levels,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::AbsoluteTiming => "frame timing on disciplined clocks",
            Method::RelativeTiming => "frame timing against licensed cells",
            Method::Bearings => "bearings",
            Method::Levels => "received levels",
        })
    }
}

/// The ellipse that holds a share of a solution's probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ellipse {
    /// The share.
    pub probability: f64,
    /// Half the long axis, metres.
    pub semi_major_m: f64,
    /// Half the short axis, metres.
    pub semi_minor_m: f64,
    /// Direction of the long axis, clockwise from north, degrees, 0 to 180.
    pub azimuth_deg: f64,
}

/// What one measurement said about a solution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Influence {
    /// Its kind and its place in the problem's list of that kind.
    pub input: Input,
    /// Measured less expected: nanoseconds, decibels or degrees.
    pub residual: f64,
    /// The same over its standard deviation.
    pub normalised: f64,
    /// How much of the measurement the fit uses up, 0 to 1: near 1, nothing checks it.
    pub leverage: f64,
    /// Probability that its path has no line of sight; 0 where that is not modelled.
    pub late: f64,
}

/// Which measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Index into [`Problem::arrivals`].
    Arrival(usize),
    /// Index into [`Problem::levels`].
    Level(usize),
    /// Index into [`Problem::bearings`].
    Bearing(usize),
}

/// One position that the inputs admit.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// In the problem's axes.
    pub place: Enu,
    /// On the ellipsoid; `None` in a problem without a plane.
    pub position: Option<Position>,
    /// Its horizontal covariance.
    pub covariance: Covariance,
    /// Squared distances from it, in standard deviations by the covariance, that hold 50, 90 and 95 % of its probability; a Gaussian's
    /// where no path is late.
    pub tail: [f64; 3],
    /// Its share of the probability of all admissible solutions, 0 to 1.
    pub weight: f64,
    /// Cost: the sum of squared normalised residuals and priors, where nothing is late.
    pub chi2: f64,
    /// The Cramér-Rao bound of this geometry, paths in line of sight; `None` where only the late ones' lack of weight settles it.
    pub bound: Option<Covariance>,
    /// What each measurement said.
    pub influences: Vec<Influence>,
}

impl Solution {
    /// The ellipses that hold 50, 90 and 95 % of this solution's probability.
    pub fn ellipses(&self) -> [Ellipse; 3] {
        [0.5, 0.9, 0.95].map(|p| self.ellipse(p))
    }

    /// The ellipse that holds `probability` (above 0, below 1) of this solution's probability.
    pub fn ellipse(&self, probability: f64) -> Ellipse {
        let (long, short, azimuth_deg) = self.covariance.axes();
        let scale = along(-(1.0 - probability).ln(), &TAIL_LOGS, &self.tail).sqrt();
        Ellipse { probability, semi_major_m: scale * long, semi_minor_m: scale * short, azimuth_deg }
    }

    /// Radius of the circle that holds half of this solution's probability, metres.
    pub fn cep50_m(&self) -> f64 {
        self.covariance.cep50_m() * (self.tail[0] / GAUSSIAN_TAIL[0]).sqrt()
    }

    /// Whether a place lies in the ellipse that holds `probability`.
    pub fn holds(&self, place: Enu, probability: f64) -> bool {
        self.surprise(place) <= probability
    }

    /// The share of this solution's probability that lies nearer to its middle than a place does, such as a registered site's:
    /// 0 at the middle, 0.95 on the 95 % ellipse.
    pub fn surprise(&self, place: Enu) -> f64 {
        let (e, n) = (place.east_m - self.place.east_m, place.north_m - self.place.north_m);
        1.0 - (-along(self.covariance.mahalanobis2(e, n), &self.tail, &TAIL_LOGS)).exp()
    }
}

/// Minus the logarithms of 50, 10 and 5 %.
const TAIL_LOGS: [f64; 3] = [std::f64::consts::LN_2, std::f64::consts::LN_10, 2.995_732_273_553_991];
/// The squared radius of a whitened Gaussian in the plane is exponential with mean 2.
const GAUSSIAN_TAIL: [f64; 3] = [2.0 * TAIL_LOGS[0], 2.0 * TAIL_LOGS[1], 2.0 * TAIL_LOGS[2]];

/// The straight lines from the origin through three rising points, the last of them carried on.
fn along(at: f64, from: &[f64; 3], to: &[f64; 3]) -> f64 {
    let (mut a, mut b) = ((0.0, 0.0), (from[0], to[0]));
    for i in 1..3 {
        if at > b.0 {
            (a, b) = (b, (from[i], to[i]));
        }
    }
    b.1 + (at - b.0) * (b.1 - a.1) / (b.0 - a.0).max(f64::MIN_POSITIVE)
}

/// Where a transmitter is.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// What it rests on most.
    pub method: Method,
    /// Every admissible position, the likeliest first; never empty.
    pub solutions: Vec<Solution>,
    /// Measurements beyond those that the fit used up; near 0, nothing checks the fix.
    pub spare: f64,
    plane: Option<Plane>,
}

impl Fix {
    /// The likeliest.
    pub fn best(&self) -> &Solution {
        &self.solutions[0]
    }

    /// The axes of the solutions' places; `None` for a flat earth.
    pub fn plane(&self) -> Option<Plane> {
        self.plane
    }

    /// The share of the fix's probability that lies nearer to a solution's middle than a place does, by the solution that is least
    /// surprised; a site with more than 0.95 is not where the transmitter is.
    pub fn surprise(&self, place: Enu) -> f64 {
        self.solutions.iter().map(|s| s.surprise(place)).fold(1.0, f64::min)
    }
}

/// Why there is no fix.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoFix {
    /// Nothing was measured.
    #[error(
        "nothing was measured that depends on the place: give frame times, levels or bearings of at least two nodes"
    )]
    NoInputs,
    /// The measurements leave a line or an area open.
    #[error(
        "{inputs} measurements leave the place open: frame times need three nodes whose clocks agree or hear the same licensed cells, \
         levels three nodes, bearings two"
    )]
    Open {
        /// How many there were.
        inputs: usize,
    },
    /// The measurements are best explained by a transmitter far away.
    #[error(
        "every search left the region of {reach_km:.0} km round the nodes; the transmitter is far outside or the inputs contradict each other"
    )]
    Far {
        /// How far was searched.
        reach_km: f64,
    },
    /// Every admissible place is so uncertain that it says nothing.
    #[error("the place is uncertain by {sigma_km:.0} km; a fix of more than {limit_km:.0} km is none")]
    Vague {
        /// One standard deviation along the long axis.
        sigma_km: f64,
        /// The limit.
        limit_km: f64,
    },
    /// The problem is malformed.
    #[error(transparent)]
    Problem(#[from] ProblemError),
}

/// A place with a larger standard deviation names no district, let alone a mast.
const VAGUE_M: f64 = 30_000.0;

/// Places a transmitter.
///
/// # Errors
/// [`NoFix`] says why there is none.
pub fn locate(problem: &Problem) -> Result<Fix, NoFix> {
    problem.check()?;
    let model = Model::new(problem);
    if model.rows.is_empty() {
        return Err(NoFix::NoInputs);
    }
    let mut solver = Solver::new(&model);
    let minima = solver.minima();
    if problem.arrivals.len() < 2 && !problem.levels.is_empty() {
        let found = solver.by_levels(&minima).ok_or(NoFix::Open { inputs: model.rows.len() })?;
        let (minimum, spread) = found;
        return answer(problem, &mut solver, &[minimum], &[(spread.mass, spread.tail)]);
    }
    let Some(best) = minima.first() else {
        // A minimum with open directions has no covariance; told apart from a search that ran away by the middle of the nodes.
        let middle = problem_middle(&model);
        return Err(match solver.information(middle, &model.mean) {
            Some(_) => NoFix::Far { reach_km: solver.reach_m() / 1000.0 },
            None => NoFix::Open { inputs: model.rows.len() },
        });
    };
    let least = best.cost;
    let mut admissible: Vec<Minimum> = minima.iter().filter(|m| m.cost <= least + ADMISSIBLE).cloned().collect();
    let masses = if model.has_late() { spread(&mut solver, &mut admissible) } else { Vec::new() };
    // Laplace's approximation of each minimum's share: its likelihood times the area that it covers.
    let area = |m: &Minimum| (m.covariance[0][0] * m.covariance[1][1] - m.covariance[0][1].powi(2)).max(0.0).sqrt();
    let laplace = |m: &Minimum| (-0.5 * (m.cost - least)).exp() * area(m);
    let masses =
        if masses.is_empty() { admissible.iter().map(|m| (laplace(m), GAUSSIAN_TAIL)).collect() } else { masses };
    answer(problem, &mut solver, &admissible, &masses)
}

/// The fix of these minima, with mass and tail of each.
fn answer(
    problem: &Problem,
    solver: &mut Solver<'_>,
    admissible: &[Minimum],
    masses: &[(f64, [f64; 3])],
) -> Result<Fix, NoFix> {
    let model = solver.model;
    let sigma_m = admissible.iter().map(|m| Covariance::of(m.covariance).axes().0).fold(f64::INFINITY, f64::min);
    if sigma_m > VAGUE_M {
        return Err(NoFix::Vague { sigma_km: sigma_m / 1000.0, limit_km: VAGUE_M / 1000.0 });
    }
    let total: f64 = masses.iter().map(|m| m.0).sum();
    let mut solutions = Vec::with_capacity(admissible.len());
    let mut spare = None;
    for (minimum, (mass, tail)) in admissible.iter().zip(masses) {
        let information = solver.information(minimum.x, &minimum.z);
        let leverages = information.as_ref().map(|(_, l)| l.as_slice()).unwrap_or_default();
        let influences = influences(model, minimum, leverages);
        spare.get_or_insert_with(|| influences.iter().map(|i| 1.0 - i.leverage).sum());
        let place = model.enu(minimum.x);
        solutions.push(Solution {
            place,
            position: problem.plane.map(|plane| plane.position(place)),
            covariance: Covariance::of(minimum.covariance),
            tail: *tail,
            weight: mass / total,
            chi2: minimum.cost,
            bound: information.map(|(c, _)| Covariance::of(c)),
            influences,
        });
    }
    solutions.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    Ok(Fix { method: method(problem), solutions, spare: spare.unwrap_or(0.0), plane: problem.plane })
}

/// Minima nearer than this, in standard deviations of paths in line of sight, belong to one lobe of the likelihood.
const LOBE: f64 = 6.0;

/// Replaces each minimum's covariance by the second moment of the posterior round it, and drops those of the lobe of a likelier one;
/// returns mass and tail of each that is left.
fn spread(solver: &mut Solver<'_>, minima: &mut Vec<Minimum>) -> Vec<(f64, [f64; 3])> {
    let reference = solver.marginal(minima[0].x, &mut minima[0].z.clone());
    // Minima of one lobe are one answer: the least of them stands for it, and its region is that of the lobe.
    let mut lobes: Vec<Minimum> = Vec::new();
    for minimum in minima.iter() {
        if !lobes.iter().any(|lobe| solver.apart2(lobe, minimum.x) < LOBE * LOBE) {
            lobes.push(minimum.clone());
        }
    }
    *minima = lobes;
    let mut out = Vec::new();
    let spreads: Vec<_> = (0..minima.len()).map(|of| solver.spread(of, minima, reference)).collect();
    for (minimum, spread) in minima.iter().zip(spreads) {
        let (mut minimum, mut mass, mut tail) = (minimum.clone(), 0.0, GAUSSIAN_TAIL);
        if let Some(spread) = spread {
            let [ee, en, nn] = spread.covariance;
            let c = &mut minimum.covariance;
            (c[0][0], c[0][1], c[1][0], c[1][1]) = (ee, en, en, nn);
            (mass, tail) = (spread.mass, spread.tail);
        }
        out.push((minimum, mass, tail));
    }
    *minima = out.iter().map(|(m, ..)| m.clone()).collect();
    out.into_iter().map(|(_, mass, tail)| (mass, tail)).collect()
}

fn problem_middle(model: &Model) -> [f64; 3] {
    let n = model.rows.len() as f64;
    let east = model.rows.iter().map(|r| r.node.east_m).sum::<f64>() / n;
    // Off the middle: on the line of two nodes even bearings see nothing.
    let north = model.rows.iter().map(|r| r.node.north_m).sum::<f64>() / n;
    [east + 517.0, north + 311.0, model.height_m()]
}

fn method(problem: &Problem) -> Method {
    if problem.arrivals.len() >= 2 {
        let free = problem.arrivals.iter().any(|a| problem.clocks[a.clock].offset_sigma_ns.is_none());
        return if free { Method::RelativeTiming } else { Method::AbsoluteTiming };
    }
    if problem.bearings.is_empty() { Method::Levels } else { Method::Bearings }
}

fn influences(model: &Model, minimum: &Minimum, leverages: &[f64]) -> Vec<Influence> {
    let mut counts = [0; 3];
    let mut next = |kind: usize| {
        counts[kind] += 1;
        counts[kind] - 1
    };
    let one = |(i, row): (usize, &super::model::Row)| {
        let residual = model.linear(row, minimum.x, &minimum.z).residual;
        let (input, unit) = match row.kind {
            Kind::Arrival => (Input::Arrival(next(0)), METRES_PER_NS),
            Kind::Level => (Input::Level(next(1)), 1.0),
            Kind::Bearing => (Input::Bearing(next(2)), 1f64.to_radians()),
        };
        Influence {
            input,
            residual: residual / unit,
            normalised: residual * row.info.sqrt(),
            leverage: leverages.get(i).copied().unwrap_or(1.0).clamp(0.0, 1.0),
            late: model.loss(row, residual, false).late,
        }
    };
    model.rows.iter().enumerate().map(one).collect()
}
