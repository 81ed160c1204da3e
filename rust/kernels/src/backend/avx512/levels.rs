//! Levels of eight, four and two bits times weights: of rows that lie eight side by side, and of four that lie anywhere.

use std::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm_storeu_si128, _mm512_add_epi32, _mm512_and_si512, _mm512_cvtepi64_epi16,
    _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_mask_blend_epi8, _mm512_mask_blend_epi16, _mm512_max_epi32,
    _mm512_min_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_srl_epi32, _mm512_srli_epi64, _mm512_srlv_epi16, _mm512_sub_epi32,
};

use super::bits::load_words;
use super::dots::add_up;
use crate::backend::{BIT_LANES, Cut, DOTS, FEW_STEP, LevelRows, LevelSums, QUARTERS};

/// See `Backend::level_distances`. The weights stay in registers where their number is one of the usual.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vnni")]
pub(super) fn level_distances(of: LevelRows<'_>, to: &mut [u16]) {
    assert!(of.weights.len() >= of.cut.weights());
    match (of.cut.whole, of.cut.halves, of.cut.quarters) {
        (1, 1, 0) => distances_of::<1, 1, 0>(of, to),
        (1, 2, 0) => distances_of::<1, 2, 0>(of, to),
        (1, 2, 3) => distances_of::<1, 2, 3>(of, to),
        (2, 2, 0) => distances_of::<2, 2, 0>(of, to),
        (2, 4, 0) => distances_of::<2, 4, 0>(of, to),
        (3, 5, 0) => distances_of::<3, 5, 0>(of, to),
        _ => {
            let (rows, _) = of.rows.as_chunks::<BIT_LANES>();
            let (to, _) = to.as_chunks_mut::<BIT_LANES>();
            for (words, to) in rows.chunks_exact(of.cut.words().max(1)).zip(to) {
                let mut sum = _mm512_setzero_si512();
                let mut weights = of.weights.iter().map(|&word| _mm512_set1_epi64(word.cast_signed()));
                let mut next = || weights.next().unwrap_or_else(|| _mm512_setzero_si512());
                for (w, row) in words.iter().enumerate() {
                    let row = load_words(row);
                    sum = match of.cut.levels(w) {
                        1 => _mm512_dpbusd_epi32(sum, row, next()),
                        2 => halves(sum, row, &[next(), next()]),
                        _ => quarters(sum, row, &[next(), next(), next(), next()]),
                    };
                }
                store(sum, &of, to);
            }
        }
    }
}

/// The same for rows that are cut up so.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vnni")]
fn distances_of<const W: usize, const H: usize, const Q: usize>(of: LevelRows<'_>, to: &mut [u16]) {
    let mut weights = of.weights.iter().map(|&word| _mm512_set1_epi64(word.cast_signed()));
    let mut next = || weights.next().unwrap_or_else(|| _mm512_setzero_si512());
    let mut of_whole = [_mm512_setzero_si512(); W];
    let mut of_halves = [[_mm512_setzero_si512(); 2]; H];
    let mut of_quarters = [[_mm512_setzero_si512(); QUARTERS]; Q];
    for w in 0..W {
        of_whole[w] = next();
    }
    for w in 0..H {
        of_halves[w] = [next(), next()];
    }
    for w in 0..Q {
        of_quarters[w] = [next(), next(), next(), next()];
    }
    let (rows, _) = of.rows.as_chunks::<BIT_LANES>();
    let (to, _) = to.as_chunks_mut::<BIT_LANES>();
    for (words, to) in rows.chunks_exact(W + H + Q).zip(to) {
        // Sums of their own, so that none waits for the other.
        let mut sums = [_mm512_setzero_si512(); 2];
        for w in 0..W {
            sums[0] = _mm512_dpbusd_epi32(sums[0], load_words(&words[w]), of_whole[w]);
        }
        for w in 0..H {
            sums[0] = halves(sums[0], load_words(&words[W + w]), &of_halves[w]);
        }
        for w in 0..Q {
            sums[1] = quarters(sums[1], load_words(&words[W + H + w]), &of_quarters[w]);
        }
        store(_mm512_add_epi32(sums[0], sums[1]), &of, to);
    }
}

/// Add the levels of four bits times their weights.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn halves(sum: __m512i, row: __m512i, weights: &[__m512i; 2]) -> __m512i {
    let mask = _mm512_set1_epi8(0x0f);
    let sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(row, mask), weights[0]);
    _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi64::<4>(row), mask), weights[1])
}

/// Add the levels of two bits times their weights.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn quarters(sum: __m512i, row: __m512i, weights: &[__m512i; QUARTERS]) -> __m512i {
    let mask = _mm512_set1_epi8(0x03);
    let sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(row, mask), weights[0]);
    let sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi64::<2>(row), mask), weights[1]);
    let sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi64::<4>(row), mask), weights[2]);
    _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi64::<6>(row), mask), weights[3])
}

/// Eight distances of the sums of a row's two halves each.
#[inline]
#[target_feature(enable = "avx512f")]
fn store(sums: __m512i, of: &LevelRows<'_>, to: &mut [u16; BIT_LANES]) {
    let sums = _mm512_add_epi32(sums, _mm512_srli_epi64::<32>(sums));
    let left = _mm512_max_epi32(_mm512_sub_epi32(_mm512_set1_epi32(of.offset), sums), _mm512_setzero_si512());
    let shifted = _mm512_srl_epi32(left, _mm_cvtsi32_si128(of.shift.cast_signed()));
    let distances = _mm512_min_epi32(shifted, _mm512_set1_epi32(i32::from(of.farthest)));
    // SAFETY: the array has exactly the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi64_epi16(distances)) };
}

/// See `Backend::level_sums`.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2")]
pub(super) fn level_sums(of: LevelSums<'_>) -> [i32; DOTS] {
    let LevelSums { cut, weights, rows } = of;
    let length = weights[0].len();
    assert!(length.is_multiple_of(FEW_STEP) && weights.iter().all(|weights| weights.len() == length));
    for row in rows {
        assert!(row.len() >= length);
    }
    let mut sums = [_mm512_setzero_si512(); DOTS];
    for at in (0..length).step_by(FEW_STEP) {
        let shape = Shape::new(cut, at);
        let mut of_step = [_mm512_setzero_si512(); QUARTERS];
        for level in 0..QUARTERS {
            // SAFETY: whole steps lie within the weights.
            of_step[level] = unsafe { _mm512_loadu_si512(weights[level].as_ptr().add(at).cast()) };
        }
        for r in 0..DOTS {
            // SAFETY: whole steps lie within each row, which is as long as the weights: see above.
            let row = unsafe { _mm512_loadu_si512(rows[r].as_ptr().add(at).cast()) };
            let first = _mm512_and_si512(row, shape.first);
            let second = _mm512_and_si512(_mm512_srlv_epi16(row, shape.shift), shape.second);
            let third = _mm512_and_si512(_mm512_srli_epi64::<4>(row), shape.later);
            let fourth = _mm512_and_si512(_mm512_srli_epi64::<6>(row), shape.later);
            sums[r] = _mm512_dpbusd_epi32(sums[r], first, of_step[0]);
            sums[r] = _mm512_dpbusd_epi32(sums[r], second, of_step[1]);
            sums[r] = _mm512_dpbusd_epi32(sums[r], third, of_step[2]);
            sums[r] = _mm512_dpbusd_epi32(sums[r], fourth, of_step[3]);
        }
    }
    add_up(sums)
}

/// What the bits of each byte are, of 64 that follow one another.
struct Shape {
    first: __m512i,
    second: __m512i,
    later: __m512i,
    /// By how many bits the second level of two bytes is higher.
    shift: __m512i,
}

impl Shape {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn new(cut: Cut, at: usize) -> Self {
        // Words are of eight bytes, and two bytes that follow one another are alike.
        let below = |words: usize, bytes: usize, lanes: u32| -> u64 {
            match ((words * size_of::<u64>()).saturating_sub(at) / bytes) as u32 {
                0 => 0,
                some => u64::MAX >> (u64::BITS - some.min(lanes)),
            }
        };
        let (whole, halves) = (cut.whole, cut.whole + cut.halves);
        let (two, four) = (_mm512_set1_epi8(0x03), _mm512_set1_epi8(0x0f));
        let second = _mm512_mask_blend_epi8(below(halves, 1, 64), two, four);
        Self {
            first: _mm512_mask_blend_epi8(below(whole, 1, 64), second, _mm512_set1_epi8(-1)),
            second,
            later: two,
            shift: _mm512_mask_blend_epi16(below(halves, 2, 32) as u32, _mm512_set1_epi16(2), _mm512_set1_epi16(4)),
        }
    }
}
