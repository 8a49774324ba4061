//! The licence register: what the regulators allow on air, from CSV, and crowd databases as weak evidence.
//!
//! The own format's columns (`tests/data/register/README.md` has their full table):
//! `register_id, regulator, licensee, plmn, rat, site_id, lat, lon, antenna_height_m, azimuth_deg, eirp_dbm, band, arfcn,
//! center_mhz, area, cell_id, physical_id, status, valid_from, valid_to`; `register_id`, `rat`, `plmn` and `cell_id` must be there.
//!
//! Bad rows are reported and skipped; a file without one good row is refused. A row takes 80 octets, two index entries and the text
//! of its register and site numbers; the file itself is streamed. Measured (release build, one of two shared cores, own format of
//! 1,000,000 rows, 104 MB): see `tests/data/register/README.md`.
//!
//! ## References
//! - 3GPP TS 23.003 Release 17, clauses 4 and 19 (area codes, cell identities)
//! - Mozilla ichnaea documentation, import and export of cell data (columns of the crowd format)

mod lines;
mod opencellid;
mod own;

use crate::cell::{CellIdentity, CellKey, Plmn, Rat};
use crate::observation::Observation;
use crate::units::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader, Read};

/// Rows that one register may hold; Thailand's and Cambodia's licensed cells of all standards together are some hundred thousand.
pub const MAX_ROWS: usize = 5_000_000;
/// Problems that a load report lists; the rest is counted.
pub const MAX_PROBLEMS: usize = 100;
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

/// One bad row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line of the file, from 1.
    pub line: u64,
    /// Column, as the format names it; `row` where the whole line is meant.
    pub column: String,
    /// The value, shortened to 40 characters.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Problem {
    fn new(line: u64, column: &str, value: &str, reason: impl Into<String>) -> Problem {
        Problem { line, column: column.to_owned(), value: value.chars().take(40).collect(), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} {:?}: {}", self.line, self.column, self.value, self.reason)
    }
}

/// What was read and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows of the file, its header not counted.
    pub rows: u64,
    /// Rows that are in the register.
    pub accepted: u64,
    /// Rows that are not, because something is wrong with them.
    pub rejected: u64,
    /// Rows that repeat an earlier one; the earlier one is kept.
    pub duplicates: u64,
    /// Rows of standards that daen does not know (crowd formats only).
    pub other_radios: u64,
    /// Columns that are not known and were ignored.
    pub ignored_columns: Vec<String>,
    /// The first [`MAX_PROBLEMS`] of the rejected rows and duplicates, by line.
    pub problems: Vec<Problem>,
}

impl LoadReport {
    fn note(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn reject(&mut self, problem: Problem) {
        self.rejected += 1;
        self.note(problem);
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} rows taken", self.accepted, self.rows)?;
        for (count, what) in
            [(self.rejected, "rejected"), (self.duplicates, "repeated"), (self.other_radios, "of other radio types")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if !self.ignored_columns.is_empty() {
            write!(f, "; ignored columns: {}", self.ignored_columns.join(", "))?;
        }
        for problem in &self.problems {
            write!(f, "\n{problem}")?;
        }
        match (self.rejected + self.duplicates).saturating_sub(self.problems.len() as u64) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

/// Why a register was refused.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The file could not be read.
    #[error("the register cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The file has no rows.
    #[error("the register has no rows; give a CSV file with a header line and one row a cell")]
    Empty,
    /// The header lacks columns.
    #[error(
        "the register's header has no column {missing}; give it, or a crowd database whose first column is \"radio\""
    )]
    MissingColumns {
        /// Their names.
        missing: String,
    },
    /// A column stands twice in the header.
    #[error("the register's header has the column {column} twice; remove or rename one")]
    RepeatedColumn {
        /// Its name.
        column: String,
    },
    /// Not one row could be used.
    #[error("none of the register's {rows} rows can be used; the first problem: {first}")]
    NoGoodRow {
        /// Rows read.
        rows: u64,
        /// The first thing that was wrong.
        first: String,
    },
    /// More rows than [`MAX_ROWS`].
    #[error("the register has more than {MAX_ROWS} rows; cut it to the nodes' region")]
    TooManyRows,
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

/// A register while it is read.
#[derive(Default)]
struct Builder {
    register: Register,
    report: LoadReport,
    places: BTreeMap<String, u16>,
}

impl Builder {
    fn text(&mut self, text: &str) -> Text {
        let store = &mut self.register.text;
        // Readers refuse longer texts; 5 million rows of two such texts stay below 2^32.
        let (Ok(start), Ok(len)) = (u32::try_from(store.len()), u8::try_from(text.len())) else {
            return Text::default();
        };
        store.push_str(text);
        Text { start, len }
    }

    /// The place of a name; `None` where 65,535 different ones are known already.
    fn name(&mut self, name: &str) -> Option<u16> {
        if let Some(&place) = self.places.get(name) {
            return Some(place);
        }
        let place = u16::try_from(self.places.len()).ok().filter(|&p| p < u16::MAX)?;
        self.places.insert(name.to_owned(), place);
        self.register.names.push(name.to_owned());
        Some(place)
    }

    fn push(&mut self, row: Row) -> Result<(), RegisterError> {
        if self.register.rows.len() >= MAX_ROWS {
            return Err(RegisterError::TooManyRows);
        }
        self.register.rows.push(row);
        Ok(())
    }

    /// Sorts the indices; returns the rows that repeat an earlier one, with its line.
    fn index(&mut self) -> Vec<(u32, u32)> {
        let register = &mut self.register;
        let rows = &register.rows;
        let key = |at: u32| {
            let r = &rows[at as usize];
            let identity = (r.rat, r.plmn.mcc(), r.plmn.mnc(), r.cell_id, r.area);
            (identity, r.plmn.mnc_digits(), !r.official, r.center_khz, r.physical_id)
        };
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_cached_key(|&at| (key(at), at));
        let mut repeats = Vec::new();
        order.dedup_by(|later, kept| {
            let same = key(*later) == key(*kept);
            if same {
                repeats.push((rows[*later as usize].line, rows[*kept as usize].line));
            }
            same
        });
        let mut carriers: Vec<u32> = order
            .iter()
            .copied()
            .filter(|&at| rows[at as usize].official && rows[at as usize].center_khz != u32::MAX)
            .collect();
        carriers.sort_unstable_by_key(|&at| (rows[at as usize].rat, rows[at as usize].center_khz, at));
        for row in order.iter().map(|&at| &rows[at as usize]).filter(|row| row.official) {
            register.official += 1;
            register.countries.insert(row.plmn.mcc());
            if row.area != u32::MAX {
                register.areas.entry((row.rat, row.plmn)).or_default().insert(row.area);
            }
        }
        register.by_identity = order;
        register.by_carrier = carriers;
        repeats.sort_unstable();
        repeats
    }

    fn finish(mut self) -> Result<(Register, LoadReport), RegisterError> {
        if self.report.rows == 0 {
            return Err(RegisterError::Empty);
        }
        if self.register.rows.is_empty() {
            let other = || format!("{} rows are of other radio types", self.report.other_radios);
            let first = self.report.problems.first().map_or_else(other, Problem::to_string);
            return Err(RegisterError::NoGoodRow { rows: self.report.rows, first });
        }
        let mut last = None;
        for (line, kept) in self.index() {
            // A row of a shared network stands in the index once for each PLMN, but is one row.
            if last.replace(line) != Some(line) {
                self.report.duplicates += 1;
                self.report.note(Problem::new(u64::from(line), "row", "", format!("repeats line {kept}")));
            }
        }
        self.report.accepted = self.report.accepted.saturating_sub(self.report.duplicates);
        self.report.problems.sort_by_key(|p| p.line);
        Ok((self.register, self.report))
    }
}

/// Reads the rest of `lines` row by row through `row`, which returns what to do with it.
fn read_rows<R: BufRead>(
    lines: &mut lines::Lines<R>,
    columns: usize,
    mut first: Option<lines::Line>,
    builder: &mut Builder,
    mut row: impl FnMut(&lines::Lines<R>, &mut Builder) -> Result<Taken, RegisterError>,
) -> Result<(), RegisterError> {
    loop {
        let line = match first.take() {
            Some(line) => line,
            None => lines.next()?,
        };
        let taken = match line {
            lines::Line::End => return Ok(()),
            lines::Line::Bad(reason) => Taken::Rejected(Problem::new(lines.number(), "row", "", reason)),
            lines::Line::Fields if lines.len() != columns => {
                let reason = format!("the row has {} fields, {columns} are wanted", lines.len());
                Taken::Rejected(Problem::new(lines.number(), "row", lines.field(0), reason))
            }
            lines::Line::Fields => row(lines, builder)?,
        };
        builder.report.rows += 1;
        match taken {
            Taken::Accepted => builder.report.accepted += 1,
            Taken::Rejected(problem) => builder.report.reject(problem),
            Taken::OtherRadio => builder.report.other_radios += 1,
        }
    }
}

/// What became of one row.
enum Taken {
    Accepted,
    Rejected(Problem),
    OtherRadio,
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
