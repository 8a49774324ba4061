//! SystemInformationBlockType2: what all terminals share in the cell's radio resources.

use super::sib1::PRB;
use super::uper::Uper;
use crate::l3::DecodeError;
use crate::observation::lte::{
    AcBarring, AcBarringConfig, MbsfnSubframes, PrachConfig, PreamblesGroupA, PucchConfig, PuschConfig, RachConfig,
    Sib2, SoundingConfig, UeTimers, UplinkPower,
};
use std::ops::Range;

/// t300 and t301.
const T300_MS: [u16; 8] = [100, 200, 300, 400, 600, 1000, 1500, 2000];

/// The block; `passing` gets the places of ac-BarringInfo and its presence bit.
pub(super) fn parse(bits: &mut Uper<'_>, passing: &mut Vec<Range<usize>>) -> Result<Sib2, DecodeError> {
    let extended = bits.flag("SystemInformationBlockType2")?;
    let presence = bits.position();
    let [ac_barring, mbsfn] = bits.flags("SystemInformationBlockType2")?;
    let begin = bits.position();
    let ac_barring = bits.optional(ac_barring, |bits| {
        let [signalling, data] = bits.flags("ac-BarringInfo")?;
        Ok(AcBarring {
            emergency: bits.flag("ac-BarringForEmergency")?,
            mo_signalling: bits.optional(signalling, ac_barring_config)?,
            mo_data: bits.optional(data, ac_barring_config)?,
        })
    })?;
    passing.extend([presence..presence + 1, begin..bits.position()]);

    let common_extended = bits.flag("RadioResourceConfigCommonSIB")?;
    let rach = rach(bits)?;
    let modification_period_coeff = bits.one_of(&[2, 4, 8, 16], "modificationPeriodCoeff")?;
    let default_paging_cycle_frames = bits.one_of(&[32, 64, 128, 256], "defaultPagingCycle")?;
    let nb_32nds = bits.one_of(&[128, 64, 32, 16, 8, 4, 2, 1], "nB")?;
    let prach = PrachConfig {
        root_sequence_index: bits.int(0, 837, "rootSequenceIndex")?,
        config_index: bits.int(0, 63, "prach-ConfigIndex")?,
        high_speed: bits.flag("highSpeedFlag")?,
        zero_correlation_zone: bits.int(0, 15, "zeroCorrelationZoneConfig")?,
        freq_offset: bits.int(0, 94, "prach-FreqOffset")?,
    };
    let reference_signal_power_dbm = bits.int(-60, 50, "referenceSignalPower")?;
    let p_b = bits.int(0, 3, "p-b")?;
    let pusch = PuschConfig {
        n_sb: bits.int(1, 4, "n-SB")?,
        hopping_intra_subframe: bits.flag("hoppingMode")?,
        hopping_offset: bits.int(0, 98, "pusch-HoppingOffset")?,
        enable_64qam: bits.flag("enable64QAM")?,
        group_hopping: bits.flag("groupHoppingEnabled")?,
        group_assignment: bits.int(0, 29, "groupAssignmentPUSCH")?,
        sequence_hopping: bits.flag("sequenceHoppingEnabled")?,
        cyclic_shift: bits.int(0, 7, "cyclicShift")?,
    };
    let pucch = PucchConfig {
        delta_shift: bits.one_of(&[1, 2, 3], "deltaPUCCH-Shift")?,
        n_rb_cqi: bits.int(0, 98, "nRB-CQI")?,
        n_cs_an: bits.int(0, 7, "nCS-AN")?,
        n1_pucch_an: bits.int(0, 2047, "n1PUCCH-AN")?,
    };
    let setup = bits.flag("soundingRS-UL-ConfigCommon")?;
    let srs = bits.optional(setup, |bits| {
        let max_up_pts = bits.flag("srs-MaxUpPts")?;
        Ok(SoundingConfig {
            bandwidth_config: bits.int(0, 7, "srs-BandwidthConfig")?,
            subframe_config: bits.int(0, 15, "srs-SubframeConfig")?,
            ack_nack_simultaneous: bits.flag("ackNackSRS-SimultaneousTransmission")?,
            max_up_pts,
        })
    })?;
    let uplink_power = UplinkPower {
        p0_nominal_pusch_dbm: bits.int(-126, 24, "p0-NominalPUSCH")?,
        alpha_tenths: bits.one_of(&[0, 4, 5, 6, 7, 8, 9, 10], "alpha")?,
        p0_nominal_pucch_dbm: bits.int(-127, -96, "p0-NominalPUCCH")?,
        delta_f_pucch_db: [
            bits.one_of(&[-2, 0, 2], "deltaF-PUCCH-Format1")?,
            bits.one_of(&[1, 3, 5], "deltaF-PUCCH-Format1b")?,
            bits.one_of(&[-2, 0, 1, 2], "deltaF-PUCCH-Format2")?,
            bits.one_of(&[-2, 0, 2], "deltaF-PUCCH-Format2a")?,
            bits.one_of(&[-2, 0, 2], "deltaF-PUCCH-Format2b")?,
        ],
        delta_preamble_msg3: bits.int(-1, 6, "deltaPreambleMsg3")?,
    };
    let ul_extended_cp = bits.flag("ul-CyclicPrefixLength")?;
    bits.skip_extensions(common_extended, "RadioResourceConfigCommonSIB")?;

    let timers_extended = bits.flag("UE-TimersAndConstants")?;
    let ue_timers = UeTimers {
        t300_ms: bits.one_of(&T300_MS, "t300")?,
        t301_ms: bits.one_of(&T300_MS, "t301")?,
        t310_ms: bits.one_of(&[0, 50, 100, 200, 500, 1000, 2000], "t310")?,
        n310: bits.one_of(&[1, 2, 3, 4, 6, 8, 10, 20], "n310")?,
        t311_ms: bits.one_of(&[1000, 3000, 5000, 10_000, 15_000, 20_000, 30_000], "t311")?,
        n311: bits.one_of(&[1, 2, 3, 4, 5, 6, 8, 10], "n311")?,
    };
    bits.skip_extensions(timers_extended, "UE-TimersAndConstants")?;

    let [carrier, bandwidth] = bits.flags("freqInfo")?;
    let ul_earfcn = bits.optional(carrier, |bits| bits.int(0, 65_535, "ul-CarrierFreq"))?;
    let ul_prb = bits.optional(bandwidth, |bits| bits.one_of(&PRB, "ul-Bandwidth"))?;
    let additional_spectrum_emission = bits.int(1, 32, "additionalSpectrumEmission")?;
    let mbsfn_subframes =
        bits.optional(mbsfn, |bits| bits.list(1, 8, "mbsfn-SubframeConfigList", mbsfn_subframes))?.unwrap_or_default();
    let timers = [Some(500), Some(750), Some(1280), Some(1920), Some(2560), Some(5120), Some(10_240), None];
    let time_alignment_timer_subframes = bits.one_of(&timers, "timeAlignmentTimerCommon")?;
    bits.skip_extensions(extended, "SystemInformationBlockType2")?;
    Ok(Sib2 {
        ac_barring,
        rach,
        modification_period_coeff,
        default_paging_cycle_frames,
        nb_32nds,
        prach,
        reference_signal_power_dbm,
        p_b,
        pusch,
        pucch,
        srs,
        uplink_power,
        ul_extended_cp,
        ue_timers,
        ul_earfcn,
        ul_prb,
        additional_spectrum_emission,
        mbsfn_subframes,
        time_alignment_timer_subframes,
    })
}

fn ac_barring_config(bits: &mut Uper<'_>) -> Result<AcBarringConfig, DecodeError> {
    let factors = [0, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95];
    Ok(AcBarringConfig {
        factor_percent: bits.one_of(&factors, "ac-BarringFactor")?,
        time_s: bits.one_of(&[4, 8, 16, 32, 64, 128, 256, 512], "ac-BarringTime")?,
        special_classes: bits.int(0, 31, "ac-BarringForSpecialAC")?,
    })
}

fn rach(bits: &mut Uper<'_>) -> Result<RachConfig, DecodeError> {
    let extended = bits.flag("RACH-ConfigCommon")?;
    let group_a = bits.flag("preamblesGroupAConfig")?;
    let preambles = 4 * bits.int::<u8>(1, 16, "numberOfRA-Preambles")?;
    let group_a = bits.optional(group_a, |bits| {
        let extended = bits.flag("preamblesGroupAConfig")?;
        let offsets = [None, Some(0), Some(5), Some(8), Some(10), Some(12), Some(15), Some(18)];
        let group = PreamblesGroupA {
            preambles: 4 * bits.int::<u8>(1, 15, "sizeOfRA-PreamblesGroupA")?,
            message_bits: bits.one_of(&[56, 144, 208, 256], "messageSizeGroupA")?,
            power_offset_db: bits.one_of(&offsets, "messagePowerOffsetGroupB")?,
        };
        bits.skip_extensions(extended, "preamblesGroupAConfig")?;
        Ok(group)
    })?;
    let config = RachConfig {
        preambles,
        group_a,
        power_ramping_step_db: 2 * bits.int::<u8>(0, 3, "powerRampingStep")?,
        target_power_dbm: 2 * bits.int::<i16>(-60, -45, "preambleInitialReceivedTargetPower")?,
        preamble_trans_max: bits.one_of(&[3, 4, 5, 6, 7, 8, 10, 20, 50, 100, 200], "preambleTransMax")?,
        response_window_subframes: bits.one_of(&[2, 3, 4, 5, 6, 7, 8, 10], "ra-ResponseWindowSize")?,
        contention_resolution_subframes: 8 * bits.int::<u8>(1, 8, "mac-ContentionResolutionTimer")?,
        max_harq_msg3_tx: bits.int(1, 8, "maxHARQ-Msg3Tx")?,
    };
    bits.skip_extensions(extended, "RACH-ConfigCommon")?;
    Ok(config)
}

fn mbsfn_subframes(bits: &mut Uper<'_>) -> Result<MbsfnSubframes, DecodeError> {
    let period_frames = bits.one_of(&[1, 2, 4, 8, 16, 32], "radioframeAllocationPeriod")?;
    let offset = bits.int(0, 7, "radioframeAllocationOffset")?;
    let frames = if bits.flag("subframeAllocation")? { 4 } else { 1 };
    let allocation = bits.bits(6 * usize::from(frames), "subframeAllocation")?;
    Ok(MbsfnSubframes { period_frames, offset, frames, allocation })
}
