//! Reads the crate's own source as words, so that rules about it can be tests.
//!
//! Not a Rust parser: it only has to tell code from comments and from text between quotes, and never mistake one for
//! the other. What it knows of Rust is in [`tokens`].

use std::fs;
use std::path::{Path, PathBuf};

/// What a [`Token`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier, a keyword or a number.
    Word,
    /// The text between quotes, without them.
    Text,
    /// One character of punctuation.
    Sign,
}

/// One piece of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Counted from 1.
    pub line: usize,
    pub kind: Kind,
    pub text: String,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

/// Every `.rs` file below `src`, in order of its path, with the path relative to `src`.
pub fn source_files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// The code of a source file without comments; lifetimes come as words without their quote, literals of one character
/// not at all.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        let c = chars[i];
        let mut kind = None;
        let mut inner = (i, i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            i = end_of_block_comment(&chars, i);
        } else if let Some((open, hashes)) = raw_text_at(&chars, i) {
            let mut end = open;
            while end < chars.len() && !(at(end) == '"' && (1..=hashes).all(|n| at(end + n) == '#')) {
                end += 1;
            }
            (kind, inner) = (Some(Kind::Text), (open, end.min(chars.len())));
            i = (end + 1 + hashes).min(chars.len());
        } else if c == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i = i.min(chars.len());
            (kind, inner) = (Some(Kind::Text), (start + 1, i));
            i = (i + 1).min(chars.len());
        } else if c == '\'' && at(i + 1) == '\\' {
            i += 3; // the quote, the backslash and what it escapes
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i = (i + 1).min(chars.len());
        } else if c == '\'' && at(i + 2) == '\'' {
            i += 3;
        } else if c.is_alphanumeric() || c == '_' {
            while i < chars.len() && (at(i).is_alphanumeric() || at(i) == '_') {
                i += 1;
            }
            (kind, inner) = (Some(Kind::Word), (start, i));
        } else {
            i += 1;
            if !c.is_whitespace() && c != '\'' {
                (kind, inner) = (Some(Kind::Sign), (start, i));
            }
        }
        if let Some(kind) = kind {
            out.push(Token { line, kind, text: chars[inner.0..inner.1].iter().collect() });
        }
        line += chars[start..i].iter().filter(|c| **c == '\n').count();
    }
    out
}

/// Where the block comment that opens at `i` ends; block comments nest.
fn end_of_block_comment(chars: &[char], mut i: usize) -> usize {
    let mut depth = 0;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

/// Whether a raw text such as `br##"` opens at `i`: where what is inside begins, and how many `#` close it.
fn raw_text_at(chars: &[char], i: usize) -> Option<(usize, usize)> {
    let in_a_word = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
    let rest = &chars[i..];
    let prefix = usize::from(rest.len() > 1 && matches!(rest[0], 'b' | 'c'));
    if in_a_word || rest.get(prefix) != Some(&'r') {
        return None;
    }
    let hashes = rest[prefix + 1..].iter().take_while(|c| **c == '#').count();
    (rest.get(prefix + 1 + hashes) == Some(&'"')).then_some((i + prefix + hashes + 2, hashes))
}
