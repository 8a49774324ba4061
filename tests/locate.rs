//! Location against theory and simulation: bounds, the estimator against its bound, mirror images, late paths, observations.
//!
//! `DAEN_ACCEPTANCE=1` runs 2,000 trials a line and all lines; by default there are a few hundred and some lines.
//! What was measured: tests/data/locate/README.md.
#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "locate/border.rs"]
mod border;
#[path = "locate/kinds.rs"]
mod kinds;
#[path = "locate/phase.rs"]
mod phase;
#[path = "locate/scenario.rs"]
mod scenario;
#[path = "locate/sim.rs"]
mod sim;
#[path = "locate/startup.rs"]
mod startup;
#[path = "locate/subcommand.rs"]
mod subcommand;
#[path = "locate/track.rs"]
mod track;

use daen::locate::bounds::crlb;
use daen::locate::problem::{Late, Problem};
use daen::locate::{Enu, NoFix, locate};
use sim::{Layout, Trials, absolute, bearings, levels, nodes, noisy, place, quantile, relative, seeded};
use std::fmt::Write;

fn acceptance() -> bool {
    std::env::var_os("DAEN_ACCEPTANCE").is_some_and(|v| v == "1")
}

/// Trials of a line.
fn trials(few: usize) -> usize {
    if acceptance() { 2000 } else { few }
}

/// Median of the bound's CEP50 over random geometries, metres.
fn median_bound(layout: Layout, n: usize, near: f64, far: f64, make: impl Fn(&[Enu]) -> Problem) -> f64 {
    let mut random = seeded(1);
    let mut ceps: Vec<f64> = (0..trials(300))
        .map(|_| crlb(&make(&nodes(&mut random, layout, n, near, far)), Enu::default()).map_or(1e9, |c| c.cep50_m()))
        .collect();
    quantile(&mut ceps, 0.5)
}

fn bound_of(layout: Layout, n: usize, what: &str) -> f64 {
    median_bound(layout, n, 3.0, 10.0, |at| {
        let mut problem = match what {
            "100 ns" => absolute(at, 100.0),
            w if w.starts_with("300 ns") => absolute(at, 300.0),
            _ => Problem::default(),
        };
        if what.ends_with("8 dB") {
            levels(&mut problem, at, 8.0);
        }
        if what.ends_with("4 deg") {
            bearings(&mut problem, at, 4.0);
        }
        problem
    })
}

#[test]
fn the_bounds_by_kind_of_measurement_are_as_recorded() {
    let kinds = ["100 ns", "300 ns", "8 dB", "300 ns + 8 dB", "4 deg", "300 ns + 4 deg"];
    let mut table =
        format!("CEP50 m, median over 300 geometries of 3 to 10 km\nlayout nodes | {}\n", kinds.join(" | "));
    for layout in [Layout::Ring, Layout::Border] {
        for n in 3..=6 {
            let row: Vec<String> = kinds.iter().map(|kind| format!("{:.0}", bound_of(layout, n, kind))).collect();
            writeln!(table, "{layout:?} {n} | {}", row.join(" | ")).unwrap();
        }
    }
    if acceptance() {
        println!("{table}");
    } else {
        insta::assert_snapshot!("bounds_by_kind", table);
    }
    // The ring's published medians (reference tables, from an independent computation): of timing they hardly depend on how
    // geometries are drawn, of levels and bearings they depend on the ranges, which are drawn alike.
    for (n, timing, level, bearing) in [(4, 26.0, 2752.0, 355.0), (5, 23.0, 2390.0, 312.0), (6, 21.0, 2119.0, 277.0)] {
        for (kind, want) in [("100 ns", timing), ("8 dB", level), ("4 deg", bearing)] {
            let got = bound_of(Layout::Ring, n, kind);
            assert!((got / want - 1.0).abs() < 0.12, "{n} nodes, {kind}: {got:.0} m, published {want} m");
        }
    }
}

#[test]
fn differencing_against_licensed_cells_has_the_bound_of_the_closed_form() {
    // Per-node noise sqrt(s^2 (1 + 1/K) + (rate error times gap)^2): reference table D.
    let sites = [place(4000.0, 2500.0), place(-3000.0, 1500.0), place(500.0, -6000.0)];
    let mut table = String::from("CEP50 m, ring of 5: s ns, K cells, ppb, gap s | bound | of the effective noise\n");
    for (s, k, ppb, gap) in [
        (50.0, 1, 0.0, 0.0),
        (50.0, 1, 50.0, 1.0),
        (50.0, 3, 10.0, 1.0),
        (50.0, 3, 1000.0, 1.0),
        (150.0, 1, 0.0, 0.0),
        (150.0, 3, 50.0, 1.0),
    ] {
        let bound = median_bound(Layout::Ring, 5, 3.0, 10.0, |at| relative(at, &sites[..k], s, ppb, gap));
        let effective = (s * s * (1.0 + 1.0 / k as f64) + (ppb * gap).powi(2)).sqrt();
        let closed = median_bound(Layout::Ring, 5, 3.0, 10.0, |at| absolute(at, effective));
        writeln!(table, "{s} {k} {ppb} {gap} | {bound:.1} | {closed:.1}").unwrap();
        assert!((bound / closed - 1.0).abs() < 1e-3, "{s} {k} {ppb} {gap}: {bound} {closed}");
    }
    if !acceptance() {
        insta::assert_snapshot!("bounds_relative", table);
    }
}

/// Runs trials of one line; relative timing has two licensed cells, clocks good to 10 ppb and 1 s between cells.
fn run(layout: Layout, n: usize, sigma_ns: f64, free: bool, count: usize) -> Trials {
    let mut random = seeded(7);
    let mut out = Trials::default();
    let sites = [place(4000.0, 2500.0), place(-3000.0, 1500.0)];
    for _ in 0..count {
        let at = nodes(&mut random, layout, n, 3.0, 10.0);
        let exact = if free { relative(&at, &sites, sigma_ns, 10.0, 1.0) } else { absolute(&at, sigma_ns) };
        out.add(&noisy(&exact, &mut random, None), &exact);
    }
    out
}

#[test]
fn the_estimator_reaches_its_bound_and_its_regions_hold_the_truth() {
    let mut failed = Vec::new();
    let all = acceptance();
    let (counts, sigmas): (&[usize], &[f64]) =
        if all { (&[3, 4, 5, 6], &[50.0, 100.0, 300.0]) } else { (&[3, 5], &[100.0]) };
    println!("layout nodes ns clocks | bound m | CEP50 m | ratio | 95 % regions hold");
    for layout in [Layout::Ring, Layout::Border] {
        for (&n, &sigma) in counts.iter().flat_map(|n| sigmas.iter().map(move |s| (n, s))) {
            for free in [false, true] {
                let mut trials = run(layout, n, sigma, free, trials(400));
                let held = trials.percent(trials.held);
                let (bound, ratio) = (quantile(&mut trials.bound_m, 0.5), trials.ratio());
                let clocks = if free { "free" } else { "disciplined" };
                let line = format!(
                    "{layout:?} {n} {sigma} {clocks} | {bound:.1} | {:.1} | {ratio:.3} | {held:.1} %, no fix {}",
                    bound * ratio,
                    trials.none
                );
                println!("{line}");
                // 400 trials leave 2 % of scatter on a share and 6 % on a median: asserted with that.
                let (most, low, high) = (if free { 1.2 } else { 1.1 }, 93.0, 97.0);
                let slack = if all { 0.0 } else { 1.5 };
                if ratio > most || held < low - slack || held > high + slack {
                    failed.push(line);
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn late_paths_cost_little_with_the_one_sided_likelihood() {
    let late = Late { share: 0.3, mean_ns: 500.0 };
    let mut random = seeded(7);
    let (mut clean, mut plain, mut mixture) = (Trials::default(), Trials::default(), Trials::default());
    for _ in 0..trials(600) {
        let exact = absolute(&nodes(&mut random, Layout::Ring, 5, 3.0, 10.0), 100.0);
        clean.add(&noisy(&exact, &mut random, None), &exact);
        let mut problem = noisy(&exact, &mut random, Some(late));
        plain.add(&problem, &exact);
        problem.late = Some(late);
        mixture.add(&problem, &exact);
    }
    let [clean_m, plain_m, mixture_m] = [&mut clean, &mut plain, &mut mixture].map(|t| quantile(&mut t.best_m, 0.5));
    println!(
        "clean {clean_m:.1} m, late: plain {plain_m:.1} m, mixture {mixture_m:.1} m ({:.2} times clean; best solution); its 95 % \
         regions hold the truth in {:.1} %",
        mixture_m / clean_m,
        mixture.percent(mixture.held)
    );
    assert!(mixture_m <= 1.6 * clean_m, "{mixture_m} {clean_m}");
    // 600 trials leave 0.9 % of scatter on the share.
    let (held, slack) = (mixture.percent(mixture.held), if acceptance() { 0.0 } else { 1.5 });
    assert!((93.0 - slack..=97.0 + slack).contains(&held), "{held}");
    assert!(plain_m > 1.9 * clean_m, "the test's paths are late: {plain_m} {clean_m}");
}

#[test]
fn nodes_in_a_line_give_both_sides_and_never_one_wrongly() {
    println!("depth m, nodes | several | best on the wrong side | truth among | one side claimed wrongly | no fix");
    let (mut count, mut among, mut wrong) = (0, 0, 0);
    for depth in [300.0, 1500.0, 3000.0] {
        for n in 3..=5 {
            let mut random = seeded(11);
            let mut trials_ = Trials::default();
            for _ in 0..trials(150) {
                let exact = absolute(&nodes(&mut random, Layout::Line(depth), n, 3.0, 10.0), 100.0);
                trials_.add(&noisy(&exact, &mut random, None), &exact);
            }
            let far = trials_.best_m.iter().filter(|m| **m > 1000.0).count();
            println!(
                "{depth} {n} | {:.1} % | {:.1} % | {:.2} % | {:.2} % | {}",
                trials_.percent(trials_.several),
                trials_.percent(far),
                trials_.percent(trials_.among),
                trials_.percent(trials_.wrong),
                trials_.none
            );
            count += trials_.count();
            among += trials_.among;
            wrong += trials_.wrong;
        }
    }
    assert!(among as f64 >= 0.995 * count as f64, "{among} of {count}");
    assert!(wrong as f64 <= 0.005 * count as f64, "{wrong} of {count}");
}

#[test]
fn a_rate_that_is_ignored_costs_kilometres_and_one_that_is_solved_does_not() {
    // A free-running base station off by 2 ppm, heard by nodes whose frames lie up to 10 s apart.
    let mut random = seeded(3);
    let at = nodes(&mut random, Layout::Ring, 5, 3.0, 10.0);
    let mut problem = noisy(&absolute(&at, 100.0), &mut random, None);
    let twice = problem.arrivals.clone();
    problem.arrivals.extend(twice);
    for (i, arrival) in problem.arrivals.iter_mut().enumerate() {
        arrival.elapsed_s = (i * 7 % 10) as f64 + 0.5;
        arrival.at_ns -= 2000.0 * arrival.elapsed_s;
    }
    let off = |problem: &Problem| {
        let best = locate(problem).unwrap().best().place;
        best.east_m.hypot(best.north_m)
    };
    assert!(off(&problem) < 100.0, "{}", off(&problem));
    problem.emitter.rate_sigma_ppb = 0.0;
    let ignored = match locate(&problem) {
        Ok(fix) => fix.best().place.east_m.hypot(fix.best().place.north_m),
        Err(_) => f64::INFINITY,
    };
    assert!(ignored > 500.0, "{ignored}");
}

#[test]
fn inputs_that_leave_the_place_open_give_a_reason() {
    let mut random = seeded(5);
    let at = nodes(&mut random, Layout::Ring, 5, 3.0, 10.0);
    assert_eq!(locate(&Problem::default()), Err(NoFix::NoInputs));
    let two = absolute(&at[..2], 100.0);
    assert_eq!(locate(&two), Err(NoFix::Open { inputs: 2 }));
    let unlinked = relative(&at, &[], 100.0, 0.0, 0.0);
    assert_eq!(locate(&unlinked), Err(NoFix::Open { inputs: 5 }), "free clocks without a licensed cell know nothing");
    let mut broken = absolute(&at, 100.0);
    broken.arrivals[2].sigma_ns = 0.0;
    assert!(matches!(locate(&broken), Err(NoFix::Problem(_))));
    broken.arrivals[2].sigma_ns = 1.0;
    broken.arrivals[2].clock = 9;
    assert_eq!(locate(&broken).unwrap_err().to_string(), "clock 9 does not exist; there are 5");
}

#[test]
fn two_bearings_cross_and_leverage_and_residuals_add_up() {
    let at = [place(-3000.0, 0.0), place(0.0, -4000.0)];
    let mut problem = Problem::default();
    bearings(&mut problem, &at, 4.0);
    let fix = locate(&problem).unwrap();
    assert!(fix.best().place.east_m.hypot(fix.best().place.north_m) < 1.0);
    assert!(fix.best().influences.iter().all(|i| i.leverage > 0.999), "nothing checks two bearings");
    assert!(fix.spare < 1e-6);
    let mut random = seeded(5);
    let ring = nodes(&mut random, Layout::Ring, 6, 3.0, 10.0);
    let fix = locate(&noisy(&absolute(&ring, 100.0), &mut random, None)).unwrap();
    let sum: f64 = fix.best().influences.iter().map(|i| i.leverage).sum();
    assert!((sum - 3.0).abs() < 1e-6, "place and epoch use up three of six: {sum}");
    let chi2: f64 = fix.best().influences.iter().map(|i| i.normalised * i.normalised).sum();
    assert!((chi2 - fix.best().chi2).abs() < 1e-6);
    let bound = fix.best().bound.unwrap();
    assert!((bound.cep50_m() / fix.best().covariance.cep50_m() - 1.0).abs() < 1e-3);
}

#[test]
fn the_time_of_a_solve_is_printed_in_acceptance() {
    if !acceptance() {
        println!("skipped: DAEN_ACCEPTANCE is not set; a time says nothing beside other tests");
        return;
    }
    let mut random = seeded(7);
    let at = nodes(&mut random, Layout::Ring, 5, 3.0, 10.0);
    let disciplined = noisy(&absolute(&at, 100.0), &mut random, None);
    let sites = [place(4000.0, 2500.0), place(-3000.0, 1500.0)];
    let free = noisy(&relative(&at, &sites, 100.0, 10.0, 1.0), &mut random, None);
    for (what, problem) in [("disciplined clocks", disciplined), ("free clocks, 2 licensed cells", free)] {
        let late = Problem { late: Some(Late { share: 0.3, mean_ns: 500.0 }), ..problem.clone() };
        for (paths, problem) in [("line of sight", problem), ("late paths", late)] {
            let mut times: Vec<f64> = (0..2000)
                .map(|_| {
                    let start = std::time::Instant::now();
                    std::hint::black_box(locate(std::hint::black_box(&problem))).unwrap();
                    start.elapsed().as_secs_f64() * 1e6
                })
                .collect();
            let [least, median] = [0.0, 0.5].map(|q| quantile(&mut times, q));
            println!("5 nodes, {what}, {paths}: least {least:.0} us, median {median:.0} us a solve");
        }
    }
}
