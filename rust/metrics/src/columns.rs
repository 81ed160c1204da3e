//! Judgments and runs as integer-coded columns.

/// Rows grouped by query: the documents of group `g` are `documents[offsets[g]..offsets[g + 1]]`, with `values` beside
/// them. Codes are those of the [`Vocabulary`](crate::Vocabulary) for queries and the one for documents.
#[derive(Debug, Clone)]
pub struct Columns<V> {
    queries: Vec<u32>,
    offsets: Vec<usize>,
    documents: Vec<u32>,
    values: Vec<V>,
}

/// Relevance grades. A grade of zero or less is judged and not relevant.
pub type Judgments = Columns<i32>;

/// Retrieval scores; higher is better.
pub type Run = Columns<f64>;

impl<V> Default for Columns<V> {
    fn default() -> Self {
        Self { queries: Vec::new(), offsets: vec![0], documents: Vec::new(), values: Vec::new() }
    }
}

impl<V: Copy> Columns<V> {
    /// Open the group of a query; a query may be opened once, which [`evaluate`](crate::evaluate) checks.
    pub fn begin(&mut self, query: u32) {
        self.queries.push(query);
        self.offsets.push(self.documents.len());
    }

    /// Add a document to the group opened last.
    ///
    /// # Panics
    /// When no group is open.
    pub fn push(&mut self, document: u32, value: V) {
        assert!(!self.queries.is_empty(), "begin() comes before push()");
        self.documents.push(document);
        self.values.push(value);
        let last = self.offsets.len() - 1;
        self.offsets[last] = self.documents.len();
    }

    /// The queries, in the order they were opened.
    #[must_use]
    pub fn queries(&self) -> &[u32] {
        &self.queries
    }

    /// The documents and values of group `g` (a position in [`queries`](Self::queries)).
    ///
    /// # Panics
    /// When there is no such group.
    #[must_use]
    pub fn group(&self, g: usize) -> (&[u32], &[V]) {
        let range = self.offsets[g]..self.offsets[g + 1];
        (&self.documents[range.clone()], &self.values[range])
    }

    /// How many rows there are in all groups.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.documents.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_what_was_pushed() {
        let mut run = Run::default();
        run.begin(7);
        run.push(1, 0.5);
        run.push(2, 0.25);
        run.begin(3);
        run.begin(9);
        run.push(1, -1.0);
        assert_eq!(run.queries(), [7, 3, 9]);
        assert_eq!(run.group(0), ([1, 2].as_slice(), [0.5, 0.25].as_slice()));
        assert_eq!(run.group(1), ([].as_slice(), [].as_slice()));
        assert_eq!(run.group(2), ([1].as_slice(), [-1.0].as_slice()));
        assert_eq!(run.rows(), 3);
    }
}
