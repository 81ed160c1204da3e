//! A run against judgments: every measure of every query.

use crate::bounds::Extremes;
use crate::columns::Group;
use crate::compute::{Constants, Ranked, UNJUDGED, value};
use crate::lookup::Lookup;
use crate::ranking::{Ranking, Ties};
use crate::{Judgments, Measure, Run, threads};

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
    /// The queries evaluated, by the judgments' codes, in the order of the judgments.
    pub queries: Vec<u32>,
    /// Shape (queries, measures), row by row.
    pub values: Vec<f64>,
    /// Judged queries that the run lacks, in the order of the judgments.
    pub missing: Vec<u32>,
}

/// A table and how far the order of tied documents could move each value.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// The values in `trec_eval`'s order.
    pub table: Table,
    /// The least value of any order of tied documents; shaped as the table's values.
    pub worst: Vec<f64>,
    /// The greatest value of any order of tied documents; shaped as the table's values.
    pub best: Vec<f64>,
}

/// Measure `run` against `judgments`.
///
/// A query without a judgment is not evaluated. A query whose judgments hold no relevant document counts, as 0.
#[must_use]
pub fn evaluate(judgments: &Judgments, run: &Run, measures: &[Measure], options: Options) -> Table {
    Task::new(judgments, run, measures, options, 1).table()
}

/// Measure `run` against `judgments` in `trec_eval`'s order, and in the best and the worst order of tied documents.
#[must_use]
pub fn tie_bounds(judgments: &Judgments, run: &Run, measures: &[Measure], options: Options) -> Bounds {
    let mut table = Task::new(judgments, run, measures, options, 3).table();
    let column = |which: usize| table.values.iter().skip(which).step_by(3).copied().collect();
    let (here, worst, best) = (column(0), column(1), column(2));
    table.values = here;
    Bounds { table, worst, best }
}

/// Retrieved documents for which a second thread is worth its start.
const ROWS_PER_THREAD: usize = 1 << 14;

/// Everything the workers share.
struct Task<'a> {
    judgments: &'a Judgments,
    run: &'a Run,
    measures: &'a [Measure],
    options: Options,
    /// Values of each query and measure: 1, or 3 with the worst and the best beside it.
    values: usize,
    /// The last rank that a measure looks at.
    depth: usize,
    constants: Constants,
}

impl<'a> Task<'a> {
    fn new(judgments: &'a Judgments, run: &'a Run, measures: &'a [Measure], options: Options, values: usize) -> Self {
        let depth = measures.iter().map(|m| m.cutoff().unwrap_or(usize::MAX)).max().unwrap_or(0);
        let longest = judgments.longest().max(run.longest());
        let constants = Constants::new(depth.min(longest), options.ties);
        Self { judgments, run, measures, options, values, depth, constants }
    }

    fn table(&self) -> Table {
        let judged = (0..self.judgments.len() as u32).filter(|&query| self.judgments.group(query).len() > 0);
        let found = judged.map(|query| (query, self.run.find(self.judgments.query(query))));
        let (answered, unanswered): (Vec<_>, Vec<_>) = found.clone().partition(|(_, answer)| answer.is_some());
        let rows = match self.options.missing {
            Missing::Skip => answered,
            Missing::Zero => found.collect(),
        };
        let width = self.measures.len() * self.values;
        let mut values = vec![0.0; rows.len() * width];
        let threads = threads::count(self.options.threads, self.run.rows(), ROWS_PER_THREAD);
        let share = rows.len().div_ceil(threads).max(1);
        // `chunks_mut` of nothing wide is nothing, as it should be.
        let shares = rows.chunks(share).zip(values.chunks_mut((share * width).max(1))).collect();
        threads::run(shares, |(rows, values)| self.fill(rows, values));
        let queries_of = |rows: &[(u32, Option<u32>)]| rows.iter().map(|&(query, _)| query).collect();
        Table { queries: queries_of(&rows), values, missing: queries_of(&unanswered) }
    }

    /// Fill the values of some queries, each with its place in the run.
    fn fill(&self, rows: &[(u32, Option<u32>)], values: &mut [f64]) {
        let mut scratch = Scratch::default();
        let width = self.measures.len() * self.values;
        for (&(query, answer), row) in rows.iter().zip(values.chunks_exact_mut(width)) {
            let Some(answer) = answer else { continue };
            scratch.rank(&self.judgments.group(query), &self.run.group(answer), self.options.ties, self.depth);
            let (ideal, zeros) = self.judgments.ideal(query);
            let ranked = Ranked { grades: &scratch.grades, ideal, zeros };
            if self.values > 1 {
                scratch.extremes.read(&scratch.grades, &scratch.ranking.ties);
            }
            for (slot, measure) in row.chunks_exact_mut(self.values).zip(self.measures) {
                slot[0] = value(measure, &ranked, &self.constants);
                if let [here, worst, best] = slot {
                    [*worst, *best] = scratch.extremes.of(measure, ranked, &self.constants, *here);
                }
            }
        }
    }
}

/// What one thread reuses from query to query.
#[derive(Default)]
struct Scratch {
    judged: Lookup,
    ranking: Ranking,
    grades: Vec<i64>,
    extremes: Extremes,
}

impl Scratch {
    /// Put the grades of one query's retrieved documents into `grades`, in rank order.
    fn rank(&mut self, judged: &Group<'_, i32>, retrieved: &Group<'_, f64>, ties: Ties, depth: usize) {
        let Self { judged: lookup, ranking, grades, .. } = self;
        lookup.clear(judged.len());
        for (row, &tag) in judged.tags.iter().enumerate() {
            // Judgments hold a document once, which was checked when they were made.
            lookup.insert(tag, row, |_| false);
        }
        ranking.read(retrieved, ties, depth);
        grades.clear();
        grades.extend(ranking.rows.iter().map(|&row| {
            let row = row as usize;
            let is_it = |other: usize| judged.document(other) == retrieved.document(row);
            lookup.find(retrieved.tags[row], is_it).map_or(UNJUDGED, |found| i64::from(judged.values[found]))
        }));
    }
}
