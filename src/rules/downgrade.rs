//! Rules on an LTE cell that sends phones down to older standards, where a blaster waits: RS-11, RS-12.
//!
//! ## References
//! - 3GPP TS 36.304 Release 17, clause 5.2.4.5 (reselection between standards by absolute priority)
//! - 3GPP TS 36.331 Release 17, clause 6.3.1 (SIB3, SIB5, SIB6, SIB7)

use super::lte_profile::{geran, schedules};
use super::rule::{About, Basis, Case, Judgement, Rule, WhenLicensed, evidence, fires, most};
use crate::cell::{Plmn, Rat};
use crate::observation::Tier;
use crate::observation::lte::LteFields;
use crate::units::Nanos;
use std::collections::BTreeMap;

/// RS-11.
#[derive(Debug)]
pub(super) struct LegacyFirst;

static RS_11: About = About {
    id: "RS-11",
    version: 1,
    tier: Tier::A,
    title: "Older standards preferred to LTE",
    description: "LTE: a priority in SIB6 or SIB7 is higher than each that SIB3 and SIB5 give LTE (tier A; judged when SIB3 and, if SIB1 schedules it, \
                  SIB5 are there). Or SIB7 lists GSM carriers while SIB5 is not scheduled at all, and most siblings schedule it (tier B; context, C, \
                  where no siblings are known).",
    source: "rule RS-11 of the catalogue; rayhunter's rule on SIB6 and SIB7 downgrades; TS 36.304 clause 5.2.4.5",
    innocent: &[
        "a slip in a licensed cell's planning",
        "an operator with one LTE carrier that falls back to GSM for calls",
    ],
    when_licensed: WhenLicensed::OneLess,
};

const TO_UTRA: &[Basis] = &[Basis::Identity, Basis::Sib(3), Basis::Sib(6)];
const TO_GERAN: &[Basis] = &[Basis::Identity, Basis::Sib(3), Basis::Sib(7)];
const GERAN: &[Basis] = &[Basis::Identity, Basis::Sib(7)];

impl Rule for LegacyFirst {
    fn about(&self) -> &'static About {
        &RS_11
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(fields) = case.lte else { return Judgement::Unknown };
        let (Some(sib1), Some(_)) = (&fields.sib1, fields.sib3) else { return Judgement::Unknown };
        if schedules(sib1, &[5]) && fields.sib5.is_none() {
            return Judgement::Unknown;
        }
        if let Judgement::Fires(verdict) = higher(fields) {
            return Judgement::Fires(verdict);
        }
        let lists = fields.sib7.as_ref().is_some_and(|sib7| sib7.layers.iter().any(|layer| !layer.arfcns.is_empty()));
        if !lists || schedules(sib1, &[5]) {
            return Judgement::Quiet;
        }
        let usual = case.lte_values(|p| p.scheduled.as_ref().map(|types| types.contains(&5)));
        let (tier, expected) = match usual.map(|values| most(&values)) {
            None => (Tier::C, "SIB5 with LTE carriers; what siblings do is not known"),
            Some(true) => (Tier::B, "SIB5 with LTE carriers, as most siblings"),
            Some(false) => return Judgement::Quiet,
        };
        fires(tier, GERAN, vec![evidence("ways out", "GSM alone, no other LTE carrier", expected)])
    }
}

/// A priority of GSM or UMTS above all of LTE's.
fn higher(fields: &LteFields) -> Judgement {
    let (Some(legacy), Some(eutra)) = (fields.highest_legacy_priority(), fields.highest_eutra_priority()) else {
        return Judgement::Quiet;
    };
    if legacy <= eutra {
        return Judgement::Quiet;
    }
    let to_geran = fields.sib7.iter().flat_map(|sib7| &sib7.layers).any(|layer| layer.priority == Some(legacy));
    let (to, basis) = if to_geran { ("GSM (SIB7)", TO_GERAN) } else { ("UMTS (SIB6)", TO_UTRA) };
    let expected = format!("at most {eutra}, the highest of LTE");
    fires(Tier::A, basis, vec![evidence(&format!("priority of {to}"), legacy.to_string(), expected)])
}

/// RS-12.
#[derive(Debug)]
pub(super) struct SuspectTarget;

static RS_12: About = About {
    id: "RS-12",
    version: 1,
    tier: Tier::A,
    title: "Sends phones to a GSM carrier that is nobody's, or a suspect's",
    description: "LTE: SIB7 lists a GSM carrier that no sibling lists and on which a GSM cell with a finding of tier A was heard in the last 24 h (tier A; \
                  B where fewer than `min_siblings` siblings with SIB7 are known), or that no GSM licence of the cell's networks names, though there are such (B).",
    source: "rule RS-12 of the catalogue: the staged blaster, an LTE lure beside a GSM blaster",
    innocent: &[
        "a neighbour list that is out of date",
        "national roaming to another operator's GSM",
        "a gap in the register",
    ],
    when_licensed: WhenLicensed::Context,
};

/// How long a suspect's carrier counts. Chosen: a day, as for neighbours that are not heard.
const SUSPECT_FOR: Nanos = Nanos::from_secs(86_400);

impl Rule for SuspectTarget {
    fn about(&self) -> &'static About {
        &RS_12
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(sib7) = case.lte.and_then(|fields| fields.sib7.as_ref()) else { return Judgement::Unknown };
        let known = case.lte_siblings().filter(|p| p.geran.is_some()).count();
        let usual = |hz: &u64| case.lte_siblings().any(|p| p.geran.as_ref().is_some_and(|listed| listed.contains(hz)));
        let own: BTreeMap<u64, u16> = geran(sib7).into_iter().filter(|(hz, _)| !usual(hz)).collect();
        let names = |arfcns: &[u16]| arfcns.iter().take(8).map(u16::to_string).collect::<Vec<_>>().join(", ");
        let now = case.observation.at_ns;
        let suspects: Vec<u16> = own
            .iter()
            .filter(|(hz, _)| case.baseline.is_suspect(**hz, now, SUSPECT_FOR))
            .map(|(_, &arfcn)| arfcn)
            .collect();
        if !suspects.is_empty() {
            let tier = if known >= case.config.min_siblings { Tier::A } else { Tier::B };
            let value = format!("{}: a suspect's", names(&suspects));
            return fires(tier, GERAN, vec![evidence("GSM carriers of SIB7 (ARFCN)", value, "a licensed cell's")]);
        }
        let Some(register) = case.register else { return Judgement::Quiet };
        let licensed = |plmn: &Plmn| register.carriers(Rat::Gsm, *plmn);
        if !case.plmns().iter().any(|plmn| licensed(plmn).is_some()) {
            return Judgement::Quiet;
        }
        let of_somebody = |hz: &u64| case.plmns().iter().filter_map(licensed).any(|carriers| carriers.contains(hz));
        let strange: Vec<u16> = own.iter().filter(|(hz, _)| !of_somebody(hz)).map(|(_, &arfcn)| arfcn).collect();
        if strange.is_empty() {
            return Judgement::Quiet;
        }
        let value = format!("{}: no GSM licence of the network", names(&strange));
        fires(Tier::B, GERAN, vec![evidence("GSM carriers of SIB7 (ARFCN)", value, "a licensed cell's")])
    }
}
