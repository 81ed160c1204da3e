//! Rows in any order and in any pieces make the same columns.

use proptest::prelude::*;

use super::data::{Nested, judgments, nested, rows, run, score};
use crate::{Error, Judgments, Rows, Run};

fn contents(run: &Run) -> Vec<(String, Vec<(String, f64)>)> {
    let ranking = |query| run.ranking(query).map(|(document, score)| (document.to_owned(), score)).collect();
    (0..run.len() as u32).map(|query| (run.query(query).to_owned(), ranking(query))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_and_threads_change_nothing(
        found in nested(score()), cuts in prop::collection::vec(0..60_usize, 0..4), threads in 1..4_usize,
    ) {
        // Every document of a rank before the next rank of any query: no query's rows stay together.
        let mut scattered: Vec<(usize, &str, &str, f64)> = Vec::new();
        for (query, documents) in &found {
            for (i, (document, &score)) in documents.iter().enumerate() {
                scattered.push((i, query, document, score));
            }
        }
        scattered.sort_by_key(|row| row.0);
        let mut pieces: Vec<Rows<f64>> = vec![Rows::default()];
        for query in found.keys() {
            pieces[0].open(query);
        }
        for (i, &(_, query, document, score)) in scattered.iter().enumerate() {
            if cuts.contains(&i) {
                pieces.push(Rows::default());
            }
            let piece = pieces.last_mut().unwrap();
            piece.open(query);
            piece.push(document, score);
        }
        let gathered = Run::gather(&pieces, threads).unwrap();
        prop_assert_eq!(gathered.rows(), scattered.len());
        prop_assert_eq!(contents(&gathered), contents(&run(&found)));
    }

    #[test]
    fn judgments_keep_the_order_given(qrels in nested(-2..5_i32)) {
        let judgments = judgments(&qrels);
        prop_assert_eq!(judgments.len(), qrels.len());
        for (code, (query, documents)) in (0..).zip(&qrels) {
            prop_assert_eq!(judgments.query(code), query);
            let found: Vec<(String, i32)> = judgments.grades(code).map(|(d, g)| (d.to_owned(), g)).collect();
            prop_assert_eq!(found, documents.clone().into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn many_rows_are_shared_between_threads() {
    let found: Nested<f64> = (0..700)
        .map(|q| (format!("q{q:03}"), (0..100).map(|d| (format!("d{}", d * 7919 % 1009), f64::from(d % 13))).collect()))
        .collect();
    let one = contents(&Run::gather(&[rows(&found)], 1).unwrap());
    for threads in [2, 3, 4] {
        assert_eq!(contents(&Run::gather(&[rows(&found)], threads).unwrap()), one);
    }
}

#[test]
fn the_fault_of_the_first_row_is_reported_whoever_finds_it() {
    let found: Nested<f64> =
        (0..700).map(|q| (format!("q{q:03}"), (0..100).map(|d| (format!("d{d}"), f64::from(d))).collect())).collect();
    // Queries are looked at in their order, and q001 comes long before q600 and q601; the rows at fault do not.
    let mut late: Rows<f64> = Rows::default();
    for query in ["q601", "q600", "q001"] {
        late.open(query);
        late.push("d0", 9.0);
    }
    let pieces = [rows(&found), late];
    for threads in 1..5 {
        let error = Run::gather(&pieces, threads).unwrap_err();
        assert_eq!(error, Error::Data("document \"d0\" is twice in the ranking of query \"q601\": keep one".into()));
    }
}

#[test]
fn what_breaks_the_rules_is_refused() {
    let mut run = Rows::default();
    run.open("q");
    run.push("a", 1.0);
    run.open("r");
    run.push("a", 1.0);
    assert!(Run::gather(&[run], 1).is_ok());
    for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut run = Rows::default();
        run.open("q");
        run.push("b", score);
        let message = Run::gather(&[run], 1).unwrap_err().to_string();
        assert!(message.contains("document \"b\" for query \"q\"") && message.contains("finite"), "{message}");
    }
    let mut qrels = Rows::default();
    qrels.open("q");
    qrels.push("a", 1);
    qrels.open("r");
    qrels.open("q");
    qrels.push("a", 2);
    let message = Judgments::gather(&[qrels], 1).unwrap_err().to_string();
    assert_eq!(message, "document \"a\" is judged twice for query \"q\" (grade 1 before, 2 here): keep one");
}
