//! The search by itself, over a corpus that stays in the cache: what the arithmetic and the selection cost, without
//! memory's say. `python -m bench` runs it and holds whole searches against the peers.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use crossfade_kernels::{Corpus, Metric, Options, Rows, TopK, top_k};

const ROWS: usize = 4096;
const K: usize = 100;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    batches(&mut criterion);
    metrics(&mut criterion);
    criterion.final_summary();
}

/// Inner products by dimension and batch; throughput counts multiply-adds.
fn batches(criterion: &mut Criterion) {
    for dimension in [384, 768, 1024] {
        let corpus = elements(ROWS * dimension, 1);
        let mut group = criterion.benchmark_group(format!("top_k/{dimension}"));
        for batch in [1, 8, 64] {
            let queries = elements(batch * dimension, 2);
            group.throughput(Throughput::Elements((batch * corpus.len()) as u64));
            group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
                bencher.iter(|| search(black_box(&queries), black_box(&corpus), dimension, Metric::InnerProduct));
            });
        }
        group.finish();
    }
}

/// What the other metrics add.
fn metrics(criterion: &mut Criterion) {
    let (dimension, batch) = (384, 8);
    let (queries, corpus) = (elements(batch * dimension, 2), elements(ROWS * dimension, 1));
    let mut group = criterion.benchmark_group("top_k/metric");
    group.throughput(Throughput::Elements((batch * corpus.len()) as u64));
    for (name, metric) in [("ip", Metric::InnerProduct), ("cosine", Metric::Cosine), ("l2", Metric::L2)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| search(black_box(&queries), black_box(&corpus), dimension, metric));
        });
    }
    group.finish();
}

/// One thread: criterion times the code, not the scheduler.
fn search(queries: &[f32], corpus: &[f32], dimension: usize, metric: Metric) -> TopK {
    let rows = |data| Rows::new(data, dimension).expect("whole rows");
    let options = Options { threads: 1, ..Options::default() };
    top_k(rows(queries), Corpus::F32(rows(corpus)), K, metric, options).expect("finite elements")
}

/// Numbers between -1 and 1, the same in every run (Knuth's MMIX generator).
fn elements(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}
