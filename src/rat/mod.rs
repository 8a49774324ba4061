//! Receivers, one per standard: samples in, [`CellReport`]s out.

pub mod gsm;
pub mod lte;

use crate::cell::{CellIdentity, CellKey};
use crate::observation::{BroadcastBlock, CarrierError, Fields, FrameTiming};
use crate::units::{Db, Dbfs, Nanos};
use std::collections::BTreeMap;

/// What a receiver knows of one cell at one instant of its stream. Times count from the stream's sample 0.
#[derive(Clone, Debug, PartialEq)]
pub struct CellReport {
    /// What was heard.
    pub key: CellKey,
    /// What it said it is.
    pub identity: Option<CellIdentity>,
    /// Start of the first burst or symbol that belongs to the cell.
    pub first: Nanos,
    /// End of the last one.
    pub last: Nanos,
    /// Power of the cell's own signal.
    pub level: Dbfs,
    /// One standard deviation of `level` over the observed stretch.
    pub level_sigma: Db,
    /// Signal to noise in the standard's reference bandwidth.
    pub snr: Db,
    /// Carrier error.
    pub carrier: CarrierError,
    /// Frame timing; `at_ns` here counts from the stream's sample 0 by the nominal sample rate.
    pub timing: Option<FrameTiming>,
    /// Counters by name, such as `sch`, `bcch`, `bcch_failed`.
    pub counts: BTreeMap<&'static str, u64>,
    /// Distinct broadcast messages, at most [`MAX_BROADCAST`].
    pub broadcast: Vec<BroadcastBlock>,
    /// What they say.
    pub fields: Option<Fields>,
}

/// Distinct broadcast messages kept a cell; wire contract, `broadcast`.
pub const MAX_BROADCAST: usize = 32;
