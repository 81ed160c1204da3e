//! Bootstrap intervals of means.

use crate::Error;
use crate::distributions::{normal_cdf, normal_quantile};
use crate::random::Random;
use crate::sample::{Differences, finite, fraction, positive};
use crate::threads::shares;

/// How the ends of an interval are read off the means of the resamples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The percentiles (1 - confidence) / 2 and (1 + confidence) / 2 (Efron and Tibshirani 1993, chapter 13).
    Percentile,
    /// The same, moved for bias and for a standard error that changes with the mean (Efron 1987; Efron and Tibshirani
    /// 1993, section 14.3).
    Bca,
}

/// Settings of [`bootstrap_means`] and [`bootstrap_difference`].
#[derive(Debug, Clone, Copy)]
pub struct Bootstrap {
    /// How many times the queries are drawn again; at least 1.
    pub resamples: usize,
    /// How much of the distribution the interval covers, between 0 and 1.
    pub confidence: f64,
    /// How the ends are found.
    pub method: Method,
    /// Equal seeds give equal results, at any number of threads.
    pub seed: u64,
    /// How many threads may work; 0 is one for every core.
    pub threads: usize,
}

/// A mean and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean of the sample.
    pub estimate: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

/// The interval of every column's mean. `values` holds one row a query, `columns` values each; every resample draws the
/// rows once for all columns, so the intervals of several measures belong together.
///
/// # Errors
/// [`Error::Sample`] when there is no value, a value is not finite, sums overflow, a setting is out of range, there would
/// be more than 2^28 means of resamples, or too few of them lie on both sides of the mean for [`Method::Bca`].
pub fn bootstrap_means(values: &[f64], columns: usize, settings: Bootstrap) -> Result<Vec<Interval>, Error> {
    intervals(values, columns, 0.0, settings)
}

/// `rounding` is by how much a value may be off, where that is more than the half of its last digit.
fn intervals(values: &[f64], columns: usize, rounding: f64, settings: Bootstrap) -> Result<Vec<Interval>, Error> {
    if values.is_empty() || columns == 0 {
        return Err(Error::Sample("the sample is empty: at least one query and one measure are needed".into()));
    }
    if !values.len().is_multiple_of(columns) {
        return Err(Error::Sample(format!("{} values do not make rows of {columns}", values.len())));
    }
    finite(values, "the sample")?;
    if !(largest(values) * (values.len() / columns) as f64).is_finite() {
        return Err(Error::Sample("the sums of the sample overflow: values must be of a sensible size".into()));
    }
    positive(settings.resamples, "resamples")?;
    if settings.resamples.saturating_mul(columns) > MOST_MEANS {
        return Err(Error::Sample(format!(
            "{} resamples of {columns} measures are more than memory should hold: draw fewer, or take fewer measures at \
             once",
            settings.resamples
        )));
    }
    fraction(settings.confidence, "confidence", 0.95)?;
    let resampled = resampled_means(values, columns, settings);
    (0..columns)
        .map(|column| {
            let sample: Vec<f64> = values.iter().skip(column).step_by(columns).copied().collect();
            let mut means: Vec<f64> = resampled.iter().skip(column).step_by(columns).copied().collect();
            means.sort_unstable_by(f64::total_cmp);
            interval(&sample, &means, rounding, settings)
        })
        .collect()
}

/// How many means of resamples are kept at once: 2 GiB of them.
const MOST_MEANS: usize = 1 << 28;

/// The greatest magnitude.
fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}

/// The interval of the mean difference, candidate minus base, paired by query (for retrieval: Sakai 2006).
///
/// # Errors
/// As [`bootstrap_means`], and when the samples differ in length.
pub fn bootstrap_difference(base: &[f64], candidate: &[f64], settings: Bootstrap) -> Result<Interval, Error> {
    let differences = Differences::new(base, candidate)?;
    Ok(intervals(&differences.values, 1, differences.rounding, settings)?[0])
}

/// The means of every resample, one row a resample. Resample i draws from stream i of the seed.
fn resampled_means(values: &[f64], columns: usize, settings: Bootstrap) -> Vec<f64> {
    let n = values.len() / columns;
    shares(settings.resamples, n * columns, settings.threads, |share| {
        let mut means = vec![0.0; share.len() * columns];
        for (i, sums) in share.zip(means.chunks_exact_mut(columns)) {
            let mut random = Random::new(settings.seed, i as u64);
            if let [sum] = sums {
                *sum = (0..n).map(|_| values[random.below(n as u64) as usize]).sum();
            } else {
                for _ in 0..n {
                    let row = random.below(n as u64) as usize * columns;
                    sums.iter_mut().zip(&values[row..row + columns]).for_each(|(sum, value)| *sum += value);
                }
            }
            for sum in sums {
                *sum /= n as f64;
            }
        }
        means
    })
    .concat()
}

/// `means` are sorted.
fn interval(sample: &[f64], means: &[f64], rounding: f64, settings: Bootstrap) -> Result<Interval, Error> {
    let estimate = sample.iter().sum::<f64>() / sample.len() as f64;
    let tail = (1.0 - settings.confidence) / 2.0;
    let varies = sample.iter().any(|&v| v != sample[0]);
    let (low, high) = match settings.method {
        Method::Bca if varies => accelerated(sample, (estimate, rounding), means, tail)?,
        _ => (tail, 1.0 - tail),
    };
    Ok(Interval { estimate, low: quantile(means, low), high: quantile(means, high) })
}

/// The two quantiles of the means at which a bias-corrected and accelerated interval ends.
fn accelerated(
    sample: &[f64],
    (estimate, rounding): (f64, f64),
    means: &[f64],
    tail: f64,
) -> Result<(f64, f64), Error> {
    // Means that are equal in exact arithmetic differ by at most this: twice what a value is off, and twice the rounding
    // of n - 1 additions.
    let allowance = 2.0 * rounding + (sample.len() as f64 + 1.0) * f64::EPSILON * largest(sample);
    let below = means.partition_point(|&m| m < estimate - allowance);
    let not_above = means.partition_point(|&m| m <= estimate + allowance);
    // A mean that equals the estimate lies half on either side.
    let share = (below + not_above) as f64 / (2 * means.len()) as f64;
    if share == 0.0 || share == 1.0 {
        return Err(Error::Sample(format!(
            "all {} resamples lie on one side of the mean: BCa needs more of them, or use the percentile method",
            means.len()
        )));
    }
    let bias = normal_quantile(share);
    // Leaving out x moves a mean to (n m - x) / (n - 1): the jackknife's deviations are (x - m) / (n - 1), and the
    // factor cancels; so does the greatest of them, without which cubes would underflow or overflow.
    let greatest = sample.iter().fold(0.0_f64, |most, x| most.max((x - estimate).abs()));
    let (mut squares, mut cubes) = (0.0, 0.0);
    for deviation in sample.iter().map(|x| (x - estimate) / greatest) {
        squares += deviation * deviation;
        cubes += deviation * deviation * deviation;
    }
    let acceleration = cubes / (6.0 * squares * f64::sqrt(squares));
    let place = |z: f64| {
        let moved = bias + z;
        let scale = 1.0 - acceleration * moved;
        // Where the scale falls to zero the end has gone to infinity, and does not come back from the other side.
        normal_cdf(if scale > 0.0 { bias + moved / scale } else { moved * f64::INFINITY })
    };
    let z = normal_quantile(tail);
    Ok((place(z), place(-z)))
}

/// The quantile `q` of sorted values, linear between neighbours (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[place.ceil() as usize]);
    low + (high - low) * (place - below)
}
