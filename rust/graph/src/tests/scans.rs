//! What scans of signs find.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossfade_kernels::{Error as Fault, Metric, Options, Rows};
use proptest::prelude::*;

use super::searches::{bits, is_exactly_scored, masked};
use super::{KINDS, Kind, METRICS, SMALL, Sample, threads, vectors};
use crate::cells::LEAST_ROWS;
use crate::{Error, Form, Plan, Search, Settings, Ways, search};

/// Rows long enough to have signs.
const DIMENSION: usize = 200;

fn sample(kind: Kind, rows: usize, metric: Metric) -> Sample {
    Sample::new(vectors(kind, rows, DIMENSION, 3), DIMENSION, metric, SMALL, 2)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// min(k, rows that may be found) rows, whatever they are, with exact scores in the exact order.
    #[test]
    fn never_fewer_and_exactly_scored(
        (rows, dimension, k, ef) in (0_usize..400, prop::sample::select(vec![190_usize, 256, 300]), 1_usize..60, 1_usize..30),
        (kind, metric) in (prop::sample::select(&KINDS[..]), prop::sample::select(&METRICS[..])),
        (seed, every, threads) in (0_u64..1000, 0_usize..30, 1_usize..4),
    ) {
        let settings = Settings { m: 4, ef_construction: 12, seed, form: Form::Codes };
        let sample = Sample::new(vectors(kind, rows, dimension, seed), dimension, metric, settings, threads);
        let queries = vectors(Kind::Random, 3, dimension, seed + 1);
        let asked = (k, ef, Ways::Scan);
        is_exactly_scored(&sample, &queries, asked, super::threads(threads));
        let mask = bits(rows, |row| every > 0 && row % every == 0);
        is_exactly_scored(&sample, &queries, asked, masked(&mask, rows, threads));
        // As they were laid before, and for one query.
        is_exactly_scored(&sample, &queries[..dimension], asked, masked(&mask, rows, threads));
    }
}

/// The same of cells, where some have no row that may be found, and others one.
#[test]
fn cells_have_never_fewer_and_score_exactly() {
    for (number, kind) in KINDS.into_iter().enumerate() {
        for metric in METRICS {
            let rows = LEAST_ROWS + 100 * number;
            let sample = sample(kind, rows, metric);
            let queries = vectors(Kind::Random, 5, DIMENSION, 11);
            for (every, ef) in [(0, 5), (1, 5), (2, 30), (7, 90), (100, 5), (rows - 1, 5)] {
                let mask = bits(rows, |row| every > 0 && row % every == 0);
                for (k, threads) in [(3, 1), (40, 3)] {
                    let options = masked(&mask, rows, threads);
                    is_exactly_scored(&sample, &queries, (k, ef, Ways::Cells), options);
                    is_exactly_scored(&sample, &queries[..DIMENSION], (k, ef, Ways::Cells), options);
                }
            }
        }
    }
}

#[test]
fn most_of_the_best_are_found() {
    let rows = 6000;
    for metric in METRICS {
        let sample = sample(Kind::Clustered, rows, metric);
        let queries = vectors(Kind::Clustered, 40, DIMENSION, 9);
        for every in [1, 2, 10, 100] {
            let mask = bits(rows, |row| row % every == every - 1);
            let options = masked(&mask, rows, 2);
            for (ways, plan) in [(Ways::Scan, Plan::Scan), (Ways::Cells, Plan::Cells)] {
                let found = sample.search(&queries, 10, 64, ways, options);
                assert!(found.plans.iter().all(|&made| made == plan));
                let recall = sample.recall(&queries, &found, options);
                assert!(recall >= 0.97, "{metric:?} one in {every}: {recall}");
            }
        }
    }
}

/// More effort looks at more cells, and with the most at all: then what is found is what a scan of all rows finds.
#[test]
fn more_is_found_in_more_cells() {
    let (rows, count) = (8000, 60);
    let data = topics(rows + count, rows, 3);
    let (of_rows, queries) = data.split_at(rows * DIMENSION);
    for metric in METRICS {
        let sample = Sample::new(of_rows.to_vec(), DIMENSION, metric, SMALL, 2);
        let half = bits(rows, |row| row % 2 == 0);
        for options in [threads(2), masked(&half, rows, 2)] {
            let recall = |ef: usize| {
                let found = sample.search(queries, 10, ef, Ways::Cells, options);
                assert!(found.plans.iter().all(|&plan| plan == Plan::Cells));
                sample.recall(queries, &found, options)
            };
            let found: Vec<f64> = [10, 20, 40, 64, 4000].into_iter().map(recall).collect();
            // But for what a few queries are worth.
            assert!(found.windows(2).all(|pair| pair[0] <= pair[1] + 0.01), "{metric:?} {found:?}");
            assert!(found[0] >= 0.85 && found[3] >= 0.98 && found[4] >= 0.999, "{metric:?} {found:?}");
        }
    }
}

/// More are held the more are asked for, or no effort would bring back what sketches rule out.
#[test]
fn a_hundred_are_found_as_ten_are() {
    let (rows, count) = (8000, 40);
    let data = topics(rows + count, rows, 3);
    let (of_rows, queries) = data.split_at(rows * DIMENSION);
    for metric in METRICS {
        let sample = Sample::new(of_rows.to_vec(), DIMENSION, metric, SMALL, 2);
        let half = bits(rows, |row| row % 2 == 0);
        let options = masked(&half, rows, 2);
        for (ways, plan) in [(Ways::Scan, Plan::Scan), (Ways::Cells, Plan::Cells)] {
            let found = sample.search(queries, 100, 300, ways, options);
            assert!(found.plans.iter().all(|&made| made == plan));
            let recall = sample.recall(queries, &found, options);
            assert!(recall >= 0.995, "{metric:?} {plan:?}: {recall}");
        }
    }
}

/// Codes of all rows tell near from far, whatever lies how: what is missed was rounded away.
#[test]
fn all_codes_find_nearly_all() {
    let rows = 3_000;
    for metric in METRICS {
        for kind in [Kind::Random, Kind::Clustered] {
            let sample = sample(kind, rows, metric);
            let queries = vectors(kind, 40, DIMENSION, 9);
            for every in [1, 2, 100] {
                let mask = bits(rows, |row| row % every == every - 1);
                let options = masked(&mask, rows, 2);
                for k in [1, 10, 200] {
                    is_exactly_scored(&sample, &queries, (k, 1, Ways::Codes), options);
                    let found = sample.search(&queries, k, 1, Ways::Codes, options);
                    assert!(found.plans.iter().all(|&made| made == Plan::Codes));
                    let alone = sample.search(&queries[..DIMENSION], k, 1, Ways::Codes, options);
                    assert_eq!(alone.best.indices, found.best.indices[..alone.best.k]);
                    let recall = sample.recall(&queries, &found, options);
                    assert!(recall >= 0.995, "{metric:?} {kind:?} {k} of one in {every}: {recall}");
                }
            }
        }
    }
}

#[test]
fn rows_without_signs_are_searched_exactly() {
    for (dimension, form) in [(24, Form::Codes), (DIMENSION, Form::Vectors)] {
        let settings = Settings { form, ..SMALL };
        let sample = Sample::new(vectors(Kind::Random, 500, dimension, 3), dimension, Metric::L2, settings, 2);
        let queries = vectors(Kind::Random, 4, dimension, 9);
        let found = sample.search(&queries, 5, 20, Ways::Scan, threads(2));
        assert_eq!(found, sample.search(&queries, 5, 20, Ways::Exact, threads(2)));
    }
}

#[test]
fn equal_rows_come_in_the_order_of_their_numbers_and_all_of_them() {
    let sample = sample(Kind::Duplicates, 700, Metric::L2);
    let query = sample.data[..DIMENSION].to_vec();
    let found = sample.search(&query, 30, 4, Ways::Scan, threads(1));
    assert_eq!((found.plans[0], found.best.indices), (Plan::Scan, (0..30).map(|i| i * 7).collect::<Vec<i64>>()));
    // The node itself is ruled out, and rows that equal it are not.
    let mask = bits(700, |row| row > 300 && row % 7 == 0);
    let found = sample.search(&query, 3, 4, Ways::Scan, masked(&mask, 700, 1));
    assert_eq!((found.plans[0], found.best.indices), (Plan::Scan, vec![301, 308, 315]));
    let found = sample.search(&query, 30, 4, Ways::Codes, threads(1));
    assert_eq!((found.plans[0], found.best.indices), (Plan::Codes, (0..30).map(|i| i * 7).collect::<Vec<i64>>()));
    let found = sample.search(&query, 3, 4, Ways::Codes, masked(&mask, 700, 1));
    assert_eq!((found.plans[0], found.best.indices), (Plan::Codes, vec![301, 308, 315]));
    // More than there are of those that are equal.
    let found = sample.search(&query, 120, 4, Ways::Scan, masked(&bits(700, |row| row < 70), 700, 1));
    assert_eq!(found.best.k, 70);
}

/// Enough rows that one query's are shared out, and that a sample of them bounds what is looked for.
#[test]
fn queries_do_not_depend_on_threads_or_company() {
    let rows = 9000;
    for kind in [Kind::Clustered, Kind::Ties] {
        let sample = sample(kind, rows, Metric::Cosine);
        let queries = vectors(kind, 41, DIMENSION, 9);
        let half = bits(rows, |row| row % 2 == 0);
        let third = bits(rows, |row| row % 3 == 0);
        for (mask, ways) in [None, Some(&half), Some(&third)]
            .into_iter()
            .flat_map(|mask| [Ways::Scan, Ways::Cells, Ways::Planned].map(|ways| (mask, ways)))
        {
            let of = |threads| mask.map_or(super::threads(threads), |mask| masked(mask, rows, threads));
            // What is planned for one query may not be what is planned for all.
            if ways == Ways::Planned {
                let [one, other] = [1, 3].map(|threads| sample.search(&queries, 10, 30, ways, of(threads)));
                assert_eq!(one, other);
                continue;
            }
            let together = sample.search(&queries, 10, 30, ways, of(3));
            for (query, vector) in queries.chunks(DIMENSION).enumerate() {
                for threads in [1, 4] {
                    let alone = sample.search(vector, 10, 30, ways, of(threads));
                    assert_eq!(alone.best.indices, together.best.indices[query * 10..][..10]);
                }
            }
        }
    }
}

/// Rows of topics of a hundred each, as far as a draw goes.
fn topics(rows: usize, of: usize, seed: u64) -> Vec<f32> {
    let at = |row: usize, d: usize, seed: u64| super::number(seed, (row * DIMENSION + d) as u64);
    let topic = |row: usize| crate::level::mixed(row as u64) as usize % of.div_ceil(100);
    let element = |row: usize, d: usize| at(topic(row), d, 77) + 0.4 * at(row, d, seed);
    (0..rows).flat_map(|row| (0..DIMENSION).map(move |d| element(row, d))).collect()
}

#[test]
fn a_mask_that_comes_again_is_scanned() {
    let rows = 16_000;
    let sample = Sample::new(topics(rows, rows, 3), DIMENSION, Metric::L2, SMALL, 2);
    let query = topics(1, rows, 9);
    let fifth = bits(rows, |row| row % 5 == 0);
    let plan = || sample.search(&query, 10, 20, Ways::Planned, masked(&fifth, rows, 2)).plans[0];
    // Not the first time; but before long, and from then on.
    let plans: Vec<Plan> = (0..100).map(|_| plan()).collect();
    let walks = plans.iter().take_while(|&&plan| plan == Plan::FilteredWalk).count();
    assert!((2..60).contains(&walks) && plans[walks..].iter().all(|&plan| plan == Plan::Scan), "{walks} {plans:?}");
}

#[test]
fn a_scan_can_be_stopped() {
    let sample = sample(Kind::Random, 500, Metric::L2);
    let queries = vectors(Kind::Random, 100, DIMENSION, 9);
    let interrupted = || true;
    let options = Options { threads: 1, interrupted: Some(&interrupted), ..Options::default() };
    let asked = Search { k: 3, ef: 5, ways: Ways::Scan };
    for count in [1, 100] {
        let rows = Rows::new(&queries[..count * DIMENSION], DIMENSION).unwrap();
        let stopped = search(&sample.graph, sample.bytes(), (sample.corpus(), rows), asked, options);
        assert_eq!(stopped, Err(Error::Kernels(Fault::Interrupted)));
    }
}

/// Of one query too, which may take as long as thousands of walks: after some blocks, and not only before it begins.
#[test]
fn a_comparison_of_all_codes_can_be_stopped_in_its_midst() {
    let sample = sample(Kind::Random, 3000, Metric::L2);
    let query = vectors(Kind::Random, 1, DIMENSION, 9);
    let asked = Search { k: 3, ef: 5, ways: Ways::Codes };
    let looks = AtomicUsize::new(0);
    let of = |after: usize| {
        looks.store(0, Ordering::Relaxed);
        let interrupted = || looks.fetch_add(1, Ordering::Relaxed) >= after;
        let options = Options { threads: 1, interrupted: Some(&interrupted), ..Options::default() };
        let rows = Rows::new(&query, DIMENSION).unwrap();
        search(&sample.graph, sample.bytes(), (sample.corpus(), rows), asked, options).map(|found| found.plans)
    };
    assert_eq!(of(usize::MAX), Ok(vec![Plan::Codes]));
    let all = looks.load(Ordering::Relaxed);
    assert!(all > 5, "{all}");
    for after in 0..all {
        assert_eq!(of(after), Err(Error::Kernels(Fault::Interrupted)), "{after}");
    }
}

/// Of other topics than the query's, all rows are about as far, and signs say next to nothing of which is nearest.
#[test]
fn what_is_planned_finds_what_a_walk_finds_whatever_the_mask_leaves() {
    let rows = 12_000_usize;
    let topic = |row: usize| crate::level::mixed(row as u64) as usize % rows.div_ceil(100);
    let data = topics(rows + 64, rows, 3);
    let (of_rows, queries) = data.split_at(rows * DIMENSION);
    for metric in METRICS {
        let sample = Sample::new(of_rows.to_vec(), DIMENSION, metric, SMALL, 2);
        for (every, mask) in [
            // Rows near and far: there is no doubt.
            (0, bits(rows, |row| row % 2 == 0)),
            (2, bits(rows, |row| topic(row) % 2 == 0)),
            (5, bits(rows, |row| topic(row) % 5 == 0)),
        ] {
            let options = masked(&mask, rows, 2);
            for ef in [16, 32, 64] {
                let of = |ways| sample.search(queries, 10, ef, ways, options);
                // Laid side by side, so that a scan costs least.
                of(Ways::Scan);
                let (walked, planned) = (of(Ways::Walk), of(Ways::Planned));
                let [of_walk, of_plan] = [&walked, &planned].map(|found| sample.recall(queries, found, options));
                assert!(of_plan >= of_walk - 0.02, "{metric:?} {every} {ef}: {of_plan}, a walk {of_walk}");
                if every == 0 && ef == 32 && metric != Metric::InnerProduct {
                    assert!(planned.plans.iter().all(|plan| matches!(plan, Plan::Scan | Plan::Cells)), "{metric:?}");
                }
            }
        }
    }
}
