//! Signal processing that knows no standard.

pub mod channelizer;
