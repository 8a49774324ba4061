//! ID-01, ID-02, ID-03, ID-05.

use crate::support::*;
use daen::observation::Tier::{A, B, C};
use daen::rules::{Config, Engine};

fn at_border(network: &str, arfcn: u16) -> Cell {
    public(network, arfcn, 5, 5001, 10_101).at_the_border()
}

// ---------------------------------------------------------------- ID-01

#[test]
fn id_01_fires_on_a_test_network_wherever_it_is_heard() {
    for network in ["001-01", "901-70", "208-93", "999-70"] {
        let findings = judge_anew(None, [public(network, 30, 5, 1, 1).heard(0)]);
        assert_eq!(tiers(&findings, "ID-01"), [A], "{network}");
    }
}

#[test]
fn id_01_fires_on_a_distant_country_at_a_known_place() {
    let findings = judge_anew(None, [at_border("262-02", 30).heard(0)]);
    assert_eq!(tiers(&findings, "ID-01"), [A]);
    assert!(findings[0].evidence[0].expected.contains("456, 520 (default set of the border)"));
}

#[test]
fn id_01_near_miss_networks_of_both_countries_are_silent_and_a_neighbour_is_context() {
    for network in ["520-03", "456-08", "520-09"] {
        assert_eq!(tiers(&judge_anew(None, [at_border(network, 30).heard(0)]), "ID-01"), [], "{network}");
    }
    assert_eq!(tiers(&judge_anew(None, [at_border("457-01", 30).heard(0)]), "ID-01"), [C]);
    assert_eq!(tiers(&judge_anew(None, [at_border("520-77", 30).heard(0)]), "ID-01"), [B], "an MNC nobody has");
}

#[test]
fn id_01_benign_lookalike_a_far_countrys_cell_that_a_duct_brings_is_context() {
    let level = |snr_db: f64| {
        let mut heard = at_border("502-12", 30).heard(0);
        heard.snr_db.0 = snr_db;
        judge_anew(None, [heard])
    };
    assert_eq!(tiers(&level(19.9), "ID-01"), [C]);
    assert_eq!(tiers(&level(19.9), "ID-03"), [], "it keeps to its own country's plan");
    assert_eq!((tiers(&level(20.0), "ID-01"), tiers(&level(20.0), "ID-03")), (vec![A], vec![B]));
}

#[test]
fn id_01_benign_lookalike_a_recording_from_elsewhere_is_context_and_says_which_set_was_assumed() {
    let german = public("262-02", 725, 48, 318, 11_225);
    let findings = judge_anew(None, [german.heard(0)]);
    assert_eq!(tiers(&findings, "ID-01"), [C]);
    let expected = &findings[0].evidence[0].expected;
    assert!(expected.contains("assumed") && expected.contains("`countries`"), "{expected}");
    let mut in_germany = german.clone().at_the_border();
    in_germany.position.as_mut().unwrap().lat_deg = 51.5;
    assert_eq!(tiers(&judge_anew(None, [in_germany.heard(0)]), "ID-01"), [C], "its position says so");
    let mut engine = Engine::new(config("countries = [\"262\"]"), None);
    assert_eq!(tiers(&judge(&mut engine, [german.heard(0)]), "ID-01"), [], "one line in the rules file is enough");
}

#[test]
fn id_01_keeps_two_cells_apart() {
    assert_kept_apart("ID-01", None, vec![], &at_border("001-01", 30), &at_border("520-03", 30));
}

// ---------------------------------------------------------------- ID-02

#[test]
fn id_02_fires_on_networks_that_were_shut_down() {
    for network in ["456-03", "456-04", "520-20", "520-23", "520-25"] {
        assert_eq!(tiers(&judge_anew(None, [at_border(network, 30).heard(0)]), "ID-02"), [A], "{network}");
    }
}

#[test]
fn id_02_near_miss_the_same_number_in_another_country_or_with_three_digits_is_silent() {
    for network in ["457-03", "520-023", "520-03"] {
        assert_eq!(tiers(&judge_anew(None, [at_border(network, 30).heard(0)]), "ID-02"), [], "{network}");
    }
}

#[test]
fn id_02_benign_lookalike_a_code_that_is_in_use_again_is_allowed_by_the_rules_file() {
    let mut engine = Engine::new(config("allowed_plmns = [\"520-23\"]"), None);
    assert_eq!(tiers(&judge(&mut engine, [at_border("520-23", 30).heard(0)]), "ID-02"), []);
}

#[test]
fn id_02_keeps_two_cells_apart() {
    assert_kept_apart("ID-02", None, vec![], &at_border("520-25", 30), &at_border("520-04", 30));
}

// ---------------------------------------------------------------- ID-03

#[test]
fn id_03_fires_on_another_holders_block_and_on_unassigned_spectrum() {
    // ARFCN 51 = 945.2 MHz is AWN's block, ARFCN 871 = 1877.0 MHz is unsold: both medium confidence, so tier B.
    assert_eq!(tiers(&judge_anew(None, [at_border("520-04", 51).heard(0)]), "ID-03"), [B]);
    let findings = judge_anew(None, [at_border("520-03", 871).heard(0)]);
    assert_eq!(tiers(&findings, "ID-03"), [B]);
    let line = findings.iter().find(|f| f.rule == "ID-03").map(|f| f.evidence[0].clone()).unwrap();
    assert!(line.value.contains("1877.0 MHz (ARFCN 871)") && line.expected.contains("seven lots unsold"), "{line:?}");
    // ARFCN 128 = 869.2 MHz: two sources say that nobody bid, so tier A.
    assert_eq!(tiers(&judge_anew(None, [at_border("520-03", 128).heard(0)]), "ID-03"), [A]);
}

#[test]
fn id_03_near_miss_the_whole_bandwidth_counts_at_the_edge_of_a_block() {
    // ARFCN 26 = 940.2 MHz occupies 940.1 to 940.3, inside AWN's block; ARFCN 25 = 940.0 MHz reaches into its neighbour's.
    assert_eq!(tiers(&judge_anew(None, [at_border("520-03", 26).heard(0)]), "ID-03"), []);
    assert_eq!(tiers(&judge_anew(None, [at_border("520-03", 25).heard(0)]), "ID-03"), [B]);
}

#[test]
fn id_03_benign_lookalike_unknown_plans_foreign_recordings_and_licences_are_silent() {
    // Cambodia's ranges are not known; a German recording on the unsold Thai 1847.8 MHz says nothing; a licence is the better source.
    assert_eq!(tiers(&judge_anew(None, [at_border("456-02", 871).heard(0)]), "ID-03"), []);
    assert_eq!(tiers(&judge_anew(None, [public("262-02", 725, 48, 318, 11_225).heard(0)]), "ID-03"), []);
    let licence = register(&["TH-9,gsm,520-03,871,5001,10101,5,licensed,"]);
    assert_eq!(tiers(&judge_anew(Some(licence), [at_border("520-03", 871).heard(0)]), "ID-03"), []);
}

#[test]
fn id_03_a_cell_that_never_says_who_it_is_counts_after_ten_seconds_in_spectrum_nobody_holds() {
    let mut unknown = at_border("520-03", 871);
    unknown.identity = None;
    let of = |countries: &str, cell: &Cell, last: i64| {
        let mut engine = Engine::new(config(&format!("countries = {countries}")), None);
        tiers(&judge(&mut engine, (0..=last).map(|s| cell.heard(s))), "ID-03")
    };
    assert_eq!(of("[\"520\"]", &unknown, 9), [], "its SI3 may still come");
    assert_eq!(of("[\"520\"]", &unknown, 10), [B]);
    assert_eq!(of("[\"520\", \"456\"]", &unknown, 60), [], "it may be Cambodia's, whose plan is not known");
    unknown.arfcn = 51;
    assert_eq!(of("[\"520\"]", &unknown, 60), [], "it may be the holder's");
}

#[test]
fn id_03_a_register_of_other_countries_does_not_judge_a_foreign_place() {
    let german = public("262-02", 725, 48, 318, 11_225);
    let mut unnamed = german.clone();
    unnamed.identity = None;
    let mut engine = Engine::new(config("countries = [\"262\"]"), Some(register(&ROWS)));
    let heard = (0..30).map(|s| unnamed.heard(s)).chain((30..60).map(|s| german.heard(s)));
    assert_eq!(judge(&mut engine, heard), []);
}

#[test]
fn id_03_keeps_two_cells_apart() {
    assert_kept_apart("ID-03", None, vec![], &at_border("520-04", 51), &at_border("520-03", 51));
}

// ---------------------------------------------------------------- ID-05

const ROWS: [&str; 3] = [
    "TH-1,gsm,520-03,51,5001,10101,5,licensed,",
    "TH-2,gsm,520-03,53,5001,10102,6,licensed,2026-01-31",
    "TH-3,gsm,520-03,55,5001,10103,7,suspended,",
];

#[test]
fn id_05_fires_on_an_absent_identity() {
    let stranger = public("520-03", 51, 5, 5001, 666);
    let findings = judge_anew(Some(register(&ROWS)), [stranger.heard(0)]);
    assert_eq!(tiers(&findings, "ID-05"), [B]);
    let line = &findings.iter().find(|f| f.rule == "ID-05").unwrap().evidence[0];
    assert!(line.value.contains("cell 666: absent") && line.expected.contains("registered to TH-1"), "{line:?}");
}

#[test]
fn id_05_near_miss_a_clone_shares_the_identity_but_not_carrier_colour_area_or_a_licence_in_force() {
    for (cell, what) in [
        (public("520-03", 55, 5, 5001, 10_101), "carrier of the registered identity"),
        (public("520-03", 51, 6, 5001, 10_101), "physical identity of the registered cell"),
        (public("520-03", 51, 5, 5002, 10_101), "area of the registered cell"),
        (public("520-03", 53, 6, 5001, 10_102), "licence"),
        (public("520-03", 55, 7, 5001, 10_103), "licence"),
    ] {
        let findings = judge_anew(Some(register(&ROWS)), [cell.heard(0)]);
        let fired = findings.iter().find(|f| f.rule == "ID-05").unwrap();
        assert_eq!((fired.tier, fired.evidence[0].what.as_str()), (B, what));
    }
    assert_eq!(
        tiers(&judge_anew(Some(register(&ROWS)), [public("520-03", 51, 5, 5001, 10_101).heard(0)]), "ID-05"),
        []
    );
}

#[test]
fn id_05_benign_lookalike_no_register_of_the_country_no_verdict() {
    let cambodian = public("456-08", 60, 25, 401, 40_101).at_the_border();
    assert_eq!(tiers(&judge_anew(None, [cambodian.heard(0)]), "ID-05"), []);
    assert_eq!(tiers(&judge_anew(Some(register(&ROWS)), [cambodian.heard(0)]), "ID-05"), []);
    let crowd = "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal\r\n\
                 GSM,456,8,401,1,,102.5,13.6,1000,5,1,1,1,\r\n";
    let (crowd, _) =
        daen::rules::Register::load(crowd.as_bytes(), daen::rules::Format::Detect).expect("the file is good");
    assert_eq!(tiers(&judge_anew(Some(crowd), [cambodian.heard(0)]), "ID-05"), [], "absence from a crowd database");
}

#[test]
fn id_05_benign_lookalike_a_planned_change_of_areas_that_the_register_does_not_have_yet_is_context() {
    let rows: Vec<String> = (0..6).map(|n| format!("TH-{n},gsm,520-03,{},5001,{n},{n},licensed,", 51 + n)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let of = |n: u16, lac: u32, at: i64| public("520-03", 51 + n, n, lac, n.into()).heard(at);
    let judged = |cells: u16| {
        let mut engine = Engine::new(Config::default(), Some(register(&rows)));
        judge(&mut engine, (0..6).map(|n| of(n, 5001, 0)));
        let night = judge(&mut engine, (0..cells).map(|n| of(n, 6001, 600)));
        let day = judge(&mut engine, (0..cells).map(|n| of(n, 6001, 8000)));
        (tiers(&night, "ID-05"), tiers(&day, "ID-05"), tiers(&day, "ID-08"))
    };
    assert_eq!(judged(6), (vec![C; 6], vec![C; 6], vec![C; 6]), "context at once and the next day");
    assert_eq!(judged(1), (vec![C], vec![B], vec![B]), "one cell alone counts after an hour");
}

#[test]
fn id_05_a_test_network_cannot_be_in_any_register() {
    let test = public("001-01", 51, 2, 1000, 10);
    assert_eq!(tiers(&judge_anew(Some(register(&ROWS)), [test.heard(0)]), "ID-05"), [B]);
}

#[test]
fn id_05_a_licence_that_ended_counts_until_the_end_of_its_day_and_undated_recordings_are_not_dated() {
    let cell = public("520-03", 53, 6, 5001, 10_102);
    let mut observation = cell.heard(0);
    for (at_ns, fires) in
        [(1_769_903_999_000_000_000, false), (1_769_904_000_000_000_000, true), (7_000_000_000, false)]
    {
        observation.at_ns = daen::units::Timestamp(at_ns);
        let findings = judge_anew(Some(register(&ROWS)), [observation.clone()]);
        assert_eq!(!tiers(&findings, "ID-05").is_empty(), fires, "{at_ns}");
    }
}

#[test]
fn id_05_keeps_two_cells_apart_even_with_one_carrier_and_colour() {
    let (bad, good) = (public("520-03", 51, 5, 5001, 666), public("520-03", 51, 5, 5001, 10_101));
    assert_kept_apart("ID-05", Some(register(&ROWS)), vec![], &bad, &good);
}
