//! Rows as a source gives them: a mapping, arrays, a table, a piece of a file.

use crate::lookup::Tagger;
use crate::texts::Texts;
use crate::vocabulary::Vocabulary;

/// (query, document, value) rows in any order, on their way into [`Judgments`](crate::Judgments) or a
/// [`Run`](crate::Run).
#[derive(Debug)]
pub struct Rows<V> {
    queries: Vocabulary,
    /// Neighbouring rows of one query: its code and its first row.
    spans: Vec<(u32, usize)>,
    pub(crate) documents: Texts,
    /// Beside every document its tag: ids are looked at again only where tags are equal.
    pub(crate) tags: Vec<u32>,
    pub(crate) values: Vec<V>,
    tagger: Tagger,
}

impl<V> Default for Rows<V> {
    fn default() -> Self {
        Self {
            queries: Vocabulary::default(),
            spans: Vec::new(),
            documents: Texts::default(),
            tags: Vec::new(),
            values: Vec::new(),
            tagger: Tagger::default(),
        }
    }
}

impl<V: Copy> Rows<V> {
    /// The rows pushed from now on are of this query, which may have been opened before. A query without rows counts as
    /// one that was asked and found nothing.
    pub fn open(&mut self, query: &str) {
        if self.spans.last().is_some_and(|&(code, _)| self.queries.name(code) == query) {
            return;
        }
        let code = self.queries.code(query);
        self.spans.push((code, self.values.len()));
    }

    /// Add a row to the query opened last.
    ///
    /// # Panics
    /// When no query is open.
    pub fn push(&mut self, document: &str, value: V) {
        assert!(!self.spans.is_empty(), "open() comes before push()");
        self.documents.push(document);
        self.tags.push(self.tagger.tag(document));
        self.values.push(value);
    }

    /// Make room for this many more rows.
    pub fn reserve(&mut self, rows: usize) {
        self.documents.reserve(rows, 8 * rows);
        self.tags.reserve(rows);
        self.values.reserve(rows);
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn queries(&self) -> &Vocabulary {
        &self.queries
    }

    /// Neighbouring rows of one query: the query's code and the rows.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (u32, std::ops::Range<usize>)> + '_ {
        let ends = self.spans.iter().skip(1).map(|&(_, start)| start).chain([self.len()]);
        self.spans.iter().zip(ends).map(|(&(query, start), end)| (query, start..end))
    }
}
