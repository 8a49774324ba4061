//! Where samples come from: recordings, hardware, and the ring between a driver's thread and the receivers.

pub mod source;
