//! Rules on the parameters that lure and keep phones: RS-01, RS-03, RS-04, RS-05.
//!
//! ## References
//! - 3GPP TS 45.008 Release 17, clause 6.4 (C1 and C2)
//! - 3GPP TS 44.018 Release 17, clauses 10.5.2.4, 10.5.2.11, 10.5.2.29 and 10.5.2.34 (codes)

use super::rule::{About, Basis, Case, Judgement, Rule, WhenLicensed, evidence, fires, median};
use crate::observation::Tier;

const SI3: &[Basis] = &[Basis::Message("SI3")];

/// RS-01.
#[derive(Debug)]
pub(super) struct ReselectOffset;

static RS_01: About = About {
    id: "RS-01",
    version: 1,
    tier: Tier::B,
    title: "Reselection offset that lures phones",
    description: "CELL_RESELECT_OFFSET is above code `cro_code_above` (40, which is 80 dB), or at least `over_siblings_code` (10, which is 20 dB) above \
                  the largest of the siblings (tier B). With PENALTY_TIME 31 the offset is subtracted and drives phones away: then context (C), and only above the code.",
    source: "rule RS-01 of the catalogue; SnoopSnitch K2; TS 45.008 clause 6.4; a fifth of the cells of one survey are at code 40",
    innocent: &["a microcell layer that is meant to take load", "an indoor cell made attractive on purpose"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for ReselectOffset {
    fn about(&self) -> &'static About {
        &RS_01
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(rest) = case.gsm.and_then(|fields| fields.si3_rest.as_ref()) else { return Judgement::Unknown };
        let Some(selection) = rest.selection else { return Judgement::Quiet };
        let (code, limits) = (selection.cell_reselect_offset, &case.config.thresholds);
        // TS 45.008 clause 6.4: with PENALTY_TIME 11111, C2 = C1 - CELL_RESELECT_OFFSET.
        let repels = selection.penalty_time == 31;
        let siblings = case.sibling_values(|p| p.cro).and_then(|values| values.last().copied());
        let over_siblings = siblings.filter(|&most| code >= most.saturating_add(limits.cro_over_siblings));
        if code <= limits.cro_code && (over_siblings.is_none() || repels) {
            return Judgement::Quiet;
        }
        let expected = match over_siblings {
            Some(most) => format!("at most {} dB, the siblings' largest, and some more", 2 * u16::from(most)),
            None => format!("at most {} dB", 2 * u16::from(limits.cro_code)),
        };
        let value = format!("{} (code {code})", selection.cell_reselect_offset_db().0);
        let mut lines = vec![evidence("CELL_RESELECT_OFFSET dB", value, expected)];
        if repels {
            lines.push(evidence("PENALTY_TIME code", "31: the offset is subtracted", "0 to 30, were it a lure"));
        }
        fires(if repels { Tier::C } else { Tier::B }, SI3, lines)
    }
}

/// RS-03.
#[derive(Debug)]
pub(super) struct AccessLevel;

static RS_03: About = About {
    id: "RS-03",
    version: 1,
    tier: Tier::B,
    title: "Takes phones at any level",
    description: "RXLEV_ACCESS_MIN is code 0 (-110 dBm): tier B where the siblings' median is at least `below_siblings_db` above, C where no \
                  siblings are known, not at all where they are as low.",
    source: "rule RS-03 of the catalogue; patent CN108064043A; default of OpenBTS, YateBTS and osmo-bsc",
    innocent: &["a rural cell that is meant to reach far", "an operator whose cells are all so"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for AccessLevel {
    fn about(&self) -> &'static About {
        &RS_03
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(selection) = case.gsm.and_then(|fields| fields.selection) else { return Judgement::Unknown };
        if selection.rxlev_access_min > 0 {
            return Judgement::Quiet;
        }
        let value = format!("{} (code 0)", selection.rxlev_access_min_dbm().0);
        let (tier, expected) = match case.sibling_values(|p| p.rxlev_access_min).map(|values| median(&values)) {
            None => (Tier::C, "above -110; the siblings' level is not known".to_owned()),
            Some(level) if level >= case.config.thresholds.rxlev_below_siblings => {
                (Tier::B, format!("about {}, the siblings' median", i16::from(level) - 110))
            }
            Some(_) => return Judgement::Quiet,
        };
        fires(tier, SI3, vec![evidence("RXLEV_ACCESS_MIN dBm", value, expected)])
    }
}

/// RS-04.
#[derive(Debug)]
pub(super) struct UpdateTimer;

static RS_04: About = About {
    id: "RS-04",
    version: 1,
    tier: Tier::B,
    title: "Periodic location updating switched off or very frequent",
    description: "T3212 is 0 or below `t3212_below` (10 units, which is 60 minutes): tier B, but not where the siblings' median is as low.",
    source: "rule RS-04 of the catalogue; SnoopSnitch t3212_min; defaults 0 (OpenBTS), 4 (YateBTS), 5 (osmo-bsc)",
    innocent: &["an operator that uses 30 minutes everywhere", "a cell under test"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for UpdateTimer {
    fn about(&self) -> &'static About {
        &RS_04
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(control) = case.gsm.and_then(|fields| fields.control_channel) else { return Judgement::Unknown };
        let (t3212, limit) = (control.t3212, case.config.thresholds.t3212_below);
        let suspicious = |t3212: u8| t3212 < limit;
        let usual = case.sibling_values(|p| p.t3212).map(|values| median(&values));
        // Zero is no short time but none: siblings with a short time do not excuse it, nor the other way round.
        let excused = usual.is_some_and(|usual| suspicious(usual) && (usual == 0) == (t3212 == 0));
        if !suspicious(t3212) || excused {
            return Judgement::Quiet;
        }
        let value = match t3212 {
            0 => "0: no periodic updating".to_owned(),
            units => format!("{units}: every {} min", u16::from(units) * 6),
        };
        let expected = match usual {
            Some(usual) => format!("about {usual}, the siblings' median"),
            None => format!("at least {limit}"),
        };
        fires(Tier::B, SI3, vec![evidence("T3212 (6 min)", value, expected)])
    }
}

/// RS-05.
#[derive(Debug)]
pub(super) struct EmergencyBarred;

static RS_05: About = About {
    id: "RS-05",
    version: 1,
    tier: Tier::B,
    title: "Open cell without emergency calls and re-establishment",
    description: "The cell is not barred, yet emergency calls are (access class 10) and call re-establishment is not allowed (RE=1): tier B, but not \
                  where most siblings are the same.",
    source: "rule RS-05 of the catalogue; defaults of OpenBTS, YateBTS and osmo-bsc; TS 44.018 clause 10.5.2.29",
    innocent: &["a cell being commissioned", "an operator that routes emergency calls over other standards"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for EmergencyBarred {
    fn about(&self) -> &'static About {
        &RS_05
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(rach) = case.gsm.and_then(|fields| fields.rach) else { return Judgement::Unknown };
        let emergency_barred = rach.access_classes_barred & 1 << 10 != 0;
        let usual = case.most_siblings(|p| p.emergency_barred) == Some(true);
        if rach.cell_barred || !emergency_barred || !rach.re || usual {
            return Judgement::Quiet;
        }
        let software = match (rach.max_retrans, rach.tx_integer) {
            (3, 9) => "; as osmo-bsc's default",
            (1, 14) => "; as OpenBTS's default",
            _ => "",
        };
        let value = format!(
            "not barred, RE=1, AC={:04x}, max retrans code {}, Tx-integer code {}{software}",
            rach.access_classes_barred, rach.max_retrans, rach.tx_integer
        );
        let expected = "emergency calls allowed in a cell that is open";
        fires(Tier::B, SI3, vec![evidence("RACH control", value, expected)])
    }
}
