//! The node's shell.

pub mod publish;
pub mod spool;
