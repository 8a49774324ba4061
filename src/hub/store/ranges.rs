//! A set of sequence numbers as ranges: as small as its holes are few.

use std::collections::BTreeMap;

/// Closed ranges that neither touch nor overlap, by their first number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Everything from 1 to `upto`.
    pub fn upto(upto: u64) -> Ranges {
        Ranges(if upto == 0 { BTreeMap::new() } else { BTreeMap::from([(1, upto)]) })
    }

    /// Adds one number; joins what it touches.
    pub fn insert(&mut self, seq: u64) {
        let before = self.0.range(..=seq).next_back().map(|(&first, &last)| (first, last));
        let (mut first, mut last) = (seq, seq);
        if let Some((start, end)) = before {
            if end >= seq {
                return;
            }
            if end + 1 == seq {
                first = start;
            }
        }
        if let Some(next) = seq.checked_add(1)
            && let Some(end) = self.0.remove(&next)
        {
            last = end;
        }
        self.0.insert(first, last);
    }

    /// The last number of the range that begins at 1 (0 where there is none), and at most `limit` ranges above it.
    pub fn summary(&self, limit: usize) -> (u64, Vec<(u64, u64)>) {
        let upto = self.0.get(&1).copied().unwrap_or(0);
        let beyond = self.0.iter().filter(|&(&first, _)| first > 1).take(limit).map(|(&first, &last)| (first, last));
        (upto, beyond.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_hold_what_a_set_of_numbers_holds(numbers in prop::collection::vec(1u64..60, 0..80)) {
            let mut ranges = Ranges::default();
            let set: BTreeSet<u64> = numbers.iter().copied().collect();
            numbers.iter().for_each(|&n| ranges.insert(n));
            let (upto, beyond) = ranges.summary(usize::MAX);
            let listed: BTreeSet<u64> = (1..=upto).chain(beyond.iter().flat_map(|&(a, b)| a..=b)).collect();
            prop_assert_eq!(&listed, &set);
            // No two ranges touch.
            let firsts: Vec<u64> = beyond.iter().map(|r| r.0).collect();
            let lasts: Vec<u64> = std::iter::once(upto).chain(beyond.iter().map(|r| r.1)).collect();
            prop_assert!(firsts.iter().zip(&lasts).all(|(first, last)| *first > last + 1));
        }
    }

    #[test]
    fn a_set_that_starts_at_one_is_a_watermark() {
        let mut ranges = Ranges::upto(4);
        ranges.insert(7);
        assert_eq!(ranges.summary(8), (4, vec![(7, 7)]));
        ranges.insert(6);
        ranges.insert(5);
        assert_eq!(ranges.summary(8), (7, vec![]));
    }
}
