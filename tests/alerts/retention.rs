//! What a hub forgets, and what it does not: the alerts come out as if nothing had been forgotten.

use super::*;
use daen::hub::retire::retire;
use daen::hub::store::retention::Retention;

/// Half of the story, at which it may be forgotten what was read.
fn first_half(journal: &mut Journal) {
    border(journal);
    let copy = Cell { ppb: 900.0, frame: 500_000, ..licensed()[0].clone() };
    for second in (200..400).step_by(20) {
        journal.hear("poipet-south", &copy, second);
    }
}

fn second_half(journal: &mut Journal) {
    for second in (400..4000).step_by(300) {
        POLES.iter().for_each(|(pole, ..)| journal.health(pole, second));
    }
    for second in (4000..4100).step_by(10) {
        journal.hear("aran-north", &blaster(1009), second);
        journal.find("aran-north", &blaster(1009), second + 3, &BLASTER);
    }
}

fn everything(book: &Book) -> String {
    let (alerts, events) = (book.alerts(Filter::All, 1000).unwrap(), book.events_after(0, 100_000).unwrap());
    format!("{alerts:?}\n{events:?}\n{:?}\n{:?}", book.emitters().unwrap(), book.places().unwrap())
}

#[test]
fn a_hub_that_forgets_goes_on_to_the_same_alerts_and_their_evidence_stays() {
    let mut whole = Hub::with(register());
    first_half(&mut whole.journal);
    whole.think();
    second_half(&mut whole.journal);
    whole.think();

    let mut hub = Hub::with(register());
    first_half(&mut hub.journal);
    let store = hub.journal.store.clone();
    let all = store.items_after(0, 100_000).unwrap().len();
    let at_once = Retention { age: Some(Nanos(1)), octets: None };
    let late = hub.journal.at(100_000);
    let retired = retire(&store, &hub.book, &at_once, late).unwrap();
    assert_eq!(retired.envelopes, 0, "the analysis has read nothing yet");
    hub.think();
    let retired = retire(&store, &hub.book, &at_once, late).unwrap();
    let left = store.items_after(0, 100_000).unwrap().len();
    println!("{all} items, {left} left after {retired:?}");
    assert!(retired.envelopes > 20 && retired.held >= 1 && left < all / 2, "{retired:?}, {left} of {all}");
    // What the open alert's lines rest on can still be shown as it was signed.
    let rests_on = |hub: &Hub| {
        let alerts = hub.alerts();
        let rows: Vec<_> = alerts.iter().flat_map(|alert| alert.evidence.clone()).collect();
        rows.into_iter().filter_map(|row| row.origin).collect::<Vec<_>>()
    };
    assert!(!rests_on(&hub).is_empty());
    assert!(rests_on(&hub).iter().all(|origin| store.signed(origin).unwrap().is_some()));
    // The rest of the story comes, to a hub that was started again.
    hub.analysis = Analysis::open(hub.book.clone(), register()).unwrap();
    second_half(&mut hub.journal);
    hub.think();
    assert!(everything(&hub.book) == everything(&whole.book), "it forgot something that it still needed");

    // Closed by a person, what it rests on stays for 90 days and then goes; closed by itself it stays.
    let open: Vec<AlertId> = hub.alerts().iter().filter(|alert| alert.is_active()).map(|alert| alert.id).collect();
    assert!(!open.is_empty());
    for id in open {
        hub.book.act(id, Act::Close(Closing::Removed), "somebody", "", late).unwrap();
    }
    let handled = |hub: &Hub| -> Vec<_> {
        let alerts = hub.alerts();
        let handled = alerts.iter().filter(|alert| alert.handled_by.is_some());
        handled.flat_map(|alert| alert.evidence.clone()).filter_map(|row| row.origin).collect()
    };
    let day = |day: i64| late + Nanos::from_secs(86_400 * day);
    retire(&store, &hub.book, &at_once, day(89)).unwrap();
    assert!(handled(&hub).iter().all(|origin| store.signed(origin).unwrap().is_some()));
    retire(&store, &hub.book, &at_once, day(91)).unwrap();
    let unhandled: Vec<_> = rests_on(&hub).into_iter().filter(|origin| !handled(&hub).contains(origin)).collect();
    assert!(handled(&hub).iter().all(|origin| store.signed(origin).unwrap().is_none() || unhandled.contains(origin)));
    assert!(unhandled.iter().all(|origin| store.signed(origin).unwrap().is_some()));
}
