//! What the cells of each network usually broadcast: learned by a node, exported and imported as its state.
//!
//! One profile a cell and network, keyed by carrier and physical identity, so that one transmitter that cycles its cell identity has one
//! voice. Rules ask only when at least `min_siblings` other cells are known, and use medians and majorities: one rogue cell cannot
//! shift them. Where the country has a licence register only licensed cells count; a cell with a tier A finding is never learned.

use super::lte_profile::LteProfile;
use crate::cell::{CellKey, Plmn, Rat};
use crate::observation::Fields;
use crate::observation::gsm::{GsmFields, SiType};
use crate::units::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Networks kept; both countries and all their neighbours have fewer than sixty.
pub const MAX_NETWORKS: usize = 64;
/// Cells kept for one network.
pub const MAX_CELLS: usize = 256;
/// Carriers remembered as heard.
const MAX_CARRIERS: usize = 1024;
/// GSM carriers remembered as a suspect's.
const MAX_SUSPECTS: usize = 64;
/// Octets of a state file; its bounds at 2000 octets a profile.
const MAX_STATE: usize = 32 * 1024 * 1024;
/// What the state file says it is.
const STATE_FORMAT: &str = "daen-rules-state";
/// The version of the state file; version 1, which has no LTE cells, is read too.
pub const STATE_VERSION: u32 = 2;

/// What one cell broadcasts, as far as siblings are compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The network.
    pub plmn: Plmn,
    /// The cell.
    pub cell: CellKey,
    /// The register has it, as it was heard, apart from its area code.
    pub licensed: bool,
    /// LAC or TAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<u32>,
    /// The register has it with another area code.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub area_differs: bool,
    /// When it was last heard.
    pub last_ns: Timestamp,
    /// RXLEV_ACCESS_MIN code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rxlev_access_min: Option<u8>,
    /// T3212, in units of six minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t3212: Option<u8>,
    /// CELL_RESELECT_OFFSET code; 0 where no selection parameters are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cro: Option<u8>,
    /// Call re-establishment and emergency calls are both forbidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency_barred: Option<bool>,
    /// The SI3 rest octets are all padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_padding: Option<bool>,
    /// It sends SI2bis, SI2ter or SI2quater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_neighbours: Option<bool>,
    /// Defaults of known stacks that it shows, `stack:default`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stack_defaults: BTreeSet<String>,
    /// When its area code last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area_changed_ns: Option<Timestamp>,
    /// Values of an LTE cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lte: Option<Box<LteProfile>>,
}

impl Profile {
    /// The profile of a cell.
    pub(super) fn of(plmn: Plmn, cell: CellKey, licensed: bool, at: Timestamp, fields: &Fields) -> Profile {
        let empty = Profile { licensed, last_ns: at, ..Profile::empty(plmn, cell) };
        match fields {
            Fields::Gsm(fields) => empty.with_gsm(fields),
            Fields::Lte(fields) => Profile {
                stack_defaults: super::stacks::shown_by_lte(cell, fields),
                lte: Some(Box::new(LteProfile::of(fields))),
                ..empty
            },
            Fields::Nr(_) => empty,
        }
    }

    fn empty(plmn: Plmn, cell: CellKey) -> Profile {
        Profile {
            plmn,
            cell,
            licensed: false,
            area: None,
            area_differs: false,
            last_ns: Timestamp(0),
            rxlev_access_min: None,
            t3212: None,
            cro: None,
            emergency_barred: None,
            rest_padding: None,
            extended_neighbours: None,
            stack_defaults: BTreeSet::new(),
            area_changed_ns: None,
            lte: None,
        }
    }

    fn with_gsm(self, fields: &GsmFields) -> Profile {
        let extended = [SiType::Si2bis, SiType::Si2ter, SiType::Si2quater];
        let extended_neighbours = match fields.si_types.iter().any(|si| extended.contains(si)) {
            true => Some(true),
            false => fields.schedule.iter().all(Option::is_some).then_some(false),
        };
        let rest = fields.si3_rest.as_ref();
        Profile {
            rxlev_access_min: fields.selection.map(|s| s.rxlev_access_min),
            t3212: fields.control_channel.map(|c| c.t3212),
            cro: rest.map(|r| r.selection.map_or(0, |s| s.cell_reselect_offset)),
            emergency_barred: fields.rach.map(|r| r.re && r.access_classes_barred & 1 << 10 != 0),
            rest_padding: rest.map(|r| r.padding_only),
            extended_neighbours,
            stack_defaults: super::stacks::shown(self.cell, fields),
            ..self
        }
    }
}

/// All profiles, and which carriers are heard at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    since: Option<Timestamp>,
    networks: BTreeMap<Plmn, BTreeMap<CellKey, Profile>>,
    /// GSM carriers and when they were last heard.
    carriers: BTreeMap<u64, Timestamp>,
    /// GSM carriers of cells that had a finding of tier A, and when; not part of the state.
    suspects: BTreeMap<u64, Timestamp>,
}

/// Why a state was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It is not a state file.
    #[error(
        "this is not a state of the rules ({problem}); give a file that `daen sensor` exported, or leave --state away"
    )]
    Malformed {
        /// The parser's words.
        problem: String,
    },
    /// It is of another version.
    #[error(
        "the state has version {found}, this program reads versions 1 to {STATE_VERSION}; export it with this version of daen, or leave --state away"
    )]
    Version {
        /// As the file says.
        found: u64,
    },
    /// It is larger than any state can be.
    #[error(
        "the state has {octets} octets, the largest that can be has {MAX_STATE}; give a file that `daen sensor` exported"
    )]
    TooLarge {
        /// Its size.
        octets: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    format: String,
    version: u32,
    since_ns: Option<Timestamp>,
    profiles: Vec<Profile>,
    carriers: Vec<(u64, Timestamp)>,
}

#[derive(Deserialize)]
struct StateHead {
    format: String,
    version: u64,
}

impl Baseline {
    /// When learning began: the first observation, or the imported state's.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Profiles of a network, by cell.
    pub fn of(&self, plmn: Plmn) -> impl Iterator<Item = &Profile> {
        self.networks.get(&plmn).into_iter().flat_map(BTreeMap::values)
    }

    /// Profiles of licensed cells of all networks.
    pub fn licensed(&self) -> impl Iterator<Item = &Profile> {
        self.networks.values().flat_map(BTreeMap::values).filter(|p| p.licensed)
    }

    /// GSM carriers heard in the `window` before `now`, ascending, hertz.
    pub fn carriers_heard(&self, now: Timestamp, window: Nanos) -> Vec<u64> {
        self.carriers.iter().filter(|&(_, &at)| now - at <= window).map(|(&hz, _)| hz).collect()
    }

    /// A GSM cell on this carrier had a finding of tier A in the `window` before `now`.
    pub fn is_suspect(&self, center_hz: u64, now: Timestamp, window: Nanos) -> bool {
        self.suspects.get(&center_hz).is_some_and(|&at| now - at <= window)
    }

    /// Cells of a network, other than `cell` but of its standard, whose area code changed in the `window` around `now`.
    pub fn area_changes(&self, plmn: Plmn, cell: CellKey, now: Timestamp, window: Nanos) -> usize {
        let changed = |p: &&Profile| {
            p.cell != cell && p.cell.rat == cell.rat && p.area_changed_ns.is_some_and(|at| now - at <= window)
        };
        self.of(plmn).filter(changed).count()
    }

    pub(super) fn begin(&mut self, at: Timestamp) {
        self.since.get_or_insert(at);
    }

    pub(super) fn heard(&mut self, cell: CellKey, at: Timestamp) {
        if cell.rat == Rat::Gsm {
            note(&mut self.carriers, MAX_CARRIERS, cell.center_hz, at);
        }
    }

    pub(super) fn suspect(&mut self, cell: CellKey, at: Timestamp) {
        if cell.rat == Rat::Gsm {
            note(&mut self.suspects, MAX_SUSPECTS, cell.center_hz, at);
        }
    }

    /// Takes a profile; what it does not know is kept from before.
    pub(super) fn learn(&mut self, new: Profile) {
        if !self.networks.contains_key(&new.plmn) && self.networks.len() >= MAX_NETWORKS {
            let last = |cells: &BTreeMap<CellKey, Profile>| cells.values().map(|p| p.last_ns).max();
            let oldest = self.networks.iter().min_by_key(|(plmn, cells)| (last(cells), **plmn)).map(|(&plmn, _)| plmn);
            self.networks.remove(&oldest.expect("the table is full"));
        }
        let cells = self.networks.entry(new.plmn).or_default();
        if let Some(known) = cells.get_mut(&new.cell) {
            let old = std::mem::replace(known, new);
            known.rxlev_access_min = known.rxlev_access_min.or(old.rxlev_access_min);
            known.t3212 = known.t3212.or(old.t3212);
            known.cro = known.cro.or(old.cro);
            known.emergency_barred = known.emergency_barred.or(old.emergency_barred);
            known.rest_padding = known.rest_padding.or(old.rest_padding);
            known.extended_neighbours = known.extended_neighbours.or(old.extended_neighbours);
            known.area_changed_ns = known.area_changed_ns.or(old.area_changed_ns);
            known.stack_defaults.extend(old.stack_defaults);
            match (&mut known.lte, old.lte) {
                (Some(known), Some(old)) => known.complete(*old),
                (known, old) => *known = known.take().or(old),
            }
            return;
        }
        if cells.len() >= MAX_CELLS {
            let oldest = cells.iter().min_by_key(|(cell, p)| (p.last_ns, **cell)).map(|(&cell, _)| cell);
            cells.remove(&oldest.expect("the table is full"));
        }
        cells.insert(new.cell, new);
    }

    pub(super) fn forget(&mut self, plmn: Plmn, cell: CellKey) {
        if let Some(cells) = self.networks.get_mut(&plmn) {
            cells.remove(&cell);
            if cells.is_empty() {
                self.networks.remove(&plmn);
            }
        }
    }

    /// The state as JSON, the same octets for the same state.
    pub fn export(&self) -> String {
        let state = StateFile {
            format: STATE_FORMAT.to_owned(),
            version: STATE_VERSION,
            since_ns: self.since,
            profiles: self.networks.values().flat_map(BTreeMap::values).cloned().collect(),
            carriers: self.carriers.iter().map(|(&hz, &at)| (hz, at)).collect(),
        };
        serde_json::to_string(&state).expect("a state holds nothing that JSON cannot")
    }

    /// Reads a state that [`Baseline::export`] wrote; bounds hold whatever it says.
    ///
    /// # Errors
    /// [`StateError`] with the remedy.
    pub fn import(text: &str) -> Result<Baseline, StateError> {
        if text.len() > MAX_STATE {
            return Err(StateError::TooLarge { octets: text.len() });
        }
        let malformed = |e: serde_json::Error| StateError::Malformed { problem: e.to_string() };
        let head: StateHead = serde_json::from_str(text).map_err(malformed)?;
        if head.format != STATE_FORMAT {
            return Err(StateError::Malformed { problem: format!("its format is {:?}", head.format) });
        }
        if !(1..=u64::from(STATE_VERSION)).contains(&head.version) {
            return Err(StateError::Version { found: head.version });
        }
        let file: StateFile = serde_json::from_str(text).map_err(malformed)?;
        let mut baseline = Baseline { since: file.since_ns, ..Baseline::default() };
        for profile in file.profiles {
            baseline.learn(profile);
        }
        for (center_hz, at) in file.carriers {
            note(&mut baseline.carriers, MAX_CARRIERS, center_hz, at);
        }
        Ok(baseline)
    }
}

/// Notes a carrier; the one least recently noted goes where there are too many.
fn note(carriers: &mut BTreeMap<u64, Timestamp>, max: usize, center_hz: u64, at: Timestamp) {
    if !carriers.contains_key(&center_hz) && carriers.len() >= max {
        let oldest = carriers.iter().min_by_key(|&(hz, at)| (*at, *hz)).map(|(&hz, _)| hz);
        carriers.remove(&oldest.expect("the table is full"));
    }
    carriers.insert(center_hz, at);
}
