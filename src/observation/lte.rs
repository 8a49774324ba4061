//! What an LTE cell broadcasts, as rules look at it: names and values of TS 36.331.
//!
//! A field whose name ends in a unit holds the physical value; the others hold the number of the standard, whose step the field
//! names.
//! Every part is `None` until a message that carries it was received.
//!
//! ## References
//! - 3GPP TS 36.331 Release 17: RRC, clauses 6.2.2 (messages) and 6.3.1 (system information blocks)
//! - 3GPP TS 36.304 Release 17: procedures in idle mode, clause 5.2 (selection and reselection)
//! - 3GPP TS 23.041 Release 17: cell broadcast, clause 9.4 (warning messages)

mod radio;
mod reselection;

pub use radio::{
    AcBarring, AcBarringConfig, MbsfnSubframes, PrachConfig, PreamblesGroupA, PucchConfig, PuschConfig, RachConfig,
    Sib2, SoundingConfig, UeTimers, UplinkPower,
};
pub use reselection::{
    CdmaBand, CdmaCarrier, CdmaReselection, EutraLayer, GeranLayer, NeighbourCell, PciRange, Sib3, Sib4, Sib6, Sib7,
    Sib8, SpeedFactors, SpeedState, ThresholdPair, UtraLayer,
};

use super::Octets;
use crate::cell::Plmn;
use crate::units::{Db, Dbfs, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How frames are built, which no message says: it is found out by receiving them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Radio {
    /// Frame structure type 2 instead of 1; TS 36.211 clause 4.
    pub tdd: bool,
    /// Extended cyclic prefix; TS 36.211 table 6.12-1.
    pub extended_cp: bool,
    /// Cell-specific antenna ports: 1, 2 or 4.
    pub ports: u8,
    /// Power of a reference element, relative to a full-scale sine; TS 36.214 clause 5.1.1.
    pub rsrp_dbfs: Dbfs,
    /// RSRQ; TS 36.214 clause 5.1.3.
    pub rsrq_db: Db,
}

/// What a cell's signal shows of its quality and of the way it came: measured from reference signals and the broadcast channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// RS-SINR; TS 36.214 clause 5.1.13.
    pub rs_sinr_db: Db,
    /// RSSI of the cell's bandwidth, relative to a full-scale sine; TS 36.214 clause 5.1.3.
    pub rssi_dbfs: Dbfs,
    /// Error vector magnitude of the PBCH, root mean square, by decisions: too small below some 8 dB; TS 36.104 annex E.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pbch_evm_percent: Option<f32>,
    /// How much later than the first path the strongest one comes, 0 where it is the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strongest_excess_ns: Option<u32>,
    /// Root mean square of the paths' delays about their mean, weighted by power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rms_delay_spread_ns: Option<u32>,
    /// The path after the first one; `None` where one path alone is told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_arrival: Option<SecondArrival>,
    /// Spectrum that holds the cell's reference signals; `None` where the stream is narrower than the MIB's bandwidth or the cell too
    /// weak to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occupied: Option<Occupied>,
}

/// How far a cell's reference signals reach, which every resource block of it holds, used or not; TS 36.211 clause 6.10.1.2.
///
/// Edges count in halves of a resource block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occupied {
    /// Below the carrier.
    pub below_khz: u16,
    /// Above the carrier.
    pub above_khz: u16,
    /// How far to either side was looked: a cell whose edges lie there may reach further.
    pub looked_khz: u16,
    /// Reference signals stronger than this, relative to those inside, would have been seen beyond the edges, where the MIB says that
    /// there are some and at least two resource blocks further (six standard deviations); `None` where nothing was looked at there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_db: Option<Db>,
}

impl Occupied {
    /// Resource blocks that it comes to.
    pub fn blocks(&self) -> f64 {
        f64::from(u32::from(self.below_khz) + u32::from(self.above_khz)) / 180.0
    }

    /// The cell may reach further than was looked.
    pub fn is_open(&self) -> bool {
        self.below_khz.max(self.above_khz) >= self.looked_khz
    }
}

/// The path that arrives second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecondArrival {
    /// After the first one.
    pub delay_ns: u32,
    /// Power relative to the first one's.
    pub level_db: Db,
}

/// Everything that one cell says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LteFields {
    /// What its signal shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radio: Option<Radio>,
    /// Quality of its signal and delays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// MasterInformationBlock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mib: Option<Mib>,
    /// SystemInformationBlockType1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib1: Option<Sib1>,
    /// Types of the other blocks received, ascending; those that are not decoded too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sib_types: Vec<u8>,
    /// SystemInformationBlockType2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib2: Option<Sib2>,
    /// SystemInformationBlockType3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib3: Option<Sib3>,
    /// SystemInformationBlockType4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib4: Option<Sib4>,
    /// Carriers of SystemInformationBlockType5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib5: Option<Vec<EutraLayer>>,
    /// SystemInformationBlockType6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib6: Option<Sib6>,
    /// SystemInformationBlockType7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib7: Option<Sib7>,
    /// SystemInformationBlockType8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib8: Option<Sib8>,
    /// hnb-Name of SystemInformationBlockType9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hnb_name: Option<String>,
    /// SystemInformationBlockType10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etws_primary: Option<EtwsPrimary>,
    /// Warnings of SystemInformationBlockType11 and 12, in the order of arrival; at most [`MAX_WARNINGS`], the latest ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// SystemInformationBlockType13.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib13: Option<Sib13>,
    /// timeInfo of SystemInformationBlockType16, as last received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sib16: Option<TimeInfo>,
}

/// Warnings kept a cell. Chosen: more than any authority sends at once, and little memory where a false cell makes them up.
pub const MAX_WARNINGS: usize = 8;

/// MasterInformationBlock; TS 36.331 clause 6.2.2. The frame number is not part of it: it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mib {
    /// dl-Bandwidth, resource blocks: 6, 15, 25, 50, 75 or 100.
    pub prb: u8,
    /// phich-Duration is extended.
    pub phich_extended: bool,
    /// phich-Resource N_g in sixths: 1, 3, 6 or 12.
    pub phich_ng_sixths: u8,
    /// schedulingInfoSIB1-BR: 0 where no SIB1-BR is sent (Release 13), else the cell serves category M terminals.
    pub scheduling_sib1_br: u8,
    /// The five bits after it, of later releases or spare.
    pub spare: u8,
}

/// One PLMN of SIB1's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BroadcastPlmn {
    /// The PLMN; `None` where its digits are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plmn: Option<Plmn>,
    /// cellReservedForOperatorUse.
    pub reserved_for_operator_use: bool,
}

/// One entry of schedulingInfoList.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// si-Periodicity, radio frames.
    pub period_frames: u16,
    /// sib-MappingInfo; the first entry carries type 2 as well, unmentioned. 0: a type of a release unknown here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sib_types: Vec<u8>,
}

/// tdd-Config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TddConfig {
    /// subframeAssignment, 0 to 6; TS 36.211 table 4.2-2.
    pub subframe_assignment: u8,
    /// specialSubframePatterns, 0 to 8; TS 36.211 table 4.2-1.
    pub special_subframe_patterns: u8,
}

/// SystemInformationBlockType1; TS 36.331 clause 6.2.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib1 {
    /// plmn-IdentityList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plmns: Vec<BroadcastPlmn>,
    /// trackingAreaCode.
    pub tac: u16,
    /// cellIdentity, 28 bits.
    pub eci: u32,
    /// cellBarred.
    pub cell_barred: bool,
    /// intraFreqReselection.
    pub intra_freq_reselection_allowed: bool,
    /// csg-Indication.
    pub csg_indication: bool,
    /// csg-Identity, 27 bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csg_identity: Option<u32>,
    /// q-RxLevMin, steps of 2 dBm.
    pub q_rx_lev_min: i8,
    /// q-RxLevMinOffset, steps of 2 dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_rx_lev_min_offset: Option<u8>,
    /// p-Max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_max_dbm: Option<i8>,
    /// freqBandIndicator, then multiBandInfoList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<u16>,
    /// schedulingInfoList.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scheduling: Vec<Scheduling>,
    /// tdd-Config; `None` for FDD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tdd: Option<TddConfig>,
    /// si-WindowLength.
    pub si_window_ms: u8,
    /// systemInfoValueTag.
    pub value_tag: u8,
    /// ims-EmergencySupport-r9.
    pub ims_emergency: bool,
    /// q-QualMin-r9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q_qual_min_db: Option<i8>,
    /// bandwidthReducedAccessRelatedInfo-r13 is there: the cell serves category M terminals.
    pub bandwidth_reduced: bool,
    /// How many nonCriticalExtensions stand inside one another: 1 is v890-IEs, 2 v920, 3 v1130, 4 v1250, 5 v1310 and later.
    pub extensions: u8,
}

/// SystemInformationBlockType10: the short first word of an earthquake or tsunami warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtwsPrimary {
    /// messageIdentifier; TS 23.041 clause 9.4.1.2.2.
    pub message_identifier: u16,
    /// serialNumber; TS 23.041 clause 9.4.1.2.1.
    pub serial_number: u16,
    /// warningType; TS 23.041 clause 9.3.24.
    pub warning_type: u16,
}

/// Which block carries a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WarningKind {
    /// SystemInformationBlockType11: secondary notification of ETWS.
    Etws,
    /// SystemInformationBlockType12: CMAS and its kin, cell broadcast to the public.
    Cmas,
}

/// A warning message, put together from its segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Which block carries it.
    pub kind: WarningKind,
    /// messageIdentifier; TS 23.041 clause 9.4.1.2.2.
    pub message_identifier: u16,
    /// serialNumber; TS 23.041 clause 9.4.1.2.1.
    pub serial_number: u16,
    /// dataCodingScheme of the first segment; TS 23.038 clause 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_coding_scheme: Option<u8>,
    /// Segments by number, until the text is complete.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub segments: BTreeMap<u8, Octets>,
    /// Number of the last segment, once it was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_segment: Option<u8>,
    /// Its language by ISO 639-1, where the scheme or the message names one; told with the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The text; `None` until each segment was received, or where the coding is not one of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One entry of mbsfn-AreaInfoList-r9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MbsfnArea {
    /// mbsfn-AreaId-r9.
    pub area_id: u8,
    /// non-MBSFNregionLength.
    pub non_mbsfn_region_symbols: u8,
    /// notificationIndicator-r9.
    pub notification_indicator: u8,
    /// mcch-RepetitionPeriod-r9.
    pub mcch_period_frames: u16,
    /// mcch-Offset-r9.
    pub mcch_offset: u8,
    /// mcch-ModificationPeriod-r9.
    pub mcch_modification_period_frames: u16,
    /// sf-AllocInfo-r9, six bits.
    pub subframe_allocation: u8,
    /// signallingMCS-r9.
    pub signalling_mcs: u8,
}

/// SystemInformationBlockType13; TS 36.331 clause 6.3.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sib13 {
    /// mbsfn-AreaInfoList-r9.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<MbsfnArea>,
    /// notificationRepetitionCoeff-r9.
    pub notification_repetition_coeff: u8,
    /// notificationOffset-r9.
    pub notification_offset: u8,
    /// notificationSF-Index-r9.
    pub notification_subframe_index: u8,
}

/// timeInfo-r11 of SystemInformationBlockType16: what the cell says the time is at the end of its SI window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeInfo {
    /// timeInfoUTC-r11, to 10 ms.
    pub utc_ns: Timestamp,
    /// dayLightSavingTime-r11: hours that daylight saving adds, 3 being reserved; TS 24.008 clause 10.5.3.12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daylight_saving: Option<u8>,
    /// leapSeconds-r11: GPS minus UTC, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leap_seconds: Option<i16>,
    /// localTimeOffset-r11: local time minus UTC, quarters of an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_time_offset_quarters: Option<i8>,
}

impl Mib {
    /// phich-Resource as the standard writes it: `1/6`, `1/2`, `1` or `2`.
    pub fn phich_ng(&self) -> &'static str {
        match self.phich_ng_sixths {
            1 => "1/6",
            3 => "1/2",
            6 => "1",
            _ => "2",
        }
    }
}

impl LteFields {
    /// The highest cellReselectionPriority given to LTE, in SIB3 and SIB5.
    pub fn highest_eutra_priority(&self) -> Option<u8> {
        let layers = self.sib5.iter().flatten().filter_map(|layer| layer.priority);
        layers.chain(self.sib3.iter().map(|sib3| sib3.priority)).max()
    }

    /// The highest cellReselectionPriority given to UTRA and GERAN, in SIB6 and SIB7.
    pub fn highest_legacy_priority(&self) -> Option<u8> {
        let utra =
            self.sib6.iter().flat_map(|sib6| sib6.fdd.iter().chain(&sib6.tdd)).filter_map(|layer| layer.priority);
        let geran = self.sib7.iter().flat_map(|sib7| &sib7.layers).filter_map(|layer| layer.priority);
        utra.chain(geran).max()
    }
}
