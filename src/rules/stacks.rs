//! Defaults that give away open-source base station software: OpenBTS, YateBTS and osmo-bsc here, srsRAN and OAI in
//! [`lte_stacks`](super::lte_stacks).
//!
//! People who set up such a station change network and channel, but rarely the secondary parameters. Each entry below is one independent
//! default: parameters that are set in one place of the software count once, together. Network and channel are not counted (ID-01 and
//! ID-03 judge them). A default that licensed cells show too does not count.
//!
//! ## References
//! - RangeNetworks/openbts 7766ef9: GetConfigurationKeys.cpp, and the beacon and information element code (BS_PA_MFRMS is
//!   configured as 2..9 and sent as 0..7; RADIO-LINK-TIMEOUT is sent as configured)
//! - yatevoip/yatebts 9b289b4: ybts.conf.sample; its radio code descends from OpenBTS
//! - osmocom/osmo-bsc 1245bb6: examples, src/osmo-bsc/bts.c and net_init.c
//! - 3GPP TS 44.018 Release 17, clause 10.5.2 (codes)

use super::lte_stacks::LTE_STACKS;
use super::rule::{About, Basis, Case, Judgement, Rule, WhenLicensed, evidence, fires};
use crate::cell::{CellKey, Rat, gsm_arfcn};
use crate::observation::gsm::{GsmFields, SiType};
use crate::observation::lte::LteFields;
use crate::observation::{Evidence, Tier};
use std::collections::BTreeSet;
use std::fmt::Arguments;

/// One cell as the defaults see it.
pub(super) struct View<'a> {
    pub(super) cell: CellKey,
    pub(super) gsm: Option<&'a GsmFields>,
    pub(super) lte: Option<&'a LteFields>,
    pub(super) area: Option<u32>,
    pub(super) cell_id: Option<u64>,
}

impl View<'_> {
    fn ncc(&self) -> u8 {
        (self.cell.id >> 3 & 7) as u8
    }
}

/// What a cell sends where a stack has a default.
pub(super) enum Seen {
    /// The default: the value in words.
    Default(String),
    /// Something else. Nothing is formatted for it: most cells have none of the defaults.
    Other,
}

/// The default or something else; `value` is put in words only if it is the default.
pub(super) fn seen(same: bool, value: Arguments<'_>) -> Option<Seen> {
    Some(if same { Seen::Default(value.to_string()) } else { Seen::Other })
}

/// One default and its test on a cell; `None` where what it needs was not received.
pub(super) struct Trait {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) default: &'static str,
    pub(super) test: fn(&View<'_>) -> Option<Seen>,
}

pub(super) struct Stack {
    pub(super) name: &'static str,
    pub(super) traits: &'static [Trait],
}

fn rach(view: &View<'_>, max_retrans: u8, tx_integer: u8) -> Option<Seen> {
    let rach = view.gsm?.rach?;
    let same = rach.max_retrans == max_retrans && rach.tx_integer == tx_integer;
    seen(same, format_args!("{} / {}", rach.max_retrans, rach.tx_integer))
}

/// RE=1 and emergency calls the only barred class, in a cell that is not barred.
fn access(view: &View<'_>) -> Option<Seen> {
    let rach = view.gsm?.rach?;
    let same = rach.re && rach.access_classes_barred == 0x0400 && !rach.cell_barred;
    seen(same, format_args!("RE={} / AC={:04x}", u8::from(rach.re), rach.access_classes_barred))
}

fn t3212(view: &View<'_>, default: u8) -> Option<Seen> {
    let t3212 = view.gsm?.control_channel?.t3212;
    seen(t3212 == default, format_args!("{t3212}"))
}

fn selection(view: &View<'_>, hysteresis: &[u8], ms_txpwr: Option<u8>) -> Option<Seen> {
    let s = view.gsm?.selection?;
    let same = s.rxlev_access_min == 0
        && hysteresis.contains(&s.cell_reselect_hysteresis)
        && ms_txpwr.is_none_or(|txpwr| s.ms_txpwr_max_cch == txpwr)
        && s.neci;
    let neci = u8::from(s.neci);
    let value =
        format_args!("{} / {} / {} / {neci}", s.rxlev_access_min, s.cell_reselect_hysteresis, s.ms_txpwr_max_cch);
    seen(same, value)
}

fn control_channel(view: &View<'_>, ag_blocks: u8, pa_code: u8) -> Option<Seen> {
    let c = view.gsm?.control_channel?;
    let same = c.ccch_conf == 1 && c.bs_ag_blks_res == ag_blocks && c.bs_pa_mfrms == pa_code && c.att;
    seen(same, format_args!("{} / {} / {} / {}", c.ccch_conf, c.bs_ag_blks_res, c.bs_pa_mfrms, u8::from(c.att)))
}

fn cell_options(view: &View<'_>, radio_link_timeout: u8) -> Option<Seen> {
    let o = view.gsm?.cell_options?;
    let same = o.dtx == 2 && !o.pwrc && o.radio_link_timeout == radio_link_timeout;
    seen(same, format_args!("{} / {} / {}", o.dtx, u8::from(o.pwrc), o.radio_link_timeout))
}

fn ncc_permitted(view: &View<'_>, default: u8) -> Option<Seen> {
    let permitted = view.gsm?.ncc_permitted?;
    seen(permitted == default, format_args!("{permitted:08b}"))
}

fn own_channel_listed(view: &View<'_>) -> Option<Seen> {
    let listed = view.gsm?.neighbours_si2.as_deref()?;
    let same = gsm_arfcn(view.cell.center_hz).is_some_and(|own| listed == [own]);
    seen(same, format_args!("{listed:?}"))
}

fn identity(view: &View<'_>, lacs: &[u32], cells: &[u64], bsic: u16) -> Option<Seen> {
    let (lac, cell_id) = (view.area?, view.cell_id?);
    // The BSIC alone is one of 64 and says nothing.
    let same = lacs.contains(&lac) && (cells.contains(&cell_id) || view.cell.id == bsic)
        || cells.contains(&cell_id) && view.cell.id == bsic;
    seen(same, format_args!("{lac} / {cell_id} / {}", view.cell.id))
}

/// The beacon's fixed order: types 1 to 4 only, at TC 4 a third SI3 or the SI13.
pub(super) const MINIMAL_SCHEDULE: [SiType; 8] =
    [SiType::Si1, SiType::Si2, SiType::Si3, SiType::Si4, SiType::Si3, SiType::Si2, SiType::Si3, SiType::Si4];

/// The schedule is the minimal one; `None` while parts of it that could still differ were not received.
pub(super) fn is_minimal_schedule(fields: &GsmFields) -> Option<bool> {
    let place = |tc: usize, si: SiType| si == MINIMAL_SCHEDULE[tc] || (tc == 4 && si == SiType::Si13);
    let minimal = |si: &SiType| matches!(si, SiType::Si1 | SiType::Si2 | SiType::Si3 | SiType::Si4 | SiType::Si13);
    let differs = (0..8).any(|tc| fields.schedule[tc].is_some_and(|si| !place(tc, si)));
    if differs || !fields.si_types.iter().all(minimal) {
        return Some(false);
    }
    fields.schedule.iter().all(Option::is_some).then_some(true)
}

/// The schedule in words.
pub(super) fn schedule_in_words(fields: &GsmFields) -> String {
    let name = |si: &Option<SiType>| match si {
        None => "?".to_owned(),
        Some(SiType::Si1) => "1".to_owned(),
        Some(SiType::Si2) => "2".to_owned(),
        Some(SiType::Si2bis) => "2bis".to_owned(),
        Some(SiType::Si2ter) => "2ter".to_owned(),
        Some(SiType::Si2quater) => "2quater".to_owned(),
        Some(SiType::Si3) => "3".to_owned(),
        Some(SiType::Si4) => "4".to_owned(),
        Some(SiType::Si13) => "13".to_owned(),
        Some(other) => format!("{other:?}").trim_start_matches("Si").to_lowercase(),
    };
    fields.schedule.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn minimal_broadcast(view: &View<'_>, gprs: bool) -> Option<Seen> {
    let fields = view.gsm?;
    let minimal = is_minimal_schedule(fields)?;
    let rest = fields.si3_rest.as_ref()?;
    let default_rest = match (gprs, fields.gprs) {
        (false, None) => rest.padding_only,
        (true, Some(gprs)) => rest.selection.is_none() && gprs.rac == Some(0),
        _ => false,
    };
    if !(minimal && default_rest) {
        return Some(Seen::Other);
    }
    let rest = if rest.padding_only { "rest octets empty" } else { "rest octets used" };
    Some(Seen::Default(format!("{}, {rest}", schedule_in_words(fields))))
}

fn osmo_rest(view: &View<'_>) -> Option<Seen> {
    let rest = view.gsm?.si3_rest.as_ref()?;
    let mscr = view.gsm?.control_channel?.mscr;
    let bare = rest.selection.is_none() && rest.power_offset.is_none() && rest.gprs.is_none() && !rest.si2ter;
    let value = format_args!(
        "R99={} / 3G early classmark={} / GPRS={}",
        u8::from(mscr),
        u8::from(rest.early_classmark_3g),
        u8::from(rest.gprs.is_some())
    );
    seen(mscr && rest.early_classmark_3g && bare, value)
}

const RACH: &str = "RACH max retrans / Tx-integer codes";
const ACCESS: &str = "RE / barred access classes";
const T3212: &str = "T3212 (6 min)";
const SELECTION: &str = "RXLEV_ACCESS_MIN / CRH / MS_TXPWR_MAX_CCH / NECI codes";
const CONTROL: &str = "CCCH_CONF / BS_AG_BLKS_RES / BS_PA_MFRMS / ATT codes";
const OPTIONS: &str = "DTX / PWRC / RADIO_LINK_TIMEOUT codes";
const NCC: &str = "NCC permitted";
const NEIGHBOURS: &str = "SI2 neighbours";
const IDENTITY: &str = "LAC / CI / BSIC";
const BROADCAST: &str = "SI types by TC, SI3 rest octets";

/// Compared one by one; of equal scores the first wins.
static STACKS: [Stack; 3] = [
    Stack {
        name: "OpenBTS",
        traits: &[
            Trait { name: "rach", what: RACH, default: "1 / 14", test: |v| rach(v, 1, 14) },
            Trait { name: "access", what: ACCESS, default: "RE=1 / AC=0400", test: access },
            Trait { name: "t3212", what: T3212, default: "0", test: |v| t3212(v, 0) },
            Trait {
                name: "selection",
                what: SELECTION,
                default: "0 / 3 / 0 / 1",
                test: |v| selection(v, &[3], Some(0)),
            },
            Trait { name: "control", what: CONTROL, default: "1 / 2 / 0 / 1", test: |v| control_channel(v, 2, 0) },
            Trait { name: "options", what: OPTIONS, default: "2 / 0 / 15", test: |v| cell_options(v, 15) },
            Trait { name: "ncc", what: NCC, default: "its own NCC only", test: |v| ncc_permitted(v, 1 << v.ncc()) },
            Trait { name: "neighbours", what: NEIGHBOURS, default: "its own channel only", test: own_channel_listed },
            Trait {
                name: "broadcast",
                what: BROADCAST,
                default: "1 2 3 4 3 2 3 4, rest octets empty",
                test: |v| minimal_broadcast(v, false),
            },
            Trait {
                name: "identity",
                what: IDENTITY,
                default: "1000 / 10 / 2",
                test: |v| identity(v, &[1000], &[10], 2),
            },
        ],
    },
    Stack {
        name: "YateBTS",
        traits: &[
            Trait { name: "rach", what: RACH, default: "1 / 14", test: |v| rach(v, 1, 14) },
            Trait { name: "access", what: ACCESS, default: "RE=1 / AC=0400", test: access },
            Trait { name: "t3212", what: T3212, default: "4", test: |v| t3212(v, 4) },
            Trait {
                name: "selection",
                what: SELECTION,
                default: "0 / 3 / 0 / 1",
                test: |v| selection(v, &[3], Some(0)),
            },
            Trait { name: "options", what: OPTIONS, default: "2 / 0 / 15", test: |v| cell_options(v, 15) },
            Trait { name: "ncc", what: NCC, default: "its own NCC only", test: |v| ncc_permitted(v, 1 << v.ncc()) },
            Trait { name: "neighbours", what: NEIGHBOURS, default: "its own channel only", test: own_channel_listed },
            Trait {
                name: "broadcast",
                what: BROADCAST,
                default: "1 2 3 4 13 2 3 4, GPRS with RAC 0",
                test: |v| minimal_broadcast(v, true),
            },
            Trait {
                name: "identity",
                what: IDENTITY,
                default: "1000 / 10 / 2",
                test: |v| identity(v, &[1000], &[10], 2),
            },
        ],
    },
    Stack {
        name: "osmo-bsc",
        traits: &[
            Trait { name: "rach", what: RACH, default: "3 / 9", test: |v| rach(v, 3, 9) },
            Trait { name: "access", what: ACCESS, default: "RE=1 / AC=0400", test: access },
            Trait { name: "t3212", what: T3212, default: "5", test: |v| t3212(v, 5) },
            Trait {
                name: "selection",
                what: SELECTION,
                default: "0 / 2 or 4 / any / 1",
                test: |v| selection(v, &[2, 4], None),
            },
            Trait { name: "control", what: CONTROL, default: "1 / 1 / 3 / 1", test: |v| control_channel(v, 1, 3) },
            Trait { name: "options", what: OPTIONS, default: "2 / 0 / 7", test: |v| cell_options(v, 7) },
            Trait { name: "ncc", what: NCC, default: "all", test: |v| ncc_permitted(v, 0xff) },
            Trait {
                name: "rest",
                what: "SI3 rest octets",
                default: "R99=1 / 3G early classmark=1 / GPRS=0, no selection parameters",
                test: osmo_rest,
            },
            Trait {
                name: "identity",
                what: IDENTITY,
                default: "1 or 23 / 6969 or 0 / 63",
                test: |v| identity(v, &[1, 23], &[6969, 0], 63),
            },
        ],
    },
];

/// The stacks of a standard.
fn stacks_of(rat: Rat) -> &'static [Stack] {
    match rat {
        Rat::Gsm => &STACKS,
        Rat::Lte => &LTE_STACKS,
        Rat::Umts | Rat::Nr => &[],
    }
}

/// The defaults that a cell shows, `stack:default`; identity defaults are not among them, they are one cell's own.
fn shown_by(view: &View<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for stack in stacks_of(view.cell.rat) {
        for default in stack.traits {
            if let Some(Seen::Default(_)) = (default.test)(view) {
                found.insert(format!("{}:{}", stack.name, default.name));
            }
        }
    }
    found
}

/// The defaults that a GSM cell shows.
pub(super) fn shown(cell: CellKey, fields: &GsmFields) -> BTreeSet<String> {
    shown_by(&View { cell, gsm: Some(fields), lte: None, area: None, cell_id: None })
}

/// The defaults that an LTE cell shows.
pub(super) fn shown_by_lte(cell: CellKey, fields: &LteFields) -> BTreeSet<String> {
    shown_by(&View { cell, gsm: None, lte: Some(fields), area: None, cell_id: None })
}

/// SI-13.
#[derive(Debug)]
pub(super) struct StackFingerprint;

static ABOUT: About = About {
    id: "SI-13",
    version: 2,
    tier: Tier::A,
    title: "Defaults of open-source base station software",
    description: "At least `matches_b` independent defaults of OpenBTS, YateBTS, osmo-bsc, srsRAN or OAI (tier B), at least `matches_a` (tier A), \
                  network and channel not counted. A default that a licensed cell in reach shows, or without a register that `min_siblings` \
                  other cells of the network show, does not count.",
    source: "OpenBTS 7766ef9, YateBTS 9b289b4, osmo-bsc 1245bb6, srsRAN 4G 1fab3df, OAI 883724b: configuration defaults as read in their sources",
    innocent: &[
        "a licensed private or university network built on the same software",
        "a commercial small cell built on Osmocom",
        "a laboratory cell that leaks out of its screened room",
    ],
    when_licensed: WhenLicensed::OneLess,
};

impl Rule for StackFingerprint {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let identity = case.observation.identity.as_ref();
        let view = View {
            cell: case.observation.cell,
            gsm: case.gsm,
            lte: case.lte,
            area: identity.and_then(|i| i.area),
            cell_id: identity.and_then(|i| i.cell_id),
        };
        let licensed = case.register.is_some_and(|r| case.plmn.is_some_and(|p| r.covers(p.mcc())));
        let usual = |name: &str| {
            let has = |set: &BTreeSet<String>| set.contains(name);
            let of_licensed = |p: &&super::baseline::Profile| p.cell != view.cell && has(&p.stack_defaults);
            case.baseline.licensed().any(|p| of_licensed(&p))
                || (!licensed
                    && case.siblings().iter().filter(|p| has(&p.stack_defaults)).count() >= case.config.min_siblings)
        };
        let mut best: Option<(&Stack, Vec<Evidence>)> = None;
        let mut received = false;
        for stack in stacks_of(view.cell.rat) {
            let mut matches = Vec::new();
            for default in stack.traits {
                let Some(seen) = (default.test)(&view) else { continue };
                received = true;
                let Seen::Default(value) = seen else { continue };
                if !usual(&format!("{}:{}", stack.name, default.name)) {
                    let expected = format!("not the default of {}: {}", stack.name, default.default);
                    matches.push(evidence(default.what, value, expected));
                }
            }
            if best.as_ref().is_none_or(|(_, most)| matches.len() > most.len()) {
                best = Some((stack, matches));
            }
        }
        let limits = &case.config.thresholds;
        match best {
            Some((stack, matches)) if matches.len() >= limits.stack_matches_b => {
                let tier = if matches.len() >= limits.stack_matches_a { Tier::A } else { Tier::B };
                let score = format!("{}: {} of {} defaults", stack.name, matches.len(), stack.traits.len());
                let expected = format!("fewer than {} defaults of one stack", limits.stack_matches_b);
                let mut all = vec![evidence("base station software", score, expected)];
                all.extend(matches);
                let rests_on: &'static [Basis] = match view.cell.rat {
                    Rat::Gsm => &[Basis::Message("SI3")],
                    _ => &[Basis::Identity, Basis::Sib(2)],
                };
                fires(tier, rests_on, all)
            }
            _ if received => Judgement::Quiet,
            _ => Judgement::Unknown,
        }
    }
}
