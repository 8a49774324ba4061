//! Rules that take several nodes: each fires on what it is for, not on what is nearly that, not on its innocent lookalike, and on one of
//! two cells without touching the other.

use crate::locate_hub::{Hub, T0, config};
use crate::world::*;
use daen::hub::alert::{Alert, EvidenceRow};
use daen::observation::{Octets, VerdictClass};

/// The cell under test, licensed at a site of its own.
fn subject() -> Tower {
    Tower { register_id: Some("TH-9"), ppb: 5.0, ..tower(945_000_000, 9, 10109, at(13.6650, 102.5450)) }
}

/// Another operator's cell of the same band on the same mast.
fn neighbour() -> Tower {
    let mut other = Tower { register_id: Some("TH-8"), ppb: -8.0, ..tower(947_000_000, 8, 10108, subject().site) };
    other.identity.plmns = vec!["520-04".parse().unwrap()];
    other
}

/// What a story varies: which of the poles hear which cell how late, and what else is odd.
#[derive(Clone)]
struct Heard {
    tower: Tower,
    /// By pole, nanoseconds.
    late: [f64; 5],
    /// Carrier at the late poles, ppb more than elsewhere.
    carrier_ppb: f64,
    /// The late poles receive other octets.
    other_octets: bool,
    /// No pole tells of octets.
    no_octets: bool,
}

fn heard(tower: Tower, late: [f64; 5]) -> Heard {
    Heard { tower, late, carrier_ppb: 0.0, other_octets: false, no_octets: false }
}

/// Five poles hear the licensed cells and these for a hundred seconds; the alerts that come of it. `listed` are in the register.
fn alerts(listed: &[Tower], cells: &[Heard], disciplined: bool) -> Vec<Alert> {
    let [a, b, c] = licensed();
    let mut towers = vec![a, b, c];
    let anchors = towers.clone();
    towers.extend(listed.iter().cloned());
    let mut hub = Hub::new(config(&towers));
    let mut world = World::new(T0, 50.0, 3);
    for second in (1..=101).step_by(10) {
        for (number, pole) in ring(disciplined).iter().enumerate() {
            let mut all: Vec<_> = anchors.iter().map(|tower| world.hear(pole, tower, second as f64 + 0.1)).collect();
            for cell in cells {
                let late = cell.late[number];
                let mut seen = world.hear_late(pole, &cell.tower, second as f64 + 0.3, late);
                if late > 0.0 {
                    seen.carrier.ppb.0 += cell.carrier_ppb;
                    if cell.other_octets {
                        seen.content_sha256 = Some(Octets(vec![7; 32]));
                    }
                }
                if cell.no_octets {
                    seen.content_sha256 = None;
                }
                all.push(seen);
            }
            hub.hear(pole, second, all);
        }
    }
    hub.think();
    hub.alerts()
}

fn one(alerts: Vec<Alert>) -> Alert {
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    alerts.into_iter().next().unwrap()
}

fn row<'a>(alert: &'a Alert, rule: &str) -> &'a EvidenceRow {
    alert
        .evidence
        .iter()
        .find(|row| row.rule == rule)
        .unwrap_or_else(|| panic!("{rule} is not in {:#?}", alert.evidence))
}

const REPEATED: [f64; 5] = [0.0, 0.0, 7000.0, 7300.0, 0.0];

#[test]
fn xb_04_a_licensed_cell_that_two_nodes_hear_seven_microseconds_late_is_repeated() {
    for disciplined in [true, false] {
        let alert = one(alerts(&[subject()], &[heard(subject(), REPEATED)], disciplined));
        assert_eq!(alert.class, VerdictClass::Repeater, "{alert:#?}");
        let value = &row(&alert, "XB-04").values[0];
        assert!(value.value.contains("7.0 µs at pole-3") && value.value.contains("at pole-4"), "{value:?}");
        assert!(value.expected.contains("pole-1, pole-2, pole-5"), "{value:?}");
        assert!(alert.evidence.iter().all(|row| row.rule != "ID-12" && row.rule != "RF-11"), "never called a copy");
    }
}

#[test]
fn xb_04_near_miss_two_microseconds_are_a_detour() {
    let late = [0.0, 0.0, 2000.0, 2300.0, 0.0];
    assert_eq!(alerts(&[subject()], &[heard(subject(), late)], true), []);
}

#[test]
fn xb_04_lookalike_one_node_behind_a_hill_is_no_repeater() {
    let late = [0.0, 0.0, 0.0, 4000.0, 0.0];
    assert_eq!(alerts(&[subject()], &[heard(subject(), late)], true), []);
}

#[test]
fn xb_04_of_two_cells_only_the_repeated_one_is_called_so() {
    let cells = [heard(subject(), REPEATED), heard(neighbour(), [0.0; 5])];
    let alert = one(alerts(&[subject(), neighbour()], &cells, true));
    assert_eq!((alert.class, alert.cell), (VerdictClass::Repeater, subject().key));
}

#[test]
fn xb_05_says_what_tells_a_repeater_from_a_copy() {
    let alert = one(alerts(&[subject()], &[heard(subject(), REPEATED)], true));
    let values = &row(&alert, "XB-05").values;
    assert!(values[0].what.contains("carrier") && values[0].value.contains("ppb"), "{values:?}");
    assert_eq!(values[1].value, "the same");
}

#[test]
fn xb_05_near_miss_another_carrier_is_a_copy_and_not_a_repeater() {
    let cell = Heard { carrier_ppb: 40.0, ..heard(subject(), REPEATED) };
    let alert = one(alerts(&[subject()], &[cell], true));
    assert_eq!(alert.class, VerdictClass::Clone, "{alert:#?}");
    assert!(row(&alert, "ID-12").values.iter().any(|value| value.what.contains("carrier against")), "{alert:#?}");
    let cell = Heard { other_octets: true, ..heard(subject(), REPEATED) };
    assert_eq!(one(alerts(&[subject()], &[cell], true)).class, VerdictClass::Clone, "other octets are a copy's, too");
}

#[test]
fn xb_05_lookalike_a_node_that_tells_of_no_octets_makes_no_copy() {
    let cell = Heard { no_octets: true, ..heard(subject(), REPEATED) };
    let alert = one(alerts(&[subject()], &[cell], true));
    assert_eq!(alert.class, VerdictClass::Repeater);
    assert_eq!(row(&alert, "XB-05").values.len(), 1);
}

#[test]
fn xb_05_of_a_repeated_cell_and_a_copied_one_each_is_called_by_its_name() {
    let copied = Heard { carrier_ppb: 40.0, ..heard(neighbour(), REPEATED) };
    let found = alerts(&[subject(), neighbour()], &[heard(subject(), REPEATED), copied], true);
    let class_of = |tower: Tower| found.iter().find(|alert| alert.cell == tower.key).map(|alert| alert.class);
    assert_eq!(class_of(subject()), Some(VerdictClass::Repeater));
    assert_eq!(class_of(neighbour()), Some(VerdictClass::Clone));
}

/// Whether XB-06 stands on the alerts of both cells.
fn wideband(other: Heard) -> Vec<bool> {
    let found = alerts(&[subject(), other.tower.clone()], &[heard(subject(), REPEATED), other], true);
    found.iter().map(|alert| alert.evidence.iter().any(|row| row.rule == "XB-06")).collect()
}

/// The register has one licensee for all; here the neighbour's is another.
fn of_another_licensee(tower: Tower) -> Tower {
    Tower { licensee: "Other Mobile", ..tower }
}

#[test]
fn xb_06_two_operators_cells_that_are_late_alike_are_one_broadband_repeater() {
    assert_eq!(wideband(heard(of_another_licensee(neighbour()), REPEATED)), [true, true]);
}

#[test]
fn xb_06_near_miss_another_delay_is_another_repeater() {
    let late = [0.0, 0.0, 12_000.0, 12_300.0, 0.0];
    assert_eq!(wideband(heard(of_another_licensee(neighbour()), late)), [false, false]);
}

#[test]
fn xb_06_lookalike_two_cells_of_one_operator_are_its_own_repeater() {
    assert_eq!(wideband(heard(neighbour(), REPEATED)), [false, false]);
}

#[test]
fn xb_06_repeaters_at_two_places_are_two() {
    let late = [7000.0, 7200.0, 0.0, 0.0, 0.0];
    assert_eq!(wideband(heard(of_another_licensee(neighbour()), late)), [false, false]);
}

fn at_site(tower: Tower, site: daen::observation::Position) -> Tower {
    Tower { site, ..tower }
}

#[test]
fn rf_11_a_licensed_cell_two_kilometres_from_its_site_is_off_its_parameters_and_not_rogue() {
    for disciplined in [true, false] {
        let moved = at_site(subject(), at(13.6650, 102.5640));
        let alert = one(alerts(&[subject()], &[heard(moved, [0.0; 5])], disciplined));
        assert_eq!(alert.class, VerdictClass::LicensedOffParameter, "{alert:#?}");
        let value = &row(&alert, "RF-11").values[0];
        let metres: f64 = value.value.split(' ').next().unwrap().parse().unwrap();
        assert!((metres - 2053.0).abs() < 100.0, "{value:?}");
        assert!(value.expected.contains("500"), "{value:?}");
    }
}

#[test]
fn rf_11_near_miss_four_hundred_metres_are_within_what_a_register_may_err() {
    let moved = at_site(subject(), at(13.6650, 102.5487));
    assert_eq!(alerts(&[subject()], &[heard(moved, [0.0; 5])], true), []);
}

#[test]
fn rf_11_lookalike_a_node_without_line_of_sight_moves_nothing() {
    assert_eq!(alerts(&[subject()], &[heard(subject(), [0.0, 900.0, 0.0, 0.0, 0.0])], true), []);
}

#[test]
fn rf_11_of_two_cells_of_a_mast_only_the_moved_one_is_named() {
    let moved = at_site(subject(), at(13.6650, 102.5640));
    let cells = [heard(moved, [0.0; 5]), heard(neighbour(), [0.0; 5])];
    let alert = one(alerts(&[subject(), neighbour()], &cells, true));
    assert_eq!((alert.class, alert.cell), (VerdictClass::LicensedOffParameter, subject().key));
}

/// The subject copied from three kilometres away, by a station whose oscillator is off by so much.
fn copy(ppb: f64) -> Tower {
    Tower { ppb, epoch_ns: -77e9, ..at_site(subject(), at(13.6450, 102.5700)) }
}

#[test]
fn id_12_one_identity_from_two_places_names_the_copy_and_the_distance() {
    let alert = one(alerts(&[subject()], &[heard(subject(), [0.0; 5]), heard(copy(900.0), [0.0; 5])], true));
    assert_eq!(alert.class, VerdictClass::Clone, "{alert:#?}");
    let values = &row(&alert, "ID-12").values;
    let distance = values.iter().find(|value| value.what.contains("distance")).unwrap_or_else(|| panic!("{values:?}"));
    let metres: f64 = distance.value.parse().unwrap();
    assert!((metres - 3497.0).abs() < 150.0, "{distance:?}");
    let best = alert.fix.as_ref().unwrap().best().unwrap();
    assert!(
        metres_between(copy(900.0).site, best.lat_deg, best.lon_deg) < 100.0,
        "the copy is placed, not the original"
    );
}

fn metres_between(site: daen::observation::Position, lat_deg: f64, lon_deg: f64) -> f64 {
    metres(site, lat_deg, lon_deg)
}

#[test]
fn id_12_near_miss_two_identities_on_one_channel_are_two_cells() {
    let mut other = copy(20.0);
    other.identity.cell_id = Some(10119);
    other.register_id = Some("TH-7");
    assert_eq!(alerts(&[subject(), other.clone()], &[heard(subject(), [0.0; 5]), heard(other, [0.0; 5])], true), []);
}

#[test]
fn id_12_lookalike_a_cell_that_restarts_is_no_copy_of_itself() {
    let [a, b, c] = licensed();
    let mut hub = Hub::new(config(&[a.clone(), b.clone(), c.clone(), subject()]));
    let mut world = World::new(T0, 50.0, 3);
    for second in (1..=101).step_by(10) {
        let restarted = Tower { epoch_ns: if second > 50 { -5e9 } else { subject().epoch_ns }, ..subject() };
        for pole in &ring(true) {
            let all = [&a, &b, &c, &restarted].map(|tower| world.hear(pole, tower, second as f64 + 0.1));
            hub.hear(pole, second, all.to_vec());
        }
    }
    hub.think();
    assert_eq!(hub.alerts(), []);
}

#[test]
fn id_12_of_two_licensed_cells_only_the_copied_ones_copy_is_named() {
    let cells = [heard(subject(), [0.0; 5]), heard(copy(900.0), [0.0; 5]), heard(neighbour(), [0.0; 5])];
    let alert = one(alerts(&[subject(), neighbour()], &cells, true));
    assert_eq!((alert.class, alert.cell), (VerdictClass::Clone, subject().key));
}
