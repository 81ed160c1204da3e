//! Why there is no result.

use std::fmt;

/// Why there is no result. The message says what was wrong, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Vectors, queries, a mask or the memory for a result cannot be used, or the caller stopped it.
    Kernels(crossfade_kernels::Error),
    /// A setting is out of its range.
    Setting(String),
    /// The bytes are no graph, or a damaged one.
    File(String),
    /// The graph is that of other vectors.
    Vectors(String),
}

impl From<crossfade_kernels::Error> for Error {
    fn from(error: crossfade_kernels::Error) -> Self {
        Self::Kernels(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernels(error) => error.fmt(f),
            Self::Setting(message) | Self::File(message) | Self::Vectors(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
