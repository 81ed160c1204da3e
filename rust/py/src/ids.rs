//! Arrays of ids.

use std::fmt::Write;

use crossfade_metrics::Rows;
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyList, PyString};

use crate::InvalidInput;

/// Ids as `crossfade.tables` prepares them. A whole number stands for its decimal digits.
#[derive(FromPyObject)]
pub(crate) enum IdArray<'py> {
    /// Whole numbers.
    Whole(PyReadonlyArray1<'py, i64>),
    /// `NumPy`'s fixed-width text, seen as code points: one row an id, zeros at its end are padding.
    CodePoints(PyReadonlyArray2<'py, u32>),
    /// Strings.
    Strings(Bound<'py, PyList>),
}

/// The same, readable without the GIL.
enum Ids<'a> {
    Whole(&'a [i64]),
    CodePoints(&'a [u32], usize),
    Strings(Vec<PyBackedStr>),
}

impl IdArray<'_> {
    fn read(&self, what: &str) -> PyResult<Ids<'_>> {
        match self {
            Self::Whole(array) => Ok(Ids::Whole(array.as_slice()?)),
            Self::CodePoints(array) => Ok(Ids::CodePoints(array.as_slice()?, array.shape()[1])),
            Self::Strings(list) => {
                let strings = list.iter().enumerate().map(|(row, id)| match id.cast::<PyString>() {
                    Ok(string) => PyBackedStr::try_from(string.clone())
                        .map_err(|_| InvalidInput::new_err(format!("{what} {row} is not valid Unicode: {id:?}"))),
                    Err(_) => Err(InvalidInput::new_err(format!("{what} {row} must be a str, not {id:?}"))),
                });
                Ok(Ids::Strings(strings.collect::<PyResult<_>>()?))
            }
        }
    }
}

impl Ids<'_> {
    /// The id of a row, written into `buffer` where there is none to point at.
    fn get<'b>(&'b self, row: usize, buffer: &'b mut String, what: &str) -> Result<&'b str, String> {
        buffer.clear();
        match self {
            Self::Whole(array) => {
                // Writing into a string cannot fail.
                let _ = write!(buffer, "{}", array[row]);
            }
            Self::CodePoints(units, width) => {
                let units = &units[row * width..][..*width];
                let length = units.iter().rposition(|&unit| unit != 0).map_or(0, |last| last + 1);
                for &unit in &units[..length] {
                    buffer.push(char::from_u32(unit).ok_or_else(|| format!("{what} {row} is not valid Unicode"))?);
                }
            }
            Self::Strings(strings) => return Ok(&strings[row]),
        }
        Ok(buffer)
    }
}

/// Rows of parallel arrays, one query id for every `per_query` documents. Lengths were checked in Python.
pub(crate) fn rows<V: Copy + Send + Sync>(
    py: Python<'_>,
    queries: &IdArray<'_>,
    documents: &IdArray<'_>,
    values: &[V],
    per_query: usize,
) -> PyResult<Rows<V>> {
    let queries = queries.read("query id")?;
    let documents = documents.read("document id")?;
    py.detach(|| {
        let mut rows = Rows::default();
        rows.reserve(values.len());
        let (mut query_text, mut document_text) = (String::new(), String::new());
        for (row, &value) in values.iter().enumerate() {
            if row % per_query == 0 {
                rows.open(queries.get(row / per_query, &mut query_text, "query id")?);
            }
            rows.push(documents.get(row, &mut document_text, "document id")?, value);
        }
        Ok(rows)
    })
    .map_err(|reason: String| InvalidInput::new_err(reason))
}
