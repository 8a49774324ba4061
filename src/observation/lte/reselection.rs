//! SystemInformationBlockType3 to 8: where a terminal goes from here; TS 36.331 clause 6.3.1.

use serde::{Deserialize, Serialize};

/// Speed-dependent scaling of a reselection timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeedFactors {
    /// sf-Medium.
    pub medium_percent: u8,
    /// sf-High.
    pub high_percent: u8,
}

/// speedStateReselectionPars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeedState {
    /// t-Evaluation; `None`: a spare value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_evaluation_s: Option<u16>,
    /// t-HystNormal; `None`: a spare value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_hyst_normal_s: Option<u16>,
    /// n-CellChangeMedium.
    pub n_cell_change_medium: u8,
    /// n-CellChangeHigh.
    pub n_cell_change_high: u8,
    /// sf-Medium of q-HystSF.
    pub q_hyst_medium_db: i8,
    /// sf-High of q-HystSF.
    pub q_hyst_high_db: i8,
}

/// A pair of thresholds: RSRP in steps of 2 dB, RSRQ in steps of 1 dB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdPair {
    /// The one for RSRP.
    pub p: u8,
    /// The one for RSRQ.
    pub q: u8,
}

/// SystemInformationBlockType3; TS 36.331 clause 6.3.1. Thresholds count in steps of 2 dB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib3 {
    /// q-Hyst.
    pub q_hyst_db: u8,
    /// speedStateReselectionPars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_state: Option<SpeedState>,
    /// s-NonIntraSearch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s_non_intra_search: Option<u8>,
    /// threshServingLow.
    pub thresh_serving_low: u8,
    /// cellReselectionPriority of the serving carrier.
    pub priority: u8,
    /// q-RxLevMin, steps of 2 dBm.
    pub q_rx_lev_min: i8,
    /// p-Max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_max_dbm: Option<i8>,
    /// s-IntraSearch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s_intra_search: Option<u8>,
    /// allowedMeasBandwidth, resource blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_meas_prb: Option<u8>,
    /// presenceAntennaPort1.
    pub presence_antenna_port1: bool,
    /// neighCellConfig, two bits.
    pub neigh_cell_config: u8,
    /// t-ReselectionEUTRA.
    pub t_reselection_s: u8,
    /// t-ReselectionEUTRA-SF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_reselection_sf: Option<SpeedFactors>,
    /// s-IntraSearch-v920.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s_intra_search_v920: Option<ThresholdPair>,
    /// s-NonIntraSearch-v920.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s_non_intra_search_v920: Option<ThresholdPair>,
    /// q-QualMin-r9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_qual_min_db: Option<i8>,
    /// threshServingLowQ-r9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresh_serving_low_q_db: Option<u8>,
    /// cellSelectionInfoCE-r13 or t-ReselectionEUTRA-CE-r13 is there.
    pub coverage_enhancement: bool,
}

/// A neighbour cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourCell {
    /// physCellId.
    pub pci: u16,
    /// q-OffsetCell.
    pub q_offset_db: i8,
}

/// A range of physical cell identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciRange {
    /// start.
    pub start: u16,
    /// How many; 1 where no range is given. 0: a spare value.
    pub count: u16,
}

/// SystemInformationBlockType4; TS 36.331 clause 6.3.1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib4 {
    /// intraFreqNeighCellList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<NeighbourCell>,
    /// intraFreqExcludedCellList (blacklist of earlier releases).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<PciRange>,
    /// csg-PhysCellIdRange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csg: Option<PciRange>,
}

/// One carrier of SystemInformationBlockType5; TS 36.331 clause 6.3.1. Thresholds count in steps of 2 dB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EutraLayer {
    /// dl-CarrierFreq, or dl-CarrierFreq-v9e0 where the number is above 65535.
    pub earfcn: u32,
    /// q-RxLevMin, steps of 2 dBm.
    pub q_rx_lev_min: i8,
    /// p-Max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_max_dbm: Option<i8>,
    /// t-ReselectionEUTRA.
    pub t_reselection_s: u8,
    /// t-ReselectionEUTRA-SF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_reselection_sf: Option<SpeedFactors>,
    /// threshX-High.
    pub thresh_x_high: u8,
    /// threshX-Low.
    pub thresh_x_low: u8,
    /// allowedMeasBandwidth, resource blocks.
    pub allowed_meas_prb: u8,
    /// presenceAntennaPort1.
    pub presence_antenna_port1: bool,
    /// cellReselectionPriority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// neighCellConfig, two bits.
    pub neigh_cell_config: u8,
    /// q-OffsetFreq.
    pub q_offset_freq_db: i8,
    /// interFreqNeighCellList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<NeighbourCell>,
    /// interFreqExcludedCellList (blacklist of earlier releases).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<PciRange>,
    /// q-QualMin-r9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_qual_min_db: Option<i8>,
}

/// One UTRA carrier. Thresholds count in steps of 2 dB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UtraLayer {
    /// carrierFreq.
    pub uarfcn: u16,
    /// cellReselectionPriority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// threshX-High.
    pub thresh_x_high: u8,
    /// threshX-Low.
    pub thresh_x_low: u8,
    /// q-RxLevMin, steps of 2 dBm, plus 1 dBm.
    pub q_rx_lev_min: i8,
    /// p-MaxUTRA.
    pub p_max_dbm: i8,
    /// q-QualMin; FDD only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_qual_min_db: Option<i8>,
}

/// SystemInformationBlockType6; TS 36.331 clause 6.3.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib6 {
    /// carrierFreqListUTRA-FDD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fdd: Vec<UtraLayer>,
    /// carrierFreqListUTRA-TDD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tdd: Vec<UtraLayer>,
    /// t-ReselectionUTRA.
    pub t_reselection_s: u8,
    /// t-ReselectionUTRA-SF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_reselection_sf: Option<SpeedFactors>,
}

/// One group of GERAN carriers. Thresholds count in steps of 2 dB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeranLayer {
    /// The carriers, in the order given: startingARFCN first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arfcns: Vec<u16>,
    /// bandIndicator is pcs1900: numbers 512 to 810 mean PCS 1900.
    pub pcs1900: bool,
    /// cellReselectionPriority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// ncc-Permitted, the NCC 0 highest.
    pub ncc_permitted: u8,
    /// q-RxLevMin, steps of 2 dB from -115 dBm.
    pub q_rx_lev_min: u8,
    /// p-MaxGERAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_max_dbm: Option<u8>,
    /// threshX-High.
    pub thresh_x_high: u8,
    /// threshX-Low.
    pub thresh_x_low: u8,
}

/// SystemInformationBlockType7; TS 36.331 clause 6.3.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib7 {
    /// carrierFreqsInfoList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<GeranLayer>,
    /// t-ReselectionGERAN.
    pub t_reselection_s: u8,
    /// t-ReselectionGERAN-SF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_reselection_sf: Option<SpeedFactors>,
}

/// A CDMA2000 band class of reselection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdmaBand {
    /// bandClass.
    pub band_class: u8,
    /// cellReselectionPriority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// threshX-High.
    pub thresh_x_high: u8,
    /// threshX-Low.
    pub thresh_x_low: u8,
}

/// CDMA2000 neighbours of one carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdmaCarrier {
    /// bandClass.
    pub band_class: u8,
    /// arfcn.
    pub arfcn: u16,
    /// physCellIdList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<u16>,
}

/// cellReselectionParametersHRPD or cellReselectionParameters1XRTT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdmaReselection {
    /// bandClassList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<CdmaBand>,
    /// neighCellList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carriers: Vec<CdmaCarrier>,
}

/// SystemInformationBlockType8; TS 36.331 clause 6.3.1. The system time is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib8 {
    /// searchWindowSize.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_window_size: Option<u8>,
    /// parametersHRPD; empty where it says nothing of reselection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hrpd: Option<CdmaReselection>,
    /// parameters1XRTT; empty where it says nothing of reselection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_x: Option<CdmaReselection>,
}
