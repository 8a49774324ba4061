//! Observations as nodes make them, with the truth: GSM cells round Aranyaprathet and Poipet, free clocks, unknown start times.

use crate::sim::{normal, seeded};
use daen::cell::{CellIdentity, CellKey, Rat};
use daen::locate::gather::{Heard, Options, Reason, suspects};
use daen::locate::{METRES_PER_NS, Method, Plane, locate};
use daen::observation::{
    CarrierError, Clock, ClockSource, FrameName, FrameTiming, Level, NodeId, Observation, Position, ReceiverState,
};
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};
use rand::RngExt;

pub struct Cell {
    pub key: CellKey,
    pub identity: CellIdentity,
    pub site: Position,
    pub licensed: bool,
    rate_ppb: f64,
    /// When its frame 0 left the antenna, nanoseconds of true time.
    epoch_ns: f64,
}

impl Cell {
    /// What a phase learned for an instant is off by, nanoseconds.
    pub fn phase_off_ns(&self, phase_ns: f64, at: Timestamp) -> f64 {
        const ROUND: i128 = 12_533_760_000_000;
        let start = 1_795_000_000_000_000_000i128;
        let since_s = (i128::from(at.0) - start) as f64 * 1e-9 - self.epoch_ns * 1e-9;
        let truth = (start % ROUND) as f64 + self.epoch_ns - self.rate_ppb * since_s;
        let off = phase_ns - truth;
        off - ROUND as f64 * (off / ROUND as f64).round()
    }
}

pub struct Scene {
    pub cells: Vec<Cell>,
    pub lines: Vec<(NodeId, Observation)>,
}

fn at(lat_deg: f64, lon_deg: f64, height_m: f64) -> Position {
    Position { lat_deg, lon_deg, height_m: Some(height_m), sigma_m: None }
}

/// Five nodes hear two licensed cells and one that is not; `disciplined` clocks know the time to 50 ns.
pub fn scene(seed: u64, disciplined: bool, sigma_ns: f64) -> Scene {
    let mut random = seeded(seed);
    let plane = Plane::at(13.66, 102.55);
    let mut cell = |carrier, id, ci: u64, site, licensed, ppb: f64| Cell {
        key: CellKey { rat: Rat::Gsm, center_hz: carrier, id },
        identity: CellIdentity { plmns: vec!["520-03".parse().unwrap()], area: Some(5001), cell_id: Some(ci) },
        site,
        licensed,
        rate_ppb: ppb * normal(&mut random),
        epoch_ns: -1e9 * random.random_range(0.0..3000.0),
    };
    let cells = vec![
        cell(941_000_000, 17, 10101, at(13.6901, 102.5012, 48.0), true, 20.0),
        cell(941_600_000, 18, 10102, at(13.6402, 102.5902, 48.0), true, 20.0),
        cell(949_200_000, 42, 21711, at(13.6612, 102.5533, 40.0), false, 1000.0),
    ];
    let places = [
        at(13.70, 102.52, 50.0),
        at(13.69, 102.59, 45.0),
        at(13.63, 102.60, 40.0),
        at(13.62, 102.53, 60.0),
        at(13.66, 102.49, 45.0),
    ];
    let mut lines = Vec::new();
    for (i, place) in places.into_iter().enumerate() {
        let node: NodeId = format!("node-{i}").parse().unwrap();
        let (beta, ahead_ns) = if disciplined {
            (0.0, 50.0 * normal(&mut random))
        } else {
            // A start time that is unknown by minutes.
            (1000.0 * normal(&mut random), 1e9 * random.random_range(-300.0..300.0))
        };
        for cell in &cells {
            // Each cell in its own second, as a scanning receiver hears them.
            let about_ns = 1e9 * (20.0 + 3.0 * random.random::<f64>());
            let period = 60e6 / 13.0 / (1.0 + cell.rate_ppb * 1e-9);
            let count = ((about_ns - cell.epoch_ns) / period).floor();
            let flight = plane.enu(&place).distance_m(plane.enu(&cell.site)) / METRES_PER_NS;
            let arrives_ns = cell.epoch_ns + count * period + flight;
            let reading = arrives_ns * (1.0 + beta * 1e-9) + ahead_ns + sigma_ns * normal(&mut random);
            let whole = reading.floor();
            let ppb = Ppb(cell.rate_ppb - beta + 5.0 * normal(&mut random));
            let timing = FrameTiming {
                at_ns: Timestamp(1_795_000_000_000_000_000 + whole as i64),
                at_frac_ns: reading - whole,
                sigma_ns,
                frame: FrameName::Gsm { frame_number: (count as u64 % 2_715_648) as u32 },
                rate_ppb: Ppb(ppb.0 + 300.0 * normal(&mut random)),
                rate_sigma_ppb: Ppb(300.0),
            };
            let source = if disciplined { ClockSource::GnssPps } else { ClockSource::Free };
            let observation = Observation {
                at_ns: timing.at_ns,
                first_ns: timing.at_ns - Nanos::from_secs(60),
                clock: Clock {
                    source,
                    sigma_ns: disciplined.then_some(Nanos(50)),
                    locked: disciplined,
                    since_ns: None,
                },
                position: Some(place),
                cell: cell.key,
                identity: Some(cell.identity.clone()),
                level: Level { dbfs: Dbfs(-30.0), dbm: None, sigma_db: Db(1.0) },
                snr_db: Db(20.0),
                carrier: CarrierError { hz: Hz(0.0), ppb, sigma_ppb: Ppb(5.0) },
                timing: Some(timing),
                bearing: None,
                broadcast: Vec::new(),
                fields: None,
                content_sha256: None,
                receiver: ReceiverState { stream: "s1".into(), ..ReceiverState::default() },
            };
            lines.push((node.clone(), observation));
        }
    }
    Scene { cells, lines }
}

impl Scene {
    pub fn heard(&self) -> Vec<Heard<'_>> {
        self.lines.iter().map(|(node, observation)| Heard { node, observation }).collect()
    }

    pub fn site_of(&self, observation: &Observation) -> Option<Position> {
        self.cells.iter().find(|c| c.licensed && c.key == observation.cell).map(|c| c.site)
    }

    pub fn suspect(&self) -> &Cell {
        self.cells.iter().find(|c| !c.licensed).unwrap()
    }
}

pub fn distance_m(a: &Position, b: &Position) -> f64 {
    let plane = Plane::at(a.lat_deg, a.lon_deg);
    let (a, b) = (plane.enu(a), plane.enu(b));
    (a.east_m - b.east_m).hypot(a.north_m - b.north_m)
}

#[test]
fn free_clocks_place_a_cell_against_two_licensed_ones() {
    for seed in 0..20 {
        let scene = scene(seed, false, 50.0);
        let found = suspects(&scene.heard(), |o| scene.site_of(o), &Options { late: None, ..Options::default() });
        assert_eq!(found.len(), 1);
        let suspect = &found[0];
        assert_eq!((suspect.cell, suspect.arrivals.len(), suspect.unused.len()), (scene.suspect().key, 5, 0));
        let fix = locate(&suspect.problem).unwrap();
        assert_eq!(fix.method, Method::RelativeTiming);
        let off = distance_m(&scene.suspect().site, &fix.best().position.unwrap());
        assert!(off < 60.0, "seed {seed}: {off:.1} m off, CEP50 {:.1} m", fix.best().covariance.cep50_m());
        assert!(
            fix.best().holds(fix.plane().unwrap().enu(&scene.suspect().site), 0.9999),
            "seed {seed}: {off:.1} m off"
        );
    }
}

#[test]
fn disciplined_clocks_need_no_licensed_cell() {
    let scene = scene(1, true, 50.0);
    let options = Options { late: None, ..Options::default() };
    let found = suspects(&scene.heard(), |_| None, &options);
    assert_eq!(found.len(), 3, "without a register every cell is placed");
    for suspect in &found {
        let fix = locate(&suspect.problem).unwrap();
        assert_eq!(fix.method, Method::AbsoluteTiming);
        let truth = scene.cells.iter().find(|c| c.key == suspect.cell).unwrap();
        let off = distance_m(&truth.site, &fix.best().position.unwrap());
        assert!(off < 100.0, "{}: {off:.1} m off", suspect.cell);
    }
}

#[test]
fn what_says_nothing_about_the_place_is_named() {
    let mut scene = scene(2, false, 50.0);
    let fake = scene.suspect().key;
    for (i, (_, observation)) in scene.lines.iter_mut().enumerate() {
        match (i / 3, observation.cell == fake) {
            (0, true) => observation.position = None,
            (1, true) => observation.timing = None,
            (2, false) => observation.timing = None,
            _ => {}
        }
    }
    let found = suspects(&scene.heard(), |o| scene.site_of(o), &Options::default());
    let reasons: Vec<(&str, Reason)> = found[0].unused.iter().map(|u| (u.node.as_str(), u.reason)).collect();
    assert_eq!(found[0].arrivals.len(), 2);
    assert_eq!(reasons, [("node-0", Reason::NoPosition), ("node-1", Reason::NoTiming), ("node-2", Reason::Unlinked)]);
    assert!(locate(&found[0].problem).is_err(), "two nodes are left");
}
