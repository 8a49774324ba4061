//! From the findings on an emitter to what a regulator is told it is.
//!
//! The signatures are sets of rules; each asks for evidence of several kinds, because any one of them has innocent explanations. Only
//! confirmed findings count (two error-free copies, or two reports), and context (tier C) never counts. A cell whose identity and
//! carrier are licensed is never called rogue: what is wrong with it is an administrative class, unless a second transmitter uses its
//! name.

use super::compare::{HubEvidence, compare};
use super::{Confidence, Severity};
use crate::hub::fuse::{Emitter, FindingRecord, Licence};
use crate::hub::place::Places;
use crate::observation::{Tier, VerdictClass};
use crate::units::Timestamp;
use std::collections::BTreeSet;

/// Beyond this a carrier is not that of a licensed station: twice the 0.05 ppm of TS 45.010 clause 5.1.
pub(super) const LICENSED_LIMIT_PPB: f64 = 100.0;

/// A set of rules that together name a class: one of each of `all`, and `some` of `of`.
struct Signature {
    class: VerdictClass,
    all: &'static [&'static [&'static str]],
    some: usize,
    of: &'static [&'static [&'static str]],
}

/// Gravest first: the first that is complete names the class.
const SIGNATURES: [Signature; 11] = [
    Signature { class: VerdictClass::FakePublicWarning, all: &[&["PG-11"]], some: 0, of: &[] },
    Signature { class: VerdictClass::Jammer, all: &[&["JM-01", "JM-02"]], some: 0, of: &[] },
    Signature {
        class: VerdictClass::SmsBlaster,
        all: &[&["ID-05", "SI-13"]],
        some: 2,
        of: &[&["ID-11"], &["RF-10"], &["RF-08", "RF-09"], &["PG-05"], &["JM-03"], &["RS-04"], &["SI-01"]],
    },
    // The LTE half of a staged blaster: it sends phones down to GSM.
    Signature {
        class: VerdictClass::SmsBlaster,
        all: &[&["RS-11"], &["ID-05", "ID-08", "SI-13", "RS-12"]],
        some: 0,
        of: &[],
    },
    Signature {
        class: VerdictClass::ImsiCatcher,
        all: &[&["ID-05", "ID-13"], &["RF-06"], &["ID-10", "SI-02"], &["RF-01", "RF-02"]],
        some: 0,
        of: &[],
    },
    // An LTE catcher: nobody's cell that is in a hurry. Four signs: a home cell without an entry has up to three of them.
    Signature {
        class: VerdictClass::ImsiCatcher,
        all: &[&["ID-05", "SI-13"]],
        some: 4,
        of: &[
            &["ID-07"],
            &["ID-08"],
            &["RS-07"],
            &["RS-08", "RS-09"],
            &["RS-10", "RS-14"],
            &["RF-13"],
            &["SI-05", "SI-06"],
        ],
    },
    Signature { class: VerdictClass::Clone, all: &[&["ID-12"]], some: 0, of: &[] },
    Signature { class: VerdictClass::UnlicensedCarrier, all: &[&["ID-03", "ID-04"]], some: 0, of: &[] },
    Signature { class: VerdictClass::Repeater, all: &[&["XB-04", "XB-05", "XB-06"]], some: 0, of: &[] },
    // It sends what another station says of itself; where the original is, only a second look can tell.
    Signature { class: VerdictClass::Clone, all: &[&["SI-17"]], some: 0, of: &[] },
    Signature {
        class: VerdictClass::UnregisteredCell,
        all: &[&["ID-01", "ID-02", "ID-05", "SI-13", "RS-11", "RS-12"]],
        some: 0,
        of: &[],
    },
];

/// The same for a cell whose identity and carrier are in the register.
const LICENSED_SIGNATURES: [Signature; 5] = [
    Signature { class: VerdictClass::FakePublicWarning, all: &[&["PG-11"]], some: 0, of: &[] },
    Signature { class: VerdictClass::Clone, all: &[&["ID-12"]], some: 0, of: &[] },
    Signature { class: VerdictClass::Repeater, all: &[&["XB-04", "XB-05", "XB-06"]], some: 0, of: &[] },
    Signature {
        class: VerdictClass::LicensedOffParameter,
        all: &[&["RF-11", "XB-02", "ID-03", "ID-04"]],
        some: 0,
        of: &[],
    },
    Signature { class: VerdictClass::Overspill, all: &[&["XB-01", "RF-12"]], some: 0, of: &[] },
];

/// What an emitter amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// What it is.
    pub class: VerdictClass,
    /// How much is at stake.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Why, in sentences.
    pub reasons: Vec<String>,
    /// A confirmed finding is enough alone: no dwell time.
    pub at_once: bool,
    /// Several rules make up the class: a short dwell time is enough.
    pub composite: bool,
    /// The earliest report among the rules that count.
    pub first: Timestamp,
    /// The rules that count, in order of name.
    pub rules: Vec<String>,
    /// What the hub adds to the nodes' findings.
    pub found_by_hub: Vec<HubEvidence>,
}

/// Judges an emitter; `twins` are other transmitters proven to use one of its identities, `places` say where emitters are.
///
/// `None`: nothing that a regulator should look at.
pub fn assess(emitter: &Emitter, twins: &[&Emitter], places: &Places) -> Option<Assessment> {
    let found_by_hub = compare(emitter, twins, places);
    let counting = |record: &&FindingRecord| record.tier != Tier::C && record.confirmed();
    let records: Vec<&FindingRecord> = emitter.findings.values().filter(counting).collect();
    let mut rules: BTreeSet<&str> = records.iter().map(|record| record.rule.as_str()).collect();
    rules.extend(found_by_hub.iter().map(|found| found.rule));

    let licensed = matches!(emitter.licence, Licence::Listed { .. });
    let signatures: &[Signature] = if licensed { &LICENSED_SIGNATURES } else { &SIGNATURES };
    let signature = signatures.iter().find(|signature| signature.is_complete(&rules))?;
    let class = match signature.class {
        // A phone does not camp on a test network, so nobody lures phones with one: a laboratory that leaks.
        VerdictClass::SmsBlaster
        | VerdictClass::ImsiCatcher
        | VerdictClass::UnlicensedCarrier
        | VerdictClass::UnregisteredCell
            if is_test_network(emitter) && !rules.contains("ID-11") =>
        {
            VerdictClass::TestNetwork
        }
        class => class,
    };

    let alone = records.iter().any(|record| record.tier == Tier::A) || !found_by_hub.is_empty();
    let families: BTreeSet<&str> = rules.iter().filter_map(|rule| rule.split('-').next()).collect();
    let composite = signature.all.len() + signature.some > 1;
    let confidence = match (alone, composite) {
        (true, _) if rules.len() >= 3 && families.len() >= 2 => Confidence::NearCertain,
        (true, _) | (_, true) => Confidence::Likely,
        _ => Confidence::Possible,
    };
    let first_report = records.iter().map(|record| record.first).chain(found_by_hub.iter().map(|found| found.at)).min();
    Some(Assessment {
        class,
        severity: severity(class, confidence),
        confidence,
        reasons: reasons(emitter, &records, &rules, families.len(), composite),
        at_once: alone,
        composite,
        first: first_report.unwrap_or(emitter.first),
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        found_by_hub,
    })
}

impl Signature {
    fn is_complete(&self, rules: &BTreeSet<&str>) -> bool {
        let any = |group: &&[&str]| group.iter().any(|rule| rules.contains(rule));
        self.all.iter().all(any) && self.of.iter().filter(|group| any(group)).count() >= self.some
    }
}

/// Networks that no public phone belongs to: country codes 001 and 999 (ITU-T E.212: tests and internal use) and 901-70, which open
/// base station software ships with.
fn is_test_network(emitter: &Emitter) -> bool {
    let plmns = emitter.identity().map(|identity| identity.plmns.as_slice()).unwrap_or_default();
    !plmns.is_empty()
        && plmns
            .iter()
            .all(|plmn| matches!(plmn.mcc(), 1 | 999) || (plmn.mcc(), plmn.mnc(), plmn.mnc_digits()) == (901, 70, 2))
}

fn severity(class: VerdictClass, confidence: Confidence) -> Severity {
    use VerdictClass::*;
    let sure = confidence > Confidence::Possible;
    match class {
        SmsBlaster | ImsiCatcher | Jammer | FakePublicWarning if sure => Severity::Critical,
        SmsBlaster | ImsiCatcher | Jammer | FakePublicWarning | Clone => Severity::High,
        UnlicensedCarrier if sure => Severity::High,
        UnlicensedCarrier | Repeater => Severity::Medium,
        UnregisteredCell if sure => Severity::Medium,
        UnregisteredCell | TestNetwork | LicensedOffParameter | Overspill | SensorFault => Severity::Low,
    }
}

fn reasons(
    emitter: &Emitter,
    records: &[&FindingRecord],
    rules: &BTreeSet<&str>,
    families: usize,
    composite: bool,
) -> Vec<String> {
    let mut reasons = Vec::new();
    let alone: Vec<&str> =
        records.iter().filter(|record| record.tier == Tier::A).map(|record| record.rule.as_str()).collect();
    if !alone.is_empty() {
        let are = if alone.len() == 1 { "is" } else { "are each" };
        reasons.push(format!("{} {are} enough alone (tier A), from error-free copies.", alone.join(" and ")));
    }
    if rules.contains("XB-04") {
        reasons.push(
            "Some nodes hear the licensed cell a second time, late and unchanged: an amplifier, no station.".to_owned(),
        );
    }
    if rules.contains("RF-11") && !alone.contains(&"RF-11") {
        reasons.push("Its measured place excludes its registered site.".to_owned());
    }
    if rules.contains("ID-12") && !alone.contains(&"ID-12") {
        reasons.push("Measurements show two transmitters where the register can know one.".to_owned());
    }
    if rules.len() > 1 {
        let kinds =
            if families == 1 { "all of one kind".to_owned() } else { format!("of {families} independent kinds") };
        reasons.push(format!("{} rules agree, {kinds}.", rules.len()));
    }
    if composite {
        reasons.push("Together they are the pattern that this class is known by.".to_owned());
    }
    if !emitter.former.is_empty() {
        let ids: Vec<String> = emitter.keys().map(|key| key.id.to_string()).collect();
        reasons.push(format!("It changes its physical identity: {} on one carrier.", ids.join(", ")));
    }
    match emitter.sightings.len() {
        0 | 1 => reasons.push("Only one node hears it, so far.".to_owned()),
        count => reasons.push(format!("{count} nodes hear it independently.")),
    }
    match &emitter.licence {
        Licence::Listed { register_id, licensee } => {
            reasons.push(format!("Its identity and carrier are licensed: {licensee}, register entry {register_id}."));
        }
        Licence::NotListed => reasons.push("Its identity is not in the hub's licence register.".to_owned()),
        Licence::Unknown => {}
    }
    if alone.is_empty() && !composite {
        reasons.push("Unverified: no single proof; the operator's answer decides.".to_owned());
    }
    reasons
}
