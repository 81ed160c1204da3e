//! Bootstrap intervals against a naive twin and known quantiles.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::samples::{pairs, two_hundred};
use crate::distributions::{normal_cdf, normal_quantile};
use crate::random::Random;
use crate::{Bootstrap, Interval, Method, bootstrap_difference, bootstrap_means};

const BOOTSTRAP: Bootstrap =
    Bootstrap { resamples: 10_000, confidence: 0.95, method: Method::Percentile, seed: 1, threads: 1 };

/// The ends by the book, of values that are tenths: jackknife by leaving out, quantiles by counting, and sums compared as
/// whole numbers.
fn naive(sample: &[f64], settings: Bootstrap) -> (f64, f64) {
    let n = sample.len();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut means: Vec<f64> = (0..settings.resamples as u64)
        .map(|i| {
            let mut random = Random::new(settings.seed, i);
            mean(&(0..n).map(|_| sample[random.below(n as u64) as usize]).collect::<Vec<f64>>())
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let tenths = |mean: f64| (mean * n as f64 * 10.0).round() as i64;
    let estimate = tenths(mean(sample));
    let share = means
        .iter()
        .map(|&m| match tenths(m).cmp(&estimate) {
            Ordering::Less => 1.0,
            Ordering::Equal => 0.5,
            Ordering::Greater => 0.0,
        })
        .sum::<f64>();
    let bias = normal_quantile(share / means.len() as f64);
    let left_out: Vec<f64> = (0..n).map(|i| mean(&[&sample[..i], &sample[i + 1..]].concat())).collect();
    let gaps: Vec<f64> = left_out.iter().map(|m| mean(&left_out) - m).collect();
    let cubes: f64 = gaps.iter().map(|g| g.powi(3)).sum();
    let squares: f64 = gaps.iter().map(|g| g.powi(2)).sum();
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    let end = |tail: f64| {
        let z = bias + normal_quantile(tail);
        let q = match settings.method {
            Method::Percentile => tail,
            Method::Bca => normal_cdf(bias + z / (1.0 - acceleration * z)),
        };
        let place = q * (means.len() - 1) as f64;
        let (low, high) = (means[place as usize], means[(place.ceil() as usize).min(means.len() - 1)]);
        low + (high - low) * place.fract()
    };
    (end((1.0 - settings.confidence) / 2.0), end(f64::midpoint(1.0, settings.confidence)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ends_by_the_book((base, candidate) in pairs(6, 30), seed: u64, bca: bool, confidence in 0.5..0.99_f64) {
        let method = if bca { Method::Bca } else { Method::Percentile };
        let settings = Bootstrap { resamples: 400, seed, method, confidence, ..BOOTSTRAP };
        let differences: Vec<f64> = base.iter().zip(&candidate).map(|(b, c)| c - b).collect();
        prop_assume!(differences.iter().any(|d| *d != differences[0]));
        let found = bootstrap_difference(&base, &candidate, settings).unwrap();
        let (low, high) = naive(&differences, settings);
        prop_assert!((found.low - low).abs() < 1e-12 && (found.high - high).abs() < 1e-12, "{found:?}, not {low} {high}");
    }

    #[test]
    fn columns_are_drawn_together((first, second) in pairs(2, 30), seed: u64) {
        let settings = Bootstrap { resamples: 300, seed, ..BOOTSTRAP };
        let both: Vec<f64> = first.iter().zip(&second).flat_map(|(a, b)| [*a, *b]).collect();
        let found = bootstrap_means(&both, 2, settings).unwrap();
        let alone = |values: &[f64]| bootstrap_means(values, 1, settings).unwrap()[0];
        prop_assert_eq!(found, vec![alone(&first), alone(&second)]);
    }

    #[test]
    fn the_interval_stays_within_the_values_and_widens((base, candidate) in pairs(1, 30), seed: u64) {
        let settings = Bootstrap { resamples: 500, seed, ..BOOTSTRAP };
        let Interval { estimate, low, high } = bootstrap_difference(&base, &candidate, settings).unwrap();
        let differences: Vec<f64> = base.iter().zip(&candidate).map(|(b, c)| c - b).collect();
        let (least, most) = differences.iter().fold((f64::MAX, f64::MIN), |(l, m), &d| (l.min(d), m.max(d)));
        let rounding = 1e-12;
        prop_assert!(least - rounding <= low && low <= high && high <= most + rounding);
        prop_assert!((estimate - differences.iter().sum::<f64>() / differences.len() as f64).abs() < rounding);
        let wider = bootstrap_difference(&base, &candidate, Bootstrap { confidence: 0.99, ..settings }).unwrap();
        prop_assert!(wider.low <= low && high <= wider.high);
    }
}

#[test]
fn the_same_at_any_thread_count_and_another_with_another_seed() {
    let (base, candidate) = two_hundred();
    for method in [Method::Percentile, Method::Bca] {
        let interval = |seed, threads| {
            bootstrap_difference(&base, &candidate, Bootstrap { method, seed, threads, ..BOOTSTRAP }).unwrap()
        };
        for threads in [0, 2, 3, 7, 1000] {
            assert_eq!(interval(1, threads), interval(1, 1));
        }
        assert_ne!(interval(2, 1), interval(1, 1));
    }
}

#[test]
fn the_interval_of_a_mean_of_two_values() {
    // The mean of n draws from {0, 1} is binomial: its quantiles are known. n = 100, p = 0.3.
    let values: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i % 10 < 3))).collect();
    let found = bootstrap_means(&values, 1, Bootstrap { resamples: 40_000, ..BOOTSTRAP }).unwrap()[0];
    assert!((found.estimate - 0.3).abs() < 1e-15, "{found:?}");
    // 21 and 39 are the 2.5 % and 97.5 % quantiles of Binomial(100, 0.3).
    assert!((found.low - 0.21).abs() < 1e-12 && (found.high - 0.39).abs() < 1e-12, "{found:?}");
}

#[test]
fn a_skewed_sample_moves_the_accelerated_interval_its_way() {
    let values: Vec<f64> = (0..40).map(|i| f64::from(i) * f64::from(i) / 1600.0).collect();
    let ends = |method| bootstrap_means(&values, 1, Bootstrap { method, ..BOOTSTRAP }).unwrap()[0];
    let (plain, moved) = (ends(Method::Percentile), ends(Method::Bca));
    assert!(moved.low > plain.low && moved.high > plain.high, "{plain:?} {moved:?}");
}

#[test]
fn an_outlier_and_all_the_confidence_there_is_reach_the_last_resample() {
    // One value apart gives the greatest skewness there can be; 1e-16 leaves eight standard deviations on either side.
    let mut values = [0.0; 50];
    values[7] = 1.0;
    let bca = Bootstrap { method: Method::Bca, confidence: 1.0 - 2e-16, ..BOOTSTRAP };
    let all = Bootstrap { method: Method::Percentile, ..bca };
    let ends = |settings| bootstrap_means(&values, 1, settings).unwrap()[0];
    assert_eq!(ends(bca).high, ends(all).high);
}

#[test]
fn means_that_tie_with_the_estimate_do_so_whatever_their_rounding() {
    // Thirds and tenths do not add up exactly, whole numbers do; a resample in ten has the mean of the sample.
    let whole: Vec<f64> = (0..30).map(|i| f64::from(i * 7 % 11 % 4)).collect();
    let settings = Bootstrap { method: Method::Bca, ..BOOTSTRAP };
    let wanted = bootstrap_means(&whole, 1, settings).unwrap()[0];
    for unit in [3.0, 10.0, 7.0, 1e110, 1e-120] {
        let values: Vec<f64> = whole.iter().map(|v| v / unit).collect();
        let base: Vec<f64> = whole.iter().map(|v| (3.0 - v) / unit).collect();
        // Beside a million of them a difference has lost twenty bits.
        let far: Vec<f64> = whole.iter().map(|v| (1e6 + v) / unit).collect();
        let differences = [(base, [3.0 / unit; 30].to_vec()), ([1e6 / unit; 30].to_vec(), far)];
        let by_difference =
            differences.map(|(base, candidate)| bootstrap_difference(&base, &candidate, settings).unwrap());
        for found in [bootstrap_means(&values, 1, settings).unwrap()[0]].into_iter().chain(by_difference) {
            let near = |found: f64, wanted: f64| (found * unit - wanted).abs() < 1e-9;
            assert!(near(found.low, wanted.low) && near(found.high, wanted.high), "{unit}: {found:?} {wanted:?}");
        }
    }
}

#[test]
fn values_that_are_all_alike_have_no_width() {
    for method in [Method::Percentile, Method::Bca] {
        let found = bootstrap_means(&[0.25; 8], 1, Bootstrap { method, ..BOOTSTRAP }).unwrap()[0];
        assert_eq!(found, Interval { estimate: 0.25, low: 0.25, high: 0.25 });
    }
}

#[test]
fn what_cannot_be_resampled_is_refused() {
    let message =
        |values: &[f64], columns, settings| bootstrap_means(values, columns, settings).unwrap_err().to_string();
    assert!(message(&[], 1, BOOTSTRAP).contains("empty"));
    assert!(message(&[1.0], 0, BOOTSTRAP).contains("empty"));
    assert!(message(&[1.0; 3], 2, BOOTSTRAP).contains("3 values do not make rows of 2"));
    assert!(message(&[1.0, f64::NAN], 1, BOOTSTRAP).contains("value 1 of the sample is NaN"));
    assert!(message(&[1e308, 1e308], 1, BOOTSTRAP).contains("overflow"));
    let many = Bootstrap { resamples: 1 << 27, ..BOOTSTRAP };
    assert!(message(&[0.0; 3], 3, many).contains("134217728 resamples of 3 measures are more than memory should hold"));
    for (settings, part) in [
        (Bootstrap { resamples: 0, ..BOOTSTRAP }, "resamples must be at least 1"),
        (Bootstrap { confidence: 0.0, ..BOOTSTRAP }, "confidence must lie between 0 and 1"),
        (Bootstrap { confidence: 1.0, ..BOOTSTRAP }, "confidence must lie between 0 and 1"),
        (Bootstrap { confidence: f64::NAN, ..BOOTSTRAP }, "confidence must lie between 0 and 1"),
    ] {
        assert!(message(&[1.0], 1, settings).contains(part));
    }
    let one = Bootstrap { resamples: 1, method: Method::Bca, ..BOOTSTRAP };
    assert!(message(&[0.0, 0.1, 0.7, 0.9, 2.0], 1, one).contains("BCa needs more"));
    assert!(bootstrap_difference(&[1.0], &[1.0, 2.0], BOOTSTRAP).unwrap_err().to_string().contains("base has 1"));
}
