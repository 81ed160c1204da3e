//! The best and worst of a measure against all orders of tied documents.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::data::{MEASURES, judgments, measures, nest, run};
use super::naive;
use crate::{Missing, Options, Ties, tie_bounds};

/// All orders of `documents` in which neighbours with one score may change places.
fn orders<'a>(documents: &[(&'a str, f64)], ties: Ties) -> Vec<Vec<&'a str>> {
    let score = |name: &str| naive::compared(documents.iter().find(|d| d.0 == name).unwrap().1, ties);
    let mut found = vec![naive::ranking(documents, ties)];
    let mut next = 0;
    while next < found.len() {
        for i in 1..found[next].len() {
            if score(found[next][i - 1]) == score(found[next][i]) {
                let mut other = found[next].clone();
                other.swap(i - 1, i);
                if !found.contains(&other) {
                    found.push(other);
                }
            }
        }
        next += 1;
    }
    found
}

const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// At most six documents, of three scores of which two tie in single precision, so at most 720 orders.
    #[test]
    fn bounds_are_reached_and_never_passed(
        grades in prop::collection::vec(prop::option::weighted(0.8, -1..4_i32), 9),
        scores in prop::collection::vec(prop::sample::select(vec![1.0, 1.0 + 1e-12, 0.5]), 0..7),
        single: bool,
        threads in 1..3_usize,
    ) {
        let ties = if single { Ties::Float32 } else { Ties::Float64 };
        let judged: Vec<(&str, i32)> =
            NAMES.iter().zip(&grades).filter_map(|(&name, grade)| grade.map(|grade| (name, grade))).collect();
        prop_assume!(!judged.is_empty());
        let found: Vec<(&str, f64)> = NAMES.iter().copied().zip(scores).collect();
        let (judgments, run) = (judgments(&nest(&[("q", &judged)])), run(&nest(&[("q", &found)])));
        let bounds = tie_bounds(&judgments, &run, &measures(), Options { ties, missing: Missing::Skip, threads });
        let orders = orders(&found, ties);
        for (i, measure) in measures().iter().enumerate() {
            let values: Vec<f64> = orders.iter().map(|order| naive::value(measure, &judged, order, ties)).collect();
            let (least, greatest) = (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(0.0, f64::max));
            prop_assert!((bounds.table.values[i] - values[0]).abs() < 1e-12, "{measure}");
            prop_assert!((bounds.worst[i] - least).abs() < 1e-12, "{measure}: worst {}, not {least}", bounds.worst[i]);
            prop_assert!((bounds.best[i] - greatest).abs() < 1e-12, "{measure}: best {}, not {greatest}", bounds.best[i]);
            prop_assert!(bounds.worst[i] <= bounds.table.values[i] && bounds.table.values[i] <= bounds.best[i]);
        }
    }

    /// Long ties of few classes: inferred AP over every way to mix the classes.
    #[test]
    fn inferred_precision_in_long_ties(classes in prop::collection::vec(0..4_usize, 1..9), ahead in 0..30_usize) {
        let judged_before: Vec<(String, i32)> = (0..ahead).step_by(3).map(|i| (format!("x{i}"), (i % 2) as i32)).collect();
        let mut qrels: BTreeMap<String, i32> = judged_before.into_iter().collect();
        let mut found: BTreeMap<String, f64> = (0..ahead).map(|i| (format!("x{i}"), 100.0 - i as f64)).collect();
        for (i, class) in classes.iter().enumerate() {
            let grade = [Some(1), Some(0), Some(-1), None][*class];
            qrels.extend(grade.map(|grade| (format!("y{i}"), grade)));
            found.insert(format!("y{i}"), 0.5);
        }
        prop_assume!(!qrels.is_empty());
        let judged: Vec<(&str, i32)> = qrels.iter().map(|(name, &grade)| (name.as_str(), grade)).collect();
        let measure = "infAP".parse().unwrap();
        let options = Options::default();
        let qrels_of = BTreeMap::from([("q".to_owned(), qrels.clone())]);
        let bounds = tie_bounds(&judgments(&qrels_of), &run(&BTreeMap::from([("q".to_owned(), found)])), &[measure], options);
        let head: Vec<String> = (0..ahead).map(|i| format!("x{i}")).collect();
        let (mut least, mut greatest) = (f64::MAX, 0.0_f64);
        for mix in mixes(&classes) {
            let order: Vec<&str> = head.iter().map(String::as_str).chain(mix.iter().map(|&i| TIED[i])).collect();
            let value = naive::value(&measure, &judged, &order, Ties::Float32);
            (least, greatest) = (least.min(value), greatest.max(value));
        }
        prop_assert!((bounds.worst[0] - least).abs() < 1e-12, "worst {}, not {least}", bounds.worst[0]);
        prop_assert!((bounds.best[0] - greatest).abs() < 1e-12, "best {}, not {greatest}", bounds.best[0]);
    }
}

const TIED: [&str; 9] = ["y0", "y1", "y2", "y3", "y4", "y5", "y6", "y7", "y8"];

/// Positions in every order that differs by class: documents of one class are alike.
fn mixes(classes: &[usize]) -> Vec<Vec<usize>> {
    fn extend(classes: &[usize], taken: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
        if taken.len() == classes.len() {
            found.push(taken.clone());
        }
        for class in 0..4 {
            if let Some(next) = (0..classes.len()).find(|i| classes[*i] == class && !taken.contains(i)) {
                taken.push(next);
                extend(classes, taken, found);
                taken.pop();
            }
        }
    }
    let mut found = Vec::new();
    extend(classes, &mut Vec::new(), &mut found);
    found
}

#[test]
fn without_ties_there_is_nothing_to_move() {
    let judgments = judgments(&nest(&[("q", &[("a", 1), ("b", 0), ("c", -1)])]));
    let run = run(&nest(&[("q", &[("b", 3.0), ("a", 2.0), ("c", 1.0)])]));
    let bounds = tie_bounds(&judgments, &run, &measures(), Options::default());
    assert_eq!(bounds.table.values.len(), MEASURES.len());
    assert_eq!(bounds.worst, bounds.table.values);
    assert_eq!(bounds.best, bounds.table.values);
}

#[test]
fn a_missing_query_is_zero_in_every_order() {
    let judgments = judgments(&nest(&[("q", &[("a", 1)]), ("r", &[("a", 1)])]));
    let run = run(&nest(&[("q", &[("a", 1.0), ("b", 1.0)])]));
    let options = Options { missing: Missing::Zero, ..Options::default() };
    let bounds = tie_bounds(&judgments, &run, &["RR".parse().unwrap()], options);
    assert_eq!(bounds.table.values, [0.5, 0.0]);
    assert_eq!((bounds.worst, bounds.best), (vec![0.5, 0.0], vec![1.0, 0.0]));
}
