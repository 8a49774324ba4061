//! What a live source says of itself while it runs, and how it is told to end.
//!
//! A source sits on the thread that feeds the ring; its shell holds a [`Live`] of it. Counters only ever grow.
//!
//! A source that can be tuned follows [`Live::tune`]: it begins a new stream at the new centre as soon as samples taken there can be
//! trusted. Samples of the old tuning may still come before; the streams tell them apart.

use crate::units::Hz;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What has happened to a live source since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples delivered.
    pub samples: u64,
    /// Samples known to be lost between antenna and reader: by time stamps, or because nobody took them.
    pub lost_samples: u64,
    /// Breaks in a stream while the device stayed open, whatever their cause.
    pub gaps: u64,
    /// Gaps that the driver reported by itself (overflow, corrupt or late data).
    pub overflows: u64,
    /// Gaps that only the time stamps told of.
    pub jumps: u64,
    /// How often it was tuned anew while open.
    pub retunes: u64,
    /// How often the device was opened and delivered.
    pub opened: u64,
    /// How often opening it failed, or it failed while open.
    pub failures: u64,
    /// Failures in which the driver did not answer any more.
    pub hangs: u64,
}

impl std::ops::Add for Counts {
    type Output = Counts;

    fn add(self, more: Counts) -> Counts {
        Counts {
            samples: self.samples + more.samples,
            lost_samples: self.lost_samples + more.lost_samples,
            gaps: self.gaps + more.gaps,
            overflows: self.overflows + more.overflows,
            jumps: self.jumps + more.jumps,
            retunes: self.retunes + more.retunes,
            opened: self.opened + more.opened,
            failures: self.failures + more.failures,
            hangs: self.hangs + more.hangs,
        }
    }
}

/// Shared between a source and whoever watches it.
#[derive(Debug, Default)]
pub struct Live {
    stop: AtomicBool,
    samples: AtomicU64,
    lost_samples: AtomicU64,
    gaps: AtomicU64,
    overflows: AtomicU64,
    jumps: AtomicU64,
    retunes: AtomicU64,
    opened: AtomicU64,
    failures: AtomicU64,
    hangs: AtomicU64,
    problem: Mutex<Option<String>>,
    /// Wanted centre and the last one refused, bits of a float; 0: none.
    tuning: AtomicU64,
    refused: AtomicU64,
}

impl Live {
    /// Tells the source to end: its next or present read returns within a quarter of a second.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether it was told to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            samples: get(&self.samples),
            lost_samples: get(&self.lost_samples),
            gaps: get(&self.gaps),
            overflows: get(&self.overflows),
            jumps: get(&self.jumps),
            retunes: get(&self.retunes),
            opened: get(&self.opened),
            failures: get(&self.failures),
            hangs: get(&self.hangs),
        }
    }

    /// Asks for another centre frequency.
    pub fn tune(&self, center: Hz) {
        self.tuning.store(center.0.to_bits(), Ordering::Release);
    }

    /// The centre asked for last; `None`: as it was configured.
    pub fn tuning(&self) -> Option<Hz> {
        frequency(self.tuning.load(Ordering::Acquire))
    }

    /// For the source: it could not be tuned to `center`.
    pub fn refuse(&self, center: Hz) {
        self.refused.store(center.0.to_bits(), Ordering::Release);
    }

    /// Whether `center` was refused, by the last refusal that there was.
    pub fn is_refused(&self, center: Hz) -> bool {
        frequency(self.refused.load(Ordering::Acquire)) == Some(center)
    }

    /// Why nothing is delivered at present, in words; `None` while samples flow.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the source: adds to the counters.
    pub fn add(&self, more: Counts) {
        let add = |counter: &AtomicU64, n: u64| {
            if n > 0 {
                counter.fetch_add(n, Ordering::Relaxed);
            }
        };
        add(&self.samples, more.samples);
        add(&self.lost_samples, more.lost_samples);
        add(&self.gaps, more.gaps);
        add(&self.overflows, more.overflows);
        add(&self.jumps, more.jumps);
        add(&self.retunes, more.retunes);
        add(&self.opened, more.opened);
        add(&self.failures, more.failures);
        add(&self.hangs, more.hangs);
    }

    /// For the source: sets or clears the reason why nothing is delivered.
    pub fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

fn frequency(bits: u64) -> Option<Hz> {
    (bits != 0).then(|| Hz(f64::from_bits(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_up_and_the_problem_comes_and_goes() {
        let live = Live::default();
        live.add(Counts { samples: 5, gaps: 1, ..Counts::default() });
        live.add(Counts { samples: 7, hangs: 2, ..Counts::default() });
        assert_eq!(live.counts(), Counts { samples: 12, gaps: 1, hangs: 2, ..Counts::default() });
        live.set_problem(Some("unplugged".to_owned()));
        assert_eq!(live.problem().as_deref(), Some("unplugged"));
        live.set_problem(None);
        assert_eq!(live.problem(), None);
        assert!(!live.is_stopped());
        live.stop();
        assert!(live.is_stopped());
    }

    #[test]
    fn a_tuning_is_asked_for_and_may_be_refused() {
        let live = Live::default();
        assert_eq!((live.tuning(), live.is_refused(Hz(9e8))), (None, false));
        live.tune(Hz(9e8));
        assert_eq!(live.tuning(), Some(Hz(9e8)));
        live.refuse(Hz(9e8));
        assert!(live.is_refused(Hz(9e8)) && !live.is_refused(Hz(9.1e8)));
    }
}
