//! MasterInformationBlock and SystemInformationBlockType1.

use crate::cell::Plmn;
use crate::l3::DecodeError;
use crate::l3::lte::asn1::SibType;
use crate::l3::lte::asn1::sib1::{
    Digit, Mib as PackedMib, PlmnIdentity, SchedulingInfo, Sib1 as PackedSib1, V8h0, V9e0, V890, V920, V1130, V1250,
    V1310Presence,
};
use crate::l3::lte::tables::{LATER_TYPES, PHICH_SIXTHS, PRB, SI_PERIOD_FRAMES, SI_WINDOW_MS};
use crate::l3::packed::Packed;
use crate::observation::lte::{BroadcastPlmn, Mib, Scheduling, Sib1, TddConfig};

/// The MIB and the eight bits of the frame number that it carries: SFN / 4.
///
/// # Errors
/// [`DecodeError::Reserved`] where the bandwidth is none.
pub fn parse_mib(octets: [u8; 3]) -> Result<(Mib, u8), DecodeError> {
    let mib: PackedMib = Packed::new(&octets).take("MasterInformationBlock")?;
    let bandwidth = mib.dl_bandwidth.number();
    let prb = PRB.get(usize::from(bandwidth)).copied();
    let fields = Mib {
        prb: prb.ok_or(DecodeError::Reserved { field: "dl-Bandwidth", value: bandwidth.into() })?,
        phich_extended: mib.phich_duration.is_second(),
        phich_ng_sixths: mib.phich_resource.of(&PHICH_SIXTHS),
        scheduling_sib1_br: mib.scheduling_info_sib1_br,
        spare: mib.spare,
    };
    Ok((fields, mib.system_frame_number))
}

/// SystemInformationBlockType1 from where its message's choices end, and the place of systemInfoValueTag in bits.
pub fn parse(bits: &mut Packed<'_>) -> Result<(Sib1, usize), DecodeError> {
    let root: PackedSib1 = bits.take("SystemInformationBlockType1")?;
    let tag = bits.position() - TAG_BITS;
    let access = &root.cell_access_related_info;
    let mut mcc = None;
    let plmns = access.plmn_identity_list.iter().map(|entry| BroadcastPlmn {
        plmn: plmn(&entry.plmn_identity, &mut mcc),
        reserved_for_operator_use: !entry.cell_reserved_for_operator_use.is_second(),
    });
    let mut sib1 = Sib1 {
        plmns: plmns.collect(),
        tac: access.tracking_area_code,
        eci: access.cell_identity,
        cell_barred: !access.cell_barred.is_second(),
        intra_freq_reselection_allowed: !access.intra_freq_reselection.is_second(),
        csg_indication: access.csg_indication,
        csg_identity: access.csg_identity,
        q_rx_lev_min: root.cell_selection_info.q_rx_lev_min,
        q_rx_lev_min_offset: root.cell_selection_info.q_rx_lev_min_offset,
        p_max_dbm: root.p_max,
        bands: vec![root.freq_band_indicator.into()],
        scheduling: root.scheduling_info_list.iter().map(scheduling).collect(),
        tdd: root.tdd_config.map(|tdd| TddConfig {
            subframe_assignment: tdd.subframe_assignment,
            special_subframe_patterns: tdd.special_subframe_patterns,
        }),
        si_window_ms: root.si_window_length.of(&SI_WINDOW_MS),
        value_tag: root.system_info_value_tag,
        ims_emergency: false,
        q_qual_min_db: None,
        bandwidth_reduced: false,
        extensions: 0,
    };
    if root.non_critical_extension.is_some() {
        // What later releases add and is malformed takes nothing of the above with it.
        let _malformed = extensions(bits, &mut sib1).is_err();
    }
    Ok((sib1, tag))
}

/// systemInfoValueTag, the last part of the root.
const TAG_BITS: usize = 5;

/// The nonCriticalExtensions, each inside the one before: v890, v920, v1130, v1250, v1310.
fn extensions(bits: &mut Packed<'_>, sib1: &mut Sib1) -> Result<(), DecodeError> {
    sib1.extensions = 1;
    let v890: V890 = bits.take("SystemInformationBlockType1-v890-IEs")?;
    if let Some(octets) = v890.late_non_critical_extension {
        let _malformed = late_extension(&mut Packed::new(&octets), &mut sib1.bands).is_err();
    }
    if v890.non_critical_extension.is_none() {
        return Ok(());
    }
    sib1.extensions = 2;
    let v920: V920 = bits.take("SystemInformationBlockType1-v920-IEs")?;
    sib1.ims_emergency = v920.ims_emergency_support.is_some();
    sib1.q_qual_min_db = v920.cell_selection_info.map(|info| info.q_qual_min);
    if v920.non_critical_extension.is_none() {
        return Ok(());
    }
    sib1.extensions = 3;
    let v1130: V1130 = bits.take("SystemInformationBlockType1-v1130-IEs")?;
    if v1130.non_critical_extension.is_none() {
        return Ok(());
    }
    sib1.extensions = 4;
    let v1250: V1250 = bits.take("SystemInformationBlockType1-v1250-IEs")?;
    if v1250.non_critical_extension.is_none() {
        return Ok(());
    }
    sib1.extensions = 5;
    let v1310: V1310Presence = bits.take("SystemInformationBlockType1-v1310-IEs")?;
    sib1.bandwidth_reduced = v1310.bandwidth_reduced_access_related_info;
    Ok(())
}

/// SystemInformationBlockType1-v8h0-IEs and v9e0-IEs: the bands beside the first one, and the numbers above 64.
fn late_extension(bits: &mut Packed<'_>, bands: &mut Vec<u16>) -> Result<(), DecodeError> {
    let v8h0: V8h0 = bits.take("SystemInformationBlockType1-v8h0-IEs")?;
    bands.extend(v8h0.multi_band_info_list.iter().flatten().map(|band| u16::from(band.0)));
    if v8h0.non_critical_extension.is_some() {
        let v9e0: V9e0 = bits.take("SystemInformationBlockType1-v9e0-IEs")?;
        if let Some(high) = v9e0.freq_band_indicator {
            bands[0] = high;
        }
        for (band, high) in bands[1..].iter_mut().zip(v9e0.multi_band_info_list.iter().flatten()) {
            *band = high.freq_band_indicator.unwrap_or(*band);
        }
    }
    Ok(())
}

/// PLMN-Identity; a country code left out is that of the entry before. A digit above nine makes the PLMN none, not the message
/// malformed.
fn plmn(identity: &PlmnIdentity, mcc: &mut Option<u16>) -> Option<Plmn> {
    let number = |digits: &[Digit]| {
        digits.iter().try_fold(0, |number, digit| (digit.0 < 10).then_some(10 * number + u16::from(digit.0)))
    };
    if let Some(own) = &identity.mcc {
        *mcc = number(own);
    }
    let mnc = number(&identity.mnc);
    mcc.zip(mnc).and_then(|(mcc, mnc)| Plmn::new(mcc, mnc, identity.mnc.len() as u8))
}

fn scheduling(entry: &SchedulingInfo) -> Scheduling {
    // 3 to 18, and those added later.
    let sib_type = |sib_type: &SibType| match sib_type.0 {
        root @ 0..16 => root as u8 + 3,
        later => LATER_TYPES.get(later - 16).copied().unwrap_or(0),
    };
    Scheduling {
        period_frames: entry.si_periodicity.of(&SI_PERIOD_FRAMES),
        sib_types: entry.sib_mapping_info.iter().map(sib_type).collect(),
    }
}
