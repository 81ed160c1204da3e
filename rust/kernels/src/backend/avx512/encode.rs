//! Rows as codes, and what there is to know of codes.

use std::arch::x86_64::{
    __m512, __m512i, _mm512_abs_epi8, _mm512_castps_si512, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_fnmadd_ps,
    _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_packs_epi16, _mm512_permutex2var_epi16, _mm512_permutexvar_epi64,
    _mm512_reduce_add_epi32, _mm512_reduce_add_ps, _mm512_set_epi16, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setr_epi64, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_si512, _mm512_sub_ps,
};

use super::LANES;
use super::vectors::{Encode, FEW_SUMS, add_vectors};
use crate::backend::{Coded, FEW_STEP, generic};

/// As `generic::encode` does it, in one pass over the row and one over its bits.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")]
pub(super) fn encode<L: Encode>(row: &[L::Element], codes: &mut [i8]) -> Coded {
    let (whole, rest) = row.as_chunks::<FEW_STEP>();
    let (to, _) = codes.as_chunks_mut::<FEW_STEP>();
    let mut last = [L::ZERO; FEW_STEP];
    last[..rest.len()].copy_from_slice(rest);
    let last = (!rest.is_empty()).then_some(&last);
    let mut greatest = _mm512_setzero_si512();
    for step in whole.iter().chain(last) {
        // SAFETY: this function has the features.
        greatest = unsafe { L::greater(greatest, L::greatest(step)) };
    }
    // SAFETY: this function has the features.
    let scale = generic::scale(unsafe { L::magnitude(greatest) });
    let mut sums = Sums::new(scale);
    for (from, to) in whole.iter().chain(last).zip(to) {
        sums.encode::<L>(from, to);
    }
    sums.finish()
}

/// What is summed up over a row on the way.
struct Sums {
    scale: f32,
    errors: [__m512; FEW_SUMS],
    squares: [__m512; FEW_SUMS],
    codes: __m512i,
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(scale: f32) -> Self {
        let zeros = [_mm512_setzero_ps(); FEW_SUMS];
        Self { scale, errors: zeros, squares: zeros, codes: _mm512_setzero_si512() }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")]
    fn encode<L: Encode>(&mut self, from: &[L::Element; FEW_STEP], to: &mut [i8; FEW_STEP]) {
        let (scale, inverse) = (_mm512_set1_ps(self.scale), _mm512_set1_ps(1.0 / self.scale));
        let round = _mm512_set1_ps(generic::ROUND);
        let mut rounded = [_mm512_setzero_si512(); FEW_SUMS];
        for v in 0..FEW_SUMS {
            // SAFETY: the reference is to 64 elements, of which sixteen are read.
            let values = unsafe { L::load(from.as_ptr().add(v * LANES)) };
            let code = _mm512_fmadd_ps(values, inverse, round);
            rounded[v] = _mm512_castps_si512(code);
            let error = _mm512_fnmadd_ps(scale, _mm512_sub_ps(code, round), values);
            self.errors[v] = _mm512_fmadd_ps(error, error, self.errors[v]);
            self.squares[v] = _mm512_fmadd_ps(values, values, self.squares[v]);
        }
        // The lower word of a rounded number is its code. Two vectors of words become one of bytes by lanes of 128 bits,
        // which leaves the eights in the order 0 4 1 5 2 6 3 7.
        let lower = _mm512_set_epi16(
            62, 60, 58, 56, 54, 52, 50, 48, 46, 44, 42, 40, 38, 36, 34, 32, 30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10,
            8, 6, 4, 2, 0,
        );
        let words = (
            _mm512_permutex2var_epi16(rounded[0], lower, rounded[1]),
            _mm512_permutex2var_epi16(rounded[2], lower, rounded[3]),
        );
        let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        let packed = _mm512_permutexvar_epi64(order, _mm512_packs_epi16(words.0, words.1));
        self.codes = _mm512_dpbusd_epi32(self.codes, _mm512_set1_epi32(0x0101_0101), packed);
        // SAFETY: the reference is to exactly the 64 bytes that are written; no alignment is asked for.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), packed) };
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn finish(self) -> Coded {
        Coded {
            scale: self.scale,
            error: _mm512_reduce_add_ps(add_vectors(self.errors)),
            square: _mm512_reduce_add_ps(add_vectors(self.squares)),
            sum: _mm512_reduce_add_epi32(self.codes),
        }
    }
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
    let mut least = 0;
    let mut add = |codes: &[i8; BYTES]| {
        // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
        let codes = unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) };
        sum = _mm512_dpbusd_epi32(sum, ones, codes);
        let size = _mm512_abs_epi8(codes);
        // |-128| is 128 as the first factor and -128 as the second: the product has the wrong sign, which is mended
        // below.
        square = _mm512_dpbusd_epi32(square, size, size);
        least |= _mm512_movepi8_mask(size);
    };
    for i in 0..whole.len() {
        add(&whole[i]);
    }
    if !rest.is_empty() {
        add(&last);
    }
    let mut square = _mm512_reduce_add_epi32(square);
    if least != 0 {
        let count = row.iter().filter(|&&code| code == i8::MIN).count() as i32;
        square = square.wrapping_add(count.wrapping_mul(2 * 16_384));
    }
    (_mm512_reduce_add_epi32(sum), square)
}
