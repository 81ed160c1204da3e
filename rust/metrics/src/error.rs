//! What a caller of this crate can do wrong.

use std::fmt;

/// A value that cannot be used. The message says what was wrong, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A measure's name cannot be read or does not exist.
    Measure(String),
    /// Judgments or a run break their rules: a duplicate, a score that is not finite.
    Data(String),
    /// A line of a file, counted from 1, does not hold what its format promises.
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Paired samples or the settings of a test cannot be used.
    Sample(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measure(message) | Self::Data(message) | Self::Sample(message) => f.write_str(message),
            Self::Line { line, reason } => write!(f, "line {line}: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
