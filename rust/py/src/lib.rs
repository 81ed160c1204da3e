//! The Python extension `crossfade._native`: conversion, GIL release and error mapping, nothing else.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands every argument over by value")]

mod kernels;
mod measures;

use pyo3::prelude::*;

pyo3::import_exception!(crossfade.errors, InvalidInput);

/// Native code of crossfade. Use `crossfade.kernels` and `crossfade.measures`, which check and explain.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::kernels::{instruction_set, max_sim, rescore, to_binary, to_int8, to_words, top_k, top_k_binary};
    #[pymodule_export]
    use crate::measures::{canonical_measure, evaluate, holm, paired_bootstrap, paired_randomisation};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
