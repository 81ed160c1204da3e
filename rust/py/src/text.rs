//! The door to `crossfade-text`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crossfade_text::{Analyser, Bm25, Builder, Error, Options, Part, Rows, Segment, Settings, Tail, View};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyList;

use crate::InvalidInput;
use crate::kernels::Signals;

pyo3::import_exception!(crossfade.errors, AlreadyExists);
pyo3::import_exception!(crossfade.errors, DataError);
pyo3::import_exception!(crossfade.errors, LimitExceeded);

/// A segment's directory in the making. See `crossfade.lexical.build`.
#[pyclass(frozen, module = "crossfade._native")]
pub(crate) struct TextBuilder(Mutex<Option<Builder>>);

/// See `crossfade.lexical.Segment`.
#[pyclass(frozen, module = "crossfade._native")]
pub(crate) struct TextSegment(Segment);

/// See `crossfade.lexical.Tail`.
#[pyclass(frozen, module = "crossfade._native")]
pub(crate) struct TextTail(Tail);

/// See `crossfade.lexical.View`.
#[pyclass(frozen, module = "crossfade._native")]
pub(crate) struct TextView(View);

#[pymethods]
impl TextBuilder {
    #[new]
    fn new(directory: PathBuf, settings: &str, memory: usize) -> PyResult<Self> {
        let settings = Settings::from_json(settings).map_err(refusal)?;
        Ok(Self(Mutex::new(Some(Builder::new(&directory, &settings, memory).map_err(refusal)?))))
    }

    /// Add a row for each text; how many rows there are. After an error it takes no more.
    fn add(&self, py: Python<'_>, texts: &Bound<'_, PyList>) -> PyResult<u64> {
        let texts = strings(texts, "texts")?;
        work(py, |interrupted| {
            let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut builder = place.take().ok_or_else(ended)?;
            for text in &texts {
                if interrupted() {
                    return Err(Error::Interrupted);
                }
                builder.add(text)?;
            }
            let rows = builder.rows();
            *place = Some(builder);
            Ok(rows)
        })
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        work(py, |interrupted| {
            let builder = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            builder.ok_or_else(ended)?.finish(interrupted)
        })
    }
}

#[pymethods]
impl TextSegment {
    /// `settings`: as JSON, those that it must have, if any.
    #[new]
    #[pyo3(signature = (directory, settings=None))]
    fn new(py: Python<'_>, directory: PathBuf, settings: Option<&str>) -> PyResult<Self> {
        let settings = settings.map(Settings::from_json).transpose().map_err(refusal)?;
        py.detach(|| Segment::open(&directory, settings.as_ref())).map(Self).map_err(refusal)
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows()
    }

    #[getter]
    fn tokens(&self) -> u64 {
        self.0.tokens()
    }

    #[getter]
    fn settings(&self) -> String {
        self.0.settings().to_json()
    }
}

#[pymethods]
impl TextTail {
    #[new]
    fn new(settings: &str) -> PyResult<Self> {
        Ok(Self(Tail::new(&Settings::from_json(settings).map_err(refusal)?)))
    }

    /// Append a row for each text, all or none; the number of the first.
    fn append(&self, py: Python<'_>, texts: &Bound<'_, PyList>) -> PyResult<u64> {
        let texts = strings(texts, "texts")?;
        py.detach(|| self.0.append(&texts)).map_err(refusal)
    }

    /// Forget the rows from there on.
    fn cut(&self, py: Python<'_>, rows: u64) {
        py.detach(|| self.0.cut(rows));
    }

    /// Its first rows; all that it has now, where it is not said how many.
    #[pyo3(signature = (rows=None))]
    fn view(&self, rows: Option<u64>) -> PyResult<TextView> {
        let view = rows.map_or_else(|| Ok(self.0.view()), |rows| self.0.first(rows)).map_err(refusal)?;
        Ok(TextView(view))
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows()
    }

    #[getter]
    fn settings(&self) -> String {
        self.0.settings().to_json()
    }
}

#[pymethods]
impl TextView {
    /// Write a segment of its rows; how many they are.
    fn build(&self, py: Python<'_>, directory: PathBuf, memory: usize) -> PyResult<u64> {
        work(py, |interrupted| crossfade_text::build_of(&directory, &self.0, memory, interrupted))
    }

    #[getter]
    fn rows(&self) -> u64 {
        self.0.rows()
    }

    #[getter]
    fn tokens(&self) -> u64 {
        self.0.tokens()
    }

    #[getter]
    fn settings(&self) -> String {
        self.0.settings().to_json()
    }
}

/// A part, and the packed bits of its mask.
#[derive(FromPyObject)]
pub(crate) struct MaskedPart<'py>(AnyRows<'py>, Option<PyReadonlyArray1<'py, u8>>);

#[derive(FromPyObject)]
enum AnyRows<'py> {
    Segment(PyRef<'py, TextSegment>),
    View(PyRef<'py, TextView>),
}

/// k1, b, threads.
type Formula = (f64, f64, usize);

/// Offsets of the queries, then parts, rows and scores.
type FoundArrays<'py> =
    (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i32>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>);

/// See `crossfade.lexical.search`.
#[pyfunction]
pub(crate) fn search_text<'py>(
    py: Python<'py>,
    queries: &Bound<'py, PyList>,
    parts: Vec<MaskedPart<'py>>,
    wanted: (usize, usize),
    formula: Formula,
) -> PyResult<FoundArrays<'py>> {
    let queries = strings(queries, "queries")?;
    let bm25 = Bm25::new(formula.0, formula.1).map_err(refusal)?;
    let (k, ties) = wanted;
    let borrowed = borrow(&parts)?;
    let found = work(py, |interrupted| {
        let options = Options { bm25, ties, threads: formula.2, interrupted: Some(interrupted) };
        crossfade_text::search(&queries, &borrowed, k, options)
    })?;
    let offsets: Vec<i64> = found.offsets.into_iter().map(|offset| offset as i64).collect();
    let parts: Vec<i32> = found.parts.into_iter().map(|part| part as i32).collect();
    let rows: Vec<i64> = found.rows.into_iter().map(i64::from).collect();
    Ok((offsets.into_pyarray(py), parts.into_pyarray(py), rows.into_pyarray(py), found.scores.into_pyarray(py)))
}

/// A term, how often the query has it, rows that have it, idf, how often the row has it, what it adds.
type TermRow = (String, u32, u64, f64, u32, f64);

/// See `crossfade.lexical.explain`: score, length, terms.
#[pyfunction]
pub(crate) fn explain_text(
    py: Python<'_>,
    query: PyBackedStr,
    parts: Vec<MaskedPart<'_>>,
    rows: Vec<(usize, u64)>,
    formula: Formula,
) -> PyResult<Vec<(f64, u32, Vec<TermRow>)>> {
    let bm25 = Bm25::new(formula.0, formula.1).map_err(refusal)?;
    let borrowed = borrow(&parts)?;
    let found = work(py, |interrupted| {
        let options = Options { bm25, ties: 0, threads: 1, interrupted: Some(interrupted) };
        crossfade_text::explain(&query, &borrowed, &rows, options)
    })?;
    let explained = found.into_iter().map(|one| {
        let terms = one.terms.into_iter();
        let terms = terms.map(|t| (t.term, t.count, t.rows, t.idf, t.frequency, t.contribution));
        (one.score, one.length, terms.collect())
    });
    Ok(explained.collect())
}

/// The tokens of each text. See `crossfade.lexical.tokens`.
#[pyfunction]
pub(crate) fn text_tokens(py: Python<'_>, texts: &Bound<'_, PyList>, settings: &str) -> PyResult<Vec<Vec<String>>> {
    let texts = strings(texts, "texts")?;
    let mut analyser = Analyser::new(&Settings::from_json(settings).map_err(refusal)?);
    Ok(py.detach(|| {
        let mut tokens = |text: &PyBackedStr| {
            let mut tokens = Vec::new();
            analyser.tokens(text, |token| tokens.push(token.to_owned()));
            tokens
        };
        texts.iter().map(&mut tokens).collect()
    }))
}

/// The stable form of settings.
#[pyfunction]
pub(crate) fn canonical_settings(settings: &str) -> PyResult<String> {
    Ok(Settings::from_json(settings).map_err(refusal)?.to_json())
}

fn borrow<'a>(parts: &'a [MaskedPart<'_>]) -> PyResult<Vec<Part<'a>>> {
    let one = |MaskedPart(rows, mask): &'a MaskedPart<'_>| {
        let rows = match rows {
            AnyRows::Segment(segment) => Rows::Segment(&segment.0),
            AnyRows::View(view) => Rows::Tail(&view.0),
        };
        Ok(Part { rows, mask: mask.as_ref().map(PyReadonlyArray1::as_slice).transpose()? })
    };
    parts.iter().map(one).collect()
}

pub(crate) fn strings(texts: &Bound<'_, PyList>, name: &str) -> PyResult<Vec<PyBackedStr>> {
    let one = |(place, text): (usize, Bound<'_, PyAny>)| {
        text.extract::<PyBackedStr>().map_err(|_| {
            let kind = text.get_type();
            InvalidInput::new_err(format!("{name}[{place}] must be a str of valid Unicode, not this {kind}"))
        })
    };
    texts.iter().enumerate().map(one).collect()
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

fn ended() -> Error {
    Error::Parameter { what: "a builder that has ended".to_owned(), expected: "a new one" }
}

fn refusal(error: Error) -> PyErr {
    match &error {
        Error::Damaged { path, .. } | Error::Io { path, .. } => {
            let message = error.to_string();
            let reason = message.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&message).to_owned();
            DataError::new_err((path.clone(), reason))
        }
        Error::Exists(_) => AlreadyExists::new_err(error.to_string()),
        Error::QueryTooLong { .. } | Error::TooManyRows | Error::TextTooLong => {
            LimitExceeded::new_err(error.to_string())
        }
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
        _ => InvalidInput::new_err(error.to_string()),
    }
}
