//! Test transmitters, channels and border scenes, with the truth. To memory and files only: nothing here reaches a radio.
//!
//! [`gsm`] makes the signal of one beacon, [`lte`] that of one downlink, [`si`] the messages a beacon broadcasts, [`channel`] what
//! happens on the way, [`scene`] a stretch of border with several nodes and transmitters, [`mod@border`] the same at the level of
//! observations, for thousands of cells, [`mod@write`] recordings on disk.

pub mod border;
pub mod channel;
pub mod gsm;
pub mod lte;
pub mod scene;
pub mod si;
pub mod source;
pub mod write;
