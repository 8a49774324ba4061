//! SystemInformationBlockType2: what all terminals share in the cell's radio resources; TS 36.331 clause 6.3.1.

use serde::{Deserialize, Serialize};

/// ac-BarringForMO-Signalling or ac-BarringForMO-Data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcBarringConfig {
    /// ac-BarringFactor: this share of the attempts goes through.
    pub factor_percent: u8,
    /// ac-BarringTime.
    pub time_s: u16,
    /// ac-BarringForSpecialAC, five bits: classes 11 to 15, class 11 highest; one is barred.
    pub special_classes: u8,
}

/// ac-BarringInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcBarring {
    /// ac-BarringForEmergency.
    pub emergency: bool,
    /// ac-BarringForMO-Signalling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mo_signalling: Option<AcBarringConfig>,
    /// ac-BarringForMO-Data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mo_data: Option<AcBarringConfig>,
}

/// preamblesGroupAConfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreamblesGroupA {
    /// sizeOfRA-PreamblesGroupA.
    pub preambles: u8,
    /// messageSizeGroupA.
    pub message_bits: u16,
    /// messagePowerOffsetGroupB; `None`: minus infinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_offset_db: Option<u8>,
}

/// rach-ConfigCommon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RachConfig {
    /// numberOfRA-Preambles.
    pub preambles: u8,
    /// preamblesGroupAConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_a: Option<PreamblesGroupA>,
    /// powerRampingStep.
    pub power_ramping_step_db: u8,
    /// preambleInitialReceivedTargetPower.
    pub target_power_dbm: i16,
    /// preambleTransMax.
    pub preamble_trans_max: u8,
    /// ra-ResponseWindowSize.
    pub response_window_subframes: u8,
    /// mac-ContentionResolutionTimer.
    pub contention_resolution_subframes: u8,
    /// maxHARQ-Msg3Tx.
    pub max_harq_msg3_tx: u8,
}

/// prach-Config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrachConfig {
    /// rootSequenceIndex.
    pub root_sequence_index: u16,
    /// prach-ConfigIndex.
    pub config_index: u8,
    /// highSpeedFlag.
    pub high_speed: bool,
    /// zeroCorrelationZoneConfig.
    pub zero_correlation_zone: u8,
    /// prach-FreqOffset, resource blocks.
    pub freq_offset: u8,
}

/// pusch-ConfigCommon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PuschConfig {
    /// n-SB.
    pub n_sb: u8,
    /// hoppingMode is intraAndInterSubFrame.
    pub hopping_intra_subframe: bool,
    /// pusch-HoppingOffset.
    pub hopping_offset: u8,
    /// enable64QAM.
    pub enable_64qam: bool,
    /// groupHoppingEnabled.
    pub group_hopping: bool,
    /// groupAssignmentPUSCH.
    pub group_assignment: u8,
    /// sequenceHoppingEnabled.
    pub sequence_hopping: bool,
    /// cyclicShift.
    pub cyclic_shift: u8,
}

/// pucch-ConfigCommon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PucchConfig {
    /// deltaPUCCH-Shift, 1 to 3.
    pub delta_shift: u8,
    /// nRB-CQI.
    pub n_rb_cqi: u8,
    /// nCS-AN.
    pub n_cs_an: u8,
    /// n1PUCCH-AN.
    pub n1_pucch_an: u16,
}

/// soundingRS-UL-ConfigCommon where it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundingConfig {
    /// srs-BandwidthConfig.
    pub bandwidth_config: u8,
    /// srs-SubframeConfig.
    pub subframe_config: u8,
    /// ackNackSRS-SimultaneousTransmission.
    pub ack_nack_simultaneous: bool,
    /// srs-MaxUpPts.
    pub max_up_pts: bool,
}

/// uplinkPowerControlCommon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkPower {
    /// p0-NominalPUSCH.
    pub p0_nominal_pusch_dbm: i16,
    /// alpha.
    pub alpha_tenths: u8,
    /// p0-NominalPUCCH.
    pub p0_nominal_pucch_dbm: i16,
    /// deltaFList-PUCCH for formats 1, 1b, 2, 2a and 2b.
    pub delta_f_pucch_db: [i8; 5],
    /// deltaPreambleMsg3, steps of 2 dB.
    pub delta_preamble_msg3: i8,
}

/// ue-TimersAndConstants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UeTimers {
    /// t300.
    pub t300_ms: u16,
    /// t301.
    pub t301_ms: u16,
    /// t310.
    pub t310_ms: u16,
    /// n310.
    pub n310: u8,
    /// t311.
    pub t311_ms: u16,
    /// n311.
    pub n311: u8,
}

/// One entry of mbsfn-SubframeConfigList.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MbsfnSubframes {
    /// radioframeAllocationPeriod.
    pub period_frames: u8,
    /// radioframeAllocationOffset.
    pub offset: u8,
    /// Radio frames that `allocation` covers, 1 or 4.
    pub frames: u8,
    /// subframeAllocation, 6 bits a frame, the first subframe highest.
    pub allocation: u32,
}

/// SystemInformationBlockType2; TS 36.331 clause 6.3.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib2 {
    /// ac-BarringInfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ac_barring: Option<AcBarring>,
    /// rach-ConfigCommon.
    pub rach: RachConfig,
    /// modificationPeriodCoeff.
    pub modification_period_coeff: u8,
    /// defaultPagingCycle.
    pub default_paging_cycle_frames: u16,
    /// nB in 1/32 of the paging cycle: 128 is fourT, 1 oneThirtySecondT.
    pub nb_32nds: u8,
    /// prach-Config.
    pub prach: PrachConfig,
    /// referenceSignalPower, of one resource element.
    pub reference_signal_power_dbm: i8,
    /// p-b.
    pub p_b: u8,
    /// pusch-ConfigCommon.
    pub pusch: PuschConfig,
    /// pucch-ConfigCommon.
    pub pucch: PucchConfig,
    /// soundingRS-UL-ConfigCommon; `None`: released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srs: Option<SoundingConfig>,
    /// uplinkPowerControlCommon.
    pub uplink_power: UplinkPower,
    /// ul-CyclicPrefixLength is len2, the extended one.
    pub ul_extended_cp: bool,
    /// ue-TimersAndConstants.
    pub ue_timers: UeTimers,
    /// ul-CarrierFreq; `None`: the default distance from the downlink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ul_earfcn: Option<u32>,
    /// ul-Bandwidth, resource blocks; `None`: as the downlink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ul_prb: Option<u8>,
    /// additionalSpectrumEmission.
    pub additional_spectrum_emission: u8,
    /// mbsfn-SubframeConfigList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mbsfn_subframes: Vec<MbsfnSubframes>,
    /// timeAlignmentTimerCommon; `None`: infinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_alignment_timer_subframes: Option<u16>,
}
