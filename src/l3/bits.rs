//! Reading fields of any number of bits, most significant bit of the first octet first.

use super::DecodeError;

/// The padding octet against which the marks L and H of CSN.1 are read; TS 24.007 annex B, TS 44.006 clause 5.2.
pub const PADDING: u8 = 0x2b;

/// A place in some octets. Every read either succeeds whole or says what was missing.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    octets: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// At the first bit of `octets`.
    pub fn new(octets: &'a [u8]) -> BitReader<'a> {
        BitReader { octets, position: 0 }
    }

    /// Bits not yet read.
    pub fn left(&self) -> usize {
        8 * self.octets.len() - self.position
    }

    /// The next `count` bits as a number, first bit most significant; `count` is at most 32.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] naming `field`; the place does not move then.
    pub fn take(&mut self, count: usize, field: &'static str) -> Result<u32, DecodeError> {
        debug_assert!(count <= 32, "{field} is wider than a number");
        self.need(count, field)?;
        let value = (self.position..self.position + count).fold(0, |value, i| value << 1 | u32::from(self.bit(i)));
        self.position += count;
        Ok(value)
    }

    /// [`BitReader::take`] of at most 8 bits.
    ///
    /// # Errors
    /// As [`BitReader::take`].
    pub fn take_u8(&mut self, count: usize, field: &'static str) -> Result<u8, DecodeError> {
        debug_assert!(count <= 8, "{field} is wider than an octet");
        Ok(self.take(count, field)? as u8)
    }

    /// The next bit is one.
    ///
    /// # Errors
    /// As [`BitReader::take`].
    pub fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.take(1, field)? == 1)
    }

    /// The next bit is the mark H: it differs from the padding at its place. Past the end everything is L, as if the padding went on
    /// (TS 24.007 annex B).
    pub fn high(&mut self) -> bool {
        if self.left() == 0 {
            return false;
        }
        let padding = PADDING >> (7 - self.position % 8) & 1;
        let high = self.bit(self.position) != padding;
        self.position += 1;
        high
    }

    /// Passes over `count` bits.
    ///
    /// # Errors
    /// As [`BitReader::take`].
    pub fn skip(&mut self, count: usize, field: &'static str) -> Result<(), DecodeError> {
        self.need(count, field)?;
        self.position += count;
        Ok(())
    }

    fn need(&self, need: usize, field: &'static str) -> Result<(), DecodeError> {
        let have = self.left();
        if need <= have { Ok(()) } else { Err(DecodeError::Truncated { field, need, have }) }
    }

    fn bit(&self, i: usize) -> u8 {
        self.octets[i / 8] >> (7 - i % 8) & 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cross_octet_boundaries() {
        let mut bits = BitReader::new(&[0b1010_0101, 0b1100_0011]);
        assert_eq!(bits.take(3, "a"), Ok(0b101));
        assert_eq!(bits.take(9, "b"), Ok(0b0_0101_1100));
        assert_eq!(bits.left(), 4);
        assert_eq!(bits.take(5, "c"), Err(DecodeError::Truncated { field: "c", need: 5, have: 4 }));
        assert_eq!(bits.take(4, "d"), Ok(0b0011));
    }

    #[test]
    fn padding_is_low_and_its_inverse_high() {
        let mut low = BitReader::new(&[PADDING, PADDING]);
        assert!((0..20).all(|_| !low.high()));
        let inverted = [!PADDING];
        let mut high = BitReader::new(&inverted);
        assert!((0..8).all(|_| high.high()));
        assert!(!high.high());
    }
}
