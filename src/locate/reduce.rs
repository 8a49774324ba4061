//! Fewer linear unknowns where clocks run free: a frame's reading contains one sum of them, and that sum takes their place.
//!
//! On a clock of its own, the reading of the suspect's frame is `d + s` with `s = E + u (β - ρ) + b`. As many sums as frames take the place of epoch,
//! rates and offsets, twice as many and more; what licensed cells say about those is carried over to the sums by eliminating the
//! rest once, exactly, because all of it is linear and Gaussian.

use super::dense::{ZERO, factor, forward};
use super::model::{Kind, Row};

/// What the linear unknowns are and what is known of them beforehand.
pub(super) struct Linears {
    /// Information, `p` by `p`.
    pub prior: Vec<f64>,
    /// Mean.
    pub mean: Vec<f64>,
    /// Those that the emission epoch is added to.
    pub epoch: Vec<usize>,
}

/// Puts sums in the place of epoch, rates and offsets, where every frame has an offset of its own and there are fewer frames than of those.
/// `offsets` gives each frame's, `others` the unknowns of other measurements.
pub(super) fn reduce(rows: &mut [Row], offsets: &[Option<usize>], others: &[usize], before: Linears) -> Linears {
    let p = before.mean.len();
    let mut own: Vec<usize> = offsets.iter().copied().flatten().collect();
    let n = own.len();
    own.sort_unstable();
    own.dedup();
    if own.len() < offsets.len() || n > own.len() || p - others.len() <= n {
        return before;
    }
    let Linears { mut prior, mut mean, .. } = before;
    let mut scale: Vec<f64> = (0..p).map(|i| prior[i * p + i]).collect();
    let of_frames = || offsets.iter().copied().flatten();
    // With b = s - E - ..., the information on E gains that on b, and so on.
    for (row, offset) in rows.iter().filter(|row| row.kind == Kind::Arrival).zip(of_frames()) {
        let own_scale = prior[offset * p + offset];
        for &(at, c) in row.terms().iter().filter(|(at, _)| *at != offset) {
            (0..p).for_each(|i| prior[i * p + at] -= c * prior[i * p + offset]);
            (0..p).for_each(|j| prior[at * p + j] -= c * prior[offset * p + j]);
            scale[at] += c * c * own_scale;
            mean[offset] += c * mean[at];
        }
    }
    let kept: Vec<usize> = of_frames().chain(others.iter().copied()).collect();
    // What nothing is known of, such as the common time of free clocks, has nothing but rounding left.
    let known = |i: &usize| prior[i * p + i] > ZERO * scale[*i];
    let gone: Vec<usize> = (0..p).filter(|i| !kept.contains(i)).filter(known).collect();
    let g = gone.len();
    let mut l: Vec<f64> = gone.iter().flat_map(|&i| gone.iter().map(move |&j| i * p + j)).map(|at| prior[at]).collect();
    factor(&mut l, g);
    let eliminated: Vec<Vec<f64>> = kept
        .iter()
        .map(|k| {
            let mut column: Vec<f64> = gone.iter().map(|i| prior[i * p + k]).collect();
            forward(&l, g, &mut column);
            column
        })
        .collect();
    let q = kept.len();
    let mut reduced = vec![0.0; q * q];
    for (a, &i) in kept.iter().enumerate() {
        for (b, &j) in kept.iter().enumerate() {
            let by: f64 = eliminated[a].iter().zip(&eliminated[b]).map(|(x, y)| x * y).sum();
            reduced[a * q + b] = prior[i * p + j] - by;
        }
    }
    let mut next = 0;
    for row in rows {
        match row.kind {
            Kind::Arrival => {
                row.set_terms(&[(next, 1.0)]);
                next += 1;
            }
            Kind::Level | Kind::Bearing => {
                let at = |at: usize| kept.iter().position(|k| *k == at).expect("what other measurements need is kept");
                let terms: Vec<(usize, f64)> = row.terms().iter().map(|&(i, c)| (at(i), c)).collect();
                row.set_terms(&terms);
            }
        }
    }
    Linears { prior: reduced, mean: kept.iter().map(|&k| mean[k]).collect(), epoch: (0..n).collect() }
}
