//! The obvious way.

use crate::Metric;

/// The score of a pair, in f64 in the order of the elements, and how far a score may be from it before it is rounded to
/// f32: the bound that `top_k` documents, and as much again for the error of this sum.
pub(super) fn score(query: &[f32], row: &[f32], metric: Metric) -> (f64, f64) {
    let sum = |term: fn(f64, f64) -> f64| -> f64 {
        query.iter().zip(row).map(|(&q, &r)| term(f64::from(q), f64::from(r))).sum()
    };
    let (product, size) = (sum(|q, r| q * r), sum(|q, r| (q * r).abs()));
    let distance = sum(|q, r| (q - r) * (q - r));
    let norms = sum(|q, _| q * q).sqrt() * sum(|_, r| r * r).sqrt();
    let relative = (query.len() as f64 + query.len() as f64 / 16.0 + 6.0) * 2.0_f64.powi(-53);
    let (score, bound) = match metric {
        Metric::InnerProduct => (product, relative * size),
        Metric::L2 => (-distance, relative * distance),
        Metric::Cosine if norms == 0.0 => (0.0, 0.0),
        Metric::Cosine => (product / norms, 3.0 * relative),
    };
    (score.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)), bound)
}

/// Whether a score is the exact one, rounded to f32, but for an error of `bound` before.
pub(super) fn is_rounded((exact, bound): (f64, f64), score: f32) -> bool {
    (exact - bound) as f32 <= score && score <= (exact + bound) as f32
}

/// The score as every back end gives it: sixteen lanes, added by halves, in f64.
pub(super) fn canonical(query: &[f32], row: &[f32], metric: Metric) -> f32 {
    let sum = |term: fn(f64, f64) -> f64| {
        let mut lanes = [0.0; 16];
        for (i, (&q, &r)) in query.iter().zip(row).enumerate() {
            lanes[i % 16] += term(f64::from(q), f64::from(r));
        }
        for half in [8, 4, 2, 1] {
            for l in 0..half {
                lanes[l] += lanes[l + half];
            }
        }
        lanes[0]
    };
    let norms = sum(|q, _| q * q).sqrt() * sum(|_, r| r * r).sqrt();
    let score = match metric {
        Metric::InnerProduct => sum(|q, r| q * r),
        Metric::L2 => -sum(|q, r| (q - r) * (q - r)),
        Metric::Cosine if norms == 0.0 => 0.0,
        Metric::Cosine => (sum(|q, r| q * r) / norms).clamp(-1.0, 1.0),
    };
    score.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) as f32 + 0.0
}

/// The rows that `may` be found, best first.
pub(super) fn ranking(query: &[f32], corpus: &[f32], metric: Metric, may: impl Fn(usize) -> bool) -> Vec<(f32, usize)> {
    let rows = corpus.chunks_exact(query.len()).enumerate().filter(|&(i, _)| may(i));
    let mut all: Vec<(f32, usize)> = rows.map(|(i, row)| (canonical(query, row, metric), i)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all
}
