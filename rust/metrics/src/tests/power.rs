//! Power by simulation, and what is derived from it by going back and forth.

use crate::distributions::normal_quantile;
use crate::random::Random;
use crate::{detectable_effect, power, queries_needed, t_test};

#[test]
fn power_by_simulation() {
    let mut random = Random::new(7, 0);
    let mut normal = || normal_quantile((random.below(1 << 53) as f64 + 0.5) / (1_u64 << 53) as f64);
    for (effect, n) in [(0.0, 5), (0.5, 12), (0.9, 10)] {
        let trials = 2_000;
        let found = (0..trials)
            .filter(|_| {
                let sample: Vec<f64> = (0..n).map(|_| effect + normal()).collect();
                t_test(&vec![0.0; n], &sample).unwrap().p <= 0.05
            })
            .count();
        let wanted = power(effect, 1.0, n, 0.05).unwrap();
        let share = f64::from(found as u32) / f64::from(trials);
        // Six standard deviations of the share.
        assert!(
            (share - wanted).abs() <= 6.0 * (wanted * (1.0 - wanted) / f64::from(trials)).sqrt(),
            "{share}, not {wanted}"
        );
    }
}

#[test]
fn there_and_back() {
    for n in [2, 3, 10, 200, 10_000, 1_000_000] {
        for (alpha, target) in [(0.05, 0.8), (0.01, 0.95), (0.2, 0.25)] {
            let effect = detectable_effect(0.3, n, alpha, target).unwrap();
            assert!((power(effect, 0.3, n, alpha).unwrap() - target).abs() < 1e-9, "{n} {alpha} {target}");
            assert_eq!(power(-effect, 0.3, n, alpha), power(effect, 0.3, n, alpha));
            // A hair more than the effect needs no more queries, a hair less needs more; one query makes 1 / (2 n).
            let hair = 0.1 / n as f64;
            assert_eq!(queries_needed(effect * (1.0 + hair), 0.3, alpha, target), Ok(n));
            assert!(queries_needed(effect * (1.0 - hair), 0.3, alpha, target).unwrap() > n);
        }
    }
    // Without an effect the test finds alpha.
    assert!((power(0.0, 1.0, 20, 0.05).unwrap() - 0.05).abs() < 1e-12);
    assert_eq!(power(1e6, 1.0, 20, 0.05), Ok(1.0));
}

#[test]
fn what_has_no_power_is_refused() {
    let message = |effect, deviation, n, alpha| power(effect, deviation, n, alpha).unwrap_err().to_string();
    assert!(message(f64::NAN, 1.0, 10, 0.05).contains("must be finite"));
    for deviation in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(0.1, deviation, 10, 0.05).contains("must be positive"));
    }
    assert!(message(0.1, 1.0, 1, 0.05).contains("at least 2 queries"));
    assert!(message(0.1, 1.0, 10, 1.0).contains("alpha must lie between 0 and 1"));
    for target in [0.0, 1.0] {
        assert!(detectable_effect(1.0, 10, 0.05, target).unwrap_err().to_string().contains("power must lie between"));
    }
    assert!(detectable_effect(1.0, 10, 0.05, 0.05).unwrap_err().to_string().contains("must be above alpha"));
    assert!(queries_needed(0.0, 1.0, 0.05, 0.8).unwrap_err().to_string().contains("too small to be found"));
    assert!(queries_needed(0.1, 1.0, 0.05, 0.01).unwrap_err().to_string().contains("must be above alpha"));
}
