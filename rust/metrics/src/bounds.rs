//! The best and the worst that the order of tied documents can make of a measure.
//!
//! Within a tie any order is as good as the scores say, so a measure has a range. Its ends are reached by sorting every
//! tie by grade, highest first for the best and lowest first for the worst, because of an exchange: where a document
//! with a lower grade stands directly before one with a higher grade, changing their places lowers no measure here.
//! Write r for the first of the two ranks.
//!
//! - nDCG, R, P, Success, Judged, RR, Rprec, RBP weight or cut ranks, and the weight falls with the rank. Set measures
//!   do not look at the order at all.
//! - ERR: with stopping probabilities a < b the pair adds c (a/r + (1-a) b/(r+1)), with c the probability to come this
//!   far; exchanged it adds c (b/r + (1-b) a/(r+1)), which is c (b-a) (1/r - 1/(r+1)) more. What follows is reached
//!   with probability c (1-a) (1-b) either way.
//! - AP and `IPrec`: only a relevant document behind one that is not changes anything. Its precision m/(r+1) becomes m/r,
//!   that of every other relevant document stays.
//! - Bpref: a relevant document moves before one judged not relevant, so n falls by one for it. Documents that are not
//!   judged play no part.
//! - infAP: see [`inferred`]. Sorting is right but for pooled documents without a judgment, for which the ends are found
//!   by dynamic programming.
//!
//! Ties do not overlap, and what a measure adds within one depends on earlier ties through counts alone, which no order
//! changes: each tie may be sorted by itself. Queries are independent, so the mean of the best is the best of the means.

use crate::compute::sampled::Before;
use crate::compute::{Constants, Ranked, UNJUDGED, value};
use crate::{Kind, Measure};

/// One query's grades with every tie sorted.
#[derive(Debug, Default)]
pub(crate) struct Extremes {
    worst: Vec<i64>,
    best: Vec<i64>,
    ends: Vec<usize>,
    /// Whether a tie holds a pooled document without a judgment.
    pooled: bool,
}

impl Extremes {
    /// `ends`: where each tie ends in `grades`; empty when nothing ties.
    pub(crate) fn read(&mut self, grades: &[i64], ends: &[usize]) {
        self.best.clear();
        self.best.extend_from_slice(grades);
        self.ends.clear();
        self.ends.extend_from_slice(ends);
        self.pooled = grades.iter().any(|&grade| grade != UNJUDGED && grade < 0);
        for tie in ties(ends) {
            self.best[tie].sort_unstable_by(|a, b| b.cmp(a));
        }
        self.worst.clear();
        self.worst.extend_from_slice(&self.best);
        for tie in ties(ends) {
            self.worst[tie].reverse();
        }
    }

    /// The least and the greatest value of `measure`, given its value in one order.
    pub(crate) fn of(&self, measure: &Measure, query: Ranked<'_>, constants: &Constants, value_here: f64) -> [f64; 2] {
        if self.ends.is_empty() {
            return [value_here; 2];
        }
        let [worst, best] = if measure.kind() == Kind::InfAp && self.pooled {
            let rel = i64::from(measure.rel());
            let relevant = query.relevant(rel);
            let share = |sum: f64| if relevant == 0 { 0.0 } else { sum / relevant as f64 };
            [inferred(&self.best, &self.ends, rel, End::Worst), inferred(&self.best, &self.ends, rel, End::Best)]
                .map(share)
        } else {
            [&self.worst, &self.best].map(|grades| value(measure, &Ranked { grades, ..query }, constants))
        };
        // The order at hand is one of those allowed; what lies beyond the ends is rounding.
        [worst.min(value_here), best.max(value_here)]
    }
}

fn ties(ends: &[usize]) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    [0].iter().chain(ends).zip(ends).map(|(&start, &end)| start..end)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Worst,
    Best,
}

/// The least or greatest sum of expected precisions when ties hold pooled documents.
///
/// Let A documents of the pool and j documents in all come before a relevant one, q = (r+e)/(r+n+2e) the share of
/// relevant ones among the judged of them, e = 0.00001. It adds (1 + A q)/(j+1).
///
/// If it stands directly behind a document that is not in the pool, exchanging the two makes that (1 + A q)/j': one rank
/// less, and more. Behind one judged not relevant, A, n and j each fall by one. Of what it adds, A q then changes by
/// less than (r+e) 2e/((r+n+2e)(r+n+1+2e)) < e, which counts for less than the rank does as long as e times the rank is
/// below 1: for rankings of up to 100,000 documents. Exchanging documents between two relevant ones changes nothing. So
/// in the best order every relevant document of the tie is preceded, within the tie, by relevant and pooled documents
/// alone, the others come last; in the worst order the others come first. Only how relevant and pooled documents are
/// mixed remains: `sums[v]` is the extreme sum when v pooled documents have been placed with the relevant ones so far.
fn inferred(grades: &[i64], ends: &[usize], rel: i64, end: End) -> f64 {
    let mut before = Before::default();
    let mut total = 0.0;
    let mut sums: Vec<f64> = Vec::new();
    for tie in ties(ends) {
        let mut here = Before::default();
        for &grade in &grades[tie] {
            here.add(grade, rel);
        }
        let mut start = before;
        if end == End::Worst {
            start.nonrelevant += here.nonrelevant;
            start.unpooled += here.unpooled;
        }
        sums.clear();
        sums.resize(here.pooled + 1, 0.0);
        for relevant in 0..here.relevant {
            for pooled in 0..=here.pooled {
                let next = Before { relevant: start.relevant + relevant, pooled: start.pooled + pooled, ..start };
                let sum = sums[pooled] + next.expected_precision();
                // The order before this relevant document may also have held one pooled document less.
                sums[pooled] = match (pooled.checked_sub(1).map(|fewer| sums[fewer]), end) {
                    (None, _) => sum,
                    (Some(other), End::Worst) => sum.min(other),
                    (Some(other), End::Best) => sum.max(other),
                };
            }
        }
        total += sums[here.pooled];
        before.relevant += here.relevant;
        before.nonrelevant += here.nonrelevant;
        before.pooled += here.pooled;
        before.unpooled += here.unpooled;
    }
    total
}
