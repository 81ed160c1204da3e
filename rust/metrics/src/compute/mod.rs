//! The measures themselves, over one query's grades in rank order.

mod cascade;
mod precision;
pub(crate) mod sampled;

use crate::{Kind, Measure, Ties};

/// The grade of a retrieved document that no judgment names. It is below every grade, so it is never relevant.
pub(crate) const UNJUDGED: i64 = i64::MIN;

/// One query, ready to be measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranked<'a> {
    /// Grades of the retrieved documents, best rank first; `UNJUDGED` where there is none.
    pub(crate) grades: &'a [i64],
    /// Positive grades of all judged documents, highest first.
    pub(crate) ideal: &'a [i32],
    /// How many judged documents have grade 0.
    pub(crate) zeros: usize,
}

impl Ranked<'_> {
    /// How many documents are relevant, retrieved or not.
    pub(crate) fn relevant(&self, rel: i64) -> usize {
        self.ideal.partition_point(|&grade| i64::from(grade) >= rel)
    }

    /// How many documents are judged not relevant: graded, from 0 up, below `rel`.
    fn nonrelevant(&self, rel: i64) -> usize {
        self.zeros + self.ideal.len() - self.relevant(rel)
    }
}

/// What does not change from query to query.
#[derive(Debug)]
pub(crate) struct Constants {
    /// 1 / log2(rank + 1) for rank = 1, 2, ...
    discounts: Vec<f64>,
    ties: Ties,
}

impl Constants {
    /// For rankings and judgments of at most `depth` documents.
    pub(crate) fn new(depth: usize, ties: Ties) -> Self {
        Self { discounts: (0..depth).map(|i| 1.0 / ((i + 2) as f64).log2()).collect(), ties }
    }
}

/// The value of `measure`; 0 when the query has no relevant document.
pub(crate) fn value(measure: &Measure, query: &Ranked<'_>, constants: &Constants) -> f64 {
    let rel = i64::from(measure.rel());
    let cutoff = measure.cutoff();
    let top = &query.grades[..cutoff.unwrap_or(usize::MAX).min(query.grades.len())];
    let hits = || top.iter().filter(|&&grade| grade >= rel).count();
    let relevant = query.relevant(rel);
    match measure.kind() {
        Kind::Ndcg => {
            let ideal = query.ideal.iter().take(cutoff.unwrap_or(usize::MAX)).map(|&grade| i64::from(grade));
            let ideal = gain(ideal, &constants.discounts);
            ratio(gain(top.iter().copied(), &constants.discounts), ideal)
        }
        Kind::Ap => ratio(precision::sum(top, rel), relevant as f64),
        Kind::Rr => top.iter().position(|&grade| grade >= rel).map_or(0.0, |i| 1.0 / (i + 1) as f64),
        Kind::Recall | Kind::SetR => ratio(hits() as f64, relevant as f64),
        Kind::Precision => ratio(hits() as f64, cutoff.unwrap_or(0) as f64),
        Kind::Success => f64::from(top.iter().any(|&grade| grade >= rel)),
        Kind::Judged => {
            let judged = top.iter().filter(|&&grade| grade != UNJUDGED).count();
            ratio(judged as f64, top.len() as f64)
        }
        Kind::Err => cascade::expected_reciprocal_rank(top),
        Kind::Rbp => cascade::rank_biased(top, rel, measure.real()),
        Kind::Bpref => sampled::bpref(top, rel, relevant, query.nonrelevant(rel)),
        Kind::InfAp => ratio(sampled::inferred(top, rel), relevant as f64),
        Kind::Rprec => {
            let first = &top[..relevant.min(top.len())];
            ratio(first.iter().filter(|&&grade| grade >= rel).count() as f64, relevant as f64)
        }
        Kind::IPrec => precision::interpolated(top, rel, recalled(measure.real(), relevant, constants.ties)),
        Kind::SetP => ratio(hits() as f64, top.len() as f64),
        Kind::SetF => {
            let precision = ratio(hits() as f64, top.len() as f64);
            let recall = ratio(hits() as f64, relevant as f64);
            let beta = measure.real();
            ratio((beta + 1.0) * precision * recall, beta * precision + recall)
        }
        Kind::SetAp => {
            let hits = hits() as f64;
            ratio(hits * hits, top.len() as f64 * relevant as f64)
        }
    }
}

/// a / b, and 0 when there is nothing to divide by.
fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// Discounted cumulative gain (Järvelin and Kekäläinen 2002), linear in the grade; grades below zero gain nothing.
fn gain(grades: impl Iterator<Item = i64>, discounts: &[f64]) -> f64 {
    grades.zip(discounts).filter(|&(grade, _)| grade > 0).map(|(grade, discount)| grade as f64 * discount).sum()
}

/// How many relevant documents make this recall: `trec_eval` 9.0.8 adds 0.9 and cuts the fraction off, 10 rounds.
fn recalled(recall: f64, relevant: usize, ties: Ties) -> usize {
    let documents = recall * relevant as f64;
    match ties {
        Ties::Float32 => (documents + 0.9) as usize,
        Ties::Float64 => documents.round() as usize,
    }
}
