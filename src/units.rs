//! Quantities with their units: nothing that has a unit crosses a public signature as a bare number.
//!
//! Differences of levels are [`Db`]; two absolute levels cannot be added. Time is integer nanoseconds, a place in a
//! sample stream is a sample count: neither is ever floating-point seconds.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Neg, Sub};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $repr);
    };
}

quantity!(
    /// A frequency or a frequency difference in hertz.
    Hz(f64)
);
quantity!(
    /// A ratio of powers in decibels.
    Db(f64)
);
quantity!(
    /// An absolute power in decibels over one milliwatt, at the antenna port.
    Dbm(f64)
);
quantity!(
    /// A power relative to a full-scale complex sine (0 dBFS).
    Dbfs(f64)
);
quantity!(
    /// A relative frequency error in parts per billion.
    Ppb(f64)
);

impl Hz {
    /// Whole hertz, rounded to nearest; channel rasters are whole hertz.
    pub fn round(self) -> i64 {
        self.0.round() as i64
    }
}

impl Add for Hz {
    type Output = Hz;
    fn add(self, rhs: Hz) -> Hz {
        Hz(self.0 + rhs.0)
    }
}
impl Sub for Hz {
    type Output = Hz;
    fn sub(self, rhs: Hz) -> Hz {
        Hz(self.0 - rhs.0)
    }
}
impl Neg for Hz {
    type Output = Hz;
    fn neg(self) -> Hz {
        Hz(-self.0)
    }
}

impl Db {
    /// `10 log10(ratio)` of a power ratio.
    pub fn from_ratio(ratio: f64) -> Db {
        Db(10.0 * ratio.log10())
    }
    /// The power ratio.
    pub fn ratio(self) -> f64 {
        10f64.powf(self.0 / 10.0)
    }
}
impl Add for Db {
    type Output = Db;
    fn add(self, rhs: Db) -> Db {
        Db(self.0 + rhs.0)
    }
}
impl Sub for Db {
    type Output = Db;
    fn sub(self, rhs: Db) -> Db {
        Db(self.0 - rhs.0)
    }
}
impl Neg for Db {
    type Output = Db;
    fn neg(self) -> Db {
        Db(-self.0)
    }
}

macro_rules! level {
    ($name:ident) => {
        impl Sub for $name {
            type Output = Db;
            fn sub(self, rhs: $name) -> Db {
                Db(self.0 - rhs.0)
            }
        }
        impl Add<Db> for $name {
            type Output = $name;
            fn add(self, rhs: Db) -> $name {
                $name(self.0 + rhs.0)
            }
        }
        impl Sub<Db> for $name {
            type Output = $name;
            fn sub(self, rhs: Db) -> $name {
                $name(self.0 - rhs.0)
            }
        }
    };
}
level!(Dbm);
level!(Dbfs);

/// A span of time in whole nanoseconds; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub i64);

impl Nanos {
    /// `seconds` whole seconds.
    pub const fn from_secs(seconds: i64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }
    /// `millis` whole milliseconds.
    pub const fn from_millis(millis: i64) -> Nanos {
        Nanos(millis * 1_000_000)
    }
    /// Seconds, for display and for ratios only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 * 1e-9
    }
}
impl Add for Nanos {
    type Output = Nanos;
    fn add(self, rhs: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(rhs.0))
    }
}
impl Sub for Nanos {
    type Output = Nanos;
    fn sub(self, rhs: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(rhs.0))
    }
}

/// An instant: UTC nanoseconds since 1970-01-01, or nanoseconds since the start of a recording that carries no date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Sub for Timestamp {
    type Output = Nanos;
    fn sub(self, rhs: Timestamp) -> Nanos {
        Nanos(self.0.saturating_sub(rhs.0))
    }
}
impl Add<Nanos> for Timestamp {
    type Output = Timestamp;
    fn add(self, rhs: Nanos) -> Timestamp {
        Timestamp(self.0.saturating_add(rhs.0))
    }
}
impl Sub<Nanos> for Timestamp {
    type Output = Timestamp;
    fn sub(self, rhs: Nanos) -> Timestamp {
        Timestamp(self.0.saturating_sub(rhs.0))
    }
}

/// Time that has passed from one call to the next, whatever was done to the clock in between: back counts nothing, forward an hour at most.
/// Times need not come in order: what several receivers hear is told as it comes, and time that was counted once is not counted again.
///
/// What is forgotten after a time is forgotten by this one, so that a clock set forward by a year takes nothing away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elapsed {
    /// The latest time so far, or since the clock was set back.
    latest: Option<Timestamp>,
    total: Nanos,
}

impl Elapsed {
    /// The longest step that is believed; further back, the clock was set.
    const LONGEST: Nanos = Nanos::from_secs(3600);

    /// Goes on to `now`; what has passed since the first call.
    pub fn to(&mut self, now: Timestamp) -> Nanos {
        let step = self.latest.map_or(Nanos(0), |latest| now - latest);
        if self.latest.is_none() || step > Nanos(0) || step < Nanos(-Elapsed::LONGEST.0) {
            self.latest = Some(now);
        }
        self.total = self.total + step.clamp(Nanos(0), Elapsed::LONGEST);
        self.total
    }
}

/// A position in a sample stream: samples since the stream began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleIndex(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_levels_is_a_ratio() {
        let rise: Db = Dbm(-60.0) - Dbm(-72.0);
        assert_eq!(rise, Db(12.0));
        assert_eq!(Dbm(-72.0) + rise, Dbm(-60.0));
        assert!((Db::from_ratio(100.0).0 - 20.0).abs() < 1e-12);
    }

    #[test]
    fn a_clock_that_is_set_lets_an_hour_pass_at_most() {
        let year = 365 * 86_400;
        let mut elapsed = Elapsed::default();
        let passed = [100, 110, 110 - year, 115 - year, 115, 120, 120 + year].map(|second| {
            let now = Timestamp(0) + Nanos::from_secs(second);
            elapsed.to(now).0 / 1_000_000_000
        });
        assert_eq!(passed, [0, 10, 10, 15, 3615, 3620, 7220]);
    }

    #[test]
    fn times_out_of_order_count_once() {
        let mut elapsed = Elapsed::default();
        // A receiver that is told of at once, and one whose stretches come three seconds late.
        let mut last = Nanos(0);
        for second in 0..1000 {
            elapsed.to(Timestamp(0) + Nanos::from_secs(second));
            last = elapsed.to(Timestamp(0) + Nanos::from_secs(second - 3));
        }
        assert_eq!(last, Nanos::from_secs(999));
    }

    #[test]
    fn time_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp(i64::MAX) + Nanos(1), Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN) - Timestamp(1), Nanos(i64::MIN));
    }
}
