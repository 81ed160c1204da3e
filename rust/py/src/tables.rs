//! The classes that hold judgments and runs, and the ways into them.

use crossfade_metrics::{Judgments, Rows, Run, parse};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::ids::IdArray;
use crate::{arrow, files, invalid, mappings};

/// Judgments; use `crossfade.tables.Qrels`.
#[pyclass(frozen, module = "crossfade._native")]
pub(crate) struct Qrels(pub(crate) Judgments);

/// A run; use `crossfade.tables.Run`.
#[pyclass(frozen, name = "Run", module = "crossfade._native")]
pub(crate) struct RunTable(pub(crate) Run);

#[pymethods]
impl Qrels {
    #[staticmethod]
    fn from_dict(py: Python<'_>, mapping: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::gather(py, mappings::rows(mapping, "qrels", "a whole number that fits 32 bits")?)
    }

    /// One query id for every `per_query` rows.
    #[staticmethod]
    fn from_arrays(
        py: Python<'_>,
        queries: IdArray<'_>,
        documents: IdArray<'_>,
        values: PyReadonlyArray1<'_, i32>,
        per_query: usize,
    ) -> PyResult<Self> {
        Self::gather(py, crate::ids::rows(py, &queries, &documents, values.as_slice()?, per_query)?)
    }

    /// `columns`: the names of those of queries, documents and grades.
    #[staticmethod]
    fn from_arrow(py: Python<'_>, table: &Bound<'_, PyAny>, columns: [String; 3]) -> PyResult<Self> {
        Self::gather(py, arrow::rows(table, &columns, arrow::grades)?)
    }

    /// A file, "trec" or "beir", from its content or, without it, from its place.
    #[staticmethod]
    fn parse(
        py: Python<'_>,
        path: &Bound<'_, PyAny>,
        format_name: &str,
        content: Option<&Bound<'_, PyBytes>>,
    ) -> PyResult<Self> {
        let read = match format_name {
            "trec" => parse::trec_judgments,
            "beir" => parse::beir_judgments,
            other => return Err(PyValueError::new_err(format!("no format {other:?}"))),
        };
        files::parse(py, path, content, read).map(Self)
    }

    /// Queries, judged or not.
    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    #[getter]
    fn query_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, (0..self.0.len() as u32).map(|query| self.0.query(query)))
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let queries = 0..self.0.len() as u32;
        mappings::dict(py, queries.map(|query| (self.0.query(query), self.0.grades(query))))
    }
}

impl Qrels {
    fn gather(py: Python<'_>, rows: Rows<i32>) -> PyResult<Self> {
        py.detach(|| Judgments::gather(&[rows], 0)).map(Self).map_err(|error| invalid(&error))
    }
}

#[pymethods]
impl RunTable {
    #[staticmethod]
    fn from_dict(py: Python<'_>, mapping: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::gather(py, mappings::rows(mapping, "run", "a number")?)
    }

    /// One query id for every `per_query` rows.
    #[staticmethod]
    fn from_arrays(
        py: Python<'_>,
        queries: IdArray<'_>,
        documents: IdArray<'_>,
        values: PyReadonlyArray1<'_, f64>,
        per_query: usize,
    ) -> PyResult<Self> {
        Self::gather(py, crate::ids::rows(py, &queries, &documents, values.as_slice()?, per_query)?)
    }

    /// `columns`: the names of those of queries, documents and scores.
    #[staticmethod]
    fn from_arrow(py: Python<'_>, table: &Bound<'_, PyAny>, columns: [String; 3]) -> PyResult<Self> {
        Self::gather(py, arrow::rows(table, &columns, arrow::scores)?)
    }

    /// A TREC file, from its content or, without it, from its place.
    #[staticmethod]
    fn parse(py: Python<'_>, path: &Bound<'_, PyAny>, content: Option<&Bound<'_, PyBytes>>) -> PyResult<Self> {
        files::parse(py, path, content, parse::trec_run).map(Self)
    }

    /// Queries, with or without results.
    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    #[getter]
    fn query_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, (0..self.0.len() as u32).map(|query| self.0.query(query)))
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let queries = 0..self.0.len() as u32;
        mappings::dict(py, queries.map(|query| (self.0.query(query), self.0.ranking(query))))
    }
}

impl RunTable {
    fn gather(py: Python<'_>, rows: Rows<f64>) -> PyResult<Self> {
        py.detach(|| Run::gather(&[rows], 0)).map(Self).map_err(|error| invalid(&error))
    }
}
