//! Rules: observations in, findings out. They see the vocabulary only, never samples, receivers or the hub.
//!
//! [`Engine`] asks every rule about every observation; [`Register`] is what the regulators licensed, [`Plan`] the spectrum and networks of
//! each country, [`Baseline`] what the cells around usually broadcast, [`Config`] the thresholds. Node and `daen replay` use the same engine, so a
//! recording gets the node's verdict.
//!
//! Each rule is one struct with a stable name, a version, its source and its known innocent explanations ([`catalogue`]). Rules that count
//! paging are not here: nothing but what a cell broadcasts to everybody is judged.

mod area;
pub mod baseline;
mod broadcast;
mod camping;
mod carrier;
pub mod config;
mod downgrade;
mod engine;
mod identity;
mod lte_broadcast;
mod lte_past;
pub mod lte_profile;
mod lte_stacks;
mod memory;
mod numbering;
mod octets;
pub mod plan;
pub mod register;
mod reselection;
pub mod rule;
mod stacks;
mod warning;

pub use baseline::{Baseline, StateError};
pub use config::{Config, ConfigError};
pub use engine::{Counters, Engine};
pub use memory::CellMemory;
pub use plan::{Plan, PlanError};
pub use register::{Format, LoadReport, Register, RegisterError};
pub use rule::About;

/// All rules in the order in which they are asked; the order of findings.
static RULES: [&dyn rule::Rule; 33] = [
    &identity::ForeignNetwork,
    &identity::DefunctNetwork,
    &identity::UnlicensedCarrier,
    &carrier::WrongUse,
    &identity::UnregisteredCell,
    &numbering::UnknownToCrowd,
    &numbering::CellNumbering,
    &area::AreaValue,
    &area::AreaChanges,
    &broadcast::NeighbourList,
    &lte_broadcast::FewTypes,
    &lte_broadcast::AnnouncedButAbsent,
    &broadcast::MinimalSchedule,
    &broadcast::EmptyRestOctets,
    &lte_broadcast::SilentChange,
    &stacks::StackFingerprint,
    &lte_broadcast::UnusualParameters,
    &lte_broadcast::ClosedCell,
    &carrier::SaysOtherThanSent,
    &reselection::ReselectOffset,
    &reselection::AccessLevel,
    &reselection::UpdateTimer,
    &reselection::EmergencyBarred,
    &camping::ReselectionPriority,
    &camping::LowLevel,
    &camping::SearchThresholds,
    &camping::IntraFrequency,
    &downgrade::LegacyFirst,
    &downgrade::SuspectTarget,
    &camping::AccessBarring,
    &carrier::OnePort,
    &carrier::Narrow,
    &warning::LoneWarning,
];

/// All rules in words, in the order of findings.
pub fn catalogue() -> impl Iterator<Item = &'static About> {
    RULES.iter().map(|rule| rule.about())
}
