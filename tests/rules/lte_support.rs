//! An LTE cell that a node hears, by its parameters.

use crate::support::{T0, judge_anew, plmn, tiers};
use daen::cell::{CellIdentity, CellKey, Plmn, Rat};
use daen::observation::lte::{
    BroadcastPlmn, EutraLayer, GeranLayer, LteFields, Mib, PrachConfig, PucchConfig, PuschConfig, RachConfig, Radio,
    Scheduling, Sib1, Sib2, Sib3, Sib6, Sib7, UeTimers, UplinkPower, UtraLayer,
};
use daen::observation::{
    BroadcastBlock, CarrierError, Clock, ClockSource, Fields, Finding, Level, Observation, Octets, Position,
    ReceiverState, Tier,
};
use daen::rules::Register;
use daen::units::{Db, Dbfs, Hz, Ppb, Timestamp};

/// 1827.5 MHz: inside the block of AIS in the seed plan with 15 MHz, band 3.
pub const CARRIER: u64 = 1_827_500_000;

/// What a cell broadcasts and how it is heard.
#[derive(Clone, Debug)]
pub struct LteCell {
    pub center_hz: u64,
    pub pci: u16,
    pub plmns: Vec<Plmn>,
    pub tac: u32,
    pub eci: u64,
    pub fields: LteFields,
    /// Copies of each message in every observation.
    pub count: u32,
    pub snr_db: f64,
    pub stream: String,
    /// When the stream began, seconds after [`T0`].
    pub since_s: i64,
    pub position: Option<Position>,
}

/// A layer of SIB5 or of SIB3's kind.
pub fn layer(earfcn: u32, priority: u8) -> EutraLayer {
    EutraLayer {
        earfcn,
        q_rx_lev_min: -62,
        p_max_dbm: None,
        t_reselection_s: 1,
        t_reselection_sf: None,
        thresh_x_high: 10,
        thresh_x_low: 11,
        allowed_meas_prb: 75,
        presence_antenna_port1: false,
        priority: Some(priority),
        neigh_cell_config: 1,
        q_offset_freq_db: 0,
        neighbours: vec![],
        excluded: vec![],
        q_qual_min_db: None,
    }
}

/// GSM carriers of SIB7.
pub fn gsm_layer(arfcns: &[u16], priority: u8) -> GeranLayer {
    GeranLayer {
        arfcns: arfcns.to_vec(),
        pcs1900: false,
        priority: Some(priority),
        ncc_permitted: 0xff,
        q_rx_lev_min: 7,
        p_max_dbm: None,
        thresh_x_high: 5,
        thresh_x_low: 3,
    }
}

fn sib2() -> Sib2 {
    Sib2 {
        ac_barring: None,
        rach: RachConfig {
            preambles: 48,
            group_a: None,
            power_ramping_step_db: 2,
            target_power_dbm: -104,
            preamble_trans_max: 10,
            response_window_subframes: 10,
            contention_resolution_subframes: 64,
            max_harq_msg3_tx: 5,
        },
        modification_period_coeff: 2,
        default_paging_cycle_frames: 32,
        nb_32nds: 32,
        prach: PrachConfig {
            root_sequence_index: 544,
            config_index: 3,
            high_speed: false,
            zero_correlation_zone: 11,
            freq_offset: 9,
        },
        reference_signal_power_dbm: 12,
        p_b: 0,
        pusch: PuschConfig {
            n_sb: 4,
            hopping_intra_subframe: false,
            hopping_offset: 22,
            enable_64qam: true,
            group_hopping: false,
            group_assignment: 0,
            sequence_hopping: false,
            cyclic_shift: 0,
        },
        pucch: PucchConfig { delta_shift: 2, n_rb_cqi: 3, n_cs_an: 0, n1_pucch_an: 36 },
        srs: None,
        uplink_power: UplinkPower {
            p0_nominal_pusch_dbm: -96,
            alpha_tenths: 10,
            p0_nominal_pucch_dbm: -115,
            delta_f_pucch_db: [0, 3, 1, 2, 2],
            delta_preamble_msg3: 4,
        },
        ul_extended_cp: false,
        ue_timers: UeTimers { t300_ms: 200, t301_ms: 1000, t310_ms: 200, n310: 20, t311_ms: 1000, n311: 5 },
        ul_earfcn: None,
        ul_prb: Some(75),
        additional_spectrum_emission: 1,
        mbsfn_subframes: vec![],
        time_alignment_timer_subframes: Some(1920),
    }
}

fn sib3() -> Sib3 {
    Sib3 {
        q_hyst_db: 4,
        speed_state: None,
        s_non_intra_search: Some(9),
        thresh_serving_low: 8,
        priority: 5,
        q_rx_lev_min: -62,
        p_max_dbm: None,
        s_intra_search: Some(28),
        allowed_meas_prb: None,
        presence_antenna_port1: false,
        neigh_cell_config: 1,
        t_reselection_s: 1,
        t_reselection_sf: None,
        s_intra_search_v920: None,
        s_non_intra_search_v920: None,
        q_qual_min_db: None,
        thresh_serving_low_q_db: None,
        coverage_enhancement: false,
    }
}

/// An entry of schedulingInfoList.
pub fn every(period_frames: u16, sib_types: &[u8]) -> Scheduling {
    Scheduling { period_frames, sib_types: sib_types.to_vec() }
}

/// A public FDD macro cell of 75 resource blocks in band 3: neighbours in LTE, UMTS and GSM, nothing extreme.
pub fn public_lte(network: &str, pci: u16, tac: u32, eci: u64) -> LteCell {
    let utra = UtraLayer {
        uarfcn: 10_713,
        priority: Some(3),
        thresh_x_high: 6,
        thresh_x_low: 6,
        q_rx_lev_min: -58,
        p_max_dbm: 24,
        q_qual_min_db: Some(-22),
    };
    LteCell {
        center_hz: CARRIER,
        pci,
        plmns: vec![plmn(network)],
        tac,
        eci,
        fields: LteFields {
            radio: Some(radio()),
            mib: Some(Mib { prb: 75, phich_extended: false, phich_ng_sixths: 6, scheduling_sib1_br: 0, spare: 0 }),
            sib1: Some(Sib1 {
                plmns: vec![],
                tac: 0,
                eci: 0,
                cell_barred: false,
                intra_freq_reselection_allowed: true,
                csg_indication: false,
                csg_identity: None,
                q_rx_lev_min: -62,
                q_rx_lev_min_offset: None,
                p_max_dbm: None,
                bands: vec![3],
                scheduling: vec![every(8, &[3]), every(32, &[5]), every(64, &[6, 7])],
                tdd: None,
                si_window_ms: 20,
                value_tag: 7,
                ims_emergency: true,
                q_qual_min_db: None,
                bandwidth_reduced: false,
                extensions: 2,
            }),
            sib_types: vec![2, 3, 5, 6, 7],
            sib2: Some(sib2()),
            sib3: Some(sib3()),
            sib5: Some(vec![layer(9485, 6), layer(375, 5)]),
            sib6: Some(Sib6 { fdd: vec![utra], tdd: vec![], t_reselection_s: 1, t_reselection_sf: None }),
            sib7: Some(Sib7 { layers: vec![gsm_layer(&[51, 53], 2)], t_reselection_s: 1, t_reselection_sf: None }),
            ..LteFields::default()
        },
        count: 4,
        snr_db: 15.0,
        stream: "one".to_owned(),
        since_s: -2,
        position: None,
    }
}

/// FDD with two ports; what else is measured does not matter to rules.
fn radio() -> Radio {
    serde_json::from_str(r#"{"tdd":false,"extended_cp":false,"ports":2,"rsrp_dbfs":-60.0,"rsrq_db":-8.0}"#).unwrap()
}

/// The same with srsRAN's defaults; `tests/data/rules/README.md`.
pub fn srsran(network: &str) -> LteCell {
    let mut cell = public_lte(network, 1, 7, 0x19b01).sib1(|s| {
        s.q_rx_lev_min = -65;
        s.value_tag = 0;
        s.scheduling = vec![every(16, &[3])];
        (s.extensions, s.ims_emergency) = (0, false);
    });
    let f = &mut cell.fields;
    f.radio.as_mut().unwrap().ports = 1;
    f.mib.as_mut().unwrap().prb = 50;
    let s = f.sib2.as_mut().unwrap();
    (s.prach.root_sequence_index, s.prach.config_index, s.prach.freq_offset) = (128, 3, 4);
    s.prach.zero_correlation_zone = 5;
    (s.rach.preambles, s.rach.power_ramping_step_db, s.rach.target_power_dbm) = (52, 6, -104);
    (s.rach.response_window_subframes, s.rach.contention_resolution_subframes) = (10, 64);
    (s.modification_period_coeff, s.default_paging_cycle_frames, s.nb_32nds) = (16, 32, 32);
    (s.reference_signal_power_dbm, s.p_b) = (0, 1);
    (s.pusch.n_sb, s.pusch.hopping_offset) = (1, 2);
    let p = &mut s.uplink_power;
    (p.p0_nominal_pusch_dbm, p.alpha_tenths, p.p0_nominal_pucch_dbm) = (-85, 7, -107);
    s.ue_timers = UeTimers { t300_ms: 2000, t301_ms: 100, t310_ms: 200, n310: 1, t311_ms: 10_000, n311: 1 };
    s.time_alignment_timer_subframes = None;
    let s = f.sib3.as_mut().unwrap();
    (s.q_hyst_db, s.s_non_intra_search, s.thresh_serving_low, s.priority) = (2, Some(3), 2, 6);
    (s.q_rx_lev_min, s.p_max_dbm, s.s_intra_search) = (-61, Some(23), Some(5));
    f.sib_types = vec![2, 3];
    (f.sib5, f.sib6, f.sib7) = (None, None, None);
    cell
}

/// The same with OAI's defaults; `tests/data/rules/README.md`.
pub fn oai(network: &str) -> LteCell {
    let mut cell = srsran(network).sib1(|s| {
        s.intra_freq_reselection_allowed = false;
        s.scheduling = vec![every(8, &[3])];
        s.extensions = 4;
    });
    (cell.pci, cell.tac, cell.eci) = (0, 1, 3584);
    let s = cell.fields.sib2.as_mut().unwrap();
    (s.prach.root_sequence_index, s.prach.config_index, s.prach.freq_offset) = (0, 0, 2);
    s.prach.zero_correlation_zone = 1;
    (s.rach.preambles, s.rach.power_ramping_step_db, s.rach.target_power_dbm) = (64, 4, -108);
    s.rach.contention_resolution_subframes = 48;
    (s.modification_period_coeff, s.default_paging_cycle_frames) = (2, 128);
    (s.reference_signal_power_dbm, s.p_b) = (-27, 0);
    s.pusch.hopping_offset = 0;
    let p = &mut s.uplink_power;
    (p.p0_nominal_pusch_dbm, p.alpha_tenths, p.p0_nominal_pucch_dbm) = (-96, 10, -104);
    s.ue_timers = UeTimers { t300_ms: 1000, t301_ms: 1000, t310_ms: 1000, n310: 20, t311_ms: 10_000, n311: 1 };
    let s = cell.fields.sib3.as_mut().unwrap();
    (s.q_hyst_db, s.s_non_intra_search, s.thresh_serving_low, s.priority) = (4, None, 31, 7);
    (s.q_rx_lev_min, s.p_max_dbm, s.s_intra_search, s.allowed_meas_prb) = (-70, None, Some(31), Some(6));
    cell
}

impl LteCell {
    pub fn with(mut self, change: impl FnOnce(&mut LteFields)) -> LteCell {
        change(&mut self.fields);
        self
    }

    pub fn sib1(self, change: impl FnOnce(&mut Sib1)) -> LteCell {
        self.with(|f| change(f.sib1.as_mut().unwrap()))
    }

    pub fn sib3(self, change: impl FnOnce(&mut Sib3)) -> LteCell {
        self.with(|f| change(f.sib3.as_mut().unwrap()))
    }

    pub fn on(mut self, center_hz: u64, band: u16) -> LteCell {
        self.center_hz = center_hz;
        self.sib1(|s| s.bands = vec![band])
    }

    pub fn snr(mut self, snr_db: f64) -> LteCell {
        self.snr_db = snr_db;
        self
    }

    pub fn count(mut self, count: u32) -> LteCell {
        self.count = count;
        self
    }

    pub fn tac(mut self, tac: u32) -> LteCell {
        self.tac = tac;
        self
    }

    pub fn stream(mut self, stream: &str, since_s: i64) -> LteCell {
        (self.stream, self.since_s) = (stream.to_owned(), since_s);
        self
    }

    /// At Aranyaprathet, so that the border's default set is no assumption.
    pub fn at_the_border(mut self) -> LteCell {
        self.position = Some(Position { lat_deg: 13.69, lon_deg: 102.50, height_m: None, sigma_m: None });
        self
    }

    pub fn key(&self) -> CellKey {
        CellKey { rat: Rat::Lte, center_hz: self.center_hz, id: self.pci }
    }

    /// The identity part of SIB1 (TS 36.331 clause 6.2.2); what follows it does not matter to rules.
    fn sib1_octets(&self) -> Vec<u8> {
        let mut bits = vec![0, 1, 0, 0, 0, 0];
        let mut put = |value: u64, count: u32| bits.extend((0..count).rev().map(|n| (value >> n & 1) as u8));
        put(self.plmns.len() as u64 - 1, 3);
        for plmn in &self.plmns {
            put(1, 1);
            for weight in [100, 10, 1] {
                put(u64::from(plmn.mcc() / weight % 10), 4);
            }
            put(u64::from(plmn.mnc_digits() - 2), 1);
            for weight in [100, 10, 1].iter().skip(usize::from(3 - plmn.mnc_digits())) {
                put(u64::from(plmn.mnc() / weight % 10), 4);
            }
            put(0, 1);
        }
        put(self.tac.into(), 16);
        put(self.eci, 28);
        put(u64::from(self.fields.sib1.as_ref().unwrap().value_tag), 8);
        bits.chunks(8).map(|octet| octet.iter().enumerate().fold(0, |o, (n, bit)| o | bit << (7 - n))).collect()
    }

    /// What a node reports of it `at_s` seconds after [`T0`].
    pub fn heard(&self, at_s: i64) -> Observation {
        let at = |s: i64| Timestamp((T0 + s) * 1_000_000_000);
        let block = |name: &str, octets: Vec<u8>| BroadcastBlock {
            name: name.to_owned(),
            octets: Octets(octets),
            count: self.count,
        };
        let mut fields = self.fields.clone();
        let mut broadcast = vec![block("MIB", vec![0xa8, 0, 0])];
        if let Some(sib1) = &mut fields.sib1 {
            (sib1.tac, sib1.eci) = (self.tac as u16, self.eci as u32);
            let entry = |&plmn: &Plmn| BroadcastPlmn { plmn: Some(plmn), reserved_for_operator_use: false };
            if sib1.plmns.is_empty() {
                sib1.plmns = self.plmns.iter().map(entry).collect();
            }
            broadcast.push(block("SIB1", self.sib1_octets()));
            for (at, message) in sib1.scheduling.iter().enumerate() {
                let first = if at == 0 { 2 } else { message.sib_types[0] };
                if first > 0 && fields.sib_types.contains(&first) {
                    // SystemInformation with one block: its type, then whatever.
                    let octets =
                        if first < 12 { vec![0, (first - 2) << 2, 1] } else { vec![0, 0x40 | (first - 12) >> 1, 1] };
                    broadcast.push(block("SI", octets));
                }
            }
        }
        Observation {
            at_ns: at(at_s),
            first_ns: at(self.since_s),
            clock: Clock { source: ClockSource::Ntp, sigma_ns: None, locked: true, since_ns: None },
            position: self.position,
            cell: self.key(),
            identity: fields.sib1.as_ref().map(|_| CellIdentity {
                plmns: self.plmns.clone(),
                area: Some(self.tac),
                cell_id: Some(self.eci),
            }),
            level: Level { dbfs: Dbfs(-30.0), dbm: None, sigma_db: Db(1.0) },
            snr_db: Db(self.snr_db),
            carrier: CarrierError { hz: Hz(100.0), ppb: Ppb(54.0), sigma_ppb: Ppb(5.0) },
            timing: None,
            bearing: None,
            broadcast,
            fields: Some(Fields::Lte(Box::new(fields))),
            content_sha256: None,
            receiver: ReceiverState { stream: self.stream.clone(), ..ReceiverState::default() },
        }
    }
}

/// Five siblings of a network, changed as told, heard at time `at_s`.
pub fn lte_siblings(network: &str, at_s: i64, change: impl Fn(&mut LteFields)) -> Vec<Observation> {
    let cell = |n: u16| public_lte(network, 100 + n, 700, 0x1_0000 + 256 * u64::from(n)).with(&change);
    (1..=5).map(|n| cell(n).heard(at_s)).collect()
}

/// The cell under test.
pub fn own() -> LteCell {
    public_lte("520-03", 30, 700, 0x2_0001)
}

/// The tiers of `rule` on `cell` after five siblings changed by `usual`.
pub fn among(rule: &str, usual: impl Fn(&mut LteFields), cell: &LteCell) -> Vec<Tier> {
    let network = cell.plmns[0].to_string();
    let observations = lte_siblings(&network, 0, usual).into_iter().chain([cell.heard(10)]);
    let mut findings = judge_anew(None, observations);
    findings.retain(|f| f.observation.cell == cell.key());
    tiers(&findings, rule)
}

/// The tiers of `rule` on a cell of whose siblings nothing is known.
pub fn alone(rule: &str, cell: &LteCell) -> Vec<Tier> {
    tiers(&judge_anew(None, [cell.heard(0)]), rule)
}

/// Hears two cells in turn after `before`; asserts that `rule` fires once, on `bad` and not on `good`.
pub fn kept_apart(rule: &str, register: Option<Register>, before: Vec<Observation>, bad: &LteCell, good: &LteCell) {
    let turns = (0..6).flat_map(|i| [good.heard(1000 + 2 * i), bad.heard(1001 + 2 * i)]);
    let findings = judge_anew(register, before.into_iter().chain(turns));
    let fired: Vec<&Finding> = findings.iter().filter(|f| f.rule == rule).collect();
    let on: Vec<_> = fired.iter().map(|f| (f.observation.cell, f.observation.identity.clone())).collect();
    assert_eq!(on, [(bad.key(), bad.heard(0).identity)], "{rule} must fire once, on the bad cell: {fired:#?}");
}
