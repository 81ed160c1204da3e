//! What one core does at best, in registers: the roof over the kernels. `docs/roofline.md` holds them against it.

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    #[cfg(target_arch = "x86_64")]
    x86::peaks(&mut criterion);
    criterion.final_summary();
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi64, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_popcnt_epi64, _mm512_reduce_add_epi64,
        _mm512_reduce_add_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
        _mm512_xor_si512,
    };
    use std::hint::black_box;

    use criterion::{Criterion, Throughput};

    /// Sums of their own, as in a tile: enough to hide the latency of an instruction.
    const SUMS: usize = 24;
    const STEPS: usize = 10_000;

    /// A peak: its name, what one instruction counts for, and the loop.
    type Peak = (&'static str, usize, unsafe fn(i32));

    pub(crate) fn peaks(criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("peak");
        if !(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")) {
            return group.finish();
        }
        let mut peaks: Vec<Peak> = vec![("multiply-adds, f32", 16, multiply_adds)];
        if is_x86_feature_detected!("avx512vnni") {
            peaks.push(("multiply-adds, bytes", 64, byte_products));
        }
        if is_x86_feature_detected!("avx512vpopcntdq") {
            peaks.push(("bits compared", 512, bits_compared));
        }
        for (name, each, run) in peaks {
            group.throughput(Throughput::Elements((each * SUMS * STEPS) as u64));
            group.bench_function(name, |bencher| {
                // SAFETY: the features have been looked for.
                bencher.iter(|| unsafe { run(black_box(3)) });
            });
        }
        group.finish();
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    fn multiply_adds(seed: i32) {
        let (a, b) = (_mm512_set1_ps(seed as f32), _mm512_set1_ps(1.0 / 3.0));
        let mut sums = [_mm512_setzero_ps(); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, b, a);
            }
        }
        black_box(sums.map(|sum| _mm512_reduce_add_ps(sum)));
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512vnni")]
    fn byte_products(seed: i32) {
        let (a, b) = (_mm512_set1_epi32(seed), _mm512_set1_epi32(0x0101_0101));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        done(&sums);
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512vpopcntdq")]
    fn bits_compared(seed: i32) {
        let a = _mm512_set1_epi32(seed);
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                // The sum itself is compared, so that no step can be left out; it takes no part in the latency of others.
                *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(_mm512_xor_si512(a, *sum)));
            }
        }
        done(&sums);
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    fn done(sums: &[__m512i; SUMS]) {
        black_box(sums.iter().map(|&sum| _mm512_reduce_add_epi64(sum)).sum::<i64>());
    }
}
