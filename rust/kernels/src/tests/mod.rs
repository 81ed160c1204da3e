//! Every back end against one naive oracle.

mod data;
mod doors;
mod oracle;
mod properties;

use crate::backend::Portable;
use crate::search::{Limits, Task, top_k_with};
use crate::{Error, Metric, Options, Rows, TopK};

const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

/// Limits so small that a few rows already make several blocks, chunks and threads.
const TINY: Limits = Limits { query_bytes: 1, block_keys: 1 << 22, chunk_bytes: 1, products_per_thread: 1 };

/// The same task on each back end that this machine has.
fn on_every_backend(task: Task<'_>, threads: usize, limits: Limits) -> Vec<(&'static str, Result<TopK, Error>)> {
    let options = Options { threads, interrupted: None };
    let mut results = vec![("portable", top_k_with(Portable, task, options, limits))];
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = crate::backend::Avx2::new() {
        results.push(("avx2", top_k_with(avx2, task, options, limits)));
    }
    results
}

fn rows(data: &[f32], dimension: usize) -> Rows<'_> {
    Rows::new(data, dimension).unwrap()
}
