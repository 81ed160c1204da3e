//! Why a row has its score.

use crate::Error;
use crate::lengths;
use crate::plan::{Plan, Statistics, terms};
use crate::search::{Options, Part, Rows, check};
use crate::units;

/// A row's score, term by term.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What `search` gives the row: the sum of the contributions, exactly. 0 where it has no term of the query.
    pub score: f64,
    /// The row's length as it counts, in tokens: exact up to 40, then within a ninth.
    pub length: u32,
    /// The terms that the row has, in the query's order.
    pub terms: Vec<TermScore>,
}

/// What one term adds.
#[derive(Debug, Clone, PartialEq)]
pub struct TermScore {
    /// The term, as it is indexed.
    pub term: String,
    /// How often the query has it.
    pub count: u32,
    /// Rows of all parts that have it.
    pub rows: u64,
    /// Its inverse document frequency.
    pub idf: f64,
    /// How often the row has it.
    pub frequency: u32,
    /// What it adds to the score, `count` times.
    pub contribution: f64,
}

/// The scores of some rows for one query: each row by the place of its part and its number. Masks play no part.
///
/// # Errors
/// As [`crate::search`], and [`Error::NoRow`].
pub fn explain(
    query: &str,
    parts: &[Part<'_>],
    rows: &[(usize, u64)],
    options: Options<'_>,
) -> Result<Vec<Explanation>, Error> {
    for &(part, row) in rows {
        if parts.get(part).is_none_or(|part| row >= part.rows.count()) {
            return Err(Error::NoRow { part, row });
        }
    }
    let Some(mut analyser) = check(parts)? else { return Ok(vec![]) };
    let all = Statistics::of(parts, options.bm25);
    let terms = terms(&mut analyser, query, 0)?;
    let mut plan = Plan::new(parts, terms, &all, false)?;
    // A cursor only goes forward.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|&place| rows[place]);
    let mut found: Vec<_> = rows.iter().map(|_| Explanation { score: 0.0, length: 0, terms: vec![] }).collect();
    for place in order {
        let (part, row) = (rows[place].0, rows[place].1 as u32);
        let (explained, terms, cursors) = (&mut found[place], &plan.terms, &mut plan.cursors[part]);
        explained.length = lengths::length(parts[part].rows.length(row));
        let mut work = || {
            let mut sum = 0;
            for (term, cursor) in cursors.iter_mut() {
                let score = cursor.probe(row, &all.norms);
                if score == 0 {
                    continue;
                }
                let frequency = cursor.frequency();
                let term = &terms[*term];
                explained.terms.push(TermScore {
                    term: term.text.clone(),
                    count: term.count,
                    rows: term.rows,
                    idf: term.idf,
                    frequency,
                    contribution: units::score(score),
                });
                sum += score;
            }
            explained.score = units::score(sum);
            Ok(())
        };
        match parts[part].rows {
            Rows::Segment(segment) => segment.guarded(&mut work)?,
            Rows::Tail(_) => work()?,
        }
    }
    Ok(found)
}
