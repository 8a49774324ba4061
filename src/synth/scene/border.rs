//! The stretch of border between Aranyaprathet (Thailand) and Poipet (Cambodia).
//!
//! Towns and crossing lie where they do; nodes, masts, identities, the blaster and its lure are made up. Channels are chosen so
//! that one tuning of 4.32 megasamples a second holds them all. AIS holds the spectrum below 950 MHz and True that above; where Cambodian
//! operators are is not published.

use super::{
    Air, GsmCell, LacCycle, Licence, LteCell, Node, Role, Scene, Transmitter, random, random_frames,
    random_radio_frames,
};
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

/// A licensed LTE cell.
struct LteRow {
    name: &'static str,
    register_id: &'static str,
    regulator: &'static str,
    licensee: &'static str,
    site_id: &'static str,
    at: (f64, f64),
    pci: u16,
    octets: Octets,
}

/// SIB1, SIB2 with SIB3, and SIB7 as octets in hexadecimal, made by pycrate: `tests/data/synth/make_lte_messages.py` says what
/// they say.
type Octets = [&'static str; 3];

/// AIS in a tracking area of its own; SIB3 gives its own carrier priority 4, SIB7 the blaster's channel 7.
const LURE: Octets = [
    "60548007ee4807a5a0182351c24204125280",
    "00800c61bd648cc0d802700000000801829b645596dcc00c11271cc235e920",
    "001490092017ff0040",
];

/// An LTE cell that broadcasts these octets.
fn lte_cell(earfcn: u32, pci: u16, ports: usize, octets: Octets, frame_number: u16) -> LteCell {
    let [sib1, first, second] = octets.map(|text| hex::decode(text).expect("the scene's octets are hexadecimal"));
    LteCell { earfcn, pci, ports, sib1, messages: vec![first, second], frame_number }
}

const LTE_CELLS: [LteRow; 2] = [
    LteRow {
        name: "AIS Aranyaprathet LTE",
        register_id: "TH-SK-L171",
        regulator: "NBTC",
        licensee: "AWN",
        site_id: "SKW-171",
        at: (13.6925, 102.5060),
        pci: 171,
        octets: [
            "60548007139d000ab0182351c24204125280",
            "00800c61bd648cc0d802700000000801829b645596dcc00c11271ec235e920",
            "00149008e041f8872ff00400",
        ],
    },
    LteRow {
        name: "Metfone Poipet LTE",
        register_id: "KH-BMC-L875",
        regulator: "TRC",
        licensee: "Metfone",
        site_id: "PPT-03",
        at: POIPET_MAST,
        pci: 280,
        octets: [
            "6051581110190036b0282351c24204125280",
            "00800c61bd648cc0d802700000000801829b645596dcc00c11271ec235e920",
            "001490096041d07b2ff00400",
        ],
    },
];

/// Channels of the LTE cells, slivers of 1.4 MHz in band 8: 947.4 MHz for the Thai one, 948.5 MHz for the Cambodian one. The lure
/// uses the first, beside the cell that it imitates.
const BORDER_CHANNELS: [u32; 2] = [3674, 3685];

/// Power of an LTE cell: six resource blocks only.
const LTE_EIRP: Dbm = Dbm(50.0);

/// Channels of the LTE cells where each has its own: 947.0, 948.2 and 949.4 MHz.
const LTE_CHANNELS: [u32; 3] = [3670, 3682, 3694];

/// Name, latitude and longitude of the nodes, which stand neither in a line nor all to one side of the crossing.
const NODES: [(&str, f64, f64); 4] = [
    ("aran-market", 13.6905, 102.5010),
    ("rong-kluea", 13.6680, 102.5430),
    ("khlong-luek", 13.6450, 102.5230),
    ("aran-north", 13.7280, 102.5480),
];

/// One node more.
const FIFTH_NODE: (&str, f64, f64) = ("ban-nong", 13.7010, 102.5380);

/// Where the car with the blaster stands.
const CAR: (f64, f64) = (13.6720, 102.5330);

/// The land's height above the ellipsoid, metres: about 45 m above the sea, the geoid lying some 31 m below the ellipsoid here.
const GROUND_M: f64 = 14.0;

fn plmn((mcc, mnc): (u16, u16)) -> Plmn {
    Plmn::new(mcc, mnc, 2).expect("the scene's networks have three and two digits")
}

fn at((lat_deg, lon_deg): (f64, f64), height_m: f64) -> Position {
    Position { lat_deg, lon_deg, height_m: Some(GROUND_M + height_m), sigma_m: None }
}

fn node(seed: u64, (name, lat, lon): (&str, f64, f64)) -> Node {
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
}

/// Since long before the scene.
fn always() -> Vec<(Nanos, Option<Nanos>)> {
    vec![(Nanos::from_secs(-3600), None)]
}

impl Row {
    fn transmitter(&self, seed: u64) -> Transmitter {
        let mut random = random(seed, &format!("transmitter {}", self.name));
        let (frame_number, frame_start) = random_frames(&mut random, Nanos(0));
        let ncc = self.bsic >> 3;
        let cell = preset::licensed(plmn(self.plmn), self.lac, self.ci, self.arfcn, ncc, self.neighbours, self.eutran);
        Transmitter {
            name: self.name.to_owned(),
            role: Role::Licensed(Licence {
                register_id: self.register_id.to_owned(),
                regulator: self.regulator,
                licensee: self.licensee,
                site_id: self.site_id.to_owned(),
            }),
            position: at(self.at, 35.0),
            antenna_height_m: 35.0,
            eirp: Dbm(56.0),
            air: Air::Gsm(GsmCell { arfcn: self.arfcn, bsic: self.bsic, cell, lac_cycle: None, frame_number }),
            on: always(),
            // Within the 50 ppb of TS 45.010 clause 5.1.
            clock_error: Ppb(random.random_range(-30.0f64..30.0).round()),
            frame_start,
        }
    }
}

impl LteRow {
    fn transmitter(&self, seed: u64, earfcn: u32) -> Transmitter {
        let mut random = random(seed, &format!("transmitter {}", self.name));
        let (frame_number, frame_start) = random_radio_frames(&mut random, Nanos(0));
        Transmitter {
            name: self.name.to_owned(),
            role: Role::Licensed(Licence {
                register_id: self.register_id.to_owned(),
                regulator: self.regulator,
                licensee: self.licensee,
                site_id: self.site_id.to_owned(),
            }),
            position: at(self.at, 35.0),
            antenna_height_m: 35.0,
            eirp: LTE_EIRP,
            air: Air::Lte(lte_cell(earfcn, self.pci, 2, self.octets, frame_number)),
            on: always(),
            // Within the 50 ppb of TS 36.104 clause 6.5.1.
            clock_error: Ppb(random.random_range(-30.0f64..30.0).round()),
            frame_start,
        }
    }
}

/// The false LTE cell in the blaster's car: AIS by name, in a tracking area of its own, and the blaster's channel above itself.
fn lure(seed: u64, earfcn: u32, on: Nanos) -> Transmitter {
    let mut chance = random(seed, "lure");
    let (frame_number, frame_start) = random_radio_frames(&mut chance, on);
    Transmitter {
        name: "lure".to_owned(),
        role: Role::Lure,
        position: at(CAR, 2.0),
        antenna_height_m: 2.0,
        eirp: Dbm(43.0),
        air: Air::Lte(lte_cell(earfcn, 500, 1, LURE, frame_number)),
        on: vec![(on, None)],
        // A cheap software radio.
        clock_error: Ppb(chance.random_range(400.0f64..1900.0).round()),
        frame_start,
    }
}

impl Scene {
    /// Four nodes on the Thai side, licensed GSM and LTE cells of both countries, and in a car near the market an SMS blaster with
    /// an LTE cell that lures telephones to it; both are switched on at 20 s.
    ///
    /// The car is fictional. The blaster claims to be AIS and changes its LAC every 15 s; the lure claims to be AIS in a tracking area
    /// of its own and names the blaster's channel as the better choice.
    pub fn aranyaprathet_poipet(seed: u64) -> Scene {
        let mut chance = random(seed, "blaster");
        let (frame_number, frame_start) = random_frames(&mut chance, BLASTER_ON);
        let lacs: Vec<u16> = (0..16).map(|i| 61_001 + i).collect();
        let blaster = Transmitter {
            name: "blaster".to_owned(),
            role: Role::SmsBlaster,
            position: at(CAR, 2.0),
            antenna_height_m: 2.0,
            eirp: Dbm(43.0),
            air: Air::Gsm(GsmCell {
                arfcn: 73,
                bsic: 0o07,
                cell: preset::blaster(plmn((520, 3)), lacs[0], 31_337, 73),
                lac_cycle: Some(LacCycle { lacs, frames: BLASTER_LAC_FRAMES }),
                frame_number,
            }),
            on: vec![(BLASTER_ON, None)],
            // A cheap software radio.
            clock_error: Ppb(chance.random_range(400.0f64..1900.0).round()),
            frame_start,
        };
        let gsm = CELLS.iter().map(|row| row.transmitter(seed));
        let [imitated, _] = BORDER_CHANNELS;
        let lte = LTE_CELLS.iter().zip(BORDER_CHANNELS).map(|(row, channel)| row.transmitter(seed, channel));
        Scene {
            name: "aranyaprathet".to_owned(),
            seed,
            start: Timestamp(0),
            center: Hz(948.9e6),
            sample_rate: Hz(4.32e6),
            nodes: NODES.map(|place| node(seed, place)).to_vec(),
            transmitters: gsm.chain([blaster]).chain(lte).chain([lure(seed, imitated, BLASTER_ON)]).collect(),
            noise: Arc::new(NoiseTable::new(seed)),
        }
    }

    /// Five nodes with free-running clocks, two licensed LTE cells at known sites and a false one, each on a carrier of its own, all
    /// on the air from the beginning: for placing the false one by the licensed ones.
    pub fn poipet_lte(seed: u64) -> Scene {
        let mut nodes: Vec<Node> = NODES.into_iter().chain([FIFTH_NODE]).map(|place| node(seed, place)).collect();
        for node in &mut nodes {
            // Within 1 ppm, and started by somebody's hand: nobody knows the time to better than this.
            node.clock_error = Ppb((node.clock_error.0 / 1.5).round());
            node.start_offset = Nanos(node.start_offset.0 * 20);
        }
        let [first, second, third] = LTE_CHANNELS;
        let licensed = LTE_CELLS.iter().zip([first, second]).map(|(row, channel)| row.transmitter(seed, channel));
        Scene {
            name: "poipet-lte".to_owned(),
            seed,
            start: Timestamp(0),
            center: Hz(948.2e6),
            sample_rate: Hz(3.84e6),
            nodes,
            transmitters: licensed.chain([lure(seed, third, Nanos::from_secs(-60))]).collect(),
            noise: Arc::new(NoiseTable::new(seed)),
        }
    }
}
