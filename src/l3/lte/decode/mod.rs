//! Packed parts to fields, block by block.

pub mod radio;
pub mod reselection;
pub mod service;
pub mod sib1;
