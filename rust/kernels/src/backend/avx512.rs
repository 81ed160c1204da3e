//! AVX-512 (F, BW, DQ, VL): x86-64 server processors since 2017 (Intel) and 2022 (AMD). VNNI where there is one.

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    clippy::needless_pass_by_value,
    reason = "plain loops over constant ranges are what becomes registers; a tile is made to be used up"
)]

use std::arch::x86_64::{
    __m512, __m512i, __mmask8, __mmask16, _CMP_GT_OQ, _MM_HINT_T0, _kor_mask8, _mm_loadu_si128, _mm_prefetch,
    _mm256_loadu_si256, _mm512_abs_epi8, _mm512_abs_ps, _mm512_add_epi32, _mm512_add_epi64, _mm512_add_ps,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cmplt_epu64_mask, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps,
    _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_fnmadd_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_loadu_epi64, _mm512_maskz_loadu_ps, _mm512_maskz_xor_epi64,
    _mm512_max_ps, _mm512_mul_ps, _mm512_packs_epi16, _mm512_packs_epi32, _mm512_permutexvar_epi32,
    _mm512_popcnt_epi64, _mm512_reduce_add_epi32, _mm512_reduce_add_ps, _mm512_reduce_max_ps, _mm512_set1_epi32,
    _mm512_set1_epi64, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_shuffle_i64x2, _mm512_slli_epi32, _mm512_storeu_si512, _mm512_sub_epi32, _mm512_sub_ps,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi64, _mm512_xor_si512,
};
use std::ops::Range;

use super::{
    Ahead, BIT_LANES, Backend, Coded, FEW, FEW_STEP, FewRows, LINE_BYTES, Operation, Tile, TileBits, TileI8, generic,
};
use crate::element::{Bf16, F16};
use crate::exact;

const LANES: usize = 16;
const VECTORS: usize = 2;
/// Twenty-four sums, two registers of queries and one of a row's element, of thirty-two.
const ROWS: usize = 12;
/// Elements of a row, of the greatest type, in a cache line.
const LINE: usize = 16;

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
    fn squares(row: &[f32]) -> f32 = generic::squares(row);
    fn products(panel: &[f32], lanes: usize, rows: &[&[f32]], products: &mut [f32]) =
        generic::products::<LANES>(panel, lanes, rows, products, f32::mul_add);
    fn exact_dot(query: &[f32], row: &[f32]) -> f64 = exact::dot(query, row);
    fn exact_squared_difference(query: &[f32], row: &[f32]) -> f64 = exact::squared_difference(query, row);
    fn exact_squares(row: &[f32]) -> f64 = exact::squares(row);
    fn distance(a: &[u64], b: &[u64]) -> u32 = generic::distance(a, b);
}

impl Backend for Avx512 {
    const NAME: &'static str = "avx512";
    const LANES: usize = LANES;
    const VECTORS: usize = VECTORS;
    const ROWS: usize = ROWS;

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
        if self.vnni {
            // SAFETY: `self` proves the target features, and `vnni` that one.
            unsafe { sums_i8(row) }
        } else {
            generic::sums_i8(row)
        }
    }

    fn encode_f16(self, row: &[F16], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        // SAFETY: `self` proves the target features.
        unsafe { encode::<Half>(row, scratch, codes) }
    }

    fn encode_bf16(self, row: &[Bf16], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
        // SAFETY: `self` proves the target features.
        unsafe { encode::<Brain>(row, scratch, codes) }
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
        unsafe { products(panel, lanes, rows, to) }
    }

    fn tile_i8(self, tile: TileI8<'_>) {
        if !self.vnni {
            return generic::tile_i8(tile);
        }
        // SAFETY: `self` proves the target features, and `vnni` that one.
        unsafe {
            match tile.thresholds.len() / LANES {
                1 => tiles_i8::<1>(tile),
                _ => tiles_i8::<2>(tile),
            }
        }
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

/// Fetch a line of one of the rows that come a block later: in sixteen steps, one line of each.
#[inline]
#[target_feature(enable = "avx512f")]
fn fetch(ahead: Ahead<'_>, d: usize) {
    if let Some(row) = ahead.rows.get(d % LINE) {
        // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
        _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add((d - d % LINE) * ahead.size).cast());
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
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
            let scale = _mm512_set1_ps(tile.scales[first + r]);
            let mut word = 0;
            for v in 0..V {
                let scores = _mm512_mul_ps(sums[r][v], scale);
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(scores, load(&thresholds[v]));
                word |= u64::from(mask) << (v * LANES);
            }
            tile.hits[first + r] = word;
        }
        first += ROWS;
    }
}

/// The sums of a tile. They live in registers: one loop, and nothing in it that is not inlined.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_up<const V: usize, const DIFFERENCE: bool>(
    steps: &[[[f32; LANES]; V]],
    rows: &[&[f32]; ROWS],
    ahead: Ahead<'_>,
) -> [[__m512; V]; ROWS] {
    let mut elements = [std::ptr::null(); ROWS];
    for r in 0..ROWS {
        elements[r] = rows[r][..steps.len()].as_ptr();
    }
    let mut sums = [[_mm512_setzero_ps(); V]; ROWS];
    for d in 0..steps.len() {
        fetch(ahead, d);
        let mut queries = [_mm512_setzero_ps(); V];
        for v in 0..V {
            queries[v] = load(&steps[d][v]);
        }
        for r in 0..ROWS {
            // SAFETY: each pointer is to as many elements as there are steps.
            let element = _mm512_set1_ps(unsafe { *elements[r].add(d) });
            for v in 0..V {
                sums[r][v] = if DIFFERENCE {
                    let difference = _mm512_sub_ps(element, queries[v]);
                    _mm512_fmadd_ps(difference, difference, sums[r][v])
                } else {
                    _mm512_fmadd_ps(element, queries[v], sums[r][v])
                };
            }
        }
    }
    sums
}

/// Bytes of a row's codes that one step takes.
const CODES: usize = 4;

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")]
fn tiles_i8<const V: usize>(tile: TileI8<'_>) {
    let (steps, _) = tile.panel.as_chunks::<{ LANES * CODES }>();
    let (steps, _) = steps.as_chunks::<V>();
    let (thresholds, _) = tile.thresholds.as_chunks::<LANES>();
    let mut first = 0;
    while first < tile.rows.len() {
        let last = tile.rows.len() - 1;
        let mut rows = [tile.rows[last]; ROWS];
        for r in 0..ROWS.min(tile.rows.len() - first) {
            rows[r] = tile.rows[first + r];
        }
        let ahead = Ahead { size: tile.ahead.size * CODES, ..tile.ahead.of(first, ROWS) };
        let sums = add_up_i8::<V>(steps, &rows, ahead);
        for r in 0..ROWS.min(tile.rows.len() - first) {
            let scale = _mm512_set1_ps(tile.scales[first + r]);
            let bias = _mm512_set1_epi32(tile.biases[first + r]);
            let mut word = 0;
            for v in 0..V {
                let scores = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sums[r][v], bias)), scale);
                let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(scores, load(&thresholds[v]));
                word |= u64::from(mask) << (v * LANES);
            }
            tile.hits[first + r] = word;
        }
        first += ROWS;
    }
}

/// The sums of a tile, the biases among them.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_up_i8<const V: usize>(
    steps: &[[[u8; LANES * CODES]; V]],
    rows: &[&[i8]; ROWS],
    ahead: Ahead<'_>,
) -> [[__m512i; V]; ROWS] {
    let whole = rows[0].len() / CODES;
    let mut codes = [std::ptr::null::<i32>(); ROWS];
    for r in 0..ROWS {
        codes[r] = rows[r][..whole * CODES].as_ptr().cast();
    }
    let mut sums = [[_mm512_setzero_si512(); V]; ROWS];
    for step in 0..whole {
        fetch(ahead, step);
        let mut queries = [_mm512_setzero_si512(); V];
        for v in 0..V {
            queries[v] = load_bytes(&steps[step][v]);
        }
        for r in 0..ROWS {
            // SAFETY: each pointer is to four bytes for every whole step; they need not be aligned.
            let codes = _mm512_set1_epi32(unsafe { codes[r].add(step).read_unaligned() });
            for v in 0..V {
                sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], queries[v], codes);
            }
        }
    }
    if let Some(queries) = steps.get(whole) {
        for r in 0..ROWS {
            let mut rest = [0_u8; CODES];
            for (to, &from) in rest.iter_mut().zip(&rows[r][whole * CODES..]) {
                *to = from.cast_unsigned();
            }
            let codes = _mm512_set1_epi32(i32::from_le_bytes(rest));
            for v in 0..V {
                sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], load_bytes(&queries[v]), codes);
            }
        }
    }
    sums
}

/// As `generic::encode` does it.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn encode<L: Load>(row: &[L::Element], scratch: &mut [f32], codes: &mut [i8]) -> Coded {
    let steps = row.len().div_ceil(FEW_STEP);
    let (scratch_steps, _) = scratch.as_chunks_mut::<FEW_STEP>();
    let (code_steps, _) = codes.as_chunks_mut::<FEW_STEP>();
    let (scratch_steps, code_steps) = (&mut scratch_steps[..steps], &mut code_steps[..steps]);
    let mut greatest = [_mm512_setzero_ps(); FEW_SUMS];
    let mut squares = [_mm512_setzero_ps(); FEW_SUMS];
    for step in 0..steps {
        let (to, _) = scratch_steps[step].as_chunks_mut::<LANES>();
        for v in 0..FEW_SUMS {
            let at = step * FEW_STEP + v * LANES;
            let from = &row[row.len().min(at)..row.len().min(at + LANES)];
            // SAFETY: the slice has as many elements as it says, sixteen at most.
            let values = unsafe {
                if from.len() == LANES { L::load(from.as_ptr()) } else { L::load_part(from.as_ptr(), from.len()) }
            };
            store(&mut to[v], values);
            greatest[v] = _mm512_max_ps(greatest[v], _mm512_abs_ps(values));
            squares[v] = _mm512_fmadd_ps(values, values, squares[v]);
        }
    }
    let square = _mm512_reduce_add_ps(add_vectors(squares));
    let greatest = _mm512_max_ps(_mm512_max_ps(greatest[0], greatest[1]), _mm512_max_ps(greatest[2], greatest[3]));
    let scale = generic::scale(_mm512_reduce_max_ps(greatest));
    let (scales, inverse) = (_mm512_set1_ps(scale), _mm512_set1_ps(1.0 / scale));
    let mut errors = [_mm512_setzero_ps(); FEW_SUMS];
    let mut sums = [_mm512_setzero_si512(); FEW_SUMS];
    for step in 0..steps {
        let (from, _) = scratch_steps[step].as_chunks::<LANES>();
        let mut code = [_mm512_setzero_si512(); FEW_SUMS];
        for v in 0..FEW_SUMS {
            let values = load(&from[v]);
            code[v] = _mm512_cvtps_epi32(_mm512_mul_ps(values, inverse));
            let error = _mm512_fnmadd_ps(scales, _mm512_cvtepi32_ps(code[v]), values);
            errors[v] = _mm512_fmadd_ps(error, error, errors[v]);
            sums[v] = _mm512_add_epi32(sums[v], code[v]);
        }
        // Packing goes by lanes of 128 bits, which leaves the fours of codes in the order 0 4 8 12 1 5 ...
        let halves = (_mm512_packs_epi32(code[0], code[1]), _mm512_packs_epi32(code[2], code[3]));
        let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        let packed = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(halves.0, halves.1));
        // SAFETY: the reference is to exactly the 64 bytes that are written; no alignment is asked for.
        unsafe { _mm512_storeu_si512(code_steps[step].as_mut_ptr().cast(), packed) };
    }
    let sum = _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]), _mm512_add_epi32(sums[2], sums[3]));
    Coded { scale, error: _mm512_reduce_add_ps(add_vectors(errors)).sqrt(), square, sum: _mm512_reduce_add_epi32(sum) }
}

/// Σ x and Σ x² of codes: 1 · x, and |x| · |x| but for -128, whose square is added apart.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_i8(row: &[i8]) -> (i32, i32) {
    const BYTES: usize = 64;
    let ones = _mm512_set1_epi32(0x0101_0101);
    let (mut sum, mut square) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    let (whole, rest) = row.as_chunks::<BYTES>();
    let mut last = [0_i8; BYTES];
    last[..rest.len()].copy_from_slice(rest);
    let mut add = |codes: &[i8; BYTES]| {
        // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
        let codes = unsafe { _mm512_loadu_si512(codes.as_ptr().cast()) };
        sum = _mm512_dpbusd_epi32(sum, ones, codes);
        let size = _mm512_abs_epi8(codes);
        // |-128| is 128 as the first factor and -128 as the second: the product has the wrong sign, which is mended
        // below.
        square = _mm512_dpbusd_epi32(square, size, size);
    };
    for i in 0..whole.len() {
        add(&whole[i]);
    }
    add(&last);
    let mut least = 0_i32;
    for i in 0..row.len() {
        least += i32::from(row[i] == i8::MIN);
    }
    (_mm512_reduce_add_epi32(sum), _mm512_reduce_add_epi32(square) + least * 2 * 16_384)
}

/// How `few` reads sixteen elements as f32.
trait Load {
    type Element: Copy;

    /// # Safety
    /// The processor must have AVX-512 (F, BW, VL), and there must be sixteen elements.
    unsafe fn load(from: *const Self::Element) -> __m512;

    /// The first `count` of sixteen elements, and zeros.
    ///
    /// # Safety
    /// The processor must have AVX-512 (F, BW, VL), and there must be `count` elements.
    unsafe fn load_part(from: *const Self::Element, count: usize) -> __m512 {
        let mut part = [const { std::mem::MaybeUninit::<Self::Element>::zeroed() }; LANES];
        for (i, to) in part.iter_mut().enumerate().take(count) {
            // SAFETY: there are `count` elements.
            to.write(unsafe { *from.add(i) });
        }
        // SAFETY: all sixteen elements are initialised: zero bits are an element of each type.
        unsafe { Self::load(part.as_ptr().cast()) }
    }
}

struct F32;
struct Half;
struct Brain;
struct Code;

impl Load for F32 {
    type Element = f32;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(from: *const f32) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_part(from: *const f32, count: usize) -> __m512 {
        // SAFETY: the caller's; what the mask leaves out is not read.
        unsafe { _mm512_maskz_loadu_ps(((1_u32 << count) - 1) as __mmask16, from) }
    }
}

impl Load for Half {
    type Element = F16;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(from: *const F16) -> __m512 {
        // SAFETY: the caller's.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(from.cast()) })
    }
}

impl Load for Brain {
    type Element = Bf16;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(from: *const Bf16) -> __m512 {
        // SAFETY: the caller's.
        let bits = unsafe { _mm256_loadu_si256(from.cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
    }
}

impl Load for Code {
    type Element = i8;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(from: *const i8) -> __m512 {
        // SAFETY: the caller's.
        let codes = unsafe { _mm_loadu_si128(from.cast()) };
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes))
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn decode_f16(row: &[F16], to: &mut [f32]) {
    let (rows, rest) = row.as_chunks::<LANES>();
    let (tos, to_rest) = to.as_chunks_mut::<LANES>();
    for i in 0..rows.len().min(tos.len()) {
        // SAFETY: the reference is to sixteen elements.
        store(&mut tos[i], unsafe { Half::load(rows[i].as_ptr()) });
    }
    let mut last = [0.0; LANES];
    // SAFETY: the slice has as many elements as it says, fewer than sixteen.
    store(&mut last, unsafe { Half::load_part(rest.as_ptr(), rest.len()) });
    to_rest.copy_from_slice(&last[..rest.len()]);
}

#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn few<L: Load>(rows: FewRows<'_, L::Element>, squares: &mut [f32]) {
    match (rows.operation, rows.queries.len()) {
        (Operation::Dot, 1) => few_of::<L, 1, false>(rows, squares),
        (Operation::Dot, 2) => few_of::<L, 2, false>(rows, squares),
        (Operation::Dot, 3) => few_of::<L, 3, false>(rows, squares),
        (Operation::Dot, _) => few_of::<L, FEW, false>(rows, squares),
        (Operation::SquaredDifference, 1) => few_of::<L, 1, true>(rows, squares),
        (Operation::SquaredDifference, 2) => few_of::<L, 2, true>(rows, squares),
        (Operation::SquaredDifference, 3) => few_of::<L, 3, true>(rows, squares),
        (Operation::SquaredDifference, _) => few_of::<L, FEW, true>(rows, squares),
    }
}

/// Vectors of a row that are summed up apart: enough to hide the latency of an addition.
const FEW_SUMS: usize = FEW_STEP / LANES;

/// One row after another, as they lie in memory: the processor's own prefetching understands that best.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
fn few_of<L: Load, const Q: usize, const DIFFERENCE: bool>(rows: FewRows<'_, L::Element>, squares: &mut [f32]) {
    let FewRows { queries, rows, sums, ahead, .. } = rows;
    let count = rows.len();
    let dimension = rows.first().map_or(0, |row| row.len());
    let mut query = [&[][..]; Q];
    for q in 0..Q {
        query[q] = &queries[q][..dimension.next_multiple_of(FEW_STEP)];
    }
    for (r, row) in rows.iter().enumerate() {
        let row = &row[..dimension];
        let next = ahead.rows.get(r).copied();
        let mut square = [_mm512_setzero_ps(); FEW_SUMS];
        let mut sum = [[_mm512_setzero_ps(); FEW_SUMS]; Q];
        let mut add = |d: usize, values: [__m512; FEW_SUMS]| {
            for v in 0..FEW_SUMS {
                square[v] = _mm512_fmadd_ps(values[v], values[v], square[v]);
                for q in 0..Q {
                    // SAFETY: every query has as many elements as there are in whole steps, and `d` is one's first.
                    let query = unsafe { _mm512_loadu_ps(query[q].as_ptr().add(d + v * LANES)) };
                    sum[q][v] = if DIFFERENCE {
                        let difference = _mm512_sub_ps(values[v], query);
                        _mm512_fmadd_ps(difference, difference, sum[q][v])
                    } else {
                        _mm512_fmadd_ps(values[v], query, sum[q][v])
                    };
                }
            }
        };
        let whole = dimension - dimension % FEW_STEP;
        for d in (0..whole).step_by(FEW_STEP) {
            if let Some(next) = next {
                for line in 0..(FEW_STEP * size_of::<L::Element>()).div_ceil(LINE_BYTES) {
                    // A fetch is a hint: it reads nothing that a program could see and cannot fault, wherever it points.
                    let at = d * size_of::<L::Element>() + line * LINE_BYTES;
                    _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(at).cast());
                }
            }
            let mut values = [_mm512_setzero_ps(); FEW_SUMS];
            for v in 0..FEW_SUMS {
                // SAFETY: the row has all elements of a whole step.
                values[v] = unsafe { L::load(row.as_ptr().add(d + v * LANES)) };
            }
            add(d, values);
        }
        if whole < dimension {
            let mut values = [_mm512_setzero_ps(); FEW_SUMS];
            for v in 0..FEW_SUMS {
                let from = &row[dimension.min(whole + v * LANES)..dimension.min(whole + (v + 1) * LANES)];
                // SAFETY: the slice has as many elements as it says, sixteen at most.
                values[v] = unsafe {
                    if from.len() == LANES { L::load(from.as_ptr()) } else { L::load_part(from.as_ptr(), from.len()) }
                };
            }
            add(whole, values);
        }
        squares[r] = _mm512_reduce_add_ps(add_vectors(square));
        for q in 0..Q {
            sums[q * count + r] = _mm512_reduce_add_ps(add_vectors(sum[q]));
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_vectors(vectors: [__m512; FEW_SUMS]) -> __m512 {
    _mm512_add_ps(_mm512_add_ps(vectors[0], vectors[1]), _mm512_add_ps(vectors[2], vectors[3]))
}

/// Eight rows at a time against one query after another: the words of a row lie in the lanes, and the sums over the lanes
/// of eight vectors are found together.
#[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
fn hamming_few(tile: TileBits<'_>, words: usize) {
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
fn eight_distances<const FOLLOWED: bool>(query: &[u64], rows: &[u64], range: Range<usize>) -> [__m512i; BIT_LANES] {
    let words = query.len();
    let mut from = [std::ptr::null::<u64>(); BIT_LANES];
    for r in 0..BIT_LANES {
        let row = (range.end - 1).min(range.start + r);
        from[r] = rows[row * words..][..words].as_ptr();
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
fn add_words(vectors: &[__m512i; BIT_LANES]) -> __m512i {
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
fn hamming<const G: usize, const R: usize>(tile: TileBits<'_>) {
    let (panel, _) = tile.panel.as_chunks::<BIT_LANES>();
    let (panel, _) = panel.as_chunks::<G>();
    let (thresholds, _) = tile.thresholds.as_chunks::<BIT_LANES>();
    let words = panel.len();
    let count = tile.hits.len();
    let rows = &tile.rows[..count * words];
    let mut first = 0;
    while first < count {
        let mut place = [(count - 1) * words; R];
        for r in 0..R.min(count - first) {
            place[r] = (first + r) * words;
        }
        let mut distances = [[_mm512_setzero_si512(); G]; R];
        for w in 0..words {
            for r in 0..R {
                let word = _mm512_set1_epi64(rows[place[r] + w].cast_signed());
                for g in 0..G {
                    let difference = _mm512_xor_si512(word, load_words(&panel[w][g]));
                    distances[r][g] = _mm512_add_epi64(distances[r][g], _mm512_popcnt_epi64(difference));
                }
            }
        }
        for r in 0..R.min(count - first) {
            let mut masks = [0; G];
            let mut any = 0;
            for g in 0..G {
                masks[g] = _mm512_cmplt_epu64_mask(distances[r][g], load_words(&thresholds[g]));
                any = _kor_mask8(any, masks[g]);
            }
            // Most rows hit nothing, and the word takes longer to put together than to see that.
            let mut hits = 0;
            if any != 0 {
                for g in 0..G {
                    hits |= u64::from(masks[g]) << (g * BIT_LANES);
                }
            }
            tile.hits[first + r] = hits;
        }
        first += R;
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(from: &[f32; LANES]) -> __m512 {
    // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(from: &[u8; LANES * CODES]) -> __m512i {
    // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_words(from: &[u64; BIT_LANES]) -> __m512i {
    // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(to: &mut [f32; LANES], from: __m512) {
    // SAFETY: the reference is to exactly the 64 bytes that are written; no alignment is asked for.
    unsafe { std::arch::x86_64::_mm512_storeu_ps(to.as_mut_ptr(), from) }
}
