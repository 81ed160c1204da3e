//! Kendall's rank correlation.

use super::check;
use crate::Error;
use crate::ordered::ascending;

/// Kendall's `τ_b` (Kendall 1945): (C - D) / √((N - X)(N - Y)) over the N pairs of items, of which C are in the same order
/// in both, D in opposite orders, X tied in `x` and Y tied in `y`. Without ties it is Kendall's (1938) τ. Counted by a
/// merge sort in O(n log n) (Knight 1966).
///
/// # Errors
/// [`Error::Sample`] when the samples differ in length, have fewer than two values or hold one that is not finite, or
/// when all values of one are tied, which leaves τ undefined.
pub fn kendall_tau(x: &[f64], y: &[f64]) -> Result<f64, Error> {
    check((x, "x"), (y, "y"))?;
    let mut items: Vec<u128> =
        x.iter().zip(y).map(|(&x, &y)| u128::from(ascending(x)) << 64 | u128::from(ascending(y))).collect();
    items.sort_unstable();
    let tied_x = tied(items.chunk_by(|a, b| a >> 64 == b >> 64));
    let tied_both = tied(items.chunk_by(|a, b| a == b));
    let mut by_y: Vec<u64> = items.iter().map(|&item| item as u64).collect();
    let discordant = inversions(&mut by_y, &mut vec![0; items.len()]);
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
fn inversions(values: &mut [u64], space: &mut [u64]) -> u64 {
    let n = values.len();
    if n <= SHORT {
        return inversions_of_few(values);
    }
    let (left, right) = values.split_at_mut(n / 2);
    let mut count = inversions(left, space) + inversions(right, space);
    let (mut l, mut r) = (0, 0);
    while l < left.len() && r < right.len() {
        // Which side comes next is as good as random: chosen without a branch.
        let from_left = left[l] <= right[r];
        space[l + r] = if from_left { left[l] } else { right[r] };
        // Everything left over on the left is greater than what comes from the right.
        count += if from_left { 0 } else { (left.len() - l) as u64 };
        l += usize::from(from_left);
        r += usize::from(!from_left);
    }
    let merged = l + r;
    space[merged..n].copy_from_slice(if l < left.len() { &left[l..] } else { &right[r..] });
    values.copy_from_slice(&space[..n]);
    count
}

/// Up to this many values are sorted by insertion.
const SHORT: usize = 16;

fn inversions_of_few(values: &mut [u64]) -> u64 {
    let mut count = 0;
    for end in 1..values.len() {
        let value = values[end];
        let place = values[..end].iter().filter(|&&other| other <= value).count();
        values.copy_within(place..end, place + 1);
        values[place] = value;
        count += (end - place) as u64;
    }
    count
}
