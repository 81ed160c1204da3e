//! Precision at the ranks of relevant documents.

/// The sum of precision at the rank of each relevant document.
pub(super) fn sum(grades: &[i64], rel: i64) -> f64 {
    at_relevant(grades, rel).sum()
}

/// The greatest precision at any rank that has at least `least` relevant documents up to it; 0 when no rank has. It is
/// found at relevant documents: between them precision falls.
pub(super) fn interpolated(grades: &[i64], rel: i64, least: usize) -> f64 {
    at_relevant(grades, rel).skip(least.saturating_sub(1)).fold(0.0, f64::max)
}

/// Precision at the rank of each relevant document.
fn at_relevant(grades: &[i64], rel: i64) -> impl Iterator<Item = f64> {
    let ranks = grades.iter().enumerate().filter(move |&(_, &grade)| grade >= rel).map(|(i, _)| i + 1);
    ranks.zip(1..).map(|(rank, found)| f64::from(found) / rank as f64)
}
