//! Bits.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_cmplt_epu64_mask, _mm512_loadu_si512, _mm512_maskz_loadu_epi64,
    _mm512_maskz_xor_epi64, _mm512_movepi64_mask, _mm512_or_si512, _mm512_popcnt_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_shuffle_i64x2, _mm512_sub_epi64, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
    _mm512_xor_si512,
};
use std::ops::Range;

use crate::backend::{BIT_LANES, TileBits};

/// Eight rows at a time against one query after another: the words of a row lie in the lanes, and the sums over the lanes
/// of eight vectors are found together.
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
pub(super) fn hamming_few(tile: TileBits<'_>, words: usize) {
    let count = tile.hits.len();
    tile.hits.fill(0);
    if count == 0 {
        return;
    }
    for (q, query) in tile.queries.chunks_exact(words).enumerate() {
        let threshold = _mm512_set1_epi64(tile.thresholds[q].cast_signed());
        for first in (0..count).step_by(BIT_LANES) {
            // A load that leaves out lanes is slow where it passes a cache line, on some processors: what follows the rows is
            // read with them, where there is enough of it.
            let follow = first + BIT_LANES <= count
                && (first + BIT_LANES - 1) * words + words.next_multiple_of(BIT_LANES) <= tile.rows.len();
            let distances = if follow {
                eight_distances::<true>(query, tile.rows, first..count)
            } else {
                eight_distances::<false>(query, tile.rows, first..count)
            };
            let mut below = _mm512_cmplt_epu64_mask(add_words(&distances), threshold);
            while below != 0 {
                let row = first + below.trailing_zeros() as usize;
                below &= below - 1;
                if row < count {
                    tile.hits[row] |= 1 << q;
                }
            }
        }
    }
}

/// The bits in which each of eight rows from `range.start` on differs from the query, not yet summed up over the lanes.
/// Where there are fewer rows, the last is repeated. `FOLLOWED`: there are eight, and more words than the last one needs
/// to fill its vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
pub(super) fn eight_distances<const FOLLOWED: bool>(
    query: &[u64],
    rows: &[u64],
    range: Range<usize>,
) -> [__m512i; BIT_LANES] {
    let words = query.len();
    let mut from = [std::ptr::null::<u64>(); BIT_LANES];
    for r in 0..BIT_LANES {
        let row = (range.end - 1).min(range.start + r);
        assert!((row + 1) * words <= rows.len(), "the row lies within the rows");
        // Not of the row alone: what follows it may be read too.
        from[r] = rows.as_ptr().wrapping_add(row * words);
    }
    let mut distances = [_mm512_setzero_si512(); BIT_LANES];
    for w in (0..words).step_by(BIT_LANES) {
        let part = words.min(w + BIT_LANES);
        let mask = (0xff_u32 >> (w + BIT_LANES - part)) as __mmask8;
        // SAFETY: the slice has the words that the mask lets through.
        let of_query = unsafe { _mm512_maskz_loadu_epi64(mask, query[w..part].as_ptr().cast()) };
        for r in 0..BIT_LANES {
            // SAFETY: there are the words that are read: eight, by `FOLLOWED`, or those that the mask lets through.
            let of_row = unsafe {
                let from = from[r].add(w);
                if FOLLOWED { _mm512_loadu_si512(from.cast()) } else { _mm512_maskz_loadu_epi64(mask, from.cast()) }
            };
            let difference = _mm512_popcnt_epi64(_mm512_maskz_xor_epi64(mask, of_query, of_row));
            distances[r] = _mm512_add_epi64(distances[r], difference);
        }
    }
    distances
}

/// The sum over the lanes of each of eight vectors, in order.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn add_words(vectors: &[__m512i; BIT_LANES]) -> __m512i {
    // Each step adds two halves of two vectors each: pairs of lanes, then pairs of pairs, then halves.
    let pair = |a, b| _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    let &[a, b, c, d, e, f, g, h] = vectors;
    let (ab, cd, ef, gh) = (pair(a, b), pair(c, d), pair(e, f), pair(g, h));
    // Lanes of 128 bits: 0 2 of the one, 0 2 of the other, and 1 3 of each.
    let quad = |a, b| {
        _mm512_add_epi64(_mm512_shuffle_i64x2::<0b10_00_10_00>(a, b), _mm512_shuffle_i64x2::<0b11_01_11_01>(a, b))
    };
    // Then a0 + a1, a2 + a3, b0 + b1, b2 + b3 of 128 bits each, for ab and cd, and for ef and gh.
    quad(quad(ab, cd), quad(ef, gh))
}

/// `G` vectors of eight queries against `R` rows at a time.
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
pub(super) fn hamming<const G: usize, const R: usize>(tile: TileBits<'_>) {
    let (panel, _) = tile.panel.as_chunks::<BIT_LANES>();
    let (panel, _) = panel.as_chunks::<G>();
    let (thresholds, _) = tile.thresholds.as_chunks::<BIT_LANES>();
    let words = panel.len();
    let count = tile.hits.len();
    let rows = &tile.rows[..count * words];
    for first in (0..count).step_by(R) {
        let mut from = [std::ptr::null(); R];
        for r in 0..R {
            // The last rows may lack others: the last one of all is repeated.
            from[r] = rows[(first + r).min(count - 1) * words..][..words].as_ptr();
        }
        // SAFETY: each pointer is to a row, which has a word for each step of the panel.
        let excess = unsafe { excess::<G, R>(panel, thresholds, from) };
        // A loop of constant length, or the sums would have to leave their registers.
        for r in 0..R {
            let mut any = excess[r][0];
            for g in 1..G {
                any = _mm512_or_si512(any, excess[r][g]);
            }
            // Most rows hit nothing, and the word takes longer to put together than to see that.
            let mut hits = 0;
            if _mm512_movepi64_mask(any) != 0 {
                for g in 0..G {
                    hits |= u64::from(_mm512_movepi64_mask(excess[r][g])) << (g * BIT_LANES);
                }
            }
            if let Some(to) = tile.hits.get_mut(first + r) {
                *to = hits;
            }
        }
    }
}

/// The number of bits in which rows and queries differ less the query's threshold: negative is a hit. The sums live in
/// registers: one loop, and nothing in it but they.
///
/// # Safety
/// The processor must have the features, and each row a word for each step of the panel.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
unsafe fn excess<const G: usize, const R: usize>(
    panel: &[[[u64; BIT_LANES]; G]],
    thresholds: &[[u64; BIT_LANES]],
    rows: [*const u64; R],
) -> [[__m512i; G]; R] {
    let mut sums = [[_mm512_setzero_si512(); G]; R];
    for g in 0..G {
        let start = _mm512_sub_epi64(_mm512_setzero_si512(), load_words(&thresholds[g]));
        for r in 0..R {
            sums[r][g] = start;
        }
    }
    for (w, queries) in panel.iter().enumerate() {
        for r in 0..R {
            // SAFETY: the caller's.
            let word = _mm512_set1_epi64(unsafe { *rows[r].add(w) }.cast_signed());
            for g in 0..G {
                let difference = _mm512_xor_si512(word, load_words(&queries[g]));
                sums[r][g] = _mm512_add_epi64(sums[r][g], _mm512_popcnt_epi64(difference));
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_words(from: &[u64; BIT_LANES]) -> __m512i {
    // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}
