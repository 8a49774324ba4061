//! Parity of cyclic codes over bits in the order of transmission.
//!
//! Bit at a time: the longest word it sees today has 224 bits, which is little work beside the Viterbi decoder before it.

/// A systematic cyclic code: its generator polynomial and whether its parity bits are inverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CyclicCode {
    /// The generator without its leading term; bit `i` is the coefficient of `D^i`.
    generator: u64,
    /// Degree of the generator, the number of parity bits.
    degree: u32,
    /// The remainder of a whole word is all ones instead of zero.
    inverted: bool,
}

/// gCRC24A, of transport blocks; TS 36.212 clause 5.1.1.
pub const CRC24A: CyclicCode = CyclicCode::new(24, &[23, 18, 17, 14, 11, 10, 7, 6, 5, 4, 3, 1, 0], false);
/// gCRC24B, of code blocks where a transport block was cut up; TS 36.212 clause 5.1.1.
pub const CRC24B: CyclicCode = CyclicCode::new(24, &[23, 6, 5, 1, 0], false);
/// gCRC24C, of NR's MIB and downlink control information; TS 38.212 clause 5.1.
pub const CRC24C: CyclicCode = CyclicCode::new(24, &[23, 21, 20, 17, 15, 13, 12, 8, 4, 2, 1, 0], false);
/// gCRC16, of the MIB and of downlink control information; TS 36.212 clause 5.1.1.
pub const CRC16: CyclicCode = CyclicCode::new(16, &[12, 5, 0], false);
/// gCRC8; TS 36.212 clause 5.1.1.
pub const CRC8: CyclicCode = CyclicCode::new(8, &[7, 4, 3, 1, 0], false);

impl CyclicCode {
    /// A code from the exponents below the generator's degree whose coefficients are one.
    ///
    /// `inverted`: the standard asks for a remainder of all ones, so the parity bits are the inverted remainder.
    ///
    /// # Panics
    /// Where the degree is not in 1..=63 or an exponent is not below it; in a constant that is a compile error.
    pub const fn new(degree: u32, exponents: &[u32], inverted: bool) -> CyclicCode {
        assert!(degree >= 1 && degree <= 63, "a degree in 1..=63");
        let mut generator = 0;
        let mut i = 0;
        while i < exponents.len() {
            assert!(exponents[i] < degree, "exponents lie below the degree");
            generator |= 1 << exponents[i];
            i += 1;
        }
        CyclicCode { generator, degree, inverted }
    }

    /// Number of parity bits.
    pub const fn degree(&self) -> usize {
        self.degree as usize
    }

    /// The remainder of `bits(D) * D^degree`, the first bit being the highest power.
    fn remainder(&self, bits: &[u8]) -> u64 {
        let top = 1 << (self.degree - 1);
        let register = bits.iter().fold(0u64, |register, &bit| {
            let feedback = (register & top != 0) != (bit != 0);
            (register << 1) ^ if feedback { self.generator } else { 0 }
        });
        register & self.mask()
    }

    fn mask(&self) -> u64 {
        (1 << self.degree) - 1
    }

    /// The parity bits of `bits`, the first to be sent in the highest of the `degree` low bits.
    pub fn parity(&self, bits: &[u8]) -> u64 {
        let remainder = self.remainder(bits);
        if self.inverted { !remainder & self.mask() } else { remainder }
    }

    /// Writes the parity bits of `word[..word.len() - degree]` into the last `degree` places.
    ///
    /// # Panics
    /// Where `word` is shorter than the parity.
    pub fn append(&self, word: &mut [u8]) {
        let (bits, parity) = word.split_at_mut(word.len() - self.degree());
        let value = self.parity(bits);
        for (i, bit) in parity.iter_mut().rev().enumerate() {
            *bit = (value >> i & 1) as u8;
        }
    }

    /// The word, information then parity, is one of the code. `false` for words shorter than the parity.
    pub fn check(&self, word: &[u8]) -> bool {
        let Some(length) = word.len().checked_sub(self.degree()) else { return false };
        let (bits, parity) = word.split_at(length);
        let received = parity.iter().fold(0u64, |value, &bit| value << 1 | u64::from(bit));
        self.parity(bits) == received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check words over "123456789" of the public catalogue of CRC parameters.
    #[test]
    fn published_check_words_are_met() {
        let bits: Vec<u8> = b"123456789".iter().flat_map(|octet| (0..8).rev().map(move |i| octet >> i & 1)).collect();
        // CRC-16/XMODEM: poly 0x1021, init 0, check 0x31c3.
        assert_eq!(CyclicCode::new(16, &[12, 5, 0], false).parity(&bits), 0x31c3);
        // CRC-16/GSM: the same with inverted output, check 0xce3c.
        assert_eq!(CyclicCode::new(16, &[12, 5, 0], true).parity(&bits), 0xce3c);
        // CRC-24/LTE-A and LTE-B: polys 0x864cfb and 0x800063, checks 0xcde703 and 0x23ef52. CRC-8/LTE: poly 0x9b, check 0xea.
        assert_eq!(CRC24A.parity(&bits), 0xcd_e703);
        assert_eq!(CRC24B.parity(&bits), 0x23_ef52);
        assert_eq!(CRC16.parity(&bits), 0x31c3);
        assert_eq!(CRC8.parity(&bits), 0xea);
        // CRC-40/GSM: poly 0x0004820009, inverted output, check 0xd4164fc646.
        assert_eq!(CyclicCode::new(40, &[26, 23, 17, 3, 0], true).parity(&bits), 0x00d4_164f_c646);
    }

    #[test]
    fn a_single_wrong_bit_is_noticed_wherever_it_is() {
        let code = CyclicCode::new(10, &[8, 6, 5, 4, 2, 0], true);
        let mut word: Vec<u8> = (0..35).map(|i| u8::from(i % 3 == 0)).collect();
        code.append(&mut word);
        assert!(code.check(&word));
        for i in 0..word.len() {
            word[i] ^= 1;
            assert!(!code.check(&word), "bit {i}");
            word[i] ^= 1;
        }
    }

    #[test]
    fn a_word_shorter_than_its_parity_is_no_word() {
        assert!(!CyclicCode::new(10, &[0], false).check(&[0; 9]));
    }
}
