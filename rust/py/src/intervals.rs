//! The door to bootstrap intervals.

use crossfade_metrics::{Bootstrap, Interval, Method};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::{InvalidInput, invalid};

type Ends = (f64, f64, f64);

fn settings(resamples: usize, confidence: f64, method: &str, seed: u64) -> PyResult<Bootstrap> {
    let method = match method {
        "percentile" => Method::Percentile,
        "bca" => Method::Bca,
        other => {
            return Err(InvalidInput::new_err(format!("method {other:?} is not known: use \"percentile\" or \"bca\"")));
        }
    };
    Ok(Bootstrap { resamples, confidence, method, seed, threads: 0 })
}

fn ends(interval: Interval) -> Ends {
    (interval.estimate, interval.low, interval.high)
}

/// Mean, low and high of every column.
#[pyfunction]
pub(crate) fn bootstrap_means(
    py: Python<'_>,
    values: PyReadonlyArray2<'_, f64>,
    resamples: usize,
    confidence: f64,
    method: &str,
    seed: u64,
) -> PyResult<Vec<Ends>> {
    let settings = settings(resamples, confidence, method, seed)?;
    let (rows, columns) = (values.as_array().iter().copied().collect::<Vec<f64>>(), values.shape()[1]);
    let found = py.detach(|| crossfade_metrics::bootstrap_means(&rows, columns, settings));
    Ok(found.map_err(|error| invalid(&error))?.into_iter().map(ends).collect())
}

/// Mean difference, low and high.
#[pyfunction]
pub(crate) fn bootstrap_difference(
    py: Python<'_>,
    base: PyReadonlyArray1<'_, f64>,
    candidate: PyReadonlyArray1<'_, f64>,
    resamples: usize,
    confidence: f64,
    method: &str,
    seed: u64,
) -> PyResult<Ends> {
    let settings = settings(resamples, confidence, method, seed)?;
    let (base, candidate) = (base.as_array().to_vec(), candidate.as_array().to_vec());
    let found = py.detach(|| crossfade_metrics::bootstrap_difference(&base, &candidate, settings));
    found.map(ends).map_err(|error| invalid(&error))
}
