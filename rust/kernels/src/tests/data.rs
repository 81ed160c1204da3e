//! Vectors that are easy, and vectors that are not.

use proptest::prelude::*;

use crate::{Bf16, Corpus, F16, Scaled};

use super::rows;

/// Where the elements of the vectors come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Between -1 and 1.
    Plain,
    /// Whole numbers from -2 to 2: every sum is exact in f32, and ties are everywhere.
    Whole,
    /// Copies of one vector with a few elements moved by units in the last place: the order lies within what a scan cannot
    /// tell apart.
    Near,
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
    /// Which rows may be found, a bit each.
    pub(super) mask: Option<Vec<u8>>,
    pub(super) seed: u64,
}

impl Case {
    pub(super) fn may(&self, row: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask[row / 8] >> (row % 8) & 1 == 1)
    }
}

/// A corpus of some type.
#[derive(Debug)]
pub(super) enum Elements {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Bf16(Vec<u16>),
    Int8(Vec<i8>, Vec<f32>),
}

impl Elements {
    /// As many vectors of each type as the case has rows; those of f32 are the case's own.
    pub(super) fn all(case: &Case) -> [Self; 4] {
        let mut source = Source(case.seed);
        let count = case.corpus.len();
        // Any bits but those of infinity and NaN: then every size that the type has.
        let mut words = |exponent: u16| -> Vec<u16> {
            let word = || source.next() as u16;
            std::iter::repeat_with(word).filter(|bits| bits & exponent != exponent).take(count).collect()
        };
        let (mut halves, brains) = (words(0x7c00), words(0x7f80));
        // Mostly of one size, so that tiles are used.
        let brains =
            brains.into_iter().map(|bits| if case.seed.is_multiple_of(4) { bits } else { bits & 0x80ff | 0x3f00 });
        let mut brains: Vec<u16> = brains.collect();
        if case.seed % 2 == 1 {
            // Copies of the first row but for the last bits of a few elements: less than codes of eight bits can tell.
            for words in [&mut halves, &mut brains] {
                for i in case.dimension..words.len() {
                    let moved = source.next().is_multiple_of(5);
                    words[i] = words[i % case.dimension] ^ u16::from(moved);
                }
            }
        }
        let codes = std::iter::repeat_with(|| source.next() as i8).take(count).collect();
        let mut source = Source(case.seed + 1);
        let scale = || {
            [1.0, 0.01, 1e-3, 0.3, 7.0, 1e-20, 1e-42, 1e20, 1e36]
                [source.next() as usize % if case.seed.is_multiple_of(3) { 9 } else { 5 }]
        };
        let scales = std::iter::repeat_with(scale).take(count / case.dimension).collect();
        [Self::F32(case.corpus.clone()), Self::F16(halves), Self::Bf16(brains), Self::Int8(codes, scales)]
    }

    pub(super) fn corpus(&self, dimension: usize) -> Corpus<'_> {
        match self {
            Self::F32(x) => Corpus::F32(rows(x, dimension)),
            Self::F16(x) => Corpus::F16(rows(F16::from_bits(x), dimension)),
            Self::Bf16(x) => Corpus::Bf16(rows(Bf16::from_bits(x), dimension)),
            Self::Int8(x, scales) => Corpus::Int8(Scaled::new(rows(x, dimension), scales).unwrap()),
        }
    }

    /// The vectors that they stand for.
    pub(super) fn vectors(&self, dimension: usize) -> Vec<f32> {
        match self {
            Self::F32(x) => x.clone(),
            Self::F16(x) => x.iter().map(|&x| half::f16::from_bits(x).to_f32()).collect(),
            Self::Bf16(x) => x.iter().map(|&x| half::bf16::from_bits(x).to_f32()).collect(),
            Self::Int8(x, scales) => x.iter().enumerate().map(|(i, &x)| f32::from(x) * scales[i / dimension]).collect(),
        }
    }
}

/// The elements are drawn from a seed: shrinking then looks for fewer and shorter vectors, not for rounder numbers.
pub(super) fn cases(kinds: &'static [Kind]) -> impl Strategy<Value = Case> {
    let dimension = prop_oneof![3 => 1..=40_usize, 1 => 41..=1100_usize];
    let queries = prop_oneof![2 => 0..=10_usize, 1 => 11..=70_usize];
    let rows = prop_oneof![3 => 0..=70_usize, 1 => 71..=300_usize];
    (dimension, queries, rows, 0..=80_usize, 1..=4_usize, 0..kinds.len(), 0..4_u64, any::<u32>()).prop_map(
        |(dimension, queries, rows, k, threads, kind, mask, seed)| {
            // The oracle takes every pair of elements.
            let (queries, rows) = if dimension > 40 { (queries / 6, rows / 4) } else { (queries, rows) };
            let mut source = Source(u64::from(seed));
            let corpus = source.vectors(rows, dimension, kinds[kind], &[]);
            let queries = source.vectors(queries, dimension, kinds[kind], &corpus);
            // None, few, half or all of the rows.
            let byte = |bits: u64| (bits & bits >> 8 & bits >> 16, bits, u64::MAX);
            let mask = (mask > 0).then(|| {
                let bytes = (0..rows.div_ceil(8)).map(|_| byte(source.next()));
                bytes.map(|(few, half, all)| [few, half, all][mask as usize - 1] as u8).collect()
            });
            Case { dimension, queries, corpus, k, threads, mask, seed: u64::from(seed) }
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
        let size = [1.0, 1.0, 1e-24, 1e18][self.next() as usize % 4];
        let near: Vec<f32> =
            (0..dimension).map(|_| size * ((self.next() % (1 << 24)) as f32 / (1 << 23) as f32 - 1.0)).collect();
        for _ in 0..count {
            if kind == Kind::Near && copy_from.is_empty() {
                let mut vector = near.clone();
                for _ in 0..3 {
                    let x = &mut vector[self.next() as usize % dimension];
                    *x = f32::from_bits(x.to_bits() + (self.next() % 8) as u32);
                }
                vectors.extend(vector);
                continue;
            }
            if kind == Kind::Near && self.next().is_multiple_of(2) {
                // Codes of eight bits hold such a query without an error.
                vectors.extend((0..dimension).map(|_| if self.next().is_multiple_of(2) { 1.0 } else { -1.0 }));
                continue;
            }
            let known = if copy_from.is_empty() { vectors.len() } else { copy_from.len() } / dimension;
            let scale = match (kind, self.next() % 12) {
                (Kind::Adverse, 0) => 0.0,
                (Kind::Adverse, 1) => 1e-44,
                (Kind::Adverse, 2) => 1e-38,
                (Kind::Adverse, 3) => {
                    if self.next().is_multiple_of(2) {
                        1e-20
                    } else {
                        1e-23
                    }
                }
                (Kind::Adverse, 4) => 1e14,
                (Kind::Adverse, 5) => 1e16,
                (Kind::Adverse, 6) => {
                    if self.next().is_multiple_of(2) {
                        3e18
                    } else {
                        1e30
                    }
                }
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
