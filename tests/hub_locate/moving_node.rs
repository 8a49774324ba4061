//! A node in a vehicle: one receiver, one free-running clock, and its track.

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
