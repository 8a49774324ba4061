//! The hub's shell.
