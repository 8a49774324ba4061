//! The node's shell.

pub mod observe;
