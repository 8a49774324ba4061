//! The joint prior of the linear unknowns: what clocks, licensed cells, rates and beliefs say without the suspect's frames.
//!
//! The licensed cells' own epochs and rates occur in no row of the suspect, so they are eliminated once, here, cell by cell; what they say
//! about the clocks is left as a joint Gaussian, singular along the common offset that nobody can know. Where paths may be late,
//! those of licensed cells may be too: their readings are weighted by the probability that they are not, found by iteration (expectation
//! and maximisation), and what is then left is taken to be wider by the part of the excess that cannot be told from noise.

use super::METRES_PER_NS;
use super::dense::{factor, substitute};
use super::likelihood::mixture;
use super::model::Layout;
use super::problem::{Arrival, Problem};

/// Rounds of weighting; weights settle in three to five.
const ROUNDS: usize = 5;
/// The least weight, so that a cell of which every reading seems late stays determined.
const LEAST_WEIGHT: f64 = 1e-3;
/// By how much readings of licensed cells are wider than their noise where paths may be late, found so that regions hold what they say:
/// an excess below two standard deviations is not seen as one.
const UNSEEN: f64 = 1.3;

/// A cell's unknowns, epoch and rate, and how they hang together with the others.
#[derive(Clone)]
struct Block {
    info: [[f64; 2]; 2],
    weighted: [f64; 2],
    cross: Vec<[f64; 2]>,
}

impl Block {
    /// Inverse of the information; a direction without any is held.
    fn inverse(&self) -> [[f64; 2]; 2] {
        let [[a, b], [_, d]] = self.info;
        let determinant = a * d - b * b;
        if determinant > 1e-12 * a * d {
            return [[d / determinant, -b / determinant], [-b / determinant, a / determinant]];
        }
        [[if a > 0.0 { 1.0 / a } else { 0.0 }, 0.0], [0.0; 2]]
    }
}

/// Information and information-weighted mean of all unknowns, gathered row by row.
#[derive(Clone)]
struct Gather {
    p: usize,
    info: Vec<f64>,
    weighted: Vec<f64>,
    cells: Vec<Block>,
}

/// A row: coefficients of the unknowns that stay, and of a cell's epoch and rate.
struct Row<'a> {
    terms: &'a [(Option<usize>, f64)],
    cell: Option<(usize, [f64; 2])>,
    observed: f64,
    info: f64,
}

impl Gather {
    fn add(&mut self, row: &Row<'_>) {
        let &Row { terms, cell, observed, info } = row;
        for &(at, c) in terms {
            let Some(at) = at else { continue };
            self.weighted[at] += info * c * observed;
            for &(to, d) in terms {
                if let Some(to) = to {
                    self.info[at * self.p + to] += info * c * d;
                }
            }
            if let Some((index, own)) = cell {
                (0..2).for_each(|i| self.cells[index].cross[at][i] += info * c * own[i]);
            }
        }
        if let Some((index, own)) = cell {
            let block = &mut self.cells[index];
            for i in 0..2 {
                block.weighted[i] += info * own[i] * observed;
                (0..2).for_each(|j| block.info[i][j] += info * own[i] * own[j]);
            }
        }
    }

    /// The information on the unknowns that stay after eliminating the cells', and its mean.
    fn marginal(&self) -> (Vec<f64>, Vec<f64>) {
        let (p, mut kept, mut mean) = (self.p, self.info.clone(), self.weighted.clone());
        for block in &self.cells {
            let inverse = block.inverse();
            let solved = |v: [f64; 2]| [0, 1].map(|i| inverse[i][0] * v[0] + inverse[i][1] * v[1]);
            for (i, &cross) in block.cross.iter().enumerate().filter(|(_, c)| **c != [0.0; 2]) {
                let along = solved(cross);
                mean[i] -= along[0] * block.weighted[0] + along[1] * block.weighted[1];
                for (j, other) in block.cross.iter().enumerate() {
                    kept[i * p + j] -= along[0] * other[0] + along[1] * other[1];
                }
            }
        }
        // Rounding must not leave the two halves apart.
        for i in 0..p {
            for j in 0..i {
                let both = 0.5 * (kept[i * p + j] + kept[j * p + i]);
                (kept[i * p + j], kept[j * p + i]) = (both, both);
            }
        }
        let mut l = kept.clone();
        factor(&mut l, p);
        substitute(&l, p, &mut mean);
        (kept, mean)
    }

    /// The cells' unknowns, those that stay being at their mean.
    fn of_cells(&self, mean: &[f64]) -> Vec<[f64; 2]> {
        let one = |block: &Block| {
            let mut left = block.weighted;
            for (cross, z) in block.cross.iter().zip(mean) {
                (0..2).for_each(|i| left[i] -= cross[i] * z);
            }
            let inverse = block.inverse();
            [0, 1].map(|i| inverse[i][0] * left[0] + inverse[i][1] * left[1])
        };
        self.cells.iter().map(one).collect()
    }
}

/// Information and mean of the linear unknowns.
pub(super) fn prior(problem: &Problem, layout: &Layout) -> (Vec<f64>, Vec<f64>) {
    let fixed = beliefs(problem, layout);
    let late = problem.late.map(|late| (late.share, late.mean_ns * METRES_PER_NS));
    let wider = if late.is_some() { UNSEEN } else { 1.0 };
    let sigma = |a: &Arrival| wider * a.sigma_ns * METRES_PER_NS;
    // Only a reading that others check can be seen to be late.
    let rounds = if late.is_some() && problem.references.len() > problem.cells.len() { ROUNDS } else { 0 };
    let mut weights = vec![1.0; problem.references.len()];
    let mut round = 0;
    loop {
        let mut gather = fixed.clone();
        for (reference, weight) in problem.references.iter().zip(&weights) {
            let (terms, row) = terms(problem, layout, reference.cell, &reference.arrival);
            let info = weight / sigma(&reference.arrival).powi(2);
            gather.add(&Row { terms: &terms, cell: Some((reference.cell, row.0)), observed: row.1, info });
        }
        let (kept, mean) = gather.marginal();
        if round == rounds {
            return (kept, mean);
        }
        round += 1;
        let cells = gather.of_cells(&mean);
        let (share, excess) = late.expect("there are rounds only where paths may be late");
        for (reference, weight) in problem.references.iter().zip(&mut weights) {
            let (terms, row) = terms(problem, layout, reference.cell, &reference.arrival);
            let known: f64 = terms.iter().map(|&(at, c)| at.map_or(0.0, |at| c * mean[at])).sum();
            let own = cells[reference.cell];
            let residual = row.1 - known - own[0] * row.0[0] - own[1] * row.0[1];
            let info = sigma(&reference.arrival).powi(-2);
            *weight = (1.0 - mixture(residual, info, share, excess).late).max(LEAST_WEIGHT);
        }
    }
}

/// The row of a licensed cell's frame: terms that stay, and the cell's own coefficients with what was observed.
fn terms(
    problem: &Problem,
    layout: &Layout,
    cell: usize,
    arrival: &Arrival,
) -> ([(Option<usize>, f64); 2], ([f64; 2], f64)) {
    let &Arrival { node, clock, at_ns, elapsed_s, .. } = arrival;
    let site = &problem.cells[cell];
    let drift = if site.rate_sigma_ppb > 0.0 { -elapsed_s } else { 0.0 };
    let terms = [(layout.offsets[clock], 1.0), (layout.rates[clock], elapsed_s)];
    (terms, ([1.0, drift], at_ns * METRES_PER_NS - node.distance_m(site.site)))
}

/// What is known without any licensed cell's frame.
fn beliefs(problem: &Problem, layout: &Layout) -> Gather {
    let p = layout.count;
    let block = Block { info: [[0.0; 2]; 2], weighted: [0.0; 2], cross: vec![[0.0; 2]; p] };
    let mut gather =
        Gather { p, info: vec![0.0; p * p], weighted: vec![0.0; p], cells: vec![block; problem.cells.len()] };
    let mut add = |terms: &[(Option<usize>, f64)], cell: Option<(usize, [f64; 2])>, observed: f64, sigma: f64| {
        gather.add(&Row { terms, cell, observed, info: 1.0 / (sigma * sigma) });
    };
    // Rates are in metres a second: one part in 10^9 of the speed of light.
    let speed = |ppb: f64| ppb * METRES_PER_NS;
    for (i, clock) in problem.clocks.iter().enumerate() {
        if let Some(sigma) = clock.offset_sigma_ns {
            add(&[(layout.offsets[i], 1.0)], None, 0.0, sigma * METRES_PER_NS);
        }
        add(&[(layout.rates[i], 1.0)], None, 0.0, speed(clock.rate_sigma_ppb));
    }
    for (i, cell) in problem.cells.iter().enumerate() {
        if let Some((ns, sigma)) = cell.epoch_ns {
            add(&[], Some((i, [1.0, 0.0])), ns * METRES_PER_NS, sigma * METRES_PER_NS);
        }
        if cell.rate_sigma_ppb > 0.0 {
            add(&[], Some((i, [0.0, 1.0])), 0.0, speed(cell.rate_sigma_ppb));
        }
    }
    if layout.rates.iter().any(Option::is_some) || layout.rate.is_some() {
        for (cell, rate) in &problem.reference_rates {
            let own = if problem.cells[*cell].rate_sigma_ppb > 0.0 { 1.0 } else { 0.0 };
            let terms = [(layout.rates[rate.clock], -1.0)];
            add(&terms, Some((*cell, [0.0, own])), speed(rate.ppb), speed(rate.sigma_ppb));
        }
        for rate in &problem.rates {
            let terms = [(layout.rate, 1.0), (layout.rates[rate.clock], -1.0)];
            add(&terms, None, speed(rate.ppb), speed(rate.sigma_ppb));
        }
    }
    add(&[(layout.rate, 1.0)], None, 0.0, speed(problem.emitter.rate_sigma_ppb));
    if let Some((power, sigma)) = problem.emitter.power {
        add(&[(layout.power, 1.0)], None, power.0, sigma.0);
    }
    let (exponent, sigma) = problem.emitter.exponent;
    add(&[(layout.exponent, 1.0)], None, exponent, sigma);
    gather
}
