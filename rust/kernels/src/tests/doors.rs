//! The public door: errors, empty input, interruption.

use std::cell::Cell;

use super::{METRICS, TINY, floats, rows, search_everywhere, threads};
use crate::backend::Portable;
use crate::drive::Limits;
use crate::scan::MOST_ROWS;
use crate::search::{Task, top_k_with};
use crate::{Corpus, Error, Mask, Metric, Options, Rows, Scaled, max_sim, rescore, rescore_one, top_k};

#[test]
fn shapes_are_checked() {
    assert_eq!(Rows::new(&[1.0; 6], 4).unwrap_err(), Error::Shape { length: 6, dimension: 4 });
    assert_eq!(Rows::<f32>::new(&[], 0).unwrap_err(), Error::Shape { length: 0, dimension: 0 });
    let error = top_k(rows(&[1.0; 6], 3), floats(&[1.0; 4], 2), 1, Metric::Cosine, Options::default()).unwrap_err();
    assert_eq!(error, Error::Dimension { queries: 3, corpus: 2 });
    assert!(error.to_string().contains("dimension 3 and the corpus 2"), "{error}");
}

#[test]
fn a_result_that_no_memory_can_hold_is_refused() {
    // One element lies under all rows: the corpus takes no memory, and the result would take petabytes.
    let one = [1.0_f32];
    let rows = |count| Rows::with_stride(&one, 1, 0, count).unwrap();
    let (queries, k) = (1 << 20, 1 << 31);
    let found = top_k(rows(queries), Corpus::F32(rows(k)), k, Metric::InnerProduct, Options::default());
    let error = found.unwrap_err();
    assert_eq!(error, Error::Memory { queries, k });
    assert!(error.to_string().contains("which cannot be had"), "{error}");
}

#[test]
fn nothing_asked_nothing_found() {
    for metric in METRICS {
        for (queries, corpus, k, count) in [(0, 5, 2, 2), (3, 0, 2, 0), (3, 5, 0, 0), (0, 0, 0, 0)] {
            let (queries, corpus) = (vec![1.0; queries * 7], vec![1.0; corpus * 7]);
            let found = top_k(rows(&queries, 7), floats(&corpus, 7), k, metric, Options::default()).unwrap();
            assert_eq!(found.k, count);
            assert!(found.scores.is_empty() && found.indices.is_empty());
        }
    }
}

#[test]
fn more_than_there_is() {
    let found = top_k(rows(&[1.0], 1), floats(&[3.0, -1.0, 3.0], 1), 99, Metric::InnerProduct, Options::default());
    let found = found.unwrap();
    assert_eq!((found.k, found.scores, found.indices), (3, vec![3.0, 3.0, -1.0], vec![0, 2, 1]));
}

#[test]
fn cosine_of_zero_is_zero_and_of_anything_with_itself_is_one() {
    let corpus = [0.0, 0.0, 3.0, 4.0, f32::MAX, f32::MAX, 1e-45, 1e-45, -3.0, -4.0];
    let queries = [0.0, 0.0, 3.0, 4.0, f32::MAX, f32::MAX, 1e-45, 1e-45];
    let task = Task { queries: rows(&queries, 2), corpus: floats(&corpus, 2), k: 5, metric: Metric::Cosine };
    for (name, found) in search_everywhere(task, threads(1), TINY) {
        let found = found.unwrap();
        assert_eq!(found.scores[..5], [0.0; 5], "{name}");
        assert_eq!(found.indices[..5], [0, 1, 2, 3, 4], "{name}");
        for (q, row) in [(1, 1), (2, 2), (3, 2)] {
            assert_eq!(found.scores[q * 5], 1.0, "{name}");
            assert_eq!(found.indices[q * 5], row, "{name}");
        }
        assert_eq!((found.scores[9], found.indices[9]), (-1.0, 4), "{name}");
    }
}

#[test]
fn rounding_carries_no_cosine_past_one() {
    let corpus: Vec<f32> = (0..200 * 37).map(|i| (i as f32 * 0.731).sin()).collect();
    let opposite: Vec<f32> = corpus.iter().map(|x| -3.0 * x).collect();
    for other in [&corpus, &opposite] {
        let task = Task { queries: rows(&corpus, 37), corpus: floats(other, 37), k: 200, metric: Metric::Cosine };
        for (name, found) in search_everywhere(task, threads(1), TINY) {
            assert!(found.unwrap().scores.iter().all(|score| score.abs() <= 1.0), "{name}");
        }
    }
}

#[test]
fn scores_beyond_the_range_are_bounded_and_still_ordered() {
    let corpus = [1e38, 1e38, -1e38, 1e38, 1.0, 1.0, -1e38, -1e38];
    let task = Task { queries: rows(&[1e38, 1e38], 2), corpus: floats(&corpus, 2), k: 9, metric: Metric::InnerProduct };
    for (name, found) in search_everywhere(task, threads(1), TINY) {
        let found = found.unwrap();
        assert_eq!(found.scores, [f32::MAX, 2e38, 0.0, f32::MIN], "{name}");
        assert_eq!(found.indices, [0, 2, 1, 3], "{name}");
    }
}

#[test]
fn distances_beyond_the_range_are_found_too() {
    // Squares of either vector are within f32's range, and those of their difference are not.
    let vector = vec![9e18_f32; 4];
    let corpus: Vec<f32> = vector.iter().map(|x| -x).chain(vector.clone()).collect();
    for count in [1, 40] {
        let queries = vector.repeat(count);
        let task = Task { queries: rows(&queries, 4), corpus: floats(&corpus, 4), k: 2, metric: Metric::L2 };
        for (name, found) in search_everywhere(task, threads(1), TINY) {
            let found = found.unwrap();
            assert_eq!(found.scores, [0.0, f32::MIN].repeat(count), "{name}");
            assert_eq!(found.indices, [1, 0].repeat(count), "{name}");
        }
    }
}

#[test]
fn distances_that_underflow_are_told_apart() {
    // Each square is rounded up to the least number there is; the last row, in a block of its own, is nearer for all that.
    let least = 2.0_f64.powi(-149);
    let row = |square: f64| vec![(square * least).sqrt() as f32; 64];
    let corpus = [row(0.9).repeat(MOST_ROWS), row(0.75)].concat();
    for count in [1, 40] {
        let queries = vec![0.0; 64 * count];
        let task = Task { queries: rows(&queries, 64), corpus: floats(&corpus, 64), k: 1, metric: Metric::L2 };
        for limits in [TINY, Limits::default()] {
            for (name, found) in search_everywhere(task, threads(1), limits) {
                assert_eq!(found.unwrap().indices, [MOST_ROWS as i64].repeat(count), "{name}");
            }
        }
    }
}

#[test]
fn equal_vectors_are_at_distance_zero() {
    let corpus: Vec<f32> = (0..40 * 33).map(|i| (i as f32 * 0.37).sin() * 1e6).collect();
    let task = Task { queries: rows(&corpus, 33), corpus: floats(&corpus, 33), k: 1, metric: Metric::L2 };
    for (name, found) in search_everywhere(task, threads(1), TINY) {
        let found = found.unwrap();
        assert_eq!(found.scores, [0.0; 40], "{name}");
        assert_eq!(found.indices, (0..40).collect::<Vec<i64>>(), "{name}");
    }
}

#[test]
fn an_interruption_stops_it() {
    let corpus = vec![1.0; 64 * 1000];
    for queries in [1, 500] {
        let task = Task {
            queries: rows(&corpus[..64 * queries], 64),
            corpus: floats(&corpus, 64),
            k: 3,
            metric: Metric::InnerProduct,
        };
        let asked = Cell::new(0);
        let interrupted = || {
            asked.set(asked.get() + 1);
            asked.get() > 2
        };
        let limits = Limits { chunk_bytes: 1, ..TINY };
        for threads in [1, 2] {
            asked.set(0);
            let options = Options { threads, interrupted: Some(&interrupted), ..Options::default() };
            let found = top_k_with(Portable::default(), task, options, limits);
            // The other thread may have taken all chunks before this one was asked three times.
            assert!(found == Err(Error::Interrupted) || (threads == 2 && asked.get() < 3));
        }
        let found = top_k_with(
            Portable::default(),
            task,
            Options { threads: 1, interrupted: Some(&|| false), ..Options::default() },
            limits,
        );
        assert_eq!(found.unwrap().indices[..3], [0, 1, 2]);
    }
}

#[test]
fn masks_and_scales_have_one_entry_a_row() {
    let corpus = [1.0; 20];
    let mask = Mask::new(&[0xff, 0xff], 9).unwrap();
    let options = Options { mask: Some(mask), ..Options::default() };
    let error = top_k(rows(&[1.0; 2], 2), floats(&corpus, 2), 1, Metric::Cosine, options).unwrap_err();
    assert_eq!(error.to_string(), "expected 10 bits of mask, not 9");
    let codes = rows(&[1_i8; 20], 2);
    assert_eq!(Scaled::new(codes, &[1.0; 9]).unwrap_err().to_string(), "expected 10 scales, one a row, not 9");
    for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(Scaled::new(rows(&[1_i8; 4], 2), &[1.0, bad]).unwrap_err(), Error::Scale(1));
    }
    let scaled = Corpus::Int8(Scaled::new(codes, &[1.0; 10]).unwrap());
    assert_eq!((scaled.len(), scaled.dimension(), scaled.is_empty()), (10, 2, false));
}

#[test]
fn a_strided_view_needs_no_more_than_its_last_row() {
    let data: Vec<f32> = (0..11).map(|i| i as f32).collect();
    let view = Rows::with_stride(&data, 3, 4, 3).unwrap();
    assert_eq!((view.row(0), view.row(2)), (&data[0..3], &data[8..11]));
    assert_eq!(Rows::with_stride(&data[..10], 3, 4, 3).unwrap_err(), Error::Shape { length: 10, dimension: 3 });
    assert_eq!(Rows::with_stride(&data, 1, usize::MAX, 3).unwrap_err(), Error::Shape { length: 11, dimension: 1 });
    let overlapping = Rows::with_stride(&data, 3, 1, 9).unwrap();
    let found = top_k(rows(&[1.0; 3], 3), Corpus::F32(overlapping), 1, Metric::InnerProduct, threads(1)).unwrap();
    assert_eq!((found.scores, found.indices), (vec![27.0], vec![8]));
}

#[test]
fn a_mapped_corpus_is_found_alike() {
    let corpus: Vec<f32> = (0..3000 * 33).map(|i| (i as f32 * 0.37).sin()).collect();
    let search = |options| top_k(rows(&corpus[..330], 33), floats(&corpus, 33), 7, Metric::L2, options).unwrap();
    assert_eq!(search(Options { mapped: true, ..threads(2) }), search(threads(1)));
}

#[test]
fn no_block_of_queries_is_begun_after_the_end() {
    let mut corpus = vec![1.0; 4 * 100];
    let queries = vec![1.0; 4 * 1000];
    // Few blocks of queries share out the rows, many are shared out themselves.
    for count in [40, 1000] {
        let asked = Cell::new(0);
        let search = |corpus: &[f32], stop: bool| {
            asked.set(0);
            let interrupted = || {
                asked.set(asked.get() + 1);
                stop
            };
            let options = Options { interrupted: Some(&interrupted), ..threads(1) };
            let queries = rows(&queries[..4 * count], 4);
            let task = Task { queries, corpus: floats(corpus, 4), k: 3, metric: Metric::L2 };
            top_k_with(Portable::default(), task, options, TINY)
        };
        corpus[4 * 99] = 1.0;
        assert_eq!((search(&corpus, true), asked.get()), (Err(Error::Interrupted), 1));
        corpus[4 * 99] = f32::NAN;
        assert_eq!(search(&corpus, false), Err(Error::Row(99)));
        // It asks once a chunk: less often than there are blocks of eight queries, so not in each.
        assert!(asked.get() < count / 8, "{}", asked.get());
    }
}

#[test]
fn an_interruption_is_heard_within_one_query_and_one_document() {
    let corpus = vec![1.0; 64 * 1000];
    let vectors = floats(&corpus, 64);
    let asked = Cell::new(0);
    let interrupted = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    let options = Options { threads: 1, interrupted: Some(&interrupted), ..Options::default() };
    let candidates: Vec<i64> = (0..500).collect();
    let rescored = rescore(rows(&corpus[..64], 64), vectors, (&candidates, 500), 3, Metric::Cosine, options);
    assert_eq!(rescored, Err(Error::Interrupted));
    asked.set(0);
    assert_eq!(max_sim(rows(&corpus[..64], 64), vectors, &[0, 1000], options), Err(Error::Interrupted));
}

#[test]
fn codes_whose_vector_is_beyond_the_range_are_refused_however_many_queries_there_are() {
    let codes = [1_i8, 1, 1, 127, -127, 3, 1, 2, 3];
    let corpus = Corpus::Int8(Scaled::new(rows(&codes, 3), &[1.0, 3e38, 1.0]).unwrap());
    let queries: Vec<f32> = (0..3 * 40).map(|i| (i as f32 * 0.731).sin()).collect();
    for count in [1, 4, 5, 40] {
        for metric in METRICS {
            let task = Task { queries: rows(&queries[..3 * count], 3), corpus, k: 3, metric };
            for (name, found) in search_everywhere(task, threads(1), TINY) {
                assert_eq!(found, Err(Error::Row(1)), "{name} {metric:?} {count} queries");
            }
        }
    }
}

#[test]
fn candidates_are_rows_and_as_many_for_each_query() {
    let rescored = |candidates: &[i64], per_query| {
        let corpus = floats(&[1.0, 2.0, 3.0], 1);
        rescore(rows(&[1.0, 1.0], 1), corpus, (candidates, per_query), 1, Metric::InnerProduct, threads(1))
    };
    assert_eq!(rescored(&[0, 1, 2, 0], 2).unwrap().indices, [1, 2]);
    assert_eq!(rescored(&[], 0).unwrap().k, 0);
    assert_eq!(rescored(&[0, 1, 2], 2).unwrap_err().to_string(), "expected 4 candidates, not 3");
    assert_eq!(rescored(&[0, 3], 1), Err(Error::Candidate(1)));
    assert_eq!(rescored(&[-1, 0], 1), Err(Error::Candidate(0)));
    let bad = floats(&[1.0, f32::NAN, f32::INFINITY], 1);
    let query = rows(&[1.0], 1);
    assert_eq!(rescore(query, bad, (&[2, 1], 2), 1, Metric::L2, threads(1)), Err(Error::Row(1)));
    assert!(rescore(query, bad, (&[0], 1), 1, Metric::L2, threads(1)).is_ok());
    for metric in METRICS {
        let alone = |candidates: &[i64]| rescore_one(query.row(0), bad, candidates, 1, metric, &mut Vec::new());
        assert_eq!(alone(&[2, 1]), Err(Error::Row(1)), "{metric:?}");
        assert_eq!(alone(&[0, -1]), Err(Error::Candidate(1)), "{metric:?}");
        assert!(alone(&[0]).is_ok(), "{metric:?}");
        let no_number = rescore_one(&[f32::NAN], bad, &[0], 1, metric, &mut Vec::new());
        assert_eq!(no_number, Err(Error::Query(0)), "{metric:?}");
    }
}
