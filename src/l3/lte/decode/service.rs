//! SystemInformationBlockType9 to 16, as far as they are decoded: names, warnings, broadcast services, time.

use crate::l3::lte::asn1::service::{MbsfnAreaInfo, Sib9, Sib10, Sib11, Sib12, Sib13 as PackedSib13, Sib16};
use crate::l3::lte::tables::{
    MCCH_FRAMES, MCCH_MODIFICATION_FRAMES, NON_MBSFN_SYMBOLS, NOTIFICATION_COEFF, SIGNALLING_MCS,
};
use crate::observation::Octets;
use crate::observation::lte::{EtwsPrimary, MbsfnArea, Sib13, TimeInfo, WarningKind};
use crate::units::{Nanos, Timestamp};

/// One segment of a warning; TS 36.331 clause 6.3.1, SystemInformationBlockType11 and 12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarningSegment {
    /// Which block carries it.
    pub kind: WarningKind,
    /// messageIdentifier.
    pub message_identifier: u16,
    /// serialNumber.
    pub serial_number: u16,
    /// warningMessageSegmentType is lastSegment.
    pub last: bool,
    /// warningMessageSegmentNumber, 0 to 63.
    pub number: u8,
    /// warningMessageSegment.
    pub octets: Octets,
    /// dataCodingScheme, with the first segment only.
    pub data_coding_scheme: Option<u8>,
}

/// hnb-Name of SystemInformationBlockType9.
pub fn sib9(block: &Sib9) -> Option<String> {
    block.hnb_name.as_ref().map(|octets| String::from_utf8_lossy(octets).into_owned())
}

pub fn sib10(block: &Sib10) -> EtwsPrimary {
    EtwsPrimary {
        message_identifier: block.message_identifier,
        serial_number: block.serial_number,
        warning_type: block.warning_type,
    }
}

pub fn sib11(block: Sib11) -> WarningSegment {
    WarningSegment {
        kind: WarningKind::Etws,
        message_identifier: block.message_identifier,
        serial_number: block.serial_number,
        last: block.segment_type.is_second(),
        number: block.segment_number,
        octets: Octets(block.segment.to_vec()),
        data_coding_scheme: block.data_coding_scheme,
    }
}

pub fn sib12(block: Sib12) -> WarningSegment {
    WarningSegment {
        kind: WarningKind::Cmas,
        message_identifier: block.message_identifier,
        serial_number: block.serial_number,
        last: block.segment_type.is_second(),
        number: block.segment_number,
        octets: Octets(block.segment.to_vec()),
        data_coding_scheme: block.data_coding_scheme,
    }
}

pub fn sib13(block: &PackedSib13) -> Sib13 {
    let area = |area: &MbsfnAreaInfo| MbsfnArea {
        area_id: area.area_id,
        non_mbsfn_region_symbols: area.non_mbsfn_region_length.of(&NON_MBSFN_SYMBOLS),
        notification_indicator: area.notification_indicator,
        mcch_period_frames: area.repetition_period.of(&MCCH_FRAMES),
        mcch_offset: area.offset,
        mcch_modification_period_frames: area.modification_period.of(&MCCH_MODIFICATION_FRAMES),
        subframe_allocation: area.sf_alloc_info,
        signalling_mcs: area.signalling_mcs.of(&SIGNALLING_MCS),
    };
    Sib13 {
        areas: block.areas.iter().map(|entry| area(&entry.root)).collect(),
        notification_repetition_coeff: block.notification_repetition_coeff.of(&NOTIFICATION_COEFF),
        notification_offset: block.notification_offset,
        notification_subframe_index: block.notification_subframe_index,
    }
}

/// From 1900-01-01, where timeInfoUTC begins, to 1970-01-01: 70 years with 17 leap days.
pub const FROM_1900: Nanos = Nanos::from_secs((70 * 365 + 17) * 86_400);

pub fn sib16(block: &Sib16) -> Option<TimeInfo> {
    block.time_info.as_ref().map(|time| TimeInfo {
        // 39 bits, units of 10 ms: below 5.5e18 ns.
        utc_ns: Timestamp(time.utc as i64 * 10_000_000) - FROM_1900,
        daylight_saving: time.day_light_saving_time,
        leap_seconds: time.leap_seconds,
        local_time_offset_quarters: time.local_time_offset,
    })
}
