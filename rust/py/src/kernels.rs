//! The door to `crossfade-kernels`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crossfade_kernels::{Error, Metric, Options, Rows};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::InvalidInput;

/// How often Python is asked whether a signal came in.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

type TopKArrays<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i64>>);

/// Exact top-K; both arrays C-contiguous. See `crossfade.kernels.top_k`.
#[pyfunction]
pub(crate) fn top_k<'py>(
    py: Python<'py>,
    queries: PyReadonlyArray2<'py, f32>,
    corpus: PyReadonlyArray2<'py, f32>,
    k: usize,
    metric: &str,
    threads: usize,
) -> PyResult<TopKArrays<'py>> {
    let metric = match metric {
        "ip" => Metric::InnerProduct,
        "cosine" => Metric::Cosine,
        "l2" => Metric::L2,
        other => {
            return Err(InvalidInput::new_err(format!(
                "metric {other:?} is not known: use \"cosine\", \"ip\" or \"l2\""
            )));
        }
    };
    let count = queries.shape()[0];
    let (query_rows, corpus_rows) = (rows(&queries, "queries")?, rows(&corpus, "corpus")?);
    let (found, raised) = py.detach(|| {
        let signals = Signals::default();
        let interrupted = || signals.raised();
        let options = Options { threads, interrupted: Some(&interrupted) };
        (crossfade_kernels::top_k(query_rows, corpus_rows, k, metric, options), signals.error.take())
    });
    if let Some(error) = raised {
        return Err(error);
    }
    let found = found.map_err(|error: Error| InvalidInput::new_err(error.to_string()))?;
    let shape = [count, found.k];
    let matrix = |flat: Bound<'py, PyArray1<f32>>| flat.reshape(shape);
    Ok((matrix(found.scores.into_pyarray(py))?, found.indices.into_pyarray(py).reshape(shape)?))
}

fn rows<'a>(array: &'a PyReadonlyArray2<'_, f32>, name: &str) -> PyResult<Rows<'a>> {
    let data = array
        .as_slice()
        .map_err(|_| InvalidInput::new_err(format!("{name} must be C-contiguous: use numpy.ascontiguousarray")))?;
    Rows::new(data, array.shape()[1]).map_err(|error| InvalidInput::new_err(format!("{name}: {error}")))
}

/// Looks for Python signals, at most once an interval, from the thread that called.
struct Signals {
    next: Cell<Instant>,
    error: Cell<Option<PyErr>>,
}

impl Default for Signals {
    fn default() -> Self {
        Self { next: Cell::new(Instant::now() + SIGNAL_INTERVAL), error: Cell::new(None) }
    }
}

impl Signals {
    /// Whether a signal handler raised; its exception is then in `error`.
    fn raised(&self) -> bool {
        if Instant::now() < self.next.get() {
            return false;
        }
        self.next.set(Instant::now() + SIGNAL_INTERVAL);
        Python::attach(|py| py.check_signals().map_err(|error| self.error.set(Some(error)))).is_err()
    }
}
