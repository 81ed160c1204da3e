//! Rows grouped by query, as columns of integers.

use crate::texts::Texts;
use crate::vocabulary::Vocabulary;

/// Rows grouped by query. Queries are the codes 0, 1, ... in the order in which they were first seen; the rows of query
/// `q` lie between `offsets[q]` and `offsets[q + 1]` in every column.
///
/// Documents are not coded for the whole collection: what a measure needs is which judgment *of the same query* a
/// retrieved document has. So each row carries its id's 32-bit tag, which is what evaluation reads, and the id itself
/// lies in an arena beside the other ids of its query, where it is looked at only when tags are equal or scores tie.
#[derive(Debug, Clone)]
pub(crate) struct Columns<V> {
    pub(crate) queries: Vocabulary,
    pub(crate) offsets: Vec<usize>,
    pub(crate) documents: Texts,
    pub(crate) tags: Vec<u32>,
    pub(crate) values: Vec<V>,
}

/// The rows of one query.
#[derive(Debug)]
pub(crate) struct Group<'a, V> {
    documents: &'a Texts,
    first: usize,
    pub(crate) tags: &'a [u32],
    pub(crate) values: &'a [V],
}

impl<'a, V: Copy> Group<'a, V> {
    /// Documents and values.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = (&'a str, V)> {
        self.values.iter().enumerate().map(move |(row, &value)| (self.documents.get(self.first + row), value))
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The document id of a row, counted from the first row of the group.
    pub(crate) fn document(&self, row: usize) -> &str {
        self.documents.get(self.first + row)
    }
}

impl<V> Default for Columns<V> {
    fn default() -> Self {
        Self {
            queries: Vocabulary::default(),
            offsets: vec![0],
            documents: Texts::default(),
            tags: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl<V> Columns<V> {
    /// The rows of the query with this code, which there must be.
    pub(crate) fn group(&self, query: u32) -> Group<'_, V> {
        let rows = self.offsets[query as usize]..self.offsets[query as usize + 1];
        Group {
            documents: &self.documents,
            first: rows.start,
            tags: &self.tags[rows.clone()],
            values: &self.values[rows],
        }
    }

    /// The number of rows of the largest group.
    pub(crate) fn longest(&self) -> usize {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }
}
