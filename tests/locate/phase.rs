//! Licensed cells' phases, learned: against simulated clocks, with jumps, late readings, and nodes that lose their time.

use crate::border::{distance_m, scene};
use crate::sim::{normal, quantile, seeded};
use daen::locate::gather::{Options, suspects, suspects_by};
use daen::locate::phase::{CellPhase, Outcome, PhaseReading, Settings};
use daen::locate::phases::{Phases, Scale};
use daen::locate::{Method, NoFix, locate};
use daen::units::{Nanos, Timestamp};
use rand_chacha::ChaCha8Rng;

/// A round of LTE's and NR's frame numbers.
const ROUND: i64 = 10_240_000_000;
const START: i64 = 1_795_000_000_000_000_000;

/// A cell's oscillator and the nodes that hear it, by the filter's own model.
struct Cell {
    random: ChaCha8Rng,
    settings: Settings,
    at_s: f64,
    phase_ns: f64,
    rate_ppb: f64,
    biases: Vec<f64>,
    sigma_ns: f64,
    bias_ns: f64,
}

impl Cell {
    fn new(seed: u64, nodes: usize) -> Cell {
        let mut random = seeded(seed);
        let settings = Settings::default();
        let bias_ns = 50.0f64;
        let all = settings.path_sigma_ns.hypot(bias_ns);
        let biases = (0..nodes).map(|_| all * normal(&mut random)).collect();
        let (phase_ns, rate_ppb) = (1e9 * normal(&mut random), 20.0 * normal(&mut random));
        Cell { random, settings, at_s: 0.0, phase_ns, rate_ppb, biases, sigma_ns: 30.0, bias_ns }
    }

    fn pass(&mut self, dt: f64) {
        let (s, random) = (&self.settings, &mut self.random);
        let all = s.path_sigma_ns.hypot(self.bias_ns);
        let kept = (-dt / s.bias_s).exp();
        for bias in &mut self.biases {
            *bias = kept * *bias + (1.0 - kept * kept).sqrt() * all * normal(random);
        }
        // Steps of rate and phase with the covariance of an integrated random walk.
        let q = s.rate_walk_ppb * dt.sqrt() * normal(random);
        let along = -0.5 * dt * q + s.rate_walk_ppb * (dt.powi(3) / 12.0).sqrt() * normal(random);
        self.phase_ns += -self.rate_ppb * dt + along + s.phase_walk_ns * dt.sqrt() * normal(random);
        self.rate_ppb += q;
        self.at_s += dt;
    }

    fn read(&mut self, node: usize) -> PhaseReading {
        let noise = self.sigma_ns * normal(&mut self.random);
        let rate = self.rate_ppb + 3.0 * normal(&mut self.random);
        PhaseReading {
            node: format!("node-{node}").parse().unwrap(),
            at: Timestamp(START + (self.at_s * 1e9) as i64),
            phase_ns: self.phase_ns + self.biases[node] + noise,
            sigma_ns: self.sigma_ns,
            bias_sigma_ns: self.bias_ns,
            rate_ppb: Some((rate, 3.0)),
        }
    }

    fn off(&self, filter: &CellPhase) -> (f64, f64) {
        let learned = filter.at(Timestamp(START + (self.at_s * 1e9) as i64));
        let off = learned.phase_ns - self.phase_ns;
        (off - ROUND as f64 * (off / ROUND as f64).round(), learned.sigma_ns)
    }
}

#[test]
fn a_phase_is_learned_as_well_as_its_covariance_says_and_no_better_than_the_nodes_clocks() {
    let (mut squares, mut sigma_one, mut sigma_four) = (0.0, 0.0, 0.0);
    let runs = 2000;
    for seed in 0..runs {
        for nodes in [1, 4] {
            let mut cell = Cell::new(seed, nodes);
            let mut filter = CellPhase::new(ROUND, cell.settings, &cell.read(0));
            for i in 1..60 {
                cell.pass(10.0);
                filter.update(&cell.read(i % nodes));
            }
            let (off, sigma) = cell.off(&filter);
            if nodes == 4 {
                squares += (off / sigma).powi(2);
                sigma_four = sigma;
            } else {
                sigma_one = sigma;
            }
        }
    }
    let mean = squares / runs as f64;
    println!(
        "mean squared normalised error {mean:.3}; sigma after 60 readings: {sigma_one:.1} ns of one node, {sigma_four:.1} of four"
    );
    // 95 % of the means of 2,000 chi-square values lie within 0.062 of 1; three standard deviations are allowed.
    assert!((mean - 1.0).abs() < 0.095, "{mean}");
    // One node's bias of 58 ns does not average out while it lasts.
    assert!(sigma_one > 50.0 && sigma_four < 36.0, "{sigma_one} {sigma_four}");
}

#[test]
fn jumps_are_seen_with_the_delay_and_the_false_alarm_rate_of_the_theory() {
    // Siegmund: (exp(2 k b) - 2 k b - 1) / (2 k^2) readings on one side with b = h + 1.166 and k = 1/2; two sides, half of it.
    let expected = |h: f64| {
        let b = h + 1.166;
        (b.exp() - b - 1.0) / 0.5 / 2.0
    };
    let alarms = |step: f64, readings: usize, seed: u64| {
        let mut cell = Cell::new(seed, 3);
        cell.settings.step = step;
        let mut filter = CellPhase::new(ROUND, cell.settings, &cell.read(0));
        let mut count = 0;
        for i in 1..readings {
            cell.pass(10.0);
            count += usize::from(matches!(filter.update(&cell.read(i % 3)), Outcome::Jumped { .. }));
        }
        count
    };
    let low = alarms(3.0, 100_000, 1) as f64;
    let want = 100_000.0 / expected(3.0);
    let default = alarms(Settings::default().step, 300_000, 2);
    println!(
        "false alarms: sum 3: {low} in 100,000 readings (theory {want:.0}); default: {default} in 300,000 (theory {:.4})",
        300_000.0 / expected(16.0)
    );
    assert!((low / want - 1.0).abs() < 0.2, "{low} {want}");
    assert_eq!(default, 0);
    let mut delays: [Vec<f64>; 3] = Default::default();
    for seed in 0..100 {
        for (jump, delays) in [150.0, 400.0, 2e6].into_iter().zip(&mut delays) {
            let mut cell = Cell::new(seed, 3);
            let mut filter = CellPhase::new(ROUND, cell.settings, &cell.read(0));
            for i in 1..300 {
                cell.pass(10.0);
                assert_eq!(filter.update(&cell.read(i % 3)), Outcome::Used, "seed {seed}, reading {i}");
            }
            cell.phase_ns += jump;
            let delay = (1..200).find(|i| {
                cell.pass(10.0);
                matches!(filter.update(&cell.read(i % 3)), Outcome::Jumped { .. })
            });
            delays.push(delay.map_or(1000.0, |readings| readings as f64));
            let (off, sigma) = cell.off(&filter);
            let epoch = filter.at(Timestamp(START)).epoch;
            assert!(off.abs() < 5.0 * sigma, "seed {seed}: {off} {sigma} in epoch {epoch} after a jump of {jump}");
        }
    }
    let seen = |delays: &[f64]| delays.iter().filter(|d| **d < 1000.0).count();
    let [small, middle, large] = &mut delays;
    println!("jumps seen of 100: 150 ns {}, 400 ns {}, 2 ms {}", seen(small), seen(middle), seen(large));
    assert_eq!((seen(middle), seen(large)), (100, 100));
    let (middle, large) = (quantile(middle, 0.95), quantile(large, 0.99));
    println!("readings until it is seen: 400 ns {middle} (95th of 100), 2 ms {large} (the slowest)");
    assert!(middle <= 20.0 && large <= 3.0, "{middle} {large}");
}

#[test]
fn a_node_that_loses_its_time_moves_no_phase_and_late_readings_are_of_the_past() {
    let mut cell = Cell::new(9, 3);
    let mut filter = CellPhase::new(ROUND, cell.settings, &cell.read(0));
    let mut late = None;
    for i in 1..300 {
        cell.pass(10.0);
        let mut reading = cell.read(i % 3);
        if i == 100 {
            late = Some(reading);
            continue;
        }
        if i > 150 && i % 3 == 1 {
            reading.phase_ns += 40_000.0;
            let outcome = filter.update(&reading);
            assert!(matches!(outcome, Outcome::Outlier { by_ns } if (by_ns - 40_000.0).abs() < 500.0), "{outcome:?}");
        } else {
            assert_eq!(filter.update(&reading), Outcome::Used, "{i}");
        }
        if i == 130 {
            let late = late.take().unwrap();
            assert_eq!(filter.update(&late), Outcome::Used);
            assert_eq!(filter.heard(), Timestamp(START + 1_300_000_000_000), "time does not go back");
        }
    }
    let (off, sigma) = cell.off(&filter);
    assert!(off.abs() < 4.0 * sigma && filter.at(Timestamp(START)).epoch == 0, "{off} {sigma}");
    let old = PhaseReading { at: Timestamp(START), ..cell.read(0) };
    assert_eq!(filter.update(&old), Outcome::Stale);
    // The 17th node displaces the one not heard for longest.
    cell.biases = vec![0.0; 40];
    for node in 0..40 {
        cell.pass(10.0);
        assert_eq!(filter.update(&cell.read(node)), Outcome::Used);
    }
    let back: CellPhase = serde_json::from_str(&serde_json::to_string(&filter).unwrap()).unwrap();
    let [kept, learned] = [back, filter].map(|f| f.at(Timestamp(START + 4_000_000_000_000)));
    // JSON's decimal numbers may differ in the last bit.
    assert!((kept.phase_ns - learned.phase_ns).abs() < 1e-6 && (kept.sigma_ns - learned.sigma_ns).abs() < 1e-6);
}

#[test]
fn free_clocks_that_share_no_cell_are_linked_by_phases_learned_before() {
    let mut off = [Vec::new(), Vec::new()];
    for seed in 0..40 {
        let whole = scene(seed, false, 50.0);
        let site_of = |o: &daen::observation::Observation| whole.site_of(o);
        // Each node hears one of the two licensed cells; node 4, which does not hear the suspect, hears both.
        let (suspect, first, second) = (whole.cells[2].key, whole.cells[0].key, whole.cells[1].key);
        let mut parted = scene(seed, false, 50.0);
        parted.lines.retain(|(node, o)| match node.as_str() {
            "node-4" => false,
            "node-0" | "node-2" => o.cell == suspect || o.cell == first,
            _ => o.cell == suspect || o.cell == second,
        });
        let mut linking = scene(seed, false, 50.0);
        linking.lines.retain(|(node, o)| node.as_str() == "node-4" && o.cell != suspect);
        let mut phases = Phases::default();
        assert_eq!(phases.learn(&linking.heard(), site_of), []);
        assert!(matches!(phases.scale(), Scale::Cell(_)));
        assert_eq!(phases.len(), 2);
        let options = Options { late: None, ..Options::default() };
        let alone = suspects(&parted.heard(), site_of, &options);
        assert_eq!(locate(&alone[0].problem), Err(NoFix::Open { inputs: 2 }), "two pairs, each with a cell of its own");
        let with = suspects_by(&parted.heard(), site_of, Some(&phases), &options);
        assert_eq!((with[0].arrivals.len(), with[0].unused.len()), (4, 0));
        let fix = locate(&with[0].problem).unwrap();
        assert_eq!(fix.method, Method::RelativeTiming);
        let truth = &whole.suspect().site;
        off[0].push(distance_m(truth, &fix.best().position.unwrap()));
        off[1].push(f64::from(u8::from(fix.best().holds(fix.plane().unwrap().enu(truth), 0.95))));
    }
    let held: f64 = off[1].iter().sum();
    println!("linked by learned phases: median {:.1} m, 95 % regions hold {held} of 40", quantile(&mut off[0], 0.5));
    assert!(quantile(&mut off[0], 0.5) < 40.0 && held >= 34.0, "{off:?}");
}

#[test]
fn phases_of_disciplined_clocks_count_from_utc_and_are_as_good_as_they() {
    let scene = scene(4, true, 50.0);
    let site_of = |o: &daen::observation::Observation| scene.site_of(o);
    let mut phases = Phases::default();
    assert_eq!(phases.learn(&scene.heard(), site_of), []);
    assert_eq!((phases.scale(), phases.len()), (Scale::Absolute, 2));
    for cell in scene.cells.iter().filter(|c| c.licensed) {
        let at = Timestamp(1_795_000_000_000_000_000) + Nanos::from_secs(22);
        let learned = phases.of(cell.key, at).unwrap();
        let off = cell.phase_off_ns(learned.phase_ns, at);
        assert!(off.abs() < 4.0 * learned.sigma_ns && learned.sigma_ns < 80.0, "{off} ns, sigma {}", learned.sigma_ns);
    }
    let text = serde_json::to_string(&phases).unwrap();
    let back: Phases = serde_json::from_str(&text).unwrap();
    assert_eq!((back.scale(), back.len()), (phases.scale(), phases.len()));
}
