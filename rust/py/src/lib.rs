//! The Python extension `crossfade._native`: conversion, GIL release and error mapping, nothing else.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands every argument over by value")]

mod alignment;
mod arrow;
mod correlation;
mod files;
mod fusion;
mod graph;
mod ids;
mod intervals;
mod kernels;
mod mappings;
mod measures;
mod overlap;
mod ranked_lists;
mod server;
mod significance;
mod tables;
mod text;

use pyo3::prelude::*;

pyo3::import_exception!(crossfade.errors, InvalidInput);

fn invalid(error: &crossfade_metrics::Error) -> PyErr {
    InvalidInput::new_err(error.to_string())
}

/// Native code of crossfade. Use the modules of the package that stand before it, which check and explain.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::alignment::align_runs;
    #[pymodule_export]
    use crate::correlation::{ap_correlation, kendall_tau, rank_biased_overlap};
    #[pymodule_export]
    use crate::fusion::{fuse_arrays, fuse_runs};
    #[pymodule_export]
    use crate::graph::{Graph, graph_build};
    #[pymodule_export]
    use crate::intervals::{bootstrap_difference, bootstrap_means};
    #[pymodule_export]
    use crate::kernels::{instruction_set, max_sim, rescore, to_binary, to_int8, to_words, top_k, top_k_binary};
    #[pymodule_export]
    use crate::measures::{canonical_measure, evaluate, tie_bounds};
    #[pymodule_export]
    use crate::overlap::{OverlapIndex, normalise_texts};
    #[pymodule_export]
    use crate::server::{Call, SearchCall, Server, check_bindable, status_code};
    #[pymodule_export]
    use crate::significance::{
        benjamini_hochberg, bootstrap_test, detectable_effect, equivalence_test, holm, power, queries_needed,
        randomisation_test, t_test, wilcoxon_test,
    };
    #[pymodule_export]
    use crate::tables::{Qrels, RunTable};
    #[pymodule_export]
    use crate::text::{
        TextBuilder, TextSegment, TextTail, TextView, canonical_settings, explain_text, search_text, text_tokens,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
