//! ServingCellConfigCommonSIB and its downlink part; TS 38.331 clause 6.3.2.

use super::uplink::UplinkConfigCommonSib;
use crate::l3::asn1::{Enum, Extensible};
use rasn::prelude::*;

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct ServingCellConfigCommonSib {
    pub downlink_config_common: Extensible<DownlinkConfigCommonSib>,
    pub uplink_config_common: Option<UplinkConfigCommonSib>,
    pub supplementary_uplink: Option<UplinkConfigCommonSib>,
    pub n_timing_advance_offset: Option<Enum<3>>,
    pub ssb_positions_in_burst: SsbPositionsInBurst,
    pub ssb_periodicity_serving_cell: Enum<6>,
    pub tdd_ul_dl_configuration_common: Option<Extensible<TddUlDlConfigCommon>>,
    #[rasn(value("-60..=50"))]
    pub ss_pbch_block_power: i8,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct SsbPositionsInBurst {
    pub in_one_group: u8,
    pub group_presence: Option<u8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct TddUlDlConfigCommon {
    pub reference_subcarrier_spacing: Enum<8>,
    pub pattern1: Extensible<TddUlDlPattern>,
    pub pattern2: Option<Extensible<TddUlDlPattern>>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct TddUlDlPattern {
    pub dl_ul_transmission_periodicity: Enum<8>,
    #[rasn(value("0..=320"))]
    pub nrof_downlink_slots: u16,
    #[rasn(value("0..=13"))]
    pub nrof_downlink_symbols: u8,
    #[rasn(value("0..=320"))]
    pub nrof_uplink_slots: u16,
    #[rasn(value("0..=13"))]
    pub nrof_uplink_symbols: u8,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct DownlinkConfigCommonSib {
    pub frequency_info_dl: FrequencyInfoDlSib,
    pub initial_downlink_bwp: Extensible<BwpDownlinkCommon>,
    pub bcch_config: Extensible<BcchConfig>,
    pub pcch_config: Extensible<PcchConfig>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct FrequencyInfoDlSib {
    #[rasn(size("1..=8"))]
    pub frequency_band_list: Vec<NrMultiBandInfo>,
    #[rasn(value("0..=2199"))]
    pub offset_to_point_a: u16,
    #[rasn(size("1..=5"))]
    pub scs_specific_carrier_list: Vec<Extensible<ScsSpecificCarrier>>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct NrMultiBandInfo {
    #[rasn(value("1..=1024"))]
    pub freq_band_indicator_nr: Option<u16>,
    #[rasn(size("1..=8"))]
    pub nr_ns_pmax_list: Option<Vec<NrNsPmaxValue>>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct NrNsPmaxValue {
    #[rasn(value("-30..=33"))]
    pub additional_pmax: Option<i8>,
    #[rasn(value("0..=7"))]
    pub additional_spectrum_emission: u8,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct ScsSpecificCarrier {
    #[rasn(value("0..=2199"))]
    pub offset_to_carrier: u16,
    pub subcarrier_spacing: Enum<8>,
    #[rasn(value("1..=275"))]
    pub carrier_bandwidth: u16,
}

/// BWP.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct Bwp {
    #[rasn(value("0..=37949"))]
    pub location_and_bandwidth: u16,
    pub subcarrier_spacing: Enum<8>,
    pub cyclic_prefix: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct BwpDownlinkCommon {
    pub generic_parameters: Bwp,
    pub pdcch_config_common: Option<SetupRelease<Extensible<PdcchConfigCommon>>>,
    pub pdsch_config_common: Option<SetupRelease<Extensible<PdschConfigCommon>>>,
}

/// SetupRelease: what is set up, or nothing.
#[derive(Clone, Debug)]
pub struct SetupRelease<T>(pub Option<T>);

impl<T> AsnType for SetupRelease<T> {
    const TAG: Tag = Tag::EOC;
}

impl<T: Decode> Decode for SetupRelease<T> {
    fn decode_with_tag_and_constraints<D: Decoder>(decoder: &mut D, _: Tag, _: &Constraints) -> Result<Self, D::Error> {
        Ok(SetupRelease(if bool::decode(decoder)? { Some(T::decode(decoder)?) } else { None }))
    }
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct PdcchConfigCommon {
    #[rasn(value("0..=15"))]
    pub control_resource_set_zero: Option<u8>,
    pub common_control_resource_set: Option<Extensible<ControlResourceSet>>,
    #[rasn(value("0..=15"))]
    pub search_space_zero: Option<u8>,
    #[rasn(size("1..=4"))]
    pub common_search_space_list: Option<Vec<SearchSpace>>,
    #[rasn(value("0..=39"))]
    pub search_space_sib1: Option<u8>,
    #[rasn(value("0..=39"))]
    pub search_space_other_system_information: Option<u8>,
    #[rasn(value("0..=39"))]
    pub paging_search_space: Option<u8>,
    #[rasn(value("0..=39"))]
    pub ra_search_space: Option<u8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct ControlResourceSet {
    #[rasn(value("0..=11"))]
    pub control_resource_set_id: u8,
    #[rasn(value("0..=35184372088831"))]
    pub frequency_domain_resources: u64,
    #[rasn(value("1..=3"))]
    pub duration: u8,
    pub cce_reg_mapping_type: CceRegMapping,
    pub precoder_granularity: Enum<2>,
    #[rasn(size("1..=64"))]
    pub tci_states_to_add: Option<Vec<TciStateId>>,
    #[rasn(size("1..=64"))]
    pub tci_states_to_release: Option<Vec<TciStateId>>,
    pub tci_present_in_dci: Option<()>,
    pub pdcch_dmrs_scrambling_id: Option<u16>,
}

#[derive(AsnType, Clone, Copy, Debug, Decode)]
#[rasn(delegate, value("0..=127"))]
pub struct TciStateId(pub u8);

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(choice, automatic_tags)]
pub enum CceRegMapping {
    Interleaved(Interleaved),
    NonInterleaved(()),
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct Interleaved {
    pub reg_bundle_size: Enum<3>,
    pub interleaver_size: Enum<3>,
    #[rasn(value("0..=274"))]
    pub shift_index: Option<u16>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct SearchSpace {
    #[rasn(value("0..=39"))]
    pub search_space_id: u8,
    #[rasn(value("0..=11"))]
    pub control_resource_set_id: Option<u8>,
    pub monitoring_slot_periodicity_and_offset: Option<SlotPeriodicityAndOffset>,
    #[rasn(value("2..=2559"))]
    pub duration: Option<u16>,
    #[rasn(value("0..=16383"))]
    pub monitoring_symbols_within_slot: Option<u16>,
    pub nrof_candidates: Option<NrofCandidates>,
    pub search_space_type: Option<SearchSpaceType>,
}

/// Slots of the period by number of the alternative; TS 38.331 clause 6.3.2, SearchSpace.
const PERIODS: [u16; 15] = [1, 2, 4, 5, 8, 10, 16, 20, 40, 80, 160, 320, 640, 1280, 2560];

/// monitoringSlotPeriodicityAndOffset: a CHOICE whose alternatives are numbers below the period that they name.
#[derive(Clone, Copy, Debug)]
pub struct SlotPeriodicityAndOffset {
    /// Slots.
    pub period: u16,
    /// Slots.
    pub offset: u16,
}

impl AsnType for SlotPeriodicityAndOffset {
    const TAG: Tag = Tag::EOC;
}

impl Decode for SlotPeriodicityAndOffset {
    fn decode_with_tag_and_constraints<D: Decoder>(decoder: &mut D, _: Tag, _: &Constraints) -> Result<Self, D::Error> {
        let period = Enum::<15>::decode(decoder)?.of(&PERIODS);
        // As many bits as the largest offset takes; those beyond it belong to a message that no cell sends.
        let bits = u16::BITS - (period - 1).leading_zeros();
        let offset =
            (0..bits).try_fold(0, |offset, _| bool::decode(decoder).map(|bit| offset << 1 | u16::from(bit)))?;
        Ok(SlotPeriodicityAndOffset { period, offset })
    }
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct NrofCandidates {
    pub aggregation_level1: Enum<8>,
    pub aggregation_level2: Enum<8>,
    pub aggregation_level4: Enum<8>,
    pub aggregation_level8: Enum<8>,
    pub aggregation_level16: Enum<8>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(choice, automatic_tags)]
pub enum SearchSpaceType {
    Common(CommonSearchSpace),
    UeSpecific(Extensible<UeSpecificSearchSpace>),
}

/// The alternative `common`.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct CommonSearchSpace {
    pub dci_format0_0_and_format1_0: Option<Extensible<()>>,
    pub dci_format2_0: Option<Extensible<NrofCandidatesSfi>>,
    pub dci_format2_1: Option<Extensible<()>>,
    pub dci_format2_2: Option<Extensible<()>>,
    pub dci_format2_3: Option<Extensible<DciFormat23>>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct NrofCandidatesSfi {
    pub aggregation_level1: Option<Enum<2>>,
    pub aggregation_level2: Option<Enum<2>>,
    pub aggregation_level4: Option<Enum<2>>,
    pub aggregation_level8: Option<Enum<2>>,
    pub aggregation_level16: Option<Enum<2>>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct DciFormat23 {
    pub dummy1: Option<Enum<8>>,
    pub dummy2: Enum<2>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct UeSpecificSearchSpace {
    pub dci_formats: Enum<2>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct PdschConfigCommon {
    #[rasn(size("1..=16"))]
    pub pdsch_time_domain_allocation_list: Option<Vec<TimeDomainAllocation>>,
}

/// PDSCH-TimeDomainResourceAllocation, or PUSCH-TimeDomainResourceAllocation, which is built alike.
#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct TimeDomainAllocation {
    #[rasn(value("0..=32"))]
    pub k: Option<u8>,
    pub mapping_type: Enum<2>,
    #[rasn(value("0..=127"))]
    pub start_symbol_and_length: u8,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct BcchConfig {
    pub modification_period_coeff: Enum<4>,
}

#[derive(AsnType, Clone, Debug, Decode)]
#[rasn(automatic_tags)]
pub struct PcchConfig {
    pub default_paging_cycle: Enum<4>,
    pub n_and_paging_frame_offset: PagingFrames,
    pub ns: Enum<3>,
    pub first_pdcch_monitoring_occasion_of_po: Option<FirstOccasions>,
}

/// nAndPagingFrameOffset: the offset is below the divisor.
#[derive(Clone, Copy, Debug)]
pub struct PagingFrames {
    /// T/N: 1, 2, 4, 8 or 16.
    pub divisor: u8,
    /// PF_offset, frames.
    pub offset: u8,
}

impl AsnType for PagingFrames {
    const TAG: Tag = Tag::EOC;
}

impl Decode for PagingFrames {
    fn decode_with_tag_and_constraints<D: Decoder>(decoder: &mut D, _: Tag, _: &Constraints) -> Result<Self, D::Error> {
        let bits = Enum::<5>::decode(decoder)?.number();
        let offset = (0..bits).try_fold(0, |offset, _| bool::decode(decoder).map(|bit| offset << 1 | u8::from(bit)))?;
        Ok(PagingFrames { divisor: 1 << bits, offset })
    }
}

/// Largest number of each alternative of firstPDCCH-MonitoringOccasionOfPO; TS 38.331 clause 6.3.2, DownlinkConfigCommonSIB.
const LAST_OCCASIONS: [u16; 8] = [139, 279, 559, 1119, 2239, 4479, 8959, 17_919];

/// firstPDCCH-MonitoringOccasionOfPO: passed over, a number of some bits for each paging occasion.
#[derive(Clone, Copy, Debug)]
pub struct FirstOccasions;

impl AsnType for FirstOccasions {
    const TAG: Tag = Tag::EOC;
}

impl Decode for FirstOccasions {
    fn decode_with_tag_and_constraints<D: Decoder>(decoder: &mut D, _: Tag, _: &Constraints) -> Result<Self, D::Error> {
        let bits = u16::BITS - Enum::<8>::decode(decoder)?.of(&LAST_OCCASIONS).leading_zeros();
        let count = u32::from(Enum::<4>::decode(decoder)?.number()) + 1;
        (0..count * bits).try_for_each(|_| bool::decode(decoder).map(drop))?;
        Ok(FirstOccasions)
    }
}
