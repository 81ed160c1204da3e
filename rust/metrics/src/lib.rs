//! Information-retrieval measures as `trec_eval` defines them, named as `ir-measures` names them; intervals, paired
//! tests, rank correlation and fusion.
//!
//! Queries and documents are integer codes of a [`Vocabulary`]; judgments and runs are [`Columns`] of such codes. A
//! string is looked at once, when it is coded, and again only to order two documents whose scores tie.

#![forbid(unsafe_code)]

mod columns;
mod compute;
mod correlation;
mod distributions;
mod error;
mod evaluate;
pub mod fusion;
mod intervals;
mod measure;
mod ordered;
mod random;
mod ranking;
mod sample;
mod significance;
#[cfg(test)]
mod tests;
mod threads;
mod vocabulary;

pub use columns::{Columns, Judgments, Run};
pub use correlation::{ApTies, ap_correlation, kendall_tau, rank_biased_overlap};
pub use error::Error;
pub use evaluate::{Missing, Options, Table, evaluate};
pub use intervals::{Bootstrap, Interval, Method, bootstrap_difference, bootstrap_means};
pub use measure::{Kind, Measure};
pub use ranking::Ties;
pub use significance::{
    Draws, Equivalence, Outcome, benjamini_hochberg, bootstrap_test, detectable_effect, equivalence_test, holm, power,
    queries_needed, randomisation_test, t_test, wilcoxon_test,
};
pub use vocabulary::Vocabulary;
