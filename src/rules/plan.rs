//! The national frequency plan and the networks of each country: a replaceable TOML table (`src/rules/data/border.toml` is the seed).
//!
//! The seed is not authoritative: every row carries its source and a confidence, and the confidence decides what a finding that rests on
//! the row is worth ([`Confidence::tier`]). A regulator names its own file with the key `plan` of the rules file.
//!
//! ## References
//! - 3GPP TS 23.003 Release 17, clause 2.2 (MCC, MNC)
//! - ITU-T E.212, annex A (test MCC 001), annex B (shared MCC 901), MCC 999 for internal use

use crate::cell::{Plmn, Rat};
use crate::observation::Tier;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The seed table.
const BORDER: &str = include_str!("data/border.toml");
/// The version of the table's layout.
const VERSION: u32 = 1;

/// How well a row of the table is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Uncertain.
    Low,
    /// One secondary source.
    Medium,
    /// A primary source, or two secondary ones.
    High,
}

impl Confidence {
    /// What a finding is worth that rests on such a row alone.
    pub fn tier(self) -> Tier {
        match self {
            Confidence::High => Tier::A,
            Confidence::Medium => Tier::B,
            Confidence::Low => Tier::C,
        }
    }

    /// The word of the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// Whether a network is on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkStatus {
    /// It is.
    Operational,
    /// It may be; treated as on air.
    Verify,
    /// Assigned once, on air no longer.
    Defunct,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its PLMN.
    pub plmn: Plmn,
    /// Its name.
    pub name: String,
    /// Whether it is on air.
    pub status: NetworkStatus,
    /// How sure that is.
    pub confidence: Confidence,
    /// Who says so.
    pub source: String,
    /// LACs and TACs that the network uses, inclusive ranges; empty: not known.
    #[serde(default)]
    pub areas: Vec<(u32, u32)>,
    /// eNodeB numbers that the network uses, inclusive ranges; empty: not known.
    #[serde(default)]
    pub enbs: Vec<(u32, u32)>,
}

/// A stretch of downlink spectrum and who holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Lower edge, hertz.
    pub from_hz: u64,
    /// Upper edge, hertz, exclusive.
    pub to_hz: u64,
    /// Who holds it, in words.
    pub holder: String,
    /// Networks that may be heard there; none: not assigned to a public mobile network.
    pub plmns: Vec<Plmn>,
    /// Railway, police and the like: legal, though no public network.
    pub railway: bool,
    /// Uplink and downlink share the carrier, or not; `None`: not known.
    pub tdd: Option<bool>,
    /// Standards in use there; empty: not known.
    pub rats: Vec<Rat>,
    /// How sure that is.
    pub confidence: Confidence,
    /// Who says so.
    pub source: String,
}

/// One country.
#[derive(Clone, Debug, PartialEq)]
pub struct Country {
    /// Its name.
    pub name: String,
    /// Its regulator.
    pub regulator: String,
    /// Spectrum of which every part is accounted for, `[from, to)` in hertz.
    pub complete_hz: Vec<(u64, u64)>,
    /// Its blocks, by lower edge.
    pub blocks: Vec<Block>,
}

/// What a country's plan says of a carrier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allocation<'a> {
    /// The plan does not say.
    Unknown,
    /// These blocks hold the occupied bandwidth, whole or in part, ascending; none: the plan is complete there and nothing is assigned.
    Blocks(&'a [Block]),
}

/// Networks and spectrum of some countries.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The day the table was made, in words; stands in evidence.
    pub as_of: String,
    test_plmns: BTreeMap<Plmn, String>,
    test_mccs: BTreeMap<u16, String>,
    networks: BTreeMap<Plmn, Network>,
    countries: BTreeMap<u16, Country>,
}

/// Why a table was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It is not the TOML that is wanted.
    #[error("the frequency plan is not readable: {message}")]
    Toml {
        /// The parser's words: line, key, problem.
        message: String,
    },
    /// A value is out of range.
    #[error("the frequency plan's {key} is {value}; {allowed}")]
    Value {
        /// Which.
        key: String,
        /// As written.
        value: String,
        /// What may be there.
        allowed: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    version: u32,
    as_of: String,
    #[serde(default)]
    test_network: Vec<TestNetworkFile>,
    #[serde(default)]
    country: Vec<CountryFile>,
    #[serde(default)]
    network: Vec<Network>,
    #[serde(default)]
    block: Vec<BlockFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestNetworkFile {
    plmn: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountryFile {
    mcc: String,
    name: String,
    regulator: String,
    #[serde(default)]
    complete_mhz: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockFile {
    mcc: String,
    from_mhz: f64,
    to_mhz: f64,
    holder: String,
    plmns: Vec<Plmn>,
    #[serde(default)]
    railway: bool,
    duplex: Option<Duplex>,
    #[serde(default)]
    rats: Vec<Rat>,
    confidence: Confidence,
    source: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Duplex {
    Fdd,
    Tdd,
}

/// A mobile country code: three digits.
pub(super) fn parse_mcc(text: &str) -> Option<u16> {
    let three_digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    three_digits.then(|| text.parse().ok()).flatten()
}

fn refuse<T>(key: &str, value: impl ToString, allowed: &str) -> Result<T, PlanError> {
    Err(PlanError::Value { key: key.to_owned(), value: value.to_string(), allowed: allowed.to_owned() })
}

fn mcc(key: &str, text: &str) -> Result<u16, PlanError> {
    parse_mcc(text).map_or_else(|| refuse(key, text, "a mobile country code is three digits, such as \"520\""), Ok)
}

fn range(key: &str, from_mhz: f64, to_mhz: f64) -> Result<(u64, u64), PlanError> {
    if !(from_mhz < to_mhz && from_mhz >= 100.0 && to_mhz <= 100_000.0) {
        return refuse(
            key,
            format!("{from_mhz} to {to_mhz}"),
            "from must lie below to, both between 100 and 100000 MHz",
        );
    }
    let hz = |mhz: f64| (mhz * 1e6).round() as u64;
    Ok((hz(from_mhz), hz(to_mhz)))
}

impl Default for Plan {
    fn default() -> Plan {
        Plan::from_toml(BORDER).expect("the seed table is checked by a test")
    }
}

impl Plan {
    /// Reads a table.
    ///
    /// # Errors
    /// [`PlanError`], naming key, value and what is allowed.
    pub fn from_toml(text: &str) -> Result<Plan, PlanError> {
        let file: PlanFile = toml::from_str(text).map_err(|e| PlanError::Toml { message: e.to_string() })?;
        if file.version != VERSION {
            return refuse("version", file.version, "this program reads version 1");
        }
        let mut plan = Plan {
            as_of: file.as_of,
            test_plmns: BTreeMap::new(),
            test_mccs: BTreeMap::new(),
            networks: BTreeMap::new(),
            countries: BTreeMap::new(),
        };
        for test in file.test_network {
            if let Ok(plmn) = test.plmn.parse() {
                plan.test_plmns.insert(plmn, test.name);
            } else {
                plan.test_mccs.insert(mcc("test_network.plmn", &test.plmn)?, test.name);
            }
        }
        for country in file.country {
            let key = mcc("country.mcc", &country.mcc)?;
            let complete = country.complete_mhz.iter().map(|&(from, to)| range("country.complete_mhz", from, to));
            let complete_hz = complete.collect::<Result<_, _>>()?;
            plan.countries.entry(key).or_insert(Country {
                name: country.name,
                regulator: country.regulator,
                complete_hz,
                blocks: Vec::new(),
            });
        }
        for network in file.network {
            let known = plan.countries.contains_key(&network.plmn.mcc());
            if !known {
                return refuse("network.plmn", network.plmn, "its mobile country code needs a [[country]]");
            }
            if let Some(&(from, to)) = network.areas.iter().find(|(from, to)| from > to || *to > 0xff_ffff) {
                return refuse("network.areas", format!("[{from}, {to}]"), "ranges ascend and end at 16777215");
            }
            let plmn = network.plmn;
            if plan.networks.insert(plmn, network).is_some() {
                return refuse("network.plmn", plmn, "each network stands once");
            }
        }
        for block in file.block {
            let key = mcc("block.mcc", &block.mcc)?;
            let (from_hz, to_hz) = range("block.from_mhz and to_mhz", block.from_mhz, block.to_mhz)?;
            let Some(country) = plan.countries.get_mut(&key) else {
                return refuse("block.mcc", block.mcc, "its mobile country code needs a [[country]]");
            };
            country.blocks.push(Block {
                from_hz,
                to_hz,
                holder: block.holder,
                plmns: block.plmns,
                railway: block.railway,
                tdd: block.duplex.map(|duplex| duplex == Duplex::Tdd),
                rats: block.rats,
                confidence: block.confidence,
                source: block.source,
            });
        }
        for country in plan.countries.values_mut() {
            country.blocks.sort_by_key(|block| (block.from_hz, block.to_hz));
            if let Some(pair) = country.blocks.windows(2).find(|pair| pair[0].to_hz > pair[1].from_hz) {
                let value = format!("{} MHz in {}", pair[1].from_hz as f64 / 1e6, country.name);
                return refuse("block.from_mhz", value, "blocks must not overlap: name all holders in one row");
            }
        }
        Ok(plan)
    }

    /// The network, if the table lists it.
    pub fn network(&self, plmn: Plmn) -> Option<&Network> {
        self.networks.get(&plmn)
    }

    /// The networks of a country that are or may be on air.
    pub fn operating(&self, mcc: u16) -> impl Iterator<Item = &Network> {
        self.networks.values().filter(move |n| n.plmn.mcc() == mcc && n.status != NetworkStatus::Defunct)
    }

    /// What makes this PLMN one that no public network uses anywhere.
    pub fn test_network(&self, plmn: Plmn) -> Option<&str> {
        self.test_plmns.get(&plmn).or_else(|| self.test_mccs.get(&plmn.mcc())).map(String::as_str)
    }

    /// The country of a mobile country code.
    pub fn country(&self, mcc: u16) -> Option<&Country> {
        self.countries.get(&mcc)
    }

    /// Mobile country codes of the table, ascending.
    pub fn countries(&self) -> BTreeSet<u16> {
        self.countries.keys().copied().collect()
    }

    /// What a country's plan says of `[from_hz, to_hz)`, the bandwidth that a carrier occupies.
    pub fn allocation(&self, mcc: u16, from_hz: u64, to_hz: u64) -> Allocation<'_> {
        let Some(country) = self.countries.get(&mcc) else { return Allocation::Unknown };
        let start = country.blocks.partition_point(|b| b.to_hz <= from_hz);
        let end = country.blocks.partition_point(|b| b.from_hz < to_hz);
        let touched = &country.blocks[start..end.max(start)];
        let complete = country.complete_hz.iter().any(|&(from, to)| from <= from_hz && to_hz <= to);
        let covered = touched.first().is_some_and(|b| b.from_hz <= from_hz)
            && touched.last().is_some_and(|b| b.to_hz >= to_hz)
            && touched.windows(2).all(|pair| pair[0].to_hz == pair[1].from_hz);
        if complete || covered { Allocation::Blocks(touched) } else { Allocation::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MHZ: u64 = 1_000_000;

    #[test]
    fn the_seed_table_is_readable_and_knows_both_countries() {
        let plan = Plan::default();
        assert_eq!(plan.countries().into_iter().collect::<Vec<_>>(), [456, 520]);
        assert_eq!(plan.network("520-23".parse().unwrap()).map(|n| n.status), Some(NetworkStatus::Defunct));
        assert_eq!(plan.operating(456).count(), 8);
        assert!(plan.test_network("001-01".parse().unwrap()).is_some());
        assert!(plan.test_network("901-70".parse().unwrap()).is_some());
        assert!(plan.test_network("901-14".parse().unwrap()).is_none());
    }

    #[test]
    fn a_complete_band_tells_unassigned_from_unknown() {
        let plan = Plan::default();
        let holders = |mcc, from, to| match plan.allocation(mcc, from, to) {
            Allocation::Unknown => None,
            Allocation::Blocks(blocks) => Some(blocks.iter().map(|b| b.plmns.len()).collect::<Vec<_>>()),
        };
        assert_eq!(holders(520, 945 * MHZ, 945 * MHZ + 200_000), Some(vec![3]));
        assert_eq!(holders(520, 939_900_000, 940_100_000), Some(vec![5, 3]));
        assert_eq!(holders(520, 931 * MHZ, 932 * MHZ), Some(vec![]), "no row, but the band is complete");
        assert_eq!(holders(520, 870 * MHZ, 871 * MHZ), Some(vec![0]), "a row without networks");
        assert_eq!(holders(520, 850 * MHZ, 851 * MHZ), None);
        assert_eq!(holders(456, 945 * MHZ, 946 * MHZ), None, "no ranges are known for Cambodia");
        assert_eq!(holders(262, 945 * MHZ, 946 * MHZ), None);
    }

    #[test]
    fn a_wrong_table_is_refused_with_key_and_remedy() {
        let refuse = |text: &str| Plan::from_toml(text).unwrap_err().to_string();
        assert!(refuse("version = 2\nas_of = \"x\"").contains("version is 2; this program reads version 1"));
        assert!(refuse("version = 1\nas_of = \"x\"\nfoo = 1").contains("foo"));
        let country = "version = 1\nas_of = \"x\"\n[[country]]\nmcc = \"520\"\nname = \"T\"\nregulator = \"N\"\n";
        let block = |from: f64, to: f64| {
            format!(
                "[[block]]\nmcc=\"520\"\nfrom_mhz={from:.1}\nto_mhz={to:.1}\nholder=\"h\"\nplmns=[]\nconfidence=\"low\"\nsource=\"s\"\n"
            )
        };
        assert!(refuse(&format!("{country}{}", block(950.0, 940.0))).contains("from must lie below to"));
        assert!(
            refuse(&format!("{country}{}{}", block(940.0, 950.0), block(949.0, 955.0))).contains("must not overlap")
        );
        assert!(refuse(&format!("{country}[[test_network]]\nplmn=\"1\"\nname=\"n\"")).contains("three digits"));
    }
}
