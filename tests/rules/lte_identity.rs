//! LTE: ID-01 to ID-08 and ID-11; ID-04 and ID-06 in all standards.

use crate::lte_support::*;
use crate::support::{config, judge, judge_anew, plmn, public, register, tiers};
use daen::observation::Tier::{A, B, C};
use daen::rules::{Config, Engine, Format, Register};

fn at_border(network: &str) -> LteCell {
    public_lte(network, 30, 700, 0x2_0001).at_the_border()
}

fn of(rule: &str, cell: &LteCell) -> Vec<daen::observation::Tier> {
    alone(rule, cell)
}

// ---------------------------------------------------------------- ID-01, ID-02

#[test]
fn id_01_fires_on_a_test_network_anywhere_in_the_list_of_a_shared_cell() {
    assert_eq!(of("ID-01", &at_border("001-01")), [A]);
    let mut shared = at_border("520-03");
    shared.plmns.push(plmn("001-01"));
    assert_eq!(of("ID-01", &shared), [A]);
}

#[test]
fn id_01_near_miss_a_cell_shared_by_networks_of_both_countries_is_silent() {
    let mut shared = at_border("520-03");
    shared.plmns.extend(["520-05", "520-47"].map(plmn));
    assert_eq!(of("ID-01", &shared), []);
    let mut engine = Engine::new(config("allowed_plmns = [\"001-01\"]"), None);
    assert_eq!(tiers(&judge(&mut engine, [at_border("001-01").heard(0)]), "ID-01"), [], "a licensed laboratory");
}

#[test]
fn id_02_fires_on_lte_of_a_network_that_was_shut_down_and_keeps_two_cells_apart() {
    let other = public_lte("456-02", 31, 700, 0x2_0002).at_the_border();
    assert_eq!(of("ID-02", &at_border("456-04")), [A]);
    kept_apart("ID-02", None, vec![], &at_border("456-04"), &other);
}

// ---------------------------------------------------------------- ID-03

#[test]
fn id_03_fires_where_the_mibs_bandwidth_reaches_into_anothers_block() {
    // AIS holds 1820 to 1840 MHz: 20 MHz fit round 1830, not round 1827.5; dtac begins at 1840.
    assert_eq!(of("ID-03", &at_border("520-03").on(1_830_000_000, 3).with(|f| f.mib.as_mut().unwrap().prb = 100)), []);
    assert_eq!(of("ID-03", &at_border("520-03").on(1_832_000_000, 3).with(|f| f.mib.as_mut().unwrap().prb = 100)), [B]);
    assert_eq!(of("ID-03", &at_border("520-03").on(1_832_000_000, 3).with(|f| f.mib.as_mut().unwrap().prb = 75)), []);
}

#[test]
fn id_03_near_miss_without_a_mib_the_narrowest_carrier_counts() {
    assert_eq!(of("ID-03", &at_border("520-03").on(1_839_400_000, 3).with(|f| f.mib = None)), []);
    assert_eq!(of("ID-03", &at_border("520-03").on(1_839_500_000, 3).with(|f| f.mib = None)), [B]);
}

#[test]
fn id_03_benign_lookalike_an_operator_that_shares_anothers_cell_and_spectrum_is_silent() {
    let mut guest = at_border("520-02");
    assert_eq!(of("ID-03", &guest), [B], "alone on AIS's carrier");
    guest.plmns.push(plmn("520-03"));
    assert_eq!(of("ID-03", &guest), []);
}

// ---------------------------------------------------------------- ID-04

/// srsRAN's default carrier, EARFCN 3350.
fn in_the_tdd_block(network: &str) -> LteCell {
    at_border(network).on(2_680_000_000, 7)
}

#[test]
fn id_04_fires_on_fdd_inside_the_tdd_award() {
    assert_eq!(of("ID-04", &in_the_tdd_block("520-04")), [B], "of medium confidence");
    assert_eq!(of("ID-04", &at_border("520-04").on(2_350_000_000, 30)), [A], "of high confidence");
    let findings = judge_anew(None, [in_the_tdd_block("520-04").heard(0)]);
    let line = &findings.iter().find(|f| f.rule == "ID-04").unwrap().evidence[0];
    assert!(
        line.value.starts_with("lte FDD of 520-04 on 2680.00 MHz") && line.expected.starts_with("TDD: 2600.0"),
        "{line:?}"
    );
}

#[test]
fn id_04_near_miss_tdd_there_and_a_signal_whose_duplex_is_not_known_are_silent() {
    let tdd = |f: &mut daen::observation::lte::LteFields| f.radio.as_mut().unwrap().tdd = true;
    assert_eq!(of("ID-04", &in_the_tdd_block("520-04").with(tdd)), []);
    assert_eq!(of("ID-04", &at_border("520-03").with(tdd)), [B], "TDD on AIS's paired carrier");
    assert_eq!(of("ID-04", &in_the_tdd_block("520-04").with(|f| f.radio = None)), []);
}

#[test]
fn id_04_benign_lookalike_the_other_countrys_plan_and_a_licence_are_silent() {
    assert_eq!(of("ID-04", &in_the_tdd_block("456-11")), [], "Cambodia's plan is not known");
    assert_eq!(of("ID-04", &in_the_tdd_block("262-02")), [], "nor is a foreign network's at this place");
    let licence = register(&["TH-1,lte,520-04,,700,131073,30,licensed,"]);
    assert_eq!(tiers(&judge_anew(Some(licence), [in_the_tdd_block("520-04").heard(0)]), "ID-04"), []);
}

#[test]
fn id_04_holds_gsm_against_the_standards_of_a_block_and_keeps_two_cells_apart() {
    let plan = std::env::temp_dir().join(format!("daen-rules-plan-{}.toml", std::process::id()));
    let text = "version = 1\nas_of = \"2026\"\n[[country]]\nmcc = \"520\"\nname = \"T\"\nregulator = \"N\"\n[[block]]\nmcc = \"520\"\n\
                from_mhz = 935.0\nto_mhz = 950.0\nholder = \"h\"\nplmns = [\"520-03\"]\nrats = [\"lte\", \"nr\"]\nconfidence = \"high\"\nsource = \"s\"\n";
    std::fs::write(&plan, text).unwrap();
    let rules = config(&format!("countries = [\"520\"]\nplan = {:?}", plan.to_string_lossy()));
    std::fs::remove_file(&plan).unwrap();
    let mut engine = Engine::new(rules, None);
    let lte = public_lte("520-03", 31, 700, 9).on(942_500_000, 8);
    let findings = judge(&mut engine, [public("520-03", 30, 5, 5001, 1).heard(0), lte.heard(0)]);
    assert_eq!(tiers(&findings, "ID-04"), [A], "GSM where the plan has LTE and NR");
    let good = public_lte("520-04", 31, 700, 0x2_0002).at_the_border().on(2_680_000_000, 41);
    let good = good.with(|f| f.radio.as_mut().unwrap().tdd = true);
    kept_apart("ID-04", None, vec![], &in_the_tdd_block("520-04"), &good);
}

// ---------------------------------------------------------------- ID-05, ID-06

const ROWS: [&str; 2] = ["TH-1,lte,520-03,,700,131073,30,licensed,", "TH-2,lte,520-03,,700,131074,31,licensed,"];

#[test]
fn id_05_fires_on_lte_that_is_absent_or_has_another_pci_or_area_and_keeps_two_cells_apart() {
    let judged = |cell: &LteCell| tiers(&judge_anew(Some(register(&ROWS)), [cell.heard(0)]), "ID-05");
    assert_eq!(judged(&own()), []);
    assert_eq!(judged(&public_lte("520-03", 30, 700, 666)), [B]);
    assert_eq!(judged(&public_lte("520-03", 32, 700, 0x2_0001)), [B], "a clone with its own PCI");
    assert_eq!(judged(&own().tac(701)), [B]);
    kept_apart("ID-05", Some(register(&ROWS)), vec![], &public_lte("520-03", 30, 700, 666), &own());
}

/// A crowd database with `count` LTE cells of 520-03, the first of which is the cell under test.
fn crowd(count: u64) -> Register {
    let mut text =
        "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal\r\n".to_owned();
    for n in 0..count {
        text += &format!("LTE,520,3,700,{},,102.5,13.6,1000,5,1,1,1,\r\n", 0x2_0001 + n);
    }
    Register::load(text.as_bytes(), Format::Detect).unwrap().0
}

#[test]
fn id_06_fires_as_context_on_a_cell_that_a_good_crowd_database_lacks() {
    let stranger = public_lte("520-03", 33, 700, 0x9_0001);
    assert_eq!(tiers(&judge_anew(Some(crowd(50)), [stranger.heard(0)]), "ID-06"), [C]);
    assert_eq!(tiers(&judge_anew(Some(crowd(50)), [own().heard(0)]), "ID-06"), []);
}

#[test]
fn id_06_near_miss_a_database_with_one_cell_less_or_of_another_standard_says_nothing() {
    let stranger = public_lte("520-03", 33, 700, 0x9_0001);
    assert_eq!(tiers(&judge_anew(Some(crowd(49)), [stranger.heard(0)]), "ID-06"), []);
    assert_eq!(tiers(&judge_anew(Some(crowd(50)), [public("520-03", 30, 5, 700, 666).heard(0)]), "ID-06"), []);
}

#[test]
fn id_06_benign_lookalike_a_licensed_cell_is_silent() {
    let mut both = crowd(50);
    both.merge(register(&["TH-9,lte,520-03,,700,589825,33,licensed,"]));
    let new = public_lte("520-03", 33, 700, 0x9_0001);
    assert_eq!(tiers(&judge_anew(Some(both), [new.heard(0)]), "ID-06"), []);
}

#[test]
fn id_06_keeps_two_cells_apart() {
    kept_apart("ID-06", Some(crowd(50)), vec![], &public_lte("520-03", 30, 700, 0x9_0001), &own());
}

// ---------------------------------------------------------------- ID-07

#[test]
fn id_07_fires_on_defaults_and_on_numbers_no_operator_begins_with() {
    for eci in [0x19b01, 0xe00, 4095, 0] {
        assert_eq!(of("ID-07", &public_lte("520-03", 30, 700, eci)), [B], "{eci}");
    }
}

#[test]
fn id_07_near_miss_the_next_number_and_a_cell_without_sib1_are_silent() {
    for eci in [0x19b02, 4096, 0xfff_ffff] {
        assert_eq!(of("ID-07", &public_lte("520-03", 30, 700, eci)), [], "{eci}");
    }
    assert_eq!(of("ID-07", &public_lte("520-03", 30, 700, 1).with(|f| f.sib1 = None)), []);
}

#[test]
fn id_07_benign_lookalike_a_small_operator_that_counts_from_one_is_silent() {
    let of_few = (1..=5).map(|n| public_lte("456-11", 100 + n, 700, 256 * u64::from(n)).heard(0));
    let next = public_lte("456-11", 30, 700, 256 * 6);
    let mut findings = judge_anew(None, of_few.chain([next.heard(10)]));
    findings.retain(|f| f.observation.cell == next.key());
    assert_eq!(tiers(&findings, "ID-07"), []);
    assert_eq!(among("ID-07", |_| {}, &public_lte("520-03", 30, 700, 256)), [B], "among large numbers it stands out");
}

#[test]
fn id_07_follows_the_plans_ranges_where_there_are_some_and_keeps_two_cells_apart() {
    let plan = std::env::temp_dir().join(format!("daen-rules-enbs-{}.toml", std::process::id()));
    let text = "version = 1\nas_of = \"2026\"\n[[country]]\nmcc = \"520\"\nname = \"T\"\nregulator = \"N\"\n[[network]]\nplmn = \"520-03\"\n\
                name = \"n\"\nstatus = \"operational\"\nconfidence = \"high\"\nsource = \"s\"\nenbs = [[500, 600]]\n";
    std::fs::write(&plan, text).unwrap();
    let rules = config(&format!("plan = {:?}", plan.to_string_lossy()));
    std::fs::remove_file(&plan).unwrap();
    let judged = |enb: u64| {
        let cell = public_lte("520-03", 30, 700, enb << 8 | 1);
        tiers(&judge(&mut Engine::new(rules.clone(), None), [cell.heard(0)]), "ID-07")
    };
    assert_eq!((judged(499), judged(500), judged(600), judged(601)), (vec![B], vec![], vec![], vec![B]));
    kept_apart("ID-07", None, vec![], &public_lte("520-03", 31, 700, 0x19b01), &own());
}

// ---------------------------------------------------------------- ID-08, ID-11

#[test]
fn id_08_holds_a_tac_against_the_licences_of_lte_and_not_of_gsm() {
    let known = || register(&["TH-1,lte,520-03,,700,1,,,", "TH-2,gsm,520-03,51,5001,2,,,"]);
    assert_eq!(tiers(&judge_anew(Some(known()), [own().heard(0)]), "ID-08"), []);
    assert_eq!(tiers(&judge_anew(Some(known()), [own().tac(5001).heard(0)]), "ID-08"), [B], "GSM's area");
    assert_eq!(of("ID-08", &own().tac(0xfffe)), [B]);
    assert_eq!(of("ID-08", &own().tac(7)), [C], "srsRAN's default");
    kept_apart("ID-08", None, vec![], &own().tac(0xfffe), &public_lte("520-03", 31, 700, 0x2_0002));
}

#[test]
fn id_11_fires_with_tier_a_on_an_lte_cell_that_cycles_its_tac() {
    let mut engine = Engine::new(Config::default(), None);
    let cycle = [700, 701, 700, 702]
        .into_iter()
        .zip(0..)
        .flat_map(|(tac, n)| [own().tac(tac).count(1).heard(15 * n), own().tac(tac).count(8).heard(15 * n + 10)]);
    assert_eq!(tiers(&judge(&mut engine, cycle), "ID-11"), [B, A, A]);
}

#[test]
fn id_11_near_miss_a_tac_received_once_beside_one_received_often_is_not_confirmed() {
    // The report holds both contents of SIB1; the one that counts for the new area is its own.
    let mut heard = own().tac(701).count(1).heard(10);
    heard.broadcast.extend(own().count(50).heard(10).broadcast.into_iter().filter(|block| block.name == "SIB1"));
    let findings = judge_anew(None, [own().heard(0), heard]);
    assert_eq!(tiers(&findings, "ID-11"), []);
}

#[test]
fn id_11_benign_lookalike_new_sib1_contents_of_one_area_are_no_change() {
    let tag = |n: u8| own().sib1(|s| s.value_tag = n).heard(i64::from(n) * 60);
    assert_eq!(tiers(&judge_anew(None, (0..20).map(tag)), "ID-11"), []);
}

#[test]
fn id_11_of_lte_is_not_excused_by_gsm_cells_that_change_at_the_same_time() {
    let mut engine = Engine::new(Config::default(), None);
    let gsm =
        |lac: u32, at: i64| (0..12).map(move |n| public("520-03", 40 + n, n, lac, 20_000 + u64::from(n)).heard(at));
    judge(&mut engine, gsm(5001, 0).chain([own().heard(0)]).collect::<Vec<_>>());
    let findings = judge(&mut engine, gsm(6001, 100).chain([own().tac(701).heard(110)]).collect::<Vec<_>>());
    let on_lte: Vec<_> = findings.iter().filter(|f| f.observation.cell == own().key() && f.rule == "ID-11").collect();
    assert_eq!(on_lte.iter().map(|f| f.tier).collect::<Vec<_>>(), [B]);
}
