//! The best k of a stream, and those that tie with the last of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A row that was found: score in units, then place (part and row), lower first.
pub(crate) type Entry = (u64, Reverse<u64>);

/// The best `k` entries so far.
pub(crate) struct Best {
    k: usize,
    heap: BinaryHeap<Reverse<Entry>>,
    /// Entries beyond those that score as the last of them, in any order; `most_ties` at most.
    ties: Vec<Entry>,
    most_ties: usize,
    /// Whether there were more.
    more_ties: bool,
    threshold: u64,
}

impl Best {
    pub(crate) fn new(k: usize, most_ties: usize) -> Self {
        Self { k, heap: BinaryHeap::new(), ties: Vec::new(), most_ties, more_ties: false, threshold: 0 }
    }

    /// Whether none are wanted.
    pub(crate) fn holds_none(&self) -> bool {
        self.k == 0
    }

    /// What a score must exceed to count, for rows that come in ascending order of place. Every score exceeds 0.
    #[inline]
    pub(crate) fn threshold(&self) -> u64 {
        self.threshold
    }

    pub(crate) fn push(&mut self, score: u64, part: usize, row: u32) {
        let mut entry = (score, Reverse((part as u64) << 32 | u64::from(row)));
        if self.heap.len() < self.k {
            self.heap.push(Reverse(entry));
        } else {
            if let Some(mut worst) = self.heap.peek_mut()
                && entry > worst.0
            {
                entry = std::mem::replace(&mut worst.0, entry);
            }
            self.put_aside(entry);
        }
        let Some(&Reverse((last, _))) = self.heap.peek().filter(|_| self.heap.len() == self.k) else { return };
        // One more that ties counts as long as there is room for it.
        self.threshold = if self.most_ties > 0 && !self.more_ties { last - 1 } else { last };
    }

    /// Keep what is not among the best, where it ties with the last of those.
    fn put_aside(&mut self, entry: Entry) {
        let last = self.heap.peek().map_or(0, |&Reverse((score, _))| score);
        // Those that were put aside tie with each other.
        if self.ties.first().is_some_and(|&(score, _)| score < last) {
            self.ties.clear();
            self.more_ties = false;
        }
        if entry.0 == last {
            if self.ties.len() < self.most_ties {
                self.ties.push(entry);
            } else {
                self.more_ties = true;
            }
        }
    }

    /// Best first: score, part, row; after the best k those that tie with the last.
    pub(crate) fn into_sorted(self) -> impl Iterator<Item = (u64, u32, u32)> {
        let Self { heap, mut ties, .. } = self;
        ties.sort_unstable_by_key(|&entry| Reverse(entry));
        let sorted = heap.into_sorted_vec().into_iter().map(|Reverse(entry)| entry).chain(ties);
        sorted.map(|(score, Reverse(place))| (score, (place >> 32) as u32, place as u32))
    }
}
