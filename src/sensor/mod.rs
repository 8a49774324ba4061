//! The node's shell.
