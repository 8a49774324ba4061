//! Frequency lists: which ARFCNs a cell uses, or tells phones to measure.
//!
//! All formats of TS 44.018 clause 10.5.2.1b: bit map 0, the ranges 1024, 512, 256 and 128, and the variable bit map. The ranges pack
//! a set as the walk through a binary tree (annex J); `range_values` undoes that for any of them, and for the scrambling codes of
//! clause 9.1.54, which are packed in the same way.
//!
//! Output is a set: ascending, each number once, in 0..=1023. The independent decoder in `tests/data/gsm-si` agrees.

use crate::l3::DecodeError;
use crate::l3::bits::BitReader;
use std::collections::BTreeSet;

/// Octets of a cell channel description or neighbour cell description without its element identifier.
pub const LIST_OCTETS: usize = 16;

/// Which element a list stands in: they lay their own flags over different bits of the first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Cell channel description (SI1); clause 10.5.2.1b.
    CellChannel,
    /// Neighbour cell description (SI2, SI2bis), with EXT-IND and BA-IND in bits 6 and 5; clause 10.5.2.22.
    Neighbour,
    /// Neighbour cell description 2 (SI2ter), with the multiband reporting code in bits 7 and 6, BA-IND in bit 5; clause 10.5.2.22a.
    Neighbour2,
}

/// The ARFCNs of a list, ascending.
///
/// # Errors
/// [`DecodeError::Reserved`] where the FORMAT-ID is none that the element has.
pub fn decode(octets: &[u8; LIST_OCTETS], element: Element) -> Result<Vec<u16>, DecodeError> {
    // FORMAT-ID in bits 8 7 . . 4 3 2; bit 7 is not part of it in the neighbour cell description 2 (table 10.5.2.22a.1).
    let first = octets[0];
    let upper = if element == Element::Neighbour2 { first & 0x80 } else { first & 0xc0 };
    let mut bits = BitReader::new(octets);
    let set = match (upper, first >> 1 & 7) {
        (0x00, _) => bit_map_0(octets),
        (0x80, 0b000..=0b011) => {
            bits.skip(5, "FORMAT-ID")?;
            range_1024(&mut bits)?
        }
        (0x80, format) => {
            bits.skip(7, "FORMAT-ID")?;
            let origin = bits.take(10, "ORIG-ARFCN")? as u16;
            let offsets = match format {
                0b100 => range(&mut bits, 9)?,
                0b101 => range(&mut bits, 8)?,
                0b110 => range(&mut bits, 7)?,
                _ => variable_bit_map(&mut bits)?,
            };
            offsets.into_iter().chain([0]).map(|offset| (origin + offset) % 1024).collect()
        }
        _ => return Err(DecodeError::Reserved { field: "FORMAT-ID", value: u32::from(first) }),
    };
    Ok(set.into_iter().collect())
}

/// ARFCNs 1 to 124, the highest first, in the last 124 bits; clause 10.5.2.1b.2 (figure 10.5.2.13.2).
fn bit_map_0(octets: &[u8; LIST_OCTETS]) -> BTreeSet<u16> {
    let number = u128::from_be_bytes(*octets);
    (1..=124).filter(|arfcn| number >> (arfcn - 1) & 1 == 1).collect()
}

/// `F0`, then `W(1)` of ten bits and its followers; clause 10.5.2.13.3.
fn range_1024(bits: &mut BitReader) -> Result<BTreeSet<u16>, DecodeError> {
    let zero = bits.flag("F0")?;
    let set = range(bits, 10)?;
    Ok(set.into_iter().chain(zero.then_some(0)).collect())
}

/// RRFCN 1 to 111 as bits; clause 10.5.2.13.7.
fn variable_bit_map(bits: &mut BitReader) -> Result<BTreeSet<u16>, DecodeError> {
    let mut set = BTreeSet::new();
    for offset in 1..=bits.left() as u16 {
        if bits.flag("RRFCN")? {
            set.insert(offset);
        }
    }
    Ok(set)
}

/// As many `W(i)` as fit, `W(1)` having `width` bits; clauses 10.5.2.13.3 to 10.5.2.13.6.
fn range(bits: &mut BitReader, width: usize) -> Result<BTreeSet<u16>, DecodeError> {
    range_values(bits, width, usize::MAX)
}

/// The set that up to `count` numbers `W(i)` describe; TS 44.018 annex J.
///
/// `W(1)` has `width` bits, `W(2)` and `W(3)` one bit less, the next four another one less. The first `W(i)` of zero ends the list, and
/// so do bits that are too few for the next. Values are in `1..2^width`, but `W(1)` of zero gives none.
///
/// # Errors
/// None that can happen: what is read was seen to be there. The signature is the reader's.
pub(super) fn range_values(bits: &mut BitReader, width: usize, count: usize) -> Result<BTreeSet<u16>, DecodeError> {
    // w[0] is not used, so that indices are the standard's.
    let mut w = vec![0u32];
    let mut set = BTreeSet::new();
    while w.len() <= count {
        let index = w.len();
        let Some(size) = width.checked_sub(index.ilog2() as usize).filter(|&size| size > 0 && size <= bits.left())
        else {
            break;
        };
        match bits.take(size, "W(i)")? {
            0 => break,
            value => w.push(value),
        }
        set.insert(value_of(&w, index, width) as u16);
    }
    Ok(set)
}

/// The frequency that stands behind `W(index)`: the walk from its node of the tree up to the root.
///
/// A node at depth `d` counts modulo `2^(width - d) - 1`. It lies to the left of its parent where its index less half of `2^d` is the
/// parent's, to the right where its index less `2^d` is; left means half a circle away from the parent's number.
fn value_of(w: &[u32], index: usize, width: usize) -> u32 {
    let (mut index, mut value) = (index, w[index]);
    while index > 1 {
        let depth = index.ilog2();
        let generation = 1 << depth;
        let half = 1 << (width as u32 - depth);
        let circle = 2 * half - 1;
        let left = 2 * index < 3 * generation;
        index -= if left { generation / 2 } else { generation };
        let sum = value + w[index] + if left { circle - half } else { 0 };
        // "smod": a remainder in 1..=circle.
        value = 1 + (sum + circle - 1) % circle;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formulas written out in TS 44.018 clause 10.5.2.13.3 for the first seven frequencies of range 1024.
    #[test]
    fn the_walk_gives_the_formulas_of_the_standard() {
        let smod = |a: i64, n: i64| if a.rem_euclid(n) == 0 { n } else { a.rem_euclid(n) };
        let w: [i64; 8] = [0, 700, 301, 499, 17, 254, 255, 1];
        let expected = [
            w[1],
            smod(w[1] - 512 + w[2], 1023),
            smod(w[1] + w[3], 1023),
            smod(w[1] - 512 + smod(w[2] - 256 + w[4], 511), 1023),
            smod(w[1] + smod(w[3] - 256 + w[5], 511), 1023),
            smod(w[1] - 512 + smod(w[2] + w[6], 511), 1023),
            smod(w[1] + smod(w[3] + w[7], 511), 1023),
        ];
        let words = w.map(|value| value as u32);
        for (i, &frequency) in expected.iter().enumerate() {
            assert_eq!(i64::from(value_of(&words, i + 1, 10)), frequency, "F{}", i + 1);
        }
    }

    #[test]
    fn reserved_formats_are_an_error_that_names_them() {
        let mut octets = [0; LIST_OCTETS];
        octets[0] = 0x40;
        let error = DecodeError::Reserved { field: "FORMAT-ID", value: 0x40 };
        assert_eq!(decode(&octets, Element::CellChannel), Err(error));
        assert_eq!(decode(&octets, Element::Neighbour), Err(error));
        assert_eq!(decode(&octets, Element::Neighbour2), Ok(vec![]));
    }

    #[test]
    fn bit_map_0_ends_in_arfcn_1_and_begins_with_124() {
        let mut octets = [0; LIST_OCTETS];
        octets[0] = 0x08;
        octets[15] = 0x81;
        assert_eq!(decode(&octets, Element::CellChannel), Ok(vec![1, 8, 124]));
        // EXT-IND and BA-IND are no frequencies.
        octets[0] = 0x38;
        assert_eq!(decode(&octets, Element::Neighbour), Ok(vec![1, 8, 124]));
    }
}
