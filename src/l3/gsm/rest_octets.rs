//! Rest octets of SI2ter, SI3, SI4 and SI13: what stands behind the fixed part of a message, in CSN.1.

use crate::l3::DecodeError;
use crate::l3::bits::{BitReader, PADDING};
use crate::observation::gsm::{Gprs, GprsIndicator, ReselectionParameters, RestOctets};

/// SI3 rest octets; TS 44.018 clause 10.5.2.34. Read up to the SI2quater indicator.
pub(super) fn si3(octets: &[u8]) -> Result<RestOctets, DecodeError> {
    let mut bits = BitReader::new(octets);
    Ok(RestOctets {
        padding_only: is_padding(octets),
        selection: high(&mut bits, selection)?,
        power_offset: high(&mut bits, |bits| bits.take_u8(2, "Power Offset"))?,
        si2ter: bits.high(),
        early_classmark: bits.high(),
        scheduling_where: high(&mut bits, |bits| bits.take_u8(3, "WHERE"))?,
        gprs: high(&mut bits, gprs_indicator)?,
        early_classmark_3g: bits.high(),
        si2quater_on_ext: high(&mut bits, |bits| bits.flag("SI2quater POSITION"))?,
    })
}

/// SI4 rest octets; TS 44.018 clause 10.5.2.35. Read up to the GPRS indicator, what SI3 has as well.
pub(super) fn si4(octets: &[u8]) -> Result<RestOctets, DecodeError> {
    let mut bits = BitReader::new(octets);
    Ok(RestOctets {
        padding_only: is_padding(octets),
        selection: high(&mut bits, selection)?,
        power_offset: high(&mut bits, |bits| bits.take_u8(2, "Power Offset"))?,
        gprs: high(&mut bits, gprs_indicator)?,
        ..RestOctets::default()
    })
}

/// SI13 rest octets; TS 44.018 clause 10.5.2.37b. `None` where they are nothing but padding.
pub(super) fn si13(octets: &[u8]) -> Result<Option<Gprs>, DecodeError> {
    let mut bits = BitReader::new(octets);
    high(&mut bits, |bits| {
        let bcch_change_mark = bits.take_u8(3, "BCCH_CHANGE_MARK")?;
        bits.skip(4, "SI_CHANGE_FIELD")?;
        if bits.flag("GPRS Mobile Allocation present")? {
            bits.skip(2, "SI13_CHANGE_MARK")?;
            skip_mobile_allocation(bits)?;
        }
        let mut gprs = Gprs {
            bcch_change_mark,
            rac: None,
            spgc_ccch_sup: None,
            priority_access_thr: None,
            network_control_order: None,
            nmo: None,
            t3168: None,
            t3192: None,
        };
        if !bits.flag("PBCCH present")? {
            gprs.rac = Some(bits.take_u8(8, "RAC")?);
            gprs.spgc_ccch_sup = Some(bits.flag("SPGC_CCCH_SUP")?);
            gprs.priority_access_thr = Some(bits.take_u8(3, "PRIORITY_ACCESS_THR")?);
            gprs.network_control_order = Some(bits.take_u8(2, "NETWORK_CONTROL_ORDER")?);
            // GPRS Cell Options begin with these; TS 44.060 clause 12.24.
            gprs.nmo = Some(bits.take_u8(2, "NMO")?);
            gprs.t3168 = Some(bits.take_u8(3, "T3168")?);
            gprs.t3192 = Some(bits.take_u8(3, "T3192")?);
        }
        Ok(gprs)
    })
}

/// What SI2ter rest octets say of other technologies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Si2terRest {
    /// SI2ter_MP_CHANGE_MARK.
    pub mp_change_mark: bool,
    /// SI2ter_3G_CHANGE_MARK.
    pub change_mark_3g: bool,
    /// SI2ter_INDEX of this instance.
    pub index: u8,
    /// SI2ter_COUNT: the highest index.
    pub count: u8,
    /// FDD-ARFCN of the UTRAN FDD description.
    pub utran_fdd: Option<u16>,
}

/// SI2ter rest octets; TS 44.018 clause 10.5.2.33a. Read up to the UTRAN FDD description; `None` where they are nothing but padding.
pub(super) fn si2ter(octets: &[u8]) -> Result<Option<Si2terRest>, DecodeError> {
    let mut bits = BitReader::new(octets);
    high(&mut bits, |bits| {
        Ok(Si2terRest {
            mp_change_mark: bits.flag("SI2ter_MP_CHANGE_MARK")?,
            change_mark_3g: bits.flag("SI2ter_3G_CHANGE_MARK")?,
            index: bits.take_u8(3, "SI2ter_INDEX")?,
            count: bits.take_u8(3, "SI2ter_COUNT")?,
            utran_fdd: optional(bits, |bits| {
                // The description begins with a fixed 0 1.
                match bits.take(2, "UTRAN FDD Description")? {
                    0b01 => Ok(bits.take(14, "FDD-ARFCN")? as u16),
                    value => Err(DecodeError::Reserved { field: "UTRAN FDD Description", value }),
                }
            })?,
        })
    })
}

/// Selection parameters; TS 44.018 clause 10.5.2.34.
fn selection(bits: &mut BitReader) -> Result<ReselectionParameters, DecodeError> {
    Ok(ReselectionParameters {
        cell_bar_qualify: bits.flag("CBQ")?,
        cell_reselect_offset: bits.take_u8(6, "CELL_RESELECT_OFFSET")?,
        temporary_offset: bits.take_u8(3, "TEMPORARY_OFFSET")?,
        penalty_time: bits.take_u8(5, "PENALTY_TIME")?,
    })
}

/// GPRS indicator; TS 44.018 clause 10.5.2.34.
fn gprs_indicator(bits: &mut BitReader) -> Result<GprsIndicator, DecodeError> {
    Ok(GprsIndicator { ra_colour: bits.take_u8(3, "RA COLOUR")?, si13_on_ext: bits.flag("SI13 POSITION")? })
}

/// GPRS mobile allocation; TS 44.060 clause 12.10a.
fn skip_mobile_allocation(bits: &mut BitReader) -> Result<(), DecodeError> {
    bits.skip(6, "HSN")?;
    if bits.flag("RFL number list present")? {
        skip_list(bits, 4, "RFL_NUMBER")?;
    }
    if !bits.flag("MA_BITMAP or ARFCN index list")? {
        let length = bits.take(6, "MA_LENGTH")? as usize + 1;
        bits.skip(length, "MA_BITMAP")?;
    } else if bits.flag("ARFCN index list present")? {
        skip_list(bits, 6, "ARFCN_INDEX")?;
    }
    Ok(())
}

/// Numbers of `width` bits, each followed by a bit that says whether one more comes.
fn skip_list(bits: &mut BitReader, width: usize, field: &'static str) -> Result<(), DecodeError> {
    loop {
        bits.skip(width, field)?;
        if !bits.flag(field)? {
            return Ok(());
        }
    }
}

/// `{ L | H field }`
fn high<'a, T>(
    bits: &mut BitReader<'a>,
    field: impl FnOnce(&mut BitReader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if bits.high() { field(bits).map(Some) } else { Ok(None) }
}

/// `{ 0 | 1 field }`
pub(super) fn optional<'a, T>(
    bits: &mut BitReader<'a>,
    field: impl FnOnce(&mut BitReader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if bits.flag("presence of an optional field")? { field(bits).map(Some) } else { Ok(None) }
}

fn is_padding(octets: &[u8]) -> bool {
    octets.iter().all(|&octet| octet == PADDING)
}
