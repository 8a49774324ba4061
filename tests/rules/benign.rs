//! Weeks without a rogue station: what the rules make of them.

use crate::border::{Border, DAY, Registers, Step, WEEK};
use crate::support::config;
use daen::cell::CellKey;
use daen::observation::{Finding, Tier};
use daen::rules::Engine;
use std::collections::{BTreeMap, BTreeSet};

/// What a week or a year comes to.
#[derive(Debug, Default)]
pub struct Tally {
    observations: u64,
    /// By rule and tier: on how many cells.
    fired: BTreeMap<(String, Tier), BTreeSet<CellKey>>,
    /// Confirmed rules of a cell that count (tiers A and B), by day.
    by_cell: BTreeMap<(i64, CellKey), BTreeMap<String, Tier>>,
}

/// What a regulator would be called for: a finding that is enough alone, or a set that names a class graver than an unverified cell.
///
/// The sets are those of the catalogue's composite classes, as the hub keeps them.
pub fn alarms(rules: &BTreeMap<String, Tier>) -> Vec<String> {
    let any = |ids: &[&str]| ids.iter().any(|id| rules.contains_key(*id));
    let count = |ids: &[&str]| ids.iter().filter(|id| rules.contains_key(**id)).count();
    let mut alarms: Vec<String> =
        rules.iter().filter(|(_, tier)| **tier == Tier::A).map(|(rule, _)| format!("{rule} alone")).collect();
    let unknown = any(&["ID-05", "SI-13"]);
    for (class, complete) in [
        ("SMS_BLASTER", unknown && count(&["ID-11", "RS-04", "SI-01"]) >= 2),
        ("SMS_BLASTER (lure)", any(&["RS-11"]) && any(&["ID-05", "ID-08", "SI-13", "RS-12"])),
        ("IMSI_CATCHER", unknown && CATCHER.iter().filter(|signs| any(signs)).count() >= 4),
        ("CLONE", any(&["SI-17"])),
        ("UNLICENSED_CARRIER", any(&["ID-03", "ID-04"])),
    ] {
        if complete {
            alarms.push(class.to_owned());
        }
    }
    alarms
}

/// Signs of an LTE catcher, those that go together in one line.
const CATCHER: [&[&str]; 7] =
    [&["ID-07"], &["ID-08"], &["RS-07"], &["RS-08", "RS-09"], &["RS-10", "RS-14"], &["RF-13"], &["SI-05", "SI-06"]];

impl Tally {
    fn take(&mut self, now: i64, findings: &[Finding]) {
        for finding in findings {
            let cell = finding.observation.cell;
            self.fired.entry((finding.rule.clone(), finding.tier)).or_default().insert(cell);
            if finding.tier < Tier::C {
                let rules = self.by_cell.entry((now / DAY, cell)).or_default();
                let tier = rules.entry(finding.rule.clone()).or_insert(finding.tier);
                *tier = (*tier).min(finding.tier);
            }
        }
    }

    /// Days and cells with an alarm.
    fn alarms(&self) -> Vec<(i64, CellKey, Vec<String>)> {
        let judged = self.by_cell.iter().map(|((day, cell), rules)| (*day, *cell, alarms(rules)));
        judged.filter(|(.., alarms)| !alarms.is_empty()).collect()
    }

    fn table(&self) -> String {
        let line = |((rule, tier), cells): (&(String, Tier), &BTreeSet<CellKey>)| {
            format!("{rule} {tier:?}: {} cells", cells.len())
        };
        self.fired.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

/// So many weeks of one node.
fn live(seed: u64, registers: Registers, weeks: i64, step_s: i64) -> Tally {
    let mut border = Border::new(seed, registers, step_s);
    let settings = || config("learning_s = 86400");
    let mut engine = Engine::new(settings(), border.register());
    let (mut tally, mut findings) = (Tally::default(), Vec::new());
    while border.now < weeks * WEEK {
        match border.step() {
            Step::Heard(observations) => {
                for observation in &observations {
                    engine.judge(observation, &mut findings);
                }
                tally.observations += observations.len() as u64;
                tally.take(border.now, &findings);
                findings.clear();
            }
            Step::Restart => {
                let state = engine.export_state();
                engine = Engine::new(settings(), border.register());
                engine.import_state(&state).unwrap();
            }
        }
    }
    tally
}

#[test]
fn a_week_at_the_border_raises_no_alarm_whatever_registers_the_node_has() {
    for (seed, registers) in [(1, Registers::Both), (2, Registers::Thai), (3, Registers::None)] {
        let tally = live(seed, registers, 1, 600);
        println!("{registers:?}, seed {seed}: {} observations; {}", tally.observations, tally.table());
        assert!(tally.observations > 80_000);
        assert_eq!(tally.alarms(), [], "{registers:?}, seed {seed}");
    }
}

/// The table for `make acceptance`: a year for each kind of register.
#[test]
fn a_year_at_the_border_raises_at_most_one_alarm_a_node() {
    if std::env::var_os("DAEN_ACCEPTANCE").is_none() {
        println!("skipped: set DAEN_ACCEPTANCE for 52 weeks");
        return;
    }
    for (seed, registers) in [(11, Registers::Both), (12, Registers::Thai), (13, Registers::None)] {
        let tally = live(seed, registers, 52, 1200);
        println!("{registers:?}, seed {seed}: {} observations; {}", tally.observations, tally.table());
        for (day, cell, alarms) in tally.alarms() {
            println!("  day {day}: {cell}: {}", alarms.join(", "));
        }
        assert!(tally.alarms().len() <= 1, "{registers:?}, seed {seed}");
    }
}
