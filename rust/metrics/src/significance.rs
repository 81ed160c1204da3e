//! Paired tests on one measure of two systems over the same queries.

use std::num::NonZero;
use std::ops::Range;
use std::thread;

use crate::Error;
use crate::random::Random;

/// Settings of [`paired_bootstrap`].
#[derive(Debug, Clone, Copy)]
pub struct Bootstrap {
    /// How many times the queries are drawn again; at least 1.
    pub resamples: usize,
    /// How much of the distribution the interval covers, between 0 and 1.
    pub confidence: f64,
    /// Equal seeds give equal results, at any number of threads.
    pub seed: u64,
    /// How many threads may work; 0 is one for every core.
    pub threads: usize,
}

/// Settings of [`paired_randomisation`].
#[derive(Debug, Clone, Copy)]
pub struct Randomisation {
    /// How many random sign assignments are tried; at least 1.
    pub permutations: usize,
    /// Equal seeds give equal results, at any number of threads.
    pub seed: u64,
    /// How many threads may work; 0 is one for every core.
    pub threads: usize,
}

/// The mean difference, candidate minus base, and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean difference.
    pub delta: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

/// The percentile bootstrap interval of the mean difference (Efron and Tibshirani 1993, chapter 13; for retrieval
/// Sakai 2006): queries are drawn with replacement, and the interval runs between the percentiles (1 - confidence) / 2
/// and (1 + confidence) / 2 of the means, interpolated linearly.
///
/// # Errors
/// [`Error::Sample`] when the samples are empty, differ in length or hold a value that is not finite, or when a setting
/// is out of range.
pub fn paired_bootstrap(base: &[f64], candidate: &[f64], settings: Bootstrap) -> Result<Interval, Error> {
    let differences = differences(base, candidate)?;
    positive(settings.resamples, "resamples")?;
    if !(settings.confidence > 0.0 && settings.confidence < 1.0) {
        return Err(Error::Sample(format!(
            "confidence must lie between 0 and 1, not {}: 0.95 is usual",
            settings.confidence
        )));
    }
    let n = differences.len();
    let mut means = shares(settings.resamples, n, settings.threads, |share| {
        share
            .map(|i| {
                let mut random = Random::new(settings.seed, i as u64);
                let sum: f64 = (0..n).map(|_| differences[random.below(n as u64) as usize]).sum();
                sum / n as f64
            })
            .collect::<Vec<f64>>()
    })
    .concat();
    means.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - settings.confidence) / 2.0;
    Ok(Interval { delta: mean(&differences), low: quantile(&means, tail), high: quantile(&means, 1.0 - tail) })
}

/// Fisher's paired randomisation test, two-sided (Smucker, Allan and Carterette 2007): under the null hypothesis each
/// query's difference is as likely to have the other sign. The p value is (1 + #{|s*| >= |s|}) / (1 + permutations)
/// over random sign assignments (Phipson and Smyth 2010: never zero).
///
/// Sums that are equal in exact arithmetic may differ by rounding; `>=` therefore allows for the bound on that
/// difference: each sum of n terms errs by at most n u Σ|d|, with u = 2^-53.
///
/// # Errors
/// [`Error::Sample`] when the samples are empty, differ in length or hold a value that is not finite, or when
/// `permutations` is 0.
pub fn paired_randomisation(base: &[f64], candidate: &[f64], settings: Randomisation) -> Result<f64, Error> {
    let differences = differences(base, candidate)?;
    positive(settings.permutations, "permutations")?;
    let n = differences.len();
    let magnitude: f64 = differences.iter().map(|d| d.abs()).sum();
    let allowance = n as f64 * f64::EPSILON * magnitude;
    let threshold = differences.iter().sum::<f64>().abs() - allowance;
    let extreme: usize = shares(settings.permutations, n, settings.threads, |share| {
        share.filter(|&i| flipped(&differences, &mut Random::new(settings.seed, i as u64)).abs() >= threshold).count()
    })
    .into_iter()
    .sum();
    Ok((1 + extreme) as f64 / (1 + settings.permutations) as f64)
}

/// Holm's (1979) step-down correction: adjusted p values, in the order given, that may be held against the level of the
/// whole family.
///
/// # Errors
/// [`Error::Sample`] for a p value that is not between 0 and 1.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    if let Some((i, p)) = p_values.iter().enumerate().find(|(_, p)| !(0.0..=1.0).contains(*p)) {
        return Err(Error::Sample(format!("p value {i} is {p}: it must lie between 0 and 1")));
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max(p_values[i] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[i] = least;
    }
    Ok(adjusted)
}

/// The sum of the differences, each with a random sign.
fn flipped(differences: &[f64], random: &mut Random) -> f64 {
    let mut sum = 0.0;
    for part in differences.chunks(64) {
        let mut signs = random.next();
        for d in part {
            sum += f64::from_bits(d.to_bits() ^ (signs << 63));
            signs >>= 1;
        }
    }
    sum
}

fn differences(base: &[f64], candidate: &[f64]) -> Result<Vec<f64>, Error> {
    if base.len() != candidate.len() {
        return Err(Error::Sample(format!(
            "paired samples must be of one length: base has {}, candidate {}",
            base.len(),
            candidate.len()
        )));
    }
    if base.is_empty() {
        return Err(Error::Sample("paired samples are empty: at least one query is needed".into()));
    }
    for (values, whose) in [(base, "base"), (candidate, "candidate")] {
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::Sample(format!("value {i} of {whose} is {}: values must be finite", values[i])));
        }
    }
    let differences: Vec<f64> = base.iter().zip(candidate).map(|(b, c)| c - b).collect();
    if !differences.iter().map(|d| d.abs()).sum::<f64>().is_finite() {
        return Err(Error::Sample("the differences overflow: values must be of a sensible size".into()));
    }
    Ok(differences)
}

fn positive(count: usize, name: &str) -> Result<(), Error> {
    if count == 0 {
        return Err(Error::Sample(format!("{name} must be at least 1, not 0: 10,000 is usual")));
    }
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The quantile `q` of sorted values, linear between neighbours (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[place.ceil() as usize]);
    low + (high - low) * (place - below)
}

/// Draws for which a second thread is worth its start.
const DRAWS_PER_THREAD: usize = 1 << 16;

/// `work` on contiguous parts of 0..count, one a thread; the results in order.
fn shares<T: Send>(count: usize, cost: usize, threads: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if threads == 0 { cores() } else { threads };
    let threads = threads.min(count.saturating_mul(cost).div_ceil(DRAWS_PER_THREAD)).clamp(1, count);
    let bound = |t: usize| (count as u128 * t as u128 / threads as u128) as usize;
    thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = (1..threads).map(|t| scope.spawn(move || work(bound(t)..bound(t + 1)))).collect();
        let mut results = vec![work(0..bound(1))];
        results.extend(handles.into_iter().map(|h| h.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        results
    })
}
