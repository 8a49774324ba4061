//! From items to envelopes: batches by class, so that what is evicted together is worth the same.
//!
//! Findings are spooled at once, news and health after a short wait for company, routine after a long one. **A disk that takes
//! nothing stops nobody**: items then wait here, in memory, up to a bound, and the least valuable of them are lost first, counted.

use super::spool::{Class, Spool, SpoolError};
use crate::observation::Item;
use crate::observation::envelope::EnvelopeError;
use crate::units::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracing::{error, info};

/// Items that one transaction takes at most.
const GATHER: usize = 4096;
/// Between two attempts on a disk that takes nothing.
const RETRY: Duration = Duration::from_secs(1);
/// Between two attempts to get back what a full disk took.
const RECOVER: Duration = Duration::from_secs(600);
/// Items that wait in memory while the disk takes nothing. Chosen: 20 MB of observations with all their messages.
const MAX_WAITING: usize = 8192;

/// How envelopes are filled.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most items in one envelope.
    pub batch_items: usize,
    /// Longest wait of news for company.
    pub batch_wait: Duration,
    /// Longest wait of routine.
    pub routine_wait: Duration,
}

/// What the spooler counts, for the health report.
#[derive(Debug, Default)]
pub struct Counters {
    /// Items put into the spool.
    pub spooled: AtomicU64,
    /// Items that no envelope can hold, or that found a spool of tombstones or a disk that took nothing: lost.
    pub lost: AtomicU64,
    /// Attempts that the disk refused.
    pub refused: AtomicU64,
    /// Items that wait because the disk takes nothing.
    pub stuck: AtomicU64,
}

/// Items that wait, by class.
#[derive(Default)]
struct Waiting {
    items: BTreeMap<Class, VecDeque<Item>>,
    /// Since when the oldest of each class waits.
    since: BTreeMap<Class, Instant>,
    count: usize,
}

impl Waiting {
    /// Takes an item; what is lost for it.
    fn push(&mut self, class: Class, item: Item, now: Instant) -> u64 {
        self.items.entry(class).or_default().push_back(item);
        self.since.entry(class).or_insert(now);
        self.count += 1;
        self.trim()
    }

    /// Puts back what the disk refused, before what came meanwhile.
    fn put_back(&mut self, batches: Batches, now: Instant) -> u64 {
        for (class, items) in batches.into_iter().rev() {
            self.count += items.len();
            self.since.insert(class, now);
            let queue = self.items.entry(class).or_default();
            items.into_iter().rev().for_each(|item| queue.push_front(item));
        }
        self.trim()
    }

    /// Loses the oldest of the least valuable while there are too many.
    fn trim(&mut self) -> u64 {
        let mut lost = 0;
        while self.count > MAX_WAITING {
            let Some(mut least) = self.items.first_entry() else { break };
            if least.get_mut().pop_front().is_some() {
                self.count -= 1;
                lost += 1;
            }
            if least.get().is_empty() {
                let class = least.remove_entry().0;
                self.since.remove(&class);
            }
        }
        lost
    }

    /// Until the first of them is to be spooled.
    fn due(&self, options: &Options, now: Instant) -> Duration {
        let left = self.since.iter().map(|(class, since)| options.wait(*class).saturating_sub(now - *since));
        left.min().unwrap_or(Duration::from_secs(3600))
    }

    /// Everything in envelopes of one class each, the most valuable first.
    fn take(&mut self, options: &Options) -> Batches {
        self.since.clear();
        self.count = 0;
        let mut batches = vec![];
        for (class, items) in std::mem::take(&mut self.items).into_iter().rev() {
            let mut items = items.into_iter();
            loop {
                let batch: Vec<Item> = items.by_ref().take(options.batch_items).collect();
                if batch.is_empty() {
                    break;
                }
                batches.push((class, batch));
            }
        }
        batches
    }
}

impl Options {
    fn wait(&self, class: Class) -> Duration {
        match class {
            Class::Finding => Duration::ZERO,
            Class::Routine => self.routine_wait,
            Class::Observation | Class::Health => self.batch_wait,
        }
    }
}

/// Takes items until their senders have gone; then everything is in the spool, or the disk takes nothing and `give_up` says not to wait
/// for it: what is left is then counted as lost.
pub fn run(
    items: &Receiver<(Class, Item)>,
    spool: &Arc<Spool>,
    options: Options,
    appended: &watch::Sender<u64>,
    counters: &Counters,
    now: fn() -> Timestamp,
    give_up: impl Fn() -> bool,
) {
    let mut waiting = Waiting::default();
    let mut open = true;
    let mut refused: Option<Instant> = None;
    let mut recovered = Instant::now();
    while open || waiting.count > 0 {
        let deadline = match refused {
            Some(at) => RETRY.saturating_sub(at.elapsed()),
            None => waiting.due(&options, Instant::now()),
        };
        let mut lost = 0;
        match items.recv_timeout(deadline.min(RECOVER)) {
            Ok((class, item)) => {
                let arrived = Instant::now();
                lost += waiting.push(class, item, arrived);
                for (class, item) in items.try_iter().take(GATHER) {
                    lost += waiting.push(class, item, arrived);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if open => open = false,
            // Nobody sends any more: the disk alone is waited for.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(deadline),
        }
        if recovered.elapsed() >= RECOVER {
            recovered = Instant::now();
            spool.recover();
        }
        lose(counters, lost, "the disk takes nothing and too many items wait");
        let full = waiting.items.values().any(|queue| queue.len() >= options.batch_items);
        let due = full || !open || waiting.due(&options, Instant::now()).is_zero();
        if waiting.count == 0 || !due || refused.is_some_and(|at| at.elapsed() < RETRY) {
            continue;
        }
        let back = append(spool, waiting.take(&options), counters, now);
        if back.is_empty() {
            if refused.take().is_some() {
                info!("the spool takes items again");
            }
            appended.send_modify(|count| *count += 1);
        } else if give_up() {
            lose(counters, count(&back), "the disk takes nothing and the node stops");
        } else {
            refused = Some(Instant::now());
            let lost = waiting.put_back(back, Instant::now());
            lose(counters, lost, "the disk takes nothing and too many items wait");
        }
        counters.stuck.store(if refused.is_some() { waiting.count as u64 } else { 0 }, Ordering::Relaxed);
    }
}

fn count(batches: &Batches) -> u64 {
    batches.iter().map(|(_, items)| items.len() as u64).sum()
}

fn lose(counters: &Counters, items: u64, why: &str) {
    // Told at every doubling: the journal is bounded too.
    let before = counters.lost.fetch_add(items, Ordering::Relaxed);
    if items > 0 && (before + items).checked_ilog2() != before.checked_ilog2() {
        error!(items, all = before + items, "items are lost: {why}");
    }
}

/// Spools batches; what the disk refuses comes back.
fn append(spool: &Spool, batches: Batches, counters: &Counters, now: fn() -> Timestamp) -> Batches {
    let mut work = vec![batches];
    let mut back = vec![];
    while let Some(batches) = work.pop() {
        if !back.is_empty() {
            back.extend(batches);
            continue;
        }
        match spool.append(&batches, now()) {
            Ok(()) => {
                counters.spooled.fetch_add(count(&batches), Ordering::Relaxed);
            }
            // Too long together, or one of them is not as it should be: halves, and halves of those, find the one.
            Err(error @ SpoolError::Envelope(EnvelopeError::TooLong { .. } | EnvelopeError::Field { .. })) => {
                match halves(batches) {
                    Ok((first, second)) => work.extend([second, first]),
                    Err(single) => lose(counters, count(&single), &error.to_string()),
                }
            }
            Err(error @ (SpoolError::Full { .. } | SpoolError::Envelope(_))) => {
                lose(counters, count(&batches), &error.to_string());
            }
            Err(error) => {
                if counters.refused.fetch_add(1, Ordering::Relaxed) == 0 || counters.stuck.load(Ordering::Relaxed) == 0
                {
                    error!(%error, "the spool takes nothing; the node goes on listening");
                }
                back.extend(batches);
            }
        }
    }
    back
}

type Batches = Vec<(Class, Vec<Item>)>;

/// Two parts of about the same size; `Err`: a single item has no halves.
fn halves(mut batches: Batches) -> Result<(Batches, Batches), Batches> {
    if batches.len() > 1 {
        let second = batches.split_off(batches.len() / 2);
        return Ok((batches, second));
    }
    match batches.pop() {
        Some((class, mut items)) if items.len() > 1 => {
            let second = items.split_off(items.len() / 2);
            Ok((vec![(class, items)], vec![(class, second)]))
        }
        Some(single) => Err(vec![single]),
        None => Err(vec![]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::envelope::{MAX_OCTETS, reopen};
    use crate::observation::{Health, Octets};
    use crate::sensor::spool;
    use ed25519_dalek::SigningKey;
    use std::collections::BTreeSet;
    use std::sync::mpsc::sync_channel;

    fn item(size: usize) -> Item {
        Item::Health(Box::new(Health { warnings: vec!["x".repeat(size)], ..Health::default() }))
    }

    /// The numbers of items in the envelopes that come of these items, in their order, and the items lost.
    fn spooled(items: Vec<(Class, Item)>) -> (Vec<usize>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let options = spool::Options {
            node: "pole-1".parse().unwrap(),
            key: SigningKey::from_bytes(&[1; 32]),
            limit_octets: 1 << 30,
            boot: Octets(vec![1; 16]),
        };
        let spool = Arc::new(Spool::open(folder.path(), options).unwrap());
        let (sender, receiver) = sync_channel(items.len());
        items.into_iter().for_each(|item| sender.send(item).unwrap());
        drop(sender);
        let counters = Counters::default();
        let options =
            Options { batch_items: 10, batch_wait: Duration::from_secs(60), routine_wait: Duration::from_secs(900) };
        let (appended, _) = watch::channel(0);
        run(&receiver, &spool, options, &appended, &counters, || Timestamp(0), || true);
        let mut pending = spool.pending(&BTreeSet::new(), 1000).unwrap();
        pending.sort_by_key(|pending| pending.seq);
        let sizes = pending.iter().map(|pending| reopen(&pending.octets).unwrap().items.len()).collect();
        (sizes, counters.lost.load(Ordering::Relaxed))
    }

    #[test]
    fn items_are_batched_by_class_and_findings_come_first() {
        let observations = (0..25).map(|_| (Class::Observation, item(1)));
        let findings = (0..2).map(|_| (Class::Finding, item(1)));
        assert_eq!(spooled(observations.chain(findings).collect()), (vec![2, 10, 10, 5], 0));
    }

    #[test]
    fn a_batch_that_is_too_long_is_split_until_it_fits() {
        let items = (0..8).map(|_| (Class::Observation, item(MAX_OCTETS / 5))).collect();
        assert_eq!(spooled(items), (vec![4, 4], 0));
    }

    #[test]
    fn an_item_that_no_envelope_can_hold_is_counted_as_lost_and_the_others_are_not() {
        let items = [10, MAX_OCTETS + 1, 10, 10].map(|size| (Class::Observation, item(size)));
        let (sizes, lost) = spooled(items.to_vec());
        assert_eq!((sizes.iter().sum::<usize>(), lost), (3, 1));
    }

    #[test]
    fn what_a_disk_refuses_waits_in_order_and_the_least_valuable_is_lost_first() {
        let now = Instant::now();
        let number = |n: u32| Item::Health(Box::new(Health { cells: n, ..Health::default() }));
        let mut waiting = Waiting::default();
        let mut lost = 0;
        for n in 0..6000 {
            lost += waiting.push(Class::Routine, number(n), now);
        }
        let taken = waiting.take(&OPTIONS);
        assert_eq!((waiting.count, count(&taken)), (0, 6000));
        for n in 6000..8000 {
            lost += waiting.push(Class::Finding, number(n), now);
        }
        lost += waiting.push(Class::Routine, number(8000), now);
        lost += waiting.put_back(taken, now);
        assert_eq!((lost, waiting.count), (0, 8001));
        for n in 0..10_000 {
            lost += waiting.push(Class::Observation, number(n), now);
        }
        assert_eq!((waiting.count, lost as usize), (MAX_WAITING, 8001 + 10_000 - MAX_WAITING));
        let classes: Vec<(Class, usize)> = waiting.items.iter().map(|(class, queue)| (*class, queue.len())).collect();
        assert_eq!(classes, [(Class::Observation, MAX_WAITING - 2000), (Class::Finding, 2000)]);
        let Some(Item::Health(first)) = waiting.items[&Class::Observation].front() else { panic!("items") };
        assert_eq!(first.cells as usize, 10_000 - (MAX_WAITING - 2000), "the oldest are lost");
    }

    const OPTIONS: Options =
        Options { batch_items: 100, batch_wait: Duration::from_secs(2), routine_wait: Duration::from_secs(900) };

    #[test]
    fn routine_waits_long_news_shortly_and_a_finding_takes_everybody_along() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        assert_eq!(waiting.due(&OPTIONS, now), Duration::from_secs(3600));
        waiting.push(Class::Routine, item(1), now);
        assert_eq!(waiting.due(&OPTIONS, now + Duration::from_secs(10)), Duration::from_secs(890));
        waiting.push(Class::Observation, item(1), now + Duration::from_secs(10));
        assert_eq!(waiting.due(&OPTIONS, now + Duration::from_secs(11)), Duration::from_secs(1));
        waiting.push(Class::Finding, item(1), now + Duration::from_secs(11));
        assert_eq!(waiting.due(&OPTIONS, now + Duration::from_secs(11)), Duration::ZERO);
        let classes: Vec<Class> = waiting.take(&OPTIONS).into_iter().map(|(class, _)| class).collect();
        assert_eq!(classes, [Class::Finding, Class::Observation, Class::Routine]);
    }
}
