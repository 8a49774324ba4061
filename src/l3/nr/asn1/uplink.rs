//! UplinkConfigCommonSIB; TS 38.331 clause 6.3.2.

use super::serving::{Bwp, NrMultiBandInfo, ScsSpecificCarrier, SetupRelease, TimeDomainAllocation};
use crate::l3::asn1::{Enum, Extensible};
use rasn::prelude::*;

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct UplinkConfigCommonSib {
    pub frequency_info_ul: Extensible<FrequencyInfoUlSib>,
    pub initial_uplink_bwp: Extensible<BwpUplinkCommon>,
    pub time_alignment_timer_common: Enum<8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct FrequencyInfoUlSib {
    #[rasn(size("1..=8"))]
    pub frequency_band_list: Option<Vec<NrMultiBandInfo>>,
    #[rasn(value("0..=3279165"))]
    pub absolute_frequency_point_a: Option<u32>,
    #[rasn(size("1..=5"))]
    pub scs_specific_carrier_list: Vec<Extensible<ScsSpecificCarrier>>,
    #[rasn(value("-30..=33"))]
    pub p_max: Option<i8>,
    pub frequency_shift_7p5_khz: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct BwpUplinkCommon {
    pub generic_parameters: Bwp,
    pub rach_config_common: Option<SetupRelease<Extensible<RachConfigCommon>>>,
    pub pusch_config_common: Option<SetupRelease<Extensible<PuschConfigCommon>>>,
    pub pucch_config_common: Option<SetupRelease<Extensible<PucchConfigCommon>>>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct RachConfigGeneric {
    pub prach_configuration_index: u8,
    pub msg1_fdm: Enum<4>,
    #[rasn(value("0..=274"))]
    pub msg1_frequency_start: u16,
    #[rasn(value("0..=15"))]
    pub zero_correlation_zone_config: u8,
    #[rasn(value("-202..=-60"))]
    pub preamble_received_target_power: i16,
    pub preamble_trans_max: Enum<11>,
    pub power_ramping_step: Enum<4>,
    pub ra_response_window: Enum<8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct RachConfigCommon {
    pub rach_config_generic: Extensible<RachConfigGeneric>,
    #[rasn(value("1..=63"))]
    pub total_number_of_ra_preambles: Option<u8>,
    pub ssb_per_rach_occasion_and_preambles: Option<PreamblesPerSsb>,
    pub group_b_configured: Option<GroupB>,
    pub ra_contention_resolution_timer: Enum<8>,
    #[rasn(value("0..=127"))]
    pub rsrp_threshold_ssb: Option<u8>,
    #[rasn(value("0..=127"))]
    pub rsrp_threshold_ssb_sul: Option<u8>,
    pub prach_root_sequence_index: RootSequence,
    pub msg1_subcarrier_spacing: Option<Enum<8>>,
    pub restricted_set_config: Enum<3>,
    pub msg3_transform_precoder: Option<()>,
}

/// ssb-perRACH-OccasionAndCB-PreamblesPerSSB.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(choice, automatic_tags)]
pub enum PreamblesPerSsb {
    OneEighth(Enum<16>),
    OneFourth(Enum<16>),
    OneHalf(Enum<16>),
    One(Enum<16>),
    Two(Enum<8>),
    Four(Enum<16>),
    Eight(Enum<8>),
    Sixteen(Enum<4>),
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct GroupB {
    pub ra_msg3_size_group_a: Enum<16>,
    pub message_power_offset_group_b: Enum<8>,
    #[rasn(value("1..=64"))]
    pub number_of_ra_preambles_group_a: u8,
}

/// prach-RootSequenceIndex.
#[derive(AsnType, Clone, Copy, Debug, Decode)]
#[rasn(choice, automatic_tags)]
pub enum RootSequence {
    L839(LongRoot),
    L139(ShortRoot),
}

#[derive(AsnType, Clone, Copy, Debug, Decode)]
#[rasn(delegate, value("0..=837"))]
pub struct LongRoot(pub u16);

#[derive(AsnType, Clone, Copy, Debug, Decode)]
#[rasn(delegate, value("0..=137"))]
pub struct ShortRoot(pub u16);

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct PuschConfigCommon {
    pub group_hopping_enabled_transform_precoding: Option<()>,
    #[rasn(size("1..=16"))]
    pub pusch_time_domain_allocation_list: Option<Vec<TimeDomainAllocation>>,
    #[rasn(value("-1..=6"))]
    pub msg3_delta_preamble: Option<i8>,
    #[rasn(value("-202..=24"))]
    pub p0_nominal_with_grant: Option<i16>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct PucchConfigCommon {
    #[rasn(value("0..=15"))]
    pub pucch_resource_common: Option<u8>,
    pub pucch_group_hopping: Enum<3>,
    #[rasn(value("0..=1023"))]
    pub hopping_id: Option<u16>,
    #[rasn(value("-202..=24"))]
    pub p0_nominal: Option<i16>,
}
