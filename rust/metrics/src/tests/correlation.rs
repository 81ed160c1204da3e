//! Rank correlation by definition.

use proptest::prelude::*;

use crate::{ApTies, ap_correlation, kendall_tau, rank_biased_overlap};

/// Scores with many ties.
fn tied(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-3..=3_i32).prop_map(|v| f64::from(v) / 2.0), n)
}

fn order(n: usize) -> impl Strategy<Value = Vec<f64>> {
    Just((0..n as u32).map(f64::from).collect::<Vec<_>>()).prop_shuffle()
}

/// `τ_b` over all pairs.
fn all_pairs(x: &[f64], y: &[f64]) -> Option<f64> {
    let sign = |a: f64, b: f64| if a == b { 0.0 } else { (a - b).signum() };
    let (mut both, mut in_x, mut in_y) = (0.0, 0.0, 0.0);
    for i in 0..x.len() {
        for j in 0..i {
            both += sign(x[i], x[j]) * sign(y[i], y[j]);
            in_x += sign(x[i], x[j]).abs();
            in_y += sign(y[i], y[j]).abs();
        }
    }
    (in_x > 0.0 && in_y > 0.0).then(|| both / f64::sqrt(in_x * in_y))
}

/// Yilmaz's coefficient of two orders without ties.
fn yilmaz(x: &[f64], y: &[f64]) -> f64 {
    let mut ranked: Vec<usize> = (0..x.len()).collect();
    ranked.sort_by(|&a, &b| y[b].total_cmp(&y[a]));
    let share = |i: usize| (0..i).filter(|&j| x[ranked[j]] > x[ranked[i]]).count() as f64 / i as f64;
    2.0 / (x.len() - 1) as f64 * (1..x.len()).map(share).sum::<f64>() - 1.0
}

/// All orders of 0..n.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(n - 1);
    let with = |p: &Vec<usize>| (0..n).map(|at| [&p[..at], &[n - 1], &p[at..]].concat()).collect::<Vec<_>>();
    shorter.iter().flat_map(with).collect()
}

/// The mean of Yilmaz's coefficient over all ways to break the ties of `y`.
fn all_ways(x: &[f64], y: &[f64]) -> f64 {
    let ways = permutations(y.len());
    let broken = |way: &Vec<usize>| y.iter().zip(way).map(|(v, &w)| v + w as f64 * 1e-3).collect::<Vec<_>>();
    ways.iter().map(|way| yilmaz(x, &broken(way))).sum::<f64>() / ways.len() as f64
}

/// `τ_AP,b` in one direction: of what is above an item that `y` does not rank first, the share that `x` has above too.
fn one_way(x: &[f64], y: &[f64]) -> f64 {
    let share = |i: usize| {
        let above: Vec<usize> = (0..y.len()).filter(|&j| y[j] > y[i]).collect();
        let concordant = above.iter().filter(|&&j| x[j] > x[i]).count();
        (!above.is_empty()).then(|| concordant as f64 / above.len() as f64)
    };
    let shares: Vec<f64> = (0..y.len()).filter_map(share).collect();
    2.0 * shares.iter().sum::<f64>() / shares.len() as f64 - 1.0
}

/// Extrapolated RBO by the formula, overlaps counted anew at each depth.
fn formula(first: &[u32], second: &[u32], p: f64) -> f64 {
    let (s, l) = (first.len().min(second.len()), first.len().max(second.len()));
    let overlap = |d: usize| {
        let head = |ranking: &[u32]| ranking[..d.min(ranking.len())].to_vec();
        head(first).iter().filter(|item| head(second).contains(item)).count() as f64
    };
    let seen: f64 = (1..=l).map(|d| overlap(d) / d as f64 * p.powi(d as i32)).sum();
    let beyond = |d: usize| overlap(s) * (d - s) as f64 / (s * d) as f64 * p.powi(d as i32);
    let below = (overlap(l) - overlap(s)) / l as f64 + overlap(s) / s as f64;
    (1.0 - p) / p * (seen + (s + 1..=l).map(beyond).sum::<f64>()) + below * p.powi(l as i32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn kendall_over_all_pairs((x, y) in (2..40_usize).prop_flat_map(|n| (tied(n), tied(n)))) {
        match all_pairs(&x, &y) {
            Some(wanted) => prop_assert!((kendall_tau(&x, &y).unwrap() - wanted).abs() < 1e-12),
            None => prop_assert!(kendall_tau(&x, &y).unwrap_err().to_string().contains("are tied")),
        }
    }

    #[test]
    fn ap_correlation_by_definition((x, y) in (2..30_usize).prop_flat_map(|n| (order(n), order(n)))) {
        let wanted = yilmaz(&x, &y);
        prop_assert!((ap_correlation(&x, &y, ApTies::Accuracy).unwrap() - wanted).abs() < 1e-12);
        let symmetric = f64::midpoint(wanted, yilmaz(&y, &x));
        prop_assert!((ap_correlation(&x, &y, ApTies::Agreement).unwrap() - symmetric).abs() < 1e-12);
    }

    #[test]
    fn ap_correlation_over_all_ways_to_break_ties((x, y) in (2..7_usize).prop_flat_map(|n| (order(n), tied(n)))) {
        let found = ap_correlation(&x, &y, ApTies::Accuracy).unwrap();
        prop_assert!((found - all_ways(&x, &y)).abs() < 1e-12, "{found}");
    }

    #[test]
    fn ap_correlation_of_observers((x, y) in (2..30_usize).prop_flat_map(|n| (tied(n), tied(n)))) {
        let distinct = |values: &[f64]| values.iter().any(|v| *v != values[0]);
        prop_assume!(distinct(&x) && distinct(&y));
        let wanted = f64::midpoint(one_way(&x, &y), one_way(&y, &x));
        prop_assert!((ap_correlation(&x, &y, ApTies::Agreement).unwrap() - wanted).abs() < 1e-12);
    }

    #[test]
    fn overlap_by_the_formula(
        first in Just((0..12_u32).collect::<Vec<_>>()).prop_shuffle(),
        second in Just((3..15_u32).collect::<Vec<_>>()).prop_shuffle(),
        (m, n) in (1..=12_usize, 1..=12_usize),
        p in 0.05..0.99_f64,
    ) {
        let found = rank_biased_overlap(&first[..m], &second[..n], p).unwrap();
        prop_assert!((found - formula(&first[..m], &second[..n], p)).abs() < 1e-12, "{found}");
        prop_assert_eq!(rank_biased_overlap(&second[..n], &first[..m], p).unwrap(), found);
        prop_assert!((rank_biased_overlap(&first[..m], &first[..m], p).unwrap() - 1.0).abs() < 1e-12);
        prop_assert!((0.0..=1.0).contains(&found), "{found}");
        prop_assert!(rank_biased_overlap(&first[..m], &first[..m], p).unwrap() <= 1.0);
    }
}

#[test]
fn extremes() {
    let up: Vec<f64> = (0..1000).map(f64::from).collect();
    let down: Vec<f64> = up.iter().map(|v| -v).collect();
    assert_eq!((kendall_tau(&up, &up), kendall_tau(&up, &down)), (Ok(1.0), Ok(-1.0)));
    assert!(kendall_tau(&[0.0, -0.0, 1.0], &[1.0, 1.0, 2.0]).unwrap() == 1.0, "zero has no sign here");
    for ties in [ApTies::Accuracy, ApTies::Agreement] {
        assert!((ap_correlation(&up, &up, ties).unwrap() - 1.0).abs() < 1e-12);
        assert!((ap_correlation(&up, &down, ties).unwrap() + 1.0).abs() < 1e-12);
    }
    assert_eq!(rank_biased_overlap(&[1, 2], &[3, 4, 5], 0.9), Ok(0.0));
    // With next to no persistence the first rank is all that counts.
    for p in [1e-310, 1e-20] {
        assert_eq!(rank_biased_overlap(&[1, 2], &[1, 3], p), Ok(1.0));
        assert_eq!(rank_biased_overlap(&[1, 2], &[2, 1], p), Ok(p));
    }
}

#[test]
fn what_has_no_order_is_refused() {
    let ap = |x: &[f64], y: &[f64], ties| ap_correlation(x, y, ties).unwrap_err().to_string();
    assert!(kendall_tau(&[1.0], &[1.0]).unwrap_err().to_string().contains("at least two items"));
    assert!(kendall_tau(&[1.0, 2.0], &[1.0]).unwrap_err().to_string().contains("x has 2 values, y 1"));
    assert!(kendall_tau(&[1.0, f64::NAN], &[1.0, 2.0]).unwrap_err().to_string().contains("value 1 of x is NaN"));
    assert!(ap(&[1.0, 1.0], &[1.0, 2.0], ApTies::Accuracy).contains("the truth ties items 0 and 1"));
    assert!(ap(&[1.0, 2.0], &[1.0, 1.0], ApTies::Agreement).contains("all values of y are tied"));
    assert!(ap(&[1.0, 2.0], &[1.0], ApTies::Accuracy).contains("truth has 2 values, estimate 1"));
    let rbo = |a: &[u32], b: &[u32], p| rank_biased_overlap(a, b, p).unwrap_err().to_string();
    assert!(rbo(&[], &[1], 0.9).contains("the first ranking is empty"));
    assert!(rbo(&[1], &[], 0.9).contains("the second ranking is empty"));
    assert!(rbo(&[1, 2, 1], &[1], 0.9).contains("the first ranking holds the item at rank 3 twice"));
    assert!(rbo(&[1], &[2, 2], 0.9).contains("the second ranking holds the item at rank 2 twice"));
    assert!(rbo(&[1], &[1], 1.0).contains("persistence p must lie between 0 and 1"));
}
