//! A known cell's broadcast channel and reference signals taken out of what is received, so that a weaker cell with the same timing can
//! be read.
//!
//! Cells of one site send their broadcast channels at the same time, and their frame numbers change alike: all periods hold the same
//! interference, and adding them up gains nothing. Reference signals that share their places do so as well, frame by frame. But once a
//! cell is known, everything that it sends there is.

use super::channel::Channel;
use super::grid::Grid;
use super::numerology::{BLOCK, CyclicPrefix, MAX_SYMBOLS};
use super::pbch::{PERIOD, elements, encode};
use super::reference::{Reference, SPACING};
use num_complex::Complex32;
use std::f32::consts::FRAC_1_SQRT_2;

/// Values of the system frame number; TS 36.331 clause 6.2.2.
const FRAME_NUMBERS: i64 = 1024;

/// What a known cell sends where a weaker one is received.
#[derive(Debug)]
pub struct Known {
    ports: usize,
    reference: Reference,
    channel: Channel,
    /// The part of the other cell's grid that is this cell's.
    grid: Grid,
    elements: Vec<(usize, usize)>,
    /// Its MIB with the frame number zeroed.
    mib: [u8; 3],
    /// Its number of the frame that the other cell's pace counts as 0.
    number: u16,
    /// The frame number, over four, that `bits` are for.
    period: Option<u16>,
    /// Scrambled bits of a period.
    bits: Vec<u8>,
}

impl Known {
    /// Of cell `pci` with `ports` ports and `mib`, whose frame number in frame 0 of the other cell is `number`. `blocks`: resource blocks in
    /// the middle that it and what is received have in common.
    pub fn new((pci, cp): (u16, CyclicPrefix), ports: usize, mib: [u8; 3], number: u16, blocks: usize) -> Known {
        let subcarriers = blocks * BLOCK;
        Known {
            ports,
            reference: Reference::new(pci, cp, blocks),
            channel: Channel::new(ports, subcarriers, MAX_SYMBOLS),
            grid: Grid::new(subcarriers, MAX_SYMBOLS),
            elements: elements(pci, cp, subcarriers),
            mib,
            number,
            period: None,
            bits: Vec::new(),
        }
    }

    /// Its antenna ports.
    pub fn ports(&self) -> usize {
        self.ports
    }

    /// Takes its reference signals out of subframe `subframe`.
    pub fn remove_reference(&mut self, grid: &mut Grid, subframe: usize) {
        let (symbols, own) = (self.reference.cp().symbols(), self.grid.subcarriers());
        let first = (grid.subcarriers() - own) / 2;
        for symbol in 0..symbols {
            self.grid.symbol_mut(symbol).copy_from_slice(&grid.symbol(symbol)[first..first + own]);
        }
        self.channel.estimate(&self.grid, &self.reference, subframe, symbols, self.ports, None);
        for port in 0..self.ports {
            for symbol in 0..symbols {
                let Some((at, values)) = self.reference.of(port, subframe, symbol) else { continue };
                let gains = self.channel.gain(port, symbol)[at..].iter().step_by(SPACING);
                let received = grid.symbol_mut(symbol)[first + at..].iter_mut().step_by(SPACING);
                for ((received, gain), value) in received.zip(gains).zip(values) {
                    *received -= gain * value;
                }
            }
        }
    }

    /// Takes its reference signals and its PBCH out of subframe 0 of the other cell's frame `frame`.
    pub fn remove(&mut self, grid: &mut Grid, frame: i64) {
        self.remove_reference(grid, 0);
        let number = (i64::from(self.number) + frame).rem_euclid(FRAME_NUMBERS) as u16;
        let period = number / PERIOD as u16;
        if self.period != Some(period) {
            self.period = Some(period);
            self.bits = encode(self.reference.pci(), self.mib, period, self.ports, 2 * PERIOD * self.elements.len());
        }
        let first = (grid.subcarriers() - self.grid.subcarriers()) / 2;
        let length = 2 * self.elements.len();
        let quarter = usize::from(number) % PERIOD;
        let (channel, bits) = (&self.channel, &self.bits[quarter * length..(quarter + 1) * length]);
        let mut take = |port: usize, (symbol, k): (usize, usize), value: Complex32| {
            grid.symbol_mut(symbol)[first + k] -= channel.gain(port, symbol)[k] * value;
        };
        if self.ports == 1 {
            for (place, bits) in self.elements.iter().zip(bits.chunks_exact(2)) {
                take(0, *place, symbol(bits));
            }
            return;
        }
        // Transmit diversity; TS 36.211 clause 6.3.4.3.
        for (i, (pair, bits)) in self.elements.chunks_exact(2).zip(bits.chunks_exact(4)).enumerate() {
            let (one, other) = match (self.ports, i % 2) {
                (2, _) => (0, 1),
                (_, 0) => (0, 2),
                _ => (1, 3),
            };
            let (x, y) = (symbol(&bits[..2]) * FRAC_1_SQRT_2, symbol(&bits[2..]) * FRAC_1_SQRT_2);
            take(one, pair[0], x);
            take(one, pair[1], y);
            take(other, pair[0], -y.conj());
            take(other, pair[1], x.conj());
        }
    }
}

/// QPSK; TS 36.211 clause 7.1.2.
fn symbol(bits: &[u8]) -> Complex32 {
    let sign = |bit: u8| if bit == 0 { FRAC_1_SQRT_2 } else { -FRAC_1_SQRT_2 };
    Complex32::new(sign(bits[0]), sign(bits[1]))
}
