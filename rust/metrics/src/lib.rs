//! Information-retrieval measures as `trec_eval` defines them, named as `ir-measures` names them; intervals, paired
//! tests, rank correlation and fusion.
//!
//! [`Rows`] from any source, or the bytes of a file ([`parse`]), become [`Judgments`] and a [`Run`]: columns of integers
//! grouped by query. [`evaluate`] holds one against the other; [`tie_bounds`] also says how much the order of tied
//! documents could change.

#![forbid(unsafe_code)]

mod align;
mod bounds;
mod columns;
mod compute;
mod correlation;
mod distributions;
mod error;
mod evaluate;
pub mod fusion;
mod gather;
mod intervals;
mod judgments;
mod lookup;
mod measure;
mod ordered;
pub mod parse;
mod random;
mod ranking;
mod rows;
mod run;
mod sample;
mod significance;
mod spelling;
#[cfg(test)]
mod tests;
mod texts;
mod threads;
mod vocabulary;

pub use align::{Alignment, align};
pub use correlation::{ApTies, ap_correlation, kendall_tau, rank_biased_overlap};
pub use error::Error;
pub use evaluate::{Bounds, Missing, Options, Table, evaluate, tie_bounds};
pub use intervals::{Bootstrap, Interval, Method, bootstrap_difference, bootstrap_means};
pub use judgments::Judgments;
pub use measure::{Kind, Measure};
pub use ranking::Ties;
pub use rows::Rows;
pub use run::Run;
pub use significance::{
    Draws, Equivalence, Outcome, benjamini_hochberg, bootstrap_test, detectable_effect, equivalence_test, holm, power,
    queries_needed, randomisation_test, t_test, wilcoxon_test,
};
