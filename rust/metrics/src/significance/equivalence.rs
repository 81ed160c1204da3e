//! Two one-sided tests: equivalence and non-inferiority.

use crate::Error;
use crate::distributions::{t_upper, t_upper_quantile};
use crate::sample::Differences;

/// What [`equivalence_test`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Equivalence {
    /// The mean difference, candidate minus base.
    pub effect: f64,
    /// The ends of the interval of confidence 1 - 2 alpha.
    pub interval: (f64, f64),
    /// p of the hypothesis that the true difference is at or below the lower margin.
    pub p_lower: f64,
    /// p of the hypothesis that the true difference is at or above the upper margin.
    pub p_upper: f64,
    /// How many queries there are.
    pub n: usize,
}

/// Schuirmann's (1987) two one-sided paired t tests against the margins `(lower, upper)` of the mean difference.
/// Equivalence is shown at `alpha` when both p values are at most `alpha`, which is when the interval of confidence
/// 1 - 2 alpha lies within the margins. The lower test alone is the test of non-inferiority; an upper margin of infinity
/// leaves the other out (its p is then 0). Differences that are all zero prove whatever margins surround zero.
///
/// # Errors
/// [`Error::Sample`] when the samples are empty, differ in length, hold a value that is not finite or fewer than two
/// queries, when the differences are all alike and not zero, when the margins do not surround zero, or when `alpha` is
/// not between 0 and 1/2.
pub fn equivalence_test(
    base: &[f64],
    candidate: &[f64],
    (lower, upper): (f64, f64),
    alpha: f64,
) -> Result<Equivalence, Error> {
    if !(lower < 0.0 && upper > 0.0) {
        return Err(Error::Sample(format!("the margins must surround zero, not be {lower} and {upper}")));
    }
    if !(alpha > 0.0 && alpha < 0.5) {
        return Err(Error::Sample(format!("alpha must lie between 0 and 1/2, not {alpha}: 0.05 is usual")));
    }
    let differences = Differences::new(base, candidate)?;
    let n = differences.n();
    let df = (n - 1) as f64;
    let effect = differences.mean();
    let Some(deviation) = differences.deviation_for_a_test()? else {
        return Ok(Equivalence { effect, interval: (effect, effect), p_lower: 0.0, p_upper: 0.0, n });
    };
    let error = deviation / (n as f64).sqrt();
    let half = t_upper_quantile(alpha, df) * error;
    Ok(Equivalence {
        effect,
        interval: (effect - half, effect + half),
        p_lower: t_upper((effect - lower) / error, df),
        p_upper: t_upper((upper - effect) / error, df),
        n,
    })
}
