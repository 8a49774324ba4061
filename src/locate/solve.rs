//! Levenberg-Marquardt from many starts.
//!
//! The linear unknowns are eliminated from every step by their Schur complement, so a step solves three equations whatever the
//! number of clocks and cells. Starts are the cheapest places of a polar grid round the nodes, one in each direction where the cost
//! has a local minimum, and the closed-form places of nodes three by three; where paths may be late, some three are not.

use super::closed::{self, PseudoRange};
use super::dense::{ZERO, backward, dot, factor, forward, forward3, inverse3, substitute};
use super::model::{Kind, Model, Normal, Place};

/// Solutions whose cost exceeds the best by less are admissible: three standard deviations of one unknown.
pub(super) const ADMISSIBLE: f64 = 9.0;
/// Directions of the starting grid.
const DIRECTIONS: usize = 16;
/// Distances of the starting grid, in units of the nodes' extent; far ones are nearly the same hyperbola.
const DISTANCES: [f64; 6] = [0.15, 0.45, 0.9, 1.4, 2.2, 4.0];
/// Starts from the grid that are followed, without closed forms and beside them.
const MAX_GRID_STARTS: [usize; 2] = [8, 3];
/// Starts from closed forms that are followed.
const MAX_CLOSED_STARTS: usize = 6;
/// Sets of three nodes whose closed form is tried: all of six nodes.
const MAX_TRIPLES: usize = 20;
/// Starts nearer than this to each other, as a share of the nodes' extent, are one.
const SAME_START: f64 = 0.03;
const MAX_STEPS: usize = 40;
/// After so many steps a search ends that promises, so many times over, to stay above the best by this: well above what is admissible.
const LEAST_STEPS: usize = 2;
const PROMISES: f64 = 4.0;
const HOPELESS: f64 = 20.0;
/// A search that leaves this many extents found no place.
const FAR: f64 = 30.0;
/// A decrease of the cost that is none: a hundredth of a standard deviation costs ten times as much.
const SETTLED: f64 = 1e-5;
/// A search that comes so near to a minimum already known, in squared standard deviations and in cost, will end there.
const ARRIVED: f64 = 0.05;

/// A place where the cost is least.
#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub x: Place,
    pub z: Vec<f64>,
    pub cost: f64,
    /// Inverse of the information on the place.
    pub covariance: [[f64; 3]; 3],
}

/// A solver with its scratch space.
pub(super) struct Solver<'a> {
    pub(super) model: &'a Model,
    pub(super) now: Normal,
    next: Normal,
    pub(super) factor: Vec<f64>,
    prepared: Vec<f64>,
    levels: bool,
    elimination: Vec<[f64; 3]>,
    pub(super) shift: Vec<f64>,
    pub(super) trial: Vec<f64>,
    centre: [f64; 2],
    extent_m: f64,
}

impl<'a> Solver<'a> {
    pub fn new(model: &'a Model) -> Solver<'a> {
        let p = model.p;
        let count = model.rows.len().max(1) as f64;
        let sum = |f: fn(&super::model::Row) -> f64| model.rows.iter().map(f).sum::<f64>() / count;
        let centre = [sum(|r| r.node.east_m), sum(|r| r.node.north_m)];
        let off = |r: &super::model::Row| (r.node.east_m - centre[0]).hypot(r.node.north_m - centre[1]);
        // Nodes at one place still see some kilometres.
        let extent_m = model.rows.iter().map(off).fold(3000.0, f64::max);
        Solver {
            model,
            now: Normal::new(p),
            next: Normal::new(p),
            factor: vec![0.0; p * p],
            prepared: vec![0.0; p * p],
            levels: model.rows.iter().any(|row| row.kind == Kind::Level),
            elimination: vec![[0.0; 3]; p],
            shift: vec![0.0; p],
            trial: vec![0.0; p],
            centre,
            extent_m,
        }
    }

    /// How far from the nodes' centre a place is sought.
    pub fn reach_m(&self) -> f64 {
        FAR * self.extent_m
    }

    /// How far from the centre the outermost node is; a few kilometres at least.
    pub fn extent_m(&self) -> f64 {
        self.extent_m
    }

    /// What a place costs with these linear unknowns, all paths in line of sight.
    pub fn chi2(&mut self, x: Place, z: &[f64]) -> f64 {
        self.model.assemble(x, z, true, &mut self.now);
        self.now.cost
    }

    /// All minima that were found, the least first; empty where every search ran away.
    pub fn minima(&mut self) -> Vec<Minimum> {
        let mut found: Vec<Minimum> = Vec::new();
        let plain = !self.model.has_late();
        for (start, z) in self.starts() {
            if let Some(minimum) = self.descend(start, z, plain, &found) {
                keep(&mut found, minimum);
            }
        }
        found
    }

    /// Where to begin, with the linear unknowns there.
    fn starts(&mut self) -> Vec<(Place, Vec<f64>)> {
        self.prepare();
        let mut starts = self.closed_starts();
        let most = MAX_GRID_STARTS[usize::from(!starts.is_empty())];
        for x in self.grid_starts(most) {
            let near = |(s, _): &(Place, Vec<f64>)| (s[0] - x[0]).hypot(s[1] - x[1]) < SAME_START * self.extent_m;
            if !starts.iter().any(near) {
                let z = self.relaxed(x);
                starts.push((x, z));
            }
        }
        starts
    }

    /// The cheapest of the closed-form places of nodes three by three. Where paths may be late, three that are not are among them, and
    /// the cost is the mixture's, which forgives the others.
    fn closed_starts(&mut self) -> Vec<(Place, Vec<f64>)> {
        let (model, height) = (self.model, self.model.height_m());
        // One arrival a node, less what is believed of its clock.
        let mut nodes: Vec<PseudoRange> = Vec::new();
        for row in model.rows.iter().filter(|row| row.kind == Kind::Arrival) {
            let known = |n: &PseudoRange| n[0] == row.node.east_m && n[1] == row.node.north_m;
            if !nodes.iter().any(known) {
                nodes.push([row.node.east_m, row.node.north_m, row.observed - row.offset(&model.mean)]);
            }
        }
        let n = nodes.len();
        let total = n * n.saturating_sub(1) * n.saturating_sub(2) / 6;
        // Of many nodes, sets spread evenly over all.
        let stride = total.div_ceil(MAX_TRIPLES).max(1);
        let triples = (0..n).flat_map(|i| (i + 1..n).flat_map(move |j| (j + 1..n).map(move |k| [i, j, k])));
        let mut candidates: Vec<(f64, Place, f64)> = Vec::new();
        for triple in triples.step_by(stride) {
            for place in closed::places(triple.map(|i| nodes[i])).into_iter().flatten() {
                let x = [place[0], place[1], height];
                if (x[0] - self.centre[0]).hypot(x[1] - self.centre[1]) < self.reach_m() {
                    // What the three say of the emission, which the others may be late against.
                    let [east, north, range] = nodes[triple[0]];
                    let epoch = range - (east - x[0]).hypot(north - x[1]);
                    let cost = if model.has_late() { self.cost_of(x, epoch) } else { self.relaxed_cost(x) };
                    candidates.push((cost, x, epoch));
                }
            }
        }
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut starts: Vec<(Place, Vec<f64>)> = Vec::new();
        for (_, x, epoch) in candidates {
            let near = |(s, _): &(Place, Vec<f64>)| (s[0] - x[0]).hypot(s[1] - x[1]) < SAME_START * self.extent_m;
            if starts.len() < MAX_CLOSED_STARTS && !starts.iter().any(near) {
                let z = if model.has_late() { model.with_epoch(epoch) } else { self.relaxed(x) };
                starts.push((x, z));
            }
        }
        starts
    }

    /// What a place and an emission epoch cost, the other linear unknowns as expected.
    fn cost_of(&mut self, x: Place, epoch: f64) -> f64 {
        let z = self.model.with_epoch(epoch);
        let cost = |row: &super::model::Row| self.model.loss(row, self.model.linear(row, x, &z).residual, false).cost;
        self.model.rows.iter().map(cost).sum()
    }

    fn grid_starts(&mut self, most: usize) -> Vec<Place> {
        let height = self.model.height_m();
        let mut ring: Vec<(f64, Place)> = Vec::with_capacity(DIRECTIONS);
        for direction in 0..DIRECTIONS {
            // Half a step off the axes: nodes are often set up along them.
            let (sin, cos) = ((direction as f64 + 0.5) / DIRECTIONS as f64 * std::f64::consts::TAU).sin_cos();
            let mut best = (f64::INFINITY, [0.0; 3]);
            for distance in DISTANCES.map(|d| d * self.extent_m) {
                let x = [self.centre[0] + distance * sin, self.centre[1] + distance * cos, height];
                let cost = self.relaxed_cost(x);
                if cost < best.0 {
                    best = (cost, x);
                }
            }
            ring.push(best);
        }
        let n = ring.len();
        let mut starts: Vec<(f64, Place)> = (0..n)
            .filter(|&i| ring[i].0 <= ring[(i + 1) % n].0 && ring[i].0 <= ring[(i + n - 1) % n].0)
            .map(|i| ring[i])
            .collect();
        // A narrow valley can hide between two directions of the grid: the cheapest others, opposite each other.
        let mut rest = ring.clone();
        rest.sort_by(|a, b| a.0.total_cmp(&b.0));
        starts.extend(rest.into_iter().filter(|r| !starts.contains(r)).take(4).collect::<Vec<_>>());
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        starts.truncate(most);
        starts.into_iter().map(|(_, x)| x).collect()
    }

    /// Factors the equations of the linear unknowns for [`Solver::relaxed_cost`]; only levels make them depend on the place.
    fn prepare(&mut self) {
        self.model.assemble(self.middle(), &self.model.mean, true, &mut self.now);
        self.prepared.copy_from_slice(&self.now.zz);
        factor(&mut self.prepared, self.model.p);
    }

    /// The middle of the nodes.
    pub(super) fn middle(&self) -> Place {
        [self.centre[0], self.centre[1], self.model.height_m()]
    }

    /// The linear unknowns that fit a place best.
    pub(super) fn relaxed(&mut self, x: Place) -> Vec<f64> {
        let mut z = self.model.mean.clone();
        self.model.assemble(x, &z, true, &mut self.now);
        self.factor.copy_from_slice(&self.now.zz);
        factor(&mut self.factor, self.model.p);
        substitute(&self.factor, self.model.p, &mut self.now.gz);
        z.iter_mut().zip(&self.now.gz).for_each(|(z, d)| *z += d);
        z
    }

    /// What a place costs with the linear unknowns that fit it best.
    fn relaxed_cost(&mut self, x: Place) -> f64 {
        let p = self.model.p;
        self.now.cost = self.model.slopes(x, &self.model.mean, &mut self.now.gz);
        self.shift.copy_from_slice(&self.now.gz);
        if self.levels {
            self.model.assemble(x, &self.model.mean, true, &mut self.now);
            factor(&mut self.now.zz, p);
            substitute(&self.now.zz, p, &mut self.shift);
        } else {
            substitute(&self.prepared, p, &mut self.shift);
        }
        self.now.cost - self.shift.iter().zip(&self.now.gz).map(|(a, b)| a * b).sum::<f64>()
    }

    /// Steps downhill until the cost settles; `None` where the search runs away or the place is not determined.
    fn descend(&mut self, mut x: Place, mut z: Vec<f64>, plain: bool, known: &[Minimum]) -> Option<Minimum> {
        let model = self.model;
        model.assemble(x, &z, plain, &mut self.now);
        let mut damping = 1e-3;
        for taken in 0..MAX_STEPS {
            let Some(step) = self.step(damping, plain) else {
                damping *= 10.0;
                if damping > 1e6 {
                    return None;
                }
                continue;
            };
            // What the equations promise, several times over, would not make this one of the answers.
            let promised: f64 = dot(&step, &self.now.gx) + dot(&self.shift, &self.now.gz);
            if taken >= LEAST_STEPS
                && known.first().is_some_and(|best| self.now.cost - PROMISES * promised > best.cost + HOPELESS)
            {
                return None;
            }
            let to = [x[0] + step[0], x[1] + step[1], x[2] + step[2]];
            self.trial.iter_mut().zip(z.iter().zip(&self.shift)).for_each(|(t, (z, d))| *t = z + d);
            model.assemble(to, &self.trial, plain, &mut self.next);
            let gain = self.now.cost - self.next.cost;
            if gain >= 0.0 {
                x = to;
                z.copy_from_slice(&self.trial);
                std::mem::swap(&mut self.now, &mut self.next);
                damping = (damping * 0.1).max(1e-9);
                if gain < SETTLED {
                    break;
                }
                if known.iter().any(|minimum| apart2(minimum, x) < ARRIVED && self.now.cost < minimum.cost + ARRIVED) {
                    return None;
                }
                if (x[0] - self.centre[0]).hypot(x[1] - self.centre[1]) > self.reach_m() {
                    return None;
                }
            } else if -gain < SETTLED {
                break;
            } else {
                damping *= 8.0;
                if damping > 1e9 {
                    break;
                }
            }
        }
        let covariance = self.covariance()?;
        Some(Minimum { x, z, cost: self.now.cost, covariance })
    }

    /// The step of the place; that of the linear unknowns is left in `shift`.
    fn step(&mut self, damping: f64, plain: bool) -> Option<[f64; 3]> {
        let information = self.reduced(if plain { 0.0 } else { damping });
        let (p, mut right) = (self.model.p, self.now.gx);
        self.shift.copy_from_slice(&self.now.gz);
        forward(&self.factor, p, &mut self.shift);
        for (y, shift) in self.elimination.iter().zip(&self.shift) {
            (0..3).for_each(|a| right[a] -= y[a] * shift);
        }
        let mut l = information;
        (0..3).for_each(|a| l[a][a] *= 1.0 + damping);
        let flat = l.as_flattened_mut();
        if flat.iter().any(|v| !v.is_finite()) || factor(flat, 3) > 0 {
            return None;
        }
        substitute(flat, 3, &mut right);
        for (shift, y) in self.shift.iter_mut().zip(&self.elimination) {
            *shift -= (0..3).map(|a| y[a] * right[a]).sum::<f64>();
        }
        backward(&self.factor, p, &mut self.shift);
        right.iter().all(|v| v.is_finite()).then_some(right)
    }

    /// The information on the place with the linear unknowns eliminated; leaves their factor `L` and `L^-1` of the cross terms behind.
    fn reduced(&mut self, damping: f64) -> [[f64; 3]; 3] {
        let p = self.model.p;
        self.factor.copy_from_slice(&self.now.zz);
        if damping > 0.0 {
            (0..p).for_each(|i| self.factor[i * p + i] *= 1.0 + damping);
        }
        factor(&mut self.factor, p);
        self.elimination.copy_from_slice(&self.now.zx);
        forward3(&self.factor, p, &mut self.elimination);
        let mut information = self.now.xx;
        for y in &self.elimination {
            for a in 0..3 {
                (0..3).for_each(|b| information[a][b] -= y[a] * y[b]);
            }
        }
        information
    }

    /// The covariance of the place at the equations at hand; `None` where the linear unknowns use up all that they say of it.
    pub(super) fn covariance(&mut self) -> Option<[[f64; 3]; 3]> {
        let information = self.reduced(0.0);
        let used_up = |a: usize| information[a][a] <= ZERO * self.now.xx[a][a];
        if (0..3).any(used_up) { None } else { inverse3(information) }
    }

    /// The covariance of the place that the Gaussian information at this place allows, and each row's leverage.
    pub fn information(&mut self, x: Place, z: &[f64]) -> Option<([[f64; 3]; 3], Vec<f64>)> {
        self.model.assemble(x, z, true, &mut self.now);
        let covariance = self.covariance()?;
        let p = self.model.p;
        let leverages = self.model.rows.iter().map(|row| {
            let linear = self.model.linear(row, x, z);
            let mut a = vec![0.0; p];
            linear.terms[..linear.used].iter().for_each(|&(at, c)| a[at] += c);
            forward(&self.factor, p, &mut a);
            let along: f64 = a.iter().map(|a| a * a).sum();
            let mut j = linear.by_place;
            for (y, a) in self.elimination.iter().zip(&a) {
                (0..3).for_each(|i| j[i] -= y[i] * a);
            }
            let across: f64 = (0..3).map(|i| (0..3).map(|k| j[i] * covariance[i][k] * j[k]).sum::<f64>()).sum();
            row.info * (along + across)
        });
        let leverages = leverages.collect();
        Some((covariance, leverages))
    }
}

/// Squared distance of a place from a minimum, in standard deviations; searches end a small part of one from the minimum.
fn apart2(minimum: &Minimum, x: Place) -> f64 {
    let (e, n) = (minimum.x[0] - x[0], minimum.x[1] - x[1]);
    let c = minimum.covariance;
    (e * e * c[1][1] - 2.0 * e * n * c[0][1] + n * n * c[0][0]) / (c[0][0] * c[1][1] - c[0][1] * c[0][1])
}

/// Adds a minimum unless it is one already known; keeps the least first.
fn keep(found: &mut Vec<Minimum>, new: Minimum) {
    let same = |old: &Minimum| (old.x[0] - new.x[0]).hypot(old.x[1] - new.x[1]) < 1.0 || apart2(old, new.x) < 0.01;
    if let Some(old) = found.iter_mut().find(|old| same(old)) {
        if new.cost < old.cost {
            *old = new;
        }
    } else {
        found.push(new);
    }
    found.sort_by(|a, b| a.cost.total_cmp(&b.cost));
}
