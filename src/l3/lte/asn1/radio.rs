//! SystemInformationBlockType2; TS 36.331 clauses 6.3.1 and 6.3.2.

use super::{Enum, Extensible};
use rasn::prelude::*;

/// SystemInformationBlockType2.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib2 {
    pub ac_barring_info: Option<AcBarringInfo>,
    pub radio_resource_config_common: Extensible<RadioResourceConfigCommonSib>,
    pub ue_timers_and_constants: Extensible<UeTimersAndConstants>,
    pub freq_info: FreqInfo,
    #[rasn(size("1..=8"))]
    pub mbsfn_subframe_config_list: Option<Vec<MbsfnSubframeConfig>>,
    pub time_alignment_timer_common: Enum<8>,
}

/// SystemInformationBlockType2-v8h0-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib2V8h0 {
    #[rasn(size("1..=8"))]
    pub multi_band_info_list: Option<Vec<AdditionalSpectrumEmission>>,
    pub non_critical_extension: Option<()>,
}

#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("1..=32"))]
pub struct AdditionalSpectrumEmission(pub u8);

/// SystemInformationBlockType2-v9e0-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib2V9e0 {
    #[rasn(value("65536..=262143"))]
    pub ul_carrier_freq: Option<u32>,
    pub non_critical_extension: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct AcBarringInfo {
    pub for_emergency: bool,
    pub for_mo_signalling: Option<AcBarringConfig>,
    pub for_mo_data: Option<AcBarringConfig>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct AcBarringConfig {
    pub factor: Enum<16>,
    pub time: Enum<8>,
    #[rasn(value("0..=31"))]
    pub for_special_ac: u8,
}

/// RadioResourceConfigCommonSIB and the parts of it that have no extension mark of their own.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct RadioResourceConfigCommonSib {
    pub rach: Extensible<RachConfigCommon>,
    pub modification_period_coeff: Enum<4>,
    pub default_paging_cycle: Enum<4>,
    pub nb: Enum<8>,
    pub prach: PrachConfig,
    #[rasn(value("-60..=50"))]
    pub reference_signal_power: i8,
    #[rasn(value("0..=3"))]
    pub p_b: u8,
    pub pusch: PuschConfigCommon,
    pub pucch: PucchConfigCommon,
    pub sounding: SoundingConfigCommon,
    pub uplink_power: UplinkPowerControlCommon,
    /// len1, len2
    pub ul_cyclic_prefix_length: Enum<2>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct RachConfigCommon {
    pub preamble_info: PreambleInfo,
    pub power_ramping_step: Enum<4>,
    pub target_power: Enum<16>,
    pub preamble_trans_max: Enum<11>,
    pub response_window_size: Enum<8>,
    pub contention_resolution_timer: Enum<8>,
    #[rasn(value("1..=8"))]
    pub max_harq_msg3_tx: u8,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PreambleInfo {
    pub number_of_preambles: Enum<16>,
    pub group_a: Option<Extensible<PreamblesGroupA>>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PreamblesGroupA {
    pub size: Enum<15>,
    pub message_size: Enum<4>,
    pub message_power_offset: Enum<8>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PrachConfig {
    #[rasn(value("0..=837"))]
    pub root_sequence_index: u16,
    #[rasn(value("0..=63"))]
    pub config_index: u8,
    pub high_speed_flag: bool,
    #[rasn(value("0..=15"))]
    pub zero_correlation_zone_config: u8,
    #[rasn(value("0..=94"))]
    pub freq_offset: u8,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PuschConfigCommon {
    #[rasn(value("1..=4"))]
    pub n_sb: u8,
    /// interSubFrame, intraAndInterSubFrame
    pub hopping_mode: Enum<2>,
    #[rasn(value("0..=98"))]
    pub hopping_offset: u8,
    pub enable_64qam: bool,
    pub group_hopping_enabled: bool,
    #[rasn(value("0..=29"))]
    pub group_assignment: u8,
    pub sequence_hopping_enabled: bool,
    #[rasn(value("0..=7"))]
    pub cyclic_shift: u8,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PucchConfigCommon {
    pub delta_shift: Enum<3>,
    #[rasn(value("0..=98"))]
    pub n_rb_cqi: u8,
    #[rasn(value("0..=7"))]
    pub n_cs_an: u8,
    #[rasn(value("0..=2047"))]
    pub n1_pucch_an: u16,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(choice, automatic_tags)]
pub enum SoundingConfigCommon {
    Release(()),
    Setup(SoundingSetup),
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct SoundingSetup {
    pub bandwidth_config: Enum<8>,
    pub subframe_config: Enum<16>,
    pub ack_nack_simultaneous: bool,
    pub max_up_pts: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct UplinkPowerControlCommon {
    #[rasn(value("-126..=24"))]
    pub p0_nominal_pusch: i8,
    pub alpha: Enum<8>,
    #[rasn(value("-127..=-96"))]
    pub p0_nominal_pucch: i8,
    pub format_1: Enum<3>,
    pub format_1b: Enum<3>,
    pub format_2: Enum<4>,
    pub format_2a: Enum<3>,
    pub format_2b: Enum<3>,
    #[rasn(value("-1..=6"))]
    pub delta_preamble_msg3: i8,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct UeTimersAndConstants {
    pub t300: Enum<8>,
    pub t301: Enum<8>,
    pub t310: Enum<7>,
    pub n310: Enum<8>,
    pub t311: Enum<7>,
    pub n311: Enum<8>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct FreqInfo {
    pub ul_carrier_freq: Option<u16>,
    pub ul_bandwidth: Option<Enum<6>>,
    #[rasn(value("1..=32"))]
    pub additional_spectrum_emission: u8,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct MbsfnSubframeConfig {
    pub period: Enum<6>,
    #[rasn(value("0..=7"))]
    pub offset: u8,
    pub allocation: SubframeAllocation,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(choice, automatic_tags)]
pub enum SubframeAllocation {
    #[rasn(value("0..=63"))]
    OneFrame(u8),
    #[rasn(value("0..=16777215"))]
    FourFrames(u32),
}
