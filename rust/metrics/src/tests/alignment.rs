//! Alignment of runs by definition.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{Rows, Run, Ties, align};

type Scores = BTreeMap<String, BTreeMap<String, f64>>;

/// Few documents and scores, so that much is shared and much is tied; some scores tie in single precision only.
fn scores() -> impl Strategy<Value = Scores> {
    let score = prop::sample::select(vec![0.0, 1.0, 1.0 + 1e-12, 1.0 + 2e-12, -2.5, 3.0]);
    let ranking = prop::collection::btree_map("[a-e]{1,2}", score, 0..9);
    prop::collection::btree_map("q[1-4]", ranking, 0..4)
}

fn run(scores: &Scores) -> Run {
    let mut rows = Rows::default();
    for (query, ranking) in scores {
        rows.open(query);
        for (document, &score) in ranking {
            rows.push(document, score);
        }
    }
    Run::gather(&[rows], 1).unwrap()
}

fn compared(score: f64, ties: Ties) -> f64 {
    if ties == Ties::Float32 { f64::from(score as f32) } else { score }
}

fn head(scores: &Scores, query: &str, depth: usize, ties: Ties) -> (Vec<String>, bool) {
    let mut ranking: Vec<(f64, String)> =
        scores.get(query).into_iter().flatten().map(|(id, &score)| (compared(score, ties), id.clone())).collect();
    ranking.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| b.1.cmp(&a.1)));
    let tied = ranking[..ranking.len().min(depth + 1)].windows(2).any(|pair| pair[0].0 == pair[1].0);
    ranking.truncate(depth);
    (ranking.into_iter().map(|(_, id)| id).collect(), tied)
}

proptest! {
    #[test]
    fn every_rank_by_definition(
        first in scores(),
        second in scores(),
        depth in 0_usize..12,
        ties in prop::sample::select(vec![Ties::Float32, Ties::Float64]),
        threads in 1_usize..4,
    ) {
        let (ours, theirs) = (run(&first), run(&second));
        let found = align(&ours, &theirs, depth, ties, threads);
        let only: Vec<&str> = found.only_second.iter().map(|&query| theirs.query(query)).collect();
        let queries: Vec<&str> = (0..ours.len() as u32).map(|query| ours.query(query)).chain(only).collect();
        let mut wanted: Vec<&String> = first.keys().chain(second.keys()).collect();
        wanted.sort();
        wanted.dedup();
        prop_assert_eq!(queries.len(), wanted.len());
        prop_assert_eq!(found.positions.len(), queries.len() * found.width);
        prop_assert!(found.width <= depth);
        for (at, query) in queries.into_iter().enumerate() {
            let (a, a_tied) = head(&first, query, depth, ties);
            let (b, b_tied) = head(&second, query, depth, ties);
            prop_assert_eq!([found.lengths[0][at] as usize, found.lengths[1][at] as usize], [a.len(), b.len()]);
            prop_assert_eq!(found.tied[at], a_tied || b_tied);
            let row = &found.positions[at * found.width..][..found.width];
            for (rank, &position) in row.iter().enumerate() {
                let place = a.get(rank).and_then(|id| b.iter().position(|other| other == id));
                prop_assert_eq!(position, place.map_or(-1, |place| place as i32));
            }
        }
    }
}

#[test]
fn nothing_is_aligned_with_nothing() {
    let found = align(&Run::default(), &Run::default(), 10, Ties::Float32, 0);
    assert_eq!((found.width, found.positions.len(), found.tied.len()), (0, 0, 0));
}
