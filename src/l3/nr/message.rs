//! BCCH-DL-SCH-Message: what it says of a cell, and which of its bits are of the moment only.

use super::decode;
use crate::cell::CellIdentity;
use crate::l3::DecodeError;
use crate::l3::packed::Packed;
use crate::observation::nr::{NrFields, Sib1};
use std::ops::Range;

/// One message of the BCCH on the DL-SCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// SystemInformationBlockType1.
    Sib1(Box<Sib1>),
    /// SystemInformation, not read further.
    SystemInformation,
}

/// A message of the BCCH on the DL-SCH: the octets of a transport block.
///
/// # Errors
/// [`DecodeError::Truncated`], [`DecodeError::Reserved`] or [`DecodeError::Malformed`] where cellAccessRelatedInfo of SIB1 cannot be read,
/// or the message is of a kind that later releases add. What cannot be read behind it is no error: the fields say so.
pub fn parse_bcch_dl_sch(octets: &[u8]) -> Result<Message, DecodeError> {
    parse(octets, &mut Vec::new())
}

/// Parses, and writes down where the bits stand that change with time and not with the cell.
fn parse(octets: &[u8], passing: &mut Vec<Range<usize>>) -> Result<Message, DecodeError> {
    let mut bits = Packed::new(octets);
    if bits.take("BCCH-DL-SCH-MessageType")? {
        return Err(DecodeError::Reserved { field: "BCCH-DL-SCH-MessageType", value: 1 });
    }
    if bits.take("c1")? {
        return Ok(Message::Sib1(Box::new(decode::sib1(&mut bits, passing)?)));
    }
    Ok(Message::SystemInformation)
}

/// Names of the blocks in a message of the BCCH on the DL-SCH: `SIB1`, or none where it is another one or cannot be read.
pub fn sib_names(octets: &[u8]) -> Vec<String> {
    match parse_bcch_dl_sch(octets) {
        Ok(Message::Sib1(_)) => vec!["SIB1".to_owned()],
        Ok(Message::SystemInformation) | Err(_) => Vec::new(),
    }
}

/// Adds what `message` says to what is known of the cell; the latest word counts.
///
/// The area and the cell's number are those of the first network that names an area: the others are further names of the same cell.
pub fn fold(fields: &mut NrFields, identity: &mut Option<CellIdentity>, message: &Message) {
    let Message::Sib1(sib1) = message else { return };
    let named = sib1.networks.iter().find(|network| network.tac.is_some()).or(sib1.networks.first());
    *identity = Some(CellIdentity {
        plmns: sib1.networks.iter().flat_map(|network| network.plmns.iter().flatten().copied()).collect(),
        area: named.and_then(|network| network.tac),
        cell_id: named.map(|network| network.nci),
    });
    fields.sib1 = Some(sib1.clone());
}

/// Bits of the frame number in the MIB's three octets: six behind the choice of the message.
const SFN_BITS: u8 = 0b0111_1110;

/// The MIB's octets with the frame number zeroed.
pub fn stable_mib([first, second, third]: [u8; 3]) -> [u8; 3] {
    [first & !SFN_BITS, second, third]
}

/// The octets of a message with everything left out that changes with time and not with the cell, for a hash that two days can be
/// compared by; `None` where nothing else is in it, or the message cannot be read.
///
/// Left out are the valueTags of si-SchedulingInfo, uac-BarringInfo, and the zeros that fill up the transport block.
pub fn stable(octets: &[u8]) -> Option<Vec<u8>> {
    let mut passing = Vec::new();
    let Message::Sib1(_) = parse(octets, &mut passing).ok()? else { return None };
    let stays = |place: &usize| !passing.iter().any(|range| range.contains(place));
    let bits: Vec<u8> =
        (0..8 * octets.len()).filter(stays).map(|place| octets[place / 8] >> (7 - place % 8) & 1).collect();
    let mut kept: Vec<u8> =
        bits.chunks(8).map(|bits| (0..8).fold(0, |octet, i| octet << 1 | bits.get(i).unwrap_or(&0))).collect();
    kept.truncate(kept.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1));
    Some(kept)
}
