//! How far a scan's number may be from the score that it stands for.
//!
//! A scan finds, in f32 or in whole numbers, a number a for each pair, and the pair is scored when a > thr. The threshold
//! is chosen such that no pair whose score exceeds t is missed. With u = 2^-24, γ = n u / (1 - n u) (Higham 2002, lemma
//! 3.1: the relative error of a sum of n products, in any order, with or without FMA), q̂ the unit query rounded to f32,
//! N the norm of the row r, B the greatest norm in the block:
//!
//! - inner product, in f32: a = fl(q̂ · r), and |a - (q / |q|) · r| <= (γ + 2 u) N. So thr = t / |q| - (γ + 2 u) B.
//! - cosine, in f32: a = fl(q̂ · r) fl(1 / N), where N² is an f32 sum too: 1 / N is within a factor 1 ± γ, and
//!   |a - cos| <= 2 γ + γ² + 6 u.
//! - either, in whole numbers: q̂ = σ q' + d and r = s r' + e with codes q' and r', |d| = δ and |e| <= E. Then σ s (q' · r')
//!   is within δ (N + E) + E of q̂ · r (Cauchy and Schwarz), and the sum itself is exact. The comparison is made in units of
//!   σ. The codes of an int8 corpus have no error: E = 0.
//! - L2: a = -fl(Σ (q - r)²), all of whose terms have one sign: the distance is within a factor 1 ± γ of n + 3 roundings,
//!   and n 2^-149 for what underflows.
//!
//! `ROUNDING` stands for the few roundings above, those of the thresholds themselves, of a dequantised element, and the
//! error of the f64 sum that is the score (below n 2^-52). Sums of rows whose norm is beyond 2^40, or below 2^-40 where it
//! is divided by, could overflow or underflow: such rows are scored without a scan, and the same is done with a query
//! beyond 2^40 for L2.

use crate::metric::Metric;

const U: f64 = 1.0 / (1_u64 << 24) as f64;

const ROUNDING: f64 = 32.0 * U;

/// The greatest square of a norm that a scan takes.
pub(crate) const MOST_SQUARE: f32 = (1_u128 << 80) as f32;

/// The least that a norm's square may be where it is divided by.
pub(crate) const LEAST_SQUARE: f32 = 1.0 / MOST_SQUARE;

/// The relative error of a sum of `n` products.
pub(crate) fn gamma(n: usize) -> f64 {
    let nu = n as f64 * U;
    nu / (1.0 - nu)
}

/// No less than the norm whose square an f32 sum of `n` squares gave.
///
/// The squares may have underflowed, each by 2^-149. What is added for that, 2^-140 each, also makes the slack of a block
/// of tiny rows greater than what underflows in their products.
pub(crate) fn norm_above(squares: f32, n: usize) -> f32 {
    let squares = f64::from(squares) + n as f64 * 2.0_f64.powi(-140);
    above(squares.sqrt() * (1.0 + gamma(n)) * (1.0 + ROUNDING))
}

/// No less than the error of a row's codes, from what f32 sums made of it; for rows of any length, or, with a norm of 1,
/// for the ratio of error and norm.
pub(crate) fn error_above(error: f32, norm: f32, n: usize) -> f32 {
    above((f64::from(error) + 4.0 * U * f64::from(norm)) * (1.0 + 2.0 * gamma(n)) * (1.0 + ROUNDING))
}

/// How a query's threshold for the scan comes from the one of its scores: t · `unit` - `slack` · B - `error` · E.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    metric: Metric,
    /// Whether every score of the query is 0.
    zero: bool,
    unit: f64,
    pub(crate) slack: f32,
    pub(crate) error: f32,
    squares: f64,
    underflow: f64,
}

impl Bound {
    /// For scans in f32 of vectors of `n` elements.
    pub(crate) fn float(metric: Metric, n: usize, norm: f64) -> Self {
        let slack = match metric {
            Metric::InnerProduct => gamma(n) + ROUNDING,
            Metric::Cosine => 2.0 * gamma(n) + gamma(n) * gamma(n) + ROUNDING,
            Metric::L2 => 0.0,
        };
        Self::new(metric, n, norm, 1.0, slack)
    }

    /// For scans of codes: `sigma` is the scale of the query's, `delta` the norm of its error.
    pub(crate) fn codes(metric: Metric, n: usize, norm: f64, sigma: f64, delta: f64) -> Self {
        let slack = delta + (1.0 + delta) * (2.0 * gamma(n) + gamma(n) * gamma(n) + ROUNDING);
        Self::new(metric, n, norm, sigma, slack)
    }

    fn new(metric: Metric, n: usize, norm: f64, sigma: f64, slack: f64) -> Self {
        Self {
            metric,
            zero: metric != Metric::L2 && norm == 0.0,
            unit: if metric == Metric::InnerProduct { 1.0 / (norm * sigma) } else { 1.0 / sigma },
            slack: above(slack / sigma),
            error: above((1.0 + ROUNDING) / sigma),
            squares: 1.0 + gamma(n + 16),
            underflow: n as f64 * 2.0_f64.powi(-148),
        }
    }

    /// What `a` exceeds, but for the slack, when the score exceeds `t`.
    pub(crate) fn base(&self, t: f32) -> f32 {
        let t = f64::from(t);
        if self.zero {
            return if t < 0.0 { f32::NEG_INFINITY } else { f32::INFINITY };
        }
        match self.metric {
            Metric::InnerProduct | Metric::Cosine => below(t * self.unit),
            Metric::L2 if t >= 0.0 => f32::INFINITY,
            Metric::L2 => below(t * self.squares - self.underflow),
        }
    }
}

/// The nearest f32 that is not below.
fn above(x: f64) -> f32 {
    let rounded = x as f32;
    if f64::from(rounded) < x { rounded.next_up() } else { rounded }
}

/// The nearest f32 that is not above.
pub(crate) fn below(x: f64) -> f32 {
    let rounded = x as f32;
    if f64::from(rounded) > x { rounded.next_down() } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_to_the_safe_side() {
        for x in [0.1, -0.1, 1.0, 1e-50, -1e-50, 1e300, -1e300, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(f64::from(above(x)) >= x, "{x}");
            assert!(f64::from(below(x)) <= x, "{x}");
        }
        assert_eq!((above(0.5), below(0.5)), (0.5, 0.5));
    }

    #[test]
    fn what_no_score_can_exceed_is_not_looked_for() {
        assert_eq!(Bound::float(Metric::InnerProduct, 3, 0.0).base(0.0), f32::INFINITY);
        assert_eq!(Bound::float(Metric::InnerProduct, 3, 0.0).base(-1.0), f32::NEG_INFINITY);
        assert_eq!(Bound::float(Metric::L2, 3, 0.0).base(0.0), f32::INFINITY);
        assert_eq!(Bound::float(Metric::L2, 3, 1.0).base(f32::NEG_INFINITY), f32::NEG_INFINITY);
    }
}
