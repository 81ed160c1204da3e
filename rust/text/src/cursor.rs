//! The rows of a term in one part, a block at a time, in ascending order.

use std::sync::Arc;

use tantivy::postings::BlockSegmentPostings;

use crate::bm25::{Norms, contribution};
use crate::peaks::{Peaks, WINDOW};
use crate::tail::Copied;
use crate::units::units;

/// Rows of a block, as tantivy has them.
const BLOCK: usize = 128;

/// Where a cursor's rows come from.
pub(crate) enum Source<'a> {
    /// A segment's list, its lengths by row, and its peaks where they are known.
    Stored(Box<BlockSegmentPostings>, &'a [u8], Option<Arc<Peaks>>),
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
    /// What a row gets at most, and a row of the window that is scanned.
    most: u64,
    pub(crate) bound: u64,
    /// The latter for each row that there is in all: the more rows a term has for what it may add, the less.
    pub(crate) worth: f64,
    weight: f64,
}

impl<'a> Cursor<'a> {
    /// `weight`: see [`Norms::contribution`].
    pub(crate) fn new(source: Source<'a>, weight: f64, norms: &Norms) -> Self {
        let most = match &source {
            Source::Stored(_, _, Some(peaks)) => peaks.bound(weight, norms),
            // Whatever the frequency and the length are.
            Source::Stored(_, _, None) => units(weight),
            Source::Copied(copied) => copied.bound(weight, norms),
        };
        Self {
            source,
            start: 0,
            at: 0,
            scores: Box::new([0; BLOCK]),
            scored: false,
            most,
            bound: most,
            worth: 0.0,
            weight,
        }
    }

    /// Find out what a row of this window gets at most; windows must come in ascending order. The first window from this
    /// one on that may have a row; none for none.
    pub(crate) fn enter(&mut self, window: usize, norms: &Norms) -> Option<usize> {
        let known = match &self.source {
            Source::Stored(_, _, Some(peaks)) => peaks.bound_within(window, self.weight, norms),
            _ => None,
        };
        let (bound, next) = if let Some(bound) = known {
            (bound, Some(if bound == 0 { window + 1 } else { window }))
        } else {
            self.seek((window * WINDOW) as u32);
            let next = self.row().map(|row| row as usize / WINDOW);
            (if next == Some(window) { self.most } else { 0 }, next)
        };
        (self.bound, self.worth) = (bound, bound as f64 / self.count() as f64);
        next
    }

    /// How many rows it has in all.
    pub(crate) fn count(&self) -> usize {
        match &self.source {
            Source::Stored(postings, ..) => postings.doc_freq() as usize,
            Source::Copied(copied) => copied.rows.len(),
        }
    }

    /// The row it is at, or None at the end.
    #[inline]
    pub(crate) fn row(&self) -> Option<u32> {
        self.rows().get(self.at).copied()
    }

    /// Go to the next block.
    fn next_block(&mut self) {
        match &mut self.source {
            Source::Stored(postings, ..) => postings.advance(),
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
            Source::Stored(postings, ..) => self.at = postings.seek(row),
            Source::Copied(copied) => {
                let place = self.start + copied.rows[self.start..].partition_point(|&found| found < row);
                (self.start, self.at) = (place, 0);
            }
        }
    }

    fn rows(&self) -> &[u32] {
        match &self.source {
            Source::Stored(postings, ..) => postings.docs(),
            Source::Copied(copied) => &copied.rows[self.start..copied.rows.len().min(self.start + BLOCK)],
        }
    }

    fn at(&self, at: usize) -> (u32, u8) {
        match &self.source {
            Source::Stored(postings, lengths, _) => (postings.freq(at), lengths[postings.doc(at) as usize]),
            Source::Copied(copied) => (copied.frequencies[self.start + at], copied.lengths[self.start + at]),
        }
    }

    fn score(&mut self, norms: &Norms) {
        if self.scored {
            return;
        }
        // What a length adds is looked up first, so that the rest can be done for several rows at once.
        let (mut added, at) = ([0.0; BLOCK], self.at);
        let frequencies = match &self.source {
            Source::Stored(postings, lengths, _) => {
                for (added, &row) in added.iter_mut().zip(&postings.docs()[at..]) {
                    *added = norms.of(lengths[row as usize]);
                }
                &postings.freqs()[at..]
            }
            Source::Copied(copied) => {
                let from = self.start + at;
                for (added, &length) in added.iter_mut().zip(&copied.lengths[from..]) {
                    *added = norms.of(length);
                }
                &copied.frequencies[from..]
            }
        };
        let scores = self.scores[at..].iter_mut().zip(frequencies).zip(&added);
        for ((score, &frequency), &added) in scores {
            *score = contribution(self.weight, frequency, added);
        }
        self.scored = true;
    }
}
