//! The tail-biting convolutional code of LTE, rate 1/3 and constraint length 7, and its soft decoder.
//!
//! The decoder goes round the block with the path metrics of the end as those of the beginning (wrap-around Viterbi), until the best
//! path begins in the state where it ends or [`MAX_WRAPS`] are done. Its limit over AWGN is the snapshot in `tests/lte_coding.rs`.
//! All scratch is in the struct: no allocation per block.
//!
//! ## References
//! - 3GPP TS 36.212 Release 17: clause 5.1.3.1

/// States of a code of constraint length 7.
const STATES: usize = 64;

/// Half of them: the butterflies of one trellis step.
const HALF: usize = STATES / 2;

/// Bits of the shift register that precede the newest one.
const MEMORY: usize = 6;

/// Generator polynomials G_0 to G_2, 133, 171 and 165 octal; TS 36.212 figure 5.1.3-1. The highest bit belongs to the newest bit.
const GENERATORS: [u8; 3] = [0o133, 0o171, 0o165];

/// Rounds at most. Chosen: each costs as much as the first, and clean blocks close in the first or second.
pub const MAX_WRAPS: usize = 3;

/// Encodes `bits`; `coded` takes d^(0), then d^(1), then d^(2), each as long as `bits`.
///
/// # Panics
/// Where `coded` is not three times as long as `bits`, or there are fewer than six bits: what bites its tail must have one.
pub fn encode(bits: &[u8], coded: &mut [u8]) {
    assert_eq!(coded.len(), 3 * bits.len(), "three coded bits for each bit");
    assert!(bits.len() >= MEMORY, "at least {MEMORY} bits");
    // Newest bit lowest: the register is the reverse of the polynomial's notation.
    let mut register = bits[bits.len() - MEMORY..].iter().fold(0u8, |register, &bit| register << 1 | bit & 1);
    for (k, &bit) in bits.iter().enumerate() {
        register = (register << 1 | bit & 1) & 0x7f;
        for (stream, generator) in GENERATORS.into_iter().enumerate() {
            coded[stream * bits.len() + k] = ((register & mirrored(generator)).count_ones() & 1) as u8;
        }
    }
}

/// A generator with the newest bit lowest.
const fn mirrored(generator: u8) -> u8 {
    generator.reverse_bits() >> 1
}

/// For state `p` below 32 and input 0: +1.0 where the coded bit is zero, -1.0 where it is one. The other three branches of the
/// butterfly follow by sign, because each polynomial has its first and its last term.
const SIGNS: [[f32; HALF]; 3] = {
    let mut signs = [[0.0; HALF]; 3];
    let mut stream = 0;
    while stream < 3 {
        let mut p = 0;
        while p < HALF {
            let odd = ((p as u8) << 1 & mirrored(GENERATORS[stream])).count_ones() & 1 == 1;
            signs[stream][p] = if odd { -1.0 } else { 1.0 };
            p += 1;
        }
        stream += 1;
    }
    signs
};

/// A decoder with scratch for blocks of a bounded length.
#[derive(Clone, Debug)]
pub struct TailBiting {
    /// For each step and state `n`: 1 where the survivor came from the upper half of the states. The first half of a step's entries
    /// are the even states.
    decisions: Vec<[u8; STATES]>,
}

impl TailBiting {
    /// A decoder for blocks of up to `max_bits`.
    pub fn new(max_bits: usize) -> TailBiting {
        TailBiting { decisions: vec![[0; STATES]; max_bits] }
    }

    /// Finds the most likely block, its path being closed where that can be had in [`MAX_WRAPS`] rounds.
    ///
    /// `soft` holds the log-likelihood ratios (positive: zero) of d^(0), then d^(1), then d^(2). Returns whether the path of `bits` is
    /// closed: one that is not is no code word.
    ///
    /// # Panics
    /// Where the lengths do not match or exceed what the decoder was made for, or `bits` is empty.
    pub fn decode(&mut self, soft: &[f32], bits: &mut [u8]) -> bool {
        let length = bits.len();
        assert!(length > 0, "a block has bits");
        assert_eq!(soft.len(), 3 * length, "three soft bits for each bit");
        let decisions = &mut self.decisions[..length];
        let (first, rest) = soft.split_at(length);
        let (second, third) = rest.split_at(length);
        let mut metrics = [0.0; STATES];
        for wrap in 1..=MAX_WRAPS {
            // Only differences count, and single precision has no room for sums that grow.
            let top = metrics[best_state(&metrics)];
            metrics.iter_mut().for_each(|metric| *metric -= top);
            let before = metrics;
            for (k, decision) in decisions.iter_mut().enumerate() {
                step(&mut metrics, [first[k], second[k], third[k]], decision);
            }
            let best = best_state(&metrics);
            if trace_back(decisions, best, bits) == best {
                return true;
            }
            if wrap == MAX_WRAPS {
                // Of the closed paths, the one that gained most in this round: errors near the seam mislead the choice of the end.
                let mut gained = before;
                gained.iter_mut().zip(&metrics).for_each(|(gained, metric)| *gained = metric - *gained);
                let closed = (0..STATES).filter(|&end| trace_back(decisions, end, bits) == end);
                if let Some(end) = closed.reduce(|best, end| if gained[end] > gained[best] { end } else { best }) {
                    return trace_back(decisions, end, bits) == end;
                }
                trace_back(decisions, best, bits);
            }
        }
        false
    }
}

fn best_state(metrics: &[f32; STATES]) -> usize {
    (1..STATES).fold(0, |best, state| if metrics[state] > metrics[best] { state } else { best })
}

/// Writes the bits of the path that ends in `end`; returns the state where it begins.
fn trace_back(decisions: &[[u8; STATES]], end: usize, bits: &mut [u8]) -> usize {
    let mut state = end;
    for (bit, decision) in bits.iter_mut().zip(decisions).rev() {
        // The state holds the six newest bits, newest lowest.
        *bit = (state & 1) as u8;
        let place = state >> 1 | (state & 1) << 5;
        state = state >> 1 | usize::from(decision[place]) << 5;
    }
    state
}

/// One trellis step: states `p` and `p + 32` lead to `2p` (input 0) and `2p + 1` (input 1).
#[inline]
fn step(metrics: &mut [f32; STATES], soft: [f32; 3], decision: &mut [u8; STATES]) {
    let (lower, upper) = metrics.split_at(HALF);
    let (mut zeros, mut ones) = ([0.0f32; HALF], [0.0f32; HALF]);
    let (decision_0, decision_1) = decision.split_at_mut(HALF);
    for p in 0..HALF {
        let branch = SIGNS[0][p] * soft[0] + SIGNS[1][p] * soft[1] + SIGNS[2][p] * soft[2];
        let zero = (lower[p] + branch, upper[p] - branch);
        let one = (lower[p] - branch, upper[p] + branch);
        zeros[p] = if zero.1 > zero.0 { zero.1 } else { zero.0 };
        ones[p] = if one.1 > one.0 { one.1 } else { one.0 };
        decision_0[p] = u8::from(zero.1 > zero.0);
        decision_1[p] = u8::from(one.1 > one.0);
    }
    for p in 0..HALF {
        metrics[2 * p] = zeros[p];
        metrics[2 * p + 1] = ones[p];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(seed: u64, length: usize) -> Vec<u8> {
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 40 & 1) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn soft(coded: &[u8]) -> Vec<f32> {
        coded.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect()
    }

    #[test]
    fn clean_blocks_of_any_length_come_back() {
        let mut decoder = TailBiting::new(100);
        for length in [24, 31, 40, 41, 59, 100] {
            for seed in 1..50 {
                let bits = block(seed, length);
                let mut coded = vec![0; 3 * length];
                encode(&bits, &mut coded);
                let mut out = vec![9; length];
                assert!(decoder.decode(&soft(&coded), &mut out), "{length} bits, block {seed}");
                assert_eq!(out, bits, "{length} bits, block {seed}");
            }
        }
    }

    /// Each rotation of a code word is the code word of the rotated block: nothing tells where a tail-biting block begins.
    #[test]
    fn a_rotated_code_word_is_the_word_of_the_rotated_block() {
        let bits = block(5, 40);
        let mut coded = vec![0; 120];
        encode(&bits, &mut coded);
        let mut rotated = bits.clone();
        rotated.rotate_left(11);
        let mut word = vec![0; 120];
        encode(&rotated, &mut word);
        coded.chunks_mut(40).for_each(|stream| stream.rotate_left(11));
        assert_eq!(coded, word);
    }

    #[test]
    fn any_four_neighbouring_errors_are_corrected() {
        let mut decoder = TailBiting::new(40);
        let bits = block(7, 40);
        let mut coded = vec![0; 120];
        encode(&bits, &mut coded);
        for first in 0..117 {
            let mut received = soft(&coded);
            received[first..first + 4].iter_mut().for_each(|x| *x = -*x);
            let mut out = vec![0; 40];
            assert!(decoder.decode(&received, &mut out), "errors at {first}");
            assert_eq!(out, bits, "errors at {first}");
        }
    }

    #[test]
    fn unusable_soft_bits_give_some_block_and_no_panic() {
        let mut decoder = TailBiting::new(40);
        let mut out = vec![0; 40];
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::MAX] {
            decoder.decode(&[value; 120], &mut out);
            assert!(out.iter().all(|&bit| bit <= 1));
        }
    }
}
