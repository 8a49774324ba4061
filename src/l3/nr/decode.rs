//! MasterInformationBlock and SystemInformationBlockType1.

use super::asn1::serving::{Bwp, NrMultiBandInfo, ScsSpecificCarrier, ServingCellConfigCommonSib, TddUlDlPattern};
use super::asn1::uplink::{RachConfigCommon, RootSequence, UplinkConfigCommonSib};
use super::asn1::{
    BcchBchMessage, CellAccessRelatedInfo, CellSelectionInfo, ConnEstFailureControl, Digit, PlmnIdentity, Presence,
    SchedulingInfo, SiSchedulingInfo, SibTypeInfo, UacBarringInfo, UeTimersAndConstants,
};
use super::tables;
use crate::cell::Plmn;
use crate::l3::DecodeError;
use crate::l3::asn1::{Enum, Extensible};
use crate::l3::packed::Packed;
use crate::observation::nr::{
    BandwidthPart, Carrier, CellSelection, ConnEstFailure, Mib, Network, Rach, ScheduledSib, Scheduling, ServingCell,
    SiScheduling, Sib1, Tdd, TddPattern, Uac, UacCategory, UacSet, UeTimers, Uplink,
};
use std::ops::Range;

/// The MIB and the six bits of the frame number that it carries: SFN / 16.
///
/// `octets`: BCCH-BCH-Message, 24 bits.
///
/// # Errors
/// [`DecodeError::Reserved`] where the message is of a kind that later releases add.
pub fn parse_mib(octets: [u8; 3]) -> Result<(Mib, u8), DecodeError> {
    let message: BcchBchMessage = Packed::new(&octets).take("MIB")?;
    if message.message_class_extension {
        return Err(DecodeError::Reserved { field: "BCCH-BCH-MessageType", value: 1 });
    }
    let mib = Mib {
        scs_common_larger: message.sub_carrier_spacing_common.is_second(),
        ssb_subcarrier_offset: message.ssb_subcarrier_offset,
        dmrs_type_a_position: message.dmrs_type_a_position.of(&[2, 3]),
        control_resource_set_zero: message.control_resource_set_zero,
        search_space_zero: message.search_space_zero,
        cell_barred: !message.cell_barred.is_second(),
        intra_freq_reselection_allowed: !message.intra_freq_reselection.is_second(),
        spare: message.spare,
    };
    Ok((mib, message.system_frame_number))
}

/// SystemInformationBlockType1 from where its message's choices end. `passing` takes the places in bits of what changes with time.
pub fn sib1(bits: &mut Packed<'_>, passing: &mut Vec<Range<usize>>) -> Result<Sib1, DecodeError> {
    let begin = bits.position();
    let presence: Presence = bits.take("SIB1")?;
    let mut sib1 = Sib1 { extended: presence.non_critical_extension, ..Sib1::default() };
    if presence.cell_selection_info {
        sib1.selection = Some(selection(&bits.take("cellSelectionInfo")?));
    }
    let access: Extensible<CellAccessRelatedInfo> = bits.take("cellAccessRelatedInfo")?;
    sib1.networks = networks(&access.root);
    sib1.cell_reserved_for_other_use = access.root.cell_reserved_for_other_use.is_some();
    // The first addition group holds cellReservedForFutureUse-r16 and npn-IdentityInfoList-r16, each with its presence bit.
    let added: Option<[bool; 2]> =
        access.addition::<Enum<4>>(0).map(|group| [group.number() & 2 != 0, group.number() & 1 != 0]);
    [sib1.cell_reserved_for_future_use, sib1.non_public] = added.unwrap_or_default();
    // What cannot be read takes nothing of the above with it.
    sib1.cut_off = rest(bits, &presence, begin, &mut sib1, passing).is_err();
    Ok(sib1)
}

/// Place of the presence bit of uac-BarringInfo among the eleven.
const UAC_PRESENCE: usize = 7;

/// The parts behind cellAccessRelatedInfo.
fn rest(
    bits: &mut Packed<'_>,
    presence: &Presence,
    begin: usize,
    sib1: &mut Sib1,
    passing: &mut Vec<Range<usize>>,
) -> Result<(), DecodeError> {
    if presence.conn_est_failure_control {
        let control: ConnEstFailureControl = bits.take("connEstFailureControl")?;
        sib1.conn_est_failure = Some(ConnEstFailure {
            count: control.conn_est_fail_count.number() + 1,
            validity_s: control.conn_est_fail_offset_validity.of(&tables::FAIL_VALIDITY_S),
            offset_db: control.conn_est_fail_offset,
        });
    }
    if presence.si_scheduling_info {
        let begin = bits.position();
        let info: Extensible<SiSchedulingInfo> = bits.take("si-SchedulingInfo")?;
        value_tags(&info.root, begin, passing);
        sib1.scheduling = Some(scheduling(&info.root));
    }
    if presence.serving_cell_config_common {
        let serving: Extensible<ServingCellConfigCommonSib> = bits.take("servingCellConfigCommon")?;
        sib1.serving = Some(serving_cell(&serving.root));
    }
    sib1.ims_emergency = presence.ims_emergency_support;
    sib1.ecall_over_ims = presence.ecall_over_ims_support;
    if presence.ue_timers_and_constants {
        let timers: Extensible<UeTimersAndConstants> = bits.take("ue-TimersAndConstants")?;
        sib1.ue_timers = Some(ue_timers(&timers.root));
    }
    passing.push(begin + UAC_PRESENCE..begin + UAC_PRESENCE + 1);
    if presence.uac_barring_info {
        let begin = bits.position();
        let info: UacBarringInfo = bits.take("uac-BarringInfo")?;
        passing.push(begin..bits.position());
        sib1.uac = Some(uac(&info));
    }
    sib1.use_full_resume_id = presence.use_full_resume_id;
    Ok(())
}

fn selection(info: &CellSelectionInfo) -> CellSelection {
    CellSelection {
        q_rx_lev_min: info.q_rx_lev_min,
        q_rx_lev_min_offset: info.q_rx_lev_min_offset,
        q_rx_lev_min_sul: info.q_rx_lev_min_sul,
        q_qual_min_db: info.q_qual_min,
        q_qual_min_offset_db: info.q_qual_min_offset,
    }
}

fn networks(access: &CellAccessRelatedInfo) -> Vec<Network> {
    let mut mcc = None;
    let network = |entry: &Extensible<super::asn1::PlmnIdentityInfo>| {
        let info = &entry.root;
        Network {
            plmns: info.plmn_identity_list.iter().map(|identity| plmn(identity, &mut mcc)).collect(),
            tac: info.tracking_area_code,
            ranac: info.ranac,
            nci: info.cell_identity,
            reserved_for_operator_use: !info.cell_reserved_for_operator_use.is_second(),
        }
    };
    access.plmn_identity_info_list.iter().map(network).collect()
}

/// PLMN-Identity; a country code left out is that of the entry before, in whichever list that stands. A digit above nine makes the PLMN
/// none, not the message malformed.
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

fn scheduling(info: &SiSchedulingInfo) -> SiScheduling {
    // 2 to 14; those added later have numbers of their own.
    let sib_type = |entry: &SibTypeInfo| match entry.sib_type.0 + 2 {
        number if number <= usize::from(tables::LAST_ROOT_TYPE) => number as u8,
        _ => 0,
    };
    let sib = |entry: &SibTypeInfo| ScheduledSib {
        sib_type: sib_type(entry),
        value_tag: entry.value_tag,
        area_scope: entry.area_scope.is_some(),
    };
    let message = |entry: &SchedulingInfo| Scheduling {
        broadcasting: !entry.si_broadcast_status.is_second(),
        period_frames: entry.si_periodicity.of(&tables::SI_PERIOD_FRAMES),
        sibs: entry.sib_mapping_info.iter().map(sib).collect(),
    };
    SiScheduling {
        messages: info.scheduling_info_list.iter().map(message).collect(),
        si_window_slots: info.si_window_length.of(&tables::SI_WINDOW_SLOTS),
        on_request: info.si_request_config.is_some(),
        area_id: info.system_information_area_id,
    }
}

/// Where the valueTags stand in si-SchedulingInfo, which began at bit `begin`.
fn value_tags(info: &SiSchedulingInfo, begin: usize, passing: &mut Vec<Range<usize>>) {
    // The extension mark and three presence bits; then lists, each behind its count of five bits.
    let mut at = begin + 4 + 5;
    for entry in &info.scheduling_info_list {
        at += 1 + 3 + 5;
        for sib in &entry.sib_mapping_info {
            // Two presence bits; the type: a bit and four, or a bit and a small number of seven, or of octets behind their count.
            at += 2 + match sib.sib_type.0 {
                0..16 => 1 + 4,
                16..80 => 1 + 7,
                80..=271 => 1 + 1 + 8 + 8,
                _ => 1 + 1 + 8 + 16,
            };
            if sib.value_tag.is_some() {
                passing.push(at..at + 5);
                at += 5;
            }
        }
    }
}

fn carrier(carrier: &Extensible<ScsSpecificCarrier>) -> Carrier {
    Carrier {
        offset_blocks: carrier.root.offset_to_carrier,
        scs_khz: carrier.root.subcarrier_spacing.of(&tables::SCS_KHZ),
        blocks: carrier.root.carrier_bandwidth,
    }
}

fn bandwidth_part(part: &Bwp) -> BandwidthPart {
    BandwidthPart {
        location_and_bandwidth: part.location_and_bandwidth,
        scs_khz: part.subcarrier_spacing.of(&tables::SCS_KHZ),
        extended_cp: part.cyclic_prefix.is_some(),
    }
}

fn bands(list: &[NrMultiBandInfo]) -> Vec<u16> {
    list.iter().filter_map(|band| band.freq_band_indicator_nr).collect()
}

fn serving_cell(config: &ServingCellConfigCommonSib) -> ServingCell {
    let downlink = &config.downlink_config_common.root;
    let info = &downlink.frequency_info_dl;
    ServingCell {
        bands: bands(&info.frequency_band_list),
        offset_to_point_a: info.offset_to_point_a,
        carriers: info.scs_specific_carrier_list.iter().map(carrier).collect(),
        initial_downlink: bandwidth_part(&downlink.initial_downlink_bwp.root.generic_parameters),
        modification_period_coeff: downlink.bcch_config.root.modification_period_coeff.of(&tables::MODIFICATION_COEFF),
        paging_cycle_frames: downlink.pcch_config.root.default_paging_cycle.of(&tables::PAGING_FRAMES),
        uplink: config.uplink_config_common.as_ref().map(uplink),
        supplementary_uplink: config.supplementary_uplink.as_ref().map(uplink),
        n_timing_advance_offset: config.n_timing_advance_offset.map(|offset| offset.of(&tables::TIMING_ADVANCE_OFFSET)),
        ssb_in_one_group: config.ssb_positions_in_burst.in_one_group,
        ssb_group_presence: config.ssb_positions_in_burst.group_presence,
        ssb_period_ms: config.ssb_periodicity_serving_cell.of(&tables::SSB_PERIOD_MS),
        tdd: config.tdd_ul_dl_configuration_common.as_ref().map(|tdd| Tdd {
            scs_khz: tdd.root.reference_subcarrier_spacing.of(&tables::SCS_KHZ),
            patterns: std::iter::once(&tdd.root.pattern1).chain(&tdd.root.pattern2).map(tdd_pattern).collect(),
        }),
        ss_pbch_block_power_dbm: config.ss_pbch_block_power,
    }
}

fn tdd_pattern(pattern: &Extensible<TddUlDlPattern>) -> TddPattern {
    // The first addition group holds one period, behind its presence bit.
    let later = pattern.addition::<Enum<4>>(0).map(Enum::number).filter(|group| group & 2 != 0);
    let root = &pattern.root;
    TddPattern {
        period_us: later.map_or(root.dl_ul_transmission_periodicity.of(&tables::TDD_PERIOD_US), |group| {
            tables::TDD_PERIOD_V1530_US[usize::from(group & 1)]
        }),
        downlink_slots: root.nrof_downlink_slots,
        downlink_symbols: root.nrof_downlink_symbols,
        uplink_slots: root.nrof_uplink_slots,
        uplink_symbols: root.nrof_uplink_symbols,
    }
}

fn uplink(config: &UplinkConfigCommonSib) -> Uplink {
    let (info, part) = (&config.frequency_info_ul.root, &config.initial_uplink_bwp.root);
    let rach_config = part.rach_config_common.as_ref().and_then(|config| config.0.as_ref());
    let pusch = part.pusch_config_common.as_ref().and_then(|config| config.0.as_ref()).map(|config| &config.root);
    let pucch = part.pucch_config_common.as_ref().and_then(|config| config.0.as_ref()).map(|config| &config.root);
    Uplink {
        bands: bands(info.frequency_band_list.as_deref().unwrap_or_default()),
        absolute_frequency_point_a: info.absolute_frequency_point_a,
        carriers: info.scs_specific_carrier_list.iter().map(carrier).collect(),
        p_max_dbm: info.p_max,
        shifted_7p5_khz: info.frequency_shift_7p5_khz.is_some(),
        initial: bandwidth_part(&part.generic_parameters),
        rach: rach_config.map(|config| rach(&config.root)),
        msg3_delta_preamble: pusch.and_then(|pusch| pusch.msg3_delta_preamble),
        p0_nominal_with_grant_dbm: pusch.and_then(|pusch| pusch.p0_nominal_with_grant),
        pucch_resource_common: pucch.and_then(|pucch| pucch.pucch_resource_common),
        hopping_id: pucch.and_then(|pucch| pucch.hopping_id),
        p0_nominal_pucch_dbm: pucch.and_then(|pucch| pucch.p0_nominal),
        time_alignment_ms: config.time_alignment_timer_common.of(&tables::TIME_ALIGNMENT_MS),
    }
}

fn rach(config: &RachConfigCommon) -> Rach {
    let generic = &config.rach_config_generic.root;
    let (long_sequence, root_sequence_index) = match config.prach_root_sequence_index {
        RootSequence::L839(root) => (true, root.0),
        RootSequence::L139(root) => (false, root.0),
    };
    Rach {
        configuration_index: generic.prach_configuration_index,
        msg1_fdm: generic.msg1_fdm.of(&tables::MSG1_FDM),
        msg1_frequency_start: generic.msg1_frequency_start,
        zero_correlation_zone_config: generic.zero_correlation_zone_config,
        target_power_dbm: generic.preamble_received_target_power,
        trans_max: generic.preamble_trans_max.of(&tables::PREAMBLE_TRANS_MAX),
        ramping_step_db: generic.power_ramping_step.of(&tables::RAMPING_STEP_DB),
        response_window_slots: generic.ra_response_window.of(&tables::RESPONSE_WINDOW_SLOTS),
        preambles: config.total_number_of_ra_preambles,
        contention_resolution_subframes: config.ra_contention_resolution_timer.of(&tables::CONTENTION_SUBFRAMES),
        rsrp_threshold_ssb: config.rsrp_threshold_ssb,
        long_sequence,
        root_sequence_index,
        msg1_scs_khz: config.msg1_subcarrier_spacing.map(|scs| scs.of(&tables::SCS_KHZ)),
    }
}

fn ue_timers(timers: &UeTimersAndConstants) -> UeTimers {
    UeTimers {
        t300_ms: timers.t300.of(&tables::T300_MS),
        t301_ms: timers.t301.of(&tables::T300_MS),
        t310_ms: timers.t310.of(&tables::T310_MS),
        n310: timers.n310.of(&tables::N310),
        t311_ms: timers.t311.of(&tables::T311_MS),
        n311: timers.n311.of(&tables::N311),
        t319_ms: timers.t319.of(&tables::T300_MS),
    }
}

fn uac(info: &UacBarringInfo) -> Uac {
    let set = |set: &super::asn1::UacBarringInfoSet| UacSet {
        factor_percent: set.uac_barring_factor.of(&tables::BARRING_PERCENT),
        time_s: set.uac_barring_time.of(&tables::BARRING_S),
        access_identities: set.uac_barring_for_access_identity,
    };
    let common = info
        .uac_barring_for_common
        .iter()
        .flatten()
        .map(|entry| UacCategory { category: entry.access_category, set: entry.uac_barring_info_set_index });
    Uac {
        common: common.collect(),
        networks: info.uac_barring_per_plmn_list.as_ref().map_or(0, |list| list.len() as u8),
        sets: info.uac_barring_info_set_list.iter().map(set).collect(),
    }
}
