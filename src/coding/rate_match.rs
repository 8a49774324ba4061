//! Rate matching of the tail-biting code and its inverse.
//!
//! ## References
//! - 3GPP TS 36.212 Release 17: clause 5.1.4.2

/// Columns of the sub-block interleaver; TS 36.212 clause 5.1.4.2.1.
pub(super) const COLUMNS: usize = 32;

/// Inter-column permutation; TS 36.212 table 5.1.4-2: the bit-reversed column numbers, odd ones first.
const PERMUTATION: [u8; COLUMNS] = {
    let mut columns = [0; COLUMNS];
    let mut i = 0;
    while i < COLUMNS {
        columns[i] = (i as u8).reverse_bits() >> 3 ^ 1;
        i += 1;
    }
    columns
};

/// The way of each coded bit into the circular buffer, for one length.
#[derive(Clone, Debug)]
pub struct RateMatch {
    /// The circular buffer without its dummy bits: places in d^(0), d^(1), d^(2) written one after the other.
    order: Vec<u16>,
}

impl RateMatch {
    /// For streams of `length` bits each.
    ///
    /// # Panics
    /// Where `length` is above 20,000: no block of this code is longer than about 100 bits.
    pub fn new(length: usize) -> RateMatch {
        assert!(length <= 20_000, "places fit 16 bits");
        let rows = length.div_ceil(COLUMNS);
        let dummies = rows * COLUMNS - length;
        let mut order = Vec::with_capacity(3 * length);
        for stream in 0..3 {
            for column in PERMUTATION {
                for row in 0..rows {
                    // Dummy bits come first in the matrix.
                    if let Some(bit) = (row * COLUMNS + usize::from(column)).checked_sub(dummies) {
                        order.push((stream * length + bit) as u16);
                    }
                }
            }
        }
        RateMatch { order }
    }

    /// Selects bits of the circular buffer for each place of `out`, repeating it as often as need be.
    ///
    /// # Panics
    /// Where `coded` is not as long as three streams.
    pub fn select(&self, coded: &[u8], out: &mut [u8]) {
        assert_eq!(coded.len(), self.order.len(), "three streams");
        for (out, &place) in out.iter_mut().zip(self.order.iter().cycle()) {
            *out = coded[usize::from(place)];
        }
    }

    /// Adds the soft bits of a received block, first bit first, to those of the coded bits that they repeat.
    ///
    /// # Panics
    /// Where `coded` is not as long as three streams.
    pub fn combine(&self, received: &[f32], coded: &mut [f32]) {
        assert_eq!(coded.len(), self.order.len(), "three streams");
        for (soft, &place) in received.iter().zip(self.order.iter().cycle()) {
            coded[usize::from(place)] += soft;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permutation_is_that_of_the_table() {
        let table = [
            1, 17, 9, 25, 5, 21, 13, 29, 3, 19, 11, 27, 7, 23, 15, 31, 0, 16, 8, 24, 4, 20, 12, 28, 2, 18, 10, 26, 6,
            22, 14, 30,
        ];
        assert_eq!(PERMUTATION, table);
    }

    #[test]
    fn every_coded_bit_comes_once_in_each_turn_of_the_buffer() {
        for length in [1, 31, 32, 33, 40, 59, 70] {
            let mut order = RateMatch::new(length).order;
            order.sort_unstable();
            assert_eq!(order, (0..3 * length as u16).collect::<Vec<_>>(), "{length}");
        }
    }

    #[test]
    fn repeats_add_up_and_what_was_not_sent_stays_unknown() {
        let matcher = RateMatch::new(40);
        let coded: Vec<u8> = (0..120).map(|i| u8::from(i % 7 < 3)).collect();
        let mut sent = vec![0; 300];
        matcher.select(&coded, &mut sent);
        let soft: Vec<f32> = sent.iter().map(|&bit| 1.0 - 2.0 * f32::from(bit)).collect();
        let mut whole = vec![0.0; 120];
        matcher.combine(&soft, &mut whole);
        assert!(whole.iter().zip(&coded).all(|(soft, &bit)| (*soft < 0.0) == (bit == 1)));
        assert_eq!(whole.iter().map(|soft| soft.abs()).sum::<f32>(), 300.0);
        let mut part = vec![0.0; 120];
        matcher.combine(&soft[..50], &mut part);
        assert_eq!(part.iter().filter(|&&soft| soft == 0.0).count(), 70);
    }
}
