//! What a processor must be able to do, and which back end it gets.
//!
//! A back end scores tiles: a few queries against a few rows, both packed so that one stream of vector loads feeds the
//! tile (`panel`). Everything else (order, thresholds, threads, unusual numbers) is common code above it. A back end for
//! another instruction set or another element type brings its own tile shape and stands beside these.
//!
//! Within one back end the score of a pair is one fixed sequence of operations, whatever tile it falls in: lane l sums
//! the elements l, l + LANES, l + 2 LANES, ... in order, and the lanes are added as a balanced tree.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

use crate::panel::Facts;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
pub(crate) use portable::Portable;

/// What a tile sums up over the elements of two vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Products.
    Dot,
    /// Squares of the differences: no cancellation, and exactly 0 between equal vectors.
    SquaredDifference,
}

pub(crate) trait Backend: Copy + Send + Sync {
    /// f32 in a vector register.
    const LANES: usize;
    /// Queries in a tile.
    const QUERIES: usize;
    /// Rows of the corpus in a tile.
    const ROWS: usize;

    /// Pack queries into panels of `QUERIES` (see `panel::pack`).
    fn pack_queries(self, queries: &[f32], dimension: usize, panels: &mut [f32], facts: &mut [Facts]);

    /// Pack rows into panels of `ROWS`; the norm is left out of the facts unless `norms`.
    fn pack_rows(self, rows: &[f32], dimension: usize, norms: bool, panels: &mut [f32], facts: &mut [Facts]);

    /// Sum up one panel of queries against several panels of rows. `scores` is laid out row by row, `QUERIES` each.
    ///
    /// `ahead`: memory that will be read next. Fetching it while the tile computes may save the time that it takes.
    fn score(self, operation: Operation, queries: &[f32], rows: &[f32], scores: &mut [f32], ahead: &[f32]);

    /// The first row, from `from` on, with a score that exceeds its query's threshold once multiplied by the row's
    /// scale. `scores` is laid out as `score` does.
    fn next_above(self, scores: &[f32], scales: &[f32], thresholds: &[f32], from: usize) -> Option<usize>;
}

/// Elements of one packed vector: `dimension`, rounded up to whole registers.
pub(crate) fn padded<B: Backend>(dimension: usize) -> usize {
    dimension.next_multiple_of(B::LANES)
}
