//! Fusion against ten lines.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::fusion::{Fused, Fusion, Normalisation, Rule, fuse};

type Ranking = Vec<(i64, f64)>;

fn settings() -> impl Strategy<Value = Fusion> {
    let rule = prop_oneof![
        (1..100_i32).prop_map(|k| Rule::ReciprocalRank { k: f64::from(k) }),
        Just(Rule::Sum),
        Just(Rule::Mnz)
    ];
    let normalisation =
        prop_oneof![Just(Normalisation::None), Just(Normalisation::MinMax), Just(Normalisation::ZScore)];
    let weights = prop_oneof![Just(vec![]), Just(vec![0.5, 2.0, 1.0])];
    (rule, normalisation, weights, 0..20_usize).prop_map(|(rule, normalisation, weights, depth)| Fusion {
        rule,
        normalisation,
        weights,
        depth,
        threads: 2,
    })
}

/// Up to 12 documents with few different scores.
fn ranking() -> impl Strategy<Value = Ranking> {
    prop::collection::btree_map(0..15_i64, (-4..=4_i32).prop_map(|v| f64::from(v) / 4.0), 0..12)
        .prop_map(|found| found.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

fn by_score(ranking: &mut Ranking) {
    ranking.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
}

fn normalised(ranking: &Ranking, how: Normalisation) -> Ranking {
    let n = ranking.len() as f64;
    let least = ranking.iter().map(|r| r.1).fold(f64::MAX, f64::min);
    let most = ranking.iter().map(|r| r.1).fold(f64::MIN, f64::max);
    let mean = ranking.iter().map(|r| r.1).sum::<f64>() / n;
    let deviation = (ranking.iter().map(|r| (r.1 - mean).powi(2)).sum::<f64>() / n).sqrt();
    let value = |s: f64| match how {
        Normalisation::None => s,
        Normalisation::MinMax => {
            if least == most {
                1.0
            } else {
                (s - least) / (most - least)
            }
        }
        Normalisation::ZScore => {
            if least == most {
                0.0
            } else {
                (s - mean) / deviation
            }
        }
    };
    ranking.iter().map(|r| (r.0, value(r.1))).collect()
}

fn naive(runs: &[Ranking], fusion: &Fusion) -> Ranking {
    let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for (run, ranking) in runs.iter().enumerate() {
        let weight = fusion.weights.get(run).copied().unwrap_or(1.0);
        let mut ranking = ranking.clone();
        match fusion.rule {
            Rule::ReciprocalRank { k } => {
                by_score(&mut ranking);
                ranking.iter_mut().enumerate().for_each(|(i, r)| r.1 = 1.0 / (k + i as f64 + 1.0));
            }
            _ => ranking = normalised(&ranking, fusion.normalisation),
        }
        for (document, score) in ranking {
            let sum = sums.entry(document).or_default();
            *sum = (sum.0 + weight * score, sum.1 + 1.0);
        }
    }
    let times = |count: f64| if fusion.rule == Rule::Mnz { count } else { 1.0 };
    let mut fused: Ranking = sums.into_iter().map(|(document, (sum, count))| (document, sum * times(count))).collect();
    by_score(&mut fused);
    fused.truncate(fusion.depth);
    fused
}

fn fused(queries: &[Vec<Ranking>], fusion: &Fusion) -> Result<Fused<i64>, crate::Error> {
    let columns: Vec<Vec<(Vec<i64>, Vec<f64>)>> =
        queries.iter().map(|runs| runs.iter().map(|r| r.iter().copied().unzip()).collect()).collect();
    let runs = queries.first().map_or(3, Vec::len);
    let list = |query: usize, run: usize| {
        let (documents, scores) = &columns[query][run];
        (&documents[..], &scores[..])
    };
    fuse((queries.len(), runs), list, Ord::cmp, fusion)
}

const SUM: Fusion =
    Fusion { rule: Rule::Sum, normalisation: Normalisation::None, weights: vec![], depth: 100, threads: 1 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ten_lines(queries in prop::collection::vec(prop::collection::vec(ranking(), 3), 0..4), fusion in settings()) {
        let found = fused(&queries, &fusion).unwrap();
        prop_assert_eq!(found.offsets.len(), queries.len() + 1);
        for (query, runs) in queries.iter().enumerate() {
            let range = found.offsets[query]..found.offsets[query + 1];
            let wanted = naive(runs, &fusion);
            prop_assert_eq!(range.len(), wanted.len());
            // Scores may differ by rounding, and then the order of what is all but tied.
            for (i, (document, score)) in range.zip(&wanted) {
                prop_assert!((found.scores[i] - score).abs() < 1e-12);
                let tied = wanted.iter().filter(|w| (w.1 - score).abs() < 1e-12).count() > 1;
                prop_assert!(tied || found.documents[i] == *document);
            }
        }
    }
}

#[test]
fn ties_go_by_id() {
    let found = fused(&[vec![vec![(9, 1.0), (4, 1.0)], vec![(5, -0.0), (2, 0.0), (7, 1.0)]]], &SUM).unwrap();
    assert_eq!(found.documents, [4, 7, 9, 2, 5]);
    let rule = Rule::ReciprocalRank { k: 60.0 };
    let ranks = fused(&[vec![vec![(9, 1.0), (4, 1.0), (5, 2.0)]]], &Fusion { rule, ..SUM }).unwrap();
    assert_eq!((ranks.documents, ranks.scores), (vec![5, 4, 9], vec![1.0 / 61.0, 1.0 / 62.0, 1.0 / 63.0]));
}

#[test]
fn scores_without_spread_stand_at_the_mean() {
    let z = Fusion { normalisation: Normalisation::ZScore, ..SUM };
    let ranking = vec![(1, 0.1), (2, 0.1), (3, 0.1)];
    assert_eq!(fused(&[vec![ranking]], &z).unwrap().scores, [0.0; 3]);
}

#[test]
fn the_size_of_scores_does_not_matter() {
    // Likelihoods are tiny, and the least double there is may stand for "none".
    for unit in [1.0, 1e-170, 2e-308, 1e170, 1e307] {
        let ranking = vec![(1, unit), (2, 2.0 * unit), (3, 4.0 * unit)];
        for (normalisation, wanted) in [
            (Normalisation::ZScore, [5.0 / 14_f64.sqrt(), -1.0 / 14_f64.sqrt(), -4.0 / 14_f64.sqrt()]),
            (Normalisation::MinMax, [1.0, 1.0 / 3.0, 0.0]),
        ] {
            let found = fused(&[vec![ranking.clone()]], &Fusion { normalisation, ..SUM }).unwrap().scores;
            assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 1e-14), "{unit}: {found:?}, not {wanted:?}");
        }
    }
}

#[test]
fn the_same_at_any_thread_count() {
    let ranking = |seed: i64| (0..100).map(|i| ((i * seed) % 101, ((i * i * seed) % 97) as f64)).collect::<Ranking>();
    let queries: Vec<Vec<Ranking>> =
        (1..200).map(|q| vec![ranking(q % 100 + 1), ranking((q + 31) % 100 + 1)]).collect();
    let fusion = Fusion { normalisation: Normalisation::ZScore, ..SUM };
    let one = fused(&queries, &fusion).unwrap();
    for threads in [0, 2, 3, 7, 1000] {
        assert_eq!(fused(&queries, &Fusion { threads, ..fusion.clone() }).unwrap(), one);
    }
}

#[test]
fn what_cannot_be_fused_is_refused() {
    let message = |queries: &[Vec<Ranking>], fusion: &Fusion| fused(queries, fusion).unwrap_err().to_string();
    let good = vec![vec![(1, 1.0)], vec![(2, 1.0)]];
    assert!(
        message(&[good.clone(), vec![vec![], vec![(1, f64::NAN)]]], &SUM).contains("query 1 of run 1: a score is NaN")
    );
    assert!(message(&[vec![vec![(3, 1.0), (3, 2.0)]]], &SUM).contains("query 0 of run 0: a document is there twice"));
    assert!(message(&[vec![vec![(1, f64::MAX)], vec![(1, f64::MAX)]]], &SUM).contains("overflows"));
    assert!(message(&[vec![]], &SUM).contains("no run"));
    let weighted = |weights| message(std::slice::from_ref(&good), &Fusion { weights, ..SUM });
    assert!(weighted(vec![1.0]).contains("1 weights do not fit 2 runs"));
    assert!(weighted(vec![1.0, -1.0]).contains("a weight is -1"));
    assert!(weighted(vec![0.0, 0.0]).contains("all weights are 0"));
    let k = Fusion { rule: Rule::ReciprocalRank { k: 0.0 }, ..SUM };
    assert!(message(&[good], &k).contains("k of reciprocal rank fusion is 0"));
}
