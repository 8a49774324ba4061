//! SystemInformationBlockType3 to 8; TS 36.331 clause 6.3.1.

use super::sib1::{Band, MultiBandInfoV9e0};
use super::{Enum, Extensible, Octets, OpenEnum};
use rasn::prelude::*;

/// SystemInformationBlockType3.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib3 {
    pub common: CellReselectionInfoCommon,
    pub serving: CellReselectionServingFreqInfo,
    pub intra: IntraFreqCellReselectionInfo,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CellReselectionInfoCommon {
    pub q_hyst: Enum<16>,
    pub speed_state: Option<SpeedStateReselectionPars>,
}

/// speedStateReselectionPars: MobilityStateParameters, then q-HystSF.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct SpeedStateReselectionPars {
    pub t_evaluation: Enum<8>,
    pub t_hyst_normal: Enum<8>,
    #[rasn(value("1..=16"))]
    pub n_cell_change_medium: u8,
    #[rasn(value("1..=16"))]
    pub n_cell_change_high: u8,
    pub sf_medium: Enum<4>,
    pub sf_high: Enum<4>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CellReselectionServingFreqInfo {
    #[rasn(value("0..=31"))]
    pub s_non_intra_search: Option<u8>,
    #[rasn(value("0..=31"))]
    pub thresh_serving_low: u8,
    #[rasn(value("0..=7"))]
    pub priority: u8,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct IntraFreqCellReselectionInfo {
    #[rasn(value("-70..=-22"))]
    pub q_rx_lev_min: i8,
    #[rasn(value("-30..=33"))]
    pub p_max: Option<i8>,
    #[rasn(value("0..=31"))]
    pub s_intra_search: Option<u8>,
    pub allowed_meas_bandwidth: Option<Enum<6>>,
    pub presence_antenna_port1: bool,
    #[rasn(value("0..=3"))]
    pub neigh_cell_config: u8,
    #[rasn(value("0..=7"))]
    pub t_reselection: u8,
    pub t_reselection_sf: Option<SpeedStateScaleFactors>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct SpeedStateScaleFactors {
    pub medium: Enum<4>,
    pub high: Enum<4>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct ThresholdPair {
    #[rasn(value("0..=31"))]
    pub p: u8,
    #[rasn(value("0..=31"))]
    pub q: u8,
}

/// The addition of Release 9 to SystemInformationBlockType3.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib3V920 {
    pub s_intra_search: Option<ThresholdPair>,
    pub s_non_intra_search: Option<ThresholdPair>,
    #[rasn(value("-34..=-3"))]
    pub q_qual_min: Option<i8>,
    #[rasn(value("0..=31"))]
    pub thresh_serving_low_q: Option<u8>,
}

/// The presence bits of the addition of Release 13 to SystemInformationBlockType3.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib3V1310Presence {
    pub serving: bool,
    pub redistribution: bool,
    pub cell_selection_info_ce: bool,
    pub t_reselection_ce: bool,
}

/// SystemInformationBlockType4.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib4 {
    #[rasn(size("1..=16"))]
    pub neighbours: Option<Vec<Extensible<NeighCellInfo>>>,
    #[rasn(size("1..=16"))]
    pub excluded: Option<Vec<PhysCellIdRange>>,
    pub csg: Option<PhysCellIdRange>,
}

/// IntraFreqNeighCellInfo's root, and InterFreqNeighCellInfo.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct NeighCellInfo {
    #[rasn(value("0..=503"))]
    pub phys_cell_id: u16,
    pub q_offset: Enum<31>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PhysCellIdRange {
    #[rasn(value("0..=503"))]
    pub start: u16,
    pub range: Option<Enum<16>>,
}

/// SystemInformationBlockType5.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib5 {
    #[rasn(size("1..=8"))]
    pub carriers: Vec<Extensible<InterFreqCarrierFreqInfo>>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct InterFreqCarrierFreqInfo {
    pub dl_carrier_freq: u16,
    #[rasn(value("-70..=-22"))]
    pub q_rx_lev_min: i8,
    #[rasn(value("-30..=33"))]
    pub p_max: Option<i8>,
    #[rasn(value("0..=7"))]
    pub t_reselection: u8,
    pub t_reselection_sf: Option<SpeedStateScaleFactors>,
    #[rasn(value("0..=31"))]
    pub thresh_x_high: u8,
    #[rasn(value("0..=31"))]
    pub thresh_x_low: u8,
    pub allowed_meas_bandwidth: Enum<6>,
    pub presence_antenna_port1: bool,
    #[rasn(value("0..=7"))]
    pub priority: Option<u8>,
    #[rasn(value("0..=3"))]
    pub neigh_cell_config: u8,
    /// dB0 where it is left out.
    pub q_offset_freq: Option<Enum<31>>,
    #[rasn(size("1..=16"))]
    pub neighbours: Option<Vec<NeighCellInfo>>,
    #[rasn(size("1..=16"))]
    pub excluded: Option<Vec<PhysCellIdRange>>,
}

/// threshX-Q-r9.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct ThreshXQ {
    #[rasn(value("0..=31"))]
    pub high: u8,
    #[rasn(value("0..=31"))]
    pub low: u8,
}

/// The addition of Release 9 to InterFreqCarrierFreqInfo.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct InterFreqCarrierFreqInfoV920 {
    #[rasn(value("-34..=-3"))]
    pub q_qual_min: Option<i8>,
    pub thresh_x_q: Option<ThreshXQ>,
}

/// SystemInformationBlockType5-v8h0-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib5V8h0 {
    #[rasn(size("1..=8"))]
    pub carriers: Option<Vec<InterFreqCarrierFreqInfoV8h0>>,
    pub non_critical_extension: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct InterFreqCarrierFreqInfoV8h0 {
    #[rasn(size("1..=8"))]
    pub multi_band_info_list: Option<Vec<Band>>,
}

/// SystemInformationBlockType5-v9e0-IEs.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib5V9e0 {
    #[rasn(size("1..=8"))]
    pub carriers: Option<Vec<InterFreqCarrierFreqInfoV9e0>>,
    pub non_critical_extension: Option<()>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct InterFreqCarrierFreqInfoV9e0 {
    #[rasn(value("65536..=262143"))]
    pub dl_carrier_freq: Option<u32>,
    #[rasn(size("1..=8"))]
    pub multi_band_info_list: Option<Vec<MultiBandInfoV9e0>>,
}

/// SystemInformationBlockType6.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib6 {
    #[rasn(size("1..=16"))]
    pub fdd: Option<Vec<Extensible<CarrierFreqUtraFdd>>>,
    #[rasn(size("1..=16"))]
    pub tdd: Option<Vec<Extensible<CarrierFreqUtraTdd>>>,
    #[rasn(value("0..=7"))]
    pub t_reselection: u8,
    pub t_reselection_sf: Option<SpeedStateScaleFactors>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CarrierFreqUtraTdd {
    #[rasn(value("0..=16383"))]
    pub carrier_freq: u16,
    #[rasn(value("0..=7"))]
    pub priority: Option<u8>,
    #[rasn(value("0..=31"))]
    pub thresh_x_high: u8,
    #[rasn(value("0..=31"))]
    pub thresh_x_low: u8,
    #[rasn(value("-60..=-13"))]
    pub q_rx_lev_min: i8,
    #[rasn(value("-50..=33"))]
    pub p_max: i8,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CarrierFreqUtraFdd {
    #[rasn(value("0..=16383"))]
    pub carrier_freq: u16,
    #[rasn(value("0..=7"))]
    pub priority: Option<u8>,
    #[rasn(value("0..=31"))]
    pub thresh_x_high: u8,
    #[rasn(value("0..=31"))]
    pub thresh_x_low: u8,
    #[rasn(value("-60..=-13"))]
    pub q_rx_lev_min: i8,
    #[rasn(value("-50..=33"))]
    pub p_max: i8,
    #[rasn(value("-24..=0"))]
    pub q_qual_min: i8,
}

/// SystemInformationBlockType7.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib7 {
    #[rasn(value("0..=7"))]
    pub t_reselection: u8,
    pub t_reselection_sf: Option<SpeedStateScaleFactors>,
    #[rasn(size("1..=16"))]
    pub carriers: Option<Vec<Extensible<CarrierFreqsInfoGeran>>>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CarrierFreqsInfoGeran {
    #[rasn(value("0..=1023"))]
    pub starting_arfcn: u16,
    /// dcs1800, pcs1900
    pub band_indicator: Enum<2>,
    pub following: FollowingArfcns,
    pub common: GeranCommonInfo,
}

/// ARFCN-ValueGERAN.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("0..=1023"))]
pub struct Arfcn(pub u16);

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(choice, automatic_tags)]
pub enum FollowingArfcns {
    #[rasn(size("0..=31"))]
    Explicit(Vec<Arfcn>),
    EquallySpaced(EquallySpaced),
    #[rasn(size("1..=16"))]
    BitMap(Octets),
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct EquallySpaced {
    #[rasn(value("1..=8"))]
    pub spacing: u16,
    #[rasn(value("0..=31"))]
    pub count: u16,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct GeranCommonInfo {
    #[rasn(value("0..=7"))]
    pub priority: Option<u8>,
    pub ncc_permitted: u8,
    #[rasn(value("0..=45"))]
    pub q_rx_lev_min: u8,
    #[rasn(value("0..=39"))]
    pub p_max: Option<u8>,
    #[rasn(value("0..=31"))]
    pub thresh_x_high: u8,
    #[rasn(value("0..=31"))]
    pub thresh_x_low: u8,
}

/// SystemInformationBlockType8.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Sib8 {
    pub system_time: Option<SystemTimeInfo>,
    #[rasn(value("0..=15"))]
    pub search_window_size: Option<u8>,
    pub hrpd: Option<ParametersHrpd>,
    pub one_x: Option<Parameters1x>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct SystemTimeInfo {
    pub synchronisation: bool,
    pub system_time: CdmaTime,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(choice, automatic_tags)]
pub enum CdmaTime {
    #[rasn(value("0..=549755813887"))]
    Synchronous(u64),
    #[rasn(value("0..=562949953421311"))]
    Asynchronous(u64),
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct ParametersHrpd {
    pub pre_registration: PreRegistrationInfoHrpd,
    pub reselection: Option<CellReselectionParameters>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct PreRegistrationInfoHrpd {
    pub allowed: bool,
    pub zone: Option<u8>,
    #[rasn(size("1..=2"))]
    pub secondary_zones: Option<Vec<Zone>>,
}

/// PreRegistrationZoneIdHRPD.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("0..=255"))]
pub struct Zone(pub u8);

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct Parameters1x {
    /// sid, nid, seven flags, registrationPeriod, registrationZone, totalZone and zoneTimer: 63 bits that are not looked into.
    #[rasn(value("0..=9223372036854775807"))]
    pub registration: Option<u64>,
    /// 42 bits that change all the time.
    #[rasn(value("0..=4398046511103"))]
    pub long_code_state: Option<u64>,
    pub reselection: Option<CellReselectionParameters>,
}

/// BandclassCDMA2000.
pub type BandClass = OpenEnum<32>;

/// CellReselectionParametersCDMA2000.
#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct CellReselectionParameters {
    #[rasn(size("1..=32"))]
    pub bands: Vec<Extensible<BandClassInfo>>,
    #[rasn(size("1..=16"))]
    pub neighbours: Vec<NeighCells>,
    #[rasn(value("0..=7"))]
    pub t_reselection: u8,
    pub t_reselection_sf: Option<SpeedStateScaleFactors>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct BandClassInfo {
    pub band_class: BandClass,
    #[rasn(value("0..=7"))]
    pub priority: Option<u8>,
    #[rasn(value("0..=63"))]
    pub thresh_x_high: u8,
    #[rasn(value("0..=63"))]
    pub thresh_x_low: u8,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct NeighCells {
    pub band_class: BandClass,
    #[rasn(size("1..=16"))]
    pub carriers: Vec<NeighCellsPerFreq>,
}

#[derive(AsnType, Clone, Debug, Decode, Encode)]
#[rasn(automatic_tags)]
pub struct NeighCellsPerFreq {
    #[rasn(value("0..=2047"))]
    pub arfcn: u16,
    #[rasn(size("1..=16"))]
    pub cells: Vec<PhysCellId>,
}

/// PhysCellIdCDMA2000.
#[derive(AsnType, Clone, Copy, Debug, Decode, Encode)]
#[rasn(delegate, value("0..=511"))]
pub struct PhysCellId(pub u16);
