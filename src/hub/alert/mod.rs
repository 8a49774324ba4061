//! Alerts: an emitter that a regulator should look at, with its class, its life cycle and everything needed to answer for it.
//!
//! ```text
//! Emitter -> classify -> Assessment -> lifecycle -> Alert + Event -> book (SQLite, one transaction with the cursor)
//! ```
//!
//! An alert opens at once on a finding that is enough alone (tier A, from two error-free copies); otherwise the evidence has to stand for
//! a dwell time. It closes when nobody heard the emitter for a while *although a node that used to hear it was listening*; silence of
//! the nodes closes nothing. Every change is an event with an ascending number: the audit trail, the live feed and its resume are one
//! table. Time is the hub's time line taken from the journal, so reading the journal again gives the same alerts.

mod book;
mod classify;
mod compare;
mod keep;
mod lifecycle;
mod rows;
mod territory;
mod tiles;
pub mod words;

pub use book::{Act, AlertError, Batch, Book, Cache, Filter, Resume};
pub use classify::{Assessment, assess};
pub use compare::{HubEvidence, title};
pub use lifecycle::{AlertConfig, Seen, Step, forgotten, heard_again, merged, quiet, step};
pub use territory::{Regulator, regulators};

use crate::cell::{CellIdentity, CellKey};
use crate::hub::fuse::{Emitter, EmitterId, Licence, RelativeCarrier};
use crate::hub::place::{Basis, Placed};
use crate::observation::{Clock, Evidence, Level, NodeId, Octets, Origin, Position, Tier, VerdictClass};
use crate::units::{Db, Ppb, Timestamp};
use serde::{Deserialize, Serialize};

/// The number of an alert; counts up in the order of opening and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub i64);

impl std::fmt::Display for AlertId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has taken it yet.
    Open,
    /// Somebody deals with it.
    Acknowledged,
    /// Done with, until it is heard again.
    Closed,
}

/// Why an alert was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// No longer heard while nodes listened.
    Gone,
    /// Taken off the air.
    Removed,
    /// An operator or the register showed that it is licensed.
    Licensed,
    /// There was nothing to alert about.
    FalseAlarm,
    /// It is the same transmitter as that of another alert.
    Merged,
}

/// How much is at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the file.
    Low,
    /// Ask the operator.
    Medium,
    /// Send somebody soon.
    High,
    /// People are being harmed now.
    Critical,
}

/// How sure the hub is, in words that a court can weigh; the reasons stand beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// It may be so; an innocent explanation is as good.
    Possible,
    /// The evidence points there and nothing else explains all of it.
    Likely,
    /// Independent kinds of evidence agree, one of which is enough alone.
    NearCertain,
}

/// One line of the evidence table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRow {
    /// The rule.
    pub rule: String,
    /// Its version.
    pub version: u16,
    /// What it is worth alone.
    pub tier: Tier,
    /// The values that fired.
    pub values: Vec<Evidence>,
    /// Innocent explanations that the rule names.
    pub innocent: Vec<String>,
    /// Who reported it; empty where the hub found it by comparing nodes.
    pub nodes: Vec<NodeId>,
    /// How often.
    pub count: u64,
    /// First reported.
    pub first_ns: Timestamp,
    /// Last reported.
    pub last_ns: Timestamp,
    /// The signed report of it; `None` where the hub found it.
    pub origin: Option<Origin>,
}

/// One broadcast content behind an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawBlock {
    /// Its name, such as `SI3`.
    pub name: String,
    /// As received.
    pub hex: Octets,
    /// The largest number of error-free copies that one node reported.
    pub count: u32,
    /// Who reported it last.
    pub node: NodeId,
    /// First heard.
    pub first_ns: Timestamp,
    /// Last heard.
    pub last_ns: Timestamp,
}

/// How one node hears the emitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeardBy {
    /// The node.
    pub node: NodeId,
    /// Where it stands.
    pub position: Option<Position>,
    /// How strongly.
    pub level: Level,
    /// Signal to noise.
    pub snr_db: Db,
    /// Carrier error as measured, node's clock error included.
    pub cfo_ppb: Ppb,
    /// The same relative to the node's other cells.
    pub relative: Option<RelativeCarrier>,
    /// The clock behind it.
    pub clock: Clock,
    /// Observations.
    pub count: u64,
    /// First heard.
    pub first_ns: Timestamp,
    /// Last heard.
    pub last_ns: Timestamp,
}

/// An emitter that a regulator should look at. Self-contained: it reads the same after the emitter was forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its number.
    pub id: AlertId,
    /// Where it is in its life.
    pub state: State,
    /// What it is.
    pub class: VerdictClass,
    /// How much is at stake.
    pub severity: Severity,
    /// How sure the hub is.
    pub confidence: Confidence,
    /// Why so sure, in sentences.
    pub reasons: Vec<String>,
    /// Whose matter it is.
    pub regulators: Vec<Regulator>,
    /// The emitter.
    pub emitter: EmitterId,
    /// What is heard before anything is decoded.
    pub cell: CellKey,
    /// The channel number of the carrier, where it has one.
    pub channel: Option<u16>,
    /// What it said last that it is.
    pub identity: Option<CellIdentity>,
    /// Distinct area codes it used with one and the same cell identity, where more than one.
    pub areas: Vec<u32>,
    /// What the register says.
    pub licence: Licence,
    /// The emitter was first heard.
    pub since_ns: Timestamp,
    /// The alert opened.
    pub opened_ns: Timestamp,
    /// The emitter was last heard.
    pub last_heard_ns: Timestamp,
    /// The alert was last changed in more than what was heard.
    pub changed_ns: Timestamp,
    /// Who dealt with it last.
    pub handled_by: Option<String>,
    /// Why it is closed.
    pub closing: Option<Closing>,
    /// When it was closed.
    pub closed_ns: Option<Timestamp>,
    /// How often it was reopened.
    pub reopened: u32,
    /// Observations since it was closed: heard again or only an echo.
    pub heard_since_closed: u32,
    /// When its last event was written; holds back events that say no more than "still heard".
    pub event_ns: Timestamp,
    /// Who hears it.
    pub heard_by: Vec<HeardBy>,
    /// The evidence table.
    pub evidence: Vec<EvidenceRow>,
    /// What it broadcasts.
    pub broadcast: Vec<RawBlock>,
    /// Where it is, as last found; or why there is no fix. `None`: nobody has tried yet.
    #[serde(default)]
    pub fix: Option<Placed>,
}

impl Alert {
    /// Not closed.
    pub fn is_active(&self) -> bool {
        self.state != State::Closed
    }

    /// Takes over what the emitter shows now; class, severity and the like are the life cycle's.
    pub(super) fn reflect(&mut self, emitter: &Emitter, found_by_hub: &[HubEvidence]) {
        self.emitter = emitter.id;
        self.cell = emitter.key;
        self.channel =
            crate::cell::gsm_arfcn(emitter.key.center_hz).filter(|_| emitter.key.rat == crate::cell::Rat::Gsm);
        self.identity = emitter.identity().cloned();
        let areas = emitter.areas();
        self.areas = if areas.len() > 1 { areas } else { Vec::new() };
        self.licence = emitter.licence.clone();
        self.since_ns = emitter.first;
        self.last_heard_ns = emitter.last;
        self.heard_by = emitter
            .sightings
            .values()
            .map(|sighting| HeardBy {
                node: sighting.node.clone(),
                position: sighting.position,
                level: sighting.level,
                snr_db: sighting.snr_db,
                cfo_ppb: sighting.carrier.ppb,
                relative: sighting.relative,
                clock: sighting.clock,
                count: sighting.count,
                first_ns: sighting.first,
                last_ns: sighting.last,
            })
            .collect();
        let of_hub = found_by_hub.iter().map(|found| EvidenceRow {
            rule: found.rule.to_owned(),
            version: found.version,
            tier: Tier::A,
            values: found.values.clone(),
            innocent: found.innocent.iter().map(|text| (*text).to_owned()).collect(),
            nodes: Vec::new(),
            count: 1,
            first_ns: found.at,
            last_ns: found.at,
            origin: None,
        });
        let of_nodes = emitter.findings.values().map(|record| EvidenceRow {
            rule: record.rule.clone(),
            version: record.version,
            tier: record.tier,
            values: record.evidence.clone(),
            innocent: record.innocent.clone(),
            nodes: record.nodes.keys().cloned().collect(),
            count: record.count(),
            first_ns: record.first,
            last_ns: record.last,
            origin: Some(record.origin.clone()),
        });
        self.evidence = of_hub.chain(of_nodes).collect();
        self.evidence.sort_by(|a, b| (a.tier, &a.rule).cmp(&(b.tier, &b.rule)));
        self.broadcast = emitter
            .blocks
            .iter()
            .map(|block| RawBlock {
                name: block.name.clone(),
                hex: block.octets.clone(),
                count: block.count,
                node: block.node.clone(),
                first_ns: block.first,
                last_ns: block.last,
            })
            .collect();
        self.broadcast.sort_by(|a, b| (&a.name, a.first_ns, &a.hex).cmp(&(&b.name, b.first_ns, &b.hex)));
    }
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It is new.
    Opened,
    /// Class, severity, confidence, rules or emitter changed.
    Updated,
    /// It is still heard; at most one in [`AlertConfig::heard_interval`].
    Heard,
    /// Somebody deals with it.
    Acknowledged,
    /// It is done with.
    Closed,
    /// It was heard again, or proved to be worse than thought.
    Reopened,
    /// Somebody asked the nodes for samples of it.
    Asked,
}

impl EventKind {
    /// The name as stored and as sent.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Opened => "opened",
            EventKind::Updated => "updated",
            EventKind::Heard => "heard",
            EventKind::Acknowledged => "acknowledged",
            EventKind::Closed => "closed",
            EventKind::Reopened => "reopened",
            EventKind::Asked => "asked",
        }
    }

    fn from_text(text: &str) -> Option<EventKind> {
        use EventKind::*;
        [Opened, Updated, Heard, Acknowledged, Closed, Reopened, Asked].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One entry of the journal of alerts: who did what to which alert, and how the alert stood afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number, ascending without reuse; 0 before it is stored.
    pub id: i64,
    /// The alert.
    pub alert: AlertId,
    /// When.
    pub at_ns: Timestamp,
    /// What.
    pub kind: EventKind,
    /// Who: a person's name as given, or `daen`.
    pub who: String,
    /// In words.
    pub detail: String,
    /// The alert in short, as it stood afterwards.
    pub summary: Summary,
}

/// An alert in short: what a list shows and what the live feed sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its number.
    pub id: AlertId,
    /// Where it is in its life.
    pub state: State,
    /// What it is.
    pub class: VerdictClass,
    /// How much is at stake.
    pub severity: Severity,
    /// How sure the hub is.
    pub confidence: Confidence,
    /// Whose matter it is.
    pub regulators: Vec<Regulator>,
    /// What is heard before anything is decoded.
    pub cell: CellKey,
    /// The channel number, where there is one.
    pub channel: Option<u16>,
    /// What it says it is.
    pub identity: Option<CellIdentity>,
    /// The emitter was first heard.
    pub since_ns: Timestamp,
    /// The emitter was last heard.
    pub last_heard_ns: Timestamp,
    /// Who hears it.
    pub nodes: Vec<NodeId>,
    /// Rules that fired.
    pub rules: Vec<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Spot>,
}

/// A place in short: the likeliest of those that the alert has in full.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// Degrees, WGS-84.
    pub lat_deg: f64,
    /// Degrees, WGS-84.
    pub lon_deg: f64,
    /// Half the long axis of the 95 % ellipse, metres.
    pub reach_m: f64,
    /// Its share of the probability.
    pub weight: f64,
    /// How many places the measurements admit; more than one where a mirror image is possible.
    pub places: usize,
    /// What it rests on.
    pub method: Option<Basis>,
}

impl Spot {
    fn of(placed: &Placed) -> Option<Spot> {
        let best = placed.best()?;
        Some(Spot {
            lat_deg: best.lat_deg,
            lon_deg: best.lon_deg,
            reach_m: best.reach_m(),
            weight: best.weight,
            places: placed.solutions.len(),
            method: placed.method,
        })
    }
}

impl From<&Alert> for Summary {
    fn from(alert: &Alert) -> Summary {
        Summary {
            id: alert.id,
            state: alert.state,
            class: alert.class,
            severity: alert.severity,
            confidence: alert.confidence,
            regulators: alert.regulators.clone(),
            cell: alert.cell,
            channel: alert.channel,
            identity: alert.identity.clone(),
            since_ns: alert.since_ns,
            last_heard_ns: alert.last_heard_ns,
            nodes: alert.heard_by.iter().map(|heard| heard.node.clone()).collect(),
            rules: alert.evidence.iter().map(|row| row.rule.clone()).collect(),
            place: alert.fix.as_ref().and_then(Spot::of),
        }
    }
}
