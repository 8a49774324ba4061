//! A register while it is read: rows are taken one by one, then sorted and indexed.

use super::report::{LoadReport, Problem, RegisterError};
use super::{MAX_ROWS, Register, Row, Text, lines};
use std::collections::BTreeMap;
use std::io::BufRead;

/// A register while it is read.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) register: Register,
    pub(super) report: LoadReport,
    places: BTreeMap<String, u16>,
}

impl Builder {
    pub(super) fn text(&mut self, text: &str) -> Text {
        let store = &mut self.register.text;
        // Readers refuse longer texts; 5 million rows of two such texts stay below 2^32.
        let (Ok(start), Ok(len)) = (u32::try_from(store.len()), u8::try_from(text.len())) else {
            return Text::default();
        };
        store.push_str(text);
        Text { start, len }
    }

    /// The place of a name; `None` where 65,535 different ones are known already.
    pub(super) fn name(&mut self, name: &str) -> Option<u16> {
        if let Some(&place) = self.places.get(name) {
            return Some(place);
        }
        let place = u16::try_from(self.places.len()).ok().filter(|&p| p < u16::MAX)?;
        self.places.insert(name.to_owned(), place);
        self.register.names.push(name.to_owned());
        Some(place)
    }

    pub(super) fn push(&mut self, row: Row) -> Result<(), RegisterError> {
        if self.register.rows.len() >= MAX_ROWS {
            return Err(RegisterError::TooManyRows);
        }
        self.register.rows.push(row);
        Ok(())
    }

    /// Sorts the indices; returns the rows that repeat an earlier one, with its line.
    pub(super) fn index(&mut self) -> Vec<(u32, u32)> {
        let register = &mut self.register;
        let rows = &register.rows;
        let key = |at: u32| {
            let r = &rows[at as usize];
            let identity = (r.rat, r.plmn.mcc(), r.plmn.mnc(), r.cell_id, r.area);
            (identity, r.plmn.mnc_digits(), !r.official, r.center_khz, r.physical_id)
        };
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        // Keys are computed anew for each comparison: a million kept ones would double the memory.
        order.sort_unstable_by_key(|&at| (key(at), at));
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
        for row in order.iter().map(|&at| &rows[at as usize]) {
            if !row.official {
                *register.crowd.entry((row.rat, row.plmn.mcc(), row.plmn.mnc())).or_default() += 1;
                continue;
            }
            register.official += 1;
            register.countries.insert(row.plmn.mcc());
            if row.area != u32::MAX {
                register.areas.entry((row.rat, row.plmn)).or_default().insert(row.area);
            }
            if row.center_khz != u32::MAX {
                let carriers = register.carriers.entry((row.rat, row.plmn)).or_default();
                carriers.insert(u64::from(row.center_khz) * 1000);
            }
        }
        register.by_identity = order;
        register.by_carrier = carriers;
        repeats.sort_unstable();
        repeats
    }

    pub(super) fn finish(mut self) -> Result<(Register, LoadReport), RegisterError> {
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
pub(super) fn read_rows<R: BufRead>(
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
pub(super) enum Taken {
    Accepted,
    Rejected(Problem),
    OtherRadio,
}
