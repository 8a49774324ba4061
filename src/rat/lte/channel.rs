//! Channel estimation from cell-specific reference signals, and transmit diversity undone.
//!
//! Reference elements give the channel where they stand. Between them a triangular kernel interpolates over frequency, wider the
//! weaker the cell, and over time; the noise comes from the second differences of neighbouring elements, which a channel of the
//! delay spreads met in practice hardly changes.

use super::grid::Grid;
use super::reference::{Reference, SPACING};
use num_complex::Complex32;
use std::f32::consts::SQRT_2;

/// Half-widths of the kernel over frequency, subcarriers, and the least signal to noise ratio at which each serves. Chosen on
/// the recordings: wider at a given ratio loses cells with echoes, narrower loses weak ones.
const WIDTHS: [(f32, usize); 3] = [(16.0, 6), (2.0, 12), (0.0, 24)];

/// What the reference signals of a subframe say of the channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// By port, then symbol of the subframe, then subcarrier.
    gains: Vec<Grid>,
    /// Noise power a resource element.
    pub noise: f32,
    /// Mean power a reference element, noise taken off, of the strongest port.
    pub power: f32,
    pilots: Vec<(usize, Vec<Complex32>)>,
    sums: Vec<(Complex32, f32)>,
}

impl Channel {
    /// For up to `ports` ports and subframes of `symbols` symbols.
    pub fn new(ports: usize, subcarriers: usize, symbols: usize) -> Channel {
        Channel {
            gains: vec![Grid::new(subcarriers, symbols); ports],
            noise: 1.0,
            power: 0.0,
            pilots: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Ports that there is room for: those of the cell.
    pub fn ports(&self) -> usize {
        self.gains.len()
    }

    /// The channel from `port` at the subcarriers of `symbol`.
    pub fn gain(&self, port: usize, symbol: usize) -> &[Complex32] {
        self.gains[port].symbol(symbol)
    }

    /// Signal to noise a reference element.
    pub fn snr(&self) -> f32 {
        self.power / self.noise.max(1e-20)
    }

    /// Estimates from the symbols `..symbols` of `grid`, which is subframe `subframe` of the cell; the first `ports` ports.
    ///
    /// `noise`: the noise power where it is known better than this subframe tells.
    pub fn estimate(
        &mut self,
        grid: &Grid,
        reference: &Reference,
        subframe: usize,
        symbols: usize,
        ports: usize,
        noise: Option<f32>,
    ) {
        let mut told = Vec::with_capacity(ports);
        let (mut differences, mut count) = (0.0f64, 0usize);
        let mut strongest = 0.0f32;
        for port in 0..ports {
            self.collect(grid, reference, subframe, symbols, port);
            let (mut power, mut elements) = (0.0f64, 0usize);
            for (_, values) in &self.pilots {
                power += values.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>();
                elements += values.len();
                for near in values.windows(3) {
                    differences += f64::from((near[0] - near[1] * 2.0 + near[2]).norm_sqr()) / 6.0;
                    count += 1;
                }
            }
            strongest = strongest.max((power / elements.max(1) as f64) as f32);
            told.push(std::mem::take(&mut self.pilots));
        }
        let own = (differences / count.max(1) as f64) as f32;
        self.noise = noise.unwrap_or(own).max(1e-20);
        self.power = (strongest - self.noise).max(0.0);
        let snr = self.power / self.noise;
        let width = WIDTHS.iter().find(|(least, _)| snr >= *least).map_or(24, |(_, width)| *width);
        for (port, pilots) in told.into_iter().enumerate() {
            self.interpolate(reference, (subframe, symbols), port, &pilots, (width, snr >= WIDTHS[0].0));
        }
    }

    /// The channel at the reference elements of one port, symbol by symbol, into `pilots`.
    fn collect(&mut self, grid: &Grid, reference: &Reference, subframe: usize, symbols: usize, port: usize) {
        self.pilots.clear();
        for symbol in 0..symbols {
            let Some((first, values)) = reference.of(port, subframe, symbol) else { continue };
            let received = grid.symbol(symbol)[first..].iter().step_by(SPACING);
            self.pilots.push((symbol, received.zip(values).map(|(value, known)| value * known.conj()).collect()));
        }
    }

    /// Fills the gains of `port` from its reference elements, with a kernel of half-width `width`.
    fn interpolate(
        &mut self,
        reference: &Reference,
        (subframe, symbols): (usize, usize),
        port: usize,
        pilots: &[(usize, Vec<Complex32>)],
        (width, strong): (usize, bool),
    ) {
        let subcarriers = reference.subcarriers();
        let mut rows: Vec<(usize, Vec<Complex32>)> = Vec::with_capacity(pilots.len());
        for (symbol, values) in pilots {
            let first = reference.of(port, subframe, *symbol).map_or(0, |(first, _)| first);
            self.sums.clear();
            self.sums.resize(subcarriers, (Complex32::default(), 0.0));
            for (i, value) in values.iter().enumerate() {
                let at = first + SPACING * i;
                let range = at.saturating_sub(width - 1)..(at + width).min(subcarriers);
                for (k, slot) in range.clone().zip(&mut self.sums[range]) {
                    let weight = (width - k.abs_diff(at)) as f32;
                    slot.0 += value * weight;
                    slot.1 += weight;
                }
            }
            rows.push((*symbol, self.sums.iter().map(|(sum, weight)| sum / weight.max(1e-9)).collect()));
        }
        for symbol in 0..symbols {
            let weights = time_weights(&rows, symbol, strong);
            let out = self.gains[port].symbol_mut(symbol);
            out.fill(Complex32::default());
            for ((_, row), weight) in rows.iter().zip(weights).filter(|(_, weight)| *weight > 0.0) {
                for (out, value) in out.iter_mut().zip(row) {
                    *out += value * weight;
                }
            }
        }
    }
}

/// How much each row counts at `symbol`: the two beside it in proportion, or all of a weak subframe.
fn time_weights(rows: &[(usize, Vec<Complex32>)], symbol: usize, strong: bool) -> Vec<f32> {
    let mut weights = vec![0.0; rows.len()];
    if !strong {
        let each = |at: usize| 1.0 - at.abs_diff(symbol) as f32 / 16.0;
        let total: f32 = rows.iter().map(|(at, _)| each(*at)).sum();
        weights.iter_mut().zip(rows).for_each(|(weight, (at, _))| *weight = each(*at) / total);
        return weights;
    }
    let after = rows.iter().position(|(at, _)| *at >= symbol);
    match after {
        Some(0) => weights[0] = 1.0,
        Some(i) => {
            let (from, to) = (rows[i - 1].0, rows[i].0);
            weights[i] = (symbol - from) as f32 / (to - from) as f32;
            weights[i - 1] = 1.0 - weights[i];
        }
        None => {
            if let Some(last) = weights.last_mut() {
                *last = 1.0;
            }
        }
    }
    weights
}

/// Soft bits of QPSK elements, two for each, transmit diversity over `ports` undone; TS 36.211 clauses 6.3.3.3, 6.3.4.3, 7.1.2.
///
/// `elements` are the places (symbol, subcarrier) in the order of mapping; a single port or pairs of them, as the code asks.
pub fn soft_bits(grid: &Grid, channel: &Channel, ports: usize, elements: &[(usize, usize)], soft: &mut Vec<f32>) {
    let scale = 1.0 / channel.noise;
    let at = |(symbol, k): (usize, usize)| grid.symbol(symbol)[k];
    if ports == 1 {
        soft.extend(elements.iter().flat_map(|&(symbol, k)| {
            let value = at((symbol, k)) * channel.gain(0, symbol)[k].conj() * (2.0 * SQRT_2 * scale);
            [value.re, value.im]
        }));
        return;
    }
    for (i, pair) in elements.chunks_exact(2).enumerate() {
        let (one, other) = match (ports, i % 2) {
            (2, _) => (0, 1),
            (_, 0) => (0, 2),
            _ => (1, 3),
        };
        let gain = |port: usize, (symbol, k): (usize, usize)| channel.gain(port, symbol)[k];
        let (y0, y1) = (at(pair[0]), at(pair[1]));
        let first = gain(one, pair[0]).conj() * y0 + gain(other, pair[1]) * y1.conj();
        let second = gain(one, pair[1]).conj() * y1 - gain(other, pair[0]) * y0.conj();
        let factor = 2.0 * scale;
        soft.extend([first.re * factor, first.im * factor, second.re * factor, second.im * factor]);
    }
}
