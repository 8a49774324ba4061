//! A receiver led along its plan, without a receiver: whoever asks for a tuning gets the spectrum that is there.

#![cfg(feature = "sensor")]
#![allow(clippy::unwrap_used)]

use daen::cell::{CellIdentity, CellKey, Rat};
use daen::observation::envelope::Task;
use daen::observation::{CarrierError, Clock, ClockSource, Level, Observation, Octets, ReceiverState, SCHEMA};
use daen::radio::live::Live;
use daen::radio::source::StreamInfo;
use daen::sensor::bands::{Band, Table};
use daen::sensor::crew::Crew;
use daen::sensor::scan::{Options, Plan, Reach};
use daen::sensor::task::{Desk, Dwells};
use daen::sensor::tour::Tour;
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use num_complex::Complex32;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

const RATE: f64 = 4e6;
/// A block of it, 4 ms.
const BLOCK: usize = 16_000;

/// A band of signals, a receiver that hears some of it, and a tour.
struct Air {
    tour: Tour,
    live: Arc<Live>,
    random: ChaCha8Rng,
    now: Timestamp,
    /// Where it is tuned, and when it was.
    tuned: Vec<(f64, Timestamp)>,
    /// Carriers of noise, 170 kHz wide.
    carriers: Vec<f64>,
    /// A tone of the receiver, from its centre.
    spur: Option<f64>,
}

fn band(low: f64, high: f64) -> Band {
    let edges = format!("downlink_mhz = [{low}, {high}]\ngsm = true\nuse = \"-\"\nsource = \"-\"\n");
    let table = format!("version = 1\ncountry = \"XX\"\nname = \"X\"\n[[band]]\nname = \"8\"\n{edges}");
    Table::parse("test", &table).unwrap().bands[0].clone()
}

impl Air {
    fn new(dwells: &Arc<Dwells>) -> Air {
        let reach = Reach { usable: Hz(3.2e6), tuning: vec![[Hz(800e6), Hz(1e9)]], retune: Nanos::from_millis(10) };
        let plan = Plan::new(&[band(925.0, 960.0)], &reach, Options::default());
        let live = Arc::new(Live::default());
        let tour = Tour::start("test".to_owned(), plan, (reach.usable, reach.tuning), live.clone(), dwells.clone());
        Air {
            tour: tour.unwrap(),
            live,
            random: ChaCha8Rng::seed_from_u64(1),
            now: Timestamp(1_795_000_000_000_000_000),
            tuned: vec![],
            carriers: vec![],
            spur: None,
        }
    }

    /// Receives for so long. A retune takes 10 ms.
    fn run(&mut self, seconds: f64) {
        let until = self.now + Nanos((seconds * 1e9) as i64);
        let mut block = vec![Complex32::default(); BLOCK];
        while self.now < until {
            let wanted = self.live.tuning().map_or(940e6, |center| center.0);
            if self.tuned.last().is_none_or(|(center, _)| *center != wanted) {
                self.now = self.now + Nanos::from_millis(10);
                self.tuned.push((wanted, self.now));
                let stream = format!("test#{}", self.tuned.len());
                let info = StreamInfo { stream, center: Hz(wanted), sample_rate: Hz(RATE), start: self.now };
                self.tour.arrive(&info);
                continue;
            }
            self.fill(wanted, &mut block);
            self.now = self.now + Nanos::from_millis(4);
            self.tour.take(&block, 0);
        }
    }

    fn fill(&mut self, center: f64, block: &mut [Complex32]) {
        let random = &mut self.random;
        let mut normal = || -> f32 { StandardNormal.sample(random) };
        for sample in block.iter_mut() {
            *sample = Complex32::new(normal(), normal()) * 1e-3;
        }
        for carrier in &self.carriers {
            let offset = carrier - center;
            if offset.abs() > RATE / 2.0 {
                continue;
            }
            // Noise held for 20 samples: most of its power within 200 kHz.
            let mut value = Complex32::default();
            for (n, sample) in block.iter_mut().enumerate() {
                if n % 20 == 0 {
                    value = Complex32::new(normal(), normal()) * 2e-3;
                }
                *sample +=
                    value * Complex32::from_polar(1.0, (offset / RATE * n as f64 * std::f64::consts::TAU) as f32);
            }
        }
        if let Some(offset) = self.spur {
            for (n, sample) in block.iter_mut().enumerate() {
                *sample += Complex32::from_polar(0.01, (offset / RATE * n as f64 * std::f64::consts::TAU) as f32);
            }
        }
    }

    /// Tunings since `from` that are not a window's own: those of searches.
    fn moved(&self, from: usize) -> Vec<f64> {
        let plan = Plan::new(
            &[band(925.0, 960.0)],
            &Reach { usable: Hz(3.2e6), tuning: vec![[Hz(0.0), Hz(1e12)]], retune: Nanos(0) },
            Options::default(),
        );
        let own = |center: f64| plan.windows().iter().any(|window| window.center.0 == center);
        self.tuned[from..].iter().map(|(center, _)| *center).filter(|center| !own(*center)).collect()
    }
}

#[test]
fn quiet_spectrum_is_swept_window_by_window_and_a_carrier_is_searched_with_the_oscillator_moved() {
    let mut air = Air::new(&Arc::default());
    air.run(2.0);
    // 12 windows, each 20 ms and a retune.
    assert!(air.tuned.len() > 50, "{}", air.tuned.len());
    assert_eq!(air.moved(0), [940e6], "but for where it was when it began");
    let mut windows: Vec<i64> = air.tuned[1..].iter().map(|(center, _)| *center as i64).collect();
    windows.sort_unstable();
    windows.dedup();
    assert_eq!(windows.len(), 12);

    let before = air.tuned.len();
    air.carriers.push(937.4e6);
    air.run(2.0);
    let moved = air.moved(before);
    assert!(!moved.is_empty() && moved.len() <= 2, "searched in the window that holds it, and let pass: {moved:?}");
    assert!(moved.iter().all(|center| (center - 937.4e6).abs() <= 1.6e6), "{moved:?}");
    let schedule = air.tour.schedule().lock().unwrap().clone();
    assert!(schedule.oldest_gsm_s.is_some_and(|age| age < 1.0), "{schedule:?}");
    assert_eq!((schedule.windows, schedule.candidates), (12, 0));
}

#[test]
fn a_tone_of_the_receivers_own_does_not_hold_up_the_sweep() {
    let mut air = Air::new(&Arc::default());
    air.spur = Some(700e3);
    air.run(3.0);
    assert_eq!(air.moved(0), [940e6], "a tone is no carrier");
    assert!(air.tuned.len() > 80, "{}", air.tuned.len());
}

/// Asks for 947.4 MHz for so many seconds.
fn task(now: Timestamp, seconds: i64) -> Task {
    Task {
        schema: SCHEMA,
        task: Octets(vec![1; 16]),
        node: "pole-1".parse().unwrap(),
        rat: Rat::Gsm,
        center_hz: 947_400_000,
        from_ns: now,
        until_ns: now + Nanos::from_secs(seconds),
        issued_ns: now,
        expires_ns: now + Nanos::from_secs(60),
    }
}

#[test]
fn what_the_hub_asks_for_comes_first_for_as_long_as_it_asks() {
    let dwells = Arc::new(Dwells::default());
    let mut desk = Desk::new("pole-1".parse().unwrap(), dwells.clone());
    let mut air = Air::new(&dwells);
    air.run(1.0);
    let begun = air.now;
    desk.take(task(begun, 5), begun).unwrap();
    let before = air.tuned.len();
    air.run(8.0);
    let there: Vec<Timestamp> =
        air.tuned[before..].iter().filter(|(center, _)| (*center - 947.8e6).abs() < 1.0).map(|(_, at)| *at).collect();
    assert_eq!(there.len(), 1, "once, and it stays: {:?}", &air.tuned[before..]);
    assert!(there[0] - begun < Nanos::from_millis(100));
    let next = air.tuned[before..].iter().find(|(_, at)| *at > there[0]).unwrap();
    let stayed = (next.1 - there[0]).as_secs_f64();
    assert!((4.0..7.5).contains(&stayed), "{stayed}");
}

/// A cell that a dwell hears.
fn heard(now: Timestamp, said: bool) -> Observation {
    let identity = CellIdentity { plmns: vec![], area: Some(1), cell_id: Some(1) };
    Observation {
        at_ns: now,
        first_ns: now,
        clock: Clock { source: ClockSource::Free, sigma_ns: None, locked: false, since_ns: None },
        position: None,
        cell: CellKey { rat: Rat::Gsm, center_hz: 937_400_000, id: 1 },
        identity: said.then_some(identity),
        level: Level { dbfs: Dbfs(-40.0), dbm: None, sigma_db: Db(1.0) },
        snr_db: Db(20.0),
        carrier: CarrierError { hz: Hz(0.0), ppb: Ppb(0.0), sigma_ppb: Ppb(1.0) },
        timing: None,
        bearing: None,
        broadcast: vec![],
        fields: None,
        content_sha256: None,
        receiver: ReceiverState::default(),
    }
}

#[test]
fn a_task_does_not_wait_for_the_end_of_a_decode_dwell_which_is_made_up_for_and_one_receiver_obeys() {
    let reach = || Reach { usable: Hz(3.2e6), tuning: vec![[Hz(800e6), Hz(1e9)]], retune: Nanos::from_millis(10) };
    let members = vec![
        ("the first".to_owned(), vec![band(925.0, 960.0)], reach()),
        ("the second".to_owned(), vec![band(869.0, 894.0)], reach()),
    ];
    let crew = Arc::new(Crew::new(members, Options::default()));
    for (number, obeys) in [(0, true), (1, false)] {
        let dwells = Arc::new(Dwells::default());
        let mut desk = Desk::new("pole-1".parse().unwrap(), dwells.clone());
        let mut air = Air::new(&dwells);
        air.tour = air.tour.with_crew(crew.clone(), number);
        air.run(1.0);
        air.carriers.push(937.4e6);
        let doing = |air: &Air| air.tour.schedule().lock().unwrap().doing.clone();
        let until = |air: &mut Air, wanted: &str| {
            for _ in 0..2000 {
                if doing(air) == wanted {
                    return;
                }
                air.run(0.004);
            }
            panic!("no {wanted} in eight seconds");
        };
        until(&mut air, "search");
        // The oscillator has to get there first.
        air.run(0.05);
        assert_eq!(doing(&air), "search");
        air.tour.heard(&heard(air.now, false));
        until(&mut air, "decode");
        air.run(0.2);
        assert_eq!(doing(&air), "decode", "it lasts for two seconds");
        let asked = air.now;
        desk.take(task(asked, 3), asked).unwrap();
        air.run(0.05);
        assert_eq!(doing(&air) == "task", obeys, "receiver {number}");
        if obeys {
            assert!((air.tuned.last().unwrap().0 - 947.8e6).abs() < 1.0);
            assert!(air.tuned.last().unwrap().1 - asked <= Nanos::from_millis(20), "a block and a retune");
            // When the task is over the dwell that was left is made up for.
            until(&mut air, "decode");
            assert!(air.now - asked >= Nanos::from_secs(3));
        }
    }
}

#[test]
fn the_part_of_a_receiver_that_has_failed_is_scanned_by_another_until_it_is_back() {
    let mut air = Air::new(&Arc::default());
    let reach = || Reach { usable: Hz(3.2e6), tuning: vec![[Hz(800e6), Hz(1e9)]], retune: Nanos::from_millis(10) };
    let members = vec![
        ("this one".to_owned(), vec![band(925.0, 960.0)], reach()),
        ("the other".to_owned(), vec![band(869.0, 894.0)], reach()),
    ];
    let crew = Arc::new(Crew::new(members, Options::default()));
    air.tour = air.tour.with_crew(crew.clone(), 0);
    let lent = |air: &Air, from: usize| air.tuned[from..].iter().filter(|(center, _)| *center < 900e6).count();
    air.run(5.0);
    assert_eq!(lent(&air, 0), 0);
    // The other one fails: within a round its part is scanned too, and its own no less.
    crew.tell(1, false, Nanos(0));
    crew.tell(1, false, daen::sensor::crew::SETTLED);
    let from = air.tuned.len();
    air.carriers = vec![880e6];
    air.run(10.0);
    let theirs: std::collections::BTreeSet<u64> =
        air.tuned[from..].iter().filter(|(center, _)| *center < 900e6).map(|(center, _)| *center as u64).collect();
    assert!(theirs.len() >= 8, "25 MHz in windows of 3 MHz: {theirs:?}");
    assert!(air.tuned[from..].iter().any(|(center, _)| *center > 900e6));
    assert!(air.tour.schedule().lock().unwrap().windows > 12);
    // It comes back, and so does its part.
    crew.tell(1, true, Nanos::from_secs(60));
    crew.tell(1, true, Nanos::from_secs(70));
    air.run(0.5);
    let from = air.tuned.len();
    air.run(10.0);
    assert_eq!(lent(&air, from), 0);
}
