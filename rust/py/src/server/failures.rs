//! Failures of the server as Python's exceptions, and the other way about.

use crossfade_server::{Failure, Kind};
use pyo3::prelude::*;
use pyo3::types::PyType;

/// The exception of a failure: of its class in `crossfade.errors`.
pub(crate) fn raised(py: Python<'_>, failure: &Failure) -> PyErr {
    let class = py.import("crossfade.errors").and_then(|errors| errors.getattr(failure.kind.name()));
    match class.and_then(|class| class.call1((&failure.message,))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// The failure of an exception. `executor` is told of one that is no class of `crossfade.errors`: it logs it, and says
/// what the caller is told instead.
pub(super) fn failure(py: Python<'_>, executor: &Py<PyAny>, error: &PyErr) -> Failure {
    if let Some(kind) = kind(py, error) {
        return Failure::new(kind, error.value(py).to_string());
    }
    let told = executor.call_method1(py, "internal_error", (error.value(py),));
    let message = told.and_then(|told| told.extract::<String>(py));
    Failure::new(Kind::Internal, message.unwrap_or_else(|_| "internal error: this is a fault of the server".to_owned()))
}

/// The nearest class of the table, of those that an exception is an instance of.
fn kind(py: Python<'_>, error: &PyErr) -> Option<Kind> {
    error.get_type(py).mro().iter().find_map(|class| {
        let class = class.cast_into::<PyType>().ok()?;
        let ours = class.module().ok()? == "crossfade.errors";
        ours.then(|| Kind::of(&class.name().ok()?.to_string()))?
    })
}
