//! What is found.

use crossfade_kernels::{Corpus, Error as Fault, Mask, Metric, Options, Rows, top_k};
use proptest::prelude::*;

use super::{KINDS, Kind, METRICS, SMALL, Sample, threads, vectors};
use crate::{Error, Form, Plan, Search, Settings, Ways, search};

/// Bits of the rows for which `may` holds.
pub(super) fn bits(rows: usize, may: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut bits = vec![0_u8; rows.div_ceil(8)];
    for row in (0..rows).filter(|&row| may(row)) {
        bits[row / 8] |= 1 << (row % 8);
    }
    bits
}

pub(super) fn masked(mask: &[u8], rows: usize, threads: usize) -> Options<'_> {
    Options { mask: Some(Mask::new(mask, rows).unwrap()), threads, ..Options::default() }
}

/// Every result is a row that may be found, once, in order, with the score that exact search gives it.
pub(super) fn is_exactly_scored(
    sample: &Sample,
    queries: &[f32],
    (k, ef, ways): (usize, usize, Ways),
    options: Options<'_>,
) {
    let found = sample.search(queries, k, ef, ways, options);
    let rows = Rows::new(queries, sample.dimension).unwrap();
    let metric = sample.graph.facts().metric;
    let all = top_k(rows, sample.corpus(), usize::MAX >> 8, metric, options).unwrap();
    assert_eq!(found.best.k, k.min(all.k));
    for query in 0..rows.len() {
        let of = |k: usize| query * k..(query + 1) * k;
        let pairs = |best: &crossfade_kernels::TopK| -> Vec<(u32, i64)> {
            let (scores, rows) = (&best.scores[of(best.k)], &best.indices[of(best.k)]);
            scores.iter().map(|score| score.to_bits()).zip(rows.iter().copied()).collect()
        };
        let (found, all) = (pairs(&found.best), pairs(&all));
        // Those found, in the order of all: a walk leaves out, and never changes.
        let mut places = found.iter().map(|pair| all.iter().position(|other| other == pair));
        let mut last = None;
        assert!(places.all(|place| place.is_some() && std::mem::replace(&mut last, place) < place), "{found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// min(k, rows that may be found) rows, whatever they are, with exact scores in the exact order.
    #[test]
    fn never_fewer_and_exactly_scored(
        (rows, dimension, k, ef) in (0_usize..200, 1_usize..70, 1_usize..40, 1_usize..30),
        (kind, metric) in (prop::sample::select(&KINDS[..]), prop::sample::select(&METRICS[..])),
        (seed, every, threads) in (0_u64..1000, 0_usize..30, 1_usize..4),
        vectors_form in any::<bool>(),
    ) {
        let form = if vectors_form { Form::Vectors } else { Form::Codes };
        let settings = Settings { m: 4, ef_construction: 12, seed, form };
        let sample = Sample::new(vectors(kind, rows, dimension, seed), dimension, metric, settings, threads);
        let queries = vectors(Kind::Random, 3, dimension, seed + 1);
        is_exactly_scored(&sample, &queries, (k, ef, Ways::Walk), super::threads(threads));
        let mask = bits(rows, |row| every > 0 && row % every == 0);
        is_exactly_scored(&sample, &queries, (k, ef, Ways::Walk), masked(&mask, rows, threads));
    }
}

/// The inner product of vectors of any length is no distance: the longest rows are near to all, and a graph leads to
/// them. Rows of like length, as models give them, are another matter.
fn least(kind: Kind, metric: Metric) -> f64 {
    if kind == Kind::Clustered && metric == Metric::InnerProduct { 0.7 } else { 0.95 }
}

#[test]
fn most_of_the_best_are_found() {
    for kind in KINDS {
        for metric in METRICS {
            for form in [Form::Codes, Form::Vectors] {
                let sample = Sample::new(vectors(kind, 4000, 24, 3), 24, metric, Settings { form, ..SMALL }, 2);
                let queries = vectors(if kind == Kind::Clustered { kind } else { Kind::Random }, 50, 24, 9);
                let found = sample.search(&queries, 10, 120, Ways::Walk, threads(2));
                let recall = sample.recall(&queries, &found, threads(2));
                assert!(recall >= least(kind, metric), "{kind:?} {metric:?} {form:?}: {recall}");
                assert!(found.plans.iter().all(|&plan| plan == Plan::Walk), "{kind:?} {metric:?}");
            }
        }
    }
}

#[test]
fn with_masks_too_whatever_the_plan() {
    let rows = 6000;
    for metric in METRICS {
        let sample = Sample::new(vectors(Kind::Clustered, rows, 24, 3), 24, metric, SMALL, 2);
        let queries = vectors(Kind::Clustered, 40, 24, 9);
        for every in [2, 10, 100, 1000] {
            for ways in [Ways::Planned, Ways::Walk, Ways::Exact] {
                let mask = bits(rows, |row| row % every == 1);
                let options = masked(&mask, rows, 2);
                let found = sample.search(&queries, 10, 100, ways, options);
                let recall = sample.recall(&queries, &found, options);
                assert!(recall >= 0.95, "{metric:?} one in {every} {ways:?}: {recall}");
            }
        }
    }
}

/// All that a mask leaves lies together, and far from the queries.
#[test]
fn a_mask_that_goes_with_places_loses_nothing() {
    let rows = 6000;
    let cluster = |row: usize| crate::level::mixed(row as u64) as usize % 30;
    for metric in METRICS {
        for form in [Form::Codes, Form::Vectors] {
            let settings = Settings { form, ..SMALL };
            let sample = Sample::new(vectors(Kind::Clustered, rows, 24, 3), 24, metric, settings, 2);
            let queries = vectors(Kind::Clustered, 40, 24, 9);
            for clusters in [1, 4] {
                let mask = bits(rows, |row| cluster(row) < clusters);
                let options = masked(&mask, rows, 2);
                for ways in [Ways::Planned, Ways::Walk] {
                    let found = sample.search(&queries, 10, 64, ways, options);
                    let recall = sample.recall(&queries, &found, options);
                    let least = least(Kind::Clustered, metric);
                    assert!(recall >= least, "{metric:?} {clusters} clusters {ways:?}: {recall}");
                }
            }
        }
    }
}

#[test]
fn masks_of_none_of_all_and_of_one() {
    let sample = Sample::new(vectors(Kind::Random, 900, 7, 3), 7, Metric::L2, SMALL, 2);
    let queries = vectors(Kind::Random, 4, 7, 9);
    for ways in [Ways::Planned, Ways::Walk, Ways::Exact, Ways::Scan] {
        let none = bits(900, |_| false);
        let found = sample.search(&queries, 5, 20, ways, masked(&none, 900, 2));
        assert_eq!((found.best.k, found.best.scores.len(), found.plans.len()), (0, 0, 4));
        let one = bits(900, |row| row == 631);
        let found = sample.search(&queries, 5, 20, ways, masked(&one, 900, 2));
        assert_eq!((found.best.k, found.best.indices), (1, vec![631; 4]));
        let all = bits(900, |_| true);
        let found = sample.search(&queries, 5, 20, ways, masked(&all, 900, 2));
        assert_eq!(found, sample.search(&queries, 5, 20, ways, threads(1)));
    }
}

#[test]
fn all_of_a_small_set_and_none_of_an_empty_one() {
    for rows in [0, 1, 2] {
        let sample = Sample::new(vectors(Kind::Random, rows, 7, 3), 7, Metric::Cosine, SMALL, 2);
        for ways in [Ways::Planned, Ways::Walk, Ways::Exact] {
            let found = sample.search(&vectors(Kind::Random, 3, 7, 9), 10, 5, ways, threads(2));
            assert_eq!((found.best.k, found.best.indices.len()), (rows, 3 * rows));
        }
    }
}

#[test]
fn equal_rows_come_in_the_order_of_their_numbers_and_all_of_them() {
    let sample = Sample::new(vectors(Kind::Duplicates, 700, 6, 1), 6, Metric::L2, SMALL, 2);
    let query = sample.data[..6].to_vec();
    let found = sample.search(&query, 30, 4, Ways::Walk, threads(1));
    assert_eq!(found.best.indices, (0..30).map(|i| i * 7).collect::<Vec<i64>>());
    // The node itself is ruled out, and rows that equal it are not.
    let mask = bits(700, |row| row > 300 && row % 7 == 0);
    let found = sample.search(&query, 3, 4, Ways::Walk, masked(&mask, 700, 1));
    assert_eq!(found.best.indices, [301, 308, 315]);
}

#[test]
fn what_cannot_be_searched_is_refused_by_name() {
    let sample = Sample::new(vectors(Kind::Random, 30, 4, 1), 4, Metric::L2, SMALL, 1);
    let refused = |corpus: Corpus<'_>, queries: &[f32], dimension: usize, asked: Search, options: Options<'_>| {
        let queries = Rows::new(queries, dimension).unwrap();
        search(&sample.graph, sample.bytes(), (corpus, queries), asked, options).err().unwrap()
    };
    let asked = Search { k: 3, ef: 5, ways: Ways::Walk };
    let fine = [0.0; 4];
    let corpus = sample.corpus();
    let none = Search { k: 0, ..asked };
    assert_eq!(refused(corpus, &fine, 4, none, threads(1)).to_string(), "k must be at least 1, not 0");
    let none = Search { ef: 0, ..asked };
    assert_eq!(refused(corpus, &fine, 4, none, threads(1)).to_string(), "ef must be at least 1, not 0");
    let wrong = refused(corpus, &[0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0], 4, asked, threads(1));
    assert_eq!(wrong, Error::Kernels(Fault::Query(1)));
    let wrong = refused(corpus, &[0.0; 3], 3, asked, threads(1));
    assert_eq!(wrong, Error::Kernels(Fault::Dimension { queries: 3, corpus: 4 }));
    let mask = [0; 2];
    let wrong = refused(corpus, &fine, 4, asked, masked(&mask, 16, 1));
    assert_eq!(wrong, Error::Kernels(Fault::Length { what: "bits of mask", length: 16, expected: 30 }));
    let fewer = Corpus::F32(Rows::new(&sample.data[..80], 4).unwrap());
    assert!(matches!(refused(fewer, &fine, 4, asked, threads(1)), Error::Vectors(_)));
}

#[test]
fn a_search_can_be_stopped() {
    let sample = Sample::new(vectors(Kind::Random, 500, 4, 1), 4, Metric::L2, SMALL, 1);
    let queries = vectors(Kind::Random, 100, 4, 9);
    let interrupted = || true;
    // Others might have done everything before this thread asks.
    let options = Options { threads: 1, interrupted: Some(&interrupted), ..Options::default() };
    let asked = Search { k: 3, ef: 5, ways: Ways::Walk };
    let rows = Rows::new(&queries, 4).unwrap();
    let stopped = search(&sample.graph, sample.bytes(), (sample.corpus(), rows), asked, options);
    assert_eq!(stopped, Err(Error::Kernels(Fault::Interrupted)));
}

#[test]
fn queries_do_not_depend_on_threads_or_company() {
    // Without sketches, and with.
    for dimension in [16, 200] {
        let sample = Sample::new(vectors(Kind::Clustered, 3000, dimension, 3), dimension, Metric::Cosine, SMALL, 2);
        let queries = vectors(Kind::Clustered, 41, dimension, 9);
        let half = bits(3000, |row| row % 2 == 0);
        let few = bits(3000, |row| row % 9 == 0);
        for mask in [None, Some(&half), Some(&few)] {
            let of = |threads| mask.map_or(super::threads(threads), |mask| masked(mask, 3000, threads));
            let together = sample.search(&queries, 10, 30, Ways::Walk, of(3));
            for (query, vector) in queries.chunks(dimension).enumerate() {
                let alone = sample.search(vector, 10, 30, Ways::Walk, of(1));
                assert_eq!(alone.best.indices, together.best.indices[query * 10..][..10]);
            }
        }
    }
}

/// Rows long enough that far ones are ruled out by their sketches.
#[test]
fn sketches_lose_next_to_nothing() {
    let (rows, dimension) = (4000, 200);
    let half = bits(rows, |row| row % 2 == 0);
    let few = bits(rows, |row| row % 9 == 0);
    for kind in [Kind::Random, Kind::Clustered] {
        for metric in METRICS {
            let sample = Sample::new(vectors(kind, rows, dimension, 3), dimension, metric, SMALL, 2);
            let queries = vectors(kind, 50, dimension, 9);
            // In 200 dimensions evenly drawn rows have no near neighbours: no graph finds them with less.
            let ef = if kind == Kind::Random { 1200 } else { 120 };
            for mask in [None, Some(&half), Some(&few)] {
                let options = mask.map_or(threads(2), |mask| masked(mask, rows, 2));
                let found = sample.search(&queries, 10, ef, Ways::Walk, options);
                let recall = sample.recall(&queries, &found, options);
                assert!(recall >= least(kind, metric), "{kind:?} {metric:?} {}: {recall}", mask.is_some());
            }
        }
    }
}
