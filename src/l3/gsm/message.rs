//! The messages: their fixed parts, and where their rest octets begin.

use super::frequency_list::{self, Element, LIST_OCTETS};
use super::rest_octets::{self, Si2terRest};
use super::si2quater::{self, Si2quater};
use super::{MESSAGE_OCTETS, si_type};
use crate::cell::Plmn;
use crate::l3::DecodeError;
use crate::observation::gsm::{CellOptions, CellSelection, ControlChannel, Gprs, RachControl, RestOctets, SiType};

/// One SYSTEM INFORMATION message. Rest octets that are malformed do not take the fixed part with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemInformation {
    /// Type 1; clause 9.1.31.
    Si1(Si1),
    /// Type 2; clause 9.1.32.
    Si2(Si2),
    /// Type 2bis; clause 9.1.33.
    Si2bis(Si2bis),
    /// Type 2ter; clause 9.1.34.
    Si2ter(Si2ter),
    /// Type 2quater; clause 9.1.34a.
    Si2quater(Si2quater),
    /// Type 3; clause 9.1.35.
    Si3(Si3),
    /// Type 4; clause 9.1.36.
    Si4(Si4),
    /// Type 13; clause 9.1.43a. `None`: padding only.
    Si13(Option<Gprs>),
    /// A type that is known by name and kept as octets.
    NotInterpreted(SiType),
}

impl SystemInformation {
    /// Its type.
    pub fn si_type(&self) -> SiType {
        match self {
            SystemInformation::Si1(_) => SiType::Si1,
            SystemInformation::Si2(_) => SiType::Si2,
            SystemInformation::Si2bis(_) => SiType::Si2bis,
            SystemInformation::Si2ter(_) => SiType::Si2ter,
            SystemInformation::Si2quater(_) => SiType::Si2quater,
            SystemInformation::Si3(_) => SiType::Si3,
            SystemInformation::Si4(_) => SiType::Si4,
            SystemInformation::Si13(_) => SiType::Si13,
            SystemInformation::NotInterpreted(si_type) => *si_type,
        }
    }
}

/// SYSTEM INFORMATION TYPE 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Si1 {
    /// Cell channel description: ARFCNs, ascending.
    pub cell_allocation: Vec<u16>,
    /// RACH control parameters.
    pub rach: RachControl,
}

/// SYSTEM INFORMATION TYPE 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Si2 {
    /// Neighbour cell description: ARFCNs, ascending.
    pub neighbours: Vec<u16>,
    /// NCC permitted, one bit for each NCC.
    pub ncc_permitted: u8,
    /// RACH control parameters.
    pub rach: RachControl,
}

/// SYSTEM INFORMATION TYPE 2bis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Si2bis {
    /// Extended neighbour cell description: ARFCNs, ascending.
    pub neighbours: Vec<u16>,
    /// RACH control parameters.
    pub rach: RachControl,
}

/// SYSTEM INFORMATION TYPE 2ter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Si2ter {
    /// Extended neighbour cell description: ARFCNs, ascending.
    pub neighbours: Vec<u16>,
    /// Rest octets; `None`: padding only.
    pub rest: Result<Option<Si2terRest>, DecodeError>,
}

/// SYSTEM INFORMATION TYPE 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Si3 {
    /// Cell identity (CI).
    pub cell_id: u16,
    /// PLMN of the location area; `None` where a digit is not decimal.
    pub plmn: Option<Plmn>,
    /// Location area code.
    pub lac: u16,
    /// Control channel description.
    pub control_channel: ControlChannel,
    /// Cell options (BCCH).
    pub cell_options: CellOptions,
    /// Cell selection parameters.
    pub selection: CellSelection,
    /// RACH control parameters.
    pub rach: RachControl,
    /// Rest octets.
    pub rest: Result<RestOctets, DecodeError>,
}

/// SYSTEM INFORMATION TYPE 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Si4 {
    /// PLMN of the location area; `None` where a digit is not decimal.
    pub plmn: Option<Plmn>,
    /// Location area code.
    pub lac: u16,
    /// Cell selection parameters.
    pub selection: CellSelection,
    /// RACH control parameters.
    pub rach: RachControl,
    /// A CBCH channel description is there.
    pub cbch: bool,
    /// Rest octets.
    pub rest: Result<RestOctets, DecodeError>,
}

/// Interprets one block of the BCCH.
///
/// # Errors
/// [`DecodeError::NotSystemInformation`] for any other message; [`DecodeError::Reserved`] for a frequency list in no known format;
/// [`DecodeError::Truncated`] for SI2quater or SI13 that end inside a field.
pub fn parse(octets: &[u8; MESSAGE_OCTETS]) -> Result<SystemInformation, DecodeError> {
    let [pseudo_length, discriminator, message_type, ..] = *octets;
    let Some(si_type) = si_type([pseudo_length, discriminator, message_type]) else {
        let (field, value) = match (pseudo_length & 3, discriminator) {
            (1, 0x06) => ("message type", message_type),
            (1, _) => ("skip indicator and protocol discriminator", discriminator),
            _ => ("L2 pseudo length", pseudo_length),
        };
        return Err(DecodeError::NotSystemInformation { field, value: value.into() });
    };
    Ok(match si_type {
        SiType::Si1 => SystemInformation::Si1(Si1 {
            cell_allocation: frequency_list::decode(&at(octets, 3), Element::CellChannel)?,
            rach: rach_control(at(octets, 19)),
        }),
        SiType::Si2 => SystemInformation::Si2(Si2 {
            neighbours: frequency_list::decode(&at(octets, 3), Element::Neighbour)?,
            ncc_permitted: octets[19],
            rach: rach_control(at(octets, 20)),
        }),
        SiType::Si2bis => SystemInformation::Si2bis(Si2bis {
            neighbours: frequency_list::decode(&at(octets, 3), Element::Neighbour)?,
            rach: rach_control(at(octets, 19)),
        }),
        SiType::Si2ter => SystemInformation::Si2ter(Si2ter {
            neighbours: frequency_list::decode(&at::<LIST_OCTETS>(octets, 3), Element::Neighbour2)?,
            rest: rest_octets::si2ter(&octets[19..]),
        }),
        SiType::Si2quater => SystemInformation::Si2quater(si2quater::decode(&octets[3..])?),
        SiType::Si3 => SystemInformation::Si3(si3(octets)),
        SiType::Si4 => SystemInformation::Si4(si4(octets)),
        SiType::Si13 => SystemInformation::Si13(rest_octets::si13(&octets[3..])?),
        SiType::Si7 | SiType::Si8 | SiType::Si9 | SiType::Si16 | SiType::Si17 | SiType::Other => {
            SystemInformation::NotInterpreted(si_type)
        }
    })
}

/// `N` octets from `first`; both are constants of a message's layout.
fn at<const N: usize>(octets: &[u8; MESSAGE_OCTETS], first: usize) -> [u8; N] {
    std::array::from_fn(|i| octets[first + i])
}

/// Clause 9.1.35.
fn si3(octets: &[u8; MESSAGE_OCTETS]) -> Si3 {
    let (plmn, lac) = location_area(at(octets, 5));
    Si3 {
        cell_id: u16::from_be_bytes(at(octets, 3)),
        plmn,
        lac,
        control_channel: control_channel(at(octets, 10)),
        cell_options: cell_options(octets[13]),
        selection: cell_selection(at(octets, 14)),
        rach: rach_control(at(octets, 16)),
        rest: rest_octets::si3(&octets[19..]),
    }
}

/// Clause 9.1.36. The optional CBCH elements are looked for only inside the L2 pseudo length, which rest octets lie outside of: a rest
/// octet may look like an element's identifier.
fn si4(octets: &[u8; MESSAGE_OCTETS]) -> Si4 {
    /// CBCH channel description, type 3 of 4 octets.
    const CBCH_CHANNEL: u8 = 0x64;
    /// CBCH mobile allocation, type 4.
    const CBCH_MOBILE_ALLOCATION: u8 = 0x72;
    let (plmn, lac) = location_area(at(octets, 3));
    let end = (1 + usize::from(octets[0] >> 2)).min(MESSAGE_OCTETS);
    let mut rest = 13;
    let cbch = rest + 4 <= end && octets[rest] == CBCH_CHANNEL;
    if cbch {
        rest += 4;
    }
    if rest + 2 <= end && octets[rest] == CBCH_MOBILE_ALLOCATION {
        rest = (rest + 2 + usize::from(octets[rest + 1])).min(MESSAGE_OCTETS);
    }
    Si4 {
        plmn,
        lac,
        selection: cell_selection(at(octets, 8)),
        rach: rach_control(at(octets, 10)),
        cbch,
        rest: rest_octets::si4(&octets[rest..]),
    }
}

/// Location area identification; TS 24.008 clause 10.5.1.3.
fn location_area(octets: [u8; 5]) -> (Option<Plmn>, u16) {
    let [mcc, mnc_mcc, mnc, lac @ ..] = octets;
    (Plmn::from_bcd([mcc, mnc_mcc, mnc]), u16::from_be_bytes(lac))
}

/// Control channel description; clause 10.5.2.11.
fn control_channel([first, second, t3212]: [u8; 3]) -> ControlChannel {
    ControlChannel {
        mscr: first & 0x80 != 0,
        att: first & 0x40 != 0,
        bs_ag_blks_res: first >> 3 & 7,
        ccch_conf: first & 7,
        cbq3: second >> 5 & 3,
        bs_pa_mfrms: second & 7,
        t3212,
    }
}

/// Cell options (BCCH); clause 10.5.2.3.
fn cell_options(octet: u8) -> CellOptions {
    CellOptions {
        dn_ind: octet & 0x80 != 0,
        pwrc: octet & 0x40 != 0,
        dtx: octet >> 4 & 3,
        radio_link_timeout: octet & 15,
    }
}

/// Cell selection parameters; clause 10.5.2.4.
fn cell_selection([first, second]: [u8; 2]) -> CellSelection {
    CellSelection {
        cell_reselect_hysteresis: first >> 5,
        ms_txpwr_max_cch: first & 31,
        acs: second & 0x80 != 0,
        neci: second & 0x40 != 0,
        rxlev_access_min: second & 63,
    }
}

/// RACH control parameters; clause 10.5.2.29.
fn rach_control([first, second, third]: [u8; 3]) -> RachControl {
    RachControl {
        max_retrans: first >> 6,
        tx_integer: first >> 2 & 15,
        cell_barred: first & 2 != 0,
        re: first & 1 != 0,
        access_classes_barred: u16::from_be_bytes([second, third]),
    }
}
