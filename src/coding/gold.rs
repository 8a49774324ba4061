//! The length-31 Gold sequence that LTE and NR scramble with.
//!
//! Both registers advance 28 bits at a time, as far as their taps reach; the first 1600 bits are skipped by a table, because the
//! state after them is linear in the initial one.
//!
//! ## References
//! - 3GPP TS 36.211 Release 17: clause 7.2

/// N_C, the bits that are left out at the beginning; TS 36.211 clause 7.2.
const N_C: u32 = 1600;

/// Bits of a register.
const REGISTER: usize = 31;

/// The low 31 bits.
const MASK: u32 = (1 << REGISTER) - 1;

/// Bits that one step makes: the highest tap is at 3, and 31 - 3 new bits depend on old ones only.
const STEP: u32 = 28;

/// Moves x1 on by `count` bits, at most [`STEP`]: x1(n + 31) = x1(n + 3) + x1(n). Bit `i` of a state is x(n + i).
const fn advance_1(state: u32, count: u32) -> u32 {
    let new = (state >> 3 ^ state) as u64;
    ((state as u64 | new << REGISTER) >> count) as u32 & MASK
}

/// Moves x2 on by `count` bits, at most [`STEP`]: x2(n + 31) = x2(n + 3) + x2(n + 2) + x2(n + 1) + x2(n).
const fn advance_2(state: u32, count: u32) -> u32 {
    let new = (state >> 3 ^ state >> 2 ^ state >> 1 ^ state) as u64;
    ((state as u64 | new << REGISTER) >> count) as u32 & MASK
}

/// x1 after N_C bits; it always begins with 1, 0, 0, ...
const X1: u32 = {
    let mut state = 1;
    let mut left = N_C;
    while left > 0 {
        let count = if left < STEP { left } else { STEP };
        state = advance_1(state, count);
        left -= count;
    }
    state
};

/// x2 after N_C bits for each single initial bit.
const X2: [u32; REGISTER] = {
    let mut table = [0; REGISTER];
    let mut bit = 0;
    while bit < REGISTER {
        let mut state = 1 << bit;
        let mut left = N_C;
        while left > 0 {
            let count = if left < STEP { left } else { STEP };
            state = advance_2(state, count);
            left -= count;
        }
        table[bit] = state;
        bit += 1;
    }
    table
};

/// `c(n)` from some `n` on; each call goes on where the last one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gold {
    x1: u32,
    x2: u32,
}

impl Gold {
    /// The sequence of `c_init` from `c(0)` on; only the low 31 bits of `c_init` count.
    pub fn new(c_init: u32) -> Gold {
        let x2 = (0..REGISTER).filter(|i| c_init >> i & 1 == 1).fold(0, |state, i| state ^ X2[i]);
        Gold { x1: X1, x2 }
    }

    /// The next [`STEP`] bits at least, the first in bit 0.
    fn word(&self) -> u32 {
        self.x1 ^ self.x2
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, count: usize) {
        for _ in 0..count / STEP as usize {
            self.step(STEP);
        }
        self.step((count % STEP as usize) as u32);
    }

    fn step(&mut self, count: u32) {
        self.x1 = advance_1(self.x1, count);
        self.x2 = advance_2(self.x2, count);
    }

    /// Writes the next bits of the sequence.
    pub fn fill(&mut self, bits: &mut [u8]) {
        for chunk in bits.chunks_mut(STEP as usize) {
            let word = self.word();
            chunk.iter_mut().enumerate().for_each(|(i, bit)| *bit = (word >> i & 1) as u8);
            self.step(chunk.len() as u32);
        }
    }

    /// Adds the next bits of the sequence to `bits`, modulo two: scrambles, or takes the scrambling away.
    pub fn scramble(&mut self, bits: &mut [u8]) {
        for chunk in bits.chunks_mut(STEP as usize) {
            let word = self.word();
            chunk.iter_mut().enumerate().for_each(|(i, bit)| *bit ^= (word >> i & 1) as u8);
            self.step(chunk.len() as u32);
        }
    }

    /// Turns the sign of each soft bit whose bit of the sequence is one: [`Gold::scramble`] of log-likelihood ratios.
    pub fn scramble_soft(&mut self, soft: &mut [f32]) {
        for chunk in soft.chunks_mut(STEP as usize) {
            let word = self.word();
            for (i, soft) in chunk.iter_mut().enumerate() {
                *soft = f32::from_bits(soft.to_bits() ^ (word >> i) << 31);
            }
            self.step(chunk.len() as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recursion of clause 7.2, bit by bit.
    fn by_definition(c_init: u32, length: usize) -> Vec<u8> {
        let total = N_C as usize + length + REGISTER;
        let (mut x1, mut x2) = (vec![0u8; total], vec![0u8; total]);
        x1[0] = 1;
        (0..REGISTER).for_each(|i| x2[i] = (c_init >> i & 1) as u8);
        for n in 0..total - REGISTER {
            x1[n + 31] = x1[n + 3] ^ x1[n];
            x2[n + 31] = x2[n + 3] ^ x2[n + 2] ^ x2[n + 1] ^ x2[n];
        }
        (0..length).map(|n| x1[n + N_C as usize] ^ x2[n + N_C as usize]).collect()
    }

    #[test]
    fn words_at_a_time_give_the_sequence_of_the_definition() {
        for c_init in [0, 1, 503, 0x7fff_ffff, 0x1234_5678] {
            let expected = by_definition(c_init, 2000);
            let mut bits = vec![0; 2000];
            Gold::new(c_init).fill(&mut bits);
            assert_eq!(bits, expected, "{c_init:#x}");
        }
    }

    #[test]
    fn any_cut_of_the_sequence_is_the_same_sequence() {
        let mut whole = vec![0; 600];
        Gold::new(77).fill(&mut whole);
        for skipped in [0, 1, 27, 28, 29, 480] {
            let mut gold = Gold::new(77);
            gold.skip(skipped);
            let mut rest = vec![0; 100];
            gold.fill(&mut rest[..31]);
            gold.fill(&mut rest[31..]);
            assert_eq!(rest, whole[skipped..skipped + 100], "{skipped}");
        }
    }

    #[test]
    fn soft_bits_turn_their_sign_where_hard_bits_turn() {
        let mut hard = vec![0; 100];
        let mut soft = vec![2.5; 100];
        Gold::new(9).scramble(&mut hard);
        Gold::new(9).scramble_soft(&mut soft);
        assert!(hard.iter().zip(&soft).all(|(&bit, &soft)| soft == if bit == 1 { -2.5 } else { 2.5 }));
    }
}
