//! Fisher's paired randomisation test.

use super::signs::{Tables, blocks, extremes};
use super::{Draws, Outcome};
use crate::Error;
use crate::sample::{Differences, positive};
use crate::threads::shares;

/// Differences of which all assignments may be looked at, if the caller would draw as many.
const MOST_ENUMERATED: u32 = 24;

/// Fisher's paired randomisation test, two-sided (Smucker, Allan and Carterette 2007): under the null hypothesis each
/// query's difference is as likely to have the other sign. The statistic is the mean difference, the effect size
/// Cohen's d of the differences.
///
/// When the assignments of the differences that are not zero number no more than `draws.count`, all are looked at and
/// p is exact. Otherwise p is (1 + #{|s*| >= |s|}) / (1 + count) over random assignments (Phipson and Smyth 2010: never
/// zero). Sums that are equal in exact arithmetic count as equal, whatever their rounding.
///
/// # Errors
/// [`Error::Sample`] when the samples are empty, differ in length or hold a value that is not finite, or when
/// `draws.count` is 0.
pub fn randomisation_test(base: &[f64], candidate: &[f64], draws: Draws) -> Result<Outcome, Error> {
    let differences = Differences::new(base, candidate)?;
    positive(draws.count, "permutations")?;
    let moved: Vec<f64> = differences.values.iter().copied().filter(|&d| d != 0.0).collect();
    let threshold = moved.iter().sum::<f64>().abs() - differences.sum_allowance();
    let exact = moved.len() <= MOST_ENUMERATED as usize && 1 << moved.len() <= draws.count;
    let p = if exact {
        enumerated(&moved, threshold)
    } else {
        let drawn = shares(blocks(draws.count), 128 * moved.len(), draws.threads, |share| {
            extremes(&moved, threshold, share, (draws.count, draws.seed))
        });
        (1 + drawn.into_iter().sum::<usize>()) as f64 / (1 + draws.count) as f64
    };
    Ok(Outcome {
        statistic: differences.mean(),
        p,
        effect: differences.mean(),
        effect_size: differences.effect_size(),
        n: differences.n(),
        exact,
    })
}

/// The share of all assignments that are as extreme. An assignment and its opposite are alike in magnitude, so half of
/// them tell.
fn enumerated(differences: &[f64], threshold: f64) -> f64 {
    let tables = Tables::new(differences);
    let count = 1_u64 << differences.len().saturating_sub(1);
    (0..count).filter(|&signs| tables.sum(signs).abs() >= threshold).count() as f64 / count as f64
}
