//! Why there is no result.

use std::fmt;

/// Why there is no result. The message says what was wrong, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A parameter out of its range.
    Parameter {
        /// Its name and value.
        what: String,
        /// What it may be.
        expected: &'static str,
    },
    /// More known texts, or more shingles of them, than can be numbered.
    TooMany,
    /// The caller stopped it.
    Interrupted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter { what, expected } => write!(f, "{what} cannot be used: it must be {expected}"),
            Self::TooMany => f.write_str(
                "the known texts have more than 4,294,967,295 shingles: hold the others against a part of them at a time",
            ),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}
