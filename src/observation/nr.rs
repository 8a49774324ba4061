//! What is known of an NR cell beyond its key.
//!
//! ## References
//! - 3GPP TS 38.211 and 38.215 Release 17: blocks and measurements

use crate::units::Dbfs;
use serde::{Deserialize, Serialize};

/// Everything that one cell says, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NrFields {
    /// How its blocks were received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radio: Option<Radio>,
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
