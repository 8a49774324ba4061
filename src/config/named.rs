//! Tables that are built in, and files of the same form in their place: profiles of receivers, bands of countries.

use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key or a value of the wrong type.
    #[error("{name}: {source}")]
    Syntax {
        /// File or built-in table.
        name: String,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// A value out of its range.
    #[error("{name}: {key} = {value}: must be {allowed}")]
    Value {
        /// File or built-in table.
        name: String,
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// No such built-in table.
    #[error("there is no {kind} \"{name}\": use one of {known}, or a path that ends in .toml")]
    Unknown {
        /// What is looked for, for people.
        kind: &'static str,
        /// As written.
        name: String,
        /// The built-in ones.
        known: String,
    },
}

/// The text of the built-in table of this name, or of a file whose path ends in `.toml` and counts from `folder`; before it its name
/// for messages.
///
/// # Errors
/// [`TableError`]: no such file, no such table.
pub fn text<'a>(
    kind: &'static str,
    built_in: &'a [(&'a str, &'a str)],
    name: &str,
    folder: &Path,
) -> Result<(String, Cow<'a, str>), TableError> {
    if name.ends_with(".toml") {
        let path = folder.join(name);
        return match super::text(&path) {
            Ok(text) => Ok((path.display().to_string(), Cow::Owned(text))),
            Err(source) => Err(TableError::Read { path, source }),
        };
    }
    match built_in.iter().find(|(known, _)| *known == name) {
        Some((name, text)) => Ok(((*name).to_owned(), Cow::Borrowed(text))),
        None => {
            let known = built_in.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            Err(TableError::Unknown { kind, name: name.to_owned(), known })
        }
    }
}

/// Reads a table as written; `name` is for messages.
///
/// # Errors
/// [`TableError::Syntax`].
pub fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, TableError> {
    toml::from_str(text).map_err(|source| TableError::Syntax { name: name.to_owned(), source: Box::new(source) })
}
