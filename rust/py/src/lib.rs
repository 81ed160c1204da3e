//! The Python extension `crossfade._native`: conversion, GIL release and error mapping, nothing else.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands every argument over by value")]

mod arrow;
mod files;
mod ids;
mod kernels;
mod mappings;
mod measures;
mod tables;

use pyo3::prelude::*;

pyo3::import_exception!(crossfade.errors, InvalidInput);

fn invalid(error: &crossfade_metrics::Error) -> PyErr {
    InvalidInput::new_err(error.to_string())
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
