//! The randomisation test against enumeration in exact arithmetic.

use proptest::prelude::*;

use super::samples::{pairs, two_hundred};
use crate::random::Random;
use crate::{Draws, randomisation_test};

const DRAWS: Draws = Draws { count: 20_000, seed: 1, threads: 1 };

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

/// The random form, one sign after another, from the streams that the test documents.
fn drawn(base: &[f64], candidate: &[f64], draws: Draws) -> f64 {
    let moved: Vec<f64> = base.iter().zip(candidate).map(|(b, c)| c - b).filter(|&d| d != 0.0).collect();
    let observed = moved.iter().sum::<f64>().abs();
    let mut extreme = 0;
    for i in 0..draws.count {
        let mut sum = 0.0;
        for (w, word) in moved.chunks(64).enumerate() {
            let mut random = Random::new(draws.seed, ((i / 1024) as u64) << 32 | w as u64);
            let signs = (0..=i % 1024).map(|_| random.next()).last().unwrap();
            sum += word.iter().enumerate().map(|(j, d)| if signs >> j & 1 == 1 { -d } else { *d }).sum::<f64>();
        }
        extreme += usize::from(sum.abs() >= observed - 1e-9);
    }
    (1 + extreme) as f64 / (1 + draws.count) as f64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_assignments_where_they_are_few((base, candidate) in pairs(1, 14), seed: u64) {
        let outcome = randomisation_test(&base, &candidate, Draws { seed, ..DRAWS }).unwrap();
        prop_assert!(outcome.exact);
        prop_assert_eq!(outcome.p, enumerated(&base, &candidate));
    }

    #[test]
    fn draws_are_near_the_enumeration((base, candidate) in pairs(12, 14), seed: u64) {
        // Fewer draws than assignments, save where many differences are zero.
        let outcome = randomisation_test(&base, &candidate, Draws { seed, count: 500, ..DRAWS }).unwrap();
        let p = enumerated(&base, &candidate);
        // Six standard deviations of the proportion, and the one that is added above and below the line.
        let allowed = if outcome.exact { 0.0 } else { 6.0 * (p * (1.0 - p) / 500.0).sqrt() + 1.0 / 501.0 };
        prop_assert!((outcome.p - p).abs() <= allowed, "{}, not {p}", outcome.p);
    }

    #[test]
    fn look_ups_are_signs((base, candidate) in pairs(12, 150), seed: u64, count in 1..2_100_usize) {
        let draws = Draws { seed, count, threads: 2 };
        let outcome = randomisation_test(&base, &candidate, draws).unwrap();
        if !outcome.exact {
            prop_assert_eq!(outcome.p, drawn(&base, &candidate, draws));
        }
    }

    #[test]
    fn direction_does_not_matter((base, candidate) in pairs(1, 40), seed: u64) {
        let draws = Draws { seed, count: 2000, ..DRAWS };
        let there = randomisation_test(&base, &candidate, draws).unwrap();
        let back = randomisation_test(&candidate, &base, draws).unwrap();
        prop_assert_eq!((there.p, there.effect), (back.p, -back.effect));
    }
}

#[test]
fn the_same_at_any_thread_count_and_another_with_another_seed() {
    let (base, candidate) = two_hundred();
    let p = |seed, threads| randomisation_test(&base, &candidate, Draws { seed, threads, ..DRAWS }).unwrap().p;
    for threads in [0, 2, 3, 7, 1000] {
        assert_eq!(p(1, threads), p(1, 1));
    }
    assert_ne!(p(2, 1), p(1, 1));
}

#[test]
fn rounding_does_not_break_ties() {
    let p = |base: &[f64], candidate: &[f64]| randomisation_test(base, candidate, DRAWS).unwrap().p;
    // 0.1 + 0.2 - 0.3 is 5.6e-17 in this order and less in others; in truth all assignments are at least as extreme.
    assert_eq!(p(&[0.0; 3], &[0.1, 0.2, -0.3]), 1.0);
    // 0.9 - 0.8 and 0.3 - 0.2 differ in the last digits, 0.1 in truth; only the assignments of one sign are as extreme.
    assert_eq!(p(&[0.8, 0.2, 0.5], &[0.9, 0.3, 0.6]), 0.25);
    // A tenth up, a tenth down and a hundredth: no assignment is less extreme.
    assert_eq!(p(&[0.8, 0.3, 1.0], &[0.9, 0.2, 1.01]), 1.0);
}

#[test]
fn the_extremes_of_p() {
    let alike = randomisation_test(&[0.5; 9], &[0.5; 9], DRAWS).unwrap();
    assert_eq!((alike.p, alike.exact, alike.effect, alike.effect_size), (1.0, true, 0.0, Some(0.0)));
    let one = randomisation_test(&[0.5], &[0.9], DRAWS).unwrap();
    assert_eq!((one.p, one.exact, one.effect_size), (1.0, true, None));
    // 2 of 2^10 assignments, and no fewer than the one that is added.
    assert_eq!(randomisation_test(&[0.0; 10], &[0.3; 10], DRAWS).unwrap().p, 2.0 / 1024.0);
    let clear = randomisation_test(&[0.0; 64], &[0.3; 64], DRAWS).unwrap();
    assert_eq!((clear.p, clear.exact), (1.0 / 20_001.0, false));
}

#[test]
fn enumeration_ends_where_it_costs_more_than_drawing() {
    let exact =
        |n: usize, count| randomisation_test(&vec![0.0; n], &vec![0.1; n], Draws { count, ..DRAWS }).unwrap().exact;
    assert!(exact(10, 1024) && !exact(10, 1023));
    assert!(!exact(25, usize::MAX >> 40));
}
