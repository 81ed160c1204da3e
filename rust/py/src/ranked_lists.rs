//! Several runs given as mappings, as columns of codes.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString};

use crate::InvalidInput;

/// Runs by query. A document has one code within a query, and another in the next: the ids of one query are all that is
/// ever compared, and a table of those stays in the cache where one of all ids would not.
pub(crate) struct RankedLists<'py> {
    /// Query ids in the order in which they were first seen.
    pub(crate) queries: Vec<Bound<'py, PyString>>,
    /// The id behind each code.
    pub(crate) documents: Vec<Bound<'py, PyString>>,
    /// What the runs hold.
    pub(crate) columns: Columns,
}

/// Rows query by query, and run by run within a query.
pub(crate) struct Columns {
    pub(crate) queries: usize,
    pub(crate) runs: usize,
    offsets: Vec<usize>,
    documents: Vec<u32>,
    scores: Vec<f64>,
}

impl Columns {
    /// The documents and scores of one query in one run.
    pub(crate) fn list(&self, query: usize, run: usize) -> (&[u32], &[f64]) {
        let place = query * self.runs + run;
        let range = self.offsets[place]..self.offsets[place + 1];
        (&self.documents[range.clone()], &self.scores[range])
    }
}

impl<'py> RankedLists<'py> {
    /// Read runs, each query id to document id to score. Scores must be finite.
    pub(crate) fn read(py: Python<'py>, runs: &Bound<'py, PyList>) -> PyResult<Self> {
        let runs = runs
            .iter()
            .enumerate()
            .map(|(i, run)| as_dict(&run, || format!("runs[{i}]")))
            .collect::<PyResult<Vec<_>>>()?;
        let queries = query_ids(py, &runs)?;
        let columns = Columns {
            queries: queries.len(),
            runs: runs.len(),
            offsets: vec![0],
            documents: Vec::new(),
            scores: Vec::new(),
        };
        let mut lists = Self { queries: Vec::new(), documents: Vec::new(), columns };
        let mut codes = Codes::default();
        for query in &queries {
            codes.clear();
            for (i, run) in runs.iter().enumerate() {
                if let Some(found) = run.get_item(query)? {
                    lists.add(&found, &mut codes, || format!("runs[{i}][{query:?}]"))?;
                }
                lists.columns.offsets.push(lists.columns.documents.len());
            }
        }
        Ok(Self { queries, ..lists })
    }

    /// The text of every document id.
    pub(crate) fn names(&self) -> PyResult<Vec<&str>> {
        self.documents.iter().map(|id| id.to_str()).collect()
    }

    fn add(&mut self, found: &Bound<'py, PyAny>, codes: &mut Codes, name: impl Fn() -> String) -> PyResult<()> {
        for (document, value) in as_dict(found, &name)? {
            let score = value.extract::<f64>().ok().filter(|score| score.is_finite()).ok_or_else(|| {
                InvalidInput::new_err(format!("{}[{document:?}] must be a finite number, not {value:?}", name()))
            })?;
            let id = string(&document, || format!("a document id of {}", name()))?;
            self.columns.documents.push(codes.code(id, &mut self.documents)?);
            self.columns.scores.push(score);
        }
        Ok(())
    }
}

/// The query ids of all runs, each once.
fn query_ids<'py>(py: Python<'py>, runs: &[Bound<'py, PyDict>]) -> PyResult<Vec<Bound<'py, PyString>>> {
    let seen = PyDict::new(py);
    for (i, run) in runs.iter().enumerate() {
        for (query, _) in run {
            seen.set_item(string(&query, || format!("a query id of runs[{i}]"))?, ())?;
        }
    }
    seen.into_iter().map(|(query, _)| Ok(query.cast_into::<PyString>()?)).collect()
}

/// A dict as it is, and any other mapping as one.
fn as_dict<'py>(mapping: &Bound<'py, PyAny>, name: impl Fn() -> String) -> PyResult<Bound<'py, PyDict>> {
    // A subclass may have an order and items of its own; and a score's conversion may run code that changes the dict.
    if let Ok(dict) = mapping.cast_exact::<PyDict>() {
        return dict.copy();
    }
    match mapping.cast::<PyMapping>() {
        Ok(mapping) => PyDict::from_sequence(mapping.items()?.as_any()),
        Err(_) => Err(InvalidInput::new_err(format!("{} must be a dict, not {}", name(), mapping.get_type().name()?))),
    }
}

/// A string that is valid Unicode.
fn string<'a, 'py>(id: &'a Bound<'py, PyAny>, what: impl Fn() -> String) -> PyResult<&'a Bound<'py, PyString>> {
    let text =
        id.cast::<PyString>().map_err(|_| InvalidInput::new_err(format!("{} must be a str, not {id:?}", what())))?;
    text.to_str().map_err(|_| InvalidInput::new_err(format!("{} is not valid Unicode: {id:?}", what())))?;
    Ok(text)
}

/// Codes of strings, by the hash that Python keeps with each.
#[derive(Default)]
struct Codes {
    /// Open addressing with linear probing: 1 + the code, 0 where free; a power of two long, at most half full.
    slots: Vec<u32>,
    /// Hashes of the codes from `first` on.
    hashes: Vec<isize>,
    first: usize,
}

impl Codes {
    /// Forget the strings; their codes are not given again.
    fn clear(&mut self) {
        self.slots.fill(0);
        self.first += self.hashes.len();
        self.hashes.clear();
    }

    /// The code of `id`; a new one is its place in `strings`, where it is added.
    fn code<'py>(&mut self, id: &Bound<'py, PyString>, strings: &mut Vec<Bound<'py, PyString>>) -> PyResult<u32> {
        if self.hashes.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = id.hash()?;
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(code) = self.slots[at].checked_sub(1) {
            let other = &strings[code as usize];
            if self.hashes[code as usize - self.first] == hash && (other.is(id) || other.to_str()? == id.to_str()?) {
                return Ok(code);
            }
            at = (at + 1) & mask;
        }
        let code = u32::try_from(strings.len()).ok().and_then(|code| code.checked_add(1));
        self.slots[at] = code.ok_or_else(|| InvalidInput::new_err("there are more than 4,294,967,294 documents"))?;
        self.hashes.push(hash);
        strings.push(id.clone());
        Ok(self.slots[at] - 1)
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(256);
        self.slots = vec![0; size];
        for (i, &hash) in self.hashes.iter().enumerate() {
            let mut at = hash as usize & (size - 1);
            while self.slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = (self.first + i + 1) as u32;
        }
    }
}
