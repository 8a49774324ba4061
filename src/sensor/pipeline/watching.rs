//! The thread that looks after the node: its health report, the watchdog, and who scans what.

use super::{LOOK, SAMPLE, SETTLE, Shared, replace};
use crate::config::sensor::Remark;
use crate::config::wall_clock;
use crate::observation::{ClockError, Dwell, Item, NotDecoded, Schedule};
use crate::radio::live::Live;
use crate::sensor::chrony;
use crate::sensor::crew::Crew;
use crate::sensor::health::{Figures, Machine, Sampler, SourceState};
use crate::sensor::instrument::Instrument;
use crate::sensor::publish::Status;
use crate::sensor::receive;
use crate::sensor::spool::{Class, Spool};
use crate::sensor::watchdog::{Feed, Flow, Notify};
use crate::sensor::whereabouts::Whereabouts;
use crate::units::{Nanos, Timestamp};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The health thread.
pub(super) struct Watching {
    pub(super) sampler: Sampler,
    pub(super) whereabouts: Arc<Whereabouts>,
    /// chrony is asked: the system's clock stamps samples.
    pub(super) chrony: bool,
    /// Samples that the disk was too slow for as evidence.
    pub(super) evidence_lost: Arc<AtomicU64>,
    pub(super) survey_file: PathBuf,
    /// Of each source: its name, and what is known of its receiver.
    pub(super) instruments: Vec<(String, Arc<Instrument>)>,
    /// Receivers that scan together: how each is, and who it is.
    pub(super) crew: Vec<(Arc<Live>, Arc<Crew>, usize)>,
    /// What is to be said of the configuration.
    pub(super) remark: Remark,
    pub(super) shared: Arc<Shared>,
    pub(super) spool: Arc<Spool>,
    pub(super) link: watch::Receiver<Status>,
    pub(super) limit: u64,
    pub(super) interval: Duration,
    /// The source is not the one without samples.
    pub(super) has_samples: bool,
    pub(super) live: Vec<Arc<Live>>,
    pub(super) notify: Arc<Notify>,
}

/// The host's clock has been set where it is off by so much of what it was to be. Chosen: chrony steps by less once it has started.
const SET: Nanos = Nanos::from_secs(60);
/// Carriers that are told of as recognised and not decoded, at most; of several receivers too.
const MOST_NOT_DECODED: usize = 64;
/// They are told of again after so long: with all of them a report is twice as large.
const LIST: Duration = Duration::from_secs(3600);
/// How long that is told of.
const TOLD: Nanos = Nanos::from_secs(3600);

/// Notices that the host's clock is set, by a time that never is.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// The host's time less the time that is never set.
    base: Option<i64>,
    /// When it was set last, and how.
    last: Option<(Nanos, String)>,
}

impl Steps {
    /// The host says that it is `now`, `since` after the start; in words, what was done to it within the last hour.
    pub(super) fn look(&mut self, now: Timestamp, since: Nanos) -> Option<String> {
        let base = now.0.saturating_sub(since.0);
        let step = base.saturating_sub(self.base.replace(base).unwrap_or(base));
        if step.unsigned_abs() > SET.0.unsigned_abs() {
            let days = step.unsigned_abs() as f64 / 86_400e9;
            let way = if step < 0 { "back" } else { "forward" };
            self.last = Some((since, format!("the system's clock was set {way} by {days:.1} days")));
        }
        self.last.as_ref().filter(|(at, _)| since - *at <= TOLD).map(|(_, words)| words.clone())
    }
}

impl Watching {
    fn figures(&self, now: Timestamp) -> Figures {
        let received = &self.shared.received;
        let sum = |counter: fn(&receive::Counters) -> u64| received.iter().map(counter).sum::<u64>();
        let last_decode = received.iter().map(|one| one.last_decode_ns.load(Ordering::Relaxed)).max().unwrap_or(0);
        let counts = self.live.iter().map(|live| live.counts()).reduce(|all, one| all + one);
        let problem = self.live.iter().find_map(|live| live.problem());
        // Taken away, so that each report has its own.
        let latency = received.iter().map(|one| one.latency_ms.swap(0, Ordering::Relaxed)).max();
        let schedule = |one: &Arc<Mutex<Schedule>>| one.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let place = self.whereabouts.at(now);
        let mut notes: Vec<String> = self.remark.text().into_iter().collect();
        let several = self.instruments.len() > 1;
        for (name, instrument) in &self.instruments {
            let named = |warning| if several { format!("{name}: {warning}") } else { warning };
            notes.extend(instrument.warnings(now).into_iter().map(named));
        }
        // A failure that is over in half a second stands in no report as the present problem.
        let failures = self.live.iter().filter_map(|live| live.failure());
        notes.extend(failures.map(|why| format!("why the receiver failed last: {why}")));
        notes.extend(place.warnings);
        if let Some((_, crew, _)) = self.crew.first() {
            notes.extend(crew.notes());
        }
        let clock_error = |(name, instrument): &(String, Arc<Instrument>)| {
            instrument.clock_error(now).map(|error| (name.clone(), error))
        };
        let clock_errors: BTreeMap<String, ClockError> = self.instruments.iter().filter_map(clock_error).collect();
        if self.evidence_lost.load(Ordering::Relaxed) > 0 {
            notes.push("the disk is too slow for the evidence ring; stretches are missing in it".to_owned());
        }
        if received.iter().any(|one| one.spectrum_only.load(Ordering::Relaxed)) {
            notes.push(
                "a receiver's rate is above 32 Msps: its spectrum is looked at and nothing is decoded".to_owned(),
            );
        }
        let mut by_band = BTreeMap::new();
        for one in received {
            for (band, at) in one.by_band.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let newest = by_band.entry(*band).or_insert(*at);
                *newest = (*newest).max(*at);
            }
        }
        let mut not_decoded: Vec<NotDecoded> = Vec::new();
        for one in received {
            not_decoded.extend(one.recognised.lock().unwrap_or_else(PoisonError::into_inner).at(now));
        }
        not_decoded.sort_by_key(|carrier| carrier.center_hz);
        not_decoded.truncate(MOST_NOT_DECODED);
        Figures {
            clock: self.has_samples.then_some(place.clock),
            samples: sum(|one| one.samples.load(Ordering::Relaxed)),
            lost_samples: sum(|one| one.lost_samples.load(Ordering::Relaxed)),
            device: counts.map(|counts| (counts, problem)),
            receiver_celsius: self.live.iter().filter_map(|live| live.celsius()).reduce(f64::max),
            cells: received.iter().map(|one| one.cells.load(Ordering::Relaxed)).sum(),
            by_band,
            position: place.position,
            navigation: place.navigation,
            clock_error: self.instruments.first().and_then(|(_, instrument)| instrument.clock_error(now)),
            clock_errors: if several { clock_errors } else { BTreeMap::new() },
            notes,
            last_decode: (last_decode != 0).then_some(Timestamp(last_decode)),
            clipped_ppm: received.iter().map(|one| one.clipped_ppm.load(Ordering::Relaxed)).max().unwrap_or(0),
            schedules: self.shared.schedules.iter().map(schedule).collect(),
            not_decoded,
            latency_ms: latency.filter(|_| counts.is_some()),
            spool: self.spool.stats(),
            spool_limit: self.limit,
            lost_items: self.shared.spooled.lost.load(Ordering::Relaxed),
            stuck_items: self.shared.spooled.stuck.load(Ordering::Relaxed),
            link: self.link.borrow().clone(),
            dwells: self.shared.dwells.at(now),
            source: self.shared.source(),
        }
    }

    /// Asks chrony, and keeps what a survey has brought.
    fn look_around(&self) {
        if self.chrony {
            self.whereabouts.chrony(chrony::ask());
        }
        if let Some(survey) = self.whereabouts.survey()
            && let Ok(text) = serde_json::to_string(&survey)
        {
            replace(&self.survey_file, &text);
        }
    }

    /// A report at the start, every interval, and soon after anything worth a warning has come or gone.
    pub(super) fn run(mut self, items: &SyncSender<(Class, Item)>, stopped: &std::sync::mpsc::Receiver<()>) {
        let mut told: Option<(Vec<String>, Vec<Dwell>)> = None;
        let mut at = Instant::now();
        let mut sampled: Option<(Instant, Machine)> = None;
        let mut listed: Option<(Instant, Vec<(String, u64)>)> = None;
        let mut steps = Steps::default();
        let (begun, mut feed) = (at, self.notify.watchdog.map(Feed::new));
        loop {
            let now = wall_clock();
            let since = Nanos(i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX));
            for (live, crew, number) in &self.crew {
                crew.tell(*number, live.problem().is_none(), since);
            }
            let mut figures = self.figures(now);
            figures.notes.extend(steps.look(now, since));
            let machine = match sampled {
                Some((at, machine)) if at.elapsed() < SAMPLE => machine,
                _ => {
                    self.look_around();
                    sampled.insert((Instant::now(), self.sampler.look(now))).1
                }
            };
            let flow = match (&figures.source, &figures.device) {
                (SourceState::Running, Some((_, Some(_)))) => Flow::Excused,
                (SourceState::Running, _) if self.has_samples => Flow::Expected,
                // A receiver that was given up: only another process can help.
                (SourceState::Failed(_), Some(_)) => Flow::Expected,
                _ => Flow::Over,
            };
            if feed.as_mut().is_some_and(|feed| feed.is_due(begun.elapsed(), figures.samples, flow)) {
                self.notify.send("WATCHDOG=1");
            }
            let state = (crate::sensor::health::warnings(&figures, &machine), figures.dwells.clone());
            let changed = told.as_ref().is_none_or(|told| *told != state);
            if at.elapsed() >= self.interval || told.is_none() || (changed && at.elapsed() >= SETTLE) {
                let carriers: Vec<(String, u64)> =
                    figures.not_decoded.iter().map(|one| (one.standard.clone(), one.center_hz)).collect();
                match &listed {
                    Some((at, known)) if at.elapsed() < LIST && *known == carriers => figures.not_decoded.clear(),
                    _ => listed = Some((Instant::now(), carriers)),
                }
                let health = self.sampler.report(now, &figures, &machine);
                let class = if changed { Class::Health } else { Class::Routine };
                if items.send((class, Item::Health(Box::new(health)))).is_err() {
                    return;
                }
                told = Some(state);
                at = Instant::now();
            }
            match stopped.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_by_years_is_told_of_for_an_hour_and_its_drift_is_not() {
        let mut steps = Steps::default();
        let second = Nanos::from_secs;
        let now = Timestamp(1_795_000_000_000_000_000);
        // A clock that is 50 s slow after a day was not set.
        for hour in 0..24 {
            assert_eq!(steps.look(now + second(hour * 3598), second(hour * 3600)), None, "hour {hour}");
        }
        let told = steps.look(now - second(3 * 365 * 86_400), second(90_000)).unwrap();
        assert!(told.contains("set back by 109"), "{told}");
        assert_eq!(steps.look(now - second(3 * 365 * 86_400 - 3600), second(93_600)), Some(told));
        assert_eq!(steps.look(now - second(3 * 365 * 86_400 - 3601), second(93_601)), None);
        assert!(steps.look(Timestamp(i64::MAX), second(93_602)).unwrap().contains("forward"));
        assert!(steps.look(Timestamp(i64::MIN), second(93_603)).unwrap().contains("back"));
    }
}
