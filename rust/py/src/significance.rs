//! The door to paired tests, corrections, power and equivalence.

use crossfade_metrics::{Draws, Error, Outcome};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::invalid;

type Sample<'py> = PyReadonlyArray1<'py, f64>;

/// Statistic, p, effect, effect size, queries, whether p is exact.
type Found = (f64, f64, f64, Option<f64>, usize, bool);

fn run(
    py: Python<'_>,
    base: &Sample<'_>,
    candidate: &Sample<'_>,
    test: impl FnOnce(&[f64], &[f64]) -> Result<Outcome, Error> + Send,
) -> PyResult<Found> {
    let (base, candidate) = (base.as_array().to_vec(), candidate.as_array().to_vec());
    let o = py.detach(|| test(&base, &candidate)).map_err(|error| invalid(&error))?;
    Ok((o.statistic, o.p, o.effect, o.effect_size, o.n, o.exact))
}

/// Fisher's paired randomisation test.
#[pyfunction]
pub(crate) fn randomisation_test(
    py: Python<'_>,
    base: Sample<'_>,
    candidate: Sample<'_>,
    permutations: usize,
    seed: u64,
) -> PyResult<Found> {
    let draws = Draws { count: permutations, seed, threads: 0 };
    run(py, &base, &candidate, |base, candidate| crossfade_metrics::randomisation_test(base, candidate, draws))
}

/// The paired bootstrap test.
#[pyfunction]
pub(crate) fn bootstrap_test(
    py: Python<'_>,
    base: Sample<'_>,
    candidate: Sample<'_>,
    resamples: usize,
    seed: u64,
) -> PyResult<Found> {
    let draws = Draws { count: resamples, seed, threads: 0 };
    run(py, &base, &candidate, |base, candidate| crossfade_metrics::bootstrap_test(base, candidate, draws))
}

/// Student's paired t test.
#[pyfunction]
pub(crate) fn t_test(py: Python<'_>, base: Sample<'_>, candidate: Sample<'_>) -> PyResult<Found> {
    run(py, &base, &candidate, crossfade_metrics::t_test)
}

/// Wilcoxon's signed-rank test.
#[pyfunction]
pub(crate) fn wilcoxon_test(
    py: Python<'_>,
    base: Sample<'_>,
    candidate: Sample<'_>,
    continuity: bool,
) -> PyResult<Found> {
    run(py, &base, &candidate, |base, candidate| crossfade_metrics::wilcoxon_test(base, candidate, continuity))
}

/// Holm-adjusted p values.
#[pyfunction]
pub(crate) fn holm(p_values: Vec<f64>) -> PyResult<Vec<f64>> {
    crossfade_metrics::holm(&p_values).map_err(|error| invalid(&error))
}

/// Benjamini-Hochberg-adjusted p values.
#[pyfunction]
pub(crate) fn benjamini_hochberg(p_values: Vec<f64>) -> PyResult<Vec<f64>> {
    crossfade_metrics::benjamini_hochberg(&p_values).map_err(|error| invalid(&error))
}

/// Mean difference, its interval's ends, p against the lower and against the upper margin, queries.
#[pyfunction]
pub(crate) fn equivalence_test(
    base: Sample<'_>,
    candidate: Sample<'_>,
    lower: f64,
    upper: f64,
    alpha: f64,
) -> PyResult<(f64, f64, f64, f64, f64, usize)> {
    let (base, candidate) = (base.as_array().to_vec(), candidate.as_array().to_vec());
    let found = crossfade_metrics::equivalence_test(&base, &candidate, (lower, upper), alpha);
    let e = found.map_err(|error| invalid(&error))?;
    Ok((e.effect, e.interval.0, e.interval.1, e.p_lower, e.p_upper, e.n))
}

/// The power of a two-sided paired t test.
#[pyfunction]
pub(crate) fn power(effect: f64, deviation: f64, n: usize, alpha: f64) -> PyResult<f64> {
    crossfade_metrics::power(effect, deviation, n, alpha).map_err(|error| invalid(&error))
}

/// The minimum detectable effect.
#[pyfunction]
pub(crate) fn detectable_effect(deviation: f64, n: usize, alpha: f64, power: f64) -> PyResult<f64> {
    crossfade_metrics::detectable_effect(deviation, n, alpha, power).map_err(|error| invalid(&error))
}

/// The number of queries that an effect needs.
#[pyfunction]
pub(crate) fn queries_needed(effect: f64, deviation: f64, alpha: f64, power: f64) -> PyResult<usize> {
    crossfade_metrics::queries_needed(effect, deviation, alpha, power).map_err(|error| invalid(&error))
}
