//! Sorted sets: how much they share, and how much they must share to reach a threshold.

use std::cmp::Ordering;

/// How many elements both have. Time O(|a| + |b|).
pub(crate) fn overlap(a: &[u64], b: &[u64]) -> usize {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => (shared, i, j) = (shared + 1, i + 1, j + 1),
        }
    }
    shared
}

/// The share of `part` in `whole`, as thresholds are compared with it.
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// |a ∩ b| / |a ∪ b|.
pub(crate) fn jaccard(shared: usize, a: usize, b: usize) -> f64 {
    share(shared, a + b - shared)
}

/// |a ∩ b| / min(|a|, |b|).
pub(crate) fn containment(shared: usize, a: usize, b: usize) -> f64 {
    share(shared, a.min(b))
}

/// How many elements of a set of `size` can be missing from one that has at least a share `least` of it, plus one: any
/// so many elements have at least one that is shared. 0 for an empty set.
pub(crate) fn prefix(size: usize, least: f64) -> usize {
    // The least number of shared elements whose share passes the same comparison that decides in the end.
    let mut needed = (least * size as f64).ceil() as usize;
    while needed > 0 && share(needed - 1, size) >= least {
        needed -= 1;
    }
    (size + 1).saturating_sub(needed.max(1)).min(size)
}
