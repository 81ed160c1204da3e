//! A call, as Python sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::failures::raised;

/// One call's right to run: its deadline, its tenant, and whether anybody still waits for the answer.
#[pyclass(frozen, module = "crossfade._native")]
pub(crate) struct Call(pub(crate) Arc<crossfade_server::Call>);

#[pymethods]
impl Call {
    /// `seconds`: how long the caller will wait; None for ever.
    #[new]
    #[pyo3(signature = (seconds=None, tenant=None))]
    fn new(seconds: Option<f64>, tenant: Option<String>) -> Self {
        let patience = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        Self(Arc::new(crossfade_server::Call::new(deadline).of(tenant)))
    }

    /// Whose documents it may see, where documents are somebody's.
    #[getter]
    fn tenant(&self) -> Option<&str> {
        self.0.tenant()
    }

    /// Nobody waits any more: work that has not begun will not.
    fn cancel(&self) {
        self.0.cancel();
    }

    /// Raises `DeadlineExceeded` when the answer would come too late or to nobody.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.0.check().map_err(|failure| raised(py, &failure))
    }
}
