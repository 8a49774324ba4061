//! The rule on public warnings: PG-11.
//!
//! ## References
//! - 3GPP TS 23.041 Release 17, clause 9.4.1.2.2 (message identifiers)
//! - 3GPP TS 36.331 Release 17, clauses 5.2.1.5 and 6.3.1 (SIB10, SIB11, SIB12)

use super::lte_past::WARNING_TYPES;
use super::rule::{About, Basis, Case, Judgement, Rule, WhenLicensed, evidence, fires};
use crate::observation::lte::{LteFields, WarningKind};
use crate::observation::{Evidence, Tier};

/// Longest text that stands in evidence, characters.
const MAX_TEXT: usize = 200;

/// PG-11.
#[derive(Debug)]
pub(super) struct LoneWarning;

static PG_11: About = About {
    id: "PG-11",
    version: 1,
    tier: Tier::A,
    title: "Public warning that the cells around do not send",
    description: "LTE: the cell sends a public warning (SIB10, 11 or 12), and at least `min_siblings` cells of the network, heard `settle_s` (120 s) or \
                  more after it began, send none (tier A; B where fewer are heard, or where the warning is a test or an exercise). Context (C) until \
                  then. Not where a sibling sends one too.",
    source: "rule PG-11 of the catalogue; TS 23.041; false warnings over LTE shown in public research",
    innocent: &[
        "a test that the authority has agreed with one cell's operator",
        "a warning area that ends between this cell and the others",
    ],
    when_licensed: WhenLicensed::Unchanged,
};

/// Messages of tests and exercises; TS 23.041 clause 9.4.1.2.2: ETWS test 4355; CMAS required monthly test 4380, exercise 4381 and operator
/// defined use 4382, and the same in additional languages 4393 to 4395.
fn is_test(message_identifier: u16) -> bool {
    matches!(message_identifier, 4355 | 4380..=4382 | 4393..=4395)
}

/// The warnings, one line each, and whether all of them are tests.
fn warnings(fields: &LteFields) -> (Vec<Evidence>, bool) {
    let primary = fields.etws_primary.iter().map(|w| (w.message_identifier, w.serial_number, "ETWS primary", None));
    let others = fields.warnings.iter().map(|w| {
        let kind = match w.kind {
            WarningKind::Etws => "ETWS secondary",
            WarningKind::Cmas => "CMAS",
        };
        (w.message_identifier, w.serial_number, kind, w.text.as_deref())
    });
    let all: Vec<_> = primary.chain(others).collect();
    let lines = all.iter().map(|(identifier, serial, kind, text)| {
        let text: String = text.unwrap_or("text not complete").chars().take(MAX_TEXT).collect();
        evidence(
            &format!("{kind} warning"),
            format!("message {identifier}, serial number {serial}: {text}"),
            "the same from the cells around",
        )
    });
    (lines.collect(), all.iter().all(|(identifier, ..)| is_test(*identifier)))
}

impl Rule for LoneWarning {
    fn about(&self) -> &'static About {
        &PG_11
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(fields) = case.lte else { return Judgement::Unknown };
        if fields.sib1.is_none() {
            return Judgement::Unknown;
        }
        let (mut lines, test) = warnings(fields);
        // What was received stays in the fields when the cell has ended it; the schedule is of now.
        let Some(since) = case.memory.lte.warned_since().filter(|_| !lines.is_empty()) else {
            return Judgement::Quiet;
        };
        let settled = since + case.config.thresholds.warning_settles;
        let after: Vec<bool> = case
            .siblings()
            .iter()
            .filter(|p| p.last_ns >= since)
            .filter_map(|p| Some((p.last_ns, p.lte.as_ref()?.warns?)))
            .filter(|&(at, warns)| warns || at >= settled)
            .map(|(_, warns)| warns)
            .collect();
        if after.contains(&true) {
            return Judgement::Quiet;
        }
        let tier = match after.len() {
            0 => Tier::C,
            _ if test => Tier::B,
            heard if heard >= case.config.min_siblings => Tier::A,
            _ => Tier::B,
        };
        let heard = match tier {
            Tier::C => "not heard since",
            Tier::B if !test => "fewer than make a baseline, none sends a warning",
            _ => "none sends a warning",
        };
        lines.push(evidence("siblings after it began", heard, "a warning from those in its area"));
        // Which of the three carries it is not always known: the one that is scheduled and was received most often counts.
        let copies = |number: u8| case.sib_copies(number);
        let best = WARNING_TYPES.into_iter().max_by_key(|&number| copies(number));
        let rests_on: &'static [Basis] = match best {
            Some(10) => &[Basis::Identity, Basis::Sib(10)],
            Some(11) => &[Basis::Identity, Basis::Sib(11)],
            _ => &[Basis::Identity, Basis::Sib(12)],
        };
        fires(tier, rests_on, lines)
    }
}
