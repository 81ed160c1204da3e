//! Four rows of codes that lie anywhere, against one.

use std::arch::x86_64::{
    __m256i, __m512i, _MM_HINT_T0, _mm_add_epi32, _mm_prefetch, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_hadd_epi32, _mm512_castsi512_si256, _mm512_dpbusd_epi32,
    _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_xor_si512,
};

use crate::backend::{BIAS, DOTS, Dots, FEW_STEP};

/// See `Backend::dots`. As in `few_codes`, the rows' signs are flipped away, and what that adds is taken off again.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2")]
pub(super) fn dots(of: Dots<'_>) -> [i32; DOTS] {
    let Dots { point, sum, rows, next } = of;
    let length = point.len();
    assert!(length.is_multiple_of(FEW_STEP));
    for row in rows {
        assert!(row.len() >= length);
    }
    let flip = _mm512_set1_epi8(i8::MIN);
    let mut sums = [_mm512_setzero_si512(); DOTS];
    for at in (0..length).step_by(FEW_STEP) {
        // SAFETY: whole steps lie within the point, and within each row, which is as long: see above.
        let codes = unsafe { _mm512_loadu_si512(point.as_ptr().add(at).cast()) };
        for r in 0..DOTS {
            // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
            _mm_prefetch::<_MM_HINT_T0>(next[r].as_ptr().wrapping_add(at).cast());
            // SAFETY: as above.
            let row = unsafe { _mm512_loadu_si512(rows[r].as_ptr().add(at).cast()) };
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_xor_si512(row, flip), codes);
        }
    }
    for next in next.iter().filter(|next| next.len() > length) {
        // The factors, where they do not share the last line with codes.
        _mm_prefetch::<_MM_HINT_T0>(next.as_ptr().wrapping_add(length).cast());
    }
    let mut dots = add_up(sums);
    for dot in &mut dots {
        *dot = dot.wrapping_sub(BIAS * sum);
    }
    dots
}

/// The sum of each register's lanes.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
pub(super) fn add_up(sums: [__m512i; DOTS]) -> [i32; DOTS] {
    let [a, b, c, d] = sums;
    let all = _mm256_hadd_epi32(_mm256_hadd_epi32(halved(a), halved(b)), _mm256_hadd_epi32(halved(c), halved(d)));
    let all = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256::<1>(all));
    let mut to = [0; DOTS];
    // SAFETY: the array has exactly the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), all) };
    to
}

#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn halved(sum: __m512i) -> __m256i {
    _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum))
}
