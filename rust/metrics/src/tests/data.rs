//! Small data full of ties, unjudged documents and misses.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{Judgments, Measure, Rows, Run};

/// Every kind of measure, with and without each of its parameters.
pub(super) const MEASURES: [&str; 48] = [
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
    "ERR",
    "ERR@1",
    "ERR@4",
    "RBP",
    "RBP(p=0.3)@3",
    "RBP(rel=2,p=0.95)",
    "Bpref",
    "Bpref(rel=2)",
    "Bpref(rel=4)",
    "infAP",
    "infAP(rel=2)",
    "Rprec",
    "Rprec(rel=3)",
    "IPrec@0",
    "IPrec@0.1",
    "IPrec@0.35",
    "IPrec@0.5",
    "IPrec(rel=2)@0.5",
    "IPrec@1",
    "SetP",
    "SetP(rel=2)",
    "SetR",
    "SetR(rel=2)",
    "SetF",
    "SetF(rel=2)",
    "SetF(beta=2)",
    "SetF(beta=0)",
    "SetAP(rel=2)",
];

pub(super) fn measures() -> Vec<Measure> {
    MEASURES.iter().map(|name| name.parse().unwrap()).collect()
}

/// Query id to document id to value.
pub(super) type Nested<V> = BTreeMap<String, BTreeMap<String, V>>;

pub(super) fn nest<V: Copy>(values: &[(&str, &[(&str, V)])]) -> Nested<V> {
    let documents = |rows: &[(&str, V)]| rows.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    values.iter().map(|&(query, rows)| (query.to_owned(), documents(rows))).collect()
}

pub(super) fn rows<V: Copy>(nested: &Nested<V>) -> Rows<V> {
    let mut rows = Rows::default();
    for (query, documents) in nested {
        rows.open(query);
        for (document, &value) in documents {
            rows.push(document, value);
        }
    }
    rows
}

pub(super) fn judgments(qrels: &Nested<i32>) -> Judgments {
    Judgments::gather(&[rows(qrels)], 1).unwrap()
}

pub(super) fn run(run: &Nested<f64>) -> Run {
    Run::gather(&[rows(run)], 1).unwrap()
}

/// Few documents, so that judgments and runs meet.
fn documents<V: std::fmt::Debug>(value: impl Strategy<Value = V>) -> impl Strategy<Value = BTreeMap<String, V>> {
    prop::collection::btree_map("[a-cA-Z0é雪]{1,2}", value, 0..14)
}

pub(super) fn nested<V: std::fmt::Debug>(value: impl Strategy<Value = V> + Clone) -> impl Strategy<Value = Nested<V>> {
    prop::collection::btree_map("q[0-7]", documents(value), 0..8)
}

/// Few scores, some of which differ beyond single precision only.
pub(super) fn score() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        (-2..3_i32).prop_map(|s| f64::from(s) * 0.5),
        (0..4_i32).prop_map(|s| 1.0 + f64::from(s) * 1e-9),
        Just(-0.0),
        -10.0..10.0,
    ]
}
