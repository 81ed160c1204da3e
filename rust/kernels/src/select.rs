//! The best rows of each query, as they come.

/// A score and its row in one number: greater is better, and among equal scores the lower row is the greater key.
pub(crate) type Key = u64;

/// The key of a score that is not NaN. Both zeros are one.
pub(crate) fn key(score: f32, row: usize) -> Key {
    u64::from(ordered(score)) << 32 | u64::from(!(row as u32))
}

/// What `key` was made of.
pub(crate) fn unkey(key: Key) -> (f32, usize) {
    (unordered((key >> 32) as u32), !(key as u32) as usize)
}

/// A number that orders as the scores do, both zeros being one; never 0.
pub(crate) fn ordered(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// What `ordered` was made of.
pub(crate) fn unordered(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

/// The best `k` of each of several queries among the rows that one worker sees.
///
/// Each query has room for twice `k`; when it is full, the worse half is dropped in linear time and the threshold
/// rises. So a candidate costs constant time whatever `k` is, and most rows are never candidates.
pub(crate) struct Selector {
    k: usize,
    room: usize,
    keys: Vec<Vec<Key>>,
    /// By query: what a key must exceed.
    least: Vec<Key>,
}

impl Selector {
    /// `rows`: how many rows there are at most.
    pub(crate) fn new(queries: usize, k: usize, rows: usize) -> Self {
        let least = vec![key(f32::NEG_INFINITY, 0); queries];
        Self { k, room: k.saturating_mul(2).min(rows), keys: vec![Vec::new(); queries], least }
    }

    /// What the query's next score must exceed, if rows come in ascending order: one that only equals it has `k` better
    /// ones before it.
    pub(crate) fn threshold(&self, query: usize) -> f32 {
        unkey(self.least[query]).0
    }

    /// Require that a query's scores exceed `threshold`: true when that is news.
    pub(crate) fn raise(&mut self, query: usize, threshold: f32) -> bool {
        // The greatest key of all with this score.
        let least = key(threshold, 0);
        let news = least > self.least[query];
        if news {
            self.least[query] = least;
        }
        news
    }

    /// Offer a score, which is finite.
    ///
    /// Returns the `k`-th best score of this query so far, when it was looked for and the threshold raised to it.
    pub(crate) fn offer(&mut self, query: usize, score: f32, row: usize) -> Option<f32> {
        let key = key(score, row);
        if key <= self.least[query] {
            return None;
        }
        let keys = &mut self.keys[query];
        if keys.is_empty() {
            keys.reserve_exact(self.room);
        }
        keys.push(key);
        if keys.len() < 2 * self.k {
            return None;
        }
        keys.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
        keys.truncate(self.k);
        self.least[query] = keys[self.k - 1];
        Some(self.threshold(query))
    }

    /// Each query's keys, best first.
    pub(crate) fn finish(self) -> impl Iterator<Item = Vec<Key>> {
        let k = self.k;
        self.keys.into_iter().map(move |mut keys| {
            keys.sort_unstable_by(|a, b| b.cmp(a));
            keys.truncate(k);
            keys
        })
    }
}

/// Merge two lists of keys, best first, into the first, and keep `k`.
pub(crate) fn merge(best: &mut Vec<Key>, other: &[Key], k: usize) {
    best.extend_from_slice(other);
    // The stable sort finds the two runs and merges them in linear time.
    best.sort_by(|a, b| b.cmp(a));
    best.truncate(k);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_by_score_then_row_and_come_back() {
        let ascending = [f32::MIN, -1.0, -1e-45, 0.0, 1e-45, 1.0, f32::MAX];
        for pair in ascending.windows(2) {
            assert!(key(pair[0], 0) < key(pair[1], 7));
        }
        assert!(key(1.0, 3) > key(1.0, 4));
        assert_eq!(key(-0.0, 5), key(0.0, 5));
        for score in ascending {
            assert_eq!(unkey(key(score, 12_345)), (score, 12_345));
        }
        assert_eq!(unkey(key(1.0, u32::MAX as usize - 1)).1, u32::MAX as usize - 1);
    }

    #[test]
    fn the_lower_row_stays_when_scores_tie() {
        let mut selector = Selector::new(1, 2, 100);
        assert_eq!(selector.threshold(0), f32::NEG_INFINITY);
        let raised: Vec<f32> = (0..50).filter_map(|row| selector.offer(0, 1.0, row)).collect();
        assert_eq!((raised, selector.threshold(0)), (vec![1.0], 1.0));
        assert!(!selector.raise(0, 0.5) && selector.raise(0, 1.0) && !selector.raise(0, 1.0));
        let mut best = selector.finish().next().unwrap();
        assert_eq!(best.iter().map(|&k| unkey(k).1).collect::<Vec<_>>(), [0, 1]);
        merge(&mut best, &[key(1.0, 1_000), key(0.5, 0)], 3);
        assert_eq!(best.iter().map(|&k| unkey(k).1).collect::<Vec<_>>(), [0, 1, 1_000]);
    }
}
