//! The back end that every processor can run.

use super::{Backend, Coded, DOTS, Dots, FewRows, Tile, TileBits, TileI8, generic};
use crate::element::{Bf16, F16};
use crate::exact;

/// Plain Rust; the compiler turns its lanes into whatever vectors the target always has.
///
/// `FMA`: whether the target has a fused multiply-add of its own, as every aarch64 does; without one it would be a
/// function call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plain<const LANES: usize, const VECTORS: usize, const ROWS: usize, const FMA: bool>;

/// For processors of which nothing is known: eight sums of two registers each on x86-64.
pub(crate) type Portable = Plain<8, 1, 4, false>;

/// For aarch64, whose NEON has thirty-two registers of four lanes: 24 sums, 4 of queries, one of a row.
#[cfg(any(test, target_arch = "aarch64"))]
pub(crate) type Neon = Plain<4, 4, 6, true>;

impl<const LANES: usize, const VECTORS: usize, const ROWS: usize, const FMA: bool> Plain<LANES, VECTORS, ROWS, FMA> {
    fn add_product(a: f32, b: f32, c: f32) -> f32 {
        if FMA { a.mul_add(b, c) } else { a * b + c }
    }
}

impl<const LANES: usize, const VECTORS: usize, const ROWS: usize, const FMA: bool> Backend
    for Plain<LANES, VECTORS, ROWS, FMA>
{
    const NAME: &'static str = if FMA { "neon" } else { "portable" };
    const LANES: usize = LANES;
    const VECTORS: usize = VECTORS;
    const ROWS: usize = ROWS;

    fn few_f32(self, rows: FewRows<'_, f32>, squares: &mut [f32]) {
        generic::few(rows, squares, 0.0, |x| *x);
    }

    fn few_f16(self, rows: FewRows<'_, F16>, squares: &mut [f32]) {
        generic::few(rows, squares, F16(0), |x| x.map(generic::from_f16));
    }

    fn few_bf16(self, rows: FewRows<'_, Bf16>, squares: &mut [f32]) {
        generic::few(rows, squares, Bf16(0), |x| x.map(generic::from_bf16));
    }

    fn few_i8(self, rows: FewRows<'_, i8>, squares: &mut [f32]) {
        generic::few(rows, squares, 0, |x| x.map(f32::from));
    }

    fn dots(self, of: Dots<'_>) -> [i32; DOTS] {
        generic::dots(of)
    }

    fn decode_f16(self, row: &[F16], to: &mut [f32]) {
        generic::decode(row, to, generic::from_f16);
    }

    fn decode_bf16(self, row: &[Bf16], to: &mut [f32]) {
        generic::decode(row, to, generic::from_bf16);
    }

    fn decode_i8(self, row: &[i8], scale: f32, to: &mut [f32]) {
        generic::decode(row, to, |code| scale * f32::from(code));
    }

    fn squares(self, row: &[f32]) -> f32 {
        generic::squares(row)
    }

    fn sums_i8(self, row: &[i8]) -> (i32, i32) {
        generic::sums_i8(row)
    }

    fn encode_f16(self, row: &[F16], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        generic::encode(row, scratch, codes, generic::from_f16)
    }

    fn encode_f32(self, row: &[f32], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        generic::encode(row, scratch, codes, |x| x)
    }

    fn encode_bf16(self, row: &[Bf16], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        generic::encode(row, scratch, codes, generic::from_bf16)
    }

    fn tile(self, tile: Tile<'_>) {
        let add_product = Self::add_product;
        // The last panel of a block of queries may have fewer vectors.
        match tile.thresholds.len() / LANES {
            1 => generic::tile::<LANES, 1, ROWS>(tile, add_product),
            2 => generic::tile::<LANES, 2, ROWS>(tile, add_product),
            3 => generic::tile::<LANES, 3, ROWS>(tile, add_product),
            _ => generic::tile::<LANES, VECTORS, ROWS>(tile, add_product),
        }
    }

    fn products(self, panel: &[f32], lanes: usize, rows: &[&[f32]], products: &mut [f32]) {
        generic::products::<LANES>(panel, lanes, rows, products, Self::add_product);
    }

    fn tile_i8(self, tile: TileI8<'_>) {
        generic::tile_i8(tile);
    }

    fn exact_dot(self, query: &[f32], row: &[f32]) -> f64 {
        exact::dot(query, row, exact::plain)
    }

    fn exact_squared_difference(self, query: &[f32], row: &[f32]) -> f64 {
        exact::squared_difference(query, row)
    }

    fn exact_squares(self, row: &[f32]) -> f64 {
        exact::squares(row, exact::plain)
    }

    fn hamming(self, tile: TileBits<'_>) {
        generic::hamming(tile);
    }

    fn distance(self, a: &[u64], b: &[u64]) -> u32 {
        generic::distance(a, b)
    }
}
