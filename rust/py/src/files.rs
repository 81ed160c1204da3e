//! Files, whose faults are `DataError`s.

use std::fs::File;
use std::path::PathBuf;

use crossfade_metrics::Error;
use crossfade_metrics::parse::Source;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

pyo3::import_exception!(crossfade.errors, DataError);

/// Parse the content given, or the file at `path`.
pub(crate) fn parse<T: Send>(
    py: Python<'_>,
    path: &Bound<'_, PyAny>,
    content: Option<&Bound<'_, PyBytes>>,
    parse: fn(&dyn Source, usize) -> Result<T, Error>,
) -> PyResult<T> {
    let parsed = if let Some(content) = content {
        let bytes = content.as_bytes();
        py.detach(|| parse(&bytes, 0))
    } else {
        let file = File::open(path.extract::<PathBuf>()?)?;
        py.detach(|| parse(&file, 0))
    };
    parsed.map_err(|error| data_error(path, &error).unwrap_or_else(|error| error))
}

fn data_error(path: &Bound<'_, PyAny>, error: &Error) -> PyResult<PyErr> {
    let py = path.py();
    let keywords = PyDict::new(py);
    let reason = match error {
        Error::Line { line, reason } => {
            keywords.set_item("line", line)?;
            reason.clone()
        }
        other => other.to_string(),
    };
    Ok(PyErr::from_value(py.get_type::<DataError>().call((path, reason), Some(&keywords))?))
}
