//! The node's shell.

pub mod observe;
pub mod publish;
pub mod spool;
