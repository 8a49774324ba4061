//! Transmitters and nodes at places near Aranyaprathet and Poipet, with clocks, and what the nodes observe: the truth is known.
#![allow(dead_code)]

use daen::cell::{CellIdentity, CellKey, Rat};
use daen::hub::place::Atlas;
use daen::locate::country::Border;
use daen::locate::{METRES_PER_NS, Plane};
use daen::observation::*;
use daen::rules::{Format, Register};
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};

pub const BORDER: &str = include_str!("../data/locate/border-sample.geojson");

pub fn at(lat_deg: f64, lon_deg: f64) -> Position {
    Position { lat_deg, lon_deg, height_m: Some(45.0), sigma_m: None }
}

pub fn metres(a: Position, lat_deg: f64, lon_deg: f64) -> f64 {
    let plane = Plane::at(a.lat_deg, a.lon_deg);
    let (a, b) = (plane.enu(&a), plane.enu(&Position { lat_deg, lon_deg, ..a }));
    (a.east_m - b.east_m).hypot(a.north_m - b.north_m)
}

/// A transmitter.
#[derive(Clone, Debug)]
pub struct Tower {
    pub key: CellKey,
    pub identity: CellIdentity,
    pub site: Position,
    /// Rate of its frames and carrier against true time.
    pub ppb: f64,
    /// When its frame 0 left the antenna, nanoseconds after the start.
    pub epoch_ns: f64,
    /// The number of its entry in the register; `None`: it has none.
    pub register_id: Option<&'static str>,
    pub licensee: &'static str,
}

pub fn tower(channel_hz: u64, bsic: u16, cell_id: u64, site: Position) -> Tower {
    Tower {
        key: CellKey { rat: Rat::Gsm, center_hz: channel_hz, id: bsic },
        identity: CellIdentity { plmns: vec!["520-03".parse().unwrap()], area: Some(5001), cell_id: Some(cell_id) },
        site,
        ppb: 10.0,
        epoch_ns: -1e9 * (cell_id % 977) as f64 - 321.5 * (cell_id % 7919) as f64,
        register_id: None,
        licensee: "Example Mobile",
    }
}

/// Two licensed cells and, at a third place, one that is not.
pub fn licensed() -> [Tower; 3] {
    let listed = |register_id, tower: Tower| Tower { register_id: Some(register_id), ..tower };
    [
        listed("TH-1", tower(941_000_000, 17, 10101, at(13.6901, 102.5012))),
        listed("TH-2", Tower { ppb: -20.0, ..tower(941_600_000, 18, 10102, at(13.6402, 102.5902)) }),
        listed("TH-3", Tower { ppb: 15.0, ..tower(943_000_000, 20, 10103, at(13.7102, 102.5602)) }),
    ]
}

pub fn fake() -> Tower {
    Tower { ppb: 900.0, ..tower(949_200_000, 42, 21711, at(13.6612, 102.5533)) }
}

/// A node.
#[derive(Clone, Debug)]
pub struct Pole {
    pub name: String,
    pub position: Position,
    /// Disciplined to this many nanoseconds; `None`: its clock runs free.
    pub sigma_ns: Option<f64>,
    /// What its clock is ahead at the start, and by how much it runs fast.
    pub ahead_ns: f64,
    pub ppb: f64,
    pub stream: String,
}

pub fn pole(number: usize, position: Position, disciplined: bool) -> Pole {
    let n = number as f64;
    Pole {
        name: format!("pole-{number}"),
        position,
        sigma_ns: disciplined.then_some(50.0),
        ahead_ns: if disciplined { 0.0 } else { 1e6 * (n * 7.3 - 11.0) },
        ppb: if disciplined { 0.0 } else { 700.0 * (n - 2.0) },
        stream: "s1".to_owned(),
    }
}

/// Five nodes all round.
pub fn ring(disciplined: bool) -> Vec<Pole> {
    [(13.70, 102.52), (13.69, 102.59), (13.63, 102.60), (13.62, 102.53), (13.66, 102.49)]
        .into_iter()
        .enumerate()
        .map(|(i, (lat, lon))| pole(i + 1, at(lat, lon), disciplined))
        .collect()
}

/// What is random, from a seed.
pub struct World {
    pub base: Timestamp,
    pub sigma_ns: f64,
    random: u64,
}

impl World {
    pub fn new(base: Timestamp, sigma_ns: f64, seed: u64) -> World {
        World { base, sigma_ns, random: seed }
    }

    /// Uniform in 0..1; Steele, Lea and Flood 2014 (SplitMix64).
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal; Box and Muller 1958.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// What a node observes of a transmitter at a second after the start.
    pub fn hear(&mut self, pole: &Pole, tower: &Tower, second: f64) -> Observation {
        self.hear_late(pole, tower, second, 0.0)
    }

    /// The same by way of something that delays it by `excess_ns`.
    pub fn hear_late(&mut self, pole: &Pole, tower: &Tower, second: f64, excess_ns: f64) -> Observation {
        let plane = Plane::at(tower.site.lat_deg, tower.site.lon_deg);
        let flight_ns = plane.enu(&pole.position).distance_m(plane.enu(&tower.site)) / METRES_PER_NS + excess_ns;
        let lte = tower.key.rat == Rat::Lte;
        // TDMA frames of 60/13 ms, half frames of 5 ms.
        let period = if lte { 5e6 } else { 60e6 / 13.0 } / (1.0 + tower.ppb * 1e-9);
        let count = ((second * 1e9 - tower.epoch_ns) / period).ceil();
        let arrives = tower.epoch_ns + count * period + flight_ns;
        let clock = pole.sigma_ns.map_or(0.0, |sigma| sigma * self.normal());
        let reading = arrives * (1.0 + pole.ppb * 1e-9) + pole.ahead_ns + clock + self.sigma_ns * self.normal();
        let whole = reading.floor();
        let half_frames = (count as i64).rem_euclid(2048);
        let frame = if lte {
            FrameName::Radio { sfn: (half_frames / 2) as u16, half: (half_frames % 2) as u8 }
        } else {
            FrameName::Gsm { frame_number: (count as i64).rem_euclid(2_715_648) as u32 }
        };
        let ppb = Ppb(tower.ppb - pole.ppb + 3.0 * self.normal());
        let distance = flight_ns * METRES_PER_NS;
        let source = if pole.sigma_ns.is_some() { ClockSource::GnssPps } else { ClockSource::Free };
        let mut si3 = vec![0x49, 0x06, 0x1b];
        si3.extend((tower.identity.cell_id.unwrap() as u16).to_be_bytes());
        si3.extend(tower.identity.plmns[0].to_bcd());
        si3.extend((tower.identity.area.unwrap() as u16).to_be_bytes());
        si3.resize(23, 0x2b);
        Observation {
            at_ns: self.base + Nanos((second * 1e9) as i64),
            first_ns: self.base,
            clock: Clock {
                source,
                sigma_ns: pole.sigma_ns.map(|sigma| Nanos(sigma as i64)),
                locked: pole.sigma_ns.is_some(),
                since_ns: None,
            },
            position: Some(pole.position),
            cell: tower.key,
            identity: Some(tower.identity.clone()),
            level: Level { dbfs: Dbfs(-20.0 - 10.0 * (distance / 1000.0).log10()), dbm: None, sigma_db: Db(1.0) },
            snr_db: Db((45.0 - 25.0 * (distance / 1000.0).log10()).clamp(3.0, 40.0)),
            carrier: CarrierError { hz: Hz(ppb.0 * tower.key.center_hz as f64 * 1e-9), ppb, sigma_ppb: Ppb(3.0) },
            timing: Some(FrameTiming {
                at_ns: self.base + Nanos(whole as i64),
                at_frac_ns: reading - whole,
                sigma_ns: self.sigma_ns.max(1.0),
                frame,
                rate_ppb: ppb,
                rate_sigma_ppb: Ppb(100.0),
            }),
            bearing: None,
            broadcast: vec![BroadcastBlock {
                name: if lte { "SIB1" } else { "SI3" }.into(),
                octets: Octets(si3.clone()),
                count: 4,
            }],
            fields: None,
            content_sha256: Some(Octets(si3)),
            receiver: ReceiverState { stream: pole.stream.clone(), ..ReceiverState::default() },
        }
    }
}

/// The register of all towers that have an entry, as a file.
pub fn register_csv(towers: &[Tower]) -> String {
    let mut text =
        "register_id,regulator,licensee,plmn,rat,band,arfcn,area,cell_id,physical_id,lat,lon,status\n".to_owned();
    for tower in towers {
        let Some(id) = tower.register_id else { continue };
        let (plmn, arfcn) = (tower.identity.plmns[0], daen::cell::gsm_arfcn(tower.key.center_hz).unwrap());
        let (area, cell) = (tower.identity.area.unwrap(), tower.identity.cell_id.unwrap());
        let Position { lat_deg, lon_deg, .. } = tower.site;
        text += &format!(
            "{id},NBTC,{},{plmn},gsm,GSM900,{arfcn},{area},{cell},{},{lat_deg:.7},{lon_deg:.7},licensed\n",
            tower.licensee, tower.key.id
        );
    }
    text
}

/// The same, read.
pub fn register(towers: &[Tower]) -> Register {
    let (register, report) = Register::load(register_csv(towers).as_bytes(), Format::Own).unwrap();
    assert_eq!(register.len(), towers.iter().filter(|tower| tower.register_id.is_some()).count(), "{report:?}");
    register
}

/// Its sites, with the sample of the border.
pub fn atlas(register: &Register) -> Atlas {
    Atlas::new(Some(register), Some(Border::parse(BORDER).unwrap()))
}
