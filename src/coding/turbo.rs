//! The turbo code of LTE and its soft decoder.
//!
//! Two constituent decoders (max-log-MAP) exchange extrinsic values scaled by `EXTRINSIC_SCALE`; after each of them the caller may
//! accept the hard decisions, which ends the work. All scratch is in the struct: no allocation per block. The limit over AWGN is the
//! snapshot in `tests/lte_coding.rs`.
//!
//! ## References
//! - 3GPP TS 36.212 Release 17: clause 5.1.3.2

/// States of a constituent encoder.
const STATES: usize = 8;

/// Tail bits of each stream d^(0), d^(1), d^(2).
pub const TAIL_BITS: usize = 4;

/// Factor on extrinsic values: max-log-MAP is too sure of itself. Chosen: the factor usual for this decoder.
const EXTRINSIC_SCALE: f32 = 0.75;

/// Metric of a state that cannot be: below anything that a block of finite soft bits adds up to.
const IMPOSSIBLE: f32 = -1e30;

/// f_1 and f_2 of the internal interleaver, by ascending block size; TS 36.212 table 5.1.3-3. The test below holds the whole table
/// against the property that each row makes a permutation.
const QPP: [(u16, u16); 188] = [
    (3, 10),
    (7, 12),
    (19, 42),
    (7, 16),
    (7, 18),
    (11, 20),
    (5, 22),
    (11, 24),
    (7, 26),
    (41, 84),
    (103, 90),
    (15, 32),
    (9, 34),
    (17, 108),
    (9, 38),
    (21, 120),
    (101, 84),
    (21, 44),
    (57, 46),
    (23, 48),
    (13, 50),
    (27, 52),
    (11, 36),
    (27, 56),
    (85, 58),
    (29, 60),
    (33, 62),
    (15, 32),
    (17, 198),
    (33, 68),
    (103, 210),
    (19, 36),
    (19, 74),
    (37, 76),
    (19, 78),
    (21, 120),
    (21, 82),
    (115, 84),
    (193, 86),
    (21, 44),
    (133, 90),
    (81, 46),
    (45, 94),
    (23, 48),
    (243, 98),
    (151, 40),
    (155, 102),
    (25, 52),
    (51, 106),
    (47, 72),
    (91, 110),
    (29, 168),
    (29, 114),
    (247, 58),
    (29, 118),
    (89, 180),
    (91, 122),
    (157, 62),
    (55, 84),
    (31, 64),
    (17, 66),
    (35, 68),
    (227, 420),
    (65, 96),
    (19, 74),
    (37, 76),
    (41, 234),
    (39, 80),
    (185, 82),
    (43, 252),
    (21, 86),
    (155, 44),
    (79, 120),
    (139, 92),
    (23, 94),
    (217, 48),
    (25, 98),
    (17, 80),
    (127, 102),
    (25, 52),
    (239, 106),
    (17, 48),
    (137, 110),
    (215, 112),
    (29, 114),
    (15, 58),
    (147, 118),
    (29, 60),
    (59, 122),
    (65, 124),
    (55, 84),
    (31, 64),
    (17, 66),
    (171, 204),
    (67, 140),
    (35, 72),
    (19, 74),
    (39, 76),
    (19, 78),
    (199, 240),
    (21, 82),
    (211, 252),
    (21, 86),
    (43, 88),
    (149, 60),
    (45, 92),
    (49, 846),
    (71, 48),
    (13, 28),
    (17, 80),
    (25, 102),
    (183, 104),
    (55, 954),
    (127, 96),
    (27, 110),
    (29, 112),
    (29, 114),
    (57, 116),
    (45, 354),
    (31, 120),
    (59, 610),
    (185, 124),
    (113, 420),
    (31, 64),
    (17, 66),
    (171, 136),
    (209, 420),
    (253, 216),
    (367, 444),
    (265, 456),
    (181, 468),
    (39, 80),
    (27, 164),
    (127, 504),
    (143, 172),
    (43, 88),
    (29, 300),
    (45, 92),
    (157, 188),
    (47, 96),
    (13, 28),
    (111, 240),
    (443, 204),
    (51, 104),
    (51, 212),
    (451, 192),
    (257, 220),
    (57, 336),
    (313, 228),
    (271, 232),
    (179, 236),
    (331, 120),
    (363, 244),
    (375, 248),
    (127, 168),
    (31, 64),
    (33, 130),
    (43, 264),
    (33, 134),
    (477, 408),
    (35, 138),
    (233, 280),
    (357, 142),
    (337, 480),
    (37, 146),
    (71, 444),
    (71, 120),
    (37, 152),
    (39, 462),
    (127, 234),
    (39, 158),
    (39, 80),
    (31, 96),
    (113, 902),
    (41, 166),
    (251, 336),
    (43, 170),
    (21, 86),
    (43, 174),
    (45, 176),
    (45, 178),
    (161, 120),
    (89, 182),
    (323, 184),
    (47, 186),
    (23, 94),
    (47, 190),
    (263, 480),
];

/// The block size of a row of [`QPP`]; TS 36.212 table 5.1.3-3: steps of 8, 16, 32 and 64 bits from 40, 512, 1024 and 2048.
const fn size_of_row(row: usize) -> usize {
    match row {
        0..=59 => 40 + 8 * row,
        60..=91 => 512 + 16 * (row - 59),
        92..=123 => 1024 + 32 * (row - 91),
        _ => 2048 + 64 * (row - 123),
    }
}

/// The sizes that a code block may have, ascending.
pub fn block_sizes() -> impl DoubleEndedIterator<Item = usize> {
    (0..QPP.len()).map(size_of_row)
}

/// The internal interleaver for one block size.
#[derive(Clone, Debug)]
pub struct Interleaver {
    /// Bit `i` after the interleaver is bit `order[i]` before it.
    order: Vec<u16>,
}

impl Interleaver {
    /// For blocks of `size` bits; `None` where no code block has this size.
    pub fn new(size: usize) -> Option<Interleaver> {
        let row = (0..QPP.len()).find(|&row| size_of_row(row) == size)?;
        let (f_1, f_2) = (usize::from(QPP[row].0), usize::from(QPP[row].1));
        // Below 6144 * (480 * 6144 + 511), which 64 bits hold.
        Some(Interleaver { order: (0..size).map(|i| ((f_1 + f_2 * i) * i % size) as u16).collect() })
    }

    /// Bits of a block.
    pub fn size(&self) -> usize {
        self.order.len()
    }
}

/// One constituent encoder: feedback 1 + D^2 + D^3, parity 1 + D + D^3. The state's lowest bit is the newest.
#[derive(Default)]
struct Constituent(u8);

impl Constituent {
    fn parity(&mut self, bit: u8) -> u8 {
        let fed = bit ^ self.feedback();
        let parity = fed ^ self.0 & 1 ^ self.0 >> 2 & 1;
        self.0 = (self.0 << 1 | fed) & 7;
        parity
    }

    /// The bit that brings a zero into the register.
    fn feedback(&self) -> u8 {
        (self.0 >> 1 ^ self.0 >> 2) & 1
    }
}

/// Encodes `bits`; `coded` takes d^(0), then d^(1), then d^(2), each [`TAIL_BITS`] longer than `bits`.
///
/// Filler bits are zeros here, and their places are left out by the rate matching.
///
/// # Panics
/// Where the lengths do not match the interleaver's.
pub fn encode(interleaver: &Interleaver, bits: &[u8], coded: &mut [u8]) {
    let size = interleaver.size();
    assert_eq!(bits.len(), size, "as many bits as the interleaver takes");
    assert_eq!(coded.len(), 3 * (size + TAIL_BITS), "three streams with their tails");
    let (d0, rest) = coded.split_at_mut(size + TAIL_BITS);
    let (d1, d2) = rest.split_at_mut(size + TAIL_BITS);
    let (mut first, mut second) = (Constituent::default(), Constituent::default());
    for k in 0..size {
        d0[k] = bits[k];
        d1[k] = first.parity(bits[k]);
        d2[k] = second.parity(bits[usize::from(interleaver.order[k])]);
    }
    // x_K z_K x_K+1 z_K+1 x_K+2 z_K+2 of each encoder, dealt out to the three streams in turn; clause 5.1.3.2.2.
    for (half, encoder) in [&mut first, &mut second].into_iter().enumerate() {
        let mut tail = [0; 6];
        for pair in tail.chunks_exact_mut(2) {
            pair[0] = encoder.feedback();
            pair[1] = encoder.parity(pair[0]);
        }
        for (i, &bit) in tail.iter().enumerate() {
            [&mut *d0, &mut *d1, &mut *d2][i % 3][size + 2 * half + i / 3] = bit;
        }
    }
}

/// The branch metric into state `n` from the state `n / 2` is `SYSTEMATIC[n] * x + PARITY[n] * z`, and its negative from `n / 2 + 4`;
/// `x` and `z` are half the log-likelihood ratios.
const SYSTEMATIC: [f32; STATES] = [1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0];
const PARITY: [f32; STATES] = [1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0];

/// A decoder with scratch for blocks of a bounded size.
#[derive(Clone, Debug)]
pub struct Turbo {
    /// Forward metrics before each step.
    alphas: Vec<[f32; STATES]>,
    /// What the constituent decoder is told of its systematic bits, channel and a priori.
    told: Vec<f32>,
    /// What it says of them beyond that, scaled.
    extrinsic: Vec<f32>,
    /// The other one's word, in the natural order.
    a_priori: Vec<f32>,
}

impl Turbo {
    /// A decoder for blocks of up to `max_size` bits.
    pub fn new(max_size: usize) -> Turbo {
        Turbo {
            alphas: vec![[0.0; STATES]; max_size],
            told: vec![0.0; max_size],
            extrinsic: vec![0.0; max_size],
            a_priori: vec![0.0; max_size],
        }
    }

    /// Decodes until `accept` takes the hard decisions or `max_iterations` are done; returns whether they were taken.
    ///
    /// `soft` holds the log-likelihood ratios (positive: zero) of d^(0), then d^(1), then d^(2), tails included. `accept` is asked after
    /// each half iteration.
    ///
    /// # Panics
    /// Where the lengths do not match the interleaver's or exceed what the decoder was made for.
    pub fn decode(
        &mut self,
        interleaver: &Interleaver,
        soft: &[f32],
        bits: &mut [u8],
        max_iterations: usize,
        mut accept: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        let size = interleaver.size();
        assert_eq!(bits.len(), size, "as many bits as the interleaver takes");
        assert_eq!(soft.len(), 3 * (size + TAIL_BITS), "three streams with their tails");
        let (d0, rest) = soft.split_at(size + TAIL_BITS);
        let (d1, d2) = rest.split_at(size + TAIL_BITS);
        let tail = |half: usize| -> [(f32, f32); 3] {
            let bit = |i: usize| [d0, d1, d2][i % 3][size + 2 * half + i / 3];
            std::array::from_fn(|step| (bit(2 * step), bit(2 * step + 1)))
        };
        let ends = [end_metrics(&tail(0)), end_metrics(&tail(1))];
        let Turbo { alphas, told, extrinsic, a_priori } = self;
        let (alphas, told) = (&mut alphas[..size], &mut told[..size]);
        let (extrinsic, a_priori) = (&mut extrinsic[..size], &mut a_priori[..size]);
        a_priori.fill(0.0);
        for _ in 0..max_iterations {
            for k in 0..size {
                told[k] = d0[k] + a_priori[k];
            }
            constituent(alphas, told, &d1[..size], &ends[0], extrinsic);
            for k in 0..size {
                bits[k] = u8::from(told[k] + extrinsic[k] / EXTRINSIC_SCALE < 0.0);
            }
            if accept(bits) {
                return true;
            }
            for (told, &from) in told.iter_mut().zip(&interleaver.order) {
                *told = d0[usize::from(from)] + extrinsic[usize::from(from)];
            }
            constituent(alphas, told, &d2[..size], &ends[1], extrinsic);
            for ((&told, &extrinsic), &to) in told.iter().zip(&*extrinsic).zip(&interleaver.order) {
                a_priori[usize::from(to)] = extrinsic;
                bits[usize::from(to)] = u8::from(told + extrinsic / EXTRINSIC_SCALE < 0.0);
            }
            if accept(bits) {
                return true;
            }
        }
        false
    }
}

/// Backward metrics where the tail begins: three steps that end in state zero.
fn end_metrics(tail: &[(f32, f32); 3]) -> [f32; STATES] {
    let mut beta = [IMPOSSIBLE; STATES];
    beta[0] = 0.0;
    for &(x, z) in tail.iter().rev() {
        beta = backward(&beta, &branches(0.5 * x, 0.5 * z));
    }
    beta
}

#[inline]
fn branches(x: f32, z: f32) -> [f32; STATES] {
    std::array::from_fn(|n| SYSTEMATIC[n] * x + PARITY[n] * z)
}

#[inline]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Backward metrics of the states before a step from those after it.
#[inline]
fn backward(beta: &[f32; STATES], branch: &[f32; STATES]) -> [f32; STATES] {
    std::array::from_fn(|s| {
        let even = 2 * (s % 4);
        let sign = if s < 4 { 1.0 } else { -1.0 };
        larger(beta[even] + sign * branch[even], beta[even + 1] + sign * branch[even + 1])
    })
}

/// One constituent decoder: what the code says of each systematic bit beyond what it was told, scaled.
fn constituent(alphas: &mut [[f32; STATES]], told: &[f32], parity: &[f32], end: &[f32; STATES], extrinsic: &mut [f32]) {
    let mut alpha = [IMPOSSIBLE; STATES];
    alpha[0] = 0.0;
    for ((store, &x), &z) in alphas.iter_mut().zip(told).zip(parity) {
        *store = alpha;
        let branch = branches(0.5 * x, 0.5 * z);
        let next: [f32; STATES] =
            std::array::from_fn(|n| larger(alpha[n / 2] + branch[n], alpha[n / 2 + 4] - branch[n]));
        // Only differences count, and single precision has no room for sums that grow.
        alpha = next.map(|metric| metric - next[0]);
    }
    let mut beta = *end;
    let steps = alphas.iter().zip(told).zip(parity).zip(extrinsic).rev();
    for (((alpha, &x), &z), extrinsic) in steps {
        let branch = branches(0.5 * x, 0.5 * z);
        // The branches into `n` carry opposite bits; a positive sign of the systematic bit is a zero.
        let (mut zero, mut one) = (IMPOSSIBLE, IMPOSSIBLE);
        for n in 0..STATES {
            let lower = alpha[n / 2] + branch[n] + beta[n];
            let upper = alpha[n / 2 + 4] - branch[n] + beta[n];
            let (for_zero, for_one) = if SYSTEMATIC[n] > 0.0 { (lower, upper) } else { (upper, lower) };
            zero = larger(zero, for_zero);
            one = larger(one, for_one);
        }
        *extrinsic = EXTRINSIC_SCALE * (zero - one - x);
        let next = backward(&beta, &branch);
        beta = next.map(|metric| metric - next[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_makes_a_permutation() {
        for size in block_sizes() {
            let mut order = Interleaver::new(size).unwrap().order;
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(i, &place)| i == usize::from(place)), "{size}");
        }
        assert_eq!(block_sizes().last(), Some(6144));
        assert_eq!(block_sizes().count(), 188);
        assert!(Interleaver::new(41).is_none());
    }

    /// The branch signs follow from the encoder.
    #[test]
    fn branch_signs_are_those_of_the_encoder() {
        for (state, bit) in (0..STATES as u8).flat_map(|state| [(state, 0), (state, 1)]) {
            let mut encoder = Constituent(state);
            let parity = encoder.parity(bit);
            let n = usize::from(encoder.0);
            let sign = if state < 4 { 1.0 } else { -1.0 };
            assert_eq!(sign * SYSTEMATIC[n], 1.0 - 2.0 * f32::from(bit), "{state} {bit}");
            assert_eq!(sign * PARITY[n], 1.0 - 2.0 * f32::from(parity), "{state} {bit}");
        }
    }

    #[test]
    fn unusable_soft_bits_give_some_block_and_no_panic() {
        let interleaver = Interleaver::new(40).unwrap();
        let mut turbo = Turbo::new(40);
        let mut bits = [0; 40];
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::MAX] {
            turbo.decode(&interleaver, &[value; 132], &mut bits, 8, |_| false);
            assert!(bits.iter().all(|&bit| bit <= 1));
        }
    }
}
