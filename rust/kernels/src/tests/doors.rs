//! The public door: errors, empty input, interruption.

use std::cell::Cell;

use super::{METRICS, TINY, on_every_backend, rows};
use crate::backend::Portable;
use crate::search::{Limits, Task, top_k_with};
use crate::{Error, Metric, Options, Rows, top_k};

#[test]
fn shapes_are_checked() {
    assert_eq!(Rows::new(&[1.0; 6], 4).unwrap_err(), Error::Shape { length: 6, dimension: 4 });
    assert_eq!(Rows::new(&[], 0).unwrap_err(), Error::Shape { length: 0, dimension: 0 });
    let error = top_k(rows(&[1.0; 6], 3), rows(&[1.0; 4], 2), 1, Metric::Cosine, Options::default()).unwrap_err();
    assert_eq!(error, Error::Dimension { queries: 3, corpus: 2 });
    assert!(error.to_string().contains("dimension 3 and the corpus 2"), "{error}");
}

#[test]
fn nothing_asked_nothing_found() {
    for metric in METRICS {
        for (queries, corpus, k, count) in [(0, 5, 2, 2), (3, 0, 2, 0), (3, 5, 0, 0), (0, 0, 0, 0)] {
            let (queries, corpus) = (vec![1.0; queries * 7], vec![1.0; corpus * 7]);
            let found = top_k(rows(&queries, 7), rows(&corpus, 7), k, metric, Options::default()).unwrap();
            assert_eq!(found.k, count);
            assert!(found.scores.is_empty() && found.indices.is_empty());
        }
    }
}

#[test]
fn more_than_there_is() {
    let found = top_k(rows(&[1.0], 1), rows(&[3.0, -1.0, 3.0], 1), 99, Metric::InnerProduct, Options::default());
    let found = found.unwrap();
    assert_eq!((found.k, found.scores, found.indices), (3, vec![3.0, 3.0, -1.0], vec![0, 2, 1]));
}

#[test]
fn cosine_of_zero_is_zero_and_of_anything_with_itself_is_one() {
    let corpus = [0.0, 0.0, 3.0, 4.0, f32::MAX, f32::MAX, 1e-45, 1e-45, -3.0, -4.0];
    let queries = [0.0, 0.0, 3.0, 4.0, f32::MAX, f32::MAX, 1e-45, 1e-45];
    let task = Task { queries: rows(&queries, 2), corpus: rows(&corpus, 2), k: 5, metric: Metric::Cosine };
    for (name, found) in on_every_backend(task, 1, TINY) {
        let found = found.unwrap();
        assert_eq!(found.scores[..5], [0.0; 5], "{name}");
        assert_eq!(found.indices[..5], [0, 1, 2, 3, 4], "{name}");
        for (q, row) in [(1, 1), (2, 2), (3, 2)] {
            assert!((found.scores[q * 5] - 1.0).abs() < 1e-6 && found.scores[q * 5] <= 1.0, "{name}");
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
        let task = Task { queries: rows(&corpus, 37), corpus: rows(other, 37), k: 200, metric: Metric::Cosine };
        for (name, found) in on_every_backend(task, 1, TINY) {
            assert!(found.unwrap().scores.iter().all(|score| score.abs() <= 1.0), "{name}");
        }
    }
}

#[test]
fn scores_beyond_the_range_are_bounded_and_still_ordered() {
    let corpus = [1e38, 1e38, -1e38, 1e38, 1.0, 1.0, -1e38, -1e38];
    let task = Task { queries: rows(&[1e38, 1e38], 2), corpus: rows(&corpus, 2), k: 9, metric: Metric::InnerProduct };
    for (name, found) in on_every_backend(task, 1, TINY) {
        let found = found.unwrap();
        assert_eq!(found.scores, [f32::MAX, 2e38, 0.0, f32::MIN], "{name}");
        assert_eq!(found.indices, [0, 2, 1, 3], "{name}");
    }
}

#[test]
fn equal_vectors_are_at_distance_zero() {
    let corpus: Vec<f32> = (0..40 * 33).map(|i| (i as f32 * 0.37).sin() * 1e6).collect();
    let task = Task { queries: rows(&corpus, 33), corpus: rows(&corpus, 33), k: 1, metric: Metric::L2 };
    for (name, found) in on_every_backend(task, 1, TINY) {
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
            corpus: rows(&corpus, 64),
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
            let options = Options { threads, interrupted: Some(&interrupted) };
            let found = top_k_with(Portable, task, options, limits);
            // The other thread may have taken all chunks before this one was asked three times.
            assert!(found == Err(Error::Interrupted) || (threads == 2 && asked.get() < 3));
        }
        let found = top_k_with(Portable, task, Options { threads: 1, interrupted: Some(&|| false) }, limits);
        assert_eq!(found.unwrap().indices[..3], [0, 1, 2]);
    }
}
