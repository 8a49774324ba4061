//! What a rule is: its description, what it is shown, and what it may answer.

use super::baseline::{Baseline, Profile};
use super::config::Config;
use super::lte_profile::LteProfile;
use super::memory::CellMemory;
use super::register::{Register, Standing};
use crate::cell::Plmn;
use crate::observation::gsm::GsmFields;
use crate::observation::lte::LteFields;
use crate::observation::{Evidence, Fields, Observation, Tier};
use crate::units::Db;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// What becomes of a rule's verdict on a cell whose identity, carrier and physical identity are licensed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenLicensed {
    /// The register is the better source: the rule does not fire.
    Silent,
    /// Parameters are the operator's choice: the verdict is context, tier C.
    Context,
    /// The cell may be a clone of the licensed one: the tier falls by one step.
    OneLess,
    /// No licence excuses it.
    Unchanged,
}

/// A rule in words; the hub's pages and the documentation show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its stable name.
    pub id: &'static str,
    /// Only ever rises.
    pub version: u16,
    /// The highest tier it can give.
    pub tier: Tier,
    /// In half a line.
    pub title: &'static str,
    /// When it fires, and with which tier.
    pub description: &'static str,
    /// Standard, paper, source or case behind it.
    pub source: &'static str,
    /// Known innocent explanations.
    pub innocent: &'static [&'static str],
    /// How the licence register moderates it.
    pub when_licensed: WhenLicensed,
}

/// What a verdict rests on, and so what must have been received `copies` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The message that carries the identity, with this very identity.
    Identity,
    /// A broadcast message by name.
    Message(&'static str),
    /// The LTE message that carries this type of system information block.
    Sib(u8),
    /// The signal itself: as many observations at different times.
    Signal,
}

/// A rule that fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Before licence and learning moderate it.
    pub tier: Tier,
    /// The values that fired; never empty. Stable while the cell does not change: no counters, no measurements.
    pub evidence: Vec<Evidence>,
    /// What must be confirmed.
    pub rests_on: &'static [Basis],
}

/// A rule's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// What the rule needs has not been received (yet).
    Unknown,
    /// Judged, and in order.
    Quiet,
    /// It fires.
    Fires(Verdict),
}

/// One rule; stateless, since everything about a cell's past is in [`CellMemory`].
pub trait Rule: Debug + Send + Sync {
    /// It in words.
    fn about(&self) -> &'static About;
    /// Judges one observation.
    fn judge(&self, case: &Case<'_>) -> Judgement;
}

/// How well the place of the observation is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The rules file names the countries.
    Configured,
    /// The node knows its position, and it lies in the two countries that the default set is for.
    Positioned,
    /// A recording from anywhere: the border's default set is an assumption.
    Assumed,
}

/// Everything a rule is shown.
#[derive(Debug)]
pub struct Case<'a> {
    /// What was heard.
    pub observation: &'a Observation,
    /// Its GSM fields, if it is a GSM cell that has been understood.
    pub gsm: Option<&'a GsmFields>,
    /// Its LTE fields, if it is an LTE cell that has been understood.
    pub lte: Option<&'a LteFields>,
    /// The first PLMN of its identity.
    pub plmn: Option<Plmn>,
    /// Thresholds and sets.
    pub config: &'a Config,
    /// The register, if there is one.
    pub register: Option<&'a Register>,
    /// What the register knows of the cell.
    pub standing: Standing<'a>,
    /// This cell's past.
    pub memory: &'a CellMemory,
    /// Other cells' values.
    pub baseline: &'a Baseline,
    /// How well the place is known.
    pub place: Place,
    /// Filled when the siblings are first asked for.
    pub siblings: OnceCell<Vec<&'a Profile>>,
}

impl<'a> Case<'a> {
    /// The GSM fields of an observation.
    pub fn gsm_fields(observation: &Observation) -> Option<&GsmFields> {
        observation.fields.as_ref().and_then(Fields::gsm)
    }

    /// All PLMNs of its identity; more than one where operators share the cell.
    pub fn plmns(&self) -> &'a [Plmn] {
        self.observation.identity.as_ref().map_or(&[], |identity| identity.plmns.as_slice())
    }

    /// Copies of the LTE message that carries blocks of type `number`, as SIB1 schedules it.
    pub fn sib_copies(&self, number: u8) -> u32 {
        let scheduling = self.lte.and_then(|fields| fields.sib1.as_ref()).map_or(&[][..], |sib1| &sib1.scheduling);
        // The first message carries type 2 before the types that it names.
        let carries = |at: usize| scheduling[at].sib_types.contains(&number);
        let first = match (0..scheduling.len()).find(|&at| carries(at)) {
            _ if number == 2 => 2,
            Some(0) => 2,
            Some(at) => scheduling[at].sib_types.first().copied().unwrap_or(number),
            None => number,
        };
        self.memory.si_copies(first)
    }

    /// Mobile country codes whose networks belong here: those configured, and those of the licence register.
    pub fn home_countries(&self) -> BTreeSet<u16> {
        let registered = self.register.into_iter().flat_map(Register::countries);
        self.config.countries.iter().copied().chain(registered).collect()
    }

    /// The applied set of countries in words, with the remedy where it is an assumption.
    pub fn countries_in_words(&self) -> String {
        let codes: Vec<String> = self.home_countries().iter().map(|mcc| format!("{mcc:03}")).collect();
        let codes = codes.join(", ");
        match self.place {
            Place::Configured => format!("countries {codes} (rules file)"),
            Place::Positioned => format!("countries {codes} (default set of the border)"),
            Place::Assumed => {
                format!("countries {codes} (assumed, the place is not known: set `countries` in the rules file)")
            }
        }
    }

    /// Profiles of other cells of this PLMN and standard; with a licence register of its country only licensed ones.
    pub fn siblings(&self) -> &[&'a Profile] {
        self.siblings.get_or_init(|| {
            let Some(plmn) = self.plmn else { return Vec::new() };
            let only_licensed = self.register.is_some_and(|register| register.covers(plmn.mcc()));
            let own = self.observation.cell;
            let other = |p: &&Profile| p.cell != own && p.cell.rat == own.rat && (p.licensed || !only_licensed);
            self.baseline.of(plmn).filter(other).collect()
        })
    }

    /// LTE values of the siblings.
    pub fn lte_siblings(&self) -> impl Iterator<Item = &'a LteProfile> {
        self.siblings().iter().filter_map(|profile| profile.lte.as_deref())
    }

    /// An LTE value of the siblings that have it; `None` where fewer than `min_siblings` do.
    pub fn lte_values<T>(&self, value: impl Fn(&'a LteProfile) -> Option<T>) -> Option<Vec<T>> {
        let values: Vec<T> = self.lte_siblings().filter_map(value).collect();
        (values.len() >= self.config.min_siblings).then_some(values)
    }

    /// A value of the siblings that have it, ascending; `None` where fewer than `min_siblings` do.
    pub fn sibling_values<T: Ord>(&self, value: impl Fn(&Profile) -> Option<T>) -> Option<Vec<T>> {
        let mut values: Vec<T> = self.siblings().iter().filter_map(|&profile| value(profile)).collect();
        values.sort_unstable();
        (values.len() >= self.config.min_siblings).then_some(values)
    }

    /// Most siblings have this property; `None` where fewer than `min_siblings` are known.
    pub fn most_siblings(&self, property: impl Fn(&Profile) -> Option<bool>) -> Option<bool> {
        self.sibling_values(property).map(|values| most(&values))
    }
}

/// Signal to noise (GSM: in 200 kHz; LTE: per reference element) from which on a cell counts as strong. Chosen: a phone beside the node
/// would take this cell over its neighbours, whose sum is the noise; what a duct brings from far away lies below.
pub(super) const STRONG: Db = Db(20.0);

/// The lower median of an ascending list that is not empty.
pub(super) fn median<T: Copy>(values: &[T]) -> T {
    values[(values.len() - 1) / 2]
}

/// Most of these are true.
pub(super) fn most(values: &[bool]) -> bool {
    2 * values.iter().filter(|&&value| value).count() > values.len()
}

/// A line of evidence.
pub(super) fn evidence(what: &str, value: impl Into<String>, expected: impl Into<String>) -> Evidence {
    Evidence { what: what.to_owned(), value: value.into(), expected: expected.into() }
}

/// A verdict on a message of the broadcast.
pub(super) fn fires(tier: Tier, rests_on: &'static [Basis], evidence: Vec<Evidence>) -> Judgement {
    Judgement::Fires(Verdict { tier, evidence, rests_on })
}
