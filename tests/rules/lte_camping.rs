//! RS-07 to RS-12, RS-14.

use crate::lte_support::*;
use crate::support::{judge, judge_anew, openbts, public, register, tiers};
use daen::observation::Tier::{self, A, B, C};
use daen::observation::lte::{AcBarring, AcBarringConfig, LteFields};
use daen::rules::{Config, Engine};

fn other() -> LteCell {
    public_lte("520-03", 31, 700, 0x2_0002)
}

fn plain(_: &mut LteFields) {}

fn priority(value: u8) -> impl Fn(&mut LteFields) {
    move |f| f.sib3.as_mut().unwrap().priority = value
}

fn level(value: i8) -> impl Fn(&mut LteFields) {
    move |f| f.sib1.as_mut().unwrap().q_rx_lev_min = value
}

/// OAI's search thresholds.
fn extreme(f: &mut LteFields) {
    let s = f.sib3.as_mut().unwrap();
    (s.s_intra_search, s.s_non_intra_search, s.thresh_serving_low) = (Some(31), None, 31);
}

fn locked(barred: bool) -> impl Fn(&mut LteFields) {
    move |f| {
        let s = f.sib1.as_mut().unwrap();
        (s.cell_barred, s.intra_freq_reselection_allowed) = (barred, false);
    }
}

// ---------------------------------------------------------------- RS-07

#[test]
fn rs_07_fires_above_every_layer_of_the_operator() {
    assert_eq!(among("RS-07", plain, &own().with(priority(7))), [B], "the siblings have 5 and give 6 at most");
}

#[test]
fn rs_07_near_miss_a_layer_that_siblings_name_is_silent() {
    assert_eq!(among("RS-07", plain, &own().with(priority(6))), []);
    assert_eq!(among("RS-07", plain, &own().with(|f| f.sib3 = None)), []);
    assert_eq!(alone("RS-07", &own().with(priority(6))), []);
}

#[test]
fn rs_07_benign_lookalike_a_capacity_layer_is_silent_and_a_lone_cell_is_context() {
    let layered = |f: &mut LteFields| f.sib5 = Some(vec![layer(1425, 7)]);
    assert_eq!(among("RS-07", layered, &own().with(priority(7))), []);
    assert_eq!(among("RS-07", priority(7), &own().with(priority(7))), []);
    let closed = own().with(priority(7)).sib1(|s| s.csg_indication = true);
    assert_eq!(among("RS-07", plain, &closed), [], "a home cell lures nobody but its own");
    assert_eq!(alone("RS-07", &own().with(priority(7))), [C], "as China Mobile's cells");
    let rows: Vec<String> =
        (1..=5).map(|n| format!("TH-{n},lte,520-03,,700,{},{},licensed,", 0x1_0000 + 256 * n, 100 + n)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).chain(["TH-9,lte,520-03,,700,131073,30,licensed,"]).collect();
    let heard = lte_siblings("520-03", 0, plain).into_iter().chain([own().with(priority(7)).heard(10)]);
    assert_eq!(tiers(&judge_anew(Some(register(&rows)), heard), "RS-07"), [C], "its operator's choice");
}

#[test]
fn rs_07_keeps_two_cells_apart() {
    kept_apart("RS-07", None, lte_siblings("520-03", 0, plain), &own().with(priority(7)), &other());
}

// ---------------------------------------------------------------- RS-08

#[test]
fn rs_08_fires_8_db_below_the_siblings() {
    assert_eq!(among("RS-08", plain, &own().with(level(-66))), [B]);
    assert_eq!(among("RS-08", plain, &own().sib3(|s| s.q_rx_lev_min = -70)), [B], "SIB3 counts too");
}

#[test]
fn rs_08_near_miss_6_db_below_is_silent() {
    assert_eq!(among("RS-08", plain, &own().with(level(-65))), []);
    assert_eq!(among("RS-08", plain, &own().with(|f| (f.sib1, f.sib3) = (None, None))), []);
    assert_eq!(alone("RS-08", &own().with(level(-69))), []);
}

#[test]
fn rs_08_benign_lookalike_a_network_that_reaches_far_is_silent_and_a_lone_cell_is_context() {
    assert_eq!(among("RS-08", level(-66), &own().with(level(-66))), []);
    assert_eq!(alone("RS-08", &own().with(level(-70))), [C]);
    let mixed = lte_siblings("520-03", 0, plain).into_iter();
    let far = public_lte("520-03", 90, 700, 0x3_0001).with(level(-66)).heard(5);
    let findings = judge_anew(None, mixed.chain([far, own().with(level(-66)).heard(10)]));
    let on_own = findings.iter().filter(|f| f.rule == "RS-08" && f.observation.cell == own().key());
    assert_eq!(on_own.count(), 0, "not below each sibling");
}

#[test]
fn rs_08_keeps_two_cells_apart() {
    kept_apart("RS-08", None, lte_siblings("520-03", 0, plain), &own().with(level(-70)), &other());
}

// ---------------------------------------------------------------- RS-09

#[test]
fn rs_09_fires_where_two_thresholds_stand_at_their_ends() {
    assert_eq!(among("RS-09", plain, &own().with(extreme)), [B]);
    assert_eq!(among("RS-09", plain, &own().sib3(|s| (s.s_intra_search, s.thresh_serving_low) = (Some(31), 31))), [B]);
}

#[test]
fn rs_09_near_miss_one_threshold_is_silent() {
    assert_eq!(among("RS-09", plain, &own().sib3(|s| s.thresh_serving_low = 31)), []);
    assert_eq!(among("RS-09", plain, &own().sib3(|s| (s.s_intra_search, s.s_non_intra_search) = (Some(30), None))), []);
    assert_eq!(among("RS-09", plain, &own().with(|f| f.sib3 = None)), []);
}

#[test]
fn rs_09_benign_lookalike_siblings_that_do_the_same_silence_it_and_a_lone_cell_is_context() {
    assert_eq!(among("RS-09", extreme, &own().with(extreme)), []);
    assert_eq!(alone("RS-09", &own().with(extreme)), [C]);
}

#[test]
fn rs_09_keeps_two_cells_apart() {
    kept_apart("RS-09", None, lte_siblings("520-03", 0, plain), &own().with(extreme), &other());
}

// ---------------------------------------------------------------- RS-10

#[test]
fn rs_10_fires_on_an_open_cell_that_locks_in_and_on_a_strong_barred_one_that_drives_off() {
    assert_eq!(among("RS-10", plain, &own().with(locked(false))), [B]);
    assert_eq!(among("RS-10", plain, &own().with(locked(true)).snr(20.0)), [B]);
}

#[test]
fn rs_10_near_miss_a_weak_barred_cell_and_one_that_allows_it_are_silent() {
    assert_eq!(among("RS-10", plain, &own().with(locked(true)).snr(19.9)), []);
    assert_eq!(among("RS-10", plain, &own().sib1(|s| s.cell_barred = true).snr(30.0)), []);
    assert_eq!(among("RS-10", plain, &own().with(|f| f.sib1 = None)), []);
}

#[test]
fn rs_10_benign_lookalike_maintenance_of_a_known_cell_an_own_carrier_and_a_template_are_no_more_than_context() {
    let known = |barred: LteCell| {
        let heard = lte_siblings("520-03", 0, plain).into_iter().chain([own().heard(5), barred.heard(3600)]);
        tiers(&judge_anew(None, heard), "RS-10")
    };
    assert_eq!(known(own().with(locked(true)).snr(30.0)), [C], "it was open an hour ago");
    assert_eq!(
        among("RS-10", plain, &own().on(2_140_000_000, 1).with(locked(true)).snr(30.0)),
        [C],
        "nobody to drive off"
    );
    assert_eq!(among("RS-10", locked(false), &own().with(locked(false))), []);
    assert_eq!(alone("RS-10", &own().with(locked(false))), [C]);
}

#[test]
fn rs_10_keeps_two_cells_apart() {
    kept_apart("RS-10", None, lte_siblings("520-03", 0, plain), &own().with(locked(false)), &other());
}

// ---------------------------------------------------------------- RS-11

/// GSM above all layers of LTE, the way of a lure.
fn down(f: &mut LteFields) {
    f.sib7.as_mut().unwrap().layers = vec![gsm_layer(&[30], 7)];
}

#[test]
fn rs_11_fires_when_gsm_or_umts_is_preferred_to_lte() {
    assert_eq!(alone("RS-11", &own().with(down)), [A]);
    assert_eq!(alone("RS-11", &own().with(|f| f.sib6.as_mut().unwrap().fdd[0].priority = Some(7))), [A]);
    let gsm_alone = |f: &mut LteFields| {
        f.sib1.as_mut().unwrap().scheduling = vec![every(8, &[3]), every(32, &[7])];
        (f.sib5, f.sib6) = (None, None);
    };
    assert_eq!(among("RS-11", plain, &own().with(gsm_alone)), [B], "no way out but GSM");
}

#[test]
fn rs_11_near_miss_an_equal_priority_and_an_unread_sib5_are_silent() {
    let equal = |f: &mut LteFields| f.sib7.as_mut().unwrap().layers = vec![gsm_layer(&[30], 6)];
    assert_eq!(alone("RS-11", &own().with(equal)), [], "SIB5 gives 6 too");
    assert_eq!(alone("RS-11", &own().with(down).with(|f| f.sib5 = None)), [], "SIB5 may give more");
    assert_eq!(alone("RS-11", &own().with(down).with(|f| f.sib3 = None)), []);
}

#[test]
fn rs_11_benign_lookalike_an_operator_with_one_lte_carrier_is_silent_and_a_licence_lowers_it() {
    let single = |f: &mut LteFields| {
        f.sib1.as_mut().unwrap().scheduling = vec![every(8, &[3]), every(32, &[6, 7])];
        f.sib5 = None;
    };
    assert_eq!(among("RS-11", single, &own().with(single)), []);
    assert_eq!(alone("RS-11", &own().with(single)), [C]);
    let licence = register(&["TH-1,lte,520-03,,700,131073,30,licensed,"]);
    assert_eq!(tiers(&judge_anew(Some(licence), [own().with(down).heard(0)]), "RS-11"), [B]);
}

#[test]
fn rs_11_keeps_two_cells_apart_and_needs_two_copies_of_sib7() {
    kept_apart("RS-11", None, vec![], &own().with(down), &other());
    let mut heard = own().with(down).heard(0);
    heard.broadcast.retain(|block| block.name != "SI");
    assert_eq!(tiers(&judge_anew(None, [heard]), "RS-11"), []);
}

// ---------------------------------------------------------------- RS-12

/// After a blaster on ARFCN 30 was heard: the tiers of RS-12 on a cell whose SIB7 lists it.
fn beside_a_blaster(usual: impl Fn(&mut LteFields), before: bool) -> Vec<Tier> {
    let mut engine = Engine::new(Config::default(), None);
    if before {
        judge(&mut engine, lte_siblings("520-03", 0, usual));
    }
    judge(&mut engine, [openbts("520-03", 30).heard(0)]);
    tiers(&judge(&mut engine, [own().with(down).heard(60)]), "RS-12")
}

#[test]
fn rs_12_fires_when_sib7_sends_phones_to_a_suspects_carrier() {
    assert_eq!(beside_a_blaster(plain, true), [A]);
    assert_eq!(beside_a_blaster(plain, false), [B], "the operator's own lists are not known");
}

#[test]
fn rs_12_fires_on_a_carrier_that_no_gsm_licence_names_where_there_are_some() {
    let licences = || register(&["TH-1,gsm,520-03,51,5001,1,5,licensed,", "TH-2,gsm,520-03,53,5001,2,6,licensed,"]);
    assert_eq!(tiers(&judge_anew(Some(licences()), [own().with(down).heard(0)]), "RS-12"), [B]);
    assert_eq!(tiers(&judge_anew(Some(licences()), [own().heard(0)]), "RS-12"), []);
    let of_another = register(&["TH-1,gsm,520-04,51,5001,1,5,licensed,"]);
    assert_eq!(
        tiers(&judge_anew(Some(of_another), [own().with(down).heard(0)]), "RS-12"),
        [],
        "no GSM of this network"
    );
}

#[test]
fn rs_12_near_miss_a_suspect_of_yesterday_and_another_carrier_are_silent() {
    let mut engine = Engine::new(Config::default(), None);
    judge(&mut engine, [openbts("520-03", 30).heard(0)]);
    let judged = |engine: &mut Engine, at| tiers(&judge(engine, [own().with(down).heard(at)]), "RS-12");
    assert_eq!(judged(&mut engine, 86_401), []);
    let mut engine = Engine::new(Config::default(), None);
    judge(&mut engine, [public("520-03", 30, 5, 5001, 1).heard(0)]);
    assert_eq!(judged(&mut engine, 60), [], "GSM without findings");
}

#[test]
fn rs_12_benign_lookalike_a_carrier_that_siblings_list_is_the_operators_own() {
    // A blaster hides on a carrier that every cell around lists: that makes no suspect of them.
    let lists = |f: &mut LteFields| f.sib7.as_mut().unwrap().layers = vec![gsm_layer(&[30, 51], 2)];
    assert_eq!(beside_a_blaster(lists, true), []);
}

#[test]
fn rs_12_keeps_two_cells_apart() {
    let before = lte_siblings("520-03", 0, plain).into_iter().chain([openbts("520-04", 30).heard(0)]).collect();
    kept_apart("RS-12", None, before, &own().with(down), &other());
}

// ---------------------------------------------------------------- RS-14

fn barring(emergency: bool, factor: u8) -> impl Fn(&mut LteFields) {
    let config = AcBarringConfig { factor_percent: factor, time_s: 512, special_classes: 0b11111 };
    move |f| {
        f.sib2.as_mut().unwrap().ac_barring =
            Some(AcBarring { emergency, mo_signalling: Some(config), mo_data: Some(config) });
    }
}

#[test]
fn rs_14_fires_where_a_strong_cell_bars_everybody_or_emergency_calls() {
    assert_eq!(alone("RS-14", &own().with(barring(false, 0)).snr(20.0)), [B]);
    assert_eq!(alone("RS-14", &own().with(barring(true, 95)).snr(20.0)), [B]);
}

#[test]
fn rs_14_near_miss_some_get_through_and_weak_cells_are_context_or_silent() {
    assert_eq!(alone("RS-14", &own().with(barring(false, 5)).snr(30.0)), []);
    assert_eq!(alone("RS-14", &own().with(barring(false, 0)).snr(19.9)), [C]);
    assert_eq!(alone("RS-14", &own().with(|f| f.sib2 = None).snr(30.0)), []);
}

#[test]
fn rs_14_benign_lookalike_a_disaster_and_a_barred_cell_are_no_more_than_context() {
    assert_eq!(among("RS-14", barring(true, 0), &own().with(barring(true, 0)).snr(30.0)), [C]);
    let closed = own().with(barring(true, 0)).sib1(|s| s.cell_barred = true);
    assert_eq!(alone("RS-14", &closed.snr(30.0)), []);
}

#[test]
fn rs_14_keeps_two_cells_apart() {
    kept_apart("RS-14", None, vec![], &own().with(barring(true, 0)).snr(30.0), &other());
}
