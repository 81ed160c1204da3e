//! Kendall's rank correlation.

use super::check;
use crate::Error;

/// Kendall's `τ_b` (Kendall 1945): (C - D) / √((N - X)(N - Y)) over the N pairs of items, of which C are in the same order
/// in both, D in opposite orders, X tied in `x` and Y tied in `y`. Without ties it is Kendall's (1938) τ. Counted by a
/// merge sort in O(n log n) (Knight 1966).
///
/// # Errors
/// [`Error::Sample`] when the samples differ in length, have fewer than two values or hold one that is not finite, or
/// when all values of one are tied, which leaves τ undefined.
pub fn kendall_tau(x: &[f64], y: &[f64]) -> Result<f64, Error> {
    check((x, "x"), (y, "y"))?;
    // Adding zero turns -0 into 0, which total_cmp would tell apart.
    let mut items: Vec<(f64, f64)> = x.iter().zip(y).map(|(x, y)| (x + 0.0, y + 0.0)).collect();
    items.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let tied_x = tied(items.chunk_by(|a, b| a.0 == b.0));
    let tied_both = tied(items.chunk_by(|a, b| a == b));
    let mut by_y: Vec<f64> = items.iter().map(|item| item.1).collect();
    let discordant = inversions(&mut by_y, &mut vec![0.0; items.len()]);
    let tied_y = tied(by_y.chunk_by(|a, b| a == b));
    let pairs = items.len() as u64 * (items.len() as u64 - 1) / 2;
    for (tied, name) in [(tied_x, "x"), (tied_y, "y")] {
        if tied == pairs {
            return Err(Error::Sample(format!("all values of {name} are tied: there is no order to compare")));
        }
    }
    let balance = (pairs + tied_both - tied_x - tied_y) as i64 - 2 * discordant as i64;
    // The root of the product, not the product of the roots: equal orders then give 1 and nothing beside it.
    Ok(balance as f64 / ((pairs - tied_x) as f64 * (pairs - tied_y) as f64).sqrt())
}

/// The pairs within groups of equal items.
fn tied<'a, T: 'a>(groups: impl Iterator<Item = &'a [T]>) -> u64 {
    groups.map(|group| group.len() as u64 * (group.len() as u64 - 1) / 2).sum()
}

/// Sort, and count the pairs that stood in the wrong order.
fn inversions(values: &mut [f64], space: &mut [f64]) -> u64 {
    let n = values.len();
    if n < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(n / 2);
    let mut count = inversions(left, space) + inversions(right, space);
    let (mut l, mut r) = (0, 0);
    for slot in &mut space[..n] {
        if r == right.len() || (l < left.len() && left[l] <= right[r]) {
            *slot = left[l];
            l += 1;
        } else {
            // Everything left over on the left is greater.
            count += (left.len() - l) as u64;
            *slot = right[r];
            r += 1;
        }
    }
    values.copy_from_slice(&space[..n]);
    count
}
