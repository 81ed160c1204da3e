//! The door to rank correlation.

use crossfade_metrics::ApTies;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::{InvalidInput, invalid};

/// Kendall's tau-b.
#[pyfunction]
pub(crate) fn kendall_tau(py: Python<'_>, x: PyReadonlyArray1<'_, f64>, y: PyReadonlyArray1<'_, f64>) -> PyResult<f64> {
    let (x, y) = (x.as_array().to_vec(), y.as_array().to_vec());
    py.detach(|| crossfade_metrics::kendall_tau(&x, &y)).map_err(|error| invalid(&error))
}

/// AP correlation.
#[pyfunction]
pub(crate) fn ap_correlation(
    py: Python<'_>,
    x: PyReadonlyArray1<'_, f64>,
    y: PyReadonlyArray1<'_, f64>,
    ties: &str,
) -> PyResult<f64> {
    let ties = match ties {
        "accuracy" => ApTies::Accuracy,
        "agreement" => ApTies::Agreement,
        other => {
            return Err(InvalidInput::new_err(format!(
                "ties {other:?} is not known: use \"accuracy\" or \"agreement\""
            )));
        }
    };
    let (x, y) = (x.as_array().to_vec(), y.as_array().to_vec());
    py.detach(|| crossfade_metrics::ap_correlation(&x, &y, ties)).map_err(|error| invalid(&error))
}

/// Extrapolated rank-biased overlap of two lists of hashable items.
#[pyfunction]
pub(crate) fn rank_biased_overlap(
    py: Python<'_>,
    first: &Bound<'_, PyList>,
    second: &Bound<'_, PyList>,
    persistence: f64,
) -> PyResult<f64> {
    let codes = PyDict::new(py);
    let first = code(&codes, first, "first")?;
    let second = code(&codes, second, "second")?;
    crossfade_metrics::rank_biased_overlap(&first, &second, persistence).map_err(|error| invalid(&error))
}

/// A code for each item, the same for equal items.
fn code(codes: &Bound<'_, PyDict>, ranking: &Bound<'_, PyList>, name: &str) -> PyResult<Vec<u32>> {
    let unhashable = |rank: usize| {
        InvalidInput::new_err(format!("the {name} ranking's item at rank {rank} cannot be hashed: use document ids"))
    };
    ranking
        .iter()
        .enumerate()
        .map(|(i, item)| {
            if let Some(code) = codes.get_item(&item).map_err(|_| unhashable(i + 1))? {
                return code.extract();
            }
            let code = codes.len() as u32;
            codes.set_item(item, code)?;
            Ok(code)
        })
        .collect()
}
