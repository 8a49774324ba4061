use super::*;
use crate::hub::store::tests::{chain, observation, pole, store};
use crate::hub::store::{Outcome, Received};

fn at(day: i64) -> Timestamp {
    Timestamp(0) + Nanos::from_secs(86_400 * day)
}

/// Envelope `n` of the boot arrives on day `n`, with ten items.
fn arrivals(boot: u8, count: u64) -> Vec<Received> {
    let mut all = chain(boot, count, |seq| (0..10).map(|n| observation(seq as i64 * 10 + n)).collect());
    for received in &mut all {
        received.received_ns = at(received.opened.envelope.seq as i64);
    }
    all
}

fn rows(store: &Store) -> Vec<i64> {
    store.items_after(0, 10_000).unwrap().iter().map(|item| item.row).collect()
}

#[test]
fn what_is_older_than_the_limit_goes_and_what_is_not_read_yet_or_rested_on_stays() {
    let (_folder, store) = store();
    let all = arrivals(1, 20);
    store.insert(&all).unwrap();
    let thirty = Retention { age: Some(Nanos::from_secs(86_400 * 30)), octets: None };
    assert_eq!(store.retire(&thirty, &BTreeSet::new(), 200, at(25)).unwrap().envelopes, 0, "all are younger");
    // On day 40 the first nine are too old; the analysis has read seven of them, and an alert rests on the third.
    let held = BTreeSet::from([(pole(), Octets(vec![1; 16]), 3)]);
    let retired = store.retire(&thirty, &held, 70, at(40)).unwrap();
    assert_eq!((retired.envelopes, retired.items, retired.held), (6, 60, 1));
    let left: Vec<i64> = (21..=30).chain(71..=200).collect();
    assert_eq!(rows(&store), left);
    assert_eq!(store.signed(&store.items_after(20, 1).unwrap()[0].origin).unwrap().as_ref(), Some(&all[2].octets));
    // Later the alert is closed and everything is read.
    let retired = store.retire(&thirty, &BTreeSet::new(), 200, at(40)).unwrap();
    assert_eq!((retired.envelopes, retired.held), (3, 0));
    assert_eq!(rows(&store), (91..=200).collect::<Vec<i64>>());
}

#[test]
fn what_was_given_up_is_still_acknowledged_and_does_not_come_back() {
    let (folder, store) = store();
    let all = arrivals(1, 20);
    store.insert(&all[..18]).unwrap();
    let ten = Retention { age: Some(Nanos::from_secs(86_400 * 10)), octets: None };
    assert_eq!(store.retire(&ten, &BTreeSet::new(), 180, at(25)).unwrap().envelopes, 14);
    for store in [store, Store::open(folder.path().join("hub.sqlite")).unwrap()] {
        assert_eq!(store.ack(&pole(), &Octets(vec![1; 16])).unwrap().upto, 18);
        assert_eq!(store.insert(&all[..3]).unwrap(), [Outcome::Known; 3]);
        assert_eq!(rows(&store).first(), Some(&141));
    }
    // The chain goes on, in rows that were never used.
    let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
    assert_eq!(store.insert(&all[18..]).unwrap(), [Outcome::Stored; 2]);
    assert_eq!(rows(&store).last(), Some(&200));
    // Even where nothing at all is left.
    store.retire(&Retention { octets: Some(0), age: None }, &BTreeSet::new(), 200, at(25)).unwrap();
    assert!(rows(&store).is_empty());
    drop(store);
    let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
    store.insert(&arrivals(2, 1)).unwrap();
    assert_eq!(rows(&store), (201..=210).collect::<Vec<i64>>());
}

#[test]
fn a_store_that_is_too_large_gives_up_the_oldest_first_and_its_pages_are_used_again() {
    let (folder, store) = store();
    let all = arrivals(1, 900);
    store.insert(&all[..600]).unwrap();
    let size = || std::fs::metadata(folder.path().join("hub.sqlite")).unwrap().len();
    let none = BTreeSet::new();
    let whole = store.retire(&Retention::default(), &none, 6000, at(900)).unwrap();
    assert_eq!(whole.envelopes, 0, "nothing is given up where nothing says so");
    let half = Retention { age: None, octets: Some(whole.octets / 2) };
    let retired = store.retire(&half, &none, 6000, at(900)).unwrap();
    assert!(retired.octets <= whole.octets / 2 && retired.envelopes >= 256, "{retired:?}");
    let left = rows(&store);
    assert_eq!(
        (left.first(), left.last()),
        (Some(&(retired.envelopes as i64 * 10 + 1)), Some(&6000)),
        "the newest stay"
    );
    // Whoever closes the file last writes everything into it.
    drop(store);
    let before = size();
    let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
    store.insert(&all[600..800]).unwrap();
    drop(store);
    assert!(size() <= before + before / 10, "{before} octets grew to {}", size());
}
