//! BCCH-DL-SCH-Message: which blocks a message holds, and which of its bits are of the moment only.

use super::asn1::{Block, Enum, Extensible, RootBlock};
use super::decode::service::WarningSegment;
use super::decode::{radio, reselection, service, sib1};
use super::tables::LATER_TYPES;
use crate::l3::DecodeError;
use crate::l3::packed::Packed;
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
/// [`DecodeError::Truncated`], [`DecodeError::Reserved`] or [`DecodeError::Malformed`] where not even the first part can be read, or the
/// message is of a kind that later releases add. Extensions and blocks unknown here are no errors.
pub fn parse_bcch_dl_sch(octets: &[u8]) -> Result<Message, DecodeError> {
    parse(octets, &mut Vec::new())
}

/// Names of the blocks in a message of the BCCH on the DL-SCH, `SIB1` or `SIB2`, `SIB3`…, in order; none where it cannot be read.
///
/// A block of a release unknown here is `SIB0`.
pub fn sib_names(octets: &[u8]) -> Vec<String> {
    match parse_bcch_dl_sch(octets) {
        Ok(Message::Sib1(_)) => vec!["SIB1".to_owned()],
        Ok(Message::SystemInformation(message)) => {
            message.sibs.iter().map(|sib| format!("SIB{}", sib.sib_type())).collect()
        }
        Err(_) => Vec::new(),
    }
}

/// Parses, and writes down where the bits stand that change with time and not with the cell.
fn parse(octets: &[u8], passing: &mut Vec<Range<usize>>) -> Result<Message, DecodeError> {
    let mut bits = Packed::new(octets);
    let later = |field| Err(DecodeError::Reserved { field, value: 1 });
    if bits.take("BCCH-DL-SCH-MessageType")? {
        return later("BCCH-DL-SCH-MessageType");
    }
    if bits.take("c1")? {
        let (sib1, tag) = sib1::parse(&mut bits)?;
        passing.push(tag..tag + 5);
        return Ok(Message::Sib1(sib1));
    }
    if bits.take("criticalExtensions")? {
        return later("criticalExtensions");
    }
    // nonCriticalExtension follows the blocks, so its content does not matter.
    bits.take::<bool>("nonCriticalExtension")?;
    let begin = bits.position();
    let count: Enum<32> = bits.take("sib-TypeAndInfo")?;
    passing.push(begin..bits.position());
    let mut message = SystemInformation::default();
    for _ in 0..=count.number() {
        let begin = bits.position();
        let sib = match bits.take("sib-TypeAndInfo") {
            Ok(Block::Root(block)) => Ok(root(*block, begin, passing)),
            Ok(Block::Added(number, octets)) => added(number, &octets),
            Err(failed) => {
                message.failed = Some(failed);
                break;
            }
        };
        let sib_type = sib.as_ref().map_or_else(|(sib_type, _)| *sib_type, Sib::sib_type);
        if PASSING_TYPES.contains(&sib_type) {
            passing.push(begin..bits.position());
        }
        match sib {
            Ok(sib) => message.sibs.push(sib),
            Err((_, failed)) => message.failed = message.failed.or(Some(failed)),
        }
    }
    match message.failed {
        Some(failed) if message.sibs.is_empty() => Err(failed),
        _ => Ok(Message::SystemInformation(message)),
    }
}

/// A block of Release 8, which began at bit `begin`.
fn root(block: RootBlock, begin: usize, passing: &mut Vec<Range<usize>>) -> Sib {
    match block {
        RootBlock::Sib2(block) => {
            // Behind the two extension bits and the number of the alternative: the presence bit of ac-BarringInfo, that of the
            // list of MBSFN subframes, then ac-BarringInfo.
            let presence = begin + 1 + 4 + 1;
            passing.push(presence..presence + 1);
            if let Some(info) = &block.root.ac_barring_info {
                passing.push(presence + 2..presence + 2 + radio::ac_barring_bits(info));
            }
            Sib::Sib2(Box::new(radio::sib2(&block)))
        }
        RootBlock::Sib3(block) => Sib::Sib3(reselection::sib3(&block)),
        RootBlock::Sib4(block) => Sib::Sib4(reselection::sib4(&block.root)),
        RootBlock::Sib5(block) => Sib::Sib5(reselection::sib5(&block)),
        RootBlock::Sib6(block) => Sib::Sib6(reselection::sib6(&block.root)),
        RootBlock::Sib7(block) => Sib::Sib7(reselection::sib7(&block.root)),
        RootBlock::Sib8(block) => Sib::Sib8(reselection::sib8(&block.root)),
        RootBlock::Sib9(block) => Sib::Sib9(service::sib9(&block.root)),
        RootBlock::Sib10(block) => Sib::Sib10(service::sib10(&block.root)),
        RootBlock::Sib11(block) => Sib::Warning(service::sib11(block.root)),
    }
}

/// Addition `number` to the types of blocks; one that is malformed is lost alone.
fn added(number: usize, octets: &[u8]) -> Result<Sib, (u8, DecodeError)> {
    let sib_type = match number {
        0..=6 => number as u8 + 12,
        _ => LATER_TYPES.get(number - 7).copied().unwrap_or(0),
    };
    let mut bits = Packed::new(octets);
    let sib = match sib_type {
        12 => bits
            .take("SystemInformationBlockType12-r9")
            .map(|block: Extensible<_>| Sib::Warning(service::sib12(block.root))),
        13 => bits
            .take("SystemInformationBlockType13-r9")
            .map(|block: Extensible<_>| Sib::Sib13(service::sib13(&block.root))),
        16 => bits
            .take("SystemInformationBlockType16-r11")
            .map(|block: Extensible<_>| Sib::Sib16(service::sib16(&block.root))),
        _ => Ok(Sib::NotInterpreted(sib_type)),
    };
    sib.map_err(|failed| (sib_type, failed))
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
