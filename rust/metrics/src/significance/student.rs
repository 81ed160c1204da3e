//! Student's paired t test.

use super::Outcome;
use crate::Error;
use crate::distributions::t_two_sided;
use crate::sample::Differences;

/// Student's paired t test, two-sided: t = mean / (s / √n) with n - 1 degrees of freedom, for differences that are nearly
/// normal or many. The statistic is t, the effect size Cohen's d of the differences. Differences that are all zero give
/// t = 0 and p = 1.
///
/// # Errors
/// [`Error::Sample`] when the samples are empty, differ in length, hold a value that is not finite or fewer than two
/// queries, or when the differences are all alike and not zero.
pub fn t_test(base: &[f64], candidate: &[f64]) -> Result<Outcome, Error> {
    let differences = Differences::new(base, candidate)?;
    let n = differences.n();
    let effect = differences.mean();
    let t = differences.deviation_for_a_test()?.map_or(0.0, |deviation| effect / (deviation / (n as f64).sqrt()));
    Ok(Outcome {
        statistic: t,
        p: t_two_sided(t, (n - 1) as f64),
        effect,
        effect_size: differences.effect_size(),
        n,
        exact: false,
    })
}
