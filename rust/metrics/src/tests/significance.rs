//! The parametric, bootstrap and rank tests, equivalence and the corrections, by definition and at their edges.

use proptest::prelude::*;

use super::samples::{pairs, two_hundred};
use crate::random::Random;
use crate::{
    Draws, Error, benjamini_hochberg, bootstrap_test, equivalence_test, holm, randomisation_test, t_test, wilcoxon_test,
};

const DRAWS: Draws = Draws { count: 4_000, seed: 1, threads: 1 };

/// Mean and sample standard deviation, by their definitions.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

fn differences(base: &[f64], candidate: &[f64]) -> Vec<f64> {
    base.iter().zip(candidate).map(|(b, c)| c - b).collect()
}

/// p of Wilcoxon's test over all signs, for values without zeros and ties.
fn all_signs(differences: &[f64]) -> f64 {
    let rank = |d: &f64| differences.iter().filter(|other| other.abs() <= d.abs()).count();
    let ranks: Vec<usize> = differences.iter().map(rank).collect();
    let total: usize = ranks.iter().sum();
    let least = |plus: usize| plus.min(total - plus);
    let observed = least(differences.iter().zip(&ranks).filter(|(d, _)| **d > 0.0).map(|(_, r)| r).sum());
    let sum = |signs: u32| ranks.iter().enumerate().filter(|(i, _)| signs >> i & 1 == 1).map(|(_, r)| r).sum();
    let count = 1_u32 << ranks.len();
    f64::from((0..count).filter(|&signs| least(sum(signs)) <= observed).count() as u32) / f64::from(count)
}

/// p of the bootstrap test for differences that are tenths, in whole numbers.
fn bootstrapped(differences: &[f64], draws: Draws) -> f64 {
    let tenths: Vec<i128> = differences.iter().map(|d| (d * 10.0).round() as i128).collect();
    let (n, total) = (tenths.len() as i128, tenths.iter().sum::<i128>());
    // t² / (n - 1) is S² / (n Q - S²), for the sum S and the sum of squares Q; n times the values, which makes the
    // centred ones whole numbers too, changes nothing.
    let parts = |values: &[i128]| {
        let (sum, squares) = (values.iter().sum::<i128>(), values.iter().map(|v| v * v).sum::<i128>());
        (sum * sum, n * squares - sum * sum)
    };
    let observed = parts(&tenths.iter().map(|d| n * d).collect::<Vec<_>>());
    let extreme = (0..draws.count as u64).filter(|&i| {
        let mut random = Random::new(draws.seed, i);
        let sample: Vec<i128> = (0..n).map(|_| n * tenths[random.below(n as u64) as usize] - total).collect();
        let drawn = parts(&sample);
        // No variation: beyond every bound, and at zero no t at all.
        if drawn == (0, 0) { observed.0 == 0 } else { drawn.0 * observed.1 >= observed.0 * drawn.1 }
    });
    (1 + extreme.count()) as f64 / (1 + draws.count) as f64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t_and_effect_size_by_definition((base, candidate) in pairs(3, 40)) {
        let (mean, deviation) = moments(&differences(&base, &candidate));
        prop_assume!(deviation > 1e-9);
        let found = t_test(&base, &candidate).unwrap();
        let d = mean / deviation;
        prop_assert!((found.statistic - d * (base.len() as f64).sqrt()).abs() < 1e-12);
        prop_assert!((found.effect_size.unwrap() - d).abs() < 1e-12);
        prop_assert!((found.effect - mean).abs() < 1e-15);
    }

    #[test]
    fn bootstrap_by_definition((base, candidate) in pairs(3, 20), seed: u64) {
        let changes = differences(&base, &candidate);
        prop_assume!(changes.iter().any(|d| (d - changes[0]).abs() > 1e-9));
        let draws = Draws { seed, count: 300, threads: 2 };
        let found = bootstrap_test(&base, &candidate, draws).unwrap();
        prop_assert_eq!(found.p, bootstrapped(&changes, draws));
        prop_assert_eq!(found.statistic, t_test(&base, &candidate).unwrap().statistic);
    }

    #[test]
    fn wilcoxon_over_all_signs(order in Just((1..=11_i32).collect::<Vec<_>>()).prop_shuffle(), signs: u16, n in 1..=11_usize) {
        let candidate: Vec<f64> = order[..n].iter().enumerate()
            .map(|(i, &v)| f64::from(if signs >> i & 1 == 1 { -v } else { v })).collect();
        let found = wilcoxon_test(&vec![0.0; n], &candidate, false).unwrap();
        prop_assert!(found.exact);
        prop_assert!((found.p - all_signs(&candidate)).abs() < 1e-15, "{}", found.p);
    }

    #[test]
    fn corrections_keep_order_and_never_lower(p_values in prop::collection::vec(0.0..=1.0_f64, 0..9)) {
        for adjusted in [holm(&p_values).unwrap(), benjamini_hochberg(&p_values).unwrap()] {
            for (i, p) in p_values.iter().enumerate() {
                prop_assert!(*p <= adjusted[i] && adjusted[i] <= 1.0);
                for (j, q) in p_values.iter().enumerate() {
                    prop_assert!(p > q || adjusted[i] <= adjusted[j]);
                }
            }
        }
        let extreme = |pick: fn(f64, f64) -> f64| p_values.iter().copied().reduce(pick);
        if let (Some(least), Some(most)) = (extreme(f64::min), extreme(f64::max)) {
            let place = |p: f64| p_values.iter().position(|&q| p == q).unwrap();
            prop_assert_eq!(holm(&p_values).unwrap()[place(least)], (least * p_values.len() as f64).min(1.0));
            prop_assert_eq!(benjamini_hochberg(&p_values).unwrap()[place(most)], most);
        }
    }

    #[test]
    fn equivalence_is_the_interval_within_the_margins((base, candidate) in pairs(3, 40), margin in 0.01..0.5_f64) {
        let (_, deviation) = moments(&differences(&base, &candidate));
        prop_assume!(deviation > 1e-9);
        let found = equivalence_test(&base, &candidate, (-margin, 2.0 * margin), 0.05).unwrap();
        let (low, high) = found.interval;
        prop_assert!((found.effect - f64::midpoint(low, high)).abs() < 1e-12);
        prop_assert_eq!(found.p_lower <= 0.05, low >= -margin, "{:?}", found);
        prop_assert_eq!(found.p_upper <= 0.05, high <= 2.0 * margin, "{:?}", found);
    }
}

#[test]
fn known_families() {
    let near = |found: Vec<f64>, wanted: [f64; 4]| found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-15);
    assert!(near(holm(&[0.01, 0.04, 0.03, 0.005]).unwrap(), [0.03, 0.06, 0.06, 0.02]));
    assert!(near(benjamini_hochberg(&[0.01, 0.04, 0.03, 0.005]).unwrap(), [0.02, 0.04, 0.04, 0.02]));
    for correct in [holm, benjamini_hochberg] {
        assert_eq!(correct(&[]), Ok(vec![]));
        assert!(correct(&[0.5, 1.1]).unwrap_err().to_string().contains("p value 1 is 1.1"));
        assert!(correct(&[f64::NAN]).unwrap_err().to_string().contains("p value 0"));
    }
    assert_eq!(holm(&[0.9, 0.8]), Ok(vec![1.0, 1.0]));
    assert_eq!(benjamini_hochberg(&[0.9, 0.8]), Ok(vec![0.9, 0.9]));
}

#[test]
fn the_bootstrap_test_is_the_same_at_any_thread_count() {
    let (base, candidate) = two_hundred();
    let p = |seed, threads| bootstrap_test(&base, &candidate, Draws { seed, threads, ..DRAWS }).unwrap().p;
    for threads in [0, 2, 3, 7, 1000] {
        assert_eq!(p(1, threads), p(1, 1));
    }
    assert_ne!(p(2, 1), p(1, 1));
}

#[test]
fn resamples_without_variation() {
    for (base, candidate) in [
        // Three tenths are the mean, and are not the same double twice: their resamples do not vary, and have no t.
        (vec![0.5, 0.2, 0.2, 0.6], vec![0.8, 0.5, 0.7, 0.7]),
        // The mean is zero, in tenths, and so is a resample of the last alone: as extreme as it gets.
        (vec![0.1, 0.3, 0.2], vec![0.2, 0.2, 0.2]),
        (vec![0.0, 0.0, 0.0], vec![0.1, 0.2, 0.3]),
    ] {
        let found = bootstrap_test(&base, &candidate, DRAWS).unwrap();
        assert_eq!(found.p, bootstrapped(&differences(&base, &candidate), DRAWS), "{base:?} {candidate:?}");
    }
}

#[test]
fn two_queries_have_one_degree_of_freedom() {
    // t = 2 of Cauchy's distribution: p = 2 / π atan(1 / 2).
    let found = t_test(&[0.0, 0.0], &[1.0, 3.0]).unwrap();
    assert!(
        (found.statistic - 2.0).abs() < 1e-15 && (found.p - 0.5_f64.atan() * std::f64::consts::FRAC_2_PI).abs() < 1e-14
    );
}

#[test]
fn systems_that_are_alike() {
    let same = [0.5, 0.25, 1.0];
    for outcome in [t_test(&same, &same), bootstrap_test(&same, &same, DRAWS), wilcoxon_test(&same, &same, true)] {
        let outcome = outcome.unwrap();
        assert_eq!((outcome.p, outcome.statistic, outcome.effect_size), (1.0, 0.0, Some(0.0)));
    }
    let found = equivalence_test(&same, &same, (-0.01, 0.01), 0.05).unwrap();
    assert_eq!((found.effect, found.interval, found.p_lower, found.p_upper), (0.0, (0.0, 0.0), 0.0, 0.0));
}

#[test]
fn ties_and_zeros_of_wilcoxon() {
    // |d|: 0 (dropped), 1, 1, 2, 3 at ranks 1.5, 1.5, 3, 4; W- is 1.5.
    let found = wilcoxon_test(&[0.0; 5], &[0.0, 1.0, -1.0, 2.0, 3.0], false).unwrap();
    assert_eq!((found.statistic, found.exact, found.effect_size), (1.5, false, Some(0.7)));
    // z = (1.5 - 5) / sqrt(4 * 5 * 9 / 24 - (2^3 - 2) / 48), and p = 2 Φ(z).
    assert!((found.p - 0.197_466_073_358_018_7).abs() < 1e-12, "{}", found.p);
    let corrected = wilcoxon_test(&[0.0; 5], &[0.0, 1.0, -1.0, 2.0, 3.0], true).unwrap();
    assert!(corrected.p > found.p);
    // A zero alone is enough to leave the exact distribution.
    assert!(!wilcoxon_test(&[0.0; 3], &[0.0, 1.0, 2.0], false).unwrap().exact);
    // At the middle there is nothing to correct.
    assert_eq!(wilcoxon_test(&[0.0; 3], &[0.0, 1.0, -1.0], true).unwrap().p, 1.0);
}

#[test]
fn what_cannot_be_tested_is_refused() {
    let refused = |base: &[f64], candidate: &[f64], part: &str| {
        let messages = [
            randomisation_test(base, candidate, DRAWS).map(|o| o.p),
            t_test(base, candidate).map(|o| o.p),
            bootstrap_test(base, candidate, DRAWS).map(|o| o.p),
            wilcoxon_test(base, candidate, false).map(|o| o.p),
            equivalence_test(base, candidate, (-1.0, 1.0), 0.05).map(|e| e.p_lower),
        ];
        for result in messages {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    };
    refused(&[], &[], "empty");
    refused(&[1.0], &[1.0, 2.0], "base has 1, candidate 2");
    refused(&[1.0, f64::NAN], &[1.0, 2.0], "value 1 of base is NaN");
    refused(&[1.0], &[f64::INFINITY], "value 0 of candidate is inf");
    refused(&[f64::MIN], &[f64::MAX], "overflow");
    let message = |result: Result<f64, Error>| result.unwrap_err().to_string();
    let none = Draws { count: 0, ..DRAWS };
    assert!(message(randomisation_test(&[1.0], &[1.0], none).map(|o| o.p)).contains("permutations must be at least 1"));
    assert!(message(bootstrap_test(&[1.0], &[1.0], none).map(|o| o.p)).contains("resamples must be at least 1"));
    // A difference of one tenth throughout, as far as doubles can tell.
    let (base, candidate) = ([0.8, 0.2, 0.5], [0.9, 0.3, 0.6]);
    assert!(message(t_test(&base, &candidate).map(|o| o.p)).contains("differences that vary"));
    assert!(message(bootstrap_test(&base, &candidate, DRAWS).map(|o| o.p)).contains("differences that vary"));
    assert!(message(t_test(&[1.0], &[2.0]).map(|o| o.p)).contains("at least two"));
    // The squares of the least doubles are zero.
    assert!(message(t_test(&[0.0; 2], &[5e-324, 1e-322]).map(|o| o.p)).contains("differences that vary"));
    // Differences that are not alike are not called so: at this size they are rounding.
    let close = message(t_test(&[1e9; 2], &[1e9 + 1.2e-7, 1e9 + 2.4e-7]).map(|o| o.p));
    assert!(close.contains("about 1.1920928955078125e-7, with no more variation than rounding"), "{close}");
    let equivalence = |margins, alpha| message(equivalence_test(&base, &[0.0; 3], margins, alpha).map(|e| e.p_lower));
    assert!(equivalence((0.0, 1.0), 0.05).contains("surround zero"));
    assert!(equivalence((-1.0, f64::NAN), 0.05).contains("surround zero"));
    for alpha in [0.0, 0.5, 0.6, f64::NAN] {
        let message = equivalence((-1.0, 1.0), alpha);
        assert!(message.contains(&format!("alpha must lie between 0 and 1/2, not {alpha}")), "{message}");
    }
}
