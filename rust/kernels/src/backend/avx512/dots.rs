//! Four rows of codes that lie anywhere, against one.

use std::arch::x86_64::{
    __m512i, _mm_add_epi32, _mm_storeu_si128, _mm256_add_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256,
    _mm256_hadd_epi32, _mm512_castsi512_si256, _mm512_dpbusd_epi32, _mm512_extracti64x4_epi64, _mm512_loadu_si512,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_xor_si512,
};

use crate::backend::{BIAS, DOTS, FEW_STEP};

/// See `Backend::dots`. As in `few_codes`, the rows' signs are flipped away, and what that adds is taken off again.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2")]
pub(super) fn dots(point: &[i8], sum: i32, rows: [&[u8]; DOTS]) -> [i32; DOTS] {
    let length = point.len();
    assert!(length.is_multiple_of(FEW_STEP) && rows.iter().all(|row| row.len() >= length));
    let flip = _mm512_set1_epi8(i8::MIN);
    let mut sums = [_mm512_setzero_si512(); DOTS];
    for at in (0..length).step_by(FEW_STEP) {
        // SAFETY: whole steps lie within the point, and within each row, which is as long: see above.
        let codes = unsafe { _mm512_loadu_si512(point.as_ptr().add(at).cast()) };
        for r in 0..DOTS {
            // SAFETY: as above.
            let row = unsafe { _mm512_loadu_si512(rows[r].as_ptr().add(at).cast()) };
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_xor_si512(row, flip), codes);
        }
    }
    add_up(sums).map(|dot| dot.wrapping_sub(BIAS * sum))
}

/// The sum of each register's lanes.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn add_up(sums: [__m512i; DOTS]) -> [i32; DOTS] {
    let [a, b, c, d] =
        sums.map(|sum| _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum)));
    let all = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    let all = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
    let mut to = [0; DOTS];
    // SAFETY: the array has exactly the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), all) };
    to
}
