//! The rules' behaviour: for each rule that it fires, a near miss, a benign lookalike, and two cells interleaved; the engine's bounds and
//! determinism; the register's reading. Provenance of the values: `tests/data/rules/README.md`.

#![allow(clippy::unwrap_used)]

mod area;
mod benign;
mod border;
mod broadcast;
mod engine;
mod identity;
mod lte_broadcast;
mod lte_camping;
mod lte_carrier;
mod lte_identity;
mod lte_support;
#[cfg(feature = "sensor")]
mod octets;
mod register;
mod reselection;
mod rogue;
mod stacks;
mod support;
mod warning;
