//! The paired tests by themselves, on one thread. `python -m bench` runs it and holds the same tests against the peers.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use crossfade_metrics::{Bootstrap, Draws, Method, bootstrap_difference, bootstrap_test, randomisation_test};

mod random;
use random::Random;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    paired_tests(&mut criterion);
    criterion.final_summary();
}

/// Throughput counts the queries drawn or flipped.
fn paired_tests(criterion: &mut Criterion) {
    let mut random = Random(1);
    let (base, candidate): (Vec<f64>, Vec<f64>) = (0..1000).map(|_| (random.unit(), random.unit())).unzip();
    let repeats = 1000;
    let mut group = criterion.benchmark_group("paired");
    group.throughput(Throughput::Elements((repeats * base.len()) as u64));
    let draws = Draws { count: repeats, seed: 1, threads: 1 };
    group.bench_function("randomisation", |bencher| {
        bencher.iter(|| randomisation_test(black_box(&base), black_box(&candidate), draws));
    });
    group.bench_function("bootstrap test", |bencher| {
        bencher.iter(|| bootstrap_test(black_box(&base), black_box(&candidate), draws));
    });
    group.bench_function("bootstrap interval", |bencher| {
        let settings =
            Bootstrap { resamples: repeats, confidence: 0.95, method: Method::Percentile, seed: 1, threads: 1 };
        bencher.iter(|| bootstrap_difference(black_box(&base), black_box(&candidate), settings));
    });
    group.finish();
}
