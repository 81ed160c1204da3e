//! AVX2 with FMA: x86-64 processors since 2013 (Intel) and 2015 (AMD).

use std::arch::x86_64::{
    __m128, __m256, _MM_HINT_T0, _mm_add_ps, _mm_cmpgt_ps, _mm_loadu_ps, _mm_movemask_ps, _mm_mul_ps, _mm_prefetch,
    _mm_set1_ps, _mm_storeu_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_hadd_ps,
    _mm256_loadu_ps, _mm256_setzero_ps, _mm256_sub_ps,
};

use super::{Backend, Operation};
use crate::panel::{Facts, pack};

const LANES: usize = 8;
/// Twelve sums, three rows and one query are the sixteen registers there are.
const QUERIES: usize = 4;
const ROWS: usize = 3;

/// f32 in a cache line.
const LINE: usize = 16;

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

    fn score(self, operation: Operation, queries: &[f32], rows: &[f32], scores: &mut [f32], ahead: &[f32]) {
        // SAFETY: `self` proves the target features.
        unsafe {
            match operation {
                Operation::Dot => tiles::<false>(queries, rows, scores, ahead),
                Operation::SquaredDifference => tiles::<true>(queries, rows, scores, ahead),
            }
        }
    }

    fn next_above(self, scores: &[f32], scales: &[f32], thresholds: &[f32], from: usize) -> Option<usize> {
        // SAFETY: `self` proves the target features.
        unsafe { next_above(scores, scales, thresholds, from) }
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

/// Plain loops on purpose: iterator adapters are compiled without the target features and then not inlined here.
#[target_feature(enable = "avx2,fma")]
fn tiles<const DIFFERENCE: bool>(queries: &[f32], rows: &[f32], scores: &mut [f32], ahead: &[f32]) {
    let (queries, _) = queries.as_chunks::<LANES>();
    let (queries, _) = queries.as_chunks::<QUERIES>();
    let (rows, _) = rows.as_chunks::<LANES>();
    let (rows, _) = rows.as_chunks::<ROWS>();
    let (scores, _) = scores.as_chunks_mut::<QUERIES>();
    let (scores, _) = scores.as_chunks_mut::<ROWS>();
    let steps = queries.len();
    for i in 0..scores.len() {
        let panel = &rows[i * steps..][..steps];
        let sums = match ahead.get(i * steps * LINE..) {
            Some(ahead) if !ahead.is_empty() => tile::<DIFFERENCE, true>(queries, panel, ahead.as_ptr()),
            _ => tile::<DIFFERENCE, false>(queries, panel, ahead.as_ptr()),
        };
        for r in 0..ROWS {
            store(&mut scores[i][r], add_lanes(sums[r]));
        }
    }
}

/// The lane-wise sums of one tile, by row and query.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn tile<const DIFFERENCE: bool, const FETCH: bool>(
    queries: &[[[f32; LANES]; QUERIES]],
    rows: &[[[f32; LANES]; ROWS]],
    ahead: *const f32,
) -> [[__m256; QUERIES]; ROWS] {
    if !DIFFERENCE {
        return columns::<DIFFERENCE, FETCH, 0, QUERIES>(queries, rows, ahead);
    }
    // A difference needs one register more than there is: two passes over half of the queries each are faster than
    // one that keeps a sum in memory.
    let low = columns::<DIFFERENCE, FETCH, 0, 2>(queries, rows, ahead);
    let high = columns::<DIFFERENCE, false, 2, 2>(queries, rows, ahead);
    let mut sums = [[_mm256_setzero_ps(); QUERIES]; ROWS];
    for r in 0..ROWS {
        sums[r] = [low[r][0], low[r][1], high[r][0], high[r][1]];
    }
    sums
}

/// The lane-wise sums of the queries `FIRST..FIRST + COUNT` of a tile. A cache line from `ahead` on is fetched at each
/// step.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn columns<const DIFFERENCE: bool, const FETCH: bool, const FIRST: usize, const COUNT: usize>(
    queries: &[[[f32; LANES]; QUERIES]],
    rows: &[[[f32; LANES]; ROWS]],
    ahead: *const f32,
) -> [[__m256; COUNT]; ROWS] {
    let mut sums = [[_mm256_setzero_ps(); COUNT]; ROWS];
    for step in 0..rows.len().min(queries.len()) {
        if FETCH {
            // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(step * LINE).cast());
        }
        let row = [load(&rows[step][0]), load(&rows[step][1]), load(&rows[step][2])];
        for q in 0..COUNT {
            let query = load(&queries[step][FIRST + q]);
            for r in 0..ROWS {
                sums[r][q] = if DIFFERENCE {
                    let difference = _mm256_sub_ps(row[r], query);
                    _mm256_fmadd_ps(difference, difference, sums[r][q])
                } else {
                    _mm256_fmadd_ps(row[r], query, sums[r][q])
                };
            }
        }
    }
    sums
}

#[target_feature(enable = "avx2,fma")]
fn next_above(scores: &[f32], scales: &[f32], thresholds: &[f32], from: usize) -> Option<usize> {
    let (scores, _) = scores.as_chunks::<QUERIES>();
    let thresholds = load_few(&thresholds.as_chunks::<QUERIES>().0[0]);
    let rows = scales.len().min(scores.len());
    for row in from..rows {
        let scaled = _mm_mul_ps(load_few(&scores[row]), _mm_set1_ps(scales[row]));
        if _mm_movemask_ps(_mm_cmpgt_ps(scaled, thresholds)) != 0 {
            return Some(row);
        }
    }
    None
}

/// The sum of the lanes of each: ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_lanes([a, b, c, d]: [__m256; 4]) -> __m128 {
    let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(from: &[f32; LANES]) -> __m256 {
    // SAFETY: the reference is to exactly the 32 bytes that are read; no alignment is asked for.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_few(from: &[f32; QUERIES]) -> __m128 {
    // SAFETY: the reference is to exactly the 16 bytes that are read; no alignment is asked for.
    unsafe { _mm_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store(to: &mut [f32; QUERIES], from: __m128) {
    // SAFETY: the reference is to exactly the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_ps(to.as_mut_ptr(), from) }
}
