//! MasterInformationBlock and SystemInformationBlockType1; TS 36.331 clause 6.2.2.

use super::{Enum, Octets, SibType};
use rasn::prelude::*;

/// MasterInformationBlock. The last five bits are of Release 15 and 17, and one is spare.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Mib {
    /// Eight numbers, of which six are bandwidths: which, is told by name where it is none.
    pub dl_bandwidth: Enum<8>,
    pub phich_duration: Enum<2>,
    pub phich_resource: Enum<4>,
    pub system_frame_number: u8,
    #[rasn(value("0..=31"))]
    pub scheduling_info_sib1_br: u8,
    #[rasn(value("0..=31"))]
    pub spare: u8,
}

/// SystemInformationBlockType1 without its nonCriticalExtension, of which only the presence is told.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib1 {
    pub cell_access_related_info: CellAccessRelatedInfo,
    pub cell_selection_info: CellSelectionInfo,
    #[rasn(value("-30..=33"))]
    pub p_max: Option<i8>,
    #[rasn(value("1..=64"))]
    pub freq_band_indicator: u8,
    #[rasn(size("1..=32"))]
    pub scheduling_info_list: Vec<SchedulingInfo>,
    pub tdd_config: Option<TddConfig>,
    pub si_window_length: Enum<7>,
    #[rasn(value("0..=31"))]
    pub system_info_value_tag: u8,
    pub non_critical_extension: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CellAccessRelatedInfo {
    #[rasn(size("1..=6"))]
    pub plmn_identity_list: Vec<PlmnIdentityInfo>,
    pub tracking_area_code: u16,
    #[rasn(value("0..=268435455"))]
    pub cell_identity: u32,
    /// barred, notBarred
    pub cell_barred: Enum<2>,
    /// allowed, notAllowed
    pub intra_freq_reselection: Enum<2>,
    pub csg_indication: bool,
    #[rasn(value("0..=134217727"))]
    pub csg_identity: Option<u32>,
}

/// A digit; four bits, of which 10 to 15 are no digits.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("0..=15"))]
pub struct Digit(pub u8);

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PlmnIdentity {
    #[rasn(size("3"))]
    pub mcc: Option<Vec<Digit>>,
    #[rasn(size("2..=3"))]
    pub mnc: Vec<Digit>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PlmnIdentityInfo {
    pub plmn_identity: PlmnIdentity,
    /// reserved, notReserved
    pub cell_reserved_for_operator_use: Enum<2>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CellSelectionInfo {
    #[rasn(value("-70..=-22"))]
    pub q_rx_lev_min: i8,
    #[rasn(value("1..=8"))]
    pub q_rx_lev_min_offset: Option<u8>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct SchedulingInfo {
    pub si_periodicity: Enum<7>,
    #[rasn(size("0..=31"))]
    pub sib_mapping_info: Vec<SibType>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct TddConfig {
    #[rasn(value("0..=6"))]
    pub subframe_assignment: u8,
    #[rasn(value("0..=8"))]
    pub special_subframe_patterns: u8,
}

/// SystemInformationBlockType1-v890-IEs. Of this and all that follow, the last part tells whether another one stands behind.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct V890 {
    pub late_non_critical_extension: Option<Octets>,
    pub non_critical_extension: Option<()>,
}

/// SystemInformationBlockType1-v920-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct V920 {
    pub ims_emergency_support: Option<()>,
    pub cell_selection_info: Option<CellSelectionInfoV920>,
    pub non_critical_extension: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CellSelectionInfoV920 {
    #[rasn(value("-34..=-3"))]
    pub q_qual_min: i8,
    #[rasn(value("1..=8"))]
    pub q_qual_min_offset: Option<u8>,
}

/// Q-QualMin-r9, alone in its SEQUENCE.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("-34..=-3"))]
pub struct QQualMin(pub i8);

/// SystemInformationBlockType1-v1130-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct V1130 {
    pub special_subframe_patterns: Option<Enum<2>>,
    pub q_qual_min_wb: Option<QQualMin>,
    pub non_critical_extension: Option<()>,
}

/// cellAccessRelatedInfo-v1250.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CellAccessRelatedInfoV1250 {
    pub category0_allowed: Option<()>,
}

/// SystemInformationBlockType1-v1250-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct V1250 {
    pub cell_access_related_info: CellAccessRelatedInfoV1250,
    pub q_qual_min_on_all_symbols: Option<QQualMin>,
    pub freq_band_indicator_priority: Option<()>,
    pub non_critical_extension: Option<()>,
}

/// The presence bits at the head of SystemInformationBlockType1-v1310-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct V1310Presence {
    pub hyper_sfn: bool,
    pub edrx_allowed: bool,
    pub cell_selection_info_ce: bool,
    pub bandwidth_reduced_access_related_info: bool,
    pub non_critical_extension: bool,
}

/// A freqBandIndicator of Release 8.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("1..=64"))]
pub struct Band(pub u8);

/// SystemInformationBlockType1-v8h0-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct V8h0 {
    #[rasn(size("1..=8"))]
    pub multi_band_info_list: Option<Vec<Band>>,
    pub non_critical_extension: Option<()>,
}

/// MultiBandInfo-v9e0.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct MultiBandInfoV9e0 {
    #[rasn(value("65..=256"))]
    pub freq_band_indicator: Option<u16>,
}

/// SystemInformationBlockType1-v9e0-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct V9e0 {
    #[rasn(value("65..=256"))]
    pub freq_band_indicator: Option<u16>,
    #[rasn(size("1..=8"))]
    pub multi_band_info_list: Option<Vec<MultiBandInfoV9e0>>,
    pub non_critical_extension: Option<()>,
}
