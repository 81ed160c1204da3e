//! Exact top-K scoring of vectors: inner product, cosine, squared Euclidean distance, Hamming distance.
//!
//! [`top_k`] scans fast and scores exactly. A scan, in whatever precision and order the processor does best, looks for
//! pairs that might belong to the best k, within a bound that is proved (`bound`); those few are scored in f64 in one
//! order (`exact`), while their rows lie in the nearest cache. No score is ever stored for later, and the result is the
//! same on every processor.
//!
//! | module | idea |
//! |---|---|
//! | `search` | what is asked for |
//! | `share_out`, `pool` | parts of any work, and the threads that do them |
//! | `drive`, `mask`, `read_ahead` | blocks of queries, chunks of the corpus, threads; filters; files larger than memory |
//! | `scan`, `scan::know` | one worker: scan a block of rows, score what might count, select; what is known of rows before |
//! | `queries`, `aligned` | queries in the form in which they are compared |
//! | `bound` | how far a scan may be off |
//! | `exact` | the scores |
//! | `backend` | the scans: AVX-512, AVX2, NEON, plain Rust |
//! | `select` | the best k of a stream |
//! | `element`, `rows`, `metric`, `error` | what the corpus may hold, and what can be wrong with it |
//! | `quantise` | smaller forms of vectors |
//! | `rescore` | the second stage of a search in two: exact scores for given candidates |
//! | `space` | one vector against rows that lie anywhere: what a graph's walk asks for |
//! | `words` | bytes of a file as numbers |
//! | `binary` | bits under the Hamming distance |
//! | `max_sim` | late interaction |

mod aligned;
mod backend;
mod binary;
mod bound;
mod drive;
mod element;
mod error;
mod exact;
mod mask;
mod max_sim;
mod metric;
mod pool;
mod quantise;
mod queries;
mod read_ahead;
mod rescore;
mod rows;
mod sample;
mod scan;
mod search;
mod select;
mod share_out;
mod space;
#[cfg(test)]
mod tests;
mod words;

pub use binary::top_k_binary;
pub use element::{Bf16, Corpus, F16, Scaled};
pub use error::Error;
pub use mask::Mask;
pub use max_sim::max_sim;
pub use metric::Metric;
pub use quantise::{to_bf16, to_binary, to_f16, to_int8};
pub use rescore::{rescore, rescore_one};
pub use rows::Rows;
pub use search::{Options, TopK, top_k};
pub use share_out::{for_each, threads};
pub use space::{Measured, Nearest, Point, Records, Signs, Sketches, Space, record_bytes};
pub use words::words;

/// Evaluate an expression on the best back end of this processor.
macro_rules! on_backend {
    ($backend:ident => $result:expr) => {{
        #[cfg(target_arch = "x86_64")]
        if let Some($backend) = crate::backend::Avx512::new() {
            return $result;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some($backend) = crate::backend::Avx2::new() {
            return $result;
        }
        #[cfg(target_arch = "aarch64")]
        let $backend = crate::backend::Neon::default();
        #[cfg(not(target_arch = "aarch64"))]
        let $backend = crate::backend::Portable::default();
        $result
    }};
}
use on_backend;

/// The instruction set that this processor's scans use: "avx512", "avx2", "neon" or "portable".
#[must_use]
pub fn instruction_set() -> &'static str {
    fn name<B: backend::Backend>(_: B) -> &'static str {
        B::NAME
    }
    on_backend!(backend => name(backend))
}
