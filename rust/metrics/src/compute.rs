//! The measures themselves, over one query's grades in rank order.

use crate::{Kind, Measure};

/// The grade of a retrieved document that nobody judged. It is below every grade, so it is never relevant.
pub(crate) const UNJUDGED: i64 = i64::MIN;

/// One query, ready to be measured.
#[derive(Debug, Default)]
pub(crate) struct Ranked {
    /// Grades of the retrieved documents, best rank first; `UNJUDGED` where there is none.
    pub(crate) grades: Vec<i64>,
    /// Positive grades of all judged documents, highest first.
    pub(crate) ideal: Vec<i64>,
}

/// 1 / log2(rank + 1) for rank = 1, 2, ...
pub(crate) fn discounts(depth: usize) -> Vec<f64> {
    (0..depth).map(|i| 1.0 / ((i + 2) as f64).log2()).collect()
}

/// The value of `measure`; 0 when the query has no relevant document.
pub(crate) fn value(measure: &Measure, query: &Ranked, discounts: &[f64]) -> f64 {
    let rel = i64::from(measure.rel());
    let top = match measure.cutoff() {
        Some(k) => &query.grades[..k.min(query.grades.len())],
        None => &query.grades[..],
    };
    let hits = || top.iter().filter(|&&grade| grade >= rel).count() as f64;
    let relevant = query.ideal.iter().take_while(|&&grade| grade >= rel).count();
    let of_relevant = |sum: f64| if relevant == 0 { 0.0 } else { sum / relevant as f64 };
    match measure.kind() {
        Kind::Ndcg => {
            let ideal = gain(query.ideal.iter().take(measure.cutoff().unwrap_or(usize::MAX)), discounts);
            if ideal == 0.0 { 0.0 } else { gain(top.iter(), discounts) / ideal }
        }
        Kind::Ap => of_relevant(precisions(top, rel)),
        Kind::Rr => top.iter().position(|&grade| grade >= rel).map_or(0.0, |i| 1.0 / (i + 1) as f64),
        Kind::Recall => of_relevant(hits()),
        Kind::Precision => hits() / measure.cutoff().map_or(f64::NAN, |k| k as f64),
        Kind::Success => f64::from(top.iter().any(|&grade| grade >= rel)),
        Kind::Judged => {
            let judged = top.iter().filter(|&&grade| grade != UNJUDGED).count();
            if top.is_empty() { 0.0 } else { judged as f64 / top.len() as f64 }
        }
    }
}

/// Discounted cumulative gain (Järvelin and Kekäläinen 2002), linear in the grade; grades below zero gain nothing.
fn gain<'a>(grades: impl Iterator<Item = &'a i64>, discounts: &[f64]) -> f64 {
    grades.zip(discounts).filter(|&(&grade, _)| grade > 0).map(|(&grade, discount)| grade as f64 * discount).sum()
}

/// The sum of precision at the rank of each relevant document.
fn precisions(top: &[i64], rel: i64) -> f64 {
    let mut found = 0.0;
    let mut sum = 0.0;
    for (i, _) in top.iter().enumerate().filter(|&(_, &grade)| grade >= rel) {
        found += 1.0;
        sum += found / (i + 1) as f64;
    }
    sum
}
