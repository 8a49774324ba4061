//! From a journal of signed items to alerts: what opens, what does not, and what survives.

// Helpers of a test fail the test where they stand.
#![allow(clippy::unwrap_used)]

#[path = "support/items.rs"]
mod items;
#[path = "alerts/restarts.rs"]
mod restarts;
#[path = "alerts/retention.rs"]
mod retention;

use daen::hub::alert::*;
use daen::hub::analysis::{Analysis, AnalysisConfig, feed_messages, licences, whole_envelopes};
use daen::hub::fuse::{EmitterId, Licence};
use daen::hub::store::Store;
use daen::observation::{ClockSource, Item, Observation, Tier, VerdictClass};
use daen::rules::{Format, Register};
use daen::units::{Nanos, Timestamp};
use items::*;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

const T0: Timestamp = Timestamp(1_795_293_907_000_000_000);

struct Hub {
    folder: tempfile::TempDir,
    journal: Journal,
    book: Book,
    analysis: Analysis,
}

impl Hub {
    fn new() -> Hub {
        Hub::with(AnalysisConfig::default())
    }

    fn with(config: AnalysisConfig) -> Hub {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("hub.sqlite")).unwrap();
        let book = Book::open(&store).unwrap();
        let analysis = Analysis::open(book.clone(), config).unwrap();
        Hub { folder, journal: Journal::new(store, T0), book, analysis }
    }

    fn think(&mut self) -> Vec<Event> {
        self.analysis.catch_up(&self.journal.store.clone()).unwrap()
    }

    fn alerts(&self) -> Vec<Alert> {
        let mut alerts = self.book.alerts(Filter::All, 1000).unwrap();
        alerts.sort_by_key(|alert| alert.id);
        alerts
    }

    /// The only alert.
    fn alert(&self) -> Alert {
        let mut alerts = self.alerts();
        assert_eq!(alerts.len(), 1, "{alerts:#?}");
        alerts.remove(0)
    }

    fn kinds(&self) -> Vec<EventKind> {
        self.book.audit(AlertId(1)).unwrap().iter().map(|event| event.kind).collect()
    }
}

/// Every cell of `licensed()` is in the register, and nothing else.
fn register() -> AnalysisConfig {
    let rows: String = licensed()
        .iter()
        .enumerate()
        .map(|(place, cell)| {
            let (regulator, identity) = (if place < 2 { "NBTC" } else { "TRC" }, &cell.identity);
            let (area, cell_id) = (identity.area.unwrap(), identity.cell_id.unwrap());
            let (plmn, bsic) = (identity.plmns[0], cell.key.id);
            let arfcn = daen::cell::gsm_arfcn(cell.key.center_hz).unwrap();
            format!("R-{place},{regulator},Example Mobile,{plmn},gsm,GSM900,{arfcn},{area},{cell_id},{bsic},licensed\n")
        })
        .collect();
    let header = "register_id,regulator,licensee,plmn,rat,band,arfcn,area,cell_id,physical_id,status\n";
    let (register, report) = Register::load(format!("{header}{rows}").as_bytes(), Format::Own).unwrap();
    assert_eq!(register.len(), 3, "{report:?}");
    AnalysisConfig { licence: Some(licences(Arc::new(register))), ..AnalysisConfig::default() }
}

/// Four poles hear the licensed cells and, from second 60, a blaster that cycles its area code.
fn border(journal: &mut Journal) {
    for second in (0..180).step_by(20) {
        for (pole, ..) in POLES {
            journal.settle(pole, second);
            if second >= 60 {
                journal.find(pole, &blaster(1000 + second as u32 / 40), second + 3, &BLASTER);
                journal.hear(pole, &blaster(1000 + second as u32 / 40), second + 9);
            }
        }
    }
}

#[test]
fn four_nodes_that_hear_one_blaster_raise_one_alert_that_says_everything() {
    let mut hub = Hub::with(register());
    border(&mut hub.journal);
    let events = hub.think();
    let alert = hub.alert();
    assert_eq!(alert.class, VerdictClass::SmsBlaster);
    assert_eq!((alert.severity, alert.confidence), (Severity::Critical, Confidence::NearCertain));
    assert_eq!(alert.state, State::Open);
    assert_eq!(alert.heard_by.len(), 4);
    assert_eq!(alert.regulators, [Regulator::Nbtc, Regulator::Trc]);
    assert_eq!(alert.areas, [1001, 1002, 1003, 1004]);
    assert_eq!(alert.channel, Some(62));
    assert_eq!(alert.licence, Licence::NotListed);
    assert_eq!(alert.since_ns, T0 + Nanos::from_secs(63));
    assert_eq!(alert.opened_ns, T0 + Nanos::from_secs(63), "tier A opens at once");
    let rules: Vec<&str> = alert.evidence.iter().map(|row| row.rule.as_str()).collect();
    assert_eq!(rules, ["ID-11", "SI-01", "ID-05", "RS-04"], "enough alone first");
    assert!(alert.evidence.iter().all(|row| row.nodes.len() == 4 && row.count == 24 && row.origin.is_some()));
    assert_eq!(alert.broadcast.iter().filter(|block| block.name == "SI3").count(), 4, "one for each area code");
    // The carrier is 1.4 ppm off whatever the node's own clock does.
    for heard in &alert.heard_by {
        let relative = heard.relative.unwrap();
        assert!((relative.ppb.0 - 1390.0).abs() < 1.0, "{relative:?}");
    }
    // The signed report behind each line can be fetched.
    for row in &alert.evidence {
        assert!(hub.journal.store.signed(row.origin.as_ref().unwrap()).unwrap().is_some());
    }
    // Licensed cells are in the inventory and raise nothing.
    assert_eq!(hub.book.emitters().unwrap().len(), 4);
    // Both regulators' feeds get it.
    let topics: Vec<String> = feed_messages(&events[0]).into_iter().map(|message| message.topic).collect();
    assert_eq!(topics, ["daen/1/feed/nbtc/alerts", "daen/1/feed/trc/alerts"]);
    let payload: serde_json::Value = serde_json::from_slice(&feed_messages(&events[0])[0].payload).unwrap();
    assert_eq!(payload["event"]["kind"], "opened");
    assert_eq!(payload["event"]["summary"]["class"], "SMS_BLASTER");
}

#[test]
fn a_licensed_cell_with_style_findings_raises_nothing_whatever_their_tier_below_a() {
    let mut hub = Hub::with(register());
    let cell = &licensed()[0];
    for second in (0..7200).step_by(120) {
        hub.journal.find(
            "aran-east",
            cell,
            second,
            &[("RS-01", Tier::C), ("RS-04", Tier::B), ("SI-01", Tier::B), ("SI-09", Tier::B)],
        );
    }
    assert_eq!(hub.think(), []);
    assert_eq!(hub.alerts(), []);
}

#[test]
fn context_alone_raises_nothing_for_an_unknown_cell_either() {
    let mut hub = Hub::new();
    for second in (0..7200).step_by(120) {
        hub.journal.find("aran-east", &blaster(1), second, &[("RS-02", Tier::C), ("ID-09", Tier::C)]);
    }
    hub.think();
    assert_eq!(hub.alerts(), []);
}

#[test]
fn a_proof_from_a_single_copy_waits_for_the_second() {
    let mut hub = Hub::new();
    let once = |hub: &mut Hub, second| {
        let mut observation = hub.journal.observation("aran-east", &blaster(1), second);
        observation.broadcast.iter_mut().for_each(|block| block.count = 1);
        let found = ["ID-05", "SI-01"].map(|rule| Item::Finding(Box::new(finding(rule, Tier::A, observation.clone()))));
        hub.journal.send("aran-east", second, found.to_vec());
        hub.think();
    };
    once(&mut hub, 0);
    assert_eq!(hub.alerts(), []);
    once(&mut hub, 1);
    assert_eq!(hub.alert().opened_ns, T0 + Nanos::from_secs(1));
}

#[test]
fn a_cell_that_is_only_missing_in_the_register_is_unverified_and_waits_ten_minutes() {
    let mut hub = Hub::new();
    let cell = cell(951_200_000, 12, "520-04", 318, 4711);
    hub.journal.find("aran-east", &cell, 0, &[("ID-05", Tier::B)]);
    for second in (0..598).step_by(60) {
        hub.journal.hear("aran-east", &cell, second);
    }
    hub.think();
    assert_eq!(hub.alerts(), []);
    hub.journal.hear("aran-east", &cell, 601);
    hub.think();
    let alert = hub.alert();
    assert_eq!(alert.class, VerdictClass::UnregisteredCell);
    assert_eq!((alert.severity, alert.confidence), (Severity::Low, Confidence::Possible));
    assert!(alert.reasons.iter().any(|reason| reason.starts_with("Unverified")), "{:?}", alert.reasons);
}

#[test]
fn a_pattern_without_a_single_proof_waits_ten_seconds_and_three_observations() {
    let mut hub = Hub::new();
    let rules = [("ID-05", Tier::B), ("RS-04", Tier::B), ("SI-01", Tier::B)];
    hub.journal.find("aran-east", &blaster(1), 0, &rules);
    hub.think();
    assert_eq!(hub.alerts(), []);
    hub.journal.hear("aran-east", &blaster(1), 11);
    hub.think();
    let alert = hub.alert();
    assert_eq!((alert.class, alert.confidence), (VerdictClass::SmsBlaster, Confidence::Likely));
}

#[test]
fn silence_closes_an_alert_only_while_a_node_listens_that_used_to_hear_it_and_hearing_it_again_reopens_it() {
    let mut hub = Hub::new();
    hub.journal.find("aran-east", &blaster(1), 0, &BLASTER);
    // The other node goes on, but it never heard the blaster.
    for second in (60..7200).step_by(60) {
        hub.journal.health("poipet-south", second);
    }
    hub.think();
    assert_eq!(hub.alert().state, State::Open, "the node that heard it is silent: nobody knows");
    hub.journal.health("aran-east", 1799);
    hub.think();
    assert_eq!(hub.alert().state, State::Open);
    hub.journal.health("aran-east", 1801);
    hub.think();
    let closed = hub.alert();
    assert_eq!((closed.state, closed.closing), (State::Closed, Some(Closing::Gone)));
    hub.journal.hear("aran-east", &blaster(2), 2000);
    hub.think();
    assert_eq!(hub.alert().state, State::Closed, "once may be an echo");
    hub.journal.hear("aran-east", &blaster(2), 2030);
    hub.think();
    let again = hub.alert();
    assert_eq!((again.state, again.reopened, again.id), (State::Open, 1, closed.id));
    assert_eq!(hub.kinds(), [EventKind::Opened, EventKind::Closed, EventKind::Reopened]);
}

#[test]
fn what_a_person_did_is_kept_and_a_verdict_of_harmless_holds_until_the_evidence_is_worse() {
    let mut hub = Hub::new();
    let cell = cell(951_200_000, 12, "520-04", 318, 4711);
    for second in (0..700).step_by(30) {
        hub.journal.find("aran-east", &cell, second, &[("ID-05", Tier::B)]);
    }
    hub.think();
    let id = hub.alert().id;
    hub.book.act(id, Act::Acknowledge, "Somchai", "asking the operator", T0 + Nanos::from_secs(710)).unwrap();
    hub.journal.hear("aran-east", &cell, 720);
    hub.think();
    assert_eq!(hub.alert().state, State::Acknowledged, "the analysis does not undo it");
    assert_eq!(hub.alert().handled_by.as_deref(), Some("Somchai"));
    let twice = hub.book.act(id, Act::Acknowledge, "Dara", "", T0).unwrap_err();
    assert!(matches!(twice, AlertError::NotNow { .. }), "{twice}");
    let closing = Act::Close(Closing::Licensed);
    hub.book.act(id, closing, "Somchai", "true new site", T0 + Nanos::from_secs(730)).unwrap();
    for second in (740..4000).step_by(30) {
        hub.journal.find("aran-east", &cell, second, &[("ID-05", Tier::B)]);
    }
    hub.think();
    assert_eq!(hub.alert().state, State::Closed);
    hub.journal.find("aran-east", &cell, 4010, &BLASTER);
    hub.think();
    let alert = hub.alert();
    assert_eq!((alert.state, alert.class), (State::Open, VerdictClass::SmsBlaster));
    let trail: Vec<(String, EventKind)> =
        hub.book.audit(id).unwrap().into_iter().map(|event| (event.who, event.kind)).collect();
    assert_eq!(
        trail,
        [
            ("daen".to_owned(), EventKind::Opened),
            ("Somchai".to_owned(), EventKind::Acknowledged),
            ("Somchai".to_owned(), EventKind::Closed),
            ("daen".to_owned(), EventKind::Reopened),
        ]
    );
    assert!(matches!(hub.book.act(AlertId(99), closing, "x", "", T0), Err(AlertError::NoSuchAlert(_))));
}

#[test]
fn a_clone_of_a_licensed_cell_raises_an_alert_on_the_copy_and_none_on_the_original() {
    let mut hub = Hub::with(register());
    let original = licensed()[0].clone();
    let copy = Cell { ppb: 900.0, frame: 500_000, ..original.clone() };
    for second in (0..120).step_by(20) {
        for (pole, ..) in POLES {
            hub.journal.settle(pole, second);
        }
        hub.journal.hear("aran-east", &original, second + 3);
    }
    hub.think();
    assert_eq!(hub.alerts(), []);
    // South of the market the copy drowns the original: from now on that node hears only the copy.
    for second in (120..240).step_by(20) {
        let neighbours = [&licensed()[1], &licensed()[2]]
            .map(|cell| Item::Observation(Box::new(hub.journal.observation("poipet-south", cell, second))));
        hub.journal.send("poipet-south", second, neighbours.to_vec());
        hub.journal.hear("poipet-south", &copy, second + 3);
        hub.journal.settle("aran-east", second + 5);
    }
    hub.think();
    let alert = hub.alert();
    assert_eq!(alert.class, VerdictClass::Clone);
    assert_eq!(alert.heard_by.len(), 1);
    assert_eq!(alert.heard_by[0].node.as_str(), "poipet-south");
    let row = &alert.evidence[0];
    assert_eq!((row.rule.as_str(), row.tier, row.nodes.len()), ("ID-12", Tier::A, 0));
    assert!(row.values[0].value.contains("poipet-south"), "{:?}", row.values);
}

#[test]
fn licensed_cells_that_misbehave_get_an_administrative_class_and_never_a_criminal_one() {
    for (rule, class) in [
        ("RF-12", VerdictClass::Overspill),
        ("XB-01", VerdictClass::Overspill),
        ("RF-11", VerdictClass::LicensedOffParameter),
        ("ID-03", VerdictClass::LicensedOffParameter),
    ] {
        let mut hub = Hub::with(register());
        let rules = [(rule, Tier::A), ("SI-13", Tier::B), ("RS-04", Tier::B), ("SI-01", Tier::A)];
        hub.journal.find("aran-east", &licensed()[1], 0, &rules);
        hub.think();
        assert_eq!((hub.alert().class, hub.alert().severity), (class, Severity::Low), "{rule}");
    }
}

#[test]
fn a_laboratory_that_leaks_is_a_test_network_unless_it_acts_like_a_blaster() {
    let lab = Cell { ..cell(945_200_000, 2, "001-01", 1000, 10) };
    let rules = [("ID-01", Tier::A), ("SI-13", Tier::A), ("SI-01", Tier::A), ("RS-04", Tier::B)];
    let mut hub = Hub::new();
    hub.journal.find("aran-east", &lab, 0, &rules);
    hub.think();
    assert_eq!((hub.alert().class, hub.alert().severity), (VerdictClass::TestNetwork, Severity::Low));
    hub.journal.find("aran-east", &lab, 30, &[("ID-11", Tier::A)]);
    hub.think();
    assert_eq!((hub.alert().class, hub.alert().severity), (VerdictClass::SmsBlaster, Severity::Critical));
}

#[test]
fn fake_lte_cells_get_the_class_that_their_rules_name() {
    let cases: [(&str, &[&str], VerdictClass); 7] = [
        ("520-03", &["ID-05", "RS-11"], VerdictClass::SmsBlaster),
        ("520-03", &["RS-11", "RS-12"], VerdictClass::SmsBlaster),
        ("520-03", &["ID-05", "ID-08", "RS-07", "RS-08", "RF-13"], VerdictClass::ImsiCatcher),
        ("520-03", &["ID-05", "ID-08", "SI-05", "RF-13"], VerdictClass::UnregisteredCell),
        ("520-03", &["ID-05", "SI-17"], VerdictClass::Clone),
        ("520-03", &["ID-05", "PG-11"], VerdictClass::FakePublicWarning),
        ("001-01", &["ID-05", "SI-13", "ID-07", "ID-08", "RF-13", "SI-05"], VerdictClass::TestNetwork),
    ];
    for (plmn, rules, class) in cases {
        let fake = Cell { ..cell(945_200_000, 2, plmn, 1000, 10) };
        let rules: Vec<(&str, Tier)> = rules.iter().map(|&rule| (rule, Tier::A)).collect();
        let mut hub = Hub::new();
        hub.journal.find("aran-east", &fake, 0, &rules);
        hub.think();
        assert_eq!(hub.alert().class, class, "{plmn}: {rules:?}");
    }
}

#[test]
fn a_recording_without_dates_counts_from_its_arrival() {
    let mut hub = Hub::new();
    let mut observation = hub.journal.observation("aran-east", &blaster(1), 5);
    observation.clock.source = ClockSource::Recording;
    observation.at_ns = Timestamp(12);
    let found = Item::Finding(Box::new(finding("ID-03", Tier::A, observation)));
    hub.journal.send("aran-east", 5, vec![found]);
    hub.think();
    assert_eq!(hub.alert().since_ns, T0 + Nanos::from_secs(6));
}
