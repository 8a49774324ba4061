//! Soft-decision Viterbi decoding of the rate 1/2, constraint length 5 code that starts and ends in state zero.
//!
//! The decoder is exact maximum likelihood over the whole block: no window, no quantisation. Its limit over AWGN is the snapshot
//! in `tests/gsm_coding.rs`. All scratch is in the struct and can be wiped.

use zeroize::Zeroize;

/// States of a code of constraint length 5.
const STATES: usize = 16;

/// Bits of the shift register that precede the newest one; also the number of tail bits.
pub const TAIL_BITS: usize = 4;

/// Metric of a state that cannot be the first: below anything that a block of finite soft bits adds up to.
const IMPOSSIBLE: f32 = -1e30;

/// The two generator polynomials of a rate 1/2 code; bit `i` is the coefficient of `D^i`, `D^0` being the newest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generators(pub [u8; 2]);

impl Generators {
    /// Encodes `bits` (their tail included) from state zero; `coded` takes two bits for each.
    ///
    /// # Panics
    /// Where `coded` is not twice as long as `bits`.
    pub fn encode(&self, bits: &[u8], coded: &mut [u8]) {
        assert_eq!(coded.len(), 2 * bits.len(), "two coded bits for each bit");
        let mut register = 0u8;
        for (&bit, pair) in bits.iter().zip(coded.chunks_exact_mut(2)) {
            register = (register << 1 | bit & 1) & 0x1f;
            for (out, generator) in pair.iter_mut().zip(self.0) {
                *out = ((register & generator).count_ones() & 1) as u8;
            }
        }
    }
}

/// A decoder with scratch for blocks of a bounded length.
#[derive(Clone, Debug)]
pub struct Viterbi {
    /// For state `p` below 8 and input 0: +1.0 where the coded bit is zero, -1.0 where it is one.
    ///
    /// The other three branches of the butterfly follow by sign, because both polynomials contain `D^0` and `D^4`.
    signs: [[f32; STATES / 2]; 2],
    metrics: [f32; STATES],
    /// One word a step; bit `n` set: the survivor into state `n` came from the upper half of the states.
    decisions: Vec<u16>,
}

impl Viterbi {
    /// A decoder for blocks of up to `max_bits` information bits, tail included.
    ///
    /// # Panics
    /// Where a polynomial lacks its first or its last term; every code of the standards in use has both.
    pub fn new(generators: Generators, max_bits: usize) -> Viterbi {
        assert!(generators.0.iter().all(|g| g & 0x11 == 0x11), "both polynomials contain D^0 and D^4");
        let sign = |generator: u8, state: usize| {
            let odd = ((state as u8) << 1 & generator).count_ones() & 1 == 1;
            if odd { -1.0 } else { 1.0 }
        };
        let signs = generators.0.map(|g| std::array::from_fn(|state| sign(g, state)));
        Viterbi { signs, metrics: [0.0; STATES], decisions: vec![0; max_bits] }
    }

    /// Finds the most likely block that starts and ends in state zero.
    ///
    /// `soft` has two log-likelihood ratios (positive: zero) for each of `bits`; the last [`TAIL_BITS`] of `bits` come out as zero.
    ///
    /// # Panics
    /// Where the lengths do not match or exceed what the decoder was made for.
    pub fn decode(&mut self, soft: &[f32], bits: &mut [u8]) {
        assert_eq!(soft.len(), 2 * bits.len(), "two soft bits for each bit");
        let decisions = &mut self.decisions[..bits.len()];
        self.metrics = [IMPOSSIBLE; STATES];
        self.metrics[0] = 0.0;
        for (pair, decision) in soft.chunks_exact(2).zip(decisions.iter_mut()) {
            *decision = step(&mut self.metrics, &self.signs, pair[0], pair[1]);
        }
        // The state holds the four newest bits, newest lowest, so the lowest bit of the state after step k is bit k.
        let mut state = 0usize;
        for (bit, decision) in bits.iter_mut().zip(decisions.iter()).rev() {
            *bit = (state & 1) as u8;
            state = state >> 1 | usize::from(decision >> state & 1) << 3;
        }
    }

    /// Overwrites everything that was left by the last block.
    pub fn wipe(&mut self) {
        self.metrics.zeroize();
        self.decisions.as_mut_slice().zeroize();
    }

    /// Nothing of any block is left.
    pub fn is_wiped(&self) -> bool {
        self.metrics.iter().all(|&m| m == 0.0) && self.decisions.iter().all(|&d| d == 0)
    }
}

/// One trellis step: states `p` and `p + 8` lead to `2p` (input 0) and `2p + 1` (input 1).
#[inline]
fn step(metrics: &mut [f32; STATES], signs: &[[f32; STATES / 2]; 2], first: f32, second: f32) -> u16 {
    let old = *metrics;
    let mut decision = 0;
    for p in 0..STATES / 2 {
        let branch = signs[0][p] * first + signs[1][p] * second;
        let (lower, upper) = (old[p], old[p + STATES / 2]);
        let zero = (lower + branch, upper - branch);
        let one = (lower - branch, upper + branch);
        metrics[2 * p] = zero.0.max(zero.1);
        metrics[2 * p + 1] = one.0.max(one.1);
        decision |= u16::from(zero.1 > zero.0) << (2 * p) | u16::from(one.1 > one.0) << (2 * p + 1);
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;

    const GSM: Generators = Generators([0b11001, 0b11011]);

    fn block(seed: u64, length: usize) -> Vec<u8> {
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bits: Vec<u8> = (0..length)
            .map(|_| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                (x >> 40 & 1) as u8
            })
            .collect();
        bits[length - TAIL_BITS..].fill(0);
        bits
    }

    fn soft(coded: &[u8]) -> Vec<f32> {
        coded.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect()
    }

    #[test]
    fn clean_blocks_of_any_length_come_back() {
        let mut viterbi = Viterbi::new(GSM, 228);
        for length in [5, 39, 228] {
            let bits = block(length as u64, length);
            let mut coded = vec![0; 2 * length];
            GSM.encode(&bits, &mut coded);
            let mut out = vec![9; length];
            viterbi.decode(&soft(&coded), &mut out);
            assert_eq!(out, bits, "{length}");
        }
    }

    /// The free distance of the code is 7 (TS 45.003 uses the best code of constraint length 5), so any 3 hard errors are corrected.
    #[test]
    fn any_three_neighbouring_errors_are_corrected() {
        let mut viterbi = Viterbi::new(GSM, 39);
        let bits = block(7, 39);
        let mut coded = vec![0; 78];
        GSM.encode(&bits, &mut coded);
        for first in 0..76 {
            let mut received = soft(&coded);
            received[first..first + 3].iter_mut().for_each(|x| *x = -*x);
            let mut out = vec![0; 39];
            viterbi.decode(&received, &mut out);
            assert_eq!(out, bits, "errors at {first}");
        }
    }

    #[test]
    fn an_erased_stretch_is_filled_in() {
        let mut viterbi = Viterbi::new(GSM, 228);
        let bits = block(3, 228);
        let mut coded = vec![0; 456];
        GSM.encode(&bits, &mut coded);
        let mut received = soft(&coded);
        received.iter_mut().step_by(3).for_each(|x| *x = 0.0);
        let mut out = vec![0; 228];
        viterbi.decode(&received, &mut out);
        assert_eq!(out, bits);
    }

    #[test]
    fn unusable_soft_bits_give_some_block_and_no_panic() {
        let mut viterbi = Viterbi::new(GSM, 39);
        let mut out = vec![0; 39];
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::MAX] {
            viterbi.decode(&[value; 78], &mut out);
            assert!(out.iter().all(|&bit| bit <= 1));
        }
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut viterbi = Viterbi::new(GSM, 39);
        viterbi.decode(&[-1.0; 78], &mut [0; 39]);
        assert!(!viterbi.is_wiped());
        viterbi.wipe();
        assert!(viterbi.is_wiped());
    }
}
