//! The paired tests against enumeration and known values.

use proptest::prelude::*;

use crate::{Bootstrap, Error, Interval, Randomisation, holm, paired_bootstrap, paired_randomisation};

const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 10_000, confidence: 0.95, seed: 1, threads: 1 };
const RANDOMISATION: Randomisation = Randomisation { permutations: 20_000, seed: 1, threads: 1 };

fn values(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0..=10_i32).prop_map(|v| f64::from(v) / 10.0), n)
}

fn pairs(most: usize) -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    (1..=most).prop_flat_map(|n| (values(n), values(n)))
}

/// The p value over all sign assignments, in exact arithmetic: the values are tenths.
fn enumerated(base: &[f64], candidate: &[f64]) -> f64 {
    let differences: Vec<i64> = base.iter().zip(candidate).map(|(b, c)| ((c - b) * 10.0).round() as i64).collect();
    let observed = differences.iter().sum::<i64>().abs();
    let count = 1_u32 << differences.len();
    let sum = |signs: u32| -> i64 {
        differences.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d }).sum()
    };
    f64::from((0..count).filter(|&signs| sum(signs).abs() >= observed).count() as u32) / f64::from(count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn randomisation_is_near_the_enumeration((base, candidate) in pairs(10), seed: u64) {
        let p = paired_randomisation(&base, &candidate, Randomisation { seed, ..RANDOMISATION }).unwrap();
        let exact = enumerated(&base, &candidate);
        // Six standard deviations of the proportion, and the one that is added above and below the line.
        let allowed = 6.0 * (exact * (1.0 - exact) / 20_000.0).sqrt() + 1.0 / 20_001.0;
        prop_assert!((p - exact).abs() <= allowed, "{p}, not {exact}");
        prop_assert_eq!(paired_randomisation(&candidate, &base, Randomisation { seed, ..RANDOMISATION }), Ok(p));
    }

    #[test]
    fn the_interval_holds_the_mean_and_stays_within_the_differences((base, candidate) in pairs(30), seed: u64) {
        let settings = Bootstrap { resamples: 500, seed, ..BOOTSTRAP };
        let Interval { delta, low, high } = paired_bootstrap(&base, &candidate, settings).unwrap();
        let differences: Vec<f64> = base.iter().zip(&candidate).map(|(b, c)| c - b).collect();
        let (least, most) = differences.iter().fold((f64::MAX, f64::MIN), |(l, m), &d| (l.min(d), m.max(d)));
        let rounding = 1e-12;
        prop_assert!(least - rounding <= low && low <= high && high <= most + rounding);
        prop_assert!((delta - differences.iter().sum::<f64>() / differences.len() as f64).abs() < rounding);
        let wider = paired_bootstrap(&base, &candidate, Bootstrap { confidence: 0.99, ..settings }).unwrap();
        prop_assert!(wider.low <= low && high <= wider.high);
    }

    #[test]
    fn holm_never_lowers_keeps_order_and_spares_the_largest(p_values in prop::collection::vec(0.0..=1.0_f64, 0..9)) {
        let adjusted = holm(&p_values).unwrap();
        for (i, p) in p_values.iter().enumerate() {
            prop_assert!(*p <= adjusted[i] && adjusted[i] <= 1.0);
            for (j, q) in p_values.iter().enumerate() {
                prop_assert!(p > q || adjusted[i] <= adjusted[j]);
            }
        }
        let least = p_values.iter().copied().fold(f64::INFINITY, f64::min);
        if let Some(i) = p_values.iter().position(|&p| p == least) {
            prop_assert_eq!(adjusted[i], (least * p_values.len() as f64).min(1.0));
        }
    }
}

#[test]
fn the_same_at_any_thread_count_and_another_with_another_seed() {
    let base: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 101) / 101.0).collect();
    let candidate: Vec<f64> = (0..200).map(|i| f64::from(i * 53 % 103) / 100.0).collect();
    let interval = |seed, threads| paired_bootstrap(&base, &candidate, Bootstrap { seed, threads, ..BOOTSTRAP });
    let p = |seed, threads| {
        paired_randomisation(&base, &candidate, Randomisation { seed, threads, ..RANDOMISATION }).unwrap()
    };
    for threads in [0, 2, 3, 7, 1000] {
        assert_eq!(interval(1, threads), interval(1, 1));
        assert_eq!(p(1, threads), p(1, 1));
    }
    assert_ne!(interval(2, 1), interval(1, 1));
    assert_ne!(p(2, 1), p(1, 1));
}

#[test]
fn rounding_does_not_break_ties() {
    // 0.1 + 0.2 - 0.3 is 5.6e-17 in this order and less in others; in truth all assignments are at least as extreme.
    assert_eq!(paired_randomisation(&[0.0; 3], &[0.1, 0.2, -0.3], RANDOMISATION), Ok(1.0));
    assert_eq!(paired_randomisation(&[0.5; 9], &[0.5; 9], RANDOMISATION), Ok(1.0));
    assert_eq!(paired_randomisation(&[0.5], &[0.9], RANDOMISATION), Ok(1.0));
}

#[test]
fn a_clear_difference_is_as_small_as_a_p_value_gets() {
    assert_eq!(paired_randomisation(&[0.0; 64], &[0.3; 64], RANDOMISATION), Ok(1.0 / 20_001.0));
}

#[test]
fn the_interval_of_a_mean_of_two_values() {
    // The mean of n draws from {0, 1} is binomial: its quantiles are known. n = 100, p = 0.3.
    let candidate: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i % 10 < 3))).collect();
    let found = paired_bootstrap(&[0.0; 100], &candidate, Bootstrap { resamples: 40_000, ..BOOTSTRAP }).unwrap();
    assert!((found.delta - 0.3).abs() < 1e-15, "{found:?}");
    // 21 and 39 are the 2.5 % and 97.5 % quantiles of Binomial(100, 0.3).
    assert!((found.low - 0.21).abs() < 1e-12 && (found.high - 0.39).abs() < 1e-12, "{found:?}");
}

#[test]
fn holm_of_a_known_family() {
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]).unwrap();
    for (found, wanted) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
        assert!((found - wanted).abs() < 1e-15, "{adjusted:?}");
    }
    assert_eq!(holm(&[]), Ok(vec![]));
    assert_eq!(holm(&[0.9, 0.8]), Ok(vec![1.0, 1.0]));
}

#[test]
fn what_cannot_be_tested_is_refused() {
    let message = |result: Result<f64, Error>| result.unwrap_err().to_string();
    let p = |base: &[f64], candidate: &[f64]| paired_randomisation(base, candidate, RANDOMISATION);
    assert!(message(p(&[], &[])).contains("empty"));
    assert!(message(p(&[1.0], &[1.0, 2.0])).contains("base has 1, candidate 2"));
    assert!(message(p(&[1.0, f64::NAN], &[1.0, 2.0])).contains("value 1 of base is NaN"));
    assert!(message(p(&[1.0], &[f64::INFINITY])).contains("value 0 of candidate is inf"));
    assert!(message(p(&[f64::MIN], &[f64::MAX])).contains("overflow"));
    let none = Randomisation { permutations: 0, ..RANDOMISATION };
    assert!(message(paired_randomisation(&[1.0], &[1.0], none)).contains("permutations must be at least 1"));
    for (settings, part) in [
        (Bootstrap { resamples: 0, ..BOOTSTRAP }, "resamples must be at least 1"),
        (Bootstrap { confidence: 0.0, ..BOOTSTRAP }, "confidence must lie between 0 and 1"),
        (Bootstrap { confidence: 1.0, ..BOOTSTRAP }, "confidence must lie between 0 and 1"),
        (Bootstrap { confidence: f64::NAN, ..BOOTSTRAP }, "confidence must lie between 0 and 1"),
    ] {
        assert!(paired_bootstrap(&[1.0], &[1.0], settings).unwrap_err().to_string().contains(part));
    }
    assert!(holm(&[0.5, 1.1]).unwrap_err().to_string().contains("p value 1 is 1.1"));
    assert!(holm(&[f64::NAN]).unwrap_err().to_string().contains("p value 0"));
}
