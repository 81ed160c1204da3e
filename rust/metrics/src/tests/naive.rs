//! The definitions, word for word, without columns or caches.

use crate::{Kind, Measure, Ties};

/// The documents of a run, best first.
pub(super) fn ranking<'a>(run: &[(&'a str, f64)], ties: Ties) -> Vec<&'a str> {
    let mut ranking = run.to_vec();
    let order = |a: &(&str, f64), b: &(&str, f64)| compared(b.1, ties).partial_cmp(&compared(a.1, ties)).unwrap();
    ranking.sort_by(|a, b| order(a, b).then(b.0.as_bytes().cmp(a.0.as_bytes())));
    ranking.into_iter().map(|(document, _)| document).collect()
}

/// The score as it is compared.
pub(super) fn compared(score: f64, ties: Ties) -> f64 {
    if ties == Ties::Float32 { f64::from(score as f32) } else { score }
}

pub(super) fn value(measure: &Measure, judged: &[(&str, i32)], ranking: &[&str], ties: Ties) -> f64 {
    let grade = |document: &str| judged.iter().find(|j| j.0 == document).map(|j| j.1);
    let is_relevant = |grade: Option<i32>| grade.is_some_and(|g| i64::from(g) >= i64::from(measure.rel()));
    let is_nonrelevant = |grade: Option<i32>| grade.is_some_and(|g| g >= 0) && !is_relevant(grade);
    let k = measure.cutoff().unwrap_or(usize::MAX);
    let top: Vec<Option<i32>> = ranking.iter().take(k).map(|document| grade(document)).collect();
    let all = judged.iter().filter(|j| is_relevant(Some(j.1))).count() as f64;
    let count =
        |depth: usize, wanted: &dyn Fn(Option<i32>) -> bool| top[..depth].iter().filter(|&&g| wanted(g)).count();
    let hits = |depth: usize| count(depth, &is_relevant) as f64;
    let over = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
    let ranks = || (1..=top.len()).filter(|&rank| is_relevant(top[rank - 1]));
    let (precision, recall) = (over(hits(top.len()), top.len() as f64), over(hits(top.len()), all));
    match measure.kind() {
        Kind::Ndcg => {
            let gain = |(i, g): (usize, &i32)| f64::from((*g).max(0)) / (i as f64 + 2.0).log2();
            let mut ideal: Vec<i32> = judged.iter().map(|j| j.1).collect();
            ideal.sort_by(|a, b| b.cmp(a));
            let found: Vec<i32> = top.iter().map(|g| g.unwrap_or(0)).collect();
            over(found.iter().enumerate().map(gain).sum(), ideal.iter().take(k).enumerate().map(gain).sum())
        }
        Kind::Ap => over(ranks().map(|rank| hits(rank) / rank as f64).sum(), all),
        Kind::Rr => ranks().next().map_or(0.0, |rank| 1.0 / rank as f64),
        Kind::Recall | Kind::SetR => recall,
        Kind::Precision => hits(top.len()) / k as f64,
        Kind::Success => f64::from(hits(top.len()) > 0.0),
        Kind::Judged => over(top.iter().flatten().count() as f64, top.len() as f64),
        Kind::Err => {
            let stop = |rank: usize| (2_f64.powi(top[rank - 1].unwrap_or(0).clamp(0, 4)) - 1.0) / 16.0;
            let comes = |rank: usize| (1..rank).map(|earlier| 1.0 - stop(earlier)).product::<f64>();
            (1..=top.len()).map(|rank| comes(rank) * stop(rank) / rank as f64).sum()
        }
        Kind::Rbp => {
            let p = measure.real();
            ranks().map(|rank| (1.0 - p) * p.powi(rank as i32 - 1)).sum()
        }
        Kind::Bpref => {
            let all_nonrelevant = judged.iter().filter(|j| is_nonrelevant(Some(j.1))).count() as f64;
            let before = |rank: usize| count(rank, &is_nonrelevant) as f64;
            over(ranks().map(|rank| 1.0 - over(before(rank).min(all), all_nonrelevant.min(all))).sum(), all)
        }
        Kind::InfAp => {
            let e = 0.00001;
            let expected = |rank: usize| {
                let (j, r, n) = ((rank - 1) as f64, hits(rank - 1), count(rank - 1, &is_nonrelevant) as f64);
                let pool = count(rank - 1, &|g| g.is_some()) as f64;
                let above = if j == 0.0 { 0.0 } else { j / (j + 1.0) * (pool / j) * ((r + e) / (r + n + 2.0 * e)) };
                1.0 / (j + 1.0) + above
            };
            over(ranks().map(expected).sum(), all)
        }
        Kind::Rprec => over(hits(top.len().min(all as usize)), all),
        Kind::IPrec => {
            let documents = measure.real() * all;
            let least = if ties == Ties::Float32 { (documents + 0.9).floor() } else { documents.round() };
            let reached = (1..=top.len()).filter(|&rank| hits(rank) >= least);
            reached.map(|rank| hits(rank) / rank as f64).fold(0.0, f64::max)
        }
        Kind::SetP => precision,
        Kind::SetF => {
            let beta = measure.real();
            over((beta + 1.0) * precision * recall, beta * precision + recall)
        }
        Kind::SetAp => precision * recall,
    }
}
