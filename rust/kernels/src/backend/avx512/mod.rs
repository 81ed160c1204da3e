//! AVX-512 (F, BW, DQ, VL): x86-64 server processors since 2017 (Intel) and 2022 (AMD). VNNI where there is one.

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    clippy::needless_pass_by_value,
    reason = "plain loops over constant ranges are what becomes registers; a tile is made to be used up"
)]

mod bit_sums;
mod bits;
mod codes;
mod dots;
mod encode;
mod exact;
mod few;
mod few_codes;
mod floats;
mod levels;
mod signs;
mod vectors;

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use self::bit_sums::bit_sums;
use self::bits::{hamming, hamming_few};
use self::codes::tiles_i8;
use self::dots::dots;
use self::encode::{encode, sums_i8};
use self::few::{decode_f16, few};
use self::few_codes::few_codes;
use self::floats::{at_least, copy, products, squares, tiles};
use self::levels::{level_distances, level_sums};
use self::signs::{count_at_most, places_at_most, sign_distances, signs_below};
use self::vectors::{Brain, Code, F32, Half};
use super::{
    BIT_LANES, Backend, BitSums, Coded, DOTS, Dots, FEW, FewCodes, FewRows, LINE_BYTES, LevelRows, LevelSums, MOST_FEW,
    Operation, SignRows, Tile, TileBits, TileI8, generic,
};
use crate::element::{Bf16, F16};

const LANES: usize = 16;
const VECTORS: usize = 2;
/// Twenty-four sums, two registers of queries and one of a row's element, of thirty-two.
const ROWS: usize = 12;

/// The rows of a tile from `first` on. The last tile repeats the last row where it lacks rows.
#[inline]
fn rows_of_tile<'r, T>(rows: &[&'r [T]], first: usize) -> [&'r [T]; ROWS] {
    let mut tile = [rows[rows.len() - 1]; ROWS];
    for r in 0..ROWS.min(rows.len() - first) {
        tile[r] = rows[first + r];
    }
    tile
}

/// Proof that this processor has what the functions here are compiled for: `new` is the only way to one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512 {
    vnni: bool,
    popcnt: bool,
}

impl Avx512 {
    pub(crate) fn new() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
            && is_x86_feature_detected!("popcnt");
        has.then(|| Self {
            vnni: is_x86_feature_detected!("avx512vnni"),
            popcnt: is_x86_feature_detected!("avx512vpopcntdq"),
        })
    }

    /// As the first processors with AVX-512 were.
    #[cfg(test)]
    pub(crate) fn without_extensions() -> Option<Self> {
        Self::new().map(|_| Self { vnni: false, popcnt: false })
    }
}

/// A function of the back end, compiled for its instruction set.
macro_rules! compiled {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? = $body:expr;)*) => {$(
        $(#[$meta])*
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,popcnt")]
        fn $name($($argument: $type),*) $(-> $result)? {
            $body
        }
    )*};
}

compiled! {
    fn decode_bf16(row: &[Bf16], to: &mut [f32]) = generic::decode(row, to, generic::from_bf16);
    fn decode_i8(row: &[i8], scale: f32, to: &mut [f32]) = generic::decode(row, to, |code| scale * f32::from(code));
    fn distance(a: &[u64], b: &[u64]) -> u32 = generic::distance(a, b);
    fn plain_signs_below(of: SignRows<'_>, found: &mut Vec<u64>) = generic::signs_below(of, found);
    fn ones(bytes: &[u8]) -> usize = generic::ones(bytes);
    fn plain_sign_distances(query: &[u64], rows: &[u64], to: &mut [u16]) = generic::sign_distances(query, rows, to);
}

impl Backend for Avx512 {
    const NAME: &'static str = "avx512";
    const LANES: usize = LANES;
    const VECTORS: usize = VECTORS;
    const ROWS: usize = ROWS;
    const FEW: usize = MOST_FEW;

    fn has_tile_i8(self) -> bool {
        self.vnni
    }

    fn few_f32(self, rows: FewRows<'_, f32>, squares: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { few::<F32>(rows, squares) }
    }

    fn few_f16(self, rows: FewRows<'_, F16>, squares: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { few::<Half>(rows, squares) }
    }

    fn few_bf16(self, rows: FewRows<'_, Bf16>, squares: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { few::<Brain>(rows, squares) }
    }

    fn few_i8(self, rows: FewRows<'_, i8>, squares: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe { few::<Code>(rows, squares) }
    }

    fn few_codes(self, rows: FewCodes<'_>) {
        if !self.vnni {
            return generic::few_codes(rows);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe { few_codes(rows) }
    }

    fn dots(self, of: Dots<'_>) -> [i32; DOTS] {
        if !self.vnni {
            return generic::dots(of);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe { dots(of) }
    }

    fn has_bit_sums(self) -> bool {
        self.vnni
    }

    fn bit_sums(self, of: BitSums<'_>) -> [i32; DOTS] {
        if !self.vnni {
            return generic::bit_sums(of);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe { bit_sums(of) }
    }

    fn signs_below(self, of: SignRows<'_>, found: &mut Vec<u64>) {
        // SAFETY: `self` proves the target features, and `popcnt` that one.
        unsafe { if self.popcnt { signs_below(of, found) } else { plain_signs_below(of, found) } }
    }

    fn sign_distances(self, query: &[u64], rows: &[u64], to: &mut [u16]) {
        // SAFETY: `self` proves the target features, and `popcnt` that one.
        unsafe { if self.popcnt { sign_distances(query, rows, to) } else { plain_sign_distances(query, rows, to) } }
    }

    fn level_sums(self, of: LevelSums<'_>) -> [i32; DOTS] {
        if !self.vnni {
            return generic::level_sums(of);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe { level_sums(of) }
    }

    fn level_distances(self, of: LevelRows<'_>, to: &mut [u16]) {
        if !self.vnni {
            generic::level_distances(of, to);
            return;
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe { level_distances(of, to) }
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

    fn copy(self, row: &[f32], to: &mut [f32]) -> f32 {
        // SAFETY: `self` proves the target features.
        unsafe { copy(row, to) }
    }

    fn sums_i8(self, row: &[i8]) -> (i32, i32) {
        if self.vnni {
            // SAFETY: `self` proves the target features, and `vnni` that one.
            unsafe { sums_i8(row) }
        } else {
            generic::sums_i8(row)
        }
    }

    fn encode_f16(self, row: &[F16], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        if !self.vnni {
            return generic::encode(row, scratch, codes, generic::from_f16);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe { encode::<Half>(row, codes) }
    }

    fn encode_f32(self, row: &[f32], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        if !self.vnni {
            return generic::encode(row, scratch, codes, |x| x);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe { encode::<F32>(row, codes) }
    }

    fn encode_bf16(self, row: &[Bf16], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        if !self.vnni {
            return generic::encode(row, scratch, codes, generic::from_bf16);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe { encode::<Brain>(row, codes) }
    }

    #[inline]
    fn fetch(self, from: *const u8, bytes: usize) {
        for at in (0..bytes).step_by(LINE_BYTES) {
            // SAFETY: a fetch is a hint: it cannot fault, wherever it points.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(at).cast()) };
        }
    }

    fn tile(self, tile: Tile<'_>) {
        // SAFETY: `self` proves the target features.
        unsafe {
            match (tile.operation, tile.thresholds.len() / LANES) {
                (Operation::Dot, 1) => tiles::<1, false>(tile),
                (Operation::Dot, _) => tiles::<2, false>(tile),
                (Operation::SquaredDifference, 1) => tiles::<1, true>(tile),
                (Operation::SquaredDifference, _) => tiles::<2, true>(tile),
            }
        }
    }

    fn products(self, panel: &[f32], lanes: usize, rows: &[&[f32]], to: &mut [f32]) {
        // SAFETY: `self` proves the target features.
        unsafe {
            match lanes / LANES {
                1 => products::<1>(panel, rows, to),
                _ => products::<VECTORS>(panel, rows, to),
            }
        }
    }

    fn at_least(self, values: &[f32], least: &[f32]) -> u64 {
        // SAFETY: `self` proves the target features.
        unsafe { at_least(values, least) }
    }

    fn tile_i8(self, tile: TileI8<'_>) {
        if !self.vnni {
            return generic::tile_i8(tile);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe {
            match (tile.thresholds.len() / LANES, tile.ahead.lines) {
                (1, 0..=1) => tiles_i8::<1, 1>(tile),
                (_, 0..=1) => tiles_i8::<2, 1>(tile),
                (1, 2) => tiles_i8::<1, 2>(tile),
                (_, 2) => tiles_i8::<2, 2>(tile),
                (1, _) => tiles_i8::<1, 4>(tile),
                _ => tiles_i8::<2, 4>(tile),
            }
        }
    }

    fn exact_dot(self, query: &[f32], row: &[f32]) -> f64 {
        // SAFETY: `self` proves the target features.
        unsafe { exact::sum::<false>(query, row) }
    }

    fn exact_squared_difference(self, query: &[f32], row: &[f32]) -> f64 {
        // SAFETY: `self` proves the target features.
        unsafe { exact::sum::<true>(query, row) }
    }

    fn exact_squares(self, row: &[f32]) -> f64 {
        // SAFETY: `self` proves the target features.
        unsafe { exact::sum::<false>(row, row) }
    }

    fn distance(self, a: &[u64], b: &[u64]) -> u32 {
        // SAFETY: `self` proves the target features.
        unsafe { distance(a, b) }
    }

    fn hamming(self, tile: TileBits<'_>) {
        if !self.popcnt {
            return generic::hamming(tile);
        }
        let words = tile.panel.len() / tile.thresholds.len();
        // SAFETY: `self` proves the target features, and `popcnt` that one.
        unsafe {
            if tile.queries.len() <= FEW * words {
                return hamming_few(tile, words);
            }
            match tile.thresholds.len() / BIT_LANES {
                1 => hamming::<1, 8>(tile),
                2 => hamming::<2, 4>(tile),
                4 => hamming::<4, 4>(tile),
                8 => hamming::<8, 2>(tile),
                _ => generic::hamming(tile),
            }
        }
    }
}
