use super::*;
use crate::observation::Health;
use crate::observation::envelope::{check_chain, open};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn open_spool(folder: &Path, boot: u8, limit_octets: u64) -> Spool {
    let options = Options { node: "pole-1".parse().unwrap(), key: key(), limit_octets, boot: Octets(vec![boot; 16]) };
    Spool::open(folder, options).unwrap()
}

/// An item that is recognised by its number and takes some `size` octets.
fn item(number: u32, size: usize) -> Item {
    Item::Health(Box::new(Health { cells: number, warnings: vec!["x".repeat(size)], ..Health::default() }))
}

fn number(item: &Item) -> u32 {
    match item {
        Item::Health(health) => health.cells,
        other => panic!("{other:?}"),
    }
}

fn fill(spool: &Spool, class: Class, numbers: std::ops::Range<u32>, size: usize) {
    for n in numbers {
        spool.append(&[(class, vec![item(n, size)])], Timestamp(1)).unwrap();
    }
}

fn all(spool: &Spool) -> Vec<Pending> {
    spool.pending(&BTreeSet::new(), 100_000).unwrap()
}

fn ack(boot: u8, upto: u64, beyond: &[(u64, u64)]) -> Ack {
    let node = "pole-1".parse().unwrap();
    Ack { schema: SCHEMA, node, boot: Octets(vec![boot; 16]), upto, beyond: beyond.to_vec() }
}

/// Opens every envelope of one boot in order and checks the chain across tombstones; the numbers of items that are still there.
fn walk(spool: &Spool, boot: u8) -> (Vec<u32>, Vec<u64>) {
    let mut envelopes: Vec<_> = all(spool)
        .iter()
        .map(|pending| open(&pending.octets, |_| Some(key().verifying_key())).unwrap())
        .filter(|opened| opened.envelope.boot == Octets(vec![boot; 16]))
        .collect();
    envelopes.sort_by_key(|opened| opened.envelope.seq);
    let (mut numbers, mut lost, mut previous) = (vec![], vec![], chain_start());
    for opened in envelopes {
        check_chain(&previous, &opened.envelope).unwrap();
        previous = opened.sha256.clone();
        for item in &opened.envelope.items {
            match item {
                Item::Tombstone(tombstone) => {
                    assert_eq!(tombstone.seq, opened.envelope.seq);
                    previous = tombstone.sha256.clone();
                    lost.push(tombstone.seq);
                }
                item => numbers.push(number(item)),
            }
        }
    }
    (numbers, lost)
}

#[test]
fn only_an_acknowledgement_frees_and_what_is_freed_is_what_it_covers() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_spool(folder.path(), 1, 1 << 30);
    fill(&spool, Class::Observation, 1..9, 10);
    assert_eq!(spool.stats().envelopes, 8);
    assert_eq!(spool.release(&ack(2, 8, &[])).unwrap(), 0, "of another boot");
    assert_eq!(spool.release(&ack(1, 3, &[(5, 6)])).unwrap(), 5);
    assert_eq!(all(&spool).iter().map(|pending| pending.seq).collect::<Vec<_>>(), [4, 7, 8]);
    assert_eq!(spool.release(&ack(1, u64::MAX, &[])).unwrap(), 3);
    assert_eq!((spool.stats().envelopes, spool.stats().octets), (0, 0));
}

#[test]
fn after_a_restart_the_old_boots_envelopes_still_go_out_and_the_new_boot_counts_from_one() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_spool(folder.path(), 1, 1 << 30);
    fill(&spool, Class::Observation, 1..4, 10);
    let before = spool.stats();
    drop(spool);
    let spool = open_spool(folder.path(), 2, 1 << 30);
    assert_eq!(spool.stats(), before);
    fill(&spool, Class::Observation, 4..6, 10);
    let order: Vec<(u8, u64)> = all(&spool).iter().map(|pending| (pending.boot.0[0], pending.seq)).collect();
    assert_eq!(order, [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]);
    assert_eq!(walk(&spool, 1).0, [1, 2, 3]);
    assert_eq!(walk(&spool, 2).0, [4, 5]);
}

#[test]
fn findings_go_first_and_what_is_taken_is_not_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_spool(folder.path(), 1, 1 << 30);
    fill(&spool, Class::Observation, 1..6, 10);
    fill(&spool, Class::Finding, 6..8, 10);
    let seqs = |pending: &[Pending]| pending.iter().map(|p| p.seq).collect::<Vec<_>>();
    let first = spool.pending(&BTreeSet::new(), 3).unwrap();
    assert_eq!(seqs(&first), [6, 7, 1]);
    let taken = first.iter().map(|pending| pending.id).collect();
    assert_eq!(seqs(&spool.pending(&taken, 3).unwrap()), [2, 3, 4]);
}

#[test]
fn at_the_limit_the_least_valuable_goes_first_and_the_chain_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 70_000;
    let spool = open_spool(folder.path(), 1, limit);
    fill(&spool, Class::Finding, 0..10, 1000);
    fill(&spool, Class::Observation, 10..20, 1000);
    fill(&spool, Class::Routine, 20..30, 1000);
    fill(&spool, Class::Health, 30..40, 1000);
    assert_eq!(walk(&spool, 1).1, [0; 0]);
    fill(&spool, Class::Observation, 40..65, 1000);
    assert!(spool.stats().octets <= limit);
    let (numbers, lost) = walk(&spool, 1);
    // All licensed observations and then the oldest others are gone; findings and health stay.
    assert!(!lost.is_empty() && lost.len() as u64 == spool.stats().evicted);
    assert!((20..30).all(|n| !numbers.contains(&n)));
    assert!((0..10).chain(30..40).all(|n| numbers.contains(&n)));
    let observations: Vec<u32> = numbers.iter().copied().filter(|n| (10..20).contains(n) || *n >= 40).collect();
    let mut youngest: Vec<u32> = (10..20).chain(40..65).collect();
    youngest.drain(..youngest.len() - observations.len());
    assert_eq!(observations, youngest);
    // The count survives a restart.
    let stats = spool.stats();
    drop(spool);
    assert_eq!(open_spool(folder.path(), 2, limit).stats(), stats);
}

#[test]
fn a_spool_of_nothing_but_tombstones_says_so_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_spool(folder.path(), 1, 3000);
    let error = (0..100)
        .find_map(|n| spool.append(&[(Class::Finding, vec![item(n, 300)])], Timestamp(1)).err())
        .expect("the limit is reached");
    assert!(matches!(error, SpoolError::Full { .. }) && error.to_string().contains("spool.limit_octets"), "{error}");
    let before = walk(&spool, 1);
    assert!(spool.append(&[(Class::Health, vec![item(1, 3000)])], Timestamp(1)).is_err());
    assert_eq!(walk(&spool, 1), before);
    // Once the hub has answered there is room again, and the numbering has no hole.
    let next = before.0.len() + before.1.len();
    spool.release(&ack(1, 4, &[])).unwrap();
    spool.append(&[(Class::Finding, vec![item(7, 300)])], Timestamp(1)).unwrap();
    assert_eq!(all(&spool).iter().map(|p| p.seq).max(), Some(next as u64 + 1));
}

#[test]
fn two_processes_cannot_share_a_spool() {
    let folder = tempfile::tempdir().unwrap();
    let _held = open_spool(folder.path(), 1, 1 << 20);
    let options = Options { node: "pole-1".parse().unwrap(), key: key(), limit_octets: 1 << 20, boot: new_boot() };
    let error = Spool::open(folder.path(), options).unwrap_err();
    assert!(matches!(error, SpoolError::InUse { .. }), "{error}");
}

#[test]
fn a_damaged_file_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.sqlite");
    let spool = open_spool(folder.path(), 1, 1 << 30);
    fill(&spool, Class::Observation, 0..200, 2000);
    drop(spool);
    let mut octets = std::fs::read(&path).unwrap();
    let middle = octets.len() / 2;
    octets[middle..middle + 40_000].fill(0xa5);
    std::fs::write(&path, &octets).unwrap();
    for garbage in [octets, b"no database at all, but long enough to be taken for one by its size alone".to_vec()] {
        std::fs::write(&path, &garbage).unwrap();
        let options = Options { node: "pole-1".parse().unwrap(), key: key(), limit_octets: 1 << 20, boot: new_boot() };
        let error = Spool::open(folder.path(), options).unwrap_err();
        assert!(matches!(error, SpoolError::Damaged { .. }) && error.to_string().contains(".recover"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), garbage);
    }
}

#[test]
fn a_full_disk_is_an_error_and_the_same_append_succeeds_later() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_spool(folder.path(), 1, 1 << 30);
    fill(&spool, Class::Observation, 0..3, 100);
    // SQLite's page limit stands for the disk's: both end in SQLITE_FULL.
    let pages = |most: i64| {
        let guard = spool.lock();
        guard.connection.query_row(&format!("PRAGMA max_page_count={most}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    pages(8);
    let batch = [(Class::Finding, vec![item(3, 100_000)])];
    let error = spool.append(&batch, Timestamp(1)).unwrap_err();
    assert!(error.to_string().contains("disk has space"), "{error}");
    assert_eq!(spool.stats().envelopes, 3);
    pages(1 << 30);
    spool.append(&batch, Timestamp(1)).unwrap();
    assert_eq!(walk(&spool, 1).0, [0, 1, 2, 3]);
}

/// SQLite's own limit on the pages of a file: beyond it, it says that the disk is full, as it does on a disk that is.
fn limit_pages(spool: &Spool, pages: u32) {
    spool.lock().connection.pragma_update(None, "max_page_count", pages).unwrap();
}

#[test]
fn a_full_disk_evicts_the_least_valuable_and_takes_what_is_new_and_every_finding_stays() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_spool(folder.path(), 1, 1 << 30);
    limit_pages(&spool, 1000);
    // 4 MB of disk; 9 MB of routine, observations and findings in turn.
    for n in 0..250 {
        fill(&spool, Class::Routine, 10 * n..10 * n + 6, 3000);
        fill(&spool, Class::Observation, 10 * n + 6..10 * n + 9, 3000);
        fill(&spool, Class::Finding, 10 * n + 9..10 * n + 10, 3000);
    }
    let (kept, lost) = walk(&spool, 1);
    let findings = (0..250).filter(|n| kept.contains(&(10 * n + 9))).count();
    assert_eq!(findings, 250, "evidence is evicted last");
    assert!(kept.contains(&2498) && lost.len() > 1000, "{} kept, {} lost", kept.len(), lost.len());
    let observations = kept.iter().filter(|n| (6..9).contains(&(*n % 10))).count();
    let routine = kept.iter().filter(|n| *n % 10 < 6).count();
    assert!(observations > 2 * routine, "{observations} observations, {routine} of routine");
    let stats = spool.stats();
    assert_eq!((stats.envelopes, stats.evicted), (2500, lost.len() as u64), "each loss has its tombstone");
    // The disk has space again: the whole limit holds again.
    limit_pages(&spool, 1_000_000);
    assert!(spool.recover() && spool.reserve.is_file());
    let evicted = spool.stats().evicted;
    fill(&spool, Class::Routine, 5000..5600, 3000);
    assert_eq!(spool.stats().evicted, evicted);
}

#[test]
fn a_spool_whose_disk_takes_nothing_at_all_says_so_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open_spool(folder.path(), 1, 1 << 30);
    fill(&spool, Class::Observation, 0..20, 1000);
    limit_pages(&spool, 1);
    let error = spool.append(&[(Class::Finding, vec![item(99, 60_000)])], Timestamp(2)).unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    limit_pages(&spool, 100_000);
    spool.append(&[(Class::Finding, vec![item(99, 60_000)])], Timestamp(3)).unwrap();
    assert_eq!(walk(&spool, 1).0.last(), Some(&99), "no number was used up, nothing is double");
}
