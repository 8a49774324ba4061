//! LTE's broadcast messages: MIB, SIB1 and SystemInformation, octets to fields.
//!
//! Decoded are types 2 to 10, 11 and 12 with their text, 13 and 16; the others are known by number. The packed encoding is read and
//! written by `rasn`, block by block: what can be read of a message is kept where the rest of it cannot, what later releases add stays
//! octets until its turn, and no count of the message allocates memory before its items have been read.
//!
//! ## References
//! - 3GPP TS 36.331 Release 17: RRC, clauses 6.2.2 (messages) and 6.3.1 (system information blocks), annex A
//! - ITU-T X.691 (02/2021): packed encoding rules

mod asn1;
mod decode;
pub mod encode;
mod fold;
mod message;
mod tables;
mod text;

pub use decode::service::WarningSegment;
pub use decode::sib1::parse_mib;
pub use fold::fold;
pub use message::{Message, Sib, SystemInformation, parse_bcch_dl_sch, sib_names, stable};
pub use text::text as warning_text;
