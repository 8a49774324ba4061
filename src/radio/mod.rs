//! Where samples come from: recordings, hardware, and the ring between a driver's thread and the receivers.

pub mod calibration;
pub mod convert;
pub mod datetime;
pub mod live;
pub mod profile;
pub mod raw;
pub mod recording;
pub mod ring;
pub mod sigmf;
#[cfg(feature = "soapy")]
pub mod soapy;
pub mod source;
