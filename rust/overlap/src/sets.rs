//! Sorted sets: how much they share, and how much they must share to reach a threshold.

use std::cmp::Ordering;

/// How many elements both have, if they are `least` or more. Time O(|a| + |b|), and far less where they are not: elements
/// are hashes, so that both sets are in a random order, and what one of them lacks shows at once.
pub(crate) fn overlap(a: &[u64], b: &[u64], least: usize) -> Option<usize> {
    let (Some(mut of_a), Some(mut of_b)) = (a.len().checked_sub(least), b.len().checked_sub(least)) else {
        return None;
    };
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            Ordering::Less => {
                // Of so many of its elements, one more cannot be missing in the other.
                of_a = of_a.checked_sub(1)?;
                i += 1;
            }
            Ordering::Greater => {
                of_b = of_b.checked_sub(1)?;
                j += 1;
            }
            Ordering::Equal => (shared, i, j) = (shared + 1, i + 1, j + 1),
        }
    }
    (shared >= least).then_some(shared)
}

/// The fewest shared elements that `similarity`, which grows with them, takes to the threshold `least`; `estimate` is
/// nearly that, but for rounding.
pub(crate) fn fewest(estimate: f64, least: f64, most: usize, similarity: impl Fn(usize) -> f64) -> usize {
    let mut shared = (estimate.ceil() as usize).min(most);
    while shared > 0 && similarity(shared - 1) >= least {
        shared -= 1;
    }
    while shared <= most && similarity(shared) < least {
        shared += 1;
    }
    shared
}

/// The fewest shared elements of two sets whose Jaccard similarity is `least` or more; one more than the smaller has,
/// where the sizes are too different.
pub(crate) fn fewest_for_jaccard(a: usize, b: usize, least: f64) -> usize {
    fewest(least / (1.0 + least) * (a + b) as f64, least, a.min(b), |shared| jaccard(shared, a, b))
}

/// The same of containment.
pub(crate) fn fewest_for_containment(a: usize, b: usize, least: f64) -> usize {
    fewest(least * a.min(b) as f64, least, a.min(b), |shared| containment(shared, a, b))
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
    let needed = fewest(least * size as f64, least, size, |shared| share(shared, size));
    (size + 1).saturating_sub(needed.max(1)).min(size)
}
