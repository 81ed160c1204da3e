//! The best rows of each query, as they come.
//!
//! All workers add to one pool a query, and learn from it what is no longer worth adding: with many threads as with one,
//! about k (1 + ln(n / k)) rows of n in random order are candidates. With a selector for each thread every thread would
//! first have to find k of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// The best `k` of each of several queries, as all workers together have found them.
///
/// A pool holds up to `room` keys; when it is full, all but the best `k` are dropped, in linear time, and what a further
/// key must exceed rises. So a candidate costs constant time whatever `k` is, and most rows are never candidates.
pub(crate) struct Best {
    k: usize,
    room: usize,
    /// Keys of a query that a worker keeps to itself before it adds them.
    batch: usize,
    pools: Vec<Mutex<Vec<Key>>>,
    /// By query: what a key must exceed. It only rises.
    least: Vec<AtomicU64>,
}

/// Every key of a finite score exceeds it.
fn nothing() -> Key {
    key(f32::NEG_INFINITY, 0)
}

impl Best {
    /// `rows`: how many rows there are at most. `workers`: how many will add keys.
    pub(crate) fn new(queries: usize, k: usize, rows: usize, workers: usize) -> Self {
        let spare = (k / 2).max(8);
        let room = k.saturating_add(spare);
        // What the workers have not added yet makes others see an old threshold.
        let batch = (spare / (2 * workers.max(1))).clamp(1, 32);
        let most = room.saturating_add(batch).min(rows);
        Self {
            k,
            room,
            batch,
            pools: (0..queries).map(|_| Mutex::new(Vec::with_capacity(most))).collect(),
            least: (0..queries).map(|_| AtomicU64::new(nothing())).collect(),
        }
    }

    /// The same, where each query's keys must reach a floor.
    pub(crate) fn with_floors(self, floors: impl Iterator<Item = Key>) -> Self {
        // A key must exceed what is stored; as no row is `u32::MAX`, the number before a key is of the same score.
        Self { least: floors.map(|floor| AtomicU64::new(floor - 1)).collect(), ..self }
    }

    /// Each query's `k`-th best key; what any key reaches where there are not as many.
    pub(crate) fn into_floors(self) -> impl Iterator<Item = Key> {
        let k = self.k;
        self.finish().map(move |keys| if keys.len() < k { nothing() + 1 } else { keys[k - 1] })
    }

    /// Whether some query has fewer than `k` keys.
    pub(crate) fn lacks(&self) -> bool {
        let count = |pool: &Mutex<Vec<Key>>| pool.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.pools.iter().any(|pool| count(pool) < self.k)
    }

    /// What a key of this query must exceed.
    fn least(&self, query: usize) -> Key {
        self.least[query].load(Ordering::Relaxed)
    }

    /// Add keys, no two of them equal, and none that was added before.
    fn add(&self, query: usize, keys: &[Key]) {
        let mut pool = self.pools[query].lock().unwrap_or_else(PoisonError::into_inner);
        let least = self.least(query);
        pool.extend(keys.iter().filter(|&&key| key > least));
        if pool.len() >= self.room {
            pool.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
            pool.truncate(self.k);
            // The lock is held: nobody stores a lower one later.
            self.least[query].store(pool[self.k - 1], Ordering::Relaxed);
        }
    }

    /// Each query's keys, best first.
    pub(crate) fn finish(self) -> impl Iterator<Item = Vec<Key>> {
        let k = self.k;
        self.pools.into_iter().map(move |pool| {
            let mut keys = pool.into_inner().unwrap_or_else(PoisonError::into_inner);
            if keys.len() > k {
                keys.select_nth_unstable_by(k - 1, |a, b| b.cmp(a));
                keys.truncate(k);
            }
            keys.sort_unstable_by(|a, b| b.cmp(a));
            keys.shrink_to_fit();
            keys
        })
    }
}

/// One worker's way to the best rows.
pub(crate) struct Selector<'b> {
    best: &'b Best,
    /// By query: room for `batch` keys, and how many there are.
    kept: Vec<Key>,
    counts: Vec<u8>,
    /// By query: what a key must exceed, as far as this worker knows.
    least: Vec<Key>,
    /// By query: whether a row that only equals the score of `least` may still count, being a lower one.
    tied: Vec<bool>,
}

impl<'b> Selector<'b> {
    pub(crate) fn new(best: &'b Best) -> Self {
        let queries = best.pools.len();
        Self {
            best,
            kept: vec![0; queries * best.batch],
            counts: vec![0; queries],
            least: vec![nothing(); queries],
            tied: vec![false; queries],
        }
    }

    /// Learn what the workers have found, and call `news` for every query whose threshold that changes, for rows from
    /// `first_row` on.
    pub(crate) fn learn(&mut self, first_row: usize, mut news: impl FnMut(usize, f32)) {
        for query in 0..self.least.len() {
            let least = self.best.least(query);
            if least == self.least[query] && !self.tied[query] {
                continue;
            }
            let (score, row) = unkey(least);
            let tied = first_row <= row;
            if least != self.least[query] || !tied {
                (self.least[query], self.tied[query]) = (least, tied);
                news(query, if tied { score.next_down() } else { score });
            }
        }
    }

    /// Offer a score, which is finite; no row twice. False when the row is none of the best, as far as is known.
    pub(crate) fn offer(&mut self, query: usize, score: f32, row: usize) -> bool {
        let key = key(score, row);
        if key <= self.least[query] {
            return false;
        }
        let batch = self.best.batch;
        let count = usize::from(self.counts[query]);
        self.kept[query * batch + count] = key;
        if count + 1 < batch {
            self.counts[query] += 1;
        } else {
            self.counts[query] = 0;
            self.best.add(query, &self.kept[query * batch..][..batch]);
        }
        true
    }

    /// The selector itself, with all that it was offered, which forgets what it has learnt: `learn` will tell of every
    /// query again.
    pub(crate) fn renewed(&mut self) -> Self {
        let mut renewed = std::mem::replace(self, Self::new(self.best));
        renewed.least.fill(nothing());
        renewed.tied.fill(false);
        renewed
    }

    /// Add what is left.
    pub(crate) fn finish(self) {
        for (query, &count) in self.counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            self.best.add(query, &self.kept[query * self.best.batch..][..usize::from(count)]);
        }
    }
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

    fn rows(best: Best) -> Vec<Vec<usize>> {
        best.finish().map(|keys| keys.into_iter().map(|key| unkey(key).1).collect()).collect()
    }

    fn thresholds(selector: &mut Selector<'_>, first_row: usize) -> Vec<(usize, f32)> {
        let mut thresholds = Vec::new();
        selector.learn(first_row, |query, threshold| thresholds.push((query, threshold)));
        thresholds
    }

    #[test]
    fn the_lower_row_stays_when_scores_tie() {
        let best = Best::new(1, 2, 100, 1);
        let mut selector = Selector::new(&best);
        assert_eq!(thresholds(&mut selector, 0), []);
        for row in (0..50).rev() {
            selector.offer(0, 1.0, row);
        }
        selector.finish();
        assert_eq!(rows(best), [[0, 1]]);
    }

    #[test]
    fn a_worker_learns_what_others_found_and_when_a_tie_is_decided() {
        let best = Best::new(2, 2, 100, 2);
        let (mut one, mut other) = (Selector::new(&best), Selector::new(&best));
        for row in 10..30 {
            one.offer(1, 1.0, row);
        }
        // The least key is that of row 11: row 5 would still count.
        assert_eq!(thresholds(&mut other, 5), [(1, 1.0_f32.next_down())]);
        assert_eq!(thresholds(&mut other, 11), []);
        assert_eq!(thresholds(&mut other, 12), [(1, 1.0)]);
        assert_eq!(thresholds(&mut other, 13), []);
        other.offer(1, 1.0, 5);
        other.offer(1, 1.0, 40);
        other.offer(0, -3.0, 7);
        one.finish();
        other.finish();
        assert_eq!(rows(best), [vec![7], vec![5, 10]]);
    }

    #[test]
    fn what_reaches_a_floor_is_kept_and_what_is_lacking_is_known() {
        let few = Best::new(2, 3, 100, 1);
        let mut selector = Selector::new(&few);
        for row in 0..50 {
            selector.offer(0, (row % 10) as f32, row);
        }
        selector.offer(1, 5.0, 7);
        selector.finish();
        assert!(few.lacks());
        let floors: Vec<Key> = few.into_floors().collect();
        assert_eq!(unkey(floors[0]), (9.0, 29));
        let best = Best::new(2, 4, 100, 1).with_floors(floors.into_iter());
        let mut selector = Selector::new(&best);
        assert_eq!(thresholds(&mut selector, 0), [(0, 9.0_f32.next_down())]);
        for (score, row) in [(9.0, 30), (9.0, 29), (9.0, 28), (8.0, 1), (10.0, 99)] {
            selector.offer(0, score, row);
            selector.offer(1, -score, row);
        }
        selector.finish();
        assert!(best.lacks());
        assert_eq!(rows(best), [vec![99, 28, 29], vec![1, 28, 29, 30]]);
    }

    #[test]
    fn any_order_on_any_number_of_workers_leaves_the_same() {
        for (k, workers) in [(1, 1), (3, 2), (40, 3), (400, 2), (1000, 5)] {
            let best = Best::new(1, k, 500, workers);
            let mut selectors: Vec<_> = (0..workers).map(|_| Selector::new(&best)).collect();
            for i in 0..500 {
                let row = i * 7 % 500;
                selectors[i % workers].offer(0, (row % 10) as f32, row);
                selectors[i % workers].learn(0, |_, _| {});
            }
            selectors.into_iter().for_each(Selector::finish);
            let mut all: Vec<usize> = (0..500).collect();
            all.sort_by_key(|row| (10 - row % 10, *row));
            all.truncate(k);
            assert_eq!(rows(best), [all]);
        }
    }
}
