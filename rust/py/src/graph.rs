//! The door to `crossfade-graph`.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossfade_graph::{Built, Error, Form, Part, Plan, Search, Settings, Verify, Ways};
use crossfade_kernels::{Metric, Options};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::InvalidInput;
use crate::files::DataError;
use crate::kernels::{Matrix, Signals, Vectors, Way, arrays, mask_of, metric_of, refusal};

/// Scores, rows, and how each query was answered.
type FoundArrays<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i64>>, Bound<'py, PyArray1<u8>>);

/// Build a graph; the parts of its file, rows that nothing reaches, and the form. See `crossfade.kernels.graph`.
///
/// `settings`: m, `ef_construction`, seed, form. `progress`: called now and then with the number of rows that are in.
#[pyfunction]
pub(crate) fn graph_build<'py>(
    py: Python<'py>,
    vectors: Vectors<'py>,
    metric: &str,
    settings: (usize, usize, u64, String),
    progress: Option<Bound<'py, PyAny>>,
    way: Way<'py>,
) -> PyResult<(Bound<'py, PyList>, usize, &'static str)> {
    let metric = metric_of(metric)?;
    let corpus = vectors.corpus()?;
    let (m, ef_construction, seed, form) = settings;
    let form = match form.as_str() {
        "measured" => Form::Measured,
        "codes" => Form::Codes,
        "vectors" => Form::Vectors,
        other => return Err(InvalidInput::new_err(format!("form {other:?} is not known"))),
    };
    let settings = Settings { m, ef_construction, seed, form };
    let (done, progress) = (AtomicUsize::new(0), progress.map(Bound::unbind));
    let tell = |py: Python<'_>| match &progress {
        Some(progress) => progress.call1(py, (done.load(Ordering::Relaxed),)).map(drop),
        None => Ok(()),
    };
    let built = work(py, &way, corpus.len(), "", &tell, |options| {
        crossfade_graph::build(corpus, metric, settings, options, &done)
    })?;
    tell(py)?;
    let Built { parts, unreachable, form } = built;
    let list = PyList::empty(py);
    for part in parts {
        match part {
            Part::Bytes(bytes) => list.append(bytes.into_pyarray(py))?,
            Part::Words(words) => list.append(words.into_pyarray(py))?,
        }
    }
    Ok((list, unreachable, name_of(form)))
}

/// A graph whose file was checked. The file is handed over for each search.
#[pyclass(frozen)]
pub(crate) struct Graph {
    graph: crossfade_graph::Graph,
    name: String,
}

#[pymethods]
impl Graph {
    /// `name`: what messages call the file.
    #[new]
    fn new(py: Python<'_>, file: PyReadonlyArray1<'_, u8>, name: String, verify: bool) -> PyResult<Self> {
        let bytes = file.as_slice()?;
        let verify = if verify { Verify::All } else { Verify::Header };
        let graph = py.detach(|| crossfade_graph::Graph::open(bytes, verify)).map_err(|error| fault(&error, &name))?;
        Ok(Self { graph, name })
    }

    /// Rows, dimension, metric; m, `ef_construction`, seed, form; the highest layer, rows that no walk reaches.
    #[allow(clippy::type_complexity, reason = "one tuple, read in one place")]
    fn facts(
        &self,
        file: PyReadonlyArray1<'_, u8>,
    ) -> PyResult<((usize, usize, &'static str), (usize, usize, u64, &'static str), (usize, usize))> {
        let facts = self.graph.facts();
        let metric = match facts.metric {
            Metric::InnerProduct => "ip",
            Metric::Cosine => "cosine",
            Metric::L2 => "l2",
        };
        let highest = self.graph.highest_level(file.as_slice()?).map_err(|error| fault(&error, &self.name))?;
        let settings = facts.settings;
        Ok((
            (facts.rows, facts.dimension, metric),
            (settings.m, settings.ef_construction, settings.seed, name_of(settings.form)),
            (highest, facts.unreachable),
        ))
    }

    /// Whether the graph can be that of `vectors`; raises if not.
    fn check(&self, py: Python<'_>, file: PyReadonlyArray1<'_, u8>, vectors: Vectors<'_>) -> PyResult<()> {
        let (bytes, corpus) = (file.as_slice()?, vectors.corpus()?);
        py.detach(|| self.graph.fits(bytes, corpus)).map_err(|error| fault(&error, &self.name))
    }

    /// Make what the first search would wait for.
    fn prepare(&self, py: Python<'_>, file: PyReadonlyArray1<'_, u8>, way: Way<'_>) -> PyResult<()> {
        let (bytes, rows) = (file.as_slice()?, self.graph.facts().rows);
        work(py, &way, rows, &self.name, &|_| Ok(()), |options| self.graph.prepare(bytes, options))
    }

    /// Whether that was made.
    fn is_prepared(&self) -> bool {
        self.graph.is_prepared()
    }

    /// Scores, rows, and how each query was answered: 0 walk, 1 filtered walk, 2 exact, 3 scan, 4 cells,
    /// 5 codes.
    ///
    /// `plan`: "planned", "walk", "exact", "scan", "cells" or "codes".
    #[allow(clippy::too_many_arguments, reason = "each of them is one of the core's")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        file: PyReadonlyArray1<'py, u8>,
        vectors: Vectors<'py>,
        queries: Matrix<'py, f32>,
        k: usize,
        ef: usize,
        plan: &str,
        way: Way<'py>,
    ) -> PyResult<FoundArrays<'py>> {
        let (bytes, corpus) = (file.as_slice()?, vectors.corpus()?);
        let (count, queries) = (queries.len(), queries.rows("queries")?);
        let ways = match plan {
            "planned" => Ways::Planned,
            "walk" => Ways::Walk,
            "exact" => Ways::Exact,
            "scan" => Ways::Scan,
            "cells" => Ways::Cells,
            "codes" => Ways::Codes,
            other => return Err(InvalidInput::new_err(format!("plan {other:?} is not known"))),
        };
        let asked = Search { k, ef, ways };
        let found = work(py, &way, corpus.len(), &self.name, &|_| Ok(()), |options| {
            crossfade_graph::search(&self.graph, bytes, (corpus, queries), asked, options)
        })?;
        let plans: Vec<u8> = found.plans.into_iter().map(number_of).collect();
        let (scores, indices) = arrays(py, found.best, count)?;
        Ok((scores, indices, plans.into_pyarray(py)))
    }

    /// ef, recall, its standard error, queries, whether the target was reached.
    ///
    /// `aim`: target and k. `sample`: how many rows, drawn by which seed, where there are no queries.
    #[allow(clippy::too_many_arguments, reason = "each of them is one of the core's")]
    fn ef_for_recall<'py>(
        &self,
        py: Python<'py>,
        file: PyReadonlyArray1<'py, u8>,
        vectors: Vectors<'py>,
        queries: Option<Matrix<'py, f32>>,
        aim: (f64, usize),
        sample: (usize, u64),
        way: Way<'py>,
    ) -> PyResult<(usize, f64, f64, usize, bool)> {
        let (bytes, corpus) = (file.as_slice()?, vectors.corpus()?);
        let queries = queries.as_ref().map(|queries| queries.rows("queries")).transpose()?;
        let effort = work(py, &way, corpus.len(), &self.name, &|_| Ok(()), |options| {
            crossfade_graph::ef_for_recall(&self.graph, bytes, (corpus, queries), aim, sample, options)
        })?;
        Ok((effort.ef, effort.recall, effort.standard_error, effort.queries, effort.reached))
    }
}

fn name_of(form: Form) -> &'static str {
    if form == Form::Vectors { "vectors" } else { "codes" }
}

fn number_of(plan: Plan) -> u8 {
    match plan {
        Plan::Walk => 0,
        Plan::FilteredWalk => 1,
        Plan::Exact => 2,
        Plan::Scan => 3,
        Plan::Cells => 4,
        Plan::Codes => 5,
    }
}

fn fault(error: &Error, name: &str) -> PyErr {
    match error {
        Error::Kernels(error) => refusal(*error),
        Error::File(reason) => DataError::new_err((name.to_owned(), reason.clone())),
        Error::Setting(message) | Error::Vectors(message) => InvalidInput::new_err(message.clone()),
    }
}

/// As `kernels::work`; `tell` is called as often as signals are looked for.
fn work<T: Send>(
    py: Python<'_>,
    way: &Way<'_>,
    rows: usize,
    name: &str,
    tell: &(dyn Fn(Python<'_>) -> PyResult<()> + Sync),
    work: impl FnOnce(Options<'_>) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let Way(mask, threads, mapped) = way;
    let (mask, threads, mapped) = (mask_of(mask.as_ref(), rows)?, *threads, *mapped);
    let (found, raised) = py.detach(|| {
        let signals = Signals::default();
        let interrupted = || signals.raised(tell);
        (work(Options { mask, threads, interrupted: Some(&interrupted), mapped }), signals.error.take())
    });
    match raised {
        Some(error) => Err(error),
        None => found.map_err(|error| fault(&error, name)),
    }
}
