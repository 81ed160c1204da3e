//! AP correlation, which weighs the top of a ranking more.

use super::{check, descending};
use crate::Error;

/// How ties are treated; both are Yilmaz's coefficient where there are none, save that [`ApTies::Agreement`] is symmetric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApTies {
    /// `τ_AP,a`: `x` is the truth, without ties; ties of `y` are broken at random, and the coefficient is the mean over
    /// all ways to break them.
    Accuracy,
    /// `τ_AP,b`: two observers, ties in either; the mean of the coefficient in both directions. A tied item is held
    /// against the items ranked above all that it is tied with.
    Agreement,
}

/// The AP correlation of two scorings of the same items, higher scores ranked first (Yilmaz, Aslam and Robertson 2008):
/// `τ_AP` = 2 / (n - 1) Σ C(i) / (i - 1) - 1 over the ranks i = 2..n of `y`, where C(i) counts the items above rank i that
/// `x` too puts above the item at i. Ties after Urbano and Marrero (2017). O(n log n).
///
/// # Errors
/// [`Error::Sample`] when the samples differ in length, have fewer than two values or hold one that is not finite; under
/// [`ApTies::Accuracy`] when `x` has ties; under [`ApTies::Agreement`] when all values of one are tied.
pub fn ap_correlation(x: &[f64], y: &[f64], ties: ApTies) -> Result<f64, Error> {
    match ties {
        ApTies::Accuracy => {
            check((x, "truth"), (y, "estimate"))?;
            let order = descending(x);
            if let Some([first, second]) = order.windows(2).find(|pair| x[pair[0]] == x[pair[1]]) {
                return Err(Error::Sample(format!(
                    "the truth ties items {first} and {second}: the variant for agreement allows ties in both"
                )));
            }
            Ok(accuracy(x, y))
        }
        ApTies::Agreement => {
            check((x, "x"), (y, "y"))?;
            for (values, name) in [(x, "x"), (y, "y")] {
                if values.iter().all(|&v| v == values[0]) {
                    return Err(Error::Sample(format!("all values of {name} are tied: there is no order to compare")));
                }
            }
            Ok(f64::midpoint(agreement(x, y), agreement(y, x)))
        }
    }
}

fn accuracy(x: &[f64], y: &[f64]) -> f64 {
    let mut sum = 0.0;
    for group in groups(x, y) {
        let above = group.above as f64;
        let size = group.concordant.len() as f64;
        // On average an item of the group has this many items above the group in the right order, ...
        let concordant = group.concordant.iter().sum::<usize>() as f64 / size;
        for within in 0..group.concordant.len() {
            let before = above + within as f64;
            if before > 0.0 {
                // ... and of those of the group that precede it, half.
                sum += (concordant + within as f64 / 2.0) / before;
            }
        }
    }
    2.0 / (x.len() - 1) as f64 * sum - 1.0
}

fn agreement(x: &[f64], y: &[f64]) -> f64 {
    let (mut sum, mut items) = (0.0, 0);
    for group in groups(x, y).into_iter().filter(|group| group.above > 0) {
        items += group.concordant.len();
        sum += group.concordant.iter().sum::<usize>() as f64 / group.above as f64;
    }
    2.0 / items as f64 * sum - 1.0
}

/// Items that `y` ties: how many are above them, and for each how many of those `x` puts above it too.
struct Group {
    above: usize,
    concordant: Vec<usize>,
}

/// The groups of `y` from the top, counted with a Fenwick tree over the ranks in `x`.
fn groups(x: &[f64], y: &[f64]) -> Vec<Group> {
    let n = x.len();
    let (by_x, by_y) = (descending(x), descending(y));
    // How many items `x` puts strictly above each.
    let mut rank = vec![0; n];
    for (place, &item) in by_x.iter().enumerate() {
        let before = if place == 0 { None } else { Some(by_x[place - 1]) };
        rank[item] = before.filter(|&other| x[other] == x[item]).map_or(place, |other| rank[other]);
    }
    let mut tree = Fenwick(vec![0; n]);
    let mut above = 0;
    by_y.chunk_by(|&a, &b| y[a] == y[b])
        .map(|tied| {
            let group = Group { above, concordant: tied.iter().map(|&item| tree.before(rank[item])).collect() };
            for &item in tied {
                tree.add(rank[item]);
            }
            above += tied.len();
            group
        })
        .collect()
}

/// Counts by position, with prefix sums in O(log n) (Fenwick 1994).
struct Fenwick(Vec<usize>);

impl Fenwick {
    fn add(&mut self, position: usize) {
        let mut i = position;
        while i < self.0.len() {
            self.0[i] += 1;
            i |= i + 1;
        }
    }

    /// How many were added at positions below `position`.
    fn before(&self, position: usize) -> usize {
        let mut i = position;
        let mut sum = 0;
        while i > 0 {
            sum += self.0[i - 1];
            i &= i - 1;
        }
        sum
    }
}
