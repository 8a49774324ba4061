//! Signal processing that knows no standard.

pub mod channelizer;
pub mod cyclic;
pub mod occupancy;
pub mod repetition;
pub mod spectrum;
pub mod whiten;
