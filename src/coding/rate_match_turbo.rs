//! Rate matching of the turbo code and its inverse, with redundancy versions.
//!
//! The circular buffer is taken whole (N_cb = K_w): the soft buffer that TS 36.306 table 4.1-1 gives the least terminal
//! (N_soft = 250,368, at least 31,296 for each of its processes) is more than the 19,000 bits of the largest code block.
//!
//! ## References
//! - 3GPP TS 36.212 Release 17: clause 5.1.4.1

use super::rate_match::COLUMNS;

/// Inter-column permutation, the bit-reversed column numbers; TS 36.212 table 5.1.4-1.
const fn permutation(column: usize) -> usize {
    (column as u8).reverse_bits() as usize >> 3
}

/// The way of each coded bit of one code block into the circular buffer.
#[derive(Clone, Debug)]
pub struct TurboRateMatch {
    /// The circular buffer without its dummy and filler bits: places in d^(0), d^(1), d^(2) written one after the other.
    order: Vec<u16>,
    /// Where in `order` each redundancy version begins.
    starts: [usize; 4],
}

impl TurboRateMatch {
    /// For a code block of `size` bits (K) of which the first `filler` (F) are not sent.
    ///
    /// # Panics
    /// Where `size` is above 6144, the largest code block of TS 36.212 clause 5.1.2, or there is more filler than block.
    pub fn new(size: usize, filler: usize) -> TurboRateMatch {
        assert!(size <= 6144 && filler <= size, "a code block of at most 6144 bits");
        let length = size + 4;
        let rows = length.div_ceil(COLUMNS);
        let total = rows * COLUMNS;
        let dummies = total - length;
        // v^(stream)_k as a place in the three streams; nothing for dummies and filler.
        let place = |stream: usize, k: usize| {
            let (column, row) = (permutation(k / rows), k % rows);
            let y = if stream == 2 { (column + COLUMNS * row + 1) % total } else { column + COLUMNS * row };
            let bit = y.checked_sub(dummies)?;
            (stream == 2 || bit >= filler).then_some((stream * length + bit) as u16)
        };
        // N_cb / (8 R) with N_cb = K_w = 3 * 32 * R is 12.
        let begins = |version: usize| rows * (2 * 12 * version + 2);
        let mut order = Vec::with_capacity(3 * length);
        let mut starts = [0; 4];
        for k in 0..3 * total {
            for (version, start) in starts.iter_mut().enumerate() {
                if k == begins(version) {
                    *start = order.len();
                }
            }
            let bit = match k.checked_sub(total) {
                None => place(0, k),
                Some(k) => place(1 + k % 2, k / 2),
            };
            order.extend(bit);
        }
        TurboRateMatch { order, starts }
    }

    /// Places of the sent bits of redundancy version `version` (its two low bits count), without end.
    fn places(&self, version: u8) -> impl Iterator<Item = usize> + '_ {
        let start = self.starts[usize::from(version & 3)];
        self.order.iter().cycle().skip(start).map(|&place| usize::from(place))
    }

    /// Selects bits of the circular buffer for each place of `out`.
    ///
    /// # Panics
    /// Where `coded` is shorter than three streams.
    pub fn select(&self, coded: &[u8], version: u8, out: &mut [u8]) {
        for (out, place) in out.iter_mut().zip(self.places(version)) {
            *out = coded[place];
        }
    }

    /// Adds the soft bits of a received block, first bit first, to those of the coded bits that they repeat.
    ///
    /// # Panics
    /// Where `coded` is shorter than three streams.
    pub fn combine(&self, received: &[f32], version: u8, coded: &mut [f32]) {
        for (soft, place) in received.iter().zip(self.places(version)) {
            coded[place] += soft;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_that_is_sent_comes_once_in_each_turn_of_the_buffer() {
        for (size, filler) in [(40, 0), (40, 16), (232, 0), (256, 8), (1056, 0), (6144, 0)] {
            let matcher = TurboRateMatch::new(size, filler);
            let mut order = matcher.order.clone();
            order.sort_unstable();
            let length = size + 4;
            let sent = (0..3 * length).filter(|i| i / length == 2 || i % length >= filler);
            assert_eq!(order, sent.map(|i| i as u16).collect::<Vec<_>>(), "{size} {filler}");
        }
    }

    #[test]
    fn four_redundancy_versions_begin_a_quarter_of_the_buffer_apart() {
        let matcher = TurboRateMatch::new(1056, 0);
        let distances: Vec<usize> = matcher.starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(distances.iter().all(|&distance| (distance as i64 - 3 * 1060 / 4).abs() < 32), "{distances:?}");
    }
}
