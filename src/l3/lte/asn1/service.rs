//! SystemInformationBlockType9 to 16, as far as they are decoded; TS 36.331 clause 6.3.1.

use super::{Enum, Extensible, Octets};
use rasn::prelude::*;

/// SystemInformationBlockType9.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib9 {
    #[rasn(size("1..=48"))]
    pub hnb_name: Option<Octets>,
}

/// SystemInformationBlockType10.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib10 {
    pub message_identifier: u16,
    pub serial_number: u16,
    pub warning_type: u16,
    #[rasn(size("50"))]
    pub dummy: Option<Octets>,
}

/// SystemInformationBlockType11.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib11 {
    pub message_identifier: u16,
    pub serial_number: u16,
    /// notLastSegment, lastSegment
    pub segment_type: Enum<2>,
    #[rasn(value("0..=63"))]
    pub segment_number: u8,
    pub segment: Octets,
    pub data_coding_scheme: Option<u8>,
}

/// SystemInformationBlockType12-r9.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib12 {
    pub message_identifier: u16,
    pub serial_number: u16,
    /// notLastSegment, lastSegment
    pub segment_type: Enum<2>,
    #[rasn(value("0..=63"))]
    pub segment_number: u8,
    pub segment: Octets,
    pub data_coding_scheme: Option<u8>,
    pub late_non_critical_extension: Option<Octets>,
}

/// SystemInformationBlockType13-r9.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib13 {
    #[rasn(size("1..=8"))]
    pub areas: Vec<Extensible<MbsfnAreaInfo>>,
    pub notification_repetition_coeff: Enum<2>,
    #[rasn(value("0..=10"))]
    pub notification_offset: u8,
    #[rasn(value("1..=6"))]
    pub notification_subframe_index: u8,
    pub late_non_critical_extension: Option<Octets>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct MbsfnAreaInfo {
    pub area_id: u8,
    pub non_mbsfn_region_length: Enum<2>,
    #[rasn(value("0..=7"))]
    pub notification_indicator: u8,
    pub repetition_period: Enum<4>,
    #[rasn(value("0..=10"))]
    pub offset: u8,
    pub modification_period: Enum<2>,
    #[rasn(value("0..=63"))]
    pub sf_alloc_info: u8,
    pub signalling_mcs: Enum<4>,
}

/// SystemInformationBlockType16-r11.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib16 {
    pub time_info: Option<TimeInfo>,
    pub late_non_critical_extension: Option<Octets>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct TimeInfo {
    #[rasn(value("0..=549755813887"))]
    pub utc: u64,
    #[rasn(value("0..=3"))]
    pub day_light_saving_time: Option<u8>,
    #[rasn(value("-127..=128"))]
    pub leap_seconds: Option<i16>,
    #[rasn(value("-63..=64"))]
    pub local_time_offset: Option<i8>,
}
