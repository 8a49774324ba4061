//! What a load tells the operator: counts, bad rows, and why a file was refused.

use super::MAX_ROWS;
use std::fmt;

/// Problems that a load report lists; the rest is counted.
pub const MAX_PROBLEMS: usize = 100;

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
    pub(super) fn new(line: u64, column: &str, value: &str, reason: impl Into<String>) -> Problem {
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
    pub(super) fn note(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    pub(super) fn reject(&mut self, problem: Problem) {
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
