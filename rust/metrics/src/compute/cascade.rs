//! Measures of a user who reads on from rank to rank and may stop.

/// The highest grade of the scale, as TREC's gdeval has it.
const MOST: i64 = 4;

/// Expected reciprocal rank (Chapelle, Metzler, Zhang and Grinspan 2009): the user stops at rank i with probability
/// (2^grade - 1) / 2^4. Grades above 4 count as 4, those below 0 as 0.
pub(super) fn expected_reciprocal_rank(grades: &[i64]) -> f64 {
    let mut still_reading = 1.0;
    let mut sum = 0.0;
    for (i, &grade) in grades.iter().enumerate().filter(|&(_, &grade)| grade > 0) {
        let stop = ((1_i64 << grade.min(MOST)) - 1) as f64 / (1_i64 << MOST) as f64;
        sum += still_reading * stop / (i + 1) as f64;
        still_reading *= 1.0 - stop;
    }
    sum
}

/// Rank-biased precision (Moffat and Zobel 2008): (1 - p) Σ p^(rank - 1) over the ranks of relevant documents.
pub(super) fn rank_biased(grades: &[i64], rel: i64, p: f64) -> f64 {
    let mut reached = 1.0;
    let mut sum = 0.0;
    for &grade in grades {
        if grade >= rel {
            sum += reached;
        }
        reached *= p;
    }
    (1.0 - p) * sum
}
