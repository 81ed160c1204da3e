//! `evaluate` against the naive twin.

use proptest::prelude::*;

use super::data::{MEASURES, Nested, judgments, measures, nest, nested, run, score};
use super::naive;
use crate::{Judgments, Missing, Options, Table, Ties, evaluate};

fn names<'a>(judgments: &'a Judgments, codes: &[u32]) -> Vec<&'a str> {
    codes.iter().map(|&code| judgments.query(code)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn like_the_naive_twin(
        qrels in nested(-2..5_i32), found in nested(score()), zero: bool, single: bool, threads in 1..4_usize,
    ) {
        let (judgments, run) = (judgments(&qrels), run(&found));
        let missing = if zero { Missing::Zero } else { Missing::Skip };
        let ties = if single { Ties::Float32 } else { Ties::Float64 };
        let options = Options { ties, missing, threads };
        let table = evaluate(&judgments, &run, &measures(), options);
        let judged: Vec<&str> = qrels.iter().filter(|(_, d)| !d.is_empty()).map(|(q, _)| q.as_str()).collect();
        let wanted: Vec<&str> = judged.iter().copied().filter(|&q| zero || found.contains_key(q)).collect();
        prop_assert_eq!(names(&judgments, &table.queries), wanted.clone());
        let absent: Vec<&str> = judged.into_iter().filter(|&q| !found.contains_key(q)).collect();
        prop_assert_eq!(names(&judgments, &table.missing), absent);
        for (row, query) in table.values.chunks_exact(MEASURES.len()).zip(&wanted) {
            let judged: Vec<(&str, i32)> = qrels[*query].iter().map(|(d, &g)| (d.as_str(), g)).collect();
            for (value, name) in row.iter().zip(MEASURES) {
                let naive = found.get(*query).map_or(0.0, |documents| {
                    let run: Vec<(&str, f64)> = documents.iter().map(|(d, &s)| (d.as_str(), s)).collect();
                    naive::value(&name.parse().unwrap(), &judged, &naive::ranking(&run, ties), ties)
                });
                prop_assert!((value - naive).abs() < 1e-12, "{name} of {query}: {value}, not {naive}");
            }
        }
        // Only the cutoff's share of a ranking is read when every measure has one.
        for (i, measure) in measures().into_iter().enumerate() {
            let alone = evaluate(&judgments, &run, &[measure], options);
            let column: Vec<f64> = table.values.chunks_exact(MEASURES.len()).map(|row| row[i]).collect();
            prop_assert_eq!(alone.values, column, "{}", measure);
        }
    }
}

#[test]
fn the_same_at_any_thread_count() {
    let of = |i: usize, salt: usize| (i * 7919 + salt * 104_729) % 1009;
    let qrels: Nested<i32> = (0..400)
        .map(|q| (format!("q{q}"), (0..20).map(|d| (format!("d{}", of(d, q)), (d % 4) as i32)).collect()))
        .collect();
    let found: Nested<f64> = (0..400)
        .map(|q| (format!("q{q}"), (0..200).map(|d| (format!("d{}", of(d, q + 1)), (d % 9) as f64)).collect()))
        .collect();
    let (judgments, run) = (judgments(&qrels), run(&found));
    let table = |threads| evaluate(&judgments, &run, &measures(), Options { threads, ..Options::default() });
    let one = table(1);
    assert!(one.values.iter().any(|&v| v > 0.0 && v < 1.0));
    for threads in [0, 2, 3, 5] {
        assert_eq!(table(threads), one);
    }
}

fn of_one_query(qrels: &[(&str, i32)], found: &[(&str, f64)], names: &[&str], ties: Ties) -> Table {
    let measures: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
    let (judgments, run) = (judgments(&nest(&[("q", qrels)])), run(&nest(&[("q", found)])));
    evaluate(&judgments, &run, &measures, Options { ties, ..Options::default() })
}

#[test]
fn the_least_grade_is_judged() {
    let found = [("a", 1.0), ("c", 0.5)];
    let table = of_one_query(&[("a", i32::MIN), ("b", 1)], &found, &["Judged", "nDCG"], Ties::Float32);
    assert_eq!(table.values, [0.5, 0.0]);
}

#[test]
fn the_greatest_grade_counts_as_the_top_of_the_scale() {
    let table = of_one_query(&[("a", i32::MAX)], &[("a", 1.0)], &["ERR", "nDCG"], Ties::Float32);
    assert_eq!(table.values, [15.0 / 16.0, 1.0]);
}

#[test]
fn recall_levels_are_rounded_as_the_version_rounds_them() {
    // 0.15 of 10 relevant documents are 2 of them in both; 0.11 are 2 in 9.0.8 and 1 in 10.
    let qrels: Vec<(String, i32)> = (0..10).map(|i| (format!("r{i}"), 1)).collect();
    let qrels: Vec<(&str, i32)> = qrels.iter().map(|(name, grade)| (name.as_str(), *grade)).collect();
    let found = [("r0", 9.0), ("x", 8.0), ("r1", 7.0)];
    let names = ["IPrec@0.15", "IPrec@0.11"];
    assert_eq!(of_one_query(&qrels, &found, &names, Ties::Float32).values, [2.0 / 3.0, 2.0 / 3.0]);
    assert_eq!(of_one_query(&qrels, &found, &names, Ties::Float64).values, [2.0 / 3.0, 1.0]);
}

#[test]
fn no_measure_is_an_empty_table() {
    let table = of_one_query(&[("a", 1)], &[("a", 1.0)], &[], Ties::Float32);
    assert_eq!((table.queries.len(), table.values.len()), (1, 0));
}
