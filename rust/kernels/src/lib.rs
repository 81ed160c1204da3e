//! Exact top-K scoring of dense vectors: inner product, cosine, squared Euclidean distance.
//!
//! [`top_k`] packs a few rows of the corpus at a time, scores them against packed queries in register tiles and holds
//! the scores against each query's threshold while they lie in the nearest cache. No score is ever stored for later.
//!
//! | module | idea |
//! |---|---|
//! | `search` | blocks of queries, chunks of the corpus, threads |
//! | `block` | one worker: pack, score, select |
//! | `queries`, `panel`, `aligned` | the packed form of vectors |
//! | `metric` | the three metrics, and pairs too large or too small for f32 sums |
//! | `backend` | the tiles: AVX2 where the processor has it, plain Rust everywhere |
//! | `select` | the best k of a stream |

mod aligned;
mod backend;
mod block;
mod error;
mod metric;
mod panel;
mod queries;
mod rows;
mod search;
mod select;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use metric::Metric;
pub use rows::Rows;
pub use search::{Options, TopK, top_k};
