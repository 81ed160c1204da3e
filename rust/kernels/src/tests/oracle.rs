//! The obvious way: every pair in f64, in order, then sorted.

use crate::Metric;

/// The score of a pair and how far a back end's may be from it: the bound that `top_k` documents.
pub(super) fn score(query: &[f32], row: &[f32], metric: Metric) -> (f64, f64) {
    let sum = |term: fn(f64, f64) -> f64| -> f64 {
        query.iter().zip(row).map(|(&q, &r)| term(f64::from(q), f64::from(r))).sum()
    };
    let (product, size) = (sum(|q, r| q * r), sum(|q, r| (q * r).abs()));
    let distance = sum(|q, r| (q - r) * (q - r));
    let norms = sum(|q, _| q * q).sqrt() * sum(|_, r| r * r).sqrt();
    let lanes = query.len().div_ceil(8) as f64;
    let underflow = query.len() as f64 * 2.0_f64.powi(-149);
    let (score, bound) = match metric {
        Metric::InnerProduct => (product, gamma(lanes + 4.0) * size + underflow),
        Metric::L2 => (-distance, gamma(lanes + 6.0) * distance + underflow),
        Metric::Cosine if norms == 0.0 => (0.0, 0.0),
        Metric::Cosine => (product / norms, gamma(lanes + 8.0) + query.len() as f64 * 2.0_f64.powi(-98)),
    };
    (score.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)), bound)
}

fn gamma(n: f64) -> f64 {
    let u = 2.0_f64.powi(-24);
    n * u / (1.0 - n * u)
}

/// All rows, best first.
pub(super) fn ranking(query: &[f32], corpus: &[f32], metric: Metric) -> Vec<(f64, usize)> {
    let rows = corpus.chunks_exact(query.len()).enumerate();
    let mut all: Vec<(f64, usize)> = rows.map(|(i, row)| (score(query, row, metric).0, i)).collect();
    all.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
    all
}
