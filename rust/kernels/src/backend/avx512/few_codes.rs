//! Rows of codes, a few at a time, against a few queries in codes.

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_abs_epi8, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_movepi8_mask,
    _mm512_or_si512, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_storeu_si512, _mm512_xor_si512,
};

use super::LANES;
use super::vectors::add_sixteen_i32;
use crate::backend::{BIAS, FEW, FEW_STEP, FewCodes};

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")]
pub(super) fn few_codes(rows: FewCodes<'_>) {
    match rows.queries.len() {
        1 => few_of::<1, 8>(rows),
        2 => few_of::<2, 5>(rows),
        3 => few_of::<3, 4>(rows),
        _ => few_of::<FEW, 3>(rows),
    }
}

/// `R` rows at a time against `Q` queries; (`Q` + 1) `R` sums are at most sixteen.
///
/// The instruction multiplies bytes without a sign by bytes with one: the rows get their sign flipped away, which adds
/// 128 to each code, and so 128 times the query's sum to each sum of products.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")]
fn few_of<const Q: usize, const R: usize>(rows: FewCodes<'_>) {
    const { assert!((Q + 1) * R <= LANES) };
    let FewCodes { queries, rows, sums, squares, ahead } = rows;
    let count = rows.len();
    let dimension = rows.first().map_or(0, |row| row.len());
    let mut query = [&[][..]; Q];
    let mut bias = [0; Q];
    for q in 0..Q {
        query[q] = &queries[q][..dimension.next_multiple_of(FEW_STEP)];
        bias[q] = BIAS * query[q].iter().map(|&code| i32::from(code)).sum::<i32>();
    }
    let flip = _mm512_set1_epi8(i8::MIN);
    let whole = dimension / FEW_STEP;
    for first in (0..count).step_by(R) {
        let mut of = [std::ptr::null::<i8>(); R];
        let mut rest = [[0_i8; FEW_STEP]; R];
        for r in 0..R {
            // The last row is repeated where others lack.
            let row = &rows[(first + r).min(count - 1)][..dimension];
            of[r] = row.as_ptr();
            if whole * FEW_STEP < dimension {
                rest[r][..dimension - whole * FEW_STEP].copy_from_slice(&row[whole * FEW_STEP..]);
            }
        }
        let mut all = [_mm512_setzero_si512(); LANES];
        let mut least = [_mm512_setzero_si512(); R];
        // One row after another, as they lie: the processor's own prefetching understands that best.
        for r in 0..R {
            let next = ahead.rows.get(first + r).copied();
            let mut sums = [_mm512_setzero_si512(); Q];
            let mut square = _mm512_setzero_si512();
            for step in 0..dimension.div_ceil(FEW_STEP) {
                if let Some(next) = next {
                    // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
                    _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(step * FEW_STEP).cast());
                }
                // SAFETY: whole steps lie within the row, and the last one in a copy of it.
                let codes = unsafe {
                    let from = if step < whole { of[r].add(step * FEW_STEP) } else { rest[r].as_ptr() };
                    _mm512_loadu_si512(from.cast())
                };
                for q in 0..Q {
                    // SAFETY: every query has 64 codes for each step.
                    let query = unsafe { _mm512_loadu_si512(query[q].as_ptr().add(step * FEW_STEP).cast()) };
                    sums[q] = _mm512_dpbusd_epi32(sums[q], _mm512_xor_si512(codes, flip), query);
                }
                let size = _mm512_abs_epi8(codes);
                // |-128| is 128 as the first factor and -128 as the second, which is mended below.
                square = _mm512_dpbusd_epi32(square, size, size);
                least[r] = _mm512_or_si512(least[r], size);
            }
            for q in 0..Q {
                all[q * R + r] = sums[q];
            }
            all[Q * R + r] = square;
        }
        let added = store(add_sixteen_i32(&all));
        let mut any = least[0];
        for r in 1..R {
            any = _mm512_or_si512(any, least[r]);
        }
        let has_least = _mm512_movepi8_mask(any) != 0;
        for r in 0..R.min(count - first) {
            for q in 0..Q {
                sums[q * count + first + r] = added[q * R + r].wrapping_sub(bias[q]);
            }
            let mut square = added[Q * R + r];
            if has_least {
                let least = rows[first + r].iter().filter(|&&code| code == i8::MIN).count() as i32;
                square = square.wrapping_add(least.wrapping_mul(2 * 16_384));
            }
            squares[first + r] = square;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(from: __m512i) -> [i32; LANES] {
    let mut to = [0; LANES];
    // SAFETY: the array has exactly the 64 bytes that are written; no alignment is asked for.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), from) };
    to
}
