//! BCCH-DL-SCH-Message: which blocks a message holds, and which of its bits are of the moment only.

use super::reselection;
use super::service::{self, WarningSegment};
use super::sib1::{self, LATER_TYPES};
use super::sib2;
use super::uper::Uper;
use crate::l3::DecodeError;
use crate::observation::lte::{
    EtwsPrimary, EutraLayer, Sib1, Sib2, Sib3, Sib4, Sib6, Sib7, Sib8, Sib13, TimeInfo, WarningKind,
};
use std::ops::Range;

/// One message of the BCCH on the DL-SCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// SystemInformationBlockType1.
    Sib1(Sib1),
    /// SystemInformation.
    SystemInformation(SystemInformation),
}

/// The blocks of a SystemInformation message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemInformation {
    /// Those that could be read, in order.
    pub sibs: Vec<Sib>,
    /// Why the others could not: a malformed block of Release 8 hides those behind it, a later one only itself.
    pub failed: Option<DecodeError>,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sib {
    /// SystemInformationBlockType2.
    Sib2(Box<Sib2>),
    /// SystemInformationBlockType3.
    Sib3(Sib3),
    /// SystemInformationBlockType4.
    Sib4(Sib4),
    /// SystemInformationBlockType5.
    Sib5(Vec<EutraLayer>),
    /// SystemInformationBlockType6.
    Sib6(Sib6),
    /// SystemInformationBlockType7.
    Sib7(Sib7),
    /// SystemInformationBlockType8.
    Sib8(Sib8),
    /// SystemInformationBlockType9.
    Sib9(Option<String>),
    /// SystemInformationBlockType10.
    Sib10(EtwsPrimary),
    /// SystemInformationBlockType11 or 12.
    Warning(WarningSegment),
    /// SystemInformationBlockType13.
    Sib13(Sib13),
    /// SystemInformationBlockType16.
    Sib16(Option<TimeInfo>),
    /// A type known by number only; 0 where not even that.
    NotInterpreted(u8),
}

impl Sib {
    /// The number of the block's type.
    pub fn sib_type(&self) -> u8 {
        match self {
            Sib::Sib2(_) => 2,
            Sib::Sib3(_) => 3,
            Sib::Sib4(_) => 4,
            Sib::Sib5(_) => 5,
            Sib::Sib6(_) => 6,
            Sib::Sib7(_) => 7,
            Sib::Sib8(_) => 8,
            Sib::Sib9(_) => 9,
            Sib::Sib10(_) => 10,
            Sib::Warning(segment) => match segment.kind {
                WarningKind::Etws => 11,
                WarningKind::Cmas => 12,
            },
            Sib::Sib13(_) => 13,
            Sib::Sib16(_) => 16,
            Sib::NotInterpreted(sib_type) => *sib_type,
        }
    }
}

/// A message of the BCCH on the DL-SCH: the octets of a transport block.
///
/// # Errors
/// [`DecodeError::Truncated`] or [`DecodeError::Reserved`] where not even the first part can be read, or the message is of a kind that
/// later releases add. Extensions and blocks unknown here are no errors.
pub fn parse_bcch_dl_sch(octets: &[u8]) -> Result<Message, DecodeError> {
    parse(octets, &mut Vec::new())
}

/// Parses, and writes down where the bits stand that change with time and not with the cell.
fn parse(octets: &[u8], passing: &mut Vec<Range<usize>>) -> Result<Message, DecodeError> {
    let mut bits = Uper::new(octets);
    let later = |field| Err(DecodeError::Reserved { field, value: 1 });
    if bits.flag("BCCH-DL-SCH-MessageType")? {
        return later("BCCH-DL-SCH-MessageType");
    }
    if bits.flag("c1")? {
        let mut tag = 0;
        let sib1 = sib1::parse(&mut bits, &mut tag)?;
        passing.push(tag..tag + 5);
        return Ok(Message::Sib1(sib1));
    }
    if bits.flag("criticalExtensions")? {
        return later("criticalExtensions");
    }
    // nonCriticalExtension follows the blocks, so its content does not matter.
    bits.skip(1, "nonCriticalExtension")?;
    let begin = bits.position();
    let count: usize = bits.int(1, 32, "sib-TypeAndInfo")?;
    passing.push(begin..bits.position());
    let mut message = SystemInformation::default();
    for _ in 0..count {
        match block(&mut bits, passing) {
            Ok(Ok(sib)) => message.sibs.push(sib),
            Ok(Err(failed)) => message.failed = message.failed.or(Some(failed)),
            Err(failed) => {
                message.failed = Some(failed);
                break;
            }
        }
    }
    match message.failed {
        Some(failed) if message.sibs.is_empty() => Err(failed),
        _ => Ok(Message::SystemInformation(message)),
    }
}

/// The next block; an inner error leaves the place behind the block, an outer one does not.
fn block(bits: &mut Uper<'_>, passing: &mut Vec<Range<usize>>) -> Result<Result<Sib, DecodeError>, DecodeError> {
    let begin = bits.position();
    if bits.flag("sib-TypeAndInfo")? {
        let addition = bits.small("sib-TypeAndInfo")?;
        let octets = bits.octet_string("sib-TypeAndInfo")?;
        let sib_type = match addition {
            0..=6 => addition as u8 + 12,
            _ => LATER_TYPES.get(addition - 7).copied().unwrap_or(0),
        };
        if PASSING_TYPES.contains(&sib_type) {
            passing.push(begin..bits.position());
        }
        let mut bits = Uper::new(&octets);
        return Ok(match sib_type {
            12 => service::warning(&mut bits, WarningKind::Cmas).map(Sib::Warning),
            13 => service::sib13(&mut bits).map(Sib::Sib13),
            16 => service::sib16(&mut bits).map(Sib::Sib16),
            _ => Ok(Sib::NotInterpreted(sib_type)),
        });
    }
    let index: u8 = bits.int(0, 9, "sib-TypeAndInfo")?;
    let sib = match index + 2 {
        2 => Sib::Sib2(Box::new(sib2::parse(bits, passing)?)),
        3 => Sib::Sib3(reselection::sib3(bits)?),
        4 => Sib::Sib4(reselection::sib4(bits)?),
        5 => Sib::Sib5(reselection::sib5(bits)?),
        6 => Sib::Sib6(reselection::sib6(bits)?),
        7 => Sib::Sib7(reselection::sib7(bits)?),
        8 => Sib::Sib8(reselection::sib8(bits)?),
        9 => Sib::Sib9(service::sib9(bits)?),
        10 => Sib::Sib10(service::sib10(bits)?),
        _ => Sib::Warning(service::warning(bits, WarningKind::Etws)?),
    };
    if PASSING_TYPES.contains(&sib.sib_type()) {
        passing.push(begin..bits.position());
    }
    Ok(Ok(sib))
}

/// Blocks that speak of the moment: CDMA2000 system time (8), warnings (10 to 12), extended access barring (14), time (16).
const PASSING_TYPES: [u8; 6] = [8, 10, 11, 12, 14, 16];

/// The octets of a message with everything left out that changes with time and not with the cell, for a hash that two days can be
/// compared by; `None` where nothing else is in it, or the message cannot be read.
///
/// Left out are systemInfoValueTag, ac-BarringInfo, whole blocks of types 8, 10, 11, 12, 14 and 16, the number of blocks, and the zeros
/// that fill up the transport block.
pub fn stable(octets: &[u8]) -> Option<Vec<u8>> {
    let mut passing = Vec::new();
    let message = parse(octets, &mut passing).ok()?;
    if let Message::SystemInformation(message) = &message
        && message.sibs.iter().all(|sib| PASSING_TYPES.contains(&sib.sib_type()))
    {
        return None;
    }
    let stays = |place: &usize| !passing.iter().any(|range| range.contains(place));
    let bits: Vec<u8> =
        (0..8 * octets.len()).filter(stays).map(|place| octets[place / 8] >> (7 - place % 8) & 1).collect();
    let mut kept: Vec<u8> =
        bits.chunks(8).map(|bits| (0..8).fold(0, |octet, i| octet << 1 | bits.get(i).unwrap_or(&0))).collect();
    kept.truncate(kept.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1));
    Some(kept)
}
