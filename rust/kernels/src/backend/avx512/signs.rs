//! Signs of rows that lie eight side by side.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_cmplt_epu64_mask, _mm512_popcnt_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_storeu_si512, _mm512_xor_si512,
};

use super::bits::load_words;
use crate::backend::{BIT_LANES, SignRows};

/// Groups of eight rows that are compared before anybody asks whether one of them is near: few are.
const GROUPS: usize = 4;

/// See `Backend::signs_below`. The query's words stay in registers where their number is one of the usual.
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
pub(super) fn signs_below(of: SignRows<'_>, found: &mut Vec<u64>) {
    match of.query.len() {
        4 => below_of::<4>(of, found),
        6 => below_of::<6>(of, found),
        8 => below_of::<8>(of, found),
        12 => below_of::<12>(of, found),
        16 => below_of::<16>(of, found),
        _ => below_of::<0>(of, found),
    }
}

/// `W`: words of the query; 0 for any number.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
fn below_of<const W: usize>(of: SignRows<'_>, found: &mut Vec<u64>) {
    let SignRows { query, rows, first, below } = of;
    let words = if W == 0 { query.len().max(1) } else { W };
    let query = &query[..words.min(query.len())];
    let (rows, _) = rows.as_chunks::<BIT_LANES>();
    let below = _mm512_set1_epi64(below.cast_signed());
    let mut place = first;
    let mut fours = rows.chunks_exact(GROUPS * words);
    for groups in &mut fours {
        let mut sums = [_mm512_setzero_si512(); GROUPS];
        for w in 0..query.len() {
            let word = _mm512_set1_epi64(query[w].cast_signed());
            for g in 0..GROUPS {
                sums[g] = add(sums[g], &groups[g * words + w], word);
            }
        }
        let mut hits = 0_u32;
        for g in 0..GROUPS {
            hits |= u32::from(_mm512_cmplt_epu64_mask(sums[g], below)) << (g * BIT_LANES);
        }
        if hits != 0 {
            keep(&sums, hits, place, found);
        }
        place += (GROUPS * BIT_LANES) as u32;
    }
    for group in fours.remainder().chunks_exact(words) {
        let mut sums = [_mm512_setzero_si512(); 1];
        for (words, &word) in group.iter().zip(query) {
            sums[0] = add(sums[0], words, _mm512_set1_epi64(word.cast_signed()));
        }
        keep(&sums, u32::from(_mm512_cmplt_epu64_mask(sums[0], below)), place, found);
        place += BIT_LANES as u32;
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn add(sum: __m512i, words: &[u64; BIT_LANES], query: __m512i) -> __m512i {
    _mm512_add_epi64(sum, _mm512_popcnt_epi64(_mm512_xor_si512(load_words(words), query)))
}

/// Append what the bits of `hits` say is near.
#[inline]
#[target_feature(enable = "avx512f")]
fn keep<const G: usize>(sums: &[__m512i; G], mut hits: u32, place: u32, found: &mut Vec<u64>) {
    let mut distances = [[0_u64; BIT_LANES]; G];
    for g in 0..G {
        // SAFETY: the array has exactly the 64 bytes that are written; no alignment is asked for.
        unsafe { _mm512_storeu_si512(distances[g].as_mut_ptr().cast(), sums[g]) };
    }
    let distances = distances.as_flattened();
    while hits != 0 {
        let lane = hits.trailing_zeros();
        hits &= hits - 1;
        found.push(distances[lane as usize] << 32 | u64::from(place + lane));
    }
}
