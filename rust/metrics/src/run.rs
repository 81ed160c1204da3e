//! Runs: what a system retrieved.

use crate::columns::{Columns, Group};
use crate::gather::{Fault, Value, gather};
use crate::ordered::ascending;
use crate::{Error, Rows};

impl Value for f64 {
    const RANKED: bool = true;

    fn key(self) -> u64 {
        ascending(self)
    }

    fn fault(self, query: &str, document: &str) -> Option<String> {
        let reason =
            || format!("the score of document {document:?} for query {query:?} is {self}: scores must be finite");
        (!self.is_finite()).then(reason)
    }

    fn twice(query: &str, document: &str, _: Self, _: Self) -> String {
        format!("document {document:?} is twice in the ranking of query {query:?}: keep one")
    }
}

/// For each query the documents retrieved, by score descending, then by document id descending by bytes.
#[derive(Debug, Clone, Default)]
pub struct Run {
    columns: Columns<f64>,
}

impl Run {
    /// Group the rows of all pieces by query and put them in order. `threads`: how many may work, 0 is one for every
    /// core.
    ///
    /// # Errors
    /// [`Error::Data`] for a document that comes twice for a query, and for a score that is NaN or infinite.
    pub fn gather(pieces: &[Rows<f64>], threads: usize) -> Result<Self, Error> {
        Ok(Self::from_pieces(pieces, threads)?)
    }

    pub(crate) fn from_pieces(pieces: &[Rows<f64>], threads: usize) -> Result<Self, Fault> {
        Ok(Self { columns: gather(pieces, threads)? })
    }

    /// How many queries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.queries.len()
    }

    /// Whether there is no query.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many documents were retrieved for all queries.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.columns.values.len()
    }

    /// The name of a query; queries are 0, 1, ... in the order they were first seen.
    ///
    /// # Panics
    /// When there is no such query.
    #[must_use]
    pub fn query(&self, code: u32) -> &str {
        self.columns.queries.name(code)
    }

    /// The documents of a query and their scores, best first.
    ///
    /// # Panics
    /// When there is no such query.
    pub fn ranking(&self, code: u32) -> impl Iterator<Item = (&str, f64)> {
        self.columns.group(code).into_rows()
    }

    pub(crate) fn find(&self, query: &str) -> Option<u32> {
        self.columns.queries.get(query)
    }

    pub(crate) fn longest(&self) -> usize {
        self.columns.longest()
    }

    pub(crate) fn group(&self, code: u32) -> Group<'_, f64> {
        self.columns.group(code)
    }
}
