//! From items to envelopes: batches by class, so that what is evicted together is worth the same, and waits for the disk.

use super::spool::{Class, Spool, SpoolError};
use crate::observation::Item;
use crate::observation::envelope::EnvelopeError;
use crate::units::Timestamp;
use std::collections::BTreeMap;
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

/// How envelopes are filled.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most items in one envelope.
    pub batch_items: usize,
    /// Longest wait of an item for company.
    pub batch_wait: Duration,
}

/// What the spooler counts, for the health report.
#[derive(Debug, Default)]
pub struct Counters {
    /// Items put into the spool.
    pub spooled: AtomicU64,
    /// Items that no envelope can hold, or that found a spool of tombstones: lost.
    pub lost: AtomicU64,
    /// Attempts that the disk refused.
    pub refused: AtomicU64,
}

/// Takes items until their senders have gone; then everything is in the spool.
///
/// Findings are spooled at once, the rest waits for company. While the disk takes nothing this waits, and with it those who send.
/// When `give_up` says so, waiting for the disk ends, and what is left is counted as lost.
pub fn run(
    items: &Receiver<(Class, Item)>,
    spool: &Arc<Spool>,
    options: Options,
    appended: &watch::Sender<u64>,
    counters: &Counters,
    now: fn() -> Timestamp,
    give_up: impl Fn() -> bool,
) {
    let mut waiting: BTreeMap<Class, Vec<Item>> = BTreeMap::new();
    let mut since: Option<Instant> = None;
    let mut open = true;
    while open {
        let deadline =
            since.map_or(Duration::from_secs(3600), |since| options.batch_wait.saturating_sub(since.elapsed()));
        match items.recv_timeout(deadline) {
            Ok((class, item)) => {
                let mut urgent = class == Class::Finding;
                waiting.entry(class).or_default().push(item);
                for (class, item) in items.try_iter().take(GATHER) {
                    urgent |= class == Class::Finding;
                    waiting.entry(class).or_default().push(item);
                }
                since = since.or_else(|| Some(Instant::now()));
                if !urgent && waiting.values().all(|items| items.len() < options.batch_items) {
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
        let mut batches = vec![];
        // A finding does not wait, and the same transaction takes everybody else along.
        for (class, items) in std::mem::take(&mut waiting).into_iter().rev() {
            let mut items = items.into_iter();
            loop {
                let batch: Vec<Item> = items.by_ref().take(options.batch_items).collect();
                if batch.is_empty() {
                    break;
                }
                batches.push((class, batch));
            }
        }
        since = None;
        if !batches.is_empty() {
            append(spool, batches, counters, now, &give_up);
            appended.send_modify(|count| *count += 1);
        }
    }
}

fn append(
    spool: &Spool,
    batches: Vec<(Class, Vec<Item>)>,
    counters: &Counters,
    now: fn() -> Timestamp,
    give_up: &impl Fn() -> bool,
) {
    let count = |batches: &[(Class, Vec<Item>)]| batches.iter().map(|(_, items)| items.len() as u64).sum::<u64>();
    let lose = |lost: &[(Class, Vec<Item>)], error: &SpoolError| {
        counters.lost.fetch_add(count(lost), Ordering::Relaxed);
        error!(%error, items = count(lost), "items are lost");
    };
    let mut work = vec![batches];
    let mut refused = 0u64;
    while let Some(batches) = work.pop() {
        match spool.append(&batches, now()) {
            Ok(()) => {
                counters.spooled.fetch_add(count(&batches), Ordering::Relaxed);
                if refused > 0 {
                    info!("the spool takes items again");
                    refused = 0;
                }
            }
            // Too long together, or one of them is not as it should be: halves, and halves of those, find the one.
            Err(error @ SpoolError::Envelope(EnvelopeError::TooLong { .. } | EnvelopeError::Field { .. })) => {
                match halves(batches) {
                    Ok((first, second)) => work.extend([second, first]),
                    Err(single) => lose(&single, &error),
                }
            }
            Err(error @ (SpoolError::Full { .. } | SpoolError::Envelope(_))) => lose(&batches, &error),
            Err(error) => {
                counters.refused.fetch_add(1, Ordering::Relaxed);
                if refused == 0 {
                    error!(%error, "the spool takes nothing; waiting");
                }
                refused += 1;
                if give_up() {
                    lose(&batches, &error);
                    continue;
                }
                std::thread::sleep(RETRY);
                work.push(batches);
            }
        }
    }
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
        let options = Options { batch_items: 10, batch_wait: Duration::from_secs(60) };
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
}
