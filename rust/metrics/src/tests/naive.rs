//! The definitions, word for word, without codes, columns or caches.

use crate::{Kind, Measure, Ties};

pub(super) fn value(measure: &Measure, judged: &[(&str, i32)], run: &[(&str, f64)], ties: Ties) -> f64 {
    let mut ranking = run.to_vec();
    let compared = |score: f64| if ties == Ties::Float32 { f64::from(score as f32) } else { score };
    ranking.sort_by(|a, b| compared(b.1).partial_cmp(&compared(a.1)).unwrap().then(b.0.as_bytes().cmp(a.0.as_bytes())));
    let grade = |document: &str| judged.iter().find(|j| j.0 == document).map(|j| j.1);
    let is_relevant = |grade: Option<i32>| grade.is_some_and(|g| i64::from(g) >= i64::from(measure.rel()));
    let k = measure.cutoff().unwrap_or(usize::MAX);
    let top: Vec<Option<i32>> = ranking.iter().take(k).map(|r| grade(r.0)).collect();
    let all = judged.iter().filter(|j| is_relevant(Some(j.1))).count() as f64;
    let hits = |depth: usize| top[..depth].iter().filter(|&&g| is_relevant(g)).count() as f64;
    let over = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
    match measure.kind() {
        Kind::Ndcg => {
            let gain = |(i, g): (usize, &i32)| f64::from((*g).max(0)) / (i as f64 + 2.0).log2();
            let mut ideal: Vec<i32> = judged.iter().map(|j| j.1).collect();
            ideal.sort_by(|a, b| b.cmp(a));
            let found: Vec<i32> = top.iter().map(|g| g.unwrap_or(0)).collect();
            over(found.iter().enumerate().map(gain).sum(), ideal.iter().take(k).enumerate().map(gain).sum())
        }
        Kind::Ap => {
            let ranks = (1..=top.len()).filter(|&i| is_relevant(top[i - 1]));
            over(ranks.map(|i| hits(i) / i as f64).sum(), all)
        }
        Kind::Rr => top.iter().position(|&g| is_relevant(g)).map_or(0.0, |i| 1.0 / (i as f64 + 1.0)),
        Kind::Recall => over(hits(top.len()), all),
        Kind::Precision => hits(top.len()) / k as f64,
        Kind::Success => f64::from(hits(top.len()) > 0.0),
        Kind::Judged => over(top.iter().flatten().count() as f64, top.len() as f64),
    }
}
