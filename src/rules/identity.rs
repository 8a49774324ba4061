//! Rules on what a cell says it is, and on which carrier: ID-01, ID-02, ID-03, ID-05.
//!
//! ## References
//! - 3GPP TS 23.003 Release 17, clauses 2.2 and 4 (PLMN, cell identity)
//! - 3GPP TS 45.005 Release 17, clause 2 (GSM carriers are 200 kHz apart)
//! - 3GPP TS 36.101, 38.101, 25.101 Release 17 (occupied bandwidths)

use super::plan::{Allocation, Block, Confidence, NetworkStatus};
use super::register::{Difference, Standing};
use super::rule::{About, Basis, Case, Judgement, Place, Rule, STRONG, WhenLicensed, evidence, fires};
use crate::cell::{CellKey, Plmn, Rat, gsm_arfcn};
use crate::observation::{Evidence, Tier};
use crate::units::Nanos;

const IDENTITY: &[Basis] = &[Basis::Identity];

/// Half the bandwidth that a carrier occupies at least, hertz: GSM 200 kHz (TS 45.005), UMTS 3.84 MHz (TS 25.101), LTE 6 resource
/// blocks (TS 36.101), NR 20 resource blocks of 15 kHz (TS 38.101-1, the synchronisation block).
fn half_bandwidth_hz(rat: Rat) -> u64 {
    match rat {
        Rat::Gsm => 100_000,
        Rat::Umts => 1_920_000,
        Rat::Lte => 540_000,
        Rat::Nr => 1_800_000,
    }
}

/// Half the bandwidth that this cell occupies, hertz; LTE: as its MIB says, 180 kHz a resource block (TS 36.101 clause 5.6).
fn occupied_hz(case: &Case<'_>) -> u64 {
    let blocks = case.lte.and_then(|fields| fields.mib).map(|mib| mib.prb);
    blocks.map_or(half_bandwidth_hz(case.observation.cell.rat), |prb| u64::from(prb) * 90_000)
}

/// A carrier in words: `945.2 MHz (ARFCN 51)`.
pub(super) fn carrier_in_words(cell: CellKey) -> String {
    let mhz = cell.center_hz as f64 / 1e6;
    match gsm_arfcn(cell.center_hz).filter(|_| cell.rat == Rat::Gsm) {
        Some(arfcn) => format!("{mhz:.1} MHz (ARFCN {arfcn})"),
        None => format!("{mhz:.2} MHz"),
    }
}

/// ID-01.
#[derive(Debug)]
pub(super) struct ForeignNetwork;

static ID_01: About = About {
    id: "ID-01",
    version: 2,
    tier: Tier::A,
    title: "Network that does not belong here",
    description: "A PLMN of the cell is a test network (tier A), or the first is of a country outside the configured set (A; C where the set is only assumed for a \
                  recording of unknown place, for configured neighbours, and while the cell was not heard at 20 dB, as one that a duct brings), or an MNC that the plan does not list in its country (B).",
    source: "rule ID-01 of the catalogue; TS 23.003 clause 2.2, E.212 for test codes; SITCH alert 130",
    innocent: &[
        "a neighbouring country's cell reaching across the border",
        "a far country's cell that a duct over the sea brings",
        "satellite, ship or aircraft networks",
        "railway (GSM-R), police or private networks",
        "a network newly licensed since the list was made",
    ],
    when_licensed: WhenLicensed::Silent,
};

impl Rule for ForeignNetwork {
    fn about(&self) -> &'static About {
        &ID_01
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(plmn) = case.plmn else { return Judgement::Unknown };
        let plan = &case.config.plan;
        let set = case.countries_in_words();
        for plmn in case.plmns().iter().filter(|plmn| !case.config.allowed_plmns.contains(plmn)) {
            if let Some(test) = plan.test_network(*plmn) {
                let line = evidence("PLMN", format!("{plmn}: {test}"), format!("a public network of {set}"));
                return fires(Tier::A, IDENTITY, vec![line]);
            }
        }
        if case.config.allowed_plmns.contains(&plmn) {
            return Judgement::Quiet;
        }
        if case.home_countries().contains(&plmn.mcc()) {
            let listed = plan.operating(plmn.mcc()).next().is_none() || plan.network(plmn).is_some();
            if listed {
                return Judgement::Quiet;
            }
            let known: Vec<String> = plan.operating(plmn.mcc()).map(|n| n.plmn.to_string()).collect();
            let expected = format!("one of {} (list of {})", known.join(", "), plan.as_of);
            return fires(Tier::B, IDENTITY, vec![evidence("PLMN", plmn.to_string(), expected)]);
        }
        let neighbour = case.config.neighbours.contains(&plmn.mcc());
        let near = case.memory.was_heard_at(STRONG);
        let tier = if neighbour || case.place == Place::Assumed || !near { Tier::C } else { Tier::A };
        let value = match (neighbour, near) {
            (true, _) => format!("{plmn}, of a neighbouring country"),
            (false, true) => plmn.to_string(),
            (false, false) => format!("{plmn}, weak, as from afar"),
        };
        fires(tier, IDENTITY, vec![evidence("PLMN", value, format!("a network of {set}"))])
    }
}

/// ID-02.
#[derive(Debug)]
pub(super) struct DefunctNetwork;

static ID_02: About = About {
    id: "ID-02",
    version: 1,
    tier: Tier::A,
    title: "Network that has been shut down",
    description: "The plan lists the PLMN as assigned once and on air no longer (tier A; B where the row is of low confidence).",
    source: "rule ID-02 of the catalogue; public PLMN lists of 2023 and 2026-03 and the ITU Operational Bulletin",
    innocent: &["the list is stale: the code is in use again", "a licensed test of an old code"],
    when_licensed: WhenLicensed::Silent,
};

impl Rule for DefunctNetwork {
    fn about(&self) -> &'static About {
        &ID_02
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let Some(plmn) = case.plmn else { return Judgement::Unknown };
        let network = case.config.plan.network(plmn).filter(|n| n.status == NetworkStatus::Defunct);
        let Some(network) = network.filter(|_| !case.config.allowed_plmns.contains(&plmn)) else {
            return Judgement::Quiet;
        };
        let tier = if network.confidence == Confidence::Low { Tier::B } else { Tier::A };
        let value = format!("{plmn}: {}", network.name);
        let expected = format!("a network on air (list of {}; {})", case.config.plan.as_of, network.source);
        fires(tier, IDENTITY, vec![evidence("PLMN", value, expected)])
    }
}

/// ID-03.
#[derive(Debug)]
pub(super) struct UnlicensedCarrier;

static ID_03: About = About {
    id: "ID-03",
    version: 2,
    tier: Tier::A,
    title: "Carrier outside its operator's spectrum",
    description: "The occupied bandwidth is not inside the blocks that the frequency plan gives to the cell's networks: it is another's, or \
                  nobody's. LTE's bandwidth is its MIB's. The confidence of the plan's row decides the tier (high A, medium B, low C). A cell of the home countries is held against its \
                  own country's plan; a test or foreign network against the plans of all home countries that have one, and then at most tier B where \
                  another home country has none. A cell that has not said who it is for 10 s counts only where every home country's plan is known and nobody \
                  holds the spectrum. Not judged where the network is foreign and the place is unknown or the cell was not heard at 20 dB.",
    source: "rule ID-03 of the catalogue; national frequency plan (seed: src/rules/data/border.toml)",
    innocent: &[
        "refarming or an award that the plan does not have yet",
        "national roaming or network sharing on another's spectrum",
        "a carrier at the edge of a block",
        "railway (GSM-R) in 925 to 930 MHz",
    ],
    when_licensed: WhenLicensed::Silent,
};

/// How long a cell may stay silent about its identity: SI3 comes at least twice in 1.9 s (TS 45.002 clause 6.3.1.3), so five of its
/// cycles were missed.
const UNNAMED: Nanos = Nanos::from_secs(10);

/// What a plan finds wrong with a carrier.
struct Objection {
    holder: String,
    tier: Tier,
    source: String,
}

/// What `mcc`'s plan says against `plmn` on this carrier: `None` nothing is known, `Some(None)` it is in order.
fn objection(case: &Case<'_>, mcc: u16, plmn: Option<Plmn>) -> Option<Option<Objection>> {
    let cell = case.observation.cell;
    let half = occupied_hz(case);
    let (from, to) = (cell.center_hz.saturating_sub(half), cell.center_hz.saturating_add(half));
    let Allocation::Blocks(blocks) = case.config.plan.allocation(mcc, from, to) else { return None };
    let in_order = |block: &Block| match plmn {
        // Operators that share a cell use the spectrum of one of them.
        Some(plmn) => block.plmns.contains(&plmn) || case.plmns().iter().any(|plmn| block.plmns.contains(plmn)),
        // A cell that has not said who it is may be the holder's.
        None => !block.plmns.is_empty() || block.railway,
    };
    let country = case.config.plan.country(mcc).map_or("", |c| c.name.as_str());
    let covered: u64 = blocks.iter().map(|b| b.to_hz.min(to) - b.from_hz.max(from)).sum();
    let offending: Vec<&Block> = blocks.iter().filter(|block| !in_order(block)).collect();
    if offending.is_empty() && covered == to - from {
        return Some(None);
    }
    let Some(worst) = offending.iter().max_by_key(|block| block.confidence) else {
        let source = format!("plan of {country} as of {}: no row", case.config.plan.as_of);
        // The plan claims to be complete there, which is one statement of the table: as good as a secondary source.
        return Some(Some(Objection { holder: "not assigned".to_owned(), tier: Tier::B, source }));
    };
    let holder = format!("{:.1} to {:.1} MHz: {}", worst.from_hz as f64 / 1e6, worst.to_hz as f64 / 1e6, worst.holder);
    let source =
        format!("plan of {country} as of {}, confidence {}", case.config.plan.as_of, worst.confidence.as_str());
    Some(Some(Objection { holder, tier: worst.confidence.tier(), source }))
}

impl Rule for UnlicensedCarrier {
    fn about(&self) -> &'static About {
        &ID_03
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let plmn = case.plmn;
        if plmn.is_some_and(|p| case.config.allowed_plmns.contains(&p)) {
            return Judgement::Quiet;
        }
        let at_home = plmn.filter(|p| case.home_countries().contains(&p.mcc()));
        let objection = if let Some(plmn) = at_home {
            match objection(case, plmn.mcc(), Some(plmn)) {
                None | Some(None) => return Judgement::Quiet,
                Some(Some(objection)) => objection,
            }
        } else {
            let test = plmn.is_some_and(|p| case.config.plan.test_network(p).is_some());
            let neighbour = plmn.is_some_and(|p| case.config.neighbours.contains(&p.mcc()));
            if neighbour || (case.place == Place::Assumed && !test) {
                return Judgement::Quiet;
            }
            // What a duct brings from afar keeps to its own country's plan.
            if plmn.is_some() && !test && !case.memory.was_heard_at(STRONG) {
                return Judgement::Quiet;
            }
            if plmn.is_none() && case.observation.at_ns - case.memory.first < UNNAMED {
                return Judgement::Unknown;
            }
            let mut found = None;
            let mut silent = false;
            // A register of some country does not put the node there: only the countries that are meant count.
            for &mcc in &case.config.countries {
                match objection(case, mcc, plmn) {
                    None => silent = true,
                    Some(None) => return Judgement::Quiet,
                    Some(Some(objection)) => {
                        found.get_or_insert(objection);
                    }
                }
            }
            if plmn.is_none() && silent {
                return Judgement::Quiet;
            }
            let Some(mut objection) = found else { return Judgement::Quiet };
            if silent {
                objection.tier = objection.tier.max(Tier::B);
            }
            if case.place == Place::Assumed {
                objection.tier = Tier::C;
            }
            objection
        };
        let who = plmn.map_or("a cell of no known network".to_owned(), |p| format!("{p}"));
        let value = format!("{who} on {}", carrier_in_words(case.observation.cell));
        let expected = format!("inside its operator's blocks; here {} ({})", objection.holder, objection.source);
        let basis: &'static [Basis] = if plmn.is_some() { IDENTITY } else { &[Basis::Signal] };
        fires(objection.tier, basis, vec![evidence("carrier", value, expected)])
    }
}

/// ID-05.
#[derive(Debug)]
pub(super) struct UnregisteredCell;

static ID_05: About = About {
    id: "ID-05",
    version: 2,
    tier: Tier::B,
    title: "Not in the licence register as it is heard",
    description: "The licence register has no row with this PLMN and cell identity, or only one with another carrier, physical identity or \
                  area, or one whose licence is not in force. Unverified until the operator answers. Only another area is context \
                  (C) for an hour after the area changed, and where `min_siblings` siblings differ so too. Judged only where there is a register of the \
                  network's country, or where no register could have it (test and foreign networks at a known place). Crowd databases never make it fire.",
    source: "rule ID-05 of the catalogue; SITCH alert 120, Crocodile Hunter's check against a tower list",
    innocent: &[
        "a new cell that the register does not have yet",
        "a cell on wheels or a test cell",
        "a retuned or renumbered cell",
        "a register that is late or incomplete",
    ],
    when_licensed: WhenLicensed::Silent,
};

/// The verdict on a registered cell with another area code, which `line` says: operators renumber areas before registers do.
fn area_differs(case: &Case<'_>, line: Evidence) -> Judgement {
    let mut lines = vec![line];
    if case.siblings().iter().filter(|p| p.area_differs).count() >= case.config.min_siblings {
        let what = "siblings whose area differs from the register too";
        lines.push(evidence(what, "several: a planned change", "none, were this cell false"));
    } else if case.memory.changes_within(case.observation.at_ns, SETTLES) > 0 {
        lines.push(evidence("area code", "changed within the hour; siblings may follow", "as registered"));
    } else {
        return fires(Tier::B, IDENTITY, lines);
    }
    fires(Tier::C, IDENTITY, lines)
}

/// Cells of one planned change follow within; catalogue: the same hour. ID-11 tells of the change itself.
const SETTLES: Nanos = Nanos::from_secs(3600);

impl Rule for UnregisteredCell {
    fn about(&self) -> &'static About {
        &ID_05
    }

    fn judge(&self, case: &Case<'_>) -> Judgement {
        let (Some(plmn), Some(register)) = (case.plmn, case.register) else { return Judgement::Unknown };
        let Some(identity) = case.observation.identity.as_ref() else { return Judgement::Unknown };
        let cell = case.observation.cell;
        let area = identity.area.map_or("?".to_owned(), |a| a.to_string());
        let heard = format!("{plmn} area {area} cell {}", identity.cell_id.map_or("?".to_owned(), |c| c.to_string()));
        let line = match case.standing {
            Standing::Unknown => return Judgement::Unknown,
            Standing::Licensed(_) => return Judgement::Quiet,
            Standing::Differs(entry, difference) => {
                let row = entry.describe();
                match difference {
                    Difference::Carrier => {
                        let registered = entry
                            .center_hz
                            .map_or("another".to_owned(), |center_hz| carrier_in_words(CellKey { center_hz, ..cell }));
                        evidence(
                            "carrier of the registered identity",
                            format!("{heard} on {}", carrier_in_words(cell)),
                            format!("{registered}, as {row} is registered"),
                        )
                    }
                    Difference::PhysicalId => evidence(
                        "physical identity of the registered cell",
                        format!("{heard} with {}", cell.id),
                        format!("{}, as {row} is registered", entry.physical_id.map_or(0, |id| id)),
                    ),
                    Difference::Area => {
                        let expected = format!("area {}, as {row} is registered", entry.area.map_or(0, |a| a));
                        return area_differs(case, evidence("area of the registered cell", heard, expected));
                    }
                    Difference::NotInForce => {
                        evidence("licence", format!("{row}: {}", entry.status), "a licence in force at this date")
                    }
                }
            }
            Standing::Absent { same_key, crowd } => {
                let home = case.home_countries().contains(&plmn.mcc());
                let test = case.config.plan.test_network(plmn).is_some();
                let nowhere = !home
                    && !case.config.neighbours.contains(&plmn.mcc())
                    && !case.config.allowed_plmns.contains(&plmn)
                    && (test || case.place != Place::Assumed);
                if !register.covers(plmn.mcc()) && !nowhere {
                    return Judgement::Unknown;
                }
                let mut expected = "a row of the licence register".to_owned();
                if let Some(entry) = same_key {
                    expected += &format!("; its carrier and physical identity are registered to {}", entry.describe());
                }
                if crowd {
                    expected += "; a crowd database knows the identity";
                }
                evidence("licence register", format!("{heard}: absent"), expected)
            }
        };
        fires(Tier::B, IDENTITY, vec![line])
    }
}
