//! ID-08, ID-11.

use crate::support::*;
use daen::observation::Tier::{A, B, C};
use daen::rules::{Config, Engine};

fn cell(lac: u32) -> Cell {
    public("520-03", 30, 5, lac, 10_101)
}

// ---------------------------------------------------------------- ID-08

#[test]
fn id_08_fires_on_reserved_values_and_outside_the_operators_set() {
    for lac in [0, 0xfffe, 0xffff] {
        assert_eq!(tiers(&judge_anew(None, [cell(lac).heard(0)]), "ID-08"), [B], "{lac}");
    }
    let known = register(&["TH-1,gsm,520-03,51,5001,1,,,", "TH-2,gsm,520-03,53,5002,2,,,"]);
    let findings = judge_anew(Some(known), [cell(5003).heard(0)]);
    assert_eq!(tiers(&findings, "ID-08"), [B]);
    let line = &findings.iter().find(|f| f.rule == "ID-08").unwrap().evidence[0];
    assert_eq!(line.expected, "5001, 5002 (licence register)");
}

#[test]
fn id_08_near_miss_the_largest_usable_value_and_a_value_of_the_set_are_silent() {
    assert_eq!(tiers(&judge_anew(None, [cell(0xfffd).heard(0)]), "ID-08"), []);
    let known = || register(&["TH-1,gsm,520-03,51,5001,1,,,", "KH-1,gsm,456-01,12,301,3,,,"]);
    assert_eq!(tiers(&judge_anew(Some(known()), [cell(5001).heard(0)]), "ID-08"), []);
    assert_eq!(tiers(&judge_anew(Some(known()), [cell(301).heard(0)]), "ID-08"), [B], "another network's area");
}

#[test]
fn id_08_benign_lookalike_a_small_operators_area_1_is_context_and_in_its_set_nothing() {
    assert_eq!(tiers(&judge_anew(None, [cell(1).heard(0)]), "ID-08"), [C]);
    let known = register(&["TH-1,gsm,520-03,51,1,1,,,"]);
    assert_eq!(tiers(&judge_anew(Some(known), [cell(1).heard(0)]), "ID-08"), []);
}

#[test]
fn id_08_keeps_two_cells_apart() {
    assert_kept_apart("ID-08", None, vec![], &cell(0xfffe), &public("520-03", 30, 6, 5001, 10_102));
}

// ---------------------------------------------------------------- ID-11

#[test]
fn id_11_fires_with_tier_a_on_a_blaster_that_cycles_its_area() {
    let mut engine = Engine::new(Config::default(), None);
    let cycle = [5001, 5002, 5001, 5003].iter().zip(0..).flat_map(|(&lac, n)| {
        // Each value lasts 15 s; a first report on the change, with one copy, then a report with more.
        [cell(lac).count(1).heard(15 * n), cell(lac).count(8).heard(15 * n + 10)]
    });
    let findings = judge(&mut engine, cycle);
    assert_eq!(tiers(&findings, "ID-11"), [B, A, A], "a change; a second change; a third value");
    let last = findings.iter().rfind(|f| f.rule == "ID-11").unwrap();
    assert_eq!(last.evidence[0].value, "5001, 5002, 5003");
}

#[test]
fn id_11_confirms_earlier_areas_from_the_octets_where_reports_are_rare() {
    // Reports only on change, each with one copy of the new SI3; the copies of the value before come with the next report.
    let mut engine = Engine::new(Config::default(), None);
    let mut observations = Vec::new();
    let mut seen: Vec<daen::observation::BroadcastBlock> = Vec::new();
    for (lac, n) in [5001, 5002, 5003, 5004].into_iter().zip(0..) {
        seen.iter_mut().for_each(|block| block.count = 8);
        let mut observation = cell(lac).count(1).heard(15 * n);
        let new = observation.broadcast.iter().find(|b| b.name == "SI3").cloned().unwrap();
        observation.broadcast.extend(seen.iter().cloned());
        seen.push(new);
        observations.push(observation);
    }
    observations.push(cell(5004).count(2).heard(61));
    assert_eq!(tiers(&judge(&mut engine, observations), "ID-11"), [A]);
}

#[test]
fn id_11_near_miss_a_value_that_was_decoded_once_is_a_decode_error() {
    let observations = [cell(5001).heard(0), cell(5001 ^ 0x400).count(1).heard(5), cell(5001).heard(10)];
    assert_eq!(tiers(&judge_anew(None, observations), "ID-11"), []);
}

#[test]
fn id_11_near_miss_a_second_value_after_more_than_a_day_is_silent() {
    let observations = [cell(5001).heard(0), cell(5002).stream("two").heard(86_402)];
    assert_eq!(tiers(&judge_anew(None, observations), "ID-11"), []);
    let observations = [cell(5001).heard(0), cell(5002).stream("two").heard(86_398)];
    assert_eq!(tiers(&judge_anew(None, observations), "ID-11"), [B]);
}

#[test]
fn id_11_benign_lookalike_a_planned_change_of_many_cells_is_context() {
    let of = |n: u16, lac: u32| public("520-03", 40 + n, n, lac, 20_000 + u64::from(n));
    let mut engine = Engine::new(Config::default(), None);
    let before = (0..12).map(|n| of(n, 5001).heard(i64::from(n)));
    assert_eq!(tiers(&judge(&mut engine, before), "ID-11"), []);
    let night = (0..12).map(|n| of(n, 6001).stream("two").heard(3000 + i64::from(n)));
    let tiers = tiers(&judge(&mut engine, night), "ID-11");
    assert_eq!(tiers[..10], [B; 10], "the first ten cannot know");
    assert_eq!(tiers[10..], [C, C], "ten others changed within the hour");
}

#[test]
fn id_11_keeps_two_cells_apart() {
    let (one, other) = (cell(5001), public("520-03", 30, 5, 5002, 10_102));
    let turns = (0..20).flat_map(|n| [one.heard(2 * n), other.heard(2 * n + 1)]);
    assert_eq!(tiers(&judge_anew(None, turns), "ID-11"), [], "two cells of one key, each with its own area");
    let turns = (0..20).flat_map(|n| [one.clone().lac(5001 + n as u32 % 2).heard(2 * n), other.heard(2 * n + 1)]);
    let findings = judge_anew(None, turns);
    let on: Vec<_> = findings.iter().filter(|f| f.rule == "ID-11").map(|f| &f.observation.identity).collect();
    assert!(!on.is_empty() && on.iter().all(|i| i.as_ref().unwrap().cell_id == Some(10_101)));
}

#[test]
fn id_11_is_not_excused_by_a_licence() {
    let licence = register(&["TH-1,gsm,520-03,30,5001,10101,5,licensed,"]);
    let cycle = (0..6).map(|n| cell(5001 + n % 2).heard(15 * i64::from(n)));
    let tiers = tiers(&judge_anew(Some(licence), cycle), "ID-11");
    assert!(tiers.contains(&A), "{tiers:?}");
}
