//! AVX2 with FMA and F16C: x86-64 processors since 2013 (Intel) and 2015 (AMD).

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    clippy::needless_pass_by_value,
    reason = "plain loops over constant ranges are what becomes registers; a tile is made to be used up"
)]

use std::arch::x86_64::{
    __m256, _CMP_GT_OQ, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_cmp_ps, _mm256_cvtph_ps, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_movemask_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    _mm256_sub_ps,
};

use super::{
    Ahead, Backend, Coded, DOTS, Dots, FewRows, LINE_BYTES, Operation, SignRows, TILE_STEPS, Tile, TileBits, TileI8,
    generic,
};
use crate::element::{Bf16, F16};
use crate::exact;

const LANES: usize = 8;
const VECTORS: usize = 2;
/// Twelve sums, two registers of queries and one of a row's element, of sixteen.
const ROWS: usize = 6;

/// Proof that this processor has what the functions here are compiled for: `new` is the only way to one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn new() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
            && is_x86_feature_detected!("popcnt");
        has.then_some(Self(()))
    }
}

/// A function of the back end, compiled for its instruction set.
macro_rules! compiled {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? = $body:expr;)*) => {$(
        $(#[$meta])*
        #[target_feature(enable = "avx2,fma,f16c,popcnt")]
        fn $name($($argument: $type),*) $(-> $result)? {
            $body
        }
    )*};
}

compiled! {
    fn few_f32(rows: FewRows<'_, f32>, squares: &mut [f32]) = generic::few(rows, squares, 0.0, |x| *x);
    fn few_f16(rows: FewRows<'_, F16>, squares: &mut [f32]) = generic::few(rows, squares, F16(0), |x| from_f16(x));
    fn few_bf16(rows: FewRows<'_, Bf16>, squares: &mut [f32]) =
        generic::few(rows, squares, Bf16(0), |x| x.map(generic::from_bf16));
    fn few_i8(rows: FewRows<'_, i8>, squares: &mut [f32]) = generic::few(rows, squares, 0, |x| x.map(f32::from));
    fn decode_bf16(row: &[Bf16], to: &mut [f32]) = generic::decode(row, to, generic::from_bf16);
    fn decode_i8(row: &[i8], scale: f32, to: &mut [f32]) = generic::decode(row, to, |code| scale * f32::from(code));
    fn squares(row: &[f32]) -> f32 = generic::squares(row);
    fn sums_i8(row: &[i8]) -> (i32, i32) = generic::sums_i8(row);
    fn encode_f16(row: &[F16], scratch: &mut [f32], codes: &mut [i8]) -> Coded =
        generic::encode(row, scratch, codes, generic::from_f16);
    fn encode_f32(row: &[f32], scratch: &mut [f32], codes: &mut [i8]) -> Coded =
        generic::encode(row, scratch, codes, |x| x);
    fn encode_bf16(row: &[Bf16], scratch: &mut [f32], codes: &mut [i8]) -> Coded =
        generic::encode(row, scratch, codes, generic::from_bf16);
    fn products(panel: &[f32], lanes: usize, rows: &[&[f32]], products: &mut [f32]) =
        generic::products::<LANES>(panel, lanes, rows, products, f32::mul_add);
    fn tile_i8(tile: TileI8<'_>) = generic::tile_i8(tile);
    fn exact_dot(query: &[f32], row: &[f32]) -> f64 = exact::dot(query, row, f64::mul_add);
    fn exact_squared_difference(query: &[f32], row: &[f32]) -> f64 = exact::squared_difference(query, row);
    fn exact_squares(row: &[f32]) -> f64 = exact::squares(row, f64::mul_add);
    fn distance(a: &[u64], b: &[u64]) -> u32 = generic::distance(a, b);
    fn hamming(tile: TileBits<'_>) = generic::hamming(tile);
    fn dots(of: Dots<'_>) -> [i32; DOTS] = generic::dots(of);
    fn signs_below(of: SignRows<'_>, found: &mut Vec<u64>) = generic::signs_below(of, found);
    fn ones(bytes: &[u8]) -> usize = generic::ones(bytes);
    fn sign_distances(query: &[u64], rows: &[u64], to: &mut [u16]) = generic::sign_distances(query, rows, to);
    fn places_at_most(numbers: &[u16], most: u16, places: &mut Vec<u32>) = generic::places_at_most(numbers, most, 0, places);
    fn count_at_most(numbers: &[u16], most: u16) -> usize = generic::count_at_most(numbers, most);
}

impl Backend for Avx2 {
    const NAME: &'static str = "avx2";
    const LANES: usize = LANES;
    const VECTORS: usize = VECTORS;
    const ROWS: usize = ROWS;

    fn few_f32(self, rows: FewRows<'_, f32>, squares: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { few_f32(rows, squares) }
    }

    fn few_f16(self, rows: FewRows<'_, F16>, squares: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { few_f16(rows, squares) }
    }

    fn few_bf16(self, rows: FewRows<'_, Bf16>, squares: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { few_bf16(rows, squares) }
    }

    fn few_i8(self, rows: FewRows<'_, i8>, squares: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { few_i8(rows, squares) }
    }

    fn decode_f16(self, row: &[F16], to: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { decode_f16(row, to) }
    }

    fn decode_bf16(self, row: &[Bf16], to: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { decode_bf16(row, to) }
    }

    fn decode_i8(self, row: &[i8], scale: f32, to: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { decode_i8(row, scale, to) }
    }

    fn squares(self, row: &[f32]) -> f32 {
        // SAFETY: `self` proves the target features.
        unsafe { squares(row) }
    }

    fn sums_i8(self, row: &[i8]) -> (i32, i32) {
        // SAFETY: `self` proves the target features.
        unsafe { sums_i8(row) }
    }

    fn encode_f16(self, row: &[F16], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        // SAFETY: `self` proves the target features.
        unsafe { encode_f16(row, scratch, codes) }
    }

    fn encode_f32(self, row: &[f32], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        // SAFETY: `self` proves the target features.
        unsafe { encode_f32(row, scratch, codes) }
    }

    fn encode_bf16(self, row: &[Bf16], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        // SAFETY: `self` proves the target features.
        unsafe { encode_bf16(row, scratch, codes) }
    }

    fn tile(self, tile: Tile<'_>) {
        // SAFETY: `self` proves the target features.
        unsafe {
            match (tile.operation, tile.thresholds.len() / LANES) {
                (Operation::Dot, 1) => tiles::<1, false>(tile),
                (Operation::Dot, _) => tiles::<VECTORS, false>(tile),
                (Operation::SquaredDifference, 1) => tiles::<1, true>(tile),
                (Operation::SquaredDifference, _) => tiles::<VECTORS, true>(tile),
            }
        }
    }

    fn products(self, panel: &[f32], lanes: usize, rows: &[&[f32]], to: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { products(panel, lanes, rows, to) }
    }

    fn tile_i8(self, tile: TileI8<'_>) {
        // SAFETY: `self` proves the target features.
        unsafe { tile_i8(tile) }
    }

    fn exact_dot(self, query: &[f32], row: &[f32]) -> f64 {
        // SAFETY: `self` proves the target features.
        unsafe { exact_dot(query, row) }
    }

    fn exact_squared_difference(self, query: &[f32], row: &[f32]) -> f64 {
        // SAFETY: `self` proves the target features.
        unsafe { exact_squared_difference(query, row) }
    }

    fn exact_squares(self, row: &[f32]) -> f64 {
        // SAFETY: `self` proves the target features.
        unsafe { exact_squares(row) }
    }

    fn dots(self, of: Dots<'_>) -> [i32; DOTS] {
        for next in of.next {
            self.fetch(next.as_ptr(), next.len());
        }
        // SAFETY: `self` proves the target features.
        unsafe { dots(of) }
    }

    fn fetch(self, from: *const u8, bytes: usize) {
        for at in (0..bytes).step_by(LINE_BYTES) {
            // SAFETY: a fetch is a hint: it cannot fault, wherever it points.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(at).cast()) };
        }
    }

    fn distance(self, a: &[u64], b: &[u64]) -> u32 {
        // SAFETY: `self` proves the target features.
        unsafe { distance(a, b) }
    }

    fn hamming(self, tile: TileBits<'_>) {
        // SAFETY: `self` proves the target features.
        unsafe { hamming(tile) }
    }

    fn signs_below(self, of: SignRows<'_>, found: &mut Vec<u64>) {
        // SAFETY: `self` proves the target features.
        unsafe { signs_below(of, found) }
    }

    fn sign_distances(self, query: &[u64], rows: &[u64], to: &mut [u16]) {
        // SAFETY: `self` proves the target features.
        unsafe { sign_distances(query, rows, to) }
    }

    fn ones(self, bytes: &[u8]) -> usize {
        // SAFETY: `self` proves the target features.
        unsafe { ones(bytes) }
    }

    fn places_at_most(self, numbers: &[u16], most: u16, places: &mut Vec<u32>) {
        // SAFETY: `self` proves the target features.
        unsafe { places_at_most(numbers, most, places) }
    }

    fn count_at_most(self, numbers: &[u16], most: u16) -> usize {
        // SAFETY: `self` proves the target features.
        unsafe { count_at_most(numbers, most) }
    }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn from_f16(from: &[F16; generic::LANES]) -> [f32; generic::LANES] {
    let mut to = [0.0; generic::LANES];
    let (froms, _) = from.as_chunks::<LANES>();
    let (tos, _) = to.as_chunks_mut::<LANES>();
    for i in 0..froms.len() {
        // SAFETY: the references are to exactly the bytes that are read and written; no alignment is asked for.
        unsafe {
            let half = _mm_loadu_si128(froms[i].as_ptr().cast());
            _mm256_storeu_ps(tos[i].as_mut_ptr(), _mm256_cvtph_ps(half));
        }
    }
    to
}

#[target_feature(enable = "avx2,f16c")]
fn decode_f16(row: &[F16], to: &mut [f32]) {
    let (rows, rest) = row.as_chunks::<{ generic::LANES }>();
    let (tos, to_rest) = to.as_chunks_mut::<{ generic::LANES }>();
    for i in 0..rows.len().min(tos.len()) {
        tos[i] = from_f16(&rows[i]);
    }
    let mut last = [F16(0); generic::LANES];
    last[..rest.len()].copy_from_slice(rest);
    to_rest.copy_from_slice(&from_f16(&last)[..rest.len()]);
}

/// Fetch a line of one of the rows that come a block later: in sixteen steps, one line of each.
#[inline]
#[target_feature(enable = "avx2")]
fn fetch(ahead: Ahead<'_>, d: usize) {
    if let Some(row) = ahead.rows.get(d % TILE_STEPS) {
        // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
        _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add((d - d % TILE_STEPS) * ahead.size).cast());
    }
}

#[target_feature(enable = "avx2,fma")]
fn tiles<const V: usize, const DIFFERENCE: bool>(tile: Tile<'_>) {
    let (steps, _) = tile.panel.as_chunks::<LANES>();
    let (steps, _) = steps.as_chunks::<V>();
    let (thresholds, _) = tile.thresholds.as_chunks::<LANES>();
    let mut first = 0;
    while first < tile.rows.len() {
        let last = tile.rows.len() - 1;
        // The last tile repeats the last row where it lacks rows.
        let mut rows = [tile.rows[last]; ROWS];
        for r in 0..ROWS.min(tile.rows.len() - first) {
            rows[r] = tile.rows[first + r];
        }
        let sums = add_up::<V, DIFFERENCE>(steps, &rows, tile.ahead.of(first, ROWS));
        for r in 0..ROWS.min(tile.rows.len() - first) {
            let scale = _mm256_set1_ps(tile.scales[first + r]);
            let mut word = 0;
            for v in 0..V {
                let scores = _mm256_mul_ps(sums[r][v], scale);
                let above = _mm256_cmp_ps::<_CMP_GT_OQ>(scores, load(&thresholds[v]));
                word |= u64::from(_mm256_movemask_ps(above).cast_unsigned()) << (v * LANES);
            }
            tile.hits[first + r] = word;
        }
        first += ROWS;
    }
}

/// The sums of a tile. They live in registers: one loop, and nothing in it that is not inlined.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_up<const V: usize, const DIFFERENCE: bool>(
    steps: &[[[f32; LANES]; V]],
    rows: &[&[f32]; ROWS],
    ahead: Ahead<'_>,
) -> [[__m256; V]; ROWS] {
    let mut elements = [std::ptr::null(); ROWS];
    for r in 0..ROWS {
        elements[r] = rows[r][..steps.len()].as_ptr();
    }
    let mut sums = [[_mm256_setzero_ps(); V]; ROWS];
    for d in 0..steps.len() {
        fetch(ahead, d);
        let mut queries = [_mm256_setzero_ps(); V];
        for v in 0..V {
            queries[v] = load(&steps[d][v]);
        }
        for r in 0..ROWS {
            // SAFETY: each pointer is to as many elements as there are steps.
            let element = _mm256_set1_ps(unsafe { *elements[r].add(d) });
            for v in 0..V {
                sums[r][v] = if DIFFERENCE {
                    let difference = _mm256_sub_ps(element, queries[v]);
                    _mm256_fmadd_ps(difference, difference, sums[r][v])
                } else {
                    _mm256_fmadd_ps(element, queries[v], sums[r][v])
                };
            }
        }
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &[f32; LANES]) -> __m256 {
    // SAFETY: the reference is to exactly the 32 bytes that are read; no alignment is asked for.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}
