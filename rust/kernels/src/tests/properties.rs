//! What holds for every input.

use proptest::prelude::*;

use super::data::{Case, Kind, cases};
use super::{METRICS, TINY, on_every_backend, oracle, rows};
use crate::metric::Metric;
use crate::search::{Limits, Task};
use crate::{Error, TopK};

fn task(case: &Case, metric: Metric) -> Task<'_> {
    Task { queries: rows(&case.queries, case.dimension), corpus: rows(&case.corpus, case.dimension), k: case.k, metric }
}

/// The results of query `q`.
fn of(found: &TopK, q: usize) -> Vec<(f32, usize)> {
    let range = q * found.k..(q + 1) * found.k;
    found.scores[range.clone()].iter().copied().zip(found.indices[range].iter().map(|&i| i as usize)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Scores lie within the documented bound, the order is exact, and no row that was left out belongs in.
    #[test]
    fn close_to_the_oracle(case in cases(&[Kind::Plain, Kind::Adverse])) {
        for metric in METRICS {
            for (name, found) in on_every_backend(task(&case, metric), case.threads, TINY) {
                let found = found.unwrap();
                prop_assert_eq!(found.k, case.k.min(case.corpus.len() / case.dimension));
                prop_assert_eq!(found.scores.len(), found.k * case.queries.len() / case.dimension);
                for (q, query) in case.queries.chunks_exact(case.dimension).enumerate() {
                    let best = of(&found, q);
                    for pair in best.windows(2) {
                        let in_order = pair[0].0 > pair[1].0 || (pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1);
                        prop_assert!(in_order, "{name} {metric:?} {pair:?}");
                    }
                    for (r, row) in case.corpus.chunks_exact(case.dimension).enumerate() {
                        let (exact, bound) = oracle::score(query, row, metric);
                        match best.iter().find(|&&(_, index)| index == r) {
                            Some(&(score, _)) => {
                                let error = (f64::from(score) - exact).abs();
                                prop_assert!(error <= bound, "{name} {metric:?} {score} {exact} {error} > {bound}");
                            }
                            None => if let Some(&(least, _)) = best.last() {
                                prop_assert!(exact - bound <= f64::from(least), "{name} {metric:?} left out {r}");
                            }
                        }
                    }
                }
            }
        }
    }

    /// Where f32 sums are exact, so is everything: ties fall to the lower row, at the k-th place too.
    #[test]
    fn equal_to_the_oracle_where_sums_are_exact(case in cases(&[Kind::Whole])) {
        for metric in [Metric::InnerProduct, Metric::L2] {
            for (name, found) in on_every_backend(task(&case, metric), case.threads, TINY) {
                let found = found.unwrap();
                for (q, query) in case.queries.chunks_exact(case.dimension).enumerate() {
                    let wanted = oracle::ranking(query, &case.corpus, metric);
                    let wanted: Vec<(f32, usize)> = wanted[..found.k].iter().map(|&(s, r)| (s as f32, r)).collect();
                    prop_assert_eq!(of(&found, q), wanted, "{} {:?}", name, metric);
                }
            }
        }
    }

    /// A pair's score depends on nothing but the pair: not on threads, blocks, k, or what else is in the batch or the
    /// corpus. Bit for bit.
    #[test]
    fn the_same_however_it_is_cut_up(case in cases(&[Kind::Plain, Kind::Whole, Kind::Adverse])) {
        for metric in METRICS {
            let whole = task(&case, metric);
            let everything = Task { k: usize::MAX, ..whole };
            let wanted = on_every_backend(everything, 1, Limits::default());
            for threads in [1, case.threads] {
                for ((name, found), (_, wanted)) in on_every_backend(whole, threads, TINY).into_iter().zip(&wanted) {
                    let (found, wanted) = (found.unwrap(), wanted.as_ref().unwrap());
                    for q in 0..case.queries.len() / case.dimension {
                        prop_assert_eq!(bits(&of(&found, q)), bits(&of(wanted, q)[..found.k]), "{} {:?}", name, metric);
                    }
                }
            }
            // Each query alone, against the corpus without its first row.
            let Some(rest) = case.corpus.get(case.dimension..).filter(|rest| !rest.is_empty()) else { continue };
            for (q, query) in case.queries.chunks_exact(case.dimension).enumerate() {
                let (queries, corpus) = (rows(query, case.dimension), rows(rest, case.dimension));
                let alone = Task { queries, corpus, k: usize::MAX, metric };
                for ((name, found), (_, wanted)) in on_every_backend(alone, 2, TINY).into_iter().zip(&wanted) {
                    let mut wanted = of(wanted.as_ref().unwrap(), q);
                    wanted.retain(|&(_, row)| row != 0);
                    for (_, row) in &mut wanted { *row -= 1; }
                    prop_assert_eq!(bits(&of(&found.unwrap(), 0)), bits(&wanted), "{} {:?}", name, metric);
                }
            }
        }
    }

    /// The first bad vector is named, whatever the number of threads.
    #[test]
    fn what_is_not_finite_is_found(
        case in cases(&[Kind::Plain]),
        bad in prop_oneof![Just(f32::NAN), Just(-f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
        place in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        let poisoned = |values: &[f32]| -> Option<(Vec<f32>, usize)> {
            let mut values = values.to_vec();
            let places = (!values.is_empty()).then(|| (place.index(values.len()), again.index(values.len())))?;
            (values[places.0], values[places.1]) = (bad, bad);
            Some((values, places.0.min(places.1) / case.dimension))
        };
        if let Some((queries, first)) = poisoned(&case.queries) {
            let case = Case { queries, ..case.clone() };
            for (name, found) in on_every_backend(task(&case, Metric::L2), case.threads, TINY) {
                prop_assert_eq!(found, Err(Error::Query(first)), "{}", name);
            }
        }
        if let (Some((corpus, first)), false) = (poisoned(&case.corpus), case.queries.is_empty()) {
            let case = Case { corpus, k: case.k.max(1), ..case };
            for metric in METRICS {
                for (name, found) in on_every_backend(task(&case, metric), case.threads, TINY) {
                    prop_assert_eq!(found, Err(Error::Row(first)), "{}", name);
                }
            }
        }
    }
}

fn bits(found: &[(f32, usize)]) -> Vec<(u32, usize)> {
    found.iter().map(|&(score, row)| (score.to_bits(), row)).collect()
}
