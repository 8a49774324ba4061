//! Whether a read continues the one before: the bookkeeping of time stamps, gaps and overflows.

use crate::units::Hz;

/// Whether the driver's time stamps count samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// They do: they are derived from the number of samples taken.
    Samples,
    /// There are none, or they follow the host's clock.
    None,
    /// Not known: believed once three in a row agreed with the number of samples, given up after eight that did not.
    Observe,
}

/// Why a stream cannot be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is the first.
    First,
    /// The driver said that samples were lost.
    Overflow,
    /// The time stamps jumped forward and nobody said anything.
    Jump,
    /// The time stamps went back: somebody set the device's clock.
    Back,
    /// The reader was too slow and samples were thrown away.
    Dropped,
    /// The device was tuned anew; what is missing was not to be trusted.
    Retuned,
}

/// A break before some sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// Why.
    pub cause: Cause,
    /// How many samples are missing, where that is known.
    pub missing: Option<u64>,
}

/// Stamps that must agree before they are believed, and disagree before they are given up.
const AGREE: u8 = 3;
const DISAGREE: u8 = 8;

/// Judges reads in their order. Exact to a sample where stamps count samples, at any rate below 500 Msps.
#[derive(Debug)]
pub struct Account {
    rate: f64,
    stamps: Stamps,
    agreed: u8,
    disagreed: u8,
    /// The last stamp that differed from the one before, and samples read since.
    stamp: Option<(i64, u64)>,
    /// What happened since the last read.
    pending: Option<Break>,
}

impl Account {
    /// For a stream that begins now, at the rate that the driver confirmed.
    pub fn new(rate: Hz, stamps: Stamps) -> Account {
        let pending = Some(Break { cause: Cause::First, missing: None });
        Account { rate: rate.0, stamps, agreed: 0, disagreed: 0, stamp: None, pending }
    }

    /// The driver reported a loss.
    pub fn overflow(&mut self) {
        match &mut self.pending {
            // Without stamps nobody knows any more how long the tuning took.
            Some(Break { cause: Cause::Retuned, missing }) if self.stamps != Stamps::Samples => *missing = None,
            Some(_) => {}
            none => *none = Some(Break { cause: Cause::Overflow, missing: None }),
        }
    }

    /// The device was tuned anew; what is read next may not be trusted at once, see [`Account::dropped`].
    pub fn retuned(&mut self) {
        self.pending = Some(match self.pending {
            None => Break { cause: Cause::Retuned, missing: Some(0) },
            Some(first @ Break { cause: Cause::First, .. }) => first,
            Some(Break { missing, .. }) => Break { cause: Cause::Retuned, missing },
        });
    }

    /// `samples` that were just read, with the break that [`Account::read`] found before them, were thrown away.
    pub fn dropped(&mut self, samples: u64, before: Option<Break>) {
        let (cause, missing) = match before {
            None => (Cause::Dropped, Some(samples)),
            Some(Break { cause: Cause::First, .. }) => (Cause::First, None),
            Some(Break { cause: Cause::Retuned, missing }) => {
                (Cause::Retuned, missing.map(|missing| missing + samples))
            }
            // A loss of unknown size does not get known by adding to it.
            Some(Break { missing, .. }) => (Cause::Dropped, missing.map(|missing| missing + samples)),
        };
        self.pending = Some(Break { cause, missing });
    }

    /// `samples` were read, the first of them stamped `time_ns`. A stamp that stayed the same tells nothing: drivers leave it
    /// alone when they hand out a buffer in pieces. Returns the break before the first sample, if there is one.
    pub fn read(&mut self, time_ns: i64, samples: usize) -> Option<Break> {
        let samples = samples as u64;
        let fresh = self.stamp.is_none_or(|(last, _)| last != time_ns);
        let missing = match self.stamp {
            Some((last, since)) if fresh => {
                let expected = i128::from(last) + (since as f64 / self.rate * 1e9).round() as i128;
                let ahead = (i128::from(time_ns) - expected) as f64 * 1e-9 * self.rate;
                Some(ahead.round() as i64)
            }
            _ => None,
        };
        match &mut self.stamp {
            Some((_, since)) if !fresh => *since += samples,
            stamp => *stamp = Some((time_ns, samples)),
        }
        if let (Stamps::Observe, Some(missing)) = (self.stamps, missing) {
            self.observe(missing == 0);
        }
        let pending = self.pending.take();
        let told = missing.filter(|_| self.stamps == Stamps::Samples);
        match (pending, told) {
            (Some(Break { cause: Cause::First, .. }), _) => pending,
            // Samples that were thrown away were read, so the stamps ran on over them.
            (Some(Break { cause: cause @ (Cause::Dropped | Cause::Retuned), missing: dropped }), told) => {
                let more = u64::try_from(told.unwrap_or(0)).ok();
                Some(Break { cause, missing: dropped.zip(more).map(|(dropped, more)| dropped + more) })
            }
            (Some(Break { cause, .. }), Some(told)) => Some(Break { cause, missing: u64::try_from(told).ok() }),
            (Some(pending), None) => Some(pending),
            (None, Some(told)) if told > 0 => Some(Break { cause: Cause::Jump, missing: Some(told.unsigned_abs()) }),
            (None, Some(told)) if told < 0 => Some(Break { cause: Cause::Back, missing: None }),
            (None, _) => None,
        }
    }

    fn observe(&mut self, agrees: bool) {
        if agrees {
            self.agreed += 1;
            if self.agreed == AGREE {
                self.stamps = Stamps::Samples;
            }
        } else {
            self.agreed = 0;
            self.disagreed += 1;
            if self.disagreed == DISAGREE {
                self.stamps = Stamps::None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stamp of a sample, as drivers compute it.
    fn at(start: i64, rate: f64, sample: u64) -> i64 {
        start + (sample as f64 / rate * 1e9) as i64
    }

    fn first(account: &mut Account, time_ns: i64, samples: usize) {
        assert_eq!(account.read(time_ns, samples), Some(Break { cause: Cause::First, missing: None }));
    }

    #[test]
    fn a_gap_is_known_to_the_sample_at_every_rate_and_epoch() {
        for rate in [250e3, 1_920_000.0, 2.4e6, 20e6, 1e6 / 3.0, 61.44e6] {
            for start in [0, 7, 1_795_268_400_123_456_789] {
                for hole in [1, 2, 363, 1_000_000] {
                    let mut account = Account::new(Hz(rate), Stamps::Samples);
                    first(&mut account, at(start, rate, 0), 1000);
                    let mut sample = 1000u64;
                    for n in [1000usize, 363, 65_536, 1] {
                        assert_eq!(account.read(at(start, rate, sample), n), None, "{rate} {start} {n}");
                        sample += n as u64;
                    }
                    let expected = Break { cause: Cause::Jump, missing: Some(hole) };
                    assert_eq!(
                        account.read(at(start, rate, sample + hole), 10),
                        Some(expected),
                        "{rate} {start} {hole}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_overflow_gets_its_size_from_the_stamps_and_none_without_them() {
        let mut account = Account::new(Hz(1e6), Stamps::Samples);
        first(&mut account, 0, 1000);
        account.overflow();
        let expected = Break { cause: Cause::Overflow, missing: Some(500) };
        assert_eq!(account.read(1_500_000, 1000), Some(expected));
        assert_eq!(account.read(2_500_000, 1000), None);
        let mut account = Account::new(Hz(1e6), Stamps::None);
        first(&mut account, 0, 1000);
        account.overflow();
        account.overflow();
        assert_eq!(account.read(0, 1000), Some(Break { cause: Cause::Overflow, missing: None }));
        assert_eq!(account.read(77, 1000), None, "stamps that mean nothing are not looked at");
    }

    #[test]
    fn pieces_of_one_buffer_under_one_stamp_belong_together() {
        let mut account = Account::new(Hz(1e6), Stamps::Samples);
        first(&mut account, 5000, 300);
        assert_eq!(account.read(5000, 700), None);
        assert_eq!(account.read(1_005_000, 1000), None);
        assert_eq!(account.read(2_006_000, 1), Some(Break { cause: Cause::Jump, missing: Some(1) }));
    }

    #[test]
    fn a_clock_that_is_set_back_breaks_the_stream() {
        let mut account = Account::new(Hz(1e6), Stamps::Samples);
        first(&mut account, 9_000_000, 1000);
        assert_eq!(account.read(0, 1000), Some(Break { cause: Cause::Back, missing: None }));
        assert_eq!(account.read(1_000_000, 1000), None);
    }

    #[test]
    fn what_was_thrown_away_is_missing_together_with_what_was_lost_besides() {
        let mut account = Account::new(Hz(1e6), Stamps::Samples);
        first(&mut account, 0, 1000);
        let before = account.read(1_000_000, 1000);
        account.dropped(1000, before);
        let before = account.read(2_007_000, 500);
        assert_eq!(before, Some(Break { cause: Cause::Dropped, missing: Some(1007) }));
        account.dropped(500, before);
        let expected = Break { cause: Cause::Dropped, missing: Some(1507) };
        assert_eq!(account.read(2_507_000, 1000), Some(expected));
        assert_eq!(account.read(3_507_000, 1000), None);
        // A loss of unknown size makes the sum unknown; a stream that has not begun yet is not interrupted.
        account.overflow();
        let mut account = Account::new(Hz(1e6), Stamps::None);
        let before = account.read(0, 10);
        account.dropped(10, before);
        first(&mut account, 0, 1000);
        account.overflow();
        let before = account.read(0, 10);
        account.dropped(10, before);
        assert_eq!(account.read(0, 10), Some(Break { cause: Cause::Dropped, missing: None }));
    }

    #[test]
    fn time_goes_on_over_a_retune_with_stamps_and_without() {
        for stamps in [Stamps::Samples, Stamps::None] {
            let mut account = Account::new(Hz(1e6), stamps);
            first(&mut account, 0, 1000);
            account.retuned();
            let before = account.read(1_000_000, 700);
            assert_eq!(before, Some(Break { cause: Cause::Retuned, missing: Some(0) }));
            account.dropped(700, before);
            let before = account.read(1_700_000, 300);
            account.dropped(300, before);
            // Stamps tell of five more that nobody read.
            let more = if stamps == Stamps::Samples { 5 } else { 0 };
            let expected = Break { cause: Cause::Retuned, missing: Some(1000 + more) };
            assert_eq!(account.read(2_005_000, 1000), Some(expected));
            assert_eq!(account.read(3_005_000, 1000), None);
            // A loss meanwhile has its size by the stamps alone.
            account.retuned();
            account.overflow();
            let missing = if stamps == Stamps::Samples { Some(2000) } else { None };
            assert_eq!(account.read(6_005_000, 1000), Some(Break { cause: Cause::Retuned, missing }));
        }
        let mut account = Account::new(Hz(1e6), Stamps::None);
        account.retuned();
        first(&mut account, 0, 10);
    }

    #[test]
    fn unknown_stamps_are_believed_when_they_agree_and_given_up_when_they_do_not() {
        let mut account = Account::new(Hz(1e6), Stamps::Observe);
        first(&mut account, 0, 1000);
        for n in 1..=3 {
            assert_eq!(account.read(n * 1_000_000, 1000), None);
        }
        assert_eq!(account.read(4_010_000, 1000), Some(Break { cause: Cause::Jump, missing: Some(10) }));
        // The host's clock: never quite right.
        let mut account = Account::new(Hz(1e6), Stamps::Observe);
        first(&mut account, 0, 1000);
        for n in 1..=20 {
            assert_eq!(account.read(n * 1_000_000 + n * n * 20_000, 1000), None);
        }
        assert_eq!(account.stamps, Stamps::None);
        // No stamps at all.
        let mut account = Account::new(Hz(1e6), Stamps::Observe);
        first(&mut account, 0, 1000);
        assert!((0..20).all(|_| account.read(0, 1000).is_none()));
    }
}
