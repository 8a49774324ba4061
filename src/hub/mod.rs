//! The hub's shell: broker, ingest and store; what it makes of the observations is in the modules after them.

pub mod broker;
pub mod ingest;
pub mod provision;
pub mod store;
