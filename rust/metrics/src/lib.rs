//! Information-retrieval measures as `trec_eval` defines them, named as `ir-measures` names them, and paired
//! significance tests.
//!
//! [`Rows`] from any source, or the bytes of a file ([`parse`]), become [`Judgments`] and a [`Run`]: columns of integers
//! grouped by query. [`evaluate`] holds one against the other; [`tie_bounds`] also says how much the order of tied
//! documents could change.

#![forbid(unsafe_code)]

mod bounds;
mod columns;
mod compute;
mod error;
mod evaluate;
mod gather;
mod judgments;
mod lookup;
mod measure;
pub mod parse;
mod random;
mod ranking;
mod rows;
mod run;
mod significance;
mod spelling;
#[cfg(test)]
mod tests;
mod texts;
mod threads;
mod vocabulary;

pub use error::Error;
pub use evaluate::{Bounds, Missing, Options, Table, evaluate, tie_bounds};
pub use judgments::Judgments;
pub use measure::{Kind, Measure};
pub use ranking::Ties;
pub use rows::Rows;
pub use run::Run;
pub use significance::{Bootstrap, Interval, Randomisation, holm, paired_bootstrap, paired_randomisation};
pub use vocabulary::Vocabulary;
