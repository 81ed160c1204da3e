//! BM25 full-text search over the rows of a collection: immutable segments and a small tail of fresh rows.
//!
//! A [`Segment`] is a directory: a tantivy index of one segment without stored texts, and a manifest with the checksums
//! of its files. A [`Tail`] holds rows in memory that no segment has yet. [`search`] scores all parts with the
//! statistics of all of them, in sums of whole numbers, so that a score does not depend on how rows are split.
//!
//! | module | idea |
//! |---|---|
//! | `settings`, `stop_words` | which analyser, in a form that is stored |
//! | `normalise`, `runs`, `words`, `analyse` | texts to tokens: the same for rows and queries |
//! | `feed` | the tokens of rows as tantivy wants them |
//! | `build`, `manifest`, `segment` | writing a segment, vouching for its files, reading it |
//! | `tail` | rows in memory |
//! | `lengths` | row lengths in one byte |
//! | `bm25`, `units` | the formula, and sums that do not round |
//! | `cursor`, `peaks` | the rows of a term in one part, and what they get at most |
//! | `plan`, `scan`, `best`, `mask` | a query's terms over all parts; one part's rows; the best k; filters |
//! | `search`, `explain` | what is asked for |

#![forbid(unsafe_code)]

mod analyse;
mod best;
mod bm25;
mod build;
mod cursor;
mod error;
mod explain;
mod feed;
mod labels;
mod lengths;
mod manifest;
mod mask;
mod normalise;
mod peaks;
mod plan;
mod remembered;
mod runs;
mod scan;
mod search;
mod segment;
mod settings;
mod stop_words;
mod tail;
#[cfg(test)]
mod tests;
mod units;
mod words;

pub use analyse::{Analyser, MOST_TOKEN_BYTES};
pub use bm25::Bm25;
pub use build::{Builder, LEAST_MEMORY, build_of};
pub use error::Error;
pub use explain::{Explanation, TermScore, explain};
pub use search::{Found, MOST_QUERY_TOKENS, Options, Part, Rows, search};
pub use segment::Segment;
pub use settings::{Language, Settings, StopWords};
pub use tail::{Tail, View};
