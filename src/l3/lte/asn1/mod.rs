//! The part of RRC's ASN.1 that broadcast needs, as types that `rasn` encodes and decodes.
//!
//! The definitions follow TS 36.331 with the liberties that [`crate::l3::asn1`] takes with both standards.

pub mod radio;
pub mod reselection;
pub mod service;
pub mod sib1;

pub use crate::l3::asn1::{Enum, Extensible, Octets, OpenEnum, Small, Tail};
use rasn::prelude::*;

/// SIB-Type: the number is that of the value, 3 being the first; TS 36.331 clause 6.2.2.
pub type SibType = OpenEnum<16>;

/// The alternatives of sib-TypeAndInfo that Release 8 knew.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(choice, automatic_tags)]
pub enum RootBlock {
    Sib2(Extensible<radio::Sib2>),
    Sib3(Extensible<reselection::Sib3>),
    Sib4(Extensible<reselection::Sib4>),
    Sib5(Extensible<reselection::Sib5>),
    Sib6(Extensible<reselection::Sib6>),
    Sib7(Extensible<reselection::Sib7>),
    Sib8(Extensible<reselection::Sib8>),
    Sib9(Extensible<service::Sib9>),
    Sib10(Extensible<service::Sib10>),
    Sib11(Extensible<service::Sib11>),
}

/// An element of sib-TypeAndInfo.
#[derive(Clone, Debug)]
pub enum Block {
    /// Of Release 8.
    Root(Box<RootBlock>),
    /// Added later: its number among the additions, and its octets.
    Added(usize, Octets),
}

impl AsnType for Block {
    const TAG: Tag = Tag::EOC;
}

impl Decode for Block {
    fn decode_with_tag_and_constraints<D: Decoder>(decoder: &mut D, _: Tag, _: &Constraints) -> Result<Self, D::Error> {
        if bool::decode(decoder)? {
            Ok(Block::Added(Small::decode(decoder)?.0, Octets::decode(decoder)?))
        } else {
            Ok(Block::Root(Box::new(RootBlock::decode(decoder)?)))
        }
    }
}

impl Encode for Block {
    fn encode_with_tag_and_constraints<'b, E: Encoder<'b>>(
        &self,
        encoder: &mut E,
        _: Tag,
        _: &Constraints,
        _: Identifier,
    ) -> Result<(), E::Error> {
        match self {
            Block::Root(block) => {
                false.encode(encoder)?;
                block.encode(encoder)
            }
            Block::Added(number, octets) => {
                true.encode(encoder)?;
                Small(*number).encode(encoder)?;
                octets.encode(encoder)
            }
        }
    }
}

/// BCCH-DL-SCH-Message with SystemInformation; TS 36.331 clauses 6.2.1 and 6.2.2.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct SystemInformationMessage {
    message_class_extension: bool,
    is_sib1: bool,
    critical_extensions_future: bool,
    r8: SystemInformationR8,
}

/// SystemInformation-r8-IEs; what its nonCriticalExtension holds matters to nobody here.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
struct SystemInformationR8 {
    #[rasn(size("1..=32"))]
    sib_type_and_info: Vec<Block>,
    non_critical_extension: Option<()>,
}

impl SystemInformationMessage {
    /// A message of `blocks`.
    pub fn of(blocks: Vec<Block>) -> SystemInformationMessage {
        SystemInformationMessage {
            message_class_extension: false,
            is_sib1: false,
            critical_extensions_future: false,
            r8: SystemInformationR8 { sib_type_and_info: blocks, non_critical_extension: None },
        }
    }
}
