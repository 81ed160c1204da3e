//! `max_sim`.

use proptest::prelude::*;

use super::data::{Elements, Kind, cases};
use super::{floats, on_every_backend, rows, threads};
use crate::max_sim::max_sim_with;
use crate::{Error, max_sim};

fn dot(query: &[f32], row: &[f32]) -> f64 {
    query.iter().zip(row).map(|(&q, &r)| f64::from(q) * f64::from(r)).sum()
}

proptest! {
    #![proptest_config(super::config(100))]

    /// Within the bound of the sums, and the same on every back end.
    #[test]
    fn close_to_the_oracle(case in cases(&[Kind::Plain, Kind::Whole, Kind::Near, Kind::Adverse]), cuts in any::<u64>()) {
        let query = rows(&case.queries, case.dimension);
        for elements in Elements::all(&case) {
            let vectors = elements.vectors(case.dimension);
            let corpus = elements.corpus(case.dimension);
            let inner = (1..corpus.len()).filter(|row| cuts >> (row % 64) & 1 == 1 || row % 70 == 0);
            let mut offsets: Vec<usize> = std::iter::once(0).chain(inner).collect();
            if !corpus.is_empty() {
                offsets.push(corpus.len());
            }
            let everywhere =
                on_every_backend!(|backend| max_sim_with(backend, query, corpus, &offsets, threads(case.threads)));
            for (name, found) in &everywhere {
                prop_assert_eq!(found, &everywhere[0].1, "{}", name);
            }
            let found = everywhere[0].1.as_ref().unwrap();
            prop_assert_eq!(found.len(), offsets.len() - 1);
            for (pair, &score) in offsets.windows(2).zip(found) {
                let tokens = &vectors[pair[0] * case.dimension..pair[1] * case.dimension];
                let (mut sum, mut size) = (0.0, 0.0);
                for query in case.queries.chunks_exact(case.dimension) {
                    let products = tokens.chunks_exact(case.dimension).map(|row| dot(query, row));
                    sum += products.fold(f64::NEG_INFINITY, f64::max);
                    let norms = tokens.chunks_exact(case.dimension).map(|row| dot(row, row).sqrt());
                    size += norms.fold(0.0, f64::max) * dot(query, query).sqrt();
                }
                let bound = size * (2.0 * case.dimension as f64 + query.len() as f64 + 12.0) * 2.0_f64.powi(-53);
                let range = |x: f64| x.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) as f32;
                prop_assert!(range(sum - bound) <= score && score <= range(sum + bound), "{score} {sum} {elements:?}");
            }
        }
    }
}

#[test]
fn offsets_are_checked() {
    let tokens = [1.0; 6];
    let score = |offsets: &[i64]| max_sim(rows(&[1.0, 1.0], 2), floats(&tokens, 2), offsets, threads(1));
    assert_eq!(score(&[0, 1, 3]).unwrap(), [2.0, 2.0]);
    for (offsets, place) in
        [(&[1, 3][..], 0), (&[0, 2], 1), (&[0, 4, 3], 1), (&[0, 2, 1, 3], 2), (&[-1, 3], 0), (&[], 0)]
    {
        assert_eq!(score(offsets), Err(Error::Offsets(place)), "{offsets:?}");
    }
    assert_eq!(score(&[0, 1, 1, 3]), Err(Error::EmptyDocument(1)));
    let bad = [1.0, 1.0, f32::NAN, 1.0];
    assert_eq!(max_sim(rows(&[1.0, 1.0], 2), floats(&bad, 2), &[0, 1, 2], threads(1)), Err(Error::Row(1)));
    assert_eq!(max_sim(rows(&[], 2), floats(&tokens, 2), &[0, 3], threads(1)).unwrap(), [0.0]);
}
