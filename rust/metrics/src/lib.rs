//! Information-retrieval measures as `trec_eval` defines them, named as `ir-measures` names them, and paired
//! significance tests.
//!
//! Queries and documents are integer codes of a [`Vocabulary`]; judgments and runs are [`Columns`] of such codes. A
//! string is looked at once, when it is coded, and again only to order two documents whose scores tie.

#![forbid(unsafe_code)]

mod columns;
mod compute;
mod error;
mod evaluate;
mod measure;
mod random;
mod ranking;
mod significance;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use columns::{Columns, Judgments, Run};
pub use error::Error;
pub use evaluate::{Missing, Options, Table, evaluate};
pub use measure::{Kind, Measure};
pub use ranking::Ties;
pub use significance::{Bootstrap, Interval, Randomisation, holm, paired_bootstrap, paired_randomisation};
pub use vocabulary::Vocabulary;
