//! Fusing the rankings of several systems into one.

mod normalise;
mod order;
mod query;

use std::cmp::Ordering;

pub use normalise::Normalisation;
use query::Fuser;

use crate::Error;
use crate::threads::shares;

/// How a document's scores in several runs become one. A run that lacks the document adds nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Reciprocal rank fusion: Σ w / (k + rank), ranks from 1 (Cormack, Clarke and Büttcher 2009). Scores serve for the
    /// ranks alone.
    ReciprocalRank {
        /// What is added to every rank; 60 in the paper.
        k: f64,
    },
    /// `CombSUM`: Σ w · score, with weights the linear combination (Fox and Shaw 1994; Vogt and Cottrell 1999).
    Sum,
    /// `CombMNZ`: the same, times the number of runs that hold the document (Fox and Shaw 1994).
    Mnz,
}

/// Settings of [`fuse`].
#[derive(Debug, Clone)]
pub struct Fusion {
    /// How scores become one.
    pub rule: Rule,
    /// What is done to each query's scores in each run before; [`Rule::ReciprocalRank`] needs nothing done.
    pub normalisation: Normalisation,
    /// One weight a run; empty for 1 each.
    pub weights: Vec<f64>,
    /// How many documents of a query are kept, best first.
    pub depth: usize,
    /// How many threads may work; 0 is one for every core. The result does not depend on it.
    pub threads: usize,
}

/// What one run found for one query, in any order: documents and their scores.
pub type List<'a, D> = (&'a [D], &'a [f64]);

/// Rankings one after another: query q has the documents from `offsets[q]` up to `offsets[q + 1]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused<D> {
    /// Where each query begins, and the end.
    pub offsets: Vec<usize>,
    /// Documents, best first.
    pub documents: Vec<D>,
    /// Their fused scores.
    pub scores: Vec<f64>,
}

/// Fuse the runs, query by query. `list(query, run)` gives what a run found; documents are told apart by their numbers.
/// Within a run and in the result, order is score descending, then `by_id`.
///
/// # Errors
/// [`Error::Data`] for a score that is not finite or a document that a run holds twice for one query, naming query and
/// run by their positions; [`Error::Sample`] for weights that do not fit or a `k` that is not positive.
pub fn fuse<'a, D: Copy + Into<i64> + Send + Sync + 'a>(
    (queries, runs): (usize, usize),
    list: impl Fn(usize, usize) -> List<'a, D> + Sync,
    by_id: impl Fn(&D, &D) -> Ordering + Sync,
    fusion: &Fusion,
) -> Result<Fused<D>, Error> {
    check(runs, fusion)?;
    let rows: usize = (0..queries).map(|q| (0..runs).map(|r| list(q, r).0.len()).sum::<usize>()).sum();
    let parts = shares(queries, rows.div_ceil(queries.max(1)) * STEPS_PER_ROW, fusion.threads, |share| {
        let mut fuser = Fuser::new(fusion, &by_id);
        let mut part = Fused { offsets: vec![0], documents: Vec::new(), scores: Vec::new() };
        for query in share {
            fuser
                .fuse(runs, |run| list(query, run), &mut part)
                .map_err(|(run, problem)| Error::Data(format!("query {query} of run {run}: {problem}")))?;
        }
        Ok::<_, Error>(part)
    });
    let mut fused = Fused { offsets: vec![0], documents: Vec::new(), scores: Vec::new() };
    for part in parts {
        let part = part?;
        let before = fused.documents.len();
        fused.offsets.extend(part.offsets[1..].iter().map(|offset| before + offset));
        fused.documents.extend(part.documents);
        fused.scores.extend(part.scores);
    }
    Ok(fused)
}

/// Sorting and adding one row costs about as much as this many draws.
const STEPS_PER_ROW: usize = 8;

fn check(runs: usize, fusion: &Fusion) -> Result<(), Error> {
    if runs == 0 {
        return Err(Error::Sample("there is no run to fuse: give at least one".into()));
    }
    if !fusion.weights.is_empty() {
        if fusion.weights.len() != runs {
            return Err(Error::Sample(format!(
                "{} weights do not fit {runs} runs: give one weight a run",
                fusion.weights.len()
            )));
        }
        if let Some(weight) = fusion.weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::Sample(format!("a weight is {weight}: weights must be finite and not negative")));
        }
        if fusion.weights.iter().all(|&w| w == 0.0) {
            return Err(Error::Sample("all weights are 0: every document would tie".into()));
        }
    }
    match fusion.rule {
        Rule::ReciprocalRank { k } if !(k.is_finite() && k > 0.0) => {
            Err(Error::Sample(format!("k of reciprocal rank fusion is {k}: it must be positive, and 60 is usual")))
        }
        _ => Ok(()),
    }
}
