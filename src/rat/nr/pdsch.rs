//! Soft bits of the PDSCH that carries system information.
//!
//! The channel comes from the reference elements of each symbol that has them, and between these symbols along a straight line.
//!
//! ## References
//! - 3GPP TS 38.211 Release 17: clauses 7.3.1.1 (scrambling), 7.3.1.2 (modulation), 7.4.1.1 (DMRS)
//! - 3GPP TS 38.214 Release 17: clauses 4.1 (powers), 5.1.2.3 (bundles of one precoder)

use super::coreset::BLOCK;
use super::dci::{Dci, SI_RNTI, Time};
use super::pdcch::dmrs_init;
use super::pilots::{Noise, Smoother};
use super::slot::Grid;
use crate::coding::gold::Gold;
use num_complex::Complex32;
use std::f32::consts::SQRT_2;

/// Blocks that surely have one precoder; TS 38.214 clause 5.1.2.3.
const PRECODED: usize = 2;
/// Reference elements stand on every other subcarrier; TS 38.211 clause 7.4.1.1.2, configuration type 1, port 1000.
const STEP: usize = 2;

/// How far the channel may be smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precoding {
    /// Over everything that stands side by side.
    Wide,
    /// Over what surely has one precoder.
    Bundled,
}

/// Demodulates the PDSCH in CORESET 0's blocks.
#[derive(Debug)]
pub struct Shared {
    pci: u16,
    blocks: Vec<bool>,
    smoother: Smoother,
    sequence: Vec<u8>,
    seen: Vec<Complex32>,
    /// Of each symbol with DMRS: the channel.
    gains: [Vec<Complex32>; 3],
    /// Soft bits of the last slot, in order and descrambled.
    pub soft: Vec<f32>,
}

impl Shared {
    /// Of cell `pci`, in `blocks` resource blocks.
    pub fn new(pci: u16, blocks: usize) -> Shared {
        let width = blocks * BLOCK;
        Shared {
            pci,
            blocks: vec![false; blocks],
            smoother: Smoother::new(),
            sequence: vec![0; width],
            seen: Vec::with_capacity(width / STEP),
            gains: std::array::from_fn(|_| vec![Complex32::default(); width]),
            soft: Vec::with_capacity(2 * width * super::slot::SYMBOLS),
        }
    }

    /// Elements of a block that carry bits.
    pub fn elements(time: Time, position: u8) -> usize {
        let (_, count) = time.dmrs(position);
        let beside = if time.shares_dmrs() { BLOCK / STEP } else { 0 };
        (usize::from(time.length) - count) * BLOCK + count * beside
    }

    /// Demodulates what `dci` announces in slot `slot`; `position`: dmrs-TypeA-Position.
    ///
    /// # Panics
    /// Where `dci` counts in other blocks, or the grid is narrower.
    pub fn demodulate(&mut self, grid: &Grid, slot: usize, dci: &Dci, position: u8, precoding: Precoding) {
        let time = Time::default_a(dci.time, position);
        self.blocks.fill(false);
        dci.physical(|block| self.blocks[block] = true);
        let (symbols, count) = time.dmrs(position);
        let symbols = &symbols[..count];
        let mut noise = Noise::default();
        for (at, &l) in symbols.iter().enumerate() {
            self.estimate(grid.symbol(l.into()), dmrs_init(self.pci, slot, l.into()), at, precoding, &mut noise);
        }
        // DMRS alone in its symbol is 3 dB stronger; TS 38.214 table 4.1-1.
        let scale = 2.0 * if time.shares_dmrs() { SQRT_2 } else { 1.0 } / noise.power();
        self.soft.clear();
        for l in time.symbols() {
            let has_dmrs = symbols.iter().any(|&symbol| usize::from(symbol) == l);
            if has_dmrs && !time.shares_dmrs() {
                continue;
            }
            let (before, after, share) = between(symbols, l);
            let values = grid.symbol(l).iter().zip(&self.gains[before]).zip(&self.gains[after]).enumerate();
            for (k, ((value, first), second)) in values {
                if !self.blocks[k / BLOCK] || (has_dmrs && k.is_multiple_of(STEP)) {
                    continue;
                }
                let gain = first * (1.0 - share) + second * share;
                let matched = value * gain.conj() * scale;
                self.soft.extend([matched.re, matched.im]);
            }
        }
        Gold::new(u32::from(SI_RNTI) << 15 | u32::from(self.pci)).scramble_soft(&mut self.soft);
    }

    /// The channel by the reference elements of one symbol.
    fn estimate(&mut self, symbol: &[Complex32], c_init: u32, at: usize, precoding: Precoding, noise: &mut Noise) {
        Gold::new(c_init).fill(&mut self.sequence);
        let gains = &mut self.gains[at];
        let mut begin = 0;
        while begin < self.blocks.len() {
            if !self.blocks[begin] {
                begin += 1;
                continue;
            }
            // Bundles of one precoder are counted from the first block on.
            let most =
                if precoding == Precoding::Wide { self.blocks.len() } else { begin / PRECODED * PRECODED + PRECODED };
            let end = (begin..most.min(self.blocks.len()))
                .find(|&block| !self.blocks[block])
                .unwrap_or(most.min(self.blocks.len()));
            let run = begin * BLOCK..end * BLOCK;
            self.seen.clear();
            self.seen.extend(
                symbol[run.clone()].iter().step_by(STEP).zip(self.sequence[run.clone()].chunks_exact(STEP)).map(
                    |(value, bits)| {
                        let sent = Complex32::new(1.0 - 2.0 * f32::from(bits[0]), 1.0 - 2.0 * f32::from(bits[1]));
                        value * sent.conj() / SQRT_2
                    },
                ),
            );
            self.smoother.run(&self.seen, (0, STEP), &mut gains[run], noise);
            begin = end;
        }
    }
}

/// Between which of the symbols with DMRS symbol `l` stands, and how near it is to the second.
fn between(symbols: &[u8], l: usize) -> (usize, usize, f32) {
    let after = symbols.partition_point(|&symbol| usize::from(symbol) < l);
    match after.checked_sub(1) {
        None => (0, 0, 0.0),
        Some(before) if after == symbols.len() => (before, before, 0.0),
        Some(before) => {
            let (from, to) = (f32::from(symbols[before]), f32::from(symbols[after]));
            (before, after, (l as f32 - from) / (to - from))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_goes_straight_between_symbols_with_dmrs_and_stays_beyond_them() {
        assert_eq!(between(&[2, 7, 11], 1), (0, 0, 0.0));
        assert_eq!(between(&[2, 7, 11], 4), (0, 1, 0.4));
        assert_eq!(between(&[2, 7, 11], 12), (2, 2, 0.0));
        assert_eq!(between(&[2, 7, 11], 7), (0, 1, 1.0));
    }
}
