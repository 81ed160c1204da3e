//! AVX2 with FMA: x86-64 processors since 2013 (Intel) and 2015 (AMD).

use std::arch::x86_64::{
    __m128, __m256, _mm_add_ps, _mm_storeu_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps,
    _mm256_hadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_sub_ps,
};

use super::{Backend, Operation};
use crate::panel::{Facts, pack};

const LANES: usize = 8;
/// Twelve sums, three rows and one query are the sixteen registers there are.
const QUERIES: usize = 4;
const ROWS: usize = 3;

/// Proof that this processor has AVX2 and FMA: `new` is the only way to one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

impl Backend for Avx2 {
    const LANES: usize = LANES;
    const QUERIES: usize = QUERIES;
    const ROWS: usize = ROWS;

    fn pack_queries(self, queries: &[f32], dimension: usize, panels: &mut [f32], facts: &mut [Facts]) {
        // SAFETY: `self` proves the target features.
        unsafe { pack_queries(queries, dimension, panels, facts) }
    }

    fn pack_rows(self, rows: &[f32], dimension: usize, norms: bool, panels: &mut [f32], facts: &mut [Facts]) {
        // SAFETY: `self` proves the target features.
        unsafe {
            if norms {
                pack_rows::<true>(rows, dimension, panels, facts);
            } else {
                pack_rows::<false>(rows, dimension, panels, facts);
            }
        }
    }

    fn score(self, operation: Operation, queries: &[f32], rows: &[f32], scores: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe {
            match operation {
                Operation::Dot => tiles::<false>(queries, rows, scores),
                Operation::SquaredDifference => tiles::<true>(queries, rows, scores),
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn pack_queries(queries: &[f32], dimension: usize, panels: &mut [f32], facts: &mut [Facts]) {
    pack::<QUERIES, LANES>(queries, dimension, true, panels, facts);
}

#[target_feature(enable = "avx2,fma")]
fn pack_rows<const NORMS: bool>(rows: &[f32], dimension: usize, panels: &mut [f32], facts: &mut [Facts]) {
    pack::<ROWS, LANES>(rows, dimension, NORMS, panels, facts);
}

#[target_feature(enable = "avx2,fma")]
fn tiles<const DIFFERENCE: bool>(queries: &[f32], rows: &[f32], scores: &mut [f32]) {
    let (queries, _) = queries.as_chunks::<LANES>();
    let (queries, _) = queries.as_chunks::<QUERIES>();
    let (rows, _) = rows.as_chunks::<LANES>();
    let (rows, _) = rows.as_chunks::<ROWS>();
    let (scores, _) = scores.as_chunks_mut::<QUERIES>();
    for (panel, scores) in rows.chunks_exact(queries.len()).zip(scores.chunks_exact_mut(ROWS)) {
        let mut sums = [[_mm256_setzero_ps(); QUERIES]; ROWS];
        for (query, row) in queries.iter().zip(panel) {
            let row = row.each_ref().map(|row| load(row));
            for (q, query) in query.iter().enumerate() {
                let query = load(query);
                for (sums, row) in sums.iter_mut().zip(row) {
                    sums[q] = if DIFFERENCE {
                        let difference = _mm256_sub_ps(row, query);
                        _mm256_fmadd_ps(difference, difference, sums[q])
                    } else {
                        _mm256_fmadd_ps(row, query, sums[q])
                    };
                }
            }
        }
        for (sums, scores) in sums.into_iter().zip(scores) {
            store(scores, add_lanes(sums));
        }
    }
}

/// The sum of the lanes of each: ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).
#[target_feature(enable = "avx2,fma")]
fn add_lanes([a, b, c, d]: [__m256; 4]) -> __m128 {
    let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves))
}

#[target_feature(enable = "avx2,fma")]
fn load(from: &[f32; LANES]) -> __m256 {
    // SAFETY: the reference is to exactly the 32 bytes that are read; no alignment is asked for.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

#[target_feature(enable = "avx2,fma")]
fn store(to: &mut [f32; QUERIES], from: __m128) {
    // SAFETY: the reference is to exactly the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_ps(to.as_mut_ptr(), from) }
}
