//! Synchronisation signals and the reference signals of PBCH: the sequences.

use crate::coding::gold::Gold;
use num_complex::Complex32;
use std::f32::consts::FRAC_1_SQRT_2;

/// Values of a synchronisation signal; TS 38.211 clauses 7.4.2.2 and 7.4.2.3.
pub const LENGTH: usize = 127;
/// The first subcarrier of a block that carries them; TS 38.211 table 7.4.3.1-1.
pub const FIRST: usize = 56;
/// Physical cell identities; TS 38.211 clause 7.4.2.1.
pub const IDENTITIES: u16 = 1008;
/// Groups of three identities.
pub const GROUPS: u16 = IDENTITIES / 3;
/// Reference elements of PBCH in a block.
pub const REFERENCES: usize = 144;

/// `x(i + 7) = x(i + tap) + x(i)`, from the initial `x(6)` to `x(0)`.
const fn m_sequence(tap: usize, initial: [u8; 7]) -> [u8; LENGTH] {
    let mut x = [0; LENGTH];
    let mut i = 0;
    while i < LENGTH {
        x[i] = if i < 7 { initial[6 - i] } else { x[i - 7 + tap] ^ x[i - 7] };
        i += 1;
    }
    x
}

/// x of the PSS; TS 38.211 clause 7.4.2.2.1.
const PRIMARY: [u8; LENGTH] = m_sequence(4, [1, 1, 1, 0, 1, 1, 0]);
/// x_0 of the SSS; TS 38.211 clause 7.4.2.3.1.
const SECONDARY_0: [u8; LENGTH] = m_sequence(4, [0, 0, 0, 0, 0, 0, 1]);
/// x_1 of the SSS; TS 38.211 clause 7.4.2.3.1.
const SECONDARY_1: [u8; LENGTH] = m_sequence(1, [0, 0, 0, 0, 0, 0, 1]);

/// `d_PSS(n)` of `n_id_2`; TS 38.211 clause 7.4.2.2.1.
pub fn pss(n_id_2: u16) -> [f32; LENGTH] {
    let mut values = [0.0; LENGTH];
    for (n, value) in values.iter_mut().enumerate() {
        *value = 1.0 - 2.0 * f32::from(PRIMARY[(n + 43 * usize::from(n_id_2)) % LENGTH]);
    }
    values
}

/// `d_SSS(n)` of cell `pci`; TS 38.211 clause 7.4.2.3.1.
pub fn sss(pci: u16) -> [f32; LENGTH] {
    let (n_id_1, n_id_2) = (usize::from(pci / 3), usize::from(pci % 3));
    let (m_0, m_1) = (15 * (n_id_1 / 112) + 5 * n_id_2, n_id_1 % 112);
    let mut values = [0.0; LENGTH];
    for (n, value) in values.iter_mut().enumerate() {
        *value = 1.0 - 2.0 * f32::from(SECONDARY_0[(n + m_0) % LENGTH] ^ SECONDARY_1[(n + m_1) % LENGTH]);
    }
    values
}

/// `r(m)` of PBCH's reference signal for cell `pci`; TS 38.211 clause 7.4.1.4.1. `i_bar`: with four blocks a half frame the number of
/// the block and four times that of the half frame, else the low three bits of the block's number.
pub fn reference(pci: u16, i_bar: u8) -> [Complex32; REFERENCES] {
    let (pci, i) = (u32::from(pci), u32::from(i_bar) + 1);
    let c_init = ((i * (pci / 4 + 1)) << 11) + (i << 6) + pci % 4;
    let mut bits = [0u8; 2 * REFERENCES];
    Gold::new(c_init).fill(&mut bits);
    let mut values = [Complex32::default(); REFERENCES];
    values.iter_mut().zip(bits.chunks_exact(2)).for_each(|(value, pair)| *value = qpsk(pair[0], pair[1]));
    values
}

/// Two bits as one symbol; TS 38.211 clause 5.1.3.
pub fn qpsk(first: u8, second: u8) -> Complex32 {
    Complex32::new(1.0 - 2.0 * f32::from(first), 1.0 - 2.0 * f32::from(second)) * FRAC_1_SQRT_2
}
