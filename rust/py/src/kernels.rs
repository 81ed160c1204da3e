//! The door to `crossfade-kernels`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crossfade_kernels::{Bf16, Corpus, Error, F16, Mask, Metric, Options, Rows, Scaled, TopK};
use numpy::ndarray::{Array2, ShapeError};
use numpy::{
    Element, IntoPyArray, PyArray1, PyArray2, PyArrayDescrMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyReadwriteArray1, PyReadwriteArray2, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::InvalidInput;

/// How often Python is asked whether a signal came in.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// Where the interpreter's lock has to be waited for, others want it: each look takes it from one of them, for as long as
/// this thread, which may stand back for theirs, needs to come to a processor. It is taken this much less often than it
/// was waited for, but not so seldom that nobody is heard.
const PATIENCE: u32 = 100;
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) type TopKArrays<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i64>>);

/// Rows of one type, as they lie: an array of two axes in one piece; or a flat array, where the elements of a row lie one
/// after the other, the elements of a row, the elements from one row to the next, and the number of rows.
pub(crate) enum Matrix<'py, T: Element + 'py> {
    Whole(PyReadonlyArray2<'py, T>),
    Strided(PyReadonlyArray1<'py, T>, usize, usize, usize),
}

// Not derived: of a variant that is not it, an exception is made each time, which takes as long as a small search.
impl<'a, 'py, T: Element + 'py> FromPyObject<'a, 'py> for Matrix<'py, T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyTuple>() {
            let (flat, dimension, stride, rows) = object.extract()?;
            return Ok(Self::Strided(flat, dimension, stride, rows));
        }
        Ok(Self::Whole(object.extract()?))
    }
}

impl<T: Element> Matrix<'_, T> {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(array) => array.shape()[0],
            Self::Strided(_, _, _, rows) => *rows,
        }
    }

    pub(crate) fn rows(&self, name: &str) -> PyResult<Rows<'_, T>> {
        self.view(name, |data| data)
    }

    fn view<'a, U>(&'a self, name: &str, view: impl Fn(&'a [T]) -> &'a [U]) -> PyResult<Rows<'a, U>> {
        let (data, dimension, stride) = match self {
            Self::Whole(array) => (array.as_slice(), array.shape()[1], array.shape()[1]),
            Self::Strided(flat, dimension, stride, _) => (flat.as_slice(), *dimension, *stride),
        };
        let data = data.map_err(|_| InvalidInput::new_err(format!("{name} must be contiguous")))?;
        Rows::with_stride(view(data), dimension, stride, self.len())
            .map_err(|error| InvalidInput::new_err(format!("{name}: {error}")))
    }
}

/// A corpus: its elements; the scales of int8 codes; and whether words are bfloat16.
#[derive(FromPyObject)]
pub(crate) struct Vectors<'py>(Elements<'py>, Option<PyReadonlyArray1<'py, f32>>, bool);

enum Elements<'py> {
    F32(Matrix<'py, f32>),
    /// Half precision or bfloat16, by their bits.
    Words(Matrix<'py, u16>),
    Codes(Matrix<'py, i8>),
}

// As above.
impl<'a, 'py> FromPyObject<'a, 'py> for Elements<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let first = match object.cast::<PyTuple>() {
            Ok(strided) => strided.get_item(0)?,
            Err(_) => object.to_owned(),
        };
        let first = first.cast::<PyUntypedArray>()?;
        Ok(match first.dtype().itemsize() {
            1 => Self::Codes(object.extract()?),
            2 => Self::Words(object.extract()?),
            _ => Self::F32(object.extract()?),
        })
    }
}

impl Vectors<'_> {
    pub(crate) fn corpus(&self) -> PyResult<Corpus<'_>> {
        let Self(elements, scales, bfloat) = self;
        Ok(match elements {
            Elements::F32(matrix) => Corpus::F32(matrix.rows("corpus")?),
            Elements::Words(matrix) if *bfloat => Corpus::Bf16(matrix.view("corpus", Bf16::from_bits)?),
            Elements::Words(matrix) => Corpus::F16(matrix.view("corpus", F16::from_bits)?),
            Elements::Codes(matrix) => {
                let scales = scales.as_ref().ok_or_else(|| InvalidInput::new_err("int8 codes need scales"))?;
                Corpus::Int8(Scaled::new(matrix.rows("corpus")?, scales.as_slice()?).map_err(refusal)?)
            }
        })
    }
}

/// How a search is done; see [`Options`]: the mask, threads, and whether what is searched is a mapped file.
#[derive(FromPyObject)]
pub(crate) struct Way<'py>(pub(crate) Option<PyReadonlyArray1<'py, u8>>, pub(crate) usize, pub(crate) bool);

/// The mask of a way.
pub(crate) fn mask_of<'a>(bits: Option<&'a PyReadonlyArray1<'_, u8>>, rows: usize) -> PyResult<Option<Mask<'a>>> {
    let bits = bits.map(PyReadonlyArray1::as_slice).transpose()?;
    bits.map(|bits| Mask::new(bits, rows)).transpose().map_err(refusal)
}

/// Exact top-K. See `crossfade.kernels.top_k`.
#[pyfunction]
pub(crate) fn top_k<'py>(
    py: Python<'py>,
    queries: Matrix<'py, f32>,
    corpus: Vectors<'py>,
    k: usize,
    metric: &str,
    way: Way<'py>,
) -> PyResult<TopKArrays<'py>> {
    let metric = metric_of(metric)?;
    let (count, queries) = (queries.len(), queries.rows("queries")?);
    let corpus = corpus.corpus()?;
    let found = work(py, &way, corpus.len(), |options| crossfade_kernels::top_k(queries, corpus, k, metric, options))?;
    arrays(py, found, count)
}

/// Top-K among bits. See `crossfade.kernels.top_k`.
#[pyfunction]
pub(crate) fn top_k_binary<'py>(
    py: Python<'py>,
    queries: Matrix<'py, u8>,
    corpus: Matrix<'py, u8>,
    k: usize,
    way: Way<'py>,
) -> PyResult<TopKArrays<'py>> {
    let (count, queries) = (queries.len(), queries.rows("queries")?);
    let corpus = corpus.rows("corpus")?;
    let found = work(py, &way, corpus.len(), |options| crossfade_kernels::top_k_binary(queries, corpus, k, options))?;
    arrays(py, found, count)
}

/// Exact scores of candidates. See `crossfade.kernels.rescore`.
#[pyfunction]
pub(crate) fn rescore<'py>(
    py: Python<'py>,
    queries: Matrix<'py, f32>,
    corpus: Vectors<'py>,
    candidates: PyReadonlyArray2<'py, i64>,
    k: usize,
    metric: &str,
    way: Way<'py>,
) -> PyResult<TopKArrays<'py>> {
    let metric = metric_of(metric)?;
    let (count, queries) = (queries.len(), queries.rows("queries")?);
    let corpus = corpus.corpus()?;
    let candidates = (candidates.as_slice()?, candidates.shape()[1]);
    let found = work(py, &way, corpus.len(), |options| {
        crossfade_kernels::rescore(queries, corpus, candidates, k, metric, options)
    })?;
    arrays(py, found, count)
}

/// Late interaction. See `crossfade.kernels.max_sim`.
#[pyfunction]
pub(crate) fn max_sim<'py>(
    py: Python<'py>,
    query: Matrix<'py, f32>,
    tokens: Vectors<'py>,
    offsets: PyReadonlyArray1<'py, i64>,
    way: Way<'py>,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let query = query.rows("query_tokens")?;
    let tokens = tokens.corpus()?;
    let offsets = offsets.as_slice()?;
    let found = work(py, &way, tokens.len(), |options| crossfade_kernels::max_sim(query, tokens, offsets, options))?;
    Ok(found.into_pyarray(py))
}

/// Fill `to` with the bits of half precision, or of bfloat16. See `crossfade.kernels.quantise`.
#[pyfunction]
pub(crate) fn to_words<'py>(
    py: Python<'py>,
    vectors: Matrix<'py, f32>,
    mut to: PyReadwriteArray2<'py, u16>,
    bfloat: bool,
    way: Way<'py>,
) -> PyResult<()> {
    let (rows, to) = (vectors.rows("vectors")?, to.as_slice_mut()?);
    let convert = if bfloat { crossfade_kernels::to_bf16 } else { crossfade_kernels::to_f16 };
    work(py, &way, rows.len(), |options| convert(rows, to, options))
}

/// Fill `codes` and `scales`. See `crossfade.kernels.quantise`.
#[pyfunction]
pub(crate) fn to_int8<'py>(
    py: Python<'py>,
    vectors: Matrix<'py, f32>,
    mut codes: PyReadwriteArray2<'py, i8>,
    mut scales: PyReadwriteArray1<'py, f32>,
    way: Way<'py>,
) -> PyResult<()> {
    let (rows, codes, scales) = (vectors.rows("vectors")?, codes.as_slice_mut()?, scales.as_slice_mut()?);
    work(py, &way, rows.len(), |options| crossfade_kernels::to_int8(rows, codes, scales, options))
}

/// Fill `to` with signs. See `crossfade.kernels.quantise`.
#[pyfunction]
pub(crate) fn to_binary<'py>(
    py: Python<'py>,
    vectors: Matrix<'py, f32>,
    mut to: PyReadwriteArray2<'py, u8>,
    way: Way<'py>,
) -> PyResult<()> {
    let (rows, to) = (vectors.rows("vectors")?, to.as_slice_mut()?);
    work(py, &way, rows.len(), |options| crossfade_kernels::to_binary(rows, to, options))
}

/// The instruction set that the scans use here.
#[pyfunction]
pub(crate) fn instruction_set() -> &'static str {
    crossfade_kernels::instruction_set()
}

pub(crate) fn metric_of(name: &str) -> PyResult<Metric> {
    match name {
        "ip" => Ok(Metric::InnerProduct),
        "cosine" => Ok(Metric::Cosine),
        "l2" => Ok(Metric::L2),
        other => Err(InvalidInput::new_err(format!("metric {other:?} is not known"))),
    }
}

pub(crate) fn refusal(error: Error) -> PyErr {
    match error {
        Error::Memory { .. } => PyMemoryError::new_err(error.to_string()),
        error => InvalidInput::new_err(error.to_string()),
    }
}

/// Do the work without the GIL, and hear signals meanwhile.
fn work<T: Send>(
    py: Python<'_>,
    way: &Way<'_>,
    rows: usize,
    work: impl FnOnce(Options<'_>) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let Way(mask, threads, mapped) = way;
    let (mask, threads, mapped) = (mask_of(mask.as_ref(), rows)?, *threads, *mapped);
    let (found, raised) = py.detach(|| {
        let signals = Signals::default();
        let interrupted = || signals.raised(|_| Ok(()));
        (work(Options { mask, threads, interrupted: Some(&interrupted), mapped }), signals.error.take())
    });
    match raised {
        Some(error) => Err(error),
        None => found.map_err(refusal),
    }
}

pub(crate) fn arrays(py: Python<'_>, found: TopK, queries: usize) -> PyResult<TopKArrays<'_>> {
    let shape = (queries, found.k);
    let refused = |error: ShapeError| InvalidInput::new_err(error.to_string());
    let scores = Array2::from_shape_vec(shape, found.scores).map_err(refused)?;
    let indices = Array2::from_shape_vec(shape, found.indices).map_err(refused)?;
    Ok((scores.into_pyarray(py), indices.into_pyarray(py)))
}

/// Looks for Python signals, at most once an interval, from the thread that called.
pub(crate) struct Signals {
    next: Cell<Instant>,
    pub(crate) error: Cell<Option<PyErr>>,
}

impl Default for Signals {
    fn default() -> Self {
        Self { next: Cell::new(Instant::now() + SIGNAL_INTERVAL), error: Cell::new(None) }
    }
}

impl Signals {
    /// Whether a signal handler raised, or `then`, which is called when there was none; the exception is then in `error`.
    pub(crate) fn raised(&self, then: impl FnOnce(Python<'_>) -> PyResult<()>) -> bool {
        if Instant::now() < self.next.get() {
            return false;
        }
        let began = Instant::now();
        let look = |py: Python<'_>| py.check_signals().and_then(|()| then(py));
        let raised = Python::attach(look).map_err(|error| self.error.set(Some(error))).is_err();
        let ended = Instant::now();
        self.next.set(ended + ((ended - began) * PATIENCE).clamp(SIGNAL_INTERVAL, LONGEST_INTERVAL));
        raised
    }
}
