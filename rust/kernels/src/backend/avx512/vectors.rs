//! How elements of any type become vectors of f32.

use std::arch::x86_64::{
    __m512, __m512i, __mmask16, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_max_epu16, _mm_minpos_epu16, _mm_set1_epi16,
    _mm_xor_si128, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_max_epu16,
    _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32,
    _mm512_cvtph_ps, _mm512_extracti64x4_epi64, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_loadu_ps,
    _mm512_max_epu16, _mm512_max_epu32, _mm512_reduce_max_epu32, _mm512_set1_epi16, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_shuffle_f32x4, _mm512_shuffle_i32x4, _mm512_slli_epi32, _mm512_storeu_ps,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::LANES;
use crate::backend::{FEW_STEP, generic};
use crate::element::{Bf16, F16};

/// How sixteen elements are read as f32.
pub(super) trait Load {
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

pub(super) struct F32;
pub(super) struct Half;
pub(super) struct Brain;
pub(super) struct Code;

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

/// Floating-point elements that are turned into codes. Their magnitudes order as their bits do.
pub(super) trait Encode: Load {
    const ZERO: Self::Element;

    /// By lane: the bits of the greatest magnitude of sixty-four elements.
    ///
    /// # Safety
    /// The processor must have AVX-512 (F, BW, VL).
    unsafe fn greatest(step: &[Self::Element; FEW_STEP]) -> __m512i;

    /// The greater bits by lane.
    ///
    /// # Safety
    /// The processor must have AVX-512 (F, BW, VL).
    unsafe fn greater(a: __m512i, b: __m512i) -> __m512i;

    /// The greatest magnitude of all lanes.
    ///
    /// # Safety
    /// The processor must have AVX-512 (F, BW, VL).
    unsafe fn magnitude(greatest: __m512i) -> f32;
}

/// The same for elements of two bytes.
macro_rules! encode_two_bytes {
    ($type:ty, $zero:expr, $bits:ident => $magnitude:expr) => {
        impl Encode for $type {
            const ZERO: Self::Element = $zero;

            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn greatest(step: &[Self::Element; FEW_STEP]) -> __m512i {
                let magnitude = _mm512_set1_epi16(i16::MAX);
                // SAFETY: the reference is to 64 elements of two bytes; no alignment is asked for.
                let (first, second) = unsafe {
                    let from = step.as_ptr();
                    (_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(FEW_STEP / 2).cast()))
                };
                _mm512_max_epu16(_mm512_and_si512(first, magnitude), _mm512_and_si512(second, magnitude))
            }

            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn greater(a: __m512i, b: __m512i) -> __m512i {
                _mm512_max_epu16(a, b)
            }

            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn magnitude(greatest: __m512i) -> f32 {
                let half = _mm256_max_epu16(_mm512_castsi512_si256(greatest), _mm512_extracti64x4_epi64::<1>(greatest));
                let quarter = _mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
                // The least of the complements.
                let least = _mm_minpos_epu16(_mm_xor_si128(quarter, _mm_set1_epi16(-1)));
                let $bits = !(_mm_cvtsi128_si32(least) as u16);
                $magnitude
            }
        }
    };
}

encode_two_bytes!(Half, F16(0), bits => generic::from_f16(F16(bits)));
encode_two_bytes!(Brain, Bf16(0), bits => generic::from_bf16(Bf16(bits)));

impl Encode for F32 {
    const ZERO: f32 = 0.0;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn greatest(step: &[f32; FEW_STEP]) -> __m512i {
        let mut greatest = _mm512_setzero_si512();
        for from in step.as_chunks::<LANES>().0 {
            let magnitude = _mm512_and_si512(_mm512_castps_si512(load(from)), _mm512_set1_epi32(i32::MAX));
            greatest = _mm512_max_epu32(greatest, magnitude);
        }
        greatest
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn greater(a: __m512i, b: __m512i) -> __m512i {
        _mm512_max_epu32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn magnitude(greatest: __m512i) -> f32 {
        f32::from_bits(_mm512_reduce_max_epu32(greatest))
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

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(from: &[f32; LANES]) -> __m512 {
    // SAFETY: the reference is to exactly the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(to: &mut [f32; LANES], from: __m512) {
    // SAFETY: the reference is to exactly the 64 bytes that are written; no alignment is asked for.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), from) }
}

/// Vectors of a row that are summed up apart: enough to hide the latency of an addition.
pub(super) const FEW_SUMS: usize = FEW_STEP / LANES;

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_vectors(vectors: [__m512; FEW_SUMS]) -> __m512 {
    _mm512_add_ps(_mm512_add_ps(vectors[0], vectors[1]), _mm512_add_ps(vectors[2], vectors[3]))
}

/// The sum over the lanes of each of sixteen vectors, in order.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_sixteen(vectors: &[__m512; LANES]) -> __m512 {
    let add = |a, b| _mm512_add_ps(a, b);
    // Each step adds two halves of two vectors each: within lanes of 128 bits, and then of such lanes.
    let pair = |a, b| add(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let double = |a, b| {
        let (a, b) = (_mm512_castps_pd(a), _mm512_castps_pd(b));
        add(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)))
    };
    let quad = |a, b| add(_mm512_shuffle_f32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
    let four = |at: usize| double(pair(vectors[at], vectors[at + 1]), pair(vectors[at + 2], vectors[at + 3]));
    quad(quad(four(0), four(4)), quad(four(8), four(12)))
}

/// The same for whole numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn add_sixteen_i32(vectors: &[__m512i; LANES]) -> __m512i {
    let add = |a, b| _mm512_add_epi32(a, b);
    let pair = |a, b| add(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let double = |a, b| add(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    let quad = |a, b| add(_mm512_shuffle_i32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_i32x4::<0b11_01_11_01>(a, b));
    let four = |at: usize| double(pair(vectors[at], vectors[at + 1]), pair(vectors[at + 2], vectors[at + 3]));
    quad(quad(four(0), four(4)), quad(four(8), four(12)))
}
