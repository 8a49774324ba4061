//! Every fault of a receiver, in the real node program: it goes on or says so, its health names it within its time, what was lost is
//! counted, and samples flow again.

use super::node::Node;
use super::*;
use daen::observation::{Health, Item};
use std::time::SystemTime;

/// A fault is detected within so much; the figure.
const DETECTED: Duration = Duration::from_secs(2);
/// What a machine that builds other things meanwhile may be late by.
const ALLOWANCE: Duration = Duration::from_millis(500);
/// From what the node knows to the report that says it: reports are made every second here, and their state is looked at every 0.25 s.
const REPORT: Duration = Duration::from_millis(1250);
/// Where in the stream a fault comes: after two seconds at 500 ksps.
const AT: u64 = 1_000_000;

/// What is wrong, and what is to be seen of it.
#[derive(Clone, Copy)]
struct Case {
    /// The module's arguments.
    fault: &'static str,
    /// What the node's configuration has besides.
    more: &'static str,
    /// What it says of it in its log; empty where the device goes on.
    detected: &'static str,
    /// What its health says; empty where there is nothing to be said.
    named: &'static str,
    /// Gaps and samples lost.
    gaps: (u64, u64),
    /// Failures, at least; hangs.
    failures: (u64, bool),
}

const OUTSIDE: &str = "clock_source = \"external\"";
const LOST: &str = "samples were lost in the receiver";
/// A case in which the device goes on by itself.
const GOES_ON: Case = Case { fault: "", more: "", detected: "", named: LOST, gaps: (1, 0), failures: (0, false) };
/// One in which it is opened again.
const FAILS: Case = Case { fault: "", more: "", detected: "", named: "", gaps: (0, 0), failures: (1, false) };

const CASES: [Case; 13] = [
    Case { fault: "faults=overflow@1000000:5000", gaps: (1, 5000), ..GOES_ON },
    Case { fault: "faults=quiet@1000000:5000", gaps: (1, 5000), ..GOES_ON },
    // Two milliseconds of stamps.
    Case { fault: "faults=jump@1000000:2000000", gaps: (1, 1000), ..GOES_ON },
    Case { fault: "faults=corrupt@1000000:0", gaps: (1, 0), ..GOES_ON },
    // Shorter than any silence that counts: nothing is lost, and nothing is to be said.
    Case { fault: "faults=timeout@1000000:800", named: "", gaps: (0, 0), ..GOES_ON },
    Case { fault: "faults=error@1000000:0", detected: "StreamError", named: "StreamError", ..FAILS },
    Case {
        fault: "faults=vanish@1000000:1200",
        detected: "StreamError",
        named: "cannot be opened",
        failures: (2, false),
        ..FAILS
    },
    Case { fault: "faults=dead@1000000:0", detected: "no samples for 1.5 s", named: "no samples for 1.5 s", ..FAILS },
    Case {
        fault: "faults=zero@1000000:2500",
        detected: "no samples for 1.5 s",
        named: "no samples for 1.5 s",
        ..FAILS
    },
    Case {
        fault: "faults=hang@1000000:3600000",
        detected: "does not answer for 1.9 s",
        named: "does not answer for 1.9 s",
        failures: (1, true),
        ..FAILS
    },
    Case {
        fault: "faults=unlock@1000000:2500",
        more: OUTSIDE,
        detected: "external is not locked",
        named: "external is not locked",
        ..FAILS
    },
    Case {
        fault: "faults=clock@1000000:2500",
        more: OUTSIDE,
        detected: "the clock source is internal and should be external",
        named: "clock source external was refused (it uses internal)",
        failures: (2, false),
        ..FAILS
    },
    Case {
        fault: "refuse=rate,refuse_ms=2500",
        detected: "sample rate 500000 Hz was refused",
        named: "sample rate 500000 Hz was refused",
        failures: (2, false),
        ..FAILS
    },
];

fn nanos(time: SystemTime) -> i64 {
    i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// When the module did what it was told to, by the host's clock.
fn injected(node: &Node) -> Option<i64> {
    let log = std::fs::read_to_string(node.folder.path().join("log")).unwrap_or_default();
    let mut faults = log.lines().filter_map(|line| line.strip_prefix("fault "));
    faults.next()?.split_once(' ')?.1.parse().ok()
}

fn seconds(from: i64, to: i64) -> f64 {
    (to - from) as f64 * 1e-9
}

#[test]
fn every_fault_is_detected_within_two_seconds_named_in_health_and_survived() {
    let name = "faults::every_fault_is_detected_within_two_seconds_named_in_health_and_survived";
    if !inside(name, Place::Here, &[]) {
        return;
    }
    // A few at a time, so that the machine is no slower than the faults.
    for cases in CASES.chunks(5) {
        let start = |case: &Case| {
            let more = format!("rate_hz = 500000.0\n{}", case.more);
            let begun = nanos(SystemTime::now());
            (Node::start(&format!("rates=500000,format=CS16,{}", case.fault), &more, |_| ()), begun, None)
        };
        let mut nodes: Vec<(Node, i64, Option<i64>)> = cases.iter().map(start).collect();
        // The watcher: when the node first says what is wrong.
        let begun = Instant::now();
        let over = |nodes: &[(Node, i64, Option<i64>)]| {
            let each = cases.iter().zip(nodes);
            each.clone().all(|(case, (_, _, at))| case.detected.is_empty() || at.is_some())
                && begun.elapsed() > Duration::from_secs(10)
        };
        while !over(&nodes) && begun.elapsed() < PATIENCE {
            for (case, (node, _, at)) in cases.iter().zip(&mut nodes) {
                if at.is_none() && !case.detected.is_empty() && node.said().contains(case.detected) {
                    *at = Some(nanos(SystemTime::now()));
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        for (case, (mut node, begun, noticed)) in cases.iter().zip(nodes) {
            judge(case, &mut node, begun, noticed);
        }
    }
}

fn judge(case: &Case, node: &mut Node, begun: i64, noticed: Option<i64>) {
    let fault = case.fault;
    let health: Vec<Health> = node
        .stop()
        .into_iter()
        .filter_map(|item| match item {
            Item::Health(health) => Some(*health),
            _ => None,
        })
        .collect();
    let said = node.said();
    let refused = fault.starts_with("refuse");
    let injected =
        if refused { begun } else { injected(node).unwrap_or_else(|| panic!("{fault}: nothing happened: {said}")) };
    let most = DETECTED + ALLOWANCE;
    let mut figures = format!("{fault}:");
    if !case.detected.is_empty() {
        let took = seconds(injected, noticed.unwrap_or_else(|| panic!("{fault} was not noticed: {said}")));
        figures.push_str(&format!(" detected after {took:.2} s,"));
        assert!(took < most.as_secs_f64(), "{fault}: noticed after {took} s");
    }
    let names = |health: &&Health| health.warnings.iter().any(|text| text.contains(case.named));
    if case.named.is_empty() {
        let quiet = |one: &Health| one.at_ns.0 < injected || one.warnings.iter().all(|text| !text.contains("receiver"));
        assert!(health.iter().all(quiet), "{fault}: {health:?}");
    } else {
        let named = health.iter().find(names).unwrap_or_else(|| panic!("{fault} is not in the health: {health:?}"));
        let took = seconds(injected, named.at_ns.0);
        figures.push_str(&format!(" in the health after {took:.2} s,"));
        // What only the second attempt says comes a back-off later.
        let later = if case.failures.0 > 1 && !refused { Duration::from_millis(700) } else { Duration::ZERO };
        assert!(took < (most + REPORT + later).as_secs_f64(), "{fault}: in the health after {took} s");
    }
    // It receives again, and says of what has happened what there is to say.
    let last = health.last().unwrap();
    let before = health.iter().take_while(|one| one.at_ns.0 < injected).last().map_or(0, |one| one.samples);
    figures.push_str(&format!(" {} samples before and {} in all; {:?}", before, last.samples, last.receiver));
    println!("{figures}");
    assert!(last.samples > before.max(if refused { 0 } else { AT }) + 500_000, "{fault}: {last:?}");
    let receiver = last.receiver.as_deref().unwrap();
    let count = |name: &str| -> u64 {
        let (_, rest) = receiver.split_once(&format!("{name} ")).unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    };
    assert!(receiver.starts_with("delivers; "), "{fault}: {receiver}");
    let (gaps, lost) = case.gaps;
    assert_eq!((count("gaps"), last.lost_samples), (gaps, lost), "{fault}: {last:?}");
    let (failures, hangs) = case.failures;
    assert!(count("failures") >= failures && (failures > 0) == (count("failures") > 0), "{fault}: {receiver}");
    assert_eq!(count("opened") > 1, failures > 0 && !refused, "{fault}: {receiver}");
    let since = last.warnings.iter().find(|text| text.contains("the receiver has failed since the start"));
    assert_eq!(since.is_some(), failures > 0, "{fault}: {last:?}");
    assert_eq!(since.is_some_and(|text| text.contains("its driver hung")), hangs, "{fault}: {last:?}");
}

#[test]
fn a_device_that_stays_away_is_left_alone_longer_each_time() {
    if !inside("faults::a_device_that_stays_away_is_left_alone_longer_each_time", Place::Here, &[]) {
        return;
    }
    let mut node = Node::start("refuse=open", "rate_hz = 1000000.0", |_| ());
    const WAIT: &str = "opened_again_after_ms=";
    wait_until("five attempts", || node.said().matches(WAIT).count() >= 5);
    let said = node.said();
    node.stop();
    let mut attempts = Vec::new();
    for line in said.lines().filter(|line| line.contains(WAIT)) {
        let at = daen::radio::datetime::parse(line.split_whitespace().next().unwrap()).unwrap();
        let (_, wait) = line.split_once(WAIT).unwrap();
        attempts.push((at, wait.split_whitespace().next().unwrap().parse::<i64>().unwrap()));
    }
    let waits: Vec<i64> = attempts.iter().map(|(_, wait)| *wait).collect();
    assert_eq!(waits[..5], [500, 1000, 2000, 4000, 8000], "{said}");
    for pair in attempts[..5].windows(2) {
        let apart = (pair[1].0 - pair[0].0).0 / 1_000_000;
        assert!(apart >= pair[0].1, "{apart} ms after one that was to wait {} ms", pair[0].1);
    }
    let log = std::fs::read_to_string(node.folder.path().join("log")).unwrap();
    assert!(log.matches("make").count() >= 5 && !log.contains("setupStream"), "{log}");
}

#[test]
fn a_driver_that_takes_long_to_open_its_device_is_told_of_and_waited_for() {
    if !inside("faults::a_driver_that_takes_long_to_open_its_device_is_told_of_and_waited_for", Place::Here, &[]) {
        return;
    }
    let mut rig = Rig::new("format=CS16,open_ms=4000", |_| ());
    let (live, begun) = (rig.live.clone(), Instant::now());
    let watch = std::thread::spawn(move || {
        wait_until("a word about it", || live.problem().is_some_and(|text| text.contains("is not open yet")));
        begun.elapsed()
    });
    let heard = rig.read_samples(10_000);
    let told = watch.join().unwrap();
    println!("told after {:.2} s", told.as_secs_f64());
    assert!(told < DETECTED + ALLOWANCE, "{told:?}");
    assert_eq!((heard.len(), rig.live.problem(), rig.live.counts().failures), (1, None, 0));
}
