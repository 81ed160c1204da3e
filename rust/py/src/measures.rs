//! The door to `crossfade-metrics`.

use crossfade_metrics::{Judgments, Measure, Missing, Options, Table, Ties};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::tables::{Qrels, RunTable};
use crate::{InvalidInput, invalid};

/// The canonical spelling of a measure.
#[pyfunction]
pub(crate) fn canonical_measure(name: &str) -> PyResult<String> {
    name.parse::<Measure>().map(|measure| measure.to_string()).map_err(|error| invalid(&error))
}

type Evaluated<'py> = (Bound<'py, PyTuple>, Bound<'py, PyArray2<f64>>, Bound<'py, PyTuple>);
type Bounded<'py> = (Evaluated<'py>, Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>);

/// Query ids, values of shape (queries, measures), judged queries that the run lacks.
#[pyfunction]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    qrels: &Bound<'py, Qrels>,
    run: &Bound<'py, RunTable>,
    measures: Vec<String>,
    ties: &str,
    missing: &str,
) -> PyResult<Evaluated<'py>> {
    let (judgments, run) = (&qrels.get().0, &run.get().0);
    let (measures, options) = settings(&measures, ties, missing)?;
    let table = py.detach(|| crossfade_metrics::evaluate(judgments, run, &measures, options));
    to_python(py, judgments, table, measures.len())
}

/// The same, with the worst and the best values that the order of tied documents allows.
#[pyfunction]
pub(crate) fn tie_bounds<'py>(
    py: Python<'py>,
    qrels: &Bound<'py, Qrels>,
    run: &Bound<'py, RunTable>,
    measures: Vec<String>,
    ties: &str,
    missing: &str,
) -> PyResult<Bounded<'py>> {
    let (judgments, run) = (&qrels.get().0, &run.get().0);
    let (measures, options) = settings(&measures, ties, missing)?;
    let bounds = py.detach(|| crossfade_metrics::tie_bounds(judgments, run, &measures, options));
    let shape = [bounds.table.queries.len(), measures.len()];
    let (worst, best) = (bounds.worst.into_pyarray(py).reshape(shape)?, bounds.best.into_pyarray(py).reshape(shape)?);
    Ok((to_python(py, judgments, bounds.table, measures.len())?, worst, best))
}

fn settings(measures: &[String], ties: &str, missing: &str) -> PyResult<(Vec<Measure>, Options)> {
    let measures =
        measures.iter().map(|name| name.parse().map_err(|error| invalid(&error))).collect::<PyResult<_>>()?;
    let ties = ties_of(ties)?;
    let missing = match missing {
        "skip" => Missing::Skip,
        "zero" => Missing::Zero,
        other => {
            return Err(InvalidInput::new_err(format!("missing {other:?} is not known: use \"skip\" or \"zero\"")));
        }
    };
    Ok((measures, Options { ties, missing, threads: 0 }))
}

/// Which scores tie, by name.
pub(crate) fn ties_of(name: &str) -> PyResult<Ties> {
    match name {
        "float32" => Ok(Ties::Float32),
        "float64" => Ok(Ties::Float64),
        other => Err(InvalidInput::new_err(format!("ties {other:?} is not known: use \"float32\" or \"float64\""))),
    }
}

fn to_python<'py>(py: Python<'py>, judgments: &Judgments, table: Table, measures: usize) -> PyResult<Evaluated<'py>> {
    let names = |codes: &[u32]| PyTuple::new(py, codes.iter().map(|&code| judgments.query(code)));
    let shape = [table.queries.len(), measures];
    Ok((names(&table.queries)?, table.values.into_pyarray(py).reshape(shape)?, names(&table.missing)?))
}
