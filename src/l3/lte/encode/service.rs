//! SystemInformationBlockType9 to 13 and 16.

use super::{EncodeError, flag, number, open};
use crate::l3::lte::asn1::service::{
    MbsfnAreaInfo, Sib9, Sib10, Sib11, Sib12, Sib13 as PackedSib13, Sib16, TimeInfo as PackedTime,
};
use crate::l3::lte::asn1::{Block, Extensible, Octets, RootBlock};
use crate::l3::lte::decode::service::{FROM_1900, WarningSegment};
use crate::l3::lte::tables::{
    MCCH_FRAMES, MCCH_MODIFICATION_FRAMES, NON_MBSFN_SYMBOLS, NOTIFICATION_COEFF, SIGNALLING_MCS,
};
use crate::observation::lte::{EtwsPrimary, MbsfnArea, Sib13, TimeInfo, WarningKind};

/// Numbers of the additions to sib-TypeAndInfo; TS 36.331 clause 6.2.2.
const SIB12: usize = 0;
const SIB13: usize = 1;
const SIB16: usize = 4;

pub(super) fn sib9(name: Option<&str>) -> Sib9 {
    Sib9 { hnb_name: name.map(|name| Octets::from(name.as_bytes().to_vec())) }
}

pub(super) fn sib10(primary: &EtwsPrimary) -> Sib10 {
    Sib10 {
        message_identifier: primary.message_identifier,
        serial_number: primary.serial_number,
        warning_type: primary.warning_type,
        dummy: None,
    }
}

pub(super) fn warning(segment: &WarningSegment) -> Result<Block, EncodeError> {
    let (message_identifier, serial_number) = (segment.message_identifier, segment.serial_number);
    let (segment_type, segment_number) = (flag(segment.last), segment.number);
    let octets = Octets::from(segment.octets.0.clone());
    let data_coding_scheme = segment.data_coding_scheme;
    match segment.kind {
        WarningKind::Etws => {
            let root = Sib11 {
                message_identifier,
                serial_number,
                segment_type,
                segment_number,
                segment: octets,
                data_coding_scheme,
            };
            Ok(Block::Root(Box::new(RootBlock::Sib11(Extensible::plain(root)))))
        }
        WarningKind::Cmas => {
            let root = Sib12 {
                message_identifier,
                serial_number,
                segment_type,
                segment_number,
                segment: octets,
                data_coding_scheme,
                late_non_critical_extension: None,
            };
            Ok(Block::Added(SIB12, open("SystemInformationBlockType12-r9", &Extensible::plain(root))?))
        }
    }
}

pub(super) fn sib13(sib13: &Sib13) -> Result<Block, EncodeError> {
    let modification = "mcch-ModificationPeriod-r9";
    let area = |area: &MbsfnArea| {
        Ok(Extensible::plain(MbsfnAreaInfo {
            area_id: area.area_id,
            non_mbsfn_region_length: number(
                &NON_MBSFN_SYMBOLS,
                area.non_mbsfn_region_symbols,
                "non-MBSFNregionLength",
            )?,
            notification_indicator: area.notification_indicator,
            repetition_period: number(&MCCH_FRAMES, area.mcch_period_frames, "mcch-RepetitionPeriod-r9")?,
            offset: area.mcch_offset,
            modification_period: number(&MCCH_MODIFICATION_FRAMES, area.mcch_modification_period_frames, modification)?,
            sf_alloc_info: area.subframe_allocation,
            signalling_mcs: number(&SIGNALLING_MCS, area.signalling_mcs, "signallingMCS-r9")?,
        }))
    };
    let coeff = sib13.notification_repetition_coeff;
    let root = PackedSib13 {
        areas: sib13.areas.iter().map(area).collect::<Result<_, _>>()?,
        notification_repetition_coeff: number(&NOTIFICATION_COEFF, coeff, "notificationRepetitionCoeff-r9")?,
        notification_offset: sib13.notification_offset,
        notification_subframe_index: sib13.notification_subframe_index,
        late_non_critical_extension: None,
    };
    Ok(Block::Added(SIB13, open("SystemInformationBlockType13-r9", &Extensible::plain(root))?))
}

pub(super) fn sib16(time: Option<&TimeInfo>) -> Result<Block, EncodeError> {
    let packed = |time: &TimeInfo| {
        let units = (time.utc_ns + FROM_1900).0 / 10_000_000;
        let field = "timeInfoUTC-r11";
        Ok(PackedTime {
            utc: u64::try_from(units).map_err(|_| EncodeError::NoNumber { field, value: units })?,
            day_light_saving_time: time.daylight_saving,
            leap_seconds: time.leap_seconds,
            local_time_offset: time.local_time_offset_quarters,
        })
    };
    let root = Sib16 { time_info: time.map(packed).transpose()?, late_non_critical_extension: None };
    Ok(Block::Added(SIB16, open("SystemInformationBlockType16-r11", &Extensible::plain(root))?))
}
