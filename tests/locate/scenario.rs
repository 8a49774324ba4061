//! The border at observation level: what the scenario promises, and fixes and tracks from it.

use crate::border::distance_m;
use crate::sim::quantile;
use daen::locate::gather::{Heard, Options, suspects_by};
use daen::locate::phases::Phases;
use daen::locate::track::{Settings, TimedFix, Tracker};
use daen::locate::{METRES_PER_NS, Plane, locate};
use daen::observation::FrameName;
use daen::synth::border::{Border, BorderConfig, Report};
use daen::units::{Nanos, Timestamp};

fn heard(reports: &[Report], from: Timestamp, to: Timestamp) -> Vec<Heard<'_>> {
    let within = |r: &&Report| r.received > from && r.received <= to;
    reports.iter().filter(within).map(|r| Heard { node: &r.node, observation: &r.observation }).collect()
}

#[test]
fn a_seed_gives_one_scenario_and_its_timings_follow_from_the_truth() {
    let config = BorderConfig { sites: 40, nodes: 6, ..BorderConfig::default() };
    let border = Border::new(config.clone()).unwrap();
    let reports = border.reports();
    assert_eq!(Border::new(config.clone()).unwrap().reports(), reports);
    let other = Border::new(BorderConfig { seed: 2, ..config.clone() }).unwrap();
    assert_ne!(other.reports().len(), reports.len());
    assert!(reports.is_sorted_by_key(|r| r.received));
    let mut errors = Vec::new();
    let mut delays = Vec::new();
    for report in &reports {
        let o = &report.observation;
        let c = border.cells.iter().position(|c| c.cell == o.cell).unwrap();
        let n = border.nodes.iter().position(|n| n.node == report.node).unwrap();
        let (cell, node) = (&border.cells[c], &border.nodes[n]);
        delays.push((report.received - o.at_ns).as_secs_f64());
        if !node.disciplined {
            continue;
        }
        let timing = o.timing.unwrap();
        let read = (timing.at_ns - config.start).0 as f64 + timing.at_frac_ns - node.ahead_ns;
        let place = border.place(cell, o.at_ns);
        let plane = Plane::at(place.lat_deg, place.lon_deg);
        let flight = plane.enu(&place).distance_m(plane.enu(&node.position)) / METRES_PER_NS;
        let left = read - flight - border.late_ns(n, c, o.at_ns);
        // Which frame that is, by its own count.
        let (length, numbers, number) = match timing.frame {
            FrameName::Gsm { frame_number } => (60e6 / 13.0, 2_715_648, u64::from(frame_number)),
            FrameName::Radio { sfn, .. } => (10e6, 1024, u64::from(sfn)),
        };
        let frames = (left - cell.epoch_ns) / (length / (1.0 + cell.rate_ppb.0 * 1e-9));
        assert_eq!(frames.round() as u64 % numbers, number);
        errors.push((frames - frames.round()) * length / timing.sigma_ns);
    }
    let n = errors.len() as f64;
    let variance = errors.iter().map(|e| e * e).sum::<f64>() / n;
    println!(
        "{} reports, {n} of disciplined clocks: variance of the timing noise over its sigma squared {variance:.3}",
        reports.len()
    );
    assert!(n > 1000.0 && (variance - 1.0).abs() < 0.1, "{n} {variance}");
    let late = delays.iter().filter(|d| **d > 10.0).count() as f64 / delays.len() as f64;
    assert!((0.015..0.04).contains(&late), "{late}");
    let error = Border::new(BorderConfig { disciplined: 1.5, ..config }).unwrap_err();
    assert_eq!(error.to_string(), "disciplined is 1.5; it must be 0 to 1");
}

#[test]
fn transmitters_without_a_licence_are_placed_and_followed() {
    let (mut standing, mut driving, mut tracked) = (Vec::new(), Vec::new(), Vec::new());
    let (mut held, mut count, mut none) = (0, 0, 0);
    for seed in 0..if crate::acceptance() { 6 } else { 2 } {
        // In dense towns cells are heard at 30 km; here 20 sites are enough to set the clocks.
        let config =
            BorderConfig { seed, sites: 20, every_s: 10.0, seconds: 300.0, delayed: 0.0, ..BorderConfig::default() };
        let border = Border::new(config).unwrap();
        let reports = border.reports();
        let plane = Plane::at(13.66, 102.55);
        let mut trackers = vec![Tracker::new(Settings::default()); border.cells.len()];
        let mut phases = Phases::default();
        for step in 1..30 {
            let to = border.config.start + Nanos::from_secs(10 * step);
            let heard = heard(&reports, to - Nanos::from_secs(10), to);
            let site_of = |o: &daen::observation::Observation| border.site_of(o.cell);
            let found = suspects_by(&heard, site_of, Some(&phases), &Options::default());
            phases.learn(&heard, site_of);
            for suspect in found {
                let c = border.cells.iter().position(|c| c.cell == suspect.cell).unwrap();
                // Readings of ten seconds: where it was in the middle of them.
                let truth = border.place(&border.cells[c], to - Nanos::from_secs(5));
                let Ok(fix) = locate(&suspect.problem) else {
                    none += 1;
                    continue;
                };
                let off = distance_m(&truth, &fix.best().position.unwrap());
                let drives = border.cells[c].velocity_m_s != [0.0; 2];
                let errors = if drives { &mut driving } else { &mut standing };
                errors.push(off);
                count += usize::from(!drives);
                held += usize::from(!drives && fix.surprise(fix.plane().unwrap().enu(&truth)) <= 0.95);
                trackers[c].update(&TimedFix::new(to, &fix, plane).unwrap());
                if step > 10
                    && let Some(state) = trackers[c].states(to).first()
                {
                    tracked.push(distance_m(&truth, &state.position(plane)));
                }
            }
        }
    }
    let held = 100.0 * held as f64 / count as f64;
    let [s, d, t] = [&mut standing, &mut driving, &mut tracked].map(|v| quantile(v, 0.5));
    println!(
        "standing {s:.0} m, driving {d:.0} m, tracked {t:.0} m (medians of {count}, {}); regions hold {held:.0} %, no fix {none}",
        driving.len()
    );
    assert!(s < 150.0 && d < 250.0 && t < 150.0, "{s} {d} {t}");
    assert!(held > 85.0, "{held}");
}
