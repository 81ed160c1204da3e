//! The door to the alignment of runs.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::measures::ties_of;
use crate::tables::RunTable;

type Aligned<'py> =
    (Bound<'py, PyTuple>, [Bound<'py, PyArray1<u32>>; 2], Bound<'py, PyArray2<i32>>, Bound<'py, PyArray1<bool>>);

/// Ids of queries that only the second run has, lengths of both, positions of shape (queries, ranks), ties.
#[pyfunction]
pub(crate) fn align_runs<'py>(
    py: Python<'py>,
    first: &Bound<'py, RunTable>,
    second: &Bound<'py, RunTable>,
    depth: usize,
    ties: &str,
) -> PyResult<Aligned<'py>> {
    let (ours, theirs) = (&first.get().0, &second.get().0);
    let ties = ties_of(ties)?;
    let found = py.detach(|| crossfade_metrics::align(ours, theirs, depth, ties, 0));
    let only = PyTuple::new(py, found.only_second.iter().map(|&query| theirs.query(query)))?;
    let shape = [found.tied.len(), found.width];
    let lengths = found.lengths.map(|lengths| lengths.into_pyarray(py));
    Ok((only, lengths, found.positions.into_pyarray(py).reshape(shape)?, found.tied.into_pyarray(py)))
}
