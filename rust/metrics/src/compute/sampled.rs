//! Measures for judgments that are a sample: documents that nobody judged are not taken for irrelevant.
//!
//! Retrieved documents are of four classes: relevant; judged not relevant (a grade from 0 up below `rel`); pooled, in
//! the judgments with a negative grade; and not in the judgments at all.

/// Binary preference (Buckley and Voorhees 2004) as `trec_eval` defines it: for each relevant document retrieved,
/// 1 - min(n, R) / min(N, R), where n of the N documents judged not relevant come before it; over R.
pub(super) fn bpref(grades: &[i64], rel: i64, relevant: usize, nonrelevant: usize) -> f64 {
    let most = nonrelevant.min(relevant) as f64;
    let mut before = 0;
    let mut sum = 0.0;
    for &grade in grades.iter().filter(|&&grade| grade >= 0) {
        if grade < rel {
            before += 1;
        } else if before > 0 {
            sum += 1.0 - before.min(relevant) as f64 / most;
        } else {
            sum += 1.0;
        }
    }
    super::ratio(sum, relevant as f64)
}

/// What `trec_eval` adds to counts so that a share of nothing has a value.
const EPSILON: f64 = 0.000_01;

/// The documents before a rank, by class; all together there are `rank - 1`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before {
    pub(crate) relevant: usize,
    pub(crate) nonrelevant: usize,
    pub(crate) pooled: usize,
    pub(crate) unpooled: usize,
}

impl Before {
    pub(crate) fn add(&mut self, grade: i64, rel: i64) {
        match grade {
            super::UNJUDGED => self.unpooled += 1,
            grade if grade < 0 => self.pooled += 1,
            grade if grade < rel => self.nonrelevant += 1,
            _ => self.relevant += 1,
        }
    }

    /// The expected precision at the rank of a relevant document that follows these (Yilmaz and Aslam 2006): itself,
    /// and of the documents in the pool before it the share that is relevant among the judged ones.
    pub(crate) fn expected_precision(self) -> f64 {
        let judged = (self.relevant + self.nonrelevant) as f64;
        let in_pool = judged + self.pooled as f64;
        let share = (self.relevant as f64 + EPSILON) / (judged + 2.0 * EPSILON);
        (1.0 + in_pool * share) / (in_pool + self.unpooled as f64 + 1.0)
    }
}

/// The sum of expected precision at the rank of each relevant document: inferred AP times R.
pub(super) fn inferred(grades: &[i64], rel: i64) -> f64 {
    let mut before = Before::default();
    let mut sum = 0.0;
    for &grade in grades {
        if grade >= rel {
            sum += before.expected_precision();
        }
        before.add(grade, rel);
    }
    sum
}
