//! Tiles in f32.

use std::arch::x86_64::{
    __m512, _CMP_GE_OQ, _CMP_GT_OQ, _MM_HINT_T0, _mm_prefetch, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_mul_ps,
    _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_sub_ps,
};

use super::vectors::{F32, FEW_SUMS, Load, add_vectors, load, store};
use super::{LANES, ROWS, rows_of_tile};
use crate::backend::{Ahead, FEW_STEP, LINE_BYTES, TILE_STEPS, Tile};

/// Fetch lines of one of the rows that come a block later: in sixteen steps, `L` lines of each.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn fetch<const L: usize>(ahead: Ahead<'_>, d: usize) {
    if let Some(row) = ahead.rows.get(d % TILE_STEPS) {
        for line in 0..L {
            // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
            let at = (d - d % TILE_STEPS) * ahead.size + (ahead.first_line + line) * LINE_BYTES;
            _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(at).cast());
        }
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
pub(super) fn tiles<const V: usize, const DIFFERENCE: bool>(tile: Tile<'_>) {
    let (steps, _) = tile.panel.as_chunks::<LANES>();
    let (steps, _) = steps.as_chunks::<V>();
    let (thresholds, _) = tile.thresholds.as_chunks::<LANES>();
    let mut first = 0;
    while first < tile.rows.len() {
        let rows = rows_of_tile(tile.rows, first);
        let sums = add_up::<V, DIFFERENCE>(steps, &rows, tile.ahead.of(first, ROWS));
        // A loop of constant length, or the sums would have to leave their registers.
        for r in 0..ROWS {
            let Some(hits) = tile.hits[..tile.rows.len()].get_mut(first + r) else { break };
            let scale = _mm512_set1_ps(tile.scales[first + r]);
            let mut word = 0;
            for v in 0..V {
                let scores = _mm512_mul_ps(sums[r][v], scale);
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(scores, load(&thresholds[v]));
                word |= u64::from(mask) << (v * LANES);
            }
            *hits = word;
        }
        first += ROWS;
    }
}

/// See `Backend::products`.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
pub(super) fn products<const V: usize>(panel: &[f32], rows: &[&[f32]], products: &mut [f32]) {
    let (steps, _) = panel.as_chunks::<LANES>();
    let (steps, _) = steps.as_chunks::<V>();
    let (to, _) = products.as_chunks_mut::<LANES>();
    let (to, _) = to.as_chunks_mut::<V>();
    let to = &mut to[..rows.len()];
    for first in (0..rows.len()).step_by(ROWS) {
        let sums = add_up::<V, false>(steps, &rows_of_tile(rows, first), Ahead::new::<f32>(&[], 1, 0, 1));
        // A loop of constant length, or the sums would have to leave their registers.
        for r in 0..ROWS {
            let Some(to) = to.get_mut(first + r) else { break };
            for v in 0..V {
                store(&mut to[v], sums[r][v]);
            }
        }
    }
}

/// See `Backend::at_least`.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
pub(super) fn at_least(values: &[f32], least: &[f32]) -> u64 {
    let (values, _) = values.as_chunks::<LANES>();
    let (least, _) = least.as_chunks::<LANES>();
    let mut word = 0;
    for (v, (values, least)) in values.iter().zip(least).enumerate() {
        let mask = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(load(values), load(least));
        word |= u64::from(mask) << (v * LANES);
    }
    word
}

/// The sums of a tile. They live in registers: one loop, and nothing in it that is not inlined.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_up<const V: usize, const DIFFERENCE: bool>(
    steps: &[[[f32; LANES]; V]],
    rows: &[&[f32]; ROWS],
    ahead: Ahead<'_>,
) -> [[__m512; V]; ROWS] {
    let mut elements = [std::ptr::null(); ROWS];
    for r in 0..ROWS {
        elements[r] = rows[r][..steps.len()].as_ptr();
    }
    let mut sums = [[_mm512_setzero_ps(); V]; ROWS];
    for d in 0..steps.len() {
        fetch::<1>(ahead, d);
        let mut queries = [_mm512_setzero_ps(); V];
        for v in 0..V {
            queries[v] = load(&steps[d][v]);
        }
        for r in 0..ROWS {
            // SAFETY: each pointer is to as many elements as there are steps.
            let element = _mm512_set1_ps(unsafe { *elements[r].add(d) });
            for v in 0..V {
                sums[r][v] = if DIFFERENCE {
                    let difference = _mm512_sub_ps(element, queries[v]);
                    _mm512_fmadd_ps(difference, difference, sums[r][v])
                } else {
                    _mm512_fmadd_ps(element, queries[v], sums[r][v])
                };
            }
        }
    }
    sums
}

/// Σ x², in sums enough to hide the latency of an addition.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
pub(super) fn squares(row: &[f32]) -> f32 {
    visit(row, |_, _, _| {})
}

/// The same of a row that is copied on the way.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
pub(super) fn copy(row: &[f32], to: &mut [f32]) -> f32 {
    let to = &mut to[..row.len()];
    visit(row, |at, values, count| {
        if let Some(to) = to[at..].first_chunk_mut::<LANES>() {
            store(to, values);
        } else {
            let mut last = [0.0; LANES];
            store(&mut last, values);
            to[at..][..count].copy_from_slice(&last[..count]);
        }
    })
}

/// Hand over a row, sixteen elements at a time or fewer at the end, and return Σ x².
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn visit(row: &[f32], mut sixteen: impl FnMut(usize, __m512, usize)) -> f32 {
    let (steps, rest) = row.as_chunks::<FEW_STEP>();
    let mut sums = [_mm512_setzero_ps(); FEW_SUMS];
    for (i, step) in steps.iter().enumerate() {
        let (step, _) = step.as_chunks::<LANES>();
        for v in 0..FEW_SUMS {
            let values = load(&step[v]);
            sixteen(i * FEW_STEP + v * LANES, values, LANES);
            sums[v] = _mm512_fmadd_ps(values, values, sums[v]);
        }
    }
    for (v, part) in rest.chunks(LANES).enumerate() {
        // SAFETY: the slice has as many elements as it says, sixteen at most.
        let values = unsafe { F32::load_part(part.as_ptr(), part.len()) };
        sixteen(steps.len() * FEW_STEP + v * LANES, values, part.len());
        sums[v] = _mm512_fmadd_ps(values, values, sums[v]);
    }
    _mm512_reduce_add_ps(add_vectors(sums))
}
