//! Rules on the structure of the GSM broadcast: SI-01, SI-08, SI-09.
//!
//! ## References
//! - 3GPP TS 44.018 Release 17, clauses 9.1.32 (SI2, neighbour cell description) and 10.5.2.34 (SI3 rest octets)
//! - 3GPP TS 45.002 Release 17, clause 6.3.1.3 (which type comes at which TC)

use super::rule::{About, Basis, Case, Judgement, Rule, WhenLicensed, evidence, fires};
use super::stacks::{is_minimal_schedule, schedule_in_words};
use crate::cell::{gsm_arfcn, gsm_downlink};
use crate::observation::Tier;
use crate::observation::gsm::{GsmFields, SiType};
use std::collections::BTreeSet;

const SI2: &[Basis] = &[Basis::Message("SI2")];
const SI3: &[Basis] = &[Basis::Message("SI3")];
const SI1_TO_4: &[Basis] =
    &[Basis::Message("SI1"), Basis::Message("SI2"), Basis::Message("SI3"), Basis::Message("SI4")];
/// Carriers that must have been heard before silence of others means something; a start value.
const MIN_CARRIERS: usize = 3;

/// The GSM neighbours of SI2, SI2bis and SI2ter; `None` while one of them is known to be missing.
fn neighbours(fields: &GsmFields) -> Option<BTreeSet<u16>> {
    let si2 = fields.neighbours_si2.as_ref()?;
    let ter_announced = fields.si3_rest.as_ref().is_some_and(|rest| rest.si2ter);
    if ter_announced && fields.neighbours_si2ter.is_none() {
        return None;
    }
    let more = [&fields.neighbours_si2bis, &fields.neighbours_si2ter];
    Some(si2.iter().chain(more.into_iter().flatten().flatten()).copied().collect())
}

/// SI-01.
#[derive(Debug)]
pub(super) struct NeighbourList;

static SI_01: About = About {
    id: "SI-01",
    version: 1,
    tier: Tier::A,
    title: "Neighbour list empty, of itself, or of silence",
    description: "The GSM neighbour lists name only the cell's own channel (tier A) or nothing (B; C where neighbours of other standards are \
                  listed). Context (C): none of the listed channels inside the range that the node hears was heard for `unheard_s`, while at least \
                  three others were; a node does not say which channels it listened to. Judged when SI2, and SI2ter where SI3 announces it, are there.",
    source: "rule SI-01 of the catalogue; OpenBTS lists its own C0 when it has no neighbours; SITCH alert 141",
    innocent: &["a single site on an island or in a valley", "railway (GSM-R) cells", "a cell being commissioned"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for NeighbourList {
    fn about(&self) -> &'static About {
        &SI_01
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(fields) = case.gsm else { return Judgement::Unknown };
        let Some(listed) = neighbours(fields) else { return Judgement::Unknown };
        let expected = "the channels of the cells around it";
        let own = gsm_arfcn(case.observation.cell.center_hz);
        if own.is_some_and(|own| listed.len() == 1 && listed.contains(&own)) {
            let value = format!("its own channel only, {}", own.unwrap_or_default());
            return fires(Tier::A, SI2, vec![evidence("neighbours", value, expected)]);
        }
        if listed.is_empty() {
            let other = fields.other_rats.as_ref().is_some_and(|o| !o.utran_fdd.is_empty() || !o.eutran.is_empty());
            let (tier, value) = if other { (Tier::C, "none in GSM, some in others") } else { (Tier::B, "none") };
            return fires(tier, SI2, vec![evidence("neighbours", value, expected)]);
        }
        unheard(case, &listed)
    }
}

/// None of the listed channels within the heard range was heard for long.
fn unheard(case: &Case<'_>, listed: &BTreeSet<u16>) -> Judgement {
    let (now, span) = (case.observation.at_ns, case.config.thresholds.unheard);
    let watched = case.baseline.since().is_some_and(|since| now - since >= span) && now - case.memory.first >= span;
    let mut heard = case.baseline.carriers_heard(now, span);
    heard.retain(|&hz| hz != case.observation.cell.center_hz);
    let (Some(&low), Some(&high)) = (heard.first(), heard.last()) else { return Judgement::Quiet };
    if !watched || heard.len() < MIN_CARRIERS {
        return Judgement::Quiet;
    }
    let pcs = case.observation.cell.center_hz > 1_900_000_000;
    let hz = |&arfcn: &u16| gsm_downlink(arfcn, pcs).map(|carrier| carrier.0 as u64);
    let in_range = |&arfcn: &u16| hz(&arfcn).filter(|hz| (low..=high).contains(hz)).map(|hz| (arfcn, hz));
    let reachable: Vec<(u16, u64)> = listed.iter().filter_map(in_range).collect();
    if reachable.is_empty() || reachable.iter().any(|(_, hz)| heard.binary_search(hz).is_ok()) {
        return Judgement::Quiet;
    }
    let names: Vec<String> = reachable.iter().take(16).map(|(arfcn, _)| arfcn.to_string()).collect();
    let hours = span.0 / 3_600_000_000_000;
    let value = format!("{}: none heard for {hours} h", names.join(", "));
    fires(Tier::C, SI2, vec![evidence("neighbours", value, "channels that are on air here")])
}

/// SI-08.
#[derive(Debug)]
pub(super) struct MinimalSchedule;

static SI_08: About = About {
    id: "SI-08",
    version: 1,
    tier: Tier::A,
    title: "Only the minimal set of system information, in fixed order",
    description: "SI1, 2, 3, 4 come at TC 0 to 7 as 1 2 3 4 3 2 3 4 (or 13 at TC 4) and no 2bis, 2ter or 2quater at all: tier A together with a \
                  neighbour list of SI-01 (empty or of itself); B where most siblings send 2bis, 2ter or 2quater; C where no siblings are known and TC 4 \
                  brings SI3; not at all where most siblings are as minimal.",
    source: "rule SI-08 of the catalogue; OpenBTS beacon schedule; TS 45.002 clause 6.3.1.3",
    innocent: &["an old cell without neighbours in other standards", "a rural cell without GPRS"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for MinimalSchedule {
    fn about(&self) -> &'static About {
        &SI_08
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(fields) = case.gsm else { return Judgement::Unknown };
        match is_minimal_schedule(fields) {
            None => return Judgement::Unknown,
            Some(false) => return Judgement::Quiet,
            Some(true) => {}
        }
        let lists_nothing = match NeighbourList.judge(case) {
            Judgement::Fires(verdict) => verdict.tier <= Tier::B,
            _ => false,
        };
        let extended = case.most_siblings(|p| p.extended_neighbours);
        let mut lines =
            vec![evidence("SI types by TC", schedule_in_words(fields), "also 2bis, 2ter, 2quater or others")];
        let tier = match (lists_nothing, extended) {
            (true, _) => Tier::A,
            (false, Some(true)) => Tier::B,
            // With GPRS and no neighbours in other standards this order is common.
            (false, None) if fields.schedule[4] != Some(SiType::Si13) => Tier::C,
            (false, _) => return Judgement::Quiet,
        };
        if lists_nothing {
            lines.push(evidence("neighbours", "none but itself", "the channels of the cells around it"));
        }
        if extended == Some(true) {
            lines.push(evidence("siblings", "most send 2bis, 2ter or 2quater", "alike"));
        }
        fires(tier, SI1_TO_4, lines)
    }
}

/// SI-09.
#[derive(Debug)]
pub(super) struct EmptyRestOctets;

static SI_09: About = About {
    id: "SI-09",
    version: 1,
    tier: Tier::B,
    title: "SI3 rest octets empty",
    description: "The SI3 rest octets are all padding: no selection parameters, no GPRS indicator, no pointer to other types (tier B). Not where \
                  most siblings are the same.",
    source: "rule SI-09 of the catalogue; OpenBTS sends no rest octets by default; TS 44.018 clause 10.5.2.34",
    innocent: &["an old voice-only cell", "an operator whose cells are all so (then siblings silence the rule)"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for EmptyRestOctets {
    fn about(&self) -> &'static About {
        &SI_09
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(rest) = case.gsm.and_then(|fields| fields.si3_rest.as_ref()) else { return Judgement::Unknown };
        let siblings = case.most_siblings(|p| p.rest_padding);
        if !rest.padding_only || siblings == Some(true) {
            return Judgement::Quiet;
        }
        let known = if siblings == Some(false) { "as most siblings" } else { "as public cells commonly do" };
        let expected = format!("selection parameters, GPRS indicator or others, {known}");
        fires(Tier::B, SI3, vec![evidence("SI3 rest octets", "padding only", expected)])
    }
}
