//! A licensed cell beyond the border and a turned antenna: each rule fires on what it is for, not on what is nearly that, not on its
//! innocent lookalike, not without the data that it needs, and from its threshold on. Nobody is called rogue.

use crate::locate_hub::{Hub, T0};
use crate::world::*;
use daen::hub::alert::{Alert, Severity};
use daen::hub::analysis::{AnalysisConfig, licences};
use daen::hub::place::Atlas;
use daen::locate::Plane;
use daen::locate::country::Border;
use daen::observation::{Position, VerdictClass};
use daen::rules::{Format, Register};
use daen::units::Dbm;
use std::sync::Arc;

/// A cell of Thailand, and a node in Cambodia 26 km to the east of it.
fn cell() -> Tower {
    Tower { register_id: Some("TH-9"), ppb: 5.0, ..tower(945_000_000, 9, 10109, at(13.650, 102.420)) }
}

fn beyond() -> Position {
    at(13.630, 102.660)
}

/// Ten licensed cells on all sides of a place, from which its node learns how levels fall.
fn anchors(round: Position, count: usize) -> Vec<Tower> {
    let ids = ["A-0", "A-1", "A-2", "A-3", "A-4", "A-5", "A-6", "A-7", "A-8", "A-9"];
    let one = |n: usize| {
        let (sin, cos) = (n as f64).sin_cos();
        let far = 0.02 + 0.015 * n as f64;
        let site = at(round.lat_deg + far * cos, round.lon_deg + far * sin);
        Tower { register_id: Some(ids[n]), ..tower(935_000_000 + 200_000 * n as u64, n as u16, 500 + n as u64, site) }
    };
    (0..count).map(one).collect()
}

/// What the register has of the cell's antenna: direction and power; the anchors have no direction and 55 dBm.
#[derive(Clone, Copy)]
struct Registered {
    azimuth_deg: Option<u16>,
    eirp_dbm: Option<f64>,
}

const AWAY: Registered = Registered { azimuth_deg: Some(270), eirp_dbm: Some(58.0) };

fn config(anchors: &[Tower], own: Registered, border: bool) -> AnalysisConfig {
    let mut text =
        "register_id,regulator,licensee,plmn,rat,band,arfcn,area,cell_id,physical_id,lat,lon,status,azimuth_deg,\
                    eirp_dbm\n"
            .to_owned();
    for tower in anchors.iter().chain([&cell()]) {
        let (plmn, arfcn) = (tower.identity.plmns[0], daen::cell::gsm_arfcn(tower.key.center_hz).unwrap());
        let Position { lat_deg, lon_deg, .. } = tower.site;
        let is_own = tower.register_id == cell().register_id;
        let Registered { azimuth_deg, eirp_dbm } =
            if is_own { own } else { Registered { azimuth_deg: None, eirp_dbm: Some(55.0) } };
        text += &format!(
            "{},NBTC,Example Mobile,{plmn},gsm,GSM900,{arfcn},5001,{},{},{lat_deg:.7},{lon_deg:.7},licensed,{},{}\n",
            tower.register_id.unwrap(),
            tower.identity.cell_id.unwrap(),
            tower.key.id,
            azimuth_deg.map_or(String::new(), |deg| deg.to_string()),
            eirp_dbm.map_or(String::new(), |dbm| dbm.to_string()),
        );
    }
    let (register, report) = Register::load(text.as_bytes(), Format::Own).unwrap();
    assert_eq!(register.len(), anchors.len() + 1, "{report:?}");
    let line = border.then(|| Border::parse(BORDER).unwrap());
    let atlas = Arc::new(Atlas::new(Some(&register), line));
    AnalysisConfig { licence: Some(licences(Arc::new(register))), atlas, ..AnalysisConfig::default() }
}

fn loss_db(a: Position, b: Position) -> f64 {
    let plane = Plane::at(a.lat_deg, a.lon_deg);
    30.0 + 30.0 * plane.enu(&b).distance_m(plane.enu(&a)).log10()
}

/// A day at the border, and what varies of it.
struct Day {
    /// Ten-minute slots in which the node hears the cell at `level_dbm`; in all others 40 dB less.
    strong: i64,
    level_dbm: f64,
    node: Position,
    anchors: usize,
    own: Registered,
    /// The node's levels are in dBm.
    calibrated: bool,
    border: bool,
}

impl Default for Day {
    fn default() -> Day {
        let node = beyond();
        Day { strong: 20, level_dbm: -80.0, node, anchors: 10, own: AWAY, calibrated: true, border: true }
    }
}

impl Day {
    fn alerts(&self) -> Vec<Alert> {
        let anchors = anchors(self.node, self.anchors);
        let mut hub = Hub::new(config(&anchors, self.own, self.border));
        let (mut world, pole) = (World::new(T0, 50.0, 2), pole(1, self.node, true));
        for slot in 0..40 {
            let second = 600 * slot + 5;
            let mut all = Vec::new();
            for tower in anchors.iter().chain([&cell()]) {
                let mut seen = world.hear(&pole, tower, second as f64);
                let dbm = match tower.register_id {
                    Some("TH-9") if slot < self.strong => self.level_dbm,
                    Some("TH-9") => self.level_dbm - 40.0,
                    _ => 55.0 - loss_db(self.node, tower.site),
                };
                seen.level.dbm = self.calibrated.then_some(Dbm(dbm));
                all.push(seen);
            }
            hub.hear(&pole, second, all);
            if slot % 10 == 9 {
                hub.think();
            }
        }
        hub.alerts()
    }
}

fn rules(alert: &Alert) -> Vec<&str> {
    alert.evidence.iter().map(|row| row.rule.as_str()).collect()
}

#[test]
fn the_places_of_these_stories_are_where_the_border_file_has_them() {
    let border = Border::parse(BORDER).unwrap();
    assert_eq!((border.country(&cell().site), border.country(&beyond())), (Some("TH"), Some("KH")));
    assert!(border.distance_m(&beyond()) > 2.0 * border.accuracy_m + 2_000.0);
}

#[test]
fn rf_12_a_licensed_cell_stronger_beyond_the_border_than_its_antenna_explains_is_overspill_and_never_rogue() {
    let found = Day::default().alerts();
    assert_eq!(found.len(), 1, "{found:#?}");
    let alert = &found[0];
    assert_eq!((alert.class, alert.severity, alert.cell), (VerdictClass::Overspill, Severity::Low, cell().key));
    assert_eq!(rules(alert), ["RF-12"]);
    let value = &alert.evidence[0].values[0];
    assert!(value.value.contains("-80.0 dBm at pole-1") && value.value.contains("inside KH"), "{value:?}");
    assert!(value.expected.contains("by registered power and direction"), "{value:?}");
    assert!(alert.reasons.iter().any(|reason| reason.contains("licensed")), "{:?}", alert.reasons);
}

#[test]
fn rf_12_lookalikes_a_level_that_the_antenna_explains_a_node_at_home_and_an_hour_of_ducting_are_none() {
    // In the beam: 20 dB more are explained.
    let beam = Registered { azimuth_deg: Some(90), eirp_dbm: Some(58.0) };
    assert_eq!(Day { level_dbm: -100.0, own: beam, ..Day::default() }.alerts(), []);
    assert_eq!(Day { node: at(13.640, 102.250), ..Day::default() }.alerts(), [], "at home it is no overspill");
    assert_eq!(Day { strong: 6, ..Day::default() }.alerts(), [], "weather");
}

#[test]
fn rf_12_says_nothing_without_levels_cells_to_learn_from_a_registered_power_or_a_border() {
    assert_eq!(Day { calibrated: false, ..Day::default() }.alerts(), []);
    assert_eq!(Day { anchors: 5, ..Day::default() }.alerts(), []);
    assert_eq!(Day { own: Registered { eirp_dbm: None, ..AWAY }, ..Day::default() }.alerts(), []);
    assert_eq!(Day { border: false, ..Day::default() }.alerts(), []);
}

#[test]
fn rf_12_a_tenth_of_the_day_is_fifteen_slots_of_ten_minutes() {
    assert_eq!(Day { strong: 14, ..Day::default() }.alerts(), []);
    assert_eq!(Day { strong: 15, ..Day::default() }.alerts().len(), 1);
}

/// Strong, and nothing is known of its antenna.
fn deep() -> Day {
    Day { level_dbm: -70.0, own: Registered { azimuth_deg: None, eirp_dbm: None }, ..Day::default() }
}

#[test]
fn xb_01_a_licensed_cell_strong_kilometres_beyond_the_border_is_overspill() {
    let found = deep().alerts();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].class, rules(&found[0])), (VerdictClass::Overspill, vec!["XB-01"]));
}

#[test]
fn xb_01_lookalikes_a_node_at_home_and_weather_are_none_and_it_needs_levels() {
    assert_eq!(Day { node: at(13.640, 102.250), ..deep() }.alerts(), []);
    assert_eq!(Day { strong: 6, ..deep() }.alerts(), []);
    assert_eq!(Day { calibrated: false, ..deep() }.alerts(), []);
}

#[test]
fn xb_01_begins_at_minus_75_dbm_and_at_a_tenth_of_the_day() {
    assert_eq!(Day { level_dbm: -75.1, ..deep() }.alerts(), []);
    assert_eq!(Day { level_dbm: -75.0, ..deep() }.alerts().len(), 1);
    assert_eq!(Day { strong: 14, ..deep() }.alerts(), []);
}

/// Nodes all round the cell hear it, its antenna looking to `azimuth`; the register has 90 degrees.
fn looking(azimuth: f64, nodes: usize, calibrated: bool) -> Vec<Alert> {
    let centre = cell().site;
    let anchors = anchors(centre, 10);
    let mut hub = Hub::new(config(&anchors, Registered { azimuth_deg: Some(90), eirp_dbm: Some(58.0) }, true));
    let mut world = World::new(T0, 50.0, 6);
    let poles: Vec<Pole> = (0..nodes)
        .map(|n| {
            let (sin, cos) = (0.4 + std::f64::consts::TAU * n as f64 / nodes as f64).sin_cos();
            pole(n + 1, at(centre.lat_deg + 0.03 * cos, centre.lon_deg + 0.03 * sin), true)
        })
        .collect();
    for second in (1..=130).step_by(10) {
        for pole in &poles {
            let mut all = Vec::new();
            for tower in anchors.iter().chain([&cell()]) {
                let mut seen = world.hear(pole, tower, second as f64 + 0.1);
                let east = (pole.position.lon_deg - centre.lon_deg) * centre.lat_deg.to_radians().cos();
                let bearing = east.atan2(pole.position.lat_deg - centre.lat_deg).to_degrees();
                let off = (bearing - azimuth + 180.0).rem_euclid(360.0) - 180.0;
                let power = match tower.register_id {
                    Some("TH-9") => 58.0 - (12.0 * (off / 65.0).powi(2)).min(20.0),
                    _ => 55.0,
                };
                seen.level.dbm = calibrated.then_some(Dbm(power - loss_db(pole.position, tower.site)));
                all.push(seen);
            }
            hub.hear(pole, second, all);
        }
    }
    hub.think();
    hub.alerts()
}

#[test]
fn rf_11_a_licensed_antenna_that_looks_the_other_way_is_off_its_parameters() {
    let found = looking(270.0, 6, true);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].class, rules(&found[0])), (VerdictClass::LicensedOffParameter, vec!["RF-11"]));
    let value = &found[0].evidence[0].values[0];
    let degrees: f64 = value.value.split('°').next().unwrap().parse().unwrap();
    assert!((degrees - 270.0).abs() <= 20.0 && value.expected.starts_with("90°"), "{value:?}");
}

#[test]
fn rf_11_an_antenna_that_looks_where_it_should_or_nearly_is_none_and_needs_four_nodes_with_levels() {
    assert_eq!(looking(90.0, 6, true), []);
    assert_eq!(looking(140.0, 6, true), [], "50 degrees");
    assert_eq!(looking(270.0, 3, true), [], "three nodes");
    assert_eq!(looking(270.0, 6, false), [], "no levels");
}
