//! The scores that callers see: sums in f64 in one fixed order, so that they are the same on every processor, whatever
//! else is in the batch, and however the work is cut up.
//!
//! Lane l of thirty-two sums the elements l, l + 32, l + 64, ... in order; then the upper half of the lanes is added to the
//! lower until one is left. A product of two f32 is exact in f64, so a fused multiply-add gives the same as a
//! multiplication and an addition: the products need no rule about it. Squares of differences are rounded before they
//! are added, and no back end may fuse them.
//!
//! With u = 2^-53 a sum of n terms has a relative error of at most (n / 32 + 6) u, of the sum of the terms' sizes
//! (Higham 2002, section 4.2), before it is rounded to f32.

use crate::metric::Metric;

/// Lanes of a sum.
const LANES: usize = 32;

/// `acc` + q r in two instructions, which is as good as one that is fused: the product is exact, so either is rounded once.
#[inline(always)]
#[allow(clippy::inline_always, reason = "see dot")]
pub(crate) fn plain(q: f64, r: f64, acc: f64) -> f64 {
    q * r + acc
}

/// Σ query · row. `add_product`: `plain`, or `f64::mul_add` where that is one instruction.
#[inline(always)]
#[allow(clippy::inline_always, reason = "a target feature reaches only what is inlined into the function that has it")]
pub(crate) fn dot(query: &[f32], row: &[f32], add_product: impl Fn(f64, f64, f64) -> f64) -> f64 {
    sum(query, row, add_product)
}

/// Σ (query - row)².
#[inline(always)]
#[allow(clippy::inline_always, reason = "see dot")]
pub(crate) fn squared_difference(query: &[f32], row: &[f32]) -> f64 {
    sum(query, row, |q, r, acc| acc + (q - r) * (q - r))
}

/// Σ row². `add_product`: see `dot`.
#[inline(always)]
#[allow(clippy::inline_always, reason = "see dot")]
pub(crate) fn squares(row: &[f32], add_product: impl Fn(f64, f64, f64) -> f64) -> f64 {
    sum(row, row, add_product)
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "see dot")]
fn sum(query: &[f32], row: &[f32], add: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let (queries, query_rest) = query.as_chunks::<LANES>();
    let (rows, row_rest) = row.as_chunks::<LANES>();
    let mut lanes = [0.0_f64; LANES];
    for (query, row) in queries.iter().zip(rows) {
        for l in 0..LANES {
            lanes[l] = add(f64::from(query[l]), f64::from(row[l]), lanes[l]);
        }
    }
    for (l, (&query, &row)) in query_rest.iter().zip(row_rest).enumerate() {
        lanes[l] = add(f64::from(query), f64::from(row), lanes[l]);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// The score that a sum stands for. `norms`: the product of the two norms; only the cosine needs it.
pub(crate) fn score(metric: Metric, sum: f64, norms: f64) -> f32 {
    let score = match metric {
        Metric::InnerProduct => sum,
        Metric::L2 => -sum,
        Metric::Cosine if norms == 0.0 => 0.0,
        Metric::Cosine => (sum / norms).clamp(-1.0, 1.0),
    };
    // Adding zero makes both zeros one.
    score.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) as f32 + 0.0
}
