//! top-K.

use std::fmt;

use crate::Rows;

/// How two vectors are compared; higher is better in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The inner product.
    InnerProduct,
    /// The cosine of the angle; 0 with a zero vector.
    Cosine,
    /// The squared Euclidean distance, negated.
    L2,
}

/// How the work is done; the result does not depend on it.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// How many threads may work; 0 is one for every core.
    pub threads: usize,
    /// Asked now and then on the calling thread; true stops the search.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
}

/// The best rows of every query.
#[derive(Debug, Clone, PartialEq)]
pub struct TopK {
    /// min(k, rows).
    pub k: usize,
    /// Shape (queries, k), best first.
    pub scores: Vec<f32>,
    /// Shape (queries, k): the row of the corpus behind each score.
    pub indices: Vec<i64>,
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Queries and corpus differ in dimension.
    Dimension {
        /// Elements of a query.
        queries: usize,
        /// Elements of a row of the corpus.
        corpus: usize,
    },
    /// A query holds NaN or infinity.
    Query(usize),
    /// A row of the corpus holds NaN or infinity.
    Row(usize),
    /// The caller stopped it.
    Interrupted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dimension { queries, corpus } => {
                write!(f, "queries have dimension {queries} and the corpus {corpus}: both must come from one model")
            }
            Self::Query(i) => write!(f, "query {i} holds NaN or infinity: every element must be finite"),
            Self::Row(i) => write!(f, "corpus row {i} holds NaN or infinity: every element must be finite"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}

/// The `k` best rows of `corpus` for every query: score descending, then row ascending.
///
/// # Errors
/// See [`Error`].
pub fn top_k(
    queries: Rows<'_>,
    corpus: Rows<'_>,
    k: usize,
    metric: Metric,
    _options: Options<'_>,
) -> Result<TopK, Error> {
    if queries.dimension() != corpus.dimension() {
        return Err(Error::Dimension { queries: queries.dimension(), corpus: corpus.dimension() });
    }
    let bad = |rows: Rows<'_>| (0..rows.len()).find(|&i| rows.row(i).iter().any(|x| !x.is_finite()));
    if let Some(i) = bad(queries) {
        return Err(Error::Query(i));
    }
    if let Some(i) = bad(corpus) {
        return Err(Error::Row(i));
    }
    let k = k.min(corpus.len());
    let mut result = TopK { k, scores: Vec::new(), indices: Vec::new() };
    for q in 0..queries.len() {
        let mut scored: Vec<(f32, usize)> =
            (0..corpus.len()).map(|r| (score(queries.row(q), corpus.row(r), metric), r)).collect();
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        result.scores.extend(scored.iter().take(k).map(|s| s.0));
        result.indices.extend(scored.iter().take(k).map(|s| s.1 as i64));
    }
    Ok(result)
}

fn score(query: &[f32], row: &[f32], metric: Metric) -> f32 {
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        query.iter().zip(row).map(|(&a, &b)| f(f64::from(a), f64::from(b))).sum()
    };
    let value = match metric {
        Metric::InnerProduct => sum(&|a, b| a * b),
        Metric::L2 => -sum(&|a, b| (a - b) * (a - b)),
        Metric::Cosine => {
            let norms = (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
            if norms == 0.0 { 0.0 } else { sum(&|a, b| a * b) / norms }
        }
    };
    value as f32 + 0.0
}
