//! Synchronisation signals; TS 36.211 clause 6.11.

use num_complex::Complex32;
use std::f64::consts::PI;

/// Subcarriers of a synchronisation signal, DC not counted.
pub const LENGTH: usize = 62;

/// Root indices by `N_ID^(2)`; TS 36.211 table 6.11.1.1-1.
const ROOTS: [u32; 3] = [25, 29, 34];

/// `d_u(n)`, the PSS of `n_id_2` (0..=2) in the frequency domain; TS 36.211 clause 6.11.1.1.
///
/// 62 values of unit magnitude, DC not included.
pub fn pss(n_id_2: usize) -> [Complex32; LENGTH] {
    std::array::from_fn(|n| {
        let n = n as u64;
        let product = if n < 31 { n * (n + 1) } else { (n + 1) * (n + 2) };
        // The phase repeats after 126 steps of pi/63.
        let steps = u64::from(ROOTS[n_id_2]) * product % 126;
        let (im, re) = (-PI * steps as f64 / 63.0).sin_cos();
        Complex32::new(re as f32, im as f32)
    })
}

/// A binary sequence of length 31 as +1 and -1 from the taps of its recursion; TS 36.211 clause 6.11.2.1.
fn maximal(taps: &[usize]) -> [f32; 31] {
    let mut x = [0u8; 31];
    x[4] = 1;
    for i in 0..26 {
        x[i + 5] = taps.iter().fold(0, |sum, &tap| sum ^ x[i + tap]);
    }
    x.map(|bit| 1.0 - 2.0 * f32::from(bit))
}

/// `m_0` and `m_1` of `n_id_1` (0..=167); TS 36.211 clause 6.11.2.1, table 6.11.2.1-1.
fn indices(n_id_1: usize) -> (usize, usize) {
    let q_prime = n_id_1 / 30;
    let q = (n_id_1 + q_prime * (q_prime + 1) / 2) / 30;
    let m_prime = n_id_1 + q * (q + 1) / 2;
    let m_0 = m_prime % 31;
    (m_0, (m_0 + m_prime / 31 + 1) % 31)
}

/// `d(n)`, the SSS of `n_id_1` (0..=167) and `n_id_2` (0..=2) in subframes 0 and 5, +1 and -1; TS 36.211 clause 6.11.2.1.
pub fn sss(n_id_1: usize, n_id_2: usize) -> [[f32; LENGTH]; 2] {
    let (s, c, z) = (maximal(&[2, 0]), maximal(&[3, 0]), maximal(&[4, 2, 1, 0]));
    let (m_0, m_1) = indices(n_id_1);
    let at = |sequence: &[f32; 31], n: usize| sequence[n % 31];
    [(m_0, m_1), (m_1, m_0)].map(|(first, second)| {
        std::array::from_fn(|i| {
            let n = i / 2;
            if i % 2 == 0 {
                at(&s, n + first) * at(&c, n + n_id_2)
            } else {
                at(&s, n + second) * at(&c, n + n_id_2 + 3) * at(&z, n + first % 8)
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indices_are_those_of_the_table() {
        // TS 36.211 table 6.11.2.1-1, first, last and the ends of its runs.
        for (n_id_1, expected) in
            [(0, (0, 1)), (29, (29, 30)), (30, (0, 2)), (58, (28, 30)), (59, (0, 3)), (86, (27, 30)), (167, (2, 9))]
        {
            assert_eq!(indices(n_id_1), expected, "N_ID^(1) {n_id_1}");
        }
    }

    #[test]
    fn primary_signals_hardly_resemble_each_other() {
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let product: Complex32 = pss(a).iter().zip(pss(b)).map(|(x, y)| x * y.conj()).sum();
            // Roots u and v of length 63 correlate to sqrt(63 gcd(u - v, 63)); the roots 25 and 34 share a factor of 9. The element at 0 Hz
            // is not sent, which changes the sum by at most one of 62.
            let theory = if (a, b) == (0, 2) { (63.0f32 * 9.0).sqrt() } else { 63f32.sqrt() };
            assert!((product.norm() / LENGTH as f32 - theory / 62.0).abs() < 1.0 / 62.0, "{a} {b}: {product}");
        }
    }
}
