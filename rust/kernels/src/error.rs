//! Why there is no result.

use std::fmt;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A matrix whose rows have no elements, or whose elements do not suffice for its rows.
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
    /// Something that must have an entry, or a bit, for each row or query has another length.
    Length {
        /// What it is, with its unit.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The length it must have.
        expected: usize,
    },
    /// More rows than 2^32 - 2, or vectors of more than 2^22 elements.
    TooLarge,
    /// This query, the first of its kind, holds NaN or infinity.
    Query(usize),
    /// This row of the corpus, the first of its kind, holds NaN or infinity.
    Row(usize),
    /// The scale of this row, the first of its kind, is not a positive number.
    Scale(usize),
    /// Offsets that do not rise from 0 to the number of rows; the first place where they do not.
    Offsets(usize),
    /// This document, the first of its kind, has no tokens.
    EmptyDocument(usize),
    /// The candidate at this place, the first of its kind, is no row of the corpus.
    Candidate(usize),
    /// This row of what is to be quantised, the first of its kind, holds NaN or infinity.
    NotFinite(usize),
    /// This row, the first of its kind, has an element that half precision cannot hold.
    HalfRange(usize),
    /// This row, the first of its kind, has an element that bfloat16 would round to infinity.
    BrainRange(usize),
    /// There is no memory for a result of so many scores.
    Memory {
        /// How many queries.
        queries: usize,
        /// Rows found for each.
        k: usize,
    },
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
            Self::Length { what, length, expected } => {
                write!(f, "expected {expected} {what}, not {length}")
            }
            Self::TooLarge => {
                f.write_str("the matrix is too large: at most 4,294,967,294 rows of at most 4,194,304 elements")
            }
            Self::Query(i) => write!(f, "query {i} holds NaN or infinity: every element must be finite"),
            Self::Row(i) => write!(f, "corpus row {i} holds NaN or infinity: every element must be finite"),
            Self::Scale(i) => write!(f, "corpus row {i} cannot be used: its scale is not a positive number"),
            Self::Offsets(i) => {
                write!(f, "offset {i} is out of order: offsets must rise from 0 to the number of document tokens")
            }
            Self::EmptyDocument(i) => {
                write!(f, "document {i} has no tokens: it has no score, leave it out")
            }
            Self::Candidate(i) => write!(f, "candidate {i} is no row of the corpus"),
            Self::NotFinite(i) => write!(f, "row {i} holds NaN or infinity: every element must be finite"),
            Self::BrainRange(i) => {
                write!(f, "row {i} holds a number beyond bf16's range (3.39e38): scale the vectors down, or use int8")
            }
            Self::HalfRange(i) => {
                write!(
                    f,
                    "row {i} holds a number beyond f16's range (65504): scale the vectors down, or use bf16 or int8"
                )
            }
            Self::Memory { queries, k } => {
                let bytes = queries.saturating_mul(*k).saturating_mul(size_of::<f32>() + size_of::<i64>());
                write!(
                    f,
                    "the best {k} rows of each of {queries} queries take {bytes} bytes, which cannot be had: ask for \
                     fewer, or for a part of the queries at a time"
                )
            }
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}
