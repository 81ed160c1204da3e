//! A few rows of the corpus at a time: packed, scored against every query, and held against the thresholds while all of
//! it lies in the nearest cache.

use crate::Rows;
use crate::aligned::Aligned;
use crate::backend::{Backend, padded};
use crate::metric::Metric;
use crate::panel::Facts;
use crate::queries::Queries;
use crate::select::Selector;

/// Bytes of packed rows in a block: half of the smallest first-level cache in use, which leaves room for a panel of
/// queries and the scores.
const BLOCK_BYTES: usize = 16 << 10;

/// Rows in a block however short they are.
const MOST_ROWS: usize = 96;

/// One worker's working memory.
pub(crate) struct Block<B> {
    backend: B,
    metric: Metric,
    capacity: usize,
    panels: Aligned,
    scores: Aligned,
    facts: Vec<Facts>,
    scales: Vec<f32>,
    /// The rows, within the block, that only `Metric::exact` can score.
    wild: Vec<usize>,
}

impl<B: Backend> Block<B> {
    pub(crate) fn new(backend: B, metric: Metric, dimension: usize) -> Self {
        let capacity = Self::capacity(dimension);
        Self {
            backend,
            metric,
            capacity,
            panels: Aligned::zeroed(capacity * padded::<B>(dimension)),
            scores: Aligned::zeroed(capacity * B::QUERIES),
            facts: vec![Facts::default(); capacity],
            scales: vec![0.0; capacity],
            wild: Vec::new(),
        }
    }

    /// Rows in a block: whole panels, one at least.
    fn capacity(dimension: usize) -> usize {
        let row_bytes = padded::<B>(dimension) * size_of::<f32>();
        ((BLOCK_BYTES / row_bytes).min(MOST_ROWS) / B::ROWS * B::ROWS).max(B::ROWS)
    }

    /// `rows`, rounded up to whole blocks.
    pub(crate) fn round_up(dimension: usize, rows: usize) -> usize {
        rows.next_multiple_of(Self::capacity(dimension))
    }

    /// Score rows `start..end` of `corpus` against all queries and offer them to `selector`. The error is the first row
    /// that holds NaN or infinity.
    pub(crate) fn search(
        &mut self,
        queries: &Queries,
        corpus: Rows<'_>,
        (start, end): (usize, usize),
        selector: &mut Selector,
    ) -> Result<(), usize> {
        let mut first = start;
        while first < end {
            let last = end.min(first + self.capacity);
            self.load(corpus, first, last)?;
            let count = last - first;
            let length = count.next_multiple_of(B::ROWS);
            // The next block is fetched while this one is scored, a part of it with every panel.
            let ahead = corpus.range(last, corpus.len().min(last + self.capacity));
            let part = ahead.len().div_ceil(queries.len().div_ceil(B::QUERIES)).max(1);
            let parts = ahead.chunks(part).chain(std::iter::repeat(&[][..]));
            for ((query, panel), ahead) in queries.panels::<B>().zip(parts) {
                let rows = &self.panels.as_slice()[..length * padded::<B>(corpus.dimension())];
                let scores = &mut self.scores.as_mut_slice()[..length * B::QUERIES];
                self.backend.score(self.metric.operation(), panel, rows, scores, ahead);
                self.score_wild(queries, query, corpus, first, count);
                self.offer(query, first, count, selector);
            }
            first = last;
        }
        Ok(())
    }

    /// Pack rows `first..last` and learn what there is to know about them.
    fn load(&mut self, corpus: Rows<'_>, first: usize, last: usize) -> Result<(), usize> {
        let norms = self.metric == Metric::Cosine;
        let facts = &mut self.facts[..last - first];
        let rows = corpus.range(first, last);
        self.backend.pack_rows(rows, corpus.dimension(), norms, self.panels.as_mut_slice(), facts);
        self.wild.clear();
        for (i, (facts, scale)) in facts.iter().zip(&mut self.scales).enumerate() {
            if !facts.is_finite() {
                return Err(first + i);
            }
            *scale = self.metric.scale(*facts);
            if self.metric.is_wild(*facts) {
                self.wild.push(i);
            }
        }
        Ok(())
    }

    /// Replace the scores that a tile could not give. Their scale is 1 or -1, so it can be undone exactly.
    fn score_wild(&mut self, queries: &Queries, panel: usize, corpus: Rows<'_>, first: usize, count: usize) {
        if self.wild.is_empty() && !queries.any_wild() {
            return;
        }
        let scores = self.scores.as_mut_slice();
        for query in panel..queries.len().min(panel + B::QUERIES) {
            let mut replace = |i: usize| {
                let exact = self.metric.exact(queries.vector(query), corpus.row(first + i), self.facts[i].norm);
                scores[i * B::QUERIES + query - panel] = exact * self.scales[i];
            };
            if queries.is_wild(query) {
                (0..count).for_each(&mut replace);
            } else {
                self.wild.iter().copied().for_each(&mut replace);
            }
        }
    }

    /// Hand the scores that exceed their query's threshold to `selector`.
    fn offer(&self, panel: usize, first: usize, count: usize, selector: &mut Selector) {
        let (scores, scales) = (self.scores.as_slice(), &self.scales[..count]);
        let mut row = 0;
        while let Some(i) = self.backend.next_above(scores, scales, selector.thresholds(panel, B::QUERIES), row) {
            for (q, score) in scores[i * B::QUERIES..][..B::QUERIES].iter().enumerate() {
                let score = self.metric.bounded(score * scales[i]);
                if score > selector.thresholds(panel + q, 1)[0] {
                    selector.push(panel + q, score, first + i);
                }
            }
            row = i + 1;
        }
    }
}
