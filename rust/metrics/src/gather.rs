//! From rows in any order to columns grouped by query, checked.

use std::ops::Range;

use crate::columns::Columns;
use crate::lookup::Lookup;
use crate::texts::Texts;
use crate::{Error, Rows, Vocabulary, threads};

/// What a column holds: grades or scores.
pub(crate) trait Value: Copy + Send + Sync {
    /// Whether the rows of a query are put in rank order; otherwise they keep the order of the source.
    const RANKED: bool;

    /// Greater keys come first.
    fn key(self) -> u64;

    /// Why the value cannot stand there, if it cannot.
    fn fault(self, query: &str, document: &str) -> Option<String>;

    /// What to say of a document that comes twice for a query.
    fn twice(query: &str, document: &str, before: Self, here: Self) -> String;
}

/// A row that cannot be used: its number over all pieces, from 0, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) row: usize,
    pub(crate) reason: String,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Data(fault.reason)
    }
}

/// Rows for which a second thread is worth its start.
const ROWS_PER_THREAD: usize = 1 << 14;

/// Neighbouring rows of one query in one piece.
struct Segment {
    query: u32,
    piece: usize,
    rows: Range<usize>,
}

/// Group the rows of all pieces by query. The result does not depend on how rows are cut into pieces, nor on the number
/// of threads; of several faults, that of the first row is reported.
pub(crate) fn gather<V: Value>(pieces: &[Rows<V>], threads: usize) -> Result<Columns<V>, Fault> {
    let (queries, segments) = segments(pieces);
    let total = pieces.iter().map(Rows::len).sum();
    let shares = shares(&segments, total, threads::count(threads, total, ROWS_PER_THREAD));
    let parts = threads::run(shares, |segments| Part::of(pieces, segments, &queries));
    if let Some(fault) = parts.iter().filter_map(|part| part.fault.clone()).min_by_key(|fault| fault.row) {
        return Err(fault);
    }
    let mut columns = Columns::default();
    if parts.len() > 1 {
        columns.offsets.reserve(queries.len());
        columns.documents.reserve(total, parts.iter().map(|part| part.documents.bytes()).sum());
        columns.tags.reserve(total);
        columns.values.reserve(total);
    }
    for part in parts {
        columns.append(&part.sizes, part.documents, part.tags, part.values);
    }
    columns.queries = queries;
    Ok(columns)
}

/// The queries in the order they were first seen, and all segments: by query, then in the order of the source.
fn segments<V: Copy>(pieces: &[Rows<V>]) -> (Vocabulary, Vec<Segment>) {
    let mut queries = Vocabulary::default();
    let mut segments = Vec::new();
    for (piece, rows) in pieces.iter().enumerate() {
        let local = rows.queries();
        let codes: Vec<u32> = (0..local.len()).map(|code| queries.code(local.name(code as u32))).collect();
        segments.extend(rows.spans().map(|(query, rows)| Segment { query: codes[query as usize], piece, rows }));
    }
    // Stable, and quick when the source is grouped already.
    segments.sort_by_key(|segment| segment.query);
    (queries, segments)
}

/// Cut the segments between queries into `count` shares of about equal size.
fn shares(segments: &[Segment], total: usize, count: usize) -> Vec<&[Segment]> {
    let mut shares = Vec::with_capacity(count);
    let (mut start, mut seen) = (0, 0);
    for (i, segment) in segments.iter().enumerate() {
        let next_query = segments.get(i + 1).is_none_or(|next| next.query != segment.query);
        seen += segment.rows.len();
        if next_query && seen * count >= total * (shares.len() + 1) && shares.len() + 1 < count {
            shares.push(&segments[start..=i]);
            start = i + 1;
        }
    }
    shares.push(&segments[start..]);
    shares
}

/// What one thread makes of its share.
struct Part<V> {
    sizes: Vec<usize>,
    documents: Texts,
    tags: Vec<u32>,
    values: Vec<V>,
    fault: Option<Fault>,
}

/// One row of the query at hand.
#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    piece: usize,
    row: usize,
}

impl<V: Value> Part<V> {
    fn of(pieces: &[Rows<V>], segments: &[Segment], queries: &Vocabulary) -> Self {
        let rows = segments.iter().map(|segment| segment.rows.len()).sum();
        let mut part = Self {
            sizes: Vec::new(),
            documents: Texts::default(),
            tags: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            fault: None,
        };
        part.documents.reserve(rows, 8 * rows);
        let document = |entry: &Entry| pieces[entry.piece].documents.get(entry.row);
        let mut entries: Vec<Entry> = Vec::new();
        let mut lookup = Lookup::default();
        for group in segments.chunk_by(|a, b| a.query == b.query) {
            entries.clear();
            lookup.clear(group.iter().map(|segment| segment.rows.len()).sum());
            if let Err(fault) = read(pieces, group, queries, &mut entries, &mut lookup) {
                if part.fault.as_ref().is_none_or(|earlier| fault.row < earlier.row) {
                    part.fault = Some(fault);
                }
                continue;
            }
            if V::RANKED {
                // Best first; equal scores by id, descending by bytes.
                let order = |a: &Entry, b: &Entry| {
                    b.key.cmp(&a.key).then_with(|| document(b).as_bytes().cmp(document(a).as_bytes()))
                };
                if !entries.is_sorted_by(|a, b| order(a, b).is_le()) {
                    entries.sort_unstable_by(order);
                }
            }
            part.sizes.push(entries.len());
            for entry in &entries {
                part.documents.push(document(entry));
                part.tags.push(pieces[entry.piece].tags[entry.row]);
                part.values.push(pieces[entry.piece].values[entry.row]);
            }
        }
        part
    }
}

/// Check the rows of one query and note them in `entries`, in the order of the source.
fn read<V: Value>(
    pieces: &[Rows<V>],
    group: &[Segment],
    queries: &Vocabulary,
    entries: &mut Vec<Entry>,
    lookup: &mut Lookup,
) -> Result<(), Fault> {
    for segment in group {
        let rows = &pieces[segment.piece];
        for row in segment.rows.clone() {
            let (document, value) = (rows.documents.get(row), rows.values[row]);
            let fault = |reason: String| {
                let before: usize = pieces[..segment.piece].iter().map(Rows::len).sum();
                Fault { row: before + row, reason }
            };
            if let Some(reason) = value.fault(queries.name(segment.query), document) {
                return Err(fault(reason));
            }
            let is_it = |i: usize| {
                let other: &Entry = &entries[i];
                pieces[other.piece].documents.get(other.row) == document
            };
            if let Some(earlier) = lookup.insert(rows.tags[row], entries.len(), is_it) {
                let before = pieces[entries[earlier].piece].values[entries[earlier].row];
                return Err(fault(V::twice(queries.name(segment.query), document, before, value)));
            }
            entries.push(Entry { key: value.key(), piece: segment.piece, row });
        }
    }
    Ok(())
}
