//! Approximate nearest neighbours: a navigable graph in layers (HNSW; Malkov and Yashunin 2018) over rows that never
//! change, built once, kept in a file, searched where the file is mapped.
//!
//! A walk through the graph finds candidates by rough distances ([`crossfade_kernels::Space`]); the best of them are
//! scored exactly, as [`crossfade_kernels::top_k`] scores. So what is approximate is which rows are found, never a score
//! or an order. With a mask, whatever happens, min(k, rows that may be found) rows come back: where a walk would cost
//! more than an exact search of what the mask leaves, or ends with too few, the search is exact.
//!
//! | module | idea |
//! |---|---|
//! | `settings`, `error` | what is asked for, and what can be wrong with it |
//! | `level`, `twins` | which rows stand in which layer; equal rows stand in the graph once |
//! | `layer`, `links` | a layer as a walk sees it; one that grows, on several threads |
//! | `walk`, `pool`, `scratch` | best first through a layer; the best so far; memory that is used again |
//! | `sieve`, `way` | far rows are left out before their codes are read; down through the layers, a step at a time |
//! | `select`, `build`, `repair` | which neighbours to keep; row after row; every row can be reached |
//! | `image`, `format`, `open` | the file: its parts, its header, what is checked of it |
//! | `search`, `filtered`, `plan` | batches of queries; with a mask; walk, scan or exact search |
//! | `codes` | the codes of all rows that may be found, in their order |
//! | `scan`, `kept` | the signs, or levels, of all rows that a mask leaves; they lie ready for the next query |
//! | `cells`, `near` | rows that are near the same centre; a scan of the cells that are near a query |
//! | `effort` | how far to walk for a recall that is aimed at |

#![forbid(unsafe_code)]

mod build;
mod cells;
mod codes;
mod effort;
mod error;
mod filtered;
mod format;
mod image;
mod kept;
mod layer;
mod level;
mod links;
mod near;
mod open;
mod plan;
mod pool;
mod repair;
mod scan;
mod scratch;
mod search;
mod select;
mod settings;
mod sieve;
#[cfg(test)]
mod tests;
mod twins;
mod walk;
mod way;

pub use build::{Built, build};
pub use effort::{Effort, ef_for_recall};
pub use error::Error;
pub use format::{Facts, MAGIC, VERSION};
pub use image::Part;
pub use open::{Graph, Verify};
pub use plan::{Plan, Ways};
pub use search::{Found, Search, search};
pub use settings::{Form, Settings};
