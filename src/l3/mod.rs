//! Broadcast messages: octets to fields.

pub mod gsm;
