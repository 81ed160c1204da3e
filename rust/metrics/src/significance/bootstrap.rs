//! The paired bootstrap test.

use super::{Draws, Outcome};
use crate::Error;
use crate::random::Random;
use crate::sample::{Differences, positive};
use crate::threads::shares;

/// The paired bootstrap test, two-sided and studentised (Efron and Tibshirani 1993, section 16.4; for retrieval Sakai
/// 2006): the differences are moved to a mean of zero, which makes the null hypothesis true, and drawn again; p is
/// (1 + #{|t*| >= |t|}) / (1 + count). The statistic is Student's t, the effect size Cohen's d of the differences.
/// Differences that are all zero give t = 0 and p = 1.
///
/// # Errors
/// [`Error::Sample`] when the samples are empty, differ in length, hold a value that is not finite or fewer than two
/// queries, when the differences are all alike and not zero, or when `draws.count` is 0.
pub fn bootstrap_test(base: &[f64], candidate: &[f64], draws: Draws) -> Result<Outcome, Error> {
    let differences = Differences::new(base, candidate)?;
    positive(draws.count, "resamples")?;
    let (n, effect) = (differences.n(), differences.mean());
    let (statistic, p) = match differences.deviation_for_a_test()? {
        None => (0.0, 1.0),
        Some(deviation) => {
            let t = effect / (deviation / (n as f64).sqrt());
            let centred: Vec<f64> = differences.values.iter().map(|d| d - effect).collect();
            let extreme: usize = shares(draws.count, n, draws.threads, |share| {
                share
                    .filter(|&i| studentised(&centred, &mut Random::new(draws.seed, i as u64)).abs() >= t.abs())
                    .count()
            })
            .into_iter()
            .sum();
            (t, (1 + extreme) as f64 / (1 + draws.count) as f64)
        }
    };
    Ok(Outcome { statistic, p, effect, effect_size: differences.effect_size(), n, exact: false })
}

/// Student's t of one resample. One that drew the same value throughout has no variation, and a t beyond every bound.
fn studentised(values: &[f64], random: &mut Random) -> f64 {
    let n = values.len();
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..n {
        let value = values[random.below(n as u64) as usize];
        sum += value;
        squares += value * value;
    }
    let count = n as f64;
    let deviations = squares - sum * sum / count;
    // The subtraction of n additions each: what is smaller than their rounding is none.
    if deviations <= 2.0 * count * f64::EPSILON * squares {
        return if sum == 0.0 { 0.0 } else { f64::INFINITY };
    }
    (sum / count) / (deviations / (count - 1.0) / count).sqrt()
}
