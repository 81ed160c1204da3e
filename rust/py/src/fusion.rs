//! The door to rank fusion.

use crossfade_metrics::fusion::{Fused, Fusion, Normalisation, Rule, fuse};
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::ranked_lists::RankedLists;
use crate::{InvalidInput, invalid};

/// Rule, normalisation, weights (none for 1 each), k of reciprocal rank fusion, depth.
type Settings = (String, String, Vec<f64>, f64, usize);

fn settings((rule, normalisation, weights, k, depth): Settings) -> PyResult<Fusion> {
    let rule = match rule.as_str() {
        "rrf" => Rule::ReciprocalRank { k },
        "sum" => Rule::Sum,
        "mnz" => Rule::Mnz,
        other => {
            return Err(InvalidInput::new_err(format!("rule {other:?} is not known: use \"rrf\", \"sum\" or \"mnz\"")));
        }
    };
    let normalisation = match normalisation.as_str() {
        "none" => Normalisation::None,
        "min-max" => Normalisation::MinMax,
        "z-score" => Normalisation::ZScore,
        other => {
            return Err(InvalidInput::new_err(format!(
                "normalisation {other:?} is not known: use \"none\", \"min-max\" or \"z-score\""
            )));
        }
    };
    Ok(Fusion { rule, normalisation, weights, depth, threads: 0 })
}

/// Fuse mappings of query id to document id to score.
#[pyfunction]
pub(crate) fn fuse_runs<'py>(
    py: Python<'py>,
    runs: &Bound<'py, PyList>,
    settings: Settings,
) -> PyResult<Bound<'py, PyDict>> {
    let fusion = self::settings(settings)?;
    let lists = RankedLists::read(py, runs)?;
    let (columns, names) = (&lists.columns, lists.names()?);
    let by_id = |&a: &u32, &b: &u32| names[a as usize].cmp(names[b as usize]);
    let fused = py
        .detach(|| fuse((columns.queries, columns.runs), |query, run| columns.list(query, run), by_id, &fusion))
        .map_err(|error| invalid(&error))?;
    let result = PyDict::new(py);
    for (query, bounds) in lists.queries.iter().zip(fused.offsets.windows(2)) {
        let ranking = PyDict::new(py);
        for i in bounds[0]..bounds[1] {
            ranking.set_item(&lists.documents[fused.documents[i] as usize], fused.scores[i])?;
        }
        result.set_item(query, ranking)?;
    }
    Ok(result)
}

type Arrays<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>);

/// Fuse arrays of document ids and scores, both of shape (queries, k) for each run. -1 marks the places left empty at a
/// row's end.
#[pyfunction]
pub(crate) fn fuse_arrays<'py>(
    py: Python<'py>,
    runs: Vec<(PyReadonlyArray2<'py, i64>, PyReadonlyArray2<'py, f64>)>,
    settings: Settings,
) -> PyResult<Arrays<'py>> {
    let fusion = self::settings(settings)?;
    let queries = runs.first().map_or(0, |run| run.0.shape()[0]);
    let rows = runs.iter().enumerate().map(|(i, run)| Rows::new(i, run, queries)).collect::<PyResult<Vec<_>>>()?;
    let fused = py.detach(|| fuse((queries, rows.len()), |query, run| rows[run].row(query), Ord::cmp, &fusion));
    let Fused { offsets, documents, scores } = fused.map_err(|error| invalid(&error))?;
    let width = offsets.windows(2).map(|bounds| bounds[1] - bounds[0]).max().unwrap_or(0);
    let (mut ids, mut values) = (vec![-1; queries * width], vec![f64::NEG_INFINITY; queries * width]);
    for (query, bounds) in offsets.windows(2).enumerate() {
        let place = query * width..query * width + bounds[1] - bounds[0];
        ids[place.clone()].copy_from_slice(&documents[bounds[0]..bounds[1]]);
        values[place].copy_from_slice(&scores[bounds[0]..bounds[1]]);
    }
    let shape = [queries, width];
    Ok((ids.into_pyarray(py).reshape(shape)?, values.into_pyarray(py).reshape(shape)?))
}

/// One run's arrays as rows without what is left empty.
struct Rows<'a> {
    documents: &'a [i64],
    scores: &'a [f64],
    width: usize,
    lengths: Vec<usize>,
}

impl<'a> Rows<'a> {
    fn new(
        run: usize,
        (documents, scores): &'a (PyReadonlyArray2<'_, i64>, PyReadonlyArray2<'_, f64>),
        queries: usize,
    ) -> PyResult<Self> {
        if documents.shape() != scores.shape() || documents.shape()[0] != queries {
            return Err(InvalidInput::new_err(format!(
                "run {run} has ids of shape {:?} and scores of shape {:?}: both must be (queries, k), with the {queries} \
                 queries of run 0",
                documents.shape(),
                scores.shape()
            )));
        }
        let width = documents.shape()[1];
        let (documents, scores) = (documents.as_slice()?, scores.as_slice()?);
        let mut lengths = vec![0; queries];
        for (query, length) in lengths.iter_mut().enumerate() {
            let row = &documents[query * width..(query + 1) * width];
            *length = row.iter().position(|&id| id < 0).unwrap_or(width);
            if let Some(id) = row[*length..].iter().find(|&&id| id != -1) {
                return Err(InvalidInput::new_err(format!(
                    "row {query} of run {run} holds id {id} where only -1 may be: ids are not negative, and -1 fills a \
                     row up at its end"
                )));
            }
        }
        Ok(Self { documents, scores, width, lengths })
    }

    fn row(&self, query: usize) -> (&[i64], &[f64]) {
        let range = query * self.width..query * self.width + self.lengths[query];
        (&self.documents[range.clone()], &self.scores[range])
    }
}
