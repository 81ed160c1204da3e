//! Exact top-K scoring of dense vectors.

mod rows;
mod search;

pub use rows::{Fault, Rows};
pub use search::{Error, Metric, Options, TopK, top_k};
