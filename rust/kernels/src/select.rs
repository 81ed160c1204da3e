//! The best rows of each query, as they come.

/// A score and its row in one number: greater is better, and among equal scores the lower row is the greater key.
pub(crate) type Key = u64;

/// The key of a score that is not NaN. Both zeros are one.
pub(crate) fn key(score: f32, row: usize) -> Key {
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!(row as u32))
}

/// What `key` was made of.
pub(crate) fn unkey(key: Key) -> (f32, usize) {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    (f32::from_bits(bits), !(key as u32) as usize)
}

/// The best `k` of each of several queries among the rows that one worker sees, in ascending order of rows.
///
/// Each query has room for twice `k`; when it is full, the worse half is dropped in linear time and the threshold
/// rises. So a candidate costs constant time whatever `k` is, and most rows are never candidates.
pub(crate) struct Selector {
    k: usize,
    room: usize,
    keys: Vec<Vec<Key>>,
    /// By query, then +infinity up to a whole tile: what must be exceeded.
    thresholds: Vec<f32>,
}

impl Selector {
    /// `padded`: `queries`, rounded up to whole tiles. `rows`: how many rows there are at most.
    pub(crate) fn new(queries: usize, padded: usize, k: usize, rows: usize) -> Self {
        let mut thresholds = vec![f32::NEG_INFINITY; queries];
        thresholds.resize(padded, f32::INFINITY);
        Self { k, room: k.saturating_mul(2).min(rows), keys: vec![Vec::new(); queries], thresholds }
    }

    /// The thresholds of `count` queries from `first` on.
    pub(crate) fn thresholds(&self, first: usize, count: usize) -> &[f32] {
        &self.thresholds[first..first + count]
    }

    /// Offer a row that exceeds the query's threshold. Rows must come in ascending order: then one that only equals
    /// the threshold has `k` better ones before it.
    pub(crate) fn push(&mut self, query: usize, score: f32, row: usize) {
        let keys = &mut self.keys[query];
        if keys.is_empty() {
            keys.reserve_exact(self.room);
        }
        keys.push(key(score, row));
        if keys.len() == 2 * self.k {
            keys.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
            keys.truncate(self.k);
            self.thresholds[query] = unkey(keys[self.k - 1]).0;
        }
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
        let mut selector = Selector::new(1, 4, 2, 100);
        assert_eq!(selector.thresholds(0, 4), [f32::NEG_INFINITY, f32::INFINITY, f32::INFINITY, f32::INFINITY]);
        for row in 0..50 {
            if 1.0 > selector.thresholds(0, 1)[0] {
                selector.push(0, 1.0, row);
            }
        }
        assert_eq!(selector.thresholds(0, 1), [1.0]);
        let mut best = selector.finish().next().unwrap();
        assert_eq!(best.iter().map(|&k| unkey(k).1).collect::<Vec<_>>(), [0, 1]);
        merge(&mut best, &[key(1.0, 1_000), key(0.5, 0)], 3);
        assert_eq!(best.iter().map(|&k| unkey(k).1).collect::<Vec<_>>(), [0, 1, 1_000]);
    }
}
