//! Mappings of mappings: query id to document id to value.

use crossfade_metrics::Rows;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};

use crate::InvalidInput;

/// Read a mapping of mappings. `name` and `expected` are what errors call it and its values.
pub(crate) fn rows<'py, V: Copy + for<'a> FromPyObject<'a, 'py>>(
    outer: &Bound<'py, PyAny>,
    name: &str,
    expected: &str,
) -> PyResult<Rows<V>> {
    let mut rows = Rows::default();
    each(outer, name, |query, inner| {
        let query = text(query, || format!("a query id of {name}"))?;
        rows.open(query);
        each(inner, &format!("{name}[{query:?}]"), |document, value| {
            let document = text(document, || format!("a document id of {name}[{query:?}]"))?;
            let value = value.extract::<V>().map_err(|_| {
                InvalidInput::new_err(format!("{name}[{query:?}][{document:?}] must be {expected}, not {value:?}"))
            })?;
            rows.push(document, value);
            Ok(())
        })
    })?;
    Ok(rows)
}

/// Write a dict of dicts.
pub(crate) fn dict<'a, 'py, V: IntoPyObject<'py>>(
    py: Python<'py>,
    queries: impl Iterator<Item = (&'a str, impl Iterator<Item = (&'a str, V)>)>,
) -> PyResult<Bound<'py, PyDict>> {
    let outer = PyDict::new(py);
    for (query, documents) in queries {
        let inner = PyDict::new(py);
        for (document, value) in documents {
            inner.set_item(document, value)?;
        }
        outer.set_item(query, inner)?;
    }
    Ok(outer)
}

/// Visit the items of a dict, or of any mapping.
pub(crate) fn each<'py>(
    mapping: &Bound<'py, PyAny>,
    name: &str,
    mut visit: impl FnMut(&Bound<'py, PyAny>, &Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    // A subclass may have an order and items of its own; and a value's conversion may run code that changes the dict.
    if let Ok(dict) = mapping.cast_exact::<PyDict>() {
        return dict.copy()?.iter().try_for_each(|(key, value)| visit(&key, &value));
    }
    let Ok(mapping) = mapping.cast::<PyMapping>() else {
        return Err(InvalidInput::new_err(format!("{name} must be a dict, not {}", mapping.get_type().name()?)));
    };
    for item in mapping.items()?.iter() {
        let (key, value) = item.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()?;
        visit(&key, &value)?;
    }
    Ok(())
}

/// An id, which must be a string.
pub(crate) fn text<'a>(id: &'a Bound<'_, PyAny>, what: impl Fn() -> String) -> PyResult<&'a str> {
    match id.cast::<PyString>() {
        Ok(string) => {
            string.to_str().map_err(|_| InvalidInput::new_err(format!("{} is not valid Unicode: {id:?}", what())))
        }
        Err(_) => Err(InvalidInput::new_err(format!("{} must be a str, not {id:?}", what()))),
    }
}
