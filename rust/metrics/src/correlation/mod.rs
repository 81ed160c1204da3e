//! How alike two orders of the same things are.

mod average_precision;
mod kendall;
mod rank_biased_overlap;

pub use average_precision::{ApTies, ap_correlation};
pub use kendall::kendall_tau;
pub use rank_biased_overlap::rank_biased_overlap;

use crate::Error;
use crate::sample::finite;

/// # Errors
/// [`Error::Sample`] when the samples differ in length, have fewer than two values or hold one that is not finite.
fn check((x, x_name): (&[f64], &str), (y, y_name): (&[f64], &str)) -> Result<(), Error> {
    if x.len() != y.len() {
        return Err(Error::Sample(format!(
            "both must score the same items: {x_name} has {} values, {y_name} {}",
            x.len(),
            y.len()
        )));
    }
    if x.len() < 2 {
        return Err(Error::Sample(format!("an order needs at least two items, not {}", x.len())));
    }
    finite(x, x_name)?;
    finite(y, y_name)
}

/// The positions of `values`, greatest value first.
fn descending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].partial_cmp(&values[a]).unwrap_or(std::cmp::Ordering::Equal));
    order
}
