//! PG-11.

use crate::lte_support::*;
use crate::support::{judge, judge_anew, register, tiers};
use daen::observation::Tier::{self, A, B, C};
use daen::observation::lte::{EtwsPrimary, LteFields, Warning, WarningKind};
use daen::observation::{Finding, Observation};
use daen::rules::{Config, Engine};
use std::collections::BTreeMap;

fn other() -> LteCell {
    public_lte("520-03", 31, 700, 0x2_0002)
}

fn plain(_: &mut LteFields) {}

/// A CMAS warning: 4370 is a presidential alert, 4380 the monthly test (TS 23.041 clause 9.4.1.2.2).
fn cmas(message_identifier: u16) -> impl Fn(&mut LteFields) {
    move |f| {
        f.sib1.as_mut().unwrap().scheduling.push(every(16, &[12]));
        f.sib_types.push(12);
        f.warnings = vec![Warning {
            kind: WarningKind::Cmas,
            message_identifier,
            serial_number: 0x3000,
            data_coding_scheme: Some(0x0f),
            segments: BTreeMap::new(),
            last_segment: Some(1),
            text: Some("Move to high ground now".to_owned()),
        }];
    }
}

/// Siblings heard at the start and at `again`, changed by `usual` then; the cell with a warning from 10 s on, each minute.
fn run(warning: impl Fn(&mut LteFields), usual: impl Fn(&mut LteFields), again: i64) -> Vec<Finding> {
    let cell = own().with(warning);
    let mut engine = Engine::new(Config::default(), None);
    let mut findings = judge(&mut engine, lte_siblings("520-03", 0, plain));
    for at in (10..=310).step_by(60) {
        if at > again {
            findings.extend(judge(&mut engine, lte_siblings("520-03", again, &usual)));
        }
        findings.extend(judge(&mut engine, [cell.heard(at)]));
    }
    findings.retain(|f| f.rule == "PG-11" && f.observation.cell == cell.key());
    findings
}

fn only(findings: &[Finding]) -> Vec<Tier> {
    tiers(findings, "PG-11")
}

#[test]
fn pg_11_fires_when_siblings_heard_later_do_not_warn() {
    let findings = run(cmas(4370), plain, 200);
    assert_eq!(only(&findings), [C, A], "context at once, more when the siblings have been heard");
    let line = &findings[1].evidence[0];
    assert_eq!(line.value, "message 4370, serial number 12288: Move to high ground now");
    let etws = |f: &mut LteFields| {
        f.sib1.as_mut().unwrap().scheduling.push(every(16, &[10]));
        f.sib_types.push(10);
        f.etws_primary = Some(EtwsPrimary { message_identifier: 4352, serial_number: 0, warning_type: 0 });
    };
    assert_eq!(only(&run(etws, plain, 200)), [C, A]);
}

#[test]
fn pg_11_near_miss_siblings_heard_too_early_say_nothing() {
    assert_eq!(only(&run(cmas(4370), plain, 129)), [C], "119 s after it began");
    assert_eq!(only(&run(cmas(4370), plain, 130)), [C, A], "120 s");
    assert_eq!(only(&run(|f| f.warnings.clear(), plain, 200)), []);
    assert_eq!(alone("PG-11", &own().with(cmas(4370)).count(1)), [], "received once");
}

#[test]
fn pg_11_benign_lookalike_a_warning_of_the_area_a_test_and_one_that_has_ended_are_not_alone_enough() {
    assert_eq!(only(&run(cmas(4370), cmas(4370), 200)), [C], "the siblings warn too");
    assert_eq!(only(&run(cmas(4380), plain, 200)), [C, B], "the authority's monthly test on one cell");
    let ended = own().with(cmas(4370)).sib1(|s| s.scheduling.truncate(3));
    assert_eq!(alone("PG-11", &ended), [], "received earlier, no longer scheduled");
    let edge = |n: i64| -> Vec<Observation> {
        let mut heard = lte_siblings("520-03", n, plain);
        heard[0] = public_lte("520-03", 101, 700, 0x1_0100).with(cmas(4370)).heard(n);
        heard
    };
    let mut engine = Engine::new(Config::default(), None);
    judge(&mut engine, lte_siblings("520-03", 0, plain));
    judge(&mut engine, [own().with(cmas(4370)).heard(10)]);
    judge(&mut engine, edge(200));
    let findings = judge(&mut engine, [own().with(cmas(4370)).heard(210)]);
    assert_eq!(only(&findings), [], "at the edge of the area some cells warn and some do not");
}

#[test]
fn pg_11_keeps_two_cells_apart_and_is_not_excused_by_a_licence() {
    let before = lte_siblings("520-03", 0, plain);
    kept_apart("PG-11", None, before, &own().with(cmas(4370)), &other());
    let rows: Vec<String> =
        (1..=5).map(|n| format!("TH-{n},lte,520-03,,700,{},{},licensed,", 0x1_0000 + 256 * n, 100 + n)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).chain(["TH-9,lte,520-03,,700,131073,30,licensed,"]).collect();
    let heard = [own().with(cmas(4370)).heard(0)].into_iter().chain(lte_siblings("520-03", 200, plain));
    let findings = judge_anew(Some(register(&rows)), heard.chain([own().with(cmas(4370)).heard(210)]));
    assert_eq!(only(&findings), [C, A]);
}
