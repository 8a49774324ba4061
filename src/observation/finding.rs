//! What rules say of observations.

use super::Observation;
use serde::{Deserialize, Serialize};

/// How much a finding is worth on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// Enough for an alert alone.
    A,
    /// Strong together with others.
    B,
    /// Context.
    C,
}

/// What a regulator is told a transmitter is. Licensed cells that misbehave are never called rogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VerdictClass {
    /// A false cell that sends text messages to every phone in reach.
    SmsBlaster,
    /// A false cell that collects identities.
    ImsiCatcher,
    /// A cell that repeats a licensed cell's identity from elsewhere.
    Clone,
    /// A carrier in spectrum that its operator does not hold.
    UnlicensedCarrier,
    /// Not in the register; unverified until an operator answers.
    UnregisteredCell,
    /// Licensed, but moved, turned or too high.
    LicensedOffParameter,
    /// Licensed, and heard deep in the other country.
    Overspill,
    /// An amplifier that re-radiates a licensed cell.
    Repeater,
    /// A transmitter that denies service.
    Jammer,
    /// A public warning that no authority sent.
    FakePublicWarning,
    /// A laboratory or test network heard outside.
    TestNetwork,
    /// The node, not the world.
    SensorFault,
}

impl VerdictClass {
    /// The name as on the wire, such as `SMS_BLASTER`.
    pub fn as_str(self) -> &'static str {
        match self {
            VerdictClass::SmsBlaster => "SMS_BLASTER",
            VerdictClass::ImsiCatcher => "IMSI_CATCHER",
            VerdictClass::Clone => "CLONE",
            VerdictClass::UnlicensedCarrier => "UNLICENSED_CARRIER",
            VerdictClass::UnregisteredCell => "UNREGISTERED_CELL",
            VerdictClass::LicensedOffParameter => "LICENSED_OFF_PARAMETER",
            VerdictClass::Overspill => "OVERSPILL",
            VerdictClass::Repeater => "REPEATER",
            VerdictClass::Jammer => "JAMMER",
            VerdictClass::FakePublicWarning => "FAKE_PUBLIC_WARNING",
            VerdictClass::TestNetwork => "TEST_NETWORK",
            VerdictClass::SensorFault => "SENSOR_FAULT",
        }
    }
}

/// One value that made a rule fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The quantity, in the standard's words, with its unit where it has one: `CELL_RESELECT_OFFSET dB`.
    pub what: String,
    /// As observed.
    pub value: String,
    /// As it should have been.
    pub expected: String,
}

/// A rule that fired, with the values that made it fire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's stable name, such as `ID-05`.
    pub rule: String,
    /// The rule's version; only ever rises.
    pub version: u16,
    /// What it is worth alone.
    pub tier: Tier,
    /// The values that fired; never empty.
    pub evidence: Vec<Evidence>,
    /// Innocent explanations that an analyst should rule out.
    pub innocent: Vec<String>,
    /// The observation that was judged: cell, octets, level, clock, position.
    pub observation: Observation,
}
