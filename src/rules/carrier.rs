//! Rules on how an LTE cell uses its carrier: ID-04 (all standards), SI-17, RF-13, RF-14.
//!
//! ## References
//! - 3GPP TS 36.101 Release 17, clause 5.5 (bands and their duplex)
//! - 3GPP TS 36.331 Release 17, clause 6.2.2 (freqBandIndicator, tdd-Config)

use super::plan::{Allocation, Block};
use super::rule::{About, Basis, Case, Judgement, Place, Rule, STRONG, WhenLicensed, evidence, fires};
use crate::cell::{Rat, lte_band};
use crate::observation::Tier;

const IDENTITY: &[Basis] = &[Basis::Identity];
const MIB: &[Basis] = &[Basis::Message("MIB")];

fn duplex_in_words(tdd: bool) -> &'static str {
    if tdd { "TDD" } else { "FDD" }
}

/// ID-04.
#[derive(Debug)]
pub(super) struct WrongUse;

static ID_04: About = About {
    id: "ID-04",
    version: 1,
    tier: Tier::A,
    title: "Duplex or standard that its spectrum is not meant for",
    description: "The plan's blocks at the carrier are all of the other duplex than an LTE cell's frames show, or list the standards in use and \
                  not this one. The plan's confidence decides the tier (high A, medium B, low C). A cell of the home countries is held against its \
                  own country's plan, any other against all of them; not judged where the network is foreign and the place is unknown or the cell was not heard at 20 dB.",
    source: "rule ID-04 of the catalogue; srsRAN's default EARFCN 3350 and OAI's 2685 MHz lie in the Thai 2600 MHz TDD award",
    innocent: &[
        "refarming that the plan does not have yet",
        "a cell of the other country, which uses the band differently",
    ],
    when_licensed: WhenLicensed::Silent,
};

impl Rule for WrongUse {
    fn about(&self) -> &'static About {
        &ID_04
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(plmn) = case.plmn else { return Judgement::Unknown };
        let plan = &case.config.plan;
        if case.plmns().iter().any(|plmn| case.config.allowed_plmns.contains(plmn)) {
            return Judgement::Quiet;
        }
        let home = case.home_countries().contains(&plmn.mcc());
        let test = plan.test_network(plmn).is_some();
        if !home && (case.config.neighbours.contains(&plmn.mcc()) || (case.place == Place::Assumed && !test)) {
            return Judgement::Quiet;
        }
        if !home && !test && !case.memory.was_heard_at(STRONG) {
            return Judgement::Quiet;
        }
        let cell = case.observation.cell;
        let tdd = case.lte.and_then(|fields| fields.radio).map(|radio| radio.tdd);
        let mut found: Option<(Tier, String, &Block)> = None;
        let countries: Vec<u16> = if home { vec![plmn.mcc()] } else { case.config.countries.iter().copied().collect() };
        for mcc in countries {
            let Allocation::Blocks(blocks) = plan.allocation(mcc, cell.center_hz, cell.center_hz + 1) else {
                // Another country's plan is not known there: it may allow what this one does not.
                return Judgement::Quiet;
            };
            let Some(block) = blocks.first() else { return Judgement::Quiet };
            let wrong_duplex = block.tdd.zip(tdd).filter(|(planned, used)| planned != used);
            let meant = match wrong_duplex {
                Some((planned, _)) => duplex_in_words(planned).to_owned(),
                None if !block.rats.is_empty() && !block.rats.contains(&cell.rat) => {
                    block.rats.iter().map(Rat::to_string).collect::<Vec<_>>().join(", ")
                }
                None => return Judgement::Quiet,
            };
            found.get_or_insert((block.confidence.tier(), meant, block));
        }
        let Some((mut tier, meant, block)) = found else { return Judgement::Quiet };
        if case.place == Place::Assumed {
            tier = Tier::C;
        }
        let used = tdd.map(|tdd| format!(" {}", duplex_in_words(tdd))).unwrap_or_default();
        let value = format!("{}{used} of {plmn} on {}", cell.rat, super::identity::carrier_in_words(cell));
        let (from, to) = (block.from_hz as f64 / 1e6, block.to_hz as f64 / 1e6);
        let expected = format!(
            "{meant}: {from:.1} to {to:.1} MHz, {} (plan as of {}, confidence {})",
            block.holder,
            plan.as_of,
            block.confidence.as_str()
        );
        fires(tier, IDENTITY, vec![evidence("use of the carrier", value, expected)])
    }
}

/// SI-17.
#[derive(Debug)]
pub(super) struct SaysOtherThanSent;

static SI_17: About = About {
    id: "SI-17",
    version: 2,
    tier: Tier::A,
    title: "System information contradicts the signal",
    description: "LTE: SIB1 gives a tdd-Config and the frames are FDD, or none and they are TDD; or none of its bands that are known holds the \
                  carrier (tier A). Both are read from one confirmed SIB1: a station that sends another's system information. Or the reference \
                  signals, which fill a cell's bandwidth whatever its load, take up a fifth more or less than the MIB says (tier B alone).",
    source: "rule SI-17 of the catalogue; TS 36.331 clause 6.2.2, TS 36.101 table 5.5-1, TS 36.211 clause 6.10.1.2",
    innocent: &[
        "a recording whose centre frequency is noted wrongly",
        "a receiver behind a converter whose offset is wrong",
        "a filter in front of the receiver that is narrower than the cell",
    ],
    when_licensed: WhenLicensed::OneLess,
};

/// Least difference of the bandwidth measured and told, as a share of the latter. The standard's widths lie a quarter apart at least;
/// carriers whose edge blocks an operator switches off to fit a narrow allocation lose less than an eighth.
const OTHER_WIDTH: f64 = 0.2;

impl Rule for SaysOtherThanSent {
    fn about(&self) -> &'static About {
        &SI_17
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(fields) = case.lte else { return Judgement::Unknown };
        let occupied = fields.signal.and_then(|signal| signal.occupied);
        let width = fields.mib.zip(occupied).map(|(mib, occupied)| (f64::from(mib.prb), occupied));
        let heard = fields.sib1.as_ref().zip(fields.radio);
        if width.is_none() && heard.is_none() {
            return Judgement::Unknown;
        }
        let mut lines = Vec::new();
        if let Some((sib1, radio)) = heard {
            if sib1.tdd.is_some() != radio.tdd {
                let value = if sib1.tdd.is_some() { "there" } else { "absent" };
                let expected = format!("as the frames are: {}", duplex_in_words(radio.tdd));
                lines.push(evidence("tdd-Config of SIB1", value, expected));
            }
            let known: Vec<_> = sib1.bands.iter().filter_map(|&number| lte_band(number)).collect();
            let carrier = case.observation.cell.center_hz;
            // A band of a later release may hold it: then nothing can be said.
            let all_known = known.len() == sib1.bands.len() && !known.is_empty();
            if all_known && !known.iter().any(|band| band.holds(carrier)) {
                let bands: Vec<String> = sib1.bands.iter().map(u16::to_string).collect();
                let expected = format!("a band of {}", super::identity::carrier_in_words(case.observation.cell));
                lines.push(evidence("freqBandIndicator", bands.join(", "), expected));
            }
        }
        let read = !lines.is_empty();
        if let Some((told, occupied)) = width
            && (occupied.blocks() / told - 1.0).abs() > OTHER_WIDTH
        {
            let value = format!("-{} to +{} kHz", occupied.below_khz, occupied.above_khz);
            let expected = format!("-{0} to +{0} kHz, as the MIB says", 90.0 * told);
            lines.push(evidence("spectrum that holds reference signals", value, expected));
        }
        match (read, lines.is_empty()) {
            (true, _) => fires(Tier::A, IDENTITY, lines),
            (_, false) => fires(Tier::B, MIB, lines),
            _ => Judgement::Quiet,
        }
    }
}

/// RF-13.
#[derive(Debug)]
pub(super) struct OnePort;

static RF_13: About = About {
    id: "RF-13",
    version: 1,
    tier: Tier::B,
    title: "One antenna port where the operator always has more",
    description: "LTE: the cell has one antenna port (by the MIB's CRC mask) and at least `min_siblings` siblings are known, all with two or \
                  four (tier B).",
    source: "rule RF-13 of the catalogue; srsRAN and OAI run one port by default; TS 36.212 table 5.3.1.1-1",
    innocent: &["a small cell or an indoor system", "a NB-IoT or repeater installation"],
    when_licensed: WhenLicensed::Context,
};

impl Rule for OnePort {
    fn about(&self) -> &'static About {
        &RF_13
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(radio) = case.lte.and_then(|fields| fields.radio) else { return Judgement::Unknown };
        let Some(siblings) = case.lte_values(|p| p.ports) else { return Judgement::Unknown };
        if radio.ports != 1 || siblings.contains(&1) {
            return Judgement::Quiet;
        }
        let expected = format!("2 or 4, as all {} siblings", siblings.len());
        fires(Tier::B, MIB, vec![evidence("antenna ports", "1", expected)])
    }
}

/// RF-14.
#[derive(Debug)]
pub(super) struct Narrow;

static RF_14: About = About {
    id: "RF-14",
    version: 1,
    tier: Tier::C,
    title: "Narrow cell among wide ones",
    description: "LTE: the cell has at most 50 resource blocks, and at least `min_siblings` siblings within 10 MHz are known, all with 75 or 100 \
                  (context, C).",
    source: "rule RF-14 of the catalogue; CellGuard's bandwidth score; srsRAN and OAI run 50 resource blocks by default",
    innocent: &["a sliver of a refarmed block", "a small cell"],
    when_licensed: WhenLicensed::Silent,
};

/// Carriers this near lie in one block: no holder of the plan has less than 5 MHz, most have 10 to 20.
const SAME_BLOCK_HZ: u64 = 10_000_000;

impl Rule for Narrow {
    fn about(&self) -> &'static About {
        &RF_14
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(mib) = case.lte.and_then(|fields| fields.mib) else { return Judgement::Unknown };
        let own = case.observation.cell.center_hz;
        let near = case.siblings().iter().filter(|p| p.cell.center_hz.abs_diff(own) <= SAME_BLOCK_HZ);
        let widths: Vec<u8> = near.filter_map(|p| p.lte.as_ref()?.prb).collect();
        if widths.len() < case.config.min_siblings {
            return Judgement::Unknown;
        }
        if mib.prb > 50 || widths.iter().any(|&prb| prb < 75) {
            return Judgement::Quiet;
        }
        let expected = format!("75 or 100, as all {} siblings near this carrier", widths.len());
        fires(Tier::C, MIB, vec![evidence("dl-Bandwidth, resource blocks", mib.prb.to_string(), expected)])
    }
}
