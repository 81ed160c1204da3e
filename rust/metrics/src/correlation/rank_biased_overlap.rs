//! Rank-biased overlap: how alike two rankings are that need not hold the same items.

use std::collections::HashSet;

use crate::Error;
use crate::sample::fraction;

/// Extrapolated rank-biased overlap (Webber, Moffat and Zobel 2010, equation 32) of two rankings of item codes, best
/// first. With `X_d` the overlap of the first d of both, s <= l the lengths and persistence p,
///
/// RBO = (1 - p) (Σ_{d=1..l} `X_d` / d p^(d-1) + Σ_{d=s+1..l} `X_s` (d - s) / (s d) p^(d-1))
///       + ((`X_l` - `X_s`) / l + `X_s` / s) p^l,
///
/// which assumes that the agreement seen so far goes on below. It is 1 for equal rankings and 0 for disjoint ones. The
/// paper's agreement of tied items needs tied items: rankings here have none, because ties are broken by a defined order
/// before.
///
/// # Errors
/// [`Error::Sample`] when a ranking is empty or holds an item twice, or when `persistence` is not between 0 and 1.
pub fn rank_biased_overlap(first: &[u32], second: &[u32], persistence: f64) -> Result<f64, Error> {
    fraction(persistence, "persistence p", 0.9)?;
    for (ranking, name) in [(first, "first"), (second, "second")] {
        if ranking.is_empty() {
            return Err(Error::Sample(format!("the {name} ranking is empty: there is nothing to compare")));
        }
    }
    let (short, long) = if first.len() <= second.len() { (first, second) } else { (second, first) };
    let (s, l) = (short.len(), long.len());
    let mut seen = [HashSet::with_capacity(s), HashSet::with_capacity(l)];
    let (mut overlap, mut overlap_s) = (0_usize, 0.0);
    let (mut weight, mut sum) = (1.0, 0.0);
    for d in 1..=l {
        for (side, ranking) in [short, long].into_iter().enumerate() {
            if let Some(item) = ranking.get(d - 1) {
                if !seen[side].insert(*item) {
                    let name = if std::ptr::eq(ranking, first) { "first" } else { "second" };
                    return Err(Error::Sample(format!("the {name} ranking holds the item at rank {d} twice")));
                }
                overlap += usize::from(seen[1 - side].contains(item));
            }
        }
        let depth = d as f64;
        sum += overlap as f64 / depth * weight;
        if d == s {
            overlap_s = overlap as f64;
        } else if d > s {
            sum += overlap_s * (d - s) as f64 / (s as f64 * depth) * weight;
        }
        weight *= persistence;
    }
    let (shorter, longer) = (s as f64, l as f64);
    let below = ((overlap as f64 - overlap_s) / longer + overlap_s / shorter) * weight;
    // Rounding may carry the sum past 1 by a last digit.
    Ok(((1.0 - persistence) * sum + below).min(1.0))
}
