//! A look at some rows first, so that few of the others become candidates.
//!
//! Whoever sees n rows once, in random order, must keep k (1 + ln(n / k)) of them at some time: as long as few are known,
//! any may be among the best. But of the best k of all, only about λ = k / s are in a sample of n / s rows. So the last of
//! the sample's best λ, and some more for a margin, is almost surely a floor: a key that at least k rows reach, and what
//! does not reach it need not be scored. That is a guess, and is proved by its success: when k rows have reached the
//! floor, the best k are among them. When fewer have, the search is made again without.
//!
//! A hash picks the rows of the sample, one of every s: how the corpus is ordered has nothing to do with it. As many of
//! the best are in the sample as of k draws with a chance of 1 / s, or the number is less spread. With a margin of
//! 5 √λ + 5, a floor is too high for one query of three millions.

use crate::drive::Limits;

/// Rows for each of the best from which on, and up to which, a sample spares more than it costs: with fewer there is
/// little to rule out, with more there is little to find.
const ROWS_PER_BEST: std::ops::RangeInclusive<usize> = 8..=1024;

/// One row of so many at least, and at most, is in a sample.
const EVERY: (usize, usize) = (8, 64);

/// What sample is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// One row in so many, a power of two.
    every: usize,
    /// How many of its best are kept: the last of them is the floor.
    pub(crate) kept: usize,
}

impl Sample {
    /// All rows.
    pub(crate) const ALL: Self = Self { every: 1, kept: 0 };

    /// The sample for a search of the best `k` of `rows`, if one pays.
    pub(crate) fn new(queries: usize, rows: usize, k: usize, limits: &Limits) -> Option<Self> {
        let pays = queries >= limits.sampled_queries
            && queries.saturating_mul(k) >= limits.sampled_keys
            && ROWS_PER_BEST.contains(&(rows / k.max(1)));
        pays.then(|| {
            let every = (rows / k / 2).clamp(EVERY.0, EVERY.1).next_power_of_two();
            let mean = k as f64 / every as f64;
            let kept = mean + limits.sample_margin * (mean.sqrt() + 1.0);
            Self { every, kept: kept.ceil() as usize }
        })
    }

    /// Rows of the corpus for each row of the sample.
    pub(crate) fn every(self) -> usize {
        self.every
    }

    /// Whether it has this row: one of each group of `every`.
    pub(crate) fn has(self, row: usize) -> bool {
        row == self.row(row / self.every)
    }

    /// Append its rows from `start..end` to `to`, until that has `most`. Returns where to go on.
    pub(crate) fn gather(self, start: usize, end: usize, most: usize, to: &mut Vec<u32>) -> usize {
        for group in start / self.every..end.div_ceil(self.every) {
            let row = self.row(group);
            if (start..end).contains(&row) {
                if to.len() == most {
                    return row;
                }
                to.push(row as u32);
            }
        }
        end
    }

    /// The row of a group. The hash: the last steps of `SplitMix64` (Steele, Lea and Flood 2014).
    fn row(self, group: usize) -> usize {
        let mut hash = (group as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        group * self.every + ((hash >> 32) as usize & (self.every - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_gives_one_row_and_all_of_them_are_gathered() {
        for every in [1, 8, 64] {
            let sample = Sample { every, kept: 0 };
            for rows in [0, 1, 63, 64, 1000] {
                let wanted: Vec<u32> = (0..rows).filter(|&row| sample.has(row)).map(|row| row as u32).collect();
                assert!((rows / every..=rows.div_ceil(every)).contains(&wanted.len()));
                for (step, most) in [(rows.max(1), 1000), (7, 3), (64, 1)] {
                    let mut found = Vec::new();
                    for start in (0..rows).step_by(step) {
                        let (mut at, end) = (start, rows.min(start + step));
                        while at < end {
                            let mut some = Vec::new();
                            at = sample.gather(at, end, most, &mut some);
                            assert!(some.len() <= most);
                            found.extend(some);
                        }
                    }
                    assert_eq!(found, wanted, "{every} {rows} {step} {most}");
                }
            }
        }
    }

    #[test]
    fn a_sample_is_taken_where_it_pays() {
        let limits = Limits::default();
        let sample = |queries, rows, k| Sample::new(queries, rows, k, &limits);
        assert_eq!(sample(64, 300_000, 1000), Some(Sample { every: 64, kept: 41 }));
        assert_eq!(sample(64, 3000, 100), Some(Sample { every: 16, kept: 24 }));
        for (queries, rows, k) in [(64, 300_000, 100), (1, 300_000, 1000), (64, 300_000, 100_000), (64, 5, 0)] {
            assert_eq!(sample(queries, rows, k), None);
        }
    }

    #[test]
    fn a_floor_is_hardly_ever_too_high() {
        // The chance that a sample has at least so many of the k - 1 better than the last of the best: a binomial tail.
        for every in [8_usize, 16, 32, 64] {
            for k in (2..100).chain((100..20_000).step_by(99)) {
                let rows = k * every * 2;
                let sample = Sample::new(1 << 12, rows, k, &Limits::default()).unwrap();
                assert_eq!(sample.every, every);
                let (chance, draws) = (1.0 / every as f64, k - 1);
                // In logarithms, from no draw on: the first terms would underflow.
                let (mut term, mut tail) = (draws as f64 * (-chance).ln_1p(), 0.0);
                for drawn in 0..=draws {
                    if drawn >= sample.kept {
                        tail += term.exp();
                    }
                    term += ((draws - drawn) as f64 / (drawn + 1) as f64 * chance / (1.0 - chance)).ln();
                }
                assert!(tail < 3e-7, "{every} {k} {tail}");
            }
        }
    }

    #[test]
    fn a_sample_has_nothing_to_do_with_the_order() {
        // Of a thousand rows that lie together, or apart by any step, it never has many more than its share.
        let sample = Sample { every: 64, kept: 41 };
        for step in 1..200 {
            let found = (0..1000).filter(|i| sample.has(i * step)).count();
            assert!(found < sample.kept, "{step} {found}");
        }
    }
}
