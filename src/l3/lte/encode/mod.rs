//! Fields to octets: what the test transmitters send.
//!
//! Messages are built from the same fields that the decoder finds. Extensions of later releases are sent where a field needs one, and
//! not otherwise.

mod cdma;
pub mod ordinary;
mod radio;
mod reselection;
mod service;
mod sib1;

use super::asn1::{Block, Enum, Extensible, Octets, RootBlock, SystemInformationMessage};
use super::message::Sib;
use crate::observation::lte::{Mib, Sib1};
use rasn::Encode;

/// Why fields cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A value that the standard has no number for.
    #[error("{field}: the standard has no number for {value}")]
    NoNumber {
        /// The field, in the standard's words.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// A value outside its range, or a list too long or too short.
    #[error("{message}: {source}")]
    OutOfRange {
        /// The message or block.
        message: &'static str,
        /// What is wrong with it.
        source: rasn::error::EncodeError,
    },
    /// A block that is known by number only.
    #[error("SIB{sib_type} is not among the blocks that can be sent")]
    NotSent {
        /// The number of its type.
        sib_type: u8,
    },
}

/// The MIB of a frame with number `sfn`.
///
/// # Errors
/// [`EncodeError`] where a field has a value that the standard does not know.
pub fn mib(mib: &Mib, sfn: u16) -> Result<[u8; 3], EncodeError> {
    let octets = packed("MasterInformationBlock", &sib1::mib(mib, sfn)?)?;
    let short = || EncodeError::NoNumber { field: "MasterInformationBlock", value: octets.len() as i64 };
    octets.as_slice().try_into().map_err(|_| short())
}

/// BCCH-DL-SCH-Message with SystemInformationBlockType1; zeros up to the transport block's size are the caller's.
///
/// Bands above 64 and further bands, ims-EmergencySupport and q-QualMin bring the extensions that carry them; `extensions` and
/// `bandwidth_reduced` are not looked at.
///
/// # Errors
/// [`EncodeError`] where a field has a value that the standard does not know.
pub fn sib1(sib1: &Sib1) -> Result<Vec<u8>, EncodeError> {
    sib1::message(sib1)
}

/// BCCH-DL-SCH-Message with SystemInformation that holds `sibs`, one to 32 of them; zeros up to the transport block's size are the
/// caller's.
///
/// # Errors
/// [`EncodeError`] where a field has a value that the standard does not know, or a block is not one that can be sent.
pub fn system_information(sibs: &[Sib]) -> Result<Vec<u8>, EncodeError> {
    let blocks = sibs.iter().map(block).collect::<Result<_, _>>()?;
    packed("SystemInformation", &SystemInformationMessage::of(blocks))
}

fn block(sib: &Sib) -> Result<Block, EncodeError> {
    let root = |block| Ok(Block::Root(Box::new(block)));
    match sib {
        Sib::Sib2(sib2) => root(RootBlock::Sib2(radio::sib2(sib2)?)),
        Sib::Sib3(sib3) => root(RootBlock::Sib3(reselection::sib3(sib3)?)),
        Sib::Sib4(sib4) => root(RootBlock::Sib4(Extensible::plain(reselection::sib4(sib4)?))),
        Sib::Sib5(layers) => root(RootBlock::Sib5(reselection::sib5(layers)?)),
        Sib::Sib6(sib6) => root(RootBlock::Sib6(Extensible::plain(reselection::sib6(sib6)?))),
        Sib::Sib7(sib7) => root(RootBlock::Sib7(Extensible::plain(reselection::sib7(sib7)?))),
        Sib::Sib8(sib8) => root(RootBlock::Sib8(Extensible::plain(cdma::sib8(sib8)))),
        Sib::Sib9(name) => root(RootBlock::Sib9(Extensible::plain(service::sib9(name.as_deref())))),
        Sib::Sib10(primary) => root(RootBlock::Sib10(Extensible::plain(service::sib10(primary)))),
        Sib::Warning(segment) => service::warning(segment),
        Sib::Sib13(sib13) => service::sib13(sib13),
        Sib::Sib16(time) => service::sib16(time.as_ref()),
        Sib::NotInterpreted(_) => Err(EncodeError::NotSent { sib_type: sib.sib_type() }),
    }
}

/// Highest number that ARFCN-ValueEUTRA can name, and what it says where the carrier has a higher one; TS 36.331 clause 6.3.4.
const LAST_EARFCN: u32 = 65_535;

/// The number of `value` in `values`, for field `field`.
fn number<T, const N: usize>(values: &[T; N], value: T, field: &'static str) -> Result<Enum<N>, EncodeError>
where
    T: Copy + PartialEq + Into<i64>,
{
    let number = values.iter().position(|&known| known == value).and_then(|at| Enum::new(at as u8));
    number.ok_or(EncodeError::NoNumber { field, value: value.into() })
}

/// The same where one of the values is none.
fn number_or_none<const N: usize>(
    values: &[Option<u16>; N],
    value: Option<u16>,
    field: &'static str,
) -> Result<Enum<N>, EncodeError> {
    let number = values.iter().position(|&known| known == value).and_then(|at| Enum::new(at as u8));
    number.ok_or(EncodeError::NoNumber { field, value: value.map_or(-1, i64::from) })
}

/// Number `value` itself.
fn plain<const N: usize>(value: u8, field: &'static str) -> Result<Enum<N>, EncodeError> {
    Enum::new(value).ok_or(EncodeError::NoNumber { field, value: value.into() })
}

/// Value 1 of two where `second`.
fn flag(second: bool) -> Enum<2> {
    Enum::of_two(second)
}

/// A list that is left out where it is empty.
fn list<T, U>(items: &[T], encode: impl Fn(&T) -> Result<U, EncodeError>) -> Result<Option<Vec<U>>, EncodeError> {
    if items.is_empty() { Ok(None) } else { items.iter().map(encode).collect::<Result<_, _>>().map(Some) }
}

fn packed<T: Encode>(message: &'static str, value: &T) -> Result<Vec<u8>, EncodeError> {
    rasn::uper::encode(value).map_err(|source| EncodeError::OutOfRange { message, source })
}

/// An open type or an extension addition.
fn open<T: Encode>(message: &'static str, value: &T) -> Result<Octets, EncodeError> {
    packed(message, value).map(Octets::from)
}

/// lateNonCriticalExtension as an extension addition: an octet string that holds an encoding, in an open type.
fn late<T: Encode>(message: &'static str, value: &T) -> Result<Octets, EncodeError> {
    open(message, &open(message, value)?)
}
