//! Unaligned packed encoding rules, as far as RRC's broadcast messages need them.
//!
//! ## References
//! - ITU-T X.691 (02/2021): clauses 10.5 to 10.9 (numbers and lengths), 18 (sequences and their extensions), 22 (choices)

use crate::l3::DecodeError;
use crate::l3::bits::BitReader;

/// A place in an encoding.
#[derive(Clone, Debug)]
pub(super) struct Uper<'a> {
    bits: BitReader<'a>,
    total: usize,
}

impl<'a> Uper<'a> {
    /// At the beginning of `octets`.
    pub fn new(octets: &'a [u8]) -> Uper<'a> {
        Uper { bits: BitReader::new(octets), total: 8 * octets.len() }
    }

    /// Bits already read.
    pub fn position(&self) -> usize {
        self.total - self.bits.left()
    }

    /// BOOLEAN, a presence bit or an extension bit.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        self.bits.flag(field)
    }

    /// The presence bits at the head of a SEQUENCE.
    pub fn flags<const N: usize>(&mut self, field: &'static str) -> Result<[bool; N], DecodeError> {
        let mut flags = [false; N];
        for flag in &mut flags {
            *flag = self.bits.flag(field)?;
        }
        Ok(flags)
    }

    /// BIT STRING of at most 32 bits.
    pub fn bits(&mut self, count: usize, field: &'static str) -> Result<u32, DecodeError> {
        self.bits.take(count, field)
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, count: usize, field: &'static str) -> Result<(), DecodeError> {
        self.bits.skip(count, field)
    }

    /// INTEGER (low..high), the range being at most 32 bits wide and fitting `T`.
    pub fn int<T: TryFrom<i64>>(&mut self, low: i64, high: i64, field: &'static str) -> Result<T, DecodeError> {
        let range = (high - low) as u64;
        let value = self.bits.take((u64::BITS - range.leading_zeros()) as usize, field)?;
        let number = T::try_from(low + i64::from(value)).ok().filter(|_| u64::from(value) <= range);
        number.ok_or(DecodeError::Reserved { field, value })
    }

    /// ENUMERATED without extension mark: the entry of `values` that the number names.
    pub fn one_of<T: Copy>(&mut self, values: &[T], field: &'static str) -> Result<T, DecodeError> {
        let index: usize = self.int(0, values.len() as i64 - 1, field)?;
        Ok(values[index])
    }

    /// The value where its presence bit was set.
    pub fn optional<T>(
        &mut self,
        present: bool,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if present { read(self).map(Some) } else { Ok(None) }
    }

    /// SEQUENCE (SIZE (low..high)) OF; grows no faster than its items are read.
    pub fn list<T>(
        &mut self,
        low: i64,
        high: i64,
        field: &'static str,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count: usize = self.int(low, high, field)?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// A length without upper bound; fragments of 16384 and more do not occur in messages of at most 277 octets.
    fn length(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        if !self.bits.flag(field)? {
            return self.int(0, 127, field);
        }
        if !self.bits.flag(field)? {
            return self.int(0, 16_383, field);
        }
        Err(DecodeError::Reserved { field, value: 3 })
    }

    /// A normally small non-negative number: the index of an extension's alternative.
    pub fn small(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        if !self.bits.flag(field)? {
            return self.int(0, 63, field);
        }
        let octets = self.length(field)?;
        if octets > 2 {
            return Err(DecodeError::Reserved { field, value: octets as u32 });
        }
        Ok(self.bits.take(8 * octets, field)? as usize)
    }

    /// `count` octets from here on.
    pub fn octets(&mut self, count: usize, field: &'static str) -> Result<Vec<u8>, DecodeError> {
        let (need, have) = (8 * count, self.bits.left());
        if need > have {
            return Err(DecodeError::Truncated { field, need, have });
        }
        (0..count).map(|_| self.bits.take_u8(8, field)).collect()
    }

    /// OCTET STRING without bounds, or the octets of an open type.
    pub fn octet_string(&mut self, field: &'static str) -> Result<Vec<u8>, DecodeError> {
        let count = self.length(field)?;
        self.octets(count, field)
    }

    /// The extension additions of a SEQUENCE whose extension bit was set: `read` gets the index of each that is present and its octets.
    /// What it does not know it leaves alone.
    pub fn extensions(
        &mut self,
        field: &'static str,
        mut read: impl FnMut(usize, Uper<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = match self.bits.flag(field)? {
            false => self.int::<usize>(0, 63, field)? + 1,
            true => self.length(field)?,
        };
        let mut present = self.clone();
        self.skip(count, field)?;
        for index in 0..count {
            if present.flag(field)? {
                let octets = self.octet_string(field)?;
                // An addition that is malformed, or of a release unknown here, takes nothing of what is known with it.
                let _malformed = read(index, Uper::new(&octets)).is_err();
            }
        }
        Ok(())
    }

    /// Passes over the extension additions where `marked` says that there are any.
    pub fn skip_extensions(&mut self, marked: bool, field: &'static str) -> Result<(), DecodeError> {
        if marked { self.extensions(field, |_, _| Ok(())) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_as_many_bits_as_their_range_and_are_held_to_it() {
        let mut bits = Uper::new(&[0b1011_0011, 0b1000_0000]);
        assert_eq!(bits.int(-2, 5, "three bits"), Ok(3i8));
        assert_eq!(bits.int(7, 7, "no bits"), Ok(7u8));
        assert_eq!(bits.one_of(&['a', 'b', 'c', 'd', 'e'], "three bits"), Ok('e'));
        assert_eq!(bits.int::<u8>(0, 5, "three bits"), Err(DecodeError::Reserved { field: "three bits", value: 7 }));
    }

    #[test]
    fn additions_that_are_unknown_or_malformed_are_passed_over() {
        // Two additions (count less one: 0 000001), both present (1 1), each a length of one octet and an octet; then three ones.
        let text = "0000001 11 00000001 01010101 00000001 11110000 111 0000";
        let bits: Vec<u8> = text.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
        let octets: Vec<u8> = bits.chunks(8).map(|bits| bits.iter().fold(0, |octet, bit| octet << 1 | bit)).collect();
        let mut bits = Uper::new(&octets);
        let mut seen = Vec::new();
        let read = |index: usize, mut octets: Uper<'_>| {
            seen.push((index, octets.bits(8, "octet")?));
            octets.bits(1, "too much").map(drop)
        };
        assert_eq!(bits.extensions("additions", read), Ok(()));
        assert_eq!(seen, [(0, 0b0101_0101), (1, 0b1111_0000)]);
        assert_eq!(bits.bits(3, "rest"), Ok(7));
    }

    #[test]
    fn lengths_beyond_the_message_are_refused_without_memory() {
        let mut bits = Uper::new(&[0b1011_1111, 0xff, 0]);
        assert_eq!(
            bits.octet_string("segment"),
            Err(DecodeError::Truncated { field: "segment", need: 8 * 16_383, have: 8 })
        );
    }
}
