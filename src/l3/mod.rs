//! Broadcast messages: octets to fields.

mod asn1;
pub mod bits;
pub mod gsm;
pub mod lte;
pub mod nr;
mod packed;

/// Why octets are no message. A field that is merely absent is `None` in the message, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message ends inside a field.
    #[error("{field}: needs {need} bits, {have} are left")]
    Truncated {
        /// The field, in the standard's words.
        field: &'static str,
        /// Bits that it takes.
        need: usize,
        /// Bits that were left.
        have: usize,
    },
    /// A value that the standard keeps for the future.
    #[error("{field}: {value:#x} is reserved")]
    Reserved {
        /// The field, in the standard's words.
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// Not an encoding that the standard knows, for a reason other than a single value.
    #[error("{field}: malformed")]
    Malformed {
        /// The part of the message, in the standard's words.
        field: &'static str,
    },
    /// Not a message of this channel.
    #[error("{field}: {value:#x} is not SYSTEM INFORMATION of the BCCH")]
    NotSystemInformation {
        /// The first octet of the header that says so.
        field: &'static str,
        /// Its value.
        value: u32,
    },
}
