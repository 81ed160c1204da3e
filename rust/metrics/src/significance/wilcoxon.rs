//! Wilcoxon's signed-rank test.

use super::Outcome;
use crate::Error;
use crate::distributions::normal_cdf;
use crate::sample::Differences;

/// Differences up to which the exact distribution is used; what `SciPy` uses too.
const MOST_EXACT: usize = 50;

/// Wilcoxon's (1945) signed-rank test, two-sided. Differences of zero are dropped; the others are ranked by magnitude,
/// equal ones at their average rank. The statistic is the lesser of the rank sums W+ and W-, the effect size the
/// matched-pairs rank-biserial correlation (W+ - W-) / (W+ + W-) (Kerby 2014).
///
/// p is exact for at most 50 differences with neither zeros nor ties; otherwise it comes from the normal approximation
/// with the variance corrected for ties, and moved half a rank towards the middle when `continuity` is set. Differences
/// that are all zero give p = 1. Ties are exact equalities of the differences as computed.
///
/// # Errors
/// [`Error::Sample`] when the samples are empty, differ in length or hold a value that is not finite.
pub fn wilcoxon_test(base: &[f64], candidate: &[f64], continuity: bool) -> Result<Outcome, Error> {
    let differences = Differences::new(base, candidate)?;
    let mut moved: Vec<f64> = differences.values.iter().copied().filter(|&d| d != 0.0).collect();
    moved.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    let (mut plus, mut tied, mut first) = (0.0, 0.0, 0.0);
    for group in moved.chunk_by(|a, b| a.abs() == b.abs()) {
        let size = group.len() as f64;
        let rank = first + f64::midpoint(size, 1.0);
        plus += rank * group.iter().filter(|&&d| d > 0.0).count() as f64;
        tied += size * (size * size - 1.0);
        first += size;
    }
    let m = moved.len() as f64;
    let total = m * (m + 1.0) / 2.0;
    let minus = total - plus;
    let least = plus.min(minus);
    let exact = tied == 0.0 && moved.len() == differences.n() && moved.len() <= MOST_EXACT;
    let p = if moved.is_empty() {
        1.0
    } else if exact {
        (2.0 * exact_lower_tail(moved.len(), least as usize)).min(1.0)
    } else {
        let variance = m * (m + 1.0) * (2.0 * m + 1.0) / 24.0 - tied / 48.0;
        let below = least - total / 2.0;
        let shift = if continuity && below < 0.0 { 0.5 } else { 0.0 };
        (2.0 * normal_cdf((below + shift) / variance.sqrt())).min(1.0)
    };
    let effect_size = Some(if moved.is_empty() { 0.0 } else { (plus - minus) / total });
    Ok(Outcome { statistic: least, p, effect: differences.mean(), effect_size, n: differences.n(), exact })
}

/// P(W <= w): of the 2^n subsets of the ranks 1..n, the share whose sum is at most `w`. The counts stay below 2^53 and
/// are exact.
fn exact_lower_tail(n: usize, w: usize) -> f64 {
    let mut subsets = vec![0.0_f64; w + 1];
    subsets[0] = 1.0;
    for rank in 1..=n.min(w) {
        for sum in (rank..=w).rev() {
            subsets[sum] += subsets[sum - rank];
        }
    }
    subsets.iter().sum::<f64>() / 2.0_f64.powi(n as i32)
}
