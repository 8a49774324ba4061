//! Rules on the location or tracking area: ID-08, ID-11.
//!
//! ## References
//! - 3GPP TS 23.003 Release 17, clause 4.1 (LAC; 0000 and FFFE are reserved), clause 19.4.2.3 (TAC)

use super::rule::{About, Basis, Case, Judgement, Rule, WhenLicensed, evidence, fires};
use crate::cell::Rat;
use crate::observation::Tier;
use crate::units::Nanos;

const IDENTITY: &[Basis] = &[Basis::Identity];
/// Other cells that change within this span of a cell's own change share one planned change. Catalogue: the same hour.
const SAME_HOUR: Nanos = Nanos::from_secs(3600);

/// ID-08.
#[derive(Debug)]
pub(super) struct AreaValue;

static ID_08: About = About {
    id: "ID-08",
    version: 2,
    tier: Tier::B,
    title: "Area code that its operator does not use",
    description: "The LAC or TAC is reserved (0000, FFFE, FFFF), or is not in the operator's set: the ranges of the plan, or else all area \
                  codes that the licence register has for the network (tier B; context, C, where \
                  `min_siblings` licensed siblings broadcast it too). Without a set, a default of test software (1, 7, 23, 1000) is context (C).",
    source: "rule ID-08 of the catalogue; TS 23.003 clause 4.1; defaults of OpenBTS, YateBTS, osmo-bsc, srsRAN and OAI",
    innocent: &[
        "a new location area that the register does not have yet",
        "a small operator that counts its areas from 1",
    ],
    when_licensed: WhenLicensed::Silent,
};

impl Rule for AreaValue {
    fn about(&self) -> &'static About {
        &ID_08
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let area = case.observation.identity.as_ref().and_then(|i| i.area);
        let (Some(plmn), Some(area)) = (case.plmn, area) else { return Judgement::Unknown };
        let rat = case.observation.cell.rat;
        let value = format!("{area} ({plmn})");
        let reserved: &[u32] = if rat == Rat::Nr { &[0, 0xff_fffe, 0xff_ffff] } else { &[0, 0xfffe, 0xffff] };
        if reserved.contains(&area) {
            let expected = "1 to 65533: this value is reserved and names no area";
            return fires(Tier::B, IDENTITY, vec![evidence("area code", value, expected)]);
        }
        let planned = case.config.plan.network(plmn).map(|n| n.areas.as_slice()).filter(|areas| !areas.is_empty());
        let (used, set) = if let Some(ranges) = planned {
            let words: Vec<String> = ranges.iter().map(|(from, to)| format!("{from} to {to}")).collect();
            (ranges.iter().any(|(from, to)| (from..=to).contains(&&area)), format!("{} (plan)", words.join(", ")))
        } else if let Some(areas) = case.register.and_then(|r| r.areas(rat, plmn)) {
            let words: Vec<String> = areas.iter().take(8).map(u32::to_string).collect();
            let more = if areas.len() > 8 { format!(" and {} more", areas.len() - 8) } else { String::new() };
            (areas.contains(&area), format!("{}{more} (licence register)", words.join(", ")))
        } else if matches!(area, 1 | 7 | 23 | 1000) {
            let expected = "an area code of the operator; this is a default of test software";
            return fires(Tier::C, IDENTITY, vec![evidence("area code", value, expected)]);
        } else {
            return Judgement::Quiet;
        };
        if used {
            return Judgement::Quiet;
        }
        let mut lines = vec![evidence("area code", value, set)];
        let shared = case.siblings().iter().filter(|p| p.area == Some(area)).count() >= case.config.min_siblings;
        if shared && planned.is_none() {
            lines.push(evidence("siblings with this area code", "several", "none, were it invented"));
            return fires(Tier::C, IDENTITY, lines);
        }
        fires(Tier::B, IDENTITY, lines)
    }
}

/// ID-11.
#[derive(Debug)]
pub(super) struct AreaChanges;

static ID_11: About = About {
    id: "ID-11",
    version: 2,
    tier: Tier::A,
    title: "Area code changes while carrier and cell identity stay",
    description: "The same carrier, physical identity, PLMN and cell identity was confirmed with at least two area codes within `window_s` \
                  (tier B). Tier A where the area code changed at least twice within `alternation_s`, or three area codes are confirmed: an SMS blaster \
                  makes every phone register again. Tier C where at least `replan_cells` other cells of the network and standard changed within the hour.",
    source: "rule ID-11 of the catalogue; blasters' own training material and patent CN105792211B; Oslo survey 2014 (8 of 676)",
    innocent: &[
        "a planned change of location areas: one change, many cells in the same night",
        "two cells that share carrier, colour code and cell identity and are heard in turn",
    ],
    when_licensed: WhenLicensed::Unchanged,
};

impl Rule for AreaChanges {
    fn about(&self) -> &'static About {
        &ID_11
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let (Some(plmn), now) = (case.plmn, case.observation.at_ns) else { return Judgement::Unknown };
        let limits = &case.config.thresholds;
        let areas = case.memory.confirmed_areas(now, limits.area_window);
        if areas.len() < 2 {
            return Judgement::Quiet;
        }
        let alternates = areas.len() >= 3 || case.memory.changes_within(now, limits.area_alternation) >= 2;
        let cell = case.observation.cell;
        let planned = case.baseline.area_changes(plmn, cell, now, SAME_HOUR) >= limits.replan_cells;
        let tier = match (alternates, planned) {
            (true, _) => Tier::A,
            (false, true) => Tier::C,
            (false, false) => Tier::B,
        };
        let shown: Vec<String> = areas.iter().take(4).map(u32::to_string).collect();
        let more = if areas.len() > 4 { " and more" } else { "" };
        let value = format!("{}{more}", shown.join(", "));
        let mut lines =
            vec![evidence("area codes of one cell", value, "one, which changes at most in a planned change")];
        if areas.len() >= 3 {
            lines.push(evidence("confirmed area codes", "three or more", "one, two around a planned change"));
        } else if alternates {
            let minutes = limits.area_alternation.0 / 60_000_000_000;
            lines.push(evidence(
                "alternation",
                format!("at least two changes within {minutes} min"),
                "no second change",
            ));
        }
        if planned {
            let value = format!("at least {} others of {plmn} within the hour", limits.replan_cells);
            lines.push(evidence("cells that changed too", value, "none, were this cell false"));
        }
        fires(tier, IDENTITY, lines)
    }
}
