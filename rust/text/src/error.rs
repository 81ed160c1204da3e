//! Why there is no result.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no result. The message says what was wrong, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Settings of an analyser that cannot be read or used.
    Settings(String),
    /// An index was made with other settings than those asked for; both as JSON.
    OtherSettings {
        /// The index.
        path: PathBuf,
        /// Its settings.
        found: String,
        /// Those asked for.
        expected: String,
    },
    /// Parts of one search have different settings.
    MixedSettings {
        /// Place of the part that differs from the first.
        part: usize,
    },
    /// The files of an index are not what was written.
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory for a new index is taken.
    Exists(PathBuf),
    /// The operating system refused.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// A parameter out of its range.
    Parameter {
        /// Its name and value.
        what: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A mask that does not fit its part.
    Mask {
        /// Place of the part.
        part: usize,
        /// Bytes it has.
        bytes: usize,
        /// Rows of the part.
        rows: usize,
    },
    /// A query with too many tokens.
    QueryTooLong {
        /// Its place in the batch.
        query: usize,
        /// Tokens it has.
        tokens: usize,
    },
    /// A row that no part has.
    NoRow {
        /// Place of the part.
        part: usize,
        /// The row.
        row: u64,
    },
    /// More rows than a part can hold.
    TooManyRows,
    /// A text that is longer than a row may be.
    TextTooLong,
    /// The caller stopped it.
    Interrupted,
}

impl Error {
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason: error.to_string() }
    }

    pub(crate) fn damaged(path: &Path, reason: impl fmt::Display) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(reason) => write!(f, "these analyser settings cannot be used: {reason}"),
            Self::OtherSettings { path, found, expected } => write!(
                f,
                "the text index {} was made with the analyser settings {found}, not {expected}: open it with its own, \
                 or build it again",
                path.display()
            ),
            Self::MixedSettings { part } => write!(
                f,
                "part {part} has other analyser settings than part 0: parts of one search must share them; build the \
                 part again"
            ),
            Self::Damaged { path, reason } => {
                write!(f, "{}: {reason}: delete this text index and build it again from its rows", path.display())
            }
            Self::Exists(path) => {
                write!(f, "{} is not an empty directory: name a directory that does not exist yet", path.display())
            }
            Self::Io { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Parameter { what, expected } => write!(f, "{what} cannot be used: it must be {expected}"),
            Self::Mask { part, bytes, rows } => write!(
                f,
                "the mask of part {part} has {bytes} bytes, but {rows} rows need {}: one bit a row",
                rows.div_ceil(8)
            ),
            Self::QueryTooLong { query, tokens } => write!(
                f,
                "query {query} has {tokens} tokens: at most {} can be searched for, shorten it",
                crate::MOST_QUERY_TOKENS
            ),
            Self::NoRow { part, row } => write!(f, "there is no row {row} in part {part}"),
            Self::TooManyRows => write!(f, "a part holds at most {} rows: begin another", crate::search::MOST_ROWS),
            Self::TextTooLong => f.write_str("a text has at most 134,217,728 bytes of UTF-8: split it"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}
