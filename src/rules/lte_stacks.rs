//! Defaults of the open-source LTE base stations srsRAN 4G and OpenAirInterface (OAI).
//!
//! What many operators send too is left out: OAI's modification period, paging cycle and nB (2, 128, oneT) are those of a public cell in
//! the recordings, and so is an infinite time alignment timer elsewhere.
//!
//! ## References
//! - srsRAN_4G 1fab3df: enb/rr/sib.conf.example and the configuration's defaults
//! - openairinterface5g 883724b: enb.band7.tm1.50PRB.usrpb210.conf; SIB1 to SIB3 as asn1_msg.c writes them
//! - 3GPP TS 36.331 Release 17, clauses 6.2.2 and 6.3.1

use super::stacks::{Seen, Stack, Trait, View, seen};
use crate::observation::lte::Sib2;
use std::fmt::Display;

fn or_absent(value: Option<impl Display>) -> impl Display {
    std::fmt::from_fn(move |f| match &value {
        Some(value) => value.fmt(f),
        None => f.write_str("absent"),
    })
}

/// One SI message with SIB3 (and SIB13, where OAI offers eMBMS), in a window of 20 ms.
fn schedule(view: &View<'_>, period: u16) -> Option<Seen> {
    let sib1 = view.lte?.sib1.as_ref()?;
    let types: Vec<u8> = sib1.scheduling.iter().flat_map(|message| message.sib_types.iter().copied()).collect();
    let periods: Vec<u16> = sib1.scheduling.iter().map(|message| message.period_frames).collect();
    let same = sib1.si_window_ms == 20 && periods.first() == Some(&period) && matches!(types[..], [3] | [3, 13]);
    seen(same, format_args!("{} ms / {periods:?} / {types:?}", sib1.si_window_ms))
}

fn prach(sib2: &Sib2, default: [u16; 4]) -> Option<Seen> {
    let p = sib2.prach;
    let value = [p.root_sequence_index, p.config_index.into(), p.freq_offset.into(), p.zero_correlation_zone.into()];
    seen(value == default, format_args!("{value:?}"))
}

/// numberOfRA-Preambles, powerRampingStep, target power, response window, contention resolution timer.
fn rach(sib2: &Sib2, default: [i16; 5]) -> Option<Seen> {
    let r = sib2.rach;
    let value = [
        r.preambles.into(),
        r.power_ramping_step_db.into(),
        r.target_power_dbm,
        r.response_window_subframes.into(),
        r.contention_resolution_subframes.into(),
    ];
    seen(value == default, format_args!("{value:?}"))
}

fn uplink_power(sib2: &Sib2, default: [i16; 3]) -> Option<Seen> {
    let p = sib2.uplink_power;
    let value = [p.p0_nominal_pusch_dbm, p.alpha_tenths.into(), p.p0_nominal_pucch_dbm];
    seen(value == default, format_args!("{value:?}"))
}

fn timers(view: &View<'_>, default: [u16; 6]) -> Option<Seen> {
    let value = super::lte_profile::timers(view.lte?)?;
    seen(value == default, format_args!("{value:?}"))
}

/// At least two of area code, cell identity and PCI: each alone is somebody's.
fn identity(view: &View<'_>, area: u32, cell_id: u64, pci: u16) -> Option<Seen> {
    let (tac, eci) = (view.area?, view.cell_id?);
    let same = [tac == area, eci == cell_id, view.cell.id == pci];
    seen(same.iter().filter(|&&same| same).count() >= 2, format_args!("{tac} / {eci} / {}", view.cell.id))
}

fn sib2<'a>(view: &View<'a>) -> Option<&'a Sib2> {
    view.lte?.sib2.as_ref()
}

const SCHEDULE: &str = "si-WindowLength / si-Periodicity / types scheduled";
const PRACH: &str = "PRACH root / index / frequency offset / zero correlation zone";
const RACH: &str = "RACH preambles / step dB / target dBm / response window / contention timer";
const POWER: &str = "p0-NominalPUSCH dBm / alpha tenths / p0-NominalPUCCH dBm";
const TIMERS: &str = "t300 / t301 / t310 / n310 / t311 / n311";
const PDSCH: &str = "referenceSignalPower dBm / p-b";
const SIB3: &str = "SIB3";
const IDENTITY: &str = "TAC / cell identity / PCI";

/// Compared one by one; of equal scores the first wins.
pub(super) static LTE_STACKS: [Stack; 2] = [SRSRAN, OAI];

/// srsRAN 4G.
const SRSRAN: Stack = Stack {
    name: "srsRAN",
    traits: &[
        Trait { name: "schedule", what: SCHEDULE, default: "20 / 16 / SIB3 alone", test: |v| schedule(v, 16) },
        Trait {
            name: "levels",
            what: "q-RxLevMin of SIB1 / of SIB3, 2 dBm",
            default: "-65 / -61",
            test: |v| {
                let (own, others) = (v.lte?.sib1.as_ref()?.q_rx_lev_min, v.lte?.sib3?.q_rx_lev_min);
                seen((own, others) == (-65, -61), format_args!("{own} / {others}"))
            },
        },
        Trait { name: "prach", what: PRACH, default: "128 / 3 / 4 / 5", test: |v| prach(sib2(v)?, [128, 3, 4, 5]) },
        Trait {
            name: "rach",
            what: RACH,
            default: "52 / 6 / -104 / 10 / 64",
            test: |v| rach(sib2(v)?, [52, 6, -104, 10, 64]),
        },
        Trait {
            name: "paging",
            what: "modificationPeriodCoeff / defaultPagingCycle / nB in 1/32",
            default: "16 / 32 / 32",
            test: |v| {
                let s = sib2(v)?;
                let value = (s.modification_period_coeff, s.default_paging_cycle_frames, s.nb_32nds);
                seen(value == (16, 32, 32), format_args!("{} / {} / {}", value.0, value.1, value.2))
            },
        },
        Trait {
            name: "pdsch",
            what: PDSCH,
            default: "0 / 1",
            test: |v| {
                let s = sib2(v)?;
                let value = (s.reference_signal_power_dbm, s.p_b);
                seen(value == (0, 1), format_args!("{} / {}", value.0, value.1))
            },
        },
        Trait {
            name: "pusch",
            what: "pusch-HoppingOffset / hopping within subframes",
            default: "2 / no",
            test: |v| {
                let p = sib2(v)?.pusch;
                let hops = if p.hopping_intra_subframe { "yes" } else { "no" };
                seen(!p.hopping_intra_subframe && p.hopping_offset == 2, format_args!("{} / {hops}", p.hopping_offset))
            },
        },
        Trait {
            name: "power",
            what: POWER,
            default: "-85 / 7 / -107",
            test: |v| uplink_power(sib2(v)?, [-85, 7, -107]),
        },
        Trait {
            name: "timers",
            what: TIMERS,
            default: "2000 / 100 / 200 / 1 / 10000 / 1",
            test: |v| timers(v, [2000, 100, 200, 1, 10_000, 1]),
        },
        Trait {
            name: "sib3",
            what: SIB3,
            default: "q-Hyst 2, s-NonIntraSearch 3, threshServingLow 2, priority 6, p-Max 23, s-IntraSearch 5",
            test: |v| {
                let s = v.lte?.sib3?;
                let same = (s.q_hyst_db, s.thresh_serving_low, s.priority) == (2, 2, 6)
                    && (s.s_non_intra_search, s.s_intra_search, s.p_max_dbm) == (Some(3), Some(5), Some(23));
                let (non_intra, intra) = (or_absent(s.s_non_intra_search), or_absent(s.s_intra_search));
                let value = format_args!(
                    "q-Hyst {}, s-NonIntraSearch {non_intra}, threshServingLow {}, priority {}, p-Max {}, s-IntraSearch {intra}",
                    s.q_hyst_db,
                    s.thresh_serving_low,
                    s.priority,
                    or_absent(s.p_max_dbm)
                );
                seen(same, value)
            },
        },
        Trait { name: "identity", what: IDENTITY, default: "7 / 105217 / 1", test: |v| identity(v, 7, 0x19b01, 1) },
    ],
};

/// OpenAirInterface's eNodeB.
const OAI: Stack = Stack {
    name: "OAI",
    traits: &[
        Trait { name: "schedule", what: SCHEDULE, default: "20 / 8 / SIB3 alone", test: |v| schedule(v, 8) },
        Trait {
            name: "sib1",
            what: "q-RxLevMin of SIB1 / intraFreqReselection of an open cell",
            default: "-65 / not allowed",
            test: |v| {
                let s = v.lte?.sib1.as_ref()?;
                let same = s.q_rx_lev_min == -65 && !s.intra_freq_reselection_allowed && !s.cell_barred;
                let allowed = if s.intra_freq_reselection_allowed { "allowed" } else { "not allowed" };
                seen(same, format_args!("{} / {allowed}", s.q_rx_lev_min))
            },
        },
        Trait {
            name: "extensions",
            what: "SIB1 extensions",
            default: "down to v1250, all of them empty",
            test: |v| {
                let s = v.lte?.sib1.as_ref()?;
                let same = s.extensions == 4 && !s.ims_emergency && s.q_qual_min_db.is_none() && s.bands.len() <= 1;
                seen(same, format_args!("{} within one another", s.extensions))
            },
        },
        Trait { name: "prach", what: PRACH, default: "0 / 0 / 2 / 1", test: |v| prach(sib2(v)?, [0, 0, 2, 1]) },
        Trait {
            name: "rach",
            what: RACH,
            default: "64 / 4 / -108 / 10 / 48",
            test: |v| rach(sib2(v)?, [64, 4, -108, 10, 48]),
        },
        Trait {
            name: "pdsch",
            what: PDSCH,
            default: "-27 / 0",
            test: |v| {
                let s = sib2(v)?;
                let value = (s.reference_signal_power_dbm, s.p_b);
                seen(value == (-27, 0), format_args!("{} / {}", value.0, value.1))
            },
        },
        Trait {
            name: "power",
            what: POWER,
            default: "-96 / 10 / -104",
            test: |v| uplink_power(sib2(v)?, [-96, 10, -104]),
        },
        Trait {
            name: "timers",
            what: TIMERS,
            default: "1000 / 1000 / 1000 / 20 / 10000 / 1",
            test: |v| timers(v, [1000, 1000, 1000, 20, 10_000, 1]),
        },
        Trait {
            name: "sib3",
            what: SIB3,
            default: "q-Hyst 4, threshServingLow 31, priority 7, q-RxLevMin -70, s-IntraSearch 31, 6 resource blocks",
            test: |v| {
                let s = v.lte?.sib3?;
                let same = (s.q_hyst_db, s.thresh_serving_low, s.priority, s.q_rx_lev_min) == (4, 31, 7, -70)
                    && (s.s_intra_search, s.allowed_meas_prb) == (Some(31), Some(6));
                let value = format_args!(
                    "q-Hyst {}, threshServingLow {}, priority {}, q-RxLevMin {}, s-IntraSearch {}, {} resource blocks",
                    s.q_hyst_db,
                    s.thresh_serving_low,
                    s.priority,
                    s.q_rx_lev_min,
                    or_absent(s.s_intra_search),
                    or_absent(s.allowed_meas_prb)
                );
                seen(same, value)
            },
        },
        Trait { name: "identity", what: IDENTITY, default: "1 / 3584 / 0", test: |v| identity(v, 1, 0xe00, 0) },
    ],
};
