//! MasterInformationBlock and SystemInformationBlockType1.

use super::{EncodeError, flag, number, open, packed};
use crate::cell::Plmn;
use crate::l3::lte::asn1::sib1::{
    Band, CellAccessRelatedInfo, CellSelectionInfo, CellSelectionInfoV920, Digit, Mib as PackedMib, MultiBandInfoV9e0,
    PlmnIdentity, PlmnIdentityInfo, SchedulingInfo, Sib1 as PackedSib1, TddConfig, V8h0, V9e0, V890, V920,
};
use crate::l3::lte::asn1::{Enum, Octets, SibType, Tail};
use crate::l3::lte::tables::{LATER_TYPES, PHICH_SIXTHS, PRB, SI_PERIOD_FRAMES, SI_WINDOW_MS};
use crate::observation::lte::{BroadcastPlmn, Mib, Scheduling, Sib1};
use rasn::{AsnType, Encode};

/// Highest number that freqBandIndicator of Release 8 can name, and what it says where the band is a higher one.
const LAST_BAND: u16 = 64;

pub(super) fn mib(mib: &Mib, sfn: u16) -> Result<PackedMib, EncodeError> {
    let field = "dl-Bandwidth";
    let bandwidth = number(&PRB, mib.prb, field)?.number();
    Ok(PackedMib {
        dl_bandwidth: Enum::new(bandwidth).ok_or(EncodeError::NoNumber { field, value: mib.prb.into() })?,
        phich_duration: flag(mib.phich_extended),
        phich_resource: number(&PHICH_SIXTHS, mib.phich_ng_sixths, "phich-Resource")?,
        // The eight high bits of ten.
        system_frame_number: (sfn >> 2) as u8,
        scheduling_info_sib1_br: mib.scheduling_sib1_br,
        spare: mib.spare,
    })
}

/// BCCH-DL-SCH-Message with SystemInformationBlockType1; TS 36.331 clauses 6.2.1 and 6.2.2.
#[derive(AsnType, Encode)]
#[rasn(automatic_tags)]
struct Message {
    message_class_extension: bool,
    is_sib1: bool,
    sib1: PackedSib1,
    v890: Tail<V890>,
    v920: Tail<V920>,
}

/// The bands beside the first one, and the numbers above 64.
#[derive(AsnType, Encode)]
#[rasn(automatic_tags)]
struct Late {
    v8h0: V8h0,
    v9e0: Tail<V9e0>,
}

pub(super) fn message(sib1: &Sib1) -> Result<Vec<u8>, EncodeError> {
    let late = late(&sib1.bands)?;
    let v920 = (sib1.ims_emergency || sib1.q_qual_min_db.is_some()).then(|| V920 {
        ims_emergency_support: sib1.ims_emergency.then_some(()),
        cell_selection_info: sib1
            .q_qual_min_db
            .map(|q_qual_min| CellSelectionInfoV920 { q_qual_min, q_qual_min_offset: None }),
        non_critical_extension: None,
    });
    let v890 = (late.is_some() || v920.is_some())
        .then(|| V890 { late_non_critical_extension: late, non_critical_extension: v920.is_some().then_some(()) });
    let message = Message {
        message_class_extension: false,
        is_sib1: true,
        sib1: root(sib1, v890.is_some())?,
        v890: Tail(v890),
        v920: Tail(v920),
    };
    packed("SystemInformationBlockType1", &message)
}

fn root(sib1: &Sib1, extended: bool) -> Result<PackedSib1, EncodeError> {
    let first_band = sib1.bands.first().copied().unwrap_or(0);
    let mut mcc = None;
    Ok(PackedSib1 {
        cell_access_related_info: CellAccessRelatedInfo {
            plmn_identity_list: sib1.plmns.iter().map(|entry| plmn(entry, &mut mcc)).collect::<Result<_, _>>()?,
            tracking_area_code: sib1.tac,
            cell_identity: sib1.eci,
            cell_barred: flag(!sib1.cell_barred),
            intra_freq_reselection: flag(!sib1.intra_freq_reselection_allowed),
            csg_indication: sib1.csg_indication,
            csg_identity: sib1.csg_identity,
        },
        cell_selection_info: CellSelectionInfo {
            q_rx_lev_min: sib1.q_rx_lev_min,
            q_rx_lev_min_offset: sib1.q_rx_lev_min_offset,
        },
        p_max: sib1.p_max_dbm,
        freq_band_indicator: first_band.min(LAST_BAND) as u8,
        scheduling_info_list: sib1.scheduling.iter().map(scheduling).collect::<Result<_, _>>()?,
        tdd_config: sib1.tdd.map(|tdd| TddConfig {
            subframe_assignment: tdd.subframe_assignment,
            special_subframe_patterns: tdd.special_subframe_patterns,
        }),
        si_window_length: number(&SI_WINDOW_MS, sib1.si_window_ms, "si-WindowLength")?,
        system_info_value_tag: sib1.value_tag,
        non_critical_extension: extended.then_some(()),
    })
}

/// One entry of plmn-IdentityList; `mcc` is that of the entry before, which is not repeated.
fn plmn(entry: &BroadcastPlmn, mcc: &mut Option<u16>) -> Result<PlmnIdentityInfo, EncodeError> {
    let plmn: Plmn = entry.plmn.ok_or(EncodeError::NoNumber { field: "plmn-Identity", value: 0 })?;
    let digits = |number: u16, count: u32| {
        (0..count).rev().map(|place| Digit((number / 10u16.pow(place) % 10) as u8)).collect::<Vec<_>>()
    };
    let repeated = mcc.replace(plmn.mcc()) == Some(plmn.mcc());
    Ok(PlmnIdentityInfo {
        plmn_identity: PlmnIdentity {
            mcc: (!repeated).then(|| digits(plmn.mcc(), 3)),
            mnc: digits(plmn.mnc(), plmn.mnc_digits().into()),
        },
        cell_reserved_for_operator_use: flag(!entry.reserved_for_operator_use),
    })
}

fn scheduling(entry: &Scheduling) -> Result<SchedulingInfo, EncodeError> {
    let sib_type = |&sib_type: &u8| match sib_type {
        3..=18 => Ok(SibType::from(usize::from(sib_type) - 3)),
        _ => match LATER_TYPES.iter().position(|&later| later == sib_type) {
            Some(at) => Ok(SibType::from(16 + at)),
            None => Err(EncodeError::NoNumber { field: "SIB-Type", value: sib_type.into() }),
        },
    };
    Ok(SchedulingInfo {
        si_periodicity: number(&SI_PERIOD_FRAMES, entry.period_frames, "si-Periodicity")?,
        sib_mapping_info: entry.sib_types.iter().map(sib_type).collect::<Result<_, _>>()?,
    })
}

/// lateNonCriticalExtension where the bands need one.
fn late(bands: &[u16]) -> Result<Option<Octets>, EncodeError> {
    let high = |band: u16| (band > LAST_BAND).then_some(band);
    let Some((&first, more)) = bands.split_first() else {
        return Err(EncodeError::NoNumber { field: "freqBandIndicator", value: 0 });
    };
    if more.is_empty() && high(first).is_none() {
        return Ok(None);
    }
    let list = (!more.is_empty()).then(|| more.iter().map(|&band| Band(band.min(LAST_BAND) as u8)).collect());
    let v9e0 = bands.iter().any(|&band| band > LAST_BAND).then(|| V9e0 {
        freq_band_indicator: high(first),
        multi_band_info_list: more
            .iter()
            .any(|&band| band > LAST_BAND)
            .then(|| more.iter().map(|&band| MultiBandInfoV9e0 { freq_band_indicator: high(band) }).collect()),
        non_critical_extension: None,
    });
    let late = Late {
        v8h0: V8h0 { multi_band_info_list: list, non_critical_extension: v9e0.is_some().then_some(()) },
        v9e0: Tail(v9e0),
    };
    open("SystemInformationBlockType1-v8h0-IEs", &late).map(Some)
}
