//! Corrections for having tested several hypotheses.

use crate::Error;

/// Holm's (1979) step-down correction: adjusted p values, in the order given, that may be held against the level of the
/// whole family.
///
/// # Errors
/// [`Error::Sample`] for a p value that is not between 0 and 1.
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    let order = ascending(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max(p_values[i] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[i] = least;
    }
    Ok(adjusted)
}

/// Benjamini and Hochberg's (1995) step-up correction: adjusted p values, in the order given. Rejecting those at or below
/// q keeps the expected share of false rejections at or below q, for independent or positively dependent tests.
///
/// # Errors
/// [`Error::Sample`] for a p value that is not between 0 and 1.
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, Error> {
    let order = ascending(p_values)?;
    let mut adjusted = vec![0.0; p_values.len()];
    let mut most = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        // The factor is at least 1, and so is its product with p at least p, rounded or not.
        most = most.min(p_values[i] * (p_values.len() as f64 / (rank + 1) as f64));
        adjusted[i] = most;
    }
    Ok(adjusted)
}

fn ascending(p_values: &[f64]) -> Result<Vec<usize>, Error> {
    if let Some((i, p)) = p_values.iter().enumerate().find(|(_, p)| !(0.0..=1.0).contains(*p)) {
        return Err(Error::Sample(format!("p value {i} is {p}: it must lie between 0 and 1")));
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    Ok(order)
}
