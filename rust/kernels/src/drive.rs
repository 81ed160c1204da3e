//! Blocks of queries, chunks of the corpus, threads: how any search is cut up, and its parts put together.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::mask::Mask;
use crate::read_ahead::ReadAhead;
use crate::sample::Sample;
use crate::select::{Best, Key, Selector};
use crate::share_out::{self, on_threads, take};
use crate::{Error, Options, TopK};

/// A search, and how its parts are done.
pub(crate) trait Job: Sync {
    /// A block of queries in the form in which they are compared.
    type Queries: Sync;
    /// What a thread needs to search for a block of queries.
    type Worker<'w>: Worker
    where
        Self: 'w;

    /// Where the first `rows` rows lie in memory.
    fn addresses(&self, rows: usize) -> Range<usize>;

    fn prepare(&self, queries: Range<usize>) -> Self::Queries;

    fn worker<'w>(&'w self, queries: &'w Self::Queries, selector: Selector<'w>) -> Self::Worker<'w>;
}

pub(crate) trait Worker {
    /// Search the rows `ids`; those of `next` will come after them. The error is the first row that cannot be compared.
    fn block(&mut self, ids: &[u32], next: &[u32]) -> Result<(), usize>;

    /// Hand in what was found.
    fn finish(self);
}

/// What the size of a search depends on.
pub(crate) struct Shape {
    pub(crate) queries: usize,
    pub(crate) rows: usize,
    pub(crate) k: usize,
    /// Products of elements, or what takes as long, for a pair.
    pub(crate) products: usize,
    /// Bytes of a query as it is compared.
    pub(crate) query_bytes: usize,
    /// Queries that are compared at once.
    pub(crate) panel: usize,
    /// Bytes of a row.
    pub(crate) row_bytes: usize,
    /// Rows that a worker takes at once.
    pub(crate) most_rows: usize,
}

/// How the work is cut up. It moves the speed and never the result, which the tests prove with very small limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of queries, as they are compared, in a block: they are read once for every block of rows, from the
    /// second-level cache.
    pub(crate) query_bytes: usize,
    /// Queries in a block.
    pub(crate) block_queries: usize,
    /// Keys that the selectors of one block of queries may hold.
    pub(crate) block_keys: usize,
    /// Bytes of the corpus that a thread takes at a time.
    pub(crate) chunk_bytes: usize,
    /// Products of elements in a chunk: so soon is an interruption heard.
    pub(crate) chunk_products: usize,
    /// Products of elements for which a second thread is worth its start.
    pub(crate) products_per_thread: usize,
    /// Queries for which f32 rows are worth being turned into codes.
    pub(crate) coded_f32_queries: usize,
    /// Pairs after which a worker looks at how many of them codes could not rule out.
    pub(crate) reckoned_pairs: usize,
    /// Queries, and keys that are looked for in all, from which on a sample is looked at first.
    pub(crate) sampled_queries: usize,
    pub(crate) sampled_keys: usize,
    /// How much a sample may have more of the best than its share: so many times its square root, and one.
    pub(crate) sample_margin: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query_bytes: 512 << 10,
            block_queries: 1024,
            block_keys: 1 << 22,
            chunk_bytes: 1 << 20,
            chunk_products: 1 << 28,
            products_per_thread: 1 << 20,
            coded_f32_queries: 17,
            reckoned_pairs: 1 << 16,
            sampled_queries: 16,
            sampled_keys: 1 << 12,
            sample_margin: 5.0,
        }
    }
}

/// Blocks of queries for each thread from which on it is better to share them out than the corpus: then the threads
/// need not wait for one another after every block, and the last ones finish nearly together.
const BLOCKS_PER_THREAD: usize = 8;

/// Do all of it.
pub(crate) fn drive<J: Job>(job: &J, shape: Shape, options: Options<'_>, limits: Limits) -> Result<TopK, Error> {
    let queries = shape.queries;
    let visited = options.mask.map_or(shape.rows, |mask| mask.count());
    let result = TopK::reserved(shape.k.min(visited), queries)?;
    let drive = Drive::new(job, shape, visited, options, limits);
    drive.run(&|| options.interrupted.is_some_and(|interrupted| interrupted()))?;
    let best = drive.best.into_iter().flat_map(|best| best.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(result.filled(best))
}

/// What the workers share.
struct Drive<'a, J> {
    job: &'a J,
    mask: Option<Mask<'a>>,
    read_ahead: Option<ReadAhead>,
    shape: Shape,
    /// Rows that may be found.
    visited: usize,
    k: usize,
    threads: usize,
    /// Queries in a block.
    block: usize,
    /// Rows in a chunk, those ruled out among them.
    chunk: usize,
    sample: Option<Sample>,
    /// By block of queries and query: the best keys.
    best: Vec<Mutex<Vec<Vec<Key>>>>,
    /// The first row found to hold NaN or infinity; `usize::MAX` when there is none.
    bad_row: AtomicUsize,
    stopped: AtomicBool,
}

impl<'a, J: Job> Drive<'a, J> {
    fn new(job: &'a J, shape: Shape, visited: usize, options: Options<'a>, limits: Limits) -> Self {
        let k = shape.k.min(visited);
        let most = (limits.query_bytes / shape.query_bytes).min(limits.block_queries).min(limits.block_keys / k.max(1));
        let blocks = shape.queries.div_ceil(most.max(1)).max(1);
        let block = shape.queries.div_ceil(blocks).max(1).next_multiple_of(shape.panel);
        let products = shape.queries.saturating_mul(visited).saturating_mul(shape.products);
        let threads = share_out::threads_for(options, products.div_ceil(limits.products_per_thread));
        // Several chunks a thread, so that one that falls behind is helped out.
        let chunk = (limits.chunk_bytes / shape.row_bytes)
            .min(limits.chunk_products / (shape.products * block.min(shape.queries.max(1))))
            .min(visited.div_ceil(threads * 4))
            .max(shape.most_rows.min(visited.div_ceil(threads)))
            .max(1);
        // A chunk has as many rows that may be found, on average, whatever the mask.
        let chunk = (chunk.saturating_mul(shape.rows) / visited.max(1)).max(1);
        let addresses = job.addresses(shape.rows);
        Self {
            job,
            mask: options.mask,
            read_ahead: options.mapped.then(|| ReadAhead::new(addresses.start, addresses.end)),
            visited,
            k,
            threads,
            block,
            chunk,
            // To read here and there would be slow where rows come from a disk.
            sample: Sample::new(shape.queries.min(block), visited, k, &limits).filter(|_| !options.mapped),
            best: (0..shape.queries.div_ceil(block)).map(|_| Mutex::default()).collect(),
            shape,
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
                on_threads(self.threads, interrupted, |interrupted| {
                    while let Some(block) = take(&next, 1, blocks).filter(|_| !self.has_ended()) {
                        self.find(block, 1, interrupted);
                    }
                });
            } else {
                for block in (0..blocks).take_while(|_| !self.has_ended()) {
                    self.find(block, self.threads, interrupted);
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

    /// Whether no further block of queries need be begun: it was interrupted, or there is a bad row. The first one, then:
    /// who found it saw, for the same block, every row before it, or left them to workers that finish the block.
    fn has_ended(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.bad_row.load(Ordering::Relaxed) != usize::MAX
    }

    /// Find the best for a block of queries, on so many threads. What `sample` leads to is proved or done again.
    fn find(&self, block: usize, threads: usize, interrupted: &dyn Fn() -> bool) {
        let start = block * self.block;
        let count = self.shape.queries.min(start + self.block) - start;
        let queries = self.job.prepare(start..start + count);
        let new = |k| Best::new(count, k, self.visited, threads);
        let search = |best: Best, rows: Sample| {
            let next = AtomicUsize::new(0);
            on_threads(threads, interrupted, |interrupted| self.search(&queries, &best, (rows, &next), interrupted));
            best
        };
        let mut best = match self.sample {
            Some(sample) => new(self.k).with_floors(search(new(sample.kept), sample).into_floors()),
            None => new(self.k),
        };
        // A bad row in the sample need not be the first one.
        if !self.stopped.load(Ordering::Relaxed) {
            best = search(best, Sample::ALL);
        }
        if self.sample.is_some() && !self.has_ended() && best.lacks() {
            drop(best);
            best = search(new(self.k), Sample::ALL);
        }
        *self.best[block].lock().unwrap_or_else(PoisonError::into_inner) = best.finish().collect();
    }

    /// Search one chunk of `rows` after another, as `next` hands them out.
    ///
    /// `next` only rises, so every worker sees its rows in ascending order, and every row before a bad one has been
    /// handed out: the bad row reported is the first one, whatever the threads do.
    fn search(
        &self,
        queries: &J::Queries,
        best: &Best,
        (rows, next): (Sample, &AtomicUsize),
        interrupted: &dyn Fn() -> bool,
    ) {
        let mut source = Source { drive: self, rows, next, interrupted, at: 0, end: 0 };
        let (mut now, mut coming) =
            (Vec::with_capacity(self.shape.most_rows), Vec::with_capacity(self.shape.most_rows));
        source.fill(&mut now);
        if now.is_empty() {
            // Others were faster.
            return;
        }
        let mut worker = self.job.worker(queries, Selector::new(best));
        while !now.is_empty() {
            source.fill(&mut coming);
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            if let Err(row) = worker.block(&now, &coming) {
                self.bad_row.fetch_min(row, Ordering::Relaxed);
                return;
            }
            std::mem::swap(&mut now, &mut coming);
        }
        worker.finish();
    }
}

/// Where a worker's rows come from.
struct Source<'s, 'a, J> {
    drive: &'s Drive<'a, J>,
    rows: Sample,
    next: &'s AtomicUsize,
    interrupted: &'s dyn Fn() -> bool,
    /// What is left of a chunk.
    at: usize,
    end: usize,
}

impl<J: Job> Source<'_, '_, J> {
    /// The next block of rows; none when all are taken, or the search has stopped.
    fn fill(&mut self, block: &mut Vec<u32>) {
        let drive = self.drive;
        block.clear();
        while block.is_empty() {
            if self.at == self.end {
                let rows = drive.shape.rows.min(drive.bad_row.load(Ordering::Relaxed));
                let chunk = drive.chunk.saturating_mul(self.rows.every());
                let Some(start) = take(self.next, chunk, rows) else { return };
                if (self.interrupted)() {
                    drive.stopped.store(true, Ordering::Relaxed);
                }
                if drive.stopped.load(Ordering::Relaxed) {
                    return;
                }
                (self.at, self.end) = (start, drive.shape.rows.min(start.saturating_add(chunk)));
                if let Some(read_ahead) = &drive.read_ahead {
                    read_ahead.reached(drive.job.addresses(self.end).end);
                }
            }
            self.gather(block);
        }
    }

    /// Append rows of the chunk, until there are enough or no more.
    fn gather(&mut self, block: &mut Vec<u32>) {
        let (drive, most) = (self.drive, self.drive.shape.most_rows);
        match &drive.mask {
            None if self.rows == Sample::ALL => {
                let end = self.end.min(self.at + most);
                block.extend(self.at as u32..end as u32);
                self.at = end;
            }
            None => self.at = self.rows.gather(self.at, self.end, most, block),
            Some(mask) => {
                while self.at < self.end && block.len() < most {
                    let before = block.len();
                    self.at = mask.gather(self.at, self.end, most, block);
                    if self.rows != Sample::ALL {
                        let mut i = 0;
                        block.retain(|&row| {
                            i += 1;
                            i <= before || self.rows.has(row as usize)
                        });
                    }
                }
            }
        }
    }
}
