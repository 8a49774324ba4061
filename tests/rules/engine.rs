//! The engine: copies, repetition, learning, bounds, state, determinism.

use crate::lte_support::{lte_siblings, own};
use crate::support::*;
use daen::cell::{CellIdentity, CellKey, Plmn, Rat};
use daen::observation::Tier::{B, C};
use daen::observation::gsm::{
    CellOptions, CellSelection, ControlChannel, GsmFields, RachControl, ReselectionParameters, RestOctets, SiType,
};
use daen::observation::{BroadcastBlock, Fields, Finding, Observation, Octets};
use daen::rules::{Config, Engine, catalogue};
use daen::units::Timestamp;
use proptest::prelude::*;

fn suspect() -> Cell {
    openbts("520-03", 30)
}

fn json(findings: &[Finding]) -> String {
    serde_json::to_string(findings).unwrap()
}

// ---------------------------------------------------------------- copies

#[test]
fn one_copy_is_not_enough_however_often_it_is_reported() {
    let once = suspect().count(1);
    assert_eq!(judge_anew(None, (0..20).map(|s| once.heard(s))), []);
    assert!(!judge_anew(None, [once.heard(0), once.clone().count(2).heard(1)]).is_empty());
}

#[test]
fn a_second_copy_in_another_stream_counts_but_other_content_does_not() {
    let once = suspect().count(1);
    let again = once.clone().stream("two").heard(100);
    let rules: Vec<String> = judge_anew(None, [once.heard(0), again]).into_iter().map(|f| f.rule).collect();
    assert!(rules.contains(&"RS-04".to_owned()), "{rules:?}");
    let mut moved = once.clone().stream("two");
    moved.identity = Some((plmn("520-03"), 1001, 10));
    let rules: Vec<String> = judge_anew(None, [once.heard(0), moved.heard(100)]).into_iter().map(|f| f.rule).collect();
    assert!(!rules.contains(&"RS-04".to_owned()), "SI3 differs, each content came once: {rules:?}");
}

#[test]
fn the_number_of_copies_is_a_setting() {
    let mut engine = Engine::new(config("copies = 5"), None);
    assert_eq!(judge(&mut engine, [suspect().count(4).heard(0)]), []);
    assert!(!judge(&mut engine, [suspect().count(5).heard(1)]).is_empty());
}

// ---------------------------------------------------------------- repetition

#[test]
fn a_finding_comes_once_again_when_its_evidence_changes_and_every_ten_minutes() {
    let mut engine = Engine::new(Config::default(), None);
    let timer = |t3212: u8, at: i64| {
        public("520-03", 30, 5, 5001, 1).with(|f| f.control_channel.as_mut().unwrap().t3212 = t3212).heard(at)
    };
    let count = |engine: &mut Engine, observation| tiers(&judge(engine, [observation]), "RS-04").len();
    assert_eq!(count(&mut engine, timer(5, 0)), 1, "first");
    assert_eq!((1..60).map(|s| count(&mut engine, timer(5, s))).sum::<usize>(), 0, "nothing new");
    assert_eq!(count(&mut engine, timer(4, 60)), 1, "changed");
    assert_eq!(count(&mut engine, timer(5, 64)), 0, "changed again within change_s");
    assert_eq!(count(&mut engine, timer(5, 65)), 1);
    assert_eq!((66..665).map(|s| count(&mut engine, timer(5, s))).sum::<usize>(), 0);
    assert_eq!(count(&mut engine, timer(5, 665)), 1, "it lasts");
    assert_eq!(count(&mut engine, timer(20, 666)), 0, "in order");
    assert_eq!(count(&mut engine, timer(5, 669)), 0, "back within change_s");
    assert_eq!(count(&mut engine, timer(5, 670)), 1, "back");
}

#[test]
fn a_new_stream_that_has_not_decoded_the_identity_yet_changes_nothing() {
    let mut engine = Engine::new(Config::default(), None);
    let first = judge(&mut engine, [suspect().heard(0)]);
    let mut unnamed = suspect().stream("two").heard(100);
    unnamed.identity = None;
    unnamed.broadcast.clear();
    unnamed.fields = None;
    assert_eq!(judge(&mut engine, [unnamed, suspect().stream("two").heard(101)]), []);
    assert!(!first.is_empty());
    assert_eq!(engine.counters().cells, 1);
}

#[test]
fn a_cell_heard_before_it_said_who_it_is_stays_one_cell() {
    let mut engine = Engine::new(Config::default(), None);
    let mut unnamed = suspect().heard(0);
    unnamed.identity = None;
    judge(&mut engine, [unnamed, suspect().heard(1)]);
    assert_eq!(engine.counters().cells, 1);
}

#[test]
fn a_rule_can_be_switched_off() {
    let mut engine = Engine::new(config("[rules.RS-04]\nenabled = false"), None);
    let findings = judge(&mut engine, [suspect().heard(0)]);
    assert_eq!(tiers(&findings, "RS-04"), []);
    assert_eq!(tiers(&findings, "RS-05"), [B]);
}

#[test]
fn while_learning_tier_b_is_context_and_tier_a_stays() {
    let mut engine = Engine::new(config("learning_s = 3600"), None);
    let findings = judge(&mut engine, [suspect().heard(0)]);
    assert_eq!(tiers(&findings, "RS-05"), [C]);
    assert_eq!(tiers(&findings, "SI-13").len(), 1);
    assert!(findings.iter().any(|f| f.tier == daen::observation::Tier::A));
    let findings = judge(&mut engine, [suspect().heard(3600)]);
    assert_eq!(tiers(&findings, "RS-05"), [B], "the tier has changed");
}

// ---------------------------------------------------------------- bounds and determinism

#[test]
fn a_hundred_thousand_cells_are_forgotten_in_order_and_counted() {
    let mut engine = Engine::new(config("max_cells = 1000"), None);
    let mut findings = Vec::new();
    let mut observation = public("520-03", 30, 0, 5001, 0).heard(0);
    for n in 0..100_000u64 {
        observation.at_ns = Timestamp(observation.at_ns.0 + 1_000_000);
        observation.cell.id = (n % 64) as u16;
        observation.identity = Some(CellIdentity {
            plmns: vec![Plmn::new(520, (n % 1000) as u16, 3).unwrap()],
            area: Some(1 + (n / 65_536) as u32),
            cell_id: Some(n),
        });
        engine.judge(&observation, &mut findings);
        findings.clear();
        assert!(engine.counters().cells <= 1000);
    }
    let counters = engine.counters();
    assert_eq!((counters.cells, counters.evicted, counters.observations), (1000, 99_000, 100_000));
    let state = engine.export_state();
    assert!(state.len() < 8 * 1024 * 1024, "the baseline is bounded too: {} octets", state.len());
}

#[test]
fn the_cell_heard_longest_ago_is_forgotten_first() {
    let mut engine = Engine::new(config("max_cells = 16"), None);
    let cell = |n: u16| public("456-03", 30 + n, 1, 301, u64::from(n));
    judge(&mut engine, (0..16).map(|n| cell(n).heard(i64::from(n))));
    judge(&mut engine, [cell(0).heard(20), cell(16).heard(21)]);
    let again = |engine: &mut Engine, n: u16| !tiers(&judge(engine, [cell(n).heard(30)]), "ID-02").is_empty();
    assert!(!again(&mut engine, 0), "heard again before the seventeenth came: remembered");
    assert!(again(&mut engine, 1), "forgotten, so it is new");
}

#[test]
fn a_cell_not_heard_for_a_week_is_forgotten_but_not_because_the_clock_was_set() {
    let cell = |n: u16| public("456-03", 30 + n, 1, 301, u64::from(n));
    let day = 86_400;
    let engine = |text: &str| {
        let mut engine = Engine::new(config(text), None);
        judge(&mut engine, (0..16).map(|n| cell(n).heard(0)));
        engine
    };
    let cells_after = |engine: &mut Engine, seconds: &mut dyn Iterator<Item = i64>| {
        judge(engine, seconds.map(|second| cell(16).heard(second)));
        (engine.counters().cells, engine.counters().evicted)
    };
    let hourly = |days: i64| (1..=days * 24).map(|hour| hour * 3600);
    let mut plain = engine("");
    assert_eq!(cells_after(&mut plain, &mut hourly(7)), (17, 0));
    assert_eq!(cells_after(&mut plain, &mut hourly(8).skip(7 * 24)), (1, 0), "that is no lack of room");
    let mut longer = engine("[rules.SI-01]\nunheard_s = 1000000");
    assert_eq!(cells_after(&mut longer, &mut hourly(11)), (17, 0), "a rule looks back further");
    assert_eq!(cells_after(&mut longer, &mut hourly(12).skip(11 * 24)), (1, 0));
    let mut set = engine("");
    assert_eq!(cells_after(&mut set, &mut [365 * day, 0, 365 * day].into_iter()), (17, 0));
    // One whose identity is not decoded again is heard all the same.
    let mut weak = engine("");
    let unnamed = |second| Observation { identity: None, ..cell(3).heard(second) };
    judge(&mut weak, hourly(8).map(unnamed));
    assert_eq!(cells_after(&mut weak, &mut [8 * day].into_iter()), (2, 0));
}

/// A stretch of a border: public cells of both countries, a blaster, a clone, interleaved.
fn border() -> Vec<Observation> {
    let public_cells: Vec<Cell> = (0..8)
        .map(|n| public(["520-03", "456-08"][usize::from(n % 2)], 30 + 3 * n, n, 5001, 100 + u64::from(n)))
        .collect();
    let mut heard = Vec::new();
    for s in 0..120 {
        heard.extend(public_cells.iter().map(|cell| cell.heard(s)));
        heard.push(suspect().lac(1000 + (s / 15) as u32).heard(s));
    }
    heard
}

#[test]
fn the_same_observations_give_the_same_octets() {
    let rows = ["TH-1,gsm,520-03,30,5001,100,0,licensed,", "KH-1,gsm,456-08,33,5001,101,1,licensed,"];
    let run = || judge_anew(Some(register(&rows)), border());
    let first = json(&run());
    assert_eq!(first, json(&run()));
    assert!(first.len() > 1000);
}

#[test]
fn findings_stand_in_the_order_of_the_catalogue() {
    let findings = judge_anew(None, [suspect().heard(0)]);
    let places: Vec<usize> =
        findings.iter().map(|f| catalogue().position(|about| about.id == f.rule).unwrap()).collect();
    assert!(places.is_sorted() && places.len() >= 5, "{places:?}");
    assert!(findings.iter().all(|f| !f.evidence.is_empty() && !f.innocent.is_empty()));
}

// ---------------------------------------------------------------- state

#[test]
fn a_nodes_state_gives_a_recording_the_nodes_verdict() {
    let mut node = Engine::new(Config::default(), None);
    let usual = |f: &mut GsmFields| f.control_channel.as_mut().unwrap().t3212 = 5;
    judge(&mut node, siblings("520-03", 0, usual));
    let state = node.export_state();
    let cell = public("520-03", 30, 5, 5001, 1).with(usual);
    let mut replay = Engine::new(Config::default(), None);
    replay.import_state(&state).unwrap();
    assert_eq!(replay.export_state(), state, "exported as it was imported");
    assert_eq!(tiers(&judge(&mut replay, [cell.heard(10)]), "RS-04"), []);
    assert_eq!(tiers(&judge_anew(None, [cell.heard(10)]), "RS-04"), [B], "without the state");
}

#[test]
fn a_state_of_an_unknown_version_is_refused_with_the_remedy() {
    let mut engine = Engine::new(Config::default(), None);
    judge(&mut engine, siblings("520-03", 0, |_| {}));
    let state = engine.export_state();
    let newer = state.replace("\"version\":2", "\"version\":7");
    let error = engine.import_state(&newer).unwrap_err().to_string();
    assert!(error.contains("version 7") && error.contains("export it with this version of daen"), "{error}");
    assert_eq!(engine.export_state(), state, "the engine is as before");
    for (bad, part) in
        [("", "EOF"), ("{}", "format"), ("{\"format\":\"x\",\"version\":1}", "\"x\""), ("[1]", "not a state")]
    {
        let error = engine.import_state(bad).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("--state"), "{bad}: {error}");
    }
}

#[test]
fn a_state_of_the_version_before_is_read() {
    let mut engine = Engine::new(Config::default(), None);
    let usual = |f: &mut GsmFields| f.control_channel.as_mut().unwrap().t3212 = 5;
    judge(&mut engine, siblings("520-03", 0, usual));
    let state = engine.export_state();
    let before = state.replace("\"version\":2", "\"version\":1");
    assert_ne!(before, state);
    let mut fresh = Engine::new(Config::default(), None);
    fresh.import_state(&before).unwrap();
    assert_eq!(fresh.export_state(), state);
}

#[test]
fn values_of_lte_cells_survive_a_restart() {
    let mut node = Engine::new(Config::default(), None);
    judge(&mut node, lte_siblings("520-03", 0, |_| {}));
    let mut restarted = Engine::new(Config::default(), None);
    restarted.import_state(&node.export_state()).unwrap();
    assert_eq!(restarted.export_state(), node.export_state());
    let eager = own().sib3(|s| s.priority = 7);
    assert_eq!(tiers(&judge(&mut restarted, [eager.heard(10)]), "RS-07"), [B], "among the siblings it has learned");
}

#[test]
fn one_false_cell_cannot_teach_its_values() {
    let mut engine = Engine::new(Config::default(), None);
    // The blaster changes its cell identity each second: one transmitter, one voice, and with a tier A finding none.
    judge(
        &mut engine,
        (0..50).map(|n| {
            let mut cell = suspect();
            cell.identity = Some((plmn("520-03"), 1000, 2000 + n as u64));
            cell.heard(n)
        }),
    );
    let next = public("520-03", 36, 7, 5001, 7).with(|f| f.control_channel.as_mut().unwrap().t3212 = 0);
    assert_eq!(tiers(&judge(&mut engine, [next.heard(100)]), "RS-04"), [B]);
}

// ---------------------------------------------------------------- descriptions

#[test]
fn every_rule_says_what_it_is() {
    let mut text = String::new();
    for about in catalogue() {
        text += &format!("{} v{} tier {:?}: {}\n", about.id, about.version, about.tier, about.title);
        text += &format!(
            "  {}\n  source: {}\n  licensed cells: {:?}\n",
            about.description, about.source, about.when_licensed
        );
        for innocent in about.innocent {
            text += &format!("  innocent: {innocent}\n");
        }
    }
    insta::assert_snapshot!(text);
    let ids: std::collections::BTreeSet<_> = catalogue().map(|about| about.id).collect();
    assert_eq!(ids.len(), catalogue().count());
}

// ---------------------------------------------------------------- anything at all

fn any_si() -> impl Strategy<Value = SiType> {
    use SiType::*;
    prop::sample::select(vec![Si1, Si2, Si2bis, Si2ter, Si2quater, Si3, Si4, Si7, Si9, Si13, Other])
}

prop_compose! {
    fn any_fields()(
        si_types in prop::collection::vec(any_si(), 0..9),
        schedule in prop::collection::vec(prop::option::of(any_si()), 8),
        neighbours in prop::option::of(prop::collection::vec(any::<u16>(), 0..5)),
        ncc_permitted in prop::option::of(any::<u8>()),
        bits in any::<[u8; 16]>(),
        present in any::<u8>(),
        padding_only in any::<bool>(),
    ) -> GsmFields {
        let has = |bit: u8| present >> bit & 1 == 1;
        let flag = |n: usize| bits[n] & 0x80 != 0;
        GsmFields {
            si_types,
            schedule: schedule.try_into().unwrap(),
            neighbours_si2: neighbours.clone(),
            neighbours_si2ter: neighbours.filter(|_| has(0)),
            ncc_permitted,
            control_channel: has(1).then_some(ControlChannel {
                mscr: flag(0), att: flag(1), bs_ag_blks_res: bits[2], ccch_conf: bits[3], cbq3: bits[4],
                bs_pa_mfrms: bits[5], t3212: bits[6],
            }),
            cell_options: has(2).then_some(CellOptions {
                dn_ind: flag(0), pwrc: flag(1), dtx: bits[2], radio_link_timeout: bits[7],
            }),
            selection: has(3).then_some(CellSelection {
                cell_reselect_hysteresis: bits[8], ms_txpwr_max_cch: bits[9], acs: flag(2), neci: flag(3),
                rxlev_access_min: bits[10],
            }),
            rach: has(4).then_some(RachControl {
                max_retrans: bits[11], tx_integer: bits[12], cell_barred: flag(4), re: flag(5),
                access_classes_barred: u16::from_be_bytes([bits[13], bits[14]]),
            }),
            si3_rest: has(5).then_some(RestOctets {
                padding_only,
                selection: has(6).then_some(ReselectionParameters {
                    cell_bar_qualify: flag(6), cell_reselect_offset: bits[13], temporary_offset: bits[14],
                    penalty_time: bits[15],
                }),
                ..RestOctets::default()
            }),
            ..GsmFields::default()
        }
    }
}

prop_compose! {
    fn any_observation()(
        at_ns in any::<i64>(),
        rat in prop::sample::select(vec![Rat::Gsm, Rat::Umts, Rat::Lte, Rat::Nr]),
        center_hz in prop_oneof![any::<u64>(), Just(945_200_000), Just(1_877_000_000)],
        id in any::<u16>(),
        plmns in prop::collection::vec((0u16..1000, 0u16..1000), 0..3),
        area in prop::option::of(any::<u32>()),
        cell_id in prop::option::of(any::<u64>()),
        fields in prop::option::of(any_fields()),
        blocks in prop::collection::vec(
            (prop::sample::select(vec!["SI1", "SI2", "SI3", "SI4", "", "SIB1"]), any::<Vec<u8>>(), any::<u32>()), 0..6),
        stream in "[ab]",
    ) -> Observation {
        let mut observation = public("520-03", 30, 5, 5001, 1).heard(0);
        observation.at_ns = Timestamp(at_ns);
        observation.cell = CellKey { rat, center_hz, id };
        let plmns = plmns.into_iter().filter_map(|(mcc, mnc)| Plmn::new(mcc, mnc, 3)).collect();
        observation.identity = Some(CellIdentity { plmns, area, cell_id });
        observation.fields = fields.map(Fields::Gsm);
        observation.broadcast = blocks.into_iter()
            .map(|(name, octets, count)| BroadcastBlock { name: name.to_owned(), octets: Octets(octets), count })
            .collect();
        observation.receiver.stream = stream;
        observation
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_observations_never_panic_and_keep_every_bound(
        observations in prop::collection::vec(any_observation(), 1..40),
        licensed in any::<bool>(),
    ) {
        let rows = ["TH-1,gsm,520-03,30,5001,1,5,licensed,2020-01-01", "T-2,lte,001-01,,7,105217,1,licensed,"];
        let mut engine = Engine::new(config("max_cells = 16"), licensed.then(|| register(&rows)));
        let findings = judge(&mut engine, observations);
        prop_assert!(engine.counters().cells <= 16);
        prop_assert!(findings.iter().all(|f| !f.evidence.is_empty() && !f.innocent.is_empty()));
        let state = engine.export_state();
        prop_assert!(Engine::new(Config::default(), None).import_state(&state).is_ok());
    }
}
