//! Every back end, type of element and way against one naive oracle.

mod binary;
mod data;
mod doors;
mod late;
mod levels;
mod oracle;
mod properties;
mod sampled;
mod signs;
mod sketches;
mod small;
mod space;
mod unit;

use proptest::test_runner::Config as ProptestConfig;

use crate::drive::Limits;
use crate::search::{Task, top_k_with};
use crate::{Corpus, Error, Metric, Options, Rows, TopK};

const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

/// `cases` of a property, or as many as `PROPTEST_CASES` says: a tool that runs all of it much slower needs fewer.
fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() }
}

/// Limits so small that a few rows already make several blocks, chunks and threads.
const TINY: Limits = Limits {
    query_bytes: 1,
    block_queries: 1024,
    block_keys: 1 << 22,
    chunk_bytes: 1,
    chunk_products: 1 << 28,
    products_per_thread: 1,
    coded_f32_queries: 7,
    reckoned_pairs: 1,
    sampled_queries: 1,
    sampled_keys: 1,
    // Half of the floors are too high.
    sample_margin: 0.0,
};

/// Evaluate an expression for each back end that this machine has, with its name.
macro_rules! on_every_backend {
    (|$backend:ident| $result:expr) => {{
        fn name_of<B: crate::backend::Backend>(_: B) -> &'static str {
            B::NAME
        }
        let mut results = Vec::new();
        let $backend = crate::backend::Portable::default();
        results.push((name_of($backend), $result));
        let $backend = crate::backend::Neon::default();
        results.push((name_of($backend), $result));
        #[cfg(target_arch = "x86_64")]
        if let Some($backend) = crate::backend::Avx2::new() {
            results.push((name_of($backend), $result));
        }
        #[cfg(target_arch = "x86_64")]
        if let Some($backend) = crate::backend::Avx512::new() {
            results.push((name_of($backend), $result));
        }
        #[cfg(target_arch = "x86_64")]
        if let Some($backend) = crate::backend::Avx512::without_extensions() {
            results.push((name_of($backend), $result));
        }
        results
    }};
}
use on_every_backend;

/// The same task on each back end that this machine has.
fn search_everywhere(task: Task<'_>, options: Options<'_>, limits: Limits) -> Vec<(&'static str, Result<TopK, Error>)> {
    on_every_backend!(|backend| top_k_with(backend, task, options, limits))
}

fn threads(threads: usize) -> Options<'static> {
    Options { threads, ..Options::default() }
}

fn rows<T>(data: &[T], dimension: usize) -> Rows<'_, T> {
    Rows::new(data, dimension).unwrap()
}

fn floats(data: &[f32], dimension: usize) -> Corpus<'_> {
    Corpus::F32(rows(data, dimension))
}

/// The results of query `q`.
fn of(found: &TopK, q: usize) -> Vec<(f32, usize)> {
    let range = q * found.k..(q + 1) * found.k;
    found.scores[range.clone()].iter().copied().zip(found.indices[range].iter().map(|&i| i as usize)).collect()
}

fn bits(found: &[(f32, usize)]) -> Vec<(u32, usize)> {
    found.iter().map(|&(score, row)| (score.to_bits(), row)).collect()
}
