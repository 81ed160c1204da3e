//! `exact` in vectors: lane l of a sum is lane l % 8 of register l / 8 here.

use std::arch::x86_64::{
    __m512d, __mmask8, _mm_add_pd, _mm_add_sd, _mm_cvtsd_f64, _mm_unpackhi_pd, _mm256_add_pd, _mm256_castpd256_pd128,
    _mm256_extractf128_pd, _mm256_loadu_ps, _mm256_maskz_loadu_ps, _mm512_add_pd, _mm512_castpd512_pd256,
    _mm512_cvtps_pd, _mm512_extractf64x4_pd, _mm512_fmadd_pd, _mm512_mul_pd, _mm512_setzero_pd, _mm512_sub_pd,
};

/// Doubles in a register.
const LANES: usize = 8;

/// Registers of a sum.
const VECTORS: usize = 4;

/// `exact::dot`, or, for `DIFFERENCE`, `exact::squared_difference` of two vectors of one length.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
pub(super) fn sum<const DIFFERENCE: bool>(query: &[f32], row: &[f32]) -> f64 {
    let length = query.len().min(row.len());
    let mut sums = [_mm512_setzero_pd(); VECTORS];
    let whole = length - length % (LANES * VECTORS);
    for d in (0..whole).step_by(LANES * VECTORS) {
        for v in 0..VECTORS {
            let at = d + v * LANES;
            // SAFETY: both have all elements of a whole step.
            let (x, y) = unsafe { (_mm256_loadu_ps(query.as_ptr().add(at)), _mm256_loadu_ps(row.as_ptr().add(at))) };
            sums[v] = add::<DIFFERENCE>(sums[v], _mm512_cvtps_pd(x), _mm512_cvtps_pd(y));
        }
    }
    for v in 0..(length - whole).div_ceil(LANES) {
        let at = whole + v * LANES;
        let mask = ((1_u32 << (length - at).min(LANES)) - 1) as __mmask8;
        // SAFETY: both have the elements that the mask lets through, and others are not read.
        let (x, y) = unsafe {
            (_mm256_maskz_loadu_ps(mask, query.as_ptr().add(at)), _mm256_maskz_loadu_ps(mask, row.as_ptr().add(at)))
        };
        // What the mask leaves out adds zero.
        sums[v] = add::<DIFFERENCE>(sums[v], _mm512_cvtps_pd(x), _mm512_cvtps_pd(y));
    }
    let [a, b, c, d] = sums;
    let all = _mm512_add_pd(_mm512_add_pd(a, c), _mm512_add_pd(b, d));
    let half = _mm256_add_pd(_mm512_castpd512_pd256(all), _mm512_extractf64x4_pd::<1>(all));
    let pair = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd::<1>(half));
    _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)))
}

/// A product is exact, so that it may be fused; the square of a difference is rounded before it is added.
#[inline]
#[target_feature(enable = "avx512f")]
fn add<const DIFFERENCE: bool>(sum: __m512d, x: __m512d, y: __m512d) -> __m512d {
    if DIFFERENCE {
        let difference = _mm512_sub_pd(x, y);
        _mm512_add_pd(sum, _mm512_mul_pd(difference, difference))
    } else {
        _mm512_fmadd_pd(x, y, sum)
    }
}
