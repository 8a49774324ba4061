use super::*;
use crate::cell::Rat;
use crate::hub::store::tests::{pole, store};
use crate::observation::envelope::iq::pack;

const CELL: CellKey = CellKey { rat: Rat::Gsm, center_hz: 947_400_000, id: 33 };
const AT: Timestamp = Timestamp(1_795_000_000_000_000_000);

fn second(second: i64) -> Timestamp {
    AT + Nanos::from_secs(second)
}

fn whole(length: usize, seed: u8) -> (Manifest, Vec<u8>) {
    let samples: Vec<i8> = (0..length).map(|n| (n as u8).wrapping_mul(7).wrapping_add(seed) as i8).collect();
    let octets = pack(&samples, &[0..100, 150..length / 2]);
    let manifest = Manifest {
        cell: CELL,
        at_ns: AT,
        stream: "s".to_owned(),
        center_hz: 947.4e6,
        rate_hz: 5e5,
        start_ns: AT,
        samples: length as u64 / 2,
        scale: 0.5,
        octets: octets.len() as u64,
        sha256: Octets(Sha256::digest(&octets).to_vec()),
    };
    (manifest, octets)
}

fn piece(event: &Octets, part: Part) -> Piece {
    Piece { schema: SCHEMA, node: pole(), event: event.clone(), part }
}

fn chunk(octets: &[u8], index: u32) -> Part {
    let octets = octets.chunks(CHUNK).nth(index as usize).unwrap().to_vec();
    Part::Chunk { index, octets: Octets(octets) }
}

fn announced(manifest: &Manifest) -> Part {
    Part::Manifest(Box::new(manifest.clone()))
}

#[test]
fn a_snippet_arrives_chunk_by_chunk_and_is_asked_for_again_from_where_it_broke() {
    let (folder, store) = store();
    let event = store.ask(7, &pole(), (CELL, AT), second(10)).unwrap();
    assert_eq!(store.ask(7, &pole(), (CELL, AT), second(10)).unwrap(), event, "asked once");
    let asks = store.asks_due(second(10)).unwrap();
    assert_eq!((asks.len(), asks[0].ask.clone(), asks[0].have, asks[0].at_ns), (1, event.clone(), 0, AT));
    assert!(store.asks_due(second(11)).unwrap().is_empty());
    let (manifest, octets) = whole(60_000, 1);
    let take = |store: &Store, part: Part, at: i64| store.take_piece(&piece(&event, part), &[1], second(at)).unwrap();
    assert_eq!(take(&store, chunk(&octets, 0), 12), Err(Unwanted { reason: "iq-no-manifest" }));
    assert_eq!(take(&store, announced(&manifest), 12), Ok(()));
    assert_eq!(take(&store, chunk(&octets, 0), 13), Ok(()));
    assert_eq!(take(&store, chunk(&octets, 2), 14), Ok(()));
    assert_eq!(store.snippets(7).unwrap()[0].state, SnippetState::Arriving);
    assert!(store.snippet(&event).unwrap().is_none());
    // The node falls silent, the hub starts again: what is there stays, the rest is asked for.
    drop(store);
    let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
    let asks = store.asks_due(second(80)).unwrap();
    assert_eq!((asks.len(), asks[0].have), (1, 1), "up to the hole");
    for index in 1..manifest.chunks() {
        assert_eq!(take(&store, chunk(&octets, index), 81), Ok(()));
    }
    let (snippet, samples) = store.snippet(&event).unwrap().unwrap();
    assert_eq!((snippet.state, snippet.octets), (SnippetState::Whole, octets.len() as u64));
    assert_eq!(samples.len(), 60_000);
    assert_eq!((&samples[200..300], samples[300]), ([0u8; 100].as_slice(), (300u32 * 7 + 1) as u8));
    assert!(store.asks_due(second(100_000)).unwrap().is_empty(), "nothing is missing");
    assert_eq!(take(&store, chunk(&octets, 0), 90), Ok(()), "a repetition does no harm");
}

#[test]
fn what_was_not_asked_for_or_is_altered_is_refused_and_an_altered_whole_is_asked_for_again() {
    let (_folder, store) = store();
    let (manifest, octets) = whole(60_000, 1);
    let unknown = piece(&Octets(vec![3; 16]), announced(&manifest));
    assert_eq!(store.take_piece(&unknown, &[], second(0)).unwrap(), Err(Unwanted { reason: "iq-not-asked" }));
    let event = store.ask(7, &pole(), (CELL, AT), second(0)).unwrap();
    store.asks_due(second(0)).unwrap();
    let take = |part: Part| store.take_piece(&piece(&event, part), &[], second(1)).unwrap();
    let foreign = Piece { node: "pole-2".parse().unwrap(), ..piece(&event, announced(&manifest)) };
    assert_eq!(store.take_piece(&foreign, &[], second(1)).unwrap(), Err(Unwanted { reason: "iq-not-asked" }));
    let other = Manifest { cell: CellKey { id: 34, ..CELL }, ..manifest.clone() };
    assert_eq!(take(announced(&other)), Err(Unwanted { reason: "iq-other-cell" }));
    assert_eq!(take(announced(&manifest)), Ok(()));
    let short = Part::Chunk { index: 0, octets: Octets(vec![1; 5]) };
    assert_eq!(take(short), Err(Unwanted { reason: "iq-chunk" }));
    let beyond = Part::Chunk { index: 60, octets: Octets(vec![1; CHUNK]) };
    assert_eq!(take(beyond), Err(Unwanted { reason: "iq-chunk" }));
    let mut altered = octets.clone();
    altered[1000] ^= 1;
    for index in 0..manifest.chunks() - 1 {
        assert_eq!(take(chunk(&altered, index)), Ok(()));
    }
    assert_eq!(take(chunk(&altered, manifest.chunks() - 1)), Err(Unwanted { reason: "iq-hash" }));
    assert!(store.snippet(&event).unwrap().is_none());
    let asks = store.asks_due(second(70)).unwrap();
    assert_eq!((asks.len(), asks[0].have), (1, 0), "from the beginning");
    // The node cut it again and it came out otherwise: what was there of the first is not mixed with it.
    let (second_manifest, second_octets) = whole(50_000, 9);
    assert_eq!(take(announced(&manifest)), Ok(()));
    assert_eq!(take(chunk(&octets, 0)), Ok(()));
    assert_eq!(take(announced(&second_manifest)), Ok(()));
    for index in 0..second_manifest.chunks() {
        assert_eq!(take(chunk(&second_octets, index)), Ok(()));
    }
    assert_eq!(store.snippet(&event).unwrap().unwrap().1.len(), 50_000);
}

#[test]
fn what_does_not_fit_the_quota_is_not_taken_and_what_was_withheld_may_be_asked_for_again() {
    let (_folder, store) = store();
    let (manifest, _) = whole(60_000, 1);
    let event = store.ask(7, &pole(), (CELL, AT), second(0)).unwrap();
    store.asks_due(second(0)).unwrap();
    let mut writer = lock(&store.inner.writer);
    let announced = piece(&event, announced(&manifest));
    assert_eq!(take(&mut writer.connection, &announced, &[], second(1), 1000).unwrap(), Ok(()));
    drop(writer);
    let snippet = store.snippets(7).unwrap().remove(0);
    assert_eq!(snippet.state, SnippetState::Withheld);
    assert!(snippet.detail.contains("1000") && snippet.detail.contains("no room"), "{}", snippet.detail);
    assert!(store.asks_due(second(100)).unwrap().is_empty());
    store.ask(7, &pole(), (CELL, AT), second(100)).unwrap();
    assert_eq!(store.asks_due(second(100)).unwrap().len(), 1);
    let withheld = piece(&event, Part::Withheld("the samples were given up".to_owned()));
    assert_eq!(store.take_piece(&withheld, &[], second(101)).unwrap(), Ok(()));
    let snippet = store.snippets(7).unwrap().remove(0);
    assert_eq!((snippet.state, snippet.detail.as_str()), (SnippetState::Withheld, "the samples were given up"));
    // A node that says nothing for a day.
    store.ask(7, &pole(), (CELL, AT), second(200)).unwrap();
    assert_eq!(store.asks_due(second(260)).unwrap().len(), 1);
    assert!(store.asks_due(second(90_000)).unwrap().is_empty());
    assert_eq!(store.snippets(7).unwrap()[0].state, SnippetState::Silent);
}
