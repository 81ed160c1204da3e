//! Tiles in whole numbers.

use std::arch::x86_64::{
    __m512i, _CMP_GT_OQ, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_loadu_si512,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512, _mm512_sub_epi32,
};

use super::floats::fetch;
use super::vectors::load;
use super::{LANES, ROWS, rows_of_tile};
use crate::backend::{Ahead, TileI8};
use crate::queries::CODES;

/// `L`: the cache lines that sixteen steps take of a row that comes later.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")]
pub(super) fn tiles_i8<const V: usize, const L: usize>(tile: TileI8<'_>) {
    let (steps, _) = tile.panel.as_chunks::<{ LANES * CODES }>();
    let (steps, _) = steps.as_chunks::<V>();
    let (thresholds, _) = tile.thresholds.as_chunks::<LANES>();
    let mut first = 0;
    while first < tile.rows.len() {
        let rows = rows_of_tile(tile.rows, first);
        let ahead = Ahead { size: tile.ahead.size * CODES, ..tile.ahead.of(first, ROWS) };
        let sums = add_up_i8::<V, L>(steps, &rows, ahead);
        // A loop of constant length, or the sums would have to leave their registers.
        for r in 0..ROWS {
            let Some(hits) = tile.hits[..tile.rows.len()].get_mut(first + r) else { break };
            let scale = _mm512_set1_ps(tile.scales[first + r]);
            let bias = _mm512_set1_epi32(tile.biases[first + r]);
            let mut word = 0;
            for v in 0..V {
                let scores = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sums[r][v], bias)), scale);
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(scores, load(&thresholds[v]));
                word |= u64::from(mask) << (v * LANES);
            }
            *hits = word;
        }
        first += ROWS;
    }
}

/// The sums of a tile, the biases among them.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) fn add_up_i8<const V: usize, const L: usize>(
    steps: &[[[u8; LANES * CODES]; V]],
    rows: &[&[i8]; ROWS],
    ahead: Ahead<'_>,
) -> [[__m512i; V]; ROWS] {
    let whole = rows[0].len() / CODES;
    let mut codes = [std::ptr::null::<i32>(); ROWS];
    for r in 0..ROWS {
        codes[r] = rows[r][..whole * CODES].as_ptr().cast();
    }
    let mut sums = [[_mm512_setzero_si512(); V]; ROWS];
    for step in 0..whole {
        fetch::<L>(ahead, step);
        let mut queries = [_mm512_setzero_si512(); V];
        for v in 0..V {
            queries[v] = load_bytes(&steps[step][v]);
        }
        for r in 0..ROWS {
            // SAFETY: each pointer is to four bytes for every whole step; they need not be aligned.
            let codes = _mm512_set1_epi32(unsafe { codes[r].add(step).read_unaligned() });
            for v in 0..V {
                sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], queries[v], codes);
            }
        }
    }
    if let Some(queries) = steps.get(whole) {
        for r in 0..ROWS {
            let mut rest = [0_u8; CODES];
            for (to, &from) in rest.iter_mut().zip(&rows[r][whole * CODES..]) {
                *to = from.cast_unsigned();
            }
            let codes = _mm512_set1_epi32(i32::from_le_bytes(rest));
            for v in 0..V {
                sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], load_bytes(&queries[v]), codes);
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_bytes(from: &[u8; LANES * CODES]) -> __m512i {
    // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}
