//! The wire types: what a node says to the hub, and the only thing that rules may look at.
//!
//! A node turns a receiver's report into an [`Observation`], rules turn observations into a [`Finding`], and both travel as
//! [`Item`]s of a signed [`envelope`]. The hub knows nothing else of a node.

pub mod envelope;
mod finding;
pub mod gsm;
mod health;
pub mod lte;
pub mod nr;
mod scan;

pub use finding::{Evidence, Finding, Tier, VerdictClass};
pub use health::{Dwell, Health, NotDecoded};
pub use scan::{MAX_SHAPES, Schedule, SpectrumTile, TileCarrier};

use crate::cell::{CellIdentity, CellKey, Rat, gsm_arfcn, lte_earfcn, nr_arfcn};
use crate::units::{Db, Dbfs, Dbm, Hz, Nanos, Ppb, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The version of everything in this module as it goes over the wire; a reader takes this one and the one before.
pub const SCHEMA: u16 = 1;

/// The name of a node or of a hub: 1 to 32 of `a-z`, `0-9` and `-`, also the common name of its certificate and the
/// second-to-last level of its topics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(String);

/// A text that cannot name a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" cannot name a node: use 1 to 32 of a-z, 0-9 and '-'")]
pub struct NodeIdError {
    /// The text as given.
    pub text: String,
}

impl NodeId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;
    fn from_str(text: &str) -> Result<NodeId, NodeIdError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(NodeId(text.to_owned()))
        } else {
            Err(NodeIdError { text: text.to_owned() })
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Octets off the air: a byte string in CBOR, lower-case hexadecimal in JSON.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets(pub Vec<u8>);

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Octets({self})")
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Octets, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Octets;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string or hexadecimal text")
            }
            fn visit_bytes<E: serde::de::Error>(self, octets: &[u8]) -> Result<Octets, E> {
                Ok(Octets(octets.to_vec()))
            }
            fn visit_byte_buf<E: serde::de::Error>(self, octets: Vec<u8>) -> Result<Octets, E> {
                Ok(Octets(octets))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Octets, E> {
                hex::decode(text).map(Octets).map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            // Owned: what is borrowed has to fit the reader's own 4096 octets.
            deserializer.deserialize_byte_buf(Visitor)
        }
    }
}

/// Where a clock takes its time from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// Pulse per second of a GNSS receiver.
    GnssPps,
    /// GNSS-disciplined oscillator.
    Gpsdo,
    /// Network time protocol.
    Ntp,
    /// Nothing.
    Free,
    /// The times of a recording.
    Recording,
}

/// The state of the clock that stamped an observation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Where the time comes from.
    pub source: ClockSource,
    /// One standard deviation of the absolute time; `None` where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_ns: Option<Nanos>,
    /// The source is locked now.
    pub locked: bool,
    /// Since when this state has held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ns: Option<Timestamp>,
}

/// Where a node stands: WGS-84 degrees, metres above the ellipsoid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Latitude, degrees, north positive.
    pub lat_deg: f64,
    /// Longitude, degrees, east positive.
    pub lon_deg: f64,
    /// Height of the antenna above the ellipsoid, metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_m: Option<f64>,
    /// One standard deviation in the horizontal, metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_m: Option<f64>,
}

/// A received level with what is known of its trustworthiness.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Relative to full scale of the converter.
    pub dbfs: Dbfs,
    /// At the antenna port; `None` where no calibration covers this device, band and gain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dbm: Option<Dbm>,
    /// One standard deviation of the level given.
    pub sigma_db: Db,
}

/// A received carrier frequency against its nominal value, as seen by the node's clock; positive: above nominal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CarrierError {
    /// Received minus nominal.
    pub hz: Hz,
    /// The same relative to the nominal carrier.
    pub ppb: Ppb,
    /// One standard deviation of `ppb`, measurement noise only.
    pub sigma_ppb: Ppb,
}

/// The frame whose start a [`FrameTiming`] names; never a remainder of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FrameName {
    /// GSM: the TDMA frame number, 0..2715648; TS 45.002 clause 4.3.3.
    Gsm {
        /// Frame number.
        #[serde(rename = "fn")]
        frame_number: u32,
    },
    /// LTE and NR: the radio frame and which half of it.
    Radio {
        /// System frame number, 0..1024.
        sfn: u16,
        /// 0 or 1.
        half: u8,
    },
}

/// When a named frame starts at the antenna port, on the node's clock, and how fast the cell's frames drift on it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameTiming {
    /// Start of the frame, whole nanoseconds.
    pub at_ns: Timestamp,
    /// The rest, 0.0..1.0 ns.
    pub at_frac_ns: f64,
    /// One standard deviation of the instant, measurement noise only.
    pub sigma_ns: f64,
    /// Which frame.
    pub frame: FrameName,
    /// Received frame rate against nominal: positive, the cell's frames come too fast.
    pub rate_ppb: Ppb,
    /// One standard deviation of `rate_ppb`.
    pub rate_sigma_ppb: Ppb,
}

/// One distinct broadcast message of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BroadcastBlock {
    /// Its name as in the wire contract: `SI3`, `MIB`, `SIB1`.
    pub name: String,
    /// The octets as received.
    pub octets: Octets,
    /// How often this content was received without error.
    pub count: u32,
}

/// Decoded broadcast fields, by standard.
#[expect(clippy::large_enum_variant, reason = "a report holds one of them, and what it points to is larger")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fields {
    /// SYSTEM INFORMATION of a GSM cell.
    Gsm(gsm::GsmFields),
    /// MIB and system information of an LTE cell.
    Lte(Box<lte::LteFields>),
    /// MIB and SIB1 of an NR cell.
    Nr(Box<nr::NrFields>),
}

impl Fields {
    /// The fields of a GSM cell; `None` where it is another one.
    pub fn gsm(&self) -> Option<&gsm::GsmFields> {
        match self {
            Fields::Gsm(fields) => Some(fields),
            Fields::Lte(_) | Fields::Nr(_) => None,
        }
    }

    /// The fields of an LTE cell; `None` where it is another one.
    pub fn lte(&self) -> Option<&lte::LteFields> {
        match self {
            Fields::Lte(fields) => Some(fields),
            Fields::Gsm(_) | Fields::Nr(_) => None,
        }
    }

    /// The fields of an NR cell; `None` where it is another one.
    pub fn nr(&self) -> Option<&nr::NrFields> {
        match self {
            Fields::Nr(fields) => Some(fields),
            Fields::Gsm(_) | Fields::Lte(_) => None,
        }
    }
}

/// The state of the receiver while it observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReceiverState {
    /// Identifies an unbroken sample clock and tuning: timings of two observations of one stream share one clock.
    pub stream: String,
    /// Samples at full scale, parts per million, over the life of the stream.
    pub clipped_ppm: u32,
    /// Samples known to be lost, over the life of the stream.
    pub lost_samples: u64,
    /// The gain elements of the receiver together, dB; `None` where it has none, or it is a recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_db: Option<Db>,
    /// The sample clock's own error: beside the carrier errors and rates, not subtracted from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error: Option<ClockError>,
    /// What was subtracted from every time; `None`: times are not calibrated, they are those of the time stamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
}

/// How far a receiver's sample clock is from its nominal rate; positive: it runs fast, and a true carrier appears below its place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClockError {
    /// The error.
    pub ppb: Ppb,
    /// One standard deviation.
    pub sigma_ppb: Ppb,
}

/// From the antenna port to the time stamp: cable, filter and device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// The delay, nanoseconds.
    pub ns: f64,
    /// One standard deviation, nanoseconds.
    pub sigma_ns: f64,
}

/// Where a direction finder hears the cell from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bearing {
    /// From the node's antenna, clockwise from true north, degrees.
    pub deg: f64,
    /// One standard deviation, degrees.
    pub sigma_deg: f64,
}

/// What a node heard of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When, at the antenna port: the end of the stretch of signal that the figures rest on.
    pub at_ns: Timestamp,
    /// When this cell was first heard in this stream.
    pub first_ns: Timestamp,
    /// The clock behind every time here.
    pub clock: Clock,
    /// Where the node stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What was heard.
    pub cell: CellKey,
    /// What it said it is; `None` until a message that says so was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<CellIdentity>,
    /// How strongly.
    pub level: Level,
    /// Signal to noise; the bandwidth it refers to is the standard's (wire contract).
    pub snr_db: Db,
    /// Its carrier.
    pub carrier: CarrierError,
    /// Its frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<FrameTiming>,
    /// Its direction, where the node has an antenna that tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearing: Option<Bearing>,
    /// The octets behind `fields`, one entry a distinct content, at most 32. A routine report of a cell whose content hash was told
    /// before comes without both.
    #[serde(default)]
    pub broadcast: Vec<BroadcastBlock>,
    /// What the octets say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Fields>,
    /// SHA-256 over the stable broadcast octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<Octets>,
    /// The receiver behind it.
    pub receiver: ReceiverState,
}

impl Observation {
    /// ARFCN, EARFCN or NR-ARFCN of its carrier, of NR that of its synchronisation block; EARFCN by the bands that SIB1 names, because
    /// several bands have the same carriers. `None` where that is not known, and for other standards.
    pub fn channel(&self) -> Option<u32> {
        match self.cell.rat {
            Rat::Gsm => gsm_arfcn(self.cell.center_hz).map(u32::from),
            Rat::Lte => {
                let sib1 = self.fields.as_ref().and_then(Fields::lte)?.sib1.as_ref()?;
                sib1.bands.iter().find_map(|&band| lte_earfcn(self.cell.center_hz, band))
            }
            Rat::Nr => nr_arfcn(self.cell.center_hz),
            Rat::Umts => None,
        }
    }
}

/// One thing that a node tells the hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Item {
    /// What was heard.
    Observation(Box<Observation>),
    /// What a rule made of it.
    Finding(Box<Finding>),
    /// How the node is.
    Health(Box<Health>),
    /// An envelope that was evicted from the spool before the hub had it.
    Tombstone(Tombstone),
    /// What a stretch of spectrum looks like, coarsely.
    Spectrum(Box<SpectrumTile>),
}

/// Stands for an envelope that is lost: keeps the chain of hashes whole and the loss visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Sequence number of the lost envelope.
    pub seq: u64,
    /// SHA-256 of the lost envelope.
    pub sha256: Octets,
    /// How many items it held.
    pub items: u32,
}

/// Where an item came from; unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The node that signed it.
    pub node: NodeId,
    /// The node's boot, 16 random octets.
    pub boot: Octets,
    /// The envelope's sequence number in that boot, from 1.
    pub seq: u64,
    /// The item's place in the envelope, from 0.
    pub index: u32,
}
