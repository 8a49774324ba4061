//! Rules on how a cell is numbered: ID-06, ID-07.
//!
//! ## References
//! - 3GPP TS 36.300 Release 17, clause 8.2 (the first 20 bits of a cell identity name the eNodeB)
//! - Mozilla ichnaea documentation, import and export of cell data

use super::rule::{About, Basis, Case, Judgement, Rule, WhenLicensed, evidence, fires};
use crate::cell::Rat;
use crate::observation::Tier;

const IDENTITY: &[Basis] = &[Basis::Identity];

/// Cells of a network that a crowd database must have before absence from it says anything. Chosen: a survey, not a passer-by.
const MIN_CROWD: usize = 50;

/// ID-06.
#[derive(Debug)]
pub(super) struct UnknownToCrowd;

static ID_06: About = About {
    id: "ID-06",
    version: 1,
    tier: Tier::C,
    title: "Not in the crowd database",
    description: "A crowd database is loaded, has at least 50 cells of the network in this standard, and not this cell (context, C).",
    source: "rule ID-06 of the catalogue; CellGuard's database score",
    innocent: &["crowd databases cover this border poorly", "a cell younger than the database"],
    when_licensed: WhenLicensed::Silent,
};

impl Rule for UnknownToCrowd {
    fn about(&self) -> &'static About {
        &ID_06
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let cell_id = case.observation.identity.as_ref().and_then(|identity| identity.cell_id);
        let (Some(plmn), Some(cell_id), Some(register)) = (case.plmn, cell_id, case.register) else {
            return Judgement::Unknown;
        };
        let rat = case.observation.cell.rat;
        let known = register.crowd_cells(rat, plmn);
        if known < MIN_CROWD || register.by_identity(rat, plmn, cell_id).next().is_some() {
            return Judgement::Quiet;
        }
        let expected = format!("one of its {known} cells of {plmn}");
        fires(Tier::C, IDENTITY, vec![evidence("crowd database", format!("{plmn} cell {cell_id}: absent"), expected)])
    }
}

/// ID-07.
#[derive(Debug)]
pub(super) struct CellNumbering;

static ID_07: About = About {
    id: "ID-07",
    version: 1,
    tier: Tier::B,
    title: "Cell identity outside its operator's numbering",
    description: "LTE: the eNodeB number is not in the plan's ranges for the network, or the cell identity is a default of srsRAN (105217) or \
                  OAI (3584), or is below 4096, so that its eNodeB number is below 16 (tier B; not where most siblings are numbered so low).",
    source: "rule ID-07 of the catalogue; srsRAN 4G 1fab3df and OAI 883724b; TS 36.300 clause 8.2",
    innocent: &["a small operator that counts its stations from 1", "a numbering plan that is out of date"],
    when_licensed: WhenLicensed::Silent,
};

/// Below this the eNodeB number is below 16. Catalogue: 2^12.
const LOW: u64 = 1 << 12;

impl Rule for CellNumbering {
    fn about(&self) -> &'static About {
        &ID_07
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let cell_id = case.observation.identity.as_ref().and_then(|identity| identity.cell_id);
        let (Some(plmn), Some(eci), Rat::Lte) = (case.plmn, cell_id, case.observation.cell.rat) else {
            return Judgement::Unknown;
        };
        let enb = eci >> 8;
        let planned = case.config.plan.network(plmn).map(|n| n.enbs.as_slice()).filter(|enbs| !enbs.is_empty());
        let expected = if let Some(ranges) = planned {
            if ranges.iter().any(|(from, to)| (u64::from(*from)..=u64::from(*to)).contains(&enb)) {
                return Judgement::Quiet;
            }
            let words: Vec<String> = ranges.iter().map(|(from, to)| format!("{from} to {to}")).collect();
            format!("eNodeB {} (plan)", words.join(", "))
        } else if eci == 0x19b01 {
            "a number of the operator; this is srsRAN's default".to_owned()
        } else if eci == 0xe00 {
            "a number of the operator; this is OAI's default".to_owned()
        } else if eci < LOW {
            let low = |values: Vec<bool>| super::rule::most(&values);
            if case.lte_values(|p| p.eci.map(|eci| u64::from(eci) < LOW)).is_some_and(low) {
                return Judgement::Quiet;
            }
            "eNodeB 16 or above".to_owned()
        } else {
            return Judgement::Quiet;
        };
        let value = format!("{eci}: eNodeB {enb}, cell {} ({plmn})", eci & 0xff);
        fires(Tier::B, IDENTITY, vec![evidence("cell identity", value, expected)])
    }
}
