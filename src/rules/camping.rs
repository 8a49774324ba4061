//! Rules on what draws phones to an LTE cell, keeps them there or locks them out: RS-07, RS-08, RS-09, RS-10, RS-14.
//!
//! ## References
//! - 3GPP TS 36.304 Release 17, clauses 5.2.4 (reselection) and 5.3.1 (barred cells)
//! - 3GPP TS 36.331 Release 17, clause 6.3.1

use super::lte_profile::{bars, extremes, q_rx_lev_min};
use super::rule::{About, Basis, Case, Judgement, Rule, STRONG, WhenLicensed, evidence, fires, median, most};
use crate::observation::Tier;

const SIB1: &[Basis] = &[Basis::Identity];
const SIB2: &[Basis] = &[Basis::Identity, Basis::Sib(2)];
const SIB3: &[Basis] = &[Basis::Identity, Basis::Sib(3)];

/// RS-07.
#[derive(Debug)]
pub(super) struct ReselectionPriority;

static RS_07: About = About {
    id: "RS-07",
    version: 1,
    tier: Tier::B,
    title: "Reselection priority above every layer of the operator",
    description: "LTE: cellReselectionPriority of the cell's own carrier in SIB3 is higher than that of each sibling and than any that the siblings \
                  give a carrier in SIB5 (tier B). Where no siblings are known, priority 7 is context (C). Not in a closed subscriber group's cell, which nobody \
                  else camps on.",
    source: "rule RS-07 of the catalogue; OAI 883724b sends 7; TS 36.304 clause 5.2.4.1",
    innocent: &["a capacity layer, which legitimately has 6 or 7", "a small cell made attractive on purpose"],
    when_licensed: WhenLicensed::Context,
};

/// The highest value of cellReselectionPriority; TS 36.331 clause 6.3.4.
const HIGHEST: u8 = 7;

impl Rule for ReselectionPriority {
    fn about(&self) -> &'static About {
        &RS_07
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(own) = case.lte.and_then(|fields| fields.sib3).map(|sib3| sib3.priority) else {
            return Judgement::Unknown;
        };
        // Nobody but its subscribers camps on a closed cell, whatever its priority; SI-15 tells of it.
        if case.lte.and_then(|fields| fields.sib1.as_ref()).is_some_and(|sib1| sib1.csg_indication) {
            return Judgement::Quiet;
        }
        let what = "cellReselectionPriority";
        let Some(siblings) = case.lte_values(|p| p.priority) else {
            let expected = "below 7; the siblings' priorities are not known";
            let line = || evidence(what, own.to_string(), expected);
            return if own == HIGHEST { fires(Tier::C, SIB3, vec![line()]) } else { Judgement::Quiet };
        };
        let told = case.lte_siblings().filter_map(|p| p.layers.as_ref()).flat_map(|layers| layers.values().copied());
        let highest = siblings.iter().copied().chain(told).max().unwrap_or(HIGHEST);
        if own <= highest {
            return Judgement::Quiet;
        }
        let expected = format!("at most {highest}, the highest that {} siblings have or give", siblings.len());
        fires(Tier::B, SIB3, vec![evidence(what, own.to_string(), expected)])
    }
}

/// RS-08.
#[derive(Debug)]
pub(super) struct LowLevel;

static RS_08: About = About {
    id: "RS-08",
    version: 1,
    tier: Tier::B,
    title: "Takes LTE phones at any level",
    description: "LTE: the least q-RxLevMin of SIB1 and SIB3 is at least `below_siblings_db` (8 dB) below the siblings' median and below each of them \
                  (tier B). Where no siblings are known, -140 dBm is context (C).",
    source: "rule RS-08 of the catalogue; OAI 883724b sends -65 and -70 (2 dBm); TS 36.304 clause 5.2.3.2",
    innocent: &["a coverage site that is meant to reach far"],
    when_licensed: WhenLicensed::Context,
};

/// The least value of q-RxLevMin, 2 dBm; TS 36.331 clause 6.3.4.
const LEAST: i8 = -70;

impl Rule for LowLevel {
    fn about(&self) -> &'static About {
        &RS_08
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(own) = case.lte.and_then(q_rx_lev_min) else { return Judgement::Unknown };
        let what = "q-RxLevMin dBm";
        let value = (2 * i16::from(own)).to_string();
        let Some(mut siblings) = case.lte_values(|p| p.q_rx_lev_min) else {
            let expected = "above -140; the siblings' level is not known";
            let line = || evidence(what, value.clone(), expected);
            return if own == LEAST { fires(Tier::C, SIB1, vec![line()]) } else { Judgement::Quiet };
        };
        siblings.sort_unstable();
        let below = 2 * (i16::from(median(&siblings)) - i16::from(own));
        if own >= siblings[0] || below < i16::from(case.config.thresholds.q_rx_lev_below_siblings) {
            return Judgement::Quiet;
        }
        let expected = format!("about {}, the siblings' median", 2 * i16::from(median(&siblings)));
        fires(Tier::B, SIB1, vec![evidence(what, value, expected)])
    }
}

/// RS-09.
#[derive(Debug)]
pub(super) struct SearchThresholds;

static RS_09: About = About {
    id: "RS-09",
    version: 1,
    tier: Tier::B,
    title: "Search thresholds at their ends",
    description: "LTE: at least two of s-IntraSearch 31, s-NonIntraSearch absent or 31, threshServingLow 31 (tier B; context, C, where no siblings \
                  are known; not where a sibling is the same).",
    source: "rule RS-09 of the catalogue; OAI 883724b sends 31, absent, 31; TS 36.304 clause 5.2.4.2",
    innocent: &["a cell under test", "an operator whose cells are all so (then siblings silence the rule)"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for SearchThresholds {
    fn about(&self) -> &'static About {
        &RS_09
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(sib3) = case.lte.and_then(|fields| fields.sib3) else { return Judgement::Unknown };
        let ends = extremes(&sib3);
        if ends.len() < 2 {
            return Judgement::Quiet;
        }
        let (tier, expected) = match case.lte_values(|p| p.extreme_search) {
            None => (Tier::C, "values between; the siblings' are not known".to_owned()),
            Some(siblings) if siblings.contains(&true) => return Judgement::Quiet,
            Some(siblings) => (Tier::B, format!("values between, as all {} siblings", siblings.len())),
        };
        fires(tier, SIB3, vec![evidence("search thresholds, 2 dB", ends.join(", "), expected)])
    }
}

/// RS-10.
#[derive(Debug)]
pub(super) struct IntraFrequency;

static RS_10: About = About {
    id: "RS-10",
    version: 1,
    tier: Tier::B,
    title: "Keeps phones from the other cells of its carrier",
    description: "LTE: intraFreqReselection is not allowed in an open cell (tier B where most siblings allow it, C where none are known, not at all \
                  where most do not). Or in a barred cell at 20 dB or more per reference element, which drives phones off its carrier for 300 s: tier B \
                  where a sibling uses the carrier and the cell was never heard open, else C.",
    source: "rule RS-10 of the catalogue; OAI 883724b never allows it; TS 36.304 clause 5.3.1",
    innocent: &["a cell under maintenance or being commissioned", "a template that is filled in without thought"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for IntraFrequency {
    fn about(&self) -> &'static About {
        &RS_10
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(sib1) = case.lte.and_then(|fields| fields.sib1.as_ref()) else { return Judgement::Unknown };
        if sib1.intra_freq_reselection_allowed {
            return Judgement::Quiet;
        }
        if !sib1.cell_barred {
            let allowed = case.lte_values(|p| p.intra_freq_allowed).map(|values| most(&values));
            let (tier, expected) = match allowed {
                None => (Tier::C, "allowed; the siblings' value is not known"),
                Some(true) => (Tier::B, "allowed, as most siblings"),
                Some(false) => return Judgement::Quiet,
            };
            return fires(tier, SIB1, vec![evidence("intraFreqReselection", "not allowed in an open cell", expected)]);
        }
        if !case.memory.was_heard_at(STRONG) {
            return Judgement::Quiet;
        }
        let carrier = case.observation.cell.center_hz;
        let shared = case.siblings().iter().any(|p| p.cell.center_hz == carrier);
        let before = case.memory.lte.open_since().is_some();
        let tier = if shared && !before { Tier::B } else { Tier::C };
        let mut lines =
            vec![evidence("intraFreqReselection", "not allowed, barred, and strong", "allowed while barred")];
        if shared {
            lines.push(evidence("siblings on this carrier", "some", "none, were nobody driven off"));
        }
        if before {
            lines.push(evidence("cellBarred before", "open: a known cell under maintenance", "never heard open"));
        }
        fires(tier, SIB1, lines)
    }
}

/// RS-14.
#[derive(Debug)]
pub(super) struct AccessBarring;

static RS_14: About = About {
    id: "RS-14",
    version: 1,
    tier: Tier::B,
    title: "Nobody may call",
    description: "LTE: access class barring in SIB2 lets no signalling and no data through (factor 0), or bars emergency calls, in a cell that is not \
                  barred (tier B at 20 dB or more per reference element, else C; C where a sibling does the same, as in a disaster).",
    source: "rule RS-14 of the catalogue; TS 36.331 clause 5.3.3.11",
    innocent: &["load control in a disaster or a crowd", "an exercise"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for AccessBarring {
    fn about(&self) -> &'static About {
        &RS_14
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(fields) = case.lte.filter(|fields| fields.sib2.is_some()) else { return Judgement::Unknown };
        let barred_cell = fields.sib1.as_ref().is_some_and(|sib1| sib1.cell_barred);
        let Some(what) = bars(fields).filter(|_| !barred_cell) else { return Judgement::Quiet };
        let too = case.lte_siblings().filter(|p| p.bars == Some(true)).count();
        let tier = if too == 0 && case.memory.was_heard_at(STRONG) { Tier::B } else { Tier::C };
        let mut lines = vec![evidence("ac-BarringInfo bars", what, "neither everybody nor emergency calls")];
        if too > 0 {
            lines.push(evidence("siblings that bar too", "some", "none, were this cell false"));
        }
        fires(tier, SIB2, lines)
    }
}
