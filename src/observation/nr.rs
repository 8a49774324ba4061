//! What an NR cell broadcasts, as rules look at it, and how it was received: names and values of TS 38.331.
//!
//! A field whose name ends in a unit holds the physical value; the others hold the number of the standard, whose step the field
//! names. Every part is `None` until a message that carries it was received.
//!
//! ## References
//! - 3GPP TS 38.331 Release 17: RRC, clauses 6.2.2 (messages) and 6.3.2 (information elements)
//! - 3GPP TS 38.211 and 38.215 Release 17: blocks and measurements

use crate::cell::Plmn;
use crate::units::Dbfs;
use serde::{Deserialize, Serialize};

/// Everything that one cell says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NrFields {
    /// How its blocks were received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radio: Option<Radio>,
    /// MasterInformationBlock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mib: Option<Mib>,
    /// SystemInformationBlockType1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib1: Option<Box<Sib1>>,
}

/// The synchronisation block that the figures of a report rest on: the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Radio {
    /// Spacing of its subcarriers, 15 or 30 kHz.
    pub scs_khz: u16,
    /// k_SSB, 0 to 31: subcarriers from the grid of resource blocks to the block, 24 and above where no SIB1 is announced;
    /// TS 38.211 clause 7.4.3.1, TS 38.213 clause 13.
    pub k_ssb: u8,
    /// Which block of its half frame it is.
    pub ssb_index: u8,
    /// cellBarred of the MIB; TS 38.331 clause 6.2.2.
    pub barred: bool,
    /// SS-RSRP: mean power of an element of the secondary synchronisation signal; TS 38.215 clause 5.1.1.
    pub ss_rsrp_dbfs: Dbfs,
}

/// MasterInformationBlock; TS 38.331 clause 6.2.2. The frame number is not part of it: it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mib {
    /// subCarrierSpacingCommon is the larger of its two values: 30 kHz below 6 GHz, 120 kHz above.
    pub scs_common_larger: bool,
    /// ssb-SubcarrierOffset: the lower four bits of k_SSB.
    pub ssb_subcarrier_offset: u8,
    /// dmrs-TypeA-Position: symbol 2 or 3.
    pub dmrs_type_a_position: u8,
    /// controlResourceSetZero; TS 38.213 clause 13.
    pub control_resource_set_zero: u8,
    /// searchSpaceZero; TS 38.213 clause 13.
    pub search_space_zero: u8,
    /// cellBarred.
    pub cell_barred: bool,
    /// intraFreqReselection.
    pub intra_freq_reselection_allowed: bool,
    /// The spare bit.
    pub spare: u8,
}

/// SystemInformationBlockType1; TS 38.331 clause 6.2.2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib1 {
    /// cellSelectionInfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<CellSelection>,
    /// plmn-IdentityInfoList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// cellReservedForOtherUse.
    pub cell_reserved_for_other_use: bool,
    /// cellReservedForFutureUse-r16.
    pub cell_reserved_for_future_use: bool,
    /// npn-IdentityInfoList-r16 is there: the cell serves a non-public network.
    pub non_public: bool,
    /// connEstFailureControl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_est_failure: Option<ConnEstFailure>,
    /// si-SchedulingInfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<SiScheduling>,
    /// servingCellConfigCommon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<ServingCell>,
    /// ims-EmergencySupport.
    pub ims_emergency: bool,
    /// eCallOverIMS-Support.
    pub ecall_over_ims: bool,
    /// ue-TimersAndConstants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ue_timers: Option<UeTimers>,
    /// uac-BarringInfo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uac: Option<Uac>,
    /// useFullResumeID.
    pub use_full_resume_id: bool,
    /// nonCriticalExtension is there: the cell is of Release 16 or later.
    pub extended: bool,
    /// A part behind cellAccessRelatedInfo could not be read, and those after it are missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_off: bool,
}

/// cellSelectionInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellSelection {
    /// q-RxLevMin, steps of 2 dBm.
    pub q_rx_lev_min: i8,
    /// q-RxLevMinOffset, steps of 2 dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_rx_lev_min_offset: Option<u8>,
    /// q-RxLevMinSUL, steps of 2 dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_rx_lev_min_sul: Option<i8>,
    /// q-QualMin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_qual_min_db: Option<i8>,
    /// q-QualMinOffset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_qual_min_offset_db: Option<u8>,
}

/// PLMN-IdentityInfo: what the cell is in some networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// plmn-IdentityList; `None` where the digits are none.
    pub plmns: Vec<Option<Plmn>>,
    /// trackingAreaCode, 24 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tac: Option<u32>,
    /// ranac.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranac: Option<u8>,
    /// cellIdentity, 36 bits.
    pub nci: u64,
    /// cellReservedForOperatorUse.
    pub reserved_for_operator_use: bool,
}

/// connEstFailureControl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnEstFailure {
    /// connEstFailCount.
    pub count: u8,
    /// connEstFailOffsetValidity.
    pub validity_s: u16,
    /// connEstFailOffset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_db: Option<u8>,
}

/// si-SchedulingInfo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiScheduling {
    /// schedulingInfoList.
    pub messages: Vec<Scheduling>,
    /// si-WindowLength.
    pub si_window_slots: u16,
    /// si-RequestConfig is there: messages are sent on request.
    pub on_request: bool,
    /// systemInformationAreaID, 24 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area_id: Option<u32>,
}

/// One entry of schedulingInfoList.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// si-BroadcastStatus.
    pub broadcasting: bool,
    /// si-Periodicity, radio frames.
    pub period_frames: u16,
    /// sib-MappingInfo.
    pub sibs: Vec<ScheduledSib>,
}

/// SIB-TypeInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledSib {
    /// type: 2 to 14. 0: a type of a release unknown here.
    pub sib_type: u8,
    /// valueTag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_tag: Option<u8>,
    /// areaScope.
    pub area_scope: bool,
}

/// servingCellConfigCommon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServingCell {
    /// frequencyBandList of the downlink, without entries that name none.
    pub bands: Vec<u16>,
    /// offsetToPointA: from point A to the lowest resource block that overlaps with the SSB; in blocks of 15 kHz below 6 GHz, of 60 kHz above.
    pub offset_to_point_a: u16,
    /// scs-SpecificCarrierList of the downlink.
    pub carriers: Vec<Carrier>,
    /// initialDownlinkBWP.
    pub initial_downlink: BandwidthPart,
    /// modificationPeriodCoeff.
    pub modification_period_coeff: u8,
    /// defaultPagingCycle.
    pub paging_cycle_frames: u16,
    /// uplinkConfigCommon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplink: Option<Uplink>,
    /// supplementaryUplink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplementary_uplink: Option<Uplink>,
    /// n-TimingAdvanceOffset: 0, 25600 or 39936 T_c.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_timing_advance_offset: Option<u16>,
    /// inOneGroup of ssb-PositionsInBurst, the first SSB in the highest bit.
    pub ssb_in_one_group: u8,
    /// groupPresence of ssb-PositionsInBurst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssb_group_presence: Option<u8>,
    /// ssb-PeriodicityServingCell.
    pub ssb_period_ms: u8,
    /// tdd-UL-DL-ConfigurationCommon; `None` for FDD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tdd: Option<Tdd>,
    /// ss-PBCH-BlockPower: of a resource element.
    pub ss_pbch_block_power_dbm: i8,
}

/// SCS-SpecificCarrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrier {
    /// offsetToCarrier, resource blocks.
    pub offset_blocks: u16,
    /// subcarrierSpacing; 0 where it is the spare value.
    pub scs_khz: u16,
    /// carrierBandwidth, resource blocks.
    pub blocks: u16,
}

/// genericParameters of a bandwidth part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandwidthPart {
    /// locationAndBandwidth; TS 38.214 clause 5.1.2.2.2 with 275 blocks.
    pub location_and_bandwidth: u16,
    /// subcarrierSpacing; 0 where it is the spare value.
    pub scs_khz: u16,
    /// cyclicPrefix is extended.
    pub extended_cp: bool,
}

/// UplinkConfigCommonSIB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// frequencyBandList, without entries that name none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<u16>,
    /// absoluteFrequencyPointA, NR-ARFCN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absolute_frequency_point_a: Option<u32>,
    /// scs-SpecificCarrierList.
    pub carriers: Vec<Carrier>,
    /// p-Max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_max_dbm: Option<i8>,
    /// frequencyShift7p5khz.
    pub shifted_7p5_khz: bool,
    /// initialUplinkBWP.
    pub initial: BandwidthPart,
    /// rach-ConfigCommon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rach: Option<Rach>,
    /// msg3-DeltaPreamble, steps of 2 dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg3_delta_preamble: Option<i8>,
    /// p0-NominalWithGrant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p0_nominal_with_grant_dbm: Option<i16>,
    /// pucch-ResourceCommon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pucch_resource_common: Option<u8>,
    /// hoppingId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hopping_id: Option<u16>,
    /// p0-nominal of the PUCCH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p0_nominal_pucch_dbm: Option<i16>,
    /// timeAlignmentTimerCommon; `None`: infinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_alignment_ms: Option<u16>,
}

/// rach-ConfigCommon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rach {
    /// prach-ConfigurationIndex; TS 38.211 clause 6.3.3.2.
    pub configuration_index: u8,
    /// msg1-FDM.
    pub msg1_fdm: u8,
    /// msg1-FrequencyStart, resource blocks.
    pub msg1_frequency_start: u16,
    /// zeroCorrelationZoneConfig.
    pub zero_correlation_zone_config: u8,
    /// preambleReceivedTargetPower.
    pub target_power_dbm: i16,
    /// preambleTransMax.
    pub trans_max: u8,
    /// powerRampingStep.
    pub ramping_step_db: u8,
    /// ra-ResponseWindow.
    pub response_window_slots: u8,
    /// totalNumberOfRA-Preambles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preambles: Option<u8>,
    /// ra-ContentionResolutionTimer.
    pub contention_resolution_subframes: u8,
    /// rsrp-ThresholdSSB, steps of 1 dB from -156 dBm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsrp_threshold_ssb: Option<u8>,
    /// The root sequences are those of length 839, else 139.
    pub long_sequence: bool,
    /// prach-RootSequenceIndex.
    pub root_sequence_index: u16,
    /// msg1-SubcarrierSpacing; 0 where it is the spare value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg1_scs_khz: Option<u16>,
}

/// tdd-UL-DL-ConfigurationCommon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tdd {
    /// referenceSubcarrierSpacing; 0 where it is the spare value.
    pub scs_khz: u16,
    /// pattern1, and pattern2 where it is there.
    pub patterns: Vec<TddPattern>,
}

/// TDD-UL-DL-Pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TddPattern {
    /// dl-UL-TransmissionPeriodicity, or that of v1530.
    pub period_us: u16,
    /// nrofDownlinkSlots.
    pub downlink_slots: u16,
    /// nrofDownlinkSymbols.
    pub downlink_symbols: u8,
    /// nrofUplinkSlots.
    pub uplink_slots: u16,
    /// nrofUplinkSymbols.
    pub uplink_symbols: u8,
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
    /// t319.
    pub t319_ms: u16,
}

/// uac-BarringInfo: who may not ask for access just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uac {
    /// uac-BarringForCommon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common: Vec<UacCategory>,
    /// uac-BarringPerPLMN-List: how many networks have rules of their own.
    pub networks: u8,
    /// uac-BarringInfoSetList.
    pub sets: Vec<UacSet>,
}

/// UAC-BarringPerCat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UacCategory {
    /// accessCategory.
    pub category: u8,
    /// uac-barringInfoSetIndex, from 1.
    pub set: u8,
}

/// UAC-BarringInfoSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UacSet {
    /// uac-BarringFactor: how many of a hundred may ask.
    pub factor_percent: u8,
    /// uac-BarringTime.
    pub time_s: u16,
    /// uac-BarringForAccessIdentity, seven bits.
    pub access_identities: u8,
}
