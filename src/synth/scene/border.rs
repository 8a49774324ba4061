//! The stretch of border between Aranyaprathet (Thailand) and Poipet (Cambodia).
//!
//! Towns and crossing lie where they do; nodes, masts, identities and the blaster are made up. Channels are chosen so that one
//! tuning of 2 megasamples a second holds them all. AIS holds the spectrum below 950 MHz and True that above; where Cambodian
//! operators are is not published.

use super::{LacCycle, Licence, Node, Role, Scene, Transmitter, random, random_frames};
use crate::cell::Plmn;
use crate::observation::Position;
use crate::synth::channel::NoiseTable;
use crate::synth::si::preset;
use crate::units::{Db, Dbm, Hz, Nanos, Ppb, Timestamp};
use rand::RngExt;
use std::sync::Arc;

/// When the blaster is switched on.
const BLASTER_ON: Nanos = Nanos::from_secs(20);

/// The blaster takes a new LAC every 15 s: 3250 frames of 60/13 ms.
const BLASTER_LAC_FRAMES: u32 = 3250;

/// A licensed cell of the scene.
struct Row {
    name: &'static str,
    register_id: &'static str,
    regulator: &'static str,
    licensee: &'static str,
    site_id: &'static str,
    at: (f64, f64),
    plmn: (u16, u16),
    arfcn: u16,
    bsic: u8,
    lac: u16,
    ci: u16,
    neighbours: &'static [u16],
    /// EARFCNs in bands that the operator holds or is reported to use, with priorities.
    eutran: &'static [(u16, u8)],
}

/// One mast in Poipet carries all three Cambodian cells, so that their levels stay alike although their channels touch.
const POIPET_MAST: (f64, f64) = (13.6560, 102.5640);

const CELLS: [Row; 5] = [
    Row {
        name: "AIS Aranyaprathet",
        register_id: "TH-SK-0171",
        regulator: "NBTC",
        licensee: "AWN",
        site_id: "SKW-171",
        at: (13.6925, 102.5060),
        plmn: (520, 3),
        arfcn: 71,
        bsic: 0o52,
        lac: 5021,
        ci: 21711,
        neighbours: &[28, 31, 34, 47, 53, 59, 63, 67, 73],
        eutran: &[(1450, 6), (3650, 5)],
    },
    Row {
        name: "True Rong Kluea",
        register_id: "TH-SK-0279",
        regulator: "NBTC",
        licensee: "TUC",
        site_id: "SKW-279",
        at: (13.6760, 102.5290),
        plmn: (520, 4),
        arfcn: 79,
        bsic: 0o43,
        lac: 6130,
        ci: 30792,
        neighbours: &[82, 85, 91, 97, 104, 118],
        eutran: &[(1275, 6), (3750, 5)],
    },
    Row {
        name: "Metfone Poipet",
        register_id: "KH-BMC-0875",
        regulator: "TRC",
        licensee: "Metfone",
        site_id: "PPT-03",
        at: POIPET_MAST,
        plmn: (456, 8),
        arfcn: 75,
        bsic: 0o25,
        lac: 4121,
        ci: 41751,
        neighbours: &[58, 61, 66, 69],
        eutran: &[(1600, 6)],
    },
    Row {
        name: "Smart Poipet",
        register_id: "KH-BMC-0276",
        regulator: "TRC",
        licensee: "Smart Axiata",
        site_id: "PPT-03",
        at: POIPET_MAST,
        plmn: (456, 2),
        arfcn: 76,
        bsic: 0o31,
        lac: 2204,
        ci: 22761,
        neighbours: &[40, 43, 46, 49],
        eutran: &[(1750, 6), (350, 5)],
    },
    Row {
        name: "Cellcard Poipet",
        register_id: "KH-BMC-0177",
        regulator: "TRC",
        licensee: "Cellcard",
        site_id: "PPT-03",
        at: POIPET_MAST,
        plmn: (456, 1),
        arfcn: 77,
        bsic: 0o14,
        lac: 1310,
        ci: 11771,
        neighbours: &[10, 13, 16, 19, 22],
        eutran: &[(1850, 6)],
    },
];

/// Name, latitude and longitude of the nodes, which stand neither in a line nor all to one side of the crossing.
const NODES: [(&str, f64, f64); 4] = [
    ("aran-market", 13.6905, 102.5010),
    ("rong-kluea", 13.6680, 102.5430),
    ("khlong-luek", 13.6450, 102.5230),
    ("aran-north", 13.7280, 102.5480),
];

/// The land's height above the ellipsoid, metres: about 45 m above the sea, the geoid lying some 31 m below the ellipsoid here.
const GROUND_M: f64 = 14.0;

fn plmn((mcc, mnc): (u16, u16)) -> Plmn {
    Plmn::new(mcc, mnc, 2).expect("the scene's networks have three and two digits")
}

fn at((lat_deg, lon_deg): (f64, f64), height_m: f64) -> Position {
    Position { lat_deg, lon_deg, height_m: Some(GROUND_M + height_m), sigma_m: None }
}

impl Scene {
    /// Four nodes on the Thai side, five licensed cells of both countries, and an SMS blaster that is switched on at 20 s.
    ///
    /// The blaster is fictional: it stands in a car near the market, claims to be AIS, and changes its LAC every 15 s.
    pub fn aranyaprathet_poipet(seed: u64) -> Scene {
        let nodes = NODES.map(|(name, lat, lon)| {
            let mut random = random(seed, &format!("node {name}"));
            Node {
                id: name.parse().expect("the scene's node names are well formed"),
                position: at((lat, lon), 10.0),
                antenna_height_m: 10.0,
                antenna_gain: Db(3.0),
                // Thermal noise in 200 kHz is -121 dBm; 6 dB receiver, 6 dB from the surroundings.
                noise: Dbm(-109.0),
                full_scale: Dbm(-10.0),
                // A temperature-compensated crystal as in better receivers.
                clock_error: Ppb(random.random_range(-1500.0f64..1500.0).round()),
                // Network time over a radio link.
                start_offset: Nanos(random.random_range(-5_000_000..5_000_000)),
            }
        });
        let licensed = CELLS.iter().map(|row| {
            let mut random = random(seed, &format!("transmitter {}", row.name));
            let (frame_number, frame_start) = random_frames(&mut random, Nanos(0));
            let ncc = row.bsic >> 3;
            Transmitter {
                name: row.name.to_owned(),
                role: Role::Licensed(Licence {
                    register_id: row.register_id.to_owned(),
                    regulator: row.regulator,
                    licensee: row.licensee,
                    site_id: row.site_id.to_owned(),
                }),
                position: at(row.at, 35.0),
                antenna_height_m: 35.0,
                eirp: Dbm(56.0),
                arfcn: row.arfcn,
                bsic: row.bsic,
                cell: preset::licensed(plmn(row.plmn), row.lac, row.ci, row.arfcn, ncc, row.neighbours, row.eutran),
                lac_cycle: None,
                // Since long before the scene.
                on: vec![(Nanos::from_secs(-3600), None)],
                // Within the 50 ppb of TS 45.010 clause 5.1.
                clock_error: Ppb(random.random_range(-30.0f64..30.0).round()),
                frame_number,
                frame_start,
            }
        });
        let mut chance = random(seed, "blaster");
        let (frame_number, frame_start) = random_frames(&mut chance, BLASTER_ON);
        let lacs: Vec<u16> = (0..16).map(|i| 61_001 + i).collect();
        let blaster = Transmitter {
            name: "blaster".to_owned(),
            role: Role::SmsBlaster,
            position: at((13.6720, 102.5330), 2.0),
            antenna_height_m: 2.0,
            eirp: Dbm(43.0),
            arfcn: 73,
            bsic: 0o07,
            cell: preset::blaster(plmn((520, 3)), lacs[0], 31_337, 73),
            lac_cycle: Some(LacCycle { lacs, frames: BLASTER_LAC_FRAMES }),
            on: vec![(BLASTER_ON, None)],
            // A cheap software radio.
            clock_error: Ppb(chance.random_range(400.0f64..1900.0).round()),
            frame_number,
            frame_start,
        };
        Scene {
            name: "aranyaprathet".to_owned(),
            seed,
            start: Timestamp(0),
            center: Hz(949.95e6),
            sample_rate: Hz(2e6),
            nodes: nodes.to_vec(),
            transmitters: licensed.chain([blaster]).collect(),
            noise: Arc::new(NoiseTable::new(seed)),
        }
    }
}
