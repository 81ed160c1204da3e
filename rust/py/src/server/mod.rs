//! The door to `crossfade-server`: Python runs models and collections for it, and tells it when to end.

mod call;
mod configuration;
mod executor;
mod failures;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossfade_server::{InputType, Job, Priority};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

pub(crate) use self::call::Call;
use self::configuration::Configuration;
use self::executor::PythonExecutor;
pub(crate) use self::executor::SearchCall;
use self::failures::raised;

/// The gRPC server. See `crossfade.serving.server`.
#[pyclass(frozen, module = "crossfade._native")]
pub(crate) struct Server {
    started: OnceLock<crossfade_server::Server>,
    executor: Arc<PythonExecutor>,
    /// Which process made it.
    process: u32,
}

/// Vectors, token counts, whether texts were cut; nanoseconds of waiting, tokenising, inferring.
type EmbeddedArrays<'py> =
    (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<bool>>, (u64, u64, u64));

#[pymethods]
impl Server {
    /// `executor` has the methods `infer`, `search`, `answer` and `internal_error`.
    #[new]
    fn new(executor: Py<PyAny>) -> Self {
        Self { started: OnceLock::new(), executor: Arc::new(PythonExecutor(executor)), process: std::process::id() }
    }

    /// Bind the address, run every model once, take calls; where it listens.
    fn start(&self, py: Python<'_>, configuration: Configuration) -> PyResult<String> {
        if self.started.get().is_some() {
            return Err(PyRuntimeError::new_err("the server was started before"));
        }
        let (setup, settings) = configuration.read().map_err(|failure| raised(py, &failure))?;
        let executor = Arc::clone(&self.executor);
        let started = py.detach(|| crossfade_server::Server::start(executor, setup, &settings));
        let server = started.map_err(|failure| raised(py, &failure))?;
        let address = server.address().to_owned();
        self.started.set(server).map_err(|_| PyRuntimeError::new_err("the server was started before"))?;
        Ok(address)
    }

    /// Embed texts by the rules that calls keep to, waiting for room where a call would be refused.
    ///
    /// `priority`: 0 interactive, 1 bulk, 2 shadow.
    fn embed<'py>(
        &self,
        py: Python<'py>,
        model: String,
        query: bool,
        texts: Vec<String>,
        priority: usize,
        call: &Call,
    ) -> PyResult<EmbeddedArrays<'py>> {
        let server = self.running()?;
        let job = Job {
            model,
            input_type: if query { InputType::Query } else { InputType::Document },
            prompt: String::new(),
            texts,
            refuse_long: false,
            priority: Priority::ALL[priority.min(2)],
            deadline: call.0.deadline(),
            waits: true,
        };
        let embedded = py.detach(|| server.embed(job, &call.0));
        let embedded = embedded.map_err(|failure| raised(py, &failure))?;
        let rows = embedded.rows.len();
        let mut values = Vec::with_capacity(rows * embedded.dimension);
        embedded.rows.iter().for_each(|row| values.extend_from_slice(row.vector()));
        let counts: Vec<i32> = embedded.rows.iter().map(|row| row.tokens as i32).collect();
        let truncated: Vec<bool> = embedded.rows.iter().map(|row| row.truncated).collect();
        Ok((
            values.into_pyarray(py).reshape([rows, embedded.dimension])?,
            counts.into_pyarray(py),
            truncated.into_pyarray(py),
            (embedded.queue_ns, embedded.tokenise_ns, embedded.infer_ns),
        ))
    }

    /// Calls in progress.
    #[getter]
    fn active_calls(&self) -> PyResult<usize> {
        Ok(self.running()?.active_calls())
    }

    /// Threads that work for a call, also for one whose caller is gone.
    #[getter]
    fn working_threads(&self) -> PyResult<usize> {
        Ok(self.running()?.working_threads())
    }

    /// What the engine has done, by name.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.running()?.engine().counts();
        let dict = PyDict::new(py);
        for (name, value) in [
            ("batches", counts.batches),
            ("tokens", counts.tokens),
            ("padded_tokens", counts.padded_tokens),
            ("refused", counts.refused),
            ("cache_hits", counts.cache_hits),
            ("cache_misses", counts.cache_misses),
            ("cache_bytes", counts.cache_bytes),
            ("joined", counts.joined),
            ("waiting", counts.waiting),
            ("queued_tokens", counts.queued_tokens),
        ] {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    /// Refuse new calls from now on.
    fn begin_drain(&self, py: Python<'_>) -> PyResult<()> {
        let server = self.running()?;
        py.detach(|| server.begin_drain());
        Ok(())
    }

    /// Wait until no call is in progress, so many seconds at most; whether none is.
    fn wait_idle(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let (server, most) = (self.running()?, Duration::try_from_secs_f64(seconds).unwrap_or_default());
        Ok(py.detach(|| server.wait_idle(most)))
    }

    /// Cut the calls in progress and end; how many were cut.
    fn finish(&self, py: Python<'_>) -> PyResult<usize> {
        let server = self.running()?;
        // Runners need the GIL for the batch that they are at.
        Ok(py.detach(|| server.finish()))
    }
}

impl Server {
    fn running(&self) -> PyResult<&crossfade_server::Server> {
        self.started.get().ok_or_else(|| PyRuntimeError::new_err("the server has not been started"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its end waits for threads that may need the GIL, which whoever drops this holds.
        let server = self.started.take();
        if std::process::id() != self.process {
            // A child that was forked has none of its parent's threads: what waits for them would wait for ever.
            std::mem::forget(server);
        } else if server.is_some() {
            Python::attach(|py| py.detach(|| drop(server)));
        }
    }
}

/// Raises `InvalidInput`, saying why, when an address cannot be bound.
#[pyfunction]
pub(crate) fn check_bindable(py: Python<'_>, listen: &str) -> PyResult<()> {
    crossfade_server::check_bindable(listen).map_err(|failure| raised(py, &failure))
}

/// The gRPC status code of an error class, by its name; None when the server's table has no such class.
#[pyfunction]
pub(crate) fn status_code(name: &str) -> Option<i32> {
    crossfade_server::Kind::of(name).map(|kind| kind.code() as i32)
}
