//! Whether all nodes hear a licensed cell from its own site: a repeater or a copy elsewhere is late at the nodes that hear it instead.
//!
//! What a node reads of a cell, less the flight from the registered site, is the cell's epoch on that node's clock. Against licensed
//! cells that two nodes hear in common (or against the time, where both have it) the clocks cancel, and so do the cells' own phases: what
//! remains is by how much the one node's path is longer than the other's. Carriers are compared in the same way.

use crate::hub::fuse::Emitter;
use crate::locate::METRES_PER_NS;
use crate::locate::gather::Suspect;
use crate::locate::problem::{Arrival, Problem, Rate};
use crate::locate::{Enu, Plane};
use crate::observation::{NodeId, Octets, Position};
use serde::{Deserialize, Serialize};

/// Least and greatest delay of a repeater against the direct path: band-selective filters; reference of rule XB-04.
pub const REPEATER_NS: [f64; 2] = [3_000.0, 15_000.0];
/// Nodes later than the first by less hear the direct path: reflections stay below.
const PROMPT_NS: f64 = 1_500.0;
/// One node alone may meet a long reflection; beyond this no reflection is left.
const ALONE_NS: f64 = 5_000.0;
/// Carriers of one transmitter agree to this, beside what is measured; reference of rule XB-04.
const SAME_CARRIER_PPB: f64 = 5.0;
/// A comparison less certain than this tells nothing.
const USEFUL_NS: f64 = 700.0;

/// A node that hears the cell late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Late {
    /// Which.
    pub node: NodeId,
    /// By how much its path is longer than the first one's, nanoseconds.
    pub excess_ns: f64,
}

/// What the nodes say of a licensed cell's paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// Nodes that hear it from its site, as far as timing goes.
    pub prompt: Vec<NodeId>,
    /// Nodes that hear it late by what a repeater delays.
    pub late: Vec<Late>,
    /// Carrier at the late nodes less that at the prompt ones.
    pub carrier_ppb: f64,
    /// One standard deviation of that.
    pub carrier_sigma_ppb: f64,
    /// Whether late and prompt nodes receive the same octets; `None`: nobody told of octets on one of the sides.
    pub same_content: Option<bool>,
    /// Studies in a row that found some node late.
    #[serde(default)]
    pub in_a_row: u32,
}

/// Studies in a row that must say so: one may be a bad moment.
const IN_A_ROW: u32 = 2;

impl Paths {
    /// The carrier at the late nodes is that at the prompt ones.
    pub fn same_carrier(&self) -> bool {
        self.carrier_ppb.abs() <= SAME_CARRIER_PPB + 3.0 * self.carrier_sigma_ppb
    }

    /// Found often enough to be told.
    pub fn confirmed(&self) -> bool {
        self.in_a_row >= IN_A_ROW
    }

    /// One transmitter, heard a second time by way of an amplifier.
    pub fn repeated(&self) -> bool {
        self.same_carrier() && self.same_content != Some(false)
    }
}

/// A reading freed of flight and drift, with its variance; and the rate.
#[derive(Clone, Copy)]
struct Reading {
    ns: f64,
    var: f64,
    ppb: f64,
    ppb_var: f64,
}

fn reading(arrival: &Arrival, rate: &Rate, from: Enu) -> Reading {
    let flight = arrival.node.distance_m(from) / METRES_PER_NS;
    let drift_sigma = arrival.elapsed_s * rate.sigma_ppb;
    Reading {
        ns: arrival.at_ns - flight + arrival.elapsed_s * rate.ppb,
        var: arrival.sigma_ns.powi(2) + drift_sigma.powi(2),
        ppb: rate.ppb,
        ppb_var: rate.sigma_ppb.powi(2),
    }
}

/// Compares the nodes' paths to a cell at `site`; `None` where fewer than two can be compared or none of them is late.
pub(super) fn paths(emitter: &Emitter, suspect: &Suspect, plane: Plane, site: &Position) -> Option<Paths> {
    let problem = &suspect.problem;
    let from = plane.enu(site);
    let own: Vec<Reading> = problem.arrivals.iter().zip(&problem.rates).map(|(a, r)| reading(a, r, from)).collect();
    // How much longer the path of `i` is than that of `j`; carriers alike.
    let between = |i: usize, j: usize| between(problem, &own, i, j);
    let count = own.len();
    let first = (0..count).max_by_key(|&j| {
        // The node that the most of the others can be compared with and none is earlier than.
        let compared: Vec<f64> = (0..count).filter(|&i| i != j).filter_map(|i| Some(between(i, j)?.ns)).collect();
        let earlier = compared.iter().any(|ns| *ns < -PROMPT_NS);
        (!earlier, compared.len())
    })?;
    let (mut prompt, mut late) = (vec![first], Vec::new());
    for i in (0..count).filter(|&i| i != first) {
        let Some(difference) = between(i, first).filter(|d| d.var.sqrt() <= USEFUL_NS) else { continue };
        if difference.ns.abs() <= PROMPT_NS {
            prompt.push(i);
        } else if (REPEATER_NS[0]..=REPEATER_NS[1]).contains(&difference.ns) {
            late.push((i, difference));
        }
    }
    let sure = late.len() >= 2 || late.iter().any(|(_, d)| d.ns >= ALONE_NS);
    if !sure {
        return None;
    }
    let n = late.len() as f64;
    let carrier_ppb = late.iter().map(|(_, d)| d.ppb).sum::<f64>() / n;
    let carrier_sigma_ppb = (late.iter().map(|(_, d)| d.ppb_var).sum::<f64>() / n).sqrt();
    let content = |i: usize| -> Option<&Octets> { emitter.sightings.get(&suspect.arrivals[i])?.content.as_ref() };
    let of_prompt: Vec<&Octets> = prompt.iter().filter_map(|&i| content(i)).collect();
    let of_late: Vec<&Octets> = late.iter().filter_map(|(i, _)| content(*i)).collect();
    let told = !of_prompt.is_empty() && !of_late.is_empty();
    let mut prompt: Vec<NodeId> = prompt.into_iter().map(|i| suspect.arrivals[i].clone()).collect();
    prompt.sort();
    Some(Paths {
        prompt,
        late: late
            .into_iter()
            .map(|(i, d)| Late { node: suspect.arrivals[i].clone(), excess_ns: d.ns.round() })
            .collect(),
        carrier_ppb: (carrier_ppb * 10.0).round() / 10.0,
        carrier_sigma_ppb: (carrier_sigma_ppb * 10.0).round() / 10.0,
        in_a_row: 1,
        same_content: told.then(|| of_late.iter().all(|late| of_prompt.contains(late))),
    })
}

/// Against the middle of everything that the two nodes' clocks have in common.
fn between(problem: &Problem, own: &[Reading], i: usize, j: usize) -> Option<Reading> {
    let minus = |a: &Reading, b: &Reading| Reading {
        ns: a.ns - b.ns,
        var: a.var + b.var,
        ppb: a.ppb - b.ppb,
        ppb_var: a.ppb_var + b.ppb_var,
    };
    let suspect = minus(&own[i], &own[j]);
    let clocks = [problem.arrivals[i].clock, problem.arrivals[j].clock];
    let mut common: Vec<Reading> = Vec::new();
    if let [Some(a), Some(b)] = clocks.map(|clock| problem.clocks[clock].offset_sigma_ns) {
        common.push(Reading { ns: 0.0, var: a * a + b * b, ppb: 0.0, ppb_var: 2.0 });
    }
    for (cell, site) in problem.cells.iter().enumerate() {
        let of = |clock: usize| {
            let pairs = problem.references.iter().zip(&problem.reference_rates);
            pairs.filter(|(r, _)| r.cell == cell && r.arrival.clock == clock).map(|(r, (_, rate))| (r, rate)).next()
        };
        if let (Some((a, a_rate)), Some((b, b_rate))) = (of(clocks[0]), of(clocks[1])) {
            common.push(minus(&reading(&a.arrival, a_rate, site.site), &reading(&b.arrival, b_rate, site.site)));
        }
    }
    let weight: f64 = common.iter().map(|c| 1.0 / c.var).sum();
    let ppb_weight: f64 = common.iter().map(|c| 1.0 / c.ppb_var).sum();
    // The middle one: a licensed cell that is not where the register has it must not make the others look late.
    let ns = middle(common.iter().map(|c| c.ns).collect())?;
    let ppb = middle(common.iter().map(|c| c.ppb).collect())?;
    let difference = minus(&suspect, &Reading { ns, var: 1.0 / weight, ppb, ppb_var: 1.0 / ppb_weight });
    (difference.ns.is_finite() && difference.var.is_finite()).then_some(difference)
}

/// The median; `None` of nothing.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}
