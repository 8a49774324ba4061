//! SystemInformationBlockType9 to 16, as far as they are decoded: names, warnings, broadcast services, time.

use super::uper::Uper;
use crate::l3::DecodeError;
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
pub(super) fn sib9(bits: &mut Uper<'_>) -> Result<Option<String>, DecodeError> {
    let [extended, name] = bits.flags("SystemInformationBlockType9")?;
    let name = bits.optional(name, |bits| {
        let count = bits.int(1, 48, "hnb-Name")?;
        bits.octets(count, "hnb-Name")
    })?;
    bits.skip_extensions(extended, "SystemInformationBlockType9")?;
    Ok(name.map(|octets| String::from_utf8_lossy(&octets).into_owned()))
}

pub(super) fn sib10(bits: &mut Uper<'_>) -> Result<EtwsPrimary, DecodeError> {
    let [extended, dummy] = bits.flags("SystemInformationBlockType10")?;
    let primary = EtwsPrimary {
        message_identifier: bits.bits(16, "messageIdentifier")? as u16,
        serial_number: bits.bits(16, "serialNumber")? as u16,
        warning_type: bits.bits(16, "warningType")? as u16,
    };
    bits.skip(if dummy { 8 * 50 } else { 0 }, "dummy")?;
    bits.skip_extensions(extended, "SystemInformationBlockType10")?;
    Ok(primary)
}

/// SystemInformationBlockType11 or 12, which differ in where later releases add to them.
pub(super) fn warning(bits: &mut Uper<'_>, kind: WarningKind) -> Result<WarningSegment, DecodeError> {
    let [extended, coding] = bits.flags("SystemInformationBlockType11")?;
    let late = kind == WarningKind::Cmas && bits.flag("lateNonCriticalExtension")?;
    let segment = WarningSegment {
        kind,
        message_identifier: bits.bits(16, "messageIdentifier")? as u16,
        serial_number: bits.bits(16, "serialNumber")? as u16,
        last: bits.flag("warningMessageSegmentType")?,
        number: bits.int(0, 63, "warningMessageSegmentNumber")?,
        octets: Octets(bits.octet_string("warningMessageSegment")?),
        data_coding_scheme: bits.optional(coding, |bits| bits.int(0, 255, "dataCodingScheme"))?,
    };
    bits.optional(late, |bits| bits.octet_string("lateNonCriticalExtension"))?;
    bits.skip_extensions(extended, "SystemInformationBlockType11")?;
    Ok(segment)
}

pub(super) fn sib13(bits: &mut Uper<'_>) -> Result<Sib13, DecodeError> {
    let [extended, late] = bits.flags("SystemInformationBlockType13-r9")?;
    let areas = bits.list(1, 8, "mbsfn-AreaInfoList-r9", |bits| {
        let extended = bits.flag("MBSFN-AreaInfo-r9")?;
        let area = MbsfnArea {
            area_id: bits.int(0, 255, "mbsfn-AreaId-r9")?,
            non_mbsfn_region_symbols: bits.one_of(&[1, 2], "non-MBSFNregionLength")?,
            notification_indicator: bits.int(0, 7, "notificationIndicator-r9")?,
            mcch_period_frames: bits.one_of(&[32, 64, 128, 256], "mcch-RepetitionPeriod-r9")?,
            mcch_offset: bits.int(0, 10, "mcch-Offset-r9")?,
            mcch_modification_period_frames: bits.one_of(&[512, 1024], "mcch-ModificationPeriod-r9")?,
            subframe_allocation: bits.int(0, 63, "sf-AllocInfo-r9")?,
            signalling_mcs: bits.one_of(&[2, 7, 13, 19], "signallingMCS-r9")?,
        };
        bits.skip_extensions(extended, "MBSFN-AreaInfo-r9")?;
        Ok(area)
    })?;
    let sib13 = Sib13 {
        areas,
        notification_repetition_coeff: bits.one_of(&[2, 4], "notificationRepetitionCoeff-r9")?,
        notification_offset: bits.int(0, 10, "notificationOffset-r9")?,
        notification_subframe_index: bits.int(1, 6, "notificationSF-Index-r9")?,
    };
    bits.optional(late, |bits| bits.octet_string("lateNonCriticalExtension"))?;
    bits.skip_extensions(extended, "SystemInformationBlockType13-r9")?;
    Ok(sib13)
}

/// From 1900-01-01, where timeInfoUTC begins, to 1970-01-01: 70 years with 17 leap days.
pub(super) const FROM_1900: Nanos = Nanos::from_secs((70 * 365 + 17) * 86_400);

pub(super) fn sib16(bits: &mut Uper<'_>) -> Result<Option<TimeInfo>, DecodeError> {
    let [extended, time, late] = bits.flags("SystemInformationBlockType16-r11")?;
    let time = bits.optional(time, |bits| {
        let [daylight, leap, offset] = bits.flags("timeInfo-r11")?;
        // 39 bits, units of 10 ms: below 5.5e18 ns.
        let high = i64::from(bits.bits(7, "timeInfoUTC-r11")?);
        let units = high << 32 | i64::from(bits.bits(32, "timeInfoUTC-r11")?);
        Ok(TimeInfo {
            utc_ns: Timestamp(units * 10_000_000) - FROM_1900,
            daylight_saving: bits.optional(daylight, |bits| bits.int(0, 3, "dayLightSavingTime-r11"))?,
            leap_seconds: bits.optional(leap, |bits| bits.int(-127, 128, "leapSeconds-r11"))?,
            local_time_offset_quarters: bits.optional(offset, |bits| bits.int(-63, 64, "localTimeOffset-r11"))?,
        })
    })?;
    bits.optional(late, |bits| bits.octet_string("lateNonCriticalExtension"))?;
    bits.skip_extensions(extended, "SystemInformationBlockType16-r11")?;
    Ok(time)
}
