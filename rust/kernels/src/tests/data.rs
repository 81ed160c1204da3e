//! Vectors that are easy, and vectors that are not.

use proptest::prelude::*;

/// Where the elements of the vectors come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Between -1 and 1.
    Plain,
    /// Whole numbers from -2 to 2: every sum is exact in f32, and ties are everywhere.
    Whole,
    /// Any of: zero vectors, subnormal, tiny, plain, huge vectors; and copies of earlier vectors.
    Adverse,
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) dimension: usize,
    pub(super) queries: Vec<f32>,
    pub(super) corpus: Vec<f32>,
    pub(super) k: usize,
    pub(super) threads: usize,
}

/// The elements are drawn from a seed: shrinking then looks for fewer and shorter vectors, not for rounder numbers.
pub(super) fn cases(kinds: &'static [Kind]) -> impl Strategy<Value = Case> {
    let dimension = prop_oneof![3 => 1..=40_usize, 1 => 41..=1100_usize];
    (dimension, 0..=10_usize, 0..=70_usize, 0..=80_usize, 1..=4_usize, 0..kinds.len(), any::<u64>()).prop_map(
        |(dimension, queries, rows, k, threads, kind, seed)| {
            let mut source = Source(seed);
            let corpus = source.vectors(rows, dimension, kinds[kind], &[]);
            let queries = source.vectors(queries, dimension, kinds[kind], &corpus);
            Case { dimension, queries, corpus, k, threads }
        },
    )
}

struct Source(u64);

impl Source {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 16
    }

    fn vectors(&mut self, count: usize, dimension: usize, kind: Kind, copy_from: &[f32]) -> Vec<f32> {
        let mut vectors = Vec::with_capacity(count * dimension);
        for _ in 0..count {
            let known = if copy_from.is_empty() { vectors.len() } else { copy_from.len() } / dimension;
            let scale = match (kind, self.next() % 12) {
                (Kind::Adverse, 0) => 0.0,
                (Kind::Adverse, 1) => 1e-44,
                (Kind::Adverse, 2) => 1e-38,
                (Kind::Adverse, 3) => 1e-20,
                (Kind::Adverse, 4) => 1e14,
                (Kind::Adverse, 5) => 1e16,
                (Kind::Adverse, 6) => 1e30,
                (Kind::Adverse, 7) => f32::MAX,
                (Kind::Adverse, 8 | 9) if known > 0 => {
                    let row = self.next() as usize % known * dimension;
                    let from = if copy_from.is_empty() { &vectors } else { copy_from };
                    let copy = from[row..row + dimension].to_vec();
                    vectors.extend(copy);
                    continue;
                }
                _ => 1.0,
            };
            vectors.extend((0..dimension).map(|_| match kind {
                Kind::Whole => (self.next() % 5) as f32 - 2.0,
                _ => scale * ((self.next() % (1 << 24)) as f32 / (1 << 23) as f32 - 1.0),
            }));
        }
        vectors
    }
}
