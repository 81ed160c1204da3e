//! Why there is no result.

use std::fmt;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A matrix whose rows have no elements, or whose length is not a whole number of rows.
    Shape {
        /// Elements in all.
        length: usize,
        /// Elements of a row.
        dimension: usize,
    },
    /// Queries and corpus differ in dimension.
    Dimension {
        /// Elements of a query.
        queries: usize,
        /// Elements of a row of the corpus.
        corpus: usize,
    },
    /// More rows than 2^32 - 1, or vectors of more than 2^24 elements.
    TooLarge,
    /// This query, the first of its kind, holds NaN or infinity.
    Query(usize),
    /// This row of the corpus, the first of its kind, holds NaN or infinity.
    Row(usize),
    /// The caller stopped it.
    Interrupted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { length, dimension } => {
                write!(
                    f,
                    "{length} elements are no matrix with rows of {dimension}: rows need at least one element each"
                )
            }
            Self::Dimension { queries, corpus } => {
                write!(f, "queries have dimension {queries} and the corpus {corpus}: both must come from one model")
            }
            Self::TooLarge => {
                f.write_str("the matrix is too large: at most 4,294,967,294 rows of at most 16,777,216 elements")
            }
            Self::Query(i) => write!(f, "query {i} holds NaN or infinity: every element must be finite"),
            Self::Row(i) => write!(f, "corpus row {i} holds NaN or infinity: every element must be finite"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}
