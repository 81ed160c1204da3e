//! What the server needs done, done by Python.

use std::sync::Arc;

use bytes::Bytes;
use crossfade_server::{Executor, Failure, Found, Kind, Matrix, Ranked, Search, Tokens};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use super::call::Call;
use super::failures::failure;

/// An object with the methods `infer`, `search`, `answer` and `internal_error`.
pub(super) struct PythonExecutor(pub(super) Py<PyAny>);

/// With the GIL; Python that is at its end is not entered.
fn attached<T>(work: impl FnOnce(Python<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let ended = || Failure::new(Kind::Unavailable, "the server is shutting down: try another replica");
    Python::try_attach(work).unwrap_or_else(|| Err(ended()))
}

impl PythonExecutor {
    fn failure(&self, py: Python<'_>, error: PyErr) -> Failure {
        failure(py, &self.0, &error)
    }

    fn matrix(&self, py: Python<'_>, lane: usize, tokens: Tokens) -> PyResult<Matrix> {
        let shape = [tokens.rows, tokens.columns];
        let ids = PyArray1::from_vec(py, tokens.ids).reshape(shape)?;
        let mask = PyArray1::from_vec(py, tokens.mask).reshape(shape)?;
        let vectors = self.0.call_method1(py, "infer", (lane, ids, mask))?;
        let vectors: PyReadonlyArray2<'_, f32> = vectors.extract(py)?;
        // Columns that lie together are a slice too, of another order.
        let values = match vectors.as_slice() {
            Ok(values) if vectors.is_c_contiguous() => values.to_vec(),
            _ => vectors.as_array().iter().copied().collect(),
        };
        Ok(Matrix { values, dimension: vectors.shape()[1] })
    }

    fn found(&self, py: Python<'_>, calls: Vec<Search>) -> PyResult<Vec<Result<Found, Failure>>> {
        let calls = calls.into_iter().map(|search| Py::new(py, SearchCall::new(py, search)?));
        let calls = PyList::new(py, calls.collect::<PyResult<Vec<_>>>()?)?;
        let answers = self.0.call_method1(py, "search", (calls,))?;
        answers.bind(py).try_iter()?.map(|answer| self.one_found(py, &answer?)).collect()
    }

    /// An answer, or the exception in its place.
    fn one_found(&self, py: Python<'_>, answer: &Bound<'_, PyAny>) -> PyResult<Result<Found, Failure>> {
        if answer.is_instance_of::<pyo3::exceptions::PyBaseException>() {
            return Ok(Err(self.failure(py, PyErr::from_value(answer.clone()))));
        }
        let answer: Answer = answer.extract()?;
        Ok(Ok(Found {
            hits: match answer.encoded {
                Some(lists) => Ranked::Encoded(lists.into_iter().map(Bytes::from_owner).collect()),
                None => Ranked::Plain(answer.hits),
            },
            stages: answer.stages,
            incomplete: answer.incomplete,
            pending: answer.pending,
            query_fingerprint: answer.query_fingerprint,
            search_ns: answer.search_ns,
        }))
    }
}

impl Executor for PythonExecutor {
    fn infer(&self, lane: usize, tokens: Tokens) -> Result<Matrix, Failure> {
        attached(|py| self.matrix(py, lane, tokens).map_err(|error| self.failure(py, error)))
    }

    fn search(&self, calls: Vec<Search>) -> Vec<Result<Found, Failure>> {
        let count = calls.len();
        let found = attached(|py| self.found(py, calls).map_err(|error| self.failure(py, error)));
        found.unwrap_or_else(|failure| (0..count).map(|_| Err(failure.clone())).collect())
    }

    fn reader(&self, collection: &str, call: &Arc<crossfade_server::Call>) -> Result<String, Failure> {
        attached(|py| {
            let reader = || {
                let call = Py::new(py, Call(Arc::clone(call)))?;
                self.0.call_method1(py, "reader", (collection, call))?.extract(py)
            };
            reader().map_err(|error| self.failure(py, error))
        })
    }

    fn answer(&self, method: &str, request: Bytes, call: &Arc<crossfade_server::Call>) -> Result<Bytes, Failure> {
        attached(|py| {
            let answer = || {
                let call = Py::new(py, Call(Arc::clone(call)))?;
                let answer = self.0.call_method1(py, "answer", (method, PyBytes::new(py, &request), call))?;
                Ok(Bytes::copy_from_slice(answer.extract::<&[u8]>(py)?))
            };
            answer().map_err(|error| self.failure(py, error))
        })
    }
}

/// A search, as Python sees it.
#[pyclass(frozen, get_all, module = "crossfade._native")]
pub(crate) struct SearchCall {
    collection: String,
    model: Option<String>,
    fingerprint: String,
    vectors: Py<PyArray2<f32>>,
    k: usize,
    with_documents: bool,
    texts: Vec<String>,
    options: Py<PyBytes>,
    call: Py<Call>,
}

impl SearchCall {
    fn new(py: Python<'_>, search: Search) -> PyResult<Self> {
        let Search { collection, model, fingerprint, vectors, k, with_documents, texts, options, call } = search;
        let dimension = vectors.dimension;
        let count = vectors.values.len().checked_div(dimension).unwrap_or(0);
        let vectors = PyArray1::from_vec(py, vectors.values).reshape([count, dimension])?.unbind();
        let options = PyBytes::new(py, &options).unbind();
        let call = Py::new(py, Call(call))?;
        Ok(Self { collection, model, fingerprint, vectors, k, with_documents, texts, options, call })
    }
}

/// What Python answers a search with; see `crossfade.serving.batches.FoundHits`.
#[derive(FromPyObject)]
struct Answer {
    hits: Vec<Vec<(String, f32)>>,
    encoded: Option<Vec<PyBackedBytes>>,
    stages: Vec<(String, u64, u64)>,
    incomplete: bool,
    pending: u64,
    query_fingerprint: String,
    search_ns: u64,
}
