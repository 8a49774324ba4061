//! The rules file (`--rules FILE`): as written in TOML, checked, and then as used.
//!
//! ```toml
//! countries = ["520", "456"]      # networks that belong here; default: the Thai-Cambodian border
//! neighbours = ["457", "452"]     # countries whose cells may be overheard; reported as context only
//! allowed_plmns = ["520-09"]      # networks that are in order wherever they are heard
//! plan = "border.toml"            # frequency plan and networks, relative to this file; default: the built-in seed
//! copies = 2                      # error-free copies of a message before a rule may rest on it, 1 to 100
//! reassert_s = 600                # a lasting finding is repeated so often
//! change_s = 5                    # and, when its evidence changes, at most so often
//! learning_s = 0                  # so long after the first observation tier B findings are context only
//! min_siblings = 3                # cells of a network that make a baseline
//! max_cells = 4096                # cells remembered
//!
//! [rules.RS-01]
//! enabled = true
//! cro_code_above = 40
//! ```

use super::plan::{Plan, PlanError, parse_mcc};
use crate::cell::Plmn;
use crate::units::Nanos;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Why a rules file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("{path}: {source}; give the path of a readable rules file")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is not the TOML that is wanted.
    #[error("the rules file is not readable: {message}")]
    Toml {
        /// The parser's words: line, key, problem.
        message: String,
    },
    /// A value is out of range.
    #[error("the rules file's {key} is {value}; {allowed}")]
    Value {
        /// Which key.
        key: String,
        /// As written.
        value: String,
        /// What may be there.
        allowed: String,
    },
    /// The frequency plan that it names is unusable.
    #[error("{path}: {source}")]
    Plan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PlanError,
    },
}

/// As written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    countries: Option<Vec<String>>,
    neighbours: Option<Vec<String>>,
    allowed_plmns: Option<Vec<String>>,
    plan: Option<PathBuf>,
    copies: Option<i64>,
    reassert_s: Option<i64>,
    change_s: Option<i64>,
    learning_s: Option<i64>,
    min_siblings: Option<i64>,
    max_cells: Option<i64>,
    #[serde(default)]
    rules: BTreeMap<String, BTreeMap<String, toml::Value>>,
}

/// Thresholds of single rules; each is a setting of the rule in the rules file.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// ID-11 `window_s`: area codes of one cell are held against each other for so long. Catalogue: 24 h.
    pub area_window: Nanos,
    /// ID-11 `alternation_s`: two changes within make the finding tier A. Start value: "within minutes".
    pub area_alternation: Nanos,
    /// ID-11 `replan_cells`: so many other cells of the network changing within an hour are a planned change. Catalogue: 10.
    pub replan_cells: usize,
    /// SI-01 `unheard_s`: listed neighbours must have been silent for so long. Catalogue: 24 h.
    pub unheard: Nanos,
    /// SI-13 `matches_b`: defaults of one stack for tier B. Start value.
    pub stack_matches_b: usize,
    /// SI-13 `matches_a`: defaults of one stack for tier A. Catalogue: 4.
    pub stack_matches_a: usize,
    /// RS-01 `cro_code_above`: fires above this code. Catalogue: 40, which a fifth of the cells of one survey has.
    pub cro_code: u8,
    /// RS-01 `over_siblings_code`: fires so far above the siblings' largest code. Start value: 10, which is 20 dB.
    pub cro_over_siblings: u8,
    /// RS-03 `below_siblings_db`: the siblings' median must lie so far above. Catalogue: -105 dBm against -110.
    pub rxlev_below_siblings: u8,
    /// RS-04 `t3212_below`: fires below this number of six-minute units. Catalogue: 10.
    pub t3212_below: u8,
    /// RS-08 `below_siblings_db`: q-RxLevMin must lie so far below the siblings' median. Start value: between the 2 to 4 dB of coverage
    /// sites and the 12 dB of OAI's default.
    pub q_rx_lev_below_siblings: u8,
    /// PG-11 `settle_s`: siblings count when heard so long after a warning began. Catalogue: 120 s.
    pub warning_settles: Nanos,
}

/// As used.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Mobile country codes whose networks belong here.
    pub countries: BTreeSet<u16>,
    /// The rules file named them; otherwise they are the border's.
    pub countries_configured: bool,
    /// Mobile country codes that may be overheard.
    pub neighbours: BTreeSet<u16>,
    /// Networks that are in order wherever they are heard.
    pub allowed_plmns: BTreeSet<Plmn>,
    /// Frequency plan and networks.
    pub plan: Plan,
    /// Copies of a message, or observations of a signal, before a rule may rest on it.
    pub copies: u32,
    /// How often a lasting finding is repeated.
    pub reassert: Nanos,
    /// How often a finding is repeated at most, when its evidence changes.
    pub change: Nanos,
    /// How long tier B is context only, from the first observation.
    pub learning: Nanos,
    /// Cells of a network that make a baseline.
    pub min_siblings: usize,
    /// Cells remembered.
    pub max_cells: usize,
    /// Names of rules that are switched off.
    pub disabled: BTreeSet<String>,
    /// Thresholds of single rules.
    pub thresholds: Thresholds,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            countries: BTreeSet::from([520, 456]),
            countries_configured: false,
            neighbours: BTreeSet::from([457, 452]),
            allowed_plmns: BTreeSet::new(),
            plan: Plan::default(),
            copies: 2,
            reassert: Nanos::from_secs(600),
            change: Nanos::from_secs(5),
            learning: Nanos(0),
            min_siblings: 3,
            max_cells: 4096,
            disabled: BTreeSet::new(),
            thresholds: Thresholds {
                area_window: Nanos::from_secs(86_400),
                area_alternation: Nanos::from_secs(600),
                replan_cells: 10,
                unheard: Nanos::from_secs(86_400),
                stack_matches_b: 3,
                stack_matches_a: 4,
                cro_code: 40,
                cro_over_siblings: 10,
                rxlev_below_siblings: 5,
                t3212_below: 10,
                q_rx_lev_below_siblings: 8,
                warning_settles: Nanos::from_secs(120),
            },
        }
    }
}

fn refuse<T>(key: &str, value: impl ToString, allowed: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError::Value { key: key.to_owned(), value: value.to_string(), allowed: allowed.into() })
}

fn within(key: &str, value: i64, low: i64, high: i64) -> Result<i64, ConfigError> {
    if (low..=high).contains(&value) { Ok(value) } else { refuse(key, value, format!("allowed is {low} to {high}")) }
}

fn country_codes(key: &str, codes: &[String]) -> Result<BTreeSet<u16>, ConfigError> {
    let parse = |code: &String| {
        parse_mcc(code).map_or_else(
            || refuse(key, format!("{code:?}"), "a mobile country code is three digits in quotes, such as \"520\""),
            Ok,
        )
    };
    codes.iter().map(parse).collect()
}

impl Config {
    /// How long ago what a rule asks of a cell's past may lie, at most.
    pub fn looks_back(&self) -> Nanos {
        let Thresholds { area_window, area_alternation, unheard, .. } = self.thresholds;
        [self.reassert, self.change, area_window, area_alternation, unheard].into_iter().max().unwrap_or_default()
    }

    /// Reads a rules file and the frequency plan that it names.
    ///
    /// # Errors
    /// [`ConfigError`], naming key, value and what is allowed.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let io = |source| ConfigError::Io { path: path.to_owned(), source };
        let text = crate::config::text(path).map_err(io)?;
        Config::from_toml(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// The same from text; a relative `plan` lies in `folder`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str, folder: &Path) -> Result<Config, ConfigError> {
        let file: ConfigFile = toml::from_str(text).map_err(|e| ConfigError::Toml { message: e.to_string() })?;
        let mut config = Config::default();
        if let Some(codes) = &file.countries {
            if codes.is_empty() {
                return refuse("countries", "[]", "name at least one, or leave the key away for the border's default");
            }
            config.countries = country_codes("countries", codes)?;
            config.countries_configured = true;
            // Neighbours of the border mean nothing elsewhere.
            config.neighbours = BTreeSet::new();
        }
        if let Some(codes) = &file.neighbours {
            config.neighbours = country_codes("neighbours", codes)?;
        }
        for text in file.allowed_plmns.iter().flatten() {
            let Ok(plmn) = text.parse() else {
                return refuse("allowed_plmns", format!("{text:?}"), "a PLMN is such as \"520-09\"");
            };
            config.allowed_plmns.insert(plmn);
        }
        if let Some(plan) = &file.plan {
            let path = folder.join(plan);
            let io = |source| ConfigError::Io { path: path.clone(), source };
            let text = crate::config::text(&path).map_err(io)?;
            config.plan = Plan::from_toml(&text).map_err(|source| ConfigError::Plan { path: path.clone(), source })?;
        }
        let number = |key: &str, value: Option<i64>, low, high| value.map(|v| within(key, v, low, high)).transpose();
        if let Some(copies) = number("copies", file.copies, 1, 100)? {
            config.copies = copies as u32;
        }
        let span = |key: &str, value: Option<i64>, low: i64, kept: &mut Nanos| {
            // A year: longer is a slip of the pen, and i64 nanoseconds hold it 292 times.
            let seconds = number(key, value, low, 365 * 86_400)?;
            *kept = seconds.map_or(*kept, Nanos::from_secs);
            Ok::<(), ConfigError>(())
        };
        span("reassert_s", file.reassert_s, 1, &mut config.reassert)?;
        span("change_s", file.change_s, 0, &mut config.change)?;
        span("learning_s", file.learning_s, 0, &mut config.learning)?;
        if let Some(cells) = number("min_siblings", file.min_siblings, 1, 100)? {
            config.min_siblings = cells as usize;
        }
        if let Some(cells) = number("max_cells", file.max_cells, 16, 1_000_000)? {
            config.max_cells = cells as usize;
        }
        for (rule, settings) in &file.rules {
            config.set_rule(rule, settings)?;
        }
        if config.thresholds.stack_matches_b > config.thresholds.stack_matches_a {
            let value = config.thresholds.stack_matches_b;
            return refuse("rules.SI-13.matches_b", value, "it must not exceed matches_a");
        }
        Ok(config)
    }

    fn set_rule(&mut self, rule: &str, settings: &BTreeMap<String, toml::Value>) -> Result<(), ConfigError> {
        let known: Vec<&str> = super::catalogue().map(|about| about.id).collect();
        if !known.contains(&rule) {
            return refuse("rules", rule, format!("known rules are {}", known.join(", ")));
        }
        for (setting, value) in settings {
            let key = format!("rules.{rule}.{setting}");
            let number = |low, high| match value.as_integer() {
                Some(number) => within(&key, number, low, high),
                None => refuse(&key, value, format!("allowed is a whole number, {low} to {high}")),
            };
            let seconds = || number(1, 365 * 86_400).map(Nanos::from_secs);
            let thresholds = &mut self.thresholds;
            match (rule, setting.as_str()) {
                (_, "enabled") => match value.as_bool() {
                    Some(true) => drop(self.disabled.remove(rule)),
                    Some(false) => drop(self.disabled.insert(rule.to_owned())),
                    None => return refuse(&key, value, "allowed is true or false"),
                },
                ("ID-11", "window_s") => thresholds.area_window = seconds()?,
                ("ID-11", "alternation_s") => thresholds.area_alternation = seconds()?,
                ("ID-11", "replan_cells") => thresholds.replan_cells = number(1, 1000)? as usize,
                ("SI-01", "unheard_s") => thresholds.unheard = seconds()?,
                ("SI-13", "matches_b") => thresholds.stack_matches_b = number(2, 10)? as usize,
                ("SI-13", "matches_a") => thresholds.stack_matches_a = number(2, 10)? as usize,
                ("RS-01", "cro_code_above") => thresholds.cro_code = number(0, 63)? as u8,
                ("RS-01", "over_siblings_code") => thresholds.cro_over_siblings = number(1, 63)? as u8,
                ("RS-03", "below_siblings_db") => thresholds.rxlev_below_siblings = number(1, 63)? as u8,
                ("RS-08", "below_siblings_db") => thresholds.q_rx_lev_below_siblings = number(2, 96)? as u8,
                ("PG-11", "settle_s") => thresholds.warning_settles = seconds()?,
                ("RS-04", "t3212_below") => thresholds.t3212_below = number(1, 255)? as u8,
                _ => return refuse(&key, value, format!("{rule} has no such setting; it has {}", settings_of(rule))),
            }
        }
        Ok(())
    }
}

/// The settings of a rule, in words.
fn settings_of(rule: &str) -> &'static str {
    match rule {
        "ID-11" => "enabled, window_s, alternation_s, replan_cells",
        "SI-01" => "enabled, unheard_s",
        "SI-13" => "enabled, matches_b, matches_a",
        "RS-01" => "enabled, cro_code_above, over_siblings_code",
        "RS-03" => "enabled, below_siblings_db",
        "RS-04" => "enabled, t3212_below",
        "RS-08" => "enabled, below_siblings_db",
        "PG-11" => "enabled, settle_s",
        _ => "enabled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        Config::from_toml(text, Path::new("")).map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(read(""), Ok(Config::default()));
    }

    #[test]
    fn a_foreign_place_is_one_line() {
        let config = read("countries = [\"262\"]").unwrap();
        assert_eq!(config.countries, BTreeSet::from([262]));
        assert!(config.countries_configured && config.neighbours.is_empty());
    }

    #[test]
    fn settings_reach_their_rule() {
        let config = read("copies = 3\n[rules.RS-01]\ncro_code_above = 30\n[rules.SI-09]\nenabled = false").unwrap();
        assert_eq!((config.copies, config.thresholds.cro_code), (3, 30));
        assert!(config.disabled.contains("SI-09"));
    }

    #[test]
    fn each_mistake_names_key_value_and_what_is_allowed() {
        for (text, parts) in [
            ("copies = 0", ["copies is 0", "1 to 100"]),
            ("countries = [\"52\"]", ["countries is \"52\"", "three digits"]),
            ("countries = []", ["countries is []", "at least one"]),
            ("allowed_plmns = [\"52003\"]", ["allowed_plmns is \"52003\"", "520-09"]),
            ("[rules.RS-99]", ["rules is RS-99", "known rules are ID-01"]),
            ("[rules.RS-01]\nt3212_below = 3", ["rules.RS-01.t3212_below", "cro_code_above"]),
            ("[rules.RS-01]\ncro_code_above = 64", ["rules.RS-01.cro_code_above is 64", "0 to 63"]),
            ("[rules.RS-01]\nenabled = 1", ["rules.RS-01.enabled is 1", "true or false"]),
            ("[rules.SI-13]\nmatches_b = 5", ["rules.SI-13.matches_b is 5", "matches_a"]),
            ("colour = 1", ["colour", "expected"]),
            ("plan = \"/nowhere/plan.toml\"", ["/nowhere/plan.toml", "readable"]),
        ] {
            let error = read(text).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }
}
