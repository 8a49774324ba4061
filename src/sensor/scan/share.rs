//! Which receiver of several scans what.

use super::{OVERLAP, Options, Reach, WEIGHTS};
use crate::sensor::bands::Band;
use crate::units::Hz;

/// Divides bands among receivers: piece by piece, as wide as the widest receiver that reaches it, GSM first, each piece to the receiver
/// that then needs the least time for one round of sweeps. What nobody reaches is everybody's, so that each plan can say so.
pub fn share(bands: &[Band], reaches: &[Reach], options: &Options) -> Vec<Vec<Band>> {
    let mut shares: Vec<Vec<Band>> = reaches.iter().map(|_| Vec::new()).collect();
    let mut loads = vec![0.0; reaches.len()];
    let mut order: Vec<&Band> = bands.iter().collect();
    order.sort_by(|a, b| (!a.gsm, a.low.0).partial_cmp(&(!b.gsm, b.low.0)).unwrap_or(std::cmp::Ordering::Equal));
    let within = |reach: &Reach, low: f64, high: f64| {
        // A window of its own may reach beyond the piece.
        let middle = (low + high) / 2.0;
        reach.tuning.iter().any(|[least, most]| (least.0..=most.0).contains(&middle))
    };
    for band in order {
        let able = |low: f64, high: f64| (0..reaches.len()).filter(move |n| within(&reaches[*n], low, high));
        let Some(widest) = able(band.low.0, band.high.0).map(|n| reaches[n].usable.0).max_by(f64::total_cmp) else {
            shares.iter_mut().for_each(|share| share.push(band.clone()));
            continue;
        };
        // Pieces share what windows share; with one receiver there is nothing to cut.
        let width = band.high.0 - band.low.0;
        let step = (widest - OVERLAP.0).max(OVERLAP.0);
        let count = if reaches.len() > 1 { ((width - OVERLAP.0) / step).ceil().max(1.0) } else { 1.0 };
        for n in 0..count as usize {
            let low = band.low.0 + n as f64 / count * (width - OVERLAP.0);
            let high = (band.low.0 + (n as f64 + 1.0) / count * (width - OVERLAP.0) + OVERLAP.0).min(band.high.0);
            let weight = if band.gsm { f64::from(options.gsm_weight.unwrap_or(*WEIGHTS.start())) } else { 1.0 };
            let cost = |n: usize| {
                let windows = ((high - low) / reaches[n].usable.0).ceil();
                windows * weight * (options.sweep + reaches[n].retune).as_secs_f64()
            };
            let chosen = able(low, high).min_by(|a, b| (loads[*a] + cost(*a)).total_cmp(&(loads[*b] + cost(*b))));
            let Some(chosen) = chosen else { continue };
            loads[chosen] += cost(chosen);
            match shares[chosen].last_mut() {
                // The next piece of the same band.
                Some(last) if last.name == band.name && last.high.0 >= low - 1.0 => last.high = Hz(high),
                _ => shares[chosen].push(Band { low: Hz(low), high: Hz(high), ..band.clone() }),
            }
        }
    }
    shares
}
