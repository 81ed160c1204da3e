//! The normal and Student's t distribution.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Φ(x).
pub(crate) fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The x with Φ(x) = p, for p between 0 and 1.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    // The lower half keeps its digits where p is small; beyond -39 even the smallest p is passed.
    if p > 0.5 { -normal_quantile(1.0 - p) } else { increasing_root(-39.0, 0.0, |x| normal_cdf(x) - p) }
}

/// P(|T| >= |t|) for T of Student's distribution with `df` degrees of freedom; the relative error grows to about 2^-52 df.
pub(crate) fn t_two_sided(t: f64, df: f64) -> f64 {
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    regularised_beta(df / 2.0, df, square)
}

/// P(T >= t).
pub(crate) fn t_upper(t: f64, df: f64) -> f64 {
    let half = 0.5 * t_two_sided(t, df);
    if t < 0.0 { 1.0 - half } else { half }
}

/// The t with P(T >= t) = p, for p between 0 and 1/2.
pub(crate) fn t_upper_quantile(p: f64, df: f64) -> f64 {
    let mut high = 1.0;
    while t_upper(high, df) > p && high < 1e300 {
        high *= 2.0;
    }
    increasing_root(0.0, high, |t| p - t_upper(t, df))
}

/// Where an increasing function passes zero between `low` and `high`, to the last digit.
pub(crate) fn increasing_root(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if f(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// `I_x(a`, 1/2) at x = df / (df + t²) for a = df / 2: the two tails of Student's distribution (Abramowitz and Stegun 1964,
/// 26.5.27), from the continued fraction of the incomplete beta function (26.5.8) by Lentz's method.
fn regularised_beta(a: f64, df: f64, square: f64) -> f64 {
    if square == 0.0 {
        return 1.0;
    }
    // x and its complement, each with all its digits.
    let (x, rest) = (df / (df + square), square / (df + square));
    // x^a (1 - x)^(1/2) / B(a, 1/2), where ln x = -ln(1 + t²/df).
    let front = (-a * (square / df).ln_1p()).exp() * rest.sqrt() * gamma_ratio(a) / PI.sqrt();
    if x < (a + 1.0) / (a + 2.5) {
        front * continued_fraction(a, 0.5, x) / a
    } else {
        1.0 - front * continued_fraction(0.5, a, rest) / 0.5
    }
}

/// Γ(a + 1/2) / Γ(a), from its asymptotic series (Abramowitz and Stegun 1964, 6.1.47) once a is large enough for it.
fn gamma_ratio(a: f64) -> f64 {
    let mut below = 1.0;
    let mut a = a;
    while a < 40.0 {
        below *= a / (a + 0.5);
        a += 1.0;
    }
    // Each term is less than a fortieth of the one before: the first that is left out is below 1e-16.
    let r = 1.0 / a;
    let series = [-1.0 / 8.0, 1.0 / 128.0, 5.0 / 1024.0, -21.0 / 32_768.0, -399.0 / 262_144.0, 869.0 / 4_194_304.0];
    below * a.sqrt() * (1.0 + r * series.iter().rev().fold(0.0, |sum, term| sum * r + term))
}

fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in 1..1_000_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let step = d * c;
        value *= step;
        if (step - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= 1e-12 * wanted.abs(), "{found:e}, not {wanted:e}");
    }

    #[test]
    fn normal() {
        near(normal_cdf(-1.0), 0.158_655_253_931_457_05);
        near(normal_quantile(0.975), 1.959_963_984_540_054);
        near(normal_quantile(1e-20), -9.262_340_089_798_408);
        for p in [1e-300, 1e-9, 0.3, 0.5, 0.999] {
            near(normal_cdf(normal_quantile(p)), p);
        }
    }

    #[test]
    fn ratios_of_gamma_functions() {
        // Γ(1) / Γ(1/2), Γ(3/2) / Γ(1), Γ(2) / Γ(3/2); forty factors and the series, each rounded.
        let root = PI.sqrt();
        for (a, wanted) in [(0.5, 1.0 / root), (1.0, root / 2.0), (1.5, 2.0 / root)] {
            assert!((gamma_ratio(a) / wanted - 1.0).abs() < 1e-14, "{a}");
        }
    }

    #[test]
    fn student_where_it_has_a_closed_form() {
        for t in [-30.0_f64, -1.5, 0.0, 1e-8, 0.3, 2.0, 40.0, 1e6] {
            // df = 1: Cauchy. df = 2: t / sqrt(2 + t²).
            near(t_two_sided(t, 1.0), 2.0 / PI * (1.0 / t.abs()).atan());
            let root = (2.0 + t * t).sqrt();
            near(t_two_sided(t, 2.0), 2.0 / (root * (root + t.abs())));
        }
        assert_eq!((t_two_sided(0.0, 9.0), t_two_sided(f64::INFINITY, 9.0)), (1.0, 0.0));
        near(t_upper(-1.0, 1.0), 0.75);
    }

    #[test]
    fn student_becomes_normal() {
        // The first term of Fisher's (1925) expansion in 1 / df is (t³ + t) φ(t) / (4 df).
        let (t, df) = (1.7_f64, 1e9);
        let density = (-t * t / 2.0).exp() / (2.0 * PI).sqrt();
        let wanted = normal_cdf(-t) + (t.powi(3) + t) * density / (4.0 * df);
        assert!((t_upper(t, df) - wanted).abs() < 1e-13);
    }

    #[test]
    fn quantiles_invert() {
        for df in [1.0, 2.0, 3.0, 29.0, 78.0, 81.0, 9_999.0, 1e6] {
            for p in [1e-12, 0.001, 0.025, 0.3, 0.5] {
                let found = t_upper(t_upper_quantile(p, df), df);
                assert!((found - p).abs() <= p * (1e-12_f64).max(f64::EPSILON * df), "{found:e}, not {p:e}, at {df}");
            }
        }
    }
}
