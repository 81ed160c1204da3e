//! The best k of a stream.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A row that was found: score in units, then place (part and row), lower first.
pub(crate) type Entry = (u64, Reverse<u64>);

/// The best `k` entries so far.
pub(crate) struct Best {
    k: usize,
    heap: BinaryHeap<Reverse<Entry>>,
    threshold: u64,
}

impl Best {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new(), threshold: 0 }
    }

    /// What a score must exceed to count, for rows that come in ascending order of place. Every score exceeds 0.
    #[inline]
    pub(crate) fn threshold(&self) -> u64 {
        self.threshold
    }

    pub(crate) fn push(&mut self, score: u64, part: usize, row: u32) {
        let entry = Reverse((score, Reverse((part as u64) << 32 | u64::from(row))));
        if self.heap.len() < self.k {
            self.heap.push(entry);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && entry < *worst
        {
            *worst = entry;
        }
        if self.heap.len() == self.k
            && let Some(Reverse((score, _))) = self.heap.peek()
        {
            self.threshold = *score;
        }
    }

    /// Best first: score, part, row.
    pub(crate) fn into_sorted(self) -> impl Iterator<Item = (u64, u32, u32)> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|Reverse((score, Reverse(place)))| (score, (place >> 32) as u32, place as u32))
    }
}
