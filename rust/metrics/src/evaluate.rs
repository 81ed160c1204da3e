//! A run against judgments: every measure of every query.

use std::num::NonZero;
use std::thread;

use crate::compute::{Ranked, UNJUDGED, discounts, value};
use crate::ranking::{Entry, Ties, sort};
use crate::{Error, Judgments, Measure, Run, Vocabulary};

/// What becomes of judged queries that the run lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// They are left out, and the means are over the rest; `trec_eval` does this.
    #[default]
    Skip,
    /// Every measure of theirs is 0; `trec_eval -c` does this.
    Zero,
}

/// How a run is evaluated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How scores are compared.
    pub ties: Ties,
    /// What becomes of judged queries that the run lacks.
    pub missing: Missing,
    /// How many threads may work; 0 is one for every core. The result does not depend on it.
    pub threads: usize,
}

/// One row a query, one column a measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The queries evaluated, in the order of the judgments.
    pub queries: Vec<u32>,
    /// Shape (queries, measures), row by row.
    pub values: Vec<f64>,
    /// Judged queries that the run lacks, in the order of the judgments.
    pub missing: Vec<u32>,
}

/// Measure `run` against `judgments`. Both are coded by the vocabularies `queries` and `documents`.
///
/// A query without a judgment is not evaluated. A query whose judgments hold no relevant document counts, as 0.
///
/// # Errors
/// [`Error::Data`] for a query or, within a query, a document that comes twice, and for a score that is NaN or infinite.
pub fn evaluate(
    names: (&Vocabulary, &Vocabulary),
    judgments: &Judgments,
    run: &Run,
    measures: &[Measure],
    options: Options,
) -> Result<Table, Error> {
    let (queries, documents) = names;
    let groups = groups_by_query(run.queries(), queries, "the run")?;
    groups_by_query(judgments.queries(), queries, "the judgments")?;
    let judged = (0..judgments.queries().len()).filter(|&g| !judgments.group(g).0.is_empty());
    let (rows, missing): (Vec<usize>, Vec<usize>) = match options.missing {
        Missing::Zero => (judged.clone().collect(), judged.filter(|&g| of(&groups, judgments, g).is_none()).collect()),
        Missing::Skip => judged.partition(|&g| of(&groups, judgments, g).is_some()),
    };
    let task = Task { names: (queries, documents), judgments, run, measures, ties: options.ties, groups: &groups };
    let mut values = vec![0.0; rows.len() * measures.len()];
    task.fill(&rows, &mut values, options.threads)?;
    let names_of = |groups: &[usize]| groups.iter().map(|&g| judgments.queries()[g]).collect();
    Ok(Table { queries: names_of(&rows), values, missing: names_of(&missing) })
}

/// For every query code, its group; an error when a query has two.
fn groups_by_query(codes: &[u32], queries: &Vocabulary, whose: &str) -> Result<Vec<Option<usize>>, Error> {
    let mut groups = vec![None; queries.len()];
    for (g, &code) in codes.iter().enumerate() {
        if groups[code as usize].replace(g).is_some() {
            return Err(Error::Data(format!("query {:?} comes twice in {whose}", queries.name(code))));
        }
    }
    Ok(groups)
}

/// The run's group for the query of group `g` of the judgments.
fn of(groups: &[Option<usize>], judgments: &Judgments, g: usize) -> Option<usize> {
    groups[judgments.queries()[g] as usize]
}

/// Everything the workers share.
struct Task<'a> {
    names: (&'a Vocabulary, &'a Vocabulary),
    judgments: &'a Judgments,
    run: &'a Run,
    measures: &'a [Measure],
    ties: Ties,
    groups: &'a [Option<usize>],
}

/// Retrieved documents for which a second thread is worth its start.
const ROWS_PER_THREAD: usize = 1 << 14;

impl Task<'_> {
    /// Fill the values of the queries in `rows`, a contiguous share for every thread. The first error in the order of
    /// `rows` wins, so that the message does not depend on the number of threads either.
    fn fill(&self, rows: &[usize], values: &mut [f64], threads: usize) -> Result<(), Error> {
        let cores = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = if threads == 0 { cores() } else { threads };
        let threads = threads.min(self.run.rows().div_ceil(ROWS_PER_THREAD)).max(1);
        let share = rows.len().div_ceil(threads).max(1);
        let discounts = &discounts(self.depth().min(self.longest()));
        // A table without columns has no chunks; the rows are still checked.
        let width = self.measures.len();
        let mut rest = values;
        thread::scope(|scope| {
            let workers: Vec<_> = rows
                .chunks(share)
                .map(|rows| {
                    let (part, tail) = std::mem::take(&mut rest).split_at_mut(rows.len() * width);
                    rest = tail;
                    (rows, part)
                })
                .collect();
            let mut workers = workers.into_iter();
            let own = workers.next();
            let handles: Vec<_> =
                workers.map(|(rows, part)| scope.spawn(move || self.share(rows, part, discounts))).collect();
            let first = own.map_or(Ok(()), |(rows, part)| self.share(rows, part, discounts));
            handles.into_iter().fold(first, |result, handle| {
                let next = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result.and(next)
            })
        })
    }

    fn share(&self, rows: &[usize], values: &mut [f64], discounts: &[f64]) -> Result<(), Error> {
        let mut scratch = Scratch::new(self.names.1.len());
        for (i, &g) in rows.iter().enumerate() {
            let Some(run_group) = of(self.groups, self.judgments, g) else { continue };
            self.rank(g, run_group, &mut scratch)?;
            let row = &mut values[i * self.measures.len()..][..self.measures.len()];
            for (slot, measure) in row.iter_mut().zip(self.measures) {
                *slot = value(measure, &scratch.ranked, discounts);
            }
        }
        Ok(())
    }

    /// Put one query's grades in rank order into `scratch.ranked`.
    fn rank(&self, judged_group: usize, run_group: usize, scratch: &mut Scratch) -> Result<(), Error> {
        let (judged, grades) = self.judgments.group(judged_group);
        let query = self.judgments.queries()[judged_group];
        let twice = |document: u32, whose: &str| {
            let (query, document) = (self.names.0.name(query), self.names.1.name(document));
            Error::Data(format!("document {document:?} comes twice in {whose} for query {query:?}"))
        };
        scratch.next_query();
        for (&document, &grade) in judged.iter().zip(grades) {
            if !scratch.judge(document, i64::from(grade)) {
                return Err(twice(document, "the judgments"));
            }
        }
        scratch.entries.clear();
        let (retrieved, scores) = self.run.group(run_group);
        for (&document, &score) in retrieved.iter().zip(scores) {
            if !score.is_finite() {
                let (query, document) = (self.names.0.name(query), self.names.1.name(document));
                return Err(Error::Data(format!(
                    "the score of document {document:?} for query {query:?} is {score}: scores must be finite"
                )));
            }
            if !scratch.retrieve(document) {
                return Err(twice(document, "the run"));
            }
            scratch.entries.push(Entry::new(document, score, self.ties));
        }
        sort(&mut scratch.entries, self.depth(), self.names.1);
        scratch.rank();
        scratch.ranked.ideal.clear();
        scratch.ranked.ideal.extend(grades.iter().filter(|&&grade| grade > 0).map(|&grade| i64::from(grade)));
        scratch.ranked.ideal.sort_unstable_by(|a, b| b.cmp(a));
        Ok(())
    }

    /// The last rank that a measure looks at.
    fn depth(&self) -> usize {
        self.measures.iter().map(|m| m.cutoff().unwrap_or(usize::MAX)).max().unwrap_or(0)
    }

    /// The longest ranking or list of judgments.
    fn longest(&self) -> usize {
        let judged = (0..self.judgments.queries().len()).map(|g| self.judgments.group(g).0.len());
        let retrieved = (0..self.run.queries().len()).map(|g| self.run.group(g).0.len());
        judged.chain(retrieved).max().unwrap_or(0)
    }
}

/// What one thread reuses from query to query. A document's stamp says in which query its grade was written and in
/// which it was retrieved, so nothing needs clearing.
struct Scratch {
    query: u32,
    judged: Vec<(u32, i64)>,
    retrieved: Vec<u32>,
    entries: Vec<Entry>,
    ranked: Ranked,
}

impl Scratch {
    fn new(documents: usize) -> Self {
        Self {
            query: 0,
            judged: vec![(0, UNJUDGED); documents],
            retrieved: vec![0; documents],
            entries: Vec::new(),
            ranked: Ranked::default(),
        }
    }

    fn next_query(&mut self) {
        self.query += 1;
    }

    /// Note a grade; false when this query already has one for the document.
    fn judge(&mut self, document: u32, grade: i64) -> bool {
        let stamp = std::mem::replace(&mut self.judged[document as usize], (self.query, grade)).0;
        stamp != self.query
    }

    /// Note that the document was retrieved; false when it already was for this query.
    fn retrieve(&mut self, document: u32) -> bool {
        std::mem::replace(&mut self.retrieved[document as usize], self.query) != self.query
    }

    /// The grades of `entries` in their order.
    fn rank(&mut self) {
        let Self { query, judged, entries, ranked, .. } = self;
        ranked.grades.clear();
        ranked.grades.extend(entries.iter().map(|entry| match judged[entry.document as usize] {
            (stamp, grade) if stamp == *query => grade,
            _ => UNJUDGED,
        }));
    }
}
