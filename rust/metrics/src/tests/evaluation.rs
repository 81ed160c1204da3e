//! `evaluate` against the naive twin, and what it refuses.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::naive;
use crate::{Error, Judgments, Measure, Missing, Options, Run, Table, Ties, Vocabulary, evaluate};

const MEASURES: [&str; 20] = [
    "nDCG",
    "nDCG@1",
    "nDCG@3",
    "nDCG@10",
    "AP",
    "AP@2",
    "AP(rel=2)",
    "AP(rel=2)@5",
    "RR",
    "RR@2",
    "RR(rel=3)@4",
    "R@1",
    "R@5",
    "R(rel=2)@5",
    "P@1",
    "P(rel=2)@7",
    "Success@1",
    "Success(rel=4)@3",
    "Judged@3",
    "Judged",
];

/// Query id to document id to value.
type Nested<V> = BTreeMap<String, BTreeMap<String, V>>;

#[derive(Default)]
struct Input {
    queries: Vocabulary,
    documents: Vocabulary,
    judgments: Judgments,
    run: Run,
}

impl Input {
    fn new(qrels: &Nested<i32>, run: &Nested<f64>) -> Self {
        let mut input = Self::default();
        for (query, documents) in qrels {
            input.judgments.begin(input.queries.code(query));
            for (document, &grade) in documents {
                input.judgments.push(input.documents.code(document), grade);
            }
        }
        for (query, documents) in run {
            input.run.begin(input.queries.code(query));
            for (document, &score) in documents {
                input.run.push(input.documents.code(document), score);
            }
        }
        input
    }

    fn evaluate(&self, names: &[&str], options: Options) -> Result<Table, Error> {
        let measures: Vec<Measure> = names.iter().map(|name| name.parse().unwrap()).collect();
        evaluate((&self.queries, &self.documents), &self.judgments, &self.run, &measures, options)
    }

    fn named(&self, codes: &[u32]) -> Vec<&str> {
        codes.iter().map(|&code| self.queries.name(code)).collect()
    }
}

/// Few documents and few scores: ties, unjudged documents and misses in every example.
fn documents<V: std::fmt::Debug>(value: impl Strategy<Value = V>) -> impl Strategy<Value = BTreeMap<String, V>> {
    prop::collection::btree_map("[a-cA-Z0é雪]{1,2}", value, 0..14)
}

fn nested<V: std::fmt::Debug>(value: impl Strategy<Value = V> + Clone) -> impl Strategy<Value = Nested<V>> {
    prop::collection::btree_map("q[0-7]", documents(value), 0..8)
}

fn score() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        (-2..3_i32).prop_map(|s| f64::from(s) * 0.5),
        (0..4_i32).prop_map(|s| 1.0 + f64::from(s) * 1e-9),
        Just(-0.0),
        -10.0..10.0,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn like_the_naive_twin(
        qrels in nested(-2..5_i32), run in nested(score()), zero: bool, single: bool, threads in 1..4_usize,
    ) {
        let input = Input::new(&qrels, &run);
        let missing = if zero { Missing::Zero } else { Missing::Skip };
        let ties = if single { Ties::Float32 } else { Ties::Float64 };
        let table = input.evaluate(&MEASURES, Options { ties, missing, threads }).unwrap();
        let judged: Vec<&str> = qrels.iter().filter(|(_, d)| !d.is_empty()).map(|(q, _)| q.as_str()).collect();
        let wanted: Vec<&str> = judged.iter().copied().filter(|&q| zero || run.contains_key(q)).collect();
        prop_assert_eq!(input.named(&table.queries), wanted.clone());
        let absent: Vec<&str> = judged.into_iter().filter(|&q| !run.contains_key(q)).collect();
        prop_assert_eq!(input.named(&table.missing), absent);
        for (row, query) in table.values.chunks_exact(MEASURES.len()).zip(&wanted) {
            let judged: Vec<(&str, i32)> = qrels[*query].iter().map(|(d, &g)| (d.as_str(), g)).collect();
            for (value, name) in row.iter().zip(MEASURES) {
                let naive = run.get(*query).map_or(0.0, |documents| {
                    let run: Vec<(&str, f64)> = documents.iter().map(|(d, &s)| (d.as_str(), s)).collect();
                    naive::value(&name.parse().unwrap(), &judged, &run, ties)
                });
                prop_assert!((value - naive).abs() < 1e-12, "{name} of {query}: {value}, not {naive}");
            }
        }
        // Only the cutoff's share of a ranking is sorted when every measure has one.
        for (i, name) in MEASURES.iter().enumerate() {
            let alone = input.evaluate(&[name], Options { ties, missing, threads }).unwrap();
            let column: Vec<f64> = table.values.chunks_exact(MEASURES.len()).map(|row| row[i]).collect();
            prop_assert_eq!(alone.values, column, "{}", name);
        }
    }
}

#[test]
fn the_same_at_any_thread_count() {
    let of = |i: usize, salt: usize| (i * 7919 + salt * 104_729) % 1009;
    let qrels: Nested<i32> = (0..400)
        .map(|q| (format!("q{q}"), (0..20).map(|d| (format!("d{}", of(d, q)), (d % 4) as i32)).collect()))
        .collect();
    let run: Nested<f64> = (0..400)
        .map(|q| (format!("q{q}"), (0..200).map(|d| (format!("d{}", of(d, q + 1)), (d % 9) as f64)).collect()))
        .collect();
    let input = Input::new(&qrels, &run);
    let table = |threads| input.evaluate(&MEASURES, Options { threads, ..Options::default() }).unwrap();
    let one = table(1);
    assert!(one.values.iter().any(|&v| v > 0.0 && v < 1.0));
    for threads in [0, 2, 3, 5] {
        assert_eq!(table(threads), one);
    }
}

fn bad(change: impl FnOnce(&mut Input)) -> String {
    let qrels = BTreeMap::from([("q".to_owned(), BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 0)]))]);
    let run = BTreeMap::from([("q".to_owned(), BTreeMap::from([("a".to_owned(), 1.0), ("c".to_owned(), 0.5)]))]);
    let mut input = Input::new(&qrels, &run);
    assert!(input.evaluate(&["AP"], Options::default()).is_ok());
    change(&mut input);
    input.evaluate(&["AP"], Options::default()).unwrap_err().to_string()
}

#[test]
fn what_breaks_the_rules_is_refused() {
    assert_eq!(bad(|i| i.run.push(2, 0.1)), "document \"c\" comes twice in the run for query \"q\"");
    assert_eq!(bad(|i| i.judgments.push(0, 1)), "document \"a\" comes twice in the judgments for query \"q\"");
    assert_eq!(bad(|i| i.run.begin(0)), "query \"q\" comes twice in the run");
    assert_eq!(bad(|i| i.judgments.begin(0)), "query \"q\" comes twice in the judgments");
    for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let message = bad(|i| i.run.push(1, score));
        assert!(message.contains("document \"b\" for query \"q\"") && message.contains("finite"), "{message}");
    }
}

#[test]
fn the_least_grade_is_judged() {
    let qrels = BTreeMap::from([("q".to_owned(), BTreeMap::from([("a".to_owned(), i32::MIN), ("b".to_owned(), 1)]))]);
    let run = BTreeMap::from([("q".to_owned(), BTreeMap::from([("a".to_owned(), 1.0), ("c".to_owned(), 0.5)]))]);
    let table = Input::new(&qrels, &run).evaluate(&["Judged", "nDCG"], Options::default()).unwrap();
    assert_eq!(table.values, [0.5, 0.0]);
}

#[test]
fn no_measure_is_an_empty_table() {
    let qrels = BTreeMap::from([("q".to_owned(), BTreeMap::from([("a".to_owned(), 1)]))]);
    let run = BTreeMap::from([("q".to_owned(), BTreeMap::from([("a".to_owned(), 1.0)]))]);
    let table = Input::new(&qrels, &run).evaluate(&[], Options::default()).unwrap();
    assert_eq!((table.queries.len(), table.values.len()), (1, 0));
}
