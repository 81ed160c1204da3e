//! From rows in any order to columns grouped by query, checked.

use std::ops::Range;

use crate::columns::Columns;
use crate::lookup::Lookup;
use crate::texts::Texts;
use crate::vocabulary::Vocabulary;
use crate::{Error, Rows, threads};

/// What a column holds: grades or scores.
pub(crate) trait Value: Copy + Default + Send + Sync {
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
    // Every thread writes its rows where they belong.
    let text_bytes = |share: &[Segment]| -> usize {
        share.iter().map(|segment| pieces[segment.piece].documents.bytes(segment.rows.clone())).sum()
    };
    let mut text = vec![0; text_bytes(&segments)];
    let mut ends = vec![0; total];
    let mut tags = vec![0; total];
    let mut values = vec![V::default(); total];
    let mut tasks = Vec::with_capacity(shares.len());
    let mut rest = Part { start: 0, text: &mut text, ends: &mut ends, tags: &mut tags, values: &mut values };
    for share in shares {
        let (part, others) = rest.split_at(share.iter().map(|segment| segment.rows.len()).sum(), text_bytes(share));
        rest = others;
        tasks.push((share, part));
    }
    let results = threads::run(tasks, |(share, part)| part.fill(pieces, share, &queries));
    let mut offsets = Vec::with_capacity(queries.len() + 1);
    offsets.push(0);
    let mut fault: Option<Fault> = None;
    for result in results {
        match result {
            Ok(sizes) => offsets.extend(sizes.into_iter().scan(offsets[offsets.len() - 1], |end, size| {
                *end += size;
                Some(*end)
            })),
            Err(other) if fault.as_ref().is_none_or(|fault| other.row < fault.row) => fault = Some(other),
            Err(_) => {}
        }
    }
    match fault {
        None => Ok(Columns { queries, offsets, documents: Texts::from_parts(text, ends), tags, values }),
        Some(fault) => Err(fault),
    }
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

/// The part of the columns that one thread fills.
struct Part<'a, V> {
    /// Where the text of the part starts in all of the text.
    start: usize,
    text: &'a mut [u8],
    ends: &'a mut [usize],
    tags: &'a mut [u32],
    values: &'a mut [V],
}

/// One row of the query at hand.
#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    piece: usize,
    row: usize,
}

impl<V: Value> Part<'_, V> {
    fn split_at(self, rows: usize, bytes: usize) -> (Self, Self) {
        let (text, text_after) = self.text.split_at_mut(bytes);
        let (ends, ends_after) = self.ends.split_at_mut(rows);
        let (tags, tags_after) = self.tags.split_at_mut(rows);
        let (values, values_after) = self.values.split_at_mut(rows);
        let after = Self {
            start: self.start + bytes,
            text: text_after,
            ends: ends_after,
            tags: tags_after,
            values: values_after,
        };
        (Self { start: self.start, text, ends, tags, values }, after)
    }

    /// Put the rows of whole queries in their places; the number of rows of each query.
    fn fill(self, pieces: &[Rows<V>], share: &[Segment], queries: &Vocabulary) -> Result<Vec<usize>, Fault> {
        let document = |entry: &Entry| pieces[entry.piece].documents.get(entry.row);
        let mut sizes = Vec::new();
        let mut fault: Option<Fault> = None;
        let (mut row, mut byte) = (0, 0);
        let mut entries: Vec<Entry> = Vec::new();
        let mut lookup = Lookup::default();
        for group in share.chunk_by(|a, b| a.query == b.query) {
            entries.clear();
            lookup.clear(group.iter().map(|segment| segment.rows.len()).sum());
            if let Err(other) = read(pieces, group, queries, &mut entries, &mut lookup) {
                if fault.as_ref().is_none_or(|fault| other.row < fault.row) {
                    fault = Some(other);
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
            sizes.push(entries.len());
            for entry in &entries {
                let text = document(entry).as_bytes();
                self.text[byte..byte + text.len()].copy_from_slice(text);
                byte += text.len();
                self.ends[row] = self.start + byte;
                self.tags[row] = pieces[entry.piece].tags[entry.row];
                self.values[row] = pieces[entry.piece].values[entry.row];
                row += 1;
            }
        }
        fault.map_or(Ok(sizes), Err)
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
