//! The engine: one observation in, the findings that it raises out.
//!
//! For each cell (carrier, physical identity, and once known PLMN and cell identity) every rule is asked in a fixed order. A finding is
//! emitted when a rule first fires on a cell, again when tier or evidence change or it comes back (at most every `change_s`), and every
//! `reassert_s` while it lasts. Time is the observation's own; nothing else is read, so the same observations give the same findings.
//!
//! What moderates a verdict, in this order:
//! 1. **Copies.** What the verdict rests on must have been received without error `copies` times (2), counted over streams: the reports
//!    of one stream are cumulative, so a second report of one copy is still one copy.
//! 2. **Licence.** Where identity, carrier and physical identity agree with a licence in force, the rule's [`WhenLicensed`] decides: identity rules
//!    are silent, parameters become context (tier C), a stack's fingerprint falls by one tier, a changing area code stays.
//! 3. **Learning.** Until `learning_s` after the first observation (of the imported state) tier B is context.

use super::baseline::{Baseline, Profile, StateError};
use super::config::Config;
use super::memory::{Fired, Memory};
use super::register::{Difference, Register, Standing};
use super::rule::{Basis, Case, Judgement, Place, Rule, Verdict, WhenLicensed, evidence};
use crate::observation::{Fields, Finding, Observation, Position, Tier};
use crate::units::Nanos;
use std::cell::OnceCell;

/// What the engine counts; for a node's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Cells remembered now.
    pub cells: usize,
    /// Cells forgotten because the memory was full.
    pub evicted: u64,
    /// Observations judged.
    pub observations: u64,
    /// Findings emitted.
    pub findings: u64,
}

/// Judges observations.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    register: Option<Register>,
    rules: Vec<&'static dyn Rule>,
    memory: Memory,
    baseline: Baseline,
    observations: u64,
    findings: u64,
}

impl Engine {
    /// An engine without a past.
    pub fn new(config: Config, register: Option<Register>) -> Engine {
        let rules = super::RULES.into_iter().filter(|rule| !config.disabled.contains(rule.about().id)).collect();
        let memory = Memory::new(config.max_cells, config.looks_back());
        Engine { config, register, rules, memory, baseline: Baseline::default(), observations: 0, findings: 0 }
    }

    /// Takes an observation and appends what is to be reported. Observations of one node come in the order of their time.
    pub fn judge(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        self.observations += 1;
        self.baseline.begin(observation.at_ns);
        self.baseline.heard(observation.cell, observation.at_ns);
        let plmn = observation.identity.as_ref().and_then(|i| i.plmns.first().copied());
        let named = plmn.is_some() && observation.identity.as_ref().is_some_and(|i| i.cell_id.is_some());
        if !named && self.memory.hears_identified(observation.cell, observation.at_ns) {
            // A new stream that has not decoded the identity again: nothing new can be said, and much less is known.
            return;
        }
        let memory = self.memory.note(observation, self.config.copies);
        let case = Case {
            observation,
            gsm: Case::gsm_fields(observation),
            lte: observation.fields.as_ref().and_then(Fields::lte),
            plmn,
            config: &self.config,
            register: self.register.as_ref(),
            standing: self.register.as_ref().map_or(Standing::Unknown, |register| register.standing(observation)),
            memory,
            baseline: &self.baseline,
            place: match (self.config.countries_configured, observation.position) {
                (true, _) => Place::Configured,
                (false, Some(position)) if is_in_the_region(position) => Place::Positioned,
                (false, _) => Place::Assumed,
            },
            siblings: OnceCell::new(),
        };
        let mut outcomes: Vec<(&'static str, Option<Verdict>)> = Vec::new();
        for rule in &self.rules {
            let about = rule.about();
            match rule.judge(&case) {
                Judgement::Unknown => {}
                Judgement::Quiet => outcomes.push((about.id, None)),
                Judgement::Fires(verdict) if confirmed(&case, verdict.rests_on) => {
                    outcomes.push((about.id, moderate(&case, about.when_licensed, verdict)));
                }
                Judgement::Fires(_) => {}
            }
        }
        let confirmed_identity = confirmed(&case, &[Basis::Identity]);
        // A planned change of areas that the register does not have yet takes no cell from the baseline.
        let area_differs = matches!(case.standing, Standing::Differs(_, Difference::Area));
        let licensed = area_differs || matches!(case.standing, Standing::Licensed(_));
        let now = observation.at_ns;
        for (id, verdict) in outcomes {
            let Some(verdict) = verdict else {
                if let Some(fired) = memory.fired.get_mut(id) {
                    fired.lasts = false;
                }
                continue;
            };
            if let Some(fired) = memory.fired.get_mut(id) {
                let age = now - fired.emitted;
                let changed = !fired.lasts || fired.tier != verdict.tier || fired.evidence != verdict.evidence;
                let wait = if changed { self.config.change } else { self.config.reassert };
                // Time that runs backwards is another recording: nothing there is a repetition.
                if (Nanos(0)..wait).contains(&age) {
                    continue;
                }
            }
            let about = super::catalogue().find(|about| about.id == id).expect("the outcome is of a rule");
            let fired = Fired { tier: verdict.tier, evidence: verdict.evidence.clone(), emitted: now, lasts: true };
            memory.fired.insert(id, fired);
            self.findings += 1;
            findings.push(Finding {
                rule: id.to_owned(),
                version: about.version,
                tier: verdict.tier,
                evidence: verdict.evidence,
                innocent: about.innocent.iter().map(|&text| text.to_owned()).collect(),
                observation: observation.clone(),
            });
        }
        let grave = memory.fired.values().any(|fired| fired.lasts && fired.tier == Tier::A);
        let changed_area = memory.area_changes.back().copied();
        let (Some(plmn), Some(fields)) = (plmn, observation.fields.as_ref()) else { return };
        if grave {
            self.baseline.forget(plmn, observation.cell);
            self.baseline.suspect(observation.cell, now);
        } else if confirmed_identity {
            let mut profile = Profile::of(plmn, observation.cell, licensed, now, fields);
            profile.area_changed_ns = changed_area;
            profile.area = observation.identity.as_ref().and_then(|identity| identity.area);
            profile.area_differs = area_differs;
            self.baseline.learn(profile);
        }
    }

    /// The register holds this cell as it is heard: its observations are worth the least when a node's spool overflows.
    pub fn is_licensed(&self, observation: &Observation) -> bool {
        let standing = self.register.as_ref().map(|register| register.standing(observation));
        matches!(standing, Some(Standing::Licensed(_)))
    }

    /// What this node has learned, as JSON; for `--state` and for a restart.
    pub fn export_state(&self) -> String {
        self.baseline.export()
    }

    /// Starts from what a node has learned.
    ///
    /// # Errors
    /// [`StateError`] with the remedy; the engine is then as before.
    pub fn import_state(&mut self, json: &str) -> Result<(), StateError> {
        self.baseline = Baseline::import(json)?;
        Ok(())
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        Counters {
            cells: self.memory.len(),
            evicted: self.memory.evicted(),
            observations: self.observations,
            findings: self.findings,
        }
    }
}

/// Thailand and Cambodia lie inside 5.6 to 20.5 degrees north and 97.3 to 107.7 degrees east; elsewhere the border's default set of
/// countries is only an assumption.
fn is_in_the_region(position: Position) -> bool {
    (5.6..=20.5).contains(&position.lat_deg) && (97.3..=107.7).contains(&position.lon_deg)
}

/// What the verdict rests on was received often enough.
fn confirmed(case: &Case<'_>, rests_on: &[Basis]) -> bool {
    let copies = |basis: &Basis| match basis {
        Basis::Identity => case.memory.identity_copies(),
        Basis::Message(name) => case.memory.copies(name),
        Basis::Sib(number) => case.sib_copies(*number),
        Basis::Signal => case.memory.observations(),
    };
    rests_on.iter().all(|basis| copies(basis) >= case.config.copies)
}

/// Licence and learning; `None`: the verdict is not reported.
fn moderate(case: &Case<'_>, when_licensed: WhenLicensed, mut verdict: Verdict) -> Option<Verdict> {
    if let Standing::Licensed(entry) = &case.standing {
        let lower = match (when_licensed, verdict.tier) {
            (WhenLicensed::Silent, _) => return None,
            (WhenLicensed::Unchanged, tier) => tier,
            (WhenLicensed::OneLess, Tier::A) => Tier::B,
            (WhenLicensed::OneLess | WhenLicensed::Context, _) => Tier::C,
        };
        if lower != verdict.tier {
            verdict.tier = lower;
            let value = format!("licensed: {}", entry.describe());
            verdict.evidence.push(evidence("licence register", value, "no licence; the tier is lowered for it"));
        }
    }
    let since = case.baseline.since().unwrap_or(case.observation.at_ns);
    if verdict.tier == Tier::B && case.observation.at_ns - since < case.config.learning {
        verdict.tier = Tier::C;
        let expected = format!("{} s of learning first; context until then", case.config.learning.0 / 1_000_000_000);
        verdict.evidence.push(evidence("learning", "not finished", expected));
    }
    Some(verdict)
}
