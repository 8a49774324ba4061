//! SI-13.

use crate::support::*;
use daen::observation::Tier::{A, B, C};
use daen::observation::gsm::{CellOptions, CellSelection, ControlChannel, Gprs, GprsIndicator, RestOctets, SiType};
use daen::observation::{Finding, Tier};
use daen::rules::{Config, Engine};

fn fingerprint(findings: &[Finding]) -> Option<(Tier, &str)> {
    findings.iter().find(|f| f.rule == "SI-13").map(|f| (f.tier, f.evidence[0].value.as_str()))
}

/// YateBTS's defaults where they differ from OpenBTS's; `tests/data/rules/README.md`.
fn yatebts(network: &str, arfcn: u16) -> Cell {
    openbts(network, arfcn).with(|f| {
        f.control_channel.as_mut().unwrap().t3212 = 4;
        f.si_types.push(SiType::Si13);
        f.schedule[4] = Some(SiType::Si13);
        let indicator = GprsIndicator { ra_colour: 0, si13_on_ext: false };
        f.si3_rest = Some(RestOctets { gprs: Some(indicator), ..RestOctets::default() });
        f.gprs = Some(Gprs {
            bcch_change_mark: 0,
            rac: Some(0),
            spgc_ccch_sup: Some(false),
            priority_access_thr: Some(6),
            network_control_order: Some(0),
            nmo: Some(1),
            t3168: Some(7),
            t3192: Some(0),
        });
    })
}

/// osmo-bsc's defaults; `tests/data/rules/README.md`.
fn osmo(network: &str, arfcn: u16) -> Cell {
    let mut cell = public(network, arfcn, 63, 1, 6969).with(|f| {
        f.ncc_permitted = Some(0xff);
        f.control_channel = Some(ControlChannel {
            mscr: true,
            att: true,
            bs_ag_blks_res: 1,
            ccch_conf: 1,
            cbq3: 0,
            bs_pa_mfrms: 3,
            t3212: 5,
        });
        f.cell_options = Some(CellOptions { dn_ind: false, pwrc: false, dtx: 2, radio_link_timeout: 7 });
        f.selection = Some(CellSelection {
            cell_reselect_hysteresis: 2,
            ms_txpwr_max_cch: 7,
            acs: false,
            neci: true,
            rxlev_access_min: 0,
        });
        let rach = f.rach.as_mut().unwrap();
        (rach.max_retrans, rach.tx_integer, rach.re, rach.access_classes_barred) = (3, 9, true, 0x0400);
        f.si3_rest = Some(RestOctets { early_classmark_3g: true, ..RestOctets::default() });
    });
    cell.pcs = false;
    cell
}

#[test]
fn si_13_fires_on_each_stack_by_name() {
    let findings = judge_anew(None, [openbts("520-03", 30).heard(0)]);
    assert_eq!(fingerprint(&findings), Some((A, "OpenBTS: 10 of 10 defaults")));
    let findings = judge_anew(None, [yatebts("520-03", 30).heard(0)]);
    assert_eq!(fingerprint(&findings), Some((A, "YateBTS: 9 of 9 defaults")));
    let findings = judge_anew(None, [osmo("520-03", 871).heard(0)]);
    assert_eq!(fingerprint(&findings), Some((A, "osmo-bsc: 9 of 9 defaults")));
}

#[test]
fn si_13_fires_on_a_station_whose_owner_changed_network_channel_identity_timer_and_neighbours() {
    let dressed = public("520-03", 30, 17, 5001, 10_101).with(|f| {
        let own = openbts("520-03", 30).fields;
        *f = own;
        f.neighbours_si2 = Some(vec![33, 36]);
        f.control_channel.as_mut().unwrap().t3212 = 20;
        f.ncc_permitted = Some(0b0110);
    });
    let findings = judge_anew(None, [dressed.heard(0)]);
    assert_eq!(fingerprint(&findings), Some((A, "OpenBTS: 6 of 10 defaults")));
}

#[test]
fn si_13_near_miss_two_defaults_are_silent_three_are_b_four_are_a() {
    let own = openbts("520-03", 30).fields;
    let with = |n: usize| {
        public("520-03", 30, 17, 5001, 10_101).with(|f| {
            f.cell_options = own.cell_options;
            f.selection = own.selection;
            if n > 2 {
                let rach = f.rach.as_mut().unwrap();
                (rach.max_retrans, rach.tx_integer) = (1, 14);
            }
            if n > 3 {
                f.control_channel.as_mut().unwrap().t3212 = 0;
            }
        })
    };
    for (n, tier) in [(2, None), (3, Some(B)), (4, Some(A))] {
        let findings = judge_anew(None, [with(n).heard(0)]);
        assert_eq!(fingerprint(&findings).map(|(tier, _)| tier), tier, "{n} defaults");
    }
}

#[test]
fn si_13_benign_lookalike_defaults_that_licensed_cells_show_do_not_count() {
    // A licensed operator whose three cells run on the same software; a new cell of it, not registered yet.
    let rows: Vec<String> =
        (0..3).map(|n| format!("KH-{n},gsm,456-02,{},301,{},2,licensed,", 60 + n, 500 + n)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let own = |n: u16| {
        let mut cell = openbts("456-02", 60 + n);
        cell.identity = Some((plmn("456-02"), 301, 500 + u64::from(n)));
        cell
    };
    let licensed: Vec<_> = (0..3).map(|n| own(n).heard(i64::from(n))).collect();
    let new = own(3).with(|f| f.neighbours_si2 = Some(vec![60, 61]));
    let mut engine = Engine::new(Config::default(), Some(register(&rows)));
    assert!(judge(&mut engine, licensed).iter().all(|f| f.tier >= B), "the first licensed cell is at most tier B");
    let findings = judge(&mut engine, [new.heard(10)]);
    assert_eq!(fingerprint(&findings), None);
    let stranger = openbts("456-02", 70);
    assert_eq!(fingerprint(&judge_anew(Some(register(&rows)), [stranger.heard(0)])).map(|f| f.0), Some(A));
}

#[test]
fn si_13_on_a_licensed_key_falls_by_one_tier_since_it_may_be_a_clone() {
    let licence = register(&["TH-1,gsm,520-03,30,1000,10,2,licensed,"]);
    let findings = judge_anew(Some(licence), [openbts("520-03", 30).heard(0)]);
    assert_eq!(fingerprint(&findings).map(|f| f.0), Some(B));
}

#[test]
fn si_13_keeps_two_cells_apart() {
    assert_kept_apart("SI-13", None, vec![], &openbts("520-03", 30), &public("520-03", 33, 5, 5001, 10_102));
}

// ---------------------------------------------------------------- real cells

/// `gsm/bcch-953M6-500k`, a public Irish cell of 2007: its one SI3, decoded by hand from
/// `49061b 3b2d 72f2203aa8 d0033c 54 6506 b90000 8020420b` (truth of the recordings).
fn irish() -> Cell {
    let mut cell = public("272-02", 93, 56, 15_016, 15_149).with(|f| {
        f.si_types = vec![SiType::Si3];
        f.schedule = [None; 8];
        (f.neighbours_si2, f.neighbours_si2ter, f.ncc_permitted, f.other_rats) = (None, None, None, None);
        f.control_channel = Some(ControlChannel {
            mscr: true,
            att: true,
            bs_ag_blks_res: 2,
            ccch_conf: 0,
            cbq3: 0,
            bs_pa_mfrms: 3,
            t3212: 60,
        });
        f.cell_options = Some(CellOptions { dn_ind: false, pwrc: true, dtx: 1, radio_link_timeout: 4 });
        f.selection = Some(CellSelection {
            cell_reselect_hysteresis: 3,
            ms_txpwr_max_cch: 5,
            acs: false,
            neci: false,
            rxlev_access_min: 6,
        });
        let rach = f.rach.as_mut().unwrap();
        (rach.max_retrans, rach.tx_integer, rach.re, rach.access_classes_barred) = (2, 14, true, 0);
        let selection = f.si3_rest.as_mut().unwrap().selection.as_mut().unwrap();
        selection.cell_reselect_offset = 0;
        f.si3_rest.as_mut().unwrap().si2ter = false;
    });
    cell.count = 1;
    cell
}

#[test]
fn a_real_public_cell_of_160_ms_gives_nothing_with_one_copy_and_only_context_with_more() {
    assert_eq!(judge_anew(None, [irish().heard(0), irish().heard(1)]), [], "one SI3, reported twice, is one copy");
    let findings = judge_anew(None, [irish().count(2).heard(0)]);
    let all: Vec<_> = findings.iter().map(|f| (f.rule.as_str(), f.tier)).collect();
    assert_eq!(all, [("ID-01", C)], "from elsewhere");
}

/// `gsm/vodafone-arfcn725-1M`: what two independent decoders found (truth of the recordings), the rest as a public cell.
fn vodafone() -> Cell {
    public("262-02", 725, 48, 318, 11_225).with(|f| {
        f.cell_allocation = Some(vec![725]);
        f.neighbours_si2 = Some(vec![730, 733, 734, 741, 746]);
        f.neighbours_si2ter = Some(vec![4, 6, 8, 10, 12, 53, 61, 63, 65, 67, 69, 75]);
        f.control_channel.as_mut().unwrap().t3212 = 10;
        let selection = f.si3_rest.as_mut().unwrap().selection.as_mut().unwrap();
        (selection.cell_reselect_offset, selection.penalty_time) = (40, 31);
    })
}

#[test]
fn the_real_vodafone_cell_in_its_register_raises_nothing_and_without_it_only_context() {
    let rows = include_str!("../data/register/vodafone-recording.csv");
    let (licence, report) =
        daen::rules::Register::load(rows.as_bytes(), daen::rules::Format::Detect).expect("the file is good");
    assert_eq!(report.accepted, 1);
    let heard = || (0..8).map(|s| vodafone().heard(s));
    assert_eq!(judge_anew(Some(licence), heard()), []);
    let findings = judge_anew(None, heard());
    assert!(findings.iter().all(|f| f.tier == C), "{findings:#?}");
}
