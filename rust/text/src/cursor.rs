//! The rows of a term in one part, a block at a time, in ascending order.

use tantivy::postings::BlockSegmentPostings;

use crate::bm25::Norms;
use crate::tail::Copied;

/// Rows of a block, as tantivy has them.
const BLOCK: usize = 128;

/// Where a cursor's rows come from.
pub(crate) enum Source<'a> {
    /// A segment's list, and its lengths by row.
    Stored(Box<BlockSegmentPostings>, &'a [u8]),
    /// A tail's.
    Copied(Copied),
}

/// A place in the list of a term.
pub(crate) struct Cursor<'a> {
    source: Source<'a>,
    /// Of a copied list: where its block starts.
    start: usize,
    /// In the block; at its length when the list is at its end.
    at: usize,
    /// What each row of the block gets, where that is known.
    scores: Box<[u64; BLOCK]>,
    scored: bool,
    /// What a row gets at most.
    pub(crate) bound: u64,
    pub(crate) weight: f64,
}

impl<'a> Cursor<'a> {
    /// `weight`, `bound`: see [`Norms::contribution`].
    pub(crate) fn new(source: Source<'a>, weight: f64, bound: u64) -> Self {
        Self { source, start: 0, at: 0, scores: Box::new([0; BLOCK]), scored: false, bound, weight }
    }

    /// The row it is at, or None at the end.
    #[inline]
    pub(crate) fn row(&self) -> Option<u32> {
        self.rows().get(self.at).copied()
    }

    /// What is left of the block, with scores: rows and units.
    pub(crate) fn scored_block(&mut self, norms: &Norms) -> (&[u32], &[u64]) {
        self.score(norms);
        let rows = self.rows();
        (&rows[self.at..], &self.scores[self.at..rows.len()])
    }

    /// Go to the next block.
    pub(crate) fn next_block(&mut self) {
        match &mut self.source {
            Source::Stored(postings, _) => postings.advance(),
            Source::Copied(copied) => self.start = copied.rows.len().min(self.start + BLOCK),
        }
        (self.at, self.scored) = (0, false);
    }

    /// Go past all rows below `end`, calling `each` with every one of them and its units.
    #[inline]
    pub(crate) fn pass(&mut self, end: u32, norms: &Norms, mut each: impl FnMut(u32, u64)) {
        while self.row().is_some_and(|row| row < end) {
            self.score(norms);
            let rows = self.rows();
            let stop = match rows.last() {
                Some(&last) if last >= end => self.at + rows[self.at..].partition_point(|&row| row < end),
                _ => rows.len(),
            };
            for (&row, &score) in rows[self.at..stop].iter().zip(&self.scores[self.at..stop]) {
                each(row, score);
            }
            if stop < rows.len() {
                self.at = stop;
                return;
            }
            self.next_block();
        }
    }

    /// What `row` gets; rows must come in ascending order.
    pub(crate) fn probe(&mut self, row: u32, norms: &Norms) -> u64 {
        self.seek(row);
        match self.row() {
            Some(found) if found == row => {
                if self.scored {
                    self.scores[self.at]
                } else {
                    let (frequency, length) = self.at(self.at);
                    norms.contribution(self.weight, frequency, length)
                }
            }
            _ => 0,
        }
    }

    /// How often the row it is at has the term.
    pub(crate) fn frequency(&self) -> u32 {
        self.at(self.at).0
    }

    /// Go to the first row that is not below `row`.
    pub(crate) fn seek(&mut self, row: u32) {
        let rows = self.rows();
        match rows.last() {
            None => return,
            Some(&last) if last >= row => {
                // Rows that are asked for one after the other are often near.
                let near = rows[self.at..].iter().take(8).position(|&found| found >= row);
                self.at += near.unwrap_or_else(|| rows[self.at..].partition_point(|&found| found < row));
                return;
            }
            Some(_) => {}
        }
        self.scored = false;
        match &mut self.source {
            Source::Stored(postings, _) => self.at = postings.seek(row),
            Source::Copied(copied) => {
                let place = self.start + copied.rows[self.start..].partition_point(|&found| found < row);
                (self.start, self.at) = (place, 0);
            }
        }
    }

    fn rows(&self) -> &[u32] {
        match &self.source {
            Source::Stored(postings, _) => postings.docs(),
            Source::Copied(copied) => &copied.rows[self.start..copied.rows.len().min(self.start + BLOCK)],
        }
    }

    fn at(&self, at: usize) -> (u32, u8) {
        match &self.source {
            Source::Stored(postings, lengths) => (postings.freq(at), lengths[postings.doc(at) as usize]),
            Source::Copied(copied) => (copied.frequencies[self.start + at], copied.lengths[self.start + at]),
        }
    }

    fn score(&mut self, norms: &Norms) {
        if self.scored {
            return;
        }
        let (scores, at, weight) = (&mut self.scores[..], self.at, self.weight);
        match &self.source {
            Source::Stored(postings, lengths) => {
                let (rows, frequencies) = (&postings.docs()[at..], &postings.freqs()[at..]);
                for ((score, &row), &frequency) in scores[at..].iter_mut().zip(rows).zip(frequencies) {
                    *score = norms.contribution(weight, frequency, lengths[row as usize]);
                }
            }
            Source::Copied(copied) => {
                let from = self.start + at;
                let block = copied.frequencies[from..].iter().zip(&copied.lengths[from..]);
                for (score, (&frequency, &length)) in scores[at..].iter_mut().zip(block) {
                    *score = norms.contribution(weight, frequency, length);
                }
            }
        }
        self.scored = true;
    }
}
