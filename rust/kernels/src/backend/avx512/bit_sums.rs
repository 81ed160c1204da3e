//! Codes against the bits of four rows that lie anywhere.

use std::arch::x86_64::{
    _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_maskz_mov_epi8, _mm512_set1_epi8, _mm512_setzero_si512,
};

use super::dots::add_up;
use crate::backend::{BitSums, DOTS, FEW_STEP};

/// See `Backend::bit_sums`: a register of ones where bits are set, times the codes.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2")]
pub(super) fn bit_sums(of: BitSums<'_>) -> [i32; DOTS] {
    let BitSums { point, rows } = of;
    let length = point.len();
    assert!(length.is_multiple_of(FEW_STEP));
    for row in rows {
        assert!(row.len() >= length / 8);
    }
    let ones = _mm512_set1_epi8(1);
    let mut sums = [_mm512_setzero_si512(); DOTS];
    for step in 0..length / FEW_STEP {
        // SAFETY: whole steps lie within the point.
        let codes = unsafe { _mm512_loadu_si512(point.as_ptr().add(step * FEW_STEP).cast()) };
        for r in 0..DOTS {
            // SAFETY: a step is eight bytes of a row, which has as many steps as the point.
            let bits = unsafe { rows[r].as_ptr().add(step * (FEW_STEP / 8)).cast::<u64>().read_unaligned() };
            sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_maskz_mov_epi8(bits, ones), codes);
        }
    }
    add_up(sums)
}
