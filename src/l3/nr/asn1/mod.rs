//! MasterInformationBlock and SystemInformationBlockType1 of NR, as types that `rasn` decodes; TS 38.331 clauses 6.2.2 and 6.3.2.
//!
//! The definitions take the liberties of [`crate::l3::asn1`].

pub mod serving;
pub mod uplink;

use crate::l3::asn1::{Enum, Extensible, OpenEnum};
use rasn::prelude::*;

/// BCCH-BCH-Message with its MIB: 24 bits.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct BcchBchMessage {
    pub message_class_extension: bool,
    #[rasn(value("0..=63"))]
    pub system_frame_number: u8,
    /// scs15or60, scs30or120
    pub sub_carrier_spacing_common: Enum<2>,
    #[rasn(value("0..=15"))]
    pub ssb_subcarrier_offset: u8,
    /// pos2, pos3
    pub dmrs_type_a_position: Enum<2>,
    #[rasn(value("0..=15"))]
    pub control_resource_set_zero: u8,
    #[rasn(value("0..=15"))]
    pub search_space_zero: u8,
    /// barred, notBarred
    pub cell_barred: Enum<2>,
    /// allowed, notAllowed
    pub intra_freq_reselection: Enum<2>,
    #[rasn(value("0..=1"))]
    pub spare: u8,
}

/// The presence bits at the head of SIB1, which has no extension mark.
#[derive(AsnType, Clone, Copy, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct Presence {
    pub cell_selection_info: bool,
    pub conn_est_failure_control: bool,
    pub si_scheduling_info: bool,
    pub serving_cell_config_common: bool,
    pub ims_emergency_support: bool,
    pub ecall_over_ims_support: bool,
    pub ue_timers_and_constants: bool,
    pub uac_barring_info: bool,
    pub use_full_resume_id: bool,
    pub late_non_critical_extension: bool,
    pub non_critical_extension: bool,
}

/// cellSelectionInfo.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct CellSelectionInfo {
    #[rasn(value("-70..=-22"))]
    pub q_rx_lev_min: i8,
    #[rasn(value("1..=8"))]
    pub q_rx_lev_min_offset: Option<u8>,
    #[rasn(value("-70..=-22"))]
    pub q_rx_lev_min_sul: Option<i8>,
    #[rasn(value("-43..=-12"))]
    pub q_qual_min: Option<i8>,
    #[rasn(value("1..=8"))]
    pub q_qual_min_offset: Option<u8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct CellAccessRelatedInfo {
    #[rasn(size("1..=12"))]
    pub plmn_identity_info_list: Vec<Extensible<PlmnIdentityInfo>>,
    pub cell_reserved_for_other_use: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct PlmnIdentityInfo {
    #[rasn(size("1..=12"))]
    pub plmn_identity_list: Vec<PlmnIdentity>,
    #[rasn(value("0..=16777215"))]
    pub tracking_area_code: Option<u32>,
    pub ranac: Option<u8>,
    #[rasn(value("0..=68719476735"))]
    pub cell_identity: u64,
    /// reserved, notReserved
    pub cell_reserved_for_operator_use: Enum<2>,
}

/// A digit; four bits, of which 10 to 15 are no digits.
#[derive(AsnType, Clone, Copy, Debug, Decode)]
#[rasn(delegate, value("0..=15"))]
pub struct Digit(pub u8);

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct PlmnIdentity {
    #[rasn(size("3"))]
    pub mcc: Option<Vec<Digit>>,
    #[rasn(size("2..=3"))]
    pub mnc: Vec<Digit>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct ConnEstFailureControl {
    pub conn_est_fail_count: Enum<4>,
    pub conn_est_fail_offset_validity: Enum<8>,
    #[rasn(value("0..=15"))]
    pub conn_est_fail_offset: Option<u8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct SiSchedulingInfo {
    #[rasn(size("1..=32"))]
    pub scheduling_info_list: Vec<SchedulingInfo>,
    pub si_window_length: Enum<11>,
    pub si_request_config: Option<SiRequestConfig>,
    pub si_request_config_sul: Option<SiRequestConfig>,
    #[rasn(value("0..=16777215"))]
    pub system_information_area_id: Option<u32>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct SchedulingInfo {
    /// broadcasting, notBroadcasting
    pub si_broadcast_status: Enum<2>,
    pub si_periodicity: Enum<7>,
    #[rasn(size("1..=32"))]
    pub sib_mapping_info: Vec<SibTypeInfo>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct SibTypeInfo {
    /// The number is that of the value, 2 being the first.
    pub sib_type: OpenEnum<16>,
    #[rasn(value("0..=31"))]
    pub value_tag: Option<u8>,
    pub area_scope: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct SiRequestConfig {
    pub rach_occasions_si: Option<RachOccasionsSi>,
    pub si_request_period: Option<Enum<8>>,
    #[rasn(size("1..=32"))]
    pub si_request_resources: Vec<SiRequestResources>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct RachOccasionsSi {
    pub rach_config_si: Extensible<uplink::RachConfigGeneric>,
    pub ssb_per_rach_occasion: Enum<8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct SiRequestResources {
    #[rasn(value("0..=63"))]
    pub ra_preamble_start_index: u8,
    #[rasn(value("0..=15"))]
    pub ra_association_period_index: Option<u8>,
    #[rasn(value("0..=15"))]
    pub ra_ssb_occasion_mask_index: Option<u8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct UeTimersAndConstants {
    pub t300: Enum<8>,
    pub t301: Enum<8>,
    pub t310: Enum<7>,
    pub n310: Enum<8>,
    pub t311: Enum<7>,
    pub n311: Enum<8>,
    pub t319: Enum<8>,
}

/// uac-BarringInfo.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct UacBarringInfo {
    #[rasn(size("1..=63"))]
    pub uac_barring_for_common: Option<Vec<UacBarringPerCat>>,
    #[rasn(size("1..=12"))]
    pub uac_barring_per_plmn_list: Option<Vec<UacBarringPerPlmn>>,
    #[rasn(size("1..=8"))]
    pub uac_barring_info_set_list: Vec<UacBarringInfoSet>,
    pub uac_access_category1_selection_assistance_info: Option<SelectionAssistance>,
}

#[derive(AsnType, Clone, Copy, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct UacBarringPerCat {
    #[rasn(value("1..=63"))]
    pub access_category: u8,
    #[rasn(value("1..=8"))]
    pub uac_barring_info_set_index: u8,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct UacBarringPerPlmn {
    #[rasn(value("1..=12"))]
    pub plmn_identity_index: u8,
    pub uac_ac_barring_list_type: Option<UacAcBarringListType>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(choice, automatic_tags)]
pub enum UacAcBarringListType {
    Implicit(ImplicitList),
    Explicit(ExplicitList),
}

/// uac-ImplicitACBarringList: one entry an access category.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(delegate, size("63"))]
pub struct ImplicitList(pub Vec<Enum<8>>);

/// uac-ExplicitACBarringList.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(delegate, size("1..=63"))]
pub struct ExplicitList(pub Vec<UacBarringPerCat>);

#[derive(AsnType, Clone, Copy, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct UacBarringInfoSet {
    pub uac_barring_factor: Enum<16>,
    pub uac_barring_time: Enum<8>,
    #[rasn(value("0..=127"))]
    pub uac_barring_for_access_identity: u8,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(choice, automatic_tags)]
pub enum SelectionAssistance {
    PlmnCommon(Enum<3>),
    IndividualPlmnList(AssistanceList),
}

/// individualPLMNList.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(delegate, size("2..=12"))]
pub struct AssistanceList(pub Vec<Enum<3>>);
