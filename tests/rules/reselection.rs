//! RS-01, RS-03, RS-04, RS-05.

use crate::support::*;
use daen::observation::Tier::{B, C};
use daen::observation::gsm::GsmFields;

fn cell() -> Cell {
    public("520-03", 30, 5, 5001, 10_101)
}

fn other() -> Cell {
    public("520-03", 33, 6, 5001, 10_102)
}

/// CELL_RESELECT_OFFSET and PENALTY_TIME codes.
fn offset(cro: u8, penalty: u8) -> impl Fn(&mut GsmFields) {
    move |f| {
        let selection = f.si3_rest.as_mut().unwrap().selection.as_mut().unwrap();
        (selection.cell_reselect_offset, selection.penalty_time) = (cro, penalty);
    }
}

fn level(code: u8) -> impl Fn(&mut GsmFields) {
    move |f| f.selection.as_mut().unwrap().rxlev_access_min = code
}

fn timer(t3212: u8) -> impl Fn(&mut GsmFields) {
    move |f| f.control_channel.as_mut().unwrap().t3212 = t3212
}

fn access(re: bool, classes: u16) -> impl Fn(&mut GsmFields) {
    move |f| {
        let rach = f.rach.as_mut().unwrap();
        (rach.re, rach.access_classes_barred) = (re, classes);
    }
}

/// After five siblings changed by `usual`, the tiers of `rule` on a cell changed by `own`.
fn among(rule: &str, usual: impl Fn(&mut GsmFields), own: impl Fn(&mut GsmFields)) -> Vec<daen::observation::Tier> {
    let observations = siblings("520-03", 0, usual).into_iter().chain([cell().with(own).heard(10)]);
    let mut findings = judge_anew(None, observations);
    findings.retain(|f| f.observation.cell == cell().key());
    tiers(&findings, rule)
}

fn alone(rule: &str, own: impl Fn(&mut GsmFields)) -> Vec<daen::observation::Tier> {
    tiers(&judge_anew(None, [cell().with(own).heard(0)]), rule)
}

// ---------------------------------------------------------------- RS-01

#[test]
fn rs_01_fires_above_80_db_and_20_db_above_all_siblings() {
    assert_eq!(alone("RS-01", offset(41, 0)), [B]);
    assert_eq!(among("RS-01", offset(5, 0), offset(15, 0)), [B]);
}

#[test]
fn rs_01_near_miss_80_db_and_18_db_above_the_siblings_are_silent() {
    assert_eq!(alone("RS-01", offset(40, 0)), []);
    assert_eq!(among("RS-01", offset(5, 0), offset(14, 0)), []);
}

#[test]
fn rs_01_benign_lookalike_an_offset_that_drives_phones_away_is_context() {
    assert_eq!(alone("RS-01", offset(63, 31)), [C]);
    assert_eq!(alone("RS-01", offset(40, 31)), [], "the values of the real recording");
    assert_eq!(among("RS-01", offset(5, 0), offset(40, 31)), [], "and among siblings with small offsets");
}

#[test]
fn rs_01_keeps_two_cells_apart() {
    assert_kept_apart("RS-01", None, vec![], &cell().with(offset(63, 0)), &other());
}

// ---------------------------------------------------------------- RS-03

#[test]
fn rs_03_fires_where_siblings_ask_for_more() {
    assert_eq!(among("RS-03", level(8), level(0)), [B]);
}

#[test]
fn rs_03_near_miss_one_db_above_the_least_or_siblings_almost_as_low_are_silent() {
    assert_eq!(among("RS-03", level(8), level(1)), []);
    assert_eq!(among("RS-03", level(4), level(0)), []);
    assert_eq!(among("RS-03", level(5), level(0)), [B]);
}

#[test]
fn rs_03_benign_lookalike_a_rural_network_is_silent_and_a_lone_cell_is_context() {
    assert_eq!(among("RS-03", level(0), level(0)), []);
    assert_eq!(alone("RS-03", level(0)), [C]);
}

#[test]
fn rs_03_keeps_two_cells_apart() {
    assert_kept_apart("RS-03", None, siblings("520-03", 0, level(8)), &cell().with(level(0)), &other());
}

// ---------------------------------------------------------------- RS-04

#[test]
fn rs_04_fires_on_the_defaults_of_all_three_stacks() {
    for t3212 in [0, 4, 5] {
        assert_eq!(alone("RS-04", timer(t3212)), [B], "{t3212}");
        assert_eq!(among("RS-04", timer(20), timer(t3212)), [B], "{t3212}");
    }
}

#[test]
fn rs_04_near_miss_sixty_minutes_are_silent() {
    assert_eq!(alone("RS-04", timer(9)), [B]);
    assert_eq!(alone("RS-04", timer(10)), [], "the value of the real recording");
}

#[test]
fn rs_04_benign_lookalike_an_operator_that_uses_thirty_minutes_is_silent_but_does_not_excuse_zero() {
    assert_eq!(among("RS-04", timer(5), timer(5)), []);
    assert_eq!(among("RS-04", timer(5), timer(0)), [B]);
    assert_eq!(among("RS-04", timer(0), timer(0)), []);
}

#[test]
fn rs_04_keeps_two_cells_apart() {
    assert_kept_apart("RS-04", None, vec![], &cell().with(timer(0)), &other());
}

// ---------------------------------------------------------------- RS-05

#[test]
fn rs_05_fires_where_an_open_cell_bars_emergency_calls() {
    assert_eq!(alone("RS-05", access(true, 0x0400)), [B]);
}

#[test]
fn rs_05_near_miss_each_half_alone_is_silent() {
    assert_eq!(alone("RS-05", access(false, 0x0400)), []);
    assert_eq!(alone("RS-05", access(true, 0x0000)), []);
    assert_eq!(alone("RS-05", access(true, 0xfbff)), [], "all other classes barred, emergency calls allowed");
}

#[test]
fn rs_05_benign_lookalike_a_barred_cell_and_a_network_that_is_all_so_are_silent() {
    let barred = |f: &mut GsmFields| {
        access(true, 0x0400)(f);
        f.rach.as_mut().unwrap().cell_barred = true;
    };
    assert_eq!(alone("RS-05", barred), []);
    assert_eq!(among("RS-05", access(true, 0x0400), access(true, 0x0400)), []);
}

#[test]
fn rs_05_keeps_two_cells_apart() {
    assert_kept_apart("RS-05", None, vec![], &cell().with(access(true, 0x0400)), &other());
}

// ---------------------------------------------------------------- licences

#[test]
fn parameters_of_a_licensed_cell_are_context() {
    let licence = || Some(register(&["TH-1,gsm,520-03,30,5001,10101,5,licensed,"]));
    let odd = cell().with(offset(63, 0)).with(timer(0)).with(access(true, 0x0400));
    let findings = judge_anew(licence(), [odd.heard(0)]);
    for rule in ["RS-01", "RS-04", "RS-05"] {
        assert_eq!(tiers(&findings, rule), [C], "{rule}");
    }
    let last = findings[0].evidence.last().unwrap();
    assert!(last.value.contains("licensed: TH-1"), "{last:?}");
    let mut clone = odd.clone();
    clone.arfcn = 33;
    assert_eq!(tiers(&judge_anew(licence(), [clone.heard(0)]), "RS-01"), [B], "on another carrier it is not licensed");
}
