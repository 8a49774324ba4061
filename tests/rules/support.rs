//! A GSM cell that a node hears, by its parameters, and what the engine makes of it.

use daen::cell::{CellIdentity, CellKey, Plmn, Rat, gsm_downlink};
use daen::observation::gsm::{
    CellOptions, CellSelection, ControlChannel, GprsIndicator, GsmFields, OtherRats, RachControl,
    ReselectionParameters, RestOctets, SiType,
};
use daen::observation::{
    BroadcastBlock, CarrierError, Clock, ClockSource, Fields, Finding, Level, Observation, Octets, Position,
    ReceiverState, Tier,
};
use daen::rules::{Config, Engine, Format, Register};
use daen::units::{Db, Dbfs, Hz, Nanos, Ppb, Timestamp};

/// 2026-11-21T00:00:00Z.
pub const T0: i64 = 1_795_219_200;

/// What a cell broadcasts and how it is heard.
#[derive(Clone, Debug)]
pub struct Cell {
    pub arfcn: u16,
    pub pcs: bool,
    pub bsic: u16,
    pub identity: Option<(Plmn, u32, u64)>,
    pub fields: GsmFields,
    /// Copies of each message in every observation.
    pub count: u32,
    pub stream: String,
    pub position: Option<Position>,
}

pub fn plmn(text: &str) -> Plmn {
    text.parse().unwrap()
}

/// A public cell with common parameters: a full set of types, neighbours in three standards, nothing extreme.
pub fn public(network: &str, arfcn: u16, bsic: u16, lac: u32, ci: u64) -> Cell {
    use SiType::*;
    Cell {
        arfcn,
        pcs: false,
        bsic,
        identity: Some((plmn(network), lac, ci)),
        fields: GsmFields {
            si_types: vec![Si1, Si2, Si2ter, Si2quater, Si3, Si4, Si13],
            schedule: [Some(Si1), Some(Si2), Some(Si3), Some(Si4), Some(Si2ter), Some(Si2quater), Some(Si3), Some(Si4)],
            neighbours_si2: Some(vec![arfcn + 3, arfcn + 6]),
            neighbours_si2ter: Some(vec![]),
            ncc_permitted: Some(0b0010_0110),
            control_channel: Some(ControlChannel {
                mscr: true,
                att: true,
                bs_ag_blks_res: 2,
                ccch_conf: 0,
                cbq3: 0,
                bs_pa_mfrms: 4,
                t3212: 20,
            }),
            cell_options: Some(CellOptions { dn_ind: false, pwrc: true, dtx: 1, radio_link_timeout: 5 }),
            selection: Some(CellSelection {
                cell_reselect_hysteresis: 4,
                ms_txpwr_max_cch: 5,
                acs: false,
                neci: true,
                rxlev_access_min: 8,
            }),
            rach: Some(RachControl {
                max_retrans: 2,
                tx_integer: 7,
                cell_barred: false,
                re: false,
                access_classes_barred: 0,
            }),
            si3_rest: Some(RestOctets {
                selection: Some(ReselectionParameters {
                    cell_bar_qualify: false,
                    cell_reselect_offset: 5,
                    temporary_offset: 0,
                    penalty_time: 0,
                }),
                si2ter: true,
                gprs: Some(GprsIndicator { ra_colour: 3, si13_on_ext: false }),
                ..RestOctets::default()
            }),
            other_rats: Some(OtherRats { utran_fdd: vec![(10_588, vec![100])], ..OtherRats::default() }),
            ..GsmFields::default()
        },
        count: 4,
        stream: "one".to_owned(),
        position: None,
    }
}

/// The same with OpenBTS's defaults; `tests/data/rules/README.md`.
pub fn openbts(network: &str, arfcn: u16) -> Cell {
    use SiType::*;
    let mut cell = public(network, arfcn, 2, 1000, 10);
    cell.fields = GsmFields {
        si_types: vec![Si1, Si2, Si3, Si4],
        schedule: [Si1, Si2, Si3, Si4, Si3, Si2, Si3, Si4].map(Some),
        neighbours_si2: Some(vec![arfcn]),
        ncc_permitted: Some(1),
        control_channel: Some(ControlChannel {
            mscr: false,
            att: true,
            bs_ag_blks_res: 2,
            ccch_conf: 1,
            cbq3: 0,
            bs_pa_mfrms: 0,
            t3212: 0,
        }),
        cell_options: Some(CellOptions { dn_ind: false, pwrc: false, dtx: 2, radio_link_timeout: 15 }),
        selection: Some(CellSelection {
            cell_reselect_hysteresis: 3,
            ms_txpwr_max_cch: 0,
            acs: false,
            neci: true,
            rxlev_access_min: 0,
        }),
        rach: Some(RachControl {
            max_retrans: 1,
            tx_integer: 14,
            cell_barred: false,
            re: true,
            access_classes_barred: 0x0400,
        }),
        si3_rest: Some(RestOctets { padding_only: true, ..RestOctets::default() }),
        ..GsmFields::default()
    };
    cell
}

impl Cell {
    pub fn with(mut self, change: impl FnOnce(&mut GsmFields)) -> Cell {
        change(&mut self.fields);
        self
    }

    pub fn count(mut self, count: u32) -> Cell {
        self.count = count;
        self
    }

    pub fn stream(mut self, stream: &str) -> Cell {
        self.stream = stream.to_owned();
        self
    }

    pub fn lac(mut self, lac: u32) -> Cell {
        if let Some(identity) = &mut self.identity {
            identity.1 = lac;
        }
        self
    }

    pub fn key(&self) -> CellKey {
        let carrier = gsm_downlink(self.arfcn, self.pcs).unwrap();
        CellKey { rat: Rat::Gsm, center_hz: carrier.0 as u64, id: self.bsic }
    }

    /// At Aranyaprathet, so that the border's default set is no assumption.
    pub fn at_the_border(mut self) -> Cell {
        self.position = Some(Position { lat_deg: 13.69, lon_deg: 102.50, height_m: None, sigma_m: None });
        self
    }

    /// SI3's first ten octets carry the identity (TS 44.018 table 9.1.35.1); what follows does not matter to rules.
    fn block(&self, name: &str) -> BroadcastBlock {
        let mut octets = name.as_bytes().to_vec();
        if let (Some((network, lac, ci)), "SI3") = (self.identity, name) {
            octets = vec![0x49, 0x06, 0x1b];
            octets.extend_from_slice(&(ci as u16).to_be_bytes());
            octets.extend_from_slice(&network.to_bcd());
            octets.extend_from_slice(&(lac as u16).to_be_bytes());
        }
        octets.resize(23, 0x2b);
        BroadcastBlock { name: name.to_owned(), octets: Octets(octets), count: self.count }
    }

    /// What a node reports of it `at_s` seconds after [`T0`].
    pub fn heard(&self, at_s: i64) -> Observation {
        let names = ["SI1", "SI2", "SI2ter", "SI2quater", "SI3", "SI4", "SI13"];
        let at_ns = Timestamp((T0 + at_s) * 1_000_000_000);
        Observation {
            at_ns,
            first_ns: at_ns - Nanos::from_secs(2),
            clock: Clock { source: ClockSource::Ntp, sigma_ns: None, locked: true, since_ns: None },
            position: self.position,
            cell: self.key(),
            identity: self.identity.map(|(network, lac, ci)| CellIdentity {
                plmns: vec![network],
                area: Some(lac),
                cell_id: Some(ci),
            }),
            level: Level { dbfs: Dbfs(-30.0), dbm: None, sigma_db: Db(1.0) },
            snr_db: Db(20.0),
            carrier: CarrierError { hz: Hz(100.0), ppb: Ppb(106.0), sigma_ppb: Ppb(5.0) },
            timing: None,
            bearing: None,
            broadcast: names
                .iter()
                .filter(|name| **name != "SI3" || self.identity.is_some())
                .map(|name| self.block(name))
                .collect(),
            fields: Some(Fields::Gsm(self.fields.clone())),
            content_sha256: None,
            receiver: ReceiverState { stream: self.stream.clone(), ..ReceiverState::default() },
        }
    }
}

/// A register in the own format, with the columns that tests need.
pub fn register(rows: &[&str]) -> Register {
    let header = "register_id,rat,plmn,arfcn,area,cell_id,bsic,status,valid_to\n";
    let text = format!("{header}{}\n", rows.join("\n"));
    let (register, report) = Register::load(text.as_bytes(), Format::Own).unwrap();
    assert_eq!(report.rejected, 0, "{report}");
    register
}

pub fn config(toml: &str) -> Config {
    Config::from_toml(toml, std::path::Path::new("")).unwrap()
}

/// All findings on these observations in this order.
pub fn judge(engine: &mut Engine, observations: impl IntoIterator<Item = Observation>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for observation in observations {
        engine.judge(&observation, &mut findings);
    }
    findings
}

/// All findings of a fresh engine with the default configuration.
pub fn judge_anew(register: Option<Register>, observations: impl IntoIterator<Item = Observation>) -> Vec<Finding> {
    judge(&mut Engine::new(Config::default(), register), observations)
}

/// The tiers with which one rule fired, in order.
pub fn tiers(findings: &[Finding], rule: &str) -> Vec<Tier> {
    findings.iter().filter(|f| f.rule == rule).map(|f| f.tier).collect()
}

/// Five siblings of a network that are public cells, changed as told, heard at time `at_s`.
pub fn siblings(network: &str, at_s: i64, change: impl Fn(&mut GsmFields)) -> Vec<Observation> {
    let cell = |n: u16| public(network, 60 + 2 * n, n, 700, 9000 + u64::from(n)).with(&change);
    (1..=5).map(|n| cell(n).heard(at_s)).collect()
}

/// Hears two cells in turn; asserts that `rule` fires once, on `bad` and not on `good`.
pub fn assert_kept_apart(rule: &str, register: Option<Register>, before: Vec<Observation>, bad: &Cell, good: &Cell) {
    let turns = (0..6).flat_map(|i| [good.heard(1000 + 2 * i), bad.heard(1001 + 2 * i)]);
    let findings = judge_anew(register, before.into_iter().chain(turns));
    let fired: Vec<&Finding> = findings.iter().filter(|f| f.rule == rule).collect();
    let on: Vec<_> = fired.iter().map(|f| (f.observation.cell, f.observation.identity.clone())).collect();
    assert_eq!(on, [(bad.key(), bad.heard(0).identity)], "{rule} must fire once, on the bad cell: {fired:#?}");
}
