//! What a live source says of itself while it runs, and how it is told to end.
//!
//! A source sits on the thread that feeds the ring; its shell holds a [`Live`] of it. Counters only ever grow.
//!
//! A source that can be tuned follows [`Live::tune`]: it begins a new stream at the new centre as soon as samples taken there can be
//! trusted. Samples of the old tuning may still come before; the streams tell them apart.

use crate::units::{Db, Hz};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// What a device really does, as it says itself after everything was set: drivers round what they are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actual {
    /// Driver and serial number, for stream names and messages.
    pub label: String,
    /// The device's own serial number, where it tells one.
    pub serial: Option<String>,
    /// Sample rate.
    pub rate: Hz,
    /// Centre frequency when it was opened.
    pub center: Hz,
    /// Filter, where the driver says.
    pub bandwidth: Option<Hz>,
    /// Gain elements by name.
    pub gains: BTreeMap<String, Db>,
    /// Receive port.
    pub antenna: Option<String>,
    /// Clock source.
    pub clock_source: Option<String>,
    /// Sample format on the way to the host.
    pub format: String,
}

impl Actual {
    /// Whether the device says that it is another one than `serial`; one that says nothing is believed.
    ///
    /// Drivers write the same number in capitals or not, with `0x` before it and without leading zeros; all of these are the same.
    pub fn is_another(&self, serial: &str) -> bool {
        let plain = |text: &str| {
            let text = text.trim().to_ascii_lowercase();
            text.strip_prefix("0x").unwrap_or(&text).trim_start_matches('0').to_owned()
        };
        self.serial.as_deref().is_some_and(|own| plain(own) != plain(serial))
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
    failure: Mutex<Option<String>>,
    actual: Mutex<Option<Arc<Actual>>>,
    celsius: Mutex<Option<f64>>,
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

    /// Why it failed last, in words; `None` where it never did.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the source: it has failed, and why.
    pub fn fail(&self, why: &str) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    /// What the device does since it was opened last; `None` before that. A source says it before the streams that are received so.
    pub fn actual(&self) -> Option<Arc<Actual>> {
        self.actual.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the source: the device is open and does this.
    pub fn set_actual(&self, actual: Actual) {
        *self.actual.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(actual));
    }

    /// Temperature of the device by its own sensor, degrees Celsius; `None` where it has none, or while it is not open.
    pub fn celsius(&self) -> Option<f64> {
        *self.celsius.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the source: the device's sensor says so.
    pub fn set_celsius(&self, celsius: Option<f64>) {
        *self.celsius.lock().unwrap_or_else(PoisonError::into_inner) = celsius;
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
    fn a_serial_number_is_the_same_however_drivers_write_it() {
        let device = |serial: &str| Actual { serial: Some(serial.to_owned()), ..Actual::default() };
        // SoapyAirspy and LimeSuite write what they have in hexadecimal digits, as many as it takes.
        assert!(!device("644064dc2f5b2acd").is_another("644064DC2F5B2ACD"));
        assert!(!device("0x9072c02870a19").is_another("0009072C02870A19"));
        assert!(device("00000002").is_another("00000001"));
        assert!(device("10").is_another("1"));
        assert!(!Actual::default().is_another("1"), "not every driver tells one");
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
