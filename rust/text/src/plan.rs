//! A query's terms over all parts: which rows have each, and what it weighs.

use std::collections::HashMap;

use tantivy::postings::BlockSegmentPostings;

use crate::bm25::{Norms, idf};
use crate::cursor::{Cursor, Source};
use crate::search::{MOST_QUERY_TOKENS, Part, Rows};
use crate::tail::Copied;
use crate::{Analyser, Bm25, Error};

/// What all parts hold together.
pub(crate) struct Statistics {
    pub(crate) rows: u64,
    pub(crate) norms: Norms,
}

impl Statistics {
    pub(crate) fn of(parts: &[Part<'_>], bm25: Bm25) -> Self {
        let rows = parts.iter().map(|part| part.rows.count()).sum();
        let tokens = parts.iter().map(|part| part.rows.tokens()).sum();
        Self { rows, norms: Norms::new(bm25, rows, tokens) }
    }
}

/// A distinct term of a query.
pub(crate) struct Term {
    pub(crate) text: String,
    /// How often the query has it.
    pub(crate) count: u32,
    /// Rows of all parts that have it.
    pub(crate) rows: u64,
    pub(crate) idf: f64,
}

/// A query's terms, and for each part the cursors of those it has, each with the place of its term.
pub(crate) struct Plan<'a> {
    pub(crate) terms: Vec<Term>,
    pub(crate) cursors: Vec<Vec<(usize, Cursor<'a>)>>,
}

/// The distinct terms of a query, in the order in which they first come.
pub(crate) fn terms(analyser: &mut Analyser, text: &str, query: usize) -> Result<Vec<Term>, Error> {
    let mut terms = Vec::<Term>::new();
    let mut places = HashMap::<String, usize>::new();
    let mut tokens = 0;
    analyser.tokens(text, |token| {
        tokens += 1;
        if tokens > MOST_QUERY_TOKENS {
            return;
        }
        // A look through a few is faster than a hash of each.
        let place = if terms.len() < 16 {
            terms.iter().position(|term| term.text == token)
        } else {
            if places.is_empty() {
                places.extend(terms.iter().enumerate().map(|(place, term)| (term.text.clone(), place)));
            }
            places.get(token).copied()
        };
        if let Some(place) = place {
            terms[place].count += 1;
            return;
        }
        if !places.is_empty() {
            places.insert(token.to_owned(), terms.len());
        }
        terms.push(Term { text: token.to_owned(), count: 1, rows: 0, idf: 0.0 });
    });
    if tokens > MOST_QUERY_TOKENS {
        return Err(Error::QueryTooLong { query, tokens });
    }
    Ok(terms)
}

impl<'a> Plan<'a> {
    /// `scanned`: its rows will be, so that what they get at most is worth knowing.
    pub(crate) fn new(
        parts: &[Part<'a>],
        mut terms: Vec<Term>,
        all: &Statistics,
        scanned: bool,
    ) -> Result<Self, Error> {
        let mut sources = Vec::with_capacity(parts.len());
        for part in parts {
            let found = match part.rows {
                Rows::Segment(segment) => {
                    let stored = |term: &Term| {
                        let postings = segment.postings(&term.text)?;
                        let with_peaks = |postings: BlockSegmentPostings| {
                            let peaks = if scanned { segment.peaks(&term.text, &postings) } else { None };
                            Source::Stored(Box::new(postings), segment.lengths(), peaks)
                        };
                        Ok(postings.map(with_peaks))
                    };
                    segment.guarded(|| terms.iter().map(stored).collect::<Result<Vec<_>, Error>>())?
                }
                Rows::Tail(view) => {
                    let some = |copied: Copied| (!copied.rows.is_empty()).then_some(Source::Copied(copied));
                    view.copy(terms.iter().map(|term| term.text.as_str())).into_iter().map(some).collect()
                }
            };
            for (term, source) in terms.iter_mut().zip(&found) {
                term.rows += match source {
                    Some(Source::Stored(postings, ..)) => u64::from(postings.doc_freq()),
                    Some(Source::Copied(copied)) => copied.rows.len() as u64,
                    None => 0,
                };
            }
            sources.push(found);
        }
        for term in &mut terms {
            term.idf = idf(all.rows, term.rows);
        }
        let cursor = |place: usize, source: Option<Source<'a>>| {
            let weight = terms[place].idf * f64::from(terms[place].count);
            source.map(|source| (place, Cursor::new(source, weight, &all.norms)))
        };
        let cursors = sources
            .into_iter()
            .map(|found| found.into_iter().enumerate().filter_map(|(place, source)| cursor(place, source)).collect())
            .collect();
        Ok(Self { terms, cursors })
    }
}
