//! How a node is, in its own words.

use super::{Clock, ClockError, Position, Schedule};
use crate::cell::Rat;
use crate::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What keeps a node's operator informed; sampled by the node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// When it was sampled.
    pub at_ns: Timestamp,
    /// Version of the software.
    pub version: String,
    /// When the process started.
    pub started_ns: Timestamp,
    /// Where the node stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Clock state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// Processor time used over wall time since the last report, percent of one core.
    pub cpu_percent: f64,
    /// Resident memory, octets.
    pub memory_octets: u64,
    /// Free space under the spool, octets.
    pub disk_free_octets: u64,
    /// Envelopes spooled and not yet acknowledged.
    pub spool_envelopes: u64,
    /// Octets of the spool.
    pub spool_octets: u64,
    /// Envelopes evicted from the spool since it was made.
    pub spool_evicted: u64,
    /// Samples received since the start.
    pub samples: u64,
    /// Samples known to be lost since the start.
    pub lost_samples: u64,
    /// Cells followed now.
    pub cells: u32,
    /// When a broadcast message was last received without error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_decode_ns: Option<Timestamp>,
    /// The same by band, such as `gsm 900`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last_decode_by_band: BTreeMap<String, Timestamp>,
    /// Temperature of the hottest part of the machine that tells one, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celsius: Option<f64>,
    /// Temperature of the receiver by its own sensor, of several the hottest, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_celsius: Option<f64>,
    /// Memory that the machine still has to give, octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_available_octets: Option<u64>,
    /// The receiver and how it is, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// The sample clock's own error, where licensed cells or a calibration tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error: Option<ClockError>,
    /// The same of each receiver, by its name, where the node has several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clock_errors: BTreeMap<String, ClockError>,
    /// What the navigation receiver says, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub navigation: Option<String>,
    /// The first octets of the SHA-256 of the configuration file in force, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// A report comes at least this often, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_s: Option<u32>,
    /// Conditions that want attention, in words; empty when all is well.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Carriers that it dwells on now because the hub asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dwells: Vec<Dwell>,
    /// What each of its receivers that scan is at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// Carriers of standards that are recognised and not decoded, of the last day. Told every hour and when one is new; absent in reports
    /// between.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_decoded: Vec<NotDecoded>,
    /// Signal that waited to be worked on, milliseconds: the longest of the moment before the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
    /// Tasks of the hub taken since the start.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tasks_taken: u64,
    /// Messages on the hub's topic refused since the start, tasks among them, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
}

/// A carrier of a standard that is recognised by its structure and not decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDecoded {
    /// The standard, as in the summary of a recording: `umts`, `nr`, `lte`, `lte/nr`.
    pub standard: String,
    /// Its middle; that of the band where its edges are not seen.
    pub center_hz: u64,
    /// Distance between its edges, where they are seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_hz: Option<u32>,
    /// When it was recognised last.
    pub seen_ns: Timestamp,
}

/// A carrier whose cells a node tells of every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dwell {
    /// The standard.
    pub rat: Rat,
    /// The nominal carrier.
    pub center_hz: u64,
    /// Until when.
    pub until_ns: Timestamp,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
