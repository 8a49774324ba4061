//! What survives: batches of any size, restarts, failures half way, kill -9.

use super::*;

/// A long and mixed journal: blaster, clone, silence, return, health, two nodes out of order.
fn mixed(journal: &mut Journal) {
    border(journal);
    let copy = Cell { ppb: 900.0, frame: 500_000, ..licensed()[0].clone() };
    for second in (200..400).step_by(20) {
        journal.hear("poipet-south", &copy, second);
        journal.hear("aran-east", &licensed()[0], second - 50);
    }
    for second in (400..4000).step_by(300) {
        POLES.iter().for_each(|(pole, ..)| journal.health(pole, second));
    }
    for second in (4000..4100).step_by(10) {
        journal.hear("aran-north", &blaster(1009), second);
    }
}

/// Everything that the analysis wrote, as text.
fn everything(book: &Book) -> String {
    let alerts = book.alerts(Filter::All, 1000).unwrap();
    let events = book.events_after(0, 100_000).unwrap();
    let emitters = book.emitters().unwrap();
    assert!(alerts.len() >= 2 && events.iter().any(|event| event.kind == EventKind::Reopened));
    let places = book.places().unwrap();
    format!(
        "{}\n{}\n{emitters:?}\n{places:?}",
        serde_json::to_string_pretty(&alerts).unwrap(),
        serde_json::to_string_pretty(&events).unwrap()
    )
}

#[test]
fn the_same_journal_gives_the_same_alerts_for_any_size_of_batch_and_any_number_of_restarts() {
    let mut hub = Hub::with(register());
    mixed(&mut hub.journal);
    hub.think();
    let expected = everything(&hub.book);
    for size in [1, 7, 1000] {
        let mut other = Hub::with(register());
        mixed(&mut other.journal);
        loop {
            // A new analysis for each batch: all it knows comes from the disk.
            let mut analysis = Analysis::open(other.book.clone(), register()).unwrap();
            let items = whole_envelopes(&other.journal.store, analysis.cursor(), size).unwrap();
            if items.is_empty() {
                // Places what is still due.
                analysis.catch_up(&other.journal.store).unwrap();
                break;
            }
            analysis.process(&items).unwrap();
        }
        assert!(everything(&other.book) == expected, "batches of {size} differ");
    }
}

#[test]
fn a_batch_that_fails_half_way_leaves_nothing_behind_and_is_read_again() {
    let mut hub = Hub::with(register());
    border(&mut hub.journal);
    let items = hub.journal.store.items_after(0, 10_000).unwrap();
    // Breaks the table that is written last, so that everything before it is already done in the transaction.
    let connection = hub.journal.store.connect().unwrap();
    connection.execute_batch("ALTER TABLE places RENAME TO gone").unwrap();
    hub.analysis.process(&items).unwrap_err();
    assert_eq!((hub.alerts().len(), hub.book.emitters().unwrap().len()), (0, 0));
    connection.execute_batch("ALTER TABLE gone RENAME TO places").unwrap();
    hub.analysis.process(&items).unwrap();
    assert_eq!(hub.kinds()[0], EventKind::Opened);
    assert_eq!(hub.analysis.process(&items).unwrap(), [], "items before the cursor are not taken twice");
    hub.alert();
}

/// Not a test by itself: the process that the next test kills. Says a line for every item that it looks up.
#[test]
fn analysis_to_be_killed() {
    let Ok(path) = std::env::var("DAEN_TEST_STORE") else { return };
    let store = Store::open(path).unwrap();
    let book = Book::open(&store).unwrap();
    let lookup = register().licence.unwrap();
    let talking = move |observation: &Observation| {
        println!("item");
        lookup(observation)
    };
    let config = AnalysisConfig { licence: Some(Arc::new(talking)), ..AnalysisConfig::default() };
    let mut analysis = Analysis::open(book, config).unwrap();
    loop {
        let items = whole_envelopes(&store, analysis.cursor(), 20).unwrap();
        if items.is_empty() {
            analysis.catch_up(&store).unwrap();
            break;
        }
        analysis.process(&items).unwrap();
    }
    println!("finished");
}

#[test]
fn kill_9_in_the_middle_of_the_analysis_neither_loses_nor_doubles_an_alert() {
    let mut hub = Hub::with(register());
    mixed(&mut hub.journal);
    hub.think();
    let expected = everything(&hub.book);

    let mut victim = Hub::with(register());
    mixed(&mut victim.journal);
    let path = victim.folder.path().join("hub.sqlite");
    let mut kills = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "restarts::analysis_to_be_killed", "--nocapture", "--test-threads=1"])
            .env("DAEN_TEST_STORE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Each time a little further: the kill meets every stage of a batch, the commit among them.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut seen = 0;
        let mut finished = false;
        for line in lines {
            finished |= line == "finished";
            seen += usize::from(line.ends_with("item"));
            if !finished && seen == 23 + kills * 3 {
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
        if finished {
            break;
        }
        kills += 1;
        assert!(kills < 200, "no progress");
    }
    assert!(kills >= 5, "only {kills} kills");
    assert!(everything(&victim.book) == expected, "after {kills} kills");
}

#[test]
fn the_journal_resumes_after_the_event_seen_last_and_falls_back_to_a_snapshot() {
    let mut hub = Hub::with(register());
    mixed(&mut hub.journal);
    hub.think();
    let all = hub.book.events_after(0, 100_000).unwrap();
    assert!(all.len() > 10);
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
    let last = all.last().unwrap().id;
    assert_eq!(hub.book.resume(Some(3), 500).unwrap(), Resume::Events(all[3..].to_vec()));
    assert_eq!(hub.book.resume(Some(last), 500).unwrap(), Resume::Events(vec![]));
    for after in [None, Some(last + 1), Some(-1), Some(last - 6)] {
        let Resume::Snapshot(id, active) = hub.book.resume(after, 5).unwrap() else { panic!("{after:?}") };
        assert_eq!(id, last);
        assert!(active.iter().all(|summary| summary.state != State::Closed));
    }
}

#[test]
fn emitters_number_from_one_in_the_order_of_the_journal() {
    let mut hub = Hub::with(register());
    border(&mut hub.journal);
    hub.think();
    assert_eq!(hub.alert().emitter, EmitterId(4), "three licensed cells came first");
}
