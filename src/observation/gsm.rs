//! The fields of GSM SYSTEM INFORMATION that rules look at, by name of the standard and as coded on the air.
//!
//! Codes stay codes (a `T3212` of 10 is sixty minutes): rules compare with what a stack was configured with, and accessors give
//! the physical value where a reader wants one. Every field is `None` until a message that carries it was received.
//!
//! ## References
//! - 3GPP TS 44.018 Release 17: RR protocol, clauses 9.1.31 to 9.1.43 and 10.5.2
//! - 3GPP TS 45.008 Release 17: radio link control, clause 6 (cell selection)
//! - 3GPP TS 24.008 Release 17, clause 10.5.1.3 (location area identification)

use crate::units::{Db, Dbm};
use serde::{Deserialize, Serialize};

/// Everything heard in the SYSTEM INFORMATION messages of one cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GsmFields {
    /// Types received, in the order of [`SiType`].
    pub si_types: Vec<SiType>,
    /// Which type came at which TC (`FN div 51 mod 8`) on BCCH Norm; TS 45.002 clause 6.3.1.3.
    pub schedule: [Option<SiType>; 8],
    /// Cell channel description of SI1: the cell allocation, ARFCNs ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell_allocation: Option<Vec<u16>>,
    /// Neighbour cell description of SI2 (BA list), ARFCNs ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours_si2: Option<Vec<u16>>,
    /// Extended neighbour cell description of SI2bis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours_si2bis: Option<Vec<u16>>,
    /// Extended neighbour cell description of SI2ter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours_si2ter: Option<Vec<u16>>,
    /// NCC permitted of SI2, bit n set: NCC n is permitted; TS 44.018 clause 10.5.2.27.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ncc_permitted: Option<u8>,
    /// Control channel description of SI3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_channel: Option<ControlChannel>,
    /// Cell options (BCCH) of SI3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell_options: Option<CellOptions>,
    /// Cell selection parameters of SI3 and SI4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<CellSelection>,
    /// RACH control parameters of SI1 to SI4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rach: Option<RachControl>,
    /// SI3 rest octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub si3_rest: Option<RestOctets>,
    /// SI4 rest octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub si4_rest: Option<RestOctets>,
    /// SI4 carries a CBCH channel description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cbch_present: Option<bool>,
    /// SI13 rest octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gprs: Option<Gprs>,
    /// Neighbours in other technologies, SI2ter and SI2quater rest octets together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_rats: Option<OtherRats>,
}

/// Types of SYSTEM INFORMATION sent on the BCCH; TS 44.018 table 9.1.1 (message type) and table 10.4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SiType {
    /// Type 1.
    #[serde(rename = "1")]
    Si1,
    /// Type 2.
    #[serde(rename = "2")]
    Si2,
    /// Type 2bis.
    #[serde(rename = "2bis")]
    Si2bis,
    /// Type 2ter.
    #[serde(rename = "2ter")]
    Si2ter,
    /// Type 2quater.
    #[serde(rename = "2quater")]
    Si2quater,
    /// Type 3.
    #[serde(rename = "3")]
    Si3,
    /// Type 4.
    #[serde(rename = "4")]
    Si4,
    /// Type 7.
    #[serde(rename = "7")]
    Si7,
    /// Type 8.
    #[serde(rename = "8")]
    Si8,
    /// Type 9.
    #[serde(rename = "9")]
    Si9,
    /// Type 13.
    #[serde(rename = "13")]
    Si13,
    /// Type 16.
    #[serde(rename = "16")]
    Si16,
    /// Type 17.
    #[serde(rename = "17")]
    Si17,
    /// Any other type that TS 44.018 table 10.4.1 lists for the BCCH; kept as octets, not interpreted.
    #[serde(rename = "other")]
    Other,
}

/// Control channel description; TS 44.018 clause 10.5.2.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlChannel {
    /// MSCR: the core network is of Release 99 or later.
    pub mscr: bool,
    /// ATT: phones must attach and detach their IMSI.
    pub att: bool,
    /// BS_AG_BLKS_RES code.
    pub bs_ag_blks_res: u8,
    /// CCCH_CONF code; 1: one CCCH combined with SDCCHs.
    pub ccch_conf: u8,
    /// CBQ3 code.
    pub cbq3: u8,
    /// BS_PA_MFRMS code, 0..=7 for 2..=9 multiframes.
    pub bs_pa_mfrms: u8,
    /// T3212 in units of six minutes; 0: no periodic location updating.
    pub t3212: u8,
}

/// Cell options (BCCH); TS 44.018 clause 10.5.2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellOptions {
    /// DN-IND.
    pub dn_ind: bool,
    /// PWRC.
    pub pwrc: bool,
    /// DTX code; 0 may, 1 shall, 2 shall not be used by phones.
    pub dtx: u8,
    /// RADIO_LINK_TIMEOUT code: (code + 1) * 4 SACCH blocks.
    pub radio_link_timeout: u8,
}

/// Cell selection parameters; TS 44.018 clause 10.5.2.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellSelection {
    /// CELL_RESELECT_HYSTERESIS code, 2 dB a step.
    pub cell_reselect_hysteresis: u8,
    /// MS_TXPWR_MAX_CCH code.
    pub ms_txpwr_max_cch: u8,
    /// ACS: additional reselection parameters are in SI16 and SI17 (SI3) or in this message's rest octets (SI4).
    pub acs: bool,
    /// NECI: new establishment causes are supported.
    pub neci: bool,
    /// RXLEV_ACCESS_MIN code: (code - 110) dBm.
    pub rxlev_access_min: u8,
}

impl CellSelection {
    /// The level below which a phone may not camp; TS 45.008 clause 8.1.4.
    pub fn rxlev_access_min_dbm(&self) -> Dbm {
        Dbm(f64::from(self.rxlev_access_min) - 110.0)
    }
}

/// RACH control parameters; TS 44.018 clause 10.5.2.29.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RachControl {
    /// Max retrans code: 0..=3 for 1, 2, 4, 7.
    pub max_retrans: u8,
    /// Tx-integer code.
    pub tx_integer: u8,
    /// CELL_BAR_ACCESS.
    pub cell_barred: bool,
    /// RE: call re-establishment is NOT allowed.
    pub re: bool,
    /// AC CN, 16 bits; bit n set: access class n is barred, bit 10 set: no emergency calls.
    pub access_classes_barred: u16,
}

/// Rest octets of SI3 and SI4, those parts that both have; TS 44.018 clauses 10.5.2.34 and 10.5.2.35.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestOctets {
    /// Every octet is padding (0x2B).
    pub padding_only: bool,
    /// Optional selection parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<ReselectionParameters>,
    /// Optional power offset code, 2 dB a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_offset: Option<u8>,
    /// SI3: system information 2ter indicator.
    pub si2ter: bool,
    /// SI3: early classmark sending control.
    pub early_classmark: bool,
    /// SI3: Scheduling if and where, the `WHERE` code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling_where: Option<u8>,
    /// GPRS indicator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gprs: Option<GprsIndicator>,
    /// SI3: 3G early classmark sending restriction is lifted.
    pub early_classmark_3g: bool,
    /// SI3: SI2quater indicator and position; `Some(true)`: on BCCH Ext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub si2quater_on_ext: Option<bool>,
}

/// Parameters of the C2 criterion; TS 45.008 clauses 6.4 and 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReselectionParameters {
    /// CBQ, CELL_BAR_QUALIFY.
    pub cell_bar_qualify: bool,
    /// CELL_RESELECT_OFFSET code, 2 dB a step.
    pub cell_reselect_offset: u8,
    /// TEMPORARY_OFFSET code, 10 dB a step, 7: infinity.
    pub temporary_offset: u8,
    /// PENALTY_TIME code, 20 s a step; 31: the sign of the offset turns.
    pub penalty_time: u8,
}

impl ReselectionParameters {
    /// CELL_RESELECT_OFFSET as a level difference.
    pub fn cell_reselect_offset_db(&self) -> Db {
        Db(2.0 * f64::from(self.cell_reselect_offset))
    }
}

/// GPRS indicator; TS 44.018 clause 10.5.2.34.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GprsIndicator {
    /// RA COLOUR.
    pub ra_colour: u8,
    /// SI13 comes on BCCH Ext instead of BCCH Norm.
    pub si13_on_ext: bool,
}

/// SI13 rest octets, those parts that tell stacks apart; TS 44.018 clause 10.5.2.37b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gprs {
    /// BCCH_CHANGE_MARK.
    pub bcch_change_mark: u8,
    /// RAC, routeing area code; `None` where a PBCCH is described instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rac: Option<u8>,
    /// SPGC_CCCH_SUP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spgc_ccch_sup: Option<bool>,
    /// PRIORITY_ACCESS_THR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_access_thr: Option<u8>,
    /// NETWORK_CONTROL_ORDER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_control_order: Option<u8>,
    /// NMO, network mode of operation, coded 0..=2 for I..=III.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nmo: Option<u8>,
    /// T3168 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t3168: Option<u8>,
    /// T3192 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t3192: Option<u8>,
}

/// Neighbours in other technologies; TS 44.018 clauses 10.5.2.33a and 10.5.2.33b.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherRats {
    /// UTRAN FDD: UARFCNs with their scrambling codes (0..=511), ascending.
    pub utran_fdd: Vec<(u16, Vec<u16>)>,
    /// E-UTRAN: EARFCNs with their priority where given, ascending.
    pub eutran: Vec<(u32, Option<u8>)>,
    /// 3G_BA_IND and MP_CHANGE_MARK of the SI2quater behind this: where one turns, the lists begin anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_marks: Option<(bool, bool)>,
}
