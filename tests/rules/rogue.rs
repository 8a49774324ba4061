//! Rogue stations in the middle of the border's ordinary life: each kind known from fingerprints and cases is found, by what a rule says
//! of it alone or by a set of rules that names its class.

use crate::benign::alarms;
use crate::border::{Air, Border, DAY, Registers, Step};
use crate::lte_support::{LteCell, every, gsm_layer, oai, public_lte, srsran};
use crate::support::{Cell, config, judge, openbts, public};
use daen::cell::CellKey;
use daen::observation::lte::{Warning, WarningKind};
use daen::observation::{Finding, Observation, Tier};
use daen::rules::Engine;
use std::collections::BTreeMap;

/// A node that has listened for a day, and the world round it.
fn node(registers: Registers) -> (Engine, Border) {
    let mut border = Border::new(5, registers, 1200);
    let mut engine = Engine::new(config("learning_s = 3600"), border.register());
    while border.now < DAY {
        if let Step::Heard(observations) = border.step() {
            judge(&mut engine, observations);
        }
    }
    (engine, border)
}

/// What counts (tiers A and B) on one cell.
fn counting(findings: &[Finding], cell: CellKey) -> BTreeMap<String, Tier> {
    let on_it = findings.iter().filter(|f| f.observation.cell == cell && f.tier < Tier::C);
    let mut rules = BTreeMap::new();
    for finding in on_it {
        let tier = rules.entry(finding.rule.clone()).or_insert(finding.tier);
        *tier = (*tier).min(finding.tier);
    }
    rules
}

/// The alarms on `cell` after each second of `observations`; asserts that there is one within 30 s.
fn found(
    engine: &mut Engine,
    start: i64,
    cell: CellKey,
    at: impl Fn(i64) -> Vec<Observation>,
) -> (Vec<String>, BTreeMap<String, Tier>) {
    let mut findings = Vec::new();
    for s in 0..30 {
        findings.extend(judge(engine, at(start + s)));
        let rules = counting(&findings, cell);
        if !alarms(&rules).is_empty() && s >= 20 {
            return (alarms(&rules), rules);
        }
    }
    panic!("nothing within 30 s but {:?}", counting(&findings, cell));
}

/// A blaster of closed firmware: a public cell's parameters, a new LAC every 10 s, frequent updating, itself as its only neighbour.
fn blaster(at: i64) -> Cell {
    let cell = public("520-03", 45, 21, 9000 + (at / 10 % 6) as u32, 40_001).at_the_border().with(|f| {
        f.control_channel.as_mut().unwrap().t3212 = 1;
        f.neighbours_si2 = Some(vec![45]);
    });
    cell.count(2 + (at % 10) as u32).stream("blaster")
}

/// An LTE cell that sends phones to the blaster's carrier.
fn lure() -> LteCell {
    let lure = public_lte("520-03", 77, 9100, 0x7a_1201).at_the_border().snr(25.0).stream("lure", DAY);
    lure.with(|f| f.sib7.as_mut().unwrap().layers = vec![gsm_layer(&[45], 7)])
}

/// An LTE catcher that rejects phones until they go to GSM: the reject causes are not broadcast, its haste is.
fn catcher() -> LteCell {
    let catcher = public_lte("520-04", 5, 40_000, 0x3_0001).on(1_812_500_000, 3).at_the_border().snr(25.0);
    let catcher = catcher.stream("catcher", DAY).sib3(|s| s.priority = 7).sib1(|s| {
        s.q_rx_lev_min = -70;
        s.scheduling = vec![every(16, &[3])];
    });
    catcher.with(|f| {
        f.radio.as_mut().unwrap().ports = 1;
        (f.sib5, f.sib6, f.sib7, f.sib_types) = (None, None, None, vec![2, 3]);
    })
}

#[test]
fn an_sms_blaster_is_found_within_30_s_with_and_without_registers() {
    for registers in [Registers::Both, Registers::Thai, Registers::None] {
        let (mut engine, _) = node(registers);
        let (alarms, rules) = found(&mut engine, DAY, blaster(0).key(), |at| vec![blaster(at).heard(at)]);
        assert!(alarms.contains(&"ID-11 alone".to_owned()), "{registers:?}: {rules:?}");
        let composite = alarms.contains(&"SMS_BLASTER".to_owned());
        assert_eq!(composite, registers != Registers::None, "{registers:?}: {rules:?}");
    }
}

#[test]
fn a_blaster_on_open_source_software_is_found_by_its_defaults_before_it_changes_its_area() {
    for registers in [Registers::Both, Registers::None] {
        let (mut engine, _) = node(registers);
        let station = openbts("520-04", 77).at_the_border().stream("openbts");
        let (alarms, rules) = found(&mut engine, DAY, station.key(), |at| vec![station.heard(at)]);
        assert!(alarms.contains(&"SI-13 alone".to_owned()) && alarms.contains(&"SMS_BLASTER".to_owned()), "{rules:?}");
    }
}

#[test]
fn an_lte_lure_beside_a_blaster_is_found_as_such() {
    for registers in [Registers::Both, Registers::None] {
        let (mut engine, _) = node(registers);
        let air = |at: i64| vec![blaster(at).heard(at), lure().heard(at)];
        let (alarms, rules) = found(&mut engine, DAY, lure().key(), air);
        assert!(alarms.contains(&"RS-11 alone".to_owned()), "{registers:?}: {rules:?}");
        assert!(alarms.contains(&"RS-12 alone".to_owned()), "the blaster's carrier: {registers:?}: {rules:?}");
        assert!(alarms.contains(&"SMS_BLASTER (lure)".to_owned()), "{registers:?}: {rules:?}");
    }
}

#[test]
fn an_lte_catcher_that_shows_nothing_but_haste_is_found_where_there_is_a_register() {
    let (mut engine, _) = node(Registers::Thai);
    let (alarms, rules) = found(&mut engine, DAY, catcher().key(), |at| vec![catcher().heard(at)]);
    assert_eq!(alarms, ["IMSI_CATCHER"], "{rules:?}");
    for rule in ["ID-05", "ID-08", "RF-13", "RS-07", "RS-08", "SI-05"] {
        assert!(rules.contains_key(rule), "{rule} is not in {rules:?}");
    }
}

#[test]
fn a_clone_of_a_licensed_lte_cell_on_another_carrier_is_no_longer_taken_for_it() {
    let (mut engine, border) = node(Registers::Both);
    let licensed = border.stations.iter().find_map(|station| match &station.air {
        Air::Lte(cell) if cell.plmns[0].to_string() == "520-03" && cell.center_hz == 1_830_000_000 => {
            Some((**cell).clone())
        }
        _ => None,
    });
    let mut clone = licensed.unwrap();
    clone.pci = (clone.pci + 1) % 504;
    let clone = clone.stream("clone", DAY).snr(25.0);
    let findings = judge(&mut engine, (0..30).map(|s| clone.heard(DAY + s)));
    assert_eq!(counting(&findings, clone.key()).get("ID-05"), Some(&Tier::B), "with its own PCI");
    // Its system information replayed on a carrier of another band contradicts itself.
    let replayed = clone.clone().with(|_| {}).on(2_147_500_000, 3);
    let (alarms, rules) = found(&mut engine, DAY + 60, replayed.key(), |at| vec![replayed.heard(at)]);
    assert!(alarms.contains(&"SI-17 alone".to_owned()), "{rules:?}");
}

#[test]
fn laboratory_networks_are_found_by_network_and_software() {
    let (mut engine, _) = node(Registers::Both);
    for (station, carrier, band) in [(srsran("001-01"), 2_680_000_000, 7), (oai("208-93"), 2_685_000_000, 7)] {
        let station = station.on(carrier, band).at_the_border().snr(25.0);
        let (alarms, rules) = found(&mut engine, DAY, station.key(), |at| vec![station.heard(at)]);
        assert!(alarms.contains(&"ID-01 alone".to_owned()) && alarms.contains(&"SI-13 alone".to_owned()), "{rules:?}");
        // The same with a public network's code, as in a catcher made of it.
        let mut dressed = station.clone();
        (dressed.plmns, dressed.pci) = (vec!["520-04".parse().unwrap()], dressed.pci + 9);
        let (alarms, rules) = found(&mut engine, DAY + 60, dressed.key(), |at| vec![dressed.heard(at)]);
        assert!(alarms.contains(&"SI-13 alone".to_owned()) && alarms.contains(&"IMSI_CATCHER".to_owned()), "{rules:?}");
    }
}

#[test]
fn a_false_public_warning_is_found_when_the_cells_around_have_been_heard_again() {
    for registers in [Registers::Both, Registers::None] {
        let (mut engine, mut border) = node(registers);
        let mut liar = public_lte("520-03", 333, 5100, 0x7b_0001).on(1_830_000_000, 3).at_the_border().snr(25.0);
        liar.fields.sib1.as_mut().unwrap().scheduling.push(every(16, &[12]));
        liar.fields.sib_types.push(12);
        liar.fields.warnings = vec![Warning {
            kind: WarningKind::Cmas,
            message_identifier: 4370,
            serial_number: 1,
            data_coding_scheme: Some(0x0f),
            segments: BTreeMap::new(),
            last_segment: Some(0),
            text: Some("Banks are closing: secure your money at this address".to_owned()),
        }];
        let liar = liar.stream("liar", DAY);
        let mut findings = judge(&mut engine, (0..3).map(|s| liar.heard(border.now + s)));
        while border.now < DAY + 2400 {
            if let Step::Heard(observations) = border.step() {
                judge(&mut engine, observations);
            }
        }
        findings.extend(judge(&mut engine, [liar.heard(border.now + 10)]));
        let rules = counting(&findings, liar.key());
        assert_eq!(rules.get("PG-11"), Some(&Tier::A), "{registers:?}: {rules:?}");
    }
}
