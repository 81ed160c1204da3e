//! The paired bootstrap test.

use super::{Draws, Outcome};
use crate::Error;
use crate::random::Random;
use crate::sample::{Differences, positive};
use crate::threads::shares;

/// The paired bootstrap test, two-sided and studentised (Efron and Tibshirani 1993, section 16.4; for retrieval Sakai
/// 2006): the differences are moved to a mean of zero, which makes the null hypothesis true, and drawn again; p is
/// (1 + #{|t*| >= |t|}) / (1 + count). The statistic is Student's t, the effect size Cohen's d of the differences.
/// Differences that are all zero give t = 0 and p = 1. Values of t that are equal in exact arithmetic count as equal,
/// whatever their rounding.
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
            let error = deviation / (n as f64).sqrt();
            let t = effect / error;
            let centred: Vec<f64> = differences.values.iter().map(|d| d - effect).collect();
            let observed = Observed { t: t.abs(), error, n: n as f64, rounding: differences.mean_allowance() };
            let extreme: usize = shares(draws.count, n, draws.threads, |share| {
                share.filter(|&i| observed.reached(&centred, &mut Random::new(draws.seed, i as u64))).count()
            })
            .into_iter()
            .sum();
            (t, (1 + extreme) as f64 / (1 + draws.count) as f64)
        }
    };
    Ok(Outcome { statistic, p, effect, effect_size: differences.effect_size(), n, exact: false })
}

/// What resamples are held against.
struct Observed {
    /// Student's t, without its sign.
    t: f64,
    /// The standard error of the mean.
    error: f64,
    n: f64,
    /// By how much a value, and the mean of a resample, may be off.
    rounding: f64,
}

impl Observed {
    /// Whether Student's t of one resample is at least as extreme. A resample that drew the same value throughout has no
    /// variation, and a t beyond every bound unless that value is zero.
    fn reached(&self, centred: &[f64], random: &mut Random) -> bool {
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..centred.len() {
            let value = centred[random.below(centred.len() as u64) as usize];
            sum += value;
            squares += value * value;
        }
        let mean = f64::abs(sum) / self.n;
        let deviations = squares - sum * sum / self.n;
        // The subtraction of n additions each, of values that are themselves off: what is smaller than that is none.
        let rounding = 2.0 * self.n * (f64::EPSILON * squares + 2.0 * self.rounding * self.rounding);
        if deviations <= rounding {
            return mean > self.rounding || self.t <= self.rounding / self.error;
        }
        let error = (deviations / (self.n - 1.0) / self.n).sqrt();
        mean / error >= self.t - self.allowance(error)
    }

    /// By how much t and a resample's t with this standard error may differ where they are equal in exact arithmetic.
    /// Rounding moves each mean by `rounding` and each deviation by as much; the squares, whose sum is
    /// 1 + t² / (n - 1) times that of the deviations, are off by n additions.
    fn allowance(&self, error: f64) -> f64 {
        let additions = 2.0 * self.n * f64::EPSILON * (1.0 + self.t * self.t / (self.n - 1.0));
        (1.0 + self.t) * self.rounding * (1.0 / self.error + 1.0 / error) + self.t * additions
    }
}
