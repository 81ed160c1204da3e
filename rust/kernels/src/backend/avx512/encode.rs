//! Rows as codes, and what there is to know of codes.

use std::arch::x86_64::{
    _mm512_abs_epi8, _mm512_abs_ps, _mm512_add_epi32, _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_dpbusd_epi32,
    _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_loadu_si512, _mm512_max_ps, _mm512_mul_ps, _mm512_packs_epi16,
    _mm512_packs_epi32, _mm512_permutexvar_epi32, _mm512_reduce_add_epi32, _mm512_reduce_add_ps, _mm512_reduce_max_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::LANES;
use super::vectors::{FEW_SUMS, Load, add_vectors, load, store};
use crate::backend::{Coded, FEW_STEP, generic};

/// As `generic::encode` does it.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
pub(super) fn encode<L: Load>(row: &[L::Element], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
    let steps = row.len().div_ceil(FEW_STEP);
    let (scratch_steps, _) = scratch.as_chunks_mut::<FEW_STEP>();
    let (code_steps, _) = codes.as_chunks_mut::<FEW_STEP>();
    let (scratch_steps, code_steps) = (&mut scratch_steps[..steps], &mut code_steps[..steps]);
    let mut greatest = [_mm512_setzero_ps(); FEW_SUMS];
    let mut squares = [_mm512_setzero_ps(); FEW_SUMS];
    for step in 0..steps {
        let (to, _) = scratch_steps[step].as_chunks_mut::<LANES>();
        for v in 0..FEW_SUMS {
            let at = step * FEW_STEP + v * LANES;
            let from = &row[row.len().min(at)..row.len().min(at + LANES)];
            // SAFETY: the slice has as many elements as it says, sixteen at most.
            let values = unsafe {
                if from.len() == LANES { L::load(from.as_ptr()) } else { L::load_part(from.as_ptr(), from.len()) }
            };
            store(&mut to[v], values);
            greatest[v] = _mm512_max_ps(greatest[v], _mm512_abs_ps(values));
            squares[v] = _mm512_fmadd_ps(values, values, squares[v]);
        }
    }
    let square = _mm512_reduce_add_ps(add_vectors(squares));
    let greatest = _mm512_max_ps(_mm512_max_ps(greatest[0], greatest[1]), _mm512_max_ps(greatest[2], greatest[3]));
    let scale = generic::scale(_mm512_reduce_max_ps(greatest));
    let (scales, inverse) = (_mm512_set1_ps(scale), _mm512_set1_ps(1.0 / scale));
    let mut errors = [_mm512_setzero_ps(); FEW_SUMS];
    let mut sums = [_mm512_setzero_si512(); FEW_SUMS];
    for step in 0..steps {
        let (from, _) = scratch_steps[step].as_chunks::<LANES>();
        let mut code = [_mm512_setzero_si512(); FEW_SUMS];
        for v in 0..FEW_SUMS {
            let values = load(&from[v]);
            code[v] = _mm512_cvtps_epi32(_mm512_mul_ps(values, inverse));
            let error = _mm512_fnmadd_ps(scales, _mm512_cvtepi32_ps(code[v]), values);
            errors[v] = _mm512_fmadd_ps(error, error, errors[v]);
            sums[v] = _mm512_add_epi32(sums[v], code[v]);
        }
        // Packing goes by lanes of 128 bits, which leaves the fours of codes in the order 0 4 8 12 1 5 ...
        let halves = (_mm512_packs_epi32(code[0], code[1]), _mm512_packs_epi32(code[2], code[3]));
        let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        let packed = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(halves.0, halves.1));
        // SAFETY: the reference is to exactly the 64 bytes that are written; no alignment is asked for.
        unsafe { _mm512_storeu_si512(code_steps[step].as_mut_ptr().cast(), packed) };
    }
    let sum = _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]), _mm512_add_epi32(sums[2], sums[3]));
    Coded { scale, error: _mm512_reduce_add_ps(add_vectors(errors)).sqrt(), square, sum: _mm512_reduce_add_epi32(sum) }
}

/// Σ x and Σ x² of codes: 1 · x, and |x| · |x| but for -128, whose square is added apart.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn sums_i8(row: &[i8]) -> (i32, i32) {
    const BYTES: usize = 64;
    let ones = _mm512_set1_epi32(0x0101_0101);
    let (mut sum, mut square) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    let (whole, rest) = row.as_chunks::<BYTES>();
    let mut last = [0_i8; BYTES];
    last[..rest.len()].copy_from_slice(rest);
    let mut add = |codes: &[i8; BYTES]| {
        // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
        let codes = unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) };
        sum = _mm512_dpbusd_epi32(sum, ones, codes);
        let size = _mm512_abs_epi8(codes);
        // |-128| is 128 as the first factor and -128 as the second: the product has the wrong sign, which is mended
        // below.
        square = _mm512_dpbusd_epi32(square, size, size);
    };
    for i in 0..whole.len() {
        add(&whole[i]);
    }
    add(&last);
    let mut least = 0_i32;
    for i in 0..row.len() {
        least += i32::from(row[i] == i8::MIN);
    }
    (_mm512_reduce_add_epi32(sum), _mm512_reduce_add_epi32(square).wrapping_add(least.wrapping_mul(2 * 16_384)))
}
