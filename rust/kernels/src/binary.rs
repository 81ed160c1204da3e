//! top-K among bits, under the Hamming distance.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::aligned::Aligned;
use crate::backend::{BIT_LANES, Backend, TileBits};
use crate::drive::{Job, Limits, Shape, Worker, drive};
use crate::select::{Selector, ordered, unordered};
use crate::{Error, Options, Rows, TopK, on_backend};

/// The `k` rows of `corpus` that differ from each query in the fewest bits: distance ascending, then row ascending. A
/// score is the distance, negated.
///
/// Each row is the bytes of its bits; where a dimension does not fill its last byte, the bits beyond it must be the same
/// in queries and corpus, as zeros are.
///
/// # Errors
/// [`Error::Dimension`], [`Error::Length`] for the mask, [`Error::Interrupted`].
pub fn top_k_binary(
    queries: Rows<'_, u8>,
    corpus: Rows<'_, u8>,
    k: usize,
    options: Options<'_>,
) -> Result<TopK, Error> {
    on_backend!(backend => top_k_binary_with(backend, queries, corpus, k, options, Limits::default()))
}

/// Bytes in a word.
const WORD: usize = 8;

/// Bytes of rows in a block.
const BLOCK_BYTES: usize = 16 << 10;

/// Queries in a panel.
const PANEL: usize = u64::BITS as usize;

/// `top_k_binary` on a given back end.
pub(crate) fn top_k_binary_with<B: Backend>(
    backend: B,
    queries: Rows<'_, u8>,
    corpus: Rows<'_, u8>,
    k: usize,
    options: Options<'_>,
    limits: Limits,
) -> Result<TopK, Error> {
    let bytes = corpus.dimension();
    if queries.dimension() != bytes {
        return Err(Error::Dimension { queries: queries.dimension() * 8, corpus: bytes * 8 });
    }
    if let Some(mask) = options.mask.filter(|mask| mask.rows() != corpus.len()) {
        return Err(Error::Length { what: "bits of mask", length: mask.rows(), expected: corpus.len() });
    }
    let shape = Shape {
        queries: queries.len(),
        rows: corpus.len(),
        k,
        products: bytes,
        query_bytes: bytes.next_multiple_of(WORD),
        panel: PANEL,
        row_bytes: bytes,
        most_rows: (BLOCK_BYTES / bytes).clamp(8, 256),
    };
    drive(&Bits { backend, queries, corpus }, shape, options, limits)
}

struct Bits<'a, B> {
    backend: B,
    queries: Rows<'a, u8>,
    corpus: Rows<'a, u8>,
}

impl<B: Backend> Job for Bits<'_, B> {
    type Queries = Panels;
    type Worker<'w>
        = Scanner<'w, B>
    where
        Self: 'w;

    fn addresses(&self, rows: usize) -> Range<usize> {
        self.corpus.addresses(rows)
    }

    fn prepare(&self, queries: Range<usize>) -> Panels {
        Panels::new(self.queries, queries)
    }

    fn worker<'w>(&'w self, queries: &'w Panels, least: &'w [AtomicU32], selector: Selector) -> Scanner<'w, B> {
        let words = self.corpus.dimension().div_ceil(WORD);
        let most = (BLOCK_BYTES / self.corpus.dimension()).clamp(8, 256);
        let mut thresholds = Aligned::zeroed(queries.count.next_multiple_of(PANEL));
        thresholds[..queries.count].fill(u64::MAX);
        Scanner {
            backend: self.backend,
            corpus: self.corpus,
            queries,
            least,
            selector,
            thresholds,
            rows: Aligned::zeroed(most * words),
            hits: vec![0; most],
        }
    }
}

/// Panels of queries; see [`TileBits`].
struct Panels {
    words: usize,
    count: usize,
    words_by_panel: Aligned<u64>,
    /// As they were given, as words.
    queries: Vec<u64>,
}

impl Panels {
    fn new(queries: Rows<'_, u8>, range: Range<usize>) -> Self {
        let words = queries.dimension().div_ceil(WORD);
        let count = range.len();
        let mut panels = Self {
            words,
            count,
            words_by_panel: Aligned::zeroed(count.next_multiple_of(PANEL) * words),
            queries: vec![0; count * words],
        };
        for (number, query) in range.enumerate() {
            let to = &mut panels.queries[number * words..][..words];
            to_words(queries.row(query), to);
            let first = number / PANEL * PANEL;
            let lanes = Self::lanes(count, first);
            for (w, &word) in to.iter().enumerate() {
                panels.words_by_panel[first * words + w * lanes + number - first] = word;
            }
        }
        panels
    }

    /// The queries that the panel from `first` on is padded to: a power of two of vectors, as the tiles have it.
    fn lanes(count: usize, first: usize) -> usize {
        (count - first).min(PANEL).div_ceil(BIT_LANES).next_power_of_two() * BIT_LANES
    }
}

fn to_words(bytes: &[u8], words: &mut [u64]) {
    let (whole, rest) = bytes.as_chunks::<WORD>();
    for (to, &from) in words.iter_mut().zip(whole) {
        *to = u64::from_le_bytes(from);
    }
    if !rest.is_empty() {
        let mut last = [0; WORD];
        last[..rest.len()].copy_from_slice(rest);
        words[whole.len()] = u64::from_le_bytes(last);
    }
}

/// One worker.
struct Scanner<'a, B> {
    backend: B,
    corpus: Rows<'a, u8>,
    queries: &'a Panels,
    least: &'a [AtomicU32],
    selector: Selector,
    /// By query: what the distance of a hit is below; 0 up to a whole panel.
    thresholds: Aligned<u64>,
    rows: Aligned<u64>,
    hits: Vec<u64>,
}

impl<B: Backend> Worker for Scanner<'_, B> {
    fn block(&mut self, ids: &[u32], _next: &[u32]) -> Result<(), usize> {
        let (words, count) = (self.queries.words, self.queries.count);
        for (&id, to) in ids.iter().zip(self.rows.chunks_exact_mut(words)) {
            to_words(self.corpus.row(id as usize), to);
        }
        for query in 0..count {
            let least = self.least[query].load(Ordering::Relaxed);
            if least != 0 && self.selector.raise(query, unordered(least).next_down()) {
                self.set_threshold(query);
            }
        }
        for first in (0..count).step_by(PANEL) {
            let lanes = Panels::lanes(count, first);
            self.backend.hamming(TileBits {
                panel: &self.queries.words_by_panel[first * words..][..lanes * words],
                rows: &self.rows[..ids.len() * words],
                thresholds: &self.thresholds[first..first + lanes],
                hits: &mut self.hits[..ids.len()],
            });
            for (row, &id) in ids.iter().enumerate() {
                let mut hits = self.hits[row];
                while hits != 0 {
                    let query = first + hits.trailing_zeros() as usize;
                    hits &= hits - 1;
                    self.offer(query, row, id as usize);
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Selector {
        self.selector
    }
}

impl<B: Backend> Scanner<'_, B> {
    fn offer(&mut self, query: usize, row: usize, id: usize) {
        let words = self.queries.words;
        let pairs = self.queries.queries[query * words..][..words].iter().zip(&self.rows[row * words..][..words]);
        let distance: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
        if let Some(least) = self.selector.offer(query, 0.0 - distance as f32, id) {
            self.least[query].fetch_max(ordered(least), Ordering::Relaxed);
            self.set_threshold(query);
        }
    }

    /// A score that exceeds t is that of a distance below -t. Bits of a row are at most 2^25, and those beyond 2^24 are
    /// rounded: the comparison of the score, not this one, decides.
    fn set_threshold(&mut self, query: usize) {
        let distance = -f64::from(self.selector.threshold(query));
        self.thresholds[query] = if distance < 1e9 { (distance.ceil() as u64) + 1 } else { u64::MAX };
    }
}
