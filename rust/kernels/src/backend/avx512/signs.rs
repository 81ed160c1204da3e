//! Signs of rows that lie eight side by side.

use std::arch::x86_64::{
    __m512i, _mm_storeu_si128, _mm512_add_epi32, _mm512_add_epi64, _mm512_cmple_epu16_mask, _mm512_cmplt_epu64_mask,
    _mm512_cvtusepi64_epi16, _mm512_loadu_si512, _mm512_maskz_compress_epi32, _mm512_popcnt_epi64, _mm512_set1_epi16,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setr_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
    _mm512_xor_si512,
};

use super::bits::load_words;
use crate::backend::{BIT_LANES, SignRows, generic};

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
        words => {
            let (rows, _) = of.rows.as_chunks::<BIT_LANES>();
            for (group, rows) in rows.chunks_exact(words.max(1)).enumerate() {
                let mut sum = _mm512_setzero_si512();
                for (row, &word) in rows.iter().zip(of.query) {
                    sum = add(sum, _mm512_xor_si512(load_words(row), _mm512_set1_epi64(word.cast_signed())));
                }
                keep(&[sum], of.below, of.first + (group * BIT_LANES) as u32, found);
            }
        }
    }
}

/// The same for queries of `W` words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
fn below_of<const W: usize>(of: SignRows<'_>, found: &mut Vec<u64>) {
    let SignRows { query, rows, first, below } = of;
    let mut words = [_mm512_setzero_si512(); W];
    for w in 0..W {
        words[w] = _mm512_set1_epi64(query[w].cast_signed());
    }
    let (rows, _) = rows.as_chunks::<BIT_LANES>();
    let (groups, _) = rows.as_chunks::<W>();
    let (fours, rest) = groups.as_chunks::<GROUPS>();
    let mut place = first;
    for four in fours {
        let mut sums = [_mm512_setzero_si512(); GROUPS];
        for g in 0..GROUPS {
            sums[g] = distances(&four[g], &words);
        }
        keep(&sums, below, place, found);
        place += (GROUPS * BIT_LANES) as u32;
    }
    for group in rest {
        keep(&[distances(group, &words)], below, place, found);
        place += BIT_LANES as u32;
    }
}

/// The signs in which eight rows differ from the query. (To make a sum and a carry of three words first, and so two counts
/// of three, takes as many instructions, and as long.)
#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn distances<const W: usize>(rows: &[[u64; BIT_LANES]; W], query: &[__m512i; W]) -> __m512i {
    let mut sum = _mm512_setzero_si512();
    for w in 0..W {
        sum = add(sum, _mm512_xor_si512(load_words(&rows[w]), query[w]));
    }
    sum
}

#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn add(sum: __m512i, differ: __m512i) -> __m512i {
    _mm512_add_epi64(sum, _mm512_popcnt_epi64(differ))
}

/// Append the rows whose sums are below, of which there are few.
#[inline]
#[target_feature(enable = "avx512f")]
fn keep<const G: usize>(sums: &[__m512i; G], below: u64, place: u32, found: &mut Vec<u64>) {
    let below = _mm512_set1_epi64(below.cast_signed());
    let mut hits = 0_u32;
    for g in 0..G {
        hits |= u32::from(_mm512_cmplt_epu64_mask(sums[g], below)) << (g * BIT_LANES);
    }
    if hits == 0 {
        return;
    }
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

/// See `Backend::sign_distances`.
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
pub(super) fn sign_distances(query: &[u64], rows: &[u64], to: &mut [u16]) {
    match query.len() {
        4 => distances_of::<4>(query, rows, to),
        6 => distances_of::<6>(query, rows, to),
        8 => distances_of::<8>(query, rows, to),
        12 => distances_of::<12>(query, rows, to),
        16 => distances_of::<16>(query, rows, to),
        words => {
            let ((rows, _), (to, _)) = (rows.as_chunks::<BIT_LANES>(), to.as_chunks_mut::<BIT_LANES>());
            for (rows, to) in rows.chunks_exact(words.max(1)).zip(to) {
                let mut sum = _mm512_setzero_si512();
                for (row, &word) in rows.iter().zip(query) {
                    sum = add(sum, _mm512_xor_si512(load_words(row), _mm512_set1_epi64(word.cast_signed())));
                }
                store(sum, to);
            }
        }
    }
}

/// The same for queries of `W` words.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
fn distances_of<const W: usize>(query: &[u64], rows: &[u64], to: &mut [u16]) {
    let mut words = [_mm512_setzero_si512(); W];
    for w in 0..W {
        words[w] = _mm512_set1_epi64(query[w].cast_signed());
    }
    let ((rows, _), (to, _)) = (rows.as_chunks::<BIT_LANES>(), to.as_chunks_mut::<BIT_LANES>());
    for (group, to) in rows.as_chunks::<W>().0.iter().zip(to) {
        store(distances(group, &words), to);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(sums: __m512i, to: &mut [u16; BIT_LANES]) {
    // SAFETY: the array has exactly the 16 bytes that are written; no alignment is asked for.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtusepi64_epi16(sums)) };
}

/// Numbers in a vector.
const NUMBERS: usize = 32;

/// See `Backend::places_at_most`. Without a branch on what is found, which no processor foresees: whole registers are written,
/// hits first, and the next ones behind the last hit.
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
pub(super) fn places_at_most(numbers: &[u16], most: u16, places: &mut Vec<u32>) {
    let bound = _mm512_set1_epi16(most.cast_signed());
    let (vectors, rest) = numbers.as_chunks::<NUMBERS>();
    // Room for all, which is used again: to count the hits first takes longer.
    places.reserve(numbers.len() + NUMBERS / 2);
    let mut count = places.len();
    let mut halves = [_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); 2];
    halves[1] = _mm512_add_epi32(halves[1], _mm512_set1_epi32(NUMBERS as i32 / 2));
    for vector in vectors {
        // SAFETY: the array has exactly the 64 bytes that are read; no alignment is asked for.
        let values = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
        let hits = _mm512_cmple_epu16_mask(values, bound);
        for (half, hits) in halves.iter_mut().zip([hits as u16, (hits >> 16) as u16]) {
            // SAFETY: there is room for all hits, and for sixteen numbers more, behind what there was; `count` is at the end of
            // the hits so far.
            unsafe {
                _mm512_storeu_si512(places.as_mut_ptr().add(count).cast(), _mm512_maskz_compress_epi32(hits, *half));
            };
            count += hits.count_ones() as usize;
            *half = _mm512_add_epi32(*half, _mm512_set1_epi32(NUMBERS as i32));
        }
    }
    // SAFETY: so many were written.
    unsafe { places.set_len(count) };
    generic::places_at_most(rest, most, (vectors.len() * NUMBERS) as u32, places);
}

/// See `Backend::count_at_most`.
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
pub(super) fn count_at_most(numbers: &[u16], most: u16) -> usize {
    let bound = _mm512_set1_epi16(most.cast_signed());
    let (vectors, rest) = numbers.as_chunks::<NUMBERS>();
    let mut count = 0;
    for vector in vectors {
        // SAFETY: the array has exactly the 64 bytes that are read; no alignment is asked for.
        let values = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
        count += _mm512_cmple_epu16_mask(values, bound).count_ones() as usize;
    }
    count + generic::count_at_most(rest, most)
}
