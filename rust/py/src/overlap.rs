//! The door to `crossfade-overlap`.

use crossfade_overlap::{Error, Index, Match, Options, Settings};
use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::InvalidInput;
use crate::kernels::Signals;
use crate::text::strings;

pyo3::import_exception!(crossfade.errors, LimitExceeded);

/// See `crossfade.overlap.Overlap`.
#[pyclass(frozen, module = "crossfade._native")]
pub(crate) struct OverlapIndex(Index);

#[derive(FromPyObject)]
pub(crate) struct Thresholds {
    #[pyo3(item)]
    characters: f64,
    #[pyo3(item)]
    phrases: f64,
    #[pyo3(item)]
    containment: f64,
    #[pyo3(item)]
    short_words: usize,
    #[pyo3(item)]
    least_words: usize,
    #[pyo3(item)]
    numbers: bool,
}

/// Places of the texts, places of the known ones, kinds, similarities.
type Matches<'py> =
    (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<f64>>);

#[pymethods]
impl OverlapIndex {
    #[new]
    fn new(py: Python<'_>, texts: &Bound<'_, PyList>, settings: Thresholds, threads: usize) -> PyResult<Self> {
        let texts = strings(texts, "texts")?;
        let Thresholds { characters, phrases, containment, short_words, least_words, numbers } = settings;
        let settings = Settings { characters, phrases, containment, short_words, least_words, numbers };
        work(py, |interrupted| {
            Index::build(&texts, settings, Options { containment: true, threads, interrupted: Some(interrupted) })
        })
        .map(Self)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn find<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyList>,
        containment: bool,
        threads: usize,
    ) -> PyResult<Matches<'py>> {
        let texts = strings(texts, "texts")?;
        let found = work(py, |interrupted| {
            self.0.find(&texts, Options { containment, threads, interrupted: Some(interrupted) })
        })?;
        let column = |value: fn(&Match) -> i64| found.iter().map(value).collect::<Vec<_>>().into_pyarray(py);
        let kinds: Vec<u8> = found.iter().map(|one| one.kind as u8).collect();
        let similarities: Vec<f64> = found.iter().map(|one| one.similarity).collect();
        Ok((
            column(|one| i64::from(one.text)),
            column(|one| i64::from(one.known)),
            kinds.into_pyarray(py),
            similarities.into_pyarray(py),
        ))
    }
}

/// See `crossfade.overlap.normalise`.
#[pyfunction]
pub(crate) fn normalise_texts(py: Python<'_>, texts: &Bound<'_, PyList>) -> PyResult<Vec<String>> {
    let texts = strings(texts, "texts")?;
    Ok(py.detach(|| texts.iter().map(|text| crossfade_overlap::normalise(text)).collect()))
}

/// Do the work without the GIL, and hear signals meanwhile.
fn work<T: Send>(py: Python<'_>, work: impl FnOnce(&dyn Fn() -> bool) -> Result<T, Error> + Send) -> PyResult<T> {
    let (found, raised) = py.detach(|| {
        let signals = Signals::default();
        (work(&|| signals.raised(|_| Ok(()))), signals.error.take())
    });
    match raised {
        Some(error) => Err(error),
        None => found.map_err(refusal),
    }
}

fn refusal(error: Error) -> PyErr {
    match error {
        Error::Parameter { .. } => InvalidInput::new_err(error.to_string()),
        Error::TooMany => LimitExceeded::new_err(error.to_string()),
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
    }
}
