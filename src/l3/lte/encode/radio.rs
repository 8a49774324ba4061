//! SystemInformationBlockType2.

use super::{EncodeError, LAST_EARFCN, flag, list, number, number_or_none, plain};
use crate::l3::lte::asn1::radio::{
    AcBarringConfig as PackedBarring, AcBarringInfo, FreqInfo, MbsfnSubframeConfig, PrachConfig as PackedPrach,
    PreambleInfo, PreamblesGroupA as PackedGroupA, PucchConfigCommon, PuschConfigCommon, RachConfigCommon,
    RadioResourceConfigCommonSib, Sib2 as PackedSib2, Sib2V8h0, Sib2V9e0, SoundingConfigCommon, SoundingSetup,
    SubframeAllocation, UeTimersAndConstants, UplinkPowerControlCommon,
};
use crate::l3::lte::asn1::{Enum, Extensible};
use crate::l3::lte::tables::{
    ALLOCATION_FRAMES, ALPHA_TENTHS, BARRING_PERCENT, BARRING_S, DELTA_F_1, DELTA_F_1B, DELTA_F_2, DELTA_SHIFT,
    GROUP_A_BITS, GROUP_B_OFFSET_DB, MODIFICATION_COEFF, N310, N311, NB_32NDS, PAGING_FRAMES, PRB, PREAMBLE_TRANS_MAX,
    RESPONSE_WINDOW, T300_MS, T310_MS, T311_MS, TIME_ALIGNMENT,
};
use crate::observation::lte::{
    AcBarringConfig, MbsfnSubframes, PreamblesGroupA, PucchConfig, PuschConfig, RachConfig, Sib2, SoundingConfig,
    UeTimers, UplinkPower,
};
use rasn::{AsnType, Encode};

pub(super) fn sib2(sib2: &Sib2) -> Result<Extensible<PackedSib2>, EncodeError> {
    let barring = |config: &AcBarringConfig| {
        Ok(PackedBarring {
            factor: number(&BARRING_PERCENT, config.factor_percent, "ac-BarringFactor")?,
            time: number(&BARRING_S, config.time_s, "ac-BarringTime")?,
            for_special_ac: config.special_classes,
        })
    };
    let ac_barring_info = match &sib2.ac_barring {
        None => None,
        Some(info) => Some(AcBarringInfo {
            for_emergency: info.emergency,
            for_mo_signalling: info.mo_signalling.as_ref().map(barring).transpose()?,
            for_mo_data: info.mo_data.as_ref().map(barring).transpose()?,
        }),
    };
    let high = sib2.ul_earfcn.filter(|&earfcn| earfcn > LAST_EARFCN);
    let root = PackedSib2 {
        ac_barring_info,
        radio_resource_config_common: Extensible::plain(common(sib2)?),
        ue_timers_and_constants: Extensible::plain(timers(&sib2.ue_timers)?),
        freq_info: FreqInfo {
            ul_carrier_freq: sib2.ul_earfcn.map(|earfcn| earfcn.min(LAST_EARFCN) as u16),
            ul_bandwidth: sib2.ul_prb.map(|prb| number(&PRB, prb, "ul-Bandwidth")).transpose()?,
            additional_spectrum_emission: sib2.additional_spectrum_emission,
        },
        mbsfn_subframe_config_list: list(&sib2.mbsfn_subframes, mbsfn)?,
        time_alignment_timer_common: number_or_none(
            &TIME_ALIGNMENT,
            sib2.time_alignment_timer_subframes,
            "timeAlignmentTimerCommon",
        )?,
    };
    let late = Late {
        v8h0: Sib2V8h0 { multi_band_info_list: None, non_critical_extension: Some(()) },
        v9e0: Sib2V9e0 { ul_carrier_freq: high, non_critical_extension: None },
    };
    let additions = match high {
        Some(_) => vec![Some(super::late("SystemInformationBlockType2-v8h0-IEs", &late)?)],
        None => Vec::new(),
    };
    Ok(Extensible { root, additions })
}

/// lateNonCriticalExtension: a carrier that the root has no number for.
#[derive(AsnType, Encode)]
#[rasn(automatic_tags)]
struct Late {
    v8h0: Sib2V8h0,
    v9e0: Sib2V9e0,
}

fn common(sib2: &Sib2) -> Result<RadioResourceConfigCommonSib, EncodeError> {
    let coeff = sib2.modification_period_coeff;
    Ok(RadioResourceConfigCommonSib {
        rach: Extensible::plain(rach(&sib2.rach)?),
        modification_period_coeff: number(&MODIFICATION_COEFF, coeff, "modificationPeriodCoeff")?,
        default_paging_cycle: number(&PAGING_FRAMES, sib2.default_paging_cycle_frames, "defaultPagingCycle")?,
        nb: number(&NB_32NDS, sib2.nb_32nds, "nB")?,
        prach: PackedPrach {
            root_sequence_index: sib2.prach.root_sequence_index,
            config_index: sib2.prach.config_index,
            high_speed_flag: sib2.prach.high_speed,
            zero_correlation_zone_config: sib2.prach.zero_correlation_zone,
            freq_offset: sib2.prach.freq_offset,
        },
        reference_signal_power: sib2.reference_signal_power_dbm,
        p_b: sib2.p_b,
        pusch: pusch(&sib2.pusch),
        pucch: pucch(&sib2.pucch)?,
        sounding: sounding(sib2.srs.as_ref())?,
        uplink_power: uplink_power(&sib2.uplink_power)?,
        ul_cyclic_prefix_length: flag(sib2.ul_extended_cp),
    })
}

fn rach(rach: &RachConfig) -> Result<RachConfigCommon, EncodeError> {
    let group_a = |group: &PreamblesGroupA| {
        let offset = group.power_offset_db.map(u16::from);
        Ok(Extensible::plain(PackedGroupA {
            size: quarter(group.preambles, "sizeOfRA-PreamblesGroupA")?,
            message_size: number(&GROUP_A_BITS, group.message_bits, "messageSizeGroupA")?,
            message_power_offset: number_or_none(
                &GROUP_B_OFFSET_DB.map(|offset| offset.map(u16::from)),
                offset,
                "messagePowerOffsetGroupB",
            )?,
        }))
    };
    let none = |field, value: i64| EncodeError::NoNumber { field, value };
    let (step, power, timer) =
        (rach.power_ramping_step_db, rach.target_power_dbm, rach.contention_resolution_subframes);
    let power_number = u8::try_from(power + 120).ok().filter(|twice| twice % 2 == 0).map(|twice| twice / 2);
    Ok(RachConfigCommon {
        preamble_info: PreambleInfo {
            number_of_preambles: quarter(rach.preambles, "numberOfRA-Preambles")?,
            group_a: rach.group_a.as_ref().map(group_a).transpose()?,
        },
        power_ramping_step: number(&[0, 2, 4, 6], step, "powerRampingStep")?,
        target_power: power_number
            .and_then(Enum::new)
            .ok_or(none("preambleInitialReceivedTargetPower", power.into()))?,
        preamble_trans_max: number(&PREAMBLE_TRANS_MAX, rach.preamble_trans_max, "preambleTransMax")?,
        response_window_size: number(&RESPONSE_WINDOW, rach.response_window_subframes, "ra-ResponseWindowSize")?,
        contention_resolution_timer: number(&[8, 16, 24, 32, 40, 48, 56, 64], timer, "mac-ContentionResolutionTimer")?,
        max_harq_msg3_tx: rach.max_harq_msg3_tx,
    })
}

/// Preambles go by four, from four on.
fn quarter<const N: usize>(preambles: u8, field: &'static str) -> Result<Enum<N>, EncodeError> {
    let number = preambles.is_multiple_of(4).then(|| (preambles / 4).checked_sub(1)).flatten().and_then(Enum::new);
    number.ok_or(EncodeError::NoNumber { field, value: preambles.into() })
}

fn pusch(pusch: &PuschConfig) -> PuschConfigCommon {
    PuschConfigCommon {
        n_sb: pusch.n_sb,
        hopping_mode: flag(pusch.hopping_intra_subframe),
        hopping_offset: pusch.hopping_offset,
        enable_64qam: pusch.enable_64qam,
        group_hopping_enabled: pusch.group_hopping,
        group_assignment: pusch.group_assignment,
        sequence_hopping_enabled: pusch.sequence_hopping,
        cyclic_shift: pusch.cyclic_shift,
    }
}

fn pucch(pucch: &PucchConfig) -> Result<PucchConfigCommon, EncodeError> {
    Ok(PucchConfigCommon {
        delta_shift: number(&DELTA_SHIFT, pucch.delta_shift, "deltaPUCCH-Shift")?,
        n_rb_cqi: pucch.n_rb_cqi,
        n_cs_an: pucch.n_cs_an,
        n1_pucch_an: pucch.n1_pucch_an,
    })
}

fn sounding(srs: Option<&SoundingConfig>) -> Result<SoundingConfigCommon, EncodeError> {
    let Some(srs) = srs else { return Ok(SoundingConfigCommon::Release(())) };
    Ok(SoundingConfigCommon::Setup(SoundingSetup {
        bandwidth_config: plain(srs.bandwidth_config, "srs-BandwidthConfig")?,
        subframe_config: plain(srs.subframe_config, "srs-SubframeConfig")?,
        ack_nack_simultaneous: srs.ack_nack_simultaneous,
        max_up_pts: srs.max_up_pts.then_some(()),
    }))
}

fn uplink_power(power: &UplinkPower) -> Result<UplinkPowerControlCommon, EncodeError> {
    let narrow =
        |value: i16, field| i8::try_from(value).map_err(|_| EncodeError::NoNumber { field, value: value.into() });
    let [format_1, format_1b, format_2, format_2a, format_2b] = power.delta_f_pucch_db;
    Ok(UplinkPowerControlCommon {
        p0_nominal_pusch: narrow(power.p0_nominal_pusch_dbm, "p0-NominalPUSCH")?,
        alpha: number(&ALPHA_TENTHS, power.alpha_tenths, "alpha")?,
        p0_nominal_pucch: narrow(power.p0_nominal_pucch_dbm, "p0-NominalPUCCH")?,
        format_1: number(&DELTA_F_1, format_1, "deltaF-PUCCH-Format1")?,
        format_1b: number(&DELTA_F_1B, format_1b, "deltaF-PUCCH-Format1b")?,
        format_2: number(&DELTA_F_2, format_2, "deltaF-PUCCH-Format2")?,
        format_2a: number(&DELTA_F_1, format_2a, "deltaF-PUCCH-Format2a")?,
        format_2b: number(&DELTA_F_1, format_2b, "deltaF-PUCCH-Format2b")?,
        delta_preamble_msg3: power.delta_preamble_msg3,
    })
}

fn timers(timers: &UeTimers) -> Result<UeTimersAndConstants, EncodeError> {
    Ok(UeTimersAndConstants {
        t300: number(&T300_MS, timers.t300_ms, "t300")?,
        t301: number(&T300_MS, timers.t301_ms, "t301")?,
        t310: number(&T310_MS, timers.t310_ms, "t310")?,
        n310: number(&N310, timers.n310, "n310")?,
        t311: number(&T311_MS, timers.t311_ms, "t311")?,
        n311: number(&N311, timers.n311, "n311")?,
    })
}

fn mbsfn(entry: &MbsfnSubframes) -> Result<MbsfnSubframeConfig, EncodeError> {
    let none = || EncodeError::NoNumber { field: "subframeAllocation", value: entry.allocation.into() };
    Ok(MbsfnSubframeConfig {
        period: number(&ALLOCATION_FRAMES, entry.period_frames, "radioframeAllocationPeriod")?,
        offset: entry.offset,
        allocation: match entry.frames {
            1 => SubframeAllocation::OneFrame(u8::try_from(entry.allocation).map_err(|_| none())?),
            _ => SubframeAllocation::FourFrames(entry.allocation),
        },
    })
}
