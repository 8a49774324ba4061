//! Tracks against simulated journeys: consistency, what they gain over single fixes, mirrors and strays.

use crate::sim::{normal, quantile, seeded};
use daen::locate::Enu;
use daen::locate::bounds::Covariance;
use daen::locate::track::{Settings, State, TimedFix, Tracker};
use daen::units::{Nanos, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const START: Timestamp = Timestamp(1_795_000_000_000_000_000);
/// Seconds between fixes.
const STEP_S: i64 = 10;

/// No error that fixes share: the simulated ones have none.
fn settings() -> Settings {
    Settings { shared_m: 0.0, ..Settings::default() }
}

fn at(step: usize) -> Timestamp {
    START + Nanos::from_secs(step as i64 * STEP_S)
}

/// A fix of the truth with the ellipse of nodes on one side: 60 m along, 25 m across, turned.
fn fix(random: &mut ChaCha8Rng, step: usize, truth: [f64; 2]) -> TimedFix {
    let (sin, cos) = 0.6f64.sin_cos();
    let (along, across) = (60.0 * normal(random), 25.0 * normal(random));
    let place = Enu {
        east_m: truth[0] + along * cos - across * sin,
        north_m: truth[1] + along * sin + across * cos,
        up_m: 0.0,
    };
    let (a, b) = (3600.0, 625.0);
    let covariance = Covariance {
        ee_m2: a * cos * cos + b * sin * sin,
        en_m2: (a - b) * sin * cos,
        nn_m2: a * sin * sin + b * cos * cos,
    };
    TimedFix { at: at(step), places: vec![(place, covariance, 1.0)] }
}

/// Squared error over covariance, and the error in metres.
fn error(state: &State, truth: [f64; 2]) -> (f64, f64) {
    let (e, n) = (state.east_m - truth[0], state.north_m - truth[1]);
    (state.covariance().mahalanobis2(e, n), e.hypot(n))
}

#[derive(Default)]
struct Outcome {
    fix_m: Vec<f64>,
    track_m: Vec<f64>,
    smooth_m: Vec<f64>,
    /// Of the filter, one mean a run; and of the smoother.
    nees: Vec<f64>,
    smooth_nees: Vec<f64>,
    /// Probability that it moves, while it does and while it stands, smoothed.
    moving: [Vec<f64>; 2],
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Runs journeys of 60 fixes; a journey gives the place and whether it moves, by step.
fn run(runs: u64, settings: Settings, journey: impl Fn(&mut ChaCha8Rng) -> Vec<([f64; 2], bool)>) -> Outcome {
    let mut out = Outcome::default();
    for seed in 0..runs {
        let mut random = seeded(seed);
        let truth = journey(&mut random);
        let mut tracker = Tracker::new(settings);
        let mut nees = Vec::new();
        for (step, (place, _)) in truth.iter().enumerate() {
            let fix = fix(&mut random, step, *place);
            let (e, n) = (fix.places[0].0.east_m - place[0], fix.places[0].0.north_m - place[1]);
            assert!(tracker.update(&fix));
            let states = tracker.states(at(step));
            assert_eq!(states.len(), 1);
            let (squared, off) = error(&states[0], *place);
            nees.push(squared);
            if step >= 5 {
                out.fix_m.push(e.hypot(n));
                out.track_m.push(off);
            }
        }
        out.nees.push(mean(&nees));
        let smoothed = tracker.smoothed();
        assert_eq!(smoothed.len(), truth.len());
        let errors: Vec<(f64, f64)> = smoothed.iter().zip(&truth).map(|(s, t)| error(s, t.0)).collect();
        out.smooth_nees.push(mean(&errors.iter().map(|e| e.0).collect::<Vec<_>>()));
        out.smooth_m.extend(errors.iter().skip(5).map(|e| e.1));
        for (state, (_, moves)) in smoothed.iter().zip(&truth) {
            out.moving[usize::from(*moves)].push(state.moving);
        }
    }
    out
}

/// Prints a line and returns the medians: fix, filter, smoother; and the means of NEES.
fn line(what: &str, out: &mut Outcome) -> ([f64; 3], [f64; 2]) {
    let medians = [&mut out.fix_m, &mut out.track_m, &mut out.smooth_m].map(|v| quantile(v, 0.5));
    let nees = [mean(&out.nees), mean(&out.smooth_nees)];
    println!(
        "{what} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2}",
        medians[0],
        medians[1],
        medians[2],
        nees[0],
        nees[1],
        mean(&out.moving[0]),
        mean(&out.moving[1])
    );
    (medians, nees)
}

#[test]
fn tracks_are_consistent_and_gain_over_single_fixes() {
    println!(
        "journey | median m: fix | filter | smoother | NEES (2): filter | smoother | moving while standing | while moving"
    );
    let standing = |_: &mut ChaCha8Rng| vec![([500.0, -300.0], false); 60];
    let ([fix, filter, smooth], nees) = line("stands", &mut run(200, settings(), standing));
    assert!(filter < 0.5 * fix && smooth < 0.35 * fix, "{fix} {filter} {smooth}");
    assert!(nees.iter().all(|n| *n < 2.5), "{nees:?}");

    // 30 km/h along streets: a corner every half to two minutes.
    let vehicle = |random: &mut ChaCha8Rng| {
        let (mut place, mut heading, mut corner) = ([0.0, 0.0], 0.0f64, 6);
        (0..60)
            .map(|step| {
                if step == corner {
                    heading += if random.random::<bool>() { 1.57 } else { -1.57 };
                    corner += random.random_range(3..12);
                }
                let speed = 30.0 / 3.6 * STEP_S as f64;
                place = [place[0] + speed * heading.cos(), place[1] + speed * heading.sin()];
                (place, true)
            })
            .collect()
    };
    let mut out = run(200, settings(), vehicle);
    let ([fix, filter, smooth], nees) = line("30 km/h", &mut out);
    assert!(filter < 0.85 * fix && smooth < 0.7 * fix, "{fix} {filter} {smooth}");
    assert!(nees.iter().all(|n| *n < 2.5), "{nees:?}");
    assert!(mean(&out.moving[1]) > 0.95);

    // Stands for three minutes, drives on for two, and so on.
    let stop_and_go = |_: &mut ChaCha8Rng| {
        let mut place = [0.0, 0.0];
        (0..60)
            .map(|step| {
                let moves = step % 30 >= 18;
                if moves {
                    place = [place[0] + 60.0, place[1] + 58.0];
                }
                (place, moves)
            })
            .collect()
    };
    let mut out = run(200, settings(), stop_and_go);
    let ([fix, filter, smooth], nees) = line("stops and goes", &mut out);
    assert!(filter < 0.75 * fix && smooth < 0.55 * fix, "{fix} {filter} {smooth}");
    assert!(nees.iter().all(|n| *n < 2.6), "{nees:?}");
    assert!(mean(&out.moving[0]) < 0.2 && mean(&out.moving[1]) > 0.85);
}

/// The tracker's own motion, from its own prior, step by step.
fn drive(random: &mut ChaCha8Rng, settings: &Settings) -> Vec<([f64; 2], bool)> {
    let dt = STEP_S as f64;
    let [off, stop] = settings.stays_s.map(f64::recip);
    let moved = (1.0 - (-(off + stop) * dt).exp()) / (off + stop);
    let mut moves = random.random::<f64>() < off / (off + stop);
    let (mut place, mut v) = ([0.0; 2], [0.0; 2]);
    if moves {
        v = [0, 1].map(|_| settings.speed_m_s * normal(random));
    }
    let q = settings.acceleration_m2_s3;
    (0..60)
        .map(|step| {
            if step > 0 {
                let before = moves;
                let change = if moves { stop * moved } else { off * moved };
                moves ^= random.random::<f64>() < change;
                for i in 0..2 {
                    if !moves {
                        v[i] = 0.0;
                        continue;
                    }
                    if !before {
                        v[i] = settings.speed_m_s * normal(random);
                    }
                    let kick = (q * dt).sqrt() * normal(random);
                    place[i] += v[i] * dt + 0.5 * dt * kick + (q * dt.powi(3) / 12.0).sqrt() * normal(random);
                    v[i] += kick;
                }
            }
            (place, moves)
        })
        .collect()
}

#[test]
fn journeys_drawn_from_the_model_have_errors_within_the_95_percent_band() {
    // The simulated fixes have no strays, which would make the tracker careful.
    let settings = Settings { stray: 1e-9, ..settings() };
    let runs = 400;
    // The band of the mean over runs, by their own scatter: errors of one run hang together.
    let band = |all: &[f64]| {
        let middle = mean(all);
        1.96 * (all.iter().map(|n| (n - middle).powi(2)).sum::<f64>() / (runs * runs) as f64).sqrt()
    };
    // One that always moves is followed by one linear model: the theory is exact.
    let always = Settings { stays_s: [1e-3, 1e9], ..settings };
    let mut out = run(runs, always, |random| drive(random, &always));
    let (_, nees) = line("always moves", &mut out);
    for (nees, all) in nees.iter().zip([&out.nees, &out.smooth_nees]) {
        println!("NEES {nees:.3}, band 2 +- {:.3}", band(all));
        assert!((nees - 2.0).abs() < 1.5 * band(all), "{nees} {}", band(all));
    }
    // Of two models, many histories are held as one Gaussian each, which makes both careful, never rash.
    let mut out = run(runs, settings, |random| drive(random, &settings));
    let (_, nees) = line("by the model", &mut out);
    println!("bands 2 +- {:.3}, {:.3}", band(&out.nees), band(&out.smooth_nees));
    assert!(nees.iter().all(|n| (1.45..2.0 + band(&out.nees)).contains(n)), "{nees:?}");
}

#[test]
fn a_mirror_image_dies_when_the_emitter_moves_and_is_kept_while_it_stands() {
    let mirrored = |moves: f64| {
        let mut random = seeded(5);
        let mut tracker = Tracker::new(settings());
        for step in 0..30 {
            // The nodes' line tilts a little with time, as nodes come and go, so that the image of a standing emitter wanders.
            let truth = [0.0, 4000.0 + moves * step as f64];
            let mut fix = fix(&mut random, step, truth);
            let image = fix.places[0].0;
            let tilt = moves * step as f64;
            fix.places[0].2 = 0.5;
            let image = Enu { east_m: image.east_m + 30.0 * tilt, north_m: -image.north_m, up_m: 0.0 };
            let c = fix.places[0].1;
            fix.places.push((image, Covariance { en_m2: -c.en_m2, ..c }, 0.5));
            assert!(tracker.update(&fix));
        }
        tracker.states(at(30))
    };
    let standing = mirrored(0.0);
    assert_eq!(standing.len(), 2, "{standing:?}");
    assert!(standing.iter().all(|s| s.weight > 0.2 && s.moving < 0.2), "{standing:?}");
    assert!(standing[0].north_m * standing[1].north_m < 0.0, "one on either side");
    // An image that would have to rush about is not believed.
    let moving = mirrored(5.0);
    assert!(moving[0].north_m > 0.0 && moving[0].weight > 0.9, "{moving:?}");
}

#[test]
fn strays_do_not_move_a_track_and_an_emitter_that_is_elsewhere_is_found_again() {
    let mut random = seeded(6);
    let mut tracker = Tracker::new(settings());
    for step in 0..20 {
        let truth = if step == 12 { [9000.0, 2000.0] } else { [0.0, 0.0] };
        tracker.update(&fix(&mut random, step, truth));
        let state = tracker.states(at(step))[0];
        assert!(state.east_m.hypot(state.north_m) < 150.0, "{step}: {state:?}");
    }
    assert!(!tracker.update(&fix(&mut random, 3, [0.0, 0.0])), "time does not go back");
    for step in 20..24 {
        tracker.update(&fix(&mut random, step, [9000.0, 2000.0]));
    }
    let state = tracker.states(at(24))[0];
    assert!((state.east_m - 9000.0).hypot(state.north_m - 2000.0) < 200.0, "{state:?}");
    let later = tracker.states(at(60))[0];
    assert!(later.covariance().cep50_m() > state.covariance().cep50_m(), "uncertainty grows while nothing is heard");
}
