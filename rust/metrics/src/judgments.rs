//! Relevance judgments.

use crate::columns::{Columns, Group};
use crate::gather::{Fault, Value, gather};
use crate::{Error, Rows};

impl Value for i32 {
    const RANKED: bool = false;

    fn key(self) -> u64 {
        0
    }

    fn fault(self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn twice(query: &str, document: &str, before: Self, here: Self) -> String {
        format!(
            "document {document:?} is judged twice for query {query:?} (grade {before} before, {here} here): keep one"
        )
    }
}

/// Which documents answer which queries, and how well. A grade of zero is judged and not relevant, one below zero is
/// in the pool without a judgment, as in samples for inferred AP.
#[derive(Debug, Clone, Default)]
pub struct Judgments {
    columns: Columns<i32>,
    /// The positive grades of each query, highest first: those of query `q` end at `ideal_ends[q]`.
    ideal: Vec<i32>,
    ideal_ends: Vec<usize>,
    /// How many grades of each query are 0.
    zeros: Vec<usize>,
}

impl Judgments {
    /// Group the rows of all pieces by query. `threads`: how many may work, 0 is one for every core.
    ///
    /// # Errors
    /// [`Error::Data`] for a document that is judged twice for a query.
    pub fn gather(pieces: &[Rows<i32>], threads: usize) -> Result<Self, Error> {
        Ok(Self::from_pieces(pieces, threads)?)
    }

    pub(crate) fn from_pieces(pieces: &[Rows<i32>], threads: usize) -> Result<Self, Fault> {
        let mut judgments = Self { columns: gather(pieces, threads)?, ..Self::default() };
        for query in 0..judgments.len() as u32 {
            let start = judgments.ideal.len();
            let grades = judgments.columns.group(query).values;
            judgments.ideal.extend(grades.iter().filter(|&&grade| grade > 0));
            judgments.zeros.push(grades.iter().filter(|&&grade| grade == 0).count());
            judgments.ideal[start..].sort_unstable_by(|a, b| b.cmp(a));
            judgments.ideal_ends.push(judgments.ideal.len());
        }
        Ok(judgments)
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

    /// How many judgments there are.
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

    /// The documents of a query and their grades, in the order given.
    ///
    /// # Panics
    /// When there is no such query.
    pub fn grades(&self, code: u32) -> impl Iterator<Item = (&str, i32)> {
        self.columns.group(code).into_rows()
    }

    pub(crate) fn longest(&self) -> usize {
        self.columns.longest()
    }

    pub(crate) fn group(&self, code: u32) -> Group<'_, i32> {
        self.columns.group(code)
    }

    /// The positive grades of a query, highest first, and how many of its grades are 0.
    pub(crate) fn ideal(&self, code: u32) -> (&[i32], usize) {
        let query = code as usize;
        let start = if query == 0 { 0 } else { self.ideal_ends[query - 1] };
        (&self.ideal[start..self.ideal_ends[query]], self.zeros[query])
    }
}
