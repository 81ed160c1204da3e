//! Paired tests on one measure of two systems over the same queries.

mod bootstrap;
mod equivalence;
mod multiplicity;
mod power;
mod randomisation;
mod signs;
mod student;
mod wilcoxon;

pub use bootstrap::bootstrap_test;
pub use equivalence::{Equivalence, equivalence_test};
pub use multiplicity::{benjamini_hochberg, holm};
pub use power::{detectable_effect, power, queries_needed};
pub use randomisation::randomisation_test;
pub use student::t_test;
pub use wilcoxon::wilcoxon_test;

/// What a two-sided paired test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The test's own statistic; see the test.
    pub statistic: f64,
    /// The probability of a statistic at least as extreme under the null hypothesis.
    pub p: f64,
    /// The mean difference, candidate minus base.
    pub effect: f64,
    /// The standardised effect; see the test. None for Cohen's d of differences that are all alike and not zero, 0 for
    /// those that are all zero.
    pub effect_size: Option<f64>,
    /// How many queries there are.
    pub n: usize,
    /// Whether `p` comes from every outcome there is, and not from draws or an approximation.
    pub exact: bool,
}

/// Settings of the tests that draw at random.
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    /// How many sign assignments or resamples are drawn; at least 1.
    pub count: usize,
    /// Equal seeds give equal results, at any number of threads.
    pub seed: u64,
    /// How many threads may work; 0 is one for every core.
    pub threads: usize,
}
