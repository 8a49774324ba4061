//! NR's broadcast messages: MIB and SIB1, octets to fields.
//!
//! The packed encoding is read by `rasn`, part by part: what can be read of SIB1 is kept where the rest of it cannot, what later releases
//! add stays octets until its turn, and no count of the message allocates memory before its items have been read. SystemInformation
//! messages are told apart from SIB1 and not read further.
//!
//! ## References
//! - 3GPP TS 38.331 Release 17: RRC, clauses 6.2.2 (messages) and 6.3.2 (information elements)
//! - ITU-T X.691 (02/2021): packed encoding rules

#[expect(dead_code, reason = "a part that nobody asks for has its place in the encoding all the same")]
mod asn1;
mod decode;
mod message;
mod tables;

pub use decode::parse_mib;
pub use message::{Message, fold, parse_bcch_dl_sch, sib_names, stable, stable_mib};
