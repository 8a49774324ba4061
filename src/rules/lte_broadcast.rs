//! Rules on the structure of the LTE broadcast: SI-05, SI-06, SI-11, SI-14, SI-15.
//!
//! ## References
//! - 3GPP TS 36.331 Release 17, clauses 5.2.1 (schedule, value tag), 6.2.2 and 6.3.1

use super::lte_profile::{prach, scheduled, timers};
use super::plan::NetworkStatus;
use super::rule::{About, Basis, Case, Judgement, Rule, STRONG, WhenLicensed, evidence, fires, most};
use crate::observation::Tier;
use crate::units::{Db, Nanos};
use std::collections::BTreeSet;

const SIB1: &[Basis] = &[Basis::Identity];
const SIB1_AND_2: &[Basis] = &[Basis::Identity, Basis::Sib(2)];

fn in_words(types: &BTreeSet<u8>) -> String {
    types.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

/// SI-05.
#[derive(Debug)]
pub(super) struct FewTypes;

static SI_05: About = About {
    id: "SI-05",
    version: 1,
    tier: Tier::B,
    title: "Hardly any system information scheduled",
    description: "LTE: SIB1 schedules types 2 and 3 (and 13) at most, where no sibling has the same set and most schedule more (tier B). Context (C) \
                  where no siblings are known, and for a larger set that lacks types which all siblings have. Types are counted, not messages; public \
                  warnings do not count.",
    source: "rule SI-05 of the catalogue; rayhunter's rule on incomplete system information; defaults of srsRAN and OAI",
    innocent: &[
        "a small cell without neighbours on other carriers",
        "an operator with a single carrier (then siblings silence the rule)",
    ],
    when_licensed: WhenLicensed::Context,
};

impl Rule for FewTypes {
    fn about(&self) -> &'static About {
        &SI_05
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(sib1) = case.lte.and_then(|fields| fields.sib1.as_ref()) else { return Judgement::Unknown };
        let types = scheduled(sib1);
        let minimal = |types: &BTreeSet<u8>| types.iter().all(|number| matches!(number, 2 | 3 | 13));
        let Some(siblings) = case.lte_values(|p| p.scheduled.as_ref()) else {
            if !minimal(&types) {
                return Judgement::Quiet;
            }
            let line = evidence("SIB types scheduled", in_words(&types), "more; the siblings' are not known");
            return fires(Tier::C, SIB1, vec![line]);
        };
        if siblings.contains(&&types) {
            return Judgement::Quiet;
        }
        let more: Vec<bool> = siblings.iter().map(|types| !minimal(types)).collect();
        let common: BTreeSet<u8> =
            siblings.iter().skip(1).fold((*siblings[0]).clone(), |common, types| &common & *types);
        let (tier, expected) = if minimal(&types) && most(&more) {
            (Tier::B, format!("as one of {} siblings, most of which schedule more", siblings.len()))
        } else if !common.is_subset(&types) {
            (Tier::C, format!("at least {}, which all {} siblings schedule", in_words(&common), siblings.len()))
        } else {
            return Judgement::Quiet;
        };
        fires(tier, SIB1, vec![evidence("SIB types scheduled", in_words(&types), expected)])
    }
}

/// SI-06.
#[derive(Debug)]
pub(super) struct AnnouncedButAbsent;

static SI_06: About = About {
    id: "SI-06",
    version: 1,
    tier: Tier::B,
    title: "System information announced but not sent",
    description: "LTE: another message of system information is received and of one that SIB1 schedules no type has been received for 4 of its \
                  periods and 20 s of one stream, at 10 dB or more per reference element, with no samples lost or at full scale (tier B).",
    source: "rule SI-06 of the catalogue; TS 36.331 clause 5.2.1.2",
    innocent: &["interference in the message's window alone", "a message in a coding that the receiver does not read"],
    when_licensed: WhenLicensed::Context,
};

/// Periods that must have passed. Catalogue: 4.
const MISSED_PERIODS: i64 = 4;
/// And the least time. Chosen: three of the longest periods (512 frames) and some.
const MISSED_FOR: Nanos = Nanos::from_secs(20);
/// Catalogue: 10 dB.
const RECEIVABLE: Db = Db(10.0);

impl Rule for AnnouncedButAbsent {
    fn about(&self) -> &'static About {
        &SI_06
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(fields) = case.lte else { return Judgement::Unknown };
        let (Some(sib1), Some(since)) = (&fields.sib1, case.memory.lte.schedule_since()) else {
            return Judgement::Unknown;
        };
        let receiver = &case.observation.receiver;
        // A node whose stream does not hold the cell's whole bandwidth receives none of it.
        if fields.sib_types.is_empty() {
            return Judgement::Unknown;
        }
        if case.observation.snr_db < RECEIVABLE || receiver.clipped_ppm > 0 || receiver.lost_samples > 0 {
            return Judgement::Unknown;
        }
        let heard_for = case.observation.at_ns - since.max(case.observation.first_ns);
        let missing = sib1.scheduling.iter().enumerate().find(|(at, message)| {
            let wait = Nanos(MISSED_PERIODS * i64::from(message.period_frames) * 10_000_000).max(MISSED_FOR);
            let received = |number: &u8| fields.sib_types.contains(number);
            let types = &message.sib_types;
            // Type 0 stands for one of a release that is not known here.
            let judged = !types.is_empty() && !types.contains(&0);
            judged && heard_for >= wait && !types.iter().any(received) && !(*at == 0 && received(&2))
        });
        let Some((_, message)) = missing else { return Judgement::Quiet };
        let types: BTreeSet<u8> = message.sib_types.iter().copied().collect();
        let value = format!("SIB {}: not received", in_words(&types));
        let expected = format!("every {} ms, as SIB1 says", 10 * u32::from(message.period_frames));
        fires(Tier::B, SIB1, vec![evidence("scheduled system information", value, expected)])
    }
}

/// SI-11.
#[derive(Debug)]
pub(super) struct SilentChange;

static SI_11: About = About {
    id: "SI-11",
    version: 1,
    tier: Tier::C,
    title: "System information changes without notice",
    description: "LTE: the content of SIB2 (without access class barring) to SIB7 changed while systemInfoValueTag stayed the same, and still did a \
                  minute later; or the tag is 0, the cell has been heard for a day, and most siblings have another (context, C).",
    source: "rule SI-11 of the catalogue; TS 36.331 clause 5.2.1.3; srsRAN and OAI always send tag 0",
    innocent: &[
        "a network that announces changes by paging alone",
        "an operator that never changes its system information",
    ],
    when_licensed: WhenLicensed::Silent,
};

/// The tag is a start value for a while after each change of software: a day shows that nobody changes anything.
const TAG_ZERO_FOR: Nanos = Nanos::from_secs(86_400);
/// A change without notice is told for so long.
const TOLD_FOR: Nanos = Nanos::from_secs(86_400);

impl Rule for SilentChange {
    fn about(&self) -> &'static About {
        &SI_11
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(sib1) = case.lte.and_then(|fields| fields.sib1.as_ref()) else { return Judgement::Unknown };
        let now = case.observation.at_ns;
        if let Some(types) = case.memory.lte.unannounced(now, TOLD_FOR) {
            let types: BTreeSet<u8> = types.iter().copied().collect();
            let value = format!("SIB {} changed, tag still {}", in_words(&types), sib1.value_tag);
            return fires(Tier::C, SIB1, vec![evidence("systemInfoValueTag", value, "a new value for new content")]);
        }
        let moves = |values: Vec<bool>| most(&values);
        let others = case.lte_values(|p| p.value_tag.map(|tag| tag != 0)).is_some_and(moves);
        if sib1.value_tag == 0 && now - case.memory.first >= TAG_ZERO_FOR && others {
            return fires(
                Tier::C,
                SIB1,
                vec![evidence("systemInfoValueTag", "0 for a day", "not 0, as most siblings")],
            );
        }
        Judgement::Quiet
    }
}

/// SI-14.
#[derive(Debug)]
pub(super) struct UnusualParameters;

static SI_14: About = About {
    id: "SI-14",
    version: 1,
    tier: Tier::C,
    title: "Radio parameters that no sibling has",
    description: "LTE: at least two of p-Max, the timers and constants of terminals, and the PRACH configuration (index and zero correlation zone) \
                  are as no sibling has them (context, C).",
    source: "rule SI-14 of the catalogue",
    innocent: &["a small cell or another vendor's station", "a site with an unusual radius"],
    when_licensed: WhenLicensed::Silent,
};

impl Rule for UnusualParameters {
    fn about(&self) -> &'static About {
        &SI_14
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(fields) = case.lte else { return Judgement::Unknown };
        let (Some(sib1), Some(own_timers), Some(own_prach)) = (&fields.sib1, timers(fields), prach(fields)) else {
            return Judgement::Unknown;
        };
        let (Some(p_max), Some(of_timers), Some(of_prach)) = (
            case.lte_values(|p| p.scheduled.as_ref().map(|_| p.p_max_dbm)),
            case.lte_values(|p| p.timers),
            case.lte_values(|p| p.prach),
        ) else {
            return Judgement::Unknown;
        };
        let mut lines = Vec::new();
        let expected = |count: usize| format!("as one of {count} siblings");
        if !p_max.contains(&sib1.p_max_dbm) {
            let value = sib1.p_max_dbm.map_or("absent".to_owned(), |p| p.to_string());
            lines.push(evidence("p-Max dBm", value, expected(p_max.len())));
        }
        if !of_timers.contains(&own_timers) {
            let what = "t300 / t301 / t310 / n310 / t311 / n311";
            lines.push(evidence(what, format!("{own_timers:?}"), expected(of_timers.len())));
        }
        if !of_prach.contains(&own_prach) {
            let what = "PRACH index / zero correlation zone";
            lines.push(evidence(what, format!("{own_prach:?}"), expected(of_prach.len())));
        }
        if lines.len() < 2 { Judgement::Quiet } else { fires(Tier::C, SIB1_AND_2, lines) }
    }
}

/// SI-15.
#[derive(Debug)]
pub(super) struct ClosedCell;

static SI_15: About = About {
    id: "SI-15",
    version: 1,
    tier: Tier::C,
    title: "Public network, closed cell",
    description: "LTE: with a public PLMN the cell is a closed subscriber group's, reserved for operator use, or barred at 20 dB or more per \
                  reference element (context, C).",
    source: "rule SI-15 of the catalogue; TS 36.304 clause 5.3.1",
    innocent: &["a site being commissioned or under maintenance", "a home or company cell"],
    when_licensed: WhenLicensed::Silent,
};

impl Rule for ClosedCell {
    fn about(&self) -> &'static About {
        &SI_15
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(sib1) = case.lte.and_then(|fields| fields.sib1.as_ref()) else { return Judgement::Unknown };
        let operates = |n: &super::plan::Network| n.status != NetworkStatus::Defunct;
        let public = case.plmns().iter().any(|&plmn| case.config.plan.network(plmn).is_some_and(operates));
        let mut lines = Vec::new();
        if sib1.csg_indication {
            lines.push(evidence("csg-Indication", "true", "false in a public cell"));
        }
        if sib1.plmns.iter().any(|entry| entry.reserved_for_operator_use) {
            lines.push(evidence("cellReservedForOperatorUse", "reserved", "not reserved in a public cell"));
        }
        if sib1.cell_barred && case.memory.was_heard_at(STRONG) {
            lines.push(evidence("cellBarred", "barred, and strong", "not barred"));
        }
        if !public || lines.is_empty() { Judgement::Quiet } else { fires(Tier::C, SIB1, lines) }
    }
}
