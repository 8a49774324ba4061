//! What one LTE cell broadcasts, as far as its siblings are held against it.
//!
//! ## References
//! - 3GPP TS 36.331 Release 17, clauses 6.2.2 and 6.3.1

use super::lte_past::WARNING_TYPES;
use crate::cell::{gsm_downlink, lte_downlink};
use crate::observation::lte::{LteFields, Sib1, Sib3, Sib7};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// GSM carriers kept of one SIB7; it can name 512, a network has some dozens.
const MAX_GERAN: usize = 64;
/// The widest code of a search threshold and of threshServingLow: 62 dB; TS 36.331 clause 6.3.4, ReselectionThreshold.
const WIDEST: u8 = 31;

/// An LTE cell's values; what was not received is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LteProfile {
    /// dl-Bandwidth, resource blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prb: Option<u8>,
    /// Antenna ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<u8>,
    /// cellIdentity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eci: Option<u32>,
    /// Types that SIB1 schedules, warnings left out, type 2 included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<BTreeSet<u8>>,
    /// SIB1 schedules a public warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warns: Option<bool>,
    /// systemInfoValueTag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_tag: Option<u8>,
    /// intraFreqReselection is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intra_freq_allowed: Option<bool>,
    /// The least q-RxLevMin of SIB1 and SIB3, steps of 2 dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q_rx_lev_min: Option<i8>,
    /// p-Max of SIB1; meaningful where `scheduled` is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_max_dbm: Option<i8>,
    /// Access class barring lets nobody through or bars emergency calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bars: Option<bool>,
    /// t300, t301, t310, n310, t311, n311.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timers: Option<[u16; 6]>,
    /// prach-ConfigIndex and zeroCorrelationZoneConfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prach: Option<[u8; 2]>,
    /// cellReselectionPriority of its own carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Two of its search thresholds are at their ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extreme_search: Option<bool>,
    /// Carriers of SIB5, hertz, with their priorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<BTreeMap<u64, u8>>,
    /// Carriers of SIB7, hertz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geran: Option<BTreeSet<u64>>,
}

impl LteProfile {
    /// The profile of a cell.
    pub(super) fn of(fields: &LteFields) -> LteProfile {
        let sib1 = fields.sib1.as_ref();
        let layers = fields.sib5.as_ref().map(|layers| {
            let known = |layer: &crate::observation::lte::EutraLayer| {
                Some((lte_downlink(layer.earfcn)?.0 as u64, layer.priority.unwrap_or(0)))
            };
            layers.iter().filter_map(known).collect()
        });
        LteProfile {
            prb: fields.mib.map(|mib| mib.prb),
            ports: fields.radio.map(|radio| radio.ports),
            eci: sib1.map(|sib1| sib1.eci),
            scheduled: sib1.map(scheduled),
            warns: sib1.map(|sib1| schedules(sib1, &WARNING_TYPES)),
            value_tag: sib1.map(|sib1| sib1.value_tag),
            intra_freq_allowed: sib1.map(|sib1| sib1.intra_freq_reselection_allowed),
            q_rx_lev_min: q_rx_lev_min(fields),
            p_max_dbm: sib1.and_then(|sib1| sib1.p_max_dbm),
            bars: fields.sib2.as_ref().map(|_| bars(fields).is_some()),
            timers: timers(fields),
            prach: prach(fields),
            priority: fields.sib3.map(|sib3| sib3.priority),
            extreme_search: fields.sib3.map(|sib3| extremes(&sib3).len() >= 2),
            layers,
            geran: fields.sib7.as_ref().map(|sib7| geran(sib7).into_keys().take(MAX_GERAN).collect()),
        }
    }

    /// Keeps from `old` what is not known now.
    pub(super) fn complete(&mut self, old: LteProfile) {
        let known = self.scheduled.is_some();
        self.prb = self.prb.or(old.prb);
        self.ports = self.ports.or(old.ports);
        self.bars = self.bars.or(old.bars);
        self.timers = self.timers.or(old.timers);
        self.prach = self.prach.or(old.prach);
        self.priority = self.priority.or(old.priority);
        self.extreme_search = self.extreme_search.or(old.extreme_search);
        self.layers = self.layers.take().or(old.layers);
        self.geran = self.geran.take().or(old.geran);
        if !known {
            (self.eci, self.scheduled, self.warns) = (old.eci, old.scheduled, old.warns);
            (self.value_tag, self.intra_freq_allowed) = (old.value_tag, old.intra_freq_allowed);
            self.p_max_dbm = old.p_max_dbm;
        }
        self.q_rx_lev_min = self.q_rx_lev_min.or(old.q_rx_lev_min);
    }
}

/// Types that SIB1 schedules, without public warnings; the first message carries type 2 unmentioned.
pub(super) fn scheduled(sib1: &Sib1) -> BTreeSet<u8> {
    let named = sib1.scheduling.iter().flat_map(|message| message.sib_types.iter().copied());
    named.chain([2]).filter(|number| !WARNING_TYPES.contains(number)).collect()
}

/// SIB1 schedules one of these types.
pub(super) fn schedules(sib1: &Sib1, types: &[u8]) -> bool {
    sib1.scheduling.iter().flat_map(|message| &message.sib_types).any(|number| types.contains(number))
}

/// The least q-RxLevMin that the cell asks for.
pub(super) fn q_rx_lev_min(fields: &LteFields) -> Option<i8> {
    let of_sib1 = fields.sib1.as_ref().map(|sib1| sib1.q_rx_lev_min);
    of_sib1.into_iter().chain(fields.sib3.map(|sib3| sib3.q_rx_lev_min)).min()
}

/// What access class barring keeps from everybody, in words; `None` where it does not.
pub(super) fn bars(fields: &LteFields) -> Option<&'static str> {
    let barring = fields.sib2.as_ref()?.ac_barring?;
    let nobody =
        |config: Option<crate::observation::lte::AcBarringConfig>| config.is_some_and(|c| c.factor_percent == 0);
    let all = nobody(barring.mo_signalling) && nobody(barring.mo_data);
    match (barring.emergency, all) {
        (true, true) => Some("emergency calls, all signalling and all data"),
        (true, false) => Some("emergency calls"),
        (false, true) => Some("all signalling and all data"),
        (false, false) => None,
    }
}

/// t300, t301, t310, n310, t311, n311.
pub(super) fn timers(fields: &LteFields) -> Option<[u16; 6]> {
    let t = fields.sib2.as_ref()?.ue_timers;
    Some([t.t300_ms, t.t301_ms, t.t310_ms, t.n310.into(), t.t311_ms, t.n311.into()])
}

/// prach-ConfigIndex and zeroCorrelationZoneConfig; the root sequence is each cell's own.
pub(super) fn prach(fields: &LteFields) -> Option<[u8; 2]> {
    let prach = fields.sib2.as_ref()?.prach;
    Some([prach.config_index, prach.zero_correlation_zone])
}

/// Which of s-IntraSearch, s-NonIntraSearch and threshServingLow stand at the end that makes phones search and leave always.
pub(super) fn extremes(sib3: &Sib3) -> Vec<&'static str> {
    let ends = [
        ("s-IntraSearch 31", sib3.s_intra_search == Some(WIDEST)),
        ("s-NonIntraSearch absent or 31", sib3.s_non_intra_search.is_none_or(|s| s == WIDEST)),
        ("threshServingLow 31", sib3.thresh_serving_low == WIDEST),
    ];
    ends.into_iter().filter(|(_, at_end)| *at_end).map(|(name, _)| name).collect()
}

/// GSM carriers of SIB7, hertz, and their channel numbers.
pub(super) fn geran(sib7: &Sib7) -> BTreeMap<u64, u16> {
    let of_layer = |layer: &crate::observation::lte::GeranLayer| {
        let pcs = layer.pcs1900;
        let carrier = move |&arfcn: &u16| Some((gsm_downlink(arfcn, pcs)?.0 as u64, arfcn));
        layer.arfcns.iter().filter_map(carrier).collect::<Vec<_>>()
    };
    sib7.layers.iter().flat_map(of_layer).collect()
}
