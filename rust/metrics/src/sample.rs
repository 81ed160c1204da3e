//! Samples at the door: paired values, their differences, and the settings that tests share.

use crate::Error;

/// Candidate minus base, query by query.
pub(crate) struct Differences {
    pub(crate) values: Vec<f64>,
    /// By how much one difference may be off, where base and candidate are themselves rounded to the nearest double.
    /// With M the largest magnitude among them and u = 2^-53: each value errs by at most u M, their subtraction by at
    /// most 2 u M more, which makes 4 u M.
    pub(crate) rounding: f64,
}

impl Differences {
    /// # Errors
    /// [`Error::Sample`] when the samples are empty, differ in length, hold a value that is not finite or overflow.
    pub(crate) fn new(base: &[f64], candidate: &[f64]) -> Result<Self, Error> {
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
        finite(base, "base")?;
        finite(candidate, "candidate")?;
        let values: Vec<f64> = base.iter().zip(candidate).map(|(b, c)| c - b).collect();
        if !values.iter().map(|d| d * d).sum::<f64>().is_finite() {
            return Err(Error::Sample("the differences overflow: values must be of a sensible size".into()));
        }
        let largest = base.iter().chain(candidate).fold(0.0_f64, |most, v| most.max(v.abs()));
        Ok(Self { values, rounding: 2.0 * f64::EPSILON * largest })
    }

    pub(crate) fn n(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn mean(&self) -> f64 {
        mean(&self.values)
    }

    /// Whether base and candidate have the same value for every query.
    pub(crate) fn all_zero(&self) -> bool {
        self.values.iter().all(|&d| d == 0.0)
    }

    /// By how much two sums of the differences that are equal in exact arithmetic may differ, whatever the signs and the
    /// order of addition: twice the rounding of each difference, and twice (n - 1) u Σ|d| for the additions.
    pub(crate) fn sum_allowance(&self) -> f64 {
        let magnitude: f64 = self.values.iter().map(|d| d.abs()).sum();
        self.n() as f64 * (f64::EPSILON * magnitude + 2.0 * self.rounding)
    }

    /// By how much the deviation of a difference from the mean may be off, and the mean of any draw of deviations: the
    /// rounding of difference and mean, and (n + 1) u max|d| for the additions of each.
    pub(crate) fn mean_allowance(&self) -> f64 {
        let largest = self.values.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
        2.0 * self.rounding + (self.n() as f64 + 1.0) * f64::EPSILON * largest
    }

    /// The sample standard deviation (n - 1 below the line); None when the differences do not vary beyond what rounding
    /// explains, or when there is only one.
    pub(crate) fn deviation(&self) -> Option<f64> {
        let mean = self.mean();
        // The mean is off by as much as one difference, and by its own additions.
        let allowance = 2.0 * self.rounding + self.sum_allowance() / self.n() as f64;
        if self.values.iter().all(|d| (d - mean).abs() <= allowance) {
            return None;
        }
        let squares: f64 = self.values.iter().map(|d| (d - mean) * (d - mean)).sum();
        // Zero where the squares underflow.
        (squares > 0.0).then(|| (squares / (self.n() - 1) as f64).sqrt())
    }

    /// The standard deviation where a test divides by it. Without any variation a test's statistic is infinite, which
    /// would be evidence made of nothing; None stands for the one case that is clear, differences of zero throughout.
    ///
    /// # Errors
    /// [`Error::Sample`] for a single query, and for differences that are all alike and not zero.
    pub(crate) fn deviation_for_a_test(&self) -> Result<Option<f64>, Error> {
        if self.n() < 2 {
            return Err(Error::Sample("one query says nothing about variation: at least two are needed".into()));
        }
        match self.deviation() {
            None if !self.all_zero() => Err(Error::Sample(format!(
                "every query's difference is about {:?}, with no more variation than rounding: this test needs differences \
                 that vary; the randomisation test does not",
                self.values[0]
            ))),
            deviation => Ok(deviation),
        }
    }

    /// Cohen's d of paired values: mean over standard deviation of the differences (Cohen 1988, section 2.3: `d_z`).
    pub(crate) fn effect_size(&self) -> Option<f64> {
        if self.all_zero() { Some(0.0) } else { self.deviation().map(|deviation| self.mean() / deviation) }
    }
}

/// # Errors
/// [`Error::Sample`] naming the first value that is NaN or infinite.
pub(crate) fn finite(values: &[f64], name: &str) -> Result<(), Error> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(Error::Sample(format!("value {i} of {name} is {}: values must be finite", values[i]))),
        None => Ok(()),
    }
}

/// # Errors
/// [`Error::Sample`] for 0.
pub(crate) fn positive(count: usize, name: &str) -> Result<(), Error> {
    if count == 0 {
        return Err(Error::Sample(format!("{name} must be at least 1, not 0: 10,000 is usual")));
    }
    Ok(())
}

/// # Errors
/// [`Error::Sample`] for a value that is not between 0 and 1, both excluded.
pub(crate) fn fraction(value: f64, name: &str, usual: f64) -> Result<(), Error> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(Error::Sample(format!("{name} must lie between 0 and 1, not {value}: {usual} is usual")))
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
