//! How far to walk.

use crossfade_kernels::{Metric, Rows};

use super::{Kind, SMALL, Sample, threads, vectors};
use crate::{Effort, Error, Ways, ef_for_recall};

fn effort(sample: &Sample, target: f64, k: usize, count: usize) -> Result<Effort, Error> {
    ef_for_recall(&sample.graph, sample.bytes(), (sample.corpus(), None), (target, k), (count, 0), threads(2))
}

#[test]
fn reaches_what_is_aimed_at_with_little_more_than_it_takes() {
    let sample = Sample::new(vectors(Kind::Random, 5000, 24, 3), 24, Metric::Cosine, SMALL, 2);
    let queries = vectors(Kind::Random, 200, 24, 9);
    let rows = Rows::new(&queries, 24).unwrap();
    for target in [0.8, 0.95, 0.99] {
        let given = (sample.corpus(), Some(rows));
        let found = ef_for_recall(&sample.graph, sample.bytes(), given, (target, 10), (1, 0), threads(2)).unwrap();
        assert!(found.reached && found.recall >= target && found.queries == 200);
        assert!(found.standard_error > 0.0 && found.standard_error < 0.05);
        let recall = |ef| {
            let best = sample.search(&queries, 10, ef, Ways::Walk, threads(2));
            sample.recall(&queries, &best, threads(2))
        };
        assert!((recall(found.ef) - found.recall).abs() < 1e-9);
        assert!(found.ef == 10 || recall(found.ef * 4 / 5) <= found.recall);
        // Rows of the corpus say about the same as other queries of their kind.
        let drawn = effort(&sample, target, 10, 500).unwrap();
        let margin = 5.0 * (drawn.standard_error + found.standard_error);
        assert!(drawn.reached && recall(drawn.ef) >= target - margin, "{drawn:?} {found:?}");
    }
}

#[test]
fn small_and_equal_sets() {
    for rows in [1, 2, 12] {
        let sample = Sample::new(vectors(Kind::Random, rows, 4, 3), 4, Metric::L2, SMALL, 1);
        let found = effort(&sample, 1.0, 10, 100).unwrap();
        assert!(found.reached && found.queries == rows && found.recall == 1.0, "{found:?}");
    }
    let sample = Sample::new(vectors(Kind::Duplicates, 900, 4, 3), 4, Metric::L2, SMALL, 1);
    assert!(effort(&sample, 1.0, 10, 100).unwrap().reached);
}

#[test]
fn what_cannot_be_aimed_at_is_refused() {
    let sample = Sample::new(vectors(Kind::Random, 10, 4, 3), 4, Metric::L2, SMALL, 1);
    for target in [0.0, -1.0, 1.1, f64::NAN] {
        assert!(matches!(effort(&sample, target, 10, 100), Err(Error::Setting(_))));
    }
    assert!(matches!(effort(&sample, 0.9, 0, 100), Err(Error::Setting(_))));
    let empty = Sample::new(Vec::new(), 4, Metric::L2, SMALL, 1);
    assert!(matches!(effort(&empty, 0.9, 1, 100), Err(Error::Setting(_))));
}
