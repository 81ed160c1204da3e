//! Making scores of different systems comparable.

/// What is done to the scores of one query in one run before they are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalisation {
    /// Nothing.
    None,
    /// (score - least) / (greatest - least), from 0 to 1 (Fox and Shaw 1994; Lee 1997). Scores that are all equal
    /// become 1: to have been found is worth more than not to have been.
    MinMax,
    /// (score - mean) / standard deviation, with n below the line (Montague and Aslam 2001). Scores that are all equal
    /// become 0.
    ZScore,
}

impl Normalisation {
    /// Apply to the scores of one query in one run.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::MinMax => {
                let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
                let range = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
                for score in scores {
                    *score = if range == 0.0 { 1.0 } else { (*score - least) / range };
                }
            }
            Self::ZScore => {
                let n = scores.len() as f64;
                let mean = scores.iter().sum::<f64>() / n;
                // Of equal scores the mean may be off by rounding.
                if scores.iter().all(|&s| s == scores[0]) {
                    scores.fill(0.0);
                    return;
                }
                // Squares of tiny scores underflow and those of huge ones overflow: the greatest is made 1.
                let greatest = scores.iter().fold(0.0_f64, |most, s| most.max((s - mean).abs()));
                let unit = |s: f64| (s - mean) / greatest;
                let deviation = (scores.iter().map(|&s| unit(s) * unit(s)).sum::<f64>() / n).sqrt();
                for score in scores {
                    *score = unit(*score) / deviation;
                }
            }
        }
    }
}
