//! Lines of a CSV file, one at a time, with bounded memory whatever the file holds.
//!
//! A quoted field may hold commas and doubled quotes, but no line break: an unbalanced quote costs its own line and not the rest
//! of the file.

use super::RegisterError;
use std::io::{BufRead, Read};

/// Octets of one line; a register row of all documented columns at their limits needs under 2 KiB.
const MAX_LINE: usize = 16 * 1024;
/// Fields of one line; the own format documents 25 columns.
const MAX_FIELDS: usize = 128;

/// What became of one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its fields are in [`Lines`].
    Fields,
    /// It cannot be read; why.
    Bad(&'static str),
    /// The file has ended.
    End,
}

/// Reads and splits lines; the buffers are kept from line to line.
pub(super) struct Lines<R> {
    reader: R,
    raw: Vec<u8>,
    text: String,
    ends: Vec<usize>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Lines<R> {
        Lines { reader, raw: Vec::new(), text: String::new(), ends: Vec::new(), number: 0 }
    }

    /// Number of the line last read, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many fields the line has.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Field `index`, without quotes and surrounding blanks; empty where the line has fewer.
    pub(super) fn field(&self, index: usize) -> &str {
        let Some(&end) = self.ends.get(index) else { return "" };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text[start..end].trim()
    }

    /// Reads the next line that is not blank.
    pub(super) fn next(&mut self) -> Result<Line, RegisterError> {
        loop {
            self.raw.clear();
            let limit = MAX_LINE as u64 + 1;
            let read = Read::by_ref(&mut self.reader).take(limit).read_until(b'\n', &mut self.raw)?;
            if read == 0 {
                return Ok(Line::End);
            }
            self.number += 1;
            if read > MAX_LINE && self.raw.last() != Some(&b'\n') {
                self.skip_rest_of_line()?;
                return Ok(Line::Bad("the line is longer than 16 KiB"));
            }
            if self.number == 1 && self.raw.starts_with(b"\xef\xbb\xbf") {
                self.raw.drain(..3);
            }
            while matches!(self.raw.last(), Some(b'\n' | b'\r')) {
                self.raw.pop();
            }
            if !self.raw.iter().all(u8::is_ascii_whitespace) {
                return Ok(self.split());
            }
        }
    }

    fn skip_rest_of_line(&mut self) -> Result<(), RegisterError> {
        loop {
            let available = self.reader.fill_buf()?;
            let (used, done) = match available.iter().position(|&b| b == b'\n') {
                Some(at) => (at + 1, true),
                None => (available.len(), available.is_empty()),
            };
            self.reader.consume(used);
            if done {
                return Ok(());
            }
        }
    }

    fn split(&mut self) -> Line {
        self.text.clear();
        self.ends.clear();
        let Ok(line) = std::str::from_utf8(&self.raw) else { return Line::Bad("the line is not UTF-8 text") };
        let mut rest = line.chars().peekable();
        let mut quoted = false;
        while let Some(character) = rest.next() {
            match character {
                '"' if quoted && rest.peek() == Some(&'"') => {
                    rest.next();
                    self.text.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => {
                    if self.ends.len() == MAX_FIELDS {
                        return Line::Bad("the line has more than 128 fields");
                    }
                    self.ends.push(self.text.len());
                }
                other => self.text.push(other),
            }
        }
        self.ends.push(self.text.len());
        if quoted { Line::Bad("a quote is not closed on its line") } else { Line::Fields }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<Result<Vec<String>, &'static str>> {
        let mut lines = Lines::new(text);
        let mut found = Vec::new();
        loop {
            match lines.next().unwrap() {
                Line::End => return found,
                Line::Bad(why) => found.push(Err(why)),
                Line::Fields => found.push(Ok((0..lines.len()).map(|i| lines.field(i).to_owned()).collect())),
            }
        }
    }

    #[test]
    fn quotes_hold_commas_and_an_open_quote_costs_one_line() {
        let found = all(b"\xef\xbb\xbfa, \"b,\"\"c\" ,\r\n\r\n\"open,x\nlast\n");
        assert_eq!(found[0], Ok(vec!["a".into(), "b,\"c".into(), String::new()]));
        assert!(found[1].is_err());
        assert_eq!(found[2], Ok(vec!["last".into()]));
    }

    #[test]
    fn a_line_without_end_is_passed_over_in_bounded_memory() {
        let mut text = vec![b'x'; 3 * MAX_LINE];
        text.extend_from_slice(b"\nnext\n\xff\n");
        let found = all(&text);
        assert_eq!(found[0], Err("the line is longer than 16 KiB"));
        assert_eq!(found[1], Ok(vec!["next".into()]));
        assert_eq!(found[2], Err("the line is not UTF-8 text"));
    }
}
