//! Rows as they lie in memory, one or two at a time, against a few queries.

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_prefetch, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_reduce_add_ps, _mm512_setzero_ps,
    _mm512_sub_ps,
};

use super::LANES;
use super::vectors::{FEW_SUMS, Half, Load, add_sixteen, add_vectors, store};
use crate::backend::{FEW, FEW_STEP, FewRows, LINE_BYTES, MOST_FEW, Operation};
use crate::element::F16;

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn decode_f16(row: &[F16], to: &mut [f32]) {
    let (rows, rest) = row.as_chunks::<LANES>();
    let (tos, to_rest) = to.as_chunks_mut::<LANES>();
    for i in 0..rows.len().min(tos.len()) {
        // SAFETY: the reference is to sixteen elements.
        store(&mut tos[i], unsafe { Half::load(rows[i].as_ptr()) });
    }
    let mut last = [0.0; LANES];
    // SAFETY: the slice has as many elements as it says, fewer than sixteen.
    store(&mut last, unsafe { Half::load_part(rest.as_ptr(), rest.len()) });
    to_rest.copy_from_slice(&last[..rest.len()]);
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
pub(super) fn few<L: Load>(rows: FewRows<'_, L::Element>, squares: &mut [f32]) {
    match (rows.operation, rows.queries.len()) {
        (Operation::Dot, 1) => few_of::<L, 1, false>(rows, squares),
        (Operation::Dot, 2) => few_of::<L, 2, false>(rows, squares),
        (Operation::Dot, 3) => few_of::<L, 3, false>(rows, squares),
        (Operation::Dot, FEW) => few_of::<L, FEW, false>(rows, squares),
        (Operation::Dot, _) => more_of::<L, false>(rows, squares),
        (Operation::SquaredDifference, 1) => few_of::<L, 1, true>(rows, squares),
        (Operation::SquaredDifference, 2) => few_of::<L, 2, true>(rows, squares),
        (Operation::SquaredDifference, 3) => few_of::<L, 3, true>(rows, squares),
        (Operation::SquaredDifference, FEW) => few_of::<L, FEW, true>(rows, squares),
        (Operation::SquaredDifference, _) => more_of::<L, true>(rows, squares),
    }
}

/// One row after another, as they lie in memory: the processor's own prefetching understands that best.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
pub(super) fn few_of<L: Load, const Q: usize, const DIFFERENCE: bool>(
    rows: FewRows<'_, L::Element>,
    squares: &mut [f32],
) {
    let FewRows { queries, rows, sums, ahead, .. } = rows;
    let count = rows.len();
    let dimension = rows.first().map_or(0, |row| row.len());
    let mut query = [&[][..]; Q];
    for q in 0..Q {
        query[q] = &queries[q][..dimension.next_multiple_of(FEW_STEP)];
    }
    for (r, row) in rows.iter().enumerate() {
        let row = &row[..dimension];
        let next = ahead.rows.get(r).copied();
        let mut square = [_mm512_setzero_ps(); FEW_SUMS];
        let mut sum = [[_mm512_setzero_ps(); FEW_SUMS]; Q];
        let mut add = |d: usize, values: [__m512; FEW_SUMS]| {
            for v in 0..FEW_SUMS {
                square[v] = _mm512_fmadd_ps(values[v], values[v], square[v]);
                for q in 0..Q {
                    // SAFETY: every query has as many elements as there are in whole steps, and `d` is one's first.
                    let query = unsafe { _mm512_loadu_ps(query[q].as_ptr().add(d + v * LANES)) };
                    sum[q][v] = if DIFFERENCE {
                        let difference = _mm512_sub_ps(values[v], query);
                        _mm512_fmadd_ps(difference, difference, sum[q][v])
                    } else {
                        _mm512_fmadd_ps(values[v], query, sum[q][v])
                    };
                }
            }
        };
        let whole = dimension - dimension % FEW_STEP;
        for d in (0..whole).step_by(FEW_STEP) {
            if let Some(next) = next {
                for line in 0..(FEW_STEP * size_of::<L::Element>()).div_ceil(LINE_BYTES) {
                    // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
                    let at = d * size_of::<L::Element>() + line * LINE_BYTES;
                    _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(at).cast());
                }
            }
            let mut values = [_mm512_setzero_ps(); FEW_SUMS];
            for v in 0..FEW_SUMS {
                // SAFETY: the row has all elements of a whole step.
                values[v] = unsafe { L::load(row.as_ptr().add(d + v * LANES)) };
            }
            add(d, values);
        }
        if whole < dimension {
            let mut values = [_mm512_setzero_ps(); FEW_SUMS];
            for v in 0..FEW_SUMS {
                let from = &row[dimension.min(whole + v * LANES)..dimension.min(whole + (v + 1) * LANES)];
                // SAFETY: the slice has as many elements as it says, sixteen at most.
                values[v] = unsafe {
                    if from.len() == LANES { L::load(from.as_ptr()) } else { L::load_part(from.as_ptr(), from.len()) }
                };
            }
            add(whole, values);
        }
        squares[r] = _mm512_reduce_add_ps(add_vectors(square));
        for q in 0..Q {
            sums[q * count + r] = _mm512_reduce_add_ps(add_vectors(sum[q]));
        }
    }
}

/// Rows that `more_of` takes at a time: sixteen sums, and two of squares.
const PAIR: usize = 2;

/// Two rows at a time against up to eight queries, of which the last is repeated.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn more_of<L: Load, const DIFFERENCE: bool>(rows: FewRows<'_, L::Element>, squares: &mut [f32]) {
    const { assert!(PAIR * MOST_FEW == LANES) };
    let FewRows { queries, rows, sums, ahead, .. } = rows;
    let count = rows.len();
    let dimension = rows.first().map_or(0, |row| row.len());
    let mut query = [std::ptr::null(); MOST_FEW];
    for q in 0..MOST_FEW {
        query[q] = queries[q.min(queries.len() - 1)][..dimension.next_multiple_of(FEW_STEP)].as_ptr();
    }
    let whole = dimension / LANES;
    for first in (0..count).step_by(PAIR) {
        let pair = [&rows[first][..dimension], &rows[(first + 1).min(count - 1)][..dimension]];
        let next = &ahead.rows[ahead.rows.len().min(first)..ahead.rows.len().min(first + PAIR)];
        let mut square = [_mm512_setzero_ps(); PAIR];
        let mut all = [_mm512_setzero_ps(); LANES];
        for step in 0..dimension.div_ceil(LANES) {
            let d = step * LANES;
            let mut values = [_mm512_setzero_ps(); PAIR];
            for r in 0..PAIR {
                // SAFETY: sixteen elements of a whole step, or those that are left of the row.
                values[r] = unsafe {
                    let from = pair[r].as_ptr().add(d);
                    if step < whole { L::load(from) } else { L::load_part(from, dimension - d) }
                };
                square[r] = _mm512_fmadd_ps(values[r], values[r], square[r]);
            }
            for next in next {
                // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
                _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(d * size_of::<L::Element>()).cast());
            }
            for q in 0..MOST_FEW {
                // SAFETY: every query is filled up to whole steps, and `d` is the first element of one.
                let query = unsafe { _mm512_loadu_ps(query[q].add(d)) };
                for r in 0..PAIR {
                    let at = q * PAIR + r;
                    all[at] = if DIFFERENCE {
                        let difference = _mm512_sub_ps(values[r], query);
                        _mm512_fmadd_ps(difference, difference, all[at])
                    } else {
                        _mm512_fmadd_ps(values[r], query, all[at])
                    };
                }
            }
        }
        let mut added = [0.0; LANES];
        store(&mut added, add_sixteen(&all));
        for r in 0..PAIR.min(count - first) {
            squares[first + r] = _mm512_reduce_add_ps(square[r]);
            for q in 0..queries.len() {
                sums[q * count + first + r] = added[q * PAIR + r];
            }
        }
    }
}
