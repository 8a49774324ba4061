//! Which spectrum is scanned in which country: a table of bands each, replaceable by a file of the same form.
//!
//! A row is the whole downlink of a band, whoever holds which part of it: test kits and blasters sit in spectrum that nobody has.
//! The tables are seed data; each row says where its figures come from.
//!
//! ## References
//! - 3GPP TS 36.101 Release 17, table 5.5-1, and TS 38.101-1 Release 17, table 5.2-1: downlink of the bands
//! - 3GPP TS 45.005 Release 17, clause 2: bands of GSM

use crate::config::named::{self, TableError};
use crate::units::Hz;
use serde::Deserialize;
use std::path::Path;

/// The built-in tables, by country code of ISO 3166-1.
const TABLES: [(&str, &str); 2] = [("KH", include_str!("bands/kh.toml")), ("TH", include_str!("bands/th.toml"))];
/// The version of the table's layout.
const VERSION: u32 = 1;
/// Most rows of a table; the longest of 3GPP's lists has fewer.
const MOST_BANDS: usize = 128;

/// Downlink of a band. All of it, assigned or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Its number, or several that share it.
    pub name: String,
    /// Lower edge.
    pub low: Hz,
    /// Upper edge.
    pub high: Hz,
    /// Whether GSM is used in it, or could be.
    pub gsm: bool,
    /// What it is used for, in words.
    pub used: String,
    /// Who says so.
    pub source: String,
}

/// The bands of a country.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// ISO 3166-1 code.
    pub country: String,
    /// Name for people.
    pub name: String,
    /// As written.
    pub bands: Vec<Band>,
}

/// A table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    version: u32,
    country: String,
    name: String,
    #[serde(default)]
    band: Vec<BandFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BandFile {
    name: String,
    downlink_mhz: [f64; 2],
    #[serde(default)]
    gsm: bool,
    #[serde(rename = "use")]
    used: String,
    source: String,
}

impl Table {
    /// The table of a country, or of a file whose path ends in `.toml` and counts from `folder`.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn named(name: &str, folder: &Path) -> Result<Table, TableError> {
        let (name, text) = named::text("table of bands", &TABLES, name, folder)?;
        Table::parse(&name, &text)
    }

    /// Reads and checks a table; `name` is for messages.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn parse(name: &str, text: &str) -> Result<Table, TableError> {
        let file: TableFile = named::parse(name, text)?;
        let wrong = |key: String, value: String, allowed: &'static str| {
            Err(TableError::Value { name: name.to_owned(), key, value, allowed })
        };
        if file.version != VERSION {
            return wrong("version".to_owned(), file.version.to_string(), "1");
        }
        if file.band.is_empty() || file.band.len() > MOST_BANDS {
            return wrong("band".to_owned(), format!("{} rows", file.band.len()), "1 to 128 rows");
        }
        let mut bands = Vec::with_capacity(file.band.len());
        for BandFile { name: band, downlink_mhz: [low, high], gsm, used, source } in file.band {
            if !(low >= 1.0 && high <= 100_000.0 && high - low >= 0.2) {
                let key = format!("downlink_mhz of band {band}");
                return wrong(key, format!("[{low}, {high}]"), "lower and upper edge within 1 to 100000, 0.2 apart");
            }
            bands.push(Band { name: band, low: Hz(low * 1e6), high: Hz(high * 1e6), gsm, used, source });
        }
        Ok(Table { country: file.country, name: file.name, bands })
    }
}

/// The bands of several tables, each once: the same name with the same edges is the same band.
pub fn union(tables: &[Table]) -> Vec<Band> {
    let mut all: Vec<Band> = Vec::new();
    for band in tables.iter().flat_map(|table| &table.bands) {
        let same = |other: &&mut Band| other.name == band.name && other.low == band.low && other.high == band.high;
        match all.iter_mut().find(same) {
            Some(known) => known.gsm |= band.gsm,
            None => all.push(band.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_both_countries_hold_the_bands_that_matter_with_edges_of_the_standard() {
        for country in ["TH", "KH"] {
            let table = Table::named(country, Path::new("")).unwrap();
            assert_eq!(table.country, country);
            let whole = |name: &str| table.bands.iter().find(|band| band.name.split(' ').any(|part| part == name));
            for name in ["5", "8", "3", "1", "28", "n28", "20", "38", "39", "40", "41", "n41", "7", "71", "n78"] {
                assert!(whole(name).is_some(), "{country}: band {name}");
            }
            for band in &table.bands {
                assert!(!band.used.is_empty() && !band.source.is_empty(), "{country}: {}", band.name);
                // The LTE table of the wire contract, which was checked on its own.
                if let Some(number) = band.name.split(' ').find_map(|part| part.parse().ok()) {
                    let lte = crate::cell::lte_band(number).unwrap();
                    assert!(lte.holds(band.low.round() as u64), "{country}: {}", band.name);
                    assert!(!lte.holds(band.low.round() as u64 - 100_000), "{country}: {}", band.name);
                    assert!(lte.holds(band.high.round() as u64 - 100_000), "{country}: {}", band.name);
                    assert!(!lte.holds(band.high.round() as u64), "{country}: {}", band.name);
                }
            }
        }
    }

    #[test]
    fn bands_of_two_countries_are_scanned_once() {
        let tables = ["TH", "KH"].map(|name| Table::named(name, Path::new("")).unwrap());
        let all = union(&tables);
        assert_eq!(all.iter().filter(|band| band.name == "8").count(), 1);
        assert_eq!(all.len(), tables[0].bands.len(), "Thailand's table has all of Cambodia's");
    }

    #[test]
    fn a_wrong_table_is_refused_by_the_key() {
        let error = |text: &str| Table::parse("mine.toml", text).unwrap_err().to_string();
        let row = |edges: &str| {
            format!(
                "version = 1\ncountry = \"XX\"\nname = \"X\"\n[[band]]\nname = \"9\"\ndownlink_mhz = {edges}\nuse = \"-\"\nsource = \"-\"\n"
            )
        };
        assert!(error(&row("[900.0, 800.0]")).contains("downlink_mhz of band 9 = [900, 800]"));
        assert!(error(&row("[900.0, nan]")).contains("lower and upper edge"));
        assert!(error("version = 2\ncountry = \"XX\"\nname = \"X\"").contains("version = 2: must be 1"));
        assert!(error("version = 1\ncountry = \"XX\"\nname = \"X\"").contains("0 rows"));
        assert!(error(&format!("{}gms = true\n", row("[900.0, 910.0]"))).contains("gms"));
        let unknown = Table::named("VN", Path::new("")).unwrap_err().to_string();
        assert!(unknown.contains("\"VN\": use one of KH, TH"), "{unknown}");
    }
}
