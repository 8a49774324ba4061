//! SystemInformationBlockType9 to 12 and 16.

use super::{EncodeError, flag, open};
use crate::l3::lte::asn1::service::{Sib9, Sib10, Sib11, Sib12, Sib16, TimeInfo as PackedTime};
use crate::l3::lte::asn1::{Block, Extensible, Octets, RootBlock};
use crate::l3::lte::decode::service::{FROM_1900, WarningSegment};
use crate::observation::lte::{EtwsPrimary, TimeInfo, WarningKind};

/// Numbers of the additions to sib-TypeAndInfo; TS 36.331 clause 6.2.2.
const SIB12: usize = 0;
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
