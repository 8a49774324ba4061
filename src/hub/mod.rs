//! The hub's shell: broker, ingest and store; what it makes of the observations is in the modules after them.

pub mod store;

pub mod alert;
pub mod analysis;
pub mod feeds;
pub mod fuse;
pub mod web;
