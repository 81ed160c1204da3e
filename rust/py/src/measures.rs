//! The door to `crossfade-metrics`.

use std::collections::HashSet;

use crossfade_metrics::{Columns, Judgments, Measure, Missing, Options, Run, Ties, Vocabulary};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};

use crate::{InvalidInput, invalid};

/// The canonical spelling of a measure.
#[pyfunction]
pub(crate) fn canonical_measure(name: &str) -> PyResult<String> {
    name.parse::<Measure>().map(|measure| measure.to_string()).map_err(|error| invalid(&error))
}

type Evaluated<'py> = (Vec<String>, Bound<'py, PyArray2<f64>>, Vec<String>);

/// Query ids, values of shape (queries, measures), judged queries that the run lacks.
#[pyfunction]
pub(crate) fn evaluate<'py>(
    py: Python<'py>,
    qrels: &Bound<'py, PyAny>,
    run: &Bound<'py, PyAny>,
    measures: Vec<String>,
    ties: &str,
    missing: &str,
) -> PyResult<Evaluated<'py>> {
    let measures: Vec<Measure> =
        measures.iter().map(|name| name.parse().map_err(|error| invalid(&error))).collect::<PyResult<_>>()?;
    let ties = match ties {
        "float32" => Ties::Float32,
        "float64" => Ties::Float64,
        other => {
            return Err(InvalidInput::new_err(format!("ties {other:?} is not known: use \"float32\" or \"float64\"")));
        }
    };
    let missing = match missing {
        "skip" => Missing::Skip,
        "zero" => Missing::Zero,
        other => {
            return Err(InvalidInput::new_err(format!("missing {other:?} is not known: use \"skip\" or \"zero\"")));
        }
    };
    let mut ids = Ids::default();
    let judgments: Judgments = ids.columns(qrels, "qrels", "a whole number that fits 32 bits", |_| true)?;
    let judged: HashSet<u32> = judgments.queries().iter().copied().collect();
    let run: Run = ids.columns(run, "run", "a number", |query| judged.contains(&query))?;
    let table = py
        .detach(|| {
            let options = Options { ties, missing, threads: 0 };
            crossfade_metrics::evaluate((&ids.queries, &ids.documents), &judgments, &run, &measures, options)
        })
        .map_err(|error| invalid(&error))?;
    let names = |codes: &[u32]| codes.iter().map(|&code| ids.queries.name(code).to_owned()).collect::<Vec<_>>();
    let shape = [table.queries.len(), measures.len()];
    Ok((names(&table.queries), table.values.into_pyarray(py).reshape(shape)?, names(&table.missing)))
}

/// The vocabularies of one evaluation.
#[derive(Default)]
struct Ids {
    queries: Vocabulary,
    documents: Vocabulary,
}

impl Ids {
    /// Code a mapping of mappings; groups whose query `wanted` refuses are passed over.
    fn columns<'py, V: Copy + for<'a> FromPyObject<'a, 'py>>(
        &mut self,
        outer: &Bound<'py, PyAny>,
        name: &str,
        expected: &str,
        wanted: impl Fn(u32) -> bool,
    ) -> PyResult<Columns<V>> {
        let mut columns = Columns::default();
        each(outer, name, |query, inner| {
            let query = text(query, || format!("a query id of {name}"))?;
            let code = self.queries.code(query);
            if !wanted(code) {
                return Ok(());
            }
            columns.begin(code);
            each(inner, &format!("{name}[{query:?}]"), |document, value| {
                let document = text(document, || format!("a document id of {name}[{query:?}]"))?;
                let value = value.extract::<V>().map_err(|_| {
                    InvalidInput::new_err(format!("{name}[{query:?}][{document:?}] must be {expected}, not {value:?}"))
                })?;
                columns.push(self.documents.code(document), value);
                Ok(())
            })
        })?;
        Ok(columns)
    }
}

/// Visit the items of a dict, or of any mapping.
fn each<'py>(
    mapping: &Bound<'py, PyAny>,
    name: &str,
    mut visit: impl FnMut(&Bound<'py, PyAny>, &Bound<'py, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    if let Ok(dict) = mapping.cast::<PyDict>() {
        return dict.iter().try_for_each(|(key, value)| visit(&key, &value));
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

fn text<'a>(id: &'a Bound<'_, PyAny>, what: impl Fn() -> String) -> PyResult<&'a str> {
    match id.cast::<PyString>() {
        Ok(string) => {
            string.to_str().map_err(|_| InvalidInput::new_err(format!("{} is not valid Unicode: {id:?}", what())))
        }
        Err(_) => Err(InvalidInput::new_err(format!("{} must be a str, not {id:?}", what()))),
    }
}
