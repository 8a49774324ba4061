use super::*;
use crate::cell::{CellKey, Rat};
use crate::observation::envelope::{Envelope, chain_start, hash, open, seal};
use crate::observation::{CarrierError, Clock, ClockSource, Level, Observation, ReceiverState, Tombstone};
use crate::units::{Db, Dbfs, Hz, Ppb};
use ed25519_dalek::SigningKey;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(super) fn observation(number: i64) -> Item {
    Item::Observation(Box::new(Observation {
        at_ns: Timestamp(number),
        first_ns: Timestamp(0),
        clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
        position: None,
        cell: CellKey { rat: Rat::Gsm, center_hz: 947_000_000, id: 48 },
        identity: None,
        level: Level { dbfs: Dbfs(-40.0), dbm: None, sigma_db: Db(1.0) },
        snr_db: Db(20.0),
        carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(0.0), sigma_ppb: Ppb(1.0) },
        timing: None,
        bearing: None,
        broadcast: vec![],
        fields: None,
        content_sha256: None,
        receiver: ReceiverState::default(),
    }))
}

/// Envelopes 1..=count of one boot of "pole-1", each with the items that `items` gives for its number.
pub(super) fn chain(boot: u8, count: u64, items: impl Fn(u64) -> Vec<Item>) -> Vec<Received> {
    let mut prev = chain_start();
    let make = |seq| {
        let envelope = Envelope {
            schema: SCHEMA,
            node: "pole-1".parse().unwrap(),
            boot: Octets(vec![boot; 16]),
            seq,
            prev: prev.clone(),
            sent_ns: Timestamp(seq as i64),
            items: items(seq),
        };
        let octets = seal(&envelope, &key()).unwrap();
        prev = hash(&octets);
        receive(octets)
    };
    (1..=count).map(make).collect()
}

fn receive(octets: Vec<u8>) -> Received {
    let opened = open(&octets, |_| Some(key().verifying_key())).unwrap();
    Received { opened, octets, received_ns: Timestamp(1000) }
}

fn tombstone_of(lost: &Received) -> Received {
    let envelope = &lost.opened.envelope;
    let items = vec![Item::Tombstone(Tombstone {
        seq: envelope.seq,
        sha256: lost.opened.sha256.clone(),
        items: envelope.items.len() as u32,
    })];
    receive(seal(&Envelope { items, ..envelope.clone() }, &key()).unwrap())
}

pub(super) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
    (folder, store)
}

fn refusal(node: &str, at: i64) -> Refusal {
    let problem = "the signature is bad".to_owned();
    Refusal { node: node.to_owned(), reason: "bad-signature", problem, octets: vec![1; 9000], at_ns: Timestamp(at) }
}

pub(super) fn pole() -> NodeId {
    "pole-1".parse().unwrap()
}

#[test]
fn items_come_back_in_the_order_of_the_journal_with_their_origin() {
    let (_folder, store) = store();
    let newest = store.newest();
    let batch = chain(1, 3, |seq| vec![observation(seq as i64 * 10), observation(seq as i64 * 10 + 1)]);
    assert_eq!(store.insert(&batch).unwrap(), [Outcome::Stored; 3]);
    assert_eq!(*newest.borrow(), 6);
    let items = store.items_after(1, 3).unwrap();
    assert_eq!(items.iter().map(|item| item.row).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(items[0].origin, Origin { node: pole(), boot: Octets(vec![1; 16]), seq: 1, index: 1 });
    assert_eq!(items[2].item, observation(21));
    assert_eq!(items[2].received_ns, Timestamp(1000));
    assert_eq!(store.signed(&items[0].origin).unwrap().as_ref(), Some(&batch[0].octets));
    assert!(store.items_after(6, 10).unwrap().is_empty());
}

#[test]
fn an_envelope_that_arrives_again_is_known_and_adds_nothing() {
    let (folder, store) = store();
    let batch = chain(1, 4, |seq| vec![observation(seq as i64)]);
    store.insert(&batch).unwrap();
    assert_eq!(store.insert(&batch[1..3]).unwrap(), [Outcome::Known; 2]);
    // Nor does it after a restart, when nothing is left in memory.
    drop(store);
    let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
    assert_eq!(store.insert(&batch).unwrap(), [Outcome::Known; 4]);
    assert_eq!(store.items_after(0, 100).unwrap().len(), 4);
    assert_eq!(store.ack(&pole(), &Octets(vec![1; 16])).unwrap().upto, 4);
}

#[test]
fn the_watermark_stops_at_a_hole_and_names_what_lies_beyond() {
    let (folder, store) = store();
    let batch = chain(1, 7, |seq| vec![observation(seq as i64)]);
    let boot = Octets(vec![1; 16]);
    store.insert(&[batch[0].clone(), batch[2].clone(), batch[3].clone(), batch[6].clone()]).unwrap();
    let ack = store.ack(&pole(), &boot).unwrap();
    assert_eq!((ack.upto, ack.beyond.as_slice()), (1, [(3, 4), (7, 7)].as_slice()));
    assert!(ack.covers(4) && !ack.covers(5) && ack.covers(1));
    drop(store);
    let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
    assert_eq!(store.ack(&pole(), &boot).unwrap(), ack);
    store.insert(&[batch[1].clone()]).unwrap();
    assert_eq!(store.ack(&pole(), &boot).unwrap().upto, 4);
    assert_eq!(store.latest_acks().unwrap(), [store.ack(&pole(), &boot).unwrap()]);
}

#[test]
fn a_tombstone_closes_the_hole_and_keeps_the_chain_whole() {
    let (_folder, store) = store();
    let batch = chain(1, 3, |seq| vec![observation(seq as i64)]);
    let late = [batch[0].clone(), tombstone_of(&batch[1]), batch[2].clone()];
    assert_eq!(store.insert(&late).unwrap(), [Outcome::Stored; 3]);
    assert_eq!(store.ack(&pole(), &Octets(vec![1; 16])).unwrap().upto, 3);
    let status = &store.nodes().unwrap()[0];
    assert_eq!((status.envelopes, status.evicted, status.unlinked), (2, 1, 0));
    // The envelope itself was on its way after all: it takes the tombstone's place.
    assert_eq!(store.insert(&batch[1..2]).unwrap(), [Outcome::Known]);
    let items: Vec<Item> = store.items_after(0, 10).unwrap().into_iter().map(|stored| stored.item).collect();
    assert_eq!(items, [observation(1), observation(3), observation(2)]);
    assert_eq!(store.nodes().unwrap()[0].evicted, 0);
}

#[test]
fn another_content_under_a_stored_number_is_a_conflict() {
    let (_folder, store) = store();
    store.insert(&chain(1, 2, |seq| vec![observation(seq as i64)])).unwrap();
    let other = chain(1, 2, |seq| vec![observation(seq as i64 + 100)]);
    assert_eq!(store.insert(&other).unwrap(), [Outcome::Conflict; 2]);
    assert_eq!(store.items_after(0, 10).unwrap().len(), 2);
}

#[test]
fn an_envelope_that_does_not_fit_its_neighbour_is_marked() {
    let (_folder, store) = store();
    let right = chain(1, 3, |seq| vec![observation(seq as i64)]);
    let wrong = chain(1, 3, |seq| vec![observation(seq as i64 + 100)]);
    let batch = [right[0].clone(), wrong[1].clone()];
    assert_eq!(store.insert(&batch).unwrap(), [Outcome::Stored, Outcome::StoredUnlinked]);
    // Out of order the break shows at the neighbour that comes later.
    let batch = chain(2, 3, |seq| vec![observation(seq as i64)]);
    let wrong = chain(2, 3, |seq| vec![observation(seq as i64 + 100)]);
    assert_eq!(store.insert(&[batch[2].clone(), wrong[1].clone()]).unwrap()[1], Outcome::StoredUnlinked);
    assert_eq!(store.nodes().unwrap()[0].unlinked, 2);
}

#[test]
fn states_health_and_refusals_are_told_by_node() {
    let (_folder, store) = store();
    let health =
        |at: i64| Item::Health(Box::new(Health { at_ns: Timestamp(at), cells: at as u32, ..Health::default() }));
    store.insert(&chain(1, 2, |seq| vec![health(20 - seq as i64)])).unwrap();
    store.set_online(&pole(), true, Timestamp(5)).unwrap();
    store.refuse(&[refusal("pole-1", 6)]).unwrap();
    let status = &store.nodes().unwrap()[0];
    assert_eq!((status.online, status.state_ns, status.refused), (Some(true), Some(Timestamp(5)), 1));
    assert_eq!(status.last_received_ns, Some(Timestamp(1000)));
    assert_eq!(status.health.as_ref().unwrap().cells, 19);
    store.insert(&chain(2, 1, |_| vec![health(3)])).unwrap();
    let cells = store.nodes().unwrap()[0].health.as_ref().unwrap().cells;
    assert_eq!(cells, 19, "an older report does not replace a newer one");
}

#[test]
fn the_quarantine_keeps_the_newest_and_counts_all() {
    let (_folder, store) = store();
    for number in 0..MAX_QUARANTINE + 5 {
        store.refuse(&[refusal("(unknown)", number)]).unwrap();
    }
    let connection = store.connect().unwrap();
    let kept: (i64, String) = connection
        .query_row("SELECT count(*), min(at_ns) FROM quarantine", [], |r| {
            Ok((r.get(0)?, r.get::<_, i64>(1)?.to_string()))
        })
        .unwrap();
    assert_eq!(kept, (MAX_QUARANTINE, "5".to_owned()));
    let counted: i64 = connection.query_row("SELECT count FROM refusals", [], |r| r.get(0)).unwrap();
    assert_eq!(counted, MAX_QUARANTINE + 5);
}

#[test]
fn a_file_of_another_version_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version=9").unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("version 9") && error.contains("another file"), "{error}");
    std::fs::write(&path, b"this is not a database, but it is long enough to be taken for one").unwrap();
    assert!(Store::open(&path).is_err());
}

#[test]
fn a_copy_made_while_the_store_is_written_is_one_moment_of_it_and_serves_as_a_store() {
    let (folder, store) = store();
    let envelopes = chain(1, 60, |seq| vec![observation(seq as i64)]);
    store.insert(&envelopes[..20]).unwrap();
    let path = folder.path().join("hub.sqlite");
    let copies: Vec<std::path::PathBuf> = (0..4).map(|i| folder.path().join(format!("copy-{i}.sqlite"))).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| envelopes[20..].iter().for_each(|one| drop(store.insert(std::slice::from_ref(one)).unwrap())));
        for copy in &copies {
            let content = backup::copy(&path, copy).unwrap();
            let whole = Store::open(copy).unwrap().items_after(0, 100).unwrap();
            assert!((20..=60).contains(&content.envelopes) && content.alerts == 0, "{content:?}");
            assert_eq!(whole.len() as u64, content.envelopes);
        }
    });
    let last = backup::copy(&path, &folder.path().join("last.sqlite")).unwrap();
    assert_eq!(last.envelopes, 60);
    let restored = folder.path().join("elsewhere/hub.sqlite");
    backup::restore(&folder.path().join("last.sqlite"), &restored).unwrap();
    assert_eq!(Store::open(&restored).unwrap().items_after(0, 100).unwrap(), store.items_after(0, 100).unwrap());
}

#[test]
fn a_hub_that_goes_on_from_an_older_copy_acknowledges_what_comes_after_the_hole() {
    let (folder, store) = store();
    let envelopes = chain(1, 9, |seq| vec![observation(seq as i64)]);
    store.insert(&envelopes[..3]).unwrap();
    let copy = folder.path().join("copy.sqlite");
    backup::copy(&folder.path().join("hub.sqlite"), &copy).unwrap();
    // The node has forgotten 4 to 6, which the hub had acknowledged before its disk died.
    store.insert(&envelopes[3..6]).unwrap();
    let restored = folder.path().join("new/hub.sqlite");
    backup::restore(&copy, &restored).unwrap();
    let store = Store::open(&restored).unwrap();
    assert_eq!(store.insert(&envelopes[6..]).unwrap(), [Outcome::Stored; 3]);
    let ack = store.ack(&pole(), &Octets(vec![1; 16])).unwrap();
    assert_eq!((ack.upto, ack.beyond), (3, vec![(7, 9)]));
}

#[test]
fn a_copy_replaces_nothing_and_what_is_no_whole_store_is_not_taken_back() {
    let (folder, store) = store();
    store.insert(&chain(1, 30, |seq| vec![observation(seq as i64)])).unwrap();
    let (path, copy) = (folder.path().join("hub.sqlite"), folder.path().join("copy.sqlite"));
    let said = |done: Result<backup::Content, backup::BackupError>| done.unwrap_err().to_string();
    assert!(said(backup::copy(&folder.path().join("absent"), &copy)).contains("absent"));
    assert!(said(backup::copy(&path, &folder.path().join("none/copy"))).contains("check that the folder is there"));
    backup::copy(&path, &copy).unwrap();
    assert!(said(backup::copy(&path, &copy)).contains("exists already"));
    assert!(said(backup::restore(&copy, &path)).contains("stop the hub"));
    let new = folder.path().join("new/hub.sqlite");
    let octets = std::fs::read(&copy).unwrap();
    let damaged = folder.path().join("damaged");
    for (problem, octets) in [
        ("no store", b"not a database, and long enough to be looked at as one".to_vec()),
        ("cut", octets[..octets.len() / 2].to_vec()),
        ("overwritten", octets.iter().enumerate().map(|(i, &o)| if i > 4096 { !o } else { o }).collect()),
    ] {
        std::fs::write(&damaged, octets).unwrap();
        assert!(backup::restore(&damaged, &new).is_err(), "{problem}");
        assert!(!new.exists(), "{problem}");
    }
    rusqlite::Connection::open(&copy).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(said(backup::restore(&copy, &new)).contains("version 9"));
    // A journal of the store that was there would be replayed into the copy.
    std::fs::create_dir(folder.path().join("new")).unwrap();
    std::fs::write(folder.path().join("new/hub.sqlite-wal"), b"x").unwrap();
    let whole = folder.path().join("whole.sqlite");
    backup::copy(&path, &whole).unwrap();
    assert!(said(backup::restore(&whole, &new)).contains("hub.sqlite-wal: exists already"));
}
