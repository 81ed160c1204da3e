//! Paired samples for property tests.

use proptest::prelude::*;

/// Tenths from 0 to 1: their differences are exact in tenths, and often tied or zero.
fn values(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0..=10_i32).prop_map(|v| f64::from(v) / 10.0), n)
}

/// Two samples of one length, from `least` to `most` queries.
pub(super) fn pairs(least: usize, most: usize) -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    (least..=most).prop_flat_map(|n| (values(n), values(n)))
}

/// Two samples of 200 values without a pattern in their differences.
pub(super) fn two_hundred() -> (Vec<f64>, Vec<f64>) {
    let base = (0..200).map(|i| f64::from(i * 37 % 101) / 101.0).collect();
    let candidate = (0..200).map(|i| f64::from(i * 53 % 103) / 100.0).collect();
    (base, candidate)
}
