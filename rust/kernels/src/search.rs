//! top-K among vectors: what is asked for, and the way in which it is done.

use std::ops::Range;

use crate::backend::{Backend, FEW};
use crate::drive::{Job, Limits, Shape, drive};
use crate::element::{Corpus, Element, Table, on_table};
use crate::mask::Mask;
use crate::metric::Metric;
use crate::queries::{Queries, Way};
use crate::scan::{Scanner, Size};
use crate::select::{Key, Selector, unkey};
use crate::{Error, Rows, on_backend};

/// How the work is done; the result does not depend on it, but for the mask.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// The rows that may be found; None is all of them. A row that it rules out is not even read.
    pub mask: Option<Mask<'a>>,
    /// How many threads may work; 0 is one for every core.
    pub threads: usize,
    /// Asked every few milliseconds on the calling thread; true stops the search.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
    /// Whether the corpus is a mapped file: the system is then asked to read ahead of a scan, and to bring candidates.
    pub mapped: bool,
}

/// The best rows of every query.
#[derive(Debug, Clone, PartialEq)]
pub struct TopK {
    /// The number asked for, or the number of rows that may be found when there are fewer.
    pub k: usize,
    /// Shape (queries, k), best first.
    pub scores: Vec<f32>,
    /// Shape (queries, k): the row of the corpus behind each score.
    pub indices: Vec<i64>,
}

impl TopK {
    /// Room for the best `k` of so many queries, or [`Error::Memory`], before any work is done for them.
    pub(crate) fn reserved(k: usize, queries: usize) -> Result<Self, Error> {
        let mut result = Self { k, scores: Vec::new(), indices: Vec::new() };
        let count = queries.checked_mul(k).ok_or(Error::Memory { queries, k })?;
        let reserved = result.scores.try_reserve_exact(count).and_then(|()| result.indices.try_reserve_exact(count));
        reserved.map(|()| result).map_err(|_| Error::Memory { queries, k })
    }

    /// With what was found, query after query.
    pub(crate) fn filled(mut self, keys: impl Iterator<Item = Vec<Key>>) -> Self {
        keys.flatten().for_each(|key| self.push(key));
        self
    }

    /// What was found next.
    pub(crate) fn push(&mut self, key: Key) {
        let (score, row) = unkey(key);
        self.scores.push(score);
        self.indices.push(row as i64);
    }
}

/// The `k` best rows of `corpus` for every query: score descending, then row ascending.
///
/// A score is that of the two vectors alone, computed in f64 in a fixed order and rounded to f32: the same on every
/// processor, with any number of threads, whatever else is in the batch or the corpus. Before that rounding its error is
/// below (n / 32 + 7) 2^-53, for n elements, of Σ|q r| for the inner product, of the distance for L2, and of 1 for the
/// cosine.
///
/// Memory: O(queries k), and a megabyte or two for each thread.
///
/// # Errors
/// See [`Error`].
pub fn top_k(
    queries: Rows<'_, f32>,
    corpus: Corpus<'_>,
    k: usize,
    metric: Metric,
    options: Options<'_>,
) -> Result<TopK, Error> {
    let task = Task { queries, corpus, k, metric };
    on_backend!(backend => top_k_with(backend, task, options, Limits::default()))
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) queries: Rows<'a, f32>,
    pub(crate) corpus: Corpus<'a>,
    pub(crate) k: usize,
    pub(crate) metric: Metric,
}

/// `top_k` on a given back end.
pub(crate) fn top_k_with<B: Backend>(
    backend: B,
    task: Task<'_>,
    options: Options<'_>,
    limits: Limits,
) -> Result<TopK, Error> {
    on_table!(task.corpus, table => top_k_of(backend, task, table, options, limits))
}

fn top_k_of<B: Backend, E: Element>(
    backend: B,
    task: Task<'_>,
    table: Table<'_, E>,
    options: Options<'_>,
    limits: Limits,
) -> Result<TopK, Error> {
    check(task.queries, task.corpus, options.mask)?;
    let (queries, dimension) = (task.queries.len(), task.corpus.dimension());
    let codes = backend.has_tile_i8()
        && task.metric != Metric::L2
        && dimension <= MOST_CODED
        && (!E::F32 || queries >= limits.coded_f32_queries);
    let way = match queries {
        0..=FEW if codes && E::INT8 => Way::FewCodes,
        _ if queries <= B::FEW && !(codes && E::INT8) => Way::Few,
        _ if codes => Way::Codes,
        _ => Way::Float,
    };
    let shape = Shape {
        queries,
        rows: task.corpus.len(),
        k: task.k,
        products: dimension,
        query_bytes: dimension
            * match way {
                Way::Few | Way::Float => size_of::<f32>(),
                Way::FewCodes | Way::Codes => size_of::<i8>(),
            },
        panel: match way {
            Way::Few => B::FEW,
            Way::FewCodes => FEW,
            Way::Float | Way::Codes => B::LANES * B::VECTORS,
        },
        row_bytes: dimension * size_of::<E>(),
        most_rows: Scanner::<B, E>::most_rows(way, dimension),
    };
    let size = Size { most_rows: shape.most_rows, reckoned_pairs: limits.reckoned_pairs };
    let scan = Scan { backend, metric: task.metric, queries: task.queries, table, way, size };
    drive(&scan, shape, options, limits)
}

/// Elements of a vector up to which its whole-number product with a query stays below 2^31.
const MOST_CODED: usize = 1 << 16;

/// A search among vectors.
struct Scan<'a, B, E> {
    backend: B,
    metric: Metric,
    queries: Rows<'a, f32>,
    table: Table<'a, E>,
    way: Way,
    size: Size,
}

impl<B: Backend, E: Element> Job for Scan<'_, B, E> {
    type Queries = Queries;
    type Worker<'w>
        = Scanner<'w, B, E>
    where
        Self: 'w;

    fn addresses(&self, rows: usize) -> Range<usize> {
        self.table.rows.addresses(rows)
    }

    fn prepare(&self, queries: Range<usize>) -> Queries {
        Queries::new::<B>(self.metric, self.way, self.queries, queries.start, queries.end)
    }

    fn worker<'w>(&'w self, queries: &'w Queries, selector: Selector<'w>) -> Self::Worker<'w> {
        Scanner::new(self.backend, self.table, queries, selector, self.size)
    }
}

/// What must hold of any search.
pub(crate) fn check(queries: Rows<'_, f32>, corpus: Corpus<'_>, mask: Option<Mask<'_>>) -> Result<(), Error> {
    if queries.dimension() != corpus.dimension() {
        return Err(Error::Dimension { queries: queries.dimension(), corpus: corpus.dimension() });
    }
    if let Some(mask) = mask.filter(|mask| mask.rows() != corpus.len()) {
        return Err(Error::Length { what: "bits of mask", length: mask.rows(), expected: corpus.len() });
    }
    match queries.not_finite() {
        Some(query) => Err(Error::Query(query)),
        None => Ok(()),
    }
}
