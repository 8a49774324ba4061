//! The hub's shell.

pub mod fuse;
