//! The back end that every processor can run.

use super::{Backend, Operation};
use crate::panel::{Facts, pack};

const LANES: usize = 8;
const QUERIES: usize = 4;
const ROWS: usize = 2;

/// Plain Rust; the compiler turns its lanes into whatever vectors the target always has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

impl Backend for Portable {
    const LANES: usize = LANES;
    const QUERIES: usize = QUERIES;
    const ROWS: usize = ROWS;

    fn pack_queries(self, queries: &[f32], dimension: usize, panels: &mut [f32], facts: &mut [Facts]) {
        pack::<QUERIES, LANES>(queries, dimension, true, panels, facts);
    }

    fn pack_rows(self, rows: &[f32], dimension: usize, norms: bool, panels: &mut [f32], facts: &mut [Facts]) {
        pack::<ROWS, LANES>(rows, dimension, norms, panels, facts);
    }

    fn score(self, operation: Operation, queries: &[f32], rows: &[f32], scores: &mut [f32], _ahead: &[f32]) {
        match operation {
            Operation::Dot => tiles(queries, rows, scores, |q, r| q * r),
            Operation::SquaredDifference => tiles(queries, rows, scores, |q, r| (r - q) * (r - q)),
        }
    }

    fn next_above(self, scores: &[f32], scales: &[f32], thresholds: &[f32], from: usize) -> Option<usize> {
        let (scores, _) = scores.as_chunks::<QUERIES>();
        let above = |scores: &[f32; QUERIES], scale: f32| {
            scores.iter().zip(thresholds).any(|(score, threshold)| score * scale > *threshold)
        };
        (from..scales.len()).find(|&row| above(&scores[row], scales[row]))
    }
}

fn tiles(queries: &[f32], rows: &[f32], scores: &mut [f32], term: impl Fn(f32, f32) -> f32) {
    let steps = queries.len() / (QUERIES * LANES);
    for (panel, scores) in rows.chunks_exact(steps * ROWS * LANES).zip(scores.chunks_exact_mut(ROWS * QUERIES)) {
        for (q, r) in (0..QUERIES).flat_map(|q| (0..ROWS).map(move |r| (q, r))) {
            let mut sums = [0.0_f32; LANES];
            for step in 0..steps {
                let queries = &queries[(step * QUERIES + q) * LANES..][..LANES];
                let rows = &panel[(step * ROWS + r) * LANES..][..LANES];
                for ((sum, &q), &r) in sums.iter_mut().zip(queries).zip(rows) {
                    *sum += term(q, r);
                }
            }
            let [a, b, c, d, e, f, g, h] = sums;
            scores[r * QUERIES + q] = ((a + b) + (c + d)) + ((e + f) + (g + h));
        }
    }
}
