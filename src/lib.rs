//! daen finds base stations that should not be there. It only ever receives, and only what cells broadcast to everybody.
//!
//! ```text
//! A sample:        radio -> dsp -> rat (coding, l3) -> rules -> sensor::{spool, publish}
//!                  IqBlock         CellReport          Finding   signed envelope over MQTT
//! An observation:  hub::ingest -> hub::store -> hub::fuse -> hub::place -> hub::alert -> hub::web
//!                  verified        durable       Emitter      Placed        Alert         live page
//! ```
//!
//! The modules below stand in the order of those two journeys; imports point one way only (`tests/layering.rs`).

#![forbid(unsafe_code)]

// The vocabulary every stage may name.
pub mod cell;
pub mod config;
pub mod observation;
pub mod units;

// A sample's journey.
#[cfg(feature = "sensor")]
pub mod coding;
#[cfg(feature = "sensor")]
pub mod dsp;
#[cfg(feature = "sensor")]
pub mod l3;
#[cfg(feature = "sensor")]
pub mod radio;
#[cfg(feature = "sensor")]
pub mod rat;
pub mod rules;
#[cfg(feature = "sensor")]
pub mod sensor;

// An observation's journey.
#[cfg(feature = "hub")]
pub mod hub;

// Where a transmitter is.
pub mod locate;

// Test transmitters and scenes: to files and memory, never to a radio.
#[cfg(feature = "sensor")]
pub mod synth;
