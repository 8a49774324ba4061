//! SI-05, SI-06, SI-11, SI-13 (LTE), SI-14, SI-15, SI-17.

use crate::lte_support::*;
use crate::support::{judge, judge_anew, register, tiers};
use daen::observation::Tier::{A, B, C};
use daen::observation::lte::{BroadcastPlmn, LteFields, TddConfig};
use daen::observation::{Finding, Observation};
use daen::rules::{Config, Engine};

fn other() -> LteCell {
    public_lte("520-03", 31, 700, 0x2_0002)
}

fn plain(_: &mut LteFields) {}

fn scheduling(list: &[(u16, &[u8])]) -> impl Fn(&mut LteFields) {
    let list: Vec<_> = list.iter().map(|(period, types)| every(*period, types)).collect();
    move |f| f.sib1.as_mut().unwrap().scheduling = list.clone()
}

// ---------------------------------------------------------------- SI-05

#[test]
fn si_05_fires_on_two_types_among_siblings_that_schedule_more() {
    assert_eq!(among("SI-05", plain, &own().with(scheduling(&[(16, &[3])]))), [B]);
    assert_eq!(among("SI-05", plain, &own().with(scheduling(&[(16, &[])]))), [B], "SIB2 alone");
    assert_eq!(among("SI-05", plain, &own().with(scheduling(&[(16, &[3, 13])]))), [B]);
}

#[test]
fn si_05_near_miss_one_more_type_is_context_and_a_warning_does_not_count() {
    assert_eq!(among("SI-05", plain, &own().with(scheduling(&[(16, &[3]), (32, &[5])]))), [C]);
    assert_eq!(among("SI-05", plain, &own().with(scheduling(&[(16, &[3]), (16, &[12])]))), [B]);
    let more = own().with(scheduling(&[(8, &[3]), (32, &[5]), (64, &[6, 7]), (64, &[16])]));
    assert_eq!(among("SI-05", plain, &more), [], "more than the siblings");
}

#[test]
fn si_05_benign_lookalike_an_operator_with_few_types_is_silent_and_a_lone_cell_is_context() {
    let few = scheduling(&[(16, &[3])]);
    assert_eq!(among("SI-05", &few, &own().with(&few)), []);
    assert_eq!(alone("SI-05", &own().with(&few)), [C]);
    assert_eq!(alone("SI-05", &own().with(|f| f.sib1 = None)), []);
    let licence = register(&["TH-1,lte,520-03,,700,131073,30,licensed,"]);
    let licensed: Vec<Observation> = lte_siblings("520-03", 0, plain);
    let findings = judge_anew(Some(licence), licensed.into_iter().chain([own().with(&few).heard(10)]));
    assert!(tiers(&findings, "SI-05").iter().all(|&tier| tier == C));
}

#[test]
fn si_05_keeps_two_cells_apart() {
    let bad = own().with(scheduling(&[(16, &[3])]));
    kept_apart("SI-05", None, lte_siblings("520-03", 0, plain), &bad, &other());
}

// ---------------------------------------------------------------- SI-06

fn without_sib5(f: &mut LteFields) {
    (f.sib_types, f.sib5) = (vec![2, 3, 6, 7], None);
}

/// The tiers after a cell was heard in one stream for so many seconds.
fn after(cell: &LteCell, seconds: i64) -> Vec<daen::observation::Tier> {
    tiers(&judge_anew(None, (0..=seconds).map(|s| cell.heard(s))), "SI-06")
}

#[test]
fn si_06_fires_when_a_scheduled_message_does_not_come() {
    assert_eq!(after(&own().with(without_sib5), 30), [B]);
}

#[test]
fn si_06_near_miss_twenty_seconds_and_32_of_the_longest_periods_must_have_passed_in_one_stream() {
    let quick = own().with(without_sib5).with(scheduling(&[(8, &[3]), (32, &[5])]));
    assert_eq!((after(&quick, 19), after(&quick, 20)), (vec![], vec![B]));
    let slow = own().with(without_sib5).with(scheduling(&[(8, &[3]), (512, &[5])]));
    assert_eq!((after(&slow, 163), after(&slow, 164)), (vec![], vec![B]), "32 x 5.12 s");
    let streams = (0..60).map(|s| own().with(without_sib5).stream(&format!("{}", s / 10), s / 10 * 10).heard(s));
    assert_eq!(tiers(&judge_anew(None, streams), "SI-06"), [], "a node that hops between carriers");
}

#[test]
fn si_06_benign_lookalike_weak_clipped_narrow_and_unknown_types_are_silent() {
    let bad = || own().with(without_sib5);
    assert_eq!(after(&bad().snr(9.9), 30), []);
    assert_eq!(after(&bad().with(|f| f.sib_types.clear()), 30), [], "the stream is too narrow for any of it");
    assert_eq!(after(&bad().with(scheduling(&[(8, &[3]), (32, &[0])])), 30), [], "of a later release");
    assert_eq!(after(&own().with(|f| f.sib_types = vec![2, 5, 6, 7]), 30), [], "SIB3 is hidden behind SIB2");
    let clipped = (0..=30).map(|s| {
        let mut heard = bad().heard(s);
        heard.receiver.clipped_ppm = 1;
        heard
    });
    assert_eq!(tiers(&judge_anew(None, clipped), "SI-06"), []);
}

#[test]
fn si_06_keeps_two_cells_apart() {
    let (bad, good) = (own().with(without_sib5), other());
    kept_apart("SI-06", None, vec![bad.heard(0), good.heard(0)], &bad, &good);
}

// ---------------------------------------------------------------- SI-11

fn hysteresis(db: u8) -> LteCell {
    own().sib3(|s| s.q_hyst_db = db)
}

fn seen(cells: impl IntoIterator<Item = (i64, LteCell)>) -> Vec<daen::observation::Tier> {
    tiers(&judge_anew(None, cells.into_iter().map(|(at, cell)| cell.heard(at))), "SI-11")
}

#[test]
fn si_11_fires_when_content_changes_and_the_tag_does_not() {
    assert_eq!(seen([(0, hysteresis(4)), (100, hysteresis(6)), (160, hysteresis(6))]), [C]);
}

#[test]
fn si_11_near_miss_the_tag_may_follow_within_a_minute() {
    let told = hysteresis(6).sib1(|s| s.value_tag = 8);
    assert_eq!(seen([(0, hysteresis(4)), (100, hysteresis(6)), (159, hysteresis(6)), (160, told.clone())]), []);
    assert_eq!(seen([(0, hysteresis(4)), (100, told.clone()), (200, told)]), []);
    assert_eq!(seen([(0, hysteresis(4)), (100, hysteresis(6)), (130, hysteresis(4)), (200, hysteresis(4))]), []);
}

#[test]
fn si_11_benign_lookalike_access_barring_may_change_at_any_time_and_messages_may_come_late() {
    let barring = own().with(|f| {
        let barring = daen::observation::lte::AcBarring { emergency: false, mo_signalling: None, mo_data: None };
        f.sib2.as_mut().unwrap().ac_barring = Some(barring);
    });
    assert_eq!(seen([(0, own()), (100, barring.clone()), (200, barring), (300, own())]), []);
    let late = own().with(|f| (f.sib3, f.sib5) = (None, None));
    assert_eq!(seen([(0, late), (100, own()), (200, own())]), []);
}

#[test]
fn si_11_takes_a_tag_of_zero_as_context_after_a_day_where_siblings_count_and_keeps_two_cells_apart() {
    let zero = || own().sib1(|s| s.value_tag = 0);
    let day = 86_400;
    let run = |usual: u8, at: i64| {
        let mut engine = Engine::new(Config::default(), None);
        judge(&mut engine, lte_siblings("520-03", 0, |f| f.sib1.as_mut().unwrap().value_tag = usual));
        tiers(&judge(&mut engine, [zero().heard(0), zero().heard(at)]), "SI-11")
    };
    assert_eq!((run(7, day), run(7, day - 1), run(0, day)), (vec![C], vec![], vec![]));
    let mut engine = Engine::new(Config::default(), None);
    let turns = [(0, 4), (100, 6), (170, 6)].map(|(at, db)| [hysteresis(db).heard(at), other().heard(at)]).concat();
    let findings: Vec<Finding> = judge(&mut engine, turns).into_iter().filter(|f| f.rule == "SI-11").collect();
    assert!(findings.len() == 1 && findings[0].observation.cell == own().key());
}

// ---------------------------------------------------------------- SI-13

fn fingerprint(cell: &LteCell) -> Option<(daen::observation::Tier, String)> {
    let findings = judge_anew(None, [cell.heard(0)]);
    findings.iter().find(|f| f.rule == "SI-13").map(|f| (f.tier, f.evidence[0].value.clone()))
}

#[test]
fn si_13_fires_on_each_lte_stack_by_name() {
    assert_eq!(fingerprint(&srsran("520-03")), Some((A, "srsRAN: 11 of 11 defaults".to_owned())));
    assert_eq!(fingerprint(&oai("520-03")), Some((A, "OAI: 10 of 10 defaults".to_owned())));
}

#[test]
fn si_13_near_miss_two_defaults_are_silent_three_are_b_four_are_a() {
    let own_of = |stack: &LteCell| stack.fields.sib2.clone().unwrap();
    for default in [srsran("520-03"), oai("520-03")] {
        let (stack, mut tiers) = (own_of(&default), Vec::new());
        for n in 2..=4 {
            let cell = own().with(|f| {
                let s = f.sib2.as_mut().unwrap();
                (s.prach, s.rach) = (stack.prach, stack.rach);
                if n > 2 {
                    s.uplink_power = stack.uplink_power;
                }
                if n > 3 {
                    s.ue_timers = stack.ue_timers;
                }
            });
            tiers.push(fingerprint(&cell).map(|(tier, _)| tier));
        }
        assert_eq!(tiers, [None, Some(B), Some(A)]);
    }
    assert_eq!(fingerprint(&srsran("520-03").count(1)), None, "one copy");
    assert_eq!(
        fingerprint(&srsran("520-03").with(|f| (f.sib2, f.sib3) = (None, None))),
        None,
        "SIB1 alone is not enough"
    );
}

#[test]
fn si_13_benign_lookalike_an_lte_operator_on_the_same_software_does_not_count() {
    // Three licensed cells that run on it; a new cell of the operator, not registered yet; the same software where nobody has it.
    let rows: Vec<String> = (0..3).map(|n| format!("KH-{n},lte,456-11,,7,{},{n},licensed,", 500_000 + n)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let of = |n: u16| {
        let mut cell = srsran("456-11");
        (cell.pci, cell.eci) = (n, 500_000 + u64::from(n));
        cell
    };
    let mut engine = Engine::new(Config::default(), Some(register(&rows)));
    let licensed = judge(&mut engine, (0..3).map(|n| of(n).heard(0)));
    assert!(licensed.iter().all(|f| f.tier >= B), "the first licensed cell is at most tier B");
    assert_eq!(tiers(&judge(&mut engine, [of(7).heard(10)]), "SI-13"), []);
    assert_eq!(tiers(&judge_anew(Some(register(&rows)), [of(7).heard(10)]), "SI-13"), [A]);
    let licence = register(&["KH-1,lte,456-11,,7,105217,1,licensed,"]);
    let findings = judge_anew(Some(licence), [srsran("456-11").heard(0)]);
    assert_eq!(tiers(&findings, "SI-13"), [B], "a licence lowers it: it may be a clone");
}

#[test]
fn si_13_keeps_two_lte_cells_apart() {
    kept_apart("SI-13", None, vec![], &srsran("520-03"), &other());
}

// ---------------------------------------------------------------- SI-14

fn unusual(f: &mut LteFields) {
    f.sib1.as_mut().unwrap().p_max_dbm = Some(10);
    f.sib2.as_mut().unwrap().ue_timers.t300_ms = 2000;
}

#[test]
fn si_14_fires_as_context_on_two_parameters_that_no_sibling_has() {
    assert_eq!(among("SI-14", plain, &own().with(unusual)), [C]);
}

#[test]
fn si_14_near_miss_one_parameter_or_no_siblings_are_silent() {
    assert_eq!(among("SI-14", plain, &own().sib1(|s| s.p_max_dbm = Some(10))), []);
    assert_eq!(alone("SI-14", &own().with(unusual)), []);
    assert_eq!(among("SI-14", plain, &own().with(unusual).with(|f| f.sib2 = None)), []);
}

#[test]
fn si_14_benign_lookalike_values_of_some_siblings_are_silent() {
    assert_eq!(among("SI-14", unusual, &own().with(unusual)), []);
}

#[test]
fn si_14_keeps_two_cells_apart() {
    kept_apart("SI-14", None, lte_siblings("520-03", 0, plain), &own().with(unusual), &other());
}

// ---------------------------------------------------------------- SI-15

#[test]
fn si_15_fires_as_context_on_closed_cells_of_public_networks() {
    assert_eq!(alone("SI-15", &own().sib1(|s| s.csg_indication = true)), [C]);
    assert_eq!(alone("SI-15", &own().sib1(|s| s.cell_barred = true).snr(20.0)), [C]);
    let reserved = BroadcastPlmn { plmn: "520-03".parse().ok(), reserved_for_operator_use: true };
    assert_eq!(alone("SI-15", &own().sib1(|s| s.plmns = vec![reserved])), [C]);
}

#[test]
fn si_15_near_miss_a_barred_cell_that_is_not_strong_is_silent() {
    assert_eq!(alone("SI-15", &own().sib1(|s| s.cell_barred = true).snr(19.9)), []);
    assert_eq!(alone("SI-15", &own().with(|f| f.sib1 = None)), []);
}

#[test]
fn si_15_benign_lookalike_a_private_network_and_a_licensed_home_cell_are_silent() {
    let private = public_lte("999-70", 30, 700, 0x2_0001).sib1(|s| s.csg_indication = true);
    assert_eq!(alone("SI-15", &private), []);
    let licence = register(&["TH-1,lte,520-03,,700,131073,30,licensed,"]);
    let home = own().sib1(|s| s.csg_indication = true);
    assert_eq!(tiers(&judge_anew(Some(licence), [home.heard(0)]), "SI-15"), []);
}

#[test]
fn si_15_keeps_two_cells_apart() {
    kept_apart("SI-15", None, vec![], &own().sib1(|s| s.csg_indication = true), &other());
}

// ---------------------------------------------------------------- SI-17

const TDD: TddConfig = TddConfig { subframe_assignment: 2, special_subframe_patterns: 7 };

/// A cell whose reference signals reach so far below and above its carrier, kHz; its MIB says 75 resource blocks, 6750 to either side.
fn occupying(below_khz: u16, above_khz: u16) -> LteCell {
    let signal = serde_json::json!({
        "rs_sinr_db": 15.0,
        "rssi_dbfs": -40.0,
        "occupied": { "below_khz": below_khz, "above_khz": above_khz, "looked_khz": 9000, "floor_db": -16.0 },
    });
    own().with(|f| f.signal = Some(serde_json::from_value(signal).unwrap()))
}

#[test]
fn si_17_fires_when_sib1_is_of_another_duplex_or_band_than_the_signal() {
    assert_eq!(alone("SI-17", &own().sib1(|s| s.tdd = Some(TDD))), [A]);
    assert_eq!(alone("SI-17", &own().with(|f| f.radio.as_mut().unwrap().tdd = true)), [A]);
    assert_eq!(alone("SI-17", &own().sib1(|s| s.bands = vec![7])), [A]);
}

#[test]
fn si_17_fires_when_reference_signals_fill_another_width_than_the_mib_says() {
    assert_eq!(alone("SI-17", &occupying(4500, 4500)), [B], "50 blocks");
    assert_eq!(alone("SI-17", &occupying(9000, 9000)), [B], "100 blocks");
    assert_eq!(alone("SI-17", &occupying(4500, 4500).sib1(|s| s.bands = vec![7])), [A], "with the band");
}

#[test]
fn si_17_near_miss_a_width_that_nearly_agrees_or_cannot_be_told_is_silent() {
    for (below, above) in [(6750, 6750), (6660, 6750), (5400, 5400), (8100, 8100), (6750, 4100)] {
        assert_eq!(alone("SI-17", &occupying(below, above)), [], "{below} {above}");
    }
    assert_eq!(alone("SI-17", &occupying(4500, 4500).with(|f| f.signal.as_mut().unwrap().occupied = None)), []);
    assert_eq!(alone("SI-17", &occupying(4500, 4500).with(|f| f.mib = None)), []);
}

#[test]
fn si_17_benign_lookalike_edge_blocks_that_an_operator_switches_off_and_a_licensed_cell_are_milder() {
    assert_eq!(alone("SI-17", &occupying(5940, 5940)), [], "66 of 75 blocks");
    let licence = register(&["TH-1,lte,520-03,,700,131073,30,licensed,"]);
    assert_eq!(
        tiers(&judge_anew(Some(licence), [occupying(4500, 4500).heard(0)]), "SI-17"),
        [C],
        "a filter may do that"
    );
}

#[test]
fn si_17_near_miss_the_edge_of_the_band_and_several_bands_are_silent() {
    assert_eq!(alone("SI-17", &own().on(1_879_900_000, 3)), []);
    assert_eq!(alone("SI-17", &own().on(1_880_000_000, 3)), [A], "the first carrier beyond band 3");
    assert_eq!(alone("SI-17", &own().sib1(|s| s.bands = vec![9, 3])), [], "9 does not hold it, 3 does");
    assert_eq!(alone("SI-17", &own().with(|f| f.radio = None).sib1(|s| s.bands = vec![7])), []);
}

#[test]
fn si_17_benign_lookalike_tdd_that_agrees_and_a_band_that_is_not_known_are_silent() {
    let tdd = own().on(2_350_000_000, 40).sib1(|s| s.tdd = Some(TDD));
    assert_eq!(alone("SI-17", &tdd.with(|f| f.radio.as_mut().unwrap().tdd = true)), []);
    assert_eq!(alone("SI-17", &own().sib1(|s| s.bands = vec![7, 103])), []);
    assert_eq!(alone("SI-17", &own().sib1(|s| s.bands = vec![])), []);
    let licence = register(&["TH-1,lte,520-03,,700,131073,30,licensed,"]);
    let replayed = own().sib1(|s| s.bands = vec![7]);
    assert_eq!(tiers(&judge_anew(Some(licence), [replayed.heard(0)]), "SI-17"), [B], "it may be a clone");
}

#[test]
fn si_17_keeps_two_cells_apart() {
    kept_apart("SI-17", None, vec![], &own().sib1(|s| s.tdd = Some(TDD)), &other());
    kept_apart("SI-17", None, vec![], &occupying(4500, 4500), &other());
}
