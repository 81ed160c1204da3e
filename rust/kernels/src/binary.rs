//! top-K among bits, under the Hamming distance.

use std::ops::Range;

use crate::aligned::Aligned;
use crate::backend::{BIT_LANES, Backend, TileBits};
use crate::drive::{Job, Limits, Shape, Worker, drive};
use crate::scan::Bits;
use crate::select::Selector;
use crate::{Error, Options, Rows, TopK, on_backend};

/// The `k` rows of `corpus` that differ from each query in the fewest bits: distance ascending, then row ascending. A
/// score is the distance, negated.
///
/// Each row is the bytes of its bits; where a dimension does not fill its last byte, the bits beyond it must be the same
/// in queries and corpus, as zeros are.
///
/// # Errors
/// [`Error::Dimension`]; [`Error::TooLarge`] for rows of more than 2^24 bits; [`Error::Length`] for the mask;
/// [`Error::Interrupted`].
pub fn top_k_binary(
    queries: Rows<'_, u8>,
    corpus: Rows<'_, u8>,
    k: usize,
    options: Options<'_>,
) -> Result<TopK, Error> {
    on_backend!(backend => top_k_binary_with(backend, queries, corpus, k, options, Limits::default()))
}

/// Bytes of a row: so many bits are a number that f32 holds.
const MOST_BYTES: usize = 1 << 21;

/// More than any distance.
const MOST_DISTANCE: u64 = 1 << 32;

/// Bytes in a word.
const WORD: usize = 8;

/// Bytes of rows in a block.
const BLOCK_BYTES: usize = 16 << 10;

/// Rows whose hits are looked for at once: hits are rare.
const GROUP: usize = 16;

/// Queries in a panel.
const PANEL: usize = u64::BITS as usize;

/// Rows in a block.
fn most_rows(bytes: usize) -> usize {
    (BLOCK_BYTES / bytes).clamp(8, 256)
}

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
    if bytes > MOST_BYTES {
        return Err(Error::TooLarge);
    }
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
        most_rows: most_rows(bytes),
    };
    drive(&Binary { backend, queries, corpus }, shape, options, limits)
}

struct Binary<'a, B> {
    backend: B,
    queries: Rows<'a, u8>,
    corpus: Rows<'a, u8>,
}

impl<B: Backend> Job for Binary<'_, B> {
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

    fn worker<'w>(&'w self, queries: &'w Panels, selector: Selector<'w>) -> Scanner<'w, B> {
        let words = self.corpus.dimension().div_ceil(WORD);
        let most = most_rows(self.corpus.dimension());
        let mut thresholds = Aligned::zeroed(queries.count.next_multiple_of(PANEL));
        thresholds[..queries.count].fill(MOST_DISTANCE);
        Scanner {
            backend: self.backend,
            corpus: self.corpus,
            queries,
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

/// Bytes as words where they lie, if that can be.
fn as_words(bytes: &[u8]) -> Option<&[u64]> {
    // SAFETY: any eight bytes are a u64.
    let (before, words, after) = unsafe { bytes.align_to::<u64>() };
    (cfg!(target_endian = "little") && before.is_empty() && after.is_empty()).then_some(words)
}

/// One worker.
struct Scanner<'a, B> {
    backend: B,
    corpus: Rows<'a, u8>,
    queries: &'a Panels,
    selector: Selector<'a>,
    /// By query: what the distance of a hit is below; 0 up to a whole panel.
    thresholds: Aligned<u64>,
    rows: Aligned<u64>,
    hits: Vec<u64>,
}

impl<B: Backend> Worker for Scanner<'_, B> {
    fn block(&mut self, ids: &[u32], _next: &[u32]) -> Result<(), usize> {
        let (words, count) = (self.queries.words, self.queries.count);
        let (first_row, last_row) = (ids[0] as usize, ids[ids.len() - 1] as usize);
        let in_place = if last_row - first_row + 1 == ids.len() && self.corpus.dimension() == words * WORD {
            self.corpus.packed(first_row, last_row + 1).and_then(as_words)
        } else {
            None
        };
        let mut copied = std::mem::replace(&mut self.rows, Aligned::zeroed(0));
        let rows = in_place.unwrap_or_else(|| {
            for (&id, to) in ids.iter().zip(copied.chunks_exact_mut(words)) {
                to_words(self.corpus.row(id as usize), to);
            }
            &copied[..ids.len() * words]
        });
        let thresholds = &mut self.thresholds;
        // A score that exceeds t is that of a distance below -t; distances are whole numbers that f32 holds.
        self.selector.learn(first_row, |query, threshold| thresholds[query] = (-threshold).ceil() as u64);
        for first in (0..count).step_by(PANEL) {
            let lanes = Panels::lanes(count, first);
            let last = count.min(first + PANEL);
            self.backend.hamming(TileBits {
                queries: &self.queries.queries[first * words..last * words],
                panel: &self.queries.words_by_panel[first * words..][..lanes * words],
                rows,
                thresholds: &self.thresholds[first..first + lanes],
                hits: &mut self.hits[..ids.len()],
            });
            for start in (0..ids.len()).step_by(GROUP) {
                let end = ids.len().min(start + GROUP);
                if self.hits[start..end].iter().fold(0, |any, hits| any | hits) == 0 {
                    continue;
                }
                for row in start..end {
                    for lane in Bits(self.hits[row]) {
                        self.offer(first + lane, &rows[row * words..][..words], ids[row] as usize);
                    }
                }
            }
        }
        self.rows = copied;
        Ok(())
    }

    fn finish(self) {
        self.selector.finish();
    }
}

impl<B: Backend> Scanner<'_, B> {
    fn offer(&mut self, query: usize, row: &[u64], id: usize) {
        let words = self.queries.words;
        let distance = self.backend.distance(&self.queries.queries[query * words..][..words], row);
        self.selector.offer(query, 0.0 - distance as f32, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Portable;
    use crate::select::Best;

    #[test]
    fn a_row_as_near_as_what_another_worker_found_may_be_a_lower_one() {
        let row = |bits: u64| bits.to_le_bytes();
        // Rows 30 on, which another worker sees first, are 8 bits away, as rows 0 and 2 are.
        let corpus: Vec<u8> = (0..60).flat_map(|i| row(if i == 1 { 0x7f } else { 0xff })).collect();
        let query = row(0);
        let (queries, corpus) = (Rows::new(&query, 8).unwrap(), Rows::new(&corpus, 8).unwrap());
        let job = Binary { backend: Portable::default(), queries, corpus };
        let panels = job.prepare(0..1);
        let best = Best::new(1, 3, 60, 2);
        for ids in [30..60, 0..3] {
            let mut worker = job.worker(&panels, Selector::new(&best));
            worker.block(&ids.collect::<Vec<u32>>(), &[]).unwrap();
            worker.finish();
        }
        let found: Vec<(f32, usize)> = best.finish().next().unwrap().into_iter().map(crate::select::unkey).collect();
        assert_eq!(found, [(-7.0, 1), (-8.0, 0), (-8.0, 2)]);
    }
}
