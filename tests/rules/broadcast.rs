//! SI-01, SI-08, SI-09.

use crate::support::*;
use daen::observation::Tier::{A, B, C};
use daen::observation::gsm::{GsmFields, RestOctets, SiType};
use daen::rules::{Config, Engine};

fn cell() -> Cell {
    public("520-03", 30, 5, 5001, 10_101)
}

/// Lists only `si2`, and no other standard's cells.
fn listing(si2: &[u16]) -> Cell {
    let si2 = si2.to_vec();
    cell().with(move |f| {
        f.neighbours_si2 = Some(si2);
        f.neighbours_si2ter = None;
        f.other_rats = None;
        f.si3_rest.as_mut().unwrap().si2ter = false;
    })
}

fn minimal(fields: &mut GsmFields) {
    use SiType::*;
    fields.si_types = vec![Si1, Si2, Si3, Si4];
    fields.schedule = [Si1, Si2, Si3, Si4, Si3, Si2, Si3, Si4].map(Some);
    fields.neighbours_si2ter = None;
    fields.other_rats = None;
    fields.si3_rest.as_mut().unwrap().si2ter = false;
}

fn empty_rest(fields: &mut GsmFields) {
    fields.si3_rest = Some(RestOctets { padding_only: true, ..RestOctets::default() });
}

// ---------------------------------------------------------------- SI-01

#[test]
fn si_01_fires_on_a_list_of_itself_and_on_an_empty_list() {
    assert_eq!(tiers(&judge_anew(None, [listing(&[30]).heard(0)]), "SI-01"), [A]);
    assert_eq!(tiers(&judge_anew(None, [listing(&[]).heard(0)]), "SI-01"), [B]);
}

#[test]
fn si_01_near_miss_itself_and_one_more_is_silent() {
    assert_eq!(tiers(&judge_anew(None, [listing(&[30, 33]).heard(0)]), "SI-01"), []);
}

#[test]
fn si_01_benign_lookalike_neighbours_elsewhere_or_not_received_yet() {
    let waits = listing(&[]).with(|f| f.si3_rest.as_mut().unwrap().si2ter = true);
    assert_eq!(tiers(&judge_anew(None, [waits.heard(0)]), "SI-01"), [], "SI2ter is announced and not received");
    let came = waits.with(|f| f.neighbours_si2ter = Some(vec![612]));
    assert_eq!(tiers(&judge_anew(None, [came.heard(0)]), "SI-01"), []);
    let lte = listing(&[]).with(|f| {
        f.other_rats = Some(daen::observation::gsm::OtherRats { eutran: vec![(1300, Some(5))], ..Default::default() });
    });
    assert_eq!(tiers(&judge_anew(None, [lte.heard(0)]), "SI-01"), [C], "a cell that only knows LTE neighbours");
}

#[test]
fn si_01_neighbours_that_stay_silent_for_a_day_are_context_where_others_are_heard() {
    let mut engine = Engine::new(Config::default(), None);
    let others = [20, 26, 40, 44].map(|arfcn| public("456-08", arfcn, 9, 401, 4000 + u64::from(arfcn)));
    let suspect = listing(&[33, 36]);
    let mut of_suspect = |cells: &[&Cell], hour: i64| {
        let mut findings = judge(&mut engine, cells.iter().map(|cell| cell.heard(3600 * hour)));
        findings.retain(|f| f.observation.cell == suspect.key());
        tiers(&findings, "SI-01")
    };
    let mut cells: Vec<&Cell> = others.iter().chain([&suspect]).collect();
    for hour in 0..30 {
        let expected: &[_] = if hour < 24 { &[] } else { &[C] };
        assert_eq!(of_suspect(&cells, hour), expected, "hour {hour}");
    }
    let neighbour = public("520-03", 33, 7, 5001, 10_104);
    cells.insert(0, &neighbour);
    assert_eq!(of_suspect(&cells, 30), [], "one of its neighbours on air is enough");
}

#[test]
fn si_01_keeps_two_cells_apart() {
    assert_kept_apart("SI-01", None, vec![], &listing(&[30]), &public("520-03", 33, 5, 5001, 10_102));
}

// ---------------------------------------------------------------- SI-08

#[test]
fn si_08_fires_with_tier_a_beside_an_empty_list_and_b_against_richer_siblings() {
    let alone = cell().with(minimal).with(|f| f.neighbours_si2 = Some(vec![]));
    assert_eq!(tiers(&judge_anew(None, [alone.heard(0)]), "SI-08"), [A]);
    let heard = siblings("520-03", 0, |_| {}).into_iter().chain([cell().with(minimal).heard(10)]);
    assert_eq!(tiers(&judge_anew(None, heard), "SI-08"), [B]);
}

#[test]
fn si_08_near_miss_one_more_type_or_a_gap_in_the_schedule_is_silent() {
    let one_more = cell().with(minimal).with(|f| f.si_types.push(SiType::Si2ter));
    assert_eq!(tiers(&judge_anew(None, [one_more.heard(0)]), "SI-08"), []);
    let gap = cell().with(minimal).with(|f| f.schedule[4] = None);
    assert_eq!(tiers(&judge_anew(None, [gap.heard(0)]), "SI-08"), [], "TC 4 was not received yet");
    let other = cell().with(minimal).with(|f| f.schedule[4] = Some(SiType::Si9));
    assert_eq!(tiers(&judge_anew(None, [other.heard(0)]), "SI-08"), []);
}

#[test]
fn si_08_benign_lookalike_an_old_network_of_minimal_cells_is_silent_and_a_lone_one_is_context() {
    let heard = siblings("520-03", 0, minimal).into_iter().chain([cell().with(minimal).heard(10)]);
    let findings = judge_anew(None, heard);
    let on_cell = findings.iter().filter(|f| f.rule == "SI-08" && f.observation.cell == cell().key()).count();
    assert_eq!(on_cell, 0);
    assert_eq!(tiers(&judge_anew(None, [cell().with(minimal).heard(0)]), "SI-08"), [C]);
    let gprs = cell().with(minimal).with(|f| f.schedule[4] = Some(SiType::Si13));
    assert_eq!(tiers(&judge_anew(None, [gprs.heard(0)]), "SI-08"), [], "with GPRS it is common");
}

#[test]
fn si_08_keeps_two_cells_apart() {
    let before = siblings("520-03", 0, |_| {});
    assert_kept_apart("SI-08", None, before, &cell().with(minimal), &public("520-03", 33, 5, 5001, 10_102));
}

// ---------------------------------------------------------------- SI-09

#[test]
fn si_09_fires_on_padding() {
    assert_eq!(tiers(&judge_anew(None, [cell().with(empty_rest).heard(0)]), "SI-09"), [B]);
}

#[test]
fn si_09_near_miss_a_gprs_indicator_alone_is_silent() {
    let gprs_only = cell().with(|f| {
        let gprs = f.si3_rest.as_ref().unwrap().gprs;
        f.si3_rest = Some(RestOctets { gprs, ..RestOctets::default() });
    });
    assert_eq!(tiers(&judge_anew(None, [gprs_only.heard(0)]), "SI-09"), []);
}

#[test]
fn si_09_benign_lookalike_an_operator_whose_cells_are_all_so_is_silent() {
    let heard = siblings("520-03", 0, empty_rest).into_iter().chain([cell().with(empty_rest).heard(10)]);
    let findings = judge_anew(None, heard);
    let on_cell = findings.iter().filter(|f| f.rule == "SI-09" && f.observation.cell == cell().key()).count();
    assert_eq!(on_cell, 0);
}

#[test]
fn si_09_keeps_two_cells_apart() {
    assert_kept_apart("SI-09", None, vec![], &cell().with(empty_rest), &public("520-03", 33, 5, 5001, 10_102));
}
