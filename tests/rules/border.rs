//! What a node at the border hears in weeks without any rogue station: 120 cells of both countries and all that happens to them.
//!
//! Values are made up; what happens is what the catalogue of rules names as innocent: restarts of node and cells, maintenance, new cells
//! that the register does not have yet, planned changes of areas, one site that moves to another area, far cells in ducts, cells of the
//! neighbours' neighbours, steps of the node's clock, changes of system information, energy saving, load control, the authority's warnings,
//! small cells, home cells without an entry in any register.

use crate::lte_support::{LteCell, every, gsm_layer, layer, public_lte};
use crate::support::{Cell, plmn, public, register};
use daen::cell::lte_earfcn;
use daen::observation::Observation;
use daen::observation::lte::{AcBarring, AcBarringConfig, TddConfig, Warning, WarningKind};
use daen::rules::Register;
use std::collections::BTreeMap;

pub const HOUR: i64 = 3600;
pub const DAY: i64 = 24 * HOUR;
pub const WEEK: i64 = 7 * DAY;

/// Numbers from a seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// One of `0..below`.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    /// Happens in a step of `step_s` with this number of times a day.
    fn happens(&mut self, a_day: f64, step_s: i64) -> bool {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 * (DAY as f64) < a_day * step_s as f64
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len() as u64) as usize]
    }
}

/// What is on air.
#[derive(Clone, Debug)]
pub enum Air {
    Gsm(Box<Cell>),
    Lte(Box<LteCell>),
}

/// A station and its state.
#[derive(Clone, Debug)]
pub struct Station {
    pub air: Air,
    network: usize,
    /// The register has it from then on.
    licensed_from: i64,
    /// It is not on air before then.
    off_until: i64,
    barred_until: i64,
    /// Far away: heard only in ducts.
    far: bool,
    snr_db: f64,
    /// Reports of the present stream.
    reports: u32,
}

/// A network: PLMN, GSM carriers (ARFCN), LTE layers (carrier, band, resource blocks, priority, TDD), area, T3212, shares with.
struct Network {
    plmn: &'static str,
    arfcns: &'static [u16],
    layers: &'static [(u64, u16, u8, u8, bool)],
    area: u32,
    t3212: u8,
    guests: &'static [&'static str],
}

const NETWORKS: [Network; 6] = [
    Network {
        plmn: "520-03",
        arfcns: &[27, 31, 35, 39, 43, 47, 51, 55, 59, 63],
        layers: &[
            (1_830_000_000, 3, 100, 5, false),
            (2_147_500_000, 1, 75, 5, false),
            (783_000_000, 28, 50, 4, false),
            (2_550_000_000, 41, 100, 7, true),
        ],
        area: 5100,
        t3212: 20,
        guests: &["520-15"],
    },
    Network {
        plmn: "520-04",
        arfcns: &[77, 80, 83, 86, 89, 92, 95, 98, 101, 104],
        layers: &[
            (1_812_500_000, 3, 75, 5, false),
            (2_132_500_000, 1, 75, 5, false),
            (2_340_000_000, 40, 100, 6, true),
            (773_000_000, 28, 50, 4, false),
        ],
        area: 6100,
        t3212: 10,
        guests: &["520-05"],
    },
    Network {
        plmn: "520-05",
        arfcns: &[2, 4, 6, 8, 10, 12, 14, 16, 18, 20],
        layers: &[(2_117_500_000, 1, 75, 5, false), (1_842_500_000, 3, 25, 4, false), (763_000_000, 28, 50, 4, false)],
        area: 7100,
        t3212: 20,
        guests: &[],
    },
    Network {
        plmn: "456-01",
        arfcns: &[512, 520, 528, 536, 544, 552, 560, 568, 576, 584],
        layers: &[(1_870_000_000, 3, 50, 5, false)],
        area: 301,
        t3212: 5,
        guests: &[],
    },
    Network {
        plmn: "456-02",
        arfcns: &[600, 608, 616, 624, 632, 640, 648, 656, 664, 672],
        layers: &[(1_857_500_000, 3, 75, 6, false), (2_120_000_000, 1, 50, 5, false)],
        area: 401,
        t3212: 10,
        guests: &["456-06"],
    },
    Network {
        plmn: "456-08",
        arfcns: &[700, 708, 716, 724, 732, 740, 748, 756, 764, 772],
        layers: &[(1_845_000_000, 3, 75, 5, false)],
        area: 1,
        t3212: 5,
        guests: &[],
    },
];

/// Which countries' licence registers the node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registers {
    None,
    Thai,
    Both,
}

/// What the node should do before the next observations.
pub enum Step {
    /// Judge these.
    Heard(Vec<Observation>),
    /// The node was restarted: what was learned stays, what is remembered of cells does not; the register is of today.
    Restart,
}

/// The world around a node.
pub struct Border {
    pub stations: Vec<Station>,
    dice: Dice,
    registers: Registers,
    /// Seconds after the start.
    pub now: i64,
    step_s: i64,
    boot: u32,
    clock_error_s: i64,
    duct_until: i64,
    warned_until: [i64; 6],
    /// The first cells of a network that a warning or a change concerns.
    load_until: [i64; 6],
    next_identity: u64,
    /// By network, GSM and LTE: how far replanning has moved the area codes.
    shifted: [[u32; 2]; 6],
}

impl Border {
    /// 120 stations of six networks, `step_s` seconds from one round of the node to the next.
    pub fn new(seed: u64, registers: Registers, step_s: i64) -> Border {
        let mut border = Border {
            stations: Vec::new(),
            dice: Dice::new(seed),
            registers,
            now: 0,
            step_s,
            boot: 0,
            clock_error_s: 0,
            duct_until: 0,
            warned_until: [0; 6],
            load_until: [0; 6],
            next_identity: 100,
            shifted: [[0; 2]; 6],
        };
        for network in 0..NETWORKS.len() {
            for n in 0..20 {
                let far = n % 10 >= 8;
                border.build(network, n % 2 == 1, far);
            }
        }
        border.stations.iter_mut().for_each(|station| station.licensed_from = 0);
        for (network, closed) in [(0, true), (1, false), (4, false)] {
            border.build_at_home(network, closed);
        }
        border
    }

    /// A cell in a house or a shop that no register ever has: one port, an area of its own, few types of system information; where it is
    /// closed, the highest priority.
    fn build_at_home(&mut self, network: usize, closed: bool) {
        self.build(network, true, false);
        let station = self.stations.last_mut().unwrap();
        station.licensed_from = i64::MAX;
        station.snr_db = 24.0;
        let Air::Lte(cell) = &mut station.air else { panic!("an LTE cell was built") };
        cell.tac = 64_000;
        let f = &mut cell.fields;
        f.radio.as_mut().unwrap().ports = 1;
        let sib1 = f.sib1.as_mut().unwrap();
        (sib1.csg_indication, sib1.p_max_dbm) = (closed, Some(10));
        sib1.scheduling = vec![every(16, &[3])];
        (f.sib5, f.sib6, f.sib7, f.sib_types) = (None, None, None, vec![2, 3]);
        if closed {
            f.sib3.as_mut().unwrap().priority = 7;
        }
    }

    /// A new station of a network, licensed three to ten days after it comes on air.
    fn build(&mut self, network: usize, lte: bool, far: bool) {
        let of = &NETWORKS[network];
        self.next_identity += 1;
        let number = self.next_identity;
        let area = of.area + self.shifted[network][usize::from(lte)] + self.dice.roll(3) as u32;
        let air = if lte {
            let &(carrier, band, prb, priority, tdd) = self.dice.one_of(of.layers);
            let pci = self.dice.roll(504) as u16;
            let eci = (20_000 + number) << 8 | self.dice.roll(3);
            let mut cell = public_lte(of.plmn, pci, area, eci).on(carrier, band).at_the_border();
            cell.plmns.extend(of.guests.iter().map(|guest| plmn(guest)));
            let small = self.dice.roll(25) == 0;
            cell = cell.with(|f| {
                f.mib.as_mut().unwrap().prb = prb;
                let radio = f.radio.as_mut().unwrap();
                radio.tdd = tdd;
                radio.ports = if small { 1 } else { 2 };
                let sib1 = f.sib1.as_mut().unwrap();
                sib1.tdd = tdd.then_some(TddConfig { subframe_assignment: 2, special_subframe_patterns: 7 });
                sib1.q_rx_lev_min = -62 - self.dice.roll(3) as i8;
                sib1.value_tag = self.dice.roll(32) as u8;
                sib1.p_max_dbm = small.then_some(20);
                f.sib3.as_mut().unwrap().priority = priority;
                let prach = &mut f.sib2.as_mut().unwrap().prach;
                prach.root_sequence_index = self.dice.roll(838) as u16;
                prach.zero_correlation_zone = [11, 12, 13][self.dice.roll(3) as usize];
                let others = of.layers.iter().filter(|other| other.0 != carrier);
                let others: Vec<_> =
                    others.map(|other| layer(lte_earfcn(other.0, other.1).unwrap(), other.3)).collect();
                f.sib7.as_mut().unwrap().layers = vec![gsm_layer(&of.arfcns[..5], 1)];
                if others.is_empty() {
                    // One LTE carrier: GSM is the only way out, which is how calls fall back.
                    sib1.scheduling = vec![every(8, &[3]), every(64, &[6, 7])];
                    (f.sib5, f.sib_types) = (None, vec![2, 3, 6, 7]);
                } else {
                    f.sib5 = Some(others);
                }
            });
            Air::Lte(Box::new(cell))
        } else {
            let arfcn = *self.dice.one_of(of.arfcns);
            let mut cell = public(of.plmn, arfcn, self.dice.roll(64) as u16, area, number).at_the_border();
            cell = cell.with(|f| {
                f.control_channel.as_mut().unwrap().t3212 = of.t3212;
                f.neighbours_si2 = Some(of.arfcns.iter().copied().filter(|&other| other != arfcn).collect());
                f.selection.as_mut().unwrap().rxlev_access_min = 6 + self.dice.roll(4) as u8;
                let selection = f.si3_rest.as_mut().unwrap().selection.as_mut().unwrap();
                selection.cell_reselect_offset = self.dice.roll(8) as u8;
            });
            Air::Gsm(Box::new(cell))
        };
        let licensed_from = self.now + DAY * (3 + self.dice.roll(8) as i64);
        // Heard at the edge of its cell or beside it.
        let snr_db = if far { 6.0 } else { 3.0 + self.dice.roll(30) as f64 };
        let barred_until = if self.now > 0 { self.now + 6 * HOUR } else { 0 };
        self.stations.push(Station {
            air,
            network,
            licensed_from,
            off_until: 0,
            barred_until,
            far,
            snr_db,
            reports: 0,
        });
    }

    /// The registers as they are today; `None` where the node has none.
    pub fn register(&self) -> Option<Register> {
        let country = |network: usize| self.registers == Registers::Both || NETWORKS[network].plmn.starts_with("520");
        let listed = self.stations.iter().filter(|s| s.licensed_from <= self.now && country(s.network));
        let rows: Vec<String> = listed
            .enumerate()
            .map(|(n, station)| match &station.air {
                Air::Gsm(cell) => {
                    let (network, area, ci) = cell.identity.unwrap();
                    format!("R-{n},gsm,{network},{},{area},{ci},{},licensed,", cell.arfcn, cell.bsic)
                }
                Air::Lte(cell) => {
                    format!("R-{n},lte,{},,{},{},{},licensed,", cell.plmns[0], cell.tac, cell.eci, cell.pci)
                }
            })
            .collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        (self.registers != Registers::None).then(|| register(&rows))
    }

    /// What happens between one round and the next, and what is heard then.
    pub fn step(&mut self) -> Step {
        self.now += self.step_s;
        let (now, step) = (self.now, self.step_s);
        let some = |border: &mut Border| border.dice.roll(border.stations.len() as u64) as usize;
        if self.dice.happens(1.0, step) {
            // A site is switched off for maintenance, and barred for a while after it.
            let at = some(self);
            let hours = 1 + self.dice.roll(8) as i64;
            self.stations[at].off_until = now + hours * HOUR;
            self.stations[at].barred_until = now + (hours + 1) * HOUR;
        }
        if self.dice.happens(0.3, step) {
            let (network, lte) = (self.dice.roll(6) as usize, self.dice.roll(2) == 1);
            self.build(network, lte, false);
            // Another is taken down for good.
            let at = some(self);
            self.stations.remove(at);
        }
        if self.dice.happens(1.0 / 30.0, step) {
            self.replan();
        }
        if self.dice.happens(0.05, step) {
            // One station moves to the neighbouring area.
            let at = some(self);
            match &mut self.stations[at].air {
                Air::Gsm(cell) => cell.identity.as_mut().unwrap().1 += 1,
                Air::Lte(cell) => cell.tac += 1,
            }
        }
        if self.dice.happens(1.0 / 7.0, step) {
            self.duct_until = now + HOUR * (2 + self.dice.roll(10) as i64);
        }
        if self.dice.happens(1.0 / 7.0, step) {
            self.clock_error_s += self.dice.roll(1200) as i64 - 600;
        }
        if self.dice.happens(0.3, step) {
            self.change_parameters();
        }
        if self.dice.happens(1.0 / 30.0, step) {
            // The authority's monthly test, or a real warning, over a network.
            let network = self.dice.roll(6) as usize;
            self.warned_until[network] = now + HOUR;
        }
        if self.dice.happens(1.0 / 14.0, step) {
            self.load_until[self.dice.roll(6) as usize] = now + 3 * HOUR;
        }
        if self.dice.happens(0.3, step) {
            self.boot += 1;
            self.stations.iter_mut().for_each(|station| station.reports = 0);
            return Step::Restart;
        }
        Step::Heard(self.listen())
    }

    /// At night all stations of one standard of a network get other areas.
    fn replan(&mut self) {
        let (network, lte) = (self.dice.roll(6) as usize, self.dice.roll(2) == 1);
        self.shifted[network][usize::from(lte)] += 10;
        for station in self.stations.iter_mut().filter(|station| station.network == network) {
            match &mut station.air {
                Air::Lte(cell) if lte => cell.tac += 10,
                Air::Gsm(cell) if !lte => cell.identity.as_mut().unwrap().1 += 10,
                _ => {}
            }
        }
    }

    /// A network changes parameters of all its cells of one standard, with the value tag.
    fn change_parameters(&mut self) {
        let (network, step) = (self.dice.roll(6) as usize, self.dice.roll(3) as u8);
        for station in self.stations.iter_mut().filter(|station| station.network == network) {
            match &mut station.air {
                Air::Lte(cell) => {
                    let sib1 = cell.fields.sib1.as_mut().unwrap();
                    sib1.value_tag = (sib1.value_tag + 1) % 32;
                    cell.fields.sib3.as_mut().unwrap().q_hyst_db = 2 + 2 * step;
                }
                Air::Gsm(cell) => {
                    cell.fields.selection.as_mut().unwrap().cell_reselect_hysteresis = 3 + step;
                }
            }
        }
    }

    fn listen(&mut self) -> Vec<Observation> {
        let (now, boot, duct) = (self.now, self.boot, self.now < self.duct_until);
        let night = (now % DAY) < 5 * HOUR;
        let at_s = now + self.clock_error_s;
        let mut heard = Vec::with_capacity(self.stations.len());
        for n in 0..self.stations.len() {
            let missed = self.dice.roll(50) == 0;
            let fade = self.dice.roll(7) as f64 - 3.0;
            let station = &mut self.stations[n];
            let capacity = matches!(&station.air, Air::Lte(cell) if cell.fields.radio.unwrap().tdd);
            if missed || now < station.off_until || (station.far && !duct) || (night && capacity) {
                continue;
            }
            station.reports = station.reports.saturating_add(1);
            let (reports, snr_db) = (station.reports, station.snr_db + fade);
            let barred = now < station.barred_until;
            let (warned, loaded) = (now < self.warned_until[station.network], now < self.load_until[station.network]);
            heard.push(match &station.air {
                Air::Gsm(cell) => {
                    let mut cell = (**cell).clone().count(reports).stream(&format!("{boot}-{}", cell.arfcn));
                    cell.fields.rach.as_mut().unwrap().cell_barred = barred;
                    let mut observation = cell.heard(at_s);
                    observation.snr_db.0 = snr_db;
                    observation
                }
                Air::Lte(cell) => {
                    let mut cell = (**cell).clone().count(reports).snr(snr_db);
                    let carrier = cell.center_hz;
                    cell = cell.stream(&format!("{boot}-{carrier}"), at_s - i64::from(reports) * self.step_s);
                    if reports == 1 {
                        // At first not all of it has been received.
                        (cell.fields.sib5, cell.fields.sib7) = (None, None);
                    }
                    dress(&mut cell, barred, warned, loaded);
                    cell.heard(at_s)
                }
            });
        }
        if duct {
            heard.extend(ducted(at_s, self.step_s));
        }
        heard
    }
}

/// What an LTE cell's operator makes of it for a while.
fn dress(cell: &mut LteCell, barred: bool, warned: bool, loaded: bool) {
    let sib1 = cell.fields.sib1.as_mut().unwrap();
    sib1.cell_barred = barred;
    if warned {
        sib1.scheduling.push(every(16, &[12]));
        cell.fields.sib_types.push(12);
        cell.fields.warnings = vec![Warning {
            kind: WarningKind::Cmas,
            message_identifier: 4370,
            serial_number: 0x1230,
            data_coding_scheme: Some(0x0f),
            segments: BTreeMap::new(),
            last_segment: Some(1),
            text: Some("Flood warning for the province".to_owned()),
            language: Some("en".to_owned()),
        }];
    }
    if loaded {
        let half = AcBarringConfig { factor_percent: 50, time_s: 4, special_classes: 0 };
        cell.fields.sib2.as_mut().unwrap().ac_barring =
            Some(AcBarring { emergency: false, mo_signalling: None, mo_data: Some(half) });
    }
}

/// Cells of Laos, Vietnam and Malaysia that a duct brings, weak.
fn ducted(at_s: i64, step_s: i64) -> Vec<Observation> {
    let gsm = [("457-01", 70, 11), ("452-04", 118, 12), ("502-12", 40, 13)].map(|(network, arfcn, bsic)| {
        let mut heard = public(network, arfcn, bsic, 900, 4000).at_the_border().heard(at_s);
        heard.snr_db.0 = 7.0;
        heard
    });
    let lte = public_lte("502-19", 77, 900, 0x40_0001).on(1_865_000_000, 3).at_the_border().snr(2.0);
    gsm.into_iter().chain([lte.stream("duct", at_s - step_s).heard(at_s)]).collect()
}
