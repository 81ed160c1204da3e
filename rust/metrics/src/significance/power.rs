//! What a paired t test can find: power, the minimum detectable effect, the number of queries needed.

use crate::Error;
use crate::distributions::{increasing_root, normal_cdf, t_upper_quantile};
use crate::sample::fraction;

/// The probability that a two-sided paired t test at level `alpha` finds a true mean difference of `effect`, where the
/// differences are normal with standard deviation `deviation` and there are `n` queries: with noncentrality
/// δ = √n effect / deviation, P(|T'| > t) for T' of the noncentral t distribution (Cohen 1988, chapter 2).
///
/// # Errors
/// [`Error::Sample`] for `n` below 2, a `deviation` that is not positive, an `effect` that is not finite, or an `alpha`
/// that is not between 0 and 1.
pub fn power(effect: f64, deviation: f64, n: usize, alpha: f64) -> Result<f64, Error> {
    if !effect.is_finite() {
        return Err(Error::Sample(format!("the effect is {effect}: it must be finite")));
    }
    Ok(Design::new(deviation, n, alpha)?.power((n as f64).sqrt() * effect.abs() / deviation))
}

/// The minimum detectable effect: the true mean difference that the test of [`power`] finds with probability `target`.
///
/// # Errors
/// As [`power`], and for a `target` that is not between `alpha` and 1.
pub fn detectable_effect(deviation: f64, n: usize, alpha: f64, target: f64) -> Result<f64, Error> {
    let design = Design::new(deviation, n, alpha)?;
    reachable(target, alpha)?;
    let mut high = 1.0;
    while design.power(high) < target {
        high *= 2.0;
    }
    Ok(increasing_root(0.0, high, |delta| design.power(delta) - target) * deviation / (n as f64).sqrt())
}

/// The least number of queries with which the test of [`power`] finds `effect` with probability `target`.
///
/// # Errors
/// As [`detectable_effect`], and for an `effect` of zero or one that would need more than 2^40 queries.
pub fn queries_needed(effect: f64, deviation: f64, alpha: f64, target: f64) -> Result<usize, Error> {
    reachable(target, alpha)?;
    let enough = |n: usize| Ok::<bool, Error>(power(effect, deviation, n, alpha)? >= target);
    let mut high = 2;
    while !enough(high)? {
        high *= 2;
        if high > 1 << 40 {
            return Err(Error::Sample(format!(
                "an effect of {effect} is too small to be found with any number of queries"
            )));
        }
    }
    let mut low = 1;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

fn reachable(target: f64, alpha: f64) -> Result<(), Error> {
    fraction(target, "power", 0.8)?;
    if target <= alpha {
        return Err(Error::Sample(format!(
            "power {target} must be above alpha {alpha}, which no effect at all reaches"
        )));
    }
    Ok(())
}

/// A two-sided test with n - 1 degrees of freedom.
struct Design {
    df: f64,
    critical: f64,
}

impl Design {
    fn new(deviation: f64, n: usize, alpha: f64) -> Result<Self, Error> {
        if n < 2 {
            return Err(Error::Sample(format!("a paired t test needs at least 2 queries, not {n}")));
        }
        if !(deviation > 0.0 && deviation.is_finite()) {
            return Err(Error::Sample(format!(
                "the standard deviation of the differences is {deviation}: it must be positive and finite"
            )));
        }
        fraction(alpha, "alpha", 0.05)?;
        let df = (n - 1) as f64;
        Ok(Self { df, critical: t_upper_quantile(alpha / 2.0, df) })
    }

    /// P(|T'| > critical) for noncentrality `delta` >= 0. T' is (Z + δ) / S with Z normal and S² chi-squared over its
    /// degrees of freedom, so this is E[Φ(δ - c S) + Φ(-δ - c S)]: one integral over the density of S, which is
    /// normalised by the same rule and so needs no gamma function.
    fn power(&self, delta: f64) -> f64 {
        let (df, critical) = (self.df, self.critical);
        // Beyond these the density of S is below e^-50 of its greatest value.
        let spread = 10.0 / df.sqrt();
        let (low, high) = ((1.0 - spread).max(0.0), 1.0 + spread);
        // The normal distribution function passes from 1 to 0 within nine of its standard deviations of this.
        let step = (delta / critical, 9.0 / critical);
        let mut cuts: Vec<f64> = (0..=PANELS).map(|i| low + (high - low) * i as f64 / PANELS as f64).collect();
        cuts.extend((0..=PANELS).map(|i| step.0 + step.1 * (2.0 * i as f64 / PANELS as f64 - 1.0)));
        cuts.retain(|&s| (low..=high).contains(&s));
        cuts.sort_unstable_by(f64::total_cmp);
        let (mut total, mut found) = (0.0, 0.0);
        for panel in cuts.windows(2) {
            let (middle, half) = (panel[0].midpoint(panel[1]), (panel[1] - panel[0]) / 2.0);
            for (node, weight) in NODES {
                for s in [middle - half * node, middle + half * node] {
                    let density = half * weight * self.density(s);
                    total += density;
                    found += density * (normal_cdf(delta - critical * s) + normal_cdf(-delta - critical * s));
                }
            }
        }
        found / total
    }

    /// The density of S up to a factor: s^(df - 1) exp(-df s² / 2), over its value at 1.
    fn density(&self, s: f64) -> f64 {
        let beyond = s - 1.0;
        // Near zero the logarithm is -∞, and with one degree of freedom there is none of it.
        let power = if self.df > 1.0 { (self.df - 1.0) * beyond.ln_1p() } else { 0.0 };
        (power - self.df * beyond * (1.0 + beyond / 2.0)).exp()
    }
}

const PANELS: usize = 24;

/// Half the nodes of the Gauss-Legendre rule of order 8 on (-1, 1), which is symmetric, with their weights (Abramowitz
/// and Stegun 1964, table 25.4).
const NODES: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];
