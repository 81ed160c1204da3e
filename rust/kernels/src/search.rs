//! top-K: blocks of queries, the corpus shared out among threads, the threads' results merged.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

#[cfg(target_arch = "x86_64")]
use crate::backend::Avx2;
use crate::backend::{Backend, Portable, padded};
use crate::block::Block;
use crate::metric::Metric;
use crate::queries::Queries;
use crate::select::{Key, Selector, merge, unkey};
use crate::{Error, Rows};

/// How the work is done; the result does not depend on it.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// How many threads may work; 0 is one for every core.
    pub threads: usize,
    /// Asked every few milliseconds on the calling thread; true stops the search.
    pub interrupted: Option<&'a dyn Fn() -> bool>,
}

/// The best rows of every query.
#[derive(Debug, Clone, PartialEq)]
pub struct TopK {
    /// The number asked for, or the number of rows when there are fewer.
    pub k: usize,
    /// Shape (queries, k), best first.
    pub scores: Vec<f32>,
    /// Shape (queries, k): the row of the corpus behind each score.
    pub indices: Vec<i64>,
}

/// The `k` best rows of `corpus` for every query: score descending, then row ascending.
///
/// The score of a pair depends on the two vectors and the processor alone. With u = 2^-24, the unit roundoff of f32,
/// m = ceil(dimension / 8) and γ(n) = n u / (1 - n u), it differs from the exact one by no more than
///
/// - inner product: γ(m + 4) Σ|q r|, and dimension 2^-149 for what underflows;
/// - L2: γ(m + 6) Σ(q - r)², and dimension 2^-149;
/// - cosine: γ(m + 8), and dimension 2^-98.
///
/// (Higham 2002, section 3.1: m additions in each of eight lanes, three to add the lanes up, one rounding of a product
/// where there is no FMA; two more for the square of a rounded difference; for the cosine, the rounding of the unit
/// query, of the reciprocal norm and of their product.)
///
/// Memory: O(queries k), and a megabyte or so for each thread.
///
/// # Errors
/// See [`Error`].
pub fn top_k(
    queries: Rows<'_>,
    corpus: Rows<'_>,
    k: usize,
    metric: Metric,
    options: Options<'_>,
) -> Result<TopK, Error> {
    let task = Task { queries, corpus, k, metric };
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = Avx2::new() {
        return top_k_with(avx2, task, options, Limits::default());
    }
    top_k_with(Portable, task, options, Limits::default())
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) queries: Rows<'a>,
    pub(crate) corpus: Rows<'a>,
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
    let (queries, corpus) = (task.queries, task.corpus);
    if queries.dimension() != corpus.dimension() {
        return Err(Error::Dimension { queries: queries.dimension(), corpus: corpus.dimension() });
    }
    if let Some(query) = queries.first_not_finite() {
        return Err(Error::Query(query));
    }
    let search = Search::new(backend, task, options.threads, limits);
    search.run(&|| options.interrupted.is_some_and(|interrupted| interrupted()))?;
    Ok(search.result())
}

/// How the work is cut up. It moves the speed and never the result, which the tests prove with very small limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of packed queries in a block: they are read once for every block of rows, from the second-level cache.
    pub(crate) query_bytes: usize,
    /// Keys that the selectors of one block of queries may hold.
    pub(crate) block_keys: usize,
    /// Bytes of the corpus that a thread takes at a time.
    pub(crate) chunk_bytes: usize,
    /// Products of elements for which a second thread is worth its start.
    pub(crate) products_per_thread: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { query_bytes: 384 << 10, block_keys: 1 << 22, chunk_bytes: 1 << 20, products_per_thread: 1 << 20 }
    }
}

/// Blocks of queries for each thread from which on it is better to share them out than the corpus: then the threads
/// need not wait for one another after every block, and the last ones finish nearly together.
const BLOCKS_PER_THREAD: usize = 8;

/// What the workers share.
struct Search<'a, B> {
    backend: B,
    metric: Metric,
    queries: Rows<'a>,
    corpus: Rows<'a>,
    k: usize,
    threads: usize,
    /// Queries in a block.
    block: usize,
    /// Rows in a chunk.
    chunk: usize,
    /// By block of queries and query: the best keys so far.
    best: Vec<Mutex<Vec<Vec<Key>>>>,
    /// The first row found to hold NaN or infinity; `usize::MAX` when there is none.
    bad_row: AtomicUsize,
    stopped: AtomicBool,
}

impl<'a, B: Backend> Search<'a, B> {
    fn new(backend: B, task: Task<'a>, threads: usize, limits: Limits) -> Self {
        let Task { queries, corpus, k, metric } = task;
        let k = k.min(corpus.len());
        let row_bytes = padded::<B>(corpus.dimension()) * size_of::<f32>();
        let most = (limits.query_bytes / row_bytes).min(limits.block_keys / k.max(1)).max(1);
        let blocks = queries.len().div_ceil(most).max(1);
        let block = queries.len().div_ceil(blocks).max(1).next_multiple_of(B::QUERIES);
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = if threads == 0 { cores() } else { threads };
        let products = queries.len().saturating_mul(corpus.len()).saturating_mul(corpus.dimension());
        let threads = threads.min(products.div_ceil(limits.products_per_thread)).max(1);
        // Several chunks a thread, so that one that falls behind is helped out.
        let chunk = (limits.chunk_bytes / row_bytes).min(corpus.len().div_ceil(threads * 4)).max(1);
        Self {
            backend,
            metric,
            queries,
            corpus,
            k,
            threads,
            block,
            chunk: Block::<B>::round_up(corpus.dimension(), chunk),
            best: (0..queries.len().div_ceil(block)).map(|_| Mutex::default()).collect(),
            bad_row: AtomicUsize::new(usize::MAX),
            stopped: AtomicBool::new(false),
        }
    }

    /// Fill `best`. Many queries are shared out block by block, few by sharing out the corpus.
    fn run(&self, interrupted: &dyn Fn() -> bool) -> Result<(), Error> {
        if self.k > 0 {
            let blocks = self.best.len();
            if blocks >= BLOCKS_PER_THREAD * self.threads {
                let next = AtomicUsize::new(0);
                self.on_all_threads(interrupted, |interrupted| {
                    while let Some(block) = take(&next, 1, blocks) {
                        self.scan(block, &self.prepare(block), &AtomicUsize::new(0), interrupted);
                    }
                });
            } else {
                for block in 0..blocks {
                    let (queries, next) = (self.prepare(block), AtomicUsize::new(0));
                    self.on_all_threads(interrupted, |interrupted| self.scan(block, &queries, &next, interrupted));
                }
            }
        }
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        match self.bad_row.load(Ordering::Relaxed) {
            usize::MAX => Ok(()),
            row => Err(Error::Row(row)),
        }
    }

    /// Run `work` on every thread, the calling one among them: it alone asks whether it is interrupted, and it alone
    /// does everything where no further thread can be had.
    fn on_all_threads(&self, interrupted: &dyn Fn() -> bool, work: impl Fn(&dyn Fn() -> bool) + Sync) {
        thread::scope(|scope| {
            for _ in 1..self.threads {
                if thread::Builder::new().spawn_scoped(scope, || work(&|| false)).is_err() {
                    break;
                }
            }
            work(interrupted);
        });
    }

    fn prepare(&self, block: usize) -> Queries {
        let start = block * self.block;
        let end = self.queries.len().min(start + self.block);
        Queries::new(self.backend, self.metric, self.queries, start, end)
    }

    /// Search one chunk after another, as `next` hands them out, and merge what was found into `best`.
    ///
    /// `next` only rises, so every selector sees its rows in ascending order, and every row before a bad one has been
    /// handed out: the bad row reported is the first one, whatever the threads do.
    fn scan(&self, block: usize, queries: &Queries, next: &AtomicUsize, interrupted: &dyn Fn() -> bool) {
        let mut rows = Block::new(self.backend, self.metric, self.corpus.dimension());
        let padded = queries.len().next_multiple_of(B::QUERIES);
        let mut selector = Selector::new(queries.len(), padded, self.k, self.corpus.len());
        while let Some(start) = take(next, self.chunk, self.corpus.len().min(self.bad_row.load(Ordering::Relaxed))) {
            if interrupted() {
                self.stopped.store(true, Ordering::Relaxed);
            }
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let end = self.corpus.len().min(start + self.chunk);
            if let Err(row) = rows.search(queries, self.corpus, (start, end), &mut selector) {
                self.bad_row.fetch_min(row, Ordering::Relaxed);
                return;
            }
        }
        let mut best = self.best[block].lock().unwrap_or_else(PoisonError::into_inner);
        best.resize(queries.len(), Vec::new());
        for (best, found) in best.iter_mut().zip(selector.finish()) {
            merge(best, &found, self.k);
        }
    }

    fn result(self) -> TopK {
        let mut result = TopK { k: self.k, scores: Vec::new(), indices: Vec::new() };
        result.scores.reserve_exact(self.queries.len() * self.k);
        result.indices.reserve_exact(self.queries.len() * self.k);
        for keys in self.best.into_iter().flat_map(|best| best.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            for (score, row) in keys.into_iter().map(unkey) {
                result.scores.push(score);
                result.indices.push(row as i64);
            }
        }
        result
    }
}

/// The next `step` of 0..end, or None when all are taken.
fn take(next: &AtomicUsize, step: usize, end: usize) -> Option<usize> {
    Some(next.fetch_add(step, Ordering::Relaxed)).filter(|&start| start < end)
}
