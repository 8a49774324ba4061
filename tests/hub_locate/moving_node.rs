//! A node in a vehicle: one receiver, one free-running clock, and its track.

use crate::locate_hub::*;
use crate::world::*;
use daen::locate::gather::{Heard, Options, suspects};
use daen::locate::{Method, locate};
use daen::observation::{NodeId, Observation, Position};

/// What a node hears on its way: two licensed cells and the fake, at so many places on a part of a circle.
fn drive(places: usize, turn: f64, seed: u64) -> Vec<Observation> {
    let mut world = World::new(crate::locate_hub::T0, 50.0, seed);
    let node = |n: usize| {
        let angle = turn * n as f64 / places as f64;
        let (sin, cos) = angle.sin_cos();
        pole(4, at(13.6612 + 0.03 * cos, 102.5533 + 0.03 * sin), false)
    };
    let [a, b, _] = licensed();
    let heard = (0..places).flat_map(|n| {
        let pole = node(n);
        [&a, &b, &fake()].map(|tower| world.hear(&pole, tower, 20.0 * n as f64 + 0.3))
    });
    heard.collect()
}

fn fix(lines: &[Observation]) -> Result<(f64, f64, usize, Method), String> {
    let name: NodeId = "car-1".parse().unwrap();
    let heard: Vec<Heard<'_>> = lines.iter().map(|observation| Heard { node: &name, observation }).collect();
    let [a, b, _] = licensed();
    let site_of = |o: &Observation| [&a, &b].iter().find(|tower| tower.key == o.cell).map(|tower| tower.site);
    let found = suspects(&heard, site_of, &Options { late: None, ..Options::default() });
    assert_eq!(found.len(), 1);
    let fix = locate(&found[0].problem).map_err(|error| error.to_string())?;
    let best = fix.best();
    let Position { lat_deg, lon_deg, .. } = best.position.unwrap();
    let off = metres(fake().site, lat_deg, lon_deg);
    Ok((off, best.covariance.cep50_m(), found[0].problem.arrivals.len(), fix.method))
}

#[test]
fn a_node_that_drives_round_a_transmitter_places_it_alone() {
    let mut errors = Vec::new();
    for seed in 1..=9 {
        let (off, cep, count, method) = fix(&drive(12, std::f64::consts::TAU, seed)).unwrap();
        assert_eq!((count, method), (12, Method::RelativeTiming));
        assert!(off < 5.0 * cep, "seed {seed}: {off:.0} m off, CEP50 {cep:.0} m");
        errors.push(off);
    }
    errors.sort_by(f64::total_cmp);
    println!("a car round it with a free clock: median {:.0} m, worst {:.0} m", errors[4], errors[8]);
    assert!(errors[4] < 40.0, "{errors:?}");
}

#[test]
fn a_node_that_stands_counts_once_however_often_it_reports() {
    let mut lines = drive(1, 0.0, 3);
    let again: Vec<Observation> = drive(1, 0.0, 4);
    lines.extend(again);
    assert!(fix(&lines).is_err(), "one place gives no position");
}

/// A hub that one node alone tells of the fake, every five seconds for six minutes: from a car on an arc of so many degrees, 2.5 km from it.
fn one_node(degrees: f64, seed: u64, disciplined: bool) -> daen::hub::place::Placed {
    let towers = licensed();
    let mut hub = Hub::new(config(&towers));
    let mut world = World::new(T0, 50.0, seed);
    for second in (1..360).step_by(5) {
        let (sin, cos) = (degrees * second as f64 / 360.0).to_radians().sin_cos();
        let Position { lat_deg, lon_deg, .. } = fake().site;
        let car = pole(4, at(lat_deg + 0.0225 * cos, lon_deg + 0.0231 * sin), disciplined);
        let licensed = towers.iter().map(|tower| world.hear(&car, tower, second as f64 + 0.1)).collect();
        hub.hear(&car, second, licensed);
        let heard = world.hear(&car, &fake(), second as f64 + 0.4);
        hub.find(&car, second, heard);
    }
    hub.think();
    hub.alert().fix.unwrap()
}

#[test]
fn one_vehicle_that_drives_past_places_a_standing_cell_that_one_standing_node_cannot() {
    for disciplined in [false, true] {
        let stands = one_node(0.0, 3, disciplined);
        assert!(stands.best().is_none() && stands.reason.unwrap().contains("at one place"));
        let mut errors = Vec::new();
        for seed in 1..=7 {
            let fix = one_node(200.0, seed, disciplined);
            let best = fix.best().unwrap_or_else(|| panic!("{fix:#?}"));
            let off = metres(fake().site, best.lat_deg, best.lon_deg);
            assert!(off < 2.5 * best.reach_m(), "disciplined {disciplined}, seed {seed}: {off:.0} m: {fix:#?}");
            let places = best.inputs.iter().filter(|input| input.kind == "timing").count();
            assert!((8..=17).contains(&places), "{places}");
            errors.push(off);
        }
        errors.sort_by(f64::total_cmp);
        println!("one car past it, disciplined {disciplined}: median {:.0} m, worst {:.0} m", errors[3], errors[6]);
        assert!(errors[3] < 150.0, "{errors:?}");
    }
}

#[test]
fn two_nodes_with_direction_finders_place_a_cell_in_the_hub() {
    let mut hub = Hub::new(config(&licensed()));
    let mut world = World::new(T0, 50.0, 6);
    let Position { lat_deg, lon_deg, .. } = fake().site;
    // One stands four kilometres to the west of it, one four to the south: they hear it in the east and in the north.
    let poles = [(0.0, -0.037, 90.0), (-0.036, 0.0, 0.0)];
    for (n, (north, east, deg)) in poles.into_iter().enumerate() {
        let pole = pole(n + 1, at(lat_deg + north, lon_deg + east), false);
        let mut heard = world.hear(&pole, &fake(), 1.4);
        (heard.bearing, heard.timing) = (direction(deg), None);
        hub.find(&pole, 1, heard);
        let mut more = world.hear(&pole, &fake(), 2.4);
        (more.bearing, more.timing) = (direction(deg), None);
        hub.find(&pole, 2, more);
    }
    hub.hear(
        &pole(9, at(13.9, 102.9), false),
        5,
        vec![world.hear(&pole(9, at(13.9, 102.9), false), &licensed()[0], 5.1)],
    );
    hub.think();
    let fix = hub.alert().fix.unwrap();
    assert_eq!(fix.method, Some(daen::hub::place::Basis::Bearings), "{fix:#?}");
    let best = fix.best().unwrap();
    let off = metres(fake().site, best.lat_deg, best.lon_deg);
    // Three degrees at four kilometres are 210 m.
    assert!(off < 30.0 && (150.0..400.0).contains(&best.cep50_m), "{off:.0} m: {fix:#?}");
}

fn direction(deg: f64) -> Option<daen::observation::Bearing> {
    Some(daen::observation::Bearing { deg, sigma_deg: 3.0 })
}
