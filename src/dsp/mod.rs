//! Signal processing that knows no standard.

pub mod channelizer;
pub mod comb;
pub mod compact;
pub mod correlator;
pub mod cyclic;
pub mod occupancy;
pub mod ofdm;
pub mod repetition;
pub mod resample;
pub mod slots;
pub mod spectrum;
pub mod whiten;
