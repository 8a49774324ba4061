//! The licence register: what the regulators allow on air, from CSV, and crowd databases as weak evidence.
//!
//! The own format's columns (`tests/data/register/README.md` has their full table):
//! `register_id, regulator, licensee, plmn, rat, site_id, lat, lon, antenna_height_m, azimuth_deg, eirp_dbm, band, arfcn,
//! center_mhz, area, cell_id, physical_id, status, valid_from, valid_to`; `register_id`, `rat`, `plmn` and `cell_id` must be there.
//!
//! Bad rows are reported and skipped; a file without one good row is refused. The file is streamed; a row takes 80 octets, two index entries
//! and the text of its register and site numbers. Measured 2026-11-21 (test profile, one of two shared cores): 1,000,000 rows of all
//! columns in 4 to 6 s, 111 MB at most; `DAEN_ACCEPTANCE=1 cargo nextest run --test rules a_large_register --no-capture` repeats it.
//!
//! ## References
//! - 3GPP TS 23.003 Release 17, clauses 4 and 19 (area codes, cell identities)
//! - Mozilla ichnaea documentation, import and export of cell data (columns of the crowd format)

mod build;
mod lines;
mod opencellid;
mod own;
mod report;

use crate::cell::{CellIdentity, CellKey, Plmn, Rat};
use crate::observation::Observation;
use crate::units::Timestamp;
use build::Builder;
pub use report::{LoadReport, MAX_PROBLEMS, Problem, RegisterError};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufReader, Read};

/// Rows that one register may hold; Thailand's and Cambodia's licensed cells of all standards together are some hundred thousand.
pub const MAX_ROWS: usize = 5_000_000;
const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// The layout of a register file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// By its first line.
    Detect,
    /// The own format: a licence register.
    Own,
    /// OpenCelliD or Mozilla MLS: a crowd database, weak evidence.
    OpenCellId,
}

/// Whether a licence is in force, as the register says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// On air by right.
    Licensed,
    /// Not yet.
    Planned,
    /// For now not.
    Suspended,
    /// No longer.
    Expired,
    /// Taken away.
    Revoked,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Licensed => "licensed",
            Status::Planned => "planned",
            Status::Suspended => "suspended",
            Status::Expired => "expired",
            Status::Revoked => "revoked",
        })
    }
}

/// One row, packed: `None` is the largest value of each field.
#[derive(Clone, Copy, Debug)]
struct Row {
    cell_id: u64,
    area: u32,
    center_khz: u32,
    lat_e7: i32,
    lon_e7: i32,
    valid_from_day: i32,
    valid_to_day: i32,
    line: u32,
    register_id: Text,
    site_id: Text,
    plmn: Plmn,
    physical_id: u16,
    licensee: u16,
    regulator: u16,
    azimuth_deg: u16,
    height_dm: i16,
    eirp_tenth_dbm: i16,
    rat: Rat,
    status: Status,
    official: bool,
}

/// A piece of the register's text store.
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    start: u32,
    len: u8,
}

/// One row of a register, with its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'a> {
    /// The regulator's number of the entry; empty in a crowd database.
    pub register_id: &'a str,
    /// Who licensed it.
    pub regulator: &'a str,
    /// Who holds it.
    pub licensee: &'a str,
    /// The site.
    pub site_id: &'a str,
    /// The standard.
    pub rat: Rat,
    /// The network. In a crowd database the number of MNC digits is a guess.
    pub plmn: Plmn,
    /// LAC or TAC; `None`: the row does not say.
    pub area: Option<u32>,
    /// Cell identity; `None`: any cell on the carrier.
    pub cell_id: Option<u64>,
    /// Nominal downlink carrier.
    pub center_hz: Option<u64>,
    /// BSIC, PSC or PCI.
    pub physical_id: Option<u16>,
    /// Latitude and longitude of the mast (of the observations, in a crowd database), WGS-84 degrees.
    pub position_deg: Option<(f64, f64)>,
    /// Antenna height above ground.
    pub antenna_height_m: Option<f64>,
    /// Antenna direction, clockwise from north.
    pub azimuth_deg: Option<u16>,
    /// Radiated power.
    pub eirp_dbm: Option<f64>,
    /// State of the licence.
    pub status: Status,
    /// From a licence register; false: from a crowd database.
    pub official: bool,
    /// Line of the file it came from.
    pub line: u32,
    valid_from_day: i32,
    valid_to_day: i32,
}

impl Entry<'_> {
    /// The licence is in force at `at`; `None`: the date is not known, then only the status counts. Both days are included.
    pub fn in_force(&self, at: Option<Timestamp>) -> bool {
        let dated = at.is_none_or(|at| {
            let day = at.0.div_euclid(NANOS_PER_DAY);
            i64::from(self.valid_from_day) <= day && day <= i64::from(self.valid_to_day)
        });
        self.official && self.status == Status::Licensed && dated
    }

    /// The row in a few words, for evidence: `TH-0001 (AWN, 520-03 area 5001 cell 10101)`.
    pub fn describe(&self) -> String {
        let holder = if self.licensee.is_empty() { "licensee not given" } else { self.licensee };
        let area = self.area.map(|a| format!(" area {a}")).unwrap_or_default();
        let cell = self.cell_id.map(|c| format!(" cell {c}")).unwrap_or_default();
        format!("{} ({holder}, {}{area}{cell})", self.register_id, self.plmn)
    }
}

/// In what a cell departs from the register's row of the same PLMN and cell identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is on another carrier: a clone, or a retune.
    Carrier,
    /// It has another BSIC, PSC or PCI.
    PhysicalId,
    /// It has another LAC or TAC.
    Area,
    /// The licence is not in force.
    NotInForce,
}

/// What the register knows of an observed cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing<'a> {
    /// Nothing can be said: no identity yet, or no licence register of the cell's country.
    Unknown,
    /// Identity, carrier and physical identity agree with a row whose licence is in force.
    Licensed(Entry<'a>),
    /// The identity is registered, but not so.
    Differs(Entry<'a>, Difference),
    /// The identity is not registered.
    Absent {
        /// The row of another identity with this cell's carrier and physical identity.
        same_key: Option<Entry<'a>>,
        /// A crowd database has the identity.
        crowd: bool,
    },
}

/// Licensed cells by identity and by carrier.
#[derive(Clone, Debug, Default)]
pub struct Register {
    rows: Vec<Row>,
    text: String,
    /// Licensees and regulators, each once; a row has their places.
    names: Vec<String>,
    by_identity: Vec<u32>,
    by_carrier: Vec<u32>,
    /// Countries of which there is a licence register.
    countries: BTreeSet<u16>,
    /// Area codes by standard and network, licence registers only.
    areas: BTreeMap<(Rat, Plmn), BTreeSet<u32>>,
    /// Carriers by standard and network, hertz, licence registers only.
    carriers: BTreeMap<(Rat, Plmn), BTreeSet<u64>>,
    /// Rows of crowd databases by standard, MCC and MNC.
    crowd: BTreeMap<(Rat, u16, u16), usize>,
    official: usize,
}

impl Register {
    /// Reads a register. Bad rows are skipped and reported.
    ///
    /// # Errors
    /// [`RegisterError`] where nothing of the file can be used.
    pub fn load(reader: impl Read, format: Format) -> Result<(Register, LoadReport), RegisterError> {
        let mut builder = Builder::default();
        let mut lines = lines::Lines::new(BufReader::with_capacity(1 << 16, reader));
        let first = lines.next()?;
        if first == lines::Line::End {
            return Err(RegisterError::Empty);
        }
        let crowd = match format {
            Format::OpenCellId => true,
            Format::Own => false,
            Format::Detect => opencellid::recognise(&lines),
        };
        if crowd {
            opencellid::read(lines, first, &mut builder)?;
        } else {
            own::read(lines, &mut builder)?;
        }
        builder.finish()
    }

    /// Adds another register's rows, such as a crowd database beside the licences.
    pub fn merge(&mut self, other: Register) {
        let mut builder = Builder::default();
        for register in [std::mem::take(self), other] {
            for row in &register.rows {
                let entry = register.entry(row);
                // Two registers of at most MAX_ROWS each; the sum may exceed it, the index has room for 2^32.
                let row = Row {
                    register_id: builder.text(entry.register_id),
                    site_id: builder.text(entry.site_id),
                    licensee: builder.name(entry.licensee).unwrap_or(u16::MAX),
                    regulator: builder.name(entry.regulator).unwrap_or(u16::MAX),
                    ..*row
                };
                builder.register.rows.push(row);
            }
        }
        builder.index();
        *self = builder.register;
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.by_identity.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }

    /// There is a licence register of this country.
    pub fn covers(&self, mcc: u16) -> bool {
        self.countries.contains(&mcc)
    }

    /// The mobile country codes of which there is a licence register.
    pub fn countries(&self) -> impl Iterator<Item = u16> {
        self.countries.iter().copied()
    }

    /// Area codes that licences of this network name, ascending.
    pub fn areas(&self, rat: Rat, plmn: Plmn) -> Option<&BTreeSet<u32>> {
        self.areas.get(&(rat, plmn))
    }

    /// Carriers that licences of this network name, hertz, ascending.
    pub fn carriers(&self, rat: Rat, plmn: Plmn) -> Option<&BTreeSet<u64>> {
        self.carriers.get(&(rat, plmn))
    }

    /// How many cells of this network a crowd database knows; it does not keep the number of MNC digits.
    pub fn crowd_cells(&self, rat: Rat, plmn: Plmn) -> usize {
        self.crowd.get(&(rat, plmn.mcc(), plmn.mnc())).copied().unwrap_or(0)
    }

    /// Rows of this network and cell identity, whatever their area and carrier. Crowd rows match by the MNC's value, licences by its
    /// digits too.
    pub fn by_identity(&self, rat: Rat, plmn: Plmn, cell_id: u64) -> impl Iterator<Item = Entry<'_>> {
        let wanted = (rat, plmn.mcc(), plmn.mnc(), cell_id);
        let key = |row: &Row| (row.rat, row.plmn.mcc(), row.plmn.mnc(), row.cell_id);
        self.range(&self.by_identity, move |row| key(row).cmp(&wanted))
            .filter(move |row| !row.official || row.plmn == plmn)
            .map(|row| self.entry(row))
    }

    /// Licences on this carrier with this physical identity (or without one), whatever their cell identity.
    pub fn by_carrier(&self, cell: CellKey) -> impl Iterator<Item = Entry<'_>> {
        let wanted = (cell.rat, (cell.center_hz / 1000) as u32);
        self.range(&self.by_carrier, move |row| (row.rat, row.center_khz).cmp(&wanted))
            .filter(move |row| row.physical_id == u16::MAX || row.physical_id == cell.id)
            .map(|row| self.entry(row))
    }

    /// What the register knows of an observed cell.
    ///
    /// The carrier and the physical identity must agree where the row gives them: a clone shares the identity of a licensed cell, but on
    /// another carrier it is not licensed by that.
    pub fn standing(&self, observation: &Observation) -> Standing<'_> {
        let Some(identity) = &observation.identity else { return Standing::Unknown };
        let (Some(&plmn), Some(cell_id)) = (identity.plmns.first(), identity.cell_id) else { return Standing::Unknown };
        let at = date_of(observation);
        let cell = observation.cell;
        let mut nearest: Option<(Entry<'_>, Difference)> = None;
        let any_cell = self.by_carrier(cell).filter(|e| e.cell_id.is_none() && e.plmn == plmn);
        for entry in self.by_identity(cell.rat, plmn, cell_id).filter(|e| e.official).chain(any_cell) {
            let Some(difference) = differs(&entry, cell, identity, at) else { return Standing::Licensed(entry) };
            // The row that departs least is the one to show.
            let rank = |d: Difference| match d {
                Difference::NotInForce => 0,
                Difference::Area => 1,
                Difference::PhysicalId => 2,
                Difference::Carrier => 3,
            };
            if nearest.is_none_or(|(_, best)| rank(difference) < rank(best)) {
                nearest = Some((entry, difference));
            }
        }
        match nearest {
            Some((entry, difference)) => Standing::Differs(entry, difference),
            None if self.official == 0 => Standing::Unknown,
            None => Standing::Absent {
                same_key: self.by_carrier(cell).find(|e| e.physical_id.is_some() && e.in_force(at)),
                crowd: self.by_identity(cell.rat, plmn, cell_id).any(|e| !e.official),
            },
        }
    }

    fn range<'a>(
        &'a self,
        index: &'a [u32],
        order: impl Fn(&Row) -> std::cmp::Ordering,
    ) -> impl Iterator<Item = &'a Row> {
        let row = |at: &u32| &self.rows[*at as usize];
        let start = index.partition_point(|at| order(row(at)).is_lt());
        let end = index.partition_point(|at| order(row(at)).is_le());
        index[start..end].iter().map(row)
    }

    fn entry(&self, row: &Row) -> Entry<'_> {
        let text = |t: Text| &self.text[t.start as usize..t.start as usize + usize::from(t.len)];
        let name = |at: u16| self.names.get(usize::from(at)).map_or("", String::as_str);
        Entry {
            register_id: text(row.register_id),
            regulator: name(row.regulator),
            licensee: name(row.licensee),
            site_id: text(row.site_id),
            rat: row.rat,
            plmn: row.plmn,
            area: (row.area != u32::MAX).then_some(row.area),
            cell_id: (row.cell_id != u64::MAX).then_some(row.cell_id),
            center_hz: (row.center_khz != u32::MAX).then(|| u64::from(row.center_khz) * 1000),
            physical_id: (row.physical_id != u16::MAX).then_some(row.physical_id),
            position_deg: (row.lat_e7 != i32::MAX)
                .then(|| (f64::from(row.lat_e7) * 1e-7, f64::from(row.lon_e7) * 1e-7)),
            antenna_height_m: (row.height_dm != i16::MAX).then(|| f64::from(row.height_dm) * 0.1),
            azimuth_deg: (row.azimuth_deg != u16::MAX).then_some(row.azimuth_deg),
            eirp_dbm: (row.eirp_tenth_dbm != i16::MAX).then(|| f64::from(row.eirp_tenth_dbm) * 0.1),
            status: row.status,
            official: row.official,
            line: row.line,
            valid_from_day: row.valid_from_day,
            valid_to_day: row.valid_to_day,
        }
    }
}

/// In what `cell` with `identity` departs from `entry`, the graver first; `None`: in nothing.
fn differs(entry: &Entry<'_>, cell: CellKey, identity: &CellIdentity, at: Option<Timestamp>) -> Option<Difference> {
    if entry.center_hz.is_some_and(|hz| hz != cell.center_hz) {
        Some(Difference::Carrier)
    } else if entry.physical_id.is_some_and(|id| id != cell.id) {
        Some(Difference::PhysicalId)
    } else if entry.area.is_some_and(|area| identity.area != Some(area)) {
        Some(Difference::Area)
    } else {
        (!entry.in_force(at)).then_some(Difference::NotInForce)
    }
}

/// The date of an observation; `None` for a recording that carries none and counts from 0 (wire contract, time).
fn date_of(observation: &Observation) -> Option<Timestamp> {
    /// 2000-01-01; no recording of a date before it exists, no undated recording lasts thirty years.
    const EARLIEST: Timestamp = Timestamp(10_957 * NANOS_PER_DAY);
    Some(observation.at_ns).filter(|&at| at >= EARLIEST)
}

/// The largest cell identity, physical identity and area code of a standard; TS 23.003 clauses 4.1, 4.3, 19.6 and TS 38.413.
fn limits(rat: Rat) -> (u64, u16, u32) {
    match rat {
        Rat::Gsm => (0xffff, 63, 0xffff),
        Rat::Umts => (0xfff_ffff, 511, 0xffff),
        Rat::Lte => (0xfff_ffff, 503, 0xffff),
        Rat::Nr => (0xf_ffff_ffff, 1007, 0xff_ffff),
    }
}
