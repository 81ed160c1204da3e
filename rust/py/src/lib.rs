//! The Python extension `crossfade._native`: conversion, GIL release and error mapping, nothing else.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands every argument over by value")]

mod arrow;
mod ids;
mod kernels;
mod mappings;
mod measures;
mod tables;

use pyo3::prelude::*;
use pyo3::types::PyDict;

pyo3::import_exception!(crossfade.errors, InvalidInput);
pyo3::import_exception!(crossfade.errors, DataError);

fn invalid(error: &crossfade_metrics::Error) -> PyErr {
    InvalidInput::new_err(error.to_string())
}

/// The `DataError` of a file.
fn data_error(py: Python<'_>, path: &str, error: &crossfade_metrics::Error) -> PyErr {
    let build = || {
        let keywords = PyDict::new(py);
        let reason = match error {
            crossfade_metrics::Error::Line { line, reason } => {
                keywords.set_item("line", line)?;
                reason.clone()
            }
            other => other.to_string(),
        };
        py.get_type::<DataError>().call((path, reason), Some(&keywords))
    };
    build().map_or_else(|error| error, PyErr::from_value)
}

/// Native code of crossfade. Use `crossfade.kernels`, `crossfade.measures` and `crossfade.tables`, which check and explain.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::kernels::top_k;
    #[pymodule_export]
    use crate::measures::{canonical_measure, evaluate, holm, paired_bootstrap, paired_randomisation, tie_bounds};
    #[pymodule_export]
    use crate::tables::{Qrels, RunTable};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
