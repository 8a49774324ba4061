//! MasterInformationBlock and SystemInformationBlockType1.

use super::uper::Uper;
use crate::cell::Plmn;
use crate::l3::DecodeError;
use crate::observation::lte::{BroadcastPlmn, Mib, Scheduling, Sib1, TddConfig};

/// Resource blocks by dl-Bandwidth, ul-Bandwidth or allowedMeasBandwidth.
pub(super) const PRB: [u8; 6] = [6, 15, 25, 50, 75, 100];

/// SIB types that extend the list of sixteen, by number of the addition; TS 36.331 clause 6.2.2. 26a counts as 26.
pub(super) const LATER_TYPES: [u8; 14] = [19, 20, 21, 24, 25, 26, 26, 27, 28, 29, 30, 31, 32, 33];

/// The MIB and the eight bits of the frame number that it carries: SFN / 4.
///
/// # Errors
/// [`DecodeError::Reserved`] where the bandwidth is none.
pub fn parse_mib(octets: [u8; 3]) -> Result<(Mib, u8), DecodeError> {
    let mut bits = Uper::new(&octets);
    let prb = bits.one_of(&PRB, "dl-Bandwidth")?;
    let phich_extended = bits.flag("phich-Duration")?;
    let phich_ng_sixths = bits.one_of(&[1, 3, 6, 12], "phich-Resource")?;
    let frame = bits.int(0, 255, "systemFrameNumber")?;
    let scheduling_sib1_br = bits.int(0, 31, "schedulingInfoSIB1-BR-r13")?;
    let spare = bits.int(0, 31, "spare")?;
    Ok((Mib { prb, phich_extended, phich_ng_sixths, scheduling_sib1_br, spare }, frame))
}

/// SystemInformationBlockType1 from where its message's choices end; `tag` gets the place of systemInfoValueTag in bits.
pub(super) fn parse(bits: &mut Uper<'_>, tag: &mut usize) -> Result<Sib1, DecodeError> {
    let [p_max, tdd, extended] = bits.flags("SystemInformationBlockType1")?;
    let csg_identity = bits.flag("csg-Identity")?;
    let mut mcc = None;
    let plmns = bits.list(1, 6, "plmn-IdentityList", |bits| {
        let plmn = plmn(bits, &mut mcc)?;
        Ok(BroadcastPlmn { plmn, reserved_for_operator_use: !bits.flag("cellReservedForOperatorUse")? })
    })?;
    let tac = bits.bits(16, "trackingAreaCode")? as u16;
    let eci = bits.bits(28, "cellIdentity")?;
    let cell_barred = !bits.flag("cellBarred")?;
    let intra_freq_reselection_allowed = !bits.flag("intraFreqReselection")?;
    let csg_indication = bits.flag("csg-Indication")?;
    let csg_identity = bits.optional(csg_identity, |bits| bits.bits(27, "csg-Identity"))?;
    let offset = bits.flag("q-RxLevMinOffset")?;
    let q_rx_lev_min = q_rx_lev_min(bits)?;
    let q_rx_lev_min_offset = bits.optional(offset, |bits| bits.int(1, 8, "q-RxLevMinOffset"))?;
    let p_max_dbm = bits.optional(p_max, p_max_of)?;
    let band = bits.int(1, 64, "freqBandIndicator")?;
    let scheduling = bits.list(1, 32, "schedulingInfoList", |bits| {
        let period_frames = bits.one_of(&[8, 16, 32, 64, 128, 256, 512], "si-Periodicity")?;
        Ok(Scheduling { period_frames, sib_types: bits.list(0, 31, "sib-MappingInfo", sib_type)? })
    })?;
    let tdd = bits.optional(tdd, |bits| {
        Ok(TddConfig {
            subframe_assignment: bits.int(0, 6, "subframeAssignment")?,
            special_subframe_patterns: bits.int(0, 8, "specialSubframePatterns")?,
        })
    })?;
    let si_window_ms = bits.one_of(&[1, 2, 5, 10, 15, 20, 40], "si-WindowLength")?;
    *tag = bits.position();
    let value_tag = bits.int(0, 31, "systemInfoValueTag")?;
    let mut sib1 = Sib1 {
        plmns,
        tac,
        eci,
        cell_barred,
        intra_freq_reselection_allowed,
        csg_indication,
        csg_identity,
        q_rx_lev_min,
        q_rx_lev_min_offset,
        p_max_dbm,
        bands: vec![band],
        scheduling,
        tdd,
        si_window_ms,
        value_tag,
        ims_emergency: false,
        q_qual_min_db: None,
        bandwidth_reduced: false,
        extensions: 0,
    };
    if extended {
        // What later releases add and is malformed takes nothing of the above with it.
        let _malformed = extensions(bits, &mut sib1).is_err();
    }
    Ok(sib1)
}

/// The nonCriticalExtensions, each inside the one before: v890, v920, v1130, v1250, v1310.
fn extensions(bits: &mut Uper<'_>, sib1: &mut Sib1) -> Result<(), DecodeError> {
    sib1.extensions = 1;
    let [late, next] = bits.flags("SystemInformationBlockType1-v890-IEs")?;
    if late {
        let octets = bits.octet_string("lateNonCriticalExtension")?;
        let _malformed = late_extension(&mut Uper::new(&octets), &mut sib1.bands).is_err();
    }
    if !next {
        return Ok(());
    }
    sib1.extensions = 2;
    let [emergency, selection, next] = bits.flags("SystemInformationBlockType1-v920-IEs")?;
    // An ENUMERATED of one value takes no bits.
    sib1.ims_emergency = emergency;
    if selection {
        let offset = bits.flag("q-QualMinOffset-r9")?;
        sib1.q_qual_min_db = Some(q_qual_min(bits)?);
        bits.skip(if offset { 3 } else { 0 }, "q-QualMinOffset-r9")?;
    }
    if !next {
        return Ok(());
    }
    sib1.extensions = 3;
    let [tdd, selection, next] = bits.flags("SystemInformationBlockType1-v1130-IEs")?;
    bits.skip(usize::from(tdd), "specialSubframePatterns-v1130")?;
    bits.skip(if selection { 5 } else { 0 }, "q-QualMinWB-r11")?;
    if !next {
        return Ok(());
    }
    sib1.extensions = 4;
    let [selection, _priority, next] = bits.flags("SystemInformationBlockType1-v1250-IEs")?;
    bits.skip(1, "category0Allowed-r12")?;
    bits.skip(if selection { 5 } else { 0 }, "q-QualMinRSRQ-OnAllSymbols-r12")?;
    if !next {
        return Ok(());
    }
    sib1.extensions = 5;
    let [_hyper_sfn, _edrx, _selection, bandwidth_reduced] = bits.flags("SystemInformationBlockType1-v1310-IEs")?;
    sib1.bandwidth_reduced = bandwidth_reduced;
    Ok(())
}

/// SystemInformationBlockType1-v8h0-IEs and v9e0-IEs: the bands beside the first one, and the first one's number where it is above 64.
fn late_extension(bits: &mut Uper<'_>, bands: &mut Vec<u16>) -> Result<(), DecodeError> {
    let [more, next] = bits.flags("SystemInformationBlockType1-v8h0-IEs")?;
    if more {
        let more = bits.list(1, 8, "multiBandInfoList", |bits| bits.int(1, 64, "freqBandIndicator"))?;
        bands.extend::<Vec<u16>>(more);
    }
    if next {
        let [high, more, _next] = bits.flags("SystemInformationBlockType1-v9e0-IEs")?;
        if high {
            bands[0] = bits.int(65, 256, "freqBandIndicator-v9e0")?;
        }
        if more {
            let more = bits.list(1, 8, "multiBandInfoList-v9e0", |bits| {
                let high = bits.flag("freqBandIndicator-v9e0")?;
                bits.optional(high, |bits| bits.int(65, 256, "freqBandIndicator-v9e0"))
            })?;
            for (band, high) in bands[1..].iter_mut().zip(more) {
                *band = high.unwrap_or(*band);
            }
        }
    }
    Ok(())
}

/// PLMN-Identity; a country code left out is that of the entry before.
fn plmn(bits: &mut Uper<'_>, mcc: &mut Option<u16>) -> Result<Option<Plmn>, DecodeError> {
    let own = bits.flag("mcc")?;
    let digit = |bits: &mut Uper<'_>| bits.bits(4, "MCC-MNC-Digit").map(|digit| digit as u16);
    // A digit above nine makes the PLMN none, not the message malformed.
    let number =
        |digits: &[u16]| digits.iter().try_fold(0, |number, &digit| (digit < 10).then_some(10 * number + digit));
    if own {
        *mcc = number(&[digit(bits)?, digit(bits)?, digit(bits)?]);
    }
    let digits = bits.list(2, 3, "mnc", digit)?;
    Ok(mcc.zip(number(&digits)).and_then(|(mcc, mnc)| Plmn::new(mcc, mnc, digits.len() as u8)))
}

/// SIB-Type: 3 to 18, and those added later.
fn sib_type(bits: &mut Uper<'_>) -> Result<u8, DecodeError> {
    if bits.flag("SIB-Type")? {
        let addition = bits.small("SIB-Type")?;
        return Ok(LATER_TYPES.get(addition).copied().unwrap_or(0));
    }
    bits.int::<u8>(0, 15, "SIB-Type").map(|index| index + 3)
}

pub(super) fn q_rx_lev_min(bits: &mut Uper<'_>) -> Result<i8, DecodeError> {
    bits.int(-70, -22, "q-RxLevMin")
}

pub(super) fn p_max_of(bits: &mut Uper<'_>) -> Result<i8, DecodeError> {
    bits.int(-30, 33, "p-Max")
}

pub(super) fn q_qual_min(bits: &mut Uper<'_>) -> Result<i8, DecodeError> {
    bits.int(-34, -3, "q-QualMin-r9")
}
