//! The scan plan by simulation: how soon a new GSM transmitter is decoded, whatever else goes on in the band.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

#[path = "scan_plan/plot.rs"]
mod plot;

use daen::config::device::Device;
use daen::radio::profile::Profile;
use daen::sensor::bands::{Band, Table, union};
use daen::sensor::scan::{Found, Kind, Options, Plan, Reach, Step, share};
use daen::sensor::source;
use daen::units::{Hz, Nanos, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// A sweep sees a new carrier with this probability, and a dwell on it gives its identity with that one. Assumed: a blaster is
/// strong; what is missed is missed to fading.
const SEEN: f64 = 0.9;
const DECODED: f64 = 0.95;
/// The same for a search.
const FOUND: f64 = 0.95;
/// A sweep of any window takes something passing for a new carrier: bursts on traffic channels, other services.
const FALSE: f64 = 0.01;
/// What a search then still takes for a cell.
const GHOST: f64 = 0.02;

/// The bands of both countries.
fn bands() -> Vec<Band> {
    union(&["TH", "KH"].map(|country| Table::named(country, Path::new("")).unwrap()))
}

/// What the node takes a receiver of a model to reach at a rate.
fn reach(model: &str, rate: f64) -> Reach {
    let profile = Profile::named(model, Path::new("")).unwrap();
    source::reach(&profile, &Device { rate: Some(Hz(rate)), ..Device::default() })
}

fn wide() -> Reach {
    reach("hackrf-one", 20e6)
}

fn seconds(seconds: f64) -> Nanos {
    Nanos((seconds * 1e9) as i64)
}

/// A place in which a receiver has been at work for a while.
#[derive(Clone)]
struct World {
    plan: Plan,
    usable: Hz,
    now: Timestamp,
    random: ChaCha8Rng,
    /// By window: whether cells are there.
    cells: Vec<bool>,
}

struct Blaster {
    carrier: Hz,
    from: Timestamp,
    to: Timestamp,
}

impl World {
    fn new(reach: &Reach, seed: u64, options: Options) -> World {
        let plan = Plan::new(&bands(), reach, options);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let cells = plan.windows().iter().map(|_| random.random_bool(0.5)).collect();
        World { plan, usable: reach.usable, now: Timestamp(0), random, cells }
    }

    /// One step of the plan; whether it gave the blaster's identity.
    fn step(&mut self, blaster: &Blaster) -> (Step, bool) {
        let step = self.plan.next(self.now).unwrap();
        let begin = self.now + self.plan.retune();
        let end = begin + step.length;
        let on = begin >= blaster.from && end <= blaster.to;
        let inside = (step.center.0 - blaster.carrier.0).abs() <= self.usable.0 / 2.0 - 100e3;
        let there = on && inside;
        let window = step.window.unwrap();
        let known = self.plan.windows()[window].cells;
        let (found, caught) = match step.kind {
            Kind::Sweep if there && self.random.random_bool(SEEN) => (Found::Changed, false),
            // Cells that nobody has decoded yet are new, too.
            Kind::Sweep if self.cells[window] && !known => (Found::Changed, false),
            Kind::Sweep if self.random.random_bool(FALSE) => (Found::Changed, false),
            Kind::Search if there && self.random.random_bool(FOUND) => (Found::Changed, false),
            Kind::Search if self.cells[window] && !known => (Found::Changed, false),
            Kind::Search if self.random.random_bool(GHOST) => (Found::Changed, false),
            Kind::Decode if there && self.random.random_bool(DECODED) => (Found::Cells, true),
            Kind::Decode if self.cells[window] => (Found::Cells, false),
            _ => (Found::Nothing, false),
        };
        self.plan.done(&step, found, end);
        self.now = end;
        (step, caught)
    }
}

const NOBODY: Blaster = Blaster { carrier: Hz(0.0), from: Timestamp(i64::MAX), to: Timestamp(i64::MAX) };

/// Switches a blaster on at a random time on a random channel, and gives the seconds until it is decoded.
fn case(world: &World, reach: &Reach, airtime: f64, seed: u64) -> Option<f64> {
    let mut world = World { random: ChaCha8Rng::seed_from_u64(seed), ..world.clone() };
    let bands = bands();
    let gsm: Vec<_> = bands.iter().filter(|band| band.gsm && band.high.0 <= reach.tuning[0][1].0).collect();
    let channels: Vec<f64> = gsm
        .iter()
        .flat_map(|band| (1..((band.high.0 - band.low.0) / 200e3) as usize).map(|n| band.low.0 + n as f64 * 200e3))
        .collect();
    let carrier = Hz(channels[world.random.random_range(0..channels.len())]);
    let from = world.now + seconds(world.random.random_range(0.0..30.0));
    let blaster = Blaster { carrier, from, to: from + seconds(airtime) };
    while world.now < blaster.to {
        if world.step(&blaster).1 {
            return Some((world.now - from).as_secs_f64());
        }
    }
    None
}

/// 1000 cases in 20 places.
fn cases(reach: &Reach, airtime: f64) -> Vec<Option<f64>> {
    cases_in(reach, airtime, Options::default(), 20)
}

/// 50 cases in each of so many places, listened to for ten minutes and longer: what is known is decoded again every ten minutes, and cases
/// are to fall on every part of that.
fn cases_in(reach: &Reach, airtime: f64, options: Options, places: u64) -> Vec<Option<f64>> {
    let mut all = Vec::new();
    for place in 0..places {
        let mut world = World::new(reach, place, options);
        while world.now < Timestamp(0) + seconds(600.0 + 37.0 * place as f64) {
            world.step(&NOBODY);
        }
        all.extend((0..50).map(|n| case(&world, reach, airtime, 1000 + place * 50 + n)));
    }
    all
}

fn within(cases: &[Option<f64>], limit: f64) -> f64 {
    cases.iter().filter(|case| case.is_some_and(|took| took <= limit)).count() as f64 / cases.len() as f64
}

#[test]
fn a_wide_receiver_decodes_a_minute_long_blaster_within_thirty_seconds() {
    // The quickest and the slowest to retune of those that reach all bands of GSM.
    for model in ["hackrf-one", "usrp-b200", "limesdr-mini"] {
        let cases = cases(&reach(model, 20e6), 60.0);
        let longest = cases.iter().map(|case| case.unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
        println!("{model} at 20 Msps: half within {:.1} s, longest {longest:.1} s", median(&cases));
        assert!(longest <= 30.0, "{model}: the longest took {longest} s");
    }
}

#[test]
fn a_wide_receiver_that_has_just_been_started_decodes_a_blaster_while_it_learns_all_the_rest() {
    // Half of all windows have cells that nobody has decoded yet.
    let reach = wide();
    let all: Vec<Option<f64>> = (0..20)
        .flat_map(|place| {
            let world = World::new(&reach, place, Options::default());
            (0..50).map(|n| case(&world, &reach, 60.0, 1000 + place * 50 + n)).collect::<Vec<_>>()
        })
        .collect();
    let longest = all.iter().map(|case| case.unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
    println!(
        "just started: half within {:.1} s, {:.1} % within 30 s, longest {longest:.1} s",
        median(&all),
        within(&all, 30.0) * 100.0
    );
    assert!(within(&all, 30.0) > 0.99 && longest <= 60.0, "{longest}");
}

#[test]
fn a_narrow_receiver_knows_its_probability_and_is_nearly_certain_in_ninety_seconds() {
    // One that tunes to nothing above 1766 MHz, and one that reaches all bands of GSM, with a retune that takes as long as two sweeps.
    for (model, rate) in [("rtl-sdr-v3", 2.4e6), ("plutosdr", 2.5e6)] {
        narrow(model, rate);
    }
    let plan = Plan::new(&bands(), &reach("rtl-sdr-v3", 2.4e6), Options::default());
    let unreachable = ["3", "2", "39", "34", "1 n1", "40 n40", "41 n41", "38", "7 n7", "n78"];
    assert_eq!(plan.unreachable(), unreachable, "and what it cannot reach");
}

fn narrow(model: &str, rate: f64) {
    let reach = reach(model, rate);
    let (minute, two) = (cases(&reach, 60.0), cases(&reach, 120.0));
    let plan = Plan::new(&bands(), &reach, Options::default());
    let told = plan.chance(seconds(60.0), seconds(60.0));
    println!(
        "{model} at {rate:e} samples a second: on air 60 s: {:.1} % (told {:.1} %), half within {:.1} s; on air 120 s: {:.1} % within 90 s",
        within(&minute, 60.0) * 100.0,
        told * 100.0,
        median(&minute),
        within(&two, 90.0) * 100.0
    );
    assert!((within(&minute, 60.0) - told).abs() < 0.03, "{model}: what it says of itself is what it does");
    assert!(within(&two, 90.0) >= 0.99, "{model}");
    assert!(plan.chance(seconds(120.0), seconds(90.0)) >= 0.99, "{model}");
}

fn median(cases: &[Option<f64>]) -> f64 {
    let mut took: Vec<f64> = cases.iter().map(|case| case.unwrap_or(f64::INFINITY)).collect();
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}

#[test]
fn every_carrier_of_every_band_is_whole_in_some_window() {
    for usable in [1.92e6, 2e6, 8e6, 15e6, 50e6, 600e6] {
        let reach = Reach { usable: Hz(usable), tuning: vec![[Hz(0.0), Hz(1e12)]], retune: Nanos(0) };
        let plan = Plan::new(&bands(), &reach, Options::default());
        for band in &bands() {
            let mut carrier = band.low.0 + 100e3;
            while carrier <= band.high.0 - 100e3 {
                let inside =
                    |w: &daen::sensor::scan::Window| (w.center.0 - carrier).abs() + 100e3 <= usable / 2.0 + 1.0;
                assert!(plan.windows().iter().any(inside), "band {} {carrier} at {usable}", band.name);
                carrier += 200e3;
            }
        }
        assert!(plan.unreachable().is_empty());
    }
}

#[test]
fn no_window_starves_however_noisy_the_others_are() {
    let reach = wide();
    let mut plan = Plan::new(&bands(), &reach, Options::default());
    let (gsm, other) = (plan.period(true), plan.period(false));
    let mut now = Timestamp(0);
    let mut last: Vec<Option<Timestamp>> = vec![None; plan.windows().len()];
    let mut longest = [Nanos(0); 2];
    while now < Timestamp(0) + seconds(300.0) {
        let step = plan.next(now).unwrap();
        now = now + plan.retune() + step.length;
        // All GSM windows always have something new, and nothing that can be decoded.
        plan.done(&step, if step.kind == Kind::Sweep { Found::Changed } else { Found::Nothing }, now);
        let window = step.window.unwrap();
        if step.kind == Kind::Sweep {
            let kind = usize::from(plan.windows()[window].gsm);
            if let Some(before) = last[window].replace(now) {
                longest[kind] = longest[kind].max(now - before);
            }
        }
    }
    assert!(last.iter().all(Option::is_some));
    // A dwell or two may come in between.
    let slack = seconds(6.0);
    assert!(
        longest[1] <= Nanos(gsm.0 * 2) + slack && longest[0] <= Nanos(other.0 * 2) + slack,
        "{longest:?} {gsm:?} {other:?}"
    );
}

#[test]
fn a_second_dwell_on_a_gsm_window_does_not_wait_for_everything_else_that_is_new() {
    let mut plan = Plan::new(&bands(), &reach("plutosdr", 2.5e6), Options::default());
    let suspect = plan.windows().iter().position(|window| window.gsm).unwrap();
    let mut now = Timestamp(0);
    let mut dwells = Vec::new();
    while now < Timestamp(0) + seconds(600.0) {
        let step = plan.next(now).unwrap();
        now = now + plan.retune() + step.length;
        let window = step.window.unwrap();
        // All that is not GSM always has something new that can be decoded; one window of GSM has something that cannot.
        let found = match (step.kind, plan.windows()[window].gsm) {
            (Kind::Sweep | Kind::Search, true) if window != suspect => Found::Nothing,
            (Kind::Decode, true) => Found::Nothing,
            (Kind::Decode, false) => Found::Cells,
            _ => Found::Changed,
        };
        if step.kind == Kind::Decode && window == suspect {
            dwells.push(now);
        }
        plan.done(&step, found, now);
    }
    // Three dwells, then it is left until a sweep sees it again: a round of sweeps and the debt of the dwells.
    let gaps: Vec<f64> = dwells.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    println!("{} dwells in ten minutes; between them {gaps:.1?} s", dwells.len());
    let tried = gaps.chunks(3).flat_map(|round| &round[..round.len().min(2)]);
    assert!(tried.clone().count() >= 20 && tried.clone().all(|gap| *gap < 12.0), "{gaps:?}");
}

#[test]
fn a_task_comes_first_once_and_not_when_it_is_too_late() {
    let reach = wide();
    let mut plan = Plan::new(&bands(), &reach, Options::default());
    let at = |s: f64| Timestamp(0) + seconds(s);
    plan.task(Hz(947e6), seconds(2.0), at(5.0));
    plan.task(Hz(1.85e9), seconds(1.0), at(1.0));
    let step = plan.next(at(2.0)).unwrap();
    assert_eq!((step.kind, step.center, step.length, step.window), (Kind::Task, Hz(947e6), seconds(2.0), None));
    assert_eq!(plan.next(at(2.0)), Some(step), "asking changes nothing");
    plan.done(&step, Found::Cells, at(4.0));
    assert_eq!(plan.next(at(4.0)).unwrap().kind, Kind::Sweep, "the other one is too late");
}

#[test]
fn known_cells_are_decoded_again_and_otherwise_only_swept() {
    let reach = wide();
    let mut world = World::new(&reach, 7, Options::default());
    let mut decodes = vec![0; world.cells.len()];
    while world.now < Timestamp(0) + seconds(3600.0) {
        let (step, _) = world.step(&NOBODY);
        if step.kind == Kind::Decode {
            decodes[step.window.unwrap()] += 1;
        }
    }
    println!("decode dwells in an hour by window: {decodes:?}");
    for (window, (count, cells)) in decodes.iter().zip(&world.cells).enumerate() {
        assert!(!cells || *count >= 5, "window {window}: {count} in an hour");
        // Six that are due, and what the sweeps took for new.
        assert!(*count <= 18, "window {window}: {count} in an hour");
    }
}

#[test]
fn several_receivers_share_the_spectrum_and_each_takes_what_it_reaches() {
    let bands = bands();
    let (wide, narrow) = (wide(), reach("rtl-sdr-v3", 2.4e6));
    let options = Options::default();
    for reaches in [vec![wide.clone()], vec![wide.clone(), wide.clone()], vec![wide.clone(), narrow.clone()]] {
        let shares = share(&bands, &reaches, &options);
        let plans: Vec<Plan> =
            reaches.iter().zip(&shares).map(|(reach, share)| Plan::new(share, reach, options)).collect();
        // Every carrier is whole in a window of one of them.
        for band in &bands {
            let mut carrier = band.low.0 + 100e3;
            while carrier <= band.high.0 - 100e3 {
                let inside = |plan: &Plan, usable: Hz| {
                    plan.windows().iter().any(|w| (w.center.0 - carrier).abs() + 100e3 <= usable.0 / 2.0 + 1.0)
                };
                let held = plans.iter().zip(&reaches).any(|(plan, reach)| inside(plan, reach.usable));
                assert!(held, "{} receivers, band {}: {carrier}", reaches.len(), band.name);
                carrier += 200e3;
            }
        }
        let periods: Vec<f64> = plans.iter().map(|plan| plan.period(true).as_secs_f64()).collect();
        println!("{} receivers: between two sweeps {periods:?} s", reaches.len());
    }
    let alone = Plan::new(&bands, &wide, options).period(true).as_secs_f64();
    let shares = share(&bands, &[wide.clone(), wide.clone()], &options);
    for part in &shares {
        let period = Plan::new(part, &wide, options).period(true).as_secs_f64();
        assert!(period < 0.65 * alone, "two alike are nearly twice as quick: {period} s instead of {alone} s");
    }
    // What one of them cannot reach is the other's.
    let shares = share(&bands, &[wide, narrow.clone()], &options);
    assert!(shares[1].iter().all(|band| band.high.0 <= 1.766e9), "{shares:?}");
}
